"""Do the figures that the mid-infrared study reports agree with each other?

Each function of CHECKS takes the published values by id (data/published/mir.yml) and returns the figures that the
entry of the same name under `inconsistencies` puts into its text, beside values that the text names by their id.
Figures of carbon begin with c, of organic matter with om. Contents and deviations are in g/kg, shares in per cent.
"""

import numpy as np
import pandas as pd
from scipy.optimize import brentq, root
from scipy.special import gammaln
from scipy.stats import gamma, gennorm, laplace, norm

from spectrakit.studies.published import functions_of, value

TARGETS = ("c", "om")
HALF_OF_LAST_PLACE = 0.005  # R2, RMSE and RPIQ are printed to two places
IQR_OF_NORMAL = 2 * norm.ppf(0.75)  # in deviations
MAE_OF_NORMAL = np.sqrt(2 / np.pi)  # in RMSE
# Carbon in organic matter, the conventional (van Bemmelen's) share. Source: Pribyl 2010, who finds 0.4 to 0.7.
CARBON_SHARE = 0.58
# Most that there can be, g/kg: pure organic matter.
HIGHEST = pd.Series({"c": 1000 * CARBON_SHARE, "om": 1000.0})
# Least carbon of organic soil material, g/kg (Soil Survey Staff 2014). It is also all that pure calcite has.
ORGANIC_SOIL = pd.Series({"c": 120, "om": 120 / CARBON_SHARE})
CALCITE_CARBON = 120
# Limits of the classes A and B. Source: Chang et al. 2001.
RPD_CLASSES, R2_CLASSES = (1.4, 2.0), (0.5, 0.8)


def counts(published):
    """Samples of the library by the counts of each target, and how far that is from the rounded number."""
    rows, about = _targets(published), value(published, "samples.all")
    totals = rows["measured"] + rows["imputed"]
    apart = about - totals["c"]
    return {**totals, "apart": apart, "apart_share": 100 * apart / about}


def both_measured(published):
    """How many more samples have both measured than have neither, and that as a share of what was measured."""
    rows = _targets(published)
    both = rows["measured"].sum() - (rows["measured"] + rows["imputed"])["c"]
    return {"both": both, **_figures(share=100 * both / rows["measured"])}


def implied_spread(published):
    """Standard deviation and interquartile range of the observed contents, with what rounding allows."""
    return _figures(**_targets(published)[["sd", "sd_low", "sd_high", "iqr", "iqr_low", "iqr_high"]])


def skew(published):
    """Deviation over interquartile range, the log-normal distributions that have both, and their organic soils.

    sigma, median, organic : of a log-normal; organic is the share above ORGANIC_SOIL
    impossible : share of its squared deviations that lies above HIGHEST
    cut_sigma, cut_quartile, cut_organic : of a log-normal cut at HIGHEST, with its lower quartile
    cut_squares : share of its squared deviations in organic soils
    c_least : share of organic soils in any distribution with that deviation and interquartile range, at least
    """
    rows, found = _targets(published), {}
    for target, (sd, iqr) in rows[["sd", "iqr"]].iterrows():
        plain, cut = _Lognormal.fitted(sd, iqr), _Lognormal.fitted(sd, iqr, HIGHEST[target])
        limit = ORGANIC_SOIL[target]
        found[target] = {"sigma": plain.sigma, "median": plain.quantile(0.5), "organic": plain.above(limit)}
        found[target] |= {"cut_sigma": cut.sigma, "cut_quartile": cut.quantile(0.25)}
        found[target] |= {"cut_organic": cut.above(limit), "cut_squares": cut.squares_above(limit)}
        found[target] |= {"impossible": plain.squares_above(HIGHEST[target])}
    low, high = (
        1 / np.sqrt(1 - rows["r2"] - shift) / (rows["rpiq"] - shift)
        for shift in (-HALF_OF_LAST_PLACE, HALF_OF_LAST_PLACE)
    )
    figures = _figures(ratio=rows["sd"] / rows["iqr"], ratio_low=low, ratio_high=high, **pd.DataFrame(found).T)
    return figures | {"normal": 1 / IQR_OF_NORMAL, "c_least": _least_organic(rows.loc["c"], "c")}


