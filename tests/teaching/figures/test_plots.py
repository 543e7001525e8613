from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.text import Text

from spectrakit.simulate.libs.atoms import line_table
from spectrakit.studies.libs.domains import Task
from spectrakit.studies.libs.run import Outcome
from spectrakit.teaching.figures import lead_plots, mir_plots, plots, tables

LINES = [(279.553, "Mg II 279.55"), (280.271, "Mg II 280.27"), (300.0, "elsewhere")]


def outcome(target="mg", range_="high", n=4):
    wavelength = np.linspace(279.0, 280.99, 124)
    content = np.array([300.0, 0.0, 100.0, 200.0])[:n]
    counts = 500 + (1000 + content[:, None]) * np.exp(-(((wavelength - 279.553) / 0.05) ** 2))
    task = Task(target, range_, wavelength, counts, content, np.array(["S04", "S01", "S02", "S03"])[:n])
    predictions = {"CNN": content + np.array([[-20.0], [20.0]]), "RF": content + np.array([[0.0], [60.0]])}
    rows = [
        {"model": model, "repeat": i, "r2": 0.9 - 0.2 * i, "rmse": 20.0, "mae": 10.0, "gap": -5.0}
        for model in predictions
        for i in range(2)
    ]
    maps = np.zeros(counts.shape)
    maps[0, 35], maps[1, 80] = 4.0, 2.0
    return Outcome(task, pd.DataFrame(rows), predictions, np.array([4.0, 1.0, 2.0, 3.0])[:n], 10.0, maps)


def metrics(*outcomes):
    return pd.concat([each.metrics.assign(target=each.task.target, range=each.task.range) for each in outcomes])


def annotations(axes):
    return [text.get_text() for text in axes.texts]


def test_line_labels_name_element_stage_and_wavelength():
    lines = line_table(279.5, 279.6, "Mg")
    assert ("Mg II 279.55") in [label for _, label in plots.line_labels(lines)]
    assert plots.line_labels(lines)[0][0] == lines["wavelength_air_nm"].iloc[0]


def test_window_spectra_are_coloured_by_content_and_marked():
    task = outcome().task
    figure = plots.window_spectra([task, task], [LINES, ()])
    first, second = figure.axes[:2]
    assert (second.get_xlabel(), first.get_ylabel()) == ("Wavelength (nm)", "1000 counts")
    assert annotations(first) == ["Mg II 279.55", "Mg II 280.27"]
    assert annotations(second) == []
    spectra = first.lines[:4]
    np.testing.assert_allclose([line.get_ydata().max() for line in spectra], [1.5, 1.6, 1.7, 1.8], rtol=0.01)
    assert to_hex(spectra[0].get_color()) == to_hex(plt.cm.viridis(0.0))
    assert to_hex(spectra[3].get_color()) == to_hex(plt.cm.viridis(0.92))
    assert [axes.get_ylabel() for axes in figure.axes[2:]] == ["Mg (ppm)", "Mg (ppm)"]


def test_labels_of_close_lines_keep_apart():
    _, axes = plt.subplots()
    axes.set_xlim(0, 1)
    plots.draw_lines(axes, [(0.51, "b"), (0.5, "a")])
    assert annotations(axes) == ["a", "b"]
    first, second = (text.xyann[0] for text in axes.texts)
    assert first == 0.5
    assert second - first == pytest.approx(0.2 / plots.WIDTH)
    assert [text.xy[0] for text in axes.texts] == [0.5, 0.51]


def test_survey_spectrum():
    axes = plots.survey_spectrum(np.linspace(200, 975, 50), np.full(50, 3000.0), [(393.37, "Ca II 393.37")]).axes[0]
    assert axes.get_xlim() == (200, 975)
    assert axes.lines[0].get_ydata()[0] == 3
    assert annotations(axes) == ["Ca II 393.37"]


def test_predicted_vs_reference_shows_mean_and_deviation_of_the_repeats():
    figure = plots.predicted_vs_reference([outcome("ca", "high"), outcome("ca", "low"), outcome("na", "high")])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Ca, spiked soils",
        "Ca, field soils",
        "Na, spiked soils",
    ]
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Reference content (ppm)", "Predicted content (ppm)")
    points, _, (bars,) = axes.containers[0]
    np.testing.assert_allclose(points.get_ydata(), [300.0, 0.0, 100.0, 200.0])
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [280.0, 320.0])
    assert to_hex(points.get_color()).upper() == plots.TARGET_COLOURS["ca"]


def test_percentage_errors_stand_by_rising_content():
    axes = plots.percentage_error_boxes([outcome()]).axes[0]
    assert axes.get_ylabel() == "Error (%)"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["S01", "S02", "S03", "S04"]
    upper = [patch.get_path().vertices[:, 1].max() for patch in axes.patches]
    np.testing.assert_allclose(upper[1:], [10.0, 5.0, 10 / 3])
    assert np.isnan(upper[0])


