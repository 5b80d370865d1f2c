"""What is said of a result that hardly differs from its input, judged on what is written."""

import math
import sys
from collections.abc import Iterator
from typing import BinaryIO

from serpent_cli.errors import PictureError
from serpent_cli.imaging import formats
from serpent_cli.imaging.colour import bands, to_depth
from serpent_cli.imaging.encode import pixel_losses
from serpent_cli.imaging.formats import Format
from serpent_cli.imaging.formats.pillow import colour_rows
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.read import read_head, read_picture
from serpent_cli.restoration.difference import DifferenceMeter, RestoredPicture

SMALL = 2**25
"""Smaller pictures, in pixels, are always read once more."""

_NOTHING = "the result does not differ from the input"


def as_written(
    warnings: tuple[str, ...], restored: Picture, encoded: BinaryIO, room: float = math.inf
) -> tuple[str, ...]:
    """Judge a result that hardly differs from its input anew, on what its file shows.

    Args:
        warnings: What there is to say of the result.
        restored: The result.
        encoded: The file, complete; its position stays.
        room: Bytes that pictures may take.

    Returns:
        The warnings; that of the result tells what a lossy format changed.
    """
    hardly = restored.hardly if isinstance(restored, RestoredPicture) else None
    if hardly is None or hardly not in warnings:
        return warnings
    sentence = judged(restored, encoded, hardly, room)
    return tuple(sentence if each == hardly else each for each in warnings)


def judged(restored: Picture, encoded: BinaryIO, hardly: str, room: float = math.inf) -> str:
    """The sentence about a result that hardly differs from its input, once its file is known.

    Args:
        restored: The result.
        encoded: The file, complete; its position stays.
        hardly: The sentence before.
        room: Bytes that pictures may take.
    """
    place = encoded.tell()
    encoded.seek(0)
    try:
        coded = formats.sniff(read_head(encoded, "the result"), "the result")
        lossy = coded.quality is not None
        loss = _loss(restored, encoded, coded, room) if lossy else None
    except PictureError:
        return hardly
    finally:
        encoded.seek(place)
    changed = hardly.replace(_NOTHING, "restoring changed nothing")
    if not lossy:
        # What such a format cannot hold is told beside it; but then the result does differ.
        return changed if coded.suffixes and pixel_losses(restored, coded) else hardly
    if loss is not None and math.isinf(loss.likeness):
        return hardly
    if loss is None:
        return (
            f"{changed}; what coding it as {coded.name} changed is not known: to read it once more"
            " takes more memory than there is"
        )
    levels = loss.difference().mean_levels
    return (
        f"{changed}; coding it as {coded.name} changed it by {levels:.1f} levels of 255 on average"
    )


def _loss(
    restored: Picture, encoded: BinaryIO, coded: Format, room: float
) -> DifferenceMeter | None:
    """What coding changed; None if there is no memory to see it."""
    loss = DifferenceMeter()
    pixels = restored.height * restored.width
    if pixels > SMALL and restored.nbytes + coded.decoding_bytes * pixels > room:
        return None
    for rows, samples in _read_again(encoded, coded.name, restored.height):
        given = restored.pixels[rows]
        if samples.shape != given.shape:  # nothing can be said
            raise PictureError("the file is not the result")
        loss.add(given, to_depth(samples, given.dtype))
    return loss


def _read_again(encoded: BinaryIO, name: str, height: int) -> Iterator[tuple[slice, Samples]]:
    if name == "JPEG":
        yield from colour_rows(encoded)
        return
    written = read_picture(encoded, max_pixels=sys.maxsize).pixels
    for rows in bands(height, written[0].size):
        yield rows, written[rows]
