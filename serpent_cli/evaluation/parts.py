"""Parts of the frame: where a case blurs, and where its result is measured.

A part is a mask (H, W), True inside; its edge is hard. Inside, a photograph that is blurred in one
part equals the one blurred all over, pixel for pixel and noise included. So both sides are measured
up to the edge, and no strip along it is left out.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]

SHARP_SIDE = 0.4  # of the frame's, along each axis: 16 % of its area


def half(height: int, width: int) -> Mask:
    """The left half; the middle column of an odd width lies outside.

    >>> half(1, 5).tolist()
    [[True, True, False, False, False]]
    """
    return np.broadcast_to(np.arange(width) < width // 2, (height, width)).copy()


def rim(height: int, width: int) -> Mask:
    """All but a centred rectangle of 16 % of the area."""
    return ~_centred(height, width, *(round(SHARP_SIDE * side) for side in (height, width)))


def inner(height: int, width: int, border: int) -> Mask:
    """All but `border` pixels at each side."""
    return _centred(height, width, height - 2 * border, width - 2 * border)


def _centred(height: int, width: int, rows: int, columns: int) -> Mask:
    mask = np.zeros((height, width), bool)
    top, left = (height - rows) // 2, (width - columns) // 2
    mask[top : top + rows, left : left + columns] = True
    return mask


PARTS: dict[str, Callable[[int, int], Mask]] = {"half": half, "rim": rim}
"""The parts that suites blur, by name: mask of a height and a width."""
