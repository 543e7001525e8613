import json
from dataclasses import replace

import numpy as np
import pytest

from spectrakit.simulate.library.laboratory import TRUE_AXIS, laboratories
from spectrakit.simulate.soils.infrared import INFRARED_CONSTITUENTS, soil_absorbance
from spectrakit.spectra import library_axis
from spectrakit.teaching.widgets.laboratory import FAULTS, faulty_spectra, laboratory_switches

SOIL = {"quartz": 0.5, "kaolinite": 0.3, "calcite": 0.05, "aliphatic": 0.02, "water": 0.02}
COMPOSITION = np.array([[SOIL.get(name, 0.0) for name in INFRARED_CONSTITUENTS]])
GRAIN_UM = np.array([60.0])
JITTER = dict.fromkeys(("shift_jitter_per_cm", "baseline_jitter", "gain_jitter", "vapour_jitter"), 0.0)


@pytest.fixture(scope="module")
def spectra():
    return faulty_spectra(COMPOSITION, GRAIN_UM, laboratories()["iberian"], laboratories()["national"])


@pytest.fixture(scope="module")
def widget():
    return laboratory_switches(COMPOSITION, GRAIN_UM, "iberian")


def with_faults(spectra, *names):
    return spectra[tuple(int(fault in names) for fault in FAULTS)]


def test_all_faults_together_are_what_the_laboratory_measures(spectra):
    own = laboratories()["iberian"]
    absorbance = soil_absorbance(COMPOSITION, GRAIN_UM * own.grain_factor, TRUE_AXIS)
    expected = replace(own.spectrometer, **JITTER).measure(absorbance, np.random.default_rng(0))[0]
    np.testing.assert_allclose(with_faults(spectra, *FAULTS), expected, atol=2e-6)


def test_some_faults_are_those_of_an_instrument_without_the_others(spectra):
    own, reference = laboratories()["iberian"], laboratories()["national"]
    faultless = JITTER | dict.fromkeys(("shift_per_cm", "stretch_ppm", "vapour", "carbon_dioxide", "noise"), 0.0)
    faultless |= {"resolution_per_cm": 4, "step_per_cm": 1.9285}
    absorbance = soil_absorbance(COMPOSITION, GRAIN_UM * reference.grain_factor, TRUE_AXIS)
    expected = replace(own.spectrometer, **faultless).measure(absorbance, np.random.default_rng(0))[0]
    np.testing.assert_allclose(with_faults(spectra, "gain", "baseline"), expected, atol=2e-6)


def test_each_fault_does_what_it_is_called(spectra):
    axis, clean = library_axis(), with_faults(spectra)
    close = (axis > 3680) & (axis < 3715)
    true = (axis - 2) / (1 - 350e-6)
    np.testing.assert_allclose(with_faults(spectra, "shift")[50:-50], np.interp(true, axis, clean)[50:-50], atol=0.02)
    np.testing.assert_allclose(with_faults(spectra, "gain"), 0.9 * clean, rtol=1e-6)
    place = (axis - 2300) / 1700
    baseline = 0.07 - 0.05 * place + 0.02 * (place**2 - 1 / 3)
    np.testing.assert_allclose(with_faults(spectra, "baseline") - clean, baseline, atol=1e-5)
    air = with_faults(spectra, "air") - clean
    assert air[np.abs(axis - 2361).argmin()] == pytest.approx(0.025, rel=0.1) and np.abs(air[axis < 1200]).max() < 1e-6
    assert with_faults(spectra, "resolution")[close].max() < clean[close].max() - 0.005
    noise = with_faults(spectra, "noise") - clean
    assert np.abs(noise.mean()) < 1e-4 and noise.std() == pytest.approx(0.00178, rel=0.02)
    coarser = with_faults(spectra, "grinding") - clean
    assert coarser.mean() == pytest.approx(0.0929, abs=5e-4)


def test_a_check_box_for_each_fault_says_how_large_it_is(widget):
    controls = widget.specification["controls"]
    assert {control["kind"] for control in controls} == {"switch"} and widget.indices == [0] * 7
    assert [control["label"] for control in controls] == [
        "Wavenumbers: +2 cm⁻¹, −350 ppm",
        "Baseline: +0.07, slope −0.05, curve +0.02",
        "Gain: 0.9",
        "Resolution: 8 in place of 4 cm⁻¹",
        "Air: vapour 0.01, CO₂ 0.025",
        "Noise: 0.0005 of reflectance",
        "Grains: 1.7 times as large",
    ]


def test_panels_show_averages_channels_and_what_snv_leaves(widget, spectra, values):
    wide, close, left = widget.specification["panels"]
    assert (len(wide["x"]), wide["x"][0], len(close["x"]), close["x"][0]) == (170, 609, 121, 3560)
    chosen, without = wide["series"]
    some = with_faults(spectra, "gain", "air")
    np.testing.assert_allclose(with_faults(values(chosen), "gain", "air"), some.reshape(170, 10).mean(1), rtol=1e-5)
    np.testing.assert_allclose(values(without).ravel(), with_faults(spectra).reshape(170, 10).mean(1), rtol=1e-5)
    shown = (library_axis() >= 3560) & (library_axis() <= 3800)
    np.testing.assert_allclose(with_faults(values(close["series"][0]), "shift"), with_faults(spectra, "shift")[shown])
    after = values(left["series"][0])
    assert np.abs(with_faults(after, "gain")).max() < 1e-4 < 0.05 < np.abs(with_faults(after, "baseline")).max()
    assert len(json.dumps(widget.specification, allow_nan=False)) < 400_000


def test_unknown_laboratories_are_refused():
    with pytest.raises(ValueError, match="no laboratory 'nowhere': take one of national, highland"):
        laboratory_switches(COMPOSITION, GRAIN_UM, "nowhere")
