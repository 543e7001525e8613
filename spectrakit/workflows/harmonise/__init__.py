"""Harmonisations between laboratories, each tried on a laboratory that nothing was fitted to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "choices": [
            "Choice",
            "MAX_COMPONENTS",
            "MODELS",
            "possible_harmonisations",
            "soils_to_predict",
        ],
        "command": ["compare_harmonisations"],
        "laboratory_tables": ["read_laboratories"],
        "leave_out": ["LEVEL", "LeaveOut", "best_stage", "conformal_intervals", "leave_laboratories_out"],
        "report": ["MATTERS"],
        "standards": ["ring_of", "ring_scans"],
    },
)
