import warnings

import numpy as np
import pytest
from sklearn.base import clone

from spectrakit.models.baselines import CrossValidatedPLS, baselines


@pytest.fixture
def mixture():
    """Two bands of independent strength; the target is the first. Eleven rows, as in a fold."""
    random = np.random.default_rng(0)
    channel = np.arange(40)
    bands = np.exp(-0.5 * ((channel - np.array([[14], [19]])) / 3) ** 2)
    contents = random.uniform(100, 1000, (11, 2))
    return contents @ bands + random.normal(0, 2, (11, 40)), contents[:, 0]


def test_the_published_settings(mixture):
    models = baselines(random_state=3)
    assert list(models) == ["RF", "BPNN", "PLS", "mean"]
    forest = models["RF"].fit(*mixture)
    assert len(forest.estimators_) == 300
    assert all(tree.tree_.weighted_n_node_samples[tree.tree_.children_left < 0].min() >= 3 for tree in forest)
    network = models["BPNN"].fit(*mixture).regressor_[-1]
    assert [w.shape for w in network.coefs_] == [(40, 4), (4, 1)]
    assert (network.n_iter_, network.learning_rate_init) == (500, 0.01)


@pytest.mark.parametrize("name", ["RF", "BPNN", "PLS", "mean"])
def test_each_fits_without_a_warning_and_repeats_itself(mixture, name):
    X, y = mixture
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (clone(baselines(random_state=5)[name]).fit(X, y).predict(X) for _ in range(2))
    assert first.shape == y.shape
    np.testing.assert_array_equal(first, second)


def test_network_is_scaled_so_that_units_do_not_matter(mixture):
    X, y = mixture
    ppm, percent = (clone(baselines(1)["BPNN"]).fit(X * s, y * s).predict(X * s) / s for s in (1.0, 1e-4))
    np.testing.assert_allclose(ppm, percent, rtol=1e-6)


def test_pls_needs_a_second_component_to_part_two_bands(mixture):
    X, y = mixture
    model = CrossValidatedPLS(random_state=0).fit(X, y)
    assert model.inner_rmse_[:3] == pytest.approx([185.745, 1.419, 1.179], abs=1e-3)
    assert model.n_components_ == np.argmin(model.inner_rmse_) + 1 == model.model_.n_components == 3
    assert CrossValidatedPLS(max_components=2, random_state=0).fit(X, y).n_components_ == 2
    assert np.sqrt(np.mean((model.predict(X) - y) ** 2)) < 1


def test_pls_is_safe_for_few_rows_and_few_channels(mixture):
    X, y = mixture
    assert len(CrossValidatedPLS().fit(X[:3], y[:3]).inner_rmse_) == 1
    assert len(CrossValidatedPLS().fit(X[:, 10:12], y).inner_rmse_) == 2
    with pytest.raises(ValueError, match="minimum of 3"):
        CrossValidatedPLS().fit(X[:2], y[:2])


def test_mean_predictor_is_the_training_mean(mixture):
    X, y = mixture
    assert baselines()["mean"].fit(X, y).predict(X[:1]) == pytest.approx(y.mean())
