"""How much faster the one-cycle recipe pretrains the 1D-ResNet than the paper's recipe, and how good it is.

Run `python benchmarks/pretraining.py`: both recipes from the same first weights on the same simulated soils of LUCAS,
timed by the seconds of processor that they take, so that other work on the machine matters little. The ratio grows with
the number of soils; `--soils 19036` is the survey in full and takes hours, `--table FILE` takes measured soils. With
`--folder` a run that was stopped goes on.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch

from spectrakit.evaluation import r2, random_rounds
from spectrakit.models import ResNetConfig, initial_network
from spectrakit.simulate.soils import simulate_lucas
from spectrakit.tables import read_table
from spectrakit.training import ONE_CYCLE, PAPER, fit_network, predict


def run(recipe, training, test, folder=None):
    """Return the history of a fit, and its R2 on the test soils; print both."""
    X, y = training
    network = initial_network(ResNetConfig(X.shape[1]), 0, y)
    history = fit_network(network, X, y, recipe, 0, checkpoint=folder)
    score = r2(test[1], predict(network, test[0])[:, 0])
    seconds = history["processor_seconds"]
    print(
        f"{recipe.name:24} {len(history):5} epochs of {seconds.median():6.2f} s, {seconds.sum():8.1f} s of a processor,"
        f" validation MSE {history['validation_mse'].min():.4f}, test R2 {score:.4f}",
        flush=True,
    )
    return history, score


def compare(paper, fast):
    """Print the ratios of time: whole fits, until the paper's best epoch, and until it is as good as the fast one."""
    clock, errors = paper["processor_seconds"].cumsum(), paper["validation_mse"]
    as_good = errors <= fast["validation_mse"].min()
    epochs = {"whole fits": len(paper) - 1, "up to the best epoch, without the wait of patience": errors.idxmin()}
    for words, epoch in epochs.items():
        print(f"time of the paper's recipe over that of one cycle, {words}: {ratio(clock[epoch], fast):.1f}")
    reached = f"{ratio(clock[as_good.idxmax()], fast):.1f}" if as_good.any() else "never reached"
    print(f"until its validation error is as small as that of one cycle: {reached}")


def ratio(seconds, fast):
    """Return seconds over the time of a fit."""
    return seconds / fast["processor_seconds"].sum()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soils", type=int, default=3000)
    parser.add_argument("--table", help="spectral table of reflectance with ph, instead of simulated soils")
    parser.add_argument("--epochs", type=int, default=PAPER.max_epochs, help="of the paper's recipe at most")
    parser.add_argument("--folder", help="keeps the state of a fit")
    options = parser.parse_args()
    torch.set_num_threads(1)
    soils = read_table(options.table, "nm", "reflectance") if options.table else simulate_lucas(options.soils)
    X, y = np.log(soils.spectra), soils.properties["ph"].to_numpy()
    sides = [(X[rows], y[rows]) for rows in random_rounds(len(y), 1, random_state=0)[0]]
    print(f"{len(sides[0][1])} soils to train and validate, {len(sides[1][1])} to test")
    plain = replace(ONE_CYCLE, name="one cycle, float32", bfloat16=False, max_epochs=3, patience=3)
    slow_steps, _ = run(plain, *sides)
    fast, fast_r2 = run(ONE_CYCLE, *sides, options.folder)
    paper, paper_r2 = run(replace(PAPER, max_epochs=options.epochs), *sides, options.folder)
    steps = slow_steps["processor_seconds"].median() / fast["processor_seconds"].median()
    print(f"\ntest R2, one cycle less paper: {fast_r2 - paper_r2:+.4f}")
    print(f"time of an epoch, float32 over bfloat16: {steps:.2f}")
    compare(paper, fast)
