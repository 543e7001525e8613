"""Is a spectrum like those that a model was fitted to, and can it be used at all?"""

from numbers import Integral

import numpy as np
import pandas as pd
from chemotools.outliers import HotellingT2, QResiduals
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.spectra import one_of

LIMITS = ("cross-validated", "theory")
# A spectrum is gross where the logarithm of its distance to the median spectrum lies this many robust deviations beyond
# the median: were logarithms normal, fewer than one in a million. Of the measured and of 3,000 simulated soils none is.
_GROSS = 5.0


class SpectralDomain(OutlierMixin, BaseEstimator):
    """The domain of training spectra: principal components, and how far from and along them a spectrum may lie.

    pretreatment : transformer of spectra, such as StandardNormalVariate; None for spectra that come pretreated
    n_components : number of principal components, or the share of variance that they shall explain
    confidence : share of spectra like the training ones that shall be inside both limits, half the rest beyond each
    limits : 'cross-validated', the quantile of distances of training spectra to components fitted without them;
        'theory', the F distribution for T2 and Box's chi-square for Q, as chemotools has them
    n_splits : parts of the cross-validation; random_state : of the parts and of the components of large sets

    What the limits promise: a new spectrum, exchangeable with the training spectra, lies outside the cross-validated
    domain with a probability of about 1 - confidence or less, whatever the distribution, given 2 / (1 - confidence)
    training spectra; with fewer, n, the limits are the largest distances, and the probability is about 2 / n or less. A
    spectrum of another laboratory is not exchangeable, and that is what the flag is for. The theory assumes normal
    scores, and knows only distances of training spectra to components that were fitted to them too. On the pooled
    measured soils of three laboratories (285 spectra, SNV, five-fold, five times) 3 % of left-out spectra lay outside
    at a confidence of 95 % and 0.7 % at 99 %; by the theory 19 % and 12 %.

    A spectrum is not usable where a channel is missing or infinite, or where all are equal. In `fit` these are left
    out, and so are gross outliers (a distance to the median spectrum that is out of all proportion), because a few
    saturated spectra would else make a component of their own. Both are judged like any other later: outside.

    After fit: `pca_`, `t2_` and `q_` (HotellingT2 and QResiduals of chemotools), `t2_limit_`, `q_limit_`, `n_unusable_`
    and `n_gross_`, training spectra left out.
    Sources: Hotelling 1931; Box 1954, Ann. Math. Stat. 25, 290; Vovk et al. 2005 for the quantile.
    """

    def __init__(
        self,
        pretreatment=None,
        n_components=0.99,
        confidence=0.99,
        limits="cross-validated",
        n_splits=5,
        random_state=0,
    ):
        self.pretreatment = pretreatment
        self.n_components = n_components
        self.confidence = confidence
        self.limits = limits
        self.n_splits = n_splits
        self.random_state = random_state

    def fit(self, X, y=None, groups=None):
        """Learn the domain from training spectra X (n, n_channels), which may hold NaN.

        groups : (n,) labels; spectra of one label (replicates, a site) are left out of the cross-validation together
        Raises ValueError for a confidence outside 0 to 1, an unknown kind of limits, fewer than three usable spectra,
        and for too few of them, or of their groups, to be left out in parts.
        """
        one_of("limits", self.limits, LIMITS)
        if not 0 < self.confidence < 1:
            raise ValueError(f"a confidence of {self.confidence}: give one between 0 and 1")
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        usable = _usable(X)
        self.n_unusable_ = int((~usable).sum())
        if usable.sum() < 3:
            raise ValueError(f"{usable.sum()} usable spectra of {len(X)}: at least 3 are needed")
        step = FunctionTransformer() if self.pretreatment is None else clone(self.pretreatment)
        self.pretreatment_ = step.fit(X[usable])
        treated = self.pretreatment_.transform(X[usable])
        kept = _not_gross(treated)
        self.n_gross_ = int((~kept).sum())
        treated = treated[kept]
        self.pca_ = _components(treated, self.n_components, self.random_state)
        # Half of what may lie outside lies beyond each limit, so that both together keep the promise (Bonferroni).
        confidence = (1 + self.confidence) / 2
        self.t2_ = HotellingT2(self.pca_, confidence).fit(treated)
        # Its own limit by percentile costs nothing; that of the theory takes the eigenvalues of all channels. Jackson
        # and Mudholkar's falls as confidence grows where one eigenvalue outweighs the others left, as in pooled soils.
        method = "chi-square" if self.limits == "theory" else "percentile"
        self.q_ = QResiduals(self.pca_, confidence, method=method).fit(treated)
        if self.limits == "theory":
            self.t2_limit_, self.q_limit_ = float(self.t2_.critical_value_), float(self.q_.critical_value_)
        else:
            groups = None if groups is None else np.asarray(groups)[usable][kept]
            t2, q = self._distances_left_out(treated, groups)
            self.t2_limit_, self.q_limit_ = _quantile(t2, confidence), _quantile(q, confidence)
        return self

    def examine(self, X):
        """What is found of spectra X (n, n_channels): a DataFrame, one row a spectrum.

        usable : whether all channels are there, and not all equal
        t2, t2_limit : Hotelling's T2, squared distance along the components in their standard deviations
        q, q_limit : sum of squares that the components leave, in the square of the unit of pretreated spectra
        t2_flag, q_flag : whether beyond the limit; outside : either of them, or not usable
        t2 and q are NaN, and their flags False, where a spectrum is not usable.
        """
        check_is_fitted(self, "q_limit_")
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite=False, reset=False)
        usable = _usable(X)
        t2, q = np.full((2, len(X)), np.nan)
        if usable.any():
            treated = self.pretreatment_.transform(X[usable])
            t2[usable], q[usable] = self.t2_.predict_residuals(treated), self.q_.predict_residuals(treated)
        found = {"usable": usable, "t2": t2, "t2_limit": self.t2_limit_, "q": q, "q_limit": self.q_limit_}
        flags = {"t2_flag": t2 > self.t2_limit_, "q_flag": q > self.q_limit_}
        return pd.DataFrame(found | flags).assign(outside=~usable | flags["t2_flag"] | flags["q_flag"])

    def predict(self, X):
        """1 for spectra X (n, n_channels) inside the domain, -1 for those outside, as scikit-learn's detectors say."""
        return np.where(self.examine(X)["outside"], -1, 1)

    def _distances_left_out(self, treated, groups):
        """T2 and Q of each training spectrum, (n,) each, to components fitted without it."""
        n_units = len(treated) if groups is None else len(np.unique(groups))
        if n_units < self.n_splits:
            raise ValueError(f"{n_units} spectra or groups cannot be left out in {self.n_splits} parts")
        folds = (KFold if groups is None else GroupKFold)(self.n_splits, shuffle=True, random_state=self.random_state)
        t2, q = np.empty((2, len(treated)))
        for training, left_out in folds.split(treated, groups=groups):
            # As many components as the whole has, so that distances are of the same kind.
            pca = _components(treated[training], self.pca_.n_components_, self.random_state)
            t2[left_out] = HotellingT2(pca).fit_predict_residuals(treated[left_out])
            q[left_out] = QResiduals(pca, method="percentile").fit_predict_residuals(treated[left_out])
        return t2, q


