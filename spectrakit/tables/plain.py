"""What does a file of spectra hold, and can it be used? Reads, writes and checks plain spectral tables.

A plain spectral table has one row a sample: `sample_id`; one column a property, named with its unit; one
column a channel, named by its wavelength in nm or its wavenumber in 1/cm. An empty cell is 'not measured'.
"""

import csv
import gzip
import io
import os
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from spectrakit.contents import split_unit, unit_suffix
from spectrakit.files import written_whole
from spectrakit.spectra import AXIS_UNITS, SpectralDataset, one_of, provenance_line
from spectrakit.tables.checks import (
    CHANNEL_NAME,
    HEADER_ROWS,
    PLACES_KEPT,
    TableError,
    axis_problems,
    cell_problem,
    column_kind_problems,
    copy_problems,
    doubled_names,
    missing_channels,
    name_problems,
    property_problems,
    range_problems,
    scale_problems,
)
from spectrakit.tables.ossl import is_ossl

SIGNALS = ("counts", "reflectance", "percent-reflectance", "absorbance")
ENDINGS = (".csv", ".csv.gz", ".parquet")

NUMERIC_SAMPLE_COLUMNS = (
    *("replicate", "depth_cm", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude", "easting_km"),
    *("northing_km", "seed"),
)
SAMPLE_COLUMNS = (
    *("sample_id", "group", "lab", "laboratory", "site", "range", "region", "area", "country", "date", "instrument"),
    *("project", "origin", *NUMERIC_SAMPLE_COLUMNS),
)
MISSING = ("", "nan", "na", "n/a", "null", "none")
# What is written as CSV at a time, so that all cores have work and little is held as text. Digits hardly compress:
# the highest level of gzip takes twenty times as long as the lowest for files a tenth smaller.
_BLOCK_ROWS, _GZIP_LEVEL = 1024, 1
# Rows that a reader of Parquet holds at least: fewer make the header of each column outweigh what stands in it.
ROW_GROUP = 4096


@dataclass(frozen=True)
class PropertySummary:
    """A property column: name, unit as printed (None if unknown), samples measured, smallest and largest."""

    name: str
    unit: str | None
    n_measured: int
    low: float
    high: float


@dataclass(frozen=True)
class TableReport:
    """What a table holds and what is wrong with it.

    axis : (n_channels,) as the channels are named, in the order of the file
    values : smallest and largest value of all channels, in the unit of the file
    n_files, laboratories : of a library: number of files, and of rows by laboratory, {name: rows}
    """

    path: Path
    signal: str
    axis_unit: str
    axis: np.ndarray
    n_samples: int
    values: tuple
    properties: tuple
    sample_columns: tuple
    provenance: str
    problems: tuple
    n_files: int = 1
    laboratories: dict = field(default_factory=dict)

    @property
    def steps(self):
        """Smallest, median and largest step of the axis, NaN for a single channel."""
        steps = np.abs(np.diff(self.axis))
        return (steps.min(), np.median(steps), steps.max()) if steps.size else (np.nan,) * 3

    @property
    def errors(self):
        """The problems that make the table unusable."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self):
        """The problems that its user should know of."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    @property
    def usable(self):
        """Whether `read_table`, or of a library `read_library`, would return a dataset."""
        return not self.errors


def check_table(path, axis_unit, signal):
    """What a table holds and each problem with its row and column, as a `TableReport`.

    axis_unit : 'nm' or 'cm-1'
    signal : 'counts', 'reflectance' (0-1), 'percent-reflectance' or 'absorbance'
    Raises TableError for a file that is no table at all: missing, broken, ragged, no channels or samples.
    """
    return _examine(path, axis_unit, signal)[0]


def read_table(path, axis_unit, signal):
    """A plain spectral table (CSV, CSV.gz or Parquet) as a `SpectralDataset`.

    axis_unit, signal : as in `check_table`
    A descending axis is turned round, percent become fractions. A column `origin` (and `seed`), which
    `write_table` adds to simulated spectra, becomes the provenance.
    Raises TableError, in one line, for a table in which `check_table` finds an error.
    """
    report, dataset = _examine(path, axis_unit, signal)
    if report.errors:
        further = len(report.errors) - 2
        more = f" And {further} more kinds of error." if further > 0 else ""
        raise TableError(f"{report.path}: {' '.join(str(error) for error in report.errors[:2])}{more}")
    return dataset


def write_table(dataset, path):
    """Write a dataset as a plain spectral table; the ending of `path` chooses CSV, CSV.gz or Parquet.

    The same dataset gives the same bytes. The file appears whole or not at all. Simulated spectra get the
    columns `origin` and `seed`, so that nobody takes them for measured ones.
    Raises TableError for another ending or a column name that would be read as something else.
    """
    path = Path(path)
    ending = table_ending(path)
    table = arrow_table(dataset)
    with written_whole(path) as part:
        if ending == ".parquet":
            write_parquet(table, part)
        else:
            _write_csv(table, part, compressed=ending == ".csv.gz")


# --- writing --------------------------------------------------------------------------------------------


def arrow_table(dataset):
    """A dataset as the Arrow table that is written: sample_id, properties, sample columns, then the channels."""
    samples = dataset.samples
    if dataset.provenance["origin"] == "simulated":
        samples = samples.assign(origin="simulated")
        if dataset.provenance.get("seed") is not None:
            samples = samples.assign(seed=dataset.provenance["seed"])
    leading = [samples[["sample_id"]], dataset.properties, samples.drop(columns="sample_id")]
    frame = pd.concat(leading, axis=1)
    for name in frame:
        if CHANNEL_NAME.fullmatch(str(name)):
            raise TableError(f"column {name}: a number names a channel; give the property or sample column a name")
    names = [*frame.columns, *(np.format_float_positional(value, trim="-") for value in dataset.axis)]
    channels = np.ascontiguousarray(dataset.spectra.T)
    arrays = [pa.array(frame[name], from_pandas=True) for name in frame]
    # A column of no values has no type of its own, and would then differ from that of another partition.
    arrays = [array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    arrays += [pa.array(channel, from_pandas=True) for channel in channels]
    return pa.Table.from_arrays(arrays, names=[str(name) for name in names])


def write_parquet(table, path):
    """Write an Arrow table as Parquet, in row groups of `ROW_GROUP`.

    Hardly a value of a spectrum stands twice: a dictionary and statistics of each channel would take four times as
    long to write and a third more room.
    """
    others = [name for name in table.column_names if not CHANNEL_NAME.fullmatch(name)]
    pyarrow.parquet.write_table(table, path, row_group_size=ROW_GROUP, use_dictionary=others, write_statistics=others)


def _write_csv(table, path, compressed):
    """Header and blocks of rows, each a gzip member of its own where compressed: no byte depends on the cores."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(table.column_names)
    blocks = [table.slice(start, _BLOCK_ROWS) for start in range(0, table.num_rows, _BLOCK_ROWS)]

    def packed(text):
        return gzip.compress(text, _GZIP_LEVEL, mtime=0) if compressed else text

    with path.open("wb") as file, ThreadPoolExecutor(os.cpu_count()) as pool:
        file.write(packed(header.getvalue().encode()))
        file.writelines(pool.map(lambda block: packed(_csv_bytes(block)), blocks))


def _csv_bytes(table):
    """The rows of a table as CSV; both this and the packing leave the other threads to run."""
    body = pa.BufferOutputStream()
    pyarrow.csv.write_csv(table, body, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"))
    return body.getvalue()


# --- reading: from the file to cells --------------------------------------------------------------------


def table_ending(path):
    """The one of `ENDINGS` that a path ends in; TableError for another."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return ending
    raise TableError(f"{path}: unknown kind of file; its name should end in {', '.join(ENDINGS)}")


def _read_cells(path):
    """Column names and one arrow array a column; those of a CSV hold text."""
    if path.is_dir():
        raise TableError(f"{path}: this is a folder; name one of its files")
    ending = table_ending(path)
    if not path.is_file():
        raise TableError(f"{path}: no such file")
    if ending == ".parquet":
        try:
            table = pyarrow.parquet.read_table(path)
            columns = [column if is_number(column.type) else column.cast(pa.string()) for column in table.columns]
        except pa.ArrowException as error:
            reason = str(error).splitlines()[0]
            raise TableError(f"{path}: not a Parquet table of numbers and text ({reason}); write it again") from error
        names = table.column_names
    else:
        names, columns = _parse_csv(path, _text(path, compressed=ending == ".csv.gz"))
    _check_header(path, names, n_samples=len(columns[0]) if columns else 0)
    return names, [column.combine_chunks() for column in columns]


def _text(path, compressed):
    data = path.read_bytes()
    if compressed:
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(f"{path}: broken gzip file; copy or download it again") from error
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip()
    if not data:
        raise TableError(f"{path}: the file is empty")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise TableError(f"{path}: row {row} is not UTF-8 text; save the table as CSV with UTF-8") from error
    return data


def csv_header(path):
    """The column names of a CSV file, compressed or not; TableError where its first line is no header."""
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    try:
        with opened(path, "rb") as stream:
            first_line = stream.readline().removeprefix(b"\xef\xbb\xbf").decode().strip()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: broken gzip file; copy or download it again") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: row 1 is not UTF-8 text; save the table as CSV with UTF-8") from error
    if not first_line:
        raise TableError(f"{path}: row 1 is empty; put the names of the columns there")
    return header_names(path, first_line)


def csv_fault(path, names, reason):
    """What the reader of CSV says of a file, in one line with row and column; names : of its columns, in order."""
    if cell := re.match(r"In CSV column #(\d+): Row #(\d+): .*invalid value '(.*)'", reason, re.DOTALL):
        at, row, value = int(cell[1]), cell[2], cell[3]
        return f"{path}: not a number: {value!r} (row {row}, column {names[at]}). Give one, or leave it empty"
    if ragged := re.match(r"CSV parse error: Row #(\d+): Expected (\d+) columns, got (\d+)", reason):
        return f"{path}: row {ragged[1]} has {ragged[3]} cells but the header {ragged[2]}; give it one a column"
    return f"{path}: not a CSV table ({reason.splitlines()[0][:200]}); save it again"


def header_names(path, first_line):
    """The column names in the first line of a CSV table; TableError where commas do not separate them."""
    try:
        names = [name.strip() for name in next(csv.reader([first_line]))]
    except csv.Error as error:
        raise TableError(f"{path}: row 1 is no header of a CSV table ({error})") from error
    if len(names) == 1 and (other := re.search("[;\t]", first_line)):
        kind = "semicolons" if other.group() == ";" else "tabs"
        raise TableError(f"{path}: row 1 is separated by {kind}; save the table with commas and decimal points")
    return names


def _parse_csv(path, data):
    names = header_names(path, data.split(b"\n", 1)[0].decode())
    if b"\n" not in data:
        raise TableError(f"{path}: a header in row 1 but no sample below it")
    ragged = []

    def note_ragged(row):
        ragged.append(row)
        return "skip"

    # Positions serve as names while parsing: names in the file may be doubled.
    positions = [str(position) for position in range(len(names))]
    table = pyarrow.csv.read_csv(
        io.BytesIO(data),
        pyarrow.csv.ReadOptions(
            use_threads=False, column_names=positions, skip_rows=HEADER_ROWS, block_size=len(data) + 1
        ),
        pyarrow.csv.ParseOptions(invalid_row_handler=note_ragged, ignore_empty_lines=False, newlines_in_values=True),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(positions, pa.string())),
    )
    if ragged:
        rows = "; ".join(f"row {row.number} has {row.actual_columns}" for row in ragged[:PLACES_KEPT])
        more = f"; and {len(ragged) - PLACES_KEPT} more rows" if len(ragged) > PLACES_KEPT else ""
        raise TableError(
            f"{path}: the header has {len(names)} cells but {rows}{more}; give every row one cell a column"
        )
    return names, table.columns


