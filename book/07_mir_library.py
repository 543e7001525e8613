# %% [markdown]
# # A library with its gaps filled
#
# Soils of the whole world have been put under mid-infrared spectrometers. The third study of this book brings about
# 57,000 of these spectra together, from many laboratories. Carbon was measured for 51,079 of the samples and organic
# matter for 5,750. Networks learn to read both from the spectrum and fill the gaps, so that in the end every sample has
# a value, measured or imputed, and an estimate of its error. This chapter builds such a library, fills it, and asks at
# each step: how would one know?
#
# **What you will learn**
#
# - what the bands of a mid-infrared spectrum are, and why some of them stand upside down
# - what a laboratory adds to a spectrum, and how much of it can be taken away again
# - how a network is kept within what physics allows
# - what an error estimate is worth in a laboratory that it has never seen
# - what a filled gap may be used for, and what not
#
# **Time**: about an hour to read; the code runs in about a minute.
# **You need**: [chapter 5](05_lucas_pretraining.ipynb), for reflectance and the network. You need not have seen a
# mid-infrared spectrum.

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
from chemotools.scatter import StandardNormalVariate

from spectrakit import (
    evaluation,
    ledger,
    preprocess,
    resources,
    simulate,
    teaching,
    training,
)
from spectrakit.studies import mir as study
from spectrakit.teaching import figures, widgets
from spectrakit.workflows import harmonise

figures.book_style()
published = ledger.load_published("mir")["entries"]
recorded = ledger.load_results("mir")
tables = {
    name: pd.DataFrame(columns) for name, columns in recorded["extras"].items()
}

# %% [markdown]
# Two runs stand behind the numbers of this page. The **recorded run** was made beforehand; you can make one of the
# paper's size yourself with `spectrakit replicate mir --profile paper`. The **live run** is what the cells of this page
# do with a library of 2,000 soils, so that you can change it. Every table says which of the two it shows. In both the
# soils, their spectra and the laboratories are **simulated**.

# %%
provenance = recorded["provenance"]
run, about = provenance["config"]["profile"], provenance["config"]["library"]
print(
    f"recorded run: {provenance['profile']} profile, seed {provenance['seed']}, commit {provenance['commit'][:12]}"
)
print(
    f"  {about['n']:,} soils of {about['n_sites']:,} sites, {about['n_laboratories']} laboratories"
)
print(f"  splits by site: {run['n_rounds']}")
live = replace(study.PROFILES[resources.profile_name()], n_samples=2_000)
library = study.simulated_library(live.n_samples)
print(
    f"live run: {len(library.dataset):,} soils\n  {library.dataset.provenance_line()}"
)

# %% [markdown]
# ## What the paper found
#
# Of this study an abstract is all that was at hand, without a figure or a table. So the chapter takes its sentences, one
# after the other:
#
# - a library of many laboratories: [the library](#a-library-of-many-laboratories)
# - normalisation, outlier detection, harmonisation: [to make laboratories alike](#to-make-laboratories-alike)
# - a network a property, with physically constrained ranges: [one network a content](#one-network-a-content)
# - prediction-error estimates: [how sure?](#how-sure)
# - a hybrid data set with more coverage in space and depth: [the gaps filled](#the-gaps-filled)
#
# These are all its scores. RPIQ is the interquartile range of the measured contents over the RMSE.

# %%
heads = {
    "R²": "r2.{}",
    "RMSE (g/kg)": "rmse.{}",
    "MAE (g/kg)": "mae.{}",
    "RPIQ": "rpiq.{}",
}
heads |= {
    "Prediction SD (g/kg)": "prediction_sd.{}.imputed",
    "Measured": "samples.{}.measured",
}
heads |= {"Imputed": "samples.{}.imputed"}
of_paper = {
    head: [published[key.format(t)]["value"] for t in figures.TARGET_NAMES]
    for head, key in heads.items()
}
table = pd.DataFrame({"Content": figures.TARGET_NAMES.values()} | of_paper)
formats = dict.fromkeys(heads, "{:.2f}") | dict.fromkeys(
    ["Measured", "Imputed"], "{:,}"
)
figures.show_table(table, "What the abstract reports", formats)

# %% [markdown]
# ```{exercise-start}
# :label: ex-normal
# ```
# Look at carbon: an $R^2$ of 0.96, and an RPIQ of 1.38, which by the usual classes is poor. $1 - R^2$ is the squared
# RMSE over the variance. In a normal distribution the interquartile range is 1.349 standard deviations. If carbon were
# normally distributed, what would RPIQ be beside an $R^2$ of 0.96?

# %%
answer_8_1 = None

# %% tags=["hide-input"]
teaching.check("8.1", answer_8_1, score=0.96)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-normal
# :class: dropdown
# ```
# The deviation is $1 / \sqrt{0.04} = 5$ times the RMSE, so RPIQ would be 6.7. That it is 1.38 says that the deviation
# is 3.6 times the interquartile range, where a normal distribution has 0.74. A few soils with very much carbon, peat and
# forest floors, make the variance; most soils lie close together. We come back to them
# [below](#a-score-for-whom).

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## What a mid-infrared spectrum shows
#
# Atoms that are bound together vibrate, each bond at a frequency of its own. Light of that frequency is absorbed. In
# the near infrared of [chapter 5](05_lucas_pretraining.ipynb) there are only overtones and combinations, faint and wide.
# In the mid infrared lie the **fundamental vibrations** themselves: strong, narrower, and for nearly everything that a
# soil is made of. One counts here in **wavenumbers**, waves to a centimetre: 10,000 over the wavelength in µm. Our
# spectra go from 600 to 3998 1/cm (16.7 to 2.5 µm), in steps of 2. They are drawn from low to high; journals mostly do
# it the other way round. What is drawn is **absorbance**, $A = \log_{10}(1/R)$: at 1, a tenth of the light comes back.

# %% mystnb={"image": {"alt": "Eight panels of absorbance between 600 and 4000 wavenumbers, each a pure constituent with bands named. Quartz is low except for bands at 1790, 1870 and 1995, and dips at 1080 to 1160, where its surface mirrors. Kaolinite has a sharp group at 3620 and 3695. Smectite has one broad band at 3620. Gibbsite has bands at 3395 to 3620. Goethite is high at 3140 and below 1000. Calcite has bands at 1795 and 2513 and a wide high one near 1450. Organic matter has CH bands at 2850 and 2930 and many below 1720. Water has a very broad band near 3400 and another at 1643."}}
known = {
    "quartz": {1870: "lattice", 1163: "Si-O", 797: "Si-O-Si"},
    "kaolinite": {3695: "OH", 3620: "OH", 914: "OH"},
}
known |= {
    "smectite": {3620: "OH", 1016: "Si-O"},
    "gibbsite": {3527: "OH", 3455: "OH", 1020: "OH"},
}
known |= {
    "goethite": {3140: "OH", 890: "OH"},
    "calcite": {2513: "CO₃", 1795: "CO₃", 872: "CO₃"},
}
known |= {
    "organic matter": {2930: "CH₂", 2850: "CH₂", 1720: "C=O", 1612: "COO⁻"},
    "water": {3420: "OH", 1643: "H₂O"},
}
bands, axis = simulate.soils.infrared_bands(), library.dataset.axis
parts = {name: [name] for name in known} | {
    "organic matter": list(simulate.soils.ORGANIC_GROUPS)
}
for name, own in known.items():  # every label stands at a band of the table
    assert set(own) <= set(
        bands.loc[bands["constituent"].isin(parts[name]), "centre_cm"]
    )
