"""The mid-infrared study as kept parts: the library, laboratories left out, rounds by site, and the hybrid data set."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from spectrakit.files import written_whole
from spectrakit.studies.mir import results
from spectrakit.studies.mir.domains import NAMES, TARGETS, library_summary, library_tables, simulated_library
from spectrakit.studies.mir.experiments import acceptance, against_truth, compare_harmonisations, organic_and_total
from spectrakit.studies.mir.protocol import (
    PROFILES,
    calibrated_on,
    content_round,
    filled,
    hybrid,
    laboratory_left_out,
    left_out_laboratories,
    left_out_table,
)
from spectrakit.studies.study import Inputs, Study


@dataclass
class LibraryInputs(Inputs):
    """The library and its harmonised spectra."""

    @cached_property
    def library(self):
        """`Library` of the profile's size."""
        return simulated_library(self.profile.n_samples, self.random_state)

    @cached_property
    def X(self):
        """All spectra harmonised."""
        return self.library.harmonised()

    def __getstate__(self):
        # A worker simulates the library sooner than it is sent.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def domains_part(inputs, report):
    """Counts, spread and coverage of the library, before any model, and which laboratories are left out in turn."""
    library = inputs.library
    left_out = {target: left_out_laboratories(library, target, inputs.profile) for target in TARGETS}
    return {"summary": library_summary(library), "tables": library_tables(library), "left_out": left_out}


def round_part(inputs, target, round_, report):
    """A round; the first one's network fills the gaps, as its errors are known."""
    part, fitted = content_round(inputs, target, round_, report)
    if round_ == 0:
        library, names = inputs.library, inputs.parts["domains"]["left_out"][target]
        left_out = [inputs.parts[f"left_out-{target}-{name}"] for name in names]
        table = filled(library, inputs.X, target, fitted, calibrated_on(left_out, target, fitted.offset))
        part |= {
            "filled": table,
            "acceptance": acceptance(library, target, table),
            "apart": left_out_table(left_out, target, fitted.offset),
            **against_truth(library, target, table),
        }
    return part


def hybrid_part(inputs, report):
    """Write the hybrid data set and its datasheet beside the kept parts; returns the file and its number of rows."""
    table = hybrid(inputs.library, [inputs.parts[f"round-{target}-0"]["filled"] for target in TARGETS])
    file = inputs.folder / "hybrid.parquet"
    with written_whole(file) as part:
        table.to_parquet(part)
    with written_whole(file.with_suffix(".md")) as part:
        Path(part).write_text(results.datasheet(table, inputs.library.dataset.provenance), encoding="utf-8")
    return {"file": str(file), "rows": len(table)}


def plan(profile, domains):
    """The parts after the library, see `Study`."""
    first = {f"compared-{target}": (f"harmonisations, {NAMES[target]}", ("compared", target), 4) for target in TARGETS}
    for target, names in domains["left_out"].items():
        for name in names:
            first[f"left_out-{target}-{name}"] = (f"{NAMES[target]} without {name}", ("left_out", target, name), 1)
    first["organic"] = ("organic and total carbon", ("organic",), 2)
    rounds = {
        f"round-{target}-{round_}": (f"{NAMES[target]}, round {round_ + 1}", ("round", target, round_), minutes)
        for target, minutes in (("c", 8), ("om", 3))
        for round_ in range(profile.n_rounds)
    }
    return [first, rounds, {"hybrid": ("the hybrid data set", ("hybrid",), 0.1)}]


def outcome(profile, parts):
    """What the results are made of: library, tables, organic, hybrid, and by target compared and rounds."""
    rounds = {target: [parts[f"round-{target}-{place}"] for place in range(profile.n_rounds)] for target in TARGETS}
    compared = {target: parts[f"compared-{target}"] for target in TARGETS}
    return {
        "library": parts["domains"]["summary"],
        "tables": parts["domains"]["tables"],
        "compared": compared,
        "rounds": rounds,
        "organic": parts["organic"],
        "hybrid": parts["hybrid"],
    }


STUDY = Study(
    name="mir",
    profiles=PROFILES,
    counts=("n_rounds",),
    data_folders=(),
    inputs=LibraryInputs,
    parts={
        "domains": domains_part,
        "compared": compare_harmonisations,
        "left_out": laboratory_left_out,
        "organic": organic_and_total,
        "round": round_part,
        "hybrid": hybrid_part,
    },
    plan=plan,
    outcome=outcome,
    results=results,
)
