"""Reflectance of soils of known composition between 350 and 2500 nm.

Two-flux radiative transfer of an optically thick layer (Kubelka and Munk): each constituent absorbs in the bands of
data/bands/visnir.csv, all of them scatter, and reflectance follows from the ratio of the two.
"""

from dataclasses import dataclass, replace
from functools import cache
from math import prod

import numpy as np
import pandas as pd

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import FWHM_PER_SIGMA, normal

CONSTITUENTS = (
    *("quartz", "ferrous_silicate", "magnetite", "kaolinite", "smectite", "illite", "chlorite", "gibbsite"),
    *("hematite", "goethite", "calcite", "gypsum", "organic_matter", "litter", "water"),
)
# Iron oxides coat other grains as particles of some ten nm. By mass they absorb more than the coarse powders from
# which the coefficients come, most of all below 600 nm, where light hardly enters a coarse grain (Torrent and Barron
# 1993): factors for bands above and below that wavelength.
PIGMENTS = ("hematite", "goethite")
PIGMENT_EFFICIENCY, PIGMENT_EFFICIENCY_BLUE, BLUE_NM = 2.0, 4.0, 600.0
REFERENCE_GRAIN_UM = 50.0
REFERENCE_WAVELENGTH_NM = 1000.0
_CHUNK = 1024


@cache
def band_table():
    """Absorption bands: DataFrame with constituent, kind, centre_nm, width_nm, absorption, assignment, source.

    kind, centre_nm, width_nm : see `band_shape`; the widest edges are nearly grey: opaque grains in a mineral's powder
    absorption : at the centre, of the pure constituent, divided by the scattering coefficient of 50 um grains
    """
    bands = pd.read_csv(data_path("bands", "visnir.csv"))
    return bands.assign(place=bands["constituent"].map(CONSTITUENTS.index))


def band_shape(kind, centre_nm, width_nm, wavelength):
    """Shape of a band, and its derivatives by its centre and by the logarithm of its width.

    kind : 'vibration' and 'electronic' are Gaussians in wavenumber, `width_nm` their full width at half maximum;
        'edge' falls exponentially from its centre, `width_nm` the wavelength over which it falls to 1/e
    wavelength : (n_channels,) nm
    Returns three arrays (n_channels,): height, 1 at the centre; its derivative by the centre (1/nm), with edges held in
    place; its derivative by the logarithm of the width.
    """
    if kind == "edge":
        distance = (wavelength - centre_nm) / width_nm
        height = np.exp(-distance)
        return height, np.zeros_like(height), height * distance
    distance = (1e7 / wavelength - 1e7 / centre_nm) / (width_nm * 1e7 / centre_nm**2 / FWHM_PER_SIGMA)
    height = np.exp(-(distance**2) / 2)
    return height, -height * distance * FWHM_PER_SIGMA / width_nm, height * distance**2


@cache
def _profiles(wavelength):
    """`band_shape` of all bands on a wavelength axis, a tuple of nm: three float32 arrays (n_bands, n_channels)."""
    x = np.array(wavelength)
    bands = band_table()[["kind", "centre_nm", "width_nm"]].itertuples(index=False)
    shapes = np.array([band_shape(*band, x) for band in bands], np.float32)
    return tuple(np.ascontiguousarray(part) for part in shapes.transpose(1, 0, 2))


@dataclass(frozen=True)
class Variation:
    """How the constituents of each soil differ from those of the band table; all arrays have one row a soil.

    strength : (n, n_bands) factor of each band; shift_nm : (n, n_bands) of its centre; log_width : (n, n_bands)
    efficiency : (n, 2) factor of absorption of hematite and goethite, for the size of their particles
    surface : (n,) share of light reflected at the grains' outer surfaces
    scattering_exponent : (n,) scattering falls with wavelength to this power
    """

    strength: np.ndarray
    shift_nm: np.ndarray
    log_width: np.ndarray
    efficiency: np.ndarray
    surface: np.ndarray
    scattering_exponent: np.ndarray


# Standard deviation between soils, by kind of band, of ln strength, of the centre (nm) and of ln width. Vibrations of
# clays and carbonates move by a few nm with substitutions in the lattice (Clark 1999), iron bands by tens of nm with
# aluminium and grain size (Scheinost et al. 1998), the tail of humus with its age and composition (Ladoni et al. 2010).
SPREAD = {"vibration": (0.15, 0.8, 0.05), "electronic": (0.25, 8.0, 0.10), "edge": (0.25, 0.0, 0.15)}


def no_variation(n_soils):
    """Constituents as in the table, for `n_soils` soils: `Variation`."""
    zeros = np.zeros((n_soils, len(band_table())), np.float32)
    return Variation(
        strength=zeros + 1,
        shift_nm=zeros,
        log_width=zeros,
        efficiency=np.ones((n_soils, len(PIGMENTS)), np.float32),
        surface=np.full(n_soils, 0.015, np.float32),
        scattering_exponent=np.full(n_soils, 0.3, np.float32),
    )


