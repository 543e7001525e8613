"""Figures of the mid-infrared study: spectra, laboratories, intervals, coverage of the library.

Each function returns the Figure. Wavenumbers are in 1/cm, ascending; tables are those that the study records; contents
are in g/kg.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection
from matplotlib.colors import LogNorm
from matplotlib.path import Path
from matplotlib.ticker import LogLocator, NullFormatter

from spectrakit.resources import data_path
from spectrakit.teaching.figures.plots import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    RISING,
    SKY,
    YELLOW,
    as_written,
    constituents,
    dots_by_row,
    draw_lines,
    minus,
    panels,
    with_legend,
)

TARGET_NAMES = {"c": "carbon", "om": "organic matter"}
CONTENT_MODEL_NAMES = {"network": "network", "pls": "PLS", "pls log": "PLS of the logarithm", "mean": "mean"}
METHOD_NAMES = {
    "mc-dropout": "MC-dropout",
    "ensemble": "ensemble",
    "both": "ensemble and dropout",
    "conformal": "conformal",
    "conformal by spread": "conformal, by spread",
}
"""Names of targets, models and kinds of intervals in the record of the study, and in figures."""
WAVENUMBER, COVERED = "Wavenumber (cm⁻¹)", "True value inside (%)"
_MARKS = {"network": ("o", BLUE), "pls": ("s", GREEN), "pls log": ("D", YELLOW), "mean": ("d", GREY)}


def _logarithmic(axes, which):
    """Make x, y or both logarithmic, with plain numbers at 1, 2 and 5 times powers of ten, or at powers alone."""
    for name in which:
        getattr(axes, f"set_{name}scale")("log")
        low, high = getattr(axes, f"get_{name}lim")()
        axis = getattr(axes, f"{name}axis")
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 50 else (1,)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def constituent_absorbance(axis, absorbance, bands):
    """Absorbance of pure constituents, as `constituents` draws it: {name: (n_channels,)}."""
    return constituents(axis, absorbance, bands, (WAVENUMBER, "Absorbance"), 2.2, ylim=(0, None))


def soil_spectra(axis, spectra, bands=()):
    """Spectra of a few soils in one pair of axes: {name: (n_channels,)}; bands : [(1/cm, label), ...]."""
    figure, axes = panels(height=3.9)
    colours = (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW)
    for (name, values), colour, style in zip(spectra.items(), colours, 2 * ("-", "--", ":"), strict=False):
        axes.plot(axis, values, color=colour, linestyle=style, label=name, linewidth=1.1)
    axes.set(xlabel=WAVENUMBER, ylabel="Absorbance", xlim=(axis[0], axis[-1]))
    draw_lines(axes, bands)
    return with_legend(figure, axes, loc="outside lower center")


def one_standard(axis, scans, reference):
    """One standard as every laboratory scanned it, above, and less the scan of the reference, below.

    scans : DataFrame (n_laboratories, n_channels), its index their names
    """
    figure, (above, below) = panels(2, 1, 5.6, sharex=True)
    names = [name for name in scans.index if name != reference]
    for i, (name, colour) in enumerate(zip(names, RISING(np.linspace(0, 1, len(names))), strict=True)):
        style = {"color": colour, "linestyle": ("-", "--", ":")[i % 3], "linewidth": 0.9}
        above.plot(axis, scans.loc[name], **style)
        below.plot(axis, scans.loc[name] - scans.loc[reference], label=as_written(name), **style)
    above.plot(
        axis, scans.loc[reference], color="black", linewidth=1.2, label=f"{as_written(reference)}, the reference"
    )
    above.set(ylabel="Absorbance", xlim=(axis[0], axis[-1]))
    above.legend(loc="lower right", bbox_to_anchor=(1, 1))
    below.axhline(0, color="black", linewidth=1.2)
    below.set(xlabel=WAVENUMBER, ylabel="Absorbance less\nthe reference")
    return with_legend(figure, below, loc="outside lower center", ncols=4)


def removed_by(table):
    """Share of the differences between scans of left-out standards that harmonisations remove: a dot a laboratory.

    table : DataFrame of shares, index of harmonisations, a column a laboratory; below 0 a harmonisation adds
    """
    table = (100 * table).assign(median=100 * table.median(axis=1)).sort_values("median", ascending=False)
    figure, axes = panels(height=0.9 + 0.4 * len(table))
    marks = {name: (None if i else "a laboratory", "o", BLUE) for i, name in enumerate(table.columns[:-1])}
    words = "Taken away of the squared difference to the reference (%)"
    dots_by_row(axes, table, marks | {"median": ("median", "|", ORANGE)}, words)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_xlim(max(axes.get_xlim()[0], -100), 103)
    return with_legend(figure, axes)


def change_of_error(records):
    """RMSE on laboratories left out, over that without harmonisation, as coloured cells, one axes a target.

    records : DataFrame with target, harmonisation, laboratory, rmse, of one model
    """
    n_targets, n_harmonisations = records[["target", "harmonisation"]].nunique()
    figure, grid = panels(n_targets, 1, n_targets * (1.2 + 0.22 * n_harmonisations), squeeze=False)
    for axes, (target, rows) in zip(grid[:, 0], records.groupby("target", sort=False), strict=True):
        wide = rows.pivot(index="harmonisation", columns="laboratory", values="rmse")
        wide = 100 * (wide.div(wide.loc["none"]) - 1).drop(index="none")
        wide = wide.loc[wide.median(axis=1).sort_values().index]
        image = axes.imshow(wide, cmap="RdBu_r", vmin=-60, vmax=60, aspect="auto")
        for (row, column), value in np.ndenumerate(wide.to_numpy()):
            colour = "white" if abs(value) > 40 else "black"
            axes.text(column, row, minus(f"{value:+.0f}"), ha="center", va="center", fontsize=9, color=colour)
        axes.set_xticks(range(len(wide.columns)), [*map(as_written, wide.columns)], rotation=30)
        axes.set_yticks(range(len(wide)), wide.index)
        axes.set_title(TARGET_NAMES[target])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    axes.set_xlabel("Laboratory left out")
    figure.colorbar(image, ax=grid, label="Change of RMSE (%)", extend="both", aspect=40)
    return figure


def domain_distances(sets):
    """Distances to a domain along its components (T2) and from them (Q), over their limits, of sets of spectra.

    sets : {name: DataFrame of `SpectralDomain.examine`}
    """
    figure, axes = panels(height=3.9)
    for (name, table), colour, marker in zip(sets.items(), (GREY, BLUE, ORANGE), "o^s", strict=False):
        axes.plot(
            table["t2"] / table["t2_limit"],
            table["q"] / table["q_limit"],
            marker,
            color=colour,
            label=f"{name}: {table['outside'].mean():.0%} outside",
            markersize=4,
            alpha=0.6,
            markeredgewidth=0,
        )
    axes.axhline(1, color="black", linewidth=0.8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xlabel="T² over its limit", ylabel="Q over its limit")
    _logarithmic(axes, "xy")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=1)
    return figure


def predicted_with_intervals(shown):
    """Predicted over measured contents of test soils with 90 % intervals, one axes a target, logarithmic.

    shown : DataFrame with target, observed, predicted, lower, upper
    """
    figure, parts = _by_target(shown, 3.9)
    for axes, rows in parts:
        least = max(rows["observed"].min(), 0.5)
        inside = (rows["lower"] <= rows["observed"]) & (rows["observed"] <= rows["upper"])
        rows = rows[["observed", "predicted", "lower", "upper"]].clip(lower=least / 3)  # a logarithm has no zero
        for part, colour, words in ((inside, SKY, "interval holds it"), (~inside, ORANGE, "it does not")):
            chosen, label = rows[part], f"{words}: {part.mean():.0%}"
            axes.vlines(chosen["observed"], chosen["lower"], chosen["upper"], color=colour, linewidth=0.7, alpha=0.6)
            axes.plot(chosen["observed"], chosen["predicted"], ".", color=colour, markersize=4, label=label)
        axes.axline((least, least), (10 * least, 10 * least), color="black", linewidth=0.8)
        axes.set_xlabel("Measured (g/kg)")
        _logarithmic(axes, "xy")
        axes.legend(loc="upper left", markerscale=2, handletextpad=0.2)
    parts[0][0].set_ylabel("Predicted (g/kg)")
    return figure


def _by_target(table, height, **options):
    """A figure with axes for each target of a table, titled, and pairs of these axes and the target's rows."""
    figure, grid = panels(1, table["target"].nunique(), height, squeeze=False, **options)
    parts = []
    for axes, (target, rows) in zip(grid[0], table.groupby("target", sort=False), strict=True):
        axes.set_title(TARGET_NAMES[target])
        parts.append((axes, rows))
    return figure, parts


