"""The sentences that folded cells of chapters make."""

import ast
from pathlib import Path

import jupytext
import pandas as pd

from spectrakit import teaching

BOOK = Path(__file__).parents[2] / "book"


def sentence_of(chapter, words, **names):
    """The sentence that a folded cell of a chapter makes, or 'refused: ' and which claim the numbers contradict.

    names : replace what the cell assigns to them
    """
    cells = jupytext.read(BOOK / f"{chapter}.py", fmt="py:percent").cells
    (cell,) = [cell for cell in cells if cell.cell_type == "code" and words in cell.source]
    assert cell.metadata["tags"] == ["hide-input"]
    *steps, last = ast.parse(cell.source).body
    steps = [step for step in steps if not (isinstance(step, ast.Assign) and ast.unparse(step.targets[0]) in names)]
    names |= {"teaching": teaching, "pd": pd}
    try:
        exec(compile(ast.Module(steps, []), chapter, "exec"), names)
        return eval(compile(ast.Expression(last.value), chapter, "eval"), names).data
    except teaching.ClaimError as claim:
        return f"refused: {claim}"
