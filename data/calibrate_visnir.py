"""Which tables give the simulated soils the pH and the lead that the Gejiu study reports, and which share of lead can no
spectrum know?

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

from spectrakit.ledger import load_published

TABLES = Path(__file__).parent / "soils"
STATISTICS = ("mean", "sd", "skewness", "kurtosis")
PH_STEP = 0.25
LEAST_SLOPE = 0.1
LEAST_STEP = 0.002


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


def smoothest(start, equalities, least_step):
    """Ascending values (n,) with the least sum of squared second differences that fulfil `equalities` (all zero)."""
    second, first = np.diff(np.eye(len(start)), 2, axis=0), np.diff(np.eye(len(start)), axis=0)
    scale = 1 / np.mean(np.diff(start)) ** 2
    result = minimize(
        lambda values: scale * np.sum((second @ values) ** 2),
        start,
        jac=lambda values: 2 * scale * second.T @ (second @ values),
        constraints=[
            {"type": "eq", "fun": equalities},
            {"type": "ineq", "fun": lambda values: first @ values - least_step, "jac": lambda values: first},
        ],
        method="SLSQP",
        options={"maxiter": 1000, "ftol": 1e-9},
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

    values = smoothest(knots, equalities, LEAST_SLOPE * PH_STEP)
    return pd.DataFrame({"model_ph": knots, "ph": values.round(4)})


def lead_table(n_samples=130):
    """Lead contents, ascending: the smoothest logarithms with the published statistics, as a DataFrame."""
    wanted = published("pb")
    middle = n_samples // 2

    def equalities(logarithms):
        contents = np.exp(logarithms)
        ends = logarithms[[0, -1]] - np.log([wanted["min"], wanted["max"]])
        median = np.log(contents[middle - 1 : middle + 1].mean() / wanted["median"])
        apart = moments(contents) - [wanted[name] for name in STATISTICS]
        return np.concatenate([ends, [median], apart / [wanted["mean"], wanted["sd"], 1, 1]])

    places = np.array([0, 0.25, 0.5, 0.75, 1]) * (n_samples - 1)
    start = np.interp(np.arange(n_samples), places, np.log([wanted["min"], 110, wanted["median"], 600, wanted["max"]]))
    return pd.DataFrame({"pb_mg_kg": np.exp(smoothest(start, equalities, LEAST_STEP)).round(2)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ph", "lead"))
    what = parser.parse_args().what
    table, name = (ph_table(), "lucas_ph.csv") if what == "ph" else (lead_table(), "gejiu_lead.csv")
    table.to_csv(TABLES / name, index=False)
    print(f"{TABLES.name}/{name}: {len(table)} rows")
