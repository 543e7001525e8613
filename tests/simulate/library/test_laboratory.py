from dataclasses import replace

import numpy as np
import pytest

from spectrakit.simulate.library import vapour
from spectrakit.simulate.library.laboratory import TRUE_AXIS, laboratories
from spectrakit.simulate.library.samples import ring_trial
from spectrakit.simulate.library.vapour import carbon_dioxide_lines, residue, water_vapour_lines
from spectrakit.simulate.soils.infrared import INFRARED_CONSTITUENTS, no_infrared_variation, soil_absorbance
from spectrakit.spectra import library_axis

AXIS = library_axis()
NAMES = list(laboratories())
QUIET = {"noise": 0.0, "shift_jitter_per_cm": 0.0, "baseline_jitter": 0.0, "gain_jitter": 0.0, "vapour_jitter": 0.0}
IDEAL = {
    **QUIET,
    **{"shift_per_cm": 0.0, "stretch_ppm": 0.0, "offset": 0.0, "slope": 0.0, "curvature": 0.0, "gain": 1.0},
    **{"vapour": 0.0, "carbon_dioxide": 0.0},
}


def measured(name, absorbance, n=1, seed=0, **changes):
    """A true spectrum `n` times under a laboratory's spectrometer, some of its constants changed."""
    spectrometer = replace(laboratories()[name].spectrometer, **changes)
    return spectrometer.measure(np.tile(np.asarray(absorbance, np.float32), (n, 1)), np.random.default_rng(seed))


def soil(**shares):
    composition = np.zeros((1, len(INFRARED_CONSTITUENTS)), np.float32)
    for name, share in shares.items():
        composition[0, INFRARED_CONSTITUENTS.index(name)] = share
    return composition


QUARTZ_SOIL = soil_absorbance(soil(quartz=0.6, kaolinite=0.3, water=0.02, aliphatic=0.03), [60.0], TRUE_AXIS)[0]


def shift_between(spectrum, reference, low, high):
    """By how much (cm-1) a spectrum lies above a reference: least squares, whatever baseline and gain differ."""
    inside = (low <= AXIS) & (high >= AXIS)
    place = (AXIS[inside] - low) / (high - low)
    slope = np.gradient(reference, AXIS)[inside]
    terms = np.column_stack([slope, reference[inside], np.ones_like(place), place, place**2])
    solution = np.linalg.lstsq(terms, spectrum[inside], rcond=None)[0]
    return -solution[0] / solution[1]


# --- the table -----------------------------------------------------------------------------------------------


def test_twelve_laboratories_each_with_its_own_instrument_and_preparation():
    assert len(NAMES) == 12 and NAMES[0] == "national"
    for name in ("shift_per_cm", "stretch_ppm", "offset", "slope", "gain", "noise"):
        values = [getattr(laboratory.spectrometer, name) for laboratory in laboratories().values()]
        assert len(set(values)) >= 10, name
    assert {laboratory.spectrometer.detector for laboratory in laboratories().values()} == {"MCT", "DTGS"}
    grinding = [laboratory.grain_factor for laboratory in laboratories().values()]
    assert (min(grinding), max(grinding)) == (0.4, 1.0)
    assert all(laboratory.comment for laboratory in laboratories().values())


def test_the_library_has_1700_channels_that_every_laboratory_reaches():
    np.testing.assert_array_equal(AXIS, 600 + 2 * np.arange(1700))
    for laboratory in laboratories().values():
        own = laboratory.spectrometer.axis
        assert laboratory.spectrometer.low_per_cm <= own[0] <= 600
        assert own[-1] >= 3998
        # Its line shape, four standard deviations wide, stays on the axis that the soils are made on.
        reach = 4 * laboratory.spectrometer.resolution_per_cm / 2.3548 + 6
        assert TRUE_AXIS[0] + reach < own[0] < own[-1] < TRUE_AXIS[-1] - reach


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detector": "CCD"}, "detector 'CCD': give one of MCT, DTGS"),
        ({"low_per_cm": 650.0}, "it ends at 650 cm-1; the library begins at 600 cm-1"),
    ],
)
def test_an_instrument_that_cannot_serve_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(laboratories()["national"].spectrometer, **changes)


