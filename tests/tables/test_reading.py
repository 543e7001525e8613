import gzip
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import (
    TableError,
    cells,
    check_table,
    library_index,
    read_blocks,
    read_library,
    read_table,
    write_partitions,
    write_table,
    writing,
)
from spectrakit.tables.reading import joined

MIR = ("cm-1", "absorbance")
COUNTS = ("nm", "counts")
PERCENT = ("cm-1", "percent-reflectance")
KINDS = ("table.csv", "table.csv.gz", "table.parquet", "folder")


@pytest.fixture
def whole(soils):
    """Seven soils, the third with a gap in its spectrum."""
    soils = soils(7)
    soils.spectra[2, 1] = np.nan
    return soils


@pytest.fixture(params=KINDS)
def library(tmp_path, request, whole):
    """The seven soils in each kind of library; the folder, written from 3, 1 and 3, holds 3, 3 and 1."""
    path = tmp_path / request.param
    if request.param == "folder":
        write_partitions((whole.subset(rows) for rows in ([0, 1, 2], [3], [4, 5, 6])), path, rows=3)
    else:
        write_table(whole, path)
    return path


# --- one table --------------------------------------------------------------------------------------------


def test_what_a_table_holds(write):
    path = write("sample_id,ph,ca_ppm,lab,400,401,402\na,6.5,100,x,10,20,30\nb,,200,y,11,21,31\n")
    dataset = read_table(path, *COUNTS)
    assert dataset.spectra.tolist() == [[10, 20, 30], [11, 21, 31]]
    np.testing.assert_equal(dataset.properties.to_dict("list"), {"ph": [6.5, np.nan], "ca_ppm": [100, 200]})
    assert dataset.samples.to_dict("list") == {"sample_id": ["a", "b"], "lab": ["x", "y"]}
    assert dataset.provenance_line() == "measured, file table.csv"


def test_descending_channels_and_percent(write):
    path = write("sample_id,606,604,602\na,8.7,20,30\nb,,50,60.1\n")
    for dataset in (read_table(path, *PERCENT), read_library(path, *PERCENT)):
        assert (dataset.axis.tolist(), dataset.signal) == ([602, 604, 606], "reflectance")
        np.testing.assert_array_equal(dataset.spectra, np.float32([[0.3, 0.2, 0.087], [0.601, 0.5, np.nan]]))


@pytest.mark.parametrize("read", [read_table, read_blocks])
@pytest.mark.parametrize("arguments", [("um", "absorbance"), ("nm", "volts")])
def test_unknown_units_and_signals_are_refused(write, read, arguments):
    with pytest.raises(ValueError, match=r"'(um|volts)': give one of"):
        read(write("sample_id,400\na,1\n"), *arguments)


def test_spreadsheets_and_quotation_marks_are_no_problem(write):
    """Byte-order mark, line ends of Windows, blank lines at the end, spaces, a comma and a line end in a name."""
    path = write(b'\xef\xbb\xbfsample_id,lab,400,401,402\r\n"a\nb","x, y",1, NA,3\r\n c , ,4,5,6\r\n\r\n\r\n')
    dataset = read_table(path, *COUNTS)
    assert dataset.axis.tolist() == [400, 401, 402]
    np.testing.assert_array_equal(dataset.spectra, [[1, np.nan, 3], [4, 5, 6]])
    assert dataset.samples["sample_id"].tolist() == ["a\nb", "c"] and dataset.samples["lab"].isna().tolist() == [0, 1]


def test_parts_of_a_long_file_begin_and_end_with_whole_rows(write, refused, monkeypatch):
    monkeypatch.setattr(cells, "_CSV_BYTES", 30)
    rows = [f'"s{n}\nof {n}",{n if n != 30 else "<5"},{n % 7 or ""},1\n' for n in range(40)]
    path = write("sample_id,na,600,602\n" + "".join(rows[:30]) + "\n\n\n\n")
    dataset = read_library(path, *MIR)
    assert dataset.samples["sample_id"].tolist() == [f"s{n}\nof {n}" for n in range(30)]
    assert dataset.properties["na"].tolist() == [*range(30)]
    write("sample_id,na,600,602\n" + "".join(rows))
    refused(path, r"not a number: '<5' \(row 32, column na\)", read_library, path, *MIR)
    write("sample_id,na,600,602\n" + "".join(rows[:20]) + "\n\n" + "".join(rows[20:30]))
    refused(path, r"sample_id is missing \(row 22; row 23\)", read_library, path, *MIR)


