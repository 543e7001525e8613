import io
import json
import re

import pytest
from rich.console import Console

from spectrakit import ledger

ENTRIES = ledger.load_published("libs")["entries"]
PROVENANCE = {"profile": "paper", "config": {}, "seed": 0, "commit": "abc", "version": "0.1.0"}


def verdict(entry_id, value, **ours):
    return ledger.judge(ENTRIES[entry_id], {"value": value, **ours}).verdict


def written(folder, record):
    path = folder / "libs-paper.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


def test_every_kind_is_there_in_full():
    kinds = [entry["kind"] for entry in ENTRIES.values()]
    counts = {kind: kinds.count(kind) for kind in ("result", "ordering", "line")}
    assert counts == {"result": 54, "ordering": 42, "line": 26}
    assert {"setting", "input", *counts} == set(kinds)


def test_entries_are_complete():
    for entry_id, entry in ENTRIES.items():
        assert entry["what"] and entry["where"], entry_id
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", entry_id)
        if entry["kind"] == "result" and "unassessable" not in entry:
            numeric = "better" in entry and ("sd" in entry or "tolerance" in entry)
            assert numeric != ("bound" in entry), entry_id
        for part in ("ca", "mg", "na"):
            if part in entry_id.split(".") and entry["kind"] in ("result", "ordering"):
                assert entry["element"].lower() == part and entry["range"] in entry_id.split(".")


def test_published_numbers_stand_in_the_paper(shared):
    text = (shared / "papers" / "libs.txt").read_text(encoding="utf-8")
    # These are counts of things listed, numbers in words, or a reading of ours that says so.
    worded = {"samples.spike_levels", "cnn.convolutions", "cnn.kernels", "cnn.poolings", "validation.runs"}
    ours = {entry_id for entry_id in ENTRIES if entry_id.startswith(("gradcam_p", "error_median"))}
    for entry_id, entry in ENTRIES.items():
        if entry_id in worded | ours:
            continue
        values = entry.get("value", [])
        for number in [*(values if isinstance(values, list) else [values]), entry.get("sd", 1)]:
            found = re.search(rf"(?<![\d.]){re.escape(str(number))}0*(?![\d])", text)
            assert found, f"{entry_id}: {number}"


def test_scatter_of_ours_is_no_excuse():
    # 2 hypot(0.007, 0.179 / sqrt(10)) = 0.114
    assert verdict("r2.mg.low", 0.70, sd=0.179, n=10) == "differs"
    assert verdict("r2.mg.low", 0.87, sd=0.179, n=10) == "agrees"
    assert verdict("r2.mg.low", 0.86, sd=0.179, n=10) == "differs"


def test_a_number_agrees_within_twice_the_combined_deviation():
    # Published 0.984 +- 0.006; with 0.008 of ours twice the combined deviation is 0.02.
    assert verdict("r2.ca.high", 0.965, sd=0.008) == "agrees"
    assert verdict("r2.ca.high", 0.963, sd=0.008) == "differs"
    assert verdict("r2.ca.high", 0.965) == "differs"
    assert verdict("r2.ca.high", 0.9741, sd=float("nan")) == "agrees"


def test_a_better_number_supports_the_claim():
    assert verdict("r2.ca.high", 0.999) == "same direction"
    assert verdict("rmse.ca.high", 20.0) == "same direction"
    assert verdict("rmse.ca.high", 60.0) == "differs"


def test_tolerance_stands_in_for_a_missing_deviation():
    # 174.568 ppm, a quarter of it is 43.6 ppm.
    assert verdict("lod.ca.high", 131.0) == "agrees"
    assert verdict("lod.ca.high", 130.0) == "same direction"
    assert verdict("lod.ca.high", 219.0) == "differs"
    assert verdict("lod.ca.high", 219.0, sd=30.0) == "agrees"


def test_bounds_hold_or_not():
    assert verdict("r2_min.low", 0.98) == "agrees"
    assert verdict("r2_min.low", 0.979) == "differs"
    assert verdict("error_max.ca.high", 0.04) == "agrees"
    assert verdict("error_max.ca.high", 4.0) == "differs"


@pytest.mark.parametrize(
    ("share", "expected"), [(1.0, "agrees"), (0.9, "agrees"), (0.6, "same direction"), (0.5, "differs"), (0, "differs")]
)
def test_orderings_by_share_of_repeats(share, expected):
    assert verdict("order.gap.rf_largest.mg.low", share) == expected


@pytest.mark.parametrize(
    ("strength", "expected"), [(0.01, "agrees"), (1e-4, "same direction"), (1e-5, "differs"), (0.0, "differs")]
)
def test_lines_by_emissivity(strength, expected):
    assert verdict("line.ca.ca_421_31", strength) == expected


def test_settings_are_equal_or_not():
    assert verdict("window.ca", [421.01, 422.73]) == "agrees"
    assert verdict("cnn.kernel_size", 5) == "differs"


def test_statistics_of_samples_agree_within_their_tolerance():
    entry = {"kind": "input", "value": -0.07, "tolerance": 0.5}
    verdicts = [ledger.judge(entry, {"value": value}).verdict for value in (-0.07, -0.1, -0.11, 0.07)]
    assert verdicts == ["agrees", "agrees", "differs", "differs"]


