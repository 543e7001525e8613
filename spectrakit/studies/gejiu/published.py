"""Do the figures that the Gejiu study reports agree with each other?

Each function of CHECKS takes the published values by id (data/published/gejiu.yml) and returns the figures that the
entry of the same name under `inconsistencies` puts into its text, beside values that the text names by their id.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.optimize import linprog, minimize
from scipy.special import boxcox
from scipy.stats import binom

from spectrakit.simulate.soils import band_table
from spectrakit.studies.published import functions_of, value

DIRECT = ("resnet_pb", "pls_pb", "svm_pb")
LOGARITHM_ROWS = [*DIRECT, "resnet_ph_pb"]
ROWS = ("resnet_ph", *LOGARITHM_ROWS, "resnet_ph_pb.boxcox")
BOXCOX = "resnet_ph_pb_boxcox"  # as its figures are named
HALF_OF_LAST_PLACE = 0.005  # R2, RMSE and RPD are printed to two places
NANOMETRE_CM = 1e7  # nm times cm-1
# Bending of the H-O-H angle in liquid water, in cm-1. Source: Hale & Querry 1973.
WATER_BENDING_CM = 1640
CONTENTS = 200  # steps of the grid of lead contents, from the lowest to the highest, even in the logarithm
KURTOSIS_OF_NORMAL = 3


def rpd_identity(published):
    """RPD as R2 and the size of the test set imply it, what is printed over it, and whether rounding explains it."""
    rows = _rows(published)
    low, high = (_rpd(rows["r2"] + shift, rows["n"]) for shift in (-HALF_OF_LAST_PLACE, HALF_OF_LAST_PLACE))
    explained = (rows["rpd"] + HALF_OF_LAST_PLACE >= low) & (rows["rpd"] - HALF_OF_LAST_PLACE <= high)
    excess = 100 * (rows["rpd"] / rows["implied_rpd"] - 1)
    return {**rows["implied_rpd"], **excess.add_suffix("_excess"), "explained": explained.sum(), "rows": len(rows)}


def scatter_of_rounds(published):
    """Deviation of R2 between rounds for which the mean RPD is what it is, see `_rows`."""
    return dict(_rows(published)["scatter"][LOGARITHM_ROWS])


def boxcox_row(published):
    """R2 and RPD of the Box-Cox row translated into each other, and the scatter of R2 that would reconcile them."""
    row = _rows(published).loc[BOXCOX]
    return {**row[["implied_rpd", "scatter"]], "implied_r2": _r2(row["rpd"], row["n"])}


def implied_spread(published):
    """Standard deviation of the target that each row implies, by RMSE x RPD and by RMSE / sqrt(1 - R2)."""
    rows = _rows(published)
    return {**rows["spread_by_rpd"], **rows["spread_by_r2"].add_suffix("_r2")}


def natural_logarithms(published):
    """Limits of the spread of ln Pb and log10 Pb among all distributions of the published statistics."""
    low, high = _spread_limits(published, np.log(_contents(published)))
    rows = _rows(published).loc[LOGARITHM_ROWS]
    spreads = rows[["spread_by_rpd", "spread_by_r2"]].to_numpy()
    figures = {"low": low, "high": high, "low_10": low / np.log(10), "high_10": high / np.log(10)}
    figures |= {"spread_low": spreads.min(), "spread_high": spreads.max()}
    return {**figures, **rows["rmse"].add_prefix("rmse_"), **np.exp(rows["rmse"]).add_prefix("factor_")}


def boxcox_exponent(published):
    """The Box-Cox exponent that the spread of the Box-Cox row implies, and what its error is in logarithms.

    Pb is the distribution of most entropy, over ln Pb, that has the published statistics. `limits` need no such
    assumption: for exponents outside them no distribution of these statistics has that spread.
    """
    row, contents = _rows(published).loc[BOXCOX], _contents(published)
    probabilities = _entropic(published)
    exponents = np.arange(-0.6, 0.01, 0.005)
    scales = [boxcox(contents, exponent) for exponent in exponents]
    spreads = np.array([_weighted_spread(probabilities, scale) for scale in scales])
    by_rpd, by_r2 = row["spread_by_rpd"], row["spread_by_r2"]
    exponent, exponent_r2 = np.interp([by_rpd, by_r2], spreads, exponents)
    coarse = exponents[::10]
    limits = np.log([_spread_limits(published, scale) for scale in scales[::10]])
    # The likelihood of Box-Cox's own choice: normal residuals and the Jacobian of the power.
    likelihood = -np.log(spreads) + (exponents - 1) * (probabilities @ np.log(contents))
    return {
        "by_rpd": by_rpd,
        "by_r2": by_r2,
        "exponent": exponent,
        "exponent_r2": exponent_r2,
        "lowest": np.interp(np.log(by_rpd), limits[:, 1], coarse),
        "highest": np.interp(np.log(by_rpd), limits[:, 0], coarse),
        "likeliest": exponents[likelihood.argmax()],
        "rmse_log": row["rmse"] / value(published, "stat.pb.median") ** exponent,
    }


def differences(published):
    """The differences of R2 that the text states, the largest departure from what is recomputed, the highest R2."""
    stated = {name: value(published, name) for name in published if name.startswith("difference.")}
    r2 = _rows(published)["r2"]
    pairs = {name: name.split(".")[1:] for name in stated}
    worst = max(abs(r2[model] - r2[other] - stated[name]) for name, (model, other) in pairs.items())
    shown = ", ".join(f"{difference:.2f}" for difference in stated.values())
    return {"count": len(stated), "stated": shown, "worst": worst, "highest": r2[list(DIRECT)].max()}


def literature_range(published):
    """The direct models beside the range that earlier studies reached."""
    low, high = value(published, "quoted.typical")
    r2 = _rows(published)["r2"][list(DIRECT)]
    return {"low": low, "high": high, "worst": r2.min(), "best": r2.max(), "short": low - r2.max()}


def standard_errors(published):
    """Standard errors of R2 on the test soils of one round and on all soils, and what they make of differences.

    That of a squared correlation of n normal pairs is 2 r (1 - r2) / sqrt(n).
    """
    r2 = _rows(published)["r2"][LOGARITHM_ROWS]
    gains = {name: abs(r2[other] - r2["svm_pb"]) for name, other in (("gain", "resnet_ph_pb"), ("direct", "pls_pb"))}
    figures = gains.copy()
    for part, n in (("test", value(published, "samples.gejiu.test")), ("soils", value(published, "samples.gejiu"))):
        errors = 2 * np.sqrt(r2) * (1 - r2) / np.sqrt(n)
        figures |= dict(errors.add_suffix(f"_{part}"))
        figures[f"gain_{part}"] = gains["gain"] / np.hypot(errors["svm_pb"], errors["resnet_ph_pb"])
        figures[f"direct_{part}"] = gains["direct"] / np.hypot(errors["svm_pb"], errors["pls_pb"])
    return figures


def rpd_classes(published):
    """The R2 at which the classes of RPD begin, the classes of the rows, and that of Box-Cox by its R2."""
    rows, n = _rows(published), value(published, "samples.gejiu.test")
    limits = {name: value(published, f"rpd.{name}") for name in ("acceptable", "superior")}
    rpd = pd.Series({**rows["rpd"], "boxcox_by_r2": rows.loc[BOXCOX, "implied_rpd"]})
    classes = pd.cut(rpd, [0, *limits.values(), np.inf], right=False, labels=["inadequate", *limits])
    return {**classes, **{f"r2_{name}": _r2(limit, n) for name, limit in limits.items()}}


def kurtosis_definition(published):
    """The least kurtosis that the skewness allows, and the largest skewness of so many samples."""
    least, n = value(published, "stat.pb.skewness") ** 2 + 1, value(published, "samples.gejiu")
    return {"least": least, "excess": least - KURTOSIS_OF_NORMAL, "most_skewed": (n - 2) / np.sqrt(n - 1)}


def moments(published):
    """Coefficient of variation, mean less median, and the largest deviation that range and mean allow."""
    figures = {}
    for target in ("ph", "pb"):
        lowest, highest, mean, median, sd = _statistics(published, target, "min", "max", "mean", "median", "sd")
        figures |= {f"{target}_cv": sd / mean, f"{target}_apart": abs(mean - median)}
        figures[f"{target}_largest"] = np.sqrt((highest - mean) * (mean - lowest))
    return figures


def near_normal(published):
    """The excess kurtosis of pH in standard errors from that of a normal distribution."""
    return {"errors": abs(value(published, "stat.ph.kurtosis")) / np.sqrt(24 / value(published, "samples.lucas"))}


def variability_of_ph(published):
    """What a deviation and the range of pH are as factors of the hydrogen ion's activity."""
    lowest, highest, sd = _statistics(published, "ph", "min", "max", "sd")
    return {"factor": 10**sd, "millions": 10 ** (highest - lowest) / 1e6}


