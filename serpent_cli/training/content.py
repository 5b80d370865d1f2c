"""What photographs alone do not teach: flat, saturated colours, and frames of one colour."""

import torch
from torch import Tensor

from serpent_cli.degrade.draws import below

AREAS = 4  # flat areas in one crop, at most


def with_flat_parts(
    crops: Tensor, flat_share: float, frame_share: float, generator: torch.Generator
) -> Tensor:
    """Make some crops flat areas alone, and put others into a frame of one colour.

    Args:
        crops: uint8 (B, 3, H, W); not changed.
        flat_share: Share of crops that become one to four flat areas.
        frame_share: Share of crops around which everything becomes one colour.
        generator: Draws which, where and what, on the CPU.
    """
    if not flat_share and not frame_share:
        return crops
    draw = torch.rand(len(crops), generator=generator).tolist()
    if min(draw) >= flat_share + frame_share:
        return crops
    crops = crops.clone()
    for crop, chance in zip(crops, draw, strict=True):
        if chance < flat_share:
            crop[:] = _colour(generator).to(crop.device)
            for _ in range(below(AREAS, generator)):
                _box(crop, generator)[:] = _colour(generator).to(crop.device)
        elif chance < flat_share + frame_share:
            kept = _box(crop, generator)
            inner = kept.clone()
            crop[:] = _colour(generator).to(crop.device)
            kept[:] = inner
    return crops


def _box(crop: Tensor, generator: torch.Generator) -> Tensor:
    """A random rectangle of (3, H, W), as a view; often as wide or as high as it."""
    for axis in (1, 2):
        side = crop.shape[axis]
        # A frame leaves out one border or two, seldom all four.
        first = 0 if below(2, generator) else below(side, generator)
        last = side if below(2, generator) else first + 1 + below(side - first, generator)
        crop = crop.narrow(axis, first, last - first)
    return crop


def _colour(generator: torch.Generator) -> Tensor:
    """A colour (3, 1, 1): half of the time each primary is all or nothing, else anything."""
    levels = torch.randint(256, (3, 1, 1), generator=generator, dtype=torch.uint8)
    return (levels // 128) * 255 if below(2, generator) else levels
