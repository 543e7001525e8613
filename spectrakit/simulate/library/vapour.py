"""Lines of water vapour and carbon dioxide in the air of the beam.

Any difference between the air in the beam and that of the background spectrum remains in a spectrum as these lines.
Levels and strengths follow from rotational constants: a line list would be longer than this module, and finer than
spectrometers of 4 and 8 cm-1 resolve.
"""

from functools import cache

import numpy as np

from spectrakit.simulate.instruments import FWHM_PER_SIGMA

_KT = 0.6950348 * 296.0  # cm-1, at room temperature
_MAX_J = 14
# Water, cm-1: A, B, C, then the quartic constants Delta_J, Delta_JK, Delta_K, delta_J, delta_K (Watson's A reduction),
# as common in the literature and rounded. They agree with the measured levels of the ground state up to J = 3 within
# 0.08 cm-1 (Tennyson et al. 2013, in the tests); lines of high J would need higher constants.
_DISTORTION = (1.254e-3, -5.77e-3, 3.246e-2, 5.07e-4, 1.37e-3)
_GROUND = (27.8806, 14.5218, 9.2777, *_DISTORTION)
_BENDING = (31.0847, 14.6748, 9.1361, 1.40e-3, -7.6e-3, 5.77e-2, 5.8e-4, 3.6e-3)
_SYMMETRIC = (27.1388, 14.2991, 9.1046, *_DISTORTION)
_ASYMMETRIC = (26.6480, 14.4313, 9.1382, *_DISTORTION)
# Band: origin (cm-1), upper state, axis of the changing dipole, strength relative to the bending (Rothman et al. 2013).
_WATER_BANDS = (
    (1594.746, _BENDING, "b", 1.0),
    (3657.053, _SYMMETRIC, "b", 0.047),
    (3755.929, _ASYMMETRIC, "a", 0.69),
)
# Carbon dioxide, asymmetric stretch: origin, rotational constants below and above (Herzberg 1945).
_CO2_ORIGIN, _CO2_BELOW, _CO2_ABOVE = 2349.14, 0.39022, 0.38714


@cache
def water_vapour_lines():
    """Lines of water vapour in room air: wavenumber (cm-1) and strength relative to the strongest, two arrays (n,)."""
    lines = [
        (origin + centre, band_strength * strength)
        for origin, constants, axis, band_strength in _WATER_BANDS
        for centre, strength in _asymmetric_rotor_lines(constants, axis)
    ]
    return _notable(np.array(lines).T)


@cache
def carbon_dioxide_lines():
    """Lines of the asymmetric stretch of carbon dioxide in room air: as for `water_vapour_lines`."""
    j = np.arange(0, 80, 2)  # nuclear spins allow even J only
    weight = np.exp(-_CO2_BELOW * j * (j + 1) / _KT)
    branches = [
        (_CO2_ORIGIN + _CO2_ABOVE * upper * (upper + 1) - _CO2_BELOW * j * (j + 1), strength)
        for upper, strength in ((j + 1, weight * (j + 1)), (j - 1, weight * j))
    ]
    return _notable(np.concatenate(branches, axis=1))


def residue(lines, wavenumber, fwhm):
    """Absorbance of weak lines at a Gaussian line shape, 1 at its maximum: (n_channels,).

    lines : wavenumbers and strengths; wavenumber : (n_channels,) cm-1; fwhm : of the line shape, cm-1
    """
    centres, strengths = lines
    distance = (np.asarray(wavenumber)[:, None] - centres) / (fwhm / FWHM_PER_SIGMA)
    spectrum = np.exp(-(distance**2) / 2) @ strengths
    return spectrum / spectrum.max()


def _notable(lines):
    """Lines of at least a thousandth of the strongest one's strength, ascending: wavenumbers and strengths."""
    centres, strengths = lines[:, np.argsort(lines[0])]
    kept = strengths > 1e-3 * strengths.max()
    return centres[kept], strengths[kept] / strengths.max()


