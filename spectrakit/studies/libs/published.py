"""Do the figures that the LIBS study reports agree with each other?

Each function takes the published values by id (data/published/libs.yml) and returns the figures that the entry of the
same name under `inconsistencies` puts into its text, beside values that the text names by their id.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from spectrakit.resources import data_path
from spectrakit.studies.published import functions_of, value

ELEMENTS = ("ca", "mg", "na")
HIGH, LOW = ([f"{element}_{content}" for element in ELEMENTS] for content in ("high", "low"))


def implied_spread(published):
    """Standard deviation of the contents, RMSE / sqrt(1 - R2), of each task, and of the twelve spike levels."""
    tasks = _tasks(published)
    # The mean of squared RMSE exceeds the square of their mean by their variance.
    runs = np.hypot(tasks["rmse"], tasks["rmse_sd"]) / np.sqrt(1 - tasks["r2"])
    levels = np.std([0, *value(published, "samples.spike_contents")])
    return {**tasks["spread"], **runs[HIGH].add_suffix("_runs"), "levels": levels}


def deviations_of_r2(published):
    """Deviation of R2 over runs on the same samples, propagated from that of the RMSE."""
    tasks = _tasks(published)
    deviations = 2 * (1 - tasks["r2"]) * tasks["rmse_sd"] / tasks["rmse"]
    return {**deviations, "worst": (deviations - tasks["r2_sd"]).abs().max()}


def sampling(published):
    """Channels per resolution element in each window."""
    return {e: _resolution(published, e) / _step(published, e) for e in ELEMENTS}


def folds_of_twelve(published):
    """How many folds hold one sample, and how many two."""
    samples, folds = value(published, "samples.high"), value(published, "validation.folds")
    return {"single": folds - samples % folds, "double": samples % folds}


def error_range_high(published):
    """What the RMSE of calcium is in per cent, and at which content the MAE would be the printed error."""
    rmse, levels = value(published, "rmse.ca.high"), value(published, "samples.spike_contents")
    content = value(published, "mae.ca.high") / value(published, "error_max.ca.high")
    figures = {"of_highest": 100 * rmse / max(levels), "of_lowest": 100 * rmse / min(levels)}
    return figures | {"content": 100 * content, "content_fraction": content}


def error_range_low(published):
    """Contents of the field soils at which the MAE would be the printed error, also in implied deviations."""
    content = {e: 100 * value(published, f"mae.{e}.low") / value(published, f"error_max.{e}.low") for e in ELEMENTS}
    spread = _tasks(published)["spread"]
    return content | {f"{e}_ratio": content[e] / spread[f"{e}_low"] for e in ELEMENTS}


def error_of_zero(published):
    """How many spiked samples have no spike."""
    return {"unspiked": value(published, "samples.high") - len(value(published, "samples.spike_contents"))}


def detection_above_levels(published):
    """How many spike levels lie below each limit of detection, and that of calcium over the spread of its contents."""
    levels, tasks = np.array(value(published, "samples.spike_contents")), _tasks(published)
    below = {f"below_{e}": (levels < tasks["lod"][f"{e}_high"]).sum() for e in ELEMENTS}
    return below | {"share_low": 100 * tasks["lod"]["ca_low"] / tasks["spread"]["ca_low"]}


def detection_between_ranges(published):
    """Limit of detection in spiked soils over that in field soils."""
    return {e: value(published, f"lod.{e}.high") / value(published, f"lod.{e}.low") for e in ELEMENTS}


def detection_beside_rsd(published):
    """Average RSD over the spike levels that the blank's deviation alone (a third of the limit) would make."""
    levels = np.array(value(published, "samples.spike_contents"))
    deviation = {e: value(published, f"lod.{e}.high") / 3 for e in ELEMENTS}
    rsd = {f"{e}_rsd": np.mean(100 * deviation[e] / levels) for e in ELEMENTS}
    return rsd | {f"{e}_sd": deviation[e] for e in ELEMENTS}


def weak_magnesium(published):
    """Content at which RSD and RMSE of magnesium are one, and the RSD that its blank would make there."""
    content = 100 * value(published, "rmse.mg.low") / value(published, "rsd.mg.low")
    blank = value(published, "lod.mg.low") / 3
    return {"content": content, "blank": blank, "blank_rsd": 100 * blank / content}