# --- wavenumber, resolution, baseline, gain ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_quartz_doublet_and_the_hydroxyl_bands_move_as_the_table_says(name):
    """Only the wavenumber scale is kept of what a laboratory gets wrong; the reference has none of it."""
    table = laboratories()[name].spectrometer
    scale = {"shift_per_cm": table.shift_per_cm, "stretch_ppm": table.stretch_ppm}
    reference = measured(name, QUARTZ_SOIL, **IDEAL)[0].astype(float)
    found = measured(name, QUARTZ_SOIL, **(IDEAL | scale))[0].astype(float)
    for low, high in ((760, 840), (3560, 3740)):
        middle = (low + high) / 2
        expected = middle * table.stretch_ppm * 1e-6 + table.shift_per_cm
        assert shift_between(found, reference, low, high) == pytest.approx(expected, abs=0.12)
    assert table.reported(2000.0) == pytest.approx(2000 * (1 + table.stretch_ppm * 1e-6) + table.shift_per_cm)


@pytest.mark.parametrize(("low", "high"), [(740, 860), (3580, 3740)])
def test_laboratories_as_they_are_differ_on_the_standards_as_the_table_says(low, high):
    """Quartz and clay bands of their mean spectra, with all that they get wrong; the national one reports no shift."""
    means = ring_trial(0).spectra.reshape(12, 60, 1700).astype(float).mean(axis=1)
    found = [shift_between(mean, means[0], low, high) for mean in means]
    middle = (low + high) / 2
    expected = [laboratory.spectrometer.reported(middle) - middle for laboratory in laboratories().values()]
    assert np.corrcoef(found, expected)[0, 1] > 0.98
    np.testing.assert_allclose(found, expected, atol=0.35)


