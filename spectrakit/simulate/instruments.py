"""What does an instrument make of the light that reaches it?"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import erf

_FWHM_PER_SIGMA = 2.3548200450309493


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
        sigma = self.resolution_nm(axis_nm) / _FWHM_PER_SIGMA
        first = np.searchsorted(grid_nm, edges[:-1] - 4 * sigma)
        counts = np.searchsorted(grid_nm, edges[1:] + 4 * sigma) - first
        pointer = np.concatenate([[0], np.cumsum(counts)])
        channel = np.repeat(np.arange(len(axis_nm)), counts)
        point = np.arange(pointer[-1]) - np.repeat(pointer[:-1] - first, counts)
        scale = np.sqrt(2) * sigma[channel]
        share = erf((edges[channel + 1] - grid_nm[point]) / scale) - erf((edges[channel] - grid_nm[point]) / scale)
        values = (0.5 * share * np.gradient(grid_nm)[point]).astype(np.float32)
        return sparse.csc_array((values, point, pointer), shape=(len(grid_nm), len(axis_nm)))


@dataclass(frozen=True)
class IntensifiedCamera:
    """An intensified CCD (ICCD) read out to 16 bits.

    counts_per_photoelectron : gain
    excess_noise : factor by which the intensifier raises the variance of the photon noise
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
        noise = generator.standard_normal(signal.shape, dtype=np.float32) * np.sqrt(variance)
        counts = np.rint(self.dark_offset + self.counts_per_photoelectron * signal + noise)
        return np.clip(counts, 0, self.full_scale)
