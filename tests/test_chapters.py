"""Does every chapter of the book run? A chapter is run again only when something it reads has changed."""

import json
from pathlib import Path

import pytest

from tools.site.executor import run_chapter
from tools.site.layout import Layout

LAYOUT = Layout(Path(__file__).parents[1])


@pytest.mark.parametrize("chapter", LAYOUT.chapters(), ids=lambda chapter: chapter.stem)
def test_chapter_runs(chapter):
    report = run_chapter(LAYOUT, chapter)
    assert report is None, report


def test_the_first_chapter_reads_measured_spectra(shared, tmp_path, monkeypatch):
    class Elsewhere(Layout):
        build = tmp_path

    monkeypatch.setenv("SPECTRAKIT_DATA", str(shared / "real" / "libs"))
    layout = Elsewhere(LAYOUT.root)
    report = run_chapter(layout, LAYOUT.book / "01_libs_experiment.py")
    assert report is None, report
    notebook = json.loads((layout.executed / "01_libs_experiment.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    printed = "".join("".join(output.get("text", output.get("data", {}).get("text/html", ""))) for output in outputs)
    assert "soils171_counts: 171 spectra of 6669 channels; measured" in printed
    assert "median shift: -0.6 channels" in printed
    assert "Mg window: 23 of 124 channels, saturated in 77% of the samples" in printed
    assert "AZSC201" in printed and "basalts3" in printed
