"""PNG, written in pieces of rows: libpng filters them, zlib deflates them side by side.

Each piece of rows is deflated for itself and ends on a byte, so that the pieces together are one
stream; what a piece could have referred to in the piece before, 32 KiB, is little beside its size.
Sources: PNG Specification, third edition (W3C 2025); RFC 1950 and 1951.
"""

import struct
import zlib
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.bands import channel_count
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.formats.piece_writer import PieceWriter
from serpent_cli.imaging.formats.png_chunks import SIGNATURE, chunk, header_chunk
from serpent_cli.imaging.formats.png_metadata import metadata_chunks
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture, Samples

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_LEVEL = 4  # of deflate: within 6 % of the size of level 6 at half its time
_PIECE_BYTES = 2 << 20
_WAITING_BYTES = 48 << 20
_MAX_WIDTH = 1_000_000
# On photographs as small as libpng's choice of a filter for each row, and found at once.
_FILTER = imagecodecs.PNG.FILTER.PAETH
_ZLIB_HEADER = b"\x78\x5e"
_LAST_BLOCK = b"\x03\x00"


class PngRows(PieceWriter[tuple[bytes, bytes]]):
    """Encodes a picture from the top down; float32 is rounded to 16 bits.

    Args:
        head: The picture; its samples do not matter.
        metadata: What to store beside the pixels.
        stream: A new file.

    Raises:
        ValueError: A row is longer than libpng allows.
    """

    def __init__(self, head: Picture, metadata: Metadata, stream: BinaryIO) -> None:
        if head.width > _MAX_WIDTH:
            raise ValueError(f"PNG rows have at most {_MAX_WIDTH} pixels here")
        self._stream = stream
        self._dtype = np.dtype(np.uint8 if head.pixels.dtype == np.uint8 else np.uint16)
        channels = channel_count(head)
        row_bytes = head.width * channels * self._dtype.itemsize
        super().__init__(max(1, _PIECE_BYTES // row_bytes), _WAITING_BYTES)
        self._above: Samples | None = None
        self._checksum = zlib.adler32(b"")
        self._begun = False
        bits = 8 * self._dtype.itemsize
        stream.write(SIGNATURE)
        stream.write(header_chunk(head.height, head.width, bits, _COLOUR_TYPES[channels]))
        for kind, body in metadata_chunks(metadata):
            stream.write(chunk(kind, body))

    def _encode(self, piece: Samples) -> None:
        rows = to_depth(piece, self._dtype)
        hidden = 0 if self._above is None else 1
        rows = rows.copy() if self._above is None else np.concatenate([self._above, rows])
        self._above = rows[-1:].copy()
        self._pool.put(partial(_encode, rows, hidden), 3 * rows.nbytes)

    def _end(self) -> None:
        end = struct.pack(">I", self._checksum)
        self._stream.write(chunk(b"IDAT", _LAST_BLOCK + end))
        self._stream.write(chunk(b"IEND", b""))

    def _store(self, result: tuple[bytes, bytes]) -> None:
        filtered, deflated = result
        self._checksum = zlib.adler32(filtered, self._checksum)
        start, self._begun = (b"" if self._begun else _ZLIB_HEADER), True
        self._stream.write(chunk(b"IDAT", start + deflated))


def _encode(rows: Samples, hidden: int) -> tuple[bytes, bytes]:
    """Filter and deflate rows (h, W, C) below the `hidden` ones on top of them.

    Returns:
        The filtered rows, and their deflate blocks, which end on a byte.
    """
    filtered = _filter(rows)[hidden * (1 + rows[0].nbytes) :]
    engine = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return filtered, engine.compress(filtered) + engine.flush(zlib.Z_SYNC_FLUSH)


def _filter(rows: Samples) -> bytes:
    """Filter rows by way of a PNG that is not compressed."""
    if rows.shape[2] == 1:
        rows = rows[..., 0]
    # NumPy leaves any stride on an axis of length 1; the encoder wants the canonical one.
    rows = rows.copy(order="C") if 1 in rows.shape else np.ascontiguousarray(rows)
    # The encoder guesses too little room for narrow rows: one byte names the filter of each.
    room = rows.nbytes + (rows.nbytes >> 5) + 2 * len(rows) + 4096
    data = memoryview(imagecodecs.png_encode(rows, level=0, filter=_FILTER, out=room))
    engine, at, parts = zlib.decompressobj(), len(SIGNATURE), list[bytes]()
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind == b"IDAT":
            parts.append(engine.decompress(data[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join(parts)
