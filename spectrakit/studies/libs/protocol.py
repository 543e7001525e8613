"""The protocol of the LIBS study: six tasks, each an element in a set of twelve soils, by repeated 10-fold validation.

What the paper leaves open is decided in `OpenChoices`, and nowhere else.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from sklearn.base import clone

from spectrakit.evaluation import (
    Splits,
    generalisation_gap,
    limit_of_detection,
    relative_standard_deviation,
    repeated_folds,
    scores,
)
from spectrakit.explain import grad_cam
from spectrakit.models import CNNConfig, libs_baselines
from spectrakit.preprocess import SpectrumScaler, normalise_area
from spectrakit.simulate import libs as experiment
from spectrakit.studies.libs.domains import N_FOLDS, cut_task
from spectrakit.training import fit_stacked

MAIN_LINE_NM = {"ca": 422.673, "mg": 279.553, "na": 588.995}


@dataclass(frozen=True)
class OpenChoices:
    """What the paper leaves open, decided once.

    normalise : spectra (n, n_channels) to normalised spectra, each by itself. The paper says that trimmed spectra were
        normalised against changes of pulse energy, not how; we divide each by its mean.
    scale : whether the network sees spectra less the mean training spectrum, over one standard deviation
    cnn : the open points of the network, see `CNNConfig`

    Where several readings are possible we take the one under which the published network fits its *training* data best
    (chapter 2 has the table): that favours the paper, and no test result has a say in it.
    R2 is pooled over the out-of-fold predictions of a repeat: R2 of a fold of one sample is undefined.
    """

    normalise: Callable = normalise_area
    scale: bool = True
    cnn: CNNConfig = field(default_factory=CNNConfig)


@dataclass(frozen=True)
class Profile:
    """How much is computed: the counts of the study ('paper'), or enough to show it in a minute ('quick').

    The folds (`N_FOLDS`) and the network with its epochs (`models.CNNConfig`) are the same in both.
    n_repeats : repeats of the 10-fold cross-validation
    n_trees : trees of the random forest
    n_measurements : repeated measurements of each soil, for the relative standard deviation
    n_blanks : blanks for the limit of detection
    """

    n_repeats: int
    n_trees: int
    n_measurements: int
    n_blanks: int


OPEN_CHOICES = OpenChoices()

PROFILES = {
    "quick": Profile(n_repeats=1, n_trees=50, n_measurements=3, n_blanks=20),
    "paper": Profile(n_repeats=10, n_trees=300, n_measurements=10, n_blanks=60),
}


def fit_cnn(task, splits, choices=None, repeated=None, progress=None):
    """Fit the network of every split at once.

    splits : `evaluation.Splits` of the task's rows; choices : OpenChoices, None for those decided
    progress : as for `training.fit_stacked`
    repeated : Task of further measurements, predicted by the same networks
    Returns (networks, predictions (n_splits, n_samples) in ppm, predictions of `repeated` or None, spectra
    as each network saw them (n_splits, n_samples, n_channels)).
    """
    choices = choices or OPEN_CHOICES
    blocks = [choices.normalise(each.counts) for each in (task, repeated) if each is not None]
    if choices.scale:
        # Each network sees spectra as the training rows of its split scale them.
        scalers = [SpectrumScaler().fit(blocks[0][rows]) for rows in splits.train]
        X, *more = (np.stack([scaler.transform(block) for scaler in scalers]) for block in blocks)
    else:
        X, *more = (np.broadcast_to(block, (len(splits), *block.shape)) for block in blocks)
    seeds = splits.repeat * (splits.fold.max() + 1) + splits.fold
    networks = fit_stacked(X, task.content, splits.train, choices.cnn, seeds, progress=progress)
    return networks, networks.predict(X), networks.predict(more[0]) if more else None, X


def fit_baseline(estimator, task, splits):
    """Predictions (n_splits, n_samples), ppm, of a scikit-learn regressor fitted on each split's training rows."""
    X = OPEN_CHOICES.normalise(task.counts)
    return np.stack([clone(estimator).fit(X[rows], task.content[rows]).predict(X) for rows in splits.train])


