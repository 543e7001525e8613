from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.preprocess.preparation import (
    low_notes,
    lucas_reflectance,
    measured_channels,
    positive_reflectance,
    shared_channels,
    target_rows,
    with_target,
)
from spectrakit.spectra import LUCAS_AXIS_NM, SpectralDataset


def dataset_of(spectra, axis, signal="reflectance", axis_unit="nm"):
    n_samples = len(spectra)
    return SpectralDataset(
        spectra=spectra,
        axis=axis,
        axis_unit=axis_unit,
        signal=signal,
        properties=pd.DataFrame({"ph": np.linspace(4, 8, n_samples)}),
        samples=pd.DataFrame({"sample_id": [f"s{i}" for i in range(n_samples)]}),
        provenance={"origin": "measured", "source": "a test"},
    )


def exponential(axis):
    """Two spectra whose logarithm is a straight line, so that interpolation and continuation are known."""
    return np.array([0.2, 0.3])[:, None] * np.exp(np.array([2e-4, -1e-4])[:, None] * (axis - 400))


CONTINUED = "nm not measured: log reflectance is continued there in a straight line"


@pytest.mark.parametrize(
    ("axis", "noted", "rtol"),
    [
        (np.arange(380, 2500, 0.5), [], 1e-6),
        (np.r_[400:1350, 1369:2500].astype(float), [], 1e-5),
        (np.arange(450.0, 2450), [f"400-449 {CONTINUED}", f"2450-2499 {CONTINUED}"], 1e-6),
        (LUCAS_AXIS_NM[:-1], [f"2499 {CONTINUED}"], 1e-6),
    ],
    ids=["half nanometres and more at the ends", "a gap of twenty nm", "missing ends", "a missing channel"],
)
def test_an_axis_is_picked_bridged_and_continued_on_the_logarithm(axis, noted, rtol):
    prepared, notes = lucas_reflectance(dataset_of(exponential(axis), axis))
    assert notes == noted
    np.testing.assert_array_equal(prepared.axis, np.arange(400, 2500))
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=rtol)


@pytest.mark.parametrize(("signal", "of"), [("reflectance", lambda r: r), ("absorbance", lambda r: -np.log10(r))])
def test_wavenumbers_and_absorbance_are_turned_into_reflectance_over_nm(signal, of):
    wavenumbers = np.arange(3900.0, 26_000, 4)
    spectra = of(exponential(1e7 / wavenumbers))
    prepared, notes = lucas_reflectance(dataset_of(spectra, wavenumbers, signal, "cm-1"))
    assert (prepared.signal, prepared.axis_unit, notes) == ("reflectance", "nm", [])
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=1e-5)


def test_a_continued_end_takes_its_level_from_the_last_channel_and_its_slope_from_twenty_nm():
    axis = np.arange(420.0, 2500)
    spectra = exponential(axis)
    spectra[:, 0] *= 1.01
    slope = np.polyfit(axis[:21], np.log(spectra[0, :21]), 1)[0]
    prepared, _ = lucas_reflectance(dataset_of(spectra, axis))
    np.testing.assert_allclose(prepared.spectra[0, :20], spectra[0, 0] * np.exp(slope * np.arange(-20, 0)), rtol=1e-6)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (
            np.arange(451.0, 2500),
            "the spectra span 451 to 2499 nm: the network needs 400 to 2499 nm, of which up to 50 nm",
        ),
        (np.arange(400.0, 2449), "the spectra span 400 to 2448 nm"),
        (np.r_[400:1350, 1371:2500], "no channel between 1349 and 1371 nm: steps of at most 20 nm are bridged"),
    ],
)
def test_an_axis_that_does_not_cover_the_network_is_refused(axis, message):
    with pytest.raises(ValueError, match=message):
        lucas_reflectance(dataset_of(exponential(axis), axis))


def test_counts_are_refused():
    with pytest.raises(ValueError, match="raw counts are not accepted"):
        lucas_reflectance(dataset_of(exponential(LUCAS_AXIS_NM), LUCAS_AXIS_NM, "counts"))


