"""Reads the cells of CSV and Parquet files in blocks of rows, as Arrow columns: no more than a block is held."""

import csv
import io
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from spectrakit.tables.columns import MISSING, is_number
from spectrakit.tables.layouts import has_channels, has_ids
from spectrakit.tables.rules import MAX_PLACES, TableError
from spectrakit.tables.text import (
    BLANK,
    MAX_COLUMNS,
    MAX_LINE,
    TextLayout,
    csv_stream,
    decoded,
    refuse_long_line,
    refuse_nameless,
    text_layout,
    too_many_columns,
)

ENDINGS = (".csv", ".csv.gz", ".parquet")
_CONVERT = "spectrakit convert"

_CSV_BYTES = 1 << 24  # some 1,000 rows of a mid-infrared library: what is held as text at any time
# Bytes read ahead in each column of a Parquet file, so that no more of a long one than a page is held.
_PARQUET_BUFFER = 1 << 15
# Kinds of instruments' files: how they begin, and how they are named; numbers end the names of OPUS files.
_INSTRUMENTS = tuple(
    (kind, re.compile(begins), re.compile(name))
    for kind, begins, name in (
        ("Bruker OPUS", rb"\n\n\xfe\xfe", r".+\.\d+"),
        ("ASD", rb"(?s)(ASD|as\d).*\0", r".+\.asd"),
        ("JCAMP-DX", rb"(?i)(\xef\xbb\xbf)?\s*##\s*TITLE\s*=", r".+\.(jdx|dx|jcm|jcamp)"),
        ("Thermo OMNIC", rb"Spectral (Data|Exte) File", r".+\.(spa|spg|srs)"),
        ("Spectral Evolution", rb"(\xef\xbb\xbf)?Comment:[^\n]*\nVersion:", r".+\.sed"),
    )
)
_START = 512  # bytes that tell the kind
_BLANK = BLANK.encode()
_NULLS = sorted({form for word in MISSING for form in (word, word.upper(), word.title())} | {"NaN"})


@dataclass(frozen=True)
class TableFile:
    """A file of a table by its header.

    names : of its columns, in order; a name that stands more than once means the first of them
    kinds : Arrow type of each column; text for all of a CSV
    fixed : column to value, from the names of the folders
    n_rows : None for a CSV, which does not say
    text : layout of a CSV, None for a Parquet file
    """

    path: Path
    names: tuple
    kinds: dict
    fixed: dict
    n_rows: int | None
    text: TextLayout | None = None

    @property
    def header_rows(self):
        """Rows of the file down to its header."""
        return self.text.header_rows if self.text else 1


def table_ending(path):
    """The one of `ENDINGS` that a path ends in; TableError for another."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return ending
    raise TableError(f"{path}: unknown kind of file; its name should end in {', '.join(ENDINGS)}")


def instrument_kind(path):
    """What kind of instrument's file stands at a path, by its first bytes, else its ending; None for another file."""
    with open(path, "rb") as stream:
        start = stream.read(_START)
    kinds = [kind for kind, begins, _ in _INSTRUMENTS if begins.match(start)]
    kinds += [kind for kind, _, ending in _INSTRUMENTS if ending.fullmatch(path.name.lower())]
    return kinds[0] if kinds else None


def table_files(path):
    """The headers of the file at a path, or of the tables in a folder, numbers in their names by value, and notes.

    In a folder the Parquet files are one table; where there is none, the one CSV file that holds spectra is. Hidden
    files and those that are no table are left out, and the notes name them.
    Raises TableError where there is no table, or more than one, and for files of a table whose columns differ.
    """
    if path.is_file():
        return (table_file(path, path),), []
    files = sorted(files_at(path, lambda file: True, "no table of spectra in this folder; name a file"), key=_by_number)
    tables, fault = _with_spectra(path, files)
    parquet = [table for table in tables if table.text is None]
    tables = parquet or tables
    if not tables:
        kinds = Counter(filter(None, map(instrument_kind, files)))
        words = ", ".join(f"{n} files of {kind}" for kind, n in kinds.items())
        instruments = f" but {words}: make a table of them with {_CONVERT}" if kinds else "; name a file"
        raise fault or TableError(f"{path}: no table of spectra in this folder{instruments}")
    if len(tables) > 1 and not parquet:
        names = ", ".join(str(table.path.relative_to(path)) for table in tables[:MAX_PLACES])
        raise TableError(f"{path}: {len(tables)} tables in this folder ({names}); name one, or write them as Parquet")
    first, *rest = tables
    left_out = [file for file in files if file not in {table.path for table in tables}]
    return (first, *(_as_first(table, first) for table in rest)), left_out_notes(path, left_out)


