"""AVIF: samples by imagecodecs (libavif) or Pillow, metadata put into its boxes by us.

Pillow decodes and encodes 8 bits only, and writes EXIF anew, without its thumbnail and maker note;
imagecodecs knows no metadata. Sources: ISO/IEC 14496-12 (boxes), ISO/IEC 23008-12 (items, Exif and
XMP as items that describe the picture), and AV1 Image File Format 1.1.
"""

import io
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.damage import decoder
from serpent_cli.imaging.formats.avif_boxes import Facts, read_facts
from serpent_cli.imaging.formats.boxes import Box, content, pack, pack_full, walk
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, whole
from serpent_cli.imaging.formats.pillow import image_metadata, open_by_pillow, read_by_pillow
from serpent_cli.imaging.metadata import (
    Metadata,
    exif_dpi,
    take_orientation,
    upright_density,
    upright_dpi,
)
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.profile import is_srgb
from serpent_cli.imaging.stored_samples import normalise

BITS = 12
"""Depth in which deep pictures are written: the deepest that AV1 has."""

LOSSLESS = 100
"""The quality at which imagecodecs codes red, green and blue without loss."""

_PRIMARY = 1
_MAX_BOX, _PLACE_BYTES = 64 << 20, 14
# Primaries and transfer curve as ITU-T H.273 numbers them. A profile says it better.
_SRGB, _UNSPECIFIED = (1, 13), (2, 2)


def _stated(found: Metadata, facts: Facts, height: int, width: int) -> Metadata:
    """Complete what Pillow found by what the boxes say.

    Args:
        found: As Pillow found it; its orientation is that of the boxes `irot` and `imir`, which
            alone count, and its EXIF block may have been written anew for them.
        facts: As `avif_boxes.read_facts` gave them.
        height: Rows as stored.
        width: Columns as stored.
    """
    turn = found.orientation
    notes: tuple[str, ...] = ()
    if facts.aperture is not None and facts.crop(height, width) is None:
        notes += ("Its clean aperture does not fall on whole pixels: all of the picture is shown",)
    taken = found
    if facts.exif is not None:
        said = Metadata(icc=found.icc, exif=facts.exif, xmp=found.xmp)
        taken = take_orientation(said, xmp_alone=False)
        dpi = exif_dpi(taken.exif) if taken.exif else None
        taken = replace(taken, orientation=turn, dpi=upright_dpi(dpi, turn))
    cicp = facts.cicp if facts.cicp and not is_srgb(facts.cicp) else None
    density = None if taken.dpi else upright_density(facts.density, turn)
    taken = replace(taken, cicp=cicp, density=density, warnings=taken.warnings + notes)
    return taken.without(tuple(facts.notes))


def _read_deep(stream: BinaryIO, bits: int, metadata: Metadata, facts: Facts, name: str) -> Picture:
    """Decode a still picture of 10 or 12 bits.

    Args:
        stream: The whole file, seekable.
        bits: Bits per channel in the file.
        metadata: As `_stated` gave it, with the orientation still to be applied.
        facts: As `avif_boxes.read_facts` gave them.
        name: How the user calls the picture.

    Returns:
        uint16 pixels, stretched to the full range.

    Raises:
        DamageError: The file is truncated or damaged.
    """
    stream.seek(0)
    with decoder():
        samples: Samples = imagecodecs.avif_decode(stream.read(), index=0)
    box = facts.crop(*samples.shape[:2])
    if box:
        samples = samples[box[1] : box[3], box[0] : box[2]]
    bits = 8 if samples.dtype == np.uint8 else bits
    samples = normalise(samples, bits, name)
    return decoded(samples, metadata, "AVIF", bits=bits, lossless=facts.lossless)


def _encode(picture: Picture, metadata: Metadata, stream: BinaryIO, quality: int) -> None:
    """Encode at 8 or 12 bits without chroma subsampling, with metadata.

    Args:
        picture: Any depth; uint16 and float32 are written with 12 bits, or with those of the file
            where they were coded without loss.
        metadata: What to store beside the pixels; an AVIF has no place for `dpi`.
        stream: Where to write, from its current position.
        quality: 1 to 100; `LOSSLESS` is without loss, but for the rounding to those bits.

    Raises:
        RuntimeError: The encoder refuses the picture.
    """
    # Grey goes in as colour: one channel alone would be encoded without loss, whatever `quality`.
    exact = quality == LOSSLESS
    alone = exact and picture.alpha is None
    channels = picture.channels() if alone else replace(picture, grey=False).channels()
    primaries, curve = metadata.cicp or (_UNSPECIFIED if metadata.icc else _SRGB)
    bits = 8 if channels.dtype == np.uint8 else BITS
    if exact and picture.bits == 10:
        bits = picture.bits
    data = bytes(
        imagecodecs.avif_encode(
            channels if bits == 8 else _to_bits(channels, bits),
            level=quality,
            speed=6,
            bitspersample=bits,
            pixelformat="yuv400"
            if channels.ndim == 2 or (picture.grey and not exact)
            else "yuv444",
            primaries=primaries,
            transfer=curve,
        )
    )
    stream.write(_with_metadata(data, metadata))


def _to_bits(channels: Samples, bits: int) -> Samples:
    result = np.empty(channels.shape, np.uint16)
    top = np.float32((1 << bits) - 1)
    for band in bands(channels.shape[0], channels[0].size):
        result[band] = np.rint(np.clip(to_unit(channels[band]), 0, 1) * top)
    return result


@dataclass(frozen=True)
class _Item:
    """One more item of the file: its type, what stands behind its name, its content."""

    kind: bytes
    suffix: bytes
    data: bytes


