"""The results of the mid-infrared study by the ids of the ledger, its scores and tables, and a datasheet."""

from dataclasses import asdict

import pandas as pd

from spectrakit.runs import mean_of, share_of
from spectrakit.studies.mir.domains import HARMONISED_BY, NAMES, TARGETS
from spectrakit.training import CONTENT_NETWORK

METRICS = ("r2", "rmse", "mae", "rpiq")
HEADINGS = {"r2": "R2", "rmse": "RMSE", "mae": "MAE", "rpiq": "RPIQ", "bias": "bias", "r2_log": "R2 of log10"}
# Tables that the first round of a target gives alone.
_FIRST_ROUND = ("shown", "acceptance", "domain", "apart", "truth", "truth_coverage")
_STEPS = [
    "normalisation",
    "outlier detection",
    "harmonisation between laboratories",
    "physically constrained prediction ranges",
]


def ledger_results(outcome, published):
    """Results by id as {value, sd, n, note}; outcome : of `run.outcome`; published : not used, the ids are these."""
    library, rounds = outcome["library"], {}
    values = {
        "samples.all": library["n"],
        "samples.laboratories": library["n_laboratories"],
        "samples.sites": library["n_sites"],
        "spectra.region": "mid-infrared",
        "preprocessing.steps": _STEPS,
        "network.kind": "CNN",
        "network.targets": [target.upper() for target in TARGETS],
    }
    results = {name: {"value": value} for name, value in values.items()}
    for target in TARGETS:
        about = library["targets"][target]
        results |= {f"samples.{target}.{kind}": {"value": about[kind]} for kind in ("measured", "imputed")}
        rounds[target] = (
            _rounds(outcome, target, "scores").query("model == 'network' and by == 'all'").set_index("round")
        )
        results |= {f"{metric}.{target}": mean_of(rounds[target][metric]) for metric in METRICS}
        results |= _first_round(outcome, target)
    for metric in ("r2", "rpiq"):
        results[f"order.{metric}.c_above_om"] = share_of(rounds["c"][metric] > rounds["om"][metric])
    return results


def _first_round(outcome, target):
    """What stands on the networks of the first round and on those with laboratories left out."""
    first = outcome["rounds"][target][0]
    gains = outcome["library"]["gains"][target]
    values = {
        f"prediction_sd.{target}.imputed": first["imputed_sd"],
        f"prediction_sd.{target}.per_sample": first["member_sd"],
        **{f"coverage_gain.{where}.{target}": gain for where, gain in gains.items()},
    }
    results = {name: {"value": value} for name, value in values.items()}
    results |= {f"{metric}.{target}.unseen_laboratory": mean_of(first["apart"][metric]) for metric in ("r2", "rmse")}
    results[f"coverage.{target}.unseen_laboratory"] = mean_of(100 * first["apart"]["promised_90"])
    compared = outcome["compared"][target].query("model == 'pls'")
    rmse = compared.pivot(index="laboratory", columns="harmonisation", values="rmse")
    order = share_of(rmse[HARMONISED_BY] < rmse["none"])
    order["note"] = f"partial least squares, {HARMONISED_BY} beside none"
    return results | {f"order.harmonisation.rmse_below_none.{target}": order}


def _rounds(outcome, target, name):
    """A table of all rounds, with a column round."""
    frames = [part[name].assign(round=place) for place, part in enumerate(outcome["rounds"][target])]
    return pd.concat(frames, ignore_index=True)


def score_records(outcome):
    """Scores by model and round on sites not seen, and of the network by laboratory on laboratories not seen."""
    frames = []
    for target in TARGETS:
        overall = _rounds(outcome, target, "scores").query("by == 'all'")
        frames.append(overall.assign(task=f"{NAMES[target]}, new sites"))
        left_out = outcome["rounds"][target][0]["apart"]
        frames.append(left_out.assign(task=f"{NAMES[target]}, new laboratories", model="network"))
    return pd.concat(frames, ignore_index=True)


def configuration(outcome):
    """The network, the harmonisation and the library."""
    return {"network": asdict(CONTENT_NETWORK), "harmonised_by": HARMONISED_BY, "library": outcome["library"]}


def tables(outcome):
    """What the chapter shows beside the ledger, {name: DataFrame}, with a column target where both have rows.

    laboratories, space_<target>, depth_<target> : of `library_tables`
    compared : of `compare_harmonisations`; apart : of `left_out_table`; organic : of `organic_and_total`
    scores, coverage, limits : of `content_round`, one row a round and group; domain, shown : of its first round
    truth, truth_coverage : imputed values against what would have been measured; acceptance : of `acceptance`
    """
    by_target = {target: {"compared": outcome["compared"][target]} for target in TARGETS}
    for target, frames in by_target.items():
        frames |= {name: _rounds(outcome, target, name) for name in ("scores", "coverage", "limits")}
        frames |= {name: outcome["rounds"][target][0][name] for name in _FIRST_ROUND}
    both = {
        name: pd.concat([frames[name].assign(target=target) for target, frames in by_target.items()], ignore_index=True)
        for name in by_target["c"]
    }
    return outcome["tables"] | {"organic": outcome["organic"]} | both


# --- the datasheet of the hybrid data set ---------------------------------------------------------------


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
