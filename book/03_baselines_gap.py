# %% [markdown]
# # Baselines and the generalisation gap
#
# A score says little by itself. An $R^2$ of 0.8 is splendid where simpler methods reach 0.3, and poor where they reach
# 0.99. So in this chapter the network of [chapter 2](02_cnn_regression.ipynb) gets company: the two baselines of the
# study, one that chemists would have tried first, and one that learns nothing. Then we ask what 'over-fitting' means,
# whether the published measure of it points the right way, and how sure one can be of anything with twelve soils.
#
# **What you will learn**
#
# - how a random forest, a small back-propagation network and partial least squares do on the same splits
# - what the generalisation gap measures, and why its published sign rewards over-fitting
# - how training and test error meet as soils are added
# - how far $R^2$ moves when the same experiment is simply done again
#
# **Time**: about 40 minutes to read; the code runs in under a minute.
# **You need**: chapter 2, and a rough idea of what regression trees and principal components are.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsRegressor

from spectrakit import evaluation, ledger, models, resources, teaching
from spectrakit.simulate import libs
from spectrakit.studies import libs as study
from spectrakit.teaching import figures, widgets

figures.book_style()
profile, sizes = (
    study.PROFILES[resources.profile_name()],
    study.SIZES[resources.profile_name()],
)
published = ledger.load_published("libs")["entries"]
results = ledger.load_results("libs")["results"]
outcomes = study.STUDY.run(
    resources.profile_name(), folder=resources.runs_folder() / "libs"
)
parts = [
    outcomes[key].metrics.assign(target=key[0], range=key[1])
    for key in study.TASKS
]
metrics = pd.concat(parts, ignore_index=True)
wide = study.score_records(outcomes).pivot_table(
    index="task", columns="model", values="r2"
)
wide = wide[["CNN", "RF", "BPNN", "PLS", "mean"]]

# %% tags=["hide-input"]
holds = [
    results[f"order.r2.cnn_highest.{target}.{range_}"]["value"]
    for target, range_ in study.TASKS
]
teaching.sentence(
    "**What comes out.** PLS, a linear method that the paper leaves out, has {pls} $R^2$ than the network in "
    "{n_pls} of the six tasks, {pls_mean:.2f} beside {cnn_mean:.2f} on average. The paper's claim that the network "
    "beats forest and BPNN holds in nine of ten recorded repeats in {n_holds} of six tasks. And the published "
    "generalisation gap rewards over-fitting: a model that learns by heart gets the lowest value there is.",
    pls=teaching.claim(
        wide["PLS"].mean(),
        wide["CNN"].mean(),
        "a lower",
        "the same",
        "a higher",
    ),
    n_pls=int((wide["PLS"] > wide["CNN"]).sum()),
    pls_mean=wide["PLS"].mean(),
    cnn_mean=wide["CNN"].mean(),
    n_holds=sum(share >= 0.9 for share in holds),
)

# %% [markdown]
# ## Five models, the same splits
#
# - **RF**, a random forest ([references](references.md)): 300 trees, each grown on a random sample of the soils, each
#   leaf holding at least three of them; the forest predicts the mean of its trees. The *quick* profile grows fewer.
# - **BPNN**, a back-propagation network with one hidden layer of four units, learning rate 0.01, 500 iterations.
# - **PLS**, partial least squares: it looks for the few directions in the spectrum that vary *together with* the content
#   and fits a straight line along them. It is the everyday tool of chemometrics, and the paper does not compare with it.
#   How many directions to use is found by a cross-validation inside the training soils.
# - **mean**, which predicts the mean of the training soils. Whoever does worse has learned less than nothing.
# - **CNN**, the network of chapter 2.
#
# All five get the same normalised spectra and the same folds, so that a difference between them is not one of luck with
# the split. It is the run of the study that chapter 2 made: its parts were kept, and are loaded here in a second.

