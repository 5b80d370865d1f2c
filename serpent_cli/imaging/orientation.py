"""The eight EXIF orientations as views: nothing is copied until someone writes through them.

Source: Exif 2.32, tag 0x0112. Orientation n tells how the stored rows lie in the upright picture.
"""

from typing import TypeVar

import numpy as np

from serpent_cli.imaging.picture import Samples

Number = TypeVar("Number", int, float)
_SWAPPED = (5, 6, 7, 8)


def upright_view(stored: Samples, orientation: int) -> Samples:
    """Look at stored samples the right way up.

    Args:
        stored: (h, w) or (h, w, C).
        orientation: EXIF value; anything outside 1 to 8 means 1.

    Returns:
        A view of (H, W[, C]); 5 to 8 swap height and width.
    """
    if orientation in _SWAPPED:
        stored = np.swapaxes(stored, 0, 1)
    if orientation in (3, 4, 7, 8):
        stored = stored[::-1]
    if orientation in (2, 3, 6, 7):
        stored = stored[:, ::-1]
    return stored


def stored_view(upright: Samples, orientation: int) -> Samples:
    """Look at an upright array in the order of the file, so that strips can be written into it.

    Args:
        upright: (H, W) or (H, W, C).
        orientation: EXIF value of the file.

    Returns:
        A view; the inverse of `upright_view`.
    """
    return upright_view(upright, {6: 8, 8: 6}.get(orientation, orientation))


def upright_size(height: Number, width: Number, orientation: int) -> tuple[Number, Number]:
    """Give (height, width) of the upright picture from those of the stored one, in any order."""
    return (width, height) if orientation in _SWAPPED else (height, width)
