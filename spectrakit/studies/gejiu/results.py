"""The results of the Gejiu study by the ids of the ledger, its scores, and the tables that a record holds."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from spectrakit.explain import band_shares, window_centres
from spectrakit.models import ResNetConfig
from spectrakit.runs import mean_of, share_of
from spectrakit.simulate.soils import UNKNOWN_SHARE
from spectrakit.spectra import LUCAS_AXIS_NM
from spectrakit.studies.gejiu.experiments import nearest_band
from spectrakit.studies.gejiu.protocol import POOL, WINDOW_NM
from spectrakit.training import PAPER

DIRECT = ("resnet_pb", "pls_pb", "svm_pb")
FOUR_MODELS = (*DIRECT, "resnet_ph_pb")
# Windows that count as the highest tenth of a profile, see the head of data/published/gejiu.yml.
N_HIGHEST = len(WINDOW_NM) // 10
N_RESAMPLINGS = 2000
METRICS = ("r2", "rmse", "rpd")
HEADINGS = {"r2": "R2", "rmse": "RMSE", "rpd": "RPD", "rmse_log": "RMSE of ln Pb"}
# The two targets, with the parts in which their networks are explained.
EXPLAINED = {"ph": "source", "pb": "target"}


def ledger_results(outcome, published):
    """Results by id as {value, sd, n, note}.

    outcome : of `run.outcome`; published : as `load_published` gives
    """
    entries, source = published["entries"], _joined(outcome["source"], "scores")
    values = [*METRICS, "rmse_log", "r2_train", "searched"]
    by_scale = _joined(outcome["target"], "scores").groupby("scale")
    # Columns (score, model), one row a round.
    tables = {scale: group.pivot(index="round", columns="model", values=values) for scale, group in by_scale}
    log, boxcox = tables["log"], tables["box-cox"]
    known = _settings(outcome, log["searched"]) | _inputs(outcome)
    bands = {name: nearest_band(entry) for name, entry in entries.items() if name.startswith("band_distance.")}
    known |= {name: float(band["distance"]) for name, band in bands.items()}
    results = {name: {"value": value} for name, value in known.items()}
    for metric in METRICS:
        results[f"{metric}.resnet_ph"] = mean_of(source[metric])
        results |= {f"{metric}.{model}": mean_of(log[metric][model]) for model in FOUR_MODELS}
        results[f"{metric}.resnet_ph_pb.boxcox"] = mean_of(boxcox[metric]["resnet_ph_pb"])
    r2 = log["r2"]
    for entry_id in (name for name in entries if name.startswith("difference.")):
        _, model, other = entry_id.split(".")
        results[entry_id] = mean_of(r2[model] - r2[other])
    results["r2_max.direct"] = {"value": float(r2[list(DIRECT)].mean().max()), "n": len(r2)}
    results["r2_min.resnet_ph_pb"] = mean_of(r2["resnet_ph_pb"])
    return results | _orderings(log, boxcox) | _spread(r2) | _profiles(window_profiles(outcome), entries)


def _joined(parts, name):
    return pd.concat([part[name] for part in parts], ignore_index=True)


def _inputs(outcome):
    values = {}
    for name, target in (("lucas", "ph"), ("gejiu", "pb")):
        about = outcome["domains"][name]
        values |= {
            f"samples.{name}": about["n"],
            f"samples.{name}.train": about["n_train"],
            f"samples.{name}.test": about["n_test"],
            **{f"stat.{target}.{key}": value for key, value in about["statistics"].items()},
        }
    return values


def _settings(outcome, searched):
    """What the network, its training and the searches were, in the ledger's terms."""
    config, profile = ResNetConfig(), outcome["profile"]
    return {
        "spectra.range": [int(LUCAS_AXIS_NM[0]), int(LUCAS_AXIS_NM[-1])],
        "spectra.step": int(LUCAS_AXIS_NM[1] - LUCAS_AXIS_NM[0]),
        "spectra.channels": len(LUCAS_AXIS_NM),
        "network.average_pooling": config.pool,
        "network.pooled": len(WINDOW_NM),
        "network.convolution.filters": config.n_filters,
        "network.convolution.kernel": config.kernel_size,
        "network.leaky_slope": config.negative_slope,
        "network.residual_blocks": config.n_blocks,
        "network.last_convolution.filters": config.n_last,
        "network.dense": list(config.hidden),
        "network.outputs": config.n_outputs,
        "network.l2": config.l2,
        "training.learning_rate": PAPER.learning_rate,
        "training.epochs": profile.target_recipe.max_epochs,
        "training.patience": profile.target_recipe.patience,
        "split.rounds": profile.n_rounds,
        "shap.background.ph": profile.n_explained,
        "shap.explained.ph": profile.n_explained,
        "shap.background.pb": outcome["domains"]["gejiu"]["n"],
        "pls.components": float(searched["pls_pb"].median()),
        "svm.c": float(searched["svm_pb"].median()),
    }


def _orderings(log, boxcox):
    """Share of rounds in which each claimed comparison holds."""
    gap, claims = log["r2_train"] - log["r2"], {}
    for metric, end, beside in (("r2", "highest", "above"), ("rmse", "lowest", "below"), ("rpd", "highest", "above")):
        better = log[metric] if beside == "above" else -log[metric]
        claims[f"{metric}.transfer_{end}"] = better[list(FOUR_MODELS)].idxmax(axis=1) == "resnet_ph_pb"
        claims[f"{metric}.svm_{beside}_pls"] = better["svm_pb"] > better["pls_pb"]
        claims[f"{metric}.pls_{beside}_resnet_pb"] = better["pls_pb"] > better["resnet_pb"]
        claims[f"boxcox.{metric}_below_log"] = boxcox[metric]["resnet_ph_pb"] < log[metric]["resnet_ph_pb"]
    claims["overfitting.transfer_below_resnet_pb"] = gap["resnet_ph_pb"] < gap["resnet_pb"]
    return {f"order.{name}": share_of(holds) for name, holds in claims.items()}


