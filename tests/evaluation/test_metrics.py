import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation import metrics
from spectrakit.evaluation.splits import repeated_folds

TRUE = np.array([0.0, 100.0, 200.0, 300.0])
PREDICTED = np.array([10.0, 90.0, 230.0, 290.0])  # errors 10, -10, 30, -10


BY_HAND = {
    "r2": 1 - 1200 / 50000,
    "rmse": np.sqrt(300),
    "mae": 15,
    "rpd": 129.0994449 / 17.3205081,
    "rpiq": (225 - 75) / np.sqrt(300),
    "bias": 5,
    "sep": np.sqrt(275),
}


def test_metrics_by_hand_in_the_order_asked_for():
    assert metrics.scores(TRUE, PREDICTED, metrics.METRICS) == pytest.approx(BY_HAND)
    assert list(metrics.scores(TRUE, PREDICTED, ("mae", "r2"))) == ["mae", "r2"]
    assert list(metrics.scores(TRUE, PREDICTED)) == ["r2", "rmse", "rpd"]
    assert metrics.bias(PREDICTED, TRUE) == pytest.approx(-5)
    assert metrics.prediction_sd(PREDICTED) == pytest.approx(np.sqrt((145**2 + 65**2 + 75**2 + 135**2) / 3))


def test_r2_of_the_mean_is_zero_and_below_it_negative():
    assert metrics.r2(TRUE, np.full(4, 150.0)) == pytest.approx(0)
    assert metrics.r2(TRUE, TRUE[::-1]) == pytest.approx(-3)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_columns_of_a_table_are_taken_by_place_whatever_their_index(name):
    columns = pd.Series(TRUE, index=[3, 2, 1, 0]), pd.Series(PREDICTED)
    assert metrics.METRICS[name](*columns) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize(
    ("name", "true", "predicted", "value"),
    [
        ("r2", [5.0], [4.0], np.nan),
        ("r2", [5.0, 5.0], [4.0, 4.0], np.nan),
        ("rpd", [5.0], [4.0], np.nan),
        ("rpd", [5.0, 5.0], [5.0, 5.0], np.nan),
        ("rpd", [5.0, 6.0], [5.0, 6.0], np.inf),
        ("rpiq", [5.0], [4.0], np.nan),
        ("rpiq", [5.0, 5.0], [5.0, 5.0], np.nan),
        ("rpiq", [5.0, 6.0], [5.0, 6.0], np.inf),
    ],
)
def test_metrics_are_nan_where_undefined_and_infinite_without_an_error_without_a_warning(
    name, true, predicted, value, recwarn
):
    assert metrics.METRICS[name](true, predicted) == pytest.approx(value, nan_ok=True)
    assert np.isnan(metrics.prediction_sd([5.0]))
    assert not recwarn


def test_relative_standard_deviation_uses_the_sample_deviation():
    repeats = np.array([[9.0, 10.0, 11.0], [90.0, 100.0, 110.0]])
    np.testing.assert_allclose(metrics.relative_standard_deviation(repeats), [10, 10])
    with pytest.raises(ValueError, match="at least two"):
        metrics.relative_standard_deviation([[1.0]])


def test_overfitting_makes_the_published_gap_negative():
    assert metrics.generalisation_gap(5.0, 40.0) == -35.0
    np.testing.assert_array_equal(metrics.generalisation_gap([1, 2], [2, 1]), [-1, 1])


def test_percentage_error_is_nan_for_an_unspiked_sample(recwarn):
    np.testing.assert_allclose(metrics.percentage_error(TRUE, PREDICTED), [np.nan, -10, 15, -10 / 3])
    assert not recwarn


def test_limit_of_detection():
    assert metrics.limit_of_detection(2.0, 4.0) == pytest.approx(6.0)
    for slope in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="slope must be positive"):
            metrics.limit_of_detection(slope, 4.0)


def test_pooled_r2_is_not_the_mean_of_fold_r2():
    splits = repeated_folds(12, n_repeats=1)
    y_true = np.arange(12.0)
    predictions = np.tile(y_true + 0.5, (10, 1))
    fold = metrics.fold_r2(y_true, predictions, splits)
    # The two folds of two samples are (6, 11) and (4, 10); the other eight hold one sample.
    np.testing.assert_allclose(fold[:2], [1 - 0.5 / 12.5, 1 - 0.5 / 18])
    assert np.isnan(fold[2:]).all()
    assert metrics.r2(y_true, splits.out_of_fold(predictions)[0]) == pytest.approx(1 - 12 * 0.25 / 143)


def test_a_heavy_tail_raises_r2_and_rpd_but_not_rpiq():
    # 90 contents of 0 to 20 and a tenth of 200 to 580, each with an error of 15.
    y_true = np.concatenate([np.linspace(0, 20, 90), np.linspace(200, 580, 10)])
    y_pred = y_true + 15 * (-1.0) ** np.arange(100)
    assert metrics.r2(y_true, y_pred) == pytest.approx(0.98448, abs=5e-6)
    assert metrics.rpd(y_true, y_pred) == pytest.approx(8.06745, abs=5e-6)
    assert metrics.rpiq(y_true, y_pred) == pytest.approx((16.685393 - 5.561798) / 15, abs=1e-6)


def test_bias_of_whole_numbers_is_not_rounded():
    assert metrics.bias(np.array([1, 2], np.uint8), np.array([0, 2], np.uint8)) == -0.5


def test_a_table_of_scores_gives_mean_and_deviation_where_there_are_several():
    records = pd.DataFrame({"model": ["pls", "mean", "pls"], "r2": [0.5, -1.1, 0.75], "bias": [np.nan, 1 / 3, np.nan]})
    table = metrics.score_table(records, "model", {"r2": "R2", "bias": "bias"})
    assert list(table.index) == ["pls", "mean"] and table["R2"].tolist() == ["0.625 ± 0.18", "-1.1"]
    assert table["bias"].tolist() == ["", "0.333"]
    two = metrics.score_table(records.assign(task="pH"), ["task", "model"], {"r2": "R2"})
    assert list(two.index) == [("pH", "pls"), ("pH", "mean")]
