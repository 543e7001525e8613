from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from spectrakit.simulate.library import samples as library
from spectrakit.simulate.library.laboratory import laboratories
from spectrakit.simulate.library.samples import (
    N_SAMPLES,
    allotment,
    library_properties,
    mir_blocks,
    programmes,
    ring_trial,
    simulate_mir,
)

NUMBERS = ["c_g_kg", "oc_g_kg", "om_g_kg"]


@pytest.fixture(scope="module")
def full():
    """Samples, properties as measured and complete, of a library of the study's size."""
    parts = [
        (block.samples[:kept], block.measured()[:kept], block.properties[:kept])
        for block, kept in library._library_blocks(N_SAMPLES, 0)
    ]
    return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))


@pytest.fixture(scope="module")
def small():
    return simulate_mir(400, random_state=5)


@pytest.fixture(scope="module")
def trial():
    return ring_trial(random_state=0)


# --- counts and spread ---------------------------------------------------------------------------------------


def test_the_counts_are_the_study_s(full):
    samples, measured, _ = full
    carbon, organic = measured["c_g_kg"].notna(), measured["om_g_kg"].notna()
    assert len(samples) == N_SAMPLES == 56_787
    assert (carbon.sum(), organic.sum()) == (51_079, 5_750)
    # Every sample was measured for something, so the counts leave 42 for both, 5,708 and 51,037 to be filled.
    assert (carbon & organic).sum() == 42
    assert ((~carbon).sum(), (~organic).sum()) == (5_708, 51_037)
    assert measured["oc_g_kg"].notna().equals(carbon)
    assert measured.drop(columns=NUMBERS).notna().all(axis=None)


def test_one_laboratory_holds_most_samples_and_the_others_some_hundred(full):
    counts = full[0]["laboratory"].value_counts()
    assert counts["national"] == 50_880
    assert counts.drop("national").between(380, 720).all()
    assert set(counts.index) == set(laboratories())


# What RMSE and R2, RMSE and RPIQ of the paper imply: standard deviation and interquartile range, g/kg. The tolerance is
# how far they may lie off by rounding of R2 and RPIQ (0.005), and three standard deviations between libraries, measured
# over 20 seeds: 0.9 and 0.25 for carbon, 5.1 and 0.43 for organic matter.
IMPLIED = {
    ("c_g_kg", "sd"): (15.41 / np.sqrt(1 - 0.96), 4.4 + 3 * 0.9),
    ("c_g_kg", "iqr"): (1.38 * 15.41, 0.08 + 3 * 0.25),
    ("om_g_kg", "sd"): (19.15 / np.sqrt(1 - 0.79), 0.5 + 3 * 5.1),
    ("om_g_kg", "iqr"): (1.05 * 19.15, 0.10 + 3 * 0.43),
}


@pytest.mark.parametrize(("name", "statistic"), IMPLIED)
def test_the_spread_is_what_the_published_scores_imply(full, name, statistic):
    values = full[1][name].dropna()
    found = {"sd": values.std(), "iqr": values.quantile(0.75) - values.quantile(0.25)}[statistic]
    implied, tolerance = IMPLIED[name, statistic]
    assert found == pytest.approx(implied, abs=tolerance)


def test_the_tail_is_heavy(full):
    for name in ("c_g_kg", "om_g_kg"):
        values = full[1][name].dropna()
        # A normal distribution of this interquartile range would have a standard deviation of 0.74 times it.
        assert values.std() > 2 * (values.quantile(0.75) - values.quantile(0.25)) * 0.74
        assert values.mean() > 1.3 * values.median()
        assert 0.002 < (values > 200).mean() < 0.08


LIMITS = {
    **{"c_g_kg": (0, 580), "om_g_kg": (0, 1000), "oc_g_kg": (0, np.inf), "ph": (2.5, 11)},
    **dict.fromkeys(("clay_pct", "sand_pct", "caco3_pct"), (0, np.inf)),
}


def test_nothing_is_beyond_its_physical_limit(full):
    for properties in full[1:]:
        for name, (low, high) in LIMITS.items():
            assert properties[name].dropna().between(low, high).all(), name
        assert not (properties["oc_g_kg"] > properties["c_g_kg"]).any()
        assert (properties["clay_pct"] + properties["sand_pct"]).max() <= 100 + 1e-9


# --- what is missing -----------------------------------------------------------------------------------------


def test_ignition_is_a_laboratory_s_habit(full):
    samples, measured, _ = full
    share = measured["om_g_kg"].notna().groupby([samples["laboratory"], samples["region"]]).mean()
    ignites = {(own.laboratory, own.region.name) for own in programmes() if own.ignites}
    assert set(share[share == 1].index) == ignites
    assert set(share.unique()) == {0.0, 1.0}
    assert {laboratory for laboratory, _ in ignites} == {"national", "cerrado", "loess", "nordic", "isles"}
    # The 42 with both come from one laboratory, which checks every tenth sample.
    both = measured["om_g_kg"].notna() & measured["c_g_kg"].notna()
    assert set(samples["laboratory"][both]) == {"loess"}
    numbers = samples["sample_id"][both].str[-5:].astype(int)
    assert numbers.tolist() == list(range(10, 421, 10))


def test_what_is_missing_is_not_missing_at_random(full):
    samples, measured, complete = full
    missing = measured["c_g_kg"].isna()
    # By chance the two distributions would lie 0.019 apart at most in 95 of 100 libraries.
    assert ks_2samp(complete["c_g_kg"][missing], complete["c_g_kg"][~missing]).statistic > 5 * 0.019
    assert samples["depth_top_cm"][missing].mean() < 0.5 * samples["depth_top_cm"][~missing].mean()
    assert complete["caco3_pct"][missing].mean() < 0.85 * complete["caco3_pct"][~missing].mean()


def test_what_was_measured_is_what_the_complete_library_holds(full):
    _, measured, complete = full
    assert complete.notna().all(axis=None)
    assert measured.equals(complete.where(measured.notna()))


# --- places and depths ---------------------------------------------------------------------------------------


def test_a_site_belongs_to_one_laboratory_and_one_place(full):
    samples = full[0]
    of_site = samples.groupby("site")[["laboratory", "region", "latitude", "longitude"]].nunique()
    assert (of_site == 1).all(axis=None) and samples["sample_id"].is_unique
    boxes = {own.region.name: own.box for own in programmes()}
    south, north, west, east = np.array(samples["region"].map(boxes).tolist()).T
    assert samples["latitude"].between(south, north).all()
    assert samples["longitude"].between(west, east).all()


def test_a_profile_is_one_to_six_horizons_without_gaps_within_two_metres(full):
    samples = full[0]
    assert set(samples.groupby("site").size()) == set(range(1, 7))
    assert (samples["depth_bottom_cm"] - samples["depth_top_cm"] >= 2).all()
    assert samples["depth_bottom_cm"].max() == 200
    same = samples["site"].eq(samples["site"].shift())
    assert samples["depth_top_cm"][same].eq(samples["depth_bottom_cm"].shift()[same]).all()
    assert (samples["depth_top_cm"][~same] == 0).all()


def test_carbon_falls_with_depth_and_carbonate_and_clay_rise(full):
    samples, _, complete = full
    plains = (samples["region"] == "great_plains").to_numpy()
    middle = (samples["depth_top_cm"] + samples["depth_bottom_cm"])[plains] / 2
    table = complete[plains].groupby(pd.cut(middle, [0, 20, 50, 100, 200]), observed=True).median()
    assert table["oc_g_kg"].is_monotonic_decreasing
    assert table["oc_g_kg"].iloc[-1] < 0.3 * table["oc_g_kg"].iloc[0]
    assert table["caco3_pct"].is_monotonic_increasing
    assert table["clay_pct"].iloc[1] > table["clay_pct"].iloc[0]


def test_the_first_20_cm_hold_the_share_of_the_first_metre_that_is_known_of_the_world():
    """0.33 (shrubland) to 0.50 (forest) of the carbon of the first metre: Jobbagy and Jackson 2000."""
    first_metre = SimpleNamespace(middle=np.arange(0.5, 100), site=np.zeros(100, int))
    generator = np.random.default_rng(0)
    carbon = np.array([library._decline(first_metre, generator) for _ in range(400)])
    np.testing.assert_allclose(carbon[:, :20].mean(axis=1), 1, atol=0.001)
    shares = carbon[:, :20].sum(axis=1) / carbon.sum(axis=1)
    assert 0.33 < np.median(shares) < 0.50
    assert np.quantile(shares, [0.1, 0.9]) == pytest.approx([0.29, 0.46], abs=0.05)


