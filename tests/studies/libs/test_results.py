from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.studies.libs import results as libs_results
from spectrakit.studies.libs.domains import TARGETS, TASKS
from spectrakit.studies.libs.protocol import MAIN_LINE_NM
from spectrakit.studies.libs.run import Outcome


def test_the_ledger_has_every_id_that_can_be_assessed_and_no_other(results, published):
    assessable = {
        name
        for name, entry in published["entries"].items()
        if entry["kind"] in ("result", "ordering", "line") and "unassessable" not in entry
    }
    assert set(results) == assessable
    assert sum(name.startswith("order.") for name in results) == 42
    verdicts = ledger.ledger_frame("libs", results)["verdict"]
    unanswered = verdicts[verdicts == "cannot be assessed"].index
    assert all(results[name]["value"] is None and results[name]["note"] for name in set(unanswered) & set(results))


def test_scores_of_the_ledger_are_those_of_the_cnn(outcome, results):
    for (target, range_), task in outcome.items():
        own = task.metrics[task.metrics["model"] == "CNN"]
        for metric in ("r2", "rmse", "mae"):
            assert results[f"{metric}.{target}.{range_}"] == {"value": own[metric].iloc[0], "n": 1}
        assert results[f"lod.{target}.{range_}"]["value"] == task.detection_limit
    lowest = min(results[f"r2.{target}.low"]["value"] for target in TARGETS)
    assert results["r2_min.low"]["value"] == lowest
    assert results["explained_min.low"]["value"] == 100 * lowest
    assert results["rsd_max.mg.low"]["value"] == outcome["mg", "low"].repeatability.max()


def made_by_hand(made):
    """The outcome of a task with scores, predictions and maps that are easily worked out; two repeats."""
    scores = {
        # r2, rmse, mae, gap of the first repeat and of the second
        "CNN": [(0.9, 3.0, 2.0, -1.0), (0.7, 5.0, 4.0, 2.0)],
        "RF": [(0.8, 4.0, 2.5, 3.0), (0.8, 4.0, 3.5, -0.1)],
        "BPNN": [(0.6, 6.0, 5.5, -2.0), (0.5, 7.0, 6.0, -0.5)],
    }
    rows = [(model, repeat, *row) for model, both in scores.items() for repeat, row in enumerate(both)]
    metrics = pd.DataFrame(rows, columns=["model", "repeat", "r2", "rmse", "mae", "gap"])
    content = np.array([0.0, 100, 200, 400])
    task = replace(made.task, content=content)
    predicted = np.array([[50.0, 110, 190, 400], [-50, 130, 200, 404]])
    maps = np.zeros_like(made.maps)
    maps[:, np.argmin(np.abs(task.wavelength - MAIN_LINE_NM[task.target]))] = 1
    repeatability = np.array([1e6, 2.0, 3.0, 7.0])
    return Outcome(task, metrics, {"CNN": predicted}, repeatability, 12.0, maps)


@pytest.fixture(scope="module")
def by_hand(outcome, published):
    made = {key: made_by_hand(task) for key, task in outcome.items()}
    return made, libs_results.ledger_results(made, published)


def test_orderings_are_shares_of_repeats(by_hand):
    expected = {
        "r2.cnn_highest": 0.5,
        "r2.rf_below_cnn": 0.5,
        "rmse.cnn_lowest": 0.5,
        "mae.cnn_lowest": 0.5,
        "rmse_minus_mae.cnn_smallest": 0.0,  # 1 and 1, beside 0.5 (BPNN) and 0.5 (RF)
        "gap.cnn_smallest": 0.5,  # by magnitude: 1 of 1, 3, 2; then 2 of 2, 0.1, 0.5
        "gap.rf_largest": 0.5,
    }
    found = {name: value for name, value in by_hand[1].items() if name.startswith("order.")}
    assert found == {
        f"order.{claim}.{target}.{range_}": {"value": share, "n": 2}
        for claim, share in expected.items()
        for target, range_ in TASKS
    }


def test_scores_of_repeats_have_their_mean_and_deviation(by_hand):
    found = by_hand[1]["rmse.mg.low"]
    assert found == {"value": 4.0, "sd": pytest.approx(2**0.5), "n": 2}


def test_soils_of_0_ppm_have_neither_percentage_error_nor_relative_deviation(by_hand):
    results = by_hand[1]
    assert results["error_max.ca.high"]["value"] == pytest.approx(30)
    # Medians over repeats: 20 % at 100 ppm, -2.5 % at 200 ppm, 0.5 % at 400 ppm.
    assert results["error_median.ca.high"]["value"] == pytest.approx(20)
    assert results["rsd.ca.high"] == {"value": 4.0, "n": 3}


def test_maps_on_the_line_are_told_from_chance(by_hand, published):
    made, results = by_hand
    # Channels within one resolution element of Ca 422.673 nm are at the window's end: 6 of 66.
    assert results["gradcam_p.ca.high"] == {
        "value": pytest.approx(6 / 66),
        "n": 12,
        "note": "share 1.00, by chance 0.09",
    }
    key = ("ca", "high")
    empty = made | {key: replace(made[key], maps=np.zeros_like(made[key].maps))}
    found = libs_results.ledger_results(empty, published)["gradcam_p.ca.high"]
    assert found == {"value": None, "note": "nothing to audit: every map is empty"}


def test_scores_of_all_repeats_are_shown(by_hand):
    records = libs_results.score_records(by_hand[0])
    assert len(records) == 36
    rows = records[(records["task"] == "Mg low") & (records["model"] == "CNN")]
    assert rows[list(libs_results.HEADINGS)].mean().to_dict() == {"r2": 0.8, "rmse": 4.0, "mae": 3.0, "gap": 0.5}


def test_lines_that_the_paper_names_have_their_strength(results, published):
    lines = [name for name, entry in published["entries"].items() if entry["kind"] == "line"]
    assert len(lines) == 26 and max(results[name]["value"] for name in lines) == 1
    assert results["line.na.na_588_99"] == {"value": 1.0} and results["line.na.c_589_40"] == {"value": 0.0}
