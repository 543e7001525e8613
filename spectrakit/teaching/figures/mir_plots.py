"""Figures of the mid-infrared study: spectra, laboratories, intervals, coverage of the library.

Each function returns the Figure. Wavenumbers are in 1/cm, ascending; tables are those that the study records; contents
are in g/kg.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter

from spectrakit.teaching.figures.plots import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PINK,
    SKY,
    WIDTH,
    YELLOW,
    as_written,
    draw_lines,
    with_legend,
)

TARGET_NAMES = {"c": "carbon", "om": "organic matter"}
CONTENT_MODEL_NAMES = {"network": "network", "pls": "PLS", "pls log": "PLS of the logarithm", "mean": "mean"}
METHOD_NAMES = {"mc-dropout": "MC-dropout", "ensemble": "ensemble", "both": "ensemble and dropout"}
METHOD_NAMES |= {"conformal": "conformal", "conformal by spread": "conformal, by spread"}
"""Names of targets, models and kinds of intervals in the record of the study, and in figures."""
WAVENUMBER = "Wavenumber (cm⁻¹)"
_MARKS = {"network": ("o", BLUE), "pls": ("s", GREEN), "pls log": ("D", YELLOW), "mean": ("|", GREY)}


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
    """Absorbance of pure constituents, one axes each in two columns, with a few bands labelled.

    absorbance : {name: (n_channels,)}; bands : {name: [(1/cm, label), ...]}
    """
    n_rows = -(-len(absorbance) // 2)
    figure, grid = plt.subplots(n_rows, 2, figsize=(WIDTH, 2.2 * n_rows), sharex=True, squeeze=False)
    for axes, (name, values) in zip(grid.flat, absorbance.items(), strict=False):
        axes.plot(axis, values, color=BLUE)
        axes.set(xlim=(axis[0], axis[-1]), ylim=(0, None), ylabel=name)
        draw_lines(axes, bands[name])
    for axes in grid[-1]:
        axes.set_xlabel(WAVENUMBER)
    return figure


def soil_spectra(axis, spectra, bands=()):
    """Spectra of a few soils in one pair of axes: {name: (n_channels,)}; bands : [(1/cm, label), ...]."""
    figure, axes = plt.subplots(figsize=(WIDTH, 3.9))
    colours = (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW)
    for (name, values), colour in zip(spectra.items(), colours, strict=False):
        axes.plot(axis, values, color=colour, label=name, linewidth=1.1)
    axes.set(xlabel=WAVENUMBER, ylabel="Absorbance", xlim=(axis[0], axis[-1]))
    draw_lines(axes, bands)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=4)
    return figure


def one_standard(axis, scans, reference):
    """One standard as every laboratory scanned it, above, and less the scan of the reference, below.

    scans : DataFrame (n_laboratories, n_channels), its index their names
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(WIDTH, 5.6), sharex=True)
    names = [name for name in scans.index if name != reference]
    colours = plt.get_cmap("viridis")(np.linspace(0, 0.92, len(names)))
    for name, colour in zip(names, colours, strict=True):
        above.plot(axis, scans.loc[name], color=colour, linewidth=0.8)
        below.plot(axis, scans.loc[name] - scans.loc[reference], color=colour, linewidth=0.8, label=as_written(name))
    label = f"{as_written(reference)}, the reference"
    above.plot(axis, scans.loc[reference], color="black", linewidth=1.2, label=label)
    above.set(ylabel="Absorbance", xlim=(axis[0], axis[-1]))
    above.legend(loc="upper right")
    below.axhline(0, color="black", linewidth=1.2)
    below.set(xlabel=WAVENUMBER, ylabel="Less the reference")
    below.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=4)
    return figure


def removed_by(table):
    """Share of the differences between scans of left-out standards that harmonisations remove: a dot a laboratory.

    table : DataFrame of shares, index of harmonisations, a column a laboratory; below 0 a harmonisation adds
    """
    table = table.loc[table.median(axis=1).sort_values().index]
    figure, axes = plt.subplots(figsize=(WIDTH, 0.9 + 0.4 * len(table)))
    for place, (_, row) in enumerate(table.iterrows()):
        axes.plot(100 * row, np.full(len(row), place), "o", color=BLUE, markersize=4, alpha=0.6)
        axes.plot([100 * row.median()], [place], "|", color=ORANGE, markersize=16, markeredgewidth=2.5)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(table)), table.index)
    axes.set(
        xlabel="Taken away of the squared difference to the reference (%)", xlim=(max(axes.get_xlim()[0], -100), 103)
    )
    return figure


