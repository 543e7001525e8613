from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from spectrakit.models.baselines import transfer_baselines
from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.preprocess.preparation import lucas_reflectance
from spectrakit.spectra import LUCAS_AXIS_NM, SpectralDataset
from spectrakit.tables import read_table
from spectrakit.training.transfer import SCRATCH_HIDDEN
from spectrakit.workflows import transfer
from spectrakit.workflows.transfer import r2_plot, run_rounds, score_frame, transfer_models

SCORES = ["r2", "rmse", "rpd"]


def dataset_of(spectra, axis, signal="reflectance", axis_unit="nm", **samples):
    n_samples = len(spectra)
    return SpectralDataset(
        spectra=spectra,
        axis=axis,
        axis_unit=axis_unit,
        signal=signal,
        properties=pd.DataFrame({"ph": np.linspace(4, 8, n_samples)}),
        samples=pd.DataFrame({"sample_id": [f"s{i}" for i in range(n_samples)]} | samples),
        provenance={"origin": "measured", "source": "a test"},
    )


@pytest.fixture
def soils():
    """Forty samples on the network's axis; one band tells the pH, another does not."""
    random = np.random.default_rng(0)
    depth = random.uniform(0, 1, (40, 2))
    bands = np.exp(-0.5 * ((LUCAS_AXIS_NM - np.array([[1400], [2200]])) / 60) ** 2)
    dataset = dataset_of(0.4 - 0.2 * depth @ bands + random.normal(0, 1e-3, (40, 2100)), LUCAS_AXIS_NM)
    return replace(dataset, properties=pd.DataFrame({"ph": 5 + 3 * depth[:, 0]}))


MADE = []  # models of these tests, by name and seed


def mean(random_state):
    MADE.append(("mean", random_state))
    return DummyRegressor()


def ridge(random_state):
    MADE.append(("ridge", random_state))
    return Ridge(1e-2)


MODELS = {"mean": mean, "ridge": ridge}


@pytest.fixture(autouse=True)
def nothing_made():
    MADE.clear()


def test_the_five_models_in_order_each_with_the_seed_of_its_round():
    makers = transfer_models()
    assert list(makers) == ["mean", "pls", "svm", "scratch", "pretrained"]
    for name, make in makers.items():
        parameters = clone(make(7)).get_params()
        seeds = [value for parameter, value in parameters.items() if parameter.endswith("random_state")]
        assert set(seeds) == (set() if name == "mean" else {7})
        assert make(7) is not make(7)


def test_both_networks_see_the_same_through_the_same_convolutions():
    scratch, pretrained = (transfer_models()[name](0) for name in ("scratch", "pretrained"))
    assert scratch.transform == pretrained.transform == "derivative"
    fresh = initial_network(ResNetConfig(hidden=SCRATCH_HIDDEN, relu_output=False), 0, np.zeros(1))
    given = pretrained.network
    assert str(fresh.features) == str(given.features) and fresh.config.pool == given.config.pool
    assert given.config.n_outputs == 20 and not given.training


def test_rounds_are_tidy_and_pinned(soils):
    calls = []
    records = run_rounds(soils, "ph", MODELS, 2, 20, 7, progress=lambda *call: calls.append(call))
    assert list(records) == ["model", "round", *SCORES, "n_train", "n_test"]
    assert records[["model", "round", "n_train", "n_test"]].to_numpy().tolist() == [
        ["mean", 0, 20, 10],
        ["ridge", 0, 20, 10],
        ["mean", 1, 20, 10],
        ["ridge", 1, 20, 10],
    ]
    pinned = [[-0.06374, 0.52209, 1.02203], [-0.13992, 0.97705, 0.98728]]
    np.testing.assert_allclose(records[SCORES][::2], pinned, atol=1e-4)
    np.testing.assert_allclose(records[["r2", "rmse"]][1::2], [[0.99999, 0.0012], [0.99999, 0.0025]], atol=1e-4)
    assert MADE == [("mean", 7), ("ridge", 7), ("mean", 8), ("ridge", 8)]
    assert calls[0] == ("mean, round 1 of 2", 0) and calls[-1] == ("ridge, round 2 of 2", 1)


