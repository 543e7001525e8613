"""Harmonisation, domain and model, fitted to the rows of a library in which a property is measured.

The rows are brought to the channels that all laboratories share.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from spectrakit.preprocess import (
    HARMONISATIONS,
    SpectralDomain,
    absorbance,
    gross_limit,
    low_notes,
    shared_channels,
    usable_spectra,
)
from spectrakit.spectra import count_of, interpolated, library_axis
from spectrakit.training import CONTENT_NETWORK, with_axis
from spectrakit.workflows.impute.plan import MIN_ROWS

MIN_CHANNELS = 100
# A channel is covered where this share of the spectra of every laboratory has it.
COVERED_SHARE = 0.9
# Parts into which the sites of a single laboratory are divided, each held out once.
SITE_PARTS = 10


@dataclass(frozen=True)
class Training:
    """The usable ones of the rows to fit, brought to the channels that all laboratories share.

    axis : (n_channels,) 1/cm; covered : mask of the library's channels that it is interpolated from
    X : (n, n_channels) absorbance; rows : DataFrame (n) of those of the plan
    groups : (n,) labels of what is held out together: laboratories, or parts of the sites of a single one
    unit : which of them, in words
    """

    axis: np.ndarray
    covered: np.ndarray
    X: np.ndarray
    rows: pd.DataFrame
    groups: np.ndarray
    unit: str
    notes: list


def read_training(plan):
    """The rows of a plan with their spectra, as `Training`.

    A channel is used where it is on the axis 600 to 3998 1/cm in steps of 2 and lies between channels of the library
    that nine tenths of every laboratory's spectra have. Raises ValueError where these are fewer than 100, and where
    fewer than 40 rows have a usable spectrum.
    """
    spectra, low, done = None, [], 0
    for block in plan.blocks(plan.rows["position"].to_numpy()):
        if spectra is None:
            spectra = np.empty((len(plan.rows), block.n_channels), np.float32)
        spectra[done : done + len(block)], low_of_block = absorbance(block.spectra, block.signal)
        low.append(low_of_block)
        done += len(block)
    covered = _covered(spectra, plan.rows["laboratory"].to_numpy(str))
    axis, notes = _shared_axis(block.axis[covered])
    notes += low_notes(np.concatenate(low))
    X = interpolated(spectra if covered.all() else spectra[:, covered], block.axis[covered], axis)
    usable = usable_spectra(X)
    if usable.sum() < MIN_ROWS:
        raise ValueError(
            f"{plan.target} is measured and the spectrum usable in {count_of(usable.sum(), 'row')}: at least "
            f"{MIN_ROWS} are needed to fit and to calibrate; choose another property"
        )
    if not usable.all():
        notes.append(f"{(~usable).sum()} of {len(X)} rows to fit have no usable spectrum and are left out")
    rows = plan.rows[usable].reset_index(drop=True)
    groups, unit, of_groups = _groups(rows, plan.random_state)
    return Training(axis, covered, X[usable], rows, groups, unit, [*notes, *of_groups])


def _shared_axis(covered):
    """The part of the library's axis that covered channels (1/cm) enclose, and notes where it is not the whole."""
    whole = library_axis()
    axis = shared_channels(whole, [covered], MIN_CHANNELS, f"of {whole[0]:g} to {whole[-1]:g} 1/cm")
    # The network averages over so many channels at a time.
    axis = axis[: len(axis) // CONTENT_NETWORK.pool * CONTENT_NETWORK.pool]
    words = f"{len(axis):,} of {len(whole):,} channels used, {axis[0]:g} to {axis[-1]:g} 1/cm: those that all share"
    return axis, [words] if len(axis) < len(whole) else []


def _covered(spectra, laboratory):
    """Mask of the channels that COVERED_SHARE of the spectra of every laboratory have."""
    there = ~np.isnan(spectra)
    some = there.any(axis=1)
    shares = pd.DataFrame(there[some]).groupby(laboratory[some]).mean()
    return (shares.min() >= COVERED_SHARE).to_numpy()


def _groups(rows, random_state):
    """Labels of what is held out together, what that is, and notes."""
    laboratory, site = rows["laboratory"].to_numpy(str), rows["site"].to_numpy(str)
    if len(np.unique(laboratory)) > 1:
        return laboratory, "laboratories", []
    n_sites = len(np.unique(site))
    if n_sites < 3:
        raise ValueError(
            f"one laboratory and {count_of(n_sites, 'site')}: at least 3 sites, or 2 laboratories, are needed; "
            "name them in columns site, laboratory"
        )
    n_parts, part = min(SITE_PARTS, n_sites), np.empty(len(rows), int)
    folds = GroupKFold(n_parts, shuffle=True, random_state=random_state).split(rows, groups=site)
    for number, (_, held_out) in enumerate(folds, start=1):
        part[held_out] = number
    groups = np.array([f"sites {number} of {n_parts}" for number in part])
    words = f"one laboratory: errors are those on {n_parts} parts of its sites, not on another laboratory"
    return groups, "sites", [words]


# --- fits ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fitted:
    """What was learned of training rows; gross : T2 and Q beyond which a spectrum outside the domain is an outlier."""

    harmonise: object
    domain: SpectralDomain
    gross: tuple
    model: object


def fit_part(given, group, report):
    """Predictions of a group (n,) by a model that has not seen it; of None, the `Fitted` of all rows.

    given : Plan and Training
    """
    plan, training = given
    fitted = np.full(len(training.X), True) if group is None else training.groups != group
    rows = training.rows[fitted]
    y, laboratory, site = rows["y"].to_numpy(), rows["laboratory"].to_numpy(str), rows["site"].to_numpy(str)
    harmonise = HARMONISATIONS[plan.harmonise]()
    X = harmonise.fit_transform(training.X[fitted], laboratory=laboratory)
    model = with_axis(plan.model(plan.limits, plan.random_state), training.axis, plan.harmonise)
    model.fit(X, y, groups=site)
    if group is not None:
        predicted = model.predict(harmonise.transform(training.X[~fitted]))
        return np.clip(predicted, *plan.limits).astype(float)
    # The domain leaves out sites in five parts.
    domain = SpectralDomain(random_state=plan.random_state).fit(X, groups=site if len(set(site)) >= 5 else None)
    distances = domain.examine(X)
    gross = [max(gross_limit(distances[name].to_numpy()), distances[f"{name}_limit"].iloc[0]) for name in ("t2", "q")]
    return Fitted(harmonise, domain, tuple(gross), model)
