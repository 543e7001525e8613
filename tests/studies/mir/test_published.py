import re

import numpy as np
import pytest
from scipy.stats import gennorm, lognorm

from spectrakit import ledger
from spectrakit.studies.mir.published import CHECKS
from spectrakit.studies.published import text_with_figures

PUBLISHED = ledger.load_published("mir")
ENTRIES = PUBLISHED["entries"]
NORMAL_IQR = 1.3489795

# Each figure worked out by hand from the published numbers.
FIGURES = {
    "counts": {"c": 56787, "om": 56787, "apart": 213, "apart_share": 0.373684},
    "both_measured": {"both": 42, "c_share": 4200 / 51079, "om_share": 4200 / 5750},
    "implied_spread": {
        "c_sd": 15.41 / 0.2,
        "c_sd_low": 15.405 / 0.045**0.5,
        "c_sd_high": 15.415 / 0.035**0.5,
        "om_sd": 19.15 / 0.21**0.5,
        "om_sd_high": 19.155 / 0.205**0.5,
        "c_iqr": 21.2658,
        "c_iqr_low": 15.405 * 1.375,
        "om_iqr": 20.1075,
        "om_iqr_high": 19.155 * 1.055,
    },
    "skew": {
        "c_ratio": 5 / 1.38,
        "c_ratio_low": 1 / 0.045**0.5 / 1.385,
        "c_ratio_high": 1 / 0.035**0.5 / 1.375,
        "om_ratio": 1 / 0.21**0.5 / 1.05,
        "normal": 1 / NORMAL_IQR,
        # 2700 + 294400 p - 211600 p^2 = 72.6199^2
        "c_least": 0.879763,
    },
    "r2_beside_rpiq": {
        "c_rpd": 5,
        "om_rpd": 1 / 0.21**0.5,
        "c_normal_rpiq": 5 * NORMAL_IQR,
        "c_normal_r2": 1 - (NORMAL_IQR / 1.38) ** 2,
        "om_normal_r2": 1 - (NORMAL_IQR / 1.05) ** 2,
        "limit_b": 1.4 * NORMAL_IQR,
        "limit_a": 2 * NORMAL_IQR,
    },
    "error_tails": {
        "c_ratio": 6.62 / 15.41,
        "om_ratio": 11.76 / 19.15,
        "normal": 0.797885,
        "laplace": 0.5**0.5,
        "c_typical": 6.62 * 1.253314,
        "om_typical": 11.76 * 1.253314,
        # 15.41 / 8.296940 = 1.857311, 19.15 / 14.738975 = 1.299276
        "c_varies": 100 * (1.857311**2 - 1) ** 0.5,
        "om_varies": 100 * (1.299276**2 - 1) ** 0.5,
    },
    "prediction_sd": {
        "c_low": 72.61987 - 15.41,
        "c_high": 82.39664 + 15.41,
        "c_calibrated": 0.96**0.5 * 77.05,
        "om_calibrated": 0.79**0.5 * 41.78873,
        "c_squared_sd": 0.96**0.5 * 40.08 + (15.41**2 - 0.04 * 40.08**2) ** 0.5,
        "om_squared_sd": 0.79**0.5 * 10.06 + (19.15**2 - 0.21 * 10.06**2) ** 0.5,
        "c_squared_r2": 1 - (15.41 / 52.43121) ** 2,
        "om_bias": (19.15**2 - 10.06**2) ** 0.5,
    },
    "prediction_sd_imputed": {
        "c_expected": 0.58 * 41.78873,
        "om_expected": 77.05 / 0.58,
        "c_times": 40.08 / 24.23746,
        "om_share": 1006 * 0.58 / 77.05,
        "carbonate": (40.08**2 - 24.23746**2) ** 0.5,
        "calcite": 31.92105 / 0.12,
        "om_least": 17.05 / 0.58,
        "om_most_r2": 1 - (1 - 0.0757271) ** 2,
        "with_c": 100 * 45329 / 51037,
    },
    "prediction_sd_per_sample": {
        "expected": 68.26895,
        "c_typical": 8.29694,
        "c_times": 40.08 / 8.29694,
        "om_times": 10.06 / 14.738975,
        "c_covered": 99.0702,  # 2.60091 deviations
        "om_covered": 40.0644,  # 0.525326 deviations
    },
    "extrapolation": {
        "c_sd": 77.05,
        "c_iqr": 21.2658,
        "learned_sd": 24.23746,
        "learned_iqr": 0.58 * 20.1075,
        "times": 77.05 / 24.23746,
        "c_imputed": 5708 / 51079,
        "om_imputed": 51037 / 5750,
    },
    "two_networks": {
        "factor": 1 / 0.58,
        "times": 77.05 / 24.23746,
        "c_below": 11.76 * 0.58 / 0.42,
        "om_below": 6.62 / 0.42,
        "mae_by_c": 6.62 / 0.58,
        "rmse_by_c": 15.41 / 0.58,
    },
    "which_carbon": {"of_rmse": 15.41 / 1.2},
    "coverage_gain": {"c_times": 56787 / 51079, "om_times": 56787 / 5750, "with_c": 100 * 45329 / 51037},
}
SHARES = {"constraints"}  # of log-normal soils; tested with that distribution
CLASSES = {"class_by_r2": ("A", "B"), "class_by_rpd": ("A", "A"), "class_by_rpiq": ("C", "C")}


