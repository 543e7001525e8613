from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from torch import nn

from spectrakit.evaluation.metrics import r2
from spectrakit.evaluation.splits import repeated_folds
from spectrakit.models.resnet import initial_network, load_network, network_features, pooled_input
from spectrakit.preprocess.pretreatment import network_input
from spectrakit.resources import data_path
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3
from spectrakit.simulate.soils.composition import EUROPE
from spectrakit.simulate.soils.scans import survey
from spectrakit.training import transfer
from spectrakit.training.pretraining import Recipe, fit_network
from spectrakit.training.transfer import (
    FineTunedNetwork,
    HeadRecipe,
    ScratchNetwork,
    StackedHeads,
    _shrinkage,
    _View,
    _weights,
    fit_heads,
    fit_process,
)

QUICK = HeadRecipe((16, 8), learning_rate=0.01, steps=40, every=10)
OVERFITTED = HeadRecipe((32,), learning_rate=0.03, weight_decay=0.0, steps=100, every=5)
TWO_EPOCHS = Recipe("two epochs", learning_rate=0.001, batch_size=16, max_epochs=2, patience=2, centred=True)


@pytest.fixture(scope="module")
def pretrained():
    return load_network(data_path("models", "resnet_soils.safetensors"))[0]


@pytest.fixture(scope="module")
def soils():
    """A survey of 120 simulated soils of Europe."""
    return survey(120, EUROPE, ASD_FIELDSPEC_3, random_state=1)


@pytest.fixture(scope="module")
def X(soils):
    """Their reflectance (120, 2100)."""
    return soils.spectra.astype(float)


@pytest.fixture(scope="module")
def y(soils):
    """Their clay (120,) in per cent."""
    return soils.properties["clay_pct"].to_numpy()


@pytest.fixture(scope="module")
def heads_problem():
    """Features (40, 6), targets that some of them tell, and the training rows of six splits."""
    random = np.random.default_rng(0)
    features = random.normal(0, 3, (40, 6)).astype(np.float32)
    y = features[:, 0] / 3 + random.normal(0, 0.7, 40)
    return features, y - y.mean(), repeated_folds(40, 3, 2, 0).train


def quick(pretrained, **changes):
    return FineTunedNetwork(pretrained, **{"recipe": QUICK, "random_state": 0} | changes)


@pytest.fixture(scope="module")
def fitted(pretrained, X, y):
    """A quick FineTunedNetwork of forty soils; nothing changes it."""
    return quick(pretrained).fit(X[:40], y[:40])


def test_stacked_heads_are_as_many_networks_side_by_side():
    torch.manual_seed(0)
    heads, features = StackedHeads(3, 6, (5, 4), scale=2.0), torch.randn(7, 6)
    for bias in heads.biases:
        nn.init.normal_(bias)
    outputs = heads(features)
    assert outputs.shape == (3, 7)
    for place in range(3):
        alone = nn.Sequential(nn.Linear(6, 5), nn.LeakyReLU(), nn.Linear(5, 4), nn.LeakyReLU(), nn.Linear(4, 1))
        for layer, kernel, bias in zip(alone[::2], heads.kernels, heads.biases, strict=True):
            layer.weight.data, layer.bias.data = kernel[place].T, bias[place, 0]
        torch.testing.assert_close(outputs[place], alone(features)[:, 0])


def test_first_kernels_bring_features_of_any_scale_to_one():
    torch.manual_seed(0)
    heads = StackedHeads(1, 400, (300, 200), scale=50.0)
    first = 50 * torch.randn(200, 400) @ heads.kernels[0][0]
    assert first.std().item() == pytest.approx(1, abs=0.02)
    assert (torch.randn(200, 300) @ heads.kernels[1][0]).std().item() == pytest.approx(1, abs=0.02)
    assert all((bias == 0).all() for bias in heads.biases)


def test_a_head_learns_nothing_from_the_rows_that_its_split_leaves_out(heads_problem):
    features, y, training = heads_problem
    whole = HeadRecipe((8,), steps=30, every=30)  # one validation, at the end: nothing to choose
    heads = fit_heads(features, y, training, whole, 0)
    changed = y.copy()
    changed[0] += 5
    others = fit_heads(features, changed, training, whole, 0)
    for kernel, other in zip(heads.kernels, others.kernels, strict=True):
        same = [torch.equal(a, b) for a, b in zip(kernel, other, strict=True)]
        assert same == (~training[:, 0]).tolist()


