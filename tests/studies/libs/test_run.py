import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.models.cnn import CNNConfig
from spectrakit.resources import data_path
from spectrakit.runs import former as finished
from spectrakit.runs.tasks import task_runner
from spectrakit.studies.libs import protocol as libs
from spectrakit.studies.libs import run as libs_record


@pytest.fixture(scope="module")
def outcomes(tiny_study, folder, calls):
    """A whole run, kept in `folder`."""
    return libs_record.replicate("quick", 0, folder, progress=lambda *call: calls.append(call))


@pytest.fixture(scope="module")
def published():
    return ledger.load_published("libs")


@pytest.fixture(scope="module")
def results(outcomes, published):
    return libs_record.ledger_results(outcomes, published)


@pytest.fixture
def tasks_run(monkeypatch):
    """The tasks that are computed from here on, by name."""
    names = []

    def counted(soils, dataset, repeated, target, range_, *others):
        names.append((target, range_))
        return libs.run_task(soils, dataset, repeated, target, range_, *others)

    monkeypatch.setattr(libs_record, "run_task", counted)
    return names


@pytest.fixture
def nothing_computed(monkeypatch):
    class Computed(Exception):
        pass

    def refuse(*_, **__):
        raise Computed

    monkeypatch.setattr(libs_record, "run_task", refuse)
    return Computed


def assert_identical(first, second):
    """Two runs to the last bit, types included."""
    assert list(first) == list(second)
    for key, one in first.items():
        other = second[key]
        for field in fields(one.task):
            assert_same_value(getattr(one.task, field.name), getattr(other.task, field.name))
        pd.testing.assert_frame_equal(one.metrics, other.metrics, check_exact=True)
        assert list(one.out_of_fold) == list(other.out_of_fold)
        for name in one.out_of_fold:
            assert_same_value(one.out_of_fold[name], other.out_of_fold[name])
        for name in ("repeatability", "detection_limit", "maps"):
            assert_same_value(getattr(one, name), getattr(other, name))


def assert_same_value(one, other):
    assert type(one) is type(other)
    assert np.asarray(one).dtype == np.asarray(other).dtype
    np.testing.assert_array_equal(one, other)


def test_a_run_has_six_tasks_and_tells_how_far_it_is(outcomes, calls):
    assert list(outcomes) == list(libs.TASKS)
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert list(dict.fromkeys(name for name, _ in calls)) == [
        "Ca high", "Mg high", "Na high", "Ca low", "Mg low", "Na low"
    ]  # fmt: skip
    assert ("Na high", pytest.approx((2 + 3 / 5) / 6)) in calls


def test_pinned_values_of_the_tiny_run(outcomes):
    outcome = outcomes["ca", "high"]
    scores = outcome.metrics.set_index("model")["r2"]
    assert scores["mean"] == pytest.approx(-0.184474, abs=1e-6)
    assert scores["RF"] == pytest.approx(0.708, abs=0.005)
    assert outcomes["na", "low"].detection_limit == pytest.approx(1.94, rel=0.01)
    assert outcome.task.sample_id.tolist() == [f"S{i:02d}" for i in range(1, 13)]


def test_what_was_kept_is_read_back_to_the_last_bit(outcomes, folder, nothing_computed):
    shares = []
    kept = libs_record.replicate("quick", 0, folder, progress=lambda task, share: shares.append(share))
    assert_identical(outcomes, kept)
    assert shares == [done / 6 for done in (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6)]


