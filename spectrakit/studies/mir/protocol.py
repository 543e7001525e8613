"""What does the protocol of the mid-infrared study give on a library in which every content is known?

Of the study an abstract is all that was at hand, so what it leaves open is settled here: sites are never divided
between fitting and testing, spectra are harmonised by what a ring trial teaches, and every statement about a laboratory
that was never seen comes from networks that have not seen it. The library is simulated, which the study's is not, so
the imputed values can be held against the truth.
"""

from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit

from spectrakit.contents import MAX_CARBON, MAX_ORGANIC_MATTER, log_offset
from spectrakit.evaluation import (
    LEVELS,
    ConformalIntervals,
    balanced_rows,
    bias,
    coverage_table,
    gaussian_intervals,
    held_out_intervals,
    mae,
    pooled_threshold,
    prediction_sd,
    r2,
    rmse,
    rpiq,
    sample_threshold,
)
from spectrakit.models import content_baselines
from spectrakit.preprocess import HARMONISATIONS, SpectralDomain
from spectrakit.simulate.library import library_properties, ring_trial, simulate_mir
from spectrakit.spectra import SpectralDataset
from spectrakit.training import CONTENT_RECIPE, ContentNetwork, OrganicCarbonNetwork, Recipe, limit_counts
from spectrakit.workflows.harmonise import (
    MODELS,
    leave_laboratories_out,
    possible_harmonisations,
    ring_scans,
    soils_to_predict,
)
from spectrakit.workflows.impute import bound_names

TARGETS = {"c": "c_g_kg", "om": "om_g_kg"}
LIMITS = {"c": MAX_CARBON, "om": MAX_ORGANIC_MATTER}
# Chosen on the ring trial alone: of the differences between scans of a standard that was left out, it takes away most
# (`preprocess.harmonise.left_out_standards`).
HARMONISED_BY = "snv+epo"
# Shares of the sites that test and, of the others, that calibrate; and about how many rows the latter are at least.
TEST_SHARE, CALIBRATION_SHARE, FEWEST_TO_CALIBRATE = 0.2, 0.15, 30
DOMAIN_COMPONENTS = 10
# Laboratories report carbon to 0.1 g/kg, so that logarithms begin there.
LEAST_CONTENT = 0.1
DEPTHS_CM = (0, 20, 50, 100, 200)
LAYER_CM, DEEPEST_CM = 10, 200
MANY_ROWS = 20_000
N_THRESHOLDS = 60
FEW_RECIPE = replace(CONTENT_RECIPE, name="few contents", batch_size=32, max_epochs=20, patience=20)


@dataclass(frozen=True)
class Profile:
    """Sizes of a run.

    n_samples : soils of the library; n_rounds : splits by site
    compared : harmonisations that PLS is tried with, each laboratory left out in turn
    n_compared : most soils of a laboratory in that comparison
    n_linear : most rows that PLS and the domain are fitted to
    n_apart : most rows that networks are fitted to where a laboratory is left out, and most that test there
    fewest_apart : measured samples of a laboratory that is left out, at least: with fewer, coverage could not be told
    many, few : recipes for more and for fewer than 20,000 rows; n_members, n_passes : as of ContentNetwork
    """

    n_samples: int
    n_rounds: int
    compared: tuple
    n_compared: int
    n_linear: int
    n_apart: int
    fewest_apart: int = 40
    many: Recipe = CONTENT_RECIPE
    few: Recipe = FEW_RECIPE
    n_members: int = 3
    n_passes: int = 20


PROFILES = {
    "quick": Profile(
        n_samples=4_000,
        n_rounds=1,
        compared=("none", "snv", "snv+epo"),
        n_compared=20,
        n_linear=600,
        n_apart=400,
        few=replace(FEW_RECIPE, max_epochs=8, patience=8, bfloat16=False),
        n_members=2,
    ),
    "paper": Profile(
        n_samples=56_787,
        n_rounds=2,
        compared=tuple(HARMONISATIONS),
        n_compared=80,
        n_linear=8_000,
        n_apart=6_000,
    ),
}


