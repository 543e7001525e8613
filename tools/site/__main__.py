"""The steps of the book: sync, check, execute, build, hand-out, pdf, and lab."""

import argparse
import sys
from pathlib import Path

from tools.site.browse import print_book
from tools.site.executor import execute_chapters, forget_removed_chapters
from tools.site.lab import hand_out, prepare_lab
from tools.site.layout import BookError, Layout
from tools.site.pairs import EDITED, RUN, check_pairs, edited_notebooks, write_pairs
from tools.site.publisher import EDITIONS, build_site, pages_in_contents


def main(arguments=None):
    """Run one step on the book below --root; exit code 1 and the reason when the book has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("step", choices=["sync", "check", "execute", "build", "hand-out", "pdf", "lab"])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("--edition", choices=sorted(EDITIONS), default="reader")
    parser.add_argument("--fresh", action="store_true", help="lab: keep the copies aside and make new ones")
    options = parser.parse_args(arguments)
    layout = Layout(options.root.resolve())
    try:
        _take(options.step, layout, options)
    except BookError as fault:
        sys.exit(f"{fault}")


def _take(step, layout, options):
    if step == "sync":
        _sync(layout)
    elif step == "check":
        check_pairs(layout)
    elif step == "lab":
        print(f"Your copies are in {layout.name_of(prepare_lab(layout, options.fresh).parent)}/")
    else:
        _make(step, layout, options.edition)


def _sync(layout):
    for path in write_pairs(layout):
        print(f"wrote {layout.name_of(path)}")
    for path in edited_notebooks(layout):
        name = layout.name_of(path)
        print(f"{name} was changed by hand and is left alone. Move it out of book/ and run `make sync` for a new one.")


def _make(step, layout, edition):
    check_pairs(layout, allowed=(RUN, EDITED))
    for path in edited_notebooks(layout):
        name = layout.name_of(path)
        print(f"{name} was changed by hand and is left alone: the book shows {path.stem}.py.", flush=True)
    execute_chapters(layout)
    forget_removed_chapters(layout)
    if step == "build":
        print(f"The book is at {build_site(layout, edition)}")
    if step == "pdf":
        html = build_site(layout, edition).parent
        target = print_book(html, pages_in_contents(layout), html.with_suffix(".pdf"))
        print(f"The book is in {layout.name_of(target)}")
    if step == "hand-out":
        print(f"Site and notebooks are in {layout.name_of(hand_out(layout, edition))}")


if __name__ == "__main__":
    main()
