"""From a library with gaps to a hybrid data set: fits, filled blocks, and what is reported of them.

A model is fitted to the rows in which a property is measured and predicts the others. Its errors are those on
laboratories that it had not seen, and the intervals promise what those errors allow. The library is streamed: what is
held is the rows to fit and one block, however many rows there are to fill.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit import __version__
from spectrakit.contents import log_offset
from spectrakit.evaluation import (
    ConformalIntervals,
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
from spectrakit.workflows.impute.fill import ORIGINS, Imputer, filled_blocks, write_hybrid
from spectrakit.workflows.impute.fit import fit_part, read_training
from spectrakit.workflows.impute.plan import make_plan
from spectrakit.workflows.outcome import Outcome


def log_pls(limits, random_state):
    """The linear model of the command, for any property and any number of rows."""
    return LogPLS(limits, random_state=random_state)


def content_network(limits, random_state):
    """The network of the command, for contents between 0 and an upper limit; ValueError for others."""
    if limits[0] != 0 or np.isinf(limits[1]):
        raise ValueError(
            "the network predicts contents between 0 and an upper limit, which this property has not; give --model pls"
        )
    return ContentNetwork(limits[1], random_state=random_state)


def pretrained(limits, random_state):
    """The linear model on features pretrained on simulated laboratories, for any property; nothing of it is random."""
    return PretrainedRegressor(limits)


# Name to a function of limits and random_state, a regressor with fit(X, y, groups) and predict(X, return_std).
MODELS = {"pls": log_pls, "network": content_network, "pretrained": pretrained}


def fill_gaps(path, target, output, model, folder=None, progress=None, runner=None, block_rows=BLOCK_ROWS, **options):
    """Fit to the measured rows of a library, fill the others, and write the hybrid data set, as an `Outcome`.

    path, target, model : as of `make_plan`, and options too
    output : .parquet, .csv or .csv.gz, which appears whole or not at all
    The records have a row a group held out, as of `score_groups`; counts : measured, imputed and missing values, and of
    those imputed, outside the domain and outliers.
    folder : where finished fits and blocks are kept, so that a stopped run goes on where it was; None to keep nothing
    progress, runner : as of `Run`; block_rows : rows of a block, at most BLOCK_ROWS
    """
    plan = make_plan(path, target, model, **options)
    _refuse(plan, output, runner)
    kept = KeptParts(folder, _key(plan))
    imputer, records, unit, notes = _fitted(plan, kept, progress, runner)
    promise = {level: pooled_promise(level, len(records) - 1) for level in plan.levels}
    metadata = {"spectrakit": json.dumps(_provenance(plan, kept, records, promise))}
    blocks = filled_blocks(imputer, Run(kept, progress, plan.n_samples, runner), block_rows)
    counts = write_hybrid(blocks, plan.schema.with_metadata(metadata), output)
    tables = {f"{target}: predicted by models that had not seen it": _score_table(records)}
    lines = _lines(records, promise, unit, counts)
    lines.append(f"{output}: {', '.join(f'{counts[origin]:,} {origin}' for origin in ORIGINS)}")
    return Outcome(records, tables, lines, [*plan.notes, *notes], counts)


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
    how = (plan.target, plan.signal, plan.harmonise, plan.model, plan.levels, plan.limits, plan.random_state)
    return result_key(stats, how, plan.below_detection, plan.rows, code=(read_training, fit_part, filled_blocks))


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
    y = training.rows["y"].to_numpy()
    intervals = ConformalIntervals(pooled_threshold, plan.levels, log_offset(y, plan.limits), plan.limits)
    records = score_groups(intervals, y, held_out, training.groups)
    intervals.fit(y, held_out, groups=training.groups)
    held_out = pd.Series(held_out, training.rows["position"])
    imputer = Imputer(plan, training.axis, training.covered, parts["all"], intervals, held_out)
    return imputer, records, training.unit, training.notes


def _coverage_name(level):
    return f"coverage_{100 * level:g}"


def score_groups(intervals, y, held_out, groups):
    """Scores of held-out predictions (n,) of all rows and of each group, and the shares that the intervals cover.

    The intervals of a group are calibrated on the other groups. Returns a DataFrame, 'all' first: n, r2, rmse, mae,
    rpiq, bias in the unit of y, coverage_68 ...
    """
    bounds = held_out_intervals(intervals, y, held_out, groups)
    inside = (y >= bounds[:, 0].T) & (y <= bounds[:, 1].T)
    covered = {_coverage_name(level): of_level for level, of_level in zip(intervals.levels, inside, strict=True)}
    parts = {"all": np.full(len(y), True)} | {group: groups == group for group in np.unique(groups)}
    rows = {
        name: {"n": int(part.sum())}
        | scores(y[part], held_out[part], ("r2", "rmse", "mae", "rpiq", "bias"))
        | {level: of_level[part].mean() for level, of_level in covered.items()}
        for name, part in parts.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(index="held out")


def _score_table(records):
    """The records as text, with per cent of the measured contents inside their intervals."""
    covered = [name for name in records if name.startswith("coverage_")]
    shares = {name: f"% in {name.removeprefix('coverage_')}" for name in covered}
    names = {"r2": "R2", "rmse": "RMSE", "rpiq": "RPIQ", "bias": "bias"} | shares
    table = score_table(records.assign(**100 * records[covered]).reset_index(), "held out", names)
    table.insert(0, "n", records["n"])
    return table


def _lines(records, promise, unit, counts):
    """What the intervals promise, what they kept, and how many values are doubtful."""
    each = records.drop(index="all")
    lines = [
        f"{100 * level:g} % intervals, on average over {unit}: {100 * share:.1f} % promised for those never seen, "
        f"{100 * each[_coverage_name(level)].mean():.1f} % covered in the {len(each)} held out in turn"
        for level, share in promise.items()
    ]
    outside = f"{counts['outside']:,} with a spectrum unlike those fitted to"
    return [*lines, f"of {counts['imputed']:,} imputed: {outside}, {counts['outlier']:,} of these outliers"]


def _provenance(plan, kept, records, promise):
    """What made a table, as its metadata say it."""
    return {
        "command": "spectrakit impute",
        "property": plan.target,
        "limits": [None if np.isinf(limit) else limit for limit in plan.limits],
        "source": plan.path.name,
        "library": provenance_line(plan.provenance),
        "rows": plan.n_samples,
        "rows fitted": int(records.loc["all", "n"]),
        "model": plan.model.__qualname__,
        "harmonise": plan.harmonise,
        "held out": list(records.index[1:]),
        "promise": {f"{level:g}": share for level, share in promise.items()},
        "measured": {name: float(value) for name, value in records.loc["all"].items() if np.isfinite(value)},
        "seed": plan.random_state,
        "run": kept.folder.name,
        "version": __version__,
        "commit": current_commit(),
    }
