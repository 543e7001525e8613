"""Assignments for a class and their grading: a notebook of exercises by a seed, and points for what comes back."""

from tools.grading.assignment import assignment_notebook, write_assignment
from tools.grading.grades import grade

__all__ = ["assignment_notebook", "grade", "write_assignment"]
