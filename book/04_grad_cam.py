# %% [markdown]
# # Grad-CAM
#
# A network reads calcium out of a spectrum. Does it look at the calcium line, as a spectroscopist would? The study
# answers with coloured strips, *class activation maps*, and takes them as proof that its networks have learned
# physics. We compute such maps step by step, draw ours beside the lines of the elements, and then audit them.
#
# **What you will learn**
#
# - what question a Grad-CAM map answers, equation by equation
# - why such a map shows only half of what a network uses, and why scaling the spectra changes what it shows
# - four checks that tell a map that means something from one that merely looks good
# - how easily "the maximum lies at a known line" comes true by chance
#
# **Time**: about 45 minutes to read; the code runs in under a minute.
# **You need**: chapters 1 and 2, and a little PyTorch.

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import r2_score

from spectrakit import explain, ledger, preprocess, teaching
from spectrakit.simulate import libs
from spectrakit.studies import libs as study
from spectrakit.teaching import figures, widgets

figures.book_style()
recorded = ledger.load_results("libs")["results"]
verdicts = ledger.ledger_frame("libs", kinds=("line",))[
    "verdict"
].value_counts()

# %% tags=["hide-input"]
p_values = [
    recorded[f"gradcam_p.{target}.{range_}"]["value"]
    for target, range_ in study.TASKS
]
teaching.sentence(
    "**What comes out.** Of the {n_lines} lines that the paper names at bright places of its maps, {n_differ} do not exist or "
    "are far too faint to be seen, and {n_agree} are strong enough. In the recorded run the maps of {n_small} of six tasks lie on "
    "the lines of their element more than chance would put them there ($p \\le 0.05$), and of {n_strict} once six questions are "
    "counted as six. The maps do show something that was learned; where it sits depends on how the spectra were normalised.",
    n_lines=int(verdicts.sum()),
    n_differ=int(verdicts.get("differs", 0)),
    n_agree=int(verdicts.get("agrees", 0)),
    n_small=sum(p <= 0.05 for p in p_values),
    n_strict=sum(p <= 0.05 / 6 for p in p_values),
)

# %% [markdown]
# ## Networks to look at
#
# The spectra are those of chapter 1: twelve spiked soils and twelve field soils, one measurement each. For each of the
# six tasks (three elements, two sets of soils) we train the ten networks of one 10-fold cross-validation, with the
# settings of chapter 2.

# %%
data = {
    "high": libs.measure(libs.spiked_soils()),
    "low": libs.measure(libs.field_soils()),
}
tasks = {
    (target, range_): study.cut_task(data[range_], target, range_)
    for target, range_ in study.TASKS
}
explained = {key: study.explain_task(task) for key, task in tasks.items()}

# %% tags=["hide-input"]
scores = [
    r2_score(part.task.content, part.predicted) for part in explained.values()
]
teaching.sentence(
    "The networks work, more or less: out of fold they reach an $R^2$ of {low:.2f} to {high:.2f} on the six tasks. Now for the "
    "question of *how*.",
    low=min(scores),
    high=max(scores),
)

# %% [markdown]
# Before asking a network where it looks, look at what it is shown. Each spectrum was divided by its mean over the window;
# for each network, the mean of its training spectra was subtracted and the rest divided by one standard deviation.

# %% mystnb={"image": {"alt": "Six panels of scaled signal over wavelength, one row each for calcium, magnesium and sodium, spiked soils left and field soils right; a curve for each soil, dark for low content and light for high."}} tags=["hide-input"]
figure, grid = figures.panels(3, 2, height=6.6, sharex="row")
for axes, part in zip(grid.T.ravel(), explained.values(), strict=True):
    rank = part.task.content.argsort().argsort() / 11
    for spectrum, share in zip(part.out_of_fold(part.X), rank, strict=True):
        axes.plot(
            part.task.wavelength,
            spectrum,
            color=figures.RISING(share),
            linewidth=0.9,
        )
    axes.set_title(figures.task_title(part.task))
    axes.locator_params(axis="x", nbins=3)
