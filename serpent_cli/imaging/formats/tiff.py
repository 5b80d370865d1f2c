"""TIFF in every depth: decoded by tifffile row by row of strips or tiles, made into colours here.

Sources: TIFF 6.0 (section 15: tiles); Adobe Photoshop TIFF Technical Notes for extra samples.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import tifffile

from serpent_cli.errors import PictureError
from serpent_cli.imaging.bands import BandSource, blank
from serpent_cli.imaging.cmyk import cmyk_to_srgb
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.formats.codec import Codec, Opened
from serpent_cli.imaging.formats.tiff_metadata import page_notes, read_metadata
from serpent_cli.imaging.formats.tiff_page import (
    CMYK,
    COLOUR_SAMPLES,
    CONVERT,
    JPEG_COMPRESSIONS,
    PALETTE,
    WHITE_IS_ZERO,
    Page,
    check_page,
    first_page,
    open_tiff,
)
from serpent_cli.imaging.formats.tiff_write import TiffRows
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Samples
from serpent_cli.imaging.stored_samples import (
    clip_to_unit,
    clipping_notes,
    normalise,
    unpremultiply,
)

_PREMULTIPLIED, _STRAIGHT = 1, 2
_BAND_BYTES = 4 << 20


def rows(
    stream: BinaryIO, file: tifffile.TiffFile, page: Page, metadata: Metadata, name: str
) -> BandSource:
    """Offer the rows of the first page of a TIFF of any depth: uint8, uint16 or float32.

    One row of strips or tiles at a time is decoded; CMYK becomes sRGB.

    Args:
        stream: The whole file, seekable; it must stay open.
        file: The opened file.
        page: Its first page.
        metadata: As `tiff_metadata.read_metadata` gave it.
        name: How the user calls the picture.

    Raises:
        PictureError: A colour space or depth that has no agreed meaning as a photograph.
        DamageError: The file is truncated or damaged; what is found in the pixels is raised when
            they are read.
    """
    notes = page_notes(file)
    check_page(stream, page, name)
    bands = _Bands(stream, page, metadata.icc, name)
    channels, dtype = bands.layout()
    height, width = upright_size(page.height, page.width, metadata.orientation)
    pixels, alpha = blank(height, width, dtype, alpha=channels in (2, 4))
    # CMYK becomes sRGB.
    kept = replace(metadata, icc=None) if page.photometric == CMYK else metadata
    head = kept.picture(
        pixels, alpha, channels < 3, format="TIFF", notes=notes, bits=_fewer_bits(page, dtype)
    )
    return BandSource(head, bands.step, bands.begin, bands.notes, metadata.orientation)


class _Bands:
    """Decodes the rows of a page in order.

    Args:
        stream: The whole file.
        page: Its first page.
        icc: The page's profile.
        name: How the user calls the picture.
    """

    def __init__(self, stream: BinaryIO, page: Page, icc: bytes | None, name: str) -> None:
        self.stream, self.page, self.icc, self.name = stream, page, icc, name
        self.planes = page.planes
        self.dtype = _dtype(page)
        if page.plain:
            row_bytes = page.width * page.samples * self.dtype.itemsize
            self.step = max(1, _BAND_BYTES // row_bytes)
        else:
            self.step = page.tile[0] if page.tile else page.rows_per_strip
        self.step = min(self.step, page.height)
        self._notes: dict[str, None] = {}
        self._outside, self._wide = 0, self.dtype.kind == "f" and self.dtype.itemsize > 4

    def layout(self) -> tuple[int, np.dtype[Any]]:
        """Channels and depth of what the page becomes."""
        dtype = np.dtype(np.float32) if self.dtype.kind == "f" else self.dtype
        one = np.zeros((1, 1, self.page.samples), dtype)
        one, _ = _interpret(self.page, one, self.icc, self.name)
        return (1 if one.ndim == 2 else one.shape[2]), one.dtype

    def notes(self) -> tuple[str, ...]:
        """What was changed in the rows read so far."""
        size = self.page.height * self.page.width * self.page.samples
        notes = ("64-bit float values were rounded to 32 bits",) if self._wide else ()
        return (*notes, *clipping_notes(self._outside, size, self.name), *self._notes)

    def begin(self) -> Iterator[Samples]:
        """Yield the bands from the top."""
        self._outside = 0
        for top in range(0, self.page.height, self.step):
            rows = min(self.step, self.page.height - top)
            stored = (
                self._read(top, rows) if self.page.plain else self._decode(top // self.step, rows)
            )
            if stored.dtype.kind == "f":
                stored, outside = clip_to_unit(stored, self.name)
                self._outside += outside
            samples, notes = _interpret(self.page, stored, self.icc, self.name)
            self._notes |= dict.fromkeys(notes)
            yield samples.reshape(*samples.shape[:2], -1)

    def _read(self, top: int, rows: int) -> Samples:
        """Rows of samples that lie in the file as they are: (rows, W, samples)."""
        page = self.page
        stored = self.dtype.newbyteorder(page.raw.parent.byteorder)
        inner = page.samples // self.planes
        row_bytes = page.width * inner * stored.itemsize
        planes: list[Samples] = []
        for plane in range(self.planes):
            self.stream.seek(page.offsets[0] + (plane * page.height + top) * row_bytes)
            data = self.stream.read(rows * row_bytes)
            if len(data) < rows * row_bytes:
                raise CutOffError("TIFF pixel data cut off")
            values = np.frombuffer(data, stored).reshape(rows, page.width, inner)
            planes.append(values.astype(stored.newbyteorder("=")))
        return planes[0] if self.planes == 1 else np.concatenate(planes, axis=2)

    def _decode(self, number: int, rows: int) -> Samples:
        """Row `number` of the page's strips or tiles: (rows, W, samples)."""
        page = self.page
        across = -(-page.width // page.tile[1]) if page.tile else 1
        down = -(-page.height // self.step)
        band = np.empty((rows, page.width, page.samples), self.dtype)
        for plane in range(self.planes):
            first = (plane * down + number) * across
            for index in range(first, first + across):
                segment, left = self._segment(index)
                right = min(left + segment.shape[1], page.width)
                # A tile goes on beyond the picture.
                part = segment[:rows, : right - left]
                place = band[:, left:right]
                place = place[..., plane : plane + 1] if self.planes > 1 else place
                if part.shape != place.shape:
                    raise DamageError("TIFF strip or tile of another shape")
                place[...] = part
        return band

    def _segment(self, index: int) -> tuple[Samples, int]:
        """A strip or tile (h, w, samples), and the column it begins at."""
        page, options = self.page, dict[str, Any]()
        if index >= min(len(page.offsets), len(page.counts)):
            raise CutOffError("TIFF pixel data cut off")
        self.stream.seek(page.offsets[index])
        data = self.stream.read(page.counts[index])
        with decoder():
            if page.compression in JPEG_COMPRESSIONS:
                options = {"jpegtables": page.raw.jpegtables, "jpegheader": page.raw.jpegheader}
            segment, at, _ = page.raw.decode(data, index, **options)
            if segment is None:
                raise CutOffError("TIFF pixel data cut off")
            return segment.reshape(-1, *segment.shape[-2:]), int(at[3])


def _dtype(page: Page) -> np.dtype[Any]:
    """The type of decoded samples."""
    if page.dtype is None:
        raise DamageError("TIFF samples of unknown type")
    return page.dtype


def _fewer_bits(page: Page, dtype: np.dtype[Any]) -> int:
    """`Picture.bits` of what `_interpret` makes of a page: what it has of the 16 bits."""
    bits = page.bits or 0
    told = page.photometric not in (PALETTE, CMYK) and dtype == np.uint16
    return bits if told and 8 < bits < 16 else 0


def _interpret(
    page: Page, samples: Samples, icc: bytes | None, name: str
) -> tuple[Samples, tuple[str, ...]]:
    """Make decoded rows of a page what a `Picture` holds; every row stands for itself.

    Args:
        page: A page that `check_page` accepts.
        samples: (h, w, samples) as stored; floats as `clip_to_unit` gives them.
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
        samples = normalise(samples, page.bits or 8, name)
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
        alpha = normalise(alpha, page.bits or 8, name)
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


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    file = open_tiff(stream)  # closed with the stream
    page = first_page(stream, file, name)
    metadata = read_metadata(stream)
    source = partial(rows, stream, file, page, metadata, name)
    return Opened(page.height, page.width, metadata.orientation, source, 4, by_rows=True)


CODEC = Codec(_opened, TiffRows)
