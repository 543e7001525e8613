"""Soil spectroscopy with deep learning: simulators from physics, and three studies rebuilt and audited."""

__version__ = "0.1.0"
