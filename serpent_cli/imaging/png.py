"""PNG in every depth: the pixels, by imagecodecs (libpng).

Source: PNG Specification, third edition (W3C 2025).
"""

import struct
import zlib
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.damage import CutOffError, decoder
from serpent_cli.imaging.deep import split_channels
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.png_chunks import GREY, PALETTE, SIGNATURE, Header, read_header, walk
from serpent_cli.imaging.png_inflate import check_pixels
from serpent_cli.imaging.png_metadata import WANTED, gathered


def read_still(stream: BinaryIO, name: str) -> Header:
    """Read everything but the pixels, and refuse an animated PNG.

    Args:
        stream: The whole file, seekable.
        name: How the user calls the picture.

    Raises:
        PictureError: It has more than one frame.
        DamageError: Its chunks are damaged or cut off.
    """
    header = read_header(stream, WANTED)
    if header.frames > 1:
        raise PictureError(
            f"cannot read {name}: it is animated ({header.frames} frames)",
            "Extract its frames as PNG files first",
        )
    return header


def read_png(stream: BinaryIO, header: Header) -> Picture:
    """Decode a still PNG of any kind.

    Args:
        stream: The whole file, seekable.
        header: As `read_still` gave it.

    Returns:
        uint8 or uint16 pixels; palettes become colour, or grey where all their colours are.

    Raises:
        DamageError: The pixel data are truncated or damaged.
    """
    check_pixels(stream, header)
    with decoder():
        samples: Samples = imagecodecs.png_decode(_pixels_only(stream))
    samples = _apply_deep_grey_key(samples, header)
    metadata = gathered(header)
    if header.colour_type == PALETTE and metadata.icc is None and _grey_palette(header):
        samples = samples[..., 0] if samples.shape[2] == 3 else samples[..., ::3]
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    return metadata.picture(pixels, alpha, grey, format="PNG")


def _pixels_only(stream: BinaryIO) -> bytes:
    """Copy the file without what does not decide its pixels.

    libpng would unpack every compressed text in it, be they hundreds.
    """
    parts = [SIGNATURE]
    for kind, length in walk(stream):
        # Bit 5 of the first letter is set where a decoder may leave the chunk out.
        if kind not in (b"", b"IEND") and (not kind[0] & 0x20 or kind == b"tRNS"):
            stream.seek(-8, 1)
            part = stream.read(length + 12)
            if len(part) < length + 12:
                raise CutOffError("PNG chunk cut off")
            parts.append(part)
    parts.append(struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND")))
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
