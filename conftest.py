import pytest


def pytest_itemcollected(item):
    """One worker makes the short runs of the studies for all tests that look at them."""
    if "tiny_runs" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.xdist_group("tiny_runs"))


def pytest_collection_modifyitems(items):
    """Unit tests first, then the chapters, which take longest."""
    items.sort(key=lambda item: item.path.name == "test_chapters.py")
