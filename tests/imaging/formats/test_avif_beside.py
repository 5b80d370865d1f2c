"""What lies beside the picture of an AVIF is told by its items; files are laid out here."""

import io
import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np
import pytest

from serpent_cli.imaging import beside
from serpent_cli.imaging.formats.avif_boxes import read_facts
from serpent_cli.imaging.formats.boxes import content, pack, pack_full, walk
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture

GAIN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description hdrgm:Version="1.0"'
    b' dc:title="kept"><hdrgm:GainMapMax>2.0</hdrgm:GainMapMax><Container:Directory><rdf:Seq>'
    b'<Container:Item Item:Semantic="GainMap"/></rdf:Seq></Container:Directory>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
ALPHA = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
DEPTH = "urn:mpeg:mpegB:cicp:systems:auxiliary:depth"
APPLE = "urn:com:apple:photo:2020:aux:hdrgainmap"


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


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tmap", (beside.GAIN_MAP,)), (APPLE, (beside.GAIN_MAP,)), (DEPTH, (beside.DEPTH,)),
        ("urn:x:mask", ("Its auxiliary picture urn:x:mask was left out",)), (ALPHA, ()),
        ("thmb", ()), ("other", (beside.OTHER_PICTURES,)), ("hidden", ()),
    ],
)  # fmt: skip
def test_what_lies_beside_the_picture_of_an_avif(astronaut, name, said, wide):
    base = picture_item(astronaut)
    small = astronaut[::2, ::2].copy()
    second = picture_item(small, *([aux(name)] if ":" in name else []), hidden=name == "hidden")
    items, links = [base, second], []
    if ":" in name:
        grey = astronaut[..., 1].copy() if name == ALPHA else small
        items[1] = picture_item(grey, aux(name))
        links = [(b"auxl", 2, [1])]
    elif name == "tmap":
        items.append(Item(b"tmap", bytes(62), (base.properties[0],)))
        items[1] = picture_item(small, hidden=True)
        links = [(b"dimg", 3, [1, 2])]
    elif name == "thmb":
        links = [(b"thmb", 2, [1])]
    data = avif(items, links, wide=wide)
    picture = read_picture(data)
    assert picture.warnings == said
    assert np.abs(picture.pixels.astype(int) - astronaut).mean() < 3
    assert (picture.alpha is not None) == (name == ALPHA)


def test_names_alone_make_no_gain_map(astronaut):
    """A brand, letters in a block, or a type that is tied to no picture beside this one."""
    base = picture_item(astronaut)
    stray = Item(base.kind, base.data, (*base.properties, aux(APPLE), aux(DEPTH)))
    for data in (
        avif([base], brands=b"tmap"),
        avif([base, Item(b"Exif", bytes(4) + b"MM\0*tmap")]),
        avif([base, Item(b"tmap", bytes(62))]),
        avif([stray]),
    ):
        assert read_facts(io.BytesIO(data)).notes == []


def test_a_gain_map_takes_its_claims_along(astronaut, tmp_path):
    base, small = picture_item(astronaut), picture_item(astronaut[::2, ::2].copy(), hidden=True)
    packet = Item(b"mime", GAIN, after_name=b"application/rdf+xml\0")
    items = [base, small, Item(b"tmap", bytes(62), (base.properties[0],)), packet]
    data = avif(items, [(b"dimg", 3, [1, 2]), (b"cdsc", 4, [1])])
    picture = read_picture(data)
    assert beside.GAIN_MAP in picture.warnings
    write_picture(picture, tmp_path / "a.avif")
    written = (tmp_path / "a.avif").read_bytes()
    assert b'dc:title="kept"' in written
    assert not any(each in written for each in (b"hdrgm", b"GainMap", b"Container"))
