# %% [markdown]
# # On your own spectra
#
# Everything in this book can be done with measured spectra, by a command or in a notebook. This page says how a table
# has to look, which command does what, and runs one check of each kind. Where the environment variable
# `SPECTRAKIT_DATA` names a folder with tables of yours, the cells take them; without one they take simulated or
# recorded ones and say so.
#
# **What you will learn**
#
# - how to bring files of an instrument, or a table of your own, into the kit
# - which three questions to ask of LIBS spectra before training anything
# - what a network pretrained on simulated soils was worth on measured ones
# - what to test before laboratories are put together and gaps are filled
#
# **Time**: about 30 minutes. **You need**: a table, and the chapter on its kind of spectra.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from IPython.display import display

from spectrakit import (
    evaluation,
    models,
    preprocess,
    resources,
    tables,
    teaching,
    workflows,
)
from spectrakit.simulate import libs
from spectrakit.studies import libs as study
from spectrakit.teaching import figures
from spectrakit.workflows import harmonise

figures.book_style()
folder = resources.measured_folder()
teaching.sentence(
    "This page was made with {what}.",
    what="simulated and recorded spectra; `SPECTRAKIT_DATA` is not set"
    if folder is None
    else "the measured tables of `SPECTRAKIT_DATA`",
)

# %% [markdown]
# ## By command
#
# A **plain spectral table** has one row a sample (or a measurement), a column `sample_id`, one column a channel, named
# by its wavelength in nm or its wavenumber in 1/cm, and one column a property, named with its unit (`ca_ppm`,
# `soc_pct`, `ph`). CSV and Parquet will do. Rows of one sample share its `sample_id`, or a column `group`.
#
# | You want | Command |
# | --- | --- |
# | a table of files of an instrument (OPUS, ASD, JCAMP-DX, Spectral Evolution, text) | `spectrakit convert FOLDER -o soils.csv` |
# | to know what is wrong with a table | `spectrakit check soils.csv --axis nm --signal reflectance` |
# | a property of some tens of soils by a pretrained network | `spectrakit transfer soils.csv --target ph` |
# | to know whether harmonisation helps on a laboratory never seen | `spectrakit harmonise LAB1.csv LAB2.csv --target soc_pct` |
# | gaps filled with intervals | `spectrakit impute LIBRARY --property c_g_kg -o hybrid.parquet` |
# | a study on its real files | `spectrakit replicate gejiu --data FOLDER` |
# | this book with your tables | `SPECTRAKIT_DATA=FOLDER make book` |
#
# Every command has `--help`. A run that was stopped goes on where it was; `--scheduler ADDRESS` hands long work to a
# Dask cluster. `data/README.md` says how to lay out LUCAS, Gejiu and the Open Soil Spectral Library.
#
# ## LIBS
#
# Before you train anything, look. Three questions decide whether a window is fit for use. Do the lines stand where the
# table of lines says? Is any channel saturated, that is at the upper end of what the camera can count? Does the window
# hold enough channels? Without a table of yours the next cells answer for a simulated spectrum that we have shifted by
# one channel on purpose. In the table a negative shift says that the lines stand at wavelengths that are too low, and
# '30 of 33' that the window has 30 channels where the network of chapter 2 takes 33.

# %% tags=["hide-input"]
survey = libs.measure(libs.spiked_soils([0]), survey=True)
sets = {"simulated, one channel low": study.shifted(survey, -1)}
if folder is not None:
    inside = folder / "libs" if (folder / "libs").is_dir() else folder
    try:
        sets = study.read_folder(inside)
    except ValueError as reason:
        print(reason)

# %% tags=["hide-input"]
rows = []
for name, data in sets.items():
    shift = float(study.wavelength_shifts(data).shift_channels.median())
    for target, share in study.saturated_samples(data).items():
        low, high, needed = libs.settings()["windows"][target]
        held = data.window(low, high).n_channels
        rows.append(
            (
                name,
                data.n_samples,
                shift,
                target.capitalize(),
                f"{held} of {needed}",
                share,
            )
        )