def scores_by_group(scores, metric, label):
    """A score of each model by group, mean over the rounds, one axes a target.

    scores : DataFrame with target, model, group, n and the metric
    """
    figure, parts = _by_target(scores, 4.4)
    for axes, rows in parts:
        means = rows.groupby(["group", "model"])[metric].mean().unstack()
        counts = rows.groupby("group")["n"].mean().sort_values(ascending=False)
        means = means.loc[counts.index].rename(index=lambda name, counts=counts: f"{name} ({counts[name]:.0f})")
        marks = {name: (CONTENT_MODEL_NAMES[name], *mark) for name, mark in _MARKS.items() if name in means}
        dots_by_row(axes, means, marks, label, 0.21)
        _logarithmic(axes, "x")
    return with_legend(figure, parts[0][0])


def coverage_by_method(coverage):
    """Coverage of each kind of interval at each level, mean over the rounds, one axes a target.

    coverage : DataFrame with target, method, level, coverage, of all samples
    """
    figure, parts = _by_target(coverage, 3.3, sharey=True)
    for axes, rows in parts:
        means = 100 * rows.groupby(["method", "level"])["coverage"].mean().unstack()
        means = means.loc[[name for name in METHOD_NAMES if name in means.index]].rename(METHOD_NAMES)
        for level, marker, colour in zip(means, "sod", (GREEN, BLUE, PINK), strict=False):
            dots_by_row(axes, means, {level: (f"{level:.0%}", marker, colour)}, COVERED)
            axes.axvline(100 * level, color=colour, linewidth=1, linestyle="--")
    return with_legend(figure, parts[0][0], title="nominal (dashed) and observed (mark)")


