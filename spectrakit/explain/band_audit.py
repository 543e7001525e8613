"""Can a peak of SHAP values be named to the nanometre, was it learned, do networks agree on it, and is a band there?

A network that averages windows of channels before anything else has the same gradient for every channel of a window.
Inside it, SHAP values differ only by how far each channel lies from the background. Spectra are smooth, so over ten
nanometres that distance is nearly a straight line, its absolute value is convex, and so is the mean over soils; and a
convex function is highest at an end. Peaks named to the channel then fall on the first or last channel of a window.

Profiles of rounds are compared by `pairwise_agreement`; those by window are as fine as the network can tell.
"""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest, rankdata

from spectrakit.explain.attributions import OneOutput, mean_absolute, shap_values
from spectrakit.explain.audit import line_mass, randomise_weights, rank_correlation
from spectrakit.simulate.soils import band_table

PARTS = {"dense layers": ("head",), "convolutions": ("features",), "all": ("features", "head")}


def input_gradient(network, X, output=0):
    """Gradient of one output by every channel, (n, n_channels), of spectra X (n, n_channels)."""
    X = torch.as_tensor(np.asarray(X), dtype=torch.float32).requires_grad_()
    return torch.autograd.grad(OneOutput(network, output)(X).sum(), X)[0].numpy()


def input_spread(background, explained):
    """Mean distance (n_channels,) of explained from background spectra over all pairs, channel by channel.

    A SHAP value is a gradient times such a distance: this is what its profile owes to the spectra alone.
    """
    background = np.asarray(background)
    return np.mean([np.abs(row - background).mean(axis=0) for row in np.asarray(explained)], axis=0)


def straight_share(attributions, pool):
    """Share of the variation of attributions inside windows that a straight line over each window takes up.

    attributions : (n, n_channels). Returns a value from 0 to 1; at 1 no window is highest inside.
    """
    windows = np.asarray(attributions, dtype=float).reshape(len(attributions), -1, pool)
    windows = windows - windows.mean(axis=-1, keepdims=True)
    line = np.arange(pool) - (pool - 1) / 2
    return np.sum((windows @ line) ** 2) / (line @ line) / np.sum(windows**2)


def place_in_window(peaks_nm, wavelength, pool):
    """Place of each peak in its pooling window, 0 to pool - 1: peaks_nm are wavelengths of `wavelength` (n_channels,).

    Raises ValueError for a peak that is no channel.
    """
    channels = pd.Index(wavelength).get_indexer(peaks_nm)
    if (channels < 0).any():
        raise ValueError(f"{np.asarray(peaks_nm)[channels < 0][0]:g} nm is no channel of the axis")
    return channels % pool


def highest_place(profile, pool):
    """Place, 0 to pool - 1, of the highest channel in each window of a profile (n_channels,)."""
    return np.reshape(profile, (-1, pool)).argmax(axis=1)


class EdgeCount(NamedTuple):
    """Peaks on the first or last channel of a pooling window, and whether chance has as many.

    share : of `n_peaks`; by_chance : 2 / pool; p_value : binomial, of at least `n_edge`
    """

    n_edge: int
    n_peaks: int
    share: float
    by_chance: float
    p_value: float


def edge_count(places, pool):
    """How many of the places in windows, 0 to pool - 1, are the first or last; EdgeCount."""
    places = np.asarray(places)
    n_edge, chance = int(np.isin(places, (0, pool - 1)).sum()), 2 / pool
    test = binomtest(n_edge, len(places), chance, alternative="greater")
    return EdgeCount(n_edge, len(places), n_edge / len(places), chance, test.pvalue)


