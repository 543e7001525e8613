"""Writes a file or a folder whole or not at all."""

import errno
import glob
import os
import platform
import shutil
from contextlib import contextmanager
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_RIGHT = (errno.EROFS, errno.EACCES, errno.EPERM)


def why_not_written(error):
    """One line on a file that the system does not let write or read, with what to do."""
    place = f"{error.filename}: " if error.filename else ""
    if error.errno in _NO_ROOM:
        return f"{place}no room left on the disk; free some and run the command again: what is finished is kept"
    if error.errno in _NO_RIGHT:
        return f"{place}this place may not be written or read; choose another (for kept runs: set SPECTRAKIT_RUNS)"
    return f"{place}{error.strerror or error}"


@contextmanager
def _named(path, part):
    """Gives an error of the block that names no file, or the hidden one, the name of `path`."""
    try:
        yield
    except OSError as error:
        if error.errno is None or str(error.filename or part) != str(part):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


@contextmanager
def written_whole(path):
    """A path to write a file or a folder to, which takes the place of `path` when the block ends without an error."""
    part = _beside(path)
    _remove_leftovers(path)
    try:
        with _named(path, part):
            yield part
            os.replace(part, path)
    finally:
        _remove(part)


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
    with written_whole(folder) as part:
        part.mkdir()
        yield part


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
            _remove(part)


def _remove(part):
    shutil.rmtree(part, ignore_errors=True) if part.is_dir() else part.unlink(missing_ok=True)


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
