"""The interface of a study: how it is run, recorded and shown; and the studies by name."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from spectrakit.evaluation import score_table
from spectrakit.runs import KeptParts, Run, numbers_of, record_of, result_key, table_columns
from spectrakit.spectra import one_of

STUDIES = ("libs", "gejiu", "mir")
TOLERANCE = 0.01  # of a number, to which another processor or version may change it


@dataclass
class Inputs:
    """What the parts of a run are computed from; a study adds its spectra, made when a part needs them.

    profile : sizes; random_state : seed
    data : folder of measured spectra or None; folder : for files of the run; both as every worker can reach them
    parts : parts that are finished, by name
    """

    profile: Any
    random_state: int
    data: Path | None
    folder: Path
    parts: dict = field(default_factory=dict)

    def seed(self, round_):
        """Seed of a round, counted from 0."""
        return self.random_state + round_


@dataclass(frozen=True)
class Study:
    """A study: what it consists of, and how it is run.

    name : of STUDIES; profiles : {name: dataclass of sizes}
    counts : fields of a profile that only set how many parts there are
    data_folders : names of the folders of measured spectra that it takes, below one folder; empty where it takes none
    parts : {kind: function of `inputs`, the arguments of the part, and `report`, see `runs.Run`}; 'domains' comes first
    plan : function of the profile and the part 'domains': list of stages, whose parts need earlier stages alone, each
        {name: (words, (kind, *arguments), minutes in the paper profile)}
    outcome : function of the profile and the parts by name, to what the module `results` works with
    results : module with functions of the outcome: `ledger_results` (and the published figures) by the ids of the
        ledger, `configuration` for the record beside the profile, `tables` for the record beside the results, {name:
        DataFrame}, `score_records`, DataFrame of task, model and scores, a row a fit, and their HEADINGS
    """

    name: str
    profiles: dict
    counts: tuple[str, ...]
    data_folders: tuple[str, ...]
    inputs: type
    parts: dict
    plan: Callable
    outcome: Callable
    results: ModuleType

    def run(self, profile_name="quick", random_state=0, folder=None, **options):
        """Run the study from its spectra to what `outcome` returns; arguments and errors as of `finished_parts`."""
        parts = self.finished_parts(profile_name, random_state, folder, **options)
        return self.outcome(self.profiles[profile_name], parts)

    def finished_parts(self, profile_name="quick", random_state=0, folder=None, progress=None, runner=None, data=None):
        """The parts of a run by name, each computed or taken from what was kept.

        profile_name : 'quick' or 'paper'
        folder : where finished parts are kept, so that a stopped run goes on where it was; None to keep nothing
        progress : called with words for what runs and the share of the whole run that is done, 0 to 1
        runner : of `runs.task_runner`, which computes the parts; None for this process
        data : folder of measured spectra, None to simulate them
        Raises ValueError for an unknown profile, and for data that the study does not take or that are not there;
        TableError for measured files that cannot be read.
        """
        one_of("profile", profile_name, self.profiles)
        profile, data = self.profiles[profile_name], self._measured(data)
        kept = KeptParts(folder, self.parts_key(profile, random_state, data))
        inputs = self.inputs(profile, random_state, data, kept.folder.resolve())
        run, parts = Run(kept, progress, runner=runner), inputs.parts
        parts["domains"] = run.part("domains", "spectra", lambda report: self.parts["domains"](inputs, report), size=0)
        stages = self.plan(profile, parts["domains"])
        run.total = sum(minutes for stage in stages for *_, minutes in stage.values())
        for stage in stages:
            parts |= run.parts(_part, (self.parts, inputs), stage)
        return parts

    def verify(self, record, n_parts=2, random_state=0, data=None, progress=None):
        """Some parts of a recorded run computed again, with what they need: DataFrame of part, number, recorded, today.

        record : of `record` with its parts; n_parts : how many are drawn, by the seed `random_state`
        data : folder of measured spectra where the record was made from such; progress : as of `run`
        Raises ValueError for a record that does not keep the numbers of its parts.
        """
        provenance, numbers = record["provenance"], record.get("parts")
        if not numbers:
            command = f"spectrakit replicate {self.name} --profile {provenance['profile']} -o FILE"
            raise ValueError(f"the record of {self.name} does not keep what its parts gave; make it anew: {command}")
        if provenance.get("measured", False) != (data is not None):
            made = "simulated spectra; leave out --data"
            if data is None:
                made = "measured spectra; name their folder with --data"
            raise ValueError(f"the record of {self.name} was made from {made}")
        names = sorted(np.random.default_rng(random_state).permutation(sorted(numbers))[:n_parts])
        profile, seed = self.profiles[provenance["profile"]], provenance["seed"]
        again, rows = _OnDemand(self, profile, seed, self._measured(data)), []
        for place, name in enumerate(names):
            if progress is not None:
                progress(str(name), place / len(names))
            today = numbers_of(again[name])
            rows += [(name, number, value, today.get(number, np.nan)) for number, value in numbers[name].items()]
        return pd.DataFrame(rows, columns=["part", "number", "recorded", "today"])

    def score_frame(self, outcome):
        """Mean and deviation of the scores as text: DataFrame by task, one row a model."""
        records = self.results.score_records(outcome)
        return score_table(records, ["task", "model"], self.results.HEADINGS).reset_index("model")

    def record(self, outcome, published, profile_name="quick", random_state=0, parts=None, measured=False):
        """A run as data/recorded keeps it: provenance, results by the ids of the ledger, and tables in `extras`.

        outcome : of `run` with this profile and seed; published : as `ledger.load_published` gives
        parts : of `finished_parts`, whose numbers are recorded for `verify`; None for none
        measured : whether the spectra were
        """
        configuration = {"profile": asdict(self.profiles[profile_name])} | self.results.configuration(outcome)
        results = self.results.ledger_results(outcome, published)
        extras = {name: table_columns(table) for name, table in self.results.tables(outcome).items()}
        record = record_of(results, profile_name, configuration, random_state)
        record["provenance"]["measured"] = measured
        if extras:
            record["extras"] = extras
        if parts is not None:
            record["parts"] = {name: numbers_of(part) for name, part in parts.items() if name != "domains"}
        return record

    def parts_key(self, profile, random_state, data=None):
        """What the parts of a run are kept under: all that they depend on, and not how many there are."""
        sizes = {name: value for name, value in vars(profile).items() if name not in self.counts}
        folders = [] if data is None else [Path(data, name) for name in self.data_folders]
        files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
        names = None if data is None else [path.relative_to(data).as_posix() for path in files]
        return result_key(sizes, random_state, names, code=[self.inputs, *self.parts.values()], files=files)

    def _measured(self, data):
        """The folder of measured spectra as every process can name it, or None."""
        if data is None:
            return None
        if not self.data_folders:
            raise ValueError(f"--data: {self.name} takes no measured spectra")
        if not Path(data).is_dir():
            raise ValueError(f"{data}: there is no such folder of measured spectra")
        return Path(data).resolve()


class _OnDemand(dict):
    """The parts of a run by name, each computed when it is asked for; nothing is kept once this is gone."""

    def __init__(self, study, profile, random_state, data):
        self._study, self._kept = study, KeptParts(None, "verified")
        self._inputs = study.inputs(profile, random_state, data, self._kept.folder.resolve())
        self._inputs.parts = self

    def __missing__(self, name):
        task = ("domains",)
        if name != "domains":
            stages = self._study.plan(self._inputs.profile, self["domains"])
            task = next(stage[name][1] for stage in stages if name in stage)
        self[name] = _part((self._study.parts, self._inputs), task, lambda *_: None)
        return self[name]


def _part(shared, task, report):
    (functions, inputs), (kind, *arguments) = shared, task
    return functions[kind](inputs, *arguments, report)


def load_study(name):
    """The `Study` of a name of STUDIES; its modules are imported now. Raises ValueError for another name."""
    one_of("study", name, STUDIES)
    return import_module(f"spectrakit.studies.{name}").STUDY
