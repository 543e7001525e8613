"""From a library with gaps to a hybrid data set: fits, filled blocks, and what is reported of them.

A model is fitted to the rows in which a property is measured and predicts the others. Its errors are those on
laboratories that it had not seen, and the intervals promise what those errors allow. The library is streamed: what is
held is the rows to fit and one block, however many rows there are to fill.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

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
from spectrakit.models import LogPLS
from spectrakit.runs import KeptParts, Run, current_commit, result_key
from spectrakit.spectra import provenance_line
from spectrakit.tables import BLOCK_ROWS
from spectrakit.training import ContentNetwork, PretrainedRegressor
from spectrakit.workflows.impute.fill import Imputer, filled_blocks, write_hybrid
from spectrakit.workflows.impute.fit import fit_part, read_training
from spectrakit.workflows.impute.plan import make_plan


def log_pls(limits, random_state):
    """The linear model of the command, for any property and any number of rows."""
    return LogPLS(limits, random_state=random_state)


def content_network(limits, random_state):
    """The network of the command, for contents between 0 and an upper limit; ValueError for others."""
    if limits[0] != 0 or np.isinf(limits[1]):
        raise ValueError("the network predicts contents between 0 and an upper limit, which this has not: take pls")
    return ContentNetwork(limits[1], random_state=random_state)


def pretrained(limits, random_state):
    """The linear model on features pretrained on simulated laboratories, for any property; nothing of it is random."""
    return PretrainedRegressor(limits)


# Name to a function of limits and random_state, a regressor with fit(X, y, groups) and predict(X, return_std).
MODELS = {"pls": log_pls, "network": content_network, "pretrained": pretrained}


@dataclass(frozen=True)
class ImputeOutcome:
    """What `fill_gaps` returns.

    scores : DataFrame, a row a group held out and 'all' first: n, r2, rmse, mae, rpiq, bias in the unit of the
        property, and coverage_68 ... of intervals calibrated on the other groups
    promise : level to the share of a group never seen that is promised to be covered at least, as a mean over such
    unit : what was held out, in words
    counts : origin to number of rows; flagged : imputed rows outside the domain, and outliers
    """

    target: str
    output: Path
    notes: tuple
    scores: pd.DataFrame
    promise: dict
    unit: str
    counts: dict
    flagged: dict

    def tables(self):
        """{title: scores as text}, with per cent of the measured contents inside their intervals."""
        covered = [name for name in self.scores if name.startswith("coverage_")]
        names = {"r2": "R2", "rmse": "RMSE", "rpiq": "RPIQ", "bias": "bias"}
        names |= {name: f"% in {name.removeprefix('coverage_')}" for name in covered}
        table = score_table(self.scores.assign(**100 * self.scores[covered]).reset_index(), "held out", names)
        table.insert(0, "n", self.scores["n"])
        return {f"{self.target}: predicted by models that had not seen it": table}

    def lines(self):
        """What the intervals promise, what they kept, how many values are doubtful, and what was written."""
        each = self.scores.drop(index="all")
        lines = [
            f"{100 * level:g} % intervals, mean over {self.unit}: {100 * promise:.1f} % promised of those never seen, "
            f"{100 * each[_coverage_name(level)].mean():.1f} % found of the {len(each)} held out in turn"
            for level, promise in self.promise.items()
        ]
        outside = f"{self.flagged['outside']:,} outside the domain of what was fitted"
        lines.append(f"of {self.counts['imputed']:,} imputed: {outside}, {self.flagged['outlier']:,} of them outliers")
        return [*lines, f"{self.output}: {', '.join(f'{count:,} {origin}' for origin, count in self.counts.items())}"]


def fill_gaps(path, target, output, model, folder=None, progress=None, runner=None, block_rows=BLOCK_ROWS, **options):
    """Fit to the measured rows of a library, fill the others, and write the hybrid data set, as an `ImputeOutcome`.

    path, target, model : as of `make_plan`, and options too
    output : .parquet, .csv or .csv.gz, which appears whole or not at all
    folder : where finished fits and blocks are kept, so that a stopped run goes on where it was; None to keep nothing
    progress, runner : as of `Run`; block_rows : rows of a block, at most BLOCK_ROWS
    """
    plan = make_plan(path, target, model, **options)
    _refuse(plan, output, runner)
    kept = KeptParts(folder, _key(plan))
    imputer, scores_, unit, notes = _fitted(plan, kept, progress, runner)
    promise = {level: pooled_promise(level, len(scores_) - 1) for level in plan.levels}
    metadata = {"spectrakit": json.dumps(_provenance(plan, kept, scores_, promise))}
    blocks = filled_blocks(imputer, Run(kept, progress, plan.n_samples, runner), block_rows)
    counts, flagged = write_hybrid(blocks, plan.schema.with_metadata(metadata), output)
    return ImputeOutcome(target, output, (*plan.notes, *notes), scores_, promise, unit, counts, flagged)


def _refuse(plan, output, runner):
    """Raises ValueError for an output inside the library, and for workers that would have to read a CSV."""
    if runner is not None and plan.path.is_file() and plan.path.suffix != ".parquet":
        raise ValueError(
            f"{plan.path.name}: each worker would read a CSV from its start for every block; write it as Parquet "
            "before (write_partitions of read_blocks in spectrakit.tables), or leave out --scheduler"
        )
    place = Path(output).resolve()
    if plan.path in (place, *place.parents):
        raise ValueError(f"{output}: this would change the library itself; name another file, outside of it")


def _key(plan):
    """What fits and blocks depend on; the files of the library count by name, size and time, as they may be large."""
    files = [plan.path] if plan.path.is_file() else sorted(plan.path.rglob("*.parquet"))
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    options = (plan.target, plan.signal, plan.harmonise, plan.model, plan.levels, plan.limits, plan.random_state)
    rows = (plan.positions, plan.y, plan.laboratory, plan.site)
    return result_key(stats, options, rows, code=(read_training, fit_part, filled_blocks))


def _fitted(plan, kept, progress, runner):
    """What blocks are filled by, the scores of groups held out, what these are, and notes."""
    training = read_training(plan)
    groups = np.unique(training.groups).tolist()
    names = [f"held-out-{at:04d}" for at in range(len(groups))]
    words = f"fitting, with {training.unit} held out in turn"
    tasks = {name: (words, group, 1) for name, group in zip([*names, "all"], [*groups, None], strict=True)}
    parts = Run(kept, progress, len(tasks), runner).parts(fit_part, (plan, training), tasks)
    held_out = np.empty(len(training.rows))
    for name, group in zip(names, groups, strict=True):
        held_out[training.groups == group] = parts[name]
    y = plan.y[training.rows]
    intervals = ConformalIntervals(pooled_threshold, plan.levels, log_offset(y, plan.limits), plan.limits)
    scores_ = score_groups(intervals, y, held_out, training.groups)
    intervals.fit(y, held_out, groups=training.groups)
    fitted, positions = parts["all"], plan.positions[training.rows]
    imputer = Imputer(plan, training.axis, training.covered, fitted, intervals, positions, held_out)
    return imputer, scores_, training.unit, training.notes


def _coverage_name(level):
    return f"coverage_{100 * level:g}"


def score_groups(intervals, y, held_out, groups):
    """Scores of held-out predictions, and the shares of contents that the intervals cover: see `ImputeOutcome`."""
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


def _provenance(plan, kept, scores_, promise):
    """What made a table, as its metadata say it."""
    return {
        "command": "spectrakit impute",
        "property": plan.target,
        "limits": [None if np.isinf(limit) else limit for limit in plan.limits],
        "source": plan.path.name,
        "library": provenance_line(plan.provenance),
        "rows": plan.n_samples,
        "rows fitted": int(scores_.loc["all", "n"]),
        "model": plan.model.__qualname__,
        "harmonise": plan.harmonise,
        "held out": list(scores_.index[1:]),
        "promise": {f"{level:g}": share for level, share in promise.items()},
        "measured": {name: float(value) for name, value in scores_.loc["all"].items() if np.isfinite(value)},
        "seed": plan.random_state,
        "run": kept.folder.name,
        "version": __version__,
        "commit": current_commit(),
    }
