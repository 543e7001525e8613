from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from spectrakit.ledger import load_published
from spectrakit.models.resnet import initial_network
from spectrakit.studies.gejiu import experiments as gejiu
from spectrakit.studies.gejiu.experiments import nearest_band
from spectrakit.studies.gejiu.protocol import fit_source, target_round
from spectrakit.studies.gejiu.run import Domains


@pytest.fixture(scope="module")
def inputs(tiny_gejiu, tmp_path_factory):
    """The soils, and the pH network of the first round."""
    inputs = Domains(tiny_gejiu, 0, None, tmp_path_factory.mktemp("run"))
    network, _ = fit_source(inputs.source, 0, tiny_gejiu.source_recipe, 0)
    inputs.parts["source-0"] = {"network": network}
    inputs.parts["domains"] = {"compared": gejiu.compared_properties(inputs.source, 2)}
    return inputs


def test_depths_and_early_stopping_stand_beside_the_protocol(inputs):
    inputs = replace(inputs, profile=replace(inputs.profile, train_sizes=(30, 98, 500)))
    records, _, _ = target_round(inputs.source_network(0), inputs.target, 0, "log", inputs.profile.target_recipe, 0)
    protocol = pd.DataFrame(records).set_index("model")["r2"]
    found = gejiu.depth_round(inputs, 0, None).set_index(["depth", "n_train"])["r2"]
    assert list(found.index.unique("n_train")) == [30, 98]
    assert list(found.index.unique("depth")) == ["none", "dense", "dense and last convolution", "all"]
    assert found["dense", 98] == protocol["resnet_ph_pb"]

    stopping = gejiu.stopping_round(inputs, 0, None).set_index(["watched", "model"])["r2"]
    honest, peeked = stopping["a fifth of the training side"], stopping["the test side"]
    assert honest.to_dict() == protocol[["resnet_pb", "resnet_ph_pb"]].to_dict()
    # The same fits, of which the best epoch on the test side is kept.
    assert (peeked >= honest).all() and len(stopping) == 6


def test_networks_are_pretrained_on_one_property_all_or_none(inputs):
    compared = inputs.parts["domains"]["compared"]
    assert list(compared) == ["nothing", "ph", "soc_pct", "clay_pct", "all of them"]
    assert compared["all of them"] == ["ph", "soc_pct", "clay_pct"]
    parts = {name: gejiu.pretrained_network(inputs, name, None) for name in ("nothing", "clay_pct", "all of them")}
    several, nothing = (parts[name]["network"] for name in ("all of them", "nothing"))
    assert several.config.n_outputs == 3 and not several.config.relu_output
    about = pd.DataFrame([part["about"] for part in parts.values()]).set_index("source")
    assert about["source_r2"].isna().tolist() == [True, False, False] and (about["source_r2"].dropna() < 1).all()
    target = inputs.target
    expected = target.properties["clay_pct"].corr(pd.Series(target.target), method="spearman")
    assert about["spearman"].tolist() == pytest.approx([np.nan, expected, np.nan], nan_ok=True)
    untrained = initial_network(nothing.config, 0, [0.0]).state_dict()
    assert all(torch.equal(tensor, nothing.state_dict()[name]) for name, tensor in untrained.items())

    inputs.parts["pretrained-clay_pct"] = parts["clay_pct"]
    (row,) = gejiu.property_round(inputs, "clay_pct", 1, None).to_dict("records")
    assert row == parts["clay_pct"]["about"] | {"round": 1, "r2": row["r2"]} and row["r2"] < 1


def test_properties_that_most_soils_lack_are_not_compared(inputs):
    source = inputs.source
    lacking = replace(source, properties=source.properties.assign(soc_pct=np.nan))
    assert gejiu.compared_properties(lacking, 1)["all of them"] == ["ph", "clay_pct"]


ENTRIES = load_published("gejiu")["entries"]


def test_distances_to_bands():
    found = {name: nearest_band(entry)["distance"] for name, entry in ENTRIES.items() if name.startswith("band_")}
    # Goethite and hematite absorb at 658 and 650 nm, the first overtone of aromatic C-H at 1650 nm is 80 nm wide.
    assert found["band_distance.600_700.iron_oxides"] == found["band_distance.1670.organic_matter"] == 0
    # 1747 nm, 42.9 nm wide
    assert found["band_distance.959.carbonate"] == pytest.approx(1747 - 42.9 / 2 - 959)
    # Kaolinite's O-H stretch with lattice modes, 1239.7 nm, 30 nm wide; liquid water, 1780 nm, 110 nm wide
    assert found["band_distance.919.clay"] == pytest.approx(1239.7 - 30 / 2 - 919)
    assert found["band_distance.1639.water"] == pytest.approx(1780 - 110 / 2 - 1639)


def test_edges_and_wings_are_no_bands():
    for constituents in (["hematite", "goethite"], ["water"], ["organic_matter"]):
        band = nearest_band({"band": [350, 2600], "constituents": constituents})
        assert band["kind"] != "edge" and not band["assignment"].startswith("wing")
