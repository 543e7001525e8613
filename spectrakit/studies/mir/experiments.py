"""Further experiments of the mid-infrared study: harmonisations, organic and total carbon, imputed values and truth."""

import numpy as np
import pandas as pd

from spectrakit.evaluation import LEVELS, balanced_rows, prediction_sd, r2, rmse
from spectrakit.models import content_baselines
from spectrakit.studies.mir.domains import TARGETS, cells
from spectrakit.studies.mir.protocol import content_network, divide_sites, grouped_scores, interval_coverage
from spectrakit.training import OrganicCarbonNetwork
from spectrakit.workflows.harmonise import MODELS, leave_laboratories_out, possible_harmonisations, soils_to_predict
from spectrakit.workflows.impute import bound_names

N_THRESHOLDS = 60


def compare_harmonisations(inputs, target, report):
    """PLS with each harmonisation on each laboratory left out: DataFrame as of `leave_laboratories_out`, in log10.

    Of each laboratory at most `n_compared` soils take part.
    """
    library, profile, random_state = inputs.library, inputs.profile, inputs.random_state
    rows = library.measured(target)
    most = profile.n_compared * len(np.unique(library.laboratory[rows]))
    order = balanced_rows(rows, library.laboratory[rows], most, random_state)
    place = pd.Series(library.laboratory[order]).groupby(library.laboratory[order]).cumcount().to_numpy()
    dataset = library.dataset.subset(order[place < profile.n_compared])
    soils, _ = soils_to_predict(dataset, TARGETS[target])
    possible, _ = possible_harmonisations(soils, library.ring, random_state)
    choices = {name: possible[name] for name in profile.compared if name in possible}
    models = {name: MODELS[name] for name in ("mean", "pls")}
    return leave_laboratories_out(
        soils,
        TARGETS[target],
        choices,
        models,
        random_state=random_state,
        progress=lambda words, share: report(share),
    )


def organic_and_total(inputs, report):
    """Total and organic carbon of sites not fitted: how often a model says more organic than total, and its scores.

    Returns a DataFrame, a row a model: model, n, above (rows with organic above total), r2 and rmse of organic.
    """
    library, X, profile, random_state = inputs.library, inputs.X, inputs.profile, inputs.random_state
    rows = library.measured("c")
    rows = balanced_rows(rows, library.laboratory[rows], profile.n_left_out, random_state)
    y, X, site = library.dataset.properties[["c_g_kg", "oc_g_kg"]].to_numpy()[rows], X[rows], library.site[rows]
    division = divide_sites(np.arange(len(rows)), site, random_state)
    training, test, site = division.training, division.test, site[division.training]
    network = content_network("c", len(training), profile, random_state)
    bound = OrganicCarbonNetwork(network).fit(X[training], y[training], site, progress=report)
    predicted = {"total times share": bound.predict(X[test])}
    organic = network.fit(X[training], y[training, 1], site).predict(X[test])
    predicted["two networks"] = np.column_stack([predicted["total times share"][:, 0], organic])
    pls = content_baselines(random_state)["pls"]
    columns = [pls.fit(X[training], column, groups=site).predict(X[test]) for column in y[training].T]
    predicted["two PLS"] = np.column_stack(columns)
    rows = [
        (name, len(test), (total < organic).sum(), r2(y[test, 1], organic), rmse(y[test, 1], organic))
        for name, (total, organic) in ((name, values.T) for name, values in predicted.items())
    ]
    return pd.DataFrame(rows, columns=["model", "n", "above", "r2", "rmse"])


def _gaps(library, target, table):
    """Positions of the imputed values, their rows, the truth, and their bounds at some levels (n, 2, n_levels)."""
    gaps = np.flatnonzero(table[f"{target}_origin"] == "imputed")
    rows, truth = table.iloc[gaps], library.truth[TARGETS[target]].to_numpy()[gaps]
    names = [[f"{target}_{name}" for name in bound_names(level)] for level in LEVELS]
    return gaps, rows, truth, np.stack([rows[pair].to_numpy() for pair in names], axis=2)


def against_truth(library, target, table):
    """Imputed values beside what would have been measured, a dict; table : of `filled`.

    truth, truth_coverage : scores and coverage, overall and by laboratory and depth; imputed_sd : deviation of the
    imputed values; member_sd : mean deviation between the networks
    """
    gaps, rows, truth, bounds = _gaps(library, target, table)
    imputed = rows[TARGETS[target]].to_numpy()
    return {
        "truth": grouped_scores(library, gaps, truth, imputed),
        "truth_coverage": interval_coverage(library, gaps, truth, {"promised": bounds}),
        "imputed_sd": prediction_sd(imputed),
        "member_sd": float(rows[f"{target}_sd"].mean()),
    }


def acceptance(library, target, table):
    """What is left of the gaps filled where an imputed value must have a 90 % interval no wider than a threshold.

    Returns a DataFrame, a row a threshold (width_g_kg): filled (share of the gaps), rmse and coverage against the
    truth, cells (of one degree with a value, measured ones counted).
    """
    gaps, rows, truth, bounds = _gaps(library, target, table)
    lower, upper = bounds[:, :, LEVELS.index(0.9)].T
    error = rows[TARGETS[target]].to_numpy() - truth
    inside, width = (lower <= truth) & (truth <= upper), upper - lower
    cell = cells(library.dataset.samples)
    measured, found = set(cell[library.measured(target)]), []
    for threshold in np.quantile(width, np.linspace(1 / N_THRESHOLDS, 1, N_THRESHOLDS)):
        kept = width <= threshold
        found.append(
            {
                "width_g_kg": threshold,
                "filled": kept.mean(),
                "rmse": np.sqrt(np.mean(error[kept] ** 2)),
                "coverage": inside[kept].mean(),
                "cells": len(measured | set(cell[gaps[kept]])),
            }
        )
    return pd.DataFrame(found)
