"""What the commands share: options, progress, refusals before the work, and how results are printed."""

# Nothing heavy is imported here: a command imports what it needs, so that `--help` answers at once.
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from spectrakit.resources import runs_folder

AxisUnit = Annotated[Literal["nm", "cm-1"], typer.Option(help="Unit of the channel names.")]
Signal = Literal["counts", "reflectance", "percent-reflectance", "absorbance"]
NoCounts = Annotated[Signal, typer.Option(help="What the channels hold; raw counts are not accepted.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]
BelowDetection = Annotated[
    Literal["half", "missing"] | None,
    typer.Option(help="How '<0.5' or 'n.d.' is read: half of the limit, or not measured; by default refused."),
]
Records = Annotated[Path | None, typer.Option("--output", "-o", help="Also write all scores here, as JSON records.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the work; they read and write these files."),
]


@contextmanager
def long_run(name, words, scheduler=None):
    """Keyword arguments of a function that keeps what is finished: folder, progress and runner.

    name : of the folder, below that of all runs; words : for the progress bar
    Where the user stops the run: one line on stderr, exit code 130.
    """
    from spectrakit.runs import task_runner

    try:
        with task_runner(scheduler) as runner, progress_bar(words) as show:
            yield {
                "folder": runs_folder() / name,
                "progress": lambda task, share: show(share, 1, f"{words}: {task}"),
                "runner": runner,
            }
    except KeyboardInterrupt:
        print("spectrakit: stopped; the same command goes on with the tasks that are left", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def naming(table):
    """Puts the file of a table before what is wrong with its contents, where the message names no file."""
    try:
        yield
    except ValueError as error:
        raise error if table.name in str(error) else ValueError(f"{table}: {error}") from error


@contextmanager
def progress_bar(words):
    """A bar on stderr, where that is a terminal, as a function of the number done and to do, and of new words."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total, words=None: bar.update(task, completed=done, total=total, description=words)


def refuse_unwritable(path):
    """Raises ValueError for a table that could not be written once the long work is done."""
    from spectrakit.tables import ENDINGS

    if not path.name.lower().endswith(ENDINGS):
        raise ValueError(f"{path}: unknown kind of file; its name should end in {', '.join(ENDINGS)}")
    refuse_no_place(path)


def refuse_no_place(path):
    """Raises ValueError for a file in no folder or one that may not be written, or where a folder of its name is."""
    if path is not None and path.is_dir():
        raise ValueError(f"{path}: this is a folder; name a file")
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")
    if path is not None and not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path}: you may not write into its folder; choose another")


def plain(text):
    """Text of a file as a terminal may show it: a control character, which could move the cursor, becomes a '?'."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in str(text))


def as_table(frame, title):
    """A frame as a table for the terminal, its index as first column; text from files is shown as it is."""
    table = Table(title=escape(plain(title)), show_lines=True)
    for column in (frame.index.name, *frame.columns):
        table.add_column(escape(plain(column)), overflow="fold")
    for cells in frame.itertuples():
        table.add_row(*(escape(plain(cell)) for cell in cells))
    return table


def print_notes(notes):
    """Print the notes of a run, a line each; warnings say so themselves."""
    for note in notes:
        print(plain(note if note.startswith("warning: ") else f"note: {note}"))


def print_outcome(outcome, records=None):
    """Print the notes, tables and lines of a workflow; records : file to write its scores to, None for none."""
    from spectrakit.files import written_whole

    print_notes(outcome.notes)
    console = Console(highlight=False, soft_wrap=True)
    for title, frame in outcome.tables.items():
        console.print(as_table(frame, title))
    print(*map(plain, outcome.lines), sep="\n")
    if records is not None:
        with written_whole(records) as part:
            outcome.records.to_json(part, orient="records", indent=1, double_precision=15)
        print(f"{records}: {len(outcome.records)} records")
