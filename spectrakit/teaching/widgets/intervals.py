"""How much of a library is filled, and how well, where an imputed value must have an interval no wider than so much?"""

import numpy as np

from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series

_COLUMNS = ("width_g_kg", "filled", "rmse", "coverage", "cells")
_N_WIDTHS = 40


def accept_or_refuse(acceptance, names, level=0.9):
    """Explorer of a recorded table: choose a property and the widest interval to accept, see what is filled then.

    acceptance : DataFrame with target, width_g_kg, filled, rmse, coverage, cells, as `studies.mir_record` records it;
        a chosen width stands for the widest recorded one that is not above it
    names : {target: name of the property}; level : of the intervals
    Raises ValueError for a column that is missing, and a target without a row.
    """
    missing = [name for name in ("target", *_COLUMNS) if name not in acceptance]
    if missing:
        raise ValueError(f"acceptance lacks the columns {', '.join(missing)}")
    tables = {target: acceptance[acceptance["target"] == target].sort_values("width_g_kg") for target in names}
    empty = [target for target, table in tables.items() if table.empty]
    if empty:
        raise ValueError(f"acceptance has no row of {', '.join(empty)}")
    shares = np.unique(np.concatenate([table["filled"] for table in tables.values()]))
    widths = _round_widths(acceptance[acceptance["target"].isin(names)]["width_g_kg"])
    # Row of the chosen width in each table; -1 where even the narrowest interval is wider.
    rows = {t: np.searchsorted(table["width_g_kg"], widths, side="right") - 1 for t, table in tables.items()}

    def series(column, factor=1):
        line = [np.interp(shares, table["filled"], factor * table[column], left=np.nan) for table in tables.values()]
        chosen = np.full((len(names), len(widths), len(shares)), np.nan)
        for target, found, own in zip(tables.values(), rows.values(), chosen, strict=True):
            places = np.searchsorted(shares, target["filled"].to_numpy())
            for width, row in enumerate(found):
                if row >= 0:
                    own[width, places[row]] = factor * target[column].iloc[row]
        return Series("any threshold", np.array(line)[:, None]), Series("your threshold", chosen, "points")

    promised = Series("asked for", np.full((1, 1, len(shares)), 100 * level))
    panels = [
        ("Widest interval", "Width (g/kg)", series("width_g_kg")),
        ("Error of what is filled", "RMSE (g/kg)", series("rmse")),
        (f"Coverage of the {level:.0%} intervals", "Inside (%)", (*series("coverage", 100), promised)),
        ("Cells of one degree with a value", "Cells", series("cells")),
    ]
    panels = [Panel(title, 100 * shares, "Gaps filled (%)", label, own, (), "each") for title, label, own in panels]
    controls = (
        Control("Property", tuple(names), text=tuple(names.values())),
        Control(f"Widest {level:.0%} interval that is accepted", widths, "g/kg"),
    )
    caption = (
        "Looked up in the recorded run, where the truth is known. Every value whose interval is wider is left out; "
        "what was measured stays in any case."
    )
    return Explorer(controls, panels, caption, start=[0, int(np.searchsorted(widths, np.median(widths)))])


def _round_widths(widths):
    """Widths to choose from, evenly spread on a logarithmic scale, two digits each: (n,) ascending."""
    spread = np.geomspace(widths.min(), widths.max(), _N_WIDTHS)
    rounded = [float(f"{width:.2g}") for width in spread[:-1]]
    return np.unique([*rounded, float(np.ceil(widths.max()))])
