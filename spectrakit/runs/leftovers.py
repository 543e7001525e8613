"""What runs have kept: how much, since when, and its removal."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from spectrakit.runs.parts import run_lock


@dataclass(frozen=True)
class KeptRun:
    """The kept parts of one run.

    folder : below that of all runs; n_bytes : of its files; days : since the last of them was written
    in_use : whether a process works on it
    """

    folder: Path
    n_bytes: int
    days: float
    in_use: bool


def kept_runs(folder):
    """The runs in a folder of all runs, an iterator of `KeptRun`, by command and age."""
    for command in sorted(path for path in Path(folder).glob("*") if path.is_dir()):
        runs = [_kept_run(path) for path in command.iterdir() if path.is_dir()]
        yield from sorted(runs, key=lambda run: run.days)


def remove_run(run):
    """Remove the parts of a run; ValueError where a process works on it."""
    try:
        with run_lock(run.folder).acquire(timeout=0):
            shutil.rmtree(run.folder)
    except Timeout:
        raise ValueError(f"{run.folder}: a process works on this run; stop it first") from None


def _kept_run(folder):
    stats = [path.stat() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"] or [folder.stat()]
    return KeptRun(
        folder=folder,
        n_bytes=sum(stat.st_size for stat in stats),
        days=(time.time() - max(stat.st_mtime for stat in stats)) / 86_400,
        in_use=_is_locked(folder),
    )


def _is_locked(folder):
    lock = run_lock(folder)
    if lock.is_locked:  # by this process
        return True
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