def rotor_levels(constants, j):
    """Levels of an asymmetric rotor: energies (2j + 1,), cm-1, ascending; their states in columns, over K = -j ... j.

    constants : A, B, C, Delta_J, Delta_JK, Delta_K, delta_J, delta_K in cm-1; the a axis is that of K
    Source: Watson 1977, A reduction in the representation I r.
    """
    a, b, c, d_j, d_jk, d_k, small_j, small_k = constants
    k, square = np.arange(-j, j + 1), j * (j + 1)
    diagonal = (b + c) / 2 * square + (a - (b + c) / 2) * k**2 - d_j * square**2 - d_jk * square * k**2 - d_k * k**4
    low = k[:-2]
    steps = (square - low * (low + 1)) * (square - (low + 1) * (low + 2))
    beside = ((b - c) / 4 - small_j * square - small_k / 2 * (low**2 + (low + 2) ** 2)) * np.sqrt(steps)
    hamiltonian, rows = np.diag(diagonal.astype(float)), np.arange(len(low))
    # The solver reads the lower triangle.
    hamiltonian[rows + 2, rows] = beside
    return np.linalg.eigh(hamiltonian)


def _asymmetric_rotor_lines(upper_constants, axis):
    """Lines of a band of water: pairs of distance from the origin (cm-1) and strength.

    axis : 'a' or 'b', along which the dipole changes
    """
    below = [rotor_levels(_GROUND, j) for j in range(_MAX_J + 1)]
    above = [rotor_levels(upper_constants, j) for j in range(_MAX_J + 1)]
    for j, (energies, states) in enumerate(below):
        # Ortho levels, whose states change sign under half a turn about the b axis, count three times.
        turned = (states[::-1] * (-1.0) ** j * states).sum(axis=0)
        weights = np.where(turned < 0, 3.0, 1.0) * np.exp(-energies / _KT)
        for k in range(max(j - 1, 0), min(j + 1, _MAX_J) + 1):
            upper_energies, upper_states = above[k]
            strength = (upper_states.T @ _direction_cosine(j, k, axis) @ states) ** 2 * weights
            for row, column in np.argwhere(strength > 1e-6):
                yield upper_energies[row] - energies[column], strength[row, column]


def _direction_cosine(j, upper, axis):
    """Reduced elements of a molecular axis in symmetric-top states: (2 upper + 1, 2 j + 1).

    The a axis keeps K, the b axis changes it by one. They are Clebsch-Gordan coefficients of j with 1.
    """
    matrix = np.zeros((2 * upper + 1, 2 * j + 1))
    for k in range(-j, j + 1):
        for q, factor in ((0, 1.0),) if axis == "a" else ((1, -np.sqrt(0.5)), (-1, np.sqrt(0.5))):
            if abs(k + q) <= upper:
                matrix[k + q + upper, k + j] = factor * _clebsch_gordan(j, k, q, upper) * np.sqrt(2 * j + 1)
    return matrix


def _clebsch_gordan(j, k, q, upper):
    """Coefficient <j k 1 q | upper k + q>; Source: Condon and Shortley 1935, table 2."""
    m = k + q
    if upper == j + 1:
        top = {1: (j + m) * (j + m + 1), 0: 2 * (j - m + 1) * (j + m + 1), -1: (j - m) * (j - m + 1)}[q]
        return np.sqrt(top / ((2 * j + 1) * (2 * j + 2)))
    if upper == j:
        if q == 0:
            return m / np.sqrt(j * (j + 1)) if m else 0.0
        return -q * np.sqrt((j + q * m) * (j - q * m + 1) / (2 * j * (j + 1)))
    top = {1: (j - m) * (j - m + 1), 0: 2 * (j - m) * (j + m), -1: (j + m + 1) * (j + m)}[q]
    return (-1 if q == 0 else 1) * np.sqrt(top / (2 * j * (2 * j + 1)))