def test_depth_is_a_number_or_text_whatever_part_of_the_file_says_so(write, monkeypatch):
    monkeypatch.setattr(cells, "_CSV_BYTES", 30)
    text = "sample_id,depth_cm,400,401\n" + "".join(f"s{n},{n},1,2\n" for n in range(9))
    for read in (read_table, read_library):
        assert read(write(text), *COUNTS).samples["depth_cm"].tolist() == [*range(9)]
        assert read(write(text + "x,0-20,1,2\n"), *COUNTS).samples["depth_cm"].tolist()[-3:] == ["7", "8", "0-20"]


def test_a_column_without_a_unit_is_a_property_where_it_holds_numbers(write, monkeypatch):
    monkeypatch.setattr(cells, "_CSV_BYTES", 64)
    rows = [f"s{number},{number},red,1,2" for number in range(20)]
    path = write("\n".join(["sample_id,na,colour,600,602", *rows, "last,,7,1,2"]) + "\n")
    for dataset in (joined(list(read_blocks(path, *MIR))), read_table(path, *MIR)):
        assert [*dataset.properties] == ["na"] and np.isnan(dataset.properties["na"].iloc[-1])
        assert dataset.samples["colour"].tolist() == ["red"] * 20 + ["7"]  # what stands first decides


def test_reading_raises_the_first_errors_in_one_line(write):
    path = write("sample_id,400,401,402\na,1,x,3\n,inf,4,5\n")
    with pytest.raises(TableError) as caught:
        read_table(path, *COUNTS)
    assert str(caught.value) == (
        f"{path}: not a number: 'x' (row 2, column 401). Give a number with a decimal point, or leave the cell empty "
        "where nothing was measured. infinite value in 1 cell (row 3, column 400). Leave the cell empty where nothing "
        "was measured. And 1 more kinds of error."
    )


# --- libraries of each kind -------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 100])
def test_blocks_hold_the_library_in_order_whatever_its_kind(library, whole, same, rows):
    blocks = list(read_blocks(library, *MIR, rows=rows))
    full, rest = divmod(7, rows)
    assert [len(block) for block in blocks] == [rows] * full + [rest] * bool(rest)
    same(joined([*blocks]), whole)
    kind = "folder" if library.is_dir() else "file"
    assert blocks[-1].provenance == {"origin": "simulated", "source": f"{kind} {library.name}", "seed": 3}


def test_what_is_read_whole_is_what_read_table_reads(library, whole, same, refused):
    same(read_library(library, *MIR), whole)
    if library.is_file():
        same(read_table(library, *MIR), whole)
        assert check_table(library, *MIR).warnings[0].count == 1
    else:
        refused(library, "this is a folder of 3 tables; name one of its files", read_table, library, *MIR)


def test_given_rows_come_in_the_order_of_the_library(library, whole, same):
    same(joined(list(read_blocks(library, *MIR, only=[6, 0, 3, 2]))), whole.subset([0, 2, 3, 6]))
    blocks = list(read_blocks(library, *MIR, rows=2, only=np.array([1, 4, 5])))
    assert [block.samples["sample_id"].tolist() for block in blocks] == [["s1", "s4"], ["s5"]]
    assert list(read_blocks(library, *MIR, only=[])) == []
    for position in (7, -1):
        with pytest.raises(ValueError, match=f"no row at position {position}, it has 7; count from 0"):
            list(read_blocks(library, *MIR, only=[0, position]))


def test_the_index_has_all_but_the_spectra(library, whole):
    index = library_index(library, *MIR)
    assert (index.n_samples, index.provenance["seed"]) == (7, 3)
    pd.testing.assert_frame_equal(index.properties, whole.properties)
    pd.testing.assert_frame_equal(index.samples, whole.samples, check_dtype=False)
    measured = np.flatnonzero(index.properties["om_g_kg"].notna())
    assert measured.tolist() == [0, 2, 4, 6]
    assert joined(list(read_blocks(library, *MIR, only=measured))).properties["om_g_kg"].tolist() == [0, 2, 4, 6]