columns = [
    "Table",
    "Spectra",
    "Shift (channels)",
    "Window",
    "Channels",
    "Saturated samples",
]
fitness = pd.DataFrame(rows, columns=columns)
display(
    figures.show_table(
        fitness,
        "Fit for use?",
        {"Shift (channels)": "{:+.1f}", "Saturated samples": "{:.0%}"},
    )
)
notes = [
    f"{name}: {note}" for name, data in sets.items() for note in data.notes
]
teaching.sentence(
    "{notes}",
    notes="What reading noticed: " + "; ".join(notes) + "."
    if notes
    else "Reading noticed nothing unusual.",
)

# %% [markdown]
# A shift of one channel is nothing to a person who sees the whole spectrum. To a network that was trained on other
# spectra it is a line in the wrong place. Shift the axis before you cut windows, and do not use saturated windows: a
# line that the camera cut off no longer grows with the content. In the figure the peaks of your spectra (dots) should
# stand where those of the grey curve stand; their heights may differ.

# %% mystnb={"image": {"alt": "Three panels, one a window: counts over their maximum, over wavelength, of measured spectra, or of the shifted simulated ones, beside the simulated spectrum of the reference soil."}} tags=["hide-input"]
figure, windows = figures.panels(3, 1, height=7.2)
for axes, (target, axis) in zip(
    windows, libs.window_axes().items(), strict=True
):
    for name, data in sets.items():
        part = data.window(axis[0] - 0.3, axis[-1] + 0.3)
        mean = np.nanmedian(part.spectra, axis=0)
        axes.plot(
            part.axis,
            mean / mean.max(),
            marker=".",
            label=figures.as_written(name),
        )
    own = survey.window(axis[0] - 0.3, axis[-1] + 0.3)
    axes.plot(
        own.axis,
        own.spectra[0] / own.spectra[0].max(),
        color="0.4",
        label="simulated reference soil",
    )
    axes.set(title=f"{target.capitalize()} window", ylabel="Over maximum")
axes.set_xlabel("Wavelength (nm)")
legend = figure.legend(
    *axes.get_legend_handles_labels(), loc="outside lower center", ncols=2
)

# %% [markdown]
# If a table also holds contents of oxides (as `cao_wt_pct`), its line ratios can be compared with what the simulator
# expects. Dividing by the first rock takes out the sensitivity of the detector. Where self-absorption rules, the ratio
# of two lines changes far less than the ratio of the contents, and the simulator should say so too. Where measured and
# simulated ratios differ, remember what the simulator does not know: the temperature and density of that plasma, and
# its cooler rim, in which resonance lines such as those of sodium and potassium lose part of their light.

# %% tags=["hide-input"]
pairs = {
    0.4: [(("Mg", 285.213), ("Si", 288.158))],
    0.8: [(("Na", 589.3), ("Ca", 616.2)), (("K", 766.49), ("Ca", 616.2))],
}
rocks = {
    name: data for name, data in sets.items() if "cao_wt_pct" in data.properties
}
for name, data in rocks.items():
    ratios = pd.concat(
        [study.content_ratios(data, pair, half) for half, pair in pairs.items()]
    )
    caption = f"{name}: line ratios relative to the first rock"
    display(
        figures.show_table(
            ratios, caption, dict.fromkeys(ratios.columns[2:], "{:.2f}")
        )
    )
teaching.sentence("Tables with oxide contents: {n}.", n=len(rocks))

# %% [markdown]
# ### A model, and the simple ones first
#
# Begin with the mean of the training soils: it shows which $R^2$ is reached without any spectrum. Then PLS. If a forest
# or a network does better than PLS on **grouped** folds, in most repeats and not only on average, there is a curved
# relation that is worth its parameters. Report training errors beside test errors. The next cell takes calcium of your
# tables with ten spectra or more; without one, of simulated field soils. It makes one repeat only.

# %%
contents = {
    name: data
    for name, data in sets.items()
    if "ca_ppm" in data.properties and len(data) >= 10
}
if not contents:
    soils = libs.measure(libs.field_soils(0), 2, random_state=0)
    contents = {"simulated field soils": soils}
