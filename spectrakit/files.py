"""Writes a file or a folder whole or not at all."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    """A path to write a file to, which takes the place of `path` when the block ends without an error."""
    part = _beside(path)
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
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _beside(path):
    """A hidden name in the same folder, so that the finished file can be renamed; another for each process."""
    path = Path(path)
    return path.with_name(f".{path.name}.{os.getpid()}.part")
