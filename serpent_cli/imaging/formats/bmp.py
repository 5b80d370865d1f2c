"""What Pillow leaves out of BMP: embedded profiles, transparency, and bit masks of any kind.

Sources: Microsoft, BITMAPINFOHEADER, BITMAPV4HEADER and BITMAPV5HEADER structures, [MS-WMF] 2.1.1.7
(codings); IBM, OS/2 Presentation Manager, BITMAPINFOHEADER2.
"""

import struct
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import imagecodecs
import numpy as np

from serpent_cli.errors import PictureError
from serpent_cli.imaging.colour import bands, to_depth
from serpent_cli.imaging.damage import CutOffError, DamageError
from serpent_cli.imaging.formats.codec import Codec, Opened, decoded, whole
from serpent_cli.imaging.formats.pillow import by_pillow, write_by_pillow
from serpent_cli.imaging.metadata import METRES_PER_INCH, Metadata
from serpent_cli.imaging.picture import Picture, Samples

_FILE_HEADER = 14
_V5_BYTES = 124
_EMBEDDED = b"DEBM"
_MAX_PROFILE = 16 << 20
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_CORE_BYTES, _INFO_BYTES, _V3_BYTES, _OS2_BYTES = 12, 40, 56, 64
_HEADERS = (_CORE_BYTES, _INFO_BYTES, 52, _V3_BYTES, _OS2_BYTES, 108, _V5_BYTES)
_CODINGS = {4: "a JPEG in it", 5: "a PNG in it", 11: "CMYK", 12: "CMYK", 13: "CMYK"}
_OS2_CODINGS = {3: "Huffman coding", 4: "run lengths of 24 bits"}


@dataclass(frozen=True)
class Masked:
    """A BMP whose samples are told by bit masks.

    Attributes:
        height: Rows.
        width: Columns.
        bottom_up: The last row comes first.
        word: Bytes of a pixel, 2 or 4.
        masks: Of red, green, blue and alpha; the last is 0 where there is none.
        start: Offset of the pixels.
        dpi: Pixels per inch, where it tells them.
    """

    height: int
    width: int
    bottom_up: bool
    word: int
    masks: tuple[int, ...]
    start: int
    dpi: tuple[float, float] | None

    @property
    def bits(self) -> int:
        """Most bits of a channel."""
        return max(mask.bit_count() for mask in self.masks)


def check_kind(head: bytes, name: str) -> None:
    """Refuse kinds of BMP that no decoder at hand knows.

    Args:
        head: The first bytes of the file.
        name: How the user calls the picture.

    Raises:
        PictureError: It is one of them; the sentence says which.
    """
    if len(head) < _FILE_HEADER + _INFO_BYTES:
        return  # the decoder will say that it is cut off
    start, size = struct.unpack_from("<II", head, 10)
    what = ""
    if size not in _HEADERS:
        what = f"a header of {size} bytes" if size <= _V5_BYTES else ""
    elif size > _CORE_BYTES:
        depth, coding = struct.unpack_from("<HI", head, 28)
        colours = struct.unpack_from("<I", head, 46)[0]
        codings = _OS2_CODINGS if size == _OS2_BYTES else _CODINGS
        if coding in codings:
            what = codings[coding]
        elif depth == 2:
            what = "2 bits per pixel"
        elif depth in (1, 4, 8) and 1 << depth < colours <= (start - _FILE_HEADER - size) // 4:
            what = f"a palette of {colours} colours"
    if what:
        raise PictureError(
            f"cannot read {name}: a BMP with {what} is not supported", "Convert it to PNG first"
        )


