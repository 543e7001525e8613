"""Reads the files of LUCAS and of Gejiu as reflectance on the same 2,100 channels.

Both come as wide CSV tables, a scan in each row, with the properties of the samples in the same table or in another;
the two are joined by the name of the sample. Where to ask for the files stands in `data/README.md`.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.spectra import LUCAS_AXIS_NM, SpectralDataset, count_of, one_of
from spectrakit.tables.cells import files_at, is_hidden, left_out_notes, table_file
from spectrakit.tables.reading import Table, blocks
from spectrakit.tables.rules import SAID_RULES, Findings, TableError, applied, no_name, not_a_number, said

PH_METHODS = ("h2o", "cacl2")

_CSV = (".csv", ".csv.gz")
_CHANNEL = re.compile(r"(?:spc\.|X)?(\d+(?:\.\d+)?)(?: ?nm)?")
_ABOUT_SAMPLE = {
    "isocountry|nuts0|country": "country",
    "(gps|th)?lat(itude)?": "latitude",
    "(gps|th)?long?(itude)?": "longitude",
}


@dataclass(frozen=True)
class _Layout:
    """How a release names its columns: patterns for a name in lower case without punctuation.

    ids : columns that name the sample, the preferred one first
    properties : pattern to name in the dataset; one of `required` must be there
    raw_axis : (k x 2100,) channels of the files, of which k neighbours make one of `LUCAS_AXIS_NM`
    """

    source: str
    ids: tuple
    properties: dict
    required: tuple
    raw_axis: np.ndarray


_LUCAS = _Layout(
    source="LUCAS {year} topsoil",
    ids=("pointid", "sampleid"),
    properties={
        "ph(in)?h2[o0]": "h2o_ph",
        "ph(in)?cacl2?": "cacl2_ph",
        "(coarse|clay|silt|sand)": r"\1_pct",
        "(oc|caco3|n)": r"\1_g_kg",
        "(p|k)": r"\1_mg_kg",
        "cec": "cec_cmol_kg",
    },
    required=("h2o_ph", "cacl2_ph"),
    raw_axis=np.arange(400, 2500, 0.5),
)
_GEJIU = _Layout(
    source="Gejiu",
    ids=("sample(id|name|number|no|code)?", "id", "no"),
    properties={"(pb|lead)(content|concentration)?(mgkg1?|ppm)?": "pb_mg_kg", "ph": "ph"},
    required=("pb_mg_kg",),
    raw_axis=LUCAS_AXIS_NM,
)


def read_lucas(folder, ph="h2o"):
    """A topsoil release of LUCAS as a `SpectralDataset` of reflectance, (n_samples, 2100) at 400-2499 nm.

    folder : holds the release as CSV files (or .csv.gz), at any depth: absorbance, log10(1/R), in columns spc.400,
        spc.400.5 ... spc.2499.5 (also 400 or X400), a file for each country or one for all; the properties in the
        same files or in another table, joined by POINT_ID or, where a file lacks that, by sample_ID
    ph : 'h2o' or 'cacl2', the pH that becomes the column `ph`; the paper does not say which it used. The other stays
        as `cacl2_ph` or `h2o_ph`

    A channel is the mean reflectance (10^-A) of two readings, at its wavelength and 0.5 nm beyond, so that each reading
    counts once; this moves its centre by 0.25 nm, a thirtieth of the instrument's bandwidth. Scans of one sample are
    averaged. Properties carry their unit: `clay_pct`, `oc_g_kg`, `caco3_g_kg`, `cec_cmol_kg` ...; what nature
    does not allow, codes such as -9999 and what is given as below a limit ('<5') are not measured. Scans with an
    empty channel, samples without spectrum or properties, and samples that stand twice with other properties are left
    out. The provenance counts what occurred, and the notes name it.

    Raises TableError for files that cannot be read, in one line with file, row and column.
    Source: gejiu paper, section 2.1.
    """
    one_of("ph", ph, PH_METHODS)
    dataset = _read(Path(folder), _LUCAS, "absorbance", _from_absorbance)
    name = f"{ph}_ph"
    if name not in dataset.properties:
        raise TableError(f"{folder}: no column of pH in {ph}; choose the other of {', '.join(PH_METHODS)}")
    return replace(
        dataset,
        properties=dataset.properties.rename(columns={name: "ph"}),
        provenance=dataset.provenance | {"pH in": ph},
    )


def read_gejiu(path, signal="reflectance"):
    """Soils laid out like those of Gejiu as a `SpectralDataset` of reflectance, (n_samples, 2100) at 400-2499 nm.

    path : a CSV file (or .csv.gz) or a folder of them: a scan in each row, a column that names the sample (sample_id,
        sample, id, no), channels 350, 351 ... 2500 (also X350 or 350 nm); lead in a column such as Pb, Pb (mg/kg) or
        pb_mg_kg, and pH in ph where it is known, in the same table or in one with the same names of samples
    signal : 'reflectance' (0-1) or 'percent-reflectance'

    The channels before 400 and at 2500 nm are cut off, and the scans of a sample (five in the paper) averaged. The
    steps at 1000 and 1830 nm, where the spectrometer's detectors meet, are left as they are. What is left out or not
    measured is as in `read_lucas`.

    Raises TableError for files that cannot be read, in one line with file, row and column.
    Source: gejiu paper, section 2.1.
    """
    one_of("signal", signal, ("reflectance", "percent-reflectance"))
    scale = np.float32(100 if signal == "percent-reflectance" else 1)
    return _read(Path(path), _GEJIU, signal, lambda values, path: values / scale)


def _from_absorbance(values, path):
    blue, infrared = (np.median(values[:, np.searchsorted(_LUCAS.raw_axis, nm)]) for nm in (450, 1700))
    # Soils absorb most of all in the blue; gypsum alone may come near to a rise.
    if blue < infrared - 0.1:
        raise TableError(
            f"{path}: the values rise from 450 to 1700 nm as reflectance does; give absorbance as it was released"
        )
    return np.power(np.float32(10), -values)


# --- from files to tables with a map of their columns -----------------------------------------------------


def _tables(path, layout, signal):
    """The CSV files with spectra or contents of named samples as `Table`, and notes on others.

    Raises TableError where spectra or contents are missing.
    """
    headers, faults = _csv_files(path)
    read = [(file, *_columns(file.path, file.names, layout)) for file in headers]
    files = [one for one in read if one[1] and (_contents(one[2]) or one[3])]
    has_spectra = any(channels for *_, channels in files)
    has_contents = any(name in others for _, _, others, _ in files for name in layout.required)
    if faults and not (has_spectra and has_contents):
        raise next(iter(faults.values()))
    if not has_spectra:
        low, high = layout.raw_axis[[0, -1]]
        words = f"channels {low:g} to {high:g} nm and a column naming the samples"
        raise TableError(f"{path}: no CSV table with {words}; put the spectra of the release there")
    if not has_contents:
        remedy = _other_kinds(path) or "; put the table of contents there, or its columns beside the spectra"
        required = " or ".join(layout.required)
        raise TableError(f"{path}: no CSV table with {required} and a column naming the samples{remedy}")
    pattern = next((pattern for pattern in layout.ids if all(pattern in ids for _, ids, *_ in files)), None)
    if pattern is None:
        words = "; ".join(f"{file.path.name} has {', '.join(ids.values())}" for file, ids, *_ in files)
        raise TableError(f"{path}: the tables name the samples in different columns ({words}); give them one in common")
    tables = [
        Table(
            path=file.path,
            files=(file,),
            is_ossl=False,
            axis_unit="nm",
            signal=signal,
            axis=layout.raw_axis if channels else np.empty(0),
            channels=channels,
            others={name: (column, 1) for name, column in {"sample_id": ids[pattern], **others}.items()},
            properties=frozenset(others) - {"country"},
        )
        for file, ids, others, channels in files
    ]
    return tables, left_out_notes(path, [*faults, *(one[0].path for one in read if one not in files)])


def _columns(path, names, layout):
    """The columns of a file by what they mean.

    Returns those that name the samples, by the pattern of the layout; those of contents and of `_ABOUT_SAMPLE`, by
    their names in the dataset; and those of all channels of the layout, or none.
    """
    ids, others, channels = {}, {}, {}
    for name in names:
        if match := _CHANNEL.fullmatch(name.replace(",", ".")):
            if float(match[1]) in channels:
                raise TableError(f"{path}: channel {name} stands twice; delete one")
            channels[float(match[1])] = name
            continue
        key = re.sub("[^a-z0-9]", "", name.lower())
        ids = {pattern: name for pattern in layout.ids if re.fullmatch(pattern, key)} | ids
        for pattern, target in (layout.properties | _ABOUT_SAMPLE).items():
            if match := re.fullmatch(pattern, key):
                first = others.setdefault(match.expand(target), name)
                if first != name and pattern in layout.properties:
                    raise TableError(f"{path}: columns {first} and {name} hold the same property; delete one")
    missing = [value for value in layout.raw_axis if channels and value not in channels]
    # What names no samples is no table of either release.
    if missing and ids:
        raise TableError(
            f"{path}: {len(missing):,} of {len(layout.raw_axis):,} channels are missing, first {missing[0]:g} nm; "
            f"give all from {layout.raw_axis[0]:g} to {layout.raw_axis[-1]:g} nm"
        )
    return ids, others, tuple(channels[value] for value in layout.raw_axis) if channels and not missing else ()


def _contents(names):
    """Names of contents among those of columns."""
    return [name for name in names if name not in ("sample_id", *_ABOUT_SAMPLE.values())]


def _csv_files(path):
    """The headers of a CSV file, or of all in a folder at any depth, and {file: fault} of those that cannot be read."""
    none = f"no CSV file in this folder{_other_kinds(path)}"
    files = sorted(files_at(path, lambda file: file.name.lower().endswith(_CSV), none))
    headers, faults = [], {}
    for file in files:
        try:
            if file != path and is_hidden(file.relative_to(path)):
                raise TableError(f"{file}: hidden; rename it if it is a table")
            headers.append(table_file(file, file))
        except TableError as fault:
            # A compressed file that is broken is no foreign one.
            if file.name.endswith(".gz") and not is_hidden(file.relative_to(path)):
                raise
            faults[file] = fault
    if not headers:
        raise next(iter(faults.values()))
    return headers, faults


def _other_kinds(path):
    """What to do with workbooks and R files that lie where CSV files are looked for."""
    others = sorted(file.name for file in path.rglob("*") if file.suffix.lower() in (".xls", ".xlsx", ".rdata"))
    return f"; save {', '.join(others)} as CSV beside it" if others else ""


# --- from tables to a dataset -----------------------------------------------------------------------------


def _read(path, layout, signal, to_reflectance):
    counts, scans, contents, spectra = Counter(), [], [], []
    tables, notes = _tables(path, layout, signal)
    for table in tables:
        rows, complete, of_table = _load(table, to_reflectance, counts, spectra)
        notes += [f"{table.path.name}: {note}" for note in (*table.files[0].text.notes, *of_table)]
        if _contents(rows):
            contents.append(rows)
        if table.channels:
            counts["scans with an empty channel"] += int((~complete).sum())
            country = rows["country"] if "country" in rows else _country(table.path)
            scans.append(rows.assign(country=country).loc[complete, ["sample_id", "country"]])
    years = [year for table in tables for year in re.findall(r"20(?:09|12|15|18)", table.path.name)]
    name = layout.source.format(year=max(set(years), key=years.count, default="2009"))
    source = f"{name}, {count_of(len(scans), 'file')} of spectra"
    dataset = _join(path, pd.concat(scans), pd.concat(contents), spectra, counts, source)
    return replace(dataset, notes=tuple(notes))


def _load(table, to_reflectance, counts, spectra):
    """The rows of a table that are not blank: samples with contents, a mask of those with all channels, and notes.

    counts : to which the number of contents is added that are no measured values: codes, impossible, or below a limit
    spectra : a list to which the reflectance of the rows with all channels is added, float32 (n, 2100) a block
    """
    rows, complete, findings = [], [], Findings()
    for block in blocks(table):
        table.refuse(findings.add(block, SAID_RULES), findings.n_samples)
        contents = block.properties
        limits = {cell for name in contents for cell in block.wrong.get(name, ()) if cell[2].startswith("<")}
        wrong = {name: rest for name, cells in block.wrong.items() if (rest := [c for c in cells if c not in limits])}
        unmeasured = sum(int(mask.sum()) for _, *masks in block.unmeasured.values() for mask in masks)
        counts["contents not measured or below a limit"] += len(limits) + unmeasured
        part = pd.concat([block.samples, contents], axis=1)
        kept = ~(part.isna().all(axis=1).to_numpy() & block.empty)
        names = part[["sample_id"]].where(kept[:, None], "")
        table.refuse(applied((not_a_number, no_name), replace(block, wrong=wrong, samples=names)))
        measured = kept & ~np.isnan(block.values).any(axis=1)
        if table.channels and measured.any():
            readings = to_reflectance(block.values[measured].astype(np.float32), table.path)
            # Neighbouring readings make one channel.
            spectra.append(readings.reshape(len(readings), len(LUCAS_AXIS_NM), -1).mean(axis=2))
        rows.append(part[kept])
        complete.append(measured[kept])
    table.refuse(findings.judged(), findings.n_samples)
    rows = pd.concat(rows, ignore_index=True)
    notes = said(table.reported(findings.judged(), len(rows)))
    return rows.assign(sample_id=rows["sample_id"].str.removesuffix(".0")), np.concatenate(complete), notes


def _join(path, scans, contents, blocks, counts, source):
    """The dataset of the samples that have both scans and contents; `blocks` is emptied on the way."""
    contents = contents.drop_duplicates()
    doubled = contents["sample_id"].duplicated(keep=False)
    counts["samples with contradicting properties"] = contents.loc[doubled, "sample_id"].nunique()
    contents = contents[~doubled].set_index("sample_id")
    scans_of = scans.groupby("sample_id", sort=False)["country"].first()
    ids = scans_of.index[scans_of.index.isin(contents.index)]
    if ids.empty:
        there, here = (str(index[0]) if len(index) else "none" for index in (contents.index, scans_of.index))
        raise TableError(
            f"{path}: no sample has both a spectrum and properties; give them the same names in both tables "
            f"(the first are {here!r} among the spectra and {there!r} among the properties)"
        )
    positions = ids.get_indexer(scans["sample_id"])
    counts["scans averaged into another of their sample"] = int((positions >= 0).sum()) - len(ids)
    counts["samples without properties"] = len(scans_of) - len(ids)
    counts["samples without a spectrum"] = int((~contents.index.isin(scans_of.index)).sum())
    contents = contents.loc[ids]
    about = {name: contents.pop(name).to_numpy() for name in _ABOUT_SAMPLE.values() if name in contents}
    samples = pd.DataFrame({"sample_id": ids} | about)
    if "country" not in samples and scans_of[ids].notna().any():
        samples["country"] = scans_of[ids].to_numpy()
    return SpectralDataset(
        spectra=_mean_of_scans(blocks, positions, len(ids)),
        axis=LUCAS_AXIS_NM,
        axis_unit="nm",
        signal="reflectance",
        properties=contents,
        samples=samples,
        provenance={"origin": "measured", "source": source} | {key: n for key, n in counts.items() if n},
    )


def _mean_of_scans(blocks, positions, n_samples):
    """Mean spectrum of each sample, (n_samples, 2100); positions : (n_scans,) sample of each scan, -1 for none."""
    total = np.zeros((n_samples, len(LUCAS_AXIS_NM)), dtype=np.float32)
    start = 0
    while blocks:
        block = blocks.pop(0)  # let go once it is added: all blocks and the result would take twice the memory
        where = positions[start : start + len(block)]
        np.add.at(total, where[where >= 0], block[where >= 0])
        start += len(block)
    total /= np.bincount(positions[positions >= 0], minlength=n_samples)[:, None]
    return total


def _country(path):
    """The country code that ends a file's name, as in spectra_AT.csv, or None."""
    match = re.search(r"(?:^|[_\W])([A-Z]{2})\.csv", path.name)
    return match[1] if match else None
