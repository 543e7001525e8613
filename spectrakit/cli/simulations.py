"""The commands that simulate spectra."""

from pathlib import Path
from typing import Annotated

import typer

from spectrakit.cli.terminal import Seed, progress_bar, refuse_unwritable

Output = Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv, .csv.gz or .parquet.")]


def simulate_libs(
    output: Output,
    survey: Annotated[bool, typer.Option("--survey", help="200-975 nm in place of the three windows.")] = False,
    replicates: Annotated[int, typer.Option(min=1, help="Spectra of each soil, a fresh pellet each.")] = 1,
    seed: Seed = 0,
):
    """Simulate the LIBS experiment, 24 soils under 100 laser shots each, and write it as a spectral table."""
    from spectrakit.simulate import libs

    _write(output, lambda progress: libs.simulate_libs(replicates, survey, seed, progress))


def simulate_lucas(
    output: Output,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Soils; fewer are the first of more.")] = 19036,
    seed: Seed = 0,
):
    """Simulate European topsoils under the spectrometer of LUCAS, with pH distributed as published."""
    from spectrakit.simulate import soils

    _write(output, lambda progress: soils.simulate_lucas(samples, seed, progress))


def simulate_gejiu(
    output: Output,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Soils on the sampling map.")] = 130,
    seed: Seed = 0,
):
    """Simulate the soils of the Gejiu mining area and their lead, on the published sampling design."""
    from spectrakit.simulate import soils

    _write(output, lambda progress: soils.simulate_gejiu(samples, seed))


def simulate_mir(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File: .csv, .csv.gz or .parquet; without ending: a new folder.")
    ],
    samples: Annotated[
        int,
        typer.Option("--samples", "-n", min=1, help="Samples; fewer are in proportion, with some of every laboratory."),
    ] = 56787,
    seed: Seed = 0,
):
    """Simulate a mid-infrared library of twelve laboratories, with its gaps in carbon and organic matter.

    A folder gets Parquet files of some thousand samples each; it is then never held in memory at once.
    """
    from spectrakit.simulate import library
    from spectrakit.tables import write_partitions

    if output.suffix:
        _write(output, lambda progress: library.simulate_mir(samples, seed, progress))
        return
    last = None

    def blocks(progress):
        nonlocal last
        for block in library.mir_blocks(samples, seed, progress):
            last = block
            yield block

    with progress_bar("simulating spectra") as progress:
        n_rows = write_partitions(blocks(progress), output)
    _print_written(output, n_rows, last)


def _write(path, simulation):
    """Write what `simulation`, a function of a progress callback, returns."""
    from spectrakit.tables import write_table

    refuse_unwritable(path)
    with progress_bar("simulating spectra") as progress:
        dataset = simulation(progress)
    write_table(dataset, path)
    _print_written(path, dataset.n_samples, dataset)


def _print_written(path, n_rows, dataset):
    from spectrakit.spectra import count_of

    size = f"{count_of(n_rows, 'row')} of {count_of(dataset.n_channels, 'channel')}"
    print(f"{path}: {size}; {dataset.provenance_line()}")