pure = np.array(
    [
        np.isin(simulate.soils.INFRARED_CONSTITUENTS, own)
        for own in parts.values()
    ],
    float,
)
pure = dict(
    zip(
        known,
        simulate.soils.soil_absorbance(pure, np.full(len(known), 40.0), axis),
        strict=True,
    )
)
labels = {
    name: [(centre, f"{text} {centre}") for centre, text in own.items()]
    for name, own in known.items()
}
figure = figures.constituent_absorbance(axis, pure, labels)

# %% [markdown]
# Read them one by one. **Clay minerals** show their O-H between 3600 and 3700, and Si-O near 1000. **Carbonate** has a
# band at 2513, where little else absorbs. **Organic matter** has no band of its own: it is a mixture of groups, of
# which CH₂ near 2900 is the clearest; acids, salts of acids, amides and lignin crowd between 1200 and 1720, on top of
# water and of quartz. And quartz does something odd: where its Si-O vibration is strongest, around 1100, its absorbance
# *falls*. `data/bands/mir.csv` has 161 such resonances of 20 constituents, each with its source.
#
# ### Two ways back for the light
#
# A constituent has one complex **refractive index** $n + \mathrm{i}k$, whose $k$ is the absorption. It says two things.
# Light that enters the grains is absorbed and scattered, and comes back after Kubelka and Munk, as in chapter 5. But
# light is also reflected at the first surface, with a share of (Fresnel, at normal incidence)
#
# $$R_\text{surface} = \left|\frac{n + \mathrm{i}k - 1}{n + \mathrm{i}k + 1}\right|^2 .$$
#
# Where $k$ is of the order of 1, nothing comes back from inside, and the surface mirrors instead. Such **reststrahlen**
# ('remaining rays') turn a band upside down. And beside them, where $n$ passes 1, next to nothing is mirrored, and
# absorbance is highest: the peak of quartz near 1350. Here is the equation beside the package's line, for quartz.

# %%
places = np.array([1000.0, 1080, 1160, 1250, 1870, 3000])
index = simulate.soils.refractive_index("quartz", places)
by_hand = np.abs((index - 1) / (index + 1)) ** 2
assert np.allclose(by_hand, simulate.soils.fresnel(index))
columns = {
    "Wavenumber (1/cm)": places,
    "n": index.real,
    "k": index.imag,
    "Mirrored at the surface": by_hand,
}
formats = {
    "Wavenumber (1/cm)": "{:.0f}",
    "n": "{:.2f}",
    "k": "{:.3g}",
    "Mirrored at the surface": "{:.1%}",
}
figures.show_table(
    pd.DataFrame(columns),
    "Quartz: refractive index and what its surface mirrors",
    formats,
)

# %% [markdown]
# Soils are mixtures of all of these, and of grains of all sizes. Four from the live library, all scanned by the largest
# laboratory:

# %% mystnb={"image": {"alt": "Absorbance of four simulated soils: a sandy one with clear quartz bands near 1870 and a dip near 1150, a clayey one with high sharp bands at 3620 and 3695, one rich in carbonate with bands at 2513 and 1795, and a peat, highest over most of the range with strong CH bands near 2900 and a broad hump from 1000 to 1720. Nine bands are named above."}}
about_soils, own = library.dataset.properties, library.laboratory == "national"
mineral = about_soils[own & (library.truth["om_g_kg"] < 50)]
chosen = {
    "sandy": mineral["sand_pct"].idxmax(),
    "clayey": mineral["clay_pct"].idxmax(),
}
chosen |= {
    "calcareous": mineral["caco3_pct"].idxmax(),
    "peat": library.truth["om_g_kg"].where(own).idxmax(),
}
named = [
    (797, "quartz 797"),
    (1160, "reststrahlen"),
    (1612, "COO⁻ 1612"),
    (1720, "C=O 1720"),
    (1870, "quartz 1870"),
]
named += [
    (2513, "carbonate 2513"),
    (2930, "CH₂ 2930"),
    (3420, "water 3420"),
    (3620, "clay OH 3620"),
]
figure = figures.soil_spectra(
    axis,
    {name: library.dataset.spectra[row] for name, row in chosen.items()},
    named,
)

# %% [markdown]
# ```{exercise-start}
# :label: ex-overtone
# ```
# Kaolinite's inner O-H vibrates at 3620 1/cm. Light of exactly twice that frequency would excite the first overtone.
# At which wavelength, in nm?

# %%
answer_8_2 = None  # nm

# %% tags=["hide-input"]
teaching.check("8.2", answer_8_2, wavenumber=3620)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-overtone
# :class: dropdown
# ```
# $10^7 / 7240 = 1381$ nm. Measured is 1414 nm, the band of chapter 5: a real bond is a little softer the further it is
# stretched, so its overtone lies below twice the fundamental. The near infrared shows echoes of what is seen here.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ### What was set, and by looking at what
#
# This simulator was tuned to inputs, and a few of its constants were set by looking at the **mean spectra** of three
# measured laboratories, never at their carbon:
#
# - how much a grain scatters back (`BACKSCATTER`), so that quartz's bands at 1790 to 1995 are about as deep as measured;
# - the grain size at which half of the mirrored light is lost (`SURFACE_GRAIN_UM`), to the level around 1100 to 1200;
# - some of the strengths in `data/bands/mir.csv`. Positions come from the literature; most strengths are estimates.
#
# And one input comes from results. The abstract does not say how carbon is distributed, but RMSE and $R^2$ imply its
# deviation, RPIQ and RMSE its interquartile range. Our soils were given both. So RMSE and RPIQ follow from $R^2$ here
# as they do there: the three are **one test**, not three. The faults of the laboratories are orders of magnitude,
# nothing more; `data/README.md` has all of it.

# %%
implied = {target: about["targets"][target] for target in figures.TARGET_NAMES}
rows = []
for target, name in figures.TARGET_NAMES.items():
    error, score, ratio = (
        published[f"{metric}.{target}"]["value"]
        for metric in ("rmse", "r2", "rpiq")
    )
    of_run = implied[target]
    rows.append(
        (
            name,
            error / np.sqrt(1 - score),
            of_run["sd"],
            ratio * error,
            of_run["iqr"],
            of_run["median"],
        )
    )
