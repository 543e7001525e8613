import numpy as np
import pandas as pd
import pytest
from scipy import constants
from scipy.special import voigt_profile

from spectrakit.simulate.instruments import EchelleSpectrometer
from spectrakit.simulate.libs import plasma as physics
from spectrakit.simulate.libs.atoms import ELEMENTS, doppler_sigma, ionisation_energy, line_table, stark_fwhm
from spectrakit.simulate.libs.plasma import Plasma, SpectralRange

EV_PER_K = constants.k / constants.e
SPECTROMETER = EchelleSpectrometer(5000)
CONDITIONS = [(7_000.0, 5e15), (9_000.0, 1e16), (12_000.0, 3e16)]  # K, cm-3


def uniform(contents_ppm, temperature=10_000.0, density=5e16, depth=1e-3):
    """Plasmas of one temperature and density, one for each content."""
    fractions = physics.mole_fractions(contents_ppm)
    return Plasma(
        *(np.full(len(fractions), value) for value in (temperature, density)),
        fractions,
        np.full(len(fractions), depth),
    )


def measured_line(centre, plasma, element, half_width):
    """Radiance of a line (W m-2 sr-1) as an instrument sees it, over the continuum on either side.

    Of all lines those of one element are there: the silicon that the traces stand in is dark.
    """
    axis = np.arange(centre - half_width, centre + half_width, SPECTROMETER.resolution_nm(centre) / 3.3)
    lines = line_table(centre - 4, centre + 4, element)
    part = SpectralRange(axis[0] - 0.5, axis[-1] + 0.5, lines)
    radiance = part.radiance(plasma)
    thickness = radiance.max() / physics.planck(centre, plasma.temperature_K[0])
    assert thickness < 0.03, f"the line at {centre} nm is not thin: {thickness:.3f}"
    channels = (radiance @ SPECTROMETER.response(part.grid_nm, axis))[0]
    return (channels - (channels[0] + channels[-1]) / 2).sum()


def line(element, stage, wavelength):
    own = line_table(wavelength - 0.01, wavelength + 0.01, element, stage)
    assert len(own) == 1
    return own.iloc[0]


# --- what is put in comes out --------------------------------------------------------------------------------

CALCIUM = [422.673, 430.253, 442.544, 585.745, 612.222, 643.908, 646.257]
IRON = [400.524, 404.581, 426.047, 430.790, 432.576, 438.354, 440.475, 441.512]


# The high lines of calcium are broad: above 1e16 their wings leave the stretch that is integrated.
@pytest.mark.parametrize(
    ("element", "wavelengths", "temperature", "density"),
    [
        ("Ca", CALCIUM, 7_000.0, 5e15),
        ("Ca", CALCIUM, 9_000.0, 1e16),
        ("Ca", CALCIUM, 12_000.0, 5e15),
        ("Fe", IRON, 7_000.0, 5e15),
        ("Fe", IRON, 10_000.0, 5e16),
        ("Fe", IRON, 12_000.0, 3e16),
    ],
)
def test_a_boltzmann_plot_returns_the_temperature(element, wavelengths, temperature, density):
    plasma = uniform({"Si": 1e6, element: [300.0]}, temperature, density)
    lines = [line(element, 1, wavelength) for wavelength in wavelengths]
    half_widths = [min(0.5, distance_to_neighbour(row)) for row in lines]
    light = [measured_line(r.wavelength_air_nm, plasma, element, h) for r, h in zip(lines, half_widths, strict=True)]
    height = np.log([i * r.wavelength_air_nm / (r["A_s-1"] * r.g_upper) for i, r in zip(light, lines, strict=True)])
    slope = np.polyfit([r.E_upper_eV for r in lines], height, 1)[0]
    assert -1 / (EV_PER_K * slope) == pytest.approx(temperature, rel=0.03)


