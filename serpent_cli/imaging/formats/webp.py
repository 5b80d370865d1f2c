"""The chunks of a WebP: how it was coded, and what stands behind it.

Source: WebP Container Specification (Google); RFC 9649.
"""

import struct
from dataclasses import replace
from typing import BinaryIO

from serpent_cli.imaging.formats.codec import Codec, Opened
from serpent_cli.imaging.formats.pillow import by_pillow, write_by_pillow
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture

_MAX_CHUNKS, _MAX_BEHIND = 4096, 64 << 20


def read_facts(stream: BinaryIO) -> tuple[bool, bytes]:
    """Walk over the chunks; odd ones end the walk, and nothing is refused.

    Args:
        stream: The whole file, seekable; moved.

    Returns:
        Whether the pixels are coded without loss (VP8L), and what stands behind the end.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(12)
    end = min(size, 8 + (struct.unpack_from("<I", head, 4)[0] if len(head) == 12 else size))
    lossless, at = False, 12
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        chunk = stream.read(8)
        if len(chunk) < 8 or at >= end or chunk[:4] == b"VP8 ":
            break
        if chunk[:4] == b"VP8L":
            lossless = True
            break
        length = struct.unpack_from("<I", chunk, 4)[0]
        at += 8 + length + length % 2
    stream.seek(end)
    return lossless, stream.read(_MAX_BEHIND)


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    lossless, tail = read_facts(stream)
    return by_pillow(stream, head, name, kind="WebP", lossless=lossless, tail=tail)


def _encode(picture: Picture, metadata: Metadata, stream: BinaryIO, quality: int) -> None:
    write_by_pillow(
        replace(picture, grey=False), metadata, stream, "WEBP", method=4, exact=True,
        quality=quality, lossless=quality == 100,
    )  # fmt: skip


CODEC = Codec(_opened, encode=_encode)
