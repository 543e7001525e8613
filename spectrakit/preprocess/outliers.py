"""The domain of training spectra: whether a spectrum is like them, and whether it can be used at all."""

from numbers import Integral

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils.validation import check_is_fitted, validate_data

# Share of spectra like the training ones that shall be inside both limits, and parts that these are left out in.
CONFIDENCE = 0.99
N_PARTS = 5
# A spectrum is gross where the logarithm of its distance to the median spectrum lies this many robust deviations beyond
# the median: were logarithms normal, fewer than one in a million. Of the measured and of 3,000 simulated soils none is.
_GROSS = 5.0


class SpectralDomain(OutlierMixin, BaseEstimator):
    """The domain of training spectra: principal components, and how far from and along them a spectrum may lie.

    n_components : number of principal components, or the share of variance that they shall explain
    random_state : of the five parts of the cross-validation, and of the components of large sets

    Limits are quantiles of the distances of training spectra to components fitted without them. A new spectrum that is
    exchangeable with the training spectra lies outside with a probability of about 1 % or less, whatever the
    distribution, given 200 training spectra; with fewer, n, the limits are the largest distances, and the probability
    is about 2 / n or less. A spectrum of another laboratory is not exchangeable, and that is what the flag is for.
    (Limits after Hotelling and Box assume normal scores, and know only distances to components that were fitted to the
    same spectra: of the pooled measured soils of three laboratories, 285 spectra after SNV, 12 % of those left out lay
    outside by them, and 0.7 % by these.)

    A spectrum is not usable where a channel is missing or infinite, or where all are equal. In `fit` these are left
    out, and so are gross outliers (a distance to the median spectrum that is out of all proportion), because a few
    saturated spectra would otherwise form a component. Both are judged like any other later: outside.

    After fit: `pca_`, `t2_limit_`, `q_limit_`, and the numbers of training spectra left out, `n_unusable_`, `n_gross_`.
    Sources: Hotelling 1931; Box 1954, Ann. Math. Stat. 25, 290; Vovk et al. 2005 for the quantile.
    """

    def __init__(self, n_components=0.99, random_state=0):
        self.n_components = n_components
        self.random_state = random_state

    def fit(self, X, y=None, groups=None):
        """Learn the domain from training spectra X (n, n_channels), which may hold NaN.

        groups : (n,) labels; spectra of one label (replicates, a site) are left out of the cross-validation together
        Raises ValueError for fewer than three usable spectra, and for fewer than five of them, or of their groups.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        usable = usable_spectra(X)
        self.n_unusable_ = int((~usable).sum())
        if usable.sum() < 3:
            raise ValueError(f"{usable.sum()} usable spectra of {len(X)}: at least 3 are needed")
        distance = np.linalg.norm(X[usable] - np.median(X[usable], axis=0), axis=1)
        kept = distance <= gross_limit(distance)
        self.n_gross_ = int((~kept).sum())
        X, groups = X[usable][kept], None if groups is None else np.asarray(groups)[usable][kept]
        self.pca_ = _components(X, self.n_components, self.random_state)
        # Half of what may lie outside lies beyond each limit, so that both together keep the promise (Bonferroni).
        limits = [_quantile(distances, (1 + CONFIDENCE) / 2) for distances in self._distances_left_out(X, groups)]
        self.t2_limit_, self.q_limit_ = limits
        return self

    def examine(self, X):
        """How spectra X (n, n_channels) lie to the domain: a DataFrame, one row a spectrum.

        usable : whether all channels are there, and not all equal
        t2, t2_limit : Hotelling's T2, squared distance along the components in their standard deviations
        q, q_limit : sum of squares that the components leave, in the square of the unit of the spectra
        t2_flag, q_flag : whether beyond the limit; outside : either of them, or not usable
        t2 and q are NaN, and their flags False, where a spectrum is not usable.
        """
        check_is_fitted(self, "q_limit_")
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        usable = usable_spectra(X)
        t2, q = np.full((2, len(X)), np.nan)
        if usable.any():
            t2[usable], q[usable] = _distances(self.pca_, X[usable])
        columns = {"usable": usable, "t2": t2, "t2_limit": self.t2_limit_, "q": q, "q_limit": self.q_limit_}
        flags = {"t2_flag": t2 > self.t2_limit_, "q_flag": q > self.q_limit_}
        return pd.DataFrame(columns | flags).assign(outside=~usable | flags["t2_flag"] | flags["q_flag"])

    def predict(self, X):
        """1 for spectra X (n, n_channels) inside the domain, -1 for those outside, as scikit-learn's detectors say."""
        return np.where(self.examine(X)["outside"], -1, 1)

    def _distances_left_out(self, X, groups):
        """T2 and Q of each training spectrum, (2, n), to components fitted without it."""
        n_units = len(X) if groups is None else len(np.unique(groups))
        if n_units < N_PARTS:
            raise ValueError(f"{n_units} spectra or groups cannot be left out in {N_PARTS} parts")
        folds = (KFold if groups is None else GroupKFold)(N_PARTS, shuffle=True, random_state=self.random_state)
        distances = np.empty((2, len(X)))
        for training, left_out in folds.split(X, groups=groups):
            # As many components as the whole has, so that distances are of the same kind.
            pca = _components(X[training], self.pca_.n_components_, self.random_state)
            distances[:, left_out] = _distances(pca, X[left_out])
        return distances


def usable_spectra(X):
    """Mask (n,) of spectra X (n, n_channels) that have all channels, finite and not all equal."""
    return np.isfinite(X).all(axis=1) & (X.max(axis=1) > X.min(axis=1))


def gross_limit(distances):
    """A distance out of all proportion with those of (n,) rows, whose logarithm is taken for nearly normal."""
    # The logarithm lets heavy tails pass: it is gross only what lies orders of magnitude, not deviations, away.
    logarithm = np.log(np.maximum(distances, np.finfo(float).tiny))
    deviation = 1.4826 * np.median(np.abs(logarithm - np.median(logarithm)))
    return float(np.exp(np.median(logarithm) + max(_GROSS * deviation, np.log(2))))


def _components(X, n_components, random_state):
    # A share of variance takes all components; the covariance of channels gives them sooner where spectra are many.
    all_components = "covariance_eigh" if len(X) > X.shape[1] else "full"
    solver = "auto" if isinstance(n_components, Integral) else all_components
    return PCA(n_components, svd_solver=solver, random_state=random_state).fit(X)


def _distances(pca, X):
    """T2 and Q of spectra X (n, n_channels), (n,) each."""
    scores = pca.transform(X)
    residuals = X - pca.inverse_transform(scores)
    return (scores**2 / pca.explained_variance_).sum(axis=1), (residuals**2).sum(axis=1)


def _quantile(distances, confidence):
    """The smallest distance that a new one exceeds with a probability of at most 1 - confidence; else the largest."""
    rank = int(np.ceil((len(distances) + 1) * confidence))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])
