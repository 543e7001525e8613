"""Reads the files of instruments other than OPUS, each as a `Scan`."""

import io
import re
import struct
from contextlib import redirect_stdout
from datetime import date

import jcamp
import numpy as np

from spectrakit.tables.instruments.opus import opus_scan
from spectrakit.tables.instruments.scans import Scan, ascending
from spectrakit.tables.rules import TableError

_TEXT_ROW = re.compile(r"\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*[\s,;]\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)\s*")
_MIN_TEXT_ROWS = 10
# Places in an ASD file: of the time, the kind, the axis, the form and number of the values, the instrument; the end of
# the header; and, in the header of the white reference, of the length of its description.
_ASD_TIME, _ASD_KIND, _ASD_AXIS, _ASD_FORM, _ASD_CHANNELS, _ASD_INSTRUMENT = 160, 186, 191, 199, 204, 400
_ASD_HEADER, _ASD_WORDS, _ASD_RAW = 484, 18, 0
TEXT_ENDINGS = (".txt", ".dpt", ".xy", ".asc", ".csv", ".dat")


def asd_scan(file, axis_unit, signal):
    """Reflectance of an ASD file: counts over those of its white reference, both as they are stored.

    pyASDReader is not used: its import opens a log file in the working folder, it scales one of the two spectra alone,
    and prints its errors.
    Source: ASD Document 600606, File Format, revision 8.
    """
    data = file.read_bytes()
    try:
        month, day, year = (struct.unpack_from("<h", data, _ASD_TIME + 2 * at)[0] for at in (4, 3, 5))
        first, step = struct.unpack_from("<2f", data, _ASD_AXIS)
        number, n_channels = (struct.unpack_from("<H", data, at)[0] for at in (_ASD_INSTRUMENT, _ASD_CHANNELS))
        kind, form = data[_ASD_KIND], ("<f4", "<i4", "<f8")[data[_ASD_FORM]]
        spectrum = np.frombuffer(data, form, n_channels, _ASD_HEADER).astype(float)
        place = _ASD_HEADER + spectrum.size * np.dtype(form).itemsize
        (n_words,) = struct.unpack_from("<h", data, place + _ASD_WORDS)
        white = np.frombuffer(data, form, n_channels, place + _ASD_WORDS + 2 + n_words).astype(float)
        when = date(1900 + year, month + 1, day).isoformat()
    except (struct.error, ValueError, IndexError) as error:
        raise TableError(f"{file}: damaged ASD file, or one without a white reference; export it again") from error
    if kind != _ASD_RAW:
        raise TableError(
            f"{file}: ASD file that holds no raw counts (type {kind}); export it as text, and say its signal"
        )
    if not (white > 0).all() or not np.isfinite(spectrum).all() or not step > 0:
        raise TableError(
            f"{file}: damaged ASD file; its white reference or its channels hold no counts; export it again"
        )
    axis = first + step * np.arange(n_channels)
    return Scan(file.stem, 0, axis.astype(float), spectrum / white, "nm", "reflectance", f"ASD {number}", when)


