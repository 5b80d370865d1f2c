"""How far two pictures of one size lie apart."""

import math

import numpy as np
from numpy.typing import NDArray

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.picture import Picture


def psnr(before: Picture, after: Picture) -> float:
    """Peak signal-to-noise ratio between two pictures in their own depths, in dB; inf if equal.

    Where a picture is transparent its colours count as much as they are seen: what lies under
    full transparency is arbitrary.

    Raises:
        ValueError: Their sizes differ.
    """
    if before.pixels.shape != after.pixels.shape:
        raise ValueError(f"cannot compare {before.pixels.shape} with {after.pixels.shape}")
    total = 0.0
    for band in bands(before.height, before.width * 3):
        difference = _seen(before, band) - _seen(after, band)
        total += float(np.square(difference, out=difference).sum())
    return math.inf if total == 0 else 10 * math.log10(before.pixels.size / total)


def _seen(picture: Picture, band: slice) -> NDArray[np.float64]:
    colours = to_unit(picture.pixels[band]).astype(np.float64)
    if picture.alpha is not None:
        colours *= to_unit(picture.alpha[band])[..., None]
    return colours
