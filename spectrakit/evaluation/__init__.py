"""Splits of samples, metrics of predictions, and prediction intervals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "intervals": [
            "ConformalIntervals",
            "LEVELS",
            "coverage_table",
            "gaussian_intervals",
            "held_out_intervals",
            "pooled_promise",
            "pooled_threshold",
            "sample_threshold",
        ],
        "metrics": [
            "bias",
            "fold_r2",
            "generalisation_gap",
            "limit_of_detection",
            "mae",
            "percentage_error",
            "prediction_sd",
            "r2",
            "relative_standard_deviation",
            "rmse",
            "rpd",
            "rpiq",
            "score_table",
            "scores",
            "sep",
        ],
        "splits": ["Splits", "balanced_rows", "grouped_folds", "leaky_folds", "random_rounds", "repeated_folds"],
    },
)