def test_out_of_fold_predictions_come_from_the_heads_that_were_not_fitted_to_the_row(heads_problem):
    features, y, training = heads_problem
    heads = fit_heads(features, y, training, OVERFITTED, 0)
    with torch.no_grad():
        outputs = heads(torch.as_tensor(features)).numpy()
    expected = [outputs[~training[:, row], row].mean() for row in range(40)]
    np.testing.assert_allclose(heads.out_of_fold, expected, atol=1e-6)
    assert heads.out_of_fold.dtype == float and r2(y, heads.out_of_fold) > 0.2


def test_heads_stop_where_the_out_of_fold_error_is_least(heads_problem):
    features, y, training = heads_problem

    def error(every):
        heads = fit_heads(features, y, training, replace(OVERFITTED, every=every), 0)
        return np.mean((heads.out_of_fold - y) ** 2)

    assert error(every=5) < 0.9 * error(every=100)


def test_heads_follow_the_seed_and_leave_torch_alone(heads_problem):
    state = torch.get_rng_state()
    first, again, other = (fit_heads(*heads_problem, QUICK, seed).out_of_fold for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("out_of_fold", "y", "expected"),
    [
        ([1, -1, 2, -2], [1, -1, 2, -2], 1),
        ([2, -2, 4, -4], [1, -1, 2, -2], 0.5),
        ([0.5, -0.5], [1, -1], 1),  # never further from the mean than predicted
        ([1, -1, 1, -1], [2, 0, 0, -2], 2 / 3),  # slope 1, residual variance 4/3, over 4: 1 - 1/3
        ([1, -1, 1, -1], [1, 1, -1, -1], 0),
        ([1, -1, 1, -1], [-1, 1, -1, 1], 0),
        ([0, 0, 0, 0], [1, -1, 1, -1], 0),
    ],
)
def test_how_far_predictions_are_drawn_to_the_mean(out_of_fold, y, expected):
    assert _shrinkage(np.array(out_of_fold, float), np.array(y, float)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("views", "score"), [(("features", "input"), 0.49), (("features",), 0.48), (("input",), 0.32)])
def test_a_fine_tuned_network_tells_clay_from_sixty_soils(pretrained, X, y, views, score):
    model = FineTunedNetwork(pretrained, views=views, random_state=0).fit(X[:60], y[:60])
    assert r2(y[60:], model.predict(X[60:])) == pytest.approx(score, abs=0.06)
    assert model.weights_.shape == (2 * len(views),)
    assert 0.5 < model.shrinkage_ <= 1
    assert (model.target_mean_, model.target_sd_) == pytest.approx((y[:60].mean(), y[:60].std()))


def test_a_clone_with_the_same_seed_predicts_the_same_and_the_given_network_stays(pretrained, X, y, fitted):
    before = {name: tensor.clone() for name, tensor in pretrained.state_dict().items()}
    copy = clone(fitted)
    assert not hasattr(copy, "members_") and copy.network is not pretrained and fitted.network is pretrained
    expected = fitted.predict(X[40:60])
    np.testing.assert_array_equal(copy.set_params(network=pretrained).fit(X[:40], y[:40]).predict(X[40:60]), expected)
    other = quick(pretrained, random_state=1).fit(X[:40], y[:40])
    assert not np.array_equal(other.predict(X[40:60]), expected)
    assert not pretrained.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in pretrained.state_dict().items())


def test_predictions_follow_the_unit_and_the_origin_of_the_target_and_not_the_brightness(pretrained, X, y, fitted):
    expected = fitted.predict(X[40:60])
    grams = quick(pretrained).fit(X[:40], 8 * y[:40]).predict(X[40:60])
    np.testing.assert_allclose(grams, 8 * expected, rtol=1e-6)
    shifted = quick(pretrained).fit(X[:40], y[:40] + 100).predict(X[40:60])
    np.testing.assert_allclose(shifted, expected + 100, atol=0.01)
    np.testing.assert_allclose(fitted.predict(0.7 * X[40:60]), expected, atol=0.01)


def test_a_target_without_variation_is_predicted_as_it_is(pretrained, X):
    model = quick(pretrained).fit(X[:20], np.full(20, 6.5))
    assert model.shrinkage_ == 0
    np.testing.assert_array_equal(model.predict(X[20:23]), 6.5)


