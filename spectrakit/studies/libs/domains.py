"""Are measured LIBS spectra what the method needs: on their wavelengths, unsaturated, and in step with contents?"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.simulate.libs import ATOMIC_MASS, SpectralRange, line_table, settings, soil_plasma
from spectrakit.studies.libs.protocol import Task
from spectrakit.tables import ENDINGS, read_table

FULL_SCALE = 65535
# An average of shots that reaches this share of full scale holds shots that were cut off.
SATURATED_SHARE = 0.95
# Oxide columns of a table: element, atoms of it and of oxygen in one formula.
_OXIDES = {
    "cao_wt_pct": ("Ca", 1, 1),
    "mgo_wt_pct": ("Mg", 1, 1),
    "na2o_wt_pct": ("Na", 2, 1),
    "sio2_wt_pct": ("Si", 1, 2),
    "al2o3_wt_pct": ("Al", 2, 3),
    "fe2o3t_wt_pct": ("Fe", 2, 3),
    "tio2_wt_pct": ("Ti", 1, 2),
    "mno_wt_pct": ("Mn", 1, 1),
    "k2o_wt_pct": ("K", 2, 1),
}
# Strong lines that stand alone at a resolving power of 2,000: element, stage, air wavelength (nm).
CHECK_LINES = (
    ("Mg", 1, 285.213),
    ("Si", 1, 288.158),
    ("Al", 1, 394.401),
    ("Ca", 1, 422.673),
    ("Mg", 1, 517.268),
    ("Na", 1, 588.995),
)


def read_folder(folder):
    """Every LIBS table of a folder that reaches over the study's windows: {file name without ending: dataset}.

    Raises ValueError where there is none, TableError for a table that cannot be used.
    """
    folder = Path(folder)
    low = min(window[0] for window in settings()["windows"].values())
    high = max(window[1] for window in settings()["windows"].values())
    files = sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS))
    sets = {path.name.split(".")[0]: read_table(path, "nm", "counts") for path in files}
    sets = {name: data for name, data in sets.items() if data.axis[0] < low and data.axis[-1] > high}
    if not sets:
        raise ValueError(f"{folder}: no table of LIBS counts from {low:g} to {high:g} nm among {len(files)} files")
    return sets


def measured_task(dataset, target):
    """The task of one element in a measured set, on the channels that its spectrometer has in the study's window.

    dataset : SpectralDataset of counts over nm with the property '<target>_ppm'; samples without it are left out
    Raises ValueError where the property is missing or no sample has it.
    """
    name = f"{target}_ppm"
    if name not in dataset.properties or dataset.properties[name].isna().all():
        raise ValueError(f"no sample with the property {name}: add such a column")
    low, high, _ = settings()["windows"][target]
    part = dataset.subset(dataset.properties[name].notna().to_numpy()).window(low, high)
    content, sample_id = part.properties[name].to_numpy(), part.samples["sample_id"].to_numpy(str)
    return Task(target, "measured", part.axis, part.spectra.astype(float), content, sample_id)


def wavelength_shifts(dataset, lines=CHECK_LINES, search_nm=0.3):
    """How far each line of a measured set lies from its place in the line table.

    dataset : SpectralDataset of counts over nm; lines : (element, stage, wavelength) each, found to 0.01 nm
    search_nm : how far from its place a line is looked for
    Returns a DataFrame: line, table_nm, shift_nm (maximum of a parabola through the three highest channels of the
    logarithm of the median spectrum, less the table), shift_channels, saturated. Lines that the axis does not cover,
    or whose maximum lies at the edge of the search, are left out.
    """
    median = np.nanmedian(dataset.spectra, axis=0)
    rows = []
    for element, stage, wavelength in lines:
        table = line_table(wavelength - 0.01, wavelength + 0.01, element, stage)
        near = np.flatnonzero(np.abs(dataset.axis - wavelength) <= search_nm)
        if table.empty or len(near) < 5:
            continue
        place = near[np.nanargmax(median[near])]
        if place in (near[0], near[-1]):
            continue
        three = slice(place - 1, place + 2)
        step = np.diff(dataset.axis[three]).mean()
        curve = np.polyfit(dataset.axis[three] - dataset.axis[place], np.log(median[three]), 2)
        shift = dataset.axis[place] - curve[1] / (2 * curve[0]) - table.wavelength_air_nm.iloc[0]
        rows.append((f"{element} {'I' * stage}", wavelength, shift, shift / step, is_saturated(median[place])))
    return pd.DataFrame(rows, columns=["line", "table_nm", "shift_nm", "shift_channels", "saturated"])


def shifted(dataset, channels):
    """The dataset with every spectrum moved by whole channels along its axis, for trying the checks out."""
    return replace(dataset, spectra=np.roll(dataset.spectra, channels, axis=1))


def is_saturated(counts):
    """Whether averaged counts of a 16-bit detector must hold shots that were cut off."""
    return np.asarray(counts) >= SATURATED_SHARE * FULL_SCALE


def saturated_samples(dataset):
    """Share of the samples with a saturated channel in each of the study's windows, by element in lower case."""
    return {
        target: float(is_saturated(dataset.window(low, high).spectra).any(1).mean())
        for target, (low, high, _) in settings()["windows"].items()
    }