figure.supxlabel("Wavelength (nm)", fontsize=11)
figure.supylabel("Scaled signal (dark: low content)", fontsize=11)
plt.show()

# %% [markdown]
# Two things to keep in mind. Zero is no longer darkness, it is the *mean training spectrum*: a value of −1 is a channel
# where this sample is fainter than usual. And every spectrum had the same mean before, so where a line rises, the
# background *must* fall. A soil with more calcium shows a higher line and a lower background. The network may use either.
#
# ## The question that a map answers
#
# The last convolution of the network turns a spectrum into eight **feature maps**, one for each kernel. A feature map
# has a value for each channel (here one less, because the first pooling took one): how strongly the kernel's pattern is
# found there. After it come a ReLU, a pooling, the mean over all channels and the dense layers. Grad-CAM ([Selvaraju
# and others 2017](references.md)) asks: *if the features at this place were stronger, by how much would the
# prediction grow, and how strong are they?*
#
# ## Equations 8 to 10, one after the other
#
# We take the spiked soil with the highest content of magnesium and the network that had not seen it. First the feature
# maps $F^m_i$, with $m = 1 \ldots 8$ for the kernel and $i = 1 \ldots L$ for the place. `maps[:4]` is the network up to
# and with the second convolution; the tensor is (1 sample, 8 kernels, $L$ places).

# %%
part = explained["mg", "high"]
fold = part.splits.test[:, -1].argmax()  # has not seen the last sample
network = part.networks.networks[fold]
spectrum = torch.tensor(part.X[fold, -1:], dtype=torch.float32)  # (1, 124)
features = network.maps[:4](spectrum.unsqueeze(1)).detach()
features.requires_grad_(True)
# ReLU, pooling, average pooling: (1, 8)
rest = network.maps[4:](features).mean(dim=2)
hidden = network.dense_relu(network.dense(rest))
prediction = network.output(hidden)

# %% [markdown]
# Equation 8 is the gradient of the prediction $y$ with respect to each value of each feature map,
# $g^m_i = \partial y / \partial F^m_i$. Equation 9 takes its mean over the places, which gives one weight a kernel,
#
# $$\alpha^m = \frac{1}{L} \sum_i \frac{\partial y}{\partial F^m_i}.$$

# %%
# equation 8: (1, 8, 123)
(gradient,) = torch.autograd.grad(prediction, features)
alpha = gradient.mean(dim=2, keepdim=True)  # equation 9: (1, 8, 1)

# %% tags=["hide-input"]
teaching.sentence(
    "The network predicts {predicted:.0f} ppm where {added:.0f} ppm were added. Of its eight kernels {n_shut} have the weight "
    "zero: their ReLU is shut everywhere, so for this spectrum they are dead. The other weights reach from {low:.1f} to "
    "{high:.1f} ppm per unit of the feature.",
    predicted=prediction.item(),
    added=part.task.content[-1],
    n_shut=int((alpha == 0).sum()),
    low=alpha.min().item(),
    high=alpha.max().item(),
)

# %% [markdown]
# Equation 10 adds up the feature maps with these weights and keeps what is positive,
#
# $$\mathrm{CAM}_i = \mathrm{ReLU}\Big(\sum_m \alpha^m F^m_i\Big),$$
#
# and at the end the $L$ values are stretched to the channels of the spectrum. `explain.grad_cam` does the same for
# any network and layer.

# %%
# equation 10: (1, 1, 123)
cam = torch.relu((alpha * features).sum(dim=1, keepdim=True))
stretched = torch.nn.functional.interpolate(
    cam, size=spectrum.shape[1], mode="linear"
)
cam = stretched[0, 0].detach().numpy()
same = explain.grad_cam(network, network.target_layer, spectrum)[0]
assert np.allclose(cam, same, rtol=0, atol=1e-4 * same.max())

