import gzip

import numpy as np
import pytest

from spectrakit.contents import split_unit
from spectrakit.tables import cells, read_gejiu, read_lucas

LUCAS_NM = [f"{nm:g}" for nm in np.arange(400, 2500, 0.5)]
ASD_NM = [str(nm) for nm in range(350, 2501)]
# Absorbance falls evenly from the blue to the infrared; the second scan of a sample lies a little higher.
FALLING = np.linspace(0.9, 0.3, 4200).round(6)
PROPERTIES = "POINT_ID,sample_ID,coarse,clay,silt,sand,pH_in_H2O,pH_in_CaCl2,OC,CaCO3,N,P,K,CEC,GPS_LAT,GPS_LONG\n"


TABLE = "LUCAS_TOPSOIL_v1.csv"


def changed(path, *pieces):
    """A file in which pieces of text are replaced, each once by the next."""
    text = path.read_text()
    for old, new in zip(pieces[::2], pieces[1::2], strict=True):
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


def row(*cells):
    return ",".join(map(str, cells)) + "\n"


def spectra_file(path, *scans, ids="source,SampleID,SampleN", prefix="spc."):
    """A file of one country: `scans` are (cells before the channels, absorbance or reflectance)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = row(ids, *(prefix + nm for nm in LUCAS_NM))
    path.write_text(header + "".join(row(*cells, *values) for cells, values in scans))
    return path


@pytest.fixture
def lucas(tmp_path):
    """Two countries and the properties beside them: 1 is scanned twice, 3 has no properties, 9 no spectrum."""
    spectra_file(
        tmp_path / "spectra" / "spectra_AT.csv",
        (("LUCAS", 1, "a"), FALLING),
        (("LUCAS", 2, "b"), FALLING + 0.1),
        (("LUCAS", 1, "c"), FALLING + 0.2),
    )
    spectra_file(tmp_path / "spectra" / "spectra_BE.csv", (("LUCAS", 3, "d"), FALLING), (("LUCAS", 4, "e"), FALLING))
    (tmp_path / "LUCAS_TOPSOIL_v1.csv").write_text(
        PROPERTIES
        + row(44001, 4, 5, 20, 30, 50, 6.1, 5.4, 12.5, 3, 1.1, 20.5, 150, 14.2, 50.5, 4.5)
        + row(44002, 1, 8, 40, 35, 25, 7.9, 7.3, 25, 120, 2.1, "<10", 300, 30.5, 48.1, 16.3)
        + row(44003, 9, 1, 10, 10, 80, 4.5, 3.9, 8, 0, 0.5, 12, 60, 4.1, 48.2, 15.9)
        + row(44004, 2, -999, 15, 25, 60, 5.2, "", 60.1, 0, 3, 33, 99, 9.9, 47.5, 15.1)
    )
    return tmp_path


# --- LUCAS ----------------------------------------------------------------------------------------------


def test_lucas_becomes_reflectance_at_1_nm_with_properties_in_units(lucas):
    dataset = read_lucas(lucas)
    assert (dataset.spectra.shape, dataset.axis_unit, dataset.signal) == ((3, 2100), "nm", "reflectance")
    assert (dataset.axis[0], dataset.axis[-1], np.ptp(np.diff(dataset.axis))) == (400, 2499, 0)
    assert dataset.samples.to_dict("list") == {
        "sample_id": ["1", "2", "4"],
        "latitude": [48.1, 47.5, 50.5],
        "longitude": [16.3, 15.1, 4.5],
        "country": ["AT", "AT", "BE"],
    }
    np.testing.assert_equal(
        dataset.properties.to_dict("list"),
        {
            "coarse_pct": [8, np.nan, 5],
            "clay_pct": [40, 15, 20],
            "silt_pct": [35, 25, 30],
            "sand_pct": [25, 60, 50],
            "ph": [7.9, 5.2, 6.1],
            "cacl2_ph": [7.3, np.nan, 5.4],
            "oc_g_kg": [25, 60.1, 12.5],
            "caco3_g_kg": [120, 0, 3],
            "n_g_kg": [2.1, 3, 1.1],
            "p_mg_kg": [np.nan, 33, 20.5],
            "k_mg_kg": [300, 99, 150],
            "cec_cmol_kg": [30.5, 9.9, 14.2],
        },
    )
    assert all(split_unit(name)[1] for name in dataset.properties)


def test_a_channel_is_the_mean_reflectance_of_its_two_readings(lucas):
    spectra = read_lucas(lucas).spectra
    # 400 and 400.5 nm of sample 4, by hand; then every channel of sample 2.
    assert spectra[2, 0] == pytest.approx((10**-0.9 + 10**-0.899857) / 2, rel=1e-6)
    expected = (10 ** -(FALLING + 0.1)).reshape(2100, 2).mean(axis=1)
    np.testing.assert_allclose(spectra[1], expected, rtol=2e-6)


def test_scans_of_a_sample_are_averaged_as_reflectance(lucas):
    expected = (10**-FALLING + 10 ** -(FALLING + 0.2)).reshape(2100, 2).mean(axis=1) / 2
    np.testing.assert_allclose(read_lucas(lucas).spectra[0], expected, rtol=2e-6)


def test_lucas_provenance_counts_what_was_left_out(lucas):
    assert read_lucas(lucas).provenance == {
        "origin": "measured",
        "source": "LUCAS 2009 topsoil, 2 files of spectra",
        "pH in": "h2o",
        "contents not measured or below a limit": 2,
        "scans averaged into another of their sample": 1,
        "samples without properties": 1,
        "samples without a spectrum": 1,
    }


def test_the_caller_chooses_the_ph(lucas):
    properties = read_lucas(lucas, ph="cacl2").properties
    np.testing.assert_array_equal(properties["ph"], [7.3, np.nan, 5.4])
    np.testing.assert_array_equal(properties["h2o_ph"], [7.9, 5.2, 6.1])
    with pytest.raises(ValueError, match="ph 'kcl': give one of h2o, cacl2"):
        read_lucas(lucas, ph="kcl")


@pytest.mark.parametrize("prefix", ["spc.", "", "X"])
def test_one_file_that_holds_spectra_and_properties_as_r_writes_it(tmp_path, prefix):
    spectra_file(
        tmp_path / "LUCAS.SOIL_corr.csv",
        (("1", 7, 44001, 6.2, 5.5, 11, "ES", "es", 40.1), FALLING),
        (("2", 8, 44002, 6.4, 5.6, 12, "FR", "fr", 45.1), FALLING),
        ids='"",sample.ID,POINT_ID,pH.in.H2O,pH.in.CaCl2,OC,iso.country,NUTS_0,GPS_LAT',
        prefix=prefix,
    )
    dataset = read_lucas(tmp_path)
    assert dataset.samples.to_dict("list") == {
        "sample_id": ["44001", "44002"],
        "country": ["ES", "FR"],
        "latitude": [40.1, 45.1],
    }
    assert dataset.properties.to_dict("list") == {"ph": [6.2, 6.4], "cacl2_ph": [5.5, 5.6], "oc_g_kg": [11, 12]}


def test_point_ids_are_preferred_and_may_be_written_as_decimals(tmp_path):
    ids = "source,SampleID,PointID,NUTS_0,SampleN"
    spectra_file(tmp_path / "spectra_LU.csv", (("L", 5, "44001.0", "LU", 1), FALLING), ids=ids, prefix="")
    (tmp_path / "topsoil.csv").write_text("Point_ID,sample_ID,pH(H2O),pH(CaCl2)\n44001,99,6,5\n44009,5,8,7\n")
    dataset = read_lucas(tmp_path)
    assert dataset.samples.to_dict("list") == {"sample_id": ["44001"], "country": ["LU"]}
    assert dataset.properties["ph"].tolist() == [6]


def test_properties_that_stand_twice_serve_only_where_they_agree(lucas):
    with (lucas / "LUCAS_TOPSOIL_v1.csv").open("a") as table:
        table.write(row(44002, 1, 8, 40, 35, 25, 7.9, 7.3, 25, 120, 2.1, "<10", 300, 30.5, 48.1, 16.3))
        table.write(row(44004, 2, -999, 15, 25, 60, 6.2, "", 60.1, 0, 3, 33, 99, 9.9, 47.5, 15.1))
    dataset = read_lucas(lucas)
    assert dataset.samples["sample_id"].tolist() == ["1", "4"]
    assert dataset.provenance["samples with contradicting properties"] == 1
    assert dataset.provenance["samples without properties"] == 2


def test_a_scan_with_an_empty_channel_is_left_out_and_counted(lucas):
    gap = FALLING.astype(object)
    gap[10] = ""
    spectra_file(
        lucas / "spectra" / "spectra_BE.csv", (("L", 4, "d"), gap), (("L", 4, "e"), FALLING), (("L", 2, "f"), gap)
    )
    dataset = read_lucas(lucas)
    assert dataset.provenance["scans with an empty channel"] == 2
    np.testing.assert_allclose(dataset.spectra[2], (10**-FALLING).reshape(2100, 2).mean(axis=1), rtol=2e-6)


def test_the_release_of_2015_says_so_and_a_ph_of_0_is_not_measured(lucas):
    changed(lucas / TABLE, ",6.1,5.4,", ",0,5.4,").rename(lucas / "LUCAS_Topsoil_2015_20200323.csv")
    dataset = read_lucas(lucas)
    assert dataset.provenance["source"] == "LUCAS 2015 topsoil, 2 files of spectra"
    assert dataset.properties["ph"].isna().tolist() == [False, False, True]
    assert any("1 cell of h2o_ph with a code (0), read as not measured" in note for note in dataset.notes)


def test_foreign_and_hidden_files_beside_a_release_are_named(lucas):
    before = read_lucas(lucas)
    (lucas / "notes.csv").write_text("date,who\n2024-05-01,me\n")
    (lucas / "rain.csv").write_text("year,2018,2019\nrain,5,6\n")
    (lucas / "spectra" / "._spectra_AT.csv").write_bytes(b"\0\5\x16\7Mac OS X")
    after = read_lucas(lucas)
    np.testing.assert_array_equal(after.spectra, before.spectra)
    (note,) = [note for note in after.notes if note.startswith("left out of the folder")]
    assert "notes.csv" in note and "rain.csv" in note and "spectra/._spectra_AT.csv" in note


def test_gzip_blank_lines_and_byte_order_mark_are_no_problem(lucas):
    path = lucas / "spectra" / "spectra_AT.csv"
    before = read_lucas(lucas)
    data = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n"
    path.with_suffix(".csv.gz").write_bytes(gzip.compress(data))
    path.unlink()
    after = read_lucas(lucas)
    np.testing.assert_array_equal(after.spectra, before.spectra)
    assert after.samples.equals(before.samples)


def test_blocks_do_not_change_the_result(lucas, monkeypatch):
    whole = read_lucas(lucas)
    monkeypatch.setattr(cells, "_CSV_BYTES", 60_000)  # one scan and a half
    np.testing.assert_array_equal(read_lucas(lucas).spectra, whole.spectra)


def test_a_broken_gzip_file_is_named(lucas, refused):
    path = lucas / "spectra" / "spectra_AT.csv.gz"
    path.write_bytes(gzip.compress((lucas / "spectra" / "spectra_BE.csv").read_bytes())[:-2000])
    refused(path, "broken gzip file", read_lucas, lucas)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("spectra/spectra_AT.csv", ("LUCAS,2,b,1.0,", "LUCAS,2,b,oops,"), r"number: 'oops' \(row 3, column spc.400\)"),
        ("spectra/spectra_AT.csv", ("LUCAS,2,b,1.0,", "LUCAS,2,b,"), "the header has 4203 cells but row 3 has 4202"),
        ("spectra/spectra_AT.csv", ("LUCAS,2,b", "LUCAS,,b"), r"sample_id is missing \(row 3\)"),
        ("spectra/spectra_AT.csv", ("spc.400.5,", "spc.400.7,"), "1 of 4,200 channels are missing, first 400.5 nm"),
        ("spectra/spectra_AT.csv", ("spc.401,", "spc.400.5,"), "channel spc.400.5 stands twice; delete one"),
        (
            *(TABLE, (",7.9,", ',"7,9",')),
            r"column \d+ has decimal commas and decimal points, '7,9' in row 3 and '\d.\d' in row \d",
        ),
        (TABLE, ("N,P", "N,pH (H2O)"), r"columns pH_in_H2O and pH \(H2O\) hold the same property"),
        (TABLE, ("44002,1", "44002,"), r"sample_id is missing \(row 3\)"),
    ],
)
def test_what_is_wrong_with_lucas_is_said_in_one_line(lucas, refused, file, change, message):
    refused(changed(lucas / file, *change), message, read_lucas, lucas)


@pytest.mark.parametrize(
    ("ph", "change", "message"),
    [
        (
            *("h2o", ("44001,4", "44001,x", "2,1,", "2,y,", "4,2,", "4,z,")),
            "no sample has both .*the first are '1' among the spectra and 'x' among",
        ),
        ("cacl2", ("pH_in_CaCl2", "other"), "no column of pH in cacl2; choose the other of h2o, cacl2"),
        (
            *("h2o", ("sample_ID", "number")),
            r"different columns \(LUCAS_TOPSOIL_v1.csv has POINT_ID; spectra_AT.csv has",
        ),
        (
            *("h2o", ("pH_in_H2O", "other", "pH_in_CaCl2", "more")),
            r"no CSV table with h2o_ph or cacl2_ph.*; save soils.xls as CSV",
        ),
    ],
)
def test_what_does_not_fit_the_spectra_is_said_in_one_line(lucas, refused, ph, change, message):
    (lucas / "soils.xls").write_bytes(b"")
    changed(lucas / TABLE, *change)
    refused(lucas, message, read_lucas, lucas, ph)


def test_reflectance_in_place_of_absorbance_is_refused(lucas, refused):
    path = spectra_file(lucas / "spectra" / "spectra_BE.csv", (("LUCAS", 4, "e"), 10**-FALLING))
    refused(path, "the values rise from 450 to 1700 nm as reflectance does", read_lucas, lucas)


def test_a_folder_without_what_is_needed_says_what_is_missing(lucas, refused):
    refused(lucas / "gone", "no such file or folder", read_lucas, lucas / "gone")
    refused(lucas / TABLE, "no CSV table with channels 400 to 2499.5 nm", read_lucas, lucas / TABLE)


# --- Gejiu ----------------------------------------------------------------------------------------------

RISING = np.linspace(0.05, 0.45, 2151).round(6)


def gejiu_file(path, *scans, columns="sample_id", prefix="", scale=1):
    header = row(columns, *(prefix + nm for nm in ASD_NM))
    path.write_text(header + "".join(row(*cells, *(scale * values)) for cells, values in scans))
    return path


def test_gejiu_is_cut_to_2100_channels_and_its_scans_averaged(tmp_path):
    scans = [(("G1", 232.5), RISING + 0.01 * scan) for scan in range(5)]
    path = gejiu_file(tmp_path / "gejiu.csv", *scans, (("G2", 9720), RISING), columns="sample_id,Pb (mg/kg)")
    dataset = read_gejiu(path)
    assert (dataset.spectra.shape, dataset.signal) == ((2, 2100), "reflectance")
    np.testing.assert_allclose(dataset.spectra, [RISING[50:-1] + 0.02, RISING[50:-1]], rtol=1e-6)
    assert dataset.properties.to_dict("list") == {"pb_mg_kg": [232.5, 9720]}
    assert dataset.samples["sample_id"].tolist() == ["G1", "G2"]
    assert dataset.provenance["source"] == "Gejiu, 1 file of spectra"
    assert dataset.provenance["scans averaged into another of their sample"] == 4


def test_the_steps_between_detectors_stay(tmp_path):
    stepped = RISING + 0.02 * (np.arange(350, 2501) > 1000)
    spectrum = read_gejiu(gejiu_file(tmp_path / "gejiu.csv", (("G1", 80), stepped), columns="id,Pb")).spectra[0]
    assert spectrum[601] - spectrum[600] == pytest.approx(0.02 + RISING[651] - RISING[650], abs=1e-6)


def test_gejiu_joins_a_table_of_lead_and_ph(tmp_path):
    gejiu_file(tmp_path / "spectra.csv", (("G1",), RISING), (("G2",), RISING), columns="Sample No.", prefix="X")
    (tmp_path / "lead.csv").write_text("Sample,Pb (mg/kg),pH\nG2,34.6,5.1\nG3,50,6\nG1,974,4.8\n")
    dataset = read_gejiu(tmp_path)
    assert dataset.properties.to_dict("list") == {"pb_mg_kg": [974, 34.6], "ph": [4.8, 5.1]}
    assert dataset.provenance["samples without a spectrum"] == 1


def test_gejiu_in_percent_is_declared(tmp_path, refused):
    path = gejiu_file(tmp_path / "gejiu.csv", (("G1", 80), RISING), columns="sample_id,pb_mg_kg", scale=100)
    np.testing.assert_allclose(read_gejiu(path, "percent-reflectance").spectra[0], RISING[50:-1], rtol=1e-6)
    refused(path, r"the scale is that of percent .*Declare the signal as percent-reflectance", read_gejiu, path)
    with pytest.raises(ValueError, match="signal 'absorbance': give one of reflectance, percent-reflectance"):
        read_gejiu(path, "absorbance")


def test_lead_in_another_unit_is_not_taken_for_mg_kg(tmp_path, refused):
    path = gejiu_file(tmp_path / "gejiu.csv", (("G1", 0.2), RISING), columns="sample_id,Pb (g/kg)")
    refused(path, "no CSV table with pb_mg_kg and a column naming the samples", read_gejiu, path)
