"""Encoding a picture for a format, and saying what the format could not keep."""

import io
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.formats import Format
from serpent_cli.imaging.metadata import Metadata, fit_exif, fit_xmp, take_orientation
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.png import write_png
from serpent_cli.imaging.tiff_write import write_tiff

_DEPTHS = ("uint8", "uint16", "float32")
_DEPTH_NAMES = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}
_CARRIED = {
    "icc": "the colour profile",
    "exif": "EXIF",
    "xmp": "XMP",
    "dpi": "the resolution (DPI)",
}
# One JPEG segment holds 65 533 bytes, less the name that opens it.
_JPEG_LIMITS = {"exif": 65533 - 6, "xmp": 65533 - 29}
_PILLOW: dict[str, tuple[str, dict[str, Any]]] = {
    # Without "optimize": it needs the whole file in one buffer, which Pillow guesses too small
    # for noisy pictures without chroma subsampling.
    "JPEG": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    "WebP": ("WEBP", {"quality": 95, "method": 4, "exact": True}),
    "AVIF": ("AVIF", {"quality": 90, "subsampling": "4:4:4"}),
    "JPEG 2000": ("JPEG2000", {}),
    "BMP": ("BMP", {}),
}
_COLOUR_ONLY = ("WebP", "AVIF")


def encode(picture: Picture, target: Format, stream: BinaryIO) -> tuple[str, ...]:
    """Write a picture in a format.

    JPEG is written at quality 95 without chroma subsampling, WebP at 95, AVIF at 90; the others
    are lossless. Sizes that EXIF and XMP repeat are set to those of the picture.

    Args:
        picture: Any depth.
        target: One of `formats.WRITABLE`.
        stream: A new file, opened for reading and writing.

    Returns:
        One sentence for each thing that the format cannot hold.

    Raises:
        PictureError: The picture has more pixels on a side than the format allows.
        OSError, RuntimeError, ValueError: The disk or the encoder fails.
    """
    if max(picture.height, picture.width) > target.max_side:
        raise PictureError(
            f"{target.name} holds at most {target.max_side} pixels per side, and the picture is"
            f" {picture.width}x{picture.height}",
            "Write it as PNG or TIFF",
        )
    metadata, notes = _kept_metadata(picture, target)
    notes = _pixel_losses(picture, target) + notes
    if target.name == "PNG":
        write_png(picture, metadata, stream)
    elif target.name == "TIFF":
        notes += write_tiff(picture, metadata, stream)
    else:
        _write_pillow(picture, target, metadata, stream)
    return notes


def _pixel_losses(picture: Picture, target: Format) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    have = picture.pixels.dtype.name
    if _DEPTHS.index(have) > _DEPTHS.index(target.deepest):
        notes += (
            f"{target.name} holds {_DEPTH_NAMES[target.deepest]} samples at most:"
            f" the {_DEPTH_NAMES[have]} picture was rounded",
        )
    if picture.alpha is not None and not target.alpha:
        notes += (f"{target.name} cannot hold transparency: the alpha channel was left out",)
    return notes


def _kept_metadata(picture: Picture, target: Format) -> tuple[Metadata, tuple[str, ...]]:
    height, width = picture.height, picture.width
    taken = take_orientation(exif=picture.exif or None)
    values: dict[str, Any] = {
        "icc": picture.icc,
        "exif": fit_exif(taken.exif, height, width) if taken.exif else None,
        "xmp": fit_xmp(picture.xmp, height, width) if picture.xmp else None,
        "dpi": picture.dpi,
    }
    notes = taken.warnings
    for key, value in values.items():
        if value is None:
            continue
        too_long = target.name == "JPEG" and key in _JPEG_LIMITS and len(value) > _JPEG_LIMITS[key]
        if key not in target.carries:
            notes += (f"{target.name} cannot hold {_CARRIED[key]}: it was left out",)
        elif too_long:
            notes += (f"{_CARRIED[key]} is too long for JPEG and was left out",)
        if key not in target.carries or too_long:
            values[key] = None
    return Metadata(**values), notes


def _write_pillow(picture: Picture, target: Format, metadata: Metadata, stream: BinaryIO) -> None:
    if not target.alpha and picture.alpha is not None:
        picture = Picture(picture.pixels, grey=picture.grey)
    if target.name in _COLOUR_ONLY and picture.grey:
        picture = Picture(picture.pixels, picture.alpha)
    image = Image.fromarray(to_depth(picture.channels(), np.uint8))
    encoder, options = _PILLOW[target.name]
    exif = metadata.exif
    if exif and target.name == "JPEG":
        exif = b"Exif\0\0" + exif
    carried = {"icc_profile": metadata.icc, "exif": exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    options = options | {key: value for key, value in carried.items() if value is not None}
    # Through memory: Pillow hides the reason when its own writing to a file fails.
    buffer = io.BytesIO()
    image.save(buffer, encoder, **options)
    stream.write(buffer.getbuffer())
