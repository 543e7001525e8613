import json

import numpy as np
import pandas as pd
import pytest

from spectrakit.studies.gejiu import results as gejiu_results


def test_every_result_ordering_and_wavelength_that_can_be_assessed_has_a_value(results, published):
    kinds = {"result", "ordering", "wavelength"}
    entries = published["entries"]
    wanted = {name for name, entry in entries.items() if entry["kind"] in kinds and "unassessable" not in entry}
    assert wanted <= set(results) <= set(entries)
    assert [name for name in wanted if results[name]["value"] is None] == ["order.spread.transfer_smallest"]
    json.dumps(results, allow_nan=False)


def test_results_are_means_and_shares_over_the_rounds(outcome, results):
    records = gejiu_results.tables(outcome)["scores"]
    log = records[records["scale"] == "log"].pivot(index="round", columns="model", values="r2")
    for model in ("resnet_pb", "pls_pb", "svm_pb", "resnet_ph_pb"):
        assert results[f"r2.{model}"] == {
            "value": pytest.approx(log[model].mean()), "sd": pytest.approx(log[model].std()), "n": 2
        }  # fmt: skip
    difference = log["svm_pb"] - log["resnet_pb"]
    assert results["difference.svm_pb.resnet_pb"]["value"] == pytest.approx(difference.mean())
    assert results["order.r2.svm_above_pls"]["value"] == (log["svm_pb"] > log["pls_pb"]).mean()
    assert results["r2_max.direct"]["value"] == log[["resnet_pb", "pls_pb", "svm_pb"]].mean().max()
    boxcox = records[(records["scale"] == "box-cox") & (records["model"] == "resnet_ph_pb")]
    assert results["rmse.resnet_ph_pb.boxcox"]["value"] == boxcox["rmse"].mean()


def test_inputs_are_those_of_the_soils(results):
    assert results["samples.gejiu"] == {"value": 130} and results["samples.lucas.test"] == {"value": 30}
    assert results["stat.pb.skewness"]["value"] == pytest.approx(3.12, abs=0.005)
    assert results["stat.pb.cv"]["value"] == pytest.approx(2.02, abs=0.005)
    assert results["network.pooled"] == {"value": 210} and results["network.dense"] == {"value": [16, 10]}


def profile_of(*places, n_rounds=2):
    """Rounds of profiles that stand out in some windows."""
    row = np.linspace(1, 2, 210)
    row[list(places)] = 9
    return [{"shap": {"windows": pd.DataFrame({"share": row})}}] * n_rounds


def test_wavelengths_bands_and_increases_are_read_from_the_windows(published):
    # The windows that begin at 620 and 910 nm are the 22nd and 51st; 20 others rise towards the infrared.
    found = {"source": profile_of(22), "target": profile_of(51)}
    results = gejiu_results._profiles(gejiu_results.window_profiles(found), published["entries"])
    values = {name: result["value"] for name, result in results.items()}
    assert (values["wavelength.ph.629"], values["wavelength.ph.689"]) == (1, 0)
    assert (values["wavelength.pb.919"], values["wavelength.pb.610"]) == (1, 0)
    assert (values["order.increase.919"], values["order.increase.600_700"]) == (1, 0)
    assert (values["order.band.550_750.ph"], values["order.band.550_750.pb"]) == (0, 0)
    found["source"] = profile_of(*range(15, 35))
    results = gejiu_results._profiles(gejiu_results.window_profiles(found), published["entries"])
    assert results["order.band.550_750.ph"] == {"value": 1.0, "n": 2}


def test_the_spread_is_judged_by_resampled_rounds():
    random = np.random.default_rng(0)
    names = gejiu_results.FOUR_MODELS
    scatter = random.normal(size=(10, 4)) * [1, 1, 1, 0.01]
    share = gejiu_results._spread(pd.DataFrame(scatter, columns=names))["order.spread.transfer_smallest"]
    assert share["value"] == 1 and share["n"] == 10
    share = gejiu_results._spread(pd.DataFrame(scatter[:, ::-1], columns=names))["order.spread.transfer_smallest"]
    assert share["value"] == 0


def test_tables_hold_every_round_fit_and_explanation(outcome):
    tables = gejiu_results.tables(outcome)
    assert {name: len(table) for name, table in tables.items()} == {
        "source_scores": 3,
        "source_history": 2 * 2 + 3,
        "scores": 2 * 2 * 5,
        "predictions": 2 * 2 * 32,
        "ph_predictions": 30,
        "shap_windows": 2 * 2 * 210,
        "shap_channels": 2100,
        "shap_peaks": 2 * (8 + 10),
        "shap_additivity": 4,
        "randomised": 2 * 3,
        "depths": 2 * 4,
        "stopping": 6,
        "properties": 4,
    }
    assert tables["shap_windows"].groupby(["target", "round"])["share"].sum().round(9).eq(1).all()
    assert tables["source_scores"]["recipe"].tolist() == ["one cycle", "one cycle", "paper"]
    assert tables["properties"]["source"].tolist() == ["nothing", "ph", "soc_pct", "all of them"]
    channels = np.mean([part["shap"]["channels"] for part in outcome["target"]], axis=0)
    np.testing.assert_array_equal(tables["shap_channels"]["pb"], channels)
    rank = tables["shap_peaks"].query("target == 'ph' and round == 1 and rank == 2")
    assert rank["wavelength_nm"].tolist() == [outcome["source"][1]["shap"]["peaks"]["wavelength_nm"][1]]


def test_scores_of_every_fit_are_shown(outcome):
    records = gejiu_results.score_records(outcome)
    assert records.groupby(["task", "model"], sort=False).size().to_dict() == {
        ("pH", "resnet_ph"): 2,
        **{
            (f"Pb, {scale}", model): 2
            for scale in ("log", "box-cox")
            for model in ("mean", "pls_pb", "svm_pb", "resnet_pb", "resnet_ph_pb")
        },
        ("pH", "paper"): 1,
    }
    assert records["rmse_log"].isna().sum() == 3
