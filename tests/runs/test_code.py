import shutil
import sys

import numpy as np
import pytest

from spectrakit.runs import code
from spectrakit.runs.code import PACKAGE, PackageCode
from spectrakit.workflows import transfer

FILES = {
    "__init__.py": "import lazy_loader\nattach = lazy_loader.attach(__name__, submodules=['room'])\n",
    "resources.py": "def data_path(*parts):\n    return parts\n",
    "room/__init__.py": (
        "import lazy_loader\n"
        "__getattr__, __dir__, __all__ = lazy_loader.attach(\n"
        "    __name__, submodules=['inner'], submod_attrs={'scores': ['r2', 'TABLE']})\n"
    ),
    "room/scores.py": (
        "import numpy as np\n\nTABLE = {'a': 1}\nTABLE['b'] = 2\nTABLE.update(c=3)\n\n\n"
        "def r2(y):\n    return np.mean(y) * _scale(y)\n\n\ndef _scale(y):\n    return 2.0\n\n\n"
        "def unrelated(y):\n    return 0\n"
    ),
    "runs/__init__.py": "",
    "runs/parts.py": "def keep(part):\n    return part\n",
    "room/inner/__init__.py": "",
    "room/inner/deep.py": "LIMIT = 5\n\n\nclass Base:\n    def f(self):\n        return LIMIT\n",
    "fit.py": (
        "import warnings\n\nfrom spectrakit import room\nfrom spectrakit.resources import data_path\n"
        "from spectrakit.runs.parts import keep\n"
        "from spectrakit.room.inner.deep import Base as Parent\n\n\n"
        "class Model(Parent):\n"
        '    """A model."""\n\n    def __init__(self, depth=3):\n        self.depth = depth\n\n'
        "    def score(self, y):\n"
        "        from spectrakit.room import TABLE\n\n"
        "        if len(y) < 2:\n            raise ValueError(f'too few: {words(y)}')\n"
        "        warnings.warn('slow', stacklevel=2)\n"
        "        return keep(room.r2(y)) + TABLE['a']  # a comment\n\n\n"
        "def words(y):\n    return 'words'\n\n\n"
        "def draw(y):\n    return Model, 'label'\n\n\n"
        "def bands():\n    return data_path('bands', 'a.csv')\n\n\n"
        "def all_bands(name):\n    return data_path('bands', name)\n\n\n"
        "def whole():\n    return vars(room)\n"
    ),
}


