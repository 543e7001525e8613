import numpy as np
import pandas as pd
import pytest

from spectrakit import simulate, tables
from spectrakit.simulate.library import samples as library_samples
from spectrakit.simulate.libs import experiment
from tests.endings import done, refused

N_SAMPLES = 40
# Command to simulation of few samples and a seed, options of the command, axis unit, signal and start of the last line.
COMMANDS = {
    "libs": (lambda n, seed: simulate.libs.simulate_libs(random_state=seed), (), "nm", "counts", "24 rows of 223 "),
    "lucas": (simulate.soils.simulate_lucas, ("-n", N_SAMPLES), "nm", "reflectance", "40 rows of 2,100 "),
    "gejiu": (simulate.soils.simulate_gejiu, ("-n", N_SAMPLES), "nm", "reflectance", "40 rows of 2,100 "),
    "mir": (simulate.library.simulate_mir, ("-n", N_SAMPLES), "cm-1", "absorbance", "40 rows of 1,700 "),
}


@pytest.fixture
def no_simulation(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the simulation was started")

    monkeypatch.setattr(simulate.libs, "simulate_libs", refuse)
    monkeypatch.setattr(library_samples, "draw_soils", refuse)


@pytest.fixture
def two_programmes(monkeypatch):
    """A library of the last two programmes only, which is drawn sooner."""
    last = library_samples.programmes()[-2:]
    monkeypatch.setattr(library_samples, "programmes", lambda: last)


def assert_same(found, expected):
    assert np.array_equal(found.axis, expected.axis) and np.array_equal(found.spectra, expected.spectra)
    pd.testing.assert_frame_equal(found.properties, expected.properties)
    pd.testing.assert_frame_equal(found.samples, expected.samples, check_dtype=False)


@pytest.mark.parametrize(("name", "ending"), [("libs", "csv"), ("lucas", "parquet"), ("gejiu", "csv.gz"), ("mir", "")])
def test_what_is_simulated_is_written_read_back_the_same_and_usable(command, tmp_path, name, ending):
    simulation, options, axis_unit, signal, words = COMMANDS[name]
    path = tmp_path / f"soils.{ending}".rstrip(".")
    (line,) = done(command, "simulate", name, *options, "--seed", 4, "-o", path)
    assert line.startswith(f"{path}: {words}channels; simulated, seed 4, spectrakit simulate {name}")
    found = tables.read_library(path, axis_unit, signal)
    assert_same(found, simulation(N_SAMPLES, 4))
    assert (found.provenance["origin"], found.provenance["seed"]) == ("simulated", 4)
    assert [item.name for item in tmp_path.iterdir()] == [path.name]

    out = done(command, "check", path, "--axis", axis_unit, "--signal", signal)
    assert out[-1].startswith("usable: 0 errors")
    warnings = [line for line in out if line.startswith("warning")]
    # The three windows of the LIBS experiment are three, and baselines may lie below zero as those of laboratories do.
    gaps = "warning: axis has 2 gaps without channels: 280.99 to 421.01, 422.73 to 588.82 nm"
    expected = {"libs": [gaps], "mir": ["warning: absorbance below 0 in "]}.get(name, [])
    assert len(warnings) <= len(expected) and all(map(str.startswith, warnings, expected))


def test_a_library_may_be_one_table(command, tmp_path, two_programmes):
    assert done(command, "simulate", "mir", "-n", N_SAMPLES, "-o", tmp_path / "library.parquet") == [
        f"{tmp_path / 'library.parquet'}: 40 rows of 1,700 channels; simulated, seed 0, spectrakit simulate mir, "
        "instrument spectrometers of 12 laboratories"
    ]
    assert_same(
        tables.read_table(tmp_path / "library.parquet", "cm-1", "absorbance"), simulate.library.simulate_mir(N_SAMPLES)
    )


@pytest.fixture
def two_soils(monkeypatch):
    """The LIBS experiment with its first two soils only."""
    soils = experiment.spiked_soils()
    first = experiment.Soils(*(getattr(soils, name).iloc[:2] for name in experiment.Soils.__dataclass_fields__))
    monkeypatch.setattr(experiment, "study_soils", lambda random_state: first)


def test_replicates_stand_below_one_another_and_the_same_seed_writes_the_same_bytes(command, tmp_path, two_soils):
    for name, seed in (("a.csv.gz", 1), ("b.csv.gz", 1), ("c.csv.gz", 2)):
        command("simulate", "libs", "--replicates", 2, "--seed", seed, "-o", tmp_path / name)
    found = tables.read_table(tmp_path / "a.csv.gz", "nm", "counts")
    assert found.samples.sample_id.tolist() == ["S01", "S01", "S02", "S02"]
    assert found.samples.replicate.tolist() == [1, 2, 1, 2]
    assert not np.array_equal(found.spectra[0], found.spectra[1])
    a, b, c = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert a == b and a != c


def test_a_survey_reaches_from_200_to_975_nm(command, tmp_path, two_soils):
    (line,) = done(command, "simulate", "libs", "--survey", "-o", tmp_path / "survey.parquet")
    assert "2 rows of 26,138 channels" in line
    found = tables.read_table(tmp_path / "survey.parquet", "nm", "counts")
    assert np.array_equal(found.axis, experiment.survey_axis())
    np.testing.assert_allclose(found.axis[[0, -1]], [200, 975])


def test_by_default_there_are_as_many_soils_as_in_the_study(command, tmp_path, monkeypatch):
    asked, three = {}, simulate.soils.simulate_gejiu(3)
    for room, name in ((simulate.soils, "lucas"), (simulate.soils, "gejiu"), (simulate.library, "mir")):

        def few(n_samples, *_, name=name):
            asked[name] = n_samples
            return three

        monkeypatch.setattr(room, f"simulate_{name}", few)
        assert command("simulate", name, "-o", tmp_path / "soils.csv")[0] == 0
    assert asked == {"lucas": 19036, "gejiu": 130, "mir": 56_787}


@pytest.mark.parametrize(
    ("name", "place", "words"),
    [
        ("libs", "soils.xlsx", "unknown kind of file; its name should end in .csv, .csv.gz, .parquet"),
        ("libs", "gone/soils.csv", "there is no folder {folder}/gone; make it first"),
        ("mir", "library", "this exists already; name a new folder, or delete it first"),
        ("mir", "gone/library", "there is no folder {folder}/gone; make it first"),
        ("mir", "library.xlsx", "unknown kind of file; its name should end in .csv, .csv.gz, .parquet"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_the_simulation(
    command, tmp_path, no_simulation, name, place, words
):
    (tmp_path / "library").mkdir()
    words = words.format(folder=tmp_path)
    assert refused(command, "simulate", name, "-o", tmp_path / place) == f"spectrakit: {tmp_path / place}: {words}"
    assert [item.name for item in tmp_path.rglob("*")] == ["library"]


def test_a_failed_write_leaves_what_was_there(command, tmp_path, monkeypatch, two_programmes):
    def full(*_, **__):
        raise OSError("no space left on device")

    (tmp_path / "experiment.csv").write_text("what was there")
    monkeypatch.setattr("pyarrow.csv.write_csv", full)
    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    for arguments in (("libs", "-o", "experiment.csv"), ("mir", "-n", N_SAMPLES, "-o", "library")):
        assert command("simulate", *arguments[:-1], tmp_path / arguments[-1])[::2] == (
            2,
            ["spectrakit: no space left on device"],
        )
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("experiment.csv", "what was there")]
