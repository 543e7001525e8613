"""Measured tables as models take them: one signal, one axis, and the samples whose target is known."""

from dataclasses import replace

import numpy as np

from spectrakit.spectra import LUCAS_AXIS_NM, axis_gaps, count_of, covered_channels, library_axis

MIN_REFLECTANCE = 1e-3
MIN_SAMPLES = 20
# The closest channels that several laboratories are interpolated to, and how many of them must be shared.
MIN_STEP = {"cm-1": 2.0, "nm": 1.0}
MIN_CHANNELS = 20
# How much of either end of 400-2499 nm may be missing, and over how much of what is there a missing end is continued.
MAX_MISSING_NM = 50.0
CONTINUED_FROM_NM = 20.0
# Two channels further apart than two pooling windows of the network leave one of them without a measurement.
MAX_STEP_NM = 20.0


# --- one signal -----------------------------------------------------------------------------------------


def refuse_counts(signal):
    """Raises ValueError for counts, which are reflectance only over those of a white reference."""
    if signal == "counts":
        raise ValueError("raw counts are not accepted: divide by the white reference, then declare reflectance")


def positive_reflectance(reflectance):
    """Reflectance (n, n_channels) with a logarithm: what is below 0.001, also 0 and less, is set to 0.001.

    Returns the array, and a mask (n,) of the samples in which a value was set. NaN stays.
    """
    return np.maximum(reflectance, MIN_REFLECTANCE), (reflectance < MIN_REFLECTANCE).any(axis=1)


def low_notes(low):
    """A note on what `positive_reflectance` set, by its mask (n,), in a list; an empty list where it set nothing."""
    words = f"reflectance below {MIN_REFLECTANCE:g} was set to {MIN_REFLECTANCE:g} in {count_of(low.sum(), 'sample')}"
    return [words] if low.any() else []


def absorbance(spectra, signal):
    """Absorbance, log10(1/R), of reflectance or absorbance (n, n_channels), and the mask of `positive_reflectance`.

    >>> spectra, low = absorbance(np.array([[0.1, 0.01]]), "reflectance")
    >>> print(spectra, low)
    [[1. 2.]] [False]
    """
    if signal == "absorbance":
        return spectra, np.zeros(len(spectra), bool)
    reflectance, low = positive_reflectance(spectra)
    return -np.log10(reflectance), low


# --- one axis -------------------------------------------------------------------------------------------


def measured_channels(dataset):
    """A SpectralDataset without the channels that most samples lack, and a note that names some that others have.

    A sample without any channel does not count. Returns (SpectralDataset, list of notes). Raises ValueError where no
    channel is left.
    """
    there = ~np.isnan(dataset.spectra)
    some = there.any(axis=1)
    measured = there[some].mean(axis=0) >= 0.5 if some.any() else np.zeros(dataset.n_channels, bool)
    if not measured.any():
        raise ValueError("no channel is measured in most samples; leave out the samples of which most is missing")
    lost = dataset.axis[~measured & there.any(axis=0)]
    words = (
        f"{count_of(len(lost), 'channel')} left out, not measured in most samples: {_first(f'{nm:g}' for nm in lost)}"
    )
    part = replace(dataset, spectra=dataset.spectra[:, measured], axis=dataset.axis[measured])
    return part, [words] if len(lost) else []


