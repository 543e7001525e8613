"""Pretreatment of spectra, and scaling that is learned from training spectra."""

import numpy as np
from chemotools.derivative import SavitzkyGolay
from chemotools.scatter import StandardNormalVariate
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.spectra import one_of

# One over the standard deviation of the derivative spectra of soils, about, and rows turned into them at once.
_DERIVATIVE_SCALE = 150.0
_BLOCK = 2048


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


def derivative_spectra(reflectance):
    """The usual pretreatment of soil spectra: absorbance, standard normal variate, first derivative a channel.

    reflectance : (n, n_channels), each > 0, channels 1 nm apart; n_channels of 31 and more
    The derivative is that of Savitzky and Golay, second order over 31 channels: of six pretreatments the best for both
    PLS and SVM on splits inside the training sides of measured sets, where a choice anew for each training side did no
    better. Nothing is fitted, so cross-validation behind it leaks nothing. Returns float64 of the same shape.
    Raises ValueError for reflectance of 0, and for fewer channels.
    """
    absorbance = StandardNormalVariate().fit_transform(-np.log10(reflectance))
    return SavitzkyGolay(window_length=31, polyorder=2, deriv=1, mode="interp").fit_transform(absorbance)


def network_input(reflectance, transform):
    """What the 1D-ResNet sees of reflectance (n, n_channels), each > 0: float32 of the same shape. Nothing is fitted.

    transform : 'log', the natural logarithm as in the gejiu paper (section 2.2.1), or 'derivative', the
        `derivative_spectra`, brought to a standard deviation of about 1, which take out how bright and how contrasted
        a sample is. Raises ValueError for another name.
    """
    one_of("transform", transform, ("log", "derivative"))
    if transform == "log":
        return np.log(np.asarray(reflectance, float)).astype(np.float32)
    blocks = np.array_split(np.asarray(reflectance, float), max(1, len(reflectance) // _BLOCK))
    return np.concatenate([(_DERIVATIVE_SCALE * derivative_spectra(block)).astype(np.float32) for block in blocks])


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
