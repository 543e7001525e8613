from math import ceil

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, norm
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict

from spectrakit.evaluation.intervals import (
    LEVELS,
    ConformalIntervals,
    coverage_table,
    gaussian_intervals,
    held_out_intervals,
    pooled_promise,
    pooled_threshold,
    sample_threshold,
)

# Three laboratories of 2, 4 and 4 samples: a sample of theirs weighs 1/6, 1/12 and 1/12.
SCORES = np.array([1.0, 10.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
LABORATORY = np.repeat(["a", "b", "c"], [2, 4, 4])


def carbon(n, random_state):
    """Contents in g/kg with a heavy tail, and predictions whose error is 1 g/kg and a tenth of the content."""
    random = np.random.default_rng(random_state)
    y_pred = np.clip(np.exp(random.normal(2.5, 1.2, n)), 0, 500)
    sd = 1 + 0.1 * y_pred
    return np.clip(y_pred + sd * random.standard_normal(n), 0, 580), y_pred, sd


def laboratories(random, sizes, bias_sd):
    """Errors of samples of laboratories that each have a bias: (n,) errors and (n,) laboratories."""
    laboratory = np.repeat(np.arange(len(sizes)), sizes)
    return random.normal(0, bias_sd, len(sizes))[laboratory] + random.standard_normal(len(laboratory)), laboratory


def in_new_laboratories(threshold, bias_sd):
    """Share of the errors of all laboratories to come that are below the threshold, exactly."""
    return 2 * norm.cdf(threshold / np.hypot(1, bias_sd)) - 1


@pytest.mark.parametrize("n", [20, 24, 49, 74, 99, 199, 1000])
def test_the_threshold_is_the_score_of_rank_n_plus_1_times_level(n):
    scores = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    ranks = [ceil((n + 1) * percent / 100) for percent in (68, 90, 95)]
    assert [sample_threshold(scores, level) for level in LEVELS] == ranks
    if n == 99:
        assert ranks == [68, 90, 95]


def test_too_few_samples_for_a_level_say_how_many_are_needed():
    assert sample_threshold(np.arange(20.0), 0.95) == 19
    with pytest.raises(ValueError, match="19 samples to calibrate: intervals of 95 % need at least 20"):
        sample_threshold(np.arange(19.0), 0.95)


# Weights in the order of the scores, in twelfths: 2 (a), 1 x 4 (b), 1 x 4 (c), 2 (a).
@pytest.mark.parametrize(("level", "threshold"), [(2 / 12, 1), (6 / 12, 5), (0.51, 6), (10 / 12, 9), (0.84, 10)])
def test_thresholds_of_groups_by_hand_whatever_the_order_of_samples_and_the_names_of_groups(level, threshold):
    assert pooled_threshold(SCORES, level, LABORATORY) == threshold
    order, renamed = np.random.default_rng(1).permutation(10), np.repeat(["z", "y", "x"], [2, 4, 4])
    assert pooled_threshold(SCORES[order], level, renamed[order]) == threshold


def test_intervals_have_the_half_widths_that_mapie_gives():
    """Numbers of MAPIE 1.6: split conformal, split conformal by a normalised residual, leave-one-group-out."""
    y_true, y_pred, sd = carbon(500, 0)
    everywhere = ConformalIntervals(limits=(-np.inf, np.inf))
    plain = clone(everywhere).fit(y_true[:400], y_pred[:400])
    np.testing.assert_allclose(plain.thresholds_, [2.14982963397, 5.899504458318, 9.232802128641])
    normalised = clone(everywhere).fit(y_true[:400], y_pred[:400], sd[:400])
    np.testing.assert_allclose(normalised.thresholds_, [0.893383623444, 1.524148363645, 1.813985613893])
    table = coverage_table(y_true[400:], normalised.predict(y_pred[400:], sd[400:]))
    np.testing.assert_allclose(table["coverage"], [0.65, 0.86, 0.93])
    np.testing.assert_allclose(table["mean_width"], [6.221595054266, 10.614291187324, 12.632740994731])

    random, laboratory = np.random.default_rng(3), np.repeat(np.arange(6), 40)
    X = random.standard_normal((240, 5))
    y = X @ np.arange(5.0) + random.normal(0, 0.5, 6)[laboratory] + random.standard_normal(240)
    left_out = cross_val_predict(Ridge(), X, y, groups=laboratory, cv=LeaveOneGroupOut())
    crossed = clone(everywhere).fit(y, left_out)
    np.testing.assert_allclose(crossed.thresholds_, [1.076167822368, 1.781376041373, 2.036430529804])


def half_covered(y_true, y_pred, spread, groups=None, **settings):
    """Coverage, level by level and group by group, of the second half of samples: the first calibrates intervals."""
    known, new = slice(0, len(y_true) // 2), slice(len(y_true) // 2, None)
    parts = (None, None) if spread is None else (spread[known], spread[new])
    intervals = ConformalIntervals(**settings).fit(y_true[known], y_pred[known], parts[0])
    bounds = intervals.predict(y_pred[new], parts[1])
    return coverage_table(y_true[new], bounds, intervals.levels, groups)["coverage"]


def test_coverage_of_heteroscedastic_contents_is_binomial():
    y_true, y_pred, sd = carbon(4000, 4)
    for log_offset, spread in ((None, None), (1.0, None), (None, sd), (1.0, sd / (1 + y_pred))):
        covered = 2000 * half_covered(y_true, y_pred, spread, log_offset=log_offset, limits=(0, 580))
        # The threshold's own scatter adds as much variance again as the 2,000 samples.
        beyond = 3 * np.sqrt(2 * binom.var(2000, LEVELS))
        assert (np.abs(covered - 2000 * np.array(LEVELS)) < beyond).all()


def test_intervals_that_grow_with_the_content_cover_small_and_large_ones():
    y_true, y_pred, sd = carbon(6000, 5)
    size = np.digitize(y_pred[3000:], [5, 20, 60])
    plain, by_spread, by_logarithm = (
        half_covered(y_true, y_pred, spread, size, levels=(0.9,), log_offset=log_offset)[1:]
        for log_offset, spread in ((None, None), (None, sd), (10.0, None))
    )
    assert plain.iloc[0] == 1 and plain.iloc[-1] < 0.5
    assert np.abs(by_spread - 0.9).max() < 0.03
    assert np.abs(by_logarithm - 0.9).max() < 0.05


def test_limits_cost_no_coverage():
    y_true, y_pred, _ = carbon(2000, 6)
    y_pred = y_pred - 5  # some predictions below zero, as those of PLS
    free = ConformalIntervals(limits=(-np.inf, np.inf)).fit(y_true, y_pred)
    held = clone(free).set_params(limits=(0, 580)).fit(y_true, y_pred)
    wide, bounds = free.predict(y_pred), held.predict(y_pred)
    cut = np.clip(wide, 0, 580)
    pd.testing.assert_frame_equal(
        coverage_table(y_true, wide)[["level", "coverage"]], coverage_table(y_true, cut)[["level", "coverage"]]
    )
    assert (wide[:, 0] < 0).any()
    assert bounds.min() == 0 and bounds.max() <= 580
    assert (held.thresholds_ <= free.thresholds_).all()


@pytest.mark.parametrize(
    ("offset", "highest", "y_true", "y_pred", "factor", "predictions", "bounds"),
    [
        # Scores ln 1, ln 2, ln 4; the second is that of rank 2.
        (10.0, 100, [10, 30, 70.0], 10.0, 2, [30, 0, 90.0], [[10, 70], [0, 10], [40, 100]]),
        # Predictions outside the limits count as at the limit.
        (1.0, 580, [1, 3, 7.0], -5.0, 4, [-9.0, 900], [[0, 3], [581 / 4 - 1, 580]]),
    ],
)
def test_log_intervals_by_hand(offset, highest, y_true, y_pred, factor, predictions, bounds):
    intervals = ConformalIntervals(levels=(0.5,), log_offset=offset, limits=(0, highest)).fit(y_true, [y_pred] * 3)
    np.testing.assert_allclose(intervals.thresholds_, np.log(factor))
    np.testing.assert_allclose(intervals.predict(predictions)[:, :, 0], bounds, atol=1e-12)


def test_a_laboratory_effect_breaks_the_plain_guarantee_and_the_pooled_one_holds():
    """Coverage in laboratories to come, over 400 draws of 8, one of which holds as many samples as 20 others."""
    random, bias_sd, sizes = np.random.default_rng(7), 2.0, [1000] + [50] * 7
    coverage = {"plain": [], "pooled": []}
    for _ in range(400):
        errors, laboratory = laboratories(random, sizes, bias_sd)
        for name, threshold in (("plain", sample_threshold), ("pooled", pooled_threshold)):
            coverage[name].append(in_new_laboratories(threshold(np.abs(errors), 0.9, laboratory), bias_sd))
    coverage = {name: np.mean(values) for name, values in coverage.items()}
    assert coverage == pytest.approx({"plain": 0.8183, "pooled": 0.8833}, abs=1e-4)
    assert pooled_promise(0.9, 8) == pytest.approx(0.8) and pooled_promise(1, 8) == pytest.approx(8 / 9)
    assert 0.8 <= coverage["pooled"] <= (0.9 * 8 + 1) / 9 + 1 / (9 * 50)


def test_marginal_coverage_hides_a_laboratory_that_is_not_covered():
    random = np.random.default_rng(8)
    bias = np.array([0, 0, 0, 0, 0, 0, 0, 4.0])
    laboratory = np.repeat(np.arange(8), [1000] + [50] * 7)
    errors = np.tile(bias[laboratory], 2) + random.standard_normal(2 * len(laboratory))
    wide = {"limits": (-np.inf, np.inf), "levels": (0.9,)}
    of_all, *_, of_the_last = half_covered(errors, np.zeros_like(errors), None, laboratory, **wide)
    # Three standard deviations of 1,350 samples beside a threshold from as many.
    assert of_all == pytest.approx(0.9, abs=3 * np.sqrt(2 * 0.09 / 1350)) and of_the_last < 0.1


def test_each_laboratory_held_out_is_calibrated_by_the_others():
    y_true = np.array([1.0, 2, 3, 10, 20, 30, 100, 200, 300])
    laboratory = np.repeat(["a", "b", "c"], 3)
    intervals = ConformalIntervals(pooled_threshold, (0.99,), limits=(-np.inf, np.inf))
    bounds = held_out_intervals(intervals, y_true, np.zeros(9), laboratory)
    np.testing.assert_array_equal(bounds[:, 1, 0], [300] * 6 + [30] * 3)
    assert not hasattr(intervals, "thresholds_")


def test_coverage_table_by_hand():
    y_true = np.array([0.0, 1, 2, 3])
    bounds = np.array([[[-1, 0], [1, 2]], [[2, 1], [3, 3]], [[0, 0], [2, 4]], [[0, 0], [1, 8]]], float)
    table = coverage_table(y_true, bounds, (0.5, 0.9), ["x", "y", "x", "x"])
    assert list(table["group"]) == ["all", "x", "y"] * 2
    assert list(table["level"]) == [0.5] * 3 + [0.9] * 3
    assert list(table["n_samples"]) == [4, 3, 1] * 2
    np.testing.assert_allclose(table["coverage"], [0.5, 2 / 3, 0, 1, 1, 1])
    np.testing.assert_allclose(table["mean_width"], [1.5, 5 / 3, 1, 4, 14 / 3, 2])
    np.testing.assert_allclose(table["median_width"], [1.5, 2, 1, 3, 4, 2])
    assert list(coverage_table(y_true, bounds, (0.5, 0.9))["group"]) == ["all", "all"]


def test_gaussian_intervals_cover_what_the_standard_deviation_is_worth():
    _, y_pred, sd = carbon(5000, 9)
    y_true = y_pred + sd * np.random.default_rng(10).standard_normal(5000)
    for factor in (1, 3):
        bounds = gaussian_intervals(y_pred, sd / factor, limits=(-np.inf, np.inf))
        expected = 2 * norm.cdf(norm.ppf((1 + np.array(LEVELS)) / 2) / factor) - 1
        np.testing.assert_allclose(coverage_table(y_true, bounds)["coverage"], expected, atol=0.02)
    bounds = gaussian_intervals([100.0, 1.0], [10.0, 10.0], (0.95,))
    np.testing.assert_allclose(bounds[:, :, 0], [[80.400360, 119.599640], [0, 20.599640]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"levels": (0.9, 90)}, r"levels \(0.9, 90\): give shares between 0 and 1"),
        ({"y_true": [1.0, 2]}, "inconsistent numbers of samples"),
        ({"y_true": [1.0, np.nan] * 10}, "y_true contains NaN"),
        ({"y_true": [1.0, 700] * 10}, r"10 measured contents outside the limits \(0, 580\)"),
        ({"y_pred": [1.0, np.inf] * 10}, "y_pred contains infinity"),
        ({"spread": [1.0, 0] * 10}, "10 spreads are not positive: add the smallest error"),
        ({"spread": [1.0] * 19}, "inconsistent numbers of samples"),
        ({"log_offset": 0.0}, "a log_offset of 0: give more than 0"),
        ({"threshold": pooled_threshold}, "give the group, such as the laboratory"),
        ({"threshold": pooled_threshold, "groups": ["a", None] * 10}, "10 samples have no group"),
        ({"threshold": pooled_threshold, "groups": ["a"] * 19}, "inconsistent numbers of samples"),
    ],
)
def test_bad_input_is_named(arguments, message):
    settings = {"limits": (0, 580)} | {k: v for k, v in arguments.items() if k in ("levels", "log_offset", "threshold")}
    data = {"y_true": np.arange(20.0), "y_pred": np.arange(20.0)}
    data |= {k: v for k, v in arguments.items() if k not in settings}
    with pytest.raises(ValueError, match=message):
        ConformalIntervals(**settings).fit(**data)


def test_a_spread_is_given_to_both_or_to_neither():
    y = np.arange(20.0)
    for spread_of_fit, spread in ((None, y + 1), (y + 1, None)):
        with pytest.raises(ValueError, match="give predict a spread where fit had one"):
            ConformalIntervals().fit(y, y + 1, spread_of_fit).predict(y, spread)


def test_intervals_of_another_shape_are_named():
    with pytest.raises(ValueError, match=r"intervals are \(2, 2, 1\), 2 samples at 3 levels"):
        coverage_table([1.0, 2.0], np.zeros((2, 2, 1)))
