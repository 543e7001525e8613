import shutil

import numpy as np
import pandas as pd
import pytest

from spectrakit.tables import check_table, convert_files, write_table

NM = ("nm", "reflectance")
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
    ("data", "values"),
    [
        ("(X++(Y..Y))\n4000 100 90 80\n3994 70 60\n", [60, 70, 80, 90, 100]),
        ("(x++(y..y)) $$ five values\n$$ no value\n4000 1.0E+02 90 80 $$ three\n3994 70 60\n", [60, 70, 80, 90, 100]),
        ("(X++(Y..Y))\n4000+100-90+80\n3994-70+60\n", [60, -70, 80, -90, 100]),  # packed
        ("(X++(Y..Y))\n4000A00I0H0\n3994G0F0\n", [60, 70, 80, 90, 100]),  # squeezed
        ("(X++(Y..Y))\n4000A00T\n3996H0T\n3992f0\n", [-60, 80, 80, 100, 100]),  # squeezed, doubled
        ("(X++(Y..Y))\n4000A00I0H0G0\n3992E0\n", [50, 70, 80, 90, 100]),  # no power of ten
        ("(X++(Y..Y))\n4000A00I0H0G0\n3992e0\n", [-50, 70, 80, 90, 100]),
        # Differences, and how often they stand; the last value of a line is checked by the next.
        ("(X++(Y..Y))\n4000A00j0T\n3996H0j0T\n3992F0\n", [60, 70, 80, 90, 100]),
        ("(X++(Y..Y))\n4000A00%U\n3994A00j00\n3992@\n", [0, 100, 100, 100, 100]),
    ],
)
def test_the_forms_of_jcamp_hold_what_was_written(write, data, values):
    dataset = convert_files(write(jcamp_text(data=data), "soil.jdx"))
    assert (dataset.axis_unit, dataset.signal) == ("cm-1", "absorbance")
    np.testing.assert_allclose(dataset.axis, [3992, 3994, 3996, 3998, 4000])
    np.testing.assert_allclose(dataset.spectra * 100, [values], atol=1e-5)


