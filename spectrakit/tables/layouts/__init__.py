"""What the columns of a table are in a plain spectral table, by their names."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ossl": ["is_ossl", "ossl_columns"],
        "plain": ["NAMELESS", "has_channels", "has_ids", "is_id_name", "plain_columns", "thousands_words"],
    },
)
