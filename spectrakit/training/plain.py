"""The published 1D-CNN fitted as one network, epoch by epoch and batch by batch."""

from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch.nn.functional import mse_loss

from spectrakit.models import CNNConfig, SpectralCNN

PUBLISHED = CNNConfig()
EPOCHS_PER_DRAW = 25


def initial_network(n_channels, config, seed):
    """A network with the initial weights of `seed`; torch's global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SpectralCNN(n_channels, config)


def draw_epochs(n_rows, n_channels, config, seed):
    """Yield the random numbers of training, some epochs at a time: the order of the rows, and dropout.

    Yields order (n_epochs, n_rows), positions of training rows, shuffled only where a batch does not hold them all;
    and scale (n_epochs, n_rows, dropout width), by which the unit of the row in that place is multiplied.
    Depends on `seed` alone, so that a network gets the same numbers alone and in a stack.
    """
    generator = torch.Generator().manual_seed(seed)
    width = config.dropout_width(n_channels)
    for start in range(0, config.max_epochs, EPOCHS_PER_DRAW):
        n_epochs = min(EPOCHS_PER_DRAW, config.max_epochs - start)
        order = torch.arange(n_rows).expand(n_epochs, n_rows)
        if n_rows > config.batch_size:
            order = torch.rand(n_epochs, n_rows, generator=generator).argsort(1)
        kept = torch.rand(n_epochs, n_rows, width, generator=generator) >= config.dropout
        yield order, kept / (1 - config.dropout)


def target_scaling(y, config):
    """Mean and standard deviation by which the targets of the training rows are scaled."""
    if not config.standardise_target:
        return 0.0, 1.0
    return float(np.mean(y)), float(np.std(y)) or 1.0


def adam_with_drops(parameters, config):
    """Adam, and the schedule that multiplies its learning rate by `drop_factor` every `drop_period` epochs."""
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    return optimiser, torch.optim.lr_scheduler.StepLR(optimiser, config.drop_period, config.drop_factor)


def train_network(network, X, y, seed):
    """Train `network` in place on tensors X (n, n_channels) and y (n,); returns the loss of each epoch."""
    config = network.config
    optimiser, schedule = adam_with_drops(network.parameters(), config)
    history = []
    for block in draw_epochs(*X.shape, config, seed):
        for order, scale in zip(*block, strict=True):
            loss_sum = 0.0
            for rows, dropout_scale in zip(order.split(config.batch_size), scale.split(config.batch_size), strict=True):
                optimiser.zero_grad()
                loss = mse_loss(network(X[rows], dropout_scale), y[rows])
                loss.backward()
                optimiser.step()
                loss_sum += loss.item() * len(rows)
            schedule.step()
            history.append(loss_sum / len(order))
    return np.array(history)


class CNNRegressor(RegressorMixin, BaseEstimator):
    """The published 1D-CNN as a scikit-learn regressor: X (n, n_channels), already normalised, y (n,) in any unit.

    config : CNNConfig; random_state : an int is the seed of the initial weights, the batches and the dropout
    After fit: `network_` (SpectralCNN), `target_mean_` and `target_sd_` in the unit of y, `history_` (n_epochs,), the
    mean squared error of each epoch as trained (with dropout, on scaled targets).
    """

    def __init__(self, config=PUBLISHED, random_state=None):
        self.config = config
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on spectra X (n, n_channels) and contents y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True)
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        self.target_mean_, self.target_sd_ = target_scaling(y, self.config)
        self.network_ = initial_network(X.shape[1], self.config, int(seed))
        scaled = (y - self.target_mean_) / self.target_sd_
        self.history_ = train_network(self.network_, _tensor(X), _tensor(scaled), int(seed))
        return self

    @torch.no_grad()
    def predict(self, X):
        """Contents (n,), in the unit of y."""
        check_is_fitted(self)
        scaled = self.network_(_tensor(validate_data(self, X, reset=False)))
        return scaled.numpy().astype(float) * self.target_sd_ + self.target_mean_


def _tensor(values):
    return torch.as_tensor(values, dtype=torch.get_default_dtype())
