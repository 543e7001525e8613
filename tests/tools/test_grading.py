"""Do assignments follow their seed, and does a hostile submission cost only itself?"""

import csv
import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks.grading import HOSTILE, graded_class, submission
from tools.grading import apart, assignment_notebook, write_assignment
from tools.grading.__main__ import main
from tools.grading.grades import keys_of
from tools.site.layout import Layout

LAYOUT = Layout(Path(__file__).parents[2])


def code_of(text):
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def assignment():
    return assignment_notebook(LAYOUT, 2, seed=7)


def test_an_assignment_holds_the_exercises_what_they_need_and_no_solution(assignment):
    code = "\n".join(code_of(assignment))
    assert [f"answer_2_{n} = None" in code for n in (1, 2, 3)] == [True] * 3
    assert "n_folds=10, n_repeats=1, random_state=7" in code and "random_state=0" not in code
    for absent in ("solution", "twins", "66,025", "teaching.sentence", "plt."):
        assert absent not in assignment
    assert "Exercise 2.4" in assignment and "Your answer to the written exercise" in assignment


def test_keys_follow_the_seed():
    for seed in (0, 3):
        drawn = np.random.default_rng(7 + seed).uniform(7000, 9500)  # the temperature that chapter 1 hides
        (key,) = keys_of(assignment_notebook(LAYOUT, 1, seed))["1.1"]
        assert key.value == pytest.approx(drawn, rel=0.03)


def test_the_zip_file_says_how_to_hand_in(tmp_path):
    class Elsewhere(Layout):
        build = tmp_path

    with zipfile.ZipFile(write_assignment(Elsewhere(LAYOUT.root), 2, 7)) as archive:
        assert archive.namelist() == ["assignment-2-7/assignment-2-7.ipynb", "assignment-2-7/README.txt"]
        assert "NAME.ipynb" in archive.read("assignment-2-7/README.txt").decode()


@pytest.fixture(scope="module")
def graded(assignment, tmp_path_factory):
    """A folder of one good submission, six hostile ones and a file that is no notebook, graded."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    folder = tmp_path_factory.mktemp("class")
    (folder / "bea.ipynb").write_text("no notebook")
    (folder / "=ada.ipynb").write_text(submission(assignment, answer_2_1="66025", answer_2_3="1.0"))
    rows, deserved = graded_class(folder, n_honest=1, n_hostile=len(HOSTILE), seconds=20)
    return folder, rows, deserved


def test_a_hostile_submission_costs_only_itself(graded):
    folder, rows, deserved = graded
    assert {name: rows[name]["points"] for name in deserved} == deserved
    assert {row["of"] for row in rows.values()} == {3}
    assert rows["hangs0"]["note"] == "stopped after 20 seconds"
    assert rows["crashes1"]["note"].startswith("ended before its last cell")
    assert "ConnectionRefusedError" in rows["asks4"]["note"]  # the server listens outside of its network
    assert rows["bea"]["note"] == "this file is no notebook"
    assert len(list(folder.glob("*.ipynb"))) == len(rows) == len(HOSTILE) + 3


def test_points_are_a_table_and_feedback_is_a_page_for_each(graded):
    folder, rows, _ = graded
    table = list(csv.DictReader(io.StringIO((folder / "graded" / "points.csv").read_text())))
    assert list(table[0].values()) == ["'=ada", "1", "0", "1", "2", "3", ""]
    assert list(table[0]) == ["student", "2.1", "2.2", "2.3", "points", "of", "note"]
    page = (folder / "graded" / "forges5.md").read_text()
    assert "- Exercise 2.1, 0 of 1: 1 is not within" in page and "- Exercise 2.3, 1 of 1: right" in page
    assert "> *Your answer to the written exercise" in page and "| Claim:" in page
    assert {path.stem for path in (folder / "graded").glob("*.md")} == set(rows)


def test_without_a_sandbox_it_refuses(monkeypatch, tmp_path, assignment):
    monkeypatch.setattr(apart.shutil, "which", lambda _: None)
    (tmp_path / "ada.ipynb").write_text(assignment)
    with pytest.raises(SystemExit, match="Bubblewrap keeps it from your files and the network, and does not run here"):
        main(["grade", "--chapter", "2", "--folder", str(tmp_path)])
    outcome = apart.run_apart(["answer_2_1 = [1, float('nan')]", "1 / 0"], LAYOUT.root)
    assert outcome["answers"]["answer_2_1"][0] == 1
    assert outcome["errors"] == ["code cell 2: ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["assignment"], "make assignment CHAPTER=2 SEED=7"),
        (["assignment", "--chapter", "40"], "There is no chapter 40"),
        (["assignment", "--chapter", "11"], "Chapter 11 has no exercises"),
        (["grade", "--chapter", "2", "--folder", "nowhere"], "No notebooks in nowhere"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(arguments, words):
    with pytest.raises(SystemExit, match=words):
        main(arguments)
