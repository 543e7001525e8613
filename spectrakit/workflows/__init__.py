"""What a user does with spectra of their own: transfer, harmonise between laboratories, impute."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["harmonise", "impute"],
    submod_attrs={
        "transfer": ["r2_plot", "run_rounds", "score_frame", "transfer_models"],
    },
)
