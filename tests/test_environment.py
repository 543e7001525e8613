"""Do the lock, the conda environment and the declared dependencies say the same?"""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK_LINES = [
    line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")
]
CONDA_NAMES = {"pytorch-cpu": "torch"}
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": "3.11"}


def locked_versions():
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in LOCK_LINES)}


def direct_dependencies():
    """Requirements of the package, of the extras that the two commands need, and of its build."""
    extras = PYPROJECT["project"]["optional-dependencies"]
    declared = [*PYPROJECT["project"]["dependencies"], *extras["book"], *extras["test"]]
    return [Requirement(text) for text in [*declared, *PYPROJECT["build-system"]["requires"]]]


def is_accelerator(name):
    """Whether torch's Linux wheel alone brings this package, at a version that the wheel itself fixes."""
    return name == "triton" or name.startswith(("nvidia-", "cuda-"))


def transitive_requirements(requirement, seen):
    """Every requirement that follows from one on Linux, read from the installed packages."""
    key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
    if key in seen:
        return
    seen.add(key)
    for text in requires(requirement.name) or []:
        needed = Requirement(text)
        extras = requirement.extras or {""}
        wanted = needed.marker is None or any(needed.marker.evaluate({**LINUX, "extra": extra}) for extra in extras)
        if wanted and not is_accelerator(canonicalize_name(needed.name)):
            yield needed
            yield from transitive_requirements(needed, seen)


def test_lock_pins_public_versions_only():
    assert [line for line in LOCK_LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []


@pytest.mark.parametrize("requirement", direct_dependencies(), ids=str)
def test_lock_satisfies_everything_that_is_needed(requirement):
    locked = locked_versions()
    needed = [requirement, *transitive_requirements(requirement, set())]
    missing = {
        f"{one} (locked: {locked.get(canonicalize_name(one.name))})"
        for one in needed
        if not one.specifier.contains(locked.get(canonicalize_name(one.name), Version("0")), prereleases=True)
        or canonicalize_name(one.name) not in locked
    }
    assert missing == set()


def test_conda_environment_agrees_with_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    dependencies = environment["dependencies"]
    pinned = dict(entry.split("=") for entry in dependencies if "=" in entry)
    # What conda-forge does not have comes through pip.
    pinned |= dict(entry.split("==") for part in dependencies if isinstance(part, dict) for entry in part["pip"])
    python = pinned.pop("python")
    assert Version(python) in Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier
    conda = {canonicalize_name(CONDA_NAMES.get(name, name)): Version(version) for name, version in pinned.items()}
    locked = locked_versions()
    assert conda == {canonicalize_name(one.name): locked[canonicalize_name(one.name)] for one in direct_dependencies()}
