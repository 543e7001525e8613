"""The gaps of a mid-infrared library filled, each value with its interval."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "command": ["MODELS", "fill_gaps"],
        "plan": ["bound_names"],
    },
)
