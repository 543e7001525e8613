"""Does a small 1D-CNN read Ca, Mg and Na out of LIBS spectra of soils, better than its baselines, and by their lines?

The protocol of the study: six tasks, three elements by two sets of twelve soils, each judged by repeated 10-fold
cross-validation. What the paper leaves open is decided in `OpenChoices`, and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone

from spectrakit.evaluation import (
    generalisation_gap,
    limit_of_detection,
    relative_standard_deviation,
    repeat_metrics,
    repeated_folds,
)
from spectrakit.explain import grad_cam
from spectrakit.models import CNNConfig, libs_baselines
from spectrakit.preprocess import SpectrumScaler, normalise_area
from spectrakit.simulate import libs as experiment
from spectrakit.simulate.libs import line_emissivities, line_table
from spectrakit.training import fit_stacked

TARGETS = experiment.TARGETS
RANGES = ("high", "low")
TASKS = tuple((target, range_) for range_ in RANGES for target in TARGETS)
MAIN_LINE_NM = {"ca": 422.673, "mg": 279.553, "na": 588.995}
N_FOLDS = 10


@dataclass(frozen=True)
class OpenChoices:
    """What the paper leaves open, decided once.

    normalise : spectra (n, n_channels) to normalised spectra, each by itself. The paper says that trimmed spectra were
        normalised against changes of pulse energy, not how; we divide each by its mean.
    scale : whether the network sees spectra less the mean training spectrum, over one standard deviation
    cnn : the network's own open points, see `CNNConfig`

    Where several readings are possible we take the one under which the published network fits its *training* data best
    (chapter 2 has the table): that favours the paper, and no test result has a say in it.
    R2 is pooled over the out-of-fold predictions of a repeat: a fold of one sample has none of its own.
    """

    normalise: Callable = normalise_area
    scale: bool = True
    cnn: CNNConfig = field(default_factory=CNNConfig)


@dataclass(frozen=True)
class Profile:
    """How much is computed: the counts of the study ('paper'), or enough to show it in a minute ('quick').

    n_repeats : repeats of the 10-fold cross-validation
    n_trees : trees of the random forest
    n_measurements : repeated measurements of each soil, for the relative standard deviation
    n_blanks : blanks for the limit of detection
    """

    name: str
    n_repeats: int
    n_trees: int
    n_measurements: int
    n_blanks: int


PROFILES = {
    "quick": Profile("quick", n_repeats=1, n_trees=50, n_measurements=3, n_blanks=20),
    "paper": Profile("paper", n_repeats=10, n_trees=300, n_measurements=10, n_blanks=60),
}


@dataclass(frozen=True)
class Task:
    """One element in one set of soils: spectra of its window, contents, and the soils they come from.

    wavelength : (n_channels,) nm; counts : (n_samples, n_channels)
    content : (n_samples,) ppm; sample_id : (n_samples,)
    """

    target: str
    range: str
    wavelength: np.ndarray
    counts: np.ndarray
    content: np.ndarray
    sample_id: np.ndarray


def cut_task(dataset, target, range_):
    """The task of one element and one set of soils out of the experiment's dataset, one row a measurement.

    dataset : SpectralDataset of `simulate.libs.measure`, or of its table; target : 'ca', 'mg' or 'na'
    range_ : 'high' (spiked soils) or 'low' (field soils)
    """
    axis = experiment.window_axes()[target]
    half = (axis[1] - axis[0]) / 2
    part = dataset.window(axis[0] - half, axis[-1] + half).subset((dataset.samples["range"] == range_).to_numpy())
    return Task(
        target,
        range_,
        part.axis,
        part.spectra.astype(float),
        part.properties[f"{target}_ppm"].to_numpy(),
        part.samples["sample_id"].to_numpy(str),
    )


def scale_by_split(X, train, others=()):
    """Spectra as the network of each split sees them: scaled by what its own training rows say.

    X : (n, n_channels); train : (n_splits, n) bool; others : more spectra (n_other, n_channels) to be scaled alike
    Returns arrays (n_splits, n, n_channels), one for X and one for each of `others`.
    """
    scalers = [SpectrumScaler().fit(X[rows]) for rows in train]
    return [np.stack([scaler.transform(block) for scaler in scalers]) for block in (X, *others)]


def fit_cnn(task, splits, choices=None, repeated=None, progress=None):
    """Fit the network of every split at once.

    splits : `evaluation.splits.Splits` of the task's rows; choices : OpenChoices, None for the ones decided
    progress : as for `training.stacked.fit_stacked`
    repeated : Task of further measurements, predicted by the same networks
    Returns (networks, predictions (n_splits, n_samples) in ppm, predictions of `repeated` or None, spectra
    as each network saw them (n_splits, n_samples, n_channels)).
    """
    choices = choices or OpenChoices()
    X = choices.normalise(task.counts)
    others = [] if repeated is None else [choices.normalise(repeated.counts)]
    if choices.scale:
        X, *others = scale_by_split(X, splits.train, others)
    else:
        X, *others = (np.broadcast_to(block, (len(splits), *block.shape)) for block in (X, *others))
    seeds = range(len(splits))
    networks = fit_stacked(X, task.content, splits.train, choices.cnn, seeds, progress=progress)
    predicted = networks.predict(others[0]) if others else None
    return networks, networks.predict(X), predicted, X


def fit_baseline(estimator, task, splits, choices=None):
    """Predictions (n_splits, n_samples), ppm, of a scikit-learn regressor fitted on each split's training rows."""
    X = (choices or OpenChoices()).normalise(task.counts)
    return np.stack([clone(estimator).fit(X[rows], task.content[rows]).predict(X) for rows in splits.train])


