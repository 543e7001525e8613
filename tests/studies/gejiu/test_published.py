import re

import numpy as np
import pytest

from spectrakit import ledger
from spectrakit.studies.gejiu import published as gejiu_published
from spectrakit.studies.gejiu.published import CHECKS, band_distances

PUBLISHED = ledger.load_published("gejiu")
ENTRIES = PUBLISHED["entries"]
N32 = (32 / 31) ** 0.5

# Each figure worked out by hand from the published numbers.
FIGURES = {
    "rpd_identity": {
        "resnet_pb": N32 / 0.7**0.5,
        "svm_pb": 1.39557,
        "resnet_ph_pb": 2.11852,
        "resnet_pb_excess": 100 * (1.25 * 0.7**0.5 / N32 - 1),
        "resnet_ph_pb_boxcox_excess": 100 * (2.10 * 0.35**0.5 / N32 - 1),
        "explained": 3,
        "rows": 6,
    },
    # (1.25 / 1.214353) ** (8 / 3) = 1.080207; 0.7 sqrt(0.080207)
    "scatter_of_rounds": {"resnet_pb": 0.198246, "pls_pb": 0.125949},
    # 1.222811 ** (8 / 3) = 1.709906; 0.35 sqrt(0.709906) = 0.294896
    "boxcox_row": {"implied_rpd": 1.717361, "implied_r2": 1 - 32 / 31 / 4.41, "scatter": 0.294896},
    "implied_spread": {
        "resnet_pb": 1.05 * 1.25,
        "svm_pb": 0.89 * 1.40,
        "resnet_ph_pb_boxcox": 0.231,
        "resnet_ph_pb_r2": 0.59 / 0.23**0.5,
        "resnet_ph_r2": 1.4,
    },
    "differences": {"count": 5, "worst": 0, "highest": 0.47},
    "literature_range": {"worst": 0.30, "best": 0.47, "short": 0.07},
    "standard_errors": {
        "svm_pb_test": 2 * 0.47**0.5 * 0.53 / 32**0.5,
        "resnet_ph_pb_soils": 2 * 0.77**0.5 * 0.23 / 130**0.5,
        "gain_test": 0.3 / (0.128464**2 + 0.071356**2) ** 0.5,
        "gain_soils": 4.11473,
        "direct_soils": 0.43743,
    },
    "kurtosis_definition": {"least": 3.12**2 + 1, "excess": 7.7344, "most_skewed": 128 / 129**0.5},
    "moments": {
        "pb_cv": 1969.17 / 974.06,
        "ph_cv": 1.35 / 6.02,
        "pb_apart": 742.06,
        "ph_largest": (4.06 * 2.81) ** 0.5,
    },
    "near_normal": {"errors": 1.24 * (19036 / 24) ** 0.5},
    "variability_of_ph": {"factor": 10**1.35, "millions": 10**6.87 / 1e6},
    "early_stopping": {"left": 0, "held": 20, "fitted": 78},
    "split_counts": {"lucas": 14277, "gejiu": 97.5, "library_train": 97, "library_test": 33},
    # 3361 x 16 + 17 x 10 + 11; 48 x 4 + 2 x 48 + 4 x 48 x 145 + 32 x 145
    "network_size": {"pooled": 210, "length": 105, "flat": 3360, "tuned": 53957, "frozen": 32768, "each": 53957 / 98},
    "batch_normalisation": {"learned": 96, "kept": 96},
    "relu_output": {"log": np.log(34.6)},
    "spectra_counts": {"kept": 2100, "gejiu": 2151, "excluded": 50, "left": 2101, "last": 2500},
    "shap_background": {"own": 3200 / 130, "ph_train": 100000 / 14277, "ph_test": 100000 / 4759},
    "pooling_windows": {"count": 17},
    # C(17, 16) 0.2^16 0.8 + 0.2^17
    "pooling_edges": {"edge": 16, "first": 7, "last": 9, "expected": 3.4, "chance": 17 * 0.2**16 * 0.8 + 0.2**17},
    "new_wavelengths": {"beside": 3, "new": 8},
    "retained_wavelengths": {"nearest": 1650},
    "shared_bands": {"ph_inside": 5, "ph_count": 8, "pb_inside": 7, "pb_count": 10, "share": 30000 / 2099},
    "literature_bands": {"overlap": 150, "width": 200, "gap": 140, "beyond": 0, "highest": 1789},
    "water_bending": {"wavenumber": 1e7 / 1639, "bend_nm": 1e7 / 1640},
    # Goethite's 6A1 to 4T1 band, 246 nm wide, has both named wavelengths within half its height.
    "assignments": {
        "clay_band": 1239.7,
        "carbonate_band": 1747,
        "organic_matter_band": 1650,
        "goethite_919": 915,
        "water_959": 970,
    },
}
TEXTS = {
    "differences": {"stated": "0.47, 0.34, 0.30, 0.17, 0.13"},
    "rpd_classes": {
        "resnet_pb": "inadequate",
        "pls_pb": "inadequate",
        "svm_pb": "acceptable",
        "resnet_ph_pb": "superior",
        "boxcox_by_r2": "acceptable",
    },
    "pooling_edges": {"inside": "717 nm"},
    "new_wavelengths": {"pairs": "610 beside 629, 717 beside 729, 1670 beside 1680"},
    "retained_wavelengths": {"named": "689 nm", "missing": "1610 nm"},
    "shared_bands": {"ph_outside": "1560, 1750, 1789", "pb_outside": "759, 919, 959"},
}
SOLVED = {"natural_logarithms", "boxcox_exponent"}  # by optimisation; tested on their own


