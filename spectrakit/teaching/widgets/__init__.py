"""Widgets of the chapters: they answer without a kernel, and some compute what their reader chooses with one."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "explorer": ["Control", "Explorer", "Panel", "Series"],
        "intervals": ["accept_or_refuse"],
        "laboratory": ["laboratory_switches"],
        "live": ["Live"],
        "maps": ["grad_cam_browser"],
        "plasma": ["plasma_explorer"],
        "soils": ["soil_mixer"],
        "tuning": ["DEPTH_TEXTS", "freeze_or_tune"],
    },
)
