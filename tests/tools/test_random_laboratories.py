from dataclasses import fields, replace

import numpy as np
import pytest

from spectrakit.simulate.library.laboratory import END_NOISE, laboratories
from spectrakit.simulate.soils.infrared import SPREAD, draw_infrared_variation, infrared_bands, no_infrared_variation
from spectrakit.spectra import library_axis
from tools.make import random_laboratories
from tools.make.random_laboratories import (
    LAYERS,
    WORLD_SPREAD,
    draw_laboratory,
    draw_programme,
    draw_spectrometer,
    draw_survey,
    draw_world,
)

PLAIN_WORLD = replace(no_infrared_variation(1), exponent=np.zeros(1))  # the simulator's bands


def test_spectrometers_drawn_at_random_reach_beyond_those_of_the_library():
    generator = np.random.default_rng(0)
    drawn = [draw_spectrometer(generator) for _ in range(400)]
    known = [laboratory.spectrometer for laboratory in laboratories().values()]
    assert {one.detector for one in drawn} == set(END_NOISE)
    names = ["noise", "shift_per_cm", "stretch_ppm", "offset", "slope", "curvature", "gain", "vapour", "carbon_dioxide"]
    for name in [*names, "shift_jitter_per_cm", "baseline_jitter", "gain_jitter"]:
        random, library = (np.array([getattr(one, name) for one in result]) for result in (drawn, known))
        # Some limits are those of the library's, which draws come near.
        assert random.min() <= library.min() + 0.05 * abs(library.min()), name
        assert random.max() >= 0.95 * library.max(), name


def test_laboratories_and_programmes_are_those_of_their_seed():
    first, again = ((draw_laboratory(g), draw_programme(g)) for g in map(np.random.default_rng, (3, 3)))
    assert first == again
    laboratory, programme = first
    assert laboratory.spectrometer.resolution_per_cm == 4.0 and laboratory.grain_factor == pytest.approx(0.5, abs=0.5)
    assert programme.layers in LAYERS and programme.carbon > 0


def test_bands_of_worlds_differ_by_more_than_those_of_soils():
    generator = np.random.default_rng(1)
    worlds = [draw_world(generator) for _ in range(100)]
    shifts = np.array([world.shift_cm[0] / infrared_bands()["width_cm"] for world in worlds])
    result = [np.log([world.strength for world in worlds]).std(), shifts.std()]
    assert result == pytest.approx([WORLD_SPREAD["strength"], WORLD_SPREAD["shift"]], rel=0.05)
    assert all(WORLD_SPREAD[name] >= SPREAD[name] for name in SPREAD)


def test_variations_of_world_survey_and_soils_come_together():
    soils, survey = (draw_infrared_variation(n, np.random.default_rng(n)) for n in (5, 1))
    result = random_laboratories._combined(PLAIN_WORLD, no_infrared_variation(1), soils)
    for name in (field.name for field in fields(result)):
        np.testing.assert_allclose(getattr(result, name), getattr(soils, name), rtol=1e-6)
    result = random_laboratories._combined(PLAIN_WORLD, survey, soils)
    np.testing.assert_allclose(result.strength, soils.strength * survey.strength, rtol=1e-6)
    np.testing.assert_allclose(result.shift_cm, soils.shift_cm + survey.shift_cm, rtol=1e-6)


def test_a_survey_holds_the_results_of_its_laboratory():
    survey, again = (draw_survey(40, PLAIN_WORLD, np.random.default_rng(5)) for _ in range(2))
    assert survey.spectra.shape == (40, len(library_axis())) and np.isfinite(survey.spectra).all()
    assert len(survey.composition) == len(survey.properties) == len(survey.site) == 40
    assert (np.diff(survey.site) >= 0).all() and {"c_g_kg", "oc_g_kg", "om_g_kg", "ph"} <= set(survey.properties)
    np.testing.assert_array_equal(survey.spectra, again.spectra)


def test_the_reference_of_a_laboratory_adds_a_smooth_wave():
    wave = random_laboratories._reference(np.random.default_rng(2))
    assert wave.shape == library_axis().shape and 0.005 < wave.std() < 0.06
    # From one channel to the next it changes by less than a tenth of its spread.
    assert np.abs(np.diff(wave)).max() < 0.1 * wave.std()
