"""Broken input: what it is, which command gets it, and the right answer.

`python tests/badinput/make.py FOLDER` writes the files there. An answer is the exit code, and what the one line on
stderr, or a line of the report, says.
"""

import gzip
import io
import json
import struct
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

HEADER = "sample_id,ph," + ",".join(str(nm) for nm in range(400, 420)) + "\n"
NAN, CHECK_NM = ",".join(["nan"] * 20), "check {path} --axis nm --signal reflectance"


def row(name, ph=6.5, level=0.3):
    return f"{name},{ph}," + ",".join(f"{level + at / 100:.2f}" for at in range(20)) + "\n"


ROWS = "".join(row(f"s{at}x", 5 + at / 20, 0.2 + at / 100) for at in range(40))
TABLE = HEADER + ROWS


@dataclass(frozen=True)
class Case:
    """A file, the command that gets it, and the right answer.

    content : bytes, or a function of a path that writes them; command : with {path} and {folder}
    code : exit code; words : regular expression on the line that says what is wrong; '' for nothing
    """

    name: str
    content: object
    words: str
    code: int = 2
    command: str = CHECK_NM


def parquet(**columns):
    def write(path):
        pa.parquet.write_table(pa.table(columns), path)

    return write


def wide(path):
    path.write_text(
        "sample_id," + ",".join(map(str, range(1, 1_000_001))) + "\na," + ",".join(["0.3"] * 1_000_000) + "\n"
    )


def bomb(path):
    """A megabyte that unpacks to a gigabyte of zeros, as one line."""
    with gzip.open(path, "wb", 6) as stream:
        for _ in range(256):
            stream.write(b"0" * (1 << 22))


