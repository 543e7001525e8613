"""Splits, metrics and what they mean for a handful of samples."""
