"""Scores of the same `Restorer` that a user runs."""
