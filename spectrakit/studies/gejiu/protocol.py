"""Does what a network has learned of soil pH help to predict lead from few soils, and which wavelengths does it use?

The paper leaves open what this module decides:

rows that early stopping watches : a tenth of the training side in the source domain (`training.pretraining`), a fifth
    in the target domain, where a tenth would be ten soils
pretreatment of PLS and SVM : as in `models.baselines.transfer_baselines`, with which the share of lead that no
    spectrum can know was calibrated (`tools/make/calibrate_visnir.py`)
dense layers of ResNet-pH-Pb : start from those of the pH network; only the output's bias is moved first, so that the
    predictions of the training side start from the mean of their targets
"""

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import spearmanr
from sklearn.preprocessing import FunctionTransformer, PowerTransformer
from torch import nn

from spectrakit.evaluation import r2, random_rounds, rmse, scores
from spectrakit.explain import additivity_gap, mean_absolute, peaks, shap_values
from spectrakit.models import ResNetConfig, freeze_features, initial_network, transfer_baselines
from spectrakit.preprocess import lucas_reflectance, network_input, with_target
from spectrakit.simulate.soils import N_SAMPLES, simulate_gejiu, simulate_lucas
from spectrakit.spectra import LUCAS_AXIS_NM
from spectrakit.tables import read_gejiu, read_lucas
from spectrakit.training import ONE_CYCLE, PAPER, Recipe, fit_network, predict, validation_rows

TARGET_DOMAIN = replace(PAPER, name="paper, target domain", validation_share=0.2)
"""The paper's recipe on some hundred soils; a fifth of the training side is watched."""

POOL = ResNetConfig().pool
WINDOW_NM = LUCAS_AXIS_NM.reshape(-1, POOL)[:, 0]
"""First wavelength of each pooling window, (210,) nm."""

# How many wavelengths the paper names for each network. Source: section 3.5.
N_PEAKS = {"ph": 8, "pb": 10}
# Contents that a prediction can mean on the common scale: from far below any soil's to pure lead.
CONTENT_LIMITS = (0.1, 1e6)

SCALES = {
    "log": lambda: FunctionTransformer(np.log, np.exp),
    "box-cox": lambda: PowerTransformer(method="box-cox", standardize=False),
}
"""Scales on which lead (mg/kg) is modelled: name to a function that makes an unfitted transformer of (n, 1)."""


@dataclass(frozen=True)
class Profile:
    """How much of the study is run.

    n_source : soils of the source domain, where they are simulated
    source_recipe : of the pH network in every round; long_recipes : of further pH networks in the first round only
    n_explained : soils for SHAP in the source domain, as many for the background; `n_points` a soil in its values
    n_randomisations : of the weights of each part of the first round's networks, for the test of their SHAP values
    n_compared, n_properties : for the comparison of source properties, soils and how many properties beside pH
    n_experiment_rounds : rounds of the experiments; train_sizes : soils to fine-tune on, the largest being all
    """

    name: str
    n_source: int
    n_rounds: int
    source_recipe: Recipe
    long_recipes: tuple[Recipe, ...]
    target_recipe: Recipe
    n_explained: int
    n_points: int
    n_randomisations: int
    n_compared: int
    n_properties: int
    n_experiment_rounds: int
    train_sizes: tuple[int, ...]


PROFILES = {
    profile.name: profile
    for profile in (
        Profile(
            name="quick",
            n_source=1200,
            n_rounds=2,
            # Few soils make enough steps in small batches. bfloat16 is slow on processors without instructions for it,
            # and a quick run should be quick on any.
            source_recipe=replace(ONE_CYCLE, batch_size=16, max_epochs=15, bfloat16=False),
            long_recipes=(),
            target_recipe=replace(TARGET_DOMAIN, max_epochs=100, patience=30),
            n_explained=50,
            n_points=25,
            n_randomisations=1,
            n_compared=600,
            n_properties=1,
            n_experiment_rounds=1,
            train_sizes=(40, 98),
        ),
        Profile(
            name="paper",
            n_source=N_SAMPLES,
            n_rounds=10,
            source_recipe=ONE_CYCLE,
            long_recipes=(PAPER,),
            target_recipe=TARGET_DOMAIN,
            n_explained=1000,
            n_points=100,
            n_randomisations=3,
            n_compared=6000,
            n_properties=99,
            n_experiment_rounds=5,
            train_sizes=(20, 40, 60, 80, 98),
        ),
    )
}


