"""How is a run of the Gejiu study kept, so that it can be stopped, resumed, recorded and judged?"""

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.stats import kurtosis, skew, variation

from spectrakit import runs as finished
from spectrakit.explain import band_shares, randomisation_test, shap_values, window_centres
from spectrakit.models import ResNetConfig, load_network, save_network
from spectrakit.resources import data_path
from spectrakit.runs import mean_of, record_of, share_of, table_columns
from spectrakit.simulate.soils import UNKNOWN_SHARE
from spectrakit.spectra import LUCAS_AXIS_NM, one_of
from spectrakit.studies.gejiu.assigned_bands import band_distances
from spectrakit.studies.gejiu.protocol import (
    POOL,
    PROFILES,
    WINDOW_NM,
    Profile,
    compared_properties,
    depth_round,
    explain_source,
    explain_target,
    fit_source,
    property_transfer,
    source_domain,
    stopping_round,
    target_domain,
    target_round,
)
from spectrakit.training import PAPER, predict

DIRECT = ("resnet_pb", "pls_pb", "svm_pb")
FOUR_MODELS = (*DIRECT, "resnet_ph_pb")
# Windows that count as the highest tenth of a profile, see the head of data/published/gejiu.yml.
N_HIGHEST = len(WINDOW_NM) // 10
N_RESAMPLINGS = 2000
# Soils of the source domain whose predictions are recorded, for a figure.
N_SHOWN = 500
METRICS = ("r2", "rmse", "rpd")
# The two targets, with the parts in which their networks are explained.
EXPLAINED = {"ph": "source", "pb": "target"}


@dataclass
class _Study:
    """All that a part depends on; the domains are made when a part needs them.

    data : folder of measured spectra or None; folder : of the networks' weights; both as every worker names them
    """

    profile: Profile
    random_state: int
    data: Path | None
    folder: Path

    @cached_property
    def source(self):
        return source_domain(self.profile, self.random_state, self.data)

    @cached_property
    def target(self):
        return target_domain(self.profile, self.random_state, self.data)

    def seed(self, round_):
        return self.random_state + round_

    def weights(self, name):
        return self.folder / f"{name}.safetensors"

    def source_network(self, round_):
        return load_network(self.weights(f"ph-{round_}"))[0]


def replicate(profile_name="quick", random_state=0, folder=None, data=None, progress=None, runner=None):
    """Run the study; returns a dict of what its parts found, as `record` takes it.

    profile_name : 'quick' or 'paper'
    folder : where finished parts are kept, so that a stopped run goes on where it was; None to keep nothing
    data : folder of measured spectra, LUCAS in its folder lucas and Gejiu in gejiu; None to simulate them
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1
    runner : of `cluster.task_runner`, which works off the parts; None for this process. The workers of a cluster write
        weights to the folder of finished parts, so they must see it
    Raises ValueError for an unknown profile, TableError for measured files that cannot be read.
    """
    one_of("profile", profile_name, PROFILES)
    profile = PROFILES[profile_name]
    with TemporaryDirectory() as temporary:
        kept = finished.FinishedParts(folder or temporary, run_key(profile, random_state, data))
        study = _Study(profile, random_state, data and Path(data).resolve(), kept.folder.resolve())
        return _run_parts(finished.Run(kept, progress, runner=runner), study)


def run_key(profile, random_state, data=None):
    """A short name of configuration, code, the simulation's tables and measured files (name, size and time)."""
    files = [] if data is None else sorted(path for path in Path(data).rglob("*") if path.is_file())
    about = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    tables = [*data_path("soils").glob("*.csv"), *data_path("bands").glob("*.csv")]
    return finished.run_key(asdict(profile), random_state, about, data=tables)


def _run_parts(run, study):
    """Every part of the study in turn; what they found, by kind."""
    profile, found = study.profile, {"profile": asdict(study.profile), "seed": study.random_state}
    found |= run.part("soils", "soils of both domains", lambda report: _soils(study), size=0)
    rounds, some = range(profile.n_rounds), range(min(profile.n_rounds, profile.n_experiment_rounds))
    # Kind, words, what tells the parts from each other, about how many minutes each takes in the paper profile. The
    # longest come last: whoever stops there has all the others.
    plan = (
        ("source", "ResNet-pH, round", rounds, 1.2),
        ("target", "lead, round", rounds, 0.25),
        ("depths", "freeze or tune, round", some, 0.6),
        ("stopping", "early stopping on the test side, round", some, 0.3),
        ("properties", "source property", found["compared"], 0.4),
        ("long", "ResNet-pH by the paper's recipe, round", range(len(profile.long_recipes)), 18),
    )
    run.total = sum(len(parts) * minutes for _, _, parts, minutes in plan)
    # All others start from the networks of the source domain.
    for kinds in (plan[:1], plan[1:]):
        tasks = {
            f"{kind}-{place}": (f"{words} {place + 1}", (kind, part), minutes)
            for kind, words, parts, minutes in kinds
            for place, part in enumerate(parts)
        }
        results = run.parts(_part, study, tasks)
        found |= {kind: [results[f"{kind}-{place}"] for place in range(len(parts))] for kind, _, parts, _ in kinds}
    return found


