"""The figures of the LIBS study's checks, computed from its published values (data/published/libs.yml)."""

from itertools import combinations

import numpy as np
import pandas as pd

from spectrakit.explain import near_lines
from spectrakit.resources import data_path

ELEMENTS = ("ca", "mg", "na")
HIGH, LOW = ([f"{element}_{content}" for element in ELEMENTS] for content in ("high", "low"))
METRICS = ("r2", "rmse", "mae", "lod")
ADAM_LEARNING_RATE = 0.001


def figures(v, entries):
    """Return the figures of every check as {check: {name: figure}}; v : published values by id; entries : in full."""
    ids = {task: task.replace("_", ".") for task in (*HIGH, *LOW)}
    tasks = pd.DataFrame({metric: {task: v[f"{metric}.{ids[task]}"] for task in ids} for metric in METRICS})
    for metric in ("r2", "rmse"):
        tasks[f"{metric}_sd"] = [entries[f"{metric}.{name}"]["sd"] for name in ids.values()]
    tasks["spread"] = tasks["rmse"] / np.sqrt(1 - tasks["r2"])
    lines = [entry for entry in entries.values() if entry["kind"] == "line"]
    return scores(v, tasks) | detection(v, tasks) | network(v) | named_lines(v, lines)


def scores(v, tasks):
    """Checks of R2, RMSE and MAE; v : values by id; tasks : the printed scores by task ('ca_high' ...)."""
    r2, rmse, spread, n = tasks["r2"], tasks["rmse"], tasks["spread"], v["samples.high"]
    deviations, tails = 2 * (1 - r2) * tasks["rmse_sd"] / rmse, rmse / tasks["mae"]
    # The mean of squared RMSE exceeds the square of their mean by their variance.
    runs = np.hypot(rmse, tasks["rmse_sd"]) / np.sqrt(1 - r2)
    levels = np.array([0, *v["samples.spike_contents"]])
    falls = {e: spread[f"{e}_high"] / spread[f"{e}_low"] for e in ("mg", "na")}
    return {
        "implied_spread": {**spread, **runs[HIGH].add_suffix("_runs"), "levels": levels.std()},
        "deviations_of_r2": {**deviations, "worst": (deviations - tasks["r2_sd"]).abs().max()},
        "low_is_not_low": {"high": spread["ca_high"], "low": spread["ca_low"], **falls},
        "gap_sign": {"overfit": 0 - rmse["ca_high"], "honest": 0},
        "r2_range": {"r2_of_mean": 1 - (n / (n - 1)) ** 2},
        "explained_over_98": {"high": r2[HIGH].min(), "low": r2[LOW].min()},
        "error_distribution": {"low": tails.min(), "high": tails.max(), "normal": np.sqrt(np.pi / 2)},
    }


def detection(v, tasks):
    """Checks of percentage errors, limits of detection and RSD."""
    levels, rmse = np.array(v["samples.spike_contents"]), v["rmse.ca.high"]
    content = tasks["mae"] / [v[f"error_max.{task.replace('_', '.')}"] for task in tasks.index]
    blank, ratio = tasks["lod"] / 3, 100 * content / tasks["spread"]
    mg_content = 100 * v["rmse.mg.low"] / v["rsd.mg.low"]
    average_rsd = (100 / levels).mean() * blank
    return {
        "error_range_high": {
            "of_highest": 100 * rmse / max(levels),
            "of_lowest": 100 * rmse / min(levels),
            "content": 100 * content["ca_high"],
            "content_fraction": content["ca_high"],
        },
        "error_range_low": {e: 100 * content[f"{e}_low"] for e in ELEMENTS}
        | {f"{e}_ratio": ratio[f"{e}_low"] for e in ELEMENTS},
        "error_of_zero": {"unspiked": v["samples.high"] - len(levels)},
        "detection_above_levels": {f"below_{e}": (levels < tasks["lod"][f"{e}_high"]).sum() for e in ELEMENTS}
        | {"share_low": 100 * tasks["lod"]["ca_low"] / tasks["spread"]["ca_low"]},
        "detection_between_ranges": {e: blank[f"{e}_high"] / blank[f"{e}_low"] for e in ELEMENTS},
        "detection_beside_rsd": {f"{e}_rsd": average_rsd[f"{e}_high"] for e in ELEMENTS}
        | {f"{e}_sd": blank[f"{e}_high"] for e in ELEMENTS},
        "weak_magnesium": {
            "content": mg_content,
            "blank": blank["mg_low"],
            "blank_rsd": 100 * blank["mg_low"] / mg_content,
        },
    }


