"""Values taken apart into arrays and lists, for the name of a result and for its file, and put together again."""

import numpy as np
import pandas as pd
import torch


def is_simple(value):
    """Whether a value is a number, a text, a truth value or None: what JSON holds and gives back as it was."""
    return type(value) in (type(None), bool, int, float, str)


def is_plain_array(value):
    """Whether a value is a NumPy array whose bytes say all."""
    return type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject


def taken_apart(value):
    """(kind, simpler value) of a container, a table or a tensor; TypeError for what is none of these."""
    for kind, (types, apart, _) in _KINDS.items():
        if type(value) is types or (kind not in ("tuple", "objects") and isinstance(value, types)):
            return kind, apart(value)
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} is no kind of value that is kept")


def put_together(kind, simpler):
    """The value that `taken_apart` took apart."""
    return _KINDS[kind][2](simpler)


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
    "list": (list, list, list),
    "tuple": (tuple, list, tuple),
    "dict": (dict, lambda value: [[key, each] for key, each in value.items()], dict),
    "number": (np.generic, np.asarray, lambda array: array[()]),
    "objects": (np.ndarray, lambda value: [value.shape, value.ravel().tolist()], lambda parts: _objects(*parts)),
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
