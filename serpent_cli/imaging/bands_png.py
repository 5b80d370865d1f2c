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
from serpent_cli.imaging.damage import decoder
from serpent_cli.imaging.picture import Samples
from serpent_cli.imaging.png_chunks import SIGNATURE, Header
from serpent_cli.imaging.png_inflate import Inflated
from serpent_cli.imaging.png_metadata import gathered

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_BAND_BYTES = 4 << 20


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
        header: As `png.read_still` gave it.

    Returns:
        None where rows do not come one after another, or do not stand for themselves: interlaced,
        turned, with a palette, fewer than 8 bits, or a transparent colour.
    """
    metadata = gathered(header)
    if (
        header.interlaced
        or metadata.orientation != 1
        or header.bits < 8
        or header.colour_type not in _CHANNELS
        or b"tRNS" in header.chunks
    ):
        return None
    channels = _CHANNELS[header.colour_type]
    dtype = np.dtype(np.uint8 if header.bits == 8 else np.uint16)
    pixels, alpha = blank(header.height, header.width, dtype, alpha=channels in (2, 4))
    head = metadata.picture(pixels, alpha, channels < 3, format="PNG")
    step = max(1, _BAND_BYTES // (header.width * channels * dtype.itemsize))
    return BandSource(head, step, lambda: _bands(stream, header, channels, step))


def _bands(stream: BinaryIO, header: Header, channels: int, step: int) -> Iterator[Samples]:
    row_bytes = header.width * channels * header.bits // 8
    filtered = Inflated(stream)
    above = bytes(row_bytes)
    for top in range(0, header.height, step):
        count = min(step, header.height - top)
        rows = filtered.read(count * (1 + row_bytes))
        band = _unfilter(above, rows, header, count)
        last = band[-1] if header.bits == 8 else band[-1].astype(">u2")
        above = last.tobytes()
        if top + count == header.height:
            filtered.finish()
        yield band.reshape(count, header.width, channels)


def _unfilter(above: bytes, rows: bytes, header: Header, count: int) -> Samples:
    """Give libpng the row above, unfiltered, and `count` filtered ones; return the latter."""
    parts = (
        SIGNATURE,
        header_chunk(count + 1, header.width, header.bits, header.colour_type),
        chunk(b"IDAT", zlib.compress(b"\0" + above + rows, 0)),
        chunk(b"IEND", b""),
    )
    with decoder():
        return imagecodecs.png_decode(b"".join(parts))[1:]
