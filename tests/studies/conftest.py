import pytest

from spectrakit import ledger
from spectrakit.studies import load_study


@pytest.fixture(scope="module")
def rebuilt(request):
    """The study in whose folder the tests lie."""
    return load_study(request.path.parent.name)


@pytest.fixture(scope="module")
def outcome(rebuilt, tiny_runs):
    """Of its run cut down to seconds."""
    return tiny_runs(rebuilt.name)


@pytest.fixture(scope="module")
def published(rebuilt):
    return ledger.load_published(rebuilt.name)


@pytest.fixture(scope="module")
def results(rebuilt, outcome, published):
    return rebuilt.results.ledger_results(outcome, published)
