"""What the columns of a plain table are, also where they have other names: ids, prefixes, a table turned round."""

import re

import numpy as np

from spectrakit.tables.columns import CHANNEL_NAME
from spectrakit.tables.rules import TableError

# Other names of the column sample_id, in letters and digits alone.
_ID_NAMES = re.compile(
    r"(soil|lab)?(sample|point|spectrum|scan)?(id|ids|name|code|label|no|nr|number)|sample|ssn|uuid|barcode"
)
_AXIS_NAMES = re.compile(r"(wave(length|number)s?|wl|wn|lambda|nm|cm1)(nm|cm1)?")
# A channel with letters before its number, or its unit behind.
_DRESSED = re.compile(r"([A-Za-z][A-Za-z._ -]*)?(\d+\.?\d*)[ _.]?(nm|cm-1|cm\.1|cm1)?")
_MIN_DRESSED, _MIN_AXIS = 5, 100


def plain_columns(path, names, first_cells=()):
    """The columns of a table as those of a plain spectral table, pairs of name here and column, and notes on others.

    names : of the columns; one that is empty is left out; first_cells : of the first column, where they are known
    Raises TableError where no column can name the samples, or more than one.
    """
    channels, notes = _channels(names)
    layout = [(channels.get(name, name), name) for name in names if name]
    others = [name for name in names if name not in channels]
    if "sample_id" in names:
        if _is_turned(names[0], first_cells, channels):
            raise TableError(_turned(path, first_cells))
        return layout, notes
    ids = [name for name in others if name and _ID_NAMES.fullmatch(_letters(name))]
    ids = ids or [name for name in others[:1] if name == "" and first_cells and any(first_cells)]
    if len(ids) == 1:
        shown = f"column {ids[0]}" if ids[0] else "the first column, which has no name,"
        rest = [(name, column) for name, column in layout if column != ids[0]]
        return [("sample_id", ids[0]), *rest], [*notes, f"{shown} names the samples"]
    if _is_turned(names[0] if names else "", first_cells, channels):
        raise TableError(_turned(path, first_cells))
    if ids:
        words = f"{', '.join(ids[:-1])} and {ids[-1]} could name the samples"
        raise TableError(f"{path}: no column sample_id; {words}: rename one of them to sample_id")
    _refuse_data_as_header(path, channels)
    few = ", ".join([name for name in others if name][:8]) or "channels alone"
    raise TableError(f"{path}: no column sample_id; add one with a name for every sample, or rename one ({few})")


def _letters(name):
    return re.sub("[^a-z0-9]", "", name.lower())


def _channels(names):
    """Columns that are channels, {column: number as text}, and a note where their names hold more than it."""
    bare = {name: name for name in names if CHANNEL_NAME.fullmatch(name)}
    if len(bare) > 1:
        return bare, []
    kinds = {}
    for name in dict.fromkeys(names):
        if (match := _DRESSED.fullmatch(name)) and (match[1] or match[3]) and float(match[2]) >= _MIN_AXIS:
            kinds.setdefault((match[1] or "", match[3] or ""), {})[name] = match[2]
    (before, behind), dressed = max(kinds.items(), key=lambda kind: len(kind[1]), default=((None, None), {}))
    steps = np.sign(np.diff([float(value) for value in dressed.values()]))
    if len(dressed) < _MIN_DRESSED or abs(steps.sum()) < len(steps):
        return bare, []
    words = " and ".join(f"{place} {word!r}" for place, word in (("begin with", before), ("end in", behind)) if word)
    return dressed, [f"names of channels {words}: the number in them is read"]


def _is_turned(first_name, first_cells, channels):
    """Whether the wavelengths stand in the first column, a column a sample."""
    try:
        numbers = np.array(first_cells, dtype=float)
    except ValueError:
        return False
    steps = np.sign(np.diff(numbers))
    if len(numbers) < _MIN_DRESSED or abs(steps.sum()) < len(steps) or np.nanmin(numbers) < _MIN_AXIS:
        return False
    numbered = [float(value) for value in channels.values()] == list(range(1, len(channels) + 1))
    return numbered or bool(_AXIS_NAMES.fullmatch(_letters(first_name)))


def _turned(path, first_cells):
    return (
        f"{path}: the wavelengths or wavenumbers stand in the first column ({', '.join(first_cells[:3])} ...), "
        "a column a sample; turn the table round, so that it has a row a sample and a column a channel"
    )


def _refuse_data_as_header(path, channels):
    """Raises TableError where numbers that are in no order stand in the place of a header."""
    steps = np.sign(np.diff([float(value) for value in channels.values()]))
    if len(steps) and abs(steps.sum()) < len(steps):
        raise TableError(
            f"{path}: row 1 looks like data, the header is missing; "
            "name the columns sample_id, properties with unit, channels in nm or 1/cm"
        )
