import numpy as np
import pandas as pd
import pytest

from spectrakit.teaching.widgets.intervals import accept_or_refuse

NAMES = {"c": "carbon", "om": "organic matter"}


def records():
    """Four thresholds of carbon and two of organic matter, in a mixed order."""
    rows = [
        ("c", 10.0, 0.25, 1.0, 1.00, 50),
        ("c", 20.0, 0.50, 2.0, 0.95, 60),
        ("c", 40.0, 0.75, 4.0, 0.92, 70),
        ("c", 160.0, 1.00, 9.0, 0.90, 80),
        ("om", 20.0, 0.40, 5.0, 0.80, 10),
        ("om", 80.0, 1.00, 8.0, 0.85, 90),
    ]
    columns = ["target", "width_g_kg", "filled", "rmse", "coverage", "cells"]
    return pd.DataFrame(rows[::-1], columns=columns)


def panels(widget):
    return {panel["title"]: panel for panel in widget.specification["panels"]}


def test_the_reader_chooses_content_and_width():
    target, width = accept_or_refuse(records(), NAMES).specification["controls"]
    assert target == {"label": "Property", "kind": "choice", "text": ["carbon", "organic matter"]}
    assert width["label"] == "Widest 90% interval that is accepted" and width["kind"] == "slider"
    assert (width["text"][0], width["text"][-1]) == ("10 g/kg", "160 g/kg")


def test_a_point_marks_the_widest_recorded_interval_within_the_threshold(values):
    widget = accept_or_refuse(records(), NAMES)
    widths = [float(text.split()[0]) for text in widget.specification["controls"][1]["text"]]
    panel = panels(widget)["Error of what is filled"]
    assert panel["x"] == pytest.approx([25, 40, 50, 75, 100])
    line, chosen = (values(series) for series in panel["series"])
    place = next(i for i, width in enumerate(widths) if width >= 30)
    assert widths[place] < 40
    np.testing.assert_array_equal(chosen[0, place], [np.nan, np.nan, 2.0, np.nan, np.nan])
    np.testing.assert_array_equal(chosen[1, place], [np.nan, 5.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(chosen[0, -1], [np.nan] * 4 + [9.0])
    assert np.isnan(chosen[1, 0]).all()  # no interval of organic matter is as narrow as 10 g/kg
    np.testing.assert_allclose(line[0, 0], [1, 1.6, 2, 4, 9], rtol=1e-6)
    np.testing.assert_allclose(line[1, 0], [np.nan, 5, 5.5, 6.75, 8], rtol=1e-6)


def test_panels_show_width_coverage_and_cells_too(values):
    found = panels(accept_or_refuse(records(), NAMES))
    assert list(found) == [
        *("Widest interval", "Error of what is filled", "Coverage of the 90% intervals"),
        "Cells of one degree with a value",
    ]
    assert values(found["Widest interval"]["series"][1])[0, -1, -1] == 160
    coverage = found["Coverage of the 90% intervals"]["series"]
    assert [series["label"] for series in coverage] == ["any threshold", "your threshold", "asked for"]
    assert values(coverage[1])[1, -1, -1] == pytest.approx(85) and set(values(coverage[2]).ravel()) == {90}
    assert values(found["Cells of one degree with a value"]["series"][0])[0, 0, 0] == 50
