# %% [markdown]
# # From pH to lead
#
# Around Gejiu in Yunnan tin ore is mined and smelted, and lead has gone into the soils. The second study of this book
# measured lead in 130 of them and asked whether a spectrum could take the place of the acid digestion. No band of lead
# lies between 400 and 2500 nm, and 130 soils are few for a network. Its way out is **transfer learning** ([Pan and Yang
# 2010](references.md)): let the network learn pH from 19,036 European soils first ([chapter
# 5](05_lucas_pretraining.ipynb)), then tune a part of it to lead. And to say what the network has learned, it computes
# **SHAP values** and names wavelengths. This chapter does both, and then looks at how far either carries.
#
# **What you will learn**
#
# - what is carried over in transfer learning, and what is learned anew
# - which comparisons show that a transfer has helped, and which do not
# - what early stopping, another scale and another source property do to the score
# - what a SHAP value is, why SHAP values add up, and what a named peak of theirs can mean
# - whether a network pretrained on simulated spectra helps on measured soils
#
# **Time**: about an hour to read; the code runs in about a minute.
# **You need**: [chapter 5](05_lucas_pretraining.ipynb). You need not have met SHAP or transfer learning.

# %% tags=["hide-input"]
import numpy as np
import pandas as pd
import sklearn

from spectrakit import (
    explain,
    ledger,
    models,
    preprocess,
    resources,
    tables,
    teaching,
    training,
    workflows,
)
from spectrakit.simulate import soils as district
from spectrakit.studies import gejiu as study
from spectrakit.teaching import figures

figures.book_style()
published = ledger.load_published("gejiu")["entries"]
recorded = ledger.load_results("gejiu")
extras = {
    name: pd.DataFrame(columns) for name, columns in recorded["extras"].items()
}

# %% [markdown]
# Two runs stand behind the numbers of this page. The **recorded run** has the counts of the paper and was made
# beforehand; you can make it yourself with `spectrakit replicate gejiu --profile paper`. The **live run** is what the
# cells of this page do, much smaller, so that you can change it. Every table says which of the two it shows.

# %%
provenance = recorded["provenance"]
run = provenance["config"]["profile"]
print(
    f"recorded run: {provenance['profile']} profile, seed {provenance['seed']}, commit {provenance['commit'][:12]}"
)
print(
    f"  {run['n_source']:,} European soils, {run['n_rounds']} rounds, experiments in {run['n_experiment_rounds']}"
)
profile = study.PROFILES[resources.profile_name()]
print(f"live run: {profile.name} profile, {profile.n_rounds} rounds")

# %% [markdown]
# ## What the paper found
#
# Each figure and table of the paper has its counterpart:
#
# - figure 1, sampling points, and table 3 for lead: [the district](#the-district), below
# - figure 2 and table 1, the network: [chapter 5](05_lucas_pretraining.ipynb#the-network)
# - table 2, the models, and the transfer of figure 2: [what is carried over](#what-is-carried-over)
# - table 3 for pH: [chapter 5](05_lucas_pretraining.ipynb#the-published-statistics)
# - figure 3, pH predicted: [chapter 5](05_lucas_pretraining.ipynb#how-good-does-it-become)
# - figures 4 to 6, models of lead: [all rounds](#all-rounds)
# - figure 7, SHAP values: [which wavelengths](#which-wavelengths)
# - figure 8, Box-Cox: [logarithm or Box-Cox](#logarithm-or-box-cox)
#
# These are the scores that the paper reports, each the mean of ten rounds in which another quarter of the soils was
# kept back for testing. RPD is the standard deviation of the test soils over the RMSE.

# %%
rows = {
    "resnet_ph": "ResNet-pH",
    **figures.LEAD_MODEL_NAMES,
    "resnet_ph_pb.boxcox": "ResNet-pH-Pb, Box-Cox",
}
rows.pop("mean")
scores = {"R²": "r2", "RMSE": "rmse", "RPD": "rpd"}
table = pd.DataFrame(
    {
        head: [published[f"{key}.{row}"]["value"] for row in rows]
        for head, key in scores.items()
    }
)
table.insert(0, "Model", list(rows.values()))
figures.show_table(
    table,
    "Scores in the paper: pH in the first row, lead in the others",
    dict.fromkeys(scores, "{:.2f}"),
)

# %% [markdown]
# Three models see nothing but the soils of Gejiu: partial least squares (PLS), a support vector machine (SVM) and the
# network trained from scratch. The fourth starts from pH, and by these numbers it is in a class of its own.
#
# ```{exercise-start}
# :label: ex-factor
# ```
# The paper took the logarithm of lead and does not say which. The deviations that follow from its numbers can only be
# those of natural logarithms (the ledger at the end of the book has the argument). By which factor is a typical
# prediction of ResNet-pH-Pb off, in mg/kg?

# %%
answer_6_1 = None  # a factor above 1

# %% tags=["hide-input"]
teaching.check("6.1", answer_6_1)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-factor
# :class: dropdown
# ```

# %%
for row, name in rows.items():
    if row in figures.LEAD_MODEL_NAMES:
        error = published[f"rmse.{row}"]["value"]
        print(
            f"{name}: RMSE {error:.2f} of ln Pb is a factor of {np.exp(error):.2f}"
        )

# %% [markdown]
# A soil said to hold 300 mg/kg may well hold 170 or 540, and that is the best of the four.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## The district
#
# The lead contents of the study are said to lie at Zenodo; the spectra are not public. So we make a district. The
# **sampling** follows the text: a grid of 1000 m in the smelting area in the north, of 500 m around the smelters, and a
# point for every kilometre of road among the mines in the south. Where smelters, mines and roads lie is made up.
# The **soils** are drawn by the model of chapter 5 for the climate and rocks of Gejiu. Beside the mines, pyrite from
# the waste has weathered: it left iron oxides, and acid that ate carbonate or lowered the pH.
#
# The **lead contents** are a fixed list with the published statistics. Which soil gets which content goes by a score
# with two parts: what a spectrum can answer to, and what it cannot.

