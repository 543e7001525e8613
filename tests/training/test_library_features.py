import numpy as np
import pytest
import torch

from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.spectra import library_axis
from spectrakit.training.library_features import (
    covers_enough,
    derivative_input,
    library_bins,
    library_derivative,
    library_input,
)

AXIS = library_axis()


@pytest.fixture
def network():
    config = ResNetConfig(n_channels=340, pool=1, n_filters=4, n_last=2, hidden=(4,), relu_output=False, n_outputs=3)
    return initial_network(config, 0, np.zeros((1, 3)))


def bands(axis):
    """Absorbance of some bands on an axis, (3, n_channels)."""
    centres, height = np.random.default_rng(0).uniform(700, 3900, (2, 3, 12))
    return (height[..., None] / 4000 * np.exp(-(((axis - centres[..., None]) / 60) ** 2))).sum(1)


def test_the_derivative_of_a_straight_line_is_its_slope():
    result = library_derivative(np.array([[0.5], [-0.2]]) + np.array([[1e-3], [2e-3]]) * AXIS, AXIS)
    assert result.shape == (2, 340) and result.dtype == np.float32
    np.testing.assert_allclose(result[:, 1:-1], np.repeat([[0.02], [0.04]], 338, axis=1), rtol=1e-4)
    assert np.isnan(result[:, [0, -1]]).all()
    np.testing.assert_array_equal(library_bins()[[0, 1, -1]], [604, 614, 3994])


def test_what_is_a_derivative_already_is_averaged_alone():
    X = np.arange(1700.0)[None]
    np.testing.assert_allclose(library_derivative(X, AXIS, True)[0], np.arange(2, 1700, 5))


def test_coarser_channels_give_nearly_the_same():
    coarse = np.arange(600.0, 4001, 8)
    one, other = (library_derivative(bands(axis), axis) for axis in (AXIS, coarse))
    assert np.nanmax(np.abs(one - other)) < 0.03 * np.nanmax(np.abs(one))


def test_averages_outside_the_axis_and_in_gaps_are_missing():
    part = AXIS[(AXIS >= 752) & (AXIS <= 3798) & ~((AXIS > 2270) & (AXIS < 2400))]
    whole, result = (library_derivative(bands(axis), axis) for axis in (AXIS, part))
    known, bins = ~np.isnan(result[0]), library_bins()
    np.testing.assert_allclose(result[:, known], whole[:, known], atol=1e-6)
    assert bins[known][[0, -1]].tolist() == [774, 3784]
    assert not known[(bins > 2264) & (bins < 2404)].any() and known[(bins < 2254) & (bins > 774)].all()


def test_offset_slope_and_gain_of_absorbance_drop_out(network):
    X = bands(AXIS)
    one, other = (library_input(network, spectra, AXIS) for spectra in (X, 0.3 + 1.4 * X + 2e-5 * AXIS))
    np.testing.assert_allclose(one, other, atol=2e-4)
    np.testing.assert_allclose(one[:, 1:-1].std(1), 1, rtol=1e-4)


def test_missing_averages_are_the_mean_of_pretraining(network):
    network.input_mean.copy_(torch.linspace(0, 1, 340))
    result = library_input(network, bands(AXIS[200:]), AXIS[200:])
    np.testing.assert_allclose(result[:, :40], np.repeat(network.input_mean.numpy()[None, :40], 3, axis=0))
    assert network.pool(torch.as_tensor(result))[..., :40].abs().max() == 0
    derivative = np.where(np.arange(340) < 41, np.nan, library_derivative(bands(AXIS), AXIS))
    np.testing.assert_allclose(derivative_input(network, derivative)[:, 41:], result[:, 41:], atol=1e-5)


@pytest.mark.parametrize(
    ("n_channels", "axis", "problem"),
    [
        (350, np.arange(600.0, 1300, 2), "covers 70: 80 are needed"),
        (1700, AXIS[:-1], "1700 channels on an axis of 1699"),
    ],
)
def test_an_axis_that_does_not_serve_is_an_error(n_channels, axis, problem):
    with pytest.raises(ValueError, match=problem):
        library_derivative(np.zeros((2, n_channels)), axis)


def test_which_axes_are_enough():
    assert covers_enough(np.arange(650.0, 3999, 4)) and covers_enough(np.arange(600.0, 1402, 2))
    assert not covers_enough(np.arange(600.0, 1390, 2)) and not covers_enough(np.array([700.0]))
