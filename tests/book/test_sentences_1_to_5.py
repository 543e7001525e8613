"""Do the sentences of chapters 1 to 5 turn with their tables, or refuse numbers that contradict them?"""

import numpy as np
import pandas as pd
import pytest

from spectrakit.studies import libs as study
from tests.book.sentences import sentence_of

TASKS = [f"{target}.{range_}" for target, range_ in study.TASKS]


def entries(name, values):
    return {f"{name}.{task}": {"value": value} for task, value in zip(TASKS, values, strict=True)}


@pytest.mark.parametrize(("depth", "words"), [(30, "It has long left the straight part"), (0.5, "It is still in the")])
def test_chapter_1_says_how_deep_the_deepest_line_is(depth, words):
    depths = pd.DataFrame({"element": ["Na", "Ca"], "optical depth": [0.1, depth]})
    text = sentence_of("01_libs_experiment", "The deepest line is that of", depths=depths)
    assert (
        text.startswith(f"The deepest line is that of Ca, with an optical depth of {depth:.0f} in soil")
        and words in text
    )


def test_chapter_2_opens_with_the_distance_to_the_paper():
    def said(ours):
        return sentence_of(
            "02_cnn_regression",
            "The network learns something in",
            published=entries("r2", [0.9] * 6),
            results=entries("r2", ours),
            study=study,
        )

    text = said([-0.1, 0.5, 0.6, 0.7, 0.8, 0.95])
    assert "learns something in 5 of the six tasks: in the recorded run its $R^2$ is \u22120.10 to 0.95" in text
    assert "below the published 0.90 to 0.90 in 5 of the six" in text
    assert said([0.95] * 6).startswith("refused: the text says 'below'")


def test_chapter_2_counts_the_tasks_that_are_learned():
    def said(ours):
        return sentence_of(
            "02_cnn_regression",
            "the network does better than the mean of the training soils",
            means=[-0.1, 0.2, 0.3],
            np=np,
            r2=pd.DataFrame({"paper": [0.9, 0.9], "ours": ours}),
        )

    assert "in 2 of the six tasks" in said([0.5, 0.7]) and "in 2 of six, by 0.30 on average" in said([0.5, 0.7])
    assert said([0.95, 0.9]).startswith("refused: ")


def test_chapter_2_compares_its_reading_with_the_next():
    def said(test):
        grid = pd.DataFrame(
            {
                "normalise": ["area", "maximum"],
                "scale": True,
                "standardise_target": False,
                "drop_period": 400,
                "train_mean": [0.9, 0.8],
                "test_mean": [0.5, test],
            }
        )
        return sentence_of("02_cnn_regression", "Of {n} readings ours is number", grid=grid)

    assert "Of 2 readings ours is number 1 in training, with an $R^2$ of 0.900, and number 2 in the test" in said(0.55)
    assert said(0.55).endswith("whose test results lie nearer together than their fits.")
    assert said(0.2).endswith("whose test results lie further apart than their fits.")


def test_chapter_2_says_what_leaky_folds_make_of_nothing():
    def said(leaky):
        rows = {"model": ["nearest neighbour"], "soils": ["contents dealt anew"], "grouped": [-0.4], "leaky": [leaky]}
        return sentence_of("02_cnn_regression", "there is nothing to learn, and honest folds", leak=pd.DataFrame(rows))

    assert said(0.9).endswith("Leaky folds give it 0.90, which would pass for a model that has learned.")
    assert said(-0.3).startswith("refused: ")


def wide(**models):
    return pd.DataFrame({"CNN": 0.7, "RF": 0.5, "BPNN": 0.6, "PLS": 0.9, "mean": -0.2} | models, TASKS)


@pytest.mark.parametrize(("pls", "words"), [(0.9, "a higher"), (0.5, "a lower"), (0.7, "the same")])
def test_chapter_3_opens_with_pls_beside_the_network(pls, words):
    text = sentence_of(
        "03_baselines_gap",
        "PLS, a linear method that the paper leaves out",
        wide=wide(PLS=pls),
        study=study,
        results=entries("order.r2.cnn_highest", [1, 1, 0.8, 0, 0.9, 0]),
    )
    assert f"has {words} $R^2$ than the network in {6 * (pls > 0.7)} of the six tasks" in text
    assert "in nine of ten recorded repeats in 3 of six tasks" in text


def test_chapter_3_says_whether_pls_beats_the_network():
    words = "RF lies below the CNN in {n_rf}"
    text = sentence_of("03_baselines_gap", words, wide=wide())
    assert "RF lies below the CNN in 6 of six tasks" in text and "PLS is the best of all five in 6 of six" in text
    refused = sentence_of("03_baselines_gap", words, wide=wide(RF=0.8))
    assert refused.startswith("refused: ") and "One of the paper's observations returns" in refused
    assert "0.6 is below 0.7" in sentence_of("03_baselines_gap", words, wide=wide(PLS=0.6))


