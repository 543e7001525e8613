"""How the tables of data/soils were made that give simulated soils the pH and the lead of the Gejiu study.

    python -m tools.make.calibrate_visnir ph      writes data/soils/lucas_ph.csv; run after a change of the soil model
    python -m tools.make.calibrate_visnir lead    writes data/soils/gejiu_lead.csv
    python -m tools.make.calibrate_visnir share   prints the R2 of PLS and SVM on lead for several shares and seeds

Skewness, excess kurtosis and standard deviation are moments over n, not n - 1, as in NumPy and SciPy; the paper does
not say which it means. `share` takes minutes.
"""

import argparse

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.stats import norm

from spectrakit.ledger import load_published
from spectrakit.resources import data_path

TABLES = data_path("soils")
STATISTICS = ("mean", "sd", "skewness", "kurtosis")
PH_STEP = 0.1
# The density of pH is sought between these, and made to follow the model's soils between these quantiles of them; at
# either end, two surveys in three do not reach beyond.
PH_AXIS, PH_ENDS = (2.4, 12.0), (2e-5, 1 - 2e-5)
MIN_SLOPE_LEAD = 0.02


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


def smoothest(penalty, start, equal, constraints=(), bounds=None):
    """The x (n,) of least x @ penalty @ x that fulfils constraints of SLSQP, the equality `equal` among them.

    start : x to begin with. Raises RuntimeError where there is no such x.
    """
    result = minimize(
        lambda x: x @ penalty @ x,
        start,
        jac=lambda x: 2 * penalty @ x,
        constraints=[{"type": "eq"} | equal, *constraints],
        bounds=bounds,
        method="SLSQP",
        options={"maxiter": 1500, "ftol": 1e-9},
    )
    if not result.success or np.abs(equal["fun"](result.x)).max() > 1e-5:
        raise RuntimeError(f"no solution: {result.message}")
    return result.x


def smoothest_density(wanted, n_samples):
    """PH, and the share of soils below it, in the smoothest distribution with the published statistics: two arrays.

    wanted : published statistics; n_samples : number of soils in a survey. In half of all surveys the lowest soil lies
    below the published minimum, in half the highest above the maximum. Smoothest: the third derivative of the logarithm
    of density is least, squared and summed, which a normal distribution would have at 0. Source: Silverman 1982.
    """
    knots = np.arange(PH_AXIS[0], PH_AXIS[1] + PH_STEP / 2, PH_STEP)
    fine, spacing = np.linspace(*PH_AXIS, 10 * (len(knots) - 1) + 1, retstep=True)
    of_fine = np.column_stack([np.interp(fine, knots, unit) for unit in np.eye(len(knots))])
    lowest = 1 - 0.5 ** (1 / n_samples)
    scaled = (fine - wanted["mean"]) / wanted["sd"]
    powers = [scaled**power for power in range(5)]
    # A channel of the fine axis that a limit crosses counts by the part of it that lies on this side.
    below = [np.clip((wanted[name] - fine) / spacing + 0.5, 0, 1) for name in ("min", "median", "max")]
    sums = np.array([*powers, below[0] / lowest, below[1], (1 - below[2]) / lowest]) * spacing
    aims = np.array([1, 0, 1, wanted["skewness"], wanted["kurtosis"] + 3, 1, 0.5, 1])
    third = np.diff(np.eye(len(knots)), n=3, axis=0) / PH_STEP**3
    penalty = third.T @ third * PH_STEP
    # Two humps: acid soils, and those that carbonate buffers.
    start = np.log(1e-5 + norm.pdf(knots, 4.8, 0.55) / 2 + norm.pdf(knots, 7.2, 0.55) / 2)
    equal = {
        "fun": lambda logarithms: sums @ np.exp(of_fine @ logarithms) - aims,
        "jac": lambda logarithms: (sums * np.exp(of_fine @ logarithms)) @ of_fine,
    }
    density = np.exp(of_fine @ smoothest(penalty, start, equal, bounds=[(-50, 2)] * len(knots)))
    return fine, (np.cumsum(density) - density / 2) * spacing


def ph_table(n_draws=20, n_soils=100_000):
    """Knots of the ascending map from the model's pH to the smoothest published distribution: DataFrame."""
    from spectrakit.simulate.soils import EUROPE, N_SAMPLES, draw_soils

    model = np.sort(np.concatenate([draw_soils(n_soils, EUROPE, seed).properties["ph"] for seed in range(n_draws)]))
    low, high = np.quantile(model, PH_ENDS) / PH_STEP
    knots = np.arange(np.ceil(low), np.floor(high) + 1) * PH_STEP
    ph, below = smoothest_density(published("ph"), N_SAMPLES)
    values = np.interp(np.searchsorted(model, knots) / len(model), below, ph)
    # Beyond, where hardly a soil lies, the map keeps distances.
    table = pd.DataFrame(
        {"model_ph": [knots[0] - 1, *knots, knots[-1] + 1], "ph": [values[0] - 1, *values, values[-1] + 1]}
    )
    return table.round({"model_ph": 1, "ph": 4})


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
        misfit = moments(contents) - [wanted[name] for name in STATISTICS]
        return np.concatenate([ends, [median], misfit / [wanted["mean"], wanted["sd"], 1, 1]])

    normal = norm.ppf((np.arange(n_samples) + 0.5) / n_samples)
    slope = np.diff(np.eye(n_samples), axis=0) / np.diff(normal)[:, None]
    spacing = (normal[2:] - normal[:-2]) / 2
    bend = np.diff(slope, axis=0) / spacing[:, None]
    penalty = bend.T @ ((norm.pdf(normal[1:-1]) * spacing)[:, None] * bend)
    rises = {"type": "ineq", "fun": lambda logarithms: slope @ logarithms - MIN_SLOPE_LEAD, "jac": lambda _: slope}
    quarters = np.linspace(0, n_samples - 1, 5)
    start = np.interp(
        np.arange(n_samples), quarters, np.log([wanted["min"], 110, wanted["median"], 600, wanted["max"]])
    )
    logarithms = smoothest(penalty, start, {"fun": equalities}, [rises])
    return pd.DataFrame({"pb_mg_kg": np.exp(logarithms).round(2)})


def baseline_r2(share, seed, n_rounds=10):
    """Mean R2 of PLS and SVM on the logarithm of lead over random rounds, name to value."""
    from spectrakit.evaluation import r2, random_rounds
    from spectrakit.models import transfer_baselines
    from spectrakit.simulate.soils import simulate_gejiu

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
