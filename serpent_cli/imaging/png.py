"""PNG in every depth: imagecodecs (libpng) for the pixels, our own hands for the chunks.

Source: PNG Specification, third edition (W3C 2025).
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.colour import to_depth
from serpent_cli.imaging.deep import split_channels
from serpent_cli.imaging.metadata import Metadata, numbered_colours, take_orientation
from serpent_cli.imaging.picture import Picture, Samples

_SIGNATURE_BYTES = 8
_MAX_CHUNK, _MAX_DIGITS = 64 << 20, 8 << 20
_GREY, _RGB, _PALETTE = 0, 2, 3
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_PROFILE_KEYWORDS = (b"Raw profile type exif", b"Raw profile type APP1")
# Texts that programs write about themselves: nobody misses them.
_OF_PROGRAMS = (b"Software", b"date:")
_NAMED_TEXTS, _KEYWORD_BYTES = 3, 79
_KEPT = frozenset({b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"pHYs", b"acTL", b"cICP", b"gAMA", b"sRGB"})
# In hundred thousandths; writers round it in several ways.
_SRGB_GAMMA, _GAMMA_SLACK = 45455, 1500
_METRES_PER_INCH = 0.0254
# Within 2 % of the size of the default level, 6, at half its time on 16-bit photographs.
_LEVEL = 4


@dataclass
class Header:
    """What the chunks of a PNG say, pixels aside."""

    height: int
    width: int
    bits: int
    colour_type: int
    chunks: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    xmp: bytes | None = None
    legacy_exif: bytes | None = None
    seen: set[bytes] = field(default_factory=set[bytes])
    texts: list[str] = field(default_factory=list[str])

    @property
    def frames(self) -> int:
        """Number of animation frames; 1 for a still picture."""
        control = self.chunks.get(b"acTL", b"")
        return max(1, struct.unpack(">I", control[:4])[0]) if len(control) >= 8 else 1

    def metadata(self) -> Metadata:
        """Gather profile, EXIF, XMP and resolution."""
        dpi = None
        physical = self.chunks.get(b"pHYs", b"")
        if len(physical) == 9 and physical[8] == 1:
            x, y = struct.unpack(">II", physical[:8])
            dpi = (x * _METRES_PER_INCH, y * _METRES_PER_INCH)
        exif = self.chunks.get(b"eXIf", self.legacy_exif)
        icc = _icc(self.chunks)
        taken = take_orientation(icc=icc, exif=exif, xmp=self.xmp, dpi=dpi)
        notes = () if icc else self._colour_notes()
        return replace(taken, warnings=taken.warnings + notes + self._text_notes())

    def _text_notes(self) -> tuple[str, ...]:
        """Name the texts that are not kept."""
        if not self.texts:
            return ()
        named = ", ".join(self.texts[:_NAMED_TEXTS]) + ("..." if self.texts[_NAMED_TEXTS:] else "")
        return (f"Its texts ({named}) were left out",)

    def _colour_notes(self) -> tuple[str, ...]:
        """Name a description of colours without a profile that is not sRGB; it is not kept."""
        numbers = self.chunks.get(b"cICP", b"")
        gamma = int.from_bytes(self.chunks.get(b"gAMA", b""), "big")
        if len(numbers) == 4:
            return numbered_colours(numbers[0], numbers[1])
        if gamma and b"sRGB" not in self.chunks and abs(gamma - _SRGB_GAMMA) > _GAMMA_SLACK:
            return (f"Its gamma (1/{1e5 / gamma:.2f}) was left out: it counts as sRGB now",)
        return ()


def read_header(stream: BinaryIO) -> Header:
    """Walk over all chunks without decoding pixels.

    Raises:
        EOFError: The file ends before its end chunk.
        ValueError: The first chunk is not a header.
    """
    stream.seek(_SIGNATURE_BYTES)
    header: Header | None = None
    for kind, length in _walk(stream):
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise ValueError("no PNG header")
            width, height, bits, colour = struct.unpack(">IIBB", _data(stream, length)[:10])
            header = Header(height, width, bits, colour)
        elif kind in _KEPT and length <= _MAX_CHUNK:
            header.chunks.setdefault(kind, _data(stream, length))
        elif kind in (b"iTXt", b"zTXt", b"tEXt") and length <= _MAX_CHUNK:
            _read_text(header, kind, _data(stream, length))
    if header is None:
        raise ValueError("no PNG header")
    return header


def _walk(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield (kind, length) with the stream at the chunk's data, until after IEND."""
    while True:
        head = stream.read(8)
        if len(head) < 8:
            raise EOFError("PNG without end chunk")
        length, kind = struct.unpack(">I4s", head)
        after = stream.tell() + length
        if kind == b"IEND":
            if len(stream.read(4)) < 4:
                raise EOFError("PNG end chunk cut off")
            return
        yield kind, length
        stream.seek(after + 4)


