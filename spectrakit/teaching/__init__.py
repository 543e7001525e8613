"""What only the chapters need: figures, widgets, exercises, and sentences that numbers make."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["exercises", "figures", "widgets"],
    submod_attrs={"exercises": ["check"], "sentences": ["ClaimError", "claim", "listed", "sentence"]},
)
