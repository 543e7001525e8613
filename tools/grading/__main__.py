"""The steps of a class: assignment and grade."""

import argparse
import sys
from pathlib import Path

from tools.grading import grade, write_assignment
from tools.site.layout import BookError, Layout


def main(arguments=None):
    """Write an assignment or grade a folder; exit code 1 and the reason where that cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tools.grading", description=__doc__)
    parser.add_argument("step", choices=["assignment", "grade"])
    parser.add_argument("--chapter", type=int, help="its number in the book")
    parser.add_argument("--seed", type=int, default=0, help="of the data; 0 draws those of the book")
    parser.add_argument("--folder", type=Path, help="grade: the notebooks that came back, NAME.ipynb each")
    parser.add_argument("--without-isolation", action="store_true", help="grade: run them with limits alone")
    options = parser.parse_args(arguments)
    layout = Layout(Path(__file__).resolve().parents[2])
    try:
        if options.chapter is None or (options.step == "grade" and not options.folder):
            raise BookError("make assignment CHAPTER=2 SEED=7, or make grade FOLDER=... CHAPTER=2 SEED=7")
        if options.step == "assignment":
            print(f"The assignment is {layout.name_of(write_assignment(layout, options.chapter, options.seed))}")
        else:
            isolated = not options.without_isolation
            rows = grade(layout, options.folder, options.chapter, options.seed, isolated)
            print(f"{len(rows)} notebooks graded: points and feedback are in {options.folder / 'graded'}")
    except BookError as fault:
        sys.exit(f"{fault}")


if __name__ == "__main__":
    main()