def _part(study, task, report):
    """What the part of a kind gives that a round, a recipe's place or (name, properties) tells from others of it."""
    kind, part = task
    return _PARTS[kind](study, part, report)


def _soils(study):
    """What is known of both domains before any model: counts, statistics of the targets, provenance, sources."""
    names = compared_properties(study.source, study.profile.n_properties)
    compared = [["nothing", []], *([name, [name]] for name in names), ["all of them", names]]
    about = {}
    for name, soils in (("lucas", study.source), ("gejiu", study.target)):
        training, test = soils.rounds[0]
        about[name] = {
            "n": len(soils),
            "n_train": len(training),
            "n_test": len(test),
            "statistics": statistics(soils.target),
            "provenance": soils.provenance,
        }
    return {"domains": about, "compared": compared}


def statistics(values):
    """Range, mean, median, standard deviation, coefficient of variation, skewness and excess kurtosis, over n."""
    measures = {"min": np.min, "max": np.max, "mean": np.mean, "median": np.median, "sd": np.std}
    measures |= {"cv": variation, "skewness": skew, "kurtosis": kurtosis}
    return {name: float(measure(values)) for name, measure in measures.items()}


def _source_part(study, round_, report):
    soils, profile, seed = study.source, study.profile, study.seed(round_)
    network, scores, history = fit_source(soils, round_, profile.source_recipe, seed, report)
    found = _about_fit(profile.source_recipe, round_, scores, history)
    found["shap"] = explain_source(network, soils, round_, profile, seed)
    if round_ == 0:
        X, (training, test) = soils.log_reflectance, soils.rounds[0]
        # Some tens of soils are enough for a rank correlation of profiles.
        found["randomised"] = _randomised(network, X[training[:100]], X[test[:50]], profile)
        shown = test[:N_SHOWN]
        predicted = predict(network, X[shown])[:, 0]
        found["shown"] = {"observed": soils.target[shown].tolist(), "predicted": predicted.tolist()}
    # The weights first: a part that is finished has them.
    save_network(network, study.weights(f"ph-{round_}"), {"scores": scores, "seed": seed})
    return found


def _about_fit(recipe, round_, scores, history):
    return {"recipe": recipe.name, "round": round_, "scores": scores, "history": history.to_dict("list")}


def _target_part(study, round_, report):
    source, records, predictions, networks = study.source_network(round_), [], {}, {}
    for scale in ("log", "box-cox"):
        more, predictions[scale], networks[scale] = target_round(
            source, study.target, round_, scale, study.profile.target_recipe, study.seed(round_)
        )
        records += more
    network = networks["log"]
    found = {"records": records, "predictions": predictions}
    found["shap"] = explain_target(network, study.target, round_, study.profile, study.seed(round_))
    if round_ == 0:
        X, (_, test) = study.target.log_reflectance, study.target.rounds[0]
        found["randomised"] = _randomised(network, X, X[test], study.profile)
    return found


def _long_part(study, place, report):
    recipe = study.profile.long_recipes[place]
    checkpoint = study.folder / f"long-{place}.checkpoint"
    _, scores, history = fit_source(study.source, 0, recipe, study.seed(0), report, checkpoint)
    return _about_fit(recipe, 0, scores, history)


def _depth_part(study, round_, report):
    source, profile = study.source_network(round_), study.profile
    return depth_round(source, study.target, round_, profile.train_sizes, profile.target_recipe, study.seed(round_))


def _stopping_part(study, round_, report):
    source, recipe = study.source_network(round_), study.profile.target_recipe
    return stopping_round(source, study.target, round_, recipe, study.seed(round_))


def _property_part(study, compared, report):
    name, names = compared
    return property_transfer(name, names, study.source, study.target, study.profile, study.random_state)


_PARTS = {
    "source": _source_part,
    "target": _target_part,
    "depths": _depth_part,
    "stopping": _stopping_part,
    "properties": _property_part,
    "long": _long_part,
}


