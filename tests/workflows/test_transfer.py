from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from spectrakit.models.baselines import transfer_baselines
from spectrakit.models.resnet import ResNetConfig, initial_network
from spectrakit.runs.tasks import task_runner
from spectrakit.spectra import LUCAS_AXIS_NM, SpectralDataset
from spectrakit.tables.plain import read_table
from spectrakit.workflows import transfer
from spectrakit.workflows.transfer import prepare, r2_plot, run_rounds, score_frame, transfer_models, with_target

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


def exponential(axis):
    """Two spectra whose logarithm is a straight line, so that interpolation and continuation are known."""
    return np.array([0.2, 0.3])[:, None] * np.exp(np.array([2e-4, -1e-4])[:, None] * (axis - 400))


@pytest.fixture
def soils():
    """Forty samples on the network's axis; one band tells the pH, another does not."""
    random = np.random.default_rng(0)
    depth = random.uniform(0, 1, (40, 2))
    bands = np.exp(-0.5 * ((LUCAS_AXIS_NM - np.array([[1400], [2200]])) / 60) ** 2)
    dataset = dataset_of(0.4 - 0.2 * depth @ bands + random.normal(0, 1e-3, (40, 2100)), LUCAS_AXIS_NM)
    return replace(dataset, properties=pd.DataFrame({"ph": 5 + 3 * depth[:, 0]}))


@pytest.fixture
def models():
    """Quick competitors, and the seeds with which each was made."""
    made = []

    def maker(name, model):
        return lambda random_state: made.append((name, random_state)) or model

    return {"mean": maker("mean", DummyRegressor()), "ridge": maker("ridge", Ridge(1e-2))}, made


def test_half_nanometre_steps_are_picked_and_other_ends_trimmed():
    axis = np.arange(380, 2500, 0.5)
    prepared, notes = prepare(dataset_of(exponential(axis), axis))
    assert notes == []
    np.testing.assert_array_equal(prepared.axis, np.arange(400, 2500))
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=1e-6)


@pytest.mark.parametrize(("signal", "of"), [("reflectance", lambda r: r), ("absorbance", lambda r: -np.log10(r))])
def test_wavenumbers_and_absorbance_are_turned_into_reflectance_over_nm(signal, of):
    wavenumbers = np.arange(3900.0, 26_000, 4)
    spectra = of(exponential(1e7 / wavenumbers))
    prepared, notes = prepare(dataset_of(spectra, wavenumbers, signal, "cm-1"))
    assert (prepared.signal, prepared.axis_unit, notes) == ("reflectance", "nm", [])
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=1e-5)


def test_missing_ends_are_continued_on_the_logarithm_and_told():
    axis = np.arange(450.0, 2450)
    prepared, notes = prepare(dataset_of(exponential(axis), axis))
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=1e-5)
    words = "nm not measured: log reflectance is continued there in a straight line"
    assert notes == [f"400-449 {words}", f"2450-2499 {words}"]
    assert prepare(dataset_of(exponential(LUCAS_AXIS_NM[:-1]), LUCAS_AXIS_NM[:-1]))[1] == [f"2499 {words}"]


def test_a_continued_end_takes_its_level_from_the_last_channel_and_its_slope_from_twenty_nm():
    axis = np.arange(420.0, 2500)
    spectra = exponential(axis)
    spectra[:, 0] *= 1.01
    slope = np.polyfit(axis[:21], np.log(spectra[0, :21]), 1)[0]
    prepared, _ = prepare(dataset_of(spectra, axis))
    np.testing.assert_allclose(prepared.spectra[0, :20], spectra[0, 0] * np.exp(slope * np.arange(-20, 0)), rtol=1e-6)


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        (np.arange(451.0, 2500), "the spectra span 451 to 2499 nm: the network needs 400 to 2499 nm, and up to 50 nm"),
        (np.arange(400.0, 2449), "the spectra span 400 to 2448 nm"),
        (np.r_[400:1350, 1371:2500], "no channel between 1349 and 1371 nm: steps of at most 20 nm are bridged"),
    ],
)
def test_an_axis_that_does_not_cover_the_network_is_refused(axis, message):
    with pytest.raises(ValueError, match=message):
        prepare(dataset_of(exponential(axis), axis))


def test_gaps_of_twenty_nm_are_bridged():
    axis = np.r_[400:1350, 1369:2500].astype(float)
    prepared, notes = prepare(dataset_of(exponential(axis), axis))
    assert notes == []
    np.testing.assert_allclose(prepared.spectra, exponential(LUCAS_AXIS_NM), rtol=1e-5)


def test_counts_are_refused():
    with pytest.raises(ValueError, match="counts are no reflectance"):
        prepare(dataset_of(exponential(LUCAS_AXIS_NM), LUCAS_AXIS_NM, "counts"))


def test_missing_channels_and_dark_spectra_are_told():
    axis = np.arange(399.0, 2502)
    spectra = np.vstack([exponential(axis)] * 2)
    spectra[:, 0] = np.nan  # measured in no sample: not asked for
    spectra[1, 7] = spectra[3, -1] = np.nan  # the last channel is not needed
    spectra[2, 1000] = -0.01
    dataset = dataset_of(spectra, axis)
    prepared, notes = prepare(dataset)
    assert list(prepared.samples["sample_id"]) == ["s0", "s2", "s3"]
    assert notes == [
        "1 of 4 samples left out: channels are missing",
        "reflectance below 0.001 raised to it in 1 samples",
    ]
    assert prepared.spectra.min() == np.float32(0.001)
    np.testing.assert_array_equal(dataset.spectra, spectra.astype(np.float32))
    spectra[[0, 2], [5, 9]] = spectra[3, 7] = np.nan
    with pytest.raises(ValueError, match="no sample has all its channels"):
        prepare(dataset_of(spectra, axis))


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
    own = initial_network(ResNetConfig(hidden=scratch.hidden, relu_output=False), 0, np.zeros(1))
    given = pretrained.network
    assert str(own.features) == str(given.features) and own.config.pool == given.config.pool
    assert given.config.n_outputs == 20 and not given.training


