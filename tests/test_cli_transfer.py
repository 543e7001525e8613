import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import write_table
from spectrakit.workflows import transfer
from tests.endings import STOPPED, done, refused

MADE = []  # models of these tests, by name and seed
STOP = {}  # number of the model that the user stops the run at


def made(name, model, random_state):
    if len(MADE) == STOP.get("at"):
        raise KeyboardInterrupt
    MADE.append((name, random_state))
    return model()


MODELS = {"mean": partial(made, "mean", DummyRegressor), "pls": partial(made, "pls", partial(Ridge, 1e-3))}


@pytest.fixture
def quick(monkeypatch):
    """Quick models in place of those of the command."""
    MADE.clear()
    STOP.clear()
    monkeypatch.setattr(transfer, "transfer_models", lambda: MODELS)


def soils(start=400, n_samples=24):
    random = np.random.default_rng(0)
    axis = np.arange(start, 2500.0, 10)
    axis = np.append(axis, 2499.0) if axis[-1] < 2499 else axis
    depth = random.uniform(0, 1, n_samples)
    spectra = 0.4 - 0.2 * depth[:, None] * np.exp(-0.5 * ((axis - 1400) / 60) ** 2)
    properties = {"ph": 5 + 3 * depth, "clay_pct": 20.0, "soc_pct": np.nan, "n_pct": 0.1 + depth}
    properties["n_pct"][1:10] = np.nan
    return SpectralDataset(
        spectra,
        axis,
        "nm",
        "reflectance",
        pd.DataFrame(properties, index=range(n_samples)),
        pd.DataFrame({"sample_id": [f"s{i}" for i in range(n_samples)]}),
        {"origin": "measured", "source": "a test"},
    )


@pytest.fixture
def table(tmp_path):
    write_table(soils(), tmp_path / "soils.csv")
    return "soils.csv"


def test_a_table_a_plot_and_records(run, quick, table, tmp_path, cells):
    out = done(run, "transfer", table, "--target", "ph", "--rounds", 2, "-o", "result.json")
    assert out[0] == "ph: mean ± SD over 2 rounds"
    rows = cells(out)
    records = json.loads((tmp_path / "result.json").read_text())
    assert [tuple(record) for record in records] == [("model", "round", "r2", "rmse", "rpd", "n_train", "n_test")] * 4
    assert [(r["model"], r["round"], r["n_train"], r["n_test"]) for r in records] == [
        ("mean", 0, 18, 6),
        ("pls", 0, 18, 6),
        ("mean", 1, 18, 6),
        ("pls", 1, 18, 6),
    ]
    assert [row[0] for row in rows] == ["mean", "pls"]
    mean, deviation = np.mean([r["r2"] for r in records[1::2]]), np.std([r["r2"] for r in records[1::2]], ddof=1)
    assert rows[1][1] == f"{mean:.3g} ± {deviation:.2g}" and mean > 0.99
    assert out[-2:] == [
        "measured, file soils.csv; 18 samples to train on, 6 to test; seed 0",
        "result.json: 4 records",
    ]
    assert "R2 of each round (·) and their mean (|)" in out


def test_the_five_models_of_the_command_run_on_a_table(run, table, tmp_path):
    out = done(run, "transfer", table, "--target", "ph", "--rounds", 1, "-o", "result.json")
    scores = {record["model"]: record["r2"] for record in json.loads((tmp_path / "result.json").read_text())}
    assert list(scores) == ["mean", "pls", "svm", "scratch", "pretrained"]
    assert scores["mean"] < 0 and min(scores["pls"], scores["svm"]) > 0.9
    assert scores["pretrained"] > max(scores["scratch"], 0.5)
    assert "R2 of each round (·) and their mean (|)" in out


def test_the_workers_of_a_scheduler_give_the_same(run, quick, table, tmp_path):
    from distributed import LocalCluster

    arguments = ("transfer", table, "--target", "ph", "--rounds", 2, "-o")
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        there = run(*arguments, "there.json", "--scheduler", cluster.scheduler_address)
    shutil.rmtree(tmp_path / ".spectrakit")
    here = run(*arguments, "here.json")
    assert there[0] == 0 and here[1][:-1] == there[1][:-1]
    assert (tmp_path / "here.json").read_bytes() == (tmp_path / "there.json").read_bytes()


def test_a_stopped_run_goes_on_where_it_was(run, quick, table, tmp_path):
    arguments = ("transfer", table, "--target", "ph", "--rounds", 2, "-o", "result.json")
    STOP["at"] = 3
    assert run(*arguments) == (130, [], STOPPED)
    assert not (tmp_path / "result.json").exists()
    STOP.clear()
    assert run(*arguments)[0] == 0
    assert MADE == [("mean", 0), ("pls", 0), ("mean", 1), ("pls", 1)]


def test_options_reach_the_rounds(run, quick, table, tmp_path):
    arguments = ("--rounds", 1, "--train-size", 12, "--seed", 5, "--signal", "reflectance", "--axis", "nm")
    out = done(run, "transfer", table, "--target", "ph", *arguments)
    assert MADE == [("mean", 5), ("pls", 5)]
    assert out[-1] == "measured, file soils.csv; 12 samples to train on, 6 to test; seed 5"
    assert [path.name for path in tmp_path.glob("*.json")] == []


