"""TIFF in every depth: decoded by tifffile, made into colours here.

Sources: TIFF 6.0; Adobe Photoshop TIFF Technical Notes for extra samples.
"""

from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import tifffile

from serpent_cli.errors import PictureError
from serpent_cli.imaging.cmyk import cmyk_to_srgb
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.damage import decoder
from serpent_cli.imaging.deep import normalise, split_channels, unpremultiply
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.tiff_metadata import page_notes, read_metadata
from serpent_cli.imaging.tiff_page import (
    CMYK,
    COLOUR_SAMPLES,
    CONVERT,
    PALETTE,
    WHITE_IS_ZERO,
    Page,
    check_page,
)

_PREMULTIPLIED, _STRAIGHT = 1, 2


def read_tiff(stream: BinaryIO, tiff: tifffile.TiffFile, page: Page, name: str) -> Picture:
    """Decode the first page of a TIFF of any depth.

    Args:
        stream: The whole file, seekable; the one that `tiff` reads.
        tiff: The opened file.
        page: Its first page.
        name: How the user calls the picture.

    Returns:
        uint8, uint16 or float32 pixels; CMYK becomes sRGB.

    Raises:
        PictureError: A colour space or depth that has no agreed meaning as a photograph.
        DamageError: The file is truncated or damaged.
    """
    metadata = read_metadata(stream, page)
    notes = page_notes(tiff)
    check_page(stream, page, name)
    with decoder():
        samples = page.raw.asarray(squeeze=False).reshape(page.raw.shaped)
        # (planes, depth, h, w, samples): one of the two sample axes has length 1.
        samples = samples[0, 0] if page.planes == 1 else np.moveaxis(samples[:, 0, ..., 0], 0, 2)
    samples, more = interpret(page, samples, metadata.icc, name)
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    return finished(page, metadata).picture(
        pixels, alpha, grey, format="TIFF", notes=notes + more, bits=fewer_bits(page, pixels.dtype)
    )


def finished(page: Page, metadata: Metadata) -> Metadata:
    """The metadata of what `interpret` makes of a page: CMYK becomes sRGB."""
    return replace(metadata, icc=None) if page.photometric == CMYK else metadata


def fewer_bits(page: Page, dtype: np.dtype[Any]) -> int:
    """`Picture.bits` of what `interpret` makes of a page: what it has of the 16 bits."""
    bits = page.bits or 0
    told = page.photometric not in (PALETTE, CMYK) and dtype == np.uint16
    return bits if told and 8 < bits < 16 else 0


def interpret(
    page: Page, samples: Samples, icc: bytes | None, name: str
) -> tuple[Samples, tuple[str, ...]]:
    """Make decoded rows of a page what a `Picture` holds; every row stands for itself.

    Args:
        page: A page that `check_page` accepts.
        samples: (h, w, samples) as stored.
        icc: The page's profile.
        name: How the user calls the picture.

    Returns:
        (h, w) or (h, w, 1..4) in one of the three depths, straight alpha, and what changed.

    Raises:
        PictureError: A depth that has no agreed white, or a palette that is missing.
    """
    warnings: tuple[str, ...] = ()
    colours = COLOUR_SAMPLES[page.photometric]
    if page.photometric == PALETTE:
        plain = _apply_palette(page, samples[..., 0], icc, name)
        beside = samples[..., 1:]
    else:
        samples, warnings = normalise(samples, page.bits or 8, name)
        plain, beside = samples[..., :colours], samples[..., colours:]
    if page.photometric == WHITE_IS_ZERO:
        top = np.array(1 if plain.dtype == np.float32 else np.iinfo(plain.dtype).max)
        plain = top.astype(plain.dtype) - plain
    if page.photometric == CMYK:
        plain, sentence = cmyk_to_srgb(plain, icc)
        warnings += (sentence,)
    if not beside.shape[-1]:
        return plain, warnings
    kind, note = _meaning(page, beside.shape[-1])
    if kind in (_PREMULTIPLIED, _STRAIGHT):
        plain = _with_alpha(page, plain, beside[..., 0], name)
        plain = unpremultiply(plain) if kind == _PREMULTIPLIED else plain
    return plain, warnings + note


def _meaning(page: Page, count: int) -> tuple[int, tuple[str, ...]]:
    """What the first of the samples beside the colours is, and what to say."""
    if not page.extra and count == 1:
        # So do libtiff, libvips and OpenImageIO.
        note = "Its last channel, of which the file does not say what it is, was taken as alpha"
        return _STRAIGHT, (note,)
    kind = page.extra[0] if page.extra else 0
    dropped = count - (kind in (_PREMULTIPLIED, _STRAIGHT))
    note = f"{dropped} extra channel(s) beside the colours were left out"
    return kind, (note,) if dropped else ()


def _with_alpha(page: Page, colours: Samples, alpha: Samples, name: str) -> Samples:
    """Put alpha, stored like the indices of a palette or in the depth of colours, beside them."""
    if page.photometric == PALETTE:
        alpha, _ = normalise(alpha, page.bits or 8, name)
    alpha = to_depth(alpha, colours.dtype)[..., None]
    colours = colours[..., None] if colours.ndim == 2 else colours
    return np.concatenate([colours, alpha], axis=2)


def _apply_palette(page: Page, indices: Samples, icc: bytes | None, name: str) -> Samples:
    colours = page.palette()
    if colours is None:
        raise PictureError(f"cannot read {name}: its palette is missing", CONVERT)
    # Entries are 16 bits by the standard; some writers store 8 bits there, most fill them up.
    if colours.max() <= 255:
        table = colours.astype(np.uint8)
    elif not (colours % 257).any() or not (colours & 255).any():
        table = (colours >> 8).astype(np.uint8)
    else:
        table = colours.astype(np.uint16)
    grey = icc is None and bool((table == table[:1]).all())
    with decoder():  # an index beyond the palette
        indices = indices.astype(np.intp)
        return table[0][indices] if grey else np.ascontiguousarray(table.T)[indices]
