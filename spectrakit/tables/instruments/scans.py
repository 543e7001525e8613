"""Scans of single files: their names, their values as declared, and all of them on one axis as a dataset."""

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectrakit.spectra import SpectralDataset, rows_on_another_scale, unmeasured_channels, wrong_scale
from spectrakit.tables.rules import TableError

_SAME_CHANNEL = 1e-3  # of a step, to which two axes may differ and count as one
_NUMBERED = re.compile(r"(.+)\.(\d+)")


@dataclass(frozen=True)
class Scan:
    """One spectrum of a file.

    axis : float64 (n_channels,), ascending, in `axis_unit`; values : float64 (n_channels,), NaN where not measured
    signal : 'reflectance' (0-1) or 'absorbance'; instrument, date : as text, None where the file does not say
    """

    sample_id: str
    replicate: int
    axis: np.ndarray
    values: np.ndarray
    axis_unit: str
    signal: str
    instrument: str | None = None
    date: str | None = None


def scan_name(file):
    """Sample and number of its scan by the name of a file: 'soil.1' gives ('soil', 1), 'soil.asd' ('soil', 0)."""
    numbered = _NUMBERED.fullmatch(file.name)
    name, number = (numbered[1], int(numbered[2])) if numbered else (file.stem, 0)
    # Some systems write ö as two characters: o and its dots.
    return unicodedata.normalize("NFC", name).strip(), number


def ascending(axis, values):
    """An axis and its values in ascending order, both float64."""
    order = np.argsort(axis)
    return np.asarray(axis, float)[order], np.asarray(values, float)[order]


def in_order(file, axis, values):
    """An axis and its values as `ascending`; TableError where a channel stands twice, out of order or is no number."""
    steps = np.diff(axis)
    if not len(axis) or not np.isfinite(axis).all() or np.isinf(values).any() or (steps == 0).any():
        raise TableError(f"{file}: no channels, or one that stands twice or is no number; export it again")
    turns = np.sign(steps) != np.sign(steps[:1])
    if turns.any():
        raise TableError(
            f"{file}: its channels turn back at {axis[1:][turns][0]:g}, as where two detectors overlap; "
            "export it without overlap"
        )
    return ascending(axis, values)


def shown(text):
    """Text from a file as part of a message: small letters, on one line, no more than a few words."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text).lower()).split())[:40]


def as_declared(file, values, signal):
    """Values (n_channels,) of a signal as fractions or absorbance, NaN where they are a code for 'not measured'.

    signal : 'reflectance', 'percent-reflectance' or 'absorbance', as the file or its user declares
    Raises TableError for values on another scale, and where none is left.
    """
    values = np.array(values, float)
    if len(values):
        values[unmeasured_channels(values[None], signal)[0][0]] = np.nan
    if np.isnan(values).all():
        raise TableError(f"{file}: no channel holds a value that {signal} can have; export it again")
    if rows_on_another_scale(values[None], signal).any():
        words, _ = wrong_scale(signal)
        raise TableError(f"{file}: {signal} declared, but the scale is that of {words}; declare or export it so")
    return values / 100 if signal == "percent-reflectance" else values


def to_absorbance(reflectance, file):
    """log10(1/R) of reflectance (n_channels,); TableError for values that have none; file : for the message."""
    if (reflectance <= 0).any():
        raise TableError(f"{file}: reflectance of 0 or below has no absorbance; save the file with absorbance")
    return -np.log10(reflectance)


def as_dataset(path, scans, source):
    """Scans of one signal and unit as a `SpectralDataset` on the axis of the widest step, as far as all cover it.

    path : for messages; source : of the provenance, which counts the scans that were interpolated linearly
    Raises TableError where no channel is common to all.
    """
    axes = [scan.axis for scan in scans]
    axis = _common_axis(axes)
    if not len(axis):
        last, first = max(scans, key=lambda scan: scan.axis[0]), min(scans, key=lambda scan: scan.axis[-1])
        words = f"{first.sample_id} ends at {first.axis[-1]:g}, {last.sample_id} begins at {last.axis[0]:g}"
        raise TableError(
            f"{path}: no channel that all {len(axes)} files cover ({words}); read them in groups that overlap"
        )
    provenance = {"origin": "measured", "source": source}
    n_interpolated = sum(not _holds(file_axis, axis) for file_axis in axes)
    if n_interpolated:
        provenance |= {"files interpolated to a common axis": n_interpolated}
    about = ("sample_id", "replicate", "instrument", "date")
    return SpectralDataset(
        spectra=np.stack([np.interp(axis, scan.axis, scan.values) for scan in scans]),
        axis=axis,
        axis_unit=scans[0].axis_unit,
        signal=scans[0].signal,
        properties=pd.DataFrame(index=range(len(scans))),
        samples=pd.DataFrame([{name: getattr(scan, name) for name in about} for scan in scans]),
        provenance=provenance,
    )


def _common_axis(axes):
    """The channels of the file with the widest step that all files cover."""
    low, high = max(axis[0] for axis in axes), min(axis[-1] for axis in axes)
    coarsest = max(axes, key=_step)
    slack = _SAME_CHANNEL * _step(coarsest)
    return coarsest[(coarsest >= low - slack) & (coarsest <= high + slack)]


def _step(axis):
    return (axis[-1] - axis[0]) / max(len(axis) - 1, 1)


def _holds(file_axis, axis):
    """Whether each channel of an axis is one of those of a file."""
    slack = _SAME_CHANNEL * _step(file_axis)
    nearest = file_axis[np.clip(np.searchsorted(file_axis, axis - slack), 0, len(file_axis) - 1)]
    return bool((np.abs(nearest - axis) <= slack).all())
