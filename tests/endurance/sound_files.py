"""Small sound files of every format and layout that is read: what `fuzz` damages.

No torch here: a worker that reads damaged pictures starts in a second.
"""

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import WRITABLE
from serpent_cli.imaging.picture import Picture
from tests.endurance.pictures import Samples, beside, by_hand, by_pillow, by_tifffile

_ROWS, _COLUMNS = 45, 61


@functools.cache
def sound_files() -> dict[str, bytes]:
    """Sound files by name; the suffix is the format's."""
    rows, columns = np.mgrid[:_ROWS, :_COLUMNS]
    ramp = np.stack([rows * 5, columns * 4, (rows * columns) % 256], 2).astype(np.uint8)
    deep = ramp.astype(np.uint16) * 256 + ramp[::-1]
    veil = ramp[..., 0].copy()
    clear = np.concatenate([deep, deep[::-1, :, :1]], 2)
    return {
        **_of_ours(ramp, deep, veil),
        **_of_pillow(Image.fromarray(ramp), Image.fromarray(veil)),
        **_tiffs(ramp, deep, clear),
        **_deep(deep, clear),
        **_by_hand(ramp, deep, clear),
    }


def _of_ours(ramp: Samples, deep: Samples, veil: Samples) -> dict[str, bytes]:
    """As the program itself writes them."""
    kept = beside()
    noted: dict[str, Any] = {
        "exif": kept["exif"].removeprefix(b"Exif\0\0"), "icc": kept["icc_profile"],
        "xmp": kept["xmp"], "dpi": (300.0, 300.0),
    }  # fmt: skip
    pictures = {
        "rgb": Picture(ramp, **noted),
        "rgba": Picture(ramp, veil),
        "grey": Picture(np.repeat(veil[..., None], 3, 2), grey=True, **noted),
        "deep": Picture(deep, **noted),
        "float": Picture(deep / np.float32(65535)),
    }
    files: dict[str, bytes] = {}
    for target in WRITABLE:
        for name, picture in pictures.items():
            stream = io.BytesIO()
            encode(picture, target, stream)
            files[f"{name}{target.suffixes[0]}"] = stream.getvalue()
    return files


def _of_pillow(image: Image.Image, veil: Image.Image) -> dict[str, bytes]:
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    clear = image.copy()
    clear.putalpha(veil)
    turned = [image.rotate(90)]
    return {
        "progressive.jpg": by_pillow(image, "JPEG", progressive=True, quality=60),
        "inks.jpg": by_pillow(image.convert("CMYK"), "JPEG"),
        "palette.png": by_pillow(palette, "PNG", transparency=3),
        "one.png": by_pillow(image.convert("1"), "PNG"),
        "moving.png": by_pillow(image, "PNG", save_all=True, append_images=turned),
        "still.gif": by_pillow(palette, "GIF", transparency=3),
        "moving.gif": by_pillow(
            palette, "GIF", save_all=True, append_images=[palette.rotate(90)]
        ),
        "lossless.webp": by_pillow(image, "WEBP", lossless=True),
        "lossless-clear.webp": by_pillow(clear, "WEBP", lossless=True, exact=True),
        "moving.webp": by_pillow(image, "WEBP", save_all=True, append_images=turned),
        "palette.bmp": by_pillow(palette, "BMP"),
        "colour.ppm": by_pillow(image, "PPM"),
        "bits.pbm": by_pillow(image.convert("1"), "PPM"),
        "fax.tif": by_pillow(image.convert("1"), "TIFF", compression="group4"),
        "jpeg.tif": by_pillow(image, "TIFF", compression="jpeg"),
        "inks.tif": by_pillow(image.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "palette.tif": by_pillow(palette, "TIFF", compression="packbits"),
        "lossy.jp2": by_pillow(image, "JPEG2000", irreversible=True, quality_layers=[20]),
        "tiles.jp2": by_pillow(image, "JPEG2000", tile_size=(32, 32)),
        "clear.jp2": by_pillow(clear, "JPEG2000"),
    }  # fmt: skip


def _tiffs(ramp: Samples, deep: Samples, clear: Samples) -> dict[str, bytes]:
    tiles = (16, 32)
    planes, clear_planes = (np.ascontiguousarray(np.moveaxis(each, 2, 0)) for each in (deep, clear))
    return {
        "tiled.tif": by_tifffile(deep, tile=tiles, compression="zlib", predictor=True),
        "tiled-clear.tif": by_tifffile(clear, tile=tiles, compression="zstd"),
        "tiled-jpeg.tif": by_tifffile(ramp, tile=tiles, compression="jpeg"),
        "big.tif": by_tifffile(deep, bigtiff=True, rowsperstrip=7),
        "motorola.tif": by_tifffile(deep, byteorder=">", compression="lzma"),
        "zstd.tif": by_tifffile(deep, compression="zstd"),
        "pages.tif": by_tifffile(np.stack([ramp] * 3), photometric="rgb"),
        "planar.tif": by_tifffile(planes, planarconfig="separate", compression="zlib"),
        "planar-tiled.tif": by_tifffile(
            planes, planarconfig="separate", photometric="rgb", tile=tiles, compression="zlib"
        ),
        "planar-tiled-clear.tif": by_tifffile(
            clear_planes, planarconfig="separate", photometric="rgb", tile=tiles,
            extrasamples=["unassalpha"],
        ),
        "palette-clear.tif": _palette_with_alpha(ramp),
        "associated.tif": by_tifffile(ramp[..., [0, 1, 2, 0]], extrasamples=["assocalpha"]),
    }  # fmt: skip


def _palette_with_alpha(ramp: Samples) -> bytes:
    """Indices and alpha, which nobody writes: as grey and alpha, then called indices."""
    colours = [level * step for step in (257, 128, 64) for level in range(256)]
    data = bytearray(by_tifffile(ramp[..., [2, 0]], extratags=[(320, "H", 768, colours, True)]))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        place = file.pages.first.tags["PhotometricInterpretation"].valueoffset
    data[place] = 3
    return bytes(data)


def _deep(deep: Samples, clear: Samples) -> dict[str, bytes]:
    """More than 8 bits, of imagecodecs and by hand."""
    avif = bytes(imagecodecs.avif_encode(deep >> 6, level=80, bitspersample=10))
    return {
        "ten.avif": avif,
        "cropped.avif": _with_aperture(avif, 40, 31, (_ROWS, _COLUMNS)),
        "bare.j2k": bytes(imagecodecs.jpeg2k_encode(deep, level=0, codecformat="J2K")),
        "deep-clear.jp2": bytes(imagecodecs.jpeg2k_encode(clear, level=0)),
        "twelve.jpg": bytes(imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12)),
        "twelve-lossless.jpg": bytes(
            imagecodecs.jpeg8_encode(deep >> 4, bitspersample=12, lossless=True)
        ),
        "deep.pgm": by_hand(deep[..., 0]),
        "deep.ppm": by_hand(deep),
    }


