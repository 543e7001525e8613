import multiprocessing
import os
import signal

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where a module's whole run is kept."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def calls():
    """What a whole run told of its progress."""
    return []


class Workers:
    """A Dask cluster of two worker processes on this computer."""

    def __init__(self, client):
        self.client, self.address, self.killed = client, client.scheduler.address, []

    def kill_one(self):
        """Kill the first worker at once, whatever it does."""
        self.killed.append(sorted(self.client.run(os.getpid).values())[0])
        os.kill(self.killed[-1], signal.SIGKILL)

    def lost(self):
        """Whether a worker was killed and another process has taken its place, or none."""
        there = self.client.run(os.getpid, on_error="return").values()
        return bool(self.killed) and not set(self.killed) & {found for found in there if isinstance(found, int)}


@pytest.fixture
def workers(monkeypatch):
    """`Workers`, with the modules that can be imported where the fixture is asked for."""
    import dask
    from distributed import Client, LocalCluster

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Workers are forked from a process that has imported all they need, which would take each some seconds.
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(
        [
            "distributed",
            "spectrakit.workflows.impute.command",
            "spectrakit.studies.gejiu.run",
            "spectrakit.studies.mir.run",
        ]
    )
    multiprocessing.forkserver.ensure_running()
    processes = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(**processes) as made,
        Client(made, set_as_default=False) as client,
    ):
        yield Workers(client)