# %% [markdown]
# ## Our counterpart of figure 7
#
# The paper's figure 7 has one strip for each element and does not say of which soils or networks. We show all twelve
# spiked soils, each by the network that had not seen it, and above them the mean spectrum with the lines that physics says
# should matter: those of the element with at least one per cent of the strength of its strongest line in the window.


# %% mystnb={"image": {"alt": "Grad-CAM of the twelve spiked soils in the calcium window as rows of colour, one a soil by content, below the mean spectrum; the reference line, Ca I 422.67, stands at the right edge."}} tags=["hide-input"]
def figure_7(target, range_="high"):
    part = explained[target, range_]
    maps = part.out_of_fold(part.all_maps())
    outcome = pd.Series({"task": part.task, "maps": maps})
    return figures.grad_cam_map(
        outcome, figures.line_labels(study.reference_lines(target))
    )


figure_7("ca")
plt.show()

# %% mystnb={"image": {"alt": "Grad-CAM of the twelve spiked soils in the magnesium window as rows of colour, one a soil by content, below the mean spectrum with its reference lines."}} tags=["hide-input"]
figure_7("mg")
plt.show()

# %% mystnb={"image": {"alt": "Grad-CAM of the twelve spiked soils in the sodium window as rows of colour, one a soil by content, below the mean spectrum with its reference lines."}} tags=["hide-input"]
figure_7("na")
plt.show()

# %% [markdown]
# It is tempting to pick out the places where a bright patch meets a line. But notice how maps of soils with much of
# the element differ from those with little, and how often a bright patch lies on a flank or on the background.
# Before we count, three properties of the method need a word.
#
# ## What a map can show, and what it cannot
#
# **Only what raises.** Equation 10 ends in a ReLU: wherever the weighted sum is negative it is cut off. In a
# classification that is sensible, as one asks for what speaks *for* a class. In a regression, a channel that lowers
# the prediction is just as much in use: a low background means much calcium, a high one little.
#
# **One weight for the whole window.** The network averages each feature map over all places. So the gradient has the
# same size wherever the ReLU behind the convolution is open, apart from a factor 0, 1 or 2 (how many neighbours the
# place beats in the max pooling), and is zero where it is closed. The weight $\alpha^m$ can say that a pattern matters, never that it matters *here and not there*. What the map shows of places
# comes from the feature maps alone, that is from the spectrum and three-channel patterns in it.
#
# **What 'raises' means depends on the zero.** A feature is a weighted sum of three scaled channels. With raw counts it
# would be large where there is light. With centred spectra it is large where the sample *differs from the mean
# soil* in a certain direction. For a soil with average content there is little to mark, and its map, once
# scaled to its own maximum, shows small things large. The mean soil itself is zero in every channel, so its "map"
# comes from the biases alone.
#
# We can see the first point at work. Grad-CAM of minus the prediction answers the opposite question: what *lowers*
# it? And a check that needs neither gradients nor feature maps is to **occlude**: set one resolution element to the
# mean training spectrum and see by how much the prediction changes, in either direction.

# %% mystnb={"image": {"alt": "Three panels over wavelength, one a window, each with three curves scaled to their maximum: Grad-CAM of what raises the prediction, Grad-CAM of what lowers it, and the size of the occlusion effect; reference lines are named above."}} tags=["hide-input"]
figure, grid = figures.panels(3, 1, height=7.2)
for axes, target in zip(grid, ("ca", "mg", "na"), strict=True):
    part = explained[target, "high"]
    answers = {
        "raises": part.all_maps(),
        "lowers": part.counter_maps(),
        "occluded": np.abs(part.all_effects()),
    }
    for (name, values), style in zip(
        answers.items(), ("-", "--", ":"), strict=True
    ):
        mean = part.out_of_fold(values).mean(axis=0)
        axes.plot(
            part.task.wavelength,
            mean / mean.max(),
            style,
            label=name,
            linewidth=1.8,
        )
    axes.set(ylabel="Share of maximum", xlim=part.task.wavelength[[0, -1]])
    figures.draw_lines(axes, figures.line_labels(study.reference_lines(target)))
