"""Does a network pretrained on simulated spectra help on a measured table, beside PLS, SVM and one from scratch?"""

from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from spectrakit.evaluation import random_rounds, score_table, scores
from spectrakit.models import load_network, transfer_baselines
from spectrakit.preprocess import with_target
from spectrakit.resources import data_path
from spectrakit.runs import FinishedParts, Run, run_key
from spectrakit.spectra import group_labels
from spectrakit.training import FineTunedNetwork, ScratchNetwork

FEWEST_TRAINING = 10


def transfer_models():
    """The five models of a round, in order: name to a function of random_state, a regressor of reflectance."""
    network, kept = load_network(data_path("models", "resnet_soils.safetensors"))
    return transfer_baselines() | {
        "scratch": lambda random_state=None: ScratchNetwork(kept["transform"], random_state=random_state),
        "pretrained": lambda random_state=None: FineTunedNetwork(network, kept["transform"], random_state=random_state),
    }


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

    dataset : as `lucas_reflectance` gives it; target : name of a property; samples without it are left out
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
