from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error, r2_score

from spectrakit.evaluation.splits import Splits, repeated_folds
from spectrakit.models.cnn import CNNConfig
from spectrakit.preprocess.pretreatment import normalise_area
from spectrakit.simulate.libs import experiment
from spectrakit.spectra import SpectralDataset
from spectrakit.studies.libs import protocol as libs
from spectrakit.studies.libs.domains import TASKS, Task, cut_task
from spectrakit.training.stacked import fit_stacked

CHOICES = libs.OpenChoices(cnn=CNNConfig(max_epochs=5))
PROFILE = libs.Profile(n_repeats=2, n_trees=5, n_measurements=2, n_blanks=5)


@pytest.fixture(scope="module")
def soils():
    return experiment.spiked_soils()


@pytest.fixture(scope="module")
def measured(soils):
    """One measurement of the twelve spiked soils, and two more of each."""
    return experiment.measure(soils, n_shots=5), experiment.measure(soils, 2, n_shots=5, random_state=1)


@pytest.fixture(scope="module")
def task(measured):
    return cut_task(measured[0], "na", "high")


@pytest.fixture(scope="module")
def splits():
    return repeated_folds(12, 10, 2, random_state=0)


@pytest.fixture(scope="module")
def calls():
    return []


@pytest.fixture(scope="module")
def repeats(tiny_libs, measured, calls):
    """Both repeats of the task, with networks of five epochs and weak baselines."""
    both = [cut_task(each, "na", "high") for each in measured]
    return [libs.run_repeat(*both, repeat, PROFILE, 0, lambda *call: calls.append(call)) for repeat in range(2)]


def with_channel_raised(task, row):
    """The task with another spectrum in one row, its highest channel included."""
    counts = task.counts.copy()
    counts[row, 4:9] += counts.max()
    return replace(task, counts=counts)


def test_the_study_is_six_tasks_of_the_published_counts():
    assert TASKS == (("ca", "high"), ("mg", "high"), ("na", "high"), ("ca", "low"), ("mg", "low"), ("na", "low"))
    assert libs.N_FOLDS == 10
    paper = libs.PROFILES["paper"]
    assert (paper.n_repeats, paper.n_trees) == (10, 300)
    choices = libs.OpenChoices()
    assert (choices.normalise, choices.scale, choices.cnn) == (normalise_area, True, CNNConfig())


def test_a_test_spectrum_changes_nothing_of_what_its_networks_learn(task, splits):
    row = 5
    networks, predicted, _, X = libs.fit_cnn(task, splits, CHOICES)
    networks_2, predicted_2, _, X_2 = libs.fit_cnn(with_channel_raised(task, row), splits, CHOICES)
    others = np.arange(12) != row
    assert splits.test[:, row].sum() == 2
    for b, unseen in enumerate(splits.test[:, row]):
        weights, weights_2 = (
            np.concatenate([parameter.detach().ravel() for parameter in each.networks[b].parameters()])
            for each in (networks, networks_2)
        )
        assert np.array_equal(weights, weights_2) == unseen
        assert np.array_equal(predicted[b, others], predicted_2[b, others]) == unseen
        assert np.array_equal(X[b, others], X_2[b, others]) == unseen
        assert not np.array_equal(X[b, row], X_2[b, row])


def test_baselines_are_fitted_on_each_split_anew(task, splits):
    model = LinearRegression()
    X = normalise_area(task.counts)
    expected = [LinearRegression().fit(X[rows], task.content[rows]).predict(X) for rows in splits.train]
    np.testing.assert_allclose(libs.fit_baseline(model, task, splits), expected, rtol=1e-9, atol=1e-6)
    assert not hasattr(model, "coef_")


def test_networks_see_spectra_scaled_by_the_training_rows_of_their_split_or_not_as_chosen(task, splits):
    X = normalise_area(task.counts)
    _, predicted, again, seen = libs.fit_cnn(task, splits, CHOICES, repeated=task)
    for b in (0, 13):
        training = X[splits.train[b]]
        deviation = np.sqrt(((training - training.mean(0)) ** 2).mean())
        np.testing.assert_allclose(seen[b], (X - training.mean(0)) / deviation, rtol=1e-12, atol=1e-12)
    for scale, spectra in ((True, seen), (False, X)):
        _, predicted, again, seen = libs.fit_cnn(task, splits, replace(CHOICES, scale=scale), repeated=task)
        expected = fit_stacked(spectra, task.content, splits.train, CHOICES.cnn).predict(spectra)
        np.testing.assert_array_equal(predicted, expected)
        np.testing.assert_array_equal(again, expected)
        np.testing.assert_array_equal(seen, np.broadcast_to(spectra, (20, 12, 33)))
    assert libs.fit_cnn(task, splits, CHOICES)[2] is None


