"""Explorer of the faults of a laboratory: the spectrum of one soil with any of them and without."""

from dataclasses import replace
from itertools import product

import numpy as np
from chemotools.scatter import StandardNormalVariate

from spectrakit.simulate.library import TRUE_AXIS, laboratories
from spectrakit.simulate.soils import soil_absorbance
from spectrakit.spectra import library_axis
from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series

FAULTS = ("shift", "baseline", "gain", "resolution", "air", "noise", "grinding")
_OF_BASELINE, _OF_AIR = ("offset", "slope", "curvature"), ("vapour", "carbon_dioxide")
_OF_SHIFT, _OF_RESOLUTION = ("shift_per_cm", "stretch_ppm"), ("resolution_per_cm", "step_per_cm")
_JITTER = ("shift_jitter_per_cm", "baseline_jitter", "gain_jitter", "vapour_jitter")
_FAULTLESS = dict.fromkeys((*_OF_SHIFT, *_OF_BASELINE, *_OF_AIR, *_JITTER, "noise"), 0.0) | {"gain": 1.0}
_REFERENCE = "national"  # the laboratory that grinds and resolves as those without a fault do
# Channels averaged for the overview, two a pixel as the page draws it; the closer look has each channel.
_AVERAGED = 10
_CLOSE = (3560, 3800)
_BANDS = ((1870, "quartz"), (2513, "carbonate"), (2930, "CH"), (3620, "OH"))


def faulty_spectra(composition, grain_um, laboratory, reference, random_state=0):
    """Absorbance of one soil with every combination of a laboratory's faults: float32 (2, 2, 2, 2, 2, 2, 2, 1700).

    composition : (1, n_infrared) mass fractions; grain_um : (1,) of the sieved soil; laboratory, reference :
    as of `laboratories()`; random_state : of the noise, which is the same in every combination
    Axes as FAULTS, index 0 without and 1 with the fault, then `library_axis()`. Without a fault, resolution and
    grinding are those of the reference, wavenumbers and gain are right, and baseline, air and noise add nothing. There
    is no jitter.
    """
    faulty = laboratory.spectrometer
    spectra = np.empty((2,) * len(FAULTS) + (len(library_axis()),), np.float32)
    ground = [soil_absorbance(composition, grain_um * lab.grain_factor, TRUE_AXIS) for lab in (reference, laboratory)]
    for shift, resolution in product((0, 1), repeat=2):
        shifted = _settings(faulty, _OF_SHIFT) if shift else {}
        resolved = _settings(faulty if resolution else reference.spectrometer, _OF_RESOLUTION)
        ideal = replace(faulty, **_FAULTLESS | shifted | resolved)
        # Baseline and air add the same to every soil: what the instrument shows with a gain of zero.
        no_gain = [replace(ideal, gain=0.0, **_settings(faulty, names)) for names in (_OF_BASELINE, _OF_AIR)]
        added = [instrument.measure(ground[0], np.random.default_rng(0))[0] for instrument in no_gain]
        for noise, grinding in product((0, 1), repeat=2):
            instrument = replace(ideal, noise=noise * faulty.noise)
            seen = instrument.measure(ground[grinding], np.random.default_rng(random_state))[0]
            for baseline, gain, air in product((0, 1), repeat=3):
                total = seen * (faulty.gain if gain else 1) + baseline * added[0] + air * added[1]
                spectra[shift, baseline, gain, resolution, air, noise, grinding] = total
    return spectra


def _settings(spectrometer, names):
    return {name: getattr(spectrometer, name) for name in names}


def laboratory_switches(composition, grain_um, name):
    """Explorer with a check box for each fault of a laboratory: one soil with the chosen faults and without.

    composition : (1, n_infrared) mass fractions; grain_um : (1,); name : of `laboratories()`
    Raises ValueError for an unknown laboratory, and as `soil_absorbance`.
    """
    if name not in laboratories():
        raise ValueError(f"no laboratory {name!r}: take one of {', '.join(laboratories())}")
    laboratory, known = laboratories()[name], laboratories()[_REFERENCE]
    spectra = faulty_spectra(composition, grain_um, laboratory, known)
    axis = library_axis()
    close = (axis >= _CLOSE[0]) & (axis <= _CLOSE[1])
    wide = axis.reshape(-1, _AVERAGED).mean(axis=1)
    averaged = spectra.reshape(*spectra.shape[:-1], len(wide), _AVERAGED).mean(axis=-1)
    treated = StandardNormalVariate().fit_transform(averaged.reshape(-1, len(wide)).astype(float))
    left = (treated - treated[0]).reshape(averaged.shape)
    panels = [
        _panel("The spectrum, averages over 20 cm⁻¹", wide, _pair(averaged), _BANDS),
        _panel("A closer look", axis[close], _pair(spectra[..., close]), ((3620, "kaolinite"), (3695, "kaolinite"))),
        _panel("What SNV leaves", wide, (Series("with less without, both after SNV", left),), (), "SNV, difference"),
    ]
    texts = _texts(laboratory, known)
    controls = [Control(texts[fault], (False, True), text=("off", "on")) for fault in FAULTS]
    caption = (
        f"The simulator computed all choices, for the laboratory '{name}'. Without a fault, soil is ground, and the "
        f"spectrum resolved, as in the laboratory '{_REFERENCE}'."
    )
    question = "Which fault does most harm after SNV, and which one vanishes?"
    most = np.abs(left).max(axis=-1)
    places = wide[np.abs(left).argmax(axis=-1)]
    answers = [_answer(*pair) for pair in zip(most.ravel(), places.ravel(), strict=True)]
    return Explorer(controls, panels, caption, None, question, answers)


def _answer(difference, place):
    if difference < 5e-4:
        return "After SNV nothing is left of a difference."
    return f"After SNV the largest difference is {difference:.2f} standard deviations, at {place:.0f} cm⁻¹."


def _pair(spectra):
    without = spectra[(slice(0, 1),) * len(FAULTS)]
    return Series("with the faults chosen", spectra), Series("without", without)


def _panel(title, axis, series, markers, y_label="Absorbance"):
    return Panel(title, axis, "Wavenumber (cm⁻¹)", y_label, series, markers)


def _texts(laboratory, reference):
    """The size of each fault of a laboratory: {fault: text}."""
    faulty, other = laboratory.spectrometer, reference.spectrometer
    texts = {
        "shift": f"Wavenumbers: {faulty.shift_per_cm:+g} cm⁻¹, {faulty.stretch_ppm:+g} ppm",
        "baseline": f"Baseline: {faulty.offset:+g}, slope {faulty.slope:+g}, curve {faulty.curvature:+g}",
        "gain": f"Gain: {faulty.gain:g}",
        "resolution": f"Resolution: {faulty.resolution_per_cm:g} in place of {other.resolution_per_cm:g} cm⁻¹",
        "air": f"Air: vapour {faulty.vapour:g}, CO₂ {faulty.carbon_dioxide:g}",
        "noise": f"Noise: {faulty.noise:g} of reflectance",
        "grinding": f"Grains: {laboratory.grain_factor / reference.grain_factor:.2g} times as large",
    }
    return {fault: text.replace("-", "−") for fault, text in texts.items()}
