import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import KFold

from spectrakit.models.cnn import CNNConfig
from spectrakit.training.plain import CNNRegressor, draw_epochs
from spectrakit.training.stacked import fit_stacked


def line_spectra(contents, n_channels, seed=0):
    """A line that grows with the content beside one that does not, 3 % scatter and noise."""
    random = np.random.default_rng(seed)
    channel = np.arange(n_channels)
    lines = np.exp(-0.5 * ((channel - n_channels * np.array([[0.4], [0.7]])) / 2) ** 2)
    heights = np.column_stack([0.2 + contents * 6e-4, np.full(len(contents), 0.5)])
    heights *= 1 + 0.03 * random.normal(size=heights.shape)
    return heights @ lines + 0.01 * random.normal(size=(len(contents), n_channels))


@pytest.fixture(scope="module")
def y():
    """Contents of twelve samples, ppm."""
    return np.linspace(0, 1000, 12)


@pytest.fixture(scope="module")
def X(y):
    return line_spectra(y, 66)


@pytest.fixture(scope="module")
def folds(y):
    """The training rows of ten folds (10 or 11 samples)."""
    return [training for training, _ in KFold(10, shuffle=True, random_state=0).split(y)]


@pytest.fixture(scope="module")
def replicates():
    """Twelve samples of ten replicates; more rows than a batch, and networks of differing numbers of batches."""
    y = np.repeat(np.linspace(0, 1000, 12), 10)
    groups = np.arange(120) // 10
    return line_spectra(y, 33), y, [groups != 0, groups < 4, groups < 2, groups % 3 > 0]