def repeat_splits(n_samples, repeat, random_state=0):
    """Splits of one repeat, counted from 0, of the 10-fold cross-validation; its networks are seeded by the repeat."""
    splits, last = repeated_folds(n_samples, N_FOLDS, repeat + 1, random_state), slice(-N_FOLDS, None)
    return Splits(splits.train[last], splits.repeat[last], splits.fold[last])


def repeat_scores(task, splits, predictions):
    """R2, RMSE, MAE and generalisation gap (ppm, equation 7) of one repeat, a dict.

    The gap is the RMSE over all training predictions of the repeat's models, minus the RMSE over its out-of-fold
    predictions: negative for a model that over-fits. predictions : (n_splits, n_samples), ppm
    """
    squared = (predictions - task.content) ** 2
    gap = generalisation_gap(*(np.sqrt(squared[side].mean()) for side in (splits.train, splits.test)))
    return scores(task.content, splits.out_of_fold(predictions)[-1], ("r2", "rmse", "mae")) | {"gap": float(gap)}


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
    """Lines of the element that a map of its window should show: DataFrame of those above 1 % of its strongest there.

    Strength is the emissivity in the nominal plasma of the unspiked reference soil.
    """
    low, high, _ = experiment.settings()["windows"][target]
    lines = experiment.line_table(low, high, target.capitalize())
    strength = experiment.line_emissivities(lines, experiment.nominal_plasma())[0]
    return lines.assign(strength=strength)[strength >= 0.01 * strength.max()].reset_index(drop=True)


def out_of_fold_maps(networks, X, splits):
    """Grad-CAM of every sample by the network of a repeat that had not seen it: (n_samples, n_channels).

    X : (n_splits, n_samples, n_channels), as each network saw them; splits : of one repeat
    """
    maps = np.zeros(X.shape[1:])
    for b, test in enumerate(splits.test):
        network = networks.networks[b]
        maps[test] = grad_cam(network, network.target_layer, X[b, test])
    return maps


def run_repeat(task, repeated, repeat, profile, random_state, report):
    """One repeat of a task by all models, each judged on samples that it had not seen: a dict.

    task, repeated : one measurement a soil, and `profile.n_measurements` of them; repeat : counted from 0
    report : called with the number of models fitted, and of models in all
    metrics : DataFrame, a row a model: model, repeat, r2, rmse, mae, gap (ppm where they have a unit)
    out_of_fold : model to predictions (n_samples,), ppm; maps : (n_samples, n_channels) Grad-CAM
    repeatability : (n_samples,) relative standard deviation (%) of predictions from repeated measurements
    """
    splits = repeat_splits(len(task.content), repeat, random_state)
    models = libs_baselines(random_state)
    models["RF"].set_params(n_estimators=profile.n_trees)
    n_models = 1 + len(models)
    networks, predicted, predicted_again, X = fit_cnn(
        task, splits, repeated=repeated, progress=lambda epochs, of: report(epochs / of, n_models)
    )
    predictions = {"CNN": predicted}
    for name, estimator in models.items():
        predictions[name] = fit_baseline(estimator, task, splits)
        report(len(predictions), n_models)
    rows = [
        {"model": name, "repeat": repeat} | repeat_scores(task, splits, values) for name, values in predictions.items()
    ]
    rows_of_sample = splits.test.argmax(axis=0), np.arange(len(task.content))
    again = predicted_again.reshape(len(splits), len(task.content), -1)[rows_of_sample]
    return {
        "metrics": pd.DataFrame(rows),
        "out_of_fold": {name: splits.out_of_fold(values)[-1] for name, values in predictions.items()},
        "repeatability": np.abs(relative_standard_deviation(again)),
        "maps": out_of_fold_maps(networks, X, splits),
    }
