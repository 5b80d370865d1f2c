"""Samples of every depth that PNG and TIFF store, brought to uint8, uint16 or float32.

Pillow cuts 16-bit colour to 8 bits without a word, so these two formats never pass through it.
"""

import logging

import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.colour import bands, grey_to_rgb, to_unit
from serpent_cli.imaging.orientation import upright_view
from serpent_cli.imaging.picture import MAX_VALUES, Samples

# Both report oddities of a file through logging; with no handler at all they would reach stderr.
for _name in ("tifffile", "imagecodecs"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


def normalise(samples: Samples, bits: int, name: str) -> Samples:
    """Bring decoded samples to one of the three depths of a Picture.

    Integers of 1 to 8 bits become uint8 and of 9 to 16 bits uint16, stretched to the full range.
    float32 is passed on: `clip_to_unit` has seen to it.

    Args:
        samples: As decoded, any shape.
        bits: Bits per sample in the file.
        name: How the user calls the picture.

    Raises:
        PictureError: Signed or wider integers, complex values.
    """
    kind = samples.dtype.kind
    if samples.dtype == np.float32:
        return samples
    if kind == "b":
        return samples.astype(np.uint8) * np.uint8(255)
    if kind != "u" or bits > 16:
        what = {"u": "unsigned integers", "i": "signed integers"}.get(kind, "numbers")
        raise PictureError(
            f"cannot read {name}: it holds {bits}-bit {what}, with no agreed value for white",
            "Convert it to 16-bit unsigned or to float in the range 0 to 1 first",
        )
    dtype = np.dtype(np.uint8 if bits <= 8 else np.uint16)
    top, wanted = (1 << bits) - 1, int(MAX_VALUES[dtype.name])
    if top == wanted:
        return samples.astype(dtype, copy=False)
    stretched = np.empty(samples.shape, dtype)
    for band in bands(samples.shape[0], samples[0].size):
        stretched[band] = (samples[band].astype(np.uint32) * wanted + top // 2) // top
    return stretched


def clip_to_unit(samples: Samples, name: str) -> tuple[Samples, int]:
    """Bring float samples to float32 in [0, 1].

    Args:
        samples: Floats of any width and shape; float32 ones are changed in place.
        name: How the user calls the picture.

    Returns:
        The samples, and how many of them lay outside.

    Raises:
        PictureError: Some are not finite.
    """
    values = np.require(samples, np.float32, ["C", "W"])
    outside = 0
    for band in bands(values.shape[0], values[0].size):
        part = values[band]
        if not np.isfinite(part).all():
            raise PictureError(
                f"cannot read {name}: it holds values that are not finite (NaN or infinity)",
                "Replace them in the program that made the picture",
            )
        outside += int(np.count_nonzero((part < 0) | (part > 1)))
        np.clip(part, 0, 1, out=part)
    return values, outside


def clipping_notes(outside: int, size: int, name: str) -> tuple[str, ...]:
    """Say how many of a picture's `size` float samples were clipped.

    Raises:
        PictureError: Most of them.
    """
    if outside * 2 > size:
        raise PictureError(
            f"cannot read {name}: most of its float values lie outside the range 0 to 1",
            "Scale the values to the range 0 to 1 first",
        )
    return (f"{outside} float values outside the range 0 to 1 were clipped",) if outside else ()


def split_channels(samples: Samples, orientation: int) -> tuple[Samples, Samples | None, bool]:
    """Sort decoded channels into colour and alpha, upright.

    Args:
        samples: (h, w) or (h, w, 1) grey, (h, w, 2) grey and alpha, (h, w, 3) or (h, w, 4).
        orientation: EXIF orientation still to be applied.

    Returns:
        Pixels (H, W, 3), alpha (H, W) or None, and whether the file is grey.
    """
    upright = upright_view(samples, orientation)
    if upright.ndim == 2:
        return grey_to_rgb(upright), None, True
    channels = upright.shape[2]
    alpha = np.ascontiguousarray(upright[..., -1]) if channels in (2, 4) else None
    if channels < 3:
        return grey_to_rgb(upright[..., 0]), alpha, True
    return np.ascontiguousarray(upright[..., :3]), alpha, False


def unpremultiply(samples: Samples) -> Samples:
    """Divide colours by the last channel, alpha; colours under alpha 0 become 0.

    Args:
        samples: (H, W, C), uint8, uint16 or float32; the last channel is alpha.

    Returns:
        The same shape and dtype.
    """
    result = np.empty_like(samples)
    top = np.float32(MAX_VALUES[samples.dtype.name])
    for band in bands(samples.shape[0], samples[0].size):
        unit = to_unit(samples[band])
        colour = np.divide(
            unit[..., :-1],
            unit[..., -1:],
            out=np.zeros_like(unit[..., :-1]),
            where=unit[..., -1:] > 0,
        )
        colour = np.minimum(colour, 1) * top
        result[band, :, :-1] = colour if samples.dtype == np.float32 else np.rint(colour)
    result[..., -1] = samples[..., -1]
    return result
