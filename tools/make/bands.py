"""How data/bands/visnir.csv was made: positions, widths and strengths of the absorption bands of soil constituents.

    python -m tools.make.bands REFLECTANCE_FILE

writes it. REFLECTANCE_FILE is a table of USGS reflectance spectra (0-1): `wavelength_nm`, one column a mineral. Bands,
their positions and kinds are in literature.csv, with the publication that names them. For the minerals of SPECTRA the
fit to the measured spectrum starts from the widths and absorption there, and positions may move a little; for all other
constituents these are estimates and are copied.
"""

import sys

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.signal import savgol_filter

from spectrakit.resources import data_path
from spectrakit.simulate.soils import band_shape, kubelka_munk, no_variation, scattering

FOLDER = data_path("bands")
# Constituent: column of the reflectance file, and the assumed diameter (um) of the grains of that powder.
SPECTRA = {
    "hematite": ("hematite", 50),
    "goethite": ("goethite", 50),
    "kaolinite": ("kaolinite_114", 15),
    "smectite": ("montmorillinite_126", 15),
    "illite": ("illite_121", 15),
    "calcite": ("calcite", 100),
    "gypsum": ("gypsum", 100),
}
# How far (nm) a position may move from the literature's, which is of other samples: vibrations by what substitutes in
# the lattice, iron bands by aluminium and grain size (Scheinost et al. 1998); edges and wings stay.
MAX_SHIFT_NM = {"vibration": 8.0, "electronic": 20.0}
# Weight of the distance from the literature's values, on the scale of logarithms and of MAX_SHIFT_NM: it decides only
# what the spectrum leaves open.
PRIOR_WEIGHT = 0.05
# Weak bands show in the slope, which a broad misfit leaves alone: the slope of the logarithm counts per SLOPE_NM, taken
# over SLOPE_WINDOW channels of 1 nm.
SLOPE_NM, SLOPE_WINDOW = 40.0, 11


def fit_bands(bands, wavelength, reflectance, grain_um):
    """Positions (nm), widths (nm) and absorption at the centre that together give a measured spectrum.

    bands : DataFrame (n_bands,) of literature.csv; wavelength, reflectance : (n_channels,)
    grain_um : effective diameter of the powder's grains
    The logarithm of reflectance and its slope are fitted; widths change by a factor of two at most.
    """
    n = len(bands)
    is_wing = bands["assignment"].str.startswith("wing")
    max_shift = bands["kind"].map(MAX_SHIFT_NM).fillna(0.0).mask(is_wing, 0.0).to_numpy()
    begin = np.concatenate([np.zeros(n), np.log(bands["width_nm"]), np.log(bands["absorption"])])
    reach = np.concatenate([np.ones(n), np.full(n, np.log(2)), np.full(n, 14.0)])
    typical = no_variation(1)
    scattered = scattering([grain_um], typical.scattering_exponent, wavelength)[0]
    surface = typical.surface[0]

    def values(parameters):
        moved, widths, absorption = np.split(parameters, 3)
        return bands["centre_nm"].to_numpy() + max_shift * moved, np.exp(widths), np.exp(absorption)

    def with_slope(logarithms):
        return np.concatenate([logarithms, SLOPE_NM * savgol_filter(logarithms, SLOPE_WINDOW, 2, deriv=1, axis=0)])

    def model(parameters):
        """The model's reflectance, and the derivatives of its logarithm."""
        centres, widths, absorption = values(parameters)
        shapes = [band_shape(*band, wavelength) for band in zip(bands["kind"], centres, widths, strict=True)]
        height, by_centre, by_width = (absorption[:, None] * part for part in np.array(shapes).transpose(1, 0, 2))
        ratio = height.sum(axis=0) / scattered
        result = surface + (1 - surface) * kubelka_munk(ratio)
        by_ratio = (1 - surface) * (1 - (ratio + 1) / np.sqrt(ratio * (ratio + 2))) / result / scattered
        return result, by_ratio[:, None] * np.concatenate([max_shift[:, None] * by_centre, by_width, height]).T

    def residuals(parameters):
        misfit = np.log(model(parameters)[0] / reflectance)
        return np.concatenate([with_slope(misfit), PRIOR_WEIGHT * (parameters - begin)])

    def jacobian(parameters):
        return np.concatenate([with_slope(model(parameters)[1]), PRIOR_WEIGHT * np.eye(len(begin))])

    return values(least_squares(residuals, begin, jacobian, bounds=(begin - reach, begin + reach), ftol=1e-6).x)


def band_table(file):
    """The table of bands, from literature.csv and a file of measured spectra: DataFrame."""
    bands = pd.read_csv(FOLDER / "literature.csv", dtype=dict.fromkeys(("centre_nm", "width_nm"), float))
    bands = bands.assign(absorption_source="estimated")
    measured = pd.read_csv(file)
    wavelength = measured["wavelength_nm"].to_numpy(float)
    for mineral, (column, grain_um) in SPECTRA.items():
        of_mineral = bands["constituent"] == mineral
        reflectance = np.clip(measured[column].to_numpy(), 0.001, 0.999)
        fitted = fit_bands(bands[of_mineral], wavelength, reflectance, grain_um)
        for name, result in zip(("centre_nm", "width_nm", "absorption"), fitted, strict=True):
            bands.loc[of_mineral, name] = result
        bands.loc[of_mineral, "absorption_source"] = "USGS reflectance"
    bands["centre_nm"] = bands["centre_nm"].round(1)
    for name in ("width_nm", "absorption"):
        bands[name] = [float(f"{value:.3g}") for value in bands[name]]
    return bands


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.make.bands REFLECTANCE_FILE")
    table = band_table(sys.argv[1])
    table.to_csv(FOLDER / "visnir.csv", index=False)
    print(f"visnir.csv: {len(table)} bands of {table['constituent'].nunique()} constituents")
