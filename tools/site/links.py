"""Dead links of the built site, and files that it would load from the network."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

_LOADING_RELATIONS = ["stylesheet", "preload", "icon", "modulepreload", "preconnect", "prefetch"]


def link_problems(html: Path):
    """One line for every dead link and every file that a page would load from the network.

    `_static` holds no pages: it is the theme's, with templates in it.
    """
    pages = sorted(page for page in html.rglob("*.html") if "_static" not in page.relative_to(html).parts)
    return [f"{page.relative_to(html)}: {problem}" for page in pages for problem in _page_problems(page)]


@cache
def _read(page):
    """The anchors of a page, its links, and the files that it loads: a set and two lists."""
    parsed = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    anchors = {tag["id"] for tag in parsed.select("[id]")} | {tag["name"] for tag in parsed.select("a[name]")}
    loaded = [tag["src"] for tag in parsed.select("script[src], img[src], iframe[src], source[src]")]
    loaded += [tag["href"] for tag in parsed.find_all("link", rel=_LOADING_RELATIONS)]
    return anchors, [tag["href"] for tag in parsed.select("a[href]")], loaded


def _page_problems(page):
    _, links, loaded = _read(page)
    for target in loaded:
        if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
            yield f"loads {target} from outside"
    for target in [*links, *loaded]:
        address = urlsplit(target)
        if address.scheme or address.netloc:
            continue
        file = (page.parent / unquote(address.path)).resolve() if address.path else page
        if not file.is_file():
            yield f"dead link to {target}"
        elif address.fragment and file.suffix == ".html" and unquote(address.fragment) not in _read(file)[0]:
            yield f"dead anchor in link to {target}"
