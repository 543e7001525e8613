import json

import pytest

from spectrakit import ledger
from spectrakit.cli import terminal
from spectrakit.studies import study
from spectrakit.studies.libs import run as libs_run
from spectrakit.studies.libs.domains import TASKS
from tests.endings import STOPPED, done, refused


@pytest.fixture
def run(tiny_libs, tiny_gejiu, tiny_mir, tiny_runs, tmp_path, monkeypatch, command):
    """The command line in an empty folder; parts of studies cut down to seconds are in `tiny_runs.folder`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("SPECTRAKIT_RUNS", str(tiny_runs.folder))
    return command


@pytest.fixture
def tasks_run(monkeypatch):
    """The repeats that are computed; from the number in its first place on, the user stops the run."""
    names, real = [], libs_run.run_repeat
    names_and_limit = {"names": names, "stop_at": None}

    def counted(task, *others):
        if len(names) == names_and_limit["stop_at"]:
            raise KeyboardInterrupt
        names.append((task.target, task.range))
        return real(task, *others)

    monkeypatch.setattr(libs_run, "run_repeat", counted)
    return names_and_limit


@pytest.fixture
def nothing_started(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the run was started")

    for name in ("KeptParts", "Run"):
        monkeypatch.setattr(study, name, refuse)


@pytest.fixture
def record(run, tiny_runs, tmp_path):
    """A record of the command, from parts that are kept."""
    tiny_runs("libs")
    assert run("replicate", "libs", "-o", "made.json")[0] == 0
    return tmp_path / "made.json"


def test_a_stopped_run_says_so_and_the_same_command_finishes_it(run, tasks_run, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRAKIT_RUNS", str(tmp_path / "runs"))
    tasks_run["stop_at"] = 2
    assert run("replicate", "libs", "-o", "record.json") == (130, [], STOPPED)
    assert not (tmp_path / "record.json").exists()
    assert len(list((tmp_path / "runs" / "libs").rglob("*.zip"))) == 3  # the spectra, and two of the tasks

    tasks_run.update(stop_at=None)
    out = done(run, "replicate", "libs", "-o", "record.json")
    assert tasks_run["names"] == list(TASKS)  # each once: two before the stop, four after it
    assert out[-1] == "record.json: 121 results of the quick profile, seed 0"
    assert run("replicate", "libs")[0] == 0 and len(tasks_run["names"]) == 6  # a finished run is shown without work


def test_parts_of_a_record_are_computed_again_and_what_differs_is_named(run, record, tmp_path, monkeypatch):
    out = done(run, "ledger", "libs", "--results", record, "--verify", "--parts", 1, "-o", "verified.json")
    assert out[-1] == "0 differ by more than 1%; largest difference 0"
    found = json.loads((tmp_path / "verified.json").read_text())
    assert found["differ"] == 0 and found["numbers"] == 12 and len(found["parts"]) == 1
    changed = json.loads(record.read_text())
    (part,) = found["parts"]
    changed["parts"][part]["metrics.rmse"] *= 1.1
    record.write_text(json.dumps(changed))
    code, out, err = run("ledger", "libs", "--results", record, "--verify", "--parts", 1)
    assert (code, err) == (1, []) and out[-1].startswith("1 differ by more than 1%; largest difference 0.09")
    assert out[-2].startswith(f"  differs: {part}, metrics.rmse: recorded ")
    assert refused(run, "ledger", "gejiu", "--verify") == (
        "spectrakit: the record of gejiu does not keep what its parts gave; make it anew: "
        "spectrakit replicate gejiu --profile paper -o FILE"
    )


def verdict_line(name, results):
    verdicts = ledger.ledger_frame(name, results)["verdict"].value_counts()
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())


@pytest.mark.parametrize(
    ("name", "task", "n_models", "id_", "settings"),
    [
        ("libs", "Ca high", 5, "lod.ca.high", {"normalise", "scale", "cnn", "experiment"}),
        ("gejiu", "Pb, log", 5, "r2.pls_pb", {"network", "unknown_share", "domains"}),
        ("mir", "carbon, new sites", 4, "r2.om", {"network", "harmonised_by", "library"}),
    ],
)
def test_replicate_and_ledger_serve_every_study(run, tiny_runs, tmp_path, name, task, n_models, id_, settings):
    outcome = tiny_runs(name)
    out = done(run, "replicate", name, "-o", "record.json")
    assert f"{name}: scores by task and model" in out[0]
    assert sum(line.split("│")[1].strip() == task for line in out if line.startswith("│")) == n_models
    if name == "mir":
        assert out.pop() == f"{outcome['hybrid']['file']}: 800 samples, measured and imputed"
    record = ledger.load_results(name, tmp_path / "record.json")
    results, provenance = record["results"], record["provenance"]
    assert (provenance["profile"], provenance["seed"]) == ("quick", 0)
    assert set(provenance["config"]) == {"profile", *settings}
    assert out[-1] == f"record.json: {len(results)} results of the quick profile, seed 0"
    assert out[-2] == f"beside the paper: {verdict_line(name, results)}"

    out = done(run, "ledger", name, "--results", "record.json", "--full")
    (row,) = [line for line in out if line.startswith(f"│ {id_} ")]
    assert f"│ {ledger.ledger_frame(name, results).loc[id_, 'ours']} " in row
    assert f"{name}: published and ours" in "\n".join(out) and f"{name}: inside the paper" in "\n".join(out)


def test_the_bar_says_which_task_runs(monkeypatch):
    shown = []

    class Bar(terminal.Progress):
        def update(self, task, **values):
            super().update(task, **values)
            shown.append((self.tasks[task].description, self.tasks[task].percentage))

    monkeypatch.setattr(terminal, "Progress", Bar)
    with terminal.progress_bar("libs, quick profile") as progress:
        progress(1, 4)
        progress(0.5, 1, "libs, quick profile: Mg high")
    assert shown == [("libs, quick profile", 25), ("libs, quick profile: Mg high", 50)]


def test_a_record_that_could_not_be_written_is_refused_before_the_run(run, nothing_started, tmp_path):
    line = refused(run, "replicate", "libs", "-o", tmp_path / "gone" / "record.json")
    assert line.endswith(f"there is no folder {tmp_path / 'gone'}; make it first")
    assert refused(run, "replicate", "libs", "-o", tmp_path) == f"spectrakit: {tmp_path}: this is a folder; name a file"
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_record_as_it_was(run, record, tmp_path, monkeypatch):
    path = tmp_path / "there" / "record.json"
    path.parent.mkdir()
    path.write_text("what was there")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    code, _, err = run("replicate", "libs", "-o", path)
    assert (code, err) == (2, ["spectrakit: no space left on device"])
    assert path.read_text() == "what was there"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("libs", "--data", "."), "--data: libs takes no measured spectra"),
        (("mir", "--data", "."), "--data: mir takes no measured spectra"),
        (("gejiu", "--data", "gone"), "gone: there is no such folder of measured spectra"),
        (("libs", "--scheduler", "smoke://127.0.0.1:9"), "smoke://127.0.0.1:9: no Dask scheduler answers"),
    ],
)
def test_what_cannot_be_run_is_refused_before_the_run(run, nothing_started, arguments, message):
    assert refused(run, "replicate", *arguments).startswith(f"spectrakit: {message}")


def test_measured_spectra_that_are_not_there_give_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRAKIT_RUNS", str(tmp_path / "runs"))
    assert str(tmp_path / "lucas") in refused(run, "replicate", "gejiu", "--data", tmp_path)
