"""Laboratories with their infrared spectrometers, their preparation of samples and their analyses."""

from dataclasses import dataclass, fields
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.interpolate import BSpline

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import FWHM_PER_SIGMA, normal
from spectrakit.simulate.library.vapour import carbon_dioxide_lines, residue, water_vapour_lines
from spectrakit.simulate.soils import INFRARED_CONSTITUENTS, soil_absorbance
from spectrakit.spectra import library_axis

# True spectra have this axis, from which an instrument's line shape leads to the instrument's axis; it extends far
# enough beyond the library's ends for the widest line shape and the largest shift.
TRUE_AXIS = np.arange(570.0, 4034.0, 2.0)
# Noise grows towards the end of the detector's or the window's range, and beyond 3,000 cm-1, where sources emit
# less: factors at the low end and at 4,000 cm-1, and the distances (cm-1) over which they fall to 1/e. The response of
# a semiconductor (MCT) ends within some ten cm-1, that of a thermal detector (DTGS) behind a window gradually.
END_NOISE = {"MCT": (10.0, 20.0, 1.5, 300.0), "DTGS": (4.0, 60.0, 2.5, 300.0)}
# The lowest reflectance that a digitised signal gives.
_DARK = 1e-4
# Standard deviations between samples of the logarithm of grain size after grinding, and of the water in dried samples.
GRINDING_SPREAD, MOISTURE_SPREAD = 0.08, 0.08


@dataclass(frozen=True)
class InfraredSpectrometer:
    """A Fourier-transform spectrometer in diffuse reflection, with its errors: constants and jitter between scans.

    detector : a key of END_NOISE; low_per_cm : low end of detector or window
    step_per_cm : of the instrument's axis; resolution_per_cm : full width at half maximum of the (Gaussian) line shape
    noise : standard deviation of reflectance in the middle of the range
    shift_per_cm, stretch_ppm : a band at v is reported at v (1 + stretch 1e-6) + shift
    offset, slope, curvature : absorbance added, by powers 0, 1, 2 of a coordinate of -1 at 600 and 1 at 4000 cm-1 (the
        square less its mean of 1/3); gain : factor of absorbance
    vapour, carbon_dioxide : absorbance of the highest line of either that the background spectrum does not remove
    shift_jitter_per_cm, baseline_jitter, gain_jitter, vapour_jitter : standard deviations between scans, the last one
        relative to vapour and carbon_dioxide

    Raises ValueError for an unknown detector and an instrument that ends above 600 cm-1.
    """

    instrument: str
    detector: str
    step_per_cm: float
    resolution_per_cm: float
    low_per_cm: float
    noise: float
    shift_per_cm: float
    stretch_ppm: float
    offset: float
    slope: float
    curvature: float
    gain: float
    vapour: float
    carbon_dioxide: float
    shift_jitter_per_cm: float
    baseline_jitter: float
    gain_jitter: float
    vapour_jitter: float

    def __post_init__(self):
        if self.detector not in END_NOISE:
            raise ValueError(f"{self.instrument}: detector {self.detector!r}: give one of {', '.join(END_NOISE)}")
        if self.low_per_cm > library_axis()[0]:
            raise ValueError(f"{self.instrument}: it ends at {self.low_per_cm:g} cm-1; the library begins at 600 cm-1")

    @property
    def axis(self):
        """The instrument's channels: multiples of its step that enclose the library's axis, (n_channels,) cm-1."""
        low, high = library_axis()[[0, -1]]
        return self.step_per_cm * np.arange(np.floor(low / self.step_per_cm), np.ceil(high / self.step_per_cm) + 1)

    def reported(self, wavenumber):
        """Reported wavenumber of a band of true wavenumber (cm-1)."""
        return np.asarray(wavenumber) * (1 + 1e-6 * self.stretch_ppm) + self.shift_per_cm

    def noise_at(self, wavenumber):
        """Standard deviation of reflectance at wavenumbers (cm-1)."""
        low, low_reach, high, high_reach = END_NOISE[self.detector]
        wavenumber = np.asarray(wavenumber, float)
        at_low = (low - 1) * np.exp(-np.maximum(wavenumber - self.low_per_cm, 0) / low_reach)
        return self.noise * (1 + at_low + (high - 1) * np.exp(-np.abs(4000 - wavenumber) / high_reach))

    def measure(self, absorbance, generator):
        """Spectra as the instrument records them, interpolated to `library_axis`: float32 (n, 1700) of absorbance.

        absorbance : (n, n_true) true log10 1/R on TRUE_AXIS
        """
        optics, n = spectrometer_optics(self), len(absorbance)
        # Line shape and noise act on light, not on its logarithm.
        reflectance = (10 ** -np.asarray(absorbance, np.float32)) @ optics.response
        reflectance += optics.noise * normal(generator, *reflectance.shape)
        measured = -np.log10(np.maximum(reflectance, np.float32(_DARK)))
        shift = np.float32(self.shift_jitter_per_cm / self.step_per_cm) * normal(generator, n, 1)
        measured -= shift * np.gradient(measured, axis=1)
        measured *= np.float32(self.gain) + np.float32(self.gain_jitter) * normal(generator, n, 1)
        measured += (optics.baseline + np.float32(self.baseline_jitter) * normal(generator, n, 3)) @ optics.powers
        measured += (optics.air * (1 + np.float32(self.vapour_jitter) * normal(generator, n, 2))) @ optics.lines
        return measured @ optics.to_library


