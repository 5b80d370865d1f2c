"""TIFF, written in rows of deflated tiles as they become full, the directory at the end.

A file of up to 4 GiB is a classic TIFF, a larger one a BigTIFF. The header is written last: until
then nobody knows how small the tiles become. Sources: TIFF 6.0, section 15 and technical note 2 of
Adobe's; Adobe Photoshop TIFF Technical Note 3 (floating-point predictor); the BigTIFF design.
"""

import struct
import zlib
from fractions import Fraction
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging import ifd
from serpent_cli.imaging.bands import channel_count
from serpent_cli.imaging.formats.piece_writer import PieceWriter
from serpent_cli.imaging.metadata import DESCRIPTIVE_TAGS, Metadata
from serpent_cli.imaging.picture import Picture, Samples

SIDE = 256
"""Rows and columns of a tile."""

CLASSIC_LIMIT = 1 << 32
_LEVEL = 4  # of deflate: within 6 % of the size of level 6 at half its time
_HEADER_BYTES = 16
_WAITING_BYTES = 64 << 20
_DEFLATE, _DIFFERENCES, _FLOAT_BYTES, _STRAIGHT, _FLOAT, _NO_UNIT, _INCH = 8, 2, 3, 2, 3, 1, 2


class TiffRows(PieceWriter[bytes]):
    """Encodes a picture from the top down, in its own depth.

    Args:
        head: The picture; its samples do not matter.
        metadata: What to store beside the pixels.
        stream: A new file, seekable.
    """

    def __init__(self, head: Picture, metadata: Metadata, stream: BinaryIO) -> None:
        super().__init__(SIDE, _WAITING_BYTES)
        self._head, self._metadata, self._stream = head, metadata, stream
        self._order = ifd.byte_order(metadata.exif) if metadata.exif else "<"
        self._offsets, self._sizes = list[int](), list[int]()
        self._end_at = stream.write(bytes(_HEADER_BYTES))

    def _encode(self, piece: Samples) -> None:
        for left in range(0, self._head.width, SIDE):
            tile = np.zeros((SIDE, SIDE, piece.shape[2]), piece.dtype)
            part = piece[:, left : left + SIDE]
            tile[: part.shape[0], : part.shape[1]] = part
            self._pool.put(partial(encode_tile, tile, self._order), 2 * tile.nbytes)

    def _store(self, result: bytes) -> None:
        self._offsets.append(self._end_at)
        self._sizes.append(len(result))
        # Offsets are even.
        self._end_at += self._stream.write(result + b"\0" * ((self._end_at + len(result)) % 2))

    def _end(self) -> None:
        """Write the directory, then the header that points to it."""
        wide = self._end_at + 16 * len(self._sizes) + self._metadata_bytes() > CLASSIC_LIMIT
        directory = self._directory(wide=wide)
        self._stream.seek(self._end_at)
        self._stream.write(directory.serialise(self._order, self._end_at, wide=wide))
        self._stream.seek(0)
        mark, order = (b"II" if self._order == "<" else b"MM"), self._order
        if wide:
            self._stream.write(mark + struct.pack(order + "HHHQ", 43, 8, 0, self._end_at))
        else:
            self._stream.write(mark + struct.pack(order + "HI", 42, self._end_at))
        self._stream.seek(0, 2)

    def _metadata_bytes(self) -> int:
        """More bytes than all of the directory but the tiles' places takes."""
        found = (self._metadata.icc, self._metadata.exif, self._metadata.xmp)
        return 65536 + 2 * sum(len(each or b"") for each in found)

    def _directory(self, *, wide: bool) -> ifd.Tree:
        head, order, samples = self._head, self._order, channel_count(self._head)
        floats = head.pixels.dtype == np.float32
        place = ifd.LONG8 if wide else ifd.LONG
        entries = [
            ifd.entry(256, ifd.LONG, [head.width], order),
            ifd.entry(257, ifd.LONG, [head.height], order),
            ifd.entry(258, ifd.SHORT, [8 * head.pixels.itemsize] * samples, order),
            ifd.entry(259, ifd.SHORT, [_DEFLATE], order),
            ifd.entry(262, ifd.SHORT, [1 if head.grey else 2], order),
            ifd.entry(277, ifd.SHORT, [samples], order),
            ifd.entry(284, ifd.SHORT, [1], order),
            ifd.entry(317, ifd.SHORT, [_FLOAT_BYTES if floats else _DIFFERENCES], order),
            ifd.entry(322, ifd.SHORT, [SIDE], order),
            ifd.entry(323, ifd.SHORT, [SIDE], order),
            ifd.entry(324, place, self._offsets, order),
            ifd.entry(325, ifd.LONG, self._sizes, order),
        ]
        if head.alpha is not None:
            entries.append(ifd.entry(338, ifd.SHORT, [_STRAIGHT], order))
        if floats:
            entries.append(ifd.entry(339, ifd.SHORT, [_FLOAT] * samples, order))
        return self._with_metadata(entries)

    def _with_metadata(self, entries: list[ifd.Entry]) -> ifd.Tree:
        metadata = self._metadata
        resolution = metadata.dpi or metadata.density
        if resolution:
            entries += [
                ifd.entry(tag, ifd.RATIONAL, _ratio(value), self._order)
                for tag, value in zip((282, 283), resolution, strict=True)
            ]
            entries.append(
                ifd.entry(296, ifd.SHORT, [_INCH if metadata.dpi else _NO_UNIT], self._order)
            )
        if metadata.xmp:
            entries.append(ifd.Entry(700, ifd.BYTE, len(metadata.xmp), metadata.xmp))
        if metadata.icc:
            entries.append(ifd.Entry(34675, ifd.UNDEFINED, len(metadata.icc), metadata.icc))
        if not metadata.exif:
            return ifd.Tree(entries)
        fetch = ifd.fetch_from(metadata.exif)
        try:
            exif = ifd.read_tree(fetch, ifd.read_first(fetch))
        except (ValueError, struct.error):
            return ifd.Tree(entries)
        described = [entry for entry in exif.entries if entry.tag in DESCRIPTIVE_TAGS]
        return ifd.Tree(entries + described, exif.children)


def _ratio(value: float) -> tuple[int, int]:
    """A resolution as numerator and denominator of 32 bits each."""
    ratio = Fraction(value).limit_denominator(min(1_000_000, int((2**32 - 1) / max(value, 1))))
    return ratio.numerator, ratio.denominator


def encode_tile(tile: Samples, order: str) -> bytes:
    """Predict and deflate a tile.

    Args:
        tile: (h, w, C), changed here.
        order: "<" or ">", of the file's samples.
    """
    stored = tile.dtype.newbyteorder("<" if order == "<" else ">")
    if tile.dtype == np.float32:
        ordered = tile.astype(stored)
        data = imagecodecs.floatpred_encode(ordered, axis=-2).tobytes()
    else:
        tile[:, 1:] -= tile[:, :-1].copy()
        data = tile.astype(stored, copy=False).tobytes()
    if imagecodecs.DEFLATE.available:  # libdeflate, several times as fast as zlib
        return bytes(imagecodecs.deflate_encode(data, _LEVEL))
    return zlib.compress(data, _LEVEL)
