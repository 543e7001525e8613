"""Metrics of predicted contents: error, repeatability, limit of detection.

Contents may be in any unit, as long as all inputs share it.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error


def r2(y_true, y_pred):
    """Coefficient of determination of predictions; 1 at best, negative when the mean predicts better.

    y_true, y_pred : (n_samples,) contents
    Returns a float, NaN for fewer than two samples and for contents that are all the same.
    Source: libs paper, equation 3.
    """
    y_true = np.asarray(y_true)
    if len(y_true) < 2 or np.ptp(y_true) == 0:
        return float("nan")
    return float(r2_score(y_true, y_pred))


def rmse(y_true, y_pred):
    """Root mean square error of (n_samples,) contents, in their unit. Source: libs paper, equation 4."""
    return float(root_mean_squared_error(y_true, y_pred))


def mae(y_true, y_pred):
    """Mean absolute error of (n_samples,) contents, in their unit. Source: libs paper, equation 5."""
    return float(mean_absolute_error(y_true, y_pred))


def rpd(y_true, y_pred):
    """Ratio of performance to deviation: sample standard deviation of the contents over the RMSE.

    y_true, y_pred : (n_samples,) contents
    Returns a float: NaN for fewer than two samples; infinity for predictions without any error, NaN where the contents
    are all the same too. Source: Williams 1987.

    >>> print(round(rpd([1, 2, 3, 4], [1.5, 2, 3, 3.5]), 2))
    3.65
    """
    return _over_rmse(prediction_sd(y_true), y_true, y_pred)


def rpiq(y_true, y_pred):
    """Ratio of performance to interquartile range: third less first quartile of the contents, over the RMSE.

    y_true, y_pred : (n_samples,) contents
    A few large contents can raise R2 and RPD of a skewed property; RPIQ depends on them less.
    Returns a float, NaN or infinity where `rpd` is. Source: Bellon-Maurel et al. 2010.
    """
    if len(y_true) < 2:
        return float("nan")
    return _over_rmse(np.subtract(*np.percentile(y_true, [75, 25])), y_true, y_pred)


def _over_rmse(spread, y_true, y_pred):
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(spread, rmse(y_true, y_pred)))


def bias(y_true, y_pred):
    """Mean of prediction minus true content, (n_samples,) each, in their unit: positive where predicted too high."""
    return float(_errors(y_true, y_pred).mean())


def sep(y_true, y_pred):
    """Standard error of prediction: RMSE of (n_samples,) contents without the bias, in their unit."""
    return float(_errors(y_true, y_pred).std())


def _errors(y_true, y_pred):
    # By place: two Series would be subtracted by their indexes.
    return np.subtract(np.asarray(y_pred), np.asarray(y_true), dtype=float)


METRICS = {"r2": r2, "rmse": rmse, "mae": mae, "rpd": rpd, "rpiq": rpiq, "bias": bias, "sep": sep}


def scores(y_true, y_pred, names=("r2", "rmse", "rpd")):
    """Metrics of (n_samples,) contents: dict of name to float; names : keys of METRICS, in the order wanted."""
    return {name: METRICS[name](y_true, y_pred) for name in names}


def score_table(records, by, columns):
    """Scores as text, 'mean ± SD' over the rows of each group, without the SD where a group has one row.

    records : DataFrame, a row a fit; by : column or columns that name the groups, kept in their order
    columns : {column of the records: heading}
    Returns a DataFrame indexed by `by`; a cell is empty where a group has no value.
    """
    groups = records.groupby(by, sort=False)[list(columns)]
    mean, deviation = groups.mean(), groups.std(ddof=1)
    cells = {
        heading: [_mean_cell(*pair) for pair in zip(mean[name], deviation[name], strict=True)]
        for name, heading in columns.items()
    }
    return pd.DataFrame(cells, index=mean.index)


def _mean_cell(mean, deviation):
    spread = f" ± {deviation:.2g}" if np.isfinite(deviation) else ""
    return f"{mean:.3g}{spread}" if np.isfinite(mean) else ""


def prediction_sd(y_pred):
    """Sample standard deviation of (n_samples,) predicted contents, in their unit: how much predictions vary.

    It needs no true contents. It is not the uncertainty of a prediction.
    Returns a float, NaN for fewer than two samples. Source: mir paper, abstract, which does not define the term.
    """
    return float(np.std(np.asarray(y_pred, float), ddof=1)) if len(y_pred) > 1 else float("nan")


def relative_standard_deviation(predictions):
    """Repeatability: sample standard deviation of repeated predictions over their mean, in per cent.

    predictions : (..., n_repeats) contents predicted from repeated measurements of a sample
    Returns per cent (...). Raises ValueError for fewer than two repeats. Source: libs paper, equation 6.
    """
    predictions = np.asarray(predictions, dtype=float)
    if predictions.shape[-1] < 2:
        raise ValueError("a relative standard deviation needs at least two repeated predictions of a sample")
    return 100 * predictions.std(axis=-1, ddof=1) / predictions.mean(axis=-1)


def generalisation_gap(rmse_train, rmse_test):
    """RMSE of training minus RMSE of test, as published.

    A model that over-fits has the smaller error in training, so its gap is *negative*. The paper's text calls a higher
    value the greater over-fitting; compare magnitudes.
    Source: libs paper, equation 7.
    """
    return np.subtract(rmse_train, rmse_test)


def percentage_error(y_true, y_pred):
    """Error of each prediction in per cent of the true content.

    y_true, y_pred : arrays of contents that broadcast against each other
    Returns per cent, NaN where the true content is zero (an unspiked sample).
    Source: libs paper, figure 5.
    """
    y_true = np.asarray(y_true, dtype=float)
    return 100 * (np.asarray(y_pred, dtype=float) - y_true) / np.where(y_true == 0, np.nan, y_true)


def limit_of_detection(calibration_slope, blank_std):
    """Smallest content that can be distinguished from a blank: 3 s_blank / slope.

    calibration_slope : signal per ppm, > 0
    blank_std : standard deviation of repeated blanks, in the signal's unit
    Returns ppm. Raises ValueError for a slope that is not positive.
    Source: IUPAC 1997; libs paper, 'CNN regression prediction'.

    >>> print(limit_of_detection(calibration_slope=45, blank_std=120))
    8.0
    """
    if not np.all(np.asarray(calibration_slope) > 0):
        raise ValueError(f"the calibration slope must be positive, not {calibration_slope}")
    return 3 * np.asarray(blank_std) / calibration_slope


def fold_r2(y_true, predictions, splits):
    """R2 of every fold by itself, (n_splits,), NaN for a fold of one sample.

    Twelve samples in ten folds give eight NaN and two values of two samples each, so the study pools over a repeat.
    y_true : (n_rows,) contents
    predictions : (n_splits, n_rows), row i from the model trained on `splits.train[i]`
    """
    y_true = np.asarray(y_true)
    pairs = zip(np.asarray(predictions), splits.test, strict=True)
    return np.array([r2(y_true[test], y_pred[test]) for y_pred, test in pairs])
