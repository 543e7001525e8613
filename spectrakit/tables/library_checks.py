"""What does a library hold that may be larger than memory, and what is wrong with it?

As `check_table` for a plain table, in one pass. What is held is a block and a million hashes, however many rows.
"""

import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.contents import split_unit, unit_suffix
from spectrakit.spectra import laboratory_labels, provenance_line
from spectrakit.tables.checks import (
    COPY,
    DOUBLED_NAME,
    HEADER_ROWS,
    PLACES_KEPT,
    Problem,
    TableError,
    axis_problems,
    column_kind_problems,
    joined_problems,
    missing_channels,
    naming_columns,
    negative_counts,
    property_problems,
    range_problems,
)
from spectrakit.tables.ossl import is_ossl
from spectrakit.tables.partitions import header, in_file, open_library, pieces
from spectrakit.tables.plain import SAMPLE_COLUMNS, PropertySummary, TableReport, check_table

# Rows looked at together, and hashes of rows compared together.
_ROWS, _HASHES = 1024, 1 << 20
_EMPTY_REMEDY = "Nothing to do if it is meant so: the commands leave it out"


def check_library(path, axis_unit, signal):
    """What a library holds and each kind of problem with its rows, as a `TableReport`.

    path : a file or folder as `tables.partitions` describes; a plain table is checked as by `check_table`
    axis_unit, signal : as in `check_table`
    A sample_id that stands twice in a laboratory is an error but in the OSSL, which names samples itself. Counts are
    not searched for saturation. Raises TableError as `read_blocks`: what cannot be read as numbers, or is on another
    scale than declared, ends the check.
    """
    path = Path(path)
    if path.is_file() and not _is_ossl_file(path):
        return check_table(path, axis_unit, signal)
    library = open_library(path, axis_unit, signal)
    names = [*library.channels]
    held, warnings, places = _Held(), [], []
    with _doubles() as named, _doubles() as scanned:
        for place, piece in pieces(library, _ROWS):
            held.add(piece)
            warnings += _moved(_block_problems(piece, names, signal), library, place)
            warnings = joined_problems(warnings, held.n_samples)
            places.append((*place, len(piece)))
            if not library.ossl:
                named.add(pd.util.hash_pandas_object(naming_columns(piece.samples), index=False).to_numpy())
            scanned.add(_hashed(piece.spectra))
        doubled = _row_problem("error", "sample_id is doubled", DOUBLED_NAME, named, library, places)
        problems = doubled + axis_problems(library.axis, names, axis_unit) + warnings
        problems += _row_problem("warning", *COPY, scanned, library, places)
    unitless = [name for name in held.properties if not unit_suffix(name)]
    unknown = [name for name in held.sample_columns if name not in SAMPLE_COLUMNS]
    problems += column_kind_problems(unitless, unknown)
    scale = 100 if signal == "percent-reflectance" else 1
    return TableReport(
        path=library.path,
        signal=signal,
        axis_unit=axis_unit,
        axis=library.axis,
        n_samples=held.n_samples,
        values=tuple(float(value) * scale for value in held.values),
        properties=held.summaries(),
        sample_columns=tuple(name for name in held.sample_columns if name != "sample_id"),
        provenance=provenance_line(held.provenance),
        problems=tuple(problems),
        n_files=len(library.files),
        laboratories=dict(held.laboratories),
    )


def _is_ossl_file(path):
    try:
        return is_ossl(header(path, path.parent).names)
    except (TableError, OSError):
        return False  # what is wrong with it is said by the check of plain tables


class _Held:
    """What the blocks so far hold."""

    def __init__(self):
        self.n_samples, self.values, self.provenance = 0, (np.nan, np.nan), None
        self.properties, self.sample_columns, self.laboratories = {}, (), Counter()

    def add(self, piece):
        """Count a block, a SpectralDataset."""
        self.n_samples += len(piece)
        self.values = _wider(self.values, piece.spectra)
        for name, column in piece.properties.items():
            n_measured, *extremes = self.properties.get(name, (0, np.nan, np.nan))
            self.properties[name] = (n_measured + int(column.notna().sum()), *_wider(extremes, column.to_numpy()))
        self.sample_columns = tuple(piece.samples)
        laboratory = laboratory_labels(piece.samples)
        if laboratory is not None:
            self.laboratories.update(laboratory.fillna("(not named)").astype(str))
        if self.provenance is None or piece.provenance["origin"] == "simulated":
            self.provenance = self.provenance or piece.provenance
            self.provenance |= {"origin": piece.provenance["origin"]}

    def summaries(self):
        """The properties as `PropertySummary`."""
        return tuple(PropertySummary(name, split_unit(name)[1], *found) for name, found in self.properties.items())


