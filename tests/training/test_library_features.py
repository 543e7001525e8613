from dataclasses import replace

import numpy as np
import pytest
import torch

from spectrakit.models.resnet import initial_network
from spectrakit.spectra import library_axis
from spectrakit.training import library_features
from spectrakit.training.library_features import (
    FEWEST_AVERAGES,
    LIBRARY_NETWORK,
    TARGETS,
    BetweenRecipe,
    covered_input,
    covered_inputs,
    covers_enough,
    draw_cover,
    draw_worlds,
    fit_between_laboratories,
    library_bins,
    library_derivative,
    library_input,
    standardised,
)

SMALL = replace(LIBRARY_NETWORK, n_filters=4, n_last=2, hidden=(4,), n_outputs=3)


def bands(axis, seed=0, n=3):
    """Absorbance of some bands on an axis, (n, n_channels)."""
    centres, height = np.random.default_rng(seed).uniform(700, 3900, (2, n, 12))
    return (height[..., None] / 4000 * np.exp(-(((axis - centres[..., None]) / 60) ** 2))).sum(1)


def test_the_derivative_of_a_straight_line_is_its_slope():
    X = np.array([[0.5], [-0.2]]) + np.array([[1e-3], [2e-3]]) * library_axis()
    found = library_derivative(X, library_axis())
    assert found.shape == (2, 340) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1:-1], np.repeat([[0.02], [0.04]], 338, axis=1), rtol=1e-4)
    assert np.isnan(found[:, [0, -1]]).all()
    np.testing.assert_array_equal(library_bins()[[0, 1, -1]], [604, 614, 3994])


def test_what_is_a_derivative_already_is_averaged_alone():
    X = np.arange(1700.0)[None]
    np.testing.assert_allclose(library_derivative(X, library_axis(), True)[0], np.arange(2, 1700, 5))


def test_coarser_channels_give_nearly_the_same():
    fine, coarse = library_axis(), np.arange(600.0, 4001, 8)
    one, other = library_derivative(bands(fine), fine), library_derivative(bands(coarse), coarse)
    assert np.nanmax(np.abs(one - other[:, :340])) < 0.03 * np.nanmax(np.abs(one))


def test_a_part_of_the_range_and_gaps_are_not_there():
    axis = library_axis()
    part = axis[(axis >= 752) & (axis <= 3798) & ~((axis > 2270) & (axis < 2400))]
    whole, found = library_derivative(bands(axis), axis), library_derivative(bands(part), part)
    known = ~np.isnan(found[0])
    np.testing.assert_allclose(found[:, known], whole[:, known], atol=1e-6)
    bins = library_bins()
    assert bins[known][[0, -1]].tolist() == [774, 3784]
    assert not known[(bins > 2264) & (bins < 2404)].any() and known[(bins < 2254) & (bins > 774)].all()


def test_offset_slope_and_gain_of_absorbance_drop_out():
    axis = library_axis()
    network = initial_network(SMALL, 0, np.zeros((1, 3)))
    X = bands(axis)
    one, other = library_input(network, X, axis), library_input(network, 0.3 + 1.4 * X + 2e-5 * axis, axis)
    np.testing.assert_allclose(one, other, atol=2e-4)
    np.testing.assert_allclose(one[:, 1:-1].std(1), 1, rtol=1e-4)


def test_channels_that_are_not_there_are_the_mean_of_pretraining():
    network = initial_network(SMALL, 0, np.zeros((1, 3)))
    network.input_mean.copy_(torch.linspace(0, 1, 340))
    axis = library_axis()[200:]
    found = library_input(network, bands(axis), axis)
    np.testing.assert_allclose(found[:, :40], np.repeat(network.input_mean.numpy()[None, :40], 3, axis=0))
    assert network.pool(torch.as_tensor(found))[..., :40].abs().max() == 0


@pytest.mark.parametrize(
    ("axis", "problem"),
    [
        (np.arange(600.0, 1300, 2), "covers 70: 80 are needed"),
        (library_axis()[:-1], "1700 channels on an axis of 1699"),
    ],
)
def test_what_the_network_cannot_see_is_told(axis, problem):
    X = np.zeros((2, 350 if "covers" in problem else 1700))
    with pytest.raises(ValueError, match=problem):
        library_derivative(X, axis)


def test_which_axes_are_enough():
    assert covers_enough(np.arange(650.0, 3999, 4)) and covers_enough(np.arange(600.0, 1402, 2))
    assert not covers_enough(np.arange(600.0, 1390, 2)) and not covers_enough(np.array([700.0]))


def test_covers_are_those_of_tables():
    generator = np.random.default_rng(0)
    covers = np.array([draw_cover(generator) for _ in range(500)])
    assert covers.sum(1).min() >= FEWEST_AVERAGES - 1
    assert covers[:, 0].mean() == pytest.approx(0.42, abs=0.06) and covers[:, -1].mean() == pytest.approx(
        0.51, abs=0.06
    )
    assert 0.04 < 1 - covers[:, 171].mean() < 0.2  # 2,314 1/cm


