"""Values taken apart into arrays and lists, for the name of a result and for its file, and put together again."""

from collections import OrderedDict
from dataclasses import fields, is_dataclass
from pkgutil import resolve_name

import numpy as np
import pandas as pd
import torch
from torch import nn


def is_simple(value):
    """Whether a value is a number, a text, a truth value or None: what JSON holds and gives back as it was."""
    return type(value) in (type(None), bool, int, float, str)


def is_plain_array(value):
    """Whether a value is a NumPy array whose bytes say all."""
    return type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject


def taken_apart(value):
    """(kind, simpler value) of a container, table, tensor, dataclass, network or estimator; TypeError for others."""
    for kind, (types, apart, _) in _KINDS.items():
        if type(value) is types or (kind not in ("tuple", "objects") and isinstance(value, types)):
            return kind, apart(value)
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if not _has_state(type(value)) or "<locals>" in name:
        raise TypeError(f"{name} is no kind of value that is kept")
    names = [field.name for field in fields(value)] if is_dataclass(value) else vars(value)
    return "object", [name, {each: getattr(value, each) for each in names}]


def put_together(kind, simpler):
    """The value that `taken_apart` took apart."""
    return _object(*simpler) if kind == "object" else _KINDS[kind][2](simpler)


def _has_state(kind):
    """Whether objects of a class are what their fields or attributes say: dataclasses, networks and estimators."""
    return is_dataclass(kind) or issubclass(kind, nn.Module) or hasattr(kind, "get_params")


def _object(name, state):
    kind = resolve_name(name)
    if not _has_state(kind):
        raise ValueError(f"{name} is no class of a value that is kept")
    made = object.__new__(kind)
    made.__dict__.update(state)
    return made


def _values(column):
    """The values of a Series or an Index, as a NumPy array where their dtype is NumPy's."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def _objects(shape, items):
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def _tensor_apart(tensor):
    """How the axes of a tensor lie in memory, which an optimiser relies on, and its values in that order."""
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    return [[order.index(axis) for axis in range(tensor.ndim)], tensor.detach().permute(order).numpy()]


def _frame(columns, index, values):
    series = {place: pd.Series(column, index=index, dtype=column.dtype) for place, column in enumerate(values)}
    return pd.DataFrame(series, index=index).set_axis(columns, axis="columns")


# Kind: type, how a value is taken apart, and how it is put together again. Of two kinds that fit the first counts.
_KINDS = {
    "tuple": (tuple, list, tuple),
    "set": (set, list, set),
    "ordered": (OrderedDict, lambda value: [[key, each] for key, each in value.items()], OrderedDict),
    "dict": (dict, lambda value: [[key, each] for key, each in value.items()], dict),
    "number": (np.generic, np.asarray, lambda array: array[()]),
    "objects": (np.ndarray, lambda value: [value.shape, value.ravel().tolist()], lambda parts: _objects(*parts)),
    "parameter": (
        nn.Parameter,
        lambda value: [value.data, value.requires_grad],
        lambda parts: nn.Parameter(*parts),
    ),
    "tensor": (torch.Tensor, _tensor_apart, lambda parts: torch.from_numpy(parts[1]).permute(parts[0])),
    "range": (
        pd.RangeIndex,
        lambda value: [value.start, value.stop, value.step, value.name],
        lambda parts: pd.RangeIndex(*parts[:3], name=parts[3]),
    ),
    "levels": (
        pd.MultiIndex,
        lambda value: [[value.get_level_values(at) for at in range(value.nlevels)], list(value.names)],
        lambda parts: pd.MultiIndex.from_arrays(parts[0], names=parts[1]),
    ),
    "index": (
        pd.Index,
        lambda value: [_values(value), value.name],
        lambda parts: pd.Index(parts[0], dtype=parts[0].dtype, name=parts[1]),
    ),
    "categories": (
        pd.Categorical,
        lambda value: [value.codes, value.categories, value.ordered],
        lambda parts: pd.Categorical.from_codes(parts[0], parts[1], parts[2]),
    ),
    "extension": (
        pd.api.extensions.ExtensionArray,
        lambda value: [
            str(value.dtype),
            [None if missing else each for each, missing in zip(value, value.isna(), strict=True)],
        ],
        lambda parts: pd.array(parts[1], dtype=parts[0]),
    ),
    "series": (
        pd.Series,
        lambda value: [_values(value), value.index, value.name],
        lambda parts: pd.Series(parts[0], index=parts[1], name=parts[2], dtype=parts[0].dtype),
    ),
    "frame": (
        pd.DataFrame,
        lambda value: [value.columns, value.index, [_values(value.iloc[:, at]) for at in range(value.shape[1])]],
        lambda parts: _frame(*parts),
    ),
}
