"""Regressors of few samples: a pretrained 1D-ResNet with new dense layers, and a network without pretraining."""

import warnings
from copy import deepcopy
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
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn
from torch.nn.functional import leaky_relu

from spectrakit.evaluation import repeated_folds
from spectrakit.models import ResNetConfig, initial_network, network_features, pooled_input
from spectrakit.preprocess import network_input
from spectrakit.spectra import one_of
from spectrakit.training.pretraining import Recipe, fit_network, predict

FROM_SCRATCH = Recipe("from scratch", learning_rate=0.001, batch_size=32, max_epochs=80, patience=20, centred=True)
"""How a network without pretraining is fitted to some hundred samples: the paper's optimiser and rate, fewer epochs."""
SCRATCH_HIDDEN = (256, 64)
N_FOLDS = 5


@dataclass(frozen=True)
class HeadRecipe:
    """How dense layers are fitted to the features of frozen convolutions: AdamW on all rows at once.

    hidden : units of the dense layers, more than in pretraining
    learning_rate : of the first step; it falls to zero along half a cosine
    every : steps between two validations
    Raises ValueError where there would be no validation.
    """

    hidden: tuple[int, ...] = (64, 16)
    learning_rate: float = 0.003
    weight_decay: float = 0.3
    steps: int = 400
    every: int = 10

    def __post_init__(self):
        if not 1 <= self.every <= self.steps:
            raise ValueError(f"{self.steps} steps, validation every {self.every}: give a number from 1 to the steps")


class StackedHeads(nn.Module):
    """Dense layers of several networks at once: features (n, n_features) to targets (n_networks, n)."""

    def __init__(self, n_networks, n_features, hidden, scale):
        super().__init__()
        widths = (n_features, *hidden, 1)
        # Random kernels keep the size of their inputs; all features have one scale in common.
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
                values = leaky_relu(values)
        return values.squeeze(2)

    @torch.no_grad()
    def predict(self, features):
        """Mean of the networks' targets (n,), float64, of features (n, n_features), an array."""
        return self(torch.as_tensor(np.float32(features))).mean(0).numpy().astype(float)


