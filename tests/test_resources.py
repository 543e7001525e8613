from pathlib import Path

import pytest

from spectrakit import resources


def test_data_files_are_found_in_the_checkout_and_in_an_installed_package(tmp_path, monkeypatch):
    assert resources.data_path("atomic", "lines.csv").is_file()
    monkeypatch.setattr(resources, "_PACKAGED", tmp_path)
    assert resources.data_path("atomic", "lines.csv") == tmp_path / "atomic" / "lines.csv"


def test_data_hold_no_code():
    """The folder is a part of the wheel."""
    assert not list(resources.data_path("README.md").parent.rglob("*.py"))


@pytest.mark.parametrize("value", [None, ""])
def test_no_measured_folder_and_the_quick_profile_unless_they_are_named(monkeypatch, value):
    for name in ("SPECTRAKIT_DATA", "SPECTRAKIT_PROFILE", "SPECTRAKIT_RUNS"):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert resources.measured_folder() is None
    assert resources.profile_name() == "quick"
    assert resources.runs_folder() == Path(".spectrakit/runs")


def test_the_named_folder_and_profile(monkeypatch, tmp_path):
    monkeypatch.setenv("SPECTRAKIT_DATA", str(tmp_path))
    monkeypatch.setenv("SPECTRAKIT_PROFILE", "paper")
    assert resources.measured_folder() == tmp_path
    monkeypatch.setenv("SPECTRAKIT_RUNS", str(tmp_path / "runs"))
    assert resources.profile_name() == "paper"
    assert resources.runs_folder() == tmp_path / "runs"


def test_a_folder_that_is_not_there_is_named_with_a_remedy(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for name in ("gone", "file"):
        monkeypatch.setenv("SPECTRAKIT_DATA", str(tmp_path / name))
        with pytest.raises(FileNotFoundError, match=f"SPECTRAKIT_DATA=.*{name}: there is no such folder; unset it"):
            resources.measured_folder()
