import warnings

import numpy as np
import optuna
import pytest
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.svm import SVR

from spectrakit.contents import log_offset
from spectrakit.models.baselines import (
    BayesianSVM,
    CrossValidatedPLS,
    LogPLS,
    StagedPLS,
    content_baselines,
    libs_baselines,
    on_reflectance,
    transfer_baselines,
)
from spectrakit.preprocess.pretreatment import derivative_spectra


@pytest.fixture(scope="module")
def mixture():
    """Two bands of independent strength; the target is the first. Eleven rows, as in a fold."""
    random = np.random.default_rng(0)
    channel = np.arange(40)
    bands = np.exp(-0.5 * ((channel - np.array([[14], [19]])) / 3) ** 2)
    contents = random.uniform(100, 1000, (11, 2))
    return contents @ bands + random.normal(0, 2, (11, 40)), contents[:, 0]


@pytest.fixture(scope="module")
def soils():
    """Reflectance (60, 300) of two bands of random depth, one of fixed depth and a level; the target is 50 depth^2."""
    random = np.random.default_rng(1)
    depth = random.uniform(0, 1, (60, 3))
    depth[:, 2] = 1
    bands = np.exp(-0.5 * ((np.arange(300) - np.array([[80], [150], [230]])) / 25) ** 2)
    logarithm = random.uniform(0.2, 0.8, (60, 1)) + 0.3 * depth @ bands + random.normal(0, 1e-3, (60, 300))
    return 10.0**-logarithm, 50 * depth[:, 0] ** 2 + random.normal(0, 0.5, 60)


def test_the_published_settings(mixture):
    models = {name: model.fit(*mixture) for name, model in libs_baselines(random_state=3).items()}
    assert list(models) == ["RF", "BPNN", "PLS", "mean"]
    trees = [tree.tree_ for tree in models["RF"]]
    assert len(trees) == 300
    assert all(tree.weighted_n_node_samples[tree.children_left < 0].min() >= 3 for tree in trees)
    network = models["BPNN"].regressor_[-1]
    assert [w.shape for w in network.coefs_] == [(40, 4), (4, 1)]
    assert (network.n_iter_, network.learning_rate_init) == (500, 0.01)
    assert models["mean"].predict(mixture[0]) == pytest.approx(mixture[1].mean())


@pytest.mark.parametrize("name", ["RF", "BPNN", "PLS", "mean"])
def test_each_fits_without_a_warning_and_repeats_itself(mixture, name):
    X, y = mixture
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (clone(libs_baselines(random_state=5)[name]).fit(X, y).predict(X) for _ in range(2))
    assert first.shape == y.shape
    np.testing.assert_array_equal(first, second)


def test_network_is_scaled_so_that_units_do_not_matter(mixture):
    X, y = mixture
    ppm, percent = (clone(libs_baselines(1)["BPNN"]).fit(X * s, y * s).predict(X * s) / s for s in (1.0, 1e-4))
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


def test_one_fit_a_fold_gives_what_a_fit_for_every_candidate_gives(soils):
    X, y = -np.log10(soils[0]), soils[1]
    model = CrossValidatedPLS(50, random_state=2).fit(X, y)
    folds = KFold(5, shuffle=True, random_state=2)
    one_by_one = []
    for k in range(1, 48, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            predicted = cross_val_predict(PLSRegression(k, scale=False), X, y, cv=folds).ravel()
        one_by_one.append(np.sqrt(np.mean((predicted - y) ** 2)))
    # 48 rows train a fold, and one degree of freedom goes to their mean.
    np.testing.assert_allclose(model.inner_rmse_[::2], one_by_one, rtol=1e-9)
    assert model.n_components_ == np.argmin(model.inner_rmse_) + 1 and len(model.inner_rmse_) == 47
    plain = PLSRegression(model.n_components_, scale=False).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), plain.predict(X).ravel())


