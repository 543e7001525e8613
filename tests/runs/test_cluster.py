import multiprocessing
import os
import signal

import dask
import pytest
from distributed import LocalCluster

from spectrakit.runs.parts import KeptParts, Run
from spectrakit.runs.tasks import task_runner


@pytest.fixture(scope="module")
def cluster():
    """A Dask cluster of two worker processes on this computer, forked from one that has imported what they need."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["distributed", "spectrakit.runs.parts"])
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made,
    ):
        yield made


def tasks(numbers):
    return {f"part-{number}": (f"number {number}", number, 1) for number in numbers}


def run_parts(folder, function, shared=None, scheduler=None, progress=None, numbers=range(6)):
    with task_runner(scheduler) as runner:
        return Run(KeptParts(folder, "one"), progress, len(numbers), runner).parts(function, shared, tasks(numbers))


# Functions inside tests reach the workers by value: these cannot import this module.


def test_a_task_whose_worker_dies_is_computed_by_another_and_what_is_kept_is_not_computed_again(cluster, tmp_path):
    computed, flag = tmp_path / "computed", tmp_path / "flag"
    computed.mkdir()

    def squared(shared, number, report):
        if number == 3 and not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (computed / str(number)).write_text(str(os.getpid()))
        return {"square": shared["power"] and number ** shared["power"], "by": ("a worker", number)}

    shares, progress = [], lambda words, share: shares.append(share)
    KeptParts(tmp_path / "runs", "one").save("part-0", {"square": 0, "by": ("before", 0)})
    there = run_parts(tmp_path / "runs", squared, {"power": 2}, cluster.scheduler_address, progress)
    assert flag.exists() and list(there) == list(tasks(range(6)))
    assert [part["square"] for part in there.values()] == [0, 1, 4, 9, 16, 25]
    assert there["part-0"]["by"] == ("before", 0) and there["part-3"]["by"] == ("a worker", 3)
    pids = {path.name: path.read_text() for path in computed.iterdir()}
    assert set(pids) == set("12345") and str(os.getpid()) not in pids.values()
    assert shares == pytest.approx([number / 6 for number in range(1, 7)])
    assert not (tmp_path / "runs/one/shared.pickle").exists()
    # In this process and on the cluster it is all there.
    for scheduler in (None, cluster.scheduler_address):
        assert run_parts(tmp_path / "runs", pow, scheduler=scheduler) == there


def test_a_task_that_kills_every_worker_is_named_and_what_came_before_is_kept(cluster, tmp_path, monkeypatch):
    def deadly(shared, number, report):
        if number:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    run_parts(tmp_path, deadly, scheduler=cluster.scheduler_address, numbers=[0])
    with pytest.raises(
        ConnectionError, match=r"tcp://.*: workers die over one task, again and again.*\(Attempted to run"
    ):
        run_parts(tmp_path, deadly, scheduler=cluster.scheduler_address, numbers=[0, 1])
    assert KeptParts(tmp_path, "one").load("part-0") == 0 and KeptParts(tmp_path, "one").load("part-1") is None


def test_a_run_whose_scheduler_is_lost_goes_on_elsewhere(tmp_path):
    stopping, computed = tmp_path / "stop", []

    def waiting(shared, number, report):
        import time

        while number and not stopping.exists():
            time.sleep(0.01)
        return number

    def here(shared, number, report):
        computed.append(number)
        return number

    with (
        # How long a client tries to reach the scheduler again.
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as made,
    ):

        def progress(words, share):
            if share == 1 / 3:
                made.loop.add_callback(made.scheduler.close)

        with pytest.raises(ConnectionError, match="the scheduler was lost during the run; see that `dask scheduler`"):
            run_parts(tmp_path / "runs", waiting, None, made.scheduler_address, progress, range(3))
        stopping.touch()
    assert list(run_parts(tmp_path / "runs", here, numbers=range(3)).values()) == [0, 1, 2] and computed == [1, 2]
