"""Turns a folder of instruments' files into one table of spectra, with what a laboratory measured."""

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.runs import KeptParts, Run, result_key
from spectrakit.spectra import count_of
from spectrakit.tables.cells import (
    TableFile,
    files_at,
    instrument_kind,
    is_hidden,
    left_out_notes,
    refuse_nested,
    table_file,
)
from spectrakit.tables.columns import CHANNEL_NAME
from spectrakit.tables.instruments.formats import READERS, is_two_columns
from spectrakit.tables.instruments.scans import as_dataset, ascending, scan_name, to_absorbance
from spectrakit.tables.layouts import plain_columns
from spectrakit.tables.reading import Block, Table, index_of
from spectrakit.tables.rules import (
    HEADER_SAID,
    SAID_RULES,
    Findings,
    TableError,
    applied,
    doubled_names,
    said,
    scan_names,
)

_FILES_A_PART = 200
_N_NAMED, _N_FAULTS = 5, 20
# A name and the counter of a scan: soil_1, soil-rep2, soil (3); and soil00001, as ASD's programs count.
_COUNTED = re.compile(r"(.+?)(?:[\s_.\-#(]+(?:rep|scan|r|s)?[\s_.\-#]*\d{1,5}\)?|\d{5})", re.IGNORECASE)


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
    """Instruments' files as a `SpectralDataset`, whose notes say what was left out, averaged, not joined or is odd.

    path : a file, or a folder of Bruker OPUS, ASD, JCAMP-DX, Spectral Evolution and two-column text files, at any depth
    axis_unit, signal : what text files hold, as of `read_table`, and what all files are brought to; None for what all
        files say
    contents : table of a laboratory, .csv, .csv.gz or .parquet, joined by the names of the samples; None for none
    replicates : 'keep' scans of a sample, or 'average' them
    strict : whether a file that cannot be read is an error, not left out with a note
    below_detection : as of `read_table`, of the contents
    folder, progress : as of `KeptParts` and `Run`

    The name of a file without its ending is the sample_id. Where the contents have no such sample but one of that name
    without a counter at its end, the file is a scan of that. Spectra have the channels of the file with the widest
    step, as far as all cover them. Raises TableError, in one line, where no file can be read, two have one name, units
    or signals differ and none was given, and for contents that cannot be joined.
    """
    path = Path(path)
    lab, of_contents = (None, []) if contents is None else _contents(Path(contents), below_detection)
    files, left_out = _files(path, contents)
    scans, faults = _scans(files, axis_unit, signal, folder, progress)
    scans, faults, turned = _brought(path, scans, faults, axis_unit, signal)
    if faults and (strict or not scans):
        raise TableError(faults[0])
    dataset, of_names = _joined(path, files, scans, lab, replicates)
    notes = [*left_out_notes(path, left_out), *_faults(faults), *of_contents, *turned, *of_names]
    if lab is not None:
        dataset, of_samples = _with_contents(dataset, lab, contents)
        notes += of_samples
    return replace(dataset, notes=(*notes, *_doubts(path, dataset)))


def _files(path, contents):
    """The instruments' files at a path with their kind, and the other files of a folder but that of the contents."""
    files, left_out = [], []
    there = files_at(path, lambda file: True, "no file in this folder")
    for file in sorted(there, key=lambda file: (file.parent, *scan_name(file), file.name)):
        if contents is not None and file.resolve() == Path(contents).resolve():
            continue
        kind = None
        if file == path or not is_hidden(file.relative_to(path)):
            kind = instrument_kind(file) or ("two-column text" if is_two_columns(file) else None)
        files += [(file, kind)] if kind else []
        left_out += [] if kind else [file]
    if not files:
        kinds = ", ".join(kind for kind in READERS if kind != "Thermo OMNIC")
        raise TableError(f"{path}: no instrument's file here; those that can be read are {kinds}")
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
    """Files with their scans, and faults, of some files; given : axis_unit, signal."""
    (axis_unit, signal), scans, faults = given, [], []
    for file, kind in files:
        try:
            scans.append((str(file), READERS[kind](file, axis_unit, signal)))
        except TableError as fault:
            faults.append(str(fault))
        except OSError as fault:
            faults.append(f"{file}: cannot be read ({fault.strerror}); give yourself the right to read it")
    return scans, faults


def _faults(faults):
    """Notes on files that cannot be read."""
    more = [f"left out: {len(faults) - _N_FAULTS} more files that cannot be read"] if len(faults) > _N_FAULTS else []
    return [*(f"left out: {fault}" for fault in faults[:_N_FAULTS]), *more]


def _common(option, scans, given, path):
    """The unit or signal that was given, else that of all scans; TableError where they differ."""
    counts = Counter(scan.axis_unit if option == "axis" else scan.signal for _, scan in scans)
    if given is None and len(counts) > 1:
        words = " and ".join(f"{count_of(n, 'file')} with {value}" for value, n in counts.items())
        raise TableError(f"{path}: {words}; choose one for all with --{option}, or convert them one by one")
    return next(iter(counts)) if given is None else given.removeprefix("percent-")


def _brought(path, scans, faults, axis_unit, signal):
    """Pairs of file and scan in one unit and signal, faults, also of files that cannot be, and notes on turned ones."""
    if not scans:
        return scans, faults, []
    unit, kind = _common("axis", scans, axis_unit, path), _common("signal", scans, signal, path)
    brought, faults, turned, first = [], [*faults], Counter(), {}
    for file, scan in scans:
        if other := first.get((scan.sample_id, scan.replicate)):
            raise TableError(
                f"{file}: its name gives the same sample as {other}; rename one, or convert their folders one by one"
            )
        first[scan.sample_id, scan.replicate] = file
        try:
            brought.append((file, _turned(file, scan, unit, kind)))
        except TableError as fault:
            faults.append(str(fault))
        else:
            turned.update([(scan.axis_unit, unit), (scan.signal, kind)])
    return (
        brought,
        faults,
        [f"{count_of(n, 'file')} turned from {old} into {new}" for (old, new), n in turned.items() if old != new],
    )


