import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation import leaky_folds
from spectrakit.simulate.libs import line_table
from spectrakit.teaching.exercises.checks import KEYS, answer_keys, check


def made(exercise, seed):
    """What a page could have made, drawn by a seed, for an exercise."""
    random = np.random.default_rng(seed)
    lines = pd.DataFrame({"E_upper_eV": random.uniform(3, 7, 7), "E_lower_eV": random.uniform(0, 3, 7)})
    axis = np.linspace(588, 591, 33)
    part, na = SimpleNamespace(task=SimpleNamespace(wavelength=axis)), np.array([588.995, 589.592])
    draws = itertools.product(("RF", "PLS"), (12, 96), ("spiked soils", "field soils"), "abc")
    counts = pd.DataFrame(draws, columns=["model", "n_soils", "soils", "draw"])
    experiments = [(seed, model) for seed in range(20) for model in ("CNN", "BPNN")]
    experiments = pd.DataFrame(experiments, columns=["seed", "model"])
    soil = np.repeat(np.arange(12), 5)
    return {
        "1.1": {"lines": lines, "another": 9 - lines["E_upper_eV"] / (8.617e-5 * random.uniform(7000, 9500))},
        "1.2": {"sodium": line_table(588.9, 589.7, "Na", 1)},
        "1.3": {"slope": random.uniform(20, 60), "blank_std": random.uniform(80, 160), "n_blanks": 10},
        "2.1": {"n_channels": 66 + seed},
        "2.2": {},
        "2.3": {"soil": soil, "leak_splits": leaky_folds(soil, n_folds=10, n_repeats=1, random_state=seed)},
        "3.1": {},
        "3.2": {"counts": counts.assign(element="Mg", test=random.uniform(10, 90, len(counts)))},
        "3.3": {"experiments": experiments.assign(r2=random.uniform(0, 1, len(experiments)))},
        "4.1": {"n_channels": 33, "n_maps": 6},
        "4.2": {"part": part, "maps": random.random((5, 33)), "lines": na, "before": random.random((5, 33))},
        "4.3": {"part": part, "mean_lowering": random.random(33), "mean_raising": random.random(33)},
        "5.1": {"reflectance": random.uniform(0.2, 0.4), "times_size": 4},
        "5.2": {"few": random.normal(6, 1, 9)},
        "7.1": {"values": random.normal(0, 1, (3, 2100)), "pool": 10, "nm": 759},
        "8.1": {"score": random.uniform(0.8, 0.97)},
        "8.2": {"wavenumber": random.uniform(3600, 3700)},
        "8.3": {"kaolinite": 3695, "quartz": 797},
        "9.1": {"asked": 0.9, "promised": 0.88},
        "9.2": {"offset": 1.5, "half_width": random.uniform(0.3, 0.6), "low": 20, "high": 200},
    }.get(exercise, {})


def as_answer(values):
    return values[0] if len(values) == 1 else tuple(values)


# Worked out by hand, apart from the package.
BY_HAND = {
    "1.2": 2.0,
    "2.2": 3.0956,
    "3.1": -54.313,
    "4.1": (1 / 33, False),
    "6.1": 1.8,
    "8.3": (0.71, "Quartz"),
    "9.1": 0.88 / (0.9 - 0.88),
}


@pytest.mark.parametrize(("exercise", "answer"), BY_HAND.items())
def test_an_answer_worked_out_by_hand_is_right(capsys, exercise, answer):
    assert check(exercise, answer, **made(exercise, 0)) is True
    assert capsys.readouterr().out.startswith("Right: ")


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("exercise", KEYS)
def test_the_right_answer_passes_the_empty_cell_does_not_and_every_mistake_gets_its_hint(capsys, exercise, seed):
    data = made(exercise, seed)
    keys = answer_keys(exercise, **data)
    right = [key.value for key in keys]
    assert check(exercise, as_answer(right), **data) is True
    assert check(exercise, None, **data) is None
    assert check(exercise, as_answer([None] * len(keys)), **data) is None
    n_hints = sum(len(key.mistakes) + bool(key.hint) for key in keys)
    assert n_hints >= 2
    for at, key in enumerate(keys):
        assert key.hint and (key.within > 0 or isinstance(key.value, (str, bool)))
        for hint, wrong in key.mistakes.items():
            capsys.readouterr()
            answer = [*right[:at], wrong, *right[at + 1 :]]
            assert check(exercise, as_answer(answer), **data) is False
            assert hint[1:] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (-8.0, "but for its sign"),
        (800, "100 times too large"),
        (0.08, "100 times too small"),
        (0.125, "this is the reciprocal"),
        (5, "5 is not within 0.05 ppm. three standard deviations"),
        ("much", "the answer should be a number in ppm, not 'much'"),
        (float("nan"), "not finite"),
        ([8, 8], r"has the shape (2,), not ()"),
        ("x" * 100, f"not '{'x' * 56}..."),
    ],
)
def test_hints_of_slips_that_anybody_makes(capsys, answer, hint):
    # The key is 8 ppm.
    assert check("1.3", answer, slope=45, blank_std=120, n_blanks=10) is False
    printed = capsys.readouterr().out
    assert hint.lower() in printed.lower() and "8 ppm" not in printed


def test_two_parts_are_judged_each(capsys):
    assert check("8.3", (0.71, "kaolinite"), kaolinite=3695, quartz=797) is False
    first, second = capsys.readouterr().out.splitlines()
    assert first == "Kaolinite: right."
    assert second.startswith("The band that is off by more: not yet.")
    assert check("8.3", 0.71, kaolinite=3695, quartz=797) is False


def test_the_right_answer_is_never_shown(capsys):
    for exercise in KEYS:
        data = made(exercise, 0)
        check(exercise, 123456.7, **data)
        printed = capsys.readouterr().out
        numbers = [key.value for key in answer_keys(exercise, **data) if isinstance(key.value, float) and key.value % 1]
        assert not any(f"{number:.4g}" in printed for number in numbers)
