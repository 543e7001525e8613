"""Do the figures that the Gejiu study reports agree with each other?

Each function of CHECKS takes the published values by id (data/published/gejiu.yml) and returns the figures that the
entry of the same name under `inconsistencies` puts into its text.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.optimize import linprog, minimize
from scipy.stats import binom

from spectrakit.simulate.reflectance import band_table

DIRECT = ("resnet_pb", "pls_pb", "svm_pb")
LOGARITHM_ROWS = (*DIRECT, "resnet_ph_pb")
ROWS = ("resnet_ph", *LOGARITHM_ROWS, "resnet_ph_pb.boxcox")
HALF_OF_LAST_PLACE = 0.005  # R2, RMSE and RPD are printed to two places
NANOMETRE_CM = 1e7  # nm times cm-1
# Bending of the H-O-H angle in liquid water, in cm-1. Source: Hale & Querry 1973.
WATER_BENDING_CM = 1640
CONTENTS = 200  # steps of the grid of lead contents, from the lowest to the highest, even in the logarithm
KURTOSIS_OF_NORMAL = 3


def rpd_identity(published):
    """RPD as R2 and the size of the test set imply it, what is printed over it, and whether rounding explains it.

    RPD = sqrt(n / (n - 1)) / sqrt(1 - R2), where the deviation has n - 1 below it and R2 has not.
    """
    figures, explained = {}, []
    for row in ROWS:
        implied = [_implied_rpd(published, row, shift) for shift in (-HALF_OF_LAST_PLACE, 0, HALF_OF_LAST_PLACE)]
        rpd = _value(published, f"rpd.{row}")
        if rpd + HALF_OF_LAST_PLACE >= implied[0] and rpd - HALF_OF_LAST_PLACE <= implied[2]:
            explained.append(row)
        figures |= {_key(row): implied[1], f"{_key(row)}_excess": 100 * (rpd / implied[1] - 1)}
    return figures | {"explained": len(explained), "rows": len(ROWS)}


def scatter_of_rounds(published):
    """Deviation of R2 between rounds for which the mean RPD is what it is, see `_scatter`."""
    return {_key(row): _scatter(published, row) for row in LOGARITHM_ROWS}


def boxcox_row(published):
    """R2 and RPD of the Box-Cox row translated into each other, and the scatter of R2 that would reconcile them."""
    row = "resnet_ph_pb.boxcox"
    n, rpd = _value(published, "samples.gejiu.test"), _value(published, f"rpd.{row}")
    figures = {"r2": _value(published, f"r2.{row}"), "rpd": rpd, "implied_rpd": _implied_rpd(published, row)}
    figures |= {"implied_r2": 1 - n / (n - 1) / rpd**2, "scatter": _scatter(published, row)}
    return figures | {"log_r2": _value(published, "r2.resnet_ph_pb"), "log_rpd": _value(published, "rpd.resnet_ph_pb")}


def implied_spread(published):
    """Standard deviation of the target that each row implies, by RMSE x RPD and by RMSE / sqrt(1 - R2)."""
    by_rpd = {_key(row): _spread_by_rpd(published, row) for row in ROWS}
    by_r2 = {f"{_key(row)}_r2": _spread_by_r2(published, row) for row in ROWS}
    return by_rpd | by_r2 | {"ph_printed": _value(published, "stat.ph.sd")}


def natural_logarithms(published):
    """Limits of the spread of ln Pb and log10 Pb among all distributions of the published statistics."""
    contents = _contents(published)
    low, high = _spread_limits(published, np.log(contents))
    rmse = {f"rmse_{row}": _value(published, f"rmse.{row}") for row in LOGARITHM_ROWS}
    factors = {f"factor_{row}": np.exp(_value(published, f"rmse.{row}")) for row in LOGARITHM_ROWS}
    spreads = [spread(published, row) for row in LOGARITHM_ROWS for spread in (_spread_by_rpd, _spread_by_r2)]
    figures = {"low": low, "high": high, "low_10": low / np.log(10), "high_10": high / np.log(10)}
    return figures | rmse | factors | {"spread_low": min(spreads), "spread_high": max(spreads)}


def boxcox_exponent(published):
    """The Box-Cox exponent that the spread of the Box-Cox row implies, and what its error is in logarithms.

    Pb is the distribution of most entropy, over ln Pb, that has the published statistics. `limits` need no such
    assumption: for exponents outside them no distribution of these statistics has that spread.
    """
    row, contents = "resnet_ph_pb.boxcox", _contents(published)
    probabilities = _entropic(published)
    exponents = np.arange(-0.6, 0.01, 0.005)
    scales = [_boxcox(contents, exponent) for exponent in exponents]
    spreads = np.array([_weighted_spread(probabilities, scale) for scale in scales])
    by_rpd, by_r2 = _spread_by_rpd(published, row), _spread_by_r2(published, row)
    exponent, exponent_r2 = np.interp([by_rpd, by_r2], spreads, exponents)
    coarse = exponents[::10]
    limits = np.log([_spread_limits(published, scale) for scale in scales[::10]])
    # The likelihood of Box-Cox's own choice: normal residuals and the Jacobian of the power.
    likelihood = -np.log(spreads) + (exponents - 1) * (probabilities @ np.log(contents))
    median, rmse = _value(published, "stat.pb.median"), _value(published, f"rmse.{row}")
    return {
        "by_rpd": by_rpd,
        "by_r2": by_r2,
        "exponent": exponent,
        "exponent_r2": exponent_r2,
        "lowest": np.interp(np.log(by_rpd), limits[:, 1], coarse),
        "highest": np.interp(np.log(by_rpd), limits[:, 0], coarse),
        "likeliest": exponents[likelihood.argmax()],
        "rmse": rmse,
        "median": median,
        "rmse_log": rmse / median**exponent,
        "printed_log": _value(published, "rmse.resnet_ph_pb"),
    }


def differences(published):
    """The five differences of R2 that the text states, recomputed, and the largest departure."""
    stated = {entry_id: entry for entry_id, entry in published.items() if entry_id.startswith("difference.")}
    found = {entry_id: _difference(published, entry_id) for entry_id in stated}
    worst = max(abs(found[entry_id] - entry["value"]) for entry_id, entry in stated.items())
    values = _list(f"{entry['value']:.2f}" for entry in stated.values())
    highest = max(_value(published, f"r2.{model}") for model in DIRECT)
    return {"count": len(stated), "stated": values, "worst": worst, "highest": highest}


def literature_range(published):
    """The direct models beside the range that earlier studies reached."""
    low, high = _value(published, "quoted.typical")
    r2 = [_value(published, f"r2.{model}") for model in DIRECT]
    return {"low": low, "high": high, "worst": min(r2), "best": max(r2), "short": low - max(r2)}


def standard_errors(published):
    """Standard errors of R2 on the test soils of one round and on all soils, and what they make of differences.

    That of a squared correlation of n normal pairs is 2 r (1 - r2) / sqrt(n).
    """
    test, soils = _value(published, "samples.gejiu.test"), _value(published, "samples.gejiu")
    figures = {"test": test, "soils": soils}
    for row in LOGARITHM_ROWS:
        r2 = _value(published, f"r2.{row}")
        spread = 2 * np.sqrt(r2) * (1 - r2)
        figures |= {f"{row}_test": spread / np.sqrt(test), f"{row}_soils": spread / np.sqrt(soils)}
    for name, other in (("gain", "resnet_ph_pb"), ("direct", "pls_pb")):
        figures[name] = abs(_value(published, f"r2.{other}") - _value(published, "r2.svm_pb"))
        for part in ("test", "soils"):
            error = np.hypot(figures[f"svm_pb_{part}"], figures[f"{other}_{part}"])
            figures[f"{name}_{part}"] = figures[name] / error
    return figures


def rpd_classes(published):
    """The R2 at which the classes of RPD begin, the classes of the rows, and that of Box-Cox by its R2."""
    limits = {name: _value(published, f"rpd.{name}") for name in ("acceptable", "superior")}
    n = _value(published, "samples.gejiu.test")
    figures = limits | {f"r2_{name}": 1 - n / (n - 1) / limit**2 for name, limit in limits.items()}
    figures |= {_key(row): _rpd_class(limits, _value(published, f"rpd.{row}")) for row in ROWS}
    return figures | {"boxcox_by_r2": _rpd_class(limits, _implied_rpd(published, "resnet_ph_pb.boxcox"))}


def kurtosis_definition(published):
    """The least kurtosis that the skewness allows, and the largest skewness of so many samples."""
    skewness, n = _value(published, "stat.pb.skewness"), _value(published, "samples.gejiu")
    return {
        "skewness": skewness,
        "kurtosis": _value(published, "stat.pb.kurtosis"),
        "least": skewness**2 + 1,
        "excess": skewness**2 + 1 - KURTOSIS_OF_NORMAL,
        "most_skewed": (n - 2) / np.sqrt(n - 1),
    }


def moments(published):
    """Coefficient of variation, mean less median, and the largest deviation that range and mean allow."""
    figures = {}
    for target in ("ph", "pb"):
        lowest, highest, mean, median, sd = (
            _value(published, f"stat.{target}.{name}") for name in ("min", "max", "mean", "median", "sd")
        )
        figures |= {f"{target}_cv": sd / mean, f"{target}_apart": abs(mean - median), f"{target}_sd": sd}
        figures[f"{target}_largest"] = np.sqrt((highest - mean) * (mean - lowest))
    return figures


def near_normal(published):
    """The excess kurtosis of pH in standard errors from a normal one, beside a uniform one."""
    kurtosis, n = _value(published, "stat.ph.kurtosis"), _value(published, "samples.lucas")
    return {"kurtosis": kurtosis, "errors": abs(kurtosis) / np.sqrt(24 / n), "uniform": -1.2, "n": n}


def variability_of_ph(published):
    """What a deviation and the range of pH are as factors of the hydrogen ion's activity."""
    lowest, highest, sd, cv = (_value(published, f"stat.ph.{name}") for name in ("min", "max", "sd", "cv"))
    return {"sd": sd, "cv": cv, "factor": 10**sd, "millions": 10 ** (highest - lowest) / 1e6}


