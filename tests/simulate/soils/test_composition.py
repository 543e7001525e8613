from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.simulate.soils import composition as soil
from spectrakit.simulate.soils.composition import EUROPE, PARENTS, WORLD, draw_locality, draw_soils
from spectrakit.simulate.soils.reflectance import CONSTITUENTS

N = 20_000


@pytest.fixture(scope="module", params=[EUROPE, WORLD], ids=lambda region: region.name)
def soils(request):
    return draw_soils(N, request.param, 3)


@pytest.fixture(scope="module")
def europe():
    return draw_soils(N, EUROPE, 4)


DRY, MOIST, WET = ({"humidity": (ratio, 0.3)} for ratio in (0.4, 1.0, 2.5))
YOUNG, OLD = {"age": (0.0, 0.3)}, {"age": (3.0, 0.3)}
COLD, WARM = {"temperature_c": (6.0, 1.0)}, {"temperature_c": (22.0, 1.0)}
ANY = -np.inf


def only(parent, **changes):
    return replace(EUROPE, parents={parent: 1.0}, **changes)


def means(region, seed=5):
    return draw_soils(4000, region, seed).properties.mean()


# --- composition ---------------------------------------------------------------------------------------------


def test_a_composition_is_whole(soils):
    dry = soils.composition.drop(columns="water").sum(axis=1)
    np.testing.assert_allclose(dry, 1.0, atol=2e-5)
    assert list(soils.composition) == list(CONSTITUENTS)
    assert (soils.composition >= 0).all(axis=None)
    assert len(soils) == len(soils.grain_um) == len(soils.properties) == N


def test_properties_are_in_their_ranges(soils):
    found = soils.properties
    assert found.notna().all(axis=None)
    assert found["ph"].between(3.0, 12.5).all()
    percents = [name for name in found if name.endswith("_pct")]
    assert len(percents) == 7
    assert (found[percents] >= 0).all(axis=None)
    assert (found[percents].drop(columns="caco3_pct") <= 100.001).all(axis=None)
    assert 5 < soils.grain_um.min() < soils.grain_um.max() < 700


def test_properties_tell_of_the_composition(europe):
    composition, found = europe.composition, europe.properties
    oxides = composition["hematite"] + composition["goethite"]
    np.testing.assert_allclose(found["fe_oxides_pct"], 100 * oxides, rtol=1e-5)
    np.testing.assert_allclose(found["hematite_pct"], 100 * composition["hematite"] / oxides, rtol=1e-4)
    held = composition["calcite"] > 1e-4
    error = np.log(found["caco3_pct"][held] / (100 * composition["calcite"][held]))
    # The laboratory's scatter is five per cent.
    assert error.std() == pytest.approx(0.05, rel=0.05)
    assert abs(error.mean()) < 0.002


def test_medians_of_european_topsoils(europe):
    # What the survey of 2009 reports: clay 16-24 %, organic carbon 1.5-2.5 %, half of the soils nearly free of lime.
    medians = europe.properties.median()
    assert 15 < medians["clay_pct"] < 26
    assert 1.3 < medians["soc_pct"] < 2.7
    assert medians["caco3_pct"] < 1.0
    assert 7 < medians["cec_cmol_kg"] < 18


# --- processes -----------------------------------------------------------------------------------------------


def test_carbonate_buffers_ph(europe):
    ph, lime = europe.properties["ph"], 100 * europe.composition["calcite"]
    buffered = ph[lime > 3]
    assert 7.6 < buffered.median() < 8.4
    assert buffered.quantile(0.01) > 7.2
    assert ph[lime < 0.05].median() < 6.2
    assert ph[lime < 0.05].std() > 1.5 * buffered.std()


# Two regions, by which factor at least a property's mean is higher in the first, and by how much pH is at least.
FACTORS = {
    "dry soils keep carbonate": ("marl", DRY, "marl", MOIST, {"caco3_pct": 1.2}, 0.1),
    "wet soils lose it": ("marl", MOIST, "marl", WET, {"caco3_pct": 3}, 0.5),
    "old soils are weathered": (
        "granite",
        OLD,
        "granite",
        YOUNG,
        {"kaolinite_pct": 1.5, "clay_pct": 1, "fe_oxides_pct": 1.2},
        ANY,
    ),
    "old soils are more acid": ("granite", YOUNG, "granite", OLD, {}, 0),
    "warm soils have hematite": ("granite", WARM, "granite", COLD, {"hematite_pct": 3}, ANY),
    "cold soils keep organic matter": ("granite", COLD, "granite", WARM, {"soc_pct": 1.25}, ANY),
    "sand is sandy": ("sand", {}, "mafic", {}, {"sand_pct": 1.8}, ANY),
    "mafic rocks leave iron": ("mafic", {}, "sand", {}, {"fe_oxides_pct": 4}, ANY),
    "limestone buffers": ("limestone", {}, "sand", {}, {}, 1),
    "peat is organic": ("peat", {}, "mafic", {}, {"soc_pct": 5}, ANY),
}


