"""The rows of a library filled block by block, with intervals and flags, and written as a table."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from spectrakit.evaluation import ConformalIntervals
from spectrakit.files import written_whole
from spectrakit.preprocess import absorbance, usable_spectra
from spectrakit.spectra import interpolated
from spectrakit.workflows.impute.fit import Fitted
from spectrakit.workflows.impute.plan import Plan, bound_names

ORIGINS = ("measured", "imputed", "missing")


@dataclass(frozen=True)
class Imputer:
    """All that a block is filled by.

    axis, covered : as of `Training`; held_out : Series of the predictions of the rows that were fitted to, by models
        that had not seen them, indexed by position
    """

    plan: Plan
    axis: np.ndarray
    covered: np.ndarray
    fitted: Fitted
    intervals: ConformalIntervals
    held_out: pd.Series


def filled_blocks(imputer, run, rows):
    """The rows of the hybrid data set, an iterator of DataFrames of so many rows; run : a `Run` of all rows."""
    plan = imputer.plan
    starts = range(0, plan.n_samples, rows)
    names = [f"block-{rows}-{number:06d}" for number in range(len(starts))]
    if run.runner is not None:
        # Each worker reads the blocks that it fills.
        places = [(start, min(start + rows, plan.n_samples)) for start in starts]
        tasks = [(name, ("filling", place, place[1] - place[0])) for name, place in zip(names, places, strict=True)]
        parts = run.each(_read_and_fill, imputer, tasks)
    else:
        blocks = zip(names, starts, plan.blocks(None, rows), strict=True)
        parts = run.each(_fill, imputer, ((name, ("filling", (*at, block), len(block))) for name, *at, block in blocks))
    return (part for _, part in parts)


def _read_and_fill(imputer, place, report):
    """As `_fill`, of the rows from one position to another."""
    return _fill(imputer, (place[0], next(imputer.plan.blocks(np.arange(*place)))), report)


def _fill(imputer, task, report):
    """The rows of a block as rows of the hybrid data set; task : (position of the first row, block)."""
    start, block = task
    plan, covered = imputer.plan, imputer.covered
    spectra, _ = absorbance(block.spectra, block.signal)
    X = interpolated(spectra if covered.all() else spectra[:, covered], block.axis[covered], imputer.axis)
    usable, value = usable_spectra(X), block.properties[plan.target].to_numpy()
    harmonised = np.full(X.shape, np.nan)
    if usable.any():
        harmonised[usable] = imputer.fitted.harmonise.transform(X[usable])
    # A spectrum that is not usable lies outside the domain and is an outlier.
    domain = imputer.fitted.domain.examine(harmonised)
    outlier = (domain[["t2", "q"]].to_numpy() > imputer.fitted.gross).any(axis=1)
    frame = block.samples.assign(
        property=plan.target,
        usable=usable,
        outlier=outlier | ~usable,
        spectrum_origin=block.provenance["origin"],
        **domain[["t2_flag", "q_flag", "outside"]],
    )
    empty = usable & np.isnan(value)
    frame = frame.join(_predictions(imputer, np.flatnonzero(empty), harmonised[empty]))
    frame["value"] = np.where(empty, frame["predicted"], value)
    frame["origin"] = np.where(empty, "imputed", np.where(np.isnan(value), "missing", "measured"))
    fitted = imputer.held_out.loc[start : start + len(X) - 1]
    frame.loc[fitted.index - start, "predicted"] = fitted.to_numpy()
    return frame[plan.schema.names]


def _predictions(imputer, rows, harmonised):
    """Predictions of the rows of a block, their spread and bounds: a DataFrame indexed by row."""
    plan, names = imputer.plan, [name for level in imputer.plan.levels for name in bound_names(level)]
    if not len(rows):
        return pd.DataFrame(columns=["predicted", "sd", *names], dtype=float)
    predicted, spread = imputer.fitted.model.predict(harmonised, return_std=True)
    predicted = np.clip(predicted, *plan.limits).astype(float)
    bounds = imputer.intervals.predict(predicted).transpose(2, 1, 0).reshape(-1, len(predicted))
    columns = {"predicted": predicted, "sd": spread} | dict(zip(names, bounds, strict=True))
    return pd.DataFrame(columns, index=rows)


def write_hybrid(blocks, schema, output):
    """Write DataFrames one after the other to a file, whole or not at all; returns counts of rows, see `fill_gaps`."""
    counts = Counter(dict.fromkeys(ORIGINS, 0))
    with written_whole(output) as whole, _table_writer(whole, str(output).lower(), schema) as writer:
        for frame in blocks:
            arrays = [pa.array(frame[field.name], from_pandas=True).cast(field.type) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema))
            counts.update(frame["origin"])
            counts.update(frame.loc[frame["origin"] == "imputed", ["outside", "outlier"]].sum().to_dict())
    return dict(counts)


@contextmanager
def _table_writer(path, name, schema):
    """A writer of Arrow tables, of the kind that the ending of a name asks for."""
    if name.endswith(".parquet"):
        with pq.ParquetWriter(path, schema) as writer:
            yield writer
        return
    with pa.output_stream(path, compression="gzip" if name.endswith(".gz") else None) as stream:
        stream.write(f"{','.join(schema.names)}\n".encode())
        options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
        with pyarrow.csv.CSVWriter(stream, schema, write_options=options) as writer:
            yield writer