def early_stopping(published):
    """What the split leaves for a validation set, and what a fifth of the training set would be."""
    train = value(published, "samples.gejiu.train")
    held = round(0.2 * train)
    left = 100 - value(published, "split.train") - value(published, "split.test")
    return {"left": left, "held": held, "fitted": train - held}


def split_counts(published):
    """Training shares of both domains in samples, and how scikit-learn would round that of Gejiu."""
    share, n = value(published, "split.train") / 100, value(published, "samples.gejiu")
    test = int(np.ceil((1 - share) * n))
    lucas = share * value(published, "samples.lucas")
    return {"lucas": lucas, "gejiu": share * n, "library_train": n - test, "library_test": test}


def network_size(published):
    """Lengths along the network and its parameters, with padding, and kernels of 3 where none is stated."""
    filters, kernel = value(published, "network.convolution.filters"), value(published, "network.convolution.kernel")
    last, dense = value(published, "network.last_convolution.filters"), value(published, "network.dense")
    pooled = value(published, "spectra.channels") // value(published, "network.average_pooling")
    length = pooled // value(published, "network.max_pooling")
    widths = [length * last, *dense, value(published, "network.outputs")]
    tuned = sum((before + 1) * after for before, after in pairwise(widths))
    # Two convolutions a block; batch normalisation as stated, once.
    blocks = 2 * value(published, "network.residual_blocks") * filters * (filters * kernel + 1)
    frozen = filters * (kernel + 1) + 2 * filters + blocks + last * (filters * kernel + 1)
    each = tuned / value(published, "samples.gejiu.train")
    return {"pooled": pooled, "length": length, "flat": widths[0], "tuned": tuned, "frozen": frozen, "each": each}


