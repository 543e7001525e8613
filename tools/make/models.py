"""How the weights in data/models were made.

    python -m tools.make.models soils    writes resnet_soils.safetensors, which `spectrakit transfer` fine-tunes
    python -m tools.make.models lucas    writes resnet_lucas_ph.safetensors, ResNet-pH of the simulated LUCAS
    python -m tools.make.models library  writes resnet_library.safetensors, the model `pretrained` of
                                         `spectrakit harmonise` and `spectrakit impute`

On a core that is shared the first takes about half an hour, the second some minutes, the third eight; each prints its
scores, which the model card (data/models/README.md) repeats. The same versions on the same kind of processor give the
same weights.
"""

import sys
from contextlib import contextmanager
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch
from rich.progress import Progress

from spectrakit.evaluation import pooled_threshold, r2, random_rounds, rmse
from spectrakit.models import ResNetConfig, StagedPLS, freeze_features, initial_network, network_features, save_network
from spectrakit.preprocess import HARMONISATIONS, network_input
from spectrakit.resources import data_path
from spectrakit.simulate import ASD_FIELDSPEC_3, FOSS_XDS
from spectrakit.simulate.soils import WORLD, draw_locality, draw_soils, draw_variation, narrowed, scan, simulate_lucas
from spectrakit.training import ONE_CYCLE, FeatureRidge, derivative_input, fit_network, predict
from spectrakit.workflows.harmonise import LEVEL, MAX_COMPONENTS, Choice, LeaveOut, best_stage, conformal_intervals
from tools.make.episodes import EpisodeRecipe, episode_error, fit_features
from tools.make.library_training import (
    LIBRARY_NETWORK,
    TARGETS,
    BetweenRecipe,
    covered_inputs,
    draw_cover,
    draw_worlds,
    fit_between_laboratories,
)

FOLDER = data_path("models")
N_SOILS, SOILS_SEED, LUCAS_SEED = 60_000, 5, 0
N_LOCALITIES, SOILS_A_LOCALITY = 2500, 128
SOILS_RECIPE = replace(ONE_CYCLE, name="soils", learning_rate=0.003, batch_size=128, max_epochs=18, patience=18)
DENSE_RECIPE = replace(SOILS_RECIPE, name="soils, dense layers", max_epochs=6, patience=6)
EPISODES = EpisodeRecipe()
N_WORLDS, LABORATORIES_A_WORLD, SOILS_A_LABORATORY, WORLDS_KEPT_BACK, LIBRARY_SEED = 120, 6, 96, 6, 7
LIBRARY_RECIPE = replace(ONE_CYCLE, name="library", max_epochs=6, patience=6)
LIBRARY_DENSE_RECIPE = replace(LIBRARY_RECIPE, name="library, dense layers", max_epochs=4, patience=4)
BETWEEN = BetweenRecipe()
# Numbers of laboratories to train on with which the growth of errors is measured, and the maximum of their soils.
GROWTH_LABORATORIES, GROWTH_SOILS, GROWTH_WORLDS, GROWTH_COVERS = (1, 2, 3, 5), 64, 80, 2
LOGARITHMIC = ("soc_pct", "clay_pct", "sand_pct", "caco3_pct", "cec_cmol_kg", "fe_oxides_pct")
TRACES = (
    "ferrous_silicate",
    "magnetite",
    "kaolinite",
    "smectite",
    "illite",
    "chlorite",
    "hematite",
    "goethite",
    "litter",
    "water",
)


def soils_targets(soils):
    """All properties of simulated soils that spectra may depend on: DataFrame, contents as logarithms."""
    targets = soils.properties.copy()
    for name in LOGARITHMIC:
        targets[name] = np.log(targets[name] + 0.3)
    for name in TRACES:
        targets[f"{name}_share"] = np.log(soils.composition[name].to_numpy(float) + 0.002)
    return targets.assign(grain_um=np.log(soils.grain_um))


