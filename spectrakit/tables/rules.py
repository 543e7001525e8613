"""What can be wrong with a table of spectra: one small rule for each kind of problem, with its message and remedy.

`HEADER_RULES` see the header of a table, `BLOCK_RULES` each block of its rows, `TABLE_RULES` what all blocks hold. A
rule returns or yields problems; rows count from 0 through the table. A new rule is one function in one of the lists.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

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
    message : until `filled` with {first}, {group}, {cells}, {samples} and {channels}
    places : up to five (row, column), of which one may be None
    count, n_samples : places in all, and the samples that have them
    columns : places in each column
    first : text of the first cell
    group : what keeps problems of one message separate, such as the name of a property
    """

    severity: str
    message: str
    remedy: str
    places: tuple = ()
    count: int = 0
    n_samples: int = 0
    columns: Counter = field(default_factory=Counter)
    first: str = ""
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
            first=self.first,
            group=self.group,
            cells=f"{self.count:,}",
            samples=f"{self.n_samples:,} of {n_samples:,} samples",
            channels=f"{len(self.columns):,} channels, most often {most}",
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


def _in_columns(severity, names, message, remedy):
    """At most one problem for all columns, given by name."""
    places = tuple((None, name) for name in names[:MAX_PLACES])
    return [Problem(severity, message, remedy, places, len(names))] if places else []


def _in_rows(severity, rows, message, remedy, first=""):
    """At most one problem for all rows, given by position in the table."""
    places = tuple((int(row), None) for row in rows[:MAX_PLACES])
    return [Problem(severity, message, remedy, places, len(rows), len(rows), first=first)] if places else []


def _in_cells(severity, block, mask, message, remedy, **more):
    """At most one problem for all channels (n_rows, n_channels) of a mask, or for all cells of the property `group`."""
    cells = np.flatnonzero(mask)
    if not cells.size:
        return []
    names = [more["group"]] if more else block.table.channels
    rows, columns = np.unravel_index(cells[:MAX_PLACES], mask.shape)
    places = tuple((int(row) + block.first_row, names[column]) for row, column in zip(rows, columns, strict=True))
    by_column = mask.sum(axis=0)
    counts = Counter({names[column]: int(by_column[column]) for column in np.flatnonzero(by_column)})
    return [Problem(severity, message, remedy, places, len(cells), int(mask.any(axis=1).sum()), counts, **more)]


# --- by the header ----------------------------------------------------------------------------------------


def doubled_columns(table):
    """Columns, other than channels, that stand more than once."""
    counts = Counter(name for name in table.files[0].names if not CHANNEL_NAME.fullmatch(name))
    doubled = [name for name, count in counts.items() if count > 1]
    return _in_columns("error", doubled, "column stands twice", "Delete or rename one of the two")


def channel_order(table):
    """Channels that stand twice or out of order."""
    steps, counts = np.diff(table.axis), Counter(table.axis)
    direction = -1 if (steps < 0).sum() > (steps > 0).sum() else 1
    doubled = [name for name, value in zip(table.channels, table.axis, strict=True) if counts[value] > 1]
    misplaced = [table.channels[i + 1] for i in np.flatnonzero(steps * direction < 0)]
    message = "axis is not monotonic: channel out of order"
    return [
        *_in_columns("error", doubled, "channel stands twice", "Delete or rename one of the two"),
        *_in_columns("error", misplaced, message, "Sort the channel columns"),
    ]


def gaps(table):
    """Stretches of the axis without channels."""
    ends = axis_gaps(np.sort(table.axis))
    if len(ends) and not channel_order(table):
        words = ", ".join(f"{low:g} to {high:g}" for low, high in ends[:MAX_PLACES])
        message = f"axis has {len(ends)} {'gap' if len(ends) == 1 else 'gaps'} without channels: {words}"
        remedy = "Cut windows on either side of a gap: channels beside it are no neighbours"
        yield Problem("warning", f"{message} {table.axis_unit}", remedy)


def odd_axis(table):
    """An axis that is unusual in its unit."""
    if words := unusual_axis(table.axis, table.axis_unit):
        yield Problem("warning", words, "Check the axis unit that you gave")


HEADER_ERRORS = (doubled_columns, channel_order)
HEADER_RULES = (*HEADER_ERRORS, gaps, odd_axis)

# --- by blocks of rows ------------------------------------------------------------------------------------


def not_a_number(block):
    """Cells of channels, and of each property, that hold something else."""
    remedy = "Give a number with a decimal point, or leave the cell empty where nothing was measured"
    for group, cells in block.wrong.items():
        places = tuple((row + block.first_row, name) for row, name, _ in cells[:MAX_PLACES])
        first = f"{cells[0][2]!r}"
        yield Problem("error", "not a number: {first}", remedy, places, len(cells), first=first, group=group)


def infinite(block):
    """Channels of infinite value."""
    remedy = "Leave the cell empty where nothing was measured"
    return _in_cells("error", block, block.infinite, "infinite value in {cells} cells", remedy)


def no_name(block):
    """Samples without a name."""
    rows = block.first_row + np.flatnonzero(block.samples["sample_id"].isna())
    return _in_rows("error", rows, "sample_id is missing", "Give every sample a name")


def odd_scale(block):
    """Values on another scale than declared."""
    if block.wrong_scale:
        # In {first}, as the words of another block may name another largest value.
        words, likeness = block.wrong_scale
        yield Problem("error", "{first}", f"Declare the signal as {likeness}", first=words)


def no_spectrum(block):
    """Samples without a spectrum: usual in a library, an error in a plain table."""
    remedy = (
        "Nothing to do if it is meant so: the commands leave it out" if block.table.is_library else "Delete the row"
    )
    severity = "warning" if block.table.is_library else "error"
    return _in_rows(severity, block.first_row + np.flatnonzero(block.empty), "sample without a spectrum", remedy)


