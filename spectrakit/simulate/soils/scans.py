"""Scans of many soils of a region by a reflectance spectrometer."""

import numpy as np
import pandas as pd

from spectrakit.simulate.soils.composition import draw_soils
from spectrakit.simulate.soils.reflectance import draw_variation, soil_reflectance
from spectrakit.spectra import SpectralDataset

# Soils that share one stream of random numbers; a block is drawn whole, so that fewer soils are the first of more.
_BLOCK = 512


def scan(soils, spectrometer, generator, variation=None):
    """Reflectance of soils as a spectrometer records it: float32 (n, n_channels).

    soils : Soils; spectrometer : ReflectanceSpectrometer; generator : numpy Generator
    variation : Variation of the constituents from soil to soil, None to draw one
    """
    variation = variation or draw_variation(len(soils), generator)
    reflectance = soil_reflectance(soils.composition, soils.grain_um, spectrometer.wavelength, variation)
    return spectrometer.measure(reflectance, generator)


def survey(n_samples, region, spectrometer, random_state=0, progress=None):
    """Topsoils of a region and their spectra, as a SpectralDataset of reflectance in nm.

    region : Region; spectrometer : ReflectanceSpectrometer
    progress : called with the number of soils done and to do
    `properties` are those of `draw_soils`. A soil and its spectrum depend on their place and `random_state` alone:
    fewer samples are the first of more. Raises ValueError for fewer than one sample.
    """
    if n_samples < 1:
        raise ValueError(f"{n_samples} samples: give at least 1")
    starts = range(0, n_samples, _BLOCK)
    spectra = np.empty((n_samples, len(spectrometer.wavelength)), np.float32)
    properties = []
    for start, seed in zip(starts, np.random.SeedSequence(random_state).spawn(len(starts)), strict=True):
        generator = np.random.default_rng(seed)
        soils = draw_soils(_BLOCK, region, generator)
        kept = min(_BLOCK, n_samples - start)
        spectra[start : start + kept] = scan(soils, spectrometer, generator)[:kept]
        properties.append(soils.properties.iloc[:kept])
        if progress is not None:
            progress(start + kept, n_samples)
    names = [f"S{i:05d}" for i in range(1, n_samples + 1)]
    samples = pd.DataFrame({"sample_id": names, "region": region.name})
    properties = pd.concat(properties, ignore_index=True)
    return scans_dataset(spectra, spectrometer, properties, samples, f"soils of region {region.name}", random_state)


def scans_dataset(spectra, spectrometer, properties, samples, source, random_state):
    """Simulated reflectance (n, n_channels) of a spectrometer, as a SpectralDataset."""
    return SpectralDataset(
        spectra=spectra,
        axis=spectrometer.wavelength,
        axis_unit="nm",
        signal="reflectance",
        properties=properties,
        samples=samples,
        provenance={
            "origin": "simulated",
            "source": source,
            "seed": random_state,
            "instrument": spectrometer.name,
        },
    )
