from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation.intervals import LEVELS, coverage_table
from spectrakit.evaluation.metrics import rmse
from spectrakit.studies.mir import protocol as mir


@pytest.fixture(scope="module")
def profile(tiny_mir):
    return replace(tiny_mir, few=replace(tiny_mir.few, max_epochs=1), n_members=1, n_passes=2)


@pytest.fixture(scope="module")
def library(profile):
    return mir.simulated_library(profile.n_samples, 0)


@pytest.fixture(scope="module")
def X(library):
    return library.harmonised()


@pytest.fixture(scope="module")
def fitted(library, X, profile):
    return mir.fit_content(library, X, "om", library.measured("om"), profile)


@pytest.fixture(scope="module")
def table(library, X, fitted):
    intervals = mir.unseen_intervals("om", fitted.offset)
    rows = library.measured("om")
    predicted = fitted.network.predict(X[rows])
    intervals.fit(library.content("om")[rows], predicted, groups=library.laboratory[rows])
    return mir.filled(library, X, "om", fitted, intervals)


def samples(*rows):
    names = ["latitude", "longitude", "depth_top_cm", "depth_bottom_cm"]
    return pd.DataFrame(rows, columns=names).astype(float)


def test_the_truth_stands_beside_the_library_row_by_row(library):
    for target, column in mir.TARGETS.items():
        rows = library.measured(target)
        np.testing.assert_array_equal(library.truth[column].to_numpy()[rows], library.content(target)[rows])
    assert library.truth[list(mir.TARGETS.values())].notna().all(axis=None)


def test_sites_are_never_divided_and_no_row_is_lost(library):
    rows = library.measured("c")
    division = mir.divide_sites(rows, library.site, 3)
    parts = division.training, division.calibration, division.test
    assert sorted(np.concatenate(parts)) == sorted(rows)
    sites = [set(library.site[part]) for part in parts]
    assert not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])
    n_sites = len(set(library.site[rows]))
    assert len(sites[2]) == np.ceil(0.2 * n_sites)
    again = mir.divide_sites(rows, library.site, 4)
    assert set(again.test) != set(division.test)


@pytest.mark.parametrize(("n_rows", "n_held"), [(100, 30), (1000, 150), (20, 10)])
def test_some_thirty_rows_calibrate_at_least(n_rows, n_held):
    fitted, held = mir.hold_back(np.arange(n_rows).astype(str), 0)
    assert len(held) == n_held and sorted([*fitted, *held]) == list(range(n_rows))


def test_harmonisation_leaves_a_laboratory_out_of_the_ring_trial(library):
    scans, standard, laboratory = library.ring
    spoilt = scans.copy()
    spoilt[laboratory == "nordic"] = np.random.default_rng(0).normal(size=(60, scans.shape[1]))
    other = replace(library, ring=(spoilt, standard, laboratory))
    rows = np.arange(5)
    left_out = library.harmonised(rows, left_out="nordic")
    np.testing.assert_array_equal(left_out, other.harmonised(rows, left_out="nordic"))
    assert left_out.dtype == np.float32
    assert not np.allclose(left_out, other.harmonised(rows), atol=1e-3)


def test_nothing_is_learned_from_a_laboratory_that_is_left_out(library, profile):
    properties = library.dataset.properties.copy()
    own = library.laboratory == "nordic"
    properties.loc[own, "om_g_kg"] = 1.0
    other = replace(library, dataset=replace(library.dataset, properties=properties))
    found = [mir.laboratory_apart(one, "om", "nordic", profile) for one in (library, other)]
    assert found[0]["predicted"] == found[1]["predicted"] and len(found[0]["observed"]) == own.sum() == 20
    assert set(found[1]["observed"]) == {1.0} != set(found[0]["observed"])
    assert len(found[0]["naive"]) == len(LEVELS)


def test_laboratories_with_few_contents_are_not_left_out(library, profile):
    assert mir.laboratories_apart(library, "om", profile) == ["cerrado", "isles", "loess", "national", "nordic"]
    assert mir.laboratories_apart(library, "om", replace(profile, fewest_apart=21)) == ["national"]


def test_a_laboratory_is_promised_what_the_others_calibrate():
    generator, parts = np.random.default_rng(0), []
    for name, spread in (("a", 0.1), ("b", 0.2), ("c", 0.4)):
        observed = generator.uniform(10, 100, 200)
        predicted = observed * np.exp(generator.normal(0, spread, 200))
        part = {"laboratory": name, "n_training": 1, "naive": [0.1, 0.2, 0.3]}
        parts.append(part | {"naive_width": [1, 2, 3], "observed": observed.tolist(), "predicted": predicted.tolist()})
    found = mir.apart_table(parts, "c", 1e-9).set_index("laboratory")
    for name in "abc":
        own = next(part for part in parts if part["laboratory"] == name)
        others = [part for part in parts if part["laboratory"] != name]
        intervals = mir.calibrated_on(others, "c", 1e-9)
        covered = coverage_table(own["observed"], intervals.predict(np.array(own["predicted"])), LEVELS)["coverage"]
        assert found.loc[name, ["promised_68", "promised_90", "promised_95"]].tolist() == covered.tolist()
        assert found.loc[name, "rmse"] == pytest.approx(rmse(own["observed"], own["predicted"]))
    # The worst laboratory is the one that the others cannot foresee.
    assert found["promised_90"].idxmin() == "c" and found["promised_90"].idxmax() == "a"
    assert found["naive_90"].eq(0.2).all() and found["naive_width"].eq(2).all()