# %%
baselines = models.libs_baselines(random_state=0)
baselines["RF"].set_params(n_estimators=profile.n_trees)
dataset = libs.simulate_libs(random_state=0)

# %% [markdown]
# ### The counterpart of figure 8
#
# The paper finds the CNN's $R^2$ the highest in every task and that of RF far lower.

# %% mystnb={"image": {"alt": "Bars of R squared for five models, grouped by element, in two panels: spiked soils left and field soils right."}} tags=["hide-input"]
figure = figures.r2_bars(metrics, floor=-0.4)

# %% tags=["hide-input"]
caption = (
    f"R², mean over {profile.n_repeats} repeat(s); {dataset.provenance_line()}"
)
figures.show_table(wide.reset_index(), caption, dict.fromkeys(wide, "{:.2f}"))

# %% tags=["hide-input"]
lead = wide[["CNN", "RF", "BPNN"]].idxmax(axis=1)
teaching.sentence(
    "RF lies below the CNN in {n_rf} of six tasks. {why} PLS is the best of all five in {n_best} of six: a linear method, "
    "decades older than the network ([references](references.md)). {where}",
    n_rf=int((wide["RF"] < wide["CNN"]).sum()),
    why=teaching.claim(
        (wide["RF"] < wide["CNN"]).mean(),
        0.5,
        above="One of the paper's observations returns, and for a good reason: a tree with at least three soils a leaf "
        "has few leaves when there are ten or eleven soils to share, so its predictions stop short of the lowest and "
        "highest contents.",
    ),
    n_best=int((wide.idxmax(axis=1) == "PLS").sum()),
    where=teaching.claim(
        wide["PLS"].mean(),
        wide["CNN"].mean(),
        above="The information *is* in these spectra; the network does not get it out of ten or eleven examples.",
    ),
)

# %% [markdown]
# Where the signal grows nearly in proportion to the content, and where twelve soils are all one has, a straight line
# along a few directions is hard to beat. A paper that compares a network with RF and BPNN alone leaves out the comparison
# that its readers would make first.
#
# ### The counterpart of figure 9
#
# RMSE, MAE and generalisation gap, one panel a task, all in ppm. We come to the sign of the gap below.

# %% mystnb={"image": {"alt": "Six panels of bars in ppm, one row an element, spiked soils left and field soils right: root mean square error, mean absolute error and generalisation gap of five models."}} tags=["hide-input"]
figure = figures.error_bars(metrics)

# %% [markdown]
# ### Do the claimed orderings hold, repeat by repeat?
#
# A bar with a deviation hides whether the order of the models is the same in every repeat. Since all models share the
# folds, we can count. This is from the recorded run with the *paper* profile, ten repeats: in what share of them does
# each claim hold?

# %% tags=["hide-input"]
claims = ledger.ledger_frame("libs", kinds=("ordering",)).reset_index()
claims["task"] = claims.element + " " + claims.range
claims = claims.pivot(index="what", columns="task", values="ours")[
    [f"{t.capitalize()} {r}" for t, r in study.TASKS]
]
table = claims.reset_index().rename(columns={"what": "claim"})
figures.show_table(
    table,
    "Share of the recorded repeats in which a claim holds",
    wide=["claim"],
)

# %% [markdown]
# A claim that holds in all ten repeats of one task and in none of another is not a property of the method. It is a
# property of the task. Note also what 'ten of ten' does not mean here. The repeats deal the same twelve soils out anew;
# they are ten looks at one sample, not ten samples. A model that happens to suit these twelve soils wins every time. We
# come back to this at the end of the chapter.
#
# ## Equation 7: the generalisation gap
#
# The study measures over-fitting by
#
# $$\text{G-Gap} = \mathrm{RMSE}_\text{train} - \mathrm{RMSE}_\text{test} \tag{7}$$
#
# and says that 'a higher value indicates a greater degree of overfitting'. Let us test the measure on models whose
# degree of over-fitting we know. The **nearest neighbour** learns by heart: asked about a training soil, it returns that
# soil's content, and its training error is exactly zero. The **mean** cannot over-fit at all, having one parameter.