# %% mystnb={"image": {"alt": "Map of the simulated district, about ten by thirty kilometres. In the north a square grid of points with denser points around three smelters; to the south, points along branching roads past five mines. Points are coloured by lead on a logarithmic scale; the darkest, near 10,000 mg/kg, stand close to mines and in places of the grid."}}
soils = study.target_domain(profile)
lead, points = soils.target, district.sampling_map().points
axis_nm = np.arange(400.0, 2500.0)  # wavelengths of the 2,100 channels
print(
    f"{len(soils)} soils, {soils.provenance['origin']}, {soils.provenance['instrument']}"
)
figure = figures.sampling_map(district.sampling_map(), lead)

# %% [markdown]
# ### What was tuned, and by looking at what
#
# This book's rule is: tune a simulator to what a paper says of its inputs, never to what it concludes. **Here we break
# it, in one place, and tell you.** The paper says nothing of how lead goes along with anything that absorbs light.
# Had we guessed, every score could have come out anywhere. So the settings below were chosen until PLS and SVM scored
# about as published. No network was looked at in doing so.

# %%
retention = ", ".join(
    f"{name.split('_')[0]} {weight:g}"
    for name, weight in district.RETENTION.items()
)
choices = [
    (
        "share of the lead score that no spectrum can know",
        f"{district.UNKNOWN_SHARE:g}",
        "PLS and SVM",
    ),
    (
        "how well soils hold lead back: weights",
        retention,
        "PLS and SVM; the signs are textbook knowledge",
    ),
    ("ore beside mines: weight", f"{district.ORE_WEIGHT:g}", "PLS and SVM"),
    (
        "pyrite in the soil beside a mine",
        f"{district.PYRITE_AT_MINE:.0%}",
        "PLS and SVM",
    ),
    (
        "variation of constituents within the district",
        f"{district.WITHIN_DISTRICT:g} of a continent's",
        "PLS and SVM",
    ),
    (
        "lead contents",
        f"{lead.min():g} to {lead.max():g} mg/kg",
        "table 3; what it leaves open, PLS and SVM",
    ),
    ("sampling points", f"{len(points)}", "section 2.1"),
]
figures.show_table(
    pd.DataFrame(choices, columns=["Setting", "Value", "Set by"]),
    "What was tuned",
    wide=["Setting", "Set by"],
)

# %% [markdown]
# `data/README.md` has the story of each, with the scores that were looked at: means over eight districts, drawn with
# different seeds. They scatter by more than 0.1 from district to district, and the one of this page, seed 0, happens to
# be one of the easiest, so its PLS and SVM lie above the published ones. What follows for reading this page?
# Where PLS and SVM come near the published scores, it **proves nothing**; it was arranged. What the networks make of the
# same soils was not arranged: the scores of ResNet-Pb and ResNet-pH-Pb, and the distance between them, are outcomes.
# And what lead goes along with in these soils is our assumption. Below is the counterpart of table 3, then what
# ln Pb goes along with. The paper gives no such correlations, not even the one with pH.

# %%
labels = {
    "min": "lowest",
    "max": "highest",
    "mean": "mean",
    "median": "median",
    "sd": "standard deviation",
}
labels |= {
    "cv": "coefficient of variation",
    "skewness": "skewness",
    "kurtosis": "kurtosis, less the normal one's 3",
}
ours = study.statistics(lead)
rows = [
    (label, published[f"stat.pb.{name}"]["value"], ours[name])
    for name, label in labels.items()
]
formats = dict.fromkeys(["Published", "Simulated"], "{:,.2f}")
figures.show_table(
    pd.DataFrame(rows, columns=["Lead (mg/kg)", *formats]),
    "Table 3 of the paper, lead",
    formats,
)

# %%
names = {
    "ph": "pH",
    "soc_pct": "organic carbon",
    "clay_pct": "clay",
    "sand_pct": "sand",
    "caco3_pct": "carbonate",
}
names |= {
    "cec_cmol_kg": "cation exchange capacity",
    "fe_oxides_pct": "iron oxides",
}
names |= {
    "kaolinite_pct": "kaolinite in the clay",
    "hematite_pct": "hematite in the iron oxides",
}
along = soils.properties.corrwith(
    pd.Series(np.log(lead)), method="spearman"
).sort_values(key=abs, ascending=False)
table = pd.DataFrame(
    {
        "Property": along.index.map(names),
        "Rank correlation with lead": along.to_numpy(),
    }
)
figures.show_table(
    table,
    "What lead goes along with in the simulated district",
    {"Rank correlation with lead": "{:+.2f}"},
)

# %% mystnb={"image": {"alt": "Two panels over wavelength. Above: reflectance of the quarter of soils with least lead and of the quarter with most; those with much lead are darker in the visible and around 950 nm, where iron oxides absorb. Below: rank correlation of reflectance with lead, most negative below 550 nm, with a second hollow around 950 nm."}}
figure = figures.lead_spectra(axis_nm, soils.reflectance, lead)

# %% [markdown]
# Lead itself shows nowhere: what you see is iron. In these soils lead sits where iron oxides are, because ore brought
# pyrite, and pyrite left goethite. In the real district it may be otherwise.
#
# ## What is carried over
#
# A network learns two things at once. Its **features** (convolutions and residual blocks) turn a spectrum into numbers
# that describe its shape: slopes, hollows, the depth of bands. Its **dense layers** weigh these numbers into an answer.
# Good features need many spectra, and they might be good for more than one question. Hence the recipe:
#
# 1. train the whole network on a question for which there are many samples (the **source domain**: pH, Europe);
# 2. copy it, and **freeze** the features: their weights no longer change;
# 3. **fine-tune** the rest on the few samples of the question one really has (the **target domain**: lead, Gejiu).
#
# Frozen features cannot adapt to 98 soils and so cannot be spoilt by them either. The price: what the source task did
# not need, they do not tell.

# %% mystnb={"image": {"alt": "Diagram of the transfer in two rows. Above, ResNet-pH: spectrum of 2100 channels, average pooling, convolutions and residual blocks, dense layers of 16 and 10, output pH; everything is learned from European soils. Dashed arrows lead down to ResNet-pH-Pb: the convolutions are copied and frozen, dense layers and output copied and tuned to ln Pb."}}
figure = figures.transfer_diagram()

# %% [markdown]
# The counterpart of table 2 counts what each network learns from which soils. The source network below is the one of
# chapter 5 that learned from 14,277 simulated European soils; it comes with the kit.