columns = [
    "Content (g/kg)",
    "SD, implied",
    "SD, recorded",
    "IQR, implied",
    "IQR, recorded",
    "Median, recorded",
]
caption = "Standard deviation and interquartile range of the measured contents: implied by the paper, and recorded run"
figures.show_table(
    pd.DataFrame(rows, columns=columns),
    caption,
    dict.fromkeys(columns[1:], "{:.1f}"),
)

# %% [markdown]
# ## A library of many laboratories
#
# A large laboratory holds most of the samples; others hold a few hundred, from another part of the world. Each has its
# own soils, its own spectrometer, and its own **habit**: some burn a sample and measure carbon, others ignite it and
# weigh what is lost, which is organic matter and a little water of clays and hydroxides. So what is missing is not
# missing at random. A few samples have both.

# %%
columns = {
    "laboratory": "Laboratory",
    "samples": "Samples",
    "site": "Sites",
    "c": "Carbon",
    "om": "Organic matter",
}
shown = (
    tables["laboratories"]
    .sort_values("samples", ascending=False)
    .rename(columns=columns)
)
print(f"both measured: {about['both']} of {about['n']:,} samples")
shown, formats = (
    shown[list(columns.values())],
    dict.fromkeys(list(columns.values())[1:], "{:,.0f}"),
)
figures.show_table(shown, "Who measured what, recorded run", formats)

# %% [markdown]
# What does an instrument add? In a **ring trial** the same soils go round. Here 60 standards were scanned by all. One
# of them, as it came back:

# %% mystnb={"image": {"alt": "Above, one standard soil scanned by all laboratories, lines of the same shape that lie a few tenths of absorbance apart. Below, each less the reference laboratory: offsets, slopes and bends of both signs, sharp spikes at steep bands below 1200 and near 3650, and small spiky residues of air."}}
spectra, standard, scanned_by = library.ring
one = standard == "R30"
scans = pd.DataFrame(spectra[one], index=scanned_by[one])
figure = figures.one_standard(axis, scans, "national")

# %% [markdown]
# ### Switch the faults on and off
#
# **Which fault does most harm?** Take them one at a time, then all together, and look at the third panel. It shows what
# is left after each spectrum was brought to a mean of 0 and a deviation of 1. Which fault vanishes there?

# %%
soil = {
    "quartz": 0.40,
    "feldspar": 0.10,
    "kaolinite": 0.12,
    "smectite": 0.10,
    "illite": 0.12,
    "calcite": 0.05,
}
soil |= {
    "goethite": 0.02,
    "aliphatic": 0.01,
    "carboxylate_aromatic": 0.02,
    "polysaccharide": 0.02,
    "water": 0.02,
}
composition = np.array(
    [[soil.get(name, 0.0) for name in simulate.soils.INFRARED_CONSTITUENTS]]
)
widgets.laboratory_switches(composition, np.array([60.0]), "iberian")

# %% [markdown]
# Only the gain goes altogether. Baselines bend and air absorbs here and not there; coarser grains change the shape of
# every band; and a shift of one or two wavenumbers, hardly visible in the spectrum, makes a spike at each steep flank.
# In JupyterLab you can put another soil or any other of the laboratories into the call.
#
# ```{exercise-start}
# :label: ex-shift
# ```
# This laboratory reports a band at $v$ at $v\,(1 - 350 \cdot 10^{-6}) + 2$. By how many 1/cm is the band of kaolinite
# at 3695 off, and which band is off by more: this one or that of quartz at 797?

# %%
answer_8_3 = (None, None)  # 1/cm, for the band at 3695

# %% tags=["hide-input"]
teaching.check("8.3", answer_8_3, kaolinite=3695, quartz=797)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-shift
# :class: dropdown
# ```
# $-1.29 + 2 = +0.71$ for kaolinite, and $-0.28 + 2 = +1.72$ for quartz. A shift and a stretch of opposite sign cancel
# somewhere; no single correction of the axis mends both.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## To make laboratories alike
#
# **Normalisation** needs to know nothing of laboratories. The standard normal variate (SNV) takes the mean off each
# spectrum and divides by its standard deviation over the channels, $z = (A - \bar A) / s_A$ ([Barnes and others
# 1989](references.md)). A gain and an offset leave no trace:

# %%
spectrum = scans.loc["national"].to_numpy()
distorted = 1.1 * spectrum + 0.05
by_hand = [(each - each.mean()) / each.std() for each in (spectrum, distorted)]
assert np.allclose(
    by_hand,
    StandardNormalVariate().fit_transform(np.array([spectrum, distorted])),
)
print(f"largest difference before: {np.abs(spectrum - distorted).max():.2f}")
print(f"largest difference after:  {np.abs(by_hand[0] - by_hand[1]).max():.0e}")

# %% [markdown]
# **Harmonisation** learns from the ring trial. *Direct standardisation* (ds; pds, channel by channel from a few
# neighbours; sst, in a few components) learns a map from each laboratory to the reference; it can be used only where
# the laboratory has scanned the standards. *External parameter orthogonalisation* (epo) looks at the directions in
# which scans of *one* standard differ, and takes these out of all spectra. Afterwards nobody needs to know where a
# spectrum comes from, so it can be tried on a laboratory never seen ([Roger and others 2003](references.md)).
#
# Whether any of them works can be asked without a single carbon content: leave some standards out, learn from the
# others, and look at how far the scans of those left out still lie from the reference's, over how much the standards
# differ among each other.

# %% mystnb={"image": {"alt": "One row a harmonisation, a dot for each laboratory, and a bar at the median: how much of the squared difference to the reference laboratory is taken away on standards that were left out. At the top stand snv+epo, epo and snv+sst, near nine tenths; at the bottom msc and snv, a little above one half."}}
tried = ["snv", "msc", "snv+derivative", "sst", "epo", "snv+sst", "snv+epo"]
removed = {
    name: preprocess.left_out_standards(
        preprocess.HARMONISATIONS[name](), library.ring, "national"
    )["removed"]
    for name in tried
}
removed = pd.DataFrame(removed).T
middle = removed.median(axis=1).sort_values(ascending=False)
print("median over the laboratories:")
print("  " + ", ".join(f"{name} {share:.0%}" for name, share in middle.items()))
figure = figures.removed_by(removed)

# %% [markdown]
# On this ground alone the study's harmonisation was chosen, `snv+epo`. But to be alike is not the aim. The aim is a
# smaller error on a laboratory that was never seen, and what is taken out of a spectrum may have been needed. So leave
# each laboratory out in turn: everything is fitted to the others, PLS predicts log10 of the content, and its RMSE is
# compared with that of spectra as they came. (Of the laboratory left out ds, pds and sst know its scans of the
# standards, the others nothing.) Blue is less error, red is more.

