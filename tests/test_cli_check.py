import subprocess
import sys

import pyarrow
import pyarrow.parquet
import pytest

from spectrakit import cli
from spectrakit.cli import application
from tests.endings import done, refused


@pytest.fixture
def check(tmp_path, command):
    """The command on a table of counts with this text; of None there is no file."""

    def check(text, *options, name="table.csv"):
        if text is not None:
            (tmp_path / name).write_text(text)
        return command("check", tmp_path / name, "--axis", "nm", "--signal", "counts", *options)

    return check


def test_a_usable_table(check):
    text = "sample_id,ph,na,lab,400,400.5,402\na,6.5,1,x,1000,2,3\nb,,2,y,4,-5,6\n"
    out = done(check, text)
    assert out[:5] == [
        "table.csv: measured, file table.csv",
        "  samples   2",
        "  channels  3 of counts, values -5 to 1,000",
        "  axis      400 to 402 nm, step 0.5 to 1.5 (median 1)",
        "  samples also carry lab",
    ]
    assert [line.split() for line in out[5:11]] == [
        ["laboratory", "samples"],
        ["x", "1"],
        ["y", "1"],
        ["property", "unit", "measured", "smallest", "largest"],
        ["ph", "pH", "1", "of", "2", "6.5", "6.5"],
        ["na", "?", "2", "of", "2", "1", "2"],
    ]
    assert out[11].startswith("warning: 1 cell with negative counts in 1 of 2 samples (row 3, column 400.5). ")
    assert out[12].startswith("warning: property without a unit (column na). Rename it with its unit")
    assert out[13:] == ["usable: 0 errors, 2 warnings"]


def test_an_unusable_table_names_row_and_column(check):
    code, out, err = check("sample_id,400,401\na,1,[red]\nb,3,4\n")
    assert (code, err) == (2, [])
    assert out[-2].startswith("error: not a number: '[red]' (row 2, column 401). Give a number")
    assert out[-1] == "not usable: 1 error, 0 warnings"


@pytest.mark.parametrize(
    ("how", "smallest", "n_measured"), [("half", "0.25", "2 of 3"), ("missing", "2", "1 of 3"), (None, "2", "1 of 3")]
)
def test_contents_below_detection_are_read_as_asked(check, how, smallest, n_measured):
    text = "sample_id,soc_pct,400,401\na,<0.5,1,2\nb,n.d.,3,4\nc,2,5,6\n"
    code, out, _ = check(text, *(("--below-detection", how) if how else ()))
    assert code == (0 if how else 2)
    (row,) = (line.split() for line in out if "soc_pct" in line and "of 3" in line)
    assert row == ["soc_pct", "%", *n_measured.split(), smallest, "2"]
    remedy = "Read what is below detection with --below-detection half or missing"
    assert (remedy in "\n".join(out)) == (how is None)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (None, "gone.csv", "gone.csv: no such file"),
        ("", "table.csv", "table.csv: the file is empty"),
        ("sample_id,400\na,1,2\n", "table.csv", "the header has 2 cells but row 2 has 3"),
        ("sample_id,400\na,1\n", "table.csv.gz", "broken gzip file"),
        ("sample_id,400\na,1\n", "table.doc", "unknown kind of file"),
    ],
)
def test_what_is_no_table_gives_one_line_and_code_2(check, text, name, message):
    line = refused(check, text, name=name)
    assert line.startswith("spectrakit: ") and message in line


def test_a_bug_is_not_dressed_up_as_bad_input(monkeypatch):
    def broken(**_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(application, "app", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main([])


def test_starting_the_command_line_imports_nothing_heavy():
    script = (
        "import sys, spectrakit.cli.application; print(*{'torch', 'pandas', 'sklearn', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("frobnicate", "No such command 'frobnicate'"),
        ("check", "Missing argument 'file'"),
        ("check a.csv", "Missing option '--axis'"),
        ("check a.csv --axis nm", "Missing option '--signal'"),
        ("check a.csv --axis um --signal counts", "Invalid value for '--axis'"),
        ("simulate libs -o a.csv --seed -3", "Invalid value for '--seed'"),
        ("simulate libs -o a.csv --seed x", "Invalid value for '--seed'"),
        ("simulate libs -o a.csv --replicates 0", "Invalid value for '--replicates'"),
        *((f"simulate {name} -o a.csv -n 0", "Invalid value for '--samples'") for name in ("lucas", "gejiu", "mir")),
        *((f"simulate {name} -o a.csv -n x", "Invalid value for '--samples'") for name in ("lucas", "gejiu", "mir")),
        *((f"simulate {name}", "Missing option '--output'") for name in ("libs", "lucas", "gejiu", "mir")),
        ("replicate", "Missing argument 'STUDY'"),
        ("replicate lips", "Invalid value for 'STUDY'"),
        ("replicate libs --profile full", "Invalid value for '--profile'"),
        ("replicate libs --seed -1", "Invalid value for '--seed'"),
        ("replicate libs --seed x", "Invalid value for '--seed'"),
        ("ledger lips", "Invalid value for 'STUDY'"),
    ],
)
def test_a_command_that_is_wrong_gives_one_line(run, tmp_path, arguments, message):
    assert refused(run, *arguments.split()).startswith(f"spectrakit: {message}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_says_who_scanned_what_and_how_much_of_each_property_is_measured(command, tmp_path):
    for number, laboratory in ((0, "KSSL"), (1, "ICRAF")):
        place = tmp_path / "parts" / f"laboratory={laboratory}"
        place.mkdir(parents=True)
        carbon = [10.0, None, 30.0][number:]
        names = [f"s{i}" for i in range(len(carbon))]
        table = {"sample_id": names, "c_g_kg": carbon, "600": [0.5, -0.25, 1.5][number:]}
        table["602"] = [0.5, 1 + number, 2 - number / 2][number:]
        pyarrow.parquet.write_table(pyarrow.table(table), place / "part-0.parquet")
    out = done(command, "check", tmp_path / "parts", "--axis", "cm-1", "--signal", "absorbance")
    assert out[:5] == [
        "parts: measured, folder parts",
        "  samples   5 in 2 files",
        "  channels  2 of absorbance, values -0.25 to 2",
        "  axis      600 to 602 cm-1, step 2",
        "  samples also carry laboratory",
    ]
    assert [line.split() for line in out[5:10]] == [
        ["laboratory", "samples"],
        ["ICRAF", "2"],
        ["KSSL", "3"],
        ["property", "unit", "measured", "smallest", "largest"],
        ["c_g_kg", "g/kg", "3", "of", "5", "10", "30"],
    ]
    assert out[10:] == [
        "warning: absorbance below 0 in 2 cells, 2 of 5 samples (row 2 of laboratory=ICRAF/part-0.parquet, column 600; "
        "row 3 of laboratory=KSSL/part-0.parquet, column 600). Check the white reference of these samples, or leave "
        "out the channels.",
        "usable: 0 errors, 1 warning",
    ]
