import numpy as np
import pandas as pd
import pytest

from spectrakit import tables
from spectrakit.simulate.library import samples as library
from spectrakit.simulate.libs import experiment as libs
from spectrakit.simulate.soils import gejiu, lucas
from spectrakit.tables import read_table


@pytest.fixture
def no_simulation(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the simulation was started")

    monkeypatch.setattr(libs, "simulate_libs", refuse)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_the_experiment_is_written_and_read_back_the_same(command, tmp_path, ending):
    path = tmp_path / f"experiment.{ending}"
    code, out, err = command("simulate", "libs", "--seed", "3", "-o", path)
    assert (code, err, len(out)) == (0, [], 1)
    assert out[0].startswith(f"{path}: 24 rows of 223 channels; simulated, seed 3, spectrakit simulate libs")
    assert "pulse_energy_mJ 100" in out[0]
    expected = libs.simulate_libs(random_state=3)
    found = read_table(path, "nm", "counts")
    assert np.array_equal(found.axis, expected.axis)
    assert np.array_equal(found.spectra, expected.spectra)
    pd.testing.assert_frame_equal(found.properties, expected.properties)
    assert found.samples.sample_id.tolist() == [f"S{i:02d}" for i in range(1, 25)]
    assert found.samples.replicate.tolist() == [1] * 24
    assert found.provenance["origin"] == "simulated"
    assert found.provenance["seed"] == 3
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_check_finds_the_file_usable(command, tmp_path):
    path = tmp_path / "experiment.csv.gz"
    command("simulate", "libs", "--replicates", "2", "-o", path)
    code, out, err = command("check", path, "--axis", "nm", "--signal", "counts")
    assert (code, err) == (0, [])
    assert "  samples   48" in out
    # The three windows are three: two gaps are the one thing there is to say.
    assert out[-1] == "usable: 0 errors, 1 warning"
    assert out[-2].startswith("warning: axis has 2 gaps without channels: 280.99 to 421.01, 422.73 to 588.82 nm")


def test_replicates_stand_below_one_another(command, tmp_path):
    command("simulate", "libs", "--replicates", "2", "-o", tmp_path / "two.parquet")
    found = read_table(tmp_path / "two.parquet", "nm", "counts")
    assert found.samples.sample_id.tolist()[:4] == ["S01", "S01", "S02", "S02"]
    assert found.samples.replicate.tolist()[:4] == [1, 2, 1, 2]
    assert not np.array_equal(found.spectra[0], found.spectra[1])


def test_the_same_seed_writes_the_same_bytes(command, tmp_path):
    for name, seed in (("a.csv.gz", 1), ("b.csv.gz", 1), ("c.csv.gz", 2)):
        command("simulate", "libs", "--seed", seed, "-o", tmp_path / name)
    a, b, c = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert a == b
    assert a != c


def test_a_survey_reaches_from_200_to_975_nm(command, tmp_path, monkeypatch):
    soils = libs.spiked_soils()
    first = libs.Soils(*(getattr(soils, name).iloc[:1] for name in libs.Soils.__dataclass_fields__))
    monkeypatch.setattr(libs, "study_soils", lambda random_state: first)
    code, out, _ = command("simulate", "libs", "--survey", "-o", tmp_path / "survey.csv.gz")
    assert code == 0
    assert "1 rows of 26,138 channels" in out[0]
    found = read_table(tmp_path / "survey.csv.gz", "nm", "counts")
    assert np.array_equal(found.axis, libs.survey_axis())
    np.testing.assert_allclose(found.axis[[0, -1]], [200, 975])


def test_an_unknown_ending_is_refused_before_the_simulation(command, tmp_path, no_simulation):
    code, out, err = command("simulate", "libs", "-o", tmp_path / "experiment.xlsx")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("spectrakit: ")
    assert err[0].endswith("unknown kind of file; its name should end in .csv, .csv.gz, .parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused_before_the_simulation(command, tmp_path, no_simulation):
    code, out, err = command("simulate", "libs", "-o", tmp_path / "gone" / "experiment.csv")
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].endswith(f"there is no folder {tmp_path / 'gone'}; make it first")


@pytest.mark.parametrize("options", [("--replicates", "0"), ("--seed", "-1"), ("--seed", "x"), ()])
def test_wrong_options_give_code_2(command, tmp_path, no_simulation, options):
    target = ("-o", tmp_path / "experiment.csv") if options else ()
    code, _, err = command("simulate", "libs", *options, *target)
    assert code == 2
    assert "Traceback" not in "\n".join(err)


def test_a_failed_write_leaves_the_old_file_as_it_was(command, tmp_path, monkeypatch):
    path = tmp_path / "experiment.csv"
    path.write_text("what was there")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("pyarrow.csv.write_csv", full)
    code, _, err = command("simulate", "libs", "-o", path)
    assert (code, err) == (2, ["spectrakit: no space left on device"])
    assert path.read_text() == "what was there"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


# --- soils ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "simulation", "ending"),
    [("lucas", lucas.simulate_lucas, "parquet"), ("gejiu", gejiu.simulate_gejiu, "csv.gz")],
)
def test_soils_are_written_and_read_back_the_same(command, tmp_path, name, simulation, ending):
    path = tmp_path / f"soils.{ending}"
    code, out, err = command("simulate", name, "-n", "12", "--seed", "4", "-o", path)
    assert (code, err, len(out)) == (0, [], 1)
    assert out[0].startswith(f"{path}: 12 rows of 2,100 channels; simulated, seed 4, spectrakit simulate {name}")
    expected, found = simulation(12, 4), read_table(path, "nm", "reflectance")
    assert np.array_equal(found.spectra, expected.spectra)
    pd.testing.assert_frame_equal(found.properties, expected.properties)
    pd.testing.assert_frame_equal(found.samples, expected.samples, check_dtype=False)
    assert (found.provenance["origin"], found.provenance["seed"]) == ("simulated", 4)