def _first(names):
    """The first three names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def complete_samples(dataset, axis):
    """The channels that an axis is interpolated from, and the samples that have them all.

    One channel beyond either end of the axis is kept. Returns (SpectralDataset, list of notes).
    """
    first = max(np.searchsorted(dataset.axis, axis[0], side="right") - 1, 0)
    used = slice(first, np.searchsorted(dataset.axis, axis[-1]) + 1)
    dataset = replace(dataset, spectra=dataset.spectra[:, used], axis=dataset.axis[used])
    complete = ~np.isnan(dataset.spectra).any(axis=1)
    if complete.all():
        return dataset, []
    names = _first(dataset.samples["sample_id"][~complete].astype(str))
    words = f"{(~complete).sum()} of {len(complete)} samples left out: channels are missing ({names})"
    return dataset.subset(complete), [words]


def shared_channels(grid, axes, minimum, words):
    """The channels of a grid (n,) that each of some axes covers, between its ends and outside its gaps.

    words : on the grid, for the ValueError that is raised where fewer than `minimum` are shared
    """
    shared = grid[np.all([covered_channels(grid, axis) for axis in axes], axis=0)]
    if len(shared) < minimum:
        raise ValueError(
            f"the laboratories share {count_of(len(shared), 'channel')} {words}: at least {minimum} are needed; "
            "check the unit of the axis, or leave out the laboratory that covers least"
        )
    return shared


def common_axis(laboratories):
    """The axis (n_channels,) that all laboratories cover, and notes.

    laboratories : list of (name, SpectralDataset), in one axis unit
    Its step is the coarsest of theirs, at least 2 1/cm or 1 nm. Mid-infrared spectra keep to the range of the simulated
    library, unless most of what they share is outside. Raises ValueError for fewer than 20 shared channels.
    """
    axes, unit = [part.axis for _, part in laboratories], laboratories[0][1].axis_unit
    low, high = max(axis[0] for axis in axes), min(axis[-1] for axis in axes)
    step = max(MIN_STEP[unit], *(np.median(np.diff(axis)) for axis in axes))
    spans = dict.fromkeys(f"{name} {part.axis[0]:g}-{part.axis[-1]:g}" for name, part in laboratories)
    notes = []
    first, last = library_axis()[[0, -1]]
    # Channels that a few laboratories have beyond it are no reason to go without the simulated ring trial.
    if unit == "cm-1" and min(high, last) - max(low, first) >= (high - low) / 2 > 0:
        if low < first or high > last:
            notes.append(f"channels outside {first:g} to {last:g} cm-1 are not used: the simulated ring trial has none")
        low, high = max(low, first), min(high, last)
    grid = np.round(np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step, 4)
    for name, part in laboratories:
        notes += [
            f"{name} has no channel between {start:g} and {end:g} {unit}: left out of all"
            for start, end in axis_gaps(part.axis)
            if ((grid > start) & (grid < end)).any()
        ]
    axis = shared_channels(grid, axes, MIN_CHANNELS, f"every {step:g} {unit} ({', '.join(spans)})")
    words = f"{len(axis):,} channels, {axis[0]:g} to {axis[-1]:g} {unit} every {step:g} (of {', '.join(spans)})"
    return axis, [words, *notes]


def absorbance_on(dataset, axis):
    """Reflectance or absorbance as absorbance on an axis that it covers, of the samples with all channels, and notes.

    Reflectance over 1 stays: absorbance is then below 0. Returns (SpectralDataset, list of notes).
    """
    dataset, notes = complete_samples(dataset, axis)
    spectra, low = absorbance(dataset.spectra.astype(float), dataset.signal)
    notes += low_notes(low)
    if dataset.signal == "reflectance" and (spectra < 0).any():
        bright, highest = (spectra < 0).any(axis=1).sum(), 100 * dataset.spectra.max()
        notes.append(f"reflectance up to {highest:.4g} % in {count_of(bright, 'sample')}: kept, absorbance is below 0")
    return replace(dataset, spectra=spectra, signal="absorbance").resample(axis), notes


# --- reflectance from 400 to 2499 nm --------------------------------------------------------------------


def lucas_reflectance(dataset):
    """The spectra as reflectance (0-1) at 400-2499 nm, every 1 nm, and notes on what was done to get there.

    dataset : SpectralDataset of reflectance or absorbance over nm or 1/cm
    Channels between two measured ones are interpolated. Where the table begins after 400 nm or ends before 2499 nm,
    by up to 50 nm, the missing end is continued: a straight line of log reflectance from the last measured channel
    on, its slope fitted to the nearest 20 nm. In measured soils that come that far, ends of 20 nm so continued are
    0.002-0.03 of log10 reflectance away from the truth, a third of the error of repeating the last channel.
    Returns (SpectralDataset (n_samples, 2100), list of notes).
    Raises ValueError for counts, a longer missing end, or channels more than 20 nm apart.
    Source: gejiu paper, section 2.1, for the axis.
    """
    refuse_counts(dataset.signal)
    if dataset.axis_unit == "cm-1":
        dataset = replace(dataset, spectra=dataset.spectra[:, ::-1], axis=1e7 / dataset.axis[::-1], axis_unit="nm")
    dataset, notes = measured_channels(dataset)
    _refuse_uncovered(dataset.axis)
    dataset, of_samples = complete_samples(dataset, LUCAS_AXIS_NM)
    notes += of_samples
    if not len(dataset):
        raise ValueError(
            "no sample has all its channels from 400 to 2499 nm; leave out the channels that are not measured"
        )
    axis, spectra = dataset.axis, dataset.spectra.astype(float)
    reflectance, low = positive_reflectance(spectra if dataset.signal == "reflectance" else 10.0**-spectra)
    notes += low_notes(low)
    within = np.array([np.interp(LUCAS_AXIS_NM, axis, row) for row in reflectance])
    for missing, edge, near in _missing_ends(axis):
        span = "-".join(f"{end:g}" for end in dict.fromkeys(missing[[0, -1]]))
        notes.append(f"{span} nm not measured: log reflectance is continued there in a straight line")
        within[:, np.isin(LUCAS_AXIS_NM, missing)] = _continued(axis[near], reflectance[:, near], edge, missing)
    return replace(dataset, spectra=within, axis=LUCAS_AXIS_NM, signal="reflectance"), notes


def _refuse_uncovered(axis):
    """Raises ValueError where an axis (nm) does not cover what the network needs."""
    low, high = LUCAS_AXIS_NM[[0, -1]]
    if axis[0] > low + MAX_MISSING_NM or axis[-1] < high - MAX_MISSING_NM:
        raise ValueError(
            f"the spectra span {axis[0]:g} to {axis[-1]:g} nm: the network needs {low:g} to {high:g} nm, of which up "
            f"to {MAX_MISSING_NM:g} nm may be missing at either end; give spectra of that range"
        )
    wide = np.flatnonzero((axis[1:] > low) & (axis[:-1] < high) & (np.diff(axis) > MAX_STEP_NM))
    if len(wide):
        raise ValueError(
            f"no channel between {axis[wide[0]]:g} and {axis[wide[0] + 1]:g} nm: steps of at most {MAX_STEP_NM:g} nm "
            "are bridged; give the channels between"
        )


def _missing_ends(axis):
    """For each end of the network's axis that `axis` lacks: missing channels, outermost channel, those nearest it."""
    first, last = axis[0], axis[-1]
    low = (LUCAS_AXIS_NM[first > LUCAS_AXIS_NM], 0, axis <= first + CONTINUED_FROM_NM)
    high = (LUCAS_AXIS_NM[last < LUCAS_AXIS_NM], -1, axis >= last - CONTINUED_FROM_NM)
    return [end for end in (low, high) if len(end[0])]


