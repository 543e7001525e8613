"""Each laboratory left out in turn: harmonisation, model, number of components, intervals and domain of the others.

Only direct standardisation and related methods use anything of the laboratory left out: its scans of the standards of
a ring trial, which are no soils of the study and have no part in fitting the model.
"""

from functools import partial

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from spectrakit.evaluation import ConformalIntervals, coverage_table, pooled_threshold, sample_threshold, scores
from spectrakit.preprocess import SpectralDomain, StandardTransfer
from spectrakit.runs import KeptParts, Run, result_key
from spectrakit.spectra import one_of
from spectrakit.training import with_axis
from spectrakit.workflows.harmonise.choices import MIN_TO_LEAVE_OUT, possible_models, scale_of, site_labels

N_PARTS = 5
DOMAIN_COMPONENTS = 10
LEVEL = 0.9
SCORES = ("r2", "rmse", "bias", "sep", "rpiq")


class LeaveOut:
    """Predictions of laboratories by models fitted to others, with one harmonisation, all models at once.

    X, y : (n, n_channels) and (n,) of the soils; laboratory, site : (n,) labels; choice : a `Choice`
    models : {name: function of random_state}; reference : laboratory whose spectra the others are brought to, or None
    """

    def __init__(self, X, y, laboratory, site, choice, models, reference=None, random_state=0):
        self.X, self.y, self.laboratory, self.site = X, y, laboratory, site
        self.choice, self.models, self.reference, self.random_state = choice, models, reference, random_state
        # A model without laboratories A and B serves twice: for B where A is left out, and for A where B is.
        self._pairs, self._transfers = {}, {}

    def laboratory_scores(self, left_out):
        """Scores of each model on a laboratory that nothing was fitted to: a DataFrame, a row a model."""
        test = self.laboratory == left_out
        training = ~test
        fitted, asked = self._harmonised(training, test)
        domain = SpectralDomain(min(DOMAIN_COMPONENTS, len(fitted) // 2), self.random_state)
        domain.fit(fitted, groups=self.site[training])
        outside = float(domain.examine(asked)["outside"].mean())
        predicted = self._predicted(fitted, asked, training)
        held_out, groups = self.held_out(left_out)
        rows = []
        for name, make in self.models.items():
            stage = best_stage(held_out[name], self.y[training], groups)
            y_pred = predicted[name][stage]
            intervals = conformal_intervals(self.y[training], held_out[name][stage], groups)
            # How far errors grow on a laboratory that was not there to calibrate, where the model knows it.
            unseen_factor = getattr(make(self.random_state), "unseen_factor", None)
            if unseen_factor is not None:
                n_laboratories = len(np.unique(self.laboratory[training]))
                intervals.thresholds_ = intervals.thresholds_ * unseen_factor(n_laboratories)
            covered = coverage_table(self.y[test], intervals.predict(y_pred), (LEVEL,)).iloc[0]
            rows.append(
                {"model": name, "laboratory": left_out, "n_train": training.sum(), "n_test": test.sum()}
                | scores(self.y[test], y_pred, SCORES)
                | {"coverage_90": covered["coverage"], "width_90": covered["mean_width"], "outside": outside}
            )
        return pd.DataFrame(rows)

    def held_out(self, left_out):
        """Staged predictions of the training rows, {model: (n_stages, n_training)}, and the groups that calibrate.

        Each laboratory is predicted by models without it, where three or more train; else each fifth of the sites.
        """
        training = self.laboratory != left_out
        names, groups = np.unique(self.laboratory[training]), None
        if len(names) >= MIN_TO_LEAVE_OUT:
            parts, groups = [self._without(left_out, name) for name in names], self.laboratory[training]
        else:
            parts, rows = [], np.flatnonzero(training)
            folds = GroupKFold(N_PARTS, shuffle=True, random_state=self.random_state)
            for _, held in folds.split(rows, groups=self.site[rows]):
                asked = np.isin(np.arange(len(self.y)), rows[held])
                parts.append((asked, self.predicted(training & ~asked, asked)))
        held_out = {}
        for model in self.models:
            n_stages = min(len(predicted[model]) for _, predicted in parts)
            stages = np.empty((n_stages, len(self.y)))
            for asked, predicted in parts:
                stages[:, asked] = predicted[model][:n_stages]
            held_out[model] = stages[:, training]
        return held_out, groups

    def predicted(self, training, asked):
        """{model: (n_stages, n_asked)} of the rows of a mask, by models fitted to those of another."""
        return self._predicted(*self._harmonised(training, asked), training)

    def _predicted(self, fitted, asked, training):
        """As `predicted`, of spectra that are harmonised already."""
        predicted = {}
        for name, make in self.models.items():
            model = make(self.random_state).fit(fitted, self.y[training])
            staged = hasattr(model, "staged_predict")
            predicted[name] = model.staged_predict(asked) if staged else model.predict(asked)[None]
        return predicted

    def _without(self, one, other):
        """The rows of two laboratories, a mask, and their predictions by models without either."""
        key = frozenset((one, other))
        if key not in self._pairs:
            asked = np.isin(self.laboratory, (one, other))
            self._pairs[key] = asked, self.predicted(~asked, asked)
        return self._pairs[key]

    def _harmonised(self, training, asked):
        """Spectra of the rows of either mask, harmonised by what the training rows teach."""
        laboratory = self.laboratory[training]
        reference = self.reference if self.reference in set(laboratory) else None
        harmoniser = self.choice.make(reference)
        if isinstance(harmoniser, StandardTransfer):
            harmoniser = self._transfer(reference or pd.Series(laboratory).value_counts().idxmax())
        else:
            harmoniser.fit(self.X[training], laboratory=laboratory, ring=self._ring(laboratory))
        return [harmoniser.transform(self.X[rows], self.laboratory[rows]) for rows in (training, asked)]

    def _ring(self, laboratory):
        """The scans of the ring trial without those of laboratories that have soils, but no training rows."""
        ring = self.choice.ring
        if ring is None or self.choice.simulated:
            return ring
        known = ~np.isin(ring[2], np.setdiff1d(self.laboratory, laboratory))
        return tuple(part[known] for part in ring)

    def _transfer(self, reference):
        """A transfer onto a laboratory: it learns from standards alone, so that one fit serves whoever is left out."""
        if reference not in self._transfers:
            scans = self.choice.ring[0]
            self._transfers[reference] = self.choice.make(reference).fit(scans, ring=self.choice.ring)
        return self._transfers[reference]


def best_stage(held_out, y, groups):
    """The stage (row of held_out) of least mean squared error; where groups are given, each weighs the same."""
    errors = pd.DataFrame(np.square(held_out - y).T)
    means = errors.mean() if groups is None else errors.groupby(np.asarray(groups)).mean().mean()
    return int(np.argmin(means))


def conformal_intervals(y, held_out, groups):
    """Intervals at LEVEL by the errors of samples held out; by group where groups are given."""
    threshold = sample_threshold if groups is None else pooled_threshold
    everywhere = (-np.inf, np.inf)
    return ConformalIntervals(threshold, levels=(LEVEL,), limits=everywhere).fit(y, held_out, groups=groups)


def leave_laboratories_out(
    soils,
    target,
    choices,
    models=None,
    scale=None,
    reference=None,
    random_state=0,
    folder=None,
    progress=None,
    runner=None,
):
    """Scores of every model with every harmonisation on every laboratory, each by what was fitted to the others.

    soils : as `soils_to_predict` gives; target : name of a property; choices : as `possible_harmonisations` gives
    models : {name: function of random_state that makes a regressor}, by default `possible_models`
    scale : as of `scale_of`; RMSE, bias, SEP and width are in the unit of this scale
    reference : laboratory that the others are brought to; where it is left out, and by default, the largest in training
    folder : where finished laboratories are kept, None to keep nothing; progress, runner : as of `Run`
    Returns a DataFrame: model, harmonisation, laboratory, n_train, n_test, r2, rmse, bias, sep, rpiq, coverage_90,
    width_90, outside (share of spectra outside the training domain). Raises ValueError for an unknown reference.
    """
    models = possible_models(soils)[0] if models is None else models
    laboratory = soils.samples["laboratory"].to_numpy(str)
    names = np.unique(laboratory).tolist()
    if reference is not None:
        one_of("reference laboratory", reference, names)
    y = soils.properties[target].to_numpy()
    y = np.log10(y) if scale_of(y, target, scale) == "log10" else y
    X, site = soils.spectra.astype(float), site_labels(soils)
    inputs = (X, y, laboratory, site, soils.axis, choices, models, reference, random_state)
    key, parts = result_key(*inputs, code=(LeaveOut, with_axis)), []
    run = Run(KeptParts(folder, key), progress, len(choices) * len(names), runner)
    for harmonisation, choice in choices.items():
        made = {name: partial(_with_axis, make, soils.axis, harmonisation) for name, make in models.items()}
        study = LeaveOut(X, y, laboratory, site, choice, made, reference, random_state)
        titles = [f"{harmonisation}, without {name}" for name in names]
        tasks = {title: (title, (harmonisation, name), 1) for title, name in zip(titles, names, strict=True)}
        parts.extend(run.parts(_scores, study, tasks).values())
    return pd.concat(parts, ignore_index=True)


def _scores(study, task, report):
    harmonisation, left_out = task
    part = study.laboratory_scores(left_out)
    part.insert(1, "harmonisation", harmonisation)
    return part


def _with_axis(make, axis, harmonisation, random_state):
    """A model that knows the axis of its spectra and what was done to them, where it has a use for it."""
    return with_axis(make(random_state), axis, harmonisation)
