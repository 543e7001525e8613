"""Where the kit's own data files lie, in a checkout and in an installed package."""

import os
from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parents[1] / "data"


def data_path(*parts):
    """Path of a file of the kit's `data/` folder, for example `data_path("atomic", "lines.csv")`."""
    root = _PACKAGED if _PACKAGED.exists() else _CHECKOUT
    return root.joinpath(*parts)


def measured_folder():
    """The folder of measured tables that SPECTRAKIT_DATA names, or None where it is not set.

    Raises FileNotFoundError where it names no folder.
    """
    name = os.environ.get("SPECTRAKIT_DATA")
    if not name:
        return None
    folder = Path(name)
    if not folder.is_dir():
        raise FileNotFoundError(f"SPECTRAKIT_DATA={name}: there is no such folder; unset it or name one")
    return folder


def runs_folder():
    """The folder in which runs keep their finished parts: SPECTRAKIT_RUNS, else .spectrakit/runs in this folder."""
    return Path(os.environ.get("SPECTRAKIT_RUNS") or ".spectrakit/runs")


def profile_name():
    """The profile that SPECTRAKIT_PROFILE names: 'quick' where it is not set."""
    return os.environ.get("SPECTRAKIT_PROFILE") or "quick"