def early_stopping(published):
    """What the split leaves for a validation set, and what a fifth of the training set would be."""
    train, fifth = _value(published, "samples.gejiu.train"), 0.2
    left = 100 - _value(published, "split.train") - _value(published, "split.test")
    held = round(fifth * train)
    return {"left": left, "train": train, "held": held, "fitted": train - held}


def split_counts(published):
    """Training shares of both domains in samples, and how scikit-learn would round that of Gejiu."""
    share, n = _value(published, "split.train") / 100, _value(published, "samples.gejiu")
    lucas = _value(published, "samples.lucas")
    test = int(np.ceil((1 - share) * n))
    train = _value(published, "samples.gejiu.train")
    return {"lucas": share * lucas, "gejiu": share * n, "train": train, "library_train": n - test, "library_test": test}


def network_size(published):
    """Lengths along the network and its parameters, with padding, and kernels of 3 where none is stated."""
    filters, kernel = _value(published, "network.convolution.filters"), _value(published, "network.convolution.kernel")
    last, dense = _value(published, "network.last_convolution.filters"), _value(published, "network.dense")
    pooled = _value(published, "spectra.channels") // _value(published, "network.average_pooling")
    length = pooled // _value(published, "network.max_pooling")
    widths = [length * last, *dense, _value(published, "network.outputs")]
    tuned = sum((before + 1) * after for before, after in pairwise(widths))
    # Two convolutions a block; batch normalisation as stated, once.
    blocks = 2 * _value(published, "network.residual_blocks") * filters * (filters * kernel + 1)
    frozen = filters * (kernel + 1) + 2 * filters + blocks + last * (filters * kernel + 1)
    train = _value(published, "samples.gejiu.train")
    figures = {"channels": _value(published, "spectra.channels"), "pooled": pooled, "length": length}
    return figures | {"tuned": tuned, "frozen": frozen, "train": train, "each": tuned / train, "flat": widths[0]}