def gaps(heart=-60.0):
    rows = {"nearest neighbour": (heart, 60.0), "mean": (-5.0, 70.0), "RF": (-30.0, 50.0), "CNN": (-20.0, 80.0)}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["equation 7", "test"])


def test_chapter_3_says_which_gap_is_the_lowest():
    words = "The model that learned by heart has the"
    assert "has the lowest value of equation 7, \u221260.0 ppm" in sentence_of("03_baselines_gap", words, gaps=gaps())
    assert sentence_of("03_baselines_gap", words, gaps=gaps(-10.0)).startswith("refused: the text says 'lowest'")


@pytest.mark.parametrize(
    ("n_rf", "words"),
    [
        (1, "Three soils a leaf keep the forest"),
        (3, "The order in the paper's figure 9 holds in half"),
        (5, "The order in the paper's figure 9 returns"),
    ],
)
def test_chapter_3_says_whose_gap_is_the_widest(n_rf, words):
    three = pd.DataFrame({"CNN": 1.0, "RF": [5.0] * n_rf + [0.0] * (6 - n_rf), "BPNN": 3.0})
    text = sentence_of("03_baselines_gap", "the widest gap is that of", three=three)
    assert f"that of RF in {n_rf}. " in text and words in text


@pytest.mark.parametrize(
    ("cnn", "words"), [(10, "the network is ahead"), (21, "the two are level"), (40, "is then no longer the number of")]
)
def test_chapter_3_says_what_more_soils_change(cnn, words):
    rows = [("RF", 12, 80), ("RF", 96, 40), ("PLS", 12, 60), ("PLS", 96, 20), ("CNN", 12, 100), ("CNN", 96, cnn)]
    counts = pd.DataFrame(rows, columns=["model", "n_soils", "test"])
    text = sentence_of("03_baselines_gap", "the test error falls by a factor of", counts=counts)
    assert f"a factor of 2.0 for RF, 3.0 for PLS and {100 / cnn:.1f} for the network" in text and words in text
    assert f"{'CNN' if cnn < 30 else 'PLS'} gains most" in text


def test_chapter_3_says_whether_the_best_model_changes():
    def said(pls):
        rows = [("CNN", 0, 0.5), ("PLS", 0, 0.6), ("CNN", 1, 0.9), ("PLS", 1, pls)]
        experiments = pd.DataFrame(rows, columns=["model", "seed", "r2"])
        published = {"r2.mg.low": {"sd": 0.05}}
        sizes = type("Sizes", (), {"n_seeds": 2})
        return sentence_of("03_baselines_gap", "a standard deviation of {spread", **locals())

    assert "ours is 5.7 times as large" in said(0.7)
    assert "cross: the best model is PLS in 1 of 2 and CNN in 1 of 2, and one" in said(0.7)
    assert "the order of the best is the same each time: the best model is PLS in 2 of 2, and one" in said(0.95)


def test_chapter_3_says_whether_the_second_reading_leaves_a_trace():
    words = "Under the second reading"
    assert "0.10, as good as nothing: " in sentence_of("03_baselines_gap", words, second=pd.Series([0.1, -0.2]))
    text = sentence_of("03_baselines_gap", words, second=pd.Series([0.4]))
    assert "0.40, still something: " in text and "leave a trace that" in text


def test_chapter_4_says_which_checks_the_maps_pass():
    def said(erased):
        results = {"share": [0.5] * 6, "by_chance": [0.4] * 5 + [0.6], "p_value": [0.001] * 3 + [0.04] + [0.5] * 2}
        results |= {"with_random": erased, "between_folds": 0.5, "with_raising": 0.3, "with_any": 0.1}
        return sentence_of("04_grad_cam", "**Check 1**", results=pd.DataFrame(results))

    text = said(0.2)
    assert "than chance gives in 5 of six tasks; $p$ is at most 0.05 in 4, and at most 0.05/6 in 3." in text
    assert "**Check 2** is passed: erase the weights and the order of channels is lost" in text
    assert "**Check 2** is not passed: erase the weights and the order of channels is kept" in said(-0.8)


@pytest.mark.parametrize(
    ("after", "words"), [(0.9, "neither necessary for a good prediction"), (0.1, "the lines and the score go together")]
)
def test_chapter_4_says_whether_lines_make_the_score(after, words):
    rows = [("Ca", 0.6, 0.4, 0, 0, 0, 0.5, after), ("Mg", 0.4, 0.6, 0, 0, 0, 0.5, 0.9)]
    text = sentence_of("04_grad_cam", "Divided by the maximum", rows=rows)
    assert f"the maps of 1 of six tasks move away from the lines, and in {int(after > 0.5)} of them" in text
    assert words in text


