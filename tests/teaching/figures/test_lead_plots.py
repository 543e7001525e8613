import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy.stats import spearmanr

from spectrakit.simulate.soils.gejiu import sampling_map
from spectrakit.teaching.figures import lead_plots, plots

WAVELENGTH = np.arange(400.0, 500.0)


def scores():
    """Two rounds of three models: R2 of 0.5 and 0.7, 0.4 and 0.4, 0 and -0.1, in a mixed order."""
    r2 = {"svm_pb": (0.5, 0.7), "mean": (0.0, -0.1), "resnet_pb": (0.4, 0.4)}
    rows = [{"model": name, "round": i, "r2": value} for name, own in r2.items() for i, value in enumerate(own)]
    return pd.DataFrame(rows[::-1])


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_the_map_shows_every_point_with_its_lead_and_the_sources():
    places, lead = sampling_map(), np.geomspace(34.6, 9720, 130)
    axes = lead_plots.sampling_map(places, lead).axes[0]
    assert labels(axes) == [
        *("road", "smelting grid (64)", "near smelter (21)", "mining road (45)", "smelter", "mine"),
    ]
    assert len(axes.lines) == len(places.roads) == 4
    *areas, smelters, mines = axes.collections
    assert [len(each.get_offsets()) for each in areas] == [64, 21, 45]
    points = np.concatenate([each.get_offsets() for each in areas])
    colours = np.concatenate([each.get_array() for each in areas])
    order = np.concatenate([np.flatnonzero(places.points["area"] == area) for area in places.points["area"].unique()])
    np.testing.assert_allclose(points, places.points.loc[order, ["easting_km", "northing_km"]])
    np.testing.assert_allclose(colours, lead[order])
    assert (areas[0].norm.vmin, areas[2].norm.vmax) == (pytest.approx(34.6), pytest.approx(9720))
    np.testing.assert_allclose(smelters.get_offsets(), places.smelters)
    np.testing.assert_allclose(mines.get_offsets(), places.mines)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("East (km)", "North (km)")


def test_spectra_are_shown_by_quarters_of_lead_with_their_rank_correlation():
    generator = np.random.default_rng(0)
    lead = generator.lognormal(5, 1, 40)
    reflectance = 0.3 + 0.01 * generator.standard_normal((40, 100))
    reflectance[:, 10] = -lead
    reflectance[:, 20] = np.sqrt(lead)
    above, below = lead_plots.lead_spectra(WAVELENGTH, reflectance, lead).axes
    assert labels(above) == ["lowest quarter of lead", "highest quarter"]
    order = lead.argsort()
    np.testing.assert_allclose(above.lines[0].get_ydata(), np.median(reflectance[order[:10]], axis=0))
    np.testing.assert_allclose(above.lines[1].get_ydata(), np.median(reflectance[order[-10:]], axis=0))
    correlation = below.lines[0].get_ydata()
    assert correlation[10] == pytest.approx(-1) and correlation[20] == pytest.approx(1)
    assert correlation[50] == pytest.approx(spearmanr(reflectance[:, 50], lead).statistic)


def test_boxes_show_every_round_and_what_was_published():
    axes = lead_plots.r2_boxes(scores(), {"svm_pb": 0.47, "resnet_ph_pb": 0.77}).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["mean", "ResNet-Pb", "SVM-Pb"]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose([line.get_ydata() for line in dots], [[0, -0.1], [0.4, 0.4], [0.5, 0.7]])
    np.testing.assert_allclose(dots[2].get_xdata(), [1.82, 2.18])
    assert to_hex(dots[2].get_color()) == plots.YELLOW.lower()
    published = next(line for line in axes.lines if line.get_label() == "published mean")
    assert (list(published.get_xdata()), list(published.get_ydata())) == ([2], [0.47])


def test_sources_are_sorted_by_their_mean():
    table = pd.DataFrame(
        {"source": ["ph", "ph", "nothing", "nothing"], "round": [1, 0, 0, 1], "r2": [0.6, 0.4, 0.1, 0.3]}
    )
    axes = lead_plots.source_scores(table, {"ph": "pH"}, ("SVM-Pb", 0.55)).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["pH", "nothing"]
    (means,) = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    np.testing.assert_allclose(means, [0.5, 0.2])
    rounds = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(rounds, [[0.4, 0.1], [0.6, 0.3]])
    assert labels(axes) == ["a round", "mean", "SVM-Pb"]


def test_profiles_carry_our_peaks_and_the_named_wavelengths():
    profile = np.zeros(100)
    profile[[30, 60]] = 2.0, 1.0
    axes = lead_plots.shap_profiles(WAVELENGTH, {"net": profile}, {"net": [431, 490]}, {"net": [430.0, 460.0]}).axes[0]
    curve, dots, *named = axes.lines
    np.testing.assert_allclose(curve.get_ydata(), profile)
    np.testing.assert_allclose(dots.get_xydata(), [[430, 2], [460, 1]])
    assert [line.get_xdata()[0] for line in named] == [431, 490]
    assert labels(axes) == ["our peaks", "named in the paper"]


def test_a_few_windows_are_cut_out_with_their_borders():
    values = [np.arange(100.0) + offset for offset in (0, 100, 200)]
    figure = lead_plots.inside_windows(WAVELENGTH, *values, 10, (420, 449))
    for axes, own in zip(figure.axes, values, strict=True):
        curve, *borders = axes.lines
        np.testing.assert_allclose(curve.get_xydata(), np.column_stack([WAVELENGTH[20:50], own[20:50]]))
        assert [line.get_xdata()[0] for line in borders] == [419.5, 429.5, 439.5]


def test_places_in_the_window_are_counted():
    figure = lead_plots.place_bars({"ours": [0, 0, 9, 4], "named": [9]}, 10)
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights == [[2, 0, 0, 0, 1, 0, 0, 0, 0, 1], [0] * 9 + [1]]
    assert [axes.lines[0].get_ydata()[0] for axes in figure.axes] == [0.4, 0.1]


def test_measured_tasks_stand_one_below_the_other():
    means = pd.DataFrame({"mean": [0.0, 0], "pretrained": [0.4, 0.5], "pls": [0.1, 0.2], "scratch": [0.0, 0.3]})
    axes = lead_plots.measured_tasks(means.set_axis(["a, pH", "b, clay"])).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a, pH", "b, clay"]
    assert labels(axes) == ["PLS", "from scratch", "pretrained"]
    marks = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_allclose(marks["pretrained"], [[0.4, 0.24], [0.5, 1.24]])
    np.testing.assert_allclose(marks["PLS"], [[0.1, -0.24], [0.2, 0.76]])
    assert axes.get_ylim() == (1.5, -0.5)
