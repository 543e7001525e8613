# %% [markdown]
# # The ledger: a mid-infrared library
#
# Chapters 8 and 9 rebuilt a study of which an abstract is all that was at hand. This page is the account of it: every number
# and ordering that the abstract reports, what our rebuild found in its place, and whether the two agree. Most of it is
# about what the abstract leaves open, and about what its numbers say when they are held against each other.
#
# **What you will learn**
#
# - which claims of the study our rebuild supports, which it does not, and which nobody could test from the abstract
# - which of our inputs were taken from its results, so that some verdicts are no test
# - how much a dozen published numbers give away
#
# **Time**: about 15 minutes. **You need**: [chapter 8](08_laboratories.ipynb) and [chapter 9](09_gaps_filled.ipynb), or the patience to look back.
# The rules of a verdict are explained in [the first ledger](11_ledger_libs.ipynb#how-a-verdict-is-reached).

# %% tags=["hide-input"]
import pandas as pd

from spectrakit import ledger, teaching
from spectrakit.teaching import figures

record, published = ledger.load_results("mir"), ledger.load_published("mir")
entries = published["entries"]
kinds = {
    "input": "Inputs",
    "setting": "Settings",
    "result": "Results",
    "ordering": "Orderings",
}
judged = ledger.ledger_frame("mir", record["results"], tuple(kinds))
kind = judged["kind"].map(kinds)

# %% tags=["hide-input"]
claims = judged[judged["kind"].isin(["result", "ordering"])]
counts = claims["verdict"].value_counts()
r2 = {
    target: (
        entries[f"r2.{target}"]["value"],
        record["results"][f"r2.{target}"]["value"],
    )
    for target in ("c", "om")
}
silent = sum("value" not in entry for entry in entries.values())
teaching.sentence(
    "**The verdict.** Of {n} results and orderings {agrees} agree with our rebuild, {same} point in the same direction, {differs} differ, and "
    "{open} cannot be assessed. The scores of accuracy {out}: $R^2$ of carbon {c:.2f} (published {c_paper:.2f}), of organic matter {om:.2f} "
    "({om_paper:.2f}). Of {n_entries} entries {silent} are things that the abstract does not say, and that one would have to know to believe its scores "
    "or to doubt them.",
    n=len(claims),
    agrees=int(counts.get("agrees", 0)),
    same=int(counts.get("same direction", 0)),
    differs=int(counts.get("differs", 0)),
    open=int(counts.get("cannot be assessed", 0)),
    out=teaching.claim(
        max(abs(ours - paper) for paper, ours in r2.values()),
        0.1,
        below="come out",
        above="do not come out",
    ),
    c=r2["c"][1],
    c_paper=r2["c"][0],
    om=r2["om"][1],
    om_paper=r2["om"][0],
    silent=silent,
    n_entries=len(entries),
)

# %% [markdown]
# ## Where our numbers come from
#
# Our side is a recorded run. Soils, spectra and laboratories are **simulated**. You can make a run of the paper's size
# with `spectrakit replicate mir --profile paper`.

# %% tags=["hide-input"]
config = record["provenance"]["config"]
profile, library = config["profile"], config["library"]
teaching.sentence(
    "It was made {how_made}: {n:,} soils of {n_sites:,} sites, {n_laboratories} laboratories, "
    "{n_rounds} splits by site, harmonised by `{harmonised_by}`. The record was {verified}.",
    verified=ledger.last_verified("mir"),
    how_made=ledger.how_made(record),
    n=library["n"],
    n_sites=library["n_sites"],
    n_laboratories=library["n_laboratories"],
    n_rounds=profile["n_rounds"],
    harmonised_by=config["harmonised_by"],
)

# %% [markdown]
# **Which verdicts are a test?** The counts were put in. So was the *spread* of both contents, and it came from results:
# RMSE and $R^2$ imply a standard deviation, RPIQ and RMSE an interquartile range, and our soils were drawn to have
# both. Hence RMSE and RPIQ follow from $R^2$, here as there, but for the share of organic soils among those that test.
# An $R^2$, an RMSE and an RPIQ that agree are **one** agreement. MAE is a second, since it says how unequal the errors
# are. No model was looked at when the simulator was made, and nothing was tuned to a score.

# %% tags=["hide-input"]
counts = ledger.verdict_counts(kind, judged["verdict"]).rename_axis("Claims")
counts.columns = [str(name).capitalize() for name in counts.columns]
figures.show_table(counts.reset_index(), "How many claims got which verdict")