def test_columns_are_chosen_by_name(library, refused):
    (block,) = read_blocks(library, *MIR, columns=("om_g_kg", "laboratory"))
    assert ([*block.properties], [*block.samples]) == (["om_g_kg"], ["sample_id", "laboratory"])
    assert block.provenance["origin"] == "simulated"
    index = library_index(library, *MIR, columns=("c_g_kg",))
    assert ([*index.properties], [*index.samples]) == (["c_g_kg"], ["sample_id", "laboratory"])
    refused(
        library,
        "no column clay_pct; it has sample_id, c_g_kg, om_g_kg, laboratory",
        read_blocks,
        library,
        *MIR,
        columns=("clay_pct",),
    )


def test_the_index_reads_no_channel_and_rows_only_their_row_groups(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROW_GROUP", 2)
    write_table(whole, tmp_path / "table.parquet")
    asked = []
    iter_batches = pyarrow.parquet.ParquetFile.iter_batches

    def noted(parquet, rows, row_groups, columns):
        asked.append((row_groups, columns))
        return iter_batches(parquet, rows, row_groups, columns)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", noted)
    library_index(tmp_path / "table.parquet", *MIR, columns=("c_g_kg",))
    assert asked == [([group], ["sample_id", "c_g_kg", "laboratory", "origin", "seed"]) for group in range(4)]
    asked.clear()
    list(read_blocks(tmp_path / "table.parquet", *MIR, only=[1, 6]))
    assert [row_groups for row_groups, _ in asked] == [[0], [3]]


def test_samples_without_a_spectrum_stay_in_blocks_and_leave_the_whole(whole, same, tmp_path, refused):
    path = tmp_path / "table.parquet"
    whole.spectra[[1, 4]] = np.nan
    write_table(whole, path)
    same(joined(list(read_blocks(path, *MIR, rows=2))), whole)
    library = read_library(path, *MIR)
    same(library, whole.subset([0, 2, 3, 5, 6]))
    assert library.provenance["samples without a spectrum"] == 2
    write_table(whole.subset([4]), path)
    refused(path, "no sample of it has a spectrum in cm-1", read_library, path, *MIR)


# --- Parquet of other tools ---------------------------------------------------------------------------------


def other_tool(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


def test_folders_that_name_a_column_and_files_in_order_of_their_numbers(tmp_path):
    kssl = tmp_path / "laboratory=KSSL"
    other_tool(kssl / "part-10.parquet", **{"604": [1.0], "c_g_kg": [30.0], "sample_id": ["c"], "602": [2.0]})
    other_tool(kssl / "part-2.parquet", **{"604": [1.0], "c_g_kg": [None], "sample_id": ["b"], "602": [2.0]})
    # The same columns in another order and of another type; a space as the path of a partition writes it.
    other = tmp_path / "laboratory=ICRAF%20Nairobi" / "part-0.parquet"
    other_tool(other, **{"602": [3], "604": [4], "c_g_kg": [10], "sample_id": ["a"]})
    for hidden in (tmp_path / "_metadata.parquet", tmp_path / ".hidden" / "part-0.parquet"):
        other_tool(hidden, x=[1])
    whole = read_library(tmp_path, *MIR)
    assert whole.samples.to_dict("list") == {
        "sample_id": ["a", "b", "c"],
        "laboratory": ["ICRAF Nairobi", "KSSL", "KSSL"],
    }
    assert (whole.axis.tolist(), whole.spectra.tolist()) == ([602, 604], [[3, 4], [2, 1], [2, 1]])
    np.testing.assert_array_equal(whole.properties["c_g_kg"], [10, np.nan, 30])
    assert whole.provenance == {"origin": "measured", "source": f"folder {tmp_path.name}"}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sample_id": "b", "600": 1.0}, "no column c_g_kg, which part-0.parquet has"),
        ({"sample_id": "b", "c_g_kg": 1.0, "602": 1.0}, "no column 600, which part-0.parquet has"),
        ({"sample_id": "b", "c_g_kg": 1.0, "600": 1.0, "602": 1.0}, "column 602, which part-0.parquet has not"),
        ({"sample_id": "b", "c_g_kg": 1.0, "600": "1"}, "column 600 holds no numbers as in part-0.parquet"),
    ],
)
def test_a_partition_that_differs_is_refused_by_file_and_column(tmp_path, refused, columns, message):
    other_tool(tmp_path / "part-0.parquet", **{"sample_id": ["a"], "c_g_kg": [1.0], "600": [1.0]})
    second = other_tool(tmp_path / "part-1.parquet", **{name: [value] for name, value in columns.items()})
    refused(second, message, read_blocks, tmp_path, *MIR)


