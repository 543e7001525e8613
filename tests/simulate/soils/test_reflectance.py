from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.signal import argrelmax, savgol_filter
from scipy.stats import spearmanr

from spectrakit.resources import data_path
from spectrakit.simulate.soils import reflectance as physics
from spectrakit.simulate.soils.reflectance import (
    CONSTITUENTS,
    band_table,
    draw_variation,
    kubelka_munk,
    narrowed,
    no_variation,
    scattering,
    soil_reflectance,
)
from tools.make import bands as build_bands

AXIS = np.arange(400.0, 2500.0)
LOAM = {"quartz": 0.6, "kaolinite": 0.1, "smectite": 0.1, "illite": 0.1, "goethite": 0.02, "organic_matter": 0.03}


def mixture(**fractions):
    return np.array([[fractions.get(name, 0.0) for name in CONSTITUENTS]])


def spectrum(axis=AXIS, grain_um=50.0, **fractions):
    """Reflectance (n_channels,) of one mixture without variation."""
    return soil_reflectance(mixture(**fractions), np.array([grain_um]), axis)[0].astype(float)


def band_depths(wavelength, reflectance):
    """One minus reflectance over its upper convex hull, (n_channels,)."""
    hull = []
    for x, y in zip(wavelength, reflectance, strict=True):
        while len(hull) > 1:
            (x0, y0), (x1, y1) = hull[-2:]
            if (y1 - y0) * (x - x0) > (y - y0) * (x1 - x0):
                break
            hull.pop()
        hull.append((x, y))
    return 1 - reflectance / np.interp(wavelength, *np.array(hull).T)


def at(axis, values, wavelength):
    return values[np.abs(axis - wavelength).argmin()]


# --- radiative transfer --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "expected"), [(0.0, 1.0), (0.5, 0.3819660), (4.0, 0.1010205), (1e4, 4.99950e-5)])
def test_reflectance_of_a_thick_layer(ratio, expected):
    assert kubelka_munk(np.array(ratio)) == pytest.approx(expected, rel=1e-5)


def test_scattering_follows_grain_size_and_wavelength():
    found = scattering(np.array([50.0, 200.0]), np.array([0.0, 1.0]), np.array([500.0, 1000.0]))
    np.testing.assert_allclose(found, [[1, 1], [1.0, 0.5]], rtol=1e-6)


def test_a_band_alone_has_its_position_width_and_absorption():
    band = band_table().query("constituent == 'kaolinite' and 2200 < centre_nm < 2210").iloc[0]
    height, _, _ = physics._profiles(tuple(AXIS))
    profile = height[band.name]
    half = 1e7 / (1e7 / band.centre_nm + band.width_nm * 1e7 / band.centre_nm**2 / 2)
    assert AXIS[profile.argmax()] == round(band.centre_nm) == 2207
    assert np.interp(half, AXIS, profile) == pytest.approx(0.5, abs=5e-3)
    edge = band_table().query("constituent == 'organic_matter' and kind == 'edge'").iloc[0]
    assert at(AXIS, height[edge.name], 400 + edge.width_nm) == pytest.approx(np.exp(-1), rel=1e-5)


def test_reflectance_by_hand_from_the_band_table():
    bands = band_table().query("constituent == 'calcite'")
    sigma = bands.width_nm * 1e7 / bands.centre_nm**2 / 2.35482
    gauss = np.exp(-(((1e7 / 2341 - 1e7 / bands.centre_nm) / sigma) ** 2) / 2)
    shape = np.where(bands.kind == "edge", np.exp(-(2341 - bands.centre_nm) / bands.width_nm), gauss)
    ratio = (bands.absorption * shape).sum() / (np.sqrt(50 / 80) * (1000 / 2341) ** 0.3)
    expected = 0.015 + 0.985 * (1 + ratio - np.sqrt(ratio**2 + 2 * ratio))
    assert at(AXIS, spectrum(grain_um=80.0, calcite=1.0), 2341) == pytest.approx(expected, rel=1e-5)


