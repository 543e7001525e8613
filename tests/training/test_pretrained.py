from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from spectrakit.models.resnet import network_features
from spectrakit.preprocess.harmonise import HARMONISATIONS
from spectrakit.runs.tasks import task_runner
from spectrakit.spectra import SpectralDataset, library_axis
from spectrakit.tables import write_table
from spectrakit.training.library_features import library_input
from spectrakit.training.pretrained import FeatureRidge, PretrainedRegressor, library_network, told
from spectrakit.workflows.harmonise import leave_out as laboratories
from spectrakit.workflows.harmonise.leave_out import Choice, leave_laboratories_out, possible_models
from spectrakit.workflows.impute.command import MODELS, impute
from spectrakit.workflows.impute.plan import make_plan
from tools.make.random_laboratories import draw_survey, draw_world

SNV = {"snv": Choice(HARMONISATIONS["snv"])}


@pytest.fixture(scope="module")
def soils():
    """Three laboratories drawn at random, 40 soils each, as a table would hold them, every 4 1/cm from 650 on."""
    generator = np.random.default_rng(12)
    world = draw_world(generator)
    surveys = [draw_survey(40, world, generator) for _ in range(3)]
    names = np.repeat(["a", "b", "c"], 40)
    dataset = SpectralDataset(
        spectra=np.concatenate([survey.spectra for survey in surveys]),
        axis=library_axis(),
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"oc_g_kg": np.concatenate([s.properties["oc_g_kg"] + 0.1 for s in surveys])}),
        samples=pd.DataFrame({"sample_id": [f"s{i}" for i in range(120)], "laboratory": names}),
        provenance={"origin": "simulated", "source": "a test", "seed": 12},
    )
    return dataset.resample(np.arange(652.0, 3990, 4))


def test_it_is_ridge_regression_on_the_features_of_the_network(soils):
    X, y = soils.spectra, np.log(soils.properties["oc_g_kg"].to_numpy())
    model = PretrainedRegressor(axis=soils.axis).fit(X[:80], y[:80])
    network, kept = library_network()
    features = network_features(network, library_input(network, X, soils.axis)).astype(float)
    scaled = features - features[:80].mean(0)
    scaled /= np.sqrt((scaled[:80] ** 2).sum(1).mean())
    by_hand = Ridge(kept["penalty"]).fit(scaled[:80], y[:80]).predict(scaled[80:])
    np.testing.assert_allclose(model.predict(X[80:]), by_hand, rtol=1e-6)
    assert np.isnan(model.inner_rmse_) and model.log_offset_ is None


