"""What do different laboratories make of the same ground soil: their infrared spectrometers, preparation and habits?"""

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import pandas as pd
from scipy import sparse

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import FWHM_PER_SIGMA
from spectrakit.simulate.library.vapour import carbon_dioxide_lines, residue, water_vapour_lines
from spectrakit.simulate.soils import INFRARED_CONSTITUENTS, soil_absorbance
from spectrakit.spectra import library_axis

# Soils are made on this axis and seen through an instrument's line shape on its own; it reaches far enough beyond the
# library's ends for the widest line shape and the largest shift.
TRUE_AXIS = np.arange(570.0, 4034.0, 2.0)
# Noise grows towards the end of the detector's or the window's range, and beyond 3,000 cm-1, where sources emit
# less: factors at the low end and at 4,000 cm-1, and the distances (cm-1) over which they fall to 1/e. A
# semiconductor (MCT) stops answering within some ten cm-1, a thermal detector (DTGS) behind a window fades.
END_NOISE = {"MCT": (10.0, 20.0, 1.5, 300.0), "DTGS": (4.0, 60.0, 2.5, 300.0)}
# The lowest reflectance that a digitised signal gives.
_DARK = 1e-4
# From sample to sample: spread of the logarithm of what grinding leaves, and of the water that a dried sample takes up.
GRINDING_SPREAD, MOISTURE_SPREAD = 0.08, 0.08


@dataclass(frozen=True)
class InfraredSpectrometer:
    """A Fourier-transform spectrometer in diffuse reflection, with its own faults: constants and jitter between scans.

    detector : a key of END_NOISE; low_per_cm : where detector or window end
    step_per_cm, resolution_per_cm : of its own axis; full width at half maximum of the (Gaussian) line shape
    noise : standard deviation of reflectance in the middle of the range
    shift_per_cm, stretch_ppm : a band at v is reported at v (1 + stretch 1e-6) + shift
    offset, slope, curvature : absorbance added, by powers 0, 1, 2 of a coordinate of -1 at 600 and 1 at 4000 cm-1 (the
        square less its mean of 1/3); gain : factor of absorbance
    vapour, carbon_dioxide : absorbance of the highest line of what is left of either
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
        """Its own channels as reported: multiples of its step that enclose the library's axis, (n_own,) cm-1."""
        low, high = library_axis()[[0, -1]]
        return self.step_per_cm * np.arange(np.floor(low / self.step_per_cm), np.ceil(high / self.step_per_cm) + 1)

    def reported(self, wavenumber):
        """Where it reports a band of true wavenumber (cm-1)."""
        return np.asarray(wavenumber) * (1 + 1e-6 * self.stretch_ppm) + self.shift_per_cm

    def noise_at(self, wavenumber):
        """Standard deviation of reflectance at wavenumbers (cm-1)."""
        low, low_reach, high, high_reach = END_NOISE[self.detector]
        wavenumber = np.asarray(wavenumber, float)
        at_low = (low - 1) * np.exp(-np.maximum(wavenumber - self.low_per_cm, 0) / low_reach)
        return self.noise * (1 + at_low + (high - 1) * np.exp(-np.abs(4000 - wavenumber) / high_reach))

    def measure(self, absorbance, generator):
        """Spectra as the instrument gives them, interpolated to `library_axis`: float32 (n, 1700) of absorbance.

        absorbance : (n, n_true) true log10 1/R on TRUE_AXIS
        """
        optics, n = spectrometer_optics(self), len(absorbance)

        def normal(*shape):
            return generator.standard_normal(shape, dtype=np.float32)

        # Line shape and noise act on light, not on its logarithm.
        reflectance = (10 ** -np.asarray(absorbance, np.float32)) @ optics.response
        reflectance += optics.noise * normal(*reflectance.shape)
        measured = -np.log10(np.maximum(reflectance, np.float32(_DARK)))
        shift = np.float32(self.shift_jitter_per_cm / self.step_per_cm) * normal(n, 1)
        measured -= shift * np.gradient(measured, axis=1)
        measured *= np.float32(self.gain) + np.float32(self.gain_jitter) * normal(n, 1)
        measured += (optics.baseline + np.float32(self.baseline_jitter) * normal(n, 3)) @ optics.powers
        measured += (optics.air * (1 + np.float32(self.vapour_jitter) * normal(n, 2))) @ optics.lines
        return measured @ optics.to_library


