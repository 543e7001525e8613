"""Experiments on the LIBS study (leaks, more soils, repeats) and the audit of its Grad-CAM maps.

`models` maps a name to an unfitted scikit-learn regressor, or to None for the published network. Contents and errors
are in ppm.
"""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from scipy.special import voigt_profile

from spectrakit.evaluation import Splits, grouped_folds, leaky_folds, r2, repeated_folds, rmse, scores
from spectrakit.explain import (
    RESOLVING_POWER,
    grad_cam,
    line_mass,
    look_up_lines,
    map_agreement,
    near_lines,
    randomisation_correlation,
    randomise_weights,
    rank_correlation,
)
from spectrakit.simulate import libs as experiment
from spectrakit.studies.libs.domains import N_FOLDS, TARGETS, Task, cut_task
from spectrakit.studies.libs.protocol import fit_baseline, fit_cnn, reference_lines
from spectrakit.training import StackedNetworks

FOLDS = {"leaky": leaky_folds, "grouped": grouped_folds}
# Places of the last convolution and of its ReLU among `SpectralCNN.maps`.
CONVOLUTION, RELU = 3, 4


@dataclass(frozen=True)
class ExperimentSizes:
    """How much of the experiments is computed, the rest of a `studies.libs.Profile`.

    n_replicates : measurements of each soil in the leak experiment; network_replicates : those that the network gets
    n_soils : training soils of the sample count experiment; n_draws : training sets drawn for each
    n_seeds : how often the whole experiment is done again
    """

    n_replicates: tuple[int, ...] = (1, 2, 5)
    network_replicates: tuple[int, ...] = (1, 2, 5)
    n_soils: tuple[int, ...] = (6, 12, 24, 48, 96)
    n_draws: int = 2
    n_seeds: int = 5


SIZES = {
    "quick": ExperimentSizes(),
    "paper": ExperimentSizes(n_replicates=(1, 2, 5, 10), network_replicates=(1, 2, 5, 10), n_draws=10, n_seeds=30),
}


def fit_model(model, task, splits):
    """Predictions (n_splits, n_samples) of a model fitted on each split's training rows; None is the network."""
    return fit_cnn(task, splits)[1] if model is None else fit_baseline(model, task, splits)


def _out_of_fold(models, task, splits):
    """Predictions of one repeat: DataFrame of model, sample_id, content and predicted, a row a measurement."""
    about = {"sample_id": task.sample_id, "content": task.content}
    predicted = {name: splits.out_of_fold(fit_model(model, task, splits))[0] for name, model in models.items()}
    return pd.concat([pd.DataFrame({"model": name, **about, "predicted": each}) for name, each in predicted.items()])


def leak_experiment(dataset, target, range_, models, n_replicates):
    """Out-of-fold predictions with the replicates of a soil on both sides of a split, and kept together.

    dataset : SpectralDataset with the column `replicate`, at least as many as the largest of `n_replicates`
    Returns a DataFrame with columns model, sample_id, content, predicted, n_replicates, folds ('leaky' or 'grouped'):
    one row a measurement, one repeat of the 10-fold cross-validation.
    """
    frames = []
    for n in n_replicates:
        task = cut_task(dataset.subset((dataset.samples["replicate"] <= n).to_numpy()), target, range_)
        for folds, make in FOLDS.items():
            splits = make(task.sample_id, N_FOLDS, 1)
            frames.append(_out_of_fold(models, task, splits).assign(n_replicates=n, folds=folds))
    return pd.concat(frames, ignore_index=True)


def r2_of(predictions, by):
    """R2 of the predictions in each group: a DataFrame with columns content and predicted, `by` some of the others."""
    return predictions.groupby(by, sort=False)[["content", "predicted"]].apply(
        lambda group: r2(group["content"], group["predicted"])
    )


