import pytest

from spectrakit import ledger
from spectrakit.studies.mir import results as mir_results
from spectrakit.studies.mir.domains import TARGETS


def test_the_ids_are_those_of_the_ledger_and_none_is_missing(results):
    entries = ledger.load_published("mir")["entries"]
    ours = {name for name, entry in entries.items() if entry["kind"] in ("input", "result", "ordering")}
    # What nobody can compute of a library: which carbon it is, and what models of others would make of it.
    assert ours - set(results) == {"samples.carbon", "som_models"} and set(results) <= set(entries)
    assert {"spectra.region", "preprocessing.steps", "network.kind", "network.targets"} <= set(results)
    settings = ledger.ledger_frame("mir", results, ("setting",))["verdict"].value_counts()
    assert settings["agrees"] == 4 and "differs" not in settings


def test_results_are_those_of_the_parts(outcome, results):
    for target in TARGETS:
        part = outcome["rounds"][target][0]
        (network,) = part["scores"].query("model == 'network' and by == 'all'")["rmse"]
        assert results[f"rmse.{target}"] == {"value": pytest.approx(network), "n": 1}
        compared = outcome["compared"][target].query("model == 'pls'")
        rmse = {name: part.set_index("laboratory")["rmse"] for name, part in compared.groupby("harmonisation")}
        better = (rmse["snv+epo"] < rmse["none"]).mean()
        assert results[f"order.harmonisation.rmse_below_none.{target}"]["value"] == pytest.approx(better)
        promised = 100 * part["apart"]["promised_90"].mean()
        assert results[f"coverage.{target}.unseen_laboratory"]["value"] == pytest.approx(promised)
        assert results[f"prediction_sd.{target}.imputed"] == {"value": part["imputed_sd"]}
        measured = outcome["library"]["targets"][target]["measured"]
        assert results[f"samples.{target}.measured"] == {"value": measured}


def test_tables_are_tidy_and_of_both_targets(outcome):
    tables = mir_results.tables(outcome)
    both = (
        "compared",
        "scores",
        "coverage",
        "limits",
        "apart",
        "shown",
        "truth",
        "truth_coverage",
        "acceptance",
        "domain",
    )
    for name in both:
        assert set(tables[name]["target"]) == {"c", "om"}, name
    assert set(tables) - set(both) == {"laboratories", "organic", "space_c", "space_om", "depth_c", "depth_om"}
    assert tables["scores"]["round"].eq(0).all() and set(tables["domain"]["where"]) <= {"inside", "outside"}
    filled = tables["acceptance"].groupby("target")["filled"].agg(["min", "max"])
    assert (filled["max"] == 1).all() and (filled["min"] < 0.1).all()


def test_scores_are_shown_on_new_sites_and_on_new_laboratories(outcome):
    counts = mir_results.score_records(outcome).groupby(["task", "model"], sort=False).size()
    assert counts["carbon, new sites"].to_dict() == {"network": 1, "pls": 1, "pls log": 1, "mean": 1}
    n_left_out = len(outcome["rounds"]["om"][0]["apart"])
    assert counts["organic matter, new laboratories", "network"] == n_left_out > 1