# %%
source, _ = models.load_network(
    resources.data_path("models", "resnet_lucas_ph.safetensors")
)
X, y = soils.log_reflectance, np.log(lead)
train, test = soils.rounds[0]
networks = study.lead_networks(source, X[train], y[train], 0)
rows = []
for part, label in (
    ("features", "convolutions, residual blocks, batch norm."),
    ("head", "dense layers, output"),
):
    count = sum(
        weights.numel() for weights in getattr(source, part).parameters()
    )
    held = [
        not any(w.requires_grad for w in getattr(net, part).parameters())
        for net in networks.values()
    ]
    rows.append(
        (
            label,
            count,
            "learned",
            *("frozen" if each else "learned" for each in held),
        )
    )
shown = pd.DataFrame(
    rows,
    columns=[
        "Part",
        "Weights",
        "ResNet-pH",
        *(figures.LEAD_MODEL_NAMES[name] for name in networks),
    ],
)
print(
    f"ResNet-pH learns from 14,277 soils, the others from {len(train)}; {len(test)} are for testing"
)
figures.show_table(shown, "What each network learns", {"Weights": "{:,}"})

# %% [markdown]
# The larger part of the network is what is tuned: hundreds of weights for each soil. So transfer does not prevent
# over-fitting by leaving little to fit. If it helps, it helps because the tuned layers *start* from something useful
# and see something useful. (The paper also lists the max pooling layer among those tuned. It has no weights.)
#
# ### One round, by hand
#
# 98 soils to learn from, 32 to test, four models and the mean. `models.transfer_baselines` holds the PLS and the SVM, which
# choose their settings by cross-validation among the 98. The networks set a fifth of the 98 aside to know when to stop.

# %%
found = {}
for name, make in models.transfer_baselines().items():
    model = make(0).fit(soils.reflectance[train], y[train])
    found[name] = model.predict(soils.reflectance[test])
for name, network in networks.items():
    history = training.fit_network(
        network, X[train], y[train], profile.target_recipe, 0
    )
    found[name] = training.predict(network, X[test])[:, 0]
    best = history["validation_mse"].argmin() + 1
    print(
        f"{figures.LEAD_MODEL_NAMES[name]}: stopped after {len(history)} epochs, best at {best}"
    )
print(
    "R²:",
    ", ".join(
        f"{name} {sklearn.metrics.r2_score(y[test], own):.2f}"
        for name, own in found.items()
    ),
)

# %% [markdown]
# ## All rounds
#
# One round says little: with 32 test soils an $R^2$ moves a good deal if other soils happen to be kept back. So there
# are rounds. In the recorded run each has a pH network of its own, trained on three quarters of the European soils. The
# counterpart of figure 3 is in chapter 5; the scores of these networks on the other quarter were:

# %%
sources = extras["source_scores"].groupby("recipe", sort=False)
fits = (
    extras["source_history"]
    .groupby(["recipe", "round"])["processor_seconds"]
    .agg(["size", "sum"])
)
for recipe, scored in sources[["r2", "rmse", "rpd", "r2_train"]]:
    spread = f" ± {scored['r2'].std():.2f}" if len(scored) > 1 else ""
    mean, (n_epochs, seconds) = scored.mean(), fits.loc[recipe].mean()
    print(
        f"ResNet-pH, recipe '{recipe}', rounds: {len(scored)}; {n_epochs:.0f} epochs, {seconds:.0f} s of a processor"
    )
    print(
        f"  R² {mean['r2']:.2f}{spread}, RMSE {mean['rmse']:.2f}, RPD {mean['rpd']:.2f}"
    )
    print(f"  R² of its own training soils {mean['r2_train']:.2f}")

# %% [markdown]
# Now the live run of lead, in fewer rounds, and then the recorded one beside it.

# %%
live, predicted = [], {}
for round_ in range(profile.n_rounds):
    for scale in study.SCALES:
        done = study.target_round(
            source, soils, round_, scale, profile.target_recipe, round_
        )
        records, predicted[round_, scale], _ = done
        live += records
live = pd.DataFrame(live)
by_scale = dict(list(extras["scores"].groupby("scale")))
log, means = (
    by_scale["log"],
    by_scale["log"].groupby("model")[["r2", "rmse", "rpd"]],
)

# %%
table = pd.DataFrame({"Model": figures.LEAD_MODEL_NAMES})
table["Published R²"] = [
    published.get(f"r2.{name}", {}).get("value", np.nan) for name in table.index
]
for key, head in (("r2", "R²"), ("rmse", "RMSE"), ("rpd", "RPD")):
    mean, deviation = means.mean()[key], means.std()[key]
    table[head] = [
        f"{mean[name]:.2f} ± {deviation[name]:.2f}" for name in table.index
    ]
table["R², live"] = live[live["scale"] == "log"].groupby("model")["r2"].mean()
formats = {"Published R²": "{:.2f}", "R², live": "{:.2f}"}
figures.show_table(
    table,
    "ln Pb of test soils: recorded run, mean ± deviation over the rounds; live run",
    formats,
)

# %% mystnb={"image": {"alt": "Four panels of predicted over observed ln Pb, all rounds of the recorded run together: ResNet-Pb, PLS-Pb, SVM-Pb and ResNet-pH-Pb, each with its mean R² and deviation in the title."}}
predictions = extras["predictions"]
figure = figures.observed_and_predicted(
    predictions[predictions["scale"] == "log"], log
)

# %% mystnb={"image": {"alt": "Boxes of R² over the rounds of the recorded run for the mean, ResNet-Pb, PLS-Pb, SVM-Pb and ResNet-pH-Pb, every round a dot, with black bars at the published means. The published bars rise from 0.30 for ResNet-Pb to 0.77 for ResNet-pH-Pb."}}
of_paper = {
    name: published[f"r2.{name}"]["value"]
    for name in figures.LEAD_MODEL_NAMES
    if name != "mean"
}
figure = figures.r2_boxes(log, of_paper)

# %% [markdown]
# How does one compare models whose scores scatter so? **Round by round.** All models of a round see the same soils, and
# a hard test set is hard for all. So take differences within each round first, and look at how these scatter.