@pytest.mark.parametrize("name", FACTORS)
def test_climate_age_and_parent_material_show(name):
    parent, changes, other_parent, other_changes, factors, ph = FACTORS[name]
    more, less = means(only(parent, **changes)), means(only(other_parent, **other_changes))
    assert more["ph"] > less["ph"] + ph
    for property_, factor in factors.items():
        assert more[property_] > factor * less[property_], property_


def test_land_use_shows():
    field, wood = (means(only("granite", land_uses=use)) for use in ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
    assert field["ph"] > wood["ph"] + 0.5
    # Two shifts of the logarithm, 0.70 and -0.35.
    assert wood["soc_pct"] / field["soc_pct"] == pytest.approx(np.exp(1.05), rel=0.06)


def test_clayey_soils_scatter_at_finer_grains(europe):
    clay, sand = europe.properties["clay_pct"], europe.properties["sand_pct"]
    assert np.median(europe.grain_um[clay > 45]) < 40
    assert np.median(europe.grain_um[sand > 80]) > 90


# --- localities ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def localities():
    generator = np.random.default_rng(6)
    return [draw_locality(generator) for _ in range(300)]


def test_a_locality_has_one_climate_and_one_to_three_parent_materials(localities):
    assert {len(place.parents) for place in localities} == {1, 2, 3}
    assert set().union(*(place.parents for place in localities)) == set(PARENTS.index)
    for place in localities:
        for name, (low, high) in {"temperature_c": (1, 3), "humidity": (0.1, 0.35), "age": (0.1, 0.5)}.items():
            assert low <= getattr(place, name)[1] <= high < getattr(WORLD, name)[1]
        assert sum(place.land_uses) == pytest.approx(1) and min(place.land_uses) >= 0
        assert all(0.1 <= frequency <= 1.1 for frequency in place.parents.values())


def test_localities_lie_all_over_the_world(localities):
    means = [(place.temperature_c[0], np.log(place.humidity[0]), place.age[0]) for place in localities]
    sd = np.array([8, 0.6, 1.0])
    # Four standard errors of 300 draws.
    assert (np.abs(np.mean(means, axis=0) - [15, 0, 0.7]) < 4 * sd / np.sqrt(300)).all()
    assert (np.abs(np.std(means, axis=0) - sd) < 4 * sd / np.sqrt(300)).all()


def test_constituents_vary_less_within_a_locality_than_over_the_world(localities):
    def spread(n_soils, region, seed):
        return np.log(draw_soils(n_soils, region, seed).composition + 0.003).std()

    world = spread(N, WORLD, 1)
    within = pd.DataFrame([spread(128, place, seed) for seed, place in enumerate(localities[:60])])
    share = (within**2).mean() / world**2
    assert share.median() == pytest.approx(0.5, abs=0.1)
    assert (share < 1).sum() >= 14
    # Minerals that one climate or one rock decides keep least of their variance.
    assert share[["kaolinite", "smectite", "chlorite", "gibbsite"]].max() < 0.6


def test_a_locality_follows_its_seed():
    assert draw_locality(3) == draw_locality(np.random.default_rng(3)) != draw_locality(4)


# --- reproducibility -----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_soils():
    first, again, other = (draw_soils(200, EUROPE, seed) for seed in (1, np.random.default_rng(1), 2))
    assert first.composition.equals(again.composition)
    assert first.properties.equals(again.properties)
    assert np.array_equal(first.grain_um, again.grain_um)
    assert not first.properties.equals(other.properties)


def test_an_unknown_parent_material_is_refused():
    with pytest.raises(ValueError, match="region Europe: no parent material 'cheese'"):
        only("cheese")


def test_parent_materials_come_as_often_as_the_region_says():
    drawn = soil._draw_factors(N, EUROPE, np.random.default_rng(0))["parent"].value_counts(normalize=True)
    for name, share in EUROPE.parents.items():
        share /= sum(EUROPE.parents.values())
        # Four standard errors of a share.
        assert drawn[name] == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / N))