# --- the library ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Library:
    """A library as it was scanned, and what is known of it.

    dataset : SpectralDataset of absorbance, contents NaN where they were not measured
    truth : DataFrame, the contents that the laboratories would have found, had they measured everything
    ring : (scans, sample_id, laboratory) of the ring trial
    """

    dataset: SpectralDataset
    truth: pd.DataFrame
    ring: tuple

    @cached_property
    def laboratory(self):
        """(n,) names."""
        return self.dataset.samples["laboratory"].to_numpy(str)

    @cached_property
    def site(self):
        """(n,) names."""
        return self.dataset.samples["site"].to_numpy(str)

    def content(self, target):
        """(n,) contents in g/kg, NaN where not measured; target : a key of TARGETS."""
        return self.dataset.properties[TARGETS[target]].to_numpy()

    def measured(self, target):
        """Positions of the rows with a measured content, ascending."""
        return np.flatnonzero(~np.isnan(self.content(target)))

    def harmonised(self, rows=slice(None), left_out=None):
        """Spectra of some rows after HARMONISED_BY, float32.

        left_out : laboratory whose scans of the ring trial are not looked at; None for none
        """
        known = self.ring[2] != left_out
        ring = tuple(part[known] for part in self.ring)
        harmoniser = HARMONISATIONS[HARMONISED_BY]().fit(ring[0], ring=ring)
        spectra = self.dataset.spectra[rows]
        parts = np.array_split(spectra, len(spectra) // 4096 + 1)
        return np.concatenate([harmoniser.transform(part).astype(np.float32) for part in parts])


def simulated_library(n_samples, random_state=0, progress=None):
    """The simulated library of n_samples soils, its truth and its ring trial; progress : as of `simulate_mir`."""
    return Library(
        dataset=simulate_mir(n_samples, random_state, progress),
        truth=library_properties(n_samples, random_state, complete=True)[1],
        ring=ring_scans(ring_trial(random_state)),
    )


def compare_harmonisations(library, target, profile, random_state=0, progress=None):
    """PLS with each harmonisation on each laboratory left out: DataFrame as of `leave_laboratories_out`, in log10.

    Of each laboratory at most `n_compared` soils take part.
    """
    rows = library.measured(target)
    most = profile.n_compared * len(np.unique(library.laboratory[rows]))
    order = balanced_rows(rows, library.laboratory[rows], most, random_state)
    place = pd.Series(library.laboratory[order]).groupby(library.laboratory[order]).cumcount().to_numpy()
    dataset = library.dataset.subset(order[place < profile.n_compared])
    soils, _ = soils_to_predict(dataset, TARGETS[target])
    possible, _ = possible_harmonisations(soils, library.ring, random_state)
    choices = {name: possible[name] for name in profile.compared if name in possible}
    models = {name: MODELS[name] for name in ("mean", "pls")}
    return leave_laboratories_out(soils, TARGETS[target], choices, models, random_state=random_state, progress=progress)


# --- one content, sites divided -------------------------------------------------------------------------


@dataclass(frozen=True)
class Division:
    """Positions of a library's measured rows, sites undivided: what is fitted, what calibrates, what tests."""

    training: np.ndarray
    calibration: np.ndarray
    test: np.ndarray


def divide_sites(rows, site, random_state):
    """Divide rows (positions) by the sites (n,) of the library: `Division`."""
    test_share = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=random_state)
    others, test = next(test_share.split(rows, groups=site[rows]))
    training, calibration = hold_back(site[rows[others]], random_state)
    return Division(rows[others[training]], rows[others[calibration]], rows[test])


def hold_back(site, random_state):
    """Positions of rows (their sites, (n,)) that are fitted and that calibrate: two arrays, sites undivided."""
    share = max(CALIBRATION_SHARE, min(FEWEST_TO_CALIBRATE / len(site), 0.5))
    return next(GroupShuffleSplit(1, test_size=share, random_state=random_state).split(site, groups=site))


def content_network(target, n_rows, profile, random_state):
    """The unfitted network of a target for so many rows."""
    recipe = profile.many if n_rows > MANY_ROWS else profile.few
    return ContentNetwork(LIMITS[target], profile.n_members, profile.n_passes, recipe, random_state=random_state)