def test_a_repeat_has_the_splits_and_networks_that_it_has_among_more(task, splits):
    _, expected, _, _ = libs.fit_cnn(task, splits, CHOICES)
    one = libs.repeat_splits(12, 1)
    np.testing.assert_array_equal(one.train, splits.train[10:])
    np.testing.assert_allclose(libs.fit_cnn(task, one, CHOICES)[1], expected[10:], rtol=1e-5)


def test_the_gap_of_an_over_fitted_model_is_negative():
    splits = Splits(~np.eye(3, dtype=bool), repeat=np.full(3, 1), fold=np.arange(3))
    content = np.array([10.0, 20.0, 30.0])
    task = Task("ca", "high", None, None, content, None)
    # Training errors of 1 and test errors of 3; then 2 and 1, 1, 2 (RMSE sqrt 2).
    for error, gap in (
        (np.where(splits.train, 1.0, 3.0), 1 - 3),
        (np.where(splits.train, -2.0, np.diag([1, 1, 2])), 2 - 2**0.5),
    ):
        assert libs.repeat_scores(task, splits, content + error)["gap"] == pytest.approx(gap)


def test_the_line_signal_is_the_mean_within_one_resolution_element(task):
    # 588.995 nm over 5000 is 0.118 nm: channels 588.893 to 589.113 of those that stand 0.0366 nm apart.
    channels = np.flatnonzero((task.wavelength > 588.877) & (task.wavelength < 589.113))
    assert channels.tolist() == [2, 3, 4, 5, 6, 7, 8]
    counts = np.arange(33.0) ** 2 * np.array([[1], [10]])
    signal = libs.line_signal(replace(task, counts=counts))
    np.testing.assert_allclose(signal, [29, 290])


def test_the_limit_of_detection_is_three_deviations_of_the_blank_over_the_slope(monkeypatch, soils):
    """Counts of 100 + 2 a ppm, and four blanks of 99 and 101 counts: s = sqrt(4/3), so the limit is 3 s / 2."""
    seeds = []

    def measure(soils, n_replicates=1, random_state=0):
        seeds.append(random_state)
        samples = pd.concat([soils.samples] * n_replicates, ignore_index=True)
        counts = 100 + 2 * samples[["mg_ppm"]].to_numpy()
        if n_replicates > 1:
            assert samples["mg_ppm"].tolist() == [0, 0, 0, 0]
            counts = counts + np.array([[-1], [1], [-1], [1]])
        axis = np.concatenate([experiment.window_axes()[target] for target in ("mg", "ca", "na")])
        spectra = np.broadcast_to(counts, (len(samples), len(axis)))
        properties = samples[["ca_ppm", "mg_ppm", "na_ppm"]]
        return SpectralDataset(spectra, axis, "nm", "counts", properties, samples, {"origin": "simulated"})

    monkeypatch.setattr(libs.experiment, "measure", measure)
    calibration = cut_task(measure(soils, random_state=8), "mg", soils.samples["range"].iloc[0])
    limit = libs.detection_limit(calibration, soils, n_blanks=4, random_state=8)
    assert limit == pytest.approx(3 * (4 / 3) ** 0.5 / 2)
    assert seeds == [8, 9]


@pytest.mark.parametrize(
    ("target", "wavelengths", "strengths"),
    [
        ("ca", [422.673], [1]),
        ("mg", [279.553, 279.800, 280.270], [1, 0.01616, 0.49950]),
        ("na", [588.995, 589.592], [1, 0.49892]),
    ],
)
def test_the_lines_that_a_map_should_show(target, wavelengths, strengths):
    lines = libs.reference_lines(target)
    np.testing.assert_allclose(lines["wavelength_air_nm"], wavelengths, atol=6e-4)
    np.testing.assert_allclose(lines["strength"] / lines["strength"].max(), strengths, rtol=0.01)
    assert libs.MAIN_LINE_NM[target] == pytest.approx(
        lines.loc[lines["strength"].idxmax(), "wavelength_air_nm"], abs=6e-4
    )


