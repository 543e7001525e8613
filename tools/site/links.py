"""Dead links of the built site, and files that it would load from the network."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
_LOADING_RELATIONS = {"stylesheet", "preload", "icon", "modulepreload", "preconnect", "prefetch"}


def link_problems(html: Path):
    """One line for every dead link and every file that a page would load from the network.

    `_static` holds no pages: it is the theme's, with templates in it.
    """
    pages = sorted(page for page in html.rglob("*.html") if "_static" not in page.relative_to(html).parts)
    return [f"{page.relative_to(html)}: {problem}" for page in pages for problem in _page_problems(page)]


class _Page(HTMLParser):
    """Collects the anchors of a page, its links, and the files that it loads."""

    def __init__(self):
        super().__init__()
        self.anchors, self.links, self.loaded = set(), [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        self.loaded += [attributes[name] for owner, name in _LOADED if owner == tag and attributes.get(name)]
        if tag == "link" and _LOADING_RELATIONS & set((attributes.get("rel") or "").split()):
            self.loaded.append(attributes["href"])


@cache
def _read(page):
    parsed = _Page()
    parsed.feed(page.read_text(encoding="utf-8"))
    return parsed


def _page_problems(page):
    parsed = _read(page)
    for target in parsed.loaded:
        if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
            yield f"loads {target} from outside"
    for target in [*parsed.links, *parsed.loaded]:
        address = urlsplit(target)
        if address.scheme or address.netloc:
            continue
        file = (page.parent / unquote(address.path)).resolve() if address.path else page
        if not file.is_file():
            yield f"dead link to {target}"
        elif _is_dead_anchor(address.fragment, file):
            yield f"dead anchor in link to {target}"


def _is_dead_anchor(fragment, page):
    return bool(fragment) and page.suffix == ".html" and unquote(fragment) not in _read(page).anchors
