"""Laboratories drawn at random: their spectrometers, their preparation of samples, and the soils of their surveys.

They vary around those of `simulate.library.laboratories`, and more widely, so that a network that is trained on many of
them is used to differences between laboratories (domain randomisation, Tobin et al. 2017).
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spectrakit.simulate.library import (
    END_NOISE,
    InfraredSpectrometer,
    Laboratory,
    Programme,
    analysed,
    at_depth,
    cut_at_depth,
    programmes,
    spectrometer_optics,
)
from spectrakit.simulate.soils import (
    SCATTERING_EXPONENT,
    InfraredVariation,
    draw_infrared_variation,
    draw_locality,
    draw_soils,
    infrared_bands,
    infrared_composition,
)
from spectrakit.spectra import library_axis

# How far bands of a world differ from the simulator's, in the units of `infrared.SPREAD`, which holds for soils. Two
# soils' bands differ by a third of this: that the simulator's are wrong by more than they vary is an assumption.
WORLD_SPREAD = {"strength": 0.4, "shift": 0.1, "log_width": 0.2, "surface": 0.4, "scattering": 0.2, "exponent": 0.2}
FACTORS, CHANGES = ("strength", "surface", "scattering"), ("shift_cm", "log_width")
# Standard deviation between laboratories of the logarithm of organic carbon as analysed (assumption: methods that burn
# carbon in part or wholly, and their corrections, differ by some ten per cent).
ANALYSIS_BIAS = 0.08
# Layers (cm) that surveys sample, and how often: some take topsoils alone, the last takes whole profiles.
LAYERS = ((0, 20), (0, 10), (0, 30), (0, 20, 50), (0, 10, 30, 60), ())
LAYER_SHARES = (0.35, 0.15, 0.15, 0.15, 0.05, 0.15)
# Smooth waves of absorbance that a reference of another kind adds: standard deviation of the first, and their number.
REFERENCE_SPREAD, N_REFERENCE_WAVES = 0.02, 12


def draw_spectrometer(generator):
    """Return an `InfraredSpectrometer` with faults that spread about twice as far as those of the library's."""
    low, high = np.log([[1e-4, 5e-4, 5e-4], [1e-3, 2e-2, 3e-2]])
    noise, vapour, carbon_dioxide = np.exp(generator.uniform(low, high))
    offset, slope, curvature = generator.normal(0, (0.06, 0.06, 0.03))
    return InfraredSpectrometer(
        instrument="drawn at random",
        detector=str(generator.choice(list(END_NOISE))),
        step_per_cm=float(generator.choice([1.9285, 2.0, 3.857])),
        resolution_per_cm=float(generator.choice([4, 6, 8, 16], p=[0.5, 0.15, 0.25, 0.1])),
        low_per_cm=generator.uniform(400, 595),
        noise=noise,
        shift_per_cm=generator.normal(0, 1.5),
        stretch_ppm=generator.normal(0, 300),
        offset=offset,
        slope=slope,
        curvature=curvature,
        gain=np.exp(generator.normal(0, 0.08)),
        vapour=vapour,
        carbon_dioxide=carbon_dioxide,
        shift_jitter_per_cm=generator.uniform(0.03, 0.2),
        baseline_jitter=generator.uniform(0.005, 0.04),
        gain_jitter=generator.uniform(0.005, 0.04),
        vapour_jitter=generator.uniform(0.4, 0.9),
    )


def draw_laboratory(generator):
    """Return a `Laboratory`."""
    return Laboratory(
        name="drawn at random",
        spectrometer=draw_spectrometer(generator),
        grain_factor=np.exp(generator.uniform(np.log(0.3), 0)),
        moisture=generator.uniform(0.6, 1.5),
        ignition_c=generator.uniform(360, 550),
        comment="",
    )


def draw_programme(generator):
    """Return the `Programme` of a survey: of a region of the library or, two times in three, of a locality anywhere."""
    if generator.random() < 1 / 3:
        region = programmes()[generator.integers(len(programmes()))].region
    else:
        region = draw_locality(generator)
    return Programme(
        laboratory="drawn at random",
        region=region,
        samples=0,
        box=(),
        layers=LAYERS[generator.choice(len(LAYERS), p=LAYER_SHARES)],
        ignites=False,
        checked=0,
        carbon=np.exp(generator.normal(0.1, 0.3)),
        organic_layers=0.3 * generator.random() if generator.random() < 0.15 else 0.0,
        peatlands=0.03 * generator.random() if generator.random() < 0.3 else 0.0,
        carbonate=np.exp(generator.uniform(np.log(0.01), np.log(0.25))),
    )


