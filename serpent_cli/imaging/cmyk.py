"""CMYK to sRGB, through the picture's own profile where it has one (littlecms)."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from serpent_cli.imaging.colour import bands, to_depth
from serpent_cli.imaging.picture import Samples

Converter = Callable[[Image.Image], Image.Image]


def cmyk_converter(icc: bytes | None) -> tuple[Converter, str]:
    """Choose how CMYK becomes sRGB.

    Args:
        icc: The file's CMYK profile, if it has one.

    Returns:
        A function from a CMYK image to an RGB image, and the sentence that tells the user.
    """
    if icc:
        # Pillow's stubs leave this one return type open.
        create: Callable[[str], Any] = getattr(ImageCms, "createProfile")  # noqa: B009
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(icc)),
                create("sRGB"),
                "CMYK",
                "RGB",
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            pass
        else:
            sentence = "CMYK was converted to sRGB through the picture's colour profile"
            return (lambda image: ImageCms.applyTransform(image, transform) or image), sentence
    sentence = "CMYK without a usable colour profile was converted to sRGB by the plain formula"
    return (lambda image: image.convert("RGB")), sentence


def cmyk_to_srgb(samples: Samples, icc: bytes | None) -> tuple[Samples, str]:
    """Convert samples.

    Args:
        samples: (h, w, 4), full ink at the largest value; deeper than 8 bits is rounded to 8.
        icc: The file's CMYK profile, if it has one.

    Returns:
        (h, w, 3) uint8, and the sentence that tells the user.
    """
    convert, sentence = cmyk_converter(icc)
    if samples.dtype != np.uint8:
        sentence += ", with 8 bits per channel"
    result = np.empty((*samples.shape[:2], 3), np.uint8)
    for band in bands(samples.shape[0], samples[0].size):
        part = np.ascontiguousarray(to_depth(samples[band], np.uint8))
        result[band] = np.asarray(convert(Image.fromarray(part, "CMYK")))
    return result, sentence