# %% mystnb={"image": {"alt": "Two grids of coloured cells from the recorded run, carbon and organic matter. Rows are harmonisations, columns laboratories left out; each cell has the change of RMSE in per cent against no harmonisation. Both signs occur in most rows and in most columns."}}
compared = tables["compared"].query("model == 'pls'")
figure = figures.change_of_error(compared)

# %%
rows = []
for (target, name), part in compared.groupby(
    ["target", "harmonisation"], sort=False
):
    plain = compared.query(
        "target == @target and harmonisation == 'none'"
    ).set_index("laboratory")["rmse"]
    change = part.set_index("laboratory")["rmse"] / plain - 1
    helped, hurt = (
        ", ".join(change.index[side]) or "none"
        for side in (change < -harmonise.MATTERS, change > harmonise.MATTERS)
    )
    if name != "none":
        rows.append(
            (figures.TARGET_NAMES[target], name, change.median(), helped, hurt)
        )
heads = (
    f"Down by over {harmonise.MATTERS:.0%}",
    f"Up by over {harmonise.MATTERS:.0%}",
)
columns = ["Content", "Harmonisation", "Median change", *heads]
table = pd.DataFrame(rows, columns=columns).sort_values(
    ["Content", "Median change"]
)
everywhere = table[table[heads[1]] == "none"]
print(
    "up nowhere:",
    "; ".join(
        f"{row[1]} ({row[0]})" for row in everywhere.itertuples(index=False)
    )
    or "none of them",
)
both = (table[list(heads)] != "none").all(axis=1).sum()
print(f"down in one laboratory and up in another: {both} of {len(table)}")
figures.show_table(
    table,
    "RMSE of log10 on laboratories left out, recorded run",
    {columns[2]: "{:+.0%}"},
    wide=columns[3:],
)

# %% [markdown]
# Two things to look for. Is the harmonisation that makes standards most alike also the one that predicts best? It need
# not be. And read the last two columns together: where both hold names, what helps in one laboratory hurts in another,
# and nobody can know beforehand which it will be of a laboratory without measured contents. A claim that harmonisation
# improves predictions needs this table, laboratory by laboratory.
#
# **Outliers**: is a spectrum like those that were learned from at all? Principal components of the training spectra
# span their **domain**. Hotelling's $T^2$ says how far out *along* the components a spectrum lies, $Q$ how much of it
# lies *beside* them. The limits are quantiles of training spectra that were left out. Here is the domain of the largest
# laboratory, and where the spectra of all others lie: as scanned, with reflectance taken for absorbance by mistake, and
# harmonised.

# %% mystnb={"image": {"alt": "Scatter of two distances on logarithmic axes, T squared and Q, each over its limit, for the spectra of laboratories that the domain has not seen, with lines at the two limits. Circles, as scanned, and squares, harmonised, lie almost all inside; triangles, reflectance taken for absorbance, lie apart. The legend says how many are outside."}}
seen = library.laboratory == "national"
some = np.flatnonzero(seen)[: live.n_linear]
found = {}
for words, X in (
    ("as scanned", library.dataset.spectra),
    ("harmonised", library.harmonised()),
):
    domain = preprocess.SpectralDomain(
        n_components=study.DOMAIN_COMPONENTS
    ).fit(X[some], groups=library.site[some])
    found[f"other laboratories, {words}"] = domain.examine(X[~seen])
    if words == "as scanned":
        found["the same, reflectance taken for absorbance"] = domain.examine(
            10.0 ** -X[~seen]
        )
figure = figures.domain_distances(found)

# %% [markdown]
# The soils of one library are very unlike each other, from dune sand to peat, and so its domain is wide. The mistake in
# the file does not stay hidden in it; faults of the size of ours do. A flag says 'I have not seen the like'. It does
# not say that a prediction is wrong, and no flag does not say that it is right. What it is worth we ask
# [below](#the-flag).
#
# ## One network a content
#
# The network is the residual one of chapter 5, over 340 averages of five channels. Three things are new. It ends in
#
# $$c = \frac{L}{1 + \mathrm{e}^{-z}},$$
#
# so that whatever number $z$ comes out, the content $c$ lies between 0 and $L$: 580 g/kg for carbon, which is what pure
# organic matter has, and 1000 for organic matter. It is fitted on a nearly logarithmic scale, where an error of 1 g/kg
# weighs more in a poor soil than in peat. And there are a few of them, a small **ensemble**.
#
# One round by hand: sites are divided, not samples, so that no profile stands on both sides.

# %%
X, carbon = library.harmonised(), library.content("c")
division = study.divide_sites(library.measured("c"), library.site, 0)
fitted = study.fit_content(library, X, "c", division.training, live)
test = division.test
predicted = {"network": fitted.network.predict(X[test])}
predicted |= study.linear_predictions(
    library, X, "c", fitted.training, test, live
)
print(
    f"{len(fitted.training):,} soils fitted, {fitted.n_outliers} outside their own domain left out, {len(test)} test"
)
scored = {
    name: study.content_scores(carbon[test], np.clip(own, 0, 580))
    for name, own in predicted.items()
}
counts = {
    name: training.limit_counts(own, fitted.network.limit)
    for name, own in predicted.items()
}
for name, own in scored.items():
    outside = counts[name][["below_zero", "above_limit"]].sum()
    print(
        f"{figures.CONTENT_MODEL_NAMES[name]}: R² {own['r2']:.2f}, RMSE {own['rmse']:.1f} g/kg, R² of log10 {own['r2_log']:.2f}"
    )
    print(f"  {outside} of {len(test)} beyond what there can be")

# %% [markdown]
# Now the recorded run beside the paper. PLS is fitted to the content and, on its own, to the logarithm; its predictions
# were brought inside the limits before they were scored.

# %%
overall = (
    tables["scores"]
    .query("by == 'all'")
    .groupby(["target", "model"], sort=False)
    .mean(numeric_only=True)
)
heads = {
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
    "rpiq": "RPIQ",
    "bias": "Bias",
    "r2_log": "R² of log10",
}
rows = [
    (
        figures.TARGET_NAMES[target],
        figures.CONTENT_MODEL_NAMES[model],
        *row[list(heads)],
    )
    for (target, model), row in overall.iterrows()
]
for target, name in figures.TARGET_NAMES.items():
    paper = [
        published[f"{metric}.{target}"]["value"]
        for metric in ("r2", "rmse", "mae", "rpiq")
    ]
    rows.append((name, "network of the paper", *paper, *[np.nan] * 2))
