"""How is a run of the LIBS study kept, so that it can be stopped, resumed, recorded and judged?"""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from spectrakit import runs as finished
from spectrakit.evaluation import percentage_error
from spectrakit.explain import line_mass, look_up_lines
from spectrakit.resources import data_path
from spectrakit.runs import mean_of, record_of, share_of
from spectrakit.simulate import libs as experiment
from spectrakit.simulate.libs import line_emissivities, line_table
from spectrakit.spectra import one_of
from spectrakit.studies.libs.protocol import (
    PROFILES,
    RANGES,
    TARGETS,
    TASKS,
    OpenChoices,
    Outcome,
    Profile,
    Task,
    reference_lines,
    run_task,
)

# What is claimed of CNN, BPNN and RF: in which measure which of them stands at which end.
_CLAIMS = (
    ("r2", "CNN", "highest"),
    ("rmse", "CNN", "lowest"),
    ("mae", "CNN", "lowest"),
    ("rmse_minus_mae", "CNN", "smallest"),
    ("gap", "CNN", "smallest"),
    ("gap", "RF", "largest"),
)


@dataclass
class _Study:
    """All that a task's outcome depends on; soils and measurements are made when a task needs them."""

    profile: Profile
    choices: OpenChoices
    random_state: int
    _measured: dict = field(default_factory=dict)

    @cached_property
    def soils(self):
        """Spiked and field soils, by range."""
        return {"high": experiment.spiked_soils(), "low": experiment.field_soils(self.random_state)}

    def measured(self, range_):
        """One measurement of each soil of a range, and `profile.n_measurements` more from pellets of their own."""
        if range_ not in self._measured:
            soils, seed = self.soils[range_], self.random_state
            more = experiment.measure(soils, self.profile.n_measurements, random_state=seed + 1000)
            self._measured[range_] = experiment.measure(soils, random_state=seed), more
        return self._measured[range_]


def replicate(profile_name="quick", random_state=0, folder=None, choices=None, progress=None, runner=None):
    """Run the six tasks of the study; returns {(target, range): Outcome}.

    profile_name : 'quick' or 'paper'
    folder : where finished tasks are kept, so that a stopped run goes on where it was; None to keep nothing
    progress : called with a task's name and the share of the whole run that is done, 0 to 1
    runner : of `cluster.task_runner`, which works off the tasks; None for this process
    Raises ValueError for an unknown profile.
    """
    one_of("profile", profile_name, PROFILES)
    study = _Study(PROFILES[profile_name], choices or OpenChoices(), random_state)
    tasks = {"-".join(task): (f"{task[0].capitalize()} {task[1]}", task, 1) for task in TASKS}
    with TemporaryDirectory() as temporary:
        kept = finished.FinishedParts(folder or temporary, run_key(study.profile, study.choices, random_state))
        found = finished.Run(kept, progress, len(TASKS), runner).parts(_task_part, study, tasks)
    return {task: _from_plain(found["-".join(task)]) for task in TASKS}


def _task_part(study, task, report):
    target, range_ = task
    about = (target, range_, study.profile, study.choices, study.random_state, report)
    return _to_plain(run_task(study.soils[range_], *study.measured(range_), *about))


def run_configuration(profile, choices, random_state):
    """What a run depends on beside code and atomic data: profile, open choices, the experiment's settings, seed."""
    return {
        "profile": asdict(profile),
        "normalise": choices.normalise.__name__,
        "scale": choices.scale,
        "cnn": asdict(choices.cnn),
        "experiment": experiment.settings(),
        "seed": random_state,
    }


def run_key(profile, choices, random_state):
    """A short name of configuration, code and atomic data: what was kept under another is not taken up again."""
    configuration = run_configuration(profile, choices, random_state)
    return finished.run_key(configuration, data=data_path("atomic").glob("*.csv"))


def _to_plain(outcome):
    plain = {name: getattr(outcome, name).tolist() for name in ("repeatability", "maps")}
    return plain | {
        "task": {name: np.asarray(value).tolist() for name, value in vars(outcome.task).items()},
        "metrics": outcome.metrics.to_dict("list"),
        "out_of_fold": {name: values.tolist() for name, values in outcome.out_of_fold.items()},
        "detection_limit": outcome.detection_limit,
    }


def _from_plain(plain):
    arrays = {name: np.array(plain["task"][name]) for name in ("wavelength", "counts", "content", "sample_id")}
    more = {name: np.array(plain[name]) for name in ("repeatability", "maps")}
    more["out_of_fold"] = {name: np.array(values) for name, values in plain["out_of_fold"].items()}
    return Outcome(**plain | more | {"task": Task(**plain["task"] | arrays), "metrics": pd.DataFrame(plain["metrics"])})