def test_contents_keep_their_limits_and_their_spread_grows_with_them(soils):
    X, y = soils.spectra, soils.properties["oc_g_kg"].to_numpy()
    model = PretrainedRegressor((0.0, 580.0), soils.axis).fit(X[:80], y[:80], groups=np.arange(80) // 2)
    contents, spread = model.predict(X[80:], return_std=True)
    assert contents.min() >= 0 and contents.max() <= 580
    assert model.log_offset_ == np.median(y[:80]) / 10
    np.testing.assert_allclose(spread, model.inner_rmse_ * (contents + model.log_offset_))
    plain = PretrainedRegressor(axis=soils.axis).fit(X[:80], np.log(y[:80] + model.log_offset_))
    expected = np.clip(np.exp(plain.predict(X[80:])) - model.log_offset_, 0, 580)
    np.testing.assert_allclose(contents, expected, rtol=1e-9)
    features, scaled, unseen = model._features(X[:80]), np.log(y[:80] + model.log_offset_), np.empty(80)
    for training, left_out in GroupKFold(5).split(features, groups=np.arange(80) // 2):
        ridge = FeatureRidge(library_network()[1]["penalty"]).fit(features[training], scaled[training])
        unseen[left_out] = ridge.predict(features[left_out])
    assert model.inner_rmse_ == pytest.approx(np.sqrt(np.mean((unseen - scaled) ** 2)))


def test_only_models_that_want_to_know_are_told_of_the_spectra():
    axis = np.arange(5.0)
    assert told(PretrainedRegressor(), axis, "snv+derivative").get_params() == {
        "axis": axis,
        "differentiated": True,
        "limits": (-np.inf, np.inf),
    }
    assert not told(PretrainedRegressor(), axis, "snv+epo").differentiated
    assert "axis" not in told(DummyRegressor(), axis, "snv").get_params()


def test_a_ridge_on_features_does_not_mind_their_scale():
    generator = np.random.default_rng(0)
    X, y = generator.normal(0, 1, (30, 50)), generator.normal(0, 1, 30)
    one, other = FeatureRidge(0.3).fit(X, y), FeatureRidge(0.3).fit(5 + 70 * X, y)
    np.testing.assert_allclose(one.predict(X), other.predict(5 + 70 * X), rtol=1e-9)
    assert one.length_ == pytest.approx(np.sqrt(50), rel=0.1)


def test_derivatives_and_absorbance_lead_to_much_the_same(soils):
    choices = SNV | {"snv+derivative": Choice(HARMONISATIONS["snv+derivative"])}
    models = {"pretrained": laboratories.MODELS["pretrained"]}
    found = leave_laboratories_out(soils, "oc_g_kg", choices, models).pivot(index="laboratory", columns="harmonisation")
    np.testing.assert_allclose(found["rmse"]["snv"], found["rmse"]["snv+derivative"], rtol=0.35)


def test_intervals_grow_by_what_the_model_knows_of_unseen_laboratories(soils):
    class Grown(DummyRegressor):
        @staticmethod
        def unseen_factor(n_laboratories):
            return 1.0 + n_laboratories

    models = {"plain": lambda random_state: DummyRegressor(), "grown": lambda random_state: Grown()}
    found = leave_laboratories_out(soils, "oc_g_kg", SNV, models).set_index(["model", "laboratory"])
    np.testing.assert_allclose(found.loc["grown", "width_90"], 3 * found.loc["plain", "width_90"])
    assert found.loc["grown", "rmse"].equals(found.loc["plain", "rmse"])


def test_factors_between_the_numbers_of_laboratories_that_were_measured():
    unseen = library_network()[1]["unseen"]
    numbers, factors = unseen["laboratories"], unseen["factor"]
    assert [PretrainedRegressor.unseen_factor(number) for number in numbers] == factors
    assert PretrainedRegressor.unseen_factor(4) == pytest.approx((factors[2] + factors[3]) / 2)
    assert PretrainedRegressor.unseen_factor(50) == factors[-1]


def test_the_network_serves_the_mid_infrared_alone(soils):
    models, notes = possible_models(soils)
    assert list(models) == ["mean", "pls", "pretrained"] and "times as wide as calibrated" in notes[0]
    few = soils.window(700, 1400)
    for dataset in (few, replace(soils, axis_unit="nm")):
        models, notes = possible_models(dataset)
        assert list(models) == ["mean", "pls"] and notes[0].endswith("share too little: not used")
    with pytest.raises(ValueError, match="80 are needed"):
        PretrainedRegressor(axis=few.axis).fit(few.spectra, few.properties["oc_g_kg"])


def test_impute_fills_by_the_pretrained_model(soils, tmp_path):
    gaps = soils.properties["oc_g_kg"].where(np.arange(120) % 4 > 0)
    write_table(replace(soils, properties=pd.DataFrame({"oc_g_kg": gaps})), tmp_path / "library.csv")
    plan = make_plan(tmp_path / "library.csv", "oc_g_kg", MODELS["pretrained"])
    with task_runner(None) as run:
        outcome = impute(plan, tmp_path / "hybrid.parquet", tmp_path / "runs", run)
    assert outcome.counts == {"measured": 90, "imputed": 30, "missing": 0}
    filled = pd.read_parquet(tmp_path / "hybrid.parquet")
    imputed, truth = filled["origin"] == "imputed", soils.properties["oc_g_kg"]
    error = np.log(filled["value"] / truth)[imputed]
    assert error.std() < 0.6 * np.log(truth[imputed]).std()
    assert (filled["sd"][imputed] > 0).all() and filled["value"].between(0, 580).all()