# %%
def compare(table, model, other, key="model"):
    """Difference of R² of two models in every round: mean, deviation, and in how many rounds it is above zero."""
    wide = table.pivot(index="round", columns=key, values="r2")
    gain = wide[model] - wide[other]
    return f"{gain.mean():+.3f} ± {gain.std():.3f}, above zero in {(gain > 0).sum()} of {len(gain)} rounds"


wide = log.pivot(index="round", columns="model", values="r2")
for other in ("resnet_pb", "pls_pb", "svm_pb"):
    print(
        f"ResNet-pH-Pb less {figures.LEAD_MODEL_NAMES[other]}: {compare(log, 'resnet_ph_pb', other)}"
    )
    print(
        f"   published: {published[f'difference.resnet_ph_pb.{other}']['value']:+.2f}"
    )
best = (wide.drop(columns="mean").idxmax(axis=1) == "resnet_ph_pb").sum()
print(
    f"ResNet-pH-Pb has the highest R² of the four in {best} of {len(wide)} rounds"
)
gap = (log["r2_train"] - log["r2"]).groupby(log["model"]).mean()
print("R² of training less R² of test:")
print(
    "  "
    + ", ".join(
        f"{figures.LEAD_MODEL_NAMES[name]} {gap[name]:.2f}"
        for name in figures.LEAD_MODEL_NAMES
    )
)

# %% [markdown]
# The first difference is the one that *transfer* makes: same network, same soils, another start. The other two say
# whether it was worth the trouble, since PLS and SVM need no 14,277 soils. The last line shows how much more each model
# knows of its own training soils than of others. The rounds share most of their soils, so for other soils of the
# district the mean is less certain than the deviation over the root of ten suggests.
#
# ## Freeze or tune?
#
# The paper freezes the features. One could also tune the last convolution along with the dense layers, or everything
# from the pretrained start. And one could tune nothing: predict pH, and draw a straight line from pH to ln Pb. **How
# many soils do you need before it pays to tune more?**

# %%
depths = extras["depths"]
some = log[log["round"].isin(depths["round"])].groupby("model")["r2"].mean()
teaching.widgets.freeze_or_tune(
    depths,
    {
        f"{figures.LEAD_MODEL_NAMES[name]}, all soils": some[name]
        for name in ("resnet_pb", "svm_pb")
    },
)

# %%
mean = (
    depths.groupby(["n_train", "depth"])["r2"]
    .mean()
    .unstack()[[*teaching.widgets.DEPTH_TEXTS]]
)
for size, row in mean.iterrows():
    print(
        f"{size} soils: best is '{row.idxmax()}', R² {row.max():.2f}; least is '{row.idxmin()}', {row.min():.2f}"
    )
largest = depths[depths["n_train"] == depths["n_train"].max()]
print(
    f"dense less everything, all soils:\n  {compare(largest, 'dense', 'all', 'depth')}"
)
shown = mean.rename_axis("Soils to tune on").reset_index()
figures.show_table(
    shown,
    "Mean R² of lead by what is tuned, recorded run",
    dict.fromkeys(teaching.widgets.DEPTH_TEXTS, "{:.2f}"),
)

# %% [markdown]
# The line 'none' is worth a thought. It uses all that the network knows of *pH*, and nothing else that it has learned.
# If transfer worked because pH governs lead, as the paper argues, this line should do well. If it stays far below the
# tuned networks, then what is useful is not the pH but the features on the way to it. Compare with the rank
# correlation of pH and lead in our district, above.
#
# ## Learn what first?
#
# If features are what matters, is pH the best thing to learn them from? We pretrained the network on one property after
# the other, with as many soils and the same recipe each time, and on all of them at once. For a floor there is a
# network that has learned **nothing**: its convolutions are frozen as they were drawn. All get a new output layer.

# %% mystnb={"image": {"alt": "R² of lead in the test soils after pretraining on each of the source properties of the recorded run, one row a property with a dot for each round and a bar at the mean, sorted by the mean, with a dashed line at the SVM."}}
properties = extras["properties"]
labels = names | {
    "nothing": "nothing (weights as drawn)",
    "all of them": "all of them at once",
}
figure = figures.source_scores(
    properties, labels, ("SVM-Pb, same rounds", some["svm_pb"])
)

# %%
groups = properties.groupby("source")
table = (
    groups["source_r2"]
    .first()
    .to_frame("itself")
    .assign(rho=groups["spearman"].first(), lead=groups["r2"].mean())
)
table = table.sort_values("lead", ascending=False)
first, best = table.index[0], labels.get(table.index[0], table.index[0])
print(
    f"best source: {best}; pH is number {table.index.get_loc('ph') + 1} of {len(table)}"
)
print(f"pH less nothing: {compare(properties, 'ph', 'nothing', 'source')}")
if first != "ph":
    print(f"{best} less pH: {compare(properties, first, 'ph', 'source')}")
single = table.dropna()
fits = {
    "the R² of the property itself": single["itself"],
    "the size of its correlation with lead": single["rho"].abs(),
}
for what, values in fits.items():
    rho = explain.rank_correlation(single["lead"], values)
    print(f"rank correlation of R² of lead with {what}: {rho:+.2f}")

# %%
heads = {
    "lead": "R² of lead",
    "itself": "R² of the property itself",
    "rho": "Rank correlation with lead",
}
shown = table[list(heads)].rename(columns=heads).reset_index()
shown["source"] = [labels.get(name, name) for name in shown["source"]]
shown = shown.rename(columns={"source": "Learned first"})
formats = dict(
    zip(heads.values(), ("{:.2f}", "{:.2f}", "{:+.2f}"), strict=True)
)
figures.show_table(
    shown,
    "What pretraining on each property does for lead, recorded run",
    formats,
)

# %% [markdown]
# Two explanations come to mind. A property might help because a network can *learn* it well, so that its features are
# good ones. Or because it *goes along* with lead, so that the way to the one is the way to the other. The two rank
# correlations put them to the test, with as many points as there are properties, so believe only large ones. And look
# at the floor: what untrained features reach owes nothing to pretraining. A gain counts from there, not from zero.
#
# ## Early stopping that looks at the test set
#
# [Chapter 5](05_lucas_pretraining.ipynb#early-stopping-must-not-look-at-the-test-set) showed it for pH: the paper stops
# training after 120 epochs without improvement, and names no set on which improvement is seen. With 98 and 32 soils, no
# third set is left over. Here is what it does to lead when early stopping watches the 32 test soils.

# %%
stopping = extras["stopping"]
table = (
    stopping.groupby(["watched", "model"], sort=False)["r2"]
    .mean()
    .unstack()
    .rename(columns=figures.LEAD_MODEL_NAMES)
)
honest = "a fifth of the training side"
for model in ("resnet_pb", "resnet_ph_pb"):
    for watched in table.index.drop(honest):
        gain = compare(
            stopping[stopping["model"] == model], watched, honest, "watched"
        )
        print(f"{figures.LEAD_MODEL_NAMES[model]}, {watched}:\n  {gain}")
shown = table.rename_axis("Early stopping watches").reset_index()
figures.show_table(
    shown,
    "Mean R² of the test soils, recorded run",
    dict.fromkeys(table.columns, "{:.2f}"),
)

# %% [markdown]
# In the second row the same soils are fitted as in the first. Nothing is better there but the choice of the epoch, and
# the test soils made it; such a gain is found on no other soils. In the third row all 98 soils are fitted, so that a
# part of the gain may be real. We cannot know what the paper did. But a published $R^2$ that watched its test set would
# lie higher by an amount of this size, and PLS and SVM, which have no such choice, would get nothing of it.
#
# ## Logarithm or Box-Cox?
#
# Lead is skewed: half of the soils hold less than 232 mg/kg, one holds 9720. On that scale a fit would serve a handful
# of soils. So lead is brought to another scale first. The **Box-Cox** transformation ([1964](references.md)) has a
# parameter,
#
# $$z = \frac{c^\lambda - 1}{\lambda}, \qquad z = \ln c \ \text{ for } \lambda \to 0,$$
#
# chosen so that $z$ looks as normal as it can. The paper tries both, finds a lower $R^2$ with Box-Cox, notes that the
# RMSE cannot be compared, and prefers the logarithm. $R^2$ cannot be compared either: each scale has its own variance
# to explain. What can: **bring the predictions back** to ln Pb, whatever scale they were made on. A
# trap waits there: with λ below 0, $z$ cannot exceed $-1/\lambda$, however much lead there is. A prediction beyond that
# stands for no content at all; the package takes it for pure lead.

# %%
back = {}
for scale in study.SCALES:
    fitted = study.FittedScale(scale, lead[train])
    back[f"learned on {scale}"] = (
        y[test],
        fitted.logarithm(np.array(predicted[0, scale]["resnet_ph_pb"])),
    )
print(
    f"λ that suits the training soils of this round: {fitted.transformer.lambdas_[0]:.2f}"
)

# %% mystnb={"image": {"alt": "Two panels of predicted over observed ln Pb for the 32 test soils of the first live round, ResNet-pH-Pb: left learned on the logarithm, right learned on the Box-Cox scale and brought back to logarithms."}}
figure = figures.predicted_vs_measured(back, "ln Pb")

# %%
columns = {"r2": "R²", "rmse": "RMSE", "rmse_log": "RMSE of ln Pb"}
titled = {"log": "logarithm", "box-cox": "Box-Cox"}
grouped = (
    extras["scores"]
    .groupby(["model", "scale"])[list(columns)]
    .mean()
    .unstack()
    .loc[list(figures.LEAD_MODEL_NAMES)]
)
better = grouped["rmse_log", "log"] < grouped["rmse_log", "box-cox"]
who = [
    name for model, name in figures.LEAD_MODEL_NAMES.items() if better[model]
]
print(
    f"smaller RMSE of ln Pb when learned on the logarithm: {', '.join(who) or 'none'}"
)
shown = pd.DataFrame({"Model": figures.LEAD_MODEL_NAMES})
for key, head in columns.items():
    for scale, title in titled.items():
        shown[f"{head}, {title}"] = grouped[key, scale]
formats = dict.fromkeys(shown.columns[1:], "{:.2f}")
figures.show_table(
    shown,
    "Two scales, recorded run: R² and RMSE on each, then both brought back to ln Pb",
    formats,
)

# %% [markdown]
# The two RMSE in the middle show why an RMSE means nothing without its scale. The last two columns can be compared.
#
# ```{exercise-start}
# :label: ex-boxcox
# ```
# The paper's Box-Cox row has an RMSE of 0.11 and does not give λ. From its other numbers one can work out what λ must
# have been, about (the cell prints it). A small step $\mathrm{d}z$ is $c^\lambda$ times a small step of $\ln c$. What
# is the RMSE in ln Pb at the median of 232 mg/kg? Compare with the 0.59 that the logarithm has.

# %%
implied = ledger.load_published("gejiu")["inconsistencies"]["boxcox_exponent"][
    "figures"
]
print(f"λ = {implied['exponent']:.3f}")
answer_6_2 = None

# %% tags=["hide-input"]
teaching.check("6.2", answer_6_2)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-boxcox
# :class: dropdown
# ```

# %%
error, median = (
    published[name]["value"]
    for name in ("rmse.resnet_ph_pb.boxcox", "stat.pb.median")
)
step = median ** implied["exponent"]
print(
    f"{error} / {step:.3f} = {error / step:.2f}; the logarithm has {published['rmse.resnet_ph_pb']['value']}"
)

# %% [markdown]
# On a common scale the two published models may be about equally good. Their RPD, 2.10 and 2.12, says the same.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## What is a SHAP value?
#
# A model predicts ln Pb of 7.1 for some soil, where the average soil gets 5.8. Which channels made the difference of
# 1.3? A **SHAP value** ([Lundberg and Lee 2017](references.md)) is a channel's share of it. The shares are positive or
# negative, in the unit of the prediction, and **add up to the whole difference**. The idea is Shapley's, for players
# who win a prize together: let them enter one after the other, note by how much each raises the prize, and take the
# mean over all orders of entering.
#
# For a **linear** model the order does not matter and no mean is needed. The share of channel $i$ is its coefficient
# times its distance from the mean spectrum, $\phi_i = b_i (x_i - \bar x_i)$. PLS is linear, so try it:

