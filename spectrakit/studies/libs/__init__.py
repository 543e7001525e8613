"""Calcium, magnesium and sodium from LIBS spectra of soils with a 1D-CNN."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "domains": [
            "TARGETS",
            "TASKS",
            "content_ratios",
            "cut_task",
            "line_areas",
            "measured_task",
            "measured_tasks",
            "read_folder",
            "saturated_samples",
            "shifted",
            "wavelength_shifts",
        ],
        "experiments": [
            "CONVOLUTION",
            "RELU",
            "SIZES",
            "audit_task",
            "dead_units",
            "deal_contents",
            "explain_task",
            "fit_model",
            "leak_experiment",
            "named_lines_frame",
            "net_widths",
            "r2_of",
            "repeat_experiment",
            "sample_count_experiment",
            "scaled_to_peak",
        ],
        "protocol": ["OpenChoices", "PROFILES", "detection_limit", "fit_cnn", "line_signal", "reference_lines"],
        "results": ["score_records"],
        "run": ["STUDY"],
    },
)
