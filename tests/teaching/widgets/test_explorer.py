import json
import re
from pathlib import Path

import numpy as np
import pytest
import traitlets

from spectrakit.teaching.widgets import explorer as widgets
from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series, pack, value_text

X = np.array([421.0, 421.5, 422.0])


def explorer(values, kind="line", **panel):
    controls = [Control("Temperature", np.array([8000.0, 10000.0]), "K"), Control("Sample", ["S01", "S02", "S03"])]
    series = [Series("Spectrum", values, kind)]
    return Explorer(controls, [Panel("Ca", X, "Wavelength (nm)", "Signal (counts)", series, **panel)], start=(1, 2))


def only_series(widget):
    return widget.specification["panels"][0]["series"][0]


def test_values_survive_packing(values):
    packed = np.array([[1.5, np.nan, -3e7], [0.1, 65536.25, 0.0]])
    assert pack([1.0]) == "AACAPw=="
    for each in (packed, packed.T):
        np.testing.assert_array_equal(values({"data": pack(each), "shape": each.shape}), each.astype(np.float32))


def test_a_control_without_effect_is_packed_once(values):
    series = only_series(explorer(np.arange(9.0).reshape(1, 3, 3)))
    np.testing.assert_array_equal(values(series), np.arange(9).reshape(1, 3, 3))


def test_controls_say_how_they_are_shown():
    temperature, sample = explorer(np.zeros((2, 3, 3))).specification["controls"]
    assert temperature == {"label": "Temperature", "kind": "slider", "text": ["8000 K", "10000 K"]}
    assert sample == {"label": "Sample", "kind": "choice", "text": ["S01", "S02", "S03"]}
    own = Control("Range", [0, 1], text=("low", "high")).specification()
    assert own == {"label": "Range", "kind": "slider", "text": ["low", "high"]}
    switch = Control("Noise", (False, True), text=("off", "on")).specification()
    assert switch == {"label": "Noise", "kind": "switch", "text": ["off", "on"]}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (10000, "K", "10000 K"),
        (np.geomspace(1e16, 1e18, 6)[2], "cm⁻³", "6.31 × 10¹⁶ cm⁻³"),
        (1e-5, "", "1 × 10⁻⁵"),
        (-0.25, "ppm", "−0.25 ppm"),
        ("S01", "ppm", "S01"),
    ],
)
def test_value_text(value, unit, text):
    assert value_text(value, unit) == text


def test_the_specification_is_strict_json_with_markers_as_given():
    values = np.full((2, 3, 3), np.nan)
    widget = explorer(values, markers=[(np.float64(422.673), "Ca I")])
    panel = json.loads(json.dumps(widget.specification, allow_nan=False))["panels"][0]
    assert panel["x"] == [421.0, 421.5, 422.0]
    assert panel["markers"] == [[422.673, "Ca I"]]
    assert panel["y_range"] == pytest.approx([-0.05, 1.05])


@pytest.mark.parametrize(
    ("kind", "y_range", "limits"),
    [
        ("line", "shared", [5.0, 115.0]),
        ("area", "shared", [-5.5, 115.5]),
        ("line", "each", None),
        ("line", (0, 2), [0.0, 2.0]),
        ("strip", "shared", None),
    ],
)
def test_limits_of_the_y_axis(kind, y_range, limits):
    values = np.full((2, 3, 3), 10.0)
    values[1, 2, 2], values[1, 1, 1] = 110.0, np.nan
    panel = explorer(values, kind, y_range=y_range).specification["panels"][0]
    assert panel["y_range"] == (limits and pytest.approx(limits))


def test_a_strip_carries_the_range_of_its_colours():
    values = np.linspace(0.25, 1.0, 18).reshape(2, 3, 3)
    assert only_series(explorer(values, "strip"))["range"] == [0.25, 1.0]
    assert only_series(explorer(np.zeros((2, 3, 3)), "strip"))["range"] == [-0.5, 0.5]
    assert "range" not in only_series(explorer(values))


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 2), (2, 2, 3), (3, 2, 3), (2, 3, 1)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(
        ValueError, match=re.escape(f"panel 'Ca', series 'Spectrum': values are {shape}, not (2, 3, 3)")
    ):
        explorer(np.zeros(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: explorer(np.zeros((2, 3, 3)), "bars"), "kind 'bars' is none of line, points, area, strip"),
        (lambda: explorer(np.zeros((2, 3, 3)), y_range="auto"), "y_range 'auto' is neither"),
        (lambda: Control("T", [1, 2], text=["one"]).specification(), "control 'T': 2 values, 1 texts"),
        (lambda: Control("T", []).specification(), "control 'T': 0 values"),
        (lambda: Panel("Ca", [1, np.nan], "", "", []).specification(()), "panel 'Ca': x must be one row of finite"),
    ],
)
def test_wrong_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_plasma_explorer_fits_and_more_than_a_page_should_carry_does_not(monkeypatch):
    controls = [Control(name, np.arange(n)) for name, n in (("Temperature", 9), ("Density", 6), ("Content", 6))]
    panels = [
        Panel(name, np.arange(n), "nm", "counts", [Series(name, np.ones((9, 6, 6, n)))])
        for name, n in (("Ca", 66), ("Mg", 124), ("Na", 33))
    ]
    assert len(json.dumps(Explorer(controls, panels).specification)) < 400_000
    monkeypatch.setattr(widgets, "MAX_BYTES", 300_000)
    with pytest.raises(ValueError, match=r"would carry 0\.4 MB"):
        Explorer(controls, panels)


def test_indices_follow_the_reader_and_exist():
    widget = explorer(np.zeros((2, 3, 3)))
    assert widget.indices == [1, 2]
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "indices")
    widget.set_state({"indices": [0, 1]})
    assert seen == [[0, 1]]
    for wrong in ([2, 0], [0, -1], [0], [0, 0, 0]):
        with pytest.raises(traitlets.TraitError, match=r"do not fit controls of \[2, 3\] values"):
            widget.indices = wrong
    assert widget.indices == [0, 1]


def test_script_and_style_travel_with_the_widget_and_load_nothing_from_outside():
    state = explorer(np.zeros((2, 3, 3))).get_state()
    folder = Path(widgets.__file__).parent
    assert state["_esm"] == (folder / "explorer.js").read_text(encoding="utf-8")
    assert state["_css"] == (folder / "explorer.css").read_text(encoding="utf-8")
    addresses = re.findall(r"(?:https?:)?//[a-z][\w.]+\.[a-z]+|@import|url\((?!#)", state["_esm"] + state["_css"])
    assert addresses == ["http://www.w3.org"]  # the name of SVG, which no browser fetches


def test_labels_are_large_enough_to_read():
    css = Path(widgets.__file__).with_name("explorer.css").read_text(encoding="utf-8")
    sizes = [float(n) * (16 if unit == "rem" else 1) for n, unit in re.findall(r"font-size: ([\d.]+)(rem|px)", css)]
    assert sizes
    assert min(sizes) == 12


def test_each_combination_has_its_answer_in_the_order_of_the_controls():
    controls = [Control("A", (1, 2)), Control("B", ("x", "y", "z"))]
    panel = Panel("P", np.arange(2.0), "x", "y", (Series("s", np.zeros((2, 3, 2))),))
    answers = [["a", "b", "c"], ["d", "e", "f"]]
    widget = Explorer(controls, [panel], question="Which?", answers=answers)
    assert widget.specification["question"] == "Which?" and widget.specification["answers"] == list("abcdef")
    with pytest.raises(ValueError, match="cannot reshape"):
        Explorer(controls, [panel], question="Which?", answers=["a", "b"])
