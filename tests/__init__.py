"""Tests, and the endurance runs: python -m tests.endurance."""