def spectra_files(folder):
    """The files in a folder that could be tables of spectra, by name, and notes that name the others."""
    files = sorted((file for file in folder.iterdir() if file.is_file()), key=_by_number)
    paths = [table.path for table in _with_spectra(folder, files)[0]]
    return paths, left_out_notes(folder, [file for file in files if file not in paths])


def _with_spectra(folder, files):
    """The headers of the files that could be tables of spectra, and the first fault of one that cannot be read.

    Where no CSV has both channels and names of samples, one that lacks either is the one that is meant.
    """
    tables, others, first_fault = [], [], None
    for file in files:
        if is_hidden(file.relative_to(folder)) or not file.name.lower().endswith(ENDINGS):
            continue
        try:
            table = table_file(file, folder)
        except TableError as fault:
            first_fault = first_fault or fault
        else:
            sure = has_channels(table.names) and (table.text is None or has_ids(table.names))
            (tables if sure else others).append(table)
    likely = [table for table in others if has_channels(table.names) or has_ids(table.names)]
    return tables or (likely if len(likely) == 1 else []), first_fault


def is_hidden(path):
    """Whether a file, or a folder of its path, is hidden or for other programs, as ._soils.csv is."""
    return any(part.startswith((".", "_", "~")) for part in path.parts)


def left_out_notes(folder, files):
    """A note that names files of a folder that are not used, in a list; an empty list for none."""
    names = ", ".join(str(file.relative_to(folder)) for file in files[:MAX_PLACES])
    more = f" and {len(files) - MAX_PLACES} more" if len(files) > MAX_PLACES else ""
    return [f"left out of the folder: {names}{more}"] if files else []


