"""The folder `work/`: copies of the notebooks for JupyterLab, which nothing overwrites."""

import re
from datetime import datetime

from tools.site.layout import Layout
from tools.site.pairs import EDITED, notebook_state, notebook_text

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
    texts = {f"{name}.ipynb": notebook_text(source) for name, source in sources.items()}
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
    chapters = [f"{int(name[:2])}. [{_title(source)}]({name}.ipynb)" for name, source in sources.items()]
    return notebook_text(
        "# %% [markdown]\n" + "".join(f"# {line}\n" for line in [*WELCOME.splitlines(), "", *chapters])
    )


def _title(source):
    """The first heading of a chapter."""
    return re.search(r"^# # (.+)$", source, re.MULTILINE).group(1)
