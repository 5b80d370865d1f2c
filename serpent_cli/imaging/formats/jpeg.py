"""JPEG: by Pillow, with what it does not tell: segments, more than 8 bits, and a missing end.

Sources: ITU-T T.81, annexes B and G; JFIF 1.02; ICC.1:2010, annex B.4.
"""

import hashlib
import io
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging import beside
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, whole
from serpent_cli.imaging.formats.pillow import (
    ImageFile,
    image_metadata,
    jpeg_quality,
    open_by_pillow,
    read_by_pillow,
    write_by_pillow,
)
from serpent_cli.imaging.jpeg_quality import JpegQuality
from serpent_cli.imaging.metadata import Metadata, ratio
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.stored_samples import normalise

LOSSLESS = 0xC3
"""The process of JPEG's own coding without loss."""


_START, _END, _SCAN, _JFIF, _APP11, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEB, 0xEE
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7})
_READ = (0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA)
_NAMES = {0xF7: "JPEG-LS"}
# A marker outside of scans; fill bytes may stand before it.
_ANY = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")
# Within a scan a marker is what no coded data hold: FF, then neither 0 nor a restart.
_MARKER = re.compile(rb"\xff(?=[\x01-\xcf\xd8-\xfe])")
_COEFFICIENTS, _MOST_SEGMENTS = 64, 100_000
# Ten are usual; libjpeg-turbo's authors stop at 500 when they fuzz.
_MAX_SCANS = 500
_FILLINGS = (b"", b"\xa5\x5a" * 40, b"\x5a\xa5" * 40, b"\x00" * 80)
_DEPTHS = range(2, 17)
_PROFILE = b"ICC_PROFILE\0"
_XMP_REST = b"http://ns.adobe.com/xmp/extension/\0"


@dataclass(frozen=True)
class Segment:
    """An application segment: its marker, its content, and where it begins."""

    marker: int
    body: bytes
    at: int

    @property
    def short(self) -> bool:
        """Whether it lacks a part of what it must have: Pillow would refuse the file for it."""
        least = {_JFIF: (b"JFIF", 12), _APP14: (b"Adobe", 12)}.get(self.marker)
        return least is not None and self.body.startswith(least[0]) and len(self.body) < least[1]


@dataclass
class Jpeg:
    """What the segments of a JPEG say.

    Attributes:
        height: Rows; 0 where no frame is found.
        width: Columns.
        precision: Bits per sample.
        process: The frame's marker, which names the way of coding.
        ended: There is an end mark.
        end: Offset behind it, or that of the end of the file.
        tail: What stands behind it.
        density: Of JFIF without a unit, as `Picture` has it.
        frame: Offset of the frame's marker.
        first_scan: Offset of the first scan's marker.
        scans: How many there are.
        sent: Of each component, the bits of each coefficient that are still to come.
        segments: Application segments.
    """

    height: int = 0
    width: int = 0
    precision: int = 8
    process: int = 0xC0
    ended: bool = False
    end: int = 0
    tail: bytes = b""
    density: tuple[int, int] | None = None
    frame: int = 0
    first_scan: int = 0
    scans: int = 0
    sent: dict[int, list[int | None]] = field(default_factory=dict[int, list[int | None]])
    segments: list[Segment] = field(default_factory=list[Segment])

    @property
    def all_sent(self) -> bool:
        """Whether its scans give every coefficient to the last bit."""
        return bool(self.sent) and all(
            all(left == 0 for left in each) for each in self.sent.values()
        )

    def has(self, start: bytes, marker: int | None = None) -> bool:
        """Whether a segment, of any marker or of this one, begins so."""
        return any(
            each.body.startswith(start) and marker in (None, each.marker) for each in self.segments
        )


def read_segments(data: bytes) -> Jpeg:
    """Walk over the segments of a file; whatever is odd ends the walk, and nothing is refused."""
    jpeg, at = Jpeg(end=len(data)), 2
    for _ in range(_MOST_SEGMENTS):
        found = _ANY.search(data, at)
        if found is None or found[1][0] == _START:
            break
        marker, at = found[1][0], found.end()
        if marker == _END:
            jpeg.ended, jpeg.end, jpeg.tail = True, at, data[at:]
            break
        size = int.from_bytes(data[at : at + 2], "big")
        body = data[at + 2 : at + size]
        if size < 2 or len(body) < size - 2:
            break
        at += size
        _take(jpeg, marker, body, found.end() - 2)
        if marker == _SCAN:
            after = _MARKER.search(data, at)
            if after is None:
                break
            at = after.start()
    return jpeg


