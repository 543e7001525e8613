import pytest

from spectrakit.runs.parts import FinishedParts, Run, run_key


class Backwards:
    """A runner as that of a cluster, whose last task is finished first."""

    remote = True

    def __call__(self, function, tasks):
        for place in reversed(range(len(tasks))):
            yield place, function(tasks[place])


def test_what_is_kept_comes_back_under_its_own_run_only(tmp_path):
    kept = FinishedParts(tmp_path / "runs", "one")
    assert kept.load("a") is None
    kept.save("a", {"r2": 0.1 + 0.2, "model": "pls"})
    assert FinishedParts(tmp_path / "runs", "one").load("a") == {"r2": 0.1 + 0.2, "model": "pls"}
    assert FinishedParts(tmp_path / "runs", "other").load("a") is None
    assert [path.name for path in (tmp_path / "runs/one").iterdir()] == ["a.json"]


def test_the_key_knows_settings_data_and_code(tmp_path):
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    code, data = package / "room" / "module.py", tmp_path / "lines.csv"
    code.write_text("a = 1\n")
    data.write_text("1\n")

    def key(*parts):
        return run_key(*parts, data=[data], package=package)

    first = key(b"spectra", {"b": 1, "a": 2})
    assert first == key(b"spectra", {"a": 2, "b": 1}) and len(first) == 16
    changed = {key(b"other", {"b": 1, "a": 2}), key(b"spectra", {"b": 1, "a": 3})}
    data.write_text("2\n")
    changed.add(key(b"spectra", {"b": 1, "a": 2}))
    code.write_text("a = 2\n")
    changed.add(key(b"spectra", {"b": 1, "a": 2}))
    assert len(changed | {first}) == 5


def test_a_run_takes_up_its_finished_parts_and_tells_how_far_it_is(tmp_path):
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
            return [1, 2]

        parts = Run(FinishedParts(tmp_path, "one"), lambda *call: calls.append(call), total=4)
        return parts.part("a", "the first", first), parts.part("b", "the second", second, size=3)

    with pytest.raises(KeyboardInterrupt):
        run(stop=True)
    assert calls == [("the first", 0), ("the first", 1 / 8), ("the first", 1 / 4), ("the second", 1 / 4)]
    assert run() == run() == ({"r2": 0.5}, [1, 2])
    assert computed == ["first", "second", "second"] and calls[-1] == ("the second", 1)


@pytest.mark.parametrize(
    ("runner", "told"),
    [
        (None, [(1, 0), (1, 0.5), (1, 1), (2, 1), (2, 3), (3, 3), (3, 4.5), (3, 6)]),
        (Backwards(), [(1, 2), (3, 5), (1, 6)]),
    ],
)
def test_parts_come_in_their_order_whoever_does_them(tmp_path, runner, told):
    calls, computed = [], []

    def power(exponent, number, report):
        computed.append(number)
        report(1, 2)
        return number**exponent

    tasks = {f"part-{number}": (f"number {number}", number, number) for number in (1, 2, 3)}
    FinishedParts(tmp_path, "one").save("part-2", 4)
    run = Run(FinishedParts(tmp_path, "one"), lambda *call: calls.append(call), total=6, runner=runner)
    assert list(run.parts(power, 2, tasks).items()) == [("part-1", 1), ("part-2", 4), ("part-3", 9)]
    assert sorted(computed) == [1, 3]
    assert calls == [(f"number {number}", pytest.approx(done / 6)) for number, done in told]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [f"part-{n}.json" for n in (1, 2, 3)]
