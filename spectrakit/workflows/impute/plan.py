"""What is asked of a mid-infrared library whose gaps are to be filled, and which of its rows is a model fitted to?"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from spectrakit.contents import content_limits
from spectrakit.evaluation import balanced_rows
from spectrakit.resources import data_path
from spectrakit.runs import run_key
from spectrakit.spectra import group_labels, laboratory_labels
from spectrakit.tables import BLOCK_ROWS, library_index, read_blocks

FEWEST_MEASURED = 40
_KEPT_COLUMNS = (
    *("sample_id", "laboratory", "lab", "replicate", "site", "group", "project", "region", "country", "date"),
    *("depth_cm", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude", "easting_km", "northing_km"),
)


@dataclass(frozen=True)
class Plan:
    """What is to be done with a library, and all that the rows to fit are found again by.

    model : function of limits and random_state, see `impute.MODELS`
    schema : of the table to come; n_samples : rows of the library; provenance : of the library
    positions, y, laboratory, site : (n_fit,), ascending positions in the library, measured contents, labels
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
    positions: np.ndarray
    y: np.ndarray
    laboratory: np.ndarray
    site: np.ndarray
    notes: tuple

    @property
    def columns(self):
        """Columns of the library that are needed."""
        return [name for name in (*_KEPT_COLUMNS, self.target) if name in {*self.schema.names, self.target}]

    def blocks(self, only, rows=BLOCK_ROWS):
        """The rows at some positions of the library, in blocks."""
        return read_blocks(self.path, "cm-1", self.signal, rows=rows, columns=self.columns, only=only)

    def key(self):
        """Name of the run: options, measured contents, names, sizes and times of the library's files, and the code."""
        files = [self.path] if self.path.is_file() else sorted(self.path.rglob("*.parquet"))
        stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        model = f"{self.model.__module__}.{self.model.__qualname__}"
        options = [self.target, self.signal, self.harmonise, model, self.levels, self.random_state]
        rows = (self.positions.tobytes(), self.y.tobytes(), "\n".join([*self.laboratory, *self.site]).encode())
        return run_key(*rows, options, stats, data=data_path("models").glob("*.safetensors"))


def make_plan(path, target, model, signal="absorbance", harmonise="snv+derivative", level=0.9, fit_rows=20_000, seed=0):
    """What the library at a path holds of a property, and which rows a model is to be fitted to, as a `Plan`.

    Where more than `fit_rows` are measured, a random part is taken, of every laboratory as many as of any other until
    it has no more: the largest gives way to the smaller ones, from which a model learns what a further one may be like.
    Raises ValueError for a property that is not there, not or hardly measured, or the same in all rows, a signal of
    counts, a level outside 0 to 1; TableError as `library_index`.
    """
    if signal == "counts":
        raise ValueError("counts are no absorbance: divide by the white reference, then declare reflectance")
    if not 0 < level < 1:
        raise ValueError(f"a level of {level:g}: give a share between 0 and 1, such as 0.9")
    path = Path(path).resolve()
    first = next(read_blocks(path, "cm-1", signal, only=[0]))
    if target not in first.properties:
        names = ", ".join(first.properties) or "none"
        raise ValueError(f"{path.name}: no property '{target}' in the library; its properties: {names}")
    kept = [name for name in _KEPT_COLUMNS if name in first.samples]
    index = library_index(path, "cm-1", signal, columns=[*kept, target])
    y, limits = index.properties[target].to_numpy(), content_limits(target)
    usable, notes = _usable_contents(y, limits, target, path.name)
    laboratory = _laboratory(index.samples)
    rows = np.flatnonzero(usable)
    positions = balanced_rows(rows, laboratory[rows], fit_rows, seed)
    if len(positions) < usable.sum():
        notes.append(f"fitted to {len(positions):,} of {usable.sum():,} measured rows, in equal parts by laboratory")
    if not np.isnan(y).any():
        notes.append(f"nothing to fill: {target} is measured in all {len(y):,} rows")
    levels = tuple(sorted({0.68, level, 0.95}))
    return Plan(
        path=path,
        target=target,
        signal=signal,
        harmonise=harmonise,
        model=model,
        levels=levels,
        random_state=seed,
        limits=limits,
        schema=_schema(index.samples[kept], levels),
        n_samples=index.n_samples,
        provenance=index.provenance,
        positions=positions,
        y=y[positions],
        laboratory=laboratory[positions],
        site=np.char.add(np.char.add(laboratory[positions], " "), group_labels(index.samples.iloc[positions])),
        notes=tuple(notes),
    )


def _usable_contents(y, limits, target, name):
    """Mask of measured contents that a model can be fitted to, and notes; ValueError where they are too few."""
    measured = ~np.isnan(y)
    usable = np.isfinite(y) & (y >= limits[0]) & (y <= limits[1])
    if not measured.any():
        raise ValueError(f"{name}: {target} is not measured in any of {len(y):,} rows; give a library where it is")
    refuse_few(usable.sum(), f"{name}: {target} is measured")
    if np.ptp(y[usable]) == 0:
        raise ValueError(f"{name}: {target} is {y[usable][0]:g} wherever it is measured: there is nothing to predict")
    odd = int((measured & ~usable).sum())
    words = f"{odd} measured contents lie outside {limits[0]:g} to {limits[1]:g}: kept as they are, not fitted to"
    return usable, [words] if odd else []


def refuse_few(count, words):
    """Raises ValueError where a count of rows, after some words on them, is not enough to fit and to calibrate."""
    if count < FEWEST_MEASURED:
        raise ValueError(f"{words} in {count} rows: at least {FEWEST_MEASURED} are needed to fit and to calibrate")


def _laboratory(samples):
    """(n,) laboratories as text."""
    unnamed = "no laboratory named"
    labels = laboratory_labels(samples)
    return np.full(len(samples), unnamed) if labels is None else labels.fillna(unnamed).to_numpy(str)


def _schema(samples, levels):
    """The columns of the table to come; those of the samples keep their kind."""
    kinds = {
        name: pa.from_numpy_dtype(kind) if pd.api.types.is_numeric_dtype(kind) else pa.string()
        for name, kind in samples.dtypes.items()
    }
    kinds |= {"property": pa.string(), "value": pa.float64(), "origin": pa.string()}
    kinds |= dict.fromkeys(
        ["predicted", "sd", *(name for level in levels for name in bound_names(level))], pa.float64()
    )
    kinds |= dict.fromkeys(["usable", "t2_flag", "q_flag", "outside", "outlier"], pa.bool_())
    return pa.schema(kinds | {"spectrum_origin": pa.string()})


def bound_names(level):
    """Columns of the lower and the upper bound at a level: 0.9 gives lower_90 and upper_90."""
    return f"lower_{100 * level:g}", f"upper_{100 * level:g}"
