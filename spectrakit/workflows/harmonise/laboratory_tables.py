"""The tables of several laboratories as absorbance on the axis that all of them share."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.preprocess import absorbance_on, common_axis, measured_channels, refuse_counts
from spectrakit.spectra import count_of, laboratory_labels
from spectrakit.tables import read_library, spectra_files


def read_laboratories(paths, axis_unit="cm-1", signal="absorbance", below_detection=None):
    """Tables of one or more laboratories as absorbance on one axis, and notes on what was done to get there.

    paths : plain or OSSL-layout tables, or folders: of Parquet files, which are one table, or of CSV tables. A table
        without a column laboratory, or lab, is a laboratory by itself, named as the file up to its first dot
    axis_unit, signal, below_detection : of all, as in `read_table`
    The axis is what all laboratories cover, of mid-infrared tables within that of the simulated library, in the
    coarsest of their steps, at least 2 1/cm or 1 nm; channels between are interpolated. Reflectance over 1 stays:
    absorbance is then below 0. Returns (SpectralDataset with the sample column laboratory, list of notes).
    Raises ValueError for counts, rows without a laboratory, fewer than two, and ranges that do not overlap.
    """
    refuse_counts(signal)
    parts, named_by_file = [], []
    paths, notes = _files(map(Path, paths))
    for path in paths:
        table = read_library(path, axis_unit, signal, below_detection)
        notes += _of(path.name, table.notes)
        if laboratory_labels(table.samples) is None:
            named_by_file.append(path.name.split(".")[0])
        for name, part, of_part in _laboratories(path, table):
            parts.append((name, part))
            notes += _of(name, of_part)
    counts = Counter(name for name, _ in parts)
    for name in named_by_file:
        if counts[name] > 1:
            raise ValueError(f"laboratory {name} is in two tables; rename one, or add a column laboratory")
    if len(counts) < 2:
        raise ValueError(
            f"one laboratory ({', '.join(counts) or 'none'}): give two tables or more, or one with a column laboratory "
            "that names two"
        )
    axis, of_axis = common_axis(parts)
    prepared, further = zip(*(absorbance_on(part, axis) for _, part in parts), strict=True)
    of_parts = [note for (name, _), of_part in zip(parts, further, strict=True) for note in _of(name, of_part)]
    return _pooled(prepared), [*notes, *of_axis, *of_parts]


def _laboratories(path, table):
    """Each laboratory of a table: its name, its part with the channels that most of it has, and notes."""
    labels = laboratory_labels(table.samples)
    if labels is None:
        labels = pd.Series(path.name.split(".")[0], table.samples.index)
    if labels.isna().any():
        first = table.samples["sample_id"][labels.isna()].iloc[0]
        raise ValueError(
            f"{path}: no laboratory in {count_of(labels.isna().sum(), 'row')}, first {first}; name one for each"
        )
    samples = table.samples.drop(columns="lab", errors="ignore").assign(laboratory=labels)
    table = replace(table, samples=samples)
    return [(name, *measured_channels(table.subset(labels == name))) for name in labels.unique()]


def _of(name, notes):
    """Notes with the name of a table or laboratory before them; a warning stays one."""
    return [
        f"warning: {name}: {note.removeprefix('warning: ')}" if note.startswith("warning: ") else f"{name}: {note}"
        for note in notes
    ]


def _files(paths):
    """The tables at some paths, those in folders of CSV one by one, and notes on what is left out of these."""
    tables, notes = [], []
    for path in paths:
        inside, left_out = spectra_files(path) if path.is_dir() else ([], [])
        several = len(inside) > 1 and all(file.suffix != ".parquet" for file in inside)
        tables += inside if several else [path]
        notes += left_out if several else []
    return tables, notes


def _pooled(parts):
    """One SpectralDataset of several on the same axis; simulated where one of them is."""
    origins = {part.provenance["origin"] for part in parts}
    sources = dict.fromkeys(str(part.provenance.get("source", "")) for part in parts)
    return replace(
        parts[0],
        spectra=np.concatenate([part.spectra for part in parts]),
        properties=pd.concat([part.properties for part in parts], ignore_index=True),
        samples=pd.concat([part.samples for part in parts], ignore_index=True),
        provenance={"origin": "simulated" if "simulated" in origins else "measured", "source": "; ".join(sources)},
    )
