"""Absorbance of ground soils of known composition between 600 and 4000 1/cm.

Each constituent has one complex refractive index, made of the oscillators of data/bands/mir.csv. It gives both the
reflection of the powder's surfaces (Fresnel; reststrahlen) and its absorption (Kubelka and Munk).
"""

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy.special import dawsn, expit, softmax

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import normal
from spectrakit.simulate.soils.reflectance import CONSTITUENTS

ORGANIC_GROUPS = ("aliphatic", "carboxyl", "carboxylate_aromatic", "amide", "phenol_lignin", "polysaccharide")
# Density (g/cm3), refractive index beyond all vibrations, grain diameter (um). Densities and indices after Deer, Howie
# and Zussman 1992, iron oxides after Cornell and Schwertmann 2003, water after Hale and Querry 1973; of organic matter,
# those of biopolymers. Diameters are estimates for ground sand and silt, clay flakes, and films and crystals on them.
CONSTITUENT_OPTICS = pd.DataFrame.from_dict(
    {
        "quartz": (2.65, 1.54, 30.0),
        "feldspar": (2.60, 1.53, 30.0),
        "ferrous_silicate": (3.30, 1.68, 30.0),
        "magnetite": (5.20, 2.40, 30.0),
        "kaolinite": (2.60, 1.56, 1.0),
        "smectite": (2.40, 1.52, 0.5),
        "illite": (2.75, 1.57, 1.0),
        "chlorite": (2.80, 1.60, 2.0),
        "gibbsite": (2.40, 1.57, 1.0),
        "hematite": (5.26, 2.62, 0.1),
        "goethite": (4.26, 2.20, 0.1),
        "calcite": (2.71, 1.60, 5.0),
        "gypsum": (2.32, 1.52, 10.0),
        **dict.fromkeys(ORGANIC_GROUPS, (1.40, 1.50, 1.0)),
        "water": (1.00, 1.31, 0.1),
    },
    orient="index",
    columns=["density", "index", "grain_um"],
)
INFRARED_CONSTITUENTS = tuple(CONSTITUENT_OPTICS.index)
# Kubelka and Munk's K is twice the absorption coefficient of diffuse light. Their S falls with the diameter of grains
# (Kortuem 1969): a sphere's section divided by its volume is 3/2 divided by the diameter, and a grain of index 1.5
# scatters this share back. Set once, so that the combination bands of quartz are about as deep as in measured soils.
BACKSCATTER, REFERENCE_FRESNEL = 0.3, 0.04
# S rises with wavenumber to this power: 0 for grains far larger than the wavelength, up to 4 for far smaller ones
# (Kortuem 1969). Grains of 2 to 100 um before wavelengths of 2.5 to 17 um lie near the first; 0.5 is an estimate.
SCATTERING_EXPONENT, REFERENCE_WAVENUMBER = 0.5, 2000.0
# Diameter at which half of the light that surfaces reflect leaves the powder without entering a grain. Finer powders
# have weaker reststrahlen (Salisbury and Wald 1992). Set once, to the level of measured soils at 1080-1220 1/cm.
SURFACE_GRAIN_UM = 50.0
# Standard deviations between soils, estimates: of ln strength, of a centre in widths, of ln width; of the logarithms of
# the surface's share and of scattering; of its exponent. Lattices differ by their substitutions (Farmer 1974).
SPREAD = {"strength": 0.15, "shift": 0.03, "log_width": 0.06, "surface": 0.2, "scattering": 0.2, "exponent": 0.1}
_FWHM_TO_E = 0.5 / np.sqrt(np.log(2))
_CHUNK = 512


@cache
def infrared_bands():
    """Oscillators: DataFrame with constituent, shape, centre_cm, width_cm, loss, assignment, source, loss_source.

    shape : 'lorentz' or 'gauss'; centre_cm, width_cm : resonance and full width at half maximum, 1/cm
    loss : imaginary permittivity of the pure constituent at the centre; for 'lorentz' it is strength (the part of the
        static permittivity) times centre over width. Weights of 2/3 and 1/3 are those of the rays of randomly
        oriented uniaxial crystals. loss_source says how it was obtained.
    """
    bands = pd.read_csv(data_path("bands", "mir.csv"))
    return bands.assign(place=bands["constituent"].map(INFRARED_CONSTITUENTS.index))


