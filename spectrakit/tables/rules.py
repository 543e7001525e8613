"""What can be wrong with a table of spectra: one small rule for each kind of problem, with its message and remedy.

`HEADER_RULES` see the header of a table, `BLOCK_RULES` each block of its rows, `TABLE_RULES` what all blocks hold. A
rule is a function of these that returns or yields problems, rows counted from 0 through the table; most are made by
`rule` of a function that says where the problem stands. A new rule is one function in one of the lists.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import wraps
from itertools import pairwise

import numpy as np
import pandas as pd

from spectrakit.contents import UNITS, USUAL_PH, unit_suffix
from spectrakit.spectra import axis_gaps, count_of, rows_of_contrary_shape, unusual_axis, wrong_scale
from spectrakit.tables.columns import SAMPLE_COLUMNS, content_below_detection

MAX_PLACES = 5
MAX_SHARE = 1 / 20  # of rows or contents that are taken for single mistakes
MAX_WITHIN = 0.25  # of the spread between samples, that scans of one sample have
N_SKETCHED = 16
_COUNTER = r"[\s_.\-#(]*(?:rep|scan|r|s)?[\s_.\-#]*(?:\d{1,2}|[a-e])\)?$"
MIN_EVIDENT = 40  # rows of a block that say what the table is
MIN_NUMBERED, MAX_DETECTORS = 5, 4
MIN_WAVELENGTH, MAX_SMOOTH = 100, 0.5  # of a table turned round: steps down its columns by those along its rows
MAX_SHORT, MIN_SHORT = 0.3, 3  # of a step and its neighbour, and how many, where detectors interleave
_FULL_SCALE = 65_535  # of a 16-bit detector
_NEAR_FULL_SCALE = 64_000  # the mean over shots of a line that is clipped in most of them
_MAX_VALUES = {"reflectance": 1, "percent-reflectance": 100, "absorbance": 6, "counts": np.inf}


class TableError(ValueError):
    """A file that cannot be used as a spectral table; the message is one line for its owner."""

    def __init__(self, message):
        # It may quote a name that holds line ends.
        super().__init__(" ".join(message.splitlines()))


@dataclass(frozen=True)
class Problem:
    """One kind of problem in a table, with the first places where it stands.

    severity : 'error' (the table cannot be used), 'warning' or 'note' (read otherwise than it stands)
    message, remedy : until `filled`, they may hold {cells}, {contents}, {samples}, {channels}, {name}, {first} and what
        `words_of` a table are
    places : up to five (row, column), of which one may be None
    count, n_samples : places in all, and the samples that have them
    columns : places in each column
    name, first : of the property, whose problems stand by themselves, and what stands in the first place
    of, many : what the count is compared with, 'samples' or the name of a property, and the severity where it is over
        one in twenty of these; a severity of '' says nothing
    """

    severity: str
    message: str
    remedy: str
    places: tuple = ()
    count: int = 0
    n_samples: int = 0
    columns: Counter = field(default_factory=Counter)
    name: str = ""
    first: str = ""
    of: str = ""
    many: str = ""

    def joined(self, later):
        """The problem with the places of the same problem in later rows."""
        return replace(
            self,
            places=(*self.places, *later.places)[:MAX_PLACES],
            count=self.count + later.count,
            n_samples=self.n_samples + later.n_samples,
            columns=self.columns + later.columns,
        )

    def filled(self, n_samples, table):
        """The problem with its message and remedy as text; n_samples : of the table."""
        most = ", ".join(f"{name} ({count_of(n, 'sample')})" for name, n in self.columns.most_common(MAX_PLACES))
        words = words_of(table) | {
            "cells": count_of(self.count, "cell"),
            "contents": count_of(self.count, "content"),
            "samples": f"{self.n_samples:,} of {n_samples:,} samples",
            "channels": f"{count_of(len(self.columns), 'channel')}, most often {most}",
            "name": self.name,
            "first": self.first,
        }
        return replace(self, message=self.message.format(**words), remedy=self.remedy.format(**words))

    def where(self):
        """The places in words: 'row 3, column 421.09; row 7, column 588.9; and 12 more'."""
        named = ((("row", row), ("column", column)) for row, column in self.places)
        words = [", ".join(f"{kind} {at}" for kind, at in place if at is not None) for place in named]
        further = self.count - len(self.places)
        return "; ".join(words + [f"and {further:,} more"] * (further > 0))

    def __str__(self):
        where = f" ({self.where()})" if self.places else ""
        return f"{self.message}{where}." + (f" {self.remedy}." if self.remedy else "")


def words_of(table):
    """What messages say of a table: its signal, and what may have been taken for that."""
    signal = table.signal
    looks, likeness = ("", "") if signal == "counts" else wrong_scale(signal)
    contrary = "reflectance" if signal == "absorbance" else "absorbance"
    highest = f"{_MAX_VALUES[signal]:g}{' %' if signal == 'percent-reflectance' else ''}"
    return {"signal": signal, "looks": looks, "likeness": likeness, "contrary": contrary, "highest": highest}


class Findings:
    """The problems in the blocks of a table, each kind once, together with how many samples and contents it has."""

    def __init__(self):
        self._kinds, self._totals = {}, Counter()

    def add(self, block, rules):
        """Add what some rules see in a block.

        Returns the errors that the block, if it is not a small one, shows beyond doubt: most of it is wrong.
        """
        problems, totals = applied(rules, block), Counter({"samples": len(block.values)} | block.n_stated)
        self._totals.update(totals)
        for problem in problems:
            kind = (problem.severity, problem.message, problem.remedy, problem.name)
            self._kinds[kind] = self._kinds[kind].joined(problem) if kind in self._kinds else problem
        wrong = (p for p in problems if p.many == "error" and 2 * p.count > max(totals[p.of], MIN_EVIDENT))
        return [replace(problem, severity="error") for problem in wrong]

    def judged(self):
        """All problems, each with the severity that its count gives it."""
        judged = [replace(p, severity=p.many) if p.of and self._are_many(p) else p for p in self._kinds.values()]
        return [problem for problem in judged if problem.severity]

    def _are_many(self, problem):
        total = self._totals[problem.of]
        # One of a few is still a single mistake.
        return problem.count > MAX_SHARE * total and (problem.count > 1 or total == 1)

    @property
    def n_samples(self):
        """Number of samples so far."""
        return self._totals["samples"]


def applied(rules, subject):
    """The problems that some rules see in a table, block or report."""
    return [problem for rule in rules for problem in rule(subject)]


def said(problems):
    """Problems as a command prints them: warnings say so, all others are notes."""
    return [str(problem) if problem.severity == "note" else f"{problem.severity}: {problem}" for problem in problems]


def rule(where, severity, message, remedy, **counted):
    """Makes a rule, with at most one problem, of a function whose result says where: see `columns`, `rows`, `cells`.

    counted : `of` and `many` of the problem
    """

    def decorate(function):
        @wraps(function)
        def problems(subject):
            places = where(subject, function(subject))
            return [Problem(severity, message, remedy, **places, **counted)] if places else []

        return problems

    return decorate


def columns(_, names):
    """The columns of some names."""
    return {"places": tuple((None, name) for name in names[:MAX_PLACES]), "count": len(names)} if names else {}


def rows(subject, mask):
    """The rows of a mask (n_rows,) of a block, or of all rows of a table."""
    positions = getattr(subject, "first_row", 0) + np.flatnonzero(mask)
    places = tuple((int(row), None) for row in positions[:MAX_PLACES])
    return {"places": places, "count": len(positions), "n_samples": len(positions)} if places else {}


def cells(block, mask, names=None):
    """The cells of a mask (n_rows, n_columns); names : of the columns, by default of the channels."""
    positions = np.flatnonzero(mask)
    if not positions.size:
        return {}
    names = names or block.table.channels
    first = zip(*np.unravel_index(positions[:MAX_PLACES], mask.shape), strict=True)
    by_column = mask.sum(axis=0)
    return {
        "places": tuple((block.first_row + int(row), names[column]) for row, column in first),
        "count": len(positions),
        "n_samples": int(mask.any(axis=1).sum()),
        "columns": Counter({names[column]: int(by_column[column]) for column in np.flatnonzero(by_column)}),
    }


# --- by the header ----------------------------------------------------------------------------------------

_DELETE_ONE = "Delete or rename one of the two"


@rule(columns, "error", "column stands twice", _DELETE_ONE)
def doubled_columns(table):
    """Columns, other than channels, that stand more than once."""
    counts = Counter(name for name in table.files[0].names if name and name not in table.channels)
    return [name for name, count in counts.items() if count > 1]


@rule(columns, "error", "channel stands twice", f"{_DELETE_ONE}; where two detectors overlap, keep one of them")
def doubled_channels(table):
    """Channels of the same wavelength or wavenumber."""
    counts = Counter(table.axis)
    return [name for name, value in zip(table.channels, table.axis, strict=True) if counts[value] > 1]


def channel_order(table):
    """Channels that turn the axis round: one detector after the other where their ranges overlap, or no order."""
    steps = np.diff(table.axis)
    direction = -1 if (steps < 0).sum() > (steps > 0).sum() else 1
    turns = np.flatnonzero(steps * direction < 0)
    if not len(turns):
        return
    parts = [np.sort(part) for part in np.split(table.axis, turns + 1)]
    remedy = "Sort the channel columns"
    if len(parts) <= MAX_DETECTORS and min(map(len, parts)) >= MIN_SHORT:
        overlaps = [(max(one[0], other[0]), min(one[-1], other[-1])) for one, other in pairwise(parts)]
        words = ", ".join(f"{low:g} to {high:g} {table.axis_unit}" for low, high in overlaps if low <= high)
        remedy = f"Detectors overlap at {words}: keep the channels of one of them there" if words else remedy
    places = columns(table, [table.channels[at + 1] for at in turns])
    yield Problem("error", "axis is not monotonic: channel out of order", remedy, **places)


def is_numbered(axis):
    """Whether channels are 1, 2, 3 ... or 0, 1, 2 ..."""
    return len(axis) > 1 and axis[0] in (0, 1) and bool(np.all(np.diff(axis) == 1))


def numbered(table):
    """Channels with numbers in place of wavelengths."""
    if len(table.axis) >= MIN_NUMBERED and is_numbered(table.axis):
        message = f"channels are numbered {table.axis[0]:g} to {table.axis[-1]:g}"
        what = "wavelength in nm" if table.axis_unit == "nm" else "wavenumber in 1/cm"
        remedy = f"Name each channel by its {what}; if these are samples, turn the table round"
        yield Problem("error", message, remedy)


def among_channels(table):
    """Columns that stand among the channels but are named as none."""
    if table.channels and table.others and not table.is_ossl:
        names = table.files[0].names
        first, last = names.index(table.channels[0]), names.index(table.channels[-1])
        inside = [column for column, _ in table.others.values() if first < names.index(column) < last]
        if places := columns(table, inside):
            message = "column among the channels that is not named as one: not read as a channel"
            yield Problem(
                "warning", message, "Name it by its wavelength or wavenumber, or move it before them", **places
            )


def gaps(table):
    """Stretches of an axis in order that have no channels."""
    ends = axis_gaps(np.sort(table.axis))
    if len(ends) and not applied(HEADER_ERRORS, table):
        words = ", ".join(f"{low:g} to {high:g}" for low, high in ends[:MAX_PLACES])
        message = f"axis has {count_of(len(ends), 'gap')} without channels: {words} {table.axis_unit}"
        remedy = "Cut windows on either side of a gap: channels beside it are no neighbours"
        yield Problem("warning", message, remedy)


def odd_axis(table):
    """An axis that is unusual in its unit."""
    if words := unusual_axis(table.axis, table.axis_unit):
        yield Problem("warning", words, "Check the axis unit that you gave")


def interleaved(table):
    """Channels of two detectors that overlap, one between two of the other."""
    axis = np.sort(table.axis)
    steps = np.diff(axis)
    pairs = steps[:-1] + steps[1:]
    # A short step between two long ones leads to a channel of the other detector.
    short = np.flatnonzero((steps[1:-1] < MAX_SHORT * pairs[:-1]) & (steps[1:-1] < MAX_SHORT * pairs[1:])) + 1
    if len(short) < MIN_SHORT:
        short = _twice_as_dense(pairs)
    if table.signal != "counts" and len(short) >= MIN_SHORT and not applied(HEADER_ERRORS, table):
        low, high = axis[short[0]], axis[short[-1] + 1]
        message = f"channels of two detectors seem to alternate from {low:g} to {high:g} {table.axis_unit}"
        yield Problem("warning", message, "Keep those of one detector there: spectra jump from one to the other")


def _twice_as_dense(pairs):
    """Positions of a stretch within an axis where two steps are as long as one step on either side; empty for none."""
    usual = np.median(pairs) if len(pairs) else np.nan
    dense = np.flatnonzero(np.abs(pairs - usual / 2) < usual / 10)
    is_stretch = len(dense) > 2 * MIN_SHORT and dense[-1] - dense[0] < 1.1 * len(dense)
    if not is_stretch or dense[0] < 2 or dense[-1] > len(pairs) - 3:
        return dense[:0]
    beside = pairs[[dense[0] - 2, dense[-1] + 2]]
    return dense if np.all(np.abs(beside - usual) < usual / 5) else dense[:0]


def read_otherwise(table):
    """What was read otherwise than it stands in the file."""
    return [Problem("note", "{first}", "", first=note) for note in table.notes]


HEADER_ERRORS = (doubled_columns, doubled_channels, channel_order, numbered)
HEADER_SAID = (odd_axis, interleaved, among_channels, read_otherwise)  # what every command says
HEADER_RULES = (*HEADER_ERRORS, gaps, *HEADER_SAID)

# --- by blocks of rows ------------------------------------------------------------------------------------

_NOT_MEASURED = "eave the cell empty where nothing was measured"


def not_a_number(block):
    """Cells of channels, and of each property, that hold something else."""
    for property_name, wrong in block.wrong.items():
        places = tuple((row + block.first_row, name) for row, name, _ in wrong[:MAX_PLACES])
        remedy = f"Give a number with a decimal point, or l{_NOT_MEASURED}"
        if property_name and any(content_below_detection(text, "missing") is not None for *_, text in wrong):
            remedy = f"Read what is below detection with --below-detection half or missing, or l{_NOT_MEASURED}"
        if any(text == name for _, name, text in wrong):
            remedy = "The header stands there again; delete that row"
        counted = {"count": len(wrong), "name": property_name, "first": repr(wrong[0][2])}
        yield Problem("error", "not a number: {first}", remedy, places, **counted)


def turned_round(block):
    """Numbered samples in place of channels: spectra are smooth along their channels, which stand below each other."""
    values, axis = block.values[:50], block.table.axis
    if block.first_row or min(values.shape) < MIN_NUMBERED or not np.all(np.diff(axis) == 1):
        return
    names = pd.to_numeric(block.samples["sample_id"][:50], errors="coerce").to_numpy()
    steps = np.diff(names)
    if names.min() >= MIN_WAVELENGTH and (np.all(steps > 0) or np.all(steps < 0)):
        down, across = (np.nanmean(np.abs(np.diff(values, axis=at))) for at in (0, 1))
        if down < MAX_SMOOTH * across:
            message = "the wavelengths or wavenumbers stand in the column of the names, a column a sample"
            remedy = "Turn the table round, so that it has a row a sample and a column a channel"
            yield Problem("error", message, remedy)


@rule(cells, "error", "infinite value in {cells}", f"L{_NOT_MEASURED}")
def infinite(block):
    """Channels of infinite value."""
    return block.infinite


@rule(rows, "error", "sample_id is missing", "Give every sample a name")
def no_name(block):
    """Samples without a name."""
    return block.samples["sample_id"].isna()


@rule(
    *(rows, "warning", "{signal} declared, but the scale is that of {looks} in {samples}"),
    "Declare the signal as {likeness} if it is that of all, or bring these samples to one scale",
    of="samples",
    many="error",
)
def other_scale(block):
    """Samples on another scale than declared."""
    return block.other_scale


@rule(
    *(rows, "", "{signal} declared, but the shape is that of {contrary} in {samples}"),
    "Check the signal; if it is {contrary}, declare it so",
    of="samples",
    many="warning",
)
def contrary_shape(block):
    """Samples with the shape of absorbance where reflectance is declared, or the reverse."""
    table = block.table
    if not table.channels:
        return []
    return rows_of_contrary_shape(block.values, table.axis, table.axis_unit, table.signal)


_READ_SO = "Check them against the source"


@rule(
    cells,
    "warning",
    "{cells} in {samples} impossible for the signal, read as not measured",
    _READ_SO,
)
def coded_channels(block):
    """Channels with a code for 'not measured', or with what no such signal has."""
    return block.coded


def unmeasured_contents(block):
    """Contents that are codes for 'not measured', or that nature does not allow."""
    for name, (values, codes, impossible) in block.unmeasured.items():
        if places := cells(block, codes[:, None], [name]):
            message = "{cells} of {name} with a code ({first}), read as not measured"
            yield Problem("warning", message, _READ_SO, **places, name=name, first=f"{values[codes][0]:g}")
        if places := cells(block, impossible[:, None], [name]):
            unit, low, high = UNITS[unit_suffix(name)]
            first = f"{values[impossible][0]:g}"
            message = f"{{contents}} of {{name}} outside {low:g} to {high:g} {unit} ({{first}}), read as not measured"
            remedy = f"{_READ_SO}; where they are many, the unit in the name is wrong"
            yield Problem("warning", message, remedy, **places, name=name, first=first, of=name, many="error")


def numbers_as_text(block):
    """Columns of text by their first rows in which numbers stand further down."""
    for name in block.samples.columns.difference(SAMPLE_COLUMNS):
        numbers = pd.to_numeric(block.samples[name], errors="coerce").notna()
        if 2 * numbers.sum() > block.samples[name].notna().sum():
            places = rows(block, numbers)
            message = "column {name} begins with words and is read as text, but has numbers in {cells}"
            remedy = "If it is a property, end its name in its unit"
            yield Problem("", message, remedy, **places, name=name, of="samples", many="warning")


def below_detection(block):
    """Contents below the limit of detection that were read as asked."""
    for name, at in block.below.items():
        places = tuple((block.first_row + row, name) for row in at[:MAX_PLACES])
        how = "half of it" if block.table.below_detection == "half" else "not measured"
        if places:
            message = f"{{contents}} of {{name}} below the limit of detection, read as {how}"
            yield Problem("note", message, "", places, len(at), len(at), name=name)


@rule(rows, "error", "sample without a spectrum", "Delete the row")
def no_spectrum(block):
    """Rows of a plain table without a spectrum."""
    return block.empty & (not block.table.is_library)


@rule(rows, "warning", "sample without a spectrum", "Nothing to do if it is meant so: the commands leave it out")
def no_spectrum_in_library(block):
    """Rows of a library without a spectrum."""
    return block.empty & block.table.is_library


@rule(
    *(cells, "warning", "{cells} in {samples} empty or NaN, read as not measured"),
    "Leave out these channels or samples before fitting a model",
)
def empty_cells(block):
    """Single channels that were not measured."""
    return block.missing & ~block.empty[:, None]


_WHITE = "Check the white reference of these samples, or leave out the channels"


@rule(cells, "warning", "{signal} below 0 in {cells}, {samples}", _WHITE)
def below_range(block):
    """Values below what the signal can be without a fault of the white reference."""
    return (block.values < 0) & (block.table.signal != "counts")


@rule(cells, "warning", "{signal} over {highest} in {cells}, {samples}", _WHITE)
def over_range(block):
    """Values beyond what the signal can be without a fault of the white reference."""
    return block.values > _MAX_VALUES[block.table.signal]


@rule(
    *(cells, "warning", "{cells} with negative counts in {samples}"),
    "Expected where a background was subtracted; do not take logarithms or square roots of them",
)
def negative_counts(block):
    """Counts below 0."""
    return (block.values < 0) & (block.table.signal == "counts")


def saturated(block):
    """Clipped counts: near 16-bit full scale, or a flat top at the largest value of these rows."""
    highest = np.fmax.reduce(block.values, axis=None, initial=0)
    if block.table.signal != "counts" or highest <= 0:
        return
    clipped, level = block.values >= _NEAR_FULL_SCALE, f"at or over {_NEAR_FULL_SCALE:,} of {_FULL_SCALE:,}"
    if not _NEAR_FULL_SCALE <= highest <= _FULL_SCALE:
        at_top = np.pad(block.values == highest, ((0, 0), (2, 2)))
        # A channel belongs to a flat top when it is one of three neighbours that all stand at the maximum.
        runs = at_top[:, :-2] & at_top[:, 1:-1] & at_top[:, 2:]
        clipped = runs[:, :-2] | runs[:, 1:-1] | runs[:, 2:]
        level = f"flat tops at the largest value {highest:g}"
    if places := cells(block, clipped):
        message = f"saturated counts, {level}, in {{samples}} and {{channels}}"
        remedy = "Do not calibrate on these lines: they no longer grow with the content"
        yield Problem("warning", message, remedy, **places)


def odd_contents(block):
    """A pH that soils rarely have."""
    low, high = USUAL_PH
    for name in block.properties:
        values = block.properties[[name]].to_numpy()
        odd = ((values < low) | (values > high)) & (unit_suffix(name) == "ph")
        if places := cells(block, odd, [name]):
            first = f"{values[odd][0]:g}"
            message = f"{{name}} of {{first}} is rare, outside {low:g} to {high:g}"
            yield Problem("warning", message, "Check it against the source", **places, name=name, first=first)


READ_ERRORS = (not_a_number, infinite, no_name, turned_round)  # which end the reading of a library
# What every command says that reads the table.
SAID_RULES = (other_scale, contrary_shape, coded_channels, unmeasured_contents, numbers_as_text, below_detection)
_BLOCK_WARNINGS = (empty_cells, below_range, over_range, negative_counts, saturated, odd_contents)
BLOCK_RULES = (*READ_ERRORS, no_spectrum, no_spectrum_in_library, *SAID_RULES, *_BLOCK_WARNINGS)

# --- by the whole table -----------------------------------------------------------------------------------


def doubled_names(whole):
    """Scans that have one name: a sample may stand once for each laboratory and replicate."""
    samples = whole.samples
    names = samples[["sample_id", *(name for name in ("laboratory", "replicate") if name in samples)]]
    hashes = pd.util.hash_pandas_object(names, index=False)
    doubled = hashes.duplicated(keep=False) & names["sample_id"].notna()
    if doubled.any():
        remedy = "Rename one, or number repeated measurements of a sample in a column replicate"
        first = repr(names["sample_id"][doubled].iloc[0])
        yield Problem("error", "sample_id is doubled: {first}", remedy, **rows(None, doubled), first=first)


def sketched(n_channels):
    """A few channels by which spectra are compared."""
    return np.unique(np.linspace(0, n_channels - 1, N_SKETCHED).astype(int))


def scan_names(whole):
    """Names of samples that differ by a counter, while the contents are equal and the spectra nearly so."""
    names, properties, spectra = whole.samples["sample_id"], whole.properties, getattr(whole, "spectra", None)
    if spectra is None or "group" in whole.samples or not len(properties.columns):
        return
    stems = names.astype(str).str.replace(_COUNTER, "", regex=True)
    contents = pd.util.hash_pandas_object(properties, index=False)
    keys = pd.DataFrame({"stem": stems, "contents": contents})
    groups = keys.groupby(["stem", "contents"]).ngroup().to_numpy()
    counted = (stems != names) & keys.duplicated(keep=False) & properties.notna().any(axis=1)
    # A stem of samples that differ in their contents is no sample.
    counted &= keys.groupby("stem")["contents"].transform("nunique") == 1
    if not counted.any():
        return
    sketches = pd.DataFrame(np.asarray(spectra)[:, sketched(spectra.shape[1])])
    within = (sketches - sketches.groupby(groups).transform("mean")).abs().mean(axis=1)
    between = (sketches - sketches.mean()).abs().mean(axis=1).median()
    scans = counted.to_numpy() & (within < MAX_WITHIN * between).to_numpy()
    if scans.sum() > len(names) / 2:
        message = "names differ by a counter alone while spectra nearly agree and contents are equal, in {samples}"
        remedy = "They look like scans of one sample: give them one name in a column group, or scores are too good"
        yield Problem("warning", message, remedy, **rows(None, scans))


@rule(
    *(rows, "warning", "the same spectrum stands under more than one sample"),
    "Keep one, or give them one name in a column group: else one may be trained on and another tested",
)
def copies(whole):
    """Spectra that stand more than once."""
    return whole.hashes.duplicated(keep=False) & (whole.hashes != 0)


@rule(columns, "warning", "property without a unit", "Rename it with its unit, for example na_ppm or clay_pct")
def no_unit(whole):
    """Columns that are taken for properties though they name no unit."""
    return [name for name in whole.properties if not unit_suffix(name)]


@rule(
    *(columns, "warning", "neither channel nor known property: kept as text of the sample"),
    "Nothing to do if it is meant so",
)
def unknown_columns(whole):
    """Columns that are kept as text of the sample."""
    return [name for name in whole.samples if name not in SAMPLE_COLUMNS]


NAME_RULES = (doubled_names, scan_names)
TABLE_RULES = (doubled_names, copies, scan_names, no_unit, unknown_columns)
