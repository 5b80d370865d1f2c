"""The chunks of a PNG: found, checked, and all but the pixels read.

Both ways of decoding pixels, whole and by bands, begin here, so that both refuse the same damage.
Source: PNG Specification, third edition (W3C 2025), section 5.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from serpent_cli.imaging import beside
from serpent_cli.imaging.damage import CutOffError, DamageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel by colour type; of a palette its index."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_TEXTS = (b"iTXt", b"zTXt", b"tEXt")
XMP_KEYWORD, _XMP_PROFILE = b"XML:com.adobe.xmp", b"Raw profile type xmp"
EXIF_PROFILES = (b"Raw profile type exif", b"Raw profile type APP1")
WANTED = frozenset({XMP_KEYWORD, _XMP_PROFILE, *EXIF_PROFILES})
"""Keywords of texts that are kept, of each the first one."""

_MAX_CHUNK, _MAX_BEHIND = 64 << 20, 64 << 20
_DECIDING = frozenset({b"PLTE", b"tRNS"})
_KEPT = frozenset({b"iCCP", b"eXIf", b"pHYs", b"acTL", b"cICP", b"gAMA", b"cHRM", b"sRGB"})
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
# What only helps programs to show the file, or tells when it was written: nobody misses it.
_TECHNICAL = frozenset(
    {b"bKGD", b"hIST", b"tIME", b"sBIT", b"sPLT", b"oFFs", b"vpAg", b"iDOT", b"fcTL", b"fdAT"}
)


@dataclass
class Header:
    """What the chunks of a PNG say, pixels aside.

    Attributes:
        height: Rows.
        width: Columns.
        bits: Bits per sample.
        colour_type: As PNG numbers it.
        interlaced: Rows do not come one after another.
        chunks: Sound chunks by kind, the first of each.
        texts: Kind and content of chunks of text; of those that are not `WANTED` the keyword.
        seen: Keywords of the `WANTED` texts that were met.
        notes: One sentence for each thing that could not be kept.
        tail: What stands behind the end.
    """

    height: int
    width: int
    bits: int
    colour_type: int
    interlaced: bool
    chunks: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    texts: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    seen: set[bytes] = field(default_factory=set[bytes])
    notes: list[str] = field(default_factory=list[str])
    tail: bytes = b""

    @property
    def frames(self) -> int:
        """Number of animation frames; 1 for a still picture."""
        control = self.chunks.get(b"acTL", b"")
        return max(1, struct.unpack(">I", control[:4])[0]) if len(control) >= 8 else 1


def chunk(kind: bytes, data: bytes | memoryview) -> bytes:
    """Frame a chunk: length, kind, data, checksum."""
    check = zlib.crc32(data, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", check)))


def header_chunk(height: int, width: int, bits: int, colour_type: int) -> bytes:
    """The IHDR chunk of a picture that is not interlaced."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))


def read_header(stream: BinaryIO) -> Header:
    """Walk over all chunks without decoding pixels.

    Args:
        stream: The whole file, seekable.

    Raises:
        CutOffError: The file ends before or within its pixels.
        DamageError: The first chunk is no header, a chunk that decides the pixels has a wrong
            checksum, or is of an unknown kind.
    """
    stream.seek(len(SIGNATURE))
    header: Header | None = None
    others: dict[bytes, None] = {}
    for kind, length in walk(stream):
        if header is None:
            header = _first(stream, kind, length)
        elif kind == b"IHDR" or (kind == b"PLTE" and kind in header.chunks):
            raise DamageError("PNG chunk that is there twice")
        elif kind == b"IEND":
            stream.seek(length + 4, 1)
            header.tail = stream.read(_MAX_BEHIND)
        elif kind == b"":
            header.notes.append(beside.NO_END)
        elif kind in _TEXTS:
            _take_text(stream, kind, length, header)
        elif kind in _KEPT or kind in _DECIDING:
            _take(stream, kind, length, header)
        elif not kind[0] & 0x20 and kind not in _CRITICAL:
            raise DamageError("PNG chunk of an unknown kind")
        elif kind not in _CRITICAL | _TECHNICAL:
            others[kind] = None
    if header is None:
        raise DamageError("no PNG header")
    if others:
        named = ", ".join(kind.decode("latin-1") for kind in others if kind.isalpha())
        header.notes.append(f"Its chunks ({named or 'of no known kind'}) were left out")
    return header


def _first(stream: BinaryIO, kind: bytes, length: int) -> Header:
    if kind != b"IHDR" or length != 13:
        raise DamageError("no PNG header")
    data = _checked(stream, kind, length)
    if data is None:
        raise DamageError("PNG header with a wrong checksum")
    width, height, bits, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", data)
    if bits not in _DEPTHS.get(colour, ()) or packing or filtering or interlace > 1:
        raise DamageError("senseless PNG header")
    return Header(height, width, bits, colour, interlace != 0)


def _take(stream: BinaryIO, kind: bytes, length: int, header: Header) -> None:
    if length > _MAX_CHUNK:
        header.notes.append(f"Its {kind.decode()} chunk is absurdly long and was left out")
        return
    data = _checked(stream, kind, length)
    if data is not None:
        header.chunks.setdefault(kind, data)
    elif kind in _DECIDING:
        raise DamageError("PNG palette with a wrong checksum")
    else:
        header.notes.append(f"Its {kind.decode()} chunk is damaged and was left out")


def _take_text(stream: BinaryIO, kind: bytes, length: int, header: Header) -> None:
    start = stream.tell()
    keyword = stream.read(min(length, 80)).partition(b"\0")[0]
    # One of each: a file full of packed texts would keep us unpacking for minutes.
    if keyword in WANTED and keyword not in header.seen and length <= _MAX_CHUNK:
        header.seen.add(keyword)
        stream.seek(start)
        data = _checked(stream, kind, length)
        if data is None:
            header.notes.append(f"Its {kind.decode()} chunk is damaged and was left out")
        else:
            header.texts.append((kind, data))
    elif keyword not in WANTED:
        header.texts.append((kind, keyword + b"\0"))


def _checked(stream: BinaryIO, kind: bytes, length: int) -> bytes | None:
    """The content of a chunk; None where its checksum is wrong, or it is cut off."""
    data, check = stream.read(length), stream.read(4)
    # A profile is packed, and has a checksum of its own.
    sound = kind == b"iCCP" or check == struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    return data if sound and len(data) == length else None


def walk(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield (kind, length) with the stream at the chunk's data, until after IEND.

    Where the file ends without it, but after pixels, the last kind is empty.

    Raises:
        CutOffError: It ends before the end of a chunk of pixels.
    """
    size, begun, whole = stream.seek(0, 2), False, True
    stream.seek(len(SIGNATURE))
    while True:
        head = stream.read(8)
        if len(head) < 8 or not whole:
            if not begun:
                raise CutOffError("PNG without pixels")
            yield b"", 0
            return
        length, kind = struct.unpack(">I4s", head)
        after = stream.tell() + length + 4
        if kind == b"IDAT":
            begun = True
            if after > size:
                raise CutOffError("PNG pixels cut off")
        whole = after <= size
        yield kind, length
        if kind == b"IEND" and whole:
            return
        stream.seek(min(after, size))
