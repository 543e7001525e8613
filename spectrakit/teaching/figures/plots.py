"""The style of the book's figures, and figures of the LIBS study and of pretraining.

Each function returns the Figure. Wavelengths are in nm. In figures of the LIBS study contents are in ppm, `outcomes`
are Outcomes of `spectrakit.studies.libs`, one a task, and grids have one row an element and one column a range.
"""

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from IPython import get_ipython
from IPython.display import SVG
from matplotlib_inline.backend_inline import set_matplotlib_formats

from spectrakit.evaluation import percentage_error, r2, rmse, rpd
from spectrakit.preprocess import normalise_maximum
from spectrakit.resources import data_path
from spectrakit.simulate.libs import BOLTZMANN_EV
from spectrakit.studies.libs import scaled_to_peak

# Okabe and Ito's colours, which people with any kind of colour vision can distinguish.
BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
GREY = "#5B6470"
MODEL_COLOURS = {"CNN": BLUE, "RF": YELLOW, "BPNN": ORANGE, "PLS": GREEN, "mean": "#A9B0B8"}
TARGET_COLOURS = {"ca": BLUE, "mg": GREEN, "na": ORANGE}
RANGE_NAMES = {"high": "spiked soils", "low": "field soils"}
PROPERTY_NAMES = {
    "ph": "pH",
    "soc_pct": "organic carbon",
    "som_pct": "organic matter",
    "clay_pct": "clay",
    "sand_pct": "sand",
    "caco3_pct": "carbonate",
    "cec_cmol_kg": "cation exchange capacity",
    "fe_oxides_pct": "iron oxides",
    "kaolinite_pct": "kaolinite in the clay",
    "hematite_pct": "hematite in the iron oxides",
}
"""Names of the properties of soils in tables and figures."""
WIDTH = 7.4  # inches, the column of the book
# From small to large values: viridis without its palest end, which can hardly be seen on white.
RISING = sns.blend_palette(plt.cm.viridis(np.linspace(0, 0.92, 5)), as_cmap=True)
_STAGES = {1: "I", 2: "II", 3: "III"}


def book_style():
    """Set the style of the figures that follow; a chapter calls it once."""
    sns.set_theme(context="notebook", style="ticks", palette=[BLUE, ORANGE, GREEN, PINK, SKY, YELLOW])
    plt.rcParams.update(
        dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize"), 11)
        | dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 10)
        | {"lines.linewidth": 1.3, "lines.markersize": 5, "font.family": "DejaVu Sans", "legend.frameon": False}
        | {"figure.constrained_layout.use": True, "figure.dpi": 96, "figure.figsize": (WIDTH, 3.6)}
        | {"axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left"}
    )
    if get_ipython():  # in a notebook: two pixels a dot
        set_matplotlib_formats("retina")


def panels(n_rows=1, n_columns=1, height=3.4, **options):
    """A figure as wide as the book's column, `height` inches high, and its axes; options as for `plt.subplots`."""
    return plt.subplots(n_rows, n_columns, figsize=(WIDTH, height), **options)


def diagram(name):
    """A drawing of data/diagrams as SVG: 'libs_setup', 'libs_data_flow', 'resnet' or 'transfer'."""
    return SVG(filename=data_path("diagrams", f"{name}.svg"))


def line_labels(lines):
    """Reference lines with their labels, for figures and widgets: [(nm, 'Mg II 279.55'), ...].

    lines : DataFrame with element, stage and wavelength_air_nm, as of `simulate.libs.line_table`
    """
    rows = zip(lines["wavelength_air_nm"], lines["element"], lines["stage"], strict=True)
    return [(float(nm), f"{element} {_STAGES[stage]} {nm:.2f}") for nm, element, stage in rows]


def as_written(name):
    """A name from a user's file as text of a figure, where a dollar sign is one and begins no formula."""
    return str(name).replace("$", r"\$")


def task_title(task):
    """Title of a task's axes: 'Ca, spiked soils'."""
    return f"{task.target.capitalize()}, {RANGE_NAMES[task.range]}"


