"""Do the figures that the LIBS study reports agree with each other?

Each function takes the published values by id (data/published/libs.yml) and returns the figures that the entry of the
same name under `inconsistencies` puts into its text.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from spectrakit.resources import data_path

TASKS = [(element, content) for content in ("high", "low") for element in ("ca", "mg", "na")]
ELEMENTS = ("ca", "mg", "na")


def implied_spread(published):
    """Standard deviation of the contents, RMSE / sqrt(1 - R2), of each task, and of the twelve spike levels."""
    figures = {f"{e}_{c}": _spread(published, e, c) for e, c in TASKS}
    for e in ELEMENTS:
        rmse, r2 = published[f"rmse.{e}.high"], published[f"r2.{e}.high"]
        # The mean of squared RMSE exceeds the square of their mean by their variance.
        figures[f"{e}_high_runs"] = np.hypot(rmse["value"], rmse["sd"]) / np.sqrt(1 - r2["value"])
    return figures | {"levels": np.std([0, *_value(published, "samples.spike_contents")])}


def deviations_of_r2(published):
    """Deviation of R2 over runs on the same samples, propagated from that of the RMSE."""
    figures = {}
    for e, c in TASKS:
        rmse = published[f"rmse.{e}.{c}"]
        figures[f"{e}_{c}"] = 2 * (1 - _value(published, f"r2.{e}.{c}")) * rmse["sd"] / rmse["value"]
    worst = max(abs(figures[f"{e}_{c}"] - published[f"r2.{e}.{c}"]["sd"]) for e, c in TASKS)
    return figures | {"worst": worst}


def sampling(published):
    """Channels per resolution element in each window."""
    return {e: _resolution(published, e) / _step(published, e) for e in ELEMENTS}


def folds_of_twelve(published):
    """How many folds hold one sample, and how many two."""
    samples, folds = _value(published, "samples.high"), _value(published, "validation.folds")
    return {"folds": folds, "single": folds - samples % folds, "double": samples % folds}


def error_range_high(published):
    """What the RMSE and MAE of calcium are in per cent, and at which content they would be the printed error."""
    rmse, mae = _value(published, "rmse.ca.high"), _value(published, "mae.ca.high")
    levels, error = _value(published, "samples.spike_contents"), _value(published, "error_max.ca.high")
    return {
        "rmse": rmse,
        "mae": mae,
        "of_highest": 100 * rmse / max(levels),
        "of_lowest": 100 * rmse / min(levels),
        "content": 100 * mae / error,
        "content_fraction": mae / error,
    }


def error_range_low(published):
    """Contents of the field soils at which the MAE would be the printed error, also in implied deviations."""
    content = {e: 100 * _value(published, f"mae.{e}.low") / _value(published, f"error_max.{e}.low") for e in ELEMENTS}
    return content | {f"{e}_ratio": content[e] / _spread(published, e, "low") for e in ELEMENTS}


def error_of_zero(published):
    """How many spiked samples have no spike."""
    levels = len(_value(published, "samples.spike_contents"))
    unspiked = _value(published, "samples.high") - levels
    return {"levels": levels, "unspiked": unspiked, "samples": _value(published, "samples.all")}


def detection_above_levels(published):
    """How many spike levels lie below each limit of detection."""
    levels = np.array(_value(published, "samples.spike_contents"))
    lod = {e: _value(published, f"lod.{e}.high") for e in ELEMENTS}
    below = {f"below_{e}": int((levels < lod[e]).sum()) for e in ELEMENTS}
    ca_low = _value(published, "lod.ca.low")
    share = 100 * ca_low / _spread(published, "ca", "low")
    return lod | below | {"levels": len(levels), "ca_low": ca_low, "share_low": share}


def detection_between_ranges(published):
    """Limit of detection in spiked soils over that in field soils."""
    return {e: _value(published, f"lod.{e}.high") / _value(published, f"lod.{e}.low") for e in ELEMENTS}


def detection_beside_rsd(published):
    """Average RSD over the spike levels that the blank's deviation alone (a third of the limit) would make."""
    levels = np.array(_value(published, "samples.spike_contents"))
    figures = {"levels": len(levels)}
    for e in ELEMENTS:
        deviation = _value(published, f"lod.{e}.high") / 3
        figures |= {f"{e}_sd": deviation, f"{e}_rsd": np.mean(100 * deviation / levels)}
        figures[f"{e}_printed"] = _value(published, f"rsd.{e}.high")
    return figures


