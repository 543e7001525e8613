from pathlib import Path

import pytest
from filelock import FileLock

from tools.site.browse import chromium, opened
from tools.site.executor import execute_chapters
from tools.site.layout import BookError, Layout
from tools.site.publisher import build_site


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium; tests skip where none is installed."""
    opening = chromium()
    try:
        program = opening.__enter__()
    except BookError as missing:
        pytest.skip(str(missing))
    yield program
    opening.__exit__(None, None, None)


@pytest.fixture(scope="session")
def site(browser):
    """Folder of the book's site; the first process builds it, another waits."""
    layout = Layout(Path(__file__).parents[2])
    layout.build.mkdir(exist_ok=True)
    with FileLock(layout.build / "site.lock"):
        execute_chapters(layout)
        return build_site(layout).parent


@pytest.fixture
def page(browser, site):
    """Open a page of the site by its name, with what `opened` takes."""
    opening = []

    def show(name, *arguments, **options):
        opening.append(opened(browser, site / f"{name}.html", *arguments, **options))
        return opening[-1].__enter__()

    yield show
    for one in opening:
        one.__exit__(None, None, None)
