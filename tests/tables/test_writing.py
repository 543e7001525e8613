import gzip
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import TableError, read_library, read_table, write_partitions, write_table, writing

MIR = ("cm-1", "absorbance")
ENDINGS = pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])


def made(origin="simulated", **changes):
    parts = {
        "spectra": np.random.default_rng(3).normal(1000, 300, (4, 5)).astype(np.float32),
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


# --- one table --------------------------------------------------------------------------------------------


@ENDINGS
@pytest.mark.parametrize("origin", ["simulated", "measured"])
def test_round_trip_is_exact(tmp_path, same, ending, origin):
    before = made(origin)
    before.spectra[1, 2] = np.nan
    path = tmp_path / f"table{ending}"
    write_table(before, path)
    after = read_table(path, "nm", "counts")
    same(after, before)
    assert after.samples["replicate"].dtype == np.int64
    assert after.provenance["origin"] == origin
    assert after.provenance.get("seed") == (7 if origin == "simulated" else None)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_columns_of_a_written_table(tmp_path):
    write_table(made(axis=np.array([279, 279.016, 279.0323, 280.1, 281])), tmp_path / "table.csv")
    header = (tmp_path / "table.csv").read_text().splitlines()[0]
    assert header == ("sample_id,ca_ppm,ph,lab,replicate,origin,seed,279,279.016,279.0323,280.1,281")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_blocks_and_cores_do_not_change_what_is_read(tmp_path, monkeypatch, ending):
    rows = made().subset([0, 1, 2, 3] * 5)
    paths = [tmp_path / f"{name}{ending}" for name in ("whole", "blocks", "one_core")]
    write_table(rows, paths[0])
    monkeypatch.setattr(writing, "_CSV_ROWS", 3)
    write_table(rows, paths[1])
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    write_table(rows, paths[2])
    assert paths[1].read_bytes() == paths[2].read_bytes()
    assert ending == ".csv" or paths[1].read_bytes()[4:8] == bytes(4)  # the time stamp of gzip
    whole, blocks = (
        path.read_bytes() if ending == ".csv" else gzip.decompress(path.read_bytes()) for path in paths[:2]
    )
    assert whole == blocks and whole.count(b"\n") == 21
    assert pd.read_csv(paths[1]).shape == (20, 12)


@ENDINGS
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, ending):
    path = tmp_path / f"table{ending}"
    write_table(made(), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(made().subset([0]), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_what_cannot_be_written(tmp_path):
    with pytest.raises(TableError, match="unknown kind of file"):
        write_table(made(), tmp_path / "table.txt")
    with pytest.raises(TableError, match="column 500: a number names a channel"):
        write_table(made(properties=pd.DataFrame({"500": [1, 2, 3, 4]})), tmp_path / "table.csv")
    assert list(tmp_path.iterdir()) == []


# --- partitions -------------------------------------------------------------------------------------------


def test_a_single_file_is_just_one_partition(soils, tmp_path):
    folder = tmp_path / "folder"
    assert write_partitions([soils(5), soils(2, first=5)], folder, rows=3) == 7
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f"part-0000{number}.parquet" for number in range(3)]
    write_table(soils(3), tmp_path / "single.parquet")
    assert (tmp_path / "single.parquet").read_bytes() == files[0].read_bytes()
    assert read_table(files[2], *MIR).samples["sample_id"].tolist() == ["s6"]
    # Tools that go by the first file can read the others.
    assert pyarrow.parquet.read_table(folder).num_rows == 7


def test_whole_numbers_and_empty_columns_may_be_followed_by_others(soils, tmp_path):
    first, second = soils(2), soils(2, first=2)
    whole_numbers = first.samples.assign(depth_top_cm=[0, 5], site=[None, None])
    write_partitions([replace(first, samples=whole_numbers), second], tmp_path / "folder", rows=2)
    samples = read_library(tmp_path / "folder", *MIR).samples
    assert samples["depth_top_cm"].tolist() == [0, 5, 5, 7.5]
    assert samples["site"].isna().tolist() == [True, True, False, True]
    assert pyarrow.parquet.read_table(tmp_path / "folder")["depth_top_cm"].to_pylist() == [0, 5, 5, 7.5]


def test_row_groups_are_of_a_size_that_streams(soils, tmp_path):
    many = soils(2).subset(np.zeros(writing.ROW_GROUP + 10, dtype=int))
    write_table(many, tmp_path / "table.parquet")
    metadata = pyarrow.parquet.read_metadata(tmp_path / "table.parquet")
    assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == [4096, 10]
    encodings = {metadata.row_group(0).column(at).encodings for at in range(metadata.num_columns - 4, 8 + 4)}
    assert encodings == {("PLAIN", "RLE")} or encodings == {("RLE", "PLAIN")}


def with_text(dataset):
    return replace(dataset, samples=dataset.samples.assign(depth_top_cm=["0-20", "x"]))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (lambda soils: soils.window(600, 603), "block 1 differs from block 0 in its axis or signal"),
        (lambda soils: replace(soils, signal="reflectance"), "block 1 differs from block 0 in its axis or signal"),
        (
            lambda soils: replace(soils, properties=soils.properties[["c_g_kg"]]),
            "block 1 differs from block 0 in its properties: om_g_kg",
        ),
        (with_text, "a column holds numbers in some blocks, text in others"),
        (None, "disk full"),
    ],
)
@pytest.mark.parametrize("n_first", [2, 3])
def test_a_folder_appears_whole_or_not_at_all(soils, tmp_path, n_first, second, message):
    def blocks():
        yield soils(n_first)
        if second is None:
            raise OSError("disk full")
        yield second(soils(2))

    with pytest.raises((TableError, OSError), match=message) as caught:
        write_partitions(blocks(), tmp_path / "folder", rows=3)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_new_folder_or_no_sample_is_refused(tmp_path):
    def blocks():
        pytest.fail("asked for a block")
        yield

    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="this exists already; name a new folder, or delete it first"):
        write_partitions(blocks(), tmp_path / "folder")
    with pytest.raises(ValueError, match=r"there is no folder .*gone; make it first"):
        write_partitions(blocks(), tmp_path / "gone" / "folder")
    with pytest.raises(TableError, match="no sample to write"):
        write_partitions([], tmp_path / "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
