"""Which harmonisation helps a model on a laboratory that it was not fitted to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "laboratory_tables": ["read_laboratories"],
        "leave_out": [
            "Choice",
            "LEVEL",
            "MODELS",
            "MOST_COMPONENTS",
            "harmonised_spectra",
            "leave_laboratories_out",
            "possible_harmonisations",
            "possible_models",
            "ring_of",
            "ring_scans",
            "scale_of",
            "soils_to_predict",
        ],
        "report": ["MATTERS", "bias_frame", "effect_frame", "reading_lines", "score_frame"],
    },
)
