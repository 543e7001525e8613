"""Which harmonisation between laboratories helps a model on a laboratory it has never seen, and which one hurts?

Each laboratory is left out in turn, and everything is fitted to the soils of the others: harmonisation, model, number
of components, intervals, domain. Of the laboratory left out only direct standardisation and its kin know anything,
namely scans of the standards of a ring trial, which are no soils of the study and have no part in fitting the model.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from chemotools.scatter import StandardNormalVariate
from scipy.spatial.distance import cdist
from scipy.stats import binomtest
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import GroupKFold

from spectrakit.evaluation.intervals import (
    ConformalIntervals,
    coverage_table,
    pooled_promise,
    pooled_threshold,
    sample_threshold,
)
from spectrakit.evaluation.metrics import bias, r2, rmse, rpiq
from spectrakit.models.baselines import StagedPLS
from spectrakit.preprocess.harmonise import HARMONISATIONS, WITHOUT_STANDARDS, StandardTransfer
from spectrakit.preprocess.outliers import SpectralDomain
from spectrakit.simulate.laboratories import library_axis
from spectrakit.simulate.library import ring_trial
from spectrakit.spectra import axis_gaps, one_of
from spectrakit.studies.finished import FinishedParts, run_key
from spectrakit.studies.transfer import positive_reflectance, sample_groups, with_target
from spectrakit.tables import UNITS, read_library, split_unit

SCALES = ("log10", "natural")
# Channels of the common axis are no closer than this; the networks and the simulated library have the same.
FINEST_STEP = {"cm-1": 2.0, "nm": 1.0}
FEWEST_CHANNELS = 20
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
# A change of RMSE by less than this share is called neither help nor harm.
MATTERS = 0.05
SIMULATED_RING = " (simulated ring)"
BY_TRANSFER = ("ds", "pds", "sst", "snv+ds", "snv+pds", "snv+sst")
BY_STANDARDS = ("epo", "snv+epo")


# --- models ---------------------------------------------------------------------------------------------


# Name to a function of random_state, a regressor of harmonised spectra (n, n_channels). One with `staged_predict` has
# its stage chosen on samples left out, as its intervals are calibrated on them; another has one stage.
MODELS = {
    "mean": lambda random_state=None: DummyRegressor(strategy="mean"),
    "pls": lambda random_state=None: StagedPLS(MOST_COMPONENTS),
}


def _stages(model, X):
    return model.staged_predict(X) if hasattr(model, "staged_predict") else model.predict(X)[None]


# --- tables to one data set -----------------------------------------------------------------------------


def read_laboratories(paths, axis_unit="cm-1", signal="absorbance"):
    """Tables of one or more laboratories as absorbance on one axis, and notes on what was done to get there.

    paths : plain or OSSL-layout tables, or folders of them in Parquet. A table without a column laboratory, or lab, is
        a laboratory by itself, named as the file up to its first dot
    axis_unit, signal : of all, as in `read_table`
    The axis is what all laboratories cover, of mid-infrared tables within that of the simulated library, in the
    coarsest of their steps, at least 2 1/cm or 1 nm; channels between are interpolated. Reflectance over 1 stays:
    absorbance is then below 0. Returns (SpectralDataset with the sample column laboratory, list of notes).
    Raises ValueError for counts, rows without a laboratory, fewer than two, and ranges that do not overlap.
    """
    if signal == "counts":
        raise ValueError("counts are no reflectance: divide by the white reference, then declare reflectance")
    parts, named_by_file = [], set()
    for path in map(Path, paths):
        found, by_file = _by_laboratory(read_library(path, axis_unit, signal), path)
        for name, part in found:
            if name in named_by_file or (by_file and name in dict(parts)):
                raise ValueError(
                    f"{path}: laboratory {name} stands in two tables; rename one, or add a column laboratory"
                )
            parts.append((name, _measured_channels(part)))
        if by_file:
            named_by_file.add(found[0][0])
    if len(dict(parts)) < 2:
        raise ValueError(
            f"one laboratory ({parts[0][0]}): give two tables or more, or one with a column laboratory that names two"
        )
    axis, notes = common_axis(parts)
    prepared = []
    for name, part in parts:
        part, told = _on_axis(part, axis)
        prepared.append(part)
        notes += [f"{name}: {note}" for note in told]
    return _pooled(prepared), notes


def _by_laboratory(dataset, path):
    """(name, SpectralDataset) of each laboratory in a table, a list; and whether it is named by the file."""
    column = next((name for name in ("laboratory", "lab") if name in dataset.samples), None)
    if column is None:
        labels = np.full(len(dataset), path.name.split(".")[0])
    else:
        unnamed = dataset.samples[column].isna().to_numpy()
        if unnamed.any():
            first = dataset.samples["sample_id"].iloc[int(unnamed.argmax())]
            raise ValueError(f"{path}: {unnamed.sum()} rows have no {column}, first {first}; name one for each")
        labels = dataset.samples[column].to_numpy(str)
    samples = dataset.samples.drop(columns="lab", errors="ignore").assign(laboratory=labels)
    dataset = replace(dataset, samples=samples)
    return [(str(name), dataset.subset(labels == name)) for name in dict.fromkeys(labels)], column is None


def _measured_channels(dataset):
    """Without channels that no sample has."""
    measured = ~np.isnan(dataset.spectra).all(axis=0)
    return replace(dataset, spectra=dataset.spectra[:, measured], axis=dataset.axis[measured])


def common_axis(parts):
    """The axis (n_channels,) that all of a list of (laboratory, SpectralDataset) cover, and notes.

    Raises ValueError where they share fewer than 20 channels.
    """
    unit = parts[0][1].axis_unit
    low, high = max(part.axis[0] for _, part in parts), min(part.axis[-1] for _, part in parts)
    step = max(FINEST_STEP[unit], *(np.median(np.diff(part.axis)) for _, part in parts))
    spans = {name: f"{name} {part.axis[0]:g}-{part.axis[-1]:g}" for name, part in parts}.values()
    notes = []
    first, last = library_axis()[[0, -1]]
    # Channels that a few laboratories have beyond it are no reason to go without the simulated ring trial.
    if unit == "cm-1" and min(high, last) - max(low, first) >= (high - low) / 2 > 0:
        if low < first or high > last:
            notes.append(f"channels outside {first:g} to {last:g} cm-1 are not used: the simulated ring trial has none")
        low, high = max(low, first), min(high, last)
    axis = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    for name, part in parts:
        for start, end in axis_gaps(part.axis):
            inside = (axis > start) & (axis < end)
            if inside.any():
                notes.append(f"{name} has no channel between {start:g} and {end:g} {unit}: left out of all")
            axis = axis[~inside]
    if len(axis) < FEWEST_CHANNELS:
        raise ValueError(
            f"the laboratories share {len(axis)} channels every {step:g} {unit} ({', '.join(spans)}): "
            f"at least {FEWEST_CHANNELS} are needed"
        )
    axis = np.round(axis, 4)
    words = f"{len(axis):,} channels, {axis[0]:g} to {axis[-1]:g} {unit} every {step:g} (of {', '.join(spans)})"
    return axis, [words, *notes]


def _on_axis(dataset, axis):
    """One laboratory's spectra as absorbance on an axis, without those that lack a channel there; and notes."""
    first = max(np.searchsorted(dataset.axis, axis[0], side="right") - 1, 0)
    used = slice(first, np.searchsorted(dataset.axis, axis[-1]) + 1)
    dataset = replace(dataset, spectra=dataset.spectra[:, used], axis=dataset.axis[used])
    complete = ~np.isnan(dataset.spectra).any(axis=1)
    notes = []
    if not complete.all():
        notes.append(f"{(~complete).sum()} of {len(complete)} samples left out: channels are missing")
        dataset = dataset.subset(complete)
    if dataset.signal == "reflectance" and len(dataset):
        reflectance, told = positive_reflectance(dataset.spectra.astype(float))
        notes += told
        bright = (reflectance > 1).any(axis=1).sum()
        if bright:
            notes.append(
                f"reflectance up to {100 * reflectance.max():.4g} % in {bright} samples: kept, absorbance is below 0"
            )
        dataset = replace(dataset, spectra=-np.log10(reflectance), signal="absorbance")
    return dataset.resample(axis), notes


