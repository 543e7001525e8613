"""Does every chapter of the book run, and do its sentences follow its numbers?

A chapter is run again only when something it reads has changed.
"""

import ast
import json
import re
from functools import reduce
from pathlib import Path

import pandas as pd
import pytest

import spectrakit
from tests.book.sentences import sentence_of
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
    imports = [step for step in ast.parse(source).body if isinstance(step, (ast.Import, ast.ImportFrom))]
    exec(compile(ast.Module(imports, []), chapter.stem, "exec"), names)
    for first, *rest in (pointer.split(".") for pointer in re.findall(r"`([a-z]+(?:\.\w+)+)`", source)):
        if first in names:
            reduce(getattr, rest, names[first])
    paths = re.findall(r"`((?:spectrakit|data|tools|benchmarks)/[\w/.-]+)", source)
    assert [path for path in paths if not (LAYOUT.root / path).exists()] == []


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
    assert said(training_R2=(2, 0.8)).startswith("refused: the text says 'far above'")
    assert said(dead_kernels=(4, 3.0)).startswith("refused: the text says 'more'")


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
    assert said(clay=0.4).startswith("refused: the text says 'better', but 0.4 is below 0.47")


def test_chapter_6_says_what_the_transfer_gains_and_what_untrained_features_give():
    r2 = pd.DataFrame({"resnet_ph_pb": [0.6, 0.5], "resnet_pb": [0.5, 0.5]})
    scales = pd.MultiIndex.from_product([["resnet_ph_pb", "mean", "svm_pb"], ["log", "box-cox"]])
    by_scale = pd.Series([0.56, -0.35, -0.1, -0.04, 0.61, 0.5], scales)
    published = {"difference.resnet_ph_pb.resnet_pb": {"value": 0.47}}

    def said(nothing=0.62, box_cox=-0.35):
        names = {"r2": r2, "published": published, "by_source": pd.Series({"nothing": nothing, "ph": 0.53})}
        changed = by_scale.where(by_scale != -0.35, box_cox)
        return sentence_of("06_lead_transfer", "Starting from pH changes", **names, by_scale=changed)

    text = said()
    assert "on lead by +0.050 on average over 2 rounds; the paper reports +0.47" in text
    assert "give 0.62, more than those that learned pH (0.53)" in text
    assert "of Box and Cox, \u22120.35, worse than the mean of the training soils (\u22120.04)" in text
    assert "give 0.40, less than those that learned pH" in said(nothing=0.4)
    assert "of Box and Cox, 0.20, better than the mean" in said(box_cox=0.2)


def test_exercises_are_checked_by_the_number_that_the_page_gives_them():
    for chapter in LAYOUT.chapters():
        source = chapter.read_text(encoding="utf-8")
        parts = source.split("{exercise-start}")[1:]
        checked = [re.search(r'teaching\.check\(\s*"([\d.]+)",\s*answer_(\d+_\d+)', part) for part in parts]
        for number, match in enumerate(checked, 1):
            if match:
                assert match[1] == f"{int(chapter.stem[:2])}.{number}" == match[2].replace("_", ".")
        assert len(parts) == 0 or (not checked[-1] and all(checked[:-1]))  # the last one is to be written


def test_the_page_for_spectra_of_your_own_reads_measured_ones(shared, tmp_path, monkeypatch):
    class Elsewhere(Layout):
        build = tmp_path

    monkeypatch.setenv("SPECTRAKIT_DATA", str(shared / "real" / "libs"))
    layout, name = Elsewhere(LAYOUT.root), "10_on_your_own_spectra"
    report = run_chapter(layout, LAYOUT.book / f"{name}.py")
    assert report is None, report
    notebook = json.loads((layout.executed / f"{name}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    printed = "".join("".join(output.get("text", output.get("data", {}).get("text/html", ""))) for output in outputs)
    row = re.search(r"<td[^>]*>\s*soils171_counts\s*</td>.*?</tr>", printed, re.DOTALL)[0]
    cells = [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
    assert cells == ["soils171_counts", "171", "-0.6", "Mg", "23 of 124", "77%"]
    assert "AZSC201" in printed and "basalts3" in printed


@pytest.mark.parametrize(
    ("gain", "words"), [(0.05, "The main result does not return: starting"), (0.4, "The main result returns: starting")]
)
def test_ledger_of_gejiu_says_whether_the_main_result_returns(gain, words):
    text = sentence_of(
        "12_ledger_gejiu",
        "The verdict",
        claims=range(10),
        counts={"agrees": 3, "same direction": 2, "differs": 5},
        scores={"resnet_ph_pb": 0.5 + gain, "resnet_pb": 0.5},
        entries={"difference.resnet_ph_pb.resnet_pb": {"value": 0.47}},
        named=pd.Series({"agrees": 1, "differs": 3}),
    )
    assert words in text and f"pH gains {gain:+.3f} in $R^2$, where the paper reports +0.47" in text


@pytest.mark.parametrize(
    ("carbon", "words"), [(0.95, "scores of accuracy come out"), (0.5, "scores of accuracy do not come out")]
)
def test_ledger_of_mir_says_whether_the_scores_come_out(carbon, words):
    published = {"r2.c": {"value": 0.96}, "r2.om": {"value": 0.79}, "settings": {}}
    text = sentence_of(
        "13_ledger_mir",
        "The verdict",
        claims=range(8),
        counts={"agrees": 4, "cannot be assessed": 1},
        entries=published,
        record={"results": {"r2.c": {"value": carbon}, "r2.om": {"value": 0.8}}},
    )
    assert words in text and f"carbon {carbon:.2f} (published 0.96)" in text
    assert "Of 3 entries 1 are things" in text