rows = []
for name, data in contents.items():
    task = study.measured_task(data, "ca")
    n_folds = min(10, len(set(task.sample_id)))
    splits = evaluation.grouped_folds(task.sample_id, n_folds, 1)
    baselines = models.libs_baselines(random_state=0)
    fitted = {"mean": baselines["mean"], "PLS": baselines["PLS"], "CNN": None}
    for label, model in fitted.items():
        predicted = study.fit_model(model, task, splits)
        r2 = evaluation.r2(task.content, splits.out_of_fold(predicted)[0])
        rows.append((name, label, len(set(task.sample_id)), r2))

# %% tags=["hide-input"]
shown = pd.DataFrame(rows, columns=["Table", "Model", "Soils", "R²"])
figures.show_table(shown, "Calcium, grouped folds", {"R²": "{:.2f}"})

# %% [markdown]
# With measured contents of at least ten samples the audit of Grad-CAM maps runs as in [chapter 4](04_grad_cam.ipynb):
# `study.audit_task(study.explain_task(task, resolving_power=...))`, with the resolving power of your spectrometer. The
# lower it is, the more of the window is "near a line", and the less the check can tell.
#
# ## Visible and near infrared
#
# Does a network that has seen nothing but simulated soils help on **measured** ones? This is the test that counts: four
# measured sets ([LimeSoDa](references.md), whose names for them the figure keeps), and in each pH, organic matter or
# carbon, and clay. Each round of a task has at most 98 training soils, as in the study of [chapter
# 6](06_lead_transfer.ipynb). The pretrained network is the kit's second one (`resnet_soils`). It learned twenty
# properties of simulated soils of the whole world. Then it practised small calibrations, each on some tens of simulated
# soils of one place, until its features were good for that; `data/models/README.md` says how. Its input is not the
# logarithm but the first derivative of the absorbance, which PLS and SVM get as well.
#
# `spectrakit transfer` freezes the convolutions and puts a new model on top: dense layers, and a Gaussian process, a
# regression that predicts a soil from the training soils most like it. Both see the features of the network and, beside
# them, its input averaged over some channels. The recorded run has a control: the same new model over that input alone,
# so without anything that was pretrained. In the figure a row is a set and a property; further right is better, and
# left of 0 the mean of the training soils would have done better.

# %% mystnb={"image": {"alt": "Mean R² of the test samples for each measured task, one row a task, with a mark each for PLS, SVM, the network from scratch and the pretrained network, from the recorded rounds."}} tags=["hide-input"]
measured = pd.read_csv(
    resources.data_path("recorded", "transfer-visnir.csv"), comment="#"
)
means = (
    measured.groupby(["table", "target", "model"], sort=False)["r2"]
    .mean()
    .unstack()
)
means.index = [
    f"{table}, {figures.PROPERTY_NAMES.get(target, target)}"
    for table, target in means.index
]
figure = figures.measured_tasks(means)

# %% tags=["hide-input"]
better = means[["pls", "svm"]].max(axis=1)
gain = means["pretrained"] - means["scratch"]
control = means["pretrained"] - means["input"]
teaching.sentence(
    "By the mean $R^2$ of {n_rounds} rounds the pretrained network is above the one from scratch in {n_scratch} of {n} measured tasks; on average "
    "over the tasks it is {scratch} it ({gain:+.2f}). It is at least equal to the better of PLS and SVM in {n_better} ({beside:+.3f} on average), and "
    "above the control in {n_input} ({control:+.3f}): so much, or so little, is due to what was pretrained.",
    n=len(means),
    n_rounds=measured["round"].nunique(),
    scratch=teaching.claim(gain.mean(), 0, "below", "level with", "above"),
    n_scratch=int((gain > 0).sum()),
    gain=gain.mean(),
    n_better=int((means["pretrained"] >= better).sum()),
    beside=(means["pretrained"] - better).mean(),
    n_input=int((control > 0).sum()),
    control=control.mean(),
)

# %% tags=["hide-input"]
heads = {
    "pls": "PLS",
    "svm": "SVM",
    "scratch": "Scratch",
    "input": "No pretraining",
    "pretrained": "Pretrained",
}
shown = (
    means[list(heads)].rename(columns=heads).rename_axis("Task").reset_index()
)
figures.show_table(
    shown,
    "Mean R² of the test samples, recorded",
    dict.fromkeys(heads.values(), "{:.2f}"),
)

