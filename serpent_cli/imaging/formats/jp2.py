"""JPEG 2000 (JP2): its boxes by our own hands, samples by imagecodecs (OpenJPEG).

Pillow decodes more than 8 bits of colour to 8, passes over what the boxes say of channels, and
reads neither profile, EXIF nor XMP. Sources:
ISO/IEC 15444-1, annexes A.5.1 (SIZ) and I; the UUIDs of EXIF and XMP are Adobe's and those of the
JPEG 2000 plug-in ("JpgTiffExif->JP2").
"""

import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.imaging.cmyk import cmyk_to_srgb
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.formats.boxes import Box, content, pack, walk
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, whole
from serpent_cli.imaging.formats.pillow import open_by_pillow, read_by_pillow
from serpent_cli.imaging.metadata import METRES_PER_INCH, Metadata, take_orientation
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.stored_samples import normalise, unpremultiply

_CODESTREAM = b"\xff\x4f\xff\x51"
_EXIF_UUID = b"JpgTiffExif->JP2"
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_MAX_METADATA = 64 << 20
_CMYK, _SRGB, _GREY, _SYCC = 12, 16, 17, 18
_MOST = 65535
_COLOUR, _OPACITY, _PREMULTIPLIED = 0, 1, 2
_COLOURS = {_CMYK: 4, _SRGB: 3, _GREY: 1}
_MOST_CHANNELS = 32
_EXPECTED = frozenset({b"jP  ", b"ftyp", b"jp2h", b"jp2c", b"free", b"rreq"})


@dataclass(frozen=True)
class Header:
    """What a JPEG 2000 file says, pixels aside.

    Attributes:
        height: Rows.
        width: Columns.
        components: Number of channels in the codestream.
        bits: Most bits of a channel.
        plain: Every channel is unsigned, of full resolution and one depth, and no palette stands
            between it and colours.
        colour: Enumerated colour space, 0 where a profile or nothing says it.
        metadata: Profile, EXIF, XMP, resolution.
        codestream: Where the pixels are.
        channels: Number, type and association of channels, where the file defines them.
    """

    height: int
    width: int
    components: int
    bits: int
    plain: bool
    colour: int
    metadata: Metadata
    codestream: Box
    channels: tuple[tuple[int, int, int], ...] = ()


def read_header(stream: BinaryIO) -> Header:
    """Read the boxes and the head of the codestream.

    Raises:
        CutOffError: The file ends too early.
        DamageError: There is no codestream, or it does not begin as one must.
    """
    size = stream.seek(0, 2)
    stream.seek(0)
    if stream.read(4) == _CODESTREAM:
        return _header(stream, Box(b"jp2c", 0, 0, size), {}, Metadata())
    found: dict[bytes, bytes] = {}
    codestream: Box | None = None
    notes: list[str] = []
    others: dict[str, None] = {}
    try:
        for box in walk(stream, 0, size):
            if box.kind == b"jp2c":
                codestream = codestream or box
            elif box.kind == b"jp2h":
                notes += _read_sub_boxes(stream, box, found)
            elif box.kind == b"uuid":
                data = content(stream, box, _MAX_METADATA)
                found.setdefault(data[:16], data[16:])
                if data[:16] not in (_EXIF_UUID, _XMP_UUID):
                    others["uuid"] = None
            elif box.kind not in _EXPECTED:
                others[box.kind.decode("latin-1").strip()] = None
    except DamageError:
        if codestream is None:
            raise
        notes.append("What stands behind the picture is damaged and was left out")
    if codestream is None:
        raise CutOffError("JPEG 2000 without codestream")
    if others:
        named = ", ".join(each for each in others if each.isprintable())
        notes.append(f"Its boxes ({named}) were left out")
    stated = Metadata(
        icc=found.get(b"icc"),
        exif=found.get(_EXIF_UUID) or None,
        xmp=found.get(_XMP_UUID),
        dpi=_dpi(found.get(b"resc") or found.get(b"resd") or b""),
    )
    metadata = take_orientation(stated)
    metadata = replace(metadata, warnings=(*metadata.warnings, *notes))
    return _header(stream, codestream, found, metadata)


def _read_sub_boxes(stream: BinaryIO, parent: Box, found: dict[bytes, bytes]) -> tuple[str, ...]:
    """Read what a box of boxes holds; a sentence where a part of it cannot be read."""
    notes: tuple[str, ...] = ()
    try:
        for box in walk(stream, parent.body, parent.end):
            if box.kind == b"res ":
                notes += _read_sub_boxes(stream, box, found)
                continue
            data = content(stream, box, _MAX_METADATA)
            # Method 2 is a profile of few kinds, method 3 (JPX) any profile.
            if box.kind == b"colr" and data[:1] in (b"\2", b"\3"):
                found.setdefault(b"icc", data[3:])
            else:
                found.setdefault(box.kind, data)
    except DamageError:
        notes += ("A part of its header is damaged and was left out",)
    return notes