# %%
def train_and_test(model, task, splits):
    """RMSE (ppm) of the training soils of all folds, and out of fold."""
    predicted = study.fit_model(model, task, splits)
    errors = predicted - task.content  # (n_folds, n_soils)
    training = errors[splits.train]
    test = splits.out_of_fold(errors)[0]
    return np.sqrt(np.mean(training**2)), np.sqrt(np.mean(test**2))


# %% tags=["hide-input"]
splits = evaluation.repeated_folds(12, n_folds=10, n_repeats=1, random_state=0)
task = study.cut_task(dataset, "mg", "low")
candidates = {
    "nearest neighbour": KNeighborsRegressor(1),
    "CNN": None,
    **baselines,
}
gaps = pd.DataFrame(
    {
        name: train_and_test(model, task, splits)
        for name, model in candidates.items()
    },
    ["train", "test"],
).T
gaps["equation 7"] = evaluation.generalisation_gap(gaps.train, gaps.test)
gaps["test over train"] = gaps.test / gaps.train
table = gaps.sort_values("equation 7").reset_index(names="model")
caption = f"{figures.task_title(task)}: RMSE and gap (ppm), lowest gap first"
figures.show_table(table, caption, dict.fromkeys(table.columns[1:], "{:.1f}"))

# %% tags=["hide-input"]
heart, tried = (
    gaps.loc["nearest neighbour"],
    gaps.drop(index=["nearest neighbour", "mean"]),
)
forest = tried["test"].idxmax()
teaching.sentence(
    "The model that learned by heart has the {lowest} value of equation 7, {heart:.1f} ppm. By the paper's own words the "
    "table, lowest gap first, should end with the model that over-fits most; it begins with it. Training errors are smaller "
    "than test errors, so every gap is negative, and the deeper the over-fitting, the *lower* the value. As published, the "
    "sign rewards over-fitting; the paper's figures can only be meant in magnitude, and so we compare magnitudes.",
    lowest=teaching.claim(
        heart["equation 7"],
        gaps["equation 7"].drop("nearest neighbour").min(),
        below="lowest",
    ),
    heart=heart["equation 7"],
)

# %% tags=["hide-input"]
best, mean = tried["test"].idxmin(), gaps.loc["mean"]
teaching.sentence(
    "Even then the gap tells half of the story. The mean has a gap of {mean_gap:.1f} ppm and is useless. {worst} has one of "
    "{worst_gap:.1f} ppm and, of the four models that try, the largest test error, {worst_test:.1f} ppm. {best} errs {times:.1f} times "
    "as much in the test as in training and is the best of all ({best_test:.1f} ppm). **A small gap is a virtue only beside a "
    "small test error.** In ppm the gap also depends on the spread of the contents; the last column, which has no unit, is "
    "infinite for a model that learned by heart.",
    mean_gap=abs(mean["equation 7"]),
    worst=forest,
    worst_gap=abs(tried.loc[forest, "equation 7"]),
    worst_test=tried.loc[forest, "test"],
    best=best,
    times=tried.loc[best, "test over train"],
    best_test=tried.loc[best, "test"],
)

# %% [markdown]
# ```{exercise-start}
# :label: ex-gap
# ```
# A model learned its training soils by heart and errs by 54.313 ppm in the test, the published RMSE of magnesium in the
# spiked soils. What is its G-Gap after equation 7, in ppm?

# %%
answer_3_1 = None

# %% tags=["hide-input"]
teaching.check("3.1", answer_3_1)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-gap
# :class: dropdown
# ```
# $0 - 54.313 = -54.313$ ppm, the lowest value that a model with this test error can have. One that errs by 54.313 ppm in
# training too, and so does not over-fit at all, scores 0: the higher value.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** Two models have the same generalisation gap in magnitude. Which one would you take?
#
# <details><summary>Either: they over-fit equally</summary>
# No. That they do says nothing of how well they predict; the mean has a small gap, too.</details>
# <details><summary>The one with the smaller test error</summary>
# Right. New soils meet the test error; the gap only compares it with an error that nobody will meet again.</details>
# <details><summary>The one with the larger training error</summary>
# No. At the same gap a larger training error means a larger test error as well.</details>
#
# </div>

