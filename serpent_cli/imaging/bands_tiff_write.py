"""TIFF written by bands: deflated tiles as they become full, the directory at the end.

A file of up to 4 GiB is a classic TIFF, a larger one a BigTIFF. The header is written last: until
then nobody knows how small the tiles become. Sources: TIFF 6.0, section 15 and technical note 2 of
Adobe's; Adobe Photoshop TIFF Technical Note 3 (floating-point predictor); the BigTIFF design.
"""

import struct
import zlib
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging import ifd
from serpent_cli.imaging.band_source import channel_count
from serpent_cli.imaging.in_order import InOrder
from serpent_cli.imaging.metadata import DESCRIPTIVE_TAGS, Metadata
from serpent_cli.imaging.picture import Picture, Samples

SIDE = 256
"""Rows and columns of a tile."""

CLASSIC_LIMIT = 1 << 32
_HEADER_BYTES = 16
_WAITING_BYTES = 64 << 20
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 3, 4, 5, 7, 16
_CODES = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}
_DEFLATE, _DIFFERENCES, _FLOAT_BYTES, _STRAIGHT, _FLOAT, _NO_UNIT, _INCH = 8, 2, 3, 2, 3, 1, 2


class TiffBands:
    """Encodes a picture from the top down, in its own depth.

    Args:
        head: The picture without its samples.
        metadata: What to store beside the pixels.
        stream: A new file, seekable.
        level: Of deflate, 1 to 9.
    """

    def __init__(self, head: Picture, metadata: Metadata, stream: BinaryIO, level: int) -> None:
        self._head, self._metadata, self._stream, self._level = head, metadata, stream, level
        self._order = ifd.byte_order(metadata.exif) if metadata.exif else "<"
        self._offsets, self._sizes = list[int](), list[int]()
        self._end = stream.write(bytes(_HEADER_BYTES))
        self._waiting: list[Samples] = []
        self._pool = InOrder[bytes](self._store, _WAITING_BYTES)

    def write(self, channels: Samples) -> None:
        """Add rows (h, W, C)."""
        taken = 0
        while taken < len(channels):
            missing = SIDE - sum(map(len, self._waiting))
            part = channels[taken : taken + missing]
            taken += len(part)
            if len(part) == missing:
                self._encode([*self._waiting, part])
                self._waiting = []
            else:
                self._waiting.append(part.copy())  # the caller may use its array again

    def finish(self) -> None:
        """Write the last tiles, the directory and the header."""
        if self._waiting:
            self._encode(self._waiting)
        self._pool.finish()
        wide = self._end + 16 * len(self._sizes) + self._metadata_bytes() > CLASSIC_LIMIT
        directory = self._directory(wide=wide)
        self._stream.seek(self._end)
        self._stream.write(directory.serialise(self._order, self._end, wide=wide))
        self._stream.seek(0)
        mark, order = (b"II" if self._order == "<" else b"MM"), self._order
        if wide:
            self._stream.write(mark + struct.pack(order + "HHHQ", 43, 8, 0, self._end))
        else:
            self._stream.write(mark + struct.pack(order + "HI", 42, self._end))
        self._stream.seek(0, 2)

    def cancel(self) -> None:
        """Give up."""
        self._pool.cancel()

    def _encode(self, bands: list[Samples]) -> None:
        """Begin to encode a row of tiles."""
        band = bands[0] if len(bands) == 1 else np.concatenate(bands)
        for left in range(0, self._head.width, SIDE):
            tile = np.zeros((SIDE, SIDE, band.shape[2]), band.dtype)
            part = band[:, left : left + SIDE]
            tile[: part.shape[0], : part.shape[1]] = part
            task = partial(encode_tile, tile, self._order, self._level)
            self._pool.put(task, 2 * tile.nbytes)

    def _store(self, data: bytes) -> None:
        self._offsets.append(self._end)
        self._sizes.append(len(data))
        # Offsets are even.
        self._end += self._stream.write(data + b"\0" * ((self._end + len(data)) % 2))

    def _metadata_bytes(self) -> int:
        """More bytes than all of the directory but the tiles' places takes."""
        found = (self._metadata.icc, self._metadata.exif, self._metadata.xmp)
        return 65536 + 2 * sum(len(each or b"") for each in found)

    def _directory(self, *, wide: bool) -> ifd.Tree:
        head, samples = self._head, channel_count(self._head)
        floats = head.pixels.dtype == np.float32
        place = _LONG8 if wide else _LONG
        entries = [
            self._entry(256, _LONG, [head.width]),
            self._entry(257, _LONG, [head.height]),
            self._entry(258, _SHORT, [8 * head.pixels.itemsize] * samples),
            self._entry(259, _SHORT, [_DEFLATE]),
            self._entry(262, _SHORT, [1 if head.grey else 2]),
            self._entry(277, _SHORT, [samples]),
            self._entry(284, _SHORT, [1]),
            self._entry(317, _SHORT, [_FLOAT_BYTES if floats else _DIFFERENCES]),
            self._entry(322, _SHORT, [SIDE]),
            self._entry(323, _SHORT, [SIDE]),
            self._entry(324, place, self._offsets),
            self._entry(325, _LONG, self._sizes),
        ]
        if head.alpha is not None:
            entries.append(self._entry(338, _SHORT, [_STRAIGHT]))
        if floats:
            entries.append(self._entry(339, _SHORT, [_FLOAT] * samples))
        return self._with_metadata(entries)

    def _with_metadata(self, entries: list[ifd.Entry]) -> ifd.Tree:
        metadata = self._metadata
        resolution = metadata.dpi or metadata.density
        if resolution:
            entries += [
                self._entry(tag, _RATIONAL, _ratio(value))
                for tag, value in zip((282, 283), resolution, strict=True)
            ]
            entries.append(self._entry(296, _SHORT, [_INCH if metadata.dpi else _NO_UNIT]))
        if metadata.xmp:
            entries.append(ifd.Entry(700, _BYTE, len(metadata.xmp), metadata.xmp))
        if metadata.icc:
            entries.append(ifd.Entry(34675, _UNDEFINED, len(metadata.icc), metadata.icc))
        if not metadata.exif:
            return ifd.Tree(entries)
        fetch = ifd.fetch_from(metadata.exif)
        try:
            exif = ifd.read_tree(fetch, ifd.read_first(fetch))
        except (ValueError, struct.error):
            return ifd.Tree(entries)
        described = [entry for entry in exif.entries if entry.tag in DESCRIPTIVE_TAGS]
        return ifd.Tree(entries + described, exif.children)

    def _entry(self, tag: int, kind: int, values: Iterable[int]) -> ifd.Entry:
        numbers = list(values)
        raw = struct.pack(f"{self._order}{len(numbers)}{_CODES[kind]}", *numbers)
        return ifd.Entry(tag, kind, len(numbers) // (2 if kind == _RATIONAL else 1), raw)


def _ratio(value: float) -> tuple[int, int]:
    """A resolution as numerator and denominator of 32 bits each."""
    ratio = Fraction(value).limit_denominator(4000)
    return ratio.numerator, ratio.denominator


def encode_tile(tile: Samples, order: str, level: int) -> bytes:
    """Predict and deflate a tile.

    Args:
        tile: (h, w, C), changed here.
        order: "<" or ">", of the file's samples.
        level: Of deflate, 1 to 9.
    """
    stored = tile.dtype.newbyteorder("<" if order == "<" else ">")
    if tile.dtype == np.float32:
        ordered = tile.astype(stored)
        data = imagecodecs.floatpred_encode(ordered, axis=-2).tobytes()
    else:
        tile[:, 1:] -= tile[:, :-1].copy()
        data = tile.astype(stored, copy=False).tobytes()
    if imagecodecs.DEFLATE.available:  # libdeflate, several times as fast as zlib
        return bytes(imagecodecs.deflate_encode(data, level))
    return zlib.compress(data, level)
