"""PNG by bands: inflated here, unfiltered and unpacked by libpng.

libpng reads whole files only, as imagecodecs offers it. So each band of filtered rows is given to
it as a small PNG of its own, uncompressed, below the row that stands above it: filters look no
farther back. Source: PNG Specification, third edition (W3C 2025), sections 7 and 10.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.band_source import BandSource, blank
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.png import Header

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_BAND_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20
_INTERLACE_AT = 28


def chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    """Frame a chunk: length, kind, data, checksum."""
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))


def header_chunk(height: int, width: int, bits: int, colour_type: int) -> bytes:
    """The IHDR chunk of a picture that is not interlaced."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))


def png_source(stream: BinaryIO, header: Header) -> BandSource | None:
    """Offer the bands of a PNG.

    Args:
        stream: The whole file, seekable; it must stay open.
        header: As `png.read_header` gave it.

    Returns:
        None where rows do not come one after another, or do not stand for themselves: interlaced,
        turned, with a palette, fewer than 8 bits, or a transparent colour.
    """
    metadata = header.metadata()
    stream.seek(_INTERLACE_AT)
    interlaced = stream.read(1) != b"\0"
    if (
        interlaced
        or metadata.orientation != 1
        or header.bits < 8
        or header.colour_type not in _CHANNELS
        or b"tRNS" in header.chunks
    ):
        return None
    channels = _CHANNELS[header.colour_type]
    dtype = np.dtype(np.uint8 if header.bits == 8 else np.uint16)
    pixels, alpha = blank(header.height, header.width, dtype, alpha=channels in (2, 4))
    head = Picture(
        pixels, alpha, channels < 3, metadata.icc, metadata.exif, metadata.xmp, metadata.dpi,
        "PNG", metadata.warnings,
    )  # fmt: skip
    step = max(1, _BAND_BYTES // (header.width * channels * dtype.itemsize))
    return BandSource(head, step, lambda: _bands(stream, header, channels, step))


def _bands(stream: BinaryIO, header: Header, channels: int, step: int) -> Iterator[Samples]:
    row_bytes = header.width * channels * header.bits // 8
    filtered = _Inflated(stream)
    above = bytes(row_bytes)
    for top in range(0, header.height, step):
        count = min(step, header.height - top)
        rows = filtered.read(count * (1 + row_bytes))
        band = _unfilter(above, rows, header, count)
        last = band[-1] if header.bits == 8 else band[-1].astype(">u2")
        above = last.tobytes()
        yield band.reshape(count, header.width, channels)


def _unfilter(above: bytes, rows: bytes, header: Header, count: int) -> Samples:
    """Give libpng the row above, unfiltered, and `count` filtered ones; return the latter."""
    parts = (
        SIGNATURE,
        header_chunk(count + 1, header.width, header.bits, header.colour_type),
        chunk(b"IDAT", zlib.compress(b"\0" + above + rows, 0)),
        chunk(b"IEND", b""),
    )
    return imagecodecs.png_decode(b"".join(parts))[1:]


class _Inflated:
    """The decompressed IDAT chunks of a PNG, read in order.

    Args:
        stream: The whole file; nobody else moves it without need, each read seeks for itself.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._engine = zlib.decompressobj()
        self._pieces = _compressed(stream)

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            EOFError: There are no more.
            zlib.error, ValueError: The data are damaged.
        """
        found = bytearray()
        while len(found) < size:
            given = self._engine.unconsumed_tail
            if not given and not self._engine.eof:
                given = next(self._pieces, b"")
            plain = self._engine.decompress(given, size - len(found))
            if not plain and not self._engine.unconsumed_tail and (self._engine.eof or not given):
                raise EOFError("PNG pixel data cut off")
            found += plain
        return bytes(found)


def _compressed(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the data of all IDAT chunks in pieces.

    Raises:
        EOFError: A chunk is cut off.
        ValueError: Its checksum is wrong.
    """
    position = len(SIGNATURE)
    while True:
        stream.seek(position)
        length, kind = struct.unpack(">I4s", _exactly(stream, 8))
        position += 8
        end = position + length
        if kind == b"IDAT":
            check = zlib.crc32(kind)
            while position < end:
                stream.seek(position)
                piece = _exactly(stream, min(_PIECE_BYTES, end - position))
                position += len(piece)
                check = zlib.crc32(piece, check)
                yield piece
            stream.seek(end)
            if _exactly(stream, 4) != struct.pack(">I", check):
                raise ValueError("PNG checksum is wrong")
        elif kind == b"IEND":
            return
        position = end + 4


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("PNG chunk cut off")
    return data
