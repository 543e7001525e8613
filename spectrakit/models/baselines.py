"""Baselines: partial least squares, support vector regression, random forest, small networks, the mean."""

import warnings
from contextlib import ExitStack

import numpy as np
import optuna
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import root_mean_squared_error
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.contents import content_deviation, log_offset, offset_exp, offset_log
from spectrakit.preprocess import derivative_spectra

N_FOLDS = 5  # of the inner cross-validations
MAX_COMPONENTS = 30  # of partial least squares of contents


class FixedIterationsMLP(MLPRegressor):
    """A multilayer perceptron with a published number of iterations, after which it need not have converged."""

    def fit(self, X, y):
        """Fit as MLPRegressor does, without its warning that `max_iter` was reached."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y)


def _fitted_pls(n_components, X, y):
    """Partial least squares of spectra that are centred, not scaled, as is usual for them."""
    with warnings.catch_warnings():
        # It warns where the components have explained all of y; further ones then add nothing, which is no error.
        warnings.filterwarnings("ignore", "y residual is constant", UserWarning)
        return PLSRegression(n_components, scale=False).fit(X, y)


def _stages(model, mean, X):
    """Predictions (n_components, n) with the first component, the first two and so on; mean : of y in the fit.

    Components come one after the other: the first k of many are those of k.
    """
    return mean + np.cumsum(model.transform(X) * model.y_loadings_, axis=1).T


class StagedPLS(RegressorMixin, BaseEstimator):
    """Partial least squares that predicts with 1, 2 ... components at once, so that a protocol may choose among them.

    X (n, n_channels) is centred, not scaled.
    n_components : maximum; fewer where rows or channels are fewer. After fit: `model_`.
    """

    def __init__(self, n_components=20):
        self.n_components = n_components

    def fit(self, X, y):
        """Fit to X (n, n_channels), y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=3)
        self.mean_ = float(np.mean(y))
        self.model_ = _fitted_pls(min(self.n_components, len(y) - 1, X.shape[1]), X, y)
        return self

    def staged_predict(self, X):
        """Predictions (n_components, n) with the first component, the first two and so on, in the unit of y."""
        check_is_fitted(self)
        return _stages(self.model_, self.mean_, validate_data(self, X, reset=False))

    def predict(self, X):
        """Predictions (n,) with all components."""
        return self.staged_predict(X)[-1]


class CrossValidatedPLS(RegressorMixin, BaseEstimator):
    """Partial least squares, its number of components chosen by cross-validation inside the training rows.

    X (n, n_channels) is centred, not scaled, as is usual for spectra. The number is the one of least squared error,
    at most `max_components` and at most what an inner training part allows. The candidates share one fit a fold.
    After fit: `n_components_`, `model_`, `inner_rmse_` (candidates,) in the unit of y. Raises ValueError below 3 rows.
    Source: gejiu paper, section 2.2.4, with 50 for `max_components`.
    """

    def __init__(self, max_components=8, random_state=None):
        self.max_components = max_components
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        """Choose the number of components, then fit on all rows of X (n, n_channels), y (n,).

        groups : (n,) labels, such as sites, whose rows stay on one side of the cross-validation; None for none
        """
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=3)
        n_units = len(y) if groups is None else len(np.unique(groups))
        folding = KFold if groups is None else GroupKFold
        folds = folding(min(N_FOLDS, n_units), shuffle=True, random_state=self.random_state)
        folds = list(folds.split(X, groups=groups))
        n_components = min(self.max_components, X.shape[1], *(len(training) - 1 for training, _ in folds))
        errors = np.empty((n_components, len(y)))
        for training, left_out in folds:
            model = _fitted_pls(n_components, X[training], y[training])
            errors[:, left_out] = _stages(model, y[training].mean(), X[left_out]) - y[left_out]
        self.inner_rmse_ = np.sqrt(np.mean(np.square(errors), axis=1))
        self.n_components_ = int(np.argmin(self.inner_rmse_)) + 1
        self.model_ = _fitted_pls(self.n_components_, X, y)
        return self

    def predict(self, X):
        """Contents (n,), in the unit of y."""
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, reset=False)).ravel()


class LogPLS(RegressorMixin, BaseEstimator):
    """Partial least squares of ln(content + a tenth of the median content), or of the content where it may be below 0.

    limits : lowest and highest possible content; predictions are clipped to them
    random_state : as of CrossValidatedPLS. After fit: `pls_`, `log_offset_`.
    """

    def __init__(self, limits=(0.0, np.inf), random_state=None):
        self.limits = limits
        self.random_state = random_state

    def fit(self, X, y, groups=None):
        """Fit to X (n, n_channels) and contents y (n,).

        groups : as of `CrossValidatedPLS`; a single group counts as none
        """
        self.log_offset_ = log_offset(y, self.limits)
        scaled = offset_log(y, self.log_offset_)
        groups = None if groups is None or len(np.unique(groups)) < 2 else groups
        self.pls_ = CrossValidatedPLS(MAX_COMPONENTS, random_state=self.random_state).fit(X, scaled, groups)
        return self

    def predict(self, X, return_std=False):
        """Contents (n,), inside the limits; return_std : also the standard deviation of their errors (n,).

        It is that of the inner cross-validation on the logarithmic scale, converted to contents.
        """
        contents = offset_exp(self.pls_.predict(X), self.log_offset_, self.limits)
        if not return_std:
            return contents
        deviation = self.pls_.inner_rmse_[self.pls_.n_components_ - 1]
        return contents, content_deviation(deviation, contents, self.log_offset_)