def _spread(r2):
    """Share of resamplings of the rounds in which R2 of ResNet-pH-Pb has the smallest deviation of the four models."""
    name = "order.spread.transfer_smallest"
    if len(r2) < 3:
        return {name: {"value": None, "note": f"{len(r2)} rounds have no spread to speak of"}}
    rows = np.random.default_rng(0).integers(len(r2), size=(N_RESAMPLINGS, len(r2)))
    deviation = r2[list(FOUR_MODELS)].to_numpy()[rows].std(axis=1)
    holds = deviation.argmin(axis=1) == FOUR_MODELS.index("resnet_ph_pb")
    return {name: {"value": float(holds.mean()), "n": len(r2), "note": f"{N_RESAMPLINGS} resamplings of the rounds"}}


def window_profiles(outcome):
    """Share of each pooling window in all contributions, one row a round: {'ph': (n_rounds, 210), 'pb': ...}."""
    return {
        target: np.array([part["shap"]["windows"]["share"] for part in outcome[kind]])
        for target, kind in EXPLAINED.items()
    }


def _profiles(profiles, entries):
    """Orderings of bands and named wavelengths, from the contributions by pooling window."""
    centres, holds = window_centres(LUCAS_AXIS_NM, POOL), {}
    for name, entry in entries.items():
        rows = profiles.get(entry.get("element", "").lower())
        if name.startswith("order.band."):
            shares = pd.concat([band_shares(row, centres, [entry["band"]]) for row in rows])
            holds[name] = shares["share"] > shares["flat_share"]
        elif name.startswith("order.increase."):
            low, high = entry.get("band") or [_centre(name)] * 2
            inside = (centres >= low) & (centres <= high)
            holds[name] = profiles["pb"][:, inside].sum(axis=1) > profiles["ph"][:, inside].sum(axis=1)
        elif name.startswith("wavelength."):
            named = rows[:, centres == _centre(name)]
            holds[name] = (rows > named).sum(axis=1) < N_HIGHEST
    return {name: share_of(rounds) for name, rounds in holds.items()}


def _centre(name):
    """Centre of the pooling window that holds the wavelength with which the id of an entry ends."""
    place = np.searchsorted(WINDOW_NM, int(name.rsplit(".", 1)[1]), side="right") - 1
    return window_centres(LUCAS_AXIS_NM, POOL)[place]


def score_records(outcome):
    """Scores of every fit: of pH by both recipes, and of lead on both scales; R2, RMSE and RPD on the scale."""
    source, long = (
        pd.concat([part["scores"] for part in outcome[kind]] or [pd.DataFrame()]).assign(task="pH")
        for kind in ("source", "long")
    )
    lead = _joined(outcome["target"], "scores")
    return pd.concat(
        [
            source.assign(model="resnet_ph"),
            lead.assign(task="Pb, " + lead["scale"]),
            long.assign(model=long.get("recipe")),
        ]
    )


def configuration(outcome):
    """The network, the share of lead that no spectrum can know, and where the spectra come from."""
    domains = {name: about["provenance"] for name, about in outcome["domains"].items()}
    return {"network": asdict(ResNetConfig()), "unknown_share": UNKNOWN_SHARE, "domains": domains}


def tables(outcome):
    """What chapters show beside the ledger, {name: DataFrame}.

    source_scores : one row a recipe and round; source_history : one row a recipe, round and epoch
    scores : of lead, as the records of `target_round`; predictions : scale, round, observed and a column a model
    ph_predictions : observed and predicted of some soils of the first round
    shap_windows : target, round, window_nm (its first wavelength) and share in all contributions
    shap_channels : wavelength_nm, and mean absolute value over the rounds of ph and pb
    shap_peaks : target, round, rank, wavelength_nm; shap_additivity : target, round, gap
    randomised : target, part, randomisation, by_channel, by_window, of the first round
    depths, stopping : see `depth_round` and `stopping_round`; properties : source, source_r2 (on its test side),
    spearman (of the property with lead), round, r2 (of ln Pb)
    """
    fits, target = [*outcome["source"], *outcome["long"]], outcome["target"]
    first = {name: outcome[kind][0]["randomised"] for name, kind in EXPLAINED.items()}
    channels = {
        name: np.mean([part["shap"]["channels"] for part in outcome[kind]], axis=0) for name, kind in EXPLAINED.items()
    }
    return {
        "source_scores": _joined(fits, "scores"),
        "source_history": _joined(fits, "history"),
        "scores": _joined(target, "scores"),
        "predictions": _joined(target, "predictions"),
        "ph_predictions": outcome["source"][0]["shown"],
        "shap_channels": pd.DataFrame({"wavelength_nm": LUCAS_AXIS_NM, **channels}),
        **_explanations(outcome),
        "randomised": pd.concat([frame.assign(target=name) for name, frame in first.items()], ignore_index=True),
        **{kind: pd.concat(outcome[kind], ignore_index=True) for kind in ("depths", "stopping", "properties")},
    }


def _explanations(outcome):
    """Tables of what `explain` gives, by target and round."""
    explained = {
        (target, place): part["shap"] for target, kind in EXPLAINED.items() for place, part in enumerate(outcome[kind])
    }
    return {
        f"shap_{name}": pd.concat(
            {key: shap[name] for key, shap in explained.items()}, names=["target", "round"]
        ).reset_index(["target", "round"])
        for name in ("windows", "peaks", "additivity")
    }