def weak_magnesium(published):
    """Content at which RSD and RMSE of magnesium are one, and the RSD that its blank would make there."""
    rsd, rmse, lod = (_value(published, f"{name}.mg.low") for name in ("rsd", "rmse", "lod"))
    content = 100 * rmse / rsd
    blank_rsd = 100 * lod / 3 / content
    return dict(rsd=rsd, rmse=rmse, lod=lod, content=content, blank=lod / 3, blank_rsd=blank_rsd)


def low_is_not_low(published):
    """Implied spread of both ranges, and by what factor it falls."""
    high, low = ({e: _spread(published, e, c) for e in ELEMENTS} for c in ("high", "low"))
    rmse = {f"rmse_{c}": _value(published, f"rmse.ca.{c}") for c in ("high", "low")}
    return rmse | {"high": high["ca"], "low": low["ca"], "mg": high["mg"] / low["mg"], "na": high["na"] / low["na"]}


def gap_sign(published):
    """Equation 7 for a model that learned by heart and for one that errs alike in training and test."""
    rmse = _value(published, "rmse.ca.high")
    return {"rmse": rmse, "overfit": 0 - rmse, "honest": rmse - rmse}


def parameter_counts(published):
    """Weights and biases of the CNN, with average pooling or flattened maps, and of the BPNN of each window."""
    kernels, size, hidden = (_value(published, f"cnn.{name}") for name in ("kernels", "kernel_size", "hidden"))
    convolutions = kernels * (size + 1) + kernels * (kernels * size + 1)
    nodes = _value(published, "bpnn.hidden")
    bpnn = {f"bpnn_{e}": nodes * (_value(published, f"channels.{e}") + 2) + 1 for e in ELEMENTS}
    return bpnn | {
        "cnn": convolutions + (kernels + 1) * hidden + hidden + 1,
        "flattened": convolutions + (kernels * pooling(published)["last"] + 1) * hidden + hidden + 1,
        "train": _largest_training_set(published),
    }


def r2_range(published):
    """R2 of predicting each sample by the mean of the others, whatever the contents: 1 - (n / (n - 1))^2."""
    n = _value(published, "samples.high")
    return {"r2_of_mean": 1 - (n / (n - 1)) ** 2}


def explained_over_98(published):
    """Smallest R2 of each range."""
    return {c: min(_value(published, f"r2.{e}.{c}") for e in ELEMENTS) for c in ("high", "low")}


def error_distribution(published):
    """Smallest and largest RMSE / MAE, and that of normal errors, sqrt(pi / 2)."""
    ratios = [_value(published, f"rmse.{e}.{c}") / _value(published, f"mae.{e}.{c}") for e, c in TASKS]
    return {"low": min(ratios), "high": max(ratios), "normal": np.sqrt(np.pi / 2)}


