import json
import re
from collections import Counter

import pytest

from spectrakit import ledger

PUBLISHED = {study: ledger.load_published(study)["entries"] for study in ("libs", "gejiu", "mir")}
ENTRIES = PUBLISHED["libs"]
PROVENANCE = {"profile": "paper", "config": {}, "seed": 0, "commit": "abc", "version": "0.1.0"}


ENTRY = "{id: samples.all, kind: result, what: x, value: 1300, where: here}"


@pytest.fixture
def published_file(tmp_path, monkeypatch):
    """A function that writes entries and inconsistencies, texts of yml, as the published side of the study 'one'."""
    monkeypatch.setattr(ledger, "data_path", lambda *parts: tmp_path / parts[-1])

    def write(entries, inconsistencies):
        parts = {"entries": entries, "inconsistencies": inconsistencies}
        text = "\n".join(f"{name}: [{', '.join(items)}]" for name, items in parts.items())
        (tmp_path / "one.yml").write_text(text)

    return write


def written(folder, record):
    path = folder / "libs-paper.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


@pytest.mark.parametrize(
    ("study", "counts"),
    [
        ("libs", {"input": 19, "setting": 48, "result": 54, "ordering": 42, "line": 26}),
        ("gejiu", {"input": 32, "setting": 50, "result": 36, "quoted": 10, "ordering": 27, "wavelength": 18}),
        ("mir", {"input": 8, "setting": 13, "result": 23, "ordering": 4}),
    ],
)
def test_every_kind_is_there_in_full(study, counts):
    assert Counter(entry["kind"] for entry in PUBLISHED[study].values()) == counts


@pytest.mark.parametrize("study", PUBLISHED)
def test_entries_are_complete(study):
    for entry_id, entry in PUBLISHED[study].items():
        assert entry["what"] and entry["where"], entry_id
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", entry_id)
        numeric = "better" in entry and ("sd" in entry or "tolerance" in entry)
        if entry["kind"] == "result" and "unassessable" not in entry:
            assert numeric != ("bound" in entry), entry_id
        if entry["kind"] == "wavelength":
            assert entry_id == f"wavelength.{entry['element'].lower()}.{entry['value']}"
        named = {"ca", "mg", "na", "c", "om"} & set(entry_id.split("."))
        if named and (study == "mir" or entry["kind"] in ("result", "ordering")):
            assert named == {entry["element"].lower()}, entry_id
            assert study == "mir" or entry["range"] in entry_id.split(".")


# Counts of things listed, and numbers in words; then limits of ours.
IN_WORDS = {"samples.spike_levels", "cnn.convolutions", "cnn.kernels", "cnn.poolings", "validation.runs"}
IN_WORDS |= {"network.residual_blocks", "network.outputs", "gejiu.scans"}
OURS = ("gradcam_p", "error_median", "band_distance", "coverage_gain")


@pytest.mark.parametrize(
    ("study", "types"), [("libs", int | float | str), ("gejiu", int | float), ("mir", int | float)]
)
def test_published_numbers_stand_in_the_paper(shared, study, types):
    text = (shared / "papers" / f"{study}.txt").read_text(encoding="utf-8").replace("−", "-")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    for entry_id, entry in PUBLISHED[study].items():
        value = entry.get("value", [])
        numbers = [*(value if isinstance(value, list) else [value]), entry.get("sd")]
        if entry_id not in IN_WORDS and not entry_id.startswith(OURS):
            for number in (number for number in numbers if isinstance(number, types)):
                result = re.search(rf"(?<![\d.]){re.escape(str(number))}0*(?![\d])", text)
                assert result, f"{entry_id}: {number}"


def test_every_number_of_the_abstract_stands_here(shared):
    text = (shared / "papers" / "mir.txt").read_text(encoding="utf-8")
    abstract = text[text.index("Mid-infrared (MIR)") : text.index("Share your ideas")].replace(",", "")
    printed = {float(number) for number in re.findall(r"(?<![⁻\w.])\d+(?:\.\d+)?", abstract)}
    entries = [entry for entry in PUBLISHED["mir"].values() if "the limit is ours" not in entry["what"]]
    assert printed == {entry["value"] for entry in entries if isinstance(entry.get("value"), int | float)}


