import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spectrakit.models.resnet import (
    RepeatableDropout,
    ResNetConfig,
    SpectralResNet,
    freeze_features,
    initial_network,
    load_network,
    network_features,
    pooled_input,
    save_network,
    thinned_outputs,
)

SMALL = ResNetConfig(n_channels=40, pool=5, n_filters=3, n_last=2, hidden=(4,))


def small_network(seed=0, **changes):
    return initial_network(ResNetConfig(**{**vars(SMALL), **changes}), seed, np.full(changes.get("n_outputs", 1), 6.0))


def test_defaults_are_the_published_values():
    config = ResNetConfig()
    assert (config.n_channels, config.pool, config.n_filters, config.kernel_size) == (2100, 10, 48, 3)
    assert (config.n_blocks, config.n_last, config.hidden, config.l2) == (2, 32, (16, 10), 0.0004)
    assert (config.negative_slope, config.n_outputs, config.relu_output) == (0.01, 1, True)


def test_weights_and_shapes_of_the_published_network():
    network = SpectralResNet()
    first, block, last = 48 * 3 + 48, 2 * (48 * 48 * 3 + 48), 32 * 48 * 3 + 32
    dense = 16 * 32 * 105 + 16 + 10 * 16 + 10 + 10 + 1
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    assert n_weights == first + 2 * 48 + 2 * block + last + dense == 86725
    pooled = network.pool(torch.rand(2, 2100))
    assert pooled.shape == (2, 1, 1, 210)
    assert network.features(pooled).shape == (2, network.config.n_features) == (2, 3360)
    assert network(torch.rand(2, 2100)).shape == (2, 1)


def test_forward_follows_the_text_by_hand():
    network = small_network().eval()
    X = np.random.default_rng(0).normal(size=(1, 40))
    weights = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}

    def convolve(maps, name):
        padded = np.pad(maps, ((0, 0), (1, 1)))
        kernel, bias = weights[f"{name}.weight"][:, :, 0], weights[f"{name}.bias"]
        windows = np.stack([padded[:, i : i + maps.shape[1]] for i in range(3)], -1)
        return np.einsum("clk,ock->ol", windows, kernel) + bias[:, None]

    def leaky(x):
        return np.where(x > 0, x, 0.01 * x)

    maps = leaky(convolve(X.reshape(1, 8, 5).mean(2), "features.0"))
    maps = maps / np.sqrt(1 + 1e-3)  # batch normalisation before training: mean 0, variance 1
    maps = maps.reshape(3, 4, 2).max(2)
    for block in ("features.4", "features.5"):
        inner = np.maximum(convolve(maps, f"{block}.first"), 0)
        maps = np.maximum(convolve(inner, f"{block}.second") + maps, 0)
    hidden = leaky(convolve(maps, "features.6")).ravel()
    hidden = leaky(weights["head.0.weight"] @ hidden + weights["head.0.bias"])
    expected = np.maximum(weights["head.2.weight"] @ hidden + weights["head.2.bias"], 0)
    assert expected[0] > 0
    assert network(torch.as_tensor(X, dtype=torch.float32)).detach().numpy()[0] == pytest.approx(expected, rel=1e-5)


def test_every_relu_is_a_module_of_its_own_and_none_works_in_place():
    calls = {}
    network = SpectralResNet()
    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.LeakyReLU):
            assert not module.inplace
            module.register_forward_hook(lambda module, *_: calls.update({module: calls.get(module, 0) + 1}))
    network(torch.rand(2, 2100))
    assert list(calls.values()) == [1] * 9  # two convolutions, two a block, two dense layers, the output


def test_first_weights_follow_the_seed_and_leave_torch_alone():
    state = torch.get_rng_state()
    first, again, other = small_network(3), small_network(3), small_network(4)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.features[0].weight, again.features[0].weight)
    assert not torch.equal(first.features[0].weight, other.features[0].weight)
    kernels = first.weighted_layers()
    assert len(kernels) == 8 and all(layer.weight.abs().max() > 0 for layer in kernels)
    limit = np.sqrt(6 / (3 * 3 + 3 * 3))  # Glorot: 3 filters of size 3 in and out
    assert first.features[4].first.weight.abs().max() <= limit


def test_the_output_starts_at_the_mean_of_the_targets():
    targets = np.array([[5.0, -1.0], [7.0, -2.0]])
    network = initial_network(ResNetConfig(**{**vars(SMALL), "n_outputs": 2, "relu_output": False}), 0, targets)
    assert network.output_layer.bias.tolist() == [6.0, -1.5]
    assert small_network().output_layer.bias.tolist() == [6.0]
    assert not isinstance(network.head[-1], nn.ReLU)


def test_a_centred_network_sees_the_distance_from_the_training_mean():
    network, X = small_network().eval(), np.random.default_rng(0).normal(2, 1, (6, 40)).astype(np.float32)
    # The published network subtracts nothing, and training does not change that.
    assert not network.input_mean.any() and "input_mean" not in dict(network.named_parameters())
    plain = network(torch.as_tensor(X - X.mean(0)))
    network.centre_input(X)
    assert network.input_mean.dtype == torch.float32
    np.testing.assert_allclose(network.input_mean, X.mean(0), rtol=1e-6)
    torch.testing.assert_close(network(torch.as_tensor(X)), plain)