def minus(text):
    """A number as text with a minus sign in place of its hyphen, as the numbers of axes have it."""
    return text.replace("-", "−")


def draw_lines(axes, lines):
    """Mark reference lines (nm, label) inside the axes by dotted lines, with labels above that do not overlap."""
    low, high = axes.get_xlim()
    # The height of a label's letters as a share of the axes' width, before the layout has fixed it.
    step = 0.2 * axes.get_gridspec().ncols / WIDTH
    place = -np.inf
    for nm, label in sorted(line for line in lines if low <= line[0] <= high):
        place = max((nm - low) / (high - low), place + step)
        axes.axvline(nm, color=GREY, linestyle=":", linewidth=0.9, zorder=0)
        axes.annotate(
            label,
            xy=(nm, 1),
            xycoords=("data", "axes fraction"),
            xytext=(place, 1.05),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6},
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=9,
            color=GREY,
        )


def window_spectra(tasks, lines):
    """Spectra of each task's window, coloured by content, with reference lines: the counterpart of figure 3.

    tasks : Tasks; lines : for each task [(nm, label), ...]
    """
    figure, grid = panels(len(tasks), 1, 2.6 * len(tasks), squeeze=False)
    for axes, task, labelled in zip(grid[:, 0], tasks, lines, strict=True):
        scale = plt.Normalize(task.content.min(), task.content.max())
        for content, counts in sorted(zip(task.content, task.counts, strict=True), key=lambda pair: pair[0]):
            axes.plot(task.wavelength, counts / 1000, color=RISING(scale(content)), linewidth=0.9)
        axes.set(ylabel="1000 counts", xlim=(task.wavelength[0], task.wavelength[-1]))
        draw_lines(axes, labelled)
        figure.colorbar(
            plt.cm.ScalarMappable(scale, RISING),
            ax=axes,
            label=f"{task.target.capitalize()} (ppm)",
            aspect=14,
            ticks=plt.MaxNLocator(3),
        )
    axes.set_xlabel("Wavelength (nm)")
    return figure


def survey_spectrum(wavelength, counts, lines=()):
    """A spectrum of the whole range with a few of its lines labelled: wavelength and counts (n_channels,)."""
    figure, axes = panels()
    axes.plot(wavelength, np.asarray(counts) / 1000, color=BLUE, linewidth=0.6)
    axes.set(xlabel="Wavelength (nm)", ylabel="Signal (1000 counts)", xlim=(wavelength[0], wavelength[-1]))
    draw_lines(axes, lines)
    return figure


def _task_grid(tasks, height=2.6, above=0.0):
    """Figure and the titled axes of each task: rows are elements, columns ranges, in the order in which they come.

    tasks : with target and range; height : inches a row; above : inches for a legend above all
    """
    targets, ranges = (list(dict.fromkeys(getattr(task, name) for task in tasks)) for name in ("target", "range"))
    figure, grid = panels(len(targets), len(ranges), height * len(targets) + above, squeeze=False)
    placed = [grid[targets.index(task.target), ranges.index(task.range)] for task in tasks]
    for axes, task in zip(placed, tasks, strict=True):
        axes.set_title(task_title(task))
    for axes in set(grid.flat) - set(placed):
        axes.remove()
    return figure, placed


def predicted_vs_reference(outcomes):
    """Out-of-fold predictions of the CNN over reference contents, mean and deviation over the repeats: figure 4."""
    figure, grid = _task_grid([each.task for each in outcomes], 2.9)
    for axes, outcome in zip(grid, outcomes, strict=True):
        content, predicted = outcome.task.content, outcome.out_of_fold["CNN"]
        ends = [min(content.min(), predicted.mean(0).min()), max(content.max(), predicted.mean(0).max())]
        axes.axline((ends[0], ends[0]), slope=1, color=GREY, linestyle="--", linewidth=1, label="predicted = reference")
        axes.errorbar(
            content,
            predicted.mean(0),
            yerr=predicted.std(0),
            fmt="o",
            capsize=2.5,
            color=TARGET_COLOURS[outcome.task.target],
            label="CNN",
        )
        axes.set(xlabel="Reference content (ppm)", ylabel="Predicted content (ppm)")
    grid[0].legend()
    return figure


