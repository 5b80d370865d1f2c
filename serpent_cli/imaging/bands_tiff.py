"""TIFF by bands: one row of strips or tiles at a time, decoded by tifffile.

Source: TIFF 6.0, section 15 (tiles) and the description of RowsPerStrip.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile

from serpent_cli.imaging import tiff
from serpent_cli.imaging.band_source import BandSource, blank
from serpent_cli.imaging.deep import clip_to_unit, clipping_notes
from serpent_cli.imaging.picture import Picture, Samples

_BAND_BYTES = 4 << 20
_JPEG_COMPRESSIONS = (6, 7, 33007, 34892)


def tiff_source(stream: BinaryIO, file: tifffile.TiffFile, name: str) -> BandSource | None:
    """Offer the bands of a TIFF's first page.

    Args:
        stream: The whole file, seekable; it must stay open.
        file: The opened file.
        name: How the user calls the picture.

    Returns:
        None for a page that lies on its side.

    Raises:
        PictureError: As for `tiff.read_tiff`.
        EOFError: Pixel data are cut off.
    """
    page = tiff.first_page(file, name)
    metadata = tiff.read_metadata(stream, page)
    if metadata.orientation != 1:
        return None
    tiff.check_tags(stream, file, page)
    tiff.check_segments(stream, page)
    tiff.check_colours(page, name)
    bands = _Bands(stream, page, metadata.icc, name)
    channels, dtype = bands.layout()
    pixels, alpha = blank(page.imagelength, page.imagewidth, dtype, alpha=channels in (2, 4))
    head = Picture(
        pixels, alpha, channels < 3, tiff.fitting_profile(page, metadata), metadata.exif,
        metadata.xmp, metadata.dpi, "TIFF", metadata.warnings + tiff.page_notes(file),
    )  # fmt: skip
    return BandSource(head, bands.step, bands.begin, bands.notes)


class _Bands:
    """Decodes the rows of a page in order.

    Args:
        stream: The whole file.
        page: Its first page.
        icc: The page's profile.
        name: How the user calls the picture.
    """

    def __init__(
        self, stream: BinaryIO, page: tifffile.TiffPage, icc: bytes | None, name: str
    ) -> None:
        self.stream, self.page, self.icc, self.name = stream, page, icc, name
        self.planes = page.samplesperpixel if page.planarconfig == 2 else 1
        row_bytes = page.imagewidth * page.samplesperpixel * _dtype(page).itemsize
        self.plain = bool(page.is_final)
        if self.plain:
            self.step = max(1, _BAND_BYTES // row_bytes)
        else:
            self.step = page.tilelength if page.is_tiled else page.rowsperstrip
        self.step = min(self.step, page.imagelength)
        self._notes: dict[str, None] = {}
        self._outside = 0

    def layout(self) -> tuple[int, np.dtype[Any]]:
        """Channels and depth of what the page becomes."""
        shape = (1, 1, self.page.samplesperpixel)
        one, _ = tiff.interpret(self.page, np.zeros(shape, _dtype(self.page)), self.icc, self.name)
        return (1 if one.ndim == 2 else one.shape[2]), one.dtype

    def notes(self) -> tuple[str, ...]:
        """What was changed in the rows read so far."""
        size = self.page.imagelength * self.page.imagewidth * self.page.samplesperpixel
        return (*self._notes, *clipping_notes(self._outside, size, self.name))

    def begin(self) -> Iterator[Samples]:
        """Yield the bands from the top."""
        self._outside = 0
        for top in range(0, self.page.imagelength, self.step):
            rows = min(self.step, self.page.imagelength - top)
            stored = self._read(top, rows) if self.plain else self._decode(top // self.step, rows)
            if stored.dtype.kind == "f":
                self._note_width(stored)
                stored, outside = clip_to_unit(stored, self.name)
                self._outside += outside
            samples, notes = tiff.interpret(self.page, stored, self.icc, self.name)
            self._notes |= dict.fromkeys(notes)
            yield samples.reshape(*samples.shape[:2], -1)

    def _note_width(self, stored: Samples) -> None:
        # `interpret` sees what has been made float32.
        if stored.dtype.itemsize > 4:
            self._notes["64-bit float values were rounded to 32 bits"] = None

    def _read(self, top: int, rows: int) -> Samples:
        """Rows of samples that lie in the file as they are: (rows, W, samples)."""
        page = self.page
        stored = _dtype(page).newbyteorder(page.parent.byteorder)
        inner = page.samplesperpixel // self.planes
        row_bytes = page.imagewidth * inner * stored.itemsize
        planes: list[Samples] = []
        for plane in range(self.planes):
            self.stream.seek(page.dataoffsets[0] + (plane * page.imagelength + top) * row_bytes)
            data = self.stream.read(rows * row_bytes)
            if len(data) < rows * row_bytes:
                raise EOFError("TIFF pixel data cut off")
            values = np.frombuffer(data, stored).reshape(rows, page.imagewidth, inner)
            planes.append(values.astype(stored.newbyteorder("=")))
        return planes[0] if self.planes == 1 else np.concatenate(planes, axis=2)

    def _decode(self, number: int, rows: int) -> Samples:
        """Row `number` of the page's strips or tiles: (rows, W, samples)."""
        page = self.page
        across = -(-page.imagewidth // page.tilewidth) if page.is_tiled else 1
        down = -(-page.imagelength // self.step)
        band = np.empty((rows, page.imagewidth, page.samplesperpixel), _dtype(page))
        for plane in range(self.planes):
            first = (plane * down + number) * across
            for index in range(first, first + across):
                segment, at, shape = self._segment(index)
                left, right = at[3], min(at[3] + shape[2], page.imagewidth)
                # A tile goes on beyond the picture.
                part = segment.reshape(-1, *segment.shape[-2:])[:rows, : right - left]
                band[:, left:right, plane if self.planes > 1 else slice(None)] = (
                    part[..., 0] if self.planes > 1 else part
                )
        return band

    def _segment(self, index: int) -> tuple[Samples, tuple[int, ...], tuple[int, ...]]:
        page, options = self.page, dict[str, Any]()
        if int(page.compression) in _JPEG_COMPRESSIONS:
            options = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        self.stream.seek(page.dataoffsets[index])
        data = self.stream.read(page.databytecounts[index])
        segment, at, shape = page.decode(data, index, **options)
        if segment is None:
            raise EOFError("TIFF pixel data cut off")
        return segment, at, shape


def _dtype(page: tifffile.TiffPage) -> np.dtype[Any]:
    """The type of decoded samples, in this machine's byte order."""
    if page.dtype is None:
        raise ValueError("TIFF samples of unknown type")
    return np.dtype(page.dtype).newbyteorder("=")
