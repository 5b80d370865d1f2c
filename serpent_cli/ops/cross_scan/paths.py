"""Scan paths: the orders in which a recurrence visits the pixels of a map.

`row` is row-major, `col` column-major; `row_snake` and `col_snake` turn at the end of every line
(boustrophedon, PlainMamba, arXiv 2403.17695); `_rev` is the exact reversal.
"""

import torch
from torch import Tensor

PATHS = tuple(
    name + reverse for reverse in ("", "_rev") for name in ("row", "col", "row_snake", "col_snake")
)


def check_path(path: str) -> None:
    """Refuse an unknown path.

    Raises:
        ValueError: With the names that exist.
    """
    if path not in PATHS:
        raise ValueError(f"unknown scan path {path!r}; the paths are {', '.join(PATHS)}")


def line_length(path: str, height: int, width: int) -> int:
    """Pixels of one line of the path: W for rows, H for columns."""
    return width if path.startswith("row") else height


def to_sequence(x: Tensor, path: str) -> Tensor:
    """Put the pixels of (B, H, W, ...) in path order: (B, L, ...)."""
    check_path(path)
    if path.startswith("col"):
        x = x.transpose(1, 2)
    if "snake" in path:
        x = _turn_odd_lines(x)
    sequence = x.flatten(1, 2)
    return sequence.flip(1) if path.endswith("_rev") else sequence


def from_sequence(sequence: Tensor, path: str, height: int, width: int) -> Tensor:
    """Put (B, L, ...) in path order back into (B, H, W, ...); the inverse of `to_sequence`."""
    check_path(path)
    if path.endswith("_rev"):
        sequence = sequence.flip(1)
    lines = (height, width) if path.startswith("row") else (width, height)
    x = sequence.unflatten(1, lines)
    if "snake" in path:
        x = _turn_odd_lines(x)
    return x.transpose(1, 2) if path.startswith("col") else x


def _turn_odd_lines(x: Tensor) -> Tensor:
    """Reverse every second line of (B, lines, length, ...); its own inverse."""
    odd = (torch.arange(x.shape[1], device=x.device) % 2).bool()
    odd = odd.view(1, -1, *([1] * (x.ndim - 2)))
    return torch.where(odd, x.flip(2), x)
