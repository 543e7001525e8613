# %% [markdown]
# # Which wavelengths? SHAP values and their audit
#
# The second study names wavelengths: those that its networks use for pH and for lead, some shared and some new, each
# attributed to something that absorbs there. The method is the **SHAP value**. This chapter computes SHAP values by hand and by
# the library, draws the counterpart of the paper's figure 7, and then audits it, as [chapter 4](04_grad_cam.ipynb) audited
# Grad-CAM.
#
# **What you will learn**
#
# - what a SHAP value is, and why SHAP values add up
# - what a peak can mean where a network first takes the mean of ten channels
# - how to ask whether another network would show the same
# - how to ask whether bands lie near peaks more often than by chance
#
# **Time**: about 40 minutes to read; the code runs in under a minute.
# **You need**: [chapter 6](06_lead_transfer.ipynb). You need not have met SHAP.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import sklearn

from spectrakit import explain, ledger, models, resources, teaching, training
from spectrakit.studies import gejiu as study
from spectrakit.teaching import figures

figures.book_style()
published = ledger.load_published("gejiu")["entries"]
recorded = ledger.load_results("gejiu")
extras = {
    name: pd.DataFrame(columns) for name, columns in recorded["extras"].items()
}
profile = study.PROFILES[resources.profile_name()]
axis_nm = np.arange(400.0, 2500.0)  # wavelengths of the 2,100 channels
titles = {"ph": "ResNet-pH", "pb": "ResNet-pH-Pb"}
channels = extras["shap_channels"]
named = {
    name: [
        e["value"]
        for key, e in published.items()
        if key.startswith(f"wavelength.{name}.")
    ]
    for name in titles
}
paper_nm = sorted({*named["ph"], *named["pb"]})
every_nm = extras["shap_peaks"]["wavelength_nm"]

# %% tags=["hide-input"]
at_edge = {}
for who, wavelengths in {"paper": paper_nm, "ours": every_nm}.items():
    at_edge[who] = explain.edge_count(
        explain.place_in_window(wavelengths, axis_nm, study.POOL), study.POOL
    )
teaching.sentence(
    "**What comes out.** The network first takes the mean of each ten channels, a *pooling window*. {n_edge} of the {n} wavelengths that the paper "
    "names lie on the first or last channel of such a window, where chance would put {chance:.0%} ($p$ = {p:.0e}): their last digit comes from "
    "the averaging, not from the soil. Of our peaks {share:.0%} lie there. What can be named is a window of 10 nm, and a single pair of "
    "networks cannot show whether it belongs to lead or to the network that one happened to train.",
    n_edge=at_edge["paper"].k,
    n=at_edge["paper"].n,
    chance=2 / study.POOL,
    p=at_edge["paper"].pvalue,
    share=at_edge["ours"].k / at_edge["ours"].n,
)

# %% [markdown]
# ## A network to explain
#
# As in [chapter 6](06_lead_transfer.ipynb#one-round-by-hand): the pH network that comes with the kit is tuned to the lead of
# 98 simulated soils of Gejiu. Its predictions for the other 32 are explained. The **recorded run** has such a network in
# each of its rounds.

# %%
soils = study.target_domain(profile)
X, y = soils.log_reflectance, np.log(soils.target)
train, test = soils.rounds[0]
path = resources.data_path("models", "resnet_lucas_ph.safetensors")
source, _ = models.load_network(path)
network = study.lead_networks(source, X[train], y[train], 0)["resnet_ph_pb"]
recipe = profile.target_recipe
training.fit_network(network, X[train], y[train], recipe, 0)
explained = X[test]

# %% [markdown]
# ## What is a SHAP value?
#
# A model predicts ln Pb of 7.1 for some soil, where the average soil gets 5.8. Which channels made the difference of
# 1.3? A **SHAP value** ([Lundberg and Lee 2017](references.md)) is a channel's share of it. The shares are positive or
# negative, in the unit of the prediction, and **add up to the whole difference**. The idea is Shapley's, for players
# who win a prize together: let them enter one after the other, note by how much each raises the prize, and take the
# mean over all orders of entering.
#
# For a **linear** model the order does not matter and no mean is needed. The share $\phi_i$ of channel $i$ is its
# coefficient $b_i$ times the distance of its value $x_i$ from the mean $\bar x_i$ of the training soils,
# $\phi_i = b_i (x_i - \bar x_i)$. PLS is linear, so try it, with windows of ten channels in place of channels:

