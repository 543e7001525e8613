import ipywidgets
import pytest

from spectrakit.teaching.widgets.live import Live


@pytest.fixture
def live():
    def compute(report, number, word):
        report(0.5)
        shares.append(widget.progress.value)
        if number < 0:
            raise ValueError("Choose a number of at least 0.")
        return f"<b>{word} {number}" if number else ipywidgets.Label(word)

    shares = []
    fields = {"number": ipywidgets.IntText(3), "word": ipywidgets.Text("soils")}
    widget = Live(ipywidgets.Label("prepared"), fields, compute)
    widget.shares = shares
    return widget


def test_it_computes_with_the_fields_and_says_how_far_it_is(live):
    live.button.click()
    assert live.answer.value == "&lt;b&gt;soils 3"
    assert (live.shares, live.progress.value, live.button.disabled) == ([0.5], 1.0, False)
    assert live.children[0].value == "prepared"


def test_a_widget_takes_the_place_of_the_prepared_one(live):
    live.children[2].children[0].value = 0
    live.run()
    assert live.children[0].value == "soils"


def test_what_cannot_be_computed_is_said(live):
    live.children[2].children[0].value = -1
    live.run()
    assert live.answer.value == "Choose a number of at least 0."
    assert not live.button.disabled
