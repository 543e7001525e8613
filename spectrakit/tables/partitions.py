"""How is a library read and written that is larger than memory? In blocks of rows, in one order whatever holds it.

A library is a plain spectral table or one laid out as the OSSL, each as CSV, CSV.gz or Parquet, or a folder of Parquet
files of either layout. Its rows are those of the files in the order of their names, numbers in them by value
(part-2 before part-10), and in the order of the file. Row 0 is the first; no function here leaves one out of its count.
A folder laboratory=KSSL gives the files in it the column laboratory.
"""

import os
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from spectrakit.contents import unit_suffix
from spectrakit.spectra import AXIS_UNITS, SpectralDataset, one_of
from spectrakit.tables.checks import (
    CHANNEL_NAME,
    HEADER_ROWS,
    TableError,
    axis_problems,
    cell_problem,
    name_problems,
    scale_problems,
    unnamed_problems,
)
from spectrakit.tables.ossl import is_ossl, ossl_columns
from spectrakit.tables.plain import (
    MISSING,
    NUMERIC_SAMPLE_COLUMNS,
    SAMPLE_COLUMNS,
    SIGNALS,
    arrow_table,
    csv_fault,
    csv_header,
    is_number,
    sort_columns,
    table_ending,
    table_provenance,
    write_parquet,
)

BLOCK_ROWS = 4096

_CSV_BYTES = 1 << 24  # some 1,000 rows of a mid-infrared library: what is held as text at any time
# Bytes read ahead in each column of a Parquet file, so that no more of a long one than a page is held.
_PARQUET_BUFFER = 1 << 15
_KEPT_ALWAYS = ("sample_id", "laboratory", "replicate", "origin", "seed")  # what names a row, and where it is from
# Rows of a batch by which its scale is judged: the median of all would take longer than to read them.
_SCALE_ROWS = 256
_NULLS = sorted({form for word in MISSING for form in (word, word.upper(), word.title())} | {"NaN"})


@dataclass(frozen=True)
class LibraryIndex:
    """What a library holds beside its spectra, a row a sample in the order of the library.

    axis : (n_channels,) ascending
    properties, samples, provenance : as in `SpectralDataset`
    """

    axis: np.ndarray
    properties: pd.DataFrame
    samples: pd.DataFrame
    provenance: dict

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.samples)


def read_blocks(path, axis_unit, signal, rows=BLOCK_ROWS, columns=None, only=None):
    """The rows of a library in order, as an iterator of `SpectralDataset` of `rows` samples; the last may be shorter.

    path : a file or folder as this module describes
    axis_unit : 'nm' or 'cm-1'
    signal : 'counts', 'reflectance' (0-1), 'percent-reflectance' or 'absorbance'
    columns : names of the properties and sample columns to read, those of the OSSL by their names here; by default
        all. sample_id, laboratory and replicate are read where they are there
    only : positions of the rows to read, counted from 0 through the whole library; by default all. They come in
        the order of the library, and row groups that hold none are not read

    What is held does not depend on the length of the library: a block, and of Parquet at most a row group. Those that
    this package writes have 4,096 rows; `write_partitions` of `read_blocks` divides larger ones. Percent become
    fractions. Where a spectrum or a part of it is missing it is NaN, so that blocks have the rows of `library_index`
    in the same order. A column without a unit is a property where it holds numbers: in Parquet by its type, in CSV by
    what stands first.
    Raises TableError, on the call or where the row stands, for a file that cannot be read, a column that is not in
    every file, a cell that is not a number; ValueError for a position beyond the last row.
    """
    if rows < 1:
        raise ValueError(f"rows of a block: {rows}; give at least 1")
    library = open_library(path, axis_unit, signal, columns)
    wanted = None if only is None else np.unique(np.asarray(only, dtype=np.int64))
    return _regrouped((piece for _, piece in pieces(library, rows, wanted)), rows)


def library_index(path, axis_unit, signal, columns=None):
    """The properties and sample columns of a whole library as a `LibraryIndex`; the spectra are not read.

    Arguments as in `read_blocks`. Raises TableError as there, and for a sample_id that stands twice in one laboratory
    and replicate. The OSSL names samples itself, so that nothing is asked of the names there.
    """
    library = open_library(path, axis_unit, signal, columns)
    places, found = [], []
    for place, piece in pieces(replace(library, channels=()), 16 * BLOCK_ROWS):
        places.append((place, len(piece)))
        found.append(piece)
    whole = _joined(found)
    for problem in [] if library.ossl else name_problems(whole.samples):
        raise TableError(f"{library.path}: {_in_files(problem, places)}")
    return LibraryIndex(library.axis, whole.properties, whole.samples, whole.provenance)