@pytest.fixture
def double():
    """Networks of double precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def assert_same_fits(X, y, training_rows, config, seeds, tolerance=1e-9):
    """Each network of the stack against the plain loop: predictions within `tolerance` of the target's SD.

    X : (n, n_channels), or (B, n, n_channels) for a scaling of its own for each network
    """
    stack = fit_stacked(X, y, training_rows, config, seeds)
    predicted = stack.predict(X)
    moved = 0
    each = X if X.ndim == 3 else np.stack([X] * len(seeds))
    for b, (rows, seed) in enumerate(zip(training_rows, seeds, strict=True)):
        plain = CNNRegressor(config, seed).fit(each[b, rows], y[rows])
        sd = y[rows].std()
        np.testing.assert_allclose(predicted[b] / sd, plain.predict(each[b]) / sd, rtol=0, atol=tolerance)
        np.testing.assert_allclose(stack.history[b], plain.history_, rtol=10 * tolerance)
        moved += predicted[b].std() > 0.3 * sd
    assert moved >= len(training_rows) / 2, "networks that predict a constant would agree for no good reason"


# At a learning rate of 0.1 rounding errors may grow from epoch to epoch, whatever the order of summation. So the
# whole training is compared in double precision, where any difference of method would stand out against 1e-12,
# and single precision where it holds too: to the end for one batch an epoch, briefly for four.
def test_whole_training_in_double_precision(X, y, folds, double):
    assert_same_fits(X, y, folds[::5], CNNConfig(), seeds=[0, 1])


def test_whole_training_in_single_precision(X, y, folds):
    assert_same_fits(X, y, folds[:1], CNNConfig(), seeds=[0], tolerance=1e-4)


def test_shuffled_batches_in_double_precision(replicates, double):
    assert_same_fits(*replicates, CNNConfig(max_epochs=60), seeds=[0, 1, 5, 7])


OTHER_READINGS = [
    CNNConfig(max_epochs=150, padding="valid", dropout_before_dense=False),
    CNNConfig(max_epochs=80, global_pooling=False, standardise_target=True, learning_rate=0.002, drop_period=30),
]


@pytest.mark.parametrize("config", OTHER_READINGS)
def test_other_readings_of_the_paper(X, y, folds, config, double):
    assert_same_fits(X, y, folds[:2], config, seeds=[4, 5])


def test_a_network_does_not_depend_on_its_neighbours(X, y, folds, monkeypatch, double):
    config = CNNConfig(max_epochs=30)
    together = fit_stacked(X, y, folds, config).predict(X)
    monkeypatch.setattr("spectrakit.training.stacked.PLACES_PER_CHUNK", 3 * 11 * 66)
    np.testing.assert_allclose(fit_stacked(X, y, folds, config).predict(X), together, rtol=1e-9)
    alone = fit_stacked(X, y, folds[7:8], config, seeds=[7]).predict(X)[0]
    np.testing.assert_allclose(alone, together[7], rtol=1e-9)


def test_rows_left_out_have_no_influence_not_even_missing_ones(X, y):
    rows = [np.arange(1, 12), np.arange(2, 9)]  # of differing numbers, so that the second has spare places
    X_spoilt, y_spoilt = X.copy(), y.copy()
    X_spoilt[0], y_spoilt[0] = np.nan, np.nan
    config = CNNConfig(max_epochs=20)
    clean, spoilt = (fit_stacked(*data, rows, config).predict(X) for data in ((X, y), (X_spoilt, y_spoilt)))
    np.testing.assert_array_equal(clean, spoilt)
    assert np.isfinite(clean).all()


@pytest.fixture(scope="module")
def own_spectra(X, folds):
    """Spectra (3, 12, 66), centred and scaled for each of three networks by its own training rows."""
    return np.stack([(X - X[rows].mean(0)) / X[rows].std() for rows in folds[:3]])


def test_each_network_may_have_spectra_of_its_own(y, folds, own_spectra, monkeypatch, double):
    monkeypatch.setattr("spectrakit.training.stacked.PLACES_PER_CHUNK", 2 * 11 * 66)  # two chunks
    assert_same_fits(own_spectra, y, folds[:3], CNNConfig(max_epochs=100), seeds=[0, 1, 2])


def test_spectra_for_another_number_of_networks_are_refused(X, y, folds, own_spectra):
    with pytest.raises(ValueError, match="spectra for 3 networks, but there are 2"):
        fit_stacked(own_spectra, y, folds[:2], CNNConfig(max_epochs=1))
    stack = fit_stacked(X, y, folds[:2], CNNConfig(max_epochs=1))
    with pytest.raises(ValueError, match="spectra for 3 networks, but there are 2"):
        stack.predict(own_spectra)


def test_progress_counts_every_epoch_of_every_network(replicates):
    calls = []
    X, y, rows = replicates
    fit_stacked(X, y, rows, CNNConfig(max_epochs=3), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (12, 12)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_chance_is_a_share_of_dropped_units_and_a_fresh_order_each_epoch():
    order, scale = (torch.cat(parts) for parts in zip(*draw_epochs(108, 66, CNNConfig(), seed=1), strict=True))
    assert order.shape == (500, 108) and scale.shape == (500, 108, 8)
    assert torch.equal(order.sort(1).values, torch.arange(108).expand(500, 108))
    assert not torch.equal(order[0], order[1])
    assert scale.unique().tolist() == pytest.approx([0, 1 / 0.9])
    assert (scale == 0).float().mean().item() == pytest.approx(0.1, abs=0.002)


def test_regressor_learns_repeats_itself_and_leaves_the_global_state_alone(X, y):
    model = CNNRegressor(CNNConfig(max_epochs=250), random_state=0)
    state = torch.random.get_rng_state()
    first = model.fit(X, y).predict(X)
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(clone(model).fit(X, y).predict(X), first)
    assert model.score(X, y) > 0.8
    assert model.history_.shape == (250,) and CNNRegressor().config == CNNConfig()


@pytest.mark.parametrize(("rows", "problem"), [([], "network 1 has no training rows"), ([12], "network 1 asks for")])
def test_rows_that_cannot_be_are_named(X, y, folds, rows, problem):
    with pytest.raises(ValueError, match=problem):
        fit_stacked(X, y, [folds[0], np.array(rows, dtype=int)], CNNConfig(max_epochs=1))
