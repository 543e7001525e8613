import itertools

import pytest
import torch
from torch.nn.functional import mse_loss

from spectrakit.models.cnn import CNNConfig
from spectrakit.models.stacked_cnn import StackedGradient, StackedParameters, spectral_windows
from spectrakit.training.plain import initial_network

CONFIGS = [
    CNNConfig(padding=padding, global_pooling=pooling, dropout_before_dense=before)
    for padding, pooling, before in itertools.product(("same", "valid"), (True, False), (True, False))
]


@pytest.fixture(params=[(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["single", "double"])
def tolerance(request):
    """How near two ways of summation are in torch's default precision, which is set."""
    dtype, near = request.param
    torch.set_default_dtype(dtype)
    yield near
    torch.set_default_dtype(torch.float32)


def both_gradients(config, n_networks=3, n_rows=5, n_channels=21):
    """(losses, gradients) of the stack and of automatic differentiation, network by network."""
    random = torch.Generator().manual_seed(0)
    X = torch.rand(n_networks, n_rows, n_channels, generator=random)
    X[..., 5:11] = 0.0  # a flat stretch, where max pooling meets ties
    y = torch.randn(n_networks, n_rows, generator=random)
    scale = (torch.rand(n_networks, n_rows, config.dropout_width(n_channels), generator=random) > 0.2) / 0.8
    networks = [initial_network(n_channels, config, seed) for seed in range(n_networks)]
    stack, plain = (StackedParameters(n_networks, n_channels, config) for _ in range(2))
    for b, network in enumerate(networks):
        stack.load(b, network)

    windows = torch.stack([spectral_windows(x, config).flatten(1) for x in X])
    step = StackedGradient(stack, n_rows, n_channels, config)
    row_weight = torch.full((n_networks, 1, n_rows), 1 / n_rows)
    for _ in range(2):  # the buffers are used again and must not remember
        stacked_losses = step(windows, y.unsqueeze(1), row_weight, scale.transpose(1, 2))

    losses = []
    for b, network in enumerate(networks):
        loss = mse_loss(network(X[b], scale[b]), y[b])
        loss.backward()
        losses.append(loss.detach())
        for parameter in network.parameters():
            parameter.data = parameter.grad
        plain.load(b, network)
    return (stacked_losses, stack.flat.grad), (torch.stack(losses), plain.flat)


@pytest.mark.parametrize("config", CONFIGS)
def test_backward_agrees_with_automatic_differentiation(config, tolerance):
    stacked, plain = both_gradients(config)
    assert plain[1].abs().max() > 0.1
    for ours, theirs in zip(stacked, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance)


def test_windows_hold_each_channel_with_its_neighbours():
    windows = spectral_windows(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), CNNConfig())
    assert windows[:, 0].tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 0], [1, 1, 1, 1]]
    assert spectral_windows(torch.rand(5, 10), CNNConfig(padding="valid")).shape == (4, 5, 8)