def draw_variation(n_soils, generator):
    """Constituents that differ from soil to soil: `Variation` for `n_soils` soils."""
    bands = band_table()
    spread = np.array([SPREAD[kind] for kind in bands["kind"]], np.float32).T
    per_band = generator, n_soils, len(bands)
    # Most of the variance of a constituent's strengths is shared by all its bands.
    shared = normal(generator, n_soils, len(CONSTITUENTS))[:, bands["place"]]
    return Variation(
        strength=np.exp(spread[0] * (np.sqrt(0.8) * shared + np.sqrt(0.2) * normal(*per_band))),
        shift_nm=spread[1] * normal(*per_band),
        log_width=spread[2] * normal(*per_band),
        efficiency=np.exp(0.35 * normal(generator, n_soils, len(PIGMENTS))),
        surface=0.015 * np.exp(0.4 * normal(generator, n_soils)),
        scattering_exponent=np.abs(0.3 + 0.2 * normal(generator, n_soils)),
    )


def weighted(base, parts, factors, changes):
    """Values that differ from those of a base as several variations do, each to the extent of its weight: dict.

    base : Variation; parts : list of (Variation, weight)
    factors, changes : names of the fields in which ratios to the base, or differences from it, are weighted
    """
    values = {}
    for name in factors:
        start = getattr(base, name)
        values[name] = start * prod((getattr(part, name) / start) ** weight for part, weight in parts)
    for name in changes:
        start = getattr(base, name)
        values[name] = start + sum(weight * (getattr(part, name) - start) for part, weight in parts)
    return values


def narrowed(variation, share):
    """The variation of a locality, where constituents have a common origin: closer to the first soil's.

    variation : Variation; share : of its spread that is left, 0 (all as in the first soil) to 1 (unchanged): of
        logarithms where a value is a factor or a power, else of the values. Surfaces stay unchanged.
    Returns a new Variation.
    """
    first = Variation(**{name: values[:1] for name, values in vars(variation).items()})
    factors, changes = ("strength", "efficiency", "scattering_exponent"), ("shift_nm", "log_width")
    return replace(variation, **weighted(first, [(variation, np.float32(share))], factors, changes))


def kubelka_munk(ratio):
    """Reflectance of a thick layer from its absorption over scattering, K / S >= 0; the shape of `ratio`.

    Source: Kubelka and Munk 1931.
    """
    ratio = np.asarray(ratio)
    return 1 + ratio - np.sqrt(ratio * (ratio + 2))


def scattering(grain_um, exponent, wavelength):
    """Scattering coefficient divided by that of 50 um grains at 1000 nm: (n, n_channels).

    Finer grains scatter more, because they have more surfaces; the power is -0.5, as of path lengths in sieved powders.
    grain_um : (n,) effective diameter; exponent : (n,) fall with wavelength; wavelength : (n_channels,) nm
    Source: Clark and Roush 1984 for the dependence on grain size.
    """
    size = np.sqrt(REFERENCE_GRAIN_UM / np.asarray(grain_um, np.float32))
    colour = np.log(REFERENCE_WAVELENGTH_NM / np.asarray(wavelength)).astype(np.float32)
    return size[:, None] * np.exp(np.asarray(exponent, np.float32)[:, None] * colour)


def soil_reflectance(composition, grain_um, wavelength, variation=None):
    """Reflectance of soils, float32 (n, n_channels), 0 to 1.

    composition : (n, 15) mass fractions in the order of CONSTITUENTS, of the dry mass
    grain_um : (n,) effective grain diameter, um
    wavelength : (n_channels,) nm
    variation : Variation, None for constituents as in the table
    Raises ValueError for a composition of another width or with a negative fraction.
    """
    composition = np.asarray(composition, np.float32)
    if composition.ndim != 2 or composition.shape[1] != len(CONSTITUENTS) or (composition < 0).any():
        raise ValueError(f"composition {composition.shape}: give fractions of 0 and more, (n, {len(CONSTITUENTS)})")
    variation = variation or no_variation(len(composition))
    height, by_centre, by_width = _profiles(tuple(wavelength))
    strengths = _band_strengths(composition, variation)
    reflectance = np.empty((len(composition), height.shape[1]), np.float32)
    for start in range(0, len(composition), _CHUNK):
        rows = slice(start, start + _CHUNK)
        strength = strengths[rows]
        ratio = strength @ height + (strength * variation.shift_nm[rows]) @ by_centre
        ratio += (strength * variation.log_width[rows]) @ by_width
        # The first-order change of a narrow band's flank may be negative where little else absorbs.
        np.maximum(ratio, 1e-4, out=ratio)
        ratio /= scattering(grain_um[rows], variation.scattering_exponent[rows], wavelength)
        surface = variation.surface[rows, None]
        reflectance[rows] = surface + (1 - surface) * kubelka_munk(ratio)
    return reflectance


def absorption(composition, wavelength):
    """Absorption divided by the scattering of 50 um grains at 1000 nm, constituents as in the table: (n, n_channels).

    composition, wavelength : as for `soil_reflectance`
    """
    composition = np.asarray(composition, np.float32)
    return _band_strengths(composition, no_variation(len(composition))) @ _profiles(tuple(wavelength))[0]


def _band_strengths(composition, variation):
    """Absorption at the centre of every band of every soil, (n, n_bands)."""
    bands = band_table()
    strengths = composition[:, bands["place"]] * bands["absorption"].to_numpy(np.float32) * variation.strength
    blue = (bands["centre_nm"] < BLUE_NM).to_numpy()
    for column, pigment in enumerate(PIGMENTS):
        of_pigment = (bands["constituent"] == pigment).to_numpy()
        factor = np.where(blue[of_pigment], PIGMENT_EFFICIENCY_BLUE, PIGMENT_EFFICIENCY).astype(np.float32)
        strengths[:, of_pigment] *= factor * variation.efficiency[:, column, None]
    return strengths
