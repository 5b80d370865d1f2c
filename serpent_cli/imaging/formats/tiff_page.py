"""What a page of a TIFF says of its pixels, and what must hold before they are decoded.

Source: TIFF 6.0. tifffile reads the directory; everything that it found is taken over here, as
plain numbers, so that what comes later touches nothing of the file's.
"""

from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from serpent_cli.errors import PictureError
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.formats import CAMERA_RAW
from serpent_cli.imaging.formats.lzw import check_lzw, is_old_lzw

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLOUR_SAMPLES = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
JPEG_COMPRESSIONS = (6, 7, 33007, 34892)
CONVERT = "Save it as RGB or greyscale TIFF first"

_DNG_VERSION, _RAW_PHOTOMETRICS = 50706, (32803, 34892)
# Size, samples, compression, strips, tiles, palette: what decides how pixels are decoded.
_LAYOUT_TAGS = frozenset(
    {*range(256, 260), 262, 266, 273, *range(277, 280), 284, 317, *range(320, 326), 338, 339, 347}
)
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_LZW, _OLD_JPEG = 5, 6
_MAX_TILE, _HEADER = 1 << 22, 8
_MAX_CHANNELS = 32  # of a picture in colours: opacity, spot colours, masks
_PLANAR = (1, 2)
_ALPHA = (1, 2)  # as samples beside the colours are numbered


