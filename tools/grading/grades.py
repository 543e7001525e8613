"""Points for the notebooks of a class: answers from the submissions, keys from a run of our own."""

import contextlib
import io
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pandas as pd

from spectrakit import teaching
from spectrakit.files import written_whole
from spectrakit.teaching import exercises
from tools.grading.apart import MAX_SECONDS, run_apart, sandbox
from tools.grading.assignment import assignment_notebook
from tools.site.layout import BookError

_LONGEST_TEXT = 5000
_RUBRIC = """\
| Part | Points (0 to 2) |
| --- | --- |
| Claim: one sentence that could be wrong | |
| Evidence: a number of the page, with its spread or its count | |
| Alternative: another explanation, and what would tell the two apart | |
| Limits: for which soils or instruments it holds | |
"""


def grade(layout, folder, number, seed=0, isolated=True, seconds=MAX_SECONDS):
    """Grade the notebooks of a folder: `graded/points.csv` in it, and `graded/NAME.md` for each.

    folder : of NAME.ipynb, one a student; number, seed : those of the assignment
    isolated : run them in a sandbox; seconds : limit of time for each
    Returns the rows of the table, dicts. Raises BookError for a folder without notebooks, and without a sandbox.
    """
    notebooks = sorted(folder.glob("*.ipynb")) if folder.is_dir() else []
    if not notebooks:
        raise BookError(f"No notebooks in {folder}: put NAME.ipynb of each student there.")
    isolation = sandbox(layout.root, [folder.resolve(), layout.build]) if isolated else []
    keys = keys_of(assignment_notebook(layout, number, seed))
    target = folder / "graded"
    target.mkdir(exist_ok=True)

    def graded(path):
        cells, written, problem = _read(path)
        outcome = {"answers": {}, "errors": [problem]} if problem else run_apart(cells, layout.root, isolation, seconds)
        row, feedback = _judged(path.stem, keys, outcome, written)
        (target / f"{path.stem}.md").write_text(feedback, encoding="utf-8")
        print(f"  {path.stem}: {row['points']} of {row['of']}{', ' * bool(row['note'])}{row['note']}", flush=True)
        return row

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        rows = list(pool.map(graded, notebooks))
    _write_table(target / "points.csv", rows)
    return rows


def keys_of(text):
    """Right answers of an assignment: {number of the exercise: tuple of keys}, from a run of its own cells."""
    recorded, names = {}, {}

    def record(exercise, answer, **made):
        recorded[exercise] = exercises.answer_keys(exercise, **made)

    with patch.object(teaching, "check", record), contextlib.redirect_stdout(io.StringIO()):
        for cell in _code_cells(json.loads(text)):
            exec(compile(cell, "assignment", "exec"), names)
    return recorded


def _code_cells(notebook):
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _read(path):
    """Code cells and the last text of a submission, and what keeps it from being read."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
        # A check only tells the student what it finds.
        cells = [cell for cell in _code_cells(notebook) if not cell.startswith("teaching.check(")]
        return cells, texts[-1] if texts else "", ""
    except (ValueError, TypeError, KeyError, OSError):
        return [], "", "this file is no notebook"


def _judged(name, keys, outcome, written):
    """The row of a student in the table of points, and the feedback."""
    row, lines = {"student": name}, [f"# {name}", ""]
    for exercise, wanted in keys.items():
        answer = outcome["answers"].get(f"answer_{exercise.replace('.', '_')}")
        problems = exercises.answer_problems(wanted, answer)
        row[exercise] = sum(problem is None for problem in problems)
        told = "; ".join("right" if problem is None else problem for problem in problems)
        lines.append(f"- Exercise {exercise}, {row[exercise]} of {len(problems)}: {_one_line(told)}")
    row |= {"points": sum(row[exercise] for exercise in keys), "of": sum(len(wanted) for wanted in keys.values())}
    row["note"] = _one_line("; ".join(outcome["errors"]))
    lines += [f"- Error: {_one_line(error)}" for error in outcome["errors"]]
    quoted = "".join(f"> {line}\n" for line in written[:_LONGEST_TEXT].splitlines())
    lines += ["", "## Written exercise", "", quoted, _RUBRIC]
    return row, "\n".join(lines)


def _one_line(text):
    return re.sub(r"[\x00-\x1f\x7f]+", " ", text)


def _write_table(path, rows):
    """Write the points as CSV. A text that a spreadsheet would take for a formula gets a quote before it."""
    table = pd.DataFrame(rows).map(lambda value: f"'{value}" if str(value)[:1] in tuple("=+-@") else value)
    with written_whole(path) as part:
        table.to_csv(part, index=False, lineterminator="\r\n")
