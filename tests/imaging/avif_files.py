"""AVIF files laid out by the tests themselves: several items, references and properties."""

import io
import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np

from serpent_cli.imaging.boxes import content, pack, pack_full, walk


@dataclass(frozen=True)
class Item:
    """One item: type, content, boxes of its properties, whether it is hidden, its media type."""

    kind: bytes
    data: bytes
    properties: tuple[bytes, ...] = ()
    hidden: bool = False
    after_name: bytes = b""


def picture_item(pixels: np.ndarray, *more: bytes, hidden: bool = False) -> Item:
    """A coded picture with the properties that libavif gave it, and more of them."""
    data = bytes(imagecodecs.avif_encode(pixels, level=90, speed=9))
    stream = io.BytesIO(data)
    top = {box.kind: box for box in walk(stream, 0, len(data))}
    meta = {box.kind: box for box in walk(stream, top[b"meta"].body + 4, top[b"meta"].end)}
    inside = {box.kind: box for box in walk(stream, meta[b"iprp"].body, meta[b"iprp"].end)}
    store = list(walk(stream, inside[b"ipco"].body, inside[b"ipco"].end))
    boxes = tuple(data[box.start : box.end] for box in store)
    return Item(b"av01", content(stream, top[b"mdat"], 1 << 20), boxes + more, hidden)


def aux(name: str) -> bytes:
    """The property that tells what an auxiliary picture is."""
    return pack_full(b"auxC", name.encode() + b"\0")


def avif(
    items: list[Item],
    references: list[tuple[bytes, int, list[int]]] = [],  # noqa: B006
    *,
    wide: bool = False,
    brands: bytes = b"",
) -> bytes:
    """A file whose first item is the primary one; items count from 1.

    With `wide`, all numbers of items and properties have their long form.
    """
    store = b"".join(box for item in items for box in item.properties)
    form, version = (">I", 1) if wide else (">H", 0)

    def number(value: int) -> bytes:
        return struct.pack(form, value)

    infos, ties, links, first = b"", b"", b"", 1
    for at, item in enumerate(items, 1):
        infos += pack_full(
            b"infe", number(at) + b"\0\0" + item.kind + b"\0" + item.after_name,
            version=3 if wide else 2, flags=int(item.hidden),
        )  # fmt: skip
        numbers = range(first, first + len(item.properties))
        first += len(item.properties)
        ties += number(at) + bytes([len(numbers)])
        ties += b"".join(struct.pack(">H" if wide else ">B", each) for each in numbers)
    for kind, source, to in references:
        links += pack(kind, number(source) + struct.pack(">H", len(to)) + b"".join(map(number, to)))
    head = pack(b"ftyp", b"avif\0\0\0\0avifmif1miaf" + brands)

    def meta(start: int) -> bytes:
        places = b""
        for at, item in enumerate(items, 1):
            places += number(at) + (b"\0\0" if wide else b"")
            places += struct.pack(">HHII", 0, 1, start, len(item.data))
            start += len(item.data)
        count = struct.pack(form, len(items))
        return pack_full(
            b"meta",
            pack_full(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + pack_full(b"pitm", number(1), version=version)
            + pack_full(b"iloc", b"\x44\0" + count + places, version=2 if wide else 0)
            + pack_full(b"iinf", count + infos, version=version)
            + (pack_full(b"iref", links, version=version) if links else b"")
            + pack(b"iprp", pack(b"ipco", store) + pack_full(
                b"ipma", struct.pack(">I", len(items)) + ties, version=version, flags=int(wide)
            )),
        )  # fmt: skip

    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + pack(b"mdat", b"".join(item.data for item in items))