def batch_normalisation(published):
    """Numbers that the batch normalisation learns, and those that it keeps of the data."""
    filters = _value(published, "network.convolution.filters")
    return {"learned": 2 * filters, "kept": 2 * filters}


def relu_output(published):
    """The lowest value of each target."""
    lead = _value(published, "stat.pb.min")
    return {"ph": _value(published, "stat.ph.min"), "pb": lead, "log": np.log(lead)}


def spectra_counts(published):
    """Channels of both instruments and of the range that was kept."""
    kept = _value(published, "spectra.range")
    gejiu = np.ptp(_value(published, "gejiu.range")) // _value(published, "gejiu.step") + 1
    excluded = np.ptp(_value(published, "gejiu.excluded")) + 1
    figures = {"kept": np.ptp(kept) // _value(published, "spectra.step") + 1, "gejiu": gejiu, "excluded": excluded}
    return figures | {"left": gejiu - excluded, "last": _value(published, "gejiu.range")[1]}


def shap_background(published):
    """Shares of the sets that background and explained soils are, in per cent."""
    lucas_train, lucas_test = (_value(published, f"samples.lucas.{part}") for part in ("train", "test"))
    test, background = _value(published, "samples.gejiu.test"), _value(published, "shap.background.pb")
    return {
        "background": background,
        "test": test,
        "own": 100 * test / background,
        "ph_train": 100 * _value(published, "shap.background.ph") / lucas_train,
        "ph_test": 100 * _value(published, "shap.explained.ph") / lucas_test,
    }


def pooling_windows(published):
    """The pooling window of each named wavelength, and how many windows they are."""
    peaks = _peaks(published).drop_duplicates("nm").sort_values("nm")
    windows = peaks["window"].map(lambda low: f"{low}-{low + _value(published, 'network.average_pooling') - 1}")
    named = _list(f"{nm} nm in {window}" for nm, window in zip(peaks["nm"], windows, strict=True))
    return {"width": _value(published, "network.average_pooling"), "windows": named, "count": windows.nunique()}


def pooling_edges(published):
    """How many named wavelengths are the first or the last of their pooling window, and by chance."""
    width = _value(published, "network.average_pooling")
    peaks = _peaks(published).drop_duplicates("nm")
    within = peaks["nm"] - peaks["window"]
    edge = within.isin((0, width - 1))
    return {
        "edge": int(edge.sum()),
        "count": len(peaks),
        "first": int((within == 0).sum()),
        "last": int((within == width - 1).sum()),
        "inside": _list(f"{nm} nm" for nm in peaks.loc[~edge, "nm"]),
        "chance": binom.sf(edge.sum() - 1, len(peaks), 2 / width),
        "expected": len(peaks) * 2 / width,
    }


def new_wavelengths(published):
    """New wavelengths of lead in a window beside one that is named for pH."""
    peaks, width = _peaks(published), _value(published, "network.average_pooling")
    ph, new = peaks[peaks["of"] == "pH"], peaks[peaks["status"] == "new"]
    pairs = [
        f"{lead.nm} beside {source.nm}"
        for lead in new.itertuples()
        for source in ph.itertuples()
        if abs(lead.window - source.window) == width
    ]
    return {"pairs": _list(pairs), "beside": len(pairs), "new": len(new)}


def retained_wavelengths(published):
    """Retained wavelengths that are, and are not, named for pH."""
    peaks = _peaks(published)
    ph = set(peaks.loc[peaks["of"] == "pH", "nm"])
    retained = peaks.loc[peaks["status"] == "retained", "nm"]
    named = _list(f"{nm} nm" for nm in retained if nm in ph)
    missing = [nm for nm in retained if nm not in ph]
    nearest = min((abs(nm - other), other) for nm in missing for other in ph)[1]
    return {"named": named, "missing": _list(f"{nm} nm" for nm in missing), "nearest": nearest}


def shared_bands(published):
    """Named wavelengths inside the two bands called shared, and which lie outside."""
    bands = [published[f"order.band.{name}.ph"]["band"] for name in ("550_750", "1600_1700")]
    peaks = _peaks(published)
    peaks["inside"] = np.any([peaks["nm"].between(*band) for band in bands], axis=0)
    width = sum(np.ptp(band) for band in bands)
    figures = {"share": 100 * width / np.ptp(_value(published, "spectra.range")), "lowest": peaks["nm"].min()}
    for target, group in peaks.groupby("of"):
        outside = _list(str(nm) for nm in group.loc[~group["inside"], "nm"])
        figures |= {f"{target.lower()}_inside": int(group["inside"].sum()), f"{target.lower()}_count": len(group)}
        figures[f"{target.lower()}_outside"] = outside
    return figures


def literature_bands(published):
    """How the shared bands lie to those quoted, and how many named wavelengths are in the quoted ones."""
    quoted = [entry["value"] for entry_id, entry in published.items() if entry_id.startswith("quoted.band.")]
    visible, infrared = (published[f"order.band.{name}.pb"]["band"] for name in ("550_750", "1600_1700"))
    peaks = _peaks(published).drop_duplicates("nm")["nm"]
    overlap = min(visible[1], quoted[0][1]) - max(visible[0], quoted[0][0])
    gap = min(max(low - infrared[1], infrared[0] - high) for low, high in quoted)
    beyond = sum(int(peaks.between(*band).sum()) for band in quoted[1:])
    return {"overlap": overlap, "width": np.ptp(visible), "gap": gap, "beyond": beyond, "highest": peaks.max()}


def assignments(published):
    """Nearest bands of what 919, 959, 1639 and 1670 nm are laid to, and of goethite and water to the first two."""
    figures = {}
    for nm, constituent in ((919, "clay"), (959, "carbonate"), (1639, "water"), (1670, "organic_matter")):
        figures[f"{constituent}_band"] = _nearest(published[f"band_distance.{nm}.{constituent}"])["centre_nm"]
    bands = _bands()
    for constituent in ("goethite", "water"):
        centres = bands.loc[bands["constituent"] == constituent, "centre_nm"]
        figures |= {f"{constituent}_{nm}": centres.loc[(centres - nm).abs().idxmin()] for nm in (919, 959)}
    return figures


def water_bending(published):
    """The named wavelength of water as a wavenumber, and its bending vibration as a wavelength."""
    nm, bend = published["band_distance.1639.water"]["band"][0], WATER_BENDING_CM
    return {"nm": nm, "wavenumber": NANOMETRE_CM / nm, "bend": bend, "bend_nm": NANOMETRE_CM / bend}


def band_distances(published):
    """Distance in nm from each wavelength or range to the nearest band of what it is laid to, by entry id.

    The bands are those of data/bands/visnir.csv without edges and the wings of fundamentals; where an entry states an
    `assignment`, only bands whose assignment names it. A band reaches as far as half its height, so that the distance
    is 0 where the two overlap.
    """
    entries = {name: entry for name, entry in published.items() if name.startswith("band_distance.")}
    return {name: float(_nearest(entry)["distance"]) for name, entry in entries.items()}


CHECKS = {
    check.__name__: check
    for check in (
        rpd_identity,
        scatter_of_rounds,
        boxcox_row,
        implied_spread,
        natural_logarithms,
        boxcox_exponent,
        differences,
        literature_range,
        standard_errors,
        rpd_classes,
        kurtosis_definition,
        moments,
        near_normal,
        variability_of_ph,
        early_stopping,
        split_counts,
        network_size,
        batch_normalisation,
        relu_output,
        spectra_counts,
        shap_background,
        pooling_windows,
        pooling_edges,
        new_wavelengths,
        retained_wavelengths,
        shared_bands,
        literature_bands,
        assignments,
        water_bending,
    )
}


def _value(published, entry_id):
    return published[entry_id]["value"]


def _key(row):
    return row.replace(".", "_")


def _list(items):
    return ", ".join(items)


def _implied_rpd(published, row, shift=0.0):
    n = _value(published, "samples.lucas.test" if row == "resnet_ph" else "samples.gejiu.test")
    return np.sqrt(n / (n - 1) / (1 - _value(published, f"r2.{row}") - shift))


def _scatter(published, row):
    """Deviation of R2 between rounds at which the mean of RPD exceeds the RPD of the mean R2 as printed.

    With 1 - R2 log-normal of log variance v, that excess is the factor exp(3 v / 8).
    """
    excess = max(_value(published, f"rpd.{row}") / _implied_rpd(published, row), 1)
    return (1 - _value(published, f"r2.{row}")) * np.sqrt(excess ** (8 / 3) - 1)


def _spread_by_rpd(published, row):
    return _value(published, f"rmse.{row}") * _value(published, f"rpd.{row}")


def _spread_by_r2(published, row):
    return _value(published, f"rmse.{row}") / np.sqrt(1 - _value(published, f"r2.{row}"))


def _difference(published, entry_id):
    _, model, other = entry_id.split(".")
    return _value(published, f"r2.{model}") - _value(published, f"r2.{other}")


def _rpd_class(limits, rpd):
    if rpd < limits["acceptable"]:
        return "inadequate"
    return "acceptable" if rpd < limits["superior"] else "superior"


def _peaks(published):
    width, start = _value(published, "network.average_pooling"), _value(published, "spectra.range")[0]
    peaks = pd.DataFrame(
        {"of": entry["element"], "status": entry["status"], "nm": entry["value"]}
        for entry in published.values()
        if entry["kind"] == "wavelength"
    )
    return peaks.assign(window=peaks["nm"] - (peaks["nm"] - start) % width)


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
    lowest, highest, median = (_value(published, f"stat.pb.{name}") for name in ("min", "max", "median"))
    return np.unique([*np.geomspace(lowest, highest, CONTENTS), median])


def _conditions(published):
    """What the published statistics demand of the mean over the grid: rows of functions, and their means.

    In units of the deviation from the mean, the powers 1 to 4 have the means 0, 1, skewness and kurtosis.
    """
    mean, sd, skewness, excess = (_value(published, f"stat.pb.{n}") for n in ("mean", "sd", "skewness", "kurtosis"))
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
    median, slack = _value(published, "stat.pb.median"), 0.02 * means[2:]
    halves = np.array([contents <= median, contents >= median], dtype=float)
    at_most = np.vstack([functions[2:], -functions[2:], -halves])
    limits = np.concatenate([means[2:] + slack, slack - means[2:], [-0.5, -0.5]])
    exactly, right = np.vstack([np.ones_like(contents), functions[:2]]), [1, *means[:2]]
    lower = np.zeros_like(contents)
    lower[[0, -1]] = 1 / _value(published, "samples.gejiu")  # the lowest and the highest content are samples
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
    below = (_contents(published) <= _value(published, "stat.pb.median")) - 0.5
    rows = np.vstack([functions - means[:, None], below])
    rows /= np.abs(rows).max(axis=1, keepdims=True)

    def dual(multipliers):
        exponent = multipliers @ rows
        weights = np.exp(exponent - exponent.max())
        return exponent.max() + np.log(weights.sum()), rows @ weights / weights.sum()

    exponent = minimize(dual, np.zeros(len(rows)), jac=True, method="BFGS", options={"gtol": 1e-8}).x @ rows
    weights = np.exp(exponent - exponent.max())
    return weights / weights.sum()


def _boxcox(contents, exponent):
    return np.log(contents) if abs(exponent) < 1e-9 else (contents**exponent - 1) / exponent


def _weighted_spread(weights, scale):
    weights = weights / weights.sum()
    return np.sqrt(weights @ (scale - weights @ scale) ** 2)
