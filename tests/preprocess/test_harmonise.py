import warnings

import numpy as np
import pandas as pd
import pytest
from chemotools.adaptation import DirectStandardization, PiecewiseDirectStandardization, SpectralSpaceTransform
from chemotools.scatter import MultiplicativeScatterCorrection, StandardNormalVariate
from scipy.signal import savgol_filter
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from spectrakit.preprocess.harmonise import (
    HARMONISATIONS,
    Harmoniser,
    LaboratoryProjection,
    StandardTransfer,
    left_out_standards,
)

# Standards without noise have fewer components than windows of them are asked for, and PLS says so.
pytestmark = pytest.mark.filterwarnings("ignore:X (score norm|weight) is close to zero:UserWarning")

CHANNEL = np.arange(120.0)
N_STANDARDS = 30
STANDARDS = [f"S{i:02d}" for i in range(N_STANDARDS)]
TRANSFERS = {
    "ds": DirectStandardization(),
    "pds": PiecewiseDirectStandardization(window_length=3, n_components=3, scale=False, storage="band"),
    "sst": SpectralSpaceTransform(n_components=3),
}


def soils(n, random_state):
    """Absorbance (n, 120) of mixtures of four constituents, whose shares add up to 1."""
    random = np.random.default_rng(random_state)
    centres, widths = np.array([[20.0], [45], [70], [100]]), np.array([[8.0], [12], [6], [15]])
    return random.dirichlet(np.ones(4), n) @ np.exp(-0.5 * ((CHANNEL - centres) / widths) ** 2) + 0.2


def brighter(spectra):
    """What another laboratory makes of spectra: 1.3 times as strong, with a slope below."""
    return 1.3 * spectra + 0.1 + 0.001 * CHANNEL


def shifted(spectra):
    """What a laboratory makes of spectra whose axis is one channel off."""
    return np.roll(spectra, 1, axis=1)


def ring_of(**laboratories):
    """A ring trial: the scans of the same standards, one block a laboratory."""
    names = np.repeat(list(laboratories), [len(scans) for scans in laboratories.values()])
    standards = np.concatenate([STANDARDS[: len(scans)] for scans in laboratories.values()])
    return np.concatenate(list(laboratories.values())), standards, names


@pytest.fixture
def ring():
    scans = soils(N_STANDARDS, 0)
    return ring_of(reference=scans, bright=brighter(scans), shifted=shifted(scans))


@pytest.mark.parametrize("name", TRANSFERS)
def test_a_laboratory_that_multiplies_and_shifts_is_brought_back(name, ring):
    X = soils(40, 1)
    transfer = StandardTransfer(TRANSFERS[name], reference="reference").fit(X, ring=ring)
    found = transfer.transform(brighter(X), ["bright"] * 40)
    np.testing.assert_allclose(found, X, atol=1e-10 if name != "pds" else 0.01)
    assert np.abs(brighter(X) - X).max() > 0.4


def test_piecewise_standardisation_repairs_an_axis_that_is_one_channel_off(ring):
    X = soils(40, 1)
    found = StandardTransfer(TRANSFERS["pds"], reference="reference").fit(X, ring=ring)
    difference = found.transform(shifted(X), ["shifted"] * 40) - X
    # The last channel is the first of another spectrum: rolled in, not measured.
    assert np.abs(difference[:, 1:-1]).max() < 1e-3 * np.abs((shifted(X) - X)[:, 1:-1]).max()


def test_each_row_is_transferred_as_its_laboratory_needs(ring):
    X = soils(6, 2)
    laboratory = np.array(["bright", "reference", "shifted", "reference", "bright", "shifted"])
    mixed = np.where((laboratory == "bright")[:, None], brighter(X), X)
    mixed = np.where((laboratory == "shifted")[:, None], shifted(X), mixed)
    before = mixed.copy()
    transfer = StandardTransfer(TRANSFERS["sst"], reference="reference").fit(X, ring=ring)
    found = transfer.transform(mixed, pd.Series(laboratory, index=[9, 8, 7, 6, 5, 4]))
    np.testing.assert_allclose(found, X, atol=1e-10)
    np.testing.assert_array_equal(found[[1, 3]], X[[1, 3]])
    np.testing.assert_array_equal(mixed, before)
    assert sorted(transfer.transfers_) == ["bright", "shifted"] and transfer.skipped_ == {}