# %%
# 210 windows of ten channels
pooled = X.reshape(len(X), -1, study.POOL).mean(2)
linear = sklearn.cross_decomposition.PLSRegression(5, scale=False)
linear.fit(pooled[train], y[train])
# (32 soils, 210 windows)
phi = linear.coef_[0] * (pooled[test] - pooled[train].mean(0))
difference = linear.predict(pooled[test]).ravel() - y[train].mean()
assert np.allclose(phi.sum(axis=1), difference, atol=1e-4)

# %% tags=["hide-input"]
largest = study.WINDOW_NM[np.abs(phi).mean(0).argsort()[::-1][:4]]
teaching.sentence(
    "The shares of PLS add up to what they explain, as the last line of the cell checks. The largest, in the mean of their absolute values, are those "
    "of the windows that begin at {windows} nm.",
    windows=teaching.listed(f"{nm:.0f}" for nm in largest),
)

# %% [markdown]
# A network is not linear: what a channel does depends on the others. And 2,100 channels have more orders than there are
# atoms. The study uses shap's `GradientExplainer`, which computes **expected gradients** ([Erion and others
# 2021](references.md)). Take a random soil $x'$ of a *background*, go a random part $\alpha$, 0 to 1, of the straight
# line from it to the soil $x$, and take the gradient of the prediction $f$ there, times the distance. The mean over many
# such points is the share:
#
# $$\phi_i = \mathrm{mean}\Big[(x_i - x'_i)\,\frac{\partial f}{\partial x_i}\big(x' + \alpha\,(x - x')\big)\Big].$$
#
# Averaged along a line, these products add up to the difference of $f$ between its two ends. So the shares add up to the
# prediction less the mean prediction of the background: the more random points, the more nearly. Here it is for one soil
# and the network tuned above, and below it by the library, for all 32 soils:

# %%
generator, soil = np.random.default_rng(0), X[test[0]]
start = X[generator.integers(len(X), size=2000)]  # of the background
between = start + generator.random((2000, 1)) * (soil - start)
gradients = explain.input_gradient(network, between)
by_hand = ((soil - start) * gradients).mean(axis=0)  # (2100,)

# %%
gaps = {}
for n_points in (10, 40, 160):
    values = explain.shap_values(network, X, explained, n_samples=n_points)
    gaps[n_points] = explain.additivity_gap(network, X, explained, values)

# %% tags=["hide-input"]
answers = training.predict(network, X)[:, 0]
recorded_gaps = extras["shap_additivity"].groupby("target")["gap"].mean()
teaching.sentence(
    "By hand the 2,100 shares add up to {sum:+.3f} of ln Pb, where the prediction less the mean prediction is {difference:+.3f}. By the library the **gap**, the "
    "root mean square of what the sums miss, divided by that of what they should explain, is {few:.2f} with 10 random points a soil, {some:.2f} with 40 and "
    "{many:.2f} with 160; {falls} In the recorded run it is {ph:.2f} for pH and {pb:.2f} for lead. Whoever reads SHAP values should ask for it. By hand and by "
    "the library, the sizes of the shares of the first soil have a rank correlation of {agreement:.2f}.",
    sum=by_hand.sum(),
    difference=answers[test[0]] - answers.mean(),
    few=gaps[10],
    some=gaps[40],
    many=gaps[160],
    falls=teaching.claim(
        gaps[10] / gaps[160],
        4,
        same="four times as many points halve it, roughly, as with the noise of any random sample.",
        within=2,
    ),
    ph=recorded_gaps["ph"],
    pb=recorded_gaps["pb"],
    agreement=explain.rank_correlation(np.abs(by_hand), np.abs(values[0])),
)

# %% [markdown]
# Two cautions before we look at wavelengths. A SHAP value explains the *model*, not the soil: a channel has a large
# share when the model relies on it, for good or bad reasons. And it is a difference *from a background*. With other
# background soils the shares are others.

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** With 100 random points a soil the gap is 0.3. How do you bring it to about 0.1?
#
# <details><summary>By a factor on all SHAP values, so that they add up</summary>
# No. That hides the gap and changes every value, right or wrong.</details>
# <details><summary>With 300 points</summary>
# No. Three times as many leave a gap of about 0.17.</details>
# <details><summary>With 900 points</summary>
# Right. The values are means over random points; their noise falls with the root of the number.</details>
#
# </div>

