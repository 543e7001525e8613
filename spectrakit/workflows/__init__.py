"""What a user does with measured spectra: transfer of a network, harmonisation of laboratories, filling of gaps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["harmonise", "impute"],
    submod_attrs={
        "harmonise": ["compare_harmonisations"],
        "impute": ["fill_gaps"],
        "transfer": ["compare_transfer", "run_rounds", "score_frame", "transfer_models"],
    },
)