def test_every_check_is_pinned():
    assert set(CHECKS) == set(FIGURES) | set(TEXTS) | SOLVED


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    found = CHECKS[name](ENTRIES)
    assert {key: found[key] for key in FIGURES[name]} == pytest.approx(FIGURES[name], rel=1e-4, abs=1e-12)


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name):
    assert {key: CHECKS[name](ENTRIES)[key] for key in TEXTS[name]} == TEXTS[name]


def test_only_natural_logarithms_have_room_for_the_errors():
    found = CHECKS["natural_logarithms"](ENTRIES)
    assert found["low"] == pytest.approx(0.972, abs=0.01) and found["high"] == pytest.approx(1.877, abs=0.01)
    assert found["low"] < found["spread_low"] and found["spread_high"] < found["high"]
    assert found["spread_low"] > found["high_10"] == pytest.approx(found["high"] / 2.302585)
    assert found["factor_resnet_ph_pb"] == pytest.approx(1.80399, rel=1e-5)


def test_limits_hold_for_a_sample_of_those_statistics():
    # Lead as a log-normal sample; its own statistics put in place of the published ones.
    contents = np.exp(np.random.default_rng(3).normal(5.5, 1.1, 130))
    scaled = (contents - contents.mean()) / contents.std()
    statistics = dict(
        min=contents.min(),
        max=contents.max(),
        mean=contents.mean(),
        median=np.median(contents),
        sd=contents.std(),
        skewness=(scaled**3).mean(),
        kurtosis=(scaled**4).mean() - 3,
    )
    sample = {f"stat.pb.{name}": {"value": value} for name, value in statistics.items()}
    found = CHECKS["natural_logarithms"](ENTRIES | sample)
    assert found["low"] < np.log(contents).std() < found["high"]


def test_the_entropic_distribution_has_the_published_statistics():
    weights, contents = gejiu_published._entropic(ENTRIES), gejiu_published._contents(ENTRIES)
    mean = weights @ contents
    sd = np.sqrt(weights @ (contents - mean) ** 2)
    assert (mean, sd) == pytest.approx((974.06, 1969.17), rel=1e-4)
    assert weights @ ((contents - mean) / sd) ** 3 == pytest.approx(3.12, rel=1e-4)
    assert weights @ ((contents - mean) / sd) ** 4 == pytest.approx(12.1, rel=1e-4)
    assert weights[contents <= 232].sum() == pytest.approx(0.5, abs=1e-4)


