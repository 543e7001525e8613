"""Files as instruments write them, one by one or in folders, as one table of spectra."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={"conversion": ["convert_files"]},
)
