"""Further experiments of the Gejiu study: what is fine-tuned, early stopping on the test side, source properties."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from torch import nn

from spectrakit.evaluation import r2
from spectrakit.models import ResNetConfig, freeze_features, initial_network
from spectrakit.studies.gejiu.protocol import lead_networks, network_of, start_from_mean, transferred
from spectrakit.training import fit_network, predict, watched_rows

# Places of the batch normalisation and of the last convolution among `SpectralResNet.features`.
_NORMALISATION, _LAST_CONVOLUTION = 2, -3


class HeldBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that stays in evaluation mode when the network around it is trained."""

    def train(self, mode=True):
        """Stay as it is."""
        return super().train(False)


def free_last_convolution(network):
    """Freeze all of the features but the last convolution; returns the network."""
    features, layer = network.features, network.features[_NORMALISATION]
    held = HeldBatchNorm(layer.num_features, layer.eps, layer.momentum)
    held.load_state_dict(layer.state_dict())
    features[_NORMALISATION] = held.eval()
    features.requires_grad_(False)
    features[_LAST_CONVOLUTION].requires_grad_(True)
    return network


DEPTHS = {"dense": freeze_features, "dense and last convolution": free_last_convolution, "all": lambda network: network}
"""How much is fine-tuned: name to a function that freezes the rest of a network."""


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
    fitted, held_out = (training[rows] for rows in watched_rows(len(training), recipe.validation_share, seed))
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


def source_config(names):
    """Configuration of a network of some properties, which are standardised, so that the output has no ReLU."""
    return replace(ResNetConfig(), relu_output=False, n_outputs=max(1, len(names)))


def pretrained_network(inputs, name, report):
    """A network of one or more properties of the source domain, on soils of the first round's training side.

    name : of the sources that `compared_properties` gives; soils that lack a property are left out
    Returns a dict: network, its state; about, with source, source_r2 (mean over the properties on the test side, NaN
    for a network that has learned nothing) and spearman (of the property with lead in the target domain, NaN where it
    is not known there or there are several).
    """
    names, soils, profile = inputs.parts["domains"]["compared"][name], inputs.source, inputs.profile
    about = {"source": name, "source_r2": float("nan"), "spearman": float("nan")}
    if len(names) == 1 and names[0] in inputs.target.properties:
        about["spearman"] = float(spearmanr(inputs.target.properties[names[0]], np.log(inputs.target.target)).statistic)
    if not names:
        return {"about": about, "network": initial_network(source_config(names), inputs.seed(0), [0.0]).state_dict()}
    table = soils.properties.assign(ph=soils.target)[names].to_numpy()
    training, test = (side[np.isfinite(table[side]).all(axis=1)] for side in soils.rounds[0])
    training = np.random.default_rng(inputs.seed(0)).permutation(training)[: profile.n_compared]
    X, y = soils.log_reflectance, (table - table[training].mean(axis=0)) / table[training].std(axis=0)
    network = initial_network(source_config(names), inputs.seed(0), y[training])
    fit_network(network, X[training], y[training], profile.source_recipe, inputs.seed(0))
    pairs = zip(y[test].T, predict(network, X[test]).T, strict=True)
    about["source_r2"] = float(np.mean([r2(*pair) for pair in pairs]))
    return {"about": about, "network": network.state_dict()}


def with_new_output(source, X, y, random_state):
    """A copy of a network of any targets with a new output of one node for y (n,), its features frozen."""
    network = initial_network(replace(source.config, n_outputs=1, relu_output=True), random_state, y)
    network.input_mean.copy_(source.input_mean)
    network.features.load_state_dict(source.features.state_dict())
    # The dense layers in between start from the source's.
    for layer, learned in list(zip(network.head, source.head, strict=False))[: 2 * len(source.config.hidden)]:
        layer.load_state_dict(learned.state_dict())
    start_from_mean(network, X, y)
    return freeze_features(network)


def property_round(inputs, name, round_, report):
    """Lead in one round of the target domain by a pretrained network with a new output.

    Returns a DataFrame of one row: source, source_r2, spearman, round and r2 (in ln Pb). All sources have as many soils
    and the same recipe.
    """
    pretrained, soils, seed = inputs.parts[f"pretrained-{name}"], inputs.target, inputs.seed(round_)
    source = network_of(pretrained["network"], source_config(inputs.parts["domains"]["compared"][name]))
    (training, test), X, y = soils.rounds[round_], soils.log_reflectance, np.log(soils.target)
    network = with_new_output(source, X[training], y[training], seed)
    fit_network(network, X[training], y[training], inputs.profile.target_recipe, seed)
    return pd.DataFrame([pretrained["about"] | {"round": round_, "r2": r2(y[test], predict(network, X[test])[:, 0])}])