def key(root, name="Model", module="fit", changes=()):
    """Fingerprint in a new package, some of whose text is replaced: (file, old, new)."""
    for file, text in FILES.items():
        path = root / "spectrakit" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        for place, old, new in changes:
            if place == file:
                assert old in text
                text = text.replace(old, new)
        path.write_text(text)
    return PackageCode(root / "spectrakit").fingerprint(f"spectrakit.{module}", name)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fit.py", '"""A model."""', '"""Another text.\n\n    More of it.\n    """'),
        ("fit.py", "# a comment", ""),
        ("fit.py", "f'too few: {words(y)}'", "'not enough', 3"),
        ("fit.py", "return 'words'", "return 'other words'"),
        ("fit.py", "'slow', stacklevel=2", "'it takes time', stacklevel=1"),
        ("fit.py", "'label'", "'another label'"),
        ("room/scores.py", "return 0", "return 1"),
        ("runs/parts.py", "return part", "return [part]"),
        ("room/scores.py", "def r2", "\n\n\ndef further(y):\n    return 1\n\n\ndef r2"),
    ],
)
def test_words_and_what_is_not_reached_change_nothing(tmp_path, file, old, new):
    assert key(tmp_path) == key(tmp_path, changes=[(file, old, new)])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fit.py", "depth=3", "depth=4"),
        ("fit.py", "self.depth = depth", "self.depth = depth + 1"),
        ("fit.py", "raise ValueError", "raise TypeError"),
        ("fit.py", "TABLE['a']", "TABLE['b']"),
        ("room/scores.py", "'a': 1", "'a': 2"),
        ("room/scores.py", "TABLE['b'] = 2", "TABLE['b'] = 3"),
        ("room/scores.py", "c=3", "c=4"),
        ("room/scores.py", "return 2.0", "return 2.5"),
        ("room/inner/deep.py", "LIMIT = 5", "LIMIT = 6"),
        ("room/inner/deep.py", "return LIMIT", "return -LIMIT"),
    ],
)
def test_what_is_reached_counts_through_faces_bases_and_constants(tmp_path, file, old, new):
    assert key(tmp_path) != key(tmp_path, changes=[(file, old, new)])


def test_a_module_used_as_a_whole_counts_as_a_whole(tmp_path):
    changes = [("room/scores.py", "return 2.0", "return 2.5")]
    assert key(tmp_path, "whole") != key(tmp_path, "whole", changes=changes)
    assert key(tmp_path, "no such name") != key(tmp_path, "no such name", changes=[("fit.py", "'label'", "'other'")])


def test_files_of_the_kit_s_data_count_by_content(tmp_path, monkeypatch):
    data = tmp_path / "data"
    (data / "bands").mkdir(parents=True)
    monkeypatch.setattr(code, "data_path", lambda *parts: data.joinpath(*parts))

    def both(**contents):
        for name, text in contents.items():
            (data / "bands" / f"{name}.csv").write_text(text)
        return key(tmp_path, "bands"), key(tmp_path, "all_bands"), key(tmp_path)

    before, other, changed = both(a="1", b="1"), both(b="2"), both(a="2")
    assert [a == b for a, b in zip(before, other, strict=True)] == [True, False, True]
    assert [a == b for a, b in zip(other, changed, strict=True)] == [False, False, True]


def test_libraries_have_no_fingerprint_of_code():
    reader = PackageCode()
    assert reader.fingerprint("numpy", "mean") is None and reader.fingerprint("builtins", "len") is None
    assert reader.fingerprint("no.such.module", "f") is None
    assert reader.fingerprint(__name__, "key") != reader.fingerprint(
        __name__, "test_libraries_have_no_fingerprint_of_code"
    )


@pytest.mark.parametrize(
    ("file", "old", "new", "changes"),
    [
        ("teaching/figures/lead_plots.py", "def ", "X = 1\n\n\ndef ", False),
        ("training/pretraining.py", "is a share between", "has to be a share between", False),
        ("models/resnet.py", '"""', '"""Changed. ', False),
        ("evaluation/metrics.py", "np.std(", "np.var(", True),
        ("training/pretraining.py", "ROWS_PER_PREDICTION = 256", "ROWS_PER_PREDICTION = 128", True),
        ("models/baselines.py", "n_trials=40", "n_trials=41", True),
    ],
)
def test_the_models_of_a_transfer_are_known_by_their_code(tmp_path, file, old, new, changes):
    root = tmp_path / "spectrakit"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def keys():
        reader = PackageCode(root)
        return [reader.fingerprint("spectrakit.workflows.transfer", name) for name in ("transfer_models", "_score")]

    before, text = keys(), (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    assert (keys() != before) == changes


def test_all_that_a_transfer_executes_is_reached():
    random, called = np.random.default_rng(0), set()
    X = 0.4 + 0.001 * random.normal(size=(40, 2100)).cumsum(axis=1)
    models = {name: make for name, make in transfer.transfer_models().items() if name in ("PLS", "pretrained")}
    given = X, X[:, 500], [(np.arange(30), np.arange(30, 40))], models, 0

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            called.add((frame.f_globals["__name__"], frame.f_code.co_qualname.split(".")[0]))

    sys.setprofile(note)
    try:
        for name in models:
            transfer._score(given, (name, 0), None)
    finally:
        sys.setprofile(None)
    reader, reached = PackageCode(), {}
    for function in (transfer._score, *models.values()):
        reached |= reader.reached(function.__module__, function.__qualname__.split(".")[0])
    assert len(called) > 10 and called <= set(reached)