def r2_beside_rpiq(published):
    """RPD that R2 implies and the RPIQ that normal contents would have beside it; R2 that RPIQ would have; classes.

    The classes of RPIQ are those of RPD, brought to the interquartile range of a normal distribution.
    """
    rows, limits = _targets(published), IQR_OF_NORMAL * np.array(RPD_CLASSES)
    return {"limit_b": limits[0], "limit_a": limits[1]} | _figures(
        rpd=rows["rpd"],
        normal_rpiq=IQR_OF_NORMAL * rows["rpd"],
        normal_r2=1 - (IQR_OF_NORMAL / rows["rpiq"]) ** 2,
        class_by_r2=_classes(rows["r2"], R2_CLASSES),
        class_by_rpd=_classes(rows["rpd"], RPD_CLASSES),
        class_by_rpiq=_classes(rows["rpiq"], limits),
    )


def error_tails(published):
    """MAE over RMSE; typical deviation of a sample's error and its variation; what the largest errors make.

    typical, varies : mean of the samples' own error deviations s, and their coefficient of variation, if each
        sample's error is normal: MAE = sqrt(2/pi) mean(s), RMSE^2 = mean(s^2)
    largest : share of the squared errors in the largest twentieth, for a generalised normal distribution of that ratio
    """
    rows = _targets(published)
    limits = {"normal": MAE_OF_NORMAL, "laplace": 1 / laplace.std(), "normal_largest": _largest_share(2)}
    return limits | _figures(
        ratio=rows["mae"] / rows["rmse"],
        typical=rows["typical"],
        varies=100 * np.sqrt((rows["rmse"] / rows["typical"]) ** 2 - 1),
        largest=rows["tail"].map(_largest_share),
    )


def prediction_sd(published):
    """Limits of the predictions' deviation on the validated samples, SD - RMSE and SD + RMSE, and beside them:

    calibrated : the deviation of predictions that are right on average whatever they are, sqrt(R2) SD
    squared_sd : largest deviation of the contents that fits the printed figure if R2 is a squared correlation, from
        RMSE^2 = bias^2 + SD^2 + SDp^2 - 2 r SD SDp; squared_r2 : the coefficient of determination that it makes
    om_bias : size of the mean error, if the printed figure were the deviation of the errors
    """
    rows = _targets(published)
    printed, rmse, om = rows["prediction_sd"], rows["rmse"], rows.loc["om"]
    squared_sd = np.sqrt(rows["r2"]) * printed + np.sqrt(rmse**2 - (1 - rows["r2"]) * printed**2)
    return {"om_bias": np.sqrt(om["rmse"] ** 2 - om["prediction_sd"] ** 2)} | _figures(
        low=rows["sd_low"] - rmse,
        high=rows["sd_high"] + rmse,
        calibrated=np.sqrt(rows["r2"]) * rows["sd"],
        squared_sd=squared_sd,
        squared_r2=1 - (rmse / squared_sd) ** 2,
    )


def prediction_sd_imputed(published):
    """What each target's measured spread makes of the other's, in the samples in which that is imputed.

    c_expected, om_expected : deviation by CARBON_SHARE; c_times, om_share : the printed one beside it
    carbonate : deviation of carbonate carbon that would make up for the rest of carbon; calcite : as calcite
    om_least : deviation of organic matter if carbonate carbon spread as widely as it can (0 or CALCITE_CARBON)
    om_most_r2 : R2 that imputed organic matter of the printed deviation reaches at most
    with_c : share of the samples with imputed organic matter whose carbon was measured, at least
    """
    rows = _targets(published)
    sd, printed = rows["sd"], rows["prediction_sd"]
    c_expected, om_expected = sd["om"] * CARBON_SHARE, sd["c"] / CARBON_SHARE
    carbonate = np.sqrt(printed["c"] ** 2 - c_expected**2)
    return {
        "c_expected": c_expected,
        "om_expected": om_expected,
        "c_times": printed["c"] / c_expected,
        "om_share": 100 * printed["om"] / om_expected,
        "carbonate": carbonate,
        "calcite": 1000 * carbonate / CALCITE_CARBON,
        "om_least": (sd["c"] - CALCITE_CARBON / 2) / CARBON_SHARE,
        "om_most_r2": 1 - (1 - printed["om"] / om_expected) ** 2,
        "with_c": _least_with_carbon(rows),
    }