def percentage_error_boxes(outcomes):
    """Percentage errors of the CNN by sample, as boxes: figures 5 and 6. Unspiked samples have none."""
    figure, grid = _task_grid([each.task for each in outcomes])
    for axes, outcome in zip(grid, outcomes, strict=True):
        task = outcome.task
        order = np.argsort(task.content)
        errors = percentage_error(task.content, outcome.out_of_fold["CNN"])[:, order]
        axes.axhline(0, color=GREY, linewidth=0.8)
        colour = TARGET_COLOURS[task.target]
        axes.boxplot(
            list(errors.T),
            patch_artist=True,
            flierprops={"markersize": 3},
            boxprops={"facecolor": colour + "40", "edgecolor": colour},
            medianprops={"color": colour},
        )
        _name_samples(axes, task.sample_id[order])
        axes.set_ylabel("Error (%)")
    return figure


def repeatability_bars(outcomes):
    """Relative standard deviation of predictions from repeated measurements, by sample: figure 6."""
    figure, grid = _task_grid([each.task for each in outcomes])
    for axes, outcome in zip(grid, outcomes, strict=True):
        order = np.argsort(outcome.task.content)
        values = outcome.repeatability[order]
        axes.bar(np.arange(1, len(order) + 1), values, color=TARGET_COLOURS[outcome.task.target])
        axes.axhline(np.nanmean(values), color=GREY, linestyle="--", linewidth=1)
        axes.set_title(f"{task_title(outcome.task)}: mean {np.nanmean(values):.2g} %")
        _name_samples(axes, outcome.task.sample_id[order])
        axes.set_ylabel("RSD (%)")
    return figure


def _name_samples(axes, names):
    axes.set_xticks(np.arange(1, len(names) + 1), [*map(as_written, names)], rotation=90)
    axes.set_xlabel("Sample, by rising content")


def grad_cam_map(outcome, lines):
    """Grad-CAM of every sample over wavelength below the mean normalised spectrum, lines marked: figure 7.

    lines : [(nm, label), ...]. Each map is scaled to its maximum; the content of the samples rises from below.
    """
    task = outcome.task
    order = np.argsort(task.content)
    maps = scaled_to_peak(outcome.maps)[order]
    figure, (above, below) = panels(2, 1, 5.4, sharex=True, height_ratios=[1, 2])
    above.plot(task.wavelength, normalise_maximum(task.counts).mean(0), color=BLUE)
    above.set(ylabel="Mean spectrum\n(maximum 1)", xlim=(task.wavelength[0], task.wavelength[-1]))
    above.set_title(task_title(task), pad=72)
    image = below.pcolormesh(
        task.wavelength, np.arange(len(order)), maps, cmap="cividis", shading="nearest", vmin=0, vmax=1
    )
    below.set_yticks(np.arange(len(order)), [*map(as_written, task.sample_id[order])])
    below.set(xlabel="Wavelength (nm)", ylabel="Sample")
    draw_lines(above, lines)
    for nm, _ in lines:
        below.axvline(nm, color=ORANGE, linestyle=":", linewidth=1.2)
    figure.colorbar(image, ax=below, label="Grad-CAM (share of maximum)")
    return figure


def r2_bars(metrics, floor):
    """R2 by task and model, mean and standard deviation of the repeats: the counterpart of figure 8.

    metrics : DataFrame with target, range, model and r2, one row a repeat
    floor : lower end of the axis, so that one poor model does not flatten all others
    """
    frame = metrics.assign(task=metrics["target"].str.capitalize())
    figure, grid = panels(1, frame["range"].nunique(), squeeze=False, sharey=True)
    for axes, (range_, rows) in zip(grid[0], frame.groupby("range", sort=False), strict=True):
        _model_bars(axes, rows, "task", "r2")
        axes.set(ylabel="R²", title=RANGE_NAMES[range_].capitalize())
        axes.set_ylim(floor, 1.05)
    return with_legend(figure, grid[0, 0])


