"""How is a run of the mid-infrared study kept, so that it can be stopped, resumed, recorded and judged?"""

from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from spectrakit import runs as finished
from spectrakit.files import written_whole
from spectrakit.resources import data_path
from spectrakit.runs import mean_of, record_of, share_of, table_columns
from spectrakit.spectra import one_of
from spectrakit.studies.mir.protocol import (
    HARMONISED_BY,
    PROFILES,
    TARGETS,
    Profile,
    acceptance,
    against_truth,
    apart_table,
    calibrated_on,
    cell_layers,
    cells,
    compare_harmonisations,
    content_round,
    coverage_in_depth,
    coverage_in_space,
    filled,
    hybrid,
    laboratories_apart,
    laboratory_apart,
    organic_and_total,
    simulated_library,
)
from spectrakit.training import CONTENT_NETWORK

NAMES = {"c": "carbon", "om": "organic matter"}
METRICS = ("r2", "rmse", "mae", "rpiq")


@dataclass
class _Study:
    """All that a part depends on; the library is made when a part needs it.

    folder : of what parts leave beside their results, as every worker names it
    """

    profile: Profile
    random_state: int
    folder: Path

    @cached_property
    def library(self):
        return simulated_library(self.profile.n_samples, self.random_state)

    @cached_property
    def X(self):
        """All spectra harmonised."""
        return self.library.harmonised()

    def __getstate__(self):
        # A worker simulates the library sooner than it is sent.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def table(self, target):
        """Where the filled values of a target are kept."""
        return self.folder / f"filled-{target}.parquet"


def replicate(profile_name="quick", random_state=0, folder=None, progress=None, runner=None):
    """Run the study; returns a dict of what its parts found, as `record` takes it.

    profile_name : 'quick' or 'paper'
    folder : where finished parts are kept, so that a stopped run goes on where it was, and where the hybrid data set
        is written as hybrid.parquet with its datasheet hybrid.md; None to keep nothing
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1
    runner : of `cluster.task_runner`, which works off the parts; None for this process. The workers of a cluster write
        filled values to the folder of finished parts, so they must see it
    Raises ValueError for an unknown profile.
    """
    one_of("profile", profile_name, PROFILES)
    profile = PROFILES[profile_name]
    with TemporaryDirectory() as temporary:
        tables = [*data_path("soils").glob("*"), *data_path("bands").glob("*.csv")]
        key = finished.run_key(asdict(profile), random_state, data=tables)
        kept = finished.FinishedParts(folder or temporary, key)
        return _run_parts(
            finished.Run(kept, progress, runner=runner), _Study(profile, random_state, kept.folder.resolve())
        )


def _run_parts(run, study):
    """Every part of the study in turn; what they found, by kind."""
    profile, found = study.profile, {"profile": asdict(study.profile), "seed": study.random_state}
    found |= run.part("library", "the library", lambda report: _library_part(study), size=0)
    apart = [(target, name) for target in TARGETS for name in found["apart_names"][target]]
    rounds = [(target, round_) for target in TARGETS for round_ in range(profile.n_rounds)]
    # By name: words, task, about how many minutes it takes in the paper profile.
    first = {f"compared-{target}": (f"harmonisations, {NAMES[target]}", ("compared", target), 4) for target in TARGETS}
    for target, name in apart:
        first[f"apart-{target}-{name}"] = (f"{NAMES[target]} without {name}", ("apart", (target, name)), 1)
    first["organic"] = ("organic and total carbon", ("organic", None), 2)
    second = {
        f"round-{target}-{round_}": (
            f"{NAMES[target]}, round {round_ + 1}",
            (target, round_),
            8 if target == "c" else 3,
        )
        for target, round_ in rounds
    }
    run.total = sum(size for *_, size in (*first.values(), *second.values()))
    results = run.parts(_first_part, study, first)
    found["compared"] = {target: results[f"compared-{target}"] for target in TARGETS}
    found["organic"] = results["organic"]
    unseen = {target: [results[f"apart-{of}-{name}"] for of, name in apart if of == target] for target in TARGETS}
    results = run.parts(_round_part, (study, unseen), second)
    found["rounds"] = {
        target: [results[f"round-{target}-{round_}"] for round_ in range(profile.n_rounds)] for target in TARGETS
    }
    found["hybrid"] = run.part("hybrid", "the hybrid data set", lambda report: _hybrid_part(study), size=0)
    return found