def change_of_error(records):
    """RMSE on laboratories left out, over that without harmonisation, as coloured cells, one axes a target.

    records : DataFrame with target, harmonisation, laboratory, rmse, of one model
    """
    size = (WIDTH, 2.0 + 0.22 * records["harmonisation"].nunique())
    figure, grid = plt.subplots(1, records["target"].nunique(), figsize=size, squeeze=False)
    for axes, (target, rows) in zip(grid[0], records.groupby("target", sort=False), strict=True):
        wide = rows.pivot(index="harmonisation", columns="laboratory", values="rmse")
        wide = 100 * (wide.div(wide.loc["none"]) - 1).drop(index="none")
        wide = wide.loc[wide.median(axis=1).sort_values().index]
        axes.imshow(wide, cmap="RdBu_r", vmin=-60, vmax=60, aspect="auto")
        for (row, column), value in np.ndenumerate(wide.to_numpy()):
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": "white" if abs(value) > 45 else "black"}
            axes.text(column, row, f"{value:+.0f}".replace("-", "−"), **style)
        axes.set_xticks(range(len(wide.columns)), [*map(as_written, wide.columns)], rotation=90)
        axes.set_yticks(range(len(wide)), wide.index)
        axes.set_title(TARGET_NAMES[target])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    figure.supxlabel("Laboratory left out; change of RMSE in %", fontsize=11)
    return figure


def domain_distances(sets):
    """Distances to a domain along its components (T2) and from them (Q), over their limits, of sets of spectra.

    sets : {name: DataFrame of `SpectralDomain.examine`}
    """
    figure, axes = plt.subplots(figsize=(WIDTH, 3.9))
    for (name, table), colour, marker in zip(sets.items(), (GREY, BLUE, ORANGE), "o^s", strict=False):
        places = table["t2"] / table["t2_limit"], table["q"] / table["q_limit"]
        style = {"markersize": 4, "alpha": 0.6, "markeredgewidth": 0}
        axes.plot(*places, marker, color=colour, label=f"{name}: {table['outside'].mean():.0%} outside", **style)
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
    figure, grid = plt.subplots(1, shown["target"].nunique(), figsize=(WIDTH, 3.9), squeeze=False)
    for axes, (target, rows) in zip(grid[0], shown.groupby("target", sort=False), strict=True):
        least = max(rows["observed"].min(), 0.5)
        inside = (rows["lower"] <= rows["observed"]) & (rows["observed"] <= rows["upper"])
        contents = ["observed", "predicted", "lower", "upper"]
        rows = rows[contents].clip(lower=least / 3)  # a logarithm has no zero
        for part, colour, name in ((inside, SKY, "inside"), (~inside, ORANGE, "outside")):
            chosen = rows[part]
            axes.vlines(chosen["observed"], chosen["lower"], chosen["upper"], color=colour, linewidth=0.7, alpha=0.6)
            label = f"interval holds it: {part.mean():.0%}" if name == "inside" else f"it does not: {part.mean():.0%}"
            axes.plot(chosen["observed"], chosen["predicted"], ".", color=colour, markersize=4, label=label)
        axes.axline((least, least), (10 * least, 10 * least), color="black", linewidth=0.8)
        axes.set(title=TARGET_NAMES[target], xlabel="Measured (g/kg)")
        _logarithmic(axes, "xy")
        axes.legend(loc="upper left", markerscale=2, handletextpad=0.2)
    grid[0, 0].set_ylabel("Predicted (g/kg)")
    return figure


def scores_by_group(scores, metric, label):
    """A score of each model by group, mean over the rounds, one axes a target.

    scores : DataFrame with target, model, group, n and the metric
    """
    figure, grid = plt.subplots(1, scores["target"].nunique(), figsize=(WIDTH, 4.4), squeeze=False)
    for axes, (_, rows) in zip(grid[0], scores.groupby("target", sort=False), strict=True):
        means = rows.groupby(["group", "model"])[metric].mean().unstack()
        counts = rows.groupby("group")["n"].mean().sort_values(ascending=False)
        means = means.loc[counts.index]
        models = [name for name in _MARKS if name in means]
        for model, shift in zip(models, np.linspace(-0.21, 0.21, len(models)), strict=True):
            marker, colour = _MARKS[model]
            at = np.arange(len(means)) + shift
            axes.plot(means[model], at, marker, color=colour, markersize=6, label=CONTENT_MODEL_NAMES[model])
        axes.set_yticks(range(len(means)), [f"{as_written(name)} ({counts[name]:.0f})" for name in means.index])
        axes.set(ylim=(len(means) - 0.5, -0.5), xlabel=label, title=TARGET_NAMES[rows["target"].iloc[0]])
        _logarithmic(axes, "x")
        axes.grid(axis="y", linewidth=0.4)
    return with_legend(figure, grid[0, 0])


def coverage_by_method(coverage):
    """Coverage of each kind of interval at each level, mean over the rounds, one axes a target.

    coverage : DataFrame with target, method, level, coverage, of all samples
    """
    figure, grid = plt.subplots(1, coverage["target"].nunique(), figsize=(WIDTH, 3.3), sharey=True, squeeze=False)
    for axes, (target, rows) in zip(grid[0], coverage.groupby("target", sort=False), strict=True):
        means = rows.groupby(["method", "level"])["coverage"].mean().unstack()
        means = means.loc[[name for name in METHOD_NAMES if name in means.index]]
        for (level, column), colour, marker in zip(means.items(), (GREEN, BLUE, PINK), "sod", strict=False):
            axes.axvline(100 * level, color=colour, linewidth=1, linestyle="--")
            axes.plot(100 * column, range(len(means)), marker, color=colour, label=f"{level:.0%}")
        axes.set(xlabel="True value inside (%)", title=TARGET_NAMES[target], ylim=(len(means) - 0.5, -0.5))
        axes.set_yticks(range(len(means)), [METHOD_NAMES[name] for name in means.index])
        axes.grid(axis="y", linewidth=0.4)
    return with_legend(figure, grid[0, 0], title="nominal (dashed) and observed (mark)")


