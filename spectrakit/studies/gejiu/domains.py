"""The two domains of the Gejiu study: soils with their pH, soils with their lead; simulated or measured."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kurtosis, skew, variation

from spectrakit.evaluation import random_rounds
from spectrakit.preprocess import lucas_reflectance, network_input, with_target
from spectrakit.simulate.soils import simulate_gejiu, simulate_lucas
from spectrakit.tables import read_gejiu, read_lucas


@dataclass(frozen=True, eq=False)
class Domain:
    """Soils of one domain as the models take them.

    log_reflectance : float32 (n, 2100), natural logarithm, 400-2499 nm; target : float64 (n,), pH or lead in mg/kg
    properties : DataFrame (n, k) of what else is known; rounds : list of (training, test) positions
    provenance : dict with origin, source, seed ... and `notes` on what was done to measured spectra
    Source: gejiu paper, sections 2.1 and 2.2.2.
    """

    log_reflectance: np.ndarray
    target: np.ndarray
    properties: pd.DataFrame
    rounds: list
    provenance: dict

    @property
    def reflectance(self):
        """Reflectance (n, 2100), 0-1, as PLS and SVM take it."""
        return np.exp(self.log_reflectance.astype(float))

    def __len__(self):
        return len(self.target)


def domain(dataset, target, n_rounds, random_state):
    """A `Domain` of the samples of a dataset of reflectance at 400-2499 nm whose property `target` is known."""
    dataset, left_out = with_target(dataset, target)
    return Domain(
        network_input(dataset.spectra, "log"),
        dataset.properties[target].to_numpy(),
        dataset.properties.drop(columns=target),
        random_rounds(len(dataset), n_rounds, random_state=random_state),
        dataset.provenance | {"notes": [*left_out, *dataset.notes]},
    )


def source_domain(profile, random_state=0, data=None):
    """Soils with their pH: of `data`/lucas where a folder is given, else simulated. Returns `Domain`."""
    dataset = simulate_lucas(profile.n_source, random_state) if data is None else _read(read_lucas, data, "lucas")
    return domain(dataset, "ph", profile.n_rounds, random_state)


def target_domain(profile, random_state=0, data=None):
    """Soils with their lead: of `data`/gejiu where a folder is given, else simulated. Returns `Domain`."""
    dataset = simulate_gejiu(random_state=random_state) if data is None else _read(read_gejiu, data, "gejiu")
    return domain(dataset, "pb_mg_kg", profile.n_rounds, random_state)


def _read(read, data, folder):
    """Measured soils as reflectance at 400-2499 nm; their notes end with what was done to get there."""
    measured = read(Path(data) / folder)
    dataset, notes = lucas_reflectance(measured)
    return replace(dataset, notes=(*measured.notes, *notes))


def statistics(values):
    """Range, mean, median, standard deviation, coefficient of variation, skewness and excess kurtosis, over n."""
    measures = {
        "min": np.min,
        "max": np.max,
        "mean": np.mean,
        "median": np.median,
        "sd": np.std,
        "cv": variation,
        "skewness": skew,
        "kurtosis": kurtosis,
    }
    return {name: float(measure(values)) for name, measure in measures.items()}
