"""How networks are fitted: one, many at once, with fine-tuning, or pretrained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "contents": ["CONTENT_NETWORK", "CONTENT_RECIPE", "ContentNetwork", "OrganicCarbonNetwork", "limit_counts"],
        "fine_tuning": ["DEPTHS", "transferred", "with_new_output"],
        "library_features": [
            "covers_enough",
            "derivative_input",
            "library_bins",
            "library_derivative",
            "standardised",
        ],
        "plain": ["CNNRegressor", "initial_network"],
        "pretrained": ["FeatureRidge", "PretrainedRegressor", "with_axis"],
        "pretraining": ["ONE_CYCLE", "PAPER", "Recipe", "fit_network", "predict", "validation_rows"],
        "stacked": ["StackedNetworks", "fit_stacked", "networks_per_chunk"],
        "transfer": ["FineTunedNetwork", "ScratchNetwork"],
    },
)
