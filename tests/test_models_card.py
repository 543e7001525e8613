import numpy as np
import pandas as pd
import pytest
import torch

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.models.resnet import load_network
from spectrakit.preprocess.harmonise import HARMONISATIONS
from spectrakit.preprocess.pretreatment import network_input
from spectrakit.resources import data_path
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3, FOSS_XDS
from spectrakit.simulate.soils.composition import WORLD, _draw_factors, draw_soils
from spectrakit.simulate.soils.lucas import N_SAMPLES, simulate_lucas
from spectrakit.simulate.soils.scans import scan
from spectrakit.training.pretraining import predict
from spectrakit.workflows.harmonise.choices import Choice, soils_to_predict
from spectrakit.workflows.harmonise.laboratory_tables import read_laboratories
from spectrakit.workflows.harmonise.leave_out import leave_laboratories_out
from tools.make.episodes import episode_error
from tools.make.library_training import TARGETS, covered_inputs, draw_worlds

NAMES = ("resnet_soils", "resnet_lucas_ph")
LIBRARY = "resnet_library"


@pytest.fixture(scope="module")
def build_models():
    from tools.make import models

    return models


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
    for table, name in zip((*card[3:5], card[8]), (*reversed(NAMES), LIBRARY), strict=True):
        scores = {row: cells[0] for row, cells in list(table.items())[2:]}
        kept = network_of(name)[1]["scores"]
        assert scores == {score: str(value) for score, value in kept.items()}


def test_the_card_counts_the_soils_as_the_script_does(card, build_models):
    world, europe = card[0]["soils"]
    assert world.startswith(f"{build_models.N_SOILS:,} ") and europe.startswith(f"{N_SAMPLES:,} ")
    n_kept_back = build_models.kept_back().sum()
    assert card[0]["of these, kept back for the scores"] == [f"{n_kept_back:,}", f"{N_SAMPLES // 4:,}"]


def test_soils_are_kept_back_by_numbers_of_their_own(build_models):
    """Not by those that had picked parent materials, of which it would then be one or two alone."""
    n_soils, kept_back = build_models.N_SOILS // 2, build_models.kept_back()
    assert kept_back.shape == (2 * n_soils,) and kept_back.mean() == pytest.approx(0.05, abs=0.003)
    for place, own in enumerate((kept_back[:n_soils], kept_back[n_soils:])):
        parents = _draw_factors(n_soils, WORLD, np.random.default_rng(build_models.SOILS_SEED + place))["parent"]
        world = parents.value_counts(normalize=True)
        kept = parents[own].value_counts(normalize=True).reindex(world.index, fill_value=0)
        # Four standard errors of a share of some 1,500 soils.
        assert ((kept - world).abs() < 4 * np.sqrt(world * (1 - world) / own.sum())).all()


def test_the_card_repeats_the_settings_of_the_second_stage(card, build_models):
    settings = {name: cells[0] for name, cells in list(card[1].items())[2:]}
    kept = network_of("resnet_soils")[1]
    fewest, beyond = kept["episodes"]["n_support"]
    told = kept["episodes"] | {"n_support": f"{fewest} to {beyond - 1}", "n_localities": kept["n_localities"]}
    told |= {"soils a locality": build_models.SOILS_A_LOCALITY}
    assert settings == {name: str(value) for name, value in told.items()}
    assert kept["episodes"] | {"n_support": (fewest, beyond)} == vars(build_models.EPISODES)
    text = data_path("models", "README.md").read_text("utf-8")
    assert f"recipe with {build_models.DENSE_RECIPE.max_epochs} epochs, on frozen features" in text


