"""Which harmonisation between laboratories helps a model on a laboratory it has never seen, and which one hurts?

Each laboratory is left out in turn, and everything is fitted to the soils of the others: harmonisation, model, number
of components, intervals, domain. Of the laboratory left out only direct standardisation and its kin know anything,
namely scans of the standards of a ring trial, which are no soils of the study and have no part in fitting the model.
"""

from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from chemotools.scatter import StandardNormalVariate
from scipy.spatial.distance import cdist
from scipy.stats import binomtest
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold

from spectrakit.contents import UNITS, split_unit
from spectrakit.evaluation import (
    ConformalIntervals,
    coverage_table,
    pooled_threshold,
    sample_threshold,
    scores,
)
from spectrakit.models import StagedPLS
from spectrakit.preprocess import HARMONISATIONS, WITHOUT_STANDARDS, SpectralDomain, StandardTransfer, with_target
from spectrakit.resources import data_path
from spectrakit.runs import FinishedParts, run_key
from spectrakit.simulate.library import ring_trial
from spectrakit.spectra import group_labels, library_axis, one_of
from spectrakit.training import PretrainedRegressor, covers_enough, told

SCALES = ("log10", "natural")
# Of a laboratory that is left out: samples with the target, and sites (or samples) that they come from.
FEWEST_MEASURED, FEWEST_SITES = 10, 5
# With fewer, that scans of a name resemble each other could be chance (0.5^6 > 1 %).
FEWEST_STANDARDS, CHANCE = 7, 0.01
# With fewer training laboratories, one left out tells little of the next: parts of the sites are left out in place.
FEWEST_TO_LEAVE_OUT = 3
N_PARTS = 5
MOST_COMPONENTS = 20
DOMAIN_COMPONENTS = 10
LEVEL = 0.9
SCORES = ("r2", "rmse", "bias", "sep", "rpiq")
SIMULATED_RING = " (simulated ring)"
BY_TRANSFER = ("ds", "pds", "sst", "snv+ds", "snv+pds", "snv+sst")
BY_STANDARDS = ("epo", "snv+epo")


# --- models ---------------------------------------------------------------------------------------------


# Name to a function of random_state, a regressor of harmonised spectra (n, n_channels). One with `staged_predict` has
# its stage chosen on samples left out, as its intervals are calibrated on them; another has one stage.
MODELS = {
    "mean": lambda random_state=None: DummyRegressor(strategy="mean"),
    "pls": lambda random_state=None: StagedPLS(MOST_COMPONENTS),
    "pretrained": lambda random_state=None: PretrainedRegressor(),
}


def possible_models(soils):
    """{name: function of random_state} of the models that serve the axis of a data set, and notes on the others."""
    if soils.axis_unit == "cm-1" and covers_enough(soils.axis):
        factor = PretrainedRegressor.unseen_factor(soils.samples["laboratory"].nunique() - 1)
        words = "times as wide as calibrated, for what errors grow by on a laboratory never seen, of simulated ones"
        return MODELS, [f"pretrained: 90 % intervals are {factor:.3g} {words}"]
    note = "the pretrained network knows 600 to 4000 1/cm, of which the laboratories share too little: not used"
    return {name: make for name, make in MODELS.items() if name != "pretrained"}, [note]


def _made(make, axis, harmonisation, random_state):
    """A model that knows the axis of its spectra and what was done to them, where it wants to."""
    return told(make(random_state), axis, harmonisation)


def _no_factor(n_laboratories):
    return 1.0


def _stages(model, X):
    return model.staged_predict(X) if hasattr(model, "staged_predict") else model.predict(X)[None]


# --- soils and standards --------------------------------------------------------------------------------


