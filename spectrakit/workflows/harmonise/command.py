"""From the tables of several laboratories to scores of every harmonisation on each laboratory left out."""

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
from spectrakit.workflows.harmonise.report import reading_lines, report_tables
from spectrakit.workflows.harmonise.standards import ring_of
from spectrakit.workflows.outcome import Outcome


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
    below_detection=None,
    **options,
):
    """Every possible harmonisation of the spectra of some laboratories, as an `Outcome`.

    paths, axis_unit, signal, below_detection : as of `read_laboratories`
    spectra, harmonisation : a file to write all spectra to, harmonised by a name of the records; None to write none
    The others, and the records, are as of `leave_laboratories_out`. Raises ValueError as the functions of this room.
    """
    dataset, notes = read_laboratories(paths, axis_unit, signal, below_detection)
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
    n_laboratories = records["laboratory"].nunique()
    source = (
        f"{dataset.provenance_line()}; {len(soils):,} samples of {n_laboratories} laboratories; seed {random_state}"
    )
    tables = report_tables(records, f"log10 {target}" if scale == "log10" else target)
    lines = [*reading_lines(n_laboratories, models), source, *written]
    return Outcome(records, tables, lines, [*notes, *of_ring, *of_soils, *of_choices, *of_models])