# %% [markdown]
# ### Which gap is the largest?
#
# The paper gives RF the largest gap and the CNN the smallest, and yet says that it is the BPNN which over-fits severely.
# In magnitude, here:

# %% tags=["hide-input"]
magnitude = metrics.assign(
    gap=metrics.gap.abs(),
    task=metrics.target.str.capitalize() + " " + metrics.range,
)
magnitude = magnitude.pivot_table(index="task", columns="model", values="gap")[
    ["CNN", "RF", "BPNN", "PLS"]
]
three = magnitude[["CNN", "RF", "BPNN"]]
figures.show_table(
    magnitude.reset_index(),
    "Gap in magnitude (ppm)",
    dict.fromkeys(magnitude, "{:.1f}"),
)

# %% tags=["hide-input"]
widest = three.idxmax(axis=1).value_counts()
teaching.sentence(
    "Of the three models of the paper, the widest gap is that of {widest} in {n_widest} of six tasks; that of RF in {n_rf}. "
    "{so}",
    widest=widest.index[0],
    n_widest=int(widest.iloc[0]),
    n_rf=int(widest.get("RF", 0)),
    so=teaching.claim(
        int(widest.get("RF", 0)),
        3,
        below="Three soils a leaf keep the forest from learning by heart. The paper's words about the BPNN agree with what "
        "we find; the order in its figure 9 does not.",
        same="The order in the paper's figure 9 holds in half of them.",
        above="The order in the paper's figure 9 returns; its words about the BPNN do not.",
    ),
)

# %% [markdown]
# ## More soils
#
# Over-fitting is not a property of a model alone. It is a relation between what a model can bend to and how much there
# is to hold it straight. The way to see this is to add soils. We simulate 144 of each kind, spiked soils at
# evenly spaced levels and field soils each with its own matrix (all that it holds besides the element), train on 6,
# 12, 24, 48 and 96 of them drawn at random,
# and test on all that were not drawn.

# %% tags=["hide-input"]
many = {
    "high": libs.measure(
        libs.spiked_soils(np.linspace(0, 1000, 144)), random_state=0
    ),
    "low": libs.measure(libs.field_soils(0, n_samples=144), random_state=0),
}
chosen = {"CNN": None, "PLS": baselines["PLS"], "RF": baselines["RF"]}
counts = []
for target, range_ in study.TASKS:
    large = study.cut_task(many[range_], target, range_)
    frame = study.sample_count_experiment(
        large, chosen, sizes.n_soils, sizes.n_draws
    )
    counts.append(
        frame.assign(
            element=target.capitalize(), soils=figures.RANGE_NAMES[range_]
        )
    )
counts = pd.concat(counts, ignore_index=True)

# %% [markdown]
# **How many soils does each model need?** Choose an element, a set of soils and a model. In the first panel training and test error approach each other, and what
# is left is the error that noise and matrix make unavoidable for this model. Twelve soils, the number of the study, stand
# far to the left.

