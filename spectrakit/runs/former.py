"""The former kept parts, JSON with a key of all source files, until the commands and studies use `KeptParts`."""

import hashlib
import json
from pathlib import Path

from spectrakit.files import written_whole
from spectrakit.runs.tasks import broadcast

PACKAGE = Path(__file__).parents[1]
handed = broadcast


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
