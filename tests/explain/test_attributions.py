import numpy as np
import pytest
import torch
from torch import nn

from spectrakit.explain.attributions import (
    additivity_gap,
    band_shares,
    compare_peaks,
    mean_absolute,
    peaks,
    shap_values,
    window_centres,
)
from spectrakit.explain.band_audit import input_gradient
from spectrakit.models.resnet import ResNetConfig, initial_network

SMALL = ResNetConfig(n_channels=60, pool=5, n_filters=6, n_last=4, hidden=(5,), relu_output=False)


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(0)
    bands = np.exp(-(((np.arange(60) - np.linspace(0, 60, 7)[:, None]) / 8) ** 2))
    return (rng.normal(size=(140, 7)) @ bands).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return initial_network(SMALL, 0, np.full(1, 6.0)).train()


def linear_network(weights, pool):
    """The mean of every window times a weight, as a network that pools first."""
    dense = nn.Linear(len(weights), 1)
    with torch.no_grad():
        dense.weight.copy_(torch.tensor(weights)[None])
    return nn.Sequential(nn.Unflatten(1, (1, -1)), nn.AvgPool1d(pool), nn.Flatten(), dense)


def test_a_linear_network_has_the_values_of_the_formula(spectra):
    weights = np.linspace(-1, 2, 12, dtype=np.float32)
    background, explained = spectra[:1], spectra[1:5]
    values = shap_values(linear_network(weights, 5), background, explained, n_samples=3)
    # Pooling is linear: a fifth of the window's gradient, times the channel's own distance from the background.
    expected = np.repeat(weights / 5, 5) * (explained - background)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert additivity_gap(linear_network(weights, 5), background, explained, values) < 1e-6


def test_values_add_up_to_the_prediction(network, spectra):
    background, explained = spectra[:100], spectra[100:106]
    values = [shap_values(network, background, explained, n_samples) for n_samples in (100, 1600)]
    gaps = [additivity_gap(network, background, explained, part) for part in values]
    assert gaps == pytest.approx([0.251, 0.067], rel=0.05)
    assert additivity_gap(network, background, explained, np.zeros((6, 60))) == 1


def test_expected_gradients_over_every_point_add_up(network, spectra):
    # What the random points estimate: all of the background, and the midpoints of 100 steps along every path.
    background, explained = spectra[:20], spectra[100:104]
    values = np.zeros((4, 60))
    for weight in (np.arange(100) + 0.5) / 100:
        points = weight * explained[:, None] + (1 - weight) * background
        gradient = input_gradient(network, points.reshape(80, 60)).reshape(4, 20, 60)
        values += (gradient * (explained[:, None] - background)).mean(axis=1) / 100
    assert additivity_gap(network, background, explained, values) < 0.01
    estimate = shap_values(network, background, explained, n_samples=500)
    assert np.corrcoef(estimate.ravel(), values.ravel())[0, 1] > 0.99


def test_same_seed_same_values_and_nothing_else_touched(network, spectra):
    background, explained = spectra[:20], spectra[20:130]
    np.random.seed(3)
    wanted = np.random.rand()
    np.random.seed(3)
    seen = []
    values = shap_values(network, background, explained, n_samples=4, progress=lambda *done: seen.append(done))
    assert np.random.rand() == wanted
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())
    assert values.shape == (110, 60) and values.dtype == np.float64
    assert seen == [(50, 110), (100, 110), (110, 110)]
    np.testing.assert_array_equal(values, shap_values(network, background, explained, n_samples=4))
    other = shap_values(network, background, explained, n_samples=4, random_state=1)
    assert not np.allclose(values, other)
    # The batches draw their own points: the same spectrum in two batches has two estimates.
    twice = shap_values(network, background, np.repeat(explained[:1], 51, axis=0), n_samples=4)
    assert not np.allclose(twice[0], twice[50])


def test_spectra_that_do_not_fit_are_refused(network, spectra):
    with pytest.raises(ValueError, match=r"of the same channels, not \(140, 60\) and \(140, 59\)"):
        shap_values(network, spectra, spectra[:, 1:])
    with pytest.raises(ValueError, match="must be finite"):
        shap_values(network, spectra, np.full((2, 60), np.inf))


def test_means_by_channel_and_by_window():
    attributions = np.array([[1.0, -3, 2, 2], [1, 1, -4, 0]])
    assert mean_absolute(attributions).tolist() == [1, 2, 3, 1]
    assert mean_absolute(attributions, pool=2).tolist() == [2, 4]
    assert window_centres([400, 401, 402, 403], 2).tolist() == [400.5, 402.5]
    with pytest.raises(ValueError, match="4 channels are no whole number of windows of 3"):
        mean_absolute(attributions, pool=3)


def test_shares_of_bands():
    shares = band_shares([1, 2, 3, 4], [400, 401, 402, 403], [(401, 402), (400, 400), (500, 600)])
    assert shares["share"].tolist() == [0.5, 0.1, 0]
    assert shares["flat_share"].tolist() == [0.5, 0.25, 0]


@pytest.mark.parametrize(
    ("step", "n_peaks", "heights"),
    [
        (1, None, [5, 3]),
        (1, 1, [5]),
        # The last maximum lies 23.75 nm from the highest.
        (1.25, None, [5, 4, 3]),
        # All are 20 nm away.
        (4, None, [5, 4, 3, 2, 1]),
    ],
)
def test_peaks_are_the_highest_local_maxima(step, n_peaks, heights):
    maxima = {0: 2, 10: 3, 15: 1, 40: 5, 59: 4}
    wavelength = step * np.arange(400, 460)
    found = peaks([maxima.get(channel, 0) for channel in range(60)], wavelength, n_peaks)
    expected = {wavelength[channel]: height for channel, height in maxima.items() if height in heights}
    assert dict(zip(found["wavelength_nm"], found["height"], strict=True)) == expected
    assert found["height"].tolist() == heights


def test_shared_and_shifted_peaks():
    compared = compare_peaks([629, 689, 1650], [610, 689, 1639], tolerance_nm=11)
    assert compared["nearest_nm"].tolist() == [629, 689, 1650]
    assert compared["shift_nm"].tolist() == [-19, 0, -11]
    assert compared["shared"].tolist() == [False, True, True]
