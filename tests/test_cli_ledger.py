import io
import json

import pandas as pd
import pytest
from rich.console import Console

from spectrakit import ledger
from spectrakit.cli.terminal import as_table
from tests.endings import done, refused


@pytest.mark.parametrize("study", ["libs", "gejiu", "mir"])
def test_the_summary_fits_eighty_columns(command, monkeypatch, study):
    monkeypatch.setenv("COLUMNS", "80")
    out = done(command, "ledger", study)
    assert max(map(len, out)) <= 80 and len(out) < 50
    record, findings = ledger.load_results(study), ledger.inconsistencies_frame(study)
    verdicts = ledger.ledger_frame(study, record["results"])["verdict"].value_counts()
    differ = verdicts.get("differs", 0)
    assert out[0].startswith(f"{study}: {differ} of {verdicts.sum()} figures differ from those published")
    text = " ".join(" ".join(out).split())
    assert all(title in text for title in findings["title"][findings["standing"] != "fits"])
    end = " ".join(" ".join(out).split()).removesuffix(f"the kit's record was {ledger.last_verified(study)}").rstrip()
    assert end.endswith(f"ours: paper profile, seed 0, commit {record['provenance']['commit']}")
    assert ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()) in out


def test_the_largest_differences_come_first(command, tmp_path):
    results = {
        "r2.ca.high": {"value": 0.492},
        "rmse.ca.high": {"value": 4 * 39.982},
        "lod.ca.high": {"value": 174.568},
        "order.r2.cnn_highest.ca.high": {"value": 0.2},
    }
    record = ledger.load_results("libs") | {"results": results}
    (tmp_path / "record.json").write_text(json.dumps(record))
    _, out, _ = command("ledger", "libs", "--results", tmp_path / "record.json")
    assert out[0] == "libs: 3 of 122 figures differ from those published, most of all"
    assert [line.split() for line in out[1:5]] == [
        ["rmse.ca.high", "39.982", "±", "6.821", "159.9"],
        ["order.r2.cnn_highest.ca.high", "claimed", "20%"],
        ["r2.ca.high", "0.984", "±", "0.006", "0.492"],
        [],
    ]


def test_every_figure_is_shown_and_written_where_asked_for(command, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = done(command, "ledger", "libs", "--full", "--csv", tmp_path / "libs.csv")
    text = "\n".join(out)
    assert "libs: published and ours" in text and "libs: inside the paper" in text
    results = ledger.load_results("libs")["results"]
    (row,) = [line for line in out if line.startswith("│ lod.ca.high ")]
    cells = [cell.strip() for cell in row.split("│")]
    assert "174.568" in cells and f"{results['lod.ca.high']['value']:.4g}" in cells
    frame = ledger.ledger_frame("libs")
    assert f"{tmp_path / 'libs.csv'}: {len(frame)} figures" in out
    written = pd.read_csv(tmp_path / "libs.csv", index_col="id", keep_default_na=False)
    assert list(written) == list(frame) and written["ours"].tolist() == frame["ours"].tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "record.json: there is no such record; name one that is there, or run spectrakit replicate libs"),
        ("{", "record.json, line 1: not JSON"),
        ("{}", "record.json: not a record with provenance and results"),
    ],
)
def test_what_is_no_record_gives_one_line_and_code_2(command, tmp_path, text, message):
    path = tmp_path / "record.json"
    if text is not None:
        path.write_text(text)
    line = refused(command, "ledger", "libs", "--results", path)
    assert line.startswith(f"spectrakit: {message}")


def test_the_terminal_table_shows_every_row():
    frame = ledger.ledger_frame("libs", {}, kinds=("setting",))[["what", "published"]]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(as_table(frame, "libs"))
    shown = console.export_text()
    assert all(entry_id in shown for entry_id in frame.index) and "[421.01, 422.73]" in shown
