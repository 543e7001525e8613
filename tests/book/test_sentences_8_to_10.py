"""Do the sentences of chapters 8 to 10 turn with their tables, or refuse numbers that contradict them?"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from spectrakit.teaching import figures
from spectrakit.workflows import harmonise
from tests.book.sentences import sentence_of

LIBRARY, GAPS, OWN = "08_laboratories", "09_gaps_filled", "10_on_your_own_spectra"
PER_CENT = "\N{NO-BREAK SPACE}%"


def compared(**rmse):
    """RMSE of both contents, alike, in laboratories a and b by harmonisation; 1 without one."""
    errors = {"none": (1.0, 1.0), "snv+epo": rmse.pop("snv_epo")} | rmse
    rows = [
        (target, name, laboratory, error)
        for target in figures.TARGET_NAMES
        for name, pair in errors.items()
        for laboratory, error in zip("ab", pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["target", "harmonisation", "laboratory", "rmse"])


def test_chapter_8_counts_what_helps_here_and_hurts_there():
    def said(*errors):
        return sentence_of(
            LIBRARY,
            "A laboratory multiplies a spectrum",
            figures=figures,
            harmonise=harmonise,
            compared=compared(snv_epo=errors, ds=(0.99, 1.3)),
        )

    text = said(0.8, 1.2)
    assert f"left out by \N{MINUS SIGN}20{PER_CENT} to +20{PER_CENT}, with a median of 0{PER_CENT}." in text
    assert f"Of 4 pairs of a harmonisation and a content, 2 lower the error by more than 5{PER_CENT}" in text
    assert f"left out by +10{PER_CENT} to +20{PER_CENT}" in said(1.1, 1.2)
    assert "a content, 0 lower the error" in said(1.1, 1.2)


def test_chapter_8_says_how_far_scans_of_one_soil_lie_apart():
    def said(scan):
        scans = pd.DataFrame([[0.5, 0.6], [0.5, scan]], index=["national", "isles"])
        return sentence_of(
            LIBRARY,
            "standards went round",
            scans=scans,
            standard=["R1", "R1", "R2"],
            scanned_by=["national", "isles", "isles"],
            np=np,
        )

    assert said(0.9).startswith("2 standards went round 2 laboratories.") and "up to 0.30 from" in said(0.9)
    assert "up to 0.40 from" in said(0.2)


def test_chapter_8_says_which_harmonisation_makes_most_alike():
    def said(**changes):
        middle = pd.Series({"snv+epo": 0.9, "epo": 0.8, "sst": 0.7, "snv": 0.5} | changes)
        return sentence_of(LIBRARY, "Most alike makes", middle=middle.sort_values(ascending=False))

    assert said().startswith(f"Most alike makes `snv+epo`, which takes 90{PER_CENT}")
    assert f"then `epo` (80{PER_CENT}). Normalisation alone, snv, takes 50{PER_CENT}. On this ground" in said()
    assert said(epo=0.91).startswith(f"Most alike makes `epo`, which takes 91{PER_CENT}")
    assert "then `snv+epo`" in said(epo=0.91)
    assert said(epo=0.95).startswith("refused: the text says 'On this ground alone")


def test_chapter_8_says_where_errors_rise():
    heads = ("Down by over 5%", "Up by over 5%")

    def said(*rows):
        table = pd.DataFrame(rows, columns=["Content", "Harmonisation", "Median change", *heads])
        return sentence_of(LIBRARY, "hold names in both of the last columns", table=table, heads=heads)

    mixed, good, bad = (
        ("carbon", "epo", 0.0, "a", "b"),
        ("carbon", "sst", -0.1, "a, b", "none"),
        ("carbon", "ds", 0.1, "none", "a"),
    )
    text = said(mixed, good, bad)
    assert text.startswith("1 of 3 rows hold names in both of the last columns: what helps in one laboratory hurts in")
    assert text.endswith("No laboratory's error rises by more than that with `sst` (carbon).")
    assert said(mixed, bad).endswith("Each of them raises the error of at least one laboratory by more than that.")
    assert "0 of 2 rows hold names in both of the last columns: each harmonisation either helps" in said(good, bad)


@pytest.mark.parametrize(
    ("mistaken", "scanned", "words"),
    [
        (1.0, 0.0, "The mistake in the file shows; faults of the size of ours stay hidden in most spectra."),
        (0.75, 1.0, "The mistake in the file shows; faults of the size of ours show as well."),
        (0.25, 0.25, "The mistake in the file stays hidden in most spectra; faults of the size of ours stay hidden"),
        (0.5, 0.5, "shows in half of the spectra; faults of the size of ours show in half of the spectra."),
    ],
)
def test_chapter_8_says_which_faults_the_domain_shows(mistaken, scanned, words):
    def examined(share):
        return pd.DataFrame({"outside": np.arange(4) < 4 * share})

    found = {
        "other laboratories, as scanned": examined(scanned),
        "the same, reflectance taken for absorbance": examined(mistaken),
        "other laboratories, harmonised": examined(0.25),
    }
    text = sentence_of(LIBRARY, "The mistake in the file {shows}", found=found)
    assert f"Outside lie {scanned:.0%}".replace("%", PER_CENT) in text and words in text
    assert f"25{PER_CENT} of the harmonised ones and {100 * mistaken:.0f}{PER_CENT} of those with the mistake" in text


def test_chapter_9_opens_with_the_worst_laboratory():
    def said(*coverage):
        scores = [(target, model, "all", 0.9) for target in ("c", "om") for model in ("network", "pls")]
        return sentence_of(
            GAPS,
            "On sites never seen the network reads",
            tables={"scores": pd.DataFrame(scores, columns=["target", "model", "by", "r2"])},
            published={"r2.c": {"value": 0.96}, "r2.om": {"value": 0.79}},
            apart=pd.DataFrame({"naive_90": coverage}),
            about={"n": 10, "targets": {"om": {"imputed": 9}}},
            imputed=pd.DataFrame({"r2": [0.6]}, ["om"]),
        )

    assert f"in known laboratories hold 20{PER_CENT} in the worst of the laboratories" in said(0.9, 0.2)
    assert f"in known laboratories hold 80{PER_CENT} in the worst" in said(0.9, 0.8)


def test_chapter_9_says_whether_both_scales_name_one_model():
    def said(**log):
        rows = pd.MultiIndex.from_product([["c", "om"], ["network", "pls", "mean"]])
        overall = pd.DataFrame({"r2": [0.9, 0.8, 0.0] * 2, "r2_log": [0.9, 0.8, 0.0] * 2}, rows)
        for target, value in log.items():
            overall.loc[(target, "pls"), "r2_log"] = value
        return sentence_of(GAPS, "The two scales name the same model for", figures=figures, overall=overall)

    assert said().endswith("name the same model for carbon and organic matter.")
    assert said(om=0.95).endswith("name the same model for carbon.") and "it is network and PLS." in said(om=0.95)
    assert said(c=0.95, om=0.95).endswith("name the same model for neither content.")


@pytest.mark.parametrize(
    ("share", "words", "unsaid"),
    [
        (0.9, "is mostly a matter of telling organic soils from others", "speaks of ordinary soils as well"),
        (0.3, "So the R² of all soils speaks of ordinary soils as well.", "neither speaks of the ordinary soil"),
    ],
)
def test_chapter_9_says_whom_the_score_is_of(share, words, unsaid):
    columns = ["Carbon (g/kg)", "Soils", "Share of the variance"]
    rows = [("all", 100, 1.0), ("120 and more", 5, share)]
    text = sentence_of(GAPS, "The soils with 120 g/kg and more", rows=rows, columns=columns)
    assert text.startswith(f"The soils with 120 g/kg and more, 5 of 100, make {100 * share:.0f}{PER_CENT} of the")
    assert words in text and unsaid not in text


def test_chapter_9_says_how_often_limits_act():
    def said(pls, network=0.0):
        acted = pd.DataFrame(
            [
                ("carbon", "network", network, 0.0),
                ("carbon", "PLS", pls, 0.0),
                ("carbon", "PLS of the log", 0.0, 0.003),
            ],
            columns=["target", "model", "below_zero", "above_limit"],
        )
        return sentence_of(GAPS, "predicts an impossible content", acted=acted)

    assert said(0.07) == (
        f"The network never predicts an impossible content. PLS, of the content or of its logarithm, does so for "
        f"0.30{PER_CENT} to 7.00{PER_CENT} of the test soils, so without limits, or a cut that nobody reports, it "
        "gives contents that no soil can have."
    )
    assert said(0.004).endswith(
        f"0.30{PER_CENT} to 0.40{PER_CENT} of the test soils, so in this library the limits hardly act."
    )
    assert said(0.01).endswith("so in this library the limits seldom act.")
    assert said(0.07, network=0.01).startswith("refused: the text says 'never'")


def test_chapter_9_says_how_many_values_its_own_interval_holds():
    def said(content):
        intervals = SimpleNamespace(
            thresholds_=[0.5], predict=lambda values: np.repeat([[[5.0], [15.0]]], len(values), axis=0)
        )
        return sentence_of(
            GAPS,
            "soils were set aside; for nine of ten",
            evaluation=SimpleNamespace(
                LEVELS=(0.9,),
                sample_threshold=None,
                ConformalIntervals=lambda *_: SimpleNamespace(fit=lambda *_: intervals),
            ),
            fitted=SimpleNamespace(network=SimpleNamespace(limit=580)),
            carbon=np.array(content),
            predicted={"network": np.full(4, 10.0)},
            aside=np.arange(2),
            test=np.arange(4),
            said=None,
            offset=1.5,
            by_hand=0.5,
            np=np,
        )

    text = said([10, 10, 10, 30])
    assert "with $a$ = 1.5 g/kg, differ by a factor of 1.65 or less" in text
    assert f"holds the measured carbon of 75{PER_CENT} of 4 test soils" in text
    assert f"holds the measured carbon of 25{PER_CENT} of 4" in said([10, 1, 20, 30])


def left_out(c, om, known=0.7):
    columns = ["Content", "Intervals for", "Coverage, mean", "Promised"]
    rows = [
        (content, words, coverage, 0.8)
        for content, made_for_new in (("Carbon", c), ("Organic matter", om))
        for words, coverage in (("known laboratories", known), ("new laboratories", made_for_new))
    ]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("numbers", "less", "kept"),
    [
        ((0.85, 0.8, 0.7), f"70{PER_CENT} on average, less than the 90", "carbon and organic matter"),
        ((0.85, 0.7, 0.9), f"90{PER_CENT} on average, just the 90", "carbon"),
        ((0.7, 0.7, 0.95), f"95{PER_CENT} on average, more than the 90", "neither content"),
    ],
)
def test_chapter_9_says_whether_a_promise_is_kept(numbers, less, kept):
    text = sentence_of(GAPS, "The promise for a new", left_out=left_out(*numbers))
    assert less in text and f"The promise for a new laboratory is kept for {kept}. It" in text


def test_chapter_9_says_whether_a_flag_means_a_larger_error():
    def said(c, om):
        rows = [("c", "inside", 100, 0.1), ("c", "outside", 12, c), ("om", "inside", 50, 0.2), ("om", "outside", 4, om)]
        domain = pd.DataFrame(rows, columns=["target", "where", "n", "rmse_log"])
        return sentence_of(GAPS, "soils outside are predicted", tables={"domain": domain})

    text = said(0.2, 0.2)
    assert "predicted less closely than those inside for carbon (12 soils outside)" in text
    assert "and about as closely as those inside for organic matter (4)" in text
    assert "predicted more closely than those inside for carbon" in said(0.05, 0.4)
    assert "and less closely than those inside for organic matter" in said(0.05, 0.4)


def test_chapter_9_counts_the_laboratories_that_measured_organic_matter():
    def said(*om):
        counts = {target: {"imputed": 10, "measured": 5} for target in ("c", "om")}
        gains = {target: {"space": 20, "depth": 30} for target in ("c", "om")}
        return sentence_of(
            GAPS,
            "Here lies the catch",
            about={"gains": gains, "targets": counts},
            tables={"laboratories": pd.DataFrame({"om": om})},
        )

    assert "was measured in 1 of 3 laboratories" in said(7.0, 0.0, 0.0)
    assert "was measured in 3 of 4 laboratories" in said(7.0, 1.0, 0.0, 2.0)


@pytest.mark.parametrize(
    ("c", "om", "words"),
    [
        (0.09, 0.05, "no larger than the test said"),
        (0.09, 0.102, "as large as the test said"),
        (0.1, 0.05, "as large as the test said"),
        (0.09, 0.2, "the test on known laboratories promised too much"),
    ],
)
def test_chapter_9_compares_what_is_imputed_with_the_test(c, om, words):
    scores = pd.DataFrame({"target": ["c", "om"], "model": "network", "by": "all", "rmse_log": 0.1})
    imputed = pd.DataFrame({"rmse_log": [c, om]}, ["c", "om"])
    text = sentence_of(GAPS, "The relative error of what is imputed", tables={"scores": scores}, imputed=imputed)
    assert text.endswith(f"for carbon and {10 * om:.2f} times for organic matter: {words}.")


@pytest.mark.parametrize(
    ("deviation", "words"), [(1.0, "below"), (9.0, "close to"), (11.0, "close to"), (30.0, "above")]
)
def test_chapter_9_says_whether_networks_differ_as_much_as_they_err(deviation, words):
    results = {f"prediction_sd.{target}.per_sample": {"value": deviation} for target in figures.TARGET_NAMES}
    imputed = pd.DataFrame({"rmse": [10.0, 100.0]}, ["c", "om"])
    text = sentence_of(
        GAPS,
        "Only a deviation of the size of the error",
        figures=figures,
        recorded={"results": results},
        imputed=imputed,
    )
    assert f"between networks is {deviation:.1f} g/kg, {words} the error of what they impute, 10.0 g/kg" in text
    assert f"for organic matter it is {deviation:.1f} g/kg, below the error, 100.0 g/kg" in text


@pytest.mark.parametrize(
    ("folder", "words"), [(None, "`SPECTRAKIT_DATA` is not set"), (Path("soils"), "with the measured tables of")]
)
def test_chapter_10_says_which_spectra_it_was_made_with(folder, words):
    assert words in sentence_of(OWN, "This page was made with", folder=folder)


@pytest.mark.parametrize(
    ("notes", "words"),
    [([], "Reading noticed nothing unusual."), (["a: one", "b: two"], "What reading noticed: a: one; b: two.")],
)
def test_chapter_10_says_what_reading_noticed(notes, words):
    text = sentence_of(
        OWN,
        "Reading noticed nothing",
        figures=SimpleNamespace(show_table=lambda *_: None),
        display=lambda _: None,
        sets={},
        notes=notes,
    )
    assert text == words


def test_chapter_10_says_what_pretraining_was_worth():
    def said(pretrained):
        means = pd.DataFrame(
            {"pls": 0.5, "svm": [0.4, 0.6], "scratch": [0.5, 0.3], "input": 0.5, "pretrained": pretrained}
        )
        measured = pd.DataFrame({"round": [0, 1, 2]})
        return sentence_of(OWN, "By the mean $R^2$ of", means=means, measured=measured)

    text = said([0.6, 0.5])
    assert text.startswith(
        "By the mean $R^2$ of 3 rounds the pretrained network is above the one from scratch in 2 of 2"
    )
    assert (
        "on average over the tasks it is above it (+0.15). It is at least equal to the better of PLS and SVM in 1"
        in text
    )
    assert "above the control in 1 (+0.050)" in text
    turned = said([0.1, 0.35])
    assert "in 1 of 2" in turned and "it is below it (\N{MINUS SIGN}0.18)" in turned
    assert "PLS and SVM in 0" in turned and "above the control in 0 (\N{MINUS SIGN}0.275)" in turned
    assert "it is level with it (0.00)" in said([0.5, 0.3])


@pytest.mark.parametrize(
    ("covered", "enough"), [(0.95, "more than what was"), (0.9, "just what was"), (0.6, "less than what was")]
)
def test_chapter_10_says_whether_the_pretrained_network_wins_and_covers(covered, enough):
    columns = ["RMSE, pretrained", "RMSE, PLS", "RMSE, PLS at its best"]
    table = pd.DataFrame([[0.1, 0.3, 0.2], [covered, 0.5, 0.4]], columns=columns)
    table = table.assign(**{"Covered, pretrained": covered, "Covered, PLS": 0.5})
    text = sentence_of(OWN, "with its best harmonisation in {won}", table=table, columns=columns)
    assert "with its best harmonisation in 1 of 2 laboratories." in text
    assert f"cover {100 * covered:.0f}{PER_CENT} on average, {enough} asked for" in text
    assert text.endswith("What the next laboratory would get, 2 laboratories cannot prove.")