grid[0].legend(loc="upper left", bbox_to_anchor=(0, 1.28), ncols=3)
grid[-1].set_xlabel("Wavelength (nm)")
plt.show()

# %% [markdown]
# The dotted curve is what the prediction really depends on; the solid one is what Grad-CAM reports. The audit below says
# by how much they part.
#
# **Before or after the ReLU?** Equation 1 puts the ReLU into the feature map; the Grad-CAM section speaks of the output of
# the last convolutional layer, which comes before it. There a feature can be negative, and with a negative weight it
# counts as raising the prediction, although the closed ReLU lets nothing of it pass. We follow the Grad-CAM section.


# %% tags=["hide-input"]
def share_near_lines(part, layer):
    """Share of the mass of the out-of-fold maps of one task that lies near its lines."""
    lines = study.reference_lines(part.task.target).wavelength_air_nm
    return explain.line_mass(
        part.out_of_fold(part.all_maps(layer)), part.task.wavelength, lines
    ).share


near = pd.DataFrame(
    {
        "before": [
            share_near_lines(part, study.CONVOLUTION)
            for part in explained.values()
        ],
        "after": [
            share_near_lines(part, study.RELU) for part in explained.values()
        ],
    }
)
teaching.sentence(
    "After the ReLU the maps hold more of their mass near the lines in {n_more} of {n} tasks, and less in {n_less}. An "
    "[exercise](#exercises) below asks for one of these shares.",
    n_more=(near["after"] > near["before"]).sum(),
    n_less=(near["after"] < near["before"]).sum(),
    n=len(near),
)

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** A channel is dark in a Grad-CAM map of a regression network. What may you conclude?
#
# <details><summary>The network does not use it</summary>
# No. A channel that lowers the prediction is dark as well, and may be in use just as much.</details>
# <details><summary>There is no line in it</summary>
# No. Maps show features, and features need no line.</details>
# <details><summary>That features there do not raise the prediction; no more</summary>
# Right. To know whether the channel matters, take it away (occlude it) and look.</details>
#
# </div>

# %% [markdown]
# ## Look for yourself
#
# **Would you notice if a map came from a network that has learned nothing?** Choose any of the 24 soils and compare the
# strips, the last of which is that of a network whose weights were drawn anew.

# %%
widgets.grad_cam_browser(explained)

# %% [markdown]
# ## The audit
#
# ### 1. Is the mass of the maps near the lines, more than elsewhere?
#
# A patch "on a line" is one within a resolution element of it, which is the wavelength divided by 5000: 0.06 nm at
# 280 nm. We take the **share of a map's mass** (the sum of its values) that lies there. A share alone says nothing:
# if the
# stretches near lines make up 42 % of the window, a blind map has 42 %. So we move the lines together around the window,
# by one channel, by two, and so on, and count how often the moved lines do at least as well as the true ones. This
# share of shifts is the **p-value**. It keeps the number of lines, their distances and the smoothness of the map.

# %% mystnb={"image": {"alt": "Six panels, one row an element, spiked soils left and field soils right: the mean map of each task as a curve over wavelength, in per cent of its mass for each channel, and grey bands where a channel lies within one resolution element of a reference line."}} tags=["hide-input"]
figure, grid = figures.panels(3, 2, height=6.6, sharex="row")
for axes, (target, range_) in zip(grid.T.ravel(), study.TASKS, strict=True):
    part, lines = (
        explained[target, range_],
        study.reference_lines(target).wavelength_air_nm,
    )
    maps = part.out_of_fold(part.all_maps())
    maps = maps[maps.sum(axis=1) > 0]
    mean = (maps / maps.sum(axis=1, keepdims=True)).mean(axis=0)
    axes.plot(part.task.wavelength, 100 * mean)
    near = explain.near_lines(part.task.wavelength, lines)
    axes.fill_between(
        part.task.wavelength,
        0,
        1,
        where=near,
        transform=axes.get_xaxis_transform(),
        color="#5B647033",
    )
    axes.set(title=figures.task_title(part.task), ylim=(0, None))
