"""How are the gaps of a mid-infrared library filled?

A model is fitted to the rows in which a property is measured and predicts the others. Its errors are those on
laboratories that it had not seen, and the intervals promise what those errors allow. The library is streamed: what is
held is the rows to fit and one block, however many rows there are to fill. Finished fits and blocks are kept, so that
a stopped run goes on where it was, and blocks may be filled by the workers of a Dask cluster.
"""

import gzip
import json
import pickle
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from spectrakit import __version__
from spectrakit.contents import log_offset
from spectrakit.evaluation import (
    ConformalIntervals,
    coverage_table,
    held_out_intervals,
    pooled_promise,
    pooled_threshold,
    score_table,
    scores,
)
from spectrakit.files import written_whole
from spectrakit.models import LogPLS
from spectrakit.runs import FinishedParts, current_commit, handed
from spectrakit.spectra import provenance_line
from spectrakit.tables import BLOCK_ROWS
from spectrakit.training import ContentNetwork, PretrainedRegressor
from spectrakit.workflows.impute.fill import Imputer, fill, fill_rows
from spectrakit.workflows.impute.fit import fit_part, read_training


def log_pls(limits, random_state):
    """The linear model of the command, for any property and any number of rows."""
    return LogPLS(limits, random_state=random_state)


def content_network(limits, random_state):
    """The network of the command, for contents between nothing and a highest one; ValueError for others."""
    if limits[0] != 0 or np.isinf(limits[1]):
        raise ValueError("the network predicts contents between 0 and a highest one, which this has not: take pls")
    return ContentNetwork(limits[1], random_state=random_state)


def pretrained(limits, random_state):
    """The linear model on features pretrained on simulated laboratories, for any property; nothing of it is random."""
    return PretrainedRegressor(limits)


# Name to a function of limits and random_state, a regressor with fit(X, y, groups) and predict(X, return_std). They
# are functions of a module, so that the workers of a cluster know them by name.
MODELS = {"pls": log_pls, "network": content_network, "pretrained": pretrained}


# --- the run -------------------------------------------------------------------------------------------------


def _coverage_name(level):
    return f"coverage_{100 * level:g}"


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
    words = f"fitting, with {training.unit} held out in turn"
    tell(words, len(groups) - len(left), len(groups))
    if left:
        with handed(run, fit_part, (plan, training), kept.folder / "training.pickle") as function:
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
    """Write something as a pickle, whole or not at all."""
    with written_whole(path) as part:
        Path(part).write_bytes(pickle.dumps(thing))


def _block_name(number, rows):
    return f"block-{rows}-{number:06d}.parquet"


def _fill_blocks(imputer, kept, run, tell, rows):
    """Fill the blocks that are not finished yet, each into a file of its own; returns the number of all blocks."""
    n_samples = imputer.plan.n_samples
    starts = np.arange(0, n_samples, rows)
    left = [at for at in range(len(starts)) if not (kept.folder / _block_name(at, rows)).exists()]
    places = [(int(starts[at]), min(int(starts[at]) + rows, n_samples)) for at in left]
    done = n_samples - sum(stop - start for start, stop in places)
    tell("filling", done, n_samples)
    # Here the blocks are read in one go; a worker reads its own.
    function, tasks = (fill_rows, places) if run.remote else (fill, _in_turn(imputer.plan, places, rows))
    if left:
        with handed(run, function, imputer, kept.folder / "imputer.pickle") as compute:
            for at, table in run(compute, tasks):
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
    parts = {"all": np.full(len(y), True)} | {group: groups == group for group in np.unique(groups)}
    rows = {
        name: {"n": int(part.sum())} | scores(y[part], held_out[part], ("r2", "rmse", "mae", "rpiq", "bias"))
        for name, part in parts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").join(covered).rename_axis(index="held out")


def report_frame(outcome):
    """The scores as text: R2, RMSE, RPIQ and bias, and per cent of the measured contents inside their intervals."""
    covered = [name for name in outcome.scores if name.startswith("coverage_")]
    scores_ = outcome.scores.assign(**100 * outcome.scores[covered]).reset_index()
    names = {"r2": "R2", "rmse": "RMSE", "rpiq": "RPIQ", "bias": "bias"}
    names |= {name: f"% in {name.removeprefix('coverage_')}" for name in covered}
    table = score_table(scores_, "held out", names)
    table.insert(0, "n", outcome.scores["n"])
    return table


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
