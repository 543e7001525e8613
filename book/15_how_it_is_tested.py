# %% [markdown]
# # How it is tested
#
# A result that is silently wrong is the worst fault that software for measurements can have. This page says what was
# done to find such faults in the kit itself, and what came of it: the files that people really have, files that are
# broken, runs that are killed, and bytes changed at random. Every number below comes from a record of the script that
# measured it.
#
# **What you will learn**
#
# - which of your files the kit reads, which it refuses, and what it says of them
# - what happens to a long run when the machine goes down
# - how to try all of this yourself
#
# **Time**: about 5 minutes. **You need**: nothing but a file of your own, if you want to try it.

# %% tags=["hide-input"]
import json

import pandas as pd

from spectrakit import resources, teaching
from spectrakit.teaching import figures

tested = {
    name: json.loads(
        resources.data_path("recorded", "tested", f"{name}.json").read_text(
            encoding="utf-8"
        )
    )
    for name in ("input", "stops", "same", "builds", "fuzz", "site", "grading")
}
given = {name: record["figures"] for name, record in tested.items()}

# %% [markdown]
# ## Are files read as their owners mean them?
#
# Public bug reports of this field show what tables of spectra look like in practice: a `-9999` where nothing was
# measured, semicolons and decimal commas, wavelengths down the first column, per cent declared as fractions. Each such
# *kind* has a small file, and for each the right answer was written down before it was tried: read, read with a note, or
# refused in one line that says what to do.

# %% tags=["hide-input"]
cases, corpus = given["input"]["cases"], given["input"]["corpus"]
teaching.sentence(
    f"{cases['right']} of {cases['files']} files of the kinds that users have get the right answer, and so do "
    f"{corpus['right']} of {corpus['files']} broken ones: cut short, empty, doubled, not numbers, or not tables at all."
)

# %% [markdown]
# What the kit does with a value that cannot be: a code such as `-9999`, a pH of 0 or carbon of 150 % is read as *not
# measured*, and the command says in which rows. It is never fitted to, scored, or written as `measured`. Where more than
# one value in twenty is impossible, the unit is wrong, and the table is refused.
#
# Try it on a table of your own; nothing is written:
#
#     spectrakit check my_soils.csv --axis nm --signal reflectance
#
# Files of instruments become a table first, with `spectrakit convert FOLDER -o TABLE`.
#
# ## Does a run that was killed go on to the same result?
#
# Each command in the table below ran once in peace. Then it was killed (SIGKILL, which no program can catch) at moments
# drawn at random over its run, and started again in the same folder. A kill counts as survived where the second start
# ends with the same result, byte for byte but for times, and leaves nothing else behind. (`replicate` is the LIBS study in
# its quick profile.)

# %% tags=["hide-input"]
stops = pd.DataFrame.from_dict(given["stops"], orient="index")
teaching.sentence(
    f"{stops['survived'].sum()} of {stops['kills'].sum()} kills were survived."
)

# %% tags=["hide-input"]
heads = {"kills": "Kills", "survived": "Survived"}
shown = (
    stops[list(heads)]
    .rename(columns=heads)
    .rename_axis("Command")
    .reset_index()
)
figures.show_table(shown, "Runs killed at random moments, recorded")

# %% [markdown]
# A disk without room and a folder that may not be written are tested as well: one line names the file, earlier results stay
# whole, and the run goes on from its kept parts once there is room.
#
# ## Do others get the same numbers?
#
# Spectra of each simulator, predictions of each kind of model, SHAP values and parts of two studies are computed a second
# time: in another process, with two threads, and with the oldest versions of the libraries that the kit allows.

# %% tags=["hide-input"]
same = {way: max(each.values()) for way, each in given["same"].items()}
oldest = next(way for way in same if "numpy" in way)
teaching.sentence(
    "A second process gives {second} for all {n} quantities. With two threads the largest difference is {threads:.0e} of "
    "the largest value, with the oldest libraries ({oldest}) {other:.0e}.",
    second=teaching.claim(same["a second process"], 0, same="the same bits"),
    n=len(given["same"][oldest]),
    threads=same["two threads"],
    oldest=oldest,
    other=same[oldest],
)

# %% [markdown]
# ## Does the book's own pipeline end clean?