# %% tags=["hide-input"]
axes_of = {
    "element": ["Ca", "Mg", "Na"],
    "soils": ["spiked soils", "field soils"],
    "model": list(chosen),
}
grid = pd.MultiIndex.from_product(
    [*axes_of.values(), sizes.n_soils], names=[*axes_of, "n_soils"]
)
mean = (
    counts.groupby([*axes_of, "n_soils"])[["train", "test"]]
    .mean()
    .reindex(grid)
)
shape = (3, 2, 3, len(sizes.n_soils))
train, test = (
    mean[side].to_numpy().reshape(shape) for side in ("train", "test")
)
gap = (test - train)[:, :, None]
soils = np.array(sizes.n_soils)
label, marker = "Training soils", ((12, "the study"),)
above = (widgets.Series("training", train), widgets.Series("test", test))
below = tuple(
    widgets.Series(name, gap[..., place, :])
    for place, name in enumerate(chosen)
)
panels = (
    widgets.Panel(
        "Error of the chosen model",
        soils,
        label,
        "RMSE (ppm)",
        above,
        marker,
        y_range="each",
    ),
    widgets.Panel(
        "Gap of all three, in magnitude",
        soils,
        label,
        "Test − training (ppm)",
        below,
        marker,
        y_range="each",
    ),
)
controls = [
    widgets.Control(name.capitalize(), tuple(values))
    for name, values in axes_of.items()
]
widgets.Explorer(
    controls,
    panels,
    f"Means over {sizes.n_draws} training sets drawn from 144 soils.",
    start=[1, 0, 0],
    question="How many soils does each model need?",
    answers=[
        f"With 12 soils the test error is {each[1]:.1f} ppm, with {soils[-1]} soils {each[-1]:.1f} ppm; "
        f"the gap shrinks from {each[1] - own[1]:.1f} to {each[-1] - own[-1]:.1f} ppm.".replace(
            "-", "−"
        )
        for each, own in zip(
            test.reshape(-1, len(soils)),
            train.reshape(-1, len(soils)),
            strict=True,
        )
    ],
)

# %% tags=["hide-input"]
errors = counts[counts["n_soils"].isin([12, 96])].pivot_table(
    index="n_soils", columns="model", values="test", aggfunc="mean"
)
fall = errors.loc[12] / errors.loc[96]
teaching.sentence(
    "From 12 to 96 soils the test error falls by a factor of {rf:.1f} for RF, {pls:.1f} for PLS and {cnn:.1f} for the "
    "network, over all elements and soils: {most} gains most. With 96 soils the network errs by {cnn_error:.0f} ppm and PLS "
    "by {pls_error:.0f}. {held}",
    rf=fall["RF"],
    pls=fall["PLS"],
    cnn=fall["CNN"],
    most=fall.idxmax(),
    cnn_error=errors.loc[96, "CNN"],
    pls_error=errors.loc[96, "PLS"],
    held=teaching.claim(
        errors.loc[96, "CNN"],
        errors.loc[96, "PLS"],
        below="With soils enough the network is ahead.",
        same="With soils enough the two are level.",
        above="What holds the network back is then no longer the number of examples. Two suspects from chapter 2: equation "
        "2 averages each feature map over the whole window, and the learning rate leaves only part of the units alive.",
        within=2,
    ),
)

# %% [markdown]
# ```{exercise-start}
# :label: ex-soils
# ```
# By what factor does the mean test error of RF fall between 12 and 96 training soils, for magnesium in the spiked soils?
# `counts` holds one row for each model, number of soils and draw.

# %%
answer_3_2 = None  # error with 12 soils over error with 96

# %% tags=["hide-input"]
teaching.check("3.2", answer_3_2, counts=counts)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-soils
# :class: dropdown
# ```

