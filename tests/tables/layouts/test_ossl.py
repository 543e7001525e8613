import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from spectrakit.contents import split_unit
from spectrakit.tables import check_table, library_index, read_blocks, read_library, read_table
from spectrakit.tables.layouts.ossl import PROPERTIES, ossl_columns

MIR = [f"scan_mir.{value}_abs" for value in (600, 602, 604, 606)]
VISNIR = [f"scan_visnir.{value}_ref" for value in (350, 352, 354)]
# As in the release: sites and chemistry first, NA for what is not known, one row a layer, spectra of either kind.
HEADER = (
    *("dataset.code_ascii_txt", "id.layer_uuid_txt", "id.layer_local_c", "id.project_ascii_txt"),
    *("location.country_iso.3166_txt", "longitude.point_wgs84_dd", "latitude.point_wgs84_dd"),
    *("layer.upper.depth_usda_cm", "layer.lower.depth_usda_cm", "layer.texture_usda_txt"),
    *("oc_usda.c729_w.pct", "c.tot_usda.a622_w.pct", "ph.h2o_usda.a268_index", "clay.tot_usda.a334_w.pct"),
    *("caco3_usda.a54_w.pct", "fe.ox_usda.a60_w.pct", "ca.ext_usda.a722_cmolc.kg", "awc.33.1500kPa_usda.c80_w.frac"),
    *("ph.cacl2_iso.10390_index", "scan.mir.model.name_utf8_txt", *VISNIR, *MIR),
)
ROWS = (
    (
        *("KSSL.SSL", "u1", "l1", "NA", "USA", -96.5, 40.25, 0, 7.5, "loam", 1.25, 2.5, 6.1, 20, 0.5, 0.3, 12.5, 0.086),
        *("NA", "Bruker Vertex 70", 0.1, 0.2, 0.3, 1.1, 1.2, 1.3, 1.4),
    ),
    (
        *("LUCAS.SSL", "u2", "l2", "LUCAS 2009", "NA", "NA", "NA", 0, 20, "NA", "NA", "NA", 7.2, "NA", 12, "NA", "NA"),
        *("NA", 7.1, "NA", "NA", 0.25, 0.35, "NA", "NA", "NA", "NA"),
    ),
    (
        *("KSSL.SSL", "u3", "l3", "NA", "USA", -97, 41, 20, 40, "clay", 0.5, "NA", "NA", 55, "NA", "NA", "NA", "NA"),
        *("NA", "Bruker Vertex 70", "NA", "NA", "NA", 2.1, "NA", 2.3, 2.4),
    ),
)


def text(header=HEADER, rows=ROWS):
    return "\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n"


@pytest.fixture(params=[".csv", ".csv.gz", ".parquet"])
def ossl(tmp_path, request):
    """The same three layers as CSV, compressed CSV and Parquet."""
    path = tmp_path / f"ossl_all_L1{request.param}"
    if request.param == ".parquet":
        frame = pd.DataFrame([[None if cell == "NA" else cell for cell in row] for row in ROWS], columns=HEADER)
        pyarrow.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    else:
        data = text().encode()
        path.write_bytes(gzip.compress(data, mtime=0) if request.param == ".csv.gz" else data)
    return path


def test_the_mid_infrared_of_a_library_that_holds_both(ossl):
    dataset = read_library(ossl, "cm-1", "absorbance")
    assert (dataset.axis.tolist(), dataset.axis_unit, dataset.signal) == ([600, 602, 604, 606], "cm-1", "absorbance")
    np.testing.assert_array_equal(dataset.spectra, np.float32([[1.1, 1.2, 1.3, 1.4], [2.1, np.nan, 2.3, 2.4]]))
    np.testing.assert_equal(
        dataset.properties.to_dict("list"),
        {
            "oc_g_kg": [12.5, 5],
            "c_g_kg": [25, np.nan],
            "ph": [6.1, np.nan],
            "clay_pct": [20, 55],
            "caco3_pct": [0.5, np.nan],
            "fe_ox_usda_a60_pct": [0.3, np.nan],
            "ca_ext_usda_a722_cmol_kg": [12.5, np.nan],
            "awc_33_1500kpa_usda_c80_pct": [8.6, np.nan],
            "ph_cacl2_iso_10390_ph": [np.nan, np.nan],
        },
    )
    assert all(split_unit(name)[1] for name in dataset.properties)
    samples = dataset.samples
    assert samples["sample_id"].tolist() == ["u1", "u3"]
    assert samples["laboratory"].tolist() == ["KSSL.SSL", "KSSL.SSL"]
    assert samples["instrument"].tolist() == ["Bruker Vertex 70"] * 2
    assert samples["country"].tolist() == ["USA", "USA"] and samples["project"].isna().all()
    numbers = samples[["depth_top_cm", "depth_bottom_cm", "latitude", "longitude"]].to_numpy(dtype=float)
    assert numbers.tolist() == [[0, 7.5, 40.25, -96.5], [20, 40, 41, -97]]
    assert dataset.provenance == {
        "origin": "measured",
        "source": f"file {ossl.name}",
        "samples without a spectrum": 1,
    }


