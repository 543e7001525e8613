"""How is the book made? One command a step: sync, check, execute, build."""

import argparse
import sys
from pathlib import Path

from tools.site.executor import execute_chapters, forget_removed_chapters
from tools.site.layout import BookError, Layout
from tools.site.pairs import check_pairs, write_pairs
from tools.site.publisher import EDITIONS, build_site


def main(arguments=None):
    """Run one step on the book below --root; exit code 1 and the reason when the book has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("step", choices=["sync", "check", "execute", "build"])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="reader")
    options = parser.parse_args(arguments)
    layout = Layout(options.root.resolve())
    try:
        _take(options.step, layout, options.edition)
    except BookError as fault:
        sys.exit(f"{fault}")


def _take(step, layout, edition):
    if step == "sync":
        for path in write_pairs(layout):
            print(f"wrote {layout.name_of(path)}")
        return
    check_pairs(layout)
    if step == "check":
        return
    execute_chapters(layout)
    forget_removed_chapters(layout)
    if step == "build":
        print(f"The book is at {build_site(layout, edition)}")


if __name__ == "__main__":
    main()
