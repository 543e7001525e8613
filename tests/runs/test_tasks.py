import gc
import sys

import pytest
import torch

from spectrakit.runs import tasks as cluster
from spectrakit.runs.tasks import task_runner


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    yield
    # A client that found no scheduler closes itself when it is collected: not while the next test starts a loop.
    gc.collect()


@pytest.fixture(scope="module")
def threads():
    """A cluster of two workers that are threads of this process."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as made:
        yield made.scheduler_address


def halved(shared, number):
    if number == 13:
        raise ValueError("13 is not halved")
    return shared["start"] + number / 2, torch.get_num_threads()


def test_a_cluster_gives_each_result_once_with_its_place_and_raises_what_a_task_raises(threads, tmp_path):
    with task_runner(threads) as run:
        for start in (10, 20):
            results = run(halved, {"start": start}, [8, 8, 2], tmp_path)
            first = next(results)
            # What is shared goes through a file that is there as long as the run.
            assert [path.name for path in tmp_path.iterdir()] == ["shared.pickle"]
            assert sorted([first, *results]) == [(0, (start + 4, 1)), (1, (start + 4, 1)), (2, (start + 1, 1))]
        assert list(run(halved, None, [], tmp_path)) == []
        with pytest.raises(ValueError, match="13 is not halved"):
            list(run(halved, {"start": 0}, [2, 13], tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_this_process_has_no_runner():
    with task_runner() as run:
        assert run is None


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"needs the extra `cluster`: pip install 'spectrakit\[cluster\]'"):
        task_runner("tcp://127.0.0.1:9").__enter__()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense"])
def test_a_scheduler_that_does_not_answer(impatient, address):
    with pytest.raises(ConnectionError, match=f"^{address}: no Dask scheduler answers; see that `dask scheduler` and"):
        task_runner(address).__enter__()


def test_a_scheduler_without_workers(impatient):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as empty,
        pytest.raises(ConnectionError, match="no worker within 1 s; see that"),
    ):
        task_runner(empty.scheduler_address).__enter__()


def test_a_worker_of_another_version_is_refused(threads, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"worker .* has spectrakit 0\.1\.0: install 9\.9 there"):
        task_runner(threads).__enter__()
