import os
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

from spectrakit.files import written_whole
from spectrakit.runs import KeptParts, kept_runs, remove_run

HOLDS = """
import sys, time
from spectrakit.runs import KeptParts
kept = KeptParts(sys.argv[1], "one")
kept.save("part", 1)
print("ready", flush=True)
time.sleep(float(sys.argv[2]))
kept.save("part", 2)
"""


WRITES = """
import sys, time
from spectrakit.files import written_whole
with written_whole(sys.argv[1]) as part:
    part.write_text("x")
    print("ready", flush=True)
    time.sleep(60)
"""


@contextmanager
def another(script, *arguments):
    """A process that has come so far as to say that it is ready; it is killed at the end, unless it has ended."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield
        process.kill()


def test_a_second_run_of_the_same_inputs_waits_and_takes_up_the_parts(tmp_path):
    with another(HOLDS, tmp_path, 1.5):
        start = time.monotonic()
        assert KeptParts(tmp_path, "other").load("part") is None
        assert time.monotonic() - start < 1
        assert KeptParts(tmp_path, "one").load("part") == 2


def test_a_run_that_was_killed_holds_up_nobody(tmp_path):
    folder = tmp_path / "transfer"
    with another(HOLDS, folder, 60):
        (run,) = kept_runs(tmp_path)
        assert run.in_use
        with pytest.raises(ValueError, match="a process works on this run; stop it first"):
            remove_run(run)
    assert KeptParts(folder, "one").load("part") == 1


def test_objects_of_one_process_share_a_run(tmp_path):
    first, second = KeptParts(tmp_path, "one"), KeptParts(tmp_path, "one")
    first.save("part", 3)
    assert second.load("part") == 3


def test_runs_are_listed_with_size_and_age_and_removed(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTRAKIT_RUNS", str(tmp_path / "runs"))
    for command, key, days in (("mir", "aa11", 3), ("transfer", "bb22", 10), ("transfer", "bc33", 0)):
        kept = KeptParts(tmp_path / "runs" / command, key)
        kept.save("part", np.zeros(100_000))
        when = time.time() - days * 86_400
        os.utime(kept.path("part"), (when, when))
    del kept
    code, out, err = run("runs")
    assert (code, err) == (0, [])
    assert [line.split() for line in out[:-1]] == [
        ["mir", "aa11", "0.8", "MB,", "3.0", "days", "old"],
        ["transfer", "bc33", "0.8", "MB,", "0.0", "days", "old"],
        ["transfer", "bb22", "0.8", "MB,", "10.0", "days", "old"],
    ]
    assert out[-1] == f"3 runs in {tmp_path / 'runs'}, 2.4 MB"
    assert run("runs", "--older-than", 5)[1] == ["1 of 3 runs removed, 0.8 MB"]
    assert run("runs", "--remove", "b") == (0, ["1 of 2 runs removed, 0.8 MB"], [])
    code, out, err = run("runs", "--remove", "b")
    assert (code, out) == (2, []) and err[0].startswith("spectrakit: --remove b: 0 runs with such a key")
    held = KeptParts(tmp_path / "runs" / "mir", "aa11")
    assert run("runs", "--all")[1] == ["0 of 1 run removed, 0.0 MB"]
    assert run("runs")[1][0].endswith(", in use")
    del held
    assert run("runs", "--all")[1] == ["1 of 1 run removed, 0.8 MB"]
    assert run("runs")[1] == [f"0 runs in {tmp_path / 'runs'}, 0.0 MB"]


def test_what_a_killed_process_left_of_a_file_is_removed(tmp_path):
    path = tmp_path / "table.csv"
    with another(WRITES, path), written_whole(path) as part:
        assert len(list(tmp_path.iterdir())) == 1  # that of a running process stays
        part.write_text("whole")
    assert len(list(tmp_path.iterdir())) == 2
    with written_whole(path) as part:
        part.write_text("again")
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"] and path.read_text() == "again"
