"""The tasks of a long run, computed in this process or by the workers of a Dask cluster."""

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
    """Gives a runner: `run(function, tasks)` is an iterator of (place of the task, result) as they finish.

    scheduler : address such as 'tcp://10.0.0.1:8786'; None for this process, where a task is taken when the result of
        the one before was used, so that an iterator of tasks is never held whole

    A task computes in one thread wherever it runs: sums are then taken in one order, and the digits are the same.
    For a cluster, function, tasks and results must be picklable and the function pure: a task whose worker dies is done
    again by another. `run.remote` says whether it is for one: then tasks name files, absolute, that every worker can
    read, rather than carry data, see `broadcast`. What a task raises is raised here.
    Raises ValueError without the extra `cluster`, and for workers without this version of the kit; ConnectionError for
    a scheduler that cannot be reached, has no worker, or is lost on the way.
    """
    if scheduler is None:
        yield LocalRunner()
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
        yield ClusterRunner(client, scheduler)


class LocalRunner:
    """Tasks one after the other, in this process."""

    remote = False

    def __call__(self, function, tasks):
        """Iterator of (place, result), in order."""
        for place, task in enumerate(tasks):
            yield place, single_threaded(function, task)


class ClusterRunner:
    """Tasks by the workers of a Dask cluster; client : connected; scheduler : its address, for messages."""

    remote = True

    def __init__(self, client, scheduler):
        self.client, self.scheduler = client, scheduler

    def __call__(self, function, tasks):
        """Iterator of (place, result), in the order in which they finish."""
        from distributed import KilledWorker, as_completed

        futures = self.client.map(partial(_by_worker, function), list(tasks), pure=False)
        places = {future.key: place for place, future in enumerate(futures)}
        finished = as_completed(futures, loop=self.client.loop, with_results=True)
        # Nothing here refers to what is finished, so that workers let go of results that have arrived.
        del futures
        try:
            for future, result in finished:
                if isinstance(result, CancelledError):
                    raise result
                yield places[future.key], result
        except KilledWorker as error:
            raise ConnectionError(f"{self.scheduler}: workers die over one task, again and again ({error})") from error
        except CancelledError as error:
            remedy = _REMEDY.format(self.scheduler)
            raise ConnectionError(f"{self.scheduler}: the scheduler was lost on the way; {remedy}") from error


@contextmanager
def broadcast(run, function, shared, path):
    """`function(shared, task)` as a function of the task alone, picklable where `run` is for a cluster.

    There `shared` goes through a file at `path`, which every worker must be able to read: each reads it once, not once
    a task. It is a pickle (cloudpickle), written and read by the same run, in its folder of kept parts, and deleted at
    the end.
    """
    if not run.remote:
        yield partial(function, shared)
        return
    # It comes with dask, and pickles functions that no module has by name, such as a study's makers of models.
    import cloudpickle

    path = Path(path).resolve()
    with written_whole(path) as part, open(part, "wb") as file:
        cloudpickle.dump(shared, file)
    try:
        yield partial(_with_file, function, str(path), time.time_ns())
    finally:
        path.unlink(missing_ok=True)


def _with_file(function, path, written, task):
    return function(_unpickled(path, written), task)


@lru_cache(maxsize=1)
def _unpickled(path, written):
    """What a file holds; written : when, so that a worker does not take a file for one of the same name before."""
    with open(path, "rb") as file:
        return pickle.load(file)


def single_threaded(function, task):
    """`function(task)` in one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _thread_pools().limit(limits=1):
            return function(task)
    finally:
        torch.set_num_threads(threads)


def _by_worker(function, task):
    # For good: tasks that a worker does side by side share the setting.
    torch.set_num_threads(1)
    _thread_pools().limit(limits=1)
    return function(task)


# To look through all libraries for their threads takes as long as a small block.
_thread_pools = cache(ThreadpoolController)


def _check_workers(client, scheduler):
    """Raises ConnectionError where there is no worker, ValueError for one whose results may be others than ours."""

    # A function inside another goes to the workers by value: they may not have the module.
    def version():
        try:
            from spectrakit import __version__ as found
        except ImportError:
            return None
        return found

    try:
        client.wait_for_workers(1, PATIENCE)
    except TimeoutError as error:
        raise ConnectionError(f"{scheduler}: no worker within {PATIENCE} s; {_REMEDY.format(scheduler)}") from error
    for worker, found in client.run(version).items():
        if found != __version__:
            words = "no spectrakit" if found is None else f"spectrakit {found}"
            raise ValueError(f"worker {worker} has {words}: install {__version__} there, as it is here")
