import numpy as np
import pytest
import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import nn

from spectrakit.explain.gradcam import grad_cam
from spectrakit.models.cnn import CNNConfig, SpectralCNN


def small_network(seed=0):
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv1d(1, 6, 3),
        nn.ReLU(),
        nn.MaxPool1d(2, stride=1),
        nn.Conv1d(6, 8, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(8 * 35, 16),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Linear(16, 1),
    )
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=1)
    return network.double()


def spectra(n=7, n_channels=40, seed=1):
    return np.random.default_rng(seed).random((n, 1, n_channels), dtype=np.float32)


def assert_agrees_with_captum(network, layer, X):
    ours = grad_cam(network, layer, X)
    theirs = LayerGradCam(network.eval(), layer).attribute(torch.tensor(X).double(), relu_attributions=True)
    theirs = LayerAttribution.interpolate(theirs, X.shape[-1], interpolate_mode="linear")[:, 0]
    assert ours.shape == (7, X.shape[-1]) and ours.max() > 0.1
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("layer", [0, 3])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_captum(layer, seed):
    network = small_network(seed)
    assert_agrees_with_captum(network, network[layer], spectra())


@pytest.mark.parametrize("config", [CNNConfig(), CNNConfig(padding="valid", global_pooling=False)])
def test_agrees_with_captum_on_the_published_network(config):
    torch.manual_seed(0)
    network, X = SpectralCNN(66, config).double(), 100 * spectra(n_channels=66)[:, 0]
    with torch.no_grad():
        for parameter in network.parameters():
            nn.init.normal_(parameter)
    assert_agrees_with_captum(network, network.target_layer, X)


def test_a_map_by_hand():
    network = nn.Sequential(nn.Conv1d(1, 2, 1, bias=False), nn.Flatten(), nn.Linear(8, 1))
    with torch.no_grad():
        network[0].weight[:] = torch.tensor([[[1.0]], [[2.0]]])
        network[2].weight[:] = torch.tensor([[1.0, 2, 3, 4, -1, -1, -1, -1]])
    # Gradients have means 2.5 and -1, the feature maps are x and 2x: 2.5 x - 2 x, with the negative cut off.
    cam = grad_cam(network, network[0], np.array([[[4.0, -2.0, 0.0, 6.0]]]))
    np.testing.assert_allclose(cam, [[2, 0, 0, 3]], atol=1e-6)


def test_samples_do_not_mix_and_the_network_is_left_as_it_was():
    network, X = small_network().train(), spectra()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    together = grad_cam(network, network[3], X)
    np.testing.assert_allclose(together[2:3], grad_cam(network, network[3], X[2:3]), atol=1e-6)
    assert network.training and not network[3]._forward_hooks
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("end", "layer", "message"), [(None, 6, "length"), (7, 3, "one value a sample")])
def test_refuses_several_outputs_and_flat_layers(end, layer, message):
    network = small_network()[:end]
    with pytest.raises(ValueError, match=message):
        grad_cam(network, network[layer], spectra())
