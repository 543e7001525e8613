import numpy as np
import pytest
from chemotools.scatter import StandardNormalVariate
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from spectrakit.preprocess.outliers import LIMITS, SpectralDomain
from spectrakit.tables import read_table

LABS = ("h138", "nrw115", "o32")
CHANNEL = np.arange(80.0)
BANDS = np.exp(-0.5 * ((CHANNEL - np.array([[15.0], [40], [65]])) / 7) ** 2)


def soils(n, random_state, tail=np.inf):
    """Spectra (n, 80) of three bands, noise; `tail`: degrees of freedom of their strengths, infinite for normal."""
    random = np.random.default_rng(random_state)
    strength = random.normal(0, 1, (n, 3)) if tail == np.inf else random.standard_t(tail, (n, 3))
    return 5 + strength * [3, 2, 1] @ BANDS + random.normal(0, 0.05, (n, 80))


def test_distances_by_hand():
    X = soils(200, 0)
    domain = SpectralDomain(n_components=3).fit(X)
    new = soils(20, 1)
    found = domain.examine(new)
    _, _, axes = np.linalg.svd(X - X.mean(0), full_matrices=False)
    variances = ((X - X.mean(0)) @ axes[:3].T).var(0, ddof=1)
    scores = (new - X.mean(0)) @ axes[:3].T
    np.testing.assert_allclose(found["t2"], (scores**2 / variances).sum(1), rtol=1e-8)
    np.testing.assert_allclose(found["q"], ((new - X.mean(0) - scores @ axes[:3]) ** 2).sum(1), rtol=1e-8)
    assert found.columns.tolist() == ["usable", "t2", "t2_limit", "q", "q_limit", "t2_flag", "q_flag", "outside"]


def test_along_the_components_and_off_them():
    domain = SpectralDomain(n_components=3).fit(soils(200, 0))
    usual = soils(1, 2)[0]
    spectra = [usual, usual + 30 * BANDS[0], usual + 3 * np.sin(CHANNEL)]
    found = domain.examine(spectra)
    assert found["t2_flag"].tolist() == [False, True, False]
    assert found["q_flag"].tolist() == [False, False, True]
    assert found["outside"].tolist() == [False, True, True]
    assert domain.predict(spectra).tolist() == [1, -1, -1]


@pytest.mark.parametrize(
    ("limits", "tail", "pinned"),
    [
        ("theory", np.inf, 0.0115),
        ("theory", 3, 0.03475),
        ("cross-validated", np.inf, 0.0155),
        ("cross-validated", 3, 0.00875),
    ],
)
def test_one_in_a_hundred_outside_holds_under_heavy_tails_where_limits_are_cross_validated(limits, tail, pinned):
    domain = SpectralDomain(n_components=3, limits=limits).fit(soils(1000, 0, tail))
    assert domain.examine(soils(4000, 1, tail))["outside"].mean() == pytest.approx(pinned, abs=1e-4)


def test_limits_are_quantiles_of_distances_left_out():
    X = soils(39, 0)
    domain = SpectralDomain(n_components=3, confidence=0.95, n_splits=39).fit(X)
    t2 = []
    for row in range(39):
        others = np.delete(X, row, axis=0)
        t2 += SpectralDomain(n_components=3, limits="theory").fit(others).examine(X[[row]])["t2"].tolist()
    # 0.975 of 40 is rank 39: the largest of the 39.
    assert domain.t2_limit_ == pytest.approx(max(t2), rel=1e-8)
    looser = SpectralDomain(n_components=3, confidence=0.9, n_splits=39).fit(X)
    assert looser.t2_limit_ == pytest.approx(np.sort(t2)[37], rel=1e-8)


def test_spectra_of_one_group_are_left_out_together():
    X = np.repeat(soils(40, 0), 5, axis=0) + np.random.default_rng(1).normal(0, 0.05, (200, 80))
    alone = SpectralDomain(n_components=3).fit(X)
    together = SpectralDomain(n_components=3).fit(X, groups=np.repeat(np.arange(40), 5))
    # Replicates give each other away: without groups the limit is too tight.
    assert together.t2_limit_ / alone.t2_limit_ == pytest.approx(1.182, abs=0.001)


