"""What the columns of a plain table are, also where they have other names: ids, prefixes, a table turned round."""

import re
from itertools import pairwise

import numpy as np

from spectrakit.contents import unit_suffix
from spectrakit.tables.columns import CHANNEL_NAME, SAMPLE_COLUMNS
from spectrakit.tables.layouts.ossl import is_ossl
from spectrakit.tables.rules import TableError, is_numbered

# Other names of the column sample_id, in letters and digits alone.
_THING = (
    "sample|smpl?|specimen|spectr(um|al?)|scan|point|layer|profile|pedon|record|obs(ervation)?|object|batch|original"
)
_ID_NAMES = re.compile(
    rf"(lab|soil)?({_THING})?(lab)?(ids?|no|nr|num(ber)?|key|code|label)|(soil)?({_THING})names?|names?|id({_THING})|"
    r"samples?|specimens?|spectr(um|a)|observation|file(name)?|ssn|uuid|barcode|"
    r"proben?(nr|nummer|id|name)?|muestras?|e?chantillons?|amostras?|campione|campioni"
)
_AXIS_NAMES = re.compile(r"(wave(length|number)?s?|wl|wn|wvl|lambda|wellenl(a|ae)?nge|frequency|nm|cm1)(s|nm|cm1|1cm)?")
# Names that programs give to columns without one.
NAMELESS = re.compile(r"|Unnamed: \d+(_level_\d+)?|__index_level_\d+__")
# A channel with letters or brackets before its number or behind, such as its unit.
_DRESSED = re.compile(r"(\D*?)(\d+\.?\d*)(\D*|[ _.(\[]*(?:cm\W{0,2}1|1/cm)[)\]]?)")
_DECIMAL_COMMA = re.compile(r"(\D*\d+),(\d+)(\D*)")
_THOUSANDS = re.compile(r"([1-9]\d?(?:[,'’\s]\d{3})+)(\.\d+)?")
_POINT_THOUSANDS = re.compile(r"[1-9]\d?\.\d{3}")
MIN_CHANNELS, _MIN_AXIS = 5, 100


def plain_columns(path, names, first_cells=(), axis_unit=None):
    """The columns of a table as those of a plain spectral table, pairs of name here and column, and notes on others.

    names : of the columns; one that is empty is left out; first_cells : some of the first column, as text
    axis_unit : as in `read_table`; None for a table of contents alone
    Raises TableError where no column can name the samples, or more than one, and for names of channels in doubt.
    """
    channels, notes = {}, []
    if axis_unit is not None:
        _refuse_thousands(path, names)
        channels, notes = _channels(path, names, axis_unit)
        _refuse_turned(path, names, first_cells, channels)
    sample_id, of_id = _sample_id(path, names, first_cells, channels)
    nameless = [at for at, name in enumerate(names) if name and NAMELESS.fullmatch(name) and name != sample_id]
    if nameless and nameless[-1] > 0:
        raise TableError(f"{path}: column {nameless[-1] + 1} has no name of its own ({names[nameless[-1]]}); name it")
    if NAMELESS.fullmatch(names[0]) and sample_id != names[0] and any(first_cells):
        notes.append("the first column, which has no name, is left out")
    rest = [(channels.get(name, name), name) for name in names if not NAMELESS.fullmatch(name) and name != sample_id]
    return [("sample_id", sample_id), *rest], [*notes, *of_id]


def is_id_name(name):
    """Whether a column could name the samples."""
    return name == "sample_id" or bool(_ID_NAMES.fullmatch(_letters(name)))


def has_ids(names):
    """Whether a column could name the samples: by its name, or the first without one."""
    return bool(NAMELESS.fullmatch(names[0])) or is_ossl(names) or any(map(is_id_name, names))


def has_channels(names):
    """Whether some columns could be channels, whatever their names hold beside a number."""
    dressed = [match for name in names if (match := _DRESSED.fullmatch(name)) and float(match[2]) >= _MIN_AXIS]
    return len(dressed) >= MIN_CHANNELS or is_ossl(names) or any(map(CHANNEL_NAME.fullmatch, names))


def _letters(name):
    return re.sub("[^a-z0-9]", "", name.lower())


def _sample_id(path, names, first_cells, channels):
    """The column that names the samples, and a note where it has another name than sample_id."""
    if "sample_id" in names:
        return "sample_id", []
    ids = [name for name in names if name not in channels and is_id_name(name)]
    if not ids and NAMELESS.fullmatch(names[0]) and any(first_cells):
        return names[0], ["the first column, which has no name, names the samples"]
    if len(ids) == 1:
        return ids[0], [f"column {ids[0]} names the samples"]
    if ids:
        raise TableError(
            f"{path}: no column sample_id; {', '.join(ids[:-1])} and {ids[-1]} could name the samples: rename one of "
            "them to sample_id"
        )
    if channels and not _in_order(channels.values()):
        raise TableError(
            f"{path}: row 1 looks like data, the header is missing; "
            "name the columns sample_id, properties with unit, channels in nm or 1/cm"
        )
    few = ", ".join([name[:40] for name in names if name and name not in channels][:8]) or "channels alone"
    raise TableError(f"{path}: no column sample_id; add one with a name for every sample, or rename one ({few})")


