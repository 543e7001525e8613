from typing import get_args

import numpy as np
import pandas as pd
import pytest

from spectrakit.cli import spectra
from spectrakit.preprocess.harmonise import WITHOUT_STANDARDS
from spectrakit.spectra import SpectralDataset
from spectrakit.tables import write_table
from spectrakit.workflows.impute import command as study
from spectrakit.workflows.impute import fill
from tests.endings import STOPPED, done, refused


def test_the_command_offers_the_harmonisations_that_need_no_standards():
    assert get_args(spectra.Harmonisation) == WITHOUT_STANDARDS


@pytest.fixture
def table(tmp_path):
    """90 soils of two laboratories; carbon not measured in each fourth, and one without a spectrum."""
    random = np.random.default_rng(0)
    axis, carbon = np.arange(600, 840, 2.0), np.exp(random.normal(2.5, 0.8, 90))
    spectra = 0.5 + np.exp(-0.5 * ((axis - 640) / 12) ** 2)
    spectra = spectra + 0.2 * np.log(carbon)[:, None] * np.exp(-0.5 * ((axis - 700) / 12) ** 2)
    spectra += 0.002 * random.standard_normal(spectra.shape)
    spectra[4] = np.nan
    soils = SpectralDataset(
        spectra,
        axis,
        "cm-1",
        "absorbance",
        pd.DataFrame(
            {"c_g_kg": np.where(np.arange(90) % 4, carbon, np.nan), "om_g_kg": np.nan, "ph": 5 + carbon / 100}
        ),
        pd.DataFrame({"sample_id": [f"s{i}" for i in range(90)], "laboratory": np.where(np.arange(90) % 2, "A", "B")}),
        {"origin": "measured", "source": "a test"},
    )
    write_table(soils, tmp_path / "library.csv")
    write_table(soils, tmp_path / "library.parquet")
    return "library.parquet"


def test_what_was_promised_covered_and_written(run, table, tmp_path, cells):
    out = done(run, "impute", table, "--property", "c_g_kg", "-o", "hybrid.parquet")
    assert out[:2] == [
        "note: 120 of 1,700 channels used, 600 to 838 1/cm: those that all share",
        "c_g_kg: predicted by models that had not seen it",
    ]
    rows = cells(out)
    assert [row[:2] for row in rows] == [["all", "67"], ["A", "45"], ["B", "22"]]
    assert float(rows[0][2]) > 0.9
    assert out[-5].startswith(
        "68 % intervals, on average over laboratories: 45.3 % promised for those never seen, "
    ) and out[-5].endswith(" % covered in the 2 held out in turn")
    shares = (float(rows[1][-2]) + float(rows[2][-2])) / 2
    assert out[-4].startswith("90 % intervals, on average over laboratories: 60.0 % promised for those never seen, ")
    assert float(out[-4].split()[-10]) == pytest.approx(shares, abs=0.11)  # each was rounded
    assert out[-2].startswith("of 22 imputed: ")
    assert out[-1] == "hybrid.parquet: 67 measured, 22 imputed, 1 missing"
    frame = pd.read_parquet(tmp_path / "hybrid.parquet")
    assert frame["origin"].value_counts().to_dict() == {"measured": 67, "imputed": 22, "missing": 1}
    assert list(frame["sample_id"]) == [f"s{i}" for i in range(90)]


def test_options_reach_the_run(run, table, tmp_path, monkeypatch):
    asked = []
    made = study.make_plan
    monkeypatch.setattr(study, "make_plan", lambda *given, **more: asked.append((*given, more)) or made(*given, **more))
    arguments = (
        "--harmonise",
        "msc",
        "--below-detection",
        "half",
        "--level",
        0.5,
        "--fit-rows",
        50,
        "--seed",
        7,
        "--model",
        "pls",
    )
    out = done(run, "impute", "library.csv", "--property", "c_g_kg", "-o", "hybrid.csv", *arguments)
    options = {"signal": "absorbance", "harmonise": "msc", "level": 0.5, "fit_rows": 50, "random_state": 7}
    options |= {"below_detection": "half"}
    assert asked[0][1:] == ("c_g_kg", study.log_pls, options)
    assert out[0] == "note: fitted to 50 of 67 measured rows, in equal parts by laboratory"
    frame = pd.read_csv(tmp_path / "hybrid.csv")
    assert {"lower_50", "upper_68", "upper_95"} <= set(frame) and frame["predicted"].notna().sum() == 50 + 22


def test_a_stopped_run_goes_on_where_it_was(run, table, tmp_path, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fill, "_fill", stopped)
        arguments = ("impute", table, "--property", "c_g_kg", "-o", "hybrid.parquet")
        assert run(*arguments) == (130, [], STOPPED)
    assert not (tmp_path / "hybrid.parquet").exists()
    (folder,) = (tmp_path / ".spectrakit/runs/impute").iterdir()
    fitted = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.zip")}
    assert run(*arguments)[0] == 0
    kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.zip")}
    assert fitted.items() <= kept.items() and len(kept) == len(fitted) + 1 == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.csv", "--property", "c_g_kg"), "{folder}/gone.csv: no such file"),
        (
            ("library.csv", "--property", "n_pct"),
            "library.csv: no column 'n_pct' with numbers; there are: c_g_kg",
        ),
        (("library.csv", "--property", "om_g_kg"), "library.csv: om_g_kg is not measured in any of 90 rows"),
        (("library.csv", "--property", "c_g_kg", "--level", "90"), "Invalid value for '--level'"),
        (("library.csv", "--property", "c_g_kg", "--signal", "counts"), "library.csv: raw counts are not accepted"),
        (("library.csv", "--property", "c_g_kg", "--harmonise", "pds"), "Invalid value for '--harmonise'"),
        (("library.csv", "--property", "c_g_kg", "--fit-rows", "39"), "Invalid value for '--fit-rows'"),
        (
            ("library.csv", "--property", "ph", "--model", "network"),
            "library.csv: the network predicts contents between 0 and",
        ),
        (
            ("library.csv", "--property", "c_g_kg", "--harmonise", "top"),
            "library.csv: transfer by orthogonal projection (top) needs",
        ),
        (("library.csv",), "Missing option '--property'"),
        (("library.csv", "--property", "c_g_kg", "-o", "gone/h.csv"), "gone/h.csv: there is no folder gone"),
        (("library.csv", "--property", "c_g_kg", "-o", "h.xlsx"), "h.xlsx: unknown kind of file"),
        (("library.csv", "--property", "c_g_kg", "-o", "library.csv"), "library.csv: this would change the library"),
    ],
)
def test_what_a_user_can_mend_gives_one_line_and_code_2(run, table, tmp_path, arguments, message):
    output = () if "-o" in arguments else ("-o", "hybrid.parquet")
    before = (tmp_path / "library.csv").read_bytes()
    line = refused(run, "impute", *arguments, *output)
    assert line.startswith(f"spectrakit: {message.format(folder=tmp_path)}")
    assert not (tmp_path / "hybrid.parquet").exists() and (tmp_path / "library.csv").read_bytes() == before