def _usable(X):
    return np.isfinite(X).all(1) & (np.ptp(np.where(np.isfinite(X), X, 0), axis=1) > 0)


def _not_gross(treated):
    """Mask of spectra whose distance to the median spectrum is in proportion with that of the others."""
    distance = np.linalg.norm(treated - np.median(treated, axis=0), axis=1)
    return distance <= gross_limit(distance)


def gross_limit(distances):
    """A distance out of all proportion with those of (n,) rows, whose logarithm is taken for nearly normal."""
    # The logarithm lets heavy tails pass: it is gross only what lies orders of magnitude, not deviations, away.
    logarithm = np.log(np.maximum(distances, np.finfo(float).tiny))
    deviation = 1.4826 * np.median(np.abs(logarithm - np.median(logarithm)))
    return float(np.exp(np.median(logarithm) + max(_GROSS * deviation, np.log(2))))


def _components(treated, n_components, random_state):
    # A share of variance takes all components; the covariance of channels gives them sooner where spectra are many.
    all_components = "covariance_eigh" if len(treated) > treated.shape[1] else "full"
    solver = "auto" if isinstance(n_components, Integral) else all_components
    return PCA(n_components, svd_solver=solver, random_state=random_state).fit(treated)


def _quantile(distances, confidence):
    """The smallest distance that a new one exceeds with a probability of at most 1 - confidence; else the largest."""
    rank = int(np.ceil((len(distances) + 1) * confidence))
    return float(np.sort(distances)[min(rank, len(distances)) - 1])
