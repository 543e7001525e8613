from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from torch import nn
from torch.nn import functional

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.evaluation.splits import repeated_folds
from spectrakit.explain.audit import line_mass, map_agreement, near_lines, rank_correlation
from spectrakit.explain.gradcam import grad_cam
from spectrakit.ledger import load_published
from spectrakit.models.cnn import CNNConfig, SpectralCNN
from spectrakit.simulate.libs import experiment as libs
from spectrakit.simulate.libs.atoms import line_table
from spectrakit.simulate.libs.plasma import SpectralRange
from spectrakit.spectra import SpectralDataset
from spectrakit.studies.libs import experiments as libs_experiments
from spectrakit.studies.libs.domains import Task, cut_task
from spectrakit.studies.libs.protocol import OpenChoices, fit_cnn, out_of_fold_maps, reference_lines
from spectrakit.training.plain import initial_network

NEIGHBOUR = {"neighbour": KNeighborsRegressor(1)}
CONTENTS = np.array([5, 12, 1, 9, 3, 7, 11, 2, 10, 4, 8, 6], float)


@pytest.fixture(scope="module")
def signatures():
    """Twelve soils, three measurements each, that can be recognised but tell nothing of their contents."""
    axis = np.concatenate([libs.window_axes()[target] for target in ("mg", "ca", "na")])
    soil = np.repeat(np.arange(12), 3)
    random = np.random.default_rng(0)
    spectra = 100 + 10 * random.random((12, len(axis)))[soil] + 0.01 * random.random((36, len(axis)))
    samples = pd.DataFrame(
        {"sample_id": [f"S{i:02d}" for i in soil], "range": "low", "replicate": np.tile([1, 2, 3], 12)}
    )
    contents = pd.DataFrame({f"{target}_ppm": CONTENTS[soil] for target in libs.TARGETS})
    return SpectralDataset(spectra, axis, "nm", "counts", contents, samples, {"origin": "simulated"})


def test_leaky_folds_let_a_model_recognise_soils(signatures):
    predictions = libs_experiments.leak_experiment(signatures, "ca", "low", NEIGHBOUR, n_replicates=(1, 3))
    score = libs_experiments.r2_of(predictions, ["n_replicates", "folds"])
    assert len(predictions) == 2 * (12 + 36)
    assert score[3, "leaky"] == 1.0
    assert score[3, "grouped"] < 0
    assert score[1, "leaky"] == score[1, "grouped"]


def test_leak_experiment_predicts_each_measurement_once(signatures):
    predictions = libs_experiments.leak_experiment(signatures, "na", "low", {"mean": DummyRegressor()}, (2,))
    grouped = predictions[predictions.folds == "grouped"]
    assert grouped.sample_id.value_counts().eq(2).all()
    # The mean of the other soils, the same for both measurements of a soil.
    assert grouped.groupby("sample_id").predicted.nunique().eq(1).all()


def test_r2_of_names_its_groups():
    frame = pd.DataFrame({"kind": ["b", "b", "a", "a"], "content": [1, 3, 1, 3], "predicted": [1, 3, 3, 1]})
    score = libs_experiments.r2_of(frame, ["kind"])
    assert score.to_dict() == {"b": 1.0, "a": -3.0}


def test_dealt_contents_move_whole_soils(signatures):
    dealt = libs_experiments.deal_contents(signatures, random_state=3)
    own = dealt.properties["mg_ppm"].to_numpy().reshape(12, 3)
    assert (own == own[:, :1]).all()
    assert sorted(own[:, 0]) == sorted(CONTENTS)
    assert (own[:, 0] != CONTENTS).any()
    np.testing.assert_array_equal(dealt.properties["mg_ppm"], dealt.properties["na_ppm"])
    np.testing.assert_array_equal(signatures.properties["mg_ppm"], np.repeat(CONTENTS, 3))


def test_contents_are_dealt_within_a_range(signatures):
    in_two = replace(signatures, samples=signatures.samples.assign(range=np.repeat(["high", "low"], 18)))
    dealt = libs_experiments.deal_contents(in_two, random_state=0).properties["ca_ppm"]
    assert sorted(dealt[:18]) == sorted(np.repeat(CONTENTS[:6], 3))


@pytest.fixture
def straight_task():
    """Fifteen soils whose line grows with the content, while the mean channel, and so the normalisation, stays."""
    content = np.linspace(10, 150, 15)
    counts = np.column_stack([1000 - 1.5 * content, content, content / 2])
    return Task("ca", "high", np.array([422.0, 422.1, 422.2]), counts, content, np.arange(15).astype(str))


