import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import library_checks
from spectrakit.tables.checks import TableError
from spectrakit.tables.library_checks import _Doubles, check_library
from spectrakit.tables.partitions import write_partitions
from spectrakit.tables.plain import check_table, write_table

MIR = ("cm-1", "absorbance")


def library(n=10, seed=0):
    """Soils of two laboratories, the first of 6 in 10, with carbon and, of the second, organic matter."""
    random = np.random.default_rng(seed)
    first = np.arange(n) % 10 < 6
    return SpectralDataset(
        spectra=random.uniform(0.25, 1.75, (n, 5)),
        axis=np.arange(600, 610, 2.0),
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"c_g_kg": np.arange(n) + 0.5, "om_g_kg": np.where(first, np.nan, 40.0)}),
        samples=pd.DataFrame(
            {"sample_id": [f"s{i}" for i in range(n)], "laboratory": np.where(first, "KSSL", "ICRAF"), "site": "here"}
        ),
        provenance={"origin": "simulated", "seed": 3, "source": "a test"},
    )


def folder_of(dataset, tmp_path, rows=4):
    write_partitions(iter([dataset]), tmp_path / "parts", rows=rows)
    return tmp_path / "parts"


def texts(report):
    return [f"{problem.severity}: {problem}" for problem in report.problems]


def test_a_sound_folder(tmp_path):
    report = check_library(folder_of(library(), tmp_path), *MIR)
    spectra = library().spectra
    assert (report.n_samples, report.n_files, report.usable, report.problems) == (10, 3, True, ())
    assert report.laboratories == {"KSSL": 6, "ICRAF": 4}
    assert report.values == (spectra.min(), spectra.max())
    assert [(item.name, item.unit, item.n_measured, item.low, item.high) for item in report.properties] == [
        ("c_g_kg", "g/kg", 10, 0.5, 9.5),
        ("om_g_kg", "g/kg", 4, 40, 40),
    ]
    assert report.sample_columns == ("laboratory", "site")
    assert report.provenance == "simulated, seed 3, folder parts"


def test_each_kind_of_problem_is_told_once_with_its_rows_in_their_files(tmp_path):
    soils = library()
    spectra, properties = soils.spectra.copy(), soils.properties.copy()
    spectra[3], spectra[9] = spectra[1], np.nan
    spectra[[2, 5, 7, 8], [0, 1, 2, 3]] = np.nan
    spectra[[0, 6], 4] = -0.5
    properties.loc[[4, 7], "c_g_kg"] = [1200.0, 2000.0]
    samples = soils.samples.assign(sample_id=[*(f"s{i}" for i in range(9)), "s1"], plot="a", laboratory="KSSL")
    odd = replace(soils, spectra=spectra, properties=properties.assign(fungi=1.0), samples=samples)
    report = check_library(folder_of(odd, tmp_path), *MIR)
    assert texts(report) == [
        "error: sample_id is doubled (row 3 of part-00000.parquet; row 3 of part-00002.parquet). Rename one, or number "
        "repeated measurements of a sample in a column replicate.",
        "warning: 4 channel cells in 4 of 10 samples are empty or NaN, read as not measured "
        "(row 4 of part-00000.parquet, column 600; row 3 of part-00001.parquet, column 602; row 5 of "
        "part-00001.parquet, column 604; row 2 of part-00002.parquet, column 606). Leave out these channels or samples "
        "before fitting a model.",
        "warning: absorbance below 0 in 2 cells, 2 of 10 samples (row 2 of part-00000.parquet, column 608; row 4 of "
        "part-00001.parquet, column 608). Check the white reference of these samples, or leave out the channels.",
        "warning: c_g_kg of 1200 is outside 0 to 1000 g/kg (row 2 of part-00001.parquet, column c_g_kg; row 5 of "
        "part-00001.parquet, column c_g_kg). Check it against the source.",
        "warning: sample without a spectrum (row 3 of part-00002.parquet). Nothing to do if it is meant so: the "
        "commands leave it out.",
        "warning: the same spectrum stands under more than one sample (row 3 of part-00000.parquet; row 5 of "
        "part-00000.parquet). Keep one, or put them in one group: copies leak across a split.",
        "warning: property without a unit (column fungi). Rename it with its unit, for example na_ppm or clay_pct.",
        "warning: neither channel nor known property: kept as text of the sample (column plot). Nothing to do if it "
        "is meant so.",
    ]
    assert not report.usable and report.laboratories == {"KSSL": 10}


