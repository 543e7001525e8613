"""Spectra from physics: instruments, LIBS plasmas, soils and libraries of many laboratories."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["library", "libs", "soils"],
    submod_attrs={
        "instruments": ["ASD_FIELDSPEC_3", "FOSS_XDS", "IntensifiedCamera"],
    },
)
