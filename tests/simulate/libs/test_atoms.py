import numpy as np
import pandas as pd
import pytest

from spectrakit.simulate.libs import atoms

WINDOWS_NM = [(421.01, 422.73), (279.00, 280.99), (588.82, 589.99)]
BOLTZMANN_PER_CM_K = 0.6950348
PER_CM_PER_EV = 8065.543937
ROMAN = {1: "I", 2: "II", 3: "III"}
SPECIES = [(e, s) for e in atoms.ELEMENTS[1:] for s in (1, 2)]


@pytest.fixture(scope="session")
def reference_lines(shared):
    lines = pd.read_csv(shared / "reference" / "atomic" / "lines_190-1000nm.csv.gz")
    return lines[(lines.type == "E1") & lines.element.isin(atoms.ELEMENTS)]


@pytest.fixture(scope="session")
def reference_levels(shared):
    return pd.read_csv(shared / "reference" / "atomic" / "levels.csv.gz")


@pytest.fixture(scope="session")
def barklem_collet(shared):
    """Temperatures (K), and partition functions by species such as 'Ca_II'."""
    text = (shared / "reference" / "atomic" / "barklem_collet_partition_functions.dat").read_text()
    rows = [line.split() for line in text.splitlines() if line.strip()]
    temperatures = next(row for row in rows if row[0] == "T")
    return np.array(temperatures[2:], float), {r[0]: np.array(r[1:], float) for r in rows if "_" in r[0]}


def level_sum(levels, element, stage, temperature_K):
    own = levels[(levels.element == element) & (levels.stage == stage)]
    own = own[own["E_cm-1"] < atoms.ionisation_energy(element, stage) * PER_CM_PER_EV]
    return (own.g * np.exp(-own["E_cm-1"] / (BOLTZMANN_PER_CM_K * temperature_K))).sum()


# --- lines ---------------------------------------------------------------------------------------------------


def test_every_line_agrees_with_the_reference(reference_lines):
    ours = atoms.line_table(0, 2000)
    ours = ours[ours.element != "H"]
    known = {
        (r.element, r.stage, r.wl_air_nm, r["Aki_s-1"], r.g_i, r.g_k, round(r.Ei_eV, 5), round(r.Ek_eV, 5))
        for _, r in reference_lines.iterrows()
    }
    columns = ["element", "stage", "wavelength_air_nm", "A_s-1", "g_lower", "g_upper", "E_lower_eV", "E_upper_eV"]
    assert len(ours) > 3_000
    assert [row for row in ours[columns].itertuples(index=False, name=None) if row not in known] == []


@pytest.mark.parametrize(("low", "high"), WINDOWS_NM)
def test_every_electric_dipole_line_near_the_windows_is_there(reference_lines, low, high):
    near = reference_lines[reference_lines.wl_air_nm.between(low - 0.599, high + 0.599)]
    ours = atoms.line_table(low - 0.599, high + 0.599)
    count = ["element", "stage"]
    pd.testing.assert_series_equal(near.groupby(count).size(), ours.groupby(count).size())
    np.testing.assert_allclose(np.sort(near.wl_air_nm), ours.wavelength_air_nm)


def test_the_strong_lines_of_the_survey_are_there(reference_lines):
    within = reference_lines[reference_lines.wl_air_nm.between(200, 975)]
    strength = within["Aki_s-1"] * within.g_k / within.wl_air_nm * np.exp(-within.Ek_eV / (8.617333e-5 * 9000))
    strongest = strength.groupby([within.element, within.stage]).transform("max")
    # Fine structure that shares a wavelength counts as one line, the strongest component.
    strong = within[strength > 0.003 * strongest].sort_values("Aki_s-1", ascending=False)
    strong = strong.drop_duplicates(["element", "stage", "wl_vac_nm"])
    ours = atoms.line_table()
    keys = set(zip(ours.element, ours.stage, ours.wavelength_air_nm, strict=True))
    assert len(strong) > 1_900
    assert set(zip(strong.element, strong.stage, strong.wl_air_nm, strict=True)) <= keys