# %% [markdown]
# The next cell runs two rounds on the largest table of reflectance from 400 to 2499 nm in your folder (or in a folder
# `visnir` of it), and predicts pH or, without it, the first property of the table. For all rounds and a plot use
# `spectrakit transfer TABLE --target ph`. A folder `lucas` with the LUCAS release, and one with the soils of Gejiu,
# serve `spectrakit replicate gejiu --data FOLDER`.


# %% tags=["hide-input"]
def reflectance_tables(folder):
    """Name to dataset, brought to 400-2499 nm, of the tables in a folder that allow it and hold a property, and notes."""
    inside = folder / "visnir" if (folder / "visnir").is_dir() else folder
    ready = {}
    paths, notes = tables.spectra_files(inside)
    for path in paths:
        try:
            in_percent = tables.check_table(
                path, "nm", "percent-reflectance"
            ).usable
            data = tables.read_table(
                path,
                "nm",
                "percent-reflectance" if in_percent else "reflectance",
            )
            ready[path.name], _ = preprocess.lucas_reflectance(data)
            notes += [f"{path.name}: {note}" for note in data.notes]
        except ValueError as reason:
            notes.append(f"left out {path.name}: {reason}")
    return {
        name: data
        for name, data in ready.items()
        if len(data.properties.columns)
    }, notes


own, notes = ({}, []) if folder is None else reflectance_tables(folder)
print(*notes, sep="\n" if notes else "")
if own:
    name = max(own, key=lambda each: own[each].n_samples)
    target = (
        "ph"
        if "ph" in own[name].properties
        else own[name].properties.columns[0]
    )
    rounds = workflows.run_rounds(
        own[name], target, workflows.transfer_models(), n_rounds=2
    )
    display(
        figures.show_table(
            workflows.score_frame(rounds),
            f"{name}, {target}: {own[name].provenance_line()}",
        )
    )
teaching.sentence(
    "Tables of reflectance that were used: {n}.", n=min(len(own), 1)
)

# %% [markdown]
# ## Mid infrared: laboratories and gaps
#
# `spectrakit harmonise` leaves each laboratory out in turn and prints what helps and what hurts. `spectrakit impute`
# fits to what is measured and fills the rest: PLS by default, `--model network` for the networks of [chapter
# 9](09_gaps_filled.ipynb). Both know a third model, `pretrained`, for whoever has few laboratories. Its convolutions
# practised on simulated laboratories: to learn from some of them and to predict another. On your spectra they stay as
# they are, and a ridge regression (linear, with coefficients kept small) is fitted to what they give
# (`data/models/README.md` says how). A library is a plain spectral table, a table in the layout of the [Open Soil
# Spectral Library](references.md), or a folder of Parquet files, which may be larger than the computer's memory.
#
# What the first command gave on some **measured** laboratories (organic carbon) is recorded. They differ in their soils
# as well as in their instruments, and did no ring trial; where a harmonisation needs one, the simulated one of [chapter
# 8](08_laboratories.ipynb#to-make-laboratories-alike) stands in, which also says what the names mean. Each row of the
# figure is a model and a harmonisation, each mark a laboratory that was left out. Errors are of $\log_{10}$: an RMSE of
# 0.1 is a factor of $10^{0.1} = 1.26$.

# %% mystnb={"image": {"alt": "RMSE of log10 organic carbon on each of the measured laboratories left out, one row a model and harmonisation, a mark a laboratory, recorded."}} tags=["hide-input"]
path = resources.data_path("recorded", "harmonise-mir.csv")
measured = pd.read_csv(path, comment="#")
figure = figures.error_by_laboratory(measured[measured["model"] != "mean"])

# %% tags=["hide-input"]
heads = {
    "model": "Model",
    "harmonisation": "Harmonisation",
    "r2": "R²",
    "rmse": "RMSE (log10)",
}
heads |= {
    "coverage_90": "In the 90 % interval",
    "width_90": "Width (log10)",
    "outside": "Outside the domain",
}
formats = dict.fromkeys(["R²", "Width (log10)"], "{:.2f}") | {
    "RMSE (log10)": "{:.3f}"
}
formats |= dict.fromkeys(
    ["In the 90 % interval", "Outside the domain"], "{:.0%}"
)


