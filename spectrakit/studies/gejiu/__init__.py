"""Soil pH from LUCAS spectra with a 1D-ResNet, transferred to lead in mining soils."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "domains": ["domain", "source_domain", "statistics", "target_domain"],
        "experiments": ["nearest_band"],
        "protocol": [
            "FittedScale",
            "N_PEAKS",
            "POOL",
            "PROFILES",
            "SCALES",
            "WINDOW_NM",
            "lead_networks",
            "target_round",
        ],
        "run": ["STUDY"],
    },
)
