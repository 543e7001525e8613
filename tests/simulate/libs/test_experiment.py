from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.simulate.libs import experiment as libs
from spectrakit.simulate.libs.atoms import ELEMENTS

REFERENCE_NM = {
    "mg": [279.5528, 280.2704],  # Mg II
    "ca": [422.6728],  # Ca I
    "na": [588.9951, 589.5924],  # Na I
}


def first(soils, n):
    return libs.Soils(*(getattr(soils, field.name).iloc[:n] for field in fields(soils)))


@pytest.fixture(scope="module")
def experiment():
    return libs.simulate_libs(random_state=5)


# --- axes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "n_channels", "low", "high"),
    [("mg", 124, 279.00, 280.99), ("ca", 66, 421.01, 422.73), ("na", 33, 588.82, 589.99)],
)
def test_windows_hold_the_channels_of_the_study(target, n_channels, low, high, experiment):
    axis = libs.window_axes()[target]
    assert len(axis) == n_channels
    assert axis[[0, -1]] == pytest.approx([low, high], abs=1e-12)
    np.testing.assert_allclose(np.diff(axis), (high - low) / (n_channels - 1))
    assert np.array_equal(experiment.window(low - 1e-9, high + 1e-9).axis, axis)


def test_the_survey_has_a_constant_number_of_channels_per_resolution_element():
    axis = libs.survey_axis()
    assert axis[[0, -1]] == pytest.approx([200, 975])
    assert len(axis) == 26_138
    np.testing.assert_allclose(libs.spectrometer().resolution_nm(axis[1:]) / np.diff(axis), 3.3, rtol=1e-3)


@pytest.mark.parametrize("target", libs.TARGETS)
def test_lines_stand_within_a_channel_of_the_reference_wavelengths(target, experiment):
    axis = libs.window_axes()[target]
    window = experiment.window(axis[0], axis[-1]).spectra[0]
    step = axis[1] - axis[0]
    for wavelength in REFERENCE_NM[target]:
        near = np.abs(axis - wavelength) < 4 * step
        assert axis[near][window[near].argmax()] == pytest.approx(wavelength, abs=step)


def test_a_survey_spectrum_shows_the_lines_of_the_windows_where_they_are():
    survey = libs.measure(first(libs.spiked_soils(), 1), survey=True)
    assert survey.spectra.shape == (1, 26_138)
    axis, counts = survey.axis, survey.spectra[0]
    for wavelength in [279.5528, 280.2704, 285.2126, 288.1579, 393.3663, 394.4006, 422.6728, 588.9951, 589.5924]:
        near = np.abs(axis - wavelength) < 3 * wavelength / 16_500
        assert axis[near][counts[near].argmax()] == pytest.approx(wavelength, abs=wavelength / 16_500)


# --- the light -----------------------------------------------------------------------------------------------


def test_light_is_counted_in_photons():
    plasma = libs.nominal_plasma()
    ranges = libs._ranges(False)
    energy = [part.radiance(plasma) @ response for _, part, response in ranges]
    axis = np.concatenate(list(libs.window_axes().values()))
    np.testing.assert_allclose(libs.collected_light(plasma), np.concatenate(energy, axis=1) * axis, rtol=1e-5)


def test_air_and_soil_share_the_plasma():
    plasma = libs.nominal_plasma()
    fractions = dict(zip(ELEMENTS, plasma.mole_fractions[0], strict=True))
    # Dry air: 78.7 % N and 21.2 % O atoms once argon is left out; half of the particles.
    assert fractions["N"] == pytest.approx(0.5 * 0.788, abs=0.003)
    assert fractions["Si"] / fractions["Al"] == pytest.approx(330_000 / 28.085 / (71_300 / 26.982))
    assert plasma.temperature_K[0] == libs.settings()["plasma"]["temperature_K"]


def test_scatter_moves_the_plasma_and_mass_its_depth_with_the_cube_root():
    composition = libs.spiked_soils().composition_ppm.iloc[[0]]
    offsets = pd.DataFrame({"temperature": [0.02], "electron_density": [-0.1], "ablated_mass": [np.log(8.0)]})
    plasma, nominal = libs.shots_plasma(composition, offsets), libs.settings()["plasma"]
    assert plasma.temperature_K[0] == pytest.approx(nominal["temperature_K"] * np.exp(0.02))
    assert plasma.electron_density_cm3[0] == pytest.approx(nominal["electron_density_cm3"] * np.exp(-0.1))
    assert plasma.path_length_m[0] == pytest.approx(nominal["path_length_m"] * 2)


