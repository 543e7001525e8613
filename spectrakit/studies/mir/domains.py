"""The library of the mid-infrared study: simulated, harmonised, and what it covers in space and in depth."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from spectrakit.preprocess import HARMONISATIONS
from spectrakit.simulate.library import library_properties, ring_trial, simulate_mir
from spectrakit.spectra import SpectralDataset
from spectrakit.workflows.harmonise import ring_scans

TARGETS = {"c": "c_g_kg", "om": "om_g_kg"}
NAMES = {"c": "carbon", "om": "organic matter"}
# Chosen on the ring trial alone: of the differences between scans of a standard that was left out, it takes away most
# (`preprocess.left_out_standards`).
HARMONISED_BY = "snv+epo"
DEPTHS_CM = (0, 20, 50, 100, 200)
LAYER_CM, MAX_DEPTH_CM = 10, 200
CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Library:
    """A library as it was scanned, and what is known of it.

    dataset : SpectralDataset of absorbance, contents NaN where they were not measured
    truth : DataFrame, the contents that the laboratories would have measured, had they measured everything
    ring : (scans, sample_id, laboratory) of the ring trial
    """

    dataset: SpectralDataset
    truth: pd.DataFrame
    ring: tuple

    @cached_property
    def laboratory(self):
        """(n,) names."""
        return self.dataset.samples["laboratory"].to_numpy(str)

    @cached_property
    def site(self):
        """(n,) names."""
        return self.dataset.samples["site"].to_numpy(str)

    def content(self, target):
        """(n,) contents in g/kg, NaN where not measured; target : a key of TARGETS."""
        return self.dataset.properties[TARGETS[target]].to_numpy()

    def measured(self, target):
        """Positions of the rows with a measured content, ascending."""
        return np.flatnonzero(~np.isnan(self.content(target)))

    def harmonised(self, rows=slice(None), left_out=None):
        """Spectra of some rows after HARMONISED_BY, float32.

        left_out : laboratory whose scans of the ring trial are not used; None for none
        """
        known = self.ring[2] != left_out
        ring = tuple(part[known] for part in self.ring)
        harmoniser = HARMONISATIONS[HARMONISED_BY]().fit(ring[0], ring=ring)
        return in_chunks(lambda part: harmoniser.transform(part).astype(np.float32), self.dataset.spectra[rows])

    def groups(self, rows):
        """Labels of some rows by which results are grouped: {'all': ..., 'laboratory': ..., 'depth': ...}."""
        depth = depth_class(self.dataset.samples.iloc[rows])
        return {"all": np.full(len(depth), "all"), "laboratory": self.laboratory[rows], "depth": depth}


def in_chunks(function, X):
    """`function` of rows of X, some thousands at a time, as one array."""
    return np.concatenate([function(part) for part in np.array_split(X, len(X) // CHUNK_ROWS + 1)])


def simulated_library(n_samples, random_state=0):
    """The simulated library of n_samples soils, its truth and its ring trial."""
    return Library(
        dataset=simulate_mir(n_samples, random_state),
        truth=library_properties(n_samples, random_state, complete=True)[1],
        ring=ring_scans(ring_trial(random_state)),
    )


def depth_class(samples):
    """(n,) class of the middle of each sample's depth, such as '20-50 cm'."""
    middle = (samples["depth_top_cm"] + samples["depth_bottom_cm"]) / 2
    names = [f"{top}-{bottom} cm" for top, bottom in pairwise(DEPTHS_CM)]
    return pd.cut(middle.clip(upper=DEPTHS_CM[-1]), DEPTHS_CM, labels=names, include_lowest=True).to_numpy(str)


def cells(samples):
    """(n,) cell of one degree that each sample lies in, such as '47 8': its south-western corner."""
    corner = _corners(samples).astype(str)
    return (corner["latitude"] + " " + corner["longitude"]).to_numpy(str)


