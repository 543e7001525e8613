"""Writes a file or a folder whole or not at all."""

import glob
import os
import platform
import shutil
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """A path to write a file to, which takes the place of `path` when the block ends without an error."""
    part = _beside(path)
    _remove_leftovers(path)
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(folder):
    """A folder to fill, which gets the name `folder` when the block ends without an error.

    Raises ValueError for a folder that exists or has no parent folder.
    """
    folder = Path(folder)
    if folder.exists():
        raise ValueError(f"{folder}: this exists already; name a new folder, or delete it first")
    if not folder.parent.is_dir():
        raise ValueError(f"{folder}: there is no folder {folder.parent}; make it first")
    part = _beside(folder)
    _remove_leftovers(folder)
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _beside(path):
    """A hidden name in the same folder, so that the finished file can be renamed; another for each process."""
    path = Path(path)
    return path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.part")


def _remove_leftovers(path):
    """Remove what processes of this machine that were killed have left of a file or folder."""
    path = Path(path)
    for part in path.parent.glob(f".{glob.escape(path.name)}.{glob.escape(platform.node())}.*.part"):
        number = part.name.split(".")[-2]
        if number.isdigit() and not _runs(int(number)):
            shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)


def _runs(process):
    """Whether a process of a number runs; elsewhere than on POSIX, where asking may end it, it is taken to."""
    if os.name != "posix" or process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