def deal_contents(dataset, random_state=0):
    """The dataset with its contents shuffled among the soils of a range: there is nothing left to learn.

    All measurements of a soil get the same wrong contents.
    """
    generator = np.random.default_rng(random_state)
    contents = dataset.properties.copy()
    for _, rows in dataset.samples.groupby("range").groups.items():
        soils = dataset.samples.loc[rows, "sample_id"]
        first = contents.loc[rows].set_axis(soils).groupby(level=0).first()
        shuffled = first.set_axis(generator.permutation(first.index))
        contents.loc[rows] = shuffled.loc[soils].to_numpy()
    return replace(dataset, properties=contents)


def sample_count_experiment(task, models, n_soils, n_draws):
    """Training and test error against the number of training soils.

    task : Task of more soils than the largest of `n_soils`; for every count `n_draws` training sets are drawn from it,
        and all soils that were not drawn are the test
    Returns a DataFrame with columns model, n_soils, draw, train, test (RMSE, ppm).
    """
    generator, rows = np.random.default_rng(0), []
    counts = np.repeat(n_soils, n_draws)
    train = np.zeros((len(counts), len(task.content)), bool)
    for mask, n in zip(train, counts, strict=True):
        mask[generator.choice(len(mask), n, replace=False)] = True
    splits = Splits(train, np.arange(len(counts)), np.zeros(len(counts), int))
    for name, model in models.items():
        for place, predicted in enumerate(fit_model(model, task, splits)):
            errors = [rmse(task.content[side], predicted[side]) for side in (train[place], ~train[place])]
            rows.append((name, counts[place], place % n_draws, *errors))
    return pd.DataFrame(rows, columns=["model", "n_soils", "draw", "train", "test"])


def repeat_experiment(range_, targets, models, seeds, background_ppm=None):
    """R2 and RMSE when soils are drawn and measured anew with each seed, one repeat of the cross-validation each.

    range_ : 'high' or 'low'; background_ppm : as for `simulate.libs.field_soils`
    Returns a DataFrame with columns target, model, seed, r2, rmse.
    """
    frames = []
    for seed in seeds:
        soils = experiment.spiked_soils() if range_ == "high" else experiment.field_soils(seed, background_ppm)
        dataset = experiment.measure(soils, random_state=seed)
        splits = repeated_folds(len(dataset), N_FOLDS, 1, seed)
        for target in targets:
            predictions = _out_of_fold(models, cut_task(dataset, target, range_), splits)
            frames.append(predictions.assign(target=target, seed=seed))
    groups = pd.concat(frames).groupby(["target", "model", "seed"], sort=False)[["content", "predicted"]]
    return groups.apply(
        lambda rows: pd.Series(scores(rows["content"], rows["predicted"], ("r2", "rmse")))
    ).reset_index()


@torch.no_grad()
def dead_units(network, X):
    """How many ReLUs of a SpectralCNN are zero for every spectrum of X (n, n_channels), so that none can train them.

    Returns (kernels of the second convolution whose maps are zero, units of the dense layer that are zero).
    """
    maps = network.maps(torch.as_tensor(np.array(X), dtype=network.output.weight.dtype).unsqueeze(1))
    hidden = network.dense_relu(network.dense(network.pooling(maps).flatten(1)))
    return int((maps == 0).all(2).all(0).sum()), int((hidden == 0).all(0).sum())


# --- the audit of Grad-CAM maps -------------------------------------------------------------------------


