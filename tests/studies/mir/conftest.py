from dataclasses import replace

import pytest

from spectrakit.studies.mir.protocol import filled, fit_content, unseen_intervals
from spectrakit.studies.mir.run import LibraryInputs


@pytest.fixture(scope="session")
def made():
    """What is made once for all modules, by name."""
    return {}


@pytest.fixture
def inputs(made, tiny_mir, tmp_path):
    """A library of 800 soils, and a profile of networks of one member and one epoch."""
    if not made:
        profile = replace(tiny_mir, few=replace(tiny_mir.few, max_epochs=1), n_members=1, n_passes=2)
        made["inputs"] = LibraryInputs(profile, 0, None, tmp_path)
    return made["inputs"]


@pytest.fixture
def library(inputs):
    return inputs.library


@pytest.fixture
def fitted(made, inputs, library):
    """The network of organic matter, fitted to all measured rows."""
    if "fitted" not in made:
        made["fitted"] = fit_content(library, inputs.X, "om", library.measured("om"), inputs.profile)
    return made["fitted"]


@pytest.fixture
def table(made, inputs, library, fitted):
    """The gaps of organic matter filled."""
    if "table" not in made:
        rows = library.measured("om")
        predicted = fitted.network.predict(inputs.X[rows])
        intervals = unseen_intervals("om", fitted.offset)
        intervals.fit(library.content("om")[rows], predicted, groups=library.laboratory[rows])
        made["table"] = filled(library, inputs.X, "om", fitted, intervals)
    return made["table"]
