"""The protocol of the mid-infrared study, on a library in which every content is known.

Of the study an abstract is all that was at hand, so what it leaves open is settled here: sites are never divided
between fitting and testing, spectra are harmonised by a ring trial, and every statement about a laboratory that was
never seen comes from networks that have not seen it. The library is simulated, which the study's is not, so the imputed
values can be compared with the truth.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from spectrakit.contents import MAX_CARBON, MAX_ORGANIC_MATTER, log_offset
from spectrakit.evaluation import (
    LEVELS,
    ConformalIntervals,
    balanced_rows,
    coverage_table,
    gaussian_intervals,
    held_out_intervals,
    pooled_threshold,
    prediction_sd,
    r2,
    rmse,
    sample_threshold,
    scores,
)
from spectrakit.models import content_baselines
from spectrakit.preprocess import HARMONISATIONS, SpectralDomain
from spectrakit.studies.mir.domains import TARGETS, in_chunks
from spectrakit.training import CONTENT_RECIPE, ContentNetwork, Recipe, limit_counts
from spectrakit.workflows.impute import bound_names

LIMITS = {"c": MAX_CARBON, "om": MAX_ORGANIC_MATTER}
# Shares of the sites that test and, of the others, that calibrate; and about how many rows the latter are at least.
TEST_SHARE, CALIBRATION_SHARE, MIN_CALIBRATION = 0.2, 0.15, 30
DOMAIN_COMPONENTS = 10
# Laboratories report carbon to 0.1 g/kg, so that logarithms begin there.
MIN_CONTENT = 0.1
MANY_ROWS = 20_000
# Test rows of a round that are recorded, for a figure.
N_SHOWN = 1000
FEW_RECIPE = replace(CONTENT_RECIPE, name="few contents", batch_size=32, max_epochs=20, patience=20)


@dataclass(frozen=True)
class Profile:
    """Sizes of a run.

    n_samples : soils of the library; n_rounds : splits by site
    compared : harmonisations that PLS is tried with, each laboratory left out in turn
    n_compared : most soils of a laboratory in that comparison
    n_linear : most rows that PLS and the domain are fitted to
    n_left_out : most rows that networks are fitted to where a laboratory is left out, and most that test there
    min_left_out : measured samples of a laboratory that is left out, at least: fewer say nothing of coverage
    many, few : recipes for more and for fewer than 20,000 rows; n_members, n_passes : as of ContentNetwork
    """

    n_samples: int
    n_rounds: int
    compared: tuple
    n_compared: int
    n_linear: int
    n_left_out: int
    min_left_out: int = 40
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
        n_left_out=400,
        few=replace(FEW_RECIPE, max_epochs=8, patience=8, bfloat16=False),
        n_members=2,
    ),
    "paper": Profile(
        n_samples=56_787,
        n_rounds=2,
        compared=tuple(HARMONISATIONS),
        n_compared=80,
        n_linear=8_000,
        n_left_out=6_000,
    ),
}


# --- one content, sites divided -------------------------------------------------------------------------


@dataclass(frozen=True)
class Division:
    """Positions of a library's measured rows, sites undivided: training, calibration and test."""

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
    share = max(CALIBRATION_SHARE, min(MIN_CALIBRATION / len(site), 0.5))
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
    """Mask (n,) of spectra outside a fitted SpectralDomain."""
    return in_chunks(lambda part: domain.examine(part)["outside"].to_numpy(), X)


