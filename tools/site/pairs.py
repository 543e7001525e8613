"""The notebook of each chapter: made from its source, and left alone once somebody has written in it."""

import hashlib
import json

import jupytext

from tools.site.layout import BookError, Layout

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Beyond bytes that are equal ('current'), a notebook may differ from what its source gives
STALE = "stale"  # because the source has changed since, or because there is no notebook yet
RUN = "run"  # in outputs and metadata only
EDITED = "edited"  # because somebody changed or added a cell


def notebook_text(source):
    """Text of the notebook that belongs to a chapter in the py:percent format.

    The same source always gives the same bytes: a cell's id comes from its source and from how often
    that source stood earlier in the chapter, and no outputs or execution counts are kept.
    """
    cells = jupytext.reads(source, fmt="py:percent").cells
    cells = [_plain_cell(cell, name) for cell, name in zip(cells, _ids(cell.source for cell in cells), strict=True)]
    notebook = {"cells": cells, "metadata": NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _ids(sources):
    ids, seen = [], {}
    for source in map(_without_blanks, sources):
        occurrence = seen[source] = seen.get(source, 0) + 1
        ids.append(hashlib.sha256(f"{occurrence}\n{source}".encode()).hexdigest()[:12])
    return ids


def _without_blanks(source):
    return "\n".join(line.rstrip() for line in source.rstrip().split("\n"))


def _plain_cell(cell, name):
    metadata = dict(cell.metadata)
    # The tags fold a cell in the site or leave its code out; in JupyterLab this does.
    if {"hide-input", "remove-input"} & set(metadata.get("tags", ())):
        metadata["jupyter"] = {"source_hidden": True}
    lines = cell.source.splitlines(keepends=True)
    plain = {"cell_type": cell.cell_type, "id": name, "metadata": metadata, "source": lines}
    if cell.cell_type == "code":
        plain |= {"execution_count": None, "outputs": []}
    return plain


def write_pairs(layout: Layout):
    """Write the notebooks that differ from what their sources give, but for edited ones; returns the paths written."""
    written = []
    for path, text, state in _pairs(layout):
        if state in (STALE, RUN):
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written


def edited_notebooks(layout: Layout):
    """Notebooks with a cell that somebody changed or added, beyond what any version of the source gave."""
    return [path for path, _, state in _pairs(layout) if state == EDITED]


def check_pairs(layout: Layout, allowed=()):
    """Raise BookError unless every pair is equal byte for byte and no notebook stands alone.

    allowed : states of a pair that are no fault, of STALE, RUN and EDITED
    """
    sources = {source.stem for source in layout.chapters()}
    problems = [
        f"{layout.name_of(notebook)} has no source {notebook.stem}.py"
        for notebook in sorted(layout.book.glob("*.ipynb"))
        if notebook.stem not in sources
    ]
    faults = {
        STALE: "is not what its source says",
        RUN: "is not what its source says",
        EDITED: "was changed by hand: move it out of book/ first",
    }
    problems += [
        f"{layout.name_of(path)} {faults[state]}"
        for path, _, state in _pairs(layout)
        if state in faults and state not in allowed
    ]
    if problems:
        raise BookError("\n".join(problems) + "\nRun `make sync` and commit the notebooks.")


def _pairs(layout):
    for source in layout.chapters():
        path, text = source.with_suffix(".ipynb"), notebook_text(source.read_text(encoding="utf-8"))
        yield path, text, notebook_state(path, text)


def notebook_state(path, text):
    """How a notebook differs from `text`; the ids of its cells show whether they are as they were written."""
    if not path.exists():
        return STALE
    if path.read_bytes() == text.encode():
        return "current"
    try:
        ids, cells = _cells(path.read_text(encoding="utf-8"))
    except (ValueError, KeyError, TypeError):  # no notebook any more, as after a merge
        return EDITED
    if cells == _cells(text)[1]:
        return RUN
    return STALE if ids == _ids(cell[1] for cell in cells) else EDITED


def _cells(text):
    """Ids of the cells of a notebook, and their types and sources; empty cells, which JupyterLab adds, do not count."""
    cells = [(cell.get("id"), cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    cells = [cell for cell in cells if cell[2].strip()]
    return [cell[0] for cell in cells], [(kind, _without_blanks(source)) for _, kind, source in cells]
