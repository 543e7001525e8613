"""Figures of the Gejiu study: soils, scores of models, wavelengths.

Each function returns the Figure. Tables are those that the study records, wavelengths are in nm, lead is in mg/kg or
its natural logarithm.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

from spectrakit.explain import rank_correlation
from spectrakit.teaching.figures.plots import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    YELLOW,
    dots_by_row,
    panels,
    with_legend,
)

LEAD_MODEL_NAMES = {
    "mean": "mean",
    "resnet_pb": "ResNet-Pb",
    "pls_pb": "PLS-Pb",
    "svm_pb": "SVM-Pb",
    "resnet_ph_pb": "ResNet-pH-Pb",
}
"""Models of lead with the names of the paper, in its order."""
COLOURS = {"mean": "#A9B0B8", "resnet_pb": ORANGE, "pls_pb": GREEN, "svm_pb": YELLOW, "resnet_ph_pb": BLUE}
_AREA_MARKERS = {"smelting grid": "o", "near smelter": "s", "mining road": "D"}


def sampling_map(places, lead):
    """Map of the sampling points and their lead: the counterpart of figure 1.

    places : as of `simulate.soils.sampling_map`; lead : (n_points,) mg/kg
    """
    figure, axes = panels(height=6.6)
    for place, road in enumerate(places.roads):
        axes.plot(*road.T, color=GREY, linewidth=1, alpha=0.6, zorder=0, label=None if place else "road")
    scale = LogNorm(np.min(lead), np.max(lead))
    for area, marker in _AREA_MARKERS.items():
        inside = (places.points["area"] == area).to_numpy()
        at = places.points.loc[inside, ["easting_km", "northing_km"]].to_numpy().T
        points = axes.scatter(
            *at,
            c=np.asarray(lead)[inside],
            norm=scale,
            cmap="cividis_r",
            s=34,
            marker=marker,
            edgecolor=GREY,
            linewidth=0.5,
            label=f"{area} ({inside.sum()})",
        )
    for sources, marker, colour, name in ((places.smelters, "^", ORANGE, "smelter"), (places.mines, "X", PINK, "mine")):
        axes.scatter(*sources.T, marker=marker, s=110, color=colour, edgecolor="black", linewidth=0.7, label=name)
    axes.set(xlabel="East (km)", ylabel="North (km)", aspect="equal")
    figure.colorbar(points, cax=axes.inset_axes([1.12, 0.02, 0.08, 0.6]), label="Lead (mg/kg)", format="{x:g}")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0)
    return figure


def lead_spectra(wavelength, reflectance, lead):
    """Reflectance of the soils with little and with much lead, and its rank correlation with lead.

    wavelength : (n_channels,); reflectance : (n, n_channels); lead : (n,)
    """
    figure, (above, below) = panels(2, 1, 5, sharex=True)
    low, high = np.quantile(lead, [0.25, 0.75])
    groups = {"lowest quarter of lead": (lead <= low, BLUE, "-"), "highest quarter": (lead >= high, ORANGE, "--")}
    for name, (rows, colour, style) in groups.items():
        first, middle, last = np.quantile(reflectance[rows], [0.25, 0.5, 0.75], axis=0)
        above.fill_between(wavelength, first, last, color=colour, alpha=0.18, linewidth=0)
        above.plot(wavelength, middle, style, color=colour, label=name)
    above.set(ylabel="Reflectance", xlim=(wavelength[0], wavelength[-1]))
    above.legend()
    below.plot(wavelength, rank_correlation(reflectance.T, lead), color=BLUE)
    below.axhline(0, color=GREY, linewidth=0.8)
    below.set(xlabel="Wavelength (nm)", ylabel="Rank correlation\nwith lead", ylim=(-1, 1))
    return figure


def r2_boxes(scores, published):
    """R2 of the rounds by model as boxes, every round a dot, beside the published means: figure 6.

    scores : DataFrame with model, round and r2; published : {model: R2}
    """
    shown = [name for name in LEAD_MODEL_NAMES if name in set(scores["model"])]
    figure, axes = panels(height=3.8)
    for place, name in enumerate(shown):
        r2 = scores.loc[scores["model"] == name].sort_values("round")["r2"].to_numpy()
        axes.boxplot(
            [r2],
            positions=[place],
            widths=0.5,
            patch_artist=True,
            showfliers=False,
            boxprops={"facecolor": COLOURS[name] + "40"},
            medianprops={"color": "black"},
        )
        # Rounds lie side by side, in order, so that no dot hides another.
        axes.plot(place + np.linspace(-0.18, 0.18, len(r2)), r2, "o", color=COLOURS[name], markersize=4)
    known = [name for name in shown if name in published]
    at = [shown.index(name) for name in known]
    axes.plot(at, [published[name] for name in known], "k_", markersize=44, markeredgewidth=2, label="published mean")
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xticks(range(len(shown)), [LEAD_MODEL_NAMES[name] for name in shown])
    axes.set_ylabel("R² of the test soils")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), markerscale=0.4)
    return figure


def source_scores(table, labels, reference):
    """R2 of lead after pretraining on each source, best on top, every round a dot and the mean a bar.

    table : DataFrame with source, round, r2; labels : {source: name}; reference : (name, R2) of a line to compare with
    """
    wide = table.pivot(index="source", columns="round", values="r2")
    wide = wide.assign(mean=wide.mean(axis=1)).sort_values("mean", ascending=False).rename(labels)
    figure, axes = panels(height=0.9 + 0.34 * len(wide))
    rounds = wide.columns.drop("mean")
    marks = {name: (None if i else "a round", "o", BLUE) for i, name in enumerate(rounds)}
    dots_by_row(axes, wide, marks, "R² of lead, test soils", 0.18)
    dots_by_row(axes, wide, {"mean": ("mean", "|", ORANGE)}, "R² of lead, test soils")
    axes.axvline(reference[1], color=GREY, linestyle="--", linewidth=1, label=reference[0])
    return with_legend(figure, axes)


def shap_profiles(wavelength, profiles, named, peaks):
    """Mean absolute SHAP value by wavelength, one axes a network: the counterpart of figure 7.

    profiles : {title: (n_channels,)}; named : {title: wavelengths that the paper names}, dotted lines
    peaks : {title: wavelengths of our peaks}, dots on the curve
    """
    figure, grid = panels(len(profiles), 1, 2.9 * len(profiles), sharex=True, squeeze=False)
    for axes, (title, profile) in zip(grid[:, 0], profiles.items(), strict=True):
        axes.plot(wavelength, profile, color=BLUE, linewidth=0.8)
        places = np.searchsorted(wavelength, peaks[title])
        axes.plot(np.asarray(wavelength)[places], np.asarray(profile)[places], "o", color=ORANGE, label="our peaks")
        for nm in named[title]:
            label = "named in the paper" if nm == named[title][0] else None
            axes.axvline(nm, color=GREY, linestyle=":", linewidth=1, zorder=0, label=label)
        axes.set(
            ylabel="Mean |SHAP value|\n(unit of the output)",
            title=title,
            xlim=(wavelength[0], wavelength[-1]),
            ylim=(0, None),
        )
    grid[0, 0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    grid[-1, 0].set_xlabel("Wavelength (nm)")
    return figure


def inside_windows(wavelength, gradient, distance, profile, pool, span):
    """Gradient, distance from the background and mean absolute SHAP value by channel, over a few pooling windows.

    gradient, distance, profile : (n_channels,); pool : channels a window; span : (low, high) nm
    """
    inside = (wavelength >= span[0]) & (wavelength <= span[1])
    figure, grid = panels(3, 1, 5.4, sharex=True)
    rows = {"Gradient": gradient, "Distance from\nbackground": distance, "Mean |SHAP value|": profile}
    for axes, (name, values) in zip(grid, rows.items(), strict=True):
        axes.plot(wavelength[inside], values[inside], ".-", color=BLUE, linewidth=0.8, markersize=4)
        for edge in wavelength[::pool]:
            if span[0] <= edge <= span[1]:
                axes.axvline(edge - 0.5, color=GREY, linestyle=":", linewidth=0.8)
        axes.set_ylabel(name)
    grid[-1].set(xlabel="Wavelength (nm); dotted: borders of pooling windows", xlim=span)
    return figure


def place_bars(counts, pool):
    """Number of peaks at each place in a pooling window, and the number that an even spread would give.

    counts : {series: places of peaks, 0 to pool - 1}
    """
    figure, grid = panels(1, len(counts), 2.9, squeeze=False, sharex=True)
    for axes, (name, places) in zip(grid[0], counts.items(), strict=True):
        axes.bar(np.arange(pool), np.bincount(np.asarray(places, int), minlength=pool), color=BLUE)
        axes.axhline(len(places) / pool, color=ORANGE, linestyle="--", linewidth=1.2, label="spread evenly")
        axes.set(title=name, xlabel="Place in the window", xticks=range(pool))
        axes.yaxis.set_major_locator(plt.MaxNLocator(integer=True))
    grid[0, 0].set_ylabel("Peaks")
    grid[0, 0].legend(loc="upper center")
    return figure


def measured_tasks(means):
    """Mean R2 of every measured task by model: one row a task, models as marks side by side.

    means : DataFrame, index of task names, a column a model
    """
    marks = {
        "pls": ("PLS", "s", GREEN),
        "svm": ("SVM", "D", YELLOW),
        "scratch": ("from scratch", "^", ORANGE),
        "pretrained": ("pretrained", "o", BLUE),
    }
    figure, axes = panels(height=1.1 + 0.32 * len(means))
    shown = {name: mark for name, mark in marks.items() if name in means}
    dots_by_row(axes, means, shown, "R² of the test samples, mean over rounds", 0.24)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure
