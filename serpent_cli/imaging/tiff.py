"""TIFF in every depth: tifffile for the pixels, our own directories for EXIF.

Sources: TIFF 6.0; Adobe Photoshop TIFF Technical Notes for extra samples; EXIF 2.32.
"""

import struct
from dataclasses import replace
from typing import BinaryIO, Literal

import numpy as np
import tifffile

from serpent_cli.errors import PictureError
from serpent_cli.imaging.cmyk import cmyk_to_srgb
from serpent_cli.imaging.deep import normalise, split_channels, unpremultiply
from serpent_cli.imaging.lzw import check_lzw
from serpent_cli.imaging.metadata import (
    Metadata,
    exif_from_tiff,
    take_orientation,
    upright_dpi,
)
from serpent_cli.imaging.picture import Picture, Samples

_ORIENTATION, _XMP, _ICC, _IPTC, _DNG_VERSION = 274, 700, 34675, 33723, 50706
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 282, 283, 296
_INCHES_PER_UNIT = {2: 1.0, 3: 1 / 2.54}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOUR_SAMPLES = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
# Size, samples, compression, strips, tiles, palette: what decides how pixels are decoded.
_LAYOUT_TAGS = frozenset(
    {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(320, 326), 338, 339, 347}
)
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_RAW_PHOTOMETRICS = (32803, 34892)
_PREMULTIPLIED, _STRAIGHT = 1, 2
_LZW, _JPEG_COMPRESSIONS = 5, (6, 7)
_MAX_TILE = 1 << 22
_LOOKED_INTO, _MAX_CHANNELS = 100, 32
_CONVERT = "Save it as RGB or greyscale TIFF first"


def first_page(tiff: tifffile.TiffFile, name: str) -> tifffile.TiffPage:
    """Open the first page's directory, and refuse camera files.

    Raises:
        PictureError: Raw sensor data.
        EOFError: No directory in reach.
    """
    if not len(tiff.pages):
        raise EOFError("TIFF directory cut off")
    page = tiff.pages.first
    if page.tags.get(_DNG_VERSION) is not None or int(page.photometric or 0) in _RAW_PHOTOMETRICS:
        raise PictureError(
            f"cannot read {name}: it is a camera raw file, which must be developed first",
            "Develop it to a 16-bit TIFF or PNG with a raw converter first",
        )
    return page


def read_tiff(stream: BinaryIO, tiff: tifffile.TiffFile, name: str) -> Picture:
    """Decode the first page of a TIFF of any depth.

    Args:
        stream: The whole file, seekable; the one that `tiff` reads.
        tiff: The opened file.
        name: How the user calls the picture.

    Returns:
        uint8, uint16 or float32 pixels; CMYK becomes sRGB.

    Raises:
        PictureError: A colour space or depth that has no agreed meaning as a photograph.
        EOFError, ValueError, RuntimeError: The file is truncated or damaged.
    """
    page = first_page(tiff, name)
    metadata = read_metadata(stream, page)
    notes = metadata.warnings + page_notes(tiff)
    check_tags(stream, tiff, page)
    check_segments(stream, page)
    check_colours(page, name)
    samples = page.asarray(squeeze=False).reshape(page.shaped)
    # (planes, depth, h, w, samples): one of the two sample axes has length 1.
    samples = samples[0, 0] if page.shaped[0] == 1 else np.moveaxis(samples[:, 0, ..., 0], 0, 2)
    samples, more = interpret(page, samples, metadata.icc, name)
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    return Picture(
        pixels,
        alpha,
        grey,
        fitting_profile(page, metadata),
        metadata.exif,
        metadata.xmp,
        metadata.dpi,
        "TIFF",
        notes + more,
    )


def page_notes(tiff: tifffile.TiffFile) -> tuple[str, ...]:
    """Say that there are more pages than the one that is read."""
    pages = len(tiff.pages)
    # Reduced copies are no pages; to look into a great many for them would take minutes.
    if pages <= _LOOKED_INTO:
        pages = sum(1 for each in tiff.pages if not each.aspage().is_reduced)
    return (f"Only the first of {pages} pages was read",) if pages > 1 else ()


