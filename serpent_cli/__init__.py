"""Restore photographs with selective state spaces; importing this loads neither torch nor rich."""

__version__ = "0.1.0"
