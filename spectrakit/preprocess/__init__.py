"""What is done to spectra before a model sees them: absorbance, pretreatment, harmonisation, outliers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "harmonise": ["HARMONISATIONS", "StandardTransfer", "WITHOUT_STANDARDS", "left_out_standards"],
        "outliers": ["SpectralDomain", "gross_limit"],
        "pretreatment": [
            "SpectrumScaler",
            "derivative_spectra",
            "network_input",
            "normalise_area",
            "normalise_maximum",
            "positive_reflectance",
            "raised_notes",
        ],
    },
)
