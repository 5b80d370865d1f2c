"""What the boxes of an AVIF say that decoders do not tell: nothing here refuses a file.

Sources: ISO/IEC 14496-12 (boxes, clean aperture), ISO/IEC 23008-12 (items and their properties),
AV1 Image File Format 1.2 (gain maps), ITU-T H.273 (numbers of colours).
"""

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from serpent_cli.imaging import beside
from serpent_cli.imaging.damage import DamageError
from serpent_cli.imaging.formats.avif_items import (
    MAX_BOX,
    MAX_ITEMS,
    part,
    read_items,
    what_lies_beside,
)
from serpent_cli.imaging.formats.boxes import Box, content, walk
from serpent_cli.imaging.metadata import ratio

_IDENTITY = 0
_UNSPECIFIED = 2


@dataclass
class Facts:
    """What the boxes say of the primary item.

    Attributes:
        aperture: (width, height, horizontal, vertical offset of its centre) of the clean aperture.
        cicp: Numbers of primaries and transfer curve, where they are stated.
        lossless: It was coded as red, green and blue, as only lossless coding does.
        density: As `Picture` has it, of the stored pixels.
        exif: EXIF block, byte for byte.
        notes: One sentence for each thing beside the picture.
    """

    aperture: tuple[Fraction, ...] | None = None
    cicp: tuple[int, int] | None = None
    lossless: bool = False
    density: tuple[int, int] | None = None
    exif: bytes | None = None
    notes: list[str] = field(default_factory=list[str])

    def crop(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """(left, top, right, bottom) of what is to be seen; None for all.

        Args:
            height: Rows as stored.
            width: Columns as stored.
        """
        if self.aperture is None:
            return None
        across, down, x, y = self.aperture
        left, top = (width - across) / 2 + x, (height - down) / 2 + y
        edges = (left, top, left + across, top + down)
        inside = 0 <= left < edges[2] <= width and 0 <= top < edges[3] <= height
        if not inside or any(edge.denominator != 1 for edge in edges):
            return None
        return (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))


def read_facts(stream: BinaryIO) -> Facts:
    """Read the boxes.

    Args:
        stream: The whole file, seekable; moved.
    """
    facts, size = Facts(), stream.seek(0, 2)
    try:
        for box in walk(stream, 0, size):
            if box.kind == b"mpvd":
                facts.notes.append(beside.VIDEO)
            elif box.kind == b"meta":
                _read_meta(stream, box, facts)
    except (DamageError, struct.error):
        pass  # the decoder will say whether the pixels are there
    return facts


def _read_meta(stream: BinaryIO, meta: Box, facts: Facts) -> None:
    parts = {box.kind: box for box in walk(stream, meta.body + 4, meta.end)}
    items = read_items(stream, parts)
    facts.notes += what_lies_beside(stream, items)
    for box in items.of(items.primary):
        _take_property(box.kind, content(stream, box, 64), facts)
    exif = [number for number, kind in items.kinds.items() if kind == b"Exif"]
    if exif:
        idat = parts[b"idat"].body if b"idat" in parts else 0
        try:
            places = _places(part(stream, parts, b"iloc"), exif[0], idat)
        except (struct.error, IndexError):
            places = []
        data = b"".join(_read(stream, *place) for place in places)
        start = 4 + int.from_bytes(data[:4], "big")
        facts.exif = data[start:] or None


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(min(length, MAX_BOX))


def _places(body: bytes, wanted: int, idat: int) -> list[tuple[int, int]]:
    """Offset and length of each part of an item."""
    version, sizes, more = body[0], body[4], body[5]
    offset_size, length_size, base_size = sizes >> 4, sizes & 15, more >> 4
    index_size = more & 15 if version in (1, 2) else 0
    at = 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        if at > len(body):
            raise IndexError
        return int.from_bytes(body[at - size : at], "big")

    for _ in range(min(number(4 if version == 2 else 2), MAX_ITEMS)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)
        base = number(base_size)
        found: list[tuple[int, int]] = []
        for _ in range(min(number(2), MAX_ITEMS)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            found.append((base + offset + (idat if method == 1 else 0), length))
        if item == wanted:
            return found if method in (0, 1) else []
    return []


def _take_property(kind: bytes, body: bytes, facts: Facts) -> None:
    if kind == b"clap" and len(body) >= 32:
        numbers = struct.unpack_from(">IIIIiIiI", body)
        if all(numbers[1::2]):
            pairs = zip(numbers[::2], numbers[1::2], strict=True)
            facts.aperture = tuple(Fraction(*pair) for pair in pairs)
    elif kind == b"pasp" and len(body) >= 8:
        # A pixel's width and height: the densities are the other way round.
        across, down = struct.unpack_from(">II", body)
        facts.density = ratio(down, across)
    elif kind == b"colr" and body[:4] == b"nclx" and len(body) >= 11:
        primaries, curve, matrix = struct.unpack_from(">3H", body, 4)
        facts.lossless = matrix == _IDENTITY
        if (primaries, curve) != (_UNSPECIFIED, _UNSPECIFIED):
            facts.cicp = (primaries, curve) if max(primaries, curve) < 256 else None