def _randomised(network, background, explained, profile):
    n_points, repeats = profile.n_points, profile.n_randomisations
    values = shap_values(network, background, explained, n_samples=n_points)
    table = randomisation_test(network, background, explained, values, n_randomisations=repeats, n_samples=n_points)
    return table.to_dict("list")


# --- the ledger's side ----------------------------------------------------------------------------------


def ledger_results(found, published):
    """Our side of the ledger, id to {value, sd, n, note}.

    found : as `replicate` gives; published : as `ledger.load_published` gives
    """
    entries = published["entries"]
    source = pd.DataFrame([part["scores"] for part in found["source"]])
    tables = _by_model(found)
    log, boxcox = tables["log"], tables["box-cox"]
    results = _settings(found, log["searched"]) | _inputs(found)
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
    results |= _orderings(log, boxcox) | _spread(r2) | _profiles(found, entries)
    return results | {name: {"value": value} for name, value in band_distances(entries).items()}


def _by_model(found):
    """For both scales: DataFrame with columns (score, model), one row a round."""
    values = [*METRICS, "rmse_log", "r2_train", "searched"]
    groups = scores_table(found).groupby("scale")
    return {scale: group.pivot(index="round", columns="model", values=values) for scale, group in groups}


def scores_table(found):
    """Scores of every model of lead: DataFrame, one row a model, scale and round; see `gejiu.target_round`."""
    return pd.DataFrame([record for part in found["target"] for record in part["records"]])


def _inputs(found):
    results = {}
    for name, target in (("lucas", "ph"), ("gejiu", "pb")):
        about = found["domains"][name]
        results[f"samples.{name}"] = {"value": about["n"]}
        results |= {f"samples.{name}.{side}": {"value": about[f"n_{side}"]} for side in ("train", "test")}
        results |= {f"stat.{target}.{key}": {"value": value} for key, value in about["statistics"].items()}
    return results


def _settings(found, searched):
    """What the network, its training and the searches were, in the ledger's terms."""
    config, profile = ResNetConfig(), found["profile"]
    values = {
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
        "training.epochs": profile["target_recipe"]["max_epochs"],
        "training.patience": profile["target_recipe"]["patience"],
        "split.rounds": profile["n_rounds"],
        "shap.background.ph": profile["n_explained"],
        "shap.explained.ph": profile["n_explained"],
        "shap.background.pb": found["domains"]["gejiu"]["n"],
        "pls.components": float(searched["pls_pb"].median()),
        "svm.c": float(searched["svm_pb"].median()),
    }
    return {name: {"value": value} for name, value in values.items()}


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
    """Share of resamplings of the rounds in which R2 of ResNet-pH-Pb has the least deviation of the four models."""
    name = "order.spread.transfer_smallest"
    if len(r2) < 3:
        return {name: {"value": None, "note": f"{len(r2)} rounds have no spread to speak of"}}
    rows = np.random.default_rng(0).integers(len(r2), size=(N_RESAMPLINGS, len(r2)))
    deviation = r2[list(FOUR_MODELS)].to_numpy()[rows].std(axis=1)
    holds = deviation.argmin(axis=1) == FOUR_MODELS.index("resnet_ph_pb")
    return {name: {"value": float(holds.mean()), "n": len(r2), "note": f"{N_RESAMPLINGS} resamplings of the rounds"}}


def window_profiles(found):
    """Share of each pooling window in all contributions, one row a round: {'ph': (n_rounds, 210), 'pb': ...}."""
    values = {target: [part["shap"]["by_window"] for part in found[kind]] for target, kind in EXPLAINED.items()}
    return {target: rows / np.sum(rows, axis=1, keepdims=True) for target, rows in values.items()}


def _profiles(found, entries):
    """Orderings of bands and named wavelengths, from the contributions by pooling window."""
    profiles, centres = window_profiles(found), window_centres(LUCAS_AXIS_NM, POOL)
    holds = {}
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
            own = rows[:, centres == _centre(name)]
            holds[name] = (rows > own).sum(axis=1) < N_HIGHEST
    return {name: share_of(rounds) for name, rounds in holds.items()}


def _centre(name):
    """Centre of the pooling window that holds the wavelength with which the id of an entry ends."""
    place = np.searchsorted(WINDOW_NM, int(name.rsplit(".", 1)[1]), side="right") - 1
    return window_centres(LUCAS_AXIS_NM, POOL)[place]


# --- what is recorded and shown -------------------------------------------------------------------------


