"""How strong and how wide are the absorption bands of the soil constituents?

    python data/bands/build_bands.py REFLECTANCE_FILE

REFLECTANCE_FILE is a table of USGS reflectance spectra (0-1): `wavelength_nm`, one column a mineral. Writes visnir.csv.
Bands, their positions and kinds stand in literature.csv, with the publication that names them. For the minerals of
SPECTRA, widths and absorption there are only where the fit to the measured spectrum begins; for all other constituents
they are estimates and go into the table as they are.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from spectrakit.simulate.reflectance import kubelka_munk

HERE = Path(__file__).parent
# Constituent: column of the reflectance file, and the diameter (um) taken for the grains of that powder.
SPECTRA = {
    "hematite": ("hematite", 50),
    "goethite": ("goethite", 50),
    "kaolinite": ("kaolinite_114", 15),
    "smectite": ("montmorillinite_126", 15),
    "illite": ("illite_121", 15),
    "calcite": ("calcite", 100),
    "gypsum": ("gypsum", 100),
}
REFERENCE_GRAIN_UM = 50
SURFACE = 0.015
# Weight of the distance from the literature's values, on the scale of logarithms: only what the spectrum leaves open is
# decided by it.
PRIOR_WEIGHT = 0.02
FWHM_PER_SIGMA = 2.3548


def profile(kind, centre, width, wavelength):
    """Shape of a band, 1 at its centre: an edge that falls exponentially, else a Gaussian in wavenumber."""
    if kind == "edge":
        return np.exp(-(wavelength - centre) / width)
    sigma = width * 1e7 / centre**2 / FWHM_PER_SIGMA
    return np.exp(-0.5 * ((1e7 / wavelength - 1e7 / centre) / sigma) ** 2)


def fit_bands(bands, wavelength, reflectance):
    """Widths (nm), absorption at the centre, and a grey background that together give a measured spectrum.

    bands : DataFrame (n_bands,) of literature.csv; wavelength, reflectance : (n_channels,)
    The logarithm of reflectance is fitted; positions are kept, widths change by a factor of two at most.
    """
    n = len(bands)
    begin = np.log(np.concatenate([bands["width_nm"], bands["absorption"], [0.01]]))
    low = np.concatenate([np.log(bands["width_nm"] * 0.5), np.full(n, -14), [-12]])
    high = np.concatenate([np.log(bands["width_nm"] * 2.0), np.full(n, 6), [0]])

    def residuals(logarithms):
        values = np.exp(logarithms)
        ratio = values[-1] + sum(
            absorption * profile(kind, centre, width, wavelength)
            for kind, centre, width, absorption in zip(
                bands["kind"], bands["centre_nm"], values[:n], values[n:-1], strict=True
            )
        )
        model = SURFACE + (1 - SURFACE) * kubelka_munk(ratio)
        return np.concatenate([np.log(model) - np.log(reflectance), PRIOR_WEIGHT * (logarithms - begin)])

    values = np.exp(least_squares(residuals, begin, bounds=(low, high)).x)
    return values[:n], values[n:-1], values[-1]


def band_table(file):
    """The table of bands, from literature.csv and a file of measured spectra: DataFrame."""
    bands = pd.read_csv(HERE / "literature.csv", dtype={"width_nm": float}).assign(absorption_source="estimated")
    measured = pd.read_csv(file)
    wavelength = measured["wavelength_nm"].to_numpy(float)
    for mineral, (column, grain_um) in SPECTRA.items():
        own = bands["constituent"] == mineral
        reflectance = np.clip(measured[column].to_numpy(), 0.001, 0.999)
        widths, absorption, _ = fit_bands(bands[own], wavelength, reflectance)
        bands.loc[own, "width_nm"] = widths
        # The fit gives absorption over the scattering of that powder; finer grains scatter more.
        bands.loc[own, "absorption"] = absorption * np.sqrt(REFERENCE_GRAIN_UM / grain_um)
        bands.loc[own, "absorption_source"] = "USGS reflectance"
    for name in ("width_nm", "absorption"):
        bands[name] = [float(f"{value:.3g}") for value in bands[name]]
    return bands


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python data/bands/build_bands.py REFLECTANCE_FILE")
    table = band_table(sys.argv[1])
    table.to_csv(HERE / "visnir.csv", index=False)
    print(f"visnir.csv: {len(table)} bands of {table['constituent'].nunique()} constituents")
