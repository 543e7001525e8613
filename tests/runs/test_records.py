import subprocess

import numpy as np
import pandas as pd
import pytest

from spectrakit.runs.records import current_commit, mean_of, record_of, share_of


def test_repeats_have_a_mean_and_a_deviation_and_one_has_none():
    assert mean_of(pd.Series([3.0, 5.0])) == {"value": 4.0, "sd": pytest.approx(2**0.5), "n": 2}
    assert mean_of(pd.Series([3.0])) == {"value": 3.0, "n": 1}
    assert share_of(np.array([True, False, True, True])) == {"value": 0.75, "n": 4}


def test_a_record_says_where_its_results_come_from():
    provenance = record_of({}, "quick", {"n_trees": 5}, 3)["provenance"]
    assert (provenance["profile"], provenance["config"], provenance["seed"]) == ("quick", {"n_trees": 5}, 3)
    assert provenance["version"] == "0.1.0" and provenance["commit"] == current_commit()


def test_the_commit_is_that_of_the_checkout_or_none(tmp_path):
    assert current_commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    (tmp_path / "file").write_text("1")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert current_commit(tmp_path) == head[:12]
    (tmp_path / "file").write_text("2")
    assert current_commit(tmp_path) == f"{head[:12]}-dirty"
