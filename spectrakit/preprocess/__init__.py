"""What is done to spectra before a model sees them: one signal and axis, pretreatment, harmonisation, outliers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "harmonise": ["HARMONISATIONS", "StandardTransfer", "WITHOUT_STANDARDS", "left_out_standards"],
        "outliers": ["SpectralDomain", "gross_limit", "usable_spectra"],
        "preparation": [
            "absorbance",
            "absorbance_on",
            "common_axis",
            "low_notes",
            "lucas_reflectance",
            "measured_channels",
            "refuse_counts",
            "refuse_unknown",
            "shared_channels",
            "target_rows",
            "with_target",
        ],
        "pretreatment": [
            "SpectrumScaler",
            "derivative_spectra",
            "network_input",
            "normalise_area",
            "normalise_maximum",
        ],
    },
)