@pytest.mark.parametrize(("n_rows", "n_axes"), [(12, 11), (40, 20)])
def test_a_view_holds_its_rows_in_scores_of_length_one(n_rows, n_axes):
    rows = np.random.default_rng(0).normal(3, np.geomspace(0.1, 50, 20), (n_rows, 20))
    view = _View(rows)
    scores = view.scores(rows)
    assert scores.shape == (n_rows, n_axes) and scores.dtype == float
    assert np.mean(np.sum(scores**2, axis=1)) == pytest.approx(1)
    np.testing.assert_allclose(scores * view.length @ view.axes.components_ + rows.mean(0), rows, atol=1e-9)
    np.testing.assert_allclose(view.scores(rows[3:5]), scores[3:5], atol=1e-12)


def test_out_of_fold_predictions_of_a_process_are_those_of_processes_without_the_row():
    random = np.random.default_rng(0)
    scores = random.normal(0, 0.5, (25, 4))
    y = np.sin(3 * scores[:, 0]) + scores[:, 1] + random.normal(0, 0.2, 25)
    y -= y.mean()
    process = fit_process(scores, y)
    kernel, expected = process.kernel_, []
    for row in range(25):
        others = np.arange(25) != row
        alone = GaussianProcessRegressor(kernel, alpha=1e-6, optimizer=None).fit(scores[others], y[others])
        expected.append(alone.predict(scores[[row]])[0])
    np.testing.assert_allclose(process.out_of_fold, expected, atol=1e-9)
    assert 0.5 < r2(y, process.out_of_fold) < r2(y, process.predict(scores)) < 1


def test_a_process_follows_a_line_beyond_its_rows():
    line = np.linspace(-1, 1, 30)[:, None]
    process = fit_process(line, 2 * line[:, 0])
    assert process.predict([[3.0]]) == pytest.approx([6.0], abs=0.05)


@pytest.mark.parametrize(
    ("out_of_fold", "expected"),
    [
        ([[1, -1, 2, -2]], [1]),
        ([[2, -2, 4, -4]], [0.51219512]),  # w least for 2.5 (2w - 1)^2 + (w - 1)^2 / 4: 5.25 / 10.25
        ([[1, -1, 2, -2]] * 4, [0.25] * 4),
        ([[0.5, -0.5, 1, -1]] * 2, [0.91666667] * 2),  # 2.5 (w - 1)^2 + (w - 0.5)^2 / 2: 5.5 / 6
        ([[0, 0, 0, 0]] * 2, [0.5] * 2),
        ([[1, -1, 2, -2], [-3, 3, -6, 6]], [0.95454545, 0]),  # 2.5 (w - 1)^2 + (w - 0.5)^2 / 4: 2.625 / 2.75
    ],
)
def test_weights_by_hand(out_of_fold, expected):
    weights = _weights(np.array(out_of_fold, float), np.array([1.0, -1, 2, -2]))
    np.testing.assert_allclose(weights, expected, atol=1e-8)


def test_a_prediction_is_the_weighted_sum_of_the_members_drawn_to_the_mean(pretrained, X, y, fitted):
    y = y[:40]
    inputs = network_input(X[40:50], "derivative")
    parts, outputs = (network_features(pretrained, inputs), pooled_input(pretrained, inputs)), []
    for view, (heads, process), rows in zip(fitted.views_, fitted.members_, parts, strict=True):
        scores = view.axes.transform(rows.astype(float)) / view.length
        with torch.no_grad():
            dense = heads(torch.as_tensor(scores, dtype=torch.float32)).numpy()
        assert dense.shape == (10, 10)  # five folds, twice
        outputs += [dense.mean(0), process.predict(scores)]
    assert (len(outputs), fitted.weights_.shape) == (4, (4,)) and (fitted.weights_ >= 0).all()
    expected = y.mean() + y.std() * fitted.shrinkage_ * (fitted.weights_ @ np.array(outputs))
    np.testing.assert_allclose(fitted.predict(X[40:50]), expected, rtol=1e-6)

    out_of_fold = np.array([member.out_of_fold for pair in fitted.members_ for member in pair])
    scaled = (y - y.mean()) / y.std()
    np.testing.assert_array_equal(fitted.weights_, _weights(out_of_fold, scaled))
    assert fitted.shrinkage_ == _shrinkage(fitted.weights_ @ out_of_fold, scaled)