def ring_of(dataset):
    """The ring trial inside a data set: which rows are scans of standards, the trial or None, and notes.

    A name that stands in several laboratories is taken for a standard where scans that share a name are more alike
    than chance lets them: of at least 7 names, most scans (SNV, less the mean of their laboratory) make a smaller angle
    with the other laboratory's scan of that name than with half of its others (binomial test, 1 %). If they do not,
    laboratories have numbered their samples alike, and these stay samples. Fewer than 7 such names cannot be judged.
    Either way no sample may stand on both sides of a split: rows of standards, and of names not judged, are True.
    Returns (mask (n_samples,), (scans, sample_id, laboratory) or None, list of notes).
    """
    names = dataset.samples["sample_id"].astype(str)
    laboratory = dataset.samples["laboratory"].to_numpy(str)
    shared = (names.groupby(names).transform(lambda rows: len(set(laboratory[rows.index]))) > 1).to_numpy()
    none = np.zeros(len(shared), bool)
    if not shared.any():
        return none, None, []
    count = names[shared].nunique()
    words = f"{count} names of samples stand in several laboratories"
    if count < FEWEST_STANDARDS:
        return shared, None, [f"{words}, too few to tell standards from chance ({FEWEST_STANDARDS}): left out"]
    ring = ring_scans(dataset.subset(shared))
    alike = _share_alike(ring)
    if binomtest(round(alike * count), count, 0.5, "greater").pvalue >= CHANCE:
        return none, None, [f"{words}, but spectra of a name are not alike: taken for different samples"]
    n_laboratories = len(set(ring[2]))
    return shared, ring, [f"{count} standards scanned by {n_laboratories} laboratories: a ring trial, no samples"]


def ring_scans(trial):
    """(scans, sample_id, laboratory) of a ring trial, a SpectralDataset, as harmonisations take it."""
    labels = (trial.samples[name].to_numpy(str) for name in ("sample_id", "laboratory"))
    return trial.spectra.astype(float), *labels


def _share_alike(ring):
    """Share of scans nearer to another laboratory's scan of their name, by angle, than half of its others are."""
    spectra, standard, laboratory = ring
    treated = pd.DataFrame(StandardNormalVariate().fit_transform(spectra))
    means = treated.groupby([standard, laboratory]).mean()
    nearer = []
    for one, other in combinations([scans.droplevel(1) for _, scans in means.groupby(level=1)], 2):
        both = one.index.intersection(other.index)
        if len(both) > 1:
            one, other = (scans.loc[both] - scans.loc[both].mean() for scans in (one, other))
            distance = cdist(one, other, "cosine")
            own = distance.diagonal().copy()
            np.fill_diagonal(distance, np.nan)
            nearer.extend(own < np.nanmedian(distance, axis=1))
    return float(np.mean(nearer)) if nearer else 0.0


def soils_to_predict(dataset, target):
    """The soils of laboratories that can be left out, and notes on what is not used.

    A laboratory needs 10 samples with the target, of 5 sites (column group or site, else of 5 samples).
    Returns (SpectralDataset, list of notes). Raises ValueError as `with_target`, and for fewer than two laboratories.
    """
    soils, notes = with_target(dataset, target)
    laboratory = soils.samples["laboratory"].to_numpy(str)
    counts = pd.DataFrame({"laboratory": laboratory, "site": site_labels(soils)}).groupby("laboratory").site
    counts = counts.agg(["size", "nunique"])
    enough = (counts["size"] >= FEWEST_MEASURED) & (counts["nunique"] >= FEWEST_SITES)
    needed = f"{FEWEST_MEASURED} samples of {FEWEST_SITES} sites"
    if enough.sum() < 2:
        words = ", ".join(f"{name} {size} of {sites}" for name, size, sites in counts.itertuples())
        raise ValueError(f"{target}: two laboratories with at least {needed} are needed; there are {words}")
    if not enough.all():
        notes.append(f"not left out, nor trained on, with fewer than {needed}: {', '.join(counts.index[~enough])}")
    return soils.subset(np.isin(laboratory, counts.index[enough])), notes


def site_labels(dataset):
    """(n_samples,) labels of what must not be divided: group, site or sample, each within its laboratory."""
    return (dataset.samples["laboratory"].astype(str) + " " + group_labels(dataset.samples)).to_numpy(str)


def scale_of(contents, target, scale=None):
    """The scale to predict on, 'log10' or 'natural': as asked for, else log10 for contents that are all above 0.

    pH is a logarithm already. Raises ValueError where log10 is asked for and contents (n,) are not above 0.
    """
    if scale is not None:
        one_of("scale", scale, SCALES)
    not_positive = int((np.asarray(contents) <= 0).sum())
    if scale == "log10" and not_positive:
        raise ValueError(f"{target} is not above 0 in {not_positive} samples: choose the natural scale")
    if scale is None:
        return "natural" if not_positive or split_unit(target)[1] == UNITS["ph"][0] else "log10"
    return scale


