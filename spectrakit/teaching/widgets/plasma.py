"""Explorer of simulated LIBS spectra."""

import numpy as np
import pandas as pd

from spectrakit.simulate import IntensifiedCamera, libs
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
    windows = dict(zip(axes, np.split(counts, ends[:-1], axis=1), strict=True))
    panels = [
        Panel(
            f"{target.capitalize()} window",
            axes[target],
            "Wavelength (nm)",
            "Counts",
            (Series("counts", part.reshape(*(len(each) for each in values), -1)),),
            line_labels(reference_lines(target)),
        )
        for target, part in windows.items()
    ]
    controls = (
        Control("Temperature", values[0], "K"),
        Control("Electron density", values[1], "per cm³"),
        Control("Content of Ca, Mg and Na", values[2], "ppm"),
    )
    start = [len(values[0]) // 2, len(values[1]) // 2, len(values[2]) - 2]  # a content whose lines can be seen
    question = "What makes the two magnesium lines equally tall, and what makes neutral calcium and sodium grow?"
    caption = f"One shot without noise; the camera ends at {IntensifiedCamera.full_scale:,} counts."
    return Explorer(controls, panels, caption, start, question, list(_answers(axes, windows)))


def _answers(axes, windows):
    """How tall lines are above the lowest channel of their window, a sentence a plasma.

    axes : {target: (n_channels,) nm}; windows : {target: (n, n_channels) counts}
    """

    def heights(target, nm):
        window = windows[target]
        return window[:, np.abs(axes[target] - nm).argmin()] - window.min(axis=1)

    lines = [("mg", 279.553), ("mg", 280.271), ("ca", 422.673), ("na", 588.995)]
    highest = np.max([window.max(axis=1) for window in windows.values()], axis=0)
    tall = [heights(*line) for line in lines]
    for first, second, calcium, sodium, most in zip(*tall, highest, strict=True):
        full = " The camera is full." if most >= IntensifiedCamera.full_scale else ""
        yield (
            f"Mg II 279.55 is {first / second:.2f} times as tall as Mg II 280.27. Above the lowest channel of its "
            f"window Ca I 422.67 stands {calcium:,.0f} counts, Na I 589.00 {sodium:,.0f}.{full}"
        )
