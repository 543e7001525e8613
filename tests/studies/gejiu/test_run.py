import json
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.runs.tasks import task_runner
from spectrakit.simulate.soils.gejiu import simulate_gejiu
from spectrakit.simulate.soils.lucas import simulate_lucas
from spectrakit.studies.gejiu import protocol as gejiu
from spectrakit.studies.gejiu import run as gejiu_record
from spectrakit.tables import TableError
from spectrakit.training import pretraining


@pytest.fixture(scope="module")
def found(tiny_gejiu, folder, calls):
    """A whole run, kept in `folder`."""
    return gejiu_record.replicate("quick", 0, folder, progress=lambda *call: calls.append(call))


@pytest.fixture(scope="module")
def published():
    return ledger.load_published("gejiu")


@pytest.fixture(scope="module")
def results(found, published):
    return gejiu_record.ledger_results(found, published)


@pytest.fixture
def computed(monkeypatch):
    """Names of the parts that are computed from here on."""
    names = []

    def counted(name, real, *arguments):
        names.append(name)
        return real(*arguments)

    for name in ("fit_source", "target_round", "depth_round", "stopping_round", "property_transfer"):
        monkeypatch.setattr(gejiu_record, name, partial(counted, name, getattr(gejiu_record, name)))
    return names


def test_progress_ascends_to_the_whole_and_names_the_parts(found, calls):
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == pytest.approx(1)
    assert list(dict.fromkeys(words for words, _ in calls)) == [
        "soils of both domains",
        "ResNet-pH, round 1",
        "ResNet-pH, round 2",
        "lead, round 1",
        "lead, round 2",
        "freeze or tune, round 1",
        "early stopping on the test side, round 1",
        *(f"source property {place}" for place in range(1, 5)),
        "ResNet-pH by the paper's recipe, round 1",
    ]


def test_what_is_finished_is_not_computed_again(found, folder, computed):
    assert json.dumps(gejiu_record.replicate("quick", 0, folder)) == json.dumps(found)
    assert computed == []


def without_seconds(part):
    """A part but for the processor's seconds of its epochs."""
    history = {name: column for name, column in part["history"].items() if name != "processor_seconds"}
    return part | {"history": history}


def test_a_stopped_run_goes_on_to_the_same_result(found, folder, tmp_path, computed, monkeypatch):
    monkeypatch.setattr(pretraining, "SECONDS_PER_CHECKPOINT", 0)
    runs = shutil.copytree(folder, tmp_path / "runs")
    (run,) = runs.iterdir()
    for name in ("target-1", "stopping-0", "long-0"):
        (run / f"{name}.json").unlink()

    def stopping_in(wanted, place):
        def stop(words, share, seen=[]):  # noqa: B006 - counts calls
            seen.append(words)
            if seen.count(wanted) == place:
                raise KeyboardInterrupt

        return stop

    with pytest.raises(KeyboardInterrupt):
        gejiu_record.replicate("quick", 0, runs, progress=stopping_in("early stopping on the test side, round 1", 1))
    assert computed == ["target_round", "target_round"] and (run / "target-1.json").exists()
    with pytest.raises(KeyboardInterrupt):  # after the first epoch of the long fit
        words = "ResNet-pH by the paper's recipe, round 1"
        gejiu_record.replicate("quick", 0, runs, progress=stopping_in(words, 2))
    assert (run / "long-0.checkpoint").exists()
    resumed = gejiu_record.replicate("quick", 0, runs)
    assert computed == ["target_round", "target_round", "stopping_round", "fit_source", "fit_source"]
    assert not (run / "long-0.checkpoint").exists()
    assert (resumed["target"], resumed["stopping"]) == (found["target"], found["stopping"])
    assert without_seconds(resumed["long"][0]) == without_seconds(found["long"][0])


def test_a_cluster_gives_the_same_and_goes_on_where_another_run_was(found, folder, tmp_path, workers):
    runs = shutil.copytree(folder, tmp_path / "runs")
    (run,) = runs.iterdir()
    left = ("source-1", "target-1", "properties-0", "properties-3", "long-0")
    for name in (*(f"{part}.json" for part in left), "ph-1.safetensors"):
        (run / name).unlink()
    told = []
    with task_runner(workers.address) as runner:
        there = gejiu_record.replicate("quick", 0, runs, progress=lambda *call: told.append(call), runner=runner)
    assert list(there) == list(found)
    for kind in ("source", "long"):
        assert [*map(without_seconds, there[kind])] == [*map(without_seconds, found[kind])]
    for kind in ("target", "depths", "stopping", "properties"):
        assert json.dumps(there[kind]) == json.dumps(found[kind])
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    # Told are the soils, what each of the two stages begins with, and each part that was not there.
    assert len(set(told)) == 1 + 2 + 5 and not (run / "given.pickle").exists()


def test_another_seed_or_profile_takes_up_nothing(tiny_gejiu):
    key = gejiu_record.run_key(tiny_gejiu, 0)
    assert key == gejiu_record.run_key(tiny_gejiu, 0)
    assert len({key, gejiu_record.run_key(tiny_gejiu, 1), gejiu_record.run_key(gejiu.PROFILES["paper"], 0)}) == 3


def test_every_result_ordering_and_wavelength_that_can_be_assessed_has_a_value(results, published):
    kinds = {"result", "ordering", "wavelength"}
    entries = published["entries"]
    wanted = {name for name, entry in entries.items() if entry["kind"] in kinds and "unassessable" not in entry}
    assert wanted <= set(results) <= set(entries)
    assert [name for name in wanted if results[name]["value"] is None] == ["order.spread.transfer_smallest"]
    json.dumps(results, allow_nan=False)


