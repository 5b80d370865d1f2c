"""The version of the program; apart, so that no layer imports the whole package for it."""

__version__ = "0.1.0"
