"""The orders in which SSUMamba's scans visit a cube (arXiv 2405.01726): three axes and snakes.

An order such as `wth` names the axes from the slowest to the fastest. Within it the path is a snake
in three dimensions: every second row runs backwards, and every second slice from its last row to
its first, so that each step is to a neighbour. A slice is turned before its rows are, hence all
rows of all slices in their order are one snake of two dimensions.
"""

from torch import Tensor

from serpent_cli.ops.cross_scan.paths import from_sequence, to_sequence

ORDERS = ("thw", "wth", "twh", "hwt", "wht", "htw")
"""Of SSUMamba's six layers, one after the other."""


def to_order(x: Tensor, order: str) -> Tensor:
    """Put the places of a cube (B, T, H, W, C) in a row: (B, T·H·W, C)."""
    slices = x.permute(0, *("bthw".index(axis) for axis in order), 4)
    return to_sequence(_turned(slices).flatten(1, 2), "row_snake")


def from_order(sequence: Tensor, order: str, shape: tuple[int, int, int]) -> Tensor:
    """Put (B, T·H·W, C) back into a cube (B, T, H, W, C) of `shape` (T, H, W)."""
    sizes = dict(zip("thw", shape, strict=True))
    slow, middle, fast = (sizes[axis] for axis in order)
    rows = from_sequence(sequence, "row_snake", slow * middle, fast)
    slices = _turned(rows.unflatten(1, (slow, middle)))
    return slices.permute(0, *(1 + order.index(axis) for axis in "thw"), 4)


def _turned(slices: Tensor) -> Tensor:
    """Every second slice of (B, slices, rows, ...) upside down; its own inverse."""
    turned = slices.clone()
    turned[:, 1::2] = slices[:, 1::2].flip(2)
    return turned
