import numpy as np
import pandas as pd
import pytest
from scipy.signal import argrelmax
from scipy.stats import kurtosis, skew

from spectrakit.ledger import load_published
from spectrakit.simulate.soils.composition import EUROPE, draw_soils
from spectrakit.simulate.soils.lucas import N_SAMPLES, ph_table, published_ph, simulate_lucas

PUBLISHED = {
    name.removeprefix("stat.ph."): entry["value"]
    for name, entry in load_published("gejiu")["entries"].items()
    if name.startswith("stat.ph.")
}
# Four standard deviations of each statistic among 40 surveys of 19,036 soils, and half of the last digit published.
TOLERANCE = {"mean": 0.045, "median": 0.065, "sd": 0.025, "skewness": 0.05, "kurtosis": 0.055, "min": 0.3, "max": 0.8}


def statistics(ph):
    return {
        **{"mean": ph.mean(), "median": np.median(ph), "sd": ph.std(), "skewness": skew(ph), "kurtosis": kurtosis(ph)},
        **{"min": ph.min(), "max": ph.max()},
    }


@pytest.fixture(scope="module")
def ph():
    """pH of many surveys of 19,036 soils, (20, 19036)."""
    drawn = [published_ph(draw_soils(N_SAMPLES, EUROPE, 7000 + seed).properties["ph"]) for seed in range(20)]
    return np.array(drawn)


@pytest.fixture(scope="module")
def lucas():
    return simulate_lucas(1100, random_state=2)


def test_surveys_have_the_published_statistics_and_scatter_about_them(ph):
    found = pd.DataFrame([statistics(values) for values in ph])
    # The mean of 20 surveys: four standard errors, and half of the last digit published.
    error = 4 * found.std(ddof=0) / np.sqrt(len(found)) + 0.005
    for name, tolerance in TOLERANCE.items():
        assert found[name][0] == pytest.approx(PUBLISHED[name], abs=tolerance), name
        assert found[name].mean() == pytest.approx(PUBLISHED[name], abs=error[name]), name


def test_the_map_of_ph_ascends_and_is_gentle():
    table = ph_table()
    slopes = np.diff(table["ph"]) / np.diff(table["model_ph"])
    assert 0.2 < slopes.min() < slopes.max() < 2.0
    model = draw_soils(5000, EUROPE, 1).properties["ph"].to_numpy()
    # A map that had to do more than a quarter of a standard deviation would hide what the model lacks.
    assert np.sqrt(np.mean((published_ph(model) - model) ** 2)) < 0.33


def test_the_map_crowds_soils_at_no_ph(ph):
    edges = np.arange(3.0, 10.5, 0.1)
    share = np.histogram(ph, edges)[0] / ph.size
    # Acid soils and those with carbonate: two humps, no third, and the fullest tenth of a unit holds few soils.
    middle = edges[:-1] + 0.05
    smooth = np.convolve(share, np.ones(5) / 5, mode="same")
    humps = argrelmax(smooth, order=3)[0]
    assert middle[humps] == pytest.approx([4.35, 7.2], abs=0.25)
    assert share.max() < 0.035
    # 380,720 soils: counts in a bin scatter by a per cent, and a smooth density changes little from bin to bin.
    assert np.abs(share - smooth)[5:-5].max() < 0.003


def test_the_map_reaches_beyond_all_soils_and_keeps_those_with_carbonate_above_neutral(ph, lucas):
    assert ph_table()["ph"].iloc[0] < ph.min() < ph.max() < ph_table()["ph"].iloc[-1]
    assert lucas.properties["ph"][lucas.properties["caco3_pct"] > 5].median() > 7


def test_the_dataset_is_the_study_s_in_shape(lucas):
    assert lucas.spectra.shape == (1100, 2100)
    assert lucas.spectra.dtype == np.float32
    np.testing.assert_array_equal(lucas.axis, np.arange(400, 2500))
    assert (lucas.axis_unit, lucas.signal) == ("nm", "reflectance")
    assert lucas.samples["sample_id"].is_unique
    assert lucas.provenance == {
        "origin": "simulated",
        "source": "spectrakit simulate lucas",
        "seed": 2,
        "instrument": "FOSS XDS Rapid Content Analyzer",
    }
    assert {"ph", "soc_pct", "clay_pct", "caco3_pct", "fe_oxides_pct"} <= set(lucas.properties)


def test_spectra_are_those_of_soils(lucas):
    medians = np.median(lucas.spectra, axis=0)
    assert 0 < lucas.spectra.min() < lucas.spectra.max() < 1
    # Dark in the blue, brighter in the near infrared, water and hydroxyl at 1410, 1915 and 2205 nm.
    assert medians[0] < 0.5 * medians[1200]
    for band, shoulder in ((1412, 1340), (1915, 1850), (2206, 2130)):
        assert medians[band - 400] < medians[shoulder - 400]


def test_properties_go_with_the_spectra(lucas):
    chosen = lucas.properties
    carbon = pd.Series(lucas.spectra[:, 650 - 400]).corr(np.log(chosen["soc_pct"]), method="spearman")
    assert carbon < -0.3
    depth = lucas.spectra[:, 2341 - 400] / lucas.spectra[:, 2300 - 400]
    lime, none = chosen["caco3_pct"] > 25, chosen["caco3_pct"] < 0.1
    assert np.median(depth[lime]) < np.median(depth[none])


def test_fewer_soils_are_the_first_of_more_and_another_seed_gives_others(lucas):
    calls = []
    fewer = simulate_lucas(700, random_state=2, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(512, 700), (700, 700)]
    assert np.array_equal(fewer.spectra, lucas.spectra[:700])
    assert fewer.properties.equals(lucas.properties.iloc[:700])
    assert fewer.samples.equals(lucas.samples.iloc[:700])
    assert not np.array_equal(simulate_lucas(20, random_state=3).spectra, lucas.spectra[:20])


def test_no_soil_is_refused():
    with pytest.raises(ValueError, match="0 samples: give at least 1"):
        simulate_lucas(0)