def test_the_reference_is_the_laboratory_with_most_training_rows(ring):
    X = soils(5, 2)
    transfer = StandardTransfer(TRANSFERS["sst"])
    assert transfer.fit(X, laboratory=["bright"] * 3 + ["reference"] * 2, ring=ring).reference_ == "bright"
    np.testing.assert_allclose(transfer.transform(X, ["reference"] * 5), brighter(X), atol=1e-10)


def test_scans_of_one_standard_are_averaged(ring):
    spectra, standard, laboratory = ring
    # Every scan of 'bright' twice, once too high by as much as once too low.
    of_bright = laboratory == "bright"
    doubled = (
        np.concatenate([spectra[~of_bright], spectra[of_bright] + 0.3, spectra[of_bright] - 0.3]),
        np.concatenate([standard[~of_bright], standard[of_bright], standard[of_bright]]),
        np.concatenate([laboratory[~of_bright], ["bright"] * 60]),
    )
    X = soils(4, 3)
    transfer = StandardTransfer(TRANSFERS["sst"], reference="reference")
    found = transfer.fit(X, ring=doubled).transform(brighter(X), ["bright"] * 4)
    np.testing.assert_allclose(found, X, atol=1e-10)


NO_STANDARDS = (
    "laboratory elsewhere shares 0 standards with the reference laboratory reference and needs 4: add its scans to "
    "ring, or choose a harmonisation that needs none: none, snv, msc"
)


@pytest.mark.parametrize(
    ("laboratory", "problem"),
    [
        (["bright", "elsewhere", "reference", "reference"], NO_STANDARDS),
        (["late"] * 4, "laboratory late shares 3 standards with the reference laboratory reference and needs 4"),
        (None, "SpectralSpaceTransform needs laboratory: a label for each spectrum"),
    ],
)
def test_spectra_that_cannot_be_transferred_are_named_with_the_remedy(laboratory, problem):
    X, scans = soils(4, 3), soils(N_STANDARDS, 0)
    few = ring_of(reference=scans, bright=brighter(scans), late=scans[:3])
    transfer = StandardTransfer(TRANSFERS["sst"], reference="reference").fit(X, ring=few)
    assert transfer.skipped_ == {"late": 3} and list(transfer.transfers_) == ["bright"]
    with pytest.raises(ValueError, match=problem):
        transfer.transform(X, laboratory)


@pytest.mark.parametrize(
    ("name", "options", "fitted", "problem"),
    [
        ("sst", {}, {}, "reference laboratory is not known: give reference, or laboratory"),
        ("sst", {"reference": "nobody"}, {}, "reference laboratory nobody: it has no row in laboratory and no scan in"),
        ("msc", {"reference": "c"}, {}, "reference laboratory c: it has no row in laboratory and no scan in ring"),
        ("sst", {}, {"laboratory": ["nobody"] * 4}, "reference laboratory nobody: it has no scan in ring"),
        ("sst", {}, {"laboratory": ["bright"] * 3}, "laboratory: 3 labels for 4 spectra"),
        ("sst", {}, {"laboratory": ["bright", None, "bright", "bright"]}, "laboratory: no label for spectrum 1"),
        (
            "sst",
            {"reference": "reference"},
            {"laboratory": ["elsewhere"] * 4},
            "laboratory elsewhere shares 0 standards",
        ),
        ("sst", {}, {"ring": None}, "SpectralSpaceTransform needs ring: standards scanned by every laboratory"),
        ("epo", {}, {"ring": None}, "EPO needs ring: a ring trial, of these or of simulated laboratories; or choose"),
        ("epo", {}, {"ring": (soils(2, 0), ["R1", "R2"], ["a", "b"])}, "each sample_id stands in ring only once"),
        (
            "epo",
            {},
            {"ring": (soils(2, 0)[:, ::2], ["R1"] * 2, ["a", "b"])},
            "ring has 60 channels and X 120: resample",
        ),
        ("top", {}, {"laboratory": ["a"] * 4}, "needs two laboratories or more"),
    ],
)
def test_what_a_harmonisation_needs(name, options, fitted, problem, ring):
    with pytest.raises(ValueError, match=problem):
        HARMONISATIONS[name](**options).fit(soils(4, 3), **{"ring": ring} | fitted)


