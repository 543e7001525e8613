"""Tests of importance maps: mass near an element's lines, dependence on the weights, agreement of networks.

A resolution element is wavelength / resolving power. A channel counts as near a line when it lies within one
element of it on either side. Half an element would reject maps that are off by no more than the spectrometer
resolves and the linear upsampling spreads.
"""

from copy import deepcopy
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata

from spectrakit.explain.gradcam import grad_cam

RESOLVING_POWER = 5000


class LineMass(NamedTuple):
    """Share of a map's mass near lines, compared with every circular shift of the lines.

    share : observed, 0 to 1; expected : mean over shifts, which is the share of channels near lines
    p_value : (1 + shifts with at least the observed share) / (1 + shifts), of n_channels - 1 shifts
    n_maps : maps with any mass
    """

    share: float
    expected: float
    p_value: float
    n_maps: int


def near_lines(wavelength, lines, resolving_power=RESOLVING_POWER):
    """Mask of the channels within one resolution element of any line.

    wavelength : (n_channels,) nm; lines : (n_lines,) nm. Returns bool (n_channels,).
    """
    lines = np.asarray(lines, dtype=float)
    distance = np.abs(np.asarray(wavelength)[:, None] - lines)
    # Without the slack a channel exactly one element away falls in or out by rounding.
    return (distance <= lines / resolving_power + 1e-9).any(axis=1)


def line_mass(maps, wavelength, lines, resolving_power=RESOLVING_POWER):
    """Share of the maps' mass within one resolution element of the lines, compared with chance.

    Each map is scaled to unit mass and the maps are averaged. For chance, the lines are shifted together around the
    window by every number of channels: this keeps their number, spacing and width, and the smoothness of the map.
    The smallest p-value is 1 / n_channels.

    maps : (..., n_channels), >= 0; wavelength : (n_channels,) nm; lines : (n_lines,) nm
    Returns LineMass. Raises ValueError when every map is empty or no line has a channel near it.
    """
    maps = np.asarray(maps, dtype=float).reshape(-1, len(wavelength))
    maps = maps[maps.sum(axis=1) > 0]
    mask = near_lines(wavelength, lines, resolving_power)
    if not len(maps) or not mask.any():
        raise ValueError("nothing to audit: every map is empty" if mask.any() else "no channel lies near a line")
    profile = (maps / maps.sum(axis=1, keepdims=True)).mean(axis=0)
    shares = np.array([profile[np.roll(mask, shift)].sum() for shift in range(len(mask))])
    n_as_good = np.sum(shares >= shares[0] - 1e-12)  # the lines themselves included
    return LineMass(shares[0], shares.mean(), n_as_good / len(shares), len(maps))


def rank_correlation(maps, other):
    """Spearman correlation of two maps over their channels; NaN where either is constant.

    maps, other : (..., n_channels), broadcast against each other. Returns (...).

    >>> print(round(rank_correlation([1, 2, 3, 4], [1, 4, 9, 2]), 2))
    0.4
    """
    return (_unit_ranks(maps) * _unit_ranks(other)).sum(axis=-1)


def map_agreement(maps):
    """Mean Spearman correlation over all pairs of the maps of different networks of the same spectrum: (n_samples,).

    maps : (n_networks, n_samples, n_channels); constant maps are left out. NaN where fewer than two are left.
    """
    varied = np.ptp(maps, axis=-1) > 0
    total, n = np.where(varied[..., None], _unit_ranks(maps), 0).sum(axis=0), varied.sum(axis=0)
    # The squared length of a sum of n unit vectors is n plus twice the sum over pairs.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n > 1, ((total**2).sum(axis=-1) - n) / (n * (n - 1)), np.nan)


def randomise_weights(network, random_state=0):
    """Copy of a network with every weight drawn anew by the `reset_parameters` of its module.

    Raises TypeError for a module with weights and without `reset_parameters`.
    Source: Adebayo et al. 2018, the model parameter randomisation test.
    """
    network = deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_state)
        for name, module in network.named_modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
            elif next(module.parameters(recurse=False), None) is not None:
                raise TypeError(f"{name or 'the network'} ({type(module).__name__}) has no reset_parameters")
    return network


def randomisation_correlation(network, layer, X, n_randomisations=20):
    """Spearman correlation between the maps of a trained network and of copies with random weights.

    A map that shows what was learned changes when the weights are drawn anew: correlations should lie near zero.
    network, layer, X : as for `grad_cam`
    Returns (n_randomisations, n_samples), NaN where a map is constant. The seeds of the copies are 0, 1 ...
    """
    name = next(name for name, module in network.named_modules() if module is layer)
    copies = [randomise_weights(network, seed) for seed in range(n_randomisations)]
    maps = np.stack([grad_cam(copy, copy.get_submodule(name), X) for copy in copies])
    return rank_correlation(maps, grad_cam(network, layer, X))


def look_up_lines(named, lines, strength, window):
    """The lines of the atomic table that may be the lines that a paper names, and their strength.

    named : DataFrame with columns element, wavelength_nm
    lines : DataFrame with columns element, stage, wavelength_air_nm (the atomic table)
    strength : (len(lines),) emissivity of each line in the plasma, any unit; window : (low, high) nm
    Returns named with in_window; n_lines, how many lines of that element lie within one resolution element;
    nearest_nm, the nearest of them; strongest_nm and stage, the strongest; relative_strength, its emissivity over
    that of the strongest line of any element in the window. Where there is no such line the wavelengths are NaN and
    the relative strength is 0.
    Raises ValueError when no line of the table lies in the window.
    """
    low, high = window
    table = lines.assign(strength=np.asarray(strength, dtype=float))
    in_window = table[table["wavelength_air_nm"].between(low, high)]
    if in_window.empty:
        raise ValueError(f"the line table has no line between {low} and {high} nm")
    strongest = in_window["strength"].max()
    rows = [_look_up(row, table, strongest) for row in named.itertuples()]
    return named.assign(in_window=named["wavelength_nm"].between(low, high)).join(pd.DataFrame(rows, named.index))


def _look_up(named, table, strongest):
    offset = (table["wavelength_air_nm"] - named.wavelength_nm).abs()
    close = (table["element"] == named.element) & (offset <= named.wavelength_nm / RESOLVING_POWER)
    if not close.any():
        return dict(nearest_nm=np.nan, strongest_nm=np.nan, stage=None, relative_strength=0.0, n_lines=0)
    best = table.loc[table.loc[close, "strength"].idxmax()]
    return dict(
        nearest_nm=table.loc[offset[close].idxmin(), "wavelength_air_nm"],
        strongest_nm=best["wavelength_air_nm"],
        stage=best["stage"],
        relative_strength=best["strength"] / strongest,
        n_lines=int(close.sum()),
    )


def _unit_ranks(maps):
    ranks = rankdata(maps, axis=-1)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return ranks / np.linalg.norm(ranks, axis=-1, keepdims=True)
