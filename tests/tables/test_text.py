import codecs
import gzip

import numpy as np
import pytest

from spectrakit.tables import TableError, check_table, read_blocks, read_library, read_table

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
    "row names": (PLAIN.replace("sample_id", '""'), ["the first column, which has no name, names the samples"]),
}


def same(one, other):
    np.testing.assert_array_equal(one.spectra, other.spectra)
    np.testing.assert_array_equal(one.axis, other.axis)
    assert one.properties.equals(other.properties) and one.samples.equals(other.samples)


@pytest.mark.parametrize("kind", AS_PLAIN)
def test_what_can_be_read_with_certainty_is_read_with_a_note(write, kind):
    text, notes = AS_PLAIN[kind]
    plain, other = read_table(write(PLAIN, "plain.csv"), *NM), read_table(write(text), *NM)
    same(other, plain)
    assert [note.removesuffix(".") for note in other.notes] == notes
    data = text if isinstance(text, bytes) else text.encode()
    same(read_library(write(gzip.compress(data), "table.csv.gz"), *NM), plain)
    report = check_table(write(text), *NM)
    assert report.usable and [str(p).removesuffix(".") for p in report.problems if p.severity == "note"] == notes


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
    ],
)
def test_names_of_channels_may_have_letters_around_the_number(write, form, words):
    dataset = read_table(write(channels(form)), *NM)
    assert dataset.axis.tolist() == [400.5, 401.5, 402.5, 403.5, 404.5, 405.5] and "P2" in dataset.properties
    assert dataset.notes == (f"names of channels {words}: the number in them is read.",)


WAVES = "\n".join(f"{nm},0.1,0.2" for nm in range(350, 360))
REFUSED = {
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
@pytest.mark.parametrize("name", ["som_pct", "SOM"])
def test_below_detection_is_read_as_asked(write, how, contents, name):
    path = write(f"sample_id,{name},400\na,<0.5,1\nb,3,1\nc,n.d.,1\nd,< LOD,1\ne,2,1\nf,1,1\n")
    dataset = read_table(path, "nm", "counts", how)
    np.testing.assert_array_equal(dataset.properties[name], [*contents, 2, 1])
    words = "half of it" if how == "half" else "not measured"
    start = f"3 contents of {name} below the limit of detection, read as {words} (row 2, column {name}"
    assert dataset.notes[0].startswith(start)


def test_two_detectors_that_interleave_are_a_warning(write):
    axis = np.sort(np.r_[np.arange(350, 1000, 25), np.arange(600, 800, 25) + 0.1])
    row = ",".join(["0.2"] * len(axis))
    path = write(f"sample_id,{','.join(f'{nm:g}' for nm in axis)}\na,{row}\n")
    (problem,) = (p for p in check_table(path, *NM).problems if "detectors" in p.message)
    assert (problem.severity, problem.message) == (
        "warning",
        "channels of two detectors seem to alternate from 600 to 775.1 nm",
    )
    assert any(note.startswith("warning: channels of two detectors") for note in read_table(path, *NM).notes)


def test_the_one_table_of_a_folder_is_used_and_others_are_named(write, tmp_path):
    write(PLAIN, "soils.csv")
    write("date,who\n2024-05-01,me\n", "notes.csv")
    write(b"\x00\x05\x16\x07Mac OS X", "._soils.csv")
    write("read me", "readme.txt")
    dataset = read_table(tmp_path, *NM)
    assert len(dataset) == 3 and dataset.notes == ("left out of the folder: ._soils.csv, notes.csv, readme.txt.",)
    write(PLAIN, "more.csv")
    with pytest.raises(TableError, match=r"2 tables in this folder \(more.csv, soils.csv\); name one"):
        read_table(tmp_path, *NM)
