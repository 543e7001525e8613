"""The figures of the Gejiu study's checks, computed from its published values (data/published/gejiu.yml)."""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.optimize import linprog, minimize
from scipy.special import boxcox, logsumexp, softmax
from scipy.stats import binom

from spectrakit.studies.gejiu import nearest_band

LOGARITHM_ROWS = ["resnet_pb", "pls_pb", "svm_pb", "resnet_ph_pb"]
ROWS = ["resnet_ph", *LOGARITHM_ROWS, "resnet_ph_pb.boxcox"]
BOXCOX = "resnet_ph_pb_boxcox"  # as its figures are named
HALF_OF_LAST_PLACE = 0.005  # R2, RMSE and RPD are printed to two places
NM_CM = 1e7  # nm times 1/cm
WATER_BENDING_CM = 1640  # H-O-H angle of liquid water, 1/cm. Source: Hale & Querry 1973.
N_CONTENTS, N_CENTRES = 200, 21  # grids of lead contents, and of centres of a mean square
KURTOSIS_OF_NORMAL = 3


def figures(v, entries):
    """Return the figures of every check as {check: {name: figure}}; v : published values by id; entries : in full."""
    rows = printed_rows(v)
    return scores(v, rows) | logarithms(v, rows) | statistics(v) | network(v) | wavelengths(v, entries) | bands(entries)


def printed_rows(v):
    """What is printed of each model, and what follows from it: DataFrame by model."""
    metrics = ("r2", "rmse", "rpd")
    names = [row.replace(".", "_") for row in ROWS]
    rows = pd.DataFrame({metric: [v[f"{metric}.{row}"] for row in ROWS] for metric in metrics}, index=names)
    rows["n"] = [v["samples.lucas.test"]] + [v["samples.gejiu.test"]] * (len(ROWS) - 1)
    rows["implied"] = rpd_of(rows["r2"], rows["n"])
    rows["by_rpd"] = rows["rmse"] * rows["rpd"]
    rows["by_r2"] = rows["rmse"] / np.sqrt(1 - rows["r2"])
    # With 1 - R2 log-normal of log variance s, the mean of RPD is exp(3 s / 8) times the RPD of the mean R2.
    rows["scatter"] = (1 - rows["r2"]) * np.sqrt((rows["rpd"] / rows["implied"]).clip(lower=1) ** (8 / 3) - 1)
    return rows


def rpd_of(r2, n):
    """RPD that belongs to an R2 over n samples: the deviation has n - 1 below it, and R2 has not."""
    return np.sqrt(n / (n - 1) / (1 - r2))


def scores(v, rows):
    """Checks of R2, RMSE and RPD."""
    r2, rpd, n, row = rows["r2"], rows["rpd"], v["samples.gejiu.test"], rows.loc[BOXCOX]
    direct = r2[LOGARITHM_ROWS[:3]]
    low, high = (rpd_of(r2 + shift, rows["n"]) for shift in (-HALF_OF_LAST_PLACE, HALF_OF_LAST_PLACE))
    explained = (rpd + HALF_OF_LAST_PLACE >= low) & (rpd - HALF_OF_LAST_PLACE <= high)
    stated = {tuple(name.split(".")[1:]): v[name] for name in v if name.startswith("difference.")}
    lowest, highest = v["quoted.typical"]
    limits = {name: v[f"rpd.{name}"] for name in ("acceptable", "superior")}
    r2_of = {f"r2_{name}": 1 - (rpd_of(0, n) / limit) ** 2 for name, limit in limits.items()}
    classed = {**rpd, "boxcox_by_r2": row["implied"]}
    classes = pd.cut(list(classed.values()), [0, *limits.values(), np.inf], right=False, labels=["inadequate", *limits])
    return {
        "rpd_identity": rows["implied"].to_dict()
        | (100 * (rpd / rows["implied"] - 1)).add_suffix("_excess").to_dict()
        | {"explained": explained.sum(), "rows": len(rows)},
        "scatter_of_rounds": rows["scatter"][LOGARITHM_ROWS].to_dict(),
        "boxcox_row": {
            "implied_rpd": row["implied"],
            "scatter": row["scatter"],
            "implied_r2": 1 - (rpd_of(0, n) / row["rpd"]) ** 2,
        },
        "implied_spread": {**rows["by_rpd"], **rows["by_r2"].add_suffix("_r2")},
        "differences": {
            "count": len(stated),
            "stated": ", ".join(f"{difference:.2f}" for difference in stated.values()),
            "worst": round(max(abs(r2[model] - r2[other] - value) for (model, other), value in stated.items()), 9),
            "highest": direct.max(),
        },
        "literature_range": {
            "low": lowest,
            "high": highest,
            "worst": direct.min(),
            "best": direct.max(),
            "short": lowest - direct.max(),
        },
        "rpd_classes": dict(zip(classed, classes, strict=True)) | r2_of,
        "standard_errors": standard_errors(r2, n, v["samples.gejiu"]),
    }


