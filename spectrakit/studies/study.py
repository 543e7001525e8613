"""The studies by name, and the one way in which each of them is run, recorded and shown."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any

from spectrakit.evaluation import score_table
from spectrakit.runs import KeptParts, Run, record_of, result_key, table_columns
from spectrakit.spectra import one_of

STUDIES = ("libs", "gejiu", "mir")


@dataclass(frozen=True)
class Inputs:
    """What every part of a run is computed from; a study adds its spectra, made when a part needs them.

    profile : sizes; random_state : seed; data : folder of measured spectra or None
    folder : where unfinished fits are kept; both as every worker of a cluster names them
    """

    profile: Any
    random_state: int
    data: Path | None
    folder: Path


@dataclass(frozen=True)
class Study:
    """What a study consists of.

    profiles : {name: dataclass of sizes}; counts : fields of it that only set how many parts there are
    data_folders : names of the folders of measured spectra that it takes, below one folder; empty where it takes none
    settings : function that returns what results depend on beside profile and seed, as JSON can hold it
    parts : {kind: function}. The function of the kind 'domains' takes `Inputs` and `report`; the others take `Inputs`,
        the earlier parts by name, their arguments and `report`, see `runs.Run`
    plan : function of the profile and the part 'domains': list of stages, whose parts need earlier stages alone, each
        {name: (words, (kind, *arguments), minutes in the paper profile)}
    outcome : function of the profile and of all parts by name, to what the functions below take
    results : function of the outcome and the published figures: the ledger's results by id
    configuration : function of the outcome, what the record says of the run beside `settings`
    tables : function of the outcome, {name: DataFrame} that the record holds beside the results
    score_records : function of the outcome, DataFrame of task, model and scores, one row a fit
    headings : {column of `score_records`: heading}, for the table of scores
    """

    profiles: dict
    counts: tuple[str, ...]
    inputs: type
    settings: Callable
    parts: dict
    plan: Callable
    outcome: Callable
    results: Callable
    score_records: Callable
    headings: dict
    data_folders: tuple[str, ...] = ()
    configuration: Callable = lambda outcome: {}
    tables: Callable = lambda outcome: {}


def load_study(name):
    """The `Study` of a name of STUDIES; its modules are imported now."""
    return import_module(f"spectrakit.studies.{one_of('study', name, STUDIES)}").STUDY


@dataclass(frozen=True)
class Replication:
    """A finished run of a study."""

    study: Study
    profile_name: str
    random_state: int
    outcome: Any

    @cached_property
    def scores(self):
        """Mean and deviation of the scores as text, DataFrame by task, one row a model."""
        table = score_table(self.study.score_records(self.outcome), ["task", "model"], self.study.headings)
        return table.reset_index().set_index("task")

    def record(self, published):
        """The run as data/recorded keeps it: provenance, results by the ids of the ledger, and tables in `extras`."""
        study = self.study
        configuration = {"profile": asdict(study.profiles[self.profile_name])} | study.settings()
        configuration |= study.configuration(self.outcome)
        results = study.results(self.outcome, published)
        extras = {name: table_columns(table) for name, table in study.tables(self.outcome).items()}
        record = record_of(results, self.profile_name, configuration, self.random_state)
        return record | ({"extras": extras} if extras else {})


def replicate(name, profile_name="quick", random_state=0, folder=None, progress=None, runner=None, data=None):
    """Run a study from its spectra to its results; returns a `Replication`.

    name : of STUDIES; profile_name : 'quick' or 'paper'
    folder : where finished parts are kept, so that a stopped run goes on where it was; None to keep nothing
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1
    runner : of `runs.task_runner`, which computes the parts; None for this process
    data : folder of measured spectra, None to simulate them
    Raises ValueError for an unknown study or profile, and for data that the study does not take or that are not there;
    TableError for measured files that cannot be read.
    """
    study = load_study(name)
    one_of("profile", profile_name, study.profiles)
    profile = study.profiles[profile_name]
    kept = KeptParts(folder, parts_key(study, profile, random_state, data))
    run = Run(kept, progress, runner=runner)
    inputs = study.inputs(profile, random_state, data and Path(data).resolve(), kept.folder.resolve())
    parts = {"domains": run.part("domains", "spectra", partial(study.parts["domains"], inputs), size=0)}
    stages = study.plan(profile, parts["domains"])
    run.total = sum(minutes for stage in stages for *_, minutes in stage.values())
    for stage in stages:
        parts |= run.parts(_part, (study.parts, inputs, parts), stage)
    return Replication(study, profile_name, random_state, study.outcome(profile, parts))


def parts_key(study, profile, random_state, data=None):
    """What the parts of a run are kept under: all that they depend on, and not how many there are."""
    sizes = {name: value for name, value in vars(profile).items() if name not in study.counts}
    code = [study.inputs, *study.parts.values()]
    return result_key(sizes, random_state, study.settings(), code=code, files=_measured_files(study, data))


def _measured_files(study, data):
    """Files of measured spectra below a folder, sorted; none where it is None."""
    if data is None:
        return []
    if not study.data_folders:
        raise ValueError("the study takes no measured spectra")
    folders = [Path(data, name) for name in study.data_folders]
    missing = [folder for folder in folders if not folder.is_dir()]
    if missing:
        raise ValueError(f"{missing[0]}: there is no such folder of measured spectra")
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def _part(shared, task, report):
    functions, inputs, parts = shared
    kind, *arguments = task
    return functions[kind](inputs, parts, *arguments, report)