def test_repeatability_bars():
    axes = plots.repeatability_bars([outcome()]).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [1.0, 2.0, 3.0, 4.0]
    assert axes.get_title(loc="left") == "Mg, spiked soils: mean 2.5 %"
    assert axes.get_ylabel() == "RSD (%)"


def test_grad_cam_map_scales_each_sample_and_marks_lines():
    figure = plots.grad_cam_map(outcome(), LINES)
    above, below = figure.axes[:2]
    maps = below.collections[0].get_array().reshape(4, 124)
    assert [row.max() for row in maps] == [1.0, 0.0, 0.0, 1.0]
    assert (maps[0].argmax(), maps[3].argmax()) == (80, 35)
    assert [label.get_text() for label in below.get_yticklabels()] == ["S01", "S02", "S03", "S04"]
    assert annotations(above) == ["Mg II 279.55", "Mg II 280.27"]
    assert below.get_xlabel() == "Wavelength (nm)"
    assert figure.axes[2].get_ylabel() == "Grad-CAM (share of maximum)"


def test_r2_bars():
    figure = plots.r2_bars(metrics(outcome("ca"), outcome("mg"), outcome("mg", "low")), floor=-0.5)
    high, low = figure.axes
    assert [label.get_text() for label in high.get_xticklabels()] == ["Ca", "Mg"]
    assert (high.get_title(loc="left"), low.get_title(loc="left")) == ("Spiked soils", "Field soils")
    assert high.get_ylim() == (-0.5, 1.05)
    assert [bar.get_height() for bar in high.containers[0]] == pytest.approx([0.8, 0.8])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["CNN", "RF"]
    assert to_hex(high.containers[0][0].get_facecolor()).upper() == plots.MODEL_COLOURS["CNN"]


def test_error_bars():
    figure = plots.error_bars(metrics(outcome("ca"), outcome("mg"), outcome("mg", "low")))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Ca, spiked soils",
        "Mg, spiked soils",
        "Mg, field soils",
    ]
    axes = figure.axes[2]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["RMSE", "MAE", "gap"]
    assert [bar.get_height() for bar in axes.containers[1]] == pytest.approx([20.0, 10.0, -5.0])
    assert axes.get_ylabel() == "Error (ppm)"


def test_boltzmann_plot_tells_the_temperature():
    energy = np.array([3.0, 4.0, 5.5])
    axes = plots.boltzmann_plot(energy, 2 - energy / (8.617333262e-5 * 9000)).axes[0]
    assert axes.get_legend().get_texts()[0].get_text() == "T = 9,000 K"
    assert axes.get_xlabel() == "Energy of the upper level (eV)"


def test_letters_and_width_suit_the_book():
    assert plt.rcParams["font.size"] == 11
    assert min(plt.rcParams["xtick.labelsize"], plt.rcParams["legend.fontsize"]) == 10
    assert plots.survey_spectrum(np.arange(200, 300), np.ones(100)).get_size_inches()[0] == plots.WIDTH


def test_constituent_spectra_name_their_bands():
    wavelength = np.linspace(400, 2500, 50)
    values = {"kaolinite": np.full(50, 0.8), "calcite": np.full(50, 0.9)}
    figure = plots.constituent_spectra(wavelength, values, {"kaolinite": [(2207.0, "Al-OH 2207")], "calcite": []})
    clay, calcite = figure.axes
    assert (clay.get_ylabel(), calcite.get_ylabel()) == ("kaolinite", "calcite")
    assert figure.get_supylabel() == "Reflectance"
    assert (annotations(clay), annotations(calcite)) == (["Al-OH 2207"], [])
    assert calcite.lines[0].get_ydata()[0] == 0.9


def test_domain_spectra_show_the_median_and_nine_soils_of_ten():
    spectra = np.repeat(np.linspace(0, 1, 101)[:, None], 5, axis=1)
    axes = plots.domain_spectra(np.arange(5), {"source": spectra, "target": spectra / 2}).axes[0]
    assert [line.get_ydata()[0] for line in axes.lines] == [0.5, 0.25]
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.05, 0.95))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["source", "target"]


def test_learning_curves_mark_the_epoch_that_is_kept():
    history = pd.DataFrame({"training_mse": [4.0, 1.0, 0.25], "validation_mse": [4.0, 1.44, 2.25]})
    figure = plots.learning_curves({"paper": history, "one cycle": history})
    training, validation, kept = figure.axes[1].lines
    assert list(training.get_ydata()) == [2.0, 1.0, 0.5] and list(validation.get_ydata()) == [2.0, 1.2, 1.5]
    assert (kept.get_xdata()[0], kept.get_ydata()[0]) == (2, 1.2)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["paper", "one cycle"]