def distance_to_neighbour(row):
    """Half the way (nm) to the next line of the element that has a hundredth of this line's strength."""
    near = line_table(row.wavelength_air_nm - 3, row.wavelength_air_nm + 3, row.element)
    weight = near["A_s-1"] * near.g_upper * np.exp(-near.E_upper_eV / (EV_PER_K * 10_000))
    distance = (near.wavelength_air_nm - row.wavelength_air_nm).abs()
    strong = weight > 0.01 * weight[distance.idxmin()]
    return distance[strong & (distance > 0)].min() / 2


@pytest.mark.parametrize(("temperature", "density"), CONDITIONS)
@pytest.mark.parametrize(
    ("element", "ion_nm", "atom_nm", "half_width"), [("Ca", 396.847, 422.673, 1.0), ("Mg", 280.271, 285.213, 0.35)]
)
def test_a_saha_ratio_returns_the_electron_density(element, ion_nm, atom_nm, half_width, temperature, density):
    plasma = uniform({"Si": 1e6, element: [1.0]}, temperature, density)
    ion, atom = line(element, 2, ion_nm), line(element, 1, atom_nm)
    ratio = np.divide(*(measured_line(nm, plasma, element, half_width) for nm in (ion_nm, atom_nm)))
    thermal = 2 * (2 * np.pi * constants.m_e * constants.k * temperature / constants.h**2) ** 1.5 * 1e-6
    strength = (ion["A_s-1"] * ion.g_upper / ion_nm) / (atom["A_s-1"] * atom.g_upper / atom_nm)
    energy = ionisation_energy(element, 1) + ion.E_upper_eV - atom.E_upper_eV
    found = thermal * strength * np.exp(-energy / (EV_PER_K * temperature)) / ratio
    assert found == pytest.approx(density, rel=0.1)


def peak(part, plasma, wavelength):
    """Radiance at a line's centre over the continuum's: (n,)."""
    at = np.argmin(np.abs(part.grid_nm - wavelength))
    lines = part.radiance(plasma)[:, at]
    continuum = physics.continuum_depth(part.grid_nm[[at]], plasma)[:, 0]
    return lines + physics.planck(wavelength, plasma.temperature_K) * np.expm1(-continuum)


def test_sodium_doublet_goes_from_two_to_one_as_the_depth_grows():
    part = SpectralRange(588.0, 590.6)
    plasma = uniform({"Si": 1e6, "Na": np.geomspace(1, 5e5, 8)})
    depth = part.line_optical_depth(plasma).max(1)
    ratio = peak(part, plasma, 588.99509) / peak(part, plasma, 589.59242)
    assert depth[0] < 2e-4 and depth[-1] > 5
    assert ratio[0] == pytest.approx(2.0, abs=0.02)
    assert ratio[-1] == pytest.approx(1.0, abs=0.03)
    assert (np.diff(ratio) < 0).all()


def test_magnesium_ion_doublet_is_near_two_when_thin():
    plasma = uniform({"Si": 1e6, "Mg": [1.0]})
    ratio = np.divide(*(measured_line(nm, plasma, "Mg", 0.2) for nm in (279.55275, 280.27046)))
    # A g / wavelength of both lines, and the Boltzmann factor of 0.011 eV.
    assert ratio == pytest.approx(2.60 * 4 / (2.57 * 2) * 280.27 / 279.55 * np.exp(-0.01135 / 0.8617), rel=0.01)


def test_the_slab_saturates_at_the_black_body():
    part = SpectralRange(588.0, 590.6)
    radiance = part.radiance(uniform({"O": 1e6, "Na": [1e4, 1e4]}, depth=1e4))
    np.testing.assert_allclose(radiance, np.tile(physics.planck(part.grid_nm, 1e4), (2, 1)), rtol=2e-5)
    thick = part.radiance(uniform({"O": 1e6, "Na": [3e5]}))
    assert (thick <= physics.planck(part.grid_nm, 1e4) * (1 + 1e-5)).all()