def test_a_line_table_is_cut_and_filtered():
    everything = atoms.line_table()
    species = {(e, s) for e in atoms.ELEMENTS for s in (1, 2)} - {("H", 2)}
    assert set(zip(everything.element, everything.stage, strict=True)) == species
    assert everything.wavelength_air_nm.is_monotonic_increasing
    assert everything.wavelength_air_nm.between(200, 975).all()
    sodium = atoms.line_table(588.9, 589.7, "Na", 1)
    assert sodium.wavelength_air_nm.round(3).tolist() == [588.995, 589.592]
    assert sodium["A_s-1"].tolist() == [6.16e7, 6.14e7] and sodium.g_upper.tolist() == [4, 2]
    assert set(atoms.line_table(279, 281, "Mg").stage) == {1, 2}
    assert set(atoms.line_table(279, 281, "Mg", 2).stage) == {2}


def test_the_photon_of_a_line_is_the_difference_of_its_levels():
    lines = atoms.line_table()
    # hc is 1239.842 eV nm in vacuum; air shortens by 0.03 %.
    photon_nm = 1239.842 / (lines.E_upper_eV - lines.E_lower_eV)
    np.testing.assert_allclose(photon_nm / lines.wavelength_air_nm, 1.00029, atol=6e-5)


def test_balmer_lines_add_up_to_the_transition_probabilities_of_hydrogen():
    balmer = atoms.line_table(400, 660, "H")
    assert balmer.wavelength_air_nm.tolist() == [410.173, 434.047, 486.135, 656.279]
    # Rydberg's formula, on air wavelengths.
    expected = 1e7 / 109677.58 / (0.25 - 1 / np.array([6, 5, 4, 3]) ** 2) / 1.00028
    np.testing.assert_allclose(balmer.wavelength_air_nm, expected, rtol=2e-5)
    # Oscillator strengths 3 -> 2: f = 0.6407, 4 -> 2: 0.1193 (Wiese & Fuhr 2009).
    absorption = 1.49919e-14 * (balmer.g_upper / balmer.g_lower * balmer["A_s-1"] * balmer.wavelength_air_nm**2)
    np.testing.assert_allclose(absorption.iloc[[3, 2]], [0.6407, 0.1193], rtol=2e-3)


# --- widths --------------------------------------------------------------------------------------------------


def test_stark_widths_are_the_published_ones_where_known_and_an_estimate_elsewhere():
    lines = atoms.line_table()
    width = {(r.element, round(r.wavelength_air_nm, 1)): r.stark_fwhm_nm for r in lines.itertuples()}
    assert (width["Mg", 279.6], width["Ca", 422.7], width["Na", 589.0]) == (0.0083, 0.0128, 0.042)
    known = lines[(lines.stark_source != "estimate") & (lines.element != "H")]
    blind = lines.assign(stark_fwhm_nm=lines.stark_fwhm_nm.where(lines.stark_source != "estimate"))
    np.testing.assert_allclose(atoms.stark_widths(blind), lines.stark_fwhm_nm)
    # Leaving one out, the estimate meets a known width within a factor of three.
    for index in known.index:
        estimate = atoms.stark_widths(blind.assign(stark_fwhm_nm=blind.stark_fwhm_nm.drop(index)))[index]
        assert 1 / 3 < estimate / lines.stark_fwhm_nm[index] < 3
    assert lines.stark_fwhm_nm.between(1e-4, 5).all()


def test_stark_width_grows_with_the_density_and_for_hydrogen_with_its_power():
    lines = atoms.line_table(580, 660)
    at_one, at_ten = atoms.stark_fwhm(lines, np.array([1e16, 1e17]))
    hydrogen = (lines.element == "H").to_numpy()
    assert hydrogen.sum() == 1
    np.testing.assert_allclose(at_ten[~hydrogen] / at_one[~hydrogen], 10.0)
    np.testing.assert_allclose(at_ten[hydrogen] / at_one[hydrogen], 10**0.67965)
    np.testing.assert_allclose(at_ten, lines.stark_fwhm_nm)


