"""`cross_scan`: selective scans over a token map along several paths, summed. See README.md."""

from serpent_cli.ops.cross_scan.operation import BACKENDS, cross_scan

__all__ = ["BACKENDS", "cross_scan"]