def test_components_beyond_what_y_holds_neither_warn_nor_win(mixture):
    X = mixture[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = CrossValidatedPLS(50, random_state=0).fit(X[:, :3], X[:, 1])
    assert model.inner_rmse_[2] < 1e-9 < model.inner_rmse_[0]


def test_svm_is_tuned_inside_the_training_rows(soils):
    X, y = -np.log10(soils[0]), soils[1]
    model = BayesianSVM(n_trials=12, random_state=0).fit(X, y)
    assert len(model.inner_rmse_) == 12
    assert model.best_params_ == pytest.approx({"C": 5207.98, "epsilon": 0.00208462, "gamma": 0.0101914}, rel=1e-4)
    # The best trial, again, by scikit-learn's own kernel.
    scaled = (y - y.mean()) / y.std()
    folds = KFold(5, shuffle=True, random_state=0)
    predicted = y.mean() + y.std() * cross_val_predict(SVR(**model.best_params_), X, scaled, cv=folds)
    assert model.inner_rmse_.min() == pytest.approx(np.sqrt(np.mean((predicted - y) ** 2)), rel=1e-6)
    again = clone(model).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_svm_is_quiet_and_leaves_the_callers_log_level(soils, capfd):
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        BayesianSVM(n_trials=2, random_state=0).fit(*soils)
        assert optuna.logging.get_verbosity() == optuna.logging.INFO
    finally:
        optuna.logging.set_verbosity(level)
    assert capfd.readouterr() == ("", "")


def test_svm_is_safe_for_few_rows_and_spectra_that_are_all_the_same(mixture):
    X, y = mixture
    assert np.isfinite(BayesianSVM(n_trials=2, random_state=0).fit(X[:3], y[:3]).predict(X)).all()
    same = BayesianSVM(n_trials=2, random_state=0).fit(np.ones((5, 4)), y[:5])
    assert np.ptp(same.predict(np.ones((3, 4)))) == 0
    with pytest.raises(ValueError, match="minimum of 3"):
        BayesianSVM().fit(X[:2], y[:2])


def test_on_reflectance_fits_derivative_spectra_which_level_and_tilt_of_the_light_do_not_change(soils):
    X, y = soils
    plain = CrossValidatedPLS(5, random_state=0).fit(derivative_spectra(X[:45]), y[:45])
    model = on_reflectance(CrossValidatedPLS(5, random_state=0)).fit(X[:45], y[:45])
    np.testing.assert_array_equal(model.predict(X[45:]), plain.predict(derivative_spectra(X[45:])))
    np.testing.assert_allclose(model.predict(X * 0.7), model.predict(X), rtol=1e-8)
    # A power of reflectance is a factor of absorbance, as a longer path is.
    np.testing.assert_allclose(model.predict(X**1.3), model.predict(X), rtol=1e-8)


def test_the_transfers_baselines(soils):
    X, y = soils
    makers = transfer_baselines()
    assert list(makers) == ["mean", "pls", "svm"]
    assert makers["pls"](3)[-1].get_params() == {"max_components": 50, "random_state": 3}
    assert makers["svm"](3)[-1].get_params() == {"n_trials": 40, "random_state": 3}
    errors = {}
    for name, make in makers.items():
        predicted = clone(make(0)).fit(X[:45], y[:45]).predict(X[45:])
        errors[name] = float(np.sqrt(np.mean((predicted - y[45:]) ** 2)))
    assert errors == pytest.approx({"mean": 13.710, "pls": 3.162, "svm": 0.405}, abs=0.01)


def test_groups_stay_on_one_side_while_components_are_chosen(soils):
    X, y = soils
    # Four scans each of fifteen soils, whose contents no band tells: only a scan of the same soil does.
    groups, random = np.repeat(np.arange(15), 4), np.random.default_rng(2)
    X, y = np.repeat(X[::4], 4, axis=0), np.repeat(random.normal(size=15), 4)
    X = X + random.normal(0, 1e-4, X.shape)
    free, grouped = CrossValidatedPLS(12, random_state=0).fit(X, y), CrossValidatedPLS(12, random_state=0)
    grouped.fit(X, y, groups=groups)
    folds = GroupKFold(5, shuffle=True, random_state=0)
    for k in (1, 4):
        left_out = cross_val_predict(PLSRegression(k, scale=False), X, y, cv=folds, groups=groups).ravel()
        assert grouped.inner_rmse_[k - 1] == pytest.approx(np.sqrt(np.mean((left_out - y) ** 2)))
    assert free.n_components_ > grouped.n_components_ and free.inner_rmse_.min() < 0.7 * grouped.inner_rmse_.min()


def test_stages_are_partial_least_squares_of_every_number_of_components():
    random = np.random.default_rng(0)
    X = random.normal(size=(20, 61))
    contents = X[:, :3] @ [1.0, -0.5, 0.2] + 0.1 * random.normal(size=20)
    staged = StagedPLS(5).fit(X[:15], contents[:15])
    for k, found in enumerate(staged.staged_predict(X[15:]), start=1):
        expected = PLSRegression(k, scale=False).fit(X[:15], contents[:15]).predict(X[15:])
        np.testing.assert_allclose(found, expected, rtol=1e-8)
    np.testing.assert_array_equal(staged.predict(X[15:]), staged.staged_predict(X[15:])[-1])
    assert len(StagedPLS(50).fit(X[:5], contents[:5]).staged_predict(X)) == 4
    np.testing.assert_allclose(StagedPLS().fit(X[:5], np.ones(5)).predict(X), 1)


def test_content_baselines_work_on_either_scale(soils):
    X, y = soils
    contents, groups = np.where(np.arange(60) == 7, 0, np.exp(y / 10)), np.repeat(np.arange(20), 3)
    X = -np.log(X)
    models = {name: model.fit(X, contents, groups=groups) for name, model in content_baselines(random_state=0).items()}
    assert list(models) == ["pls", "pls log"] and models["pls"].max_components == 30
    by_hand = CrossValidatedPLS(30, random_state=0).fit(X, np.log(np.maximum(contents, 0.05)), groups=groups)
    np.testing.assert_allclose(models["pls log"].predict(X), np.exp(by_hand.predict(X)))
    direct = CrossValidatedPLS(30, random_state=0).fit(X, contents, groups=groups)
    np.testing.assert_array_equal(models["pls"].predict(X), direct.predict(X))


def test_the_start_of_logarithms_is_a_tenth_of_what_is_usual():
    assert log_offset([0, 20, 300], (0, 580)) == 2
    assert log_offset([0, 0, 30], (0, 580)) == 1
    assert log_offset([4, 5, 6], (-np.inf, np.inf)) is None


def test_log_pls_finds_a_law_of_logarithms_keeps_to_limits_and_tells_its_errors():
    random = np.random.default_rng(0)
    X = random.standard_normal((200, 5))
    y = np.exp(3 + X[:, 0] + 0.1 * random.standard_normal(200))
    model = LogPLS((0, 100), random_state=0).fit(X[:150], np.minimum(y[:150], 100))
    contents, spread = model.predict(X[150:], return_std=True)
    np.testing.assert_array_equal(contents, model.predict(X[150:]))
    low = y[150:] < 50
    relative = np.log(contents[low] / y[150:][low])
    assert np.std(relative) < 0.25
    np.testing.assert_allclose(spread / (contents + model.log_offset_), spread[0] / (contents[0] + model.log_offset_))
    far = model.predict(np.array([[50.0, 0, 0, 0, 0], [-50.0, 0, 0, 0, 0]]))
    assert far[0] == 100 and 0 <= far[1] < 1e-6
    straight = LogPLS((-np.inf, np.inf), random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(straight.predict(X), X[:, 0], atol=0.01)
    assert len(set(straight.predict(X, return_std=True)[1])) == 1


def test_log_pls_keeps_groups_whole_while_components_are_chosen():
    random = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), 5)
    X = random.standard_normal((12, 20))[groups] + 0.05 * random.standard_normal((60, 20))
    y = np.exp(random.standard_normal(12)[groups] + 0.01 * random.standard_normal(60))
    model, plain = LogPLS(random_state=0), CrossValidatedPLS(30, random_state=0)
    for given in (groups, None):
        expected = plain.fit(X, np.log(y + log_offset(y, (0, np.inf))), given).inner_rmse_.copy()
        np.testing.assert_array_equal(model.fit(X, y, groups=given).pls_.inner_rmse_, expected)
    by_rows = model.pls_.inner_rmse_
    np.testing.assert_array_equal(model.fit(X, y, groups=np.zeros(60)).pls_.inner_rmse_, by_rows)
    # Rows of a group are nearly the same, so that by rows the unpredictable is predicted.
    assert by_rows.min() < 0.3 * model.fit(X, y, groups=groups).pls_.inner_rmse_.min()