def test_the_gain_is_set_on_the_brightest_line_of_the_reference_soil():
    camera, sensitivity = libs._exposure()
    electrons = sensitivity * libs.collected_light(libs.nominal_plasma()).max()
    exposure = libs.settings()["camera"]["exposure"]
    assert camera.counts_per_photoelectron * electrons == pytest.approx(exposure * 65_535)


# --- the soils -----------------------------------------------------------------------------------------------


def test_spiked_soils_are_the_reference_soil_with_additions():
    soils = libs.spiked_soils()
    levels = [0, 50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]
    assert soils.samples.sample_id.tolist() == [f"S{i:02d}" for i in range(1, 13)]
    for target in libs.TARGETS:
        assert soils.samples[f"{target}_ppm"].tolist() == levels
        native = libs.settings()["reference_soil_ppm"][target.capitalize()]
        assert soils.composition_ppm[target.capitalize()].tolist() == [native + level for level in levels]
    others = soils.composition_ppm.drop(columns=["Ca", "Mg", "Na"])
    assert (others == others.iloc[0]).all(axis=None) and (soils.matrix_offset == 0).all(axis=None)
    # The standard deviation that the study implies.
    assert soils.samples.ca_ppm.std(ddof=0) == pytest.approx(331, rel=0.02)


@pytest.mark.parametrize("seed", [0, 1, 17])
def test_field_soils_have_exactly_the_standard_deviations_set(seed):
    samples = libs.field_soils(seed).samples
    assert samples.sample_id.tolist() == [f"S{i:02d}" for i in range(13, 25)]
    for target, expected in {"ca": 305.9, "mg": 91.03, "na": 6.093}.items():
        contents = samples[f"{target}_ppm"]
        # Contents are rounded to 3 decimals.
        assert contents.std(ddof=0) == pytest.approx(expected, abs=1e-3)
        assert (contents > 0).all()


def test_field_soils_differ_in_matrix_and_hold_what_they_report():
    soils = libs.field_soils(3)
    for target in libs.TARGETS:
        np.testing.assert_allclose(
            soils.composition_ppm[target.capitalize()], soils.samples[f"{target}_ppm"], atol=6e-4
        )
    varying = soils.composition_ppm.std() / soils.composition_ppm.mean()
    assert (varying[["Si", "Al", "Fe", "C", "K", "Ti", "N", "Mn", "H"]] > 0.02).all()
    assert (soils.matrix_offset.std() > 0).all()
    assert not libs.field_soils(3).samples.equals(libs.field_soils(4).samples)


def test_a_background_is_met_by_the_laser_and_not_reported():
    plain, rich = libs.field_soils(3), libs.field_soils(3, background_ppm={"mg": 6_300})
    pd.testing.assert_frame_equal(plain.samples, rich.samples)
    np.testing.assert_allclose(rich.composition_ppm.Mg - plain.composition_ppm.Mg, 6_300)
    assert rich.composition_ppm.Ca.equals(plain.composition_ppm.Ca)


def test_blanks():
    high = libs.blank_soils(libs.spiked_soils(), "na")
    assert high.composition_ppm.Na.tolist() == [6_300]
    low = libs.blank_soils(libs.field_soils(1), "na")
    assert low.composition_ppm.Na.tolist() == [0]
    assert low.composition_ppm.Ca.tolist() == pytest.approx([libs.field_soils(1).composition_ppm.Ca.mean()])
    for blank in (high, low):
        assert (len(blank.samples), blank.samples.na_ppm.iloc[0]) == (1, 0)
        assert (blank.matrix_offset == 0).all(axis=None)


def test_the_study_has_24_soils():
    soils = libs.study_soils(2)
    assert soils.samples.range.tolist() == ["high"] * 12 + ["low"] * 12
    assert soils.samples.sample_id.tolist() == [f"S{i:02d}" for i in range(1, 25)]
    pd.testing.assert_frame_equal(soils.samples.iloc[12:].reset_index(drop=True), libs.field_soils(2).samples)
    assert list(soils.composition_ppm.iloc[12:].columns) == list(soils.composition_ppm.columns)
    assert soils.composition_ppm.notna().all(axis=None)


# --- the measurement -----------------------------------------------------------------------------------------