@pytest.mark.parametrize(("target", "printed"), [("c", 40.08), ("om", 10.06)])
def test_entries_of_the_mid_infrared_study_fit_each_other(target, printed):
    readings = [PUBLISHED["mir"][f"prediction_sd.{target}.{reading}"] for reading in ("imputed", "per_sample")]
    assert [entry["value"] for entry in readings] == [printed, printed]
    entry = PUBLISHED["mir"][f"r2.{target}"]
    allowed = 0.21 * (1 - entry["value"]) / entry["value"]  # the RMSE a tenth larger
    assert entry["tolerance"] == pytest.approx(allowed, abs=0.005)
    assert sum("unassessable" in entry for entry in PUBLISHED["mir"].values()) == 23


@pytest.mark.parametrize(
    ("entry_id", "ours", "expected"),
    [
        # Scatter of ours is no excuse: 2 hypot(0.007, 0.179 / sqrt(10)) = 0.114
        ("r2.mg.low", {"value": 0.70, "sd": 0.179, "n": 10}, "differs"),
        ("r2.mg.low", {"value": 0.87, "sd": 0.179, "n": 10}, "agrees"),
        ("r2.mg.low", {"value": 0.86, "sd": 0.179, "n": 10}, "differs"),
        # Published 0.984 +- 0.006; with 0.008 of ours twice the combined deviation is 0.02.
        ("r2.ca.high", {"value": 0.965, "sd": 0.008}, "agrees"),
        ("r2.ca.high", {"value": 0.963, "sd": 0.008}, "differs"),
        ("r2.ca.high", {"value": 0.965}, "differs"),
        ("r2.ca.high", {"value": 0.9741, "sd": float("nan")}, "agrees"),
        # A better number supports the claim.
        ("r2.ca.high", {"value": 0.999}, "same direction"),
        ("rmse.ca.high", {"value": 20.0}, "same direction"),
        ("rmse.ca.high", {"value": 60.0}, "differs"),
        # Without a deviation the tolerance counts: 174.568 ppm, a quarter of it is 43.6 ppm.
        ("lod.ca.high", {"value": 131.0}, "agrees"),
        ("lod.ca.high", {"value": 130.0}, "same direction"),
        ("lod.ca.high", {"value": 219.0}, "differs"),
        ("lod.ca.high", {"value": 219.0, "sd": 30.0}, "agrees"),
        # Bounds
        ("r2_min.low", {"value": 0.98}, "agrees"),
        ("r2_min.low", {"value": 0.979}, "differs"),
        ("error_max.ca.high", {"value": 0.04}, "agrees"),
        ("error_max.ca.high", {"value": 4.0}, "differs"),
        # Orderings by the share of repeats, lines by their emissivity
        ("order.gap.rf_largest.mg.low", {"value": 1.0}, "agrees"),
        ("order.gap.rf_largest.mg.low", {"value": 0.9}, "agrees"),
        ("order.gap.rf_largest.mg.low", {"value": 0.6}, "same direction"),
        ("order.gap.rf_largest.mg.low", {"value": 0.5}, "differs"),
        ("order.gap.rf_largest.mg.low", {"value": 0}, "differs"),
        ("line.ca.ca_421_31", {"value": 0.01}, "agrees"),
        ("line.ca.ca_421_31", {"value": 1e-4}, "same direction"),
        ("line.ca.ca_421_31", {"value": 1e-5}, "differs"),
        ("line.ca.ca_421_31", {"value": 0.0}, "differs"),
        # Settings
        ("window.ca", {"value": [421.01, 422.73]}, "agrees"),
        ("cnn.kernel_size", {"value": 5}, "differs"),
        # Statistics of samples by their tolerance: -0.07, within a half
        ("stat.ph.skewness", {"value": -0.07}, "agrees"),
        ("stat.ph.skewness", {"value": -0.1}, "agrees"),
        ("stat.ph.skewness", {"value": -0.11}, "differs"),
        ("stat.ph.skewness", {"value": 0.07}, "differs"),
        # Wavelengths by the share of repeats
        ("wavelength.pb.919", {"value": 0.9}, "agrees"),
        ("wavelength.pb.919", {"value": 0.6}, "same direction"),
        ("wavelength.pb.919", {"value": 0.5}, "differs"),
        # Figures of other studies, and what has no value
        ("quoted.kok_2024", {"value": 0.66}, "cannot be assessed"),
        ("r2.ca.high", {"value": float("nan")}, "cannot be assessed"),
        ("r2.ca.high", None, "cannot be assessed"),
    ],
)
def test_verdicts_by_kind(entry_id, ours, expected):
    assert ledger.judge((ENTRIES | PUBLISHED["gejiu"])[entry_id], ours).verdict == expected