def error_bars(metrics):
    """RMSE, MAE and generalisation gap of each task by model, mean and standard deviation of the repeats: figure 9.

    metrics : DataFrame with target, range, model, rmse, mae and gap (ppm), one row a repeat
    """
    names = {"rmse": "RMSE", "mae": "MAE", "gap": "gap"}
    frame = metrics.rename(columns=names).melt(["target", "range", "model"], list(names.values()), "metric", "ppm")
    tasks = list(metrics[["target", "range"]].drop_duplicates().itertuples())
    figure, grid = _task_grid(tasks, above=0.4)
    for axes, (_, rows) in zip(grid, frame.groupby(["target", "range"], sort=False), strict=True):
        _model_bars(axes, rows, "metric", "ppm")
        axes.set_ylabel("Error (ppm)")
    return with_legend(figure, grid[0])


def _model_bars(axes, frame, x, y):
    """Bars by model with whiskers of a standard deviation, without a legend: one above all axes serves."""
    sns.barplot(
        frame,
        x=x,
        y=y,
        ax=axes,
        hue="model",
        hue_order=[model for model in MODEL_COLOURS if model in set(frame["model"])],
        palette=MODEL_COLOURS,
        saturation=1,
        errorbar="sd",
        capsize=0.15,
        err_kws={"linewidth": 1, "color": "#333333"},
    )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("")
    axes.get_legend().remove()


