import gzip
import hashlib
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from spectrakit.contents import split_unit
from spectrakit.files import written_whole
from spectrakit.spectra import SpectralDataset
from spectrakit.tables import plain
from spectrakit.tables.checks import TableError
from spectrakit.tables.plain import check_table, read_table, write_table

GOOD = "sample_id,ph,ca_ppm,lab,400,401,402\na,6.5,100,x,10,20,30\nb,,200,y,11,21,31\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def problems_of(path, axis_unit="nm", signal="counts"):
    return [(p.severity, p.message, p.places) for p in check_table(path, axis_unit, signal).problems]


def one_problem(path, axis_unit="nm", signal="counts"):
    (problem,) = check_table(path, axis_unit, signal).problems
    return problem


def made(origin="simulated", **changes):
    generator = np.random.default_rng(3)
    parts = {
        "spectra": generator.normal(1000, 300, (4, 5)).astype(np.float32),
        "axis": np.array([279.0, 279.016, 279.0323, 280.1 + 1e-12, 281]),
        "axis_unit": "nm",
        "signal": "counts",
        "properties": pd.DataFrame({"ca_ppm": [0.1, 1 / 3, np.nan, 1e6], "ph": [3.0, 4, 5, np.nan]}),
        "samples": pd.DataFrame(
            {"sample_id": ["1", "01", "a,b", 'q"q'], "lab": ["x", None, "y", "z"], "replicate": [0, 1, 2, 3]}
        ),
        "provenance": {"origin": origin, "seed": 7, "source": "test"},
    }
    return SpectralDataset(**(parts | changes))


# --- reading --------------------------------------------------------------------------------------------


def test_what_a_good_table_holds(write):
    path = write(GOOD)
    report = check_table(path, "nm", "counts")
    assert report.usable
    assert report.problems == ()
    assert (report.n_samples, report.axis.tolist(), report.steps) == (2, [400, 401, 402], (1, 1, 1))
    assert report.values == (10, 31)
    assert report.sample_columns == ("lab",)
    summary = [(p.name, p.unit, p.n_measured, p.low, p.high) for p in report.properties]
    assert summary == [("ph", "pH", 1, 6.5, 6.5), ("ca_ppm", "ppm", 2, 100, 200)]
    dataset = read_table(path, "nm", "counts")
    assert dataset.spectra.tolist() == [[10, 20, 30], [11, 21, 31]]
    assert np.isnan(dataset.properties["ph"][1])
    assert dataset.samples.to_dict("list") == {"sample_id": ["a", "b"], "lab": ["x", "y"]}
    assert dataset.provenance_line() == "measured, file table.csv"


def test_a_descending_axis_is_turned_round(write):
    dataset = read_table(write("sample_id,4000,3998,3996\na,1,2,3\n"), "cm-1", "absorbance")
    assert dataset.axis.tolist() == [3996, 3998, 4000]
    assert dataset.spectra.tolist() == [[3, 2, 1]]


def test_percent_become_fractions(write):
    dataset = read_table(write("sample_id,400,401\na,10,20\n"), "nm", "percent-reflectance")
    assert dataset.signal == "reflectance"
    np.testing.assert_array_equal(dataset.spectra, np.float32([[0.1, 0.2]]))


def test_unknown_units_and_signals_are_refused(write):
    path = write(GOOD)
    for arguments in [("um", "counts"), ("nm", "volts")]:
        with pytest.raises(ValueError, match="give one of"):
            read_table(path, *arguments)