@pytest.mark.parametrize("value", [1.0, 1, "1", " 1 "])
def test_numbers_of_any_type_are_read_and_similar_names_are_not_mixed(tmp_path, value):
    path = other_tool(tmp_path / "table.parquet", **{"sample_id": ["a"], "600": [value], "600.5": [2.0]})
    for read in (read_library, read_table):
        assert read(path, *MIR).spectra.tolist() == [[1, 2]]


def test_parquet_of_lists_and_a_broken_file(whole, tmp_path, refused):
    path = other_tool(tmp_path / "list.parquet", **{"sample_id": ["a"], "notes": [["x"]], "600": [1.0]})
    for read in (read_blocks, check_table):
        refused(path, "column notes holds neither numbers nor text but list", read, path, *MIR)
    write_table(whole, path)
    data = bytearray(path.read_bytes())
    data[4:600] = bytes(596)
    path.write_bytes(data)
    with pytest.raises(TableError, match="broken Parquet file"):
        list(read_blocks(path, *MIR))


# --- what cannot be read ------------------------------------------------------------------------------------

OPUS = b"\n\n\xfe\xfe" + bytes(30)
TWO_COLUMNS = "".join(f"{nm},0.2\n" for nm in range(400, 520))
NO_TABLE = [
    ("a.txt", "sample_id,600\na,1\n", "unknown kind of file; its name should end in .csv, .csv.gz, .parquet"),
    ("a.csv", "", "the file is empty"),
    ("a.csv", " \n\n", "the file is empty"),
    ("a.csv", '"' + "x" * 200_000, "row 1 begins a cell of over 131,072 characters; close its quotation"),
    ("a.csv", "sample_id,600,601\n", "a header but no sample below it"),
    ("a.csv", "a,1,2,3\nb,4,5,6\n", "no column sample_id; add one"),
    ("a.csv", "a,5,2,3,1\nb,4,5,6,7\n", "row 1 looks like data, the header is missing"),
    ("a.csv", "sample_id,ph,600\na,6\n", "the header has 3 cells but row 2 has 2"),
    ("a.csv", "sample_id,ph,600\na,6,7\nb,1,2,3\n", "the header has 3 cells but row 3 has 4"),
    ("a.csv", 'sample_id,600\n"a,1\nb,2\n', "the header has 2 cells but row 2 has 1"),
    ("a.csv", "sample_id,ph,X600\na,6,7\n", "no channel; name each channel column.*'X600'"),
    ("a.csv", b"sample_id,600\na,1\n\xff\xfe,2\n", "row 3 is not UTF-8 text"),
    ("a.csv.gz", "sample_id,600\na,1\n", "broken gzip file"),
    ("a.csv.gz", gzip.compress(b"sample_id,600\na,1\n", mtime=0)[:-12], "broken gzip file"),
    ("a.parquet", "sample_id,600\na,1\n", "not a Parquet table"),
    ("a.dpt", "wavelength,reflectance\n400,0.2\n", "unknown kind of file; .*files with spectrakit convert$"),
    ("a.csv", "wavelength,reflectance\n" + TWO_COLUMNS, "a single spectrum .* with spectrakit convert$"),
    ("a.0", OPUS, "a file of Bruker OPUS, not a table; make one of it with spectrakit convert"),
    ("a.csv", OPUS, "a file of Bruker OPUS, not a table; make one of it with spectrakit convert"),
]
UNUSABLE = [
    ("a.csv", "sample_id,600\na,1\nb,x\n", r"not a number: 'x' \(row 3, column 600\)"),
    ("a.csv", "sample_id,c_g_kg,600\na,1,1\nb,<5,1\n", r"not a number: '<5' \(row 3, column c_g_kg\)"),
    ("a.csv", "sample_id,600\na,1\nb,inf\n", r"infinite value in 1 cell \(row 3, column 600\)"),
    ("a.csv", "sample_id,600\na,1\n,2\n", r"sample_id is missing \(row 3\)"),
    ("a.csv", "sample_id,600\na,45\nb,50\n", "absorbance declared, but the scale is that of percent in 2 of 2 samples"),
    ("a.csv", "sample_id,600,604,602\na,1,2,3\n", "axis is not monotonic"),
    ("a.csv", "sample_id,600,600\na,1,2\n", r"channel stands twice \(column 600; column 600\)"),
    ("a.csv", "sample_id,ph,ph,600\na,1,2,3\n", r"column stands twice \(column ph\)"),
]


