"""Harmonisation of the spectra of several laboratories.

Three kinds, each a scikit-learn transformer with `fit(X, y, laboratory=, ring=)` and `transform(X, laboratory=)`:
a pretreatment alone knows no laboratory; a projection learns in what laboratories differ and then needs none; a
transfer onto a reference laboratory needs the laboratory of every row, and standards which that laboratory scanned.

A ring trial is a tuple (X, sample_id, laboratory): scans (n_scans, n_channels) of standards, with the standard and the
laboratory of each scan (n_scans,). X is absorbance, in the same channels for all. Inside a scikit-learn Pipeline the
laboratory reaches `transform` by metadata routing, as for any transformer: `set_transform_request(laboratory=True)`.
"""

import numpy as np
import pandas as pd
from chemotools.adaptation import DirectStandardization, PiecewiseDirectStandardization, SpectralSpaceTransform
from chemotools.derivative import SavitzkyGolay
from chemotools.projection import ExternalParameterOrthogonalization
from chemotools.scatter import MultiplicativeScatterCorrection, StandardNormalVariate
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

WITHOUT_STANDARDS = ("none", "snv", "msc", "derivative", "snv+derivative", "top", "snv+top")
"""The `HARMONISATIONS` that no ring trial is needed for, so that any library can have them."""
N_PARTS = 5
_REMEDY = f"choose a harmonisation that needs none: {', '.join(WITHOUT_STANDARDS)}"


