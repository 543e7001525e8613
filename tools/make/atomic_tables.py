"""How the tables of data/atomic were made: lines, partition functions and ionisation energies.

    python -m tools.make.atomic_tables REFERENCE_FOLDER

writes them; run it once for a revision of the compilation. REFERENCE_FOLDER holds `lines_190-1000nm.csv.gz`,
`levels.csv.gz` (NIST data by way of Cloudy's Stout database) and the tables of Barklem & Collet (2016).
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.resources import data_path

FOLDER = data_path("atomic")
ELEMENTS = ["H", "C", "N", "O", "Na", "Mg", "Al", "Si", "K", "Ca", "Ti", "Mn", "Fe"]
ROMAN = {1: "I", 2: "II", 3: "III"}
WINDOWS_NM = [(421.01, 422.73), (279.00, 280.99), (588.82, 589.99)]
MARGIN_NM = 0.6
SURVEY_NM = (200.0, 975.0)
# A line enters the survey when, somewhere between 7,000 and 12,000 K, it reaches this share of the strongest line of
# its ion: fainter ones cannot be distinguished from the continuum of a soil plasma.
SURVEY_SHARE = 2e-3
BOLTZMANN_EV = 8.617333262e-5
BOLTZMANN_CM = 0.695034800

# Balmer lines are not in the compilation: mean values over fine structure (NIST ASD; Wiese & Fuhr 2009).
BALMER = [
    (656.279, 4.4101e7, 8, 18, 10.19881, 12.08749),
    (486.135, 8.4193e6, 8, 32, 10.19881, 12.74854),
    (434.047, 2.5304e6, 8, 50, 10.19881, 13.05450),
    (410.173, 9.7320e5, 8, 72, 10.19881, 13.22071),
]
# Full Stark widths at half maximum (nm) for an electron density of 1e17 cm-3 near 10,000 K, and the exponent of the
# density. Griem (1974) for atoms and ions, good to about a third; Gigosos et al. (2003) for hydrogen.
STARK = {
    ("Ca", 1, 422.673): (0.0128, 1, "Griem 1974"),
    ("Ca", 2, 393.366): (0.0180, 1, "Griem 1974"),
    ("Ca", 2, 396.847): (0.0180, 1, "Griem 1974"),
    ("Mg", 2, 279.553): (0.0083, 1, "Griem 1974"),
    ("Mg", 2, 280.270): (0.0083, 1, "Griem 1974"),
    ("Mg", 2, 279.078): (0.0180, 1, "Griem 1974"),
    ("Mg", 2, 279.793): (0.0180, 1, "Griem 1974"),
    ("Mg", 2, 279.800): (0.0180, 1, "Griem 1974"),
    ("Mg", 1, 285.213): (0.0082, 1, "Griem 1974"),
    ("Na", 1, 588.995): (0.0420, 1, "Griem 1974"),
    ("Na", 1, 589.592): (0.0420, 1, "Griem 1974"),
    ("Al", 1, 394.401): (0.0300, 1, "Griem 1974"),
    ("Al", 1, 396.152): (0.0300, 1, "Griem 1974"),
    ("Si", 1, 288.158): (0.0125, 1, "Griem 1974"),
    ("H", 1, 656.279): (1.0980, 0.67965, "Gigosos 2003"),
    ("H", 1, 486.135): (4.8000, 0.68116, "Gigosos 2003"),
}


def partition_functions(folder):
    """Sums over states from 2,000 to 20,000 K.

    Barklem & Collet (2016) end at 10,000 K; beyond, their value is carried on by the ratio of the sums over the
    tabulated levels below the ionisation limit. Doubly ionised species keep their value at 10,000 K.
    """
    rows = (folder / "barklem_collet_partition_functions.dat").read_text().splitlines()
    grid = np.array(rows[2].split()[2:], float)
    table = {row.split()[0]: np.array(row.split()[1:], float) for row in rows[4:] if row.strip()}
    levels = pd.read_csv(folder / "levels.csv.gz")
    limits = ionisation_energies(folder).set_index("element")
    temperatures = np.arange(2000, 20001, 500)
    columns = {"temperature_K": temperatures}
    for element in ELEMENTS:
        for stage, roman in ROMAN.items():
            if f"{element}_{roman}" not in table:
                continue
            low = np.interp(np.minimum(temperatures, 1e4), grid, table[f"{element}_{roman}"])
            known = levels[(levels.element == element) & (levels.stage == stage)]
            if len(known):
                limit_cm = limits.loc[element, f"energy_{stage}_eV"] / BOLTZMANN_EV * BOLTZMANN_CM
                known = known[known["E_cm-1"] < limit_cm]
                energy, weight = known["E_cm-1"].to_numpy()[:, None], known.g.to_numpy()[:, None]

                def total(at, energy=energy, weight=weight):
                    return (weight * np.exp(-energy / (BOLTZMANN_CM * at))).sum(0)

                low = low * total(np.maximum(temperatures, 1e4)) / total(1e4)
            columns[f"{element}_{roman}"] = low
    return pd.DataFrame(columns)


def ionisation_energies(folder):
    """First and second ionisation energy (eV) of every element; NaN where there is none."""
    rows = [
        line.split()
        for line in (folder / "barklem_collet_ionization.dat").read_text().splitlines()
        if not line.startswith("*")
    ]
    energies = {row[1]: (float(row[2]), float(row[3])) for row in rows if len(row) >= 4}
    frame = pd.DataFrame([(e, *energies[e]) for e in ELEMENTS], columns=["element", "energy_1_eV", "energy_2_eV"])
    return frame.replace(-1.0, np.nan)


def select_lines(folder):
    """Every electric dipole line near the three windows, and the strong ones of the survey."""
    lines = pd.read_csv(folder / "lines_190-1000nm.csv.gz")
    lines = lines[(lines.type == "E1") & lines.element.isin(ELEMENTS)]
    lines = lines.sort_values("Aki_s-1", ascending=False).drop_duplicates(
        ["element", "stage", "wl_vac_nm", "g_i", "g_k"]
    )
    lines = pd.DataFrame(
        {
            "element": lines.element,
            "stage": lines.stage,
            "wavelength_air_nm": lines.wl_air_nm,
            "A_s-1": lines["Aki_s-1"],
            "g_lower": lines.g_i.astype(int),
            "g_upper": lines.g_k.astype(int),
            "E_lower_eV": lines.Ei_eV.round(5),
            "E_upper_eV": lines.Ek_eV.round(5),
            "source": "NIST (Stout " + lines.source_file + ")",
        }
    )
    balmer = pd.DataFrame([("H", 1, *line, "NIST (Wiese & Fuhr 2009)") for line in BALMER], columns=list(lines.columns))
    lines = pd.concat([lines, balmer], ignore_index=True)
    wavelength = lines.wavelength_air_nm
    near = np.any(
        [(wavelength > low - MARGIN_NM) & (wavelength < high + MARGIN_NM) for low, high in WINDOWS_NM], axis=0
    )
    strong = np.zeros(len(lines), bool)
    for temperature in (7000, 9000, 12000):
        emissivity = (
            lines["A_s-1"] * lines.g_upper / wavelength * np.exp(-lines.E_upper_eV / (BOLTZMANN_EV * temperature))
        )
        within = wavelength.between(*SURVEY_NM)
        strongest = emissivity.where(within).groupby([lines.element, lines.stage]).transform("max")
        strong |= within & (emissivity >= SURVEY_SHARE * strongest)
    return lines[near | strong].sort_values(["wavelength_air_nm", "element"], ignore_index=True)


def add_stark_widths(lines):
    """Return the lines with the known Stark widths; the others are estimated where they are used."""
    lines = lines.assign(stark_fwhm_nm=np.nan, stark_exponent=1.0, stark_source="")
    for (element, stage, wavelength), (width, exponent, source) in STARK.items():
        of_ion = lines[(lines.element == element) & (lines.stage == stage)]
        index = (of_ion.wavelength_air_nm - wavelength).abs().idxmin()
        assert abs(lines.loc[index, "wavelength_air_nm"] - wavelength) < 2e-3, (element, stage, wavelength)
        lines.loc[index, ["stark_fwhm_nm", "stark_exponent", "stark_source"]] = [width, exponent, source]
    return lines


if __name__ == "__main__":
    reference = Path(sys.argv[1])
    add_stark_widths(select_lines(reference)).to_csv(FOLDER / "lines.csv", index=False, lineterminator="\n")
    partition_functions(reference).to_csv(
        FOLDER / "partition_functions.csv", index=False, float_format="%.6g", lineterminator="\n"
    )
    ionisation_energies(reference).to_csv(FOLDER / "ionisation_energies.csv", index=False, lineterminator="\n")