# %%
spiked = counts[(counts.element == "Mg") & (counts.soils == "spiked soils")]
error = spiked[spiked.model == "RF"].groupby("n_soils").test.mean()
print(f"by a factor of {error[12] / error[96]:.2f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## How sure is an $R^2$ of twelve soils?
#
# The paper gives deviations of 0.003 to 0.008. They come from repeats of the cross-validation *on the same twelve
# spectra*. They say how much the split matters, and nothing about other soils. Two ways to ask the wider question:
#
# The **bootstrap** draws twelve soils from our twelve, with replacement, many times over, and computes $R^2$ of
# their predictions each time. It uses nothing but what a real study has. And in a simulation we can do what no one can
# afford in a laboratory: **do the whole experiment again**, with other field soils, other pellets, other noise.

# %%
outcome, random = outcomes["mg", "low"], np.random.default_rng(0)
content = outcome.task.content
draws = [random.integers(12, size=12) for _ in range(2000)]
rows = {}
for name, predicted in outcome.out_of_fold.items():
    values = [
        evaluation.r2(content[draw], predicted[0, draw]) for draw in draws
    ]
    ends = np.nanquantile(values, [0.05, 0.95])
    rows[name] = (evaluation.r2(content, predicted[0]), *ends)

# %% tags=["hide-input"]
columns = ["R²", "bootstrap 5 %", "bootstrap 95 %"]
table = pd.DataFrame(rows, columns).T.drop("mean").reset_index(names="model")
figures.show_table(
    table,
    "Mg, field soils: R² of the first repeat",
    dict.fromkeys(columns, "{:.2f}"),
)

# %%
experiments = study.repeat_experiment(
    "low", ["mg"], {"CNN": None, **baselines}, range(sizes.n_seeds)
)
experiments = experiments[experiments.model != "mean"]

# %% tags=["hide-input"]
table = experiments.groupby("model", sort=False).r2.agg(
    ["mean", "std", "min", "max"]
)
caption = f"Mg, field soils: R² over {sizes.n_seeds} experiments"
figures.show_table(table.reset_index(), caption, dict.fromkeys(table, "{:.2f}"))

# %% mystnb={"image": {"alt": "R squared of four models for magnesium in field soils: one dot a model for each repetition of the whole experiment, grey lines joining the dots of one experiment, a dotted line at the published value."}} tags=["hide-input"]
figure, axes = figures.panels(height=3.4)
for _, one in experiments.groupby("seed"):
    axes.plot(one.model, one.r2, color="0.8", linewidth=0.8, zorder=0)
for name, own in experiments.groupby("model", sort=False):
    axes.plot(own.model, own.r2, "o", color=figures.MODEL_COLOURS[name])
axes.axhline(
    published["r2.mg.low"]["value"],
    color=figures.GREY,
    linestyle=":",
    label="published, CNN",
)
axes.set(
    ylabel="R²", title="Mg in field soils: one experiment, done again and again"
)
axes.set_ylim(max(-0.5, experiments.r2.min() - 0.1), 1.05)
legend = axes.legend(loc="lower right")

# %% tags=["hide-input"]
spread = experiments[experiments.model == "CNN"].r2.std()
winners = (
    experiments.pivot(index="seed", columns="model", values="r2")
    .idxmax(axis=1)
    .value_counts()
)
teaching.sentence(
    "Between experiments the network's $R^2$ has a standard deviation of {spread:.2f}; the paper prints {printed} between "
    "runs; ours is {times:.1f} times as large. A deviation between runs on the same soils is not an uncertainty of the method. "
    "All models see the same soils, and yet {cross}: the best model is {winners}, and one experiment is all that a study has.",
    spread=spread,
    printed=str(published["r2.mg.low"]["sd"]),
    times=spread / published["r2.mg.low"]["sd"],
    cross=teaching.claim(
        len(winners),
        1,
        same="the order of the best is the same each time",
        above="the grey lines, one an experiment, cross",
    ),
    winners=teaching.listed(
        f"{name} in {n} of {sizes.n_seeds}" for name, n in winners.items()
    ),
)

# %% [markdown]
# ```{exercise-start}
# :label: ex-order
# ```
# In what share of the repeated experiments does the CNN beat the BPNN? Use `experiments`, with columns model, seed and r2.

# %%
answer_3_3 = None  # a share, 0 to 1

# %% tags=["hide-input"]
teaching.check("3.3", answer_3_3, experiments=experiments)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-order
# :class: dropdown
# ```

# %%
by_seed = experiments.pivot(index="seed", columns="model", values="r2")
print(f"{(by_seed.CNN > by_seed.BPNN).mean():.2f}")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## What if the labels are not all there is?
#
# Chapter 1 warned that field contents which scatter by 91 ppm (Mg) and 6 ppm (Na) cannot be the totals of real soils. A
# laboratory's extract may dissolve a small part, while the laser meets everything. So we simulate this second
# reading: the same reported contents on top of what an average soil holds, the same for all soils, so that it could not be
# more favourable otherwise.

# %% tags=["hide-input"]
native = libs.settings()["reference_soil_ppm"]
background = {target: native[target.capitalize()] for target in study.TARGETS}
frame = study.repeat_experiment("low", study.TARGETS, chosen, [0], background)
second = frame.set_index(["target", "model"]).r2
first = (
    metrics[(metrics.range == "low") & (metrics.repeat == 0)]
    .set_index(["target", "model"])
    .r2
)
rows = {
    "label is all there is": first.loc[second.index],
    "label on top of the native content": second,
}
table = (
    pd.DataFrame(rows)
    .rename(index=str.capitalize, level="target")
    .reset_index()
)
figures.show_table(
    table,
    "R² in the field soils under two readings of the labels, on top of "
    + ", ".join(
        f"{ppm:,} ppm {t.capitalize()}" for t, ppm in background.items()
    ),
    dict.fromkeys(rows, "{:.2f}"),
)

# %% tags=["hide-input"]
teaching.sentence(
    "Under the second reading the highest $R^2$ of any model and element is {high:.2f}, {nothing}: some ppm of sodium on top "
    "of thousands, from soils that each couple with the laser in their own way, leave {trace} that twelve soils could teach.",
    high=second.max(),
    nothing=teaching.claim(
        second.max(), 0.3, below="as good as nothing", above="still something"
    ),
    trace=teaching.claim(second.max(), 0.3, below="no trace", above="a trace"),
)

# %% [markdown]
# If the published labels are extracts,
# then figures like the published ones need something that links extract and spectrum other than the lines of the
# element. If they are totals, the soils were unlike any that we know. Either way the labels deserve a paragraph in a
# paper, and here we cannot decide.
#
# ## Where we differ from the paper, and why
#
# - **PLS and the mean** are ours. Without them a reader cannot tell a good method from easy spectra.
# - **The gap is compared in magnitude**, because the published sign contradicts the published words.
# - **'Minimum number of leaves 3'** is read as samples a leaf: a forest has no setting for the former.
# - **BPNN**: tanh units, gradient descent with momentum, inputs and contents scaled on the training side. The paper names
#   none of these. Its scores depend on them; take its rank with care.
# - **The baselines get the same normalised spectra** as the network.

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** A paper prints R² = 0.98 ± 0.006 over ten repeats of a cross-validation on 12 samples. What is 0.006?
#
# <details><summary>The uncertainty of R² for other samples</summary>
# No. All repeats see the same twelve samples, so their scatter knows nothing of others.</details>
# <details><summary>How much the split matters on these samples</summary>
# Right. Only the folds change from repeat to repeat.</details>
# <details><summary>The error of the reference method</summary>
# No. That is hidden in all contents alike.</details>
#
# </div>

# %% [markdown]
# ```{exercise-start}
# :label: ex-write-3
# ```
# Your network beats PLS by 0.02 in R² on 40 samples. Write the paragraph of the paper that reports it, so that a
# reader can judge it.

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-write-3
# :class: dropdown
# ```
# Expected: the difference taken repeat by repeat with its count of signs; the same splits for both; how PLS chose its
# components; a bootstrap over samples; the sentence that one data set is one experiment. The
# [guide](lecturers_guide.md) has the rubric.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Summary
#
# A model is judged beside others on the same splits, and the simplest comes first: PLS belongs into every comparison. The
# generalisation gap as published rewards over-fitting; in magnitude it says nothing without the test error beside it.
# Training and test error meet as soils are added. Repeating the whole experiment moves $R^2$ far more than repeating the
# split does, and what the labels mean decides whether there is anything to find. [The next
# chapter](04_grad_cam.ipynb) asks where in the spectrum the network looks.