@pytest.mark.parametrize(
    ("study", "entry_id", "ours", "why"),
    [
        ("libs", "r2.ca.high", {}, "no result of ours"),
        ("libs", "r2.ca.high", {"value": None, "note": "diverged"}, "diverged"),
        ("libs", "error_per_wavelength", {"value": 1.0}, "the network predicts one value a spectrum"),
        ("libs", "r2.ca.high", {"value": 0.95, "sd": 0.01, "n": 10}, "0.034 below, 0.014 allowed"),
        ("gejiu", "wavelength.pb.919", {"value": 0.9}, "among the highest in 90% of repeats"),
    ],
)
def test_a_verdict_says_why(study, entry_id, ours, why):
    assert ledger.judge(PUBLISHED[study][entry_id], ours).why == why


def test_ledger_frame_pairs_published_with_ours():
    results = {"r2.ca.high": {"value": 0.95, "sd": 0.01, "n": 10, "note": "pooled"}}
    frame = ledger.ledger_frame("libs", results)
    assert len(frame) == 122
    row = frame.loc["r2.ca.high"]
    assert (row["published"], row["ours"], row["verdict"]) == ("0.984 ± 0.006", "0.950 ± 0.010", "differs")
    assert row["note"] == "pooled"
    assert (frame.drop("r2.ca.high")["verdict"] == "cannot be assessed").all()
    assert frame.loc["r2_min.high", "published"] == "≥ 0.972"
    assert frame.loc["order.r2.cnn_highest.ca.high", "published"] == "claimed"
    assert len(ledger.ledger_frame("libs", {}, kinds=("setting", "input"))) == 67
    assert len(ledger.ledger_frame("gejiu", {}, kinds=("quoted",))) == 10


@pytest.mark.parametrize(
    ("study", "entry_id", "value", "shown"),
    [
        ("mir", "prediction_sd.c.imputed", 35.2, ("40.08", "35.20", "cannot be assessed")),
        ("mir", "rmse.c", 16.9, ("15.41", "16.90", "agrees")),
        ("gejiu", "wavelength.pb.919", 0.9, ("919", "90%", "agrees")),
        ("gejiu", "rmse.pls_pb", 0.8, ("0.90", "0.80", "same direction")),
        ("libs", "line.mg.mg_280_27", 0.4995, ("280.27", "0.4995", "agrees")),
    ],
)
def test_what_is_ours_stands_beside_what_is_published(study, entry_id, value, shown):
    frame = ledger.ledger_frame(study, {entry_id: {"value": value}})
    assert tuple(frame.loc[entry_id, ["published", "ours", "verdict"]]) == shown
    assert not frame.index.str.startswith("quoted").any()


def test_verdicts_are_counted_by_kind():
    results = {"order.r2.cnn_highest.ca.high": {"value": 1.0}, "order.r2.cnn_highest.mg.high": {"value": 0.2}}
    frame = ledger.ledger_frame("libs", results)
    counts = ledger.verdict_counts(frame["kind"], frame["verdict"])
    assert list(counts) == [*ledger.VERDICTS, "all"] and list(counts.index) == ["result", "ordering", "line"]
    assert counts.loc["ordering"].tolist() == [1, 0, 1, 40, 42] and counts["all"].tolist() == [54, 42, 26]


