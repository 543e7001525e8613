"""Do the examples in the docstrings print what they say?"""

import doctest
import importlib

import pytest

MODULES = (
    "evaluation.metrics",
    "evaluation.splits",
    "explain.attributions",
    "explain.audit",
    "models.cnn",
    "preprocess.preparation",
    "simulate.libs.atoms",
    "simulate.soils.infrared",
    "spectra",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    outcome = doctest.testmod(importlib.import_module(f"spectrakit.{name}"))
    assert outcome.attempted > 0 and outcome.failed == 0
