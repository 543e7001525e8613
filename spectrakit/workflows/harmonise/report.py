"""The scores of laboratories left out, as tables and lines of text."""

import pandas as pd

from spectrakit.evaluation import pooled_promise
from spectrakit.workflows.harmonise.choices import MIN_TO_LEAVE_OUT
from spectrakit.workflows.harmonise.leave_out import LEVEL

# A change of RMSE by less than this share is called neither help nor harm.
MATTERS = 0.05


def report_tables(records, quantity):
    """{title: DataFrame of text}, three a model; quantity : what is predicted and on which scale, for the titles."""
    tables = {}
    for model in [name for name in records["model"].unique() if name != "mean"]:
        title = f"{quantity} on a laboratory never seen, by {model}"
        tables[f"{title}: R2 | RMSE, * the lowest"] = score_frame(records, model)
        tables[f"{title}: bias | RMSE without it"] = bias_frame(records, model)
        tables[f"{title}: RMSE against 'none'"] = effect_frame(records, model)
    return tables


def score_frame(records, model):
    """R2 and RMSE of a model, harmonisation by laboratory, as text; the lowest RMSE of a laboratory is starred.

    The last row, where the records have it, is the model 'mean', to which no harmonisation matters.
    """
    mean = records[(records["model"] == "mean") & (records["harmonisation"] == "none")]
    mean = mean.assign(harmonisation="(mean of the others)")
    return _pairs(pd.concat([records[records["model"] == model], mean]), "r2", "{:.2f}", "rmse")


def bias_frame(records, model):
    """Bias and RMSE after removing it, harmonisation by laboratory, as text; the lowest of the latter is starred."""
    return _pairs(records[records["model"] == model], "bias", "{:+.3g}", "sep")


def _pairs(part, first, form, second):
    """'first | second' by harmonisation and laboratory, the lowest second of a laboratory starred."""
    name = part["laboratory"] + " (" + part["n_test"].astype(str) + ")"
    star = part[second].eq(part.groupby("laboratory")[second].transform("min")).map({True: " *", False: ""})
    cells = part[first].map(form.format) + " | " + part[second].map("{:.3g}".format) + star
    frame = part.assign(name=name, cells=cells).pivot(index="harmonisation", columns="name", values="cells")
    return frame.loc[part["harmonisation"].unique()].rename_axis(columns=None)


def effect_frame(records, model):
    """Where each harmonisation helps and hurts beside 'none', and what intervals and domain do, over laboratories.

    Columns: helps, hurts (laboratories whose RMSE changes by at least 5 %, and by how much), RMSE of the mean
    laboratory, coverage (mean, and lowest to highest), width of the 90 % intervals and share of spectra outside.
    """
    part = records[records["model"] == model].set_index("laboratory")
    before = part.loc[part["harmonisation"] == "none", "rmse"]
    rows = {}
    for name, group in part.groupby("harmonisation", sort=False):
        change, covered = group["rmse"] / before - 1, 100 * group["coverage_90"]
        rows[name] = {
            "helps": _changes(change[change <= -MATTERS]),
            "hurts": _changes(change[change >= MATTERS]),
            "mean RMSE": f"{group['rmse'].mean():.3g}",
            "coverage of 90 %": f"{covered.mean():.0f} ({covered.min():.0f}-{covered.max():.0f}) %",
            "width": f"{group['width_90'].mean():.3g}",
            "outside": f"{100 * group['outside'].mean():.0f} %",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("harmonisation")


def _changes(change):
    return ", ".join(f"{laboratory} {100 * by:+.0f} %" for laboratory, by in change.sort_values().items()) or "-"


def reading_lines(n_laboratories, models=()):
    """How the scores of so many laboratories are to be read, in lines; models : names of those that were tried."""
    training = n_laboratories - 1
    lines = [
        "R2 is against the mean of the laboratory left out, which no model knew: a bias alone can bring it below 0"
    ]
    if training < MIN_TO_LEAVE_OUT:
        lines.append(
            "90 % intervals come from sites left out of the training laboratories: for another they promise nothing"
        )
    else:
        promised = f"{100 * pooled_promise(LEVEL, training):.0f} % for another laboratory, on average"
        lines.append(
            f"90 % intervals come from {training} laboratories, each predicted without it: they promise {promised}"
        )
    if "pretrained" in models:
        widened = (
            "those of pretrained are widened, as errors grow on simulated laboratories never seen: they promise 90 %"
        )
        lines.append(f"{widened} for another laboratory, on average, if it differs as simulated ones do")
    return lines