def _in_order(numbers):
    """Whether numbers, or their texts, all rise or all fall."""
    steps = [float(after) - float(before) for before, after in pairwise(numbers)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


# --- channels -----------------------------------------------------------------------------------------------


def _channels(path, names, axis_unit):
    """Columns that are channels, {column: number as text}, and a note where their names hold more than it."""
    kinds, bare = {}, {}
    for name in dict.fromkeys(names):
        point = _DECIMAL_COMMA.sub(r"\1.\2\3", name) if _DECIMAL_COMMA.fullmatch(name) else name
        if CHANNEL_NAME.fullmatch(point):
            bare[name] = point
        elif (match := _DRESSED.fullmatch(point)) and float(match[2]) >= _MIN_AXIS and match[1] not in ("-", "+"):
            kinds.setdefault((match[1], match[3]), {})[name] = match[2]
    kinds = {kind: dressed for kind, dressed in kinds.items() if len(dressed) >= MIN_CHANNELS}
    if bare:
        kinds = {kind: dressed for kind, dressed in kinds.items() if _in_order(dressed.values())}
    if len(kinds) + bool(bare) > 1:
        first, second = [next(iter(channels)) for channels in ([bare] if bare else []) + [*kinds.values()]][:2]
        words = "name all by their number alone, or delete those of one kind"
        raise TableError(f"{path}: channels are named in two ways, as {first} and as {second}; {words}")
    if not kinds:
        return bare, []
    (((before, behind), dressed),) = kinds.items()
    unit = "cm-1" if re.search("cm.{0,2}1|1/cm", before + behind) else "nm" if "nm" in (before + behind).lower() else ""
    if unit and unit != axis_unit:
        raise TableError(
            f"{path}: channels such as {next(iter(dressed))} are in {unit}, and {axis_unit} is declared; declare {unit}"
        )
    places = (("begin with", before), ("end in", behind.lstrip(" _.")))
    words = " and ".join(f"{place} {word!r}" for place, word in places if word)
    return dressed, [f"names of channels {words}: the number in them is read"]


def _refuse_thousands(path, names):
    """Raises TableError for numbers with a thousands separator among the names of channels."""
    grouped = [name for name in names if _THOUSANDS.fullmatch(name)]
    # A point may also be that of a decimal.
    if not grouped and any(re.fullmatch(r"\d{3}(\.\d+)?", name) for name in names):
        grouped = [name for name in names if _POINT_THOUSANDS.fullmatch(name)]
    if grouped:
        plain = re.sub(r"[,'’\s]", "", grouped[0])
        plain = plain.replace(".", "") if _POINT_THOUSANDS.fullmatch(grouped[0]) else plain
        raise TableError(thousands_words(path, grouped, plain))


def thousands_words(path, names, plain):
    """The line on channels with a thousands separator; plain : the first of them without it."""
    shown = ", ".join(names[:3])
    return (
        f"{path}: the channels {shown} look like numbers with a thousands separator; write them without it, as {plain}"
    )


# --- tables turned round --------------------------------------------------------------------------------


def _refuse_turned(path, names, first_cells, channels):
    """Raises TableError where the wavelengths stand in the first column, a column a sample."""
    axis = [cell for cell in first_cells if CHANNEL_NAME.fullmatch(cell)]
    named = bool(_AXIS_NAMES.fullmatch(_letters(names[0])))
    is_axis = len(axis) >= MIN_CHANNELS and min(map(float, axis)) >= _MIN_AXIS and _in_order(axis)
    if not (is_axis and 2 * len(axis) > len(first_cells)) and not (named and axis and not channels):
        return
    counted = is_id_name(names[0]) and all(float(after) - float(before) == 1 for before, after in pairwise(axis))
    described = any(name in SAMPLE_COLUMNS[1:] or unit_suffix(name) for name in names)
    no_samples = not channels and not described and not counted
    no_id = names[0] != "" and not any(map(is_id_name, names))
    if named or is_numbered(np.array([*channels.values()], dtype=float)) or no_samples or no_id:
        raise TableError(
            f"{path}: the wavelengths or wavenumbers stand in the first column ({', '.join(axis[:3])} ...), "
            + (
                "a single spectrum beside them; make a table of such files with spectrakit convert"
                if len(names) == 2
                else "a column a sample; turn the table round, so that it has a row a sample and a column a channel"
            )
        )