def _wider(extremes, values):
    """Smallest and largest of finite values and of those before."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return tuple(extremes)
    return float(np.fmin(extremes[0], finite.min())), float(np.fmax(extremes[1], finite.max()))


def _block_problems(piece, names, signal):
    missing = np.isnan(piece.spectra)
    problems = missing_channels(missing, names, "warning", _EMPTY_REMEDY)
    if signal == "counts":
        problems += negative_counts(piece.spectra, names)
    else:
        scale = 100 if signal == "percent-reflectance" else 1
        problems += range_problems(piece.spectra * scale, names, signal)
    return problems + property_problems(piece.properties)


def _moved(problems, library, place):
    """Problems of a block with the rows of its file, and the file where there are several."""
    file, start = place
    moved = []
    for problem in problems:
        problem = in_file(problem, library, start)
        at = tuple((row if row is None else _row_name(library, file, row), column) for row, column in problem.places)
        moved.append(replace(problem, places=at))
    return moved


def _row_name(library, file, row):
    return row if len(library.files) == 1 else f"{row} of {Path(file).relative_to(library.path)}"


def _row_problem(severity, message, remedy, doubles, library, places):
    """At most one problem for the rows whose hash stands more than once."""
    rows, count = doubles.found()
    ends = np.cumsum([n_rows for *_, n_rows in places])
    names = []
    for row in rows:
        file, start, n_rows = places[at := int(np.searchsorted(ends, row, side="right"))]
        names.append(_row_name(library, file, int(row - ends[at] + n_rows + start + 1 + HEADER_ROWS)))
    return [Problem(severity, message, remedy, tuple((name, None) for name in names), count)] if count else []


# --- rows that stand more than once ---------------------------------------------------------------------


@contextmanager
def _doubles():
    with tempfile.TemporaryFile() as file:
        yield _Doubles(file)


class _Doubles:
    """Hashes of all rows, in a temporary file, and which of them stand more than once; 0 stands for no hash."""

    def __init__(self, file):
        self.file, self.n_rows = file, 0

    def add(self, hashes):
        """Put down the hashes (n,) uint64 of the next rows."""
        self.file.write(hashes.astype(np.uint64).tobytes())
        self.n_rows += len(hashes)

    def found(self):
        """The first rows, ascending, whose hash stands more than once, and how many there are of them in all."""
        first, count = np.empty(0, int), 0
        n_parts = -(-self.n_rows // _HASHES)
        for part in range(n_parts):
            rows, hashes = self._part(part, n_parts)
            doubled = rows[pd.Series(hashes).duplicated(keep=False).to_numpy()]
            first, count = np.sort(np.append(first, doubled[:PLACES_KEPT]))[:PLACES_KEPT], count + len(doubled)
        return first, count

    def _part(self, part, n_parts):
        """Rows and hashes of those that a division of the hashes leaves with a remainder: equal ones are together."""
        found = []
        for start in range(0, self.n_rows, _HASHES):
            self.file.seek(8 * start)
            hashes = np.frombuffer(self.file.read(8 * _HASHES), np.uint64)
            own = np.flatnonzero((hashes % np.uint64(n_parts) == part) & (hashes > 0))
            found.append((start + own, hashes[own]))
        return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _hashed(spectra):
    """Hashes (n,) of spectra (n, n_channels), 0 where there is none."""
    hashes = np.fromiter((hash(row.tobytes()) for row in spectra), np.int64, len(spectra)).view(np.uint64)
    return np.where(np.isnan(spectra).all(axis=1), np.uint64(0), hashes)