def zip_bytes(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def replaced(old, new, count=1):
    assert old in TABLE
    return TABLE.replace(old, new, count).encode()


COUNTS = "check {path} --axis nm --signal counts"
TRANSFER = "transfer {path} --target ph --signal reflectance --rounds 1"
HARMONISE = "harmonise {path} --target ph --signal reflectance --axis nm"
IMPUTE = "impute {path} --property ph --signal reflectance -o {folder}/out.csv"
CONVERT = "convert {path} -o {folder}/out.csv"
LEDGER = "ledger libs --results {path}"

CASES = [
    # files that are no table
    Case("empty.csv", b"", "the file is empty"),
    Case("blank_lines.csv", b"\n\n \n", "the file is empty"),
    Case("header_only.csv", HEADER.encode(), "a header but no sample below it"),
    Case("truncated.csv.gz", gzip.compress(TABLE.encode(), mtime=0)[:-30], "broken gzip file"),
    Case("not_gzip.csv.gz", TABLE.encode(), "broken gzip file"),
    Case("bomb.csv.gz", bomb, "row 1 is longer than 64 MB"),
    Case("nul_bytes.csv", b"\x00" * 5000, "row 1 holds a zero byte, so that this is no text"),
    Case(
        "random.csv",
        bytes(np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8)),
        "is not UTF-8 text|holds a zero byte|no ",
    ),
    Case("latin1.csv", replaced("s3x", "s\xe4x").decode().encode("latin-1"), "row 5 is not UTF-8 text"),
    Case("html.csv", b"<!DOCTYPE html><html><body>Login</body></html>\n", "this is a web page or XML"),
    Case("json.csv", b'{"sample_id": ["a"], "400": [0.3]}\n', "this is JSON; write its table as CSV"),
    Case("excel.csv", b"PK\x03\x04" + bytes(400), "a ZIP archive or a workbook, not CSV"),
    Case("workbook.xlsx", b"PK\x03\x04" + bytes(400), "unknown kind of file; its name should end in"),
    Case("truncated.parquet", b"PAR1" + bytes(100), "not a Parquet table"),
    Case("text.parquet", TABLE.encode(), "not a Parquet table"),
    Case(
        "nested.parquet", parquet(sample_id=["a"], x=[[1]], **{"400": [0.3]}), "column x holds neither numbers nor text"
    ),
    Case("opus.csv", b"\n\n\xfe\xfe" + bytes(100), "a file of Bruker OPUS, not a table"),
    # headers
    Case("no_header.csv", ROWS.encode(), "row 1 looks like data, the header is missing"),
    Case("no_channels.csv", b"sample_id,ph\na,6\n", "no channel; name each channel column"),
    Case("doubled_channel.csv", TABLE.replace(",401,", ",400,", 1).encode(), "channel stands twice .column 400"),
    Case("unsorted.csv", TABLE.replace(",401,402,", ",402,401,", 1).encode(), "channel out of order .column 401"),
    Case(
        "doubled_column.csv",
        TABLE.replace("ph,400", "ph,ph,400", 1).encode(),
        "the header has 23 cells but row 2 has 22",
    ),
    Case("doubled_property.csv", b"sample_id,ph,ph,400\na,6,6,0.3\n", "column stands twice .column ph"),
    Case("two_ids.csv", TABLE.replace("sample_id,ph", "SSN,Sample name", 1).encode(), "SSN and Sample name could name"),
    Case(
        "turned.csv", "".join(["Wavelength,a,b\n", *(f"{nm},0.1,0.2\n" for nm in range(400, 420))]).encode(), "turn the"
    ),
    Case("thousands.csv", b'sample_id,999,"1,000","1,001"\na,1,2,3\n', "thousands separator"),
    Case("micrometres.csv", TABLE.replace("400,401", "0.400,0.401").encode(), "unusual in nm", 0),
    Case("all_micrometres.csv", b"sample_id,0.4,0.5,2.5\na,0.2,0.3,0.4\n", "looks like micrometres", 0),
    Case("angstrom.csv", b"sample_id,4000,10000,24990,25010\na,0.2,0.3,0.4,0.4\n", "unusual in nm", 0),
    Case(
        "two_headers.csv", (HEADER + ",-" + ",nm" * 20 + "\n" + ROWS).encode(), "rows 1 and 2 both look like a header"
    ),
    Case("million_channels.csv", wide, "1,000,001 columns, more than the 100,000"),
    # rows and cells
    Case("ragged.csv", (TABLE + "z,6\n").encode(), "the header has 22 cells but row 42 has 2"),
    Case("ragged_latin1.csv", TABLE.encode() + b"z\xe4,6\n", "row 42 is not UTF-8 text"),
    Case("open_quote.csv", replaced("s3x", '"s3x'), "row"),
    Case("text_cell.csv", replaced("s3x,5.15,0.23", "s3x,5.15,oops"), r"not a number: 'oops' .row 5, column 400"),
    Case("text_property.csv", replaced("s3x,5.15", "s3x,high"), r"not a number: 'high' .row 5, column ph"),
    Case("below_detection.csv", replaced("s3x,5.15", "s3x,<5"), "--below-detection half or missing"),
    Case("infinite.csv", replaced("s3x,5.15,0.23", "s3x,5.15,inf"), r"infinite value in 1 cell .row 5, column 400"),
    Case("nameless.csv", replaced("s3x,", ","), r"sample_id is missing .row 5"),
    Case("doubled_name.csv", replaced("s3x,", "s2x,"), r"sample_id is doubled: 's2x' .row 4; row 5"),
    Case(
        "mixed_decimals.csv", TABLE.replace(",", ";").replace("0.23", "0,23", 1).encode(), "decimal commas and decimal"
    ),
    Case("percent.csv", TABLE.replace(",0.", ",").encode(), "reflectance declared, but .*the scale is that of percent"),
    Case(
        "one_third_percent.csv",
        (HEADER + ROWS + "".join(row(f"p{i}x", 6, 30) for i in range(20))).encode(),
        "20 of 60 s",
    ),
    Case("carbon_150.csv", TABLE.replace("ph", "oc_pct", 1).replace(",5.", ",150.").encode(), "outside 0 to 100 %"),
    Case("no_spectrum.csv", (TABLE + f"z,6,{NAN}\n").encode(), "sample without a spectrum .row 42"),
    # values that can be read, and what is said of them
    Case("codes.csv", replaced("s3x,5.15", "s3x,-9999"), r"1 cell of ph with a code .-9999., read as not measured", 0),
    Case("coded_channel.csv", replaced("s3x,5.15,0.23", "s3x,5.15,-1.23e34"), "1 cell in 1 of 40 samples", 0),
    Case("one_sample.csv", (HEADER + row("a")).encode(), "", 0),
    Case("one_channel.csv", b"sample_id,400\na,0.3\nb,0.4\n", "", 0),
    Case(
        "all_equal.csv",
        (HEADER + "".join(row(f"s{i}x") for i in range(30))).encode(),
        "the same spectrum stands under",
        0,
    ),
    Case("saturated.csv", b"sample_id,400,401\na,1,65535\nb,4,65535\n", "saturated counts", 0, COUNTS),
    Case("markup.csv", replaced("s3x", "[red]<b>s3</b>[/red]"), "", 0),
    Case("formula.csv", replaced("s3x", "=cmd|' /C calc'!A0"), "", 0),
    Case("newline_in_name.csv", replaced("s3x", '"s3\nx"'), "", 0),
    Case(
        "text_column.csv",
        TABLE.replace("ph", "colour", 1).replace(",5.", ",red5.").replace(",6.", ",red6.").encode(),
        "text",
        0,
    ),
    # what commands need
    Case(
        "transfer_no_target.csv",
        TABLE.encode(),
        "no column 'clay_pct' with numbers; there are: ph",
        2,
        TRANSFER.replace("ph", "clay_pct"),
    ),
    Case(
        "transfer_constant.csv",
        (HEADER + "".join(row(f"s{i}x", 6, 0.2 + i / 100) for i in range(40))).encode(),
        "ph is 6 wherever",
        2,
        TRANSFER,
    ),
    Case(
        "transfer_few.csv",
        (HEADER + "".join(ROWS.splitlines(True)[:9])).encode(),
        "ph is measured in 9 samples",
        2,
        TRANSFER,
    ),
    Case("transfer_range.csv", TABLE.encode(), "the network needs 400 to 2499 nm", 2, TRANSFER),
    Case(
        "transfer_counts.csv",
        TABLE.encode(),
        "raw counts are not accepted",
        2,
        TRANSFER.replace("reflectance", "counts"),
    ),
    Case("harmonise_one_laboratory.csv", TABLE.encode(), "one laboratory", 2, HARMONISE),
    Case(
        "harmonise_mixed.csv",
        (HEADER + ROWS + "".join(row(f"p{i}x", 6, 30) for i in range(40))).encode(),
        "40 of 80 s",
        2,
        HARMONISE,
    ),
    Case("impute_few.csv", TABLE.encode(), "at least|share", 2, IMPUTE),
    Case(
        "impute_into_itself.csv",
        TABLE.encode(),
        "change the library itself",
        2,
        IMPUTE.replace("{folder}/out.csv", "{path}"),
    ),
    Case("impute_no_folder.csv", TABLE.encode(), "there is no folder", 2, IMPUTE.replace("out.csv", "gone/out.csv")),
    # instruments' files
    Case(
        "cut.0", b"\n\n\xfe\xfe" + struct.pack("<d3i", 920622.0, 24, 40, 5), "damaged OPUS file|no spectrum", 2, CONVERT
    ),
    Case("cut.asd", b"as8" + bytes(400), "damaged ASD file", 2, CONVERT),
    Case("cut.jdx", b"##TITLE=x\n##XYDATA=(X++(Y..Y))\n400 1 2", "damaged JCAMP-DX file", 2, CONVERT),
    Case("thermo.spa", b"Spectral Data File\r\n" + bytes(600), "Thermo OMNIC .* is not read", 2, CONVERT),
    Case("no_data.sed", b"Comment:\nVersion: 2.2\n", "no columns Wvl and Reflect", 2, CONVERT),
    Case("words.txt", b"nothing to see here\n", "no instrument's file here", 2, CONVERT),
    # records
    Case("cut_record.json", b'{"provenance": {"profile"', "not JSON", 2, LEDGER),
    Case("list.json", b"[1, 2, 3]", "record", 2, LEDGER),
    Case(
        "other.json",
        b'{"provenance": {}, "results": {"nothing.like.this": {"value": 1}}}',
        "its provenance lacks profile, config, seed",
        2,
        LEDGER,
    ),
    Case("binary.json", bytes(range(128, 256)), "not JSON but binary data", 2, LEDGER),
]