class Harmoniser(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """A pretreatment alone: the laboratory of a spectrum is not needed.

    pretreatment : transformer of spectra, such as StandardNormalVariate; None for none
    reference : laboratory whose training rows the pretreatment is fitted on, or whose scans in the ring trial where it
        has no training row (it matters to MultiplicativeScatterCorrection, which learns a mean); None for all rows
    """

    def __init__(self, pretreatment=None, reference=None):
        self.pretreatment = pretreatment
        self.reference = reference

    def fit(self, X, y=None, *, laboratory=None, ring=None):
        """Learn from training spectra.

        X : (n, n_channels); laboratory : (n,) labels; ring : (scans, sample_id, laboratory) of a ring trial, see the
        module. Raises ValueError for labels that are missing or too few, a reference without spectra, and for
        standards that a harmonisation needs and does not get. Pretreatments take a float64 copy of what they are
        fitted to: of a library, a part of the rows will do, and `transform` may be given it block by block.
        """
        X = validate_data(self, X, dtype=(np.float64, np.float32))
        laboratory = None if laboratory is None else _labels("laboratory", laboratory, len(X))
        ring = None if ring is None else _checked_ring(ring)
        if ring is not None and ring[0].shape[1] != X.shape[1]:
            raise ValueError(
                f"ring has {ring[0].shape[1]} channels and X {X.shape[1]}: resample one to the axis of the other"
            )
        step = FunctionTransformer() if self.pretreatment is None else clone(self.pretreatment)
        self.pretreatment_ = step.fit(self._pretreatment_rows(X, laboratory, ring))
        if ring is not None:
            ring = (self.pretreatment_.transform(ring[0]), *ring[1:])
        self._learn(X, laboratory, ring)
        return self

    def transform(self, X, laboratory=None):
        """Harmonised spectra (n, n_channels), float64; laboratory : (n,) labels, where the harmonisation needs them."""
        check_is_fitted(self, "pretreatment_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self._apply(self.pretreatment_.transform(X), laboratory)

    def fit_transform(self, X, y=None, *, laboratory=None, ring=None):
        """Fit to X and harmonise it; the arguments are those of `fit`."""
        return self.fit(X, y, laboratory=laboratory, ring=ring).transform(X, laboratory)

    def _pretreatment_rows(self, X, laboratory, ring):
        if self.reference is None:
            return X
        sources = [(X, laboratory)] if laboratory is not None else []
        sources += [(ring[0], ring[2])] if ring is not None else []
        for spectra, labels in sources:
            if np.any(labels == str(self.reference)):
                return spectra[labels == str(self.reference)]
        raise ValueError(f"reference laboratory {self.reference}: it has no row in laboratory and no scan in ring")

    def _learn(self, X, laboratory, ring):
        """Learn more than the pretreatment: X is as it came, the scans of the ring are pretreated."""

    def _apply(self, X, laboratory):
        return X


class LaboratoryProjection(Harmoniser):
    """Take out the directions in which laboratories differ; afterwards the laboratory of a spectrum is not needed.

    n_components : directions taken out, at most as many as there are. No number is published for laboratories: Roger
        et al. find it by cross-validation, Wijewardane et al. by Wilks' lambda, which like `left_out_standards` weighs
        what differs within a standard against what differs between. By that measure, on the simulated ring trial,
        the default of 8 nearly halves what 4 leave after SNV, and 10 to 16 gain nothing there and little without
    standards : True for the directions in which scans of the same standard differ: external parameter
        orthogonalisation, which needs a ring trial of any laboratories, measured or simulated, and assumes that those
        to come differ as they do. False for the directions between the mean spectra of the training laboratories:
        transfer by orthogonal projection, which needs no standards and assumes that these soils have the same mean
        everywhere. Where they have not, what the soils themselves differ in is taken out too.
    pretreatment, reference : see Harmoniser

    After fit: `projection_`, whose `V_epo_` (n_channels, n_components) are the directions, orthonormal.
    Sources: Roger, Chauchard & Bellon-Maurel 2003, Chemom. Intell. Lab. Syst. 66, 191; Andrew & Fearn 2004, ibid. 72,
    51; Wijewardane, Ge & Morgan 2016, Geoderma 267, 92.
    """

    def __init__(self, n_components=8, standards=True, pretreatment=None, reference=None):
        super().__init__(pretreatment, reference)
        self.n_components = n_components
        self.standards = standards

    def _learn(self, X, laboratory, ring):
        if self.standards:
            spectra, standard, most = self._scans_of_standards(ring)
        else:
            spectra, standard, most = self._means_of_laboratories(X, laboratory)
        # What the projection leaves in place is the mean of what it is fitted to: an offset common to all.
        projection = ExternalParameterOrthogonalization(min(self.n_components, most))
        self.projection_ = projection.fit(spectra, X_external=spectra, sample_ids=standard)

    def _scans_of_standards(self, ring):
        if ring is None:
            raise ValueError(f"EPO needs ring: a ring trial, of these or of simulated laboratories; or {_REMEDY}")
        spectra, standard, _ = ring
        _, index, scans = np.unique(standard, return_inverse=True, return_counts=True)
        most = int((scans - 1).sum())
        if most < 1:
            raise ValueError("EPO needs standards scanned more than once: each sample_id stands in ring only once")
        return spectra, index, most

    def _means_of_laboratories(self, X, laboratory):
        if laboratory is None or len(set(laboratory)) < 2:
            raise ValueError(
                "transfer by orthogonal projection (top) needs two laboratories or more; name them in laboratory"
            )
        names = np.unique(laboratory)
        means = [self.pretreatment_.transform(X[laboratory == name]).mean(0) for name in names]
        return np.array(means), None, len(names) - 1

    def _apply(self, X, laboratory):
        return self.projection_.transform(X)


class StandardTransfer(Harmoniser):
    """Map spectra onto those of a reference laboratory, by standards that both have scanned.

    transfer : DirectStandardization, PiecewiseDirectStandardization or SpectralSpaceTransform of chemotools; one copy
        a laboratory is fitted, scans of one standard by one laboratory being averaged first
    pretreatment : see Harmoniser
    reference : laboratory onto which the others are mapped; None for the one with most training rows

    A laboratory whose soils are unseen is mapped like any other if its scans stand in the ring trial: that is what a
    ring trial is for. The reference's own spectra are only pretreated. Raises ValueError for a laboratory, in
    training or at `transform`, that has no such scans.
    After fit: `reference_`; `transfers_`, laboratory to fitted transfer; `skipped_`, laboratory of the ring trial to
    the number of standards it shares with the reference, where these are too few.
    """

    def __init__(self, transfer, pretreatment=None, reference=None):
        super().__init__(pretreatment, reference)
        self.transfer = transfer

    def _learn(self, X, laboratory, ring):
        if ring is None:
            raise ValueError(
                f"{type(self.transfer).__name__} needs ring: standards scanned by every laboratory and by the "
                f"reference; or {_REMEDY}"
            )
        self.reference_ = self._reference(laboratory)
        scans = _mean_scans(ring)
        if self.reference_ not in scans:
            raise ValueError(f"reference laboratory {self.reference_}: it has no scan in ring; name one that has")
        target = scans.pop(self.reference_)
        shared = {name: table.index.intersection(target.index) for name, table in scans.items()}
        self.skipped_ = {name: len(index) for name, index in shared.items() if len(index) < self._fewest}
        self.transfers_ = {
            name: clone(self.transfer).fit(scans[name].loc[index].to_numpy(), X_source=target.loc[index].to_numpy())
            for name, index in shared.items()
            if name not in self.skipped_
        }
        if laboratory is not None:
            self._check_known(laboratory)

    def _reference(self, laboratory):
        if self.reference is not None:
            return str(self.reference)
        if laboratory is None:
            raise ValueError("the reference laboratory is not known: give reference, or laboratory to take the largest")
        names, rows = np.unique(laboratory, return_counts=True)
        return str(names[rows.argmax()])

    @property
    def _fewest(self):
        # A mean is subtracted from n standards, which leaves n - 1 to find components in.
        return getattr(self.transfer, "n_components", 1) + 1

    def _check_known(self, laboratory):
        for name in np.unique(laboratory):
            if name != self.reference_ and name not in self.transfers_:
                raise ValueError(
                    f"laboratory {name} shares {self.skipped_.get(name, 0)} standards with the reference laboratory "
                    f"{self.reference_} and needs {self._fewest}: add its scans to ring, or {_REMEDY}"
                )

    def _apply(self, X, laboratory):
        if laboratory is None:
            raise ValueError(f"{type(self.transfer).__name__} needs laboratory: a label for each spectrum")
        laboratory = _labels("laboratory", laboratory, len(X))
        self._check_known(laboratory)
        harmonised = np.array(X)
        for name in set(laboratory) - {self.reference_}:
            rows = laboratory == name
            harmonised[rows] = self.transfers_[name].transform(X[rows])
        return harmonised


def _first_derivative():
    """Savitzky and Golay's, over 11 channels: the setting of the ring trial of soil laboratories, at 2 cm-1 a channel.

    Source: Safanelli et al. 2023, Geoderma 440, 116724, and its code, soilspectroscopy/ringtrial-preprocessing.
    """
    return SavitzkyGolay(window_length=11, polyorder=2, deriv=1, mode="interp")


PRETREATMENTS = {
    "none": lambda: None,
    "snv": StandardNormalVariate,
    "msc": MultiplicativeScatterCorrection,
    "derivative": _first_derivative,
    "snv+derivative": lambda: make_pipeline(StandardNormalVariate(), _first_derivative()),
}

_CORRECTIONS = {
    "ds": lambda **options: StandardTransfer(DirectStandardization(), **options),
    # Windows of 11 channels and 2 components, as in the R package specProc (Jchemo: the same window); the method is of
    # Wang, Veltkamp & Kowalski 1991, Anal. Chem. 63, 2750.
    "pds": lambda **options: StandardTransfer(
        PiecewiseDirectStandardization(window_length=5, n_components=2, scale=False, storage="band"), **options
    ),
    # By `left_out_standards` of the simulated ring trial, 2 to 6 components do about as well, and 8 far worse without
    # SNV; the method, which leaves the number to be tuned, is of Du et al. 2011, Anal. Chim. Acta 690, 64.
    "sst": lambda **options: StandardTransfer(SpectralSpaceTransform(n_components=5), **options),
    "epo": LaboratoryProjection,
    # Few directions: the further ones between means of laboratories are more and more those of their soils.
    "top": lambda **options: LaboratoryProjection(n_components=2, standards=False, **options),
}


def _named(correction, pretreatment):
    """A factory: reference laboratory, or None, to an unfitted harmonisation."""
    return lambda reference=None: correction(pretreatment=pretreatment(), reference=reference)


# Name to factory, to be called with reference=, the reference laboratory or None.
HARMONISATIONS = {
    **{name: _named(Harmoniser, pretreatment) for name, pretreatment in PRETREATMENTS.items()},
    **{name: _named(correction, PRETREATMENTS["none"]) for name, correction in _CORRECTIONS.items()},
    **{f"snv+{name}": _named(correction, StandardNormalVariate) for name, correction in _CORRECTIONS.items()},
}


def left_out_standards(harmoniser, ring, reference):
    """How far scans lie from those of the reference laboratory, on standards that the harmonisation has not seen.

    harmoniser : unfitted; ring : (scans, sample_id, laboratory); reference : a laboratory of the ring trial
    Each fifth of the standards is left out of fitting once.
    Returns a DataFrame, one row a laboratory but the reference: `before` (of the spectra as they came) and `after`, the
    mean squared difference to the reference over the mean squared deviation of the reference's own scans from their
    mean, both of the same standards; `removed`, 1 - after / before. Over a spread that is measured after harmonisation
    too, a method gains nothing by shrinking all spectra. Raises ValueError where no standard is shared.
    """
    spectra, standard, laboratory = _checked_ring(ring)
    harmonised = np.full(spectra.shape, np.nan)
    for training, left_out in GroupKFold(N_PARTS).split(spectra, groups=standard):
        fitted = clone(harmoniser).set_params(reference=reference)
        scans = (spectra[training], standard[training], laboratory[training])
        fitted.fit(scans[0], laboratory=scans[2], ring=scans)
        harmonised[left_out] = fitted.transform(spectra[left_out], laboratory[left_out])
    before, after = (_differences((X, standard, laboratory), str(reference)) for X in (spectra, harmonised))
    return pd.DataFrame({"before": before, "after": after, "removed": 1 - after / before})


def _differences(ring, reference):
    """Mean squared difference of each laboratory to the reference over the reference's spread, as a Series."""
    scans = _mean_scans(ring)
    target = scans.pop(reference)
    differences = {}
    for name, table in scans.items():
        shared = table.index.intersection(target.index)
        of_reference = target.loc[shared].to_numpy()
        squared = (table.loc[shared].to_numpy() - of_reference) ** 2
        differences[name] = squared.mean() / of_reference.var(axis=0).mean()
    return pd.Series(differences).rename_axis("laboratory")


def _mean_scans(ring):
    """Laboratory to DataFrame: the mean of its scans of each standard, by standard."""
    spectra, standard, laboratory = ring
    means = pd.DataFrame(spectra).groupby([standard, laboratory]).mean()
    return {name: table.droplevel(1) for name, table in means.groupby(level=1)}


def _checked_ring(ring):
    spectra, standard, laboratory = ring
    spectra = check_array(spectra, dtype=np.float64, input_name="ring")
    standard = _labels("sample_id of ring", standard, len(spectra))
    return spectra, standard, _labels("laboratory of ring", laboratory, len(spectra))


def _labels(name, labels, n_rows):
    labels = np.asarray(labels, dtype=object)
    if labels.shape != (n_rows,):
        raise ValueError(f"{name}: {labels.size} labels for {n_rows} spectra")
    if pd.isna(labels).any():
        raise ValueError(f"{name}: no label for spectrum {int(np.flatnonzero(pd.isna(labels))[0])}")
    return labels.astype(str)