def fitting_profile(page: tifffile.TiffPage, metadata: Metadata) -> bytes | None:
    """The profile of what `interpret` makes of a page; none for CMYK, which becomes sRGB."""
    return None if int(page.photometric or 0) == _CMYK else metadata.icc


def check_tags(stream: BinaryIO, tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Find layout tags that lie out of reach: tifffile leaves them out and takes defaults."""
    head, entry = (8, 20) if tiff.is_bigtiff else (2, 12)
    stream.seek(page.offset)
    count = int.from_bytes(stream.read(head), _ENDIAN[tiff.byteorder])
    table = stream.read(entry * count)
    if len(table) < entry * count:
        raise EOFError("TIFF directory cut off")
    for at in range(0, len(table), entry):
        code = int.from_bytes(table[at : at + 2], _ENDIAN[tiff.byteorder])
        if code in _LAYOUT_TAGS and page.tags.get(code) is None:
            raise EOFError("TIFF tag cut off")


def check_segments(stream: BinaryIO, page: tifffile.TiffPage) -> None:
    """Find what no decoder must be given.

    Some of them pad pixel data that are missing, make room for a tile of any size, and die of
    certain LZW data.

    Raises:
        EOFError: Pixel data lie beyond the end of the file.
        ValueError: The tiles or the LZW data are damaged.
    """
    size = stream.seek(0, 2)
    ends = [
        offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    ]
    if not ends or 0 in page.databytecounts or max(ends) > size:
        raise EOFError("TIFF pixel data cut off")
    if page.is_tiled and page.tilewidth * page.tilelength > _MAX_TILE + 4 * _pixels(page):
        raise ValueError("TIFF tiles far larger than the picture")
    if int(page.compression) == _LZW:
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
            stream.seek(offset)
            check_lzw(stream.read(count))


def _pixels(page: tifffile.TiffPage) -> int:
    return page.imagewidth * page.imagelength


def check_colours(page: tifffile.TiffPage, name: str) -> None:
    """Refuse colour spaces that have no agreed meaning as a photograph.

    Raises:
        PictureError: The page has one.
    """
    photometric = int(page.photometric or 0)
    colours = _COLOUR_SAMPLES.get(photometric)
    if colours is None or page.imagedepth != 1 or page.samplesperpixel < colours:
        raise PictureError(
            f"cannot read {name}: its colour space is not one of RGB, greyscale, palette or CMYK",
            _CONVERT,
        )
    if page.samplesperpixel > _MAX_CHANNELS:
        raise PictureError(
            f"cannot read {name}: it has {page.samplesperpixel} channels, more than a photograph",
            _CONVERT,
        )
    if photometric == _YCBCR and int(page.compression) not in _JPEG_COMPRESSIONS:
        raise PictureError(f"cannot read {name}: it is an uncompressed YCbCr TIFF", _CONVERT)


def interpret(
    page: tifffile.TiffPage, samples: Samples, icc: bytes | None, name: str
) -> tuple[Samples, tuple[str, ...]]:
    """Make decoded rows of a page what a `Picture` holds; every row stands for itself.

    Args:
        page: A page that `check_colours` accepts.
        samples: (h, w, samples) as stored.
        icc: The page's profile.
        name: How the user calls the picture.

    Returns:
        (h, w) or (h, w, 1..4) in one of the three depths, straight alpha, and what changed.

    Raises:
        PictureError: A depth that has no agreed white, or a palette that is missing.
    """
    photometric = int(page.photometric or 0)
    if photometric == _PALETTE:
        return _apply_palette(page, samples[..., 0], name), ()
    samples, warnings = normalise(samples, page.bitspersample, name)
    if photometric == _WHITE_IS_ZERO:
        top = np.array(1 if samples.dtype == np.float32 else np.iinfo(samples.dtype).max)
        samples = samples.copy()
        samples[..., 0] = top.astype(samples.dtype) - samples[..., 0]
    colours = _COLOUR_SAMPLES[photometric]
    samples, more = _resolve_extra(samples, colours, tuple(map(int, page.extrasamples)))
    if photometric == _CMYK:
        samples, sentence = cmyk_to_srgb(samples[..., :4], icc)
        more += (sentence,)
    return samples, warnings + more


def _resolve_extra(
    samples: Samples, colours: int, extra: tuple[int, ...]
) -> tuple[Samples, tuple[str, ...]]:
    """Keep the colours and, of the extra samples, a leading alpha."""
    is_alpha = bool(extra) and extra[0] in (_PREMULTIPLIED, _STRAIGHT) and colours < 4
    kept = colours + is_alpha
    dropped = samples.shape[2] - kept
    warnings = (f"{dropped} extra channel(s) beside the colours were left out",) if dropped else ()
    samples = samples[..., :kept]
    if is_alpha and extra[0] == _PREMULTIPLIED:
        samples = unpremultiply(samples)
    return samples, warnings


def _apply_palette(page: tifffile.TiffPage, indices: Samples, name: str) -> Samples:
    colours = page.colormap
    if colours is None:
        raise PictureError(f"cannot read {name}: its palette is missing", _CONVERT)
    # Entries are 16 bits by the standard; some writers store 8 bits there, most fill them up.
    if colours.max() <= 255:
        table = colours.astype(np.uint8)
    elif not (colours % 257).any() or not (colours & 255).any():
        table = (colours >> 8).astype(np.uint8)
    else:
        table = colours.astype(np.uint16)
    grey = page.tags.get(_ICC) is None and bool((table == table[:1]).all())
    return table[0][indices] if grey else np.ascontiguousarray(table.T)[indices]


def read_metadata(stream: BinaryIO, page: tifffile.TiffPage) -> Metadata:
    """Gather profile, EXIF, XMP, resolution and orientation of a page.

    Args:
        stream: The whole file, seekable.
        page: Its first page.
    """

    def fetch(offset: int, size: int) -> bytes:
        stream.seek(offset)
        return stream.read(size)

    exif: bytes | None = None
    notes: tuple[str, ...] = ()
    try:
        exif = exif_from_tiff(fetch)
    except (ValueError, struct.error):
        notes = ("The EXIF directory of this TIFF was left out",) if page.tags.get(34665) else ()
    if page.tags.get(_IPTC):
        notes += ("Its IPTC data were left out",)
    metadata = take_orientation(icc=_bytes_of(page, _ICC), exif=exif, xmp=_bytes_of(page, _XMP))
    # A page without descriptive tags has no EXIF block, but may still lie on its side.
    tag = page.tags.get(_ORIENTATION)
    turn = int(tag.value) if tag is not None and tag.value in range(1, 9) else None
    orientation = turn or (1 if tag is not None else metadata.orientation)
    return replace(
        metadata,
        dpi=upright_dpi(_dpi(page), orientation),
        orientation=orientation,
        warnings=(*metadata.warnings, *notes),
    )


def _bytes_of(page: tifffile.TiffPage, code: int) -> bytes | None:
    tag = page.tags.get(code)
    value = tag.value if tag is not None else None
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def _dpi(page: tifffile.TiffPage) -> tuple[float, float] | None:
    unit = page.tags.get(_RESOLUTION_UNIT)
    per_inch = _INCHES_PER_UNIT.get(int(unit.value) if unit is not None else 2)
    tags = (page.tags.get(_X_RESOLUTION), page.tags.get(_Y_RESOLUTION))
    if per_inch is None or tags[0] is None or tags[1] is None:
        return None
    (x, x_unit), (y, y_unit) = tags[0].value, tags[1].value
    if not (x_unit and y_unit):
        return None
    return (x / x_unit / per_inch, y / y_unit / per_inch)
