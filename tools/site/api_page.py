"""The page of the package's public names, made from the docstrings of its rooms' faces."""

import importlib
import inspect
import re

PAGE = "api"
ROOMS = (
    "contents", "spectra", "tables", "simulate.libs", "simulate.soils", "simulate.library", "preprocess", "evaluation",
    "models", "training", "explain", "workflows.transfer", "workflows.harmonise", "workflows.impute",
)  # fmt: skip
_OPENING = """\
# The package, name by name

Every public function and class of `spectrakit` by room, with what it takes, gives and refuses. Its text is that of the
code, so `help(spectrakit.evaluation.rpd)` shows the same. [How to use this book](how_to_use.md) says where to begin.

"""
# The line of a parameter: its name or names, a colon between spaces, and what it is; a line can have several.
_PARAMETER = re.compile(r"^((?:[a-zA-Z_]\w*(?:, )?)+) : (.+)$")
_NEXT = re.compile(r"; (?=[a-zA-Z_]\w*(?:, \w+)* : )")


def api_page():
    """Markdown of the page."""
    return _OPENING + "\n".join(map(_room, ROOMS))


def _room(name):
    module = importlib.import_module(f"spectrakit.{name}")
    things = [(one, getattr(module, one)) for one in _public(module)]
    entries = [_entry(one, thing) for one, thing in things if inspect.isroutine(thing) or inspect.isclass(thing)]
    return f"## `spectrakit.{name}`\n\n{_text(inspect.getdoc(module))}\n\n" + "\n".join(entries)


def _public(module):
    """Names that a face hands on, or that a module defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    return sorted(
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    )


def _entry(name, thing):
    try:
        signature = f"{inspect.signature(thing)}".replace("'", '"')
    except ValueError:
        signature = ""
    signature = re.sub(r"<(\w[\w. ]*?) (?:object )?at 0x[0-9a-f]+>", r"\1", signature)
    return f"### `{name}`\n\n```python\n{name}{signature}\n```\n\n{_text(inspect.getdoc(thing) or '')}\n"


def _text(docstring):
    """A docstring as Markdown: parameters as a list, examples as code, all else as it stands."""
    lines, in_list, in_code = [], False, False
    for line in _NEXT.sub("\n", docstring).splitlines():
        parameter = _PARAMETER.match(line)
        if line.startswith(">>>") != in_code and not (in_code and line.strip()):
            lines.append("\n```python" if not in_code else "```")
            in_code = not in_code
        if in_list and not parameter and not line.startswith(" "):
            lines.append("")
        in_list = bool(parameter) or (in_list and line.startswith(" "))
        if parameter:
            lines.append(f"- **{parameter[1]}**: {_plain(parameter[2])}")
        else:
            lines.append(line if in_code else _plain(line))
    return "\n".join([*lines, *["```"] * in_code])


def _plain(text):
    """Text whose signs mean nothing in Markdown, but for code in backquotes."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_<>$\[\]|#])", r"\\\1", part) for part in parts)
