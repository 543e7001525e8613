"""Reads the files of instruments other than OPUS, each as a `Scan`."""

import codecs
import io
import re
import struct
from contextlib import redirect_stdout
from datetime import date

import jcamp
import numpy as np

from spectrakit.spectra import unusual_axis
from spectrakit.tables.instruments.opus import opus_scan
from spectrakit.tables.instruments.scans import Scan, as_declared, in_order, scan_name, shown
from spectrakit.tables.rules import TableError

_NUMBER = r"[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][-+]?\d+)?"
_TEXT_ROW = re.compile(rf"\s*({_NUMBER})(\s*[;\t]\s*|\s+|\s*,\s*)({_NUMBER})\s*")
_MIN_TEXT_ROWS, _MAX_TEXT_BYTES = 10, 1 << 23
_TEXT_ENDINGS = (".txt", ".dpt", ".xy", ".asc", ".csv", ".tsv", ".dat")
# Places in an ASD file: of the time, the kind, the axis, the form and number of the values, the instrument; the end of
# the header; and, in the header of the white reference, of the length of its description.
_ASD_TIME, _ASD_KIND, _ASD_AXIS, _ASD_FORM, _ASD_CHANNELS, _ASD_INSTRUMENT = 160, 186, 191, 199, 204, 400
_ASD_HEADER, _ASD_WORDS = 484, 18
_ASD_KINDS = (
    "raw",
    "reflectance",
    "radiance",
    "no units",
    "irradiance",
    "quality",
    "transmittance",
    "unknown",
    "type 8",
)
_MAX_REFLECTANCE = 3  # counts are far above
# JCAMP-DX: fields with data; units; a value in any form, and how often it stands.
_JCAMP_DATA, _JCAMP_COUNTS, _MAX_VALUES = ("XYDATA", "XYPOINTS", "PEAKTABLE"), "STUVWXYZs", 1_000_000
_MAX_DIGITS = 9
_JCAMP_AXES = {
    name: unit
    for unit, names in (
        ("cm-1", ("1/cm", "cm-1", "wavenumber", "wavenumbers")),
        ("nm", ("nm", "nanometers", "nanometres", "nanometer", "nanometre")),
        ("um", ("um", "micrometers", "micrometres", "micrometer", "micrometre", "microns")),
    )
    for name in names
}
_JCAMP_SIGNALS = {
    name: signal
    for signal, names in (
        ("absorbance", ("absorbance", "abs", "log1/r", "log101/r")),
        ("reflectance", ("reflectance",)),
        ("percent-reflectance", ("%reflectance", "reflectance%", "%r", "percentreflectance")),
    )
    for name in names
}
# One value, by its first digit of 5: E, e. The library reads a power of ten.
_JCAMP_FIVE = re.compile(r"(\s*[-+]?\d+\.?\d*)([Ee])(\d+\s*)")
_JCAMP_TIMES = re.compile(r"((?:[@A-Ia-i%J-Rj-r+-]|\s)\d*\.?\d*)([S-Zs]\d{0,6})")


def asd_scan(file, axis_unit, signal):
    """Reflectance of an ASD file: counts over those of its white reference, or reflectance that is stored as such.

    pyASDReader is not used: its import opens a log file in the working folder, it returns no reflectance of files of
    raw counts, and prints its errors.
    Source: ASD Document 600606, File Format, revision 8.
    """
    data = file.read_bytes()
    try:
        month, day, year = (struct.unpack_from("<h", data, _ASD_TIME + 2 * at)[0] for at in (4, 3, 5))
        first, step = struct.unpack_from("<2f", data, _ASD_AXIS)
        number, n_channels = (struct.unpack_from("<H", data, at)[0] for at in (_ASD_INSTRUMENT, _ASD_CHANNELS))
        kind, form = _ASD_KINDS[data[_ASD_KIND]], ("<f4", "<i4", "<f8")[data[_ASD_FORM]]
        spectrum = np.frombuffer(data, form, n_channels, _ASD_HEADER).astype(float)
        when = date(1900 + year, month + 1, day).isoformat()
    except (struct.error, ValueError, IndexError) as error:
        raise TableError(f"{file}: damaged ASD file; copy it again, or measure the sample again") from error
    if kind not in ("raw", "reflectance"):
        raise TableError(f"{file}: ASD file of {kind}; save it as reflectance, or export that as text")
    if not np.isfinite(spectrum).all() or not step > 0 or unusual_axis(np.array([first]), "nm"):
        raise TableError(f"{file}: damaged ASD file; copy it again, or measure the sample again")
    if kind == "raw" or np.median(spectrum) > _MAX_REFLECTANCE:
        spectrum = spectrum / _asd_white(file, data, form, n_channels)
    axis = first + step * np.arange(n_channels)
    values = as_declared(file, spectrum, "reflectance")
    return Scan(*scan_name(file), axis.astype(float), values, "nm", "reflectance", f"ASD {number}", when)


