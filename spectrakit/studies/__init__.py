"""The three studies, each with its domains, protocol, experiments, run and results, and what runs any of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["gejiu", "libs", "mir"],
    submod_attrs={"study": ["STUDIES", "TOLERANCE", "load_study"]},
)
