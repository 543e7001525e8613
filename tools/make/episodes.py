"""How convolutions are fitted to many small calibrations (episodes), each on some tens of soils of one place."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

# Squared errors count up to this many variances, so that soils beyond prediction do not steer the features.
MAX_ERROR = 9.0
MIN_DEVIATION = 0.05


@dataclass(frozen=True)
class EpisodeRecipe:
    """How features are fitted to many small calibrations, one an episode: AdamW over one cycle of the rate.

    learning_rate : the highest; steps : number of episodes
    n_support : soils of a locality that an episode calibrates on, lowest number and one more than the highest; the
        others are predicted
    noise : standard deviation added to targets of unit variance, for what no spectrum can know
    """

    learning_rate: float = 0.001
    weight_decay: float = 0.0001
    steps: int = 12000
    n_support: tuple[int, int] = (40, 100)
    noise: float = 0.3


def episode_error(features, targets, n_support, penalty):
    """Mean squared error, in variances, of a ridge regression that is fitted to the first rows and predicts the others.

    features : (n, n_features) and targets (n, n_targets), tensors of one locality; the first `n_support` calibrate
    penalty : of the regression, relative to features of unit length, a tensor of one number
    The regression is solved in closed form, so that its error has a gradient in the features.
    Source: Bertinetto et al. 2019.
    """
    centred = features - features[:n_support].mean(0)
    scaled = centred / centred[:n_support].square().sum(1).mean().sqrt()
    support = targets[:n_support]
    y = (targets - support.mean(0)) / (support.std(0) + MIN_DEVIATION)
    kernel = scaled @ scaled[:n_support].T
    weights = torch.linalg.solve(kernel[:n_support] + penalty * torch.eye(n_support), y[:n_support])
    return (kernel[n_support:] @ weights - y[n_support:]).square().clamp(max=MAX_ERROR).mean()


def fit_features(network, inputs, targets, recipe, random_state, progress=None):
    """Fit the convolutions of `network` in place to small calibrations; its dense layers stay as they are.

    inputs : tensor (n_localities, n_soils, 1, 1, n_channels / pool), as `network.pool` returns them
    targets : tensor (n_localities, n_soils, n_targets), scaled to unit variance within each locality
    random_state : seed of the order of localities and soils, and of the noise
    progress : called after every hundredth episode with the number of episodes done and of all
    Batch normalisation keeps its statistics; its scale and shift are learned, and so is the penalty of the regression.
    Returns a DataFrame, one row an episode: error, as `episode_error`.
    """
    generator = np.random.default_rng(random_state)

    def draw():
        place, soils = generator.integers(len(inputs)), torch.as_tensor(generator.permutation(inputs.shape[1]))
        noise = generator.normal(0, recipe.noise, targets.shape[1:]).astype(np.float32)
        y = targets[place][soils] + torch.as_tensor(noise)
        return inputs[place][soils], y, int(generator.integers(*recipe.n_support))

    return fit_to_episodes(network, draw, recipe, progress)[1]


def fit_to_episodes(network, draw, recipe, progress=None):
    """Fit the convolutions of `network` in place to episodes; its dense layers stay as they are.

    draw : function without arguments that returns an episode: pooled inputs and targets, tensors, and how many of the
        first rows calibrate
    recipe : with learning_rate, weight_decay and steps, such as an EpisodeRecipe; progress : as of `fit_features`
    Returns (penalty, DataFrame, one row an episode: error, as `episode_error`).
    """
    network.eval()
    log_penalty = torch.nn.Parameter(torch.tensor(-1.0))
    learned = [*network.features.parameters(), log_penalty]
    optimiser = torch.optim.AdamW(learned, recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, recipe.steps, pct_start=0.15)
    errors = []
    for step in range(recipe.steps):
        inputs, targets, n_support = draw()
        optimiser.zero_grad()
        error = episode_error(network.features(inputs), targets, n_support, log_penalty.exp())
        error.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        schedule.step()
        errors.append(error.item())
        if progress is not None and (step + 1) % 100 == 0:
            progress(step + 1, recipe.steps)
    return float(log_penalty.exp().detach()), pd.DataFrame({"error": errors})
