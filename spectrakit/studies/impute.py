"""How are the gaps of a mid-infrared library filled: which value, how sure, and may the spectrum be trusted at all?

A model is fitted to the rows in which a property is measured and predicts the others. Its errors are those on
laboratories that it had not seen, and the intervals promise what those errors allow. The library is streamed: what is
held is the rows to fit and one block, however many rows there are to fill. Finished fits and blocks are kept, so that
a stopped run goes on where it was, and blocks may be filled by the workers of a Dask cluster.
"""

import gzip
import json
import pickle
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import GroupKFold
from threadpoolctl import ThreadpoolController

from spectrakit import __version__
from spectrakit.evaluation.intervals import (
    ConformalIntervals,
    coverage_table,
    held_out_intervals,
    pooled_promise,
    pooled_threshold,
)
from spectrakit.evaluation.metrics import bias, mae, r2, rmse, rpiq
from spectrakit.models.baselines import CrossValidatedPLS
from spectrakit.preprocess.harmonise import HARMONISATIONS
from spectrakit.preprocess.outliers import SpectralDomain
from spectrakit.resources import data_path
from spectrakit.simulate.laboratories import library_axis
from spectrakit.simulate.library import HIGHEST_CARBON
from spectrakit.spectra import axis_gaps, provenance_line
from spectrakit.studies.finished import FinishedParts, run_key
from spectrakit.studies.records import current_commit
from spectrakit.tables import BLOCK_ROWS, UNITS, library_index, read_blocks, split_unit, written_whole
from spectrakit.training.contents import CONTENT_NETWORK, ContentNetwork

# Of mass, as the simulator has it in g/kg.
HIGHEST_CARBON_SHARE = HIGHEST_CARBON / 1000
_CARBON = ("c", "tc", "oc", "soc", "toc")
# Units that are shares of mass, by what the whole is in them.
_WHOLE = {"%": 100.0, "wt %": 100.0, "g/kg": 1000.0, "ppm": 1e6, "mg/kg": 1e6}
FEWEST_MEASURED = 40
FEWEST_CHANNELS = 100
# A channel is covered where this share of the spectra of every laboratory has it.
COVERED_SHARE = 0.9
# Parts into which the sites of a single laboratory are divided, each held out once.
SITE_PARTS = 10
_LABORATORY, _SITE = ("laboratory", "lab"), ("site", "group")
_KEPT_COLUMNS = (
    *("sample_id", "laboratory", "lab", "replicate", "site", "group", "project", "region", "country", "date"),
    *("depth_cm", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude", "easting_km", "northing_km"),
)
# A logarithm of a distance this many robust deviations beyond the median of the rows fitted makes an outlier.
_GROSS = 5.0


class LogPLS(RegressorMixin, BaseEstimator):
    """Partial least squares of ln(content + a tenth of the median content); of the content where it has no lowest.

    limits : lowest and highest content there can be; predictions are brought inside
    max_components, random_state : as of CrossValidatedPLS
    After fit: `pls_`, `log_offset_`.
    """

    def __init__(self, limits=(0.0, np.inf), max_components=30, random_state=None):
        self.limits = limits
        self.max_components = max_components
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        """Fit to X (n, n_channels) and contents y (n,); groups are not used: the components are chosen by rows."""
        self.log_offset_ = log_offset(y, self.limits)
        scaled = y if self.log_offset_ is None else np.log(np.asarray(y) + self.log_offset_)
        self.pls_ = CrossValidatedPLS(self.max_components, random_state=self.random_state).fit(X, scaled)
        return self

    def predict(self, X, return_std=False):
        """Contents (n,), inside the limits; return_std : also the standard deviation of their errors (n,).

        That is the one of the inner cross-validation, on the scale that is fitted to, taken back to contents.
        """
        scaled = self.pls_.predict(X)
        if self.log_offset_ is not None:
            with np.errstate(over="ignore"):  # beyond any number is beyond the limit
                scaled = np.exp(scaled) - self.log_offset_
        contents = np.clip(scaled, *self.limits)
        if not return_std:
            return contents
        deviation = self.pls_.inner_rmse_[self.pls_.n_components_ - 1]
        return contents, deviation * (np.ones(len(X)) if self.log_offset_ is None else contents + self.log_offset_)


def log_pls(limits, random_state):
    """The linear model of the command, for any property and any number of rows."""
    return LogPLS(limits, random_state=random_state)


def content_network(limits, random_state):
    """The network of the command, for contents between nothing and a highest one; ValueError for others."""
    if limits[0] != 0 or np.isinf(limits[1]):
        raise ValueError("the network predicts contents between 0 and a highest one, which this has not: take pls")
    return ContentNetwork(limits[1], random_state=random_state)


# Name to a function of limits and random_state, a regressor with fit(X, y, groups) and predict(X, return_std). They
# are functions of a module, so that the workers of a cluster know them by name.
MODELS = {"pls": log_pls, "network": content_network}


def content_limits(target):
    """The lowest and the highest content that a property can have, by its name and the unit that this ends in.

    Carbon (c, tc, oc, soc, toc) at most 58 % of the mass, other shares of mass at most the whole, amounts in another
    unit at least 0; pH, and what has no known unit (a logarithm, perhaps), without limits.
    """
    name, unit = split_unit(target)
    if unit is None or unit == UNITS["ph"][0]:
        return (-np.inf, np.inf)
    whole = _WHOLE.get(unit, np.inf)
    return (0.0, HIGHEST_CARBON_SHARE * whole if name in _CARBON else whole)


def log_offset(contents, limits):
    """What is added to contents (n,) before a logarithm, a tenth of their median or, where that is 0, of their mean.

    None, for no logarithm, where the lowest content is not 0.
    """
    return float(np.median(contents) or np.mean(contents)) / 10 if limits[0] == 0 else None


# --- what is asked for, and the rows to fit ------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What is to be done with a library, and all that the rows to fit are found again by.

    model : function of limits and random_state, see `MODELS`
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
    laboratory = _labels(index.samples, _LABORATORY, "no laboratory named")
    site = _labels(index.samples, _SITE, index.samples["sample_id"].astype(str))
    positions = _balanced(np.flatnonzero(usable), laboratory, fit_rows, seed)
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
        site=np.char.add(np.char.add(laboratory[positions], " "), site[positions]),
        notes=tuple(notes),
    )


