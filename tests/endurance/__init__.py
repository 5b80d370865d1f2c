"""Endurance: what must hold over thousands of files, kills and changes. See `__main__`."""