def test_the_input_alone_knows_nothing_of_the_convolutions(pretrained, X, y):
    other = initial_network(pretrained.config, 9, np.zeros(20))
    other.input_mean.copy_(pretrained.input_mean)
    trained, drawn = (
        {
            views: quick(network, views=views).fit(X[:40], y[:40]).predict(X[40:60])
            for views in (("input",), ("features",))
        }
        for network in (pretrained, other)
    )
    np.testing.assert_array_equal(trained["input",], drawn["input",])
    assert np.abs(trained["features",] - drawn["features",]).max() > 0.1 * y.std()


def test_views_are_named(pretrained, X, y):
    with pytest.raises(ValueError, match="views 'scores': give one of features, input"):
        quick(pretrained, views=("features", "scores")).fit(X[:20], y[:20])


@pytest.mark.parametrize(("steps", "every"), [(5, 10), (5, 0)])
def test_there_is_a_validation_or_more(steps, every):
    with pytest.raises(ValueError, match=f"{steps} steps, validation every {every}: give a number from 1 to the steps"):
        HeadRecipe(steps=steps, every=every)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning")
def test_spectra_that_are_all_the_same_tell_no_more_than_the_mean(pretrained, X, y):
    model = quick(pretrained).fit(np.tile(X[:1], (20, 1)), y[:20])
    np.testing.assert_allclose(model.predict(X[:3]), y[:20].mean(), atol=1e-3 * y[:20].std())


def test_fewer_rows_than_folds_are_each_left_out_alone(pretrained, X, y):
    model = quick(pretrained).fit(X[:4], y[:4])
    assert all(len(heads.kernels[0]) == 2 * 4 for heads, _ in model.members_)


@pytest.fixture
def scratch(monkeypatch):
    """A small network without pretraining, of two folds and two epochs."""
    monkeypatch.setattr(transfer, "SCRATCH_HIDDEN", (4,))
    monkeypatch.setattr(transfer, "N_FOLDS", 2)
    return ScratchNetwork(recipe=TWO_EPOCHS, random_state=3)


def test_a_network_from_scratch_has_weights_of_its_own_for_each_fold(X, y, scratch):
    state = torch.get_rng_state()
    model = scratch.fit(X[:20], y[:20])
    assert torch.equal(torch.get_rng_state(), state)
    inputs, training = network_input(X, "derivative"), repeated_folds(20, 2, 1, 3).train
    assert len(model.networks_) == 2
    for network, rows in zip(model.networks_, training, strict=True):
        np.testing.assert_allclose(network.input_mean, inputs[:20][rows].mean(0), atol=1e-6)
    first, second = (network.features[0].weight for network in model.networks_)
    assert not torch.allclose(first, second, atol=0.02)  # not two epochs apart, but drawn anew
    with torch.no_grad():
        outputs = [network(torch.as_tensor(inputs[20:30]))[:, 0].numpy() for network in model.networks_]
    expected = y[:20].mean() + y[:20].std() * model.shrinkage_ * np.mean(outputs, axis=0)
    np.testing.assert_allclose(model.predict(X[20:30]), expected, rtol=1e-5)
    again = clone(model).fit(X[:20], y[:20])
    np.testing.assert_array_equal(model.predict(X[20:25]), again.predict(X[20:25]))
    other = clone(model).set_params(random_state=1).fit(X[:20], y[:20])
    assert not torch.equal(first, other.networks_[0].features[0].weight)


def test_each_fold_validates_on_the_rows_that_its_network_from_scratch_is_not_fitted_to(X, y, scratch, monkeypatch):
    X, y = X[:20], y[:20]
    fits = []

    def noted(network, inputs, scaled, *rest, validation):
        fits.append((scaled, validation[1]))
        assert len(inputs) == len(scaled)
        return fit_network(network, inputs, scaled, *rest, validation=validation)

    monkeypatch.setattr(transfer, "fit_network", noted)
    scratch.fit(X, y)
    scaled = (y - y.mean()) / y.std()
    for (fitted, validated), training in zip(fits, repeated_folds(20, 2, 1, 3).train, strict=True):
        np.testing.assert_array_equal(fitted, scaled[training])
        np.testing.assert_array_equal(validated, scaled[~training])
