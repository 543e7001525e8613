"""How much faster the 100 networks of a cross-validation train stacked than one after the other.

Run `python benchmarks/folds.py`. Ten folds of twelve samples, ten times; the published network and its 500 epochs; the
channels of the three windows. Stacked and single fits take turns; the ratio is that of the medians.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch
from sklearn.model_selection import RepeatedKFold

from spectrakit.models import CNNConfig
from spectrakit.training import CNNRegressor, fit_stacked

WINDOWS = {"Ca": 66, "Mg": 124, "Na": 33}


def line_spectra(n_channels, n_samples=12):
    """Two Gaussian lines, one of which grows with the content, with scatter and noise."""
    random = np.random.default_rng(0)
    contents = np.linspace(0, 1000, n_samples)
    lines = np.exp(-0.5 * ((np.arange(n_channels) - n_channels * np.array([[0.4], [0.7]])) / 2) ** 2)
    heights = np.column_stack([0.2 + contents * 6e-4, np.full(n_samples, 0.5)])
    heights *= 1 + 0.03 * random.normal(size=heights.shape)
    return heights @ lines + 0.01 * random.normal(size=(n_samples, n_channels)), contents


def seconds(function):
    """Wall time of a call, and what it returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def compare(n_channels, config, n_single, n_rounds):
    """Print the median seconds for 100 networks of both ways, their ratio, and how far predictions differ."""
    X, y = line_spectra(n_channels)
    folds = [rows for rows, _ in RepeatedKFold(n_splits=10, n_repeats=10, random_state=0).split(X)]

    def single():
        return [CNNRegressor(config, b).fit(X[folds[b]], y[folds[b]]).predict(X) for b in range(n_single)]

    def stacked():
        return fit_stacked(X, y, folds, config).predict(X)[:n_single]

    laps = [(seconds(single), seconds(stacked)) for _ in range(n_rounds)]
    one_by_one = median(lap[0][0] for lap in laps) * len(folds) / n_single
    together = median(lap[1][0] for lap in laps)
    difference = np.abs(np.array(laps[-1][0][1]) - laps[-1][1][1]).max(1) / y.std()
    print(f"  single {one_by_one:.2f} s, stacked {together:.2f} s, ratio {one_by_one / together:.1f}")
    print(f"  difference of predictions, in SD: median {np.median(difference):.1e}, largest {difference.max():.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--single", type=int, default=10, help="networks that are fitted one by one, times 100 / this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for element, n_channels in WINDOWS.items():
        print(f"{element}, {n_channels} channels, 100 networks, {options.epochs} epochs", flush=True)
        compare(n_channels, CNNConfig(max_epochs=options.epochs), options.single, options.rounds)
