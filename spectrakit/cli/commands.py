"""Which command does what: parses, calls one function of the package, prints what it returns."""

# Nothing heavy is imported here: a command imports what it needs, so that `--help` answers at once.
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from typer.exceptions import TyperException

app = typer.Typer(
    help="Soil spectroscopy with deep learning: three studies, rebuilt and audited.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

simulate = typer.Typer(help="Make spectra from physics.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")

AxisUnit = Literal["nm", "cm-1"]
Signal = Literal["counts", "reflectance", "percent-reflectance", "absorbance"]
Harmonisation = Literal["none", "snv", "msc", "derivative", "snv+derivative", "top", "snv+top"]
Imputation = Literal["pls", "network", "pretrained"]
Study = Literal["libs", "gejiu", "mir"]
Profile = Literal["quick", "paper"]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the work; they read and write these files."),
]
# Where runs keep their finished tasks, below the folder that the command is given in.
RUNS = Path(".spectrakit/runs")


@app.callback()
def spectrakit():
    """Soil spectroscopy with deep learning: three studies, rebuilt and audited."""


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(help="Spectral table or OSSL-layout table (.csv, .csv.gz, .parquet), or a folder of Parquet."),
    ],
    axis: Annotated[AxisUnit, typer.Option(help="Unit of the channel names.")],
    signal: Annotated[Signal, typer.Option(help="What the channels hold.")],
):
    """Say what a spectral table or a library holds and what is wrong with it; exit code 2 if it cannot be used."""
    from spectrakit.tables import check_table

    report = check_table(file, axis, signal)
    _print_report(report)
    raise typer.Exit(0 if report.usable else 2)


@simulate.command("libs")
def simulate_libs(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv, .csv.gz or .parquet.")],
    survey: Annotated[bool, typer.Option("--survey", help="200-975 nm in place of the three windows.")] = False,
    replicates: Annotated[int, typer.Option(min=1, help="Spectra of each soil, a fresh pellet each.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same spectra.")] = 0,
):
    """Simulate the LIBS experiment, 24 soils under 100 laser shots each, and write it as a spectral table."""
    from spectrakit.simulate import libs

    _write_simulated(output, lambda progress: libs.simulate_libs(replicates, survey, seed, progress))


@simulate.command("lucas")
def simulate_lucas(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv, .csv.gz or .parquet.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Soils; fewer are the first of more.")] = 19036,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same soils.")] = 0,
):
    """Simulate European topsoils under the spectrometer of LUCAS, with pH distributed as published."""
    from spectrakit.simulate import soils as lucas

    _write_simulated(output, lambda progress: lucas.simulate_lucas(samples, seed, progress))


@simulate.command("gejiu")
def simulate_gejiu(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .csv, .csv.gz or .parquet.")],
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Soils on the sampling map.")] = 130,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same soils.")] = 0,
):
    """Simulate the soils of the Gejiu mining area and their lead, on the published sampling design."""
    from spectrakit.simulate import soils as gejiu

    _write_simulated(output, lambda progress: gejiu.simulate_gejiu(samples, seed))


@simulate.command("mir")
def simulate_mir(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File: .csv, .csv.gz or .parquet; without ending: a new folder.")
    ],
    samples: Annotated[
        int, typer.Option("--samples", "-n", min=1, help="Thinned in proportion, with some of every laboratory.")
    ] = 56787,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same library.")] = 0,
):
    """Simulate a mid-infrared library of twelve laboratories, with its gaps in carbon and organic matter.

    A folder gets Parquet files of some thousand samples each; the library is then never held whole.
    """
    from spectrakit.simulate import library

    if output.suffix:
        _write_simulated(output, lambda progress: library.simulate_mir(samples, seed, progress))
    else:
        _write_simulated_folder(output, lambda progress: library.mir_blocks(samples, seed, progress))


@app.command()
def replicate(
    study: Annotated[Study, typer.Argument(help="Which study.")],
    profile: Annotated[Profile, typer.Option(help="quick: a look; paper: the counts of the study.")] = "quick",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="gejiu only: measured spectra, in FOLDER/lucas and FOLDER/gejiu."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write the record here, as JSON for `ledger --results`.")
    ] = None,
    scheduler: Scheduler = None,
):
    """Run a study from spectra, simulated where no data are given, to its results; a stopped run goes on."""
    import json

    import torch

    from spectrakit.files import written_whole
    from spectrakit.ledger import as_table, ledger_frame, load_published
    from spectrakit.runs import task_runner
    from spectrakit.studies import load_study

    if output is not None:
        _refuse_no_place(output)
    # The networks are small: a second thread would wait for the first more than it works.
    torch.set_num_threads(1)
    rebuilt, words = load_study(study), f"{study}, {profile} profile"
    with _resumable(), task_runner(scheduler) as runner, _progress_bar(words) as progress:
        outcome = rebuilt.run(
            profile,
            seed,
            RUNS / study,
            progress=lambda task, share: progress(share, 1, f"{words}: {task}"),
            runner=runner,
            data=data,
        )
    record = rebuilt.record(outcome, load_published(study), profile, seed)
    Console().print(as_table(rebuilt.score_frame(outcome), f"{study}: scores by task and model"))
    verdicts = ledger_frame(study, record["results"])["verdict"].value_counts()
    print("beside the paper: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items()))
    if output is not None:
        with written_whole(output) as part:
            Path(part).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"{output}: {len(record['results'])} results of the {profile} profile, seed {seed}")
    if study == "mir":
        print("{file}: {rows:,} samples, measured and imputed".format(**outcome["hybrid"]))


