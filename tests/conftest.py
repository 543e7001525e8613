from functools import cache
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"


def pytest_collection_modifyitems(items):
    """The chapters, which take longest, first, and the site, which needs them all, last."""
    items.sort(key=lambda item: (item.path.name == "test_site.py") - (item.path.name == "test_chapters.py"))


@pytest.fixture(scope="session")
def shared():
    """The folder of measured spectra and reference material beside the checkout; without it, tests skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with measured spectra is not there")
    return SHARED


@pytest.fixture
def command(capsys):
    """Run the command line: arguments to exit code, lines on stdout and lines on stderr."""
    from spectrakit import cli

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_of:
            cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return exit_of.value.code, out.splitlines(), err.splitlines()

    return run


@pytest.fixture
def run(command, tmp_path, monkeypatch):
    """`command` in an empty folder, `tmp_path`, and on a terminal of 200 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return command


@pytest.fixture
def cells():
    """The cells of the tables among lines of text, a list a row."""
    return lambda lines: [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]


@pytest.fixture(scope="module")
def tiny_libs():
    """The LIBS study cut down to seconds, under the name of its quick profile: 5 epochs, 5 trees, weak baselines."""
    with pytest.MonkeyPatch.context() as patch:
        _cut_libs(patch)
        yield


def _cut_libs(patch):
    from spectrakit.models.baselines import libs_baselines
    from spectrakit.models.cnn import CNNConfig
    from spectrakit.studies.libs import protocol, results

    def weak_baselines(random_state=None):
        models = libs_baselines(random_state)
        models["BPNN"].set_params(regressor__fixediterationsmlp__max_iter=20)
        models["PLS"].set_params(max_components=2)
        return models

    profile = protocol.Profile(1, n_trees=5, n_measurements=2, n_blanks=5)
    patch.setitem(protocol.PROFILES, "quick", profile)
    patch.setattr(protocol, "libs_baselines", weak_baselines)
    for module in (protocol, results):
        patch.setattr(module, "OPEN_CHOICES", protocol.OpenChoices(cnn=CNNConfig(max_epochs=5)))


@pytest.fixture(scope="module")
def tiny_gejiu():
    """The Gejiu study cut down to seconds, under the name of its quick profile: 120 source soils, two epochs."""
    with pytest.MonkeyPatch.context() as patch:
        yield _cut_gejiu(patch)


def _cut_gejiu(patch):
    from dataclasses import replace

    from spectrakit.studies.gejiu.protocol import PROFILES

    quick = PROFILES["quick"]
    tiny = replace(
        quick,
        n_source=120,
        source_recipe=replace(quick.source_recipe, max_epochs=2),
        long_recipes=(replace(quick.source_recipe, name="paper", max_epochs=3),),
        target_recipe=replace(quick.target_recipe, max_epochs=3),
        n_explained=8,
        n_points=3,
        n_compared=40,
        train_sizes=(20, 98),
    )
    patch.setitem(PROFILES, "quick", tiny)
    return tiny


@pytest.fixture(scope="module")
def tiny_mir():
    """The mid-infrared study cut down to seconds, as its quick profile: 800 soils, 12 standards, two epochs."""
    with pytest.MonkeyPatch.context() as patch:
        yield _cut_mir(patch)


def _cut_mir(patch):
    from dataclasses import replace

    from spectrakit.studies.mir import run
    from spectrakit.studies.mir.protocol import FEW_RECIPE, PROFILES

    patch.setattr(run, "simulated_library", _tiny_library)
    tiny = replace(
        PROFILES["quick"],
        n_samples=800,
        compared=("none", "snv+epo"),
        n_compared=10,
        n_linear=150,
        n_left_out=120,
        min_left_out=20,
        few=replace(FEW_RECIPE, max_epochs=2, bfloat16=False),
        n_passes=3,
    )
    patch.setitem(PROFILES, "quick", tiny)
    return tiny


@cache
def _tiny_library(n_samples, random_state):
    """A library, made once a process; 12 of the 60 standards, since every harmonisation decomposes all their scans."""
    from dataclasses import replace

    from spectrakit.studies.mir.domains import simulated_library

    library = simulated_library(n_samples, random_state)
    few = library.ring[1] <= "R12"
    return replace(library, ring=tuple(part[few] for part in library.ring))


class TinyRuns:
    """Runs of the studies cut down to seconds, each made once; folder : of their kept parts, a folder a study."""

    def __init__(self, folder):
        self.folder, self.calls, self._made = folder, {}, {}

    def __call__(self, name):
        """The outcome of a study; `calls` has what was reported of its progress."""
        from spectrakit.studies import load_study

        if name not in self._made:
            self.calls[name] = []
            with pytest.MonkeyPatch.context() as patch:
                {"libs": _cut_libs, "gejiu": _cut_gejiu, "mir": _cut_mir}[name](patch)
                study, progress = load_study(name), lambda *call: self.calls[name].append(call)
                self._made[name] = study.run("quick", 0, self.folder / name, progress=progress)
        return self._made[name]


@pytest.fixture(scope="session")
def tiny_runs(tmp_path_factory):
    return TinyRuns(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def three_laboratories():
    """Three laboratories drawn at random, 40 soils each, as a table would hold them, every 4 1/cm from 650 on."""
    import numpy as np
    import pandas as pd

    from spectrakit.spectra import SpectralDataset, library_axis
    from tools.make.random_laboratories import draw_survey, draw_world

    generator = np.random.default_rng(12)
    world = draw_world(generator)
    surveys = [draw_survey(40, world, generator) for _ in range(3)]
    names = np.repeat(["a", "b", "c"], 40)
    dataset = SpectralDataset(
        spectra=np.concatenate([survey.spectra for survey in surveys]),
        axis=library_axis(),
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame({"oc_g_kg": np.concatenate([s.properties["oc_g_kg"] + 0.1 for s in surveys])}),
        samples=pd.DataFrame({"sample_id": [f"s{i}" for i in range(120)], "laboratory": names}),
        provenance={"origin": "simulated", "source": "a test", "seed": 12},
    )
    return dataset.resample(np.arange(652.0, 3990, 4))