def files_at(path, matches, none):
    """The file at a path, or the files at any depth of a folder whose path in it matches.

    matches : function of a path; none : words on a folder without such a file
    Raises TableError for a path that does not exist and a folder without such a file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TableError(f"{path}: no such file or folder")
    files = [file for file in path.rglob("*") if matches(file.relative_to(path)) and file.is_file()]
    if not files:
        raise TableError(f"{path}: {none}")
    return files


def _by_number(file):
    """Sorts names as text but the numbers in them by value."""
    return [
        [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", part)]
        for part in file.parts
    ]


def table_file(path, folder):
    """The header of a file; below the `folder` of a table, a folder laboratory=KSSL is a column of the files in it."""
    if kind := instrument_kind(path):
        raise TableError(f"{path}: a file of {kind}, not a table; make one of it with {_CONVERT}")
    if not path.name.lower().endswith(ENDINGS):
        raise TableError(
            f"{path}: unknown kind of file; its name should end in {', '.join(ENDINGS)}; make a table of instruments' "
            f"files with {_CONVERT}"
        )
    if table_ending(path) != ".parquet":
        text = text_layout(path)
        return TableFile(path, text.names, dict.fromkeys(text.names, pa.string()), {}, None, text)
    try:
        metadata = pyarrow.parquet.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path}: not a Parquet table ({str(error).splitlines()[0]}); write it again") from error
    if len(schema.names) > MAX_COLUMNS:
        raise TableError(too_many_columns(path, len(schema.names)))
    kinds = dict(zip(schema.names, schema.types, strict=True))
    parts = (part.partition("=") for part in path.parent.parts[len(folder.parts) :])
    fixed = {name: unquote(value) for name, _, value in parts if value and name not in kinds}
    names = (*schema.names, *fixed)
    return TableFile(path, names, kinds | dict.fromkeys(fixed, pa.string()), fixed, metadata.num_rows)


def refuse_nested(file):
    """Raises TableError for a column that holds lists or the like."""
    for name, kind in file.kinds.items():
        if pa.types.is_nested(kind):
            raise TableError(f"{file.path}: column {name} holds neither numbers nor text but {kind}; leave it out")


def _as_first(file, first):
    """The header of a further file with the columns of the first, so that they are held once for all files."""
    here, there = Counter(file.names), Counter(first.names)
    for name in there | here:
        kind = file.kinds.get(name)
        if here[name] < there[name]:
            fault = f"no column {name}, which {first.path.name} has; give all files the same"
        elif here[name] > there[name] or (name in file.fixed) != (name in first.fixed):
            fault = f"column {name}, which {first.path.name} has not; give all files the same"
        elif is_number(first.kinds[name]) and not is_number(kind) and not pa.types.is_null(kind):
            fault = f"column {name} holds no numbers as in {first.path.name}; write numbers"
        else:
            continue
        raise TableError(f"{file.path}: {fault}")
    return replace(file, names=first.names, kinds=first.kinds)


def first_cells(file):
    """Some cells of the first column, as text; none of a Parquet file whose first column is text and sample_id."""
    if file.text:
        return file.text.first_cells
    if not file.n_rows or (file.names[0] == "sample_id" and not is_number(file.kinds["sample_id"])):
        return ()
    column = next((part.column(0) for _, part in _parquet_batches(file, [file.names[0]], 40, None)), pa.array([]))
    return tuple("" if cell is None else str(cell).strip() for cell in column.to_pylist())


def batches(file, columns, numbers, n_rows, positions=None):
    """Each batch of at most `n_rows` rows of a file as the number of rows before, and {column: Arrow array}.

    columns, numbers : names of the columns to read, and of those among them that should hold numbers
    positions : of the rows that are needed; row groups of Parquet without one of them are not read
    """
    there = [name for name in columns if name not in file.fixed]
    parts = (
        _csv_tables(file, there, numbers) if file.n_rows is None else _parquet_batches(file, there, n_rows, positions)
    )
    for start, part in parts:
        arrays = dict(zip(part.schema.names, part.columns, strict=True))
        arrays |= {name: pa.array([value] * len(part)) for name, value in file.fixed.items()}
        for at in range(0, len(part), n_rows):
            yield start + at, {name: array.slice(at, n_rows) for name, array in arrays.items()}


def _parquet_batches(file, columns, n_rows, positions):
    try:
        with pyarrow.parquet.ParquetFile(file.path, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as parquet:
            end = 0
            for group in range(parquet.num_row_groups):
                start, end = end, end + parquet.metadata.row_group(group).num_rows
                if positions is not None and not np.any((positions >= start) & (positions < end)):
                    continue
                for batch in parquet.iter_batches(n_rows, [group], columns):
                    yield start, batch
                    start += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file.path}: broken Parquet file ({str(error).splitlines()[0]}); write it again") from error


# --- CSV ----------------------------------------------------------------------------------------------------


def _csv_parts(file):
    """The rows below the header, some of them at a time, as bytes; blank lines at the end of the file are left out."""
    with csv_stream(file.path) as stream:
        for _ in range(file.header_rows):
            stream.readline(MAX_LINE)
        lines, n_lines = [], file.header_rows
        while more := _lines(file.path, stream, n_lines):
            lines += more
            n_lines += len(more)
            end = next((at for at in range(len(lines), 0, -1) if lines[at - 1].strip(_BLANK)), 0)
            data = b"".join(lines[:end])
            # Within quotation marks, a line does not end its row.
            if data and not (b'"' in data and data.count(b'"') % 2):
                yield data
                lines = lines[end:]
        # Blank lines are kept until a row follows them.
        if rest := b"".join(lines).rstrip(b"\r\n") if any(line.strip(_BLANK) for line in lines) else b"":
            yield rest


def _lines(path, stream, before):
    """The next lines of a stream, some megabytes together; before : how many stand before them."""
    lines, size = [], 0
    while size < _CSV_BYTES and (line := stream.readline(MAX_LINE)):
        refuse_long_line(path, line, before + len(lines) + 1)
        lines.append(line)
        size += len(line)
    return lines


def _csv_tables(file, columns, numbers):
    """Each part of a CSV file as an Arrow table; columns of numbers are text where a cell is none."""
    nameless = {f"\n{at}": at for at, name in enumerate(file.names) if name == "" and at > 0}
    start, text = 0, dict.fromkeys([*columns, *nameless], pa.string())
    for data in _csv_parts(file):
        # Of bytes that are no text, what notes rows of another length could not say anything.
        decoded(file.path, data, start + file.header_rows + 1)
        try:
            table = _parsed(file, data, start, text | dict.fromkeys(numbers, pa.float64()))
        except pa.ArrowInvalid:
            table = _parsed(file, data, start, text)
        for name, at in nameless.items():
            cells = pc.utf8_trim_whitespace(table[name].drop_null())
            if cell := next((cell for cell in cells.to_pylist() if cell), None):
                row = table[name].to_pylist().index(cell) if cell in table[name].to_pylist() else 0
                refuse_nameless(file.path, at, cell, start + file.header_rows + 1 + row)
        yield start, table.select(columns)
        start += len(table)


def _parsed(file, data, start, kinds):
    """Part of a CSV file as an Arrow table of the columns in `kinds`; TableError for rows of another length."""
    table, ragged = _arrow_table(file, data, kinds)
    if ragged:
        # A cell that is too long to be one leaves the rows as they are: they are named.
        with suppress(csv.Error):
            table, ragged = _arrow_table(file, _evened(file, data), kinds)
    if ragged:
        rows = [
            f"row {start + file.header_rows + row.number} has {row.actual_columns}"
            + (f" ({row.text.strip()[:40]!r})" if row.actual_columns == 1 else "")
            for row in ragged[:MAX_PLACES]
        ]
        more = f"; and {len(ragged) - MAX_PLACES} more rows" if len(ragged) > MAX_PLACES else ""
        cells = f"the header has {len(file.names)} cells but {'; '.join(rows)}{more}"
        raise TableError(f"{file.path}: {cells}; give every row one cell a column")
    return _with_points(table) if file.text.decimal == "," else table


def _arrow_table(file, data, kinds):
    """Part of a CSV file as an Arrow table of the columns in `kinds`, and its rows of another length."""
    ragged = []

    def noted(row):
        ragged.append(row)
        return "skip"

    first = {name: at for at, name in reversed(list(enumerate(file.names))) if name or at == 0}
    names = [name if first.get(name) == at else f"{name}\n{at}" for at, name in enumerate(file.names)]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(data),
        pyarrow.csv.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
        pyarrow.csv.ParseOptions(
            delimiter=file.text.separator,
            invalid_row_handler=noted,
            ignore_empty_lines=False,
            newlines_in_values=True,
        ),
        pyarrow.csv.ConvertOptions(
            column_types=kinds, include_columns=[*kinds], null_values=_NULLS, decimal_point=file.text.decimal
        ),
    )
    return table.combine_chunks(), ragged


def _evened(file, data):
    """Rows with a cell for every column: without empty cells beyond, with those of columns that have no name."""
    text, n_cells = io.StringIO(newline=""), len(file.names)
    n_named = next((at for at in range(n_cells, 0, -1) if file.names[at - 1]), 0)
    writer = csv.writer(text, delimiter=file.text.separator, lineterminator="\n")
    for row in csv.reader(io.StringIO(data.decode(), newline=""), delimiter=file.text.separator):
        beyond = n_cells if not any(cell.strip() for cell in row[n_cells:]) else None
        padded = n_cells - len(row) if len(row) >= n_named or not row else 0
        writer.writerow(row[:beyond] + [""] * padded)
    return text.getvalue().encode()


def _with_points(table):
    """Numbers in columns of text with decimal points."""
    for at, (name, column) in enumerate(zip(table.schema.names, table.columns, strict=True)):
        if pa.types.is_string(column.type):
            points = pc.replace_substring_regex(column, r"^\s*([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)\s*$", r"\1.\2")
            table = table.set_column(at, name, points)
    return table