def line_areas(axis_nm, spectra, wavelength_nm, half_width_nm):
    """Area of a line above the straight line between the edges of its stretch, (n_samples,), signal times nm.

    axis_nm : (n_channels,); spectra : (n_samples, n_channels)
    """
    inside = np.abs(axis_nm - wavelength_nm) <= half_width_nm
    x, y = axis_nm[inside], np.asarray(spectra, float)[:, inside]
    base = y[:, :1] + (y[:, -1:] - y[:, :1]) * (x - x[0]) / (x[-1] - x[0])
    return np.trapezoid(y - base, x, axis=1)


def rock_composition(properties):
    """Contents by mass (ppm) of the elements, oxygen by stoichiometry, from oxide columns such as cao_wt_pct.

    properties : DataFrame (n_samples, k). Returns a DataFrame (n_samples, n_elements).
    """
    composition = pd.DataFrame(0.0, index=properties.index, columns=["O"])
    for column, (element, atoms, oxygens) in _OXIDES.items():
        metal, oxygen = atoms * ATOMIC_MASS[element], oxygens * ATOMIC_MASS["O"]
        ppm = properties[column] * 1e4
        composition[element] = ppm * metal / (metal + oxygen)
        composition["O"] += ppm * oxygen / (metal + oxygen)
    return composition


def simulated_line_areas(composition_ppm, wavelength_nm, half_width_nm):
    """The same areas as `line_areas`, of plasmas of the given compositions under the study's conditions."""
    part = SpectralRange(wavelength_nm - half_width_nm, wavelength_nm + half_width_nm)
    radiance = part.radiance(soil_plasma(composition_ppm))
    return line_areas(part.grid_nm, radiance, wavelength_nm, half_width_nm)


def content_ratios(dataset, pairs, half_width_nm=0.5):
    """Line ratios of rocks against what their contents and the simulator say, each relative to the first rock.

    dataset : SpectralDataset of counts with oxide columns
    pairs : ((element, wavelength), (element, wavelength)) each, two lines that one detector records
    Relative to the first rock the sensitivity of the detector cancels.
    Returns a DataFrame: sample_id, ratio (as 'Mg/Si'), contents, simulated, measured.
    """
    composition = rock_composition(dataset.properties)
    rows = []
    for (element, line), (other, other_line) in pairs:
        measured, simulated = (
            _relative_ratio(area(line), area(other_line))
            for area in (
                lambda nm: line_areas(dataset.axis, dataset.spectra, nm, half_width_nm),
                lambda nm: simulated_line_areas(composition, nm, half_width_nm),
            )
        )
        contents = _relative_ratio(composition[element].to_numpy(), composition[other].to_numpy())
        for row, sample in enumerate(dataset.samples["sample_id"]):
            rows.append((sample, f"{element}/{other}", contents[row], simulated[row], measured[row]))
    return pd.DataFrame(rows, columns=["sample_id", "ratio", "contents", "simulated", "measured"])


def _relative_ratio(numerator, denominator):
    ratio = np.asarray(numerator) / np.asarray(denominator)
    return ratio / ratio[0]
