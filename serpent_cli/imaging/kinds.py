"""Every format, opened: its size at once, its pixels when they are asked for."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import numpy as np

from serpent_cli.imaging import (
    avif,
    avif_boxes,
    beside,
    bmp,
    eight_bit,
    formats,
    jp2,
    jpeg,
    netpbm,
    png,
    tiff,
    webp,
)
from serpent_cli.imaging.bands import BandSource, in_memory
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder
from serpent_cli.imaging.deep import normalise, split_channels
from serpent_cli.imaging.metadata import Metadata
from serpent_cli.imaging.picture import Picture, Samples
from serpent_cli.imaging.png_metadata import gathered
from serpent_cli.imaging.tiff_metadata import read_metadata
from serpent_cli.imaging.tiff_page import first_page, open_tiff


@dataclass(frozen=True)
class Opened:
    """A file whose header is read.

    Attributes:
        height: Rows as stored.
        width: Columns as stored.
        orientation: EXIF value that the stored pixels still need.
        source: Gives its rows; once.
        sample_bytes: Most bytes of a sample of the picture.
        channels: Most channels of the picture, 3 or 4.
        by_rows: The rows are decoded as they are asked for.
    """

    height: int
    width: int
    orientation: int
    source: Callable[[], BandSource]
    sample_bytes: int = 1
    channels: int = 4
    by_rows: bool = False


def open_kind(stream: BinaryIO, kind: str, head: bytes, name: str) -> Opened:
    """Read the header of a file.

    Args:
        stream: The whole file, seekable; it must stay open.
        kind: As `formats.sniff` gave it.
        head: The first `formats.HEAD_BYTES` of the file.
        name: How the user calls the picture.

    Raises:
        PictureError: It is animated, or of a kind that is not supported.
        DamageError: The header is damaged or cut off.
    """
    return _OPENERS.get(kind, partial(_by_pillow, kind=kind))(stream, head, name)


def _png(stream: BinaryIO, head: bytes, name: str) -> Opened:
    header = png.read_still(stream, name)
    metadata, sample_bytes = gathered(header), 1 if header.bits <= 8 else 2
    size = (header.height, header.width, metadata.orientation)
    if png.has_rows(header):
        rows = partial(png.rows, stream, header, metadata)
        return Opened(*size, rows, sample_bytes, by_rows=True)
    return Opened(*size, _whole(partial(png.read_png, stream, header, metadata)), sample_bytes)


def _tiff(stream: BinaryIO, head: bytes, name: str) -> Opened:
    file = open_tiff(stream)  # closed with the stream
    page = first_page(stream, file, name)
    metadata = read_metadata(stream, page)
    rows = partial(tiff.rows, stream, file, page, metadata, name)
    return Opened(page.height, page.width, metadata.orientation, rows, 4, by_rows=True)


def _whole(decode: Callable[[], Picture]) -> Callable[[], BandSource]:
    """The source of a picture that is decoded at once."""
    return lambda: in_memory(decode())


def _jp2(stream: BinaryIO, head: bytes, name: str) -> Opened:
    header = jp2.read_header(stream)

    def decode() -> Picture:
        if jp2.is_direct(header):
            return jp2.read_direct(stream, header, name)
        image = eight_bit.open_eight_bit(stream, "JPEG2000", name)
        if (image.height, image.width) != (header.height, header.width):
            raise DamageError("JPEG 2000 with two sizes")
        return eight_bit.read_eight_bit(image, "JPEG2000", header.bits, name, header.metadata)

    turn = header.metadata.orientation
    return Opened(header.height, header.width, turn, _whole(decode), 1 if header.bits <= 8 else 2)


def _jpeg(stream: BinaryIO, head: bytes, name: str) -> Opened:
    data = jpeg.read_whole(stream)
    segments = jpeg.read_segments(data)
    jpeg.check_process(segments, name)
    if any(each.short for each in segments.segments):
        return _jpeg(io.BytesIO(jpeg.without_short(data, segments)), head, name)
    if segments.precision != 8 and segments.first_scan:
        return _deep_jpeg(stream, data, segments, name)
    image = eight_bit.open_eight_bit(stream, "JPEG", name)
    metadata = _jpeg_metadata(image, segments)

    def decode() -> Picture:
        jpeg.check_scans(segments, name)
        lossless = segments.process == jpeg.LOSSLESS
        read = partial(eight_bit.read_eight_bit, kind="JPEG", bits=8, name=name)
        try:
            return read(image, metadata=metadata, lossless=lossless)
        except CutOffError:
            whole = jpeg.completed(jpeg.read_whole(stream), segments, _samples_by_pillow)
        again = eight_bit.open_eight_bit(io.BytesIO(whole), "JPEG", name)
        noted = replace(metadata, warnings=(*metadata.warnings, jpeg.NO_END))
        return read(again, metadata=noted, lossless=lossless)

    return Opened(image.height, image.width, metadata.orientation, _whole(decode), channels=3)


def _jpeg_metadata(image: eight_bit.ImageFile, segments: jpeg.Jpeg) -> Metadata:
    metadata = eight_bit.image_metadata(image, segments.density)
    metadata = metadata.without(segments.beside(metadata.xmp))
    return replace(metadata, warnings=metadata.warnings + segments.notes(metadata.icc))


def _samples_by_pillow(data: bytes) -> Samples:
    with decoder():
        return np.asarray(eight_bit.open_eight_bit(io.BytesIO(data), "JPEG", "the picture"))


def _deep_jpeg(stream: BinaryIO, data: bytes, segments: jpeg.Jpeg, name: str) -> Opened:
    # Of the metadata Pillow sees a copy of the header that tells of 8 bits.
    plain = io.BytesIO(jpeg.plain_head(data, segments))
    image = eight_bit.open_eight_bit(plain, "JPEG", name)
    metadata = _jpeg_metadata(image, segments)

    def decode() -> Picture:
        jpeg.check_scans(segments, name)
        samples, note = jpeg.decode_deep(jpeg.read_whole(stream), segments, name)
        samples, _ = normalise(samples, segments.precision, name)
        pixels, _, grey = split_channels(samples, metadata.orientation)
        bits = segments.precision if 8 < segments.precision < 16 else 0
        return metadata.picture(
            pixels, None, grey, format="JPEG", notes=note, bits=bits,
            quality=eight_bit.jpeg_quality(image), lossless=segments.process == jpeg.LOSSLESS,
        )  # fmt: skip

    height, width = segments.height, segments.width
    return Opened(height, width, metadata.orientation, _whole(decode), 2, channels=3)


def _bmp(stream: BinaryIO, head: bytes, name: str) -> Opened:
    bmp.check_kind(head, name)
    masked = bmp.masked_header(head)
    icc = bmp.embedded_profile(stream)
    if masked is None:
        return _by_pillow(stream, head, name, kind="BMP", icc=icc)
    decode = partial(bmp.read_masked, stream, masked, Metadata(icc=icc, dpi=masked.dpi))
    return Opened(masked.height, masked.width, 1, _whole(decode), 1 if masked.bits <= 8 else 2)


def _ppm(stream: BinaryIO, head: bytes, name: str) -> Opened:
    header = netpbm.deep_header(head)
    if header is None:
        return _by_pillow(stream, head, name, kind="PPM")
    decode = partial(netpbm.read_deep, stream, header, name)
    return Opened(header.height, header.width, 1, _whole(decode), 2, channels=3)


def _webp(stream: BinaryIO, head: bytes, name: str) -> Opened:
    facts = webp.read_facts(stream)
    opened = _by_pillow(stream, head, name, kind="WEBP", lossless=facts.lossless, tail=facts.tail)
    return opened


def _avif(stream: BinaryIO, head: bytes, name: str) -> Opened:
    facts = avif_boxes.read_facts(stream)
    bits = formats.stored_bits(head)
    image = eight_bit.open_eight_bit(stream, "AVIF", name)
    metadata = avif.stated(eight_bit.image_metadata(image), facts, image.height, image.width)
    box = facts.crop(image.height, image.width) or (0, 0, image.width, image.height)

    def decode() -> Picture:
        if bits > 8:
            return avif.read_deep(stream, bits, metadata, facts, name)
        return eight_bit.read_eight_bit(
            image, "AVIF", bits, name, metadata, crop=box, lossless=facts.lossless
        )

    height, width = box[3] - box[1], box[2] - box[0]
    return Opened(height, width, metadata.orientation, _whole(decode), 1 if bits <= 8 else 2)


def _by_pillow(
    stream: BinaryIO,
    head: bytes,
    name: str,
    *,
    kind: str,
    icc: bytes | None = None,
    lossless: bool = False,
    tail: bytes = b"",
) -> Opened:
    image = eight_bit.open_eight_bit(stream, kind, name)
    metadata = eight_bit.image_metadata(image)
    metadata = replace(metadata, icc=icc or metadata.icc)
    metadata = metadata.without(beside.behind(tail, metadata.xmp))
    decode = partial(eight_bit.read_eight_bit, image, kind, 8, name, metadata, lossless=lossless)
    sample_bytes = 2 if image.mode.startswith("I") else 1
    return Opened(image.height, image.width, metadata.orientation, _whole(decode), sample_bytes)


_OPENERS: dict[str, Callable[[BinaryIO, bytes, str], Opened]] = {
    "PNG": _png,
    "TIFF": _tiff,
    "JPEG": _jpeg,
    "JPEG2000": _jp2,
    "BMP": _bmp,
    "PPM": _ppm,
    "WEBP": _webp,
    "AVIF": _avif,
}
