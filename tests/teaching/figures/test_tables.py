import re

import pandas as pd
import pytest

from spectrakit import ledger
from spectrakit.teaching.figures.tables import VERDICT_COLOURS, show_table


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_headings_caption_and_cells_but_no_index():
    frame = pd.DataFrame({"Line": ["Ca <422>"], "R²": [0.12345]}, index=["hidden-name"])
    html = show_table(frame, "A & B", {"R²": "{:.2f}"}).data
    assert re.findall(r"<th[^>]*>(.*?)</th>", html) == ["Line", "R²"]
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == ["Ca &lt;422&gt;", "0.12"]
    assert "<caption>A &amp; B</caption>" in html and 'aria-label="A &amp; B" tabindex="0"' in html
    assert "overflow-x: auto" in html and "hidden-name" not in html


def test_missing_values_are_a_dash():
    html = show_table(pd.DataFrame({"nm": [float("nan"), 1.0], "stage": [None, "II"]}), "x", {"nm": "{:.1f}"}).data
    assert re.findall(r"<td[^>]*>(.*?)</td>", html) == ["–", "–", "1.0", "II"]


def test_verdicts_keep_their_word_and_take_a_colour():
    html = show_table(pd.DataFrame({"a": ["90%, differs"], "b": ["plain"]}), "x").data
    background, text = VERDICT_COLOURS["differs"]
    assert f"background-color: {background};" in html and f"color: {text};" in html
    assert html.count("background-color") == 1 and ">90%, differs<" in html


def test_every_verdict_of_the_ledger_has_a_colour_that_can_be_read():
    assert set(VERDICT_COLOURS) >= set(ledger.ledger_frame("libs", {})["verdict"])
    for background, text in VERDICT_COLOURS.values():
        assert (luminance(background) + 0.05) / (luminance(text) + 0.05) > 7


def test_only_wide_columns_break_into_lines():
    frame = pd.DataFrame({"short": ["a b"], "long": ["c d"]})
    rules = re.findall(r"(td\S*)\s*\{\s*white-space: (\w+)", show_table(frame, "x", wide=["long"]).data)
    assert rules == [("td", "nowrap"), ("td.col1", "normal")]
    assert "white-space: normal" not in show_table(frame, "x").data


def test_a_table_with_long_text_names_the_column_of_each_cell():
    frame = pd.DataFrame({"Claim": ["a"], "Verdict": ["differs"], 'Why "so"': ["b"]})
    html = show_table(frame, "x", wide=["Claim"]).data
    assert re.findall(r'<td data-label="(.*?)" ', html) == ["Claim", "Verdict", "Why &quot;so&quot;"]
    assert 'class="cards"' in html and "data-label" not in show_table(frame, "x").data


def test_the_same_table_gives_the_same_page():
    frame = pd.DataFrame({"a": [1]})
    assert show_table(frame, "x").data == show_table(frame, "x").data != show_table(frame, "y").data


def test_a_column_without_heading_is_refused():
    with pytest.raises(ValueError, match="every column of a table needs a heading"):
        show_table(pd.DataFrame({" ": [1]}), "x")
