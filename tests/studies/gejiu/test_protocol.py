from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import boxcox
from torch import nn

from spectrakit.evaluation.metrics import r2
from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.studies.gejiu import protocol as gejiu
from spectrakit.training.pretraining import predict


@pytest.fixture(scope="module")
def profile(tiny_gejiu):
    return tiny_gejiu


@pytest.fixture(scope="module")
def source(profile):
    return gejiu.source_domain(profile)


@pytest.fixture(scope="module")
def target(profile):
    return gejiu.target_domain(profile)


@pytest.fixture(scope="module")
def ph_network(source, profile):
    return gejiu.fit_source(source, 0, profile.source_recipe, 0)


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def unchanged(before, module):
    return [name for name, tensor in module.state_dict().items() if torch.equal(before[name], tensor)]


def test_the_paper_profile_has_the_counts_of_the_study():
    paper = gejiu.PROFILES["paper"]
    assert (paper.n_source, paper.n_rounds, paper.n_explained, paper.train_sizes[-1]) == (19036, 10, 1000, 98)
    assert [(recipe.max_epochs, recipe.patience) for recipe in paper.long_recipes] == [(2000, 120)]
    assert (paper.target_recipe.batch_size, paper.target_recipe.patience) == (32, 120)
    assert paper.target_recipe.validation_share == 0.2


def test_domains_hold_log_reflectance_and_published_splits(source, target, profile):
    assert source.log_reflectance.shape == (profile.n_source, 2100)
    assert [len(side) for side in target.rounds[0]] == [98, 32]
    assert target.log_reflectance.dtype == np.float32 and (target.log_reflectance < 0).all()
    np.testing.assert_allclose(np.log(target.reflectance), target.log_reflectance, rtol=1e-6)
    assert "pb_mg_kg" not in target.properties and "ph" in target.properties
    assert (target.target.min(), target.target.max()) == pytest.approx((34.6, 9720))
    assert source.provenance["origin"] == "simulated" and source.provenance["notes"] == []


def test_scores_of_the_source_network_are_those_of_its_test_side(source, ph_network):
    network, scores, history = ph_network
    training, test = source.rounds[0]
    assert scores["r2"] == r2(source.target[test], predict(network, source.log_reflectance[test])[:, 0])
    assert (scores["n_train"], scores["n_test"]) == (len(training), len(test)) == (90, 30)
    assert len(history) == 2
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


def test_a_transferred_network_starts_from_the_source_and_the_mean_of_the_targets(ph_network, target):
    source_network = ph_network[0]
    before = state(source_network)
    X, y = target.log_reflectance[:98], np.log(target.target[:98])
    network = gejiu.transferred(source_network, X, y)
    assert predict(network, X).mean() == pytest.approx(y.mean(), abs=1e-4)
    changed = set(before) - set(unchanged(before, network))
    assert changed == {"head.4.bias"}
    assert len(unchanged(before, source_network)) == len(before)


@pytest.mark.parametrize(
    ("depth", "tuned"),
    [
        ("dense", {"head.0", "head.2", "head.4"}),
        ("dense and last convolution", {"features.6", "head.0", "head.2", "head.4"}),
        ("all", None),
    ],
)
def test_tuning_changes_what_its_depth_names_and_nothing_else(ph_network, target, profile, depth, tuned):
    X, y = target.log_reflectance[:98], np.log(target.target[:98])
    network = gejiu.transferred(ph_network[0], X, y, depth)
    before = state(network)
    gejiu.fit_network(network, X, y, profile.target_recipe, 0)
    changed = {name.rsplit(".", 1)[0] for name in set(before) - set(unchanged(before, network))}
    if tuned is None:  # batch normalisation too, its statistics included
        tuned = {name.rsplit(".", 1)[0] for name in before if "." in name}
        assert "features.2.running_mean" not in unchanged(before, network)
    assert changed == tuned


def test_a_held_batch_normalisation_does_as_one_in_evaluation(ph_network, target):
    X = torch.as_tensor(target.log_reflectance[:8])
    network = ph_network[0].eval()
    with torch.no_grad():
        expected = network(X)
        held = gejiu.free_last_convolution(gejiu.transferred(network, X.numpy(), expected.numpy(), "all")).train()
        torch.testing.assert_close(held(X), expected)
    assert [type(layer) for layer in held.features][2] is gejiu.HeldBatchNorm


