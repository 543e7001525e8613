"""What can be wrong with a table of spectra: one small rule for each kind of problem, with its message and remedy.

`HEADER_RULES` see the header of a table, `BLOCK_RULES` each block of its rows, `TABLE_RULES` what all blocks hold. A
rule is a function of these that returns or yields problems, rows counted from 0 through the table; most are made by
`rule` of a function that says where the problem stands. A new rule is one function in one of the lists.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import wraps

import numpy as np
import pandas as pd

from spectrakit.contents import UNITS, unit_suffix
from spectrakit.spectra import axis_gaps, unusual_axis
from spectrakit.tables.columns import CHANNEL_NAME, SAMPLE_COLUMNS

MAX_PLACES = 5
_FULL_SCALE = 65_535  # of a 16-bit detector
_NEAR_FULL_SCALE = 64_000  # the mean over shots of a line that is clipped in most of them
_MAX_VALUES = {"reflectance": (1, ""), "percent-reflectance": (100, " %"), "absorbance": (6, "")}


class TableError(ValueError):
    """A file that cannot be used as a spectral table; the message is one line for its owner."""


@dataclass(frozen=True)
class Problem:
    """One kind of problem in a table, with the first places where it stands.

    severity : 'error' (the table cannot be used) or 'warning'
    message : until `filled`, it may hold {cells}, {samples}, {channels} and the names of `words`
    places : up to five (row, column), of which one may be None
    count, n_samples : places in all, and the samples that have them
    columns : places in each column
    words : what the message says of the first place
    group : what keeps problems of one message separate, such as the name of a property
    """

    severity: str
    message: str
    remedy: str
    places: tuple = ()
    count: int = 0
    n_samples: int = 0
    columns: Counter = field(default_factory=Counter)
    words: dict = field(default_factory=dict)
    group: str = ""

    def joined(self, later):
        """The problem with the places of the same problem in later rows."""
        return replace(
            self,
            places=(*self.places, *later.places)[:MAX_PLACES],
            count=self.count + later.count,
            n_samples=self.n_samples + later.n_samples,
            columns=self.columns + later.columns,
        )

    def filled(self, n_samples):
        """The problem with its message as text; n_samples : of the table."""
        most = ", ".join(f"{name} ({count:,} samples)" for name, count in self.columns.most_common(MAX_PLACES))
        message = self.message.format(
            cells=f"{self.count:,}",
            samples=f"{self.n_samples:,} of {n_samples:,} samples",
            channels=f"{len(self.columns):,} channels, most often {most}",
            **self.words,
        )
        return replace(self, message=message)

    def where(self):
        """The places in words: 'row 3, column 421.09; row 7, column 588.9; and 12 more'."""
        named = ((("row", row), ("column", column)) for row, column in self.places)
        words = [", ".join(f"{kind} {at}" for kind, at in place if at is not None) for place in named]
        further = self.count - len(self.places)
        return "; ".join(words + [f"and {further:,} more"] * (further > 0))

    def __str__(self):
        where = f" ({self.where()})" if self.places else ""
        return f"{self.message}{where}. {self.remedy}."


def applied(rules, subject):
    """The problems that some rules see in a table, block or report."""
    return [problem for rule in rules for problem in rule(subject)]


def joined_problems(problems):
    """Problems in the order of their rows, each kind once."""
    kinds = {}
    for problem in problems:
        kind = (problem.severity, problem.message, problem.remedy, problem.group)
        kinds[kind] = kinds[kind].joined(problem) if kind in kinds else problem
    return list(kinds.values())


def rule(where, severity, message, remedy):
    """Makes a rule, with at most one problem, of a function whose result says where: see `columns`, `rows`, `cells`."""

    def decorate(function):
        @wraps(function)
        def problems(subject):
            places = where(subject, function(subject))
            return [Problem(severity, message, remedy, **places)] if places else []

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
    counts = Counter(name for name in table.files[0].names if not CHANNEL_NAME.fullmatch(name))
    return [name for name, count in counts.items() if count > 1]


@rule(columns, "error", "channel stands twice", _DELETE_ONE)
def doubled_channels(table):
    """Channels of the same wavelength or wavenumber."""
    counts = Counter(table.axis)
    return [name for name, value in zip(table.channels, table.axis, strict=True) if counts[value] > 1]


@rule(columns, "error", "axis is not monotonic: channel out of order", "Sort the channel columns")
def channel_order(table):
    """Channels that turn the axis round."""
    steps = np.diff(table.axis)
    direction = -1 if (steps < 0).sum() > (steps > 0).sum() else 1
    return [table.channels[at + 1] for at in np.flatnonzero(steps * direction < 0)]


def gaps(table):
    """Stretches of an axis in order that have no channels."""
    ends = axis_gaps(np.sort(table.axis))
    if len(ends) and not applied(HEADER_ERRORS, table):
        words = ", ".join(f"{low:g} to {high:g}" for low, high in ends[:MAX_PLACES])
        message = f"axis has {len(ends)} {'gap' if len(ends) == 1 else 'gaps'} without channels: {words}"
        remedy = "Cut windows on either side of a gap: channels beside it are no neighbours"
        yield Problem("warning", f"{message} {table.axis_unit}", remedy)


def odd_axis(table):
    """An axis that is unusual in its unit."""
    if words := unusual_axis(table.axis, table.axis_unit):
        yield Problem("warning", words, "Check the axis unit that you gave")


HEADER_ERRORS = (doubled_columns, doubled_channels, channel_order)
HEADER_RULES = (*HEADER_ERRORS, gaps, odd_axis)

# --- by blocks of rows ------------------------------------------------------------------------------------

_NOT_MEASURED = "eave the cell empty where nothing was measured"


def not_a_number(block):
    """Cells of channels, and of each property, that hold something else."""
    for group, wrong in block.wrong.items():
        places = tuple((row + block.first_row, name) for row, name, _ in wrong[:MAX_PLACES])
        words = {"first": repr(wrong[0][2])}
        remedy = f"Give a number with a decimal point, or l{_NOT_MEASURED}"
        yield Problem("error", "not a number: {first}", remedy, places, len(wrong), words=words, group=group)


@rule(cells, "error", "infinite value in {cells} cells", f"L{_NOT_MEASURED}")
def infinite(block):
    """Channels of infinite value."""
    return block.infinite


@rule(rows, "error", "sample_id is missing", "Give every sample a name")
def no_name(block):
    """Samples without a name."""
    return block.samples["sample_id"].isna()


def odd_scale(block):
    """Values on another scale than declared."""
    if block.wrong_scale:
        # As words: those of another block may name another largest value.
        words, likeness = block.wrong_scale
        yield Problem("error", "{first}", f"Declare the signal as {likeness}", words={"first": words})


@rule(rows, "error", "sample without a spectrum", "Delete the row")
def no_spectrum(block):
    """Rows of a plain table without a spectrum."""
    return block.empty & (not block.table.is_library)


@rule(rows, "warning", "sample without a spectrum", "Nothing to do if it is meant so: the commands leave it out")
def no_spectrum_in_library(block):
    """Rows of a library without a spectrum."""
    return block.empty & block.table.is_library


@rule(
    *(cells, "warning", "{cells} channel cells in {samples} are empty or NaN, read as not measured"),
    "Leave out these channels or samples before fitting a model",
)
def empty_cells(block):
    """Single channels that were not measured."""
    return block.missing & ~block.empty[:, None]


def out_of_range(block):
    """Values beyond what the signal can be; void where the scale is wrong."""
    if block.table.signal == "counts" or block.wrong_scale:
        return
    high, unit = _MAX_VALUES[block.table.signal]
    remedy = "Check the white reference of these samples, or leave out the channels"
    for mask, words in ((block.values < 0, "below 0"), (block.values > high, f"over {high}{unit}")):
        if places := cells(block, mask):
            message = f"{block.table.signal} {words} in {{cells}} cells, {{samples}}"
            yield Problem("warning", message, remedy, **places)


@rule(
    *(cells, "warning", "{cells} negative counts in {samples}"),
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
    """Contents outside what soils plausibly have, by the unit in the name."""
    for name in filter(unit_suffix, block.properties):
        unit, low, high = UNITS[unit_suffix(name)]
        values = block.properties[[name]].to_numpy()
        odd = (values < low) | (values > high)
        if places := cells(block, odd, [name]):
            words = {"name": name, "first": f"{values[odd][0]:g}", "range": f"{low:g} to {high:g} {unit}"}
            message = "{name} of {first} is outside {range}"
            yield Problem("warning", message, "Check it against the source", **places, words=words, group=name)


READ_ERRORS = (not_a_number, infinite, no_name, odd_scale)  # which end the reading of a library
_BLOCK_WARNINGS = (empty_cells, out_of_range, negative_counts, saturated, odd_contents)
BLOCK_RULES = (*READ_ERRORS, no_spectrum, no_spectrum_in_library, *_BLOCK_WARNINGS)

# --- by the whole table -----------------------------------------------------------------------------------


def name_hashes(samples):
    """A Series of hashes of what names a scan: a sample may stand once for each laboratory and replicate."""
    names = samples[["sample_id", *(name for name in ("laboratory", "replicate") if name in samples)]]
    return pd.util.hash_pandas_object(names, index=False)


def doubled_names(names, hashes):
    """Names that stand twice; names, hashes : Series of sample_id and `name_hashes` of all samples."""
    doubled = hashes.duplicated(keep=False) & names.notna()
    if doubled.any():
        remedy = "Rename one, or number repeated measurements of a sample in a column replicate"
        words = {"first": repr(names[doubled].iloc[0])}
        yield Problem("error", "sample_id is doubled: {first}", remedy, **rows(None, doubled), words=words)


def doubled_samples(report):
    """Names that stand twice; the OSSL names samples itself."""
    samples = report.rows()
    return [] if report.table.is_ossl else doubled_names(samples["sample_id"], samples["name"])


@rule(
    *(rows, "warning", "the same spectrum stands under more than one sample"),
    "Keep one, or put them in one group: copies leak across a split",
)
def copies(report):
    """Spectra that stand more than once."""
    hashes = report.rows()["spectrum"]
    return hashes.duplicated(keep=False) & (hashes != 0)


@rule(columns, "warning", "property without a unit", "Rename it with its unit, for example na_ppm or clay_pct")
def no_unit(report):
    """Columns that are taken for properties though they name no unit."""
    return [name for name in report.properties if not unit_suffix(name)]


@rule(
    *(columns, "warning", "neither channel nor known property: kept as text of the sample"),
    "Nothing to do if it is meant so",
)
def unknown_columns(report):
    """Columns that are kept as text of the sample."""
    return [name for name in report.sample_columns if name not in SAMPLE_COLUMNS]


TABLE_RULES = (doubled_samples, copies, no_unit, unknown_columns)