def _continued(axis, reflectance, edge, missing):
    """Reflectance (n_samples, n_missing) on the straight line of log reflectance through the channel at `edge`."""
    logarithm = np.log(reflectance)
    slope = np.polyfit(axis, logarithm.T, 1)[0]
    return np.exp(logarithm[:, [edge]] + slope[:, None] * (missing - axis[edge]))


# --- the target -----------------------------------------------------------------------------------------


def refuse_unknown(target, properties):
    """Raises ValueError for a target that is not one of the properties of a table, a DataFrame."""
    if target not in properties:
        raise ValueError(f"no column '{target}' with numbers; there are: {', '.join(properties) or 'none'}")


def target_rows(properties, target, minimum=MIN_SAMPLES, limits=(-np.inf, np.inf), names=None):
    """Mask (n,) of the rows whose target a model can learn: measured, finite, and within limits.

    properties : DataFrame (n, k); names : (n,) Series of the samples that are counted; None to count rows
    Raises ValueError for a target that is no property, that no row has, that fewer than `minimum` samples have, or that
    is the same in all.
    """
    refuse_unknown(target, properties)
    y = properties[target].to_numpy()
    if np.isnan(y).all():
        raise ValueError(f"{target} is not measured in any of {len(y):,} rows; choose another property")
    usable = np.isfinite(y) & (y >= limits[0]) & (y <= limits[1])
    count = usable.sum() if names is None else names[usable].nunique()
    if count < minimum:
        raise ValueError(
            f"{target} is measured in {count_of(count, 'sample')}: at least {minimum} are needed; "
            "choose another property"
        )
    if np.ptp(y[usable]) == 0:
        raise ValueError(
            f"{target} is {y[usable][0]:g} wherever it is measured: there is nothing to predict; "
            "choose another property"
        )
    return usable


def with_target(dataset, target):
    """The samples of a SpectralDataset whose target is measured, at least 20, replicates counted once, and notes.

    Returns (SpectralDataset, list of notes). Raises ValueError as `target_rows`.
    """
    known = target_rows(dataset.properties, target, names=dataset.samples["sample_id"])
    missing = (~known).sum()
    notes = [f"{missing} of {len(known)} samples left out: {target} is not measured"] if missing else []
    return dataset.subset(known), notes
