import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from spectrakit.preprocess import SpectrumScaler, network_input, normalise_area, normalise_maximum

SPECTRA = np.array([[1.0, 2.0, 6.0], [4.0, 4.0, 2.0]])


def test_spectra_over_their_mean():
    np.testing.assert_allclose(normalise_area(SPECTRA), [[1 / 3, 2 / 3, 2], [1.2, 1.2, 0.6]], rtol=1e-15)


def test_spectra_over_their_maximum():
    np.testing.assert_allclose(normalise_maximum(SPECTRA), [[1 / 6, 1 / 3, 1], [1, 1, 0.5]], rtol=1e-15)


@pytest.mark.parametrize("normalise", [normalise_area, normalise_maximum])
def test_the_energy_of_a_pulse_drops_out_spectrum_by_spectrum(normalise):
    np.testing.assert_allclose(normalise(SPECTRA * [[2], [0.3]]), normalise(SPECTRA), rtol=1e-15)
    np.testing.assert_array_equal(normalise(SPECTRA[1:]), normalise(SPECTRA)[1:])
    assert SPECTRA.tolist() == [[1, 2, 6], [4, 4, 2]]


@pytest.mark.parametrize(
    ("normalise", "problem"),
    [(normalise_area, "spectrum 1 .*: its mean is -1"), (normalise_maximum, "spectrum 1 .*: its maximum is 0")],
)
def test_a_spectrum_without_signal_is_named(normalise, problem):
    with pytest.raises(ValueError, match=problem):
        normalise([[1, 2, 3], [0, -3, 0]])


def test_the_network_sees_the_logarithm_of_reflectance():
    reflectance = np.array([[0.1, 0.2, 0.4], [0.5, 0.5, 0.25]], np.float32)
    seen = network_input(reflectance, "log")
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[0], [-2.302585, -1.609438, -0.916291], rtol=1e-6)
    assert reflectance[1].tolist() == [0.5, 0.5, 0.25]


def test_or_its_standard_normal_variate_without_brightness_and_contrast():
    reflectance = np.array([[0.1, 0.2, 0.4], [0.5, 0.5, 0.25]])
    seen = network_input(reflectance, "snv")
    assert seen.dtype == np.float32
    # Steps of one factor: deviations -1, 0 and 1 from the mean, over the root of their mean square, 2/3.
    np.testing.assert_allclose(seen[0], [-(1.5**0.5), 0, 1.5**0.5], atol=1e-6)
    np.testing.assert_allclose(seen[1], [0.5**0.5, 0.5**0.5, -(2**0.5)], atol=1e-6)
    np.testing.assert_allclose(network_input(0.3 * reflectance**2, "snv"), seen, atol=1e-6)


def test_what_the_network_sees_goes_by_two_names():
    with pytest.raises(ValueError, match="transform 'derivative': give one of log, snv"):
        network_input([[0.1, 0.2]], "derivative")


def test_the_scaler_has_a_mean_a_channel_and_one_deviation_for_all():
    scaler = SpectrumScaler().fit(SPECTRA)
    np.testing.assert_allclose(scaler.mean_, [2.5, 3, 4])
    # Deviations 1.5, 1 and 2 on either side: their mean square is 7.25 / 3.
    assert scaler.scale_ == pytest.approx((7.25 / 3) ** 0.5, rel=1e-14)
    np.testing.assert_allclose(scaler.transform([[2.5, 3, 4 + scaler.scale_]]), [[0, 0, 1]], atol=1e-15)


def test_a_channel_that_varies_little_stays_small():
    X = np.column_stack([np.linspace(0, 10, 20), 1e-3 * np.cos(np.arange(20))])
    scaled = SpectrumScaler().fit_transform(X)
    assert scaled[:, 1].std() / scaled[:, 0].std() == pytest.approx(X[:, 1].std() / X[:, 0].std())
    assert np.mean(scaled**2) == pytest.approx(1)


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
