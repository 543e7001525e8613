"""Does every chapter of the book run, and do its sentences follow its numbers?

A chapter is run again only when something it reads has changed.
"""

import ast
import json
import re
from functools import reduce
from pathlib import Path

import jupytext
import pandas as pd
import pytest

import spectrakit
from spectrakit import teaching
from tools.site.executor import run_chapter
from tools.site.layout import Layout

LAYOUT = Layout(Path(__file__).parents[1])


@pytest.mark.parametrize("chapter", LAYOUT.chapters(), ids=lambda chapter: chapter.stem)
def test_chapter_runs(chapter):
    report = run_chapter(LAYOUT, chapter)
    assert report is None, report


@pytest.mark.parametrize("chapter", LAYOUT.chapters(), ids=lambda chapter: chapter.stem)
def test_the_text_points_at_names_and_files_that_are_there(chapter):
    source = chapter.read_text(encoding="utf-8")
    names = {"spectrakit": spectrakit}
    exec("\n".join(re.findall(r"^(?:import|from) .+", source, re.MULTILINE)), names)
    for first, *rest in (pointer.split(".") for pointer in re.findall(r"`([a-z]+(?:\.\w+)+)`", source)):
        if first in names:
            reduce(getattr, rest, names[first])
    paths = re.findall(r"`((?:spectrakit|data|tools|benchmarks)/[\w/.-]+)", source)
    assert [path for path in paths if not (LAYOUT.root / path).exists()] == []


def sentence_of(chapter, words, **names):
    """The sentence that a folded cell of a chapter makes; `names` replace what the cell assigns to them."""
    cells = jupytext.read(LAYOUT.book / f"{chapter}.py", fmt="py:percent").cells
    (cell,) = [cell for cell in cells if cell.cell_type == "code" and words in cell.source]
    assert cell.metadata["tags"] == ["hide-input"]
    *steps, last = ast.parse(cell.source).body
    steps = [step for step in steps if not (isinstance(step, ast.Assign) and ast.unparse(step.targets[0]) in names)]
    names |= {"teaching": teaching, "pd": pd}
    exec(compile(ast.Module(steps, []), chapter, "exec"), names)
    return eval(compile(ast.Expression(last.value), chapter, "eval"), names).data


READINGS = pd.DataFrame(
    [
        (0.1, 400, False, 4.6, 57.9, 0.95),
        (0.1, 50, False, 4.7, 60.4, 0.12),
        (0.01, 400, False, 2.6, 34.2, 0.24),
        (0.001, 400, False, 1.1, 29.0, 0.03),
        (0.1, 400, True, 6.8, 114.1, 0.74),
        (0.01, 400, True, 1.2, 53.8, 1.00),
    ],
    columns=["rate", "drop after", "contents scaled", "dead kernels", "dead units", "training R²"],
)


def test_chapter_2_says_which_learning_rate_kills_what():
    def said(**changes):
        table = READINGS.copy()
        for column, (row, value) in changes.items():
            table.loc[row, column.replace("_", " ").replace("R2", "R²")] = value
        return sentence_of("02_cnn_regression", "only the leaps of 0.1 arrive", table=table)

    text = said()
    assert "training $R^2$ is 0.95, far above the 0.24 or less of a smaller rate" in text
    assert "cost 4.6 of 8 kernels and 58 of 128 units" in text
    assert "kills more kernels, 6.8, and 114 units" in text
    assert text.endswith(
        "0.01 fits best (1.00); it kills 1.2 kernels, fewer than the leaps in ppm, and 54 units, about as many."
    )
    assert "0.01 fits less well than the best (0.90)" in said(training_R2=(5, 0.9))
    assert "kills 5.0 kernels, more than the leaps in ppm, and 40 units, fewer." in said(
        dead_kernels=(5, 5.0), dead_units=(5, 40.0)
    )
    with pytest.raises(teaching.ClaimError, match="the text says 'far above'"):
        said(training_R2=(2, 0.8))
    with pytest.raises(teaching.ClaimError, match="the text says 'more'"):
        said(dead_kernels=(4, 3.0))


def test_chapter_2_counts_the_scores_that_a_leak_lifts():
    models = ["nearest neighbour", "random forest", "CNN"]
    rows = pd.MultiIndex.from_product([["Ca", "Na"], models, [1, 5, 10]], names=["element", "model", "n_replicates"])
    score = pd.DataFrame({"leaky": 0.9, "grouped": 0.8}, rows)
    score.loc[(slice(None), "nearest neighbour"), "grouped"] = 0.5
    score.loc[("Na", "CNN", 5), "grouped"] = 0.95
    score.loc[(slice(None), "CNN", 10), "leaky"] = float("nan")
    assert sentence_of("02_cnn_regression", "which merely recognises", score=score) == (
        "Replicates that leak across a split lift 5 of 6 scores of the field soils. The nearest neighbour, which "
        "merely recognises a soil, gains 0.40 on average, more than the forest or the network."
    )
    score.loc[(slice(None), "random forest"), "grouped"] = 0.1
    turned = sentence_of("02_cnn_regression", "which merely recognises", score=score)
    assert turned.endswith("gains 0.40 on average, less than the forest or the network.")


def test_chapter_4_says_what_the_other_reading_does_and_which_exercise_asks():
    near = pd.DataFrame({"before": [0.43, 0.34, 0.62], "after": [0.46, 0.36, 0.61]})
    text = sentence_of("04_grad_cam", "After the ReLU the maps hold", near=near)
    assert text.startswith(
        "After the ReLU the maps hold more of their mass near the lines in 2 of 3 tasks, and less in 1."
    )
    turned = sentence_of("04_grad_cam", "After the ReLU the maps hold", near=1 - near)
    assert "in 1 of 3 tasks, and less in 2." in turned
    exercises = (LAYOUT.book / "04_grad_cam.py").read_text(encoding="utf-8").split("# ## Exercises\n")[1]
    assert "[exercise](#exercises)" in text
    assert "compute the maps on the ReLU" in exercises


def test_chapter_5_says_what_the_network_learns_as_well_as_pls():
    table = pd.DataFrame(
        [
            ("organic carbon", 0.80, 0.85),
            ("clay", 0.72, 0.75),
            ("carbonate", 0.71, 0.74),
            ("iron oxides", 0.60, 0.69),
            ("pH", 0.51, 0.47),
            ("hematite", 0.50, 0.51),
        ],
        columns=["Property", "Network", "PLS"],
    )

    def said(alone=0.18, **pls):
        turned = table.assign(PLS=table["PLS"].mask(table["Property"].isin(pls), table["Property"].map(pls)))
        return sentence_of("05_lucas_pretraining", "keeps up with PLS", table=turned, alone=alone)

    assert said() == (
        "PLS reads each of the four constituents with an $R^2$ of 0.69 or more, better than pH with 0.47. The network "
        "keeps up with PLS in pH and hematite and stays behind it in 4 of 6 properties. It learns pH better than the "
        "network that learned nothing else: 0.51, against 0.18."
    )
    assert "keeps up with PLS in pH and stays behind it in 5 of 6" in said(hematite=0.6)
    assert "keeps up with PLS in none and stays behind it in 6 of 6" in said(hematite=0.6, pH=0.6)
    assert "It learns pH less well than the network that" in said(alone=0.7)
    with pytest.raises(teaching.ClaimError, match=r"the text says 'better', but 0\.4 is below 0\.47"):
        said(clay=0.4)


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