table = pd.DataFrame(
    rows, columns=["Content", "Model", *heads.values()]
).sort_values("Content", kind="stable")
formats = dict.fromkeys(heads.values(), "{:.2f}")
figures.show_table(
    table,
    "Sites never seen, recorded run, means over the splits; g/kg",
    formats,
)

# %%
best = {}
for target, name in figures.TARGET_NAMES.items():
    models = overall.loc[target].drop(index="mean")
    for key, words in (("r2", "natural scale"), ("r2_log", "logarithm")):
        order = models[key].sort_values(ascending=False)
        best[target, key] = order.index[0]
        print(f"R² of {name}, {words}:")
        print(
            "  "
            + ", ".join(
                f"{figures.CONTENT_MODEL_NAMES[model]} {value:.3f}"
                for model, value in order.items()
            )
        )
same = [
    name
    for target, name in figures.TARGET_NAMES.items()
    if best[target, "r2"] == best[target, "r2_log"]
]
print(
    f"the two scales name the same best model of: {', '.join(same) or 'neither content'}"
)

# %% [markdown]
# The two scales ask two questions. On the natural one a prediction of 450 in place of 500 g/kg costs as much as 60 in
# place of 10. On the logarithmic one it is the other way about, and a model that was fitted to the content itself and
# says 0 for a poor soil is far off there (0 counts as 0.1 g/kg). A paper that gives one of them has answered one.
#
# ### A score for whom?
#
# Back to the puzzle of $R^2$ 0.96 beside RPIQ 1.38. The next table takes test soils of the recorded run and scores them
# by class of measured carbon. 120 g/kg is where soil science begins to speak of organic soils.

# %%
of_carbon = tables["shown"].query("target == 'c'")
labels = ["below 10", "10 to 30", "30 to 120", "120 and more"]
classes = pd.cut(
    of_carbon["observed"], [0, 10, 30, 120, np.inf], right=False, labels=labels
)
parts = {"all": of_carbon} | dict(
    list(of_carbon.groupby(classes, observed=True))
)
squares = (of_carbon["observed"] - of_carbon["observed"].mean()) ** 2
rows = []
for name, part in parts.items():
    pair, share = (
        (part["observed"], part["predicted"]),
        squares[part.index].sum() / squares.sum(),
    )
    rows.append(
        (
            name,
            len(part),
            share,
            evaluation.rmse(*pair),
            evaluation.mae(*pair),
            evaluation.r2(*pair),
            evaluation.rpiq(*pair),
        )
    )
columns = [
    "Carbon (g/kg)",
    "Soils",
    "Share of the variance",
    "RMSE",
    "MAE",
    "R²",
    "RPIQ",
]
formats = dict.fromkeys(columns[3:], "{:.2f}") | {
    "Share of the variance": "{:.0%}"
}
figures.show_table(
    pd.DataFrame(rows, columns=columns),
    "The same predictions by class of carbon, recorded run",
    formats,
)

# %% [markdown]
# The third column says who makes the variance. Where it is the last class, $R^2$ of all soils is mostly a matter of
# telling organic soils from others, which hardly takes a spectrometer. RPIQ divides the spread of ordinary soils by an
# error that the organic ones inflate. Both are right, and neither speaks of the ordinary soil. The error by class does.
#
# By laboratory and by depth:

# %% mystnb={"image": {"alt": "RMSE on a logarithmic axis of network, PLS, PLS of the logarithm and the mean, one row a laboratory with its number of test soils, left carbon, right organic matter, recorded run."}}
scores = tables["scores"]
figure = figures.scores_by_group(
    scores.query("by == 'laboratory'"), "rmse", "RMSE (g/kg)"
)

# %%
by_depth = scores.query("by == 'depth' and model in ('network', 'pls log')")
by_depth = (
    by_depth.groupby(["target", "group", "model"])[["n", "rmse", "r2_log"]]
    .mean()
    .unstack()
)
by_depth = by_depth.drop(columns=[("n", "pls log")]).reset_index()
columns = [
    "Content",
    "Depth",
    "Soils",
    "RMSE, network",
    "RMSE, PLS of log",
    "R² of log10, network",
    "R², PLS of log",
]
by_depth = by_depth.set_axis(columns, axis=1).replace(
    {"Content": figures.TARGET_NAMES}
)
by_depth = by_depth.sort_values(
    ["Content", "Depth"],
    key=lambda names: names.str.split("-").str[0].str.zfill(3),
)
formats = dict.fromkeys(columns[3:], "{:.2f}") | {"Soils": "{:,.0f}"}
figures.show_table(by_depth, "By depth, recorded run", formats)

# %% [markdown]
# An RMSE falls with depth because there is less carbon to be wrong about; the $R^2$ of the logarithm tells whether the
# subsoil is read as well as the topsoil.
#
# ### How often do the limits act?
#
# 'Physically constrained prediction ranges' can mean that impossible predictions are cut off, or that the model cannot
# make them. The first hides how often it was needed. So count, on models that know no limits:

# %%
acted = (
    tables["limits"]
    .groupby(["target", "model"], sort=False)
    .sum(numeric_only=True)
    .drop(columns="round")
)
acted = acted.drop(index="mean", level="model")
acted = (
    acted.div(acted["n_samples"], axis=0)
    .drop(columns="n_samples")
    .reset_index()
)
acted["target"], acted["model"] = (
    acted["target"].map(figures.TARGET_NAMES),
    acted["model"].map(figures.CONTENT_MODEL_NAMES),
)
heads = [
    "Content",
    "Model",
    "Below 0",
    "Above the limit",
    "Within 1 % of 0",
    "Within 1 % of the limit",
]
figures.show_table(
    acted.set_axis(heads, axis=1),
    "Share of test soils, recorded run",
    dict.fromkeys(heads[2:], "{:.2%}"),
)

# %% [markdown]
# A second limit lies *between* contents: organic carbon cannot be above total carbon, which is organic and carbonate
# carbon together. Two models that know nothing of each other break it. If instead a network predicts the total, and
# another the **share** of it that is organic, between 0 and 1, none can.

# %%
organic = tables["organic"].assign(
    share=lambda found: found["above"] / found["n"]
)
organic = organic[["model", "n", "above", "share", "r2", "rmse"]]
organic.columns = [
    "Model",
    "Soils",
    "Organic above total",
    "Share",
    "R² of organic carbon",
    "RMSE (g/kg)",
]
formats = {
    "Share": "{:.1%}",
    "R² of organic carbon": "{:.3f}",
    "RMSE (g/kg)": "{:.1f}",
}
figures.show_table(
    organic,
    "Total and organic carbon of sites never seen, recorded run",
    formats,
)

