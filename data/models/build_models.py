"""How were the weights in this folder made?

    python data/models/build_models.py soils    writes resnet_soils.safetensors, which `spectrakit transfer` fine-tunes
    python data/models/build_models.py lucas    writes resnet_lucas_ph.safetensors, ResNet-pH of the simulated LUCAS

The first takes about half an hour on a core that others use too, the second some minutes; each prints its scores,
which the model card in README.md repeats. The same versions on the same kind of processor give the same weights.
"""

import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.evaluation.splits import random_rounds
from spectrakit.models.resnet import ResNetConfig, freeze_features, initial_network, save_network
from spectrakit.preprocess import network_input
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3, FOSS_XDS
from spectrakit.simulate.lucas import simulate_lucas
from spectrakit.simulate.reflectance import draw_variation, narrowed
from spectrakit.simulate.soil import WORLD, draw_locality, draw_soils
from spectrakit.simulate.survey import scan
from spectrakit.training.episodes import EpisodeRecipe, episode_error, fit_features
from spectrakit.training.pretraining import ONE_CYCLE, fit_network, predict

FOLDER = Path(__file__).parent
N_SOILS, SOILS_SEED, LUCAS_SEED = 60_000, 5, 0
N_LOCALITIES, SOILS_A_LOCALITY = 2500, 128
SOILS_RECIPE = replace(ONE_CYCLE, name="soils", learning_rate=0.003, batch_size=128, max_epochs=18, patience=18)
DENSE_RECIPE = replace(SOILS_RECIPE, name="soils, dense layers", max_epochs=6, patience=6)
EPISODES = EpisodeRecipe()
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
    """Twenty properties at once, from soils of the whole world under two instruments; then many small calibrations."""
    spectra, targets = [], []
    for instrument, seed in ((ASD_FIELDSPEC_3, SOILS_SEED), (FOSS_XDS, SOILS_SEED + 1)):
        generator = np.random.default_rng(seed)
        soils = draw_soils(N_SOILS // 2, WORLD, generator)
        spectra.append(network_input(scan(soils, instrument, generator), "derivative"))
        targets.append(soils_targets(soils))
    X, names = np.concatenate(spectra), list(targets[0])
    values = np.concatenate(targets)
    mean, deviation = values.mean(0), values.std(0)
    y = ((values - mean) / deviation).astype(np.float32)
    test = kept_back()
    network = initial_network(ResNetConfig(n_outputs=len(names), relu_output=False, l2=1e-5), SOILS_SEED, y)
    _fit(network, X[~test], y[~test], SOILS_RECIPE, SOILS_SEED)
    about = {"before": calibration_error(network), "episodes": asdict(EPISODES), "n_localities": N_LOCALITIES}
    with Progress() as bar:
        drawn = bar.add_task("localities", total=N_LOCALITIES)
        localities = draw_localities(
            network, N_LOCALITIES, SOILS_SEED + 2, lambda done: bar.update(drawn, completed=done)
        )
        seen = bar.add_task("episodes", total=EPISODES.steps)
        fit_features(network, *localities, EPISODES, SOILS_SEED, lambda done, _: bar.update(seen, completed=done))
    about |= {"after": calibration_error(network)}
    # The dense layers belong to the features as they were before, and are fitted to them anew.
    _fit(freeze_features(network), X[~test], y[~test], DENSE_RECIPE, SOILS_SEED)
    predicted = predict(network, X[test])
    scores = {name: round(r2(y[test, i], predicted[:, i]), 3) for i, name in enumerate(names)}
    scaling = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    _save(network, "resnet_soils", "derivative", SOILS_RECIPE, SOILS_SEED, names, scores, scaling, about)


def kept_back():
    """Which soils are kept back for the scores, by a stream of random numbers of their own: (N_SOILS,) bool."""
    return np.random.default_rng((SOILS_SEED, 2)).random(N_SOILS) < 0.05


def draw_localities(network, n_localities, seed, progress=None):
    """Small surveys as `fit_features` takes them: tensors of pooled inputs and of targets scaled within each."""
    generator = np.random.default_rng(seed)
    inputs, targets = [], []
    for done in range(n_localities):
        soils = draw_soils(SOILS_A_LOCALITY, draw_locality(generator), generator)
        variation = narrowed(draw_variation(len(soils), generator), generator.uniform(0.25, 0.85))
        instrument = ASD_FIELDSPEC_3 if generator.random() < 0.6 else FOSS_XDS
        spectra = network_input(scan(soils, instrument, generator, variation), "derivative")
        inputs.append(network.pool(torch.as_tensor(spectra)))
        contents = np.log(soils.composition.to_numpy(float) + 0.003)
        values = np.hstack([soils_targets(soils).to_numpy(), contents])
        targets.append((values - values.mean(0)) / (values.std(0) + 0.001))
        if progress is not None:
            progress(done + 1)
    return torch.stack(inputs), torch.as_tensor(np.array(targets), dtype=torch.float32)


def calibration_error(network):
    """Mean error, in variances, of ridge regressions on 96 soils of a locality, over 50 fresh localities."""
    inputs, targets = draw_localities(network, 50, SOILS_SEED + 3)
    with torch.no_grad():
        pairs = zip(inputs, targets, strict=True)
        errors = [episode_error(network.features(x), y, 96, torch.tensor(0.3)).item() for x, y in pairs]
    return round(float(np.mean(errors)), 3)


def build_lucas():
    """ResNet-pH of the simulated LUCAS by the fast recipe; scores on a quarter that it had not seen."""
    dataset = simulate_lucas(random_state=LUCAS_SEED)
    X, y = network_input(dataset.spectra, "log"), dataset.properties["ph"].to_numpy(np.float32)
    training, test = random_rounds(len(y), 1, random_state=LUCAS_SEED)[0]
    network = initial_network(ResNetConfig(), LUCAS_SEED, y[training])
    _fit(network, X[training], y[training], ONE_CYCLE, LUCAS_SEED)
    predicted = predict(network, X[test])[:, 0]
    scores = {"r2": round(r2(y[test], predicted), 3), "rmse": round(rmse(y[test], predicted), 3)}
    _save(network, "resnet_lucas_ph", "log", ONE_CYCLE, LUCAS_SEED, ["ph"], scores, {}, {})


def _fit(network, X, y, recipe, seed):
    with Progress() as bar:
        task = bar.add_task(recipe.name, total=recipe.max_epochs)
        fit_network(network, X, y, recipe, seed, progress=lambda done, total: bar.update(task, completed=done))


def _save(network, name, transform, recipe, seed, targets, scores, scaling, about):
    metadata = {"transform": transform, "recipe": vars(recipe), "origin": "simulated", "seed": seed}
    metadata |= {"targets": targets, "scores": scores, "scaling": scaling} | about
    save_network(network, FOLDER / f"{name}.safetensors", metadata)
    print(name, scores, about)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"soils": build_soils, "lucas": build_lucas}[sys.argv[1]]()