class BayesianSVM(RegressorMixin, BaseEstimator):
    """Support vector regression with an RBF kernel, tuned by Bayesian optimisation inside the training rows.

    Tuned are C (0.01-10,000) and epsilon (0.001-1), both in standard deviations of y, and gamma, 0.001-10 times
    scikit-learn's 'scale'; all on logarithmic scales, by the RMSE of cross-validation, in `n_trials` trials of the
    tree-structured Parzen estimator. The study left gamma at 'scale', with which measured soils are predicted worse.
    random_state : int or None, of folds and trials.
    After fit: `best_params_` (C, epsilon, gamma as SVR takes them), `model_`, `inner_rmse_` (n_trials,) in the unit
    of y. Raises ValueError below 3 rows.
    Source: gejiu paper, section 2.2.4.
    """

    def __init__(self, n_trials=40, random_state=None):
        self.n_trials = n_trials
        self.random_state = random_state

    def fit(self, X, y):
        """Tune, then fit on all rows of X (n, n_channels), y (n,)."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=3)
        folds = list(KFold(min(N_FOLDS, len(y)), shuffle=True, random_state=self.random_state).split(X))
        self.mean_, self.scale_ = float(np.mean(y)), float(np.std(y)) or 1.0
        scaled = (y - self.mean_) / self.scale_
        # The kernels of all trials have the same distances.
        distances = euclidean_distances(X, squared=True)
        usual_gamma = 1 / (X.shape[1] * (float(X.var()) or 1.0))

        def inner_rmse(trial):
            gamma = usual_gamma * trial.suggest_float("gamma", 1e-3, 10, log=True)
            C = trial.suggest_float("C", 1e-2, 1e4, log=True)
            model = SVR(kernel="precomputed", C=C, epsilon=trial.suggest_float("epsilon", 1e-3, 1, log=True))
            predicted = cross_val_predict(model, np.exp(-gamma * distances), scaled, cv=folds)
            return root_mean_squared_error(scaled, predicted)

        with ExitStack() as stack:
            # Optuna would print every trial on stderr; the caller's level comes back afterwards.
            stack.callback(optuna.logging.set_verbosity, optuna.logging.get_verbosity())
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.random_state))
            study.optimize(inner_rmse, n_trials=self.n_trials)
        self.inner_rmse_ = self.scale_ * np.array([trial.value for trial in study.trials])
        self.best_params_ = study.best_params | {"gamma": usual_gamma * study.best_params["gamma"]}
        self.model_ = SVR(**self.best_params_).fit(X, scaled)
        return self

    def predict(self, X):
        """Contents (n,), in the unit of y."""
        check_is_fitted(self)
        return self.mean_ + self.scale_ * self.model_.predict(validate_data(self, X, dtype=np.float64, reset=False))


def on_reflectance(model):
    """A regressor of reflectance X (n, n_channels) that fits `model` to `preprocess.derivative_spectra`."""
    return make_pipeline(FunctionTransformer(derivative_spectra), model)


def transfer_baselines():
    """Baselines of a pretrained network: name to a function of random_state, for reflectance at 1 nm.

    Source: gejiu paper, section 2.2.4; the mean predictor is ours.
    """
    return {
        "mean": lambda random_state=None: DummyRegressor(strategy="mean"),
        "pls": lambda random_state=None: on_reflectance(CrossValidatedPLS(50, random_state=random_state)),
        "svm": lambda random_state=None: on_reflectance(BayesianSVM(random_state=random_state)),
    }


def content_baselines(random_state=None):
    """Partial least squares on the natural and on the logarithmic scale: name to unfitted estimator of (X, y, groups).

    At most 30 components, by cross-validation that keeps groups whole. Before the logarithm contents are raised to at
    least 0.05 g/kg, half of the unit in which laboratories report carbon. Predictions have no limits, and those of
    the second are medians, not means.
    """
    pls = CrossValidatedPLS(MAX_COMPONENTS, random_state=random_state)
    scale = FunctionTransformer(_logarithm, np.exp, check_inverse=False)
    return {"pls": pls, "pls log": TransformedTargetRegressor(clone(pls), transformer=scale)}


def _logarithm(contents):
    return np.log(np.maximum(contents, 0.05))


def random_forest(random_state=None):
    """300 trees, at least 3 samples a leaf. Source: libs paper, 'Comparison with other model results'."""
    return RandomForestRegressor(n_estimators=300, min_samples_leaf=3, random_state=random_state)


def back_propagation_network(random_state=None):
    """One hidden layer of 4 units, learning rate 0.01, 500 iterations; inputs and target scaled on the training rows.

    The paper names neither activation nor solver: tanh units, gradient descent with momentum and no weight decay are
    what 'back-propagation network' usually means. Source: as for the random forest.
    """
    network = FixedIterationsMLP(
        hidden_layer_sizes=(4,),
        activation="tanh",
        solver="sgd",
        alpha=0.0,
        learning_rate_init=0.01,
        max_iter=500,
        tol=0.0,
        n_iter_no_change=500,
        random_state=random_state,
    )
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())


def libs_baselines(random_state=None):
    """The study's two baselines, the chemometric standard and the mean predictor: name to unfitted estimator."""
    return {
        "RF": random_forest(random_state),
        "BPNN": back_propagation_network(random_state),
        "PLS": CrossValidatedPLS(random_state=random_state),
        "mean": DummyRegressor(strategy="mean"),
    }