def test_results_are_means_and_shares_over_the_rounds(found, results):
    records = pd.DataFrame([record for part in found["target"] for record in part["records"]])
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
    return [{"shap": {"by_window": row.tolist()}}] * n_rounds


def test_wavelengths_bands_and_increases_are_read_from_the_windows(published):
    # The windows that begin at 620 and 910 nm are the 22nd and 51st; 20 others rise towards the infrared.
    found = {"source": profile_of(22), "target": profile_of(51)}
    results = gejiu_record._profiles(found, published["entries"])
    values = {name: result["value"] for name, result in results.items()}
    assert (values["wavelength.ph.629"], values["wavelength.ph.689"]) == (1, 0)
    assert (values["wavelength.pb.919"], values["wavelength.pb.610"]) == (1, 0)
    assert (values["order.increase.919"], values["order.increase.600_700"]) == (1, 0)
    assert (values["order.band.550_750.ph"], values["order.band.550_750.pb"]) == (0, 0)
    found["source"] = profile_of(*range(15, 35))
    assert gejiu_record._profiles(found, published["entries"])["order.band.550_750.ph"] == {"value": 1.0, "n": 2}


def test_the_spread_is_judged_by_resampled_rounds():
    random = np.random.default_rng(0)
    names = gejiu_record.FOUR_MODELS
    scatter = random.normal(size=(10, 4)) * [1, 1, 1, 0.01]
    share = gejiu_record._spread(pd.DataFrame(scatter, columns=names))["order.spread.transfer_smallest"]
    assert share["value"] == 1 and share["n"] == 10
    share = gejiu_record._spread(pd.DataFrame(scatter[:, ::-1], columns=names))["order.spread.transfer_smallest"]
    assert share["value"] == 0


def test_a_record_is_one_of_the_ledger_with_small_tables_beside_it(found, published, tmp_path):
    record = gejiu_record.record(found, published, "quick", 0)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record, indent=1, allow_nan=False))
    assert path.stat().st_size < 300_000
    read = ledger.load_results("gejiu", path)
    assert read["provenance"]["config"]["domains"]["lucas"]["origin"] == "simulated"
    extras = {name: pd.DataFrame(table) for name, table in read["extras"].items()}
    assert {name: len(table) for name, table in extras.items()} == {
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
    assert extras["shap_windows"].groupby(["target", "round"])["share"].sum().round(3).eq(1).all()
    assert extras["source_scores"]["recipe"].tolist() == ["one cycle", "one cycle", "paper"]
    assert extras["properties"]["source"].tolist() == ["nothing", "ph", "soc_pct", "all of them"]
    frame = ledger.ledger_frame("gejiu", read["results"])
    assert frame.loc["r2.pls_pb", "ours"].startswith(f"{read['results']['r2.pls_pb']['value']:.4g} ±")


def test_scores_are_shown_by_task_and_model(found):
    frame = gejiu_record.score_frame(found)
    assert frame.groupby(level=0, sort=False).size().to_dict() == {"pH": 2, "Pb, log": 5, "Pb, box-cox": 5}
    assert frame["model"].tolist()[:2] == ["resnet_ph", "mean"] and frame["model"].tolist()[-1] == "paper"
    assert frame["RMSE of ln Pb"].iloc[0] == "" and "±" in frame["R2"].iloc[0]


def test_measured_files_take_the_place_of_simulated_ones(tiny_gejiu, tmp_path):
    lucas, lead = simulate_lucas(24), simulate_gejiu(30)
    readings = np.repeat(-np.log10(lucas.spectra), 2, axis=1).round(5)
    scans = pd.DataFrame(readings, columns=[f"spc.{nm:g}" for nm in np.arange(400, 2500, 0.5)])
    contents = {
        "SampleID": range(24),
        "pH_in_H2O": lucas.properties["ph"].round(2),
        "clay": lucas.properties["clay_pct"],
    }
    (tmp_path / "lucas").mkdir()
    pd.concat([pd.DataFrame(contents), scans], axis=1).to_csv(tmp_path / "lucas" / "spectra_AT.csv", index=False)
    asd = np.hstack([np.repeat(lead.spectra[:, :1], 50, axis=1), lead.spectra, lead.spectra[:, -1:]])
    scans = pd.DataFrame(asd, columns=[str(nm) for nm in range(350, 2501)])
    scans.insert(0, "Pb", lead.properties["pb_mg_kg"])
    scans.insert(0, "sample_id", [f"G{i}" for i in range(30)])
    (tmp_path / "gejiu").mkdir()
    scans.to_csv(tmp_path / "gejiu" / "gejiu.csv", index=False)

    source = gejiu.source_domain(tiny_gejiu, 0, tmp_path)
    target = gejiu.target_domain(tiny_gejiu, 0, tmp_path)
    assert (len(source), len(target)) == (24, 30)
    np.testing.assert_allclose(source.reflectance, lucas.spectra, rtol=1e-4)
    np.testing.assert_allclose(target.target, lead.properties["pb_mg_kg"])
    assert source.provenance["origin"] == target.provenance["origin"] == "measured"
    assert gejiu.compared_properties(source, 5) == ["ph", "clay_pct"]
    assert gejiu_record.run_key(tiny_gejiu, 0, tmp_path) != gejiu_record.run_key(tiny_gejiu, 0)
    with pytest.raises(TableError, match="lucas"):
        gejiu.source_domain(tiny_gejiu, 0, tmp_path / "gejiu")


def test_an_unknown_profile_is_refused():
    with pytest.raises(ValueError, match="profile 'full': give one of quick, paper"):
        gejiu_record.replicate("full")