def test_byte_order_mark_windows_line_ends_and_trailing_blank_lines_are_no_problem(write):
    path = write(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert check_table(path, "nm", "counts").problems == ()
    assert read_table(path, "nm", "counts").axis.tolist() == [400, 401, 402]


def test_depth_is_a_number_or_text(write):
    text = "sample_id,depth_cm,400,401\na,{},1,2\n"
    assert read_table(write(text.format("10")), "nm", "counts").samples["depth_cm"].tolist() == [10]
    assert read_table(write(text.format("0-20")), "nm", "counts").samples["depth_cm"].tolist() == ["0-20"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ca_ppm", ("ca", "ppm")),
        ("cao_wt_pct", ("cao", "wt %")),
        ("soc_pct", ("soc", "%")),
        ("ph", ("ph", "pH")),
        ("c_g_kg", ("c", "g/kg")),
        ("p_mg_kg", ("p", "mg/kg")),
        ("graph", ("graph", None)),
        ("na", ("na", None)),
    ],
)
def test_split_unit(name, parts):
    assert split_unit(name) == parts


# --- files that are no table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", GOOD, "unknown kind of file; its name should end in .csv, .csv.gz, .parquet"),
        ("a.csv", "", "the file is empty"),
        ("a.csv", " \n\n", "the file is empty"),
        ("a.csv", "sample_id,400,401\n", "a header in row 1 but no sample below it"),
        ("a.csv", "a,1,2,3\nb,4,5,6\n", "names no column sample_id"),
        ("a.csv", "a,5,2,3,1\nb,4,5,6,7\n", "row 1 looks like data, the header is missing"),
        ("a.csv", "sample_id,ph,400\na,6\n", "the header has 3 cells but row 2 has 2"),
        ("a.csv", "sample_id,ph,400\na,6,7\nb,1,2,3\n", "the header has 3 cells but row 3 has 4"),
        ("a.csv", 'sample_id,400\n"a,1\nb,2\n', "the header has 2 cells but row 2 has 1"),
        ("a.csv", "sample_id,ph,X400\na,6,7\n", "no channel.*'X400'"),
        ("a.csv", "sample_id;400;401\na;1;2\n", "separated by semicolons"),
        ("a.csv", b"sample_id,400\na,1\n\xff\xfe,2\n", "row 3 is not UTF-8 text"),
        ("a.csv.gz", GOOD, "broken gzip file"),
        ("a.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-12], "broken gzip file"),
        ("a.parquet", GOOD, "not a Parquet table"),
    ],
)
def test_what_is_no_table_says_so_in_one_line(write, name, content, message):
    path = write(content, name)
    with pytest.raises(TableError, match=message) as caught:
        check_table(path, "nm", "counts")
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"gone\.csv: no such file"):
        read_table(tmp_path / "gone.csv", "nm", "counts")


def test_parquet_of_lists_is_refused(tmp_path):
    path = tmp_path / "lists.parquet"
    pyarrow.parquet.write_table(pa.table({"sample_id": ["a"], "400": [[1.0, 2.0]]}), path)
    with pytest.raises(TableError, match="not a Parquet table of numbers and text"):
        check_table(path, "nm", "counts")


# --- problems with row and column -----------------------------------------------------------------------


def test_not_numeric_channel(write):
    problem = one_problem(write("sample_id,400,401,402\na,1,2,3\nb,4,oops,6\nc,7,8,n.d.\n"))
    assert (problem.severity, problem.message) == ("error", "not a number: 'oops'")
    assert problem.places == ((3, "401"), (4, "402"))
    assert problem.count == 2
    assert problem.where() == "row 3, column 401; row 4, column 402"


def test_not_numeric_property(write):
    problem = one_problem(write("sample_id,ca_ppm,400\na,<5,3\n"))
    assert (problem.severity, problem.message, problem.places) == ("error", "not a number: '<5'", ((2, "ca_ppm"),))


def test_many_places_are_cut_to_five_and_counted(write):
    cells = ",".join(["x"] * 7)
    problem = one_problem(write(f"sample_id,1000,1001,1002,1003,1004,1005,1006,1007\na,{cells},1\n"))
    assert problem.count == 7
    assert len(problem.places) == 5
    assert problem.where().endswith("row 2, column 1004; and 2 more")


