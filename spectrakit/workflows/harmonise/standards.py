"""The standards of a ring trial inside the tables of several laboratories."""

from itertools import combinations

import numpy as np
import pandas as pd
from chemotools.scatter import StandardNormalVariate
from scipy.spatial.distance import cdist
from scipy.stats import binomtest

from spectrakit.spectra import count_of

# With fewer, that scans of a name resemble each other could be chance (0.5^6 > 1 %).
MIN_STANDARDS, CHANCE = 7, 0.01


def ring_of(dataset):
    """The ring trial inside a data set: which rows are scans of standards, the trial or None, and notes.

    A name that occurs in several laboratories is taken for a standard where scans that share a name are more similar
    than chance lets them: of at least 7 names, most scans (SNV, less the mean of their laboratory) make a smaller angle
    with the other laboratory's scan of that name than with half of its others (binomial test, 1 %). If they do not,
    laboratories have numbered their samples in the same way, and these stay samples. Fewer than 7 such names cannot be
    judged. Either way no sample may be on both sides of a split: rows of standards, and of names not judged, are
    True. Returns (mask (n_samples,), (scans, sample_id, laboratory) or None, list of notes).
    """
    names = dataset.samples["sample_id"].astype(str)
    shared = (dataset.samples.groupby(names)["laboratory"].transform("nunique") > 1).to_numpy()
    none = np.zeros(len(shared), bool)
    if not shared.any():
        return none, None, []
    count = names[shared].nunique()
    words = f"{count_of(count, 'name')} of samples in several laboratories"
    if count < MIN_STANDARDS:
        return shared, None, [f"{words}, too few to tell standards from chance ({MIN_STANDARDS}): left out"]
    ring = ring_scans(dataset.subset(shared))
    if binomtest(round(_share_similar(ring) * count), count, 0.5, "greater").pvalue >= CHANCE:
        return none, None, [f"{words}, but spectra of a name are not similar: taken for different samples"]
    n_laboratories = len(set(ring[2]))
    return shared, ring, [f"{count} standards scanned by {n_laboratories} laboratories: a ring trial, no samples"]


def ring_scans(trial):
    """(scans, sample_id, laboratory) of a ring trial, a SpectralDataset, as harmonisations take it."""
    labels = (trial.samples[name].to_numpy(str) for name in ("sample_id", "laboratory"))
    return trial.spectra.astype(float), *labels


def _share_similar(ring):
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
            same_name = distance.diagonal().copy()
            np.fill_diagonal(distance, np.nan)
            nearer.extend(same_name < np.nanmedian(distance, axis=1))
    return float(np.mean(nearer)) if nearer else 0.0
