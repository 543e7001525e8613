import shutil

import numpy as np
import pandas as pd
import pytest

from spectrakit.tables import TableError, check_table, convert_files, read_table, write_table

TITLE = "##TITLE=soil\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n"


def jcamp_text(y_unit="ABSORBANCE", x_unit="1/CM", data="(X++(Y..Y))\n4000 100 90 80\n3994 70 60\n", n=5, last=3992):
    head = f"##XUNITS={x_unit}\n##YUNITS={y_unit}\n##XFACTOR=1\n##YFACTOR=0.01\n##FIRSTX=4000\n##LASTX={last}\n"
    return f"{TITLE}{head}##NPOINTS={n}\n##FIRSTY=100\n##XYDATA={data}##END=\n"


SED = """Comment:
Version: 2.2
Instrument: PSR+3500_SN1
Measurement: REFLECTANCE
Columns [4]:
Data:
Wvl\tRad. (Ref.)\tRad. (Target)\tReflect. %
350.0\t1.0\t0.2\t20.5
351.0\t1.0\t0.2\t21.5
352.0\t1.0\t0.2\t22.0
"""


def two_columns(n=12, separator=" ", decimal=".", head=""):
    rows = [f"{400 + i}.5{separator}{0.25 + i / 100:.2f}".replace(".", decimal) for i in range(n)]
    return head + "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "data",
    [
        "(X++(Y..Y))\n4000 100 90 80\n3994 70 60\n",
        "(X++(Y..Y))\n4000+100+90+80\n3994+70+60\n",  # packed
        "(X++(Y..Y))\n4000A00I0H0\n3994G0F0\n",  # squeezed
        "(X++(Y..Y))\n4000A00j0T\n3996H0j0T\n3992F0\n",  # differences and doubles; the last of a line is checked
    ],
)
def test_the_forms_of_jcamp_hold_the_same(write, data):
    path = write(jcamp_text(data=data), "soil.jdx")
    dataset = convert_files(path)
    assert (dataset.axis_unit, dataset.signal) == ("cm-1", "absorbance")
    np.testing.assert_allclose(dataset.axis, [3992, 3994, 3996, 3998, 4000])
    np.testing.assert_allclose(dataset.spectra, [[0.6, 0.7, 0.8, 0.9, 1.0]], rtol=1e-6)


def test_units_of_jcamp(write):
    percent = convert_files(write(jcamp_text("% REFLECTANCE", "NANOMETERS"), "a.dx"))
    assert (percent.axis_unit, percent.signal) == ("nm", "reflectance")
    np.testing.assert_allclose(percent.spectra, [[0.006, 0.007, 0.008, 0.009, 0.01]], rtol=1e-6)
    assert convert_files(write(jcamp_text("LOG(1/R)"), "b.dx")).signal == "absorbance"


def test_text_of_two_columns_and_of_spectral_evolution(write, tmp_path):
    for number, (separator, decimal, head) in enumerate(
        [(" ", ".", ""), ("\t", ",", "wavelength\treflectance\n"), (";", ",", "# x\n"), (",", ".", "nm,R\n")]
    ):
        write(two_columns(separator=separator, decimal=decimal, head=head), f"s{number}.txt")
    dataset = convert_files(tmp_path, "nm", "reflectance")
    assert dataset.axis.tolist() == [400.5 + i for i in range(12)]
    np.testing.assert_allclose(dataset.spectra, np.tile(0.25 + np.arange(12) / 100, (4, 1)), rtol=1e-6)
    sed = convert_files(write(SED, "soil.sed"))
    np.testing.assert_allclose(sed.spectra, [[0.205, 0.215, 0.22]], rtol=1e-6)
    assert sed.samples["instrument"].tolist() == ["PSR+3500_SN1"]


