"""The published 1D-ResNet, with what its paper leaves open, and its files of weights."""

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from spectrakit.files import written_whole
from spectrakit.models.cnn import check_settings


@dataclass(frozen=True)
class ResNetConfig:
    """Settings of the network: published values, then what the paper leaves open.

    Published: `n_channels` of log-transformed reflectance; average pooling of `pool` channels; a convolution of
    `n_filters` kernels of size `kernel_size`, stride 1, leaky ReLU of `negative_slope`, batch normalisation; max
    pooling of 2; `n_blocks` residual blocks with ReLU and skip connections; a convolution of `n_last` filters;
    flattening; dense layers of `hidden` units with leaky ReLU; an output with ReLU where `relu_output`; a penalty of
    `l2` times the sum of squares of all kernels, without biases and batch normalisation.

    Open in the paper, with our choice:
    padding : every convolution keeps the length ('same'), as a skip connection needs
    block : convolution, ReLU, convolution, skip, ReLU; all of `kernel_size` and `n_filters`, no batch normalisation
    last convolution : `kernel_size` as the others, followed by the same leaky ReLU
    initial weights : Glorot uniform kernels and biases of zero, the defaults of the paper's software; the output's
        bias starts at the mean of the training targets, because a ReLU that starts below zero for every sample never
        learns
    batch normalisation : epsilon 0.001, that software's default; running mean and variance with momentum 0.9, not
        0.99, which on 98 samples lags behind for a hundred epochs and disturbs early stopping
    dropout : share of the inputs of each hidden dense layer that a training step drops; the paper has none. The few
        inputs of the output are all kept

    `n_outputs` above 1 predicts several properties at once; scaled targets, which may be negative, need
    `relu_output=False`. Raises ValueError for a value out of range. Source: gejiu paper, section 2.2.1.
    """

    n_channels: int = 2100
    pool: int = 10
    n_filters: int = 48
    kernel_size: int = 3
    n_blocks: int = 2
    n_last: int = 32
    hidden: tuple[int, ...] = (16, 10)
    negative_slope: float = 0.01
    n_outputs: int = 1
    relu_output: bool = True
    l2: float = 0.0004
    dropout: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "hidden", tuple(self.hidden))  # a list where the settings were read from a file
        check_settings(self, "pool", "n_filters", "kernel_size", "n_last", "n_outputs")
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is odd, so that a convolution can keep the length, not {self.kernel_size}")
        if self.n_channels % self.pool or self.n_channels < 2 * self.pool:
            raise ValueError(f"n_channels is a multiple of pool ({self.pool}), at least twice, not {self.n_channels}")

    @property
    def n_features(self):
        """Outputs of the convolutions, inputs of the dense layers."""
        return self.n_last * (self.n_channels // self.pool // 2)


def convolution(n_in, n_out, kernel_size):
    """A convolution along the last axis of maps (n, n_in, 1, length), which keeps the length.

    The axis of length 1 allows torch's channels-last layout in memory, which about halves the time of a training step.
    """
    return nn.Conv2d(n_in, n_out, (1, kernel_size), padding="same")


class ResidualBlock(nn.Module):
    """Two convolutions beside a skip connection: maps (n, n_filters, 1, length) in and out."""

    def __init__(self, n_filters, kernel_size):
        super().__init__()
        self.first = convolution(n_filters, n_filters, kernel_size)
        self.first_relu = nn.ReLU()
        self.second = convolution(n_filters, n_filters, kernel_size)
        self.second_relu = nn.ReLU()

    def forward(self, identity):
        """Maps of maps, both (n, n_filters, 1, length)."""
        out = self.second(self.first_relu(self.first(identity)))
        out = out + identity  # not in place: attribution methods look at both terms
        return self.second_relu(out)


class RepeatableDropout(nn.Module):
    """Dropout whose masks depend only on a seed in its state and their number, so that fits can be resumed.

    share : of the inputs that a training step sets to zero; the others are divided by 1 - share
    """

    def __init__(self, share):
        super().__init__()
        self.share = share
        # Part of the state, so that it is in a checkpoint.
        self.register_buffer("next_seed", torch.randint(2**31, ()))

    def forward(self, values):
        """Values of any shape, some of them set to zero in train mode."""
        if not self.training:
            return values
        kept = self._kept(values.shape)
        self.next_seed += 1
        return values * kept.to(values.dtype)

    def thinned(self, values):
        """Values (n_passes, n, n_in) without the inputs that a pass drops, the same for all n rows."""
        return values * self._kept((len(values), 1, values.shape[-1]))

    def _kept(self, shape):
        generator = torch.Generator().manual_seed(int(self.next_seed))
        return torch.empty(shape).bernoulli_(1 - self.share, generator=generator) / (1 - self.share)


class SpectralResNet(nn.Module):
    """The published network: log-transformed reflectance (n, n_channels) in, properties (n, n_outputs) out.

    `pool` : (n, n_channels) to (n, 1, 1, n_channels / pool), a method; it has no weights, so training calls it once
    `features` : pooled spectra to (n, n_features), frozen in the paper's transfer
    `head` : features to (n, n_outputs), fine-tuned there
    Layers of frozen weights stay in eval mode, so that batch normalisation keeps its statistics too.
    Source: gejiu paper, section 2.2.1.
    """

    def __init__(self, config=ResNetConfig()):
        super().__init__()
        self.config = config
        n_filters, kernel_size, slope = config.n_filters, config.kernel_size, config.negative_slope
        # Zero in the paper's network; networks that are used on spectra of another origin subtract a mean.
        self.register_buffer("input_mean", torch.zeros(config.n_channels))
        self.average = nn.AvgPool2d((1, config.pool))
        self.features = nn.Sequential(
            convolution(1, n_filters, kernel_size),
            nn.LeakyReLU(slope),
            nn.BatchNorm2d(n_filters, eps=1e-3, momentum=0.1),
            nn.MaxPool2d((1, 2)),
            *(ResidualBlock(n_filters, kernel_size) for _ in range(config.n_blocks)),
            convolution(n_filters, config.n_last, kernel_size),
            nn.LeakyReLU(slope),
            nn.Flatten(),
        )
        widths = (config.n_features, *config.hidden)
        self.head = nn.Sequential()
        for n_in, n_out in pairwise(widths):
            if config.dropout:
                self.head.append(RepeatableDropout(config.dropout))
            self.head.extend([nn.Linear(n_in, n_out), nn.LeakyReLU(slope)])
        self.head.append(nn.Linear(widths[-1], config.n_outputs))
        if config.relu_output:
            self.head.append(nn.ReLU())
        for layer in self.weighted_layers():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.features.to(memory_format=torch.channels_last)

    def forward(self, X):
        """Properties (n, n_outputs) of log-transformed reflectance X (n, n_channels)."""
        return self.head(self.features(self.pool(X)))

    def pool(self, X):
        """Averages (n, 1, 1, n_channels / pool) of neighbouring channels of X (n, n_channels), less `input_mean`."""
        return self.average((X - self.input_mean)[:, None, None])

    def train(self, mode=True):
        """Switch to train mode, or to eval mode; what is frozen of the features stays in eval mode."""
        super().train(mode)
        for part in (self.features, *self.features):
            if not any(weights.requires_grad for weights in part.parameters()):
                part.eval()
        return self

    @property
    def features_frozen(self):
        """Whether no weight of the features is trained."""
        return not any(weights.requires_grad for weights in self.features.parameters())

    def weighted_layers(self):
        """Convolutions and dense layers, in order: their kernels have the L2 penalty."""
        return [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]

    @property
    def output_layer(self):
        """The dense layer of `n_outputs` nodes."""
        return self.weighted_layers()[-1]

    def centre_input(self, X):
        """Subtract the mean of training inputs X (n, n_channels) from all inputs from now on."""
        self.input_mean.copy_(torch.as_tensor(np.mean(X, axis=0)))

    @torch.no_grad()
    def centre_output(self, y):
        """Set the output's bias to the mean of training targets y, (n,) or (n, n_outputs)."""
        self.output_layer.bias.copy_(torch.as_tensor(np.mean(y, axis=0)))


def initial_network(config, random_state, y):
    """A network with the initial weights of seed `random_state`, its output's bias at the mean of training targets y.

    y : (n,) or (n, n_outputs), as the network will be trained on it. torch's own random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        network = SpectralResNet(config)
    network.centre_output(y)
    return network


@torch.no_grad()
def network_features(network, X):
    """Outputs of the convolutions for inputs X (n, n_channels): float32 (n, n_features)."""
    network.eval()
    parts = [network.features(network.pool(rows)) for rows in torch.as_tensor(X, dtype=torch.float32).split(256)]
    return torch.cat(parts).numpy()


@torch.no_grad()
def thinned_outputs(network, X, n_passes):
    """Outputs for inputs X (n, n_channels), and those of `n_passes` networks thinned by dropout (MC dropout).

    Returns two float64 arrays, (n, n_outputs) and (n_passes, n, n_outputs). A pass drops the same inputs of dense
    layers for every row, so that the result for a row does not depend on the other rows.
    Source: Gal and Ghahramani 2016, 'Dropout as a Bayesian approximation'.
    """
    network.eval()
    plain, passes = [], []
    for rows in torch.as_tensor(X, dtype=torch.float32).split(256):
        features = network.features(network.pool(rows))
        plain.append(network.head(features))
        values = features.expand(n_passes, *features.shape)
        for layer in network.head:
            values = layer.thinned(values) if isinstance(layer, RepeatableDropout) else layer(values)
        passes.append(values)
    return torch.cat(plain).double().numpy(), torch.cat(passes, dim=1).double().numpy()


@torch.no_grad()
def pooled_input(network, X):
    """Inputs of the convolutions for inputs X (n, n_channels): float32 (n, n_channels / pool)."""
    return network.pool(torch.as_tensor(X, dtype=torch.float32)).flatten(1).numpy()


def freeze_features(network):
    """Freeze convolutions, residual blocks and batch normalisation with its statistics; returns the network."""
    network.features.requires_grad_(False)
    return network.train(network.training)


def save_network(network, path, metadata):
    """Write weights and metadata into one safetensors file; a file that is there is replaced only by a complete one.

    metadata : dict that JSON can hold, such as recipe, seed, scores, input transform, names and scaling of targets
    """
    header = {"config": json.dumps(asdict(network.config)), "metadata": json.dumps(metadata)}
    with written_whole(path) as part:
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, part, header)


def load_network(path):
    """The network of a file that `save_network` wrote, in eval mode, and its metadata.

    Raises ValueError where the file is not one of these.
    """
    if not Path(path).is_file():
        raise ValueError(f"{path}: there is no such file of weights")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        network = SpectralResNet(ResNetConfig(**json.loads(header["config"])))
        network.load_state_dict(state)
        return network.eval(), json.loads(header["metadata"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: not the weights of a 1D-ResNet as spectrakit writes them ({reason})") from error
