"""The items of an AVIF: pictures and blocks, how they hang together, and what lies beside one.

Sources: ISO/IEC 23008-12 (items, references `auxl` and `dimg`, auxiliary pictures), ISO/IEC
23000-22 (alpha and depth), ISO 21496-1 and AV1 Image File Format 1.2 (gain maps, as a derived item
`tmap` of base and map), Apple's type of gain maps.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from serpent_cli.imaging import beside
from serpent_cli.imaging.damage import DamageError
from serpent_cli.imaging.formats.boxes import Box, content, walk

MAX_BOX, MAX_ITEMS = 64 << 20, 4096
_CODED = (b"av01", b"grid", b"iovl", b"iden")
_ALPHA = ("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:hevc:2015:auxid:1")
_DEPTH = ("urn:mpeg:mpegB:cicp:systems:auxiliary:depth", "urn:mpeg:hevc:2015:auxid:2")
_GAIN_MAP = "urn:com:apple:photo:2020:aux:hdrgainmap"


@dataclass
class Items:
    """What the tables of a `meta` box say; what cannot be read is left out.

    Attributes:
        primary: Number of the picture that is meant; 0 if it is not said.
        kinds: Type of each item, by its number.
        hidden: Items that are not to be shown by themselves.
        references: (type, from item, to items) of each reference.
        properties: The store of properties.
        ties: Numbers of each item's properties in the store, from 0.
    """

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict[int, bytes])
    hidden: set[int] = field(default_factory=set[int])
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(
        default_factory=list[tuple[bytes, int, tuple[int, ...]]]
    )
    properties: list[Box] = field(default_factory=list[Box])
    ties: dict[int, list[int]] = field(default_factory=dict[int, list[int]])

    def of(self, item: int) -> list[Box]:
        """The properties of an item."""
        numbers = self.ties.get(item, [])
        return [self.properties[each] for each in numbers if 0 <= each < len(self.properties)]

    def sources(self, kind: bytes, to: int) -> list[int]:
        """Items with a reference of a type to an item."""
        return [item for each, item, found in self.references if each == kind and to in found]


def part(stream: BinaryIO, parts: dict[bytes, Box], kind: bytes) -> bytes:
    """The content of a box of a `meta` box; empty where there is none."""
    return content(stream, parts[kind], MAX_BOX) if kind in parts else b""


def read_items(stream: BinaryIO, parts: dict[bytes, Box]) -> Items:
    """Read the tables of a `meta` box.

    Args:
        stream: The file, seekable; moved.
        parts: The boxes in it, by their type.
    """
    items = Items()
    body = part(stream, parts, b"pitm")
    items.primary = int.from_bytes(body[4 : 6 if body[:1] in (b"", b"\0") else 8], "big")
    for read in (_read_infos, _read_references, _read_properties):
        try:
            read(stream, parts, items)
        except (struct.error, IndexError, KeyError, DamageError):
            continue  # the decoder will say whether the pixels are there
    return items


def _inside(stream: BinaryIO, box: Box, before: int) -> Iterator[tuple[bytes, bytes]]:
    """Type and content of the boxes in a box, behind `before` bytes."""
    for each in walk(stream, box.body + before, box.end):
        yield each.kind, content(stream, each, MAX_BOX)


def _read_infos(stream: BinaryIO, parts: dict[bytes, Box], items: Items) -> None:
    before = 8 if part(stream, parts, b"iinf")[0] else 6
    for _, body in _inside(stream, parts[b"iinf"], before):
        if body[0] not in (2, 3):
            break
        form = ">I" if body[0] == 3 else ">H"
        number, kind_at = struct.unpack_from(form, body, 4)[0], 6 + struct.calcsize(form)
        items.kinds[number] = body[kind_at : kind_at + 4]
        if body[3] & 1:
            items.hidden.add(number)


def _read_references(stream: BinaryIO, parts: dict[bytes, Box], items: Items) -> None:
    form = "I" if part(stream, parts, b"iref")[0] else "H"
    for kind, body in _inside(stream, parts[b"iref"], 4):
        source, count = struct.unpack_from(f">{form}H", body)
        found = struct.unpack_from(f">{count}{form}", body, struct.calcsize(f">{form}H"))
        items.references.append((kind, source, found))


def _read_properties(stream: BinaryIO, parts: dict[bytes, Box], items: Items) -> None:
    inside = list(walk(stream, parts[b"iprp"].body, parts[b"iprp"].end))
    for box in inside:
        if box.kind == b"ipco":
            items.properties = list(walk(stream, box.body, box.end))
    for box in inside:  # there may be several tables
        if box.kind == b"ipma":
            _read_ties(content(stream, box, MAX_BOX), items)


def _read_ties(body: bytes, items: Items) -> None:
    long_items, long_numbers = body[0] >= 1, body[3] & 1
    width, mask = (2, 0x7FFF) if long_numbers else (1, 0x7F)
    at = 8
    for _ in range(min(struct.unpack_from(">I", body, 4)[0], MAX_ITEMS)):
        item, count = struct.unpack_from(">IB" if long_items else ">HB", body, at)
        at += 5 if long_items else 3
        listed = items.ties.setdefault(item, [])
        for place in range(at, at + width * count, width):
            number = int.from_bytes(body[place : place + width], "big") & mask
            if number:  # 0 stands for none
                listed.append(number - 1)
        at += width * count


def what_lies_beside(stream: BinaryIO, items: Items) -> list[str]:
    """One sentence for each kind of picture beside the primary one.

    Args:
        stream: The file, seekable; moved.
        items: Of its `meta` box.
    """
    notes: list[str] = []
    derived = {to for kind, _, found in items.references if kind == b"dimg" for to in found}
    for kind, item, found in items.references:
        # A tone map is derived from two pictures: the base, and the map.
        if kind == b"dimg" and items.kinds.get(item) == b"tmap" and len(found) > 1:
            notes.append(beside.GAIN_MAP)
    beside_others = {item for kind, item, _ in items.references if kind in (b"auxl", b"thmb")}
    for item in items.sources(b"auxl", items.primary):
        notes += _auxiliary(stream, items.of(item))
    known = {items.primary} | derived | beside_others | items.hidden
    if any(kind in _CODED and item not in known for item, kind in items.kinds.items()):
        notes.append(beside.OTHER_PICTURES)
    return list(dict.fromkeys(notes))


def _auxiliary(stream: BinaryIO, properties: list[Box]) -> list[str]:
    """What an auxiliary picture is by its type; alpha is read."""
    for box in properties:
        if box.kind == b"auxC":
            name = content(stream, box, 1024)[4:].split(b"\0")[0].decode("ascii", "replace")
            if name in _ALPHA:
                return []
            if name == _GAIN_MAP:
                return [beside.GAIN_MAP]
            return [
                beside.DEPTH if name in _DEPTH else f"Its auxiliary picture {name} was left out"
            ]
    return []
