"""Reads tables of spectra of any size: whole, in blocks of rows, or without the spectra.

A table is a plain spectral table or one laid out as the OSSL, each as CSV, CSV.gz or Parquet, or a folder of Parquet
files of either layout. Its rows are those of the files in the order of their names, numbers in them by value
(part-2 before part-10), and in the order of the file. Row 0 is the first.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from spectrakit.contents import not_measured
from spectrakit.spectra import AXIS_UNITS, FILE_SIGNALS, SpectralDataset, one_of, unmeasured_channels
from spectrakit.tables.cells import batches, first_cells, refuse_nested, table_files
from spectrakit.tables.columns import (
    BELOW_DETECTION,
    CHANNEL_NAME,
    MISSING,
    as_numbers,
    as_sample_column,
    content_below_detection,
    is_property,
    n_numbers_and_words,
    with_numbers,
)
from spectrakit.tables.layouts import is_ossl, ossl_columns, plain_columns
from spectrakit.tables.rules import (
    HEADER_ERRORS,
    HEADER_SAID,
    READ_ERRORS,
    SAID_RULES,
    Findings,
    TableError,
    applied,
    doubled_names,
    no_spectrum,
    said,
    scan_names,
)

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class LibraryIndex:
    """What a library holds beside its spectra, a row a sample in the order of the library.

    properties, samples, provenance, notes : as in `SpectralDataset`
    """

    properties: pd.DataFrame
    samples: pd.DataFrame
    provenance: dict
    notes: tuple = ()

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.samples)


def read_table(path, axis_unit, signal, below_detection=None):
    """A plain spectral table (CSV, CSV.gz or Parquet) as a `SpectralDataset`.

    axis_unit : 'nm' or 'cm-1'
    signal : 'counts', 'reflectance' (0-1), 'percent-reflectance' or 'absorbance'
    A descending axis is turned round, percent become fractions. A column without a unit is a property where it holds
    numbers: in Parquet by its type, in CSV by what stands first. A column `origin` (and `seed`), which `write_table`
    adds to simulated spectra, becomes the provenance.
    below_detection : how contents such as '<0.5' or 'n.d.' are read: 'half' of the limit (not measured where the cell
        does not give it), 'missing' for not measured; None refuses them
    What reading changed or doubts stands in the notes of the dataset.
    Raises TableError, in one line, for a table in which `check_table` finds an error.
    """
    files, _ = table_files(Path(path))
    if is_ossl(files[0].names):
        raise TableError(
            f"{path}: laid out as the OSSL, where a plain table is needed; check, harmonise and impute read it"
        )
    if len(files) > 1:
        raise TableError(f"{path}: this is a folder of {len(files)} tables; name one of its files")
    table = _opened(path, axis_unit, signal, None, below_detection)
    findings = Findings()
    pieces = [block.dataset() for block in _sound_blocks(table, findings, errors=(*READ_ERRORS, no_spectrum))]
    whole = _described(table, joined(pieces), findings)
    table.refuse(doubled_names(whole))
    return whole


def read_library(path, axis_unit, signal, below_detection=None):
    """A library of any kind as one `SpectralDataset`; arguments as in `read_blocks`.

    Samples without a spectrum are left out; the provenance counts them. Raises TableError as `read_blocks` does, and
    where no sample is left.
    """
    table = _opened(path, axis_unit, signal, None, below_detection)
    pieces, n_empty, findings = [], 0, Findings()
    for block in _sound_blocks(table, findings):
        piece = block.dataset()
        measured = ~np.isnan(piece.spectra).all(axis=1)
        n_empty += int((~measured).sum())
        pieces.append(piece if measured.all() else piece.subset(measured))
    if not any(map(len, pieces)):
        raise TableError(f"{path}: no sample of it has a spectrum in {axis_unit}; give a library that has some")
    whole = _described(table, joined(pieces), findings)
    counts = {"samples without a spectrum": n_empty} if n_empty else {}
    return replace(whole, provenance=whole.provenance | counts)


def read_blocks(path, axis_unit, signal, rows=BLOCK_ROWS, columns=None, only=None, below_detection=None):
    """The rows of a library in order, as an iterator of `SpectralDataset` of `rows` samples; the last may be shorter.

    path : a plain spectral table, one laid out as the OSSL, or a folder of Parquet files of either kind. A folder
        laboratory=KSSL below it gives the files in it the column laboratory
    axis_unit, signal : as in `read_table`
    columns : names of the properties and sample columns to read, those of the OSSL by their names here; by default
        all. sample_id, laboratory and replicate are always read where they are there
    only : positions of the rows to read, counted from 0 through the whole library; by default all. They come in
        the order of the library, and row groups that hold none are not read

    What is held does not depend on the length of the library: a block, and of Parquet at most a row group. Those that
    this package writes have 4,096 rows; `write_partitions` of `read_blocks` divides larger ones. Percent become
    fractions. Where a spectrum or a part of it is missing it is NaN, so that blocks have the rows of `library_index`
    in the same order. Columns without a unit are treated as by `read_table`.
    Raises TableError, on the call or where the row stands, for a file that cannot be read, a column that is not in
    every file, a cell that is not a number; ValueError for a position beyond the last row.
    """
    if rows < 1:
        raise ValueError(f"rows of a block: {rows}; give at least 1")
    table = _opened(path, axis_unit, signal, columns, below_detection)
    positions = None if only is None else np.unique(np.asarray(only, dtype=np.int64))
    pieces = (block.dataset(positions) for block in _sound_blocks(table, Findings(), rows, positions))
    return (_described(table, piece) for piece in regrouped(pieces, rows))


def library_index(path, axis_unit, signal, columns=None, below_detection=None):
    """The properties and sample columns of a whole library as a `LibraryIndex`; the spectra are not read.

    Arguments as in `read_blocks`. Raises TableError as there, and for a sample_id that stands twice in one laboratory
    and replicate. The OSSL names samples itself, so that nothing is asked of the names there.
    """
    table = _opened(path, axis_unit, signal, columns, below_detection)
    findings = Findings()
    index = index_of(table, findings)
    if not table.is_ossl:
        table.refuse(doubled_names(index))
    return _described(table, index, findings)


def index_of(table, findings):
    """The properties and sample columns of a `Table` as a `LibraryIndex`; findings : what commands say is added."""
    without_spectra = _sound_blocks(replace(table, channels=()), findings, 16 * BLOCK_ROWS)
    parts = zip(*((block.properties, block.samples) for block in without_spectra), strict=True)
    return LibraryIndex(*(pd.concat(part, ignore_index=True) for part in parts), {})


def _opened(path, axis_unit, signal, columns, below_detection):
    """A table whose header has no error."""
    table = open_table(path, axis_unit, signal, columns, below_detection)
    table.refuse(applied(HEADER_ERRORS, table))
    return table


def _sound_blocks(table, findings, n_rows=BLOCK_ROWS, positions=None, errors=READ_ERRORS):
    """The blocks of a table; where a rule sees an error, or most rows have one fault, the reading ends.

    findings : `Findings` to which what commands say is added
    """
    for block in blocks(table, n_rows, positions):
        table.refuse(applied(errors, block))
        table.refuse(findings.add(block, SAID_RULES), findings.n_samples)
        yield block
    table.refuse(findings.judged(), findings.n_samples)


def _described(table, rows, findings=None):
    """A dataset or index with its provenance, by the columns origin and seed, numbers as numbers, and its notes."""
    samples = with_numbers(rows.samples)
    without = samples.drop(columns=["origin", "seed"], errors="ignore")
    rows = replace(rows, samples=without, provenance=table.provenance(samples))
    if findings is None:
        return rows
    problems = [*applied(HEADER_SAID, table), *findings.judged(), *scan_names(rows)]
    return replace(rows, notes=tuple(said(table.reported(problems, len(samples)))))


# --- tables and blocks of their rows --------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Where the columns and rows of a table stand.

    axis, channels : values and columns of the channels, in the order of the file
    others : name in the dataset to (column, factor)
    properties : those of `others` that are properties, None where the first rows decide
    notes : what is read otherwise than it stands, in words
    below_detection : how contents below a limit of detection are read, see `read_table`
    """

    path: Path
    files: tuple
    is_ossl: bool
    axis_unit: str
    signal: str
    axis: np.ndarray
    channels: tuple
    others: dict
    properties: frozenset | None = None
    notes: tuple = ()
    below_detection: str | None = None

    @property
    def is_library(self):
        """Whether rows may have no spectrum: those of the OSSL and of folders."""
        return self.is_ossl or len(self.files) > 1

    def reported(self, problems, n_samples=0):
        """Problems with messages, rows as lines of their files, columns as these name them; n_samples : of all."""
        return [replace(problem.filled(n_samples, self), places=self._places(problem)) for problem in problems]

    def _places(self, problem):
        return tuple((self._line(row), self.others.get(name, (name,))[0]) for row, name in problem.places)

    def _line(self, row):
        if row is None or len(self.files) == 1:
            return row if row is None else row + 1 + self.files[0].header_rows
        ends = np.cumsum([file.n_rows for file in self.files])
        at = int(np.searchsorted(ends, row, side="right"))
        line = row - ends[at] + self.files[at].n_rows + 1 + self.files[at].header_rows
        return f"{line} of {self.files[at].path.relative_to(self.path)}"

    def refuse(self, problems, n_samples=0):
        """Raises TableError, in one line, where some problems are errors; n_samples : as of `reported`."""
        errors = [str(problem) for problem in self.reported(problems, n_samples) if problem.severity == "error"]
        if errors:
            more = f" And {len(errors) - 2} more kinds of error." if len(errors) > 2 else ""
            raise TableError(f"{self.path}: {' '.join(errors[:2])}{more}")

    def provenance(self, samples):
        """Provenance by the columns `origin` and `seed` of simulated samples; without them samples were measured."""
        simulated = "origin" in samples and (samples["origin"] == "simulated").any()
        source = f"{'folder' if self.path.is_dir() else 'file'} {self.path.name}"
        provenance = {"origin": "simulated" if simulated else "measured", "source": source}
        seeds = with_numbers(samples[["seed"]])["seed"].dropna().unique() if "seed" in samples else ()
        return provenance | ({"seed": seeds[0].item()} if len(seeds) == 1 else {})