def _header(
    stream: BinaryIO, codestream: Box, found: dict[bytes, bytes], metadata: Metadata
) -> Header:
    stream.seek(codestream.body)
    siz = stream.read(42 + 3 * 16384)
    if len(siz) < 45 or siz[:4] != _CODESTREAM:
        raise DamageError("no JPEG 2000 codestream")
    x_end, y_end, x_start, y_start = struct.unpack_from(">4I", siz, 8)
    count = struct.unpack_from(">H", siz, 40)[0]
    each = [siz[at : at + 3] for at in range(42, 42 + 3 * count, 3)]
    if not 1 <= count <= 16384 or x_end <= x_start or y_end <= y_start or len(each[-1]) < 3:
        raise DamageError("senseless JPEG 2000 size")
    colour = found.get(b"colr", b"")
    return Header(
        height=y_end - y_start,
        width=x_end - x_start,
        components=count,
        bits=max((one[0] & 0x7F) + 1 for one in each),
        plain=all(one == each[0] and one[1:] == b"\1\1" for one in each)
        and each[0][0] < 0x80
        and b"pclr" not in found,
        colour=int.from_bytes(colour[3:7], "big") if colour[:1] == b"\1" else 0,
        metadata=metadata,
        codestream=codestream,
        channels=_definitions(found.get(b"cdef", b"")),
    )


