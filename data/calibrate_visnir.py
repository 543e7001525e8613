"""Which tables give simulated soils the pH and the lead of the Gejiu study, and what of the lead can no spectrum know?

    python data/calibrate_visnir.py ph      writes data/soils/lucas_ph.csv, after any change of the pedological model
    python data/calibrate_visnir.py lead    writes data/soils/gejiu_lead.csv
    python data/calibrate_visnir.py share   prints the R2 of PLS and SVM on lead for several shares and seeds

Skewness, excess kurtosis and standard deviation are those of the samples at hand (moments over n, not n - 1), as NumPy
and SciPy give them; the paper does not say which it means. Run by hand (`share` takes minutes).
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from spectrakit.ledger import load_published

TABLES = Path(__file__).parent / "soils"
STATISTICS = ("mean", "sd", "skewness", "kurtosis")
PH_STEP = 0.25
LEAST_SLOPE, LEAST_SLOPE_LEAD = 0.1, 0.02


def published(target):
    """Published statistics of ph or pb, name to value."""
    prefix = f"stat.{target}."
    entries = load_published("gejiu")["entries"]
    return {name.removeprefix(prefix): entry["value"] for name, entry in entries.items() if name.startswith(prefix)}


def moments(values):
    """Mean, standard deviation, skewness and excess kurtosis."""
    mean, sd = values.mean(), values.std()
    scaled = (values - mean) / sd
    return np.array([mean, sd, (scaled**3).mean(), (scaled**4).mean() - 3])


def smoothest(at, start, weights, equalities, least_slope):
    """Values (n,) over places `at` (n,) that fulfil `equalities` (all zero), rise by `least_slope` and bend least.

    start : (n,) values to begin with; weights : (n - 2,) of the squared second derivatives at the inner places
    """
    slope = np.diff(np.eye(len(at)), axis=0) / np.diff(at)[:, None]
    spacing = (at[2:] - at[:-2]) / 2
    bend = np.diff(slope, axis=0) / spacing[:, None]
    penalty = bend.T @ ((weights * spacing)[:, None] * bend)
    result = minimize(
        lambda values: values @ penalty @ values,
        start,
        jac=lambda values: 2 * penalty @ values,
        constraints=[
            {"type": "eq", "fun": equalities},
            {"type": "ineq", "fun": lambda values: slope @ values - least_slope, "jac": lambda values: slope},
        ],
        method="SLSQP",
        options={"maxiter": 1500, "ftol": 1e-9},
    )
    if not result.success or np.abs(equalities(result.x)).max() > 1e-5:
        raise RuntimeError(f"no solution: {result.message}")
    return result.x


def ph_table(n_draws=20, n_soils=100_000):
    """Knots of the smoothest ascending map from the model's pH to the published distribution: DataFrame."""
    from spectrakit.simulate.lucas import N_SAMPLES
    from spectrakit.simulate.soil import EUROPE, draw_soils

    model = np.sort(np.concatenate([draw_soils(n_soils, EUROPE, seed).properties["ph"] for seed in range(n_draws)]))
    knots = np.arange(np.floor(model[0] / PH_STEP), np.ceil(model[-1] / PH_STEP) + 1) * PH_STEP
    wanted = published("ph")
    # In half of all surveys the lowest of N soils lies below this quantile of the population.
    lowest = 1 - 0.5 ** (1 / N_SAMPLES)
    points = np.quantile(model, [lowest, 0.5, 1 - lowest])
    of_points, of_soils = (
        np.column_stack([np.interp(at, knots, unit) for unit in np.eye(len(knots))]) for at in (points, model[::100])
    )

    def equalities(values):
        at_points = of_points @ values - [wanted["min"], wanted["median"], wanted["max"]]
        return np.concatenate([at_points, moments(of_soils @ values) - [wanted[name] for name in STATISTICS]])

    values = smoothest(knots, knots, np.ones(len(knots) - 2), equalities, LEAST_SLOPE)
    return pd.DataFrame({"model_ph": knots, "ph": values.round(4)})


def lead_table(n_samples=130):
    """Lead contents, ascending, with the published statistics and as near to log-normal as these allow: DataFrame.

    Log-normal contents have logarithms that are straight in normal scores; here they bend least, where most soils are.
    """
    wanted = published("pb")
    middle = n_samples // 2

    def equalities(logarithms):
        contents = np.exp(logarithms)
        ends = logarithms[[0, -1]] - np.log([wanted["min"], wanted["max"]])
        median = np.log(contents[middle - 1 : middle + 1].mean() / wanted["median"])
        apart = moments(contents) - [wanted[name] for name in STATISTICS]
        return np.concatenate([ends, [median], apart / [wanted["mean"], wanted["sd"], 1, 1]])

    normal = norm.ppf((np.arange(n_samples) + 0.5) / n_samples)
    quarters = np.linspace(0, n_samples - 1, 5)
    start = np.interp(
        np.arange(n_samples), quarters, np.log([wanted["min"], 110, wanted["median"], 600, wanted["max"]])
    )
    logarithms = smoothest(normal, start, norm.pdf(normal[1:-1]), equalities, LEAST_SLOPE_LEAD)
    return pd.DataFrame({"pb_mg_kg": np.exp(logarithms).round(2)})


def baseline_r2(share, seed, n_rounds=10):
    """Mean R2 of PLS and SVM on the logarithm of lead over random rounds, name to value."""
    from spectrakit.evaluation.metrics import r2
    from spectrakit.evaluation.splits import random_rounds
    from spectrakit.models.baselines import transfer_baselines
    from spectrakit.simulate.gejiu import simulate_gejiu

    soils = simulate_gejiu(random_state=seed, unknown_share=share)
    lead, rounds = (
        np.log(soils.properties["pb_mg_kg"].to_numpy()),
        random_rounds(len(soils), n_rounds, random_state=seed),
    )

    def score(make, number, training, test):
        model = make(random_state=number).fit(soils.spectra[training], lead[training])
        return r2(lead[test], model.predict(soils.spectra[test]))

    return {
        name: np.mean([score(transfer_baselines()[name], i, *sides) for i, sides in enumerate(rounds)])
        for name in ("pls", "svm")
    }


def print_shares(shares, n_seeds):
    """Print R2 of the baselines for each share, seed by seed and on average over the seeds."""
    for share in shares:
        rows = [baseline_r2(share, seed) for seed in range(n_seeds)]
        frame = pd.DataFrame(rows).rename_axis("seed")
        print(
            f"unknown share {share:g}\n{frame.round(3).to_string()}\nmean {frame.mean().round(3).to_dict()}", flush=True
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ph", "lead", "share"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.15, 0.2])
    parser.add_argument("--seeds", type=int, default=8)
    arguments = parser.parse_args()
    if arguments.what == "share":
        print_shares(arguments.shares, arguments.seeds)
    else:
        table, name = (ph_table(), "lucas_ph.csv") if arguments.what == "ph" else (lead_table(), "gejiu_lead.csv")
        table.to_csv(TABLES / name, index=False)
        print(f"{TABLES.name}/{name}: {len(table)} rows")