def test_a_value_of_jcamp_that_stands_over_nine_times(write):
    text = jcamp_text(data="(X++(Y..Y))\n4000A00%S2J0\n3974A10\n", n=14, last=3974)
    dataset = convert_files(write(text, "soil.jdx"))
    np.testing.assert_allclose(dataset.spectra, [[1.1] + [1.0] * 13], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "axis", "ends"),
    [
        ((), ("cm-1", 3992, 4000), (0.6, 1.0)),
        (
            ("=4000\n", "=x\n", "=3992\n", "=4000\n", "=x\n", "=3992\n", "\n4000 ", "\n3992 ", "\n3994", "\n3998"),
            None,
            (1, 0.6),
        ),
        (("##XFACTOR=1", "##XFACTOR=2", "\n4000 ", "\n2000 ", "\n3994 ", "\n1997 "), ("cm-1", 3992, 4000), (0.6, 1.0)),
        (("##FIRSTX", "##DELTAX=-2\n##FIRSTX", "XUNITS", "X UNITS", "NPOINTS=5", "NPOINTS= 5 $$ n"), None, None),
        (("=0.01", "=0,02"), ("cm-1", 3992, 4000), (1.2, 2.0)),
        (("\n", "\r\n"), None, None),
        (("=soil", "=B\u00f6den"), None, None),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_the_header_of_jcamp(tmp_path, change, axis, ends, encoding):
    text, path = jcamp_text(), tmp_path / "soil.jdx"
    for old, new in zip(change[::2], change[1::2], strict=True):
        text = text.replace(old, new)
    path.write_bytes(text.encode(encoding))
    dataset = convert_files(path)
    assert (dataset.axis_unit, *dataset.axis[[0, -1]]) == (axis or ("cm-1", 3992, 4000))
    np.testing.assert_allclose(dataset.spectra[0, [0, -1]], ends or (0.6, 1.0), rtol=1e-6)


def test_pairs_and_units_of_jcamp(write):
    head = f"{TITLE}##XUNITS=NANOMETERS\n##YUNITS=REFLECTANCE\n##XFACTOR=1\n##YFACTOR=2\n"
    pairs = convert_files(write(f"{head}##XYPOINTS=(XY..XY)\n400, .1; 401, .2\n402.5, .3\n##END=\n", "p.jdx"))
    assert (pairs.axis_unit, pairs.signal, pairs.axis.tolist()) == ("nm", "reflectance", [400, 401, 402.5])
    np.testing.assert_allclose(pairs.spectra, [[0.2, 0.4, 0.6]], rtol=1e-6)
    for number, unit in enumerate(("% REFLECTANCE", "%R", "Reflectance (%)", "REFLECTANCE")):  # the last by its values
        text = jcamp_text(unit, "Micrometers").replace("=4000", "=4").replace("=3992", "=2").replace("=0.01", "=0.5")
        text = text.replace("4000 ", "4 ").replace("3994 ", "2.5 ")
        dataset = convert_files(write(text, f"{number}.jdx"))
        assert (dataset.axis_unit, dataset.signal, *dataset.axis[[0, -1]]) == ("nm", "reflectance", 2000, 4000)
        np.testing.assert_allclose(dataset.spectra, [[0.3, 0.35, 0.4, 0.45, 0.5]], rtol=1e-6)
    for number, unit in enumerate(("LOG(1/R)", "log 1/R", "Absorbance")):
        assert convert_files(write(jcamp_text(unit), f"a{number}.jdx")).signal == "absorbance"


@pytest.mark.parametrize(
    "content",
    [
        two_columns(),
        two_columns(separator="\t", decimal=",", head="wavelength\treflectance\n"),
        two_columns(separator=" ; ", decimal=",", head="# x\n"),
        two_columns(separator=",", head="nm,R\n"),
        "".join(f"{411 - i},{(36 - i) / 100}\r\n" for i in range(12)),  # whole numbers, descending
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_text_of_two_columns(tmp_path, content, encoding):
    (tmp_path / "soil.txt").write_bytes(content.encode(encoding))
    dataset = convert_files(tmp_path, "nm", "reflectance")
    np.testing.assert_allclose(dataset.axis, 400.25 + np.arange(12), atol=0.26)
    np.testing.assert_allclose(dataset.spectra, [0.25 + np.arange(12) / 100], rtol=1e-6)


@pytest.mark.parametrize(
    ("heads", "factor"),
    [
        ("Wvl\tRad. (Ref.)\tRad. (Target)\tReflect. %", 100),
        ("Chan.#\tWvl\tNorm. DN (Ref.)\tReflect. [1.0]", 1),
        ("Wvl\tRad. (Ref.)\tRad. (Target)\tTgt./Ref. %", 100),
    ],
)
@pytest.mark.parametrize("name", ["soil.sed", "soil.txt"])
def test_text_of_spectral_evolution(tmp_path, heads, factor, name):
    numbers = [
        {"Wvl": f"{350 + i}.0"}.get(head, f"{(0.2 + i / 100) * factor:.3f}")
        for i in range(3)
        for head in heads.split("\t")
    ]
    rows = "\r\n".join("\t".join(numbers[at : at + 4]) for at in (0, 4, 8))
    head = SED[: SED.index("Wvl")].replace("Comment:", "Comment: 20 °C").replace("\n", "\r\n")
    (tmp_path / name).write_bytes(f"{head}{heads}\r\n{rows}\r\n".encode("latin-1"))
    dataset = convert_files(tmp_path)
    assert dataset.axis.tolist() == [350, 351, 352] and (dataset.axis_unit, dataset.signal) == ("nm", "reflectance")
    np.testing.assert_allclose(dataset.spectra, [[0.2, 0.21, 0.22]], rtol=1e-6)
    assert dataset.samples["instrument"].tolist() == ["PSR+3500_SN1"]


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


def asd_changed(data, kind, stored=None):
    """The bytes of an ASD file of 2,151 channels with another kind, and other values of the spectrum."""
    changed = bytearray(data)
    changed[186] = kind
    if stored is not None:
        changed[484 : 484 + 8 * 2151] = np.asarray(stored, "<f8").tobytes()
    return bytes(changed)


def test_kinds_of_asd(shared, tmp_path, write, refused):
    data = (shared / "real" / "instrument" / "101453MD01.asd").read_bytes()
    raw = convert_files(write(data, "raw.asd")).spectra
    # A file of reflectance holds counts too, or reflectance itself; names may end in a number.
    np.testing.assert_array_equal(convert_files(write(asd_changed(data, 1), "soil.003")).spectra, raw)
    level = np.linspace(0.1, 0.4, 2151)
    stored = convert_files(write(asd_changed(data, 1, level), "stored.asd"))
    np.testing.assert_allclose(stored.spectra, [level], rtol=1e-6)
    numbered = convert_files(tmp_path / "soil.003")
    assert numbered.samples[["sample_id", "replicate"]].to_numpy().tolist() == [["soil", 3]]
    noted = write(data[:3] + b"field 7" + data[10:], "noted.bin")  # a remark of its user, and no ending that is known
    np.testing.assert_array_equal(convert_files(noted).spectra, raw)
    for content, message in (
        (asd_changed(data, 2), "ASD file of radiance; save it as reflectance"),
        (asd_changed(data, 0, level * np.nan), "damaged ASD file"),
        (asd_changed(data, 0, level * 1e9), "reflectance declared, but the scale is that of percent"),
        *((data[:end], "damaged ASD file") for end in (0, 3, 484, 5000, 17692, 17720, 30000)),
    ):
        refused(tmp_path / "odd.asd", message, convert_files, write(content, "odd.asd"))


def test_a_folder_of_many_kinds_on_one_axis_with_contents(shared, write, refused, tmp_path):
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
        "warning: 1 cell of pH with a code (-9999), read as not measured (row 3, column pH)",
        "1 spectra without contents: 235157MD01",
        "1 contents without a spectrum: other",
    ):
        assert part in notes
    refused(folder / "broken.asd", "damaged ASD file", convert_files, folder, *NM, lab, strict=True)


def test_units_and_signals_that_mix_are_brought_to_one_on_request(write, tmp_path, refused):
    write(jcamp_text(), "a.jdx")
    write(jcamp_text("REFLECTANCE", "NANOMETERS"), "b.jdx")
    refused(tmp_path, "1 file with cm-1 and 1 file with nm; choose one for all with --axis", convert_files, tmp_path)
    (tmp_path / "b.jdx").write_text(jcamp_text("REFLECTANCE"))
    words = "1 file with absorbance and 1 file with reflectance; choose one for all with --signal"
    refused(tmp_path, words, convert_files, tmp_path)
    dataset = convert_files(tmp_path, signal="absorbance")
    np.testing.assert_allclose(dataset.spectra[1], -np.log10(dataset.spectra[0]), rtol=1e-6)
    (tmp_path / "b.jdx").write_text(jcamp_text())
    nm = jcamp_text(x_unit="NANOMETERS", data="(X++(Y..Y))\n2500 50 50 50 50 50\n", last=2504).replace(
        "FIRSTX=4000", "FIRSTX=2500"
    )
    (tmp_path / "a.jdx").write_text(nm)
    dataset = convert_files(tmp_path, axis_unit="cm-1")
    assert dataset.axis_unit == "cm-1" and 3992 <= dataset.axis[0] < dataset.axis[-1] <= 4000


def test_scans_of_a_sample_are_kept_or_averaged(write, tmp_path):
    from tests.tables.instruments.test_opus import opus_bytes

    for number, values in {0: [1, 2], 10: [5, 6], 2: [3, 4]}.items():
        write(opus_bytes(values, 604, 602), f"soil.{number}")
    write(opus_bytes([5, 6], 604, 602), "other.0")
    kept = convert_files(tmp_path)
    assert kept.samples[["sample_id", "replicate"]].to_numpy().tolist() == [
        ["other", 0],
        ["soil", 0],
        ["soil", 2],
        ["soil", 10],
    ]
    mean = convert_files(tmp_path, replicates="average")
    assert mean.samples["sample_id"].tolist() == ["other", "soil"] and "replicate" not in mean.samples
    assert mean.spectra.tolist() == [[6, 5], [4, 3]] and mean.notes == (
        "2 scans averaged into another of their sample",
    )


@pytest.mark.parametrize(
    "case",
    [
        (
            "a.spa",
            b"Spectral Data File\r\n" + bytes(600),
            "Thermo OMNIC .* is not read: no real file .* export it from OMNIC",
        ),
        ("a.jdx", TITLE, "no spectrum with its units in this JCAMP-DX file"),
        ("a.jdx", jcamp_text(n="?"), "damaged JCAMP-DX file; export it again"),
        ("a.jdx", jcamp_text().replace("XYDATA=(X++(Y..Y))", "PEAK TABLE=(XY..XY)"), "no spectrum with its units"),
        ("a.jdx", jcamp_text() + jcamp_text(), "several spectra in one JCAMP-DX file"),
        ("a.jdx", jcamp_text(n=10**12), "more than 1,000,000 values in this"),
        ("a.jdx", jcamp_text(data="(X++(Y..Y))\n4000A00%s999999%s999999\n"), "more than 1,000,000 values"),
        ("a.jdx", jcamp_text("% REFLECTANCE"), "percent-reflectance declared, but the scale is that of fractions"),
        ("a.jdx", jcamp_text("TRANSMITTANCE"), "transmittance is neither absorbance nor reflectance"),
        ("a.jdx", jcamp_text(x_unit="SECONDS"), "axis in seconds; export it over 1/cm or nanometers"),
        ("a.jdx", jcamp_text(data="(X++(Y..Y))\n4000A00j0T\n3996G0j0T\n3992F0\n"), "check of it fails: Y-Check failed"),
        ("a.jdx", jcamp_text(n=7), "X-Check failed"),
        ("a.sed", "Comment:\nData:\nWvl\tRad.\n1\t2\n", "no columns Wvl and Reflect"),
        ("a.sed", SED[: SED.index("350.0")], "no channel holds a value that percent-reflectance can have"),
        ("a.jdx", jcamp_text().replace("=0.01", "=-1"), "no channel holds a value that absorbance can have"),
        ("a.jdx", jcamp_text("a\nb\x1b[31m"), "a b .31m is neither absorbance nor"),
        ("a.sed", SED + "353.0\t1.0\n", "a row below 'Data:' is cut short"),
        ("a.sed", SED.replace("351.0", "360.0"), "its channels turn back at 352, as where two detectors overlap"),
        ("a.asd", b"ASD" + bytes(100), "damaged ASD file"),
        ("a.0", b"\n\n\xfe\xfe" + bytes(30), "no spectrum in this OPUS file; copy it again"),
        ("a.txt", two_columns(), "two columns of text do not say what they hold; give --axis and --signal"),
        ("a.txt", "read me\n", "no instrument's file here; those that can be read are Bruker OPUS, ASD"),
        ("a.txt", two_columns(separator=",", decimal=","), "commas both in numbers and between them", *NM),
        ("a.txt", two_columns() + "450,5 0,3\n", "numbers with decimal points and with commas", *NM),
        (
            *("a.txt", two_columns().replace("0.25", "25").replace("0.", "")),
            *("reflectance declared, but the scale is that of percent", *NM),
        ),
        ("a.txt", "".join(f"{i} 6.{i}\n" for i in range(1, 20)), "axis from 1 to 19 is unusual in nm", *NM),
        ("a.txt", two_columns().replace("405", "404"), "no channels, or one that stands twice", *NM),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(write, refused, case):
    name, content, message, *declared = case
    path = write(content, name)
    refused(path, message, convert_files, path, *declared)


def test_contents_that_cannot_be_joined(write, refused):
    spectrum, lab = write(jcamp_text(), "a.jdx"), write("", "lab.csv")
    for text, message in (
        (
            "sample_id,ph\nb,6\n",
            "none of its samples has the name of a spectrum .the first is 'b', the first spectrum 'a'.",
        ),
        ("sample_id,ph\na,6\na,7\n", "sample_id is doubled: 'a'"),
        ("sample_id,ph\n\u00e9,6\ne\u0301,7\n", "sample_id is doubled: '\u00e9'"),
        ("date,ph\na,6\n", "no column sample_id"),
        ("sample_id,ph\na,<5\n", "not a number: '<5' .row 2, column ph.*--below-detection"),
    ):
        refused(lab, message, convert_files, spectrum, contents=write(text, "lab.csv"))
    half = convert_files(spectrum, contents=write("sample_id,ph\na,<5\n", "lab.csv"), below_detection="half")
    assert half.properties["ph"].tolist() == [2.5]


def test_contents_in_lists_are_refused(write, refused, tmp_path):
    pd.DataFrame({"sample_id": ["a"], "ph": [[6.0, 6.5]]}).to_parquet(path := tmp_path / "lab.parquet")
    message = "column ph holds neither numbers nor text but list"
    refused(path, message, convert_files, write(jcamp_text(), "a.jdx"), contents=path)


def test_a_first_sample_without_contents_is_no_second_header(write):
    lab = write("sample_id,ph,date\na,,\n7,6.5,2024\n", "lab.csv")
    assert convert_files(write(jcamp_text(), "7.jdx"), contents=lab).properties["ph"].tolist() == [6.5]


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


def test_what_was_asked_for_is_what_comes_out(shared, write, refused):
    file = shared / "real" / "instrument" / "101453MD01.asd"
    reflectance, absorbance = convert_files(file), convert_files(file, signal="absorbance")
    np.testing.assert_allclose(absorbance.spectra, -np.log10(reflectance.spectra), rtol=1e-5)
    turned = convert_files(file, axis_unit="cm-1")
    np.testing.assert_allclose(turned.axis[[0, -1]], [4000, 1e7 / 350])
    np.testing.assert_array_equal(turned.spectra, reflectance.spectra[:, ::-1])
    # What has no absorbance is left out by name.
    write(jcamp_text("REFLECTANCE").replace("4000 100", "4000 -10"), "in/dark.jdx")
    folder = write(jcamp_text("REFLECTANCE"), "in/soil.jdx").parent
    dataset = convert_files(folder, signal="absorbance")
    assert dataset.samples["sample_id"].tolist() == ["soil"]
    assert dataset.notes[1:] == ("1 file turned from reflectance into absorbance",)
    assert dataset.notes[0].startswith(f"left out: {folder / 'dark.jdx'}: reflectance of 0 or below has no absorbance")
    refused(folder / "dark.jdx", "reflectance of 0 or below", convert_files, folder, signal="absorbance", strict=True)


def test_names_with_a_counter_are_scans_of_the_samples_of_the_laboratory(write, tmp_path):
    for name in ("s1_1", "s1-rep2", "s2", "x00001", "x00002", "y_1"):
        write(jcamp_text().replace("4000 100", f"4000 10{len(name)}"), f"in/{name}.jdx")
    lab = write("sample_id,ph\ns1,5\ns2,6\nx,7\ny_1,4\ny,8\n", "lab.csv")
    dataset = convert_files(tmp_path / "in", contents=lab)
    assert dataset.samples["sample_id"].tolist() == ["s1", "s1", "s2", "x", "x", "y_1"]
    assert dataset.samples["replicate"].tolist() == [0, 1, 0, 0, 1, 0]
    assert dataset.properties["ph"].tolist() == [5, 5, 6, 7, 7, 4]
    assert dataset.notes == (
        "4 files named as a sample and a counter, taken for scans of it: s1-rep2, s1_1, x00001, x00002",
        "1 contents without a spectrum: y",
    )
    mean = convert_files(tmp_path / "in", contents=lab, replicates="average")
    assert mean.samples["sample_id"].tolist() == ["s1", "s2", "x", "y_1"]
    np.testing.assert_allclose(mean.spectra[0, -1], (1.04 + 1.07) / 2, rtol=1e-6)