def test_boxcox_exponents_follow_from_the_spreads():
    found = CHECKS["boxcox_exponent"](ENTRIES)
    assert found["by_rpd"] == pytest.approx(0.231) and found["by_r2"] == pytest.approx(0.11 / 0.35**0.5)
    assert found["exponent"] == pytest.approx(-0.319, abs=0.005)
    assert found["exponent_r2"] == pytest.approx(-0.359, abs=0.005)
    assert found["lowest"] < found["exponent"] < found["highest"]
    assert (found["lowest"], found["highest"]) == pytest.approx((-0.40, -0.21), abs=0.01)
    assert found["likeliest"] == pytest.approx(-0.205, abs=0.01)
    assert found["rmse_log"] == pytest.approx(0.11 * 232 ** -found["exponent"])


def test_a_kurtosis_that_is_no_excess_is_impossible():
    plain = ENTRIES | {"stat.pb.kurtosis": {"value": 9.1 - 3}}
    with pytest.raises(ValueError, match="no distribution has the statistics"):
        CHECKS["natural_logarithms"](plain)


def test_distances_to_bands():
    found = band_distances(ENTRIES)
    assert set(found) == {name for name in ENTRIES if name.startswith("band_distance.")}
    # Goethite and hematite absorb at 658 and 650 nm, the first overtone of aromatic C-H at 1650 nm is 80 nm wide.
    assert found["band_distance.600_700.iron_oxides"] == found["band_distance.1670.organic_matter"] == 0
    # 1747 nm, 42.9 nm wide
    assert found["band_distance.959.carbonate"] == pytest.approx(1747 - 42.9 / 2 - 959)
    # Kaolinite's O-H stretch with lattice modes, 1239.7 nm, 30 nm wide; liquid water, 1780 nm, 110 nm wide
    assert found["band_distance.919.clay"] == pytest.approx(1239.7 - 30 / 2 - 919)
    assert found["band_distance.1639.water"] == pytest.approx(1780 - 110 / 2 - 1639)


def test_the_figures_follow_the_published_values():
    changed = ENTRIES | {"rmse.pls_pb": ENTRIES["rmse.pls_pb"] | {"value": 1.8}}
    assert CHECKS["implied_spread"](changed)["pls_pb"] == pytest.approx(1.8 * 1.37)


def test_every_kind_is_there_in_full():
    kinds = [entry["kind"] for entry in ENTRIES.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "input": 32,
        "setting": 50,
        "result": 36,
        "quoted": 10,
        "ordering": 27,
        "wavelength": 18,
    }


def test_entries_are_complete():
    for entry_id, entry in ENTRIES.items():
        assert entry["what"] and entry["where"], entry_id
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", entry_id)
        if entry["kind"] == "result" and "unassessable" not in entry:
            assert ("better" in entry and "tolerance" in entry) != ("bound" in entry), entry_id
        if entry["kind"] == "wavelength":
            assert entry_id == f"wavelength.{entry['element'].lower()}.{entry['value']}"


def test_published_numbers_stand_in_the_paper(shared):
    text = (shared / "papers" / "gejiu.txt").read_text(encoding="utf-8")
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text.replace("−", "-"))
    worded = {"network.residual_blocks", "network.outputs", "gejiu.scans"}  # numbers in words
    ours = {name for name in ENTRIES if name.startswith("band_distance.")}
    for entry_id in ENTRIES.keys() - worded - ours:
        value = ENTRIES[entry_id].get("value", [])
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, int | float):
                found = re.search(rf"(?<![\d.]){re.escape(str(number))}0*(?![\d])", text)
                assert found, f"{entry_id}: {number}"


def test_inconsistencies_carry_their_figures():
    frame = ledger.inconsistencies_frame("gejiu")
    assert frame["standing"].value_counts().to_dict() == {"unclear": 21, "fits": 13, "contradiction": 4}
    assert set(CHECKS) <= set(frame.index)
    assert not frame["text"].str.contains("[{}]").any()
    assert "a factor of 1.8 in mg/kg" in frame.loc["natural_logarithms", "text"]
    assert "16 of 17 named wavelengths" in frame.loc["pooling_edges", "text"]
    assert "20 of 98 samples, and 78 were fitted" in frame.loc["early_stopping", "text"]
    assert "53,957 parameters: 551 for each of 98" in frame.loc["network_size", "text"]
