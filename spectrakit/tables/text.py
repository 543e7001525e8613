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
from itertools import pairwise

from spectrakit.spectra import count_of
from spectrakit.tables.columns import CHANNEL_NAME, MISSING, SAMPLE_COLUMNS
from spectrakit.tables.layouts import NAMELESS, is_id_name, thousands_words
from spectrakit.tables.rules import TableError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
MAX_COLUMNS = 100_000
MAX_LINE = 1 << 26  # bytes
# What stands in an empty row.
BLANK = ' \t\r\n,;|"'
_HEAD_BYTES, _HEAD_LINES = 1 << 20, 40  # what is looked at; at least two lines, however long
_MAX_REMARKS = 1000
_REMARK = ("#", "%", "//")
_DECIMAL_COMMA = re.compile(r"\s*[-+]?\d*,\d+([eE][-+]?\d+)?\s*")
_DECIMAL_POINT = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")
_THOUSANDS = re.compile(r"\s*[1-9]\d{0,2}(,\d{3})+\s*")
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?\s*")
_WORD = re.compile(r"[^\d.,;+-].*|-")
_NO_WORDS = (*MISSING, "inf", "infinity")
# How files that are no text begin, and what to do with them.
_OTHER_KINDS = {
    b"PK\x03\x04": "a ZIP archive or a workbook, not CSV; save the table as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save its sheet as CSV",
    b"PAR1": "a Parquet file; let its name end in .parquet",
    b"\x1f\x8b": "compressed by gzip; let its name end in .csv.gz",
    b"\x89HDF": "an HDF5 file; write its table as CSV",
    b"<": "a web page or XML; download or save the table itself as CSV",
    b"{": "JSON; write its table as CSV",
    b"[{": "JSON; write its table as CSV",
}