def _take(jpeg: Jpeg, marker: int, body: bytes, at: int) -> None:
    if marker in _FRAMES and not jpeg.frame and len(body) >= 6:
        jpeg.precision, jpeg.height, jpeg.width, count = struct.unpack_from(">BHHB", body)
        jpeg.process, jpeg.frame = marker, at
        each = body[6 : 6 + 3 * count : 3]
        jpeg.sent = {name: [None] * _COEFFICIENTS for name in each}
    elif marker == _SCAN:
        jpeg.first_scan = jpeg.first_scan or at
        jpeg.scans += 1
        _take_scan(jpeg, body)
    elif 0xE0 <= marker <= 0xEF:
        jpeg.segments.append(Segment(marker, body, at))
        if marker == _JFIF and body[:5] == b"JFIF\0" and len(body) >= 12 and body[7] == 0:
            jpeg.density = ratio(*struct.unpack_from(">HH", body, 8))


def _take_scan(jpeg: Jpeg, body: bytes) -> None:
    """Note which coefficients a scan gives, and how many of their lowest bits it leaves out."""
    count = body[0] if body else 0
    if len(body) < 4 + 2 * count:
        return
    first, last, bits = body[1 + 2 * count : 4 + 2 * count]
    whole = jpeg.process not in (0xC2, 0xCA)  # only progressive ones come in parts
    for name in body[1 : 1 + 2 * count : 2]:
        if name in jpeg.sent:
            left = jpeg.sent[name]
            span = range(_COEFFICIENTS) if whole else range(first, min(last + 1, _COEFFICIENTS))
            for k in span:
                left[k] = 0 if whole else bits & 15


def without_short(data: bytes, jpeg: Jpeg) -> bytes:
    """Cut out segments that lack a part; libjpeg passes over them, too."""
    parts, at = list[bytes](), 0
    for each in jpeg.segments:
        if each.short:
            parts.append(data[at : each.at])
            at = each.at + 4 + len(each.body)
    return b"".join([*parts, data[at:]])


def check_process(jpeg: Jpeg, name: str) -> None:
    """Refuse ways of coding that no decoder at hand knows.

    Raises:
        PictureError: Hierarchical, JPEG-LS and the like.
    """
    if jpeg.frame and jpeg.process not in _READ:
        what = _NAMES.get(jpeg.process, f"a rare kind of JPEG (SOF{jpeg.process - 0xC0})")
        raise PictureError(
            f"cannot read {name}: {what} is not supported", "Convert it to PNG or TIFF first"
        )


def check_scans(jpeg: Jpeg, name: str) -> None:
    """Refuse a JPEG of endless scans: each goes over all pixels, however short it is.

    Raises:
        PictureError: It has more scans than any program writes.
    """
    if jpeg.scans > _MAX_SCANS:
        raise PictureError(
            f"cannot read {name}: it is a JPEG of {jpeg.scans} scans, which no program writes",
            "Export it again",
        )


def plain_head(data: bytes, jpeg: Jpeg) -> bytes:
    """The head of a deeper JPEG as that of one of 8 bits, which Pillow reads the metadata of."""
    head = bytearray(data[: jpeg.first_scan or len(data)])
    if 0 < jpeg.frame < len(head) - 4:  # of a damaged file it may come after a scan
        head[jpeg.frame + 1], head[jpeg.frame + 4] = 0xC0, 8
    return bytes(head) + data[jpeg.first_scan : jpeg.first_scan + 16] + b"\xff\xd9"


def decode_deep(data: bytes, jpeg: Jpeg, name: str) -> tuple[Samples, tuple[str, ...]]:
    """Decode a JPEG of another depth than 8 bits.

    Args:
        data: The whole file.
        jpeg: Its segments.
        name: How the user calls the picture.

    Returns:
        (h, w) or (h, w, 3) of `jpeg.precision` bits, and what to say.

    Raises:
        PictureError: Four channels, or a depth that the decoder does not know.
        CutOffError, DamageError: The file is truncated or damaged.
    """
    if jpeg.precision not in _DEPTHS or len(jpeg.sent) not in (1, 3):
        raise PictureError(
            f"cannot read {name}: {jpeg.precision}-bit JPEG with {len(jpeg.sent)} channels is not"
            " supported",
            "Convert it to PNG or TIFF first",
        )
    notes = () if jpeg.ended else (beside.NO_END,)
    samples = _decoded(data if jpeg.ended else completed(data, jpeg, _decoded))
    if samples.shape[:2] != (jpeg.height, jpeg.width):
        raise DamageError("JPEG of another size than its header says")
    return samples, notes


def _decoded(data: bytes) -> Samples:
    with decoder():
        return imagecodecs.jpeg8_decode(data)


