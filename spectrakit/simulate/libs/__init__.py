"""LIBS spectra of soils: atomic data, the plasma, and the experiment of the study."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "atoms": ["ATOMIC_MASS", "ELEMENTS", "doppler_sigma", "line_table", "stark_fwhm"],
        "experiment": [
            "TARGETS",
            "blank_soils",
            "draw_scatter",
            "field_soils",
            "measure",
            "noiseless_counts",
            "nominal_plasma",
            "settings",
            "shots_plasma",
            "simulate_libs",
            "soil_plasma",
            "spectrometer",
            "spiked_soils",
            "study_soils",
            "window_axes",
        ],
        "plasma": ["BOLTZMANN_EV", "MAX_EXACT", "SpectralRange", "line_depths", "line_emissivities", "stage_fractions"],
    },
)