def fit_heads(features, y, training, recipe, random_state):
    """Fit one head a split, all at once, and keep the step with the least out-of-fold error.

    features : (n, n_features); y : (n,) targets of mean 0; training : (n_splits, n) bool; every row is left out by a
    split or more
    Returns StackedHeads with `out_of_fold`, predictions (n,) of each row by the heads that were not fitted to it.
    """
    X, y = torch.as_tensor(np.float32(features)), torch.as_tensor(y, dtype=torch.float32)
    fitted = torch.as_tensor(training, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        heads = StackedHeads(len(fitted), X.shape[1], recipe.hidden, float(X.std()) or 1.0)
    optimiser = torch.optim.AdamW(
        heads.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    least, best, out_of_fold = np.inf, None, None
    for step in range(1, recipe.steps + 1):
        optimiser.zero_grad()
        loss = ((fitted * (heads(X) - y) ** 2).sum(1) / fitted.sum(1)).sum()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % recipe.every == 0:
            with torch.no_grad():
                left_out = ((1 - fitted) * heads(X)).sum(0) / (1 - fitted).sum(0)
            error = float(((left_out - y) ** 2).mean())
            if error < least:
                least, out_of_fold, best = error, left_out, deepcopy(heads.state_dict())
    heads.load_state_dict(best)
    heads.out_of_fold = out_of_fold.numpy().astype(float)
    return heads


class _NetworkRegressor(RegressorMixin, BaseEstimator):
    """What both regressors share: inputs, scaled targets, folds, and shrinkage towards the mean.

    The training rows are split into N_FOLDS, `n_repeats` times; one network is fitted on all folds but one, which is
    its validation set, and a prediction is the mean of theirs. The out-of-fold predictions decide how far
    predictions are shrunk towards the mean: `shrinkage_`, 0 (the mean) to 1 (not at all).
    """

    n_repeats = 1

    def fit(self, X, y):
        """Fit on reflectance X (n, 2100) and targets y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True)
        seed = int(self.random_state or 0)
        self.target_mean_, self.target_sd_ = float(np.mean(y)), float(np.std(y)) or 1.0
        training = repeated_folds(len(y), min(N_FOLDS, len(y)), self.n_repeats, seed).train
        scaled = (y - self.target_mean_) / self.target_sd_
        out_of_fold = self._fit_folds(network_input(X, self.transform), scaled, training, seed)
        self.shrinkage_ = _shrinkage(out_of_fold, scaled)
        return self

    def predict(self, X):
        """Targets (n,), in the unit of y."""
        check_is_fitted(self)
        inputs = network_input(validate_data(self, X, reset=False), self.transform)
        return self.target_mean_ + self.target_sd_ * self.shrinkage_ * self._predict_folds(inputs)


def _shrinkage(out_of_fold, y):
    """Slope of targets y (n,) over out-of-fold predictions (n,) through the origin, 0 to 1, less its chance part.

    The slope is shrunk by its variance over its square (James and Stein 1961): hardly where predictions are good,
    to 0 where they are no better than the mean.
    """
    power = out_of_fold @ out_of_fold + 1e-12
    slope = out_of_fold @ y / power
    error = np.sqrt(np.sum((y - slope * out_of_fold) ** 2) / (len(y) - 1) / power)
    return float(np.clip(slope - error**2 / max(slope, 1e-12), 0, 1))


class _View:
    """Inputs of the new layers as scores on the principal axes of the training rows, of root mean square length 1.

    The scores have the information of the inputs in fewer numbers. rows : (n, n_numbers) of the training side
    """

    def __init__(self, rows):
        self.axes = PCA(min(len(rows) - 1, rows.shape[1]), svd_solver="full").fit(rows)
        self.length = np.sqrt(self.axes.explained_variance_.sum() * (len(rows) - 1) / len(rows)) or 1.0

    def scores(self, rows):
        """Scores (n, n_axes), float64."""
        return self.axes.transform(rows) / self.length


def fit_process(scores, y):
    """A Gaussian process over the scores of a view, the limit of infinitely wide dense layers (Neal 1996).

    Its kernel, squared exponential plus linear plus noise, is fitted by the likelihood of the training rows.
    Returns a GaussianProcessRegressor with `out_of_fold`, the leave-one-out predictions of these rows in closed form
    (Rasmussen and Williams 2006, equation 5.12).
    """
    kernel = ConstantKernel(0.5, (1e-3, 1e3)) * RBF(0.7, (0.05, 50))
    kernel += ConstantKernel(0.3, (1e-4, 1e3)) * DotProduct(0, "fixed") + WhiteKernel(0.3, (1e-3, 5))
    with warnings.catch_warnings():
        # It warns where a part of the kernel is not needed and goes to its bound, which is no error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel, alpha=1e-6).fit(scores, y)
    inverse = cho_solve((process.L_, True), np.eye(len(y)))
    process.out_of_fold = y - inverse @ y / np.diag(inverse)
    return process


def _weights(out_of_fold, y):
    """Weights (n_members,) >= 0 with which out-of-fold predictions (n_members, n) fit y (n,), drawn to equal ones.

    Least squares with a penalty on the distance from equal weights that counts as much as a quarter of the rows. They
    need not add up to 1.
    """
    n_members, n = out_of_fold.shape
    equal, pull = np.full(n_members, 1 / n_members), np.sqrt(n) / 2
    stacked = np.vstack([out_of_fold.T, pull * np.eye(n_members)])
    return nnls(stacked, np.concatenate([y, pull * equal]))[0]


class FineTunedNetwork(_NetworkRegressor):
    """A pretrained 1D-ResNet fitted to other soils: convolutions and batch normalisation frozen, new layers on top.

    network : SpectralResNet; transform : of reflectance to its input, see `preprocess.network_input`
    views : inputs of the new layers: 'features' of the frozen convolutions, and the pooled 'input', a skip connection
        for what pretraining has not met. ('input',) alone uses no pretraining.
    recipe : HeadRecipe; random_state : an int is the seed of folds and weights

    Each view has dense layers and a Gaussian process; their out-of-fold predictions decide their weights.
    After fit: `views_`, `members_` (a pair a view), `weights_` (one a member, in that order), `shrinkage_`,
    `target_mean_` and `target_sd_` in the unit of y. `fit` raises ValueError for an unknown view.
    """

    n_repeats = 2

    def __init__(
        self, network, transform="derivative", views=("features", "input"), recipe=HeadRecipe(), random_state=None
    ):
        self.network = network
        self.transform = transform
        self.views = views
        self.recipe = recipe
        self.random_state = random_state

    def _fit_folds(self, inputs, scaled, training, seed):
        parts = self._parts(inputs)
        self.views_, self.members_ = [_View(rows) for rows in parts], []
        for view, rows in zip(self.views_, parts, strict=True):
            scores = view.scores(rows)
            heads = fit_heads(scores, scaled, training, self.recipe, seed)
            self.members_.append((heads, fit_process(scores, scaled)))
        out_of_fold = np.array([member.out_of_fold for pair in self.members_ for member in pair])
        self.weights_ = _weights(out_of_fold, scaled)
        return self.weights_ @ out_of_fold

    def _predict_folds(self, inputs):
        scores = [view.scores(rows) for view, rows in zip(self.views_, self._parts(inputs), strict=True)]
        pairs = zip(self.members_, scores, strict=True)
        return self.weights_ @ np.array([member.predict(rows) for pair, rows in pairs for member in pair])

    def _parts(self, inputs):
        """What the views are made of, from inputs (n, 2100): an array (n, n_numbers) a view."""
        ways = {"features": network_features, "input": pooled_input}
        for name in self.views:
            one_of("views", name, ways)
        return [ways[name](self.network, inputs).astype(float) for name in self.views]


class ScratchNetwork(_NetworkRegressor):
    """The network without pretraining, all weights fitted to the training rows: what pretraining is compared with.

    Parameters and folds as for `FineTunedNetwork`, recipe a Recipe. One repeat, because a whole network is some fifty
    times the work of new layers. After fit: `networks_` (list), `shrinkage_`, `target_mean_`, `target_sd_`.
    """

    def __init__(self, transform="derivative", recipe=FROM_SCRATCH, random_state=None):
        self.transform = transform
        self.recipe = recipe
        self.random_state = random_state

    def _fit_folds(self, inputs, scaled, training, seed):
        self.networks_, out_of_fold = [], np.zeros(len(scaled))
        config = ResNetConfig(hidden=SCRATCH_HIDDEN, relu_output=False)
        for place, fitted in enumerate(training):
            # Targets are scaled to a mean of 0, where the output starts.
            network = initial_network(config, seed * len(training) + place, np.zeros(1))
            validation = inputs[~fitted], scaled[~fitted]
            fit_network(network, inputs[fitted], scaled[fitted], self.recipe, seed, validation=validation)
            out_of_fold[~fitted] = predict(network, validation[0])[:, 0]
            self.networks_.append(network)
        return out_of_fold

    def _predict_folds(self, inputs):
        return np.mean([predict(network, inputs)[:, 0] for network in self.networks_], axis=0)