def _check_header(path, names, n_samples):
    if not n_samples:
        raise TableError(f"{path}: a header in row 1 but no sample below it")
    if "sample_id" not in names:
        if is_ossl(names):
            raise TableError(f"{path}: laid out as the OSSL; check, harmonise and impute read it as it is")
        channels = [float(name) for name in names if CHANNEL_NAME.fullmatch(name)]
        steps = np.sign(np.diff(channels))
        if len(steps) and abs(steps.sum()) < len(steps):
            raise TableError(
                f"{path}: row 1 looks like data, the header is missing; "
                "name the columns sample_id, properties with unit, channels in nm or 1/cm"
            )
        raise TableError(f"{path}: row 1 names no column sample_id; add one with a name for every sample")
    if not any(CHANNEL_NAME.fullmatch(name) for name in names):
        raise TableError(
            f"{path}: no channel; name each channel column by its bare wavelength or wavenumber, "
            f"for example 421.09 (the last column is {names[-1]!r})"
        )


# --- reading: from cells to a dataset and a report ------------------------------------------------------


def _examine(path, axis_unit, signal):
    """The report on a file, and its dataset where the report holds no error (else None)."""
    one_of("axis_unit", axis_unit, AXIS_UNITS)
    one_of("signal", signal, SIGNALS)
    path = Path(path)
    names, columns = _read_cells(path)
    is_channel = [bool(CHANNEL_NAME.fullmatch(name)) for name in names]
    channel_names = list(compress(names, is_channel))
    channels = list(compress(columns, is_channel))
    others = {name: column for name, column, no in zip(names, columns, is_channel, strict=True) if not no}
    axis = np.array([float(name) for name in channel_names])

    problems = list(doubled_names(names))
    values, unreadable, channel_problems = _numbers(channels, channel_names)
    properties, samples, column_problems = sort_columns(others)
    provenance = table_provenance(f"file {path.name}", samples)
    problems += axis_problems(axis, channel_names, axis_unit)
    problems += channel_problems
    problems += missing_channels(np.isnan(values) & ~unreadable, channel_names)
    problems += scale_problems(values, signal) or range_problems(
        np.where(np.isfinite(values), values, np.nan), channel_names, signal
    )
    problems += name_problems(samples) + copy_problems(values)
    problems += column_problems
    problems += property_problems(properties)
    problems.sort(key=lambda problem: problem.severity)  # errors first, else in order

    report = TableReport(
        path=path,
        signal=signal,
        axis_unit=axis_unit,
        axis=axis,
        n_samples=len(values),
        values=_extremes(values),
        properties=tuple(
            PropertySummary(name, split_unit(name)[1], int(column.notna().sum()), *_extremes(column.to_numpy()))
            for name, column in properties.items()
        ),
        sample_columns=tuple(name for name in samples if name != "sample_id"),
        provenance=provenance_line(provenance),
        problems=tuple(problems),
    )
    if report.errors:
        return report, None
    order = slice(None) if axis[0] <= axis[-1] else slice(None, None, -1)
    percent = signal == "percent-reflectance"
    dataset = SpectralDataset(
        spectra=values[:, order] / (100 if percent else 1),
        axis=axis[order],
        axis_unit=axis_unit,
        signal="reflectance" if percent else signal,
        properties=properties,
        samples=samples.drop(columns=["origin", "seed"], errors="ignore"),
        provenance=provenance,
    )
    return report, dataset