def test_the_vis_nir_of_the_same_library_is_a_fraction(ossl):
    dataset = read_library(ossl, "nm", "reflectance")
    assert dataset.axis.tolist() == [350, 352, 354]
    np.testing.assert_array_equal(dataset.spectra, np.float32([[0.1, 0.2, 0.3], [np.nan, 0.25, 0.35]]))
    assert dataset.samples["sample_id"].tolist() == ["u1", "u2"]
    assert dataset.properties["ph"].tolist() == [6.1, 7.2]
    assert "instrument" not in dataset.samples  # that of the mid-infrared


def test_blocks_and_index_keep_every_row(ossl):
    blocks = list(read_blocks(ossl, "cm-1", "absorbance", rows=2, columns=("c_g_kg", "country")))
    assert [block.samples["sample_id"].tolist() for block in blocks] == [["u1", "u2"], ["u3"]]
    assert np.isnan(blocks[0].spectra).all(axis=1).tolist() == [False, True]
    assert [*blocks[0].properties] == ["c_g_kg"] and [*blocks[0].samples] == ["sample_id", "laboratory", "country"]
    index = library_index(ossl, "cm-1", "absorbance")
    assert index.samples["sample_id"].tolist() == ["u1", "u2", "u3"]
    np.testing.assert_array_equal(index.properties["oc_g_kg"], [12.5, np.nan, 5])


def test_a_folder_of_partitions_in_the_layout(tmp_path):
    names = ["id.layer_uuid_txt", "c.tot_usda.a622_w.pct", *MIR]
    for code, number in (("KSSL.SSL", 2), ("KSSL.SSL", 10), ("AFSIS1.SSL", 1)):
        folder = tmp_path / f"dataset.code_ascii_txt={code}"
        folder.mkdir(exist_ok=True)
        values = [[f"u{number}"], [number / 10], *([number / 100 + channel] for channel in range(4))]
        pyarrow.parquet.write_table(pa.table(dict(zip(names, values, strict=True))), folder / f"part-{number}.parquet")
    dataset = read_library(tmp_path, "cm-1", "absorbance")
    assert dataset.samples.to_dict("list") == {
        "sample_id": ["u1", "u2", "u10"],
        "laboratory": ["AFSIS1.SSL", "KSSL.SSL", "KSSL.SSL"],
    }
    assert dataset.properties["c_g_kg"].tolist() == [1, 2, 10]
    np.testing.assert_array_equal(dataset.spectra[:, 3], np.float32([3.01, 3.02, 3.1]))


def test_an_early_release_gives_per_cent(write, refused):
    path = write("id.layer_local_c,scan_visnir.350_pcnt,scan_visnir.352_pcnt\na,8.7,8.3\n")
    dataset = read_library(path, "nm", "percent-reflectance")
    assert dataset.signal == "reflectance"
    np.testing.assert_array_equal(dataset.spectra, np.float32([[0.087, 0.083]]))
    assert dataset.samples["sample_id"].tolist() == ["a"]
    refused(
        path,
        "scans in nm are percent-reflectance in the OSSL, not reflectance",
        read_library,
        path,
        "nm",
        "reflectance",
    )


def test_the_descriptions_of_the_manual_are_in_the_map():
    columns = ossl_columns("x", ["id.layer_uuid_txt", *PROPERTIES, *MIR], "cm-1", "absorbance")
    assert {name: column for name, column in columns.items() if name.endswith("_g_kg")} == {
        "c_g_kg": ("c.tot_usda.a622_w.pct", 10),
        "oc_g_kg": ("oc_usda.c729_w.pct", 10),
        "n_g_kg": ("n.tot_usda.a623_w.pct", 10),
        "s_g_kg": ("s.tot_usda.a624_w.pct", 10),
    }
    assert all(split_unit(name)[1] for name, _ in PROPERTIES.values())