def score_frame(found):
    """Mean and deviation over the rounds by model, lead on both scales: R2, RMSE and RPD on the scale, RMSE in ln."""
    source = pd.DataFrame([part["scores"] for part in found["source"]])
    frames = [source.assign(task="pH", model="resnet_ph")]
    frames += [frame.assign(task=f"Pb, {scale}") for scale, frame in scores_table(found).groupby("scale", sort=False)]
    frames += [pd.DataFrame([part["scores"]]).assign(task="pH", model=part["recipe"]) for part in found["long"]]
    columns = {"r2": "R2", "rmse": "RMSE", "rpd": "RPD", "rmse_log": "RMSE of ln Pb"}
    rows = []
    for frame in frames:
        for (task, model), group in frame.groupby(["task", "model"], sort=False):
            cells = {name: _with_deviation(group[key]) for key, name in columns.items() if key in group}
            rows.append({"task": task, "model": model} | cells)
    return pd.DataFrame(rows).set_index("task").fillna("")


def _with_deviation(values):
    deviation = f" ± {values.std(ddof=1):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.3f}{deviation}"


def record(found, published, profile_name, random_state):
    """A run as it is recorded in data/recorded: provenance, results by the ids of the ledger, and tables in `extras`.

    `extras` holds tidy tables as {column: list}, see `extra_tables`.
    """
    configuration = {
        "profile": found["profile"],
        "network": asdict(ResNetConfig()),
        "unknown_share": UNKNOWN_SHARE,
        "domains": {name: about["provenance"] for name, about in found["domains"].items()},
    }
    extras = {name: table_columns(table) for name, table in extra_tables(found).items()}
    return record_of(ledger_results(found, published), profile_name, configuration, random_state) | {"extras": extras}


def extra_tables(found):
    """What chapters show beside the ledger, {name: DataFrame}.

    source_scores : one row a recipe and round; source_history : one row a recipe, round and epoch
    scores : of lead, as `scores_table`; predictions : scale, round, observed and a column a model
    ph_predictions : observed and predicted of some soils of the first round
    shap_windows : target, round, window_nm (its first wavelength) and share in all contributions
    shap_channels : wavelength_nm, and mean absolute value over the rounds of ph and pb
    shap_peaks : target, round, rank, wavelength_nm; shap_additivity : target, round, gap
    randomised : target, part, randomisation, by_channel, by_window, of the first round
    depths, stopping, properties : see `gejiu.depth_round`, `stopping_round` and `property_transfer`
    """
    fits = [({"recipe": fit["recipe"], "round": fit["round"]}, fit) for fit in (*found["source"], *found["long"])]
    histories = [pd.DataFrame(fit["history"]).assign(**about).rename_axis("epoch").reset_index() for about, fit in fits]
    predictions = [
        pd.DataFrame(columns).assign(scale=scale, round=place)
        for place, part in enumerate(found["target"])
        for scale, columns in part["predictions"].items()
    ]
    explained = [
        ({"target": target, "round": place}, part["shap"])
        for target, kind in EXPLAINED.items()
        for place, part in enumerate(found[kind])
    ]
    windows = [
        pd.DataFrame({"target": target, "round": place, "window_nm": WINDOW_NM, "share": row})
        for target, rows in window_profiles(found).items()
        for place, row in enumerate(rows)
    ]
    ranks = [
        about | {"rank": rank, "wavelength_nm": nm}
        for about, shap in explained
        for rank, nm in enumerate(shap["peaks"], 1)
    ]
    channels = {
        target: np.mean([part["shap"]["by_channel"] for part in found[kind]], axis=0)
        for target, kind in EXPLAINED.items()
    }
    randomised = [
        pd.DataFrame(found[kind][0]["randomised"]).assign(target=target) for target, kind in EXPLAINED.items()
    ]
    return {
        "source_scores": pd.DataFrame([about | fit["scores"] for about, fit in fits]),
        "source_history": pd.concat(histories, ignore_index=True),
        "scores": scores_table(found),
        "predictions": pd.concat(predictions, ignore_index=True),
        "ph_predictions": pd.DataFrame(found["source"][0]["shown"]),
        "shap_windows": pd.concat(windows, ignore_index=True),
        "shap_channels": pd.DataFrame({"wavelength_nm": LUCAS_AXIS_NM, **channels}),
        "shap_peaks": pd.DataFrame(ranks),
        "shap_additivity": pd.DataFrame([about | {"gap": shap["additivity_gap"]} for about, shap in explained]),
        "randomised": pd.concat(randomised, ignore_index=True),
        **{kind: pd.DataFrame(chain.from_iterable(found[kind])) for kind in ("depths", "stopping", "properties")},
    }