def test_epo_takes_out_the_planted_direction_and_nothing_else():
    random = np.random.default_rng(0)
    planted = np.sin(CHANNEL / 7)
    planted /= np.linalg.norm(planted)
    scans = soils(N_STANDARDS, 0)
    ring = ring_of(a=scans, b=scans + random.normal(0, 1, (N_STANDARDS, 1)) * planted)
    X = soils(20, 1)
    projection = LaboratoryProjection(n_components=1).fit(X, ring=ring)
    np.testing.assert_allclose(np.abs(projection.projection_.V_epo_[:, 0] @ planted), 1, rtol=1e-12)
    # However much of it a spectrum of an unknown laboratory holds, the same is left, and no laboratory is needed.
    found = projection.transform(X + random.normal(0, 3, (20, 1)) * planted)
    np.testing.assert_allclose(found, projection.transform(X), atol=1e-12)
    rest = np.eye(120) - np.outer(planted, planted)
    np.testing.assert_allclose(found @ rest, X @ rest, atol=1e-12)


def test_top_takes_out_what_the_means_of_the_training_laboratories_differ_in():
    random = np.random.default_rng(0)
    planted = np.cos(CHANNEL / 11)
    X = soils(40, 1)
    X = np.concatenate([X, X + 2 * planted + random.normal(0, 1e-6, X.shape)])
    top = HARMONISATIONS["top"]().fit(X, laboratory=["a"] * 40 + ["b"] * 40)
    assert top.projection_.V_epo_.shape == (120, 1)  # two means differ in one direction, though two were asked for
    np.testing.assert_allclose(np.abs(top.projection_.V_epo_[:, 0] @ planted) / np.linalg.norm(planted), 1, atol=1e-9)
    found = top.transform(X)
    np.testing.assert_allclose(found[:40], found[40:], atol=1e-5)


def test_epo_takes_out_eight_directions_of_whatever_laboratories(ring):
    epo = HARMONISATIONS["epo"]().fit(soils(4, 3), laboratory=list("abcd"), ring=ring)
    assert epo.projection_.V_epo_.shape == (120, 8)


