"""How each file of `data/` was made: tables, weights and recorded runs."""
