"""Does every room import only from rooms before it, and from their faces?"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spectrakit"
# Rooms in the order in which data flow; a set stands side by side. Sub-rooms likewise, within their room.
ORDER = {
    "": [
        {"resources", "files", "contents"},
        {"spectra"},
        {"runs"},
        {"tables", "simulate"},
        {"preprocess"},
        {"evaluation"},
        {"models"},
        {"training", "explain"},
        {"workflows"},
        {"studies"},
        {"ledger"},
        {"teaching", "cli"},
    ],
    "simulate": [{"instruments"}, {"libs", "soils"}, {"library"}],
    "workflows": [{"outcome"}, {"transfer", "harmonise", "impute"}],
    "studies": [{"study"}, {"libs", "gejiu", "mir"}],
    "teaching": [{"exercises", "figures", "sentences"}, {"widgets"}],
}
RANK = {room: {name: rank for rank, names in enumerate(order) for name in names} for room, order in ORDER.items()}
MODULES = sorted(path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py"))
OUTSIDE = sorted(path for part in ("book", "benchmarks", "tools") for path in (ROOT / part).rglob("*.py"))


def imports(source):
    """(module, name) below spectrakit of every import, wherever it stands; relative imports are not used here."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: write the whole name of the module"
            parts = node.module.split(".")
            if parts[0] == "spectrakit":
                yield from ((tuple(parts[1:]), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            parts = [alias.name.split(".") for alias in node.names]
            yield from ((tuple(name[1:-1]), name[-1]) for name in parts if name[0] == "spectrakit" and name[1:])


def is_room(parts, package=PACKAGE):
    """Whether a dotted name is a folder, whose face is its `__init__`, rather than a module."""
    return package.joinpath(*parts).is_dir()


def wrong_imports(source, module=None):
    """What a file may not import; module : its path below spectrakit, None for a file outside the package."""
    wrong = []
    for target, name in imports(source):
        whole = (
            (*target, name)
            if is_room((*target, name)) or (PACKAGE.joinpath(*target, f"{name}.py")).exists()
            else target
        )
        if not whole or name == "__version__":
            continue
        if name == "*" or (name.startswith("_") and not name.startswith("__")):
            wrong.append(f"{'.'.join(target)}.{name} is private")
        shared = _shared(whole, module)
        if shared is not None and not _flows(whole, module, shared):
            wrong.append(f"{'.'.join(whole)} does not stand before {'.'.join(module)}")
        if _behind_a_face(target, name, module):
            wrong.append(f"{'.'.join(target)} is behind a face")
    return wrong


def _shared(whole, module):
    """How many rooms two modules share, from the top; None outside the package."""
    if module is None:
        return None
    same = 0
    while same < min(len(whole), len(module)) and whole[same] == module[same]:
        same += 1
    return same


def _flows(whole, module, shared):
    room = ".".join(module[:shared])
    if shared >= min(len(whole), len(module)) or room not in RANK:
        return True
    rank = RANK[room]
    return whole[shared] in rank and module[shared] in rank and rank[whole[shared]] < rank[module[shared]]


def _behind_a_face(target, name, module):
    """Whether an import reaches a module inside a room that the importing file does not stand in."""
    parts = target if not is_room(target) else (*target, name)
    room = parts[:-1]
    is_module = PACKAGE.joinpath(*parts).with_suffix(".py").exists()
    return bool(room) and is_module and (module is None or module[: len(room)] != room)


@pytest.mark.parametrize("module", MODULES, ids="/".join)
def test_imports_come_from_rooms_before_and_through_faces(module):
    source = PACKAGE.joinpath(*module).with_suffix(".py").read_text(encoding="utf-8")
    if module[-1] == "__init__":
        # A face names its modules and imports them when they are used.
        assert list(imports(source)) == []
        return
    assert module[0] in RANK[""], f"{module[0]} is no room of the plan"
    assert wrong_imports(source, module) == []


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_whoever_stands_outside_imports_from_faces(path):
    assert wrong_imports(path.read_text(encoding="utf-8")) == []


def test_no_module_is_a_catch_all():
    assert not {"utils", "util", "helpers", "misc", "common"} & {part for module in MODULES for part in module}


def test_no_room_holds_more_than_ten_modules():
    folders = [PACKAGE, *(path for path in PACKAGE.rglob("*") if path.is_dir())]
    counts = {
        folder.name: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders
    }
    assert max(counts.values()) <= 10, counts


@pytest.mark.parametrize(
    ("module", "source", "n_wrong"),
    [
        (("spectra",), "def f():\n    from spectrakit.models import CNNConfig\n", 1),
        (("training", "plain"), "from spectrakit.explain import grad_cam", 1),
        (("training", "plain"), "from spectrakit.training.stacked import fit_stacked", 0),
        (("tables", "reading"), "from spectrakit import simulate", 1),
        (("simulate", "libs", "atoms"), "import spectrakit.resources\nimport numpy", 0),
        (("simulate", "soils", "lucas"), "from spectrakit.simulate.library import simulate_mir", 1),
        (("simulate", "library", "samples"), "from spectrakit.simulate.soils import draw_soils", 0),
        (("simulate", "library", "samples"), "from spectrakit.simulate.soils.lucas import simulate_lucas", 1),
        (("simulate", "library", "samples"), "from spectrakit.simulate.soils import lucas", 1),
        (("studies", "libs", "run"), "from spectrakit.nowhere import x", 1),
        (("studies", "libs", "run"), "from spectrakit.studies.mir import PROFILES", 1),
        (("cli", "studies"), "from spectrakit import __version__, ledger", 0),
        (None, "from spectrakit.tables.reading import read_table", 1),
        (None, "from spectrakit.tables import _read, read_table", 1),
        (None, "from spectrakit import evaluation, simulate\nfrom spectrakit.simulate import libs", 0),
    ],
)
def test_wrong_imports_are_found(module, source, n_wrong):
    assert len(wrong_imports(source, module)) == n_wrong
