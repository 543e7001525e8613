"""How the library's network learns to predict a laboratory from others: simulated laboratories, and episodes of them.

In an episode a ridge regression on the features of a few laboratories' soils predicts the soils of one more, and the
convolutions change so that its error falls.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from spectrakit.models import ResNetConfig
from spectrakit.simulate.soils import CONSTITUENTS
from spectrakit.spectra import library_axis
from spectrakit.training import derivative_input, library_bins, library_derivative, standardised
from tools.make.episodes import fit_to_episodes
from tools.make.random_laboratories import draw_survey, draw_world

LIBRARY_NETWORK = ResNetConfig(
    n_channels=len(library_bins()), pool=1, n_filters=32, n_last=8, hidden=(64, 32), relu_output=False, l2=1e-5
)
"""The 1D-ResNet on `training.library_input`."""

# Copies of organic carbon among the targets of an episode: it is what the features are for.
ORGANIC_CARBON_COPIES = 6
LOGARITHMIC = {"c_g_kg": 0.5, "om_g_kg": 1.0, "clay_pct": 1.0, "sand_pct": 1.0, "caco3_pct": 0.1, "fe_oxides_pct": 0.1}
MIN_SHARE = 0.003
TARGETS = ("oc_g_kg", "ph", *LOGARITHMIC, *(f"{name}_share" for name in CONSTITUENTS))
"""Properties that the network learns: the columns of `survey_targets`."""


@dataclass(frozen=True)
class BetweenRecipe:
    """How features are fitted to calibrations on a few laboratories that predict another: AdamW over one cycle.

    learning_rate : the highest; steps : number of episodes
    n_laboratories : of an episode, lowest number to calibrate on, and one more than the highest
    n_support : soils of each of them, likewise; n_query : soils to predict of the other one
    noise : standard deviation added to targets of unit variance, for what no spectrum can know
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.0001
    steps: int = 1800
    n_laboratories: tuple[int, int] = (1, 5)
    n_support: tuple[int, int] = (24, 81)
    n_query: int = 48
    noise: float = 0.2


def survey_targets(survey):
    """What the simulator knows of a survey's soils: DataFrame of the columns TARGETS, contents as logarithms."""
    properties = survey.properties
    targets = {"oc_g_kg": np.log(properties["oc_g_kg"] + 0.5), "ph": properties["ph"]}
    targets |= {name: np.log(properties[name] + offset) for name, offset in LOGARITHMIC.items()}
    shares = np.log(survey.composition.to_numpy(float) + MIN_SHARE)
    targets |= {f"{name}_share": share for name, share in zip(survey.composition, shares.T, strict=True)}
    return pd.DataFrame({name: np.asarray(targets[name]) for name in TARGETS})


def draw_worlds(n_worlds, n_laboratories, n_soils, generator, progress=None):
    """Laboratories by world: derivatives (n_worlds, n_laboratories, n_soils, 340) and `survey_targets` of the soils.

    generator : numpy Generator; progress : called with the number of worlds done
    Returns two float32 arrays, the second (n_worlds, n_laboratories, n_soils, n_targets).
    """
    derivatives, targets = [], []
    for done in range(n_worlds):
        world = draw_world(generator)
        surveys = [draw_survey(n_soils, world, generator) for _ in range(n_laboratories)]
        derivatives.append([library_derivative(survey.spectra, library_axis()) for survey in surveys])
        targets.append([survey_targets(survey) for survey in surveys])
        if progress is not None:
            progress(done + 1)
    return np.array(derivatives), np.array(targets, np.float32)


def covered_inputs(derivatives, generator):
    """Inputs for laboratories (n_laboratories, n_soils, 340) whose tables each cover a part: float32 (n, 340), no NaN.

    generator : numpy Generator, which draws a cover for each laboratory. What it leaves out is the mean of the others.
    """
    result = np.concatenate([standardised(np.where(draw_cover(generator), rows, np.nan)) for rows in derivatives])
    known = ~np.isnan(result)
    mean = np.where(known, result, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, result, mean).astype(np.float32)


def draw_cover(generator):
    """Averages that a table covers: mask (340,). Many begin at 600 or end at 4000 1/cm; a few lack those of CO2."""
    bins = library_bins()
    low = generator.choice([600, generator.uniform(600, 800), generator.uniform(600, 1100)], p=[0.4, 0.5, 0.1])
    high = generator.choice([4000, generator.uniform(3600, 4000), generator.uniform(1900, 4000)], p=[0.5, 0.4, 0.1])
    covered = (bins >= low) & (bins <= high)
    if generator.random() < 0.1:
        covered &= (bins < 2270) | (bins > 2400)
    return covered


def fit_between_laboratories(network, derivatives, targets, recipe, random_state, progress=None):
    """Fit the convolutions of `network` in place; its dense layers stay as they are.

    derivatives, targets : as `draw_worlds` returns them, targets of unit variance over all
    random_state : seed of laboratories, soils, covers and noise; progress : as of `fit_features`
    Batch normalisation keeps its statistics; its scale and shift are learned, and so is the penalty of the regression.
    Returns (penalty, DataFrame, one row an episode: error, as `episode_error`).
    """
    generator = np.random.default_rng(random_state)
    return fit_to_episodes(
        network, lambda: _episode(network, derivatives, targets, recipe, generator), recipe, progress
    )


def _episode(network, derivatives, targets, recipe, generator):
    """Pooled inputs (n, 1, 1, 340) and targets (n, ...) of an episode, tensors, and how many rows of them calibrate."""
    world = generator.integers(len(derivatives))
    derivatives, targets = derivatives[world], targets[world]
    places = generator.permutation(len(derivatives))[: 1 + generator.integers(*recipe.n_laboratories)]
    sizes = [*generator.integers(*recipe.n_support, len(places) - 1), recipe.n_query]
    rows = [generator.permutation(derivatives.shape[1])[:size] for size in sizes]
    result, y = (
        np.concatenate([values[place, chosen] for place, chosen in zip(places, rows, strict=True)])
        for values in (derivatives, targets)
    )
    y = np.hstack([np.repeat(y[:, :1], ORGANIC_CARBON_COPIES, axis=1), y[:, 1:]])
    y = y + generator.normal(0, recipe.noise, y.shape).astype(np.float32)
    inputs = derivative_input(network, np.where(draw_cover(generator), result, np.nan))
    return network.pool(torch.as_tensor(inputs)), torch.as_tensor(y), sum(sizes[:-1])
