"""Turns a folder of instruments' files into one table of spectra, with what a laboratory measured."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.runs import KeptParts, Run, result_key
from spectrakit.tables.cells import files_at, instrument_kind, is_hidden, left_out_notes, table_file
from spectrakit.tables.instruments.formats import READERS, is_two_columns
from spectrakit.tables.instruments.scans import as_dataset, to_absorbance
from spectrakit.tables.layouts import plain_columns
from spectrakit.tables.reading import Table, blocks
from spectrakit.tables.rules import (
    READ_ERRORS,
    SAID_RULES,
    Findings,
    TableError,
    applied,
    doubled_names,
    name_hashes,
    said,
)

REPLICATES = ("keep", "average")
_FILES_A_PART = 200
_N_NAMED = 5


def convert_files(
    path,
    axis_unit=None,
    signal=None,
    contents=None,
    replicates="keep",
    strict=False,
    below_detection=None,
    folder=None,
    progress=None,
):
    """Instruments' files as a `SpectralDataset`, whose notes say what was left out, averaged or not joined.

    path : a file, or a folder of Bruker OPUS, ASD, JCAMP-DX, Spectral Evolution and two-column text files, at any depth
    axis_unit, signal : what text files hold, as of `read_table`; where files of several units or signals stand side by
        side, also what all are brought to
    contents : table of a laboratory, .csv, .csv.gz or .parquet, joined by the names of the samples; None for none
    replicates : 'keep' scans of a sample, or 'average' them
    strict : whether a file that cannot be read is an error, not left out with a note
    below_detection : as of `read_table`, of the contents
    folder, progress : as of `KeptParts` and `Run`

    The name of a file without its ending is the sample_id. Spectra have the channels of the file with the widest step,
    as far as all cover them. Raises TableError, in one line, where no file can be read, two have one name, units or
    signals differ and none was given, and for contents that cannot be joined.
    """
    path = Path(path)
    files, left_out = _files(path, contents)
    scans, faults = _scans(files, axis_unit, signal, folder, progress)
    if faults and (strict or not scans):
        raise TableError(faults[0])
    scans = [_on_unit(scan, _common("axis_unit", "--axis", scans, axis_unit, path)) for scan in scans]
    signal = _common("signal", "--signal", scans, signal, path)
    scans = [_with_signal(scan, signal, path) for scan in scans]
    _refuse_doubled(path, scans)
    counts = Counter(kind for _, kind in files)
    source = (
        f"{', '.join(f'{n} {kind}' for kind, n in counts.items())}, {'folder' if path.is_dir() else 'file'} {path.name}"
    )
    dataset = as_dataset(path, scans, source)
    notes = [*left_out_notes(path, left_out), *(f"left out: {fault}" for fault in faults)]
    if replicates == "average":
        dataset, of_scans = _averaged(dataset)
        notes += of_scans
    if contents is not None:
        dataset, of_contents = _with_contents(dataset, Path(contents), below_detection)
        notes += of_contents
    return replace(dataset, notes=tuple(notes))


def _files(path, contents):
    """The instruments' files at a path with their kind, and the other files of a folder but that of the contents."""
    files, left_out = [], []
    for file in sorted(files_at(path, lambda file: True, "no file in this folder")):
        if contents is not None and file.resolve() == Path(contents).resolve():
            continue
        kind = None
        if file == path or not is_hidden(file.relative_to(path)):
            kind = instrument_kind(file) or ("two-column text" if is_two_columns(file) else None)
        files += [(file, kind)] if kind else []
        left_out += [] if kind else [file]
    if not files:
        raise TableError(f"{path}: no instrument's file here; known are {', '.join(READERS)}")
    return files, left_out


def _scans(files, axis_unit, signal, folder, progress):
    """The scans of files that can be read, and a line on each that cannot."""
    stats = [(str(file), kind, file.stat().st_size, file.stat().st_mtime_ns) for file, kind in files]
    kept = KeptParts(folder, result_key(stats, axis_unit, signal, code=(_read_some, *READERS.values())))
    tasks = {}
    for start in range(0, len(files), _FILES_A_PART):
        some = files[start : start + _FILES_A_PART]
        tasks[f"files-{start:06d}"] = ("reading files", some, len(some))
    parts = Run(kept, progress, len(files)).parts(_read_some, (axis_unit, signal), tasks)
    kept.remove()
    return tuple([one for part in parts.values() for one in part[which]] for which in (0, 1))


