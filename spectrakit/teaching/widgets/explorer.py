"""`Explorer`, the widget of the book: controls above, panels below, for pages with a kernel and without.

Python computes the result of every combination of the controls beforehand; `explorer.js` looks up the chosen one and
draws it. Only the soil of `soil_mixer` is computed in the page.
"""

import base64
from dataclasses import dataclass
from pathlib import Path

import anywidget
import numpy as np
import traitlets

KINDS = ("line", "points", "area", "strip")
MAX_BYTES = 1_000_000
_PADDING = 0.05
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Control:
    """A slider for numbers, a dropdown for texts, or a check box for (False, True).

    label : without unit; values : (n,) numbers or texts, or False and True; unit : of the numbers
    text : (n,) the text shown for each value; by default the value and its unit
    """

    label: str
    values: tuple
    unit: str = ""
    text: tuple | None = None

    def specification(self):
        """The control as JSON. Raises ValueError for no values, or for another number of texts than of values."""
        values = list(self.values)
        is_choice, is_switch = (any(isinstance(value, kind) for value in values) for kind in (str, bool))
        text = [str(value) for value in self.text or [value_text(value, self.unit) for value in values]]
        if not values or len(text) != len(values):
            raise ValueError(f"control '{self.label}': {len(values)} values, {len(text)} texts; give one text a value")
        kind = "switch" if is_switch else "choice" if is_choice else "slider"
        return {"label": self.label, "kind": kind, "text": text}


@dataclass(frozen=True)
class Series:
    """The values of one curve for each combination of the controls; NaN leaves a gap.

    label : name of the series, for the legend and for screen readers
    values : (len(control_1), ..., len(control_k), len(x)), or 1 in place of the length of a control that has no effect
    kind : 'line', 'points', 'area' (a line filled down to zero) or 'strip', a heat strip below the panel, whose colours
        run from the lowest to the highest of all its values
    """

    label: str
    values: np.ndarray
    kind: str = "line"


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    x : (n,) finite; x_label, y_label : with unit
    series : one Series or several, or a `soil_mixer.Mixture`, which the page computes
    markers : (x, short label) of vertical reference lines
    y_range : 'shared' fits the axis to all combinations, 'each' to the one shown, (low, high) sets it
    """

    title: str
    x: np.ndarray
    x_label: str
    y_label: str
    series: tuple
    markers: tuple = ()
    y_range: str | tuple = "shared"

    def specification(self, shape):
        """The panel as JSON; shape : number of values of each control.

        Raises ValueError for an unknown kind or y_range, an x that is not finite, or values of the wrong shape.
        """
        x = np.asarray(self.x, float)
        if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
            raise ValueError(f"panel '{self.title}': x must be one row of finite numbers, not {x.shape}")
        return {
            "title": self.title,
            "x": x.tolist(),
            "x_label": self.x_label,
            "y_label": self.y_label,
            "series": [self._series(series, (*shape, len(x))) for series in self.series],
            "markers": [[float(place), str(label)] for place, label in self.markers],
            "y_range": self._limits(),
        }

    def _series(self, series, shape):
        if not isinstance(series, Series):
            return series.specification(shape)
        values = np.asarray(series.values, "<f4")
        if series.kind not in KINDS:
            raise ValueError(f"series '{series.label}': kind '{series.kind}' is none of {', '.join(KINDS)}")
        fits = values.ndim == len(shape) and values.shape[-1] == shape[-1]
        if not fits or any(length not in (1, full) for length, full in zip(values.shape, shape, strict=True)):
            raise ValueError(f"panel '{self.title}', series '{series.label}': values are {values.shape}, not {shape}")
        specification = {"label": series.label, "kind": series.kind, "shape": list(values.shape), "data": pack(values)}
        if series.kind == "strip":
            specification["range"] = _extent(values)
        return specification

    def _limits(self):
        """Limits of the y axis, or None where the page fits them to what it shows."""
        if not isinstance(self.y_range, str):
            return [float(limit) for limit in self.y_range]
        if self.y_range not in ("shared", "each"):
            raise ValueError(f"panel '{self.title}': y_range '{self.y_range}' is neither 'shared', 'each' nor a pair")
        curves = [series for series in self.series if self.y_range == "shared" and series.kind != "strip"]
        if not curves:
            return None
        values = [np.ravel(series.values) for series in curves]
        if any(series.kind == "area" for series in curves):
            values.append([0.0])
        low, high = _extent(np.concatenate(values))
        return [low - _PADDING * (high - low), high + _PADDING * (high - low)]


class Explorer(anywidget.AnyWidget):
    """Controls above, panels below.

    controls : Controls, the first one the first axis of every Series; panels : Panels; caption : a sentence below
    start : index of each control's first value, (0, ..., 0) by default
    question : a sentence above; answers : the sentence below for each combination, in C order; None where the page
        compares the two curves of the first panel itself
    `indices` are those of the chosen values; they can be set and observed.
    Raises ValueError for shapes that do not agree and for more than `MAX_BYTES` of data, traitlets.TraitError for
    indices outside of the controls.
    """

    _esm = Path(__file__).with_suffix(".js")
    _css = Path(__file__).with_suffix(".css")
    specification = traitlets.Dict().tag(sync=True)
    indices = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, controls, panels, caption="", start=None, question="", answers=None):
        controls = [control.specification() for control in controls]
        shape = [len(control["text"]) for control in controls]
        panels = [panel.specification(shape) for panel in panels]
        size = sum(len(series["data"]) for panel in panels for series in panel["series"])
        if size > MAX_BYTES:
            raise ValueError(f"the page would carry {size / 1e6:.1f} MB of this widget; give its controls fewer values")
        texts = None if answers is None else np.reshape(np.array(answers, object), shape).ravel().tolist()
        super().__init__(
            specification={
                "controls": controls,
                "panels": panels,
                "caption": caption,
                "question": question,
                "answers": texts,
            },
            indices=list(start or [0] * len(shape)),
        )

    @traitlets.validate("indices")
    def _indices_exist(self, proposal):
        lengths = [len(control["text"]) for control in self.specification["controls"]]
        indices = proposal["value"]
        if len(indices) != len(lengths) or not all(0 <= i < n for i, n in zip(indices, lengths, strict=True)):
            raise traitlets.TraitError(f"indices {indices} do not fit controls of {lengths} values")
        return indices


def pack(values):
    """Values as base64 text of little-endian float32 in C order; 4/3 of their bytes."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")


def value_text(value, unit=""):
    """A value with its unit: six digits, or three and a power of ten where it is very large or small."""
    if isinstance(value, str):
        return value
    mantissa, _, exponent = f"{value:.6g}".partition("e")
    if exponent:
        mantissa = f"{float(mantissa):.3g} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"
    return f"{mantissa} {unit}".strip().replace("-", "−")


def _extent(values):
    """Lowest and highest finite value; a range of one value, or of none, is widened to a length of one."""
    finite = np.asarray(values, float)[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    return [low, high] if high > low else [low - 0.5, high + 0.5]