# %% tags=["hide-input"]
builds = given["builds"]
teaching.sentence(
    "A small book was built {builds} times in a row; its folder grew by {bytes} bytes, the memory of a build by {memory} MB, and "
    "{left} temporary files and processes were left. "
    "Of {interruptions} builds that were interrupted at random moments {clean} ended clean on the next call.",
    builds=builds["builds"],
    bytes=builds["growth"]["bytes"],
    memory=builds["growth"]["megabytes"],
    left=builds["growth"]["temporary"] + builds["growth"]["processes"],
    interruptions=builds["interruptions"],
    clean=builds["clean"],
)

# %% [markdown]
# ## Can everybody read the pages?
#
# Each page is opened in a browser, light and dark, with all that is folded open. All rules of axe are tried, a tool that
# finds what shuts out people who listen to a page or use its keyboard. A page may ask nothing of the network, and may not
# be wider than a telephone.

# %% tags=["hide-input"]
pages = pd.DataFrame.from_dict(given["site"], orient="index")
heaviest = pages.groupby("widget")["megabytes"].max()
teaching.sentence(
    "On {clean} of {n} pages nothing was found. The heaviest page with a widget loads {with_widget:.1f} MB, the heaviest without one "
    "{without:.1f} MB.",
    clean=int((pages["faults"].str.len() == 0).sum()),
    n=len(pages),
    with_widget=heaviest[True],
    without=heaviest[False],
)

# %% [markdown]
# ## Does a hostile notebook cost only itself?
#
# `make grade` runs the notebooks of a class, each in a sandbox. Some of the class below hang, crash, delete files, print
# 100 MB, ask the network, or tell the student that all is right.

# %% tags=["hide-input"]
grading = given["grading"]
teaching.sentence(
    f"{grading['right']} of {grading['submissions']} notebooks, {grading['hostile']} of them hostile, got the points that their "
    f"answers deserve, in {grading['seconds'] / 60:.0f} minutes on a busy machine."
)

# %% [markdown]
# ## Can bytes make a reader fail?
#
# Sound and broken files were changed at random: bytes, cells and lines replaced, cut out, repeated, or put together of
# two files. A file that reached a branch of the readers which none before had reached was changed further. A reader may
# refuse a file in one line that names it; anything else, or more than ten seconds, is a fault.

# %% tags=["hide-input"]
fuzz = given["fuzz"]
teaching.sentence(
    f"{fuzz['executions']:,} times one of {fuzz['readers']} readers was given a changed file, and {fuzz['kept']:,} files "
    f"reached new branches; {fuzz['faults'] or 'no'} {'kind' if fuzz['faults'] == 1 else 'kinds'} of fault remained."
)

# %% [markdown]
# What runs before this one found is mended, each with a test. Bytes alone do not reach all of a reader: folders, options
# and large tables are left to the unit tests.

# %% tags=["hide-input"]
by_fuzzing, by_tests = (fuzz["branches"][side] for side in ("fuzzing", "tests"))
rows = [
    (
        name.removesuffix(".py"),
        every,
        f"{some / every:.0%}",
        f"{by_tests[name][0] / every:.0%}",
    )
    for name, (some, every) in by_fuzzing.items()
]
names = ["Module", "Branches", "Reached by fuzzing", "Reached by unit tests"]
figures.show_table(
    pd.DataFrame(rows, columns=names), "Branches of the readers, recorded"
)

# %% [markdown]
# ## Where these numbers come from
#
# The scripts lie in `benchmarks/` and run without arguments: `tested_input.py`, `stopped_runs.py`, `same_numbers.py`
# (with `--python` of another environment), `interrupted_builds.py`,
# `site_in_browser.py` (after `make book`), `grading.py` and `fuzz_readers.py`. With `--output` they write the records that this page reads, in `data/recorded/tested`. Short forms
# run in `make test`. When a record of a study was last computed again stands on its ledger
# (`spectrakit ledger libs --verify`). What the kit does for the safety of your machine stands in `SECURITY.md`.

# %% tags=["hide-input"]
rows = [
    (record["what"], record["date"], record["version"])
    for record in tested.values()
]
figures.show_table(
    pd.DataFrame(rows, columns=["Script", "Run on", "Version"]),
    "The records of this page",
)