def batch_normalisation(published):
    """Numbers that the batch normalisation learns, and those that it keeps of the data."""
    filters = value(published, "network.convolution.filters")
    return {"learned": 2 * filters, "kept": 2 * filters}


def relu_output(published):
    """The lowest value of the logarithm."""
    return {"log": np.log(value(published, "stat.pb.min"))}


def spectra_counts(published):
    """Channels of both instruments and of the range that was kept."""
    first, last = value(published, "gejiu.range")
    gejiu = (last - first) // value(published, "gejiu.step") + 1
    excluded = np.ptp(value(published, "gejiu.excluded")) + 1
    kept = np.ptp(value(published, "spectra.range")) // value(published, "spectra.step") + 1
    return {"kept": kept, "gejiu": gejiu, "excluded": excluded, "left": gejiu - excluded, "last": last}


def shap_background(published):
    """Shares of the sets that background and explained soils are, in per cent."""
    shares = {
        "own": ("samples.gejiu.test", "shap.background.pb"),
        "ph_train": ("shap.background.ph", "samples.lucas.train"),
        "ph_test": ("shap.explained.ph", "samples.lucas.test"),
    }
    return {name: 100 * value(published, part) / value(published, whole) for name, (part, whole) in shares.items()}


def pooling_windows(published):
    """The pooling window of each named wavelength, and how many windows they are."""
    peaks, width = _peaks(published).drop_duplicates("nm").sort_values("nm"), _width(published)
    named = (f"{peak.nm} nm in {peak.window}-{peak.window + width - 1}" for peak in peaks.itertuples())
    return {"windows": ", ".join(named), "count": peaks["window"].nunique()}