def _with_metadata(data: bytes, metadata: Metadata) -> bytes:
    """Give the file profile, EXIF and XMP, as libavif itself would lay them out."""
    items: list[_Item] = []
    if metadata.exif:
        # Four bytes say how far behind them the TIFF header begins.
        items.append(_Item(b"Exif", b"\0", bytes(4) + metadata.exif))
    if metadata.xmp:
        items.append(_Item(b"mime", b"\0application/rdf+xml\0", metadata.xmp))
    properties: list[bytes] = []
    if metadata.icc:
        properties.append(pack(b"colr", b"prof" + metadata.icc))
    if metadata.density:
        # The shape of a pixel: width and height, the other way round than how many there are.
        properties.append(pack(b"pasp", struct.pack(">II", *metadata.density[::-1])))
    if not items and not properties:
        return data
    stream = io.BytesIO(data)
    top = {box.kind: box for box in walk(stream, 0, len(data))}
    meta = top[b"meta"]
    inner = walk(stream, meta.body + 4, meta.end)
    parts = {box.kind: content(stream, box, _MAX_BOX) for box in inner}
    parts.setdefault(b"iref", bytes(4))
    first = 1 + struct.unpack_from(">H", parts[b"iinf"], 4)[0]
    parts[b"iinf"] = _more_infos(parts[b"iinf"], items, first)
    for number, _ in enumerate(items, first):
        parts[b"iref"] += pack(b"cdsc", struct.pack(">HHH", number, 1, _PRIMARY))
    if properties:
        parts[b"iprp"] = _more_properties(parts[b"iprp"], properties)
    order = (b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp")
    grown = sum(8 + len(parts[kind]) for kind in order) + 12 - (meta.end - meta.start)
    grown += _PLACE_BYTES * len(items)
    extra = len(data) + grown + 8
    parts[b"iloc"] = _more_places(parts[b"iloc"], items, first, shift=grown, base=extra)
    body = bytes(4) + b"".join(pack(kind, parts[kind]) for kind in order)
    tail = pack(b"mdat", b"".join(item.data for item in items)) if items else b""
    return data[: meta.start] + pack(b"meta", body) + data[meta.end :] + tail


def _more_infos(body: bytes, items: list[_Item], first: int) -> bytes:
    count = struct.unpack_from(">H", body, 4)[0]
    infos = b"".join(
        pack_full(b"infe", struct.pack(">HH", number, 0) + item.kind + item.suffix, version=2)
        for number, item in enumerate(items, first)
    )
    return body[:4] + struct.pack(">H", count + len(items)) + body[6:] + infos


def _more_places(body: bytes, items: list[_Item], first: int, *, shift: int, base: int) -> bytes:
    """Move what is there by `shift` bytes and add the new items from `base` on.

    Raises:
        ValueError: The encoder laid the table out in another way than libavif does.
    """
    if body[:6] != b"\0\0\0\0\x44\0":
        raise ValueError("item table of an unknown layout")
    count, at = struct.unpack_from(">H", body, 6)[0], 8
    entries = b""
    for _ in range(count):
        number, reference, extents = struct.unpack_from(">3H", body, at)
        entries += struct.pack(">3H", number, reference, extents)
        at += 6
        for _ in range(extents):
            offset, length = struct.unpack_from(">II", body, at)
            entries += struct.pack(">II", offset + shift, length)
            at += 8
    for number, item in enumerate(items, first):
        entries += struct.pack(">3HII", number, 0, 1, base, len(item.data))
        base += len(item.data)
    return body[:6] + struct.pack(">H", count + len(items)) + entries


def _more_properties(body: bytes, properties: list[bytes]) -> bytes:
    """Add properties and tie them to the primary item."""
    stream = io.BytesIO(body)
    boxes: dict[bytes, Box] = {box.kind: box for box in walk(stream, 0, len(body))}
    store = content(stream, boxes[b"ipco"], _MAX_BOX)
    number = 1 + sum(1 for _ in walk(io.BytesIO(store), 0, len(store)))
    ties = content(stream, boxes[b"ipma"], _MAX_BOX)
    count, at = struct.unpack_from(">I", ties, 4)[0], 8
    entries = b""
    for _ in range(count):
        item, several = struct.unpack_from(">HB", ties, at)
        listed = ties[at + 3 : at + 3 + several]
        at += 3 + several
        if item == _PRIMARY:
            listed += bytes(range(number, number + len(properties)))
        entries += struct.pack(">HB", item, len(listed)) + listed
    return pack(b"ipco", store + b"".join(properties)) + pack(b"ipma", ties[:8] + entries)


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    facts = read_facts(stream)
    bits = _stored_bits(head)
    image = open_by_pillow(stream, "AVIF", name)
    metadata = _stated(image_metadata(image), facts, image.height, image.width)
    box = facts.crop(image.height, image.width) or (0, 0, image.width, image.height)

    def decode() -> Picture:
        if bits > 8:
            return _read_deep(stream, bits, metadata, facts, name)
        return read_by_pillow(
            image, "AVIF", bits, name, metadata, crop=box, lossless=facts.lossless
        )

    height, width = box[3] - box[1], box[2] - box[0]
    return Opened(height, width, metadata.orientation, whole(decode), 1 if bits <= 8 else 2)


def _stored_bits(head: bytes) -> int:
    """Find the bits per channel of an AVIF, which Pillow decodes to 8 whatever it holds.

    Args:
        head: The first `formats.HEAD_BYTES` of the file.

    Returns:
        8, 10 or 12; 8 where it is not found.
    """
    at = head.find(b"av1C")
    flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
    return 12 if flags & 0x60 == 0x60 else 10 if flags & 0x40 else 8


CODEC = Codec(_opened, encode=_encode)
