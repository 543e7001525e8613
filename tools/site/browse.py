"""The pages of a built site in headless Chromium: what they load, how they serve every reader, and as one PDF."""

import shutil
from contextlib import contextmanager
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools.site.layout import BookError

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDE, NARROW = 1280, 390
# All that is folded: cells, solutions, quizzes.
_UNFOLD = """() => {
  for (const part of document.querySelectorAll("details")) part.open = true;
  for (const part of document.querySelectorAll(".toggle-hidden")) part.classList.remove("toggle-hidden");
}"""
_AXE = "axe.run(document).then(({violations}) => violations.map(({id, nodes}) => [id, nodes.length]))"
_PAPER = {"format": "A4", "scale": 0.8, "margin": dict.fromkeys(("top", "bottom", "left", "right"), "16mm")}
_READY = "() => window.MathJax?.startup ? MathJax.startup.promise.then(() => true) : true"


@contextmanager
def chromium():
    """Headless Chromium as playwright drives it. Raises BookError where none is installed."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise BookError(f"No browser: install one of {', '.join(PROGRAMS)}.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, query="", width=WIDE, dark=False):
    """A page of a site in a window of `width` pixels, once its widgets and formulas stand.

    `page.errors` lists the errors that its scripts raised or wrote, `page.asked` the addresses that it asked for.
    """
    scheme, touch = "dark" if dark else "light", width < 600
    viewport = {"width": width, "height": 800}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, has_touch=touch, reduced_motion="reduce")
    page = context.new_page()
    page.errors, page.asked = [], set()
    page.on("pageerror", lambda error: page.errors.append(f"{error}"))
    page.on("console", lambda line: page.errors.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: page.asked.add(request.url))
    page.goto(path.as_uri() + query)
    page.evaluate(_READY)
    page.wait_for_load_state("networkidle")
    yield page
    context.close()


def faults(browser, path, dark=False):
    """What is wrong with a page of a site, and its weight in megabytes, all files that it loads together.

    Returns ([text of a fault, ...], megabytes). Faults are requests to other places, files that are not there, errors
    of scripts, rules of axe that an element breaks with all that is folded open, and a page wider than a telephone.
    """
    with opened(browser, path, dark=dark) as page:
        inside, outside = _places(page.asked)
        found = [f"asks for {url}" for url in outside]
        found += [f"{name.name} is not there" for name in inside if not name.exists()]
        found += page.errors
        page.evaluate(_UNFOLD)
        page.add_script_tag(content=files("axe_playwright_python").joinpath("axe.min.js").read_text())
        found += [f"{rule}: {count} elements" for rule, count in page.evaluate(_AXE)]
        page.set_viewport_size({"width": NARROW, "height": 800})
        width = page.evaluate("document.documentElement.scrollWidth")
        found += [f"is {width} pixels wide on a screen of {NARROW}"] * (width > NARROW)
    return found, sum(name.stat().st_size for name in inside if name.exists()) / 1e6


def _places(urls):
    """Files of the site among addresses, and the addresses of other places."""
    parts = [(url, urlsplit(url)) for url in urls]
    inside = {Path(unquote(part.path)) for _, part in parts if part.scheme == "file"}
    return inside, [url for url, part in parts if part.scheme not in ("file", "data", "blob")]


def print_book(html, pages, target):
    """Write pages of a site as one PDF with an entry for each in its contents. Raises BookError without a browser."""
    from pypdf import PdfWriter

    book = PdfWriter()
    with chromium() as browser:
        for name in pages:
            with opened(browser, html / f"{name}.html") as page:
                book.append(BytesIO(page.pdf(**_PAPER)), outline_item=page.title().split(" \u2014 ")[0])
    book.write(target)
    return target