def standard_errors(r2, n_test, n_soils):
    """Standard errors of R2 in the test soils and in all soils, and differences of R2 in units of them."""
    gain, direct = r2["resnet_ph_pb"] - r2["svm_pb"], r2["svm_pb"] - r2["pls_pb"]
    test, soils = (2 * np.sqrt(r2) * (1 - r2) / np.sqrt(n) for n in (n_test, n_soils))
    return {
        "gain": gain,
        "direct": direct,
        "svm_pb_test": test["svm_pb"],
        "resnet_ph_pb_test": test["resnet_ph_pb"],
        "gain_test": gain / np.hypot(test["svm_pb"], test["resnet_ph_pb"]),
        "svm_pb_soils": soils["svm_pb"],
        "resnet_ph_pb_soils": soils["resnet_ph_pb"],
        "gain_soils": gain / np.hypot(soils["svm_pb"], soils["resnet_ph_pb"]),
        "direct_soils": direct / np.hypot(soils["svm_pb"], soils["pls_pb"]),
    }


def logarithms(v, rows):
    """Checks of the scale that lead was fitted on, by the limits of its spread and by the entropic distribution."""
    contents, functions, means = lead_conditions(v)
    low, high = spread_limits(v, np.log(contents))
    implied, row = rows.loc[LOGARITHM_ROWS, ["by_rpd", "by_r2"]], rows.loc[BOXCOX]
    exponents = np.arange(-0.6, 0.01, 0.005)
    scales = [boxcox(contents, exponent) for exponent in exponents]
    probabilities = entropic(contents <= v["stat.pb.median"], functions - means[:, None])
    spreads = np.array([weighted_spread(probabilities, scale) for scale in scales])
    exponent, exponent_r2 = np.interp([row["by_rpd"], row["by_r2"]], spreads, exponents)
    limits = np.log([spread_limits(v, scale) for scale in scales[::10]])
    # The likelihood of Box-Cox's own choice: normal residuals and the Jacobian of the power.
    likelihood = -np.log(spreads) + (exponents - 1) * (probabilities @ np.log(contents))
    return {
        "natural_logarithms": {
            "low": low,
            "high": high,
            "low_10": low / np.log(10),
            "high_10": high / np.log(10),
            "spread_low": implied.min(axis=None),
            "spread_high": implied.max(axis=None),
            "factor_svm_pb": np.exp(v["rmse.svm_pb"]),
            "factor_resnet_ph_pb": np.exp(v["rmse.resnet_ph_pb"]),
        },
        "boxcox_exponent": {
            "by_rpd": row["by_rpd"],
            "by_r2": row["by_r2"],
            "exponent": exponent,
            "exponent_r2": exponent_r2,
            "lowest": np.interp(np.log(row["by_rpd"]), limits[:, 1], exponents[::10]),
            "highest": np.interp(np.log(row["by_rpd"]), limits[:, 0], exponents[::10]),
            "likeliest": exponents[likelihood.argmax()],
            "rmse_log": row["rmse"] / v["stat.pb.median"] ** exponent,
        },
    }


def lead_conditions(v):
    """Grid of lead contents (n,), even in the logarithm; four functions of them (4, n), and what their means must be.

    In units of the deviation from the mean, the powers 1 to 4 have the means 0, 1, skewness and kurtosis.
    """
    lowest, highest, median, mean, sd, skewness, excess = (
        v[f"stat.pb.{name}"] for name in ("min", "max", "median", "mean", "sd", "skewness", "kurtosis")
    )
    contents = np.unique([*np.geomspace(lowest, highest, N_CONTENTS), median])
    functions = ((contents - mean) / sd) ** np.arange(1, 5)[:, None]
    return contents, functions, np.array([0, 1, skewness, excess + KURTOSIS_OF_NORMAL])