def jcamp_scan(file, axis_unit, signal):
    """The spectrum of a JCAMP-DX file, whatever form its numbers have; absorbance or reflectance."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            held = jcamp.readfile(str(file))
        axis, values = (np.asarray(held[name], float) for name in ("x", "y"))
        x_unit, y_unit = (str(held[name]).strip().lower() for name in ("xunits", "yunits"))
    except Exception as error:
        raise TableError(f"{file}: damaged JCAMP-DX file, or one with several spectra; export one a file") from error
    # The library prints which of the checks in the file fails, and goes on.
    if fault := next((line for line in printed.getvalue().splitlines() if "failed" in line), None):
        raise TableError(f"{file}: damaged JCAMP-DX file, a check of it fails: {fault} Export it again")
    n_points = held.get("npoints")
    if not len(axis) or len(axis) != len(values) or (n_points is not None and int(n_points) != len(values)):
        raise TableError(f"{file}: {len(values)} of {n_points} points in this JCAMP-DX file; export it again")
    units = {"1/cm": "cm-1", "cm-1": "cm-1", "nanometers": "nm", "nm": "nm", "micrometers": "um"}
    if x_unit not in units:
        raise TableError(f"{file}: axis in {x_unit}; export it over 1/cm or nanometers")
    axis, unit = (axis * 1000, "nm") if units[x_unit] == "um" else (axis, units[x_unit])
    if y_unit.replace(" ", "") in ("absorbance", "log(1/r)", "log1/r", "log10(1/r)"):
        return Scan(file.stem, 0, *ascending(axis, values), unit, "absorbance")
    if y_unit in ("reflectance", "%reflectance", "% reflectance", "%r", "reflectance %"):
        percent = "%" in y_unit or np.median(values) > 1.5
        return Scan(file.stem, 0, *ascending(axis, values / (100 if percent else 1)), unit, "reflectance")
    raise TableError(f"{file}: {y_unit} is neither absorbance nor reflectance; export one of them")


def sed_scan(file, axis_unit, signal):
    """Reflectance of a text file of Spectral Evolution: the columns Wvl and Reflect."""
    lines = _lines(file)
    start = next((at for at, line in enumerate(lines) if line.strip().lower() == "data:"), None)
    below = lines[start + 1 :] if start is not None else []
    heads = [head.strip() for head in below[0].split("\t")] if below else []
    wave, level = (next((at for at, h in enumerate(heads) if h.startswith(name)), None) for name in ("Wvl", "Reflect"))
    if wave is None or level is None:
        raise TableError(f"{file}: no columns Wvl and Reflect below 'Data:'; export reflectance")
    try:
        rows = [line.split("\t") for line in below[1:] if line.strip()]
        axis, values = (np.array([float(row[at]) for row in rows]) for at in (wave, level))
    except (ValueError, IndexError) as error:
        raise TableError(f"{file}: a row below 'Data:' is cut short or holds no numbers; export it again") from error
    about = dict(line.split(":", 1) for line in lines[:start] if ":" in line)
    values = values / 100 if "%" in heads[level] else values
    return Scan(
        file.stem, 0, *_sound(file, axis, values), "nm", "reflectance", about.get("Instrument", "").strip() or None
    )


def text_scan(file, axis_unit, signal):
    """The spectrum of a text file of two columns of numbers, below a head of any kind."""
    if axis_unit is None or signal is None:
        raise TableError(f"{file}: two columns of text do not say what they hold; give --axis and --signal")
    rows = [_TEXT_ROW.fullmatch(line) for line in _lines(file) if line.strip()]
    first = next((at for at, match in enumerate(rows) if match), len(rows))
    if len(rows) - first < _MIN_TEXT_ROWS or not all(rows[first:]):
        raise TableError(f"{file}: no spectrum of two columns, a channel a row; export it as such")
    rows = [match.groups() for match in rows[first:]]
    comma = not any("." in number for row in rows for number in row)
    try:
        numbers = [[float(number.replace(",", ".") if comma else number) for number in row] for row in rows]
    except ValueError as error:
        raise TableError(f"{file}: numbers with decimal points and commas; write all with points") from error
    axis, values = np.array(numbers).T
    values = values / 100 if signal == "percent-reflectance" else values
    return Scan(file.stem, 0, *_sound(file, axis, values), axis_unit, signal.removeprefix("percent-"))


def is_two_columns(file):
    """Whether a file is text that ends in rows of two numbers, as programs export a single spectrum."""
    if not file.name.lower().endswith(TEXT_ENDINGS):
        return False
    with open(file, "rb") as stream:
        stream.seek(max(stream.seek(0, 2) - 2000, 0))
        rows = [row for row in stream.read().decode("latin-1").splitlines()[1:] if row.strip()]
    return len(rows) >= _MIN_TEXT_ROWS and all(map(_TEXT_ROW.fullmatch, rows))


def omnic_scan(file, axis_unit, signal):
    """TableError: the format waits for a file."""
    raise TableError(
        f"{file}: Thermo OMNIC (.spa) is not read: no real file was there to test a reader on; "
        "export it from OMNIC as JCAMP-DX or CSV text"
    )


def _lines(file):
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return file.read_text(encoding="latin-1").splitlines()


def _sound(file, axis, values):
    """An axis in order and its values; TableError where a channel stands twice or is no number."""
    axis, values = ascending(axis, values)
    if not np.isfinite(axis).all() or (np.diff(axis) <= 0).any():
        raise TableError(f"{file}: a channel stands twice or is no number; export it again")
    return axis, values


# Kind of file, as `cells.instrument_kind` names it, to the function that reads one.
READERS = {
    "Bruker OPUS": lambda file, axis_unit, signal: opus_scan(file),
    "ASD": asd_scan,
    "JCAMP-DX": jcamp_scan,
    "Spectral Evolution": sed_scan,
    "Thermo OMNIC": omnic_scan,
    "two-column text": text_scan,
}
