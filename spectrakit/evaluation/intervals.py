"""How wide is an error bar that keeps its promise: to a sample of a known laboratory, and to a laboratory never seen?

Split conformal prediction: samples that the model has not seen tell how large its errors are, as scores
|f(y) - f(prediction)| / spread, and a quantile of the scores, the threshold, is the half-width of every interval to
come, in units of the spread. Nothing is assumed of the model or of the errors but that what is to come could change
places with what calibrated: the samples among each other (`sample_threshold`), or whole laboratories among each other.
With k laboratories of sizes n_1 ... n_k, and one more to come, chosen as they were:

    threshold              what holds for the laboratory to come
    sample_threshold       nothing; its level holds for samples that are mixed as those that calibrated were
    pooled_threshold       coverage of at least level k / (k + 1): 80 % where 90 % is asked for with 8 laboratories
    new_group_threshold    coverage of at least level, which must not exceed k / (k + 1): 88.9 % with 8 laboratories
    worst_group_threshold  with a probability of at least k / (k + 1), `level` of its samples are covered

Coverage is a mean over draws of laboratories: a single one may lie far below it. All this asks that the model has seen
none of the k laboratories. Where they are too few to set aside, predict each by a model fitted to the others
(scikit-learn's `cross_val_predict(model, X, y, groups=laboratory, cv=LeaveOneGroupOut())`) and calibrate on these
predictions. The model in use is then another than those that calibrated, and the promise is no theorem any more: it
holds as far as one laboratory more or less changes the errors little. `held_out_intervals` shows whether it does.

Sources: Lei et al. 2018, 'Distribution-free predictive inference for regression'; Dunn, Wasserman and Ramdas 2022,
'Distribution-free prediction sets for two-layer hierarchical models'; Lee, Barber and Willett 2023, 'Distribution-free
inference with hierarchical data'.
"""

import math
from itertools import product

import numpy as np
import pandas as pd
from mapie.regression import SplitConformalRegressor
from scipy.stats import binomtest, norm
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

LEVELS = (0.68, 0.90, 0.95)

# So that a sum of shares that misses its level by rounding alone does not cost a rank.
_ROUNDING = 1e-9


def sample_threshold(scores, level, groups=None):
    """Each sample of equal weight: the score of rank ceil((n + 1) level), by MAPIE.

    scores : (n,) >= 0; groups : not used
    A sample that is exchangeable with the n is covered with a probability of at least level, and of at most
    level + 1 / (n + 1) where no scores are equal. Raises ValueError for fewer than 1 / (1 - level) samples, MAPIE's
    bound (the rank itself exists for one fewer).
    Source: Lei et al. 2018, theorem 2.2.
    """
    needed = math.ceil(max(1 / level, 1 / (1 - level)) - _ROUNDING)
    if len(scores) < needed:
        raise ValueError(f"{len(scores)} samples to calibrate: intervals of {100 * level:g} % need at least {needed}")
    # The scores are the residuals of a model that predicts 0.
    nothing = np.zeros((len(scores), 1))
    zero = DummyRegressor(strategy="constant", constant=0.0).fit(nothing, scores)
    conformal = SplitConformalRegressor(zero, confidence_level=level, prefit=True).conformalize(nothing, scores)
    return float(conformal.predict_interval(nothing[:1])[1][0, 1, 0])


def pooled_threshold(scores, level, groups):
    """Each group of equal weight: the smallest t for which the mean over groups of the share of scores <= t is level.

    scores : (n,) >= 0; groups : (n,) labels of k groups
    The method CDF pooling of Dunn et al. 2022, who show that coverage in a new group tends to level as k grows. For
    any k it is at least `pooled_promise(level, k)`, and at most (level k + 1) / (k + 1) plus one sample's weight,
    1 / ((k + 1) min n_j), where no scores are equal. Raises ValueError for samples without a group.
    """
    codes, labels = _group_codes(scores, groups)
    order = np.argsort(scores)
    reached = np.cumsum(1 / (len(labels) * np.bincount(codes)[codes[order]]))
    return float(scores[order[np.searchsorted(reached, level - _ROUNDING)]])


def new_group_threshold(scores, level, groups):
    """As `pooled_threshold`, with the group to come counted among the k + 1 and its scores taken as infinite.

    The smallest t with sum_j F_j(t) / (k + 1) >= level, F_j(t) the share of group j's scores <= t: coverage in a new
    group is at least level, for any k and any sizes. Raises ValueError for fewer than level / (1 - level) groups,
    for which no finite t will do. Source: Lee, Barber and Willett 2023, hierarchical conformal prediction.
    """
    n_groups = len(_group_codes(scores, groups)[1])
    needed = math.ceil(level / (1 - level) - _ROUNDING)
    if n_groups < needed:
        possible = 100 * pooled_promise(1, n_groups)
        raise ValueError(
            f"{n_groups} groups can promise a new one at most {possible:.1f} %: {100 * level:g} % needs {needed} groups"
        )
    return pooled_threshold(scores, level * (n_groups + 1) / n_groups, groups)


