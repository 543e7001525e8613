import pytest


def pytest_collection_modifyitems(items):
    """The chapters, which take longest, first; tests that share the small runs of the studies in one process."""
    items.sort(key=lambda item: item.path.name != "test_chapters.py")
    for item in items:
        if "tiny_runs" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("tiny runs"))
