"""A mid-infrared library: laboratories with their spectrometers, their soils, and a ring trial."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "laboratory": [
            "END_NOISE",
            "InfraredSpectrometer",
            "Laboratory",
            "TRUE_AXIS",
            "laboratories",
            "spectrometer_optics",
        ],
        "samples": [
            "Programme",
            "analysed",
            "at_depth",
            "cut_at_depth",
            "library_properties",
            "mir_blocks",
            "programmes",
            "ring_trial",
            "simulate_mir",
        ],
    },
)