@pytest.mark.parametrize("cell", ["", "NaN", "NA", " "])
def test_missing_channel_is_a_warning_and_stays_missing(write, cell):
    path = write(f"sample_id,400,401,402\na,1,2,3\nb,4,{cell},6\n")
    problem = one_problem(path)
    assert (problem.severity, problem.places, problem.count) == ("warning", ((3, "401"),), 1)
    assert problem.message.startswith("1 channel cells in 1 of 2 samples are empty or NaN")
    assert np.isnan(read_table(path, "nm", "counts").spectra).tolist() == [[False] * 3, [False, True, False]]


def test_infinite_channel_and_empty_spectrum_are_errors(write):
    found = problems_of(write("sample_id,400,401\na,1,inf\nb,,\nc,-Infinity,2\n"))
    assert found == [
        ("error", "infinite value in 2 cells", ((2, "401"), (4, "400"))),
        ("error", "sample without a spectrum", ((3, None),)),
    ]


def test_shuffled_and_doubled_channels(write):
    problem = one_problem(write("sample_id,400,402,401,403\na,1,2,3,4\n"))
    assert problem.severity == "error"
    assert problem.message == "axis is not monotonic: channel out of order"
    assert problem.places == ((None, "401"),)
    problem = one_problem(write("sample_id,400,401,401.0,402\na,1,2,3,4\n"))
    assert (problem.message, problem.places) == ("channel stands twice", ((None, "401"), (None, "401.0")))
    problem = one_problem(write("sample_id,400,401,401,402\na,1,2,3,4\n"))
    assert (problem.message, problem.count) == ("channel stands twice", 2)


def test_doubled_property_column(write):
    problem = one_problem(write("sample_id,ph,ph,400\na,5,6,1\n"))
    assert (problem.severity, problem.message, problem.places) == ("error", "column stands twice", ((None, "ph"),))


def test_sample_id_missing_and_doubled(write):
    found = problems_of(write("sample_id,400,401\na,1,2\n,3,4\na,5,6\nb,7,8\n"))
    assert found == [
        ("error", "sample_id is missing", ((3, None),)),
        ("error", "sample_id is doubled: 'a'", ((2, None), (4, None))),
    ]


def test_replicates_of_a_sample_may_share_its_id(write):
    text = "sample_id,replicate,400,401\na,0,1,2\na,1,3,4\na,{},5,6\n"
    assert check_table(write(text.format(2)), "nm", "counts").problems == ()
    assert one_problem(write(text.format(1))).places == ((3, None), (4, None))


def test_percent_as_fraction_and_the_reverse(write):
    percent = write("sample_id,400,401\na,10,20\n", "percent.csv")
    fraction = write("sample_id,400,401\na,0.1,0.2\n", "fraction.csv")
    problem = one_problem(percent, signal="reflectance")
    assert problem.severity == "error"
    assert "look like percent" in problem.message
    assert problem.remedy == "Declare the signal as percent-reflectance"
    problem = one_problem(fraction, signal="percent-reflectance")
    assert problem.severity == "error"
    assert problem.message == "percent declared, but no value is over 0.2: they look like fractions"
    assert problem.remedy == "Declare the signal as reflectance"
    assert "look like percent reflectance" in one_problem(percent, signal="absorbance").message


def test_reflectance_out_of_range(write):
    path = write("sample_id,400,401\na,-0.1,0.2\nb,0.5,1.01\nc,1,0\n")
    assert problems_of(path, signal="reflectance") == [
        ("warning", "reflectance below 0 in 1 cells, 1 of 3 samples", ((2, "400"),)),
        ("warning", "reflectance over 1 in 1 cells, 1 of 3 samples", ((3, "401"),)),
    ]


def test_negative_counts_are_a_warning(write):
    problem = one_problem(write("sample_id,400,401\na,1,2\nb,-3,4\n"))
    assert (problem.severity, problem.message) == ("warning", "1 negative counts in 1 of 2 samples")
    assert problem.places == ((3, "400"),)