def test_constituents_absorb_side_by_side():
    parts = [spectrum(kaolinite=0.3), spectrum(organic_matter=0.04)]
    both = spectrum(kaolinite=0.3, organic_matter=0.04)
    within = (np.array([*parts, both]) - 0.015) / 0.985
    ratios = (1 - within) ** 2 / (2 * within)  # K / S of a thick layer
    np.testing.assert_allclose(ratios[2], ratios[0] + ratios[1], rtol=1e-3, atol=2e-4)


# --- what soils do -------------------------------------------------------------------------------------------


def test_hematite_reddens():
    found = [spectrum(**LOAM | {"hematite": share}) for share in (0.0, 0.005, 0.02)]
    redness = np.array([at(AXIS, values, 680) / at(AXIS, values, 550) for values in found])
    assert (redness[1:] > 1.1 * redness[:-1]).all()


@pytest.mark.parametrize(
    ("name", "shares", "wavelength"),
    [
        ("calcite", (0.0, 0.1, 0.4), 2341),
        ("water", (0.0, 0.02, 0.06), 1915),
        ("kaolinite", (0.0, 0.1, 0.3), 2207),
        ("hematite", (0.0, 0.01, 0.04), 880),
        ("gibbsite", (0.0, 0.1, 0.2), 2268),
    ],
)
def test_more_of_a_constituent_deepens_its_band(name, shares, wavelength):
    near = np.abs(AXIS - wavelength) < 140
    depths = [
        at(AXIS[near], band_depths(AXIS[near], spectrum(**LOAM | {name: share})[near]), wavelength) for share in shares
    ]
    assert (np.diff(depths) > 0.005).all()


def test_finer_grains_are_brighter_and_organic_matter_and_water_darken():
    found = [spectrum(grain_um=size, **LOAM) for size in (20.0, 60.0, 200.0)]
    assert (np.diff(found, axis=0) < 0).all()
    dry = spectrum(**LOAM)
    assert (spectrum(**LOAM | {"organic_matter": 0.06}) < dry).all()
    # No band of water reaches far below 700 nm.
    assert (spectrum(**LOAM | {"water": 0.05}) < dry)[AXIS > 900].all()


# --- variation -----------------------------------------------------------------------------------------------


def exact_shift(band, shift_nm, log_width):
    """K / S at REFERENCE scattering of a band moved and widened without any approximation, (n_channels,)."""
    centre, width = band.centre_nm + shift_nm, band.width_nm * np.exp(log_width)
    # The band table gives a width at the table's centre, in wavenumber it stays what it is there.
    sigma = width * 1e7 / band.centre_nm**2 / 2.35482
    return np.exp(-(((1e7 / AXIS - 1e7 / centre) / sigma) ** 2) / 2)


@pytest.mark.parametrize(("shift_nm", "log_width"), [(1.5, 0.0), (-1.5, 0.0), (0.0, 0.08), (0.0, -0.08)])
def test_first_order_shift_and_width_are_near_the_exact_ones(shift_nm, log_width):
    bands = band_table().query("kind == 'vibration' and centre_nm < 2450 and width_nm > 20")
    height, by_centre, by_width = physics._profiles(tuple(AXIS))
    for band in bands.itertuples():
        first = height[band.Index] + shift_nm * by_centre[band.Index] + log_width * by_width[band.Index]
        error = np.abs(first - exact_shift(band, shift_nm, log_width)).max()
        change = np.abs(height[band.Index] - exact_shift(band, shift_nm, log_width)).max()
        # The error of a first order is of second order: a sixth of the change at these sizes.
        assert error < 0.17 * change + 1e-5, band