def test_more_soils_train_on_as_many_as_asked(straight_task):
    models = {"line": LinearRegression(), "mean": DummyRegressor()}
    errors = libs_experiments.sample_count_experiment(straight_task, models, (4, 10), n_draws=2)
    assert list(errors[errors.model == "line"].n_soils) == [4, 4, 10, 10]
    assert errors[errors.model == "line"][["train", "test"]].to_numpy() == pytest.approx(0, abs=1e-9)
    drawn = np.random.default_rng(0).choice(15, 4, replace=False)
    left = np.setdiff1d(np.arange(15), drawn)
    first = errors[errors.model == "mean"].iloc[0]
    content = straight_task.content
    assert first.train == pytest.approx(content[drawn].std())
    assert first.test == pytest.approx(rmse(content[left], np.full(11, content[drawn].mean())))


def test_repeated_experiment_draws_its_soils_anew():
    scores = libs_experiments.repeat_experiment("low", ["na"], {"mean": DummyRegressor()}, [4, 5])
    for seed, own in scores.set_index("seed").iterrows():
        content = libs.field_soils(seed).samples["na_ppm"].to_numpy()
        splits = repeated_folds(12, 10, 1, seed)
        mean = splits.out_of_fold([np.full(12, content[rows].mean()) for rows in splits.train])[0]
        assert own.r2 == pytest.approx(r2(content, mean))
        assert own.rmse == pytest.approx(rmse(content, mean))


def test_more_levels_and_more_field_soils():
    spiked = libs.spiked_soils([0, 250])
    assert list(spiked.samples["ca_ppm"]) == [0, 250]
    assert spiked.composition_ppm["Ca"].diff().iloc[1] == 250
    field = libs.field_soils(0, n_samples=30)
    assert len(field.samples) == 30
    assert field.samples["mg_ppm"].std(ddof=0) == pytest.approx(libs.settings()["field"]["sd_ppm"]["mg"], abs=0.01)


def test_none_stands_for_the_published_network(straight_task, tiny_libs):
    splits = repeated_folds(15, 2, 1, 0)
    wide = replace(straight_task, counts=np.tile(straight_task.counts, 3), wavelength=np.arange(9.0))
    np.testing.assert_array_equal(libs_experiments.fit_model(None, wide, splits), fit_cnn(wide, splits)[1])


def test_dead_units_are_counted():
    network, X = initial_network(20, CNNConfig(), seed=0), np.random.default_rng(0).normal(size=(5, 20))
    with torch.no_grad():
        network.maps[3].bias[:] = torch.where(torch.arange(8) < 3, -100.0, 100.0)
        network.dense.bias[:] = torch.where(torch.arange(128) < 50, -10_000.0, 10_000.0)
    assert libs_experiments.dead_units(network, X) == (3, 50)
    with torch.no_grad():  # one spectrum that wakes a kernel up is enough
        network.maps[3].bias[0] = 0.0
    maps = network.maps(torch.as_tensor(X, dtype=torch.float32).unsqueeze(1)).detach()
    awake = int((maps[:, 0].amax(1) > 0).sum())
    assert libs_experiments.dead_units(network, X)[0] == (2 if awake else 3)


PUBLISHED = load_published("libs")


@pytest.fixture(scope="module")
def explained():
    torch.set_num_threads(1)
    dataset = libs.measure(libs.spiked_soils(), n_shots=5)
    return libs_experiments.explain_task(cut_task(dataset, "na", "high"), OpenChoices(cnn=CNNConfig(max_epochs=60)))


def test_out_of_fold_takes_the_network_that_had_not_seen_the_sample(explained):
    maps = explained.all_maps()
    assert maps.shape == (10, 12, 33)
    expected = out_of_fold_maps(explained.networks, explained.X, explained.splits)
    np.testing.assert_allclose(explained.out_of_fold(maps), expected, rtol=1e-4)
    predictions = explained.networks.predict(explained.X)
    np.testing.assert_allclose(explained.out_of_fold(predictions), explained.predicted)


def test_the_two_places_are_the_last_convolution_and_its_relu():
    network = SpectralCNN(33)
    assert network.maps[libs_experiments.CONVOLUTION] is network.target_layer
    assert isinstance(network.maps[libs_experiments.RELU], nn.ReLU)