def coverage_left_out(table):
    """Coverage of 90 % intervals on laboratories left out, calibrated on the known laboratories and for new ones.

    table : DataFrame with target, laboratory, n, naive_90, promised_90
    """
    figure, grid = plt.subplots(1, table["target"].nunique(), figsize=(WIDTH, 3.9), squeeze=False)
    names = {"naive": ("known laboratories' intervals", ORANGE, "x"), "promised": ("made for new ones", BLUE, "o")}
    for axes, (target, rows) in zip(grid[0], table.groupby("target", sort=False), strict=True):
        rows = rows.sort_values("naive_90")
        for kind, (name, colour, marker) in names.items():
            values = 100 * rows[f"{kind}_90"]
            axes.plot(values, range(len(rows)), marker, color=colour, label=name, markersize=7, markeredgewidth=2)
            axes.axvline(values.mean(), color=colour, linewidth=1, linestyle=":")
        axes.axvline(90, color="black", linewidth=0.8, linestyle="--")
        counted = zip(rows["laboratory"], rows["n"], strict=True)
        axes.set_yticks(range(len(rows)), [f"{as_written(name)} ({n:.0f})" for name, n in counted])
        axes.set(xlabel="True value inside (%)", title=TARGET_NAMES[target], ylim=(-0.5, len(rows) - 0.5))
        axes.grid(axis="y", linewidth=0.4)
    return with_legend(figure, grid[0, 0])


def coverage_map(space, target):
    """Samples in cells of one degree, with the target measured, above, and measured or imputed, below.

    space : DataFrame with latitude, longitude (of the corner), measured, all
    """
    figure, grid = plt.subplots(2, 1, figsize=(WIDTH, 6.4), sharex=True, sharey=True)
    scale, name = LogNorm(1, max(space["all"].max(), 2)), TARGET_NAMES[target]
    for axes, column, words in zip(grid, ("measured", "all"), ("measured", "measured or imputed"), strict=True):
        rows = space[space[column] > 0].sort_values(column)
        at = rows["longitude"] + 0.5, rows["latitude"] + 0.5
        points = axes.scatter(*at, c=rows[column], norm=scale, cmap="cividis_r", s=9, marker="s", linewidth=0)
        axes.set(ylabel="Latitude (°)", title=f"{name} {words}: {len(rows):,} cells of one degree", xlim=(-180, 180))
        axes.grid(linewidth=0.4)
    grid[1].set_xlabel("Longitude (°)")
    figure.colorbar(points, ax=grid, label="Samples in the cell", aspect=40, pad=0.02)
    return figure


def coverage_profile(depths):
    """Number of samples that reach each layer of 10 cm, with the target measured and in all, one axes a target.

    depths : {target: DataFrame with layer (top, cm), measured, all}
    """
    figure, grid = plt.subplots(1, len(depths), figsize=(WIDTH, 3.8), sharey=True, squeeze=False)
    for axes, (target, table) in zip(grid[0], depths.items(), strict=True):
        middle = table["layer"] + 5
        axes.barh(middle, table["all"], height=9, color=SKY, label="measured or imputed")
        axes.barh(middle, table["measured"], height=9, color=BLUE, label="measured")
        axes.set(xlabel="Samples", title=TARGET_NAMES[target], ylim=(table["layer"].max() + 10, 0))
    grid[0, 0].set_ylabel("Depth (cm)")
    return with_legend(figure, grid[0, 0])


def error_by_laboratory(records):
    """RMSE on each laboratory left out: one row a model and harmonisation, the best on top, and a mark a laboratory.

    records : DataFrame with model, harmonisation, laboratory, rmse; one model alone is not named
    """
    several = records["model"].nunique() > 1
    rows = records["model"] + ", " + records["harmonisation"] if several else records["harmonisation"]
    wide = records.assign(row=rows).pivot(index="row", columns="laboratory", values="rmse")
    wide = wide.loc[wide.mean(axis=1).sort_values(ascending=False).index]
    figure, axes = plt.subplots(figsize=(WIDTH, 1.2 + 0.33 * len(wide)))
    for (name, column), colour, marker in zip(wide.items(), (BLUE, ORANGE, GREEN, PINK, SKY), "os^Dv", strict=False):
        axes.plot(column, range(len(wide)), marker, color=colour, label=as_written(name))
    axes.set_yticks(range(len(wide)), wide.index)
    axes.set_xlabel("RMSE on the laboratory left out")
    axes.grid(axis="y", linewidth=0.4)
    axes.legend(title="left out", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    return figure
