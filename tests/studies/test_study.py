import pickle
import shutil
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from types import SimpleNamespace

import cloudpickle
import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.runs.tasks import single_threaded
from spectrakit.studies import STUDIES, TOLERANCE, load_study
from spectrakit.studies.study import Inputs, Study

COUNTS = {
    "libs": {"n_repeats"},
    "gejiu": {"n_rounds", "n_experiment_rounds"},
    "mir": {"n_rounds"},
}


def changed(value):
    """Another value of the same kind."""
    if isinstance(value, tuple):
        return (*value, value[-1]) if value else ("another",)
    if is_dataclass(value):
        return replace(value, max_epochs=value.max_epochs + 1)
    return value + (1 if isinstance(value, int) else "x")


@pytest.mark.parametrize("name", STUDIES)
def test_parts_are_known_by_all_that_they_depend_on_and_not_by_how_many_there_are(name):
    study = load_study(name)
    profile = study.profiles["quick"]
    key = study.parts_key(profile, 0)
    others = {name: replace(profile, **{name: changed(value)}) for name, value in vars(profile).items()}
    assert {field for field, other in others.items() if study.parts_key(other, 0) == key} == COUNTS[name]
    fewer = replace(study, parts=dict(list(study.parts.items())[:1]))
    assert len({key, study.parts_key(profile, 1), fewer.parts_key(profile, 0)}) == 3


def test_parts_from_measured_spectra_are_known_by_the_files(tmp_path):
    study, folder = load_study("gejiu"), tmp_path / "lucas" / "deep"
    profile = study.profiles["quick"]
    folder.mkdir(parents=True)
    keys = [study.parts_key(profile, 0), study.parts_key(profile, 0, tmp_path)]
    for name, text in (("a.csv", "1"), ("a.csv", "2"), ("b.csv", "1")):
        (folder / name).write_text(text)
        keys.append(study.parts_key(profile, 0, tmp_path))
    (folder / "b.csv").rename(folder / "c.csv")
    keys.append(study.parts_key(profile, 0, tmp_path))
    assert len(set(keys)) == 6
    (tmp_path / "notes.txt").write_text("not read")
    assert study.parts_key(profile, 0, tmp_path) == keys[-1]


@dataclass(frozen=True)
class Sizes:
    n_rounds: int
    factor: int


computed = []


def domains_part(inputs, report):
    computed.append("domains")
    return {"data": inputs.data and inputs.data.name}


def round_part(inputs, round_, report):
    computed.append(round_)
    report(1, 2)
    return inputs.profile.factor * inputs.seed(round_)


def total_part(inputs, report):
    computed.append("total")
    return sum(inputs.parts[f"round-{round_}"] for round_ in range(inputs.profile.n_rounds))


@pytest.fixture
def study():
    """A study of a number a round; `computed` has the parts that were not kept."""
    computed.clear()
    return Study(
        name="sums",
        profiles={"quick": Sizes(2, 10), "paper": Sizes(3, 10)},
        counts=("n_rounds",),
        data_folders=("here", "there"),
        inputs=Inputs,
        parts={"domains": domains_part, "round": round_part, "total": total_part},
        plan=lambda profile, domains: [
            {f"round-{place}": (f"round {place + 1}", ("round", place), 1) for place in range(profile.n_rounds)},
            {f"total-{profile.n_rounds}": ("the sum", ("total",), 2)},
        ],
        outcome=lambda profile, parts: {"parts": parts, "total": parts[f"total-{profile.n_rounds}"]},
        results=SimpleNamespace(
            ledger_results=lambda outcome, published: {"total": {"value": outcome["total"]}},
            configuration=lambda outcome: {"data": outcome["parts"]["domains"]["data"]},
            tables=lambda outcome: {"rounds": pd.DataFrame({"round": [0.123456789]})},
            score_records=lambda outcome: pd.DataFrame({"task": "t", "model": ["a", "a", "b"], "r2": [0.5, 0.7, 0.1]}),
            HEADINGS={"r2": "R2"},
        ),
    )


def test_a_run_makes_its_parts_stage_by_stage_and_reports_on_the_way(study, tmp_path):
    calls = []
    outcome = study.run("quick", 5, tmp_path, progress=lambda *call: calls.append(call))
    assert outcome["total"] == 10 * (5 + 6) and computed == ["domains", 0, 1, "total"]
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert ("round 2", 1.5 / 4) in calls and calls[-1] == ("the sum", 1)


def test_more_rounds_take_up_the_fewer_and_another_seed_none(study, tmp_path):
    study.run("quick", 5, tmp_path)
    computed.clear()
    assert study.run("paper", 5, tmp_path)["total"] == 10 * (5 + 6 + 7) and computed == [2, "total"]
    computed.clear()
    study.run("paper", 5, tmp_path)
    assert computed == []
    study.run("quick", 6, tmp_path)
    assert computed == ["domains", 0, 1, "total"]


