import json

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor

from spectrakit.tables import read_table
from spectrakit.workflows.harmonise import choices
from tests.endings import STOPPED, done, refused

# Beyond the simulated ring trial, which takes seconds to make.
AXIS = np.arange(4000.0, 4610, 10)
CHOICES = ["none", "snv", "msc", "derivative", "snv+derivative"]


def table(path, seed, distort=lambda spectra: spectra, n_samples=20, **columns):
    """A table of per cent reflectance: a small band tells the logarithm of the carbon beside one that all have."""
    random = np.random.default_rng(seed)
    strength = random.uniform(0, 1, (n_samples, 2))
    bands = np.exp(-0.5 * ((AXIS - np.array([[4100], [4400]])) / 40) ** 2)
    matrix = 0.2 + 0.8 * np.exp(-0.5 * ((AXIS - 4250) / 60) ** 2)
    absorbance = distort(matrix + 0.2 * strength @ bands + random.normal(0, 1e-4, (n_samples, len(AXIS))))
    spectra = pd.DataFrame(100 * 10**-absorbance, columns=[f"{value:g}" for value in AXIS])
    columns = {"sample_id": [f"{path.stem}-{i}" for i in range(n_samples)]} | columns
    columns |= {"soc_pct": 10 ** (strength[:, 0] + 0.3), "ph": 5 + strength[:, 0], "clay_pct": 20.0}
    pd.concat([pd.DataFrame(columns), spectra], axis=1).to_csv(path, index=False)


@pytest.fixture
def tables(run, tmp_path):
    """The command on two tables, the second brighter than the first."""
    table(tmp_path / "plain.one.csv", 0)
    table(tmp_path / "bright.csv", 1, lambda spectra: 1.6 * spectra + 0.3)
    options = ("--target", "soc_pct", "--signal", "percent-reflectance")
    return lambda *arguments: run("harmonise", "plain.one.csv", "bright.csv", *options, *arguments)


MADE = []  # seeds of the models of these tests
STOP = {}  # number of the model that the user stops the run at


def make(random_state):
    if len(MADE) == STOP.get("at"):
        raise KeyboardInterrupt
    MADE.append(random_state)
    return DummyRegressor()


@pytest.fixture
def mean_only(monkeypatch):
    """One quick model in place of those of the command."""
    MADE.clear()
    STOP.clear()
    monkeypatch.setattr(choices, "MODELS", {"mean": make})


def test_tables_records_and_spectra(tables, tmp_path, cells):
    out = done(tables, "-o", "result.json", "--spectra", "snv.csv", "--harmonisation", "snv")
    assert out[:5] == [
        "note: 61 channels, 4000 to 4600 cm-1 every 10 (of plain 4000-4600, bright 4000-4600)",
        "note: top not tried: it needs two laboratories to train on, so three in all",
        "note: ds, pds and sst not tried: no standards scanned by several laboratories",
        "note: the simulated ring trial spans 600 to 3998 cm-1 only: not used",
        "note: the pretrained network knows 600 to 4000 1/cm, of which the laboratories share too little: not used",
    ]
    assert out[5] == "log10 soc_pct on a laboratory never seen, by pls: R2 | RMSE, * the lowest"
    records = json.loads((tmp_path / "result.json").read_text())
    assert list(records[0]) == [
        *("model", "harmonisation", "laboratory", "n_train", "n_test", "r2", "rmse", "bias", "sep", "rpiq"),
        *("coverage_90", "width_90", "outside"),
    ]
    assert [(r["harmonisation"], r["laboratory"], r["model"]) for r in records] == [
        (harmonisation, laboratory, model)
        for harmonisation in CHOICES
        for laboratory in ("bright", "plain")
        for model in ("mean", "pls")
    ]
    r2 = {(r["harmonisation"], r["laboratory"]): r["r2"] for r in records if r["model"] == "pls"}
    assert max(r2["none", "bright"], r2["none", "plain"]) < 0 and min(r2["snv", "bright"], r2["snv", "plain"]) > 0.9
    rows = cells(out)
    assert [row[0] for row in rows] == [*CHOICES, "(mean of the others)", *CHOICES, *CHOICES]
    assert rows[0][1].startswith(f"{r2['none', 'bright']:.2f} | ") and rows[12][0] == "snv"
    assert "bright -" in rows[12][1] and "plain -" in rows[12][1] and rows[12][2] == "-"
    assert out[-4].endswith("sites left out of the training laboratories: for another they promise nothing")
    assert out[-3:] == [
        "measured, file plain.one.csv; file bright.csv; 40 samples of 2 laboratories; seed 0",
        "snv.csv: 40 spectra, snv fitted to all laboratories: no absorbance now",
        "result.json: 20 records",
    ]
    written = read_table(tmp_path / "snv.csv", "cm-1", "absorbance")
    np.testing.assert_allclose(written.spectra.std(axis=1), 1, rtol=1e-4)
    assert list(written.samples["laboratory"].unique()) == ["plain", "bright"]
    assert set(written.samples["harmonisation"]) == {"snv"}