def test_chapter_5_opens_with_the_distance_to_the_paper():
    def said(ours):
        scores = pd.DataFrame({"recipe": ["one cycle", "paper"], "r2": [ours, 0.5]})
        return sentence_of(
            "05_lucas_pretraining",
            "pH has no band of its own; a spectrum",
            source_scores=scores,
            published={"r2.resnet_ph": {"value": 0.91}},
        )

    assert "an $R^2$ of 0.71, far below the published 0.91" in said(0.71)
    assert said(0.9).startswith("refused: ")


def test_chapter_5_says_what_goes_along_with_ph():
    rows = pd.DataFrame({"Property": ["carbonate", "clay", "sand"], "Rank correlation": [0.7, 0.3, -0.2]})
    words = "leads with {rho"
    assert sentence_of("05_lucas_pretraining", words, table=rows).startswith(
        "Carbonate leads with +0.70; clay comes next (+0.30). What buffers a soil tells most of its pH."
    )
    assert sentence_of(
        "05_lucas_pretraining", words, table=rows.assign(**{"Rank correlation": [0.1, 0.3, -0.2]})
    ).startswith("refused: ")


@pytest.mark.parametrize(
    ("cycle", "words"), [(0.4, "is not the better one"), (0.5, "are level"), (0.6, "has only begun by then")]
)
def test_chapter_5_compares_the_recipes(cycle, words):
    reached = {"one cycle": cycle, "paper's recipe": 0.5}
    text = sentence_of("05_lucas_pretraining", "After fifteen epochs the one cycle", reached=reached)
    assert f"reaches an $R^2$ of {cycle:.2f} on test soils, the paper's recipe 0.50." in text and words in text


def test_chapter_5_puts_the_networks_beside_pls():
    def said(full=0.71, few=0.3, pls=0.4, more=0.5):
        r2s = {
            "ResNet-pH, recorded run, 14,277 soils": full,
            "ResNet-pH, this run, 1,125 soils": few,
            "PLS, 1,125 soils": pls,
            "PLS, 4,500 soils": more,
        }
        return sentence_of("05_lucas_pretraining", "**Our network stays", r2s=r2s, published_r2=0.91)

    assert "stays well below the published one" in said() and "it reaches 0.40, more than the network (0.30)" in said()
    assert "fourteen thousand soils reaches 0.71, more than that" in said()
    assert "less than that" in said(more=0.8) and "about as much as that" in said(more=0.7)
    assert "less than the network" in said(few=0.5) and "about as much as the network" in said(few=0.41)
    assert said(full=0.85).startswith("refused: ")


@pytest.mark.parametrize(("full", "words"), [(0.5, "stays below"), (0.61, "is level with"), (0.7, "goes beyond")])
def test_chapter_5_says_what_cannot_be_learned(full, words):
    limit = {"everything": 0.9, "traces": 0.8, "none": 0.6}
    text = sentence_of("05_lucas_pretraining", "Even the composition to the last digit", limit=limit, full_r2=full)
    assert "leaves 10\N{NO-BREAK SPACE}% of the variance of pH open" in text
    assert f"with {full:.2f}, {words} a forest that knows nothing of calcite (0.60)" in text


def test_chapter_5_says_where_the_errors_sit():
    def said(traces, without):
        rows = [(who, "0.1 to 2", bias) for who, bias in zip("ab", traces, strict=True)]
        rows += [(who, "below 0.1", bias) for who, bias in zip("ab", without, strict=True)]
        rows += [("forest, all fifteen fractions", kind, 0.0) for kind in ("0.1 to 2", "below 0.1")]
        errors = pd.DataFrame(rows, columns=["Who predicts", "Carbonate (%)", "Bias"])
        return sentence_of("05_lucas_pretraining", "Soils with 0.1 to 2 % of carbonate", errors=errors)

    text = said([-0.7, -0.2], [0.2, 0.9])
    assert "the bias is negative, \u22120.70 to \u22120.20" in text
    assert "too high on average, by 0.20 to 0.90" in text
    assert said([0.1, -0.2], [0.2, 0.9]).startswith("refused: ")
    assert said([-0.7, -0.2], [-0.1, 0.9]).startswith("refused: ")


@pytest.mark.parametrize(("other", "words"), [(0.001, "do not confirm the gain"), (0.09, "here they confirm it")])
def test_chapter_5_says_whether_other_soils_confirm_a_gain(other, words):
    gain = pd.DataFrame({"test": [0.05, 0.15], "other": [other, other]})
    text = sentence_of("05_lucas_pretraining", "Where the test soils are the validation soils", gain=gain)
    assert (
        f"changes by +0.100 on average. That of the 500 other soils, which chose no epoch, changes by {other:+.3f}"
        in text
    )
    assert words in text