READERS = [(read, *case) for read in (read_table, read_library, check_table) for case in NO_TABLE]
READERS += [(read, *case) for read in (read_table, read_library) for case in UNUSABLE]


@pytest.mark.parametrize(
    ("read", "name", "content", "message"), READERS, ids=lambda value: getattr(value, "__name__", str(value)[:30])
)
def test_what_cannot_be_read_says_so_in_one_line(write, refused, read, name, content, message):
    path = write(content, name)
    refused(path, message, read, path, *MIR)


def test_paths_that_hold_no_library(tmp_path, refused):
    for read in (read_table, read_blocks, check_table):
        refused(tmp_path / "gone.csv", r"no such file or folder", read, tmp_path / "gone.csv", *MIR)
    refused(tmp_path, "no table of spectra in this folder; name a file", read_blocks, tmp_path, *MIR)
    with pytest.raises(ValueError, match="rows of a block: 0; give at least 1"):
        read_blocks(tmp_path, *MIR, rows=0)


def test_rows_are_counted_within_a_partition_and_names_across_partitions(soils, tmp_path, refused):
    parts = [soils(3), soils(2, first=3), soils(2, first=4)]
    write_partitions(parts, tmp_path / "folder", rows=3)
    expected = r"sample_id is doubled: 's4' \(row 3 of part-00001.parquet; row 4 of part-00001.parquet\). Rename one"
    refused(tmp_path / "folder", expected, library_index, tmp_path / "folder", *MIR)
    parts[2].spectra[0, 3] = np.inf
    write_partitions(parts, tmp_path / "infinite", rows=3)
    blocks = read_blocks(tmp_path / "infinite", *MIR, rows=2)
    assert len(next(blocks)) == 2
    with pytest.raises(TableError, match=r"infinite value in 1 cell \(row 4 of part-00001.parquet, column 606\)"):
        list(blocks)


def test_a_soil_may_stand_once_for_each_laboratory_that_scanned_it(write, refused):
    path = write("sample_id,laboratory,600,602\na,x,1,2\na,y,3,4\n")
    assert library_index(path, *MIR).samples["laboratory"].tolist() == ["x", "y"]
    assert library_index(path, *MIR, columns=()).n_samples == 2
    write("sample_id,laboratory,600,602\na,x,1,2\na,x,3,4\n")
    refused(path, r"sample_id is doubled: 'a' \(row 2; row 3\)", library_index, path, *MIR)


# --- memory -------------------------------------------------------------------------------------------------

_PEAKS = """
import resource, sys
from spectrakit.tables import read_blocks

for path in sys.argv[1:]:
    rows = sum(len(block) for block in read_blocks(path, "cm-1", "absorbance", rows=512))
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_number_of_partitions(tmp_path):
    n_rows, axis = 1024, 600.0 + np.arange(500)
    part = SpectralDataset(
        spectra=np.random.default_rng(0).uniform(0, 2, (n_rows, len(axis))).astype(np.float32),
        axis=axis,
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"c_g_kg": np.arange(n_rows)}),
        samples=pd.DataFrame({"sample_id": [str(number) for number in range(n_rows)]}),
        provenance={"origin": "measured"},
    )
    write_table(part, tmp_path / "part.parquet")
    for n_parts in (4, 40):
        (tmp_path / str(n_parts)).mkdir()
        for number in range(n_parts):
            shutil.copy(tmp_path / "part.parquet", tmp_path / str(n_parts) / f"part-{number}.parquet")
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS, tmp_path / "4", tmp_path / "40"], capture_output=True, text=True, check=True
    )
    (few, few_mb), (many, many_mb) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few, many) == (4_096, 40_960)
    assert many_mb < few_mb + 20  # 36 more partitions are 74 MB of spectra