@dataclass(frozen=True, eq=False)
class Domain:
    """Soils of one domain as the models take them.

    log_reflectance : float32 (n, 2100), natural logarithm, 400-2499 nm; target : float64 (n,), pH or lead in mg/kg
    properties : DataFrame (n, k) of what else is known; rounds : list of (training, test) positions
    provenance : dict with origin, source, seed ... and `notes` on what was done to measured spectra
    Source: gejiu paper, sections 2.1 and 2.2.2.
    """

    log_reflectance: np.ndarray
    target: np.ndarray
    properties: pd.DataFrame
    rounds: list
    provenance: dict

    @property
    def reflectance(self):
        """Reflectance (n, 2100), 0-1, as PLS and SVM take it."""
        return np.exp(self.log_reflectance.astype(float))

    def __len__(self):
        return len(self.target)


def domain(dataset, target, n_rounds, random_state, notes=()):
    """A `Domain` of the samples of a dataset of reflectance at 400-2499 nm whose property `target` is known."""
    dataset, left_out = with_target(dataset, target)
    return Domain(
        network_input(dataset.spectra, "log"),
        dataset.properties[target].to_numpy(),
        dataset.properties.drop(columns=target),
        random_rounds(len(dataset), n_rounds, random_state=random_state),
        dataset.provenance | {"notes": [*left_out, *notes]},
    )


def source_domain(profile, random_state=0, data=None, progress=None):
    """Soils with their pH: of `data`/lucas where a folder is given, else simulated. Returns `Domain`."""
    if data is None:
        dataset, notes = simulate_lucas(profile.n_source, random_state, progress), []
    else:
        dataset, notes = lucas_reflectance(read_lucas(Path(data) / "lucas", progress=progress))
    return domain(dataset, "ph", profile.n_rounds, random_state, notes)


def target_domain(profile, random_state=0, data=None):
    """Soils with their lead: of `data`/gejiu where a folder is given, else simulated. Returns `Domain`."""
    if data is None:
        dataset, notes = simulate_gejiu(random_state=random_state), []
    else:
        dataset, notes = lucas_reflectance(read_gejiu(Path(data) / "gejiu"))
    return domain(dataset, "pb_mg_kg", profile.n_rounds, random_state, notes)


# --- source domain --------------------------------------------------------------------------------------


def fit_source(soils, round_, recipe, random_state, progress=None, checkpoint=None):
    """ResNet-pH of one round. Returns the network, its scores on the test side (dict), its history (DataFrame).

    soils : Domain; round_ : index of its rounds; random_state : seed of weights and batches
    Scores are r2, rmse, rpd, and r2_train on the training side. Source: gejiu paper, sections 2.2.1 and 2.2.2.
    """
    training, test = soils.rounds[round_]
    X, y = soils.log_reflectance, soils.target
    network = initial_network(ResNetConfig(), random_state, y[training])
    history = fit_network(
        network, X[training], y[training], recipe, random_state, progress=progress, checkpoint=checkpoint
    )
    found = scores(y[test], predict(network, X[test])[:, 0])
    found |= {"r2_train": r2(y[training], predict(network, X[training])[:, 0])}
    found |= {"n_train": len(training), "n_test": len(test)}
    return network, found, history


def explain(network, background, explained, n_points, n_peaks, random_state):
    """Which wavelengths move a network: the profile of its SHAP values, and the peaks that a reader would name.

    background, explained : log reflectance (n, 2100); n_points : random points a soil
    Returns a dict of lists: `by_channel` (2100,) and `by_window` (210,) mean absolute values, `peaks` (nm, highest
    first) of the former, and `additivity_gap`. Source: gejiu paper, section 2.2.3.
    """
    values = shap_values(network, background, explained, n_samples=n_points, random_state=random_state)
    by_channel = mean_absolute(values)
    return {
        "by_channel": by_channel.tolist(),
        "by_window": mean_absolute(values, POOL).tolist(),
        "peaks": peaks(by_channel, LUCAS_AXIS_NM, n_peaks)["wavelength_nm"].tolist(),
        "additivity_gap": float(additivity_gap(network, background, explained, values)),
    }


def explain_source(network, soils, round_, profile, random_state):
    """`explain` of ResNet-pH: background from the training side of the round, explained soils from its test side."""
    generator = np.random.default_rng(random_state)
    background, explained = (
        soils.log_reflectance[generator.permutation(side)[: profile.n_explained]] for side in soils.rounds[round_]
    )
    return explain(network, background, explained, profile.n_points, N_PEAKS["ph"], random_state)


# --- target domain --------------------------------------------------------------------------------------


class HeldBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that stays in evaluation mode whatever the network around it is told."""

    def train(self, mode=True):
        """Stay as it is."""
        return super().train(False)


def free_last_convolution(network):
    """Freeze all of the features but the last convolution; returns the network."""
    features = network.features
    for place, layer in enumerate(features):
        if isinstance(layer, nn.BatchNorm2d):
            held = HeldBatchNorm(layer.num_features, layer.eps, layer.momentum)
            held.load_state_dict(layer.state_dict())
            features[place] = held.eval()
    features.requires_grad_(False)
    [layer for layer in features if isinstance(layer, nn.Conv2d)][-1].requires_grad_(True)
    return network


DEPTHS = {"dense": freeze_features, "dense and last convolution": free_last_convolution, "all": lambda network: network}
"""How much is fine-tuned: name to a function that freezes the rest of a network."""


def transferred(source, X, y, depth="dense"):
    """A copy of a pH network, ready to be fine-tuned on spectra X (n, 2100) and targets y (n,).

    depth : key of DEPTHS. The output's bias is moved so that predictions of X have the mean of y.
    Source: gejiu paper, section 2.2.2.
    """
    network = deepcopy(source)
    _aim(network, X, y)
    return DEPTHS[depth](network)


def _aim(network, X, y):
    """Move the output's bias so that predictions of X (n, 2100) have the mean of y (n,)."""
    with torch.no_grad():
        network.output_layer.bias += float(np.mean(y) - predict(network, X).mean())


def with_new_output(source, X, y, random_state):
    """A copy of a network of any targets with a new output of one node for y (n,), its features frozen."""
    network = initial_network(replace(source.config, n_outputs=1, relu_output=True), random_state, y)
    network.input_mean.copy_(source.input_mean)
    network.features.load_state_dict(source.features.state_dict())
    # The dense layers in between start from the source's.
    for layer, learned in list(zip(network.head, source.head, strict=False))[: 2 * len(source.config.hidden)]:
        layer.load_state_dict(learned.state_dict())
    _aim(network, X, y)
    return freeze_features(network)


def lead_networks(source, X, y, random_state):
    """ResNet-Pb and ResNet-pH-Pb before they are fitted to a training side X (n, 2100), y (n,): name to network."""
    return {"resnet_pb": initial_network(ResNetConfig(), random_state, y), "resnet_ph_pb": transferred(source, X, y)}


class FittedScale:
    """A scale of lead, fitted on the training side: `name` of SCALES, lead (n,) in mg/kg."""

    def __init__(self, name, lead):
        self.transformer = SCALES[name]().fit(np.reshape(lead, (-1, 1)))

    def values(self, lead):
        """Lead (n,) in mg/kg on the scale."""
        return self.transformer.transform(np.reshape(lead, (-1, 1)))[:, 0]

    def logarithm(self, values):
        """Ln of lead (n,) from values on the scale, within CONTENT_LIMITS."""
        within = np.clip(values, *self.values(np.array(CONTENT_LIMITS)))
        return np.log(self.transformer.inverse_transform(within[:, None])[:, 0])


def target_round(source, soils, round_, scale, recipe, random_state):
    """All models of lead in one round, on one scale.

    source : pH network of the same round; soils : Domain; scale : key of SCALES; random_state : seed of the models
    Returns records (list of dict), predictions (dict of model to list, the test side on the scale) and the network
    ResNet-pH-Pb. A record holds model, scale, round, r2, rmse, rpd (on the scale), rmse_log (in ln of mg/kg, what
    scales are compared by), r2_train, n_train, n_test, and what a search found: components or C.
    Source: gejiu paper, sections 2.2.2, 2.2.4 and 4.2.
    """
    training, test = soils.rounds[round_]
    fitted_scale = FittedScale(scale, soils.target[training])
    y = fitted_scale.values(soils.target)
    X, reflectance = soils.log_reflectance, soils.reflectance
    found, searched = {}, {}
    for name, make in transfer_baselines().items():
        model = make(random_state).fit(reflectance[training], y[training])
        found[name if name == "mean" else f"{name}_pb"] = model.predict(reflectance)
        searched |= _search(name, model)
    networks = lead_networks(source, X[training], y[training], random_state)
    for name, network in networks.items():
        fit_network(network, X[training], y[training], recipe, random_state)
        found[name] = predict(network, X)[:, 0]
    logarithm = np.log(soils.target[test])
    records = [
        {"model": name, "scale": scale, "round": round_}
        | scores(y[test], predicted[test])
        | {"rmse_log": rmse(logarithm, fitted_scale.logarithm(predicted[test]))}
        | {"r2_train": r2(y[training], predicted[training]), "n_train": len(training), "n_test": len(test)}
        | searched.get(name, {})
        for name, predicted in found.items()
    ]
    predictions = {name: predicted[test].tolist() for name, predicted in found.items()}
    return records, {"observed": y[test].tolist(), **predictions}, networks["resnet_ph_pb"]


def _search(name, model):
    """What the search of a baseline found, by the model's name among the records; C in the unit of the target."""
    if name == "pls":
        return {"pls_pb": {"searched": int(model[-1].n_components_)}}
    if name == "svm":
        return {"svm_pb": {"searched": float(model[-1].best_params_["C"] * model[-1].scale_)}}
    return {}


