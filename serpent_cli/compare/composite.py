"""Three bands of a cube as a colour picture, before and after stretched alike."""

import numpy as np
from numpy.typing import NDArray

from serpent_cli.cubes.cube import Cube, release
from serpent_cli.imaging.picture import Picture

COLOURS = (650.0, 550.0, 450.0)
"""Nanometres of what is shown red, green and blue."""

FARTHEST = 50.0
"""Nanometres: a band that is farther away has another colour."""

CUT = 0.01
"""Share of the samples of a band that is shown black, and share that is shown full."""

SAMPLED = 1_000_000
"""About how many samples of a band that is measured on."""

Bands = tuple[int, int, int]
Floats = NDArray[np.float32]


def visible_bands(wavelengths: tuple[float, ...] | None) -> Bands | None:
    """The bands nearest to red, green and blue; None where these are not three of their colours.

    >>> visible_bands((400.0, 460.0, 540.0, 610.0, 660.0, 900.0))
    (4, 2, 1)
    """
    if wavelengths is None:
        return None
    apart = np.abs(np.subtract.outer(COLOURS, wavelengths))
    if not bool((apart.min(1) <= FARTHEST).all()):
        return None
    red, green, blue = (int(each) for each in apart.argmin(1))
    return (red, green, blue) if len({red, green, blue}) == 3 else None


def spread_bands(count: int) -> Bands:
    """The middle bands of the last, the middle and the first third.

    >>> spread_bands(31)
    (25, 15, 5)
    """
    return 5 * count // 6, count // 2, count // 6


def composites(before: Cube, after: Cube, bands: Bands) -> tuple[Picture, Picture]:
    """Show three bands of both cubes, which have one shape, in 8 bits.

    Each band is stretched by the samples of both cubes, so that equal samples look equal. What has
    no data in one of the bands is transparent.
    """
    shown = [np.empty((*cube.shape[1:], 3), np.uint8) for cube in (before, after)]
    there = [np.ones(cube.shape[1:], np.bool_) for cube in (before, after)]
    for channel, band in enumerate(bands):
        planes = [_plane(cube, band) for cube in (before, after)]
        low, high = _range(planes)
        for pixels, known, plane in zip(shown, there, planes, strict=True):
            known &= np.isfinite(plane)
            # Without a difference in the band there is nothing to be seen in it.
            share = (plane - low) / (high - low) if high > low else np.zeros_like(plane)
            pixels[..., channel] = np.rint(np.clip(np.nan_to_num(share), 0, 1) * 255)
    first, second = (
        Picture(pixels, None if known.all() else known.astype(np.uint8) * np.uint8(255))
        for pixels, known in zip(shown, there, strict=True)
    )
    return first, second


def _plane(cube: Cube, band: int) -> Floats:
    plane = cube.window(slice(None), slice(None), slice(band, band + 1))[0]
    release(cube.planes)
    return plane


def _range(planes: list[Floats]) -> tuple[np.float32, np.float32]:
    """The samples that are shown black and full."""
    step = -(-planes[0].size // SAMPLED)
    values = np.concatenate([plane.ravel()[::step] for plane in planes])
    values = values[np.isfinite(values)]
    if not len(values):
        return np.float32(0), np.float32(0)
    low, high = (np.float32(each) for each in np.quantile(values, (CUT, 1 - CUT)))
    if low == high:  # a few bright pixels on one level
        low, high = values.min(), values.max()
    return low, high
