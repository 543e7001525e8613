"""Further experiments of the Gejiu study: what is fine-tuned, early stopping on the test side, source properties."""

from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr
from torch import nn

from spectrakit.evaluation import r2
from spectrakit.models import ResNetConfig, freeze_features, initial_network
from spectrakit.studies.gejiu.protocol import lead_networks, start_from_mean, transferred
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


def depth_round(source, soils, round_, train_sizes, recipe, random_state):
    """How well lead is predicted by what is tuned and by the number of soils to tune on, in one round.

    train_sizes : soils of the training side that are used, the smaller part of the larger; at most all
    Beside the keys of DEPTHS, depth 'none' is the pH network as it is, its pH brought to ln Pb by a straight line.
    Returns records (list of dict): depth, n_train, round, r2, all on the test side of the round and in ln Pb.
    """
    test, X, y = soils.rounds[round_][1], soils.log_reflectance, np.log(soils.target)
    order = np.random.default_rng(random_state).permutation(soils.rounds[round_][0])
    records = []
    for n_train in sorted({min(size, len(order)) for size in train_sizes}):
        rows = np.sort(order[:n_train])
        ph = predict(source, X)[:, 0]
        predicted = {"none": np.polyval(np.polyfit(ph[rows], y[rows], 1), ph)}
        for depth, freeze in DEPTHS.items():
            network = transferred(source, X[rows], y[rows], freeze)
            fit_network(network, X[rows], y[rows], recipe, random_state)
            predicted[depth] = predict(network, X)[:, 0]
        for depth, values in predicted.items():
            records.append({"depth": depth, "n_train": n_train, "round": round_, "r2": r2(y[test], values[test])})
    return records


def stopping_round(source, soils, round_, recipe, random_state):
    """R2 in one round where the test side serves as the validation set of early stopping, which no honest test allows.

    Returns records (list of dict): model, watched, round, r2. `watched` is 'a fifth of the training side' as in
    `target_round`, 'the test side' with the same rows fitted, or 'the test side, all fitted'.
    """
    training, test = soils.rounds[round_]
    X, y = soils.log_reflectance, np.log(soils.target)
    fitted, held_out = (training[rows] for rows in watched_rows(len(training), recipe.validation_share, random_state))
    choices = {
        "a fifth of the training side": (fitted, held_out),
        "the test side": (fitted, test),
        "the test side, all fitted": (training, test),
    }
    records = []
    for watched, (rows, seen) in choices.items():
        for model, network in lead_networks(source, X[training], y[training], random_state).items():
            fit_network(network, X[rows], y[rows], recipe, random_state, validation=(X[seen], y[seen]))
            score = r2(y[test], predict(network, X[test])[:, 0])
            records.append({"model": model, "watched": watched, "round": round_, "r2": score})
    return records


def compared_properties(soils, n_properties):
    """Properties to pretrain on, {name: properties}: none, pH, up to `n_properties` others that are known, and all."""
    known = soils.properties.loc[:, soils.properties.notna().mean() > 0.5]
    names = ["ph", *known.columns[:n_properties]]
    return {"nothing": [], **{name: [name] for name in names}, "all of them": names}


def source_config(names):
    """Configuration of a network of some properties, which are standardised, so that the output has no ReLU."""
    return replace(ResNetConfig(), relu_output=False, n_outputs=max(1, len(names)))


def pretrain_on(soils, names, n_soils, recipe, random_state):
    """A network of one or more properties of the source domain, on `n_soils` of the first round's training side.

    names : of properties, or 'ph'; soils that lack one are left out
    No names give a network that has learned nothing. Returns the network and its R2 (mean over the properties) on the
    test side, NaN for no names.
    """
    if not names:
        return initial_network(source_config(names), random_state, np.zeros(1)), float("nan")
    table = soils.properties.assign(ph=soils.target)[list(names)].to_numpy()
    training, test = (side[np.isfinite(table[side]).all(axis=1)] for side in soils.rounds[0])
    training = np.random.default_rng(random_state).permutation(training)[:n_soils]
    mean, deviation = table[training].mean(axis=0), table[training].std(axis=0)
    X, y = soils.log_reflectance, (table - mean) / deviation
    network = initial_network(source_config(names), random_state, y[training])
    fit_network(network, X[training], y[training], recipe, random_state)
    predicted = predict(network, X[test])
    return network, float(np.mean([r2(*columns) for columns in zip(y[test].T, predicted.T, strict=True)]))


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


def property_round(source, soils, round_, recipe, random_state):
    """R2 (in ln Pb) of lead by a pretrained network with a new output, in one round of the target domain."""
    (training, test), X, y = soils.rounds[round_], soils.log_reflectance, np.log(soils.target)
    network = with_new_output(source, X[training], y[training], random_state)
    fit_network(network, X[training], y[training], recipe, random_state)
    return r2(y[test], predict(network, X[test])[:, 0])


def property_spearman(soils, names):
    """Rank correlation of a property with lead in the target domain, NaN where it is not known or there are several."""
    if len(names) != 1 or names[0] not in soils.properties:
        return float("nan")
    return float(spearmanr(soils.properties[names[0]], np.log(soils.target)).statistic)