def _pooled(parts):
    """One SpectralDataset of several on the same axis; simulated where one of them is."""
    provenances = [part.provenance for part in parts]
    origin = "simulated" if any(found["origin"] == "simulated" for found in provenances) else "measured"
    sources = dict.fromkeys(str(found.get("source", "")) for found in provenances)
    return replace(
        parts[0],
        spectra=np.concatenate([part.spectra for part in parts]),
        properties=pd.concat([part.properties for part in parts], ignore_index=True),
        samples=pd.concat([part.samples for part in parts], ignore_index=True),
        provenance={"origin": origin, "source": "; ".join(sources)},
    )


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
    ring = (dataset.spectra[shared].astype(float), names[shared].to_numpy(str), laboratory[shared])
    alike = _share_alike(ring)
    if binomtest(round(alike * count), count, 0.5, "greater").pvalue >= CHANCE:
        return none, None, [f"{words}, but spectra of a name are not alike: taken for different samples"]
    n_laboratories = len(set(ring[2]))
    return shared, ring, [f"{count} standards scanned by {n_laboratories} laboratories: a ring trial, no samples"]


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
    labels = sample_groups(dataset)
    if "group" not in dataset.samples and "site" in dataset.samples:
        site = dataset.samples["site"]
        labels = np.where(site.isna(), labels, "site " + site.astype(str)).astype(str)
    return (dataset.samples["laboratory"].astype(str) + " " + labels).to_numpy(str)


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
    trial = ring_trial(random_state).resample(soils.axis)
    labels = (trial.samples[name].to_numpy(str) for name in ("sample_id", "laboratory"))
    return (trial.spectra.astype(float), *labels), []


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


