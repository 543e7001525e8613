"""Can the Grad-CAM maps of the LIBS study's networks be believed, and do they mean what is read out of them?"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.special import voigt_profile

from spectrakit.evaluation import Splits, repeated_folds
from spectrakit.explain import (
    RESOLVING_POWER,
    grad_cam,
    line_mass,
    map_agreement,
    near_lines,
    randomisation_correlation,
    randomise_weights,
    rank_correlation,
)
from spectrakit.simulate import libs as experiment
from spectrakit.simulate.libs import doppler_sigma, line_depths, line_table, stark_fwhm
from spectrakit.studies.libs.domains import measured_task
from spectrakit.studies.libs.protocol import N_FOLDS, TARGETS, Task, fit_cnn, reference_lines
from spectrakit.studies.libs.run import look_up_named_lines, published_lines
from spectrakit.training import StackedNetworks

# Places of the last convolution and of its ReLU among `SpectralCNN.maps`.
CONVOLUTION, RELU = 3, 4


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


def explain_task(task, choices=None, random_state=0, resolving_power=RESOLVING_POWER):
    """Fit the ten networks of the first repeat of a task, for a look at them; returns Explained."""
    splits = repeated_folds(len(task.content), N_FOLDS, 1, random_state)
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
    with torch.no_grad():
        whole = network(X)
        without = torch.stack([network(X.masked_fill(stretch, 0.0)) for stretch in hidden], dim=1)
    return (whole[:, None] - without).numpy()


def audit_task(explained, n_randomisations=20):
    """The audit of one task's maps: a dict.

    share, by_chance, p_value : mass near the element's reference lines, see `explain.audit.line_mass`
    n_maps : samples whose map is not empty
    with_random : Spearman correlation of each trained network's maps with those of its randomised copies, mean
    between_folds : Spearman correlation of the maps of different fold networks on the same sample, mean
    with_raising, with_any : Spearman correlation of maps with the occlusion effect where it raises the prediction, and
        with its size in either direction, means
    """
    task, maps = explained.task, explained.all_maps()
    lines = reference_lines(task.target).wavelength_air_nm
    mass = line_mass(explained.out_of_fold(maps), task.wavelength, lines, explained.resolving_power)
    erased = [
        randomisation_correlation(network, network.target_layer, X, n_randomisations)
        for network, X in zip(explained.networks.networks, explained.X, strict=True)
    ]
    effects = explained.all_effects()
    return {
        "share": mass.share,
        "by_chance": mass.expected,
        "p_value": mass.p_value,
        "n_maps": mass.n_maps,
        "with_random": np.nanmean(erased),
        "between_folds": np.nanmean(map_agreement(maps)),
        "with_raising": np.nanmean(rank_correlation(maps, np.maximum(effects, 0))),
        "with_any": np.nanmean(rank_correlation(maps, np.abs(effects))),
    }


def scaled_to_peak(maps):
    """Maps (..., n_channels), each over its own highest value; empty ones stay zero."""
    peak = maps.max(axis=-1, keepdims=True)
    return np.divide(maps, peak, out=np.zeros_like(maps, dtype=float), where=peak > 0)


def central_depths(lines, plasma):
    """Optical depth at the centre of each line in one plasma, by that line alone: (n_lines,).

    lines : as `simulate.atoms.line_table` gives; plasma : a batch of one
    """
    half_width = stark_fwhm(lines, plasma.electron_density_cm3[0]) / 2
    return line_depths(lines, plasma)[0] * voigt_profile(0.0, doppler_sigma(lines, plasma.temperature_K[0]), half_width)


def named_lines_frame(published):
    """Every line that the paper names, looked up in the atomic table for the plasma of the reference soil.

    published : as `ledger.load_published` gives
    Returns the columns of `explain.audit.look_up_lines` with line (such as 'Fe 421.94'); window; depth, the optical
    depth at the centre of the strongest line found, NaN where there is none; self_absorption, how many times brighter
    than relative_strength says a faint line can look beside the window's deepest line, whose depth t weakens it to
    (1 - exp(-t)) / t at its centre.
    """
    named, plasma, frames = published_lines(published), experiment.nominal_plasma(), []
    for target in TARGETS:
        low, high, _ = experiment.settings()["windows"][target]
        lines = line_table(low - 0.5, high + 0.5)
        depths = pd.Series(central_depths(lines, plasma), [lines.element, lines.wavelength_air_nm])
        found = look_up_named_lines(target, named[named["window"] == target])
        own = [depths.get((row.element, row.strongest_nm), np.nan) for row in found.itertuples()]
        deepest = depths[lines.wavelength_air_nm.between(low, high).to_numpy()].max()
        frames.append(found.assign(depth=own, self_absorption=deepest / -np.expm1(-deepest)))
    found = pd.concat(frames, ignore_index=True)
    text = found["element"] + found["wavelength_nm"].map(" {:.2f}".format)
    return found.assign(line=text, window=found["window"].str.capitalize())


def net_widths(published):
    """How much of each window lies within one resolution element of a line: of those named, and of those known.

    published : as `ledger.load_published` gives
    Returns a DataFrame, one row a window: channels; named, the lines that the paper names; named_cover (%), share of
    channels near one; known, lines of the atomic table within the window; known_cover (%).
    """
    figures, rows = published["inconsistencies"]["chance_alignment"]["figures"], []
    for target in TARGETS:
        axis = experiment.window_axes()[target]
        known = line_table(axis[0], axis[-1]).wavelength_air_nm
        named = sum(entry.get("window", "").lower() == target for entry in published["entries"].values())
        cover = 100 * near_lines(axis, known).mean()
        rows.append((target.capitalize(), len(axis), named, figures[target], len(known), cover))
    return pd.DataFrame(rows, columns=["window", "channels", "named", "named_cover", "known", "known_cover"])


def measured_tasks(datasets):
    """Tasks out of measured tables: every element of the study with a column such as 'ca_ppm' in ten samples or more.

    datasets : {name: SpectralDataset of counts over nm}; samples without the content are left out
    Returns {(name, target): Task}, its range 'measured'.
    """
    tasks = {}
    for name, data in datasets.items():
        for target in TARGETS:
            content = data.properties.get(f"{target}_ppm")
            if content is not None and content.notna().sum() >= N_FOLDS:
                tasks[name, target] = measured_task(data, target)
    return tasks