def completed(data: bytes, jpeg: Jpeg, decode: Callable[[bytes], Samples]) -> bytes:
    """Give a JPEG the end mark that it lacks, if nothing else is missing.

    Decoders fill missing data up. So it is decoded with different data behind its end: where all
    was there, they change nothing.

    Args:
        data: The whole file.
        jpeg: Its segments.
        decode: Gives the samples of a file.

    Raises:
        CutOffError: More is missing than the mark.
    """
    if jpeg.ended or not jpeg.all_sent:
        raise CutOffError("JPEG cut off")
    body = data[:-1] if data.endswith(b"\xff") else data
    seen: set[bytes] = set()
    for filling in _FILLINGS:
        samples = np.ascontiguousarray(decode(body + filling + b"\xff\xd9"))
        seen.add(hashlib.sha256(samples.data).digest())
        if len(seen) > 1:
            raise CutOffError("JPEG cut off")
    return body + b"\xff\xd9"


def read_whole(stream: BinaryIO) -> bytes:
    """All bytes of a file."""
    if isinstance(stream, io.BytesIO):
        return stream.getvalue()
    stream.seek(0)
    return stream.read()


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    data = read_whole(stream)
    segments = read_segments(data)
    check_process(segments, name)
    if any(each.short for each in segments.segments):
        return _opened(io.BytesIO(without_short(data, segments)), head, name)
    if segments.precision != 8 and segments.first_scan:
        return _deep_jpeg(stream, data, segments, name)
    image = open_by_pillow(stream, "JPEG", name)
    metadata = _jpeg_metadata(image, segments)

    def decode() -> Picture:
        check_scans(segments, name)
        lossless = segments.process == LOSSLESS
        read = partial(read_by_pillow, kind="JPEG", bits=8, name=name)
        try:
            return read(image, metadata=metadata, lossless=lossless)
        except CutOffError:
            ended = completed(read_whole(stream), segments, _samples_by_pillow)
        again = open_by_pillow(io.BytesIO(ended), "JPEG", name)
        noted = replace(metadata, warnings=(*metadata.warnings, beside.NO_END))
        return read(again, metadata=noted, lossless=lossless)

    return Opened(image.height, image.width, metadata.orientation, whole(decode), channels=3)


def _jpeg_metadata(image: ImageFile, segments: Jpeg) -> Metadata:
    metadata = image_metadata(image, segments.density)
    left_out = beside.behind(segments.tail, metadata.xmp)
    if segments.has(_XMP_REST):
        left_out += ("The XMP beyond its first 64 kB was left out",)
    metadata = metadata.without(left_out)
    notes = metadata.warnings
    if not metadata.icc and segments.has(_PROFILE):
        notes += ("Its colour profile is damaged and was left out",)
    if segments.has(b"JP", _APP11):
        notes += ("Its content credentials (JUMBF) were left out",)
    return replace(metadata, warnings=notes)


def _samples_by_pillow(data: bytes) -> Samples:
    with decoder():
        return np.asarray(open_by_pillow(io.BytesIO(data), "JPEG", "the picture"))


def _deep_jpeg(stream: BinaryIO, data: bytes, segments: Jpeg, name: str) -> Opened:
    # Of the metadata Pillow sees a copy of the header that tells of 8 bits.
    plain = io.BytesIO(plain_head(data, segments))
    image = open_by_pillow(plain, "JPEG", name)
    metadata = _jpeg_metadata(image, segments)

    def decode() -> Picture:
        check_scans(segments, name)
        samples, note = decode_deep(read_whole(stream), segments, name)
        samples = normalise(samples, segments.precision, name)
        return decoded(
            samples, metadata, "JPEG", bits=segments.precision, notes=note,
            quality=jpeg_quality(image), lossless=segments.process == LOSSLESS,
        )  # fmt: skip

    height, width = segments.height, segments.width
    return Opened(height, width, metadata.orientation, whole(decode), 2, channels=3)


def _encode(picture: Picture, metadata: Metadata, stream: BinaryIO, quality: int) -> None:
    subsampling = (picture.quality or JpegQuality()).subsampling
    opaque = replace(picture, alpha=None)
    # Without "optimize": it needs the whole file in one buffer, which Pillow guesses too small for
    # noisy pictures without chroma subsampling.
    start = stream.tell()
    write_by_pillow(opaque, metadata, stream, "JPEG", quality=quality, subsampling=subsampling)
    if metadata.density:
        _set_density(stream, start, metadata.density)


def _set_density(stream: BinaryIO, start: int, density: tuple[int, int]) -> None:
    """Write the shape of pixels into the JFIF segment that a JPEG begins with, without a unit."""
    stream.seek(start + 6)
    if stream.read(5) == b"JFIF\0":
        stream.seek(start + 13)
        stream.write(struct.pack(">BHH", 0, *density))
    stream.seek(0, 2)


CODEC = Codec(_opened, encode=_encode)
