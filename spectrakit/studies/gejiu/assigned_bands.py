"""How far named wavelengths lie from the absorption bands that the paper assigns them to."""

import numpy as np

from spectrakit.simulate.soils import band_table


def band_distances(entries):
    """Return the distance (nm) from each wavelength or range to the nearest band that it is assigned to, by entry id.

    entries : published entries by id, of which those named band_distance.* count
    """
    assigned = {name: entry for name, entry in entries.items() if name.startswith("band_distance.")}
    return {name: float(nearest_band(entry)["distance"]) for name, entry in assigned.items()}


def nearest_band(entry):
    """Return the nearest band of some constituents: a row of data/bands/visnir.csv with its distance in nm.

    entry : dict with band (lowest and highest nm), constituents, and perhaps assignment, a text that the band's
        assignment contains
    Edges and wings of fundamentals do not count. A band reaches as far as half its height, so that the distance is 0
    where the two overlap.
    """
    low, high = entry["band"]
    bands = band_table()
    bands = bands[(bands["kind"] != "edge") & ~bands["assignment"].str.startswith("wing")]
    bands = bands[bands["constituent"].isin(entry["constituents"])]
    bands = bands[bands["assignment"].str.contains(entry.get("assignment", ""), regex=False)]
    outside = np.maximum(low - bands["centre_nm"], bands["centre_nm"] - high) - bands["width_nm"] / 2
    return bands.assign(distance=outside.clip(lower=0)).loc[outside.idxmin()]