def draw_world(generator):
    """Return an `InfraredVariation` of one row: bands of all soils of a world, in place of the simulator's.

    A network that learns from many worlds does not rely on details in which the simulator's bands are wrong: the
    measured world is one more to it.
    """
    bands = infrared_bands()
    strength, shift, log_width = generator.standard_normal((3, 1, len(bands)), dtype=np.float32)
    surface, scattering, exponent = generator.standard_normal((3, 1), dtype=np.float32)
    return InfraredVariation(
        strength=np.exp(WORLD_SPREAD["strength"] * strength),
        shift_cm=WORLD_SPREAD["shift"] * bands["width_cm"].to_numpy(np.float32) * shift,
        log_width=WORLD_SPREAD["log_width"] * log_width,
        surface=np.exp(WORLD_SPREAD["surface"] * surface),
        scattering=np.exp(WORLD_SPREAD["scattering"] * scattering),
        exponent=WORLD_SPREAD["exponent"] * exponent,
    )


@dataclass(frozen=True)
class RandomSurvey:
    """Results of a laboratory drawn at random for the soils of its survey, one row a soil.

    spectra : (n, 1700) absorbance on `library_axis`; composition, properties : DataFrames as of `Soils`, the latter
        with c_g_kg, oc_g_kg and om_g_kg; site : (n,) numbers
    """

    spectra: np.ndarray
    composition: pd.DataFrame
    properties: pd.DataFrame
    site: np.ndarray


def draw_survey(n_soils, world, generator):
    """Return `n_soils` soils of a survey drawn at random, as its laboratory scans and analyses them: `RandomSurvey`.

    world : of `draw_world`; generator : numpy Generator
    Bands of constituents differ from soil to soil, and as much from survey to survey. The reference adds smooth waves
    of absorbance, the same to all scans; the analysis of organic carbon is biased by a factor, the same for all soils.
    """
    programme, laboratory = draw_programme(generator), draw_laboratory(generator)
    horizons = cut_at_depth(programme, n_soils, generator)
    soils, carbon = at_depth(draw_soils(n_soils, programme.region, generator), horizons, programme, generator)
    result = analysed(soils, carbon * np.exp(generator.normal(0, ANALYSIS_BIAS)), laboratory, generator)
    properties = pd.DataFrame(result).join(soils.properties)
    rows = slice(0, n_soils)  # the first horizons: whole profiles but for the last
    soils = replace(
        soils, composition=soils.composition[rows], properties=soils.properties[rows], grain_um=soils.grain_um[rows]
    )
    composition = infrared_composition(soils, generator)
    variation = _combined(world, draw_infrared_variation(1, generator), draw_infrared_variation(n_soils, generator))
    spectra = laboratory.scan(composition, soils.grain_um, variation, generator)
    spectrometer_optics.cache_clear()  # no other survey has this spectrometer
    return RandomSurvey(spectra + _reference(generator), soils.composition, properties[rows], horizons.site[rows])


def _combined(world, survey, soil):
    """Variation of soils (n rows) in a survey in a world (one row each)."""
    return InfraredVariation(
        **{name: getattr(world, name) * getattr(survey, name) * getattr(soil, name) for name in FACTORS},
        **{name: getattr(world, name) + getattr(survey, name) + getattr(soil, name) for name in CHANGES},
        # Both the survey's and the soils' have this mean.
        exponent=world.exponent + survey.exponent + soil.exponent - SCATTERING_EXPONENT,
    )


def _reference(generator):
    """Smooth absorbance (1700,) that the reference of a laboratory adds to all of its spectra."""
    place = (library_axis() - 2300) / 3400
    waves = np.arange(1, N_REFERENCE_WAVES + 1)
    phase = generator.uniform(0, 2 * np.pi, (N_REFERENCE_WAVES, 1))
    size = generator.normal(0, REFERENCE_SPREAD, N_REFERENCE_WAVES) / waves
    return (size @ np.sin(np.pi * waves[:, None] * place + phase)).astype(np.float32)