def low_is_not_low(published):
    """Implied spread of both ranges of calcium, and by what factor that of the others falls."""
    spread = _tasks(published)["spread"]
    falls = {e: spread[f"{e}_high"] / spread[f"{e}_low"] for e in ("mg", "na")}
    return {"high": spread["ca_high"], "low": spread["ca_low"]} | falls


def gap_sign(published):
    """Equation 7 for a model that learned by heart and for one that errs alike in training and test."""
    rmse = value(published, "rmse.ca.high")
    return {"overfit": 0 - rmse, "honest": rmse - rmse}


def parameter_counts(published):
    """Weights and biases of the CNN, with average pooling or flattened maps, and of the BPNN of each window."""
    kernels, size, hidden = (value(published, f"cnn.{name}") for name in ("kernels", "kernel_size", "hidden"))
    convolutions = kernels * (size + 1) + kernels * (kernels * size + 1)
    nodes = value(published, "bpnn.hidden")
    bpnn = {f"bpnn_{e}": nodes * (value(published, f"channels.{e}") + 2) + 1 for e in ELEMENTS}
    return bpnn | {
        "cnn": convolutions + (kernels + 1) * hidden + hidden + 1,
        "flattened": convolutions + (kernels * pooling(published)["last"] + 1) * hidden + hidden + 1,
        "train": _largest_training_set(published),
    }


def r2_range(published):
    """R2 of predicting each sample by the mean of the others, whatever the contents: 1 - (n / (n - 1))^2."""
    n = value(published, "samples.high")
    return {"r2_of_mean": 1 - (n / (n - 1)) ** 2}


def explained_over_98(published):
    """Smallest R2 of each range."""
    r2 = _tasks(published)["r2"]
    return {"high": r2[HIGH].min(), "low": r2[LOW].min()}


def error_distribution(published):
    """Smallest and largest RMSE / MAE, and that of normal errors, sqrt(pi / 2)."""
    tasks = _tasks(published)
    ratios = tasks["rmse"] / tasks["mae"]
    return {"low": ratios.min(), "high": ratios.max(), "normal": np.sqrt(np.pi / 2)}