def network(v):
    """Checks of folds, layers and training; every layer has stride 1 and takes its size less one, unless padded."""
    n, n_folds, n_channels = v["samples.high"], v["validation.folds"], v["channels.ca"]
    n_train = n - n // n_folds
    size, pool, layers = v["cnn.kernel_size"], v["cnn.pool_size"], v["cnn.convolutions"]
    pooled = n_channels - v["cnn.poolings"] * (pool - 1)
    # One pooling stands between the convolutions, the other behind the last.
    padded = n_channels - (layers - 1) * (pool - 1)
    taken = layers * (size - 1)
    kernels, hidden, nodes = v["cnn.kernels"], v["cnn.hidden"], v["bpnn.hidden"]
    convolutions = kernels * (size + 1) + kernels * (kernels * size + 1)
    dense = {name: (kernels * length + 1) * hidden for name, length in (("cnn", 1), ("flattened", pooled - taken))}
    field = 1 + taken + (layers - 1) * (pool - 1)
    step = {e: np.ptp(v[f"window.{e}"]) / (v[f"channels.{e}"] - 1) for e in ELEMENTS}
    elements = {e: np.mean(v[f"window.{e}"]) / v["spectrometer.resolving_power"] / step[e] for e in ELEMENTS}
    return {
        "sampling": elements,
        "folds_of_twelve": {"single": n_folds - n % n_folds, "double": n % n_folds},
        "parameter_counts": {f"bpnn_{e}": nodes * (v[f"channels.{e}"] + 2) + 1 for e in ELEMENTS}
        | {name: convolutions + weights + hidden + 1 for name, weights in dense.items()}
        | {"train": n_train},
        "batch_and_steps": {
            "train": n_train,
            "steps": v["cnn.epochs"] * -(-n_train // v["cnn.batch_size"]),
            "times": v["cnn.learning_rate"] / ADAM_LEARNING_RATE,
        },
        "rows_of_the_input": dict(zip(("rows", "channels"), v["input_shape.ca"], strict=True)),
        "pooling": {"after": pooled, "share": 100 * pooled / n_channels},
        "map_length": {"padded": padded, "last": padded - taken},
        "receptive_field": {e: field * step[e] for e in ELEMENTS}
        | {f"{e}_elements": field / elements[e] for e in ELEMENTS}
        | {"field": field},
    }


def named_lines(v, entries):
    """Checks of the lines that the paper names; entries : of these lines."""
    lines, power = pd.DataFrame(entries), v["spectrometer.resolving_power"]
    lines["name"] = lines["element"] + lines["value"].map(" {:.2f}".format)
    lines["width"] = lines["value"] / power
    low, high = np.transpose([v[f"window.{window.lower()}"] for window in lines["window"]])
    edge = lines["edge"] = np.minimum(lines["value"] - low, high - lines["value"])
    near_edge = lines[(edge >= 0) & (edge < lines["width"])]
    pairs = [
        f"{a.name} and {b.name}"
        for _, rows in lines.sort_values("value").groupby("window")
        for a, b in combinations(rows.itertuples(), 2)
        if b.value - a.value < a.width
    ]
    channels = {e: np.linspace(*v[f"window.{e}"], v[f"channels.{e}"]) for e in ELEMENTS}
    near = {e: near_lines(channels[e], lines["value"][lines["window"] == e.capitalize()], power) for e in ELEMENTS}
    atomic = pd.read_csv(data_path("atomic", "lines.csv")).query("element == 'Mg' and stage == 2 and E_lower_eV == 0")
    ground = atomic["wavelength_air_nm"][atomic["wavelength_air_nm"].between(*v["window.mg"])]
    of_mg = lines.loc[lines["element"] == "Mg", "value"].to_numpy()
    outside = [f"{row.name} nm, by {-row.edge:.2f} nm" for row in lines[edge < 0].itertuples(name="Line")]
    return {
        "line_outside_window": {"outside": ", ".join(outside)},
        "lines_at_the_edge": {
            "edge": ", ".join(f"{row.name} nm ({row.edge:.2f} nm)" for row in near_edge.itertuples())
        },
        "unresolved_lines": {"pairs": ", ".join(pairs)},
        "chance_alignment": {"named": len(lines), "same_element": (lines["element"] == lines["window"]).sum()}
        | {e: 100 * near[e].mean() for e in ELEMENTS},
        "resonance_lines": {
            "lines": ", ".join(f"{nm:.2f} nm" for nm in ground),
            "offsets": ", ".join(f"{np.abs(nm - of_mg).min():.2f}" for nm in ground),
            "element": np.mean(v["window.mg"]) / power,
        },
    }