def test_a_stopped_run_goes_on_where_it_was(tables, mean_only, tmp_path):
    STOP["at"] = 16  # a laboratory takes 6 fits, and one more to look at its model
    code, _, err = tables("-o", "result.json")
    assert (code, err) == (130, STOPPED) and not (tmp_path / "result.json").exists()
    STOP.clear()
    assert tables("-o", "result.json")[0] == 0
    assert len(MADE) == 16 + 70 - 14
    assert len(json.loads((tmp_path / "result.json").read_text())) == 10


def test_a_table_with_a_column_of_laboratories_and_options_that_reach_the_study(run, mean_only, tmp_path):
    table(tmp_path / "both.csv", 2, n_samples=24, lab=["x", "y"] * 12)
    arguments = ("--target", "ph", "--signal", "percent-reflectance", "--seed", 4, "--reference", "y")
    out = done(run, "harmonise", "both.csv", *arguments, "-o", "ph.json")
    assert out[-2] == "measured, file both.csv; 24 samples of 2 laboratories; seed 4"
    ph = pd.read_csv(tmp_path / "both.csv")["ph"].to_numpy()
    record = json.loads((tmp_path / "ph.json").read_text())[0]
    assert (record["laboratory"], record["n_train"]) == ("x", 12)
    assert record["bias"] == pytest.approx(ph[1::2].mean() - ph[::2].mean())


def test_contents_below_detection_are_a_part_of_what_is_scored(run, mean_only, tmp_path):
    table(tmp_path / "both.csv", 2, n_samples=24, lab=["x", "y"] * 12)
    frame = pd.read_csv(tmp_path / "both.csv").astype({"soc_pct": object})
    frame.loc[[2, 5], "soc_pct"] = ["<0.5", "bdl"]
    frame.to_csv(tmp_path / "both.csv", index=False)
    arguments = ("harmonise", "both.csv", "--target", "soc_pct", "--signal", "percent-reflectance", "-o", "soc.json")
    assert "not a number: '<0.5' (row 4, column soc_pct" in refused(run, *arguments)
    for how, n_test in (("half", 12), ("missing", 11)):
        assert run(*arguments, "--below-detection", how)[0] == 0
        assert json.loads((tmp_path / "soc.json").read_text())[0]["n_test"] == n_test


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "sand_pct"), "no column 'sand_pct' with numbers; there are: soc_pct, ph, clay_pct"),
        (("--target", "clay_pct"), "clay_pct is 20 wherever it is measured: there is nothing to predict"),
        (("--signal", "reflectance"), "plain.one.csv: "),
        (("--signal", "counts"), "raw counts are not accepted"),
        (("--reference", "nobody"), "reference laboratory 'nobody': give one of bright, plain"),
        (("--spectra", "x.csv"), "--spectra and --harmonisation go together"),
        (("--harmonisation", "snv"), "--spectra and --harmonisation go together"),
        (("--spectra", "x.txt", "--harmonisation", "snv"), "x.txt: unknown kind of file"),
        (("--spectra", "x.csv", "--harmonisation", "ds"), "harmonisation 'ds': give one of none, snv, msc"),
        (("--scale", "ln"), "Invalid value for '--scale'"),
        (("-o", "gone/result.json"), "gone/result.json: there is no folder gone"),
        (("gone.csv",), "gone.csv: no such file"),
    ],
)
def test_what_a_user_can_mend_gives_one_line_and_code_2(tables, mean_only, tmp_path, arguments, message):
    code, _, err = tables(*arguments)
    assert (code, len(err)) == (2, 1)
    assert err[0].startswith(f"spectrakit: {message}") or message in err[0]
    assert MADE == [] and not (tmp_path / ".spectrakit").exists()