def test_tables_that_cover_a_part_have_no_holes():
    derivatives = np.random.default_rng(1).normal(0, 1, (6, 5, 340)).astype(np.float32)
    derivatives[..., [0, -1]] = np.nan
    found = covered_inputs(derivatives, np.random.default_rng(2))
    assert found.shape == (30, 340) and found.dtype == np.float32 and np.isfinite(found).all()
    cover = draw_cover(np.random.default_rng(2))
    expected = standardised(np.where(cover, derivatives[0], np.nan))
    known = ~np.isnan(expected)
    np.testing.assert_allclose(found[:5][known], expected[known], rtol=1e-5)


def test_laboratories_of_a_world_have_targets_by_name():
    derivatives, targets = draw_worlds(1, 2, 6, np.random.default_rng(0))
    assert derivatives.shape == (1, 2, 6, 340) and targets.shape == (1, 2, 6, len(TARGETS)) and len(TARGETS) == 23
    assert np.isfinite(targets).all() and np.isfinite(derivatives[..., 1:-1]).all()
    assert TARGETS[:3] == ("oc_g_kg", "ph", "c_g_kg")
    # Organic carbon is not above the total, as logarithms of contents and the same start.
    assert (targets[..., 0] <= targets[..., 2] + 1e-6).all()


def planted(n_worlds=3, n_laboratories=4, n_soils=40, seed=0):
    """Laboratories whose first target is the height of a band, under a large band that laboratories differ by."""
    generator, axis = np.random.default_rng(seed), library_axis()
    target = generator.normal(0, 1, (n_worlds, n_laboratories, n_soils, 3)).astype(np.float32)
    shapes = np.exp(-(((axis - np.array([[1200], [1800], [2600], [3300]])) / 80) ** 2))
    height = np.concatenate([target, np.zeros_like(target[..., :1])], axis=-1)
    height[..., 3] += 4 * generator.normal(0, 1, (n_worlds, n_laboratories, 1))
    spectra = height @ shapes + axis / 1000
    found = library_derivative(spectra.reshape(-1, len(axis)), axis)
    return found.reshape(*target.shape[:3], 340), target


def test_episodes_teach_to_predict_another_laboratory():
    derivatives, targets = planted()
    recipe = BetweenRecipe(steps=60, learning_rate=0.003, n_laboratories=(1, 3), n_support=(15, 30), n_query=20)
    networks = [initial_network(SMALL, 0, np.zeros((1, 3))) for _ in range(3)]
    statistics = networks[0].features[2].running_mean.clone()
    penalty, history = fit_between_laboratories(networks[0], derivatives, targets, recipe, 0)
    again, repeated = fit_between_laboratories(networks[1], derivatives, targets, recipe, 0)
    assert len(history) == 60 and history["error"][-20:].mean() < 0.8 * history["error"][:20].mean()
    assert penalty == again and history.equals(repeated) and penalty != np.exp(-1)
    for name, weights in networks[0].state_dict().items():
        assert torch.equal(weights, networks[1].state_dict()[name])
        assert name.startswith("features") or torch.equal(weights, networks[2].state_dict()[name])
    assert torch.equal(networks[0].features[2].running_mean, statistics)


def test_an_episode_asks_for_a_laboratory_that_did_not_calibrate(monkeypatch):
    derivatives, targets = planted(n_worlds=2)
    place = np.broadcast_to(np.arange(8).reshape(2, 4, 1, 1), (2, 4, 40, 1))
    recipe = BetweenRecipe(n_laboratories=(2, 4), n_support=(10, 20), n_query=15, noise=0.0)
    network, generator = initial_network(SMALL, 0, np.zeros((1, 3))), np.random.default_rng(0)
    for _ in range(20):
        inputs, y, n_support = library_features._episode(
            network, derivatives, np.concatenate([place, targets], axis=-1).astype(np.float32), recipe, generator
        )
        asked, calibrated = (set(part[:, 0].tolist()) for part in (y[n_support:], y[:n_support]))
        assert len(asked) == 1 and not asked & calibrated and 2 <= len(calibrated) <= 3
        assert len({number // 4 for number in asked | calibrated}) == 1
        assert len(y) - n_support == 15 and inputs.shape == (len(y), 1, 1, 340)


def test_what_a_cover_leaves_out_is_the_mean():
    network = initial_network(SMALL, 0, np.zeros((1, 3)))
    derivatives, _ = planted(n_worlds=1)
    cover = np.arange(340) < 200
    found = covered_input(network, derivatives[0, 0], cover)
    assert (found[:, 200:] == 0).all() and found[:, 1:200].std() == pytest.approx(1, rel=1e-3)