def test_raising_and_lowering_are_the_two_signs_of_one_sum():
    torch.manual_seed(0)
    network, X = SpectralCNN(33), np.random.default_rng(0).normal(size=(4, 33)).astype(np.float32)
    features = network.maps[:4](torch.tensor(X).unsqueeze(1)).detach().requires_grad_(True)
    prediction = network.output(network.dense_relu(network.dense(network.maps[4:](features).mean(2))))
    (gradient,) = torch.autograd.grad(prediction.sum(), features)
    total = (gradient.mean(2, keepdim=True) * features).sum(1, keepdim=True).detach()
    for sign, found in (
        (1, grad_cam(network, network.target_layer, X)),
        (-1, libs_experiments.lowering_map(network, X)),
    ):
        expected = functional.interpolate((sign * total).relu(), size=33, mode="linear")[:, 0]
        assert found.max() > 0
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_occlusion_of_a_linear_network_is_its_own_sum():
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0, 0.0, 5.0]))

        def forward(self, X):
            return X @ self.weight

    X = np.array([[1.0, 1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 0.0, -1.0]])
    wavelength = np.array([500.00, 500.04, 500.08, 500.12, 500.30])
    # Half a resolution element is 0.05 nm: a channel and its neighbours, but the last stands alone.
    effect = libs_experiments.occlusion_effect(Linear(), X, wavelength)
    np.testing.assert_allclose(effect, [[-1, 2, 1, 3, 5], [-4, -4, -4, 0, -5]])


def test_the_audit_reports_what_its_parts_find(explained):
    found = libs_experiments.audit_task(explained, n_randomisations=2)
    maps, effects = explained.all_maps(), explained.all_effects()
    task = explained.task
    mass = line_mass(explained.out_of_fold(maps), task.wavelength, reference_lines("na").wavelength_air_nm)
    assert (found["share"], found["by_chance"], found["p_value"]) == pytest.approx(mass[:3], rel=1e-5)
    assert found["between_folds"] == pytest.approx(np.nanmean(map_agreement(maps)))
    assert found["with_any"] == pytest.approx(np.nanmean(rank_correlation(maps, np.abs(effects))))
    assert found["with_raising"] == pytest.approx(np.nanmean(rank_correlation(maps, effects.clip(min=0))))
    assert -1 < found["with_random"] < 1


def test_random_maps_reproduce_and_are_not_the_trained_ones(explained):
    first, again, other = (explained.random_maps(seed) for seed in (0, 0, 100))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other) and first.shape == explained.all_maps().shape


def test_peaks_become_one_and_empty_maps_stay_empty():
    scaled = libs_experiments.scaled_to_peak(np.array([[1.0, 4.0, 2.0], [0.0, 0.0, 0.0]]))
    assert scaled.tolist() == [[0.25, 1.0, 0.5], [0.0, 0.0, 0.0]]


def test_central_depth_is_that_of_the_simulated_plasma():
    lines, plasma = line_table(588.9, 589.1, "Na"), libs.nominal_plasma()
    (depth,) = libs_experiments.central_depths(lines, plasma)
    part = SpectralRange(588.8, 589.2, lines)
    assert depth == pytest.approx(part.line_optical_depth(plasma).max(), rel=0.01)
    thicker = replace(plasma, path_length_m=3 * plasma.path_length_m)
    assert libs_experiments.central_depths(lines, thicker) == pytest.approx([3 * depth])


def test_named_lines_have_strength_and_depth():
    found = libs_experiments.named_lines_frame(PUBLISHED).set_index("line")
    assert len(found) == 26 and found["window"].value_counts().to_dict() == {"Mg": 10, "Ca": 9, "Na": 7}
    assert np.isnan(found.loc["Mg 279.64", "depth"]) and found.loc["Mg 279.64", "relative_strength"] == 0
    # Both sodium lines end on the same level, so their depths go as their strengths, but for the photon's energy.
    ratio = found.loc["Na 589.59", "depth"] / found.loc["Na 588.99", "depth"]
    assert ratio == pytest.approx(found.loc["Na 589.59", "relative_strength"], rel=0.01)
    (depth,) = libs_experiments.central_depths(line_table(279.55, 279.56, "Mg"), libs.nominal_plasma())
    assert found.loc["Mg 280.27", "self_absorption"] == pytest.approx(depth / (1 - np.exp(-depth)), rel=0.01)


def test_net_widths_count_channels_near_lines():
    widths = libs_experiments.net_widths(PUBLISHED).set_index("window")
    assert widths[["channels", "named", "known"]].to_numpy().tolist() == [[66, 9, 44], [124, 10, 116], [33, 7, 15]]
    named = libs_experiments._published_lines(PUBLISHED)
    for target, axis in libs.window_axes().items():
        own = near_lines(axis, named.loc[named["window"] == target.capitalize(), "wavelength_nm"])
        assert widths.loc[target.capitalize(), "named_cover"] == pytest.approx(100 * own.mean())
    assert widths["known_cover"].tolist() == pytest.approx([100, 100, 100 * 32 / 33])
