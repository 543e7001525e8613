import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import partitions, plain
from spectrakit.tables.checks import TableError
from spectrakit.tables.partitions import library_index, read_blocks, read_library, write_partitions
from spectrakit.tables.plain import check_table, read_table, write_table

MIR = ("cm-1", "absorbance")
KINDS = ("table.csv", "table.csv.gz", "table.parquet", "folder")


def made(n=7, seed=5, origin="simulated", first=0):
    """Soils numbered from `first`: every second without om_g_kg, the third with a gap in its spectrum."""
    generator = np.random.default_rng(seed)
    spectra = generator.uniform(0.2, 2, (n, 4)).astype(np.float32)
    if n > 2:
        spectra[2, 1] = np.nan
    numbers = np.arange(first, first + n)
    return SpectralDataset(
        spectra=spectra,
        axis=[600, 602, 604.5, 606],
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"c_g_kg": numbers * 1.5, "om_g_kg": np.where(numbers % 2, np.nan, numbers)}),
        samples=pd.DataFrame(
            {
                "sample_id": [f"s{number}" for number in numbers],
                "laboratory": np.where(numbers % 3, "KSSL", "ICRAF"),
                "site": [None if number % 2 else f"site {number}" for number in numbers],
                "depth_top_cm": numbers * 2.5,
                "depth_bottom_cm": numbers * 2.5 + 10,
            }
        ),
        provenance={"origin": origin, "seed": 3, "source": "test"},
    )


def joined(blocks):
    blocks = list(blocks)
    return replace(
        blocks[0],
        spectra=np.concatenate([block.spectra for block in blocks]),
        properties=pd.concat([block.properties for block in blocks]),
        samples=pd.concat([block.samples for block in blocks]),
    )


def assert_same(found, expected):
    np.testing.assert_array_equal(found.spectra, expected.spectra)
    np.testing.assert_array_equal(found.axis, expected.axis)
    assert (found.axis_unit, found.signal) == (expected.axis_unit, expected.signal)
    pd.testing.assert_frame_equal(found.properties, expected.properties)
    pd.testing.assert_frame_equal(found.samples, expected.samples, check_dtype=False)


@pytest.fixture(params=KINDS)
def library(tmp_path, request):
    """The seven soils of `made` in each kind of library; the folder, written from 3, 1 and 3, holds 3, 3 and 1."""
    whole, path = made(), tmp_path / request.param
    if request.param == "folder":
        write_partitions((whole.subset(rows) for rows in ([0, 1, 2], [3], [4, 5, 6])), path, rows=3)
    else:
        write_table(whole, path)
    return path


# --- blocks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 3, 4, 7, 100])
def test_blocks_hold_the_library_in_order_whatever_its_kind(library, rows):
    blocks = list(read_blocks(library, *MIR, rows=rows))
    full, rest = divmod(7, rows)
    assert [len(block) for block in blocks] == [rows] * full + [rest] * bool(rest)
    assert_same(joined(blocks), made())
    kind = "folder" if library.is_dir() else "file"
    assert blocks[-1].provenance == {"origin": "simulated", "source": f"{kind} {library.name}", "seed": 3}


def test_what_is_read_whole_is_what_read_table_reads(library):
    whole = read_library(library, *MIR)
    assert_same(whole, made())
    if library.is_file():
        assert_same(whole, read_table(library, *MIR))


def test_given_rows_come_in_the_order_of_the_library(library):
    assert_same(read_library(library, *MIR, only=[6, 0, 3, 2]), made().subset([0, 2, 3, 6]))
    blocks = list(read_blocks(library, *MIR, rows=2, only=np.array([1, 4, 5])))
    assert [block.samples["sample_id"].tolist() for block in blocks] == [["s1", "s4"], ["s5"]]
    assert list(read_blocks(library, *MIR, only=[])) == []
    with pytest.raises(ValueError, match="no row at position 7, it has 7; count from 0"):
        list(read_blocks(library, *MIR, only=[0, 7]))
    with pytest.raises(ValueError, match="no row at position -1"):
        list(read_blocks(library, *MIR, only=[-1]))