# Weights and kept parts, which are no files of commands: what their loaders get, and what they say.
WEIGHTS = {
    "pickle.safetensors": (b"\x80\x04cos\nsystem\n(S'echo harm'\ntR.", "not a file of weights|safetensors"),
    "empty.safetensors": (b"", "not a file of weights|safetensors"),
    "shapes.safetensors": (
        safetensors({"weight": {"dtype": "F32", "shape": [1000, 1000], "data_offsets": [0, 4]}}, b"0000"),
        "not a file of weights|safetensors",
    ),
}
PARTS = {
    "pickle": zip_bytes(**{"part.json": '{"array": "0.npy"}', "0.npy": b"\x80\x04cos\nsystem\n(S'echo harm'\ntR."}),
    "outside": zip_bytes(**{"part.json": '{"array": "../../secret.npy"}'}),
    "cut": zip_bytes(**{"part.json": "1"})[:-10],
    "no_json": zip_bytes(**{"part.json": "{"}),
}


def write(folder):
    """Write all files into a folder."""
    for case in CASES:
        path = Path(folder, case.name)
        case.content(path) if callable(case.content) else path.write_bytes(case.content)


if __name__ == "__main__":
    write(sys.argv[1])
    print(f"{sys.argv[1]}: {len(CASES)} files")
