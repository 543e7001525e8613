"""Do the sentences of chapters 6 and 7 turn with their tables, or refuse numbers that contradict them?"""

import numpy as np
import pandas as pd
import pytest

from spectrakit import explain
from spectrakit.studies import gejiu as study
from spectrakit.teaching import figures
from tests.book.sentences import sentence_of

MODELS = ["resnet_ph_pb", "resnet_pb", "pls_pb", "svm_pb", "mean"]
LEAD, SHAP = "06_lead_transfer", "07_shap_audit"


@pytest.mark.parametrize(
    ("pls", "words"), [(0.5, "at least one of them does less well than"), (0.7, "both do better than")]
)
def test_chapter_6_says_whether_the_transfer_was_worth_it(pls, words):
    r2 = pd.DataFrame([[0.6, 0.5, pls, 0.8, -0.1], [0.5, 0.6, pls, 0.8, -0.1]], columns=MODELS)
    log = pd.DataFrame({"model": MODELS, "r2": 0.5, "r2_train": [0.7, 0.9, 0.5, 0.6, 0.0]})
    gains = {model: r2["resnet_ph_pb"] - r2[model] for model in MODELS}
    published = {"difference.resnet_ph_pb.resnet_pb": {"value": 0.47}}
    text = sentence_of(LEAD, "The first difference is the one that", r2=r2, log=log, gains=gains, published=published)
    assert "It is 0.000, where the paper has +0.47, and above zero in 1 of 2 rounds." in text and words in text
    assert "has the highest $R^2$ of the four in 0 of 2 rounds" in text
    assert text.endswith(
        "its $R^2$ changes by \u22120.20, that of ResNet-Pb by \u22120.40, that of the SVM by \u22120.10."
    )


@pytest.mark.parametrize(
    ("none", "words"), [(0.1, "far below the best"), (0.45, "not far below the best"), (0.5, "the best of all")]
)
def test_chapter_6_says_which_depth_is_best(none, words):
    mean = pd.DataFrame({"none": [0.2, none], "dense": [0.1, 0.5], "all": [0.0, 0.4]}, index=[20, 98])
    text = sentence_of(
        LEAD,
        "is best ({few:.2f}), with",
        mean=mean,
        depths=pd.DataFrame({"n_train": [20, 98]}),
        compared=str,
        difference=lambda *_: "+0.100",
    )
    best = "none" if none == 0.5 else "dense"
    assert text.startswith(f"With 20 soils 'none' is best (0.20), with 98 '{best}' (0.50).")
    assert "everything, with all soils: +0.100. The column 'none'" in text
    assert text.endswith(f"with all soils it reaches {none:.2f}, {words}.")


def test_chapter_6_names_what_lead_goes_along_with_most():
    def said(first, rho):
        along = pd.Series({first: rho, "ph": 0.11})
        return sentence_of(LEAD, "Lead goes along most with", along=along, figures=figures)

    assert said("fe_oxides_pct", 0.86).startswith("Lead goes along most with iron oxides (+0.86); its rank correlation")
    assert said("clay_pct", -0.5).startswith(
        "Lead goes along most with clay (\u22120.50); its rank correlation with pH is"
    )


def test_chapter_6_ranks_what_is_learned_first():
    properties = pd.DataFrame(
        {
            "source": ["ph", "clay_pct", "nothing"],
            "round": 0,
            "r2": [0.5, 0.6, 0.4],
            "source_r2": [0.7, 0.8, np.nan],
            "spearman": [0.1, -0.7, np.nan],
        }
    )

    def said(r2):
        names = {"labels": {"clay_pct": "clay"}, "explain": explain, "compared": "{:+.1f}".format}
        names["difference"] = lambda table, first, second, key: r2[0] - r2[2]
        return sentence_of(LEAD, "The best source is", properties=properties.assign(r2=r2), **names)

    assert said([0.5, 0.6, 0.4]).startswith(
        "The best source is clay (0.60); pH is number 2 of 3. pH less **nothing**: +0.1."
    )
    turned = said([0.5, 0.3, 0.7])
    assert turned.startswith("The best source is nothing (0.70); pH is number 2 of 3. pH less **nothing**: -0.2.")


def test_chapter_6_says_what_the_test_soils_gain_as_a_validation_set():
    def said(gain):
        rows = [("resnet_ph_pb", "a fifth of the training side", 0.5), ("resnet_ph_pb", "the test side", 0.5 + gain)]
        stopping = pd.DataFrame(rows, columns=["model", "watched", "r2"])
        return sentence_of(
            LEAD,
            "In the second row the same soils are fitted",
            stopping=stopping,
            table=pd.DataFrame(index=["a fifth of the training side", "the test side"]),
            honest="a fifth of the training side",
            difference=lambda table, first, second, key: table.loc[table[key] == first, "r2"] - 0.5,
            compared=lambda each: f"{each.mean():+.3f}",
        )

    assert "ResNet-pH-Pb gains in $R^2$: +0.100. Nothing is better there" in said(0.1)
    assert said(-0.1).startswith("refused: the text says 'gains'")


