"""The Gejiu study as kept parts: the soils, networks of both domains by round, and the experiments."""

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch

from spectrakit.explain import randomisation_test, shap_values
from spectrakit.studies.gejiu import results
from spectrakit.studies.gejiu.domains import source_domain, statistics, target_domain
from spectrakit.studies.gejiu.experiments import (
    compared_properties,
    depth_round,
    pretrained_network,
    property_round,
    stopping_round,
)
from spectrakit.studies.gejiu.protocol import (
    PROFILES,
    SCALES,
    explain_source,
    explain_target,
    fit_source,
    target_round,
)
from spectrakit.studies.study import Inputs, Study
from spectrakit.training import predict

# Soils of the source domain whose predictions are recorded, for a figure.
N_SHOWN = 500


@dataclass
class Domains(Inputs):
    """The soils of both domains, and the networks of the source domain."""

    @cached_property
    def source(self):
        """`Domain` of pH."""
        return source_domain(self.profile, self.random_state, self.data)

    @cached_property
    def target(self):
        """`Domain` of lead."""
        return target_domain(self.profile, self.random_state, self.data)

    def source_network(self, round_):
        """ResNet-pH of a round."""
        network = self.parts[f"source-{round_}"]["network"]
        # What is read from a file has lost it, and with it the last digits of a fit.
        network.features.to(memory_format=torch.channels_last)
        return network


def domains_part(inputs, report):
    """What is known of both domains before any model, and the source properties that are compared."""
    about = {}
    for name, soils in (("lucas", inputs.source), ("gejiu", inputs.target)):
        n_training, n_test = map(len, soils.rounds[0])
        about[name] = {
            "n": len(soils),
            "n_train": n_training,
            "n_test": n_test,
            "provenance": soils.provenance,
            "statistics": statistics(soils.target),
        }
    return {"about": about, "compared": compared_properties(inputs.source, inputs.profile.n_properties)}


def source_part(inputs, round_, report):
    """ResNet-pH of a round, explained."""
    soils, profile, seed = inputs.source, inputs.profile, inputs.seed(round_)
    network, part = fit_source(soils, round_, profile.source_recipe, seed, report)
    part |= {"network": network, "shap": explain_source(network, soils, round_, profile, seed)}
    if round_ == 0:
        X, (training, test) = soils.log_reflectance, soils.rounds[0]
        # Some tens of soils are enough for a rank correlation of profiles.
        part["randomised"] = _randomised(network, X[training[:100]], X[test[:50]], profile)
        shown = test[:N_SHOWN]
        part["shown"] = pd.DataFrame({"observed": soils.target[shown], "predicted": predict(network, X[shown])[:, 0]})
    return part


def long_part(inputs, place, report):
    """ResNet-pH of the first round by a longer recipe."""
    checkpoint = inputs.folder / f"long-{place}.checkpoint"
    recipe = inputs.profile.long_recipes[place]
    return fit_source(inputs.source, 0, recipe, inputs.seed(0), report, checkpoint)[1]


def _randomised(network, background, explained, profile):
    n_points, repeats = profile.n_points, profile.n_randomisations
    values = shap_values(network, background, explained, n_samples=n_points)
    return randomisation_test(network, background, explained, values, n_randomisations=repeats, n_samples=n_points)


def target_part(inputs, round_, report):
    """All models of lead in a round, on both scales, and ResNet-pH-Pb explained."""
    source, soils, profile, seed = inputs.source_network(round_), inputs.target, inputs.profile, inputs.seed(round_)
    records, predictions, networks = [], [], {}
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
    name="gejiu",
    profiles=PROFILES,
    counts=("n_rounds", "n_experiment_rounds"),
    data_folders=("lucas", "gejiu"),
    inputs=Domains,
    parts={
        "domains": domains_part,
        "source": source_part,
        "target": target_part,
        "depths": depth_round,
        "stopping": stopping_round,
        "pretrained": pretrained_network,
        "properties": property_round,
        "long": long_part,
    },
    plan=plan,
    outcome=outcome,
    results=results,
)
