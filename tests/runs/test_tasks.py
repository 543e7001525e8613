import sys

import pytest
import torch

from spectrakit.runs import tasks as cluster
from spectrakit.runs.tasks import broadcast, task_runner


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)


@pytest.fixture(scope="module")
def threads():
    """A cluster of two workers that are threads of this process."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as made:
        yield made.scheduler_address


def halved(number):
    if number == 13:
        raise ValueError("13 is not halved")
    return number / 2


def test_here_tasks_are_taken_one_by_one():
    taken = []

    def tasks():
        for number in (4, 6):
            taken.append(number)
            yield number

    with task_runner() as run:
        assert not run.remote
        results = run(halved, tasks())
        assert (next(results), taken) == ((0, 2.0), [4])
        assert (list(results), taken) == ([(1, 3.0)], [4, 6])


def test_a_cluster_gives_each_result_once_with_its_place_and_raises_what_a_task_raises(threads):
    with task_runner(threads) as run:
        assert run.remote
        assert sorted(run(halved, [8, 8, 2])) == [(0, 4.0), (1, 4.0), (2, 1.0)]
        assert list(run(halved, [])) == []
        with pytest.raises(ValueError, match="13 is not halved"):
            list(run(halved, [2, 13]))


def from_start(given, task):
    return given["start"] + task, torch.get_num_threads()


def test_what_is_given_travels_in_a_file_that_is_gone_afterwards(threads, tmp_path):
    path = tmp_path / "shared.pickle"
    for start in (10, 20):
        with task_runner(threads) as run, broadcast(run, from_start, {"start": start}, path) as function:
            assert list(tmp_path.iterdir()) == [path]
            assert sorted(run(function, [1, 2])) == [(0, (start + 1, 1)), (1, (start + 2, 1))]
        assert not path.exists()
    with task_runner() as run, broadcast(run, from_start, {"start": 30}, path) as function:
        assert list(run(function, [1])) == [(0, (31, 1))] and not path.exists()


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