def test_doppler_width_pinned():
    # sqrt(8 ln 2 k T / m c^2): 2.355 * sqrt(8314.46 * 1e4 / 22.99) / 299792458 * 588.995 nm
    sodium = atoms.line_table(588.9, 589.1, "Na")
    fwhm = 2.354820 * atoms.doppler_sigma(sodium, np.array([1e4, 4e4]))
    np.testing.assert_allclose(fwhm.ravel(), [8.7982e-3, 2 * 8.7982e-3], rtol=1e-4)


# --- ionisation energies and partition functions -------------------------------------------------------------


def test_ionisation_energies_agree_with_the_reference(shared):
    text = (shared / "reference" / "atomic" / "barklem_collet_ionization.dat").read_text()
    rows = {row.split()[1]: row.split()[2:4] for row in text.splitlines() if row[0] != "*"}
    for element, stage in [("H", 1), *SPECIES]:
        assert atoms.ionisation_energy(element, stage) == float(rows[element][stage - 1])


def test_ionisation_energies_pinned():
    assert (atoms.ionisation_energy("Na", 1), atoms.ionisation_energy("Ca", 2)) == pytest.approx((5.1391, 11.872))


def test_partition_functions_agree_with_barklem_and_collet(barklem_collet):
    temperatures, table = barklem_collet
    within = (temperatures >= 2_000) & (temperatures <= 10_000)
    assert within.sum() == 9
    for element in atoms.ELEMENTS:
        for stage in (1, 2) if element == "H" else (1, 2, 3):
            ours = atoms.partition_function(element, stage, temperatures[within])
            np.testing.assert_allclose(ours, table[f"{element}_{ROMAN[stage]}"][within], rtol=1e-5)


# Barklem & Collet hold more levels than the compilation does; sodium's highest levels differ most.
LEVEL_SUM_TOLERANCE = {("Na", 1): 0.32, ("Ca", 1): 0.045, ("K", 1): 0.025, ("Mn", 1): 0.016, ("Mg", 1): 0.011}


@pytest.mark.parametrize(("element", "stage"), SPECIES)
def test_partition_functions_agree_with_sums_over_levels(reference_levels, element, stage):
    temperatures = np.arange(2_000, 20_001, 1_000)
    sums = [level_sum(reference_levels, element, stage, t) for t in temperatures]
    tolerance = LEVEL_SUM_TOLERANCE.get((element, stage), 0.008)
    np.testing.assert_allclose(atoms.partition_function(element, stage, temperatures), sums, rtol=tolerance)


def test_sodium_beyond_10000_K_is_carried_on_from_barklem_and_collet(reference_levels):
    growth = atoms.partition_function("Na", 1, 16_000) / atoms.partition_function("Na", 1, 10_000)
    sums = [level_sum(reference_levels, "Na", 1, t) for t in (16_000, 10_000)]
    assert growth == pytest.approx(sums[0] / sums[1], rel=1e-4)


def test_partition_functions_are_interpolated_linearly():
    half_way = atoms.partition_function("Fe", 1, np.array([[8_000.0, 8_250.0, 8_500.0]]))
    assert half_way.shape == (1, 3)
    assert half_way[0, 1] == pytest.approx(half_way[0, [0, 2]].mean())
    assert half_way[0, 0] == pytest.approx(42.8266, rel=1e-4)


@pytest.mark.parametrize("temperature", [1_999, 20_001, [5_000, 25_000]])
def test_temperatures_outside_the_table_are_refused(temperature):
    with pytest.raises(ValueError, match="from 2000 to 20000 K"):
        atoms.partition_function("Ca", 1, temperature)


@pytest.mark.parametrize(("element", "stage"), [("H", 3), ("Pb", 1), ("Ca", 4)])
def test_species_the_kit_does_not_hold_are_refused(element, stage):
    with pytest.raises(ValueError, match=f"no partition function for {element} in stage {stage}"):
        atoms.partition_function(element, stage, 9_000)
    with pytest.raises(ValueError, match=f"no ionisation energy for {element} in stage {stage}"):
        atoms.ionisation_energy(element, stage)
