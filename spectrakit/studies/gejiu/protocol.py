"""The protocol of the Gejiu study: ResNet-pH, its transfer to lead beside PLS and SVM, and what explains both.

The paper leaves open what this module decides:

rows of the validation set : a tenth of the training side in the source domain (`training.fit_network`), a fifth in the
    target domain, where a tenth would be ten soils
pretreatment of PLS and SVM : as in `models.transfer_baselines`, with which the share of lead that no spectrum can know
    was calibrated (`tools/make/calibrate_visnir.py`)
dense layers of ResNet-pH-Pb : start from those of the pH network; only the output's bias is moved first, so that the
    predictions of the training side start from the mean of their targets
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.preprocessing import FunctionTransformer, PowerTransformer

from spectrakit.evaluation import r2, rmse, scores
from spectrakit.explain import additivity_gap, mean_absolute, peaks, shap_values
from spectrakit.models import ResNetConfig, initial_network, transfer_baselines
from spectrakit.simulate.soils import N_SAMPLES
from spectrakit.spectra import LUCAS_AXIS_NM
from spectrakit.training import ONE_CYCLE, PAPER, Recipe, fit_network, predict, transferred

TARGET_DOMAIN = replace(PAPER, name="paper, target domain", validation_share=0.2)
"""The paper's recipe on some hundred soils; a fifth of the training side is the validation set."""

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
    "quick": Profile(
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
    "paper": Profile(
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
}


# --- source domain --------------------------------------------------------------------------------------


def fit_source(soils, round_, recipe, random_state, progress=None, checkpoint=None):
    """ResNet-pH of one round, and tables of its fit: (network, {'scores': DataFrame, 'history': DataFrame}).

    soils : Domain; round_ : index of its rounds; random_state : seed of weights and batches
    scores : a row of recipe, round, r2, rmse, rpd on the test side, r2_train, n_train and n_test; history : recipe,
    round, and the columns of `training.fit_network`, a row an epoch. Source: gejiu paper, sections 2.2.1 and 2.2.2.
    """
    training, test = soils.rounds[round_]
    X, y, about = soils.log_reflectance, soils.target, {"recipe": recipe.name, "round": round_}
    network = initial_network(ResNetConfig(), random_state, y[training])
    history = fit_network(
        network, X[training], y[training], recipe, random_state, progress=progress, checkpoint=checkpoint
    )
    fitted, predicted = (predict(network, X[side])[:, 0] for side in (training, test))
    scored = pd.DataFrame([about | _round_scores(y[training], fitted, y[test], predicted)])
    return network, {"scores": scored, "history": history.assign(**about).rename_axis("epoch").reset_index()}


def _round_scores(y_training, fitted, y_test, predicted):
    """Scores on the test side, R2 on the training side, and how many samples are on both."""
    further = {"r2_train": r2(y_training, fitted), "n_train": len(y_training), "n_test": len(y_test)}
    return scores(y_test, predicted) | further


def explain(network, background, explained, n_points, n_peaks, random_state):
    """Which wavelengths move a network: the profile of its SHAP values, and the peaks that one would name.

    background, explained : log reflectance (n, 2100); n_points : random points a soil
    Returns a dict: `channels` (2100,), mean absolute values; DataFrames `windows`, of window_nm (the first wavelength)
    and share in all contributions, `peaks`, of rank and wavelength_nm, and `additivity`, of the gap.
    Source: gejiu paper, section 2.2.3.
    """
    values = shap_values(network, background, explained, n_samples=n_points, random_state=random_state)
    channels, windows = mean_absolute(values), mean_absolute(values, POOL)
    named = peaks(channels, LUCAS_AXIS_NM, n_peaks)[["wavelength_nm"]]
    return {
        "channels": channels,
        "windows": pd.DataFrame({"window_nm": WINDOW_NM, "share": windows / windows.sum()}),
        "peaks": named.rename_axis("rank").reset_index().assign(rank=lambda table: table["rank"] + 1),
        "additivity": pd.DataFrame({"gap": [float(additivity_gap(network, background, explained, values))]}),
    }


def explain_source(network, soils, round_, profile, random_state):
    """`explain` of ResNet-pH: background from the training side of the round, explained soils from its test side."""
    generator = np.random.default_rng(random_state)
    background, explained = (
        soils.log_reflectance[generator.permutation(side)[: profile.n_explained]] for side in soils.rounds[round_]
    )
    return explain(network, background, explained, profile.n_points, N_PEAKS["ph"], random_state)


def explain_target(network, soils, round_, profile, random_state):
    """`explain` of ResNet-pH-Pb: all soils are the background, those of the test side are explained."""
    X, (_, test) = soils.log_reflectance, soils.rounds[round_]
    return explain(network, X, X[test], 2 * profile.n_points, N_PEAKS["pb"], random_state)


# --- target domain --------------------------------------------------------------------------------------


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
    Returns records (list of dict), predictions (DataFrame, a column a model, the test side on the scale) and the
    network ResNet-pH-Pb. A record holds model, scale, round, r2, rmse, rpd (on the scale), rmse_log (in ln of mg/kg, by
    which scales are compared), r2_train, n_train, n_test, and the result of a search: components or C.
    Source: gejiu paper, sections 2.2.2, 2.2.4 and 4.2.
    """
    training, test = soils.rounds[round_]
    fitted_scale = FittedScale(scale, soils.target[training])
    y, X = fitted_scale.values(soils.target), soils.log_reflectance
    predictions, searched = _baselines(soils.reflectance, y, training, random_state)
    networks = lead_networks(source, X[training], y[training], random_state)
    for name, network in networks.items():
        fit_network(network, X[training], y[training], recipe, random_state)
        predictions[name] = predict(network, X)[:, 0]
    logarithm = np.log(soils.target[test])
    records = [
        {"model": name, "scale": scale, "round": round_}
        | _round_scores(y[training], predicted[training], y[test], predicted[test])
        | {"rmse_log": rmse(logarithm, fitted_scale.logarithm(predicted[test]))}
        | searched.get(name, {})
        for name, predicted in predictions.items()
    ]
    predictions = pd.DataFrame({"observed": y, **predictions}).iloc[test]
    return records, predictions.reset_index(drop=True), networks["resnet_ph_pb"]


def _baselines(reflectance, y, training, random_state):
    """Predictions of all soils by model, and what the searches chose: components, or C in the unit of the target."""
    models = {name: make(random_state) for name, make in transfer_baselines().items()}
    names = {name: name if name == "mean" else f"{name}_pb" for name in models}
    predictions = {
        names[name]: model.fit(reflectance[training], y[training]).predict(reflectance)
        for name, model in models.items()
    }
    pls, svm = models["pls"][-1], models["svm"][-1]
    chosen = {"pls_pb": int(pls.n_components_), "svm_pb": float(svm.best_params_["C"] * svm.scale_)}
    return predictions, {name: {"searched": value} for name, value in chosen.items()}