def worst_group_threshold(scores, level, groups):
    """What it takes to cover the share `level` of the samples of every group, the worst one too.

    scores : (n,) >= 0; groups : (n,) labels of k groups
    That a further group needs more than each of the k has a probability of 1 / (k + 1) at most; if it does not, level
    of its samples are covered. The intervals are wide. Raises ValueError for samples without a group.
    Source: the largest of k as a tolerance limit, Wilks 1941, here of groups.
    """
    codes, labels = _group_codes(scores, groups)
    each = (np.sort(scores[codes == group]) for group in range(len(labels)))
    return float(max(group[math.ceil(len(group) * level - _ROUNDING) - 1] for group in each))


def pooled_promise(level, n_groups):
    """Coverage in a new group that `pooled_threshold` is sure to reach, level k / (k + 1); 1 gives the highest of all.

    `pooled_threshold` at level is `new_group_threshold` at level k / (k + 1), and inherits what that promises.
    """
    return level * n_groups / (n_groups + 1)


class ConformalIntervals(BaseEstimator):
    """Intervals around the predictions of any fitted model, at several levels at once.

    threshold : one of the four functions above, f(scores, level, groups)
    levels : the shares to be covered, each between 0 and 1
    log_offset : None for intervals symmetric about the prediction; c for intervals symmetric in ln(content + c), which
        grow with the content; in the unit of the contents
    limits : the lowest and the highest content there can be. Predictions and bounds are brought inside. This costs no
        coverage: what is cut off an interval holds no content that a sample can have.
    After fit: `thresholds_` (n_levels,).
    """

    def __init__(self, threshold=sample_threshold, levels=LEVELS, log_offset=None, limits=(0.0, np.inf)):
        self.threshold = threshold
        self.levels = levels
        self.log_offset = log_offset
        self.limits = limits

    def fit(self, y_true, y_pred, spread=None, groups=None):
        """Calibrate on samples that neither the model nor the spread was fitted to.

        y_true, y_pred : (n,) measured and predicted contents; spread : (n,) > 0, what the model says of its own error
            (a standard deviation, or `spread_model`), None for the same everywhere; groups : (n,) labels
        Raises ValueError for levels outside 0 to 1, lengths that differ, values that are not finite, spreads that are
        not positive, contents outside the limits, and too few samples or groups for a level.
        """
        _check_levels(self.levels)
        y_true, scale = _finite("y_true", y_true), self._scale(y_pred)
        check_consistent_length(y_true, scale, groups)
        outside = int(np.sum((y_true < self.limits[0]) | (y_true > self.limits[1])))
        if outside:
            raise ValueError(f"{outside} measured contents outside the limits {self.limits}: widen them or set aside")
        self.normalised_ = spread is not None
        scores = np.abs(self._scale(y_true) - scale) / self._spread(spread, y_pred)
        self.thresholds_ = np.array([self.threshold(scores, level, groups) for level in self.levels])
        return self

    def predict(self, y_pred, spread=None):
        """Lower and upper bound of each prediction at each level, (n, 2, n_levels), as MAPIE lays them out.

        y_pred : (n,); spread : (n,) of the kind that fit was given. Raises ValueError as fit does.
        """
        check_is_fitted(self)
        if (spread is None) == self.normalised_:
            raise ValueError("give predict a spread where fit had one, and none where it had none")
        centre, spread = self._scale(y_pred)[:, None], self._spread(spread, y_pred)
        half = spread[:, None] * self.thresholds_
        bounds = np.stack([centre - half, centre + half], axis=1)
        if self.log_offset is not None:
            with np.errstate(over="ignore"):  # beyond any number is beyond the limit
                bounds = np.exp(bounds) - self.log_offset
        return np.clip(bounds, *self.limits)

    def _scale(self, contents):
        contents = np.clip(_finite("y_pred", contents), *self.limits)
        if self.log_offset is None:
            return contents
        if not self.limits[0] + self.log_offset > 0:
            raise ValueError(f"a log_offset of {self.log_offset:g}: give more than {-self.limits[0]:g}")
        return np.log(contents + self.log_offset)

    def _spread(self, spread, y_pred):
        return np.ones(len(y_pred)) if spread is None else _positive_spread(spread, y_pred)


def held_out_intervals(intervals, y_true, y_pred, groups, spread=None):
    """Intervals of every group as if it were new: calibrated on the other groups alone.

    intervals : a ConformalIntervals, which is cloned; y_true, y_pred, groups, spread : (n,), y_pred of each sample by
        a model that had not seen its group. (Such models of the other groups did see the group held out: a small leak,
        which only a fit for each pair of groups would close.)
    Returns (n, 2, n_levels). Raises ValueError as `ConformalIntervals.fit`: one group fewer calibrates.
    """
    y_true, y_pred, spread = np.asarray(y_true), np.asarray(y_pred), None if spread is None else np.asarray(spread)
    codes, labels = _group_codes(y_true, groups)
    bounds = np.empty((len(y_true), 2, len(intervals.levels)))
    for group in range(len(labels)):
        new, known = codes == group, codes != group
        spreads = (None, None) if spread is None else (spread[known], spread[new])
        fitted = clone(intervals).fit(y_true[known], y_pred[known], spreads[0], codes[known])
        bounds[new] = fitted.predict(y_pred[new], spreads[1])
    return bounds


