"""Makes data/soils/land.csv, the outlines of the world's land for maps, from a shapefile of Natural Earth.

Run `python -m tools.make.land SHAPEFILE`, with the 1:110 million countries or land of Natural Earth, which is in the
public domain (https://www.naturalearthdata.com).
"""

import struct
import sys

import numpy as np
import pandas as pd

from spectrakit.resources import data_path

TOLERANCE = 0.4  # degrees that a point may lie off the straight line and be left out
MIN_SPAN = 1.5  # degrees; smaller islands are left out


def rings(path):
    """The rings of the polygons in a shapefile, each an array of (longitude, latitude)."""
    content, place = path.read_bytes(), 100
    while place < len(content):
        (n_words,) = struct.unpack_from(">i", content, place + 4)
        n_parts, n_points = struct.unpack_from("<2i", content, place + 44)
        starts = np.frombuffer(content, "<i4", n_parts, place + 52)
        points = np.frombuffer(content, "<f8", 2 * n_points, place + 52 + 4 * n_parts).reshape(-1, 2)
        yield from np.split(points, starts[1:])
        place += 8 + 2 * n_words


def simplified(ring):
    """A ring without the points that lie within TOLERANCE of the line between those that stay (Douglas and Peucker)."""
    kept, waiting = {0, len(ring) - 1}, [(0, len(ring) - 1)]
    while waiting:
        first, last = waiting.pop()
        between = ring[first + 1 : last] - ring[first]
        if not len(between):
            continue
        line = ring[last] - ring[first]
        length = np.hypot(*line)
        off = np.abs(between @ [-line[1], line[0]]) / length if length else np.hypot(*between.T)
        if off.max() > TOLERANCE:
            middle = first + 1 + int(off.argmax())
            kept.add(middle)
            waiting += [(first, middle), (middle, last)]
    return ring[sorted(kept)]


def land(path):
    """DataFrame of ring, longitude, latitude, in degrees rounded to a tenth."""
    large = [ring for ring in rings(path) if np.ptp(ring, axis=0).max() >= MIN_SPAN]
    tables = [pd.DataFrame(simplified(ring).round(1), columns=["longitude", "latitude"]) for ring in large]
    return pd.concat(tables, keys=range(len(tables)), names=["ring", None]).reset_index("ring")


if __name__ == "__main__":
    from pathlib import Path

    if len(sys.argv) != 2:
        sys.exit(__doc__)
    land(Path(sys.argv[1])).to_csv(data_path("soils") / "land.csv", index=False, lineterminator="\n")