def spread_limits(v, scale):
    """Least and largest standard deviation of a scale of the lead contents among all distributions that have the
    published range, mean, median, standard deviation, skewness and kurtosis, the two last within 2 %.

    A variance is the mean square about the centre for which that is least. So for each of several centres a linear
    programme finds the least, and the largest, mean square; for the largest any centre gives a limit.
    Raises ValueError where no distribution has these statistics.
    """
    contents, functions, means = lead_conditions(v)
    median, slack = v["stat.pb.median"], 0.02 * means[2:]
    halves = np.array([contents <= median, contents >= median], dtype=float)
    at_most = np.vstack([functions[2:], -functions[2:], -halves])
    limits = np.concatenate([means[2:] + slack, slack - means[2:], [-0.5, -0.5]])
    exactly, right = np.vstack([np.ones_like(contents), functions[:2]]), [1, *means[:2]]
    lower = np.zeros_like(contents)
    lower[[0, -1]] = 1 / v["samples.gejiu"]  # the lowest and the highest content are samples
    bounds = np.column_stack([lower, np.ones_like(lower)])

    def solve(objective):
        solution = linprog(objective, at_most, limits, exactly, right, bounds, method="highs")
        if not solution.success:
            raise ValueError(f"no distribution has the statistics that are given of lead ({solution.message})")
        return solution

    squares = [(scale - centre) ** 2 for centre in np.linspace(scale.min(), scale.max(), N_CENTRES)]
    least = min(weighted_spread(solve(square).x, scale) for square in squares)
    return least, np.sqrt(min(-solve(-square).fun for square in squares))


def entropic(below_median, functions):
    """Probabilities (n,) of most entropy with means of `functions` (4, n) of 0, half of them below the median."""
    rows = np.vstack([functions, below_median - 0.5])
    rows /= np.abs(rows).max(axis=1, keepdims=True)

    def dual(multipliers):
        return logsumexp(multipliers @ rows), rows @ softmax(multipliers @ rows)

    fit = minimize(dual, np.zeros(len(rows)), jac=True, method="BFGS", options={"gtol": 1e-8})
    return softmax(fit.x @ rows)


def weighted_spread(weights, scale):
    """Standard deviation of a scale (n,) under weights (n,)."""
    weights = weights / weights.sum()
    return np.sqrt(weights @ (scale - weights @ scale) ** 2)


def statistics(v):
    """Checks of the statistics of the two targets and of the split."""
    ph, pb = (
        {name: v[f"stat.{target}.{name}"] for name in ("min", "max", "mean", "median", "sd")} for target in ("ph", "pb")
    )
    least, share = v["stat.pb.skewness"] ** 2 + 1, v["split.train"] / 100
    n, n_train = v["samples.gejiu"], v["samples.gejiu.train"]
    n_test, held = int(np.ceil((1 - share) * n)), round(0.2 * n_train)
    moments = {}
    for target, of in (("ph", ph), ("pb", pb)):
        moments |= {f"{target}_cv": of["sd"] / of["mean"], f"{target}_difference": abs(of["mean"] - of["median"])}
        moments[f"{target}_largest"] = np.sqrt((of["max"] - of["mean"]) * (of["mean"] - of["min"]))
    return {
        "kurtosis_definition": {
            "least": least,
            "excess": least - KURTOSIS_OF_NORMAL,
            "most_skewed": (n - 2) / np.sqrt(n - 1),
        },
        "moments": moments,
        "near_normal": {"errors": abs(v["stat.ph.kurtosis"]) / np.sqrt(24 / v["samples.lucas"])},
        "variability_of_ph": {"factor": 10 ** ph["sd"], "millions": 10 ** (ph["max"] - ph["min"]) / 1e6},
        "early_stopping": {"left": 100 - v["split.train"] - v["split.test"], "held": held, "fitted": n_train - held},
        "split_counts": {
            "lucas": share * v["samples.lucas"],
            "gejiu": share * n,
            "library_train": n - n_test,
            "library_test": n_test,
        },
        "relu_output": {"log": np.log(pb["min"])},
    }


def network(v):
    """Checks of channels, layers and parameters, and of the soils behind SHAP values."""
    filters, kernel = v["network.convolution.filters"], v["network.convolution.kernel"]
    last = v["network.last_convolution.filters"]
    pooled = v["spectra.channels"] // v["network.average_pooling"]
    length = pooled // v["network.max_pooling"]
    tuned = sum((before + 1) * after for before, after in pairwise([length * last, *v["network.dense"], 1]))
    # Two convolutions a block; batch normalisation as stated, once.
    blocks = 2 * v["network.residual_blocks"] * filters * (filters * kernel + 1)
    gejiu, excluded = (np.ptp(v[name]) + 1 for name in ("gejiu.range", "gejiu.excluded"))
    return {
        "network_size": {
            "pooled": pooled,
            "length": length,
            "flat": length * last,
            "tuned": tuned,
            "frozen": filters * (kernel + 1) + 2 * filters + blocks + last * (filters * kernel + 1),
            "each": tuned / v["samples.gejiu.train"],
        },
        "batch_normalisation": {"learned": 2 * filters, "kept": 2 * filters},
        "spectra_counts": {
            "kept": np.ptp(v["spectra.range"]) + 1,
            "gejiu": gejiu,
            "excluded": excluded,
            "left": gejiu - excluded,
            "last": v["gejiu.range"][1],
        },
        "shap_background": {
            "pb_test": 100 * v["samples.gejiu.test"] / v["shap.background.pb"],
            "ph_train": 100 * v["shap.background.ph"] / v["samples.lucas.train"],
            "ph_test": 100 * v["shap.explained.ph"] / v["samples.lucas.test"],
        },
    }


