"""The commands of spectrakit."""

import sys

import typer
from typer.exceptions import TyperException

from spectrakit.cli.simulations import simulate_gejiu, simulate_libs, simulate_lucas, simulate_mir
from spectrakit.cli.spectra import check, convert, harmonise, impute, transfer
from spectrakit.cli.studies import ledger, replicate, runs
from spectrakit.cli.terminal import plain
from spectrakit.files import why_not_written

DESCRIPTION = "Soil spectroscopy with deep learning: three studies, rebuilt and audited."
app = typer.Typer(help=DESCRIPTION, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
simulate = typer.Typer(help="Make spectra from physics.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")
for name, command in {
    "libs": simulate_libs,
    "lucas": simulate_lucas,
    "gejiu": simulate_gejiu,
    "mir": simulate_mir,
}.items():
    simulate.command(name)(command)
for command in (check, convert, replicate, transfer, impute, harmonise, ledger, runs):
    app.command()(command)


def main(args=None):
    """Run the command line; a mistake of the user gives one line on stderr and exit code 2."""
    try:
        sys.exit(app(args=args, prog_name="spectrakit", standalone_mode=False) or 0)
    except TyperException as error:
        fault, code = error.format_message(), error.exit_code
    except OSError as error:
        fault, code = why_not_written(error), 2
    except ValueError as error:
        fault, code = str(error), 2
    except typer.Abort:
        fault, code = "stopped", 130
    if fault:
        print(f"spectrakit: {plain(' '.join(fault.split()))}", file=sys.stderr)
    sys.exit(code)
