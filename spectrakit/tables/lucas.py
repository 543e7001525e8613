"""What do the study's own files hold? Reads LUCAS 2009 and Gejiu as reflectance on the same 2,100 channels.

Both come as wide CSV tables, a scan in each row, together with the properties of the samples or beside a table of them.
They are read in blocks, as they are larger than the plain reader should hold, and joined by the name of the sample.
Where to ask for them stands in `data/README.md`.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from spectrakit.spectra import LUCAS_AXIS_NM, SpectralDataset, one_of
from spectrakit.tables.checks import HEADER_ROWS, TableError, scale_problems
from spectrakit.tables.plain import MISSING, csv_fault, csv_header

PH_METHODS = ("h2o", "cacl2")

_CSV = (".csv", ".csv.gz")
_BLOCK_BYTES = 1 << 24  # some 400 scans of LUCAS: what is held as text at any time
_CHANNEL = re.compile(r"(?:spc\.|X)?(\d+(?:\.\d+)?)(?: ?nm)?")
_ABOUT_SAMPLE = {
    "isocountry|nuts0|country": "country",
    "(gps|th)?lat(itude)?": "latitude",
    "(gps|th)?long?(itude)?": "longitude",
}


@dataclass(frozen=True)
class _Layout:
    """How a release names its columns: patterns for a name in lower case without its punctuation.

    ids : columns that name the sample, the one to prefer first
    properties : pattern to name in the dataset; one of `required` must be there
    raw_axis : (k x 2100,) channels of the files, of which k neighbours make one of `LUCAS_AXIS_NM`
    """

    source: str
    ids: tuple
    properties: dict
    required: tuple
    raw_axis: np.ndarray


_LUCAS = _Layout(
    source="LUCAS 2009 topsoil",
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


def read_lucas(folder, ph="h2o", progress=None):
    """The LUCAS 2009 topsoil release as a `SpectralDataset` of reflectance, (n_samples, 2100) at 400-2499 nm.

    folder : holds the release as CSV files (or .csv.gz), at any depth: absorbance, log10(1/R), in columns spc.400,
        spc.400.5 ... spc.2499.5 (also 400 or X400), a file for each country or one for all; the properties in the
        same files or in a table of their own, joined by POINT_ID or, where a file lacks that, by sample_ID
    ph : 'h2o' or 'cacl2', the pH that becomes the column `ph`; the paper does not say which it used. The other stays
        as `cacl2_ph` or `h2o_ph`
    progress : called with the number of files of spectra read and to read

    A channel is the mean reflectance (10^-A) of two readings, at its wavelength and 0.5 nm beyond, so that each reading
    counts once; this moves its centre by 0.25 nm, a thirtieth of the instrument's bandwidth. Scans of one sample are
    averaged. Properties carry their unit: `clay_pct`, `oc_g_kg`, `caco3_g_kg`, `cec_cmol_kg` ...; what is negative or
    given as below a limit ('<5') is not measured. Scans with an empty channel, samples without spectrum or
    properties, and samples that stand twice with other properties are left out. The provenance counts what occurred.

    Raises TableError for files that cannot be read, in one line with file, row and column.
    Source: gejiu paper, section 2.1.
    """
    one_of("ph", ph, PH_METHODS)
    dataset = _read(Path(folder), _LUCAS, _from_absorbance, progress)
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
        pb_mg_kg, and pH in ph where it is known, in the same table or in one that names the samples alike
    signal : 'reflectance' (0-1) or 'percent-reflectance'

    The channels before 400 and at 2500 nm are cut off, and the scans of a sample (five in the paper) averaged. The
    steps at 1000 and 1830 nm, where the spectrometer's detectors meet, are left as they are. What is left out or not
    measured is as in `read_lucas`.

    Raises TableError for files that cannot be read, in one line with file, row and column.
    Source: gejiu paper, section 2.1.
    """
    one_of("signal", signal, ("reflectance", "percent-reflectance"))

    def from_reflectance(values, path):
        problems = scale_problems(values, signal)
        if problems:
            raise TableError(f"{path}: {problems[0]}")
        return values / np.float32(100 if signal == "percent-reflectance" else 1)

    return _read(Path(path), _GEJIU, from_reflectance)