def _asd_white(file, data, form, n_channels):
    """Counts of the white reference in the bytes of an ASD file."""
    place = _ASD_HEADER + n_channels * np.dtype(form).itemsize
    try:
        (n_words,) = struct.unpack_from("<h", data, place + _ASD_WORDS)
        white = np.frombuffer(data, form, n_channels, place + _ASD_WORDS + 2 + n_words).astype(float)
    except (struct.error, ValueError) as error:
        raise TableError(
            f"{file}: damaged ASD file, or one without a white reference; save it with one, or measure the sample again"
        ) from error
    if not (white > 0).all():
        raise TableError(f"{file}: its white reference holds channels without counts; measure the sample again")
    return white


def jcamp_scan(file, axis_unit, signal):
    """The spectrum of a JCAMP-DX file, whatever form its numbers have; absorbance or reflectance."""
    printed, lines = io.StringIO(), _jcamp_lines(file)
    try:
        with redirect_stdout(printed):
            held = jcamp.read(lines)
    except Exception as error:
        raise TableError(f"{file}: damaged JCAMP-DX file; export it again") from error
    if "ntuples" in held or sum(line.startswith("##TITLE") for line in lines) > 1:
        raise TableError(f"{file}: several spectra in one JCAMP-DX file; export each as a file of its own")
    if not {"xydata", "xypoints"} & set(held) or not {"xunits", "yunits"} <= set(held):
        raise TableError(f"{file}: no spectrum with its units in this JCAMP-DX file; export absorbance or reflectance")
    # The library prints which of the checks in the file fails, and goes on.
    if fault := next((line for line in printed.getvalue().splitlines() if "failed" in line), None):
        raise TableError(f"{file}: damaged JCAMP-DX file, a check of it fails: {fault} Export it again")
    axis, values = (np.asarray(held[name], float) for name in ("x", "y"))
    n_points = held.get("npoints", len(values))
    if not len(axis) or len(axis) != len(values) or n_points != len(values):
        raise TableError(f"{file}: {len(values)} of {n_points} points in this JCAMP-DX file; export it again")
    x_unit, y_unit = (re.sub(r"[\s_^()]", "", str(held[name]).lower()) for name in ("xunits", "yunits"))
    if x_unit not in _JCAMP_AXES:
        raise TableError(f"{file}: axis in {shown(held['xunits'])}; export it over 1/cm or nanometers")
    if y_unit not in _JCAMP_SIGNALS:
        raise TableError(f"{file}: {shown(held['yunits'])} is neither absorbance nor reflectance; export one of them")
    axis, unit = (axis * 1000, "nm") if _JCAMP_AXES[x_unit] == "um" else (axis, _JCAMP_AXES[x_unit])
    declared = _JCAMP_SIGNALS[y_unit]
    # Some programs leave out the sign of per cent, which no fractions reach.
    declared = "percent-reflectance" if declared == "reflectance" and np.median(values) > _MAX_REFLECTANCE else declared
    axis, values = in_order(file, axis, as_declared(file, values, declared))
    return Scan(*scan_name(file), axis, values, unit, declared.removeprefix("percent-"))


def _jcamp_lines(file):
    """The lines of a file as the library reads them: without comments, fields by their names, each value in full."""
    lines, n_values, is_data = [], 0, False
    for line in _lines(file):
        line = line.split("$$")[0].rstrip()
        if line.startswith("##"):
            name, _, value = line[2:].partition("=")
            name = re.sub("[ _/-]", "", name).upper()
            value = re.sub(r"\s", "", value).upper() if name in _JCAMP_DATA else value.strip()
            is_data = name == "XYDATA"
            # What is declared is made room for.
            n_values += int(value[:_MAX_DIGITS]) if name == "NPOINTS" and value.isdecimal() else 0
            lines.append(f"##{name}={value}")
        elif is_data:
            if found := _JCAMP_FIVE.fullmatch(line):
                line = f"{found[1]}{'+' if found[2] == 'E' else '-'}5{found[3]}"
            # The library repeats differences alone, at most nine times.
            n_values += sum(_times(found[2]) for found in _JCAMP_TIMES.finditer(line))
            full = n_values <= _MAX_VALUES
            lines.append(_JCAMP_TIMES.sub(lambda found: found[1] * _times(found[2]), line) if full else "")
        else:
            lines.append(line)
    if n_values > _MAX_VALUES:
        raise TableError(f"{file}: more than {_MAX_VALUES:,} values in this JCAMP-DX file; export it again")
    return lines


