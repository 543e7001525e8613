"""How data/recorded/libs-readings.csv was made: fits of the published network for each reading of the paper.

    python -m tools.make.record_readings

fits the CNN of three repeats (30 networks a task) under every combination of the open points, then the chosen reading
with one further point changed at a time, and writes the file (some minutes).
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import torch

from spectrakit.evaluation import r2, repeated_folds
from spectrakit.models import CNNConfig
from spectrakit.preprocess import normalise_area, normalise_maximum
from spectrakit.resources import data_path
from spectrakit.runs import current_commit
from spectrakit.simulate.libs import simulate_libs
from spectrakit.studies.libs import TASKS, OpenChoices, cut_task, fit_cnn

SEED, N_REPEATS = 0, 3
VARIATIONS = (
    {"learning_rate": 0.01},
    {"learning_rate": 0.001},
    {"global_pooling": False},
    {"dropout_before_dense": False},
    {"padding": "valid"},
)


def readings():
    """Every combination of the four points that matter most, then single changes of the default."""
    for normalise, scale, standardise, period in product(
        (normalise_area, normalise_maximum), (True, False), (True, False), (50, 200, 400)
    ):
        yield "grid", OpenChoices(normalise, scale, CNNConfig(standardise_target=standardise, drop_period=period))
    for change in VARIATIONS:
        yield ", ".join(f"{k}={v}" for k, v in change.items()), OpenChoices(cnn=replace(CNNConfig(), **change))


def scores(dataset, splits, choices):
    """Training and test R2 of every task: the mean over networks, and that of the repeats' pooled predictions."""
    row = {}
    for target, range_ in TASKS:
        task = cut_task(dataset, target, range_)
        predictions = fit_cnn(task, splits, choices)[1]
        fits = [r2(task.content[rows], p[rows]) for rows, p in zip(splits.train, predictions, strict=True)]
        row[f"train_{target}_{range_}"] = np.mean(fits)
        row[f"test_{target}_{range_}"] = np.mean(
            [r2(task.content, pooled) for pooled in splits.out_of_fold(predictions)]
        )
    means = {f"{side}_mean": np.mean([row[f"{side}_{t}_{r}"] for t, r in TASKS]) for side in ("train", "test")}
    return row | means


if __name__ == "__main__":
    torch.set_num_threads(1)
    commit = current_commit()  # before the file that it goes into is changed
    dataset, splits = simulate_libs(random_state=SEED), repeated_folds(12, 10, N_REPEATS, SEED)
    rows = []
    for change, choices in readings():
        point = {
            "change": change,
            "normalise": choices.normalise.__name__.removeprefix("normalise_"),
            "scale": choices.scale,
            "standardise_target": choices.cnn.standardise_target,
            "drop_period": choices.cnn.drop_period,
        }
        rows.append(point | scores(dataset, splits, choices))
        print(*point.values(), f"train {rows[-1]['train_mean']:.3f}, test {rows[-1]['test_mean']:.3f}", flush=True)
    table = pd.DataFrame(rows).round(4).to_csv(index=False, lineterminator="\n")
    about = f"# tools/make/record_readings.py, seed {SEED}, commit {commit}\n"
    data_path("recorded", "libs-readings.csv").write_text(about + table, encoding="utf-8", newline="\n")
