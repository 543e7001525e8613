"""Does each committed notebook say exactly what its chapter's source says?"""

import hashlib
import json

import jupytext

from tools.site.layout import BookError, Layout

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook_text(source):
    """Text of the notebook that belongs to a chapter in the py:percent format.

    The same source always gives the same bytes: a cell's id comes from its source and from how often
    that source stood earlier in the chapter, and no outputs or execution counts are kept.
    """
    cells, seen = [], {}
    for cell in jupytext.reads(source, fmt="py:percent").cells:
        occurrence = seen[cell.source] = seen.get(cell.source, 0) + 1
        cells.append(_plain_cell(cell, occurrence))
    notebook = {"cells": cells, "metadata": NOTEBOOK_METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _plain_cell(cell, occurrence):
    digest = hashlib.sha256(f"{occurrence}\n{cell.source}".encode()).hexdigest()
    plain = {
        "cell_type": cell.cell_type,
        "id": digest[:12],
        "metadata": dict(cell.metadata),
        "source": cell.source.splitlines(keepends=True),
    }
    if cell.cell_type == "code":
        plain |= {"execution_count": None, "outputs": []}
    return plain


def write_pairs(layout: Layout):
    """Write the notebook of every chapter whose pair is stale; returns the paths written."""
    written = []
    for path, text in _stale_pairs(layout):
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def check_pairs(layout: Layout):
    """Raise BookError unless every pair is equal byte for byte and no notebook stands alone."""
    sources = {source.stem for source in layout.chapters()}
    problems = [
        f"{layout.name_of(notebook)} has no source {notebook.stem}.py"
        for notebook in sorted(layout.book.glob("*.ipynb"))
        if notebook.stem not in sources
    ]
    problems += [f"{layout.name_of(path)} is not what its source says" for path, _ in _stale_pairs(layout)]
    if problems:
        raise BookError("\n".join(problems) + "\nRun `make sync` and commit the notebooks.")


def _stale_pairs(layout):
    for source in layout.chapters():
        path, text = source.with_suffix(".ipynb"), notebook_text(source.read_text(encoding="utf-8"))
        if not path.exists() or path.read_bytes() != text.encode():
            yield path, text
