import json
import pickle
import shutil
from functools import partial

import numpy as np
import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.runs.tasks import task_runner
from spectrakit.studies.mir import protocol as mir
from spectrakit.studies.mir import run as mir_record


@pytest.fixture(scope="module")
def found(tiny_mir, folder, calls):
    """A whole run, kept in `folder`."""
    return mir_record.replicate("quick", 0, folder, progress=lambda *call: calls.append(call))


@pytest.fixture(scope="module")
def kept(found, folder):
    (run,) = folder.iterdir()
    return run


@pytest.fixture(scope="module")
def record(found):
    return mir_record.record(found, None, "quick", 0)


@pytest.fixture(scope="module")
def library(tiny_mir):
    return mir.simulated_library(tiny_mir.n_samples, 0)


def test_progress_ascends_to_the_whole_and_names_the_parts(found, calls):
    shares = [share for _, share in calls]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == pytest.approx(1)
    words = list(dict.fromkeys(words for words, _ in calls))
    assert words[:3] == ["the library", "harmonisations, carbon", "harmonisations, organic matter"]
    assert "carbon without national" in words and "organic matter without nordic" in words
    assert words[-4:] == [
        "organic and total carbon",
        "carbon, round 1",
        "organic matter, round 1",
        "the hybrid data set",
    ]


def test_a_stopped_run_goes_on_to_the_same_result(found, folder, tmp_path, monkeypatch):
    computed = []

    def counted(name, real, *arguments, **options):
        computed.append(name)
        return real(*arguments, **options)

    for name in ("compare_harmonisations", "laboratory_apart", "content_round", "organic_and_total"):
        monkeypatch.setattr(mir_record, name, partial(counted, name, getattr(mir_record, name)))
    assert json.dumps(mir_record.replicate("quick", 0, folder)) == json.dumps(found)
    assert computed == []
    runs = shutil.copytree(folder, tmp_path / "runs")
    (run,) = runs.iterdir()
    for name in ("apart-om-nordic", "round-om-0", "hybrid"):
        (run / f"{name}.json").unlink()
    again = mir_record.replicate("quick", 0, runs)
    assert computed == ["laboratory_apart", "content_round"]
    assert mir_record.record(again, None, "quick", 0) == mir_record.record(found, None, "quick", 0)


def test_a_cluster_gives_the_same_and_goes_on_where_another_run_was(found, folder, tmp_path, workers):
    runs = shutil.copytree(folder, tmp_path / "runs")
    (run,) = runs.iterdir()
    for name in ("apart-om-nordic.json", "round-om-0.json", "filled-om.parquet", "hybrid.json", "hybrid.parquet"):
        (run / name).unlink()
    with task_runner(workers.address) as runner:
        there = mir_record.replicate("quick", 0, runs, runner=runner)
    assert mir_record.record(there, None, "quick", 0) == mir_record.record(found, None, "quick", 0)
    assert (run / "hybrid.parquet").exists() and not (run / "given.pickle").exists()


def test_the_library_is_not_sent_to_workers(tiny_mir, tmp_path):
    study = mir_record._Study(tiny_mir, 0, tmp_path)
    assert len(study.library.dataset) == 800
    assert len(pickle.dumps(study)) < 10_000


def test_an_unknown_profile_is_told(tiny_mir):
    with pytest.raises(ValueError, match="profile"):
        mir_record.replicate("papr")


def test_counts_agree_with_the_library(found, library):
    counts = {target: found["library"]["targets"][target] for target in mir.TARGETS}
    for target, column in mir.TARGETS.items():
        measured = int(library.dataset.properties[column].notna().sum())
        assert counts[target]["measured"] == measured and counts[target]["imputed"] == 800 - measured
    both = library.dataset.properties[["c_g_kg", "om_g_kg"]].notna().all(axis=1).sum()
    assert found["library"]["both"] == both == 2
    assert found["library"]["n_laboratories"] == 12