def ledger_results(outcomes, published):
    """Our side of the ledger, id to {value, sd, n, note}, out of the outcomes of all six tasks.

    published : as `ledger.load_published` gives, for the lines that the paper names
    """
    results = named_line_results(published)
    for (target, range_), outcome in outcomes.items():
        place = f"{target}.{range_}"
        cnn = outcome.metrics[outcome.metrics["model"] == "CNN"]
        for metric in ("r2", "rmse", "mae"):
            results[f"{metric}.{place}"] = mean_of(cnn[metric])
        results[f"lod.{place}"] = {"value": outcome.detection_limit, "note": "counts of the main line, 3 s / slope"}
        # Predictions of an unspiked soil scatter about zero: their relative deviation has no meaning.
        repeatability = outcome.repeatability[outcome.task.content > 0]
        results[f"rsd.{place}"] = {"value": float(np.mean(repeatability)), "n": len(repeatability)}
        errors = percentage_error(outcome.task.content, outcome.out_of_fold["CNN"])
        results[f"error_max.{place}"] = {"value": float(np.nanmax(np.abs(errors))), "note": "of soils above 0 ppm"}
        medians = np.nanmedian(errors[:, outcome.task.content > 0], axis=0)
        results[f"error_median.{place}"] = {"value": float(np.max(np.abs(medians)))}
        results[f"gradcam_p.{place}"] = _map_p_value(outcome)
        results |= {f"order.{name}.{place}": value for name, value in _orderings(outcome.metrics).items()}
    for range_ in RANGES:
        lowest = min(results[f"r2.{target}.{range_}"]["value"] for target in TARGETS)
        results[f"r2_min.{range_}"] = {"value": lowest}
        results[f"explained_min.{range_}"] = {"value": 100 * lowest}
    results["rsd_max.mg.low"] = {"value": float(np.max(outcomes["mg", "low"].repeatability))}
    return results


def score_frame(outcomes):
    """Mean scores over repeats by task and model: R2, and RMSE, MAE and generalisation gap in ppm."""
    rows = [
        {"task": f"{target.capitalize()} {range_}", "model": model, **group[["r2", "rmse", "mae", "gap"]].mean()}
        for (target, range_), outcome in outcomes.items()
        for model, group in outcome.metrics.groupby("model", sort=False)
    ]
    return pd.DataFrame(rows).set_index("task").round(3)


def _map_p_value(outcome):
    lines = reference_lines(outcome.task.target).wavelength_air_nm
    try:
        found = line_mass(outcome.maps, outcome.task.wavelength, lines)
    except ValueError as error:
        return {"value": None, "note": str(error)}
    note = f"share {found.share:.2f}, by chance {found.expected:.2f}"
    return {"value": found.p_value, "n": found.n_maps, "note": note}


def _orderings(metrics):
    """Share of repeats in which each claimed ordering of CNN, BPNN and RF holds, the gaps by their magnitude."""
    wide = metrics.assign(rmse_minus_mae=metrics["rmse"] - metrics["mae"], gap=metrics["gap"].abs())
    wide = wide.pivot(index="repeat", columns="model", values=["r2", "rmse", "mae", "rmse_minus_mae", "gap"])
    shares = {"r2.rf_below_cnn": wide["r2"]["RF"] < wide["r2"]["CNN"]}
    for metric, model, end in _CLAIMS:
        compared = wide[metric][["CNN", "BPNN", "RF"]]
        at_end = compared.idxmax(axis=1) if end in ("highest", "largest") else compared.idxmin(axis=1)
        shares[f"{metric}.{model.lower()}_{end}"] = at_end == model
    return {claim: share_of(holds) for claim, holds in shares.items()}


def named_line_results(published):
    """Relative strength of every line that the paper names, by its id in the ledger."""
    named = published_lines(published)
    found = pd.concat([look_up_named_lines(target, named[named["window"] == target]) for target in TARGETS])
    return {row.id: {"value": float(row.relative_strength)} for row in found.itertuples()}


def look_up_named_lines(target, named):
    """What the atomic table knows of lines that a paper names in an element's window.

    named : DataFrame with columns element, wavelength_nm. Strengths are emissivities in the plasma of the reference
    soil. Returns the frame of `explain.audit.look_up_lines`.
    """
    low, high, _ = experiment.settings()["windows"][target]
    lines = line_table(low - 0.5, high + 0.5)
    return look_up_lines(named, lines, line_emissivities(lines, experiment.nominal_plasma())[0], (low, high))


def published_lines(published):
    """The lines that the paper names, by window: DataFrame with id, window, element, wavelength_nm.

    published : as `ledger.load_published` gives
    """
    entries = [entry for entry in published["entries"].values() if entry["kind"] == "line"]
    return pd.DataFrame(
        [(e["id"], e["window"].lower(), e["element"], e["value"]) for e in entries],
        columns=["id", "window", "element", "wavelength_nm"],
    )


def record(outcomes, published, profile_name, random_state, choices=None):
    """A run as it is recorded in data/recorded: provenance, and results by the ids of the ledger."""
    configuration = run_configuration(PROFILES[profile_name], choices or OpenChoices(), random_state)
    return record_of(ledger_results(outcomes, published), profile_name, configuration, random_state)
