from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from spectrakit.preprocess.harmonise import HARMONISATIONS
from spectrakit.tables import write_table
from spectrakit.workflows.harmonise import choices as possible
from spectrakit.workflows.harmonise.choices import Choice, possible_models
from spectrakit.workflows.harmonise.leave_out import leave_laboratories_out
from spectrakit.workflows.impute.command import MODELS, fill_gaps

SNV = {"snv": Choice(HARMONISATIONS["snv"])}


def test_derivatives_and_absorbance_lead_to_much_the_same(three_laboratories):
    choices = SNV | {"snv+derivative": Choice(HARMONISATIONS["snv+derivative"])}
    models = {"pretrained": possible.MODELS["pretrained"]}
    found = leave_laboratories_out(three_laboratories, "oc_g_kg", choices, models).pivot(
        index="laboratory", columns="harmonisation"
    )
    np.testing.assert_allclose(found["rmse"]["snv"], found["rmse"]["snv+derivative"], rtol=0.35)


def test_intervals_grow_by_what_the_model_knows_of_unseen_laboratories(three_laboratories):
    class Grown(DummyRegressor):
        @staticmethod
        def unseen_factor(n_laboratories):
            return 1.0 + n_laboratories

    models = {"plain": lambda random_state: DummyRegressor(), "grown": lambda random_state: Grown()}
    found = leave_laboratories_out(three_laboratories, "oc_g_kg", SNV, models).set_index(["model", "laboratory"])
    np.testing.assert_allclose(found.loc["grown", "width_90"], 3 * found.loc["plain", "width_90"])
    assert found.loc["grown", "rmse"].equals(found.loc["plain", "rmse"])


def test_the_network_serves_the_mid_infrared_alone(three_laboratories):
    models, notes = possible_models(three_laboratories)
    assert list(models) == ["mean", "pls", "pretrained"] and "times as wide as calibrated" in notes[0]
    few = three_laboratories.window(700, 1400)
    for dataset in (few, replace(three_laboratories, axis_unit="nm")):
        models, notes = possible_models(dataset)
        assert list(models) == ["mean", "pls"] and notes[0].endswith("share too little: not used")


def test_impute_fills_by_the_pretrained_model(three_laboratories, tmp_path):
    gaps = three_laboratories.properties["oc_g_kg"].where(np.arange(120) % 4 > 0)
    write_table(replace(three_laboratories, properties=pd.DataFrame({"oc_g_kg": gaps})), tmp_path / "library.csv")
    outcome = fill_gaps(tmp_path / "library.csv", "oc_g_kg", tmp_path / "hybrid.parquet", MODELS["pretrained"])
    assert (outcome.counts["measured"], outcome.counts["imputed"], outcome.counts["missing"]) == (90, 30, 0)
    filled = pd.read_parquet(tmp_path / "hybrid.parquet")
    imputed, truth = filled["origin"] == "imputed", three_laboratories.properties["oc_g_kg"]
    error = np.log(filled["value"] / truth)[imputed]
    assert error.std() < 0.6 * np.log(truth[imputed]).std()
    assert (filled["sd"][imputed] > 0).all() and filled["value"].between(0, 580).all()