def _numbers(columns, names):
    """The columns as float64 (n_rows, n_columns), NaN where empty or unreadable; which is which; the problems."""
    if all(is_number(column.type) for column in columns):
        values = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns])
        unreadable, text = np.zeros(values.shape, dtype=bool), None
    else:
        text = pc.utf8_trim_whitespace(pa.concat_arrays([column.cast(pa.string()) for column in columns]))
        text = pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(MISSING)), None, text)
        # One cast for all cells; cell by cell only where that fails.
        try:
            flat = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            flat = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
        values = flat.reshape(len(columns), -1).T
        unreadable = (np.isnan(flat) & text.is_valid().to_numpy(zero_copy_only=False)).reshape(values.T.shape).T
    problems = []
    if unreadable.any():
        row, column = np.argwhere(unreadable)[0]
        first = text[int(column) * len(values) + int(row)].as_py()
        problems += cell_problem(
            "error",
            unreadable,
            names,
            f"not a number: {first!r}",
            "Give a number with a decimal point, or leave the cell empty where nothing was measured",
        )
    remedy = "Leave the cell empty where nothing was measured"
    problems += cell_problem("error", np.isinf(values), names, "infinite value in {cells} cells", remedy)
    return values.astype(np.float64, copy=False), unreadable, problems


