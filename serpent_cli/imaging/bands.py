"""Reading by bands: rows of a picture in order, in memory that does not grow with its height.

PNG and TIFF that stand upright are decoded as their rows are asked for. Whatever cannot be, such as
JPEG, interlaced PNG and pictures on their side, is decoded whole behind the same interface.
"""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from serpent_cli.imaging import formats, png
from serpent_cli.imaging.band_source import BandSource, resized
from serpent_cli.imaging.bands_png import png_source
from serpent_cli.imaging.bands_tiff import tiff_source
from serpent_cli.imaging.colour import grey_to_rgb
from serpent_cli.imaging.damage import CutOffError, one_sentence
from serpent_cli.imaging.kinds import open_kind
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.read import (
    DEFAULT_MAX_PIXELS,
    Source,
    check_size,
    opened,
    read_head,
    read_picture,
)
from serpent_cli.imaging.tiff_page import first_page, open_tiff

_WHOLE_BAND = 64


@dataclass(frozen=True)
class Layout:
    """What planning needs to know of a picture before it is read.

    Attributes:
        height: Rows.
        width: Columns.
        sample_bytes: Bytes of one sample.
        channels: Samples per pixel of a `Picture`: 3, or 4 with alpha.
        whole: It is decoded whole even when it is read by bands.
        step: Rows that are decoded at one time.
    """

    height: int
    width: int
    sample_bytes: int
    channels: int
    whole: bool
    step: int


class BandReader:
    """Gives rows of a picture; made by `open_bands`.

    Args:
        source: What the format gives.
        name: How the user calls the picture.
    """

    def __init__(self, source: BandSource, name: str) -> None:
        self.head, self.step, self.whole = source.head, source.step, source.whole
        self._source, self._name = source, name
        self._rewind()

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing that reading could not keep, complete after the last row.

        Raises:
            PictureError: Most of a picture's float samples lie outside [0, 1].
        """
        return self.head.warnings + self._source.notes()

    def rows(self, start: int, stop: int) -> Picture:
        """Rows [start, stop) of the picture, with its metadata.

        Rows are decoded in order: the start should not go back. If it does, decoding begins anew at
        the top.

        Raises:
            PictureError: The picture is damaged or truncated.
        """
        with one_sentence(self._name):
            channels = self._gather(start, stop)
        colour = channels[..., 0] if self.head.grey else channels[..., :3]
        pixels = grey_to_rgb(colour) if self.head.grey else np.ascontiguousarray(colour)
        alpha = None if self.head.alpha is None else np.ascontiguousarray(channels[..., -1])
        return replace(self.head, pixels=pixels, alpha=alpha)

    def _rewind(self) -> None:
        self._bands = self._source.begin()
        self._held: deque[Samples] = deque()
        self._top = self._bottom = 0

    def _gather(self, start: int, stop: int) -> Samples:
        """The channels (stop - start, W, C) of rows."""
        if not 0 <= start < stop <= self.head.height:
            raise ValueError(f"there are no rows {start} to {stop}")
        if start < self._top:
            self._rewind()
        while self._bottom < stop:
            band = next(self._bands, None)
            if band is None:
                raise CutOffError("rows are missing")
            self._held.append(band)
            self._bottom += len(band)
            self._drop(start)
        self._drop(start)
        parts: list[Samples] = []
        at = self._top
        for band in self._held:
            parts.append(band[max(0, start - at) : max(0, stop - at)])
            at += len(band)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _drop(self, start: int) -> None:
        """Forget bands that end before row `start`."""
        while self._held and self._top + len(self._held[0]) <= start:
            self._top += len(self._held.popleft())


@contextmanager
def open_bands(path: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Generator[BandReader]:
    """Open a picture to read it by bands, upright, in the depth of its file.

    The rows are those of `read_picture`, and so is what is refused. A picture whose format or
    orientation does not allow it is decoded whole when it is opened.

    Args:
        path: A file's path, its content, or a binary stream.
        max_pixels: Larger pictures are refused before they are decoded.

    Raises:
        PictureError: As for `read_picture`; what is found only in the pixels when they are read.
    """
    with opened(path) as (stream, name):
        with one_sentence(name):
            source = _banded(stream, name, max_pixels)
        if source is None:
            source = _whole(read_picture(stream, max_pixels=max_pixels))
        yield BandReader(source, name)


def _banded(stream: BinaryIO, name: str, max_pixels: int) -> BandSource | None:
    """The bands of a format that has any."""
    kind = formats.sniff(read_head(stream, name), name)
    if kind == "PNG":
        header = png.read_still(stream, name)
        check_size(header.height, header.width, name, max_pixels)
        return png_source(stream, header)
    if kind == "TIFF":
        file = open_tiff(stream)  # closed with the stream
        page = first_page(stream, file, name)
        check_size(page.height, page.width, name, max_pixels)
        return tiff_source(stream, file, page, name)
    return None


def _whole(picture: Picture) -> BandSource:
    """Bands of a picture that is decoded already."""

    def begin() -> Iterator[Samples]:
        for top in range(0, picture.height, _WHOLE_BAND):
            colour = picture.pixels[top : top + _WHOLE_BAND]
            colour = colour[..., :1] if picture.grey else colour
            if picture.alpha is None:
                yield colour
            else:
                alpha = picture.alpha[top : top + _WHOLE_BAND, :, None]
                yield np.concatenate([colour, alpha], axis=2)

    head = resized(picture, picture.height, picture.width)
    return BandSource(head, min(_WHOLE_BAND, picture.height), begin, whole=True)


def read_layout(path: Source) -> Layout:
    """Read only the header, for planning.

    Where it does not tell the depth, the deepest that the format can have is given.

    Raises:
        PictureError: As for `read_size`.
    """
    with opened(path) as (stream, name), one_sentence(name):
        source = _banded(stream, name, 1 << 62)
        if source is not None:
            head = source.head
            channels = 3 if head.alpha is None else 4
            return Layout(
                head.height, head.width, head.pixels.itemsize, channels, False, source.step
            )
        head = read_head(stream, name)
        found = open_kind(stream, formats.sniff(head, name), head, name)
        height, width = upright_size(found.height, found.width, found.orientation)
        return Layout(height, width, found.sample_bytes, found.channels, True, height)
