from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import mse_loss

from spectrakit.models.resnet import ResNetConfig, freeze_features, initial_network
from spectrakit.training import pretraining
from spectrakit.training.pretraining import ONE_CYCLE, PAPER, Recipe, fit_network, predict

CONFIG = ResNetConfig(n_channels=60, pool=3, n_filters=8, n_last=4)
RECIPE = Recipe("test", learning_rate=0.003, batch_size=32, max_epochs=6, patience=6)


@pytest.fixture(scope="module")
def spectra():
    """Log reflectance of 300 spectra with one band, whose depth and position give the target."""
    random = np.random.default_rng(0)
    depth, centre = random.uniform(0.1, 0.8, 300), random.uniform(20, 40, 300)
    X = -depth[:, None] * np.exp(-0.5 * ((np.arange(60) - centre[:, None]) / 4) ** 2)
    return X.astype(np.float32), 5 + 4 * depth + 0.05 * (centre - 30)


def fitted(spectra, recipe=RECIPE, seed=0, **options):
    network = initial_network(CONFIG, 0, spectra[1])
    return network, fit_network(network, *spectra, recipe, seed, **options)


def same_weights(one, other):
    weights = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


def test_the_paper_recipe_is_the_paper_s():
    assert (PAPER.learning_rate, PAPER.max_epochs, PAPER.patience) == (0.001, 2000, 120)
    assert not (PAPER.one_cycle or PAPER.bfloat16 or PAPER.centred)
    assert PAPER.validation_share == ONE_CYCLE.validation_share


@pytest.mark.parametrize("changes", [{}, {"one_cycle": True, "bfloat16": True}], ids=["constant", "one cycle"])
def test_a_fit_learns_the_target_on_rows_it_has_not_seen(spectra, changes):
    X, y = spectra
    recipe = replace(RECIPE, max_epochs=40, patience=40, **changes)
    network, history = fitted((X[:240], y[:240]), recipe)
    error = np.mean((predict(network, X[240:])[:, 0] - y[240:]) ** 2)
    assert error < 0.05 * y[240:].var()
    assert len(history) == 40 and list(history) == ["training_mse", "validation_mse", "processor_seconds"]


def test_bfloat16_spares_the_first_convolution_and_the_dense_layers(spectra):
    """Spectra differ from channel to channel by less than its 8 bits can tell; dense layers are quick anyhow."""
    network, seen = initial_network(CONFIG, 0, spectra[1]), {}
    layers = network.weighted_layers()

    def look(layer, inputs, output):
        seen.setdefault(layers.index(layer), output.dtype)

    for layer in layers:
        layer.register_forward_hook(look)
    fit_network(network, *spectra, replace(RECIPE, max_epochs=1, bfloat16=True), 0)
    dense = [place for place, layer in enumerate(layers) if isinstance(layer, torch.nn.Linear)]
    assert seen == dict.fromkeys(range(len(layers)), torch.bfloat16) | dict.fromkeys([0, *dense], torch.float32)
    assert len(dense) == 3


def test_a_centred_recipe_subtracts_the_mean_of_what_it_trains_on(spectra):
    network, _ = fitted(spectra, replace(RECIPE, max_epochs=1, centred=True))
    np.testing.assert_allclose(network.input_mean, spectra[0].mean(0), rtol=1e-5)
    fit_network(freeze_features(network), spectra[0] + 1, spectra[1], replace(RECIPE, max_epochs=1, centred=True), 0)
    np.testing.assert_allclose(network.input_mean, spectra[0].mean(0), rtol=1e-5)


def test_a_fit_depends_on_its_seed_alone(spectra):
    one, other = fitted(spectra), fitted(spectra)
    assert same_weights(one[0], other[0])
    pd.testing.assert_frame_equal(one[1].drop(columns="processor_seconds"), other[1].drop(columns="processor_seconds"))
    assert not same_weights(one[0], fitted(spectra, seed=1)[0])


def test_one_step_is_adam_on_the_error_plus_the_penalty_of_kernels(spectra):
    X, y = spectra
    rows = (X[:20], y[:20])
    network, _ = fitted(rows, replace(RECIPE, max_epochs=1), validation=rows)
    by_hand = initial_network(CONFIG, 0, y[:20]).train()
    loss = mse_loss(by_hand(torch.as_tensor(rows[0]))[:, 0], torch.as_tensor(rows[1], dtype=torch.float32))
    loss = loss + CONFIG.l2 * sum((layer.weight**2).sum() for layer in by_hand.weighted_layers())
    optimiser = torch.optim.Adam(by_hand.parameters(), lr=RECIPE.learning_rate)
    loss.backward()
    optimiser.step()
    weights = zip(network.state_dict().values(), by_hand.state_dict().values(), strict=True)
    # Adam's first step is the sign of the gradient, so a gradient of rounding alone may go either way.
    apart = torch.cat([(a - b).abs().flatten() for a, b in weights])
    assert (apart < 1e-5).float().mean() > 0.99


