"""How is a block of a library filled: which value, how sure, and may the spectrum be trusted at all?"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spectrakit.evaluation import ConformalIntervals
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


def fill(imputer, task):
    """The rows of a block as rows of the hybrid data set, an Arrow table; task : (position of the first row, block)."""
    start, block = task
    plan, schema = imputer.plan, imputer.plan.schema
    spectra, covered = absorbance(block.spectra, block.signal)[0], imputer.covered
    X = interpolated(spectra if covered.all() else spectra[:, covered], block.axis[covered], imputer.axis)
    usable = usable_spectra(X)
    value = block.properties[plan.target].to_numpy()
    measured = ~np.isnan(value)
    columns = {
        "property": plan.target,
        "value": value.copy(),
        "usable": usable,
        "predicted": np.full(len(X), np.nan),
    }
    columns["origin"] = np.where(measured, "measured", np.where(usable, "imputed", "missing"))
    columns["spectrum_origin"] = block.provenance["origin"]
    harmonised = imputer.fitted.harmonise.transform(X[usable]) if usable.any() else np.empty((0, len(imputer.axis)))
    columns |= _flags(imputer.fitted, usable, harmonised)
    empty = usable & ~measured
    columns |= _imputed(imputer, empty, harmonised[empty[usable]], columns)
    within = slice(*np.searchsorted(imputer.positions, [start, start + len(X)]))
    columns["predicted"][imputer.positions[within] - start] = imputer.held_out[within]
    frame = block.samples.assign(**columns)
    arrays = [pa.array(frame[name], from_pandas=True).cast(schema.field(name).type) for name in schema.names]
    return pa.table(arrays, schema=schema)


def _flags(fitted, usable, harmonised):
    """What the domain says of each row; a spectrum that is not usable lies outside and is an outlier."""
    flags = {name: np.zeros(len(usable), bool) for name in ("t2_flag", "q_flag")}
    flags |= {name: ~usable for name in ("outside", "outlier")}
    if usable.any():
        found = fitted.domain.examine(harmonised)
        found["outlier"] = (found[["t2", "q"]].to_numpy() > fitted.gross).any(axis=1)
        for name, flag in flags.items():
            flag[usable] = found[name]
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
        for name, found in zip(names, (spread, *bounds), strict=True):
            further[name][empty] = found
    return further


def fill_rows(imputer, place):
    """As `fill`, of the rows from one position to another, BLOCK_ROWS at most, which it reads."""
    return fill(imputer, (place[0], next(imputer.plan.blocks(np.arange(*place)))))
