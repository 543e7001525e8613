from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.simulate.libs import experiment
from spectrakit.spectra import SpectralDataset
from spectrakit.studies.libs import domains as libs_measured
from spectrakit.tables import read_table, write_table

# Two lines that one detector of the basalts' spectrometer records, and the half-widths that hold them.
MG_SI = (("Mg", 285.213), ("Si", 288.158))
AL_CA = (("Al", 394.401), ("Ca", 422.673))


def counts_over(axis, spectra, properties=None):
    spectra = np.atleast_2d(spectra)
    samples = pd.DataFrame({"sample_id": [f"r{i}" for i in range(len(spectra))]})
    properties = pd.DataFrame(properties if properties is not None else {}, index=samples.index)
    return SpectralDataset(spectra, axis, "nm", "counts", properties, samples, {"origin": "simulated"})


def lines_at(axis, places, height=5000.0, width=0.06):
    """Gaussian lines of standard deviation `width` (nm) on 100 counts."""
    return 100 + height * np.exp(-0.5 * ((axis[:, None] - places) / width) ** 2).sum(1)


AXIS = np.arange(280, 430, 0.05)


@pytest.mark.parametrize(("target", "n_channels"), [("ca", 66), ("mg", 124), ("na", 33)])
def test_a_task_is_one_window_of_one_set_of_soils(target, n_channels):
    dataset = experiment.measure(experiment.study_soils(0), n_shots=1)
    task = libs_measured.cut_task(dataset, target, "low")
    assert task.counts.shape == (12, n_channels)
    np.testing.assert_array_equal(task.wavelength, experiment.window_axes()[target])
    assert task.sample_id.tolist() == [f"S{i}" for i in range(13, 25)]
    rows = dataset.samples["range"] == "low"
    np.testing.assert_array_equal(task.content, dataset.properties.loc[rows, f"{target}_ppm"])
    np.testing.assert_array_equal(task.counts, dataset.spectra[rows][:, np.isin(dataset.axis, task.wavelength)])


def test_a_measured_task_leaves_out_soils_without_content():
    data = experiment.measure(experiment.field_soils(), n_shots=2)
    properties = data.properties.assign(na_ppm=np.nan).drop(columns="ca_ppm")
    properties.loc[0, "mg_ppm"] = np.nan
    data = replace(data, properties=properties)
    tasks = libs_measured.measured_tasks({"mine": data})
    assert list(tasks) == [("mine", "mg")]
    task = tasks["mine", "mg"]
    assert task.counts.shape == (11, 124) and task.sample_id[0] == "S14" and task.range == "measured"
    np.testing.assert_array_equal(task.content, properties["mg_ppm"][1:])
    np.testing.assert_array_equal(task.counts, data.window(279.0, 281.0).spectra[1:])
    for target in ("ca", "na"):
        with pytest.raises(ValueError, match=f"no sample with the property {target}_ppm: add such a column"):
            libs_measured.measured_task(data, target)


@pytest.mark.parametrize("shift", [-0.093, -0.05, 0.0, 0.012, 0.2])
def test_a_known_shift_is_found_to_a_fiftieth_of_a_channel(shift):
    dataset = counts_over(AXIS, [lines_at(AXIS, np.array([285.213, 422.673]) + shift)] * 3)
    found = libs_measured.wavelength_shifts(dataset)
    assert found["line"].tolist() == ["Mg I", "Ca I"]
    np.testing.assert_allclose(found["shift_nm"], shift, atol=1.5e-3)
    np.testing.assert_allclose(found["shift_channels"], found["shift_nm"] / 0.05, rtol=1e-6)
    assert not found["saturated"].any()


def test_the_median_spectrum_is_looked_at_and_single_missing_values_do_no_harm():
    spectra = np.stack([lines_at(AXIS, [285.213])] * 5)
    spectra[0] = 100 + 60000 * np.exp(-0.5 * ((AXIS - 285.0) / 0.06) ** 2)
    spectra[1, 100] = np.nan
    (found,) = libs_measured.wavelength_shifts(counts_over(AXIS, spectra)).itertuples()
    assert found.shift_nm == pytest.approx(0, abs=1.5e-3)


def test_lines_beyond_the_search_are_left_out_and_saturated_ones_are_marked():
    spectrum = np.minimum(lines_at(AXIS, [285.213, 394.401 + 0.4], height=60000), 65535)
    spectrum = np.where(np.abs(AXIS - 285.213) < 0.03, 65000, spectrum)
    found = libs_measured.wavelength_shifts(counts_over(AXIS, spectrum))
    assert found[["line", "table_nm", "saturated"]].to_numpy().tolist() == [["Mg I", 285.213, True]]


def test_an_average_is_saturated_from_95_hundredths_of_full_scale():
    assert libs_measured.is_saturated([62258.0, 62259.0, 65535.0]).tolist() == [False, True, True]


def test_the_share_of_saturated_samples_is_counted_by_window():
    axis = np.concatenate([experiment.window_axes()[target] for target in ("mg", "ca", "na")])
    spectra = np.full((4, len(axis)), 1000.0)
    spectra[:3, 10] = 65000  # in the window of Mg
    spectra[0, -1] = 65000  # in the window of Na
    found = libs_measured.saturated_samples(counts_over(axis, spectra))
    assert found == {"mg": 0.75, "ca": 0.0, "na": 0.25}


def test_the_area_of_a_line_is_above_the_line_between_its_edges():
    """A Gaussian has height x width x sqrt(2 pi); a sloping background takes nothing away."""
    axis = np.arange(285, 287, 0.01)
    gaussian = np.exp(-0.5 * ((axis - 286) / 0.05) ** 2) * [[1000], [250]]
    area = libs_measured.line_areas(axis, gaussian + 300 + 40 * (axis - 285), 286, 0.4)
    np.testing.assert_allclose(area, np.array([1000, 250]) * 0.05 * (2 * np.pi) ** 0.5, rtol=1e-4)


