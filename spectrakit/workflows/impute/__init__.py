"""How the gaps of a mid-infrared library are filled."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "command": ["MODELS", "impute", "report_frame", "report_lines"],
        "plan": ["bound_names", "make_plan"],
    },
)
