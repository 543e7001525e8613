import numpy as np
import pandas as pd
import pytest

from spectrakit.contents import not_measured
from spectrakit.tables import check_table, library_index, read_blocks, read_library, read_table, write_table

PERCENT = ("nm", "percent-reflectance")


@pytest.mark.parametrize(
    ("name", "values", "codes", "impossible"),
    [
        ("ph", [2.4, 0, -9999, 14.5, 999, 7], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]),
        ("clay_pct", [0, 100, 999, -99, -1, 150], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]),
        ("pb_mg_kg", [999, 9999, -999, -1.23e34, 1e30, 0], [0, 0, 1, 1, 1, 0], [0] * 6),
        ("c_g_kg", [999, 9999, -32768, 1200, -99.99, 580], [0, 1, 1, 0, 1, 0], [0, 0, 0, 1, 0, 0]),
        ("lg_c", [-1.5, -99, 999, 1e30, -27.3, 0], [0, 1, 0, 1, 0, 0], [0] * 6),
    ],
)
def test_what_stands_for_not_measured(name, values, codes, impossible):
    for kind in (float, np.float32):
        given = np.array(values, kind)
        masks = not_measured(given, given, name)
        assert [mask.astype(int).tolist() for mask in masks] == [codes, impossible]


def soils(n=60, **columns):
    generator = np.random.default_rng(3)
    level = generator.uniform(20, 40, (n, 1))
    spectra = pd.DataFrame(level + np.linspace(0, 10, 30), columns=[f"{nm:g}" for nm in np.linspace(400, 850, 30)])
    table = pd.DataFrame({"sample_id": [f"s{i}x" for i in range(n)], "ph": generator.uniform(4, 8, n)})
    return pd.concat([table.assign(**columns), spectra], axis=1)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("code", [-9999, -1.23e34, 999, 0])
def test_codes_are_not_measured_whatever_the_reader(tmp_path, ending, code):
    table, path = soils(), tmp_path / f"table.{ending}"
    table.loc[[3, 17], "ph"] = code
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    whole = read_table(path, *PERCENT)
    expected = table["ph"].mask(table.index.isin([3, 17])).to_numpy()
    np.testing.assert_array_equal(whole.properties["ph"], expected)
    assert whole.notes[0].startswith(
        f"warning: 2 cells of ph with a code ({code:g}), read as not measured (row 5, column"
    )
    index, library = library_index(path, *PERCENT), read_library(path, *PERCENT)
    assert index.notes == whole.notes == library.notes and index.properties.equals(whole.properties)
    blocks = pd.concat([block.properties for block in read_blocks(path, *PERCENT, rows=7)], ignore_index=True)
    assert blocks.equals(whole.properties)
    assert check_table(path, *PERCENT).properties["ph"][0] == 58


@pytest.mark.parametrize(
    "read", [read_table, read_library, library_index, lambda *given: list(read_blocks(*given))[-1]]
)
def test_impossible_contents_are_left_out_while_they_are_few(tmp_path, refused, read):
    table, path = soils(oc_pct=1.0), tmp_path / "table.csv"
    table.loc[:2, "oc_pct"] = 150
    table.to_csv(path, index=False)
    assert np.isnan(read(path, *PERCENT).properties["oc_pct"][:3]).all()
    (few,) = check_table(path, *PERCENT).problems
    assert (few.severity, few.remedy[-29:]) == ("warning", "the unit in the name is wrong")
    assert few.message == "3 contents of oc_pct outside 0 to 100 % (150), read as not measured"
    table.loc[3, "oc_pct"] = 150
    table.to_csv(path, index=False)
    assert not check_table(path, *PERCENT).usable
    refused(path, "4 contents of oc_pct outside 0 to 100 %", read, path, *PERCENT)


def test_one_harmful_cell_of_a_quarter_million_is_seen(tmp_path):
    table = soils(9000)
    table.iloc[321, 9] = 1e6
    table.to_parquet(tmp_path / "table.parquet")
    dataset = read_table(tmp_path / "table.parquet", *PERCENT)
    assert np.argwhere(np.isnan(dataset.spectra)).tolist() == [[321, 7]]
    message = "warning: 1 cell in 1 of 9,000 samples impossible for the signal, read as not measured (row 323, column"
    assert dataset.notes[0].startswith(message)


def test_simulated_and_written_tables_have_nothing_to_note(tmp_path):
    from spectrakit.simulate.library import simulate_mir
    from spectrakit.simulate.soils import simulate_gejiu

    for dataset, name in ((simulate_gejiu(60), "gejiu.parquet"), (simulate_mir(300), "mir.parquet")):
        write_table(dataset, tmp_path / name)
        again = read_library(tmp_path / name, dataset.axis_unit, dataset.signal)
        assert again.notes == () and np.array_equal(again.spectra, dataset.spectra, equal_nan=True)
        assert again.properties.equals(dataset.properties)


@pytest.mark.parametrize("form", ["{}_{}", "{}-{}", "{} rep{}", "{}.0{}", "{}{}"])
def test_names_that_differ_by_a_counter_are_noticed(tmp_path, form):
    table, path = soils(40), tmp_path / "table.csv"
    scans = pd.concat([table.assign(sample_id=[form.format(f"soil{i}x", at) for i in range(40)]) for at in (1, 2)])
    scans[scans.columns[2:]] *= np.random.default_rng(1).normal(1, 0.002, (80, 1))
    scans.to_csv(path, index=False)
    for notes in (read_table(path, *PERCENT).notes, [f"warning: {p}" for p in check_table(path, *PERCENT).problems]):
        assert notes[0].startswith("warning: names differ by a counter alone while spectra nearly agree")
    scans.assign(group=np.tile(np.arange(40), 2)).to_csv(path, index=False)
    assert read_table(path, *PERCENT).notes == ()
    scans.assign(ph=np.arange(80) / 20 + 4).to_csv(path, index=False)
    assert read_table(path, *PERCENT).notes == ()