def pooled_gap(task, splits, predictions):
    """Generalisation gap (ppm, equation 7) of each repeat: (n_repeats,).

    RMSE over all training predictions of a repeat's models, minus RMSE over its out-of-fold predictions: negative for
    a model that over-fits. predictions : (n_splits, n_samples), ppm
    """
    squared = (predictions - task.content) ** 2
    gaps = []
    for repeat in range(splits.repeat.max() + 1):
        own = splits.repeat == repeat
        train, test = (np.sqrt(squared[own][side[own]].mean()) for side in (splits.train, splits.test))
        gaps.append(generalisation_gap(train, test))
    return np.array(gaps)


def line_signal(task):
    """Signal (n_samples,) of the element's main line: mean counts of the channels within one resolution element."""
    line = MAIN_LINE_NM[task.target]
    near = np.abs(task.wavelength - line) <= experiment.spectrometer().resolution_nm(line)
    return task.counts[:, near].mean(1)


def detection_limit(calibration, soils, n_blanks, random_state=0):
    """Limit of detection (ppm) of one element in one set of soils: 3 s_blank / slope.

    The slope is that of the main line's signal over content in the set, the deviation that of `n_blanks` measurements
    of a blank (`simulate.libs.blank_soils`).
    calibration : Task, the soils as measured; soils : `simulate.libs.Soils` of its range, to make the blank of
    Raises ValueError where the signal does not grow with the content.
    """
    blank_soil = experiment.blank_soils(soils, calibration.target)
    blanks = experiment.measure(blank_soil, n_blanks, random_state=random_state + 1)
    blanks = cut_task(blanks, calibration.target, calibration.range)
    slope = np.polyfit(calibration.content, line_signal(calibration), 1)[0]
    return float(limit_of_detection(slope, line_signal(blanks).std(ddof=1)))


def reference_lines(target):
    """Lines of the element that a map of its window should find: DataFrame of those above 1 % of its strongest there.

    Strength is the emissivity in the nominal plasma of the unspiked reference soil.
    """
    low, high, _ = experiment.settings()["windows"][target]
    lines = line_table(low, high, target.capitalize())
    strength = line_emissivities(lines, experiment.nominal_plasma())[0]
    return lines.assign(strength=strength)[strength >= 0.01 * strength.max()].reset_index(drop=True)


def out_of_fold_maps(networks, X, splits):
    """Grad-CAM of every sample by the network of the first repeat that had not seen it: (n_samples, n_channels).

    X : (n_splits, n_samples, n_channels), as each network saw them
    """
    maps = np.zeros(X.shape[1:])
    for b in np.flatnonzero(splits.repeat == 0):
        network, test = networks.network(b), splits.test[b]
        maps[test] = grad_cam(network, network.target_layer, X[b, test])
    return maps


@dataclass(frozen=True)
class Outcome:
    """What one task gives. Arrays keep one row a repeat, so that any summary can be made of them.

    task : spectra and contents, one measurement a soil
    metrics : DataFrame (n_models * n_repeats, 6): model, repeat, r2, rmse, mae, gap (ppm where they have a unit)
    out_of_fold : model to predictions (n_repeats, n_samples), ppm
    repeatability : (n_samples,) relative standard deviation (%) of predictions from repeated measurements
    detection_limit : ppm
    maps : (n_samples, n_channels) Grad-CAM
    """

    task: Task
    metrics: pd.DataFrame
    out_of_fold: dict
    repeatability: np.ndarray
    detection_limit: float
    maps: np.ndarray


def run_task(soils, dataset, repeated, target, range_, profile, choices=None, random_state=0, progress=None):
    """Run one task of the study.

    soils : `simulate.libs.Soils` of the range, for the limit of detection
    dataset, repeated : SpectralDatasets, one measurement a soil and `profile.n_measurements` of them
    progress : called with the number of models fitted, and of models in all
    """
    task, again = (cut_task(each, target, range_) for each in (dataset, repeated))
    splits = repeated_folds(len(task.content), N_FOLDS, profile.n_repeats, random_state)
    models = libs_baselines(random_state)
    models["RF"].set_params(n_estimators=profile.n_trees)

    def report(models_done):
        if progress is not None:
            progress(models_done, 1 + len(models))

    networks, predicted, predicted_again, X = fit_cnn(
        task, splits, choices, again, lambda epochs, of: report(epochs / of)
    )
    predictions = {"CNN": predicted}
    for name, estimator in models.items():
        predictions[name] = fit_baseline(estimator, task, splits, choices)
        report(len(predictions))
    out_of_fold = {name: splits.out_of_fold(values) for name, values in predictions.items()}
    return Outcome(
        task,
        _metrics(task, splits, predictions, out_of_fold),
        out_of_fold,
        _repeatability(task, splits, predicted_again, profile.n_measurements),
        detection_limit(task, soils, profile.n_blanks, random_state),
        out_of_fold_maps(networks, X, splits),
    )


def _metrics(task, splits, predictions, out_of_fold):
    frames = [
        repeat_metrics(task.content, pooled)
        .assign(model=name, gap=pooled_gap(task, splits, predictions[name]))
        .reset_index()
        for name, pooled in out_of_fold.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _repeatability(task, splits, predicted, n_measurements):
    """Relative standard deviation (%) of each sample, by networks that had not seen it, mean over repeats."""
    test = np.repeat(splits.test, n_measurements, axis=1)
    values = np.where(test, predicted, np.nan).reshape(len(splits), len(task.content), n_measurements)
    with np.errstate(invalid="ignore"):
        deviations = np.abs(relative_standard_deviation(values))
    return np.nanmean(deviations, axis=0)