def test_a_new_output_keeps_the_hidden_layers_of_a_network_of_several_properties(target):
    several = initial_network(replace(ResNetConfig(), n_outputs=3, relu_output=False), 1, np.zeros(3)[None])
    X, y = target.log_reflectance[:98], np.log(target.target[:98])
    network = gejiu.with_new_output(several, X, y, 0)
    kept = unchanged(state(several), nn.ModuleDict({"features": network.features, "head": network.head[:4]}))
    assert {"features.0.weight", "features.2.running_mean", "head.0.weight", "head.2.bias"} <= set(kept)
    assert network.config.n_outputs == 1 and network.features_frozen
    assert predict(network, X).mean() == pytest.approx(y.mean(), abs=1e-4)


def test_watched_rows_are_a_fifth_and_are_not_fitted():
    fitted, watched = gejiu.validation_rows(98, gejiu.TARGET_DOMAIN.validation_share, 0)
    assert (len(fitted), len(watched)) == (78, 20)
    assert sorted([*fitted, *watched]) == list(range(98))


def test_a_round_scores_five_models_on_the_test_side(ph_network, target, profile):
    records, predictions, network = gejiu.target_round(ph_network[0], target, 0, "log", profile.target_recipe, 0)
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

    depths = gejiu.depth_round(ph_network[0], target, 0, (30, 98, 500), profile.target_recipe, 0)
    found = pd.DataFrame(depths).set_index(["depth", "n_train"])["r2"]
    assert list(found.index.unique("n_train")) == [30, 98]
    assert found["dense", 98] == table.loc["resnet_ph_pb", "r2"]

    stopping = pd.DataFrame(gejiu.stopping_round(ph_network[0], target, 0, profile.target_recipe, 0))
    honest = stopping[stopping["watched"] == "a fifth of the training side"].set_index("model")["r2"]
    assert honest.to_dict() == table.loc[["resnet_pb", "resnet_ph_pb"], "r2"].to_dict()
    peeked = stopping[stopping["watched"] == "the test side"].set_index("model")["r2"]
    # The same fits, of which the best epoch on the test side is kept.
    assert (peeked >= honest).all()


def test_pretraining_on_properties(source, profile):
    names = gejiu.compared_properties(source, 2)
    assert names == ["ph", "soc_pct", "clay_pct"]
    network, score = gejiu.pretrain_on(source, names, 60, profile.source_recipe, 0)
    assert network.config.n_outputs == 3 and not network.config.relu_output and score < 1
    lacking = replace(source, properties=source.properties.assign(soc_pct=np.nan))
    assert gejiu.compared_properties(lacking, 1) == ["ph", "clay_pct"]
    untrained, score = gejiu.pretrain_on(source, [], 60, profile.source_recipe, 0)
    assert np.isnan(score)
    assert torch.equal(untrained.features[0].weight, initial_network(untrained.config, 0, [0.0]).features[0].weight)


def test_rounds_after_pretraining_on_a_property(source, target, profile):
    records = pd.DataFrame(gejiu.property_transfer("clay_pct", ["clay_pct"], source, target, profile, 0))
    assert records["round"].tolist() == [0] and records["source"].tolist() == ["clay_pct"]
    expected = target.properties["clay_pct"].corr(pd.Series(target.target), method="spearman")
    assert records["spearman"][0] == pytest.approx(expected)


def test_explanations_are_of_the_round(ph_network, source, target, profile):
    found = gejiu.explain_source(ph_network[0], source, 0, profile, 0)
    assert (len(found["by_channel"]), len(found["by_window"])) == (2100, 210)
    assert len(found["peaks"]) == 8 and set(found["peaks"]) <= set(gejiu.AXIS_NM)
    # A window's value is that of the sum of its channels, at most the sum of theirs.
    assert (np.reshape(found["by_channel"], (210, 10)).sum(axis=1) >= np.array(found["by_window"]) - 1e-12).all()
    again = gejiu.explain_source(ph_network[0], source, 0, profile, 0)
    assert again == found
    assert len(gejiu.explain_target(ph_network[0], target, 0, profile, 0)["peaks"]) == 10
