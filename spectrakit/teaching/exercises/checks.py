"""Check of the answer to an exercise."""

import numpy as np


def check(answer, expected, tolerance=0.0, hint="Have another look at the text above.", unit=""):
    """Print whether an answer is right, with a hint if it is not, and never the expected answer.

    answer : a number, a text, or an array or list of numbers; None while there is none
    expected : the right answer; texts are compared without regard to case and outer blanks
    tolerance : largest absolute difference that still counts as right, in the unit of the answer
    hint : one sentence on where to look; unit : of the answer, for the message
    Returns True, False, or None where there is no answer. Raises ValueError for a negative tolerance.
    """
    if not tolerance >= 0:
        raise ValueError(f"a tolerance is zero or more, not {tolerance}")
    if answer is None:
        print("Not answered yet: set `answer` above and run this cell again.")
        return None
    problem = _problem(answer, expected, tolerance, unit)
    if problem is None:
        print(f"Right: {_shown(answer)} {unit}".rstrip() + ".")
    else:
        print(f"Not yet: {problem}. Hint: {hint}")
    return problem is None


def _problem(answer, expected, tolerance, unit):
    """What is wrong with the answer, or None."""
    if isinstance(expected, str):
        is_same = isinstance(answer, str) and answer.strip().casefold() == expected.strip().casefold()
        return None if is_same else f"{_shown(answer)} is not it"
    try:
        numbers = np.asarray(answer, float)
    except (TypeError, ValueError):
        return f"the answer should be a number{f' in {unit}' if unit else ''}, not {_shown(answer)}"
    if numbers.shape != np.shape(expected):
        return f"the answer has the shape {numbers.shape}, not {np.shape(expected)}"
    if not np.isfinite(numbers).all():
        return "the answer holds a number that is not finite"
    wrong = np.abs(numbers - expected) > tolerance
    if not wrong.any():
        return None
    if numbers.ndim:
        return f"{wrong.sum()} of {wrong.size} values are off"
    return f"{_shown(answer)} is not within {tolerance:g}{f' {unit}' if unit else ''} of what we find"


def _shown(answer):
    text = f"{answer:.6g}" if isinstance(answer, (int, float, np.number)) else repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