def test_the_card_says_how_much_the_second_stage_helped(card, build_models):
    network, kept = network_of("resnet_soils")
    told = {name.replace("`", ""): cells for name, cells in list(card[2].items())[2:]}
    assert told["features, before the second stage"] == ["0.3", str(kept["before"])]
    assert told["features, after it"] == ["0.3", str(kept["after"])]
    inputs, targets = build_models.draw_localities(network, 50, build_models.SOILS_SEED + 3)
    with torch.no_grad():
        features = [network.features(soils) for soils in inputs]

    def error(seen, penalty):
        pairs = zip(seen, targets, strict=True)
        return np.mean([episode_error(x.flatten(1), y, 96, torch.tensor(penalty)).item() for x, y in pairs])

    assert error(features, 0.3) == pytest.approx(kept["after"], abs=0.003)
    assert error(inputs, 1e9) == pytest.approx(float(told["nothing: the mean of the 96"][1]), abs=0.003)
    assert error(inputs, 0.3) == pytest.approx(float(told["pooled input of the network"][1]), abs=0.003)
    penalties = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    of_inputs, of_features = ([error(seen, penalty) for penalty in penalties] for seen in (inputs, features))
    best, least = told["pooled input, at the best of six penalties"]
    assert (penalties[np.argmin(of_inputs)], min(of_inputs)) == pytest.approx((float(best), float(least)), abs=0.003)
    assert penalties[np.argmin(of_features)] == 0.3
    # The quarter of the error that the card speaks of, from a level that the input alone comes near.
    assert 1 - kept["after"] / kept["before"] == pytest.approx(0.25, abs=0.02)
    assert min(of_inputs) == pytest.approx(kept["before"], abs=0.01)


def test_the_files_are_small_and_no_others_are_there():
    sizes = {path.stem: path.stat().st_size for path in data_path("models").glob("*.safetensors")}
    assert set(sizes) == {*NAMES, LIBRARY} and max(sizes.values()) < 1_000_000


def test_the_card_says_how_well_fresh_soils_of_the_world_are_read(card, build_models):
    network, kept = network_of("resnet_soils")
    generator = np.random.default_rng(2024)
    targets, predicted = [], []
    for instrument in (ASD_FIELDSPEC_3, FOSS_XDS):
        soils = draw_soils(1500, WORLD, generator)
        targets.append(build_models.soils_targets(soils))
        predicted.append(predict(network, network_input(scan(soils, instrument, generator), kept["transform"])))
    targets, predicted = pd.concat(targets), np.concatenate(predicted)
    assert list(targets) == kept["targets"] == list(card[4])[2:]
    scaled = (targets.to_numpy() - kept["scaling"]["mean"]) / kept["scaling"]["deviation"]
    fresh = [r2(scaled[:, place], predicted[:, place]) for place in range(len(kept["targets"]))]
    np.testing.assert_allclose([float(card[4][name][1]) for name in kept["targets"]], fresh, atol=0.0075)
    # The soils kept back are a fair sample: R2 of 3,000 have standard errors of up to 0.014.
    np.testing.assert_allclose([kept["scores"][name] for name in kept["targets"]], fresh, atol=0.04)


def test_fresh_soils_of_europe_have_the_ph_that_the_card_promises():
    network, kept = network_of("resnet_lucas_ph")
    fresh = simulate_lucas(1000, random_state=2024)
    predicted = predict(network, network_input(fresh.spectra, kept["transform"]))[:, 0]
    ph = fresh.properties["ph"].to_numpy()
    assert r2(ph, predicted) == pytest.approx(kept["scores"]["r2"], abs=0.05)
    assert rmse(ph, predicted) == pytest.approx(kept["scores"]["rmse"], abs=0.05)


# --- resnet_library -------------------------------------------------------------------------------------


def test_the_card_repeats_what_the_library_says_of_itself(card, build_models):
    network, kept = network_of(LIBRARY)
    settings = {name: cells[0] for name, cells in card[5].items()}
    recipe = dict(kept["recipe"])
    assert recipe == vars(build_models.LIBRARY_RECIPE) and recipe.pop("name") == "library"
    told = {**recipe, "l2": network.config.l2, "targets": len(kept["targets"])}
    told |= {name: kept[name] for name in ("origin", "transform", "seed")}
    told |= {
        "worlds": build_models.N_WORLDS,
        "laboratories a world": build_models.LABORATORIES_A_WORLD,
        "soils a laboratory": build_models.SOILS_A_LABORATORY,
        "worlds kept back for the scores": build_models.WORLDS_KEPT_BACK,
    }
    assert {name: settings[name] for name in told} == {name: str(value) for name, value in told.items()}
    assert settings["weights to learn"] == f"{sum(weights.numel() for weights in network.parameters()):,}"
    assert kept["targets"] == list(TARGETS) == list(kept["scores"])


