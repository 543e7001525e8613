"""Fits of the 1D-ResNet: the recipe of the gejiu paper, and a much faster one."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import mse_loss

from spectrakit.models import check_settings
from spectrakit.runs import KeptParts, result_key

SECONDS_PER_CHECKPOINT = 60
ROWS_PER_PREDICTION = 256


@dataclass(frozen=True)
class Recipe:
    """How a network is fitted: Adam on the mean squared error plus the network's L2 penalty.

    learning_rate : constant, or the highest of the cycle where `one_cycle`
    one_cycle : the rate rises from a 25th of `learning_rate` over the first 30 % of all steps and falls to nothing
    patience : epochs without a better validation error after which the fit stops
    validation_share : share of the training rows that is the validation set, where none is given
    bfloat16 : convolutions after the first compute with 8 bits of precision; weights and their sums keep 24. The first
        looks for differences between neighbours that 8 bits cannot resolve; dense layers take little time
    centred : the mean of the training inputs is subtracted first, where the features are not frozen

    Raises ValueError for a value out of range.
    """

    name: str
    learning_rate: float
    batch_size: int
    max_epochs: int
    patience: int
    one_cycle: bool = False
    bfloat16: bool = False
    centred: bool = False
    validation_share: float = 0.1

    def __post_init__(self):
        check_settings(self, "batch_size", "max_epochs", "patience")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"validation_share is a share between 0 and 1, not {self.validation_share}")


PAPER = Recipe("paper", learning_rate=0.001, batch_size=32, max_epochs=2000, patience=120)
"""The recipe of the gejiu paper, section 2.2.1. Open there: the batch size (32 is the default of the paper's software),
the validation set of early stopping (here a tenth of the training side), and the weights that are kept (here those of
the best epoch)."""

ONE_CYCLE = Recipe(
    name="one cycle",
    learning_rate=0.003,
    batch_size=128,
    max_epochs=34,
    patience=34,
    one_cycle=True,
    bfloat16=True,
    centred=True,
)
"""The fast recipe for the same network, penalty and validation set; batches, rate and epochs were chosen by validation
rows of simulated spectra. bfloat16 takes a third off the time of a step on a processor with instructions for it;
elsewhere use `replace(ONE_CYCLE, bfloat16=False)`."""


@torch.no_grad()
def _tensors(network, X, y):
    """Inputs of the trained layers and their targets (n, n_outputs), as tensors."""
    y = torch.as_tensor(np.asarray(y), dtype=torch.float32)
    targets = y.unsqueeze(1) if y.ndim == 1 else y
    X = torch.as_tensor(np.asarray(X), dtype=torch.float32)
    if X.shape != (len(targets), network.config.n_channels) or targets.shape[1] != network.config.n_outputs:
        wanted = f"(n, {network.config.n_channels}) and (n, {network.config.n_outputs})"
        raise ValueError(f"spectra {tuple(X.shape)} and targets {tuple(y.shape)}: the network takes {wanted}")
    if not (torch.isfinite(X).all() and torch.isfinite(targets).all()):
        raise ValueError("spectra and targets must be finite: a value is missing, or the logarithm of 0 was taken")
    # What is not trained is computed once: the pooling, and the features too where they are frozen.
    pooled = torch.cat([network.pool(rows) for rows in X.split(ROWS_PER_PREDICTION)])
    if not network.features_frozen:
        return pooled, targets
    network.eval()
    return torch.cat([network.features(rows) for rows in pooled.split(ROWS_PER_PREDICTION)]), targets


def _optimiser(network, recipe, n_steps):
    """Adam over the weights that are not frozen, and the schedule of its rate.

    The L2 penalty enters as its gradient, 2 l2 w.
    """
    learned = {parameter for parameter in network.parameters() if parameter.requires_grad}
    kernels = {layer.weight for layer in network.weighted_layers()} & learned
    groups = [
        {"params": [p for p in network.parameters() if p in kernels], "weight_decay": 2 * network.config.l2},
        {"params": [p for p in network.parameters() if p in learned - kernels]},
    ]
    optimiser = torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)
    if recipe.one_cycle:
        return optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, n_steps)
    return optimiser, torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1)


class _Fit:
    """The state of a fit, from epoch to epoch, as a checkpoint keeps it."""

    def __init__(self, network, recipe, random_state, training, validation):
        self.network, self.recipe, self.random_state = network, recipe, random_state
        self.training, self.validation = training, validation
        n_steps = -(-len(training[0]) // recipe.batch_size) * recipe.max_epochs
        self.optimiser, self.schedule = _optimiser(network, recipe, n_steps)
        self.best, self.history = network.state_dict(), []

    def outputs(self, inputs):
        network = self.network
        if network.features_frozen:
            return network.head(inputs)
        maps = network.features[0](inputs)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe.bfloat16):
            maps = network.features[1:](maps)
        return network.head(maps.float())

    def epoch(self):
        """One pass over the training rows, in an order that depends only on the seed and the number of the epoch."""
        start = time.process_time()
        inputs, targets = self.training
        order = np.random.default_rng((self.random_state, len(self.history))).permutation(len(inputs))
        self.network.train()
        loss_sum = 0.0
        for rows in torch.as_tensor(order).split(self.recipe.batch_size):
            self.optimiser.zero_grad()
            loss = mse_loss(self.outputs(inputs[rows]), targets[rows])
            loss.backward()
            self.optimiser.step()
            self.schedule.step()
            loss_sum += loss.item() * len(rows)
        self.network.eval()
        with torch.no_grad():
            outputs = torch.cat([self.outputs(rows) for rows in self.validation[0].split(ROWS_PER_PREDICTION)])
        error = mse_loss(outputs, self.validation[1]).item()
        if error < min((row[1] for row in self.history), default=np.inf):
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.history.append((loss_sum / len(inputs), error, time.process_time() - start))

    @property
    def finished(self):
        """Whether the last epoch is done, or the validation error has not fallen for `patience` epochs."""
        best = min(range(len(self.history)), key=lambda epoch: self.history[epoch][1], default=0)
        n_epochs = len(self.history)
        return n_epochs >= self.recipe.max_epochs or n_epochs - 1 - best >= self.recipe.patience

    def state(self):
        """All that the next epoch depends on, as `KeptParts` takes it."""
        stateful = (self.network, self.optimiser, self.schedule)
        return [self.best, self.history, *(each.state_dict() for each in stateful)]

    def resume(self, state):
        """Go on from a `state`."""
        self.best, self.history, *states = state
        for each, kept in zip((self.network, self.optimiser, self.schedule), states, strict=True):
            each.load_state_dict(kept)


def validation_rows(n_rows, share, random_state):
    """Positions of training rows in random order: (rows to fit, validation rows), a share of them the latter."""
    order = np.random.default_rng(random_state).permutation(n_rows)
    n_validation = max(1, round(share * n_rows))
    return order[n_validation:], order[:n_validation]


def fit_network(network, X, y, recipe, random_state, *, validation=None, progress=None, checkpoint=None):
    """Fit `network` in place and leave it in eval mode with the weights of its best epoch.

    X : inputs (n, n_channels), see `preprocess.network_input`; y : targets (n,) or (n, n_outputs), on the scale of the
        network's outputs
    random_state : seed of the validation rows and of the order of rows in each epoch
    validation : X and y of the validation set; by default `recipe.validation_share` of the rows
    progress : called after each epoch with the number of epochs done and the recipe's `max_epochs`
    checkpoint : folder that keeps the state about once a minute, so that the same call resumes a fit that was stopped;
        removed at the end

    Where the features are frozen, they are computed once and only the head is trained on them.
    Returns a DataFrame, a row an epoch: training_mse (in train mode), validation_mse, processor_seconds (all threads).
    Raises ValueError for arrays whose shapes do not fit the network and for values that are not finite.
    """
    if recipe.centred and not network.features_frozen:
        network.centre_input(X)
    training = _tensors(network, X, y)
    if validation is None:
        parts = validation_rows(len(training[0]), recipe.validation_share, random_state)
        training, validation = ([part[rows] for part in training] for rows in parts)
    else:
        validation = _tensors(network, *validation)
    arguments = network, recipe, random_state, training, validation
    kept = None if checkpoint is None else KeptParts(checkpoint, result_key(*arguments, code=[fit_network]))
    fit = _Fit(*arguments)
    _run_epochs(fit, kept, progress)
    network.load_state_dict(fit.best)
    if kept is not None:
        kept.remove()
    return pd.DataFrame(fit.history, columns=["training_mse", "validation_mse", "processor_seconds"])


def _run_epochs(fit, kept, progress):
    """Run the epochs of a fit, from its kept state where there is one."""
    state = kept and kept.load("fit")
    if state is not None:
        fit.resume(state)
    saved = time.monotonic()
    # Numbers below 1e-38 count as zero: the penalty brings unused kernels down to them, where a product takes 15 times
    # as long. No result depends on them.
    torch.set_flush_denormal(True)
    try:
        while not fit.finished:
            fit.epoch()
            if kept is not None and time.monotonic() - saved >= SECONDS_PER_CHECKPOINT:
                kept.save("fit", fit.state())
                saved = time.monotonic()
            if progress is not None:
                progress(len(fit.history), fit.recipe.max_epochs)
    finally:
        torch.set_flush_denormal(False)


@torch.no_grad()
def predict(network, X):
    """Properties (n, n_outputs), float64, of inputs X (n, n_channels), see `preprocess.network_input`."""
    X = torch.as_tensor(np.asarray(X), dtype=torch.float32)
    network.eval()
    return torch.cat([network(rows) for rows in X.split(ROWS_PER_PREDICTION)]).double().numpy()
