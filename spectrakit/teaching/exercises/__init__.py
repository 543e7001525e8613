"""Exercises of the book: their keys, and the check of an answer."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"checks": ["answer_keys", "answer_problems", "check"]}
)
