"""Light of a plasma of given composition, temperature and electron density.

Local thermodynamic equilibrium in a uniform slab: Saha for ionisation, Boltzmann for levels, Voigt for profiles,
Kirchhoff for self-absorption. The first axis of arrays counts plasmas; a laser shot is one plasma.
Sources of the equations: Griem, Principles of Plasma Spectroscopy (1997); Thorne, Litzén & Johansson, Spectrophysics
(1999).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.special import voigt_profile

from spectrakit.simulate.instruments import sparse_ranges
from spectrakit.simulate.libs.atoms import (
    ATOMIC_MASS,
    ELEMENTS,
    doppler_sigma,
    ionisation_energy,
    line_table,
    partition_function,
    stark_fwhm,
)

BOLTZMANN_EV = 8.617333262e-5  # eV/K
PLANCK_LIGHT_EV_NM = 1239.841984  # h c, eV nm
LIGHT_SPEED = 2.99792458e8  # m/s
_SAHA = 4.829373e15  # 2 (2 pi m k / h^2)^(3/2), cm-3 K^(-3/2)
_CONTINUUM = 1.632e-43  # W m4 K^(1/2) sr-1, free-free and free-bound emission of singly charged ions
_GAUNT_FACTOR = 1.1
_GRID_POINTS_PER_WAVELENGTH = 280_000  # a step of 0.001 nm at 280 nm: three points across the narrowest line
_REACH_NM, _REACH_WIDTHS, _RESONANCE_REACH_NM = 0.3, 30.0, 3.0
_CORE_SIGMAS = 30.0
_TEMPERATURE_STEP, _DENSITY_STEP = 0.08, 0.12  # of the logarithms
MAX_EXACT = 8  # plasmas at once


@dataclass(frozen=True)
class Plasma:
    """A batch of uniform plasmas.

    temperature_K : (n,), 2,000 to 20,000
    electron_density_cm3 : (n,), > 0
    mole_fractions : (n, 13) shares of the heavy particles, columns as in `atoms.ELEMENTS`; rows sum to 1
    path_length_m : (n,) depth of the slab along the line of sight
    """

    temperature_K: np.ndarray
    electron_density_cm3: np.ndarray
    mole_fractions: np.ndarray
    path_length_m: np.ndarray

    def __post_init__(self):
        n = len(self.temperature_K)
        shapes = [self.electron_density_cm3.shape, self.path_length_m.shape, self.mole_fractions.shape]
        if shapes != [(n,), (n,), (n, len(ELEMENTS))]:
            raise ValueError(f"plasma arrays disagree in shape: {n} temperatures beside {shapes}")
        if not np.allclose(self.mole_fractions.sum(1), 1.0):
            raise ValueError("mole fractions of a plasma must sum to 1")

    def __len__(self):
        return len(self.temperature_K)

    def __getitem__(self, rows):
        return replace(self, **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def mole_fractions(mass_ppm):
    """Mole fractions (n, 13) from contents by mass in ppm, a DataFrame or mapping with columns named by element.

    Elements that are not named are absent. Raises ValueError for an element without atomic data.
    """
    unknown = set(mass_ppm) - set(ELEMENTS)
    if unknown:
        raise ValueError(f"no atomic data for {', '.join(sorted(unknown))}")
    columns = [np.asarray(mass_ppm[e], float) / ATOMIC_MASS[e] if e in mass_ppm else 0.0 for e in ELEMENTS]
    moles = np.stack(np.broadcast_arrays(*np.atleast_1d(*columns)), axis=-1)
    return moles / moles.sum(-1, keepdims=True)


def saha_ratio(element, stage, temperature_K, electron_density_cm3):
    """Number of ions in stage + 1 for one in `stage` (1 neutral), in Saha equilibrium; shapes broadcast."""
    temperature = np.asarray(temperature_K, float)
    upper, lower = (partition_function(element, s, temperature) for s in (stage + 1, stage))
    boltzmann = np.exp(-ionisation_energy(element, stage) / (BOLTZMANN_EV * temperature))
    return _SAHA * temperature**1.5 / electron_density_cm3 * upper / lower * boltzmann


def stage_fractions(temperature_K, electron_density_cm3):
    """Share of each element in stages I, II and III: (n, 13, 3). Hydrogen has no stage III."""
    shares = []
    for element in ELEMENTS:
        single = saha_ratio(element, 1, temperature_K, electron_density_cm3)
        double = 0.0 * single if element == "H" else saha_ratio(element, 2, temperature_K, electron_density_cm3)
        stages = np.stack([np.ones_like(single), single, single * double], axis=-1)
        shares.append(stages / stages.sum(-1, keepdims=True))
    return np.stack(shares, axis=1)


def species_densities(plasma):
    """Number densities (cm-3) of every element and stage: (n, 13, 3).

    The plasma is neutral: the charges of all ions add up to the electron density.
    """
    shares = stage_fractions(plasma.temperature_K, plasma.electron_density_cm3)
    charge = (plasma.mole_fractions[..., None] * shares * np.array([0, 1, 2])).sum((1, 2))
    heavy = plasma.electron_density_cm3 / charge
    return heavy[:, None, None] * plasma.mole_fractions[..., None] * shares


def line_depths(lines, plasma):
    """Optical depth of each line integrated over wavelength (nm): (n, n_lines).

    The depth at a wavelength is this area times the line's profile (1/nm). It follows from A g_upper and the population
    of the lower level, minus stimulated emission.
    """
    densities = species_densities(plasma)
    temperature = plasma.temperature_K[:, None]
    element = lines.element.map(ELEMENTS.index).to_numpy(int)
    stage = lines.stage.to_numpy() - 1
    # Lines are of atoms and single ions: (13, 2, n).
    sums = np.stack([[partition_function(e, s, plasma.temperature_K) for s in (1, 2)] for e in ELEMENTS])
    wavelength = lines.wavelength_air_nm.to_numpy()
    lower = densities[:, element, stage] * 1e6 / sums[element, stage].T
    lower = lower * np.exp(-lines.E_lower_eV.to_numpy() / (BOLTZMANN_EV * temperature))
    stimulated = -np.expm1(-PLANCK_LIGHT_EV_NM / (wavelength * BOLTZMANN_EV * temperature))
    cross_section = (wavelength * 1e-9) ** 4 / (8 * np.pi * LIGHT_SPEED) * (lines["A_s-1"] * lines.g_upper).to_numpy()
    return 1e9 * cross_section * lower * stimulated * plasma.path_length_m[:, None]


def planck(wavelength_nm, temperature_K):
    """Black-body radiance (W m-2 sr-1 nm-1); shapes broadcast."""
    wavelength = np.asarray(wavelength_nm) * 1e-9
    first = 1.191042972e-16 / wavelength**5 * 1e-9
    return first / np.expm1(PLANCK_LIGHT_EV_NM / (np.asarray(wavelength_nm) * BOLTZMANN_EV * np.asarray(temperature_K)))


def continuum_depth(wavelength_nm, plasma):
    """Optical depth of the free-free and free-bound continuum: (n, n_wavelengths).

    Emission of electrons in the field of singly charged ions over the black body's, by Kirchhoff's law.
    """
    wavelength = np.asarray(wavelength_nm, float)[None, :]
    temperature = plasma.temperature_K[:, None]
    boltzmann = np.exp(-PLANCK_LIGHT_EV_NM / (wavelength * BOLTZMANN_EV * temperature))
    charges = (plasma.electron_density_cm3 * 1e6)[:, None] ** 2
    emission = _CONTINUUM * charges / ((wavelength * 1e-9) ** 2 * np.sqrt(temperature)) * 1e-9
    # Free-bound and free-free; the Biberman factor of the former is near one for the ions of a soil in the visible.
    emission = emission * ((1 - boltzmann) + _GAUNT_FACTOR * boltzmann)
    return emission * plasma.path_length_m[:, None] / planck(wavelength, temperature)


def wavelength_grid(low_nm, high_nm):
    """Fine air wavelengths (nm) from low to high in equal ratios, resolving the narrowest line of a soil plasma."""
    n = int(np.ceil(np.log(high_nm / low_nm) * _GRID_POINTS_PER_WAVELENGTH)) + 1
    return np.geomspace(low_nm, high_nm, n)


def line_profiles(lines, grid_nm, temperature_K, electron_density_cm3):
    """Voigt profiles (1/nm) of lines on a fine grid, as a sparse matrix (n_lines, n_grid).

    Each is cut at 0.3 nm or 30 Stark widths from its centre, whichever is farther. Resonance lines (lower level within
    0.1 eV of the ground state) are cut at 3 nm at least: they are deep enough for a step at the cut to be visible.
    """
    centre = lines.wavelength_air_nm.to_numpy()
    sigma = doppler_sigma(lines, temperature_K)
    width = stark_fwhm(lines, electron_density_cm3)
    reach = np.maximum(_REACH_NM, _REACH_WIDTHS * width)
    reach = np.where(lines.E_lower_eV.to_numpy() < 0.1, np.maximum(reach, _RESONANCE_REACH_NM), reach)
    first, end = (np.searchsorted(grid_nm, edge) for edge in (centre - reach, centre + reach))
    row, column, pointer = sparse_ranges(first, end)
    distance, half = grid_nm[column] - centre[row], width[row] / 2
    # Beyond thirty standard deviations a Voigt profile is its Lorentzian to 0.4 %, which is twenty times as fast.
    values = half / np.pi / (distance**2 + half**2)
    core = np.flatnonzero(np.abs(distance) < _CORE_SIGMAS * sigma[row])
    values[core] = voigt_profile(distance[core], sigma[row[core]], half[core])
    return sparse.csr_array((values.astype(np.float32), column, pointer), shape=(len(lines), len(grid_nm)))


class SpectralRange:
    """A range of the spectrum: its fine grid, the lines in and near it, and their profiles.

    low_nm, high_nm : air wavelengths; lines : DataFrame as of `line_table`, None for all lines within 3 nm of the range

    A profile depends on temperature and electron density alone. For more than MAX_EXACT plasmas it is computed on a
    fixed lattice of both, kept, and interpolated: within 0.3 % of a line's peak, and the same for any batch.
    """

    def __init__(self, low_nm, high_nm, lines=None):
        self.grid_nm = wavelength_grid(low_nm, high_nm)
        self.lines = line_table(low_nm - 3.0, high_nm + 3.0) if lines is None else lines
        self._lattice = {}

    def _node_profiles(self, i, j):
        if (i, j) not in self._lattice:
            node = np.exp(i * _TEMPERATURE_STEP), np.exp(j * _DENSITY_STEP)
            self._lattice[i, j] = line_profiles(self.lines, self.grid_nm, *node)
        return self._lattice[i, j]

    def line_optical_depth(self, plasma):
        """Optical depth of all lines together on the grid: (n, n_grid), float32."""
        areas = line_depths(self.lines, plasma).astype(np.float32)
        if len(plasma) <= MAX_EXACT:
            nodes = zip(plasma.temperature_K, plasma.electron_density_cm3, strict=True)
            profiles = (line_profiles(self.lines, self.grid_nm, *node) for node in nodes)
            return np.stack([area @ profile for area, profile in zip(areas, profiles, strict=True)])
        depth = np.zeros((len(plasma), len(self.grid_nm)), np.float32)
        for i, by_temperature in _lattice_weights(plasma.temperature_K, _TEMPERATURE_STEP):
            for j, by_density in _lattice_weights(plasma.electron_density_cm3, _DENSITY_STEP):
                weight = (by_temperature * by_density).astype(np.float32)
                rows = np.flatnonzero(weight)
                if len(rows):
                    depth[rows] += (areas[rows] * weight[rows, None]) @ self._node_profiles(i, j)
        return depth

    def radiance(self, plasma):
        """Spectral radiance (W m-2 sr-1 nm-1) of each plasma on the grid: (n, n_grid), float32.

        A uniform slab: the black body's radiance times one minus the transmission through lines and continuum.
        """
        grid = self.grid_nm
        depth = self.line_optical_depth(plasma)
        # Planck's law and the continuum are smooth: steps of a tenth of a nanometre are fine enough.
        coarse = np.linspace(grid[0], grid[-1], max(2, int((grid[-1] - grid[0]) / 0.1) + 1))
        depth += _stretch(continuum_depth(coarse, plasma), coarse, grid)
        return _stretch(planck(coarse, plasma.temperature_K[:, None]), coarse, grid) * -np.expm1(-depth)


def _lattice_weights(values, step):
    """Pairs of a lattice index and the weight (n,) of its node, exp(index * step), in linear interpolation."""
    position = np.log(values) / step
    indices = np.arange(int(np.floor(position.min())), int(np.floor(position.max())) + 2)
    nodes = np.exp(indices * step)
    for index, unit in zip(indices, np.eye(len(nodes)), strict=True):
        yield int(index), np.interp(values, nodes, unit)


def _stretch(values, coarse, fine):
    """Linear interpolation of every row of `values` from one grid of equal steps to another, float32."""
    position = np.clip((fine - coarse[0]) / (coarse[1] - coarse[0]), 0, len(coarse) - 1)
    left = np.minimum(position.astype(int), len(coarse) - 2)
    share = (position - left).astype(np.float32)
    values = values.astype(np.float32)
    return values[:, left] * (1 - share) + values[:, left + 1] * share


def line_emissivities(lines, plasma):
    """Thin-plasma strength of each line (W m-2 sr-1): (n, n_lines). The radiance of a slab that absorbs nothing."""
    return line_depths(lines, plasma) * planck(lines.wavelength_air_nm.to_numpy(), plasma.temperature_K[:, None])