def _first_part(study, task, report):
    """What a part gives that needs nothing of the others; task : its kind, and what it is of."""
    kind, of = task
    return {"compared": _compared_part, "apart": _apart_part, "organic": _organic_part}[kind](study, of, report)


def _library_part(study):
    """Counts, spread and coverage of the library, before any model."""
    library = study.library
    about = {"n": len(library.dataset), "provenance": library.dataset.provenance}
    about["n_laboratories"] = len(np.unique(library.laboratory))
    about["n_sites"] = len(np.unique(library.site))
    about["both"] = int(np.isin(library.measured("c"), library.measured("om")).sum())
    by_laboratory = pd.DataFrame({"laboratory": library.laboratory, "site": library.site, "samples": 1})
    by_laboratory = by_laboratory.groupby("laboratory").agg({"samples": "size", "site": "nunique"})
    targets = {}
    for target in TARGETS:
        rows = library.measured(target)
        content = library.content(target)[rows]
        targets[target] = {"measured": len(rows), "imputed": about["n"] - len(rows)}
        quartiles = np.percentile(content, [25, 50, 75])
        targets[target] |= {"sd": float(content.std(ddof=1)), "mean": float(content.mean())}
        targets[target] |= {"median": float(quartiles[1]), "iqr": float(quartiles[2] - quartiles[0])}
        by_laboratory[target] = pd.Series(library.laboratory[rows]).value_counts()
    tables = {"laboratories": by_laboratory.fillna(0).reset_index()}
    for target in TARGETS:
        tables[f"space_{target}"] = coverage_in_space(library, target)
        tables[f"depth_{target}"] = coverage_in_depth(library, target)
    return {
        "library": about | {"targets": targets, "gains": {target: _gains(library, target) for target in TARGETS}},
        "tables": {name: table_columns(table) for name, table in tables.items()},
        "apart_names": {target: laboratories_apart(library, target, study.profile) for target in TARGETS},
    }


def _gains(library, target):
    """By how many per cent filling the gaps raises the number of cells, and of cells and layers, with a value."""
    samples = library.dataset.samples
    known = ~np.isnan(library.content(target))
    layers = cell_layers(samples)
    pairs = [part[["cell", "layer"]].drop_duplicates() for part in (layers, layers[known[layers["row"]]])]
    cell = cells(samples)
    counts = {"space": (len(set(cell)), len(set(cell[known]))), "depth": map(len, pairs)}
    return {name: 100 * (after / before - 1) for name, (after, before) in counts.items()}


def _compared_part(study, target, report):
    library, profile = study.library, study.profile
    table = compare_harmonisations(library, target, profile, study.random_state, lambda words, share: report(share, 1))
    return table.to_dict("list")


def _apart_part(study, of, report):
    target, name = of
    return laboratory_apart(study.library, target, name, study.profile, study.random_state, report)


def _organic_part(study, _, report):
    return organic_and_total(study.library, study.X, study.profile, study.random_state, report)


def _round_part(given, task, report):
    """A round; the first one's network fills the gaps, as its errors are known.

    given : the study, and by target what was found of the laboratories left out; task : target and round
    """
    (study, unseen), (target, round_) = given, task
    library, X = study.library, study.X
    checkpoint = study.folder / f"round-{target}-{round_}"
    found, fitted = content_round(library, X, target, round_, study.profile, study.random_state, report, checkpoint)
    if round_ == 0:
        apart = unseen[target]
        table = filled(library, X, target, fitted, calibrated_on(apart, target, fitted.offset))
        found["truth"] = against_truth(library, target, table)
        found["acceptance"] = table_columns(acceptance(library, target, table))
        found["apart"] = table_columns(apart_table(apart, target, fitted.offset))
        # The values first: a part that is finished has them.
        with written_whole(study.table(target)) as part:
            table.to_parquet(part)
    return found


def _hybrid_part(study):
    """Write the hybrid data set and its datasheet beside the finished parts; what they hold, in counts."""
    library = study.library
    table = hybrid(library, {target: pd.read_parquet(study.table(target)) for target in TARGETS})
    for target, column in TARGETS.items():
        rows = library.measured(target)
        changed = int((table[column].to_numpy()[rows] != library.content(target)[rows]).sum())
        if changed:
            raise RuntimeError(f"{changed} measured values of {column} were overwritten")
    file = study.folder / "hybrid.parquet"
    with written_whole(file) as part:
        table.to_parquet(part)
    with written_whole(file.with_suffix(".md")) as part:
        Path(part).write_text(datasheet(table, library.dataset.provenance), encoding="utf-8")
    return {"file": str(file), "rows": len(table), "outliers": int(table["outlier"].sum())}