# %%
pooled = X.reshape(len(X), -1, study.POOL).mean(
    2
)  # 210 windows of ten channels
linear = sklearn.cross_decomposition.PLSRegression(5, scale=False).fit(
    pooled[train], y[train]
)
phi = linear.coef_[0] * (pooled[test] - pooled[train].mean(0))
print("shares:", phi.shape, "soils and windows")
difference = linear.predict(pooled[test]).ravel() - y[train].mean()
print(
    f"sum of the shares less what they explain: at most {np.abs(phi.sum(1) - difference).max():.1e}"
)
largest = study.WINDOW_NM[np.abs(phi).mean(0).argsort()[::-1][:4]]
print(
    "largest mean absolute shares, windows from",
    ", ".join(f"{nm:.0f} nm" for nm in largest),
)

# %% [markdown]
# A network is not linear: what a channel does depends on the others. And 2,100 channels have more orders than there are
# atoms. The study uses shap's `GradientExplainer`, which computes **expected gradients** ([Erion and others
# 2021](references.md)). Take a random soil $x'$ of a *background*, go a random part $\alpha$ of the straight way from
# it to the soil $x$, and note the gradient there. Its mean, times the distance, is the share:
#
# $$\phi_i = \mathrm{mean}\Big[(x_i - x'_i)\,\frac{\partial f}{\partial x_i}\big(x' + \alpha\,(x - x')\big)\Big].$$
#
# Along each way the gradients add up to the difference of the two ends. So the shares add up to the prediction less the
# mean prediction of the background, as nearly as there are random points enough. Here it is in four lines, for one soil
# and the network that the round above has tuned:

# %%
network, generator = networks["resnet_ph_pb"], np.random.default_rng(0)
soil = X[test[0]]
start = X[
    generator.integers(len(X), size=2000)
]  # background: all soils of the district
halfway = start + generator.random((2000, 1)) * (soil - start)
by_hand = ((soil - start) * explain.input_gradient(network, halfway)).mean(
    axis=0
)
answers = training.predict(network, X)[:, 0]
print(f"sum of the {len(by_hand):,} shares: {by_hand.sum():+.3f}")
print(
    f"prediction less mean prediction: {answers[test[0]] - answers.mean():+.3f}"
)

# %%
explained = X[test]
for n_points in (10, 40, 160):
    values = explain.shap_values(network, X, explained, n_samples=n_points)
    print(
        f"{n_points} random points a soil: gap {explain.additivity_gap(network, X, explained, values):.2f}"
    )
gaps = extras["shap_additivity"].groupby("target")["gap"].mean()
print(f"recorded run, gap: pH {gaps['ph']:.2f}, lead {gaps['pb']:.2f}")
agreement = explain.rank_correlation(np.abs(by_hand), np.abs(values[0]))
print(
    f"by hand and by the library, first soil: rank correlation of the shares {agreement:.2f}"
)

# %% [markdown]
# The **gap** is the root mean square of what the sums miss, over what they should explain. Four times as many points
# halve it, roughly, as they do with the noise of any random sample. A reader of SHAP values should ask for it.
#
# Two cautions before we look at wavelengths. A SHAP value explains the *model*, not the soil: a channel has a large
# share when the model leans on it, for good or bad reasons. And it is a difference *from a background*. With other
# background soils the shares are others.
#
# ## Which wavelengths?
#
# For each wavelength the study takes the **mean absolute** SHAP value over the explained soils: how much it matters, in
# whichever direction. 1,000 soils are explained for pH; for lead the test soils, with all 130 as background. We take
# the mean over the rounds as well. Dots are the highest peaks, as many as the paper names, dotted lines the paper's.

# %% mystnb={"image": {"alt": "Mean absolute SHAP value over wavelength from the recorded run, above ResNet-pH, below ResNet-pH-Pb. Both curves are made of steps of ten nanometres. Orange dots mark the highest peaks of each; dotted grey lines mark the wavelengths that the paper names, most of them between 600 and 800 nm and between 1550 and 1800 nm."}}
channels = extras["shap_channels"]
titles = {"ph": "ResNet-pH", "pb": "ResNet-pH-Pb"}
own_peaks = {
    name: explain.peaks(channels[name], axis_nm, study.N_PEAKS[name])[
        "wavelength_nm"
    ]
    for name in titles
}
named = {
    name: [
        e["value"]
        for key, e in published.items()
        if key.startswith(f"wavelength.{name}.")
    ]
    for name in titles
}
profiles, found_nm, named_nm = (
    {titles[name]: part[name] for name in titles}
    for part in (channels, own_peaks, named)
)
figure = figures.shap_profiles(axis_nm, profiles, named_nm, found_nm)

# %%
shift = explain.compare_peaks(
    own_peaks["ph"], own_peaks["pb"], tolerance_nm=study.POOL
)
of_paper = explain.compare_peaks(
    named["ph"], named["pb"], tolerance_nm=study.POOL
)["shared"]
print(
    f"within one pooling window of a peak of pH: {shift['shared'].sum()} of our {len(shift)} peaks of lead,"
)
print(f"  {of_paper.sum()} of the {len(of_paper)} that the paper names")
shift["shared"] = np.where(shift["shared"], "shared", "shifted or new")
heads = ["Peak of lead (nm)", "Nearest of pH (nm)", "Apart (nm)", "So it is"]
formats = dict(zip(heads, ("{:.0f}", "{:.0f}", "{:+.0f}"), strict=False))
figures.show_table(
    shift.set_axis(heads, axis=1),
    "Shared and shifted peaks, recorded run",
    formats,
)

# %%
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
    rows, columns=["Network", "Band (nm)", "Share", "Share if flat"]
)
for row in table.itertuples(index=False):
    print(
        f"{row[0]}, {row[1]} nm: {'more' if row[2] > row[3] else 'no more'} than its width would give"
    )
figures.show_table(
    table,
    "The two bands that the paper calls shared",
    dict.fromkeys(["Share", "Share if flat"], "{:.1%}"),
)

