"""Instruments: echelle spectrometer, intensified camera, reflectance spectrometers; what they record of light."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import erf

FWHM_PER_SIGMA = 2.3548200450309493


def normal(generator, *shape):
    """Standard normal numbers, float32."""
    return generator.standard_normal(shape, dtype=np.float32)


def sparse_ranges(first, end):
    """Indices of a compressed sparse matrix whose line i has values from first[i] to end[i] - 1.

    Returns the line and the place of every value, (n_values,) each, and scipy's pointer (n_lines + 1,).
    """
    counts = end - first
    pointer = np.concatenate([[0], np.cumsum(counts)])
    line = np.repeat(np.arange(len(first)), counts)
    return line, np.arange(pointer[-1]) - np.repeat(pointer[:-1] - first, counts), pointer


@dataclass(frozen=True)
class EchelleSpectrometer:
    """A spectrometer whose resolution element is a fixed share of the wavelength.

    resolving_power : wavelength over the full width at half maximum of the (Gaussian) line-spread function
    """

    resolving_power: float = 5000.0

    def resolution_nm(self, wavelength_nm):
        """Width (nm) of one resolution element, full width at half maximum."""
        return np.asarray(wavelength_nm, float) / self.resolving_power

    def response(self, grid_nm, axis_nm):
        """Share of the light of each fine wavelength that falls into each channel, times the grid's step.

        grid_nm : (n_grid,) ascending fine wavelengths that reach four standard deviations beyond the axis
        axis_nm : (n_channels,) ascending centres of the channels; a channel ends halfway to its neighbour
        Returns a sparse matrix (n_grid, n_channels), nm: radiance per nm times it gives radiance in each channel.
        """
        middle = (axis_nm[1:] + axis_nm[:-1]) / 2
        edges = np.concatenate([[2 * axis_nm[0] - middle[0]], middle, [2 * axis_nm[-1] - middle[-1]]])
        sigma = self.resolution_nm(axis_nm) / FWHM_PER_SIGMA
        first, end = (np.searchsorted(grid_nm, edge) for edge in (edges[:-1] - 4 * sigma, edges[1:] + 4 * sigma))
        channel, point, pointer = sparse_ranges(first, end)
        scale = np.sqrt(2) * sigma[channel]
        share = erf((edges[channel + 1] - grid_nm[point]) / scale) - erf((edges[channel] - grid_nm[point]) / scale)
        values = (0.5 * share * np.gradient(grid_nm)[point]).astype(np.float32)
        return sparse.csc_array((values, point, pointer), shape=(len(grid_nm), len(axis_nm)))


@dataclass(frozen=True)
class IntensifiedCamera:
    """An intensified CCD (ICCD) read out to 16 bits.

    counts_per_photoelectron : gain
    excess_noise : factor of the intensifier on the variance of the photon noise
    dark_offset : counts without light
    readout_noise : standard deviation of the readout, counts
    full_scale : highest count
    """

    counts_per_photoelectron: float
    excess_noise: float
    dark_offset: float
    readout_noise: float
    full_scale: int = 65535

    def expose(self, photoelectrons, generator):
        """Whole counts of single exposures; the shape of `photoelectrons` (mean numbers per channel), float32."""
        signal = np.asarray(photoelectrons, np.float32)
        variance = self.counts_per_photoelectron**2 * self.excess_noise * signal + self.readout_noise**2
        noise = normal(generator, *signal.shape) * np.sqrt(variance)
        counts = np.rint(self.dark_offset + self.counts_per_photoelectron * signal + noise)
        return np.clip(counts, 0, self.full_scale)


@dataclass(frozen=True)
class Detector:
    """One of the detectors that share the range of a reflectance spectrometer.

    low_nm, high_nm : its range; fwhm_nm : bandwidth, full width at half maximum
    noise : standard deviation of one scan's reflectance; edge_noise : factor on it at the end that `edge` names ('low',
        'high' or 'none'), where the detector is least sensitive
    gain_spread : standard deviation of the relative step against its neighbours, from sample to sample
    """

    low_nm: float
    high_nm: float
    fwhm_nm: float
    noise: float
    edge: str = "none"
    edge_noise: float = 1.0
    gain_spread: float = 0.0

    def noise_at(self, wavelength):
        """Standard deviation of one scan's reflectance at wavelengths (nm) inside the range."""
        far = {"low": self.low_nm, "high": self.high_nm, "none": np.inf}[self.edge]
        return self.noise * (1 + (self.edge_noise - 1) * np.exp(-np.abs(wavelength - far) / 40.0))


