"""Prediction intervals by split conformal prediction, for samples like the known ones and for new laboratories.

Samples that the model has not been fitted to show how large its errors are, as scores |f(y) - f(prediction)| / spread.
A quantile of the scores, the threshold, is the half-width of every later interval, in units of the spread. Nothing is
assumed of the model or of the errors except exchangeability with what calibrated: of samples (`sample_threshold`), or
of whole laboratories (`pooled_threshold`). For one more laboratory, drawn like the k known ones:

    sample_threshold   guarantees nothing; its level holds for samples mixed as those that calibrated
    pooled_threshold   covers at least level k / (k + 1): 80 % where 90 % is asked for with 8 laboratories

Coverage is a mean over draws of laboratories: a single one may lie far below it. The model must not have been fitted to
any of the k laboratories. Where they are too few to set aside, predict each by a model fitted to the others
(scikit-learn's `cross_val_predict(model, X, y, groups=laboratory, cv=LeaveOneGroupOut())`) and calibrate on these
predictions. The guarantee is then approximate, because the model in use differs from those that calibrated: it holds as
far as one laboratory more or less changes the errors little. `held_out_intervals` tests this.

Sources: Lei et al. 2018, 'Distribution-free predictive inference for regression'; Dunn, Wasserman and Ramdas 2022,
'Distribution-free prediction sets for two-layer hierarchical models'; Lee, Barber and Willett 2023, 'Distribution-free
inference with hierarchical data'.
"""

import math
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from spectrakit.contents import offset_exp, offset_log
from spectrakit.spectra import count_of

LEVELS = (0.68, 0.90, 0.95)

# Rounding errors of a sum of shares, or of (n + 1) level, must not cost a rank.
_ROUNDING = 1e-9


def sample_threshold(scores, level, groups=None):
    """Each sample of equal weight: the score of rank ceil((n + 1) level).

    scores : (n,) >= 0; groups : not used
    A sample that is exchangeable with the n is covered with a probability of at least level, and of at most
    level + 1 / (n + 1) where no scores are equal. Raises ValueError for fewer than 1 / (1 - level) samples.
    Source: Lei et al. 2018, theorem 2.2.
    """
    needed = math.ceil(1 / (1 - level) - _ROUNDING)
    if len(scores) < needed:
        raise ValueError(
            f"{count_of(len(scores), 'sample')} to calibrate: intervals of {100 * level:g} % need at least {needed}; "
            "give a lower level, or more samples"
        )
    return float(np.sort(scores)[math.ceil((len(scores) + 1) * level - _ROUNDING) - 1])


def pooled_threshold(scores, level, groups):
    """Each group of equal weight: the smallest t for which the mean over groups of the share of scores <= t is level.

    scores : (n,) >= 0; groups : (n,) labels of k groups
    The method CDF pooling of Dunn et al. 2022, who show that coverage in a new group tends to level as k grows. For
    any k it is at least `pooled_promise(level, k)` (Lee, Barber and Willett 2023), and at most (level k + 1) / (k + 1)
    plus one sample's weight, 1 / ((k + 1) min n_j), where no scores are equal.
    Raises ValueError for samples without a group.
    """
    codes, labels = _group_codes(scores, groups)
    order = np.argsort(scores)
    reached = np.cumsum(1 / (len(labels) * np.bincount(codes)[codes[order]]))
    return float(scores[order[np.searchsorted(reached, level - _ROUNDING)]])


def pooled_promise(level, n_groups):
    """Coverage in a new group that `pooled_threshold` guarantees, level k / (k + 1); level 1 gives the upper bound."""
    return level * n_groups / (n_groups + 1)


class ConformalIntervals(BaseEstimator):
    """Intervals around the predictions of any fitted model, at several levels at once.

    threshold : `sample_threshold`, `pooled_threshold` or another f(scores, level, groups)
    levels : the shares to be covered, each between 0 and 1
    log_offset : None for intervals symmetric about the prediction; c for intervals symmetric in ln(content + c), which
        grow with the content; in the unit of the contents
    limits : the lowest and the highest possible content. Predictions and bounds are clipped to them, which costs no
        coverage: no sample can have the contents that are cut off.
    After fit: `thresholds_` (n_levels,).
    """

    def __init__(self, threshold=sample_threshold, levels=LEVELS, log_offset=None, limits=(0.0, np.inf)):
        self.threshold = threshold
        self.levels = levels
        self.log_offset = log_offset
        self.limits = limits

    def fit(self, y_true, y_pred, spread=None, groups=None):
        """Calibrate on samples that neither the model nor the spread was fitted to.

        y_true, y_pred : (n,) measured and predicted contents; spread : (n,) > 0, the model's estimate of its error (a
            standard deviation), None for the same everywhere; groups : (n,) labels
        Raises ValueError for levels outside 0 to 1, lengths that differ, values that are not finite, spreads that are
        not positive, contents outside the limits, and too few samples or groups for a level.
        """
        _check_levels(self.levels)
        if self.log_offset is not None and not self.limits[0] + self.log_offset > 0:
            raise ValueError(f"a log_offset of {self.log_offset:g}: give more than {-self.limits[0]:g}")
        y_true, scaled = _finite("y_true", y_true), self._scaled(y_pred)
        check_consistent_length(y_true, scaled, groups)
        outside = int(np.sum((y_true < self.limits[0]) | (y_true > self.limits[1])))
        if outside:
            raise ValueError(f"{outside} measured contents outside the limits {self.limits}: widen them or set aside")
        self.normalised_ = spread is not None
        scores = np.abs(self._scaled(y_true) - scaled) / _spread(spread, y_pred)
        self.thresholds_ = np.array([self.threshold(scores, level, groups) for level in self.levels])
        return self

    def predict(self, y_pred, spread=None):
        """Lower and upper bound of each prediction at each level, (n, 2, n_levels).

        y_pred : (n,); spread : (n,), as in `fit`. Raises ValueError as `fit` does.
        """
        check_is_fitted(self)
        if (spread is None) == self.normalised_:
            raise ValueError("give predict a spread where fit had one, and none where it had none")
        bounds = _symmetric(self._scaled(y_pred), _spread(spread, y_pred)[:, None] * self.thresholds_)
        return offset_exp(bounds, self.log_offset, self.limits)

    def _scaled(self, contents):
        return offset_log(np.clip(_finite("y_pred", contents), *self.limits), self.log_offset)