# %% [markdown]
# The paper reads its figure 7 in three steps: peaks are named to the nanometre; some are shared and others are new;
# each is laid to something that absorbs there. The audit takes the steps one by one.
#
# ## The audit
#
# ### 1. Can a peak be named to the nanometre?
#
# The first thing that the network does is to **average ten channels**. Behind that, it cannot know which of the ten a
# change came from: all ten have one and the same gradient. Look at three things over some windows: the gradient at one
# soil, how far the soils lie from the background at each channel, and the mean absolute SHAP value.

# %% mystnb={"image": {"alt": "Three panels from 600 to 680 nm with dotted lines at the borders of the pooling windows of ten nanometres. The gradient is a flat step within each window and jumps at the borders. The distance from the background changes smoothly. The mean absolute SHAP value is all but flat within each window and jumps at the borders."}}
profile_nm, distance = (
    explain.mean_absolute(values),
    explain.input_spread(X, explained),
)
gradient = explain.input_gradient(network, X[test[:1]])[0]
within = gradient.reshape(-1, study.POOL)
print(
    f"largest difference of gradients within one window: {np.ptp(within, axis=1).max():.1g}"
)
print(f"largest gradient: {np.abs(gradient).max():.2g}")
figure = figures.inside_windows(
    axis_nm, gradient, distance, profile_nm, study.POOL, (600, 680)
)

# %% [markdown]
# Within a window the SHAP values differ only as the distance from the background does. Which channel of a window is
# highest has nothing to do with what the network has learned. Spectra are smooth, so over ten nanometres the distance
# rises or falls, and the highest channel is mostly the **first or the last** of its window. Count on which place of
# their windows the peaks lie: ours, those of all rounds, and those that the paper names.

# %% mystnb={"image": {"alt": "Two bar charts of how many peaks lie on each of the ten places of a pooling window. Left, peaks of all rounds of the recorded run; right, the wavelengths that the paper names. A dashed line marks an even spread. Of the named wavelengths all but one stand on the first and last place, zero and nine."}}
every_nm = extras["shap_peaks"]["wavelength_nm"]
paper_nm = sorted({*named["ph"], *named["pb"]})
places = {"our peaks, all rounds": every_nm, "named in the paper": paper_nm}
places = {
    name: explain.place_in_window(nm, axis_nm, study.POOL)
    for name, nm in places.items()
}
for name, own in places.items():
    edges = explain.edge_count(own, study.POOL)
    chance = f"by chance {2 / study.POOL:.0%}, p = {edges.pvalue:.0e}"
    print(f"{name}: {edges.k} of {edges.n} at an edge; {chance}")
figure = figures.place_bars(places, study.POOL)

# %% [markdown]
# So a wavelength such as '959 nm' means 'the window from 950 to 959 nm', and its last digit comes from the averaging. A
# band assignment that depends on a few nanometres cannot rest on it.
#
# ```{exercise-start}
# :label: ex-window
# ```
# What the network *can* tell apart is a whole window. Its SHAP value is the sum of its ten channels' values, since the
# sum over all channels must not change. For the first explained soil, what is the SHAP value of the window that holds
# 759 nm? `values` is (soils, 2100).

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
ten = values[0, 350:360]
print(
    f"{ten.sum():+.4f}, from ten values between {ten.min():+.4f} and {ten.max():+.4f}"
)
named_band = (
    values[0, 1200:1300].reshape(-1, study.POOL).sum(1)
)  # 1600 to 1700 nm
print(
    f"windows from 1600 to 1700 nm: {named_band.min():+.2f} to {named_band.max():+.2f}"
)

# %% [markdown]
# The last line shows the most negative and the most positive window of one of the bands that the paper calls shared.
# Neighbouring windows carry nearly the same light. Where they pull in opposite directions, the network reads their
# difference, and a mean of *absolute* values counts both in full.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ### 2. Would another network show the same?
#
# 'Shared' and 'shifted' compare *one* pH network with *one* lead network. Before a difference between the two is laid
# to the task, ask how much two pH networks differ that were trained in the same way on other soils of the same survey.

# %%
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

# %%
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

# %% [markdown]
# The last row is the paper's comparison, the first two are what it has to be held against. Peaks of lead that pH does
# not share are a finding only in so far as two networks of the *same* task share more.
#
# ### 3. Does the profile show what was learned?
#
# Erase it, as [chapter 4](04_grad_cam.ipynb) did: draw the weights of a part of the network anew and compute the
# profile again ([Adebayo and others 2018](references.md)). What stays alike was not learned. It comes from the spectra,
# which spread more at some wavelengths than at others, or from the way the network is built. The printed line compares
# with the spread alone, which needs no network: near +1 it would be the whole of the profile.

# %%
table = (
    extras["randomised"]
    .groupby(["part", "target"], sort=False)["by_window"]
    .mean()
    .unstack()
)
spread = explain.rank_correlation(profile_nm, distance)
print(
    f"live run: rank correlation with the spread of the spectra alone {spread:+.2f}"
)
shown = table.rename(columns=titles).rename_axis("Drawn anew").reset_index()
formats = dict.fromkeys(titles.values(), "{:+.2f}")
figures.show_table(
    shown,
    "Rank correlation with the trained network's profile, recorded run",
    formats,
)

# %% [markdown]
# Values near zero are the good ones here. Where drawing only the dense layers anew leaves a clear correlation, that
# much of the profile is the features' doing. For ResNet-pH-Pb these are the pH network's, because they were frozen:
# what comes from them is 'retained' by construction, whatever the task.
#
# ### 4. Is there a band, more than by chance?
#
# Bands are everywhere: the table of this book has dozens between 400 and 2500 nm. So, as with the lines of chapter 4,
# take the share of a profile within 10 nm of a band centre, and compare it with what the bands would catch if they were
# shifted along the axis.

# %%
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
small = table[table["p"] <= 0.05 / len(table)]
print(
    f"{len(table)} questions; p at most 0.05/{len(table)} in {len(small)}: ",
    end="",
)
print(
    "; ".join(f"{row[0]} and {row[1]}" for row in small.itertuples(index=False))
    or "none"
)

# %%
formats = {"Near them": "{:.0%}", "By chance": "{:.0%}", "p": "{:.3f}"}
figures.show_table(
    table,
    "Share within 10 nm of known bands: recorded profiles, and the paper's named wavelengths",
    formats,
)

