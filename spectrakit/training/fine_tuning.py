"""Copies of pretrained 1D-ResNets, made ready to be fine-tuned on other targets."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch

from spectrakit.models import freeze_features, initial_network
from spectrakit.training.pretraining import predict

# Place of the last convolution among `SpectralResNet.features`.
_LAST_CONVOLUTION = -3


def free_last_convolution(network):
    """Freeze all of the features but the last convolution; returns the network."""
    network.features.requires_grad_(False)
    network.features[_LAST_CONVOLUTION].requires_grad_(True)
    return network.train(network.training)


DEPTHS = {"dense": freeze_features, "dense and last convolution": free_last_convolution, "all": lambda network: network}
"""How much is fine-tuned: name to a function that freezes the rest of a network."""


@torch.no_grad()
def _start_from_mean(network, X, y):
    """Move the output's bias so that predictions of X (n, n_channels) have the mean of y (n,)."""
    network.output_layer.bias += float(np.mean(y) - predict(network, X).mean())


def transferred(source, X, y, freeze=freeze_features):
    """A copy of a network of one target, ready to be fine-tuned on spectra X (n, n_channels) and targets y (n,).

    freeze : function that freezes what is not fine-tuned and returns the network
    The output's bias is moved so that predictions of X have the mean of y. Source: gejiu paper, section 2.2.2.
    """
    network = deepcopy(source)
    _start_from_mean(network, X, y)
    return freeze(network)


def with_new_output(source, X, y, random_state):
    """A copy of a network of any targets with a new output of one node for y (n,), its features frozen."""
    network = initial_network(replace(source.config, n_outputs=1, relu_output=True), random_state, y)
    network.input_mean.copy_(source.input_mean)
    network.features.load_state_dict(source.features.state_dict())
    # The dense layers in between start from the source's.
    for layer, learned in list(zip(network.head, source.head, strict=False))[: 2 * len(source.config.hidden)]:
        layer.load_state_dict(learned.state_dict())
    _start_from_mean(network, X, y)
    return freeze_features(network)