def _times(letters):
    """How often a value stands: S is once, T twice ... s nine times, and S2 twelve times."""
    return int(f"{_JCAMP_COUNTS.index(letters[0]) + 1}{letters[1:]}")


def sed_scan(file, axis_unit, signal):
    """Reflectance of a text file of Spectral Evolution: the column Wvl and one of reflectance."""
    lines = _lines(file)
    start = next((at for at, line in enumerate(lines) if line.strip().lower() == "data:"), None)
    below = [line for line in lines[start + 1 :] if line.strip()] if start is not None else []
    heads = [head.strip() for head in below[0].split("\t")] if below else []
    level = next((at for at, head in enumerate(heads) if head.startswith(("Reflect", "Tgt./Ref"))), None)
    if "Wvl" not in heads or level is None:
        raise TableError(f"{file}: no columns Wvl and Reflect. % below 'Data:'; export reflectance")
    try:
        rows = [line.split("\t") for line in below[1:]]
        axis, values = (np.array([float(row[at]) for row in rows]) for at in (heads.index("Wvl"), level))
    except (ValueError, IndexError) as error:
        raise TableError(f"{file}: a row below 'Data:' is cut short or holds no numbers; export it again") from error
    about = dict(line.split(":", 1) for line in lines[:start] if ":" in line)
    values = as_declared(file, values, "percent-reflectance" if "%" in heads[level] else "reflectance")
    instrument = about.get("Instrument", "").strip() or None
    return Scan(*scan_name(file), *in_order(file, axis, values), "nm", "reflectance", instrument)


def text_scan(file, axis_unit, signal):
    """The spectrum of a text file of two columns of numbers, below a head of any kind."""
    if axis_unit is None or signal is None:
        raise TableError(f"{file}: two columns of text do not say what they hold; give --axis and --signal")
    rows = [_TEXT_ROW.fullmatch(line) for line in _lines(file) if line.strip()]
    first = next((at for at, match in enumerate(rows) if match), len(rows))
    if len(rows) - first < _MIN_TEXT_ROWS or not all(rows[first:]):
        raise TableError(f"{file}: no spectrum of two columns, a channel a row; export it as such")
    numbers = [(row[1], row[3]) for row in rows[first:]]
    commas = any("," in number for row in numbers for number in row)
    if commas and any(row[2].strip() == "," for row in rows[first:]):
        raise TableError(f"{file}: commas both in numbers and between them; write numbers with decimal points")
    if commas and any("." in number for row in numbers for number in row):
        raise TableError(f"{file}: numbers with decimal points and with commas; write all with points")
    axis, values = np.array([[float(number.replace(",", ".")) for number in row] for row in numbers]).T
    if words := unusual_axis(axis, axis_unit):
        raise TableError(f"{file}: {words}; check --axis, or take the file away if it is no spectrum")
    values = as_declared(file, values, signal)
    return Scan(*scan_name(file), *in_order(file, axis, values), axis_unit, signal.removeprefix("percent-"))


def is_two_columns(file):
    """Whether a file is text that ends in rows of two numbers, as programs export a single spectrum."""
    if not file.name.lower().endswith(_TEXT_ENDINGS):
        return False
    rows = [row for row in _lines(file) if row.strip()] if file.stat().st_size < _MAX_TEXT_BYTES else []
    return len(rows) >= _MIN_TEXT_ROWS and all(map(_TEXT_ROW.fullmatch, rows[-_MIN_TEXT_ROWS:]))


def omnic_scan(file, axis_unit, signal):
    """TableError: the format waits for a file."""
    raise TableError(
        f"{file}: Thermo OMNIC (.spa) is not read: no real file was there to test a reader on; "
        "export it from OMNIC as JCAMP-DX or CSV text"
    )


def _lines(file):
    data = file.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace").splitlines()
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return data.decode("latin-1").splitlines()


# Kind of file, as `cells.instrument_kind` names it, to the function that reads one.
READERS = {
    "Bruker OPUS": lambda file, axis_unit, signal: opus_scan(file),
    "ASD": asd_scan,
    "JCAMP-DX": jcamp_scan,
    "Spectral Evolution": sed_scan,
    "Thermo OMNIC": omnic_scan,
    "two-column text": text_scan,
}