def test_a_folder_is_told_what_a_table_of_the_same_rows_is_told(tmp_path):
    soils = library(60)
    spectra = soils.spectra.copy()
    spectra[::7, 2] = 6.5
    spectra[:30:4, 1] = np.nan
    soils = replace(soils, spectra=spectra)
    write_table(soils, tmp_path / "whole.parquet")
    of_table = check_table(tmp_path / "whole.parquet", *MIR)
    of_folder = check_library(folder_of(soils, tmp_path, rows=20), *MIR)
    assert [(p.message, p.count) for p in of_folder.problems] == [(p.message, p.count) for p in of_table.problems]
    assert len(of_table.problems) == 2 and of_folder.properties == of_table.properties
    assert of_folder.values == of_table.values
    assert check_library(tmp_path / "whole.parquet", *MIR).problems == of_table.problems


def test_per_cent_stay_per_cent(tmp_path):
    soils = replace(library(), signal="reflectance", spectra=library().spectra / 2)
    whole = replace(soils, spectra=100 * soils.spectra)
    report = check_library(folder_of(whole, tmp_path), "cm-1", "percent-reflectance")
    assert report.values == pytest.approx((whole.spectra.min(), whole.spectra.max()), rel=1e-6) and report.usable
    with pytest.raises(TableError, match=r"fractions declared, but most values are over 1\.5"):
        check_library(tmp_path / "parts", "cm-1", "reflectance")


def test_counts_below_zero_are_told(tmp_path):
    soils = replace(library(), signal="counts", spectra=1000 * library().spectra - 500)
    below = int((soils.spectra < 0).sum())
    (problem,) = check_library(folder_of(soils, tmp_path), "cm-1", "counts").problems
    assert (problem.count, problem.message.split(" in ")[0]) == (below, f"{below} negative counts")


def test_the_ossl_layout_in_its_two_signals(tmp_path):
    path = tmp_path / "ossl.csv"
    path.write_text(
        "dataset.code_ascii_txt,id.layer_uuid_txt,oc_usda.c729_w.pct,scan_visnir.400_ref,scan_mir.600_abs,"
        "scan_mir.602_abs\nKSSL.SSL,u1,1.5,0.2,1.1,1.2\nLUCAS.SSL,u2,NA,0.3,NA,NA\nKSSL.SSL,u1,110,0.2,7,1.4\n"
    )
    report = check_library(path, *MIR)
    assert (report.n_samples, report.n_files, report.laboratories) == (3, 1, {"KSSL.SSL": 2, "LUCAS.SSL": 1})
    assert [(item.name, item.n_measured, item.low, item.high) for item in report.properties] == [
        ("oc_g_kg", 2, 15, 1100)
    ]
    assert texts(report) == [
        "warning: sample without a spectrum (row 3). Nothing to do if it is meant so: the commands leave it out.",
        "warning: absorbance over 6 in 1 cells, 1 of 3 samples (row 4, column scan_mir.600_abs). Check the white "
        "reference of these samples, or leave out the channels.",
        "warning: oc_g_kg of 1100 is outside 0 to 1000 g/kg (row 4, column oc_usda.c729_w.pct). Check it against the "
        "source.",
    ]
    assert check_library(path, "nm", "reflectance").values == pytest.approx((0.2, 0.3))


def test_doubles_are_found_across_the_parts_of_a_long_table(tmp_path, monkeypatch):
    monkeypatch.setattr(library_checks, "_HASHES", 100)
    hashes = np.random.default_rng(0).permutation(1000).astype(np.uint64) + 1
    hashes[[5, 700, 999]] = hashes[80]
    hashes[[20, 300]] = 0
    with (tmp_path / "hashes").open("w+b") as file:
        doubles = _Doubles(file)
        for start in range(0, 1000, 70):
            doubles.add(hashes[start : start + 70])
        first, count = doubles.found()
    assert (first.tolist(), count) == ([5, 80, 700, 999], 4)


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for n_rows in (4000, 16000):
        write_partitions((library(2000, seed) for seed in range(n_rows // 2000)), tmp_path / f"{n_rows}", rows=2000)
        tracemalloc.start()
        report = check_library(tmp_path / f"{n_rows}", *MIR)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.n_samples == n_rows and report.errors[0].count == n_rows
    # What is compared at the end are the hashes of the rows, a million at most: 8 bytes a row and what finds doubles.
    assert peaks[1] < peaks[0] + 60 * 12000