def pooling_edges(published):
    """How many named wavelengths are the first or the last of their pooling window, and by chance."""
    peaks, width = _peaks(published).drop_duplicates("nm"), _width(published)
    within = peaks["nm"] - peaks["window"]
    first, last = (within == 0).sum(), (within == width - 1).sum()
    return {
        "edge": first + last,
        "count": len(peaks),
        "first": first,
        "last": last,
        "inside": _nm(peaks.loc[within.between(1, width - 2), "nm"]),
        "chance": binom.sf(first + last - 1, len(peaks), 2 / width),
        "expected": len(peaks) * 2 / width,
    }


def new_wavelengths(published):
    """New wavelengths of lead in a window beside one that is named for pH."""
    peaks = _peaks(published)
    new = peaks[peaks["status"] == "new"]
    pairs = new.merge(peaks[peaks["of"] == "pH"], how="cross", suffixes=("", "_ph"))
    pairs = pairs[(pairs["window"] - pairs["window_ph"]).abs() == _width(published)]
    named = ", ".join(f"{pair.nm} beside {pair.nm_ph}" for pair in pairs.itertuples())
    return {"pairs": named, "beside": len(pairs), "new": len(new)}


def retained_wavelengths(published):
    """Retained wavelengths that are, and are not, named for pH."""
    peaks = _peaks(published)
    ph, retained = peaks.loc[peaks["of"] == "pH", "nm"], peaks.loc[peaks["status"] == "retained", "nm"]
    missing = retained[~retained.isin(ph)]
    nearest = min((abs(nm - other), other) for nm in missing for other in ph)[1]
    return {"named": _nm(retained[retained.isin(ph)]), "missing": _nm(missing), "nearest": nearest}


def shared_bands(published):
    """Named wavelengths inside the two bands called shared, and which lie outside."""
    bands, peaks = _shared(published, "ph"), _peaks(published)
    inside = np.any([peaks["nm"].between(*band) for band in bands], axis=0)
    share = 100 * sum(np.ptp(band) for band in bands) / np.ptp(value(published, "spectra.range"))
    figures = {"share": share, "lowest": peaks["nm"].min()}
    for target, group in peaks.assign(inside=inside).groupby(peaks["of"].str.lower()):
        figures |= {f"{target}_inside": group["inside"].sum(), f"{target}_count": len(group)}
        figures[f"{target}_outside"] = ", ".join(str(nm) for nm in group.loc[~group["inside"], "nm"])
    return figures


def literature_bands(published):
    """How the shared bands lie to those quoted, and how many named wavelengths are in the quoted ones."""
    quoted = [value(published, name) for name in published if name.startswith("quoted.band.")]
    visible, infrared = _shared(published, "pb")
    peaks = _peaks(published).drop_duplicates("nm")["nm"]
    overlap = min(visible[1], quoted[0][1]) - max(visible[0], quoted[0][0])
    gap = min(max(low - infrared[1], infrared[0] - high) for low, high in quoted)
    beyond = sum(peaks.between(*band).sum() for band in quoted[1:])
    return {"overlap": overlap, "width": np.ptp(visible), "gap": gap, "beyond": beyond, "highest": peaks.max()}