def test_a_run_without_a_folder_keeps_nothing(tiny_study, monkeypatch, tmp_path, outcomes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(libs_record, "run_task", lambda *arguments: outcomes[arguments[3], arguments[4]])
    libs_record.replicate("quick", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_run_goes_on_to_the_result_of_an_uninterrupted_one(outcomes, tmp_path, tasks_run):
    def stop_in_the_third_task(name, share):
        if share > 2 / 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        libs_record.replicate("quick", 0, tmp_path, progress=stop_in_the_third_task)
    assert tasks_run == list(libs.TASKS[:3])
    (run,) = tmp_path.iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["ca-high.json", "mg-high.json"]
    tasks_run.clear()
    resumed = libs_record.replicate("quick", 0, tmp_path)
    assert tasks_run == list(libs.TASKS[2:])
    assert_identical(outcomes, resumed)
    assert len(list(run.iterdir())) == 6


def test_a_cluster_gives_the_same(outcomes, tmp_path, monkeypatch, workers):
    weak_baselines, real = libs.baselines, libs_record._task_part

    def as_here(study, task, report):
        libs.baselines = weak_baselines  # what `tiny_study` has put there is not known to another process
        return real(study, task, report)

    monkeypatch.setattr(libs_record, "_task_part", as_here)
    monkeypatch.setattr(libs_record, "TASKS", libs.TASKS[::3])
    told = []
    with task_runner(workers.address) as runner:
        arguments = {"progress": lambda *call: told.append(call), "runner": runner}
        there = libs_record.replicate("quick", 0, tmp_path, **arguments)
        assert {words for words, _ in told} == {"Ca high", "Ca low"} and told[-1][1] == 1
        again = libs_record.replicate("quick", 0, tmp_path, **arguments)
    here = {task: outcomes[task] for task in libs.TASKS[::3]}
    assert_identical(here, there)
    assert_identical(here, again)
    (run,) = tmp_path.iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["ca-high.json", "ca-low.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"profile_name": "paper"},
        {"choices": libs.OpenChoices(cnn=CNNConfig(max_epochs=6))},
        {"choices": libs.OpenChoices(scale=False, cnn=CNNConfig(max_epochs=5))},
    ],
)
def test_what_another_configuration_kept_is_not_taken_up(outcomes, folder, tmp_path, nothing_computed, change):
    kept = shutil.copytree(folder, tmp_path / "runs")
    libs_record.replicate("quick", 0, kept)
    with pytest.raises(nothing_computed):
        libs_record.replicate(**{"profile_name": "quick", "random_state": 0, "folder": kept} | change)


@pytest.mark.parametrize("changed", ["spectrakit/training/plain.py", "atomic/lines.csv"])
def test_what_other_code_or_atomic_data_made_is_not_taken_up(
    outcomes, folder, tmp_path, monkeypatch, nothing_computed, changed
):
    kept = shutil.copytree(folder, tmp_path / "runs")
    shutil.copytree(finished.PACKAGE, tmp_path / "spectrakit", ignore=lambda _, names: {"__pycache__"} & set(names))
    shutil.copytree(data_path("atomic"), tmp_path / "atomic")
    monkeypatch.setattr(finished, "PACKAGE", tmp_path / "spectrakit")
    monkeypatch.setattr(libs_record, "data_path", lambda *parts: tmp_path.joinpath(*parts))
    libs_record.replicate("quick", 0, kept)
    with (tmp_path / changed).open("a") as file:
        file.write("\n")
    with pytest.raises(nothing_computed):
        libs_record.replicate("quick", 0, kept)


def test_what_cannot_be_is_refused_before_the_work(nothing_computed, tmp_path):
    with pytest.raises(ValueError, match="profile 'full': give one of quick, paper"):
        libs_record.replicate("full")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        libs_record.replicate("quick", 0, tmp_path / "file")


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


def test_scores_of_the_ledger_are_those_of_the_cnn(outcomes, results):
    for (target, range_), outcome in outcomes.items():
        own = outcome.metrics[outcome.metrics["model"] == "CNN"]
        for metric in ("r2", "rmse", "mae"):
            assert results[f"{metric}.{target}.{range_}"] == {"value": own[metric].iloc[0], "n": 1}
        assert results[f"lod.{target}.{range_}"]["value"] == outcome.detection_limit
    lowest = min(results[f"r2.{target}.low"]["value"] for target in libs.TARGETS)
    assert results["r2_min.low"]["value"] == lowest
    assert results["explained_min.low"]["value"] == 100 * lowest
    assert results["rsd_max.mg.low"]["value"] == outcomes["mg", "low"].repeatability.max()


def made_by_hand(outcome):
    """The outcome with scores, predictions and maps that are easily worked out; two repeats."""
    scores = {
        # r2, rmse, mae, gap of the first repeat and of the second
        "CNN": [(0.9, 3.0, 2.0, -1.0), (0.7, 5.0, 4.0, 2.0)],
        "RF": [(0.8, 4.0, 2.5, 3.0), (0.8, 4.0, 3.5, -0.1)],
        "BPNN": [(0.6, 6.0, 5.5, -2.0), (0.5, 7.0, 6.0, -0.5)],
    }
    rows = [(model, repeat, *row) for model, both in scores.items() for repeat, row in enumerate(both)]
    metrics = pd.DataFrame(rows, columns=["model", "repeat", "r2", "rmse", "mae", "gap"])
    content = np.array([0.0, 100, 200, 400])
    task = replace(outcome.task, content=content)
    predicted = np.array([[50.0, 110, 190, 400], [-50, 130, 200, 404]])
    maps = np.zeros_like(outcome.maps)
    maps[:, np.argmin(np.abs(task.wavelength - libs.MAIN_LINE_NM[task.target]))] = 1
    repeatability = np.array([1e6, 2.0, 3.0, 7.0])
    return libs.Outcome(task, metrics, {"CNN": predicted}, repeatability, 12.0, maps)


@pytest.fixture(scope="module")
def by_hand(outcomes, published):
    made = {key: made_by_hand(outcome) for key, outcome in outcomes.items()}
    return made, libs_record.ledger_results(made, published)


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
        for target, range_ in libs.TASKS
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


def test_maps_on_the_line_are_told_from_chance(by_hand, outcomes, published):
    made, results = by_hand
    # Channels within one resolution element of Ca 422.673 nm are at the window's end: 6 of 66.
    assert results["gradcam_p.ca.high"] == {
        "value": pytest.approx(6 / 66),
        "n": 12,
        "note": "share 1.00, by chance 0.09",
    }
    key = ("ca", "high")
    empty = made | {key: replace(made[key], maps=np.zeros_like(made[key].maps))}
    found = libs_record.ledger_results(empty, published)["gradcam_p.ca.high"]
    assert found == {"value": None, "note": "nothing to audit: every map is empty"}


def test_the_score_table_holds_means_over_repeats(by_hand):
    frame = libs_record.score_frame(by_hand[0])
    assert frame.index.name == "task" and len(frame) == 18
    row = frame.loc["Mg low"].set_index("model").loc["CNN"]
    assert row.to_dict() == {"r2": 0.8, "rmse": 4.0, "mae": 3.0, "gap": 0.5}


def test_lines_that_the_paper_names_are_looked_up_in_their_window(published):
    named = libs_record.published_lines(published)
    assert len(named) == 26 and set(named["window"]) == set(libs.TARGETS)
    found = libs_record.look_up_named_lines(
        "na", pd.DataFrame({"element": ["Na", "Na"], "wavelength_nm": [589.0, 420]})
    )
    assert found["strongest_nm"].iloc[0] == pytest.approx(588.995, abs=1e-3)
    assert found["relative_strength"].tolist() == [1, 0]
    strengths = libs_record.named_line_results(published)
    assert list(strengths) == [name for target in libs.TARGETS for name in named.loc[named["window"] == target, "id"]]
    assert max(entry["value"] for entry in strengths.values()) == 1


def test_a_record_is_what_the_ledger_reads(outcomes, published, results, tmp_path):
    record = libs_record.record(outcomes, published, "quick", 0)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record, allow_nan=False))
    assert ledger.load_results("libs", path) == record
    assert record["results"] == results
    provenance = record["provenance"]
    assert (provenance["profile"], provenance["seed"], provenance["version"]) == ("quick", 0, "0.1.0")
    assert provenance["config"]["profile"]["n_trees"] == 5
    assert provenance["config"]["cnn"]["max_epochs"] == 5
    assert provenance["config"]["normalise"] == "normalise_area"
    assert provenance["config"]["experiment"]["windows"]["na"] == [588.82, 589.99, 33]
