import numpy as np
import pytest
from scipy.signal import savgol_filter
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from spectrakit.preprocess import pretreatment
from spectrakit.preprocess.pretreatment import (
    SpectrumScaler,
    derivative_spectra,
    network_input,
    normalise_area,
    normalise_maximum,
)
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3
from spectrakit.simulate.soils.composition import WORLD
from spectrakit.simulate.soils.scans import survey

SPECTRA = np.array([[1.0, 2.0, 6.0], [4.0, 4.0, 2.0]])


@pytest.mark.parametrize(
    ("normalise", "expected", "problem"),
    [
        (normalise_area, [[1 / 3, 2 / 3, 2], [1.2, 1.2, 0.6]], "spectrum 1 .*: its mean is -1"),
        (normalise_maximum, [[1 / 6, 1 / 3, 1], [1, 1, 0.5]], "spectrum 1 .*: its maximum is 0"),
    ],
)
def test_the_energy_of_a_pulse_drops_out_spectrum_by_spectrum(normalise, expected, problem):
    np.testing.assert_allclose(normalise(SPECTRA), expected, rtol=1e-15)
    np.testing.assert_allclose(normalise(SPECTRA * [[2], [0.3]]), expected, rtol=1e-15)
    np.testing.assert_array_equal(normalise(SPECTRA[1:]), normalise(SPECTRA)[1:])
    assert SPECTRA.tolist() == [[1, 2, 6], [4, 4, 2]]
    with pytest.raises(ValueError, match=problem):
        normalise([[1, 2, 3], [0, -3, 0]])


def test_the_network_sees_the_logarithm_of_reflectance():
    reflectance = np.array([[0.1, 0.2, 0.4], [0.5, 0.5, 0.25]], np.float32)
    seen = network_input(reflectance, "log")
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[0], [-2.302585, -1.609438, -0.916291], rtol=1e-6)
    assert reflectance[1].tolist() == [0.5, 0.5, 0.25]


@pytest.fixture
def reflectance():
    """Four spectra of 80 channels: a slope, two bands of random depth and noise."""
    random = np.random.default_rng(0)
    channel = np.arange(80)
    bands = np.exp(-0.5 * ((channel - np.array([[25], [60]])) / 9) ** 2)
    logarithm = 0.5 - 0.003 * channel + random.uniform(0, 0.3, (4, 2)) @ bands + random.normal(0, 1e-3, (4, 80))
    return 10.0**-logarithm


def test_derivative_spectra_by_hand(reflectance):
    before = reflectance.copy()
    found = derivative_spectra(reflectance)
    np.testing.assert_array_equal(reflectance, before)
    absorbance = np.log10(1 / reflectance)
    # What is left knows neither brightness nor contrast.
    scaled = (absorbance - absorbance.mean(1, keepdims=True)) / absorbance.std(1, keepdims=True)
    np.testing.assert_allclose(found, savgol_filter(scaled, 31, 2, deriv=1, mode="interp"), atol=1e-12)


def test_derivative_spectra_are_computed_in_double_precision(reflectance):
    found = derivative_spectra(reflectance.astype(np.float32))
    assert found.dtype == np.float64 and found.shape == (4, 80)
    np.testing.assert_allclose(found, derivative_spectra(reflectance), atol=1e-5)


def test_a_spectrum_shorter_than_the_window_has_no_derivative(reflectance):
    assert derivative_spectra(reflectance[:, :31]).shape == (4, 31)
    with pytest.raises(ValueError, match="window_length must be less than or equal to the size"):
        derivative_spectra(reflectance[:, :30])


def test_or_the_derivative_spectra_at_a_scale_of_about_one(reflectance):
    seen = network_input(reflectance, "derivative")
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, 150 * derivative_spectra(reflectance), rtol=1e-6, atol=1e-6)
    soils = survey(300, WORLD, ASD_FIELDSPEC_3, random_state=0)
    seen = network_input(soils.spectra, "derivative")
    assert seen.shape == (300, 2100) and seen.std() == pytest.approx(1.08, abs=0.02)


def test_rows_are_turned_into_network_inputs_by_themselves(reflectance, monkeypatch):
    whole = network_input(reflectance, "derivative")
    monkeypatch.setattr(pretreatment, "_BLOCK", 1)
    np.testing.assert_array_equal(network_input(reflectance, "derivative"), whole)
    np.testing.assert_array_equal(network_input(reflectance[2:], "derivative"), whole[2:])


def test_what_the_network_sees_goes_by_two_names():
    with pytest.raises(ValueError, match="transform 'snv': give one of log, derivative"):
        network_input([[0.1, 0.2]], "snv")


def test_the_scaler_has_a_mean_a_channel_and_one_deviation_for_all():
    scaler = SpectrumScaler().fit(SPECTRA)
    np.testing.assert_allclose(scaler.mean_, [2.5, 3, 4])
    # Deviations 1.5, 1 and 2 on either side: their mean square is 7.25 / 3.
    assert scaler.scale_ == pytest.approx((7.25 / 3) ** 0.5, rel=1e-14)
    np.testing.assert_allclose(scaler.transform([[2.5, 3, 4 + scaler.scale_]]), [[0, 0, 1]], atol=1e-15)


def test_identical_spectra_are_centred_and_left_at_that():
    scaler = SpectrumScaler().fit([[5.0, 7.0], [5.0, 7.0]])
    assert scaler.scale_ == 1
    np.testing.assert_array_equal(scaler.transform([[6.0, 7.0]]), [[1, 0]])


def test_the_scaler_is_a_scikit_learn_transformer():
    scaler = SpectrumScaler().fit(SPECTRA)
    assert scaler.get_feature_names_out(["a", "b", "c"]).tolist() == ["a", "b", "c"]
    with pytest.raises(NotFittedError):
        clone(scaler).transform(SPECTRA)
    with pytest.raises(ValueError, match="2 features, but SpectrumScaler is expecting 3"):
        scaler.transform(SPECTRA[:, :2])
    with pytest.raises(ValueError, match="NaN"):
        SpectrumScaler().fit([[1.0, np.nan]])
