"""The command line: parses, calls one function of the package, prints what it returns."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"application": ["app", "main"]})
