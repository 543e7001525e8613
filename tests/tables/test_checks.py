import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from spectrakit.tables import check_table, checks, read_table, write_partitions

MIR = ("cm-1", "absorbance")
COUNTS = ("nm", "counts")
REFLECTANCE = ("nm", "reflectance")
PERCENT = ("nm", "percent-reflectance")
OUTSIDE = "outside 0 to"


def problems_of(report):
    return [(problem.severity, problem.message, problem.places) for problem in report.problems]


def texts(report):
    return [f"{problem.severity}: {problem}" for problem in report.problems]


# --- plain tables -----------------------------------------------------------------------------------------


def test_what_a_good_table_holds(write):
    path = write("sample_id,ph,ca_ppm,lab,402,401,400\na,6.5,100,x,10,20,30\nb,,200,y,11,21,31\n")
    report = check_table(path, *COUNTS)
    assert (report.usable, report.problems, report.errors, report.warnings) == (True, [], [], [])
    assert (report.n_samples, report.axis.tolist(), report.steps) == (2, [400, 401, 402], (1, 1, 1))
    assert (report.values, report.sample_columns) == ((10, 31), ("lab",))
    assert report.properties == {"ph": (1, 6.5, 6.5), "ca_ppm": (2, 100, 200)}
    assert (report.laboratories, report.provenance) == ({"x": 1, "y": 1}, "measured, file table.csv")


