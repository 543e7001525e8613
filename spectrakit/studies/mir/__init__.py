"""A global mid-infrared library, harmonised between laboratories, with its gaps filled."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "domains": ["simulated_library"],
        "protocol": [
            "DOMAIN_COMPONENTS",
            "PROFILES",
            "content_scores",
            "divide_sites",
            "fit_content",
            "linear_predictions",
        ],
        "run": ["STUDY"],
    },
)