class _LeaveOut:
    """Predictions of laboratories left out, with one harmonisation, all models at once.

    X, y : (n, n_channels) and (n,) of the soils; laboratory, site : (n,) labels
    """

    def __init__(self, X, y, laboratory, site, choice, models, reference, random_state):
        self.X, self.y, self.laboratory, self.site = X, y, laboratory, site
        self.choice, self.models, self.reference, self.random_state = choice, models, reference, random_state
        # A model without laboratories A and B serves twice: for B where A is left out, and for A where B is.
        self._pairs, self._transfers = {}, {}

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
            stage = _best_stage(held_out[name], self.y[training], groups)
            y_pred = predicted[name][stage]
            intervals = _intervals(self.y[training], held_out[name][stage], groups).predict(y_pred)
            covered = coverage_table(self.y[test], intervals, (LEVEL,)).iloc[0]
            records.append(
                {"model": name, "laboratory": str(left_out), "n_train": int(training.sum()), "n_test": int(test.sum())}
                | scores(self.y[test], y_pred)
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
        return {
            name: _stages(make(self.random_state).fit(fitted, self.y[training]), asked)
            for name, make in self.models.items()
        }

    def _outside(self, fitted, asked, training):
        """Share of harmonised spectra outside the domain of the training rows."""
        domain = SpectralDomain(
            n_components=min(DOMAIN_COMPONENTS, len(fitted) // 2), n_splits=N_PARTS, random_state=self.random_state
        )
        return float(domain.fit(fitted, groups=self.site[training]).examine(asked)["outside"].mean())


def _best_stage(held_out, y, groups):
    """The stage (row of held_out) of least mean squared error; where groups are given, each weighs the same."""
    errors = pd.DataFrame(np.square(held_out - y).T)
    means = errors.mean() if groups is None else errors.groupby(np.asarray(groups)).mean().mean()
    return int(np.argmin(means))


def _intervals(y, held_out, groups):
    threshold = sample_threshold if groups is None else pooled_threshold
    everywhere = (-np.inf, np.inf)
    return ConformalIntervals(threshold, levels=(LEVEL,), limits=everywhere).fit(y, held_out, groups=groups)


def scores(y_true, y_pred):
    """R2, RMSE, bias, SEP (RMSE after the bias is taken out) and RPIQ of (n,) contents, in their unit."""
    error = np.subtract(y_pred, y_true)
    found = {"r2": r2(y_true, y_pred), "rmse": rmse(y_true, y_pred), "bias": bias(y_true, y_pred)}
    return found | {"sep": float(np.std(error)), "rpiq": rpiq(y_true, y_pred)}


def leave_laboratories_out(
    soils, target, choices, models=None, scale=None, reference=None, random_state=0, folder=None, progress=None
):
    """Scores of every model with every harmonisation on every laboratory, each by what was fitted to the others.

    soils : as `soils_to_predict` gives; target : name of a property; choices : as `possible_harmonisations` gives
    models : {name: function of random_state that makes a regressor}, by default `MODELS`
    scale : as of `scale_of`; RMSE, bias, SEP and width are in the unit of this scale
    reference : laboratory whose spectra the others are brought to; where it is left out, and by default, that of the
        training laboratories with most samples
    folder : where finished laboratories are kept, so that a stopped run goes on where it was; None to keep nothing
    progress : called with words for what comes next and the share of the whole run that is done, 0 to 1
    Returns a DataFrame, a row a model, harmonisation and laboratory: model, harmonisation, laboratory, n_train, n_test,
    r2, rmse, bias, sep, rpiq, coverage_90, width_90, outside (share of its spectra outside the domain of the training
    spectra). Raises ValueError for a reference that is no laboratory of the soils, and as `scale_of`.
    """
    models = MODELS if models is None else models
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
        kept = FinishedParts(folder, run_key(*arrays, options))
    records, total = [], len(choices) * len(names)
    for place, (harmonisation, choice) in enumerate(choices.items()):
        study = _LeaveOut(X, y, laboratory, site, choice, models, reference, random_state)
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


# --- what is shown --------------------------------------------------------------------------------------


def score_frame(records, model):
    """R2 and RMSE of a model, harmonisation by laboratory, as text; the lowest RMSE of a laboratory is starred.

    The last row, where the records have it, is the model 'mean', to which no harmonisation matters.
    """
    part = records[records["model"] == model]
    mean = records[(records["model"] == "mean") & (records["harmonisation"] == "none")]
    return _cells(
        pd.concat([part, mean.assign(harmonisation="(mean of the others)")]),
        ("r2", "rmse"),
        ("{:.2f}", "{:.3g}"),
        starred="rmse",
    )


def bias_frame(records, model):
    """Bias and RMSE after removing it, harmonisation by laboratory, as text; the lowest of the latter is starred."""
    return _cells(records[records["model"] == model], ("bias", "sep"), ("{:+.3g}", "{:.3g}"), starred="sep")


def _cells(part, keys, forms, starred):
    columns = {}
    for name, of_one in part.groupby("laboratory"):
        best = of_one[starred].min()
        columns[f"{name} ({of_one['n_test'].iloc[0]})"] = [
            " | ".join(form.format(value) for form, value in zip(forms, values, strict=True))
            + (" *" if value == best else "")
            for *values, value in of_one[[*keys, starred]].itertuples(index=False)
        ]
    return pd.DataFrame(columns, index=pd.Index(dict.fromkeys(part["harmonisation"]), name="harmonisation"))


def effect_frame(records, model):
    """Where each harmonisation helps and hurts beside 'none', and what intervals and domain do, over laboratories.

    Columns: helps, hurts (laboratories whose RMSE changes by at least 5 %, and by how much), RMSE of the mean
    laboratory, coverage (mean, and lowest to highest), width of the 90 % intervals and share of spectra outside.
    """
    part = records[records["model"] == model].set_index("laboratory")
    before = part.loc[part["harmonisation"] == "none", "rmse"]
    rows = {}
    for name, found in part.groupby("harmonisation", sort=False):
        change = found["rmse"] / before - 1
        words = [
            ", ".join(f"{laboratory} {100 * by:+.0f} %" for laboratory, by in change[rows_].sort_values().items())
            for rows_ in (change <= -MATTERS, change >= MATTERS)
        ]
        covered = found["coverage_90"]
        rows[name] = {
            "helps": words[0] or "-",
            "hurts": words[1] or "-",
            "mean RMSE": f"{found['rmse'].mean():.3g}",
            "coverage of 90 %": f"{100 * covered.mean():.0f} ({100 * covered.min():.0f}-{100 * covered.max():.0f}) %",
            "width": f"{found['width_90'].mean():.3g}",
            "outside": f"{100 * found['outside'].mean():.0f} %",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("harmonisation")


def reading_lines(n_laboratories):
    """How the scores of so many laboratories are to be read, in two lines."""
    training = n_laboratories - 1
    first = "R2 is against the mean of the laboratory left out, which nobody knew: a bias alone can bring it below 0"
    if training < FEWEST_TO_LEAVE_OUT:
        return [first, "90 % intervals come from sites left out of known laboratories: of another they promise nothing"]
    promised = f"{100 * pooled_promise(LEVEL, training):.0f} % of another, on average over laboratories"
    calibrated = f"90 % intervals come from {training} laboratories, each predicted without it"
    return [first, f"{calibrated}: they promise {promised}"]
