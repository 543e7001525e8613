"""The three studies, each with its domains, protocol, experiments, run and results."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["gejiu", "libs", "mir"],
)