@dataclass(frozen=True)
class Block:
    """Some rows of a table.

    first_row : number of rows of the table before
    values : (n_rows, n_channels) as in the file, NaN where not measured, no number or infinite
    wrong : name of a property, or '' for the channels, to the (row, column, text) that are no numbers
    infinite, coded : masks of `values`; coded where a number stands that no such signal has, see `unmeasured_channels`
    other_scale : mask (n_rows,) of the spectra on another scale than declared; not measured, as coded channels are
    unmeasured : name of a property to (n_rows,) contents in the file, and masks of codes and of impossible ones
    below : name of a property to the rows below the limit of detection
    """

    table: Table
    first_row: int
    values: np.ndarray
    wrong: dict
    infinite: np.ndarray
    coded: np.ndarray
    other_scale: np.ndarray
    unmeasured: dict
    below: dict
    properties: pd.DataFrame
    samples: pd.DataFrame

    @cached_property
    def missing(self):
        """Mask of the channels that are empty in the file."""
        missing = np.isnan(self.values) & ~self.infinite & ~self.coded & ~self.other_scale[:, None]
        for row, name, _ in self.wrong.get("", ()):
            missing[row, self.table.channels.index(name)] = False
        return missing

    @cached_property
    def empty(self):
        """Mask (n_rows,) of the samples without a spectrum."""
        return self.missing.all(axis=1)

    @property
    def n_stated(self):
        """Number of contents that the file states, by property."""
        return {name: np.count_nonzero(~np.isnan(values)) for name, (values, *_) in self.unmeasured.items()}

    @cached_property
    def spectra(self):
        """Spectra as read: float32, ascending, per cent as fractions."""
        ascending = slice(None) if self.table.axis[0] <= self.table.axis[-1] else slice(None, None, -1)
        values = self.values[:, ascending]
        percent = self.table.signal == "percent-reflectance"
        return np.ascontiguousarray(values / 100 if percent else values, dtype=np.float32)

    def dataset(self, positions=None):
        """The rows, or those at some positions, as a `SpectralDataset` that has the columns `origin` and `seed`."""
        whole = SpectralDataset(
            spectra=self.spectra,
            axis=np.sort(self.table.axis),
            axis_unit=self.table.axis_unit,
            signal=self.table.signal.removeprefix("percent-"),
            properties=self.properties,
            samples=self.samples,
            provenance={"origin": "measured"},
        )
        there = self.first_row + np.arange(len(whole))
        return whole if positions is None else whole.subset(np.isin(there, positions))


