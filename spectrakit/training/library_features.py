"""How do convolutions learn to serve whoever knows some laboratories and asks about another?

They practise that very task on laboratories drawn at random: a ridge regression on the features of a few laboratories'
soils predicts the soils of one more, and the convolutions move so that its error falls.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from spectrakit.models import ResNetConfig
from spectrakit.simulate.library import draw_survey, draw_world
from spectrakit.simulate.soils import CONSTITUENTS
from spectrakit.spectra import axis_gaps, library_axis
from spectrakit.training.episodes import fit_to_episodes

# Channels that are averaged into one number that the network sees.
POOLED = 5
# Covers of pretraining that leave fewer averages are rare.
FEWEST_AVERAGES = 80
LIBRARY_NETWORK = ResNetConfig(
    n_channels=len(library_axis()) // POOLED,
    pool=1,
    n_filters=32,
    n_last=8,
    hidden=(64, 32),
    relu_output=False,
    l2=1e-5,
)
"""The 1D-ResNet on what `library_input` makes of mid-infrared spectra, a number every 10 1/cm from 604 to 3994."""

# Copies of organic carbon among the targets of an episode: it is what the features are for, the others are company.
_ORGANIC_CARBON_COPIES = 6
_LOGARITHMIC = {"c_g_kg": 0.5, "om_g_kg": 1.0, "clay_pct": 1.0, "sand_pct": 1.0, "caco3_pct": 0.1, "fe_oxides_pct": 0.1}
_SMALLEST_SHARE = 0.003
TARGETS = ("oc_g_kg", "ph", *_LOGARITHMIC, *(f"{name}_share" for name in CONSTITUENTS))
"""What the network learns to tell of a soil: `survey_targets`, in this order."""


# --- what the network sees -------------------------------------------------------------------------------------


def library_bins():
    """Wavenumbers (340,), 1/cm, that the network sees averages around: 604, 614 ... 3994."""
    return library_axis().reshape(-1, POOLED).mean(axis=1)


def library_derivative(X, axis, differentiated=False):
    """First derivative of spectra, averaged over 10 1/cm: float32 (n, 340), NaN where the axis does not reach.

    X : (n, n_channels) absorbance, harmonised perhaps; axis : (n_channels,) 1/cm, ascending
    differentiated : X is a derivative already
    Channels are interpolated to every 2 1/cm, not across the gaps of `axis_gaps`. Raises ValueError where X and axis
    do not fit, and for an axis that covers fewer than 80 averages.
    """
    X, axis = np.asarray(X, float), np.asarray(axis, float)
    if X.shape[1] != len(axis):
        raise ValueError(f"spectra of {X.shape[1]} channels on an axis of {len(axis)}: give the axis of the spectra")
    weights, covered = _bin_weights(tuple(axis))
    averages = np.where(covered, X @ weights, np.nan)
    if not differentiated:
        slope = np.full(averages.shape, np.nan)
        slope[:, 1:-1] = averages[:, 2:] - averages[:, :-2]
        averages = slope
    if covered.sum() < FEWEST_AVERAGES:
        raise ValueError(
            f"of the network's {len(covered)} averages over {POOLED * 2} 1/cm, the axis of {axis[0]:g} to {axis[-1]:g} "
            f"covers {covered.sum()}: {FEWEST_AVERAGES} are needed"
        )
    return averages.astype(np.float32)


def covers_enough(axis):
    """Whether an axis (1/cm, ascending) covers as many averages as a network has practised with."""
    return len(axis) > 1 and bool(_bin_weights(tuple(axis))[1].sum() >= FEWEST_AVERAGES)


def _bin_weights(axis):
    """Sparse (n_channels, 340) that interpolates an axis, a tuple, and averages; mask of the averages it covers."""
    axis, fine = np.array(axis), library_axis()
    right = np.clip(np.searchsorted(axis, fine), 1, len(axis) - 1)
    share = (fine - axis[right - 1]) / (axis[right] - axis[right - 1])
    rows, values = np.concatenate([right - 1, right]), np.concatenate([1 - share, share]) / POOLED
    columns = np.tile(np.arange(len(fine)) // POOLED, 2)
    known = (fine >= axis[0]) & (fine <= axis[-1])
    for low, high in axis_gaps(axis):
        known &= (fine <= low) | (fine >= high)
    weights = sparse.csc_array((values, (rows, columns)), shape=(len(axis), len(fine) // POOLED))
    return weights, known.reshape(-1, POOLED).all(axis=1)


def standardised(derivative):
    """Each row of derivatives (n, 340), less its mean and over its standard deviation, of what is not NaN: the same.

    An offset, a slope and a gain of absorbance drop out.
    """
    centred = derivative - np.nanmean(derivative, axis=1, keepdims=True)
    return centred / np.maximum(np.sqrt(np.nanmean(centred**2, axis=1, keepdims=True)), 1e-12)


def library_input(network, X, axis, differentiated=False):
    """What a network sees of spectra, as `library_derivative` has them: float32 (n, 340), its mean where NaN."""
    found = standardised(library_derivative(X, axis, differentiated))
    return np.where(np.isnan(found), network.input_mean.numpy(), found).astype(np.float32)


# --- laboratories to learn from --------------------------------------------------------------------------------


def survey_targets(survey):
    """What the simulator knows of a survey's soils: DataFrame of the columns TARGETS, contents as logarithms."""
    properties = survey.properties
    targets = {"oc_g_kg": np.log(properties["oc_g_kg"] + 0.5), "ph": properties["ph"]}
    targets |= {name: np.log(properties[name] + start) for name, start in _LOGARITHMIC.items()}
    shares = np.log(survey.composition.to_numpy(float) + _SMALLEST_SHARE)
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
    """Rows of laboratories (n_laboratories, n_soils, 340) as tables that each cover a part: float32 (n, 340), no NaN.

    generator : numpy Generator, which draws a cover a laboratory. What it leaves out is the mean of the others.
    """
    found = np.concatenate([standardised(np.where(draw_cover(generator), own, np.nan)) for own in derivatives])
    known = ~np.isnan(found)
    mean = np.where(known, found, 0).sum(0) / np.maximum(known.sum(0), 1)
    return np.where(known, found, mean).astype(np.float32)