def _usable_contents(y, limits, target, name):
    """Mask of measured contents that a model can be fitted to, and notes; ValueError where they are too few."""
    measured = ~np.isnan(y)
    usable = np.isfinite(y) & (y >= limits[0]) & (y <= limits[1])
    if not measured.any():
        raise ValueError(f"{name}: {target} is not measured in any of {len(y):,} rows; give a library where it is")
    _refuse_few(usable.sum(), f"{name}: {target} is measured")
    if np.ptp(y[usable]) == 0:
        raise ValueError(f"{name}: {target} is {y[usable][0]:g} wherever it is measured: there is nothing to predict")
    odd = int((measured & ~usable).sum())
    words = f"{odd} measured contents lie outside {limits[0]:g} to {limits[1]:g}: kept as they are, not fitted to"
    return usable, [words] if odd else []


def _refuse_few(count, words):
    if count < FEWEST_MEASURED:
        raise ValueError(f"{words} in {count} rows: at least {FEWEST_MEASURED} are needed to fit and to calibrate")


def _labels(samples, names, otherwise):
    """(n,) labels as text from the first of some columns that is there; `otherwise` where none is."""
    labels = pd.Series(None, index=samples.index, dtype=object)
    for name in names:
        if name in samples:
            labels = labels.fillna(samples[name].astype(object))
    return labels.fillna(otherwise).astype(str).to_numpy(str)


def _balanced(rows, labels, most, seed):
    """At most `most` of some rows, ascending: by chance within a label, and labels in turn."""
    order = np.random.default_rng(seed).permutation(rows)
    turn = pd.Series(labels[order]).groupby(labels[order]).cumcount()
    return np.sort(order[np.argsort(turn, kind="stable")[:most]])


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


def _coverage_name(level):
    return f"coverage_{100 * level:g}"


@dataclass(frozen=True)
class Training:
    """The usable ones of the rows to fit, brought to the channels that all laboratories share.

    axis : (n_channels,) 1/cm; covered : mask of the library's own channels that it is made of
    X : (n, n_channels) absorbance; rows : (n,) places in those of the plan
    groups : (n,) labels of what is held out together: laboratories, or parts of the sites of a single one
    unit : which of them
    """

    axis: np.ndarray
    covered: np.ndarray
    X: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    unit: str
    notes: tuple