@app.command()
def transfer(
    file: Annotated[Path, typer.Argument(metavar="TABLE", help="Plain spectral table: .csv, .csv.gz or .parquet.")],
    target: Annotated[str, typer.Option(help="Property to predict: a numeric column of the table.")],
    signal: Annotated[Signal, typer.Option(help="What the channels hold; no raw counts.")] = "reflectance",
    axis: Annotated[AxisUnit, typer.Option(help="Unit of the channel names.")] = "nm",
    rounds: Annotated[int, typer.Option(min=1, help="Random splits, 75 % to train and 25 % to test.")] = 10,
    train_size: Annotated[int, typer.Option(min=10, help="The most samples that a training side keeps.")] = 98,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same rounds.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write model, round and scores here, as JSON records.")
    ] = None,
    scheduler: Scheduler = None,
):
    """Ask of a measured table whether a pretrained network helps, beside PLS, SVM and one from scratch.

    The table should cover 400 to 2499 nm. Up to 50 nm may be missing at either end: log reflectance is then
    continued in a straight line, and the command says so. A run that was stopped goes on where it was.
    """
    import torch

    from spectrakit.files import written_whole
    from spectrakit.ledger import as_table
    from spectrakit.preprocess import lucas_reflectance, with_target
    from spectrakit.runs import task_runner
    from spectrakit.tables import read_table
    from spectrakit.workflows import r2_plot, run_rounds, score_frame, transfer_models

    if output is not None:
        _refuse_no_place(output)
    torch.set_num_threads(1)
    dataset = read_table(file, axis, signal)
    provenance = dataset.provenance_line()
    dataset, target_notes = with_target(dataset, target)
    dataset, notes = lucas_reflectance(dataset)
    for note in target_notes + notes:
        print(f"note: {note}")
    with _resumable(), task_runner(scheduler) as runner, _progress_bar(target) as progress:
        records = run_rounds(
            dataset,
            target,
            transfer_models(),
            rounds,
            train_size,
            seed,
            RUNS / "transfer",
            lambda task, share: progress(share, 1, f"{target}: {task}"),
            runner=runner,
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(as_table(score_frame(records), f"{target}: mean ± SD over {rounds} rounds"))
    print("R2 of each round (·) and their mean (|)", *r2_plot(records), sep="\n")
    sizes = f"{records['n_train'].max()} samples to train on, {records['n_test'].max()} to test"
    print(f"{provenance}; {sizes}; seed {seed}")
    if output is not None:
        with written_whole(output) as part:
            records.to_json(part, orient="records", indent=1, double_precision=15)
        print(f"{output}: {len(records)} records")


@app.command()
def impute(
    library: Annotated[
        Path,
        typer.Argument(metavar="LIBRARY", help="Spectral table or OSSL-layout table, or a folder of them in Parquet."),
    ],
    target: Annotated[str, typer.Option("--property", help="Property whose gaps are filled, such as c_g_kg.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .parquet, .csv or .csv.gz.")],
    signal: Annotated[Signal, typer.Option(help="What the channels hold; no raw counts.")] = "absorbance",
    harmonise: Annotated[Harmonisation, typer.Option(help="How laboratories are made alike.")] = "snv+derivative",
    model: Annotated[
        Imputation, typer.Option(help="What predicts; pretrained: on features learned from simulated laboratories.")
    ] = "pls",
    level: Annotated[float, typer.Option(help="Share that the intervals shall cover, beside 0.68 and 0.95.")] = 0.9,
    fit_rows: Annotated[
        int, typer.Option(min=40, help="The most rows to fit to; of more, equal parts by laboratory.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same values.")] = 0,
    scheduler: Scheduler = None,
):
    """Fill the gaps of a mid-infrared library (1/cm), each value with its origin, its intervals and its flags.

    Fits to the rows in which the property is measured, and streams: what is held does not grow with the rows to fill.
    Nothing measured is overwritten. A run that was stopped goes on where it was.
    """
    import torch

    from spectrakit.ledger import as_table
    from spectrakit.runs import task_runner
    from spectrakit.workflows.impute import MODELS, make_plan, report_frame, report_lines
    from spectrakit.workflows.impute import impute as fill_gaps

    _refuse_unwritable(output)
    torch.set_num_threads(1)
    with _resumable(), task_runner(scheduler) as run:
        plan = make_plan(library, target, MODELS[model], signal, harmonise, level, fit_rows, seed)
        with _progress_bar(target) as progress:
            outcome = fill_gaps(
                plan,
                output,
                RUNS / "impute",
                run,
                lambda task, done, total: progress(done, total, f"{target}: {task}"),
            )
    for note in outcome.notes:
        print(f"note: {note}")
    console = Console(highlight=False, soft_wrap=True)
    console.print(as_table(report_frame(outcome), f"{target}: predicted by models that had not seen it"))
    print(*report_lines(outcome), sep="\n")
    print(f"{output}: {', '.join(f'{count:,} {origin}' for origin, count in outcome.counts.items())}")


@app.command()
def harmonise(
    tables: Annotated[
        list[Path],
        typer.Argument(metavar="TABLE...", help="Spectral tables, a laboratory each, or with a column laboratory."),
    ],
    target: Annotated[str, typer.Option(help="Property to predict: a numeric column of the tables.")],
    signal: Annotated[Signal, typer.Option(help="What the channels hold; no raw counts.")] = "absorbance",
    axis: Annotated[AxisUnit, typer.Option(help="Unit of the channel names.")] = "cm-1",
    scale: Annotated[
        Literal["log10", "natural"] | None,
        typer.Option(help="Of what is predicted; by default log10, where all contents are above 0."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="LAB", help="Whom the others are brought to; by default the largest.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same folds.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write all scores here, as JSON records.")
    ] = None,
    spectra: Annotated[
        Path | None, typer.Option(help="Also write all spectra, harmonised as --harmonisation says, as a table.")
    ] = None,
    harmonisation: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --spectra: a harmonisation, as the result names it.")
    ] = None,
):
    """Ask which harmonisation helps and which hurts on a laboratory never seen: each is left out in turn.

    By partial least squares, and by features of a network pretrained on simulated laboratories (mid-infrared alone).
    Everything is fitted to the other laboratories. Names of samples that several laboratories have scanned are taken
    for standards of a ring trial if their spectra agree. A run that was stopped goes on where it was.
    """
    import torch

    from spectrakit.files import written_whole
    from spectrakit.ledger import as_table
    from spectrakit.tables import write_table
    from spectrakit.workflows import harmonise as report
    from spectrakit.workflows import harmonise as study
    from spectrakit.workflows.harmonise import read_laboratories

    if output is not None:
        _refuse_no_place(output)
    if (spectra is None) != (harmonisation is None):
        raise ValueError("--spectra and --harmonisation go together: a file, and what to write there")
    if spectra is not None:
        _refuse_unwritable(spectra)
    torch.set_num_threads(1)
    dataset, notes = read_laboratories(tables, axis, signal)
    standards, ring, ring_notes = study.ring_of(dataset)
    soils, soil_notes = study.soils_to_predict(dataset.subset(~standards), target)
    choices, choice_notes = study.possible_harmonisations(soils, ring, seed)
    scale = study.scale_of(soils.properties[target], target, scale)
    models, model_notes = study.possible_models(soils)
    for note in notes + ring_notes + soil_notes + choice_notes + model_notes:
        print(f"note: {note}")
    if spectra is not None:
        write_table(study.harmonised_spectra(dataset, choices, harmonisation, reference), spectra)
        print(f"{spectra}: {len(dataset):,} spectra, {harmonisation} fitted to all laboratories: no absorbance now")
    with _resumable(), _progress_bar(target) as progress:
        records = study.leave_laboratories_out(
            soils,
            target,
            choices,
            models,
            scale=scale,
            reference=reference,
            random_state=seed,
            folder=RUNS / "harmonise",
            progress=lambda task, share: progress(share, 1, f"{target}: {task}"),
        )
    console = Console(highlight=False, soft_wrap=True)
    unit = f"log10 {target}" if scale == "log10" else target
    for model in [name for name in records["model"].unique() if name != "mean"]:
        title = f"{unit} on a laboratory never seen, by {model}"
        console.print(as_table(report.score_frame(records, model), f"{title}: R2 | RMSE, * the lowest"))
        console.print(as_table(report.bias_frame(records, model), f"{title}: bias | RMSE without it"))
        console.print(as_table(report.effect_frame(records, model), f"{title}: RMSE against 'none'"))
    n_laboratories = records["laboratory"].nunique()
    print(*report.reading_lines(n_laboratories, set(records["model"])), sep="\n")
    print(f"{dataset.provenance_line()}; {len(soils):,} samples of {n_laboratories} laboratories; seed {seed}")
    if output is not None:
        with written_whole(output) as part:
            records.to_json(part, orient="records", indent=1, double_precision=15)
        print(f"{output}: {len(records)} records")