def test_the_asd_files_of_the_ossl(shared, tmp_path):
    dataset = convert_files(shared / "real" / "instrument")
    assert dataset.axis[[0, -1]].tolist() == [350, 2500] and dataset.spectra.shape == (2, 2151)
    assert dataset.samples.to_numpy().tolist() == [
        ["101453MD01", 0, "ASD 4139", "2012-02-11"],
        ["235157MD01", 0, "ASD 4161", "2015-05-11"],
    ]
    # Counts of the soil over those of the white reference, read from the bytes by hand.
    np.testing.assert_allclose(dataset.spectra[0, [0, 650]], [17.07793722 / 187.906, 3287.739 / 7735.266], rtol=1e-4)
    assert ((dataset.spectra > 0.05) & (dataset.spectra < 0.8)).all()
    write_table(dataset, tmp_path / "table.csv")
    assert check_table(tmp_path / "table.csv", "nm", "reflectance").problems == []


def test_a_folder_of_many_kinds_on_one_axis_with_contents(shared, write, tmp_path):
    folder = tmp_path / "scans"
    shutil.copytree(shared / "real" / "instrument", folder)
    level = np.linspace(0.2, 0.4, 2101)
    (folder / "c.txt").write_text("\n".join(f"{nm} {r:.5f}" for nm, r in zip(range(400, 2501), level, strict=True)))
    (folder / "._c.txt").write_bytes(b"\0\5")
    (folder / "notes.csv").write_text("date,who\n2024-05-01,me\n")
    (folder / "broken.asd").write_bytes((folder / "101453MD01.asd").read_bytes()[:5000])
    lab = write("Sample;pH;site\nc;6,5;north\n101453MD01;-9999;south\nother;7;x\n", "lab.csv")
    dataset = convert_files(folder, "nm", "reflectance", lab)
    assert dataset.samples["sample_id"].tolist() == ["101453MD01", "235157MD01", "c"]
    assert dataset.axis.tolist() == list(range(400, 2501))
    np.testing.assert_array_equal(dataset.properties["pH"], [np.nan, np.nan, 6.5])
    assert dataset.samples["site"].tolist()[::2] == ["south", "north"]
    notes = "\n".join(dataset.notes)
    for part in (
        "left out of the folder: ._c.txt, notes.csv",
        "broken.asd: damaged ASD file",
        "warning: 1 cells of pH hold a code (-9999), read as not measured (row 3, column pH)",
        "1 spectra without contents: 235157MD01",
        "1 contents without a spectrum: other",
    ):
        assert part in notes
    with pytest.raises(TableError, match=r"broken\.asd: damaged ASD file"):
        convert_files(folder, "nm", "reflectance", lab, strict=True)


def test_units_and_signals_that_mix_are_brought_to_one_on_request(write, tmp_path):
    write(jcamp_text(), "a.jdx")
    write(jcamp_text("REFLECTANCE", "NANOMETERS"), "b.jdx")
    with pytest.raises(TableError, match="1 with cm-1 and 1 with nm; say with --axis"):
        convert_files(tmp_path)
    (tmp_path / "b.jdx").write_text(jcamp_text("REFLECTANCE"))
    with pytest.raises(TableError, match="1 with absorbance and 1 with reflectance; say with --signal"):
        convert_files(tmp_path)
    dataset = convert_files(tmp_path, signal="absorbance")
    np.testing.assert_allclose(dataset.spectra[1], -np.log10(dataset.spectra[0]), rtol=1e-6)
    (tmp_path / "a.jdx").write_text(jcamp_text(x_unit="NANOMETERS"))
    (tmp_path / "b.jdx").write_text(jcamp_text())
    assert (tmp_path / "b.jdx").exists()
    nm = jcamp_text(x_unit="NANOMETERS", data="(X++(Y..Y))\n2500 50 50 50 50 50\n", last=2504).replace(
        "FIRSTX=4000", "FIRSTX=2500"
    )
    (tmp_path / "a.jdx").write_text(nm)
    dataset = convert_files(tmp_path, axis_unit="cm-1")
    assert dataset.axis_unit == "cm-1" and 3992 <= dataset.axis[0] < dataset.axis[-1] <= 4000


