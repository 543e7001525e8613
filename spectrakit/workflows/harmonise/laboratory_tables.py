"""What do the tables of several laboratories hold, brought to absorbance on the axis that all of them share?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.preprocess import positive_reflectance, raised_notes
from spectrakit.spectra import axis_gaps, laboratory_labels, library_axis
from spectrakit.tables import read_library

# Channels of the common axis are no closer than this; the networks and the simulated library have the same.
FINEST_STEP = {"cm-1": 2.0, "nm": 1.0}
FEWEST_CHANNELS = 20


def read_laboratories(paths, axis_unit="cm-1", signal="absorbance"):
    """Tables of one or more laboratories as absorbance on one axis, and notes on what was done to get there.

    paths : plain or OSSL-layout tables, or folders of them in Parquet. A table without a column laboratory, or lab, is
        a laboratory by itself, named as the file up to its first dot
    axis_unit, signal : of all, as in `read_table`
    The axis is what all laboratories cover, of mid-infrared tables within that of the simulated library, in the
    coarsest of their steps, at least 2 1/cm or 1 nm; channels between are interpolated. Reflectance over 1 stays:
    absorbance is then below 0. Returns (SpectralDataset with the sample column laboratory, list of notes).
    Raises ValueError for counts, rows without a laboratory, fewer than two, and ranges that do not overlap.
    """
    if signal == "counts":
        raise ValueError("counts are no reflectance: divide by the white reference, then declare reflectance")
    parts, named_by_file = [], set()
    for path in map(Path, paths):
        found, by_file = _by_laboratory(read_library(path, axis_unit, signal), path)
        for name, part in found:
            if name in named_by_file or (by_file and name in dict(parts)):
                raise ValueError(
                    f"{path}: laboratory {name} stands in two tables; rename one, or add a column laboratory"
                )
            parts.append((name, _measured_channels(part)))
        if by_file:
            named_by_file.add(found[0][0])
    if len(dict(parts)) < 2:
        names = ", ".join(dict(parts)) or "none"
        raise ValueError(
            f"one laboratory ({names}): give two tables or more, or one with a column laboratory that names two"
        )
    axis, notes = common_axis(parts)
    prepared = []
    for name, part in parts:
        part, told = _on_axis(part, axis)
        prepared.append(part)
        notes += [f"{name}: {note}" for note in told]
    return _pooled(prepared), notes


def _by_laboratory(dataset, path):
    """(name, SpectralDataset) of each laboratory in a table, a list; and whether it is named by the file."""
    found = laboratory_labels(dataset.samples)
    if found is None:
        labels = np.full(len(dataset), path.name.split(".")[0])
    else:
        unnamed = found.isna().to_numpy()
        if unnamed.any():
            first = dataset.samples["sample_id"].iloc[int(unnamed.argmax())]
            raise ValueError(f"{path}: {unnamed.sum()} rows have no laboratory, first {first}; name one for each")
        labels = found.to_numpy(str)
    samples = dataset.samples.drop(columns="lab", errors="ignore").assign(laboratory=labels)
    dataset = replace(dataset, samples=samples)
    return [(str(name), dataset.subset(labels == name)) for name in dict.fromkeys(labels)], found is None


def _measured_channels(dataset):
    """Without channels that no sample has."""
    measured = ~np.isnan(dataset.spectra).all(axis=0)
    return replace(dataset, spectra=dataset.spectra[:, measured], axis=dataset.axis[measured])


def common_axis(parts):
    """The axis (n_channels,) that all of a list of (laboratory, SpectralDataset) cover, and notes.

    Raises ValueError where they share fewer than 20 channels.
    """
    unit = parts[0][1].axis_unit
    low, high = max(part.axis[0] for _, part in parts), min(part.axis[-1] for _, part in parts)
    step = max(FINEST_STEP[unit], *(np.median(np.diff(part.axis)) for _, part in parts))
    spans = {name: f"{name} {part.axis[0]:g}-{part.axis[-1]:g}" for name, part in parts}.values()
    notes = []
    first, last = library_axis()[[0, -1]]
    # Channels that a few laboratories have beyond it are no reason to go without the simulated ring trial.
    if unit == "cm-1" and min(high, last) - max(low, first) >= (high - low) / 2 > 0:
        if low < first or high > last:
            notes.append(f"channels outside {first:g} to {last:g} cm-1 are not used: the simulated ring trial has none")
        low, high = max(low, first), min(high, last)
    axis = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    for name, part in parts:
        for start, end in axis_gaps(part.axis):
            inside = (axis > start) & (axis < end)
            if inside.any():
                notes.append(f"{name} has no channel between {start:g} and {end:g} {unit}: left out of all")
            axis = axis[~inside]
    if len(axis) < FEWEST_CHANNELS:
        raise ValueError(
            f"the laboratories share {len(axis)} channels every {step:g} {unit} ({', '.join(spans)}): "
            f"at least {FEWEST_CHANNELS} are needed"
        )
    axis = np.round(axis, 4)
    words = f"{len(axis):,} channels, {axis[0]:g} to {axis[-1]:g} {unit} every {step:g} (of {', '.join(spans)})"
    return axis, [words, *notes]


def _on_axis(dataset, axis):
    """One laboratory's spectra as absorbance on an axis, without those that lack a channel there; and notes."""
    first = max(np.searchsorted(dataset.axis, axis[0], side="right") - 1, 0)
    used = slice(first, np.searchsorted(dataset.axis, axis[-1]) + 1)
    dataset = replace(dataset, spectra=dataset.spectra[:, used], axis=dataset.axis[used])
    complete = ~np.isnan(dataset.spectra).any(axis=1)
    notes = []
    if not complete.all():
        notes.append(f"{(~complete).sum()} of {len(complete)} samples left out: channels are missing")
        dataset = dataset.subset(complete)
    if dataset.signal == "reflectance" and len(dataset):
        reflectance, low = positive_reflectance(dataset.spectra.astype(float))
        notes += raised_notes(low)
        bright = (reflectance > 1).any(axis=1).sum()
        if bright:
            notes.append(
                f"reflectance up to {100 * reflectance.max():.4g} % in {bright} samples: kept, absorbance is below 0"
            )
        dataset = replace(dataset, spectra=-np.log10(reflectance), signal="absorbance")
    return dataset.resample(axis), notes


def _pooled(parts):
    """One SpectralDataset of several on the same axis; simulated where one of them is."""
    provenances = [part.provenance for part in parts]
    origin = "simulated" if any(found["origin"] == "simulated" for found in provenances) else "measured"
    sources = dict.fromkeys(str(found.get("source", "")) for found in provenances)
    return replace(
        parts[0],
        spectra=np.concatenate([part.spectra for part in parts]),
        properties=pd.concat([part.properties for part in parts], ignore_index=True),
        samples=pd.concat([part.samples for part in parts], ignore_index=True),
        provenance={"origin": origin, "source": "; ".join(sources)},
    )