def test_depth_and_continuum_of_thin_slabs_are_proportional():
    part = SpectralRange(421.0, 422.0)
    one, two = (part.radiance(uniform({"O": 1e6, "Fe": [100.0]}, depth=depth)) for depth in (1e-4, 2e-4))
    np.testing.assert_allclose(two / one, 2.0, rtol=1e-3)
    # The continuum grows with the square of the density.
    one, two = (physics.continuum_depth([280.0, 590.0], uniform({"O": [1e6]}, 9_000.0, n)) for n in (2e16, 4e16))
    np.testing.assert_allclose(two / one, 4.0)


# The strongest line of each element, and the others in the windows of the study.
LINES = [
    ("H", 1, 656.279),
    ("C", 1, 247.856),
    ("N", 1, 746.831),
    ("O", 1, 777.194),
    ("Na", 1, 588.995),
    ("Na", 1, 589.592),
    ("Mg", 2, 279.553),
    ("Mg", 2, 280.270),
    ("Al", 1, 396.152),
    ("Si", 1, 288.158),
    ("K", 1, 766.490),
    ("Ca", 2, 393.366),
    ("Ca", 1, 422.673),
    ("Ti", 2, 334.940),
    ("Mn", 2, 257.610),
    ("Fe", 2, 259.940),
]


@pytest.mark.parametrize(("element", "stage", "wavelength"), LINES)
def test_a_doubled_content_never_lowers_a_line(element, stage, wavelength):
    centre = line(element, stage, wavelength).wavelength_air_nm
    filler = "Si" if element != "Si" else "Al"
    contents = 10.0 * 2.0 ** np.arange(16)
    part = SpectralRange(centre - 0.2, centre + 0.2, line_table(centre - 4, centre + 4, element))
    heights = peak(part, uniform({filler: 1e6 - contents, element: contents}), centre)
    assert (np.diff(heights) >= -1e-6 * heights[:-1]).all()
    assert heights[1] > 1.9 * heights[0] > 0


# --- the pieces, pinned --------------------------------------------------------------------------------------


def test_mole_fractions_of_known_mixtures():
    water = physics.mole_fractions({"H": 111_898, "O": 888_102})
    assert water.shape == (1, 13)
    assert water[0, [ELEMENTS.index("H"), ELEMENTS.index("O")]] == pytest.approx([2 / 3, 1 / 3], abs=2e-5)
    assert water.sum() == pytest.approx(1)
    frame = physics.mole_fractions(pd.DataFrame({"Na": [22.990, 45.980], "Ca": [40.078, 40.078]}))
    np.testing.assert_allclose(frame[:, ELEMENTS.index("Na")], [1 / 2, 2 / 3])


def test_saha_ratio_pinned():
    # Sodium at 6000 K and 1e15: 4.8294e15 * 6000**1.5 / 1e15 * (1 / 2.0886) * exp(-5.1391 / 0.517040)
    lower, upper = (physics.partition_function("Na", stage, 6_000.0) for stage in (1, 2))
    expected = 4.829373 * 464_758.0 * upper / lower * 4.8220e-5
    assert physics.saha_ratio("Na", 1, 6_000.0, 1e15) == pytest.approx(expected, rel=1e-3)
    assert physics.saha_ratio("Na", 1, 6_000.0, 2e15) == pytest.approx(expected / 2, rel=1e-3)


def test_stage_fractions_sum_to_one_and_hydrogen_is_ionised_once():
    shares = physics.stage_fractions(np.array([5_000.0, 15_000.0]), np.array([1e15, 1e17]))
    assert shares.shape == (2, 13, 3)
    np.testing.assert_allclose(shares.sum(-1), 1.0)
    assert (shares[:, 0, 2] == 0).all()
    single, double = shares[1, ELEMENTS.index("Ca"), 1:]
    assert double / single == pytest.approx(physics.saha_ratio("Ca", 2, 15_000.0, 1e17))


def test_a_plasma_is_neutral_and_keeps_its_composition():
    plasma = uniform({"O": 5e5, "Si": 3e5, "Ca": [1e4, 2e5], "H": 1e3}, 11_000.0, 7e16)
    densities = physics.species_densities(plasma)
    np.testing.assert_allclose((densities * np.arange(3)).sum((1, 2)), 7e16)
    shares = densities.sum(2) / densities.sum((1, 2))[:, None]
    np.testing.assert_allclose(shares, plasma.mole_fractions, atol=1e-12)