def test_more_rounds_take_up_fewer(soils, tmp_path):
    first = run_rounds(soils, "ph", MODELS, 1, 20, folder=tmp_path)
    longer = run_rounds(soils, "ph", MODELS, 2, 20, folder=tmp_path)
    assert MADE == [("mean", 0), ("ridge", 0), ("mean", 1), ("ridge", 1)]
    pd.testing.assert_frame_equal(longer[:2], first, check_exact=True)
    pd.testing.assert_frame_equal(longer, run_rounds(soils, "ph", MODELS, 2, 20), check_exact=True)


def test_rounds_are_kept_by_all_that_their_scores_depend_on(soils, tmp_path):
    def key(**changed):
        given = {"dataset": soils, "target": "ph", "models": {}, "n_rounds": 1, "train_size": 20} | changed
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        run_rounds(**given, folder=folder)
        (path,) = folder.iterdir()
        return path.name

    samples, other_target = soils.samples, {"ph": soils.properties["ph"] + np.arange(40)}
    keys = [
        key(**changed)
        for changed in (
            {},
            {"dataset": replace(soils, spectra=soils.spectra * 1.01)},
            {"dataset": replace(soils, properties=pd.DataFrame(other_target))},
            {"dataset": replace(soils, samples=samples.assign(group=np.arange(40) // 2))},
            {"dataset": replace(soils, samples=samples.assign(sample_id=np.arange(40) // 2))},
            {"train_size": 21},
            {"random_state": 1},
            {"models": {"mean": MODELS["mean"]}},
            {"models": {"mean": MODELS["ridge"]}},
        )
    ]
    assert len(set(keys)) == len(keys)
    named = replace(soils, properties=soils.properties.rename(columns={"ph": "ph_h2o"}))
    assert key(dataset=named, target="ph_h2o", n_rounds=3) == keys[0]


def test_replicates_fall_on_one_side(soils):
    seen = []

    class Noting(DummyRegressor):
        def fit(self, X, y):
            self.trained_ = set(X.sum(axis=1))
            return super().fit(X, y)

        def predict(self, X):
            seen.append(self.trained_ & set(X.sum(axis=1)))
            return super().predict(X)

    twice = soils.subset(np.repeat(np.arange(40), 2))
    records = run_rounds(twice, "ph", {"mean": lambda random_state: Noting()}, 5, 98)
    assert seen == [set()] * 5
    assert (records["n_test"] == 20).all() and (records["n_train"] == 60).all()
    site = replace(soils, samples=soils.samples.assign(group=np.repeat(["a", None], [37, 3])))
    with pytest.raises(ValueError, match="samples to train on: at least 10 are needed"):
        run_rounds(site, "ph", {}, 10, 98)


def test_fewer_than_ten_to_train_on_are_refused(soils):
    with pytest.raises(ValueError, match="a round has 9 samples to train on: at least 10 are needed"):
        run_rounds(soils, "ph", {}, 1, 9)


def test_scores_and_plot_as_text():
    records = pd.DataFrame(
        {
            "model": ["mean", "pls", "mean", "pls"],
            "round": [0, 0, 1, 1],
            "r2": [-1.1, 0.5, -0.1, 0.75],
            "rmse": [1.0, 0.5, 2.0, 0.7],
            "rpd": [0.9, 1.4, 0.95, 2.0],
        }
    )
    frame = score_frame(records)
    assert frame.loc["pls"].to_dict() == {"R2": "0.625 ± 0.18", "RMSE": "0.6 ± 0.14", "RPD": "1.7 ± 0.42"}
    assert r2_plot(records) == [
        "mean  <               ·                                             -0.60",
        "pls                                           ·    |    ·            0.62",
        "      +-----------------------------------------------------------+",
        "      -0.5                                                        1",
    ]


def test_a_measured_set_from_file_to_scores(shared):
    dataset = read_table(shared / "real/visnir/sl125.csv.gz", "nm", "percent-reflectance")
    prepared, notes = lucas_reflectance(dataset)
    assert len(notes) == 1 and prepared.spectra.shape == (125, 2100)
    baselines = transfer_baselines()
    # The training side of a round, itself split: nothing is learnt of the rounds that the command reports.
    training, _ = transfer.random_rounds(125, 1, train_size=98)[0]
    records = run_rounds(prepared.subset(training), "clay_pct", baselines, 1, random_state=100)
    np.testing.assert_allclose(records["r2"], [-0.00195, 0.94586, 0.94197], atol=5e-4)