@pytest.mark.parametrize(("share", "expected"), [(0.9, "agrees"), (0.6, "same direction"), (0.5, "differs")])
def test_wavelengths_by_share_of_repeats(share, expected):
    frame = ledger.ledger_frame("gejiu", {"wavelength.pb.919": {"value": share}})
    row = frame.loc["wavelength.pb.919"]
    assert (row["verdict"], row["published"], row["ours"]) == (expected, "919", f"{share:.0%}")
    assert row["why"] == f"among the highest in {share:.0%} of repeats"


def test_quoted_figures_are_not_judged():
    assert "quoted.kok_2024" not in ledger.ledger_frame("gejiu", {}).index
    quoted = ledger.ledger_frame("gejiu", {"quoted.kok_2024": {"value": 0.66}}, kinds=("quoted",))
    assert set(quoted["verdict"]) == {"cannot be assessed"}


def test_what_cannot_be_assessed_says_why():
    one = ENTRIES["r2.ca.high"]
    assert ledger.judge(one, None) == ("cannot be assessed", "no result of ours")
    assert ledger.judge(one, {"value": None, "note": "diverged"}) == ("cannot be assessed", "diverged")
    assert ledger.judge(one, {"value": float("nan")}).verdict == "cannot be assessed"
    assert ledger.judge(ENTRIES["error_per_wavelength"], {"value": 1.0}).why == (
        "the network predicts one value a spectrum"
    )


def test_ledger_frame_pairs_published_with_ours():
    results = {"r2.ca.high": {"value": 0.95, "sd": 0.01, "n": 10, "note": "pooled"}}
    frame = ledger.ledger_frame("libs", results)
    assert len(frame) == 122
    row = frame.loc["r2.ca.high"]
    assert (row["published"], row["ours"], row["verdict"]) == ("0.984 ± 0.006", "0.95 ± 0.01", "differs")
    assert row["why"] == "-0.034 beside 0.0136 allowed" and row["note"] == "pooled"
    assert (frame.drop("r2.ca.high")["verdict"] == "cannot be assessed").all()
    assert frame.loc["r2_min.high", "published"] == "≥ 0.972"
    assert frame.loc["order.r2.cnn_highest.ca.high", "published"] == "claimed"
    assert len(ledger.ledger_frame("libs", {}, kinds=("setting", "input"))) == 67


def test_inconsistencies_carry_their_figures():
    frame = ledger.inconsistencies_frame("libs")
    assert set(frame["standing"]) == {"contradiction", "unclear", "fits"}
    assert "8 of 10 folds hold one sample" in frame.loc["folds_of_twelve", "text"]
    assert "a factor of 152" in frame.loc["detection_between_ranges", "text"]
    assert "77,390 ppm" in frame.loc["error_range_high", "text"]
    assert set(ledger.CHECKS["libs"]) <= set(frame.index)
    assert not frame["text"].str.contains("[{}]").any()


def test_recorded_results_are_read(tmp_path):
    record = {"provenance": PROVENANCE, "results": {"lod.ca.high": {"value": 170.0}}}
    path = written(tmp_path, record)
    assert ledger.load_results("libs", path) == record


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"results": \n {,', r"libs-paper.json, line 2: not JSON"),
        ([1, 2], r"not a record"),
        ({"results": {}}, r"not a record"),
        ({"provenance": PROVENANCE}, r"not a record"),
        ({"provenance": {"seed": 0}, "results": {}}, r"lacks profile, config, commit, version"),
        ({"provenance": PROVENANCE, "results": {"r2.ca.high": 3}}, r"'r2.ca.high' is not of the form"),
        ({"provenance": PROVENANCE, "results": {"r2.fe.high": {}}}, r"'r2.fe.high' is not an id of libs.yml"),
    ],
)
def test_broken_records_are_refused_in_one_line(tmp_path, record, message):
    with pytest.raises(ValueError, match=message) as error:
        ledger.load_results("libs", written(tmp_path, record))
    assert "\n" not in str(error.value)


def test_missing_files_are_named_with_a_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="run: spectrakit replicate libs --profile paper"):
        ledger.load_results("libs", tmp_path / "libs-paper.json")
    with pytest.raises(ValueError, match=r"no published figures for the study 'lips'; there are: .*libs"):
        ledger.load_published("lips")


def test_a_doubled_id_is_refused(tmp_path, monkeypatch):
    entry = "{id: a, kind: result, what: x, value: 1, where: here}"
    (tmp_path / "twice.yml").write_text(f"entries:\n  - {entry}\n  - {entry}\ninconsistencies: []\n")
    monkeypatch.setattr(ledger, "data_path", lambda folder, name: tmp_path / name)
    with pytest.raises(ValueError, match="an id is given twice"):
        ledger.load_published("twice")


def test_the_terminal_table_shows_every_row():
    frame = ledger.ledger_frame("libs", {}, kinds=("setting",))[["what", "published"]]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(ledger.as_table(frame, "libs"))
    shown = console.export_text()
    assert all(entry_id in shown for entry_id in frame.index) and "[421.01, 422.73]" in shown