def coverage_left_out(table):
    """Coverage of 90 % intervals on laboratories left out, calibrated on the known laboratories and for new ones.

    table : DataFrame with target, laboratory, n, naive_90, promised_90
    """
    figure, parts = _by_target(table, 3.9)
    marks = {
        "naive_90": ("known laboratories' intervals", "x", ORANGE),
        "promised_90": ("made for new ones", "o", BLUE),
    }
    for axes, rows in parts:
        rows = rows.sort_values("naive_90", ascending=False)
        names = rows["laboratory"] + " (" + rows["n"].astype(int).astype(str) + ")"
        dots_by_row(axes, 100 * rows[[*marks]].set_axis(names), marks, COVERED)
        for name, (_, _, colour) in marks.items():
            axes.axvline(100 * rows[name].mean(), color=colour, linewidth=1, linestyle=":")
        axes.axvline(90, color="black", linewidth=0.8, linestyle="--")
    return with_legend(figure, parts[0][0])


def coverage_map(space, target):
    """Samples in cells of one degree, with the target measured, above, and measured or imputed, below.

    space : DataFrame with latitude, longitude (of the corner), measured, all
    """
    figure, grid = panels(2, 1, 6.4, sharex=True, sharey=True)
    scale, name = LogNorm(1, max(space["all"].max(), 2)), TARGET_NAMES[target]
    land = pd.read_csv(data_path("soils", "land.csv"))
    # One path of all rings, so that a ring inside another, an inland sea, is a hole in it.
    outlines = Path.make_compound_path(
        *(Path(ring[["longitude", "latitude"]], closed=True) for _, ring in land.groupby("ring"))
    )
    for axes, column, words in zip(grid, ("measured", "all"), ("measured", "measured or imputed"), strict=True):
        axes.add_collection(PathCollection([outlines], facecolor="0.9", edgecolor="0.9", linewidth=0.5, zorder=0))
        rows = space[space[column] > 0].sort_values(column)
        at = rows["longitude"] + 0.5, rows["latitude"] + 0.5
        points = axes.scatter(*at, c=rows[column], norm=scale, cmap="cividis_r", s=9, marker="s", linewidth=0)
        axes.set(ylabel="Latitude (°)", xlim=(-180, 180), ylim=(-60, 85))
        axes.set_title(f"{name} {words}: {len(rows):,} cells of one degree")
        axes.grid(linewidth=0.4)
    grid[1].set_xlabel("Longitude (°)")
    figure.colorbar(points, ax=grid, label="Samples in the cell", aspect=40, pad=0.02, format="{x:g}")
    return figure


def coverage_profile(depths):
    """Number of samples that reach each layer of 10 cm, with the target measured and in all, one axes a target.

    depths : {target: DataFrame with layer (top, cm), measured, all}
    """
    figure, parts = _by_target(pd.concat(depths, names=["target"]).reset_index("target"), 3.8, sharey=True)
    for axes, table in parts:
        middle = table["layer"] + 5
        axes.barh(middle, table["all"], height=9, color=SKY, label="measured or imputed")
        axes.barh(middle, table["measured"], height=9, color=BLUE, label="measured")
        axes.set(xlabel="Samples", ylim=(table["layer"].max() + 10, 0))
        axes.xaxis.set_major_locator(plt.MaxNLocator(3))
        axes.xaxis.set_major_formatter("{x:,.0f}")
    parts[0][0].set_ylabel("Depth (cm)")
    return with_legend(figure, parts[0][0])


def error_by_laboratory(records):
    """RMSE on each laboratory left out: one row a model and harmonisation, the best on top, and a mark a laboratory.

    records : DataFrame with model, harmonisation, laboratory, rmse (of log10 of the content); one model alone is not
        named
    """
    several = records["model"].nunique() > 1
    rows = records["model"] + ", " + records["harmonisation"] if several else records["harmonisation"]
    wide = records.assign(row=rows).pivot(index="row", columns="laboratory", values="rmse")
    wide = wide.loc[wide.mean(axis=1).sort_values().index]
    figure, axes = panels(height=1.2 + 0.33 * len(wide))
    styles = zip(wide, "os^Dv", (BLUE, ORANGE, GREEN, PINK, SKY), strict=False)
    marks = {name: (name, marker, colour) for name, marker, colour in styles}
    dots_by_row(axes, wide, marks, "RMSE on the laboratory left out (of log10 of the content)")
    axes.legend(title="left out", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    return figure
