import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import kurtosis, norm, skew

from spectrakit.ledger import load_published
from spectrakit.simulate.soils import gejiu
from spectrakit.simulate.soils.composition import draw_soils
from spectrakit.simulate.soils.gejiu import GEJIU, lead_quantiles, oxidise_sulphides, sampling_map, simulate_gejiu
from spectrakit.simulate.soils.lucas import simulate_lucas
from spectrakit.simulate.soils.reflectance import draw_variation

PUBLISHED = {
    name.removeprefix("stat.pb."): entry["value"]
    for name, entry in load_published("gejiu")["entries"].items()
    if name.startswith("stat.pb.")
}
PLACE = ["easting_km", "northing_km"]


@pytest.fixture(scope="module")
def samples():
    return simulate_gejiu()


@pytest.fixture(scope="module")
def many():
    return simulate_gejiu(2600, random_state=1)


# --- the map -------------------------------------------------------------------------------------------------


def test_130_points_half_a_kilometre_apart_or_more_on_a_grid_denser_around_the_smelters():
    places = sampling_map()
    assert len(places.points) == 130 and pdist(places.points[PLACE]).min() >= 0.5 - 1e-9
    grid, dense = (places.points.query("area == @area")[PLACE].to_numpy() for area in ("smelting grid", "near smelter"))
    assert len(grid) == 64 and np.array_equal(grid, np.rint(grid))
    assert np.array_equal(2 * dense, np.rint(2 * dense)) and (dense % 1 != 0).any(axis=1).all()
    distance = gejiu._distance(dense, places.smelters)
    # Every smelter has points of its own nearby.
    assert distance.min(axis=1).max() <= 1.0 and (distance.min(axis=0) < 0.75).all()


def test_the_mining_area_lies_south_and_is_sampled_every_kilometre_of_road():
    places = sampling_map()
    road = places.points.query("area == 'mining road'")[PLACE].to_numpy()
    assert road[:, 1].max() < places.points.query("area != 'mining road'")["northing_km"].min()
    start = 0
    for line in places.roads:
        corners = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        count = int(np.ceil(corners[-1])) - 1
        for point, length in zip(road[start : start + count], range(1, count + 1), strict=True):
            assert point == pytest.approx([np.interp(length, corners, line[:, axis]) for axis in range(2)])
        start += count
    assert start == len(road)


# --- lead ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 7])
def test_lead_has_the_published_statistics(seed):
    lead = simulate_gejiu(random_state=seed).properties["pb_mg_kg"].to_numpy()
    found = {
        **{"min": lead.min(), "max": lead.max(), "mean": lead.mean(), "median": np.median(lead), "sd": lead.std()},
        **{"skewness": skew(lead), "kurtosis": kurtosis(lead), "cv": lead.std() / lead.mean()},
    }
    for name, value in PUBLISHED.items():
        # Within half of the last digit published.
        digit = 0.05 if name in ("min", "kurtosis") else 0.5 if name in ("max", "median") else 0.005
        assert found[name] == pytest.approx(value, abs=digit), name
    assert set(found) == set(PUBLISHED)


def test_quantiles_ascend_and_are_near_to_log_normal():
    logarithms = np.log(lead_quantiles())
    assert len(logarithms) == 130
    assert (np.diff(logarithms) > 0).all()
    assert np.corrcoef(logarithms, norm.ppf((np.arange(130) + 0.5) / 130))[0, 1] > 0.95


def test_other_numbers_of_samples_keep_the_distribution(many):
    assert np.median(many.properties["pb_mg_kg"]) == pytest.approx(232, rel=0.01)
    assert np.log(many.properties["pb_mg_kg"]).std() == pytest.approx(np.log(lead_quantiles()).std(), rel=0.01)
    assert many.properties["pb_mg_kg"].between(34.599, 9720.001).all()


def test_lead_goes_with_what_holds_it_and_where_it_comes_from(many):
    ranks = many.properties.rank()
    assert ranks["pb_mg_kg"].corr(ranks["fe_oxides_pct"]) > 0.5
    for name in ("ph", "clay_pct"):
        assert ranks["pb_mg_kg"].corr(ranks[name]) > 0.05
    places = sampling_map()
    for sources, area in ((places.mines, "mining road"), (places.smelters, "smelting grid")):
        own = (many.samples["area"] == area).to_numpy()
        near = gejiu._distance(many.samples[PLACE].to_numpy()[own], sources).min(axis=1)
        lead = np.log(many.properties["pb_mg_kg"].to_numpy()[own])
        assert lead[near < np.quantile(near, 0.25)].mean() > lead[near > np.quantile(near, 0.75)].mean() + 0.05