def held_out_intervals(intervals, y_true, y_pred, groups):
    """Intervals of every group as if it were new: calibrated on the other groups alone, (n, 2, n_levels).

    intervals : a ConformalIntervals, which is cloned; y_true, y_pred, groups : (n,), y_pred of each sample by a model
        that was not fitted to its group. (Such models of the other groups were fitted to the group held out: a small
        leak, which only a fit for each pair of groups would close.)
    Raises ValueError as `ConformalIntervals.fit`: one group fewer calibrates.
    """
    y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
    codes, labels = _group_codes(y_true, groups)
    bounds = np.empty((len(y_true), 2, len(intervals.levels)))
    for group in range(len(labels)):
        new, known = codes == group, codes != group
        fitted = clone(intervals).fit(y_true[known], y_pred[known], groups=codes[known])
        bounds[new] = fitted.predict(y_pred[new])
    return bounds


def coverage_table(y_true, intervals, levels=LEVELS, groups=None):
    """Coverage and width of intervals, of all samples and of each group: a laboratory, a depth class.

    y_true : (n,) contents; intervals : (n, 2, n_levels); levels : those of the intervals; groups : (n,) labels
    Returns a DataFrame, a row a level and group, group 'all' first: level, group, n_samples, coverage, mean_width,
    median_width. Raises ValueError for lengths or levels that do not fit the intervals.
    """
    y_true, intervals = _finite("y_true", y_true), np.asarray(intervals, float)
    if intervals.shape != (len(y_true), 2, len(levels)):
        raise ValueError(f"intervals are {intervals.shape}, {len(y_true)} samples at {len(levels)} levels need others")
    parts = [("all", np.full(len(y_true), True))]
    if groups is not None:
        codes, labels = _group_codes(y_true, groups)
        parts += [(label, codes == group) for group, label in enumerate(labels)]
    inside = (intervals[:, 0] <= y_true[:, None]) & (y_true[:, None] <= intervals[:, 1])
    width = intervals[:, 1] - intervals[:, 0]
    rows = [
        (level, label, part.sum(), inside[part, k].mean(), width[part, k].mean(), np.median(width[part, k]))
        for (k, level), (label, part) in product(enumerate(levels), parts)
    ]
    return pd.DataFrame(rows, columns=["level", "group", "n_samples", "coverage", "mean_width", "median_width"])


def gaussian_intervals(y_pred, sd, levels=LEVELS, limits=(0.0, np.inf)):
    """Prediction +- z sd, the interval that a standard deviation (MC-dropout, ensemble) claims; nothing guarantees it.

    y_pred, sd : (n,), sd > 0; limits : as of ConformalIntervals. Returns (n, 2, n_levels). Raises ValueError as fit.
    """
    _check_levels(levels)
    half = _spread(sd, y_pred)[:, None] * norm.ppf((1 + np.array(levels)) / 2)
    return np.clip(_symmetric(_finite("y_pred", y_pred), half), *limits)


def _symmetric(centre, half):
    """Bounds (n, 2, n_levels) from centres (n,) and half-widths (n, n_levels)."""
    return np.stack([centre[:, None] - half, centre[:, None] + half], axis=1)


def _check_levels(levels):
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"levels {tuple(levels)}: give shares between 0 and 1, such as 0.9")


def _finite(name, values):
    return column_or_1d(check_array(values, ensure_2d=False, dtype=float, input_name=name))


def _spread(spread, y_pred):
    """Spreads (n,) as they are, 1 where there are none; ValueError where they do not fit or are not positive."""
    if spread is None:
        return np.ones(len(y_pred))
    spread = _finite("spread", spread)
    check_consistent_length(spread, y_pred)
    if not (spread > 0).all():
        raise ValueError(f"{int((spread <= 0).sum())} spreads are not positive: add the smallest error there can be")
    return spread


def _group_codes(values, groups):
    if groups is None:
        raise ValueError("give the group, such as the laboratory, of each sample")
    check_consistent_length(values, groups)
    codes, labels = pd.factorize(np.asarray(groups), sort=True)
    if (codes < 0).any():
        raise ValueError(f"{int((codes < 0).sum())} samples have no group: name one for each or leave them out")
    return codes, labels