def test_contents_below_detection_are_a_part_of_what_is_scored(run, quick, table, tmp_path):
    frame = pd.read_csv(table).astype({"ph": object})
    frame.loc[[3, 9], "ph"] = ["<5", "n.d."]
    frame.to_csv(table, index=False)
    arguments = ("transfer", table, "--target", "ph", "--rounds", 1, "-o", "result.json")
    remedy = "Read what is below detection"
    assert f"not a number: '<5' (row 5, column ph; row 11, column ph). {remedy}" in refused(run, *arguments)
    assert MADE == []
    scores = {}
    for how, n_samples in (("half", 23), ("missing", 22)):
        done(run, *arguments, "--below-detection", how)
        records = json.loads((tmp_path / "result.json").read_text())
        assert records[0]["n_train"] + records[0]["n_test"] == n_samples
        scores[how] = [record["r2"] for record in records]
    assert len(MADE) == 4 and scores["half"] != scores["missing"]


def test_percent_a_missing_end_and_missing_targets_are_noted(run, quick, tmp_path):
    dataset = soils(start=420, n_samples=30)
    frame = pd.DataFrame(dataset.spectra * 100, columns=[f"{nm:g}" for nm in dataset.axis])
    frame = pd.concat([dataset.samples, dataset.properties, frame], axis=1)
    frame.to_csv(tmp_path / "percent.csv", index=False)
    arguments = ("--signal", "percent-reflectance", "--rounds", 1)
    out = done(run, "transfer", "percent.csv", "--target", "n_pct", *arguments)
    assert out[:2] == [
        "note: 9 of 30 samples left out: n_pct is not measured",
        "note: 400-419 nm not measured: log reflectance is continued there in a straight line",
    ]


def test_a_column_of_groups_that_is_added_gives_other_scores_in_the_same_folder(run, quick, tmp_path):
    """A memory of 12 soils, each scanned three times: without groups a nearest soil is always its own replicate."""
    random, axis = np.random.default_rng(0), np.arange(400, 2500.0, 10)
    axis[-1] = 2499
    spectra = np.repeat(random.uniform(0.2, 0.6, (12, 1)) + random.normal(0, 0.05, (12, len(axis))), 3, axis=0)
    frame = pd.DataFrame(spectra + random.normal(0, 1e-4, spectra.shape), columns=[f"{nm:g}" for nm in axis])
    frame.insert(0, "ph", np.repeat(random.uniform(4, 8, 12), 3))
    frame.insert(0, "sample_id", [f"s{i}" for i in range(36)])
    arguments = ("transfer", "soils.csv", "--target", "ph", "--rounds", 2, "-o", "result.json")
    scores = []
    for columns in ({}, {"group": np.repeat(np.arange(12), 3)}):
        frame.assign(**columns).to_csv(tmp_path / "soils.csv", index=False)
        assert run(*arguments)[0] == 0
        records = pd.read_json(tmp_path / "result.json")
        scores.append(records[records["model"] == "pls"]["r2"].mean())
    assert scores[0] > 0.9 and scores[1] < 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.csv", "--target", "ph"), "gone.csv: no such file"),
        (
            ("soils.csv", "--target", "sand_pct"),
            "soils.csv: no column 'sand_pct' with numbers; there are: ph, clay_pct, soc_pct, n_pct",
        ),
        (("soils.csv", "--target", "soc_pct"), "soils.csv: soc_pct is not measured in any of 24 rows"),
        (("soils.csv", "--target", "clay_pct"), "soils.csv: clay_pct is 20 wherever it is measured: there is nothing"),
        (("soils.csv", "--target", "n_pct"), "soils.csv: n_pct is measured in 15 samples: at least 20 are needed"),
        (("late.csv", "--target", "ph"), "late.csv: the spectra span 460 to 2499 nm: the network needs 400 to 2499 nm"),
        (("soils.csv", "--target", "ph", "--signal", "counts"), "soils.csv: raw counts are not accepted"),
        (("soils.csv", "--target", "ph", "--signal", "percent-reflectance"), "soils.csv: percent-reflectance declared"),
        (("soils.csv", "--target", "ph", "--rounds", "0"), "Invalid value for '--rounds'"),
        (("soils.csv", "--target", "ph", "--train-size", "9"), "Invalid value for '--train-size'"),
        (("soils.csv", "--target", "ph", "-o", "gone/result.json"), "gone/result.json: there is no folder gone"),
        (("soils.csv",), "Missing option '--target'"),
    ],
)
def test_what_a_user_can_mend_gives_one_line_and_code_2(run, quick, table, tmp_path, arguments, message):
    write_table(soils(start=460), tmp_path / "late.csv")
    line = refused(run, "transfer", *arguments)
    assert line.startswith(f"spectrakit: {message}")
    assert MADE == [] and not (tmp_path / ".spectrakit").exists()
