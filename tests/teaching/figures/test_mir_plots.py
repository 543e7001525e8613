import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.path import Path

from spectrakit.teaching.figures import mir_plots, plots

AXIS = np.arange(600.0, 700.0)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def ticks(axes, which="y"):
    return [tick.get_text() for tick in getattr(axes, f"get_{which}ticklabels")()]


def both(frame):
    """Rows of a frame for carbon, and once more for organic matter."""
    return pd.concat([frame.assign(target=target) for target in ("c", "om")], ignore_index=True)


def test_constituents_carry_their_bands():
    figure = mir_plots.constituent_absorbance(
        AXIS, {"quartz": AXIS / 100, "water": AXIS / 50}, {"quartz": [(650, "Si-O 650")], "water": []}
    )
    first, second = figure.axes
    np.testing.assert_array_equal(first.lines[0].get_ydata(), AXIS / 100)
    assert [text.get_text() for text in first.texts] == ["Si-O 650"] and not second.texts
    assert (first.get_ylabel(), figure.get_supylabel()) == ("quartz", "Absorbance")
    assert second.get_xlabel() == "Wavenumber (cm⁻¹)"


def test_soils_share_a_pair_of_axes():
    axes = mir_plots.soil_spectra(AXIS, {"peat": AXIS, "sand": 2 * AXIS}, [(620, "CH")]).axes[0]
    assert labels(axes) == ["peat", "sand"] and [text.get_text() for text in axes.texts] == ["CH"]
    np.testing.assert_array_equal(axes.lines[1].get_ydata(), 2 * AXIS)


def test_one_standard_is_shown_as_scanned_and_less_the_reference():
    scans = pd.DataFrame([AXIS, AXIS + 2, AXIS - 1], index=["one", "reference", "other"])
    figure = mir_plots.one_standard(AXIS, scans, "reference")
    above, below = figure.axes
    assert labels(above) == ["reference, the reference"] and labels(below) == ["one", "other"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "other"]
    np.testing.assert_array_equal(below.lines[0].get_ydata(), -2)
    np.testing.assert_array_equal(below.lines[1].get_ydata(), -3)
    np.testing.assert_array_equal(above.lines[2].get_ydata(), AXIS + 2)


def test_harmonisations_are_sorted_by_what_they_take_away():
    table = pd.DataFrame({"one": [0.9, 0.2], "two": [0.7, -3.0]}, index=["epo", "snv"])
    axes = mir_plots.removed_by(table).axes[0]
    assert ticks(axes) == ["epo", "snv"]
    (medians,) = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(medians, [80, -140])
    assert axes.get_xlim() == (-100, 103) and labels(axes) == ["a laboratory", "median"]


def test_changes_of_error_stand_in_their_cells():
    records = pd.DataFrame(
        {
            "harmonisation": ["none", "none", "snv", "snv", "epo", "epo"],
            "laboratory": ["a", "b"] * 3,
            "rmse": [1.0, 2.0, 1.5, 2.0, 0.4, 1.0],
        }
    )
    figure = mir_plots.change_of_error(both(records))
    *grids, bar = figure.axes
    assert [axes.get_title(loc="left") for axes in grids] == ["carbon", "organic matter"]
    assert bar.get_ylabel() == "Change of RMSE (%)"
    axes = grids[0]
    assert (ticks(axes), ticks(axes, "x")) == (["epo", "snv"], ["a", "b"])
    assert [text.get_text() for text in axes.texts] == ["−60", "−50", "+50", "+0"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[-60, -50], [50, 0]])


def test_distances_are_shown_over_their_limits():
    found = pd.DataFrame({"t2": [1.0, 4], "t2_limit": 2.0, "q": [3.0, 9], "q_limit": 3.0, "outside": [False, True]})
    axes = mir_plots.domain_distances({"harmonised": found}).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0.5, 1], [2, 3]])
    assert labels(axes) == ["harmonised: 50% outside"]


def test_intervals_are_counted_by_what_they_hold():
    shown = pd.DataFrame(
        {"observed": [1.0, 10, 100, 200], "predicted": [2.0, 10, 50, 200], "lower": 0.5, "upper": [1.5, 20, 80, 300]}
    )
    axes = mir_plots.predicted_with_intervals(shown.assign(target="om")).axes[0]
    assert labels(axes) == ["interval holds it: 75%", "it does not: 25%"]
    inside, outside = (line for line in axes.lines if line.get_marker() == ".")
    np.testing.assert_allclose(outside.get_xydata(), [[100, 50]])
    assert len(inside.get_xdata()) == 3 and axes.get_title(loc="left") == "organic matter"


