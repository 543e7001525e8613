"""Definitions of networks and baselines; how they are fitted is told in `spectrakit.training`."""