def fit_content(library, X, target, training, profile, random_state=0, progress=None, checkpoint=None):
    """Fit the network of a target to training rows inside their domain: `FittedContent`.

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
    logarithms = [np.log10(np.maximum(values, MIN_CONTENT)) for values in (observed, predicted)]
    return {
        "n": len(observed),
        **scores(observed, predicted, ("r2", "rmse", "mae", "rpiq", "bias")),
        "prediction_sd": prediction_sd(predicted),
        "r2_log": r2(*logarithms),
        "rmse_log": rmse(*logarithms),
    }


def grouped_scores(library, rows, observed, predicted):
    """`content_scores` of all rows, by laboratory and by depth: DataFrame with `by` and `group`."""
    return pd.DataFrame(
        [
            {"by": by, "group": str(name)} | content_scores(observed[labels == name], predicted[labels == name])
            for by, labels in library.groups(rows).items()
            for name in np.unique(labels)
        ]
    )


def domain_scores(outside, observed, predicted):
    """`content_scores` of rows inside and outside the domain, where there are two or more: DataFrame with `where`."""
    parts = {"inside": ~outside, "outside": outside}
    return pd.DataFrame(
        [
            {"where": where} | content_scores(observed[rows], predicted[rows])
            for where, rows in parts.items()
            if rows.sum() > 1
        ]
    )


def content_round(inputs, target, round_, report):
    """One split by site: what the network and PLS predict on sites that they have not seen, and what intervals cover.

    inputs : `run.LibraryInputs`. Returns a dict, and the `FittedContent`:
    scores : of each model (network, pls, pls log, mean), overall, by laboratory and by depth; PLS brought inside limits
    limits : how often limits acted on each model, see `limit_counts`
    coverage : of intervals at 68, 90 and 95 %, by method and group, see `interval_coverage`
    domain : scores of the network inside and outside the domain
    shown : some test rows: observed, predicted, lower and upper 90 %, laboratory
    """
    library, X, profile, seed = inputs.library, inputs.X, inputs.profile, inputs.seed(round_)
    content, limit, checkpoint = library.content(target), LIMITS[target], inputs.folder / f"round-{target}-{round_}"
    division = divide_sites(library.measured(target), library.site, seed)
    fitted = fit_content(library, X, target, division.training, profile, seed, report, checkpoint)
    test, observed = division.test, content[division.test]
    predicted, spreads = fitted.network.predict_with_spreads(X[test])
    models = {"network": predicted} | linear_predictions(library, X, target, fitted.training, test, profile, seed)
    models["mean"] = np.full(len(test), content[fitted.training].mean())
    scored = [
        grouped_scores(library, test, observed, np.clip(values, 0, limit)).assign(model=model)
        for model, values in models.items()
    ]
    bounds = interval_bounds(library, X, target, fitted, division.calibration, predicted, spreads)
    outside = outside_domain(fitted.domain, X[test])
    shown = pd.DataFrame({"observed": observed, "predicted": predicted, "laboratory": library.laboratory[test]})
    shown[["lower", "upper"]] = bounds["conformal"][:, :, LEVELS.index(0.9)]
    return {
        "scores": pd.concat(scored, ignore_index=True),
        "limits": pd.DataFrame(
            [{"model": model} | limit_counts(values, limit).to_dict() for model, values in models.items()]
        ),
        "coverage": interval_coverage(library, test, observed, bounds),
        "domain": domain_scores(outside, observed, predicted),
        "shown": shown.iloc[np.random.default_rng(seed).permutation(len(test))[:N_SHOWN]],
    }, fitted


# --- how sure -------------------------------------------------------------------------------------------


def interval_bounds(library, X, target, fitted, calibration, predicted, spreads):
    """Intervals of predictions (n,), (n, 2, n_levels) each, by method; spreads : as `predict_with_spreads` gives them.

    mc-dropout, ensemble, both : prediction +- z SD, what the network claims of itself; no calibration
    conformal : of equal width in ln(content + offset), calibrated on sites that were held back
    conformal by spread : the same, in proportion to the relative spread of the network
    """
    limits, content = (0.0, LIMITS[target]), library.content(target)[calibration]
    known, known_spreads = fitted.network.predict_with_spreads(X[calibration])
    # Added to relative spreads, so that none is 0.
    floor = float(np.median(known_spreads["both"] / (known + fitted.offset)))

    def relative(values, found):
        return found["both"].to_numpy() / (values + fitted.offset) + floor

    claimed = {"mc-dropout": "passes", "ensemble": "members", "both": "both"}
    bounds = {name: gaussian_intervals(predicted, spreads[column], LEVELS, limits) for name, column in claimed.items()}
    intervals = ConformalIntervals(sample_threshold, LEVELS, fitted.offset, limits)
    bounds["conformal"] = intervals.fit(content, known).predict(predicted)
    intervals.fit(content, known, relative(known, known_spreads))
    return bounds | {"conformal by spread": intervals.predict(predicted, relative(predicted, spreads))}


def interval_coverage(library, rows, observed, bounds):
    """Coverage and width of intervals (n, 2, n_levels) by method, level and group: DataFrame."""
    frames = []
    for method, intervals in bounds.items():
        for by, labels in library.groups(rows).items():
            table = coverage_table(observed, intervals, LEVELS, labels).assign(method=method, by=by)
            frames.append(table[(table["group"] == "all") == (by == "all")])
    columns = ["method", "level", "by", "group", "n_samples", "coverage", "mean_width", "median_width"]
    return pd.concat(frames, ignore_index=True)[columns].drop_duplicates(columns[:4])


def left_out_laboratories(library, target, profile):
    """Names of the laboratories that are left out in turn: those with `min_left_out` measured contents or more."""
    counts = pd.Series(library.laboratory[library.measured(target)]).value_counts()
    return sorted(counts.index[counts >= profile.min_left_out])


def laboratory_left_out(inputs, target, name, report):
    """What networks that have seen nothing of a laboratory, not even in the ring trial, predict of it: dict of

    about : laboratory, n_training, and naive_90 and so on: coverage by intervals that were calibrated on held-back
        sites of the known laboratories; naive_width : their median width at 90 %
    predictions : DataFrame of laboratory, observed and predicted, of at most `n_left_out` of its rows
    Fitted to at most `n_left_out` rows, of every known laboratory as many as of any other until it has no more.
    inputs : `run.LibraryInputs`
    """
    library, profile, random_state = inputs.library, inputs.profile, inputs.random_state
    content, rows, limits = library.content(target), library.measured(target), (0.0, LIMITS[target])
    left_out = library.laboratory[rows] == name
    known = balanced_rows(rows[~left_out], library.laboratory[rows[~left_out]], profile.n_left_out, random_state)
    test = np.sort(np.random.default_rng(random_state).permutation(rows[left_out])[: profile.n_left_out])
    X = library.harmonised(np.concatenate([known, test]), left_out=name)
    training, calibration = hold_back(library.site[known], random_state)
    network = content_network(target, len(training), profile, random_state)
    network.fit(X[training], content[known[training]], library.site[known[training]], progress=report)
    naive = ConformalIntervals(sample_threshold, LEVELS, log_offset(content[known], limits), limits)
    naive.fit(content[known[calibration]], network.predict(X[calibration]))
    predicted = network.predict(X[len(known) :])
    covered = _coverage("naive", content[test], naive.predict(predicted))
    about = {"laboratory": str(name), "n_training": len(training), **covered}
    predictions = pd.DataFrame({"laboratory": str(name), "observed": content[test], "predicted": predicted})
    return {"about": about, "predictions": predictions}


def left_out_table(parts, target, offset):
    """Laboratories left out in turn: their scores, and what intervals cover, DataFrame with a row a laboratory.

    parts : of `laboratory_left_out`; offset : as of FittedContent
    promised_90 and so on : coverage by intervals that each of the other laboratories, predicted without itself,
    calibrated with equal weight (`pooled_threshold`); promised_width : their median width at 90 %
    """
    pooled, rows = pd.concat([part["predictions"] for part in parts]), []
    columns = [pooled[name].to_numpy() for name in ("observed", "predicted", "laboratory")]
    bounds = held_out_intervals(unseen_intervals(target, offset), *columns)
    for part in parts:
        observed, predicted = (part["predictions"][name].to_numpy() for name in ("observed", "predicted"))
        covered = _coverage("promised", observed, bounds[columns[2] == part["about"]["laboratory"]])
        rows.append(part["about"] | content_scores(observed, predicted) | covered)
    return pd.DataFrame(rows)


def _coverage(name, observed, bounds):
    """Median width at 90 % and coverage of intervals (n, 2, n_levels): {'<name>_width': ..., '<name>_68': ...}."""
    table = coverage_table(observed, bounds, LEVELS).set_index("level")
    shares = {f"{name}_{100 * level:g}": share for level, share in table["coverage"].items()}
    return {f"{name}_width": table["median_width"][0.9]} | shares


def unseen_intervals(target, offset):
    """Unfitted intervals for laboratories never seen; offset : as of FittedContent."""
    return ConformalIntervals(pooled_threshold, LEVELS, offset, (0.0, LIMITS[target]))


def calibrated_on(parts, target, offset):
    """Intervals for a laboratory never seen, by all that were left out in turn."""
    pooled = pd.concat([part["predictions"] for part in parts])
    return unseen_intervals(target, offset).fit(pooled["observed"], pooled["predicted"], groups=pooled["laboratory"])


# --- the gaps filled ------------------------------------------------------------------------------------


def filled(library, X, target, fitted, intervals):
    """All samples with a value of the target, measured or imputed: DataFrame, a row a sample of the library.

    intervals : fitted ConformalIntervals, as `calibrated_on` gives. Columns, each with the target in front ('c_g_kg',
    'c_origin' ...): the value, its origin (measured, imputed), sd (of the networks, no promise), lower and upper bounds
    at 68, 90 and 95 % (NaN where it was measured), outside (of the domain of what the network was fitted to).
    """
    content = library.content(target)
    missing = np.isnan(content)
    predicted, sd = fitted.network.predict(X[missing], return_std=True)
    bounds = intervals.predict(predicted).transpose(0, 2, 1).reshape(len(predicted), -1)
    names = [name for level in LEVELS for name in bound_names(level)]
    table = pd.DataFrame(np.nan, index=range(len(content)), columns=["sd", *names])
    table.loc[missing] = np.column_stack([sd, bounds])
    table.insert(0, "origin", np.where(missing, "imputed", "measured"))
    table["outside"] = outside_domain(fitted.domain, X)
    table = table.add_prefix(f"{target}_")
    table.insert(0, TARGETS[target], content)
    table.loc[missing, TARGETS[target]] = predicted
    return table


def hybrid(library, tables):
    """The hybrid data set: laboratory, site, region, depth, coordinates, and what `filled` gives of each target.

    It ends with outlier : whether a spectrum lies outside the domains of all targets' networks.
    """
    table = pd.concat([library.dataset.samples.reset_index(drop=True), *tables], axis=1)
    return table.assign(outlier=table.filter(like="_outside").all(axis=1))