@dataclass(frozen=True)
class Explained:
    """The networks of one task's first repeat, what they see and what they predict.

    X : (n_networks, n_samples, n_channels), spectra as each network sees them
    predicted : (n_samples,) ppm, each sample by the network that had not seen it
    resolving_power : wavelength over resolution element, of the spectrometer
    """

    task: Task
    splits: Splits
    networks: StackedNetworks
    X: np.ndarray
    predicted: np.ndarray
    resolving_power: float = RESOLVING_POWER

    def all_maps(self, place=CONVOLUTION):
        """Grad-CAM of every sample by every network: (n_networks, n_samples, n_channels)."""
        return self._each(lambda network, X: grad_cam(network, network.maps[place], X))

    def all_effects(self):
        """Occlusion effect of every channel, sample and network: (n_networks, n_samples, n_channels)."""
        return self._each(lambda network, X: occlusion_effect(network, X, self.task.wavelength, self.resolving_power))

    def counter_maps(self):
        """Grad-CAM of the opposite question, what lowers the prediction: (n_networks, n_samples, n_channels)."""
        return self._each(lowering_map)

    def random_maps(self, random_state=0):
        """Grad-CAM after every network's weights were drawn anew: (n_networks, n_samples, n_channels)."""
        copies = [randomise_weights(network, random_state + b) for b, network in enumerate(self.networks.networks)]
        return np.stack([grad_cam(copy, copy.target_layer, X) for copy, X in zip(copies, self.X, strict=True)])

    def out_of_fold(self, values):
        """Of values (n_networks, n_samples, ...) those of the network that did not see the sample: (n_samples, ...)."""
        return values[self.splits.test.argmax(axis=0), np.arange(len(self.task.content))]

    def _each(self, question):
        return np.stack([question(network, X) for network, X in zip(self.networks.networks, self.X, strict=True)])


def explain_task(task, choices=None, resolving_power=RESOLVING_POWER):
    """Fit the ten networks of the first repeat of a task, for a look at them; returns Explained."""
    splits = repeated_folds(len(task.content), N_FOLDS, 1)
    networks, predicted, _, X = fit_cnn(task, splits, choices)
    return Explained(task, splits, networks, X, splits.out_of_fold(predicted)[0], resolving_power)


def lowering_map(network, X):
    """Grad-CAM of minus the prediction (the 'counterfactual' map of Selvaraju et al. 2017): (n, n_channels).

    network : SpectralCNN, left as it is; X : (n, n_channels)
    """
    negated = deepcopy(network)
    with torch.no_grad():
        negated.output.weight.neg_()
        negated.output.bias.neg_()
    return grad_cam(negated, negated.target_layer, X)


@torch.no_grad()
def occlusion_effect(network, X, wavelength, resolving_power=RESOLVING_POWER):
    """What each stretch of the spectrum adds to the prediction: prediction less that without the stretch.

    Around each channel, one resolution element (half on either side) is set to zero, which is the mean training
    spectrum where spectra are centred. Positive where the stretch raises the prediction. Neither gradients nor feature
    maps are involved, so it can serve to check Grad-CAM.

    network : maps X (n, n_channels) to (n,); wavelength : (n_channels,) nm
    Returns (n, n_channels), in the unit of the prediction.
    """
    X = torch.as_tensor(X, dtype=next(network.parameters()).dtype)
    distance = np.abs(wavelength[:, None] - wavelength)
    hidden = torch.as_tensor(distance <= wavelength[:, None] / resolving_power / 2)
    whole = network(X)
    without = torch.stack([network(X.masked_fill(stretch, 0.0)) for stretch in hidden], dim=1)
    return (whole[:, None] - without).numpy()


def audit_task(explained, n_randomisations=20):
    """The audit of one task's maps: a dict.

    share, by_chance, p_value : mass near the element's reference lines, see `explain.line_mass`
    n_maps : samples whose map is not empty
    with_random : Spearman correlation of each trained network's maps with those of its randomised copies, mean
    between_folds : Spearman correlation of the maps of different fold networks on the same sample, mean
    with_raising, with_any : Spearman correlation of maps with the occlusion effect where it raises the prediction, and
        with its size in either direction, means
    """
    task, maps = explained.task, explained.all_maps()
    lines = reference_lines(task.target).wavelength_air_nm
    mass = line_mass(explained.out_of_fold(maps), task.wavelength, lines, explained.resolving_power)
    randomised = [
        randomisation_correlation(network, network.target_layer, X, n_randomisations)
        for network, X in zip(explained.networks.networks, explained.X, strict=True)
    ]
    effects = explained.all_effects()
    return {
        "share": mass.share,
        "by_chance": mass.expected,
        "p_value": mass.p_value,
        "n_maps": mass.n_maps,
        "with_random": np.nanmean(randomised),
        "between_folds": np.nanmean(map_agreement(maps)),
        "with_raising": np.nanmean(rank_correlation(maps, np.maximum(effects, 0))),
        "with_any": np.nanmean(rank_correlation(maps, np.abs(effects))),
    }


