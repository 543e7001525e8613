"""What a built site can do without: icons that no page shows, maps for debuggers, widgets of an older kind."""

import re
from io import BytesIO

from PIL import Image

# An icon of Font Awesome as its script and its style sheet have it.
_DRAWN = re.compile(r'"?([a-z0-9-]+)"?:\[\d+,\d+,\[[^\[\]]*\],"[0-9a-f,]*",(?:"[^"]*"|\["[^"]*","[^"]*"\])\],?')
_OF_FONT = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]*"\}')
_ICON_NAME = re.compile(r"\bfa-([a-z0-9-]+)")
_VERSION_7 = re.compile(r'define\("@jupyter-widgets/base7".*(?=define\("@jupyter-widgets/html-manager",)', re.DOTALL)
_COLOURS = 64


def lighten(html):
    """Remove from a built site what its pages do not use, some two megabytes a page, and pack its figures.

    Left are the icons whose names stand in a page or a script of the theme. Figures keep 64 colours.
    """
    for path in html.rglob("*.map"):
        path.unlink()
    _keep_used_icons(html)
    for path in html.glob("_images/*.png"):
        _pack_figure(path)


def _keep_used_icons(html):
    script = html / "_static" / "scripts" / "fontawesome.js"
    style = html / "_static" / "styles" / "pydata-sphinx-theme.css"
    texts = {*html.glob("*.html"), *html.glob("_static/*.js"), *script.parent.glob("*.js")} - {script}
    used = {name for path in texts for name in _ICON_NAME.findall(path.read_text(encoding="utf-8"))}
    for path, icon in ((script, _DRAWN), (style, _OF_FONT)):
        # A rule of the style sheet names its icon with 'fa-' before it, an entry of the script without.
        text = path.read_text(encoding="utf-8")
        path.write_text(icon.sub(lambda found: found[0] if used & _names(found) else "", text), encoding="utf-8")


def _names(icon):
    return set(icon.groups() or _ICON_NAME.findall(icon[0]))


def _pack_figure(path):
    with Image.open(path) as figure:
        ground = Image.new("RGBA", figure.size, "white")
        ground.alpha_composite(figure.convert("RGBA"))
    packed = BytesIO()
    ground.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    if packed.tell() < path.stat().st_size:
        path.write_bytes(packed.getvalue())


def without_version_7(script):
    """The widgets' script without its second copy, which only widgets saved by ipywidgets 7 load."""
    return _VERSION_7.sub("", script)
