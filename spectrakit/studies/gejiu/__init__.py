"""Soil pH from LUCAS spectra with a 1D-ResNet, transferred to lead in mining soils."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "assigned_bands": ["nearest_band"],
        "protocol": [
            "FittedScale",
            "N_PEAKS",
            "POOL",
            "PROFILES",
            "SCALES",
            "WINDOW_NM",
            "domain",
            "lead_networks",
            "source_domain",
            "target_domain",
            "target_round",
        ],
        "run": ["statistics"],
    },
)
