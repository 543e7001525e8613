"""Which parts of a long run are finished already, so that a stopped one goes on where it was?"""

import hashlib
import json
from pathlib import Path

from spectrakit.tables import written_whole

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
    """

    def __init__(self, kept, progress, total=1):
        self.kept, self.progress, self.total, self.done = kept, progress, total, 0

    def part(self, name, words, compute, size=1):
        """What a part gives, from the folder where it is finished, else from `compute`, a function of `report`.

        `report` takes how much of the part is done, and out of how much.
        """

        def report(done=0, total=1):
            if self.progress is not None:
                self.progress(words, min((self.done + size * done / total) / self.total, 1.0))

        report()
        plain = self.kept.load(name)
        if plain is None:
            plain = compute(report)
            self.kept.save(name, plain)
        self.done += size
        report()
        return plain