@dataclass(frozen=True)
class ReflectanceSpectrometer:
    """An instrument that compares a soil with a white reference, channel by channel.

    low_nm, high_nm : first and last channel; channels are 1 nm apart
    scans : scans averaged in one measurement
    reference_spread : standard deviation of the relative error of the white reference, one for all channels
    detectors : tuple of `Detector`, in ascending order and without gaps
    """

    name: str
    low_nm: int
    high_nm: int
    scans: int
    reference_spread: float
    detectors: tuple

    @property
    def wavelength(self):
        """The channels, (n_channels,) nm."""
        return np.arange(self.low_nm, self.high_nm + 1, dtype=float)

    def measure(self, reflectance, generator):
        """Spectra as the instrument records them, float32 (n, n_channels).

        reflectance : (n, n_channels) true reflectance on `wavelength`
        """
        axis = self.wavelength
        starts = [np.searchsorted(axis, detector.low_nm) for detector in self.detectors]
        widths = np.diff([*starts, len(axis)])
        fwhm = np.repeat([detector.fwhm_nm for detector in self.detectors], widths)
        measured = _blur(np.asarray(reflectance, np.float32), axis, fwhm)
        gain = 1 + self.reference_spread * normal(generator, len(measured), 1)
        for detector, start, width in zip(self.detectors, starts, widths, strict=True):
            step = 1 + detector.gain_spread * normal(generator, len(measured), 1)
            channels = slice(start, start + width)
            noise = (detector.noise_at(axis[channels]) / np.sqrt(self.scans)).astype(np.float32)
            part = measured[:, channels]
            part *= gain * step
            part += noise * normal(generator, *part.shape)
        return np.maximum(measured, 1e-4, out=measured)


# LUCAS: one grating, a silicon and a lead sulphide detector; two scans of a sample in the rotating cup, 0.5 nm steps.
# Two 0.5 nm channels are averaged to one of 1 nm, which counts as twice the scans. Bandwidth: FOSS XDS data sheet.
FOSS_XDS = ReflectanceSpectrometer(
    name="FOSS XDS Rapid Content Analyzer",
    low_nm=400,
    high_nm=2499,
    scans=4,
    reference_spread=0.003,
    detectors=(
        Detector(400, 1100, 8.75, 3e-4, edge="low", edge_noise=3.0),
        Detector(1100, 2500, 8.75, 1.5e-4, edge="high", edge_noise=3.0, gain_spread=0.001),
    ),
)
# Gejiu: three spectrometers behind one fibre bundle; their steps at 1000 and 1830 nm come from temperature and from the
# three fields of view (Beal and Eamon 1996). Five measurements are averaged, 350-399 nm are cut off. Bandwidth and
# noise equivalent reflectance: ASD FieldSpec 3 manual.
ASD_FIELDSPEC_3 = ReflectanceSpectrometer(
    name="ASD FieldSpec 3",
    low_nm=400,
    high_nm=2499,
    scans=5,
    reference_spread=0.01,
    detectors=(
        Detector(350, 1000, 3.0, 4e-4, edge="low", edge_noise=4.0),
        Detector(1000, 1830, 10.0, 3e-4, gain_spread=0.006),
        Detector(1830, 2500, 10.0, 8e-4, edge="high", edge_noise=4.0, gain_spread=0.006),
    ),
)


def _blur(spectra, axis, fwhm):
    """Spectra (n, n_channels) at Gaussian bandwidths fwhm (n_channels,), nm, on an evenly spaced axis.

    In blocks of 128 channels, because a band matrix of 2,100 channels is nearly all zeros.
    """
    sigma = fwhm / FWHM_PER_SIGMA
    reach = int(np.ceil(4 * sigma.max() / (axis[1] - axis[0])))
    blurred = np.empty_like(spectra)
    for start in range(0, len(axis), 128):
        out = slice(start, start + 128)
        near = slice(max(start - reach, 0), start + 128 + reach)
        weights = np.exp(-(((axis[near, None] - axis[out]) / sigma[out]) ** 2) / 2)
        blurred[:, out] = spectra[:, near] @ (weights / weights.sum(0)).astype(np.float32)
    return blurred