def test_saturation_near_16_bit_full_scale(write):
    path = write("sample_id,400,401,402\na,1,64000,3\nb,4,65535,63999\n")
    problem = one_problem(path)
    assert problem.severity == "warning"
    assert problem.message == (
        "saturated counts, at or over 64,000 of 65,535, in 2 of 2 samples and 1 channels, most often 401 (2 samples)"
    )
    assert problem.places == ((2, "401"), (3, "401"))


def test_saturation_as_a_flat_top(write):
    path = write("sample_id,400,401,402,403,404\na,1,4095,4095,4095,5\nb,4095,4095,7,4,4095\n")
    problem = one_problem(path)
    assert "flat tops at the largest value 4095, in 1 of 2 samples and 3 channels" in problem.message
    assert problem.places == ((2, "401"), (2, "402"), (2, "403"))
    # Two neighbours at the maximum are a peak, and beyond 16 bits no full scale is known.
    assert check_table(write("sample_id,400,401,402\na,9,9,1\n"), "nm", "counts").problems == ()
    assert check_table(write("sample_id,400,401,402\na,1,99999,64500\n"), "nm", "counts").problems == ()


def test_gap_in_the_axis(write):
    problem = one_problem(write("sample_id,400,401,402,450,451\na,1,2,3,4,5\n"))
    assert problem.severity == "warning"
    assert problem.message == "axis has 1 gap without channels: 402 to 450 nm"


@pytest.mark.parametrize(
    ("channels", "axis_unit", "message"),
    [
        ("4000,2000,600", "nm", "axis from 600 to 4000 is unusual in nm, it looks like cm-1"),
        ("400,1400,2500", "cm-1", "axis from 400 to 2500 is unusual in cm-1, it looks like nm"),
        ("10,20,30", "nm", "axis from 10 to 30 is unusual in nm"),
    ],
)
def test_axis_unusual_for_its_unit(write, channels, axis_unit, message):
    problem = one_problem(write(f"sample_id,{channels}\na,1,2,3\n"), axis_unit)
    assert (problem.severity, problem.message) == ("warning", message)


def test_property_without_a_unit_and_unknown_text(write):
    found = problems_of(write("sample_id,na,colour,400,401\na,5,red,1,2\nb,6,grey,3,4\n"))
    assert found == [
        ("warning", "property without a unit", ((None, "na"),)),
        ("warning", "neither channel nor known property: kept as text of the sample", ((None, "colour"),)),
    ]
    dataset = read_table(write("sample_id,na,colour,400,401\na,5,red,1,2\n"), "nm", "counts")
    assert dataset.properties["na"].tolist() == [5]
    assert dataset.samples["colour"].tolist() == ["red"]


def test_implausible_property(write):
    found = problems_of(write("sample_id,ph,clay_pct,ca_ppm,400\na,2.4,101,-1,1\nb,7,100,0,2\n"))
    assert [(message, places) for _, message, places in found] == [
        ("ph of 2.4 is outside 2.5 to 11.5 pH", ((2, "ph"),)),
        ("clay_pct of 101 is outside 0 to 100 %", ((2, "clay_pct"),)),
        ("ca_ppm of -1 is outside 0 to 1e+06 ppm", ((2, "ca_ppm"),)),
    ]


def test_the_same_spectrum_twice(write):
    problem = one_problem(write("sample_id,400,401\na,1,2\nb,3,4\nc,1,2\n"))
    assert (problem.severity, problem.places) == ("warning", ((2, None), (4, None)))
    assert problem.message == "the same spectrum stands under more than one sample"


def test_rows_keep_their_number_after_a_blank_line(write):
    found = problems_of(write("sample_id,400,401\na,1,2\n\nb,x,4\n"))
    assert ("error", "not a number: 'x'", ((4, "400"),)) in found
    assert ("error", "sample without a spectrum", ((3, None),)) in found


