"""The LIBS study as kept parts: the soils as they are measured, then every repeat of every task."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectrakit.simulate import libs as experiment
from spectrakit.studies.libs import results
from spectrakit.studies.libs.domains import TARGETS, TASKS, Task, cut_task
from spectrakit.studies.libs.protocol import PROFILES, detection_limit, run_repeat
from spectrakit.studies.study import Inputs, Study


@dataclass(frozen=True)
class Outcome:
    """What one task gives. Arrays keep one row a repeat, so that any summary can be made of them.

    task : spectra and contents, one measurement a soil
    metrics : DataFrame (n_models * n_repeats, 6): model, repeat, r2, rmse, mae, gap (ppm where they have a unit)
    out_of_fold : model to predictions (n_repeats, n_samples), ppm
    repeatability : (n_samples,) relative standard deviation (%) of predictions from repeated measurements
    detection_limit : ppm
    maps : (n_samples, n_channels) Grad-CAM by the networks of the first repeat
    """

    task: Task
    metrics: pd.DataFrame
    out_of_fold: dict
    repeatability: np.ndarray
    detection_limit: float
    maps: np.ndarray


def domains_part(inputs, report):
    """What is measured of each task: its `Task`, that of more pellets of each soil, and the limit of detection."""
    parts, seed = {}, inputs.random_state
    soils_by_range = {"high": experiment.spiked_soils(), "low": experiment.field_soils(seed)}
    for range_, soils in soils_by_range.items():
        measured = experiment.measure(soils, random_state=seed)
        repeated = experiment.measure(soils, inputs.profile.n_measurements, random_state=seed + 1000)
        for target in TARGETS:
            task, again = (cut_task(dataset, target, range_) for dataset in (measured, repeated))
            limit = detection_limit(task, soils, inputs.profile.n_blanks, seed)
            parts[f"{target}-{range_}"] = {"task": task, "repeated": again, "detection_limit": limit}
    return parts


def repeat_part(inputs, target, range_, repeat, report):
    """One repeat of a task, see `run_repeat`."""
    measured = inputs.parts["domains"][f"{target}-{range_}"]
    return run_repeat(measured["task"], measured["repeated"], repeat, inputs.profile, inputs.random_state, report)


def plan(profile, domains):
    """The parts after the spectra, see `Study`."""
    repeats = {
        f"{target}-{range_}-{repeat}": (
            f"{target.capitalize()} {range_}, repeat {repeat + 1}",
            ("repeat", target, range_, repeat),
            1,
        )
        for target, range_ in TASKS
        for repeat in range(profile.n_repeats)
    }
    return [repeats]


def outcome(profile, parts):
    """The tasks as {(target, range): Outcome}."""
    outcomes = {}
    for target, range_ in TASKS:
        measured = parts["domains"][f"{target}-{range_}"]
        repeats = [parts[f"{target}-{range_}-{repeat}"] for repeat in range(profile.n_repeats)]
        outcomes[target, range_] = Outcome(
            task=measured["task"],
            metrics=pd.concat([part["metrics"] for part in repeats], ignore_index=True),
            out_of_fold={
                model: np.stack([part["out_of_fold"][model] for part in repeats]) for model in repeats[0]["out_of_fold"]
            },
            repeatability=np.mean([part["repeatability"] for part in repeats], axis=0),
            detection_limit=measured["detection_limit"],
            maps=repeats[0]["maps"],
        )
    return outcomes


STUDY = Study(
    name="libs",
    profiles=PROFILES,
    counts=("n_repeats",),
    data_folders=(),
    inputs=Inputs,
    parts={"domains": domains_part, "repeat": repeat_part},
    plan=plan,
    outcome=outcome,
    results=results,
)