def test_missing_channels_and_dark_spectra_are_noted():
    axis = np.arange(399.0, 2502)
    spectra = np.vstack([exponential(axis)] * 2)
    spectra[:, 0] = np.nan  # measured in no sample: not asked for
    spectra[1, 7] = spectra[3, -1] = np.nan  # the last channel is not needed
    spectra[2, 1000] = -0.01
    dataset = dataset_of(spectra, axis)
    prepared, notes = lucas_reflectance(dataset)
    assert list(prepared.samples["sample_id"]) == ["s0", "s2", "s3"]
    assert notes == [
        "1 of 4 samples left out: channels are missing (s1)",
        "reflectance below 0.001 was set to 0.001 in 1 sample",
    ]
    assert prepared.spectra.min() == np.float32(0.001)
    np.testing.assert_array_equal(dataset.spectra, spectra.astype(np.float32))
    spectra[[0, 2], [5, 9]] = spectra[3, 7] = np.nan
    with pytest.raises(ValueError, match="no sample has all its channels"):
        lucas_reflectance(dataset_of(spectra, axis))


def test_samples_without_the_target_are_left_out_and_replicates_count_once():
    soils = dataset_of(np.ones((40, 3)), np.arange(3.0))
    assert with_target(soils, "ph")[1] == []
    soils.properties.loc[3:5, "ph"] = np.nan
    part, notes = with_target(soils, "ph")
    assert len(part) == 37 and notes == ["3 of 40 samples left out: ph is not measured"]
    twice = replace(soils, samples=soils.samples.assign(sample_id=np.arange(40) // 2))
    with pytest.raises(ValueError, match="ph is measured in 19 samples: at least 20 are needed"):
        with_target(twice, "ph")


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("clay_pct", 1.0, "no column 'clay_pct' with numbers; there are: ph"),
        ("ph", np.nan, "ph is not measured in any of 40 rows"),
        ("ph", 6.5, "ph is 6.5 wherever it is measured: there is nothing to predict"),
        ("ph", [5.0] * 9 + [6.0] * 10 + [np.nan] * 21, "ph is measured in 19 samples: at least 20 are needed"),
        ("ph", [5.0] * 19 + [-6.0] * 10 + [np.inf] * 11, "ph is measured in 19 samples: at least 20 are needed"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_named(target, values, message):
    with pytest.raises(ValueError, match=message):
        target_rows(pd.DataFrame({"ph": values}, index=range(40)), target, limits=(0, 14))


def test_channels_beyond_an_axis_or_in_its_gap_are_not_shared():
    grid, gap = np.arange(0.0, 10), np.r_[np.arange(1, 3, 0.25), np.arange(6, 9, 0.25)]
    np.testing.assert_array_equal(shared_channels(grid, [grid, gap], 4, ""), [1, 2, 6, 7, 8])
    with pytest.raises(ValueError, match="the laboratories share 5 channels from 0 to 9: at least 6 are needed"):
        shared_channels(grid, [grid, gap], 6, "from 0 to 9")


def test_channels_that_most_samples_lack_are_left_out():
    nan = np.nan
    spectra = np.array([[nan, 1, nan, nan], [nan, 2, 3, nan], [nan, 1, 2, 3], [nan] * 4])
    part, notes = measured_channels(dataset_of(spectra, np.arange(4.0)))
    assert part.axis.tolist() == [1, 2] and len(part) == 4
    assert notes == ["1 channel left out, not measured in most samples: 3"]
    with pytest.raises(ValueError, match="no channel is measured in most samples"):
        measured_channels(dataset_of(spectra[:, :1], np.zeros(1)))


def test_reflectance_without_a_logarithm_is_set_to_the_lowest_that_counts():
    reflectance = np.array([[0.5, np.nan, 0.001], [0.0, 0.2, -0.1], [0.0009, 1.2, 0.3]])
    positive, low = positive_reflectance(reflectance)
    np.testing.assert_array_equal(positive, [[0.5, np.nan, 0.001], [0.001, 0.2, 0.001], [0.001, 1.2, 0.3]])
    assert low.tolist() == [False, True, True]
    assert low_notes(low) == ["reflectance below 0.001 was set to 0.001 in 2 samples"]
    assert low_notes(np.zeros(3, bool)) == []