def test_the_index_has_all_but_the_spectra(library):
    index = library_index(library, *MIR)
    assert index.n_samples == 7
    assert index.axis.tolist() == [600, 602, 604.5, 606]
    pd.testing.assert_frame_equal(index.properties, made().properties)
    pd.testing.assert_frame_equal(index.samples, made().samples, check_dtype=False)
    assert index.provenance["seed"] == 3
    measured = np.flatnonzero(index.properties["om_g_kg"].notna())
    assert measured.tolist() == [0, 2, 4, 6]
    assert read_library(library, *MIR, only=measured).properties["om_g_kg"].tolist() == [0, 2, 4, 6]


def test_columns_are_chosen_by_name(library):
    (block,) = read_blocks(library, *MIR, columns=("om_g_kg", "laboratory"))
    assert ([*block.properties], [*block.samples]) == (["om_g_kg"], ["sample_id", "laboratory"])
    assert block.provenance["origin"] == "simulated"
    index = library_index(library, *MIR, columns=("c_g_kg",))
    assert ([*index.properties], [*index.samples]) == (["c_g_kg"], ["sample_id", "laboratory"])
    with pytest.raises(TableError, match="no column clay_pct; it has sample_id, c_g_kg, om_g_kg, laboratory"):
        read_blocks(library, *MIR, columns=("clay_pct",))


def test_the_index_reads_no_channel_and_rows_only_their_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "ROW_GROUP", 2)
    write_table(made(), tmp_path / "table.parquet")
    asked = []
    iter_batches = pyarrow.parquet.ParquetFile.iter_batches

    def noted(parquet, rows, row_groups, columns):
        asked.append((row_groups, columns))
        return iter_batches(parquet, rows, row_groups, columns)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", noted)
    library_index(tmp_path / "table.parquet", *MIR, columns=("c_g_kg",))
    assert asked == [([group], ["sample_id", "c_g_kg", "laboratory", "origin", "seed"]) for group in range(4)]
    asked.clear()
    read_library(tmp_path / "table.parquet", *MIR, only=[1, 6])
    assert [row_groups for row_groups, _ in asked] == [[0], [3]]


def test_samples_without_a_spectrum_stay_in_blocks_and_leave_the_whole(tmp_path):
    dataset = made()
    dataset.spectra[[1, 4]] = np.nan
    write_table(dataset, tmp_path / "table.parquet")
    assert_same(joined(read_blocks(tmp_path / "table.parquet", *MIR, rows=2)), dataset)
    whole = read_library(tmp_path / "table.parquet", *MIR)
    assert_same(whole, dataset.subset([0, 2, 3, 5, 6]))
    assert whole.provenance["samples without a spectrum"] == 2
    with pytest.raises(TableError, match="no sample of it has a spectrum in cm-1"):
        read_library(tmp_path / "table.parquet", *MIR, only=[4])


