"""Finished parts of a long run, kept in files, so that a run that was stopped goes on where it was."""

import json
import shutil
import sys
import weakref
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import numpy as np
from filelock import FileLock, Timeout

from spectrakit.files import written_whole
from spectrakit.runs.tasks import single_threaded
from spectrakit.runs.values import is_plain_array, is_simple, put_together, taken_apart


class KeptParts:
    """Finished parts of one run in a folder.

    folder : of all runs, None for a temporary one that is removed with this object; key : as `result_key` gives it

    A part is a number, text, None, array, tensor, DataFrame, Series or Index; a list, tuple, set or dict of such; or a
    dataclass, network or estimator, fitted or not, whose attributes are such. It comes back equal, with its dtypes,
    indexes and tuples. Each is a zip archive: `part.json` and an .npy file for each array, no pickle. The folder is
    created at once, so that an unwritable path fails before any work.

    A run of the same key in another process waits until this object is gone, and then takes up its parts.
    """

    def __init__(self, folder, key):
        if folder is None:
            folder = mkdtemp()
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.folder = Path(folder) / key
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = run_lock(self.folder)
        _wait_for(lock)
        weakref.finalize(self, lock.release)

    def path(self, name):
        """The file of a part."""
        return self.folder / f"{quote(name, safe=' ')}.zip"

    def save(self, name, part):
        """Keep a part, whole or not at all; TypeError for what is no part."""
        with written_whole(self.path(name)) as path, zipfile.ZipFile(path, "w") as archive:
            archive.writestr("part.json", json.dumps(_packed(part, archive)))

    def load(self, name):
        """The part of a name; None where there is none, or where its file cannot be read."""
        try:
            with zipfile.ZipFile(self.path(name)) as archive:
                return _unpacked(json.loads(archive.read("part.json")), archive)
        except Exception:
            # Whatever is wrong with a file, what it held can be computed again.
            return None

    def remove(self):
        """Remove all parts, and the folder of all runs where it holds no others."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def run_lock(folder):
    """The lock of a run's folder, a file in it, which the system opens again when the process ends."""
    return FileLock(Path(folder, ".lock"), is_singleton=True, thread_local=False)


def _wait_for(lock):
    """Acquire the lock of a run; a terminal is told where another process has it."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if sys.stderr.isatty():
            words = "a run of the same inputs is at work in another process; waiting until it ends"
            print(f"spectrakit: {words} ({lock.lock_file})", file=sys.stderr)
        lock.acquire()
    except NotImplementedError:
        # A file system without locks: parts are still written whole, each under its name.
        pass


def _packed(value, archive):
    """A value as JSON can hold it; its arrays are written to the archive."""
    if is_simple(value):
        return value
    if isinstance(value, list):
        return [_packed(each, archive) for each in value]
    if is_plain_array(value):
        name = f"{len(archive.namelist())}.npy"
        with archive.open(name, "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        return {"array": name}
    kind, simpler = taken_apart(value)
    return {kind: _packed(simpler, archive)}


def _unpacked(packed, archive):
    if isinstance(packed, list):
        return [_unpacked(each, archive) for each in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "array":
        with archive.open(content) as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    return put_together(kind, _unpacked(content, archive))


class Run:
    """A run, part by part: a part that is kept is loaded, another is computed and kept.

    kept : KeptParts; total : size of the whole run, in the unit in which its parts give theirs
    progress : called with words for what runs and the share of the whole run that is done, 0 to 1; or None
    runner : of `task_runner`, which computes `parts`; None for this process

    A run of more rounds takes up the rounds of a shorter one where each is a part by its number, and the key does not
    depend on how many there are.
    """

    def __init__(self, kept, progress, total=1, runner=None):
        self.kept, self.progress, self.total, self.runner, self.done = kept, progress, total, runner, 0

    def part(self, name, words, compute, size=1):
        """The part of a name, loaded or computed.

        words : for `progress`; compute : function of `report`, which it may call with how much of the part is done and
            out of how much; size : of the part
        """

        def report(done=0, total=1):
            self._tell(words, size * done / total)

        report()
        part = self.kept.load(name)
        if part is None:
            part = compute(report)
            self.kept.save(name, part)
        self.done += size
        report()
        return part

    def parts(self, function, shared, tasks):
        """Parts that do not depend on each other, as {name: part} in the order of the tasks.

        function : of `shared`, a task and `report` (see `part`); tasks : {name: (words, task, size)}
        On a cluster all three must be picklable, see `Cluster`; progress is then reported when a part is finished.
        """
        return dict(self.each(function, shared, tasks.items()))

    def each(self, function, shared, tasks):
        """As `parts`, an iterator of (name, part) that holds one part at a time; tasks : (name, (words, task, size)).

        Without a cluster a task is taken from the iterator `tasks` when the part before it has been used.
        """
        if self.runner is None:
            for name, (words, task, size) in tasks:
                compute = partial(single_threaded, partial(function, shared, task))
                yield name, self.part(name, words, compute, size)
            return
        tasks = dict(tasks)
        left = [(name, *about) for name, about in tasks.items() if self.kept.load(name) is None]
        self.done += sum(size for _, _, size in tasks.values()) - sum(size for *_, size in left)
        if left:
            self._tell(left[0][1])
            given = [task for _, _, task, _ in left]
            for place, part in self.runner(partial(_unreported, function), shared, given, self.kept.folder):
                name, words, _, size = left[place]
                self.kept.save(name, part)
                self.done += size
                self._tell(words)
        yield from ((name, self.kept.load(name)) for name in tasks)

    def _tell(self, words, further=0):
        if self.progress is not None:
            self.progress(words, min((self.done + further) / self.total, 1.0))


def _unreported(function, shared, task):
    return function(shared, task, lambda *_: None)