# %% [markdown]
# ## How sure?
#
# A network can be asked for its own doubt. **MC-dropout** leaves out a random tenth of its units, again and again, and
# looks at how the answers spread ([Gal and Ghahramani 2016](references.md)). An **ensemble** looks at how its members
# differ ([Lakshminarayanan and others 2017](references.md)). Both measure how much *models* differ. Neither measures
# how far they are all off, and nothing forces either to be right.
#
# **Conformal** intervals begin at the other end. Set some soils aside, predict them, and look at how large the errors
# are. If a new soil is drawn like those, its error is larger than 90 % of theirs with a probability of one in ten.
# That is all: no assumption on the model or the shape of errors ([Lei and others 2018](references.md)). Ours are of
# equal width on the scale $\ln(c + a)$, $a$ a tenth of the median, so that they grow with the content. By hand:

# %%
aside, offset = division.calibration, fitted.offset
said = fitted.network.predict(X[aside])
errors = np.sort(np.abs(np.log(carbon[aside] + offset) - np.log(said + offset)))
by_hand = errors[int(np.ceil((len(aside) + 1) * 0.9)) - 1]
intervals = evaluation.ConformalIntervals(
    evaluation.sample_threshold,
    evaluation.LEVELS,
    offset,
    (0, fitted.network.limit),
).fit(carbon[aside], said)
assert np.isclose(by_hand, intervals.thresholds_[evaluation.LEVELS.index(0.9)])
lower, upper = intervals.predict(predicted["network"])[
    :, :, evaluation.LEVELS.index(0.9)
].T
inside = (lower <= carbon[test]) & (carbon[test] <= upper)
print(
    f"{len(aside)} soils set aside; for nine of ten, c + {offset:.1f} g/kg is met to a factor of {np.exp(by_hand):.2f}"
)
print(
    f"live run: the 90 % interval holds the measured carbon of {inside.mean():.0%} of {len(test)} test soils"
)

# %% mystnb={"image": {"alt": "Two panels, carbon and organic matter: predicted over measured content of test soils of the recorded run on logarithmic axes, with 90 per cent intervals as vertical lines, blue where they hold the measured value and orange where they do not."}}
figure = figures.predicted_with_intervals(tables["shown"])

# %% mystnb={"image": {"alt": "Two panels, carbon and organic matter. Rows are MC-dropout, ensemble, both together, conformal and conformal by spread; marks show how many true values lie inside intervals at 68, 90 and 95 per cent, dashed lines what was asked for. Recorded run, sites never seen of known laboratories."}}
overall = tables["coverage"].query("by == 'all'")
figure = figures.coverage_by_method(overall)

# %%
at_90 = (
    tables["coverage"]
    .query("level == 0.9")
    .groupby(["target", "by", "method", "group"])
)
at_90 = at_90[["n_samples", "coverage", "median_width"]].mean().reset_index()
rows = []
for target, method in [
    (target, method)
    for target in figures.TARGET_NAMES
    for method in figures.METHOD_NAMES
]:
    part = at_90.query("target == @target and method == @method")
    apart = {
        by: part[(part["by"] == by) & (part["n_samples"] >= 20)]["coverage"]
        for by in ("laboratory", "depth")
    }
    spans = [
        f"{100 * own.min():.0f} to {100 * own.max():.0f}" if len(own) else "–"
        for own in apart.values()
    ]
    whole = part[part["by"] == "all"].iloc[0]
    rows.append(
        (
            figures.TARGET_NAMES[target],
            figures.METHOD_NAMES[method],
            100 * whole["coverage"],
            *spans,
            whole["median_width"],
        )
    )
heads = [
    "Content",
    "90 % interval by",
    "All (%)",
    "By laboratory (%)",
    "By depth (%)",
    "Median width (g/kg)",
]
formats = {"All (%)": "{:.0f}", "Median width (g/kg)": "{:.1f}"}
caption = "Coverage on sites never seen of known laboratories, recorded run"
figures.show_table(pd.DataFrame(rows, columns=heads), caption, formats)

# %% [markdown]
# Groups of fewer than 20 test soils are left out of the two columns of ranges. Mind what conformal intervals promise:
# coverage *on average* over soils like those set aside. In a single laboratory or at some depth it may be more or less,
# as the ranges show.
#
# ### A laboratory never seen
#
# The gaps that need filling lie in *other* laboratories, and their soils are not drawn like those set aside. So take
# laboratories out one by one, with their scans of the ring trial, fit to the others, and look (an x). Then
# change the question: how large are errors in a laboratory that the network has not seen? Each laboratory left out
# gives an answer; all of them count alike, and the threshold is taken from the *others* ([Dunn and others
# 2023](references.md)). These intervals (dots) promise something for a laboratory to come, if it is drawn like the
# known ones: with $k$ laboratories, coverage of $0.9\,k / (k + 1)$ at least, **on average over laboratories**.

# %% mystnb={"image": {"alt": "Two panels, carbon and organic matter, one row a laboratory left out: coverage of 90 per cent intervals calibrated on the known laboratories as orange crosses and of those made for new laboratories as blue dots, with dotted lines at their means and a dashed one at 90. Recorded run."}}
apart = tables["apart"]
figure = figures.coverage_left_out(apart)

# %%
for target, name in figures.TARGET_NAMES.items():
    own = apart[apart["target"] == target]
    promise = evaluation.pooled_promise(0.9, len(own) - 1)
    print(
        f"{name}, {len(own)} laboratories left out in turn; R² {own['r2'].min():.2f} to {own['r2'].max():.2f}"
    )
    for kind, words in (
        ("naive", "known laboratories' intervals"),
        ("promised", "intervals for new laboratories"),
    ):
        values, width = 100 * own[f"{kind}_90"], own[f"{kind}_width"].median()
        print(
            f"  {words}: {values.mean():.0f} % on average, least {values.min():.0f} %, width {width:.0f} g/kg"
        )
    kept = "kept" if own["promised_90"].mean() >= promise else "not kept"
    print(
        f"  promised on average, with {len(own) - 1} to calibrate: {100 * promise:.0f} %: {kept}"
    )

# %% [markdown]
# The promise that this kit makes is the last one, and only that: an average over laboratories. It is no theorem here,
# since the networks that calibrate are not the network in use; this test is what bears it out or does not. Whether a
# single new laboratory is among the bad ones no interval can know.
#
# ```{exercise-start}
# :label: ex-promise
# ```
# You ask for 90 % and want to be able to promise a new laboratory 88 % at least, on average. How many laboratories must
# be left out to calibrate?

# %%
answer_9_1 = None

# %% tags=["hide-input"]
teaching.check("9.1", answer_9_1, asked=0.9, promised=0.88)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-promise
# :class: dropdown
# ```

# %%
for k in (4, 8, 12, 44):
    print(f"{k} laboratories: {100 * evaluation.pooled_promise(0.9, k):.1f} %")