def spread_model(y_true, y_pred):
    """Mean absolute error as a function of the prediction, never decreasing: errors of carbon grow with its content.

    y_true, y_pred : (n,) contents and out-of-sample predictions of samples other than those that calibrate
    Returns a fitted IsotonicRegression, whose `predict(y_pred)` is the spread; it is at least a hundredth of the mean
    absolute error, so that no interval is without width.
    """
    error = np.abs(_finite("y_true", y_true) - _finite("y_pred", y_pred))
    return IsotonicRegression(y_min=error.mean() / 100, out_of_bounds="clip").fit(y_pred, error)


def coverage_table(y_true, intervals, levels=LEVELS, groups=None):
    """Coverage and width of intervals, of all samples and of each group: a laboratory, a depth class.

    y_true : (n,) contents; intervals : (n, 2, n_levels); levels : those of the intervals; groups : (n,) labels
    Returns a DataFrame, a row a level and group, group 'all' first: level, group, n_samples, n_groups, coverage,
    coverage_low and coverage_high (95 % limits of Clopper and Pearson 1934, which take samples as independent: where
    groups differ they are too narrow for 'all'), mean_width, median_width.
    Raises ValueError for lengths or levels that do not fit the intervals.
    """
    y_true, intervals = _finite("y_true", y_true), np.asarray(intervals, float)
    if intervals.shape != (len(y_true), 2, len(levels)):
        raise ValueError(f"intervals are {intervals.shape}, {len(y_true)} samples at {len(levels)} levels need others")
    codes, labels = _group_codes(y_true, np.zeros(len(y_true)) if groups is None else groups)
    parts = [("all", np.full(len(y_true), True), len(labels))]
    if groups is not None:
        parts += [(label, codes == group, 1) for group, label in enumerate(labels)]
    inside = (intervals[:, 0] <= y_true[:, None]) & (y_true[:, None] <= intervals[:, 1])
    width = intervals[:, 1] - intervals[:, 0]
    rows = []
    for (column, level), (label, part, n_groups) in product(enumerate(levels), parts):
        covered = binomtest(int(inside[part, column].sum()), int(part.sum()))
        limits = covered.proportion_ci(0.95, method="exact")
        widths = width[part, column].mean(), np.median(width[part, column])
        rows.append((level, label, covered.n, n_groups, covered.statistic, *limits, *widths))
    names = "level group n_samples n_groups coverage coverage_low coverage_high mean_width median_width"
    return pd.DataFrame(rows, columns=names.split())


def gaussian_intervals(y_pred, sd, levels=LEVELS, limits=(0.0, np.inf)):
    """Prediction +- z sd, what a standard deviation (MC-dropout, ensemble) claims if errors are normal: no promise.

    y_pred, sd : (n,), sd > 0; limits : as of ConformalIntervals. Returns (n, 2, n_levels). Raises ValueError as fit.
    """
    _check_levels(levels)
    half = _positive_spread(sd, y_pred)[:, None] * norm.ppf((1 + np.array(levels)) / 2)
    centre = _finite("y_pred", y_pred)[:, None]
    return np.clip(np.stack([centre - half, centre + half], axis=1), *limits)


def gaussian_table(y_true, y_pred, sd, levels=LEVELS):
    """What share prediction +- z sd covers, and by what sd must be multiplied for it to cover level.

    y_true, y_pred, sd : (n,), sd > 0
    Returns a DataFrame, a row a level: level, coverage, factor; the factor is the conformal threshold of the scores
    |y - prediction| / sd over z, so that the scaled interval has the promise of `sample_threshold`. Factors that
    differ between levels say that the errors are not normal. Raises ValueError as `ConformalIntervals.fit`.
    """
    y_true, everywhere = _finite("y_true", y_true), (-np.inf, np.inf)
    coverage = coverage_table(y_true, gaussian_intervals(y_pred, sd, levels, everywhere), levels)["coverage"]
    conformal = ConformalIntervals(levels=levels, limits=everywhere).fit(y_true, y_pred, sd)
    factor = conformal.thresholds_ / norm.ppf((1 + np.array(levels)) / 2)
    return pd.DataFrame({"level": levels, "coverage": coverage, "factor": factor})


def _check_levels(levels):
    if not all(0 < level < 1 for level in levels):
        raise ValueError(f"levels {tuple(levels)}: give shares between 0 and 1, such as 0.9")


def _finite(name, values):
    return column_or_1d(check_array(values, ensure_2d=False, dtype=float, input_name=name))


def _positive_spread(spread, y_pred):
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