def open_table(path, axis_unit, signal, columns=None, below_detection=None):
    """The table at a path by the headers of its files; nothing else is read. Arguments as in `read_blocks`.

    Raises TableError where there is no table, or no column with the names of the samples or with a channel.
    """
    one_of("axis_unit", axis_unit, AXIS_UNITS)
    one_of("signal", signal, FILE_SIGNALS)
    one_of("below_detection", below_detection, (None, *BELOW_DETECTION))
    path = Path(path)
    files, notes = table_files(path)
    first = files[0]
    ossl = is_ossl(first.names)
    if first.text:
        notes = [*notes, *first.text.notes]
    if ossl:
        layout = ossl_columns(first.path, first.names, axis_unit, signal).items()
    else:
        pairs, of_columns = plain_columns(first.path, first.names, first_cells(first), axis_unit)
        layout, notes = [(name, (column, 1)) for name, column in pairs], [*notes, *of_columns]
    channels = [(float(name), column) for name, (column, _) in layout if CHANNEL_NAME.fullmatch(name)]
    axis, channels = (np.array(part) for part in zip(*channels, strict=True)) if channels else (np.empty(0), ())
    others = {name: place for name, place in layout if not CHANNEL_NAME.fullmatch(name)}
    if not len(axis):
        raise TableError(
            f"{first.path}: no channel; name each channel column by its bare wavelength or wavenumber, "
            f"for example 421.09 (the last column is {first.names[-1]!r})"
        )
    refuse_nested(first)
    if columns is not None:
        others = _chosen(path, others, columns)
    return Table(
        path, files, ossl, axis_unit, signal, axis, tuple(channels), others, None, tuple(notes), below_detection
    )