def test_every_check_is_pinned():
    assert set(CHECKS) == set(FIGURES) | SHARES


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    found = CHECKS[name](ENTRIES)
    assert {key: found[key] for key in FIGURES[name]} == pytest.approx(FIGURES[name], rel=1e-4)


def test_classes():
    found = CHECKS["r2_beside_rpiq"](ENTRIES)
    assert {name: (found[f"c_{name}"], found[f"om_{name}"]) for name in CLASSES} == CLASSES
    at_the_limit = CHECKS["r2_beside_rpiq"](ENTRIES | {"r2.om": {"value": 0.8}})
    assert at_the_limit["om_class_by_r2"] == "A"


@pytest.mark.parametrize(
    ("target", "sigma", "median", "organic"), [("c", 1.48378, 9.0383, 4.0679), ("om", 1.20863, 11.0657, 0.76991)]
)
def test_the_lognormal_has_the_published_spread(target, sigma, median, organic):
    found, spread = CHECKS["skew"](ENTRIES), CHECKS["implied_spread"](ENTRIES)
    assert [found[f"{target}_{name}"] for name in ("sigma", "median", "organic")] == pytest.approx(
        [sigma, median, organic], rel=1e-4
    )
    contents = lognorm(found[f"{target}_sigma"], scale=found[f"{target}_median"])
    assert contents.std() == pytest.approx(spread[f"{target}_sd"])
    assert np.diff(contents.ppf([0.25, 0.75])) == pytest.approx(spread[f"{target}_iqr"])
    limit = {"c": 120, "om": 120 / 0.58}[target]
    assert 100 * contents.sf(limit) == pytest.approx(found[f"{target}_organic"])
    # Shares below single contents, of the same distribution
    shares = {"two_networks": {"c": 16.24, "om": 15.7619}, "constraints": {"c": 6.62, "om": 11.76}}
    for check, below in shares.items():
        expected = 100 * contents.cdf(below[target])
        assert CHECKS[check](ENTRIES)[f"{target}_share"] == pytest.approx(expected, rel=1e-5)
    if target == "c":
        assert CHECKS["which_carbon"](ENTRIES)["median"] == pytest.approx(median, rel=1e-4)
        assert CHECKS["which_carbon"](ENTRIES)["of_median"] == pytest.approx(median / 1.2, rel=1e-4)


def test_the_cut_lognormal_has_it_too():
    found = CHECKS["skew"](ENTRIES)
    # Even steps of probability up to the highest content, 580 g/kg; the median of the uncut distribution is 4.4914.
    contents = lognorm(found["c_cut_sigma"], scale=4.4914)
    drawn = contents.ppf((np.arange(1_000_000) + 0.5) / 1_000_000 * contents.cdf(580))
    quartiles = np.quantile(drawn, [0.25, 0.75])
    assert [drawn.std(), np.ptp(quartiles)] == pytest.approx([77.05, 21.2658], rel=1e-4)
    assert quartiles[0] == pytest.approx(found["c_cut_quartile"], rel=1e-4)
    organic = drawn >= 120
    squares = (drawn - drawn.mean()) ** 2
    expected = [found["c_cut_organic"], found["c_cut_squares"]]
    assert [100 * organic.mean(), 100 * squares[organic].sum() / squares.sum()] == pytest.approx(expected, rel=1e-3)
    assert found["c_impossible"] == pytest.approx(61.2036, rel=1e-4)


def test_no_distribution_has_fewer_organic_soils():
    share = CHECKS["skew"](ENTRIES)["c_least"] / 100
    contents, weights = np.array([0, 120, 580]), np.array([0.75, 0.25 - share, share])
    mean = weights @ contents
    assert np.sqrt(weights @ (contents - mean) ** 2) == pytest.approx(72.61987, rel=1e-5)


@pytest.mark.parametrize(("target", "mae", "rmse", "printed"), [("c", 6.62, 15.41, 40.08), ("om", 11.76, 19.15, 10.06)])
def test_heavy_tails_have_the_published_ratio(target, mae, rmse, printed):
    tails, covered = CHECKS["error_tails"](ENTRIES), CHECKS["prediction_sd_per_sample"](ENTRIES)
    exponent = {"c": 0.340518, "om": 0.642797}[target]
    errors = gennorm(exponent, scale=rmse / gennorm(exponent).std())
    assert errors.expect(abs, lb=-np.inf, ub=0) * 2 == pytest.approx(mae, rel=1e-3)
    assert 100 * np.diff(errors.cdf([-printed, printed])) == pytest.approx(covered[f"{target}_covered_tails"], rel=1e-4)
    largest = errors.isf(0.025)
    inside = errors.expect(np.square, lb=0, ub=largest) * 2
    assert 100 * (1 - inside / rmse**2) == pytest.approx(tails[f"{target}_largest"], rel=1e-3)
    assert tails["normal_largest"] == pytest.approx(27.91, rel=1e-4)


