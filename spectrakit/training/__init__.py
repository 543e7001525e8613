"""How networks are fitted: one, many at once, with fine-tuning, or pretrained."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "contents": ["CONTENT_NETWORK", "CONTENT_RECIPE", "ContentNetwork", "OrganicCarbonNetwork", "limit_counts"],
        "episodes": ["EpisodeRecipe", "episode_error", "fit_features"],
        "library_features": [
            "BetweenRecipe",
            "LIBRARY_NETWORK",
            "TARGETS",
            "covered_input",
            "covered_inputs",
            "covers_enough",
            "draw_cover",
            "draw_worlds",
            "fit_between_laboratories",
        ],
        "plain": ["CNNRegressor", "initial_network"],
        "pretrained": ["FeatureRidge", "PretrainedRegressor", "with_axis"],
        "pretraining": ["ONE_CYCLE", "PAPER", "Recipe", "fit_network", "predict", "watched_rows"],
        "stacked": ["StackedNetworks", "fit_stacked", "networks_per_chunk"],
        "transfer": ["FineTunedNetwork", "ScratchNetwork"],
    },
)
