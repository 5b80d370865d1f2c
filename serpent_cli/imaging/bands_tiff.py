"""TIFF by bands: one row of strips or tiles at a time, decoded by tifffile.

Source: TIFF 6.0, section 15 (tiles) and the description of RowsPerStrip.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile

from serpent_cli.imaging import tiff
from serpent_cli.imaging.band_source import BandSource, blank
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.deep import clip_to_unit, clipping_notes
from serpent_cli.imaging.picture import Samples
from serpent_cli.imaging.tiff_metadata import page_notes, read_metadata
from serpent_cli.imaging.tiff_page import JPEG_COMPRESSIONS, Page, check_page

_BAND_BYTES = 4 << 20


def tiff_source(
    stream: BinaryIO, file: tifffile.TiffFile, page: Page, name: str
) -> BandSource | None:
    """Offer the bands of a TIFF's first page.

    Args:
        stream: The whole file, seekable; it must stay open.
        file: The opened file.
        page: Its first page.
        name: How the user calls the picture.

    Returns:
        None for a page that lies on its side.

    Raises:
        PictureError: As for `tiff.read_tiff`.
        CutOffError: Pixel data are cut off.
    """
    metadata = read_metadata(stream, page)
    if metadata.orientation != 1:
        return None
    check_page(stream, page, name)
    bands = _Bands(stream, page, metadata.icc, name)
    channels, dtype = bands.layout()
    pixels, alpha = blank(page.height, page.width, dtype, alpha=channels in (2, 4))
    head = tiff.finished(page, metadata).picture(
        pixels, alpha, channels < 3, format="TIFF", notes=page_notes(file),
        bits=tiff.fewer_bits(page, dtype),
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
        self._outside = 0

    def layout(self) -> tuple[int, np.dtype[Any]]:
        """Channels and depth of what the page becomes."""
        one = np.zeros((1, 1, self.page.samples), self.dtype)
        one, _ = tiff.interpret(self.page, one, self.icc, self.name)
        return (1 if one.ndim == 2 else one.shape[2]), one.dtype

    def notes(self) -> tuple[str, ...]:
        """What was changed in the rows read so far."""
        size = self.page.height * self.page.width * self.page.samples
        return (*self._notes, *clipping_notes(self._outside, size, self.name))

    def begin(self) -> Iterator[Samples]:
        """Yield the bands from the top."""
        self._outside = 0
        for top in range(0, self.page.height, self.step):
            rows = min(self.step, self.page.height - top)
            stored = (
                self._read(top, rows) if self.page.plain else self._decode(top // self.step, rows)
            )
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
