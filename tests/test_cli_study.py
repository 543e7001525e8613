import json

import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.cli import terminal
from spectrakit.simulate.libs import experiment
from spectrakit.studies.libs import protocol as libs
from spectrakit.studies.libs import run as libs_record

STOPPED = ["spectrakit: stopped; the same command goes on with the tasks that are left"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder that the commands are given in: what they keep lies below it."""
    return tmp_path_factory.mktemp("place")


@pytest.fixture
def run(tiny_study, place, monkeypatch, command):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")
    return command


@pytest.fixture
def tasks_run(monkeypatch):
    """The tasks that are computed; from the number in its first place on, the user stops the run."""
    names, real = [], libs.run_task
    names_and_limit = {"names": names, "stop_at": None}

    def counted(soils, dataset, repeated, target, range_, *others):
        if len(names) == names_and_limit["stop_at"]:
            raise KeyboardInterrupt
        names.append((target, range_))
        return real(soils, dataset, repeated, target, range_, *others)

    monkeypatch.setattr(libs_record, "run_task", counted)
    return names_and_limit


@pytest.fixture
def nothing_started(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the run was started")

    for module, name in ((libs_record, "replicate"), (experiment, "measure")):
        monkeypatch.setattr(module, name, refuse)


@pytest.fixture
def record(run, place):
    """A record of the command, made once."""
    path = place / "made.json"
    if not path.exists():
        assert run("replicate", "libs", "-o", path)[0] == 0
    return path


def test_a_stopped_run_says_so_and_the_same_command_finishes_it(run, tasks_run, place):
    tasks_run["stop_at"] = 2
    code, out, err = run("replicate", "libs", "-o", "record.json")
    assert (code, out, err) == (130, [], STOPPED)
    assert not (place / "record.json").exists()
    assert len(list((place / ".spectrakit/runs/libs").rglob("*.json"))) == 2

    tasks_run.update(stop_at=None)
    code, out, err = run("replicate", "libs", "-o", "record.json")
    assert (code, err) == (0, [])
    assert tasks_run["names"] == list(libs.TASKS)  # each once: two before the stop, four after it
    assert "libs: scores by task and model" in out[0]
    assert sum(line.split("│")[1].strip() == "Ca high" for line in out if line.startswith("│")) == 5
    assert out[-1] == "record.json: 121 results of the quick profile, seed 0"
    assert out[-2].startswith("beside the paper: ")

    written = ledger.load_results("libs", place / "record.json")
    assert len(written["results"]) == 121
    assert written["provenance"]["profile"] == "quick"
    verdicts = ledger.ledger_frame("libs", written["results"])["verdict"].value_counts()
    assert out[-2] == "beside the paper: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())


def test_a_finished_run_is_shown_again_without_work(run, record, monkeypatch):
    def refuse(*_):
        raise AssertionError("a task was run again")

    monkeypatch.setattr(libs_record, "run_task", refuse)
    code, _, err = run("replicate", "libs", "-o", "again.json")
    assert (code, err) == (0, [])
    assert json.loads((record.parent / "again.json").read_text()) == json.loads(record.read_text())
    assert run("replicate", "libs")[0] == 0  # the record is written where it is asked for only


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
    code, out, err = run("replicate", "libs", "-o", tmp_path / "gone" / "record.json")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].endswith(f"there is no folder {tmp_path / 'gone'}; make it first")
    code, out, err = run("replicate", "libs", "-o", tmp_path)
    assert (code, out, err) == (2, [], [f"spectrakit: {tmp_path}: this is a folder; name a file"])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_record_as_it_was(run, record, tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    path.write_text("what was there")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", full)
    code, _, err = run("replicate", "libs", "-o", path)
    assert (code, err) == (2, ["spectrakit: no space left on device"])
    assert path.read_text() == "what was there"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("lips",),
        ("libs", "--profile", "full"),
        ("libs", "--seed", "-1"),
        ("libs", "--seed", "x"),
        ("libs", "--data", "."),
        ("gejiu", "--data", "gone"),
        ("libs", "--scheduler", "smoke://127.0.0.1:9"),
    ],
)
def test_wrong_options_give_code_2(run, nothing_started, arguments):
    code, _, err = run("replicate", *arguments)
    assert code == 2
    assert err and "Traceback" not in "\n".join(err)


def test_replicate_serves_the_gejiu_study(tiny_gejiu, place, monkeypatch, command):
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = command("replicate", "gejiu", "-o", "gejiu.json")
    assert (code, err) == (0, [])
    assert "gejiu: scores by task and model" in out[0]
    assert sum(line.split("│")[1].strip() == "Pb, log" for line in out if line.startswith("│")) == 5
    results = ledger.load_results("gejiu", place / "gejiu.json")["results"]
    verdicts = ledger.ledger_frame("gejiu", results)["verdict"].value_counts()
    assert out[-2] == "beside the paper: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    assert out[-1] == f"gejiu.json: {len(results)} results of the quick profile, seed 0"


def test_replicate_serves_the_mid_infrared_study(tiny_mir, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = command("replicate", "mir", "-o", "mir.json")
    assert (code, err) == (0, [])
    assert sum(line.split("│")[1].strip() == "carbon, new sites" for line in out if line.startswith("│")) == 4
    results = ledger.load_results("mir", tmp_path / "mir.json")["results"]
    assert out[-2] == f"mir.json: {len(results)} results of the quick profile, seed 0"
    file, words = out[-1].split(": ")
    assert words == "800 samples, measured and imputed" and len(pd.read_parquet(file)) == 800

    code, out, err = command("replicate", "mir", "--data", tmp_path)
    assert (code, out) == (2, [])
    assert err == ["spectrakit: --data: mir takes no measured spectra here, only gejiu does"]


def test_measured_spectra_that_are_not_there_give_one_line(tiny_gejiu, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    code, out, err = command("replicate", "gejiu", "--data", tmp_path)
    assert (code, out, len(err)) == (2, [], 1)
    assert str(tmp_path / "lucas") in err[0]
    code, out, err = command("replicate", "libs", "--data", tmp_path)
    assert (code, out) == (2, [])
    assert err == ["spectrakit: --data: libs takes no measured spectra here, only gejiu does"]
