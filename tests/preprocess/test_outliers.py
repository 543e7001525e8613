import numpy as np
import pytest
from chemotools.scatter import StandardNormalVariate
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold

from spectrakit.preprocess.outliers import SpectralDomain

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


@pytest.mark.parametrize(("tail", "pinned"), [(np.inf, 0.0155), (3, 0.00875)])
def test_one_in_a_hundred_lies_outside_under_heavy_tails_too(tail, pinned):
    domain = SpectralDomain(n_components=3).fit(soils(1000, 0, tail))
    assert domain.examine(soils(4000, 1, tail))["outside"].mean() == pytest.approx(pinned, abs=1e-4)


@pytest.mark.parametrize(("n", "place"), [(199, -1), (399, -2)])
def test_limits_are_quantiles_of_distances_left_out(n, place):
    X = soils(n, 0)
    domain = SpectralDomain(n_components=3).fit(X)
    t2, q = [], []
    for training, left_out in KFold(5, shuffle=True, random_state=0).split(X):
        pca = PCA(3, random_state=0).fit(X[training])
        scores = pca.transform(X[left_out])
        t2.extend((scores**2 / pca.explained_variance_).sum(1))
        q.extend(((X[left_out] - pca.inverse_transform(scores)) ** 2).sum(1))
    # 0.995 of 200 is rank 199, the largest; of 400 it is rank 398.
    assert domain.t2_limit_ == pytest.approx(np.sort(t2)[place], rel=1e-8)
    assert domain.q_limit_ == pytest.approx(np.sort(q)[place], rel=1e-8)


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
    domain = SpectralDomain(n_components=3).fit(X)
    assert domain.n_unusable_ == 3
    found = domain.examine([missing, infinite, flat, usual])
    assert found["usable"].tolist() == [False, False, False, True]
    assert found["outside"].tolist() == [True, True, True, False]
    assert found[["t2", "q"]].isna().all(axis=1).tolist() == [True, True, True, False]
    assert not found[["t2_flag", "q_flag"]].to_numpy().any()
    np.testing.assert_array_equal(domain.pca_.mean_, SpectralDomain(n_components=3).fit(X[:200]).pca_.mean_)
    nothing = domain.examine(X[200:])
    assert nothing["outside"].all() and nothing["t2"].isna().all()


def test_a_few_gross_outliers_do_not_move_the_domain():
    clean = soils(200, 0)
    saturated = np.where(CHANNEL > 30, 400.0, 5.0) + np.random.default_rng(1).normal(0, 0.05, (4, 80))
    domain = SpectralDomain(n_components=3).fit(np.vstack([clean, saturated]))
    alone = SpectralDomain(n_components=3).fit(clean)
    assert (domain.n_gross_, alone.n_gross_) == (4, 0)
    assert domain.t2_limit_ == pytest.approx(alone.t2_limit_, rel=1e-12)
    assert domain.q_limit_ == pytest.approx(alone.q_limit_, rel=1e-12)
    assert domain.examine(saturated)["outside"].all()


def test_heavy_tails_are_not_gross():
    assert SpectralDomain(n_components=3).fit(soils(2000, 0, tail=3)).n_gross_ == 0


@pytest.mark.parametrize(
    ("options", "rows", "problem"),
    [
        ({}, 2, "2 usable spectra of 2: at least 3 are needed"),
        ({"n_components": 2}, 4, "4 spectra or groups cannot be left out in 5 parts"),
    ],
)
def test_what_a_domain_cannot_be_made_of(options, rows, problem):
    with pytest.raises(ValueError, match=problem):
        SpectralDomain(**options).fit(soils(rows, 0))


def test_the_domain_is_a_scikit_learn_detector():
    domain = SpectralDomain(n_components=2)
    X = soils(60, 0)
    before = X.copy()
    assert domain.fit_predict(X).tolist() == domain.predict(X).tolist()
    np.testing.assert_array_equal(X, before)
    with pytest.raises(NotFittedError):
        clone(domain).predict(X)
    with pytest.raises(ValueError, match="79 features"):
        domain.examine(X[:, 1:])


def test_measured_soils_left_out_lie_inside_and_laboratories_never_seen_may_lie_outside(measured):
    absorbance, laboratory = measured
    X = StandardNormalVariate().fit_transform(absorbance[:, ::4])
    left_out = np.arange(len(X)) % 5 == 0
    domain = SpectralDomain().fit(X[~left_out])
    assert domain.n_gross_ == 0 and domain.examine(X[left_out])["outside"].sum() == 1
    unseen = {
        name: SpectralDomain().fit(X[laboratory != name]).examine(X[laboratory == name])["outside"].mean()
        for name in np.unique(laboratory)
    }
    assert unseen == pytest.approx({"h138": 1, "nrw115": 0, "o32": 11 / 32}, abs=1e-6)
