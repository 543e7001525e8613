"""The model card (data/models/README.md) beside the files of weights and the scripts that make them."""

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
from spectrakit.workflows.harmonise import Choice, leave_laboratories_out, read_laboratories, soils_to_predict
from tools.make import models
from tools.make.episodes import episode_error
from tools.make.library_training import TARGETS, covered_inputs, draw_worlds

NAMES = ("resnet_soils", "resnet_lucas_ph", "resnet_library")
TEXT = data_path("models", "README.md").read_text(encoding="utf-8")


# Networks and the metadata of their files, by name.
NETWORKS = {name: load_network(data_path("models", f"{name}.safetensors")) for name in NAMES}


SOILS, LIBRARY = NETWORKS["resnet_soils"], NETWORKS["resnet_library"]


@pytest.fixture(scope="module")
def card():
    """The tables of the model card in its order, each a dict of first cell to the others."""
    blocks = [[line for line in block.splitlines() if line.startswith("|")] for block in TEXT.split("\n\n")]
    rows = [[[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in block] for block in blocks]
    return [{name.replace("`", ""): cells for name, *cells in (table[0], *table[2:])} for table in rows if table]


def column(table, values, place=0):
    """A column of a table of the card, for the rows that `values` names."""
    return {name: table[name][place] for name in values}


def texts(values):
    return {name: str(value) for name, value in values.items()}


WORLDS = {
    "worlds": models.N_WORLDS,
    "laboratories a world": models.LABORATORIES_A_WORLD,
    "soils a laboratory": models.SOILS_A_LABORATORY,
    "worlds kept back for the scores": models.WORLDS_KEPT_BACK,
}


@pytest.mark.parametrize(
    ("name", "table", "place", "others"),
    [
        ("resnet_soils", 0, 0, {"recipe": models.SOILS_RECIPE.name}),
        ("resnet_lucas_ph", 0, 1, {"recipe": models.ONE_CYCLE.name}),
        ("resnet_library", 5, 0, WORLDS),
    ],
)
def test_the_card_repeats_the_settings_of_the_files(card, name, table, place, others):
    network, kept = NETWORKS[name]
    values = {setting: value for setting, value in kept["recipe"].items() if setting != "name"} | others
    values |= {setting: kept[setting] for setting in ("origin", "transform", "seed")} | {"": name}
    values |= {"l2": network.config.l2, "targets": len(kept["targets"])}
    values["weights to learn"] = f"{sum(weights.numel() for weights in network.parameters()):,}"
    assert column(card[table], values, place) == texts(values)
    assert kept["recipe"]["name"] == others.get("recipe", "library")


def test_means_are_subtracted_as_the_card_says(card):
    rows = card[0]["mean input subtracted"]
    subtracted = [bool(NETWORKS[name][0].input_mean.any()) for name in NAMES[:2]]
    assert subtracted == [row != "none, as published" for row in rows]


@pytest.mark.parametrize(("name", "place"), [("resnet_lucas_ph", 3), ("resnet_soils", 4), ("resnet_library", 8)])
def test_the_card_repeats_the_scores_of_the_files(card, name, place):
    scores = NETWORKS[name][1]["scores"]
    assert len(card[place]) == len(scores) + 1 and column(card[place], scores) == texts(scores)


def test_the_card_counts_the_soils_as_the_script_does(card):
    world, europe = card[0]["soils"]
    assert world.startswith(f"{models.N_SOILS:,} ") and europe.startswith(f"{N_SAMPLES:,} ")
    kept_back = [f"{models.kept_back().sum():,}", f"{N_SAMPLES // 4:,}"]
    assert card[0]["of these, kept back for the scores"] == kept_back


def test_soils_are_kept_back_by_other_random_numbers_than_soils_are_drawn_by():
    """The numbers that picked parent materials would keep back one or two of these alone."""
    kept_back = models.kept_back().reshape(2, models.N_SOILS // 2)
    assert kept_back.mean() == pytest.approx(0.05, abs=0.003)
    for place, rows in enumerate(kept_back):
        generator = np.random.default_rng(models.SOILS_SEED + place)
        parents = _draw_factors(len(rows), WORLD, generator)["parent"]
        world = parents.value_counts(normalize=True)
        kept = parents[rows].value_counts(normalize=True).reindex(world.index, fill_value=0)
        # Four standard errors of a share of some 1,500 soils.
        assert ((kept - world).abs() < 4 * np.sqrt(world * (1 - world) / rows.sum())).all()


def test_the_card_repeats_the_settings_of_the_second_stage(card):
    recipe, n_localities = SOILS[1]["episodes"], SOILS[1]["n_localities"]
    low, high = recipe["n_support"]
    assert recipe | {"n_support": (low, high)} == vars(models.EPISODES)
    values = recipe | {"n_support": f"{low} to {high - 1}", "n_localities": n_localities}
    values["soils a locality"] = models.SOILS_A_LOCALITY
    assert len(card[1]) == len(values) + 1 and column(card[1], values) == texts(values)
    assert f"recipe with {models.DENSE_RECIPE.max_epochs} epochs, on frozen features" in TEXT


def test_the_card_says_how_much_the_second_stage_helped(card):
    network, kept = SOILS
    assert card[2]["features, before the second stage"] == ["0.3", str(kept["before"])]
    assert card[2]["features, after it"] == ["0.3", str(kept["after"])]
    inputs, targets = models.draw_localities(network, 50, models.SOILS_SEED + 3)
    with torch.no_grad():
        features = [network.features(rows) for rows in inputs]

    def error(seen, penalty):
        pairs = zip(seen, targets, strict=True)
        return np.mean([episode_error(x.flatten(1), y, 96, torch.tensor(penalty)).item() for x, y in pairs])

    penalties = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    of_inputs, of_features = ([error(seen, penalty) for penalty in penalties] for seen in (inputs, features))
    best, least = map(float, card[2]["pooled input, at the best of six penalties"])
    on_card = [float(card[2][name][1]) for name in ("nothing: the mean of the 96", "pooled input of the network")]
    computed = [error(inputs, 1e9), of_inputs[4], of_features[4], min(of_inputs)]
    assert computed == pytest.approx([*on_card, kept["after"], least], abs=0.003)
    assert penalties[np.argmin(of_inputs)] == best and penalties[np.argmin(of_features)] == 0.3
    # The quarter of the error that the card speaks of, from a level that the input alone comes near.
    assert 1 - kept["after"] / kept["before"] == pytest.approx(0.25, abs=0.02)
    assert min(of_inputs) == pytest.approx(kept["before"], abs=0.01)


def test_the_files_are_small_and_no_others_are_there():
    sizes = {path.stem: path.stat().st_size for path in data_path("models").glob("*.safetensors")}
    assert set(sizes) == set(NAMES) and max(sizes.values()) < 1_000_000


def scaled_r2(targets, predicted, kept):
    """R2 of each target (n, n_targets), scaled as the file says."""
    scaled = (np.asarray(targets) - kept["scaling"]["mean"]) / kept["scaling"]["deviation"]
    return np.array([r2(*pair) for pair in zip(scaled.T, predicted.T, strict=True)])


def test_the_card_says_how_well_fresh_soils_of_the_world_are_predicted(card):
    network, kept = SOILS
    generator = np.random.default_rng(2024)
    targets, predicted = [], []
    for instrument in (ASD_FIELDSPEC_3, FOSS_XDS):
        drawn = draw_soils(1500, WORLD, generator)
        targets.append(models.soils_targets(drawn))
        predicted.append(predict(network, network_input(scan(drawn, instrument, generator), kept["transform"])))
    targets = pd.concat(targets)
    fresh = scaled_r2(targets, np.concatenate(predicted), kept)
    assert list(targets) == kept["targets"] == list(card[4])[1:]
    np.testing.assert_allclose([float(card[4][name][1]) for name in kept["targets"]], fresh, atol=0.0075)
    # The soils kept back are a fair sample: R2 of 3,000 have standard errors of up to 0.014.
    np.testing.assert_allclose([kept["scores"][name] for name in kept["targets"]], fresh, atol=0.04)


def test_fresh_soils_of_europe_have_the_ph_that_the_card_promises():
    network, kept = NETWORKS["resnet_lucas_ph"]
    fresh = simulate_lucas(1000, random_state=2024)
    predicted = predict(network, network_input(fresh.spectra, kept["transform"]))[:, 0]
    ph = fresh.properties["ph"].to_numpy()
    expected = [kept["scores"][name] for name in ("r2", "rmse")]
    assert [r2(ph, predicted), rmse(ph, predicted)] == pytest.approx(expected, abs=0.05)


# --- resnet_library -------------------------------------------------------------------------------------


def test_the_library_has_the_recipe_and_the_targets_of_the_script():
    kept = LIBRARY[1]
    assert kept["recipe"] == vars(models.LIBRARY_RECIPE)
    assert kept["targets"] == list(TARGETS) == list(kept["scores"])


def test_the_card_repeats_the_episodes_of_the_library(card):
    recipe = LIBRARY[1]["episodes"]
    pairs = {name: tuple(recipe[name]) for name in ("n_laboratories", "n_support")}
    assert recipe | pairs == vars(models.BETWEEN)
    values = recipe | {name: f"{low} to {high - 1}" for name, (low, high) in pairs.items()}
    values["penalty"] = f"{LIBRARY[1]['penalty']:.3f}"
    assert len(card[6]) == len(values) + 1 and column(card[6], values) == texts(values)
    assert f"with {models.LIBRARY_DENSE_RECIPE.max_epochs} epochs, on frozen features; no command" in TEXT


def test_the_card_repeats_how_errors_grow_on_another_laboratory(card):
    unseen = LIBRARY[1]["unseen"]
    numbers = [int(number) for number in list(card[7])[1:]]
    assert numbers == unseen["laboratories"] == list(models.GROWTH_LABORATORIES)
    forms = {"factor": "{:g}", "covered": "{:.0%}", "rmse": "{:g}", "pls": "{:g}", "better": "{:.0%}"}
    for place, number in enumerate(numbers):
        values = [form.format(unseen[name][place]).replace("%", " %") for name, form in forms.items()]
        assert card[7][str(number)] == values


def test_fresh_laboratories_confirm_the_factors(monkeypatch):
    monkeypatch.setattr(models, "GROWTH_LABORATORIES", (2,))
    network, kept = LIBRARY
    fresh = models.error_growth(network, kept["penalty"], np.random.default_rng(2024), n_worlds=8)
    fresh = pd.DataFrame(fresh).set_index("laboratories").loc[2]
    kept = pd.DataFrame(kept["unseen"]).set_index("laboratories").loc[2]
    # 16 cases, whose coverage has a standard deviation of about a third.
    assert fresh["covered"] == pytest.approx(kept["covered"], abs=0.2)
    assert fresh["factor"] == pytest.approx(kept["factor"], rel=0.5)
    assert fresh["rmse"] / fresh["pls"] == pytest.approx(kept["rmse"] / kept["pls"], abs=0.15)


def test_targets_of_fresh_worlds_are_predicted_as_the_card_says():
    network, kept = LIBRARY
    generator = np.random.default_rng(2024)
    derivatives, targets = draw_worlds(8, 2, 32, generator)
    X = covered_inputs(derivatives.reshape(-1, 32, 340), generator)
    fresh = scaled_r2(targets.reshape(len(X), -1), predict(network, X), kept)
    assert fresh.mean() == pytest.approx(np.mean(list(kept["scores"].values())), abs=0.1)


def test_the_card_repeats_the_scores_on_three_measured_laboratories(card, shared):
    paths = [shared / "real" / "mir" / f"{name}.csv.gz" for name in ("h138", "nrw115", "o32")]
    measured, _ = soils_to_predict(read_laboratories(paths, "cm-1", "percent-reflectance")[0], "soc_pct")
    records = leave_laboratories_out(measured, "soc_pct", {"snv": Choice(HARMONISATIONS["snv"])})
    mean, pls, pretrained = (
        records[records["model"] == name].set_index("laboratory") for name in ("mean", "pls", "pretrained")
    )
    rows = pd.DataFrame.from_dict(dict(list(card[9].items())[1:]), orient="index")
    assert list(rows.index) == list(pretrained.index)
    for place, result in ((0, mean["rmse"]), (2, pls["rmse"]), (4, pretrained["rmse"]), (5, pretrained["r2"])):
        np.testing.assert_allclose(rows[place].astype(float), result, atol=0.006)
    covered = rows[6].str.removesuffix(" %").astype(float) / 100
    np.testing.assert_allclose(covered, pretrained["coverage_90"], atol=0.02)
    assert (pretrained["rmse"] < rows[3].str.split().str[0].astype(float)).sum() == 2
