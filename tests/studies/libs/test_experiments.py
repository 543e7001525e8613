from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from spectrakit.evaluation.metrics import r2, rmse
from spectrakit.evaluation.splits import repeated_folds
from spectrakit.models.cnn import CNNConfig
from spectrakit.simulate.libs import experiment as libs
from spectrakit.spectra import SpectralDataset
from spectrakit.studies.libs import domains as libs_measured
from spectrakit.studies.libs import experiments as libs_experiments
from spectrakit.studies.libs.protocol import Task, cut_task, fit_cnn
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
    errors = libs_experiments.sample_count_experiment(straight_task, models, (4, 10), n_draws=2, random_state=0)
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


def test_none_stands_for_the_published_network(straight_task):
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


def test_measured_task_leaves_out_soils_without_content(signatures):
    contents = signatures.properties.assign(
        ca_ppm=signatures.properties["ca_ppm"].where(signatures.samples["replicate"] < 3)
    )
    measured = replace(signatures, properties=contents)
    task = libs_measured.measured_task(measured, "ca")
    assert task.counts.shape == (24, 66)
    np.testing.assert_array_equal(task.counts, cut_task(measured, "ca", "low").counts[contents["ca_ppm"].notna()])
    assert list(task.sample_id[:3]) == ["S00", "S00", "S01"]
    with pytest.raises(ValueError, match="no sample with the property ca_ppm: add such a column"):
        libs_measured.measured_task(replace(signatures, properties=contents.drop(columns="ca_ppm")), "ca")
