"""Further experiments of the Gejiu study (depth, early stopping, source properties), and bands near wavelengths."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from spectrakit.evaluation import r2
from spectrakit.models import ResNetConfig, initial_network
from spectrakit.simulate.soils import band_table
from spectrakit.studies.gejiu.protocol import lead_networks
from spectrakit.training import DEPTHS, fit_network, predict, transferred, validation_rows, with_new_output


def depth_round(inputs, round_, report):
    """How well lead is predicted by what is tuned and by the number of soils to tune on, in one round.

    inputs : `run.Domains`, with the pH network of the round; the soils to tune on are those of the training side, the
        smaller number part of the larger, at most all
    Beside the keys of DEPTHS, depth 'none' is the pH network as it is, its pH brought to ln Pb by a straight line.
    Returns a DataFrame of depth, n_train, round, r2, all on the test side of the round and in ln Pb.
    """
    source, soils, profile = inputs.source_network(round_), inputs.target, inputs.profile
    (training, test), X, y = soils.rounds[round_], soils.log_reflectance, np.log(soils.target)
    order, records = np.random.default_rng(inputs.seed(round_)).permutation(training), []
    for n_train in sorted({min(size, len(order)) for size in profile.train_sizes}):
        rows = np.sort(order[:n_train])
        ph = predict(source, X)[:, 0]
        predicted = {"none": np.polyval(np.polyfit(ph[rows], y[rows], 1), ph)}
        for depth, freeze in DEPTHS.items():
            network = transferred(source, X[rows], y[rows], freeze)
            fit_network(network, X[rows], y[rows], profile.target_recipe, inputs.seed(round_))
            predicted[depth] = predict(network, X)[:, 0]
        records += [(depth, n_train, round_, r2(y[test], values[test])) for depth, values in predicted.items()]
    return pd.DataFrame(records, columns=["depth", "n_train", "round", "r2"])


def stopping_round(inputs, round_, report):
    """R2 in one round where the test side serves as the validation set of early stopping, which no honest test allows.

    Returns a DataFrame of model, watched, round, r2. `watched` is 'a fifth of the training side' as in `target_round`,
    'the test side' with the same rows fitted, or 'the test side, all fitted'.
    """
    source, soils, recipe = inputs.source_network(round_), inputs.target, inputs.profile.target_recipe
    (training, test), X, y = soils.rounds[round_], soils.log_reflectance, np.log(soils.target)
    seed, records = inputs.seed(round_), []
    fitted, held_out = (training[rows] for rows in validation_rows(len(training), recipe.validation_share, seed))
    choices = {
        "a fifth of the training side": (fitted, held_out),
        "the test side": (fitted, test),
        "the test side, all fitted": (training, test),
    }
    for watched, (rows, seen) in choices.items():
        for model, network in lead_networks(source, X[training], y[training], seed).items():
            fit_network(network, X[rows], y[rows], recipe, seed, validation=(X[seen], y[seen]))
            records.append((model, watched, round_, r2(y[test], predict(network, X[test])[:, 0])))
    return pd.DataFrame(records, columns=["model", "watched", "round", "r2"])


def compared_properties(soils, n_properties):
    """Properties to pretrain on, {name: properties}: none, pH, up to `n_properties` others that are known, and all."""
    known = soils.properties.loc[:, soils.properties.notna().mean() > 0.5]
    names = ["ph", *known.columns[:n_properties]]
    return {"nothing": [], **{name: [name] for name in names}, "all of them": names}


def pretrained_network(inputs, name, report):
    """A network of one or more properties of the source domain, on soils of the first round's training side.

    name : of the sources that `compared_properties` gives; soils that lack a property are left out
    Returns a dict: network; about, with source, source_r2 (mean over the properties on the test side, NaN for a network
    that has learned nothing) and spearman (of the property with lead in the target domain, NaN where it is not known
    there or there are several).
    """
    names, soils, profile, seed = (
        inputs.parts["domains"]["compared"][name],
        inputs.source,
        inputs.profile,
        inputs.seed(0),
    )
    # The properties are standardised, so the output has no ReLU.
    config = replace(ResNetConfig(), relu_output=False, n_outputs=max(1, len(names)))
    about = {"source": name, "source_r2": float("nan"), "spearman": float("nan")}
    if len(names) == 1 and names[0] in inputs.target.properties:
        about["spearman"] = float(spearmanr(inputs.target.properties[names[0]], np.log(inputs.target.target)).statistic)
    if not names:
        return {"about": about, "network": initial_network(config, seed, [0.0])}
    table = soils.properties.assign(ph=soils.target)[names].to_numpy()
    training, test = (side[np.isfinite(table[side]).all(axis=1)] for side in soils.rounds[0])
    training = np.random.default_rng(seed).permutation(training)[: profile.n_compared]
    X, y = soils.log_reflectance, (table - table[training].mean(axis=0)) / table[training].std(axis=0)
    network = initial_network(config, seed, y[training])
    fit_network(network, X[training], y[training], profile.source_recipe, seed)
    pairs = zip(y[test].T, predict(network, X[test]).T, strict=True)
    return {"about": about | {"source_r2": float(np.mean([r2(*pair) for pair in pairs]))}, "network": network}


def property_round(inputs, name, round_, report):
    """Lead in one round of the target domain by a pretrained network with a new output.

    Returns a DataFrame of one row: source, source_r2, spearman, round and r2 (in ln Pb). All sources have as many soils
    and the same recipe.
    """
    pretrained, soils, seed = inputs.parts[f"pretrained-{name}"], inputs.target, inputs.seed(round_)
    (training, test), X, y = soils.rounds[round_], soils.log_reflectance, np.log(soils.target)
    network = with_new_output(pretrained["network"], X[training], y[training], seed)
    fit_network(network, X[training], y[training], inputs.profile.target_recipe, seed)
    return pd.DataFrame([pretrained["about"] | {"round": round_, "r2": r2(y[test], predict(network, X[test])[:, 0])}])


# --- the bands that the paper assigns -------------------------------------------------------------------


def nearest_band(entry):
    """The nearest band of some constituents: a row of data/bands/visnir.csv with its distance in nm.

    entry : dict with band (lowest and highest nm), constituents, and perhaps assignment, a text that the band's
        assignment contains
    Edges and wings of fundamentals do not count. A band reaches as far as half its height, so that the distance is 0
    where the two overlap.
    """
    low, high = entry["band"]
    bands = band_table()
    bands = bands[(bands["kind"] != "edge") & ~bands["assignment"].str.startswith("wing")]
    bands = bands[bands["constituent"].isin(entry["constituents"])]
    bands = bands[bands["assignment"].str.contains(entry.get("assignment", ""), regex=False)]
    outside = np.maximum(low - bands["centre_nm"], bands["centre_nm"] - high) - bands["width_nm"] / 2
    return bands.assign(distance=outside.clip(lower=0)).loc[outside.idxmin()]