def _corners(samples):
    return np.floor(samples[["latitude", "longitude"]]).astype(int)


def cell_layers(samples):
    """Cells and layers of 10 cm that samples reach, to a depth of 2 m: DataFrame of row, cell, layer (top in cm)."""
    top = np.clip(samples["depth_top_cm"].to_numpy() // LAYER_CM, 0, MAX_DEPTH_CM // LAYER_CM)
    bottom = np.clip(np.ceil(samples["depth_bottom_cm"].to_numpy() / LAYER_CM), 0, MAX_DEPTH_CM // LAYER_CM)
    layers = [
        np.arange(first, last) * LAYER_CM for first, last in zip(top.astype(int), bottom.astype(int), strict=True)
    ]
    row = np.repeat(np.arange(len(samples)), list(map(len, layers)))
    return pd.DataFrame({"row": row, "cell": cells(samples)[row], "layer": np.concatenate(layers)})


def coverage_in_space(library, target):
    """Samples by cell of one degree: DataFrame of latitude, longitude (of the corner), measured and all."""
    known = ~np.isnan(library.content(target))
    table = _corners(library.dataset.samples).assign(measured=known.astype(int), all=1)
    return table.groupby(["latitude", "longitude"], as_index=False).sum()


def coverage_in_depth(library, target):
    """Samples by layer of 10 cm: DataFrame of layer, measured, all, and the cells of one degree that hold either."""
    table = cell_layers(library.dataset.samples)
    table["measured"] = ~np.isnan(library.content(target))[table["row"]]
    counts = table.groupby("layer").agg(measured=("measured", "sum"), all=("measured", "size"))
    for name, part in (("cells_measured", table[table["measured"]]), ("cells_all", table)):
        counts[name] = part.groupby("layer")["cell"].nunique()
    return counts.fillna(0).astype(int).reset_index()


def coverage_gains(library, target):
    """By how many per cent filling the gaps raises the number of cells, and of cells and layers, with a value."""
    space, depth = coverage_in_space(library, target), coverage_in_depth(library, target)
    factors = {
        "space": len(space) / np.count_nonzero(space["measured"]),
        "depth": depth["cells_all"].sum() / depth["cells_measured"].sum(),
    }
    return {name: 100 * (float(factor) - 1) for name, factor in factors.items()}


def library_summary(library):
    """Counts, spread and coverage gains of a library, before any model, as JSON can hold them."""
    n, targets = len(library.dataset), {}
    for target in TARGETS:
        content = library.content(target)[library.measured(target)]
        low, median, high = np.percentile(content, [25, 50, 75])
        targets[target] = {
            "measured": len(content),
            "imputed": n - len(content),
            "sd": float(content.std(ddof=1)),
            "mean": float(content.mean()),
            "median": float(median),
            "iqr": float(high - low),
        }
    return {
        "n": n,
        "provenance": library.dataset.provenance,
        "n_laboratories": len(np.unique(library.laboratory)),
        "n_sites": len(np.unique(library.site)),
        "both": int(np.isin(library.measured("c"), library.measured("om")).sum()),
        "targets": targets,
        "gains": {target: coverage_gains(library, target) for target in TARGETS},
    }


def library_tables(library):
    """Tables by name: laboratories, with samples, sites and measured contents; space_<target>, depth_<target>."""
    measured = library.dataset.properties[list(TARGETS.values())].notna().set_axis(list(TARGETS), axis=1)
    rows = pd.DataFrame({"laboratory": library.laboratory, "site": library.site, "samples": 1}).join(measured)
    counts = {"samples": "size", "site": "nunique"} | dict.fromkeys(TARGETS, "sum")
    tables = {"laboratories": rows.groupby("laboratory", as_index=False).agg(counts)}
    for target in TARGETS:
        tables[f"space_{target}"] = coverage_in_space(library, target)
        tables[f"depth_{target}"] = coverage_in_depth(library, target)
    return tables