def read_training(plan):
    """The rows of a plan with their spectra, as `Training`.

    A channel is used where it is on the axis 600 to 3998 1/cm in steps of 2 and the library's own channels, of those
    that nine tenths of every laboratory's spectra have, lie on both sides. Raises ValueError where these are fewer than
    100, and where fewer than 40 rows have a spectrum that is usable.
    """
    own_axis, spectra, done = None, None, 0
    for block in plan.blocks(plan.positions):
        if spectra is None:
            own_axis, spectra = block.axis, np.empty((len(plan.positions), block.n_channels), np.float32)
        spectra[done : done + len(block)] = _absorbance(block).spectra
        done += len(block)
    covered = _covered(spectra, plan.laboratory)
    axis, notes = _shared_axis(own_axis, covered)
    X = _on_axis(spectra, own_axis, covered, axis)
    usable = usable_spectra(X)
    _refuse_few(usable.sum(), f"{plan.path.name}: {plan.target} is measured and the spectrum usable")
    if not usable.all():
        notes.append(f"{(~usable).sum()} of {len(X)} rows to fit have no usable spectrum and are left out")
    rows = np.flatnonzero(usable)
    groups, unit, words = _groups(plan, rows)
    return Training(axis, covered, X[usable], rows, groups, unit, (*notes, *words))


def _absorbance(block):
    if block.signal == "absorbance":
        return block
    reflectance = np.where(block.spectra > 0, block.spectra, np.nan)
    return replace(block, spectra=-np.log10(reflectance), signal="absorbance")


def _covered(spectra, laboratory):
    """Mask of the channels that COVERED_SHARE of the spectra of every laboratory have."""
    there = ~np.isnan(spectra)
    some = there.any(axis=1)
    covered = np.full(spectra.shape[1], some.any())
    for name in np.unique(laboratory[some]):
        covered &= there[some & (laboratory == name)].mean(axis=0) >= COVERED_SHARE
    return covered