@pytest.mark.parametrize(("name", "fwhm"), [("national", 4), ("isles", 6), ("iberian", 8)])
def test_the_resolution_widens_a_narrow_band(name, fwhm):
    band = 0.02 * np.exp(-(((TRUE_AXIS - 2000) / 4.0) ** 2) / 2)
    found = measured(name, 0.3 + band, **IDEAL)[0].astype(float) - 0.3
    inside = np.abs(AXIS - 2000) < 60
    width = np.sqrt((found * (AXIS - 2000) ** 2)[inside].sum() / found[inside].sum())
    # Variances add, and linear interpolation from channels `step` apart adds a sixth of its square.
    step = laboratories()[name].spectrometer.step_per_cm
    assert width == pytest.approx(np.sqrt(16 + (fwhm / 2.3548) ** 2 + step**2 / 6), rel=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_baseline_and_gain_are_the_table_s(name):
    table = laboratories()[name].spectrometer
    air = {"vapour": 0.0, "carbon_dioxide": 0.0}
    found = measured(name, np.full_like(TRUE_AXIS, 0.5), **QUIET, **air)[0]
    x = (AXIS - 2300) / 1700
    expected = 0.5 * table.gain + table.offset + table.slope * x + table.curvature * (x**2 - 1 / 3)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_scans_of_one_sample_jitter_about_the_laboratory_s_constants():
    table = laboratories()["iberian"].spectrometer
    flat = np.full_like(TRUE_AXIS, 0.5)
    found = measured("iberian", flat, n=4000, **(IDEAL | {"baseline_jitter": 0.025, "gain_jitter": 0.02}))
    middle = found[:, np.searchsorted(AXIS, 2300)]
    # In the middle the baseline is the offset less a third of the curvature.
    assert middle.std() == pytest.approx(np.sqrt(0.025**2 * (1 + 1 / 9) + (0.02 * 0.5) ** 2), rel=0.05)
    assert middle.mean() == pytest.approx(0.5, abs=0.002)
    moved = measured("iberian", QUARTZ_SOIL, n=300, **(IDEAL | {"shift_jitter_per_cm": table.shift_jitter_per_cm}))
    reference = measured("iberian", QUARTZ_SOIL, **IDEAL)[0].astype(float)
    shifts = [shift_between(spectrum.astype(float), reference, 760, 840) for spectrum in moved]
    assert np.std(shifts) == pytest.approx(table.shift_jitter_per_cm, rel=0.15)


# --- noise ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["national", "loess", "cerrado", "outback"])
def test_the_noise_of_absorbance_is_that_of_light_and_grows_at_the_ends(name):
    """At reflectance 0.1, so that 1 % of it is 0.00434 in absorbance; neighbours share it by interpolation."""
    table = laboratories()[name].spectrometer
    found = measured(name, np.full_like(TRUE_AXIS, 1.0), n=3000, **(IDEAL | {"noise": table.noise}))
    sd = found.astype(float).std(axis=0)
    expected = table.noise_at(AXIS) / 0.1 / np.log(10)
    # Between two channels of independent noise the variance falls to a half, on average over places to two thirds.
    ratio = (sd / expected).reshape(-1, 100)
    np.testing.assert_allclose(np.sqrt((ratio**2).mean(axis=1)), np.sqrt(2 / 3), rtol=0.12)
    middle = sd[(AXIS > 1500) & (AXIS < 2500)].mean()
    assert sd[:4].mean() > 1.1 * middle
    assert sd[-20:].mean() > 1.3 * middle


def test_a_detector_near_its_end_is_noisier_there():
    national, cerrado, loess = (laboratories()[name].spectrometer for name in ("national", "cerrado", "loess"))
    growth = [table.noise_at(600.0) / table.noise_at(2000.0) for table in (cerrado, national, loess)]
    assert growth == pytest.approx([1.11, 4.31, 6.46], abs=0.02)


@pytest.mark.parametrize(("name", "low", "high"), [("national", 2000, 20000), ("outback", 300, 3000)])
def test_signal_to_noise_is_that_of_the_instruments_known(name, low, high):
    """Peak of quartz soils' absorbance over noise at 2000 cm-1: hundreds on a small bench, thousands on a large one."""
    noise = laboratories()[name].spectrometer.noise
    found = measured(name, QUARTZ_SOIL, n=300, **(IDEAL | {"noise": noise}))
    assert low < found.mean(axis=0).max() / found[:, AXIS == 2000].std() < high


# --- the air in the beam -------------------------------------------------------------------------------------


def test_levels_of_water_are_the_measured_ones():
    """Energies of J = 1 to 3, cm-1: Tennyson et al. 2013."""
    measured_levels = {
        1: [23.794, 37.137, 42.372],
        2: [70.091, 79.496, 95.176, 134.902, 136.164],
        3: [136.762, 142.279, 173.366, 206.301, 212.156, 285.219, 285.418],
    }
    for j, energies in measured_levels.items():
        np.testing.assert_allclose(vapour.rotor_levels(vapour._GROUND, j)[0], energies, atol=0.08)
    # The bending state: 1 01, 1 11, 1 10.
    bending = 1594.746 + vapour.rotor_levels(vapour._BENDING, 1)[0]
    np.testing.assert_allclose(bending, [1618.557, 1634.967, 1640.506], atol=0.08)


@pytest.mark.parametrize("j", [1, 2, 5])
@pytest.mark.parametrize("axis", ["a", "b"])
def test_strengths_of_all_lines_from_a_level_add_up(j, axis):
    """Sum rule: over all states, the squares of a direction cosine add up to (2 j + 1)^2."""
    total = sum((vapour._direction_cosine(j, upper, axis) ** 2).sum() for upper in (j - 1, j, j + 1))
    assert total == pytest.approx((2 * j + 1) ** 2)


def test_lines_of_water_vapour_stand_where_they_are_known_to():
    centres, strengths = water_vapour_lines()
    for known in (1558.53, 1616.71, 1653.27, 1684.84, 1717.41, 3749.3, 3801.4, 3816.1, 3853.9):
        near = np.abs(centres - known) < 0.6
        assert strengths[near].max() > 0.4, known
    inside = ((centres > 1300) & (centres < 1900)) | ((centres > 3500) & (centres < 3950))
    assert strengths[inside].sum() > 0.95 * strengths.sum()
    assert strengths.max() == 1


def test_carbon_dioxide_has_two_branches_about_its_origin():
    spectrum = residue(carbon_dioxide_lines(), AXIS, 8.0)
    inside = (AXIS > 2300) & (AXIS < 2380)
    below, above = inside & (AXIS < 2349), inside & (AXIS > 2349)
    assert AXIS[below][spectrum[below].argmax()] == pytest.approx(2335, abs=5)
    assert AXIS[above][spectrum[above].argmax()] == pytest.approx(2362, abs=5)
    assert spectrum[np.abs(AXIS - 2348).argmin()] < 0.8
    assert spectrum[~inside].max() < 0.2


def test_what_is_left_of_the_air_is_the_table_s():
    flat = np.full_like(TRUE_AXIS, 0.5)
    table = laboratories()["vertisol"].spectrometer
    air = {"vapour": table.vapour, "carbon_dioxide": table.carbon_dioxide}
    left = measured("vertisol", flat, **(IDEAL | air))[0] - measured("vertisol", flat, **IDEAL)[0]
    carbon_dioxide = (AXIS > 2280) & (AXIS < 2400)
    # Linear interpolation cuts the tops of lines.
    assert left[~carbon_dioxide].max() == pytest.approx(table.vapour, rel=0.1)
    assert left[carbon_dioxide].max() == pytest.approx(table.carbon_dioxide, rel=0.1)
    assert np.abs(left[(AXIS > 2450) & (AXIS < 3350)]).max() < 0.01 * table.vapour
    evacuated = laboratories()["alpine"].spectrometer
    assert max(evacuated.vapour, evacuated.carbon_dioxide) < 0.1 * table.carbon_dioxide


# --- preparation ---------------------------------------------------------------------------------------------


def scanned(name, composition, n=40, **changes):
    laboratory = replace(laboratories()[name], **changes)
    many = np.repeat(composition, n, axis=0)
    return laboratory.scan(many, np.full(n, 80.0), no_infrared_variation(n), np.random.default_rng(3)).mean(axis=0)


def test_coarser_grains_absorb_more_where_light_passes_through_them():
    mixed = soil(quartz=0.6, kaolinite=0.2, calcite=0.1, aliphatic=0.03, water=0.02)
    fine, coarse = (scanned("national", mixed, grain_factor=factor) for factor in (0.4, 1.0))
    clear = (AXIS > 1800) & (AXIS < 2800)
    assert (coarse[clear] > fine[clear] + 0.05).all()


def test_a_humid_laboratory_shows_more_water():
    clay = soil(quartz=0.5, smectite=0.4, water=0.05)
    dry, humid = (scanned("national", clay, moisture=factor) for factor in (0.7, 1.3))
    broad = (AXIS > 3300) & (AXIS < 3420)
    more = (humid - dry)[broad].mean()
    assert more > 0.03 and more > 3 * np.abs(humid - dry)[AXIS < 1300].mean()


def test_preparing_leaves_the_soils_as_they_were():
    composition = soil(quartz=0.9, water=0.02)
    before, grains = composition.copy(), np.array([50.0], np.float32)
    laboratories()["savanna"].scan(composition, grains, no_infrared_variation(1), np.random.default_rng(0))
    assert np.array_equal(composition, before) and grains == [50.0]


def test_the_same_stream_gives_the_same_scan():
    first, again, other = (measured("nordic", QUARTZ_SOIL, n=2, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