# %% [markdown]
# In our simulation every band of the table *is* in the soils, at the place that the table gives, and lead goes along
# with iron oxides by construction. So a profile that finds no more bands than chance does not prove that a network
# ignores the constituents. It says that peaks of mean absolute SHAP values are a poor way of finding out: iron oxides
# absorb in wide bands, which a network may read from any slope, and neighbouring windows carry nearly the same light.
#
# ## What one may conclude, and what not
#
# - **About the paper's gain**: it is larger than chance in the choice of soils explains (the
#   [ledger](09_ledger_gejiu.ipynb) does the sum). What ours is stands above. If it is smaller, that does not refute the
#   paper: our soils are simulated, and lead goes along with other things in them.
# - **About transfer**: what must be shown is the gain over the *same* network from scratch, over random frozen features,
#   and over the best simple model, on soils that chose nothing, neither an epoch nor a setting.
# - **About why**: a good transfer from pH does not show that pH governs lead. Other source properties and the straight
#   line from predicted pH are the controls, and they cost nothing but computing.
# - **About wavelengths**: windows of 10 nm can be named, not nanometres; what differs between two networks of one task
#   cannot be laid to the task; and a band nearby explains a peak only if it lies nearer than chance puts it.
# - **What we cannot say**: what the paper's networks looked at, and how they would do on soils of another district.
#
# ## Where we differ from the paper, and why
#
# - **Spectra and map are simulated**, and some settings were tuned by the scores of PLS and SVM, as said above.
# - **Early stopping** watches a fifth of the training side; the weights of the best epoch are kept.
# - **The pH networks** of the recorded run are trained by one short cycle, not by up to 2,000 epochs; a round of the
#   paper's recipe is recorded beside them. The live run has the pH network that comes with the kit in all rounds.
# - **Batch normalisation** is frozen with the features, its running mean and variance too. The paper does not say.
# - **The output's bias** is moved to the mean of ln Pb before tuning, since pH and ln Pb have different means.
# - **Gamma of the SVM** is searched along with C, where the paper leaves it at 'scale'.
#
# ## On your own spectra
#
# Everything above was simulated. Does a network that has seen nothing but simulated soils help on **measured** ones?
# This is the test that counts: four measured sets ([LimeSoDa](references.md)), pH, organic matter or carbon, and clay.
# Each task has rounds of at most 98 training soils, as in the study. The pretrained network is the kit's second one
# (`resnet_soils`). It learned twenty properties of simulated soils of the whole world, and then, episode by episode, to
# give features on which some tens of soils of one place are enough to calibrate; `data/models/README.md` says how. Its
# input is not the logarithm but the first derivative of the absorbance, which PLS and SVM get as well. `spectrakit
# transfer` freezes the convolutions and puts new layers on top, dense ones and a Gaussian process, over the features
# and over the pooled input beside them. The recorded run has a control as well: the same new layers over the input
# alone, so without anything that was pretrained.

# %% mystnb={"image": {"alt": "Mean R² of the test samples for each measured task, one row a task, with a mark each for PLS, SVM, the network from scratch and the pretrained network, from the recorded rounds."}}
measured = pd.read_csv(
    resources.data_path("recorded", "transfer-visnir.csv"), comment="#"
)
means = (
    measured.groupby(["table", "target", "model"], sort=False)["r2"]
    .mean()
    .unstack()
)
tasks = names | {"som_pct": "organic matter"}
means.index = [
    f"{table}, {tasks.get(target, target)}" for table, target in means.index
]
figure = figures.measured_tasks(means)

# %%
better = means[["pls", "svm"]].max(axis=1)
print(
    f"{len(means)} tasks, {measured['round'].nunique()} rounds each, mean R²:"
)
print(
    f"  pretrained above scratch in {(means['pretrained'] > means['scratch']).sum()}"
)
print(
    f"  pretrained at least equal to the better of PLS and SVM in {(means['pretrained'] >= better).sum()}"
)
print(
    f"  pretrained above the mean predictor in {(means['pretrained'] > means['mean']).sum()}"
)
print(
    f"  pretrained above the same layers without pretraining in {(means['pretrained'] > means['input']).sum()}"
)
print(
    f"  pretrained less scratch: {(means['pretrained'] - means['scratch']).mean():+.2f} on average"
)
print(
    f"  pretrained less the better of PLS and SVM: {(means['pretrained'] - better).mean():+.3f} on average"
)
print(
    f"  pretrained less no pretraining: {(means['pretrained'] - means['input']).mean():+.3f} on average"
)

# %%
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
# If `SPECTRAKIT_DATA` names a folder with plain spectral tables (or with a folder `visnir` of them), the next cells
# take the largest table of reflectance from 400 to 2499 nm and run two rounds. For all rounds and a plot use
# `spectrakit transfer TABLE --target ph`. And with both data sets of the study in one folder (`data/README.md` says how
# to lay them out), `spectrakit replicate gejiu --data FOLDER` runs all of this chapter's experiments on the real ones.
# Files of an instrument (Bruker OPUS, ASD, JCAMP-DX and others) become a plain table with `spectrakit convert FOLDER`.


# %%
def reflectance_tables(folder):
    """Name to dataset, brought to 400-2499 nm, of the tables in a folder that allow it and hold a property."""
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
    print(*notes, sep="\n")
    return {
        name: data
        for name, data in ready.items()
        if len(data.properties.columns)
    }


# %%
folder = resources.measured_folder()
own = {} if folder is None else reflectance_tables(folder)
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
    print(
        f"{name}, {target}: {own[name].provenance_line()}; {rounds['n_train'].max()} samples to train on"
    )
    print(workflows.score_frame(rounds))
else:
    print(
        "no measured table in SPECTRAKIT_DATA: the recorded one above stands for it"
    )

# %% [markdown]
# ## Summary
#
# Transfer learning carries features over from a question with many samples to one with few. Whether it helped is a
# difference taken round by round, against the same network from scratch, untrained features and simple models; the
# lines printed on this page say what it came to. Early stopping that looks at the test set raises a score for nothing,
# and two scales are compared on a third. SHAP values add up to the prediction, but behind an average over ten channels
# they know windows, not nanometres, and they differ between networks of one task. The [ledger](09_ledger_gejiu.ipynb)
# sets every number of the study beside ours.