def test_organic_layers_lie_on_top_of_cold_and_wet_soils(full):
    samples, _, complete = full
    organic = complete["oc_g_kg"] > 200
    share = organic.groupby(samples["region"]).mean()
    assert share["boreal"] > 0.15
    assert share["northeast"] > 0.05
    assert share[["great_plains", "deccan", "west_african_savanna", "southern_australia"]].max() < 0.002
    assert samples["depth_top_cm"][organic].median() == 0


# --- carbon and organic matter -------------------------------------------------------------------------------


def test_inorganic_carbon_separates_total_from_organic_carbon(full):
    complete = full[2]
    rich = complete[(complete["caco3_pct"] > 10) & (complete["oc_g_kg"] > 0)]
    assert len(rich) > 3000
    np.testing.assert_allclose(rich["c_g_kg"] - rich["oc_g_kg"], 1.2 * rich["caco3_pct"])
    none = complete[complete["caco3_pct"] == 0]
    assert len(none) > 100
    assert none["c_g_kg"].equals(none["oc_g_kg"].rename("c_g_kg"))


def test_organic_matter_over_organic_carbon_is_what_reviews_find_and_more_in_clay(full):
    complete = full[2]
    factor = complete["om_g_kg"] / complete["oc_g_kg"]
    peat = complete["oc_g_kg"] > 250
    # Pribyl 2010: median 1.9, less than 1.72 is hardly found.
    assert factor[peat].median() == pytest.approx(1.9, abs=0.03)
    assert factor[peat].quantile(0.01) > 1.65
    # Poor soils lose more lattice water than they hold organic matter, the more the hotter the furnace and the clay.
    poor = complete["oc_g_kg"].between(5, 15)
    clay = complete["clay_pct"]
    assert factor[poor & (clay > 40)].median() > 1.3 * factor[poor & (clay < 15)].median()


def test_a_hotter_furnace_finds_more_organic_matter_in_clay():
    soils = next(library._blocks(0, 1, 0)).soils
    found = {
        name: library.analysed(soils, np.zeros(len(soils)), laboratories()[name], np.random.default_rng(1))["om_g_kg"]
        for name in ("cerrado", "loess")  # 360 and 550 degrees C
    }
    clays = {"kaolinite": 0.140, "smectite": 0.05, "illite": 0.045, "chlorite": 0.125}
    water = 1000 * sum(share * soils.composition[name] for name, share in clays.items())
    # Of the clays' water 1.8 % are lost at 360 and 80.7 % at 550 degrees C.
    share = (found["loess"] - found["cerrado"])[water > 10] / water[water > 10]
    assert np.median(share) == pytest.approx(0.789, abs=0.01)


# --- one library in another ----------------------------------------------------------------------------------


def test_programmes_get_their_share_and_never_lose_one():
    sizes = np.array([own.samples for own in programmes()])
    assert sizes.sum() == N_SAMPLES
    assert np.array_equal(allotment(N_SAMPLES), sizes)
    totals = [1, 5, 18, 19, 100, 360, 361, 2000, 20_000, 56_786, 56_787, 80_000, 500_000]
    allotments = np.array([allotment(n) for n in totals])
    assert allotments.sum(axis=1).tolist() == totals
    assert (np.diff(allotments, axis=0) >= 0).all()
    np.testing.assert_allclose(allotments[-1] / sizes, 500_000 / N_SAMPLES, rtol=0.01)
    assert (allotment(18) == 1).all()
    assert (allotment(360) == 20).all()


def test_a_smaller_library_is_part_of_a_larger_one(small):
    fewer = simulate_mir(90, random_state=5)
    assert len(fewer) == 90
    at = pd.Index(small.samples["sample_id"]).get_indexer(fewer.samples["sample_id"])
    assert (at >= 0).all()
    assert np.array_equal(fewer.spectra, small.spectra[at])
    assert fewer.properties.equals(small.properties.iloc[at].reset_index(drop=True))
    assert fewer.samples.equals(small.samples.iloc[at].reset_index(drop=True))


