"""How is a run of the Gejiu study kept, so that it can be stopped, resumed, recorded and judged?"""

from dataclasses import asdict
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from scipy.stats import kurtosis, skew

from spectrakit import __version__
from spectrakit.explain.band_audit import randomisation_test
from spectrakit.explain.shap_values import band_shares, shap_values, window_centres
from spectrakit.models.resnet import ResNetConfig, load_network, save_network
from spectrakit.resources import data_path
from spectrakit.simulate.gejiu import UNKNOWN_SHARE
from spectrakit.studies import finished
from spectrakit.studies.gejiu import (
    AXIS_NM,
    POOL,
    PROFILES,
    WINDOW_NM,
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
from spectrakit.studies.gejiu_published import DIRECT, band_distances
from spectrakit.studies.libs_record import current_commit
from spectrakit.training.pretraining import PAPER, predict

FOUR_MODELS = (*DIRECT, "resnet_ph_pb")
# Windows that count as the highest tenth of a profile, see the head of data/published/gejiu.yml.
N_HIGHEST = len(WINDOW_NM) // 10
N_RESAMPLINGS = 2000
# About how long a part takes in the paper profile, in minutes: for the progress alone.
_MINUTES = {"soils": 0.3, "source": 1.2, "long": 18, "target": 0.25, "depths": 0.6, "stopping": 0.3, "property": 0.4}
# Soils of the source domain whose predictions are recorded, for a figure.
N_SHOWN = 500


class _Run:
    """A run under way: profile, seed, finished parts and the domains, which are made when a part needs them."""

    def __init__(self, profile, random_state, kept, data, progress):
        self.profile, self.random_state, self.kept, self.data = profile, random_state, kept, data
        self.progress = progress
        self.done, self.total = 0.0, 1.0

    @cached_property
    def source(self):
        return source_domain(self.profile, self.random_state, self.data)

    @cached_property
    def target(self):
        return target_domain(self.profile, self.random_state, self.data)

    def seed(self, round_):
        return self.random_state + round_

    def weights(self, name):
        return self.kept.folder / f"{name}.safetensors"

    def source_network(self, round_):
        return load_network(self.weights(f"ph-{round_}"))[0]

    def report(self, words, minutes, done=0, total=1):
        if self.progress is not None:
            self.progress(words, min((self.done + minutes * done / total) / self.total, 1.0))

    def part(self, kind, name, words, compute):
        """What a part gives, from the folder where it is finished; `compute` is called with a progress callback."""
        minutes = _MINUTES[kind]
        self.report(words, minutes)
        plain = self.kept.load(name)
        if plain is None:
            plain = compute(partial(self.report, words, minutes))
            self.kept.save(name, plain)
        self.done += minutes
        self.report(words, 0)
        return plain

    def parts(self, kind, places, words, compute):
        """What the parts of a kind give, a list; `compute` is called with this run, a place and a progress callback."""
        return [self.part(kind, f"{kind}-{i}", f"{words} {i + 1}", partial(compute, self, i)) for i in places]


def replicate(profile_name="quick", random_state=0, folder=None, data=None, progress=None):
    """Run the study; returns a dict of what its parts found, as `record` takes it.

    profile_name : 'quick' or 'paper'
    folder : where finished parts are kept, so that a stopped run goes on where it was; None to keep nothing
    data : folder of measured spectra, LUCAS in its folder lucas and Gejiu in gejiu; None to simulate them
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1
    Raises ValueError for an unknown profile, TableError for measured files that cannot be read.
    """
    if profile_name not in PROFILES:
        raise ValueError(f"no profile '{profile_name}'; there are: {', '.join(PROFILES)}")
    profile = PROFILES[profile_name]
    with TemporaryDirectory() as temporary:
        kept = finished.FinishedParts(folder or temporary, run_key(profile, random_state, data))
        return _run_parts(_Run(profile, random_state, kept, data, progress))


def run_key(profile, random_state, data=None):
    """A short name of configuration, code, the simulation's tables and measured files (name, size and time)."""
    files = [] if data is None else sorted(path for path in Path(data).rglob("*") if path.is_file())
    about = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    tables = [*data_path("soils").glob("*.csv"), *data_path("bands").glob("*.csv")]
    return finished.run_key(asdict(profile), random_state, about, data=tables)


def _run_parts(run):
    """Every part of the study in turn; what they found, by kind."""
    profile = run.profile
    rounds, some = range(profile.n_rounds), range(min(profile.n_rounds, profile.n_experiment_rounds))
    n_parts = {
        "soils": 1,
        "source": len(rounds),
        "long": len(profile.long_recipes),
        "target": len(rounds),
        "depths": len(some),
        "stopping": len(some),
        "property": profile.n_properties + 3,
    }
    run.total = sum(_MINUTES[kind] * number for kind, number in n_parts.items())
    found = {"profile": asdict(profile), "seed": run.random_state}
    found |= run.part("soils", "soils", "soils of both domains", lambda report: _soils(run))
    # How many properties are known is not before the soils are.
    run.total -= _MINUTES["property"] * (n_parts["property"] - len(found["compared"]))

    found["source"] = run.parts("source", rounds, "ResNet-pH, round", _source_part)
    found["target"] = run.parts("target", rounds, "lead, round", _target_part)
    found["depths"] = run.parts("depths", some, "freeze or tune, round", _depth_part)
    found["stopping"] = run.parts("stopping", some, "early stopping on the test side, round", _stopping_part)
    compute = partial(_property_part, found["compared"])
    found["properties"] = run.parts("property", range(len(found["compared"])), "source property", compute)
    # The longest part last: whoever stops there has all the others.
    places = range(len(profile.long_recipes))
    found["long"] = run.parts("long", places, "ResNet-pH by the paper's recipe, round", _long_part)
    return found


def _soils(run):
    """What is known of both domains before any model: counts, statistics of the targets, provenance, sources."""
    names = compared_properties(run.source, run.profile.n_properties)
    compared = [["nothing", []], *([name, [name]] for name in names), ["all of them", names]]
    about = {}
    for name, soils in (("lucas", run.source), ("gejiu", run.target)):
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
    return {
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "sd": float(np.std(values)),
        "cv": float(np.std(values) / np.mean(values)),
        "skewness": float(skew(values)),
        "kurtosis": float(kurtosis(values)),
    }


def _source_part(run, round_, report):
    soils, profile, seed = run.source, run.profile, run.seed(round_)
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
    save_network(network, run.weights(f"ph-{round_}"), {"scores": scores, "seed": seed})
    return found


def _about_fit(recipe, round_, scores, history):
    return {"recipe": recipe.name, "round": round_, "scores": scores, "history": history.to_dict("list")}


def _target_part(run, round_, report):
    source, records, predictions, networks = run.source_network(round_), [], {}, {}
    for scale in ("log", "box-cox"):
        more, predictions[scale], networks[scale] = target_round(
            source, run.target, round_, scale, run.profile.target_recipe, run.seed(round_)
        )
        records += more
    network = networks["log"]
    found = {"records": records, "predictions": predictions}
    found["shap"] = explain_target(network, run.target, round_, run.profile, run.seed(round_))
    if round_ == 0:
        X, (_, test) = run.target.log_reflectance, run.target.rounds[0]
        found["randomised"] = _randomised(network, X, X[test], run.profile)
    return found


def _long_part(run, place, report):
    recipe = run.profile.long_recipes[place]
    checkpoint = run.kept.folder / f"long-{place}.checkpoint"
    _, scores, history = fit_source(run.source, 0, recipe, run.seed(0), report, checkpoint)
    return _about_fit(recipe, 0, scores, history)


def _depth_part(run, round_, report):
    return depth_round(
        run.source_network(round_),
        run.target,
        round_,
        run.profile.train_sizes,
        run.profile.target_recipe,
        run.seed(round_),
    )


def _stopping_part(run, round_, report):
    return stopping_round(run.source_network(round_), run.target, round_, run.profile.target_recipe, run.seed(round_))


def _property_part(compared, run, place, report):
    name, names = compared[place]
    return property_transfer(name, names, run.source, run.target, run.profile, run.random_state)


def _randomised(network, background, explained, profile):
    values = shap_values(network, background, explained, n_samples=profile.n_points)
    n_randomisations = profile.n_randomisations
    table = randomisation_test(
        network, background, explained, values, n_randomisations=n_randomisations, n_samples=profile.n_points
    )
    return table.to_dict("list")


# --- the ledger's side ----------------------------------------------------------------------------------


def ledger_results(found, published):
    """Our side of the ledger, id to {value, sd, n, note}.

    found : as `replicate` gives; published : as `ledger.load_published` gives
    """
    entries = published["entries"]
    source = pd.DataFrame([part["scores"] for part in found["source"]])
    results = _settings(found) | _inputs(found)
    results |= {f"{metric}.resnet_ph": _summary(source[metric]) for metric in ("r2", "rmse", "rpd")}
    tables = _by_model(found)
    for model in FOUR_MODELS:
        results |= {f"{metric}.{model}": _summary(tables["log"][metric][model]) for metric in ("r2", "rmse", "rpd")}
    results |= {
        f"{metric}.resnet_ph_pb.boxcox": _summary(tables["box-cox"][metric]["resnet_ph_pb"])
        for metric in ("r2", "rmse", "rpd")
    }
    r2 = tables["log"]["r2"]
    for entry_id in (name for name in entries if name.startswith("difference.")):
        _, model, other = entry_id.split(".")
        results[entry_id] = _summary(r2[model] - r2[other])
    results["r2_max.direct"] = {"value": float(r2[list(DIRECT)].mean().max()), "n": len(r2)}
    results["r2_min.resnet_ph_pb"] = _summary(r2["resnet_ph_pb"])
    results |= _orderings(tables) | _spread(r2) | _profiles(found, entries)
    return results | {name: {"value": value} for name, value in band_distances(entries).items()}


def _by_model(found):
    """For both scales: DataFrame with columns (score, model), one row a round."""
    records = scores_table(found)
    values = ["r2", "rmse", "rpd", "rmse_log", "r2_train", "searched"]
    return {
        scale: group.pivot(index="round", columns="model", values=values) for scale, group in records.groupby("scale")
    }


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


def _settings(found):
    """What the network, its training and the searches were, in the ledger's terms."""
    config, profile = ResNetConfig(), found["profile"]
    searched = _by_model(found)["log"]["searched"]
    values = {
        "spectra.range": [int(AXIS_NM[0]), int(AXIS_NM[-1])],
        "spectra.step": int(AXIS_NM[1] - AXIS_NM[0]),
        "spectra.channels": len(AXIS_NM),
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


def _orderings(tables):
    """Share of rounds in which each claimed comparison holds."""
    log, boxcox = tables["log"], tables["box-cox"]
    r2, rmse, rpd = (log[metric][list(FOUR_MODELS)] for metric in ("r2", "rmse", "rpd"))
    gap = log["r2_train"] - log["r2"]
    transfer = {
        metric: (log[metric]["resnet_ph_pb"], boxcox[metric]["resnet_ph_pb"]) for metric in ("r2", "rmse", "rpd")
    }
    claims = {
        "r2.transfer_highest": r2.idxmax(axis=1) == "resnet_ph_pb",
        "r2.svm_above_pls": r2["svm_pb"] > r2["pls_pb"],
        "r2.pls_above_resnet_pb": r2["pls_pb"] > r2["resnet_pb"],
        "rmse.transfer_lowest": rmse.idxmin(axis=1) == "resnet_ph_pb",
        "rmse.svm_below_pls": rmse["svm_pb"] < rmse["pls_pb"],
        "rmse.pls_below_resnet_pb": rmse["pls_pb"] < rmse["resnet_pb"],
        "rpd.transfer_highest": rpd.idxmax(axis=1) == "resnet_ph_pb",
        "rpd.svm_above_pls": rpd["svm_pb"] > rpd["pls_pb"],
        "rpd.pls_above_resnet_pb": rpd["pls_pb"] > rpd["resnet_pb"],
        "overfitting.transfer_below_resnet_pb": gap["resnet_ph_pb"] < gap["resnet_pb"],
        **{f"boxcox.{metric}_below_log": other < own for metric, (own, other) in transfer.items()},
    }
    return {f"order.{name}": _share(holds) for name, holds in claims.items()}


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
    profiles = {}
    for target, kind in (("ph", "source"), ("pb", "target")):
        values = np.array([part["shap"]["by_window"] for part in found[kind]])
        profiles[target] = values / values.sum(axis=1, keepdims=True)
    return profiles


def _profiles(found, entries):
    """Orderings of bands and named wavelengths, from the contributions by pooling window."""
    profiles, centres = window_profiles(found), window_centres(AXIS_NM, POOL)
    results = {}
    for name, entry in entries.items():
        if name.startswith("order.band."):
            shares = [band_shares(row, centres, [entry["band"]]).iloc[0] for row in profiles[entry["element"].lower()]]
            results[name] = _share(np.array([share["share"] > share["flat_share"] for share in shares]))
        elif name.startswith("order.increase."):
            inside = _windows(name, entry, centres)
            contributions = {target: rows[:, inside].sum(axis=1) for target, rows in profiles.items()}
            results[name] = _share(contributions["pb"] > contributions["ph"])
        elif name.startswith("wavelength."):
            rows = profiles[entry["element"].lower()]
            place = np.searchsorted(WINDOW_NM, entry["value"], side="right") - 1
            among = (rows > rows[:, [place]]).sum(axis=1) < N_HIGHEST
            results[name] = _share(among)
    return results


def _windows(name, entry, centres):
    """Which windows (210,) an entry of order.increase means: those of its band, else the one at its wavelength."""
    if "band" in entry:
        return (centres >= entry["band"][0]) & (centres <= entry["band"][1])
    place = np.searchsorted(WINDOW_NM, int(name.rsplit(".", 1)[1]), side="right") - 1
    return np.arange(len(WINDOW_NM)) == place


def _summary(values):
    # One round has no deviation, and JSON no NaN.
    deviation = {"sd": float(values.std(ddof=1))} if len(values) > 1 else {}
    return {"value": float(values.mean()), **deviation, "n": len(values)}


def _share(holds):
    return {"value": float(np.mean(holds)), "n": len(holds)}


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
    provenance = {
        "profile": profile_name,
        "config": {
            "profile": found["profile"],
            "network": asdict(ResNetConfig()),
            "unknown_share": UNKNOWN_SHARE,
            "domains": {name: about["provenance"] for name, about in found["domains"].items()},
        },
        "seed": random_state,
        "commit": current_commit(),
        "version": __version__,
    }
    extras = {name: _columns(table) for name, table in extra_tables(found).items()}
    return {"provenance": provenance, "results": ledger_results(found, published), "extras": extras}


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
    fits = [*found["source"], *found["long"]]
    about = [{"recipe": fit["recipe"], "round": fit["round"]} for fit in fits]
    histories = [
        pd.DataFrame(fit["history"]).assign(**names).rename_axis("epoch").reset_index()
        for fit, names in zip(fits, about, strict=True)
    ]
    predictions = [
        pd.DataFrame(part["predictions"][scale]).assign(scale=scale, round=place)
        for place, part in enumerate(found["target"])
        for scale in part["predictions"]
    ]
    explained = [
        (target, place, part["shap"])
        for target, kind in (("ph", "source"), ("pb", "target"))
        for place, part in enumerate(found[kind])
    ]
    windows = [
        pd.DataFrame({"target": target, "round": place, "window_nm": WINDOW_NM, "share": row})
        for target, rows in window_profiles(found).items()
        for place, row in enumerate(rows)
    ]
    ranks = [
        {"target": target, "round": place, "rank": rank + 1, "wavelength_nm": nm}
        for target, place, shap in explained
        for rank, nm in enumerate(shap["peaks"])
    ]
    channels = {
        target: np.mean([shap["by_channel"] for of, _, shap in explained if of == target], axis=0)
        for target in ("ph", "pb")
    }
    randomised = [
        pd.DataFrame(found[kind][0]["randomised"]).assign(target=target)
        for target, kind in (("ph", "source"), ("pb", "target"))
    ]
    gaps = [{"target": target, "round": place, "gap": shap["additivity_gap"]} for target, place, shap in explained]
    return {
        "source_scores": pd.DataFrame([names | fit["scores"] for names, fit in zip(about, fits, strict=True)]),
        "source_history": pd.concat(histories, ignore_index=True),
        "scores": scores_table(found),
        "predictions": pd.concat(predictions, ignore_index=True),
        "ph_predictions": pd.DataFrame(found["source"][0]["shown"]),
        "shap_windows": pd.concat(windows, ignore_index=True),
        "shap_channels": pd.DataFrame({"wavelength_nm": AXIS_NM, **channels}),
        "shap_peaks": pd.DataFrame(ranks),
        "shap_additivity": pd.DataFrame(gaps),
        "randomised": pd.concat(randomised, ignore_index=True),
        "depths": pd.DataFrame(chain.from_iterable(found["depths"])),
        "stopping": pd.DataFrame(chain.from_iterable(found["stopping"])),
        "properties": pd.DataFrame(chain.from_iterable(found["properties"])),
    }


def _columns(table):
    """A table as {column: list} for JSON: five significant digits, null for what is not there."""
    return {name: [_plain(value) for value in column] for name, column in table.items()}


def _plain(value):
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
