"""Weights: their cards, where they lie, and how they become a network."""
