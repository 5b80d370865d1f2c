"""PNG in every depth: the pixels, by imagecodecs (libpng).

Source: PNG Specification, third edition (W3C 2025), sections 7 and 10.
"""

import struct
import zlib
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.bands import BandSource, blank
from serpent_cli.imaging.damage import decoder
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, refuse_animated, whole
from serpent_cli.imaging.formats.png_chunks import (
    CHANNELS,
    GREY,
    PALETTE,
    SIGNATURE,
    Header,
    chunk,
    header_chunk,
    read_header,
    walk,
)
from serpent_cli.imaging.formats.png_inflate import Inflated, check_pixels
from serpent_cli.imaging.formats.png_metadata import gathered
from serpent_cli.imaging.formats.png_write import PngRows
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.orientation import upright_size
from serpent_cli.imaging.picture import Picture, Samples

_BAND_BYTES = 4 << 20


def has_rows(header: Header) -> bool:
    """Whether rows come one after another and stand for themselves.

    They do not where a PNG is interlaced, has a palette or a transparent colour, or fewer than 8
    bits: these are decoded whole.
    """
    plain = not header.interlaced and header.bits >= 8 and b"tRNS" not in header.chunks
    return plain and header.colour_type != PALETTE


def rows(stream: BinaryIO, header: Header, metadata: Metadata) -> BandSource:
    """Offer the rows of a PNG that `has_rows`.

    They are inflated here, and unfiltered and unpacked by libpng, which reads whole files only, as
    imagecodecs offers it. So each band of filtered rows is given to it as a small PNG of its own,
    uncompressed, below the row that stands above it: filters look no farther back.

    Args:
        stream: The whole file, seekable; it must stay open.
        header: As `png_chunks.read_header` gave it.
        metadata: As `png_metadata.gathered` gave it.
    """
    channels = CHANNELS[header.colour_type]
    dtype = np.dtype(np.uint8 if header.bits == 8 else np.uint16)
    height, width = upright_size(header.height, header.width, metadata.orientation)
    pixels, alpha = blank(height, width, dtype, alpha=channels in (2, 4))
    head = metadata.picture(pixels, alpha, channels < 3, format="PNG")
    step = max(1, _BAND_BYTES // (header.width * channels * dtype.itemsize))
    begin = partial(_bands, stream, header, channels, step)
    return BandSource(head, step, begin, orientation=metadata.orientation)


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


def read_png(stream: BinaryIO, header: Header, metadata: Metadata) -> Picture:
    """Decode a still PNG of any kind at once.

    Args:
        stream: The whole file, seekable.
        header: As `png_chunks.read_header` gave it.
        metadata: As `png_metadata.gathered` gave it.

    Returns:
        uint8 or uint16 pixels; palettes become colour, or grey where all their colours are.

    Raises:
        DamageError: The pixel data are truncated or damaged.
    """
    check_pixels(stream, header)
    with decoder():
        samples: Samples = imagecodecs.png_decode(_pixels_only(stream))
    samples = _apply_deep_grey_key(samples, header)
    if header.colour_type == PALETTE and metadata.icc is None and _grey_palette(header):
        samples = samples[..., 0] if samples.shape[2] == 3 else samples[..., ::3]
    return decoded(samples, metadata, "PNG")


def _pixels_only(stream: BinaryIO) -> bytes:
    """Copy the file without what does not decide its pixels.

    libpng would unpack every compressed text in it, be they hundreds.
    """
    parts = [SIGNATURE]
    for kind, length in walk(stream):
        # Bit 5 of the first letter is set where a decoder may leave the chunk out.
        if kind not in (b"", b"IEND") and (not kind[0] & 0x20 or kind == b"tRNS"):
            stream.seek(-8, 1)
            parts.append(stream.read(length + 12))
    parts.append(chunk(b"IEND", b""))
    return b"".join(parts)


def _apply_deep_grey_key(samples: Samples, header: Header) -> Samples:
    """Turn the transparent level of 16-bit grey into alpha, which the decoder leaves undone."""
    key = header.chunks.get(b"tRNS", b"")
    if samples.ndim != 2 or header.colour_type != GREY or len(key) != 2:
        return samples
    level = struct.unpack(">H", key)[0]
    alpha = np.where(samples == level, 0, 65535).astype(samples.dtype)
    return np.stack([samples, alpha], axis=2)


def _grey_palette(header: Header) -> bool:
    colours = np.frombuffer(header.chunks.get(b"PLTE", b""), np.uint8)
    colours = colours[: len(colours) // 3 * 3].reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    header = read_header(stream)
    refuse_animated(header.frames, name)
    metadata, sample_bytes = gathered(header), 1 if header.bits <= 8 else 2
    size = (header.height, header.width, metadata.orientation)
    if has_rows(header):
        return Opened(*size, partial(rows, stream, header, metadata), sample_bytes, by_rows=True)
    return Opened(*size, whole(partial(read_png, stream, header, metadata)), sample_bytes)


CODEC = Codec(_opened, PngRows)