def test_the_weights_of_the_best_epoch_are_kept_and_patience_ends_the_fit(spectra):
    X, y = spectra
    recipe = replace(RECIPE, learning_rate=0.03, max_epochs=60, patience=3)
    network, history = fitted((X[:100], y[:100]), recipe, validation=(X[100:], y[100:]))
    best = history.validation_mse.idxmin()
    assert len(history) == best + 1 + 3 < 60
    assert np.mean((predict(network, X[100:])[:, 0] - y[100:]) ** 2) == pytest.approx(history.validation_mse[best])


def test_the_validation_set_is_a_share_of_the_training_side(spectra):
    recipe = replace(RECIPE, max_epochs=1, validation_share=0.2)
    network, history = fitted(spectra, recipe)
    rows = np.random.default_rng(0).permutation(300)[:60]
    error = np.mean((predict(network, spectra[0][rows])[:, 0] - spectra[1][rows]) ** 2)
    assert error == pytest.approx(history.validation_mse[0], rel=1e-4)


def test_a_fit_that_was_stopped_resumes_to_the_same_end(spectra, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "SECONDS_PER_CHECKPOINT", 0)
    recipe, path = replace(RECIPE, one_cycle=True), tmp_path / "fit"
    whole, whole_history = fitted(spectra, recipe)

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(spectra, recipe, checkpoint=path, progress=stop)
    other, _ = fitted(spectra, recipe, seed=1, checkpoint=path)
    assert same_weights(other, fitted(spectra, recipe, seed=1)[0])
    seen = []
    resumed, history = fitted(spectra, recipe, checkpoint=path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(4, 6), (5, 6), (6, 6)]
    assert same_weights(resumed, whole)
    pd.testing.assert_frame_equal(
        history.drop(columns="processor_seconds"), whole_history.drop(columns="processor_seconds")
    )
    assert list(tmp_path.iterdir()) == []


def test_numbers_next_to_nothing_are_nothing_while_a_network_is_fitted(spectra):
    """Idle kernels that the penalty has brought below 1e-38 would slow a step down fifteenfold."""
    tiny, seen = torch.tensor([1e-39]), []
    fitted(spectra, replace(RECIPE, max_epochs=2), progress=lambda done, total: seen.append((tiny * 2).item()))
    assert seen == [0, 0]
    assert (tiny * 2).item() == pytest.approx(2e-39, rel=1e-3)


def test_a_frozen_network_learns_with_its_head_alone(spectra):
    X, y = spectra
    start, _ = fitted(spectra, replace(RECIPE, max_epochs=2))
    before = {name: tensor.clone() for name, tensor in start.state_dict().items()}
    network = freeze_features(start)
    history = fit_network(network, X, y, RECIPE, 0, validation=(X, y))
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {name for name in before if name.startswith("head.")}
    assert history.validation_mse.min() < history.validation_mse[0]


def test_several_targets_at_once(spectra):
    X, y = spectra
    Y = np.column_stack([(y - y.mean()) / y.std(), -(y - y.mean()) / y.std()])
    network = initial_network(replace(CONFIG, n_outputs=2, relu_output=False), 0, Y)
    fit_network(network, X, Y, replace(RECIPE, max_epochs=25, patience=25), 0)
    predicted = predict(network, X)
    assert predicted.shape == (300, 2) and predicted.dtype == np.float64
    assert np.mean((predicted - Y) ** 2) < 0.2


def test_arrays_that_do_not_fit_are_refused(spectra):
    X, y = spectra
    with pytest.raises(ValueError, match=r"spectra \(300, 59\) and targets \(300,\): the network takes \(n, 60\)"):
        fitted((X[:, 1:], y))
    with pytest.raises(ValueError, match="takes"):
        fitted((X, y[:-1]))
    with pytest.raises(ValueError, match="finite"):
        fitted((np.where(X.max() > X, X, -np.inf), y))


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"patience": 0}, {"validation_share": 1.0}])
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(PAPER, **wrong)
