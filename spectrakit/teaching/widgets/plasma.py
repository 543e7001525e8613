"""Explorer of simulated LIBS spectra."""

import numpy as np
import pandas as pd

from spectrakit.simulate import libs
from spectrakit.studies.libs import reference_lines
from spectrakit.teaching.figures import line_labels
from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series


def plasma_explorer(temperatures_K, electron_densities_cm3, contents_ppm):
    """Explorer of the three LIBS windows: noiseless counts by temperature, electron density and content.

    temperatures_K, electron_densities_cm3, contents_ppm : values of the three sliders; Ca, Mg and Na have the same
    content, in an average soil
    """
    values = (np.asarray(temperatures_K), np.asarray(electron_densities_cm3), np.asarray(contents_ppm))
    temperature, density, content = (grid.ravel() for grid in np.meshgrid(*values, indexing="ij"))
    soil = pd.DataFrame([libs.settings()["reference_soil_ppm"]] * len(content)).astype(float)
    soil = soil.assign(**{target.capitalize(): content for target in libs.TARGETS})
    counts = libs.noiseless_counts(libs.soil_plasma(soil, temperature, density))
    axes = libs.window_axes()
    ends = np.cumsum([len(axis) for axis in axes.values()])
    panels = [
        Panel(
            f"{target.capitalize()} window",
            axis,
            "Wavelength (nm)",
            "Counts",
            (Series("counts", part.reshape(*(len(each) for each in values), -1)),),
            line_labels(reference_lines(target)),
        )
        for (target, axis), part in zip(axes.items(), np.split(counts, ends[:-1], axis=1), strict=True)
    ]
    controls = (
        Control("Temperature", values[0], "K"),
        Control("Electron density", values[1], "per cm³"),
        Control("Content of Ca, Mg and Na", values[2], "ppm"),
    )
    start = [len(values[0]) // 2, len(values[1]) // 2, len(values[2]) - 2]  # a content whose lines can be seen
    return Explorer(controls, panels, "One shot without noise; the camera ends at 65,535 counts.", start=start)
