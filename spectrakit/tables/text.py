"""How a CSV file is laid out: where its header stands, what separates its cells, how its numbers are written.

What programs of this field write is read as it is, with a note: semicolons or tabs, decimal commas, remarks above the
header, empty columns at the end, UTF-16, line ends of any kind.
"""

import codecs
import csv
import gzip
import io
import re
import zlib
from contextlib import contextmanager
from dataclasses import dataclass

from spectrakit.tables.rules import TableError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MAX_COLUMNS = 100_000
MAX_LINE = 1 << 26  # bytes
_HEAD_BYTES, _HEAD_LINES = 1 << 20, 40  # what is looked at; at least two lines, however long
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*")


@dataclass(frozen=True)
class TextLayout:
    """The layout of a CSV file.

    names : of the columns; an empty one stands for a column without a name or a cell
    separator, decimal : characters between cells, and before the fraction of a number
    header_rows : rows of the file down to the header; notes : what was read otherwise than it stands
    first_cells : of the first column, of some rows below the header
    """

    names: tuple
    separator: str
    decimal: str
    header_rows: int
    notes: tuple
    first_cells: tuple


def text_layout(path):
    """The layout of a CSV file, compressed or not; TableError where it has no header of a table."""
    lines = _head(path)
    skipped = _n_remarks(lines)
    if skipped == len(lines):
        raise TableError(f"{path}: the file is empty; put the names of the columns in row 1")
    separator = _separator(lines[skipped])
    if lines[skipped].count(separator) >= MAX_COLUMNS:
        raise TableError(too_many_columns(path, lines[skipped].count(separator) + 1))
    try:
        header, *rows = csv.reader(lines[skipped:], delimiter=separator)
    except csv.Error as error:
        raise TableError(f"{path}: row {skipped + 1} is no header of a CSV table ({error})") from error
    _refuse_other_separator(path, skipped, separator, header, rows)
    names, notes = [name.strip() for name in header], []
    if skipped:
        notes.append(f"{skipped} {'row' if skipped == 1 else 'rows'} above the header left out")
    if separator != ",":
        notes.append(f"cells are separated by {SEPARATORS[separator]}")
    decimal = _decimal(path, skipped, rows)
    if decimal == ",":
        notes.append("numbers have decimal commas")
    names = _plain_names(path, names, separator)
    names, of_columns = _without_empty_end(path, names, rows, skipped)
    _refuse_second_header(path, names, rows, skipped)
    first_cells = tuple(row[0].strip().replace(decimal, ".") for row in rows if row)
    return TextLayout(tuple(names), separator, decimal, skipped + 1, (*notes, *of_columns), first_cells)


def _head(path):
    """The first lines of a file as text."""
    lines, size = [], 0
    with csv_stream(path) as stream:
        while (
            len(lines) < _HEAD_LINES and (size < _HEAD_BYTES or len(lines) < 2) and (line := stream.readline(MAX_LINE))
        ):
            refuse_long_line(path, line, len(lines) + 1)
            lines.append(decoded(path, line, len(lines) + 1))
            size += len(line)
    # A quoted cell may hold line ends; what is open at the end of the head is not looked at.
    while len(lines) > 1 and "".join(lines).count('"') % 2:
        lines.pop()
    return lines


def _n_remarks(lines):
    """How many lines stand above the header: blank ones, those that begin as remarks do, and a title of few cells."""
    at = 0
    while at < len(lines) and (not lines[at].strip(" \t\r\n,;") or lines[at].lstrip().startswith(("#", "%", "//"))):
        at += 1
    counts = [max(line.count(mark) for mark in SEPARATORS) for line in lines[at:]]
    widest = max(counts, default=0)
    if widest >= 3 and counts.count(widest) >= 2:
        # A title has no more than two cells.
        titles = next(n for n, count in enumerate(counts) if count > 1)
        at += titles if all(count <= 1 for count in counts[:titles]) else 0
    return at


def _separator(header):
    """What separates the cells of a header; within quotation marks nothing does."""
    bare = re.sub(r'"[^"]*"', "", header)
    if "\t" in bare and bare.count("\t") >= bare.count(";"):
        return "\t"
    # In a German or French header a comma may stand in each name of a channel.
    return ";" if bare.count(";") >= max(bare.count(","), 1) else ","


def _refuse_other_separator(path, skipped, separator, header, rows):
    """Raises TableError where the rows below a header are separated by something else."""
    if len(header) < 2 or not rows or len(rows[0]) != 1:
        return
    for mark, name in SEPARATORS.items():
        if mark != separator and rows[0][0].count(mark) >= len(header) - 1:
            raise TableError(
                f"{path}: row {skipped + 1} is separated by {SEPARATORS[separator]} and row {skipped + 2} by {name}; "
                "save the table with the same character in all rows"
            )


