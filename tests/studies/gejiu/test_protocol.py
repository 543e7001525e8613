import numpy as np
import pandas as pd
import pytest
from scipy.stats import boxcox

from spectrakit.evaluation.metrics import r2
from spectrakit.spectra import LUCAS_AXIS_NM
from spectrakit.studies.gejiu import protocol as gejiu
from spectrakit.studies.gejiu.domains import source_domain, target_domain
from spectrakit.training.pretraining import predict


@pytest.fixture(scope="module")
def source(tiny_gejiu):
    return source_domain(tiny_gejiu)


@pytest.fixture(scope="module")
def target(tiny_gejiu):
    return target_domain(tiny_gejiu)


@pytest.fixture(scope="module")
def ph_network(source, tiny_gejiu):
    return gejiu.fit_source(source, 0, tiny_gejiu.source_recipe, 0)


def test_the_paper_profile_has_the_counts_of_the_study():
    paper = gejiu.PROFILES["paper"]
    assert (paper.n_source, paper.n_rounds, paper.n_explained, paper.train_sizes[-1]) == (19036, 10, 1000, 98)
    assert [(recipe.max_epochs, recipe.patience) for recipe in paper.long_recipes] == [(2000, 120)]
    assert (paper.target_recipe.batch_size, paper.target_recipe.patience) == (32, 120)
    assert paper.target_recipe.validation_share == 0.2


def test_scores_of_the_source_network_are_those_of_its_test_side(source, ph_network):
    network, part = ph_network
    training, test = source.rounds[0]
    (scores,) = part["scores"].to_dict("records")
    assert scores["r2"] == r2(source.target[test], predict(network, source.log_reflectance[test])[:, 0])
    assert (scores["n_train"], scores["n_test"]) == (len(training), len(test)) == (90, 30)
    assert len(part["history"]) == 2
    assert not set(training) & set(test)


def test_lead_comes_back_from_both_scales(target):
    lead = target.target
    for name in gejiu.SCALES:
        scale = gejiu.FittedScale(name, lead[:98])
        np.testing.assert_allclose(scale.logarithm(scale.values(lead)), np.log(lead), rtol=1e-6)
    expected, exponent = boxcox(lead[:98])
    np.testing.assert_allclose(gejiu.FittedScale("box-cox", lead[:98]).values(lead[:98]), expected, rtol=1e-4)
    # The exponent of the simulated contents is negative, so the scale ends below -1 / exponent: beyond lies no content.
    beyond = np.array([-1 / exponent + 1, 0.0, -9.0])
    found = gejiu.FittedScale("box-cox", lead[:98]).logarithm(beyond)
    np.testing.assert_allclose(found[[0, 2]], np.log([1e6, 0.1]), rtol=1e-3)


def test_a_round_scores_five_models_on_the_test_side(ph_network, target, tiny_gejiu):
    records, predictions, network = gejiu.target_round(ph_network[0], target, 0, "log", tiny_gejiu.target_recipe, 0)
    table = pd.DataFrame(records).set_index("model")
    assert list(table.index) == ["mean", "pls_pb", "svm_pb", "resnet_pb", "resnet_ph_pb"]
    training, test = target.rounds[0]
    np.testing.assert_allclose(predictions["observed"], np.log(target.target[test]))
    np.testing.assert_allclose(predictions["mean"], np.log(target.target[training]).mean())
    for model in table.index:
        score = table.loc[model]
        assert score["r2"] == r2(predictions["observed"], predictions[model])
        assert score["rmse_log"] == pytest.approx(score["rmse"], rel=1e-6)
    np.testing.assert_allclose(predict(network, target.log_reflectance[test])[:, 0], predictions["resnet_ph_pb"])
    # No network takes part in these two: a change means other soils or another baseline.
    assert table["r2"][["pls_pb", "svm_pb"]].tolist() == pytest.approx([0.633, 0.676], abs=0.002)
    assert table.loc["pls_pb", "searched"] >= 1


def test_explanations_are_of_the_round(ph_network, source, target, tiny_gejiu):
    found = gejiu.explain_source(ph_network[0], source, 0, tiny_gejiu, 0)
    assert found["channels"].shape == (2100,) and found["windows"]["window_nm"].tolist() == gejiu.WINDOW_NM.tolist()
    assert found["windows"]["share"].sum() == pytest.approx(1) and (found["windows"]["share"] > 0).all()
    assert (
        found["peaks"]["rank"].tolist() == [*range(1, 9)] and found["peaks"]["wavelength_nm"].isin(LUCAS_AXIS_NM).all()
    )
    heights = found["channels"][np.searchsorted(LUCAS_AXIS_NM, found["peaks"]["wavelength_nm"])]
    assert (np.diff(heights) <= 0).all()
    again = gejiu.explain_source(ph_network[0], source, 0, tiny_gejiu, 0)
    np.testing.assert_array_equal(again["channels"], found["channels"])
    assert len(gejiu.explain_target(ph_network[0], target, 0, tiny_gejiu, 0)["peaks"]) == 10
