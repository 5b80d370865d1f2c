"""PPM and PGM of more than 8 bits, which Pillow cuts to 8 where they are colour.

Source: the Netpbm documentation, ppm(5) and pgm(5).
"""

import re
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Header:
    """What the head of a file of numbers says.

    Attributes:
        height: Rows.
        width: Columns.
        channels: 1 or 3.
        white: The largest sample.
        text: Samples are written in digits.
        start: Offset of the samples.
    """

    height: int
    width: int
    channels: int
    white: int
    text: bool
    start: int

    @property
    def bits(self) -> int:
        """Bits that a sample needs."""
        return self.white.bit_length()


def deep_header(head: bytes) -> Header | None:
    """Read the head of a file of more than 8 bits; None for every other.

    Args:
        head: The first bytes of the file.
    """
    found = _HEAD.match(head)
    if not found:
        return None
    kind, width, height, white = (int(each) for each in found.groups())
    if not 255 < white < 65536 or not width or not height:
        return None
    return Header(height, width, 3 if kind in (3, 6) else 1, white, kind in (2, 3), found.end())


def read_deep(stream: BinaryIO, header: Header, name: str) -> Picture:
    """Decode samples of 9 to 16 bits.

    Args:
        stream: The whole file, seekable.
        header: As `deep_header` gave it.
        name: How the user calls the picture.

    Raises:
        CutOffError: Samples are missing.
        DamageError: They are no numbers, or larger than the largest.
    """
    stream.seek(header.start)
    count = header.height * header.width * header.channels
    samples = _digits(stream, count) if header.text else _binary(stream, count)
    if int(samples.max()) > header.white:
        raise DamageError("PPM sample beyond the largest")
    samples = samples.reshape(header.height, header.width, header.channels)
    if header.white == (1 << header.bits) - 1:
        samples = normalise(samples, header.bits, name)
    else:
        half = header.white // 2
        samples = ((samples.astype(np.uint32) * 65535 + half) // header.white).astype(np.uint16)
    return decoded(samples, Metadata(), "PPM", bits=header.bits)


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
    header = deep_header(head)
    if header is None:
        return by_pillow(stream, head, name, kind="PPM")
    decode = partial(read_deep, stream, header, name)
    return Opened(header.height, header.width, 1, whole(decode), 2, channels=3)


CODEC = Codec(_opened)