@dataclass(frozen=True)
class TextLayout:
    """The layout of a CSV file.

    names : of the columns; an empty one stands for a column without a name or a cell
    separator, decimal : characters between cells, and before the fraction of a number
    header_rows : rows of the file down to its first row of cells; notes : what was read otherwise than it stands
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
    skipped = _n_above(path, lines)
    lines = lines[skipped:]
    if not lines:
        raise TableError(f"{path}: the file is empty; put the names of the columns in row 1")
    # A quoted cell may hold line ends; what is open at the end of the head is not looked at.
    while len(lines) > 1 and "".join(lines).count('"') % 2:
        lines.pop()
    separator = _separator(lines[0])
    try:
        reader = csv.reader(lines, delimiter=separator)
        header = next(reader)
        n_header = reader.line_num
        n_blank = next((at for at, line in enumerate(lines[n_header:]) if line.strip(BLANK)), 0)
        rows = [*csv.reader(lines[n_header + n_blank :], delimiter=separator)]
    except csv.Error as error:
        raise TableError(f"{path}: {_undivided(lines, skipped + 1)}") from error
    rows = [row for row in rows if row]
    head = _Head(path, separator, header, rows, skipped + 1, skipped + n_header + n_blank + 1)
    notes = [(skipped, "above"), (n_blank, "below")]
    notes = [f"{count_of(n, 'row')} {side} the header left out" for n, side in notes if n]
    notes += [f"cells are separated by {SEPARATORS[separator]}"] if separator != "," else []
    head.refuse_other_separator()
    head.refuse_split_numbers()
    names, of_columns = head.names()
    head.refuse_second_header(names)
    decimal = head.decimal(names)
    notes += ["numbers have decimal commas"] if decimal == "," else []
    first_cells = tuple(row[0].strip().replace(decimal, ".") for row in rows)
    return TextLayout(tuple(names), separator, decimal, head.first_row - 1, (*notes, *of_columns), first_cells)


def _undivided(lines, first_row):
    """What is said of lines, from a row of the file on, that cannot be divided into cells."""
    for row, line in enumerate(lines, first_row):
        if "\r" in line.rstrip("\r\n"):
            return (
                f"row {row} has a line end within a cell; put the cell between quotation marks, or delete the line end"
            )
    row = first_row + max(range(len(lines)), key=lambda at: (lines[at].count('"') % 2, len(lines[at])))
    return (
        f"row {row} begins a cell of over {csv.field_size_limit():,} characters; close its quotation marks, or cut it"
    )


def _head(path):
    """The first lines of a file as text: of those below its remarks some, at least two."""
    lines, size, n_remarks = [], 0, 0
    with csv_stream(path) as stream:
        while len(lines) - n_remarks < _HEAD_LINES and (size < _HEAD_BYTES or len(lines) - n_remarks < 2):
            line = stream.readline(MAX_LINE)
            if not line:
                break
            refuse_long_line(path, line, len(lines) + 1)
            lines.append(decoded(path, line, len(lines) + 1))
            size += len(line)
            if (n_columns := lines[-1].count(_separator(lines[-1])) + 1) > MAX_COLUMNS:
                raise TableError(too_many_columns(path, n_columns))
            n_remarks += n_remarks == len(lines) - 1 < _MAX_REMARKS and _is_remark(lines[-1])
    return lines


def _is_remark(line):
    return not line.strip(BLANK) or line.lstrip().startswith(_REMARK)


def _n_above(path, lines):
    """How many lines stand above the header: blank ones, those that begin as remarks do, and titles of few cells."""
    at = next((n for n, line in enumerate(lines) if not _is_remark(line)), len(lines))
    if at == len(lines):
        return at
    lines = _whole_rows(lines, at)
    separator = _separator(next(line for line in reversed(lines) if line))
    cells = [[cell.strip(BLANK) for cell in line.split(separator)] for line in lines]
    if at and _n_channels(cells[at - 1]) >= 2 and len(cells[at - 1]) == len(cells[at]) > 2:
        raise TableError(f"{path}: row {at} is a remark that looks like the header; delete the {lines[at - 1][0]!r}")
    n_different = [len({*row} - {""}) for row in cells]
    widest = max(n_different[at:])
    if widest < 3 or len(lines) < at + 2:
        return at
    titles = next(n for n, count in enumerate(n_different[at:], at) if 2 * count >= widest)
    above = [line.strip().split(_separator(line)) for line in lines[at:titles]]
    return at if any("sample_id" in row or _n_channels(row) >= 2 for row in above) else titles


def _whole_rows(lines, start):
    """Lines, from a start on with those that go on within quotation marks put to the line above, '' in their place."""
    rows, n_marks = lines[:start], 0
    if "".join(lines[start:]).count('"') % 2:
        return lines
    for line in lines[start:]:
        rows.append(line)
        if n_marks % 2:
            first = next(at for at in range(len(rows) - 2, -1, -1) if rows[at])
            rows[first:] = [rows[first] + line, *[""] * (len(rows) - first - 1)]
        n_marks += line.count('"')
    return rows


def _n_channels(cells):
    """How many cells could be names of channels."""
    return sum(bool(CHANNEL_NAME.fullmatch(cell)) and float(cell) >= 100 for cell in cells)


def _separator(line):
    """What separates the cells of a line; within quotation marks nothing does."""
    bare = re.sub(r'"[^"]*"', "", line)
    for mark in "\t|":
        if mark in bare and bare.count(mark) >= bare.count(";"):
            return mark
    # In a German or French header a comma may stand in each name of a channel.
    return ";" if bare.count(";") >= max(bare.count(","), 1) else ","


@dataclass(frozen=True)
class _Head:
    """The beginning of a CSV file as cells; header_row, first_row : numbers of the rows of the file."""

    path: object
    separator: str
    header: list
    rows: list
    header_row: int
    first_row: int

    def refuse_other_separator(self):
        """Raises TableError where the cells, or those of the rows below the header, are separated by something else."""
        n_cells = len(self.header)
        if n_cells == 1 and _n_channels(self.header[0].split()) >= 2:
            raise TableError(f"{self.path}: the cells are separated by spaces; save the table with commas between them")
        if n_cells == 1 or not self.rows or len(self.rows[0]) == n_cells:
            return
        row = self.separator.join(self.rows[0])
        for mark, name in SEPARATORS.items():
            if mark != self.separator and row.count(mark) + 1 == n_cells:
                raise TableError(
                    f"{self.path}: row {self.header_row} is separated by {SEPARATORS[self.separator]} and row "
                    f"{self.first_row} by {name}; save the table with the same character in all rows"
                )

    def refuse_split_numbers(self):
        """Raises TableError where commas within numbers separate cells, and where the header lacks its first cell."""
        header, row = self.header, self.rows[0] if self.rows else self.header
        thousands = [
            f"{left},{right}"
            for left, right in pairwise(header)
            if re.fullmatch("[1-9]\\d?", left) and re.fullmatch("\\d{3}", right)
        ]
        if thousands and len(header) - len(thousands) == len(row):
            raise TableError(thousands_words(self.path, thousands, thousands[0].replace(",", "")))
        n_more, n_whole = len(row) - len(header), sum(cell.strip().lstrip("+-").isdigit() for cell in row)
        halves = [cell for cell in header if cell.isdigit()]
        in_header = len(halves) >= 6 and all(
            (int(a) > int(b)) == (n % 2 == 0) for n, (a, b) in enumerate(pairwise(halves))
        )
        is_split = n_whole >= (2 * n_more if n_more > 2 else len(halves)) and (n_more > 2 or in_header)
        if self.separator == "," and is_split and not any(_DECIMAL_POINT.fullmatch(cell) for cell in row):
            raise TableError(
                f"{self.path}: the numbers have decimal commas, and commas separate the cells too; save the table with "
                "semicolons between the cells, or with decimal points"
            )
        if n_more == 1 and self._lacks_first():
            raise TableError(
                f"{self.path}: row {self.header_row} has one cell less than the rows below it, as write.table of R "
                "leaves out the name of the first column; put sample_id and a separator before it"
            )

    def _lacks_first(self):
        """Whether every row has one cell more than the header, which names no column of samples."""
        full = all(len(row) == len(self.header) + 1 and row[-1].strip() for row in self.rows)
        return full and all(self.header) and not any(map(is_id_name, self.header))

    def names(self):
        """Names, as many as the rows have cells, and notes on empty columns; TableError for cells without a name."""
        names = [name.strip().strip("\u200b\ufeff") for name in self.header]
        names = ["" if NAMELESS.fullmatch(name) else name for name in names]
        n_named = next((at for at in range(len(names), 0, -1) if names[at - 1]), 0)
        lengths = [len(row) for row in self.rows if not any(cell.strip() for cell in row[len(names) :])]
        n_cells = max([n_named, *lengths]) if lengths else len(names)
        n_empty = max(n_cells, len(names)) - n_named
        names = names[:n_cells] + [""] * (n_cells - len(names))
        for at, name in enumerate(names[1:], 1):
            for number, row in enumerate(self.rows):
                if name == "" and at < len(row) and row[at].strip():
                    refuse_nameless(self.path, at, row[at].strip(), number + self.first_row)
        n_inside = names[1:n_named].count("")
        counts = [(n_inside, "without a name"), (n_empty, "at the end")]
        return names, [f"{count_of(n, 'empty column')} {where} left out" for n, where in counts if n]

    def refuse_second_header(self, names):
        """Raises TableError where two rows could be the header: with names, units, or the same cells."""
        first, *others = self.rows or [[]]
        cells = [cell.strip() for cell in first]
        numeric = [
            at
            for at in range(min(len(names), len(first)))
            if others
            and not _describes(names[at])
            and all(at < len(row) and (not row[at].strip() or _NUMBER.fullmatch(row[at])) for row in others[:3])
        ]
        words = [at for at in numeric if _WORD.fullmatch(cells[at]) and cells[at].lower().lstrip("+-") not in _NO_WORDS]
        is_second = bool(words) and not any(_NUMBER.fullmatch(cells[at]) for at in numeric)
        is_second |= _n_channels(names) < 2 <= _n_channels(cells) and (not cells[0] or is_id_name(cells[0]))
        is_second |= "sample_id" in cells or cells == names
        if is_second:
            at = next(iter(words), next((at for at, cell in enumerate(cells) if cell), 0))
            raise TableError(
                f"{self.path}: rows {self.header_row} and {self.first_row} both look like a header ({cells[at]!r} "
                f"below {names[at]!r}); keep one, with the unit in the names of properties"
            )

    def decimal(self, names):
        """The decimal character; TableError where cells have points and commas, or commas that may be of thousands."""
        forms = {",": _DECIMAL_COMMA, ".": _DECIMAL_POINT}
        places, certain = {mark: {} for mark in forms}, False
        for number, row in enumerate(self.rows, self.first_row):
            for at, (name, cell) in enumerate(zip(names, row, strict=False)):
                # Names and places may be written with points and commas of their own.
                mark = next((mark for mark, form in forms.items() if form.fullmatch(cell)), None)
                if mark and not _describes(name):
                    places[mark].setdefault(at, (number, cell.strip()))
                    certain |= mark == "," and not _THOUSANDS.fullmatch(cell)
        if not places[","]:
            return "."
        shared = places[","].keys() & places["."].keys()
        at, (row, comma) = min((at, place) for at, place in places[","].items() if at in shared or not shared)
        if places["."]:
            other, (other_row, point) = min((n, place) for n, place in places["."].items() if n == at or not shared)
            columns = f"column {at + 1} has" if at == other else f"columns {at + 1} and {other + 1} have"
            raise TableError(
                f"{self.path}: {columns} decimal commas and decimal points, {comma!r} in row {row} and {point!r} "
                f"in row {other_row}; write all with decimal points"
            )
        if not certain:
            raise TableError(
                f"{self.path}: the comma in {comma!r} (row {row}, column {names[at]}) may be one of decimals or of "
                "thousands; write numbers with decimal points and without separators of thousands"
            )
        return ","


def _describes(name):
    """Whether a column names or describes the samples, so that it may hold words among numbers."""
    return is_id_name(name) or name in SAMPLE_COLUMNS


def refuse_nameless(path, at, cell, row):
    """Raises TableError for a cell in a column without a name, the one at a position; row : of the file."""
    raise TableError(
        f"{path}: column {at + 1} has no name but cells ({cell[:20]!r} in row {row}); name it in the header"
    )


# --- bytes --------------------------------------------------------------------------------------------------


@contextmanager
def csv_stream(path):
    """A CSV file to read lines of UTF-8 from, compressed or not; TableError for a broken gzip file."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            start = stream.read(1 << 16)
            stream.seek(0)
            if encoding := _wide_encoding(start):
                yield _Recoded(io.TextIOWrapper(stream, encoding=encoding))
                return
            for begin, kind in _OTHER_KINDS.items():
                if start.lstrip().startswith(begin):
                    raise TableError(f"{path}: this is {kind}")
            if b"\0" in start:
                row = start.count(b"\n", 0, start.index(b"\0")) + 1
                raise TableError(f"{path}: row {row} holds a zero byte, so that this is no text; save the table as CSV")
            if b"\r" in start and b"\n" not in start:
                yield _Recoded(io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape"))
            else:
                stream.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
                yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: broken gzip file; copy or download it again") from error
    except UnicodeError as error:
        raise TableError(f"{path}: broken UTF-16 text; save the table as CSV with UTF-8") from error


def _wide_encoding(start):
    """The encoding of text in UTF-16, by its mark or its zero bytes; None for other text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = (start[at:1000:2].count(b"\0") for at in (0, 1))
    n_pairs = len(start[:1000]) // 2
    if n_pairs and max(first, second) > 0.9 * n_pairs and min(first, second) == 0:
        return "utf-16-be" if first else "utf-16-le"
    return None


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
