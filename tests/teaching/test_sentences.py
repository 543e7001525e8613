import numpy as np
import pytest

from spectrakit.teaching.sentences import ClaimError, claim, listed, sentence


def test_numbers_get_their_decimals_a_true_minus_sign_and_a_space_before_per_cent():
    text = sentence(
        "{model}: R² {r2:.2f}, bias {bias:+.1f} g/kg, {share:.0%} of {n:,} soils, {tiny:+.2f}",
        model="PLS-2",
        r2=np.float64(-0.347),
        bias=-1.25,
        share=0.474,
        n=np.int64(14277),
        tiny=-0.001,
    )
    assert text.data == "PLS-2: R² −0.35, bias −1.2 g/kg, 47\u00a0% of 14,277 soils, 0.00"
    assert text._repr_markdown_() == text.data


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, KeyError, "score"),
        ({"score": 1.0, "gain": 2.0}, ValueError, "not in the sentence: gain"),
        ({"score": np.nan}, ValueError, "a sentence cannot state nan"),
    ],
)
def test_a_sentence_needs_each_of_its_values(values, error, message):
    with pytest.raises(error, match=message):
        sentence("R² {score:.2f}", **values)


@pytest.mark.parametrize(
    ("value", "words"), [(0.4, "below"), (0.46, "as well as"), (0.54, "as well as"), (0.6, "above")]
)
def test_the_words_follow_the_numbers(value, words):
    assert claim(value, 0.5, "below", "as well as", "above", within=0.05) == words


@pytest.mark.parametrize(
    ("value", "where"), [(0.3, "0.3 is below 0.5"), (0.5, "0.5 is within 0 of 0.5"), (np.nan, "nan beside")]
)
def test_a_claim_that_the_numbers_contradict_fails(value, where):
    assert claim(0.6, 0.5, above="above PLS") == "above PLS"
    with pytest.raises(ValueError, match=where) as error:
        claim(value, 0.5, above="above PLS")
    assert isinstance(error.value, ClaimError) == np.isfinite(value)


def test_names_are_listed():
    assert [listed(names) for names in ([], ["pH"], ["pH", "clay"], ["pH", "clay", "sand"])] == [
        "none",
        "pH",
        "pH and clay",
        "pH, clay and sand",
    ]


def test_markup_and_formulas_of_users_are_shown_as_written():
    assert (
        sentence("Left out: {names}.", names="<i>a$x$</i> & b").data == r"Left out: &lt;i&gt;a\$x\$&lt;/i&gt; &amp; b."
    )
