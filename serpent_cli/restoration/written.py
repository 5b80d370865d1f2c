"""What is said of a result that hardly differs from its input, judged on what is written."""

from typing import BinaryIO

import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.restoration.change import Change, RestoredPicture

LARGE = 2**25
"""Larger pictures, in pixels, are not decoded once more to see what their coding lost."""

LOSSY = ("JPEG", "WebP", "AVIF")
"""Formats, as `Picture.format` has them, that may lose something of a picture of their depth."""

_NOTHING = "the result does not differ from the input"


def as_written(warnings: tuple[str, ...], restored: Picture, encoded: BinaryIO) -> tuple[str, ...]:
    """Judge a result that hardly differs from its input anew, on what its file shows.

    Args:
        warnings: What there is to say of the result.
        restored: The result.
        encoded: The file, complete; its position stays.

    Returns:
        The warnings; that of the result tells what a lossy format changed.
    """
    hardly = restored.hardly if isinstance(restored, RestoredPicture) else None
    if hardly is None or hardly not in warnings:
        return warnings
    sentence = _judged(restored, encoded, hardly)
    return tuple(sentence if each == hardly else each for each in warnings)


def before_coding(hardly: str) -> str:
    """The sentence about a result whose file may differ by what a lossy format changes."""
    changed = hardly.replace(_NOTHING, "restoring changed nothing")
    return f"{changed}; what a lossy format changes is not counted"


def _judged(restored: Picture, encoded: BinaryIO, hardly: str) -> str:
    if restored.height * restored.width > LARGE:
        return before_coding(hardly)
    place = encoded.tell()
    try:
        written = read_picture(encoded)
    except PictureError:
        return hardly
    finally:
        encoded.seek(place)
    pixels = to_depth(written.pixels, restored.pixels.dtype)
    alike = pixels.shape == restored.pixels.shape and np.array_equal(pixels, restored.pixels)
    if written.format not in LOSSY or pixels.shape != restored.pixels.shape or alike:
        return hardly
    loss = Change()
    loss.add(restored.pixels, pixels)
    levels = loss.difference().mean_levels
    return (
        f"{hardly.replace(_NOTHING, 'restoring changed nothing')}; coding it as {written.format}"
        f" changed it by {levels:.1f} levels of 255 on average"
    )