def masked_header(head: bytes) -> Masked | None:
    """Read the head of a BMP with bit masks; None for every other.

    Args:
        head: The first bytes of the file.
    """
    if len(head) < _FILE_HEADER + _INFO_BYTES + 16:
        return None
    start, size, width, height, _, depth, coding = struct.unpack_from("<IIiiHHI", head, 10)
    if size < _INFO_BYTES or coding not in (_BIT_FIELDS, _ALPHA_BIT_FIELDS):
        return None
    if depth not in (16, 32) or width <= 0 or height in (0, -(1 << 31)):
        return None
    # Behind a plain header stand three masks, or four where the coding says so.
    masks = struct.unpack_from("<4I", head, _FILE_HEADER + _INFO_BYTES)
    if size < _V3_BYTES and coding == _BIT_FIELDS:
        masks = (*masks[:3], 0)
    x, y = struct.unpack_from("<ii", head, _FILE_HEADER + 24)
    dpi = (x * METRES_PER_INCH, y * METRES_PER_INCH) if x > 0 and y > 0 else None
    return Masked(abs(height), width, height > 0, depth // 8, masks, start, dpi)


def read_masked(stream: BinaryIO, header: Masked, metadata: Metadata) -> Picture:
    """Decode pixels of any bit masks.

    Args:
        stream: The whole file, seekable.
        header: As `masked_header` gave it.
        metadata: What it says beside its pixels.

    Returns:
        uint8, or uint16 where a channel has more than 8 bits.

    Raises:
        CutOffError: Rows are missing.
        DamageError: A mask is empty, in pieces, or wider than 16 bits.
    """
    if not all(header.masks[:3]) or header.bits > 16 or not all(map(_in_one, header.masks)):
        raise DamageError("BMP with senseless bit masks")
    stride = -(-header.width * header.word // 4) * 4
    masks = header.masks if header.masks[3] else header.masks[:3]
    dtype = np.dtype(np.uint8 if header.bits <= 8 else np.uint16)
    samples = np.empty((header.height, header.width, len(masks)), dtype)
    for band in bands(header.height, header.width * 4):
        rows = band.stop - band.start
        top = header.height - band.stop if header.bottom_up else band.start
        stream.seek(header.start + top * stride)
        data = stream.read(rows * stride)
        if len(data) < rows * stride:
            raise CutOffError("BMP rows cut off")
        words = np.frombuffer(data, f"<u{header.word}").reshape(rows, -1)[:, : header.width]
        words = words[::-1] if header.bottom_up else words
        for index, mask in enumerate(masks):
            samples[band, :, index] = _stretched(words, mask, int(np.iinfo(dtype).max))
    return decoded(samples, metadata, "BMP", bits=header.bits)


def _in_one(mask: int) -> bool:
    """Whether the bits of a mask stand side by side."""
    return mask == 0 or bin(mask).rstrip("0").count("0") == 1  # that of "0b"


def _stretched(words: Samples, mask: int, wanted: int) -> Samples:
    shift = (mask & -mask).bit_length() - 1
    top = mask >> shift
    values = (words.astype(np.uint64) & np.uint64(mask)) >> np.uint64(shift)
    return (values * np.uint64(wanted) + np.uint64(top // 2)) // np.uint64(top)


def embedded_profile(stream: BinaryIO) -> bytes | None:
    """Read the colour profile that a header of version 5 may point to; None where there is none.

    Args:
        stream: The whole file, seekable; moved.
    """
    stream.seek(_FILE_HEADER)
    header = stream.read(_V5_BYTES)
    if len(header) < _V5_BYTES or header[:4] != struct.pack("<I", _V5_BYTES):
        return None
    if header[56:60] != _EMBEDDED:
        return None
    offset, size = struct.unpack_from("<II", header, 112)
    stream.seek(_FILE_HEADER + offset)
    profile = stream.read(min(size, _MAX_PROFILE))
    return profile if len(profile) == size and size else None


def _write_rgba(channels: Samples, dpi: tuple[float, float] | None, stream: BinaryIO) -> None:
    """Encode a picture with transparency: 32 bits per pixel, with a mask that names the alpha.

    Args:
        channels: (H, W, 4) uint8.
        dpi: Horizontal and vertical pixels per inch; None is stored as 0, which is unknown.
        stream: Where to write, from its current position.
    """
    data = bytearray(imagecodecs.bmp_encode(np.ascontiguousarray(channels)))
    metres = (round(value / METRES_PER_INCH) for value in dpi or (0, 0))
    struct.pack_into("<ii", data, _FILE_HEADER + 24, *metres)
    stream.write(data)


def _opened(stream: BinaryIO, head: bytes, name: str) -> Opened:
    check_kind(head, name)
    masked = masked_header(head)
    icc = embedded_profile(stream)
    if masked is None:
        return by_pillow(stream, head, name, kind="BMP", icc=icc)
    decode = partial(read_masked, stream, masked, Metadata(icc=icc, dpi=masked.dpi))
    return Opened(masked.height, masked.width, 1, whole(decode), 1 if masked.bits <= 8 else 2)


def _encode(picture: Picture, metadata: Metadata, stream: BinaryIO, quality: int) -> None:
    if picture.alpha is None:
        # Zero is unknown; Pillow would make it 96 DPI.
        write_by_pillow(picture, replace(metadata, dpi=metadata.dpi or (0, 0)), stream, "BMP")
    else:
        colours = to_depth(replace(picture, grey=False).channels(), np.uint8)
        _write_rgba(colours, metadata.dpi, stream)


CODEC = Codec(_opened, encode=_encode)