def draw_cover(generator):
    """Which averages a table might cover: mask (340,). Some begin at 600, or end at 4000 1/cm; a few lack CO2's."""
    bins = library_bins()
    low = generator.choice([600, generator.uniform(600, 800), generator.uniform(600, 1100)], p=[0.4, 0.5, 0.1])
    high = generator.choice([4000, generator.uniform(3600, 4000), generator.uniform(1900, 4000)], p=[0.5, 0.4, 0.1])
    covered = (bins >= low) & (bins <= high)
    if generator.random() < 0.1:
        covered &= (bins < 2270) | (bins > 2400)
    return covered


# --- learning to predict another laboratory --------------------------------------------------------------------


@dataclass(frozen=True)
class BetweenRecipe:
    """How features are fitted to calibrations on a few laboratories that predict another: AdamW over one cycle.

    learning_rate : the highest; steps : episodes
    n_laboratories : fewest that an episode calibrates on, and one more than the most
    n_support : soils of each of them, as well; n_query : soils of the other one that are predicted
    noise : standard deviation of what is added to targets of unit variance, for what no spectrum can know
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.0001
    steps: int = 1800
    n_laboratories: tuple[int, int] = (1, 5)
    n_support: tuple[int, int] = (24, 81)
    n_query: int = 48
    noise: float = 0.2


def fit_between_laboratories(network, derivatives, targets, recipe, random_state, progress=None):
    """Fit the convolutions of `network` in place; its dense layers stay as they are.

    derivatives, targets : as `draw_worlds` gives them, targets of unit variance over all
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
    found = np.concatenate([derivatives[place, own] for place, own in zip(places, rows, strict=True)])
    y = np.concatenate([targets[place, own] for place, own in zip(places, rows, strict=True)])
    y = np.hstack([np.repeat(y[:, :1], _ORGANIC_CARBON_COPIES, axis=1), y[:, 1:]])
    y = y + generator.normal(0, recipe.noise, y.shape).astype(np.float32)
    inputs = covered_input(network, found, draw_cover(generator))
    return network.pool(torch.as_tensor(inputs)), torch.as_tensor(y), sum(sizes[:-1])


def covered_input(network, derivatives, covered):
    """What a network sees of derivatives (n, 340) of which a table covers a part, a mask (340,): float32 (n, 340)."""
    found = standardised(np.where(covered, derivatives, np.nan))
    return np.where(np.isnan(found), network.input_mean.numpy(), found).astype(np.float32)
