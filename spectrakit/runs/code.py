"""The code that a result depends on: all that a function or a class reaches inside the package, as a fingerprint."""

import ast
import hashlib
import sys
import sysconfig
from functools import cache
from pathlib import Path

from spectrakit.resources import data_path

PACKAGE = Path(__file__).parents[1]
_BLOCKS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class PackageCode:
    """The source of a package, read once: what its functions, classes and constants reach inside it.

    root : folder of the package

    Names are followed as the source has them: at the top of a module, imported there or inside a function, as
    attributes of imported rooms, and through the faces of rooms (`submod_attrs` of lazy_loader). Imports are absolute.
    A module used in any other way than by one of its names counts whole. Files that are read by `data_path` with
    constant names count by their content. What reaches code by its name as text is not seen.
    """

    def __init__(self, root=PACKAGE):
        self.root = Path(root)
        self._module, self._definition = cache(self._module), cache(self._definition)
        self.fingerprint = cache(self.fingerprint)

    def fingerprint(self, module, name):
        """SHA-256 of what a name of a module reaches, its definition included; None for a module of a library.

        Docstrings, comments, positions, what exceptions are raised with and the arguments of `warnings.warn` do not
        count. A name that is not defined at the top of the module stands for the whole module.
        """
        names = self._module(module)
        if names is None:
            return None
        reached, left = {}, [(module, name if name in names.definitions else None)]
        while left:
            place = left.pop()
            if place not in reached:
                reached[place], further = self._definition(*place)
                left += further
        lines = sorted(f"{place} {digest}" for place, digest in reached.items())
        return hashlib.sha256("\n".join(lines).encode()).digest()

    def _module(self, module):
        """The `_Names` of a module, None where it belongs to a library or is not there."""
        first, *parts = module.split(".")
        if first == self.root.name:
            path = self.root.joinpath(*parts)
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        else:
            # A script or module of the user.
            path = Path(getattr(sys.modules.get(module), "__file__", None) or "")
            if str(path).startswith(_LIBRARIES):
                return None
        return _Names(module, path) if path.suffix == ".py" and path.is_file() else None

    def _definition(self, module, name):
        """Digest of a definition, and the places (module, name) that it refers to.

        A name of None is the whole module, a module of None a file of the kit's data.
        """
        if module is None:
            path = data_path(*name)
            files = sorted(path.rglob("*") if path.is_dir() else [path])
            return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()], []
        names = self._module(module)
        if name is None:
            every = (self._member(module, each) for each in (*names.definitions, *names.imports))
            return None, [place for place in every if place]
        digest, places = hashlib.sha256(), []
        for statement in map(_Wordless().visit, names.definitions[name]):
            digest.update(ast.dump(statement).encode())
            places += self._references(statement, module, _imports(statement))
        return digest.hexdigest(), places

    def _references(self, node, module, imports):
        """Places that the names below a node stand for; imports : those inside the definition."""
        if isinstance(node, ast.Name | ast.Attribute):
            place = self._place(node, module, imports)
            if place is not None:
                yield place
                return
        if isinstance(node, ast.Call) and self._place(node.func, module, imports) == self._data_path:
            constants = [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args]
            yield None, tuple(constants[: constants.index(None)] if None in constants else constants)
        for child in ast.iter_child_nodes(node):
            yield from self._references(child, module, imports)

    @property
    def _data_path(self):
        return f"{self.root.name}.resources", "data_path"

    def _place(self, node, module, imports):
        """The place that a name or an attribute stands for, None where that is not in the package."""
        if isinstance(node, ast.Name):
            return self._imported(*imports[node.id]) if node.id in imports else self._member(module, node.id)
        if not isinstance(node, ast.Attribute):
            return None
        place = self._place(node.value, module, imports)
        return self._member(place[0], node.attr) if place is not None and place[1] is None else place

    def _member(self, module, name):
        """The place of a name of a module: where it is defined, or the module or room that it is."""
        names = self._module(module)
        if name in names.definitions:
            return module, name
        if name in names.imports:
            return self._imported(*names.imports[name])
        return (f"{module}.{name}", None) if names.is_room and self._module(f"{module}.{name}") else None

    def _imported(self, module, name):
        if self._module(module) is None:
            return None
        return (name and self._member(module, name)) or (module, None)


class _Names:
    """The names at the top of a module: `definitions`, name to statements, and `imports`, name to (module, name)."""

    def __init__(self, module, path):
        self.is_room = path.name == "__init__.py"
        self.definitions, self.imports = {}, {}
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(statement, _BLOCKS):
                self.imports |= _imports(statement)
                if self.is_room:
                    self.imports |= _face(statement, module)
            for name in dict.fromkeys(_bound(statement)):
                self.definitions.setdefault(name, []).append(statement)


def _imports(tree):
    """{name: (module, name in it, None for the module itself)} of the imports below a node."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            whole = {alias.asname or alias.name.split(".")[0]: alias for alias in node.names}
            found |= {name: (alias.name if alias.asname else name, None) for name, alias in whole.items()}
    return found


def _face(statement, module):
    """The names that the `lazy_loader.attach` of a room gives out, as `_imports`."""
    keywords = [node for node in ast.walk(statement) if isinstance(node, ast.keyword) and node.arg == "submod_attrs"]
    rooms = ast.literal_eval(keywords[0].value) if keywords else {}
    return {name: (f"{module}.{part}", name) for part, names in rooms.items() for name in names}


def _bound(statement):
    """Names that a statement at the top of a module binds or changes."""
    for node in [statement] if isinstance(statement, _BLOCKS) else ast.walk(statement):
        if isinstance(node, _BLOCKS):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))
        elif isinstance(node, ast.Expr):
            # Such as a call that fills a table.
            yield from (name.id for name in ast.walk(node) if isinstance(name, ast.Name))


class _Wordless(ast.NodeTransformer):
    """Takes out what people read: docstrings, what exceptions are raised with, the arguments of `warnings.warn`."""

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
