import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a module's whole run is kept."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def calls():
    """What a whole run told of its progress."""
    return []
