"""What can be wrong with a table of spectra? Each check returns its problems and where they stand."""

import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spectrakit.contents import UNITS, unit_suffix
from spectrakit.spectra import axis_gaps

CHANNEL_NAME = re.compile(r"\d+\.?\d*([eE]\+?\d+)?")
HEADER_ROWS = 1
PLACES_KEPT = 5
_FULL_SCALE = 65_535  # of a 16-bit detector
_NEAR_FULL_SCALE = 64_000  # where the mean over shots of a line that is clipped in most of them comes to lie


class TableError(ValueError):
    """A file that cannot be used as a spectral table; the message is one line for its owner."""


@dataclass(frozen=True)
class Problem:
    """One kind of problem in a table, with the first places where it stands.

    severity : 'error' (the table cannot be used) or 'warning'
    places : up to five (row, column); row is the line in the file, the header being line 1, column a name;
        either is None where the problem concerns a whole column or row
    count : number of places in all
    counted : of a message that names counts: its words before they are filled in, the first value, number of samples
    """

    severity: str
    message: str
    remedy: str
    places: tuple = ()
    count: int = 0
    counted: tuple = ()

    def where(self):
        """The places in words: 'row 3, column 421.09; row 7, column 588.9; and 12 more'."""
        named = ((("row", row), ("column", column)) for row, column in self.places)
        words = [", ".join(f"{kind} {at}" for kind, at in place if at is not None) for place in named]
        further = self.count - len(self.places)
        return "; ".join(words + [f"and {further:,} more"] * (further > 0))

    def __str__(self):
        where = f" ({self.where()})" if self.places else ""
        return f"{self.message}{where}. {self.remedy}."


def cell_problem(severity, mask, names, message, remedy, first=""):
    """At most one problem for all cells of a mask (n_rows, n_columns); the message may name counts and `first`."""
    if not mask.any():
        return []
    shown = np.argwhere(mask)[:PLACES_KEPT]
    places = tuple((int(row) + 1 + HEADER_ROWS, names[column]) for row, column in shown)
    count, samples = int(mask.sum()), int(mask.any(axis=1).sum())
    words = _with_counts(message, first, count, samples, len(mask))
    return [Problem(severity, words, remedy, places, count, (message, first, samples))]


def _with_counts(message, first, cells, samples, n_samples):
    message = message.replace("{first}", first).replace("{cells}", f"{cells:,}")
    return message.replace("{samples}", f"{samples:,} of {n_samples:,} samples")


def joined_problems(problems, n_samples):
    """The problems of the blocks of a table of `n_samples` as those of the whole, in the order of their first places.

    problems : each list of blocks in turn, places counted through the table
    """
    kinds = {}
    for problem in problems:
        kind = (problem.severity, problem.counted[0] if problem.counted else problem.message, problem.remedy)
        kinds[kind] = _joined(kinds[kind], problem, n_samples) if kind in kinds else problem
    # A single block has said how many samples it has itself.
    return [_joined(problem, replace(problem, places=(), count=0, counted=()), n_samples) for problem in kinds.values()]


def _joined(one, other, n_samples):
    places, count = (*one.places, *other.places)[:PLACES_KEPT], one.count + other.count
    if not one.counted:
        return replace(one, places=places, count=count)
    message, first, samples = one.counted
    samples += other.counted[2] if other.counted else 0
    words = _with_counts(message, first, count, samples, n_samples)
    return replace(one, message=words, places=places, count=count, counted=(message, first, samples))


def _row_problem(severity, rows, message, remedy):
    """At most one problem for all rows, given by position."""
    places = tuple((int(row) + 1 + HEADER_ROWS, None) for row in rows[:PLACES_KEPT])
    return [Problem(severity, message, remedy, places, len(rows))] if places else []


def column_problem(names, message, remedy, severity="warning"):
    """At most one problem for all columns, given by name."""
    places = tuple((None, name) for name in names[:PLACES_KEPT])
    return [Problem(severity, message, remedy, places, len(names))] if places else []


def doubled_names(names):
    """Names of columns, other than channels, that stand more than once."""
    counts = Counter(name for name in names if not CHANNEL_NAME.fullmatch(name))
    doubled = [name for name, count in counts.items() if count > 1]
    return column_problem(doubled, "column stands twice", "Delete or rename one of the two", "error")


