"""A network pretrained on simulated spectra on a measured table, beside PLS, SVM and a network from scratch."""

import numpy as np
import pandas as pd

from spectrakit.evaluation import random_rounds, score_table, scores
from spectrakit.models import load_network, transfer_baselines
from spectrakit.preprocess import lucas_reflectance, with_target
from spectrakit.resources import data_path
from spectrakit.runs import KeptParts, Run, result_key
from spectrakit.spectra import count_of, group_labels
from spectrakit.tables import read_table
from spectrakit.training import FineTunedNetwork, ScratchNetwork
from spectrakit.workflows.outcome import Outcome

MIN_TRAINING = 10
PLOT_WIDTH = 61


def compare_transfer(
    path,
    target,
    axis_unit="nm",
    signal="reflectance",
    n_rounds=10,
    random_state=0,
    below_detection=None,
    **options,
):
    """The five models of `transfer_models` on a plain spectral table, as an `Outcome` with the records of `run_rounds`.

    path, axis_unit, signal, below_detection : as of `read_table`; the others as of `run_rounds`
    Raises ValueError as `read_table`, `with_target`, `lucas_reflectance` and `run_rounds`.
    """
    table = read_table(path, axis_unit, signal, below_detection)
    dataset, notes = with_target(table, target)
    dataset, further = lucas_reflectance(dataset)
    records = run_rounds(dataset, target, transfer_models(), n_rounds, random_state=random_state, **options)
    n_train, n_test = records[["n_train", "n_test"]].max()
    sizes = f"{n_train} samples to train on, {n_test} to test; seed {random_state}"
    lines = ["R2 of each round (·) and their mean (|)", *r2_plot(records), f"{table.provenance_line()}; {sizes}"]
    tables = {f"{target}: mean ± SD over {n_rounds} rounds": score_frame(records)}
    return Outcome(records, tables, lines, [*table.notes, *notes, *further])


def transfer_models():
    """The five models of a round, in order: name to a function of random_state, a regressor of reflectance."""
    network, kept = load_network(data_path("models", "resnet_soils.safetensors"))
    return transfer_baselines() | {
        "scratch": lambda random_state=None: ScratchNetwork(kept["transform"], random_state=random_state),
        "pretrained": lambda random_state=None: FineTunedNetwork(network, kept["transform"], random_state=random_state),
    }


def run_rounds(
    dataset, target, models, n_rounds=10, train_size=98, random_state=0, folder=None, progress=None, runner=None
):
    """Scores of every model in every round of random splits, each on samples that the model was not trained on.

    dataset : as `lucas_reflectance` gives it; target : name of a property; samples without it are left out
    models : {name: function of random_state that makes a scikit-learn regressor of reflectance (n, 2100)}
    train_size : the most samples that a training side keeps; replicates (one `group`, else one `sample_id`) fall on
        one side
    folder : where finished rounds are kept, so that a stopped run goes on where it was; None to keep nothing
    progress, runner : as of `Run`
    Returns a DataFrame, one row a model and round: model, round, r2, rmse, rpd, n_train, n_test; RMSE in the unit of
    the target. Raises ValueError as `with_target` and `random_rounds`, and for fewer than 10 samples to train on.
    Source: gejiu paper, sections 2.2.2 and 2.2.4.
    """
    dataset, _ = with_target(dataset, target)
    X, y = dataset.spectra, dataset.properties[target].to_numpy()
    groups = group_labels(dataset.samples, ("group",))
    rounds = random_rounds(len(y), n_rounds, train_size=train_size, random_state=random_state, groups=groups)
    fewest = min(len(training) for training, _ in rounds)
    if fewest < MIN_TRAINING:
        raise ValueError(
            f"a round has {count_of(fewest, 'sample')} to train on: at least {MIN_TRAINING} are needed; "
            "give a table with more samples or groups"
        )
    # The number of rounds is left out, so that more rounds take up fewer.
    key = result_key(X, y, groups, train_size, random_state, models, code=(_score, random_rounds))
    tasks = {
        f"{name}-{round_}": (f"{name}, round {round_ + 1} of {n_rounds}", (name, round_), 1)
        for round_ in range(n_rounds)
        for name in models
    }
    run = Run(KeptParts(folder, key), progress, len(tasks), runner)
    records = run.parts(_score, (X, y, rounds, models, random_state), tasks)
    return pd.DataFrame(list(records.values()))


def _score(given, task, report):
    """Scores of a model, by name, in a round, by number, as a record; given : X, y, rounds, models, random_state."""
    (X, y, rounds, models, random_state), (name, round_) = given, task
    training, test = rounds[round_]
    model = models[name](random_state + round_).fit(X[training], y[training])
    return {
        "model": name,
        "round": round_,
        **scores(y[test], model.predict(X[test])),
        "n_train": len(training),
        "n_test": len(test),
    }


def score_frame(records):
    """Mean and standard deviation over rounds by model, in the order of the records: R2, RMSE and RPD as text."""
    return score_table(records, "model", {"r2": "R2", "rmse": "RMSE", "rpd": "RPD"})


def r2_plot(records):
    """R2 of every round as lines of text, a line a model: a dot a round, the mean as a bar; '<' where one lies left.

    records : as `run_rounds` gives. The scale reaches from the lowest R2, at most 0 and at least -0.5, to 1.
    """
    low = float(np.clip(np.floor(records["r2"].min() * 10) / 10, -0.5, 0))
    label = max(map(len, records["model"])) + 2

    def place(value):
        return round((value - low) / (1 - low) * (PLOT_WIDTH - 1))

    lines = []
    for name, values in records.groupby("model", sort=False)["r2"]:
        cells = [" "] * PLOT_WIDTH
        for value in values.dropna():
            cells[max(place(value), 0)] = "·" if value >= low else "<"
        if values.mean() >= low:
            cells[place(values.mean())] = "|"
        lines.append(f"{name:<{label}}{''.join(cells)} {values.mean():5.2f}")
    ends = f"{low:g}{'1':>{PLOT_WIDTH - len(f'{low:g}')}}"
    return [*lines, " " * label + "+" + "-" * (PLOT_WIDTH - 2) + "+", " " * label + ends]
