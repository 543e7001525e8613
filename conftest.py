def pytest_collection_modifyitems(items):
    """Unit tests first, then the chapters, which take longest."""
    items.sort(key=lambda item: item.path.name == "test_chapters.py")
