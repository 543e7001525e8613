"""Do commands on a full disk, or in a place that may not be written, say so and leave what was there whole?"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from spectrakit.files import why_not_written, written_whole
from spectrakit.simulate.soils import simulate_gejiu
from spectrakit.tables import write_table

# As on a full disk, no file grows beyond some bytes; the system then gives an error and not a signal.
LIMITED = """
import resource, sys
from spectrakit.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
main(sys.argv[2:])
"""
NO_ROOM = "no room left on the disk; free some and run the command again: what is finished is kept\n"


def limited(n_bytes, folder, *command):
    environment = os.environ | {"SPECTRAKIT_RUNS": str(folder / "runs"), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    arguments = [sys.executable, "-c", LIMITED, str(n_bytes), *command]
    run = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True)
    return run.returncode, run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of a file's size is one of POSIX")
def test_a_full_disk_is_named_and_what_was_there_stays_whole(tmp_path):
    (tmp_path / "soils.csv").write_text("earlier")
    code, err = limited(50_000, tmp_path, "simulate", "gejiu", "-n", "20", "-o", "soils.csv")
    assert (code, err) == (2, f"spectrakit: soils.csv: {NO_ROOM}")
    assert (tmp_path / "soils.csv").read_text() == "earlier" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the limit of a file's size is one of POSIX")
def test_a_run_whose_parts_find_no_room_goes_on_once_there_is_some(tmp_path):
    write_table(simulate_gejiu(24), tmp_path / "soils.csv")
    command = ("transfer", "soils.csv", "--target", "ph", "--rounds", "1", "-o", "scores.json")
    code, err = limited(200, tmp_path, *command)
    assert code == 2 and err.endswith(f"mean-0.zip: {NO_ROOM}") and err.count("\n") == 1
    assert not (tmp_path / "scores.json").exists() and not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, NO_ROOM.strip()),
        (errno.EROFS, "this place may not be written or read; choose another (for kept runs: set SPECTRAKIT_RUNS)"),
        (errno.EISDIR, "Is a directory"),
    ],
)
def test_the_file_that_was_to_be_written_is_named(tmp_path, number, words):
    with pytest.raises(OSError) as fault, written_whole(tmp_path / "a.csv") as part:
        raise OSError(number, os.strerror(number), str(part))
    assert why_not_written(fault.value) == f"{tmp_path / 'a.csv'}: {words}"


def test_a_place_that_may_not_be_written_is_refused_before_any_work(run, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    code, out, err = run("replicate", "libs", "-o", "record.json")
    assert (code, out, err) == (2, [], ["spectrakit: record.json: you may not write into its folder; choose another"])