def with_legend(figure, axes, **options):
    """The figure with the legend of one of its axes in a row above all, or as options for a legend say."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, **{"loc": "outside upper center", "ncols": len(labels)} | options)
    return figure


def boltzmann_plot(upper_energy_eV, log_ratio):
    """Boltzmann plot with its straight line, whose slope -1/(k T) gives the temperature.

    upper_energy_eV : (n_lines,); log_ratio : (n_lines,) ln(I wavelength / (g A)), I the integrated intensity
    """
    slope, intercept = np.polyfit(upper_energy_eV, log_ratio, 1)
    ends = np.array([np.min(upper_energy_eV), np.max(upper_energy_eV)])
    figure, axes = panels(height=3.6)
    axes.plot(ends, intercept + slope * ends, color=ORANGE, label=f"T = {-1 / (BOLTZMANN_EV * slope):,.0f} K")
    axes.plot(upper_energy_eV, log_ratio, "o", color=BLUE)
    axes.set(xlabel="Energy of the upper level (eV)", ylabel="ln(I λ / g A)")
    axes.legend()
    return figure


def constituent_spectra(wavelength, reflectance, bands):
    """Reflectance of pure constituents, as `constituents` draws it: {name: (n_channels,)}."""
    words = ("Wavelength (nm)", "Reflectance")
    return constituents(wavelength, reflectance, bands, words, 1.95, ylim=(0, 1.02), yticks=[0, 0.5, 1])


def constituents(axis, spectra, bands, words, height, **limits):
    """Spectra of pure constituents, one axes each in two columns, with a few bands labelled.

    spectra : {name: (n_channels,)}; bands : {name: [(place on the axis, label), ...]}
    words : labels of the two axes; height : inches a row; limits : of the ordinates, as for `Axes.set`
    """
    n_rows = -(-len(spectra) // 2)
    figure, grid = panels(n_rows, 2, height * n_rows, sharex=True, squeeze=False)
    for axes, (name, values) in zip(grid.flat, spectra.items(), strict=False):
        axes.plot(axis, values, color=BLUE)
        axes.set(xlim=(axis[0], axis[-1]), ylabel=name, **limits)
        draw_lines(axes, bands[name])
    for axes in grid[-1]:
        axes.set_xlabel(words[0])
    figure.supylabel(words[1], fontsize=11)
    return figure


def domain_spectra(wavelength, domains):
    """Median reflectance of each domain over wavelength, and its range from the 5th to the 95th percentile.

    domains : {name: reflectance (n, n_channels)}
    """
    figure, axes = panels()
    for (name, spectra), colour, style in zip(domains.items(), (BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=False):
        low, middle, high = np.quantile(spectra, [0.05, 0.5, 0.95], axis=0)
        axes.fill_between(wavelength, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(wavelength, middle, color=colour, linestyle=style, label=name)
    axes.set(xlabel="Wavelength (nm)", ylabel="Reflectance", xlim=(wavelength[0], wavelength[-1]))
    axes.legend()
    return figure


def learning_curves(histories):
    """RMSE of training and validation soils over the epochs, one axes a recipe; the epoch that is kept is marked.

    histories : {title: DataFrame of training_mse and validation_mse, as `fit_network` returns it}
    """
    figure, grid = panels(1, len(histories), 3.2, sharey=True, squeeze=False)
    for axes, (title, history) in zip(grid[0], histories.items(), strict=True):
        epoch = np.arange(1, len(history) + 1)
        validation = np.sqrt(history["validation_mse"].to_numpy())
        axes.plot(epoch, np.sqrt(history["training_mse"]), color=BLUE, label="training")
        axes.plot(epoch, validation, color=ORANGE, linestyle="--", label="validation")
        axes.plot(epoch[validation.argmin()], validation.min(), "o", color=ORANGE, label="weights kept")
        axes.set(title=title, xlabel="Epoch")
        axes.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    grid[0, 0].set_ylabel("RMSE")
    grid[0, 0].legend()
    return figure


def predicted_vs_measured(tested, name):
    """Predicted over measured values of test soils, one axes each, scores in the title: figures 3, 4, 5 and 8.

    tested : {title: (measured, predicted)}, one or an even number, two in a row; name : of the property, with unit
    """
    values = np.concatenate([each for pair in tested.values() for each in pair])
    margin = 0.04 * np.ptp(values)
    span = values.min() - margin, values.max() + margin
    n_rows = -(-len(tested) // 2)
    figure, grid = panels(n_rows, min(len(tested), 2), 3.9 * n_rows, sharex=True, sharey=True, squeeze=False)
    for axes, (title, (measured, predicted)) in zip(grid.flat, tested.items(), strict=True):
        # The more points, the paler, so that their density can be seen.
        alpha = min(1, 12 / np.sqrt(len(measured)))
        axes.scatter(measured, predicted, s=12, color=BLUE, alpha=alpha, linewidth=0)
        axes.axline((np.mean(measured),) * 2, slope=1, color=GREY, linestyle="--", linewidth=1)
        scores = {"R²": r2, "RMSE": rmse, "RPD": rpd}
        listed = ", ".join(f"{label} {minus(f'{score(measured, predicted):.2f}')}" for label, score in scores.items())
        axes.set_title(f"{as_written(title)}\n{listed}", fontsize=10)
        axes.set(xlim=span, ylim=span, aspect="equal")
        axes.locator_params(nbins=5, steps=[1, 2, 5, 10])
    for axes in grid[-1]:
        axes.set_xlabel(f"Measured {as_written(name)}")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"Predicted {as_written(name)}")
    return figure


def dots_by_row(axes, table, marks, words, spread=0.0):
    """Each column of a table as marks over its rows, the first row on top.

    table : DataFrame, its index the names of the rows; marks : {column: (label, marker, colour)}
    words : label of the values
    spread : by how much the marks of one row lie apart, so that none hides another
    """
    for (column, (label, marker, colour)), shift in zip(
        marks.items(), np.linspace(-spread, spread, len(marks)), strict=True
    ):
        axes.plot(
            table[column],
            np.arange(len(table)) + shift,
            marker,
            color=colour,
            label=label and as_written(label),
            markersize=16 if marker == "|" else 6,
            markeredgewidth=2 if marker in "x|" else 1,
        )
    axes.set_yticks(range(len(table)), map(as_written, table.index))
    axes.set_ylim(len(table) - 0.5, -0.5)
    axes.set_xlabel(words)
    axes.grid(axis="y", linewidth=0.4)