def _definitions(body: bytes) -> tuple[tuple[int, int, int], ...]:
    """Number, type and association of each channel that a box defines."""
    count = min(int.from_bytes(body[:2], "big"), (len(body) - 2) // 6)
    return tuple(struct.unpack_from(">3H", body, 2 + 6 * i) for i in range(max(0, count)))


def _dpi(body: bytes) -> tuple[float, float] | None:
    """Decode a resolution box: two fractions of pixels per metre, each with a power of ten."""
    if len(body) < 10:
        return None
    y, y_unit, x, x_unit, y_power, x_power = struct.unpack_from(">4H2b", body)
    if not (x_unit and y_unit):
        return None
    across, down = x / x_unit * 10.0**x_power, y / y_unit * 10.0**y_power
    return (across * METRES_PER_INCH, down * METRES_PER_INCH)


def is_direct(header: Header) -> bool:
    """Tell whether `read_direct` reads it; what Pillow makes of the others is as good."""
    few = header.components <= _MOST_CHANNELS
    return header.plain and header.bits <= 16 and few and header.colour != _SYCC


def read_direct(stream: BinaryIO, header: Header, name: str) -> Picture:
    """Decode grey, colour or CMYK of 1 to 16 bits.

    Args:
        stream: The whole file, seekable.
        header: As `read_header` gave it; `is_direct`.
        name: How the user calls the picture.

    Raises:
        DamageError: The file is truncated or damaged.
    """
    # Without its boxes: given the profile, the decoder would apply it, to 16 bits with errors.
    stream.seek(header.codestream.body)
    codestream = stream.read(header.codestream.end - header.codestream.body)
    with decoder():
        samples: Samples = imagecodecs.jpeg2k_decode(codestream)
    if samples.shape[:2] != (header.height, header.width):
        raise DamageError("JPEG 2000 of another size than its header says")
    samples = normalise(samples.reshape(*samples.shape[:2], -1), header.bits, name)
    if samples.shape[2] != header.components:
        raise DamageError("JPEG 2000 with other channels than its header says")
    colours, alpha, kind, notes = _arranged(header, samples.shape[2])
    metadata = header.metadata
    plain = samples[..., colours]
    if header.colour == _CMYK and len(colours) == 4:
        plain, sentence = cmyk_to_srgb(plain, metadata.icc)
        metadata, notes = replace(metadata, icc=None), (*notes, sentence)
    if alpha is not None:
        opacity = to_depth(samples[..., [alpha]], plain.dtype)
        plain = np.concatenate([plain, opacity], axis=2)
        plain = unpremultiply(plain) if kind == _PREMULTIPLIED else plain
    return decoded(plain, metadata, "JPEG 2000", bits=header.bits, notes=notes)


def _arranged(header: Header, count: int) -> tuple[list[int], int | None, int, tuple[str, ...]]:
    """Find out which channel is what.

    Returns:
        The channels of the colours in their order, that of alpha or None, the type of alpha, and
        what to say.
    """
    by_number = {number: (kind, place) for number, kind, place in header.channels}
    colours = sorted(
        (place, number) for number, (kind, place) in by_number.items() if kind == _COLOUR
    )
    order = [number for _, number in colours]
    sound = len(by_number) == len(header.channels) and all(each < count for each in by_number)
    places = [place for place, _ in colours]
    alphas = [n for n, (kind, _) in by_number.items() if kind in (_OPACITY, _PREMULTIPLIED)]
    if sound and len(order) in (1, 3, 4) and places == list(range(1, len(order) + 1)):
        if len(order) == 4 and header.colour != _CMYK:
            order = order[:3]
        alpha, kind = (alphas[0], by_number[alphas[0]][0]) if alphas else (None, _OPACITY)
        notes: tuple[str, ...] = ()
    else:
        notes = ("Its channel definitions make no sense and were not followed",)
        notes = notes if header.channels else ()
        first = _COLOURS.get(header.colour, 3 if count > 2 else 1)
        order = list(range(first if first <= count else 1))
        alpha, kind = (len(order) if len(order) < count else None), _OPACITY
    left = count - len(order) - (alpha is not None)
    if left:
        notes += (f"{left} extra channel(s) beside the colours were left out",)
    return order, alpha, kind, notes


def _encode(picture: Picture, metadata: Metadata, stream: BinaryIO, quality: int) -> None:
    """Encode without loss, 8 or 16 bits, with metadata; float32 is rounded to 16 bits.

    Args:
        picture: Any depth.
        metadata: What to store beside the pixels.
        stream: Where to write, from its current position.
        quality: No matter.

    Raises:
        RuntimeError: The encoder refuses the picture.
    """
    channels = picture.channels()
    if channels.dtype == np.float32:
        channels = to_depth(channels, np.uint16)
    data = memoryview(
        imagecodecs.jpeg2k_encode(channels, level=0, reversible=True, codecformat="J2K")
    )
    count = 1 if channels.ndim == 2 else channels.shape[2]
    bits = channels.dtype.itemsize * 8 - 1
    header = pack(
        b"ihdr", struct.pack(">IIH4B", picture.height, picture.width, count, bits, 7, 0, 0)
    )
    if metadata.icc:
        header += pack(b"colr", b"\2\0\0" + metadata.icc)
    else:
        header += pack(b"colr", b"\1\0\0" + struct.pack(">I", _GREY if picture.grey else _SRGB))
    if picture.alpha is not None:
        header += _channel_definitions(count)
    if metadata.dpi:
        header += pack(b"res ", pack(b"resc", _resolution(metadata.dpi)))
    stream.write(pack(b"jP  ", b"\r\n\x87\n") + pack(b"ftyp", b"jp2 \0\0\0\0jp2 "))
    stream.write(pack(b"jp2h", header))
    for uuid, body in ((_EXIF_UUID, metadata.exif), (_XMP_UUID, metadata.xmp)):
        if body:
            stream.write(pack(b"uuid", uuid + body))
    # A length of 0 means up to the end of the file, however long it is.
    stream.write(struct.pack(">I4s", 0, b"jp2c"))
    stream.write(data)


def _channel_definitions(count: int) -> bytes:
    """Say that the last channel is the opacity of all others, straight."""
    colours = [(index, 0, index + 1) for index in range(count - 1)]
    entries = [*colours, (count - 1, 1, 0)]
    body = struct.pack(">H", count) + b"".join(struct.pack(">3H", *entry) for entry in entries)
    return pack(b"cdef", body)


def _resolution(dpi: tuple[float, float]) -> bytes:
    numbers: list[int] = []
    powers: list[int] = []
    for value in (dpi[1], dpi[0]):
        metre, power = value / METRES_PER_INCH, 0
        while metre > _MOST:
            metre, power = metre / 10, power + 1
        fraction = Fraction(metre).limit_denominator(max(1, int(_MOST / max(metre, 1))))
        numbers += [fraction.numerator, fraction.denominator]
        powers.append(power)
    return struct.pack(">4H2b", *numbers, *powers)


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    header = read_header(stream)

    def decode() -> Picture:
        if is_direct(header):
            return read_direct(stream, header, name)
        image = open_by_pillow(stream, "JPEG 2000", name)
        if (image.height, image.width) != (header.height, header.width):
            raise DamageError("JPEG 2000 with two sizes")
        return read_by_pillow(image, "JPEG 2000", header.bits, name, header.metadata)

    turn = header.metadata.orientation
    return Opened(header.height, header.width, turn, whole(decode), 1 if header.bits <= 8 else 2)


CODEC = Codec(_opened, encode=_encode)