def _chosen(path, others, columns):
    """The columns of some names, and those that name a row and say where it is from."""
    for name in columns:
        if name not in others:
            raise TableError(f"{path}: no column {name}; it has {', '.join(others)}")
    always = ("sample_id", "laboratory", "replicate", "origin", "seed")
    return {name: place for name, place in others.items() if name in columns or name in always}


def blocks(table, n_rows=BLOCK_ROWS, positions=None):
    """The rows of a table as an iterator of `Block`, of `n_rows` at most.

    positions : ascending, of the rows that are needed; blocks without one of them are left out
    Raises TableError for a file that cannot be read and a table without samples, ValueError for a position beyond.
    """
    columns = [*dict.fromkeys([*(column for column, _ in table.others.values()), *table.channels])]
    end = 0
    for file in table.files:
        before = end
        in_file = None if positions is None else positions - before
        for start, arrays in batches(file, columns, table.channels, n_rows, in_file):
            cells = {name: arrays[column] for name, (column, _) in table.others.items()}
            if table.properties is None:
                table = replace(table, properties=_properties(table, cells))
            end = before + start + len(cells["sample_id"])
            if positions is None or np.any((positions >= before + start) & (positions < end)):
                yield _block(table, before + start, cells, [arrays[name] for name in table.channels])
        end = end if file.n_rows is None else before + file.n_rows
    if not end:
        raise TableError(f"{table.path}: a header but no sample below it; give it a row for every sample")
    for position in [] if positions is None else positions[(positions < 0) | (positions >= end)]:
        raise ValueError(f"{table.path}: no row at position {position}, it has {end:,}; count from 0")


