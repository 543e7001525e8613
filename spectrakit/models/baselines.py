"""What do simpler models make of the same spectra?"""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data


class FixedIterationsMLP(MLPRegressor):
    """A multilayer perceptron for a published number of iterations, whose end is no failure to converge."""

    def fit(self, X, y):
        """Fit as MLPRegressor does, without its warning that `max_iter` was reached."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y)


class CrossValidatedPLS(RegressorMixin, BaseEstimator):
    """Partial least squares, its number of components chosen by cross-validation inside the training rows.

    X (n, n_channels) is centred, not scaled, as is usual for spectra. The number is the one of least squared error,
    at most `max_components` and at most what an inner training part can carry; three rows are the fewest.
    After fit: `n_components_`, `model_`, `inner_rmse_` (candidates,) in the unit of y. Raises ValueError below 3 rows.
    """

    def __init__(self, max_components=8, n_splits=5, random_state=None):
        self.max_components = max_components
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(self, X, y):
        """Choose the number of components, then fit on all rows of X (n, n_channels), y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=3)
        folds = KFold(min(self.n_splits, len(y)), shuffle=True, random_state=self.random_state)
        fewest_rows = min(len(training) for training, _ in folds.split(X))
        most = min(self.max_components, fewest_rows - 1, X.shape[1])
        splits = list(folds.split(X))  # the same folds for every candidate, also without a random_state
        errors = [
            y - cross_val_predict(PLSRegression(k, scale=False), X, y, cv=splits).ravel() for k in range(1, most + 1)
        ]
        self.inner_rmse_ = np.sqrt(np.mean(np.square(errors), axis=1))
        self.n_components_ = int(np.argmin(self.inner_rmse_)) + 1
        self.model_ = PLSRegression(self.n_components_, scale=False).fit(X, y)
        return self

    def predict(self, X):
        """Contents (n,), in the unit of y."""
        check_is_fitted(self)
        return self.model_.predict(validate_data(self, X, reset=False)).ravel()


def random_forest(random_state=None):
    """300 trees, at least 3 samples a leaf. Source: libs paper, 'Comparison with other model results'."""
    return RandomForestRegressor(n_estimators=300, min_samples_leaf=3, random_state=random_state)


def back_propagation_network(random_state=None):
    """One hidden layer of 4 units, learning rate 0.01, 500 iterations; inputs and target scaled on the training rows.

    The paper names neither activation nor solver: tanh units and gradient descent with momentum stand for what its
    name, back-propagation network, usually means; there is no weight decay. Source: as for the random forest.
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


def baselines(random_state=None):
    """The study's two baselines, the chemometric standard and the mean predictor: name to unfitted estimator."""
    return {
        "RF": random_forest(random_state),
        "BPNN": back_propagation_network(random_state),
        "PLS": CrossValidatedPLS(random_state=random_state),
        "mean": DummyRegressor(strategy="mean"),
    }
