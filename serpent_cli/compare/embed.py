"""The copies of pictures that the page carries: 8 bits, upright, as data: addresses.

PNG while the page stays of a reasonable size, because whoever looks for artefacts must not be shown
those of a second compression. Beyond that JPEG at quality 95 with full chroma: lossy WebP halves
the resolution of colour, which blurs just the coloured edges that one wants to compare.
"""

import base64
import io
from pathlib import PurePath

import numpy as np
from PIL import Image

from serpent_cli.compare.view import View
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import format_for
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.stored_samples import split_channels

THUMBNAIL = 160
"""Pixels along the longer side of a thumbnail."""


def as_uint8(picture: Picture) -> Picture:
    """Reduce a picture to what a browser shows: 8 bits, colour profile, no other metadata."""
    alpha = None if picture.alpha is None else to_depth(picture.alpha, np.uint8)
    return Picture(to_depth(picture.pixels, np.uint8), alpha, picture.grey, picture.icc)


def on_grid(picture: Picture, view: View) -> Picture:
    """Bring an 8-bit picture to the size of a view, bicubically; itself if it has that size."""
    return _resized(picture, view.height, view.width)


def thumbnail(picture: Picture) -> str:
    """A small copy of an 8-bit picture as a data: address."""
    share = min(1.0, THUMBNAIL / max(picture.height, picture.width))
    height, width = (max(1, round(side * share)) for side in (picture.height, picture.width))
    return data_address(_resized(picture, height, width), lossless=False)


def data_address(picture: Picture, *, lossless: bool) -> str:
    """Encode an 8-bit picture; one with transparency is PNG in any case, as JPEG has none."""
    exact = lossless or picture.alpha is not None
    target = format_for(PurePath("copy.png" if exact else "copy.jpg"))
    buffer = io.BytesIO()
    encode(picture, target, buffer)
    text = base64.b64encode(buffer.getbuffer()).decode("ascii")
    return f"data:{target.media_type};base64,{text}"


def _resized(picture: Picture, height: int, width: int) -> Picture:
    if (picture.height, picture.width) == (height, width):
        return picture
    # Pillow weighs colours by their alpha here, so that none bleeds out of transparent parts.
    image = Image.fromarray(picture.channels()).resize((width, height), Image.Resampling.BICUBIC)
    return Picture(*split_channels(np.asarray(image), 1), picture.icc)
