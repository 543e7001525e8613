"""How does a network that has learned from many soils learn from a few others?"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg import cho_solve
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel
from sklearn.model_selection import RepeatedKFold
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn
from torch.nn.functional import leaky_relu

from spectrakit.models import ResNetConfig, initial_network, network_features, pooled_input
from spectrakit.preprocess import network_input
from spectrakit.spectra import one_of
from spectrakit.training.pretraining import Recipe, fit_network, predict

FROM_SCRATCH = Recipe("from scratch", learning_rate=0.001, batch_size=32, max_epochs=80, patience=20, centred=True)
"""How a network without pretraining is fitted to some hundred samples: the paper's optimiser and rate, fewer epochs."""


@dataclass(frozen=True)
class HeadRecipe:
    """How dense layers are fitted to the features of frozen convolutions: AdamW on all rows at once.

    learning_rate : the highest, at the first step; it falls to nothing along half a cosine
    every : steps between two looks at the rows held out
    Raises ValueError where the rows held out would never be looked at.
    """

    learning_rate: float = 0.003
    weight_decay: float = 0.3
    steps: int = 400
    every: int = 10

    def __post_init__(self):
        if not 1 <= self.every <= self.steps:
            raise ValueError(f"{self.steps} steps with a look every {self.every}: give a number from 1 to the steps")


class StackedHeads(nn.Module):
    """Dense layers of several networks at once: features (n, n_features) to targets (n_networks, n)."""

    def __init__(self, n_networks, n_features, hidden, scale, negative_slope=0.01):
        super().__init__()
        self.negative_slope = negative_slope
        widths = (n_features, *hidden, 1)
        # Random kernels keep the size of what they multiply; features are all of one scale, not each of its own.
        sizes = (scale * np.sqrt(n_features), *np.sqrt(hidden))
        self.kernels = nn.ParameterList(
            torch.randn(n_networks, a, b) / size for a, b, size in zip(widths, widths[1:], sizes, strict=False)
        )
        self.biases = nn.ParameterList(torch.zeros(n_networks, 1, width) for width in widths[1:])

    def forward(self, features):
        """Targets (n_networks, n) of features (n, n_features)."""
        values = features.expand(len(self.kernels[0]), *features.shape)
        for place, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            values = torch.baddbmm(bias, values, kernel)
            if place < len(self.kernels) - 1:
                values = leaky_relu(values, self.negative_slope)
        return values.squeeze(2)