def pairwise_agreement(profiles):
    """Rank correlation of the profiles of every two networks, and whether profiles out of place do as well.

    For chance, one profile is shifted around the axis by every number of channels, which keeps its smoothness.
    profiles : (n_networks, n_channels)
    Returns a DataFrame, one row a pair: first, second, spearman, p_value (at least 1 / n_channels).
    """
    profiles = np.asarray(profiles, dtype=float)
    ranks = rankdata(profiles, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    waves = np.fft.rfft(ranks / np.linalg.norm(ranks, axis=1, keepdims=True))
    rows = []
    for first, second in zip(*np.triu_indices(len(profiles), k=1), strict=True):
        shifted = np.fft.irfft(waves[first] * waves[second].conj(), profiles.shape[1])
        p_value = np.mean(shifted >= shifted[0] - 1e-12)
        rows.append({"first": first, "second": second, "spearman": shifted[0], "p_value": p_value})
    return pd.DataFrame(rows)


def randomised_part(network, part, random_state=0):
    """Copy of a 1D-ResNet with the weights of a part drawn anew, batch normalisation as before training.

    network : models.resnet.SpectralResNet; part : a key of PARTS
    The copy has no ReLU at its output: where it drew a negative output for every soil nothing could be explained.
    """
    copy, anew = deepcopy(network), randomise_weights(network, random_state)
    for name in PARTS[part]:
        setattr(copy, name, getattr(anew, name))
    if network.config.relu_output:
        copy.head = copy.head[:-1]
    return copy


def randomisation_test(
    network, background, explained, attributions, parts=tuple(PARTS), n_randomisations=5, progress=None, **choices
):
    """Does the profile of SHAP values change when what was learned is erased?

    network, background, explained, choices : as for `shap_values`, `random_state` also for the weights
    attributions : what `shap_values` gave for the trained network; parts : keys of PARTS
    progress : called with the number of randomised networks done and of all
    Returns a DataFrame, one row a part and randomisation: part, randomisation, and the rank correlation with the
    trained network's mean absolute values by channel (`by_channel`) and by pooling window (`by_window`). Profiles
    that show what was learned give values near 0; what they owe to the spread of the spectra stays.
    Source: Adebayo et al. 2018.
    """
    pools = {"by_channel": 1, "by_window": network.config.pool}
    trained = {name: mean_absolute(attributions, pool) for name, pool in pools.items()}
    rows = []
    for part in parts:
        for randomisation in range(n_randomisations):
            copy = randomised_part(network, part, choices.get("random_state", 0) + randomisation)
            values = shap_values(copy, background, explained, **choices)
            row = {name: rank_correlation(mean_absolute(values, pool), trained[name]) for name, pool in pools.items()}
            rows.append({"part": part, "randomisation": randomisation, **row})
            if progress is not None:
                progress(len(rows), len(parts) * n_randomisations)
    return pd.DataFrame(rows)


def known_bands(constituents=None):
    """Bands of the band table that have a centre in the spectrum: no charge-transfer edges, no wings from beyond.

    constituents : names, None for all. Returns the rows of `simulate.reflectance.band_table`.
    Raises ValueError for a name that the table does not have.
    """
    bands = band_table()
    bands = bands[(bands["kind"] != "edge") & ~bands["assignment"].str.startswith("wing")]
    if constituents is None:
        return bands
    unknown = set(constituents) - set(bands["constituent"])
    if unknown:
        raise ValueError(
            f"no bands of {', '.join(sorted(unknown))}; there are {', '.join(bands['constituent'].unique())}"
        )
    return bands[bands["constituent"].isin(constituents)]


def band_mass(profile, wavelength, bands, half_width_nm=None):
    """Share of a profile's mass near known bands, and whether the bands shifted around the axis do as well.

    profile : (n_channels,), >= 0: mean absolute SHAP values, or 1 at each named peak and 0 elsewhere
    wavelength : (n_channels,) nm, evenly spaced; bands : rows of `known_bands`
    half_width_nm : how near counts, on either side of a centre; None for half of each band's own full width
    Returns audit.LineMass. Wide bands cover much of the axis: `expected`, the share of channels that are near one,
    belongs beside every share. Raises ValueError for a profile of zeros or where no band is near a channel.
    """
    centres = bands["centre_nm"].to_numpy(float)
    half_widths = bands["width_nm"].to_numpy(float) / 2 if half_width_nm is None else half_width_nm
    return line_mass(profile, wavelength, centres, resolving_power=centres / half_widths)
