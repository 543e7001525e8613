"""The LIBS experiment of the study: 24 soils, 100 laser shots each.

Samples 1-12 are one reference soil spiked with Ca, Mg and Na; samples 13-24 are field soils of differing matrix. The
settings, with their sources, are in `data/libs_experiment.yml`.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import yaml

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import EchelleSpectrometer, IntensifiedCamera
from spectrakit.simulate.libs.plasma import Plasma, SpectralRange, mole_fractions
from spectrakit.spectra import SpectralDataset

TARGETS = ("ca", "mg", "na")
_MATRIX = ("O", "Si", "Al", "Fe", "C", "K", "Ti", "N", "Mn", "H")
_OFFSETS = ["temperature", "electron_density", "ablated_mass"]
_ROWS_AT_ONCE = 12
# Light from wavelengths up to this far beyond the first and last channel reaches them.
_MARGIN_NM = 0.3


@cache
def settings():
    """The experiment's settings, `data/libs_experiment.yml` as nested dictionaries; do not change them in place."""
    return yaml.safe_load(data_path("libs_experiment.yml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Soils:
    """Soils before they are measured.

    samples : DataFrame (n_soils,) with sample_id, range ('high' spiked, 'low' field) and the reported contents ca_ppm,
        mg_ppm, na_ppm: the added (high) or the total (low) content
    composition_ppm : DataFrame (n_soils, 13), total contents by mass
    matrix_offset : DataFrame (n_soils, 3), logarithmic offset of temperature, electron_density and ablated_mass due to
        the soil's matrix
    scatter_scale : Series (n_soils,), factor on the scatter of shots and pellets
    """

    samples: pd.DataFrame
    composition_ppm: pd.DataFrame
    matrix_offset: pd.DataFrame
    scatter_scale: pd.Series


def spiked_soils(levels_ppm=None):
    """Samples 1-12: the reference soil with 0 and 50 to 1000 ppm of Ca, Mg and Na added to its contents.

    levels_ppm : (n,) other levels, for more or fewer soils
    """
    levels = np.array(settings()["spiked"]["levels_ppm"] if levels_ppm is None else levels_ppm, float)
    samples = pd.DataFrame({"sample_id": [f"S{i:02d}" for i in range(1, len(levels) + 1)], "range": "high"})
    composition = pd.DataFrame([settings()["reference_soil_ppm"]] * len(levels)).astype(float)
    for target in TARGETS:
        samples[f"{target}_ppm"] = levels
        composition[target.capitalize()] += levels
    offset = pd.DataFrame(0.0, samples.index, _OFFSETS)
    return Soils(samples, composition, offset, pd.Series(settings()["scatter"]["scale"]["high"], samples.index))


def field_soils(random_state=0, background_ppm=None, n_samples=None):
    """Samples 13-24: field soils whose contents have the standard deviations that the study implies.

    random_state : seed of contents and matrices
    background_ppm : mapping such as {'mg': 6300}, content that the laboratory does not extract and report; None for 0
    n_samples : number of soils, None for the study's
    """
    field, generator = settings()["field"], np.random.default_rng(random_state)
    n, cv = n_samples or field["n_samples"], field["coefficient_of_variation"]
    samples = pd.DataFrame({"sample_id": [f"S{i:02d}" for i in range(13, 13 + n)], "range": "low"})
    composition = {}
    for target in TARGETS:
        draw = generator.lognormal(0.0, np.sqrt(np.log1p(cv**2)), n)
        contents = draw * field["sd_ppm"][target] / draw.std()
        samples[f"{target}_ppm"] = contents.round(3)
        composition[target.capitalize()] = contents + (background_ppm or {}).get(target, 0.0)
    for element in _MATRIX:
        spread = field["matrix_cv"].get(element, 0.0)
        composition[element] = settings()["reference_soil_ppm"][element] * np.exp(generator.normal(0.0, spread, n))
    scale = pd.Series(settings()["scatter"]["scale"]["low"], samples.index)
    return Soils(samples, pd.DataFrame(composition), draw_scatter("soil", n, generator) * scale.iloc[0], scale)


def blank_soils(soils, target):
    """The blank of a set of soils, on which a limit of detection is measured: `Soils` of one row.

    For spiked soils it is the unspiked soil; for field soils, their mean composition without the target.
    """
    if (soils.samples["range"] == "high").all():
        composition = soils.composition_ppm.iloc[[0]]
    else:
        composition = soils.composition_ppm.mean().to_frame().T.assign(**{target.capitalize(): 0.0})
    samples = soils.samples.iloc[[0]].assign(sample_id=f"blank-{target}", **{f"{target}_ppm": 0.0})
    return Soils(samples, composition, pd.DataFrame(0.0, samples.index, _OFFSETS), soils.scatter_scale.iloc[:1])


def study_soils(random_state=0):
    """The 24 soils of the study."""
    parts = spiked_soils(), field_soils(random_state)
    frames = ([getattr(part, name) for part in parts] for name in Soils.__dataclass_fields__)
    return Soils(*(pd.concat(frame, ignore_index=True) for frame in frames))


def draw_scatter(level, size, generator):
    """Logarithmic offsets (size, 3) of temperature, electron density and ablated mass.

    level : 'soil', 'measurement' or 'shot', a key of the settings' scatter
    """
    return pd.DataFrame(generator.standard_normal((size, 3)), columns=_OFFSETS) * pd.Series(
        settings()["scatter"][level]
    )


def soil_plasma(composition_ppm, temperature_K=None, electron_density_cm3=None, path_length_m=None):
    """The plasma of an ablated soil and the air around it.

    composition_ppm : DataFrame (n, 13) by mass
    temperature_K, electron_density_cm3, path_length_m : (n,) or one for all; the experiment's nominal values if None
    """
    nominal, n = settings()["plasma"], len(composition_ppm)

    def filled(name, value):
        return np.broadcast_to(np.asarray(nominal[name] if value is None else value, float), (n,))

    air = nominal["air_share"]
    return Plasma(
        filled("temperature_K", temperature_K),
        filled("electron_density_cm3", electron_density_cm3),
        (1 - air) * mole_fractions(composition_ppm) + air * mole_fractions(settings()["air_ppm"]),
        filled("path_length_m", path_length_m),
    )


def shots_plasma(composition_ppm, offsets):
    """The plasma of each laser shot.

    composition_ppm : DataFrame (n_shots, 13) by mass
    offsets : DataFrame (n_shots, 3), logarithmic, from the nominal temperature, electron density and ablated mass
    The plume's volume is proportional to the ablated mass, so its depth to the cube root.
    """
    nominal, scale = settings()["plasma"], np.exp(offsets).to_numpy().T
    return soil_plasma(
        composition_ppm,
        nominal["temperature_K"] * scale[0],
        nominal["electron_density_cm3"] * scale[1],
        nominal["path_length_m"] * np.cbrt(scale[2]),
    )


def nominal_plasma():
    """The plasma of the unspiked reference soil without any scatter, a batch of one."""
    return soil_plasma(spiked_soils().composition_ppm.iloc[[0]])


def spectrometer():
    """The study's spectrometer."""
    return EchelleSpectrometer(**settings()["spectrometer"])


def window_axes():
    """Wavelengths (nm) of the channels of each window: {'mg': (124,), 'ca': (66,), 'na': (33,)}, in ascending order."""
    return {target: np.linspace(low, high, n) for target, (low, high, n) in settings()["windows"].items()}


def survey_axis():
    """Wavelengths (nm) of the survey's channels, 200-975 nm in equal ratios."""
    low, high = settings()["survey"]["range_nm"]
    per_element = settings()["survey"]["channels_per_resolution_element"]
    n = int(np.log(high / low) * per_element * spectrometer().resolving_power) + 1
    return np.geomspace(low, high, n)


@cache
def _ranges(survey):
    """Axis, SpectralRange and spectrometer response of each range to compute: the survey, or the three windows."""
    axes = [survey_axis()] if survey else window_axes().values()
    parts = [SpectralRange(axis[0] - _MARGIN_NM, axis[-1] + _MARGIN_NM) for axis in axes]
    return [(axis, part, spectrometer().response(part.grid_nm, axis)) for axis, part in zip(axes, parts, strict=True)]


def collected_light(plasma, survey=False):
    """Photons in each channel, up to a constant factor (gain, solid angle): (n, n_channels), float32."""
    parts = [part.radiance(plasma) @ response * axis.astype(np.float32) for axis, part, response in _ranges(survey)]
    return np.concatenate(parts, axis=1)


@cache
def _exposure():
    """The camera, and photoelectrons for one unit of `collected_light`, as set on the reference soil."""
    camera = dict(settings()["camera"])
    exposure = camera.pop("exposure")
    camera = IntensifiedCamera(**camera)
    brightest = exposure * camera.full_scale / camera.counts_per_photoelectron
    return camera, brightest / float(collected_light(nominal_plasma()).max())


def noiseless_counts(plasma):
    """Counts of one shot of each plasma in the windows, without any noise: (n, n_channels)."""
    camera, sensitivity = _exposure()
    signal = camera.counts_per_photoelectron * sensitivity * collected_light(plasma)
    return np.minimum(camera.dark_offset + signal, camera.full_scale)


def measure(soils, n_replicates=1, n_shots=100, survey=False, random_state=0, progress=None):
    """Measure soils: every replicate is another pellet, every spectrum the mean of `n_shots` laser shots.

    survey : the whole range of 200-975 nm in place of the three windows
    progress : called with the number of spectra done and to do
    Returns a SpectralDataset of counts with n_soils x n_replicates rows, sample by sample; `samples` holds sample_id,
    range and replicate, `properties` ca_ppm, mg_ppm and na_ppm. A row depends on its place and `random_state` alone,
    from nine shots on; with fewer, profiles are exact in small batches and interpolated in large ones (0.2 %).
    """
    n_soils = len(soils.samples)
    soil_of_row = np.repeat(np.arange(n_soils), n_replicates)
    n_rows = len(soil_of_row)
    seeds = np.random.SeedSequence(random_state).spawn(n_rows)
    at_once = 1 if survey else _ROWS_AT_ONCE
    spectra = []
    for start in range(0, n_rows, at_once):
        batch = slice(start, start + at_once)
        spectra.append(_measure_batch(soils, soil_of_row[batch], seeds[batch], n_shots, survey))
        if progress is not None:
            progress(min(start + at_once, n_rows), n_rows)
    samples = soils.samples.iloc[soil_of_row].reset_index(drop=True)
    contents = [f"{target}_ppm" for target in TARGETS]
    return SpectralDataset(
        spectra=np.concatenate(spectra).astype(np.float32),
        axis=np.concatenate([axis for axis, _, _ in _ranges(survey)]),
        axis_unit="nm",
        signal="counts",
        properties=samples[contents],
        samples=samples.drop(columns=contents).assign(replicate=np.tile(np.arange(1, n_replicates + 1), n_soils)),
        provenance={
            "origin": "simulated",
            "source": "spectrakit simulate libs",
            "seed": random_state,
            **settings()["recorded"],
            "shots": n_shots,
        },
    )


def _measure_batch(soils, soil_of_row, seeds, n_shots, survey):
    """Mean counts (n_rows, n_channels), one row a pellet.

    In a survey the shots of a pellet share one plasma, that of their mean offsets; their noise differs.
    """
    camera, sensitivity = _exposure()
    generators = [np.random.default_rng(seed) for seed in seeds]
    offsets = [
        (draw_scatter("shot", n_shots, generator) + draw_scatter("measurement", 1, generator).iloc[0])
        * soils.scatter_scale.iloc[soil]
        + soils.matrix_offset.iloc[soil]
        for soil, generator in zip(soil_of_row, generators, strict=True)
    ]
    if survey:
        offsets = [frame.mean().to_frame().T for frame in offsets]
    offsets = pd.concat(offsets, ignore_index=True)
    plasmas_per_row = len(offsets) // len(soil_of_row)
    composition = soils.composition_ppm.iloc[np.repeat(soil_of_row, plasmas_per_row)]
    # The emitting face of the plume grows with the ablated mass to the power 2/3.
    face = np.exp(offsets["ablated_mass"].to_numpy(np.float32) * (2 / 3))[:, None]
    light = sensitivity * face * collected_light(shots_plasma(composition, offsets), survey)
    light = light.reshape(len(soil_of_row), plasmas_per_row, -1)
    light = np.broadcast_to(light, (len(soil_of_row), n_shots, light.shape[-1]))
    return np.stack([camera.expose(shots, g).mean(0) for shots, g in zip(light, generators, strict=True)])


def simulate_libs(n_replicates=1, survey=False, random_state=0, progress=None):
    """The experiment of the study as one dataset: 24 soils x `n_replicates`, 100 shots each."""
    n_shots = settings()["recorded"]["shots"]
    return measure(study_soils(random_state), n_replicates, n_shots, survey, random_state, progress)