# %% [markdown]
# ## Which wavelengths?
#
# For each wavelength the study takes the **mean absolute** SHAP value over the explained soils: how much it matters, in
# whichever direction. 1,000 soils are explained for pH; for lead the test soils, with all 130 as background. We take
# the mean over the rounds as well. The values are in pH units for ResNet-pH and in ln Pb for ResNet-pH-Pb. Dots are the
# highest peaks, as many as the paper names, dotted lines the paper's.

# %% mystnb={"image": {"alt": "Mean absolute SHAP value over wavelength from the recorded run, above ResNet-pH, below ResNet-pH-Pb. Orange dots mark the highest peaks of each; dotted grey lines mark the wavelengths that the paper names."}} tags=["hide-input"]
own_peaks = {
    name: explain.peaks(channels[name], axis_nm, study.N_PEAKS[name])[
        "wavelength_nm"
    ]
    for name in titles
}
profiles, found_nm, named_nm = (
    {titles[name]: part[name] for name in titles}
    for part in (channels, own_peaks, named)
)
figure = figures.shap_profiles(axis_nm, profiles, named_nm, found_nm)

# %% tags=["hide-input"]
teaching.sentence(
    "Compare the height of single channels with the difference that all of them add up to. In the live run the SHAP values of the first soil "
    "add up to {sum:+.2f} of ln Pb, and to {size:.0f} if their signs are left out: {most} cancel.",
    sum=values[0].sum(),
    size=np.abs(values[0]).sum(),
    most=teaching.claim(
        np.abs(values[0].sum()) / np.abs(values[0]).sum(),
        0.5,
        below="most of them",
        above="the smaller part of them",
    ),
)

# %% tags=["hide-input"]
shift = explain.compare_peaks(
    own_peaks["ph"], own_peaks["pb"], tolerance_nm=study.POOL
)
of_paper = explain.compare_peaks(
    named["ph"], named["pb"], tolerance_nm=study.POOL
)["shared"]
shift["shared"] = np.where(shift["shared"], "shared", "shifted or new")
heads = ["Peak of lead (nm)", "Nearest of pH (nm)", "Shift (nm)", "Verdict"]
formats = dict(zip(heads, ("{:.0f}", "{:.0f}", "{:+.0f}"), strict=False))
figures.show_table(
    shift.set_axis(heads, axis=1),
    "Shared and shifted peaks, recorded run",
    formats,
)

# %% tags=["hide-input"]
teaching.sentence(
    "Of our {n} highest peaks of lead {shared} lie within one pooling window of a peak of pH; of the {n_paper} that the paper names, {shared_paper}.",
    n=len(shift),
    shared=int((shift["shared"] == "shared").sum()),
    n_paper=len(of_paper),
    shared_paper=int(of_paper.sum()),
)

# %% tags=["hide-input"]
rows = []
for name, title in titles.items():
    shares = explain.band_shares(
        channels[name], axis_nm, [(550, 750), (1600, 1700)]
    )
    rows += [
        (title, f"{r.low_nm:.0f}-{r.high_nm:.0f}", r.share, r.flat_share)
        for r in shares.itertuples()
    ]
table = pd.DataFrame(
    rows, columns=["Network", "Band (nm)", "Share", "Part of the axis"]
)
figures.show_table(
    table,
    "The two bands that the paper calls shared: share of the sum of mean absolute SHAP values, recorded run",
    dict.fromkeys(["Share", "Part of the axis"], "{:.1%}"),
)

# %% tags=["hide-input"]
more = table[table["Share"] > table["Part of the axis"]]
teaching.sentence(
    "A share means something where it is larger than the band's part of the axis. That holds for {n} of the four{which}.",
    n=len(more),
    which=": "
    + teaching.listed(
        f"{row[0]} at {row[1]} nm" for row in more.itertuples(index=False)
    )
    if len(more)
    else "",
)