def _properties(table, cells):
    """The names of the properties; cells : {name: Arrow array} of the first rows read.

    A column of text without a unit is a property where numbers are at least as many as words: in the first rows of a
    CSV, and in all rows of a Parquet file, or where a laboratory that measured nothing comes first.
    """
    kinds = {name: is_property(name, column.type) for name, column in cells.items()}
    open_ones = {name: table.others[name][0] for name, kind in kinds.items() if kind is None}
    counts = {name: n_numbers_and_words(cells[name]) for name in open_ones} if table.files[0].text else {}
    in_doubt = {name: column for name, column in open_ones.items() if not any(counts.get(name, (0, 0)))}
    if in_doubt:
        counts |= dict.fromkeys(in_doubt, 0)
        for file in table.files:
            for _, arrays in batches(file, [*in_doubt.values()], (), BLOCK_ROWS):
                for name, column in in_doubt.items():
                    counts[name] = counts[name] + n_numbers_and_words(arrays[column])
    # A few words among numbers do not make a column text: they are refused by their cells.
    numeric = {name for name, (n_numbers, n_words) in counts.items() if n_numbers >= max(1, n_words)}
    return frozenset(name for name, kind in kinds.items() if kind or name in numeric)


def _block(table, first_row, cells, channels):
    values, wrong = _values(channels, table.channels, len(cells["sample_id"]))
    infinite = np.isinf(values)
    values[infinite] = np.nan
    coded, other_scale = unmeasured_channels(values, table.signal)
    values[coded] = np.nan
    values[other_scale] = np.nan
    properties, samples, unmeasured, below = {}, {}, {}, {}
    for name, column in cells.items():
        if name not in table.properties:
            samples[name] = as_sample_column(name, column, MISSING if table.is_ossl else ("",))
            continue
        numbers, texts = as_numbers(column)
        numbers, texts, below[name] = _below_detection(numbers, texts, table.below_detection)
        contents = numbers * table.others[name][1]
        codes, impossible = not_measured(numbers, contents, name)
        unmeasured[name] = (numbers, codes, impossible)
        properties[name] = np.where(codes | impossible, np.nan, contents)
        wrong |= {name: [(row, name, text) for row, text in texts.items()]} if texts else {}
    return Block(
        *(table, first_row, values, wrong, infinite, coded, other_scale, unmeasured, below),
        properties=pd.DataFrame(properties, index=range(len(values))),
        samples=pd.DataFrame(samples),
    )


def _below_detection(numbers, texts, how):
    """Contents with those below the limit of detection, the texts that are left, and the rows that were read."""
    contents = {} if how is None else {row: content_below_detection(text, how) for row, text in texts.items()}
    contents = {row: content for row, content in contents.items() if content is not None}
    numbers = np.array(numbers, dtype=float)
    numbers[[*contents]] = [*contents.values()]
    return numbers, {row: text for row, text in texts.items() if row not in contents}, [*contents]


def _values(arrays, names, n_rows):
    """Channels as numbers (n_rows, n_channels), and what is no number among them as in `Block`."""
    single = {array.type for array in arrays} <= {pa.float32(), pa.null()}
    values, wrong = np.empty((n_rows, len(arrays)), dtype=np.float32 if single else np.float64), []
    # Filled by column: to fill by row and turn it round would take twice as long.
    for column, name, array in zip(values.T, names, arrays, strict=True):
        column[:], texts = as_numbers(array)
        wrong += [(row, name, text) for row, text in texts.items()]
    return values, {"": sorted(wrong, key=lambda cell: cell[0])} if wrong else {}


# --- pieces of other lengths --------------------------------------------------------------------------------


def regrouped(pieces, rows):
    """The rows of an iterator of `SpectralDataset` in pieces of `rows`, the last perhaps shorter."""
    held, n_held = [], 0
    for piece in pieces:
        while n_held + len(piece) >= rows:
            cut = rows - n_held
            yield joined([*held, _rows(piece, slice(cut))])
            held, n_held, piece = [], 0, _rows(piece, slice(cut, None))
        if len(piece):
            held, n_held = [*held, piece], n_held + len(piece)
    if held:
        yield joined(held)


def _rows(dataset, rows):
    """A slice of the rows, without a copy of the spectra."""
    return replace(
        dataset,
        spectra=dataset.spectra[rows],
        properties=dataset.properties.iloc[rows],
        samples=dataset.samples.iloc[rows],
    )


def joined(pieces):
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
