"""Boxes of the ISO base media family: length, four letters, content; JPEG 2000 and AVIF use them.

Sources: ISO/IEC 15444-1, annex I.4; ISO/IEC 14496-12, section 4.2.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from serpent_cli.imaging.damage import CutOffError, DamageError

_MAX_BOXES = 4096


@dataclass(frozen=True)
class Box:
    """Where a box stands.

    Attributes:
        kind: Its four letters.
        start: Offset of its header.
        body: Offset of its content.
        end: Offset after its content.
    """

    kind: bytes
    start: int
    body: int
    end: int


def walk(stream: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that stand side by side between two offsets.

    Args:
        stream: Seekable; moved.
        start: Offset of the first box.
        end: Offset after the last one.

    Raises:
        CutOffError: A box reaches beyond `end`.
        DamageError: A box is shorter than its header, or there are thousands of them.
    """
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        stream.seek(start)
        head = stream.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        body = start + 8
        if length == 1 and len(head) == 16:
            length, body = struct.unpack_from(">Q", head, 8)[0], start + 16
        after = end if length == 0 else start + length
        if after < body:
            raise DamageError("box shorter than its header")
        if after > end:
            raise CutOffError("box cut off")
        yield Box(kind, start, body, after)
        start = after
    raise DamageError("too many boxes")


def content(stream: BinaryIO, box: Box, most: int) -> bytes:
    """Read what a box holds, at most `most` bytes of it."""
    stream.seek(box.body)
    return stream.read(min(box.end - box.body, most))


def pack(kind: bytes, body: bytes) -> bytes:
    """Make a box."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def pack_full(kind: bytes, body: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    """Make a box that begins with a version and flags."""
    return pack(kind, struct.pack(">I", version << 24 | flags) + body)
