"""Definitions of networks and baselines; `spectrakit.training` fits the networks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "baselines": [
            "LogPLS",
            "StagedPLS",
            "libs_baselines",
            "content_baselines",
            "random_forest",
            "transfer_baselines",
        ],
        "cnn": ["CNNConfig", "SpectralCNN", "check_settings"],
        "resnet": [
            "ResNetConfig",
            "freeze_features",
            "initial_network",
            "load_network",
            "network_features",
            "pooled_input",
            "save_network",
            "thinned_outputs",
        ],
        "stacked_cnn": ["StackedGradient", "StackedParameters", "spectral_windows"],
    },
)
