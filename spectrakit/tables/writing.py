"""Writes spectra as a plain table, or as a folder of Parquet files for a library that is larger than memory."""

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from spectrakit.files import folder_written_whole, written_whole
from spectrakit.tables.cells import table_ending
from spectrakit.tables.columns import CHANNEL_NAME, NUMERIC_SAMPLE_COLUMNS, is_number
from spectrakit.tables.reading import BLOCK_ROWS, regrouped
from spectrakit.tables.rules import TableError

# Rows that are written as CSV at a time, so that all cores have work and little is held as text. Digits hardly
# compress: the highest level of gzip takes twenty times as long as the lowest for files a tenth smaller.
_CSV_ROWS, _GZIP_LEVEL = 1024, 1
# Rows that a reader of Parquet holds at least: fewer make the header of each column outweigh what stands in it.
ROW_GROUP = 4096


def write_table(dataset, path):
    """Write a dataset as a plain spectral table; the ending of `path` chooses CSV, CSV.gz or Parquet.

    The same dataset gives the same bytes. The file appears whole or not at all. Simulated spectra get the
    columns `origin` and `seed`, so that nobody takes them for measured ones.
    Raises TableError for another ending or a column name that would be read as something else.
    """
    path = Path(path)
    ending = table_ending(path)
    table = _arrow_table(dataset)
    with written_whole(path) as part:
        if ending == ".parquet":
            _write_parquet(table, part)
        else:
            _write_csv(table, part, compressed=ending == ".csv.gz")


def write_partitions(blocks, folder, rows=BLOCK_ROWS):
    """Write an iterator of `SpectralDataset` as a folder part-00000.parquet, part-00001.parquet ...

    rows : of each file but the last, however long the blocks are
    Each file is what `write_table` writes of its rows. The folder appears whole or not at all, and what is held is one
    file and one block. Returns the number of rows.
    Raises ValueError for a folder that exists, TableError for no row or blocks that differ in kind.
    """
    schema, n_rows = None, 0
    with folder_written_whole(folder) as part:
        for number, dataset in enumerate(regrouped(_of_one_kind(blocks, folder), rows)):
            try:
                table = _arrow_table(dataset)
                schema = schema or _wide(table.schema)
                table = table.cast(schema)
            except pa.ArrowException as error:
                reason = str(error).splitlines()[0]
                raise TableError(
                    f"{folder}: a column holds numbers in some blocks, text in others ({reason})"
                ) from error
            _write_parquet(table, part / f"part-{number:05d}.parquet")
            n_rows += len(dataset)
        if not n_rows:
            raise TableError(f"{folder}: no sample to write")
    return n_rows


def _arrow_table(dataset):
    """A dataset as the Arrow table that is written: sample_id, properties, sample columns, then the channels."""
    samples = dataset.samples
    if dataset.provenance["origin"] == "simulated":
        samples = samples.assign(origin="simulated")
        if dataset.provenance.get("seed") is not None:
            samples = samples.assign(seed=dataset.provenance["seed"])
    frame = pd.concat([samples[["sample_id"]], dataset.properties, samples.drop(columns="sample_id")], axis=1)
    for name in frame:
        if CHANNEL_NAME.fullmatch(str(name)):
            raise TableError(f"column {name}: a number names a channel; rename this property or sample column")
    names = [*frame.columns, *(np.format_float_positional(value, trim="-") for value in dataset.axis)]
    arrays = [pa.array(frame[name], from_pandas=True) for name in frame]
    # A column without values has no type, and would differ from the same column of another partition.
    arrays = [array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    arrays += [pa.array(channel, from_pandas=True) for channel in np.ascontiguousarray(dataset.spectra.T)]
    return pa.Table.from_arrays(arrays, names=[str(name) for name in names])


def _write_parquet(table, path):
    """Write an Arrow table as Parquet, in row groups of `ROW_GROUP`.

    Hardly a value of a spectrum stands twice: a dictionary and statistics of each channel would take four times as
    long to write and a third more room.
    """
    others = [name for name in table.column_names if not CHANNEL_NAME.fullmatch(name)]
    pyarrow.parquet.write_table(table, path, row_group_size=ROW_GROUP, use_dictionary=others, write_statistics=others)


def _write_csv(table, path, compressed):
    """Header and blocks of rows, each a gzip member by itself where compressed: no byte depends on the cores."""
    header = pd.DataFrame(columns=table.column_names).to_csv(index=False, lineterminator="\n")
    parts = [table.slice(start, _CSV_ROWS) for start in range(0, table.num_rows, _CSV_ROWS)]

    def packed(text):
        return gzip.compress(text, _GZIP_LEVEL, mtime=0) if compressed else text

    with path.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        file.write(packed(header.encode()))
        file.writelines(pool.map(lambda part: packed(_csv_bytes(part)), parts))


def _csv_bytes(table):
    """The rows of a table as CSV; both this and the packing leave the other threads to run."""
    body = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, body, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"))
    return body.getvalue()


def _wide(schema):
    """A schema where whole numbers may be followed by others: a depth of 5 cm by one of 7.5 cm."""
    widened = [name for name in NUMERIC_SAMPLE_COLUMNS if name not in ("replicate", "seed")]
    fields = [
        field.with_type(pa.float64()) if field.name in widened and is_number(field.type) else field for field in schema
    ]
    return pa.schema(fields)


def _of_one_kind(blocks, folder):
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
