"""From the tables of several laboratories to scores of every harmonisation on each laboratory left out."""

from dataclasses import dataclass

import pandas as pd

from spectrakit.tables import write_table
from spectrakit.workflows.harmonise.choices import (
    harmonised_spectra,
    possible_harmonisations,
    possible_models,
    scale_of,
    soils_to_predict,
)
from spectrakit.workflows.harmonise.laboratory_tables import read_laboratories
from spectrakit.workflows.harmonise.leave_out import leave_laboratories_out
from spectrakit.workflows.harmonise.report import bias_frame, effect_frame, reading_lines, score_frame
from spectrakit.workflows.harmonise.standards import ring_of


@dataclass(frozen=True)
class HarmoniseOutcome:
    """What `compare_harmonisations` returns: scores by model, harmonisation and laboratory, and how to read them.

    records : as of `leave_laboratories_out`; quantity : what is predicted, on which scale
    source : of the soils, in a line; notes : on what was left out or not tried; written : on the spectra, if asked for
    """

    records: pd.DataFrame
    quantity: str
    source: str
    notes: list
    written: list

    def tables(self):
        """{title: scores as text}, three tables a model."""
        tables = {}
        for model in [name for name in self.records["model"].unique() if name != "mean"]:
            title = f"{self.quantity} on a laboratory never seen, by {model}"
            tables[f"{title}: R2 | RMSE, * the lowest"] = score_frame(self.records, model)
            tables[f"{title}: bias | RMSE without it"] = bias_frame(self.records, model)
            tables[f"{title}: RMSE against 'none'"] = effect_frame(self.records, model)
        return tables

    def lines(self):
        """How the tables are to be read, and what they were computed from."""
        n_laboratories, models = self.records["laboratory"].nunique(), set(self.records["model"])
        return [*reading_lines(n_laboratories, models), self.source, *self.written]


def compare_harmonisations(
    paths,
    target,
    axis_unit="cm-1",
    signal="absorbance",
    scale=None,
    reference=None,
    random_state=0,
    spectra=None,
    harmonisation=None,
    **options,
):
    """Every possible harmonisation of the spectra of some laboratories, as a `HarmoniseOutcome`.

    paths, axis_unit, signal : as of `read_laboratories`
    spectra, harmonisation : a file to write all spectra to, harmonised by a name of the records; None to write none
    The others are as of `leave_laboratories_out`. Raises ValueError as the functions of this room.
    """
    dataset, notes = read_laboratories(paths, axis_unit, signal)
    standards, ring, of_ring = ring_of(dataset)
    soils, of_soils = soils_to_predict(dataset.subset(~standards), target)
    choices, of_choices = possible_harmonisations(soils, ring, random_state)
    models, of_models = possible_models(soils)
    scale, written = scale_of(soils.properties[target], target, scale), []
    if spectra is not None:
        write_table(harmonised_spectra(dataset, choices, harmonisation, reference), spectra)
        words = f"{harmonisation} fitted to all laboratories: no absorbance now"
        written.append(f"{spectra}: {len(dataset):,} spectra, {words}")
    records = leave_laboratories_out(soils, target, choices, models, scale, reference, random_state, **options)
    counts = f"{len(soils):,} samples of {records['laboratory'].nunique()} laboratories; seed {random_state}"
    return HarmoniseOutcome(
        records,
        f"log10 {target}" if scale == "log10" else target,
        f"{dataset.provenance_line()}; {counts}",
        [*notes, *of_ring, *of_soils, *of_choices, *of_models],
        written,
    )
