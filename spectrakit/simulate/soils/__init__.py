"""Soils, what they are made of, and what they reflect or absorb; the LUCAS and the Gejiu surveys."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "composition": [
            "EUROPE",
            "ORGANIC_MATTER_PER_CARBON",
            "Region",
            "Soils",
            "WORLD",
            "carbonate_control",
            "carbonate_ph",
            "draw_locality",
            "draw_soils",
            "held_water",
        ],
        "gejiu": [
            "ORE_WEIGHT",
            "PYRITE_AT_MINE",
            "RETENTION",
            "UNKNOWN_SHARE",
            "WITHIN_DISTRICT",
            "sampling_map",
            "simulate_gejiu",
        ],
        "infrared": [
            "INFRARED_CONSTITUENTS",
            "InfraredVariation",
            "ORGANIC_GROUPS",
            "SCATTERING_EXPONENT",
            "draw_infrared_variation",
            "fresnel",
            "infrared_bands",
            "infrared_composition",
            "refractive_index",
            "soil_absorbance",
        ],
        "lucas": ["N_SAMPLES", "published_ph", "simulate_lucas"],
        "reflectance": [
            "CONSTITUENTS",
            "REFERENCE_GRAIN_UM",
            "absorption",
            "band_shape",
            "band_table",
            "draw_variation",
            "kubelka_munk",
            "narrowed",
            "no_variation",
            "scattering",
            "soil_reflectance",
        ],
        "scans": ["scan"],
    },
)
