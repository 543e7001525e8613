"""Runs the code of one submission, apart from the grader, and writes down its answers: python runner.py CELLS.

CELLS is a JSON list of the notebook's code cells. On standard output comes one line of JSON after each cell: the
answers so far, as plain values, and the errors. What the cells print is thrown away.
"""

import json
import os
import sys

LONGEST = 10_000  # values of an answer


def plain(value):
    """An answer as JSON can hold it: numbers, texts and lists of them, other things as their text."""
    if hasattr(value, "tolist"):
        value = value.tolist() if getattr(value, "size", 1) <= LONGEST else "too long"
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value[:LONGEST]]
    return value if isinstance(value, (bool, int, float, str, type(None))) else repr(value)[:200]


def answers_of(namespace):
    """The answers among the names that the cells have set."""
    return {name: plain(value) for name, value in list(namespace.items()) if name.startswith("answer_")}


def main(path):
    """Run the cells one after the other; an error ends its cell alone."""
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    from IPython.core.interactiveshell import InteractiveShell

    shell, errors = InteractiveShell.instance(colors="nocolor"), []
    for number, cell in enumerate(cells, start=1):
        result = shell.run_cell(cell)
        error = result.error_before_exec or result.error_in_exec
        errors += [f"code cell {number}: {type(error).__name__}: {error}"[:300]] * (error is not None)
        print(json.dumps({"answers": answers_of(shell.user_ns), "errors": errors}), file=report, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