@pytest.mark.parametrize(
    ("arguments", "text", "expected"),
    [
        # the header
        (COUNTS, "sample_id,ph,ph,400\na,5,6,1\n", [("error", "column stands twice", ((None, "ph"),))]),
        (
            *(COUNTS, "sample_id,400,402,401,403\na,1,2,3,4\n"),
            [("error", "axis is not monotonic: channel out of order", ((None, "401"),))],
        ),
        (
            *(COUNTS, "sample_id,400,401,401.0,402\na,1,2,3,4\n"),
            [("error", "channel stands twice", ((None, "401"), (None, "401.0")))],
        ),
        (
            *(COUNTS, "sample_id,400,401,401,402\na,1,2,3,4\n"),
            [("error", "channel stands twice", ((None, "401"), (None, "401")))],
        ),
        (
            *(COUNTS, "sample_id,400,401,402,450,451\na,1,2,3,4,5\n"),
            [("warning", "axis has 1 gap without channels: 402 to 450 nm", ())],
        ),
        (
            *(COUNTS, "sample_id,4000,2000,600\na,1,2,3\n"),
            [("warning", "axis from 600 to 4000 is unusual in nm, it looks like cm-1", ())],
        ),
        (
            *(("cm-1", "counts"), "sample_id,400,1400,2500\na,1,2,3\n"),
            [("warning", "axis from 400 to 2500 is unusual in cm-1, it looks like nm", ())],
        ),
        (
            COUNTS,
            "sample_id,10,20,30\na,1,2,3\n",
            [("warning", "axis from 10 to 30 is unusual in nm, it looks like micrometres", ())],
        ),
        # cells
        (
            *(COUNTS, "sample_id,400,401,402\na,1,2,3\nb,4,oops,6\nc,7,8,n.d.\n"),
            [("error", "not a number: 'oops'", ((3, "401"), (4, "402")))],
        ),
        (COUNTS, "sample_id,ca_ppm,400\na,<5,3\n", [("error", "not a number: '<5'", ((2, "ca_ppm"),))]),
        (
            *(COUNTS, "sample_id,400,401\na,1,inf\nb,,\nc,-Infinity,2\n"),
            [
                ("error", "infinite value in 2 cells", ((2, "401"), (4, "400"))),
                ("error", "sample without a spectrum", ((3, None),)),
            ],
        ),
        *(
            (
                *(COUNTS, f"sample_id,400,401,402\na,1,2,3\nb,4,{cell},6\n"),
                [
                    (
                        "warning",
                        "1 cell in 1 of 2 samples empty or NaN, read as not measured",
                        ((3, "401"),),
                    )
                ],
            )
            for cell in ("", "NaN", "NA", " ")
        ),
        (
            # rows keep their number after a blank line
            *(COUNTS, "sample_id,400,401\na,1,2\n\nb,x,4\n"),
            [
                ("error", "not a number: 'x'", ((4, "400"),)),
                ("error", "sample_id is missing", ((3, None),)),
                ("error", "sample without a spectrum", ((3, None),)),
            ],
        ),
        (
            *(REFLECTANCE, "sample_id,400,401\na,-0.1,0.2\nb,0.5,1.01\nc,1,0\n"),
            [
                ("warning", "reflectance below 0 in 1 cell, 1 of 3 samples", ((2, "400"),)),
                ("warning", "reflectance over 1 in 1 cell, 1 of 3 samples", ((3, "401"),)),
            ],
        ),
        (
            *(COUNTS, "sample_id,400,401\na,1,2\nb,-3,4\n"),
            [("warning", "1 cell with negative counts in 1 of 2 samples", ((3, "400"),))],
        ),
        (
            *(COUNTS, "sample_id,400,401,402\na,1,64000,3\nb,4,65535,63999\n"),
            [
                (
                    "warning",
                    "saturated counts, at or over 64,000 of 65,535, in 2 of 2 samples and 1 channel, "
                    "most often 401 (2 samples)",
                    ((2, "401"), (3, "401")),
                )
            ],
        ),
        (
            *(COUNTS, "sample_id,400,401,402,403,404\na,1,4095,4095,4095,5\nb,4095,4095,7,4,4095\n"),
            [
                (
                    "warning",
                    "saturated counts, flat tops at the largest value 4095, in 1 of 2 samples and 3 channels, "
                    "most often 401 (1 sample), 402 (1 sample), 403 (1 sample)",
                    ((2, "401"), (2, "402"), (2, "403")),
                )
            ],
        ),
        # Two neighbours at the maximum are a peak, and beyond 16 bits no full scale is known.
        (COUNTS, "sample_id,400,401,402\na,9,9,1\n", []),
        (COUNTS, "sample_id,400,401,402\na,1,99999,64500\n", []),
        # names, copies, columns, contents
        (
            *(COUNTS, "sample_id,400,401\na,1,2\n,3,4\na,5,6\nb,7,8\n"),
            [
                ("error", "sample_id is missing", ((3, None),)),
                ("error", "sample_id is doubled: 'a'", ((2, None), (4, None))),
            ],
        ),
        (COUNTS, "sample_id,replicate,400,401\na,0,1,2\na,1,3,4\na,2,5,6\n", []),
        (
            *(COUNTS, "sample_id,replicate,400,401\na,0,1,2\na,1,3,4\na,1,5,6\n"),
            [("error", "sample_id is doubled: 'a'", ((3, None), (4, None)))],
        ),
        (COUNTS, "sample_id,laboratory,400,402\na,x,1,2\na,y,3,4\n", []),
        (
            *(COUNTS, "sample_id,400,401\na,1,2\nb,3,4\nc,1,2\n"),
            [("warning", "the same spectrum stands under more than one sample", ((2, None), (4, None)))],
        ),
        (
            *(COUNTS, "sample_id,na,colour,400,401\na,5,red,1,2\nb,6,grey,3,4\n"),
            [
                ("warning", "property without a unit", ((None, "na"),)),
                ("warning", "neither channel nor known property: kept as text of the sample", ((None, "colour"),)),
            ],
        ),
        (
            *(COUNTS, "sample_id,ph,clay_pct,ca_ppm,400\na,2.4,101,-1,1\nb,7,100,0,2\n"),
            [
                ("warning", f"1 content of clay_pct {OUTSIDE} 100 % (101), read as not measured", ((2, "clay_pct"),)),
                ("warning", f"1 content of ca_ppm {OUTSIDE} 1e+06 ppm (-1), read as not measured", ((2, "ca_ppm"),)),
                ("warning", "ph of 2.4 is rare, outside 2.5 to 11.5", ((2, "ph"),)),
            ],
        ),
    ],
)
def test_each_problem_with_its_places(write, arguments, text, expected):
    assert problems_of(check_table(write(text), *arguments)) == expected


@pytest.mark.parametrize(
    ("signal", "value", "looks", "likeness"),
    [
        ("reflectance", 20, "percent", "percent-reflectance"),
        ("percent-reflectance", 0.2, "fractions or absorbance", "reflectance"),
        ("absorbance", 20, "percent", "percent-reflectance"),
    ],
)
def test_values_on_another_scale_than_declared(write, signal, value, looks, likeness):
    usual = 40 if signal == "percent-reflectance" else 0.5
    for n_wrong, severity in ((3, "error"), (2, "warning")):
        levels = [value] * n_wrong + [usual + at / 1000 for at in range(40 - n_wrong)]
        lines = [f"s{at},{level},{level}" for at, level in enumerate(levels)]
        first, *_ = texts(check_table(write("\n".join(["sample_id,400,401", *lines])), "nm", signal))
        assert first.startswith(f"{severity}: {signal} declared, but the scale is that of {looks} in {n_wrong} of 40")
        assert f"Declare the signal as {likeness} if it is that of all" in first


