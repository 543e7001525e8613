from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation.intervals import LEVELS, coverage_table
from spectrakit.evaluation.metrics import rmse
from spectrakit.studies.mir import protocol as mir


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


def test_nothing_is_learned_from_a_laboratory_that_is_left_out(inputs, library):
    properties = library.dataset.properties.copy()
    left_out = library.laboratory == "nordic"
    properties.loc[left_out, "om_g_kg"] = 1.0
    other = replace(inputs)
    other.library = replace(library, dataset=replace(library.dataset, properties=properties))
    first, second = (mir.laboratory_left_out(each, "om", "nordic", None) for each in (inputs, other))
    np.testing.assert_array_equal(first["predictions"]["predicted"], second["predictions"]["predicted"])
    assert len(first["predictions"]) == left_out.sum() == 20
    assert set(second["predictions"]["observed"]) == {1.0} != set(first["predictions"]["observed"])
    assert list(first["about"]) == ["laboratory", "n_training", "naive_width", "naive_68", "naive_90", "naive_95"]


def test_laboratories_with_few_contents_are_not_left_out(inputs, library):
    assert mir.left_out_laboratories(library, "om", inputs.profile) == [
        "cerrado",
        "isles",
        "loess",
        "national",
        "nordic",
    ]
    assert mir.left_out_laboratories(library, "om", replace(inputs.profile, min_left_out=21)) == ["national"]


def test_a_laboratory_is_promised_what_the_others_calibrate():
    generator, parts = np.random.default_rng(0), []
    for name, spread in (("a", 0.1), ("b", 0.2), ("c", 0.4)):
        observed = generator.uniform(10, 100, 200)
        predicted = observed * np.exp(generator.normal(0, spread, 200))
        predictions = pd.DataFrame({"laboratory": name, "observed": observed, "predicted": predicted})
        parts.append({"about": {"laboratory": name, "naive_90": 0.2}, "predictions": predictions})
    found = mir.left_out_table(parts, "c", 1e-9).set_index("laboratory")
    for part in parts:
        name, predictions = part["about"]["laboratory"], part["predictions"]
        intervals = mir.calibrated_on([other for other in parts if other is not part], "c", 1e-9)
        covered = coverage_table(predictions["observed"], intervals.predict(predictions["predicted"]), LEVELS)
        assert found.loc[name, ["promised_68", "promised_90", "promised_95"]].tolist() == covered["coverage"].tolist()
        assert found.loc[name, "promised_width"] == covered["median_width"][1]
        assert found.loc[name, "rmse"] == pytest.approx(rmse(predictions["observed"], predictions["predicted"]))
    # The worst laboratory is the one that the others cannot foresee.
    assert found["promised_90"].idxmin() == "c" and found["promised_90"].idxmax() == "a"
    assert found["naive_90"].eq(0.2).all()


def test_scores_on_both_scales():
    observed, predicted = np.array([0.0, 10.0, 100.0]), np.array([0.1, 10.0, 10.0])
    found = mir.content_scores(observed, predicted)
    assert found["rmse"] == pytest.approx(np.sqrt((0.01 + 90**2) / 3)) and found["n"] == 3
    # 0 counts as 0.1 g/kg, so that one decade is missed once.
    assert found["rmse_log"] == pytest.approx(np.sqrt(1 / 3))
    assert found["bias"] == pytest.approx((0.1 - 90) / 3)


def test_training_rows_outside_their_own_domain_are_left_out(library, fitted):
    rows = library.measured("om")
    assert len(fitted.training) + fitted.n_outliers == len(rows) and set(fitted.training) <= set(rows)


def test_every_gap_is_filled_and_nothing_measured_is_overwritten(library, table):
    content = library.content("om")
    gaps = np.isnan(content)
    np.testing.assert_array_equal(table["om_g_kg"][~gaps], content[~gaps])
    assert set(table["om_origin"][~gaps]) == {"measured"} and set(table["om_origin"][gaps]) == {"imputed"}
    assert table["om_g_kg"][gaps].between(0, mir.LIMITS["om"], inclusive="neither").all()
    names = ["lower_95", "lower_90", "lower_68", "upper_68", "upper_90", "upper_95"]
    bounds = table[[f"om_{name}" for name in names]]
    assert bounds[gaps].notna().all(axis=None) and bounds[~gaps].isna().all(axis=None)
    bounds.insert(3, "value", table["om_g_kg"])
    assert (np.diff(bounds[gaps], axis=1) >= 0).all()
    assert table["om_sd"][gaps].gt(0).all() and table["om_sd"][~gaps].isna().all()


def test_an_outlier_lies_outside_the_domains_of_all_networks(library, table):
    other = table.set_axis(table.columns.str.replace("om_", "c_"), axis=1)
    other["c_outside"] = np.arange(len(table)) % 2 == 0
    found = mir.hybrid(library, [other, table.assign(om_outside=np.arange(len(table)) < 3)])
    assert found["outlier"].to_numpy().nonzero()[0].tolist() == [0, 2]
    assert list(found["sample_id"]) == list(library.dataset.samples["sample_id"])


def test_conformal_intervals_are_ranks_of_errors_of_the_logarithm_with_its_offset():
    generator = np.random.default_rng(0)
    X = generator.lognormal(3, 1, (40, 1))
    content = X[:, 0] * generator.lognormal(0, 0.2, 40)
    library = SimpleNamespace(content=lambda target: content)
    spread = pd.DataFrame({name: np.ones(40) for name in ("passes", "members", "both")})
    network = SimpleNamespace(predict_with_spreads=lambda X: (X[:, 0], spread.iloc[: len(X)]))
    fitted, predicted = SimpleNamespace(network=network, offset=5.0), np.array([10.0, 200.0])
    bounds = mir.interval_bounds(library, X, "c", fitted, np.arange(40), predicted, spread[:2])
    # Of 40 samples: the errors of rank ceil(41 level) = 28, 37 and 39.
    errors = np.sort(np.abs(np.log((content + 5) / (X[:, 0] + 5))))[[27, 36, 38]]
    expected = (predicted[:, None] + 5) * np.exp([-errors, errors])[:, None] - 5
    np.testing.assert_allclose(bounds["conformal"], np.clip(expected.swapaxes(0, 1), 0, mir.LIMITS["c"]))
    # In proportion to the spread of each, 1 / (predicted + 5), and its median over the calibration.
    known = 1 / (X[:, 0] + 5)
    scores = np.sort(np.abs(np.log((content + 5) / (X[:, 0] + 5))) / (known + np.median(known)))[[27, 36, 38]]
    upper = (predicted + 5) * np.exp(scores[1] * (1 / (predicted + 5) + np.median(known))) - 5
    np.testing.assert_allclose(bounds["conformal by spread"][:, 1, 1], upper)