@app.command()
def ledger(
    study: Annotated[Study, typer.Argument(help="Which study.")],
    results: Annotated[Path | None, typer.Option(help="A record of `replicate`; by default the kit's own.")] = None,
):
    """Show what a study published beside what its rebuild found, and what does not agree inside the paper."""
    from spectrakit.ledger import as_table, inconsistencies_frame, ledger_frame, load_results

    record = load_results(study, results)
    frame = ledger_frame(study, record["results"])
    console, provenance = Console(), record["provenance"]
    console.print(as_table(frame.drop(columns=["kind", "what", "note", "where"]), f"{study}: published and ours"))
    console.print(as_table(inconsistencies_frame(study), f"{study}: inside the paper"))
    counts = frame["verdict"].value_counts()
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    print(f"ours: {provenance['profile']} profile, seed {provenance['seed']}, commit {provenance['commit']}")


def main(args=None):
    """Run the command line; what a user can mend gives one line on stderr and exit code 2."""
    try:
        sys.exit(app(args=args, prog_name="spectrakit", standalone_mode=False) or 0)
    except TyperException as error:
        fault, code = error.format_message(), error.exit_code
    except (ValueError, OSError) as error:
        fault, code = str(error), 2
    except typer.Abort:
        fault, code = "stopped", 130
    if fault:
        print(f"spectrakit: {' '.join(fault.split())}", file=sys.stderr)
    sys.exit(code)


