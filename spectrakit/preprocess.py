"""What is done to spectra before a model sees them, and what of it is learned from the training side?"""

import numpy as np
from chemotools.scatter import StandardNormalVariate
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.spectra import one_of


def normalise_area(X):
    """Each spectrum over its mean, so that all have the same area: (n, n_channels), mean 1.

    Takes out what all channels share, such as the energy of a laser pulse. Nothing is fitted.
    Raises ValueError for a spectrum whose mean is not positive.
    """
    X = np.asarray(X, float)
    return X / _positive(X.mean(1, keepdims=True), "mean")


def normalise_maximum(X):
    """Each spectrum over its highest channel: (n, n_channels), maximum 1. Nothing is fitted.

    Raises ValueError for a spectrum whose maximum is not positive.
    """
    X = np.asarray(X, float)
    return X / _positive(X.max(1, keepdims=True), "maximum")


def network_input(reflectance, transform):
    """What the 1D-ResNet sees of reflectance (n, n_channels), each > 0: float32 of the same shape. Nothing is fitted.

    transform : 'log', the natural logarithm as in the gejiu paper (section 2.2.1), or 'snv', the standard normal
        variate of it, which takes out how bright and how contrasted a sample is. Raises ValueError for another name.
    """
    one_of("transform", transform, ("log", "snv"))
    logarithm = np.log(np.asarray(reflectance, float))
    if transform == "snv":
        logarithm = StandardNormalVariate().fit_transform(logarithm)
    return logarithm.astype(np.float32)


def _positive(divisor, name):
    if np.any(divisor <= 0):
        raise ValueError(f"spectrum {int(np.argmin(divisor))} cannot be normalised: its {name} is {divisor.min():.3g}")
    return divisor


class SpectrumScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Subtract the mean training spectrum and divide by one standard deviation for all channels.

    One standard deviation, not one a channel: channels that vary little stay small, so noise is not blown up.
    After fit: `mean_` (n_channels,) and `scale_`, a float, in the unit of X.
    """

    def fit(self, X, y=None):
        """Learn from training spectra X (n, n_channels)."""
        X = validate_data(self, X, dtype=float)
        self.mean_ = X.mean(0)
        # Identical spectra have no deviation: they are centred and left at that.
        self.scale_ = float(np.sqrt(np.mean((X - self.mean_) ** 2))) or 1.0
        return self

    def transform(self, X):
        """Scaled spectra, (n, n_channels)."""
        check_is_fitted(self)
        return (validate_data(self, X, dtype=float, reset=False) - self.mean_) / self.scale_