def datasheet(table, provenance):
    """What the hybrid data set holds and what it must not be taken for: text in Markdown."""
    columns = _COLUMNS.copy()
    for target, column in TARGETS.items():
        origin = table[f"{target}_origin"].value_counts()
        counts = f"{origin['measured']:,} measured, {origin['imputed']:,} imputed"
        columns |= {column: f"{NAMES[target]}, g/kg: {counts}"}
        columns |= {f"{target}_{name}": words for name, words in _FILLED.items()}
    columns["outlier"] = "spectrum outside the domains of both networks"
    rows = "\n".join(f"| `{name}` | {words} |" for name, words in columns.items())
    source, origin = f"{provenance['source']}, seed {provenance['seed']}", provenance["origin"]
    return _DATASHEET.format(n=len(table), source=source, rows=rows, harmonised_by=HARMONISED_BY, origin=origin)


_COLUMNS = {
    "sample_id": "name of the sample",
    "laboratory": "who scanned and analysed it",
    "site": "profile that it comes from; samples of one site belong together",
    "region": "region of the programme",
    "depth_top_cm": "upper limit, cm",
    "depth_bottom_cm": "lower limit, cm",
    "latitude": "degrees north",
    "longitude": "degrees east",
}
_FILLED = {
    "origin": "measured or imputed; what was measured stands as it was",
    "sd": "deviation between the networks, g/kg; no promise",
    "lower_68 ... upper_95": "bounds of intervals at 68, 90 and 95 %, g/kg",
    "outside": "spectrum outside the domain of what the network was fitted to",
}
_DATASHEET = """# Datasheet: a hybrid library of carbon and organic matter

{n:,} samples, one a row. Spectra and measured contents: {source}, so **{origin}**.

| column | what it is |
|---|---|
{rows}

## How it was made

Spectra were harmonised by `{harmonised_by}`, learned from a ring trial. Networks whose form keeps contents between 0
and the highest possible were fitted to measured rows inside their own domain. The intervals were calibrated on
laboratories that the networks had not seen, each with equal weight: they promise a coverage on average over
laboratories, not in every one.

## Limits

- An imputed value is a prediction. Its interval says how far off it may be; a map or a model that takes the value alone
  forgets that.
- Organic matter was measured by few laboratories; everywhere else it is extrapolated.
- Rows that are `outside` are the least certain; the intervals know nothing of it.
"""


# --- the ledger's side ----------------------------------------------------------------------------------


def ledger_results(found):
    """Our side of the ledger, id to {value, sd, n, note}; found : as `replicate` gives."""
    library = found["library"]
    results = {"samples.all": {"value": library["n"]}, "samples.laboratories": {"value": library["n_laboratories"]}}
    results |= {"samples.sites": {"value": library["n_sites"]}, "spectra.region": {"value": "mid-infrared"}}
    results["preprocessing.steps"] = {"value": _STEPS}
    results |= {"network.kind": {"value": "CNN"}, "network.targets": {"value": [target.upper() for target in TARGETS]}}
    rounds = {}
    for target in TARGETS:
        about = library["targets"][target]
        results |= {f"samples.{target}.{kind}": {"value": about[kind]} for kind in ("measured", "imputed")}
        rounds[target] = scores_table(found, target).query("model == 'network' and by == 'all'").set_index("round")
        results |= {f"{metric}.{target}": mean_of(rounds[target][metric]) for metric in METRICS}
        results |= _first_round(found, target)
    for metric in ("r2", "rpiq"):
        results[f"order.{metric}.c_above_om"] = share_of(rounds["c"][metric] > rounds["om"][metric])
    return results


_STEPS = [
    "normalisation",
    "outlier detection",
    "harmonisation between laboratories",
    "physically constrained prediction ranges",
]


def _first_round(found, target):
    """What stands on the networks of the first round and on those with laboratories left out."""
    truth, apart = found["rounds"][target][0]["truth"], pd.DataFrame(found["rounds"][target][0]["apart"])
    values = {f"prediction_sd.{target}.imputed": truth["sd"], f"prediction_sd.{target}.per_sample": truth["mean_sd"]}
    values |= {f"coverage_gain.{where}.{target}": gain for where, gain in found["library"]["gains"][target].items()}
    results = {name: {"value": value} for name, value in values.items()}
    results |= {f"{metric}.{target}.unseen_laboratory": mean_of(apart[metric]) for metric in ("r2", "rmse")}
    results[f"coverage.{target}.unseen_laboratory"] = mean_of(100 * apart["promised_90"])
    compared = pd.DataFrame(found["compared"][target]).query("model == 'pls'")
    rmse = compared.pivot(index="laboratory", columns="harmonisation", values="rmse")
    note = f"partial least squares, {HARMONISED_BY} beside none"
    return results | {
        f"order.harmonisation.rmse_below_none.{target}": share_of(rmse[HARMONISED_BY] < rmse["none"]) | {"note": note}
    }