# %% tags=["hide-input"]
implied = published["inconsistencies"]["implied_spread"]["figures"]
rows = []
for target, name in (("c", "carbon"), ("om", "organic matter")):
    ours = library["targets"][target]
    rows += [
        (f"{name}, standard deviation", implied[f"{target}_sd"], ours["sd"])
    ]
    rows += [
        (f"{name}, interquartile range", implied[f"{target}_iqr"], ours["iqr"])
    ]
heads = [
    "Spread of measured contents (g/kg)",
    "Implied by results",
    "Recorded library",
]
formats = dict.fromkeys(heads[1:], "{:.1f}")
figures.show_table(
    pd.DataFrame(rows, columns=heads),
    "Inputs of ours that came from results",
    formats,
)

# %% [markdown]
# ## Results
#
# Ours are means over the splits, on sites of which nothing was fitted. The abstract gives no deviations, so a verdict
# allows for a tenth of an error or RPIQ, and for $R^2$ for what a tenth of the RMSE makes of it. What cannot be assessed
# stands with the reason, and our number beside it where we have one.


# %% tags=["hide-input"]
results = judged[kind == "Results"]
open_ones = results["verdict"] == "cannot be assessed"
figures.ledger_table(results[~open_ones], "Results that can be judged")

# %% tags=["hide-input"]
figures.ledger_table(
    results[open_ones],
    "Results that cannot be assessed, with ours where there is one",
)

# %% [markdown]
# ## Orderings
#
# Each number is the share of splits in which the claim holds; for harmonisation, the share of laboratories, each left
# out in its turn, on which PLS errs less with the study's harmonisation than without.

# %% tags=["hide-input"]
figures.ledger_table(judged[kind == "Orderings"], "Claimed orderings")

# %% [markdown]
# ## Inputs and settings
#
# That these agree shows that the rebuild was built as announced, and no more. The others are what a reader would have
# to ask the authors.

# %% tags=["hide-input"]
taken = judged[kind.isin(["Inputs", "Settings"])]
unstated = taken["verdict"] == "cannot be assessed"
wide = ["Claim", "Published", "Ours"]
figures.ledger_table(
    taken[~unstated],
    "What the abstract says of samples, spectra and models",
    wide,
)

# %% tags=["hide-input"]
shown = taken[unstated].assign(
    claim=lambda rows: (rows["element"] + " " + rows["what"]).str.strip()
)
shown = shown[["claim", "why", "ours"]].set_axis(
    ["What", "Why it cannot be assessed", "Ours"], axis=1
)
figures.show_table(shown, "What it leaves open", wide=["What"])

# %% [markdown]
# ## The paper against itself
#
# These checks need no rebuild and no spectrum. Each figure in the texts is computed from the published numbers alone,
# and a test holds it. A *contradiction* would be two statements that cannot both hold as printed. *Unclear* is what a
# reader would have to ask. What was checked and *fits* is listed too: it tells what the numbers mean.


# %% tags=["hide-input"]
figures.findings_table("mir", "fits", "Checked, and found to fit")

# %% tags=["hide-input"]
figures.findings_table("mir", "unclear", "Unclear")

# %% [markdown]
# ## What this rebuild can say, and what it cannot
#
# **It can say** what networks, PLS, harmonisations and intervals do with a library about which everything is known: one
# of the published counts and the implied spread of contents, with laboratories that differ by faults of known kinds and
# by their soils. A claim about the *method* that does not hold here is no general property of it.
#
# **It cannot say** that the published scores are wrong, or right. The faults of our laboratories are orders of
# magnitude, our organic matter is a mixture of six groups, and real soils hold more than twenty constituents. How the
# scores of the abstract were validated is not said; scores on samples of known sites tend to be higher.
#
# **What would settle it**: the number of laboratories and which samples are whose, the splits, errors by class of
# content and by laboratory, and how often a measured value lay inside its error estimate.
#
# ## Summary
#
# The counts at the top of this page are the short version. Of three scores of accuracy one is a test. The checks of
# the paper against itself show that a few organic soils make its spread, so that $R^2$ and RPIQ say little of the
# others, and that 'prediction SD' has no reading which fits both contents. You can print this ledger with
# `spectrakit ledger mir --full`, or judge a run of your own with `spectrakit ledger mir --results FILE`.
