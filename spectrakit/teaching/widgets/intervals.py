"""Explorer of imputed values: how many are accepted, and how good they are, by the width of their intervals."""

import numpy as np

from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series

N_WIDTHS = 40
LEVEL = 0.9
_CAPTION = (
    "Looked up in the recorded run, where the truth is known. Every value whose interval is wider is left out; what "
    "was measured stays in any case."
)


def accept_or_refuse(acceptance, names):
    """Explorer of a recorded table: choose a property and the widest interval to accept, see what is filled then.

    acceptance : DataFrame with target, width_g_kg, filled, rmse, coverage and cells, as the study records it; a chosen
        width stands for the widest recorded one that is not above it
    names : {target: name of the property}
    """
    tables = [acceptance[acceptance["target"] == target].sort_values("width_g_kg") for target in names]
    shares = np.unique(np.concatenate([table["filled"] for table in tables]))
    widths = _round_widths(acceptance[acceptance["target"].isin(names)]["width_g_kg"])
    # The share that each chosen width fills; NaN where even the narrowest interval is wider.
    filled = [
        np.append(np.nan, table["filled"])[np.searchsorted(table["width_g_kg"], widths, side="right")]
        for table in tables
    ]
    is_chosen = np.array(filled)[:, :, None] == shares

    def series(column, factor=1):
        lines = [np.interp(shares, table["filled"], factor * table[column], left=np.nan) for table in tables]
        lines = np.array(lines)[:, None]
        chosen = np.where(is_chosen, lines, np.nan)
        return Series("any threshold", lines), Series("your threshold", chosen, "points")

    level = Series("asked for", np.full((1, 1, len(shares)), 100 * LEVEL))
    panels = [
        ("Widest interval", "Width (g/kg)", series("width_g_kg")),
        ("Error of what is filled", "RMSE (g/kg)", series("rmse")),
        (f"Coverage of the {LEVEL:.0%} intervals", "Inside (%)", (*series("coverage", 100), level)),
        ("Cells of one degree with a value", "Cells", series("cells")),
    ]
    panels = [Panel(title, 100 * shares, "Gaps filled (%)", label, each, (), "each") for title, label, each in panels]
    controls = (
        Control("Property", tuple(names), text=tuple(names.values())),
        Control(f"Widest {LEVEL:.0%} interval that is accepted", widths, "g/kg"),
    )
    question = "What does a stricter rule buy, and what does it cost?"
    answers = [[_answer(table, width) for width in widths] for table in tables]
    start = [0, int(np.searchsorted(widths, np.median(widths)))]
    return Explorer(controls, panels, _CAPTION, start, question, answers)


def _answer(table, width):
    """What a threshold fills, and how good it is, as a sentence; table : of one property, by rising width."""
    chosen = table[table["width_g_kg"] <= width]
    if chosen.empty:
        return "No interval is so narrow: nothing is filled."
    row = chosen.iloc[-1]
    return (
        f"{row['filled']:.0%} of the gaps are filled, with an RMSE of {row['rmse']:.3g} g/kg; {row['coverage']:.0%} of "
        f"the {LEVEL:.0%} intervals hold the truth, and {row['cells']:,.0f} cells of one degree have a value."
    )


def _round_widths(widths):
    """Widths to choose from, evenly spread on a logarithmic scale, two digits each: (n,) ascending."""
    spread = np.geomspace(widths.min(), widths.max(), N_WIDTHS)
    rounded = [float(f"{width:.2g}") for width in spread[:-1]]
    return np.unique([*rounded, float(np.ceil(widths.max()))])
