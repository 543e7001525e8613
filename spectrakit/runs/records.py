"""Records of runs: results as the ledger takes them, and what made them."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit import __version__


def mean_of(values):
    """Mean, deviation and number of a Series over repeats, as the ledger takes a result: {value, sd, n}."""
    # One repeat has no deviation, and JSON no NaN.
    deviation = {"sd": float(values.std(ddof=1))} if len(values) > 1 else {}
    return {"value": float(values.mean()), **deviation, "n": len(values)}


def share_of(holds):
    """The share of repeats in which a statement holds, as the ledger takes a result; holds : bool (n_repeats,)."""
    return {"value": float(holds.mean()), "n": len(holds)}


def table_columns(table):
    """A DataFrame as {column: list} for JSON: five significant digits, null for what is not there."""
    return {name: [_plain(value) for value in column] for name, column in table.items()}


def _plain(value):
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def numbers_of(part, place=""):
    """The numbers of a finished part by their place, of arrays and of columns the mean: {'metrics.r2': 0.91}.

    part : dict, DataFrame, array or number, of these; what holds no numbers is left out, and so are times
    """
    if isinstance(part, np.ndarray | pd.Series):
        part = np.asarray(part, float).mean() if pd.api.types.is_numeric_dtype(part) and part.size else None
    if isinstance(part, dict | pd.DataFrame):
        names = {f"{place}.{name}" if place else str(name): name for name in part if "seconds" not in str(name)}
        return {key: number for at, name in names.items() for key, number in numbers_of(part[name], at).items()}
    is_number = isinstance(part, int | float | np.number) and np.isfinite(part)
    return {place or "value": float(part)} if is_number else {}


def record_of(results, profile_name, configuration, random_state):
    """The record of a run as data/recorded has it: provenance, and results by the ids of the ledger."""
    provenance = {
        "profile": profile_name,
        "config": configuration,
        "seed": random_state,
        "commit": current_commit(),
        "version": __version__,
    }
    return {"provenance": provenance, "results": results}


def current_commit(folder=Path(__file__).parent):
    """The commit of the checkout, marked where files differ from it; None outside a checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
