"""The commands for measured spectra."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spectrakit.cli.terminal import (
    AxisUnit,
    BelowDetection,
    NoCounts,
    Records,
    Scheduler,
    Seed,
    Signal,
    long_run,
    naming,
    plain,
    print_notes,
    print_outcome,
    refuse_no_place,
    refuse_unwritable,
)

Harmonisation = Literal["none", "snv", "msc", "derivative", "snv+derivative", "top", "snv+top"]
Model = Literal["pls", "network", "pretrained"]


def check(
    file: Annotated[
        Path,
        typer.Argument(help="Spectral table or OSSL-layout table (.csv, .csv.gz, .parquet), or a folder of Parquet."),
    ],
    axis: AxisUnit,
    signal: Annotated[Signal, typer.Option(help="What the channels hold.")],
    below_detection: BelowDetection = None,
):
    """Say what a spectral table or a library holds and what is wrong with it; exit code 2 if it cannot be used."""
    from spectrakit.tables import check_table

    report = check_table(file, axis, signal, below_detection)
    _print_report(report)
    raise typer.Exit(0 if report.usable else 2)


def convert(
    path: Annotated[
        Path,
        typer.Argument(help="File or folder: Bruker OPUS, ASD, JCAMP-DX, Spectral Evolution or two-column text."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Table to write: .csv, .csv.gz or .parquet.")],
    contents: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="What the laboratory measured, joined by the samples' names.")
    ] = None,
    replicates: Annotated[
        Literal["keep", "average"], typer.Option(help="Scans of one sample: each a row, or their mean.")
    ] = "keep",
    axis: Annotated[
        Literal["nm", "cm-1"] | None, typer.Option(help="Unit of text files, and what all files are brought to.")
    ] = None,
    signal: Annotated[
        Literal["reflectance", "percent-reflectance", "absorbance"] | None,
        typer.Option(help="What text files hold, and what all files are brought to."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a file that cannot be read; else it is left out.")
    ] = False,
    below_detection: BelowDetection = None,
):
    """Make one spectral table of the files of instruments, with the contents that a laboratory measured."""
    from spectrakit.spectra import count_of
    from spectrakit.tables import convert_files, write_table

    refuse_unwritable(output)
    options = {"contents": contents, "replicates": replicates, "strict": strict, "below_detection": below_detection}
    with long_run("convert", "reading files") as run:
        run.pop("runner")
        dataset = convert_files(path, axis, signal, **options, **run)
    write_table(dataset, output)
    print_notes(dataset.notes)
    size = f"{count_of(len(dataset), 'row')} of {count_of(dataset.n_channels, 'channel')}"
    print(plain(f"{output}: {size} of {dataset.signal} in {dataset.axis_unit}; {dataset.provenance_line()}"))


def transfer(
    file: Annotated[Path, typer.Argument(metavar="TABLE", help="Plain spectral table: .csv, .csv.gz or .parquet.")],
    target: Annotated[str, typer.Option(help="Property to predict: a numeric column of the table.")],
    signal: NoCounts = "reflectance",
    axis: AxisUnit = "nm",
    rounds: Annotated[int, typer.Option(min=1, help="Random splits, 75 % to train and 25 % to test.")] = 10,
    train_size: Annotated[int, typer.Option(min=10, help="The most samples that a training side keeps.")] = 98,
    below_detection: BelowDetection = None,
    seed: Seed = 0,
    output: Records = None,
    scheduler: Scheduler = None,
):
    """Ask of a measured table whether a pretrained network helps, beside PLS, SVM and one from scratch.

    The table should cover 400 to 2499 nm. Up to 50 nm may be missing at either end: log reflectance is then
    continued in a straight line, and the command says so. A run that was stopped goes on where it was.
    """
    from spectrakit.workflows import compare_transfer

    refuse_no_place(output)
    with long_run("transfer", target, scheduler) as run, naming(file):
        outcome = compare_transfer(
            file,
            target,
            axis,
            signal,
            n_rounds=rounds,
            train_size=train_size,
            below_detection=below_detection,
            random_state=seed,
            **run,
        )
    print_outcome(outcome, output)


def impute(
    library: Annotated[
        Path,
        typer.Argument(metavar="LIBRARY", help="Spectral table or OSSL-layout table, or a folder of them in Parquet."),
    ],
    target: Annotated[str, typer.Option("--property", help="Property whose gaps are filled, such as c_g_kg.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .parquet, .csv or .csv.gz.")],
    signal: NoCounts = "absorbance",
    harmonise: Annotated[Harmonisation, typer.Option(help="How laboratories are harmonised.")] = "snv+derivative",
    model: Annotated[
        Model, typer.Option(help="What predicts; pretrained: on features learned from simulated laboratories.")
    ] = "pls",
    level: Annotated[
        float, typer.Option(min=0, max=1, help="Share that the intervals shall cover, beside 0.68 and 0.95.")
    ] = 0.9,
    fit_rows: Annotated[
        int, typer.Option(min=40, help="The most rows to fit to; of more, equal parts by laboratory.")
    ] = 20_000,
    below_detection: BelowDetection = None,
    seed: Seed = 0,
    scheduler: Scheduler = None,
):
    """Fill the gaps of a mid-infrared library (1/cm), each value with its origin, its intervals and its flags.

    Fits to the rows in which the property is measured, and streams: what is held does not grow with the rows to fill.
    Nothing measured is overwritten. A run that was stopped goes on where it was.
    """
    from spectrakit.workflows import fill_gaps
    from spectrakit.workflows.impute import MODELS

    refuse_unwritable(output)
    options = {"signal": signal, "harmonise": harmonise, "level": level, "fit_rows": fit_rows, "random_state": seed}
    options |= {"below_detection": below_detection}
    with long_run("impute", target, scheduler) as run, naming(library):
        outcome = fill_gaps(library, target, output, MODELS[model], **options, **run)
    print_outcome(outcome)


def harmonise(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="TABLE...", help="Spectral tables, a laboratory each, or with a column laboratory."),
    ],
    target: Annotated[str, typer.Option(help="Property to predict: a numeric column of the tables.")],
    signal: NoCounts = "absorbance",
    axis: AxisUnit = "cm-1",
    scale: Annotated[
        Literal["log10", "natural"] | None,
        typer.Option(help="Scale of what is predicted; by default log10, where all contents are above 0."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="LAB", help="Laboratory that the others are brought to; default: the largest.")
    ] = None,
    below_detection: BelowDetection = None,
    seed: Seed = 0,
    output: Records = None,
    spectra: Annotated[Path | None, typer.Option(help="Also write all spectra, harmonised, as a table.")] = None,
    harmonisation: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --spectra: a harmonisation, as the result names it.")
    ] = None,
):
    """Ask which harmonisation helps and which hurts on a laboratory never seen: each is left out in turn.

    By partial least squares, and by features of a network pretrained on simulated laboratories (mid-infrared alone).
    Everything is fitted to the other laboratories. Names of samples that several laboratories have scanned are taken
    for standards of a ring trial if their spectra agree. A run that was stopped goes on where it was.
    """
    from spectrakit.workflows import compare_harmonisations

    refuse_no_place(output)
    _refuse_half(spectra, harmonisation)
    options = {"scale": scale, "reference": reference, "random_state": seed}
    options |= {"spectra": spectra, "harmonisation": harmonisation, "below_detection": below_detection}
    with long_run("harmonise", target) as run:
        outcome = compare_harmonisations(tables, target, axis, signal, **options, **run)
    print_outcome(outcome, output)


def _refuse_half(spectra, harmonisation):
    """Raises ValueError where one of two options that go together is missing, or the file could not be written."""
    if (spectra is None) != (harmonisation is None):
        raise ValueError(
            "--spectra and --harmonisation go together: give the file to write and the harmonisation, or neither"
        )
    if spectra is not None:
        refuse_unwritable(spectra)


def _print_report(report):
    """What a table holds, and what is wrong with it."""
    from spectrakit.contents import split_unit
    from spectrakit.spectra import count_of

    console, source = Console(highlight=False, markup=False, soft_wrap=True), report.table
    files = f" in {len(source.files):,} files" if len(source.files) > 1 else ""
    (low, high), (lowest, highest) = report.axis[[0, -1]], report.values
    console.print(plain(f"{source.path.name}: {report.provenance}"))
    console.print(f"  samples   {report.n_samples:,}{files}")
    console.print(f"  channels  {len(report.axis):,} of {source.signal}, values {lowest:,.6g} to {highest:,.6g}")
    console.print(f"  axis      {low:g} to {high:g} {source.axis_unit}{_step_words(report)}")
    if report.sample_columns:
        console.print(plain(f"  samples also carry {', '.join(report.sample_columns)}"))
    laboratories = [(name, f"{count:,}") for name, count in report.laboratories.items()]
    properties = [
        (name, split_unit(name)[1] or "?", f"{n_measured:,} of {report.n_samples:,}", f"{low:g}", f"{high:g}")
        for name, (n_measured, low, high) in report.properties.items()
    ]
    _print_rows(console, ("laboratory", "samples"), laboratories)
    _print_rows(console, ("property", "unit", "measured", "smallest", "largest"), properties)
    for problem in report.problems:
        console.print(plain(f"{problem.severity}: {problem}"))
    words = f"{count_of(len(report.errors), 'error')}, {count_of(len(report.warnings), 'warning')}"
    console.print(f"{'usable' if report.usable else 'not usable'}: {words}")


def _print_rows(console, heads, rows):
    """A table without lines; nothing where there are no rows."""
    if rows:
        table = Table(*heads, box=None, padding=(0, 2))
        for row in rows:
            table.add_row(*(escape(plain(cell)) for cell in row))
        console.print(table)


def _step_words(report):
    if len(report.axis) < 2:
        return ""
    low, middle, high = report.steps
    return f", step {low:.4g}" if high - low < 1e-9 else f", step {low:.4g} to {high:.4g} (median {middle:.4g})"