@pytest.mark.parametrize("name", ["lucas", "gejiu"])
def test_check_finds_soils_usable_without_a_warning(command, tmp_path, name):
    command("simulate", name, "-n", "40", "-o", tmp_path / "soils.csv")
    code, out, err = command("check", tmp_path / "soils.csv", "--axis", "nm", "--signal", "reflectance")
    assert (code, err, out[-1]) == (0, [], "usable: 0 errors, 0 warnings")


@pytest.mark.parametrize(("name", "expected"), [("lucas", 19036), ("gejiu", 130)])
def test_by_default_there_are_as_many_soils_as_in_the_study(command, tmp_path, monkeypatch, name, expected):
    module, real = {"lucas": lucas, "gejiu": gejiu}[name], {}

    def few(n_samples, *rest, **options):
        real["n"] = n_samples
        return original(3, *rest, **options)

    original = getattr(module, f"simulate_{name}")
    monkeypatch.setattr(module, f"simulate_{name}", few)
    assert command("simulate", name, "-o", tmp_path / "soils.csv")[0] == 0
    assert real["n"] == expected


@pytest.mark.parametrize("name", ["lucas", "gejiu"])
@pytest.mark.parametrize("options", [("-n", "0"), ("--seed", "-1"), ("-n", "x")])
def test_wrong_options_for_soils_give_code_2(command, tmp_path, name, options):
    code, _, err = command("simulate", name, *options, "-o", tmp_path / "soils.csv")
    assert code == 2
    assert "Traceback" not in "\n".join(err)
    assert list(tmp_path.iterdir()) == []


# --- the mid-infrared library --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forty():
    """A library of 40 samples, seed 4."""
    return library.simulate_mir(40, 4)


@pytest.fixture
def two_programmes(monkeypatch):
    """A library of the last two programmes only, which is drawn sooner."""
    last = library.programmes()[-2:]
    monkeypatch.setattr(library, "programmes", lambda: last)


