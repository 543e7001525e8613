"""How much faster do the 100 networks of a cross-validation train stacked than one after the other?

Run `python benchmarks/folds.py`. Ten folds of twelve samples, ten times; the published network and its 500 epochs; the
channels of the three windows. Stacked and plain fits take turns in one run, each with one and with two threads, and
the ratio compares the medians of the better thread count of each.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch
from sklearn.model_selection import RepeatedKFold
from torch.profiler import ProfilerActivity, profile

from spectrakit.models import CNNConfig
from spectrakit.training import CNNRegressor, fit_stacked, networks_per_chunk

WINDOWS = {"Ca": 66, "Mg": 124, "Na": 33}
THREADS = (1, 2)
MATRIX_PRODUCTS = {"aten::bmm", "aten::baddbmm", "aten::baddbmm_"}


def line_spectra(n_channels, n_samples=12):
    """Two Gaussian lines, one of which grows with the content, with scatter and noise."""
    random = np.random.default_rng(0)
    contents = np.linspace(0, 1000, n_samples)
    lines = np.exp(-0.5 * ((np.arange(n_channels) - n_channels * np.array([[0.4], [0.7]])) / 2) ** 2)
    heights = np.column_stack([0.2 + contents * 6e-4, np.full(n_samples, 0.5)])
    heights *= 1 + 0.03 * random.normal(size=heights.shape)
    return heights @ lines + 0.01 * random.normal(size=(n_samples, n_channels)), contents


def seconds(function, n_threads):
    """Wall time of a call with `n_threads` torch threads, and what it returns."""
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def time_window(n_channels, config, n_plain, n_rounds):
    """Median seconds for 100 networks by (way, threads), and how far the two ways' predictions lie apart."""
    X, y = line_spectra(n_channels)
    folds = [rows for rows, _ in RepeatedKFold(n_splits=10, n_repeats=10, random_state=0).split(X)]

    def plain():
        return [CNNRegressor(config, b).fit(X[folds[b]], y[folds[b]]).predict(X) for b in range(n_plain)]

    def stacked():
        return fit_stacked(X, y, folds, config).predict(X)[:n_plain]

    times = {(way, threads): [] for way in ("plain", "stacked") for threads in THREADS}
    for _ in range(n_rounds):
        for threads in THREADS:
            elapsed, one_by_one = seconds(plain, threads)
            times["plain", threads].append(elapsed * len(folds) / n_plain)
            elapsed, together = seconds(stacked, threads)
            times["stacked", threads].append(elapsed)
    apart = np.abs(np.array(one_by_one) - together).max(1) / y.std()
    return {key: median(values) for key, values in times.items()}, apart


def product_peak(n_channels, n_networks, n_threads):
    """GFLOP/s of the second convolution's batched product alone, repeated on the same operands."""
    torch.set_num_threads(n_threads)
    weight, maps = torch.rand(n_networks, 8, 8), torch.rand(n_networks, 8, 11 * n_channels)
    out = torch.zeros_like(maps)
    laps = []
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(10):
            out.baddbmm_(weight, maps)
        laps.append(time.perf_counter() - start)
    return 10 * 2 * weight.numel() * maps.shape[2] / min(laps) / 1e9


def profile_window(n_channels, config, n_networks, n_threads):
    """Shares of the time of a stacked fit, in seconds by kind of work, and the GFLOP/s within matrix products."""
    X, y = line_spectra(n_channels)
    folds = [np.arange(11)] * n_networks
    torch.set_num_threads(n_threads)
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        start = time.perf_counter()
        fit_stacked(X, y, folds, config)
        wall = time.perf_counter() - start
    share = {"matrix products": 0.0, "elementwise, copies, sums": 0.0, "optimiser": 0.0}
    for event in recorded.key_averages():
        if event.key in MATRIX_PRODUCTS:
            share["matrix products"] += event.self_cpu_time_total / 1e6
        elif event.key.startswith("Optimizer.step"):
            share["optimiser"] += event.cpu_time_total / 1e6
        elif event.key.startswith("aten::") and "adam" not in event.key:
            share["elementwise, copies, sums"] += event.self_cpu_time_total / 1e6
    share["Python, set-up, profiler"] = wall - sum(share.values())
    per_channel = 2 * 2 * 4 * 8 + 3 * 2 * 3 * 8 * 8  # first convolution without input gradient; second
    per_row = n_channels * per_channel + 3 * 2 * (8 * 128 + 128)
    floating = per_row * 11 * n_networks * config.max_epochs
    return {name: value / wall for name, value in share.items()}, floating / share["matrix products"] / 1e9


def main():
    """Print times, ratios, shares and the rate of the matrix products for each window."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plain", type=int, default=10, help="networks that the plain loop really fits (default 10)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=500)
    options = parser.parse_args()
    config = CNNConfig(max_epochs=options.epochs)
    print(f"100 networks, {options.epochs} epochs; medians of {options.rounds}")
    print(f"plain loop: {options.plain} networks fitted, times {100 / options.plain:g}\n")
    for element, n_channels in WINDOWS.items():
        times, apart = time_window(n_channels, config, options.plain, options.rounds)
        n_networks = networks_per_chunk(11, n_channels, config)
        print(f"{element}, {n_channels} channels, {n_networks} networks a chunk")
        for (way, threads), value in times.items():
            print(f"  {way:8} {threads} thread{'s' * (threads > 1):1}  {value:7.2f} s   {value / 100:.4f} s a network")
        best = {way: min(times[way, threads] for threads in THREADS) for way in ("plain", "stacked")}
        print(f"  ratio, best thread count of each: {best['plain'] / best['stacked']:.1f}")
        print(f"  predictions apart, in SD of the target: median {np.median(apart):.1e}, largest {apart.max():.1e}")
        threads = min(THREADS, key=lambda n: times["stacked", n])
        shares, rate = profile_window(n_channels, CNNConfig(max_epochs=100), n_networks, threads)
        print("  time: " + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
        peak = product_peak(n_channels, n_networks, threads)
        print(f"  {rate:.0f} GFLOP/s within matrix products; the same product alone {peak:.0f} ({threads} threads)\n")


if __name__ == "__main__":
    main()