figure.supxlabel("Wavelength (nm)", fontsize=11)
figure.supylabel("Mass a channel (%); grey: near a reference line", fontsize=11)
plt.show()

# %% [markdown]
# A peak at the very edge of a window deserves distrust: beyond the last channel the convolution sees padding, not light.
#
# ### 2. Does the map change when the learning is erased?
#
# Draw all weights of a network anew, as before training, and compute the map again ([Adebayo and others
# 2018](references.md)). If the map stays, it shows the spectrum, not what was learned. We compare trained and erased by
# Spearman's rank correlation: 1 is the same order of channels, 0 is no relation.
#
# ### 3. Do the networks agree?
#
# The ten fold networks learned almost the same samples. If they found physics, their maps of one spectrum should agree.
# We take the mean rank correlation of all pairs of networks.
#
# All three checks for the six tasks: *near lines*, *by chance* and *p* are check 1, for as many *maps* as are not empty;
# *erased* is the mean correlation with the maps of erased networks, *folds* that between fold networks. The last two
# columns compare with occlusion: *raising* where it raises the prediction, *either way* by the size of its effect.

# %% tags=["hide-input"]
results = pd.DataFrame(
    {
        figures.task_title(part.task): study.audit_task(part)
        for part in explained.values()
    }
).T
names = {
    "share": "Near lines",
    "by_chance": "By chance",
    "p_value": "p",
    "n_maps": "Maps",
    "with_random": "Erased",
}
names |= {
    "between_folds": "Folds",
    "with_raising": "Raising",
    "with_any": "Either way",
}
shown = results.rename(columns=names).rename_axis("Task").reset_index()
formats = {name: "{:.2f}" for name in names.values()} | {
    "p": "{:.3f}",
    "Maps": "{:.0f}",
}
figures.show_table(
    shown, "The audit of the maps, one repeat of the cross-validation", formats
)

# %% [markdown]
# How to read the p-values? Their smallest possible value is one over the number of channels, and there are six tasks:
# a rule that is to be wrong about all six together in one case of twenty needs $0.05 / 6$ in each
# (Bonferroni's correction). And look at the share itself: a smooth, almost flat map can be "significant" with a share
# that hardly differs from chance.

# %% tags=["hide-input"]
excess = results["share"] - results["by_chance"]
correlations = {
    name: results[name].astype(float)
    for name in ("with_random", "between_folds", "with_raising", "with_any")
}
teaching.sentence(
    "**Check 1**: more of the mass lies near the lines than chance gives in {n_more} of six tasks; $p$ is at most 0.05 in "
    "{n_small}, and at most 0.05/6 in {n_strict}. **Check 2** is {passed}: erase the weights and the order of channels is "
    "{order}, with a correlation of {erased:.2f} at most. **Check 3**: networks that share almost all of their training "
    "samples should agree, and their correlation is {low:.2f} to {high:.2f}; a single network's map, such as the paper shows, "
    "is one of many. With occlusion the maps agree by {raising:.2f} on average where a channel *raises* the prediction, and by "
    "{either:.2f} in either direction.",
    n_more=int((excess > 0).sum()),
    n_small=int((results["p_value"] <= 0.05).sum()),
    n_strict=int((results["p_value"] <= 0.05 / 6).sum()),
    passed=teaching.claim(
        correlations["with_random"].abs().max(),
        0.5,
        below="passed",
        above="not passed",
    ),
    order=teaching.claim(
        correlations["with_random"].abs().max(), 0.5, below="lost", above="kept"
    ),
    erased=correlations["with_random"].abs().max(),
    low=correlations["between_folds"].min(),
    high=correlations["between_folds"].max(),
    raising=correlations["with_raising"].mean(),
    either=correlations["with_any"].mean(),
)

