import importlib.util

import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.models.resnet import load_network
from spectrakit.preprocess import network_input
from spectrakit.resources import data_path
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3, FOSS_XDS
from spectrakit.simulate.lucas import N_SAMPLES, simulate_lucas
from spectrakit.simulate.soil import WORLD, _draw_factors, draw_soils
from spectrakit.simulate.survey import scan
from spectrakit.training.pretraining import predict

NAMES = ("resnet_soils", "resnet_lucas_ph")


@pytest.fixture(scope="module")
def build_models():
    spec = importlib.util.spec_from_file_location("build_models", data_path("models", "build_models.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def card():
    """The tables of the model card, each a dict of first cell to the others, in the order of the card."""
    tables, inside = [], False
    for line in data_path("models", "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append({})
            name, *cells = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
            tables[-1][name] = cells
        inside = line.startswith("|")
    return tables


def network_of(name):
    return load_network(data_path("models", f"{name}.safetensors"))


@pytest.mark.parametrize("place", [0, 1])
def test_the_card_repeats_what_the_files_say_of_themselves(card, place):
    settings = {name: cells[place] for name, cells in card[0].items()}
    network, kept = network_of(NAMES[place])
    assert settings[""] == NAMES[place]
    recipe = dict(kept["recipe"])
    told = {"recipe": recipe.pop("name"), **recipe, "l2": network.config.l2, "targets": len(kept["targets"])}
    told |= {name: kept[name] for name in ("origin", "transform", "seed")}
    assert {name: settings[name] for name in told} == {name: str(value) for name, value in told.items()}
    assert settings["weights to learn"] == f"{sum(weights.numel() for weights in network.parameters()):,}"
    assert bool(network.input_mean.any()) == (settings["mean input subtracted"] != "none, as published")


def test_the_card_repeats_the_scores_of_the_files(card):
    for table, name in zip(card[1:], reversed(NAMES), strict=True):
        scores = {row: cells[0] for row, cells in list(table.items())[2:]}
        kept = network_of(name)[1]["scores"]
        assert scores == {score: str(value) for score, value in kept.items()}


def test_the_card_counts_the_soils_as_the_script_does(card, build_models):
    kept_back = np.random.default_rng(build_models.SEED).random(build_models.N_SOILS) < 0.05
    world, europe = card[0]["soils"]
    assert world.startswith(f"{build_models.N_SOILS:,} ") and europe.startswith(f"{N_SAMPLES:,} ")
    assert card[0]["of these, kept back for the scores"] == [f"{kept_back.sum():,}", f"{N_SAMPLES // 4:,}"]


def test_the_files_are_small_and_no_others_are_there():
    sizes = {path.stem: path.stat().st_size for path in data_path("models").glob("*.safetensors")}
    assert set(sizes) == set(NAMES) and max(sizes.values()) < 1_000_000


def test_the_card_says_how_well_fresh_soils_of_the_world_are_read(card, build_models):
    network, kept = network_of("resnet_soils")
    generator = np.random.default_rng(2024)
    targets, predicted = [], []
    for instrument in (ASD_FIELDSPEC_3, FOSS_XDS):
        soils = draw_soils(1500, WORLD, generator)
        targets.append(build_models.soils_targets(soils))
        predicted.append(predict(network, network_input(scan(soils, instrument, generator), kept["transform"])))
    targets, predicted = pd.concat(targets), np.concatenate(predicted)
    assert list(targets) == kept["targets"] == list(card[2])[2:]
    scaled = (targets.to_numpy() - kept["scaling"]["mean"]) / kept["scaling"]["deviation"]
    fresh = [r2(scaled[:, place], predicted[:, place]) for place in range(len(kept["targets"]))]
    np.testing.assert_allclose([float(card[2][name][1]) for name in kept["targets"]], fresh, atol=0.0075)


def test_the_card_tells_which_soils_were_kept_back_under_the_first_instrument(build_models):
    """Picked by the numbers that had picked the parent material: all of the first kind."""
    n_soils, seed = build_models.N_SOILS // 2, build_models.SEED
    kept_back = np.random.default_rng(seed).random(2 * n_soils)[:n_soils] < 0.05
    parents = _draw_factors(n_soils, WORLD, np.random.default_rng(seed))["parent"][kept_back]
    assert set(parents) == {"limestone"}
    assert f"all {len(parents):,} of them formed on limestone" in data_path("models", "README.md").read_text("utf-8")


def test_fresh_soils_of_europe_have_the_ph_that_the_card_promises():
    network, kept = network_of("resnet_lucas_ph")
    fresh = simulate_lucas(1000, random_state=2024)
    predicted = predict(network, network_input(fresh.spectra, kept["transform"]))[:, 0]
    ph = fresh.properties["ph"].to_numpy()
    assert r2(ph, predicted) == pytest.approx(kept["scores"]["r2"], abs=0.05)
    assert rmse(ph, predicted) == pytest.approx(kept["scores"]["rmse"], abs=0.05)