@dataclass(frozen=True)
class Page:
    """A page of a TIFF.

    Attributes:
        height: Rows.
        width: Columns.
        samples: Samples per pixel.
        bits: Bits per sample; None where they differ from channel to channel.
        photometric: What the samples mean, as TIFF numbers it.
        compression: As TIFF numbers it.
        extra: What each sample beside the colours is, as TIFF numbers it; empty where untold.
        planes: Number of planes that the channels are stored in, one each; 1 where they lie
            side by side.
        tile: Rows and columns of a tile; None where there are strips.
        rows_per_strip: As it says.
        dtype: Of the decoded samples, in this machine's byte order; None where nobody knows.
        plain: The samples lie in one piece, as they are.
        depth: Planes of a volume.
        offsets: Where each strip or tile lies.
        counts: Bytes of each.
        raw: The page itself, for tifffile.
    """

    height: int
    width: int
    samples: int
    bits: int | None
    photometric: int
    compression: int
    extra: tuple[int, ...]
    planes: int
    tile: tuple[int, int] | None
    rows_per_strip: int
    dtype: np.dtype[Any] | None
    plain: bool
    depth: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    raw: tifffile.TiffPage

    @property
    def segments(self) -> int:
        """Number of strips or tiles."""
        if self.tile:
            across, down = -(-self.width // self.tile[1]), -(-self.height // self.tile[0])
            return self.planes * across * down
        return self.planes * -(-self.height // self.rows_per_strip)

    def palette(self) -> NDArray[Any] | None:
        """Colours by index, (3, entries), if there are any."""
        with decoder():
            colours = self.raw.colormap
            return None if colours is None else np.asarray(colours).reshape(3, -1)


def open_tiff(stream: BinaryIO) -> tifffile.TiffFile:
    """Open a TIFF; it is closed with its stream.

    Raises:
        DamageError: Its header makes no sense.
    """
    stream.seek(0)
    with decoder():
        return tifffile.TiffFile(stream, name="picture")


def first_page(stream: BinaryIO, tiff: tifffile.TiffFile, name: str) -> Page:
    """Read the first page's directory, and refuse camera files.

    Args:
        stream: The whole file, seekable; the one that `tiff` reads.
        tiff: The opened file.
        name: How the user calls the picture.

    Raises:
        PictureError: Raw sensor data.
        CutOffError: No directory in reach, or a part of it.
        DamageError: It makes no sense.
    """
    with decoder():
        if not len(tiff.pages):
            raise CutOffError("TIFF directory cut off")
        raw = tiff.pages.first
        camera = raw.tags.get(_DNG_VERSION) is not None
        camera = camera or int(raw.photometric or 0) in _RAW_PHOTOMETRICS
    if camera:
        raise PictureError(f"cannot read {name}: {CAMERA_RAW[0]}", CAMERA_RAW[1])
    with decoder():
        _check_tags(stream, tiff, raw)
        # tifffile counts planes for any number but 1, and their tiles only for 2: it would leave
        # what memory held before in the planes that it does not decode.
        if int(raw.samplesperpixel) > 1 and raw.planarconfig not in _PLANAR:
            raise DamageError("TIFF channels neither side by side nor in planes")
        return _taken_over(raw)


def _taken_over(raw: tifffile.TiffPage) -> Page:
    bits: Any = raw.bitspersample
    dtype = None if raw.dtype is None else np.dtype(raw.dtype).newbyteorder("=")
    return Page(
        height=int(raw.imagelength),
        width=int(raw.imagewidth),
        samples=int(raw.samplesperpixel),
        bits=None if isinstance(bits, tuple) else int(bits),
        photometric=int(raw.photometric or 0),
        compression=int(raw.compression),
        extra=tuple(int(each) for each in raw.extrasamples),
        planes=int(raw.shaped[0]),
        tile=(int(raw.tilelength), int(raw.tilewidth)) if raw.is_tiled else None,
        rows_per_strip=int(raw.rowsperstrip or 0) or int(raw.imagelength),
        dtype=dtype,
        plain=bool(raw.is_final),
        depth=int(raw.imagedepth),
        offsets=tuple(int(each) for each in raw.dataoffsets),
        counts=tuple(int(each) for each in raw.databytecounts),
        raw=raw,
    )


def _check_tags(stream: BinaryIO, tiff: tifffile.TiffFile, raw: tifffile.TiffPage) -> None:
    """Find layout tags that lie out of reach: tifffile leaves them out and takes defaults."""
    head, entry = (8, 20) if tiff.is_bigtiff else (2, 12)
    stream.seek(raw.offset)
    count = int.from_bytes(stream.read(head), _ENDIAN[tiff.byteorder])
    table = stream.read(entry * count)
    if len(table) < entry * count:
        raise CutOffError("TIFF directory cut off")
    for at in range(0, len(table), entry):
        code = int.from_bytes(table[at : at + 2], _ENDIAN[tiff.byteorder])
        if code in _LAYOUT_TAGS and raw.tags.get(code) is None:
            raise CutOffError("TIFF tag cut off")


def check_page(stream: BinaryIO, page: Page, name: str) -> None:
    """Refuse what cannot be decoded, or must not be.

    Some decoders pad pixel data that are missing, make room for a tile of any size, and die of
    certain LZW data.

    Args:
        stream: The whole file, seekable.
        page: What is to be decoded.
        name: How the user calls the picture.

    Raises:
        PictureError: Old compressions, and colour spaces without an agreed meaning.
        CutOffError: Pixel data lie beyond the end of the file.
        DamageError: The tiles or the LZW data are damaged.
    """
    _check_colours(page, name)
    size = stream.seek(0, 2)
    ends = [offset + count for offset, count in zip(page.offsets, page.counts, strict=False)]
    if not ends or min(page.counts) < 1 or min(page.offsets) < _HEADER or max(ends) > size:
        raise CutOffError("TIFF pixel data cut off")
    if page.tile and 0 in page.tile:
        raise DamageError("TIFF tiles without rows or columns")
    if not page.plain and min(len(page.offsets), len(page.counts)) < page.segments:
        raise CutOffError("TIFF strips or tiles are missing")
    if page.tile and page.tile[0] * page.tile[1] > _MAX_TILE + 4 * page.height * page.width:
        raise DamageError("TIFF tiles far larger than the picture")
    if page.compression == _LZW:
        for offset, count in zip(page.offsets, page.counts, strict=False):
            stream.seek(offset)
            data = stream.read(count)
            if is_old_lzw(data):
                raise _old(name, "LZW of the old bit order")
            check_lzw(data)


def _old(name: str, what: str) -> PictureError:
    return PictureError(
        f"cannot read {name}: its compression, {what}, is not supported",
        "Convert it to PNG, or to a TIFF without compression",
    )


def _is_cube(page: Page) -> bool:
    """Whether its channels are bands: several without a colour space, or too many for one."""
    if page.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        alpha = bool(page.extra) and page.extra[0] in _ALPHA
        return page.samples > 2 + alpha
    return page.samples > _MAX_CHANNELS


def _check_colours(page: Page, name: str) -> None:
    if page.compression == _OLD_JPEG:
        raise _old(name, "JPEG of the old kind (6)")
    colours = COLOUR_SAMPLES.get(page.photometric)
    if colours is None or page.depth != 1 or page.samples < colours:
        raise PictureError(
            f"cannot read {name}: its colour space is not one of RGB, greyscale, palette or CMYK",
            CONVERT,
        )
    if _is_cube(page):
        raise PictureError(
            f"cannot read {name}: it is a cube of {page.samples} bands, not a photograph",
            "`serpent denoise` takes cubes",
        )
    if page.bits is None:
        raise PictureError(f"cannot read {name}: its channels differ in depth", CONVERT)
    if page.photometric == YCBCR and page.compression not in JPEG_COMPRESSIONS:
        raise PictureError(f"cannot read {name}: it is an uncompressed YCbCr TIFF", CONVERT)