# %% [markdown]
# ### The same soils, another normalisation
#
# The paper does not say how spectra were normalised. We divide by the mean (chapter 2 says why). Another usual way is to
# divide by the highest channel. Then the peak of the main line is 1 in every spectrum and, after centring, 0: a soil with
# more of the element shows it by a *lower background* only. All else is as before.

# %% tags=["hide-input"]
by_maximum = study.OpenChoices(normalise=preprocess.normalise_maximum)
rows = []
for part in explained.values():
    other = study.explain_task(part.task, by_maximum)
    first, second = (
        results.loc[figures.task_title(part.task)],
        study.audit_task(other, n_randomisations=1),
    )
    scores = [
        r2_score(each.task.content, each.predicted) for each in (part, other)
    ]
    shares = (first["share"], second["share"], first["by_chance"])
    rows.append(
        (
            figures.task_title(part.task),
            *shares,
            first["p_value"],
            second["p_value"],
            *scores,
        )
    )
heads = [
    "Task",
    "Near lines: mean",
    "Maximum",
    "By chance",
    "p: mean",
    "p: maximum",
    "R²: mean",
    "R²: maximum",
]
formats = {head: "{:.3f}" if head[0] == "p" else "{:.2f}" for head in heads[1:]}
figures.show_table(
    pd.DataFrame(rows, columns=heads),
    "Divided by the mean or by the maximum",
    formats,
)

# %% tags=["hide-input"]
moved = sum(row[2] < row[1] for row in rows)
as_good = sum(row[2] < row[1] and row[7] >= row[6] for row in rows)
teaching.sentence(
    "Divided by the maximum, the maps of {moved} of six tasks move away from the lines, and in {as_good} of them the $R^2$ is no "
    "lower: a network that reads the background can predict as well, though its map looks like that of a network that has "
    "missed the point. {so}",
    moved=moved,
    as_good=as_good,
    so=teaching.claim(
        as_good,
        0,
        same="Here the lines and the score go together.",
        above="So alignment with lines is neither necessary for a good prediction nor a proof of it, and a step that the "
        "paper does not describe decides whether a map lies on the lines.",
    ),
)

# %% [markdown]
# ### 4. Are there such lines?
#
# The paper names 26 lines at bright places of its maps. We look each of them up in the atomic table, which near the
# three windows holds every known electric dipole line of 13 elements of a soil. Is there a line of this element within
# one resolution element? How strong would it be in the plasma of our reference soil, relative to the strongest line in
# the window? And how deep, optically, at its centre?

# %% tags=["hide-input"]
published = ledger.load_published("libs")
found = study.named_lines_frame(published)
findings = ["no such line", "too faint", "faint", "strong enough"]
found["finding"] = pd.cut(
    found["relative_strength"],
    [-1, 0, ledger.MIN_LINE_SAME_DIRECTION, ledger.MIN_LINE_AGREES, np.inf],
    labels=findings,
)
labels = {
    "line": "Named",
    "finding": "Finding",
    "window": "Window",
    "strongest_nm": "In the table (nm)",
}
labels |= {"relative_strength": "Strength", "depth": "Optical depth"}
strength_format = {
    "In the table (nm)": "{:.2f}",
    "Strength": "{:.1g}",
    "Optical depth": "{:.1g}",
}
figures.show_table(
    found[list(labels)].rename(columns=labels),
    "The 26 named lines, looked up",
    strength_format,
)

# %% [markdown]
# The strength is the **thin emissivity**: the light of a plasma that does not absorb its own light, which goes with
# $A\,g\,e^{-E/kT}$ and the number of atoms. Strong lines are self-absorbed: a line of optical depth $\tau$ at its
# centre sends out $1 - e^{-\tau}$ there and not $\tau$. So a faint line may look up to $\tau/(1-e^{-\tau})$ times
# stronger beside it than the ratio says. We call a line "strong enough" from a hundredth of the strongest, and "too
# faint" below $2^{-16}$, one count of a 16-bit camera that the strongest line fills. "No such line" means: none of that
# element in the table. A line of *another* element may well be there, and so may a molecular band.