def test_predicted_vs_measured_tells_the_scores():
    measured = np.array([4.0, 5.0, 6.0, 7.0])
    axes = plots.predicted_vs_measured({"network": (measured, measured + 0.5)}, "pH").axes[0]
    assert axes.get_title(loc="left") == "network\nR² 0.80, RMSE 0.50, RPD 2.58"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Measured pH", "Predicted pH")
    np.testing.assert_allclose(axes.collections[0].get_offsets()[:, 1], measured + 0.5)
    four = plots.predicted_vs_measured(dict.fromkeys("abcd", (measured, measured + 0.5)), "pH").axes
    assert [axes.get_subplotspec().get_geometry()[:2] for axes in four] == [(2, 2)] * 4
    assert [axes.get_xlabel() for axes in four] == ["", "", "Measured pH", "Measured pH"]
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((3.86, 7.64))
    poor = plots.predicted_vs_measured({"network": (measured, measured[::-1])}, "pH").axes[0]
    assert "R² −3.00" in poor.get_title(loc="left")


# Names of users: a fraction that is cut short would be an error, a square would be shown as one.
NAMES = ["$\\frac{a$", "x$^2$"]
SCORES = {"laboratory": NAMES * 2, "group": NAMES * 2, "harmonisation": ["none", "none", "snv", "snv"], "target": "c"}
SCORES = pd.DataFrame(SCORES | {"model": "pls", "rmse": 1.0, "n": 4, "naive_90": 0.8, "promised_90": 0.9})


def named():
    result = outcome(n=2)
    return replace(result, task=replace(result.task, sample_id=np.array(NAMES)))


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.repeatability_bars([named()]),
        lambda: plots.grad_cam_map(replace(named(), maps=named().maps[:2]), []),
        lambda: plots.predicted_vs_measured({NAMES[0]: ([1, 2], [1, 3])}, NAMES[1]),
        lambda: lead_plots.measured_tasks(pd.DataFrame({"pls": [0.1, 0.2]}, index=NAMES)),
        lambda: mir_plots.one_standard([1, 2], pd.DataFrame([[1, 2], [2, 3]], index=NAMES), NAMES[0]),
        lambda: mir_plots.change_of_error(SCORES),
        lambda: mir_plots.scores_by_group(SCORES, "rmse", "RMSE"),
        lambda: mir_plots.coverage_left_out(SCORES[:2]),
        lambda: mir_plots.error_by_laboratory(SCORES),
    ],
)
def test_dollar_signs_of_users_are_no_formulas(draw):
    figure = draw()
    figure.canvas.draw()
    shown = [text.get_text().replace("\\$", "") for text in figure.findobj(Text)]
    assert not [text for text in shown if "$" in text and "mathdefault" not in text]
    assert [text for text in shown if "frac{a" in text] and [text for text in shown if "x^2" in text]


# How the colour-blind see linear RGB, at full severity: Machado, Oliveira and Fernandes (2009), table 1.
SIGHT = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "all colours": np.eye(3),
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab_of(colours, sight):
    """CIELAB (white D65) of sRGB colours as somebody sees them, an array of (n, 3)."""
    rgb = to_rgba_array(colours)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ np.transpose(sight), 0, 1) @ np.transpose(TO_XYZ) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.transpose([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distances(colours, sight):
    """Distances in CIELAB of all pairs of colours as somebody sees them."""
    lab = lab_of(list(colours), sight)
    return np.linalg.norm(lab[:, None] - lab[None], axis=2)[np.triu_indices(len(lab), 1)]


PALETTES = {
    "curves and marks": [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PINK, plots.SKY, plots.YELLOW, plots.GREY],
    "models": plots.MODEL_COLOURS.values(),
    "elements": plots.TARGET_COLOURS.values(),
    "models of lead": lead_plots.COLOURS.values(),
    "verdicts": [background for background, _ in tables.VERDICT_COLOURS.values()],
}


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("palette", PALETTES)
def test_colours_of_one_figure_are_different_to_the_colour_blind(palette, sight):
    distance = distances(PALETTES[palette], SIGHT[sight])
    assert distance.min() > 15, distance


@pytest.mark.parametrize("sight", SIGHT)
def test_curves_of_a_dozen_laboratories_differ_by_colour_or_by_style(sight):
    scans = pd.DataFrame(np.arange(24.0).reshape(12, 2), index=[*map(str, range(11)), "reference"])
    _, below = mir_plots.one_standard([1, 2], scans, "reference").axes
    curves = below.lines[:11]
    for style in {line.get_linestyle() for line in curves}:
        alike = [line.get_color() for line in curves if line.get_linestyle() == style]
        assert distances(alike, SIGHT[sight]).min() > 15


def test_the_distance_of_colours_is_that_of_cielab():
    np.testing.assert_allclose(lab_of(["white", "red"], np.eye(3)), [[100, 0, 0], [53.24, 80.09, 67.20]], atol=0.02)
