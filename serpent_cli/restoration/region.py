"""Regions: the part of a picture that restoring a region needs."""

import dataclasses

from serpent_cli.errors import UsageError
from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.plan import Costs
from serpent_cli.tiling.grid import rounded_up

Region = tuple[int, int, int, int]
"""(x, y, w, h): left, top, columns and rows, in pixels of the input."""

REGION_CONTEXT = 128
"""Most input pixels restored around a region: what lies farther hardly changes it."""


def region_part(height: int, width: int, region: Region, costs: Costs) -> tuple[Region, Region]:
    """Find what to restore for a region.

    Args:
        height: Rows of the picture.
        width: Its columns.
        region: What is wanted.
        costs: The network's grid and margin.

    Returns:
        The part of the picture to restore, and the region's place in that part.

    Raises:
        UsageError: The region does not lie inside the picture.
    """
    x, y, w, h = region
    if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
        raise UsageError(
            f"the region {x},{y},{w},{h} does not lie in the {width} x {height} picture",
            hint="--region takes x,y,width,height in pixels of the input",
        )
    multiple, margin = costs.multiple, min(costs.margin, REGION_CONTEXT)
    # The part lies on the network's grid, so that it sees what it would see in the whole.
    left, top = (max(0, v - margin) // multiple * multiple for v in (x, y))
    right = min(width, rounded_up(x + w + margin, multiple))
    bottom = min(height, rounded_up(y + h + margin, multiple))
    return (left, top, right - left, bottom - top), (x - left, y - top, w, h)


def cut(picture: Picture, part: Region) -> Picture:
    """That part of a picture; shares its memory."""
    left, top, w, h = part
    window = slice(top, top + h), slice(left, left + w)
    alpha = None if picture.alpha is None else picture.alpha[window]
    return dataclasses.replace(picture, pixels=picture.pixels[window], alpha=alpha)