def test_scores_on_both_scales():
    observed, predicted = np.array([0.0, 10.0, 100.0]), np.array([0.1, 10.0, 10.0])
    found = mir.content_scores(observed, predicted)
    assert found["rmse"] == pytest.approx(np.sqrt((0.01 + 90**2) / 3)) and found["n"] == 3
    # 0 counts as 0.1 g/kg, so that one decade is missed once.
    assert found["rmse_log"] == pytest.approx(np.sqrt(1 / 3))
    assert found["bias"] == pytest.approx((0.1 - 90) / 3)


def test_depths_cells_and_layers():
    rows = samples((47.9, -0.5, 0, 20), (-0.1, 10.2, 15, 38), (47.0, -1.0, 150, 260), (47.5, -0.2, 20, 20))
    assert list(mir.depth_class(rows)) == ["0-20 cm", "20-50 cm", "100-200 cm", "0-20 cm"]
    assert list(mir.cells(rows)) == ["47 -1", "-1 10", "47 -1", "47 -1"]
    found = mir.cell_layers(rows)
    assert found.groupby("row")["layer"].apply(list).to_dict() == {
        0: [0, 10],
        1: [10, 20, 30],
        2: [150, 160, 170, 180, 190],
    }
    assert set(found.loc[found["row"] == 1, "cell"]) == {"-1 10"}


def test_coverage_counts_every_sample_once_in_space(library):
    table = mir.coverage_in_space(library, "om")
    assert (table["all"].sum(), table["measured"].sum()) == (800, len(library.measured("om")))
    corner = table[["latitude", "longitude"]].drop_duplicates()
    assert len(corner) == len(table) and (table["measured"] <= table["all"]).all()
    depth = mir.coverage_in_depth(library, "om")
    assert list(depth["layer"]) == list(range(0, 200, 10)) and (depth["cells_measured"] <= depth["cells_all"]).all()
    whole = library.dataset.samples.eval("depth_top_cm < 10").sum()
    assert depth.loc[0, "all"] == whole


def test_no_laboratory_has_more_soils_in_the_comparison(library, profile, monkeypatch):
    seen = {}

    def caught(soils, target, choices, models, **options):
        seen.update(counts=soils.samples["laboratory"].value_counts(), names=list(choices))
        return pd.DataFrame()

    monkeypatch.setattr(mir, "leave_laboratories_out", caught)
    mir.compare_harmonisations(library, "om", replace(profile, n_compared=12, compared=("none", "snv+sst", "snv+epo")))
    assert seen["counts"].to_dict() == dict.fromkeys(["cerrado", "isles", "loess", "national", "nordic"], 12)
    assert seen["names"] == ["none", "snv+sst", "snv+epo"]


def test_training_rows_outside_their_own_domain_are_left_out(library, fitted):
    rows = library.measured("om")
    assert len(fitted.training) + fitted.n_outliers == len(rows) and set(fitted.training) <= set(rows)


def test_organic_carbon_by_form_is_never_above_the_total(library, X, profile):
    found = {row["model"]: row for row in mir.organic_and_total(library, X, profile)}
    assert list(found) == ["total times share", "two networks", "two PLS"]
    assert found["total times share"]["above"] == 0 < found["two PLS"]["above"]


def test_imputed_values_are_held_against_the_truth(library, table):
    found = mir.against_truth(library, "om", table)
    gaps = np.isnan(library.content("om"))
    truth, value = library.truth["om_g_kg"].to_numpy()[gaps], table["om_g_kg"].to_numpy()[gaps]
    (overall,) = [row for row in found["scores"] if row["by"] == "all"]
    assert overall["n"] == gaps.sum() and overall["rmse"] == pytest.approx(rmse(truth, value))
    assert found["sd"] == pytest.approx(np.std(value, ddof=1))
    inside = (table["om_lower_90"] <= library.truth["om_g_kg"]) & (library.truth["om_g_kg"] <= table["om_upper_90"])
    (covered,) = [row for row in found["coverage"] if row["by"] == "all" and row["level"] == 0.9]
    assert covered["coverage"] == pytest.approx(inside[gaps].mean())


def test_a_higher_threshold_fills_more(library, table):
    found = mir.acceptance(library, "om", table)
    assert found["filled"].is_monotonic_increasing and found["filled"].iloc[-1] == 1
    assert found["width_g_kg"].is_monotonic_increasing and found["cells"].is_monotonic_increasing
    (overall,) = [row for row in mir.against_truth(library, "om", table)["scores"] if row["by"] == "all"]
    assert found["rmse"].iloc[-1] == pytest.approx(overall["rmse"])
    assert found["cells"].iloc[-1] == len(set(mir.cells(library.dataset.samples)))
