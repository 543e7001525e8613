"""How models are fitted: one network, or many small networks at once."""
