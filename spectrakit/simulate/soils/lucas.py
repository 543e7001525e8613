"""The source domain of the Gejiu study: 19,036 European topsoils, scanned by one laboratory spectrometer."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import FOSS_XDS
from spectrakit.simulate.soils.composition import EUROPE
from spectrakit.simulate.soils.scans import survey

N_SAMPLES = 19_036


@cache
def ph_table():
    """Knots of the map from the model's pH to the published distribution: DataFrame with model_ph and ph."""
    return pd.read_csv(data_path("soils", "lucas_ph.csv"))


def published_ph(model_ph):
    """Return pH with the published distribution for pH of the pedological model; the shape of `model_ph`.

    A fixed, ascending, piecewise linear map: the pH of a soil does not depend on the other soils. It is the smoothest
    map with which the population has the published mean, median, standard deviation, skewness and excess kurtosis, and
    19,036 soils reach the published extremes.
    Source: gejiu paper, section 3.1; `tools/make/calibrate_visnir.py` makes the knots.
    """
    return np.interp(model_ph, ph_table()["model_ph"], ph_table()["ph"])


def simulate_lucas(n_samples=N_SAMPLES, random_state=0, progress=None):
    """Soils of Europe, scanned by a FOSS XDS: SpectralDataset of reflectance, 400 to 2499 nm in steps of 1 nm.

    progress : called with the number of soils done and to do
    `properties` are those of `draw_soils`, their ph as published. Fewer samples are the first of more.
    Raises ValueError for fewer than one sample. Source: gejiu paper, section 2.1.
    """
    soils = survey(n_samples, EUROPE, FOSS_XDS, random_state, progress)
    return replace(
        soils,
        properties=soils.properties.assign(ph=published_ph(soils.properties["ph"])),
        provenance=soils.provenance | {"source": "spectrakit simulate lucas"},
    )