def oscillator(shape, centre, width, wavenumber):
    """Complex permittivity of one oscillator of unit loss: 1j near `centre`, by the Kramers-Kronig relations.

    shape : 'lorentz', a damped harmonic oscillator, or 'gauss', whose resonances are spread about the centre
    centre, width : 1/cm, > 0; the width is full at half maximum of the imaginary part
    wavenumber : (n_channels,) 1/cm
    Returns complex (n_channels,). Raises ValueError for another shape.
    Source: De Sousa Meneses et al. 2006 for the real part of Gaussians, by Dawson's integral.
    """
    if shape == "lorentz":
        return centre * width / (centre**2 - wavenumber**2 - 1j * width * wavenumber)
    if shape != "gauss":
        raise ValueError(f"oscillator {shape!r}: its shape is 'lorentz' or 'gauss'")
    scale = width * _FWHM_TO_E
    below, above = (wavenumber - centre) / scale, (wavenumber + centre) / scale
    real = (dawsn(above) - dawsn(below)) * 2 / np.sqrt(np.pi)
    return real + 1j * (np.exp(-(below**2)) - np.exp(-(above**2)))


def refractive_index(constituent, wavenumber):
    """Complex refractive index n + ik of a constituent as in the table, (n_channels,).

    constituent : one of INFRARED_CONSTITUENTS; wavenumber : (n_channels,) 1/cm
    Raises ValueError for an unknown constituent.
    """
    if constituent not in INFRARED_CONSTITUENTS:
        raise ValueError(f"no constituent {constituent!r}: take one of {', '.join(INFRARED_CONSTITUENTS)}")
    wavenumber = np.asarray(wavenumber, float)
    permittivity = np.full(len(wavenumber), CONSTITUENT_OPTICS.loc[constituent, "index"] ** 2, complex)
    for band in infrared_bands().query("constituent == @constituent").itertuples():
        permittivity += band.loss * oscillator(band.shape, band.centre_cm, band.width_cm, wavenumber)
    return np.sqrt(permittivity)


def fresnel(index):
    """Reflectance of a surface at normal incidence, for a complex refractive index n + ik of any shape.

    >>> print(round(fresnel(1.5), 2))
    0.04
    """
    return np.abs((index - 1) / (index + 1)) ** 2


@cache
def _optics(wavenumber):
    """What `soil_absorbance` needs of a wavenumber axis, a tuple of 1/cm: namespace of float32, channels last.

    absorption, by_centre, by_width : (n_bands, n_channels) 1/cm, and its derivatives by a band's centre (1/cm) and by
        the logarithm of its width
    surface, contrast : (n_infrared, n_channels) Fresnel reflectance; scattering relative to grains of index 1.5
    """
    x = np.array(wavenumber)
    bands = infrared_bands()
    index = np.array([refractive_index(name, x) for name in INFRARED_CONSTITUENTS])
    grain_cm = CONSTITUENT_OPTICS["grain_um"].to_numpy()[:, None] * 1e-4
    depth = 4 * np.pi * index.imag * x * grain_cm
    # An opaque grain shades its inside: per volume it absorbs less than the same matter spread evenly (Duysens 1956),
    # at most the light on its section.
    flattening = -np.expm1(-depth) / np.maximum(depth, 1e-12)
    per_loss = (2 * np.pi * x * flattening / index.real)[bands["place"]]

    def loss(shift=0.0, log_width=0.0):
        rows = bands[["shape", "centre_cm", "width_cm", "loss"]].itertuples(index=False)
        return np.array([h * oscillator(s, c + shift, w * np.exp(log_width), x).imag for s, c, w, h in rows])

    step, surface = 0.01, fresnel(index)
    parts = {
        "absorption": per_loss * loss(),
        "by_centre": per_loss * (loss(step) - loss(-step)) / (2 * step),
        "by_width": per_loss * (loss(0.0, step) - loss(0.0, -step)) / (2 * step),
        "surface": surface,
        # The reflection of opaque grains is that of their surface, which counts separately: their scattering is at most
        # that of clear grains.
        "contrast": np.minimum(surface / REFERENCE_FRESNEL, 1.0),
    }
    return SimpleNamespace(**{name: values.astype(np.float32) for name, values in parts.items()})