def _turned(file, scan, unit, signal):
    if scan.axis_unit != unit:
        axis, values = ascending(1e7 / scan.axis, scan.values)
        scan = replace(scan, axis=axis, values=values, axis_unit=unit)
    if scan.signal != signal:
        values = to_absorbance(scan.values, file) if signal == "absorbance" else 10.0**-scan.values
        scan = replace(scan, values=values, signal=signal)
    return scan


def _joined(path, files, scans, lab, replicates):
    """The scans of files as a dataset, and notes on those that are named as a sample and a counter, or averaged."""
    kinds = {str(file): kind for file, kind in files}
    counts = Counter(kinds[file] for file, _ in scans)
    words = ", ".join(f"{n} {kind}" for kind, n in counts.items())
    scans, notes = [scan for _, scan in scans], []
    if lab is not None:
        scans, counted = _as_scans(scans, lab.index)
        notes = _named("files named as a sample and a counter, taken for scans of it", counted)
    dataset = as_dataset(path, scans, f"{words}, {'folder' if path.is_dir() else 'file'} {path.name}")
    if replicates == "average":
        dataset, of_scans = _averaged(dataset)
        notes = [*notes, *of_scans]
    return dataset, notes


def _as_scans(scans, samples):
    """Scans by the names of samples, (Index), and the names of files that are one of these and a counter."""
    counted = {}
    for scan in scans:
        match = _COUNTED.fullmatch(scan.sample_id)
        if scan.sample_id not in samples and match and match[1] in samples:
            counted[scan.sample_id] = match[1]
    named, numbers = [], Counter()
    for scan in scans:
        name = counted.get(scan.sample_id, scan.sample_id)
        several = name in counted.values()
        named.append(replace(scan, sample_id=name, replicate=numbers[name] if several else scan.replicate))
        numbers[name] += 1
    return named, [*counted]


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
    return averaged, [f"{count_of(n_more, 'scan')} averaged into another of their sample"] if n_more else []


def _contents(path, below_detection):
    """The table of a laboratory as one DataFrame by sample_id, its attribute `properties` names them, and notes."""
    file = table_file(path, path)
    refuse_nested(file)
    pairs, notes = plain_columns(path, file.names, file.text.first_cells if file.text else ())
    others = {name: (column, 1) for name, column in pairs if not CHANNEL_NAME.fullmatch(name)}
    notes += [f"{count_of(len(pairs) - len(others), 'channel')} of {path.name} left out"] * (len(pairs) > len(others))
    table = Table(path, (file,), False, "nm", "counts", np.empty(0), (), others, None, tuple(notes), below_detection)
    findings = Findings()
    index = index_of(table, findings)
    # Names of files and of tables may write an accent as one sign or as two.
    names = index.samples[["sample_id"]].map(lambda name: unicodedata.normalize("NFC", str(name)).strip())
    table.refuse(doubled_names(replace(index, samples=names)))
    notes += said(table.reported(findings.judged(), len(names)))
    joined = pd.concat([index.properties, index.samples.drop(columns="sample_id")], axis=1)
    joined.index = pd.Index(names["sample_id"])
    joined.attrs["properties"] = [*index.properties]
    return joined, notes


def _with_contents(dataset, lab, path):
    """A dataset with the contents of a laboratory, and notes on what could not be joined."""
    names = dataset.samples["sample_id"]
    there = names.isin(lab.index)
    if not there.any():
        raise TableError(
            f"{path}: none of its samples has the name of a spectrum (the first is {lab.index[0]!r}, the first "
            f"spectrum {names.iloc[0]!r}); give the samples the names of their files"
        )
    rows = lab.reindex(names).reset_index(drop=True)
    properties = lab.attrs["properties"]
    others = [name for name in lab if name not in properties]
    doubled = [name for name in others if name in dataset.samples]
    joined = replace(
        dataset,
        properties=rows[properties],
        samples=pd.concat([dataset.samples, rows[others].drop(columns=doubled)], axis=1),
    )
    notes = _named("spectra without contents", names[~there].unique())
    notes += _named("contents without a spectrum", lab.index[~lab.index.isin(names)])
    notes += _named("columns of the contents left out, which the files themselves give", doubled)
    return joined, notes


def _named(words, names):
    """A note on some samples by name, in a list; an empty list for none."""
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return [f"{len(names)} {words}: {', '.join(map(str, names[:_N_NAMED]))}{more}"] if len(names) else []


def _doubts(path, dataset):
    """What every command would say of a dataset that it reads, rows as in the table that is written of it."""
    header = TableFile(path, (), {}, {}, None)
    channels = tuple(f"{value:g}" for value in dataset.axis)
    table = Table(path, (header,), False, dataset.axis_unit, dataset.signal, dataset.axis, channels, {})
    values = np.where(np.isfinite(dataset.spectra), dataset.spectra, np.nan)
    no_cell, no_row = np.isnan(values), np.zeros(len(values), bool)
    block = Block(
        table, 0, values, {}, no_cell & False, no_cell, no_row, {}, {}, dataset.properties[[]], dataset.samples
    )
    findings = Findings()
    findings.add(block, SAID_RULES)
    problems = [*applied(HEADER_SAID, table), *findings.judged(), *scan_names(dataset)]
    return said(table.reported(problems, len(values)))
