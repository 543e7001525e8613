import codecs
import gzip

import numpy as np
import pandas as pd
import pytest

from spectrakit.tables import TableError, cells, check_table, read_blocks, read_library, read_table
from spectrakit.tables.columns import content_below_detection

NM = ("nm", "reflectance")
HEADER = "sample_id,ph,ca_ppm,400.5,401.5,402.5"
ROWS = ("a,6.5,100,0.25,0.5,0.125", "b,,200.5,0.75,0.5,0.25", "c,7,300,0.5,0.25,0.5")
PLAIN = "\n".join([HEADER, *ROWS]) + "\n"


def german(text):
    return text.replace(",", ";").replace(".", ",")


def with_cells(n, lines):
    return "\n".join(line + "," * n for line in lines) + "\n"


AS_PLAIN = {
    "semicolons": (PLAIN.replace(",", ";"), ["cells are separated by semicolons"]),
    "tabs": (PLAIN.replace(",", "\t"), ["cells are separated by tabs"]),
    "semicolons and decimal commas": (
        german(PLAIN),
        ["cells are separated by semicolons", "numbers have decimal commas"],
    ),
    "tabs and decimal commas": (
        PLAIN.replace(",", "\t").replace(".", ","),
        ["cells are separated by tabs", "numbers have decimal commas"],
    ),
    "decimal commas below a header with points": (
        HEADER.replace(",", ";") + "\n" + german("\n".join(ROWS)),
        ["cells are separated by semicolons", "numbers have decimal commas"],
    ),
    "decimal commas in quotation marks": (
        HEADER + "\n" + "\n".join(",".join(f'"{c.replace(".", ",")}"' for c in row.split(",")) for row in ROWS),
        ["numbers have decimal commas"],
    ),
    "byte order mark": (codecs.BOM_UTF8 + PLAIN.encode(), []),
    "UTF-16": (PLAIN.encode("utf-16"), []),
    "Windows line ends": (PLAIN.replace("\n", "\r\n"), []),
    "old Macintosh line ends": (PLAIN.replace("\n", "\r"), []),
    "remarks": ("# scanned in May\n# 32 scans\n" + PLAIN, ["2 rows above the header left out"]),
    "a title and a blank line": ("Soils of the north\n\n" + PLAIN, ["2 rows above the header left out"]),
    "a blank line": ("\n" + PLAIN, ["1 row above the header left out"]),
    "empty columns at the end": (with_cells(3, [HEADER, *ROWS]), ["3 empty columns at the end left out"]),
    "empty cells at the end of the rows": (
        HEADER + "\n" + with_cells(2, ROWS),
        ["2 empty columns at the end left out"],
    ),
    "SSN": (PLAIN.replace("sample_id", "SSN"), ["column SSN names the samples"]),
    "Sample ID": (PLAIN.replace("sample_id", "Sample ID"), ["column Sample ID names the samples"]),
    "POINT_ID": (PLAIN.replace("sample_id", "POINT_ID"), ["column POINT_ID names the samples"]),
    "vertical bars": (PLAIN.replace(",", "|"), ["cells are separated by vertical bars"]),
    "UTF-16 without its mark": (PLAIN.encode("utf-16-le"), []),
    "many remarks": ("# a, b\n" * 60 + PLAIN, ["60 rows above the header left out"]),
    "a remark with a quotation mark": ('# depth 5"\n' + PLAIN, ["1 row above the header left out"]),
    "titles with commas": ("Soils, of May\nBy, me,,,,\n" + PLAIN, ["2 rows above the header left out"]),
    "groups of columns": (",soil,,reflectance,,\n" + PLAIN, ["1 row above the header left out"]),
    "a blank line below the header": (PLAIN.replace("\n", "\n\n", 1), ["1 row below the header left out"]),
    "empty rows at the end": (PLAIN + ",,,,,\n\n,,\n", []),
    "names of empty columns": (PLAIN.replace("\n", ",,\n", 1), ["2 empty columns at the end left out"]),
    "some empty cells at the end": (PLAIN.replace("125\n", "125,,\n"), ["2 empty columns at the end left out"]),
    "an empty column": (
        PLAIN.replace(",", ",,", 1).replace("\nb,", "\nb,,").replace("\nc,", "\nc,,").replace("\na,", "\na,,"),
        ["1 empty column without a name left out"],
    ),
    "an index of pandas": (
        "Unnamed: 0," + PLAIN.replace("\n", "\n0,", 3),
        ["the first column, which has no name, is left out"],
    ),
    "row names": (PLAIN.replace("sample_id", '""'), ["the first column, which has no name, names the samples"]),
}


