"""Which channels a prediction depends on (Grad-CAM, SHAP), and tests of whether that can be believed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attributions": [
            "additivity_gap",
            "band_shares",
            "compare_peaks",
            "mean_absolute",
            "peaks",
            "shap_values",
            "window_centres",
        ],
        "audit": [
            "RESOLVING_POWER",
            "line_mass",
            "look_up_lines",
            "map_agreement",
            "near_lines",
            "randomisation_correlation",
            "randomise_weights",
            "rank_correlation",
        ],
        "band_audit": [
            "band_mass",
            "edge_count",
            "input_gradient",
            "input_spread",
            "known_bands",
            "place_in_window",
            "randomisation_test",
        ],
        "gradcam": ["grad_cam"],
    },
)
