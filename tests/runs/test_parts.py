import json
import zipfile
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from spectrakit.runs.parts import KeptParts, Run


class Backwards:
    """A runner as that of a cluster, whose last task is finished first."""

    def __call__(self, function, shared, tasks, folder):
        for place in reversed(range(len(tasks))):
            yield place, function(shared, tasks[place])


def assert_same(one, other):
    """Equal in value and kind, down to dtypes and indexes."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True, check_index_type="exact")
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True, check_index_type="exact")
    elif isinstance(one, pd.Index):
        pd.testing.assert_index_equal(one, other, exact=True)
    elif isinstance(one, torch.Tensor):
        # An optimiser relies on its state lying in memory as the weights do.
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, check_stride=True)
    elif isinstance(one, np.ndarray) and one.dtype != object:
        np.testing.assert_array_equal(one, other, strict=True)
    elif isinstance(one, np.ndarray):
        assert_same((one.shape, one.tolist()), (other.shape, other.tolist()))
    elif isinstance(one, dict):
        assert_same([*one.items()], [*other.items()])
    elif isinstance(one, list | tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other or one != one


TABLE = pd.DataFrame(
    {
        "lab": ["x", None, "z"],
        "ph": np.array([0.1, np.nan, 1e30], np.float32),
        "n": [1, 2, 3],
        "good": [True, False, True],
        3: pd.Categorical(["b", "a", "b"], categories=["b", "a", "c"], ordered=True),
        "count": pd.array([1, None, 3], dtype="Int64"),
        "when": pd.to_datetime(["2020-01-01", None, "2021-05-05"]),
        "mixed": pd.Series(["a", 1.5, None], dtype=object),
    }
)
PARTS = {
    "simple": [None, True, 3, 2**70, 0.1 + 0.2, -0.0, float("nan"), float("-inf"), "Größe \n", [], {}, ()],
    "nested": {"a": [1, (2, {"b": (3,)})], 5: {(1, "x"): None, None: 1, True: 2.5}},
    "arrays": [
        np.float32(0.1),
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.array(3.5),
        np.empty((0, 4)),
        np.array(["ä", ""]),
        np.array([["a", None], [np.nan, 2]], dtype=object),
        np.array(["2020-01-01", "NaT"], "M8[D]"),
        torch.tensor([0.1, float("nan")]),
        torch.tensor(7),
        torch.arange(120.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last),
        np.array([np.float32(1e-45), np.float32(np.pi)]),
    ],
    "tables": [
        TABLE,
        TABLE.iloc[::-1],
        TABLE.iloc[:0],
        TABLE[[]],
        TABLE.set_index(["lab", "n"]),
        TABLE.set_index("n").rename_axis(columns="column"),
        TABLE.pivot_table(index="lab", columns=["good", "n"], values="ph"),
        TABLE["mixed"],
        TABLE["count"].rename(None),
        pd.Index(["a", 1], name="object"),
        pd.RangeIndex(2, 9, 3, name="range"),
    ],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_comes_back_equal(tmp_path, name):
    kept = KeptParts(tmp_path / "runs", "one")
    assert kept.load(name) is None
    kept.save(name, PARTS[name])
    assert_same(PARTS[name], KeptParts(tmp_path / "runs", "one").load(name))
    assert KeptParts(tmp_path / "runs", "other").load(name) is None
    assert [path.name for path in kept.folder.glob("*.zip")] == [f"{name}.zip"]


def test_a_network_comes_back_with_its_optimiser_bit_for_bit(tmp_path):
    def made():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        return network, optimiser, torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, 10)

    def stepped(objects, n):
        network, optimiser, schedule = objects
        for _ in range(n):
            optimiser.zero_grad()
            network(torch.arange(12.0).reshape(4, 3)).square().sum().backward()
            optimiser.step()
            schedule.step()
        return [each.state_dict() for each in objects]

    kept, whole, resumed = KeptParts(tmp_path, "one"), made(), made()
    kept.save("fit", stepped(whole, 3))
    for each, state in zip(resumed, kept.load("fit"), strict=True):
        each.load_state_dict(state)
    assert_same(stepped(whole, 4)[0], stepped(resumed, 4)[0])


@dataclass(frozen=True)
class Outcome:
    """A result of several parts."""

    table: pd.DataFrame
    model: object
    names: tuple

    def __post_init__(self):
        # Loading does not make it anew.
        object.__setattr__(self, "names", (*self.names, "made"))


def test_fitted_models_and_dataclasses_come_back(tmp_path):
    X, y = np.arange(12.0).reshape(6, 2) ** 2, np.arange(6.0)
    fitted = make_pipeline(StandardScaler(), Ridge(0.1)).fit(X, y)
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2)).eval()
    network[0].weight.requires_grad_(False)
    kept = KeptParts(tmp_path, "one")
    kept.save("a", [Outcome(TABLE, fitted, ("a",)), network, {"b", "a"}, OrderedDict(b=1, a=2), Ridge(2.0)])
    outcome, again, *others = kept.load("a")
    assert_same([{"b", "a"}, OrderedDict(b=1, a=2)], others[:-1])
    assert type(outcome) is Outcome and outcome.names == ("a", "made")
    assert_same(TABLE, outcome.table)
    assert_same(fitted.predict(X), outcome.model.predict(X))
    assert others[-1].get_params() == Ridge(2.0).get_params()
    inputs = torch.tensor(X, dtype=torch.float32)
    assert torch.equal(network(inputs), again(inputs)) and not again.training
    assert [weights.requires_grad for weights in again.parameters()] == [False, True, True, True]
    again.register_forward_hook(lambda *_: None)


def test_what_is_no_part_is_refused_and_leaves_nothing(tmp_path):
    kept = KeptParts(tmp_path, "one")

    @dataclass
    class Local:
        depth: int

    for wrong in (object(), {"a": {1, object()}}, np.ma.array([1]), Local(1), Ridge):
        with pytest.raises(TypeError, match="no kind of value that is kept"):
            kept.save("a", wrong)
    assert list(kept.folder.glob("*.zip")) == []


def test_a_file_that_is_cut_or_changed_is_no_part(tmp_path):
    kept, part = KeptParts(tmp_path, "one"), {"a": np.arange(3.0), "b": (1, 2)}
    kept.save("a/b", part)
    path = kept.path("a/b")
    assert path.name == "a%2Fb.zip"
    whole = path.read_bytes()
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            found = kept.load("a/b")
            assert found is None or assert_same(part, found) is None
    for content in ({"array": "0.npy"}, {"object": ["pathlib:Path", {"dict": []}]}, {"no such kind": 1}):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("part.json", json.dumps(content))
        assert kept.load("a/b") is None


def test_parts_without_a_folder_go_with_their_object():
    kept = KeptParts(None, "one")
    kept.save("a", 1)
    folder = kept.folder
    assert kept.load("a") == 1 and folder.exists()
    del kept
    assert not folder.parent.exists()


def test_a_folder_that_cannot_be_made_fails_at_once_and_all_parts_can_be_removed(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        KeptParts(tmp_path, "file")
    kept, others = KeptParts(tmp_path / "runs", "one"), KeptParts(tmp_path / "runs", "two")
    kept.save("a", 1)
    kept.remove()
    assert list((tmp_path / "runs").iterdir()) == [others.folder] and kept.load("a") is None
    others.remove()
    assert not (tmp_path / "runs").exists()


def test_a_run_takes_up_its_finished_parts_and_says_how_far_it_is(tmp_path):
    calls, computed = [], []

    def run(stop=False):
        def first(report):
            computed.append("first")
            report(1, 2)
            return {"r2": 0.5}

        def second(report):
            computed.append("second")
            if stop:
                raise KeyboardInterrupt
            return (1, 2)

        parts = Run(KeptParts(tmp_path, "one"), lambda *call: calls.append(call), total=4)
        return parts.part("a", "the first", first), parts.part("b", "the second", second, size=3)

    with pytest.raises(KeyboardInterrupt):
        run(stop=True)
    assert calls == [("the first", 0), ("the first", 1 / 8), ("the first", 1 / 4), ("the second", 1 / 4)]
    assert run() == run() == ({"r2": 0.5}, (1, 2))
    assert computed == ["first", "second", "second"] and calls[-1] == ("the second", 1)


def power(exponent, number, report):
    report(1, 2)
    return number**exponent


def rounds(n_rounds):
    return {f"round-{number}": (f"number {number}", number, number) for number in range(1, n_rounds + 1)}


@pytest.mark.parametrize(
    ("runner", "expected"),
    [
        (None, [(1, 0), (1, 0.5), (1, 1), (2, 1), (2, 3), (3, 3), (3, 4.5), (3, 6)]),
        (Backwards(), [(1, 2), (3, 5), (1, 6)]),
    ],
)
def test_parts_come_in_their_order_whoever_computes_them(tmp_path, runner, expected):
    calls = []
    KeptParts(tmp_path, "one").save("round-2", 4)
    run = Run(KeptParts(tmp_path, "one"), lambda *call: calls.append(call), total=6, runner=runner)
    assert list(run.parts(power, 2, rounds(3)).items()) == [("round-1", 1), ("round-2", 4), ("round-3", 9)]
    assert calls == [(f"number {number}", pytest.approx(done / 6)) for number, done in expected]
    assert sorted(path.name for path in (tmp_path / "one").glob("*.zip")) == [f"round-{n}.zip" for n in (1, 2, 3)]


def test_here_tasks_are_taken_one_by_one_and_computed_in_one_thread(tmp_path):
    taken = []

    def given():
        for name, about in rounds(3).items():
            taken.append(name)
            yield name, about

    def threads(shared, number, report):
        return number, torch.get_num_threads()

    results = Run(KeptParts(tmp_path, "one"), None).each(threads, None, given())
    assert (next(results), taken) == (("round-1", (1, 1)), ["round-1"])
    assert (list(results), taken) == ([("round-2", (2, 1)), ("round-3", (3, 1))], ["round-1", "round-2", "round-3"])


@pytest.mark.parametrize("runner", [None, Backwards()])
def test_more_rounds_take_up_fewer(tmp_path, runner):
    computed = []

    def squared(shared, number, report):
        computed.append(number)
        return number**2

    for n_rounds in (2, 4, 3):
        found = Run(KeptParts(tmp_path, "one"), None, runner=runner).parts(squared, None, rounds(n_rounds))
        assert list(found.values()) == [number**2 for number in range(1, n_rounds + 1)]
    assert sorted(computed) == [1, 2, 3, 4]
