import numpy as np
import pytest
import torch
from torch import nn

from spectrakit.models.cnn import CNNConfig, SpectralCNN


def test_defaults_are_the_published_values():
    config = CNNConfig()
    assert (config.n_kernels, config.n_hidden, config.dropout, config.batch_size) == (8, 128, 0.1, 32)
    assert (config.learning_rate, config.drop_factor, config.max_epochs) == (0.1, 0.1, 500)
    assert config.global_pooling and config.dropout_before_dense and not config.standardise_target


def test_number_of_weights_does_not_depend_on_the_channels():
    # 8 x 3 + 8, 8 x 8 x 3 + 8, 128 x 8 + 128, 128 + 1
    for n_channels in (33, 66, 124):
        assert sum(p.numel() for p in SpectralCNN(n_channels).parameters()) == 32 + 200 + 1152 + 129


@pytest.mark.parametrize(
    ("padding", "lengths"), [("same", (66, 65, 65, 64)), ("valid", (64, 63, 61, 60))], ids=["same", "valid"]
)
def test_map_lengths_are_those_of_the_modules(padding, lengths):
    config = CNNConfig(padding=padding, global_pooling=False)
    network = SpectralCNN(66, config)
    shapes, x = [], torch.rand(2, 1, 66)
    for module in network.maps:
        x = module(x)
        if not isinstance(module, nn.ReLU):
            shapes.append(x.shape[-1])
    assert config.map_lengths(66) == lengths == tuple(shapes)
    assert network.dense.in_features == 8 * lengths[-1] == config.dropout_width(66)


def test_forward_follows_the_equations_by_hand():
    network = SpectralCNN(6, CNNConfig(n_kernels=1, n_hidden=1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    spectrum = np.array([0.0, 1.0, 0.0, -3.0, 0.0, 2.0])

    def convolution(x):
        return np.convolve(x, [1.0, 1.0, 1.0], "same") + 1

    def pool_of_relu(x):
        return np.maximum(np.maximum(x, 0)[:-1], np.maximum(x, 0)[1:])

    expected = pool_of_relu(convolution(pool_of_relu(convolution(spectrum)))).mean() + 2
    assert expected == pytest.approx(4.5 + 2)
    assert network(torch.tensor(spectrum[None], dtype=torch.float32)).item() == pytest.approx(expected)


def test_dropout_scale_acts_on_the_chosen_side_of_the_dense_layer():
    spectra = torch.rand(4, 20)
    for before, width in ((True, 8), (False, 128)):
        network = SpectralCNN(20, CNNConfig(dropout_before_dense=before))
        assert network.config.dropout_width(20) == width
        assert torch.equal(network(spectra, torch.ones(4, width)), network(spectra))
        nothing = network(spectra, torch.zeros(4, width))
        hidden = torch.relu(network.dense.bias) if before else torch.zeros(128)
        assert torch.allclose(nothing, network.output(hidden).expand(4))


def test_grad_cam_finds_the_last_convolution_and_no_relu_is_shared_or_in_place():
    network = SpectralCNN(33)
    assert network.target_layer is [m for m in network.modules() if isinstance(m, nn.Conv1d)][-1]
    assert network.target_layer.in_channels == 8
    relus = [m for m in network.modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 3 and not any(relu.inplace for relu in relus)


@pytest.mark.parametrize("wrong", [{"padding": "reflect"}, {"dropout": 1.0}, {"drop_period": 0}, {"max_epochs": 0}])
def test_values_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        CNNConfig(**wrong)


def test_a_spectrum_too_short_is_refused():
    with pytest.raises(ValueError, match="too short"):
        SpectralCNN(6, CNNConfig(padding="valid"))
    assert SpectralCNN(7, CNNConfig(padding="valid"))(torch.rand(2, 7)).shape == (2,)