# %% tags=["hide-input"]
counts = found["finding"].value_counts()
too_faint = found[found["finding"] == "too faint"]
most = (
    65_535
    * (too_faint["relative_strength"] * too_faint["self_absorption"]).max()
)
own = found[found["element"] == found["window"]]
teaching.sentence(
    "Of the 26 named lines {n_none} are not in the table, {n_too_faint} are too faint, {n_faint} faint and {n_strong} strong "
    "enough. Of a full camera the brightest line called too faint makes {most:.1f} counts at most, self-absorption included. "
    "Even of the {n_own} lines of the window's own element {n_own_none} are not there.",
    n_none=int(counts["no such line"]),
    n_too_faint=int(counts["too faint"]),
    n_faint=int(counts["faint"]),
    n_strong=int(counts["strong enough"]),
    most=most,
    n_own=len(own),
    n_own_none=int((own["relative_strength"] == 0).sum()),
)

# %% [markdown]
# ### How wide is the net?
#
# How could one name 26 such lines? A table of lines is dense. Count them in each window, and the share of its channels
# within one resolution element of one.

# %% tags=["hide-input"]
widths = study.net_widths(published)
heads = {
    "window": "Window",
    "channels": "Channels",
    "named": "Lines named",
    "named_cover": "Near a named line (%)",
}
heads |= {"known": "Lines known", "known_cover": "Near a known line (%)"}
percent = {"Near a named line (%)": "{:.0f}", "Near a known line (%)": "{:.0f}"}
figures.show_table(
    widths.rename(columns=heads),
    "How much of each window lies near a line",
    percent,
)

# %% tags=["hide-input"]
teaching.sentence(
    "Between {low:.0f} and {high:.0f} % of a window's channels lie within one resolution element of a known line. Wherever a map "
    "has its maximum, a line of *some* element of a soil is likely to stand beside it.",
    low=widths["known_cover"].min(),
    high=widths["known_cover"].max(),
)

# %% [markdown]
# "The bright places coincide with known lines" is then no finding, unless the lines are chosen before one looks at the
# map, by their strength, and chance is counted, as in check 1.
#
# ## What can be concluded, and what cannot
#
# - **Our networks** predict from something that was learned. Line and background both carry the content, and the
#   normalisation decides which of the two a map shows.
# - **Grad-CAM** hides what lowers a prediction, and cannot weigh one place against another beyond the features
#   themselves. A bright place is no proof that a channel matters, a dark
#   one no proof that it does not.
# - **The paper's maps**: the table of lines holds for any plasma. Named lines that do not exist, or are far too faint,
#   were not what made those places bright. What did may be a flank of a strong neighbour, or the background.
# - **What we cannot say**: what the paper's networks looked at. Our network is one reading of theirs; with another
#   normalisation the maps change.
# - The paper says that lines of Fe, Ti and Mn let the network correct for the plasma. A map cannot show it: take those
#   lines away (occlude them) and see whether the errors grow.
#
# ## Exercises
#
# ```{exercise-start}
# :label: ex-smallest-p
# ```
# Suppose that a map of the sodium window (33 channels) lies perfectly on the lines, so that no shift does as well. What
# is its p-value? Could any map of that window pass $0.05/6$? Answer with a pair: the p-value, and `True` or `False`.

# %%
answer_4_1 = (None, None)

# %% tags=["hide-input"]
teaching.check("4.1", answer_4_1, n_channels=33, n_maps=6)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-smallest-p
# :class: dropdown
# ```