def test_the_experiment_is_24_spectra_of_counts(experiment):
    assert experiment.spectra.shape == (24, 223)
    assert (experiment.axis_unit, experiment.signal) == ("nm", "counts")
    assert list(experiment.properties) == ["ca_ppm", "mg_ppm", "na_ppm"]
    assert list(experiment.samples) == ["sample_id", "range", "replicate"]
    dark = libs.settings()["camera"]["dark_offset"]
    assert experiment.spectra.min() > dark
    assert 0.3 * 65_535 < experiment.spectra.max() < 65_535
    recorded = {"origin": "simulated", "seed": 5, "pulse_energy_mJ": 100, "delay_us": 2.0, "gate_us": 0.9, "shots": 100}
    assert recorded.items() <= experiment.provenance.items()


@pytest.mark.parametrize(("seed", "n_soils"), [(5, 1), (5, 13), (6, 12)])
def test_a_row_follows_the_seed_and_not_what_is_measured_with_it(seed, n_soils, experiment):
    part = libs.measure(first(libs.study_soils(seed), n_soils), random_state=seed)
    is_same = (part.spectra == experiment.spectra[:n_soils]).all(axis=1)
    assert (is_same == (seed == 5)).all()


def test_replicates_scatter_and_progress_is_counted():
    calls = []
    soils = first(libs.spiked_soils(), 5)
    repeated = libs.measure(soils, n_replicates=3, n_shots=10, progress=lambda *numbers: calls.append(numbers))
    assert calls == [(12, 15), (15, 15)]
    assert repeated.samples.replicate.tolist() == [1, 2, 3] * 5
    assert repeated.samples.sample_id.tolist()[:4] == ["S01", "S01", "S01", "S02"]
    assert repeated.properties.ca_ppm.tolist()[:4] == [0, 0, 0, 50]
    brightest = repeated.spectra.argmax(1)[0]
    assert len(set(repeated.spectra[:3, brightest])) == 3


def unspiked(scatter_scale):
    """The reference soil with a scale of its own of the scatter of shots and pellets."""
    return replace(first(libs.spiked_soils(), 1), scatter_scale=pd.Series([scatter_scale]))


def test_without_scatter_the_noise_is_the_cameras():
    measured = libs.measure(unspiked(0.0), n_replicates=100, n_shots=10, random_state=1).spectra
    camera, sensitivity = libs._exposure()
    electrons = sensitivity * libs.collected_light(libs.nominal_plasma())[0]
    gain = camera.counts_per_photoelectron
    # The many shots come from the lattice: 0.3 % of a line's peak.
    expected = camera.dark_offset + gain * electrons
    np.testing.assert_allclose(measured.mean(0), expected, rtol=5e-3, atol=15)
    variance = (gain**2 * camera.excess_noise * electrons + camera.readout_noise**2) / 10
    assert np.median(measured.var(0) / variance) == pytest.approx(1.0, abs=0.03)


def scatter_of_lines(scale, n_shots, n_replicates=80):
    """Standard deviation of every channel over pellets of the reference soil."""
    return libs.measure(unspiked(scale), n_replicates, n_shots, random_state=2).spectra.std(0)


def test_more_shots_less_noise():
    # Four times as many shots, half of the camera's noise.
    assert np.median(scatter_of_lines(0.0, 9) / scatter_of_lines(0.0, 36)) == pytest.approx(2.0, rel=0.05)


def test_the_plasma_scatters_the_lines_beyond_the_noise_of_the_camera():
    sodium = slice(190, 223)
    camera, plasma, twice = (scatter_of_lines(scale, 20, 30)[sodium].max() for scale in (0.0, 0.5, 1.0))
    assert plasma > 4 * camera
    assert twice / plasma == pytest.approx(2.0, rel=0.15)


def test_a_soils_own_offset_moves_its_spectra_and_a_larger_plume_is_brighter():
    soils = unspiked(0.0)
    soils.matrix_offset["ablated_mass"] = np.log(1.2**3)
    measured = libs.measure(soils, n_shots=400).spectra[0]
    camera, sensitivity = libs._exposure()
    # The plume is 1.2 times as deep and its face 1.44 times as large.
    light = libs.collected_light(libs.shots_plasma(soils.composition_ppm, soils.matrix_offset))[0]
    expected = camera.dark_offset + camera.counts_per_photoelectron * sensitivity * light * 1.44
    np.testing.assert_allclose(measured, np.minimum(expected, 65_535), rtol=0.01, atol=15)