@pytest.mark.parametrize("ending", ["parquet", "csv.gz"])
def test_a_library_is_written_as_a_table_and_read_back_the_same(command, tmp_path, forty, ending):
    path = tmp_path / f"library.{ending}"
    code, out, err = command("simulate", "mir", "-n", "40", "--seed", "4", "-o", path)
    assert (code, err, len(out)) == (0, [], 1)
    assert out[0] == (
        f"{path}: 40 rows of 1,700 channels; simulated, seed 4, spectrakit simulate mir, "
        "instrument spectrometers of 12 laboratories"
    )
    found = read_table(path, "cm-1", "absorbance")
    assert np.array_equal(found.spectra, forty.spectra)
    pd.testing.assert_frame_equal(found.properties, forty.properties)
    pd.testing.assert_frame_equal(found.samples, forty.samples, check_dtype=False)
    assert (found.provenance["origin"], found.provenance["seed"]) == ("simulated", 4)


def test_a_library_is_written_as_a_folder_of_blocks(command, tmp_path, forty):
    path = tmp_path / "library"
    code, out, err = command("simulate", "mir", "-n", "40", "--seed", "4", "-o", path)
    assert (code, err, len(out)) == (0, [], 1)
    assert out[0].startswith(f"{path}: 40 rows of 1,700 channels; simulated, seed 4, spectrakit simulate mir")
    found = tables.read_library(path, "cm-1", "absorbance")
    assert np.array_equal(found.spectra, forty.spectra)
    pd.testing.assert_frame_equal(found.properties, forty.properties)
    pd.testing.assert_frame_equal(found.samples, forty.samples, check_dtype=False)
    assert [item.name for item in path.iterdir()] == ["part-00000.parquet"]
    assert [item.name for item in tmp_path.iterdir()] == ["library"]


def test_a_folder_that_is_there_or_has_no_place_is_refused_before_the_simulation(command, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("the simulation was started")

    monkeypatch.setattr(library, "draw_soils", refuse)
    (tmp_path / "library").mkdir()
    for path, words in (
        (tmp_path / "library", "this exists already; name a new folder, or delete it first"),
        (tmp_path / "gone" / "library", f"there is no folder {tmp_path / 'gone'}; make it first"),
        (tmp_path / "library.xlsx", "unknown kind of file; its name should end in .csv, .csv.gz, .parquet"),
    ):
        code, out, err = command("simulate", "mir", "-o", path)
        assert (code, out, err) == (2, [], [f"spectrakit: {path}: {words}"])
    assert list((tmp_path / "library").iterdir()) == []


def test_a_library_that_fails_on_the_way_leaves_nothing(command, tmp_path, monkeypatch, two_programmes):
    def full(table, path, **_):
        path.write_text("half of it")
        raise OSError("no space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    code, _, err = command("simulate", "mir", "-n", "40", "-o", tmp_path / "library")
    assert (code, err) == (2, ["spectrakit: no space left on device"])
    assert list(tmp_path.iterdir()) == []


def test_check_finds_a_library_usable(command, tmp_path, two_programmes):
    command("simulate", "mir", "-n", "40", "-o", tmp_path / "library.csv")
    code, out, err = command("check", tmp_path / "library.csv", "--axis", "cm-1", "--signal", "absorbance")
    assert (code, err) == (0, [])
    assert out[-1].startswith("usable: 0 errors")
    # Baselines may lie below zero, as those of real laboratories do; nothing else is doubtful.
    warnings = [line for line in out if line.startswith("warning")]
    assert all(line.startswith("warning: absorbance below 0 in ") for line in warnings)


def test_by_default_a_library_has_the_study_s_size(command, tmp_path, monkeypatch, two_programmes):
    asked = []

    def few(n_samples, *rest):
        asked.append(n_samples)
        return original(18, *rest)

    original = library.mir_blocks
    monkeypatch.setattr(library, "mir_blocks", few)
    assert command("simulate", "mir", "-o", tmp_path / "library")[0] == 0
    assert asked == [56_787]


@pytest.mark.parametrize("options", [("-n", "0"), ("--seed", "-1"), ("-n", "x")])
def test_wrong_options_for_a_library_give_code_2(command, tmp_path, options):
    code, _, err = command("simulate", "mir", *options, "-o", tmp_path / "library")
    assert code == 2
    assert "Traceback" not in "\n".join(err)
    assert list(tmp_path.iterdir()) == []
