"""What becomes of the LIBS study's scores when replicates leak, soils are added, or the experiment is done again?

The three experiments of chapters 2 and 3. `models` maps a name to an unfitted scikit-learn regressor, or to None for
the published network. Contents and errors are in ppm.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from spectrakit.evaluation import Splits, grouped_folds, leaky_folds, r2, repeated_folds, rmse
from spectrakit.simulate import libs as experiment
from spectrakit.studies.libs.protocol import N_FOLDS, cut_task, fit_baseline, fit_cnn

FOLDS = {"leaky": leaky_folds, "grouped": grouped_folds}


@dataclass(frozen=True)
class ExperimentSizes:
    """How much of the experiments is computed, the rest of a `studies.libs.Profile`.

    n_replicates : measurements of each soil in the leak experiment; network_replicates : those that the network gets
    n_soils : training soils of the sample count experiment; n_draws : training sets drawn for each
    n_seeds : how often the whole experiment is done again
    """

    n_replicates: tuple[int, ...] = (1, 2, 5, 10)
    network_replicates: tuple[int, ...] = (1, 2, 5)
    n_soils: tuple[int, ...] = (6, 12, 24, 48, 96)
    n_draws: int = 2
    n_seeds: int = 5


SIZES = {
    "quick": ExperimentSizes(),
    "paper": ExperimentSizes(network_replicates=(1, 2, 5, 10), n_draws=10, n_seeds=30),
}


def fit_model(model, task, splits):
    """Predictions (n_splits, n_samples) of a model fitted on each split's training rows; None is the network."""
    return fit_cnn(task, splits)[1] if model is None else fit_baseline(model, task, splits)


def leak_experiment(dataset, target, range_, models, n_replicates=(1, 2, 5, 10), random_state=0):
    """Out-of-fold predictions with the replicates of a soil on both sides of a split, and kept together.

    dataset : SpectralDataset with the column `replicate`, at least as many as the largest of `n_replicates`
    Returns a DataFrame with columns model, n_replicates, folds ('leaky' or 'grouped'), sample_id, content, predicted:
    one row a measurement, one repeat of the 10-fold cross-validation.
    """
    frames = []
    for n in n_replicates:
        task = cut_task(dataset.subset((dataset.samples["replicate"] <= n).to_numpy()), target, range_)
        for folds, make in FOLDS.items():
            splits = make(task.sample_id, N_FOLDS, 1, random_state)
            for name, model in models.items():
                predicted = splits.out_of_fold(fit_model(model, task, splits))[0]
                rows = {"sample_id": task.sample_id, "content": task.content, "predicted": predicted}
                frames.append(pd.DataFrame({"model": name, "n_replicates": n, "folds": folds} | rows))
    return pd.concat(frames, ignore_index=True)


def r2_of(predictions, by):
    """R2 of the predictions in each group: a DataFrame with columns content and predicted, `by` some of the others."""
    return predictions.groupby(by, sort=False)[["content", "predicted"]].apply(
        lambda group: r2(group["content"], group["predicted"])
    )


def deal_contents(dataset, random_state=0):
    """The dataset with its contents dealt out anew among the soils of a range: there is nothing left to learn.

    All measurements of a soil get the same wrong contents.
    """
    generator = np.random.default_rng(random_state)
    contents = dataset.properties.copy()
    for _, rows in dataset.samples.groupby("range").groups.items():
        soils = dataset.samples.loc[rows, "sample_id"]
        first = contents.loc[rows].set_axis(soils).groupby(level=0).first()
        dealt = first.set_axis(generator.permutation(first.index))
        contents.loc[rows] = dealt.loc[soils].to_numpy()
    return replace(dataset, properties=contents)


def sample_count_experiment(task, models, n_soils, n_draws=2, random_state=0):
    """Training and test error against the number of training soils.

    task : Task of more soils than the largest of `n_soils`; for every count `n_draws` training sets are drawn from it,
        and all soils that were not drawn are the test
    Returns a DataFrame with columns model, n_soils, draw, train, test (RMSE, ppm).
    """
    generator, rows = np.random.default_rng(random_state), []
    counts = np.repeat(n_soils, n_draws)
    train = np.zeros((len(counts), len(task.content)), bool)
    for mask, n in zip(train, counts, strict=True):
        mask[generator.choice(len(mask), n, replace=False)] = True
    draws = np.tile(np.arange(n_draws), len(n_soils))
    splits = Splits(train, np.arange(len(counts)), np.zeros(len(counts), int))
    for name, model in models.items():
        for n, draw, own, predicted in zip(counts, draws, train, fit_model(model, task, splits), strict=True):
            errors = [rmse(task.content[side], predicted[side]) for side in (own, ~own)]
            rows.append((name, n, draw, *errors))
    return pd.DataFrame(rows, columns=["model", "n_soils", "draw", "train", "test"])


def repeat_experiment(range_, targets, models, seeds, background_ppm=None):
    """R2 when soils are drawn and measured anew with each seed, one repeat of the cross-validation each.

    range_ : 'high' or 'low'; background_ppm : as for `simulate.libs.field_soils`
    Returns a DataFrame with columns target, model, seed, r2, rmse.
    """
    rows = []
    for seed in seeds:
        soils = experiment.spiked_soils() if range_ == "high" else experiment.field_soils(seed, background_ppm)
        dataset = experiment.measure(soils, random_state=seed)
        splits = repeated_folds(len(dataset), N_FOLDS, 1, seed)
        for target in targets:
            task = cut_task(dataset, target, range_)
            for name, model in models.items():
                predicted = splits.out_of_fold(fit_model(model, task, splits))[0]
                rows.append((target, name, seed, r2(task.content, predicted), rmse(task.content, predicted)))
    return pd.DataFrame(rows, columns=["target", "model", "seed", "r2", "rmse"])


@torch.no_grad()
def dead_units(network, X):
    """How many ReLUs of a SpectralCNN are zero for every spectrum of X (n, n_channels), so that none can train them.

    Returns (kernels of the second convolution whose maps are zero, units of the dense layer that are zero).
    """
    maps = network.maps(torch.as_tensor(np.array(X), dtype=network.output.weight.dtype).unsqueeze(1))
    hidden = network.dense_relu(network.dense(network.pooling(maps).flatten(1)))
    return int((maps == 0).all(2).all(0).sum()), int((hidden == 0).all(0).sum())
