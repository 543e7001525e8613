"""What do the scores of laboratories left out say, as tables and lines of text?"""

import pandas as pd

from spectrakit.evaluation import pooled_promise
from spectrakit.workflows.harmonise.leave_out import FEWEST_TO_LEAVE_OUT, LEVEL

# A change of RMSE by less than this share is called neither help nor harm.
MATTERS = 0.05


def score_frame(records, model):
    """R2 and RMSE of a model, harmonisation by laboratory, as text; the lowest RMSE of a laboratory is starred.

    The last row, where the records have it, is the model 'mean', to which no harmonisation matters.
    """
    part = records[records["model"] == model]
    mean = records[(records["model"] == "mean") & (records["harmonisation"] == "none")]
    return _cells(
        pd.concat([part, mean.assign(harmonisation="(mean of the others)")]),
        ("r2", "rmse"),
        ("{:.2f}", "{:.3g}"),
        starred="rmse",
    )


def bias_frame(records, model):
    """Bias and RMSE after removing it, harmonisation by laboratory, as text; the lowest of the latter is starred."""
    return _cells(records[records["model"] == model], ("bias", "sep"), ("{:+.3g}", "{:.3g}"), starred="sep")


def _cells(part, keys, forms, starred):
    columns = {}
    for name, of_one in part.groupby("laboratory"):
        best = of_one[starred].min()
        columns[f"{name} ({of_one['n_test'].iloc[0]})"] = [
            " | ".join(form.format(value) for form, value in zip(forms, values, strict=True))
            + (" *" if value == best else "")
            for *values, value in of_one[[*keys, starred]].itertuples(index=False)
        ]
    return pd.DataFrame(columns, index=pd.Index(dict.fromkeys(part["harmonisation"]), name="harmonisation"))


def effect_frame(records, model):
    """Where each harmonisation helps and hurts beside 'none', and what intervals and domain do, over laboratories.

    Columns: helps, hurts (laboratories whose RMSE changes by at least 5 %, and by how much), RMSE of the mean
    laboratory, coverage (mean, and lowest to highest), width of the 90 % intervals and share of spectra outside.
    """
    part = records[records["model"] == model].set_index("laboratory")
    before = part.loc[part["harmonisation"] == "none", "rmse"]
    rows = {}
    for name, found in part.groupby("harmonisation", sort=False):
        change = found["rmse"] / before - 1
        words = [
            ", ".join(f"{laboratory} {100 * by:+.0f} %" for laboratory, by in change[rows_].sort_values().items())
            for rows_ in (change <= -MATTERS, change >= MATTERS)
        ]
        covered = found["coverage_90"]
        rows[name] = {
            "helps": words[0] or "-",
            "hurts": words[1] or "-",
            "mean RMSE": f"{found['rmse'].mean():.3g}",
            "coverage of 90 %": f"{100 * covered.mean():.0f} ({100 * covered.min():.0f}-{100 * covered.max():.0f}) %",
            "width": f"{found['width_90'].mean():.3g}",
            "outside": f"{100 * found['outside'].mean():.0f} %",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("harmonisation")


def reading_lines(n_laboratories, models=()):
    """How the scores of so many laboratories are to be read, in lines; models : names of those that were tried."""
    training = n_laboratories - 1
    lines = ["R2 is against the mean of the laboratory left out, which nobody knew: a bias alone can bring it below 0"]
    if training < FEWEST_TO_LEAVE_OUT:
        lines.append("90 % intervals come from sites left out of known laboratories: of another they promise nothing")
    else:
        promised = f"{100 * pooled_promise(LEVEL, training):.0f} % of another, on average over laboratories"
        lines.append(
            f"90 % intervals come from {training} laboratories, each predicted without it: they promise {promised}"
        )
    if "pretrained" in models:
        widened = "those of pretrained are widened by what errors grow by on simulated laboratories: they promise 90 %"
        lines.append(f"{widened} of another, on average, as far as laboratories differ like simulated ones")
    return lines
