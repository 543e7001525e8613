"""Calcium, magnesium and sodium from LIBS spectra of soils with a 1D-CNN."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "audit": [
            "CONVOLUTION",
            "RELU",
            "audit_task",
            "explain_task",
            "measured_tasks",
            "named_lines_frame",
            "net_widths",
            "scaled_to_peak",
        ],
        "domains": [
            "content_ratios",
            "line_areas",
            "measured_task",
            "read_folder",
            "saturated_samples",
            "shifted",
            "wavelength_shifts",
        ],
        "experiments": [
            "SIZES",
            "dead_units",
            "deal_contents",
            "fit_model",
            "leak_experiment",
            "r2_of",
            "repeat_experiment",
            "sample_count_experiment",
        ],
        "protocol": [
            "OpenChoices",
            "PROFILES",
            "TARGETS",
            "TASKS",
            "cut_task",
            "detection_limit",
            "fit_cnn",
            "line_signal",
            "reference_lines",
        ],
        "run": ["replicate", "score_frame"],
    },
)
