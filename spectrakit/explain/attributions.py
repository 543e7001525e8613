"""SHAP values of spectra: expected gradients, their profile over wavelength, and its peaks."""

from copy import deepcopy

import numpy as np
import pandas as pd
import torch
from scipy.signal import find_peaks

ROWS_PER_BATCH = 50
SEPARATION_NM = 20  # no two wavelengths that the gejiu paper names for one model (figure 7) are closer than 29 nm


def frozen_copy(network):
    """A copy of a network in evaluation mode, whose weights need no gradient."""
    return deepcopy(network).eval().requires_grad_(False)


def shap_values(network, background, explained, n_samples=200, random_state=0, progress=None):
    """SHAP values of every channel of every explained spectrum, by expected gradients.

    Each is the mean, over `n_samples` random points between the spectrum and random background spectra, of the
    gradient at that point times the spectrum's distance from the background. One explained spectrum costs `n_samples`
    passes there and back through the network, however many background spectra there are.

    network : torch.nn.Module of spectra (n, n_channels), giving (n, 1); left as it is
    background : (n_background, n_channels), what a prediction is compared with, as the network takes it
    explained : (n_explained, n_channels)
    n_samples : random points a spectrum; with more of them `additivity_gap` gets smaller
    progress : called with the number of spectra done and of all, after every 50
    Returns float64 (n_explained, n_channels), in the unit of the output. The same `random_state`, an integer, gives
    the same values; numpy's global random state is restored.
    Raises ValueError for shapes that do not fit, and for values that are not finite.
    Source: gejiu paper, section 2.2.3; Erion et al. 2021 for expected gradients; GradientExplainer of shap.
    """
    import shap  # here, because it takes a second to import

    background, explained = _spectra(background, explained)
    explainer = shap.GradientExplainer(frozen_copy(network), background, batch_size=ROWS_PER_BATCH)
    parts = []
    state = np.random.get_state()  # the explainer draws from numpy's global generator
    try:
        for batch, rows in enumerate(explained.split(ROWS_PER_BATCH)):
            seed = int(np.random.SeedSequence((random_state, batch)).generate_state(1)[0])
            parts.append(explainer.shap_values(rows, nsamples=n_samples, rseed=seed)[..., 0])
            if progress is not None:
                progress(sum(map(len, parts)), len(explained))
    finally:
        np.random.set_state(state)
    return np.concatenate(parts)


def _spectra(*spectra):
    """Float tensors of spectra (n, n_channels) of one width."""
    tensors = [torch.as_tensor(np.asarray(X), dtype=torch.float32) for X in spectra]
    shapes = [tuple(X.shape) for X in tensors]
    if any(X.ndim != 2 or not len(X) or X.shape[1] != tensors[0].shape[1] for X in tensors):
        raise ValueError(f"spectra are (n, n_channels), of the same channels, not {' and '.join(map(str, shapes))}")
    if not all(torch.isfinite(X).all() for X in tensors):
        raise ValueError("spectra must be finite: a value is missing, or the logarithm of 0 was taken")
    return tensors


def additivity_gap(network, background, explained, attributions):
    """By how much attributions miss what they should add up to: the prediction less the mean over the background.

    network, background, explained : as for `shap_values`; attributions : its result
    Returns the root mean square of the miss over that of what is to be explained; 0 where every sum is exact. With
    random points it falls as 1 / sqrt(n_samples).
    """
    frozen = frozen_copy(network)
    expected, predictions = (
        torch.cat([frozen(rows)[:, 0].double() for rows in X.split(ROWS_PER_BATCH)]).numpy()
        for X in _spectra(background, explained)
    )
    difference = predictions - expected.mean()
    return np.sqrt(np.mean((attributions.sum(axis=1) - difference) ** 2) / np.mean(difference**2))


def mean_absolute(attributions, pool=1):
    """Mean absolute SHAP value of every channel, or of every window of `pool` neighbouring channels.

    The attribution of a window is the sum of its channels', and that of the average that the network computes.
    attributions : (n, n_channels). Returns (n_channels / pool,). Raises ValueError where `pool` does not divide.

    >>> print(mean_absolute(np.array([[1.0, -1.0, 0.5, 0.5]]), pool=2))
    [0. 1.]
    """
    return np.abs(_in_windows(attributions, pool).sum(axis=-1)).mean(axis=0)


def window_centres(wavelength, pool):
    """Mean wavelength (n_channels / pool,) of every window of `pool` neighbouring channels."""
    return _in_windows(wavelength, pool).mean(axis=-1)


def _in_windows(values, pool):
    """Values (..., n_channels) as (..., n_windows, pool)."""
    values = np.asarray(values, dtype=float)
    if values.shape[-1] % pool:
        raise ValueError(f"{values.shape[-1]} channels are no whole number of windows of {pool}")
    return values.reshape(*values.shape[:-1], -1, pool)


def band_shares(profile, wavelength, bands):
    """Share of a profile's mass in bands of wavelength.

    profile : (n_channels,), >= 0, such as `mean_absolute` gives; wavelength : (n_channels,) nm
    bands : list of (low, high) nm, both ends included
    Returns a DataFrame, one row a band: low_nm, high_nm, share, and n_channels over all channels as `flat_share`,
    what a profile that is the same everywhere would have.
    """
    wavelength, profile = np.asarray(wavelength), np.asarray(profile) / np.sum(profile)
    inside = [(wavelength >= low) & (wavelength <= high) for low, high in bands]
    table = pd.DataFrame(bands, columns=["low_nm", "high_nm"])
    return table.assign(share=[profile[mask].sum() for mask in inside], flat_share=[mask.mean() for mask in inside])


def peaks(profile, wavelength, n_peaks=None):
    """The highest local maxima of a profile, as the gejiu paper names them in section 3.5.

    profile : (n_channels,); wavelength : (n_channels,) nm, evenly spaced; n_peaks : how many at most, None for all
    Returns a DataFrame, highest first: wavelength_nm, height. Of two maxima closer than SEPARATION_NM the higher
    counts. The first and last channel may be peaks.
    """
    wavelength, profile = np.asarray(wavelength, dtype=float), np.asarray(profile, dtype=float)
    distance = max(1, np.ceil(SEPARATION_NM / (wavelength[1] - wavelength[0]) - 1e-9))
    # Padded with -inf, so that the outermost channels can be maxima.
    places = find_peaks(np.pad(profile, 1, constant_values=-np.inf), distance=distance)[0] - 1
    table = pd.DataFrame({"wavelength_nm": wavelength[places], "height": profile[places]})
    return table.sort_values("height", ascending=False, ignore_index=True).head(n_peaks)


def compare_peaks(source, target, tolerance_nm):
    """Which peaks of a target model its source model shares, and how far the nearest one lies.

    source, target : wavelengths of peaks, nm
    Returns a DataFrame in the order of `target`: wavelength_nm, nearest_nm, shift_nm (positive towards longer waves),
    shared (within `tolerance_nm`).
    """
    source, target = np.asarray(source, dtype=float), np.asarray(target, dtype=float)
    nearest = source[np.abs(target[:, None] - source).argmin(axis=1)]
    shift = target - nearest
    return pd.DataFrame(
        {"wavelength_nm": target, "nearest_nm": nearest, "shift_nm": shift, "shared": np.abs(shift) <= tolerance_nm}
    )
