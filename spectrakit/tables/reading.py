"""Reads tables of spectra: whole, in blocks of rows, or without the spectra."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.tables.blocks import BLOCK_ROWS, blocks, open_table
from spectrakit.tables.cells import table_files
from spectrakit.tables.checks import examine
from spectrakit.tables.columns import with_numbers
from spectrakit.tables.ossl import is_ossl
from spectrakit.tables.rules import HEADER_ERRORS, READ_ERRORS, TableError, applied, doubled_names, name_hashes


@dataclass(frozen=True)
class LibraryIndex:
    """What a library holds beside its spectra, a row a sample in the order of the library.

    properties, samples, provenance : as in `SpectralDataset`
    """

    properties: pd.DataFrame
    samples: pd.DataFrame
    provenance: dict

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.samples)


def read_table(path, axis_unit, signal):
    """A plain spectral table (CSV, CSV.gz or Parquet) as a `SpectralDataset`.

    axis_unit : 'nm' or 'cm-1'
    signal : 'counts', 'reflectance' (0-1), 'percent-reflectance' or 'absorbance'
    A descending axis is turned round, percent become fractions. A column `origin` (and `seed`), which
    `write_table` adds to simulated spectra, becomes the provenance.
    Raises TableError, in one line, for a table in which `check_table` finds an error.
    """
    if Path(path).is_dir():
        raise TableError(f"{path}: this is a folder; name one of its files")
    if is_ossl(table_files(Path(path))[0].names):
        raise TableError(f"{path}: laid out as the OSSL; check, harmonise and impute read it as it is")
    table = open_table(path, axis_unit, signal)
    pieces = None if applied(HEADER_ERRORS, table) else []
    table.refuse(examine(table, pieces).problems)
    return _described(table, joined(pieces))


def read_library(path, axis_unit, signal):
    """A library of any kind as one `SpectralDataset`; arguments as in `read_blocks`.

    Samples without a spectrum are left out; the provenance counts them. Raises TableError as `read_blocks` does, and
    where no sample is left.
    """
    table = _opened(path, axis_unit, signal)
    pieces, n_empty = [], 0
    for piece in _pieces(table):
        measured = ~np.isnan(piece.spectra).all(axis=1)
        n_empty += int((~measured).sum())
        pieces.append(piece if measured.all() else piece.subset(measured))
    if not any(map(len, pieces)):
        raise TableError(f"{path}: no sample of it has a spectrum in {axis_unit}; give a library that has some")
    whole = _described(table, joined(pieces))
    counts = {"samples without a spectrum": n_empty} if n_empty else {}
    return replace(whole, provenance=whole.provenance | counts)


def read_blocks(path, axis_unit, signal, rows=BLOCK_ROWS, columns=None, only=None):
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
    in the same order. A column without a unit is a property where it holds numbers: in Parquet by its type, in CSV by
    what stands first.
    Raises TableError, on the call or where the row stands, for a file that cannot be read, a column that is not in
    every file, a cell that is not a number; ValueError for a position beyond the last row.
    """
    if rows < 1:
        raise ValueError(f"rows of a block: {rows}; give at least 1")
    table = _opened(path, axis_unit, signal, columns)
    positions = None if only is None else np.unique(np.asarray(only, dtype=np.int64))
    return (_described(table, piece) for piece in regrouped(_pieces(table, rows, positions), rows))


def library_index(path, axis_unit, signal, columns=None):
    """The properties and sample columns of a whole library as a `LibraryIndex`; the spectra are not read.

    Arguments as in `read_blocks`. Raises TableError as there, and for a sample_id that stands twice in one laboratory
    and replicate. The OSSL names samples itself, so that nothing is asked of the names there.
    """
    table = _opened(path, axis_unit, signal, columns)
    parts = [(block.properties, block.samples) for block in _sound_blocks(replace(table, channels=()), 16 * BLOCK_ROWS)]
    properties, samples = (pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))
    samples = with_numbers(samples)
    if not table.is_ossl:
        table.refuse(doubled_names(samples["sample_id"], name_hashes(samples)))
    without = samples.drop(columns=["origin", "seed"], errors="ignore")
    return LibraryIndex(properties, without, table.provenance(samples))


def _opened(path, axis_unit, signal, columns=None):
    """A table whose header has no error."""
    table = open_table(path, axis_unit, signal, columns)
    table.refuse(applied(HEADER_ERRORS, table))
    return table


def _sound_blocks(table, n_rows=BLOCK_ROWS, positions=None):
    """The blocks of a table, with the end of the reading where one cannot be used."""
    for block in blocks(table, n_rows, positions):
        table.refuse(applied(READ_ERRORS, block))
        yield block


def _pieces(table, n_rows=BLOCK_ROWS, positions=None):
    """The rows of a table, or those at some positions, as `SpectralDataset` of `n_rows` at most."""
    for block in _sound_blocks(table, n_rows, positions):
        piece = block.dataset()
        yield piece if positions is None else piece.subset(np.isin(block.first_row + np.arange(len(piece)), positions))


def _described(table, dataset):
    """A dataset of a table with its provenance, and numbers in place of text in columns that hold nothing else."""
    samples = with_numbers(dataset.samples)
    without = samples.drop(columns=["origin", "seed"], errors="ignore")
    return replace(dataset, samples=without, provenance=table.provenance(samples))


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