def batch_and_steps(published):
    """Steps that the training takes, and the learning rate in units of Adam's default of 0.001."""
    train = _largest_training_set(published)
    steps = value(published, "cnn.epochs") * -(-train // value(published, "cnn.batch_size"))
    return {"train": train, "steps": steps, "times": value(published, "cnn.learning_rate") / 0.001}


def rows_of_the_input(published):
    """Rows and columns of the data set of calcium."""
    return dict(zip(("rows", "channels"), value(published, "input_shape.ca"), strict=True))


def pooling(published):
    """Length left of the calcium window by the two poolings alone, and by the convolutions too."""
    channels, poolings = value(published, "channels.ca"), value(published, "cnn.poolings")
    after = channels - poolings * (value(published, "cnn.pool_size") - 1)
    last = after - value(published, "cnn.convolutions") * (value(published, "cnn.kernel_size") - 1)
    return {"after": after, "share": 100 * after / channels, "last": last}


def map_length(published):
    """Length of the last convolution's feature maps in the calcium window, with and without padding."""
    channels, convolutions = value(published, "channels.ca"), value(published, "cnn.convolutions")
    padded = channels - (convolutions - 1) * (value(published, "cnn.pool_size") - 1)
    last = padded - convolutions * (value(published, "cnn.kernel_size") - 1)
    return {"padded": padded, "last": last}


def receptive_field(published):
    """Channels, nm and resolution elements seen by one position of the last convolution."""
    kernel, pool = value(published, "cnn.kernel_size"), value(published, "cnn.pool_size")
    convolutions = value(published, "cnn.convolutions")
    # Every layer has stride 1, so each adds its size less one; a pooling stands between convolutions.
    field = 1 + convolutions * (kernel - 1) + (convolutions - 1) * (pool - 1)
    width = {e: field * _step(published, e) for e in ELEMENTS}
    elements = {f"{e}_elements": width[e] / _resolution(published, e) for e in ELEMENTS}
    return width | elements | {"field": field}


def line_outside_window(published):
    """Named lines outside the window of their map, and by how much."""
    lines = _named_lines(published)
    outside = lines[lines["edge"] < 0]
    return {"outside": ", ".join(f"{row.name} nm, by {-row.edge:.2f} nm" for row in outside.itertuples(name="Line"))}


def lines_at_the_edge(published):
    """Named lines inside the window, less than one resolution element from its edge."""
    lines = _named_lines(published)
    edge = lines[(lines["edge"] >= 0) & (lines["edge"] < lines["element_nm"])]
    return {"edge": ", ".join(f"{row.name} nm ({row.edge:.2f} nm)" for row in edge.itertuples(name="Line"))}


def unresolved_lines(published):
    """Pairs of named lines of a window closer than one resolution element."""
    pairs = []
    for _, lines in _named_lines(published).groupby("window", sort=False):
        ordered = lines.sort_values("nm").itertuples()
        pairs += [f"{a.name} and {b.name}" for a, b in combinations(ordered, 2) if b.nm - a.nm < a.element_nm]
    return {"pairs": ", ".join(pairs)}


def chance_alignment(published):
    """Share of each window's channels within one resolution element of a named line, in per cent."""
    lines = _named_lines(published)
    figures = {"named": len(lines), "own": int((lines["of"] == lines["window"]).sum())}
    for e in ELEMENTS:
        channels = np.linspace(*value(published, f"window.{e}"), value(published, f"channels.{e}"))
        named = lines[lines["window"].str.lower() == e]
        near = np.abs(channels[:, None] - named["nm"].to_numpy()) <= named["element_nm"].to_numpy()
        figures[e] = 100 * near.any(axis=1).mean()
    return figures


def resonance_lines(published):
    """Ground-state lines of Mg II in the window, and how far the nearest named magnesium line lies from each."""
    table = pd.read_csv(data_path("atomic", "lines.csv")).query("element == 'Mg' and stage == 2 and E_lower_eV == 0")
    nm = table.loc[table["wavelength_air_nm"].between(*value(published, "window.mg")), "wavelength_air_nm"]
    named = _named_lines(published).query("of == 'Mg'")["nm"].to_numpy()
    offsets = np.abs(nm.to_numpy()[:, None] - named).min(axis=1)
    return {
        "lines": ", ".join(f"{line:.2f} nm" for line in nm),
        "offsets": ", ".join(f"{offset:.2f}" for offset in offsets),
        "element": _resolution(published, "mg"),
    }


CHECKS = functions_of(vars())  # all that stand above


def _tasks(published):
    """What is printed of the CNN in each task, and the spread that it implies: DataFrame by task ('ca_high' ...).

    r2, rmse, mae, lod : as printed; r2_sd, rmse_sd : deviations as printed
    spread : standard deviation of the contents, RMSE / sqrt(1 - R2)
    """
    tasks = {}
    for name in (*HIGH, *LOW):
        entries = {metric: published[f"{metric}.{name.replace('_', '.')}"] for metric in ("r2", "rmse", "mae", "lod")}
        tasks[name] = {metric: entry["value"] for metric, entry in entries.items()}
        tasks[name] |= {f"{metric}_sd": entries[metric]["sd"] for metric in ("r2", "rmse")}
    tasks = pd.DataFrame(tasks).T
    return tasks.assign(spread=tasks["rmse"] / np.sqrt(1 - tasks["r2"]))


def _resolution(published, element):
    return np.mean(value(published, f"window.{element}")) / value(published, "spectrometer.resolving_power")


def _step(published, element):
    return np.ptp(value(published, f"window.{element}")) / (value(published, f"channels.{element}") - 1)


def _largest_training_set(published):
    samples, folds = value(published, "samples.high"), value(published, "validation.folds")
    return samples - samples // folds


def _named_lines(published):
    """The lines that are named: DataFrame name, window, of, nm; edge, distance (nm) inside its window; element_nm."""
    lines = pd.DataFrame(entry for entry in published.values() if entry["kind"] == "line")
    low, high = np.transpose([value(published, f"window.{window.lower()}") for window in lines["window"]])
    lines = lines.rename(columns={"element": "of", "value": "nm"})[["window", "of", "nm"]]
    return lines.assign(
        name=lines["of"] + lines["nm"].map(" {:.2f}".format),
        edge=np.minimum(lines["nm"] - low, high - lines["nm"]),
        element_nm=lines["nm"] / value(published, "spectrometer.resolving_power"),
    )
