import numpy as np
import pytest

from spectrakit.teaching.exercises.checks import check

CASES = [
    (None, 9000, "", None, "Not answered yet: set `answer` above and run this cell again.\n"),
    (9100.0, 9000, "K", True, "Right: 9100 K.\n"),
    (np.float32(8900), 9000, "", True, "Right: 8900.\n"),
    (9101, 9000, "K", False, "Not yet: 9101 is not within 100 K of what we find. Hint: Look at equation 3.\n"),
    ("much", 9000, "K", False, "Not yet: the answer should be a number in K, not 'much'. Hint: Look at equation 3.\n"),
    (
        float("nan"),
        9000,
        "",
        False,
        "Not yet: the answer holds a number that is not finite. Hint: Look at equation 3.\n",
    ),
    ([1, 500], [0, 300], "", False, "Not yet: 1 of 2 values are off. Hint: Look at equation 3.\n"),
    ([1, 2, 3], [0, 3], "", False, "Not yet: the answer has the shape (3,), not (2,). Hint: Look at equation 3.\n"),
    (np.array([1, 2]), [0, 3], "", True, "Right: array([1, 2]).\n"),
    (" mg ii", "Mg II", "", True, "Right: ' mg ii'.\n"),
    ("Ca I", "Mg II", "", False, "Not yet: 'Ca I' is not it. Hint: Look at equation 3.\n"),
    (2, "Mg II", "", False, "Not yet: 2 is not it. Hint: Look at equation 3.\n"),
]


@pytest.mark.parametrize(("answer", "expected", "unit", "result", "message"), CASES)
def test_messages(capsys, answer, expected, unit, result, message):
    assert check(answer, expected, 100, "Look at equation 3.", unit) is result
    assert capsys.readouterr().out == message


def test_a_long_answer_is_cut_and_the_expected_one_never_shown(capsys):
    check("x" * 100, 123.456)
    printed = capsys.readouterr().out
    assert "x" * 56 + "..." in printed
    assert "123" not in printed


@pytest.mark.parametrize(("answer", "result"), [(12, True), (12.1, False)])
def test_without_tolerance_the_answer_must_be_equal(answer, result):
    assert check(answer, 12) is result


def test_a_tolerance_is_not_negative():
    with pytest.raises(ValueError, match="zero or more, not -1"):
        check(1, 1, tolerance=-1)
