"""Does every room of the package import only from the rooms to its left?"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "spectrakit"
ROOMS = [
    {"resources"},
    {"spectra"},
    {"tables", "simulate"},
    {"preprocess"},
    {"models"},
    {"training"},
    {"evaluation"},
    {"explain"},
    {"studies"},
    {"ledger"},
    {"teaching"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py"))


def imported_rooms(source, module):
    """Rooms that a module's source imports, wherever the import stands; `module` is its path below spectrakit."""
    package = ("spectrakit", *module[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            start = (*base, *(node.module.split(".") if node.module else ()))
            names = [(*start, alias.name) for alias in node.names]
        else:
            continue
        yield from (name[1] for name in names if name[0] == "spectrakit" and name[1:] and name[1] != "__version__")


def wrong_imports(source, module):
    """Rooms that a module may not import: those to the right of its own, those beside it, and unknown ones."""
    own = module[0]
    return [room for room in imported_rooms(source, module) if room != own and RANK.get(room, len(ROOMS)) >= RANK[own]]


@pytest.mark.parametrize("module", MODULES, ids="/".join)
def test_imports_come_from_the_left(module):
    if module == ("__init__",):
        assert not list(imported_rooms((PACKAGE / "__init__.py").read_text(encoding="utf-8"), module))
        return
    assert module[0] in RANK, f"{module[0]} is no room of DESIGN's plan"
    assert wrong_imports((PACKAGE / Path(*module)).with_suffix(".py").read_text(encoding="utf-8"), module) == []


def test_no_module_is_a_catch_all():
    assert not {"utils", "util", "helpers", "misc", "common"} & {part for module in MODULES for part in module}


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        (("spectra",), "def f():\n    from spectrakit.models import cnn\n", ["models"]),
        (("training", "folds"), "from ..explain import gradcam", ["explain"]),
        (("training", "folds"), "from . import networks\nfrom .networks import fit", []),
        (("tables",), "from spectrakit import simulate", ["simulate"]),
        (("simulate", "atoms"), "import spectrakit.resources\nimport numpy", []),
        (("studies", "libs"), "from spectrakit.nowhere import x", ["nowhere"]),
        (("cli",), "from spectrakit import __version__, ledger", []),
    ],
)
def test_wrong_imports_are_found(module, source, wrong):
    assert wrong_imports(source, module) == wrong