def _decimal(path, skipped, rows):
    """The decimal character of the cells; TableError where a column has numbers with a point and with a comma."""
    forms = {",": _DECIMAL_COMMA, ".": _DECIMAL_POINT}
    places = {mark: {} for mark in forms}
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            for mark, form in forms.items():
                if form.fullmatch(cell):
                    places[mark].setdefault(column, (at + skipped + 2, cell.strip()))
    for column in sorted(places[","].keys() & places["."].keys()):
        (row, comma), (other, point) = places[","][column], places["."][column]
        raise TableError(
            f"{path}: column {column + 1} has decimal commas and decimal points, {comma!r} in row {row} and {point!r} "
            f"in row {other}; write all with decimal points"
        )
    return "," if places[","] else "."


def _plain_names(path, names, separator):
    """Names of channels with decimal points; TableError for thousands separators."""
    grouped = [name for name in names if _THOUSANDS.fullmatch(name)]
    if grouped and (separator == "," or any(re.fullmatch(r"\d{3}(\.\d+)?", name) for name in names)):
        raise TableError(
            f"{path}: the channels {', '.join(grouped[:3])} look like numbers with a thousands separator; "
            f"write them without it, as {grouped[0].replace(',', '')}"
        )
    return [re.sub(r"^(\D*\d+),(\d+)(\D*)$", r"\1.\2\3", name) for name in names]


def _without_empty_end(path, names, rows, skipped):
    """Names, as many as the rows have cells, and a note on empty columns at the end; TableError for nameless cells."""
    n_cells = max([len(names), *(len(row) for row in rows if not any(cell.strip() for cell in row[len(names) :]))])
    names = names + [""] * (n_cells - len(names))
    n_empty = next((n for n, name in enumerate(reversed(names)) if name), len(names))
    for at, name in enumerate(names):
        number = next((n for n, row in enumerate(rows) if at < len(row) and row[at].strip()), None)
        if name == "" and number is not None and at > 0:
            raise TableError(
                f"{path}: column {at + 1} has no name but cells ({rows[number][at].strip()[:20]!r} in row "
                f"{number + skipped + 2}); name it in row {skipped + 1}"
            )
    n_columns = f"{n_empty} empty {'column' if n_empty == 1 else 'columns'} at the end left out"
    return names, [n_columns] if n_empty else []


def _refuse_second_header(path, names, rows, skipped):
    """Raises TableError where the row below the header holds words in most columns that are numbers further down."""
    if len(rows) < 2:
        return
    numeric = [
        at
        for at in range(len(names))
        if all(at < len(row) and _NUMBER.fullmatch(row[at]) for row in rows[1:4]) and at < len(rows[0])
    ]
    words = [at for at in numeric if not _NUMBER.fullmatch(rows[0][at])]
    wordy = [at for at in words if rows[0][at].strip() and re.search("[A-Za-z%/]{1,}", rows[0][at])]
    if numeric and len(wordy) > len(numeric) / 2:
        raise TableError(
            f"{path}: rows {skipped + 1} and {skipped + 2} both look like a header ({rows[0][wordy[0]].strip()!r} "
            f"below {names[wordy[0]]!r}); keep one, with the unit in the names of properties"
        )


# --- bytes --------------------------------------------------------------------------------------------------


@contextmanager
def csv_stream(path):
    """A CSV file to read lines of UTF-8 from, compressed or not; TableError for a broken gzip file."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            start = stream.read(1 << 16)
            if start.startswith(b"PK\x03\x04"):
                raise TableError(f"{path}: a ZIP archive or a workbook, not CSV; save the table as CSV")
            stream.seek(0)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                yield _Recoded(io.TextIOWrapper(stream, encoding="utf-16"))
            elif b"\r" in start and b"\n" not in start:
                yield _Recoded(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape"))
            else:
                stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
                yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: broken gzip file; copy or download it again") from error
    except UnicodeError as error:
        raise TableError(f"{path}: broken UTF-16 text; save the table as CSV with UTF-8") from error


class _Recoded:
    """Lines of a text stream as UTF-8, their ends as line feeds."""

    def __init__(self, stream):
        self._stream = stream

    def readline(self, n_bytes):
        return self._stream.readline(n_bytes).encode(errors="surrogateescape")


def too_many_columns(path, n_columns):
    """What is said of a table that is too wide to be one of spectra."""
    return f"{path}: {n_columns:,} columns, more than the {MAX_COLUMNS:,} that a table of spectra may have; cut it"


def refuse_long_line(path, line, row):
    """Raises TableError for a line, read up to MAX_LINE bytes, that does not end there."""
    if len(line) == MAX_LINE and not line.endswith(b"\n"):
        raise TableError(f"{path}: row {row} is longer than {MAX_LINE >> 20} MB; this is no table of spectra")


def decoded(path, data, row):
    """Bytes as text; row : of the file that they begin with. Raises TableError for what is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        row += data.count(b"\n", 0, error.start)
        raise TableError(f"{path}: row {row} is not UTF-8 text; save the table as CSV with UTF-8") from error
