from dataclasses import fields

import numpy as np
import pytest

from spectrakit.simulate.library import random_laboratories
from spectrakit.simulate.library.laboratory import END_NOISE, laboratories
from spectrakit.simulate.library.random_laboratories import (
    WORLD_SPREAD,
    draw_laboratory,
    draw_programme,
    draw_spectrometer,
    draw_survey,
    draw_world,
)
from spectrakit.simulate.soils.infrared import SPREAD, draw_infrared_variation, infrared_bands, no_infrared_variation
from spectrakit.spectra import library_axis


def test_spectrometers_drawn_at_random_reach_beyond_those_of_the_library():
    generator = np.random.default_rng(0)
    drawn = [draw_spectrometer(generator) for _ in range(400)]
    known = [laboratory.spectrometer for laboratory in laboratories().values()]
    assert {one.detector for one in drawn} == set(END_NOISE)
    names = ["noise", "shift_per_cm", "stretch_ppm", "offset", "slope", "curvature", "gain", "vapour", "carbon_dioxide"]
    for name in [*names, "shift_jitter_per_cm", "baseline_jitter", "gain_jitter"]:
        random, own = ([getattr(one, name) for one in found] for found in (drawn, known))
        low, high = np.quantile(random, [0, 1])
        # Some limits are those of the library's own, which draws come near.
        assert low <= min(own) + 0.05 * abs(min(own)) and high >= 0.95 * max(own), name


def test_laboratories_and_programmes_are_those_of_their_seed():
    first, again = ((draw_laboratory(g), draw_programme(g)) for g in map(np.random.default_rng, (3, 3)))
    assert first == again
    laboratory, programme = first
    assert laboratory.spectrometer.resolution_per_cm == 4.0 and laboratory.grain_factor == pytest.approx(0.5, abs=0.5)
    assert programme.layers in random_laboratories._LAYERS and programme.carbon > 0


def test_bands_of_worlds_differ_by_more_than_those_of_soils():
    generator = np.random.default_rng(1)
    worlds = [draw_world(generator) for _ in range(100)]
    assert np.log([world.strength for world in worlds]).std() == pytest.approx(WORLD_SPREAD["strength"], rel=0.05)
    shifts = np.array([world.shift_cm[0] / infrared_bands()["width_cm"] for world in worlds])
    assert shifts.std() == pytest.approx(WORLD_SPREAD["shift"], rel=0.05)
    assert all(WORLD_SPREAD[name] >= SPREAD[name] for name in SPREAD)


def plain_world():
    """The world as the simulator has it."""
    plain = no_infrared_variation(1)
    return type(plain)(**{f.name: getattr(plain, f.name) for f in fields(plain)} | {"exponent": np.zeros(1)})


def test_variations_of_world_survey_and_soils_come_together():
    own, survey = (draw_infrared_variation(n, np.random.default_rng(n)) for n in (5, 1))
    found = random_laboratories._combined(plain_world(), no_infrared_variation(1), own)
    for name in ("strength", "shift_cm", "log_width", "surface", "scattering", "exponent"):
        np.testing.assert_allclose(getattr(found, name), getattr(own, name), rtol=1e-6)
    found = random_laboratories._combined(plain_world(), survey, own)
    np.testing.assert_allclose(found.strength, own.strength * survey.strength, rtol=1e-6)
    np.testing.assert_allclose(found.shift_cm, own.shift_cm + survey.shift_cm, rtol=1e-6)


def test_a_survey_holds_what_its_laboratory_found():
    generator = np.random.default_rng(5)
    survey = draw_survey(40, plain_world(), generator)
    assert survey.spectra.shape == (40, len(library_axis())) and np.isfinite(survey.spectra).all()
    assert len(survey.composition) == len(survey.properties) == len(survey.site) == 40
    assert (np.diff(survey.site) >= 0).all() and {"c_g_kg", "oc_g_kg", "om_g_kg", "ph"} <= set(survey.properties)
    again = draw_survey(40, plain_world(), np.random.default_rng(5))
    np.testing.assert_array_equal(survey.spectra, again.spectra)


def test_the_reference_of_a_laboratory_adds_the_same_to_all_of_its_scans():
    wave = random_laboratories._reference(np.random.default_rng(2))
    assert wave.shape == library_axis().shape and 0.005 < wave.std() < 0.06
    # Smooth: from one channel to the next it changes by less than a tenth of its spread.
    assert np.abs(np.diff(wave)).max() < 0.1 * wave.std()