def test_a_repeat_has_one_row_a_model_and_counts_models_and_parts_of_the_network(repeats, calls):
    models = ["CNN", "RF", "BPNN", "PLS", "mean"]
    for repeat, part in enumerate(repeats):
        assert list(part["out_of_fold"]) == models == part["metrics"]["model"].tolist()
        assert part["metrics"]["repeat"].tolist() == [repeat] * 5
        assert part["repeatability"].shape == (12,) and part["maps"].shape == (12, 33)
    assert calls == [(pytest.approx(share), 5) for share in (0.2, 0.4, 0.6, 0.8, 1.0, 2, 3, 4, 5)] * 2


def test_metrics_are_pooled_over_the_out_of_fold_predictions_of_a_repeat(repeats, task):
    for part in repeats:
        for row in part["metrics"].itertuples():
            predicted = part["out_of_fold"][row.model]
            assert row.r2 == pytest.approx(r2_score(task.content, predicted), rel=1e-12)
            assert row.rmse == pytest.approx(np.sqrt(np.mean((predicted - task.content) ** 2)), rel=1e-12)
            assert row.mae == pytest.approx(mean_absolute_error(task.content, predicted), rel=1e-12)


def test_the_mean_predictor_predicts_the_mean_of_the_other_samples(repeats, task, splits):
    for train, test, repeat in zip(splits.train, splits.test, splits.repeat, strict=True):
        np.testing.assert_allclose(repeats[repeat]["out_of_fold"]["mean"][test], task.content[train].mean())
    for repeat, part in enumerate(repeats):
        row = part["metrics"].set_index("model").loc["mean"]
        trained_on = [task.content[train] for train in splits.train[splits.repeat == repeat]]
        training_error = np.concatenate([contents - contents.mean() for contents in trained_on])
        assert len(training_error) == 108
        assert row["gap"] == pytest.approx(np.sqrt(np.mean(training_error**2)) - row["rmse"], rel=1e-12)
    assert repeats[0]["metrics"].set_index("model").loc["mean", "r2"] == pytest.approx(-0.184474, abs=1e-6)


def test_predictions_and_repeatability_come_from_networks_that_had_not_seen_the_sample(repeats, measured):
    task, again = (cut_task(each, "na", "high") for each in measured)
    for repeat, part in enumerate(repeats):
        splits = libs.repeat_splits(12, repeat)
        _, predicted, predicted_again, _ = libs.fit_cnn(task, splits, CHOICES, again)
        for row in range(12):
            (unseen,) = np.flatnonzero(~splits.train[:, row])
            assert part["out_of_fold"]["CNN"][row] == predicted[unseen, row]
            first, second = predicted_again[unseen][again.sample_id == task.sample_id[row]]
            deviation = 100 * np.abs(first - second) / 2**0.5 / np.abs((first + second) / 2)
            assert part["repeatability"][row] == pytest.approx(deviation, rel=1e-9)


def test_what_is_said_of_a_sample_does_not_depend_on_its_content(repeats, tiny_libs, measured):
    """The strictest test of a leak: the content of a sample is changed, and nothing said of it may move."""
    row, others = 4, np.arange(12) != 4

    def with_other_content(dataset):
        contents = dataset.properties["na_ppm"].where(dataset.samples["sample_id"] != "S05", 5000.0)
        return cut_task(replace(dataset, properties=dataset.properties.assign(na_ppm=contents)), "na", "high")

    changed = libs.run_repeat(*map(with_other_content, measured), 0, PROFILE, 0, lambda *call: None)
    for model, predicted in repeats[0]["out_of_fold"].items():
        assert changed["out_of_fold"][model][row] == predicted[row]
        assert not np.array_equal(changed["out_of_fold"][model][others], predicted[others])
    assert changed["repeatability"][row] == repeats[0]["repeatability"][row]
    np.testing.assert_array_equal(changed["maps"][row], repeats[0]["maps"][row])
