import numpy as np


def test_progress_names_the_parts_and_the_longest_come_last(outcome, tiny_runs):
    assert list(dict.fromkeys(words for words, _ in tiny_runs.calls["gejiu"])) == [
        "spectra",
        "ResNet-pH, round 1",
        "ResNet-pH, round 2",
        "lead, round 1",
        "lead, round 2",
        "freeze or tune, round 1",
        "early stopping on the test side, round 1",
        *(f"source property, {name}" for name in ("nothing", "ph", "soc_pct", "all of them")),
        *(f"lead after, {name}, round 1" for name in ("nothing", "ph", "soc_pct", "all of them")),
        "ResNet-pH by the paper's recipe, round 1",
    ]


def test_parts_are_sorted_by_kind(outcome):
    kinds = ("source", "target", "depths", "stopping", "pretrained", "properties", "long")
    assert [len(outcome[kind]) for kind in kinds] == [2, 2, 1, 1, 4, 4, 1]
    first, second = outcome["source"]
    assert set(first) - set(second) == {"randomised", "shown"} and first["scores"]["round"].tolist() == [0]
    assert first["shown"].shape == (30, 2) and np.isfinite(first["shap"]["additivity"].loc[0, "gap"])
    about = outcome["domains"]
    assert (about["lucas"]["n"], about["lucas"]["n_train"], about["gejiu"]["n_test"]) == (120, 90, 32)
    assert about["lucas"]["provenance"]["origin"] == "simulated"
