"""Reads the files of Bruker's OPUS as absorbance."""

import brukeropus
import numpy as np

from spectrakit.tables.instruments.scans import Scan, as_declared, in_order, scan_name, shown, to_absorbance
from spectrakit.tables.rules import TableError

# What a block may hold, the preferred first: absorbance, log(1/R), which is the same, and reflectance.
_ABSORBANCE, _LOG_REFLECTANCE, _REFLECTANCE = 4, 15, 12
_X_UNITS = ("WN", "MI", "LGW")  # wavenumber, micrometre, logarithm of the wavenumber
_FLOAT32 = 1  # as OPUS writes; the library reads every block as such, whatever its status says


def opus_scan(file):
    """The absorbance of one OPUS file, or what its reflectance makes of it, as a `Scan`, in 1/cm.

    Of a name such as soil.2, OPUS counts up the number where the name is taken. `instrument` and `date` are what the
    file says. Derivatives are not read.
    Raises TableError, in one line with the file, for one that is not OPUS, is damaged, or holds several spectra or
    neither absorbance nor reflectance.
    """
    damaged = f"{file}: damaged OPUS file; copy it again, or measure the sample again"
    # The library raises whatever its parser meets in a file that is cut off.
    try:
        opus = brukeropus.read_opus(str(file))
    except Exception as error:
        raise TableError(damaged) from error
    if not opus:
        raise TableError(f"{file}: not an OPUS file; remove it, or read it as a table if it is one")
    data = _spectrum(file, opus)
    x_unit, y_format = (getattr(data.params, name, None) for name in ("dxu", "dpf"))
    if x_unit not in _X_UNITS:
        raise TableError(f"{file}: {data.label} is over {shown(x_unit)}; save it from OPUS over wavenumbers")
    if y_format != _FLOAT32:
        raise TableError(f"{file}: {data.label} is not stored as single precision; save it from OPUS as a new file")
    if not np.isfinite(data.y).all():
        raise TableError(damaged)
    axis, values = in_order(file, data.wn, data.y)
    if data.block.type[3] == _REFLECTANCE:
        values = to_absorbance(as_declared(file, values, "reflectance"), file)
    day = data.datetime.date().isoformat() if data.datetime else None
    return Scan(*scan_name(file), axis, values, "cm-1", "absorbance", opus.ins, day)


def _spectrum(file, opus):
    """The spectrum of a file to be read; a block of a derivative, as its type says, is none."""
    there, derivatives = {}, []
    for data in opus.iter_data():
        _, source, _, held, derivative, _ = data.block.type
        if source == 3 and derivative:
            derivatives.append(data.label)
        elif source == 3:
            there.setdefault(held, data)
    kind = next((kind for kind in (_ABSORBANCE, _LOG_REFLECTANCE, _REFLECTANCE) if kind in there), None)
    if kind is not None:
        return there[kind]
    if series := [data.label for data in opus.iter_series()]:
        raise TableError(f"{file}: several spectra in one file ({', '.join(series)}); save each as a file of its own")
    if derivatives:
        raise TableError(f"{file}: only a derivative ({', '.join(derivatives)}); save the spectrum itself from OPUS")
    held = ", ".join(data.label for data in opus.iter_all_data())
    if not held:
        raise TableError(f"{file}: no spectrum in this OPUS file; copy it again, or save it from OPUS with absorbance")
    raise TableError(f"{file}: neither absorbance nor reflectance but {held}; save it from OPUS with absorbance")