# %%
sodium = tasks["na", "high"].wavelength
lines = study.reference_lines("na").wavelength_air_nm
perfect = explain.near_lines(sodium, lines).astype(float)
smallest = explain.line_mass(perfect, sodium, lines).p_value
print(f"{smallest:.3f}; the limit is 0.05/6 = {0.05 / 6:.4f}")

# %% [markdown]
# With so few channels no map of a single window can pass.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start}
# :label: ex-relu
# ```
# Read equation 1 to the letter and compute the maps on the ReLU behind the last convolution:
# `part.all_maps(study.RELU)`. For sodium in field soils, what share of their mass lies near the lines?

# %%
part = explained["na", "low"]
maps = part.out_of_fold(part.all_maps(study.RELU))
lines = study.reference_lines("na").wavelength_air_nm
answer_4_2 = None

# %% tags=["hide-input"]
teaching.check(
    "4.2",
    answer_4_2,
    part=part,
    maps=maps,
    lines=lines,
    before=part.out_of_fold(part.all_maps()),
)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-relu
# :class: dropdown
# ```

# %%
for layer in (study.CONVOLUTION, study.RELU):
    maps = part.out_of_fold(part.all_maps(layer))
    mass = explain.line_mass(maps, part.task.wavelength, lines)
    print(f"{mass.share:.3f}")

# %% [markdown]
# The second number is the answer: what lies behind the ReLU.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ```{exercise-start}
# :label: ex-lowers
# ```
# What lowers the prediction of calcium in spiked soils? Find the channel at which the mean of `part.counter_maps()`
# (out of fold) is largest. What is its wavelength in nm?

# %%
part = explained["ca", "high"]
mean_lowering = part.out_of_fold(part.counter_maps()).mean(axis=0)
answer_4_3 = None

# %% tags=["hide-input"]
teaching.check(
    "4.3",
    answer_4_3,
    part=part,
    mean_lowering=mean_lowering,
    mean_raising=part.out_of_fold(part.all_maps()).mean(axis=0),
)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-lowers
# :class: dropdown
# ```

# %%
place = part.task.wavelength[mean_lowering.argmax()]
print(f"{place:.2f} nm; the line stands at 422.67 nm")

# %% [markdown]
# Compare with the map of what raises, in the figure above.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Where we differ from the paper, and why
#
# - **The spectra are simulated**. Another seed gives other soils and other networks.
# - **Every map is out of fold**. The paper says "test set" and no more.
# - **Each map is scaled to its own maximum** in pictures; for counting it has unit mass.
# - **Normalisation and scaling** are our readings of "normalised" (chapter 2). They decide what a map shows.
# - **Lines were chosen before** looking at any map, by their emissivity. The paper names lines after looking.

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** The brightest place of a map lies on a known line of titanium. How strong an argument is that?
#
# <details><summary>That depends on how much of the window lies near some known line</summary>
# Right. Where lines of all elements cover most channels, any bright place meets one.</details>
# <details><summary>Strong, since titanium is in every soil</summary>
# No. So are a dozen other elements with lines of their own.</details>
# <details><summary>Strong, if the map was averaged over samples</summary>
# No. An average makes the place more certain, not its cause.</details>
#
# </div>

# %% [markdown]
# ```{exercise-start}
# :label: ex-write-4
# ```
# Design a test, in six sentences, of the claim that a network uses lines of iron to correct for the plasma. Which
# outcome would refute it?

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-write-4
# :class: dropdown
# ```
# Expected: occlude those lines (or remove iron from the simulation), train or predict again, compare errors with
# those after occluding as many other channels, over folds; the claim is refuted if errors do not grow more. The
# [guide](lecturers_guide.md) has the rubric.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Summary
#
# Grad-CAM shows where features that *raise* the prediction are strong; with centred spectra this means where a sample
# differs from the mean. Whether the mass of a map sits on the lines of the element depends on how the spectra were
# normalised, and a good prediction does not prove it. Lines are so dense that a bright place lies beside one almost
# anywhere. What a map suggests has to be tested: against chance, against erased weights, against other networks, and by
# taking the channel away.
