"""Units and limits of contents, and the scale on which models are fitted to them."""

import numpy as np

# Physical limits, g/kg: organic matter is at most 58 % carbon, the factor of 1.724.
MAX_CARBON, MAX_ORGANIC_MATTER = 580.0, 1000.0
# Of mass, as the simulator has it in g/kg.
MAX_CARBON_SHARE = MAX_CARBON / 1000
_CARBON = ("c", "tc", "oc", "soc", "toc")
# Units that are shares of mass, by what the whole is in them.
_WHOLE = {"%": 100.0, "wt %": 100.0, "g/kg": 1000.0, "ppm": 1e6, "mg/kg": 1e6}

# Ending of a property's name: unit as printed, smallest and largest value that nature allows. The most acid soils,
# oxidised sulphides, are near pH 1.5, sodic ones reach 11 (Essington, Soil and Water Chemistry, 2015).
UNITS = {
    "ph": ("pH", 1, 13),
    "wt_pct": ("wt %", 0, 100),
    "pct": ("%", 0, 100),
    "ppm": ("ppm", 0, 1e6),
    "g_kg": ("g/kg", 0, 1000),
    "mg_kg": ("mg/kg", 0, 1e6),
    "cmol_kg": ("cmol/kg", 0, 1000),
    "ms_m": ("mS/m", 0, 1e5),
    "ds_m": ("dS/m", 0, 1e3),
    "g_cm3": ("g/cm3", 0, 5),
}
# What soils rarely have, though nature allows it.
USUAL_PH = (2.5, 11.5)

# Numbers that stand for 'not measured': nines, and the ends of what a computer stores. A pH of 0 is one too.
_CODES = np.array([sign * (10.0**n - 1) for n in range(2, 10) for sign in (-1, 1)])
_CODES = np.concatenate([_CODES, [-99.9, -99.99, -999.9, -999.99, -9999.9, -9999.99, -32768, -(2.0**31)]])
_BEYOND_NUMBERS = 1e20


def is_code(values, name=""):
    """Mask of the values that are written where nothing was measured, such as -9999, 9999 or -1.23e34.

    values : of any shape; name : of a property. Whether a property can have 999 as a content, its limits say.
    """
    values = np.asarray(values, dtype=float)
    codes = np.isin(np.round(values, 2), _CODES) | (np.abs(values) >= _BEYOND_NUMBERS)
    return codes | (values == 0) if unit_suffix(name) == "ph" else codes


def not_measured(values, contents, name):
    """Masks (n,) of the contents that are codes for 'not measured', and of others that nature does not allow.

    values : (n,) as they stand in the file; contents : (n,) in the unit of the name
    Of a property without a unit only what is negative or beyond all numbers counts as a code.
    """
    code, suffix = is_code(values, name), unit_suffix(name)
    if suffix is None:
        return code & ((values < 0) | (values > _BEYOND_NUMBERS)), np.zeros(len(values), bool)
    _, low, high = UNITS[suffix]
    outside = (contents < low) | (contents > high)
    return outside & code, outside & ~code


def split_unit(name):
    """Property and unit in a column name: 'ca_ppm' gives ('ca', 'ppm'), 'ca' gives ('ca', None)."""
    suffix = unit_suffix(name)
    if suffix is None:
        return name, None
    return name[: -len(suffix)].rstrip("_") or name, UNITS[suffix][0]


def unit_suffix(name):
    """The longest unit of `UNITS` that a column name ends in, in letters of either case, or None."""
    fitting = [unit for unit in UNITS if name.lower() == unit or name.lower().endswith(f"_{unit}")]
    return max(fitting, key=len, default=None)


def content_limits(target):
    """The lowest and the highest content that a property can have, by its name and the unit that this ends in.

    Carbon (c, tc, oc, soc, toc) at most 58 % of the mass, other shares of mass at most the whole, amounts in another
    unit at least 0; pH, and what has no known unit (a logarithm, perhaps), without limits.
    """
    name, unit = split_unit(target)
    if unit is None or unit == UNITS["ph"][0]:
        return (-np.inf, np.inf)
    whole = _WHOLE.get(unit, np.inf)
    return (0.0, MAX_CARBON_SHARE * whole if name in _CARBON else whole)


def offset_log(contents, offset):
    """Logarithms of contents (n,) plus what `log_offset` gives, or the contents where that is None."""
    return contents if offset is None else np.log(np.asarray(contents) + offset)


def offset_exp(scaled, offset, limits):
    """Contents (n,), inside the limits, of what `offset_log` made of them or a model predicts on that scale."""
    if offset is not None:
        with np.errstate(over="ignore"):  # beyond any number is beyond the limit
            scaled = np.exp(scaled) - offset
    return np.clip(scaled, *limits)


def content_deviation(deviation, contents, offset):
    """A deviation on the scale of `offset_log`, taken back to each of (n,) contents."""
    return deviation * (np.ones(len(contents)) if offset is None else contents + offset)


def log_offset(contents, limits):
    """What is added to contents (n,) before a logarithm, a tenth of their median or, where that is 0, of their mean.

    None, for no logarithm, where the lowest content is not 0.
    """
    return float(np.median(contents) or np.mean(contents)) / 10 if limits[0] == 0 else None