@pytest.mark.parametrize("kind", AS_PLAIN)
def test_what_can_be_read_with_certainty_is_read_with_a_note(write, same, kind):
    text, notes = AS_PLAIN[kind]
    plain, other = read_table(write(PLAIN, "plain.csv"), *NM), read_table(write(text), *NM)
    same(other, plain)
    assert [note.removesuffix(".") for note in other.notes] == notes
    data = text if isinstance(text, bytes) else text.encode()
    same(read_library(write(gzip.compress(data), "table.csv.gz"), *NM), plain)
    report = check_table(write(text), *NM)
    assert report.usable and [str(p).removesuffix(".") for p in report.problems if p.severity == "note"] == notes


def test_a_line_end_and_a_separator_in_the_last_name(write):
    read = read_table(write('"sample_id";"ph";"600"\n"a";"6,5";"0,5"\n"b\nc,d";"7,5";"0,25"\n'), *NM)
    assert read.samples["sample_id"].tolist() == ["a", "b\nc,d"] and read.spectra.tolist() == [[0.5], [0.25]]


def channels(form):
    values = [f"{nm:g}" for nm in np.arange(400, 406) + 0.5]
    names = ",".join(form.format(value) for value in values)
    return f"sample_id,P2,{names}\na,1,0.1,0.2,0.3,0.4,0.5,0.6\n"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("X{}", "begin with 'X'"),
        ("m{}", "begin with 'm'"),
        ("spc.{}", "begin with 'spc.'"),
        ("wl_{}", "begin with 'wl_'"),
        ("{}nm", "end in 'nm'"),
        ("{} nm", "end in 'nm'"),
        ("R_{}nm", "begin with 'R_' and end in 'nm'"),
        ("{}_abs", "end in 'abs'"),
        ("R({})", "begin with 'R(' and end in ')'"),
        ("{} (nm)", "end in '(nm)'"),
        ("{{R}}{}", "begin with '{R}'"),
    ],
)
def test_names_of_channels_may_have_letters_around_the_number(write, form, words):
    dataset = read_table(write(channels(form)), *NM)
    assert dataset.axis.tolist() == [400.5, 401.5, 402.5, 403.5, 404.5, 405.5] and "P2" in dataset.properties
    assert dataset.notes == (f"names of channels {words}: the number in them is read.",)


