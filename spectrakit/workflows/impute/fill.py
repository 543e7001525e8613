"""The rows of a library filled block by block, with intervals and flags, and written as a table."""

import gzip
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from spectrakit.evaluation import ConformalIntervals
from spectrakit.files import written_whole
from spectrakit.preprocess import absorbance, usable_spectra
from spectrakit.spectra import interpolated
from spectrakit.workflows.impute.fit import Fitted
from spectrakit.workflows.impute.plan import Plan, bound_names


@dataclass(frozen=True)
class Imputer:
    """All that a block is filled by: the plan, the channels, what was fitted, intervals, and held-out predictions.

    positions, held_out : (n,) of the rows that were fitted to, ascending, and what was predicted of each unseen
    """

    plan: Plan
    axis: np.ndarray
    covered: np.ndarray
    fitted: Fitted
    intervals: ConformalIntervals
    positions: np.ndarray
    held_out: np.ndarray


def filled_blocks(imputer, run, rows):
    """The rows of the hybrid data set, an iterator of DataFrames of so many rows; run : a `Run` of all rows."""
    plan = imputer.plan
    starts = range(0, plan.n_samples, rows)
    names = [f"block-{rows}-{number:06d}" for number in range(len(starts))]
    if run.runner is not None:
        # A worker reads its own blocks.
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
    usable = usable_spectra(X)
    value = block.properties[plan.target].to_numpy()
    measured = ~np.isnan(value)
    columns = {
        "property": plan.target,
        "value": value.copy(),
        "usable": usable,
        "predicted": np.full(len(X), np.nan),
        "origin": np.where(measured, "measured", np.where(usable, "imputed", "missing")),
        "spectrum_origin": block.provenance["origin"],
    }
    harmonised = imputer.fitted.harmonise.transform(X[usable]) if usable.any() else np.empty((0, len(imputer.axis)))
    columns |= _flags(imputer.fitted, usable, harmonised)
    empty = usable & ~measured
    columns |= _imputed(imputer, empty, harmonised[empty[usable]], columns)
    within = slice(*np.searchsorted(imputer.positions, [start, start + len(X)]))
    columns["predicted"][imputer.positions[within] - start] = imputer.held_out[within]
    return block.samples.assign(**columns)[plan.schema.names]


def _flags(fitted, usable, harmonised):
    """What the domain says of each row; a spectrum that is not usable lies outside and is an outlier."""
    flags = {name: np.zeros(len(usable), bool) for name in ("t2_flag", "q_flag")}
    flags |= {name: ~usable for name in ("outside", "outlier")}
    if usable.any():
        examined = fitted.domain.examine(harmonised)
        examined["outlier"] = (examined[["t2", "q"]].to_numpy() > fitted.gross).any(axis=1)
        for name, flag in flags.items():
            flag[usable] = examined[name]
    return flags


def _imputed(imputer, empty, harmonised, columns):
    """Fills value and predicted of the rows that lack a value; returns their spread and bounds as columns."""
    plan, names = imputer.plan, ["sd", *(name for level in imputer.plan.levels for name in bound_names(level))]
    further = {name: np.full(len(empty), np.nan) for name in names}
    if empty.any():
        predicted, spread = imputer.fitted.model.predict(harmonised, return_std=True)
        predicted = np.clip(predicted, *plan.limits).astype(float)
        bounds = imputer.intervals.predict(predicted).transpose(2, 1, 0).reshape(-1, len(predicted))
        columns["value"][empty] = columns["predicted"][empty] = predicted
        for name, column in zip(names, (spread, *bounds), strict=True):
            further[name][empty] = column
    return further


def write_hybrid(blocks, schema, output):
    """Write DataFrames one after the other to a file, whole or not at all; returns what `ImputeOutcome` counts."""
    counts, flagged = Counter(measured=0, imputed=0, missing=0), Counter(outside=0, outlier=0)
    with written_whole(output) as whole, _table_writer(whole, str(output).lower(), schema) as writer:
        for frame in blocks:
            arrays = [pa.array(frame[field.name], from_pandas=True).cast(field.type) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema))
            counts.update(frame["origin"])
            flagged.update(frame.loc[frame["origin"] == "imputed", list(flagged)].sum().to_dict())
    return dict(counts), dict(flagged)


@contextmanager
def _table_writer(path, name, schema):
    """A writer of Arrow tables, of the kind that the ending of a name asks for."""
    if name.endswith(".parquet"):
        with pq.ParquetWriter(path, schema) as writer:
            yield writer
        return
    with open(path, "wb") as file:
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) if name.endswith(".gz") else file
        with stream:
            stream.write(f"{','.join(schema.names)}\n".encode())
            options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
            with pyarrow.csv.CSVWriter(stream, schema, write_options=options) as writer:
                yield writer