def axis_problems(axis, names, axis_unit):
    """Channels that stand twice or out of order, gaps, and an axis that is unusual in its unit."""
    steps = np.diff(axis)
    direction = -1 if (steps < 0).sum() > (steps > 0).sum() else 1
    values, counts = np.unique(axis, return_counts=True)
    twice = set(values[counts > 1])
    doubled = [name for name, value in zip(names, axis, strict=True) if value in twice]
    misplaced = [names[i + 1] for i in np.flatnonzero(steps * direction < 0)]
    problems = column_problem(doubled, "channel stands twice", "Delete or rename one of the two", "error")
    problems += column_problem(
        misplaced, "axis is not monotonic: channel out of order", "Sort the channel columns", "error"
    )
    if not problems:
        problems += _gap_problem(np.sort(axis), axis_unit)
    low, high = axis.min(), axis.max()
    declared = {"nm": (100, 25_000), "cm-1": (100, 60_000)}[axis_unit]
    other = {"nm": "cm-1", "cm-1": "nm"}[axis_unit]
    # Soil spectra in nm end near 2500, those in 1/cm reach from a few hundred to several thousand.
    looks_like_other = (low < 1500 and high > 3000) if axis_unit == "nm" else (low < 500 and high <= 2600)
    if low < declared[0] or high > declared[1] or looks_like_other:
        likeness = f", it looks like {other}" if looks_like_other else ""
        message = f"axis from {low:g} to {high:g} is unusual in {axis_unit}{likeness}"
        problems.append(Problem("warning", message, "Check the axis unit that you gave"))
    return problems


def _gap_problem(axis, axis_unit):
    gaps = axis_gaps(axis)
    words = ", ".join(f"{low:g} to {high:g}" for low, high in gaps[:PLACES_KEPT])
    message = f"axis has {len(gaps)} {'gap' if len(gaps) == 1 else 'gaps'} without channels: {words} {axis_unit}"
    remedy = "Cut windows on either side of a gap: channels beside it are no neighbours"
    return [Problem("warning", message, remedy)] if len(gaps) else []


def missing_channels(missing, names, severity="error", remedy="Delete the row"):
    """Samples without a spectrum, and single empty cells.

    missing : bool (n_samples, n_channels); severity, remedy : of samples without a spectrum
    """
    empty = missing.all(axis=1)
    return _row_problem(severity, np.flatnonzero(empty), "sample without a spectrum", remedy) + cell_problem(
        "warning",
        missing & ~empty[:, None],
        names,
        "{cells} channel cells in {samples} are empty or NaN, read as not measured",
        "Leave out these channels or samples before fitting a model",
    )