def test_the_card_repeats_how_the_library_practised(card, build_models):
    kept, settings = network_of(LIBRARY)[1], {name: cells[0] for name, cells in list(card[6].items())[2:]}
    recipe = kept["episodes"]
    told = recipe | {name: f"{recipe[name][0]} to {recipe[name][1] - 1}" for name in ("n_laboratories", "n_support")}
    told |= {"penalty": f"{kept['penalty']:.3f}"}
    assert settings == {name: str(value) for name, value in told.items()}
    pairs = {name: tuple(recipe[name]) for name in ("n_laboratories", "n_support")}
    assert recipe | pairs == vars(build_models.BETWEEN)
    text = data_path("models", "README.md").read_text("utf-8")
    assert f"with {build_models.LIBRARY_DENSE_RECIPE.max_epochs} epochs, on frozen features; no command" in text


def test_the_card_repeats_what_it_takes_to_know_another_laboratory(card, build_models):
    unseen = network_of(LIBRARY)[1]["unseen"]
    rows = list(card[7].items())[2:]
    assert [int(number) for number, _ in rows] == unseen["laboratories"] == list(build_models.GROWTH_LABORATORIES)
    forms = {"factor": "{:g}", "covered": "{:.0%}", "rmse": "{:g}", "pls": "{:g}", "better": "{:.0%}"}
    for place, (_, cells) in enumerate(rows):
        told = [form.format(unseen[name][place]).replace("%", " %") for name, form in forms.items()]
        assert cells == told


def test_fresh_laboratories_bear_the_factors_out(build_models, monkeypatch):
    monkeypatch.setattr(build_models, "GROWTH_LABORATORIES", (2,))
    network, kept = network_of(LIBRARY)
    fresh = build_models.error_growth(network, kept["penalty"], np.random.default_rng(2024), n_worlds=8)
    kept = {name: values[kept["unseen"]["laboratories"].index(2)] for name, values in kept["unseen"].items()}
    # 16 cases, whose coverage has a standard deviation of about a third.
    assert fresh["covered"][0] == pytest.approx(kept["covered"], abs=0.2)
    assert fresh["factor"][0] == pytest.approx(kept["factor"], rel=0.5)
    assert fresh["rmse"][0] / fresh["pls"][0] == pytest.approx(kept["rmse"] / kept["pls"], abs=0.15)


def test_targets_of_fresh_worlds_are_read_as_the_card_says():
    network, kept = network_of(LIBRARY)
    generator = np.random.default_rng(2024)
    derivatives, targets = draw_worlds(8, 2, 32, generator)
    X = covered_inputs(derivatives.reshape(-1, 32, 340), generator)
    scaled = (targets.reshape(len(X), -1) - kept["scaling"]["mean"]) / kept["scaling"]["deviation"]
    predicted = predict(network, X)
    fresh = [r2(scaled[:, place], predicted[:, place]) for place in range(len(TARGETS))]
    assert np.mean(fresh) == pytest.approx(np.mean(list(kept["scores"].values())), abs=0.1)


def test_the_card_repeats_the_scores_on_three_measured_laboratories(card, shared):
    paths = [shared / "real" / "mir" / f"{name}.csv.gz" for name in ("h138", "nrw115", "o32")]
    soils, _ = soils_to_predict(read_laboratories(paths, "cm-1", "percent-reflectance")[0], "soc_pct")
    records = leave_laboratories_out(soils, "soc_pct", {"snv": Choice(HARMONISATIONS["snv"])}).set_index("laboratory")
    mean, pls, pretrained = (records[records["model"] == name] for name in ("mean", "pls", "pretrained"))
    rows = pd.DataFrame.from_dict(dict(list(card[9].items())[2:]), orient="index")
    assert list(rows.index) == list(pretrained.index)
    for column, found in ((0, mean["rmse"]), (2, pls["rmse"]), (4, pretrained["rmse"]), (5, pretrained["r2"])):
        np.testing.assert_allclose(rows[column].astype(float), found, atol=0.006)
    covered = rows[6].str.removesuffix(" %").astype(float) / 100
    np.testing.assert_allclose(covered, pretrained["coverage_90"], atol=0.02)
    assert (pretrained["rmse"] < rows[3].str.split().str[0].astype(float)).sum() == 2
