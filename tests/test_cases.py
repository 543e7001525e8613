"""Are the small files of ../shared/cases, which show what users do, read as its README says?"""

import re
import runpy
import sys

import pytest

from spectrakit.models import transfer_baselines
from spectrakit.tables import read_table
from spectrakit.workflows import transfer

MIR = ("cm-1", "percent-reflectance")
NM = ("nm", "percent-reflectance")
# File, axis unit and signal; whether it can be used; what `check` says, as regular expressions.
CASES = [
    (
        *("missing/contents_-9999", *NM, True),
        r"3 cells of ph with a code \(-9999\), read as not measured \(row 5, .*row 9, .*row 21",
        r"2 cells of som_pct with a code \(-99\)",
        r"2 cells of clay_pct with a code \(999\)",
    ),
    ("missing/ph_0", *NM, True, r"3 cells of ph with a code \(0\), read as not measured \(row 5"),
    ("missing/channels_usgs", *NM, True, "8 cells in 2 of 40 samples impossible for the signal"),
    (
        *("missing/channels_-9999_absorbance", "cm-1", "absorbance", True),
        "6 cells in 2 of 32 samples impossible for the signal",
    ),
    (
        "missing/below_detection",
        *NM,
        False,
        r"not a number: '<0.5' \(row 6, .*row 8, .*--below-detection half or missing",
    ),
    ("missing/below_detection_no_unit", *NM, False, "not a number: '<0.5' .*--below-detection half or missing"),
    ("replicates/in_the_id", *NM, True, "names differ by a counter alone while spectra nearly agree"),
    ("replicates/column", *NM, True),
    ("replicates/group", *NM, True),
    (
        "scales/fractions_one_spike",
        *NM,
        False,
        "percent-reflectance declared, but the scale is that of fractions or absorbance in 40",
    ),
    (
        "scales/absorbance",
        "nm",
        "reflectance",
        True,
        "reflectance declared, but the shape is that of absorbance in 40 of 40 samples",
    ),
    (
        "scales/mir_reflectance",
        "cm-1",
        "absorbance",
        True,
        "absorbance declared, but the shape is that of reflectance in 40",
    ),
    ("axes/two_detectors", *NM, True, "channels of two detectors seem to alternate from 839 to 1017.1 nm. Keep those"),
    ("axes/transposed", *NM, False, "wavelengths or wavenumbers stand in the first column.*turn the table round"),
    ("axes/transposed_numbered", *NM, False, "stand in the first column.*turn the table round"),
    ("axes/thousands", *NM, False, "channels 1,017, 1,068, 1,149 look like numbers with a thousands separator"),
    ("headers/sample_ID", *MIR, True, "column sample_ID names the samples"),
    ("headers/POINT_ID", *MIR, True, "column POINT_ID names the samples"),
    ("headers/Sample_ID", *MIR, True, "column Sample ID names the samples"),
    ("headers/m_prefix", *MIR, True, "names of channels begin with 'm'", "column SSN names the samples"),
    ("headers/X_prefix", *MIR, True, "names of channels begin with 'X'"),
    ("headers/trailing_commas", *MIR, True, "3 empty columns at the end left out"),
    (
        *("headers/semicolons_decimal_commas", *MIR, True),
        "cells are separated by semicolons",
        "numbers have decimal commas",
    ),
    ("headers/remarks_above", *MIR, True, "2 rows above the header left out"),
    ("folder", *NM, True, r"left out of the folder: \._soils.csv, notes.csv"),
]


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    place = tmp_path_factory.mktemp("cases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["make.py", str(place)])
        runpy.run_path(str(shared / "cases" / "make.py"), run_name="__main__")
    return place


@pytest.mark.filterwarnings("ignore::pandas.errors.PerformanceWarning")
@pytest.mark.parametrize(("name", "axis", "signal", "usable", "words"), [(*case[:4], case[4:]) for case in CASES])
def test_a_case_is_read_or_refused_as_is_right(run, folder, name, axis, signal, usable, words):
    path = folder / (name if name == "folder" else f"{name}.csv")
    code, out, err = run("check", path, "--axis", axis, "--signal", signal)
    lines = [line for line in [*out, *err] if line.startswith(("error: ", "warning: ", "note: ", "spectrakit: "))]
    assert (code == 0) == usable and len(err) <= 1
    for expected in words:
        assert any(re.search(expected, line) for line in lines), lines
    # Nothing else is said but what is right.
    assert len(lines) == max(len(words), 1 if not usable else 0) or name in (
        "missing/below_detection_no_unit",
        "scales/absorbance",
    )
    if usable:
        # Commands say the same.
        notes = "\n".join(read_table(path, axis, signal).notes)
        assert all(re.search(expected, notes) for expected in words)
    else:
        with pytest.raises(ValueError, match=words[0]):
            read_table(path, axis, signal)


def test_replicates_of_one_folder_each_give_their_scores(run, folder, monkeypatch):
    monkeypatch.setattr(transfer, "transfer_models", lambda: {"pls": transfer_baselines()["pls"]})
    pinned = {}
    for name in ("in_the_id", "group", "column"):
        path = folder / "replicates" / f"{name}.csv"
        options = ("--signal", "percent-reflectance", "--rounds", 1, "--target", "soc_pct")
        code, out, _ = run("transfer", path, *options, "-o", f"{name}.json")
        assert code == 0
        pls = next(line for line in out if "pls" in line.lower() and "│" in line)
        pinned[name] = float(re.search(r"-?\d+\.\d+", pls)[0])
        assert ("warning: names differ by a counter" in "\n".join(out)) == (name == "in_the_id")
    # Contents are dealt out at random: what is above 0 comes from scans of one soil on both sides.
    assert pinned["group"] == pinned["column"] < 0 and pinned["in_the_id"] > pinned["group"] + 2, pinned