# %% [markdown]
# The paper reads its figure 7 in three steps: peaks are named to the nanometre; some are shared and others are new;
# each is attributed to something that absorbs there. The audit asks about each step, and whether the profile, which is
# the curve of mean absolute values, was learned at all.
#
# ## The audit
#
# ### 1. Can a peak be named to the nanometre?
#
# The first thing that the network does is to **average ten channels**. Behind that, it cannot know which of the ten a
# change came from: all ten have one and the same gradient. Look at three things over some windows: the gradient at one
# soil, how far the soils lie from the background at each channel (the distance of log reflectances), and the mean
# absolute SHAP value, here of the live run.

# %% mystnb={"image": {"alt": "Three panels over wavelength, a dot for each channel, with dotted lines at the borders of the pooling windows: from above, the gradient, the distance from the background and the mean absolute SHAP value."}} tags=["hide-input"]
profile_nm, distance = (
    explain.mean_absolute(values),
    explain.input_spread(X, explained),
)
gradient = explain.input_gradient(network, X[test[:1]])[0]
figure = figures.inside_windows(
    axis_nm, gradient, distance, profile_nm, study.POOL, (600, 680)
)

# %% tags=["hide-input"]
within = np.ptp(gradient.reshape(-1, study.POOL), axis=1).max()
teaching.sentence(
    "Within a window the gradients differ by at most {within:.2g}, where the largest gradient of all is {largest:.2g}: they are {same}.",
    within=within,
    largest=np.abs(gradient).max(),
    same=teaching.claim(
        within, 1e-3 * np.abs(gradient).max(), below="one and the same"
    ),
)

# %% [markdown]
# Within a window the SHAP values differ only as the distance from the background does. Which channel of a window is
# highest has nothing to do with what the network has learned. Spectra are smooth, so over ten nanometres the distance
# rises or falls, and the highest channel should mostly be the **first or the last** of its window, place 0 or 9. Count
# on which places the peaks lie: ours, those of all rounds, and those that the paper names. The dashed line is an even
# spread.

# %% mystnb={"image": {"alt": "Two bar charts of how many peaks lie on each of the places of a pooling window. Left, peaks of all rounds of the recorded run; right, the wavelengths that the paper names. A dashed line marks an even spread."}} tags=["hide-input"]
places = {"our peaks, all rounds": every_nm, "named in the paper": paper_nm}
places = {
    name: explain.place_in_window(nm, axis_nm, study.POOL)
    for name, nm in places.items()
}
figure = figures.place_bars(places, study.POOL)

# %% tags=["hide-input"]
teaching.sentence(
    "Of the paper's {n_paper} wavelengths {k_paper} stand on an edge of their window ($p$ = {p_paper:.0e}), of the {n:,} peaks of all our rounds {k:,} "
    "({share:.0%}); by chance it would be one in five. (We give no $p$ for ours: peaks of several rounds are not independent.)",
    n_paper=at_edge["paper"].n,
    k_paper=at_edge["paper"].k,
    p_paper=at_edge["paper"].pvalue,
    n=at_edge["ours"].n,
    k=at_edge["ours"].k,
    share=at_edge["ours"].k / at_edge["ours"].n,
)

# %% [markdown]
# So a wavelength such as '959 nm' means 'the window from 950 to 959 nm', and its last digit comes from the averaging. A
# band assignment that depends on a few nanometres cannot rest on it.
#
# ```{exercise-start}
# :label: ex-window
# ```
# What the network *can* distinguish is a whole window. Its SHAP value is the sum of its ten channels' values, since the
# sum over all channels must not change. For the first explained soil, what is the SHAP value of the window that holds
# 759 nm? `values` is (soils, 2100), and its first channel is 400 nm.

# %%
answer_7_1 = None  # in units of ln Pb

# %% tags=["hide-input"]
teaching.check("7.1", answer_7_1, values=values, pool=study.POOL, nm=759)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-window
# :class: dropdown
# ```

# %%
window = values[0].reshape(-1, study.POOL).sum(axis=1)  # (210,)
print(f"{window[35]:+.4f}, the sum of the channels 350 to 359")

# %% [markdown]
# Look at `window[120:130]` as well, the windows from 1600 to 1700 nm. Neighbouring windows carry nearly the same light.
# Where they pull in opposite directions, the network reads their difference, and a mean of *absolute* values counts both
# in full.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ### 2. Would another network show the same?
#
# 'Shared' and 'shifted' compare *one* pH network with *one* lead network. Before a difference between the two is
# attributed to the task, ask how much two pH networks differ that were trained in the same way on other soils of the
# same survey.