def test_scans_of_a_sample_are_kept_or_averaged(write, tmp_path):
    from tests.tables.instruments.test_opus import opus_bytes

    for number, values in enumerate(([1, 2], [3, 4])):
        write(opus_bytes(values, 604, 602), f"soil.{number}")
    write(opus_bytes([5, 6], 604, 602), "other.0")
    kept = convert_files(tmp_path)
    assert kept.samples[["sample_id", "replicate"]].to_numpy().tolist() == [["other", 0], ["soil", 0], ["soil", 1]]
    mean = convert_files(tmp_path, replicates="average")
    assert mean.samples["sample_id"].tolist() == ["other", "soil"] and "replicate" not in mean.samples
    assert mean.spectra.tolist() == [[6, 5], [3, 2]] and mean.notes == (
        "1 scans averaged into another of their sample",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.spa",
            b"Spectral Data File\r\n" + bytes(600),
            "Thermo OMNIC .* is not read: no real file .* export it from OMNIC",
        ),
        ("a.jdx", TITLE, "damaged JCAMP-DX file"),
        ("a.jdx", jcamp_text("TRANSMITTANCE"), "transmittance is neither absorbance nor reflectance"),
        ("a.jdx", jcamp_text(x_unit="SECONDS"), "axis in seconds; export it over 1/cm or nanometers"),
        ("a.jdx", jcamp_text(data="(X++(Y..Y))\n4000A00j0T\n3996G0j0T\n3992F0\n"), "check of it fails: Y-Check failed"),
        ("a.jdx", jcamp_text(n=7), "X-Check failed"),
        ("a.sed", "Comment:\nData:\nWvl\tRad.\n1\t2\n", "no columns Wvl and Reflect"),
        ("a.sed", SED + "353.0\t1.0\n", "a row below 'Data:' is cut short"),
        ("a.asd", b"ASD" + bytes(100), "damaged ASD file"),
        ("a.0", b"\n\n\xfe\xfe" + bytes(30), "neither absorbance nor reflectance but no spectrum"),
        ("a.txt", two_columns(), "two columns of text do not say what they hold; give --axis and --signal"),
        ("a.txt", "read me\n", "no instrument's file here; known are Bruker OPUS, ASD"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(write, name, content, message):
    path = write(content, name)
    with pytest.raises(TableError, match=message) as caught:
        convert_files(path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(f"{path}: ")


def test_contents_that_cannot_be_joined(write):
    spectrum = write(jcamp_text(), "a.jdx")
    for text, message in (
        ("sample_id,ph\nb,6\n", "no name is that of a spectrum .here 'b', there 'a'."),
        ("sample_id,ph\na,6\na,7\n", "sample_id is doubled: 'a'"),
        ("date,ph\na,6\n", "no column sample_id"),
        ("sample_id,ph\na,<5\n", "not a number: '<5' .row 2, column ph.*--below-detection"),
    ):
        with pytest.raises(TableError, match=message):
            convert_files(spectrum, contents=write(text, "lab.csv"))
    half = convert_files(spectrum, contents=write("sample_id,ph\na,<5\n", "lab.csv"), below_detection="half")
    assert half.properties["ph"].tolist() == [2.5]


def test_every_reader_of_tables_names_an_instruments_file(write):
    from tests.tables.instruments.test_opus import opus_bytes

    for name in ("soil.0", "soil.csv"):
        path = write(opus_bytes([1, 2], 604, 602), name)
        for read in (read_table, check_table):
            with pytest.raises(
                TableError, match="a file of Bruker OPUS, not a table; make one of it with spectrakit convert"
            ):
                read(path, "cm-1", "absorbance")


def test_the_command_writes_a_table_that_can_be_used(run, write, tmp_path):
    for number in range(3):
        write(jcamp_text().replace("4000 100", f"4000 10{number}"), f"in/s{number}.jdx")
    write("sample_id,soc_pct\ns0,1\ns1,2\ns2,3\n", "lab.csv")
    code, out, err = run("convert", "in", "-o", "table.csv", "--contents", "lab.csv")
    assert (code, err) == (0, [])
    assert out == ["table.csv: 3 rows of 5 channels of absorbance in cm-1; measured, 3 JCAMP-DX, folder in"]
    assert pd.read_csv(tmp_path / "table.csv")["soc_pct"].tolist() == [1, 2, 3]
    assert run("check", "table.csv", "--axis", "cm-1", "--signal", "absorbance")[0] == 0
    code, out, err = run("convert", "in", "-o", "table.txt")
    assert (code, out) == (2, []) and "unknown kind of file" in err[0]
