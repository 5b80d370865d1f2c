"""What a PNG says beside its pixels, read and written; odd chunks are left out with a word.

Source: PNG Specification, third edition (W3C 2025), section 11.3.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace

from serpent_cli.imaging import beside, profile
from serpent_cli.imaging.formats.png_chunks import (
    EXIF_PROFILES,
    GREY,
    GREY_ALPHA,
    WANTED,
    XMP_KEYWORD,
    Header,
)
from serpent_cli.imaging.metadata import METRES_PER_INCH, Metadata, ratio, take_orientation

# Texts that programs write about themselves: nobody misses them.
_OF_PROGRAMS = (b"Software", b"date:")
_NAMED_TEXTS, _KEYWORD_BYTES = 3, 79
_MAX_PLAIN, _MAX_DIGITS, _MAX_PROFILE = 64 << 20, 8 << 20, 1 << 20
# In hundred thousandths; writers round them in several ways.
_SRGB_GAMMA, _GAMMA_SLACK, _CORNER_SLACK = 45455, 1500, 300
_SRGB_CORNERS = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_SIZES = {b"pHYs": 9, b"cICP": 4, b"gAMA": 4, b"cHRM": 32}


class _Found:
    """What is gathered, with sentences about what is not."""

    def __init__(self, header: Header) -> None:
        self.chunks = dict(header.chunks)
        self.notes = list(header.notes)
        for kind, size in _SIZES.items():
            if len(self.chunks.get(kind, bytes(size))) != size:
                self.damaged(f"{kind.decode()} chunk")
                del self.chunks[kind]

    def damaged(self, what: str) -> None:
        self.notes.append(f"Its {what} is damaged and was left out")


def gathered(header: Header) -> Metadata:
    """Gather profile, EXIF, XMP, resolution and numbers of colours."""
    found = _Found(header)
    xmp, legacy = _from_texts(header, found)
    dpi = density = None
    physical = found.chunks.get(b"pHYs")
    if physical:
        x, y, unit = struct.unpack(">IIB", physical)
        dpi = (x * METRES_PER_INCH, y * METRES_PER_INCH) if unit == 1 else None
        density = ratio(x, y) if unit != 1 else None
    numbers = found.chunks.get(b"cICP")
    cicp = (numbers[0], numbers[1]) if numbers else None
    icc = _profile(found)
    if icc is None and cicp is None:
        icc = _described(found, grey=header.colour_type in (GREY, GREY_ALPHA))
    stated = Metadata(
        icc=icc, exif=found.chunks.get(b"eXIf", legacy), xmp=xmp, dpi=dpi, density=density,
        cicp=None if cicp is None or profile.is_srgb(cicp) else cicp,
    )  # fmt: skip
    taken = take_orientation(stated)
    notes = (*found.notes, *_text_notes(header))
    taken = replace(taken, warnings=taken.warnings + notes)
    return taken.without(beside.behind(header.tail, xmp))


def _from_texts(header: Header, found: _Found) -> tuple[bytes | None, bytes | None]:
    """XMP, and the EXIF that ImageMagick hides in text."""
    xmp: bytes | None = None
    exif: bytes | None = None
    for kind, data in header.texts:
        keyword, _, rest = data.partition(b"\0")
        if keyword not in WANTED:
            continue
        what = "EXIF text" if keyword in EXIF_PROFILES else "XMP"
        plain = _text(kind, rest, _MAX_PLAIN if keyword == XMP_KEYWORD else _MAX_DIGITS)
        if plain is not None and keyword != XMP_KEYWORD:
            plain = _undigited(plain)
        if not plain:
            found.damaged(what)
        elif keyword in EXIF_PROFILES:
            exif = exif or plain
        else:
            xmp = xmp or plain
    return xmp, exif


def _text(kind: bytes, rest: bytes, most: int) -> bytes | None:
    """What a chunk of text says behind its keyword; None where it is damaged."""
    if kind == b"zTXt":
        return _inflate(rest[1:], most)
    if kind == b"tEXt":
        return rest
    if len(rest) < 2 or rest.count(b"\0", 2) < 2:
        return None
    packet = rest[2:].split(b"\0", 2)[-1]
    return _inflate(packet, most) if rest[0] else packet


def _undigited(text: bytes) -> bytes | None:
    """Undo the form that ImageMagick gives: a name, a length, and the bytes in hexadecimal."""
    try:
        return bytes.fromhex(b"".join(text.split()[2:]).decode("ascii"))
    except ValueError:
        return None


def _text_notes(header: Header) -> tuple[str, ...]:
    """Name the texts that are not kept."""
    names: list[str] = []
    for _, data in header.texts:
        keyword = data.partition(b"\0")[0]
        if keyword not in WANTED and not keyword.startswith(_OF_PROGRAMS):
            text = keyword[:_KEYWORD_BYTES].decode("latin-1")
            names.append("".join(letter for letter in text if letter.isprintable()))
    if not names:
        return ()
    named = ", ".join(names[:_NAMED_TEXTS]) + ("..." if names[_NAMED_TEXTS:] else "")
    return (f"Its texts ({named}) were left out",)


def _profile(found: _Found) -> bytes | None:
    """The embedded profile; as far as it says that it goes, whatever became of its tail."""
    chunk = found.chunks.get(b"iCCP")
    if chunk is None:
        return None
    packed = chunk.partition(b"\0")[2][1:]
    engine, plain = zlib.decompressobj(), b""
    try:
        plain = engine.decompress(packed, _MAX_PLAIN)
    except zlib.error:
        plain = _until_damage(packed)
    if engine.eof:
        return plain or None
    size = int.from_bytes(plain[:4], "big")
    if 128 <= size <= len(plain):
        found.notes.append("Its colour profile has a damaged tail; the profile itself is whole")
        return plain[:size]
    found.damaged("colour profile")
    return None


def _until_damage(packed: bytes) -> bytes:
    """Unpack what stands before the damage: byte by byte, for a call that fails gives nothing."""
    engine, plain = zlib.decompressobj(), bytearray()
    try:
        for at in range(min(len(packed), _MAX_PROFILE)):
            plain += engine.decompress(packed[at : at + 1], _MAX_PLAIN)
    except zlib.error:
        pass
    return bytes(plain)


def _described(found: _Found, *, grey: bool) -> bytes | None:
    """Make a profile of the chromaticities and the gamma that stand in the place of one."""
    if b"sRGB" in found.chunks:
        return None
    gamma = int.from_bytes(found.chunks.get(b"gAMA", b""), "big")
    corners = struct.unpack(">8I", found.chunks.get(b"cHRM") or struct.pack(">8I", *_SRGB_CORNERS))
    same = zip(corners, _SRGB_CORNERS, strict=True)
    plain_corners = all(abs(a - b) <= _CORNER_SLACK for a, b in same)
    if plain_corners and (not gamma or abs(gamma - _SRGB_GAMMA) <= _GAMMA_SLACK):
        return None
    white_x, white_y, *primaries = (value / 1e5 for value in corners)
    made = profile.described(
        tuple(primaries), (white_x, white_y), gamma=1e5 / gamma if gamma else None, grey=grey
    )
    if made is None:
        found.damaged("cHRM chunk")
    return made


def _inflate(data: bytes, most: int) -> bytes | None:
    """Decompress, or None when damaged or absurdly large."""
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(data, most)
    except zlib.error:
        return None
    return plain if engine.eof else None


def metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body of the chunks that hold metadata, all of them before the pixels."""
    if metadata.cicp:
        # Samples are red, green and blue (matrix 0), and use the full range.
        yield b"cICP", bytes([*metadata.cicp, 0, 1])
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        x, y = (round(value / METRES_PER_INCH) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    elif metadata.density:
        yield b"pHYs", struct.pack(">IIB", *metadata.density, 0)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp
