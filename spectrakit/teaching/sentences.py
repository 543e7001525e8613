"""Sentences whose numbers, and whose words that compare them, come from a run."""

import math
from html import escape
from numbers import Number
from string import Formatter

from IPython.display import Markdown


class ClaimError(ValueError):
    """A fixed claim of the text that the numbers contradict."""


class _Typographic(Formatter):
    """str.format with a true minus sign and a space before %; every value has to be used, and to be finite."""

    def format_field(self, value, format_spec):
        if not isinstance(value, Number):
            # Of text, which may be from a user's file, neither markup nor formulas are followed.
            return escape(super().format_field(value, format_spec), quote=False).replace("$", r"\$")
        if not math.isfinite(value):
            raise ValueError(f"a sentence cannot state {value}")
        text = format(value, format_spec)
        if not text.strip("-+0.,%"):
            text = text.lstrip("-+")  # what rounds to zero has no sign
        return text.replace("-", "\N{MINUS SIGN}").replace("%", "\N{NO-BREAK SPACE}%")

    def check_unused_args(self, used_args, args, kwargs):
        unused = set(kwargs) - set(used_args)
        if unused:
            raise ValueError(f"not in the sentence: {', '.join(sorted(unused))}")


def sentence(template, **values):
    """Markdown with the numbers filled in, for the last line of a folded cell (`tags=["hide-input"]`).

    template : Markdown with fields as of `str.format`, each number with its decimals: 'R² {score:.2f}'
    values : what the fields name; numbers get a true minus sign, per cent a space, and zero no sign
    Raises KeyError for a field without a value, ValueError for a value without a field or one that is not finite.
    """
    return Markdown(_Typographic().format(template, **values))


def claim(value, other, below=None, same=None, above=None, within=0.0):
    """The words for a value that is below another, above it, or the same within a tolerance.

    below, same, above : the words for each case; None for a case that the text excludes. Where the numbers give that
    case, ClaimError is raised, and the build of the book fails.
    within : largest difference that counts as the same
    """
    difference = value - other
    if not math.isfinite(difference):
        raise ValueError(f"nothing can be claimed of {value} beside {other}")
    place = "same" if abs(difference) <= within else "below" if difference < 0 else "above"
    words = {"below": below, "same": same, "above": above}
    if words[place] is None:
        meant = " or ".join(repr(each) for each in words.values() if each is not None)
        where = f"within {within:g} of" if place == "same" else place
        raise ClaimError(f"the text says {meant}, but {value:g} is {where} {other:g}")
    return words[place]


def listed(names, none="none"):
    """Names as a sentence lists them: 'a', 'a and b', 'a, b and c'; `none` where there are none."""
    *first, last = [str(name) for name in names] or [none]
    return f"{', '.join(first)} and {last}" if first else last
