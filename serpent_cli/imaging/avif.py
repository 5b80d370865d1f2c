"""AVIF of 10 and 12 bits: samples by imagecodecs (libavif), metadata put into its boxes by us.

Pillow decodes and encodes 8 bits only; imagecodecs knows no metadata. Sources: ISO/IEC 14496-12
(boxes), ISO/IEC 23008-12 (items, Exif and XMP as items that describe the picture), and AV1 Image
File Format 1.1.
"""

import io
import struct
from dataclasses import dataclass, replace
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.boxes import Box, content, pack, pack_full, walk
from serpent_cli.imaging.colour import bands, to_unit
from serpent_cli.imaging.deep import normalise, split_channels
from serpent_cli.imaging.metadata import Metadata, numbered_colours
from serpent_cli.imaging.picture import Picture, Samples

BITS = 12
"""Depth in which deep pictures are written: the deepest that AV1 has."""

_PRIMARY = 1
_MAX_BOX = 64 << 20
# Primaries and transfer curve as ITU-T H.273 numbers them. A profile says it better.
_SRGB, _UNSPECIFIED = (1, 13), (2, 2)


def read_deep(stream: BinaryIO, bits: int, metadata: Metadata, name: str) -> Picture:
    """Decode a still picture of 10 or 12 bits.

    Args:
        stream: The whole file, seekable.
        bits: Bits per channel in the file.
        metadata: As Pillow found it, with the orientation still to be applied.
        name: How the user calls the picture.

    Returns:
        uint16 pixels, stretched to the full range.

    Raises:
        RuntimeError, ValueError: The file is truncated or damaged.
    """
    stream.seek(0)
    samples: Samples = imagecodecs.avif_decode(stream.read(), index=0)
    samples, notes = normalise(samples, 8 if samples.dtype == np.uint8 else bits, name)
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    return Picture(
        pixels,
        alpha,
        grey,
        metadata.icc,
        metadata.exif,
        metadata.xmp,
        metadata.dpi,
        "AVIF",
        metadata.warnings + notes,
    )


def note_colours(metadata: Metadata, head: bytes) -> Metadata:
    """Say that a description of colours by number, other than sRGB, was left out.

    Args:
        metadata: As read; with a profile the numbers do not count.
        head: The first bytes of the file, with its boxes.
    """
    at = head.find(b"colrnclx")
    if metadata.icc or at < 0 or at + 12 > len(head):
        return metadata
    primaries, curve = struct.unpack_from(">HH", head, at + 8)
    notes = numbered_colours(primaries, curve)
    return replace(metadata, warnings=metadata.warnings + notes)


def write_deep(picture: Picture, metadata: Metadata, stream: BinaryIO, *, quality: int) -> None:
    """Encode at 12 bits without chroma subsampling, with metadata.

    Args:
        picture: uint16 or float32.
        metadata: What to store beside the pixels; an AVIF has no place for `dpi`.
        stream: Where to write, from its current position.
        quality: 1 to 100.

    Raises:
        RuntimeError: The encoder refuses the picture.
    """
    # Grey goes in as colour: one channel alone would be encoded without loss, whatever `quality`.
    channels = replace(picture, grey=False).channels()
    primaries, curve = _UNSPECIFIED if metadata.icc else _SRGB
    data = bytes(
        imagecodecs.avif_encode(
            _to_bits(channels),
            level=quality,
            speed=6,
            bitspersample=BITS,
            pixelformat="yuv400" if picture.grey else "yuv444",
            primaries=primaries,
            transfer=curve,
        )
    )
    stream.write(_with_metadata(data, metadata))


def _to_bits(channels: Samples) -> Samples:
    result = np.empty(channels.shape, np.uint16)
    top = np.float32((1 << BITS) - 1)
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
    if not items and not metadata.icc:
        return data
    stream = io.BytesIO(data)
    top = {box.kind: box for box in walk(stream, 0, len(data))}
    meta = top[b"meta"]
    inner = list(walk(stream, meta.body + 4, meta.end))
    parts = {box.kind: content(stream, box, _MAX_BOX) for box in inner}
    parts.setdefault(b"iref", bytes(4))
    first = 1 + struct.unpack_from(">H", parts[b"iinf"], 4)[0]
    parts[b"iinf"] = _more_infos(parts[b"iinf"], items, first)
    for number, _ in enumerate(items, first):
        parts[b"iref"] += pack(b"cdsc", struct.pack(">HHH", number, 1, _PRIMARY))
    if metadata.icc:
        parts[b"iprp"] = _more_properties(parts[b"iprp"], b"prof" + metadata.icc)
    parts[b"iloc"] = _more_places(parts[b"iloc"], items, first, shift=0, base=0)
    order = (b"hdlr", b"pitm", b"iloc", b"iinf", b"iref", b"iprp")
    grown = sum(8 + len(parts[kind]) for kind in order) + 12 - (meta.end - meta.start)
    extra = len(data) + grown + 8
    original = content(stream, next(box for box in inner if box.kind == b"iloc"), _MAX_BOX)
    parts[b"iloc"] = _more_places(original, items, first, shift=grown, base=extra)
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


def _more_properties(body: bytes, colour: bytes) -> bytes:
    """Add a colour property and tie it to the primary item."""
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
            listed += bytes([number])
        entries += struct.pack(">HB", item, len(listed)) + listed
    return pack(b"ipco", store + pack(b"colr", colour)) + pack(b"ipma", ties[:8] + entries)