def assignments(published):
    """Nearest bands of what 919, 959, 1639 and 1670 nm are laid to, and of goethite and water to the first two."""
    laid_to = ((919, "clay"), (959, "carbonate"), (1639, "water"), (1670, "organic_matter"))
    figures = {f"{of}_band": _nearest(published[f"band_distance.{nm}.{of}"])["centre_nm"] for nm, of in laid_to}
    bands = _bands()
    for constituent in ("goethite", "water"):
        centres = bands.loc[bands["constituent"] == constituent, "centre_nm"]
        figures |= {f"{constituent}_{nm}": centres.loc[(centres - nm).abs().idxmin()] for nm in (919, 959)}
    return figures


def water_bending(published):
    """The named wavelength of water as a wavenumber, and its bending vibration as a wavelength."""
    nm, bend = published["band_distance.1639.water"]["band"][0], WATER_BENDING_CM
    return {"nm": nm, "wavenumber": NANOMETRE_CM / nm, "bend": bend, "bend_nm": NANOMETRE_CM / bend}


CHECKS = functions_of(vars())  # all that stand above


def band_distances(published):
    """Distance in nm from each wavelength or range to the nearest band of what it is laid to, by entry id.

    The bands are those of data/bands/visnir.csv without edges and the wings of fundamentals; where an entry states an
    `assignment`, only bands whose assignment names it. A band reaches as far as half its height, so that the distance
    is 0 where the two overlap.
    """
    entries = {name: entry for name, entry in published.items() if name.startswith("band_distance.")}
    return {name: float(_nearest(entry)["distance"]) for name, entry in entries.items()}


def _rows(published):
    """What is printed of each model, and what follows from it: DataFrame by model.

    r2, rmse, rpd : as printed; n : size of the test set; implied_rpd : as R2 implies it
    spread_by_rpd, spread_by_r2 : standard deviation of the target, RMSE x RPD and RMSE / sqrt(1 - R2)
    scatter : deviation of R2 between rounds at which the mean of RPD exceeds the RPD of the mean R2 as printed; with
        1 - R2 log-normal of log variance v, that excess is the factor exp(3 v / 8)
    """
    printed = [{name: value(published, f"{name}.{row}") for name in ("r2", "rmse", "rpd")} for row in ROWS]
    rows = pd.DataFrame(printed, index=[row.replace(".", "_") for row in ROWS])
    rows["n"] = value(published, "samples.gejiu.test")
    rows.loc["resnet_ph", "n"] = value(published, "samples.lucas.test")
    rows["implied_rpd"] = _rpd(rows["r2"], rows["n"])
    rows["spread_by_rpd"] = rows["rmse"] * rows["rpd"]
    rows["spread_by_r2"] = rows["rmse"] / np.sqrt(1 - rows["r2"])
    excess = (rows["rpd"] / rows["implied_rpd"]).clip(lower=1)
    rows["scatter"] = (1 - rows["r2"]) * np.sqrt(excess ** (8 / 3) - 1)
    return rows


def _rpd(r2, n):
    """RPD that belongs to an R2 over n samples: the deviation has n - 1 below it, and R2 has not."""
    return np.sqrt(n / (n - 1) / (1 - r2))


def _r2(rpd, n):
    return 1 - n / (n - 1) / rpd**2


def _statistics(published, target, *names):
    return [value(published, f"stat.{target}.{name}") for name in names]


def _width(published):
    return value(published, "network.average_pooling")


def _nm(wavelengths):
    return ", ".join(f"{nm} nm" for nm in wavelengths)


def _shared(published, target):
    return [published[f"order.band.{name}.{target}"]["band"] for name in ("550_750", "1600_1700")]


def _peaks(published):
    """The wavelengths that are named, with the first of their pooling window: DataFrame of, status, nm, window."""
    named = [entry for entry in published.values() if entry["kind"] == "wavelength"]
    peaks = pd.DataFrame({"of": entry["element"], "status": entry["status"], "nm": entry["value"]} for entry in named)
    return peaks.assign(window=peaks["nm"] - (peaks["nm"] - value(published, "spectra.range")[0]) % _width(published))


