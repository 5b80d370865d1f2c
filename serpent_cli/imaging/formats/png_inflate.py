"""The pixels of a PNG, decompressed and checked: whole and by bands, both go through here.

libpng lets a wrong checksum pass where no row is left to be read. Source: PNG Specification, third
edition (W3C 2025), section 10; RFC 1950.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.formats.png_chunks import CHANNELS, Header, walk

_PIECE_BYTES, _MOST_BEYOND = 1 << 20, 4 << 20


def check_pixels(stream: BinaryIO, header: Header) -> None:
    """Decompress all pixels and forget them: what is damaged is found.

    Args:
        stream: The whole file, seekable.
        header: As `png_chunks.read_header` gave it.

    Raises:
        CutOffError, DamageError: They are cut off, or a checksum is wrong.
    """
    row_bytes = -(-header.width * CHANNELS[header.colour_type] * header.bits // 8)
    inflated, left = Inflated(stream), header.height * (1 + row_bytes)
    while left > 0:
        piece = min(left, _PIECE_BYTES)
        inflated.read(piece)
        left -= piece
    # Interlaced pictures have some more rows, all shorter.
    inflated.finish()


class Inflated:
    """The decompressed IDAT chunks of a PNG, read in order.

    Args:
        stream: The whole file; nobody else moves it without need, each read seeks for itself.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._engine = zlib.decompressobj()
        self._pieces = _compressed(stream)
        self._ended = False

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes.

        Raises:
            CutOffError: There are no more.
            DamageError: The data are damaged.
        """
        found = bytearray()
        while len(found) < size:
            plain = self._more(size - len(found))
            if not plain and not self._engine.unconsumed_tail and self._ended:
                raise CutOffError("PNG pixel data cut off")
            found += plain
        return bytes(found)

    def finish(self) -> None:
        """Read what stands behind the last row: its checksums are those of all rows.

        Raises:
            CutOffError, DamageError: They are missing or wrong.
        """
        beyond = 0
        # A few more rows than the header tells harm nobody; an endless number is not inflated.
        while not self._engine.eof and beyond < _MOST_BEYOND:
            more = self._more(_PIECE_BYTES)
            beyond += len(more)
            if not more and self._ended and not self._engine.eof:
                raise CutOffError("PNG pixel data cut off")
        for _ in self._pieces:
            pass

    def _more(self, most: int) -> bytes:
        given = self._engine.unconsumed_tail
        if not given and not self._engine.eof:
            given = next(self._pieces, b"")
        with decoder():
            plain = self._engine.decompress(given, most)
        self._ended = self._engine.eof or not given
        return plain


def _compressed(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the data of all IDAT chunks in pieces.

    Raises:
        CutOffError: A chunk is cut off.
        DamageError: Its checksum is wrong.
    """
    for position, length in [
        (stream.tell(), length) for kind, length in walk(stream) if kind == b"IDAT"
    ]:
        check, at, end = zlib.crc32(b"IDAT"), position, position + length
        while at < end:
            stream.seek(at)
            piece = stream.read(min(_PIECE_BYTES, end - at))
            at += len(piece)
            check = zlib.crc32(piece, check)
            yield piece
        stream.seek(end)
        if stream.read(4) != struct.pack(">I", check):
            raise DamageError("PNG checksum is wrong")
