"""Atomic data: lines with their widths, ionisation energies, partition functions."""

from functools import cache

import numpy as np
import pandas as pd

from spectrakit.resources import data_path

# Standard atomic weights, IUPAC 2021, abridged.
ATOMIC_MASS = {
    "H": 1.008,
    "C": 12.011,
    "N": 14.007,
    "O": 15.999,
    "Na": 22.990,
    "Mg": 24.305,
    "Al": 26.982,
    "Si": 28.085,
    "K": 39.098,
    "Ca": 40.078,
    "Ti": 47.867,
    "Mn": 54.938,
    "Fe": 55.845,
}
ELEMENTS = tuple(ATOMIC_MASS)
TEMPERATURE_RANGE_K = (2_000.0, 20_000.0)
_RYDBERG_EV = 13.605693
_STARK_REFERENCE_CM3 = 1e17
_MAX_ESTIMATE_NM = 0.5  # a wider line is not isolated, and the estimate does not hold


@cache
def _lines():
    table = pd.read_csv(data_path("atomic", "lines.csv"), keep_default_na=False, na_values={"stark_fwhm_nm": ""})
    source = np.where(table.stark_fwhm_nm.isna(), "estimate", table.stark_source)
    return table.assign(stark_source=source, stark_fwhm_nm=stark_widths(table))


def line_table(low_nm=200.0, high_nm=975.0, element=None, stage=None):
    """Lines between two air wavelengths, in ascending order.

    Returns a DataFrame with one row a line: element, stage (1 neutral, 2 singly ionised), wavelength_air_nm, A_s-1
    (transition probability, 1/s), g_lower, g_upper (statistical weights), E_lower_eV, E_upper_eV, source, stark_fwhm_nm
    (full width for an electron density of 1e17 cm-3), stark_exponent, stark_source ('estimate' where none is known).
    The table has every known electric dipole line within 0.6 nm of the three windows of the LIBS study, and elsewhere
    the lines with at least 0.2 % of the strength of the strongest of their ion. Source: NIST by way of Cloudy's Stout
    tables.

    >>> print(line_table(588, 590, "Na")["wavelength_air_nm"].round(2).tolist())
    [589.0, 589.59]
    """
    table = _lines()
    keep = table.wavelength_air_nm.between(low_nm, high_nm)
    if element is not None:
        keep &= table.element == element
    if stage is not None:
        keep &= table.stage == stage
    return table[keep].reset_index(drop=True)


def stark_widths(lines):
    """Full Stark widths (nm) for 1e17 electrons per cm3: known values, and estimates for the other lines.

    The estimate is the one of stellar spectroscopy, width in frequency growing as the fifth power of the upper level's
    effective quantum number (Cowley 1971), scaled so that it agrees with the known lines in the geometric mean.
    Returns an array (n_lines,).
    """
    energies = lines[["element", "stage"]].apply(lambda row: ionisation_energy(row.element, row.stage), axis=1)
    # Levels above the limit (autoionising) get the width of a level bound by 1 eV.
    binding = np.maximum(energies - lines.E_upper_eV, 1.0).to_numpy()
    quantum_number = lines.stage.to_numpy() * np.sqrt(_RYDBERG_EV / binding)
    shape = lines.wavelength_air_nm.to_numpy() ** 2 * quantum_number**5 / lines.stage.to_numpy() ** 2
    known = lines.stark_fwhm_nm.to_numpy(float)
    calibrating = ~np.isnan(known) & (lines.element != "H").to_numpy()
    scale = np.exp(np.mean(np.log(known[calibrating] / shape[calibrating])))
    return np.where(np.isnan(known), np.minimum(scale * shape, _MAX_ESTIMATE_NM), known)


def stark_fwhm(lines, electron_density_cm3):
    """Full Stark width (nm) of each line at an electron density (cm-3), shape (..., n_lines).

    Proportional to the density; hydrogen follows a power near 0.68 (Gigosos et al. 2003).
    """
    density = np.asarray(electron_density_cm3, float)[..., None] / _STARK_REFERENCE_CM3
    return lines.stark_fwhm_nm.to_numpy() * density ** lines.stark_exponent.to_numpy()


def doppler_sigma(lines, temperature_K):
    """Standard deviation (nm) of the Doppler profile of each line at a temperature, shape (..., n_lines)."""
    mass = lines.element.map(ATOMIC_MASS).to_numpy(float)
    # sqrt(k / (u c^2)) per sqrt(K), k/u = 8314.46 J/(kg K)
    thermal = np.sqrt(8314.46 * np.asarray(temperature_K, float)[..., None] / mass) / 2.99792458e8
    return lines.wavelength_air_nm.to_numpy() * thermal


@cache
def _ionisation_energies():
    table = pd.read_csv(data_path("atomic", "ionisation_energies.csv"), index_col="element")
    return {(e, s): table.loc[e, f"energy_{s}_eV"] for e in ELEMENTS for s in (1, 2)}


def ionisation_energy(element, stage):
    """Ionisation energy (eV) of an atom (stage 1) or a singly charged ion (stage 2).

    Raises ValueError for a species without data. Source: Barklem & Collet (2016), table of NIST values.
    """
    energy = _ionisation_energies().get((element, stage), np.nan)
    if np.isnan(energy):
        raise ValueError(f"no ionisation energy for {element} in stage {stage}")
    return float(energy)


@cache
def _partition_functions():
    return pd.read_csv(data_path("atomic", "partition_functions.csv"))


def partition_function(element, stage, temperature_K):
    """Sum over states of an atom or ion, interpolated linearly in temperature; the shape of `temperature_K`.

    temperature_K : 2,000 to 20,000 K
    Raises ValueError for another temperature and a species without data. Source: Barklem & Collet (2016) up to 10,000
    K, beyond that from NIST levels.
    """
    temperature = np.asarray(temperature_K, float)
    low, high = TEMPERATURE_RANGE_K
    if np.any((temperature < low) | (temperature > high)):
        raise ValueError(f"partition functions are known from {low:.0f} to {high:.0f} K")
    table, column = _partition_functions(), f"{element}_{'I' * stage}"
    if column not in table:
        raise ValueError(f"no partition function for {element} in stage {stage}")
    return np.interp(temperature, table.temperature_K, table[column])