def test_features_of_many_spectra_are_those_of_each():
    network = small_network().train()
    X = np.random.default_rng(0).normal(size=(300, 40))
    features = network_features(network, X)
    assert features.shape == (300, network.config.n_features) and features.dtype == np.float32
    alone = network.features(network.pool(torch.as_tensor(X[[270]], dtype=torch.float32)))
    np.testing.assert_allclose(features[270], alone.detach().numpy()[0], atol=1e-6)
    dense = network.head(torch.as_tensor(features))
    torch.testing.assert_close(dense, network(torch.as_tensor(X, dtype=torch.float32)))
    assert torch.equal(network.features[2].running_mean, torch.zeros(3))


def test_pooled_input_is_what_the_convolutions_see():
    network, X = small_network(), np.random.default_rng(0).normal(2, 1, (6, 40))
    network.centre_input(X[:4])
    pooled = pooled_input(network, X)
    assert pooled.dtype == np.float32
    np.testing.assert_allclose(pooled, (X - X[:4].mean(0)).reshape(6, 8, 5).mean(2), atol=1e-6)
    convolved = network.eval().features(torch.as_tensor(pooled)[:, None, None]).detach().numpy()
    np.testing.assert_allclose(convolved, network_features(network, X), atol=1e-6)


def test_frozen_features_keep_weights_and_statistics_in_train_mode():
    network = freeze_features(small_network().train())
    before = {name: tensor.clone() for name, tensor in network.features.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.eval().train()
    assert network.head.training and not network.features.training
    head = network.head[0].weight.clone()
    network(torch.randn(6, 40)).sum().backward()
    optimiser.step()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.features.state_dict().items())
    assert not torch.equal(network.head[0].weight, head)


def test_weights_come_back_from_a_file_with_their_metadata(tmp_path):
    network, path = small_network(1, n_outputs=2), tmp_path / "weights.safetensors"
    network.centre_input(np.arange(80.0).reshape(2, 40))
    network.train()(torch.randn(8, 40))  # moves the statistics of batch normalisation
    metadata = {"seed": 1, "targets": ["ph", "clay_percent"], "scores": {"r2": 0.5}}
    save_network(network, path, metadata)
    back, read = load_network(path)
    X = torch.randn(3, 40)
    assert read == metadata and back.config == network.config and not back.training
    assert torch.equal(back(X), network.eval()(X)) and back.input_mean.tolist() == list(np.arange(20.0, 60))
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_the_published_network_is_a_small_file(tmp_path):
    save_network(SpectralResNet(), tmp_path / "weights.safetensors", {})
    assert (tmp_path / "weights.safetensors").stat().st_size < 400_000


def test_a_file_that_holds_no_network_is_named(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(ValueError, match=r"other\.safetensors: there is no such file"):
        load_network(path)
    path.write_bytes(b"ph,400,401\n")
    with pytest.raises(ValueError, match=r"other\.safetensors: not the weights of a 1D-ResNet"):
        load_network(path)
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="not the weights of a 1D-ResNet"):
        load_network(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_filters": 0},
        {"kernel_size": 4},
        {"n_channels": 2101},
        {"n_channels": 10},
        {"n_outputs": 0},
        {"dropout": 1.0},
    ],
)
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ResNetConfig(**wrong)


def test_dropout_stands_before_each_hidden_layer():
    network = small_network(hidden=(6, 4), dropout=0.2)
    kinds = ["RepeatableDropout", "Linear", "LeakyReLU", "RepeatableDropout", "Linear", "LeakyReLU", "Linear", "ReLU"]
    assert [type(layer).__name__ for layer in network.head] == kinds
    assert "RepeatableDropout" not in str(small_network())


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    layer, ones = RepeatableDropout(0.2), torch.ones(100, 200)
    kept = layer(ones)
    assert set(kept.unique().tolist()) == {0.0, 1.25}
    assert (kept == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert layer(ones.bfloat16()).dtype == torch.bfloat16
    assert torch.equal(layer.eval()(ones), ones)


def test_masks_follow_from_the_state_and_each_is_another():
    torch.manual_seed(0)
    layer, ones = RepeatableDropout(0.5), torch.ones(4, 50)
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    first, second = layer(ones), layer(ones)
    torch.rand(3)  # what else is drawn meanwhile does not matter
    layer.load_state_dict(state)
    assert torch.equal(layer(ones), first) and torch.equal(layer(ones), second)
    assert not torch.equal(first, second)


def test_a_thinned_network_is_the_network_without_some_inputs_of_its_dense_layers():
    network, X = small_network(1, hidden=(6, 5), dropout=0.5, relu_output=False), torch.randn(7, 40)
    plain, passes = thinned_outputs(network, X, 4)
    np.testing.assert_allclose(plain, network(X).detach().numpy(), rtol=1e-6)
    assert passes.shape == (4, 7, 1) and len({pass_[0, 0] for pass_ in passes}) == 4
    expected = torch.as_tensor(network_features(network, X)).expand(4, 7, -1)
    for dropout, dense in ((network.head[0], network.head[1]), (network.head[3], network.head[4])):
        mask = dropout.thinned(torch.ones(4, 1, expected.shape[2]))
        expected = nn.functional.leaky_relu(dense(expected * mask), 0.01)
    np.testing.assert_allclose(passes, network.head[6](expected).detach().numpy(), rtol=1e-4, atol=1e-6)
    one_by_one = [thinned_outputs(network, X[row : row + 1], 4)[1] for row in range(7)]
    np.testing.assert_allclose(np.concatenate(one_by_one, axis=1), passes, rtol=1e-4, atol=1e-6)
