from dataclasses import replace

import numpy as np
import pytest
from scipy.special import erf

from spectrakit.simulate.instruments import ASD_FIELDSPEC_3, FOSS_XDS, Detector, EchelleSpectrometer, IntensifiedCamera
from spectrakit.simulate.libs import experiment as libs
from spectrakit.simulate.libs.plasma import wavelength_grid

CAMERA = IntensifiedCamera(counts_per_photoelectron=8.0, excess_noise=1.8, dark_offset=600.0, readout_noise=9.0)


def narrow_line(axis, centre, radiance=5.0):
    """What the channels of `axis` see of a line much narrower than they are."""
    grid = wavelength_grid(axis[0] - 0.5, axis[-1] + 0.5)
    sigma = 0.002
    line = radiance * np.exp(-0.5 * ((grid - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return line @ EchelleSpectrometer(5000).response(grid, axis)


def full_width_at_half_maximum(axis, values):
    above = values - values.max() / 2
    left, right = np.flatnonzero(above > 0)[[0, -1]]
    cross = [axis[i] + (axis[i + 1] - axis[i]) * above[i] / (above[i] - above[i + 1]) for i in (left - 1, right)]
    return cross[1] - cross[0]


def test_resolution_is_wavelength_over_resolving_power():
    np.testing.assert_allclose(EchelleSpectrometer(5000).resolution_nm([280.0, 589.0]), [0.056, 0.1178])


@pytest.mark.parametrize(("centre", "target"), [(280.0, "mg"), (421.9, "ca"), (589.4, "na")])
def test_the_light_of_a_line_is_kept_and_half_of_it_at_the_edge_of_the_axis(centre, target):
    axis = libs.window_axes()[target]
    assert narrow_line(axis, centre).sum() == pytest.approx(5.0, rel=2e-4)
    edge = axis[0] - (axis[1] - axis[0]) / 2
    assert narrow_line(axis, edge).sum() == pytest.approx(2.5, rel=5e-3)


@pytest.mark.parametrize(("centre", "expected"), [(280.0, 0.0560), (422.0, 0.0844), (589.4, 0.11788)])
def test_the_width_of_a_line_is_the_resolution_element(centre, expected):
    fine = np.arange(centre - 0.5, centre + 0.5, 0.004)
    assert full_width_at_half_maximum(fine, narrow_line(fine, centre)) == pytest.approx(expected, rel=0.01)


def test_a_channel_widens_a_line_by_its_own_width():
    axis = libs.window_axes()["na"]
    step, sigma = axis[1] - axis[0], 589.4 / 5000 / 2.354820
    # A channel integrates: a Gaussian of the resolution element, folded with a box of one channel.
    centre = axis[16]
    edge = (np.abs(axis - centre)[:, None] + np.array([step / 2, -step / 2])) / (np.sqrt(2) * np.hypot(sigma, 0.002))
    expected = 5.0 * 0.5 * (erf(edge[:, 0]) - erf(edge[:, 1]))
    np.testing.assert_allclose(narrow_line(axis, centre), expected, atol=5e-3)


def test_a_flat_spectrum_stays_flat_per_nanometre():
    axis = libs.survey_axis()[2000:2200]
    grid = wavelength_grid(axis[0] - 0.3, axis[-1] + 0.3)
    widths = np.gradient(axis)
    light = np.ones(len(grid)) @ EchelleSpectrometer(5000).response(grid, axis)
    np.testing.assert_allclose(light / widths, 1.0, rtol=1e-3)


# --- the camera ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("photoelectrons", [0.0, 10.0, 100.0, 5_000.0])
def test_photon_transfer_curve(photoelectrons):
    counts = CAMERA.expose(np.full(200_000, photoelectrons), np.random.default_rng(2))
    variance = 8.0**2 * 1.8 * photoelectrons + 9.0**2
    assert np.array_equal(counts, np.rint(counts))
    assert counts.mean() == pytest.approx(600 + 8 * photoelectrons, abs=4 * np.sqrt(variance / 200_000))
    # Rounding to whole counts adds a twelfth.
    assert counts.var() == pytest.approx(variance + 1 / 12, rel=0.015)


def test_sixteen_bits_saturate_at_65535_and_never_go_below_zero():
    bright = CAMERA.expose(np.array([1e4, 8.1e3, 7e3]), np.random.default_rng(4))
    assert bright[0] == 65535
    assert bright[2] < 65535
    dark = IntensifiedCamera(8.0, 1.8, dark_offset=0.0, readout_noise=9.0)
    counts = dark.expose(np.zeros(10_000), np.random.default_rng(5))
    assert counts.min() == 0
    assert (counts == 0).mean() == pytest.approx(0.52, abs=0.02)


def repeats_with_its_generator(measure):
    """Whether one seed gives the same float32 numbers again and another seed others."""
    first, again, other = (measure(np.random.default_rng(seed)) for seed in (6, 6, 7))
    return first.dtype == np.float32 and np.array_equal(first, again) and not np.array_equal(first, other)


def test_exposures_repeat_with_their_generator():
    assert repeats_with_its_generator(lambda generator: CAMERA.expose(np.linspace(0, 5_000, 50), generator))


# --- reflectance spectrometers -------------------------------------------------------------------------------


def repeated(level, instrument, n=3000, seed=1):
    """Many measurements of one flat reflectance, (n, n_channels)."""
    flat = np.full((n, len(instrument.wavelength)), level, np.float32)
    return instrument.measure(flat, np.random.default_rng(seed))


def narrow_band(axis, centre, fwhm):
    return 0.5 * (1 - 0.4 * np.exp(-4 * np.log(2) * ((axis - centre) / fwhm) ** 2))[None]


@pytest.mark.parametrize("instrument", [FOSS_XDS, ASD_FIELDSPEC_3], ids=lambda instrument: instrument.name)
def test_both_instruments_have_the_channels_of_the_study(instrument):
    np.testing.assert_array_equal(instrument.wavelength, np.arange(400, 2500))


@pytest.mark.parametrize(("instrument", "expected"), [(FOSS_XDS, {1100}), (ASD_FIELDSPEC_3, {1000, 1830})])
def test_steps_stand_where_detectors_meet(instrument, expected):
    axis, found = instrument.wavelength, repeated(0.5, instrument)
    # The scatter of steps between neighbours, against what noise alone leaves.
    steps = np.diff(found, axis=1).std(axis=0)
    usual = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(steps, 10, mode="edge"), 21), axis=1)
    above = {int(axis[1:][i]) for i in np.flatnonzero(steps > 1.6 * usual)}
    assert above == expected


def test_the_size_of_the_splice_steps():
    axis, found = ASD_FIELDSPEC_3.wavelength, repeated(0.5, ASD_FIELDSPEC_3, n=8000)
    means = [found[:, (axis > low) & (axis < low + 60)].mean(axis=1) for low in (935, 1000, 1765, 1830)]
    at_1000, at_1830 = means[1] / means[0] - 1, means[3] / means[2] - 1
    # One detector's gain against the first, which has none; then two independent gains against each other.
    assert at_1000.std() == pytest.approx(0.006, rel=0.05)
    assert at_1830.std() == pytest.approx(0.006 * np.sqrt(2), rel=0.05)


def test_the_error_of_the_white_reference_is_common_to_all_channels():
    found = repeated(0.5, ASD_FIELDSPEC_3)
    assert (found[:, :500].mean(axis=1) / 0.5).std() == pytest.approx(0.01, rel=0.06)
    assert np.corrcoef(found[:, 100], found[:, 500])[0, 1] > 0.98


@pytest.mark.parametrize(
    ("instrument", "wavelength", "expected"),
    [(FOSS_XDS, 750, 3e-4 / 2), (FOSS_XDS, 1700, 1.5e-4 / 2), (ASD_FIELDSPEC_3, 1400, 3e-4 / np.sqrt(5))],
)
def test_noise_of_the_mean_of_several_scans(instrument, wavelength, expected):
    found = repeated(0.5, instrument)
    at = int(wavelength - 400)
    # Differences between neighbours leave out what channels have in common.
    noise = np.diff(found[:, at : at + 40], axis=1).std() / np.sqrt(2)
    assert noise == pytest.approx(expected, rel=0.03)


def test_noise_grows_towards_the_ends():
    found = np.diff(repeated(0.5, ASD_FIELDSPEC_3), axis=1).std(axis=0)
    assert found[-5:].mean() > 3 * found[1700:1800].mean()
    assert found[:5].mean() > 1.3 * found[300:400].mean()
    detector = Detector(400, 1000, 3.0, 1e-3, edge="low", edge_noise=4.0)
    np.testing.assert_allclose(
        detector.noise_at(np.array([400.0, 440.0, 900.0])), [4e-3, 1e-3 * (1 + 3 / np.e), 1e-3], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("instrument", "centre", "bandwidth"),
    [(FOSS_XDS, 1414, 8.75), (ASD_FIELDSPEC_3, 700, 3.0), (ASD_FIELDSPEC_3, 2207, 10.0)],
)
def test_a_narrow_band_is_blurred_to_the_bandwidth(instrument, centre, bandwidth):
    quiet = replace(
        instrument,
        reference_spread=0.0,
        detectors=tuple(replace(detector, noise=0.0, gain_spread=0.0) for detector in instrument.detectors),
    )
    axis = quiet.wavelength
    found = quiet.measure(narrow_band(axis, centre, 6.0), np.random.default_rng(0))[0].astype(float)
    depth = 0.5 - found
    # Gaussians add their widths in squares; the area of the band stays.
    assert full_width_at_half_maximum(axis, depth) == pytest.approx(np.hypot(6.0, bandwidth), rel=0.02)
    assert depth.sum() == pytest.approx((0.5 - narrow_band(axis, centre, 6.0)).sum(), rel=1e-3)
    assert axis[depth.argmax()] == centre


def test_a_measurement_repeats_with_its_generator_and_leaves_its_input():
    flat = np.full((3, 2100), 0.3, np.float32)
    assert repeats_with_its_generator(lambda generator: ASD_FIELDSPEC_3.measure(flat, generator))
    assert (flat == np.float32(0.3)).all()
    assert (repeated(0.0, ASD_FIELDSPEC_3, n=5) > 0).all()