def empty_cells(block):
    """Single channels that were not measured."""
    message = "{cells} channel cells in {samples} are empty or NaN, read as not measured"
    remedy = "Leave out these channels or samples before fitting a model"
    return _in_cells("warning", block, block.missing & ~block.empty[:, None], message, remedy)


def out_of_range(block):
    """Values beyond what the signal can be; void where the scale is wrong."""
    if block.table.signal == "counts" or block.wrong_scale:
        return
    high, unit = _MAX_VALUES[block.table.signal]
    remedy = "Check the white reference of these samples, or leave out the channels"
    for mask, words in ((block.values < 0, "below 0"), (block.values > high, f"over {high}{unit}")):
        yield from _in_cells(
            "warning", block, mask, f"{block.table.signal} {words} in {{cells}} cells, {{samples}}", remedy
        )


def negative_counts(block):
    """Counts below 0."""
    remedy = "Expected where a background was subtracted; do not take logarithms or square roots of them"
    negative = (block.values < 0) & (block.table.signal == "counts")
    return _in_cells("warning", block, negative, "{cells} negative counts in {samples}", remedy)


def odd_contents(block):
    """Contents outside what soils plausibly have, by the unit in the name."""
    for name in filter(unit_suffix, block.properties):
        unit, low, high = UNITS[unit_suffix(name)]
        values = block.properties[[name]].to_numpy()
        odd = (values < low) | (values > high)
        message = f"{{group}} of {{first}} is outside {low:g} to {high:g} {unit}"
        first = f"{values[odd][0]:g}" if odd.any() else ""
        yield from _in_cells("warning", block, odd, message, "Check it against the source", group=name, first=first)


READ_ERRORS = (not_a_number, infinite, no_name, odd_scale)  # which end the reading of a library
BLOCK_RULES = (*READ_ERRORS, no_spectrum, empty_cells, out_of_range, negative_counts, odd_contents)

# --- by the whole table -----------------------------------------------------------------------------------


def name_hashes(samples):
    """A Series of hashes of what names a scan: a sample may stand once for each laboratory and replicate."""
    names = samples[["sample_id", *(name for name in ("laboratory", "replicate") if name in samples)]]
    return pd.util.hash_pandas_object(names, index=False)


def doubled_names(names, hashes):
    """Names that stand twice; names, hashes : Series of sample_id and `name_hashes` of all samples."""
    doubled = np.flatnonzero(hashes.duplicated(keep=False) & names.notna())
    first = repr(names.iloc[doubled[0]]) if doubled.size else ""
    remedy = "Rename one, or number repeated measurements of a sample in a column replicate"
    return _in_rows("error", doubled, "sample_id is doubled: {first}", remedy, first)


def doubled_samples(report):
    """Names that stand twice; the OSSL names samples itself."""
    rows = report.rows()
    return [] if report.table.is_ossl else doubled_names(rows["sample_id"], rows["name"])


def copies(report):
    """Spectra that stand more than once."""
    hashes = report.rows()["spectrum"]
    message = "the same spectrum stands under more than one sample"
    remedy = "Keep one, or put them in one group: copies leak across a split"
    return _in_rows("warning", np.flatnonzero(hashes.duplicated(keep=False) & (hashes != 0)), message, remedy)


def saturated(report):
    """Clipped counts: near 16-bit full scale, or a flat top at the largest value of the table."""
    near = _NEAR_FULL_SCALE <= report.clipping.highest <= _FULL_SCALE
    return report.clipping.near if near else report.clipping.flat


def no_unit(report):
    """Columns that are taken for properties though they name no unit."""
    names = [name for name in report.properties if not unit_suffix(name)]
    remedy = "Rename it with its unit, for example na_ppm or clay_pct"
    return _in_columns("warning", names, "property without a unit", remedy)


def unknown_columns(report):
    """Columns that are kept as text of the sample."""
    names = [name for name in report.sample_columns if name not in SAMPLE_COLUMNS]
    message = "neither channel nor known property: kept as text of the sample"
    return _in_columns("warning", names, message, "Nothing to do if it is meant so")


TABLE_RULES = (doubled_samples, copies, saturated, no_unit, unknown_columns)


class Clipping:
    """Counts of the blocks so far that stand near 16-bit full scale, and those of flat tops at the highest value."""

    def __init__(self):
        self.highest, self.near, self.flat = 0, [], []

    def add(self, block):
        """Look at the next block; flat tops before it are none where a value here is higher."""
        highest = np.fmax.reduce(block.values, axis=None, initial=0)
        if highest > self.highest:
            self.highest, self.flat = highest, []
        at_top = np.pad((block.values == self.highest) & (self.highest > 0), ((0, 0), (2, 2)))
        # A channel belongs to a flat top when it is one of three neighbours that all stand at the maximum.
        runs = at_top[:, :-2] & at_top[:, 1:-1] & at_top[:, 2:]
        near, flat = block.values >= _NEAR_FULL_SCALE, runs[:, :-2] | runs[:, 1:-1] | runs[:, 2:]
        level = f"at or over {_NEAR_FULL_SCALE:,} of {_FULL_SCALE:,}"
        self.near = _clipped(self.near, block, near, level)
        self.flat = _clipped(self.flat, block, flat, f"flat tops at the largest value {self.highest:g}")


def _clipped(before, block, mask, level):
    """The problem of the blocks before, if there is one, and of another."""
    remedy = "Do not calibrate on these lines: they no longer grow with the content"
    message = f"saturated counts, {level}, in {{samples}} and {{channels}}"
    return joined_problems([*before, *_in_cells("warning", block, mask, message, remedy)])