def test_snv_is_idempotent_and_the_derivative_that_of_the_ring_trial():
    X = soils(5, 4)
    once = HARMONISATIONS["snv"]().fit_transform(X)
    np.testing.assert_allclose(once, (X - X.mean(1, keepdims=True)) / X.std(1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(HARMONISATIONS["snv"]().fit_transform(once), once, atol=1e-12)
    found = HARMONISATIONS["snv+derivative"]().fit_transform(X)
    np.testing.assert_allclose(found, savgol_filter(once, 11, 2, deriv=1, mode="interp"), atol=1e-12)
    np.testing.assert_array_equal(HARMONISATIONS["none"]().fit_transform(X), X)


def test_msc_turns_to_the_reference_laboratory(ring):
    X = soils(6, 4)
    laboratory = ["a", "a", "b", "b", "b", "b"]
    spectra, _, scanned_by = ring
    sources = {
        None: X,
        "a": X[:2],
        # A laboratory without training rows is known by its scans of the standards.
        "shifted": spectra[scanned_by == "shifted"],
    }
    for reference, rows in sources.items():
        found = HARMONISATIONS["msc"](reference=reference).fit(X, laboratory=laboratory, ring=ring).transform(X)
        expected = MultiplicativeScatterCorrection(reference=rows.mean(0)).fit_transform(X)
        np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize("name", HARMONISATIONS)
def test_every_harmonisation_is_a_scikit_learn_transformer(name, ring):
    spectra, _, laboratory = ring
    harmoniser = HARMONISATIONS[name](reference="reference")
    found = harmoniser.fit_transform(spectra, laboratory=laboratory, ring=ring)
    assert found.shape == (90, 120) and found.dtype == np.float64 and np.isfinite(found).all()
    assert harmoniser.get_feature_names_out([f"c{i}" for i in range(120)])[7] == "c7"
    copy = clone(harmoniser)
    assert str(copy.get_params()) == str(harmoniser.get_params())
    with pytest.raises(NotFittedError):
        copy.transform(spectra, laboratory)
    with pytest.raises(ValueError, match="119 features"):
        harmoniser.transform(spectra[:, 1:], laboratory)
    # Two factories' products share nothing that one of them could change.
    if harmoniser.pretreatment is not None:
        assert HARMONISATIONS[name]().pretreatment is not harmoniser.pretreatment
    # A block at a time gives what the whole does.
    np.testing.assert_allclose(harmoniser.transform(spectra[40:50], laboratory[40:50]), found[40:50], atol=1e-10)


def test_inside_a_pipeline_the_laboratory_is_routed(ring):
    X = soils(40, 5)
    y = X[:, 45]
    laboratory = np.repeat(["reference", "bright"], 20)
    mixed = np.where((laboratory == "bright")[:, None], brighter(X), X)
    with config_context(enable_metadata_routing=True), warnings.catch_warnings():
        warnings.simplefilter("error")
        transfer = StandardTransfer(TRANSFERS["sst"], reference="reference")
        transfer.set_fit_request(laboratory=True, ring=True).set_transform_request(laboratory=True)
        model = make_pipeline(transfer, LinearRegression()).fit(mixed, y, laboratory=laboratory, ring=ring)
        found = model.predict(mixed, laboratory=laboratory)
    np.testing.assert_allclose(found, y, atol=1e-8)


def test_left_out_standards_by_hand():
    scans = soils(N_STANDARDS, 0)
    offset = 0.3 * np.ones(120)
    ring = ring_of(reference=scans, off=scans + offset, same=scans)
    table = left_out_standards(Harmoniser(), ring, "reference")
    spread = np.mean((scans - scans.mean(0)) ** 2)
    assert table.index.tolist() == ["off", "same"]
    assert table.loc["off", "before"] == pytest.approx(0.09 / spread, rel=1e-12)
    assert table.loc["off", "removed"] == 0
    assert table.loc["same", "after"] == 0
    # Half as strong all over is half as far, and half as spread: nothing is gained.
    halved = left_out_standards(Harmoniser(FunctionTransformer(lambda X: X / 2)), ring, "reference")
    assert halved.loc["off", "removed"] == pytest.approx(0, abs=1e-12)


def test_left_out_standards_judge_methods_on_what_they_have_not_seen():
    random = np.random.default_rng(1)
    scans = soils(N_STANDARDS, 0)
    noise = random.normal(0, 0.01, (2, N_STANDARDS, 120))
    ring = ring_of(reference=scans + noise[0], bright=brighter(scans) + noise[1])
    after = {
        name: left_out_standards(harmoniser, ring, "reference").loc["bright", "after"]
        for name, harmoniser in [
            ("none", Harmoniser()),
            ("snv", Harmoniser(StandardNormalVariate())),
            ("ds", StandardTransfer(DirectStandardization())),
            ("sst", StandardTransfer(SpectralSpaceTransform(n_components=3))),
        ]
    }
    assert after == pytest.approx({"none": 4.85, "snv": 0.0574, "ds": 0.00861, "sst": 0.0143}, rel=0.01)
    # What no method can take out is the noise of the reference's own scans.
    of_reference = ring[0][:N_STANDARDS]
    assert 1e-4 / np.mean((of_reference - of_reference.mean(0)) ** 2) == pytest.approx(0.00592, rel=0.01)


def means_apart(X, laboratory):
    """Mean squared distance between mean spectra of laboratories, over two variances: along channels, and within."""
    names = np.unique(laboratory)
    means = np.array([X[laboratory == name].mean(0) for name in names])
    within = np.mean([X[laboratory == name].var(0).mean() for name in names])
    apart = np.mean([np.mean((means[a] - means[b]) ** 2) for a, b in ((0, 1), (0, 2), (1, 2))])
    return apart / X.var(1).mean(), apart / within


def test_measured_laboratories_come_closer_over_how_strong_a_spectrum_is(measured):
    X, laboratory = measured
    found = {
        name: means_apart(HARMONISATIONS[name]().fit_transform(X, laboratory=laboratory), laboratory)
        for name in ("none", "snv", "derivative", "snv+derivative", "snv+top")
    }
    along = {name: value for name, (value, _) in found.items()}
    pinned = {"none": 0.775, "snv": 0.2632, "derivative": 0.4221, "snv+derivative": 0.4408, "snv+top": 0}
    assert along == pytest.approx(pinned, rel=1e-3, abs=1e-9)
    assert along["none"] / along["snv"] == pytest.approx(2.944, rel=1e-3)
    # Over how much soils of one laboratory vary the means do not come closer: SNV takes out more of that.
    within = {name: value for name, (_, value) in found.items()}
    pinned = {"none": 5.592, "snv": 8.951, "derivative": 4.925, "snv+derivative": 4.564, "snv+top": 0}
    assert within == pytest.approx(pinned, rel=1e-3, abs=1e-9)
