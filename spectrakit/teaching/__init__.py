"""What only chapters need: plots, widgets, exercise checks."""