def wavelengths(v, entries):
    """Checks of the wavelengths that the SHAP section names; the pooling window of each is known by its first nm."""
    width = v["network.average_pooling"]
    named = [entry for entry in entries.values() if entry["kind"] == "wavelength"]
    peaks = pd.DataFrame({"of": e["element"].lower(), "status": e["status"], "nm": e["value"]} for e in named)
    peaks["place"] = (peaks["nm"] - v["spectra.range"][0]) % width
    peaks["window"] = peaks["nm"] - peaks["place"]
    once = peaks.drop_duplicates("nm").sort_values("nm")
    first, last = (once["place"] == 0).sum(), (once["place"] == width - 1).sum()
    ph, new, retained = peaks[peaks["of"] == "ph"], *(peaks[peaks["status"] == name] for name in ("new", "retained"))
    pairs = new.merge(ph, how="cross", suffixes=("", "_ph"))
    pairs = pairs[(pairs["window"] - pairs["window_ph"]).abs() == width]
    is_named = retained["nm"].isin(ph["nm"])
    missing = retained.loc[~is_named, "nm"].item()
    return {
        "pooling_windows": {
            "windows": ", ".join(f"{p.nm} nm in {p.window}-{p.window + width - 1}" for p in once.itertuples()),
            "count": once["window"].nunique(),
        },
        "pooling_edges": {
            "edge": first + last,
            "count": len(once),
            "first": first,
            "last": last,
            "inside": ", ".join(f"{nm} nm" for nm in once.loc[once["place"].between(1, width - 2), "nm"]),
            "chance": binom.sf(first + last - 1, len(once), 2 / width),
            "expected": len(once) * 2 / width,
        },
        "new_wavelengths": {
            "pairs": ", ".join(f"{pair.nm} beside {pair.nm_ph}" for pair in pairs.itertuples()),
            "beside": len(pairs),
            "new": len(new),
        },
        "retained_wavelengths": {
            "named": f"{retained.loc[is_named, 'nm'].item()} nm",
            "missing": f"{missing} nm",
            "nearest": ph["nm"].iloc[(ph["nm"] - missing).abs().argmin()],
        },
        **shared_bands(v, entries, peaks, once["nm"]),
    }


def shared_bands(v, entries, peaks, once):
    """Checks of the two bands called shared, beside named wavelengths and the bands quoted from earlier studies."""
    visible, infrared = (entries[f"order.band.{name}.ph"]["band"] for name in ("550_750", "1600_1700"))
    quoted = [v[name] for name in v if name.startswith("quoted.band.")]
    peaks = peaks.assign(inside=peaks["nm"].between(*visible) | peaks["nm"].between(*infrared))
    shared = {"share": 100 * (np.ptp(visible) + np.ptp(infrared)) / np.ptp(v["spectra.range"]), "lowest": once.min()}
    for target, group in peaks.groupby("of"):
        shared |= {f"{target}_inside": group["inside"].sum(), f"{target}_count": len(group)}
        shared[f"{target}_outside"] = ", ".join(group.loc[~group["inside"], "nm"].astype(str))
    return {
        "shared_bands": shared,
        "literature_bands": {
            "overlap": min(visible[1], quoted[0][1]) - max(visible[0], quoted[0][0]),
            "width": np.ptp(visible),
            "gap": min(max(low - infrared[1], infrared[0] - high) for low, high in quoted),
            "beyond": sum(once.between(*band).sum() for band in quoted[1:]),
            "highest": once.max(),
        },
    }


def bands(entries):
    """Checks of what the named wavelengths are assigned to."""
    assigned = ((919, "clay"), (959, "carbonate"), (1670, "organic_matter"))
    result = {f"{of}_band": nearest_band(entries[f"band_distance.{nm}.{of}"])["centre_nm"] for nm, of in assigned}
    for nm, constituent in ((919, "goethite"), (959, "water")):
        result[f"{constituent}_{nm}"] = nearest_band({"band": [nm, nm], "constituents": [constituent]})["centre_nm"]
    nm = entries["band_distance.1639.water"]["band"][0]
    bending = {"nm": nm, "wavenumber": NM_CM / nm, "bend": WATER_BENDING_CM, "bend_nm": NM_CM / WATER_BENDING_CM}
    return {"assignments": result, "water_bending": bending}