def build_soils():
    """Fit a network to twenty properties of soils of the whole world, then its features to many small calibrations."""
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
    with _bar("localities", N_LOCALITIES) as progress:
        localities = draw_localities(network, N_LOCALITIES, SOILS_SEED + 2, progress)
    with _bar("episodes", EPISODES.steps) as progress:
        fit_features(network, *localities, EPISODES, SOILS_SEED, progress)
    about |= {"after": calibration_error(network)}
    scores = _fit_dense(network, X, y, test, DENSE_RECIPE, SOILS_SEED, names)
    scaling = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    _save(network, "resnet_soils", "derivative", SOILS_RECIPE, SOILS_SEED, names, scores, scaling, about)


def kept_back():
    """Mask (N_SOILS,) of the soils that are kept back for the scores, by a separate stream of random numbers."""
    return np.random.default_rng((SOILS_SEED, 2)).random(N_SOILS) < 0.05


def draw_localities(network, n_localities, seed, progress=None):
    """Small surveys for `fit_features`: tensors of pooled inputs, and of targets scaled within each survey."""
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
    """Fit ResNet-pH of the simulated LUCAS by the fast recipe; scores on a quarter that is left out."""
    dataset = simulate_lucas(random_state=LUCAS_SEED)
    X, y = network_input(dataset.spectra, "log"), dataset.properties["ph"].to_numpy(np.float32)
    training, test = random_rounds(len(y), 1, random_state=LUCAS_SEED)[0]
    network = initial_network(ResNetConfig(), LUCAS_SEED, y[training])
    _fit(network, X[training], y[training], ONE_CYCLE, LUCAS_SEED)
    predicted = predict(network, X[test])[:, 0]
    scores = {"r2": round(r2(y[test], predicted), 3), "rmse": round(rmse(y[test], predicted), 3)}
    _save(network, "resnet_lucas_ph", "log", ONE_CYCLE, LUCAS_SEED, ["ph"], scores, {}, {})


