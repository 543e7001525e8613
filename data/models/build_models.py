"""How were the weights in this folder made?

    python data/models/build_models.py soils    writes resnet_soils.safetensors, which `spectrakit transfer` fine-tunes
    python data/models/build_models.py lucas    writes resnet_lucas_ph.safetensors, ResNet-pH of the simulated LUCAS

Each takes some minutes on one core and prints its scores, which the model card in README.md repeats. The same versions
on the same kind of processor give the same weights.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.evaluation.splits import random_rounds
from spectrakit.models.resnet import ResNetConfig, initial_network, save_network
from spectrakit.preprocess import network_input
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3, FOSS_XDS
from spectrakit.simulate.lucas import simulate_lucas
from spectrakit.simulate.soil import WORLD, draw_soils
from spectrakit.simulate.survey import scan
from spectrakit.training.pretraining import ONE_CYCLE, Recipe, fit_network, predict

FOLDER = Path(__file__).parent
N_SOILS, SEED = 60_000, 5
SOILS_RECIPE = Recipe(
    "soils", learning_rate=0.003, batch_size=128, max_epochs=18, patience=18, one_cycle=True, bfloat16=True
)
LOGARITHMIC = ("soc_pct", "clay_pct", "sand_pct", "caco3_pct", "cec_cmol_kg", "fe_oxides_pct")
TRACES = ("ferrous_silicate", "magnetite", "kaolinite", "smectite", "illite", "chlorite", "hematite", "goethite")
TRACES = (*TRACES, "litter", "water")


def soils_targets(soils):
    """Everything that the simulator knows of a soil and that light may tell: DataFrame, contents as logarithms."""
    targets = soils.properties.copy()
    for name in LOGARITHMIC:
        targets[name] = np.log(targets[name] + 0.3)
    for name in TRACES:
        targets[f"{name}_share"] = np.log(soils.composition[name].to_numpy(float) + 0.002)
    return targets.assign(grain_um=np.log(soils.grain_um))


def build_soils():
    """Twenty properties at once, from soils of the whole world under two instruments."""
    spectra, targets = [], []
    for instrument, seed in ((ASD_FIELDSPEC_3, SEED), (FOSS_XDS, SEED + 1)):
        generator = np.random.default_rng(seed)
        soils = draw_soils(N_SOILS // 2, WORLD, generator)
        spectra.append(network_input(scan(soils, instrument, generator), "snv"))
        targets.append(soils_targets(soils))
    X, names = np.concatenate(spectra), list(targets[0])
    values = np.concatenate(targets)
    mean, deviation = values.mean(0), values.std(0)
    y = ((values - mean) / deviation).astype(np.float32)
    test = np.random.default_rng(SEED).random(len(y)) < 0.05
    network = initial_network(ResNetConfig(n_outputs=len(names), relu_output=False, l2=1e-5), SEED, y)
    network.centre_input(X[~test])
    _fit(network, X[~test], y[~test], SOILS_RECIPE)
    predicted = predict(network, X[test])
    scores = {name: round(r2(y[test, i], predicted[:, i]), 3) for i, name in enumerate(names)}
    scaling = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    _save(network, "resnet_soils", "snv", SOILS_RECIPE, names, scores, scaling)


def build_lucas():
    """ResNet-pH of the simulated LUCAS by the fast recipe; scores on a quarter that it had not seen."""
    dataset = simulate_lucas()
    X, y = network_input(dataset.spectra, "log"), dataset.properties["ph"].to_numpy(np.float32)
    training, test = random_rounds(len(y), 1)[0]
    network = initial_network(ResNetConfig(), 0, y[training])
    _fit(network, X[training], y[training], ONE_CYCLE)
    predicted = predict(network, X[test])[:, 0]
    scores = {"r2": round(r2(y[test], predicted), 3), "rmse": round(rmse(y[test], predicted), 3)}
    _save(network, "resnet_lucas_ph", "log", ONE_CYCLE, ["ph"], scores, {})


def _fit(network, X, y, recipe):
    with Progress() as bar:
        task = bar.add_task(recipe.name, total=recipe.max_epochs)
        fit_network(network, X, y, recipe, SEED, progress=lambda done, total: bar.update(task, completed=done))


def _save(network, name, transform, recipe, targets, scores, scaling):
    metadata = {"transform": transform, "recipe": vars(recipe), "origin": "simulated", "seed": SEED}
    metadata |= {"targets": targets, "scores": scores, "scaling": scaling}
    save_network(network, FOLDER / f"{name}.safetensors", metadata)
    print(name, scores)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"soils": build_soils, "lucas": build_lucas}[sys.argv[1]]()
