"""Does every chapter of the book run? A chapter is run again only when something it reads has changed."""

from pathlib import Path

import pytest

from tools.executor import run_chapter
from tools.layout import Layout

LAYOUT = Layout(Path(__file__).parents[1])


@pytest.mark.parametrize("chapter", LAYOUT.chapters(), ids=lambda chapter: chapter.stem)
def test_chapter_runs(chapter):
    report = run_chapter(LAYOUT, chapter)
    assert report is None, report