def test_the_depth_of_a_line_is_its_absorption_oscillator_strength():
    plasma = uniform({"O": 1e6, "Ca": [500.0]}, 8_000.0, 2e16, depth=2e-3)
    row = line("Ca", 1, 422.673)
    atoms_m3 = physics.species_densities(plasma)[0, ELEMENTS.index("Ca"), 0] * 1e6
    # f = 1.75 of the resonance line; classical electron radius; one level at zero energy with weight 1.
    lower = atoms_m3 / physics.partition_function("Ca", 1, 8_000.0)
    photon = np.exp(-1239.842 / 422.673 / (EV_PER_K * 8_000))
    radius = constants.physical_constants["classical electron radius"][0]
    strength = 1.4992e-14 * 3 * 422.673**2 * row["A_s-1"]
    expected = np.pi * radius * strength * (422.673e-9) ** 2 * lower * (1 - photon) * 2e-3 * 1e9
    assert strength == pytest.approx(1.75, abs=0.01)
    found = physics.line_depths(line_table(422.66, 422.68, "Ca", 1), plasma)
    assert found == pytest.approx(expected, rel=1e-3)


def test_emissivity_is_that_of_spontaneous_emission():
    plasma = uniform({"O": 1e6, "Fe": [500.0]}, 9_000.0, 2e16)
    row = line("Fe", 1, 438.354)
    atoms_m3 = physics.species_densities(plasma)[0, ELEMENTS.index("Fe"), 0] * 1e6
    upper = atoms_m3 * row.g_upper / physics.partition_function("Fe", 1, 9_000.0)
    upper = upper * np.exp(-row.E_upper_eV / (EV_PER_K * 9_000))
    photon = constants.h * constants.c / 438.354e-9
    expected = row["A_s-1"] * upper * photon / (4 * np.pi) * 1e-3
    found = physics.line_emissivities(line_table(438.35, 438.36, "Fe", 1), plasma)
    # A photon's energy is taken at the air wavelength: 0.03 % of 2.8 eV, a thousandth of the Boltzmann factor.
    assert found == pytest.approx(expected, rel=2e-3)


def test_planck_pinned():
    # 1.191043e-16 / (500e-9)**5 / (exp(2.877552) - 1) * 1e-9
    assert physics.planck(500.0, 10_000.0) == pytest.approx(2.27242e5, rel=1e-4)
    # Wien: 2.897772 mm K
    wavelengths = np.linspace(200, 400, 20_001)
    assert wavelengths[physics.planck(wavelengths, 10_000.0).argmax()] == pytest.approx(289.777, abs=0.01)


def test_continuum_pinned():
    # 1.632e-43 * (1e23)**2 / ((500e-9)**2 * 100) * (1 - 0.056272 + 1.1 * 0.056272) * 1e-9 * 1 mm
    plasma = uniform({"O": [1e6]}, 10_000.0, 1e17)
    depth = physics.continuum_depth([500.0], plasma)
    assert depth * physics.planck(500.0, 10_000.0) == pytest.approx(65.647, rel=1e-4)
    part = SpectralRange(499.9, 500.1, lines=line_table(500, 500.0001))
    np.testing.assert_allclose(part.radiance(plasma), 65.64, rtol=1e-3)