def test_reading_raises_the_first_errors_in_one_line(write):
    path = write("sample_id,401,400,402\na,1,x,3\na,inf,4,5\n")
    with pytest.raises(TableError) as caught:
        read_table(path, "nm", "counts")
    message = str(caught.value)
    assert message.startswith(f"{path}: axis is not monotonic: channel out of order (column 400). Sort")
    assert "not a number: 'x' (row 2, column 400)." in message
    assert message.endswith("And 2 more kinds of error.")
    assert "\n" not in message


# --- writing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("origin", ["simulated", "measured"])
def test_round_trip_is_exact(tmp_path, ending, origin):
    before = made(origin)
    before.spectra[1, 2] = np.nan
    path = tmp_path / f"table{ending}"
    write_table(before, path)
    after = read_table(path, "nm", "counts")
    np.testing.assert_array_equal(after.spectra, before.spectra)
    np.testing.assert_array_equal(after.axis, before.axis)
    pd.testing.assert_frame_equal(after.properties, before.properties)
    pd.testing.assert_frame_equal(after.samples, before.samples, check_dtype=False)
    assert after.samples["replicate"].dtype == np.int64
    assert after.provenance["origin"] == origin
    assert after.provenance.get("seed") == (7 if origin == "simulated" else None)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_columns_of_a_written_table(tmp_path):
    write_table(made(axis=np.array([279, 279.016, 279.0323, 280.1, 281])), tmp_path / "table.csv")
    header = (tmp_path / "table.csv").read_text().splitlines()[0]
    assert header == ("sample_id,ca_ppm,ph,lab,replicate,origin,seed,279,279.016,279.0323,280.1,281")


def test_compressed_bytes_depend_on_the_dataset_alone(tmp_path):
    digests = set()
    for name, moment in [("a.csv.gz", 1), ("b.csv.gz", 10**9)]:
        write_table(made(), tmp_path / name)
        os.utime(tmp_path / name, (moment, moment))
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    assert (tmp_path / "a.csv.gz").read_bytes()[4:8] == bytes(4)  # the time stamp of gzip


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_blocks_and_cores_do_not_change_what_is_read(tmp_path, monkeypatch, ending):
    rows = made().subset([0, 1, 2, 3] * 5)
    paths = [tmp_path / f"{name}{ending}" for name in ("whole", "blocks", "one_core")]
    write_table(rows, paths[0])
    monkeypatch.setattr(plain, "_BLOCK_ROWS", 3)
    write_table(rows, paths[1])
    monkeypatch.setattr(plain.os, "cpu_count", lambda: 1)
    write_table(rows, paths[2])
    assert paths[1].read_bytes() == paths[2].read_bytes()
    whole, blocks = (
        path.read_bytes() if ending == ".csv" else gzip.decompress(path.read_bytes()) for path in paths[:2]
    )
    assert whole == blocks and whole.count(b"\n") == 21
    assert pd.read_csv(paths[1]).shape == (20, 12)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, ending):
    path = tmp_path / f"table{ending}"
    write_table(made(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(plain.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(made().subset([0]), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_half_a_file_never_takes_the_place_of_a_whole_one(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as part:
        part.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(TableError, match="unknown kind of file"):
        write_table(made(), tmp_path / "table.txt")
    with pytest.raises(TableError, match="column 500: a number names a channel"):
        write_table(made(properties=pd.DataFrame({"500": [1, 2, 3, 4]})), tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []


# --- measured tables ------------------------------------------------------------------------------------


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
                ("7 channel cells in 1 of 3", 3, "931.716"),
                ("321 negative counts in 3 of 3", 2, "224.336"),
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
    assert report.usable
    assert len(report.warnings) == len(warnings)
    for warning, (words, row, column) in zip(report.warnings, warnings, strict=True):
        assert words in warning.message
        assert next(iter(warning.places), (None, None)) == (row, column)
    dataset = read_table(path, axis_unit, signal)
    assert dataset.spectra.shape == (n_samples, n_channels)