def prediction_sd_per_sample(published):
    """The printed deviation beside the typical one of `error_tails`, and the errors within one of it.

    covered : of normal errors with that RMSE; covered_tails : of a generalised normal distribution with that MAE too
    """
    rows = _targets(published)
    beyond = rows["prediction_sd"] / rows["rmse"]
    tails = gennorm.sf(beyond, rows["tail"], scale=_unit_scale(rows["tail"]))
    return {"expected": 100 - 200 * norm.sf(1)} | _figures(
        typical=rows["typical"],
        times=rows["prediction_sd"] / rows["typical"],
        covered=100 - 200 * pd.Series(norm.sf(beyond), rows.index),
        covered_tails=100 - 200 * pd.Series(tails, rows.index),
    )


def extrapolation(published):
    """Spread of the carbon in the organic matter that was learned from, beside all carbon; imputed over measured."""
    rows = _targets(published)
    carbon, learned = rows.loc["c"], CARBON_SHARE * rows.loc["om"]
    figures = {f"{of}_{name}": row[name] for of, row in (("c", carbon), ("learned", learned)) for name in ("sd", "iqr")}
    return figures | {"times": carbon["sd"] / learned["sd"]} | _figures(imputed=rows["imputed"] / rows["measured"])


def two_networks(published):
    """Where an error of one MAE takes a prediction out of order with the measured value of the other target.

    c_below, om_below : carbon, and organic matter, below which that is so; c_share, om_share : samples below it in the
        log-normal distribution of `skew`
    rmse_by_c, mae_by_c : errors of organic matter, were it predicted as carbon times the factor; times : how much more
        it would vary on the soils on which carbon was scored
    """
    rows, factor = _targets(published), 1 / CARBON_SHARE
    times = factor * rows["sd"]["c"] / rows["sd"]["om"]
    below = pd.Series({"c": rows["mae"]["om"] / (factor - 1), "om": rows["mae"]["c"] / (1 - CARBON_SHARE)})
    by_carbon = {f"{metric}_by_c": factor * rows[metric]["c"] for metric in ("rmse", "mae")}
    return {"factor": factor, "times": times, **by_carbon} | _figures(below=below, share=_shares_below(rows, below))


def constraints(published):
    """Samples that hold less than the mean absolute error, in the log-normal distribution of `skew`."""
    rows = _targets(published)
    return _figures(share=_shares_below(rows, rows["mae"]))


def which_carbon(published):
    """Median of the log-normal distribution of `skew`; per cent of calcite with that carbon, and with one RMSE."""
    row = _targets(published).loc["c"]
    median = _Lognormal.fitted(row["sd"], row["iqr"]).quantile(0.5)
    return {"median": median} | {
        name: 100 * carbon / CALCITE_CARBON for name, carbon in (("of_median", median), ("of_rmse", row["rmse"]))
    }


def coverage_gain(published):
    """Values after imputation over values before; least share of imputed organic matter beside measured carbon."""
    rows = _targets(published)
    return {"with_c": _least_with_carbon(rows)} | _figures(times=1 + rows["imputed"] / rows["measured"])


CHECKS = functions_of(vars())  # all that stand above


def _targets(published):
    """What is printed of each target and what follows at once: DataFrame by target ('c', 'om').

    r2, rmse, mae, rpiq, prediction_sd, measured, imputed : as printed
    sd, iqr : of the observed contents, RMSE / sqrt(1 - R2) and RPIQ x RMSE; _low and _high with the printed figures
        half a unit of their last place away
    rpd : 1 / sqrt(1 - R2); typical : MAE over that of a normal error of deviation 1
    tail : exponent of the generalised normal distribution with that MAE over RMSE (2 is normal, 1 Laplace)
    """
    names = {metric: f"{metric}.{{}}" for metric in ("r2", "rmse", "mae", "rpiq")}
    names |= {"prediction_sd": "prediction_sd.{}.imputed", "measured": "samples.{}.measured"}
    names |= {"imputed": "samples.{}.imputed"}
    rows = pd.DataFrame(
        {name: [value(published, entry.format(target)) for target in TARGETS] for name, entry in names.items()},
        index=TARGETS,
    )
    for end, shift in (("", 0), ("_low", -HALF_OF_LAST_PLACE), ("_high", HALF_OF_LAST_PLACE)):
        rmse = rows["rmse"] + shift
        rows[f"sd{end}"] = rmse / np.sqrt(1 - rows["r2"] - shift)
        rows[f"iqr{end}"] = rmse * (rows["rpiq"] + shift)
    rows["rpd"] = 1 / np.sqrt(1 - rows["r2"])
    rows["typical"] = rows["mae"] / MAE_OF_NORMAL
    return rows.assign(tail=(rows["mae"] / rows["rmse"]).map(_tail_exponent))


