import numpy as np
import pytest

from spectrakit.studies.libs.domains import TASKS


def test_a_run_has_six_tasks_and_reports_how_far_it_is(outcome, tiny_runs):
    assert list(outcome) == list(TASKS)
    calls = tiny_runs.calls["libs"]
    assert list(dict.fromkeys(words for words, _ in calls)) == [
        "spectra",
        *(f"{target.capitalize()} {range_}, repeat 1" for target, range_ in TASKS),
    ]
    assert ("Na high, repeat 1", pytest.approx((2 + 3 / 5) / 6)) in calls


def test_pinned_values_of_the_tiny_run(outcome):
    calcium = outcome["ca", "high"]
    scores = calcium.metrics.set_index("model")["r2"]
    assert scores["mean"] == pytest.approx(-0.184474, abs=1e-6)
    assert scores["RF"] == pytest.approx(0.708, abs=0.005)
    assert outcome["na", "low"].detection_limit == pytest.approx(1.94, rel=0.01)
    assert calcium.task.sample_id.tolist() == [f"S{i:02d}" for i in range(1, 13)]
    assert list(calcium.out_of_fold) == scores.index.tolist() == ["CNN", "RF", "BPNN", "PLS", "mean"]
    assert {values.shape for values in calcium.out_of_fold.values()} == {(1, 12)}
    assert calcium.maps.shape == (12, 66) and np.isfinite(calcium.repeatability).all()