def test_spectra_that_cannot_be_used_are_outside_and_crash_nothing():
    usual = soils(1, 2)[0]
    missing, infinite, flat = usual.copy(), usual.copy(), np.full(80, 3.0)
    missing[7], infinite[7] = np.nan, np.inf
    X = np.vstack([soils(200, 0), missing, infinite, flat])
    domain = SpectralDomain(StandardNormalVariate(), n_components=3).fit(X)
    assert domain.n_unusable_ == 3
    found = domain.examine([missing, infinite, flat, usual])
    assert found["usable"].tolist() == [False, False, False, True]
    assert found["outside"].tolist() == [True, True, True, False]
    assert found[["t2", "q"]].isna().all(axis=1).tolist() == [True, True, True, False]
    assert not found[["t2_flag", "q_flag"]].to_numpy().any()
    np.testing.assert_array_equal(domain.pca_.mean_, SpectralDomain(StandardNormalVariate()).fit(X[:200]).pca_.mean_)
    nothing = domain.examine(X[200:])
    assert nothing["outside"].all() and nothing["t2"].isna().all()


@pytest.mark.parametrize("limits", LIMITS)
def test_a_few_gross_outliers_do_not_move_the_domain(limits):
    clean = soils(200, 0)
    saturated = np.where(CHANNEL > 30, 400.0, 5.0) + np.random.default_rng(1).normal(0, 0.05, (4, 80))
    domain = SpectralDomain(n_components=3, limits=limits).fit(np.vstack([clean, saturated]))
    alone = SpectralDomain(n_components=3, limits=limits).fit(clean)
    assert (domain.n_gross_, alone.n_gross_) == (4, 0)
    assert domain.t2_limit_ == pytest.approx(alone.t2_limit_, rel=1e-12)
    assert domain.q_limit_ == pytest.approx(alone.q_limit_, rel=1e-12)
    assert domain.examine(saturated)["outside"].all()


def test_heavy_tails_are_not_gross():
    assert SpectralDomain(n_components=3).fit(soils(2000, 0, tail=3)).n_gross_ == 0


@pytest.mark.parametrize(
    ("options", "rows", "problem"),
    [
        ({"limits": "percentile"}, 50, "limits 'percentile': give one of cross-validated, theory"),
        ({"confidence": 95}, 50, "a confidence of 95: give one between 0 and 1"),
        ({}, 2, "2 usable spectra of 2: at least 3 are needed"),
        ({"n_components": 2}, 4, "4 spectra or groups cannot be left out in 5 parts"),
    ],
)
def test_what_a_domain_cannot_be_made_of(options, rows, problem):
    with pytest.raises(ValueError, match=problem):
        SpectralDomain(**options).fit(soils(rows, 0))


def test_the_domain_is_a_scikit_learn_detector():
    domain = SpectralDomain(StandardNormalVariate(), n_components=2, confidence=0.9)
    X = soils(60, 0)
    before = X.copy()
    assert domain.fit_predict(X).tolist() == domain.predict(X).tolist()
    np.testing.assert_array_equal(X, before)
    with pytest.raises(NotFittedError):
        clone(domain).predict(X)
    with pytest.raises(ValueError, match="79 features"):
        domain.examine(X[:, 1:])


def test_measured_soils_outside_and_a_measured_laboratory_never_seen(shared):
    sets = {
        name: read_table(shared / "real" / "mir" / f"{name}.csv.gz", "cm-1", "percent-reflectance") for name in LABS
    }
    axis = np.arange(760, 3796, 8.0)
    absorbance = [-np.log10(np.maximum(found.resample(axis).spectra.astype(float), 1e-4)) for found in sets.values()]
    X, laboratory = np.concatenate(absorbance), np.repeat(LABS, [len(rows) for rows in absorbance])
    left_out = np.arange(len(X)) % 5 == 0
    outside = {}
    for limits in LIMITS:
        domain = SpectralDomain(StandardNormalVariate(), confidence=0.95, limits=limits).fit(X[~left_out])
        assert domain.n_gross_ == 0
        outside[limits] = domain.examine(X[left_out])["outside"].mean()
    assert outside == pytest.approx({"cross-validated": 3 / 57, "theory": 12 / 57}, abs=1e-6)
    unseen = {}
    for name in LABS:
        domain = SpectralDomain(StandardNormalVariate(), confidence=0.95).fit(X[laboratory != name])
        unseen[name] = domain.examine(X[laboratory == name])["outside"].mean()
    assert unseen == pytest.approx({"h138": 1.0, "nrw115": 113 / 115, "o32": 1.0}, abs=1e-6)
