"""Which command does what: parses, calls one function of the package, prints what it returns."""

# Nothing heavy is imported here: a command imports what it needs, so that `--help` answers at once.
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(
    help="Soil spectroscopy with deep learning: three studies, rebuilt and audited.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

AxisUnit = Literal["nm", "cm-1"]
Signal = Literal["counts", "reflectance", "percent-reflectance", "absorbance"]


@app.callback()
def spectrakit():
    """Soil spectroscopy with deep learning: three studies, rebuilt and audited."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Plain spectral table: .csv, .csv.gz or .parquet.")],
    axis: Annotated[AxisUnit, typer.Option(help="Unit of the channel names.")],
    signal: Annotated[Signal, typer.Option(help="What the channels hold.")],
):
    """Say what a spectral table holds and what is wrong with it; exit code 2 if it cannot be used."""
    from spectrakit.tables import check_table

    report = check_table(file, axis, signal)
    _print_report(report)
    raise typer.Exit(0 if report.usable else 2)


def main(args=None):
    """Run the command line; what a user can mend gives one line on stderr and exit code 2."""
    try:
        app(args=args)
    except (ValueError, OSError) as error:
        print(f"spectrakit: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


def _print_report(report):
    console = Console(highlight=False, markup=False, soft_wrap=True)
    low, high = sorted((report.axis[0], report.axis[-1]))
    console.print(f"{report.path.name}: {report.provenance}")
    console.print(f"  samples   {report.n_samples:,}")
    console.print(f"  channels  {len(report.axis):,} of {report.signal}, values {_span(*report.values)}")
    console.print(f"  axis      {low:g} to {high:g} {report.axis_unit}{_step_words(report)}")
    if report.sample_columns:
        console.print(f"  samples also carry {', '.join(report.sample_columns)}")
    if report.properties:
        table = Table("property", "unit", "measured", "smallest", "largest", box=None, padding=(0, 2))
        for item in report.properties:
            measured = f"{item.n_measured:,} of {report.n_samples:,}"
            table.add_row(item.name, item.unit or "?", measured, f"{item.low:g}", f"{item.high:g}")
        console.print(table)
    for problem in report.problems:
        console.print(f"{problem.severity}: {problem}")
    verdict = "usable" if report.usable else "not usable"
    counts = [(len(report.errors), "error"), (len(report.warnings), "warning")]
    words = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
    console.print(f"{verdict}: {words}")


def _step_words(report):
    if len(report.axis) < 2:
        return ""
    low, middle, high = report.steps
    return f", step {low:.4g}" if high - low < 1e-9 else f", step {low:.4g} to {high:.4g} (median {middle:.4g})"


def _span(low, high):
    return f"{low:,.6g} to {high:,.6g}"