def read_library(path, axis_unit, signal, only=None, columns=None):
    """A library, or the rows of it at the positions `only`, as one `SpectralDataset`; arguments as in `read_blocks`.

    Samples without a spectrum are left out; the provenance counts them. Raises TableError as `read_blocks` does, and
    where no sample is left.
    """
    blocks, without = [], 0
    for block in read_blocks(path, axis_unit, signal, columns=columns, only=only):
        there = ~np.isnan(block.spectra).all(axis=1)
        without += int((~there).sum())
        blocks.append(block if there.all() else block.subset(there))
    if not sum(map(len, blocks)):
        raise TableError(f"{path}: no sample of it has a spectrum in {axis_unit}; give a library that has some")
    whole = _joined(blocks)
    counts = {"samples without a spectrum": without} if without else {}
    return replace(whole, provenance=whole.provenance | counts)


def write_partitions(blocks, folder, rows=BLOCK_ROWS, progress=None):
    """Write an iterator of `SpectralDataset` as a folder part-00000.parquet, part-00001.parquet ...

    rows : of each file but the last, however long the blocks are
    progress : called with the number of rows written

    Each file is what `write_table` writes of its rows. The folder appears whole or not at all, and what is held is one
    file and one block.
    Returns the number of rows. Raises TableError for a folder that exists, no row, or blocks that differ in kind.
    """
    folder = Path(folder)
    schema, n_rows = None, 0
    with _folder_written_whole(folder) as part:
        for number, dataset in enumerate(_regrouped(_alike(blocks, folder), rows)):
            try:
                table = arrow_table(dataset)
                schema = schema or _wide(table.schema)
                table = table.cast(schema)
            except pa.ArrowException as error:
                reason = str(error).splitlines()[0]
                raise TableError(
                    f"{folder}: a column holds numbers in some blocks, text in others ({reason})"
                ) from error
            write_parquet(table, part / f"part-{number:05d}.parquet")
            n_rows += len(dataset)
            if progress:
                progress(n_rows)
        if not n_rows:
            raise TableError(f"{folder}: no sample to write")
    return n_rows


# --- writing --------------------------------------------------------------------------------------------


@contextmanager
def _folder_written_whole(folder):
    """A folder to fill, which gets the name `folder` when the block ends without an error."""
    if folder.exists():
        raise TableError(f"{folder}: this exists already; name a new folder, or delete it first")
    if not folder.parent.is_dir():
        raise TableError(f"{folder}: there is no folder {folder.parent}; make it first")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir()
    try:
        yield part
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _wide(schema):
    """A schema where whole numbers may be followed by others: a depth of 5 cm by one of 7.5 cm."""
    widened = [name for name in NUMERIC_SAMPLE_COLUMNS if name not in ("replicate", "seed")]
    fields = [
        field.with_type(pa.float64()) if field.name in widened and is_number(field.type) else field for field in schema
    ]
    return pa.schema(fields)


def _alike(blocks, folder):
    """The blocks as they come, with the columns in the order of the first; TableError for one that has others."""
    first = None
    for number, block in enumerate(blocks):
        first = block.subset([]) if first is None else first
        if (block.axis_unit, block.signal, *block.axis) != (first.axis_unit, first.signal, *first.axis):
            raise TableError(f"{folder}: block {number} differs from block 0 in its axis or signal")
        for name in ("properties", "samples"):
            odd = set(getattr(block, name)) ^ set(getattr(first, name))
            if odd:
                raise TableError(f"{folder}: block {number} differs from block 0 in its {name}: {min(odd)}")
        yield replace(block, properties=block.properties[[*first.properties]], samples=block.samples[[*first.samples]])