def scaled_to_peak(maps):
    """Maps (..., n_channels), each over its highest value; empty ones stay zero."""
    peak = maps.max(axis=-1, keepdims=True)
    return np.divide(maps, peak, out=np.zeros_like(maps, dtype=float), where=peak > 0)


# --- the lines that the paper names ---------------------------------------------------------------------


def _published_lines(published):
    """DataFrame of id, window, element and wavelength_nm; published : as `load_published` gives."""
    entries = [entry for entry in published["entries"].values() if entry["kind"] == "line"]
    rows = [(entry["id"], entry["window"], entry["element"], entry["value"]) for entry in entries]
    return pd.DataFrame(rows, columns=["id", "window", "element", "wavelength_nm"])


def named_lines_frame(published):
    """Every line that the paper names, looked up in the atomic table for the plasma of the reference soil.

    published : as `load_published` gives
    Returns the columns of `explain.look_up_lines` with id; line (such as 'Fe 421.94'); window; depth, the optical
    depth at the centre of the strongest such line, NaN where there is none; self_absorption, how many times brighter
    than relative_strength says a faint line can look beside the window's deepest line, whose depth t weakens it to
    (1 - exp(-t)) / t at its centre.
    """
    named, plasma, frames = _published_lines(published), experiment.nominal_plasma(), []
    for target in TARGETS:
        low, high, _ = experiment.settings()["windows"][target]
        lines = experiment.line_table(low - 0.5, high + 0.5)
        strengths = experiment.line_emissivities(lines, plasma)[0]
        depths = pd.Series(central_depths(lines, plasma), [lines.element, lines.wavelength_air_nm])
        deepest = depths[lines.wavelength_air_nm.between(low, high).to_numpy()].max()
        frame = look_up_lines(named[named["window"].str.lower() == target], lines, strengths, (low, high))
        strongest = pd.MultiIndex.from_frame(frame[["element", "strongest_nm"]])
        frames.append(
            frame.assign(depth=depths.reindex(strongest).to_numpy(), self_absorption=deepest / -np.expm1(-deepest))
        )
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(line=frame["element"] + frame["wavelength_nm"].map(" {:.2f}".format))


def central_depths(lines, plasma):
    """Optical depth at the centre of each line in one plasma, by that line alone: (n_lines,).

    lines : as `simulate.libs.line_table` gives; plasma : a batch of one
    """
    half_width = experiment.stark_fwhm(lines, plasma.electron_density_cm3[0]) / 2
    profile = voigt_profile(0.0, experiment.doppler_sigma(lines, plasma.temperature_K[0]), half_width)
    return experiment.line_depths(lines, plasma)[0] * profile


def net_widths(published):
    """How much of each window lies within one resolution element of a line: of those named, and of those known.

    published : as `load_published` gives
    Returns a DataFrame, one row a window: channels; named, the lines that the paper names; named_cover (%), share of
    channels near one; known, lines of the atomic table within the window; known_cover (%).
    """
    named, rows = _published_lines(published), []
    for target in TARGETS:
        axis, window = experiment.window_axes()[target], target.capitalize()
        lines = (
            named.loc[named["window"] == window, "wavelength_nm"],
            experiment.line_table(axis[0], axis[-1]).wavelength_air_nm,
        )
        (n_named, named_cover), (n_known, known_cover) = ((len(nm), 100 * near_lines(axis, nm).mean()) for nm in lines)
        rows.append((window, len(axis), n_named, named_cover, n_known, known_cover))
    return pd.DataFrame(rows, columns=["window", "channels", "named", "named_cover", "known", "known_cover"])