def _from_absorbance(values, path):
    blue, infrared = (np.median(values[np.searchsorted(_LUCAS.raw_axis, nm)]) for nm in (450, 1700))
    # Soils absorb most of all in the blue; gypsum alone may come near to a rise.
    if blue < infrared - 0.1:
        raise TableError(
            f"{path}: the values rise from 450 to 1700 nm as reflectance does; give absorbance as it was released"
        )
    return np.power(np.float32(10), -values)


# --- from files to a dataset ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _File:
    """A CSV table by its header; all columns by position.

    ids : pattern of the layout to column; contents : name in the dataset to column
    channels : one column for each channel of the layout, or none
    """

    path: Path
    names: list
    ids: dict
    contents: dict
    channels: list


def _read(path, layout, to_reflectance, progress=None):
    files = _useful_files(path, layout)
    id_pattern = _shared_id(path, files, layout)
    n_files = sum(bool(file.channels) for file in files)
    counts, scans, contents, blocks = Counter(), [], [], []
    for file in files:
        rows, spectra = _load(file, id_pattern, layout, to_reflectance)
        rows, unmeasured = _typed(file, rows)
        counts["contents negative or below a limit"] += unmeasured
        if _property_names(file):
            contents.append(rows.drop(columns="complete"))
        if file.channels:
            counts["scans with an empty channel"] += int((~rows["complete"]).sum())
            country = rows["country"] if "country" in rows else _country(file.path)
            scans.append(rows.assign(country=country).loc[rows["complete"], ["sample_id", "country"]])
            blocks += spectra
            if progress:
                progress(len(scans), n_files)
    source = f"{layout.source}, {n_files} {'file' if n_files == 1 else 'files'} of spectra"
    return _join(path, pd.concat(scans), pd.concat(contents), blocks, counts, source)


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
            f"{path}: no sample has both a spectrum and properties; name them alike in both tables "
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


# --- from a folder to its files -------------------------------------------------------------------------


def _useful_files(path, layout):
    """The files with spectra or properties of named samples; TableError where one or the other is missing."""
    files = [_examine(file, layout) for file in _csv_files(path)]
    files = [file for file in files if file.ids and (file.channels or _property_names(file))]
    if not any(file.channels for file in files):
        low, high = layout.raw_axis[[0, -1]]
        raise TableError(f"{path}: no CSV table with channels {low:g} to {high:g} nm and a column naming the samples")
    if not any(name in file.contents for file in files for name in layout.required):
        raise TableError(
            f"{path}: no CSV table with {' or '.join(layout.required)} and a column naming the samples"
            f"{_other_kinds(path)}"
        )
    return files


def _csv_files(path):
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise TableError(f"{path}: no such file or folder")
    files = sorted(file for file in path.rglob("*") if file.name.lower().endswith(_CSV))
    if not files:
        raise TableError(f"{path}: no CSV file in this folder{_other_kinds(path)}")
    return files


def _other_kinds(path):
    """What to do with workbooks and R files that lie where CSV files are looked for."""
    others = sorted(file.name for file in path.rglob("*") if file.suffix.lower() in (".xls", ".xlsx", ".rdata"))
    return f"; save {', '.join(others)} as CSV beside it" if others else ""


def _examine(path, layout):
    names = csv_header(path)
    ids, contents, channels = {}, {}, {}
    for position, name in enumerate(names):
        if match := _CHANNEL.fullmatch(name):
            if channels.setdefault(float(match[1]), position) != position:
                raise TableError(f"{path}: channel {name} stands twice; delete one")
            continue
        key = re.sub("[^a-z0-9]", "", name.lower())
        ids |= {pattern: position for pattern in layout.ids if pattern not in ids and re.fullmatch(pattern, key)}
        for pattern, target in (layout.properties | _ABOUT_SAMPLE).items():
            if match := re.fullmatch(pattern, key):
                first = contents.setdefault(match.expand(target), position)
                if first != position and pattern in layout.properties:
                    raise TableError(f"{path}: columns {names[first]} and {name} hold the same property; delete one")
    return _File(path, names, ids, contents, _in_order(path, channels, layout.raw_axis))


def _in_order(path, channels, raw_axis):
    """Position of the column of each channel of the axis; an empty list for a table without channels."""
    if not channels:
        return []
    missing = [value for value in raw_axis if value not in channels]
    if missing:
        raise TableError(
            f"{path}: {len(missing):,} of {len(raw_axis):,} channels are missing, first {missing[0]:g} nm; "
            f"give all from {raw_axis[0]:g} to {raw_axis[-1]:g} nm"
        )
    return [channels[value] for value in raw_axis]


