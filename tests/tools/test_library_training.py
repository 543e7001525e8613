from dataclasses import replace

import numpy as np
import pytest
import torch

from spectrakit.models.resnet import initial_network
from spectrakit.spectra import library_axis
from spectrakit.training.library_features import MIN_AVERAGES, library_derivative, standardised
from tools.make import library_training
from tools.make.library_training import (
    LIBRARY_NETWORK,
    TARGETS,
    BetweenRecipe,
    covered_inputs,
    draw_cover,
    draw_worlds,
    fit_between_laboratories,
)


def small_network():
    config = replace(LIBRARY_NETWORK, n_filters=4, n_last=2, hidden=(4,), n_outputs=3)
    return initial_network(config, 0, np.zeros((1, 3)))


@pytest.fixture(scope="module")
def planted():
    """Three worlds of four laboratories: the first target is the height of a band, and a large band differs by
    laboratory.
    """
    generator, axis = np.random.default_rng(0), library_axis()
    target = generator.normal(0, 1, (3, 4, 40, 3)).astype(np.float32)
    shapes = np.exp(-(((axis - np.array([[1200], [1800], [2600], [3300]])) / 80) ** 2))
    height = np.concatenate([target, np.zeros_like(target[..., :1])], axis=-1)
    height[..., 3] += 4 * generator.normal(0, 1, (3, 4, 1))
    spectra = height @ shapes + axis / 1000
    return library_derivative(spectra.reshape(-1, len(axis)), axis).reshape(3, 4, 40, 340), target


def test_covers_are_those_of_tables():
    generator = np.random.default_rng(0)
    covers = np.array([draw_cover(generator) for _ in range(500)])
    assert covers.sum(1).min() >= MIN_AVERAGES - 1
    assert covers[:, [0, -1]].mean(0) == pytest.approx([0.42, 0.51], abs=0.06)
    assert 0.04 < 1 - covers[:, 171].mean() < 0.2  # 2,314 1/cm


def test_tables_that_cover_a_part_have_no_holes():
    derivatives = np.random.default_rng(1).normal(0, 1, (6, 5, 340)).astype(np.float32)
    derivatives[..., [0, -1]] = np.nan
    result = covered_inputs(derivatives, np.random.default_rng(2))
    assert result.shape == (30, 340) and result.dtype == np.float32 and np.isfinite(result).all()
    expected = standardised(np.where(draw_cover(np.random.default_rng(2)), derivatives[0], np.nan))
    known = ~np.isnan(expected)
    np.testing.assert_allclose(result[:5][known], expected[known], rtol=1e-5)


def test_laboratories_of_a_world_have_targets_by_name():
    derivatives, targets = draw_worlds(1, 2, 6, np.random.default_rng(0))
    assert derivatives.shape == (1, 2, 6, 340) and targets.shape == (1, 2, 6, len(TARGETS)) and len(TARGETS) == 23
    assert np.isfinite(targets).all() and np.isfinite(derivatives[..., 1:-1]).all()
    assert TARGETS[:3] == ("oc_g_kg", "ph", "c_g_kg")
    # Organic carbon is not above the total, as logarithms of contents with the same offset.
    assert (targets[..., 0] <= targets[..., 2] + 1e-6).all()


def test_episodes_teach_to_predict_another_laboratory(planted):
    recipe = BetweenRecipe(steps=60, learning_rate=0.003, n_laboratories=(1, 3), n_support=(15, 30), n_query=20)
    networks = [small_network() for _ in range(3)]
    statistics = networks[0].features[2].running_mean.clone()
    (penalty, history), (again, repeated) = (
        fit_between_laboratories(network, *planted, recipe, 0) for network in networks[:2]
    )
    assert len(history) == 60 and history["error"][-20:].mean() < 0.8 * history["error"][:20].mean()
    assert penalty == again and history.equals(repeated) and penalty != np.exp(-1)
    for name, weights in networks[0].state_dict().items():
        assert torch.equal(weights, networks[1].state_dict()[name])
        assert name.startswith("features") or torch.equal(weights, networks[2].state_dict()[name])
    assert torch.equal(networks[0].features[2].running_mean, statistics)


def test_an_episode_predicts_a_laboratory_that_did_not_calibrate(planted):
    place = np.broadcast_to(np.arange(12).reshape(3, 4, 1, 1), (3, 4, 40, 1))
    targets = np.concatenate([place, planted[1]], axis=-1).astype(np.float32)
    recipe = BetweenRecipe(n_laboratories=(2, 4), n_support=(10, 20), n_query=15, noise=0.0)
    network, generator = small_network(), np.random.default_rng(0)
    for _ in range(20):
        inputs, y, n_support = library_training._episode(network, planted[0], targets, recipe, generator)
        predicted, calibrated = (set(part[:, 0].tolist()) for part in (y[n_support:], y[:n_support]))
        assert len(predicted) == 1 and not predicted & calibrated and 2 <= len(calibrated) <= 3
        assert len({number // 4 for number in predicted | calibrated}) == 1  # of one world
        assert len(y) - n_support == 15 and inputs.shape == (len(y), 1, 1, 340)