@pytest.mark.parametrize(
    ("study", "standings", "texts"),
    [
        (
            "libs",
            {"contradiction": 18, "unclear": 12, "fits": 3},
            {
                "folds_of_twelve": "8 of 10 folds hold one sample",
                "detection_between_ranges": "a factor of 152",
                "error_range_high": "77,390 ppm",
            },
        ),
        (
            "gejiu",
            {"unclear": 21, "fits": 13, "contradiction": 4},
            {
                "natural_logarithms": "a factor of 1.8 in mg/kg",
                "pooling_edges": "16 of 17 named wavelengths",
                "early_stopping": "20 of 98 samples, and 78 were fitted",
                "network_size": "53,957 parameters: 551 for each of 98",
            },
        ),
        (
            "mir",
            {"fits": 4, "unclear": 15},
            {
                "counts": "56,787 and 56,787 samples, 213 (0.4 %) from the rounded 57,000",
                "both_measured": "42 have both (0.08 % of carbon",
                "implied_spread": "77 g/kg for carbon (73 to 82 with the rounding)",
                "r2_beside_rpiq": "an R² of 0.04 and -0.65",
                "prediction_sd": "it is 57 to 98 g/kg for carbon",
                "prediction_sd_per_sample": "99 and 40 % of normal errors, and 97 and 63 %",
            },
        ),
    ],
)
def test_inconsistencies_carry_their_figures(study, standings, texts):
    frame = ledger.inconsistencies_frame(study)
    assert frame["standing"].value_counts().to_dict() == standings
    assert not frame["text"].str.contains("[{}]|nan").any()
    for check, text in texts.items():
        assert text in frame.loc[check, "text"]
    items = ledger.load_published(study)["inconsistencies"].values()
    assert all(("formula" in item) == ("figures" in item) for item in items)


def test_a_text_takes_values_by_id_and_figures_by_name(published_file):
    item = "{{id: a, standing: fits, title: x, where: y, text: '{{{}:,}} of {{total:.1f}}', figures: {{total: 2.04}}}}"
    published_file([ENTRY], [item.format("samples.all")])
    assert ledger.inconsistencies_frame("one").loc["a", "text"] == "1,300 of 2.0"
    published_file([ENTRY], [item.format("samples.low")])
    with pytest.raises(KeyError, match=r"samples\.low"):
        ledger.inconsistencies_frame("one")


def test_a_doubled_id_is_refused(published_file):
    published_file([ENTRY, ENTRY], [])
    with pytest.raises(ValueError, match="an id is given twice"):
        ledger.load_published("one")


def test_recorded_results_are_read(tmp_path):
    record = {"provenance": PROVENANCE, "results": {"lod.ca.high": {"value": 170.0}}}
    path = written(tmp_path, record)
    assert ledger.load_results("libs", path) == record


def test_how_a_record_was_made_is_said_in_words():
    provenance = PROVENANCE | {"commit": "0123456789abcdef"}
    words = "with the paper profile, seed 0, by spectrakit 0.1.0, commit `0123456789ab`"
    assert ledger.how_made({"provenance": provenance}) == words


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"results": \n {,', r"libs-paper.json, line 2: not JSON"),
        ("[" * 200_000, "libs-paper.json: numbers too long or lists too deep"),
        ("9" * 5000, "libs-paper.json: numbers too long or lists too deep"),
        ([1, 2], r"not a record"),
        ({"results": {}}, r"not a record"),
        ({"provenance": PROVENANCE}, r"not a record"),
        ({"provenance": {"seed": 0}, "results": {}}, r"lacks profile, config, commit, version"),
        ({"provenance": PROVENANCE, "results": {"r2.ca.high": 3}}, r"the result of 'r2.ca.high' has no value"),
        (
            {"provenance": PROVENANCE, "results": {"r2.fe.high": {}}},
            r"'r2.fe.high' is no result that the study libs published",
        ),
    ],
)
def test_broken_records_are_refused_in_one_line(tmp_path, record, message):
    with pytest.raises(ValueError, match=message) as error:
        ledger.load_results("libs", written(tmp_path, record))
    assert "\n" not in str(error.value)


def test_missing_files_are_named_with_a_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="or run spectrakit replicate libs --profile paper"):
        ledger.load_results("libs", tmp_path / "libs-paper.json")
    with pytest.raises(ValueError, match=r"no published figures for the study 'lips'; there are: .*libs"):
        ledger.load_published("lips")