def batch_and_steps(published):
    """Steps that the training takes, and the learning rate in units of Adam's default of 0.001."""
    train, batch = _largest_training_set(published), _value(published, "cnn.batch_size")
    rate = _value(published, "cnn.learning_rate")
    steps = _value(published, "cnn.epochs") * -(-train // batch)
    return {"train": train, "batch": batch, "steps": steps, "rate": rate, "times": rate / 0.001}


def rows_of_the_input(published):
    """Rows and columns of the data set of calcium."""
    return dict(zip(("rows", "channels"), _value(published, "input_shape.ca"), strict=True))


def pooling(published):
    """Length left of the calcium window by the two poolings alone, and by the convolutions too."""
    channels, poolings = _value(published, "channels.ca"), _value(published, "cnn.poolings")
    after = channels - poolings * (_value(published, "cnn.pool_size") - 1)
    last = after - _value(published, "cnn.convolutions") * (_value(published, "cnn.kernel_size") - 1)
    return {"channels": channels, "after": after, "share": 100 * after / channels, "last": last}


def map_length(published):
    """Length of the last convolution's feature maps in the calcium window, with and without padding."""
    channels, convolutions = _value(published, "channels.ca"), _value(published, "cnn.convolutions")
    padded = channels - (convolutions - 1) * (_value(published, "cnn.pool_size") - 1)
    last = padded - convolutions * (_value(published, "cnn.kernel_size") - 1)
    return {"channels": channels, "padded": padded, "last": last}


def receptive_field(published):
    """Channels, nm and resolution elements seen by one position of the last convolution."""
    kernel, pool = _value(published, "cnn.kernel_size"), _value(published, "cnn.pool_size")
    convolutions = _value(published, "cnn.convolutions")
    # Every layer has stride 1, so each adds its size less one; a pooling stands between convolutions.
    field = 1 + convolutions * (kernel - 1) + (convolutions - 1) * (pool - 1)
    width = {e: field * _step(published, e) for e in ELEMENTS}
    elements = {f"{e}_elements": width[e] / _resolution(published, e) for e in ELEMENTS}
    return width | elements | {"kernel": kernel, "field": field}


def line_outside_window(published):
    """Named lines outside the window of their map, and by how much."""
    lines = _named_lines(published)
    outside = lines[lines["edge"] < 0]
    return {"outside": _list(f"{row.name} nm, by {-row.edge:.2f} nm" for row in outside.itertuples(name="Line"))}


def lines_at_the_edge(published):
    """Named lines inside the window, less than one resolution element from its edge."""
    lines = _named_lines(published)
    edge = lines[(lines["edge"] >= 0) & (lines["edge"] < lines["element_nm"])]
    return {"edge": _list(f"{row.name} nm ({row.edge:.2f} nm)" for row in edge.itertuples(name="Line"))}


def unresolved_lines(published):
    """Pairs of named lines of a window closer than one resolution element."""
    pairs = []
    for _, lines in _named_lines(published).groupby("window", sort=False):
        ordered = lines.sort_values("nm").itertuples()
        pairs += [f"{a.name} and {b.name}" for a, b in combinations(ordered, 2) if b.nm - a.nm < a.element_nm]
    return {"pairs": _list(pairs)}


def chance_alignment(published):
    """Share of each window's channels within one resolution element of a named line, in per cent."""
    lines = _named_lines(published)
    figures = {"named": len(lines), "own": int((lines["of"] == lines["window"]).sum())}
    for e in ELEMENTS:
        channels = np.linspace(*_value(published, f"window.{e}"), _value(published, f"channels.{e}"))
        named = lines[lines["window"].str.lower() == e]
        near = np.abs(channels[:, None] - named["nm"].to_numpy()) <= named["element_nm"].to_numpy()
        figures[e] = 100 * near.any(axis=1).mean()
    return figures


def resonance_lines(published):
    """Ground-state lines of Mg II in the window, and how far the nearest named magnesium line lies from each."""
    table = pd.read_csv(data_path("atomic", "lines.csv")).query("element == 'Mg' and stage == 2 and E_lower_eV == 0")
    nm = table.loc[table["wavelength_air_nm"].between(*_value(published, "window.mg")), "wavelength_air_nm"]
    named = _named_lines(published).query("of == 'Mg'")["nm"].to_numpy()
    offsets = np.abs(nm.to_numpy()[:, None] - named).min(axis=1)
    return {
        "lines": _list(f"{line:.2f} nm" for line in nm),
        "offsets": _list(f"{offset:.2f}" for offset in offsets),
        "element": _resolution(published, "mg"),
    }


CHECKS = {
    check.__name__: check
    for check in (
        implied_spread,
        deviations_of_r2,
        sampling,
        folds_of_twelve,
        error_range_high,
        error_range_low,
        error_of_zero,
        detection_above_levels,
        detection_between_ranges,
        detection_beside_rsd,
        weak_magnesium,
        low_is_not_low,
        gap_sign,
        parameter_counts,
        r2_range,
        explained_over_98,
        error_distribution,
        batch_and_steps,
        rows_of_the_input,
        pooling,
        map_length,
        receptive_field,
        line_outside_window,
        lines_at_the_edge,
        unresolved_lines,
        chance_alignment,
        resonance_lines,
    )
}


def _value(published, entry_id):
    return published[entry_id]["value"]


def _spread(published, element, content):
    rmse, r2 = (_value(published, f"{name}.{element}.{content}") for name in ("rmse", "r2"))
    return rmse / np.sqrt(1 - r2)


def _resolution(published, element):
    return np.mean(_value(published, f"window.{element}")) / _value(published, "spectrometer.resolving_power")


def _step(published, element):
    return np.ptp(_value(published, f"window.{element}")) / (_value(published, f"channels.{element}") - 1)


def _largest_training_set(published):
    samples, folds = _value(published, "samples.high"), _value(published, "validation.folds")
    return samples - samples // folds


def _named_lines(published):
    rows = []
    for entry in published.values():
        if entry["kind"] != "line":
            continue
        nm, (low, high) = entry["value"], _value(published, f"window.{entry['window'].lower()}")
        rows.append(
            {
                "name": f"{entry['element']} {nm:.2f}",
                "window": entry["window"],
                "of": entry["element"],
                "nm": nm,
                "edge": min(nm - low, high - nm),
                "element_nm": nm / _value(published, "spectrometer.resolving_power"),
            }
        )
    return pd.DataFrame(rows)


def _list(items):
    return ", ".join(items)
