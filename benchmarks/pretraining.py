"""How much faster than the paper's does the one-cycle recipe pretrain the 1D-ResNet, and is it as good?

Run `spectrakit simulate lucas -o lucas.parquet` and `python benchmarks/pretraining.py lucas.parquet`. First where the
time of a training step goes, and how far it is from the plain product of the same shape; then both recipes from the
same first weights on the same training, watched and test rows, timed by the seconds of processor that they take, so
that other work on the machine matters little. The paper's recipe takes up to 2,000 epochs; with `--checkpoint` a run
that was stopped goes on, and `--n` and `--epochs-limit` make it shorter.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.nn.functional import conv2d
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from spectrakit import training as pretraining
from spectrakit.evaluation import r2, random_rounds
from spectrakit.models import ResNetConfig, initial_network
from spectrakit.tables import read_table
from spectrakit.training import ONE_CYCLE, PAPER, fit_network, predict

THREADS = (1, 2)
PRODUCTS = {"aten::convolution_backward", "aten::mkldnn_convolution", "aten::mm", "aten::addmm"}


def median_seconds(function, n_laps=10):
    """Median wall time of a call, the first two left out."""
    laps = []
    for _ in range(n_laps + 2):
        start = time.perf_counter()
        function()
        laps.append(time.perf_counter() - start)
    return median(laps[2:])


def plain_rates(config, batch_size, dtype):
    """GFLOP/s of a matrix product and of a convolution of a residual block's shape, forward, on the same operands."""
    length, width = config.n_channels // config.pool // 2, config.n_filters
    rows, kernel = torch.rand(batch_size * length, 3 * width, dtype=dtype), torch.rand(3 * width, width, dtype=dtype)
    maps = torch.rand(batch_size, width, 1, length, dtype=dtype).to(memory_format=torch.channels_last)
    weight = torch.rand(width, width, 1, 3, dtype=dtype).to(memory_format=torch.channels_last)
    floating = 2 * rows.numel() * width / 1e9
    convolution = median_seconds(lambda: conv2d(maps, weight, padding="same"))
    return floating / median_seconds(lambda: rows @ kernel), floating / convolution


def profile_step(config, recipe, n_batches=10):
    """Seconds of a training step, its GFLOP, and the share of the time within convolutions and products."""
    random = np.random.default_rng(0)
    n_rows = n_batches * recipe.batch_size
    X, y = torch.as_tensor(random.normal(size=(n_rows, config.n_channels)), dtype=torch.float32), np.full(n_rows, 6.0)
    network = initial_network(config, 0, y)
    rows = pretraining._tensors(network, X, y)
    fit = pretraining._Fit(network, recipe, 0, rows, tuple(part[:1] for part in rows))
    with FlopCounterMode(display=False) as counter:
        fit.epoch()
    seconds = median_seconds(fit.epoch, 5) / n_batches
    with profile(activities=[ProfilerActivity.CPU]) as recorded:
        start = time.perf_counter()
        fit.epoch()
        wall = time.perf_counter() - start
    within = sum(event.self_cpu_time_total for event in recorded.key_averages() if event.key in PRODUCTS) / 1e6
    return seconds, counter.get_total_flops() / n_batches / 1e9, within / wall


def print_profile(config, recipe, n_rows):
    """One line a number of threads: the step, and the plain products beside it."""
    dtype = torch.bfloat16 if recipe.bfloat16 else torch.float32
    print(f"{recipe.name}: batches of {recipe.batch_size}, {str(dtype).removeprefix('torch.')}")
    for threads in THREADS:
        torch.set_num_threads(threads)
        seconds, floating, share = profile_step(config, recipe)
        product, convolution = plain_rates(config, recipe.batch_size, dtype)
        print(
            f"  {threads} thread{'s' * (threads > 1):1} {1e3 * seconds:6.1f} ms a step, "
            f"{seconds * n_rows / recipe.batch_size:5.2f} s an epoch, {floating / seconds:4.0f} GFLOP/s, "
            f"{share:.0%} of it in products; GFLOP/s alone: product {product:.0f}, convolution {convolution:.0f}"
        )


def run(recipe, config, training, test, seed, folder):
    """History of one recipe, and its R2 on the test rows."""
    network = initial_network(config, seed, training[1])
    history = fit_network(network, *training, recipe, seed, checkpoint=folder)
    score = r2(test[1], predict(network, test[0])[:, 0])
    best = history.validation_mse.idxmin()
    print(
        f"{recipe.name:10} {len(history):5} epochs, best {best + 1:4}, {history.processor_seconds.sum():8.1f} s of a "
        f"processor, watched MSE {history.validation_mse[best]:.4f}, test R2 {score:.4f}",
        flush=True,
    )
    return history, score


def compare(paper, fast):
    """Print the ratios: of whole fits, to the best epoch, and to the first epoch as good as the fast recipe's."""
    (slow, slow_r2), (quick, quick_r2) = paper, fast
    needed, clock = quick.processor_seconds.sum(), slow.processor_seconds.cumsum()
    print(f"\ntest R2, one cycle less paper: {quick_r2 - slow_r2:+.4f}")
    print(f"processor time of the whole fits, ratio: {clock.iloc[-1] / needed:.1f}")
    best = clock[slow.validation_mse.idxmin()]
    print(f"  the paper's recipe up to its best epoch, without the wait of patience: {best / needed:.1f}")
    as_good = slow.validation_mse <= quick.validation_mse.min()
    words = f"{clock[as_good.idxmax()] / needed:.1f}" if as_good.any() else "never"
    print(f"  the paper's recipe until its watched error is as small as the one cycle's: {words}")


def main():
    """Profile both recipes' steps, then run them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="spectral table, reflectance, with 2,100 channels")
    parser.add_argument("--target", default="ph")
    parser.add_argument("--n", type=int, help="samples to use (default all)")
    parser.add_argument("--epochs-limit", type=int, default=PAPER.max_epochs, help="for the paper's recipe")
    parser.add_argument("--threads", type=int, default=1, help="of both fits (default 1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="folder for the state of a fit that is stopped")
    options = parser.parse_args()
    dataset = read_table(options.table, "nm", "reflectance")
    y = dataset.properties[options.target].to_numpy()[: options.n]
    X = np.log(dataset.spectra[: options.n])
    del dataset
    (training, test), config = random_rounds(len(X), 1, random_state=options.seed)[0], ResNetConfig(X.shape[1])
    sides = (X[training], y[training]), (X[test], y[test])
    print(f"{len(training)} spectra to train and watch, {len(test)} to test\n")
    for recipe in (PAPER, ONE_CYCLE):
        print_profile(config, recipe, len(training) * (1 - recipe.validation_share))
    print()
    torch.set_num_threads(options.threads)
    recipes = ONE_CYCLE, replace(PAPER, max_epochs=options.epochs_limit)
    fast, paper = (run(recipe, config, *sides, options.seed, options.checkpoint) for recipe in recipes)
    compare(paper, fast)


if __name__ == "__main__":
    main()