# %% [markdown]
# $0.9\,k = 0.88\,(k + 1)$ gives $k = 44$. For what is to come, laboratories are the sample, and not the 57,000 soils.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ### The flag
#
# Are predictions outside the domain worse? The network fitted to soils inside; test soils on either side:

# %%
flagged = tables["domain"].assign(
    target=tables["domain"]["target"].map(figures.TARGET_NAMES)
)
flagged = flagged[["target", "where", "n", "rmse", "r2_log", "rmse_log"]]
heads = [
    "Content",
    "Domain",
    "Soils",
    "RMSE (g/kg)",
    "R² of log10",
    "RMSE of log10",
]
formats = {
    "RMSE (g/kg)": "{:.1f}",
    "R² of log10": "{:.2f}",
    "RMSE of log10": "{:.3f}",
}
figures.show_table(
    flagged.set_axis(heads, axis=1),
    "Test soils inside and outside the domain, recorded run",
    formats,
)

# %% [markdown]
# ## The gaps filled
#
# Now every sample gets a value. What was measured stays as it was; the rest is imputed, with its **origin**, its
# intervals, the deviation between the networks, and a flag. One row a sample, Parquet, with a datasheet: this is the
# **hybrid data set** (`spectrakit replicate mir` writes it). Where are values now that were none before?

# %% mystnb={"image": {"alt": "Two maps of the world without coastlines, dots for cells of one degree coloured by the number of samples. Above, organic matter measured, in a few patches; below, measured or imputed, with North America and further patches on all continents filled."}}
figure = figures.coverage_map(tables["space_om"], "om")

# %% mystnb={"image": {"alt": "Bars by depth, carbon left and organic matter right: samples that reach each layer of 10 cm down to two metres, light for all and dark for those with the content measured. Carbon is measured nearly everywhere; organic matter is measured in few samples, most of them in the uppermost layers."}}
figure = figures.coverage_profile(
    {target: tables[f"depth_{target}"] for target in figures.TARGET_NAMES}
)

# %%
for target, name in figures.TARGET_NAMES.items():
    gains, counts = about["gains"][target], about["targets"][target]
    print(
        f"{name}: {counts['imputed']:,} imputed beside {counts['measured']:,} measured"
    )
    print(
        f"  cells of one degree with a value: {gains['space']:+.0f} %, with layers of 10 cm: {gains['depth']:+.0f} %"
    )

# %% [markdown]
# Of carbon a tenth of the library is filled, of organic matter nine tenths, and here lies the catch. Organic matter was
# measured in a few laboratories, much of it in topsoils. Everything else is **extrapolated**: to other laboratories,
# other depths, other soils. Of a real library nobody knows how well that goes. Of a simulated one we do.
#
# ### Imputed values beside the truth

# %%
truth, covered = tables["truth"], tables["truth_coverage"].query("level == 0.9")
keys = ["target", "by", "group"]
beside = truth.merge(
    covered[[*keys, "coverage", "median_width"]], on=keys
).query("by != 'depth'")
beside = beside.sort_values(
    ["target", "by", "n"], ascending=[True, True, False]
)
beside["target"] = beside["target"].map(figures.TARGET_NAMES)
heads = {
    "target": "Content",
    "group": "Laboratory",
    "n": "Imputed",
    "r2": "R²",
    "rmse": "RMSE",
    "bias": "Bias",
}
heads |= {
    "r2_log": "R² of log10",
    "coverage": "Inside 90 %",
    "median_width": "Width",
}
formats = dict.fromkeys(["R²", "R² of log10"], "{:.2f}") | dict.fromkeys(
    ["RMSE", "Bias", "Width"], "{:.1f}"
)
formats |= {"Imputed": "{:,}", "Inside 90 %": "{:.0%}"}
figures.show_table(
    beside[list(heads)].rename(columns=heads),
    "Imputed values against the truth, recorded run; g/kg, median width of the 90 % intervals",
    formats,
)

# %%
network = (
    tables["scores"]
    .query("model == 'network' and by == 'all'")
    .groupby("target")
    .mean(numeric_only=True)
)
imputed = truth.query("by == 'all'").set_index("target")
for target, name in figures.TARGET_NAMES.items():
    ratio, logs = (
        imputed["rmse"][target] / network["rmse"][target],
        (imputed["rmse_log"] / network["rmse_log"])[target],
    )
    print(
        f"{name}: RMSE of imputed values over that of the test soils {ratio:.2f}, of log10 {logs:.2f}"
    )
    more = "larger" if logs > 1 else "no larger"
    print(
        f"  so the relative error of what is imputed is {more} than the test on known laboratories said"
    )

# %% [markdown]
# ### What is a prediction SD?
#
# The abstract gives a 'prediction SD' for each content: 40.08 g/kg for carbon, 10.06 for organic matter. It could be the
# **spread of the imputed values** over the samples, or the **mean uncertainty of a sample**. The first says how varied
# the filled soils are, the second how unsure the model is. Ours, both readings:

# %%
rows = []
for target, name in figures.TARGET_NAMES.items():
    readings = [
        recorded["results"][f"prediction_sd.{target}.{kind}"]["value"]
        for kind in ("imputed", "per_sample")
    ]
    rows.append(
        (
            name,
            published[f"prediction_sd.{target}.imputed"]["value"],
            *readings,
            imputed["rmse"][target],
        )
    )
heads = [
    "Content (g/kg)",
    "Published",
    "Spread of imputed values",
    "Mean deviation of networks",
    "RMSE of imputed",
]
figures.show_table(
    pd.DataFrame(rows, columns=heads),
    "Prediction SD in two readings",
    dict.fromkeys(heads[1:], "{:.1f}"),
)

# %% [markdown]
# The [ledger](10_ledger_mir.ipynb) shows that neither reading fits both of the published figures. Compare the last two
# columns: a deviation between networks that lies far below the error is no error estimate.
#
# ### Which of them would you accept?
#
# Not every gap need be filled. A rule might say: no value whose 90 % interval is wider than so much. **What does a
# stricter rule buy, and what does it cost?** Choose the content and move the threshold.

# %%
widgets.accept_or_refuse(tables["acceptance"], figures.TARGET_NAMES)

# %% [markdown]
# ```{exercise-start}
# :label: ex-width
# ```
# Such an interval reaches from $(p + a)\,\mathrm{e}^{-t} - a$ to $(p + a)\,\mathrm{e}^{t} - a$ around a prediction $p$.
# How wide is it for $p = 20$ g/kg, with $a = 1.5$ g/kg and $t = 0.5$? And for $p = 200$?

# %%
answer_9_2 = (None, None)  # g/kg, for 20 g/kg