def build_library():
    """Fit a network to soils of laboratories drawn at random, then its features to predict one from others."""
    sizes = (N_WORLDS, LABORATORIES_A_WORLD, SOILS_A_LABORATORY)
    with _bar("worlds", N_WORLDS) as progress:
        derivatives, targets = draw_worlds(*sizes, np.random.default_rng(LIBRARY_SEED), progress)
    X = covered_inputs(derivatives.reshape(-1, *derivatives.shape[2:]), np.random.default_rng((LIBRARY_SEED, 1)))
    values = targets.reshape(len(X), -1)
    training = slice(0, -WORLDS_KEPT_BACK)
    test = np.repeat(np.arange(N_WORLDS) >= N_WORLDS - WORLDS_KEPT_BACK, len(X) // N_WORLDS)
    mean, deviation = values.mean(0), values.std(0)
    y = (values - mean) / deviation
    network = initial_network(replace(LIBRARY_NETWORK, n_outputs=y.shape[1]), LIBRARY_SEED, y)
    _fit(network, X[~test], y[~test], LIBRARY_RECIPE, LIBRARY_SEED)
    scaling = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    scaled = ((targets - scaling["mean"]) / scaling["deviation"]).astype(np.float32)
    with _bar("episodes", BETWEEN.steps) as progress:
        rows = derivatives[training], scaled[training]
        penalty, _ = fit_between_laboratories(network, *rows, BETWEEN, LIBRARY_SEED, progress)
    scores = _fit_dense(network, X, scaled.reshape(y.shape), test, LIBRARY_DENSE_RECIPE, LIBRARY_SEED, TARGETS)
    unseen = error_growth(network, penalty, np.random.default_rng((LIBRARY_SEED, 2)))
    about = {"penalty": penalty, "episodes": asdict(BETWEEN), "unseen": unseen}
    _save(network, "resnet_library", "bands", LIBRARY_RECIPE, LIBRARY_SEED, list(TARGETS), scores, scaling, about)


def error_growth(network, penalty, generator, n_worlds=GROWTH_WORLDS):
    """Errors of `pretrained` on a further simulated laboratory, by the number of those that train: a dict of lists.

    laboratories : the numbers; factor : of intervals that cover 90 % of a laboratory that is left out, on average over
        laboratories; covered : share without the factor; rmse, pls : geometric means of the RMSE of ln organic carbon
    better : share of laboratories where the RMSE is below that of PLS
    By the protocol of `spectrakit harmonise`, on worlds, laboratories, covers and sizes drawn from `generator`.
    """
    cases = []
    ridge = {"model": lambda random_state: FeatureRidge(penalty)}
    pls = {"model": lambda random_state: StagedPLS(MAX_COMPONENTS)}
    for _ in range(n_worlds):
        drawn, targets = draw_worlds(1, 1 + max(GROWTH_LABORATORIES), GROWTH_SOILS, generator)
        for _ in range(GROWTH_COVERS):
            cover, order = draw_cover(generator), generator.permutation(len(drawn[0]))
            sizes = generator.integers(30, GROWTH_SOILS + 1, len(order))
            seen = np.where(cover, drawn[0], np.nan)
            inputs = [derivative_input(network, seen[place, :n]) for place, n in zip(order, sizes, strict=True)]
            features = [network_features(network, rows).astype(float) for rows in inputs]
            y = [targets[0, place, :n, 0] for place, n in zip(order, sizes, strict=True)]
            for k in GROWTH_LABORATORIES:
                error, half_width = _of_the_last(features[: k + 1], y[: k + 1], ridge)
                by_pls, _ = _of_the_last(inputs[: k + 1], y[: k + 1], pls)
                cases.append((k, error / half_width, np.sqrt(np.mean(error**2)), np.sqrt(np.mean(by_pls**2))))
    rows = []
    for k, group in pd.DataFrame(cases, columns=["k", "scores", "rmse", "pls"]).groupby("k"):
        groups = np.repeat(np.arange(len(group)), group["scores"].map(len))
        factor = pooled_threshold(np.concatenate(group["scores"].tolist()), LEVEL, groups)
        covered = group["scores"].map(lambda scores: np.mean(scores <= 1)).mean()
        rmse_, by_pls = np.exp(np.log(group[["rmse", "pls"]]).mean())
        better = (group["rmse"] < group["pls"]).mean()
        rows.append((k, factor, covered, rmse_, by_pls, better))
    names = ["laboratories", "factor", "covered", "rmse", "pls", "better"]
    return pd.DataFrame(rows, columns=names).round(3).to_dict("list")


def _of_the_last(X, y, models):
    """Absolute errors (n,) on the last of several laboratories, and the half-width of intervals from the others."""
    sizes = [len(contents) for contents in y]
    laboratory = np.repeat([f"{place:02d}" for place in range(len(y))], sizes)
    site = np.arange(len(laboratory)).astype(str)
    choice, y = Choice(HARMONISATIONS["none"]), np.concatenate(y).astype(float)
    study = LeaveOut(np.concatenate(X).astype(float), y, laboratory, site, choice, models)
    last = laboratory == laboratory[-1]
    held_out, groups = study.held_out(laboratory[-1])
    stage = best_stage(held_out["model"], y[~last], groups)
    intervals = conformal_intervals(y[~last], held_out["model"][stage], groups)
    predicted = study.predicted(~last, last)["model"][stage]
    return np.abs(predicted - y[last]), intervals.thresholds_[0]


@contextmanager
def _bar(words, total):
    """Show a bar and give the function that moves it, called with what is done."""
    with Progress() as bar:
        task = bar.add_task(words, total=total)
        yield lambda done, *_: bar.update(task, completed=done)


def _fit(network, X, y, recipe, seed):
    with _bar(recipe.name, recipe.max_epochs) as progress:
        fit_network(network, X, y, recipe, seed, progress=progress)


def _fit_dense(network, X, y, test, recipe, seed, names):
    """Fit the dense layers, which belong to features as they were before, again; return R2 of the test rows by name."""
    _fit(freeze_features(network), X[~test], y[~test], recipe, seed)
    predicted = predict(network, X[test])
    return {name: round(r2(y[test, i], predicted[:, i]), 3) for i, name in enumerate(names)}


def _save(network, name, transform, recipe, seed, targets, scores, scaling, about):
    metadata = {
        "transform": transform,
        "recipe": vars(recipe),
        "origin": "simulated",
        "seed": seed,
        "targets": targets,
        "scores": scores,
        "scaling": scaling,
        **about,
    }
    save_network(network, FOLDER / f"{name}.safetensors", metadata)
    print(name, scores, about)


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"soils": build_soils, "lucas": build_lucas, "library": build_library}[sys.argv[1]]()
