import pytest

from spectrakit.ledger import load_published
from spectrakit.studies.libs.published import CHECKS

ENTRIES = load_published("libs")["entries"]

# Each figure worked out by hand from the published numbers.
FIGURES = {
    "implied_spread": {
        "ca_high": 39.982 / 0.016**0.5,
        "mg_high": 54.313 / 0.028**0.5,
        "na_low": 6.0933,
        "mg_low": 91.033,
        "ca_low": 305.90,
        "mg_high_runs": 327.17,
        "levels": 327.3155,
    },
    "deviations_of_r2": {"ca_high": 0.0054593, "mg_high": 0.0070866, "worst": 0.007 - 2 * 0.018 * 6.537 / 41.041},
    "sampling": {"ca": 3.1886, "mg": 3.4613, "na": 3.2241},
    "folds_of_twelve": {"single": 8, "double": 2},
    "error_range_high": {
        "of_highest": 3.9982,
        "of_lowest": 79.964,
        "content": 77390,
        "content_fraction": 773.9,
    },
    "error_range_low": {"ca": 5143.33, "mg": 1498.17, "na": 67.1667, "ca_ratio": 16.814, "na_ratio": 11.023},
    "error_of_zero": {"unspiked": 1},
    "detection_above_levels": {"below_ca": 2, "below_mg": 2, "below_na": 2, "share_low": 44.895},
    "detection_between_ranges": {"ca": 1.27111, "mg": 151.849, "na": 84.894},
    # The mean of 1/level over the eleven levels is 0.0044809 per ppm.
    "detection_beside_rsd": {"ca_sd": 58.1893, "ca_rsd": 26.0738, "mg_rsd": 26.9218, "na_rsd": 23.1409},
    "weak_magnesium": {"content": 140.546, "blank": 0.39567, "blank_rsd": 0.28152},
    "low_is_not_low": {"high": 316.085, "low": 305.902, "mg": 3.5656, "na": 52.580},
    "gap_sign": {"overfit": -39.982, "honest": 0},
    # 8 x 3 + 8, 8 x 8 x 3 + 8, 8 x 128 + 128, 128 + 1; flattened 60 positions of 8 maps.
    "parameter_counts": {
        "cnn": 32 + 200 + 1152 + 129,
        "flattened": 32 + 200 + 61568 + 129,
        "bpnn_ca": 273,
        "bpnn_mg": 505,
        "bpnn_na": 141,
        "train": 11,
    },
    "r2_range": {"r2_of_mean": 1 - 144 / 121},
    "explained_over_98": {"high": 0.972, "low": 0.98},
    "error_distribution": {"low": 39.982 / 30.956, "high": 12.874 / 8.989, "normal": 1.253314},
    "batch_and_steps": {"train": 11, "steps": 500, "times": 100},
    "rows_of_the_input": {"rows": 12, "channels": 66},
    "pooling": {"after": 64, "last": 60, "share": 96.97},
    # One channel less by the first pooling; without padding each convolution takes two more.
    "map_length": {"padded": 65, "last": 61},
    "receptive_field": {"field": 6, "ca": 0.132308 * 1.2, "mg": 0.097073, "na": 0.219375, "ca_elements": 1.8817},
    "chance_alignment": {"named": 26, "own": 10, "ca": 62.1212, "mg": 46.7742, "na": 78.7879},
    "resonance_lines": {"element": 0.055999},
}
TEXTS = {
    "line_outside_window": {"outside": "Ca 422.82 nm, by 0.09 nm"},
    "lines_at_the_edge": {"edge": "Ca 422.67 nm (0.06 nm), Mg 280.97 nm (0.02 nm), N 589.98 nm (0.01 nm)"},
    "unresolved_lines": {
        "pairs": "Mn 279.76 and Mg 279.80, C 589.40 and C 589.44, Na 589.59 and Fe 589.67, Fe 589.67 and Fe 589.78"
    },
    "resonance_lines": {"lines": "279.55 nm, 280.27 nm", "offsets": "0.09, 0.00"},
}


def test_every_check_is_pinned():
    assert set(CHECKS) == set(FIGURES) | set(TEXTS)


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    found = CHECKS[name](ENTRIES)
    assert {key: found[key] for key in FIGURES[name]} == pytest.approx(FIGURES[name], rel=1e-4)


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name):
    assert {key: CHECKS[name](ENTRIES)[key] for key in TEXTS[name]} == TEXTS[name]


def test_the_figures_follow_the_published_values():
    changed = ENTRIES | {"rmse.ca.high": ENTRIES["rmse.ca.high"] | {"value": 79.964}}
    assert CHECKS["implied_spread"](changed)["ca_high"] == pytest.approx(2 * 316.0855, rel=1e-5)