def explain_target(network, soils, round_, profile, random_state):
    """`explain` of ResNet-pH-Pb: all soils are the background, those of the test side are explained."""
    X, (_, test) = soils.log_reflectance, soils.rounds[round_]
    return explain(network, X, X[test], 2 * profile.n_points, N_PEAKS["pb"], random_state)


# --- further experiments --------------------------------------------------------------------------------


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
        for depth in DEPTHS:
            network = transferred(source, X[rows], y[rows], depth)
            fit_network(network, X[rows], y[rows], recipe, random_state)
            predicted[depth] = predict(network, X)[:, 0]
        for depth, values in predicted.items():
            records.append({"depth": depth, "n_train": n_train, "round": round_, "r2": r2(y[test], values[test])})
    return records


def stopping_round(source, soils, round_, recipe, random_state):
    """What R2 becomes in one round where early stopping watches the test side, which no honest test allows.

    Returns records (list of dict): model, watched, round, r2. `watched` is 'a fifth of the training side' as in
    `target_round`, 'the test side' with the same rows fitted, or 'the test side, all fitted'.
    """
    training, test = soils.rounds[round_]
    X, y = soils.log_reflectance, np.log(soils.target)
    all_rows = np.arange(len(training))
    fitted, held = validation_rows(len(training), recipe.validation_share, random_state)
    choices = {
        "a fifth of the training side": (fitted, training[held]),
        "the test side": (fitted, test),
        "the test side, all fitted": (all_rows, test),
    }
    records = []
    for watched, (rows, seen) in choices.items():
        for model, network in lead_networks(source, X[training], y[training], random_state).items():
            rows_fitted = training[rows]
            fit_network(network, X[rows_fitted], y[rows_fitted], recipe, random_state, validation=(X[seen], y[seen]))
            score = r2(y[test], predict(network, X[test])[:, 0])
            records.append({"model": model, "watched": watched, "round": round_, "r2": score})
    return records


def compared_properties(soils, n_properties):
    """What networks of the source domain may be pretrained on: pH, then up to `n_properties` others that are known."""
    known = soils.properties.loc[:, soils.properties.notna().mean() > 0.5]
    return ["ph", *known.columns[:n_properties]]


def pretrain_on(soils, names, n_soils, recipe, random_state):
    """A network of one or more properties of the source domain, on `n_soils` of the first round's training side.

    names : of properties, or 'ph'; each is standardised, so the output has no ReLU; soils that lack one are left out
    No names give a network that has learned nothing. Returns the network and its R2 (mean over the properties) on the
    test side, NaN for no names.
    """
    config = replace(ResNetConfig(), relu_output=False, n_outputs=max(1, len(names)))
    if not names:
        return initial_network(config, random_state, np.zeros(1)), float("nan")
    table = soils.properties.assign(ph=soils.target)[list(names)].to_numpy()
    training, test = (side[np.isfinite(table[side]).all(axis=1)] for side in soils.rounds[0])
    training = np.random.default_rng(random_state).permutation(training)[:n_soils]
    mean, deviation = table[training].mean(axis=0), table[training].std(axis=0)
    y = (table - mean) / deviation
    X = soils.log_reflectance
    network = initial_network(config, random_state, y[training])
    fit_network(network, X[training], y[training], recipe, random_state)
    predicted = predict(network, X[test])
    return network, float(np.mean([r2(y[test, place], predicted[:, place]) for place in range(len(names))]))


def property_transfer(name, names, source_soils, target_soils, profile, random_state):
    """What pretraining on a property does for lead: records (list of dict) of rounds of the target domain.

    name : how to call the source; names : properties, see `pretrain_on`
    A record holds source, source_r2, spearman (of the property with lead in the target domain, NaN where not known
    or several), round and r2 (in ln Pb). All sources have as many soils and the same recipe; the output is new.
    """
    network, source_r2 = pretrain_on(source_soils, names, profile.n_compared, profile.source_recipe, random_state)
    X, y = target_soils.log_reflectance, np.log(target_soils.target)
    known = len(names) == 1 and names[0] in target_soils.properties
    spearman = float(spearmanr(target_soils.properties[names[0]], y).statistic) if known else float("nan")
    records = []
    for round_, (training, test) in enumerate(target_soils.rounds[: profile.n_experiment_rounds]):
        seed = random_state + round_
        tuned = with_new_output(network, X[training], y[training], seed)
        fit_network(tuned, X[training], y[training], profile.target_recipe, seed)
        score = r2(y[test], predict(tuned, X[test])[:, 0])
        records.append({"source": name, "source_r2": source_r2, "spearman": spearman, "round": round_, "r2": score})
    return records