def _shared_axis(own_axis, covered):
    """The part of the library axis that covered channels enclose, and notes where it is not the whole."""
    whole, own = library_axis(), own_axis[covered]
    inside = np.zeros(len(whole), bool) if len(own) < 2 else (whole >= own[0]) & (whole <= own[-1])
    for low, high in axis_gaps(own) if len(own) > 2 else ():
        inside &= (whole <= low) | (whole >= high)
    axis = whole[inside]
    # The network averages over so many channels at a time.
    axis = axis[: len(axis) // CONTENT_NETWORK.pool * CONTENT_NETWORK.pool]
    if len(axis) < FEWEST_CHANNELS:
        raise ValueError(
            f"the laboratories share {len(axis)} channels of {whole[0]:g} to {whole[-1]:g} 1/cm, "
            f"{FEWEST_CHANNELS} are needed: leave out rows or laboratories that cover less, or name the signal rightly"
        )
    words = f"{len(axis):,} of {len(whole):,} channels used, {axis[0]:g} to {axis[-1]:g} 1/cm: those that all share"
    return axis, [] if len(axis) == len(whole) else [words]


def _on_axis(spectra, own_axis, covered, axis):
    """Spectra (n, n_own) at the channels of an axis, float32: interpolated between neighbours where these differ."""
    own, spectra = own_axis[covered], spectra if covered.all() else spectra[:, covered]
    if np.array_equal(own, axis):
        return spectra
    resampled = np.empty((len(spectra), len(axis)), np.float32)
    for row, spectrum in zip(resampled, spectra, strict=True):
        row[:] = np.interp(axis, own, spectrum)
    return resampled


def usable_spectra(X):
    """Mask (n,) of spectra X (n, n_channels) that have all channels, finite and not all equal."""
    return np.isfinite(X).all(axis=1) & (X.max(axis=1) > X.min(axis=1))


def _groups(plan, rows):
    """Labels of what is held out together, what that is, and notes."""
    laboratory, site = plan.laboratory[rows], plan.site[rows]
    if len(np.unique(laboratory)) > 1:
        return laboratory, "laboratories", []
    n_sites = len(np.unique(site))
    if n_sites < 3:
        raise ValueError(f"one laboratory and {n_sites} sites: at least 3 sites, or 2 laboratories, are needed")
    n_parts = min(SITE_PARTS, n_sites)
    groups = np.empty(len(rows), dtype=f"<U{len(f'sites {n_parts} of {n_parts}')}")
    folds = GroupKFold(n_parts, shuffle=True, random_state=plan.random_state).split(rows, groups=site)
    for number, (_, held_out) in enumerate(folds, start=1):
        groups[held_out] = f"sites {number} of {n_parts}"
    return (
        groups,
        "sites",
        [f"one laboratory: errors are those on {n_parts} parts of its sites, not on another laboratory"],
    )


# --- fits ----------------------------------------------------------------------------------------------------


# To look through all libraries for their threads takes as long as a small block.
_thread_pools = cache(ThreadpoolController)


@contextmanager
def _one_thread():
    """Sums are taken in one order wherever a task runs, so that a cluster gives the same digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Fitted:
    """What was learned of training rows; gross : T2 and Q beyond which a spectrum outside the domain is an outlier."""

    harmonise: object
    domain: SpectralDomain
    gross: tuple
    model: object


def _fitted_model(plan, training, kept):
    """Harmonisation and model of the training rows of a mask, and their harmonised spectra."""
    rows = training.rows[kept]
    harmonise = HARMONISATIONS[plan.harmonise]()
    X = harmonise.fit_transform(training.X[kept], laboratory=plan.laboratory[rows])
    model = plan.model(plan.limits, plan.random_state).fit(X, plan.y[rows], groups=plan.site[rows])
    return harmonise, model, X


def fit_part(plan, training, group):
    """Predictions of a group, as a list, by a model that has not seen it; of None, the `Fitted` of all rows."""
    with _one_thread():
        if group is not None:
            kept = training.groups != group
            harmonise, model, _ = _fitted_model(plan, training, kept)
            predicted = model.predict(harmonise.transform(training.X[~kept]))
            return np.clip(predicted, *plan.limits).astype(float).tolist()
        harmonise, model, X = _fitted_model(plan, training, np.full(len(training.rows), True))
        site = plan.site[training.rows]
        # The domain leaves out sites in five parts.
        domain = SpectralDomain(random_state=plan.random_state).fit(X, groups=site if len(set(site)) >= 5 else None)
        found = domain.examine(X)
        gross = [max(_gross_limit(found[name].to_numpy()), found[f"{name}_limit"].iloc[0]) for name in ("t2", "q")]
        return Fitted(harmonise, domain, tuple(gross), model)


def _gross_limit(distances):
    """A distance out of all proportion with those of the rows fitted, whose logarithm is taken for nearly normal."""
    logarithm = np.log(np.maximum(distances, np.finfo(float).tiny))
    deviation = 1.4826 * np.median(np.abs(logarithm - np.median(logarithm)))
    return float(np.exp(np.median(logarithm) + max(_GROSS * deviation, np.log(2))))


@lru_cache(maxsize=1)
def _training_at(file):
    plan = _unpickled(file)
    return plan, read_training(plan)


def _fit_part_at(file, group):
    """As `fit_part`, of the plan in a file, whose rows a worker reads once."""
    return fit_part(*_training_at(file), group)


# --- filling -------------------------------------------------------------------------------------------------


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
    with _one_thread():
        X = _on_axis(_absorbance(block).spectra, block.axis, imputer.covered, imputer.axis)
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


@lru_cache(maxsize=1)
def _unpickled(file):
    return pickle.loads(Path(file).read_bytes())


def _fill_at(file, place):
    """As `fill`, by the imputer in a file, of the rows from one position to another, BLOCK_ROWS at most."""
    imputer = _unpickled(file)
    return fill(imputer, (place[0], next(imputer.plan.blocks(np.arange(*place)))))


# --- the run -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a run found and did.

    scores : DataFrame, a row a group held out and 'all' first: n, r2, rmse, mae, rpiq, bias in the unit of the
        property, and coverage_68 ... of intervals calibrated on the other groups
    promise : level to the share of a group never seen that is promised to be covered at least, as a mean over such
    unit : what was held out, in words
    counts : origin to number of rows; flagged : imputed rows outside the domain, and outliers
    """

    notes: tuple
    scores: pd.DataFrame
    promise: dict
    unit: str
    counts: dict
    flagged: dict


def impute(plan, output, folder, run, progress=None, block_rows=BLOCK_ROWS):
    """Fit to the measured rows of a library, fill the others, and write the hybrid data set; returns an `Outcome`.

    plan : as `make_plan` gives it; output : .parquet, .csv or .csv.gz, which appears whole or not at all
    folder : where finished fits and blocks are kept, so that a stopped run goes on where it was
    run : of `cluster.task_runner`, which works off fits and blocks
    progress : called with words, and the number done and to do; block_rows : at most BLOCK_ROWS
    """
    if run.remote and plan.path.is_file() and plan.path.suffix != ".parquet":
        raise ValueError(
            f"{plan.path.name}: each worker would read a CSV from its start for every block; write it as Parquet "
            "before (write_partitions of read_blocks in spectrakit.tables), or leave out --scheduler"
        )
    place = Path(output).resolve()
    if plan.path in (place, *place.parents):
        raise ValueError(f"{output}: this would change the library itself; name another file, outside of it")
    tell = progress or (lambda *_: None)
    tell("reading the rows to fit", 0, 1)
    training = read_training(plan)
    kept = FinishedParts(folder, plan.key())
    held_out, fitted = _fits(plan, training, kept, run, tell)
    y, groups, positions = plan.y[training.rows], training.groups, plan.positions[training.rows]
    intervals = ConformalIntervals(pooled_threshold, plan.levels, log_offset(y, plan.limits), plan.limits)
    scores = score_groups(intervals, y, held_out, groups)
    intervals.fit(y, held_out, groups=groups)
    imputer = Imputer(plan, training.axis, training.covered, fitted, intervals, positions, held_out)
    notes, unit = (*plan.notes, *training.notes), training.unit
    # The spectra of the rows fitted are not needed any more, and a block will be.
    del training
    n_blocks = _fill_blocks(imputer, kept, run, tell, block_rows)
    promise = {level: pooled_promise(level, len(scores) - 1) for level in plan.levels}
    parts = (kept.folder / _block_name(number, block_rows) for number in range(n_blocks))
    metadata = {"spectrakit": json.dumps(_provenance(plan, kept, scores, promise))}
    counts, flagged = _write_hybrid(parts, plan.schema.with_metadata(metadata), output)
    return Outcome(notes, scores, promise, unit, counts, flagged)


def _fits(plan, training, kept, run, tell):
    """Held-out prediction of each training row, and the `Fitted` of all; what is finished is taken from `kept`."""
    groups = [*np.unique(training.groups), None]
    names = {group: "all" if group is None else f"held-out-{at:04d}" for at, group in enumerate(groups)}
    whole = kept.folder / "all.pickle"
    left = [
        group for group in groups if not (whole if group is None else kept.folder / f"{names[group]}.json").exists()
    ]
    function = partial(fit_part, plan, training)
    if left and run.remote:
        function = partial(_fit_part_at, _pickled(plan, kept.folder / "plan.pickle"))
    words = f"fitting, with {training.unit} held out in turn"
    tell(words, len(groups) - len(left), len(groups))
    for done, (at, result) in enumerate(run(function, left), start=1 + len(groups) - len(left)):
        if left[at] is None:
            _pickled(result, whole)
        else:
            kept.save(names[left[at]], result)
        tell(words, done, len(groups))
    held_out = np.empty(len(training.rows))
    for group in groups[:-1]:
        held_out[training.groups == group] = kept.load(names[group])
    return held_out, pickle.loads(whole.read_bytes())


def _pickled(thing, path):
    """Write something as a pickle, whole or not at all; returns the path as text."""
    with written_whole(path) as part:
        Path(part).write_bytes(pickle.dumps(thing))
    return str(path.resolve())


def _block_name(number, rows):
    return f"block-{rows}-{number:06d}.parquet"


def _fill_blocks(imputer, kept, run, tell, rows):
    """Fill the blocks that are not finished yet, each into a file of its own; returns the number of all blocks."""
    n_samples = imputer.plan.n_samples
    starts = np.arange(0, n_samples, rows)
    left = [at for at in range(len(starts)) if not (kept.folder / _block_name(at, rows)).exists()]
    places = [(int(starts[at]), min(int(starts[at]) + rows, n_samples)) for at in left]
    done = n_samples - sum(stop - start for start, stop in places)
    if left and run.remote:
        function, tasks = partial(_fill_at, _pickled(imputer, kept.folder / "imputer.pickle")), places
    else:
        function, tasks = partial(fill, imputer), _in_turn(imputer.plan, places, rows)
    tell("filling", done, n_samples)
    for at, table in run(function, tasks):
        with written_whole(kept.folder / _block_name(left[at], rows)) as part:
            pq.write_table(table, part)
        done += len(table)
        tell("filling", done, n_samples)
    return len(starts)


def _in_turn(plan, places, rows):
    """The blocks at some places, read in one go: (position of the first row, block)."""
    if places:
        only = None if len(places) * rows >= plan.n_samples else np.concatenate([np.arange(*place) for place in places])
        for (start, _), block in zip(places, plan.blocks(only, rows), strict=True):
            yield start, block


def score_groups(intervals, y, held_out, groups):
    """How far held-out predictions are from measured contents, and how many the intervals cover: see `Outcome`."""
    bounds = held_out_intervals(intervals, y, held_out, groups)
    covered = coverage_table(y, bounds, intervals.levels, groups).pivot(
        index="group", columns="level", values="coverage"
    )
    covered.columns = [_coverage_name(level) for level in covered.columns]
    metrics = {"r2": r2, "rmse": rmse, "mae": mae, "rpiq": rpiq, "bias": bias}
    parts = {"all": np.full(len(y), True)} | {group: groups == group for group in np.unique(groups)}
    rows = {
        name: {"n": int(part.sum())} | {key: metric(y[part], held_out[part]) for key, metric in metrics.items()}
        for name, part in parts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").join(covered).rename_axis(index="held out")


def report_frame(outcome):
    """The scores as text: R2, RMSE, RPIQ and bias, and per cent of the measured contents inside their intervals."""
    frame = outcome.scores.drop(columns="mae")
    for name in frame.columns[1:]:
        percent = name.startswith("coverage")
        frame[name] = [f"{100 * value:.1f}" if percent else f"{value:.3g}" for value in frame[name]]
    names = {"n": "n", "r2": "R2", "rmse": "RMSE", "rpiq": "RPIQ", "bias": "bias"}
    return frame.rename(columns=lambda name: names.get(name) or f"% in {name.removeprefix('coverage_')}")


def report_lines(outcome):
    """What the intervals promise, what they kept, and how many values are doubtful, in lines of text."""
    each = outcome.scores.drop(index="all")
    lines = [
        f"{100 * level:g} % intervals, mean over {outcome.unit}: {100 * promise:.1f} % promised of those never seen, "
        f"{100 * each[_coverage_name(level)].mean():.1f} % found of the {len(each)} held out in turn"
        for level, promise in outcome.promise.items()
    ]
    flagged = f"{outcome.flagged['outside']:,} outside the domain of what was fitted, {outcome.flagged['outlier']:,}"
    return [*lines, f"of {outcome.counts['imputed']:,} imputed: {flagged} of them outliers"]


def _provenance(plan, kept, scores, promise):
    """What made a table, as its metadata say it."""
    return {
        "command": "spectrakit impute",
        "property": plan.target,
        "limits": [None if np.isinf(limit) else limit for limit in plan.limits],
        "source": plan.path.name,
        "library": provenance_line(plan.provenance),
        "rows": plan.n_samples,
        "rows fitted": int(scores.loc["all", "n"]),
        "model": plan.model.__qualname__,
        "harmonise": plan.harmonise,
        "held out": list(scores.index[1:]),
        "promise": {f"{level:g}": share for level, share in promise.items()},
        "measured": {name: float(value) for name, value in scores.loc["all"].items() if np.isfinite(value)},
        "seed": plan.random_state,
        "run": kept.folder.name,
        "version": __version__,
        "commit": current_commit(),
    }


def _write_hybrid(parts, schema, output):
    """Put the tables of finished blocks one after the other into a file; returns what `Outcome` counts."""
    counts, flagged = dict.fromkeys(("measured", "imputed", "missing"), 0), {"outside": 0, "outlier": 0}
    with written_whole(output) as whole, _table_writer(whole, str(output).lower(), schema) as writer:
        for part in parts:
            table = pq.read_table(part).cast(schema)
            writer.write_table(table)
            imputed = pc.equal(table["origin"], "imputed")
            for name in counts:
                counts[name] += pc.sum(pc.equal(table["origin"], name)).as_py()
            for name in flagged:
                flagged[name] += pc.sum(pc.and_(imputed, table[name])).as_py()
    return counts, flagged


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