# %% tags=["hide-input"]
teaching.check("9.2", answer_9_2, offset=1.5, half_width=0.5, low=20, high=200)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-width
# :class: dropdown
# ```
# $21.5 \cdot (\mathrm{e}^{0.5} - \mathrm{e}^{-0.5}) = 22.4$ g/kg; for 200 it is 210 g/kg. The width goes with the
# prediction and with nothing else. So a threshold in g/kg does not refuse *doubtful* values, it refuses *high* ones: a
# library filled by such a rule has lost its carbon-rich soils, and its mean is too low.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# So if the error falls as the rule gets stricter, this may be all there is to it: what is left are soils with little to
# be wrong about. Look at the coverage, too: 90 % was asked for all values together, and nobody promised it for those
# that a rule picks. A threshold has to be thought of from the use. For a carbon stock the high values matter most, and to
# leave them out is worse than to keep them with their intervals.
#
# ## What one may conclude, and what not
#
# - **About scores**: $R^2$ of a library with a few peats in it speaks of the peats. Ask for the error by class, by
#   laboratory, by depth, and on both scales.
# - **About harmonisation**: alike is not yet better. What counts is the error on laboratories left out, each by itself.
# - **About networks**: whether they beat PLS stands in the tables above; the paper compares them with nothing.
# - **About error estimates**: an interval without a tested coverage is a decoration, and one tested on known
#   laboratories says little of the next.
# - **What we cannot say**: how any of this is in the study's own library. Our laboratories differ as we made them
#   differ, and soils of real laboratories differ in more ways than that.
#
# ## Where we differ from the paper, and why
#
# - **Everything is simulated**, and of the method the abstract says little: network, splits, harmonisation and error
#   estimates are ours.
# - **Sites are never divided** between fitting and testing, and laboratories are left out whole. What the paper did is
#   not said; scores on samples of known sites would be higher.
# - **Contents**: total carbon by combustion and organic matter by loss on ignition. The paper does not say which carbon.
# - **Limits** are built into the network. The abstract lists them under the preprocessing of spectra.
#
# ## On your own library
#
# Two commands do what this chapter did:
#
#     spectrakit harmonise LAB1.csv LAB2.csv ... --target soc_pct --signal percent-reflectance
#     spectrakit impute LIBRARY --property c_g_kg -o hybrid.parquet
#
# The first leaves each laboratory out in turn and prints what helps and what hurts. The second fits to what is measured
# and fills the rest: PLS by default, `--model network` for the networks of this chapter. Both know a third model,
# `pretrained`, for whoever has few laboratories: a ridge regression on what convolutions make of a spectrum that have
# practised just this, to learn from some simulated laboratories and predict another (`data/models/README.md` says how).
# A library is a plain spectral table, a table in the layout of the [Open Soil Spectral Library](references.md), or a
# folder of Parquet files larger than the memory; `spectrakit convert` makes a table of instruments' files (OPUS,
# JCAMP-DX). A run that was stopped goes on where it was, and `--scheduler ADDRESS` hands the work to a Dask cluster.
#
# What came of the first command on three **measured** laboratories (285 soils, organic carbon) is recorded. These
# laboratories differ in their soils as well as in their instruments, and have no ring trial of their own.

# %% mystnb={"image": {"alt": "RMSE of log10 organic carbon on each of the measured laboratories left out, one row a model and harmonisation, a mark a laboratory, recorded."}}
path = resources.data_path("recorded", "harmonise-mir.csv")
measured = pd.read_csv(path, comment="#")
figure = figures.error_by_laboratory(measured[measured["model"] != "mean"])
print(path.read_text().splitlines()[0].strip("# ").replace(" --", "\n  --"))

# %%
heads = {
    "model": "Model",
    "harmonisation": "Harmonisation",
    "r2": "R²",
    "rmse": "RMSE",
}
heads |= {
    "coverage_90": "In the 90 % interval",
    "width_90": "Width",
    "outside": "Outside the domain",
}
formats = dict.fromkeys(["R²", "Width"], "{:.2f}") | {"RMSE": "{:.3f}"}
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
mean_scores(once, "log10 of organic carbon, three measured laboratories")


# %%
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
    "PLS, its best harmonisation",
    "Covered, pretrained",
    "Covered, PLS",
]
rows = {name: beside_pls(part) for name, part in measured.groupby("laboratory")}
table = (
    pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    .rename_axis("Laboratory left out")
    .reset_index()
)
won = (table[columns[0]] < table[columns[2]]).sum()
print(
    f"pretrained, without harmonisation, below PLS with its best: {won} of {len(table)} laboratories"
)
print(
    "90 % intervals cover on average: "
    + ", ".join(f"{name[9:]} {table[name].mean():.0%}" for name in columns[3:])
)
formats = dict.fromkeys(columns[:3], "{:.3f}") | dict.fromkeys(
    columns[3:], "{:.0%}"
)
figures.show_table(
    table, "Without harmonisation unless said; log10 of organic carbon", formats
)

# %% [markdown]
# 'Its best' is chosen by looking at the answer, which nobody could do beforehand; the pretrained network is spared the
# choice. The intervals of PLS were calibrated on known laboratories, and their coverage puts to the test what was said
# above of such intervals. Those of the pretrained network are wider by what errors grew by on simulated laboratories
# never seen; that this suffices for measured ones, three laboratories cannot prove. If `SPECTRAKIT_DATA` names a folder that holds a folder `mir` of such tables, the next cells leave out
# each of *your* laboratories, with two harmonisations.


# %%
def own_laboratories(folder):
    """The tables of a folder's folder `mir`, in 1/cm and per cent of reflectance, as one dataset; None for none."""
    if not (folder / "mir").is_dir():
        return None
    try:
        dataset, notes = harmonise.read_laboratories(
            [folder / "mir"], "cm-1", "percent-reflectance"
        )
    except ValueError as reason:
        dataset, notes = None, [f"not used: {reason}"]
    print(*notes, sep="\n")
    return dataset


folder = resources.measured_folder()
own = None if folder is None else own_laboratories(folder)

# %%
if own is None:
    print(
        "no mid-infrared tables in SPECTRAKIT_DATA: the recorded ones above stand for them"
    )
else:
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
    print(f"{own.provenance_line()}; log10 of {target}")
None if own is None else mean_scores(found, "Your laboratories")

# %% [markdown]
# ## Summary
#
# A mid-infrared spectrum shows the fundamental vibrations of what a soil is made of, and the laboratory that took it.
# Normalisation takes gain and offset away, a ring trial much of the rest; whether a prediction gains by it may differ
# from laboratory to laboratory and has to be tested by leaving each out. Limits belong into the form of a model. An error
# estimate is worth what its coverage on unseen laboratories is worth, and with a few laboratories that is a modest
# promise. A filled gap is a prediction with an interval, and a rule that accepts narrow intervals accepts poor soils.
# The [ledger](10_ledger_mir.ipynb) sets every number of the study beside ours.
