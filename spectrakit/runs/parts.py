"""Which parts of a long run are finished already, so that a stopped one goes on where it was?"""

import hashlib
import json
from functools import partial
from pathlib import Path

from spectrakit.files import written_whole
from spectrakit.runs.tasks import LocalRunner, alone, handed

PACKAGE = Path(__file__).parents[1]


def run_key(*parts, data=(), package=None):
    """A short name of what a run depends on: what was kept under another is not taken up again.

    parts : bytes each, or what JSON can hold; data : paths of files that the run reads. The code counts always.
    """
    parts = [part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode() for part in parts]
    parts += [source.read_bytes() for source in (*sorted((package or PACKAGE).rglob("*.py")), *sorted(data))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


class FinishedParts:
    """Finished parts of one run as JSON files in a folder, made at once: one that cannot be made is told early."""

    def __init__(self, folder, key):
        self.folder = Path(folder) / key
        self.folder.mkdir(parents=True, exist_ok=True)

    def save(self, name, plain):
        """Keep what JSON can hold under a name."""
        with written_whole(self.folder / f"{name}.json") as temporary:
            Path(temporary).write_text(json.dumps(plain), encoding="utf-8")

    def load(self, name):
        """What was kept under a name, None where nothing was."""
        path = self.folder / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


class Run:
    """A run under way, part by part.

    kept : FinishedParts; total : size of the whole run, in the unit in which its parts give theirs
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1; or None
    runner : of `cluster.task_runner`, which works off `parts`; None for this process
    """

    def __init__(self, kept, progress, total=1, runner=None):
        self.kept, self.progress, self.total, self.done = kept, progress, total, 0
        self.runner = runner or LocalRunner()

    def part(self, name, words, compute, size=1):
        """What a part gives, from the folder where it is finished, else from `compute`, a function of `report`.

        `report` takes how much of the part is done, and out of how much.
        """

        def report(done=0, total=1):
            self._tell(words, size * done / total)

        report()
        plain = self.kept.load(name)
        if plain is None:
            plain = compute(report)
            self.kept.save(name, plain)
        self.done += size
        report()
        return plain

    def parts(self, function, given, tasks):
        """What parts that need nothing of each other give, as `part` does: {name: result}, in the order of the tasks.

        function : of `given`, the task and `report`, as `compute` of `part`; tasks : {name: (words, task, size)}
        For a cluster all three are picklable, see `cluster.handed`; what is finished is told there, not on the way.
        """
        if not self.runner.remote:
            return {
                name: self.part(name, words, partial(alone, partial(function, given, task)), size)
                for name, (words, task, size) in tasks.items()
            }
        left = [(name, *about) for name, about in tasks.items() if self.kept.load(name) is None]
        self.done += sum(size for _, _, size in tasks.values()) - sum(size for *_, size in left)
        if left:
            self._tell(left[0][1])
            silent, file = partial(_unreported, function), self.kept.folder / "given.pickle"
            with handed(self.runner, silent, given, file) as compute:
                for place, plain in self.runner(compute, [task for _, _, task, _ in left]):
                    name, words, _, size = left[place]
                    self.kept.save(name, plain)
                    self.done += size
                    self._tell(words)
        return {name: self.kept.load(name) for name in tasks}

    def _tell(self, words, further=0):
        if self.progress is not None:
            self.progress(words, min((self.done + further) / self.total, 1.0))


def _unreported(function, given, task):
    return function(given, task, lambda *_: None)