@pytest.mark.parametrize(
    ("box_cox", "words"),
    [(-0.35, "worse than the mean of the training soils"), (0.3, "better than the mean of the training soils")],
)
def test_chapter_6_compares_the_scales(box_cox, words):
    columns = pd.MultiIndex.from_tuples([("rmse_log", "log"), ("rmse_log", "box-cox"), ("r2", "box-cox")])
    grouped = pd.DataFrame([[0.8, 0.7, 0.5]] * len(MODELS), MODELS, columns)
    grouped.loc["resnet_ph_pb"] = [0.8, 1.0 if box_cox < 0 else 0.7, box_cox]
    grouped.loc["mean", ("r2", "box-cox")] = -0.04
    text = sentence_of(LEAD, "The two columns of RMSE", grouped=grouped, figures=figures)
    assert f"they are smaller for {'ResNet-pH-Pb' if box_cox < 0 else 'none of the models'}." in text
    assert text.endswith(f"on the Box-Cox scale, {words}.")


def test_chapter_6_names_the_scores_of_the_round():
    text = sentence_of(
        LEAD,
        "In this one round the",
        stopped={"resnet_pb": [0] * 7},
        scored={"mean": -0.1, "pls": 0.5},
        figures=figures,
    )
    assert text == (
        "In this one round the $R^2$ is \u22120.10 for the mean and 0.50 for PLS. The training took 7 epochs for "
        "ResNet-Pb."
    )


def test_chapter_7_names_the_windows_of_pls():
    phi = np.zeros((2, len(study.WINDOW_NM)))
    phi[:, [3, 1, 7, 9]] = [[4, 3, 2, 1], [-4, -3, -2, -1]]
    nm = study.WINDOW_NM[[3, 1, 7]]
    text = sentence_of(SHAP, "The shares of PLS add up", phi=phi, study=study, np=np)
    assert f"the windows that begin at {nm[0]:.0f}, {nm[1]:.0f}, {nm[2]:.0f} and {study.WINDOW_NM[9]:.0f} nm." in text


def test_chapter_7_says_how_the_gap_falls():
    def said(many):
        return sentence_of(
            SHAP,
            "By hand the 2,100 shares",
            answers=np.array([1.0, 3.0]),
            test=[1],
            by_hand=np.array([0.4, 0.5]),
            values=np.array([[0.1, 0.2]]),
            gaps={10: 0.6, 40: 0.3, 160: many},
            recorded_gaps={"ph": 0.2, "pb": 0.1},
            explain=explain,
            np=np,
        )

    assert "add up to +0.900 of ln Pb, where the prediction less the mean prediction is +1.000." in said(0.15)
    assert "four times as many points halve it" in said(0.15)
    for gap in (0.7, 0.4, 0.05):
        assert said(gap).startswith("refused: the text says 'four times as many points halve it")


@pytest.mark.parametrize(
    ("values", "words"),
    [([3.0, -2.5], "+0.50 of ln Pb, and to 6 if"), ([3.0, -0.5], "+2.50 of ln Pb, and to 4 if")],
)
def test_chapter_7_says_how_much_of_the_values_cancels(values, words):
    text = sentence_of(SHAP, "Compare the height of single channels", values=np.array([values]), np=np)
    assert words in text
    assert text.endswith("most of them cancel." if words.startswith("+0.5") else "the smaller part of them cancel.")


def test_chapter_7_counts_the_peaks_that_are_shared():
    shift = pd.DataFrame({"shared": ["shared", "shifted or new", "shared"]})
    text = sentence_of(SHAP, "Of our {n} highest peaks of lead", shift=shift, of_paper=np.array([True, False]))
    assert text.startswith("Of our 3 highest peaks of lead 2 lie within") and text.endswith(
        "of the 2 that the paper names, 1."
    )


def test_chapter_7_says_that_a_window_has_one_gradient():
    def said(gradient):
        return sentence_of(SHAP, "Within a window the gradients differ", gradient=gradient, study=study, np=np)

    gradient = np.repeat(np.linspace(-2, 6, 210), study.POOL)
    assert said(gradient).endswith("the largest gradient of all is 6: they are one and the same.")
    assert said(np.linspace(-2, 6, 2100)).startswith("refused: the text says 'one and the same'")


def test_chapter_7_counts_the_bands_that_are_more_than_wide():
    rows = [("ResNet-pH", "550-750", 0.2, 0.1), ("ResNet-pH", "1600-1700", 0.0, 0.1)]
    table = pd.DataFrame(rows, columns=["Network", "Band (nm)", "Share", "Part of the axis"])
    words = "A share means something where it is larger"
    assert sentence_of(SHAP, words, table=table).endswith("1 of the four: ResNet-pH at 550-750 nm.")
    assert sentence_of(SHAP, words, table=table.assign(Share=0.0)).endswith("0 of the four.")


@pytest.mark.parametrize(
    ("across", "words"),
    [
        (0.3, "Only the difference between these two numbers can be attributed to the task."),
        (0.6, "That leaves nothing to attribute to the task."),
        (0.8, "So that pH does not share a peak of lead says nothing of the task."),
    ],
)
def test_chapter_7_says_what_can_be_laid_to_the_task(across, words):
    text = sentence_of(SHAP, "The last row is the paper's comparison", shared=[0.7, 0.5, across], np=np)
    assert "two networks of the *same* task share 60\N{NO-BREAK SPACE}% of their peaks" in text and text.endswith(words)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.5, 0.5], "0 reach it."),
        ([0.01, 0.5], "1 reaches it: a and clay."),
        ([0.01, 0.02], "2 reach it: a and clay and b and iron."),
    ],
)
def test_chapter_7_counts_the_bands_near_peaks(p, words):
    table = pd.DataFrame({"Profile": ["a", "b"], "Bands of": ["clay", "iron"], "p": p})
    assert sentence_of(SHAP, "Of {n} questions", table=table).endswith(f"at most 0.05/2; {words}")