# --- profiles ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [1e15, 5e16, 1e17])
def test_profiles_agree_with_scipy_up_to_where_they_are_cut(density):
    """At 0.3 nm or 30 Stark widths, and not before 3 nm for resonance lines."""
    lines = line_table(277, 283)
    grid = physics.wavelength_grid(276, 284)
    values = physics.line_profiles(lines, grid, 10_000.0, density).toarray()
    sigma, width = doppler_sigma(lines, 10_000.0), stark_fwhm(lines, density)
    reaches = np.maximum(np.maximum(0.3, 30 * width), np.where(lines.E_lower_eV < 0.1, 3.0, 0.0))
    assert len(lines) > 100 and sum(lines.E_lower_eV < 0.1) == 9
    for centre, s, w, reach, profile in zip(lines.wavelength_air_nm, sigma, width, reaches, values, strict=True):
        distance = grid - centre
        exact = voigt_profile(distance, s, w / 2)
        within = np.abs(distance) < reach - 0.002
        np.testing.assert_allclose(profile[within], exact[within], rtol=4.5e-3)
        core = np.abs(distance) < 10 * s
        np.testing.assert_allclose(profile[core], exact[core], rtol=1e-6)
        assert not profile[np.abs(distance) > reach + 0.002].any()


@pytest.mark.parametrize("density", [1e16, 1e17])
def test_the_width_of_h_alpha_measured_on_a_spectrum(density):
    part = SpectralRange(651.0, 661.5, lines=line_table(656, 657, "H"))
    plasma = uniform({"O": 1e6, "H": [1.0]}, 10_000.0, density)
    light = part.radiance(plasma)[0]
    light = light - light[[0, -1]].mean()
    above = part.grid_nm[light > light.max() / 2]
    stark = float(line_table(656, 657, "H").stark_fwhm_nm.iloc[0]) * (density / 1e17) ** 0.67965
    # Doppler 0.0468 nm; Voigt width after Olivero & Longbothum (1977).
    expected = 0.5346 * stark + np.sqrt(0.2166 * stark**2 + 0.0468**2)
    assert np.ptp(above) == pytest.approx(expected, rel=0.02)


def test_the_grid_resolves_the_narrowest_line():
    grid = physics.wavelength_grid(279.0, 281.0)
    assert grid[[0, -1]] == pytest.approx([279.0, 281.0])
    np.testing.assert_allclose(grid[1:] / grid[:-1], grid[1] / grid[0])
    assert np.diff(grid).max() <= 1.01e-3


# --- many plasmas at once ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), [(278.7, 281.29), (420.7, 423.0), (588.5, 590.3)])
def test_the_lattice_agrees_with_the_exact_path(low, high):
    generator = np.random.default_rng(0)
    n = 40
    fractions = physics.mole_fractions({"O": 5e5, "Si": 3e5, "Ca": 1e4, "Mg": 6e3, "Na": 6e3, "Fe": np.full(n, 4e4)})
    scatter = np.exp(generator.standard_normal((2, n)) * [[0.05], [0.2]])
    plasma = Plasma(1e4 * scatter[0], 5e16 * scatter[1], fractions, np.full(n, 1e-3))
    part = SpectralRange(low, high)
    many = part.line_optical_depth(plasma)
    exact = np.concatenate([part.line_optical_depth(plasma[rows : rows + 8]) for rows in range(0, n, 8)])
    error = np.abs(many - exact).max(1) / exact.max(1)
    assert 0 < error.max() < 3e-3
    part_of_many = part.line_optical_depth(plasma[np.arange(11)])
    np.testing.assert_allclose(part_of_many, many[:11], rtol=1e-5)


# --- errors --------------------------------------------------------------------------------------------------


def test_arrays_and_elements_that_do_not_fit_are_refused():
    fractions = physics.mole_fractions({"O": [1.0, 1.0]})
    with pytest.raises(ValueError, match="plasma arrays disagree in shape"):
        Plasma(np.ones(2), np.ones(3), fractions, np.ones(2))
    with pytest.raises(ValueError, match="must sum to 1"):
        Plasma(np.ones(2), np.ones(2), fractions * 0.9, np.ones(2))
    with pytest.raises(ValueError, match="no atomic data for Cl, Pb"):
        physics.mole_fractions({"O": 1.0, "Pb": 1.0, "Cl": 1.0})


def test_a_plasma_beyond_the_partition_functions_is_refused():
    part = SpectralRange(588.5, 590.3)
    with pytest.raises(ValueError, match="from 2000 to 20000 K"):
        part.radiance(uniform({"O": [1e6]}, temperature=25_000.0))