def test_a_drawn_shift_moves_the_minimum():
    axis, still = np.arange(2150.0, 2260.0, 0.5), no_variation(1)
    moved = replace(still, shift_nm=still.shift_nm + np.float32(4))
    found = [
        axis[soil_reflectance(mixture(illite=1.0), np.array([50.0]), axis, kind)[0].argmin()] for kind in (still, moved)
    ]
    assert found[1] - found[0] == pytest.approx(4.0, abs=1.0)


def test_variation_has_the_spread_that_it_states():
    drawn = draw_variation(4000, np.random.default_rng(0))
    for kind, (strength, shift, width) in physics.SPREAD.items():
        own = (band_table()["kind"] == kind).to_numpy()
        # 4,000 soils and more bands than one: standard deviations are good to a per cent or two.
        assert np.log(drawn.strength[:, own]).std() == pytest.approx(strength, rel=0.03)
        assert drawn.shift_nm[:, own].std() == pytest.approx(shift, rel=0.03)
        assert drawn.log_width[:, own].std() == pytest.approx(width, rel=0.03)
    kaolinite = np.flatnonzero(band_table()["constituent"] == "kaolinite")[3:5]
    assert np.corrcoef(np.log(drawn.strength[:, kaolinite]).T)[0, 1] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_share_of_the_spread_is_left_about_the_first_soil_but_for_surfaces(share):
    drawn, again = (draw_variation(400, np.random.default_rng(2)) for _ in range(2))
    left = narrowed(drawn, share)
    for name, values in vars(drawn).items():
        np.testing.assert_array_equal(values, getattr(again, name))
        assert getattr(left, name).dtype == values.dtype
        scale = np.log if name in ("strength", "efficiency", "scattering_exponent") else np.asarray
        whole, near = (scale(part.astype(float)) for part in (values, getattr(left, name)))
        expected = whole if name == "surface" else whole[:1] + share * (whole - whole[:1])
        np.testing.assert_array_equal(near[0], whole[0])
        np.testing.assert_allclose(near, expected, rtol=1e-6, atol=1e-5 * share)


def test_soils_do_not_depend_on_their_neighbours():
    compositions = np.concatenate([mixture(**LOAM), mixture(quartz=1.0), mixture(calcite=0.5, quartz=0.5)])
    grains = np.array([30.0, 60.0, 90.0])
    together = soil_reflectance(compositions, grains, AXIS)
    alone = np.concatenate([soil_reflectance(compositions[[i]], grains[[i]], AXIS) for i in range(3)])
    # Single precision leaves 1e-6 of reflectance, which counts most where soils are darkest (0.045 at 400 nm).
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-6)
    assert together.dtype == np.float32 and together.min() > 0 and together.max() <= 1


@pytest.mark.parametrize("wrong", [np.full((2, 14), 0.1), np.full(15, 0.1), np.full((1, 15), -0.1)])
def test_a_composition_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="give fractions of 0 and more"):
        soil_reflectance(wrong, np.array([50.0]), AXIS)


# --- the band table and measured minerals --------------------------------------------------------------------


def test_every_constituent_has_bands_with_a_source():
    bands = band_table()
    assert set(bands["constituent"]) == set(CONSTITUENTS)
    assert set(bands["kind"]) == {"vibration", "electronic", "edge"}
    assert (bands[["centre_nm", "width_nm", "absorption"]] > 0).all(axis=None)
    assert bands[["assignment", "source", "absorption_source"]].notna().all(axis=None)
    assert not bands.duplicated(["constituent", "kind", "centre_nm", "width_nm"]).any()


def test_the_band_table_is_what_its_script_makes(shared):
    made = build_bands.band_table(shared / "reference" / "usgs_minerals_reflectance.csv.gz")
    kept = pd.read_csv(data_path("bands", "visnir.csv"))
    # The third digit of what a least-squares fit returns may differ from one processor to the next.
    pd.testing.assert_frame_equal(made, kept, rtol=0.01)


