"""Spectra of the LIBS study: tasks cut out of simulated and measured tables, and checks of measured spectra."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.simulate import libs as experiment
from spectrakit.tables import read_table, spectra_files

TARGETS = experiment.TARGETS
RANGES = ("high", "low")
TASKS = tuple((target, range_) for range_ in RANGES for target in TARGETS)
N_FOLDS = 10
# An average of shots of a 16-bit detector that reaches this many counts holds shots that were cut off.
SATURATED_COUNTS = 0.95 * 65535
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
# How far from its place (nm) a line is searched for.
SEARCH_NM = 0.3


@dataclass(frozen=True)
class Task:
    """One element in one set of soils: spectra of its window, contents, and the soils they come from.

    wavelength : (n_channels,) nm; counts : (n_samples, n_channels)
    content : (n_samples,) ppm; sample_id : (n_samples,)
    """

    target: str
    range: str
    wavelength: np.ndarray
    counts: np.ndarray
    content: np.ndarray
    sample_id: np.ndarray


def cut_task(dataset, target, range_):
    """The task of one element and one set of soils out of the experiment's dataset, one row a measurement.

    dataset : SpectralDataset of `simulate.libs.measure`, or of its table; target : 'ca', 'mg' or 'na'
    range_ : 'high' (spiked soils) or 'low' (field soils)
    """
    axis = experiment.window_axes()[target]
    half = (axis[1] - axis[0]) / 2
    part = dataset.subset((dataset.samples["range"] == range_).to_numpy())
    return _task(part.window(axis[0] - half, axis[-1] + half), target, range_)


def measured_task(dataset, target):
    """The task of one element in a measured set, on the channels that its spectrometer has in the study's window.

    dataset : SpectralDataset of counts over nm with the property '<target>_ppm'; samples without it are left out
    Raises ValueError where the property is missing or no sample has it.
    """
    name = f"{target}_ppm"
    if name not in dataset.properties or dataset.properties[name].isna().all():
        raise ValueError(f"no sample with the property {name}: add such a column")
    low, high, _ = experiment.settings()["windows"][target]
    return _task(dataset.subset(dataset.properties[name].notna().to_numpy()).window(low, high), target, "measured")


def _task(part, target, range_):
    content, sample_id = part.properties[f"{target}_ppm"].to_numpy(), part.samples["sample_id"].to_numpy(str)
    return Task(target, range_, part.axis, part.spectra.astype(float), content, sample_id)


def measured_tasks(datasets):
    """Tasks out of measured tables: every element of the study with a column such as 'ca_ppm' in ten samples or more.

    datasets : {name: SpectralDataset of counts over nm}; samples without the content are left out
    Returns {(name, target): Task}, its range 'measured'.
    """
    return {
        (name, target): measured_task(data, target)
        for name, data in datasets.items()
        for target in TARGETS
        if f"{target}_ppm" in data.properties and data.properties[f"{target}_ppm"].notna().sum() >= N_FOLDS
    }


def read_folder(folder):
    """Every LIBS table of a folder that reaches over the study's windows: {file name without ending: dataset}.

    The notes of the first name files that are no tables of spectra. Raises ValueError where there is none, TableError
    for a table that cannot be used.
    """
    folder, windows = Path(folder), experiment.settings()["windows"].values()
    low, high = min(window[0] for window in windows), max(window[1] for window in windows)
    files, notes = spectra_files(folder)
    sets = {path.name.split(".")[0]: read_table(path, "nm", "counts") for path in files}
    sets = {name: data for name, data in sets.items() if data.axis[0] < low and data.axis[-1] > high}
    if not sets:
        raise ValueError(f"{folder}: no table of LIBS counts from {low:g} to {high:g} nm among {len(files)} files")
    first, *rest = sets
    return {first: replace(sets[first], notes=(*notes, *sets[first].notes))} | {name: sets[name] for name in rest}


def wavelength_shifts(dataset):
    """How far each of CHECK_LINES lies from its place in the line table, in a measured set.

    dataset : SpectralDataset of counts over nm
    Returns a DataFrame: line, table_nm, shift_nm (maximum of a parabola through the three highest channels of the
    logarithm of the median spectrum, less the table), shift_channels, saturated. Lines that the axis does not cover,
    or whose maximum lies at the edge of the search, are left out.
    """
    axis, median, rows = dataset.axis, np.nanmedian(dataset.spectra, axis=0), []
    for element, stage, wavelength in CHECK_LINES:
        near = np.flatnonzero(np.abs(axis - wavelength) <= SEARCH_NM)
        if len(near) < 5:
            continue
        place = near[np.nanargmax(median[near])]
        if place in (near[0], near[-1]):
            continue
        three = slice(place - 1, place + 2)
        curve = np.polyfit(axis[three] - axis[place], np.log(median[three]), 2)
        table = experiment.line_table(wavelength - 0.01, wavelength + 0.01, element, stage)
        shift = axis[place] - curve[1] / (2 * curve[0]) - table.wavelength_air_nm.iloc[0]
        step = np.diff(axis[three]).mean()
        rows.append((f"{element} {'I' * stage}", wavelength, shift, shift / step, is_saturated(median[place])))
    return pd.DataFrame(rows, columns=["line", "table_nm", "shift_nm", "shift_channels", "saturated"])


def shifted(dataset, channels):
    """The dataset with every spectrum moved by whole channels along its axis, to try the checks on."""
    return replace(dataset, spectra=np.roll(dataset.spectra, channels, axis=1))


def is_saturated(counts):
    """Whether averaged counts of a 16-bit detector must hold shots that were cut off."""
    return np.asarray(counts) >= SATURATED_COUNTS


def saturated_samples(dataset):
    """Share of the samples with a saturated channel in each of the study's windows, by element in lower case."""
    return {
        target: float(is_saturated(dataset.window(low, high).spectra).any(1).mean())
        for target, (low, high, _) in experiment.settings()["windows"].items()
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
        metal, oxygen = atoms * experiment.ATOMIC_MASS[element], oxygens * experiment.ATOMIC_MASS["O"]
        ppm = properties[column] * 1e4
        composition[element] = ppm * metal / (metal + oxygen)
        composition["O"] += ppm * oxygen / (metal + oxygen)
    return composition


def simulated_line_areas(composition_ppm, wavelength_nm, half_width_nm):
    """The same areas as `line_areas`, of plasmas of the given compositions under the study's conditions."""
    part = experiment.SpectralRange(wavelength_nm - half_width_nm, wavelength_nm + half_width_nm)
    radiance = part.radiance(experiment.soil_plasma(composition_ppm))
    return line_areas(part.grid_nm, radiance, wavelength_nm, half_width_nm)


def content_ratios(dataset, pairs, half_width_nm=0.5):
    """Line ratios of rocks beside those that their contents and the simulator give, each relative to the first rock.

    dataset : SpectralDataset of counts with oxide columns
    pairs : ((element, wavelength), (element, wavelength)) each, two lines that one detector records
    Relative to the first rock the sensitivity of the detector cancels.
    Returns a DataFrame: sample_id, ratio (as 'Mg/Si'), contents, simulated, measured.
    """
    composition, frames = rock_composition(dataset.properties), []
    for (element, line), (other, other_line) in pairs:
        measured = [line_areas(dataset.axis, dataset.spectra, nm, half_width_nm) for nm in (line, other_line)]
        simulated = [simulated_line_areas(composition, nm, half_width_nm) for nm in (line, other_line)]
        contents = composition[element].to_numpy(), composition[other].to_numpy()
        compared = {"contents": contents, "simulated": simulated, "measured": measured}
        ratios = pd.DataFrame({name: one / two for name, (one, two) in compared.items()})
        names = {"sample_id": dataset.samples["sample_id"], "ratio": f"{element}/{other}"}
        frames.append(pd.DataFrame(names | dict(ratios / ratios.iloc[0])))
    return pd.concat(frames, ignore_index=True)