def test_a_block_of_soils_that_is_not_the_first_is_the_same_in_any_library(full):
    """Beyond the first thousand samples of a programme; scans beyond the first 64."""
    fewer, _ = library_properties(9000, random_state=0)
    whole = full[0].set_index("sample_id").loc[fewer["sample_id"]].reset_index()
    assert whole.equals(fewer)
    more, less = (np.concatenate(list(library._scans(next(library._blocks(0, 1, 0)), kept))) for kept in (140, 90))
    assert np.array_equal(more[:90], less)


def test_blocks_are_the_library(small):
    calls = []
    blocks = list(mir_blocks(400, 5, lambda done, total: calls.append((done, total))))
    assert np.array_equal(np.concatenate([block.spectra for block in blocks]), small.spectra)
    assert pd.concat([block.samples for block in blocks], ignore_index=True).equals(small.samples)
    assert all(block.samples["laboratory"].nunique() == 1 for block in blocks)
    assert {block.provenance_line() for block in blocks} == {small.provenance_line()}
    assert calls[-1] == (400, 400)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    samples, measured = library_properties(400, random_state=5)
    assert samples.equals(small.samples) and measured.equals(small.properties)


def test_another_seed_gives_other_soils(small):
    other = simulate_mir(1, random_state=6)
    at = pd.Index(small.samples["sample_id"]).get_indexer(other.samples["sample_id"])
    assert not np.isclose(other.properties["clay_pct"], small.properties["clay_pct"].iloc[at]).any()
    assert not np.array_equal(other.spectra, small.spectra[at])


@pytest.mark.parametrize("call", [simulate_mir, library_properties, allotment])
def test_no_sample_is_refused(call):
    with pytest.raises(ValueError, match="0 samples: give at least 1"):
        call(0)


# --- the spectra ---------------------------------------------------------------------------------------------


def test_the_dataset_is_the_library_s_in_shape(small):
    assert small.spectra.shape == (400, 1700)
    assert small.spectra.dtype == np.float32
    assert (small.axis_unit, small.signal) == ("cm-1", "absorbance")
    assert list(small.samples) == [
        *("sample_id", "laboratory", "site", "region", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude"),
    ]
    assert list(small.properties)[:3] == NUMBERS
    assert small.provenance == {
        "origin": "simulated",
        "source": "spectrakit simulate mir",
        "seed": 5,
        "instrument": "spectrometers of 12 laboratories",
    }
    assert -0.3 < small.spectra.min() < small.spectra.max() < 4.1


def test_spectra_go_with_the_soils(small):
    """Aliphatic CH above its baseline with organic carbon, the carbonate band at 2513 1/cm with carbonate."""
    complete = library_properties(400, random_state=5, complete=True)[1]

    def height(centre, low, high):
        at = [np.searchsorted(small.axis, x) for x in (low, centre, high)]
        share = (centre - low) / (high - low)
        return small.spectra[:, at[1]] - (1 - share) * small.spectra[:, at[0]] - share * small.spectra[:, at[2]]

    found = pd.DataFrame({"ch": height(2925, 2800, 3000), "carbonate": height(2513, 2420, 2640)})
    assert found["ch"].corr(complete["oc_g_kg"], method="spearman") > 0.5
    lime = complete["caco3_pct"]
    assert found["carbonate"][lime > 10].median() > found["carbonate"][lime < 0.5].median() + 0.02


# --- the ring trial ------------------------------------------------------------------------------------------


def test_all_laboratories_scan_the_same_60_standards(trial):
    assert trial.spectra.shape == (720, 1700) and np.array_equal(ring_trial(0).spectra, trial.spectra)
    assert trial.samples["laboratory"].tolist() == [name for name in laboratories() for _ in range(60)]
    assert trial.samples["sample_id"].tolist() == [f"R{i:02d}" for i in range(1, 61)] * 12
    assert (trial.properties.groupby(trial.samples["sample_id"]).nunique() == 1).all(axis=None)
    assert trial.properties.notna().all(axis=None)


def test_the_standards_are_spread_over_all_soils(trial, full):
    standards = trial.properties.iloc[:60]
    assert len(standards.drop_duplicates()) == 60
    assert standards["c_g_kg"].min() < 5 and standards["c_g_kg"].max() > 300
    assert standards["clay_pct"].min() < 12 and standards["clay_pct"].max() > 60
    assert standards["caco3_pct"].max() > 30
    # None of them belongs to a library.
    key = ["clay_pct", "ph", "fe_oxides_pct"]
    assert trial.properties.iloc[:60][key].merge(full[2][key], on=key).empty