def test_a_spread_that_no_lognormal_has_is_refused():
    narrow = ENTRIES | {"rpiq.c": {"value": 40.0}}
    with pytest.raises(ValueError, match=r"no log-normal distribution has deviation 77\.05"):
        CHECKS["skew"](narrow)


def test_the_figures_follow_the_published_values():
    changed = ENTRIES | {"rmse.c": ENTRIES["rmse.c"] | {"value": 30.82}}
    assert CHECKS["implied_spread"](changed)["c_sd"] == pytest.approx(154.1)


def test_every_kind_is_there_in_full():
    kinds = [entry["kind"] for entry in ENTRIES.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"input": 8, "setting": 13, "result": 23, "ordering": 4}
    assert sum("unassessable" in entry for entry in ENTRIES.values()) == 23


def test_entries_are_complete():
    for entry_id, entry in ENTRIES.items():
        assert entry["what"] and entry["where"], entry_id
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", entry_id)
        parts = set(entry_id.split(".")) & {"c", "om"}
        if parts:
            assert {entry["element"].lower()} == parts, entry_id
        if entry["kind"] == "result" and "unassessable" not in entry:
            assert ("better" in entry and "tolerance" in entry) != ("bound" in entry), entry_id


def test_tolerances_of_r2_are_those_of_the_rmse():
    for target in ("c", "om"):
        entry = ENTRIES[f"r2.{target}"]
        allowed = 0.21 * (1 - entry["value"]) / entry["value"]  # the RMSE a tenth larger
        assert entry["tolerance"] == pytest.approx(allowed, abs=0.005)


def test_both_readings_hold_one_figure():
    for target, printed in (("c", 40.08), ("om", 10.06)):
        values = {ENTRIES[f"prediction_sd.{target}.{reading}"]["value"] for reading in ("imputed", "per_sample")}
        assert values == {printed}


def test_published_numbers_stand_in_the_paper(shared):
    text = (shared / "papers" / "mir.txt").read_text(encoding="utf-8").replace(",", "")
    for entry_id, entry in ENTRIES.items():
        value = entry.get("value")
        if isinstance(value, int | float) and "the limit is ours" not in entry["what"]:
            assert re.search(rf"(?<![\d.]){re.escape(str(value))}(?![\d])", text), entry_id


def test_every_number_of_the_paper_stands_here(shared):
    text = (shared / "papers" / "mir.txt").read_text(encoding="utf-8")
    abstract = text[text.index("Mid-infrared (MIR)") : text.index("Share your ideas")].replace(",", "")
    printed = {float(number) for number in re.findall(r"(?<![⁻\w.])\d+(?:\.\d+)?", abstract)}
    entries = [entry for entry in ENTRIES.values() if "the limit is ours" not in entry["what"]]
    assert printed == {entry["value"] for entry in entries if isinstance(entry.get("value"), int | float)}


def test_what_is_ours_stands_beside_what_cannot_be_judged():
    frame = ledger.ledger_frame("mir", {"prediction_sd.c.imputed": {"value": 35.2}, "rmse.c": {"value": 16.9}})
    row = frame.loc["prediction_sd.c.imputed"]
    assert (row["published"], row["ours"], row["verdict"]) == ("40.08", "35.2", "cannot be assessed")
    assert frame.loc["rmse.c", "verdict"] == "agrees"


def test_texts_carry_their_figures():
    texts, standings = {}, []
    for item in PUBLISHED["inconsistencies"]:
        figures = CHECKS[item["id"]](ENTRIES) if item["id"] in CHECKS else {}
        texts[item["id"]] = text_with_figures(item["text"], ENTRIES, figures)
        standings.append(item["standing"])
    assert set(CHECKS) <= set(texts) and len(texts) == len(standings)
    assert {standing: standings.count(standing) for standing in standings} == {"fits": 4, "unclear": 15}
    assert not any(re.search("[{}]|nan", text) for text in texts.values())
    assert "56,787 and 56,787 samples, 213 (0.4 %) from the rounded 57,000" in texts["counts"]
    assert "42 have both (0.08 % of carbon" in texts["both_measured"]
    assert "77 g/kg for carbon (73 to 82 with the rounding)" in texts["implied_spread"]
    assert "an R² of 0.04 and -0.65" in texts["r2_beside_rpiq"]
    assert "it is 57 to 98 g/kg for carbon" in texts["prediction_sd"]
    assert "99 and 40 % of normal errors, and 97 and 63 %" in texts["prediction_sd_per_sample"]