WAVES = "\n".join(f"{nm},0.1,0.2" for nm in range(350, 360))
REFUSED = {
    "thousands by another mark": ("sample_id,999,1'000,1'001\na,1,2,3\n", "channels 1'000, 1'001 look like .*as 1000"),
    "thousands by a point": ("sample_id;999;1.000;1.001\na;1;2;3\n", "channels 1.000, 1.001 look like .*as 1000"),
    "thousands, all": ("sample_id;4,000;4,001\na;1;2\n", "channels 4,000, 4,001 look like .*thousands separator"),
    "thousands without quotation marks": ("sample_id,998,999,1,000\na,1,2,3\n", "channels 1,000 look like .*as 1000"),
    "thousands in cells": (
        "sample_id;ca_ppm;400\na;1,234;7\n",
        r"'1,234' \(row 2, column ca_ppm\) may be one of decimals",
    ),
    "decimal commas between commas": (
        "sample_id,ph,400,401,402\na,6,5,0,1,0,2,0,3\n",
        "decimal commas, and commas separate the cells too; save the table with semicolons",
    ),
    "decimal commas between commas, in the header too": (
        "sample_id,400,5,401,5,402,5\na,0,1,0,2,0,3\n",
        "decimal commas, and commas separate the cells too",
    ),
    "spaces": ("sample_id 400 401\na 1 2\n", "separated by spaces; save the table with commas"),
    "write.table of R": ("ph,400,401\na,6,1,2\nb,7,1,2\n", "one cell less .*; put sample_id and a separator before it"),
    "a header made a remark": (
        "#sample_id,400,401\na,1,2\n",
        "row 1 is a remark that looks like the header; delete the '#'",
    ),
    "turned, by names of samples": (f"Wavelength,a,b\n{WAVES}\n", "stand in the first column"),
    "turned, without a name": (f",s1,s2\n{WAVES}\n", "stand in the first column"),
    "turned, by another name": (f"Messung,1001,1002\n{WAVES}\n", "stand in the first column"),
    "numbered": (
        "sample_id,1,2,3,4,5\na,1,2,3,4,5\n",
        "channels are numbered 1 to 5. Name each channel by its wavelength in nm",
    ),
    "two kinds of channels": (
        f"sample_id,400,401,{','.join(f'X{nm}' for nm in range(402, 408))}\na{',1' * 8}\n",
        "channels are named in two ways, as 400 and as X402; name all by their number alone",
    ),
    "two prefixes": (
        f"sample_id,{','.join(f'{p}{nm}' for p in 'RA' for nm in range(402, 408))}\na{',1' * 12}\n",
        "channels are named in two ways, as R402 and as A402",
    ),
    "channels of the other unit": (
        channels("{} cm-1"),
        "channels such as 400.5 cm-1 are in cm-1, and nm is declared; declare cm-1",
    ),
    "names below names": ("sample_id,ph,400\nid,acidity,first\na,6,1\nb,7,1\n", "rows 1 and 2 both look like a header"),
    "units of properties": (
        "sample_id,soc,400\n,%,\na,6,1\nb,7,1\n",
        "rows 1 and 2 both look like a header .'%' below 'soc'",
    ),
    "numbers above the header": ("1,2,3\nsample_id,ph,400\na,6,1\n", "rows 1 and 2 both look like a header"),
    "a repeated header": ("sample_id,ph,400\nsample_id,ph,400\na,6,1\n", "rows 1 and 2 both look like a header"),
    "a header further down": (
        "sample_id,ph,400\na,6,1\nsample_id,ph,400\n",
        "The header stands there again; delete that row",
    ),
    "a remark below": (
        "sample_id,ph,400\na,6,1\n# end\n",
        r"row 3 has 1 \('# end'\); give every row one cell a column",
    ),
    "a workbook": ("PK\x03\x04 and more", "this is a ZIP archive or a workbook, not CSV; save the table as CSV"),
    "a web page": ("<html>\n404\n</html>\n", "this is a web page or XML"),
    "zero bytes": ("sample_id,400\na\0,1\n", "row 2 holds a zero byte"),
    "decimals of two kinds": (
        "sample_id;ph;400\na;6,5;0.1\n",
        "columns 2 and 3 have decimal commas and decimal points",
    ),
    "a late cell without a name": (
        "sample_id,ph,400,\n" + "a,6,1,\n" * 50 + "b,6,1,late\n",
        r"column 4 has no name but cells \('late' in row 52\)",
    ),
    "overlapping detectors": (
        f"sample_id,{','.join(map(str, [*range(350, 360), *range(355, 365)]))}\na{',1' * 20}\n",
        "channel stands twice.*where two detectors overlap, keep one of them",
    ),
    "overlapping detectors, one after the other": (
        f"sample_id,{','.join(map(str, [*range(350, 360), *np.arange(355.5, 365)]))}\na{',1' * 20}\n",
        r"out of order \(column 355.5\). Detectors overlap at 355.5 to 359 nm: keep the channels of one of them there",
    ),
    "thousands": ('sample_id,999,"1,000","1,001"\na,1,2,3\n', "channels 1,000, 1,001 look like .*thousands separator"),
    "turned": (f"Wavelength,s1,s2\n{WAVES}\n", r"stand in the first column \(350, 351, 352 ...\), a column a sample"),
    "turned and numbered": (f"sample_id,1,2\n{WAVES}\n", "stand in the first column.*turn the table round"),
    "two names": ("SSN,Sample name,400\na,b,1\n", "SSN and Sample name could name the samples: rename one of them"),
    "no name": ("date,who,400\na,b,1\n", r"no column sample_id; add one .* or rename one \(date, who\)"),
    "two headers": (
        "sample_id,ph,400,401\n,-,nm,nm\na,6,1,2\nb,7,1,2\n",
        "rows 1 and 2 both look like a header .*keep one, with the unit",
    ),
    "mixed decimals": (
        "sample_id;ph;400\na;6,5;1\nb;6.5;1\n",
        "column 2 has decimal commas and decimal points, '6,5' in row 2 and '6.5' in row 3",
    ),
    "mixed separators": (
        "sample_id,ph,400\na;6;1\nb;7;1\n",
        "row 1 is separated by commas and row 2 by semicolons",
    ),
    "a column without a name": ("sample_id,,400\na,x,1\n", "column 2 has no name but cells \\('x' in row 2\\)"),
    "below detection": (
        "sample_id,ca_ppm,400\na,<0.5,1\nb,2,1\n",
        r"not a number: '<0.5' \(row 2, column ca_ppm\). Read .* with --below-detection half or missing",
    ),
    "below detection, no unit": (
        "sample_id,SOM,400\na,2,1\nb,n.d.,1\nc,3,1\n",
        r"not a number: 'n.d.' \(row 3, column SOM\). Read .* with --below-detection",
    ),
    "a line end in a name": ('"by\nwhom",600,602\na,1,1\n', "or rename one .by whom"),
    "a line end without quotation marks": ("sample_id,site,600\na,b\rc,1\n", "row 2 has a line end within a cell"),
    "a line end in a row with a cell more": ('sample_id,ph,600\n"a\nb",1,1,2\n', "header has 3 cells but row 2 has 4"),
    "a long row with a cell more": (
        "sample_id," + ",".join(map(str, range(400, 20_400))) + "\na" + ",0.123456" * 20_001 + "\n",
        "has 20,?001 cells but row 2 has 20002",
    ),
    "a long cell further down": (
        "sample_id,ph,600\n" + "a,6,1\n" * 50 + "b,6,1," + "x" * 200_000 + "\n",
        "header has 3 cells but row 52 has 4",
    ),
    "a lone carriage return further down": (
        "sample_id,ph,600\n" + "a,6,1\n" * 50 + "b,6\r,1\n",
        "row 52 has 2; row 53",
    ),
    "a long cell": ("sample_id,600\n" + "a" * 140_000 + ",1\n", "row 2 begins a cell of over 131,072 characters"),
    "words among numbers": ("sample_id,SOM,400\na,2,1\nb,high,1\nc,3,1\n", r"not a number: 'high' \(row 3, column SOM"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read_with_certainty_says_what_the_user_did(write, refused, kind):
    text, message = REFUSED[kind]
    refused(write(text), message, read_table, write(text), "nm", "counts")
    refused(write(text), message, lambda *given: list(read_blocks(*given)), write(text), "nm", "counts")


@pytest.mark.parametrize(
    ("how", "contents"), [("half", [0.25, 3, np.nan, np.nan]), ("missing", [np.nan, 3, np.nan, np.nan])]
)
@pytest.mark.parametrize("name", ["som_pct", "SOM", "s{o}m_pct"])
def test_below_detection_is_read_as_asked(write, how, contents, name):
    path = write(f"sample_id,{name},400\na,<0.5,1\nb,3,1\nc,n.d.,1\nd,< LOD,1\ne,2,1\nf,1,1\n")
    dataset = read_table(path, "nm", "counts", how)
    np.testing.assert_array_equal(dataset.properties[name], [*contents, 2, 1])
    words = "half of it" if how == "half" else "not measured"
    start = f"3 contents of {name} below the limit of detection, read as {words} (row 2, column {name}"
    assert dataset.notes[0].startswith(start)


@pytest.mark.parametrize(
    ("first", "later", "properties", "notes"),
    [
        ("", "1.5", ["SOM"], ()),
        ("<1", "1.5", ["SOM"], ("50 contents of SOM below",)),
        ("n.d.", ">30", ["SOM"], ("100 contents of SOM below",)),
        (
            "no",
            "1.5",
            [],
            ("warning: column SOM begins with words and is read as text",),
        ),
        ("no", "yes", [], ()),
    ],
)
def test_a_column_is_not_made_text_by_its_first_rows_in_silence(write, monkeypatch, first, later, properties, notes):
    monkeypatch.setattr(cells, "_CSV_BYTES", 200)
    rows = [f"s{at}b,{first if at < 50 else later},{at}.5,{at}" for at in range(100)]
    dataset = read_table(write("\n".join(["sample_id,SOM,400,401", *rows])), "nm", "counts", "missing")
    assert [*dataset.properties] == properties
    assert len(dataset.notes) == len(notes) and all(map(str.startswith, dataset.notes, notes))


@pytest.mark.parametrize("name", ["sample_id", "id", ""])
def test_a_table_turned_round_is_refused_by_its_numbers_where_its_names_could_be_those_of_samples(write, name, refused):
    waves = np.arange(350, 450, 10)
    rows = [f"{nm},{','.join(f'{0.1 * (at % 3) + nm / 5000:.3f}' for at in range(8))}" for nm in waves]
    path = write("\n".join([f"{name},{','.join(map(str, range(1001, 1009)))}", *rows]))
    refused(path, r"stand in the column of the names, a column a sample\. Turn the table round", read_table, path, *NM)


BEYOND = {"<0,5": 0.25, "<= 0.5": 0.25, "≤0.5": 0.25, "0.5": None, "high": None, "<": None}
BEYOND |= dict.fromkeys(["< LOQ", ">30", "ND", "bdl", "n.n.", "not detected", "trace"], np.nan)


@pytest.mark.parametrize(("cell", "half"), BEYOND.items())
def test_what_stands_for_contents_beyond_a_limit(cell, half):
    for how, content in (("half", half), ("missing", half if half is None else np.nan)):
        np.testing.assert_equal(content_below_detection(cell, how), content)


def test_a_column_among_the_channels_is_named(write):
    dataset = read_table(write("sample_id,ph,400,oops,402\na,5,1,2,3\n"), "nm", "counts")
    assert dataset.notes[0].startswith("warning: column among the channels that is not named as one")


@pytest.mark.parametrize("kind", ["X_prefix", "POINT_ID", "thousands", "turned", "index", "two kinds"])
def test_parquet_is_read_as_csv_is(write, same, tmp_path, kind):
    text = {
        "X_prefix": channels("X{}"),
        "POINT_ID": PLAIN.replace("sample_id", "POINT_ID"),
        "thousands": REFUSED["thousands"][0],
        "turned": REFUSED["turned and numbered"][0],
        "index": AS_PLAIN["an index of pandas"][0],
        "two kinds": REFUSED["two kinds of channels"][0],
    }[kind]
    path = write(text)
    pd.read_csv(path).to_parquet(tmp_path / "table.parquet")
    answers = []
    for each in (path, tmp_path / "table.parquet"):
        try:
            answers.append(read_table(each, *NM))
        except TableError as error:
            answers.append(str(error).removeprefix(str(each)))
    if isinstance(answers[0], str):
        assert answers[0] == answers[1]
    else:
        same(*answers)
        assert answers[0].notes == answers[1].notes


@pytest.mark.parametrize(
    ("step", "offset", "ends"), [(25, 0.1, "600 to 775.1"), (2, 1, "600 to 799"), (2, 0.8, "600 to 798.8")]
)
def test_two_detectors_that_interleave_are_a_warning(write, step, offset, ends):
    axis = np.sort(np.r_[np.arange(350, 1000, step), np.arange(600, 800, step) + offset])
    row = ",".join(["0.2"] * len(axis))
    path = write(f"sample_id,{','.join(f'{nm:g}' for nm in axis)}\na,{row}\n")
    (problem,) = (p for p in check_table(path, *NM).problems if "detectors" in p.message)
    assert (problem.severity, problem.message) == (
        "warning",
        f"channels of two detectors seem to alternate from {ends} nm",
    )
    assert any(note.startswith("warning: channels of two detectors") for note in read_table(path, *NM).notes)


def test_the_one_table_of_a_folder_is_used_and_others_are_named(write, tmp_path, refused):
    write(PLAIN, "soils.csv")
    write("date,who\n2024-05-01,me\n", "notes.csv")
    write(b"\x00\x05\x16\x07Mac OS X", "._soils.csv")
    write("read me", "readme.txt")
    write("year,2018,2019\nrain,5,6\n", "rain.csv")
    write("sample_id,SiO2,Fe2O3\na,50,8\n", "oxides.csv")
    dataset = read_table(tmp_path, *NM)
    assert len(dataset) == 3 and dataset.notes == (
        "left out of the folder: ._soils.csv, notes.csv, oxides.csv, rain.csv, readme.txt.",
    )
    write(PLAIN, "more.csv")
    refused(tmp_path, r"2 tables in this folder \(more.csv, soils.csv\); name one", read_table, tmp_path, *NM)
