"""Contents between 0 and a physical limit, predicted by an ensemble of 1D-ResNets, with the spread of predictions.

The content is `limit` times the sigmoid of a network's output, so it lies between 0 and the limit for any spectrum.
Organic carbon is the total times a share predicted in the same way, so it is never above the total.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GroupShuffleSplit
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, validate_data
from torch import nn

from spectrakit.contents import MAX_CARBON
from spectrakit.models import ResNetConfig, initial_network, thinned_outputs
from spectrakit.runs import KeptParts, result_key
from spectrakit.training.pretraining import ONE_CYCLE, fit_network

CONTENT_NETWORK = ResNetConfig(
    n_channels=1700, pool=5, n_filters=32, n_last=8, hidden=(64, 16), relu_output=False, dropout=0.1
)
"""The 1D-ResNet for mid-infrared spectra, 600-4000 1/cm in steps of 2. Bands are 10-30 1/cm wide, so averages go over
10 1/cm. Dropout of a tenth."""

CONTENT_RECIPE = replace(ONE_CYCLE, name="contents", batch_size=64, max_epochs=10, patience=10)
"""Some 7,000 steps on 51,000 spectra; a few thousand take 20 epochs in batches of 32, and 1,500 steps."""

# Outputs are clipped to this size: the sigmoid of 30 is within 1e-13 of 1, and further out rounding would reach the
# limit itself.
_MAX_OUTPUT = 30.0
# In standard deviations of the training spectra: far from any soil, and float32 does not overflow.
_MAX_INPUT = 1000.0
# As a share of the limit.
_MIN_SPREAD = 1e-4
# Predictions this close to a limit, as a share of it, count as near.
_NEAR = 0.01


class _FoldedLogarithm(nn.Module):
    """The scale on which networks are fitted: log((content + start) / (limit - content + start)), standardised.

    contents : (n,) of the training rows, whose lower quartile is the start; limit : highest content
    A started folded logarithm: errors count in proportion to the content between the limits, and as they are within
    `start` of a limit, where the errors of the laboratory dominate. Measured zeros need no special treatment.
    Source: Tukey 1977, Exploratory Data Analysis, for folds and starts.
    """

    def __init__(self, contents, limit):
        super().__init__()
        self.limit, self.mean, self.sd = limit, 0.0, 1.0
        self.start = float(np.quantile(contents, 0.25)) or float(contents.mean()) or limit
        values = self.targets(contents)
        self.mean, self.sd = float(values.mean()), float(values.std()) or 1.0

    def forward(self, outputs):
        """Targets from outputs of the dense layers, in any shape; the last layer of a network while it is fitted."""
        return self._standardised(self.limit * torch.sigmoid(outputs.float()), torch.log)

    def targets(self, contents):
        """Targets from contents, in any shape."""
        return self._standardised(contents, np.log)

    def _standardised(self, contents, log):
        values = log((contents + self.start) / (self.limit - contents + self.start))
        return (values - self.mean) / self.sd


class ContentNetwork(RegressorMixin, BaseEstimator):
    """Contents between 0 and `limit` from pretreated spectra, by a small ensemble of 1D-ResNets, and their spread.

    limit : highest possible content, in the unit of y: 580 g/kg for carbon, 1000 for organic matter, 1 for a share
    n_members : networks, each with its own initial weights and validation set
    n_passes : dropout passes a member, for the spread
    recipe : its `validation_share` is that of the rows, or of the groups
    config : as for one network; `n_channels` is taken from X
    random_state : seed of weights, validation sets, order of rows and dropout; None counts as 0

    A prediction is the mean of the members' contents. A model fitted on a nearly logarithmic scale predicts rather a
    median than a mean; smearing by the errors of validation rows (Duan 1983) changed the RMSE of 927 simulated soils by
    less than 0.1 %, and the bias by 0.02 g/kg of -0.4, so there is none.
    After fit: `networks_` (list); `input_scale_`, by which inputs are divided; `history_`, DataFrame of the epochs of
    all members.
    """

    def __init__(
        self,
        limit=MAX_CARBON,
        n_members=3,
        n_passes=20,
        recipe=CONTENT_RECIPE,
        config=CONTENT_NETWORK,
        random_state=None,
    ):
        self.limit = limit
        self.n_members = n_members
        self.n_passes = n_passes
        self.recipe = recipe
        self.config = config
        self.random_state = random_state

    def fit(self, X, y, groups=None, *, progress=None, checkpoint=None):
        """Fit all members.

        X : (n, n_channels) pretreated spectra, n_channels a multiple of `config.pool`; y : (n,) contents
        groups : (n,) sites, or other labels that a validation set must not share with the rows fitted; None for
            independent rows
        progress : called after each epoch with the epochs done and those of all members
        checkpoint : folder that keeps finished members and the state of the one being fitted, so that the same call
            resumes a fit that was stopped; emptied at the end
        Raises ValueError for contents out of bounds, fewer than two groups, and parameters out of range.
        """
        for name, least in (("n_members", 1), ("n_passes", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is at least {least}, not {getattr(self, name)}")
        X, y = validate_data(self, X, y, y_numeric=True, dtype=np.float32, ensure_min_samples=2)
        y = checked_contents(y.astype(float), self.limit)
        groups = np.arange(len(y)) if groups is None else np.asarray(groups)
        check_consistent_length(y, groups)
        if len(pd.unique(groups)) < 2:
            raise ValueError("groups: all rows are of one group; two are needed, one to fit and one for validation")
        averages = self._averages(X)
        self.input_scale_ = float(np.sqrt(averages.var(axis=0).mean())) or 1.0
        data = self._inputs(averages), y, groups
        settings = self.get_params()
        kept = None if checkpoint is None else KeptParts(checkpoint, result_key(settings, data, code=[ContentNetwork]))
        members = [self._member(place, data, progress, kept) for place in range(self.n_members)]
        self.networks_, histories = map(list, zip(*members, strict=True))
        self.history_ = pd.concat(histories, keys=range(self.n_members), names=["member", "epoch"])
        if kept is not None:
            kept.remove()
        return self

    def predict(self, X, return_std=False):
        """Contents (n,) of pretreated spectra X (n, n_channels), above 0 and below `limit`.

        return_std : also their spread (n,), `both` of `predict_with_spreads`
        """
        if not return_std:
            return self._members_and_passes(X, n_passes=0)[0].mean(axis=0)
        contents, spreads = self.predict_with_spreads(X)
        return contents, spreads["both"].to_numpy()

    def predict_with_spreads(self, X):
        """Contents (n,), as `predict`, and their spreads, DataFrame (n, 3), each at least a ten-thousandth of `limit`.

        `members` : standard deviation between the members, without dropout; the least value where there is one member
        `passes` : standard deviation between the dropout passes of a member, quadratic mean over members
        `both` : root of the sum of their squares. None is calibrated: see `evaluation.ConformalIntervals`.
        """
        members, passes = self._members_and_passes(X, self.n_passes)
        zeros = np.zeros(members.shape[1])
        within = passes.var(axis=1, ddof=1).mean(axis=0) if self.n_passes > 1 else zeros
        between = members.var(axis=0, ddof=1) if self.n_members > 1 else zeros
        spread = np.sqrt(np.column_stack([between, within, between + within]))
        spread = np.maximum(spread, _MIN_SPREAD * self.limit)
        return members.mean(axis=0), pd.DataFrame(spread, columns=["members", "passes", "both"])

    def _members_and_passes(self, X, n_passes):
        """Contents (n_members, n) by the members, and (n_members, n_passes, n) by their dropout passes."""
        check_is_fitted(self)
        inputs = self._inputs(self._averages(validate_data(self, X, reset=False, dtype=np.float32)))
        outputs = [thinned_outputs(network, inputs, n_passes) for network in self.networks_]
        clipped = (np.clip(np.array(part)[..., 0], -_MAX_OUTPUT, _MAX_OUTPUT) for part in zip(*outputs, strict=True))
        return tuple(self.limit * expit(part) for part in clipped)

    def _averages(self, X):
        """Averages (n, n_channels / pool), float64, of neighbouring channels, taken once for all members."""
        return X.reshape(len(X), self._member_config().n_channels, -1).mean(axis=2, dtype=float)

    def _inputs(self, averages):
        """Inputs of the networks, float32 (n, n_channels / pool)."""
        return np.clip(averages / self.input_scale_, -_MAX_INPUT, _MAX_INPUT).astype(np.float32)

    def _member_config(self):
        config = replace(self.config, n_channels=self.n_features_in_)
        return replace(config, n_channels=config.n_channels // config.pool, pool=1)

    def _member(self, place, data, progress, kept):
        """Network and history of one member; data : inputs, contents and groups."""
        finished = kept and kept.load(f"member-{place}")
        if finished is not None:
            return finished
        inputs, y, groups = data
        seed = int(self.random_state or 0) * self.n_members + place
        shuffle = GroupShuffleSplit(1, test_size=self.recipe.validation_share, random_state=seed)
        training, validation = next(shuffle.split(inputs, groups=groups))
        start = logit(np.array([y[training].mean() / self.limit]).clip(1e-6, 1 - 1e-6))
        network = initial_network(self._member_config(), seed, start)
        scale = _FoldedLogarithm(y[training], self.limit)
        network.head.append(scale)
        epochs = self.recipe.max_epochs
        history = fit_network(
            network,
            inputs[training],
            scale.targets(y[training]),
            self.recipe,
            seed,
            validation=(inputs[validation], scale.targets(y[validation])),
            progress=progress and (lambda done, _: progress(place * epochs + done, self.n_members * epochs)),
            checkpoint=kept and kept.folder / f"member-{place}",
        )
        network.head.pop(-1)
        if kept is not None:
            kept.save(f"member-{place}", (network, history))
        return network, history


class OrganicCarbonNetwork(BaseEstimator):
    """Total and organic carbon together, the organic never above the total: total x share.

    network : unfitted ContentNetwork of the total; that of the share is a copy with a limit of 1
    After fit: `total_` and `share_`, fitted ContentNetworks.
    """

    def __init__(self, network):
        self.network = network

    def fit(self, X, y, groups=None, *, progress=None):
        """Fit the total on the rows that have it, and the share on those that have both.

        X : (n, n_channels) pretreated spectra; y : (n, 2) total and organic carbon, NaN where not measured
        groups : (n,) as of ContentNetwork; progress : called with the epochs done and those of both fits
        Raises ValueError as ContentNetwork does, and for organic carbon above the total.
        """
        y = check_array(y, dtype=float, ensure_all_finite="allow-nan", input_name="y")
        check_consistent_length(X, y)
        if y.shape[1] != 2:
            raise ValueError(f"y has {y.shape[1]} columns: give two, total and organic carbon")
        total, organic = (checked_contents(contents, self.network.limit) for contents in y.T)
        wrong = np.flatnonzero(organic > total)
        if len(wrong):
            row = wrong[0]
            raise ValueError(
                f"row {row} (from 0): organic carbon of {organic[row]:g} is above the total of {total[row]:g}; "
                "correct the row or leave it out"
            )
        both = (total > 0) & np.isfinite(organic)
        share = np.divide(organic, total, where=both, out=np.zeros(len(y)))
        fits = (
            (clone(self.network), total, np.isfinite(total)),
            (clone(self.network).set_params(limit=1.0), share, both),
        )
        n_epochs = self.network.n_members * self.network.recipe.max_epochs
        for place, (network, contents, rows) in enumerate(fits):
            network.fit(
                np.asarray(X)[rows],
                contents[rows],
                None if groups is None else np.asarray(groups)[rows],
                progress=progress and (lambda done, _, before=place * n_epochs: progress(before + done, 2 * n_epochs)),
            )
        self.total_, self.share_ = (network for network, _, _ in fits)
        return self

    def predict(self, X):
        """Total and organic carbon (n, 2), the second never above the first."""
        check_is_fitted(self)
        total, share = self.total_.predict(X), self.share_.predict(X)
        return np.column_stack([total, total * share])


def checked_contents(y, limit):
    """Contents y (n,), as they are, NaN too. Raises ValueError naming the first row below 0 or above `limit`."""
    for wrong, what in ((y < 0, "is negative"), (y > limit, f"is above the limit of {limit:g}")):
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"row {row} (from 0): a content of {y[row]:g} {what}; correct it or leave the row out")
    return y


def limit_counts(contents, limit):
    """How many predictions lie outside the limits, and how many within a hundredth of `limit` of one.

    contents : (n,) predictions of any model; limit : in the same unit
    Returns a Series of counts: n_samples, below_zero, above_limit, near_zero, near_limit (these two inside the limits).
    """
    contents = np.asarray(contents, float)
    inside = (contents >= 0) & (contents <= limit)
    counts = {
        "n_samples": len(contents),
        "below_zero": np.sum(contents < 0),
        "above_limit": np.sum(contents > limit),
        "near_zero": np.sum(inside & (contents <= _NEAR * limit)),
        "near_limit": np.sum(inside & (contents >= (1 - _NEAR) * limit)),
    }
    return pd.Series(counts, dtype=int)