@dataclass(frozen=True)
class InfraredVariation:
    """How the constituents of each soil differ from those of the table; all arrays have one row a soil.

    strength, shift_cm, log_width : (n, n_bands) factor of a band's absorption, change of its centre (1/cm), of ln width
    surface : (n,) factor of the share of surface reflection; scattering : (n,) factor of the scattering
    exponent : (n,) scattering rises with wavenumber to this power
    """

    strength: np.ndarray
    shift_cm: np.ndarray
    log_width: np.ndarray
    surface: np.ndarray
    scattering: np.ndarray
    exponent: np.ndarray


def no_infrared_variation(n_soils):
    """Constituents as in the table, for `n_soils` soils: `InfraredVariation`."""
    zeros = np.zeros((n_soils, len(infrared_bands())), np.float32)
    ones = np.ones(n_soils, np.float32)
    return InfraredVariation(zeros + 1, zeros, zeros, ones, ones, SCATTERING_EXPONENT * ones)


def draw_infrared_variation(n_soils, generator):
    """Constituents that differ from soil to soil: `InfraredVariation` for `n_soils` soils."""
    bands = infrared_bands()
    per_band, per_soil = (generator, n_soils, len(bands)), (generator, n_soils)
    # Most of the variance of a constituent's strengths is shared by all its bands.
    shared = normal(generator, n_soils, len(INFRARED_CONSTITUENTS))[:, bands["place"]]
    return InfraredVariation(
        strength=np.exp(SPREAD["strength"] * (np.sqrt(0.8) * shared + np.sqrt(0.2) * normal(*per_band))),
        shift_cm=SPREAD["shift"] * bands["width_cm"].to_numpy(np.float32) * normal(*per_band),
        log_width=SPREAD["log_width"] * normal(*per_band),
        surface=np.exp(SPREAD["surface"] * normal(*per_soil)),
        scattering=np.exp(SPREAD["scattering"] * normal(*per_soil)),
        exponent=SCATTERING_EXPONENT + SPREAD["exponent"] * normal(*per_soil),
    )


def soil_absorbance(composition, grain_um, wavenumber, variation=None):
    """Absorbance log10(1/R) of neat ground soils, float32 (n, n_channels).

    composition : (n, n_infrared) mass fractions in the order of INFRARED_CONSTITUENTS; water on top of the dry mass
    grain_um : (n,) effective grain diameter, um, > 0
    wavenumber : (n_channels,) 1/cm, > 0
    variation : InfraredVariation of n soils, None for constituents as in the table
    Raises ValueError for a composition of another width, with a negative fraction or an empty row, for grains,
    wavenumbers or a variation that do not fit.
    """
    composition, grain_um = np.asarray(composition, np.float32), np.asarray(grain_um, np.float32)
    wavenumber = np.asarray(wavenumber, float)
    variation = variation or no_infrared_variation(len(composition))
    _check(composition, grain_um, wavenumber, variation)
    optics = _optics(tuple(wavenumber))
    volume = composition / CONSTITUENT_OPTICS["density"].to_numpy(np.float32)
    volume /= volume.sum(axis=1, keepdims=True)
    absorbance = np.empty((len(composition), len(wavenumber)), np.float32)
    for start in range(0, len(composition), _CHUNK):
        rows = slice(start, start + _CHUNK)
        some = InfraredVariation(**{name: values[rows] for name, values in vars(variation).items()})
        absorbance[rows] = _absorbance(volume[rows], grain_um[rows], wavenumber, optics, some)
    return absorbance


def _check(composition, grain_um, wavenumber, variation):
    """Raise ValueError for invalid arguments of `soil_absorbance`."""
    n_infrared = len(INFRARED_CONSTITUENTS)
    if composition.ndim != 2 or composition.shape[1] != n_infrared or not (composition >= 0).all():
        raise ValueError(f"composition {composition.shape}: give fractions of 0 and more, (n, {n_infrared})")
    if not (composition.sum(axis=1) > 0).all():
        raise ValueError("composition: a row has no constituents")
    if grain_um.shape != (len(composition),) or not (grain_um > 0).all():
        raise ValueError(f"grain_um {grain_um.shape}: give one diameter above 0 for each of {len(composition)} soils")
    if wavenumber.ndim != 1 or not (wavenumber > 0).all():
        raise ValueError(f"wavenumber {wavenumber.shape}: give one axis, (n_channels,), above 0")
    if len(variation.surface) != len(composition):
        raise ValueError(f"variation of {len(variation.surface)} soils for {len(composition)}: draw one for each")