def _data(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise EOFError("PNG chunk cut off")
    return data


def _read_text(header: Header, kind: bytes, data: bytes) -> None:
    """Pick XMP and the EXIF that ImageMagick hides in text; other text is not kept."""
    keyword, _, rest = data.partition(b"\0")
    if keyword in header.seen:
        # One of each: a file full of packed texts would keep us unpacking for minutes.
        return
    if kind == b"iTXt" and keyword == _XMP_KEYWORD and len(rest) >= 2:
        header.seen.add(keyword)
        packet = rest[2:].split(b"\0", 2)[-1]
        header.xmp = _inflate(packet) if rest[0] else packet
    elif keyword in _PROFILE_KEYWORDS:
        header.seen.add(keyword)
        text = _inflate(rest[1:], _MAX_DIGITS) if kind == b"zTXt" else rest
        # "\nexif\n    1234\n" and then the bytes in hexadecimal.
        digits = b"".join((text or b"").split()[2:])
        try:
            header.legacy_exif = bytes.fromhex(digits.decode("ascii"))
        except ValueError:
            header.legacy_exif = None
    elif not keyword.startswith(_OF_PROGRAMS) and len(header.texts) <= _NAMED_TEXTS:
        text = keyword[:_KEYWORD_BYTES].decode("latin-1")
        header.texts.append("".join(letter for letter in text if letter.isprintable()))


def _inflate(data: bytes, most: int = _MAX_CHUNK) -> bytes | None:
    """Decompress, or None when damaged or absurdly large."""
    engine = zlib.decompressobj()
    try:
        plain = engine.decompress(data, most)
    except zlib.error:
        return None
    return plain if engine.eof else None


def _icc(chunks: dict[bytes, bytes]) -> bytes | None:
    _, _, rest = chunks.get(b"iCCP", b"").partition(b"\0")
    return _inflate(rest[1:]) if rest else None


def read_png(stream: BinaryIO, header: Header) -> Picture:
    """Decode a still PNG of any kind.

    Args:
        stream: The whole file, seekable.
        header: As `read_header` gave it.

    Returns:
        uint8 or uint16 pixels; palettes become colour, or grey where all their colours are.

    Raises:
        RuntimeError: The pixel data are truncated or damaged (as imagecodecs reports it).
    """
    samples: Samples = imagecodecs.png_decode(_pixels_only(stream))
    samples = _apply_deep_grey_key(samples, header)
    metadata = header.metadata()
    if header.colour_type == _PALETTE and metadata.icc is None and _grey_palette(header):
        samples = samples[..., 0] if samples.shape[2] == 3 else samples[..., ::3]
    pixels, alpha, grey = split_channels(samples, metadata.orientation)
    return Picture(
        pixels,
        alpha,
        grey,
        metadata.icc,
        metadata.exif,
        metadata.xmp,
        metadata.dpi,
        "PNG",
        metadata.warnings,
    )


def _pixels_only(stream: BinaryIO) -> bytes:
    """Copy the file without what does not decide its pixels.

    libpng would unpack every compressed text in it, be they hundreds.
    """
    stream.seek(0)
    parts = [stream.read(_SIGNATURE_BYTES)]
    for kind, length in _walk(stream):
        # Bit 5 of the first letter is set where a decoder may leave the chunk out.
        if not kind[0] & 0x20 or kind == b"tRNS":
            stream.seek(-8, 1)
            parts.append(stream.read(length + 12))
    parts.append(struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND")))
    return b"".join(parts)


def _apply_deep_grey_key(samples: Samples, header: Header) -> Samples:
    """Turn the transparent level of 16-bit grey into alpha, which the decoder leaves undone."""
    key = header.chunks.get(b"tRNS", b"")
    if samples.ndim != 2 or header.colour_type != _GREY or len(key) != 2:
        return samples
    level = struct.unpack(">H", key)[0]
    alpha = np.where(samples == level, 0, 65535).astype(samples.dtype)
    return np.stack([samples, alpha], axis=2)


def _grey_palette(header: Header) -> bool:
    colours = np.frombuffer(header.chunks.get(b"PLTE", b""), np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def write_png(picture: Picture, metadata: Metadata, stream: BinaryIO) -> None:
    """Encode a picture with its metadata; float32 is rounded to 16 bits.

    Args:
        picture: Any depth.
        metadata: What to store beside the pixels.
        stream: Where to write, from its current position.

    Raises:
        RuntimeError: libpng refuses the picture (a side over a million pixels).
    """
    channels = picture.channels()
    if channels.dtype == np.float32:
        channels = to_depth(channels, np.uint16)
    if 1 in channels.shape:
        # NumPy leaves any stride on an axis of length 1; the encoder wants the canonical one.
        channels = channels.copy(order="C")
    data = memoryview(imagecodecs.png_encode(channels, level=_LEVEL))
    after_header = _SIGNATURE_BYTES + 25
    stream.write(data[:after_header])
    for kind, body in metadata_chunks(metadata):
        stream.write(struct.pack(">I", len(body)) + kind + body)
        stream.write(struct.pack(">I", zlib.crc32(kind + body)))
    stream.write(data[after_header:])


def metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and body of the chunks that hold metadata, all of them before the pixels."""
    if metadata.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi:
        x, y = (round(value / _METRES_PER_INCH) for value in metadata.dpi)
        yield b"pHYs", struct.pack(">IIB", x, y, 1)
    if metadata.exif:
        yield b"eXIf", metadata.exif
    if metadata.xmp:
        yield b"iTXt", _XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp


def check_still(header: Header, name: str) -> None:
    """Refuse an animated PNG.

    Raises:
        PictureError: It has more than one frame.
    """
    if header.frames > 1:
        raise PictureError(
            f"cannot read {name}: it is animated ({header.frames} frames)",
            "Extract its frames as PNG files first",
        )
