"""Checks answers to the exercises of the book against what the data of the page give."""

from itertools import chain

import numpy as np

from spectrakit.teaching.exercises import chapters_1_to_4, chapters_5_to_9
from spectrakit.teaching.exercises.keys import Key

KEYS = chapters_1_to_4.KEYS | chapters_5_to_9.KEYS
# A step that anybody may get wrong, and what it makes of the right number.
_SLIPS = (
    ("the number is right but for its sign", lambda value: -value),
    ("the number is 100 times too large: look whether per cent are asked for", lambda value: 100 * value),
    ("the number is 100 times too small: look whether per cent are asked for", lambda value: value / 100),
    ("this is the reciprocal: divide the other way round", lambda value: 1 / value if value else np.nan),
)


def check(exercise, answer, **made):
    """Print whether an answer is right, a hint if it is not, and never the right answer.

    exercise : its number in the book, such as '2.1'
    answer : a number, a text or an array; of an exercise that asks for two things a pair of them. None while there is
        none
    made : what the page made, from which the right answer is computed
    Returns True, False, or None where there is no answer. Raises KeyError for an exercise that does not exist.
    """
    wanted = answer_keys(exercise, **made)
    found, answers = answer_problems(wanted, answer), _parts(wanted, answer)
    if any(each is None for each in answers):
        print("Not answered yet: give your answer in the cell above and run both cells again.")
        return None
    if not any(found):
        shown = " and ".join(f"{_shown(each)} {key.unit}".rstrip() for each, key in zip(answers, wanted, strict=True))
        print(f"Right: {shown}.")
        return True
    for key, problem in zip(wanted, found, strict=True):
        words = "right" if problem is None else f"not yet. {problem}"
        print(f"{_sentence(f'{key.name}: {words}' if key.name else words)}.")
    return False


def answer_keys(exercise, **made):
    """The keys of an exercise, one for each thing that it asks for; arguments and errors as of `check`."""
    found = KEYS[exercise](**made)
    return (found,) if isinstance(found, Key) else tuple(found)


def answer_problems(wanted, answer):
    """What is wrong with an answer, a text for each key of an exercise, with a hint; None for what is right."""
    return [_problem(part, key) for part, key in zip(_parts(wanted, answer), wanted, strict=True)]


def _parts(wanted, answer):
    """An answer in as many parts as an exercise asks for."""
    if len(wanted) > 1 and isinstance(answer, (tuple, list)) and len(answer) == len(wanted):
        return answer
    return (answer,) * len(wanted)


def _problem(answer, key):
    """What is wrong with a part of an answer, with a hint; None for a right one."""
    if answer is None:
        return "no answer"
    if isinstance(key.value, (str, bool)):
        return None if _folded(answer) == _folded(key.value) else f"{_shown(answer)} is not it. {key.hint}"
    try:
        numbers = np.asarray(answer, float)
    except (TypeError, ValueError):
        return f"The answer should be a number{f' in {key.unit}' if key.unit else ''}, not {_shown(answer)}"
    if numbers.shape != np.shape(key.value):
        return f"The answer has the shape {numbers.shape}, not {np.shape(key.value)}"
    if not np.isfinite(numbers).all():
        return "The answer holds a number that is not finite"
    if _is_near(numbers, key.value, key):
        return None
    slips = ((hint, slip(key.value)) for hint, slip in _SLIPS) if np.ndim(key.value) == 0 else ()
    for hint, wrong in chain(key.mistakes.items(), slips):
        if _is_near(numbers, wrong, key) and not _is_near(wrong, key.value, key):
            return _sentence(hint)
    return f"{_shown(answer)} is not within {key.within:.2g}{f' {key.unit}' if key.unit else ''}. {key.hint}"


def _is_near(numbers, value, key):
    # What is a hundredth of the right number may be off by a hundredth of what the right one may.
    scale = abs(value / key.value) if np.ndim(value) == 0 and key.value else 1
    return bool(np.all(np.abs(numbers - value) <= key.within * scale + 1e-9 * np.abs(value)))


def _sentence(words):
    return words[0].upper() + words[1:]


def _folded(answer):
    return str(answer).strip().casefold()


def _shown(answer):
    text = f"{answer:.6g}" if isinstance(answer, (int, float, np.number)) else repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."