def _least_with_carbon(rows):
    """Share, in per cent, of imputed organic matter beside measured carbon, if all its measurements are there too."""
    return 100 * (rows["measured"]["c"] - rows["measured"]["om"]) / rows["imputed"]["om"]


def _figures(**columns):
    """Columns over the targets as figures of a text: {'c_<name>': ..., 'om_<name>': ...}."""
    return {f"{target}_{name}": figure for name, column in columns.items() for target, figure in column.items()}


def _classes(column, limits):
    return pd.cut(column, [-np.inf, *limits, np.inf], right=False, labels=["C", "B", "A"])


class _Lognormal:
    """A log-normal distribution of contents up to a highest one; log_median and sigma are of the uncut distribution."""

    def __init__(self, log_median, sigma, highest=np.inf):
        self.log_median, self.sigma, self.highest = log_median, sigma, highest

    @classmethod
    def fitted(cls, sd, iqr, highest=np.inf):
        """That with a given standard deviation and interquartile range. Raises ValueError where there is none."""

        def misfit(parameters):
            distribution = cls(parameters[0], np.exp(parameters[1]), highest)
            found = distribution.sd(), distribution.quantile(0.75) - distribution.quantile(0.25)
            return np.log(np.divide(found, (sd, iqr)))

        solution = root(misfit, [np.log(iqr / 2), np.log(1.5)])
        if not solution.success:
            raise ValueError(f"no log-normal distribution has deviation {sd:g} and interquartile range {iqr:g}")
        return cls(solution.x[0], np.exp(solution.x[1]), highest)

    def moment(self, power, limit=None):
        """Mean of a power of the contents, those above `limit` counted as 0."""
        return self._uncut(power, limit or self.highest) / self._uncut(0, self.highest)

    def sd(self):
        return np.sqrt(self.moment(2) - self.moment(1) ** 2)

    def quantile(self, share):
        return np.exp(self.log_median + self.sigma * norm.ppf(share * self._uncut(0, self.highest)))

    def above(self, limit):
        """Share of the samples above a content, in per cent."""
        return 100 * (1 - self.moment(0, limit))

    def squares_above(self, limit):
        """Share of the squared deviations from the mean above a content, in per cent."""
        mean = self.moment(1)
        below = self.moment(2, limit) - 2 * mean * self.moment(1, limit) + mean**2 * self.moment(0, limit)
        return 100 * (1 - below / self.sd() ** 2)

    def _uncut(self, power, limit):
        scale = np.exp(power * self.log_median + (power * self.sigma) ** 2 / 2)
        return scale * norm.cdf((np.log(limit) - self.log_median) / self.sigma - power * self.sigma)


def _shares_below(rows, limits):
    """Per cent of the samples below a content in the uncut log-normal distribution of each target."""
    fitted = {target: _Lognormal.fitted(row["sd"], row["iqr"]) for target, row in rows.iterrows()}
    return pd.Series({target: 100 - fitted[target].above(limits[target]) for target in rows.index})


def _least_organic(row, target):
    """Least share of organic soils, in per cent, with the least deviation that rounding allows.

    With three quarters of the samples at 0 and the last one at the limit or at the highest content, the deviation is
    the largest for that share: with t the limit, d what the highest is above it, and p the share, the variance is
    t^2/4 + p d (d + 2 t) - (t/4 + p d)^2.
    """
    limit, above = ORGANIC_SOIL[target], HIGHEST[target] - ORGANIC_SOIL[target]
    linear = above * (above + 2 * limit) - limit * above / 2
    return 100 * np.roots([-(above**2), linear, 3 * limit**2 / 16 - row["sd_low"] ** 2]).min()


def _tail_exponent(ratio):
    """Exponent of the generalised normal distribution with a ratio of MAE to RMSE."""
    return brentq(lambda exponent: np.exp(_log_mean(1, exponent) - _log_mean(2, exponent) / 2) - ratio, 0.1, 10)


def _log_mean(power, exponent):
    return gammaln((power + 1) / exponent) - gammaln(1 / exponent)


def _unit_scale(exponent):
    """Scale of the generalised normal distribution whose RMSE is 1."""
    return np.exp(-_log_mean(2, exponent) / 2)


def _largest_share(exponent, share=0.05):
    """Share of the squared errors, in per cent, in the largest errors of a generalised normal distribution."""
    return 100 * gamma.sf(gamma.isf(share, 1 / exponent), 3 / exponent)
