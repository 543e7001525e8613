# %% [markdown]
# # SpectraKit
#
# Deep networks read soils from spectra, and papers report numbers that look very good. This book runs three such studies
# again, each claim with a verdict: for soil spectroscopists who want to learn deep learning, and when to believe it.

# %% tags=["remove-input"]
import matplotlib.pyplot as plt
import pandas as pd

from spectrakit import ledger, teaching
from spectrakit.teaching import figures

figures.book_style()
STUDIES = {
    "libs": "LIBS: Ca, Mg, Na",
    "gejiu": "From pH to lead",
    "mir": "Global library",
}
VERDICTS = ["agrees", "same direction", "differs", "cannot be assessed"]
counts = pd.DataFrame(
    {
        name: ledger.ledger_frame(study)["verdict"].value_counts()
        for study, name in STUDIES.items()
    }
)
counts = counts.reindex(VERDICTS).fillna(0).astype(int).T
published = {
    study: ledger.load_published(study)["entries"] for study in STUDIES
}
records = {study: ledger.load_results(study) for study in STUDIES}

# %% mystnb={"image": {"alt": "Three horizontal bars over the number of claims, one bar a study, cut into how many of its claims got which verdict in the rebuild: agrees, same direction, differs, cannot be assessed; the larger parts carry their number."}} tags=["remove-input"]
figure, axes = figures.panels(height=1.6)
left = pd.Series(0, counts.index)
for verdict in VERDICTS:
    fill, ink = figures.VERDICT_COLOURS[verdict]
    axes.barh(
        counts.index,
        counts[verdict],
        left=left,
        color=fill,
        edgecolor=ink,
        label=verdict,
    )
    for place, (start, n) in enumerate(zip(left, counts[verdict], strict=True)):
        if n >= 5:
            axes.text(
                start + n / 2,
                place,
                str(n),
                ha="center",
                va="center",
                color=ink,
                fontsize=10,
            )
    left = left + counts[verdict]
axes.invert_yaxis()
axes.set(xlabel="Claims of the paper, by the verdict of our rebuild")
axes.spines["left"].set_visible(False)
axes.tick_params(axis="y", length=0)
legend = figure.legend(loc="outside upper right", ncols=4)
plt.show()

# %% tags=["remove-input"]
libs, gejiu, mir = (records[study]["results"] for study in STUDIES)
r2 = [
    (libs[key]["value"], entry["value"])
    for key, entry in published["libs"].items()
    if key.count(".") == 2 and key.startswith("r2.") and key in libs
]
lines = ledger.ledger_frame("libs", kinds=("line",))["verdict"].value_counts()
scores = (
    pd.DataFrame(records["gejiu"]["extras"]["scores"])
    .query("scale == 'log'")
    .groupby("model")["r2"]
    .mean()
)
content = (
    pd.DataFrame(records["mir"]["extras"]["scores"])
    .query("by == 'all' and model == 'network'")
    .groupby("target")["r2"]
    .mean()
)
naive = pd.DataFrame(records["mir"]["extras"]["apart"])["naive_90"]
teaching.sentence(
    "1. **Calcium, magnesium and sodium from LIBS spectra, by a 1D-CNN with Grad-CAM** ([chapters 1](01_libs_experiment.ipynb) to "
    "[4](04_grad_cam.ipynb)). The network reaches an $R^2$ of {low:.2f} to {high:.2f} where the paper has {paper_low:.2f} to {paper_high:.2f}; "
    "of the {n_lines} lines that it names in its maps {no_line} do not exist or cannot be seen.\n"
    "2. **Soil pH from LUCAS by a 1D-ResNet, carried over to lead in mining soils, with SHAP** ([chapters 5](05_lucas_pretraining.ipynb) to "
    "[7](07_shap_audit.ipynb)). The transfer gains {gain:+.3f}, the paper reports {paper_gain:+.2f}; an SVM without any transfer is {svm} "
    "({svm_r2:.2f} against {transferred:.2f}).\n"
    "3. **A global mid-infrared library, harmonised, its carbon and organic matter imputed** ([chapters 8](08_laboratories.ipynb) and "
    "[9](09_gaps_filled.ipynb)). Scores come out as published ($R^2$ {c:.2f} for carbon, paper {c_paper:.2f}); but on a laboratory never seen a "
    "90 % interval holds {naive:.0%} of the values on average.",
    n_lines=int(lines.sum()),
    no_line=int(lines["differs"]),
    low=min(ours for ours, _ in r2),
    high=max(ours for ours, _ in r2),
    paper_low=min(paper for _, paper in r2),
    paper_high=max(paper for _, paper in r2),
    gain=scores["resnet_ph_pb"] - scores["resnet_pb"],
    paper_gain=published["gejiu"]["difference.resnet_ph_pb.resnet_pb"]["value"],
    svm=teaching.claim(
        scores["svm_pb"], scores["resnet_ph_pb"], "behind", "level", "ahead"
    ),
    svm_r2=scores["svm_pb"],
    transferred=scores["resnet_ph_pb"],
    c=content["c"],
    c_paper=published["mir"]["r2.c"]["value"],
    naive=naive.mean(),
)

# %% [markdown]
# **Read**: begin with [chapter 1](01_libs_experiment.ipynb) or [the audit](14_audit.ipynb). **Run**: `make lab`, or
# [your own spectra](10_on_your_own_spectra.ipynb). **Teach**: `make student` and the
# [guide for lecturers](lecturers_guide.md). The spectra of the studies are not public: **ours are simulated** from physics,
# tuned to what the papers say of their inputs ([how](how_to_use.md#where-the-spectra-come-from)).
#
# Code: BSD 3-Clause; text and figures: CC BY 4.0. To cite: *SpectraKit: soil spectroscopy with deep learning, rebuilt and
# audited*, The SpectraKit authors, 2026.