@dataclass(frozen=True)
class _Optics:
    """Matrices of an instrument: what `InfraredSpectrometer.measure` multiplies with."""

    response: sparse.csc_array
    noise: np.ndarray
    baseline: np.ndarray
    powers: np.ndarray
    air: np.ndarray
    lines: np.ndarray
    to_library: sparse.csc_array


@cache
def spectrometer_optics(instrument):
    """What a spectrometer makes of the light, computed once: response, lines of the air, way to the library's axis."""
    axis = instrument.axis
    true = (axis - instrument.shift_per_cm) / (1 + 1e-6 * instrument.stretch_ppm)
    sigma = instrument.resolution_per_cm / FWHM_PER_SIGMA
    distance = (TRUE_AXIS[:, None] - true) / sigma
    weights = np.where(np.abs(distance) < 4, np.exp(-(distance**2) / 2), 0)
    place = (axis - 2300) / 1700
    air = (water_vapour_lines(), carbon_dioxide_lines())
    lines = [residue(found, true, instrument.resolution_per_cm) for found in air]
    return _Optics(
        response=sparse.csc_array((weights / weights.sum(0)).astype(np.float32)),
        noise=instrument.noise_at(axis).astype(np.float32),
        baseline=np.array([instrument.offset, instrument.slope, instrument.curvature], np.float32),
        powers=np.array([np.ones_like(place), place, place**2 - 1 / 3], np.float32),
        air=np.array([instrument.vapour, instrument.carbon_dioxide], np.float32),
        lines=np.array(lines, np.float32),
        to_library=_interpolation(axis, library_axis()),
    )


def _interpolation(axis, new_axis):
    """Linear interpolation from one axis to another that it encloses, as a sparse matrix (n_channels, n_new)."""
    right = np.clip(np.searchsorted(axis, new_axis), 1, len(axis) - 1)
    share = (new_axis - axis[right - 1]) / (axis[right] - axis[right - 1])
    rows, columns = np.concatenate([right - 1, right]), np.tile(np.arange(len(new_axis)), 2)
    values = np.concatenate([1 - share, share]).astype(np.float32)
    return sparse.csc_array((values, (rows, columns)), shape=(len(axis), len(new_axis)))


@dataclass(frozen=True)
class Laboratory:
    """A laboratory: its spectrometer, its preparation, the temperature that it ignites at.

    grain_factor : diameter of the grains that it scans over that of the sieved soil
    moisture : water in its dried samples over that of air-dry soil
    ignition_c : temperature of its furnace, degrees C
    comment : what its numbers stand for
    """

    name: str
    spectrometer: InfraredSpectrometer
    grain_factor: float
    moisture: float
    ignition_c: float
    comment: str

    def scan(self, composition, grain_um, variation, generator):
        """Spectra of sieved soils once the laboratory has prepared them: float32 (n, 1700) of absorbance.

        composition : (n, n_infrared) in the order of INFRARED_CONSTITUENTS; grain_um : (n,) of the sieved soils
        variation : of their constituents, as `draw_infrared_variation` draws it
        """
        prepared = np.array(composition, np.float32)
        own = generator.standard_normal((2, len(prepared)), dtype=np.float32)
        prepared[:, INFRARED_CONSTITUENTS.index("water")] *= self.moisture * np.exp(MOISTURE_SPREAD * own[0])
        ground = np.asarray(grain_um, np.float32) * self.grain_factor * np.exp(GRINDING_SPREAD * own[1])
        return self.spectrometer.measure(soil_absorbance(prepared, ground, TRUE_AXIS, variation), generator)


@cache
def laboratories():
    """The laboratories of data/soils/laboratories.csv: dict of name to `Laboratory`, the national one first."""
    table = pd.read_csv(data_path("soils", "laboratories.csv"))
    own = [field.name for field in fields(InfraredSpectrometer)]
    return {
        row["laboratory"]: Laboratory(
            name=row["laboratory"],
            spectrometer=InfraredSpectrometer(**{name: row[name] for name in own}),
            **{name: row[name] for name in ("grain_factor", "moisture", "ignition_c", "comment")},
        )
        for row in table.to_dict("records")
    }
