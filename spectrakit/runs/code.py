"""The code that a result depends on: all that a function or a class reaches inside the package, as a fingerprint."""

import ast
import hashlib
import sys
import sysconfig
from functools import cache
from pathlib import Path

from spectrakit.resources import data_path

PACKAGE = Path(__file__).parents[1]
_DATA_PATH = ("spectrakit.resources", "data_path")
_BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LIBRARIES = ("site-packages", "dist-packages", Path(sysconfig.get_path("stdlib")).name)


class PackageCode:
    """The source of a package: what its functions, classes and constants reach inside it. Each module is read once.

    root : folder of the package

    Names are followed as the source has them: at the top of a module, imported there or inside a function, as
    attributes of imported rooms, and through the faces of rooms (`submod_attrs` of lazy_loader). Imports are absolute.
    A module used in any other way than by one of its names counts whole. Files that are read by `data_path` with
    constant names count by their content. The room `runs` does not count: no result depends on how it is kept. What the
    code reaches by a name in a text, or by methods of its arguments, is not seen.
    """

    def __init__(self, root=PACKAGE):
        self.root = Path(root)
        self._names, self._definition = cache(self._names), cache(self._definition)
        self.fingerprint = cache(self.fingerprint)

    def fingerprint(self, module, name):
        """SHA-256 of what a name of a module reaches, its definition included; None for a module of a library.

        Docstrings, comments, positions, what exceptions are raised with and the arguments of warnings do not count. A
        name that is not defined at the top of the module stands for the whole module.
        """
        if self._names(module) is None:
            return None
        lines = sorted(f"{place} {digest}" for place, digest in self.reached(module, name).items())
        return hashlib.sha256("\n".join(lines).encode()).digest()

    def reached(self, module, name):
        """The places that a name of a module reaches, see `_definition`, with the digest of each."""
        reached, left = {}, [self._place(module, name) or (module, None)]
        while left:
            place = left.pop()
            if place not in reached:
                reached[place], further = self._definition(*place)
                left += further
        return reached

    def _names(self, module):
        """Names at the top of a module as (definitions, imports), None where its code does not count.

        definitions : {name: list of statements}; imports : as `_imports` gives
        """
        first, *parts = module.split(".")
        if first == self.root.name:
            path = self.root.joinpath(*parts)
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        else:
            # A script or a module of the user, imported before.
            path = Path(getattr(sys.modules.get(module), "__file__", None) or "")
            if not {*_LIBRARIES}.isdisjoint(path.parts):
                return None
        if path.suffix != ".py" or not path.exists() or path.parent == self.root / "runs":
            return None
        definitions, imports = {}, {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(statement, _BLOCKS):
                imports |= _imports(statement, module)
            for name in _bound(statement):
                definitions.setdefault(name, []).append(statement)
        return definitions, imports

    def _definition(self, module, name):
        """Digest of what stands at a place, and the places that it refers to.

        A place is (module, name), (module, None) for a whole module, or (None, parts of `data_path`).
        """
        if module is None:
            path = data_path(*name)
            files = sorted(path.rglob("*") if path.is_dir() else [path])
            return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()], []
        definitions, imports = self._names(module)
        if name is None:
            return None, [place for each in (*definitions, *imports) if (place := self._place(module, each))]
        digest, places = hashlib.sha256(), []
        for statement in map(_Wordless().visit, definitions[name]):
            digest.update(ast.dump(statement).encode())
            places += self._references(statement, module, _imports(statement, module))
        return digest.hexdigest(), places

    def _references(self, node, module, imports):
        """Places that the names below a node stand for; imports : those inside the definition."""
        place = self._target(node, module, imports)
        if place is not None:
            yield place
            return
        if isinstance(node, ast.Call) and self._target(node.func, module, imports) == _DATA_PATH:
            constants = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
            yield None, tuple(constants[: [*constants, None].index(None)])
        for child in ast.iter_child_nodes(node):
            yield from self._references(child, module, imports)

    def _target(self, node, module, imports):
        """The place that a name or an attribute stands for, None for other nodes and for what is not in the package."""
        if isinstance(node, ast.Name):
            return self._place(*imports.get(node.id, (module, node.id)))
        place = self._target(node.value, module, imports) if isinstance(node, ast.Attribute) else None
        return self._place(place[0], node.attr) if place is not None and place[1] is None else place

    def _place(self, module, name):
        """Where a name of a module is defined, None where that is not in the package; name None : the module itself."""
        names = self._names(module)
        if names is None:
            return None
        definitions, imports = names
        if name is None or name in definitions:
            return module, name
        return self._place(*imports.get(name, (f"{module}.{name}", None)))


def _imports(tree, module):
    """{name: (module, name in it or None for the module itself)} of imports below a node and of the face of a room."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            # `import a.b` binds a.
            names = [(alias.asname or alias.name.partition(".")[0], alias) for alias in node.names]
            found |= {name: (alias.name if alias.asname else name, None) for name, alias in names}
        elif isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            face = ast.literal_eval(node.value)
            found |= {name: (f"{module}.{part}", name) for part, names in face.items() for name in names}
    return found


def _bound(statement):
    """Names that a statement at the top of a module binds or may change: of an assignment those on the left."""
    if isinstance(statement, _BLOCKS):
        return {statement.name}
    parts = statement.targets if isinstance(statement, ast.Assign) else [statement]
    nodes = [node for part in parts for node in ast.walk(part)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.name for node in nodes if isinstance(node, _BLOCKS)}


class _Wordless(ast.NodeTransformer):
    """Takes out what people read: docstrings, what exceptions are raised with, the arguments of warnings."""

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Raise(self, node):
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Call(self, node):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "warn":
            node.args, node.keywords = [], []
        return self.generic_visit(node)
