import shutil
import struct
from functools import partial

import brukeropus
import numpy as np
import pytest
from brukeropus.file.constants import STRUCT_3D_INFO_BLOCK

from spectrakit.tables import convert_files

converted = partial(convert_files, strict=True)

# An OPUS file: magic number, version, place of the directory, blocks at most, blocks; then the directory, 3 x int32 a
# block: type, words, place. A type packs (ratioed, 3), (status, 1) and what is held: 4 absorbance, 12 reflectance.
_DIRECTORY = 24


def _parameters(**values):
    """A parameter block: three letters, kind and length of the value, the value; padded to words."""
    out = b""
    for key, value in values.items():
        if isinstance(value, str):
            packed = value.encode() + b"\0" * (4 - len(value) % 4)
            kind = 2
        else:
            kind, packed = (0, struct.pack("<i", value)) if isinstance(value, int) else (1, struct.pack("<d", value))
        out += key.upper().encode() + b"\0" + struct.pack("<2h", kind, len(packed) // 2) + packed
    return out + b"END\0" + bytes(4)


def opus_bytes(values, first, last, held=4, block=None, **changes):
    """The bytes of an OPUS file that holds one spectrum, or a block of data, on equidistant wavenumbers."""
    status = {"dpf": 1, "npt": len(values), "fxv": float(first), "lxv": float(last), "csf": 1.0}
    status |= {"mxy": float(np.max(values)), "mny": float(np.min(values)), "dxu": "WN"} | changes
    blocks = [
        (3 | 3 << 2 | held << 10, np.asarray(values, dtype="<f4").tobytes() if block is None else block),
        (3 | 3 << 2 | 1 << 4 | held << 10, _parameters(**status)),
        (2 << 4, _parameters(ins="Test 1")),
    ]
    place = _DIRECTORY + 12 * (len(blocks) + 1)
    directory, body = b"", b""
    for kind, data in blocks:
        directory += struct.pack("<3i", kind, len(data) // 4, place + len(body))
        body += data
    header = b"\n\n\xfe\xfe" + struct.pack("<d3i", 920622.0, _DIRECTORY, len(blocks) + 1, len(blocks))
    return header + directory + bytes(12) + body


@pytest.fixture
def write(tmp_path):
    def write(name, *arguments, **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(opus_bytes(*arguments, **options))
        return path

    return write


def test_a_file_becomes_ascending_absorbance(write):
    dataset = converted(write("soil 7.2", [0.5, 0.75, 1.5], 604, 600))
    assert dataset.axis.tolist() == [600, 602, 604]
    assert dataset.spectra.tolist() == [[1.5, 0.75, 0.5]]
    assert (dataset.axis_unit, dataset.signal) == ("cm-1", "absorbance")
    assert dataset.samples.drop(columns="date").to_dict("list") == {
        "sample_id": ["soil 7"],
        "replicate": [2],
        "instrument": ["Test 1"],
    }
    assert dataset.provenance_line() == "measured, 1 Bruker OPUS, file soil 7.2"


def test_reflectance_becomes_absorbance_and_micrometres_wavenumbers(write):
    dataset = converted(write("a.0", [0.1, 0.01], 604, 602, held=12))
    np.testing.assert_allclose(dataset.spectra, [[2, 1]], rtol=1e-6)
    dataset = converted(write("b.0", [1, 2, 3], 4, 2, dxu="MI"))
    np.testing.assert_allclose(dataset.axis, [2500, 10000 / 3, 5000])
    assert dataset.spectra.tolist() == [[1, 2, 3]]


def test_a_scale_factor_in_the_file_counts(write):
    assert converted(write("a.0", [1, 2], 604, 602, csf=0.5)).spectra.tolist() == [[1, 0.5]]


def test_files_on_other_axes_meet_on_the_channels_of_the_coarsest(write, tmp_path):
    fine = np.arange(600, 611.0)
    write("fine.0", (fine * 0.01)[::-1], 610, 600)
    write("coarse.0", [1, 2, 3, 4], 612, 603)  # 3 1/cm apart: 603, 606, 609, 612
    dataset = converted(tmp_path)
    assert dataset.samples["sample_id"].tolist() == ["coarse", "fine"]
    assert dataset.axis.tolist() == [603, 606, 609]
    np.testing.assert_allclose(dataset.spectra, [[4, 3, 2], [6.03, 6.06, 6.09]], rtol=1e-6)
    assert "files interpolated" not in dataset.provenance  # the fine file holds these channels itself
    write("between.0", [1, 2, 3], 611, 602)
    dataset = converted(tmp_path)
    assert dataset.axis.tolist() == [606.5]
    np.testing.assert_allclose(dataset.spectra, [[2], [3 - 0.5 / 3], [6.065]], rtol=1e-6)
    assert dataset.provenance["files interpolated to a common axis"] == 2


def cut(path, n_bytes):
    path.write_bytes(path.read_bytes()[:n_bytes])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_text("sample_id,600\n"), "not an OPUS file"),
        (lambda path: path.write_bytes(b""), "not an OPUS file"),
        (lambda path: cut(path, 4), "damaged OPUS file"),
        (lambda path: cut(path, 60), "damaged OPUS file"),
        (lambda path: cut(path, 76), "damaged OPUS file"),
        (lambda path: path.write_bytes(opus_bytes([1, 2], 604, 602, held=5)), "neither absorbance nor reflectance but"),
        (lambda path: path.write_bytes(opus_bytes([1, 2], 604, 602, dxu="SEC")), "Absorbance is over sec; save it"),
        (
            lambda path: path.write_bytes(opus_bytes([1, 2], 604, 602, dpf=2)),
            "Absorbance is not stored as single precision",
        ),
        (lambda path: path.write_bytes(opus_bytes([1, np.nan], 604, 602)), "damaged OPUS file"),
        (lambda path: path.write_bytes(opus_bytes([1, 2], 604, 604)), "no channels, or one that stands twice"),
        (lambda path: path.write_bytes(opus_bytes([1, 2], 604, 602, npt=9)), "no spectrum in this OPUS file"),
        (lambda path: path.write_bytes(opus_bytes([40, 50], 604, 602, held=12)), "the scale is that of percent"),
        (lambda path: path.write_bytes(opus_bytes([0.4, 0], 604, 602, held=12)), "reflectance of 0 or below"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(write, refused, tmp_path, capsys, change, message):
    write("good.0", [1, 2], 604, 602)
    bad = write("odd.0", [1, 2], 604, 602)
    change(bad)
    refused(bad, message, converted, tmp_path)
    assert capsys.readouterr().out == ""


def test_folders_that_hold_no_or_contradicting_files(write, tmp_path, refused):
    refused(tmp_path, "no file in this folder", converted, tmp_path)
    refused(tmp_path / "gone", "no such file or folder", converted, tmp_path / "gone")
    write("x/a.0", [1, 2], 604, 602)
    twin = write("y/a.0", [1, 2], 604, 602)
    refused(twin, r"its name gives the same sample as .*x/a\.0", converted, tmp_path)
    write("y/a.0", [1, 2], 704, 702)
    (tmp_path / "y" / "a.0").rename(tmp_path / "y" / "a.1")
    refused(tmp_path, "no channel that all 2 files cover", converted, tmp_path)


# --- measured files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n_channels", "ends", "instrument", "date", "pinned"),
    [
        (
            "235157XS01",
            3578,
            (599.7662854, 7498.0428226),
            "VERTEX 70",
            "2015-07-14",
            {700.0488: 1.502389, 1999.8638: 0.7689324},
        ),
        (
            "icr056141",
            1715,
            (499.8151311, 3996.4809871),
            "Alpha",
            "2014-05-29",
            {699.7412: 2.3667042, 3619.0696: 2.1587987},
        ),
    ],
)
def test_the_opus_samples_of_the_ossl(shared, name, n_channels, ends, instrument, date, pinned):
    path = shared / "real" / "ossl" / f"{name}.0"
    dataset = converted(path)
    assert dataset.spectra.shape == (1, n_channels)
    np.testing.assert_allclose((dataset.axis[0], dataset.axis[-1]), ends, atol=1e-6)
    assert dataset.samples.iloc[0].tolist() == [name, 0, instrument, date]
    for wavenumber, value in pinned.items():
        at = np.argmin(np.abs(dataset.axis - wavenumber))
        assert dataset.axis[at] == pytest.approx(wavenumber, abs=1e-4)
        assert dataset.spectra[0, at] == np.float32(value)
    # The file also holds both single beams: absorbance is the logarithm of their ratio.
    beams = brukeropus.read_opus(str(path))
    reference = np.interp(dataset.axis, beams.rf.wn[::-1], beams.rf.y[::-1])
    inside = (dataset.axis > 600) & (dataset.axis < 3990)
    ratio = np.log10(reference / beams.sm.y[::-1])
    np.testing.assert_allclose(dataset.spectra[0, inside], ratio[inside], atol=1e-5)


def test_both_samples_on_a_common_axis(shared, tmp_path):
    for file in (shared / "real" / "ossl").glob("*.0"):
        shutil.copy(file, tmp_path)
    dataset = converted(tmp_path)
    assert dataset.spectra.shape == (2, 1666)
    np.testing.assert_allclose((dataset.axis[0], dataset.axis[-1]), (599.7781573, 3996.4809871), atol=1e-6)
    assert dataset.provenance["files interpolated to a common axis"] == 1
    np.testing.assert_array_equal(dataset.spectra[1], converted(tmp_path / "icr056141.0").spectra[0, -1666:])


_HELD, _FIRST, _SECOND, _SERIES = 127 << 10, 1 << 17, 2 << 17, 2 << 19
_INFO = struct.calcsize("<" + "".join(entry["fmt"] for entry in STRUCT_3D_INFO_BLOCK))


def with_block(data, change, doubled=False):
    """The bytes of an OPUS file whose block of absorbance, and its status, are of a changed type, beside or instead."""
    start, n_most, n_blocks = struct.unpack_from("<3i", data, 12)
    entries = [struct.unpack_from("<3i", data, start + 12 * at) for at in range(n_blocks)]
    absorbance = [(kind, words, place) for kind, words, place in entries if kind & ~(1 << 4) == 15 | 4 << 10]
    assert len(absorbance) == 2
    changed = bytearray(data)
    if doubled:
        # The directory moves to the end, where there is room for two more blocks.
        entries = [(change(kind), words, place) for kind, words, place in absorbance] + entries
        struct.pack_into("<3i", changed, 12, len(data), max(n_most, len(entries) + 1), len(entries))
        changed += b"".join(struct.pack("<3i", *entry) for entry in entries) + bytes(12)
        return bytes(changed)
    for at, entry in enumerate(entries):
        if entry in absorbance:
            struct.pack_into("<i", changed, start + 12 * at, change(entry[0]))
    return bytes(changed)


@pytest.mark.parametrize("name", ["235157XS01", "icr056141"])
def test_only_absorbance_is_taken_for_absorbance(shared, tmp_path, name, refused):
    data = (shared / "real" / "ossl" / f"{name}.0").read_bytes()
    spectra = converted(shared / "real" / "ossl" / f"{name}.0").spectra
    path = tmp_path / "soil.0"
    for content in (
        with_block(data, lambda kind: kind & ~_HELD | 15 << 10),  # log(1/R)
        *(with_block(data, lambda kind, order=order: kind | order, doubled=True) for order in (_FIRST, _SECOND)),
    ):
        path.write_bytes(content)
        np.testing.assert_array_equal(converted(path).spectra, spectra)
    for change, message in (
        (lambda kind: kind | _FIRST, "only a derivative .Absorbance First Derivative.; save the spectrum itself"),
        (lambda kind: kind | _SECOND, "only a derivative .Absorbance Second Derivative."),
        (lambda kind: kind & ~_HELD | 6 << 10, "neither absorbance nor reflectance but .*Kubelka-Munk"),
        (lambda kind: kind & ~_HELD | 5 << 10, "neither absorbance nor reflectance but .*Transmittance"),
    ):
        path.write_bytes(with_block(data, change))
        refused(path, message, converted, path)


def test_a_series_of_spectra_is_called_so(write, refused):
    spectra = b"".join(np.array(row, "<f4").tobytes() + bytes(_INFO) for row in ([1, 2], [3, 4]))
    series = struct.pack("<8i", 0, 2, 32, 8, _INFO, 1, 1, 2) + spectra
    path = write("soil.0", [1, 2], 604, 602, held=4 | _SERIES >> 10, block=series)
    refused(path, "several spectra in one file .Absorbance .Series..; save each as a", converted, path)