def test_samples_without_the_target_are_left_out_and_told(soils):
    holes = soils.properties.copy()
    holes.loc[3:5, "ph"] = np.nan
    part, notes = with_target(replace(soils, properties=holes), "ph")
    assert notes == ["3 of 40 samples left out: ph is not measured"]
    assert len(part) == 37 and with_target(soils, "ph")[1] == []


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("clay_pct", 1.0, "no property 'clay_pct' in the table; numeric properties: ph"),
        ("ph", np.nan, "ph is not measured in any sample"),
        ("ph", 6.5, "ph is 6.5 in every sample: there is nothing to predict"),
        ("ph", [5.0] * 9 + [6.0] * 10 + [np.nan] * 21, "ph is measured in 19 samples: at least 20 are needed"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_named(soils, target, values, message):
    with pytest.raises(ValueError, match=message):
        with_target(replace(soils, properties=pd.DataFrame({"ph": values}, index=range(40))), target)


def test_rounds_are_tidy_and_pinned(soils, models):
    makers, made = models
    told = []
    records = run_rounds(soils, "ph", makers, 2, 20, 7, progress=lambda *call: told.append(call))
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
    assert made == [("mean", 7), ("ridge", 7), ("mean", 8), ("ridge", 8)]
    assert told[0] == ("mean, round 1 of 2", 0) and told[-1] == ("ridge, round 2 of 2", 1)


def test_what_was_finished_is_not_run_again(soils, models, tmp_path):
    makers, made = models

    def stops(random_state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rounds(soils, "ph", makers | {"svm": stops}, 1, 20, folder=tmp_path)
    assert len(made) == 2
    first = run_rounds(soils, "ph", makers, 1, 20, folder=tmp_path)
    assert len(made) == 2
    longer = run_rounds(soils, "ph", makers, 2, 20, folder=tmp_path)
    assert made[2:] == [("mean", 1), ("ridge", 1)]
    pd.testing.assert_frame_equal(longer[:2], first, check_exact=True)
    pd.testing.assert_frame_equal(longer, run_rounds(soils, "ph", makers, 2, 20), check_exact=True)


def test_a_cluster_that_loses_a_worker_gives_the_same_and_what_is_finished_is_not_run_again(soils, tmp_path, workers):
    makers = transfer_baselines()
    del makers["svm"]
    here = run_rounds(soils, "ph", makers, 6, 20)
    first = run_rounds(soils, "ph", makers, 1, 20, folder=tmp_path)
    told = []

    def kill_one(words, share):
        told.append(share)
        if share > 2 / 12 and not workers.killed:
            workers.kill_one()

    with task_runner(workers.address) as runner:
        there = run_rounds(soils, "ph", makers, 6, 20, folder=tmp_path, progress=kill_one, runner=runner)
        again = run_rounds(soils, "ph", makers, 6, 20, folder=tmp_path, runner=runner)
    assert workers.lost()
    # Two records of the first round were there; each of the others came once.
    np.testing.assert_allclose(told, np.arange(2, 13) / 12)
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    pd.testing.assert_frame_equal(again, here, check_exact=True)
    pd.testing.assert_frame_equal(there[:2], first, check_exact=True)
    (run,) = tmp_path.iterdir()
    assert len(list(run.iterdir())) == 12 and all(path.suffix == ".json" for path in run.iterdir())


def test_what_other_data_or_settings_left_is_not_taken_up(soils, models, tmp_path, monkeypatch):
    makers, made = models
    run_rounds(soils, "ph", makers, 1, 20, folder=tmp_path)
    brighter = replace(soils, spectra=soils.spectra * 1.01)
    for changed in ({"dataset": brighter}, {"train_size": 21}, {"random_state": 1}):
        given = {"dataset": soils, "target": "ph", "models": makers, "n_rounds": 1, "train_size": 20} | changed
        before = len(made)
        run_rounds(**given, folder=tmp_path)
        assert len(made) == before + 2
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"other weights")
    monkeypatch.setattr(transfer, "_weights", lambda: [weights])
    run_rounds(soils, "ph", makers, 1, 20, folder=tmp_path)
    assert len(made) == 10


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
    assert r2_plot(records, width=31) == [
        "mean  <       ·                       -0.60",
        "pls                       · |  ·       0.62",
        "      +-----------------------------+",
        "      -0.5                          1",
    ]


def test_a_measured_set_from_file_to_scores(shared):
    dataset = read_table(shared / "real/visnir/sl125.csv.gz", "nm", "percent-reflectance")
    prepared, notes = prepare(dataset)
    assert len(notes) == 1 and prepared.spectra.shape == (125, 2100)
    baselines = transfer_baselines()
    # The training side of a round, itself split: nothing is learnt of the rounds that the command reports.
    training, _ = transfer.random_rounds(125, 1, train_size=98)[0]
    records = run_rounds(prepared.subset(training), "clay_pct", baselines, 1, random_state=100)
    np.testing.assert_allclose(records["r2"], [-0.00195, 0.94586, 0.94197], atol=5e-4)
