"""What Pillow leaves out of BMP: embedded profiles, and transparency.

Source: Microsoft, BITMAPV5HEADER and BITMAPV4HEADER structures.
"""

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.picture import Samples

_FILE_HEADER = 14
_V5_BYTES = 124
_EMBEDDED = b"DEBM"
_MAX_PROFILE = 16 << 20
_METRES_PER_INCH = 0.0254


def embedded_profile(stream: BinaryIO) -> bytes | None:
    """Read the colour profile that a header of version 5 may point to; None where there is none.

    Args:
        stream: The whole file, seekable; moved.
    """
    stream.seek(_FILE_HEADER)
    header = stream.read(_V5_BYTES)
    if len(header) < _V5_BYTES or header[:4] != struct.pack("<I", _V5_BYTES):
        return None
    if header[56:60] != _EMBEDDED:
        return None
    offset, size = struct.unpack_from("<II", header, 112)
    stream.seek(_FILE_HEADER + offset)
    profile = stream.read(min(size, _MAX_PROFILE))
    return profile if len(profile) == size and size else None


def write_rgba(channels: Samples, dpi: tuple[float, float] | None, stream: BinaryIO) -> None:
    """Encode a picture with transparency: 32 bits per pixel, with a mask that names the alpha.

    Args:
        channels: (H, W, 4) uint8.
        dpi: Horizontal and vertical pixels per inch; None is stored as 0, which is unknown.
        stream: Where to write, from its current position.
    """
    data = bytearray(imagecodecs.bmp_encode(np.ascontiguousarray(channels)))
    metres = (round(value / _METRES_PER_INCH) for value in dpi or (0, 0))
    struct.pack_into("<ii", data, _FILE_HEADER + 24, *metres)
    stream.write(data)