def test_oxides_become_elements_and_oxygen():
    oxides = {"cao_wt_pct": 10, "mgo_wt_pct": 5, "na2o_wt_pct": 3, "sio2_wt_pct": 50, "al2o3_wt_pct": 15}
    oxides |= {"fe2o3t_wt_pct": 12, "tio2_wt_pct": 2, "mno_wt_pct": 0.2, "k2o_wt_pct": 1}
    found = libs_measured.rock_composition(pd.DataFrame(oxides, index=[0])).iloc[0]
    # Shares of the metal in its oxide, from atomic masses: CaO 0.7147, MgO 0.6030, Na2O 0.7419, SiO2 0.4674 ...
    shares = {"Ca": 0.7147, "Mg": 0.6030, "Na": 0.7419, "Si": 0.4674, "Al": 0.5293, "Fe": 0.6994}
    shares |= {"Ti": 0.5994, "Mn": 0.7745, "K": 0.8301}
    for (oxide, content), (element, share) in zip(oxides.items(), shares.items(), strict=True):
        assert oxide.startswith(element.lower())
        assert found[element] == pytest.approx(content * 1e4 * share, rel=2e-4)
    assert found.sum() == pytest.approx(sum(oxides.values()) * 1e4)


def test_measured_ratios_follow_the_areas_and_a_detectors_sensitivity_cancels():
    """Two rocks alike but for twice the magnesium, and lines whose areas say the same."""
    oxides = dict.fromkeys(libs_measured._OXIDES, 5.0) | {"sio2_wt_pct": 50.0, "mgo_wt_pct": np.array([3.0, 6.0])}
    spectra = [lines_at(AXIS, [285.213], 1000 * n) + 7 * lines_at(AXIS, [288.158], 1000) for n in (1, 2)]
    found = libs_measured.content_ratios(counts_over(AXIS, spectra, oxides), [MG_SI])
    assert found[["sample_id", "ratio"]].to_numpy().tolist() == [["r0", "Mg/Si"], ["r1", "Mg/Si"]]
    np.testing.assert_allclose(found["contents"], [1, 2])
    np.testing.assert_allclose(found["measured"], [1, 2], rtol=1e-3)
    # The line absorbs itself: its area grows with the content, but not in step.
    assert found["simulated"].iloc[0] == 1 and 1.2 < found["simulated"].iloc[1] < 1.9


def test_spectra_are_moved_by_whole_channels():
    dataset = counts_over(AXIS, lines_at(AXIS, [422.673]))
    moved = libs_measured.shifted(dataset, -1)
    np.testing.assert_array_equal(moved.spectra[:, :-1], dataset.spectra[:, 1:])
    first, second = (libs_measured.wavelength_shifts(each) for each in (dataset, moved))
    np.testing.assert_allclose(second["shift_nm"], first["shift_nm"] - 0.05, atol=1e-6)


def test_a_folder_gives_the_tables_that_reach_over_the_windows(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}: no table of LIBS counts from 279 to 589.99 nm among 0 files"):
        libs_measured.read_folder(tmp_path)
    wide, narrow = (counts_over(axis, np.full(len(axis), 5.0)) for axis in (np.arange(250.0, 600), AXIS))
    write_table(narrow, tmp_path / "narrow.csv")
    (tmp_path / "notes.txt").write_text("no table")
    with pytest.raises(ValueError, match="among 1 files"):
        libs_measured.read_folder(tmp_path)
    write_table(wide, tmp_path / "wide.csv.gz")
    found = libs_measured.read_folder(tmp_path)
    assert list(found) == ["wide"]
    np.testing.assert_array_equal(found["wide"].spectra, wide.spectra)


@pytest.fixture(scope="module")
def soils(shared):
    return read_table(shared / "real" / "libs" / "soils171_counts.csv.gz", "nm", "counts")


def test_every_line_of_the_measured_soils_lies_about_one_channel_low(soils):
    found = libs_measured.wavelength_shifts(soils).set_index("table_nm")
    expected = {
        285.213: -0.0505,
        288.158: -0.0508,
        394.401: -0.0776,
        422.673: -0.0305,
        517.268: -0.0465,
        588.995: -0.0934,
    }
    assert found["shift_nm"].to_dict() == pytest.approx(expected, abs=5e-4)
    assert found["shift_nm"].between(-0.10, -0.03).all()
    assert found["shift_channels"].median() == pytest.approx(-0.605, abs=0.01)
    assert found["saturated"].tolist() == [False, True, True, False, False, True]


def test_magnesium_and_sodium_are_saturated_in_most_measured_soils(soils):
    found = libs_measured.saturated_samples(soils)
    assert found == pytest.approx({"mg": 131 / 171, "ca": 1 / 171, "na": 105 / 171})


def test_the_line_ratios_of_the_basalts(shared):
    basalts = read_table(shared / "real" / "libs" / "basalts3.csv.gz", "nm", "counts")
    found = libs_measured.content_ratios(basalts, (MG_SI, AL_CA)).set_index("ratio")
    expected = {
        "Mg/Si": {"contents": [1, 2.5323, 3.7190], "simulated": [1, 1.564, 1.854], "measured": [1, 2.0077, 2.6176]},
        "Al/Ca": {"contents": [1, 0.7812, 0.9918], "simulated": [1, 0.858, 0.996], "measured": [1, 0.8498, 0.7071]},
    }
    for ratio, columns in expected.items():
        for column, values in columns.items():
            tolerance = 0.03 if column == "simulated" else 1e-3
            np.testing.assert_allclose(found.loc[ratio, column], values, rtol=tolerance)