# %% tags=["hide-input"]
ranked = (
    extras["shap_peaks"]
    .groupby(["target", "round"])["wavelength_nm"]
    .apply(np.array)
)
n_rounds = len(ranked["ph"])
others = [(a, b) for a in range(n_rounds) for b in range(n_rounds) if a != b]


def shared_peaks(first, second, pairs):
    """Mean share of the peaks of the second network that the first has within a pooling window."""
    shares = [
        explain.compare_peaks(ranked[first][a], ranked[second][b], study.POOL)[
            "shared"
        ].mean()
        for a, b in pairs
    ]
    return np.mean(shares)


shared = [shared_peaks(name, name, others) for name in ("ph", "pb")]
shared.append(shared_peaks("ph", "pb", [(a, a) for a in range(n_rounds)]))

# %% tags=["hide-input"]
wide = extras["shap_windows"].pivot(
    index=["target", "round"], columns="window_nm", values="share"
)
windows = {name: wide.loc[name].to_numpy() for name in ("ph", "pb")}
agree = [explain.map_agreement(own[:, None])[0] for own in windows.values()]
agree.append(
    np.mean(
        [
            explain.rank_correlation(*pair)
            for pair in zip(*windows.values(), strict=True)
        ]
    )
)
pairs = [
    "pH and pH, other rounds",
    "lead and lead, other rounds",
    "pH and lead, the same round",
]
table = pd.DataFrame(
    {
        "Two networks": pairs,
        "Rank correlation of profiles": agree,
        "Peaks shared": shared,
    }
)
formats = {"Rank correlation of profiles": "{:.2f}", "Peaks shared": "{:.0%}"}
figures.show_table(
    table,
    "How alike the profiles of two networks are, by pooling window; recorded run",
    formats,
)

# %% tags=["hide-input"]
same_task = np.mean(shared[:2])
teaching.sentence(
    "The last row is the paper's comparison, the first two show what to expect without any change of task: two networks of the *same* task share "
    "{same:.0%} of their peaks, pH and lead of one round {across:.0%}. {so}",
    same=same_task,
    across=shared[2],
    so=teaching.claim(
        shared[2],
        same_task,
        below="Only the difference between these two numbers can be attributed to the task.",
        same="That leaves nothing to attribute to the task.",
        above="So that pH does not share a peak of lead says nothing of the task.",
        within=0.05,
    ),
)

# %% [markdown]
# ### 3. Does the profile show what was learned?
#
# Erase what was learned, as [chapter 4](04_grad_cam.ipynb) did: draw the weights of a part of the network anew and
# compute the profile again ([Adebayo and others 2018](references.md)). What stays alike was not learned by that part. If
# all parts are drawn anew, it comes from the spectra, which spread more at some wavelengths than at others, or from the
# way the network is built.

# %% tags=["hide-input"]
table = (
    extras["randomised"]
    .groupby(["part", "target"], sort=False)["by_window"]
    .mean()
    .unstack()
)
shown = table.rename(columns=titles).rename_axis("Drawn anew").reset_index()
formats = dict.fromkeys(titles.values(), "{:+.2f}")
figures.show_table(
    shown,
    "Rank correlation with the trained network's profile, recorded run",
    formats,
)

# %% tags=["hide-input"]
spread = explain.rank_correlation(profile_nm, distance)
dense = table.filter(like="dense", axis=0).iloc[0]
teaching.sentence(
    "Values near zero are the good ones here. With only the dense layers drawn anew the correlation is {ph:+.2f} for pH and {pb:+.2f} for lead; what "
    "remains of a profile then comes from the features. For ResNet-pH-Pb these are the pH network's, because they were frozen: what comes from them is "
    "'retained' by construction, whatever the task. With the spread of the spectra alone, which needs no network, the live profile has a rank "
    "correlation of {spread:+.2f}.",
    ph=dense["ph"],
    pb=dense["pb"],
    spread=spread,
)