def scale_problems(values, signal):
    """Values on another scale than declared, which makes every other statement on their range void."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return []
    middle, high = np.median(finite), finite.max()
    percent, fractions = "they look like percent", "they look like fractions"
    found = {
        "reflectance": (middle > 1.5, f"fractions declared, but most values are over 1.5: {percent}"),
        "percent-reflectance": (high <= 1.5, f"percent declared, but no value is over {high:.3g}: {fractions}"),
        "absorbance": (middle > 6, f"absorbance declared, but most values are over 6: {percent} reflectance"),
    }
    wrong, message = found.get(signal, (False, ""))
    remedy = "Declare the signal as " + ("reflectance" if signal == "percent-reflectance" else "percent-reflectance")
    return [Problem("error", message, remedy)] if wrong else []


def range_problems(values, names, signal):
    """Values (n_samples, n_channels) beyond what the signal can be, and saturated counts."""
    if signal == "counts":
        return negative_counts(values, names) + _saturation_problem(values, names)
    high, unit = {"reflectance": (1, ""), "percent-reflectance": (100, " %"), "absorbance": (6, "")}[signal]
    remedy = "Check the white reference of these samples, or leave out the channels"
    where = "in {cells} cells, {samples}"
    below = cell_problem("warning", values < 0, names, f"{signal} below 0 {where}", remedy)
    return below + cell_problem("warning", values > high, names, f"{signal} over {high}{unit} {where}", remedy)


def negative_counts(values, names):
    """Counts (n_samples, n_channels) below 0."""
    return cell_problem(
        "warning",
        values < 0,
        names,
        "{cells} negative counts in {samples}",
        "Expected where a background was subtracted; do not take logarithms or square roots of them",
    )


def _saturation_problem(values, names):
    saturated, level = _saturated(values)
    if not saturated.any():
        return []
    per_channel = saturated.sum(axis=0)
    most = np.argsort(-per_channel, kind="stable")[: min(PLACES_KEPT, (per_channel > 0).sum())]
    where = ", ".join(f"{names[i]} ({per_channel[i]:,} samples)" for i in most)
    n_channels = (per_channel > 0).sum()
    return cell_problem(
        "warning",
        saturated,
        names,
        f"saturated counts, {level}, in {{samples}} and {n_channels:,} channels, most often {where}",
        "Do not calibrate on these lines: they no longer grow with the content",
    )


def _saturated(values):
    """Which counts are clipped, and how one tells: near 16-bit full scale, or a flat top at the maximum."""
    top = np.nanmax(values, initial=0)
    if _NEAR_FULL_SCALE <= top <= _FULL_SCALE:
        return values >= _NEAR_FULL_SCALE, f"at or over {_NEAR_FULL_SCALE:,} of {_FULL_SCALE:,}"
    at_top = np.zeros((values.shape[0], values.shape[1] + 4), dtype=bool)
    at_top[:, 2:-2] = (values == top) & (top > 0)
    # A channel belongs to a flat top when it is one of three neighbours that all stand at the maximum.
    runs = at_top[:, :-2] & at_top[:, 1:-1] & at_top[:, 2:]
    return runs[:, :-2] | runs[:, 1:-1] | runs[:, 2:], f"flat tops at the largest value {top:g}"


def unnamed_problems(samples):
    """Samples without a name."""
    missing = np.flatnonzero(samples["sample_id"].isna())
    return _row_problem("error", missing, "sample_id is missing", "Give every sample a name")


DOUBLED_NAME = "Rename one, or number repeated measurements of a sample in a column replicate"
COPY = (
    "the same spectrum stands under more than one sample",
    "Keep one, or put them in one group: copies leak across a split",
)


def name_problems(samples):
    """Samples without a name, and names that stand twice.

    A sample may stand once for each laboratory that scanned it and for each replicate.
    """
    problems = unnamed_problems(samples)
    doubled = np.flatnonzero(naming_columns(samples).duplicated(keep=False) & samples["sample_id"].notna())
    if doubled.size:
        first = samples["sample_id"].iloc[doubled[0]]
        problems += _row_problem("error", doubled, f"sample_id is doubled: {first!r}", DOUBLED_NAME)
    return problems


def naming_columns(samples):
    """The columns by which a scan is told from all others."""
    return samples[["sample_id", *(name for name in ("laboratory", "replicate") if name in samples)]]


def copy_problems(values):
    """Spectra (n_samples, n_channels) that stand more than once."""
    spectra = pd.Series([row.tobytes() for row in values])
    same = np.flatnonzero(spectra.duplicated(keep=False) & np.isfinite(values).any(axis=1))
    return _row_problem("warning", same, *COPY)


def property_problems(properties):
    """Contents outside what soils plausibly have, by the unit in the name."""
    problems = []
    for name in filter(unit_suffix, properties):
        unit, low, high = UNITS[unit_suffix(name)]
        values = properties[[name]].to_numpy()
        odd = (values < low) | (values > high)
        first = f"{values[odd][0]:g}" if odd.any() else ""
        message = f"{name} of {{first}} is outside {low:g} to {high:g} {unit}"
        problems += cell_problem("warning", odd, [name], message, "Check it against the source", first)
    return problems


def column_kind_problems(unitless, unknown):
    """Columns, by name, that are taken for properties though they name no unit, and for text of the sample."""
    problems = column_problem(
        unitless, "property without a unit", "Rename it with its unit, for example na_ppm or clay_pct"
    )
    message = "neither channel nor known property: kept as text of the sample"
    return problems + column_problem(unknown, message, "Nothing to do if it is meant so")
