"""What can be tried on the soils of some laboratories: models, harmonisations and the scale of the contents."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor

from spectrakit.contents import UNITS, split_unit
from spectrakit.models import StagedPLS
from spectrakit.preprocess import HARMONISATIONS, WITHOUT_STANDARDS, with_target
from spectrakit.simulate.library import ring_trial
from spectrakit.spectra import count_of, group_labels, library_axis, one_of
from spectrakit.training import PretrainedRegressor, covers_enough
from spectrakit.workflows.harmonise.standards import MIN_STANDARDS, ring_scans

SCALES = ("log10", "natural")
# Of a laboratory that is left out: samples with the target, and sites (or samples) that they come from.
MIN_MEASURED, MIN_SITES = 10, 5
# With fewer training laboratories, one left out says little of the next: parts of the sites are left out instead.
MIN_TO_LEAVE_OUT = 3
MAX_COMPONENTS = 20
SIMULATED_RING = " (simulated ring)"
BY_TRANSFER = ("ds", "pds", "sst", "snv+ds", "snv+pds", "snv+sst")
BY_STANDARDS = ("epo", "snv+epo")


# Name to a function of random_state, a regressor of harmonised spectra (n, n_channels). One with `staged_predict` has
# its stage chosen on samples left out, as its intervals are calibrated on them; another has one stage.
MODELS = {
    "mean": lambda random_state=None: DummyRegressor(strategy="mean"),
    "pls": lambda random_state=None: StagedPLS(MAX_COMPONENTS),
    "pretrained": lambda random_state=None: PretrainedRegressor(),
}


def possible_models(soils):
    """{name: function of random_state} of the models that serve the axis of a data set, and notes on the others."""
    if soils.axis_unit == "cm-1" and covers_enough(soils.axis):
        factor = PretrainedRegressor.unseen_factor(soils.samples["laboratory"].nunique() - 1)
        words = "times as wide as calibrated: errors grow so much on simulated laboratories never seen"
        return MODELS, [f"pretrained: 90 % intervals are {factor:.3g} {words}"]
    note = "the pretrained network knows 600 to 4000 1/cm, of which the laboratories share too little: not used"
    return {name: make for name, make in MODELS.items() if name != "pretrained"}, [note]


def soils_to_predict(dataset, target):
    """The soils of laboratories that can be left out, and notes on what is not used.

    A laboratory needs 10 samples with the target, of 5 sites (column group or site, else of 5 samples).
    Returns (SpectralDataset, list of notes). Raises ValueError as `with_target`, and for fewer than two laboratories.
    """
    soils, notes = with_target(dataset, target)
    laboratory = soils.samples["laboratory"].to_numpy(str)
    counts = pd.Series(site_labels(soils)).groupby(laboratory).agg(["size", "nunique"])
    enough = (counts["size"] >= MIN_MEASURED) & (counts["nunique"] >= MIN_SITES)
    needed = f"{MIN_MEASURED} samples of {MIN_SITES} sites"
    if enough.sum() < 2:
        words = ", ".join(
            f"{name} with {count_of(size, 'sample')} of {count_of(sites, 'site')}"
            for name, size, sites in counts.itertuples()
        )
        raise ValueError(f"{target}: two laboratories with at least {needed} are needed, not {words}; add samples")
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
        raise ValueError(f"{target} is not above 0 in {count_of(not_positive, 'sample')}; give --scale natural")
    if scale is None:
        return "natural" if not_positive or split_unit(target)[1] == UNITS["ph"][0] else "log10"
    return scale


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
    The simulated ring trial is not used for simulated soils: it is of the same laboratories.
    """
    laboratories = np.unique(soils.samples["laboratory"].to_numpy(str))
    names, notes = list(WITHOUT_STANDARDS), []
    if len(laboratories) < 3:
        names = [name for name in names if "top" not in name]
        notes.append("top not tried: it needs two laboratories to train on, so three in all")
    choices = {name: Choice(HARMONISATIONS[name]) for name in names}
    measured, of_measured = _by_ring(ring, laboratories)
    simulated, of_simulated = _by_simulated_ring(soils, random_state)
    return choices | measured | simulated, [*notes, *of_measured, *of_simulated]


def _by_ring(ring, laboratories):
    """Choices that a ring trial allows, and notes on the others."""
    if ring is None:
        return {}, ["ds, pds and sst not tried: no standards scanned by several laboratories"]
    choices, notes = {}, []
    common = len(set.intersection(*(set(ring[1][ring[2] == name]) for name in laboratories)))
    if common >= MIN_STANDARDS:
        of_soils = np.isin(ring[2], laboratories)
        scans = tuple(part[of_soils] for part in ring)
        choices |= {name: Choice(HARMONISATIONS[name], scans) for name in BY_TRANSFER}
    else:
        notes.append(
            f"ds, pds and sst not tried: {count_of(common, 'standard')} scanned by all, {MIN_STANDARDS} are needed"
        )
    # It does not learn from scans of laboratories that are left out, two at a time.
    left_out = 1 if len(laboratories) - 1 < MIN_TO_LEAVE_OUT else 2
    if len(set(ring[2])) - left_out >= 2:
        choices |= {name: Choice(HARMONISATIONS[name], ring) for name in BY_STANDARDS}
    else:
        notes.append(
            "epo not tried with these standards: two laboratories beside those left out must have scanned them"
        )
    return choices, notes


def _by_simulated_ring(soils, random_state):
    """Choices by the simulated ring trial, on the axis of the soils, and notes where there are none."""
    first, last = library_axis()[[0, -1]]
    if soils.axis_unit != "cm-1" or soils.axis[0] < first or soils.axis[-1] > last:
        return {}, [f"the simulated ring trial spans {first:g} to {last:g} cm-1 only: not used"]
    if soils.provenance["origin"] == "simulated":
        return {}, ["the soils and the simulated ring trial are of the same simulated laboratories: not used"]
    ring = ring_scans(ring_trial(random_state).resample(soils.axis))
    return {name + SIMULATED_RING: Choice(HARMONISATIONS[name], ring, True) for name in BY_STANDARDS}, []


def harmonised_spectra(dataset, choices, name, reference=None):
    """All spectra of a data set after one of the choices, fitted to all laboratories: a SpectralDataset.

    They are no absorbance any more, though `signal` has no other name for them: the sample column harmonisation and the
    provenance say what was done. Raises ValueError for a name that is no choice.
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