def test_scores_of_groups_are_means_over_rounds():
    rows = [("network", "big", 30, 1.0), ("network", "big", 10, 3.0), ("mean", "big", 20, 9.0)]
    rows += [("network", "small", 4, 5.0), ("mean", "small", 4, 6.0)]
    scores = pd.DataFrame(rows, columns=["model", "group", "n", "rmse"]).assign(target="c")
    figure = mir_plots.scores_by_group(scores, "rmse", "RMSE (g/kg)")
    axes = figure.axes[0]
    assert ticks(axes) == ["big (20)", "small (4)"] and axes.get_xlabel() == "RMSE (g/kg)"
    network, mean = axes.lines
    np.testing.assert_allclose(network.get_xdata(), [2, 5])
    np.testing.assert_allclose(mean.get_xdata(), [9, 6])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["network", "mean"]


def test_coverage_stands_beside_what_was_asked_for():
    rows = [("ensemble", 0.9, 0.5), ("ensemble", 0.9, 0.7), ("conformal", 0.9, 0.91), ("conformal", 0.68, 0.7)]
    coverage = pd.DataFrame(rows, columns=["method", "level", "coverage"]).assign(target="c")
    axes = mir_plots.coverage_by_method(coverage).axes[0]
    assert ticks(axes) == ["ensemble", "conformal"]
    asked = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    found = [line.get_xdata() for line in axes.lines if line.get_linestyle() == "None"]
    np.testing.assert_allclose(asked, [68, 90])
    np.testing.assert_allclose(found, [[np.nan, 70], [60, 91]])


def test_laboratories_left_out_show_both_kinds_of_interval():
    rows = {"laboratory": ["a", "b"], "n": [41, 50], "naive_90": [0.8, 0.4], "promised_90": [0.95, 0.85]}
    axes = mir_plots.coverage_left_out(both(pd.DataFrame(rows))).axes[1]
    assert ticks(axes) == ["a (41)", "b (50)"]
    naive, promised, mean = axes.lines[:3]
    np.testing.assert_allclose(naive.get_xdata(), [80, 40])
    np.testing.assert_allclose(promised.get_xdata(), [95, 85])
    assert mean.get_xdata()[0] == pytest.approx(60)


def test_the_map_has_cells_with_a_measured_value_above_and_all_below():
    space = pd.DataFrame({"latitude": [47, -10], "longitude": [8, 35], "measured": [0, 3], "all": [5, 4]})
    above, below = mir_plots.coverage_map(space, "om").axes[:2]
    np.testing.assert_allclose(above.collections[1].get_offsets(), [[35.5, -9.5]])
    np.testing.assert_allclose(below.collections[1].get_offsets(), [[35.5, -9.5], [8.5, 47.5]])
    (land,) = above.collections[0].get_paths()
    outlines = [Path(ring) for ring in land.to_polygons()]

    def is_land(longitude, latitude):
        return sum(outline.contains_point((longitude, latitude)) for outline in outlines) % 2 == 1

    assert is_land(8, 47) and is_land(135, -25) and is_land(-100, 40) and is_land(103, 23)
    assert not (is_land(-30, 40) or is_land(-150, 0) or is_land(80, -20) or is_land(51, 42))  # the last is the Caspian
    assert above.get_title(loc="left") == "organic matter measured: 1 cells of one degree"


def test_the_profile_has_a_bar_a_layer():
    depths = pd.DataFrame({"layer": [0, 10], "measured": [3, 1], "all": [5, 4]})
    axes = mir_plots.coverage_profile({"c": depths, "om": depths}).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [5, 4, 3, 1]
    assert [bar.get_y() + bar.get_height() / 2 for bar in axes.patches][:2] == [5, 15] and axes.get_ylim() == (20, 0)


def test_measured_laboratories_stand_side_by_side():
    rows = [("pls", "none", "a", 0.2), ("pls", "none", "b", 0.4), ("pls", "snv", "a", 0.1), ("pls", "snv", "b", 0.2)]
    records = pd.DataFrame(rows, columns=["model", "harmonisation", "laboratory", "rmse"])
    axes = mir_plots.error_by_laboratory(records).axes[0]
    assert ticks(axes) == ["snv", "none"] and labels(axes) == ["a", "b"]
    np.testing.assert_allclose([line.get_xdata() for line in axes.lines], [[0.1, 0.2], [0.2, 0.4]])
    assert to_hex(axes.lines[0].get_color()) == plots.BLUE.lower()
    both = pd.concat([records, records.assign(model="network", rmse=records["rmse"] / 4)])
    assert ticks(mir_plots.error_by_laboratory(both).axes[0]) == [
        "network, snv",
        "network, none",
        "pls, snv",
        "pls, none",
    ]