def is_number(kind):
    """Whether an Arrow type holds numbers."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def sort_columns(cells, known=None):
    """Columns that are no channels as properties and samples, two DataFrames, and what is doubtful about either.

    cells : name to Arrow array, of numbers or text
    known : names of the properties where they are known; by default those with a unit, and those that hold numbers
    """
    properties, samples, problems, unitless, unknown = {}, {}, [], [], []
    for name, column in cells.items():
        if name in SAMPLE_COLUMNS or (known is not None and name not in known):
            samples[name] = _sample_column(name, column)
            continue
        values, _, wrong = _numbers([column], [name])
        if unit_suffix(name) or known is not None:
            problems += wrong
        elif wrong or np.isnan(values).all():
            unknown.append(name)
            samples[name] = _sample_column(name, column)
            continue
        else:
            unitless.append(name)
        properties[name] = values[:, 0]
    problems += column_kind_problems(unitless, unknown)
    return pd.DataFrame(properties, index=range(len(samples["sample_id"]))), pd.DataFrame(samples), problems


def _sample_column(name, column):
    if name in NUMERIC_SAMPLE_COLUMNS and is_number(column.type):
        return column.to_pandas()
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    series = pc.if_else(pc.equal(text, ""), None, text).to_pandas().astype("str")
    if name in NUMERIC_SAMPLE_COLUMNS:
        numbers = pd.to_numeric(series, errors="coerce")
        # A depth may also be given as '0-20', which stays text.
        if (numbers.notna() == series.notna()).all():
            return pd.to_numeric(series)
    return series


def table_provenance(source, samples):
    """The provenance of a table by its columns `origin` and `seed`; without them it was measured."""
    measured = "origin" not in samples or not (samples["origin"] == "simulated").any()
    provenance = {"origin": "measured" if measured else "simulated", "source": source}
    if "seed" in samples and samples["seed"].nunique() == 1:
        provenance["seed"] = samples["seed"].dropna().iloc[0].item()
    return provenance


def _extremes(values):
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)