def test_many_places_are_cut_to_five_and_counted(write):
    cells = ",".join(["x"] * 7)
    path = write(f"sample_id,1000,1001,1002,1003,1004,1005,1006,1007\na,{cells},1\n")
    (problem,) = check_table(path, *COUNTS).problems
    assert (problem.count, len(problem.places)) == (7, 5)
    assert problem.where() == (
        "row 2, column 1000; row 2, column 1001; row 2, column 1002; row 2, column 1003; row 2, column 1004; and 2 more"
    )


# --- libraries --------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path):
    """Write a dataset as a folder of files of four rows."""

    def parts(dataset, rows=4):
        write_partitions(iter([dataset]), tmp_path / "parts", rows=rows)
        return tmp_path / "parts"

    return parts


def test_a_sound_folder(soils, parts):
    report = check_table(parts(soils(10)), *MIR)
    spectra = soils(10).spectra
    assert (report.n_samples, len(report.table.files), report.usable, report.problems) == (10, 3, True, [])
    assert report.laboratories == {"ICRAF": 4, "KSSL": 6}
    assert report.values == (spectra.min(), spectra.max())
    assert report.properties == {"c_g_kg": (10, 0, 13.5), "om_g_kg": (5, 0, 8)}
    assert report.sample_columns == ("laboratory", "site", "depth_top_cm", "depth_bottom_cm")
    assert report.provenance == "simulated, seed 3, folder parts"


@pytest.mark.parametrize("n_rows", [3, 1024])
def test_each_kind_of_problem_stands_once_with_its_rows_in_their_files(soils, parts, monkeypatch, n_rows):
    monkeypatch.setattr(checks, "_ROWS", n_rows)
    whole = soils(10)
    spectra, properties = whole.spectra.copy(), whole.properties.assign(fungi=1.0)
    spectra[3], spectra[9] = spectra[1], np.nan
    spectra[[2, 5, 7, 8], [0, 1, 2, 3]] = np.nan
    spectra[[0, 6], 3] = -0.5
    properties.loc[4, "c_g_kg"] = -9999
    names = [*(f"s{i}" for i in range(9)), "s1"]
    samples = whole.samples.assign(sample_id=names, plot="a", laboratory="KSSL")
    report = check_table(parts(replace(whole, spectra=spectra, properties=properties, samples=samples)), *MIR)
    assert texts(report) == [
        "error: sample_id is doubled: 's1' (row 3 of part-00000.parquet; row 3 of part-00002.parquet). Rename one, or "
        "number repeated measurements of a sample in a column replicate.",
        "warning: 4 cells in 4 of 10 samples empty or NaN, read as not measured "
        "(row 4 of part-00000.parquet, column 600; row 3 of part-00001.parquet, column 602; row 5 of "
        "part-00001.parquet, column 604.5; row 2 of part-00002.parquet, column 606). Leave out these channels or "
        "samples before fitting a model.",
        "warning: absorbance below 0 in 2 cells, 2 of 10 samples (row 2 of part-00000.parquet, column 606; row 4 of "
        "part-00001.parquet, column 606). Check the white reference of these samples, or leave out the channels.",
        "warning: 1 cell of c_g_kg with a code (-9999), read as not measured (row 2 of part-00001.parquet, column "
        "c_g_kg). Check them against the source.",
        "warning: sample without a spectrum (row 3 of part-00002.parquet). Nothing to do if it is meant so: the "
        "commands leave it out.",
        "warning: the same spectrum stands under more than one sample (row 3 of part-00000.parquet; row 5 of "
        "part-00000.parquet). Keep one, or give them one name in a column group: else one may be trained on and "
        "another tested.",
        "warning: property without a unit (column fungi). Rename it with its unit, for example na_ppm or clay_pct.",
        "warning: neither channel nor known property: kept as text of the sample (column plot). Nothing to do if it "
        "is meant so.",
    ]
    assert not report.usable and report.laboratories == {"KSSL": 10}
    assert report.values == (np.nanmin(spectra), np.nanmax(spectra)) and report.properties["c_g_kg"] == (9, 0, 13.5)


def test_percent_stay_percent(soils, parts):
    percent = soils(signal="reflectance", spectra=soils().spectra * 50)
    report = check_table(parts(percent), "cm-1", "percent-reflectance")
    assert report.values == pytest.approx((percent.spectra.min(), percent.spectra.max()), rel=1e-6) and report.usable
    (error,) = check_table(report.table.path, "cm-1", "reflectance").errors
    assert error.message == "reflectance declared, but the scale is that of percent in 7 of 7 samples"


