import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline

from spectrakit.runs import keys
from spectrakit.runs.keys import result_key
from spectrakit.spectra import SpectralDataset


@dataclass(frozen=True)
class Settings:
    depth: int
    name: str = "a"


@dataclass(frozen=True)
class Others:
    depth: int
    name: str = "a"


def first(x, power=2):
    return x**power


def second(x, power=3):
    return x**power


def made(number):
    def inner(x):
        return x + number

    return inner


@functools.cache
def cached(x):
    return first(x)


class Model:
    def fit(self, X):
        return first(X)

    def predict(self, X):
        return second(X)


def network(**changes):
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[:], layer.bias[:] = torch.tensor([[1.0, 2.0]]), 0.5
    for name, value in changes.items():
        setattr(layer, name, value)
    return layer


def frozen():
    layer = network()
    layer.weight.requires_grad_(False)
    return layer


TABLE = pd.DataFrame({"a": [1.0, np.nan], "lab": ["x", None]}, index=[3, 4])
GROUPS = {
    "simple": [None, True, False, 1, 0, 1.0, 0.0, "", "1", b"1", np.nan, np.float32(1), np.int64(1), float("inf")],
    "containers": [
        [],
        (),
        {},
        [1],
        (1,),
        [[1]],
        [1, 2],
        [2, 1],
        ["12"],
        ["1", "2"],
        {1: 2},
        {"1": 2},
        {1, 2},
        range(2),
    ],
    "arrays": [
        *(np.array([1, 2], dtype) for dtype in ("i4", "i8", "f4", "f8", "M8[s]")),
        *(np.array([[1, 2]]), np.array([[1], [2]]), np.array([1, 3]), np.array(["1", "2"]), np.array([1, "2"], object)),
        *(torch.tensor([1, 2], dtype=dtype) for dtype in (torch.int64, torch.float32)),
    ],
    "tables": [
        TABLE,
        TABLE.rename(columns={"a": "b"}),
        TABLE[["lab", "a"]],
        TABLE.iloc[::-1],
        TABLE.reset_index(drop=True),
        TABLE.rename_axis("id"),
        TABLE.astype({"a": "float32"}),
        TABLE.astype({"lab": object}),
        TABLE.astype({"lab": "category"}),
        TABLE.assign(a=[1.0, 0.0]),
        TABLE.assign(lab=["x", "y"]),
        *(TABLE["a"], TABLE["a"].rename("b"), TABLE["lab"], TABLE.index, TABLE.columns),
        TABLE.set_index(["a", "lab"]),
    ],
    "objects": [
        *(Settings(1), Settings(2), Settings(1, "b"), Others(1)),
        *(Ridge(), Ridge(2.0), make_pipeline(Ridge()), make_pipeline(Ridge(2.0)), Ridge().fit([[0], [1]], [0, 1])),
        *(network(), network(bias=None), network(out_features=3), frozen(), network().eval()),
    ],
    "code": [
        *(first, second, cached, Model, Model().fit.__func__, Settings, Ridge, np.log, np.exp, len),
        *(functools.partial(first, power=2), functools.partial(first, power=3), functools.partial(first, 2)),
        *(made(1), made(2), Settings(1).__eq__, Settings(2).__eq__),
    ],
}


@pytest.mark.parametrize("group", GROUPS)
def test_every_kind_of_input_makes_another_key(group):
    found = {result_key(value): value for value in GROUPS[group]}
    assert len(found) == len(GROUPS[group])
    assert [result_key(value) for value in found.values()] == list(found)
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in found)


def test_a_key_does_not_depend_on_how_values_lie_in_memory_or_on_the_order_of_a_dict():
    array = np.arange(6.0).reshape(2, 3)
    assert result_key(array) == result_key(np.asfortranarray(array)) == result_key(array[:, ::-1][:, ::-1])
    assert result_key({"a": 1, "b": [2]}) == result_key({"b": [2], "a": 1})
    assert result_key({"a", "b", "c"}) == result_key({"c", "b", "a"})
    assert result_key(TABLE) == result_key(TABLE.copy()) and result_key(network()) == result_key(network())
    assert result_key(1, 2) != result_key([1, 2]) and result_key(first) != result_key(code=[first])


@pytest.mark.parametrize("value", [object(), (i for i in ()), {"a": [object()]}, np.ma.array([1]), np.random, Model()])
def test_what_has_no_bytes_of_its_own_is_refused(value):
    with pytest.raises(TypeError, match="no kind of value"):
        result_key(value)


@pytest.mark.parametrize("name", ["spectra", "axis", "axis_unit", "signal", "properties", "samples", "provenance"])
def test_every_part_of_a_dataset_counts(name):
    values = {
        "spectra": [[[0.1, 0.2]], [[0.1, 0.3]]],
        "axis": [[1.0, 2.0], [1.0, 3.0]],
        "axis_unit": ["nm", "cm-1"],
        "signal": ["absorbance", "reflectance"],
        "properties": [pd.DataFrame({"ph": [5.0]}), pd.DataFrame({"ph": [np.nan]})],
        "samples": [pd.DataFrame({"sample_id": ["a"], "group": ["1"]}), pd.DataFrame({"sample_id": ["a"]})],
        "provenance": [{"origin": "measured"}, {"origin": "simulated"}],
    }
    same = {each: pair[0] for each, pair in values.items()}
    assert result_key(SpectralDataset(**same)) != result_key(SpectralDataset(**same | {name: values[name][1]}))


def test_files_count_by_content_and_libraries_by_version(tmp_path, monkeypatch):
    path = tmp_path / "weights"
    path.write_text("1")
    before = result_key(1, files=[path])
    assert before != result_key(1)
    assert path.rename(tmp_path / "moved") and result_key(1, files=[tmp_path / "moved"]) == before
    (tmp_path / "moved").write_text("2")
    assert result_key(1, files=[tmp_path / "moved"]) != before
    with pytest.raises(FileNotFoundError):
        result_key(1, files=[path])
    before = result_key(1)
    monkeypatch.setattr(keys, "_versions", lambda: ["2.0"])
    assert result_key(1) != before


def test_libraries_that_compute_are_those_that_the_package_depends_on():
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    names = {re.match(r"[\w-]+", text)[0] for text in declared["project"]["dependencies"]}
    # The others read, write, draw or parse.
    others = {"brukeropus", "filelock", "jcamp", "lazy_loader", "pyarrow", "pyyaml", "rich", "safetensors", "typer"}
    assert names - others == {*keys.LIBRARIES}