def test_a_run_without_a_folder_keeps_nothing(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study.run()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_run_is_refused_before_the_work(study, tmp_path):
    with pytest.raises(ValueError, match="study 'lips': give one of libs, gejiu, mir"):
        load_study("lips")
    with pytest.raises(ValueError, match="profile 'full': give one of quick, paper"):
        study.run("full")
    with pytest.raises(ValueError, match="gone: there is no such folder of measured spectra"):
        study.run(data=tmp_path / "gone")
    with pytest.raises(ValueError, match="--data: sums takes no measured spectra"):
        replace(study, data_folders=()).run(data=tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        study.run(folder=tmp_path / "file")
    assert computed == []


def test_a_record_has_provenance_results_and_rounded_tables(study):
    record = study.record(study.run("paper", 1), {}, "paper", 1)
    assert record["results"] == {"total": {"value": 10 * (1 + 2 + 3)}}
    assert record["extras"] == {"rounds": {"round": [0.12346]}}
    provenance = record["provenance"]
    assert (provenance["profile"], provenance["seed"]) == ("paper", 1)
    assert provenance["config"] == {"profile": {"n_rounds": 3, "factor": 10}, "data": None}


def test_scores_are_shown_by_task_and_model(study):
    frame = study.score_frame(None)
    assert frame.index.tolist() == ["t", "t"] and frame.index.name == "task"
    assert frame.to_dict("list") == {"model": ["a", "b"], "R2": ["0.6 ± 0.14", "0.1"]}


class Pickling:
    """A runner as that of a cluster: it sees of functions and tasks what their pickles hold, and has one thread."""

    def __call__(self, function, shared, tasks, folder):
        self.pickled = cloudpickle.dumps((function, list(tasks)))
        function, tasks = pickle.loads(self.pickled)
        for place, task in enumerate(tasks):
            yield place, single_threaded(partial(function, pickle.loads(cloudpickle.dumps(shared))), task)


@pytest.mark.parametrize(("name", "left"), [("libs", "na-low-0"), ("gejiu", "depths-0"), ("mir", "left_out-om-nordic")])
def test_a_stopped_run_goes_on_on_a_cluster_to_the_same_result(name, left, tiny_runs, request, tmp_path):
    whole = tiny_runs(name)
    request.getfixturevalue(f"tiny_{name}")
    (kept,) = (tiny_runs.folder / name).iterdir()
    shutil.copytree(kept, tmp_path / kept.name)
    (tmp_path / kept.name / f"{left}.zip").unlink()
    study, published, runner = load_study(name), ledger.load_published(name), Pickling()
    resumed = study.run("quick", 0, tmp_path, runner=runner)
    assert study.record(resumed, published) == study.record(whole, published)
    assert len(runner.pickled) < 10_000


def recorded(study, data=None):
    parts = study.finished_parts("paper", 5, data=data)
    return study.record(study.outcome(study.profiles["paper"], parts), {}, "paper", 5, parts, data is not None)


def test_a_record_keeps_the_numbers_of_its_parts_and_drawn_ones_are_computed_again_with_what_they_need(study):
    record = recorded(study)
    assert record["parts"] == {
        "round-0": {"value": 50.0},
        "round-1": {"value": 60.0},
        "round-2": {"value": 70.0},
        "total-3": {"value": 180.0},
    }
    computed.clear()
    only_total = record | {"parts": {"total-3": record["parts"]["total-3"]}}
    compared = study.verify(only_total)
    assert compared.values.tolist() == [["total-3", "value", 180.0, 180.0]]
    assert computed == ["domains", "total", 0, 1, 2]  # the part that was drawn, then what it asks for
    record["parts"]["total-3"] = {"value": 200.0, "gone": 1.0}
    found, differ = ledger.verification(record, study.verify(record, 4), TOLERANCE)
    assert (found["numbers"], found["differ"]) == (5, 2)
    assert differ["number"].tolist() == ["value", "gone"]


def test_a_record_without_its_parts_and_one_from_other_spectra_are_refused(study, tmp_path):
    (tmp_path / "here").mkdir()
    with pytest.raises(ValueError, match=r"make it anew: spectrakit replicate sums --profile paper -o FILE"):
        study.verify(recorded(study) | {"parts": {}})
    with pytest.raises(ValueError, match="was made from measured spectra; name their folder with --data"):
        study.verify(recorded(study, tmp_path))
    with pytest.raises(ValueError, match="was made from simulated spectra; leave out --data"):
        study.verify(recorded(study), data=tmp_path)
