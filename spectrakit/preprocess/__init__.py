"""What is done to spectra before a model sees them: pretreatment, harmonisation between laboratories, outliers."""

from spectrakit.preprocess.pretreatment import (
    SpectrumScaler,
    derivative_spectra,
    network_input,
    normalise_area,
    normalise_maximum,
    positive_reflectance,
    raised_notes,
)

__all__ = [
    "SpectrumScaler",
    "derivative_spectra",
    "network_input",
    "normalise_area",
    "normalise_maximum",
    "positive_reflectance",
    "raised_notes",
]
