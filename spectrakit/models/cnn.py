"""The published 1D-CNN, with what its paper leaves open."""

from dataclasses import dataclass
from itertools import accumulate

from torch import nn

KERNEL_SIZE = 3
POOL_WINDOW = 2
_PADDING = {"same": KERNEL_SIZE // 2, "valid": 0}


def check_settings(settings, *counts):
    """Raise ValueError for counts below 1 and, where the settings have one, a dropout that is not a share."""
    for name in counts:
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} is at least 1, not {getattr(settings, name)}")
    if not 0 <= getattr(settings, "dropout", 0) < 1:
        raise ValueError(f"dropout is a share from 0 to below 1, not {settings.dropout}")


@dataclass(frozen=True)
class CNNConfig:
    """The network and its training: published values first, then what the paper leaves open.

    Published: two convolutions of `n_kernels` kernels of size 3, each followed by ReLU and max pooling (window 2,
    stride 1); `n_hidden` dense units; `dropout`; Adam from `learning_rate`, multiplied by `drop_factor` at every
    drop; at most `max_epochs` epochs of batches of `batch_size` rows.

    Open, with the reading that is the default:
    padding : 'same' (only the pooling shortens the feature map, as the Grad-CAM section says) or 'valid'
    global_pooling : average each feature map to one number before the dense layer (equation 2), or flatten the maps
    dropout_before_dense : drop pooled features ('before the fully connected layer'), or the dense layer's output
    drop_period : epochs between two drops; 400 gives one drop within 500 epochs
    standardise_target : train on contents scaled to mean 0 and standard deviation 1 of the training rows; not by
        default, since the paper normalises the spectra and says nothing of the contents

    Raises ValueError for a value out of range. Source: libs paper, 'CNN regression prediction'.
    """

    n_kernels: int = 8
    n_hidden: int = 128
    dropout: float = 0.1
    learning_rate: float = 0.1
    drop_factor: float = 0.1
    max_epochs: int = 500
    batch_size: int = 32
    padding: str = "same"
    global_pooling: bool = True
    dropout_before_dense: bool = True
    drop_period: int = 400
    standardise_target: bool = False

    def __post_init__(self):
        if self.padding not in _PADDING:
            raise ValueError(f"padding is 'same' or 'valid', not {self.padding!r}")
        check_settings(self, "n_kernels", "n_hidden", "max_epochs", "batch_size", "drop_period")

    @property
    def pad(self):
        """Zeros on each side of a convolution's input."""
        return _PADDING[self.padding]

    def map_lengths(self, n_channels):
        """Lengths after the first convolution, first pooling, second convolution, second pooling.

        Raises ValueError when the spectrum is too short for the network.
        """
        by_convolution, by_pooling = 2 * self.pad - KERNEL_SIZE + 1, 1 - POOL_WINDOW
        _, *lengths = accumulate([by_convolution, by_pooling] * 2, initial=n_channels)
        if lengths[-1] < 1:
            raise ValueError("the spectrum is too short: two convolutions and poolings leave no channel")
        return tuple(lengths)

    def n_features(self, n_channels):
        """Inputs of the dense layer."""
        length = self.map_lengths(n_channels)[-1]
        return self.n_kernels * (1 if self.global_pooling else length)

    def dropout_width(self, n_channels):
        """Units that dropout acts on, for each row."""
        return self.n_features(n_channels) if self.dropout_before_dense else self.n_hidden


class SpectralCNN(nn.Module):
    """The published network: spectra (n, n_channels) in, contents (n,) out.

    The training loop draws dropout and passes it to `forward`, so the network itself is deterministic. Every ReLU is a
    separate module and none works in place, as hooks and attribution methods require.
    Source: libs paper, equations 1 and 2.

    >>> sum(weights.numel() for weights in SpectralCNN(n_channels=66).parameters())
    1513
    """

    def __init__(self, n_channels, config=CNNConfig()):
        super().__init__()
        self.config = config
        self.maps = nn.Sequential(
            nn.Conv1d(1, config.n_kernels, KERNEL_SIZE, padding=config.pad),
            nn.ReLU(),
            nn.MaxPool1d(POOL_WINDOW, stride=1),
            nn.Conv1d(config.n_kernels, config.n_kernels, KERNEL_SIZE, padding=config.pad),
            nn.ReLU(),
            nn.MaxPool1d(POOL_WINDOW, stride=1),
        )
        self.pooling = nn.AdaptiveAvgPool1d(1) if config.global_pooling else nn.Identity()
        self.dense = nn.Linear(config.n_features(n_channels), config.n_hidden)
        self.dense_relu = nn.ReLU()
        self.output = nn.Linear(config.n_hidden, 1)

    @property
    def target_layer(self):
        """The last convolution, the layer for Grad-CAM."""
        return self.maps[3]

    def forward(self, spectra, dropout_scale=None):
        """Contents (n,) of spectra (n, n_channels).

        dropout_scale : (n, dropout width), 0 for a dropped unit and 1 / (1 - dropout) for a kept one; None to predict
        """
        features = self.pooling(self.maps(spectra.unsqueeze(1))).flatten(1)
        if dropout_scale is not None and self.config.dropout_before_dense:
            features = features * dropout_scale
        hidden = self.dense_relu(self.dense(features))
        if dropout_scale is not None and not self.config.dropout_before_dense:
            hidden = hidden * dropout_scale
        return self.output(hidden).squeeze(1)