@cache
def spectrometer_optics(instrument):
    """Matrices of `InfraredSpectrometer.measure`, computed once: a namespace.

    response : of the true axis to the instrument's; noise : of its channels; baseline and powers : its coefficients and
    terms; air and lines : strength and spectra of water vapour and carbon dioxide; to_library : interpolation
    """
    axis = instrument.axis
    true = (axis - instrument.shift_per_cm) / (1 + 1e-6 * instrument.stretch_ppm)
    distance = (TRUE_AXIS[:, None] - true) / (instrument.resolution_per_cm / FWHM_PER_SIGMA)
    weights = np.where(np.abs(distance) < 4, np.exp(-(distance**2) / 2), 0)
    place = (axis - 2300) / 1700
    gases = water_vapour_lines(), carbon_dioxide_lines()
    return SimpleNamespace(
        response=sparse.csc_array((weights / weights.sum(0)).astype(np.float32)),
        noise=instrument.noise_at(axis).astype(np.float32),
        baseline=np.array([instrument.offset, instrument.slope, instrument.curvature], np.float32),
        powers=np.array([np.ones_like(place), place, place**2 - 1 / 3], np.float32),
        air=np.array([instrument.vapour, instrument.carbon_dioxide], np.float32),
        lines=np.array([residue(gas, true, instrument.resolution_per_cm) for gas in gases], np.float32),
        # Splines of degree one: linear interpolation.
        to_library=BSpline.design_matrix(library_axis(), np.pad(axis, 1, mode="edge"), 1).T.astype(np.float32),
    )


@dataclass(frozen=True)
class Laboratory:
    """A laboratory: its spectrometer, its preparation of samples, its ignition temperature.

    grain_factor : diameter of the ground grains divided by that of the sieved soil
    moisture : water in dried samples divided by that of air-dry soil
    ignition_c : temperature of the furnace, degrees C
    comment : what the numbers represent
    """

    name: str
    spectrometer: InfraredSpectrometer
    grain_factor: float
    moisture: float
    ignition_c: float
    comment: str

    def scan(self, composition, grain_um, variation, generator):
        """Spectra of sieved soils after the laboratory's preparation: float32 (n, 1700) of absorbance.

        composition : (n, n_infrared) in the order of INFRARED_CONSTITUENTS; grain_um : (n,) of the sieved soils
        variation : InfraredVariation of their constituents
        """
        prepared = np.array(composition, np.float32)
        moisture, grinding = normal(generator, 2, len(prepared))
        prepared[:, INFRARED_CONSTITUENTS.index("water")] *= self.moisture * np.exp(MOISTURE_SPREAD * moisture)
        ground = np.asarray(grain_um, np.float32) * self.grain_factor * np.exp(GRINDING_SPREAD * grinding)
        return self.spectrometer.measure(soil_absorbance(prepared, ground, TRUE_AXIS, variation), generator)


@cache
def laboratories():
    """The laboratories of data/soils/laboratories.csv: dict of name to `Laboratory`, the national one first."""
    by_name, of_spectrometer = {}, [field.name for field in fields(InfraredSpectrometer)]
    for row in pd.read_csv(data_path("soils", "laboratories.csv")).to_dict("records"):
        spectrometer = InfraredSpectrometer(**{name: row.pop(name) for name in of_spectrometer})
        name = row.pop("laboratory")
        by_name[name] = Laboratory(name, spectrometer, **row)
    return by_name