def test_counts_of_a_folder_are_searched_for_saturation_in_blocks(soils, parts, monkeypatch):
    monkeypatch.setattr(checks, "_ROWS", 2)
    counts = np.arange(40.0).reshape(10, 4) - 5
    counts[[3, 8], :3] = 99
    problems = check_table(parts(soils(10, signal="counts", spectra=counts)), "cm-1", "counts").problems
    assert [problem.message for problem in problems] == [
        "5 cells with negative counts in 2 of 10 samples",
        "saturated counts, flat tops at the largest value 99, in 2 of 10 samples and 3 channels, most often "
        "600 (2 samples), 602 (2 samples), 604.5 (2 samples)",
    ]
    assert problems[1].where().startswith("row 5 of part-00000.parquet, column 600; ")


def test_the_ossl_layout_in_its_two_signals(write):
    path = write(
        "dataset.code_ascii_txt,id.layer_uuid_txt,oc_usda.c729_w.pct,scan_visnir.400_ref,scan_mir.600_abs,"
        "scan_mir.602_abs\nKSSL.SSL,u1,1.5,0.2,1.1,1.2\nLUCAS.SSL,u2,NA,0.3,NA,NA\nKSSL.SSL,u1,110,0.2,7,1.4\n"
    )
    report = check_table(path, *MIR)
    assert (report.n_samples, report.laboratories) == (3, {"KSSL.SSL": 2, "LUCAS.SSL": 1})
    assert report.properties == {"oc_g_kg": (1, 15, 15)}
    assert texts(report) == [
        "warning: sample without a spectrum (row 3). Nothing to do if it is meant so: the commands leave it out.",
        "warning: 1 content of oc_g_kg outside 0 to 1000 g/kg (110), read as not measured (row 4, column "
        "oc_usda.c729_w.pct). Check them against the source; where they are many, the unit in the name is wrong.",
        "warning: absorbance over 6 in 1 cell, 1 of 3 samples (row 4, column scan_mir.600_abs). Check the white "
        "reference of these samples, or leave out the channels.",
    ]
    assert check_table(path, "nm", "reflectance").values == pytest.approx((0.2, 0.3))


def test_memory_does_not_grow_with_the_rows(soils, tmp_path):
    peaks = []
    for n_rows in (4200, 16800):
        write_partitions((soils(600) for _ in range(n_rows // 600)), tmp_path / f"{n_rows}", rows=600)
        tracemalloc.start()
        report = check_table(tmp_path / f"{n_rows}", *MIR)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert report.n_samples == n_rows and report.errors[0].count == n_rows
    # What is compared at the end are two hashes, the contents and a few channels of each row, and what finds doubles.
    assert peaks[1] < peaks[0] + 250 * 12600


# --- measured tables --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "axis_unit", "signal", "n_samples", "n_channels", "warnings"),
    [
        ("visnir/ssp460", "nm", "percent-reflectance", 460, 830, []),
        ("visnir/sl125", "nm", "percent-reflectance", 125, 2081, []),
        ("visnir/ul120", "nm", "percent-reflectance", 120, 2081, []),
        ("visnir/sc93", "nm", "percent-reflectance", 93, 2146, [("the same spectrum", 81, None)]),
        ("mir/o32", "cm-1", "percent-reflectance", 32, 1637, []),
        ("mir/nrw115", "cm-1", "percent-reflectance", 115, 1686, [("over 100 % in 62 cells, 5 of", 56, "3787.4")]),
        (
            *("mir/h138", "cm-1", "percent-reflectance", 138, 2489),
            [("over 100 % in 45,880 cells, 77 of", 7, "3853.2"), ("ph of 2.4", 62, "ph")],
        ),
        (
            *("libs/basalts3", "nm", "counts", 3, 6144),
            [
                ("2 gaps without channels: 326.916 to 384.025, 472.528 to 494.617 nm", None, None),
                ("7 cells in 1 of 3", 3, "931.716"),
                ("321 cells with negative counts in 3 of 3", 2, "224.336"),
            ],
        ),
        (
            *("libs/soils171_counts", "nm", "counts", 171, 6669),
            [
                ("2 gaps without channels", None, None),
                ("in 145 of 171 samples and 25 channels, most often 393.277 (144 samples)", 2, "279.501"),
            ],
        ),
    ],
)
def test_measured_tables_are_usable_with_true_warnings(
    shared, name, axis_unit, signal, n_samples, n_channels, warnings
):
    path = shared / "real" / f"{name}.csv.gz"
    report = check_table(path, axis_unit, signal)
    assert report.usable and len(report.warnings) == len(warnings)
    for warning, (words, row, column) in zip(report.warnings, warnings, strict=True):
        assert words in warning.message
        assert next(iter(warning.places), (None, None)) == (row, column)
    assert read_table(path, axis_unit, signal).spectra.shape == (n_samples, n_channels)
