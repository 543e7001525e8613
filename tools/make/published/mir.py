"""The figures of the mid-infrared study's checks, computed from its published values (data/published/mir.yml).

Figures of carbon begin with c, of organic matter with om. Contents and deviations are in g/kg, shares in per cent.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq, root
from scipy.special import gammaln
from scipy.stats import gamma, gennorm, laplace, norm

TARGETS = ("c", "om")
HALF_OF_LAST_PLACE = 0.005  # R2, RMSE and RPIQ are printed to two places
IQR_OF_NORMAL = 2 * norm.ppf(0.75)  # in standard deviations
MAE_OF_NORMAL = np.sqrt(2 / np.pi)  # in RMSE
# Carbon in organic matter, the conventional (van Bemmelen's) share. Source: Pribyl 2010, who finds 0.4 to 0.7.
CARBON_SHARE = 0.58
MAX_CONTENT = {"c": 1000 * CARBON_SHARE, "om": 1000.0}  # g/kg, of pure organic matter
# Minimum carbon of organic soil material, g/kg (Soil Survey Staff 2014). It is also all that pure calcite has.
ORGANIC_SOIL = {"c": 120, "om": 120 / CARBON_SHARE}
CALCITE_CARBON = 120
# Limits of the classes A and B. Source: Chang et al. 2001.
RPD_CLASSES, R2_CLASSES = (1.4, 2.0), (0.5, 0.8)


def figures(v, _):
    """Return the figures of every check as {check: {name: figure}}; v : published values by id."""
    rows = printed_rows(v)
    return counts(v, rows) | spread(rows) | errors(rows) | prediction_sd(rows) | other_target(rows)


def printed_rows(v):
    """What is printed of each target, and what follows at once: DataFrame by target ('c', 'om')."""
    names = {metric: f"{metric}.{{}}" for metric in ("r2", "rmse", "mae", "rpiq")}
    names |= {"printed": "prediction_sd.{}.imputed", "measured": "samples.{}.measured", "imputed": "samples.{}.imputed"}
    rows = pd.DataFrame({name: {t: v[key.format(t)] for t in TARGETS} for name, key in names.items()})
    for end, shift in (("", 0), ("_low", -HALF_OF_LAST_PLACE), ("_high", HALF_OF_LAST_PLACE)):
        unexplained = np.sqrt(1 - rows["r2"] - shift)
        rows[f"sd{end}"] = (rows["rmse"] + shift) / unexplained
        rows[f"iqr{end}"] = (rows["rmse"] + shift) * (rows["rpiq"] + shift)
        rows[f"ratio{end}"] = 1 / unexplained / (rows["rpiq"] - shift)
    rows["rpd"] = 1 / np.sqrt(1 - rows["r2"])
    rows["typical"] = rows["mae"] / MAE_OF_NORMAL
    rows["tail"] = (rows["mae"] / rows["rmse"]).map(tail_exponent)
    lognormals = [lognormal(sd, iqr) for sd, iqr in zip(rows["sd"], rows["iqr"], strict=True)]
    return rows.assign(mu=[mu for mu, _ in lognormals], sigma=[sigma for _, sigma in lognormals])


def by_target(**columns):
    """Columns over the targets as figures: {'c_<name>': ..., 'om_<name>': ...}."""
    return {f"{target}_{name}": column[target] for name, column in columns.items() for target in TARGETS}


def counts(v, rows):
    """Checks of the numbers of samples."""
    measured, imputed, n = rows["measured"], rows["imputed"], v["samples.all"]
    totals = measured + imputed
    both = measured.sum() - totals["c"]
    return {
        "counts": {**totals, "difference": n - totals["c"], "difference_share": 100 * (n - totals["c"]) / n},
        "both_measured": {"both": both} | by_target(share=100 * both / measured),
        "coverage_gain": {"with_c": share_with_carbon(rows)} | by_target(times=1 + imputed / measured),
    }


def share_with_carbon(rows):
    """Share (%) of imputed organic matter beside measured carbon, if all the measured is beside measured carbon."""
    return 100 * (rows["measured"]["c"] - rows["measured"]["om"]) / rows["imputed"]["om"]


def spread(rows):
    """Checks of the spread of contents: its size, its skew, and R2 beside RPIQ."""
    limits = IQR_OF_NORMAL * np.array(RPD_CLASSES)
    skew = {"normal": 1 / IQR_OF_NORMAL, "c_least": least_organic(rows["sd_low"]["c"])}
    for target, row in rows.iterrows():
        highest, organic, uncut = MAX_CONTENT[target], ORGANIC_SOIL[target], row[["mu", "sigma"]]
        cut = lognormal(row["sd"], row["iqr"], highest)
        organic_soils, squares = shares_above(organic, *cut, highest)
        figures = {
            "cut_sigma": cut[1],
            "cut_organic": organic_soils,
            "cut_squares": squares,
            "cut_quartile": quantile(0.25, *cut, highest),
            "sigma": row["sigma"],
            "median": np.exp(row["mu"]),
            "organic": shares_above(organic, *uncut)[0],
            "impossible": shares_above(highest, *uncut)[1],
        } | row[["ratio", "ratio_low", "ratio_high"]].to_dict()
        skew |= {f"{target}_{name}": figure for name, figure in figures.items()}
    return {
        "implied_spread": by_target(**rows[["sd", "sd_low", "sd_high", "iqr", "iqr_low", "iqr_high"]]),
        "skew": skew,
        "r2_beside_rpiq": {"limit_b": limits[0], "limit_a": limits[1]}
        | by_target(
            rpd=rows["rpd"],
            normal_rpiq=IQR_OF_NORMAL * rows["rpd"],
            normal_r2=1 - (IQR_OF_NORMAL / rows["rpiq"]) ** 2,
            class_by_r2=classes(rows["r2"], R2_CLASSES),
            class_by_rpd=classes(rows["rpd"], RPD_CLASSES),
            class_by_rpiq=classes(rows["rpiq"], limits),
        ),
    }


def classes(column, limits):
    """Classes C, B and A of a column by their limits."""
    return pd.cut(column, [-np.inf, *limits, np.inf], right=False, labels=["C", "B", "A"])


def errors(rows):
    """Checks of MAE beside RMSE."""
    return {
        "error_tails": {"normal": MAE_OF_NORMAL, "laplace": 1 / laplace.std(), "normal_largest": largest_share(2)}
        | by_target(
            ratio=rows["mae"] / rows["rmse"],
            typical=rows["typical"],
            varies=100 * np.sqrt((rows["rmse"] / rows["typical"]) ** 2 - 1),
            largest=rows["tail"].map(largest_share),
        ),
        "constraints": by_target(share=share_below(rows["mae"], rows)),
    }


def prediction_sd(rows):
    """Checks of two readings of the printed deviation of predictions."""
    sd, rmse, r2, printed, beyond = (
        rows["sd"],
        rows["rmse"],
        rows["r2"],
        rows["printed"],
        rows["printed"] / rows["rmse"],
    )
    tails = gennorm.sf(beyond, rows["tail"], scale=np.exp(-log_mean(2, rows["tail"]) / 2))
    # RMSE^2 = bias^2 + SD^2 + SDp^2 - 2 r SD SDp, solved for SD with a bias of 0
    squared_sd = np.sqrt(r2) * printed + np.sqrt(rmse**2 - (1 - r2) * printed**2)
    return {
        "prediction_sd": {"om_bias": np.sqrt(rmse["om"] ** 2 - printed["om"] ** 2)}
        | by_target(
            low=rows["sd_low"] - rmse,
            high=rows["sd_high"] + rmse,
            calibrated=np.sqrt(r2) * sd,
            squared_sd=squared_sd,
            squared_r2=1 - (rmse / squared_sd) ** 2,
        ),
        "prediction_sd_per_sample": {"expected": 100 - 200 * norm.sf(1)}
        | by_target(
            typical=rows["typical"],
            times=printed / rows["typical"],
            covered=100 - 200 * beyond.map(norm.sf),
            covered_tails=100 - 200 * pd.Series(tails, rows.index),
        ),
    }


def other_target(rows):
    """Checks of one target beside the other."""
    sd, iqr, mae, factor = rows["sd"], rows["iqr"], rows["mae"], 1 / CARBON_SHARE
    # Where an error of one MAE puts organic matter below carbon, and carbon above organic matter
    below = pd.Series({"c": mae["om"] / (factor - 1), "om": mae["c"] / (1 - CARBON_SHARE)})
    median, times = np.exp(rows["mu"]["c"]), factor * sd["c"] / sd["om"]
    printed, expected = rows["printed"], pd.Series({"c": sd["om"] / factor, "om": sd["c"] * factor})
    carbonate = np.sqrt(printed["c"] ** 2 - expected["c"] ** 2)
    return {
        "prediction_sd_imputed": {
            "c_times": printed["c"] / expected["c"],
            "om_share": 100 * printed["om"] / expected["om"],
            "carbonate": carbonate,
            "calcite": 1000 * carbonate / CALCITE_CARBON,
            "om_least": (sd["c"] - CALCITE_CARBON / 2) / CARBON_SHARE,
            "om_most_r2": 1 - (1 - printed["om"] / expected["om"]) ** 2,
            "with_c": share_with_carbon(rows),
        }
        | by_target(expected=expected),
        "extrapolation": {
            "c_sd": sd["c"],
            "c_iqr": iqr["c"],
            "learned_sd": CARBON_SHARE * sd["om"],
            "learned_iqr": CARBON_SHARE * iqr["om"],
            "times": times,
        }
        | by_target(imputed=rows["imputed"] / rows["measured"]),
        "two_networks": {
            "factor": factor,
            "times": times,
            "rmse_by_c": factor * rows["rmse"]["c"],
            "mae_by_c": factor * mae["c"],
        }
        | by_target(below=below, share=share_below(below, rows)),
        "which_carbon": {
            "median": median,
            "of_median": 100 * median / CALCITE_CARBON,
            "of_rmse": 100 * rows["rmse"]["c"] / CALCITE_CARBON,
        },
    }


def lognormal(sd, iqr, cut=np.inf):
    """Median (as logarithm) and sigma of the log-normal distribution that, cut at a content, has a standard deviation
    and interquartile range. Raises ValueError where there is none.
    """

    def misfit(parameters):
        mu, sigma = parameters[0], np.exp(parameters[1])
        _, mean, square = partial_moments(cut, mu, sigma, cut)
        quartiles = [quantile(share, mu, sigma, cut) for share in (0.25, 0.75)]
        return np.log([np.sqrt(square - mean**2) / sd, np.ptp(quartiles) / iqr])

    solution = root(misfit, [np.log(iqr / 2), np.log(1.5)])
    if not solution.success:
        raise ValueError(f"no log-normal distribution has deviation {sd:g} and interquartile range {iqr:g}")
    return solution.x[0], np.exp(solution.x[1])


def partial_moments(limit, mu, sigma, cut=np.inf):
    """Means (3,) of the powers 0, 1 and 2 of contents cut at `cut`, those above `limit` counted as 0."""
    powers = np.arange(3)[:, None]
    parts = norm.cdf((np.log([limit, cut]) - mu) / sigma - powers * sigma)
    return np.exp(powers[:, 0] * mu + (powers[:, 0] * sigma) ** 2 / 2) * parts[:, 0] / parts[0, 1]


def quantile(share, mu, sigma, cut=np.inf):
    """Content below which a share of contents cut at `cut` lies."""
    return np.exp(mu + sigma * norm.ppf(share * norm.cdf((np.log(cut) - mu) / sigma)))


def shares_above(limit, mu, sigma, cut=np.inf):
    """Shares (%) of the samples, and of their squared deviations from the mean, above a content."""
    share, part, squares = partial_moments(limit, mu, sigma, cut)
    _, mean, square = partial_moments(cut, mu, sigma, cut)
    below = squares - 2 * mean * part + mean**2 * share
    return 100 * (1 - share), 100 * (1 - below / (square - mean**2))


def share_below(limits, rows):
    """Share (%) of the samples below a content in the log-normal distribution of each target."""
    return pd.Series(100 * norm.cdf((np.log(limits) - rows["mu"]) / rows["sigma"]), rows.index)


def least_organic(sd):
    """Least share (%) of organic soils in carbon with a standard deviation.

    With three quarters of the samples at 0 and the last one at the limit or at the highest content, the deviation is
    the largest for that share: with t the limit, d what the highest is above it, and p the share, the variance is
    t^2/4 + p d (d + 2 t) - (t/4 + p d)^2.
    """
    limit, above = ORGANIC_SOIL["c"], MAX_CONTENT["c"] - ORGANIC_SOIL["c"]
    linear = above * (above + 2 * limit) - limit * above / 2
    return 100 * np.roots([-(above**2), linear, 3 * limit**2 / 16 - sd**2]).min()


def tail_exponent(ratio):
    """Exponent of the generalised normal distribution with a ratio of MAE to RMSE (2 is normal, 1 is Laplace's)."""
    return brentq(lambda exponent: np.exp(log_mean(1, exponent) - log_mean(2, exponent) / 2) - ratio, 0.1, 10)


def log_mean(power, exponent):
    """Logarithm of the mean of a power of the size of errors in a generalised normal distribution of scale 1."""
    return gammaln((power + 1) / exponent) - gammaln(1 / exponent)


def largest_share(exponent, share=0.05):
    """Share (%) of the squared errors in the largest errors of a generalised normal distribution."""
    return 100 * gamma.sf(gamma.isf(share, 1 / exponent), 3 / exponent)