def fit_heads(features, y, training, hidden, recipe, random_state):
    """Fit one head a split, all at once, and stop them where the rows that they had not seen fit best.

    features : (n, n_features) float32; y : (n,) targets of mean 0; training : (n_splits, n) bool; every row is left
    out by a split or more
    Returns (StackedHeads, predictions (n,) of each row by the heads that had not seen it).
    """
    X, y = torch.as_tensor(features), torch.as_tensor(y, dtype=torch.float32)
    own = torch.as_tensor(training, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        heads = StackedHeads(len(own), X.shape[1], hidden, float(X.std()) or 1.0)
    optimiser = torch.optim.AdamW(
        heads.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    least, best, unseen = np.inf, None, None
    for step in range(1, recipe.steps + 1):
        optimiser.zero_grad()
        loss = ((own * (heads(X) - y) ** 2).sum(1) / own.sum(1)).sum()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % recipe.every == 0:
            with torch.no_grad():
                held_out = ((1 - own) * heads(X)).sum(0) / (1 - own).sum(0)
            error = float(((held_out - y) ** 2).mean())
            if error < least:
                least, unseen = error, held_out
                best = {name: value.clone() for name, value in heads.state_dict().items()}
    heads.load_state_dict(best)
    return heads, unseen.numpy().astype(float)


def repeated_test_rows(n_rows, n_folds, n_repeats, random_state):
    """Which rows each split of a repeated cross-validation leaves out: (n_folds * n_repeats, n_rows) bool."""
    folds = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=random_state)
    left_out = np.zeros((n_folds * n_repeats, n_rows), bool)
    for own, (_, rows) in zip(left_out, folds.split(left_out.T), strict=True):
        own[rows] = True
    return left_out


class _NetworkRegressor(RegressorMixin, BaseEstimator):
    """What both regressors share: inputs, scaled targets, folds, and the pull towards the mean.

    The training rows are dealt into `n_folds`, `n_repeats` times over; one network is fitted on all folds but one,
    which tells when to stop, and a prediction is the mean of theirs. What is made of rows that were not seen tells, on
    training rows alone, how far predictions are to be drawn towards the mean: `shrinkage_`, 0 (the mean) to 1 (as they
    are).
    """

    def fit(self, X, y):
        """Fit on reflectance X (n, 2100) and targets y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True)
        seed = int(self.random_state or 0)
        self.target_mean_, self.target_sd_ = float(np.mean(y)), float(np.std(y)) or 1.0
        training = ~repeated_test_rows(len(y), min(self.n_folds, len(y)), self.n_repeats, seed)
        scaled = (y - self.target_mean_) / self.target_sd_
        unseen = self._fit_folds(network_input(X, self.transform), scaled, training, seed)
        self.shrinkage_ = _shrinkage(unseen, scaled)
        return self

    def predict(self, X):
        """Targets (n,), in the unit of y."""
        check_is_fitted(self)
        inputs = network_input(validate_data(self, X, reset=False), self.transform)
        return self.target_mean_ + self.target_sd_ * self.shrinkage_ * self._predict_folds(inputs)


def _shrinkage(unseen, y):
    """Slope of targets y (n,) over predictions `unseen` (n,) through the origin, 0 to 1, less what chance adds to it.

    The slope is shrunk by its own variance over its square (James and Stein 1961): hardly where predictions are good,
    to nothing where they say no more than the mean.
    """
    power = unseen @ unseen + 1e-12
    slope = unseen @ y / power
    error = np.sqrt(np.sum((y - slope * unseen) ** 2) / (len(y) - 1) / power)
    return float(np.clip(slope - error**2 / max(slope, 1e-12), 0, 1))


class _View:
    """What the new layers see of spectra, as scores on the principal axes of the training rows.

    For layers that weigh all numbers alike these hold what the numbers hold, in fewer; their root mean square length is
    1. rows : (n, n_numbers) of the training side.
    """

    def __init__(self, rows):
        self.axes = PCA(min(len(rows) - 1, rows.shape[1]), svd_solver="full").fit(rows)
        self.length = np.sqrt(self.axes.explained_variance_.sum() * (len(rows) - 1) / len(rows)) or 1.0

    def scores(self, rows):
        """Scores (n, n_axes), float64."""
        return self.axes.transform(rows) / self.length


class _DenseLayers:
    """New dense layers over one view, a set of them for each split: `unseen` (n,) and predictions."""

    def __init__(self, scores, y, training, hidden, recipe, seed):
        self.heads, self.unseen = fit_heads(_single(scores), y, training, hidden, recipe, seed)

    def predict(self, scores):
        with torch.no_grad():
            return self.heads(_single(scores)).mean(0).numpy().astype(float)


def _single(scores):
    return torch.as_tensor(scores, dtype=torch.float32)


class _Process:
    """A Gaussian process over one view, the limit of dense layers without end in width (Neal 1996).

    Its kernel, squared exponential plus linear plus noise, is fitted by the likelihood of the training rows. `unseen`
    holds their leave-one-out predictions in closed form (Rasmussen and Williams 2006, equation 5.12).
    """

    def __init__(self, scores, y):
        kernel = ConstantKernel(0.5, (1e-3, 1e3)) * RBF(0.7, (0.05, 50))
        kernel += ConstantKernel(0.3, (1e-4, 1e3)) * DotProduct(0, "fixed") + WhiteKernel(0.3, (1e-3, 5))
        with warnings.catch_warnings():
            # Told where a part of the kernel is not needed and goes to its bound, which is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.process = GaussianProcessRegressor(kernel, alpha=1e-6).fit(scores, y)
        inverse = cho_solve((self.process.L_, True), np.eye(len(y)))
        self.unseen = y - inverse @ y / np.diag(inverse)

    def predict(self, scores):
        return self.process.predict(scores)


def _weights(unseen, y):
    """Weights (n_readers,) >= 0 with which predictions of unseen rows (n_readers, n) fit y (n,), drawn to equal ones.

    Least squares with a penalty on the distance from equal weights that counts as much as a quarter of the rows. They
    need not add up to 1.
    """
    n_readers, n = unseen.shape
    equal, pull = np.full(n_readers, 1 / n_readers), np.sqrt(n) / 2
    return nnls(np.vstack([unseen.T, pull * np.eye(n_readers)]), np.concatenate([y, pull * equal]))[0]


class FineTunedNetwork(_NetworkRegressor):
    """A pretrained 1D-ResNet fitted to other soils: convolutions frozen, batch normalisation too, new layers on top.

    network : SpectralResNet; transform : what it sees of reflectance, see `preprocess.network_input`
    views : what the new layers see: 'features' of the frozen convolutions, and the pooled 'input' beside them, a skip
        connection for what no pretraining has foreseen. ('input',) alone is the same without any pretraining.
    hidden : units of the new dense layers, wider than in pretraining, where they had only to tell a few numbers
    random_state : an int is the seed of folds and weights

    On each view stand dense layers and a Gaussian process; what they make of rows they had not seen weighs them.
    After fit: `views_`, `readers_` (a pair a view), `weights_` (one a reader, in that order), `shrinkage_`,
    `target_mean_` and `target_sd_` in the unit of y. `fit` raises ValueError for a view that there is not.
    """

    def __init__(
        self,
        network,
        transform="derivative",
        views=("features", "input"),
        hidden=(64, 16),
        recipe=HeadRecipe(),
        n_folds=5,
        n_repeats=2,
        random_state=None,
    ):
        self.network = network
        self.transform = transform
        self.views = views
        self.hidden = hidden
        self.recipe = recipe
        self.n_folds = n_folds
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _fit_folds(self, inputs, scaled, training, seed):
        seen = self._seen(inputs)
        self.views_ = [_View(rows) for rows in seen]
        self.readers_ = []
        for view, rows in zip(self.views_, seen, strict=True):
            scores = view.scores(rows)
            dense = _DenseLayers(scores, scaled, training, self.hidden, self.recipe, seed)
            self.readers_.append((dense, _Process(scores, scaled)))
        unseen = np.array([reader.unseen for pair in self.readers_ for reader in pair])
        self.weights_ = _weights(unseen, scaled)
        return self.weights_ @ unseen

    def _predict_folds(self, inputs):
        scores = [view.scores(rows) for view, rows in zip(self.views_, self._seen(inputs), strict=True)]
        pairs = zip(self.readers_, scores, strict=True)
        return self.weights_ @ np.array([reader.predict(rows) for pair, rows in pairs for reader in pair])

    def _seen(self, inputs):
        """What the new layers see of inputs (n, 2100), an array (n, n_numbers) a view."""
        ways = {"features": network_features, "input": pooled_input}
        for name in self.views:
            one_of("views", name, ways)
        return [ways[name](self.network, inputs).astype(float) for name in self.views]


class ScratchNetwork(_NetworkRegressor):
    """The same network with weights of its own, all of them fitted to the training rows: what pretraining is judged by.

    Parameters and folds as for `FineTunedNetwork`, but dealt once: a whole network is some fifty times the work of new
    layers. Its one head is its dense layers. After fit: `networks_` (list), `shrinkage_`, `target_mean_`, `target_sd_`.
    """

    def __init__(
        self, transform="derivative", hidden=(256, 64), recipe=FROM_SCRATCH, n_folds=5, n_repeats=1, random_state=None
    ):
        self.transform = transform
        self.hidden = hidden
        self.recipe = recipe
        self.n_folds = n_folds
        self.n_repeats = n_repeats
        self.random_state = random_state

    def _fit_folds(self, inputs, scaled, training, seed):
        self.networks_, unseen = [], np.zeros(len(scaled))
        config = ResNetConfig(hidden=self.hidden, relu_output=False)
        for place, own in enumerate(training):
            # Targets are scaled to a mean of 0, where the output starts.
            network = initial_network(config, seed * len(training) + place, np.zeros(1))
            watched = inputs[~own], scaled[~own]
            fit_network(network, inputs[own], scaled[own], self.recipe, seed, validation=watched)
            unseen[~own] += predict(network, inputs[~own])[:, 0]
            self.networks_.append(network)
        return unseen / (~training).sum(0)

    def _predict_folds(self, inputs):
        return np.mean([predict(network, inputs)[:, 0] for network in self.networks_], axis=0)
