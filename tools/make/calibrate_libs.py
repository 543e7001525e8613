"""How `scatter.scale` of data/libs_experiment.yml was chosen: by the limits of detection that the LIBS study publishes.

    python -m tools.make.calibrate_libs

prints, for each set of soils, the factor with which the geometric mean of the three simulated limits equals that of the
published ones, and the limits themselves (some minutes). The factors are rounded to two digits in the settings.
"""

from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from spectrakit.ledger import load_published
from spectrakit.simulate.libs import TARGETS, field_soils, measure, spiked_soils
from spectrakit.studies.libs import cut_task, detection_limit

N_BLANKS = 40
SEEDS = (101, 102, 103)


def limits(soils, scale):
    """Limits of detection (ppm) of the three elements, geometric means over the seeds."""
    factor = scale / soils.scatter_scale.iloc[0]
    soils = replace(soils, scatter_scale=soils.scatter_scale * factor, matrix_offset=soils.matrix_offset * factor)
    logarithms = []
    for seed in SEEDS:
        calibration, range_ = measure(soils, random_state=seed), soils.samples["range"].iloc[0]
        tasks = (cut_task(calibration, target, range_) for target in TARGETS)
        logarithms.append([np.log(detection_limit(task, soils, N_BLANKS, seed)) for task in tasks])
    return np.exp(np.mean(logarithms, axis=0))


if __name__ == "__main__":
    entries = load_published("libs")["entries"]
    for range_, soils, bracket in (("high", spiked_soils(), (0.03, 0.4)), ("low", field_soils(0), (0.2, 3.0))):
        published = np.array([entries[f"lod.{t}.{range_}"]["value"] for t in TARGETS])

        def excess(log_scale, soils=soils, published=published):
            """Mean logarithm of simulated over published limits."""
            return np.mean(np.log(limits(soils, np.exp(log_scale)) / published))

        scale = np.exp(brentq(excess, *np.log(bracket), xtol=0.02))
        print(f"{range_}: scale {scale:.3g}; ppm for {TARGETS}: {limits(soils, scale).round(2)}, published {published}")
