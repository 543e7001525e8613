from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.training.fine_tuning import DEPTHS, transferred, with_new_output
from spectrakit.training.pretraining import Recipe, fit_network, predict

RECIPE = Recipe("short", learning_rate=0.001, batch_size=32, max_epochs=3, patience=3)


@pytest.fixture(scope="module")
def source():
    """A network that a few steps have moved from its initial weights, batch normalisation included."""
    X, y = np.random.default_rng(0).normal(size=(64, 2100)), np.linspace(4, 8, 64)
    network = initial_network(ResNetConfig(), 0, y)
    fit_network(network, X, y, RECIPE, 0)
    return network


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(1).normal(size=(98, 2100)).astype(np.float32)


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(2).uniform(3, 9, 98)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def unchanged(before, module):
    return [name for name, tensor in module.state_dict().items() if torch.equal(before[name], tensor)]


def test_a_transferred_network_starts_from_the_source_and_the_mean_of_the_targets(source, X, y):
    before = state(source)
    network = transferred(source, X, y)
    assert predict(network, X).mean() == pytest.approx(y.mean(), abs=1e-4)
    changed = set(before) - set(unchanged(before, network))
    assert changed == {"head.4.bias"}
    assert len(unchanged(before, source)) == len(before)


@pytest.mark.parametrize(
    ("depth", "tuned"),
    [
        ("dense", {"head.0", "head.2", "head.4"}),
        ("dense and last convolution", {"features.6", "head.0", "head.2", "head.4"}),
        ("all", None),
    ],
)
def test_tuning_changes_what_its_depth_names_and_nothing_else(source, X, y, depth, tuned):
    network = transferred(source, X, y, DEPTHS[depth])
    before = state(network)
    fit_network(network, X, y, RECIPE, 0)
    changed = {name.rsplit(".", 1)[0] for name in set(before) - set(unchanged(before, network))}
    if tuned is None:  # batch normalisation too, its statistics included
        tuned = {name.rsplit(".", 1)[0] for name in before if "." in name}
        assert "features.2.running_mean" not in unchanged(before, network)
    assert changed == tuned


def test_a_new_output_keeps_the_hidden_layers_of_a_network_of_several_properties(X, y):
    several = initial_network(replace(ResNetConfig(), n_outputs=3, relu_output=False), 1, np.zeros(3)[None])
    network = with_new_output(several, X, y, 0)
    kept = unchanged(state(several), nn.ModuleDict({"features": network.features, "head": network.head[:4]}))
    assert {"features.0.weight", "features.2.running_mean", "head.0.weight", "head.2.bias"} <= set(kept)
    assert network.config.n_outputs == 1 and network.features_frozen
    assert predict(network, X).mean() == pytest.approx(y.mean(), abs=1e-4)