def _read_some(given, files, report):
    """Scans and faults of some files; given : axis_unit, signal."""
    (axis_unit, signal), scans, faults = given, [], []
    for file, kind in files:
        try:
            scans.append(READERS[kind](file, axis_unit, signal))
        except TableError as fault:
            faults.append(str(fault))
    return scans, faults


def _common(name, option, scans, given, path):
    """The unit or signal of all scans, or the given one; TableError where they differ and none is given."""
    counts = Counter(getattr(scan, name) for scan in scans)
    if len(counts) == 1:
        return next(iter(counts))
    if given is None:
        words = " and ".join(f"{n} with {value}" for value, n in counts.items())
        raise TableError(f"{path}: {words}; say with {option} what all are brought to, or convert them one by one")
    return given.removeprefix("percent-")


def _on_unit(scan, unit):
    if scan.axis_unit == unit:
        return scan
    return replace(scan, axis=1e7 / scan.axis[::-1], values=scan.values[::-1], axis_unit=unit)


def _with_signal(scan, signal, path):
    if scan.signal == signal:
        return scan
    values = to_absorbance(scan.values, path) if signal == "absorbance" else 10.0**-scan.values
    return replace(scan, values=values, signal=signal)


def _refuse_doubled(path, scans):
    names = Counter((scan.sample_id, scan.replicate) for scan in scans)
    (name, number), count = names.most_common(1)[0]
    if count > 1:
        raise TableError(
            f"{path}: {count} files are named {name} (number {number}); rename them, or convert one by one"
        )


def _averaged(dataset):
    """One spectrum a sample, the mean of its scans, and a note."""
    names = dataset.samples["sample_id"]
    first = ~names.duplicated()
    codes, _ = pd.factorize(names)
    spectra = np.zeros((int(first.sum()), dataset.n_channels))
    np.add.at(spectra, codes, dataset.spectra)
    averaged = replace(
        dataset.subset(first.to_numpy()),
        spectra=spectra / np.bincount(codes)[:, None],
        samples=dataset.samples[first].drop(columns="replicate"),
    )
    n_more = len(names) - len(averaged)
    return averaged, [f"{n_more} scans averaged into another of their sample"] if n_more else []


def _with_contents(dataset, path, below_detection):
    """A dataset with the contents of a laboratory's table, and notes on what could not be joined."""
    file = table_file(path, path)
    pairs, notes = plain_columns(path, file.names, file.text.first_cells if file.text else ())
    others = {name: (column, 1) for name, column in pairs}
    table = Table(path, (file,), False, "nm", "counts", np.empty(0), (), others, None, tuple(notes), below_detection)
    findings, parts = Findings(), []
    for block in blocks(table):
        table.refuse(applied(READ_ERRORS, block))
        findings.add(block, SAID_RULES)
        parts.append((block.properties, block.samples))
    properties, samples = (pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))
    table.refuse([*findings.judged(), *doubled_names(samples["sample_id"], name_hashes(samples[["sample_id"]]))])
    samples = samples.set_index("sample_id")
    names = dataset.samples["sample_id"].astype(str)
    places = samples.index.get_indexer(names)
    if (places < 0).all():
        raise TableError(
            f"{path}: no name is that of a spectrum (here {samples.index[0]!r}, there {names.iloc[0]!r}); "
            "give the samples the names of their files"
        )
    notes += said(table.reported(findings.judged(), len(samples)))
    notes += _named("spectra without contents", names[places < 0].unique())
    notes += _named("contents without a spectrum", samples.index[~samples.index.isin(names)])
    properties.index = samples.index
    joined = replace(
        dataset,
        properties=properties.reindex(names),
        samples=dataset.samples.join(samples.drop(columns=dataset.samples.columns, errors="ignore"), on="sample_id"),
    )
    return joined, notes


def _named(words, names):
    """A note on some samples by name, in a list; an empty list for none."""
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return [f"{len(names)} {words}: {', '.join(map(str, names[:_N_NAMED]))}{more}"] if len(names) else []