@pytest.mark.parametrize(
    ("header", "arguments", "message"),
    [
        (MIR, ("cm-1", "absorbance"), "row 1 names no column id.layer_uuid_txt or id.layer_local_c"),
        (
            ["id.layer_uuid_txt", *MIR],
            ("nm", "reflectance"),
            r"no scan in nm, .*scan_visnir.350_ref; declare the other axis",
        ),
        (["id.layer_uuid_txt", *MIR], ("cm-1", "reflectance"), "are absorbance in the OSSL, not reflectance"),
        (["id.layer_uuid_txt", "scan_mir.6OO_abs"], ("cm-1", "absorbance"), "column scan_mir.6OO_abs"),
        (["id.layer_uuid_txt", MIR[1], MIR[0], MIR[2]], ("cm-1", "absorbance"), "channel out of order"),
    ],
)
def test_what_is_no_ossl_table_says_so_in_one_line(write, refused, header, arguments, message):
    path = write(text(header, [["1"] * len(header)]))
    refused(path, message, read_library, path, *arguments)


def test_a_cell_that_is_no_number_is_named_as_the_file_names_it(write, refused):
    path = write(f"id.layer_uuid_txt,oc_usda.c729_w.pct,{MIR[0]}\na,1,1\nb,<2,1\n")
    message = r"not a number: '<2' \(row 3, column oc_usda.c729_w.pct\)"
    refused(path, message, read_library, path, "cm-1", "absorbance")


@pytest.mark.parametrize("signal", ["absorbance", "reflectance"])
def test_the_reader_of_plain_tables_knows_the_layout(write, refused, signal):
    path = write(text())
    message = "laid out as the OSSL, where a plain table is needed; check, harmonise"
    refused(path, message, read_table, path, "cm-1", signal)


# --- the sample files of the OSSL: sample_id and bare channels --------------------------------------------


@pytest.mark.parametrize(
    ("name", "arguments", "n_channels", "ends", "first"),
    [
        ("sample_mir_data", ("cm-1", "absorbance"), 1765, (599.7661, 4001.656), (None, 0.4108373)),
        ("sample_visnir_data", ("nm", "reflectance"), 2151, (350, 2500), (0.0855113771723862, None)),
    ],
)
def test_the_sample_files_are_plain_tables(shared, name, arguments, n_channels, ends, first):
    path = shared / "real" / "ossl" / f"{name}.csv"
    dataset = read_library(path, *arguments)
    assert dataset.spectra.shape == (20, n_channels)
    assert (dataset.axis[0], dataset.axis[-1]) == ends
    assert dataset.samples["sample_id"].tolist() == [str(number) for number in range(1, 21)]
    for value, pinned in zip(dataset.spectra[0, [0, -1]], first, strict=True):
        assert pinned is None or value == np.float32(pinned)


def test_near_infrared_of_handheld_spectrometers(tmp_path, refused):
    # The columns of neospectra_nir_v1.2, of which the soil table, joined by id.sample_local_c, has the contents.
    path = tmp_path / "neospectra.csv"
    path.write_text(
        "id.sample_local_c,id.scan_local_c,scan.lab_utf8_txt,scan.nir.date.begin_iso.8601_yyyy.mm.dd,"
        "scan.nir.model.name_utf8_txt,scan.nir.model.serialnumber_utf8_int,scan.nir.accessory.used_utf8_txt,"
        "oc_usda.c729_w.pct,scan_nir.1350_ref,scan_nir.1352_ref\n"
        "10,10_1,Woodwell,2021-01-01,Neospectra 1,1200,glass,1.5,0.25,0.5\n"
        "10,10_2,Woodwell,2021-01-01,Neospectra 2,1201,glass,1.5,0.75,0.5\n"
        "20,20_1,KSSL,2021-01-01,Neospectra 2,1201,glass,NA,0.75,0.25\n"
    )
    dataset = read_library(path, "nm", "reflectance")
    assert dataset.axis.tolist() == [1350, 1352]
    assert dataset.spectra.tolist() == [[0.25, 0.5], [0.75, 0.5], [0.75, 0.25]]
    assert dataset.samples.astype(str).to_dict("list") == {
        "sample_id": ["10", "10", "20"],
        "laboratory": ["Woodwell", "Woodwell", "KSSL"],
        "instrument": ["Neospectra 1", "Neospectra 2", "Neospectra 2"],
    }
    np.testing.assert_array_equal(dataset.properties["oc_g_kg"], [15, 15, np.nan])
    assert check_table(path, "nm", "reflectance").usable
    refused(path, "the scans in nm are reflectance in the OSSL, not absorbance", read_library, path, "nm", "absorbance")
