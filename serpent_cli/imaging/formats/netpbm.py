"""PPM and PGM of more than 8 bits, which Pillow cuts to 8 where they are colour.

Source: the Netpbm documentation, ppm(5) and pgm(5).
"""

import re
from functools import partial
from typing import BinaryIO

import numpy as np

from serpent_cli.imaging.damage import CutOffError, DamageError
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, whole
from serpent_cli.imaging.formats.pillow import by_pillow
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.stored_samples import normalise

# Fields stand between white space and comments; one white space ends the last of them.
_BETWEEN = rb"(?:\s|#[^\r\n]*[\r\n])+"
_HEAD = re.compile(
    rb"P([2356])" + _BETWEEN + rb"(\d{1,9})" + _BETWEEN + rb"(\d{1,9})" + _BETWEEN
    + rb"(\d{1,9})(?:\s|#[^\r\n]*[\r\n])"
)  # fmt: skip
_COMMENT = re.compile(rb"#[^\r\n]*")


def _read(stream: BinaryIO, head: re.Match[bytes], name: str) -> Picture:
    """Decode samples of 9 to 16 bits.

    Raises:
        CutOffError: Samples are missing.
        DamageError: They are no numbers, or larger than the largest.
    """
    kind, width, height, white = (int(each) for each in head.groups())
    channels, bits = 3 if kind in (3, 6) else 1, white.bit_length()
    stream.seek(head.end())
    count = height * width * channels
    samples = _digits(stream, count) if kind in (2, 3) else _binary(stream, count)
    if int(samples.max()) > white:
        raise DamageError("PPM sample beyond the largest")
    samples = samples.reshape(height, width, channels)
    if white == (1 << bits) - 1:
        samples = normalise(samples, bits, name)
    else:
        samples = ((samples.astype(np.uint32) * 65535 + white // 2) // white).astype(np.uint16)
    return decoded(samples, Metadata(), "PPM", bits=bits)


def _binary(stream: BinaryIO, count: int) -> Samples:
    data = stream.read(2 * count)
    if len(data) < 2 * count:
        raise CutOffError("PPM samples cut off")
    return np.frombuffer(data, ">u2").astype(np.uint16)


def _digits(stream: BinaryIO, count: int) -> Samples:
    words = _COMMENT.sub(b"", stream.read()).split(None, count)[:count]
    if len(words) < count:
        raise CutOffError("PPM samples cut off")
    try:
        return np.array(words, dtype=np.bytes_).astype(np.uint16)
    except (ValueError, OverflowError):
        raise DamageError("PPM sample that is no number") from None


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    found = _HEAD.match(head)
    _, width, height, white = (int(each) for each in found.groups()) if found else (0, 0, 0, 0)
    if found is None or not 255 < white < 65536 or not width or not height:
        return by_pillow(stream, head, name, kind="PPM")
    return Opened(height, width, 1, whole(partial(_read, stream, found, name)), 2, channels=3)


CODEC = Codec(_opened)
