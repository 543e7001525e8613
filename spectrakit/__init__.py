"""Soil spectroscopy with deep learning: simulators from physics, and three studies rebuilt and audited."""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "evaluation",
        "explain",
        "ledger",
        "models",
        "preprocess",
        "resources",
        "runs",
        "simulate",
        "spectra",
        "studies",
        "tables",
        "teaching",
        "training",
        "workflows",
    ],
)