def test_fitted_positions_stay_near_those_of_the_literature():
    named = pd.read_csv(data_path("bands", "literature.csv"))
    bands = band_table()
    pd.testing.assert_frame_equal(
        bands[["constituent", "kind", "assignment"]], named[["constituent", "kind", "assignment"]]
    )
    moved = (bands["centre_nm"] - named["centre_nm"]).abs()
    fitted = bands["absorption_source"] == "USGS reflectance"
    assert set(bands["constituent"][fitted]) == set(build_bands.SPECTRA)
    assert (moved[~fitted | (bands["kind"] == "edge") | bands["assignment"].str.startswith("wing")] == 0).all()
    assert moved[bands["kind"] == "vibration"].max() <= 8
    assert moved[bands["kind"] == "electronic"].max() <= 20


# Named bands with a minimum of their own in the measured spectrum.
STANDING = {"hematite": 3, "goethite": 9, "kaolinite": 14, "smectite": 8, "illite": 7, "calcite": 7}


@pytest.fixture(params=STANDING)
def endmember(request, shared, monkeypatch):
    """A constituent, wavelength, and reflectance, measured and simulated, of a powder without pigment-sized grains."""
    table = pd.read_csv(shared / "reference" / "usgs_minerals_reflectance.csv.gz")
    wavelength = table["wavelength_nm"].to_numpy(float)
    monkeypatch.setattr(physics, "PIGMENT_EFFICIENCY", 1.0)
    monkeypatch.setattr(physics, "PIGMENT_EFFICIENCY_BLUE", 1.0)
    column, grain_um = build_bands.SPECTRA[request.param]
    simulated = spectrum(wavelength, grain_um, **{request.param: 1.0})
    return request.param, wavelength, table[column].to_numpy(), simulated


def standing_bands(mineral, wavelength, measured):
    """Named bands with a minimum of their own in the measured spectrum, 1 % deep or more: centre to its place."""
    minima = argrelmax(measured, order=5)[0]
    minima = minima[measured[minima] >= 0.01]
    named = pd.read_csv(data_path("bands", "literature.csv"))
    named = named[(named["kind"] != "edge") & ~named["assignment"].str.startswith("wing") & (named["centre_nm"] < 2480)]
    found = {}
    for band in named.query("constituent == @mineral").itertuples():
        nearest = minima[np.abs(wavelength[minima] - band.centre_nm).argmin()]
        if abs(wavelength[nearest] - band.centre_nm) <= (25 if band.kind == "vibration" else 60):
            found[band.centre_nm] = nearest
    return found


def test_named_bands_stand_within_10_nm_of_measured_ones_as_deep_in_the_same_order(endmember):
    mineral, wavelength, measured, simulated = endmember
    measured = band_depths(wavelength, savgol_filter(measured, 11, 2))
    simulated = band_depths(wavelength, simulated)
    minima = argrelmax(simulated, order=5)[0]
    minima = minima[simulated[minima] >= 0.003]
    bands = standing_bands(mineral, wavelength, measured)
    apart = {name: np.abs(wavelength[minima] - wavelength[place]).min() for name, place in bands.items()}
    assert len(bands) == STANDING[mineral]
    assert max(apart.values()) <= 10, apart
    places = list(bands.values())
    assert spearmanr(measured[places], simulated[places]).statistic >= 0.95
    # The deepest of all is the same one, and so is the second where a third of the depth lies between it and the next.
    first, second, third = sorted(set(places), key=lambda place: -measured[place])[:3]
    assert simulated[first] == simulated[places].max()
    if measured[second] > 1.3 * measured[third]:
        assert simulated[second] > simulated[third]


def test_endmembers_reflect_as_measured(endmember):
    *_, measured, simulated = endmember
    apart = np.log(simulated / measured)
    # No brightness to adjust: what is grey in the powders stands in the table.
    assert apart.mean() == pytest.approx(0, abs=0.005)
    assert apart.std() < 0.03
