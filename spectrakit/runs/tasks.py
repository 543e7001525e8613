"""The tasks of a long run, computed in this process or by the workers of a Dask cluster."""

import os
import pickle
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

from spectrakit import __version__
from spectrakit.files import written_whole

# Seconds to wait for a scheduler, and for its first worker.
PATIENCE = 5
_REMEDY = "see that `dask scheduler` and `dask worker {0}` run, or leave out --scheduler"


@contextmanager
def task_runner(scheduler=None):
    """A context that gives the runner of a run: a `Cluster`, None for this process.

    scheduler : address such as 'tcp://10.0.0.1:8786', None for this process
    Raises ValueError without the extra `cluster`, and for workers without this version of the kit; ConnectionError for
    a scheduler that cannot be reached, has no worker, or is lost during the run.
    """
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError("--scheduler needs the extra `cluster`: pip install 'spectrakit[cluster]'") from error
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(f"{scheduler}: no Dask scheduler answers; {_REMEDY.format(scheduler)}") from error
    with client:
        _check_workers(client, scheduler)
        yield Cluster(client, scheduler)


class Cluster:
    """The workers of a Dask cluster; client : connected; scheduler : its address, for messages."""

    def __init__(self, client, scheduler):
        self.client, self.scheduler = client, scheduler

    def __call__(self, function, shared, tasks, folder):
        """Iterator of (place of the task, `function(shared, task)`), in the order in which they finish.

        All must be picklable and the function pure: a task whose worker dies is computed again by another. `shared`
        goes through a file in `folder` that each worker reads once, not once a task: a pickle (cloudpickle), written
        and read by this call, for its user alone (mode 600), and deleted at its end. Tasks name files, by absolute
        paths, rather than carry data. An exception of a task is raised here.
        """
        # It comes with dask, and pickles functions that are not names of a module, such as the models of a study.
        import cloudpickle

        path = Path(folder).resolve() / "shared.pickle"
        with written_whole(path) as part, open(part, "wb", opener=_for_its_user) as file:
            cloudpickle.dump(shared, file)
        try:
            yield from self._results(partial(_on_worker, function, str(path), time.time_ns()), list(tasks))
        finally:
            path.unlink(missing_ok=True)

    def _results(self, function, tasks):
        from distributed import KilledWorker, as_completed

        futures = self.client.map(function, tasks, pure=False)
        places = {future.key: place for place, future in enumerate(futures)}
        finished = as_completed(futures, loop=self.client.loop, with_results=True)
        # Workers keep a result as long as a future of it is held here.
        del futures
        try:
            for future, result in finished:
                if isinstance(result, CancelledError):
                    raise result
                yield places[future.key], result
        except KilledWorker as error:
            raise ConnectionError(
                f"{self.scheduler}: workers die over one task, again and again; give them more memory ({error})"
            ) from error
        except CancelledError as error:
            remedy = _REMEDY.format(self.scheduler)
            raise ConnectionError(f"{self.scheduler}: the scheduler was lost during the run; {remedy}") from error


def _for_its_user(path, flags):
    """Opens a new file that nobody else can read or change."""
    return os.open(path, flags | os.O_EXCL, 0o600)


def _on_worker(function, path, written, task):
    # Not undone afterwards: tasks that run side by side in a worker share the setting.
    torch.set_num_threads(1)
    _thread_pools().limit(limits=1)
    return function(_unpickled(path, written), task)


@lru_cache(maxsize=1)
def _unpickled(path, written):
    """Content of a file; written : when, so that a worker does not reuse an older file of the same name."""
    with open(path, "rb") as file:
        return pickle.load(file)


def single_threaded(function, task):
    """`function(task)` in one thread, as on a worker: sums have one order, and results the same digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            return function(task)
    finally:
        torch.set_num_threads(threads)


# Searching all loaded libraries for their threads takes as long as a small task.
_thread_pools = cache(ThreadpoolController)


def _check_workers(client, scheduler):
    """Raises ConnectionError where there is no worker, ValueError for a worker with another version of the kit."""

    # A function inside another one is sent by value: a worker may not have this module.
    def version():
        try:
            from spectrakit import __version__ as installed
        except ImportError:
            return None
        return installed

    try:
        client.wait_for_workers(1, PATIENCE)
    except TimeoutError as error:
        raise ConnectionError(f"{scheduler}: no worker within {PATIENCE} s; {_REMEDY.format(scheduler)}") from error
    for worker, installed in client.run(version).items():
        if installed != __version__:
            words = "no spectrakit" if installed is None else f"spectrakit {installed}"
            raise ValueError(f"worker {worker} has {words}: install {__version__} there, as it is here")