def _bands():
    bands = band_table()
    return bands[(bands["kind"] != "edge") & ~bands["assignment"].str.startswith("wing")]


def _nearest(entry):
    """The nearest band of what an entry `band_distance` names, with its distance in nm from half its height."""
    bands, (low, high) = _bands(), entry["band"]
    bands = bands[bands["constituent"].isin(entry["constituents"])]
    bands = bands[bands["assignment"].str.contains(entry.get("assignment", ""), regex=False)]
    outside = np.maximum(low - bands["centre_nm"], bands["centre_nm"] - high) - bands["width_nm"] / 2
    return bands.assign(distance=outside.clip(lower=0)).loc[outside.idxmin()]


def _contents(published):
    """Grid of lead contents from the lowest to the highest, the median among them."""
    lowest, highest, median = _statistics(published, "pb", "min", "max", "median")
    return np.unique([*np.geomspace(lowest, highest, CONTENTS), median])


def _conditions(published):
    """What the published statistics demand of the mean over the grid: rows of functions, and their means.

    In units of the deviation from the mean, the powers 1 to 4 have the means 0, 1, skewness and kurtosis.
    """
    mean, sd, skewness, excess = _statistics(published, "pb", "mean", "sd", "skewness", "kurtosis")
    scaled = (_contents(published) - mean) / sd
    return scaled ** np.arange(1, 5)[:, None], np.array([0, 1, skewness, excess + KURTOSIS_OF_NORMAL])


def _spread_limits(published, scale, centres=21):
    """Least and largest standard deviation of a scale of the lead contents among all distributions that have the
    published range, mean, median, standard deviation, skewness and kurtosis, the two last within 2 %.

    A variance is the mean square about the centre for which that is least. So for each of several centres a linear
    programme finds the least, and the largest, mean square; for the largest any centre gives a limit.
    Raises ValueError where no distribution has these statistics.
    """
    contents, (functions, means) = _contents(published), _conditions(published)
    median, slack = value(published, "stat.pb.median"), 0.02 * means[2:]
    halves = np.array([contents <= median, contents >= median], dtype=float)
    at_most = np.vstack([functions[2:], -functions[2:], -halves])
    limits = np.concatenate([means[2:] + slack, slack - means[2:], [-0.5, -0.5]])
    exactly, right = np.vstack([np.ones_like(contents), functions[:2]]), [1, *means[:2]]
    lower = np.zeros_like(contents)
    lower[[0, -1]] = 1 / value(published, "samples.gejiu")  # the lowest and the highest content are samples
    bounds = np.column_stack([lower, np.ones_like(lower)])

    def solve(objective):
        solution = linprog(objective, at_most, limits, exactly, right, bounds, method="highs")
        if not solution.success:
            raise ValueError(f"no distribution has the statistics that are given of lead ({solution.message})")
        return solution

    squares = [(scale - centre) ** 2 for centre in np.linspace(scale.min(), scale.max(), centres)]
    return (
        min(_weighted_spread(solve(square).x, scale) for square in squares),
        np.sqrt(min(-solve(-square).fun for square in squares)),
    )


def _entropic(published):
    """Probabilities of most entropy over the grid, which is even in ln Pb, with the published moments and median."""
    functions, means = _conditions(published)
    below = (_contents(published) <= value(published, "stat.pb.median")) - 0.5
    rows = np.vstack([functions - means[:, None], below])
    rows /= np.abs(rows).max(axis=1, keepdims=True)

    def dual(multipliers):
        exponent = multipliers @ rows
        weights = np.exp(exponent - exponent.max())
        return exponent.max() + np.log(weights.sum()), rows @ weights / weights.sum()

    exponent = minimize(dual, np.zeros(len(rows)), jac=True, method="BFGS", options={"gtol": 1e-8}).x @ rows
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()


def _weighted_spread(weights, scale):
    weights = weights / weights.sum()
    return np.sqrt(weights @ (scale - weights @ scale) ** 2)
