"""Units and limits of contents, and the scale on which models are fitted to them."""

import numpy as np

# Physical limits, g/kg: organic matter is at most 58 % carbon, the factor of 1.724.
MAX_CARBON, MAX_ORGANIC_MATTER = 580.0, 1000.0
# Of mass, as the simulator has it in g/kg.
MAX_CARBON_SHARE = MAX_CARBON / 1000
_CARBON = ("c", "tc", "oc", "soc", "toc")
# Units that are shares of mass, by what the whole is in them.
_WHOLE = {"%": 100.0, "wt %": 100.0, "g/kg": 1000.0, "ppm": 1e6, "mg/kg": 1e6}

# Ending of a property's name: unit as printed, smallest and largest value that soils plausibly have.
UNITS = {
    "ph": ("pH", 2.5, 11.5),
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


def split_unit(name):
    """Property and unit in a column name: 'ca_ppm' gives ('ca', 'ppm'), 'ca' gives ('ca', None)."""
    suffix = unit_suffix(name)
    if suffix is None:
        return name, None
    return name.removesuffix(suffix).rstrip("_") or name, UNITS[suffix][0]


def unit_suffix(name):
    """The longest unit of `UNITS` that a column name ends in, or None."""
    fitting = [unit for unit in UNITS if name == unit or name.endswith(f"_{unit}")]
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