# --- what is recorded and shown -------------------------------------------------------------------------


def scores_table(found, target):
    """Scores of all models: DataFrame, one row a round, model and group; see `mir.content_scores`."""
    return pd.concat(
        [pd.DataFrame(part["scores"]).assign(round=place) for place, part in enumerate(found["rounds"][target])],
        ignore_index=True,
    )


def score_frame(found):
    """Mean scores over the rounds by model, on sites not seen; and of the network on laboratories not seen."""
    rows = []
    for target in TARGETS:
        overall = scores_table(found, target).query("by == 'all'")
        for model, group in overall.groupby("model", sort=False):
            rows.append({"task": f"{NAMES[target]}, new sites", "model": model} | _cells(group.mean(numeric_only=True)))
        apart = pd.DataFrame(found["rounds"][target][0]["apart"]).mean(numeric_only=True)
        rows.append({"task": f"{NAMES[target]}, new laboratories", "model": "network"} | _cells(apart))
    return pd.DataFrame(rows).set_index("task")


def _cells(scores):
    names = {"r2": "R2", "rmse": "RMSE", "mae": "MAE", "rpiq": "RPIQ", "bias": "bias", "r2_log": "R2 of log10"}
    return {name: f"{scores[key]:.3g}" for key, name in names.items()}


def record(found, published, profile_name, random_state):
    """A run as it is recorded in data/recorded: provenance, results by the ids of the ledger, and tables in `extras`.

    published : not used; the ids are those of `ledger_results`
    `extras` holds tidy tables as {column: list}, see `extra_tables`.
    """
    configuration = {
        "profile": found["profile"],
        "network": asdict(CONTENT_NETWORK),
        "harmonised_by": HARMONISED_BY,
        "library": found["library"],
    }
    extras = {name: table_columns(table) for name, table in extra_tables(found).items()}
    return record_of(ledger_results(found), profile_name, configuration, random_state) | {"extras": extras}


def extra_tables(found):
    """What the chapter shows beside the ledger, {name: DataFrame}, with a column target where both have rows.

    laboratories : samples, sites and measured contents of each; space_<target>, depth_<target> : see `mir`
    compared : of `mir.compare_harmonisations`; apart : of `mir.apart_table`; organic : of `mir.organic_and_total`
    scores, coverage, limits : of `mir.content_round`, one row a round and group
    shown : observed, predicted and 90 % interval of some test rows of the first round
    truth, truth_coverage : imputed values against what would have been measured; acceptance : of `mir.acceptance`
    domain : scores of the network on test rows inside and outside the domain
    """
    tables = {name: pd.DataFrame(columns) for name, columns in found["tables"].items()}
    tables["compared"] = _both(lambda target: pd.DataFrame(found["compared"][target]))
    tables["organic"] = pd.DataFrame(found["organic"])
    tables["scores"] = _both(lambda target: scores_table(found, target))
    for kind in ("coverage", "limits"):
        tables[kind] = _both(
            lambda target, kind=kind: pd.concat(
                [pd.DataFrame(part[kind]).assign(round=place) for place, part in enumerate(found["rounds"][target])]
            )
        )
    first = {target: found["rounds"][target][0] for target in TARGETS}
    for kind in ("apart", "shown", "acceptance"):
        tables[kind] = _both(lambda target, kind=kind: pd.DataFrame(first[target][kind]))
    tables["truth"] = _both(lambda target: pd.DataFrame(first[target]["truth"]["scores"]))
    tables["truth_coverage"] = _both(lambda target: pd.DataFrame(first[target]["truth"]["coverage"]))
    tables["domain"] = _both(
        lambda target: pd.DataFrame(
            [
                {"where": name} | first[target]["outside"][name]
                for name in ("inside", "outside")
                if name in first[target]["outside"]
            ]
        )
    )
    return tables


def _both(table):
    """One table of both targets; table : function of a target."""
    return pd.concat([table(target).assign(target=target) for target in TARGETS], ignore_index=True)
