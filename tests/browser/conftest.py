import shutil

import pytest

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, as playwright drives it; tests skip where no Chromium is installed."""
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """Open an HTML file in a window of a width, light or dark: a page of playwright.

    Its errors and requests are kept in `page.errors` and `page.asked`.
    """
    contexts = []

    def opened(path, width=1280, dark=False):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme="dark" if dark else "light",
                has_touch=width < 600,
            )
        )
        page = contexts[-1].new_page()
        page.errors, page.asked = [], []
        page.on("pageerror", lambda error: page.errors.append(f"{error}"))
        page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
