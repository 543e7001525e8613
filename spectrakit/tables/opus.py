"""Reads Bruker's OPUS files, one or a folder of them, as absorbance."""

import re
from pathlib import Path

import brukeropus
import numpy as np
import pandas as pd

from spectrakit.spectra import SpectralDataset, rows_on_another_scale
from spectrakit.tables.cells import files_at
from spectrakit.tables.rules import TableError

# Spectra in a file, the preferred one first: absorbance, reflectance, each also in OPUS' compact form.
_SPECTRA = ("a", "a_c", "r", "r_c")
_X_UNITS = ("WN", "MI", "LGW")  # wavenumber, micrometre, logarithm of the wavenumber
_FLOAT32 = 1  # as OPUS writes; the library reads every block as such, whatever its status says
_NUMBERED = re.compile(r"(.+)\.(\d+)")
_SAME_CHANNEL = 1e-3  # of a step, to which two axes may differ and count as one


def read_opus(path):
    """OPUS files as a `SpectralDataset` of absorbance, log10(1/R), in 1/cm, ascending.

    path : a file, or a folder that holds files name.0, name.1 ... at any depth

    The name of a file, without its number, is the sample_id, and the number the column `replicate`: OPUS counts up
    where a name is taken. `instrument` and `date` are what the file says. Where a file holds no absorbance, its
    reflectance is turned into it. The axis is that of the file with the widest step, as far as all files cover it;
    files with other channels are interpolated linearly, and the provenance says how many.

    Raises TableError, in one line with the file, for one that is not OPUS, is damaged or holds neither absorbance nor
    reflectance, for a sample that stands twice, and where no wavenumber is common to all.
    """
    path = Path(path)
    files = _files(path)
    axes, spectra, about = zip(*(_read(file) for file in files), strict=True)
    samples = pd.DataFrame(about)
    doubled = samples.duplicated(["sample_id", "replicate"], keep=False)
    if doubled.any():
        first, second = np.flatnonzero(doubled)[:2]
        raise TableError(f"{files[second]}: named as {files[first]}; rename one, or read the folders one by one")
    axis = _common_axis(path, axes)
    provenance = {"origin": "measured", "source": f"OPUS, {'folder' if path.is_dir() else 'file'} {path.name}"}
    n_interpolated = sum(not _holds(file_axis, axis) for file_axis in axes)
    if n_interpolated:
        provenance |= {"files interpolated to a common axis": n_interpolated}
    return SpectralDataset(
        spectra=np.stack([np.interp(axis, *spectrum) for spectrum in zip(axes, spectra, strict=True)]),
        axis=axis,
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame(index=range(len(files))),
        samples=samples,
        provenance=provenance,
    )


def _files(path):
    none = "no OPUS file in this folder; their names end in a number, as in soil.0"
    files = files_at(path, lambda file: _NUMBERED.fullmatch(file.name), none)
    return sorted(files, key=lambda file: (file.parent, *_name(file)))


def _name(file):
    """Sample and replicate by the name of a file: 'soil.1' gives ('soil', 1)."""
    numbered = _NUMBERED.fullmatch(file.name)
    return (numbered[1], int(numbered[2])) if numbered else (file.stem, 0)


def _read(file):
    """Axis, ascending, and absorbance of one file, both float64 (n_channels,), and what is known of the sample."""
    damaged = f"{file}: damaged OPUS file; copy it again, or measure the sample again"
    # The library raises whatever its parser meets in a file that is cut off.
    try:
        opus = brukeropus.read_opus(str(file))
    except Exception as error:
        raise TableError(damaged) from error
    if not opus:
        raise TableError(f"{file}: not an OPUS file; remove it, or read it as a table if it is one")
    key = next((key for key in _SPECTRA if key in opus.data_keys), None)
    if key is None:
        held = ", ".join(getattr(opus, key).label for key in opus.all_data_keys) or "no spectrum"
        raise TableError(f"{file}: neither absorbance nor reflectance but {held}; save it from OPUS with absorbance")
    data = getattr(opus, key)
    x_unit, y_format = (getattr(data.params, name, None) for name in ("dxu", "dpf"))
    if x_unit not in _X_UNITS or y_format != _FLOAT32:
        raise TableError(f"{file}: {data.label} over {x_unit} in format {y_format}; save it from OPUS over wavenumbers")
    if not np.isfinite(data.y).all():
        raise TableError(damaged)
    order = np.argsort(data.wn)
    values = data.y[order]
    if key.startswith("r"):
        values = _from_reflectance(values, file)
    sample_id, replicate = _name(file)
    day = data.datetime.date().isoformat() if data.datetime else None
    about = {"sample_id": sample_id, "replicate": replicate, "instrument": opus.ins, "date": day}
    return data.wn[order], values, about


def _from_reflectance(values, file):
    if rows_on_another_scale(values[None], "reflectance").any():
        raise TableError(f"{file}: fractions declared, but they look like percent; save it from OPUS with absorbance")
    if (values <= 0).any():
        raise TableError(f"{file}: reflectance of 0 or below has no absorbance; save it from OPUS with absorbance")
    return -np.log10(values)


def _common_axis(path, axes):
    """The channels of the file with the widest step that all files cover."""
    low, high = max(axis[0] for axis in axes), min(axis[-1] for axis in axes)
    coarsest = max(axes, key=lambda axis: np.diff(axis).mean())
    slack = _SAME_CHANNEL * np.diff(coarsest).mean()
    common = coarsest[(coarsest >= low - slack) & (coarsest <= high + slack)]
    if not len(common):
        raise TableError(f"{path}: no wavenumber that all {len(axes)} files cover; read them in groups that overlap")
    return common


def _holds(file_axis, axis):
    """Whether each channel of an axis is one of those of a file."""
    slack = _SAME_CHANNEL * np.diff(file_axis).mean()
    nearest = file_axis[np.clip(np.searchsorted(file_axis, axis - slack), 0, len(file_axis) - 1)]
    return bool((np.abs(nearest - axis) <= slack).all())