# --- harmonisations -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One way to harmonise: a function of the reference laboratory, or None, and the ring trial that it learns from.

    simulated : whether the ring trial is of other, simulated, laboratories, of which none is ever left out
    """

    make: object
    ring: tuple | None = None
    simulated: bool = False


def possible_harmonisations(soils, ring=None, random_state=0):
    """{name: Choice} of all harmonisations that the soils and the ring trial allow, and notes on the others.

    soils : as `soils_to_predict` gives; ring : as `ring_of` gives
    Where the soils are simulated the simulated ring trial is of their own laboratories, so that it is not used.
    """
    laboratories = np.unique(soils.samples["laboratory"].to_numpy(str))
    names, notes = list(WITHOUT_STANDARDS), []
    if len(laboratories) < 3:
        names = [name for name in names if "top" not in name]
        notes.append("top needs two laboratories to train on, so three in all: not tried")
    choices = {name: Choice(HARMONISATIONS[name]) for name in names}
    if ring is None:
        notes.append("no standards scanned by several laboratories: ds, pds and sst not tried")
    else:
        scanned = [set(ring[1][ring[2] == name]) for name in laboratories]
        common = len(set.intersection(*scanned))
        if common >= FEWEST_STANDARDS:
            of_soils = np.isin(ring[2], laboratories)
            scans = tuple(part[of_soils] for part in ring)
            choices |= {name: Choice(HARMONISATIONS[name], scans) for name in BY_TRANSFER}
        else:
            notes.append(f"{common} standards scanned by all, {FEWEST_STANDARDS} are needed: ds, pds, sst not tried")
        # Scans of whoever is left out, two at a time, are not shown to it.
        left_out = 1 if len(laboratories) - 1 < FEWEST_TO_LEAVE_OUT else 2
        if len(set(ring[2])) - left_out >= 2:
            choices |= {name: Choice(HARMONISATIONS[name], ring) for name in BY_STANDARDS}
        else:
            notes.append("epo needs a ring trial of two laboratories beside those left out: only the simulated one")
    simulated, told = _simulated_ring(soils, random_state)
    notes += told
    if simulated is not None:
        choices |= {name + SIMULATED_RING: Choice(HARMONISATIONS[name], simulated, True) for name in BY_STANDARDS}
    return choices, notes


def _simulated_ring(soils, random_state):
    """The simulated ring trial on the axis of the soils, or None, and notes."""
    first, last = library_axis()[[0, -1]]
    if soils.axis_unit != "cm-1" or soils.axis[0] < first or soils.axis[-1] > last:
        return None, [f"the simulated ring trial spans {first:g} to {last:g} cm-1 only: not used"]
    if soils.provenance["origin"] == "simulated":
        return None, ["the soils are simulated, the simulated ring trial is of their own laboratories: not used"]
    return ring_scans(ring_trial(random_state).resample(soils.axis)), []


def harmonised_spectra(dataset, choices, name, reference=None):
    """All spectra of a data set after one of the choices, fitted to all laboratories: a SpectralDataset.

    What they hold is no absorbance any more, though `signal` knows no other name for it: the sample column
    harmonisation and the provenance say what was done. Raises ValueError for a name that is no choice.
    """
    X, laboratory = dataset.spectra.astype(float), dataset.samples["laboratory"].to_numpy(str)
    one_of("harmonisation", name, choices)
    harmoniser = choices[name].make(reference).fit(X, laboratory=laboratory, ring=choices[name].ring)
    return replace(
        dataset,
        spectra=harmoniser.transform(X, laboratory),
        samples=dataset.samples.assign(harmonisation=name),
        provenance=dataset.provenance | {"harmonisation": f"{name}, so that the signal is no absorbance"},
    )


# --- leaving laboratories out ---------------------------------------------------------------------------


class LeaveOut:
    """Predictions of laboratories left out, with one harmonisation, all models at once.

    X, y : (n, n_channels) and (n,) of the soils; laboratory, site : (n,) labels
    """

    def __init__(self, X, y, laboratory, site, choice, models, reference, random_state):
        self.X, self.y, self.laboratory, self.site = X, y, laboratory, site
        self.choice, self.models, self.reference, self.random_state = choice, models, reference, random_state
        # A model without laboratories A and B serves twice: for B where A is left out, and for A where B is.
        self._pairs, self._transfers, self._unseen = {}, {}, {}

    def records(self, left_out):
        """Scores of each model on a laboratory (name) that nothing was fitted to: a list of dicts."""
        test = self.laboratory == left_out
        training = ~test
        spectra = self._harmonised(training, test)
        outside = self._outside(*spectra, training)
        predicted = self._predicted(*spectra, training)
        held_out, groups = self._held_out(left_out)
        records = []
        for name in self.models:
            stage = best_stage(held_out[name], self.y[training], groups)
            y_pred = predicted[name][stage]
            intervals = interval_scores(self.y[training], held_out[name][stage], groups)
            # What the model knows of how far errors grow on a laboratory that was not there to calibrate.
            intervals.thresholds_ = intervals.thresholds_ * self._unseen[name](len(set(self.laboratory[training])))
            intervals = intervals.predict(y_pred)
            covered = coverage_table(self.y[test], intervals, (LEVEL,)).iloc[0]
            records.append(
                {"model": name, "laboratory": str(left_out), "n_train": int(training.sum()), "n_test": int(test.sum())}
                | scores(self.y[test], y_pred, SCORES)
                | {"coverage_90": float(covered["coverage"]), "width_90": float(covered["mean_width"])}
                | {"outside": outside}
            )
        return records

    def _held_out(self, left_out):
        """Staged predictions of the training rows, {model: (n_stages, n_training)}, and the groups that calibrate.

        Each laboratory is predicted by models without it, where three or more train; else each fifth of the sites.
        """
        training = np.flatnonzero(self.laboratory != left_out)
        names = np.unique(self.laboratory[training])
        if len(names) >= FEWEST_TO_LEAVE_OUT:
            parts = [(self.laboratory[training] == name, self._pair(left_out, name)[name]) for name in names]
            groups = self.laboratory[training]
        else:
            folds = GroupKFold(N_PARTS, shuffle=True, random_state=self.random_state)
            parts = []
            for _, held in folds.split(training, groups=self.site[training]):
                mask = np.isin(np.arange(len(training)), held)
                rows = self._rows(training[~mask]), self._rows(training[held])
                parts.append((mask, self._predicted(*self._harmonised(*rows), rows[0])))
            groups = None
        held_out = {}
        for model in self.models:
            n_stages = min(len(predicted[model]) for _, predicted in parts)
            held_out[model] = np.empty((n_stages, len(training)))
            for mask, predicted in parts:
                held_out[model][:, mask] = predicted[model][:n_stages]
        return held_out, groups

    def _pair(self, one, other):
        """{laboratory: {model: staged predictions}} of two laboratories by models without either."""
        key = frozenset((one, other))
        if key not in self._pairs:
            training = ~np.isin(self.laboratory, (one, other))
            predicted = self._predicted(*self._harmonised(training, ~training), training)
            labels = self.laboratory[~training]
            self._pairs[key] = {
                name: {model: stages[:, labels == name] for model, stages in predicted.items()} for name in key
            }
        return self._pairs[key]

    def _rows(self, positions):
        return np.isin(np.arange(len(self.y)), positions)

    def _harmonised(self, training, asked):
        """Spectra of the rows of either mask, harmonised by what the training rows teach."""
        names = set(self.laboratory[training])
        reference = self.reference if self.reference in names else None
        harmoniser = self.choice.make(reference)
        if isinstance(harmoniser, StandardTransfer):
            harmoniser = self._transfer(reference or pd.Series(self.laboratory[training]).value_counts().idxmax())
        else:
            harmoniser.fit(self.X[training], laboratory=self.laboratory[training], ring=self._ring(training))
        return tuple(harmoniser.transform(self.X[rows], self.laboratory[rows]) for rows in (training, asked))

    def _ring(self, training):
        """The scans of the ring trial without those of laboratories that have soils, but not in training."""
        if self.choice.ring is None or self.choice.simulated:
            return self.choice.ring
        unseen = set(self.laboratory) - set(self.laboratory[training])
        known = ~np.isin(self.choice.ring[2], list(unseen))
        return tuple(part[known] for part in self.choice.ring)

    def _transfer(self, reference):
        """A transfer onto a laboratory: it learns from standards alone, so that one fit serves whoever is left out."""
        if reference not in self._transfers:
            scans = self.choice.ring[0]
            self._transfers[reference] = self.choice.make(reference).fit(scans, ring=self.choice.ring)
        return self._transfers[reference]

    def _predicted(self, fitted, asked, training):
        """{model: (n_stages, n_asked)} by models fitted to harmonised spectra of the training rows."""
        predicted = {}
        for name, make in self.models.items():
            model = make(self.random_state).fit(fitted, self.y[training])
            self._unseen[name] = getattr(model, "unseen_factor", _no_factor)
            predicted[name] = _stages(model, asked)
        return predicted

    def _outside(self, fitted, asked, training):
        """Share of harmonised spectra outside the domain of the training rows."""
        domain = SpectralDomain(min(DOMAIN_COMPONENTS, len(fitted) // 2), self.random_state)
        return float(domain.fit(fitted, groups=self.site[training]).examine(asked)["outside"].mean())


def best_stage(held_out, y, groups):
    """The stage (row of held_out) of least mean squared error; where groups are given, each weighs the same."""
    errors = pd.DataFrame(np.square(held_out - y).T)
    means = errors.mean() if groups is None else errors.groupby(np.asarray(groups)).mean().mean()
    return int(np.argmin(means))


def interval_scores(y, held_out, groups):
    """Conformal intervals at LEVEL of the errors of samples held out; by group where groups are given."""
    threshold = sample_threshold if groups is None else pooled_threshold
    everywhere = (-np.inf, np.inf)
    return ConformalIntervals(threshold, levels=(LEVEL,), limits=everywhere).fit(y, held_out, groups=groups)


def leave_laboratories_out(
    soils, target, choices, models=None, scale=None, reference=None, random_state=0, folder=None, progress=None
):
    """Scores of every model with every harmonisation on every laboratory, each by what was fitted to the others.

    soils : as `soils_to_predict` gives; target : name of a property; choices : as `possible_harmonisations` gives
    models : {name: function of random_state that makes a regressor}, by default `possible_models`
    scale : as of `scale_of`; RMSE, bias, SEP and width are in the unit of this scale
    reference : laboratory whose spectra the others are brought to; where it is left out, and by default, that of the
        training laboratories with most samples
    folder : where finished laboratories are kept, so that a stopped run goes on where it was; None to keep nothing
    progress : called with words for what comes next and the share of the whole run that is done, 0 to 1
    Returns a DataFrame, a row a model, harmonisation and laboratory: model, harmonisation, laboratory, n_train, n_test,
    r2, rmse, bias, sep, rpiq, coverage_90, width_90, outside (share of its spectra outside the domain of the training
    spectra). Raises ValueError for a reference that is no laboratory of the soils, and as `scale_of`.
    """
    models = possible_models(soils)[0] if models is None else models
    laboratory = soils.samples["laboratory"].to_numpy(str)
    names = [str(name) for name in np.unique(laboratory)]
    if reference is not None:
        one_of("reference laboratory", reference, names)
    y = soils.properties[target].to_numpy()
    scale = scale_of(y, target, scale)
    y = np.log10(y) if scale == "log10" else y
    X, site = soils.spectra.astype(float), site_labels(soils)
    kept = None
    if folder is not None:
        rings = [part for choice in choices.values() if choice.ring is not None for part in choice.ring]
        arrays = [np.ascontiguousarray(part).tobytes() for part in (X, y, laboratory, site, *rings)]
        options = [target, list(choices), list(models), scale, reference, random_state]
        kept = FinishedParts(folder, run_key(*arrays, options, data=data_path("models").glob("*.safetensors")))
    records, total = [], len(choices) * len(names)
    for place, (harmonisation, choice) in enumerate(choices.items()):
        made = {name: partial(_made, make, soils.axis, harmonisation) for name, make in models.items()}
        study = LeaveOut(X, y, laboratory, site, choice, made, reference, random_state)
        for at, name in enumerate(names):
            if progress is not None:
                progress(f"{harmonisation}, without {name}", (place * len(names) + at) / total)
            found = kept.load(f"{place}-{at}") if kept else None
            if found is None:
                found = study.records(name)
                if kept:
                    kept.save(f"{place}-{at}", found)
            records += [{"model": record.pop("model"), "harmonisation": harmonisation} | record for record in found]
    return pd.DataFrame(records)
