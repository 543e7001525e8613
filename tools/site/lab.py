"""Notebooks for JupyterLab: the copies in `work/`, which nothing overwrites, and those that lecturers hand out."""

import json
import re
import zipfile
from datetime import datetime

from spectrakit.files import written_whole
from tools.site.layout import Layout, files_below
from tools.site.pairs import EDITED, notebook_state, notebook_text
from tools.site.publisher import build_site, edition_cells

START = "00_start.ipynb"
WELCOME = """\
# Soil spectroscopy with deep learning

These notebooks are your copies: write in them what you like. `make lab` opens them again as you left them, and no
command overwrites them. `make lab FRESH=1` moves them to a folder of their own and makes new ones.
"""


def prepare_lab(layout: Layout, fresh=False):
    """Copy into `work/` the notebooks and pages that are not there yet; returns the path of the start page.

    fresh : first move an existing folder to `work-DATE-TIME`
    """
    if fresh and layout.work.exists():
        aside = layout.root / f"work-{datetime.now():%Y-%m-%d-%H%M%S}"
        layout.work.rename(aside)
        print(f"Your earlier copies are in {layout.name_of(aside)}/")
    layout.work.mkdir(exist_ok=True)
    sources = {chapter.stem: chapter.read_text(encoding="utf-8") for chapter in layout.chapters()}
    texts = {f"{name}.ipynb": _chapter_notebook(name, source) for name, source in sources.items()}
    texts |= {page.name: page.read_text(encoding="utf-8") for page in layout.book.glob("*.md")}
    for name, text in texts.items():
        if not (layout.work / name).exists():
            (layout.work / name).write_text(text, encoding="utf-8", newline="\n")
    start, text = layout.work / START, _start_page(sources)
    if notebook_state(start, text) != EDITED:  # it lists the chapters of today
        start.write_text(text, encoding="utf-8", newline="\n")
    return start


def _start_page(sources):
    """A notebook of one cell, since JupyterLab opens a Markdown file as text."""
    chapters = [
        f"{int(name[:2])}. [{_title(source)}]({name}.ipynb)" for name, source in sources.items() if name[:2] != "00"
    ]
    return notebook_text(
        "# %% [markdown]\n" + "".join(f"# {line}\n" for line in [*WELCOME.splitlines(), "", *chapters])
    )


def _title(source):
    """The first heading of a chapter."""
    return re.search(r"^# # (.+)$", source, re.MULTILINE).group(1)


def hand_out(layout: Layout, edition):
    """Site and notebooks of one edition as a zip file below `build/`, both from the chapters as executed; its path."""
    html = build_site(layout, edition).parent
    name = "student" if edition == "student" else "instructor"
    target = layout.build / f"spectrakit-{name}.zip"
    with written_whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for chapter in layout.chapters():
            text = _chapter_notebook(chapter.stem, chapter.read_text(encoding="utf-8"), edition)
            archive.writestr(f"notebooks/{chapter.stem}.ipynb", text)
        for path in files_below(html):
            archive.write(path, f"site/{path.relative_to(html).as_posix()}")
    return target


# --- what the site makes of directives, in JupyterLab by plain Markdown and HTML -------------------------

_DIRECTIVE = re.compile(r"(`{3,})\{(exercise|solution)-(start|end)\}.*?\n(?:.*?\n)??\1(?=\n|$)\n*", re.DOTALL)
_WARNING = re.compile(r"(`{3,})\{warning\}\n(.*?)\n\1(?=\n|$)", re.DOTALL)
_BOX = '<div class="alert alert-block alert-{}">\n\n{}\n\n</div>'


def _chapter_notebook(name, source, edition="reader"):
    """Text of the notebook of a chapter for JupyterLab; edition : as of `publisher.edition_cells`."""
    return lab_notebook(name, edition_cells(json.loads(notebook_text(source))["cells"], edition, name))


def lab_notebook(name, source_cells):
    """Text of a notebook for JupyterLab: exercises in boxes with their number, solutions folded.

    name : of the chapter, whose number the exercises take; source_cells : those of the book
    """
    notebook = json.loads(notebook_text(""))
    cells, number, inside = [], 0, None
    for cell in source_cells:
        text = "".join(cell["source"])
        starts = _DIRECTIVE.search(text) if cell["cell_type"] == "markdown" else None
        if starts:
            inside = starts[2] if starts[3] == "start" else None
            number += starts[2] == "exercise" and starts[3] == "start"
            before, text = text[: starts.start()].rstrip(), text[starts.end() :].strip()
            cells += [cell | {"id": f"{cell['id']}-before", "source": [before]}] if before else []
        label = f"{int(name[:2])}.{number}" if starts and inside else ""
        if cell["cell_type"] == "code":
            hidden = {"source_hidden": True, "outputs_hidden": True}
            cells.append(cell | {"metadata": {"jupyter": hidden}} if inside == "solution" else cell)
        elif text or (starts and inside):
            cells.append(cell | {"source": _boxed(text, label, inside).splitlines(True)})
    return json.dumps(notebook | {"cells": cells}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _boxed(text, label, inside):
    """Markdown of a cell: an exercise in a box, a solution folded, warnings in boxes.

    label : number of the exercise in its first cell, '' in those that follow
    """
    if inside == "exercise":
        return _BOX.format("info", f"**Exercise {label}.** {text}" if label else text)
    if inside == "solution":
        summary = f"Solution of exercise {label}" if label else "More"
        return f"<details><summary>{summary}</summary>\n\n{text or 'Open the folded cells below.'}\n\n</details>"
    return _WARNING.sub(lambda found: _BOX.format("warning", found[2]), text)
