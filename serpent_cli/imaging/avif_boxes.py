"""What the boxes of an AVIF say that decoders do not tell: nothing here refuses a file.

Sources: ISO/IEC 14496-12 (boxes, clean aperture), ISO/IEC 23008-12 (items and their properties),
AV1 Image File Format 1.2 (gain maps), ITU-T H.273 (numbers of colours).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO, TypeVar

from serpent_cli.imaging import beside
from serpent_cli.imaging.boxes import Box, content, walk
from serpent_cli.imaging.damage import DamageError
from serpent_cli.imaging.metadata import ratio

_MAX_BOX, _MAX_ITEMS = 64 << 20, 4096
_IDENTITY = 0
_UNSPECIFIED = 2

Found = TypeVar("Found")


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
            if box.kind == b"ftyp" and b"tmap" in content(stream, box, 4096)[8:]:
                facts.notes.append(beside.GAIN_MAP)
            elif box.kind == b"mpvd":
                facts.notes.append(beside.VIDEO)
            elif box.kind == b"meta":
                _read_meta(stream, box, facts)
    except (DamageError, struct.error):
        pass  # the decoder will say whether the pixels are there
    return facts


def _read_meta(stream: BinaryIO, meta: Box, facts: Facts) -> None:
    parts = {box.kind: box for box in walk(stream, meta.body + 4, meta.end)}

    def part(kind: bytes) -> bytes:
        return content(stream, parts[kind], _MAX_BOX) if kind in parts else b""

    primary_box = part(b"pitm")
    wide = primary_box[:1] not in (b"", b"\0")
    primary = int.from_bytes(primary_box[4 : 8 if wide else 6], "big")
    kinds = _attempt(lambda: _item_kinds(part(b"iinf")), {})
    if b"tmap" in kinds.values() and beside.GAIN_MAP not in facts.notes:
        facts.notes.append(beside.GAIN_MAP)
    if b"iprp" in parts:
        _read_properties(stream, parts[b"iprp"], primary, facts)
    exif = [number for number, kind in kinds.items() if kind == b"Exif"]
    if exif:
        idat = parts[b"idat"].body if b"idat" in parts else 0
        places = _attempt(lambda: _places(part(b"iloc"), exif[0], idat), [])
        data = b"".join(_read(stream, *place) for place in places)
        start = 4 + int.from_bytes(data[:4], "big")
        facts.exif = data[start:] or None


def _attempt(read: Callable[[], Found], otherwise: Found) -> Found:
    try:
        return read()
    except (struct.error, IndexError):
        return otherwise


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(min(length, _MAX_BOX))


def _item_kinds(body: bytes) -> dict[int, bytes]:
    """Number and type of each item."""
    kinds: dict[int, bytes] = {}
    at = 6 if body[:1] == b"\0" else 8
    while at + 8 <= len(body) and len(kinds) < _MAX_ITEMS:
        size, version = struct.unpack_from(">I", body, at)[0], body[at + 8]
        if size < 16 or version not in (2, 3):
            break
        number = struct.unpack_from(">H" if version == 2 else ">I", body, at + 12)[0]
        kind_at = at + 12 + (2 if version == 2 else 4) + 2
        kinds[number] = body[kind_at : kind_at + 4]
        at += size
    return kinds


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

    for _ in range(min(number(4 if version == 2 else 2), _MAX_ITEMS)):
        item = number(4 if version == 2 else 2)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)
        base = number(base_size)
        found: list[tuple[int, int]] = []
        for _ in range(min(number(2), _MAX_ITEMS)):
            number(index_size)
            offset, length = number(offset_size), number(length_size)
            found.append((base + offset + (idat if method == 1 else 0), length))
        if item == wanted:
            return found if method in (0, 1) else []
    return []


def _read_properties(stream: BinaryIO, iprp: Box, primary: int, facts: Facts) -> None:
    boxes = {box.kind: box for box in walk(stream, iprp.body, iprp.end)}
    if b"ipco" not in boxes or b"ipma" not in boxes:
        return
    store = list(walk(stream, boxes[b"ipco"].body, boxes[b"ipco"].end))
    ties = content(stream, boxes[b"ipma"], _MAX_BOX)
    for index in _attempt(lambda: _ties(ties, primary), []):
        if 0 < index <= len(store):
            box = store[index - 1]
            _take_property(box.kind, content(stream, box, 64), facts)
    for box in store:
        if box.kind == b"auxC" and b"depth" in content(stream, box, 256):
            facts.notes.append(beside.DEPTH)


def _ties(body: bytes, wanted: int) -> list[int]:
    """Numbers of the properties of an item, from 1."""
    long_items, long_numbers = body[0] >= 1, body[3] & 1
    at = 8
    for _ in range(min(struct.unpack_from(">I", body, 4)[0], _MAX_ITEMS)):
        item, count = struct.unpack_from(">IB" if long_items else ">HB", body, at)
        at += 5 if long_items else 3
        width = 2 if long_numbers else 1
        numbers = [
            int.from_bytes(body[place : place + width], "big") & (0x7FFF if long_numbers else 0x7F)
            for place in range(at, at + width * count, width)
        ]
        at += width * count
        if item == wanted:
            return numbers
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