# --- from a path to the columns of its files ------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    """A file of a library by its header.

    kinds : Arrow type of each column, in order; text for all of a CSV
    fixed : column to value, from the names of the folders
    n_rows : None for a CSV, which does not say
    """

    path: Path
    kinds: dict
    fixed: dict
    n_rows: int | None

    @property
    def names(self):
        return [*self.kinds, *self.fixed]

    @property
    def is_csv(self):
        return self.n_rows is None


@dataclass(frozen=True)
class _Library:
    """Where the rows of a library stand.

    axis : (n_channels,) ascending
    channels : column of each channel of the axis, in that order
    others : name in the dataset to (column, factor)
    properties : those of `others` that are properties, None where the first rows decide
    """

    path: Path
    files: tuple
    ossl: bool
    axis_unit: str
    signal: str
    axis: np.ndarray
    channels: tuple
    others: dict
    properties: frozenset | None


def open_library(path, axis_unit, signal, columns=None):
    """The library at a path by the header of its files; nothing but headers is read."""
    one_of("axis_unit", axis_unit, AXIS_UNITS)
    one_of("signal", signal, SIGNALS)
    path = Path(path)
    root = path if path.is_dir() else path.parent
    first, *rest = _files(path)
    first = header(first, root)
    files = (first, *(_alike_header(header(file, root), first) for file in rest))
    ossl = is_ossl(first.names)
    own = (
        ossl_columns(first.path, first.names, axis_unit, signal) if ossl else {name: (name, 1) for name in first.names}
    )
    channels = {name: column for name, (column, _) in own.items() if CHANNEL_NAME.fullmatch(name)}
    others = {name: found for name, found in own.items() if name not in channels}
    _check_columns(first, channels, others, axis_unit)
    axis = np.array([float(name) for name in channels])
    order = np.argsort(axis)
    return _Library(
        path=path,
        files=files,
        ossl=ossl,
        axis_unit=axis_unit,
        signal=signal,
        axis=axis[order],
        channels=tuple(np.array([*channels.values()], dtype=object)[order]),
        others=_chosen(path, others, columns),
        properties=None if first.is_csv and not ossl else _properties(first, others, ossl),
    )


def _files(path):
    if path.is_file():
        table_ending(path)
        return [path]
    if not path.is_dir():
        raise TableError(f"{path}: no such file or folder")
    files = [file.relative_to(path) for file in path.rglob("*.parquet") if file.is_file()]
    files = [file for file in files if not any(part.startswith((".", "_")) for part in file.parts)]
    if not files:
        raise TableError(f"{path}: no Parquet file in this folder; give a folder of *.parquet, or a table")
    return [path / file for file in sorted(files, key=_by_number)]


def _by_number(file):
    """Sorts names as text but the numbers in them by value."""
    return [
        [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", part)]
        for part in file.parts
    ]


def header(file, library):
    """The columns of a file of a library, a folder, and how many rows it has, as its header says: `_File`."""
    if table_ending(file) != ".parquet":
        names, kinds, fixed, n_rows = csv_header(file), None, {}, None
    else:
        try:
            metadata = pyarrow.parquet.read_metadata(file)
            schema = metadata.schema.to_arrow_schema()
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{file}: not a Parquet file ({str(error).splitlines()[0]}); write it again") from error
        names, kinds, n_rows = schema.names, schema.types, metadata.num_rows
        folders = file.relative_to(library).parts[:-1]
        fixed = {name: unquote(value) for name, _, value in (part.partition("=") for part in folders) if value}
    for name, count in Counter(names).items():
        if count > 1:
            raise TableError(f"{file}: column {name} stands {count} times; delete or rename all but one")
    kinds = dict(zip(names, kinds or [pa.string()] * len(names), strict=True))
    return _File(file, kinds, {name: value for name, value in fixed.items() if name not in kinds}, n_rows)


def _alike_header(file, first):
    """The header of a file with the kinds of the first, so that one is held for all; TableError where they differ."""
    here = dict.fromkeys(first.names, pa.string()) | first.kinds
    there = dict.fromkeys(file.names, pa.string()) | file.kinds
    # In the order of the file, so that the one named is the first that its owner meets.
    for name in here:
        if name not in there:
            raise TableError(f"{file.path}: no column {name}, which {first.path.name} has; give all files the same")
        if is_number(here[name]) and not _holds_numbers(there[name]):
            raise TableError(f"{file.path}: column {name} holds no numbers as in {first.path.name}; write numbers")
    for name in there:
        if name not in here or (name in file.fixed) != (name in first.fixed):
            raise TableError(f"{file.path}: column {name}, which {first.path.name} has not; give all files the same")
    return replace(file, kinds=first.kinds)


def _holds_numbers(kind):
    return is_number(kind) or pa.types.is_null(kind)


def _check_columns(file, channels, others, axis_unit):
    """TableError for a table that lacks names of its samples or channels, or whose axis is out of order."""
    if "sample_id" not in others:
        raise TableError(f"{file.path}: row 1 names no column sample_id; add one with a name for every sample")
    if not channels:
        raise TableError(f"{file.path}: no channel; name each channel column by its bare wavelength or wavenumber")
    for name in channels.values():
        if not file.is_csv and not _holds_numbers(file.kinds[name]):
            raise TableError(f"{file.path}: column {name} holds no numbers but {file.kinds[name]}; write numbers")
    for name, _ in others.values():
        if pa.types.is_nested(file.kinds.get(name, pa.string())):
            raise TableError(
                f"{file.path}: column {name} holds neither numbers nor text but {file.kinds[name]}; leave it out"
            )
    axis = np.array([float(name) for name in channels])
    for problem in axis_problems(axis, [*channels.values()], axis_unit):
        if problem.severity == "error":
            raise TableError(f"{file.path}: {problem}")


def _chosen(path, others, columns):
    if columns is None:
        return others
    for name in columns:
        if name not in others:
            raise TableError(f"{path}: no column {name}; it has {', '.join(others)}")
    return {name: others[name] for name in others if name in columns or name in _KEPT_ALWAYS}


def _properties(file, others, ossl):
    """Names of the properties: whatever has a unit, and other columns of numbers that do not describe the sample."""
    return frozenset(
        name
        for name, (column, _) in others.items()
        if name not in SAMPLE_COLUMNS
        and (unit_suffix(name) or (not ossl and column in file.kinds and is_number(file.kinds[column])))
    )


# --- from files to rows ---------------------------------------------------------------------------------


def pieces(library, rows, wanted=None):
    """Pieces of at most `rows` rows, each with its place: (file, rows of the file before it)."""
    before = 0
    for file in library.files:
        end = 0
        for start, arrays in _batches(library, file, rows, wanted, before):
            if library.properties is None:
                first, *_ = sort_columns(_cells(library, arrays))
                library = replace(library, properties=frozenset(first))
            end = start + len(arrays[library.others["sample_id"][0]])
            positions = None if wanted is None else _inside(wanted, before + start, before + end) - before - start
            if positions is None or len(positions):
                piece = _piece(library, file, arrays, start)
                yield (file.path, start), piece if positions is None else piece.subset(positions)
        before += end if file.is_csv else file.n_rows
    if not before:
        raise TableError(f"{library.path}: a header but no sample below it")
    for position in [] if wanted is None else wanted[(wanted < 0) | (wanted >= before)]:
        raise ValueError(f"{library.path}: no row at position {position}, it has {before:,}; count from 0")


def _inside(wanted, low, high):
    return wanted[np.searchsorted(wanted, low) : np.searchsorted(wanted, high)]


def _batches(library, file, rows, wanted, before):
    """Each batch of a file as {column: array}, with the number of rows of the file before it."""
    columns = [name for name, _ in library.others.values() if name in file.kinds]
    if file.is_csv:
        batches = _csv_batches(library, file, columns)
    else:
        batches = _parquet_batches(library, file, columns, rows, wanted, before)
    for start, batch in batches:
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        arrays |= {name: pa.array([value] * len(batch)) for name, value in file.fixed.items()}
        for at in range(0, len(batch), rows):
            yield start + at, {name: array.slice(at, rows) for name, array in arrays.items()}


def _parquet_batches(library, file, columns, rows, wanted, before):
    try:
        with pyarrow.parquet.ParquetFile(file.path, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as parquet:
            start = 0
            for group in range(parquet.num_row_groups):
                n_rows = parquet.metadata.row_group(group).num_rows
                if wanted is None or len(_inside(wanted, before + start, before + start + n_rows)):
                    at = start
                    for batch in parquet.iter_batches(rows, [group], [*columns, *library.channels]):
                        yield at, batch
                        at += len(batch)
                start += n_rows
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{file.path}: broken Parquet file ({str(error).splitlines()[0]}); write it again") from error


def _csv_batches(library, file, columns):
    types = dict.fromkeys(columns, pa.string()) | dict.fromkeys(library.channels, pa.float64())
    start = 0
    try:
        reader = pyarrow.csv.open_csv(
            file.path,
            pyarrow.csv.ReadOptions(
                use_threads=False, column_names=file.names, skip_rows=HEADER_ROWS, block_size=_CSV_BYTES
            ),
            pyarrow.csv.ParseOptions(newlines_in_values=True),
            # In the OSSL NA stands for 'not known' in text as well; elsewhere it may be a country or a name.
            pyarrow.csv.ConvertOptions(
                column_types=types, include_columns=[*types], null_values=_NULLS, strings_can_be_null=library.ossl
            ),
        )
        for batch in reader:
            yield start, batch
            start += len(batch)
    except (pa.ArrowException, OSError) as error:
        raise TableError(csv_fault(file.path, file.names, str(error))) from error


def _cells(library, arrays):
    return {name: arrays[column] for name, (column, _) in library.others.items()}


def _piece(library, file, arrays, start):
    """One batch as a `SpectralDataset`; without spectra where the library has no channels to read."""
    properties, samples, problems = sort_columns(_cells(library, arrays), library.properties)
    percent = library.signal == "percent-reflectance"
    scale = 100 if percent else 1
    spectra = _spectra([arrays[name] for name in library.channels], len(samples), scale)
    problems = [problem for problem in problems if problem.severity == "error"] + unnamed_problems(samples)
    remedy = "Leave the cell empty where nothing was measured"
    problems += cell_problem("error", np.isinf(spectra), library.channels, "infinite value in {cells} cells", remedy)
    problems += scale_problems(spectra[:_SCALE_ROWS] * scale, library.signal)
    for problem in problems:
        raise TableError(f"{file.path}: {in_file(problem, library, start)}")
    for name in properties:
        properties[name] *= library.others[name][1]
    source = f"{'folder' if library.path.is_dir() else 'file'} {library.path.name}"
    return SpectralDataset(
        spectra=spectra,
        axis=library.axis[: spectra.shape[1]],
        axis_unit=library.axis_unit,
        signal="reflectance" if percent else library.signal,
        properties=properties,
        samples=samples.drop(columns=["origin", "seed"], errors="ignore"),
        provenance=table_provenance(source, samples),
    )


def _spectra(arrays, n_rows, scale):
    """The arrays divided by `scale` as float32 (n_rows, n_channels); one channel of NaN where there are none."""
    spectra = np.full((n_rows, max(len(arrays), 1)), np.nan, dtype=np.float32)
    # Filled by column: to fill by row and turn it round would take twice as long.
    for column, array in zip(spectra.T, arrays, strict=False):
        if array.null_count < n_rows:
            np.divide(array.to_numpy(zero_copy_only=False), scale, out=column)
    return spectra


def in_file(problem, library, start):
    """A problem of a batch with its rows counted through the file and the columns as the file names them."""
    named = {name: column for name, (column, _) in library.others.items()}
    places = ((row if row is None else row + start, named.get(column, column)) for row, column in problem.places)
    return replace(problem, places=tuple(places))


def _in_files(problem, places):
    """A problem of the whole library in words, with its rows counted through their files."""
    ends = np.cumsum([n_rows for _, n_rows in places])
    words = []
    for row, _ in problem.places:
        at = int(np.searchsorted(ends, row - 1 - HEADER_ROWS, side="right"))
        (file, start), n_rows = places[at]
        words.append(f"{file.name} row {row - ends[at] + n_rows + start}")
    return f"{problem.message} ({'; '.join(words)}). {problem.remedy}."


def _regrouped(pieces, rows):
    """The same rows in pieces of `rows`, the last perhaps shorter."""
    held, n_held = [], 0
    for piece in pieces:
        while n_held + len(piece) >= rows:
            cut = rows - n_held
            yield _joined([*held, _sliced(piece, slice(cut))])
            held, n_held, piece = [], 0, _sliced(piece, slice(cut, None))
        if len(piece):
            held, n_held = [*held, piece], n_held + len(piece)
    if held:
        yield _joined(held)


def _sliced(dataset, rows):
    return replace(
        dataset,
        spectra=dataset.spectra[rows],
        properties=dataset.properties.iloc[rows],
        samples=dataset.samples.iloc[rows],
    )


def _joined(pieces):
    """Pieces as one dataset; the list is emptied on the way, so that their spectra are not held twice."""
    if len(pieces) == 1:
        return pieces[0]
    properties, samples = (
        pd.concat([getattr(piece, name) for piece in pieces], ignore_index=True) for name in ("properties", "samples")
    )
    spectra = np.empty((len(samples), pieces[0].n_channels), dtype=np.float32)
    first, start = pieces[0], 0
    while pieces:
        piece = pieces.pop(0)
        spectra[start : start + len(piece)] = piece.spectra
        start += len(piece)
    return replace(first, spectra=spectra, properties=properties, samples=samples)
