"""Tables that scroll on a narrow page, with coloured verdicts."""

import hashlib
import re
from html import escape

import pandas as pd
from IPython.display import HTML
from pandas.io.formats.style import Styler

from spectrakit.ledger import inconsistencies_frame

# Background and text of a cell that ends in a verdict; both are set, so that it reads the same on light and dark pages.
# The backgrounds are so different that the colour-blind can distinguish the parts of a bar.
VERDICT_COLOURS = {
    "agrees": ("#98DABC", "#0B3B28"),
    "same direction": ("#BCD6F5", "#0B3050"),
    "differs": ("#F5B58C", "#5A2006"),
    "cannot be assessed": ("#F2F3F4", "#2B3138"),
}
_STYLES = [
    # The theme gives all columns one width; here short cells do not break and long ones do.
    {"selector": "", "props": "border-collapse: collapse; margin: 0; table-layout: auto;"},
    {"selector": "caption", "props": "caption-side: top; text-align: left; padding-bottom: 0.4em; color: inherit;"},
    {"selector": "th, td", "props": "text-align: left; vertical-align: top; padding: 0.3em 0.7em;"},
    {"selector": "td", "props": "white-space: nowrap;"},
]
_BREAKING = "white-space: normal; min-width: 10em;"


def show_table(frame, caption, formats=None, wide=()):
    """A frame as a table without its index, which scrolls where the page is narrow.

    frame : its columns are the headings; cells that end in a verdict of the ledger are coloured
    formats : column to format string, such as {'R²': '{:.2f}'}; missing values show as a dash
    wide : columns of long text, which may break into lines; a table with such columns shows each row as a card on the
        site where the screen is narrow
    Returns an IPython HTML object. Raises ValueError for a column without a heading.
    """
    if any(not str(column).strip() for column in frame.columns):
        raise ValueError("every column of a table needs a heading")
    name = hashlib.sha256(f"{caption}{frame.to_csv()}".encode()).hexdigest()[:8]  # the same page every time
    breaking = [{"selector": f"td.col{frame.columns.get_loc(column)}", "props": _BREAKING} for column in wide]
    table = (
        Styler(frame.reset_index(drop=True), uuid=name, cell_ids=False)
        .hide(axis="index")
        .format(formats, na_rep="–", escape="html")
        .format_index(escape="html", axis="columns")
        .map(_verdict_style)
        .set_caption(escape(caption))
        .set_table_styles(_STYLES + breaking)
        .to_html(table_attributes='class="cards"' if wide else None)
    )
    if wide:
        table = _with_labels(table, frame.columns)
    region = f'role="region" aria-label="{escape(caption)}" tabindex="0"'
    return HTML(f'<div {region} style="overflow-x: auto; margin-bottom: 1.2em;">{table}</div>')


def _with_labels(table, columns):
    """A table whose cells carry the name of their column, for a style sheet that shows rows as cards."""
    return re.sub(
        r'<td( id="\w+")? class="data row\d+ col(\d+)',
        lambda cell: f'<td data-label="{escape(str(columns[int(cell[2])]))}"{cell[0][3:]}',
        table,
    )


def _verdict_style(cell):
    for verdict, (background, text) in VERDICT_COLOURS.items():
        if isinstance(cell, str) and cell.endswith(verdict):
            return f"background-color: {background}; color: {text};"
    return ""


def ledger_table(rows, caption, wide=("Claim", "Why")):
    """Claim, verdict, both sides and the reason of some rows of a ledger, as of `ledger.ledger_frame`."""
    unit = rows["unit"].map(lambda text: f", {text}" if text else "")
    claim = (rows["element"] + " " + rows["what"] + unit).str.strip()
    shown = {"Claim": claim, "Verdict": rows["verdict"]}
    for heading, side in (("Published", "published"), ("Ours", "ours")):  # lists as text
        shown[heading] = rows[side].str.replace(r"[\[\]']", "", regex=True)
    return show_table(pd.DataFrame(shown | {"Why": rows["why"]}), caption, wide=wide)


def findings_table(study, standing, caption):
    """What does or does not agree inside a paper, with its reasons: contradictions, what is unclear, or what fits."""
    rows = inconsistencies_frame(study).query("standing == @standing")
    what = rows["title"] + " (" + rows["where"] + ")"
    shown = pd.DataFrame({"What (where in the paper)": what, "Why": rows["text"]})
    return show_table(shown, caption, wide=list(shown.columns))