def test_descending_channels_and_percent(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("sample_id,606,604,602\na,8.7,20,30\nb,,50,60.1\n")
    whole = read_library(path, "cm-1", "percent-reflectance")
    assert whole.axis.tolist() == [602, 604, 606]
    assert_same(whole, read_table(path, "cm-1", "percent-reflectance"))
    np.testing.assert_array_equal(whole.spectra, np.float32([[0.3, 0.2, 0.087], [0.601, 0.5, np.nan]]))


def test_measured_tables_stream_as_they_are_read_whole(shared):
    path = shared / "real" / "mir" / "nrw115.csv.gz"
    arguments = ("cm-1", "percent-reflectance")
    assert_same(joined(read_blocks(path, *arguments, rows=50)), read_table(path, *arguments))


def test_a_column_without_a_unit_is_a_property_where_it_holds_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_CSV_BYTES", 64)
    path = tmp_path / "table.csv"
    rows = [f"s{number},{number},red,1,2" for number in range(20)]
    path.write_text("\n".join(["sample_id,na,colour,600,602", *rows, "last,,7,1,2"]) + "\n")
    block = joined(read_blocks(path, *MIR))
    assert [*block.properties] == ["na"] and np.isnan(block.properties["na"].iloc[-1])
    assert block.samples["colour"].tolist() == ["red"] * 20 + ["7"]  # what stands first decides


# --- folders of other tools ---------------------------------------------------------------------------------


def other_tool(path, names, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    pyarrow.parquet.write_table(pa.table({name: list(values) for name, values in columns.items()}), path)


def test_folders_that_name_a_column_and_files_in_order_of_their_numbers(tmp_path):
    names = ("604", "c_g_kg", "sample_id", "602")
    other_tool(tmp_path / "laboratory=KSSL" / "part-10.parquet", names, [(1.0, 30.0, "c", 2.0)])
    other_tool(tmp_path / "laboratory=KSSL" / "part-2.parquet", names, [(1.0, None, "b", 2.0)])
    # The same columns in another order and of another type; a space as the path of a partition writes it.
    other_tool(tmp_path / "laboratory=ICRAF%20Nairobi" / "part-0.parquet", sorted(names), [(3, 4, 10, "a")])
    other_tool(tmp_path / "_metadata.parquet", ("x",), [(1,)])
    other_tool(tmp_path / ".hidden" / "part-0.parquet", ("x",), [(1,)])
    whole = read_library(tmp_path, *MIR)
    assert whole.samples.to_dict("list") == {
        "sample_id": ["a", "b", "c"],
        "laboratory": ["ICRAF Nairobi", "KSSL", "KSSL"],
    }
    assert whole.axis.tolist() == [602, 604]
    assert whole.spectra.tolist() == [[3, 4], [2, 1], [2, 1]]
    np.testing.assert_array_equal(whole.properties["c_g_kg"], [10, np.nan, 30])
    assert whole.provenance == {"origin": "measured", "source": f"folder {tmp_path.name}"}


@pytest.mark.parametrize(
    ("names", "row", "message"),
    [
        (("sample_id", "600"), ("b", 1.0), "no column c_g_kg, which part-0.parquet has"),
        (("sample_id", "c_g_kg", "602"), ("b", 1.0, 1.0), "no column 600, which part-0.parquet has"),
        (("sample_id", "c_g_kg", "600", "602"), ("b", 1.0, 1.0, 1.0), "column 602, which part-0.parquet has not"),
        (("sample_id", "c_g_kg", "600"), ("b", 1.0, "1"), "column 600 holds no numbers as in part-0.parquet"),
    ],
)
def test_a_partition_that_differs_is_refused_by_file_and_column(tmp_path, names, row, message):
    other_tool(tmp_path / "part-0.parquet", ("sample_id", "c_g_kg", "600"), [("a", 1.0, 1.0)])
    other_tool(tmp_path / "part-1.parquet", names, [row])
    with pytest.raises(TableError, match=message) as caught:
        read_blocks(tmp_path, *MIR)
    assert str(caught.value).startswith(f"{tmp_path / 'part-1.parquet'}: ")


def test_channel_names_that_begin_alike_are_kept_apart(tmp_path):
    other_tool(tmp_path / "table.parquet", ("sample_id", "600", "600.5"), [("a", 1.0, 2.0)])
    assert read_library(tmp_path / "table.parquet", *MIR).spectra.tolist() == [[1, 2]]


# --- what cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "sample_id,600\na,1\nb,x\n", r"not a number: 'x' \(row 3, column 600\)"),
        ("a.csv", "sample_id,c_g_kg,600\na,1,1\nb,<5,1\n", r"not a number: '<5' \(row 3, column c_g_kg\)"),
        ("a.csv", "sample_id,600\na,1\nb,inf\n", r"infinite value in 1 cells \(row 3, column 600\)"),
        ("a.csv", "sample_id,600\na,1\n,2\n", r"sample_id is missing \(row 3\)"),
        ("a.csv", "sample_id,600\na,1\nb,2,3\n", "row 3 has 3 cells but the header 2"),
        ("a.csv", "sample_id,600\na,45\nb,50\n", "absorbance declared, but most values are over 6"),
        ("a.csv", "sample_id,600,604,602\na,1,2,3\n", "axis is not monotonic"),
        ("a.csv", "sample_id,600,600\na,1,2\n", "column 600 stands 2 times"),
        ("a.csv", "sample_id,ph,ph,600\na,1,2,3\n", "column ph stands 2 times"),
        ("a.csv", "name,600\na,1\n", "names no column sample_id"),
        ("a.csv", "sample_id,X600\na,1\n", "no channel; name each channel column"),
        ("a.csv", "sample_id;600\na;1\n", "separated by semicolons"),
        ("a.csv", "", "row 1 is empty"),
        ("a.csv", "sample_id,600\n", "a header.* no sample below it"),
        ("a.csv.gz", "sample_id,600\na,1\n", "broken gzip file"),
        ("a.parquet", "sample_id,600\na,1\n", "not a Parquet file"),
        ("a.txt", "sample_id,600\na,1\n", "unknown kind of file"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_line(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(TableError, match=message) as caught:
        list(read_blocks(path, *MIR))
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_rows_are_counted_through_batches_and_within_a_partition(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_CSV_BYTES", 64)
    path = tmp_path / "table.csv"
    path.write_text("sample_id,c_g_kg,600\n" + "".join(f"s{n},{'?' if n == 30 else n},1\n" for n in range(40)))
    with pytest.raises(TableError, match=r"not a number: '\?' \(row 32, column c_g_kg\)"):
        list(read_blocks(path, *MIR))
    parts = [made(3), made(3, first=3), made(3, first=6)]
    parts[1].spectra[2, 3] = np.inf
    write_partitions(parts, tmp_path / "folder", rows=3)
    blocks = read_blocks(tmp_path / "folder", *MIR, rows=2)
    assert len(next(blocks)) == 2
    with pytest.raises(TableError, match=r"part-00001.parquet: infinite value in 1 cells \(row 4, column 606\)"):
        list(blocks)


def test_a_doubled_name_is_found_across_partitions(tmp_path):
    write_partitions([made(3), made(2, first=3), made(2, first=4)], tmp_path / "folder", rows=3)
    found = r"sample_id is doubled: 's4' \(part-00001.parquet row 3; part-00001.parquet row 4\). Rename one"
    with pytest.raises(TableError, match=found):
        library_index(tmp_path / "folder", *MIR)


def test_a_soil_may_stand_once_for_each_laboratory_that_scanned_it(tmp_path):
    path = tmp_path / "ring.csv"
    path.write_text("sample_id,laboratory,600,602\na,x,1,2\na,y,3,4\n")
    assert check_table(path, *MIR).problems == ()
    assert library_index(path, *MIR).samples["laboratory"].tolist() == ["x", "y"]
    assert library_index(path, *MIR, columns=()).n_samples == 2
    path.write_text("sample_id,laboratory,600,602\na,x,1,2\na,x,3,4\n")
    with pytest.raises(TableError, match=r"sample_id is doubled: 'a' \(ring.csv row 2; ring.csv row 3\)"):
        library_index(path, *MIR)


def test_paths_and_parquet_that_hold_no_library(tmp_path):
    with pytest.raises(TableError, match="gone: no such file or folder"):
        read_blocks(tmp_path / "gone", *MIR)
    with pytest.raises(TableError, match=r"no Parquet file in this folder; give a folder of \*\.parquet"):
        read_blocks(tmp_path, *MIR)
    other_tool(tmp_path / "text.parquet", ("sample_id", "600"), [("a", "1")])
    with pytest.raises(TableError, match="column 600 holds no numbers but string"):
        read_blocks(tmp_path / "text.parquet", *MIR)
    other_tool(tmp_path / "list.parquet", ("sample_id", "notes", "600"), [("a", ["x"], 1.0)])
    with pytest.raises(TableError, match="column notes holds neither numbers nor text but list"):
        read_blocks(tmp_path / "list.parquet", *MIR)
    with pytest.raises(TableError, match="this is a folder; name one of its files"):
        read_table(tmp_path, *MIR)
    write_table(made(), tmp_path / "cut.parquet")
    data = bytearray((tmp_path / "cut.parquet").read_bytes())
    data[4:600] = bytes(596)
    (tmp_path / "cut.parquet").write_bytes(data)
    with pytest.raises(TableError, match="broken Parquet file"):
        list(read_blocks(tmp_path / "cut.parquet", *MIR))
    with pytest.raises(ValueError, match="rows of a block: 0; give at least 1"):
        read_blocks(tmp_path / "text.parquet", *MIR, rows=0)
    with pytest.raises(ValueError, match="axis_unit 'um': give one of nm, cm-1"):
        read_blocks(tmp_path / "text.parquet", "um", "absorbance")


# --- writing ------------------------------------------------------------------------------------------------


def test_a_single_file_is_just_one_partition(tmp_path):
    written = []
    assert write_partitions([made(5), made(2, first=5)], tmp_path / "folder", 3, written.append) == 7
    assert written == [3, 6, 7]
    assert sorted(file.name for file in (tmp_path / "folder").iterdir()) == [
        f"part-0000{number}.parquet" for number in range(3)
    ]
    write_table(made(5).subset([0, 1, 2]), tmp_path / "single.parquet")
    assert (tmp_path / "single.parquet").read_bytes() == (tmp_path / "folder" / "part-00000.parquet").read_bytes()
    assert_same(read_table(tmp_path / "folder" / "part-00002.parquet", *MIR), made(2, first=5).subset([1]))
    # Tools that go by the first file can read the others.
    assert pyarrow.parquet.read_table(tmp_path / "folder").num_rows == 7


def test_whole_numbers_and_empty_columns_may_be_followed_by_others(tmp_path):
    first, second = made(2), made(2, first=2)
    whole_numbers = first.samples.assign(depth_top_cm=[0, 5], site=[None, None])
    write_partitions([replace(first, samples=whole_numbers), second], tmp_path / "folder", rows=2)
    samples = read_library(tmp_path / "folder", *MIR).samples
    assert samples["depth_top_cm"].tolist() == [0, 5, 5, 7.5]
    assert samples["site"].isna().tolist() == [True, True, False, True]
    assert pyarrow.parquet.read_table(tmp_path / "folder")["depth_top_cm"].to_pylist() == [0, 5, 5, 7.5]


def test_row_groups_are_of_a_size_that_streams(tmp_path):
    dataset = made(2)
    many = dataset.subset(np.zeros(plain.ROW_GROUP + 10, dtype=int))
    write_table(many, tmp_path / "table.parquet")
    metadata = pyarrow.parquet.read_metadata(tmp_path / "table.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [4096, 10]
    encodings = {metadata.row_group(0).column(at).encodings for at in range(metadata.num_columns - 4, 8 + 4)}
    assert encodings == {("PLAIN", "RLE")} or encodings == {("RLE", "PLAIN")}


def failing():
    yield made(3)
    raise OSError("disk full")


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([], "no sample to write"),
        ([made(2), made(2).window(600, 603)], "block 1 differs from block 0 in its axis or signal"),
        ([made(2), replace(made(2), signal="reflectance")], "block 1 differs from block 0 in its axis or signal"),
        (
            [made(2), replace(made(2), properties=pd.DataFrame({"c_g_kg": [1, 2]}))],
            "block 1 differs from block 0 in its properties: om_g_kg",
        ),
        (
            [made(2), replace(made(2), samples=made(2).samples.assign(depth_top_cm=["0-20", "x"]))],
            "a column holds numbers in some blocks, text in others",
        ),
        (
            [made(3), replace(made(2), samples=made(2).samples.assign(depth_top_cm=["0-20", "x"]))],
            "a column holds numbers in some blocks, text in others",
        ),
        (failing(), "disk full"),
    ],
)
def test_a_folder_appears_whole_or_not_at_all(tmp_path, blocks, message):
    with pytest.raises((TableError, OSError), match=message) as caught:
        write_partitions(blocks, tmp_path / "folder", rows=3)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_before_anything_is_made(tmp_path):
    def blocks():
        pytest.fail("asked for a block")
        yield

    (tmp_path / "folder").mkdir()
    with pytest.raises(TableError, match="this exists already; name a new folder, or delete it first"):
        write_partitions(blocks(), tmp_path / "folder")
    with pytest.raises(TableError, match=r"there is no folder .*gone; make it first"):
        write_partitions(blocks(), tmp_path / "gone" / "folder")


# --- memory -------------------------------------------------------------------------------------------------

_PEAKS = """
import resource, sys
from spectrakit.tables import read_blocks

for path in sys.argv[1:]:
    rows = sum(len(block) for block in read_blocks(path, "cm-1", "absorbance", rows=512))
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_number_of_partitions(tmp_path):
    generator = np.random.default_rng(0)
    n_rows, axis = 1024, 600.0 + np.arange(500)
    part = SpectralDataset(
        spectra=generator.uniform(0, 2, (n_rows, len(axis))).astype(np.float32),
        axis=axis,
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"c_g_kg": generator.uniform(0, 100, n_rows)}),
        samples=pd.DataFrame({"sample_id": [str(number) for number in range(n_rows)]}),
        provenance={"origin": "measured"},
    )
    write_partitions([part], tmp_path / "part-0")
    for n_parts in (4, 40):
        (tmp_path / str(n_parts)).mkdir()
        for number in range(n_parts):
            shutil.copy(tmp_path / "part-0" / "part-00000.parquet", tmp_path / str(n_parts) / f"part-{number}.parquet")
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS, tmp_path / "4", tmp_path / "40"], capture_output=True, text=True, check=True
    )
    (few, few_mb), (many, many_mb) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert (few, many) == (4_096, 40_960)
    assert many_mb < few_mb + 20  # 36 more partitions are 74 MB of spectra