def _absorbance(volume, grain_um, wavenumber, optics, variation):
    """Absorbance (n, n_channels) of one block of soils; `volume` their shares of volume."""
    strength = volume[:, infrared_bands()["place"]] * variation.strength
    ratio = strength @ optics.absorption
    ratio += (strength * variation.shift_cm) @ optics.by_centre
    ratio += (strength * variation.log_width) @ optics.by_width
    # The first-order change of a narrow band's flank may be negative where little else absorbs.
    np.maximum(ratio, 0.1, out=ratio)
    scattering = volume @ optics.contrast
    scattering *= np.exp(variation.exponent[:, None] * np.log(wavenumber / REFERENCE_WAVENUMBER).astype(np.float32))
    scattering *= (1.5 * BACKSCATTER * 1e4 * variation.scattering / grain_um)[:, None]
    ratio *= 2
    ratio /= scattering
    share = np.minimum(variation.surface * grain_um / (grain_um + SURFACE_GRAIN_UM), 1.0)
    # A random section cuts the constituents by their shares of volume (Delesse 1847), and so does the surface.
    surface = (volume @ optics.surface) * share[:, None]
    # Kubelka and Munk as in `reflectance.kubelka_munk`, in a form that is exact in single precision where K >> S.
    within = 1 / (1 + ratio + np.sqrt(ratio * (ratio + 2)))
    return -np.log10(surface + (1 - surface) * within)


def infrared_composition(soils, generator):
    """Mass fractions in the order of INFRARED_CONSTITUENTS, float32 (n, n_infrared), of `Soils`.

    Splits organic matter into functional groups, by its age and pH, and quartz into quartz and feldspar, by weathering.
    generator : numpy Generator, for scatter between soils
    """
    given = soils.composition
    feldspar = _feldspar_share(soils, generator)
    parts = {name: given[name] for name in CONSTITUENTS if name in INFRARED_CONSTITUENTS}
    parts |= {"feldspar": given["quartz"] * feldspar, "quartz": given["quartz"] * (1 - feldspar)}
    organic = (given["organic_matter"] + given["litter"]).to_numpy()[:, None] * _organic_shares(soils, generator)
    parts |= dict(zip(ORGANIC_GROUPS, organic.T, strict=True))
    return np.column_stack([parts[name] for name in INFRARED_CONSTITUENTS]).astype(np.float32)


# Mass shares of ORGANIC_GROUPS in litter and in old humus: estimates from the alkyl, O-alkyl, aromatic and carbonyl
# carbon in nuclear magnetic resonance (Koegel-Knabner 1997; Baldock and Skjemstad 2000), acids with protons.
_LITTER = np.array([0.11, 0.06, 0.06, 0.07, 0.23, 0.47])
_HUMUS = np.array([0.22, 0.18, 0.16, 0.13, 0.09, 0.22])


def _organic_shares(soils, generator):
    """Shares of ORGANIC_GROUPS in the organic matter, (n, 6), adding up to 1."""
    litter, rest = (soils.composition[name].to_numpy(float) for name in ("litter", "organic_matter"))
    organic = np.maximum(litter + rest, 1e-3)
    n = len(organic)
    # Where there is little carbon, as in subsoils, it is older and less like plants.
    score = 1.0 - 5.0 * litter / organic - 0.5 * np.log(organic / 0.04) + 0.6 * generator.standard_normal(n)
    age = expit(score)[:, None]
    scores = age * np.log(_HUMUS) + (1 - age) * np.log(_LITTER) + 0.2 * generator.standard_normal((n, len(_HUMUS)))
    shares = softmax(scores, axis=1)
    # The acids of humus, of widely distributed pK near 4.5 (Tipping 2002), lose their protons as pH rises.
    acid, salt = (ORGANIC_GROUPS.index(name) for name in ("carboxyl", "carboxylate_aromatic"))
    dissociated = shares[:, acid] * expit(1.2 * (soils.properties["ph"].to_numpy() - 4.5))
    shares[:, acid] -= dissociated
    shares[:, salt] += dissociated
    return shares


def _feldspar_share(soils, generator):
    """Share of feldspar in the soil model's quartz, (n,): less where weathering has formed kaolinite."""
    kaolinite = soils.properties["kaolinite_pct"].to_numpy() / 100
    return expit(-0.6 - 3.0 * kaolinite + 0.5 * generator.standard_normal(len(kaolinite)))
