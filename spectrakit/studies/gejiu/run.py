"""The Gejiu study as kept parts: the soils, networks of both domains by round, and the experiments."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from spectrakit.explain import randomisation_test, shap_values
from spectrakit.models import ResNetConfig, initial_network
from spectrakit.studies.gejiu import results
from spectrakit.studies.gejiu.domains import source_domain, statistics, target_domain
from spectrakit.studies.gejiu.experiments import (
    compared_properties,
    depth_round,
    pretrain_on,
    property_round,
    property_spearman,
    source_config,
    stopping_round,
)
from spectrakit.studies.gejiu.protocol import (
    PROFILES,
    SCALES,
    explain_source,
    explain_target,
    fit_source,
    settings,
    target_round,
)
from spectrakit.studies.study import Inputs, Study
from spectrakit.training import predict

# Soils of the source domain whose predictions are recorded, for a figure.
N_SHOWN = 500


@dataclass(frozen=True)
class Domains(Inputs):
    """The soils of both domains."""

    @cached_property
    def source(self):
        """`Domain` of pH."""
        return source_domain(self.profile, self.random_state, self.data)

    @cached_property
    def target(self):
        """`Domain` of lead."""
        return target_domain(self.profile, self.random_state, self.data)


def domains_part(inputs, report):
    """What is known of both domains before any model, and the source properties that are compared."""
    about = {}
    for name, soils in (("lucas", inputs.source), ("gejiu", inputs.target)):
        n_training, n_test = map(len, soils.rounds[0])
        about[name] = {"n": len(soils), "n_train": n_training, "n_test": n_test, "provenance": soils.provenance}
        about[name]["statistics"] = statistics(soils.target)
    return {"about": about, "compared": compared_properties(inputs.source, inputs.profile.n_properties)}


def source_part(inputs, parts, round_, report):
    """ResNet-pH of a round, explained."""
    soils, profile, seed = inputs.source, inputs.profile, inputs.random_state + round_
    network, scores, history = fit_source(soils, round_, profile.source_recipe, seed, report)
    part = _fit_tables(profile.source_recipe, round_, scores, history) | {"network": network.state_dict()}
    part["shap"] = explain_source(network, soils, round_, profile, seed)
    if round_ == 0:
        X, (training, test) = soils.log_reflectance, soils.rounds[0]
        # Some tens of soils are enough for a rank correlation of profiles.
        part["randomised"] = _randomised(network, X[training[:100]], X[test[:50]], profile)
        shown = test[:N_SHOWN]
        part["shown"] = pd.DataFrame(
            {"observed": soils.target[shown], "predicted": predict(network, X[shown])[:, 0]}
        )
    return part


def _fit_tables(recipe, round_, scores, history):
    about = {"recipe": recipe.name, "round": round_}
    history = history.assign(**about).rename_axis("epoch").reset_index()
    return {"scores": pd.DataFrame([about | scores]), "history": history}


def _randomised(network, background, explained, profile):
    n_points, repeats = profile.n_points, profile.n_randomisations
    values = shap_values(network, background, explained, n_samples=n_points)
    return randomisation_test(network, background, explained, values, n_randomisations=repeats, n_samples=n_points)


def _network(state, config=ResNetConfig()):
    network = initial_network(config, 0, np.zeros(1))
    network.load_state_dict(state)
    return network.eval()


def _source_network(parts, round_):
    return _network(parts[f"source-{round_}"]["network"])


def target_part(inputs, parts, round_, report):
    """All models of lead in a round, on both scales, and ResNet-pH-Pb explained."""
    soils, profile, seed = inputs.target, inputs.profile, inputs.random_state + round_
    source, records, predictions, networks = _source_network(parts, round_), [], [], {}
    for scale in SCALES:
        more, predicted, networks[scale] = target_round(source, soils, round_, scale, profile.target_recipe, seed)
        records += more
        predictions.append(predicted.assign(scale=scale, round=round_))
    part = {"scores": pd.DataFrame(records), "predictions": pd.concat(predictions)}
    part["shap"] = explain_target(networks["log"], soils, round_, profile, seed)
    if round_ == 0:
        X, (_, test) = soils.log_reflectance, soils.rounds[0]
        part["randomised"] = _randomised(networks["log"], X, X[test], profile)
    return part


def depths_part(inputs, parts, round_, report):
    """`depth_round` of a round."""
    profile, source, seed = inputs.profile, _source_network(parts, round_), inputs.random_state + round_
    sizes, recipe = profile.train_sizes, profile.target_recipe
    return pd.DataFrame(depth_round(source, inputs.target, round_, sizes, recipe, seed))


def stopping_part(inputs, parts, round_, report):
    """`stopping_round` of a round."""
    source, seed = _source_network(parts, round_), inputs.random_state + round_
    return pd.DataFrame(stopping_round(source, inputs.target, round_, inputs.profile.target_recipe, seed))


def pretrained_part(inputs, parts, name, report):
    """A network of some properties of the source domain."""
    names, profile, seed = parts["domains"]["compared"][name], inputs.profile, inputs.random_state
    network, score = pretrain_on(inputs.source, names, profile.n_compared, profile.source_recipe, seed)
    about = {"source": name, "source_r2": score, "spearman": property_spearman(inputs.target, names)}
    return {"about": about, "network": network.state_dict()}


def properties_part(inputs, parts, name, round_, report):
    """Lead in a round, after pretraining on some properties."""
    pretrained, seed = parts[f"pretrained-{name}"], inputs.random_state + round_
    source = _network(pretrained["network"], source_config(parts["domains"]["compared"][name]))
    score = property_round(source, inputs.target, round_, inputs.profile.target_recipe, seed)
    return pd.DataFrame([pretrained["about"] | {"round": round_, "r2": score}])


def long_part(inputs, parts, place, report):
    """ResNet-pH of the first round by a longer recipe."""
    recipe, checkpoint = inputs.profile.long_recipes[place], inputs.folder / f"long-{place}.checkpoint"
    _, scores, history = fit_source(inputs.source, 0, recipe, inputs.random_state, report, checkpoint)
    return _fit_tables(recipe, 0, scores, history)


def plan(profile, domains):
    """The parts after the soils, see `Study`; the longest come last, so that whoever stops there has all the others."""
    rounds = [(place,) for place in range(profile.n_rounds)]
    some = rounds[: profile.n_experiment_rounds]
    names = [(name,) for name in domains["compared"]]
    recipes = [(place,) for place in range(len(profile.long_recipes))]
    return [
        # All others start from the networks of the source domain.
        _stage("source", "ResNet-pH", rounds, 1.2),
        _stage("target", "lead", rounds, 0.25)
        | _stage("depths", "freeze or tune", some, 0.6)
        | _stage("stopping", "early stopping on the test side", some, 0.3)
        | _stage("pretrained", "source property", names, 0.3),
        _stage("properties", "lead after", [(*name, *round_) for name in names for round_ in some], 0.02)
        | _stage("long", "ResNet-pH by the paper's recipe", recipes, 18),
    ]


def _stage(kind, words, arguments, minutes):
    """Parts of a kind; places in `arguments` are counted from 0, in the words from 1."""
    stage = {}
    for each in arguments:
        label = ", ".join(f"round {part + 1}" if isinstance(part, int) else part for part in each)
        stage["-".join(map(str, (kind, *each)))] = (f"{words}, {label}", (kind, *each), minutes)
    return stage


def outcome(profile, parts):
    """What the results are made of: the profile, what is known of the domains, and by kind the parts in their order."""
    by_kind = {kind: [part for name, part in parts.items() if name.startswith(f"{kind}-")] for kind in STUDY.parts}
    return by_kind | {"profile": profile, "domains": parts["domains"]["about"]}


STUDY = Study(
    profiles=PROFILES,
    counts=("name", "n_rounds", "n_experiment_rounds"),
    inputs=Domains,
    settings=settings,
    parts={
        "domains": domains_part,
        "source": source_part,
        "target": target_part,
        "depths": depths_part,
        "stopping": stopping_part,
        "pretrained": pretrained_part,
        "properties": properties_part,
        "long": long_part,
    },
    plan=plan,
    outcome=outcome,
    results=results.ledger_results,
    score_records=results.score_records,
    headings=results.HEADINGS,
    data_folders=("lucas", "gejiu"),
    configuration=results.configuration,
    tables=results.tables,
)
