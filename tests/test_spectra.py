import numpy as np
import pandas as pd
import pytest

from spectrakit.spectra import (
    SpectralDataset,
    axis_gaps,
    covered_channels,
    group_labels,
    interpolated,
    laboratory_labels,
    provenance_line,
    rows_of_contrary_shape,
    rows_on_another_scale,
    unmeasured_channels,
    unusual_axis,
)
from spectrakit.tables import read_table


def dataset(axis=(400.0, 410.0, 420.0, 430.0), spectra=((0, 10, 20, 30), (5, 5, 5, 5), (1, 2, 4, 8)), **changes):
    parts = {
        "spectra": np.array(spectra),
        "axis": np.array(axis),
        "axis_unit": "nm",
        "signal": "counts",
        "properties": pd.DataFrame({"ca_ppm": [1, 2, 3]}),
        "samples": pd.DataFrame({"sample_id": ["a", "b", "c"]}),
        "provenance": {"origin": "simulated", "seed": 7, "source": "LIBS forward model"},
    }
    return SpectralDataset(**(parts | changes))


def test_types_and_shapes():
    made = dataset()
    assert (len(made), made.n_samples, made.n_channels) == (3, 3, 4)
    assert made.spectra.dtype == np.float32
    assert made.axis.dtype == np.float64
    assert made.properties["ca_ppm"].dtype == np.float64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"axis": (400, 410, 420)}, r"spectra \(3, 4\) do not fit axis \(3,\)"),
        ({"axis": (400, 420, 410, 430)}, "strictly ascending"),
        ({"axis": (400, 410, 410, 430)}, "strictly ascending"),
        ({"axis": (400, 410, 420, np.nan)}, "finite"),
        ({"axis": (), "spectra": ((), (), ())}, "at least one channel"),
        ({"axis_unit": "um"}, "axis_unit 'um': give one of nm, cm-1"),
        ({"signal": "percent"}, "signal 'percent'"),
        ({"provenance": {"origin": "guessed"}}, "provenance origin 'guessed'"),
        ({"provenance": {}}, "provenance origin None"),
        ({"properties": pd.DataFrame({"ca_ppm": [1, 2]})}, "properties: 2 rows for 3 spectra"),
        ({"samples": pd.DataFrame({"sample_id": ["a"]})}, "samples: 1 rows for 3 spectra"),
        ({"samples": pd.DataFrame({"name": ["a", "b", "c"]})}, "sample_id is missing"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataset(**changes)


def test_window_includes_both_ends_and_leaves_the_original_as_it_was():
    whole = dataset()
    cut = whole.window(410, 420)
    assert cut.axis.tolist() == [410, 420]
    assert cut.spectra.tolist() == [[10, 20], [5, 5], [2, 4]]
    assert whole.n_channels == 4
    with pytest.raises(ValueError, match="no channel between 500 and 600 nm: the spectra span 400 to 430 nm"):
        whole.window(500, 600)


@pytest.mark.parametrize(("rows", "picked"), [([True, False, True], [0, 2]), ([2, 0, 2], [2, 0, 2]), ([], [])])
def test_subset_by_mask_and_by_positions(rows, picked):
    whole, part = dataset(), dataset().subset(rows)
    np.testing.assert_array_equal(part.spectra, whole.spectra[picked])
    assert part.samples["sample_id"].tolist() == ["abc"[place] for place in picked]
    assert part.properties["ca_ppm"].to_dict() == {row: 1 + place for row, place in enumerate(picked)}


@pytest.mark.parametrize(("rows", "error"), [([True, False], ValueError), ([3], IndexError)])
def test_rows_that_are_not_there_are_refused(rows, error):
    with pytest.raises(error, match="for 3 samples" if error is ValueError else "out of bounds"):
        dataset().subset(rows)


GAPPY = {"axis": (400, 401, 500, 501)}


@pytest.mark.parametrize(
    ("changes", "new_axis", "expected"),
    [
        ({}, [400, 405, 427.5], [[0, 5, 27.5], [5, 5, 5], [1, 1.5, 7]]),
        (GAPPY, [401, 500], [[10, 20], [5, 5], [2, 4]]),
        # Beside a missing channel it is missing.
        ({"spectra": ((0, np.nan, 20, 30),) * 3}, [400, 405, 425], [[0, np.nan, 25]] * 3),
    ],
)
def test_resample_interpolates_linearly_between_neighbours(changes, new_axis, expected):
    resampled = dataset(**changes).resample(new_axis)
    assert resampled.axis.tolist() == new_axis
    np.testing.assert_allclose(resampled.spectra, expected)


@pytest.mark.parametrize(
    ("changes", "new_axis", "message"),
    [
        ({}, [399, 410], r"399\.0 nm is not covered: the spectra span 400 to 430 nm"),
        ({}, [410, 431], r"431\.0 nm is not covered: the spectra span 400 to 430 nm"),
        (GAPPY, [400.5, 450], r"450\.0 nm is not covered.* none between 401 and 500"),
    ],
)
def test_resample_refuses_what_is_not_covered(changes, new_axis, message):
    with pytest.raises(ValueError, match=message):
        dataset(**changes).resample(new_axis)


@pytest.mark.parametrize(
    ("axis", "gaps"),
    [
        ([1.0, 2, 3, 10, 11], [[3, 10]]),
        ([1.0, 2, 3, 6, 7], []),
        # overlapping orders: 0.014 and 0.07 in turn among steps of 0.08
        (np.cumsum([0, 0.08, 0.08, 0.08, 0.014, 0.07, 0.014, 0.08, 0.08, 0.08]), []),
        ([1.0, 100.0], []),
        ([1.0], []),
    ],
)
def test_axis_gaps_need_a_step_wider_than_those_beside_it_and_than_the_median(axis, gaps):
    assert axis_gaps(np.array(axis)).tolist() == gaps


@pytest.mark.parametrize(
    ("axis", "axis_unit", "words"),
    [
        ((350, 2500), "nm", None),
        ((600, 4000), "cm-1", None),
        ((600, 4000), "nm", "axis from 600 to 4000 is unusual in nm, it looks like cm-1"),
        ((350, 2500), "cm-1", "axis from 350 to 2500 is unusual in cm-1, it looks like nm"),
        ((99, 900), "nm", "axis from 99 to 900 is unusual in nm"),
        ((600, 60_001), "cm-1", "axis from 600 to 60001 is unusual in cm-1"),
    ],
)
def test_an_axis_that_is_unusual_in_its_unit(axis, axis_unit, words):
    assert unusual_axis(axis, axis_unit) == words


@pytest.mark.parametrize(
    ("row", "signal", "other"),
    [
        ([1.6, 1.5, 1.4, np.nan], "reflectance", False),
        ([1.6, 1.7, 0.1, np.nan], "reflectance", True),
        ([0.2] * 39 + [150], "percent-reflectance", True),  # fractions with a spike
        ([3.5] * 4, "percent-reflectance", False),
        ([7, 7, 5], "absorbance", True),
        ([7, 5, 5], "absorbance", False),
        ([7, 7, 7], "counts", False),
        ([np.nan] * 3, "percent-reflectance", False),
    ],
)
def test_a_row_on_another_scale_than_its_signal(row, signal, other):
    assert rows_on_another_scale(np.array([row]), signal).tolist() == [other]


@pytest.mark.parametrize(
    ("values", "signal", "impossible", "other"),
    [
        ([[0.2, -9999, 0.3]], "reflectance", [[0, 1, 0]], [0]),
        ([[0.2, 4, 0.3]], "reflectance", [[0, 1, 0]], [0]),  # one cell that no reflectance has
        ([[20, 400, 30]], "reflectance", [[0, 0, 0]], [1]),  # per cent: not a code
        ([[20, -1.23e34, 30], [21, 999, 31]], "percent-reflectance", [[0, 1, 0], [0, 1, 0]], [0, 0]),
        ([[0.5, 1e30, -999], [0.5, 0.6, 0.7]], "absorbance", [[0, 1, 1], [0, 0, 0]], [0, 0]),
        ([[-99, 70000, -9999]], "counts", [[0, 0, 1]], [0]),
    ],
)
def test_channels_that_hold_no_value_of_a_signal(values, signal, impossible, other):
    for kind in (float, np.float32):
        masks = unmeasured_channels(np.array(values, kind), signal)
        assert [mask.astype(int).tolist() for mask in masks] == [impossible, other]


REAL = ["ssp460", "sl125", "ul120", "sc93", "nirsoil825", "o32", "nrw115", "h138"]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("scale", [1, 100])
def test_measured_soils_have_the_shape_of_what_they_are(shared, name, scale):
    folder, unit = ("mir", "cm-1") if name in ("o32", "nrw115", "h138") else ("visnir", "nm")
    table = read_table(shared / "real" / folder / f"{name}.csv.gz", unit, "percent-reflectance")
    reflectance = "percent-reflectance" if scale == 100 else "reflectance"
    absorbance = -np.log10(np.maximum(table.spectra, 1e-3))
    for values, declared, contrary in (
        (scale * table.spectra, reflectance, 0),
        (absorbance, "absorbance", 0),
        (absorbance, reflectance, 1),
        (scale * table.spectra, "absorbance", 1),
    ):
        # One in twenty is what a table may have of either.
        assert abs(rows_of_contrary_shape(values, table.axis, unit, declared).mean() - contrary) < 0.02
    assert not rows_on_another_scale(scale * table.spectra, reflectance).any()
    assert not rows_on_another_scale(absorbance, "absorbance").any()
    for values, declared in ((table.spectra, "percent-reflectance"), (100 * table.spectra, "reflectance")):
        assert rows_on_another_scale(values, declared).all()


@pytest.mark.parametrize(
    ("provenance", "line"),
    [
        ({"origin": "simulated", "seed": 7, "source": "a model"}, "simulated, seed 7, a model"),
        ({"origin": "measured", "source": "file a.csv"}, "measured, file a.csv"),
        (
            {"origin": "simulated", "seed": 0, "profile": "quick", "settings": {"gain": 2}},
            "simulated, seed 0, profile quick",
        ),
    ],
)
def test_provenance_in_one_line(provenance, line):
    assert dataset(provenance=provenance).provenance_line() == provenance_line(provenance) == line


def test_channels_that_others_enclose_are_neither_beyond_their_ends_nor_in_a_gap():
    axis = np.array([400, 402, 404, 500, 502, 504.0])
    asked = np.array([399, 400, 403, 404, 450, 500, 503, 504, 505.0])
    expected = [False, True, True, True, False, True, True, True, False]
    np.testing.assert_array_equal(covered_channels(asked, axis), expected)
    assert not covered_channels(asked, axis[:0]).any()


def test_spectra_on_their_own_axis_stay_as_they_are():
    spectra = np.array([[1, 2, 4]], np.float32)
    assert interpolated(spectra, [1, 2, 3], [1.0, 2, 3]) is spectra
    np.testing.assert_array_equal(interpolated(spectra, [1, 2, 3], [1.5, 2.5]), [[1.5, 3]])


def test_laboratories_and_what_must_not_be_divided_are_read_from_the_columns_that_say():
    samples = pd.DataFrame({"sample_id": ["a", "b", "c", "d"], "lab": ["x", "y", None, "z"]})
    assert laboratory_labels(samples).to_list()[:2] == ["x", "y"] and laboratory_labels(samples).isna()[2]
    assert laboratory_labels(samples.assign(laboratory=[1, None, 3, None])).to_list() == ["1.0", "y", "3.0", "z"]
    assert laboratory_labels(samples[["sample_id"]]) is None
    samples = samples.assign(site=["s", "s", None, None], group=[None, "g", None, "g"])
    assert group_labels(samples).tolist() == ["site s", "group g", "sample c", "group g"]
    assert group_labels(samples, ("group",)).tolist() == ["sample a", "group g", "sample c", "group g"]
    assert group_labels(samples[["sample_id"]]).tolist() == ["sample a", "sample b", "sample c", "sample d"]
