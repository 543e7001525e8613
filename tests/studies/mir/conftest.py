from dataclasses import replace

import pytest

from spectrakit.studies.mir.protocol import filled, fit_content, unseen_intervals
from spectrakit.studies.mir.run import LibraryInputs


@pytest.fixture(scope="module")
def inputs(tiny_mir, tmp_path_factory):
    """A library of 800 soils, and a profile of networks of one member and one epoch."""
    profile = replace(tiny_mir, few=replace(tiny_mir.few, max_epochs=1), n_members=1, n_passes=2)
    return LibraryInputs(profile, 0, None, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def library(inputs):
    return inputs.library


@pytest.fixture(scope="module")
def fitted(inputs, library):
    """The network of organic matter, fitted to all measured rows."""
    return fit_content(library, inputs.X, "om", library.measured("om"), inputs.profile)


@pytest.fixture(scope="module")
def table(inputs, library, fitted):
    """The gaps of organic matter filled."""
    rows = library.measured("om")
    intervals, predicted = unseen_intervals("om", fitted.offset), fitted.network.predict(inputs.X[rows])
    intervals.fit(library.content("om")[rows], predicted, groups=library.laboratory[rows])
    return filled(library, inputs.X, "om", fitted, intervals)
