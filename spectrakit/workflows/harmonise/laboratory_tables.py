"""What do the tables of several laboratories hold, brought to absorbance on the axis that all of them share?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.preprocess import absorbance_on, common_axis, measured_channels, refuse_counts
from spectrakit.spectra import laboratory_labels
from spectrakit.tables import read_library


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
    refuse_counts(signal)
    parts, named_by_file = [], set()
    for path in map(Path, paths):
        found, by_file = _by_laboratory(read_library(path, axis_unit, signal), path)
        for name, part in found:
            if name in named_by_file or (by_file and name in dict(parts)):
                raise ValueError(
                    f"{path}: laboratory {name} stands in two tables; rename one, or add a column laboratory"
                )
            parts.append((name, measured_channels(part)))
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
        part, of_part = absorbance_on(part, axis)
        prepared.append(part)
        notes += [f"{name}: {note}" for note in of_part]
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