def test_the_ids_are_those_of_the_ledger_and_none_is_missing(record, tmp_path):
    path = tmp_path / "mir.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    results = ledger.load_results("mir", path)["results"]
    entries = ledger.load_published("mir")["entries"]
    ours = {name for name, entry in entries.items() if entry["kind"] in ("input", "result", "ordering")}
    # What nobody can compute of a library: which carbon it is, and what models of others would make of it.
    assert ours - set(results) == {"samples.carbon", "som_models"}
    assert {"spectra.region", "preprocessing.steps", "network.kind", "network.targets"} <= set(results)
    settings = ledger.ledger_frame("mir", results, ("setting",))["verdict"].value_counts()
    assert settings["agrees"] == 4 and "differs" not in settings


def test_results_are_those_of_the_parts(found, record):
    results = record["results"]
    for target in mir.TARGETS:
        (network,) = [
            row for row in found["rounds"][target][0]["scores"] if row["model"] == "network" and row["by"] == "all"
        ]
        assert results[f"rmse.{target}"] == {"value": pytest.approx(network["rmse"]), "n": 1}
        compared = pd.DataFrame(found["compared"][target]).query("model == 'pls'")
        rmse = {name: part.set_index("laboratory")["rmse"] for name, part in compared.groupby("harmonisation")}
        better = (rmse["snv+epo"] < rmse["none"]).mean()
        assert results[f"order.harmonisation.rmse_below_none.{target}"]["value"] == pytest.approx(better)
        apart = pd.DataFrame(found["rounds"][target][0]["apart"])
        assert results[f"coverage.{target}.unseen_laboratory"]["value"] == pytest.approx(
            100 * apart["promised_90"].mean()
        )


def test_nothing_measured_is_overwritten_and_every_gap_is_filled(found, kept, library):
    table = pd.read_parquet(kept / "hybrid.parquet")
    assert len(table) == 800 and list(table["sample_id"]) == list(library.dataset.samples["sample_id"])
    for target, column in mir.TARGETS.items():
        measured = library.dataset.properties[column].to_numpy()
        gaps = np.isnan(measured)
        np.testing.assert_array_equal(table[column][~gaps], measured[~gaps])
        assert set(table[f"{target}_origin"][~gaps]) == {"measured"} and set(table[f"{target}_origin"][gaps]) == {
            "imputed"
        }
        assert table[column][gaps].between(0, mir.LIMITS[target], inclusive="neither").all()
        bounds = [table[f"{target}_{side}_{level}"] for level in (95, 90, 68) for side in ("lower", "upper")]
        assert all(bound[gaps].notna().all() and bound[~gaps].isna().all() for bound in bounds)
        order = np.column_stack([bounds[0], bounds[2], bounds[4], table[column], bounds[5], bounds[3], bounds[1]])[gaps]
        assert (np.diff(order, axis=1) >= 0).all()
    sheet = (kept / "hybrid.md").read_text("utf-8")
    n_gaps = int(library.dataset.properties["om_g_kg"].isna().sum())
    assert f"| `om_g_kg` | organic matter, g/kg: {800 - n_gaps:,} measured, {n_gaps:,} imputed |" in sheet
    assert all(f"`{name}`" in sheet for name in table if "_68" not in name and "_9" not in name)


def test_extras_are_tidy_and_of_both_targets(record):
    tables = {name: pd.DataFrame(columns) for name, columns in record["extras"].items()}
    for name in ("compared", "scores", "coverage", "limits", "apart", "shown", "truth", "truth_coverage", "acceptance"):
        assert set(tables[name]["target"]) == {"c", "om"}, name
    assert set(tables["coverage"]["method"]) == {"mc-dropout", "ensemble", "both", "conformal", "conformal by spread"}
    assert set(tables["scores"]["model"]) == {"network", "pls", "pls log", "mean"}
    filled = tables["acceptance"].groupby("target")["filled"].agg(["min", "max"])
    assert (filled["max"] == 1).all() and (filled["min"] < 0.1).all()
    assert len(json.dumps(record)) < 400_000
