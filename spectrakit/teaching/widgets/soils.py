"""Explorer of a mixed soil, which the page computes: there are too many combinations to compute beforehand."""

from dataclasses import dataclass

import numpy as np

from spectrakit.simulate.soils import (
    CONSTITUENTS,
    REFERENCE_GRAIN_UM,
    absorption,
    no_variation,
    scattering,
    soil_reflectance,
)
from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series, pack

DRY = ("kaolinite", "smectite", "illite", "hematite", "goethite", "calcite", "organic_matter")
_SHEETS = (0, 2, 5, 10, 15, 20, 30, 40, 60, 80, 100)
_PIGMENTS = (0, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10)
# Per cent of the dry mass, water on top of it; grains in um.
AMOUNTS = {
    **dict.fromkeys(DRY[:3], _SHEETS),
    **dict.fromkeys(DRY[3:5], _PIGMENTS),
    "calcite": (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40, 70, 100),
    "organic_matter": (0, 0.5, 1, 2, 3, 5, 10, 20, 40),
    "water": (0, 0.5, 1, 2, 3, 5, 10),
    "grain size": (10, 20, 35, 50, 100, 200, 400),
}
START = {
    "kaolinite": 5,
    "smectite": 2,
    "illite": 10,
    "hematite": 0.1,
    "goethite": 1,
    "calcite": 0,
    "organic_matter": 2,
    "water": 1,
    "grain size": 50,
}
MARKERS = ((480, "Fe oxides"), (900, "Fe oxides"), (1414, "OH"), (1909, "water"), (2207, "Al-OH"), (2341, "CO₃"))


@dataclass(frozen=True)
class Mixture:
    """Reflectance of the soil that the controls give, computed in the page (`mixed` in explorer.js).

    label : name of the series; wavelength : (n_channels,) nm
    The controls are those of `AMOUNTS`, in order.
    """

    label: str
    wavelength: np.ndarray

    def specification(self, shape):
        """Rows of absorption, the scattering, and the meaning of the sliders, as JSON.

        shape : number of values of each control, then of channels. Raises ValueError for other controls.
        The rows are quartz, `DRY` and water, over the scattering of 50 um grains at 1000 nm; the last is scattering.
        """
        expected = (*(len(amounts) for amounts in AMOUNTS.values()), len(self.wavelength))
        if tuple(shape) != expected:
            raise ValueError(f"series '{self.label}': controls and channels are {tuple(shape)}, not {expected}")
        plain = no_variation(1)
        pure = np.eye(len(CONSTITUENTS), dtype=np.float32)
        pure = pure[[CONSTITUENTS.index(name) for name in ("quartz", *DRY, "water")]]
        scattered = scattering(np.array([REFERENCE_GRAIN_UM]), plain.scattering_exponent, self.wavelength)
        rows = np.vstack([absorption(pure, self.wavelength), scattered])
        shares = [np.divide(amounts, 1 if name == "grain size" else 100) for name, amounts in AMOUNTS.items()]
        mixture = {
            "amounts": [values.tolist() for values in shares],
            "grain": REFERENCE_GRAIN_UM,
            "surface": float(plain.surface[0]),
        }
        return {"label": self.label, "kind": "line", "shape": list(rows.shape), "data": pack(rows), "mixture": mixture}


def composition(amounts):
    """Composition of a soil: (1, 15) mass fractions in the order of CONSTITUENTS.

    amounts : dict from the names of `AMOUNTS` to per cent; the rest is quartz, and dry parts of more than 100 % are
        scaled down to 100 %
    """
    whole = max(sum(amounts[name] for name in DRY), 100.0)
    shares = {name: amounts[name] / whole for name in DRY}
    shares |= {"quartz": 1 - sum(shares.values()), "water": amounts["water"] / 100}
    return np.array([[max(shares.get(name, 0.0), 0.0) for name in CONSTITUENTS]])


def soil_mixer():
    """Explorer of the reflectance of a soil, all of it and near 2300 nm, with a slider for each of its parts."""
    units = {"grain size": "µm"}
    controls = [
        Control(name.replace("_", " ").capitalize(), amounts, units.get(name, "%")) for name, amounts in AMOUNTS.items()
    ]
    start = [AMOUNTS[name].index(START[name]) for name in AMOUNTS]
    panels = [
        _panel("Reflectance of the soil", np.arange(400.0, 2501, 5), MARKERS, (0, 1)),
        _panel("A closer look", np.arange(2150.0, 2451, 4), MARKERS[4:], "each"),
    ]
    caption = (
        "The page computes the reflectance while you move the sliders. What is not named is quartz; where the dry "
        "parts make more than 100 %, all are scaled down. Water counts on top of the dry mass."
    )
    question = "How much calcite must a soil hold before you see it, and how much hematite?"
    return Explorer(controls, panels, caption, start, question)


def _panel(title, wavelength, markers, y_range):
    grain = np.array([START["grain size"]])
    first = soil_reflectance(composition(START), grain, wavelength)
    unmoved = Series("the soil at the start", first.reshape(*[1] * len(AMOUNTS), -1))
    series = (Mixture("your soil", wavelength), unmoved)
    return Panel(title, wavelength, "Wavelength (nm)", "Reflectance", series, markers, y_range)
