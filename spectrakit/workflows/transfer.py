"""Does a network pretrained on simulated spectra help on a measured table, beside PLS, SVM and one from scratch?"""

from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from spectrakit.evaluation import random_rounds, score_table, scores
from spectrakit.models import load_network, transfer_baselines
from spectrakit.preprocess import positive_reflectance, raised_notes
from spectrakit.resources import data_path
from spectrakit.runs import FinishedParts, Run, run_key
from spectrakit.spectra import LUCAS_AXIS_NM, group_labels
from spectrakit.training import FineTunedNetwork, ScratchNetwork

# How much of either end may be missing, and over how much of what is there a missing end is continued.
MOST_MISSING_NM = 50.0
CONTINUED_FROM_NM = 20.0
# Two channels further apart than two pooling windows of the network leave one of them without a measurement.
WIDEST_STEP_NM = 20.0
FEWEST_SAMPLES = 20
FEWEST_TRAINING = 10


def prepare(dataset):
    """The spectra as reflectance (0-1) at 400-2499 nm, every 1 nm, and notes on what was done to get there.

    dataset : SpectralDataset of reflectance or absorbance over nm or 1/cm
    Channels between two measured ones are interpolated. Where the table begins after 400 nm or ends before 2499 nm,
    by up to 50 nm, the missing end is continued: a straight line of log reflectance from the last measured channel
    on, its slope fitted to the nearest 20 nm. In measured soils that come that far, ends of 20 nm so continued are
    0.002-0.03 of log10 reflectance away from the truth, a third of the error of repeating the last channel.
    Returns (SpectralDataset (n_samples, 2100), list of notes).
    Raises ValueError for counts, a longer missing end, or channels more than 20 nm apart.
    Source: gejiu paper, section 2.1, for the axis.
    """
    if dataset.signal == "counts":
        raise ValueError("counts are no reflectance: divide by the white reference, then declare reflectance")
    axis, spectra = dataset.axis, dataset.spectra.astype(float)
    if dataset.axis_unit == "cm-1":
        axis, spectra = 1e7 / axis[::-1], spectra[:, ::-1]
    measured = ~np.isnan(spectra).all(axis=0)
    axis, spectra = axis[measured], spectra[:, measured]
    _refuse_uncovered(axis)

    # One channel beyond either end is kept, to interpolate from.
    first = max(np.searchsorted(axis, LUCAS_AXIS_NM[0], side="right") - 1, 0)
    used = slice(first, np.searchsorted(axis, LUCAS_AXIS_NM[-1]) + 1)
    complete = ~np.isnan(spectra[:, used]).any(axis=1)
    axis, spectra = axis[used], spectra[complete][:, used]
    if not complete.any():
        raise ValueError("no sample has all its channels from 400 to 2499 nm: leave out those that are not measured")
    notes = []
    if not complete.all():
        notes.append(f"{(~complete).sum()} of {len(complete)} samples left out: channels are missing")
    reflectance = spectra if dataset.signal == "reflectance" else 10.0**-spectra
    reflectance, low = positive_reflectance(reflectance)
    notes += raised_notes(low)
    within = np.array([np.interp(LUCAS_AXIS_NM, axis, row) for row in reflectance])
    for missing, edge, near in _missing_ends(axis):
        notes.append(f"{_span(missing)} nm not measured: log reflectance is continued there in a straight line")
        within[:, np.isin(LUCAS_AXIS_NM, missing)] = _continued(axis[near], reflectance[:, near], edge, missing)
    part = dataset.subset(complete)
    return replace(part, spectra=within, axis=LUCAS_AXIS_NM, axis_unit="nm", signal="reflectance"), notes


def _refuse_uncovered(axis):
    """Raises ValueError where an axis (nm) does not cover what the network needs."""
    low, high = LUCAS_AXIS_NM[[0, -1]]
    needed = f"the network needs {low:g} to {high:g} nm, and up to {MOST_MISSING_NM:g} nm of either end"
    if not len(axis) or axis[0] > low + MOST_MISSING_NM or axis[-1] < high - MOST_MISSING_NM:
        span = f"the spectra span {axis[0]:g} to {axis[-1]:g} nm" if len(axis) else "no channel is measured"
        raise ValueError(f"{span}: {needed} may be missing")
    inside = (axis[1:] > LUCAS_AXIS_NM[0]) & (axis[:-1] < LUCAS_AXIS_NM[-1])
    wide = np.flatnonzero(inside & (np.diff(axis) > WIDEST_STEP_NM))
    if len(wide):
        low, high = axis[wide[0]], axis[wide[0] + 1]
        raise ValueError(
            f"no channel between {low:g} and {high:g} nm: steps of at most {WIDEST_STEP_NM:g} nm are bridged"
        )


def _missing_ends(axis):
    """For each end of the network's axis that `axis` lacks: missing channels, outermost channel, those nearest it."""
    first, last = axis[0], axis[-1]
    low = (LUCAS_AXIS_NM[first > LUCAS_AXIS_NM], 0, axis <= first + CONTINUED_FROM_NM)
    high = (LUCAS_AXIS_NM[last < LUCAS_AXIS_NM], -1, axis >= last - CONTINUED_FROM_NM)
    return [end for end in (low, high) if len(end[0])]


def _span(channels):
    return "-".join(f"{end:g}" for end in dict.fromkeys((channels[0], channels[-1])))


def _continued(axis, reflectance, edge, missing):
    """Reflectance (n_samples, n_missing) on the straight line of log reflectance through the channel at `edge`."""
    logarithm = np.log(reflectance)
    slope = np.polyfit(axis, logarithm.T, 1)[0]
    return np.exp(logarithm[:, [edge]] + slope[:, None] * (missing - axis[edge]))


