"""The name of a result: a key of all that it depends on."""

import hashlib
import inspect
from datetime import date
from functools import cache, partial
from importlib.metadata import version

from spectrakit.runs.code import PackageCode
from spectrakit.runs.values import is_plain_array, is_simple, taken_apart

# What computes: another version may give other numbers.
LIBRARIES = ("chemotools", "numpy", "optuna", "pandas", "scikit-learn", "scipy", "shap", "torch")
_CODE = PackageCode()


def result_key(*inputs, code=(), files=()):
    """Sixteen hexadecimal digits that change with all that a result depends on.

    inputs : numbers, texts, bytes, None, dates, lists, tuples, dicts and sets of such; arrays, tensors, tables, their
        columns and indexes (names, dtypes, values); dataclasses, networks and estimators (class and attributes);
        functions, classes and partials (by their code)
    code : functions that compute the result, and the classes of objects whose methods they call; with all that these
        reach, see `PackageCode`
    files : paths that are read, by content
    The versions of the libraries that compute always count. The order of dicts and sets does not.
    Raises TypeError for an input of another kind, OSError for a file that cannot be read.
    """
    contents = []
    for path in files:
        with open(path, "rb") as file:
            contents.append(hashlib.file_digest(file, "sha256").digest())
    return _digest([list(inputs), list(code), contents, _versions()]).hex()[:16]


@cache
def _versions():
    return [version(library) for library in LIBRARIES]


def _digest(value):
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(len(piece).to_bytes(8) + piece)
    return digest.digest()


def _pieces(value):
    """A value in bytes: its kind, and what makes it differ from others of that kind."""
    if is_simple(value) or isinstance(value, date | range):
        return [type(value).__name__.encode(), repr(value).encode()]
    if isinstance(value, bytes):
        return [b"bytes", value]
    if is_plain_array(value):
        return [b"array", str(value.dtype).encode(), str(value.shape).encode(), value.tobytes()]
    if isinstance(value, list):
        return [b"list", *map(_digest, value)]
    if isinstance(value, dict | set | frozenset):
        items = value.items() if isinstance(value, dict) else value
        return [b"dict" if isinstance(value, dict) else b"set", *sorted(map(_digest, items))]
    if isinstance(value, partial) or (callable(value) and hasattr(value, "__name__")):
        return [b"code", *_code_pieces(value)]
    kind, simpler = taken_apart(value)
    return [kind.encode(), _digest(simpler), *(_code_pieces(type(value)) if kind == "object" else ())]


def _code_pieces(thing):
    """A function, class, method or partial in bytes."""
    if isinstance(thing, partial):
        return map(_digest, (thing.func, thing.args, thing.keywords))
    if inspect.ismethod(thing):
        return map(_digest, (thing.__func__, thing.__self__))
    thing = inspect.unwrap(thing)
    module, name = thing.__module__ or "", getattr(thing, "__qualname__", thing.__name__)
    code = _CODE.fingerprint(module, name.split(".")[0])
    if code is None and module == "__main__":
        # Of a notebook: its source alone.
        code = inspect.getsource(thing).encode()
    pieces = [f"{module}.{name}".encode(), code or b""]
    if inspect.isfunction(thing) and "<" in name:
        # Functions inside another one are told from each other by what they are made of.
        cells = [cell.cell_contents for cell in thing.__closure__ or () if cell.cell_contents is not thing]
        made_of = (thing.__code__.co_code, list(thing.__code__.co_names), thing.__defaults__, thing.__kwdefaults__)
        pieces += map(_digest, (*made_of, cells))
    return pieces