def _write_simulated(path, simulation):
    """Write what `simulation`, a function of a progress callback, returns, and say in one line what it is."""
    from spectrakit.tables import write_table

    _refuse_unwritable(path)
    with _progress_bar("simulating spectra") as progress:
        dataset = simulation(progress)
    write_table(dataset, path)
    _print_simulated(path, dataset.n_samples, dataset)


def _write_simulated_folder(folder, simulation):
    """As `_write_simulated`, for blocks that `simulation` yields, into a folder of Parquet files."""
    from spectrakit.tables import write_partitions

    last = None

    def noted(blocks):
        nonlocal last
        for block in blocks:
            last = block
            yield block

    with _progress_bar("simulating spectra") as progress:
        n_rows = write_partitions(noted(simulation(progress)), folder)
    _print_simulated(folder, n_rows, last)


def _print_simulated(path, n_rows, dataset):
    print(f"{path}: {n_rows:,} rows of {dataset.n_channels:,} channels; {dataset.provenance_line()}")


def _refuse_unwritable(path):
    """Raises ValueError for a file that could not be written once the long work is done."""
    from spectrakit.tables import ENDINGS

    if not path.name.lower().endswith(ENDINGS):
        raise ValueError(f"{path}: unknown kind of file; its name should end in {', '.join(ENDINGS)}")
    _refuse_no_place(path)


def _refuse_no_place(path):
    """Raises ValueError for a file in no folder, or where a folder of its name stands."""
    if path.is_dir():
        raise ValueError(f"{path}: this is a folder; name a file")
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")


@contextmanager
def _resumable():
    """Where the user stops a run that keeps what is finished: one line on stderr, exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        print("spectrakit: stopped; the same command goes on with the tasks that are left", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def _progress_bar(words):
    """A bar on stderr, where that is a terminal, as a function of the number done and to do, and of new words."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total, words=None: bar.update(task, completed=done, total=total, description=words)


def _print_report(report):
    from spectrakit.contents import split_unit

    console = Console(highlight=False, markup=False, soft_wrap=True)
    source, (low, high) = report.table, report.axis[[0, -1]]
    console.print(f"{source.path.name}: {report.provenance}")
    files = f" in {len(source.files):,} files" if len(source.files) > 1 else ""
    console.print(f"  samples   {report.n_samples:,}{files}")
    console.print(f"  channels  {len(report.axis):,} of {source.signal}, values {_span(*report.values)}")
    console.print(f"  axis      {low:g} to {high:g} {source.axis_unit}{_step_words(report)}")
    if report.sample_columns:
        console.print(f"  samples also carry {', '.join(report.sample_columns)}")
    if report.laboratories:
        table = Table("laboratory", "samples", box=None, padding=(0, 2))
        for name, count in report.laboratories.items():
            table.add_row(name, f"{count:,}")
        console.print(table)
    if report.properties:
        table = Table("property", "unit", "measured", "smallest", "largest", box=None, padding=(0, 2))
        for name, (n_measured, low, high) in report.properties.items():
            measured = f"{n_measured:,} of {report.n_samples:,}"
            table.add_row(name, split_unit(name)[1] or "?", measured, f"{low:g}", f"{high:g}")
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