# %% [markdown]
# ### 4. Is there a band, more than by chance?
#
# Bands are everywhere: the table of this book has dozens between 400 and 2500 nm. So, as with the lines of chapter 4,
# take the share of a profile within 10 nm of a band centre, and compare it with what the bands would catch if they were
# shifted along the axis; $p$ is the share of shifts that catch at least as much. In the rows 'named' the profile is 1 at
# each wavelength that the paper names and 0 elsewhere.

# %% tags=["hide-input"]
clays = ["kaolinite", "smectite", "illite"]
sorts = {
    "iron oxides": ["hematite", "goethite"],
    "clay minerals": clays,
    "carbonate": ["calcite"],
}
sorts |= {
    "organic matter": ["organic_matter"],
    "water": ["water"],
    "all of the table": None,
}
marked = {
    f"{titles[name]}, named": np.isin(axis_nm, named[name]).astype(float)
    for name in titles
}
rows = []
for name, own in (profiles | marked).items():
    for sort, constituents in sorts.items():
        mass = explain.band_mass(
            own, axis_nm, explain.known_bands(constituents), half_width_nm=10
        )
        rows.append((name, sort, mass.share, mass.expected, mass.p_value))
table = pd.DataFrame(
    rows, columns=["Profile", "Bands of", "Near them", "By chance", "p"]
)

# %% tags=["hide-input"]
formats = {"Near them": "{:.0%}", "By chance": "{:.0%}", "p": "{:.3f}"}
figures.show_table(
    table,
    "Share within 10 nm of known bands: recorded profiles, and the paper's named wavelengths",
    formats,
)

# %% tags=["hide-input"]
small = table[table["p"] <= 0.05 / len(table)]
teaching.sentence(
    "Of {n} questions that are asked at once, as in chapter 4, each needs a $p$ of at most 0.05/{n}; {n_small} {reach} it{which}.",
    n=len(table),
    n_small=len(small),
    reach="reaches" if len(small) == 1 else "reach",
    which=": "
    + teaching.listed(
        f"{row[0]} and {row[1]}" for row in small.itertuples(index=False)
    )
    if len(small)
    else "",
)

# %% [markdown]
# In our simulation every band of the table *is* in the soils, at the place that the table gives, and lead goes along
# with iron oxides by construction. So a profile that finds no more bands than chance does not prove that a network
# ignores the constituents. It says that peaks of mean absolute SHAP values are a poor way of finding out: iron oxides
# absorb in wide bands, which a network may read from any slope, and neighbouring windows carry nearly the same light.
#
# ## What one may conclude, and what not
#
# - **About wavelengths**: windows of 10 nm can be named, not nanometres; what differs between two networks of one task
#   cannot be attributed to the task; and a band nearby explains peaks only if bands lie near them more often than chance
#   puts them there.
# - **What we cannot say**: what the paper's networks looked at, and how they would do on soils of another district.

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** Another network averages windows of twenty channels, on an axis that begins at 350 nm in steps of 1 nm. A
# paper names a SHAP peak of it at 1409 nm. What can be meant?
#
# <details><summary>The band centre nearest to 1409 nm</summary>
# No. A band may lie anywhere in the window, or beside it.</details>
# <details><summary>1400 to 1419 nm, ten on either side</summary>
# No. The windows lie where the axis begins, not around a peak.</details>
# <details><summary>1390 to 1409 nm</summary>
# Right. Windows begin at 350, 370, 390 and so on; 1409 is the last channel of one.</details>
#
# </div>

# %% [markdown]
# ```{exercise-start}
# :label: ex-write-7
# ```
# Rewrite the sentence 'The model identified 759 nm as a key wavelength of lead, related to iron oxides' so that it
# claims what was shown and no more.

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-write-7
# :class: dropdown
# ```
# Expected: a window of 10 nm; the share of rounds (networks) in which it is among the highest; what chance would
# give; that iron oxides absorb there as in many windows, and that lead has no band of its own. The
# [guide](lecturers_guide.md) has the rubric.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Summary
#
# SHAP values add up to the prediction less the mean prediction, but where a network takes the mean of ten channels they
# show windows, not nanometres. They differ between networks of one task, and what stays when the learning is erased was
# not learned. A named wavelength is a claim to be tested: against its window, against another network, against chance. The
# [ledger](12_ledger_gejiu.ipynb) sets every number of the study beside ours.
