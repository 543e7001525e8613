"""An assignment: the exercises of a chapter, what they need to run, and data drawn by a seed."""

import ast
import json
import re
import zipfile

from spectrakit.files import written_whole
from tools.site.lab import lab_notebook
from tools.site.layout import BookError
from tools.site.pairs import notebook_text
from tools.site.publisher import edition_cells

_DRAW = re.compile(r"\b(random_state=|seed=|default_rng\()(\d+)")
_MARK = re.compile(r"`{3,}\{exercise-(start|end)\}")
_ABOUT = """\
# Assignment to chapter {number}: {title}

Draw {seed}. Run all cells from the top, give each answer in the cell that sets it to `None`, and run its check.
The written exercise has a cell at the end. Save the notebook as `NAME.ipynb`, your name or number, and hand that in.
"""
_WRITTEN = "*Your answer to the written exercise: replace this sentence.*"
_README = """\
Open {name} in JupyterLab with SpectraKit installed (in its folder: `make lab`, then upload the notebook).
Save it as NAME.ipynb, with your name or number for NAME, and hand in that file alone.
"""


def assignment_notebook(layout, number, seed=0):
    """Text of the notebook of an assignment, without solutions.

    number : of the chapter; seed : added to every seed of its cells, so that 0 draws the data of the book
    Raises BookError for a chapter that does not exist or has no exercises.
    """
    chapter = chapter_of(layout, number)
    source = chapter.read_text(encoding="utf-8")
    cells = edition_cells(json.loads(notebook_text(source))["cells"], "student", chapter.stem)
    kept = _with_what_they_need(_marked(cells))
    if not kept:
        raise BookError(f"Chapter {number} has no exercises.")
    for cell in kept:
        if cell["cell_type"] == "code":
            text = _DRAW.sub(lambda found: f"{found[1]}{int(found[2]) + seed}", "".join(cell["source"]))
            cell["source"] = text.splitlines(True)
    title = re.search(r"^# # (.+)$", source, re.MULTILINE)[1]
    about = _ABOUT.format(number=number, title=title, seed=seed)
    kept = [_text_cell("about", about), *kept, _text_cell("written", _WRITTEN)]
    return lab_notebook(chapter.stem, kept)


def write_assignment(layout, number, seed=0):
    """Write `build/assignment-NUMBER-SEED.zip`: the notebook and how to hand it in; returns its path."""
    text = assignment_notebook(layout, number, seed)
    name = f"assignment-{number}-{seed}"
    layout.build.mkdir(exist_ok=True)
    target = layout.build / f"{name}.zip"
    with written_whole(target) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/{name}.ipynb", text)
        archive.writestr(f"{name}/README.txt", _README.format(name=f"{name}.ipynb"))
    return target


def chapter_of(layout, number):
    """Source of the chapter of a number. Raises BookError where there is none."""
    found = [chapter for chapter in layout.chapters() if int(chapter.stem[:2]) == number]
    if not found:
        raise BookError(f"There is no chapter {number}: give the number of one as the book shows it.")
    return found[0]


def _text_cell(name, text):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(True)}


def _marked(cells):
    """Pairs of a cell and whether it belongs to an exercise."""
    inside = False
    for cell in cells:
        mark = _MARK.search("".join(cell["source"])) if cell["cell_type"] == "markdown" else None
        yield cell, inside or mark is not None
        inside = mark[1] == "start" if mark else inside


def _with_what_they_need(marked):
    """The exercises' cells and, before them, the cells that set what they read."""
    kept, needed = [], set()
    for cell, is_exercise in reversed(list(marked)):
        text = "".join(cell["source"])
        sets, reads = _names(text if cell["cell_type"] == "code" else "")
        if is_exercise:
            kept.append(cell)
        elif sets & needed:
            kept.append(cell | {"source": _without_result(text).splitlines(True)})
        else:
            continue
        needed |= reads
    return kept[::-1]


def _names(text):
    """Names that the code of a cell sets or changes, and those that it reads."""
    sets, reads = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            (reads if isinstance(node.ctx, ast.Load) else sets).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            sets.add(node.name)
        elif isinstance(node, ast.alias):
            sets.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
            sets |= {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
    return sets, reads


def _without_result(text):
    """The code of a cell without the expression at its end: a figure, a table or a sentence."""
    last = ast.parse(text).body[-1]
    lines = text.splitlines(True)
    return "".join(lines[: last.lineno - 1]).rstrip() if isinstance(last, ast.Expr) else text