def mean_scores(records, caption):
    """Table of mean scores over the laboratories left out, the smallest error first."""
    means = (
        records.groupby(["model", "harmonisation"])[list(heads)[2:]]
        .mean()
        .sort_values("rmse")
        .reset_index()
    )
    return figures.show_table(
        means.rename(columns=heads),
        f"{caption}: means over laboratories left out in turn",
        formats,
    )


# The mean of the known soils is the same whatever is done to spectra.
once = measured[
    (measured["model"] != "mean") | (measured["harmonisation"] == "none")
]
mean_scores(once, "log10 of organic carbon, measured laboratories")


# %% tags=["hide-input"]
def beside_pls(part):
    """RMSE and coverage of one laboratory: the pretrained network without harmonisation, PLS without and at its best."""
    pls, pretrained = (
        part[part["model"] == model].set_index("harmonisation")
        for model in ("pls", "pretrained")
    )
    errors = (
        pretrained.loc["none", "rmse"],
        pls.loc["none", "rmse"],
        pls["rmse"].min(),
    )
    return [
        *errors,
        pretrained.loc["none", "coverage_90"],
        pls.loc["none", "coverage_90"],
    ]


columns = [
    "RMSE, pretrained",
    "RMSE, PLS",
    "RMSE, PLS at its best",
    "Covered, pretrained",
    "Covered, PLS",
]
rows = {name: beside_pls(part) for name, part in measured.groupby("laboratory")}
table = (
    pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    .rename_axis("Laboratory left out")
    .reset_index()
)
formats = dict.fromkeys(columns[:3], "{:.3f}") | dict.fromkeys(
    columns[3:], "{:.0%}"
)
figures.show_table(
    table,
    "Without harmonisation, and PLS with the best one for each laboratory; log10 of organic carbon; coverage of 90 % intervals",
    formats,
)

# %% tags=["hide-input"]
won = (table[columns[0]] < table[columns[2]]).sum()
teaching.sentence(
    "Without harmonisation the pretrained network has a smaller error than PLS with its best harmonisation in {won} of {n} laboratories. The best is chosen by "
    "looking at the answer, which nobody could do beforehand. The 90 % intervals of the pretrained network cover {pretrained:.0%} on average, {enough} what was "
    "asked for, those of PLS, calibrated on known laboratories, {pls:.0%}. What the next laboratory would get, {n} laboratories cannot prove.",
    won=int(won),
    n=len(table),
    pretrained=table["Covered, pretrained"].mean(),
    enough=teaching.claim(
        table["Covered, pretrained"].mean(),
        0.9,
        "less than",
        "just",
        "more than",
        within=0.005,
    ),
    pls=table["Covered, PLS"].mean(),
)

# %% [markdown]
# If your folder holds a folder `mir` of such tables, in per cent of reflectance, the next cell leaves out each of
# *your* laboratories, with two harmonisations.

# %% tags=["hide-input"]
own, notes = None, []
if folder is not None and (folder / "mir").is_dir():
    try:
        own, notes = harmonise.read_laboratories(
            [folder / "mir"], "cm-1", "percent-reflectance"
        )
    except ValueError as reason:
        notes = [f"not used: {reason}"]
print(*notes, sep="\n" if notes else "")
if own is not None:
    standards, ring, _ = harmonise.ring_of(own)
    target = (
        "soc_pct" if "soc_pct" in own.properties else own.properties.columns[0]
    )
    soils, _ = harmonise.soils_to_predict(own.subset(~standards), target)
    choices = {
        name: harmonise.possible_harmonisations(soils, ring)[0][name]
        for name in ("none", "snv")
    }
    found = harmonise.leave_laboratories_out(soils, target, choices)
    display(mean_scores(found, f"{own.provenance_line()}; log10 of {target}"))
teaching.sentence(
    "Laboratories of yours: {n}.",
    n=0 if own is None else own.samples["laboratory"].nunique(),
)

# %% [markdown]
# ## Summary
#
# A table that says what it holds, a check before a model, the simple model first, groups kept whole, and a laboratory
# left out before a claim: with these five rules the results of this book can be tried on any soils.
