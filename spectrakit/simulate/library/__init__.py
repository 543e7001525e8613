"""A mid-infrared library: laboratories with their spectrometers, the soils that they hold, and a ring trial."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "laboratory": ["TRUE_AXIS", "laboratories"],
        "random_laboratories": ["draw_survey", "draw_world"],
        "samples": ["library_properties", "mir_blocks", "ring_trial", "simulate_mir"],
    },
)
