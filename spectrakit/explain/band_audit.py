"""Tests of SHAP profiles: precision of peak positions, dependence on the weights, mass near known bands.

A network that first averages windows of channels has the same gradient for every channel of a window. Inside it, SHAP
values differ only by how far each channel lies from the background. Spectra are smooth, so over ten nanometres that
distance is nearly a straight line, its absolute value is convex, and so is the mean over soils; and a convex function
is highest at an end. Peaks named to the channel then fall on the first or last channel of a window.
"""

from copy import deepcopy
from itertools import product

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest

from spectrakit.explain.attributions import frozen_copy, mean_absolute, shap_values
from spectrakit.explain.audit import line_mass, randomise_weights, rank_correlation
from spectrakit.simulate.soils import band_table

PARTS = {"dense layers": ("head",), "convolutions": ("features",), "all": ("features", "head")}


def input_gradient(network, X):
    """Gradient of a network's output by every channel, (n, n_channels), of spectra X (n, n_channels)."""
    X = torch.as_tensor(np.asarray(X), dtype=torch.float32).requires_grad_()
    return torch.autograd.grad(frozen_copy(network)(X).sum(), X)[0].numpy()


def input_spread(background, explained):
    """Mean distance (n_channels,) of explained from background spectra over all pairs, channel by channel.

    A SHAP value is a gradient times such a distance; this is the part of its profile that comes from the spectra.
    """
    background = np.asarray(background)
    return np.mean([np.abs(row - background).mean(axis=0) for row in np.asarray(explained)], axis=0)


def place_in_window(peaks_nm, wavelength, pool):
    """Place of each peak in its pooling window, 0 to pool - 1; `wavelength` : (n_channels,) nm.

    Raises ValueError for a peak that is no channel.
    """
    channels = pd.Index(wavelength).get_indexer(peaks_nm)
    if (channels < 0).any():
        raise ValueError(f"{np.asarray(peaks_nm)[channels < 0][0]:g} nm is no channel of the axis")
    return channels % pool


def edge_count(places, pool):
    """Whether more of the places in windows, 0 to pool - 1, are the first or last than the share 2 / pool by chance.

    Returns scipy's BinomTestResult: k of n places are at an edge, with `pvalue`.
    """
    n_edge = int(np.isin(places, (0, pool - 1)).sum())
    return binomtest(n_edge, len(places), 2 / pool, alternative="greater")


def randomised_part(network, part, random_state=0):
    """Copy of a 1D-ResNet with the weights of a part drawn anew, batch normalisation as before training.

    network : models.SpectralResNet; part : a key of PARTS
    The copy has no ReLU at its output: with random weights it could be zero for every soil.
    """
    copy, anew = deepcopy(network), randomise_weights(network, random_state)
    for name in PARTS[part]:
        setattr(copy, name, getattr(anew, name))
    if network.config.relu_output:
        copy.head = copy.head[:-1]
    return copy


def randomisation_test(network, background, explained, attributions, n_randomisations=5, **choices):
    """Rank correlation of the profile of SHAP values with those of networks whose weights were drawn anew.

    network, background, explained, choices : as for `shap_values`, `random_state` also for the weights
    attributions : result of `shap_values` for the trained network
    Returns a DataFrame, one row a part and randomisation: part, randomisation, and the rank correlation with the
    trained network's mean absolute values by channel (`by_channel`) and by pooling window (`by_window`). It lies near
    0 where the profile shows what was learned; a profile that comes from the spectra keeps a high correlation.
    Source: Adebayo et al. 2018.
    """
    pools = {"by_channel": 1, "by_window": network.config.pool}
    trained = {name: mean_absolute(attributions, pool) for name, pool in pools.items()}
    rows = []
    for part, randomisation in product(PARTS, range(n_randomisations)):
        copy = randomised_part(network, part, choices.get("random_state", 0) + randomisation)
        values = shap_values(copy, background, explained, **choices)
        row = {name: rank_correlation(mean_absolute(values, pool), trained[name]) for name, pool in pools.items()}
        rows.append({"part": part, "randomisation": randomisation, **row})
    return pd.DataFrame(rows)


def known_bands(constituents=None):
    """Bands of `simulate.soils.band_table` with a centre in the spectrum: neither edges nor wings of bands beyond it.

    constituents : names, None for all. Returns rows of the table.
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


def band_mass(profile, wavelength, bands, half_width_nm):
    """Share of a profile's mass near known bands, compared with the bands shifted around the axis.

    profile : (n_channels,), >= 0: mean absolute SHAP values, or 1 at each named peak and 0 elsewhere
    wavelength : (n_channels,) nm, evenly spaced; bands : rows of `known_bands`
    half_width_nm : what counts as near, on either side of a centre
    Returns LineMass. Many bands cover much of the axis: compare `share` with `expected`, the share of channels that
    are near one. Raises ValueError for a profile of zeros or where no band is near a channel.
    """
    centres = bands["centre_nm"].to_numpy(float)
    return line_mass(profile, wavelength, centres, resolving_power=centres / half_width_nm)