def _property_names(file):
    return set(file.contents) - set(_ABOUT_SAMPLE.values())


def _shared_id(path, files, layout):
    """The pattern of the column by which all files name their samples."""
    for pattern in layout.ids:
        if all(pattern in file.ids for file in files):
            return pattern
    words = "; ".join(f"{file.path.name} has {', '.join(file.names[i] for i in file.ids.values())}" for file in files)
    raise TableError(f"{path}: the tables name the samples in different columns ({words}); give them one in common")


def _country(path):
    """The country code that ends a file's name, as in spectra_AT.csv, or None."""
    match = re.search(r"(?:^|[_\W])([A-Z]{2})\.csv", path.name)
    return match[1] if match else None


# --- from a file to its rows ----------------------------------------------------------------------------


def _load(file, id_pattern, layout, to_reflectance):
    """The rows that are not blank, as text with `complete` (no channel is empty), and their spectra in blocks.

    The index of the rows is the line in the file; a block holds the complete rows only, float32 (n, 2100).
    """
    columns = {"sample_id": file.ids[id_pattern]} | file.contents
    positions = [*dict.fromkeys([*columns.values(), *file.channels])]
    rows, spectra, line = [], [], HEADER_ROWS + 1
    try:
        for batch in _batches(file, positions):
            text = pd.DataFrame({name: batch.column(str(at)).to_pandas() for name, at in columns.items()}, dtype="str")
            text.index = range(line, line + len(text))
            line += len(text)
            text = text.apply(lambda column: column.fillna("").str.strip())
            blank = (text == "").all(axis=1).to_numpy()
            complete = ~blank
            if file.channels:
                values = np.stack([batch.column(str(at)).to_numpy(zero_copy_only=False) for at in file.channels])
                blank = blank & np.isnan(values).all(axis=0)
                complete = np.isfinite(values).all(axis=0)
                if complete.any():
                    # Neighbouring readings make one channel.
                    readings = to_reflectance(values[:, complete], file.path).reshape(
                        len(LUCAS_AXIS_NM), -1, complete.sum()
                    )
                    spectra.append(np.ascontiguousarray(readings.mean(axis=1).T))
            rows.append(text.assign(complete=complete)[~blank])
    except (pa.ArrowException, OSError) as error:
        raise TableError(csv_fault(file.path, file.names, str(error))) from error
    rows = pd.concat(rows) if rows else pd.DataFrame()
    if rows.empty:
        raise TableError(f"{file.path}: a header in row 1 but no sample below it")
    return rows, spectra


def _batches(file, positions):
    # Positions serve as names while parsing: names in the file may be doubled.
    channels = set(file.channels)
    types = {str(at): pa.float32() if at in channels else pa.string() for at in positions}
    return pyarrow.csv.open_csv(
        file.path,
        pyarrow.csv.ReadOptions(
            use_threads=False,
            column_names=[str(at) for at in range(len(file.names))],
            skip_rows=HEADER_ROWS,
            block_size=_BLOCK_BYTES,
        ),
        pyarrow.csv.ParseOptions(ignore_empty_lines=False),
        pyarrow.csv.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=["", "NA", "NaN", "nan", "na", "null"]
        ),
    )


def _typed(file, rows):
    """The rows with contents and coordinates as numbers, and how many contents are coded as not measured."""
    if (rows["sample_id"] == "").any():
        row = rows.index[rows["sample_id"] == ""][0]
        raise TableError(f"{file.path}: row {row} does not name its sample; add the name or delete the row")
    rows = rows.assign(sample_id=rows["sample_id"].str.removesuffix(".0"))
    unmeasured = 0
    for name in set(file.contents) - {"country"}:
        text = rows[name].mask(rows[name].str.lower().isin(MISSING))
        below = text.str.startswith("<", na=False)
        numbers = pd.to_numeric(text.mask(below), errors="coerce")
        wrong = numbers.isna() & text.notna() & ~below
        if wrong.any():
            row, column = rows.index[wrong][0], file.names[file.contents[name]]
            value = text[row]
            raise TableError(
                f"{file.path}: not a number: {value!r} (row {row}, column {column}). "
                "Give one with a decimal point, or leave the cell empty"
            )
        if name in _property_names(file):
            below |= numbers < 0
            unmeasured += int(below.sum())
        rows[name] = numbers.mask(below)
    return rows, unmeasured
