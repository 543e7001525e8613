"""The results of the LIBS study by the ids of the ledger, and its scores."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from spectrakit.evaluation import percentage_error
from spectrakit.explain import line_mass
from spectrakit.runs import mean_of, share_of
from spectrakit.simulate import libs as experiment
from spectrakit.studies.libs.domains import RANGES, TARGETS
from spectrakit.studies.libs.experiments import named_lines_frame
from spectrakit.studies.libs.protocol import OPEN_CHOICES, reference_lines

# What is claimed of CNN, BPNN and RF: in which measure which of them stands at which end.
_CLAIMS = (
    ("r2", "CNN", "highest"),
    ("rmse", "CNN", "lowest"),
    ("mae", "CNN", "lowest"),
    ("rmse_minus_mae", "CNN", "smallest"),
    ("gap", "CNN", "smallest"),
    ("gap", "RF", "largest"),
)
HEADINGS = {"r2": "R2", "rmse": "RMSE", "mae": "MAE", "gap": "gap"}


def ledger_results(outcomes, published):
    """Results by id as {value, sd, n, note}, from the outcomes of all six tasks.

    published : as `load_published` gives, for the lines that the paper names
    """
    lines = named_lines_frame(published)
    results = {row.id: {"value": float(row.relative_strength)} for row in lines.itertuples()}
    for (target, range_), outcome in outcomes.items():
        results |= {f"{name}.{target}.{range_}": result for name, result in _task_results(outcome).items()}
    for range_ in RANGES:
        lowest = min(results[f"r2.{target}.{range_}"]["value"] for target in TARGETS)
        results[f"r2_min.{range_}"] = {"value": lowest}
        results[f"explained_min.{range_}"] = {"value": 100 * lowest}
    results["rsd_max.mg.low"] = {"value": float(np.max(outcomes["mg", "low"].repeatability))}
    return results


def _task_results(outcome):
    cnn = outcome.metrics[outcome.metrics["model"] == "CNN"]
    # Predictions of an unspiked soil scatter about zero: their relative deviation has no meaning.
    repeatability = outcome.repeatability[outcome.task.content > 0]
    errors = percentage_error(outcome.task.content, outcome.out_of_fold["CNN"])
    medians = np.nanmedian(errors[:, outcome.task.content > 0], axis=0)
    return {
        **{metric: mean_of(cnn[metric]) for metric in ("r2", "rmse", "mae")},
        "lod": {"value": outcome.detection_limit, "note": "counts of the main line, 3 s / slope"},
        "rsd": {"value": float(np.mean(repeatability)), "n": len(repeatability)},
        "error_max": {"value": float(np.nanmax(np.abs(errors))), "note": "of soils above 0 ppm"},
        "error_median": {"value": float(np.max(np.abs(medians)))},
        "gradcam_p": _map_p_value(outcome),
        **_orderings(outcome.metrics),
    }


def _map_p_value(outcome):
    lines = reference_lines(outcome.task.target).wavelength_air_nm
    try:
        mass = line_mass(outcome.maps, outcome.task.wavelength, lines)
    except ValueError as error:
        return {"value": None, "note": str(error)}
    return {"value": mass.p_value, "n": mass.n_maps, "note": f"share {mass.share:.2f}, by chance {mass.expected:.2f}"}


def _orderings(metrics):
    """Share of repeats in which each claimed ordering of CNN, BPNN and RF holds, the gaps by their magnitude."""
    wide = metrics.assign(rmse_minus_mae=metrics["rmse"] - metrics["mae"], gap=metrics["gap"].abs())
    wide = wide.pivot(index="repeat", columns="model", values=["r2", "rmse", "mae", "rmse_minus_mae", "gap"])
    shares = {"r2.rf_below_cnn": wide["r2"]["RF"] < wide["r2"]["CNN"]}
    for metric, model, end in _CLAIMS:
        compared = wide[metric][["CNN", "BPNN", "RF"]]
        at_end = compared.idxmax(axis=1) if end in ("highest", "largest") else compared.idxmin(axis=1)
        shares[f"{metric}.{model.lower()}_{end}"] = at_end == model
    return {f"order.{claim}": share_of(holds) for claim, holds in shares.items()}


def score_records(outcomes):
    """Scores of every model, task and repeat: R2, and RMSE, MAE and generalisation gap in ppm."""
    frames = [outcome.metrics.assign(task=f"{t.capitalize()} {range_}") for (t, range_), outcome in outcomes.items()]
    return pd.concat(frames, ignore_index=True)


def configuration(outcomes):
    """The open choices and the settings of the experiment."""
    return {
        "normalise": OPEN_CHOICES.normalise.__name__,
        "scale": OPEN_CHOICES.scale,
        "cnn": asdict(OPEN_CHOICES.cnn),
        "experiment": experiment.settings(),
    }


def tables(outcomes):
    """No tables: the chapters run the study live."""
    return {}
