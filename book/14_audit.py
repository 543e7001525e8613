# %% [markdown]
# # Audit of the three papers
#
# A paper can be checked before anything is rebuilt: do its numbers fit each other? This page takes the ten findings of that
# kind that matter most, each with its arithmetic. They need no spectrum, simulated or measured: every figure is computed
# from published numbers alone, and a test holds it. Each may have a simple explanation that only the authors know. The
# ledgers list all checks, also those that turned out well.
#
# **Time**: about 10 minutes. **You need**: nothing but the wish to read papers closely.

# %% tags=["hide-input"]
from IPython.display import Markdown

from spectrakit import ledger, teaching

found = {
    study: ledger.inconsistencies_frame(study)
    for study in ("libs", "gejiu", "mir")
}


def findings(study, names):
    """Some findings of a study as Markdown, each with its arithmetic and where in the paper it stands."""
    rows = found[study].loc[names]
    return Markdown(
        "\n\n".join(
            f"**{row.title}.** {row.text} *({row.where})*"
            for row in rows.itertuples()
        )
    )


standings = {
    study: frame["standing"].value_counts() for study, frame in found.items()
}
teaching.sentence(
    "Among {n} checks {contradictions} are contradictions: {libs} of the LIBS paper, {gejiu} of the paper on lead and {mir} of the abstract on "
    "the library. {unclear} are questions that a reader would have to ask, and {fits} came out well.",
    n=sum(map(len, found.values())),
    contradictions=sum(
        int(counts.get("contradiction", 0)) for counts in standings.values()
    ),
    libs=int(standings["libs"].get("contradiction", 0)),
    gejiu=int(standings["gejiu"].get("contradiction", 0)),
    mir=int(standings["mir"].get("contradiction", 0)),
    unclear=sum(int(counts.get("unclear", 0)) for counts in standings.values()),
    fits=sum(int(counts.get("fits", 0)) for counts in standings.values()),
)

# %% [markdown]
# ## Calcium, magnesium and sodium from LIBS
#
# Accuracy in per cent, limits of detection and repeatability cannot all hold; and a measure of over-fitting has the wrong
# sign.

# %% tags=["hide-input"]
findings(
    "libs",
    [
        "error_range_high",
        "detection_beside_rsd",
        "folds_of_twelve",
        "gap_sign",
        "resonance_lines",
    ],
)

# %% [markdown]
# ## From pH to lead
#
# The main comparison is one with weak baselines, one row does not fit its own scores, and wavelengths are named more sharply
# than the network can see.

# %% tags=["hide-input"]
findings("gejiu", ["pooling_windows", "boxcox_row", "literature_range"])

# %% [markdown]
# ## A global library
#
# Of an abstract one can ask only what its numbers say of each other. They say that a few organic soils make the scores, and
# that most of what was filled lies beyond what was learned.

# %% tags=["hide-input"]
findings("mir", ["r2_beside_rpiq", "extrapolation"])

# %% [markdown]
# ## What to take along
#
# Divide the RMSE by the content and see whether the percentage can be true. Turn a limit of detection into a scatter and put
# it beside the repeatability. Count the samples in a fold. Ask what the first layer of a network averages before you
# believe a wavelength. Compute the standard deviation that $R^2$ and RMSE imply, and see whether all rows imply the same.
# Each takes a minute, and no data.
#
# The ledgers: [LIBS](11_ledger_libs.ipynb), [lead](12_ledger_gejiu.ipynb), [library](13_ledger_mir.ipynb).
