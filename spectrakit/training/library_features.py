"""The input of the network that is pretrained on simulated laboratories: averaged derivatives of spectra."""

import numpy as np
from scipy import sparse

from spectrakit.spectra import covered_channels, library_axis

POOLED = 5  # channels of the library's axis in an average
MIN_AVERAGES = 80  # pretraining has few tables with fewer


def library_bins():
    """Centres (340,), 1/cm, of the averages that are the input of the network: 604, 614 ... 3994."""
    return library_axis().reshape(-1, POOLED).mean(axis=1)


def library_derivative(X, axis, differentiated=False):
    """First derivative of spectra, averaged over 10 1/cm: float32 (n, 340), NaN where the axis does not reach.

    X : (n, n_channels) absorbance, also harmonised; axis : (n_channels,) 1/cm, ascending
    differentiated : whether X is a derivative already
    Channels are interpolated to every 2 1/cm, not across the gaps of `axis_gaps`. Raises ValueError where X and axis
    do not fit, and for an axis that covers fewer than 80 averages.
    """
    X, axis = np.asarray(X, float), np.asarray(axis, float)
    if X.shape[1] != len(axis):
        raise ValueError(f"spectra of {X.shape[1]} channels on an axis of {len(axis)}: give the axis of the spectra")
    weights, covered = _bin_weights(axis)
    averages = np.where(covered, X @ weights, np.nan)
    if not differentiated:
        slope = np.full(averages.shape, np.nan)
        slope[:, 1:-1] = averages[:, 2:] - averages[:, :-2]
        averages = slope
    if covered.sum() < MIN_AVERAGES:
        raise ValueError(
            f"of the network's {len(covered)} averages over {POOLED * 2} 1/cm, the axis of {axis[0]:g} to {axis[-1]:g} "
            f"covers {covered.sum()}: {MIN_AVERAGES} are needed"
        )
    return averages.astype(np.float32)


def covers_enough(axis):
    """Whether an axis (1/cm, ascending) covers enough averages for the network."""
    return len(axis) > 1 and bool(_bin_weights(axis)[1].sum() >= MIN_AVERAGES)


def _bin_weights(axis):
    """Sparse matrix (n_channels, 340) that interpolates and averages, for an axis; mask (340,) of what it covers."""
    fine = library_axis()
    right = np.clip(np.searchsorted(axis, fine), 1, len(axis) - 1)
    share = (fine - axis[right - 1]) / (axis[right] - axis[right - 1])
    rows, values = np.concatenate([right - 1, right]), np.concatenate([1 - share, share]) / POOLED
    columns = np.tile(np.arange(len(fine)) // POOLED, 2)
    weights = sparse.csc_array((values, (rows, columns)), shape=(len(axis), len(fine) // POOLED))
    return weights, covered_channels(fine, axis).reshape(-1, POOLED).all(axis=1)


def standardised(derivative):
    """Each row of derivatives (n, 340) less its mean, over its standard deviation, NaN left out of both.

    An offset, a slope and a gain of absorbance drop out.
    """
    centred = derivative - np.nanmean(derivative, axis=1, keepdims=True)
    return centred / np.maximum(np.sqrt(np.nanmean(centred**2, axis=1, keepdims=True)), 1e-12)


def library_input(network, X, axis, differentiated=False):
    """Input of the network for spectra as `library_derivative` takes them: float32 (n, 340)."""
    return derivative_input(network, library_derivative(X, axis, differentiated))


def derivative_input(network, derivative):
    """Input of the network for derivatives (n, 340): `standardised`, and the mean of pretraining where NaN."""
    result = standardised(derivative)
    return np.where(np.isnan(result), network.input_mean.numpy(), result).astype(np.float32)
