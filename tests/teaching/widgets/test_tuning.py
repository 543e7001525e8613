import numpy as np
import pandas as pd
import pytest

from spectrakit.teaching.widgets.tuning import DEPTH_TEXTS, freeze_or_tune

SIZES, ROUNDS = (20, 98), (0, 1, 2)


def records(depths=("none", "dense", "all")):
    """R2 of 0.1 for each step of depth, 0.01 for each step of size, 0.001 for each round, in a mixed order."""
    rows = [
        {"depth": depth, "n_train": size, "round": round_, "r2": 0.1 * d + 0.01 * s + 0.001 * round_}
        for d, depth in enumerate(depths)
        for s, size in enumerate(SIZES)
        for round_ in ROUNDS
    ]
    return pd.DataFrame(rows[::-1])


def test_the_reader_chooses_layers_and_soils_and_starts_with_the_paper():
    widget = freeze_or_tune(records())
    layers, soils = widget.specification["controls"]
    assert layers["text"] == [DEPTH_TEXTS[name] for name in ("none", "dense", "all")]
    assert (layers["kind"], soils["kind"], soils["text"]) == ("choice", "slider", ["20", "98"])
    assert widget.indices == [1, 1]
    assert layers["text"][1] == "the dense layers, as in the paper"


def test_the_upper_panel_shows_the_rounds_of_the_choice_and_their_mean(values):
    panel = freeze_or_tune(records()).specification["panels"][0]
    assert (panel["x"], panel["x_label"]) == ([1, 2, 3], "Round")
    rounds, mean = panel["series"]
    np.testing.assert_allclose(values(rounds)[1, 1], [0.11, 0.111, 0.112], rtol=1e-6)
    np.testing.assert_allclose(values(rounds)[2, 0], [0.2, 0.201, 0.202], rtol=1e-6)
    np.testing.assert_allclose(values(mean)[2, 0], [0.201] * 3, rtol=1e-6)
    assert (rounds["kind"], mean["kind"]) == ("points", "line")


def test_the_lower_panel_shows_the_means_and_marks_the_choice(values):
    panel = freeze_or_tune(records(), {"SVM-Pb": 0.15}).specification["panels"][1]
    assert (panel["x"], panel["x_label"]) == ([20, 98], "Soils to tune on")
    line, choice, level = panel["series"]
    np.testing.assert_allclose(values(line)[1, 0], [0.101, 0.111], rtol=1e-6)
    np.testing.assert_allclose(values(choice)[1, 0], [0.101, np.nan], rtol=1e-6)
    np.testing.assert_allclose(values(choice)[1, 1], [np.nan, 0.111], rtol=1e-6)
    assert level["label"] == "SVM-Pb"
    np.testing.assert_allclose(values(level), np.full((1, 1, 2), 0.15), rtol=1e-6)


def test_depths_stand_in_one_order_and_dense_need_not_be_there(values):
    widget = freeze_or_tune(records(("all", "none")))
    assert widget.specification["controls"][0]["text"] == [DEPTH_TEXTS["none"], DEPTH_TEXTS["all"]]
    assert widget.indices == [0, 1]
    rounds = widget.specification["panels"][0]["series"][0]
    np.testing.assert_allclose(values(rounds)[1, 0], [0, 0.001, 0.002], atol=1e-8)


@pytest.mark.parametrize("fault", [lambda table: table.iloc[1:], lambda table: pd.concat([table, table.iloc[:1]])])
def test_a_combination_that_is_missing_or_doubled_is_refused(fault):
    with pytest.raises(ValueError, match="each combination of depth, number of soils and round has to be there once"):
        freeze_or_tune(fault(records()))
