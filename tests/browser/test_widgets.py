"""Does each widget of the site answer when it is moved by the keyboard?"""

import pytest

CHAPTERS = (
    "01_libs_experiment",
    "02_cnn_regression",
    "03_baselines_gap",
    "04_grad_cam",
    "05_lucas_pretraining",
    "06_lead_transfer",
    "08_laboratories",
    "09_gaps_filled",
)


def step(control):
    """Move a slider, a list or a check box by one step with the keyboard."""
    kind = control.evaluate("part => part.type")
    control.focus()
    if kind == "checkbox":
        control.press("Space")
    else:
        place = control.evaluate("part => Number(part.value) || part.selectedIndex || 0")
        control.press("ArrowUp" if place and kind != "range" else "ArrowDown" if kind != "range" else "ArrowLeft")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_step_of_any_control_changes_the_answer(chapter, page):
    shown = page(chapter)
    widget = shown.locator("figure.spectrakit-explorer")
    answer = widget.locator(".answer")
    answer.wait_for()
    assert widget.locator(".question").inner_text().endswith("?")
    controls = widget.locator(".controls :is(input, select)")
    assert controls.count() >= 1
    seen = [answer.inner_text()]
    for number in range(controls.count()):
        step(controls.nth(number))
        seen.append(answer.inner_text())
    assert all(seen)
    assert len(set(seen)) > 1
    assert shown.locator(".spectrakit-live").locator("visible=true").count() == 0
    assert shown.errors == []
