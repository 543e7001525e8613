"""What is asked of a mid-infrared library whose gaps are to be filled, and the rows that a model is fitted to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from spectrakit.contents import content_limits
from spectrakit.evaluation import balanced_rows
from spectrakit.preprocess import refuse_counts, refuse_unknown, target_rows
from spectrakit.spectra import count_of, group_labels, laboratory_labels
from spectrakit.tables import BLOCK_ROWS, library_index, read_blocks

MIN_ROWS = 40
NO_LABORATORY = "no laboratory named"
_KEPT_COLUMNS = (
    *("sample_id", "laboratory", "lab", "replicate", "site", "group", "project", "region", "country", "date"),
    *("depth_cm", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude", "easting_km", "northing_km"),
)


@dataclass(frozen=True)
class Plan:
    """What is to be done with a library, and the rows to fit.

    model : function of limits and random_state, see `impute.MODELS`
    schema : of the table to come; n_samples : rows of the library; provenance : of the library
    rows : DataFrame of the rows to fit: position in the library (ascending), y (measured content), laboratory, site
    """

    path: Path
    target: str
    signal: str
    harmonise: str
    model: object
    levels: tuple
    random_state: int
    limits: tuple
    schema: pa.Schema
    n_samples: int
    provenance: dict
    rows: pd.DataFrame
    notes: list
    below_detection: str | None

    def blocks(self, only, rows=BLOCK_ROWS):
        """The rows at some positions of the library, in blocks, with the columns that are needed."""
        columns = [name for name in (*_KEPT_COLUMNS, self.target) if name in {*self.schema.names, self.target}]
        return read_blocks(self.path, "cm-1", self.signal, rows, columns, only, self.below_detection)


def make_plan(
    path,
    target,
    model,
    signal="absorbance",
    harmonise="snv+derivative",
    level=0.9,
    fit_rows=20_000,
    random_state=0,
    below_detection=None,
):
    """What the library at a path holds of a property, and which rows a model is to be fitted to, as a `Plan`.

    Where more than `fit_rows` are measured, a random part is taken, of every laboratory as many as of any other until
    it has no more: the largest gives way to the smaller ones, from which a model learns what a further one may be like.
    Raises ValueError as `target_rows`, for raw counts, and a level outside 0 to 1; TableError as `library_index`.
    """
    refuse_counts(signal)
    if not 0 < level < 1:
        raise ValueError(f"a level of {level:g}: give a share between 0 and 1, such as 0.9")
    path, limits, levels = Path(path).resolve(), content_limits(target), tuple(sorted({0.68, level, 0.95}))
    first = next(read_blocks(path, "cm-1", signal, only=[0], below_detection=below_detection))
    refuse_unknown(target, first.properties)
    kept = [name for name in _KEPT_COLUMNS if name in first.samples]
    index = library_index(path, "cm-1", signal, [*kept, target], below_detection)
    y = index.properties[target].to_numpy()
    usable = target_rows(index.properties, target, MIN_ROWS, limits)
    rows = _rows_to_fit(index.samples, y, usable, fit_rows, random_state)
    return Plan(
        *(path, target, signal, harmonise, model, levels, random_state, limits),
        schema=_schema(index.samples[kept], levels),
        n_samples=index.n_samples,
        provenance=index.provenance,
        rows=rows,
        notes=[*index.notes, *_notes(y, usable, limits, len(rows), target)],
        below_detection=below_detection,
    )


def _rows_to_fit(samples, y, usable, fit_rows, random_state):
    """The rows of a `Plan` to fit, of those of a mask; samples, y : of the whole library."""
    laboratory = laboratory_labels(samples)
    laboratory = pd.Series(NO_LABORATORY, samples.index) if laboratory is None else laboratory
    laboratory = laboratory.fillna(NO_LABORATORY).to_numpy(str)
    positions = balanced_rows(np.flatnonzero(usable), laboratory[usable], fit_rows, random_state)
    rows = pd.DataFrame({"position": positions, "y": y[positions], "laboratory": laboratory[positions]})
    return rows.assign(site=rows["laboratory"] + " " + group_labels(samples.iloc[positions]))


def _notes(y, usable, limits, n_fitted, target):
    """Notes on contents that are not fitted to, and on nothing to fill."""
    outside, notes = (~np.isnan(y) & ~usable).sum(), []
    if outside:
        words = f"outside {limits[0]:g} to {limits[1]:g}, kept and not fitted to"
        notes.append(f"{count_of(outside, 'measured content')} {words}")
    if n_fitted < usable.sum():
        notes.append(f"fitted to {n_fitted:,} of {usable.sum():,} measured rows, in equal parts by laboratory")
    if not np.isnan(y).any():
        notes.append(f"nothing to fill: {target} is measured in all {len(y):,} rows")
    return notes


def _schema(samples, levels):
    """The columns of the table to come; those of the samples keep their kind."""
    kinds = {
        name: pa.from_numpy_dtype(kind) if pd.api.types.is_numeric_dtype(kind) else pa.string()
        for name, kind in samples.dtypes.items()
    }
    bounds = [name for level in levels for name in bound_names(level)]
    return pa.schema(
        {
            **kinds,
            "property": pa.string(),
            "value": pa.float64(),
            "origin": pa.string(),
            **dict.fromkeys(["predicted", "sd", *bounds], pa.float64()),
            **dict.fromkeys(["usable", "t2_flag", "q_flag", "outside", "outlier"], pa.bool_()),
            "spectrum_origin": pa.string(),
        }
    )


def bound_names(level):
    """Columns of the lower and the upper bound at a level: 0.9 gives lower_90 and upper_90."""
    return f"lower_{100 * level:g}", f"upper_{100 * level:g}"
