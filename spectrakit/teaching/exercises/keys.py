"""What is kept of an exercise: the right answer, how near to it counts, and the mistakes that people make."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Key:
    """The right answer to an exercise, or to one of its parts.

    value : a number, an array or a text
    within : largest difference that counts as right, by the precision that the exercise asks for
    hint : where to look, for an answer that no known mistake explains
    mistakes : hint to the number that a mistake gives
    unit : of the value; name : of the part, where there are several
    """

    value: object
    within: float = 0.0
    hint: str = ""
    mistakes: dict = field(default_factory=dict)
    unit: str = ""
    name: str = ""