@dataclass(frozen=True)
class FittedContent:
    """A network of one content and the domain of what it was fitted to.

    training : (n,) positions of the rows it was fitted to; n_outliers : training rows left out, outside the domain
    offset : g/kg added to contents before a logarithm is taken, for intervals
    """

    network: ContentNetwork
    domain: SpectralDomain
    training: np.ndarray
    n_outliers: int
    offset: float


def outside_domain(domain, X):
    """Mask (n,) of spectra outside a fitted SpectralDomain, some thousands at a time."""
    parts = np.array_split(X, len(X) // 4096 + 1)
    return np.concatenate([domain.examine(part)["outside"].to_numpy() for part in parts])


def fit_content(library, X, target, training, profile, random_state=0, progress=None, checkpoint=None):
    """Fit the network of a target to training rows inside their own domain: `FittedContent`.

    X : (n, n_channels) of the library, harmonised; training : positions; progress, checkpoint : as of ContentNetwork
    """
    some = balanced_rows(training, library.laboratory[training], profile.n_linear, random_state)
    domain = SpectralDomain(n_components=DOMAIN_COMPONENTS, random_state=random_state)
    domain.fit(X[some], groups=library.site[some])
    content = library.content(target)
    kept = training[~outside_domain(domain, X[training])]
    network = content_network(target, len(kept), profile, random_state)
    network.fit(X[kept], content[kept], library.site[kept], progress=progress, checkpoint=checkpoint)
    offset = log_offset(content[kept], (0, LIMITS[target]))
    return FittedContent(network, domain, kept, len(training) - len(kept), offset)


def linear_predictions(library, X, target, training, asked, profile, random_state=0):
    """What partial least squares says, on the natural and on the logarithmic scale: {name: (n_asked,)}, no limits kept.

    Fitted to at most `n_linear` of the training rows, drawn at random.
    """
    rows = np.random.default_rng(random_state).permutation(training)[: profile.n_linear]
    content = library.content(target)
    with np.errstate(over="ignore"):  # exp of what lies beyond any number
        return {
            name: model.fit(X[rows], content[rows], groups=library.site[rows]).predict(X[asked])
            for name, model in content_baselines(random_state).items()
        }


def content_scores(observed, predicted):
    """R2, RMSE, MAE, RPIQ, bias and the predictions' SD in g/kg, R2 and RMSE of log10: dict; (n,) each."""
    logarithms = [np.log10(np.maximum(values, LEAST_CONTENT)) for values in (observed, predicted)]
    found = {"n": len(observed), "r2": r2(observed, predicted), "rmse": rmse(observed, predicted)}
    found |= {"mae": mae(observed, predicted), "rpiq": rpiq(observed, predicted), "bias": bias(observed, predicted)}
    found |= {"prediction_sd": prediction_sd(predicted)}
    return found | {"r2_log": r2(*logarithms), "rmse_log": rmse(*logarithms)}


def depth_class(samples):
    """(n,) class of the middle of each sample's depth, such as '20-50 cm'."""
    middle = (samples["depth_top_cm"] + samples["depth_bottom_cm"]) / 2
    names = [f"{top}-{bottom} cm" for top, bottom in pairwise(DEPTHS_CM)]
    return pd.cut(middle.clip(upper=DEPTHS_CM[-1]), DEPTHS_CM, labels=names, include_lowest=True).to_numpy(str)


def grouped_scores(library, rows, observed, predicted):
    """`content_scores` of all rows, by laboratory and by depth: list of dicts with `by` and `group`."""
    found = [{"by": "all", "group": "all"} | content_scores(observed, predicted)]
    labels = {"laboratory": library.laboratory[rows], "depth": depth_class(library.dataset.samples.iloc[rows])}
    for by, names in labels.items():
        for name in np.unique(names):
            part = names == name
            found.append({"by": by, "group": str(name)} | content_scores(observed[part], predicted[part]))
    return found


def content_round(library, X, target, round_, profile, random_state=0, progress=None, checkpoint=None):
    """One split by site: what the network and PLS find on sites that they have not seen, and what intervals cover.

    Returns a dict that JSON can hold, and the `FittedContent`:
    n : rows by part, and training rows left out as outliers
    scores : of each model (network, pls, pls log, mean), overall, by laboratory and by depth; PLS brought inside limits
    limits : how often limits acted on each model, see `limit_counts`
    coverage : of intervals at 68, 90 and 95 %, by method and group, see `interval_coverage`
    outside : share of the test rows outside the domain, and scores of the network inside and outside
    shown : some test rows: observed, predicted, lower and upper 90 %, laboratory
    """
    seed = random_state + round_
    division = divide_sites(library.measured(target), library.site, seed)
    fitted = fit_content(library, X, target, division.training, profile, seed, progress, checkpoint)
    test, content = division.test, library.content(target)
    observed, limit = content[test], LIMITS[target]
    predicted, spreads = fitted.network.predict_with_spreads(X[test])
    raw = {"network": predicted} | linear_predictions(library, X, target, fitted.training, test, profile, seed)
    raw["mean"] = np.full(len(test), content[fitted.training].mean())
    scores = [
        {"model": model} | row
        for model, values in raw.items()
        for row in grouped_scores(library, test, observed, np.clip(values, 0, limit))
    ]
    intervals, calibrated = interval_methods(library, X, target, fitted, division.calibration)
    bounds = {name: make(predicted, spreads) for name, make in intervals.items()}
    outside = outside_domain(fitted.domain, X[test])
    shown = np.random.default_rng(seed).permutation(len(test))[:1000]
    lower, upper = bounds["conformal"][shown, :, LEVELS.index(0.9)].T
    found = {
        "n": {name: len(rows) for name, rows in asdict(division).items()} | {"outliers": fitted.n_outliers},
        "scores": scores,
        "limits": [{"model": model} | limit_counts(values, limit).to_dict() for model, values in raw.items()],
        "coverage": interval_coverage(library, test, observed, bounds),
        "calibration": calibrated,
        "outside": {
            "share": float(outside.mean()),
            **{
                name: content_scores(observed[part], predicted[part])
                for name, part in (("inside", ~outside), ("outside", outside))
                if part.sum() > 1
            },
        },
        "shown": {
            "observed": observed[shown].tolist(),
            "predicted": predicted[shown].tolist(),
            "lower": lower.tolist(),
            "upper": upper.tolist(),
            "laboratory": library.laboratory[test][shown].tolist(),
        },
    }
    return found, fitted


# --- how sure -------------------------------------------------------------------------------------------


def relative_spread(predicted, sd, offset, floor):
    """Spread of ln(content + offset), (n,), from a network's deviations in g/kg; floor : added, so that none is 0."""
    return sd / (predicted + offset) + floor


def interval_methods(library, X, target, fitted, calibration):
    """Ways to an interval: {name: function of predictions and spreads (as `ContentNetwork.spreads`)}, and what was set.

    mc-dropout, ensemble, both : prediction +- z SD, what the network claims of itself; no calibration
    conformal : of equal width in ln(content + offset), calibrated on sites that were held back
    conformal by spread : the same, in proportion to the network's own relative spread
    """
    limits, content = (0.0, LIMITS[target]), library.content(target)[calibration]
    predicted, spreads = fitted.network.predict_with_spreads(X[calibration])
    floor = float(np.median(spreads["both"] / (predicted + fitted.offset)))

    def relative(values, found):
        return relative_spread(values, found["both"].to_numpy(), fitted.offset, floor)

    conformal = ConformalIntervals(sample_threshold, LEVELS, fitted.offset, limits)
    plain = clone(conformal).fit(content, predicted)
    scaled = clone(conformal).fit(content, predicted, relative(predicted, spreads))
    claimed = {"mc-dropout": "passes", "ensemble": "members", "both": "both"}
    methods = {
        name: lambda values, found, column=column: gaussian_intervals(values, found[column], LEVELS, limits)
        for name, column in claimed.items()
    }
    methods["conformal"] = lambda values, found: plain.predict(values)
    methods["conformal by spread"] = lambda values, found: scaled.predict(values, relative(values, found))
    about = {"offset": fitted.offset, "floor": floor, "thresholds": plain.thresholds_.tolist()}
    return methods, about


def interval_coverage(library, rows, observed, bounds):
    """Coverage and width of intervals (n, 2, n_levels) by method, level and group: list of dicts."""
    labels = {"laboratory": library.laboratory[rows], "depth": depth_class(library.dataset.samples.iloc[rows])}
    found = []
    for method, intervals in bounds.items():
        for by, names in labels.items():
            table = coverage_table(observed, intervals, LEVELS, names).assign(by=by)
            table.loc[table["group"] == "all", "by"] = "all"
            found.append(table.assign(method=method))
    columns = ["method", "level", "by", "group", "n_samples", "coverage", "mean_width", "median_width"]
    return pd.concat(found)[columns].drop_duplicates(["method", "level", "by", "group"]).to_dict("records")


def laboratories_apart(library, target, profile):
    """Names of the laboratories that are left out in turn: those with `fewest_apart` measured contents or more."""
    counts = pd.Series(library.laboratory[library.measured(target)]).value_counts()
    return sorted(counts.index[counts >= profile.fewest_apart])


def laboratory_apart(library, target, name, profile, random_state=0, progress=None):
    """What networks that have seen nothing of a laboratory, not even in the ring trial, say of it: dict of

    laboratory, n_training; observed, predicted : lists, of at most `n_apart` of its rows
    naive : coverage at each level by intervals that were calibrated on held-back sites of the known laboratories
    Fitted to at most `n_apart` rows, of every known laboratory as many as of any other until it has no more.
    """
    content, rows = library.content(target), library.measured(target)
    own = library.laboratory[rows] == name
    known = balanced_rows(rows[~own], library.laboratory[rows[~own]], profile.n_apart, random_state)
    test = np.sort(np.random.default_rng(random_state).permutation(rows[own])[: profile.n_apart])
    both = np.concatenate([known, test])
    X = library.harmonised(both, left_out=name)
    training, calibration = hold_back(library.site[known], random_state)
    network = content_network(target, len(training), profile, random_state)
    network.fit(X[training], content[known[training]], library.site[known[training]], progress=progress)
    limits = (0.0, LIMITS[target])
    offset = log_offset(content[known], limits)
    naive = ConformalIntervals(sample_threshold, LEVELS, offset, limits)
    naive.fit(content[known[calibration]], network.predict(X[calibration]))
    predicted = network.predict(X[len(known) :])
    covered = coverage_table(content[test], naive.predict(predicted), LEVELS)
    return {
        "laboratory": str(name),
        "n_training": len(training),
        "observed": content[test].tolist(),
        "predicted": predicted.tolist(),
        "naive": covered["coverage"].tolist(),
        "naive_width": covered["median_width"].tolist(),
    }


def apart_table(parts, target, offset):
    """Laboratories left out in turn: their scores, and what intervals cover, DataFrame with a row a laboratory.

    parts : of `laboratory_apart`; offset : as of FittedContent
    naive_90 and so on : coverage by intervals of the known laboratories; promised_90 : by intervals that each of the
    other laboratories, predicted without itself, calibrated with equal weight (`pooled_threshold`)
    """
    observed, predicted, laboratory = _pooled(parts)
    bounds = held_out_intervals(unseen_intervals(target, offset), observed, predicted, laboratory)
    rows = []
    for part in parts:
        own = laboratory == part["laboratory"]
        covered = coverage_table(observed[own], bounds[own], LEVELS)
        row = {"laboratory": part["laboratory"], "n_training": part["n_training"]}
        row |= content_scores(observed[own], predicted[own])
        for level, naive, promised in zip(LEVELS, part["naive"], covered["coverage"], strict=True):
            row |= {f"naive_{100 * level:g}": naive, f"promised_{100 * level:g}": float(promised)}
        row |= {"naive_width": part["naive_width"][LEVELS.index(0.9)]}
        rows.append(row | {"promised_width": float(covered["median_width"][LEVELS.index(0.9)])})
    return pd.DataFrame(rows)


def unseen_intervals(target, offset):
    """Unfitted intervals for laboratories never seen; offset : as of FittedContent."""
    return ConformalIntervals(pooled_threshold, LEVELS, offset, (0.0, LIMITS[target]))


def calibrated_on(parts, target, offset):
    """Intervals for a laboratory never seen, by all that were left out in turn."""
    observed, predicted, laboratory = _pooled(parts)
    return unseen_intervals(target, offset).fit(observed, predicted, groups=laboratory)


def _pooled(parts):
    """observed, predicted and laboratory (n,) of all parts together."""
    observed, predicted = (np.concatenate([part[name] for part in parts]) for name in ("observed", "predicted"))
    return (
        observed,
        predicted,
        np.repeat([part["laboratory"] for part in parts], [len(part["observed"]) for part in parts]),
    )


# --- what physics allows --------------------------------------------------------------------------------


def organic_and_total(library, X, profile, random_state=0, progress=None):
    """Total and organic carbon of sites not fitted: how often a model says more organic than total, and its scores.

    Returns a list of dicts, a model each: model, n, above (rows with organic above total), r2 and rmse of organic.
    """
    rows = library.measured("c")
    rows = balanced_rows(rows, library.laboratory[rows], profile.n_apart, random_state)
    y = library.dataset.properties[["c_g_kg", "oc_g_kg"]].to_numpy()[rows]
    division = divide_sites(np.arange(len(rows)), library.site[rows], random_state)
    training, test, site = division.training, division.test, library.site[rows]
    network = content_network("c", len(training), profile, random_state)
    bound = OrganicCarbonNetwork(network).fit(X[rows[training]], y[training], site[training], progress=progress)
    predicted = {"total times share": bound.predict(X[rows[test]])}
    alone = network.fit(X[rows[training]], y[training, 1], site[training])
    predicted["two networks"] = np.column_stack([predicted["total times share"][:, 0], alone.predict(X[rows[test]])])
    pls = content_baselines(random_state)["pls"]
    columns = [
        pls.fit(X[rows[training]], column, groups=site[training]).predict(X[rows[test]]) for column in y[training].T
    ]
    predicted["two PLS"] = np.column_stack(columns)
    return [
        {"model": name, "n": len(test), "above": int((values[:, 1] > values[:, 0]).sum())}
        | {"r2": r2(y[test, 1], values[:, 1]), "rmse": rmse(y[test, 1], values[:, 1])}
        for name, values in predicted.items()
    ]


# --- the gaps filled ------------------------------------------------------------------------------------


def filled(library, X, target, fitted, intervals):
    """All samples with a value of the target, measured or imputed: DataFrame, a row a sample of the library.

    intervals : fitted ConformalIntervals, as `calibrated_on` gives. Columns, each with the target in front ('c_g_kg',
    'c_origin' ...): the value, its origin (measured, imputed), sd (of the networks, no promise), lower and upper bounds
    at 68, 90 and 95 % (NaN where it was measured), outside (of the domain of what the network was fitted to).
    """
    value = library.content(target).copy()
    gaps = np.flatnonzero(np.isnan(value))
    predicted, sd = fitted.network.predict(X[gaps], return_std=True)
    bounds = intervals.predict(predicted).transpose(2, 1, 0).reshape(-1, len(gaps))
    value[gaps] = predicted
    columns = {TARGETS[target]: value, f"{target}_origin": np.where(np.isin(np.arange(len(value)), gaps), *_ORIGINS)}
    names = ["sd", *(name for level in LEVELS for name in bound_names(level))]
    for name, found in zip(names, (sd, *bounds), strict=True):
        columns[f"{target}_{name}"] = np.full(len(value), np.nan)
        columns[f"{target}_{name}"][gaps] = found
    columns[f"{target}_outside"] = outside_domain(fitted.domain, X)
    return pd.DataFrame(columns)


_ORIGINS = ("imputed", "measured")


def hybrid(library, tables):
    """The hybrid data set: laboratory, site, region, depth, coordinates, and what `filled` gives of each target.

    It ends with outlier : whether a spectrum lies outside the domains of all targets' networks.
    """
    outside = [table.filter(like="_outside").iloc[:, 0] for table in tables.values()]
    samples = library.dataset.samples.reset_index(drop=True)
    return pd.concat([samples, *tables.values()], axis=1).assign(outlier=np.logical_and.reduce(outside))


def against_truth(library, target, table):
    """Imputed values beside what would have been measured: scores, overall and by laboratory, and coverage by level."""
    gaps = np.flatnonzero(table[f"{target}_origin"] == "imputed")
    truth = library.truth[TARGETS[target]].to_numpy()[gaps]
    rows = table.iloc[gaps]
    names = [[f"{target}_{name}" for name in bound_names(level)] for level in LEVELS]
    bounds = np.stack([rows[pair].to_numpy() for pair in names], axis=2)
    covered = interval_coverage(library, gaps, truth, {"promised": bounds})
    scores = grouped_scores(library, gaps, truth, rows[TARGETS[target]].to_numpy())
    outside = rows[f"{target}_outside"].to_numpy()
    return {
        "scores": scores,
        "coverage": covered,
        "outside": float(outside.mean()),
        "mean_sd": float(rows[f"{target}_sd"].mean()),
        "sd": prediction_sd(rows[TARGETS[target]].to_numpy()),
    }


def acceptance(library, target, table):
    """What is left of the gaps filled where an imputed value must have a 90 % interval no wider than a threshold.

    Returns a DataFrame, a row a threshold (width_g_kg): filled (share of the gaps), rmse and coverage against the
    truth, cells (of one degree with a value, measured ones counted).
    """
    gaps = np.flatnonzero(table[f"{target}_origin"] == "imputed")
    rows, truth = table.iloc[gaps], library.truth[TARGETS[target]].to_numpy()[gaps]
    lower, upper = (rows[f"{target}_{name}"].to_numpy() for name in bound_names(0.9))
    error = rows[TARGETS[target]].to_numpy() - truth
    inside, width = (lower <= truth) & (truth <= upper), upper - lower
    cell = cells(library.dataset.samples)
    measured = set(cell[~np.isnan(library.content(target))])
    found = []
    for threshold in np.quantile(width, np.linspace(1 / N_THRESHOLDS, 1, N_THRESHOLDS)):
        kept = width <= threshold
        row = {"width_g_kg": float(threshold), "filled": float(kept.mean())}
        row |= {"rmse": float(np.sqrt(np.mean(error[kept] ** 2))), "coverage": float(inside[kept].mean())}
        found.append(row | {"cells": len(measured | set(cell[gaps[kept]]))})
    return pd.DataFrame(found)


def cells(samples):
    """(n,) cell of one degree that each sample lies in, such as '47 8': its south-western corner."""
    corner = np.floor(samples[["latitude", "longitude"]].to_numpy()).astype(int)
    return np.char.add(np.char.add(corner[:, 0].astype(str), " "), corner[:, 1].astype(str))


def cell_layers(samples):
    """Cells and layers of 10 cm that samples reach, to a depth of 2 m: DataFrame of row, cell, layer (top in cm)."""
    top = np.clip(samples["depth_top_cm"].to_numpy() // LAYER_CM, 0, DEEPEST_CM // LAYER_CM)
    bottom = np.clip(np.ceil(samples["depth_bottom_cm"].to_numpy() / LAYER_CM), 0, DEEPEST_CM // LAYER_CM)
    counts = np.maximum(bottom - top, 0).astype(int)
    row = np.repeat(np.arange(len(samples)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    layer = LAYER_CM * (top[row] + within)
    return pd.DataFrame({"row": row, "cell": cells(samples)[row], "layer": layer.astype(int)})


def coverage_in_space(library, target):
    """Samples by cell of one degree: DataFrame of latitude, longitude (of the corner), measured and all."""
    known = ~np.isnan(library.content(target))
    table = pd.DataFrame({"cell": cells(library.dataset.samples), "measured": known, "all": True})
    table = table.groupby("cell").sum()
    corner = np.array([name.split() for name in table.index], int)
    return table.assign(latitude=corner[:, 0], longitude=corner[:, 1]).reset_index(drop=True)


def coverage_in_depth(library, target):
    """Samples by layer of 10 cm: DataFrame of layer, measured, all, and the cells of one degree that hold either."""
    known = ~np.isnan(library.content(target))
    table = cell_layers(library.dataset.samples).assign(measured=lambda found: known[found["row"]])
    counts = table.groupby("layer")["measured"].agg(["sum", "size"])
    pairs = {
        name: part.groupby("layer")["cell"].nunique().reindex(counts.index, fill_value=0)
        for name, part in (("cells_measured", table[table["measured"]]), ("cells_all", table))
    }
    counts = counts.rename(columns={"sum": "measured", "size": "all"}).assign(**pairs)
    return counts.reset_index()