def _by_hand(ramp: Samples, deep: Samples, clear: Samples) -> dict[str, bytes]:
    return {
        "interlaced.png": _interlaced(deep),
        "interlaced-clear.png": _interlaced(clear),
        "masks.bmp": _masked(ramp, (0xF800, 0x7E0, 0x1F), (5, 6, 5), 2),
        "masks-clear.bmp": _masked(
            np.concatenate([ramp, ramp[..., :1]], 2),
            (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000), (10, 10, 10, 2), 4,
        ),
    }  # fmt: skip


def _interlaced(samples: Samples) -> bytes:
    """A PNG of 16 bits in the seven passes of Adam7, no row filtered."""
    height, width, channels = samples.shape
    body = b""
    for top, left, down, right in (
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):  # fmt: skip
        for row in samples[top::down, left::right]:
            body += b"\0" + row.astype(">u2").tobytes() if len(row) else b""
    colour = {3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 1)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _masked(samples: Samples, masks: tuple[int, ...], bits: tuple[int, ...], word: int) -> bytes:
    """A BMP whose words of `word` bytes hold 8-bit samples (H, W, C) under bit masks."""
    height, width = samples.shape[:2]
    words = np.zeros((height, width), np.uint32)
    for channel, (mask, depth) in enumerate(zip(masks, bits, strict=True)):
        shift = (mask & -mask).bit_length() - 1
        level = (samples[..., channel].astype(np.uint32) << 8) >> (16 - depth)
        words |= level << np.uint32(shift)
    rows = words.astype(f"<u{word}").view(np.uint8).reshape(height, width * word)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))[::-1]
    size = 108  # a header of version 4 has room for four masks
    body = struct.pack("<IiiHHIIiiII", size, width, height, 1, word * 8, 3, 0, 11811, 5906, 0, 0)
    body += struct.pack("<4I", *masks, *([0] * (4 - len(masks))))
    body = body.ljust(size, b"\0")
    start = 14 + size
    return b"BM" + struct.pack("<IHHI", start + rows.size, 0, 0, start) + body + rows.tobytes()


def _with_aperture(data: bytes, width: int, height: int, whole: tuple[int, int]) -> bytes:
    """An AVIF of libavif's whose one item shows only a rectangle in the middle of its top."""
    right, down = width - whole[1], height - whole[0]
    clap = _box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, -right - 2, 2, down, 2))
    store, ties = data[_found(data, b"ipco")], data[_found(data, b"ipma")]
    count = len(list(_sizes(store)))
    listed = ties[19 : 19 + ties[18]] + bytes([0x80 | count + 1])
    tied = _box(b"ipma", ties[8:18] + bytes([len(listed)]) + listed)
    properties = _box(b"iprp", _box(b"ipco", store[8:] + clap) + tied)
    meta, old = _found(data, b"meta"), _found(data, b"iprp")
    body = bytearray(data[meta.start + 8 : old.start] + properties + data[old.stop : meta.stop])
    place = body.index(b"iloc") + 18
    offset = struct.unpack_from(">I", body, place)[0]
    struct.pack_into(">I", body, place, offset + len(properties) - (old.stop - old.start))
    return data[: meta.start] + _box(b"meta", bytes(body)) + data[meta.stop :]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _found(data: bytes, kind: bytes) -> slice:
    """A box by its four letters, the first in the file."""
    at = data.index(kind) - 4
    return slice(at, at + struct.unpack_from(">I", data, at)[0])


def _sizes(store: bytes) -> Iterator[int]:
    """Sizes of the boxes in a box."""
    at = 8
    while at < len(store):
        size = struct.unpack_from(">I", store, at)[0]
        yield size
        at += size
