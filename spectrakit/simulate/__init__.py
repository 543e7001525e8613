"""Spectra from physics: atoms, plasma, and the instruments that look at them."""
