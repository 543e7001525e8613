"""Regression on the features of a network that was pretrained on simulated laboratories."""

from functools import cache

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.contents import content_deviation, log_offset, offset_exp, offset_log
from spectrakit.models import load_network, network_features
from spectrakit.resources import data_path
from spectrakit.training.library_features import library_input

N_PARTS = 5


@cache
def library_network():
    """The network of data/models/resnet_library.safetensors, and what its file says of it."""
    return load_network(data_path("models", "resnet_library.safetensors"))


class PretrainedRegressor(RegressorMixin, BaseEstimator):
    """Ridge regression on features of mid-infrared spectra, by convolutions pretrained on simulated laboratories.

    limits : lowest and highest possible content; contents are transformed as by `LogPLS`
    axis : (n_channels,) 1/cm of the spectra, ascending, of which 600 to 4000 is used
    differentiated : whether the spectra are first derivatives, and not absorbance, harmonised or not
    The penalty is that of the pretraining, relative to features of unit length.
    After fit: `model_`; `log_offset_`; `inner_rmse_`, on the scale of the fit, of each fifth of the groups by a model
    without it, NaN where `fit` was given no groups or one.
    """

    def __init__(self, limits=(-np.inf, np.inf), axis=None, differentiated=False):
        self.limits = limits
        self.axis = axis
        self.differentiated = differentiated

    def fit(self, X, y, groups=None):
        """Fit to spectra X (n, n_channels) and contents y (n,); groups : (n,) labels, such as sites, not divided.

        Raises ValueError as `library_derivative`, for an axis that the network does not know.
        """
        X, y = validate_data(self, X, y, y_numeric=True, ensure_min_samples=3)
        self.log_offset_ = log_offset(y, self.limits)
        scaled = offset_log(y, self.log_offset_)
        features = self._features(X)
        ridge = FeatureRidge(library_network()[1]["penalty"])
        self.inner_rmse_ = np.nan
        if groups is not None and len(np.unique(groups)) > 1:
            folds = GroupKFold(min(N_PARTS, len(np.unique(groups))))
            unseen = cross_val_predict(ridge, features, scaled, groups=groups, cv=folds)
            self.inner_rmse_ = float(np.sqrt(np.mean((unseen - scaled) ** 2)))
        self.model_ = ridge.fit(features, scaled)
        return self

    def predict(self, X, return_std=False):
        """Contents (n,), inside the limits; return_std : also the standard deviation of their errors (n,).

        That is `inner_rmse_`, taken back to contents.
        """
        check_is_fitted(self)
        scaled = self.model_.predict(self._features(validate_data(self, X, reset=False)))
        contents = offset_exp(scaled, self.log_offset_, self.limits)
        return (contents, content_deviation(self.inner_rmse_, contents, self.log_offset_)) if return_std else contents

    @staticmethod
    def unseen_factor(n_laboratories):
        """What 90 % intervals must be multiplied by, for a laboratory never seen, where so many have trained.

        Measured on simulated laboratories (data/models/README.md) that calibrated as those of `spectrakit harmonise`
        do; between the numbers measured, and beyond, in a straight line and as at the end.
        """
        unseen = library_network()[1]["unseen"]
        return float(np.interp(n_laboratories, unseen["laboratories"], unseen["factor"]))

    def _features(self, X):
        network, _ = library_network()
        return network_features(network, library_input(network, X, self.axis, self.differentiated)).astype(float)


class FeatureRidge(RegressorMixin, BaseEstimator):
    """Ridge regression on features that are centred and brought to a mean square length of 1, as in pretraining.

    penalty : relative to that length. After fit: `mean_` (n_features,), `length_`, `ridge_`.
    """

    def __init__(self, penalty=0.3):
        self.penalty = penalty

    def fit(self, X, y):
        """Fit to features X (n, n_features) and y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True, dtype=float)
        self.mean_ = X.mean(0)
        self.length_ = float(np.sqrt(((X - self.mean_) ** 2).sum(1).mean())) or 1.0
        self.ridge_ = Ridge(self.penalty, solver="cholesky").fit((X - self.mean_) / self.length_, y)
        return self

    def predict(self, X):
        """Predictions (n,), in the unit of y."""
        check_is_fitted(self)
        return self.ridge_.predict((validate_data(self, X, reset=False, dtype=float) - self.mean_) / self.length_)


def with_axis(model, axis, harmonisation):
    """A model with the axis (1/cm) of its spectra and whether they are derivatives set, where it has these parameters.

    harmonisation : what was done to the spectra, a name of `HARMONISATIONS`
    """
    if "axis" in model.get_params(deep=False):
        model.set_params(axis=axis, differentiated="derivative" in harmonisation)
    return model
