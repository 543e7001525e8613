"""Do the sentences of chapters 6 and 7 turn with their tables, or refuse numbers that contradict them?"""

import numpy as np
import pandas as pd
import pytest

from spectrakit import explain
from spectrakit.studies import gejiu as study
from spectrakit.teaching import ClaimError, figures
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
    assert "better than others by 0.20, the network from scratch by 0.40, the SVM by 0.10." in text


@pytest.mark.parametrize(("none", "words"), [(0.1, "far below the best"), (0.45, "not far below the best")])
def test_chapter_6_says_which_depth_is_best(none, words):
    mean = pd.DataFrame({"none": [0.2, none], "dense": [0.1, 0.5], "all": [0.0, 0.4]}, index=[20, 98])
    names = {"depths": pd.DataFrame({"n_train": [20, 98]}), "compared": str, "difference": lambda *_: "+0.100"}
    text = sentence_of(LEAD, "is best ({few:.2f}), with", mean=mean, **names)
    assert text.startswith("With 20 soils 'none' is best (0.20), with 98 'dense' (0.50).")
    assert "everything, with all soils: +0.100. The line 'none'" in text and f"it reaches {none:.2f}, {words}." in text


@pytest.mark.parametrize(
    ("box_cox", "words"),
    [(-0.35, "worse than the mean of the training soils"), (0.3, "better than the mean of the training soils")],
)
def test_chapter_6_compares_the_scales(box_cox, words):
    columns = pd.MultiIndex.from_tuples([("rmse_log", "log"), ("rmse_log", "box-cox"), ("r2", "box-cox")])
    grouped = pd.DataFrame([[0.8, 0.7, 0.5]] * len(MODELS), MODELS, columns)
    grouped.loc["resnet_ph_pb"] = [0.8, 1.0 if box_cox < 0 else 0.7, box_cox]
    grouped.loc["mean", ("r2", "box-cox")] = -0.04
    text = sentence_of(LEAD, "The two RMSE in the middle", grouped=grouped, figures=figures)
    assert f"they are smaller for {'ResNet-pH-Pb' if box_cox < 0 else 'none of the models'}." in text
    assert text.endswith(f"on the Box-Cox scale, {words}.")


def test_chapter_6_names_the_scores_of_the_round():
    names = {"stopped": {"resnet_pb": [0] * 7}, "scored": {"mean": -0.1, "pls": 0.5}, "figures": figures}
    assert sentence_of(LEAD, "In this one round the", **names) == (
        "In this one round the $R^2$ is \u22120.10 for mean and 0.50 for PLS; ResNet-Pb after 7 epochs stopped by the "
        "soils set aside."
    )


def test_chapter_7_names_the_windows_of_pls():
    phi = np.zeros((2, len(study.WINDOW_NM)))
    phi[:, [3, 1, 7, 9]] = [[4, 3, 2, 1], [-4, -3, -2, -1]]
    nm = study.WINDOW_NM[[3, 1, 7]]
    text = sentence_of(SHAP, "The shares of PLS add up", phi=phi, study=study, np=np)
    assert f"the windows from {nm[0]:.0f}, {nm[1]:.0f}, {nm[2]:.0f} and {study.WINDOW_NM[9]:.0f} nm." in text


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

    assert "add up to +0.900, where the prediction less the mean prediction is +1.000." in said(0.15)
    assert "four times as many points halve it" in said(0.15)
    with pytest.raises(ClaimError):
        said(0.7)


def test_chapter_7_counts_the_bands_that_are_more_than_wide():
    rows = [("ResNet-pH", "550-750", 0.2, 0.1), ("ResNet-pH", "1600-1700", 0.0, 0.1)]
    table = pd.DataFrame(rows, columns=["Network", "Band (nm)", "Share", "Share if flat"])
    words = "More than the width of the band"
    assert sentence_of(SHAP, words, table=table).endswith("1 of the four shares: ResNet-pH at 550-750 nm.")
    assert sentence_of(SHAP, words, table=table.assign(Share=0.0)).endswith("0 of the four shares.")


@pytest.mark.parametrize(
    ("across", "words"),
    [
        (0.3, "Only the difference of the two can be laid to the task."),
        (0.6, "There is no difference that could be laid to the task."),
        (0.8, "A peak of lead that pH does not share is then no finding."),
    ],
)
def test_chapter_7_says_what_can_be_laid_to_the_task(across, words):
    text = sentence_of(SHAP, "The last row is the paper's comparison", shared=[0.7, 0.5, across], np=np)
    assert "two networks of the *same* task share 60\N{NO-BREAK SPACE}% of their peaks" in text and text.endswith(words)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.5, 0.5], "0 are answered with a $p$ of at most 0.05/2."),
        ([0.01, 0.5], "1 is answered with a $p$ of at most 0.05/2: a and clay."),
    ],
)
def test_chapter_7_counts_the_bands_near_peaks(p, words):
    table = pd.DataFrame({"Profile": ["a", "b"], "Bands of": ["clay", "iron"], "p": p})
    assert sentence_of(SHAP, "Of {n} questions", table=table) == f"Of 2 questions {words}"