def test_the_unknown_share_is_the_share_of_variance_without_trace_in_the_soil():
    """The score is linear in its terms, so soils and ore explain one minus the share of the variance of its ranks."""
    explained = []
    for share in (0.0, 0.5, 1.0):
        soils = simulate_gejiu(2600, 3, unknown_share=share).properties
        terms = np.column_stack(
            [np.ones(2600), soils["ph"], np.log(soils[["fe_oxides_pct", "soc_pct"]]), soils["clay_pct"]]
        )
        score = soils["pb_mg_kg"].rank().to_numpy()
        fitted = terms @ np.linalg.lstsq(terms, score, rcond=None)[0]
        explained.append(fitted.var() / score.var())
    assert explained[0] > 0.6
    assert 0.35 * explained[0] < explained[1] < 0.65 * explained[0]
    # Smelters and mines stand apart, and so do their soils.
    assert explained[2] < 0.2 * explained[0]


# --- soils ---------------------------------------------------------------------------------------------------


def test_the_soils_are_acidic_old_and_red(samples, many):
    assert many.properties["ph"].median() < 5.5
    assert many.properties["ph"].min() >= gejiu.MIN_PH
    assert many.properties["kaolinite_pct"].median() > 60
    europe = simulate_lucas(500)
    redness = [np.median(found.spectra[:, 280] / found.spectra[:, 150]) for found in (europe, samples)]
    assert redness[1] > 1.1 * redness[0]


def test_sulphides_eat_carbonate_acidify_and_leave_goethite():
    soils = draw_soils(400, GEJIU, 1)
    same, some, more = (oxidise_sulphides(soils, np.full(400, share)) for share in (0.0, 0.05, 0.3))
    np.testing.assert_allclose(same.composition, soils.composition, atol=1e-6)
    np.testing.assert_allclose(same.properties["ph"], soils.properties["ph"].clip(lower=gejiu.MIN_PH + 0.01), atol=1e-9)
    assert (np.diff([part.properties["ph"] for part in (same, some, more)], axis=0) <= 1e-9).all()
    assert more.properties["ph"].mean() < same.properties["ph"].mean() - 0.5
    assert (more.composition["goethite"] > some.composition["goethite"]).all()
    assert (more.composition["calcite"] <= some.composition["calcite"] + 1e-7).all()
    np.testing.assert_allclose(more.composition.drop(columns="water").sum(axis=1), 1.0, atol=1e-5)


def test_a_soil_with_more_carbonate_than_acid_keeps_its_ph():
    soils = draw_soils(400, GEJIU, 1)
    rich = (soils.composition["calcite"] > 0.02).to_numpy()
    assert rich.sum() > 5
    weathered = oxidise_sulphides(soils, np.full(400, 0.01))
    np.testing.assert_allclose(weathered.properties["ph"][rich], soils.properties["ph"][rich], atol=1e-9)
    # 1 % pyrite dissolves 1.67 % calcite, and the soil loses or gains little else.
    lost = (soils.composition["calcite"] - weathered.composition["calcite"])[rich]
    assert lost.median() == pytest.approx(0.0167, abs=0.002)


def test_a_district_has_less_variation_than_a_continent():
    drawn, own = (make(3000, np.random.default_rng(1)) for make in (draw_variation, gejiu.district_variation))
    for name in ("strength", "efficiency", "surface"):
        spreads = [np.log(getattr(variation, name)).std(axis=0) for variation in (drawn, own)]
        np.testing.assert_allclose(spreads[1] / spreads[0], np.sqrt(gejiu.WITHIN_DISTRICT), rtol=0.12)
    again = gejiu.district_variation(3000, np.random.default_rng(2))
    # Another draw of soils, the same district.
    np.testing.assert_allclose(own.shift_nm.mean(0), again.shift_nm.mean(0), atol=0.35)


# --- the dataset ---------------------------------------------------------------------------------------------


def test_the_dataset_is_the_study_s_in_shape(samples):
    assert samples.spectra.shape == (130, 2100)
    np.testing.assert_array_equal(samples.axis, np.arange(400, 2500))
    assert list(samples.properties)[:2] == ["pb_mg_kg", "ph"]
    assert list(samples.samples) == ["sample_id", *PLACE, "area"]
    assert samples.samples["sample_id"].tolist()[::129] == ["G001", "G130"]
    assert samples.provenance["origin"] == "simulated"
    assert samples.provenance["instrument"] == "ASD FieldSpec 3"
    assert (samples.spectra > 0).all()


def test_the_same_seed_gives_the_same_samples(samples):
    again, other = simulate_gejiu(random_state=0), simulate_gejiu(random_state=1)
    assert np.array_equal(again.spectra, samples.spectra) and again.properties.equals(samples.properties)
    assert not np.array_equal(other.spectra, samples.spectra)
    assert again.samples.equals(other.samples)


@pytest.mark.parametrize(("n_samples", "share"), [(0, 0.2), (10, -0.1), (10, 1.5)])
def test_wrong_arguments_are_refused(n_samples, share):
    with pytest.raises(ValueError, match="give at least 1, and a share of 0 to 1"):
        simulate_gejiu(n_samples, unknown_share=share)


def test_few_samples_spread_over_the_map():
    assert simulate_gejiu(13).samples["area"].nunique() == 3
