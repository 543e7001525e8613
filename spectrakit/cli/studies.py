"""The commands of the three studies."""

from pathlib import Path
from textwrap import fill
from typing import Annotated, Literal

import typer
from rich.console import Console

from spectrakit.cli.terminal import Scheduler, Seed, as_table, long_run, plain, progress_bar, refuse_no_place
from spectrakit.resources import runs_folder

StudyName = Annotated[Literal["libs", "gejiu", "mir"], typer.Argument(help="Which study.", metavar="STUDY")]
# Results that the summary of a ledger lists.
N_LISTED = 10


def replicate(
    study: StudyName,
    profile: Annotated[
        Literal["quick", "paper"], typer.Option(help="quick: a look; paper: the counts of the study.")
    ] = "quick",
    seed: Seed = 0,
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
    from spectrakit.ledger import ledger_frame, load_published
    from spectrakit.studies import load_study

    refuse_no_place(output)
    rebuilt = load_study(study)
    with long_run(study, f"{study}, {profile} profile", scheduler) as run:
        parts = rebuilt.finished_parts(profile, seed, data=data, **run)
        outcome = rebuilt.outcome(rebuilt.profiles[profile], parts)
    record = rebuilt.record(outcome, load_published(study), profile, seed, parts, data is not None)
    Console().print(as_table(rebuilt.score_frame(outcome), f"{study}: scores by task and model"))
    print(f"beside the paper: {_counts(ledger_frame(study, record['results'])['verdict'])}")
    if output is not None:
        _write_json(output, record)
        print(f"{output}: {len(record['results'])} results of the {profile} profile, seed {seed}")
    if study == "mir":
        print("{file}: {rows:,} samples, measured and imputed".format(**outcome["hybrid"]))


def runs(
    remove: Annotated[
        str | None, typer.Option(metavar="KEY", help="Remove the run whose key begins so, as listed.")
    ] = None,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, help="Remove runs older than this.")
    ] = None,
    all_runs: Annotated[bool, typer.Option("--all", help="Remove all runs that no process works on.")] = False,
):
    """List what long runs have kept to go on with, with size and age, or remove some; results are not touched."""
    from spectrakit.runs import kept_runs, remove_run
    from spectrakit.spectra import count_of

    listed = list(kept_runs(runs_folder()))
    chosen = [run for run in listed if _is_chosen(run, remove, older_than, all_runs)]
    if remove is not None and len(chosen) != 1:
        raise ValueError(
            f"--remove {remove}: {count_of(len(chosen), 'run')} with such a key; `spectrakit runs` lists the keys"
        )
    for run in chosen:
        remove_run(run)
    if remove is not None or older_than is not None or all_runs:
        freed = sum(run.n_bytes for run in chosen) / 1e6
        print(f"{len(chosen)} of {count_of(len(listed), 'run')} removed, {freed:,.1f} MB")
        return
    for run in listed:
        state = ", in use" if run.in_use else ""
        size = f"{run.n_bytes / 1e6:,.1f} MB, {run.days:.1f} days old"
        print(f"{run.folder.parent.name:10} {run.folder.name[:12]}  {size}{state}")
    print(f"{count_of(len(listed), 'run')} in {runs_folder()}, {sum(run.n_bytes for run in listed) / 1e6:,.1f} MB")


def _is_chosen(run, remove, older_than, all_runs):
    if remove is not None:
        return run.folder.name.startswith(remove)
    return not run.in_use and (all_runs or (older_than is not None and run.days > older_than))


def ledger(
    study: StudyName,
    results: Annotated[Path | None, typer.Option(help="A record of `replicate`; by default the kit's own.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Show every figure, and every finding with its reason.")] = False,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write every figure here, as CSV.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Compute parts of the record again, and compare.")] = False,
    parts: Annotated[int, typer.Option(min=1, help="With --verify: how many are drawn.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="With --verify: seed of the draw.")] = 0,
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="With --verify: measured spectra.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --verify: result as JSON.")] = None,
):
    """Show what a study published beside what its rebuild gives, and what does not agree inside the paper."""
    from spectrakit.files import written_whole
    from spectrakit.ledger import inconsistencies_frame, last_verified, ledger_frame, load_results

    refuse_no_place(csv)
    record = load_results(study, results)
    if verify:
        _verify(study, record, parts, seed, data, output)
        return
    frame, findings, console = ledger_frame(study, record["results"]), inconsistencies_frame(study), Console()
    if full:
        figures = frame.drop(columns=["kind", "what", "note", "where"])
        console.print(as_table(figures, f"{study}: published and ours"))
        console.print(as_table(findings, f"{study}: inside the paper"))
    else:
        _print_differences(frame, study, record["results"])
        print(f"\nInside the paper: {_counts(findings['standing'])}")
        for item in findings[findings["standing"] != "fits"].itertuples():
            print(fill(f"  {item.standing}: {item.title}", 80, subsequent_indent="    "))
        print()
    if csv is not None:
        with written_whole(csv) as part:
            frame.to_csv(part)
        print(f"{csv}: {len(frame)} figures")
    provenance = record["provenance"]
    print(_counts(frame["verdict"]))
    print(f"ours: {provenance['profile']} profile, seed {provenance['seed']}, commit {provenance['commit']}")
    if results is None:
        print(fill(f"the kit's record was {last_verified(study)}", 80, subsequent_indent="  "))


def _verify(study, record, n_parts, seed, data, output):
    """Print how parts of a record compare with what is computed now; exit code 1 where they differ."""
    from spectrakit.ledger import verification
    from spectrakit.studies import TOLERANCE, load_study

    refuse_no_place(output)
    with progress_bar(f"{study}: computing again") as show:
        compared = load_study(study).verify(record, n_parts, seed, data, lambda part, share: show(share, 1, part))
    found, differ = verification(record, compared, TOLERANCE)
    print(f"{study}: {found['numbers']} numbers of {', '.join(found['parts'])} computed again")
    for item in differ.head(N_LISTED).itertuples():
        print(plain(f"  differs: {item.part}, {item.number}: recorded {item.recorded:.6g}, today {item.today:.6g}"))
    print(f"{found['differ']} differ by more than {TOLERANCE:.0%}; largest difference {found['largest']:.1g}")
    if output is not None:
        _write_json(output, found)
    if found["differ"]:
        raise typer.Exit(1)


def _write_json(path, value):
    import json

    from spectrakit.files import written_whole

    with written_whole(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _print_differences(frame, study, results):
    """The figures that differ most from those published, in lines of at most 80 columns."""
    from spectrakit.ledger import largest_differences

    n_differ = (frame["verdict"] == "differs").sum()
    most = ", most of all" if n_differ else ""
    print(f"{study}: {n_differ} of {len(frame)} figures differ from those published{most}")
    for item in largest_differences(frame, study, results, N_LISTED).itertuples():
        print(f"  {item.Index:<41} {item.published:>15} {item.ours:>19}")


def _counts(values):
    """'3 agrees, 1 differs' of a column."""
    return ", ".join(f"{count} {value}" for value, count in values.value_counts().items())