def transfer_models():
    """The five models of a round, in order: name to a function of random_state, a regressor of reflectance."""
    network, kept = load_network(data_path("models", "resnet_soils.safetensors"))
    return transfer_baselines() | {
        "scratch": lambda random_state=None: ScratchNetwork(kept["transform"], random_state=random_state),
        "pretrained": lambda random_state=None: FineTunedNetwork(network, kept["transform"], random_state=random_state),
    }


def with_target(dataset, target):
    """The samples whose target is measured, and notes on those left out.

    Returns (SpectralDataset, list of notes). Raises ValueError for a target that is no property, that no sample has,
    that is the same in all, or that fewer than 20 samples have.
    """
    if target not in dataset.properties:
        names = ", ".join(dataset.properties) or "none"
        raise ValueError(f"no property '{target}' in the table; numeric properties: {names}")
    known = np.isfinite(dataset.properties[target].to_numpy())
    part = dataset.subset(known)
    if not known.any():
        raise ValueError(f"{target} is not measured in any sample")
    n_samples = part.samples["sample_id"].nunique()
    if n_samples < FEWEST_SAMPLES:
        raise ValueError(f"{target} is measured in {n_samples} samples: at least {FEWEST_SAMPLES} are needed")
    if np.ptp(part.properties[target]) == 0:
        raise ValueError(
            f"{target} is {part.properties[target].iloc[0]:g} in every sample: there is nothing to predict"
        )
    missing = (~known).sum()
    return part, [f"{missing} of {len(known)} samples left out: {target} is not measured"] if missing else []


@dataclass(frozen=True)
class _Rounds:
    """All that a model's score in a round depends on; rounds : list of (training, test) positions in X and y."""

    X: np.ndarray
    y: np.ndarray
    rounds: list
    models: dict
    random_state: int


def run_rounds(
    dataset,
    target,
    models,
    n_rounds=10,
    train_size=98,
    random_state=0,
    folder=None,
    progress=None,
    test_share=0.25,
    runner=None,
):
    """Scores of every model in every round, each on samples that no model of the round was trained on.

    dataset : as `prepare` gives it; target : name of a property; samples without it are left out
    models : {name: function of random_state that makes a scikit-learn regressor of reflectance (n, 2100)}
    train_size : the most samples that a training side keeps; replicates (one `group`, else one `sample_id`) fall on
        one side
    folder : where finished rounds are kept, so that a stopped run goes on where it was; None to keep nothing
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1
    runner : of `cluster.task_runner`, which works off models and rounds; None for this process
    Returns a DataFrame, one row a model and round: model, round, r2, rmse, rpd, n_train, n_test; RMSE in the unit of
    the target. Raises ValueError as `with_target` and `random_rounds`, and for fewer than 10 samples to train on.
    Source: gejiu paper, sections 2.2.2 and 2.2.4.
    """
    dataset, _ = with_target(dataset, target)
    X, y = dataset.spectra, dataset.properties[target].to_numpy()
    groups = group_labels(dataset.samples, ("group",))
    rounds = random_rounds(len(y), n_rounds, test_share, train_size, random_state, groups)
    fewest = min(len(training) for training, _ in rounds)
    if fewest < FEWEST_TRAINING:
        raise ValueError(f"a round has {fewest} samples to train on: at least {FEWEST_TRAINING} are needed")
    # Not the number of rounds: a run of more takes up what fewer have left.
    key = run_key(X.tobytes(), y.tobytes(), [target, test_share, train_size, random_state], data=_weights())
    tasks = {
        f"{name}-{round_}": (f"{name}, round {round_ + 1} of {n_rounds}", (name, round_), 1)
        for round_ in range(n_rounds)
        for name in models
    }
    with TemporaryDirectory() as temporary:
        run = Run(FinishedParts(folder or temporary, key), progress, len(tasks), runner)
        records = run.parts(_score, _Rounds(X, y, rounds, models, random_state), tasks)
    return pd.DataFrame(list(records.values()))


def _score(given, task, report):
    """Scores of a model, by name, in a round, by number, as a record."""
    (name, round_), X, y = task, given.X, given.y
    training, test = given.rounds[round_]
    model = given.models[name](given.random_state + round_).fit(X[training], y[training])
    record = {"model": name, "round": round_} | scores(y[test], model.predict(X[test]))
    return record | {"n_train": len(training), "n_test": len(test)}


def _weights():
    """The files of pretrained weights that come with the kit."""
    return data_path("models").glob("*.safetensors")


def score_frame(records):
    """Mean and standard deviation over rounds by model, in the order of the records: R2, RMSE and RPD as text."""
    return score_table(records, "model", {"r2": "R2", "rmse": "RMSE", "rpd": "RPD"})


def r2_plot(records, width=61):
    """R2 of every round as lines of text, a line a model: a dot a round, the mean as a bar; '<' where one lies left.

    records : as `run_rounds` gives. The scale reaches from the lowest R2, at most 0 and at least -0.5, to 1.
    """
    low = float(np.clip(np.floor(records["r2"].min() * 10) / 10, -0.5, 0))
    label = max(map(len, records["model"])) + 2

    def place(value):
        return round((value - low) / (1 - low) * (width - 1))

    lines = []
    for name, values in records.groupby("model", sort=False)["r2"]:
        cells = [" "] * width
        for value in values.dropna():
            cells[max(place(value), 0)] = "·" if value >= low else "<"
        if values.mean() >= low:
            cells[place(values.mean())] = "|"
        lines.append(f"{name:<{label}}{''.join(cells)} {values.mean():5.2f}")
    ends = f"{low:g}{'1':>{width - len(f'{low:g}')}}"
    return [*lines, " " * label + "+" + "-" * (width - 2) + "+", " " * label + ends]
