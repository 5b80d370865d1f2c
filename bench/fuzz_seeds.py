"""Small sound files of every format, and what can happen to a file on its way: for bench.fuzz.

No torch here: a worker that reads damaged pictures starts in a second.
"""

import functools
import io
import random
import struct
import zlib

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms

from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import WRITABLE
from serpent_cli.imaging.picture import Picture

_WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@functools.cache
def seeds() -> dict[str, bytes]:
    """Sound files by name; the suffix is the format's."""
    rows, columns = np.mgrid[:45, :61]
    ramp = np.stack([rows * 5, columns * 4, (rows * columns) % 256], 2).astype(np.uint8)
    deep = ramp.astype(np.uint16) * 256 + ramp[::-1]
    veil = ramp[..., 0].copy()
    pictures = {
        "rgb": Picture(ramp, **_metadata()),
        "rgba": Picture(ramp, veil),
        "grey": Picture(np.repeat(veil[..., None], 3, 2), grey=True, **_metadata()),
        "deep": Picture(deep, **_metadata()),
        "float": Picture(deep / np.float32(65535)),
    }
    files: dict[str, bytes] = {}
    for target in WRITABLE:
        for name, picture in pictures.items():
            stream = io.BytesIO()
            encode(picture, target, stream)
            files[f"{name}{target.suffixes[0]}"] = stream.getvalue()
    return files | _of_pillow(Image.fromarray(ramp)) | _of_others(ramp, deep)


def _metadata() -> dict[str, object]:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Serpent", 6
    exif.get_ifd(0x8769)[0x829A] = 0.01
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b'<x:xmpmeta tiff:Orientation="6"/>'
    return {"exif": exif.tobytes()[6:], "icc": profile, "xmp": xmp, "dpi": (300.0, 300.0)}


def _of_pillow(image: Image.Image) -> dict[str, bytes]:
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    wanted: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "progressive.jpg": (image, "JPEG", {"progressive": True, "quality": 60}),
        "inks.jpg": (image.convert("CMYK"), "JPEG", {}),
        "palette.png": (palette, "PNG", {"transparency": 3}),
        "one.png": (image.convert("1"), "PNG", {}),
        "moving.png": (image, "PNG", {"save_all": True, "append_images": [image.rotate(90)]}),
        "still.gif": (palette, "GIF", {"transparency": 3}),
        "moving.gif": (palette, "GIF", {"save_all": True, "append_images": [palette.rotate(90)]}),
        "lossless.webp": (image, "WEBP", {"lossless": True}),
        "moving.webp": (image, "WEBP", {"save_all": True, "append_images": [image.rotate(90)]}),
        "palette.bmp": (palette, "BMP", {}),
        "colour.ppm": (image, "PPM", {}),
        "bits.pbm": (image.convert("1"), "PPM", {}),
        "fax.tif": (image.convert("1"), "TIFF", {"compression": "group4"}),
        "jpeg.tif": (image, "TIFF", {"compression": "jpeg"}),
        "inks.tif": (image.convert("CMYK"), "TIFF", {"compression": "tiff_lzw"}),
        "palette.tif": (palette, "TIFF", {"compression": "packbits"}),
        "lossy.jp2": (image, "JPEG2000", {"irreversible": True, "quality_layers": [20]}),
        "tiles.jp2": (image, "JPEG2000", {"tile_size": (32, 32)}),
    }
    files: dict[str, bytes] = {}
    for name, (made, kind, options) in wanted.items():
        stream = io.BytesIO()
        made.save(stream, kind, **options)
        files[name] = stream.getvalue()
    return files


def _of_others(ramp: np.ndarray, deep: np.ndarray) -> dict[str, bytes]:
    layouts: dict[str, dict[str, object]] = {
        "tiled.tif": {"tile": (16, 32), "compression": "zlib", "predictor": True},
        "big.tif": {"bigtiff": True, "rowsperstrip": 7},
        "motorola.tif": {"byteorder": ">", "compression": "lzma"},
        "zstd.tif": {"compression": "zstd"},
    }
    files: dict[str, bytes] = {}
    for name, layout in layouts.items():
        stream = io.BytesIO()
        tifffile.imwrite(stream, deep, photometric="rgb", metadata=None, **layout)
        files[name] = stream.getvalue()
    stream = io.BytesIO()
    planes = np.ascontiguousarray(np.moveaxis(deep, 2, 0))
    plan = {"planarconfig": "separate", "tile": (16, 16), "compression": "lzw"}
    tifffile.imwrite(stream, planes, photometric="rgb", metadata=None, **plan)
    files["planes.tif"] = stream.getvalue()
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.stack([ramp] * 3), photometric="rgb", metadata=None)
    files["pages.tif"] = stream.getvalue()
    files["ten.avif"] = bytes(imagecodecs.avif_encode(deep >> 6, level=80, bitspersample=10))
    files["bare.j2k"] = bytes(imagecodecs.jpeg2k_encode(deep, level=0, codecformat="J2K"))
    head = f"P5 {ramp.shape[1]} {ramp.shape[0]} 65535\n".encode()
    files["deep.pgm"] = head + deep[..., 0].astype(">u2").tobytes()
    return files


def mutated(seed: int, index: int, only: str = "") -> tuple[str, bytes]:
    """Make the damaged file of a number; the same numbers give the same file.

    Args:
        seed: Of all files.
        index: Of this one.
        only: How the names of the sound files end that it is made of.

    Returns:
        Its name, and its content.
    """
    chance = random.Random(f"{seed}:{index}")
    name = chance.choice(sorted(each for each in seeds() if each.endswith(only)))
    data = bytearray(seeds()[name])
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        chance.choice(_WAYS)(data, chance)
    if name.endswith(".png") and chance.random() < 0.7:
        # Past the checksums, which would stop nearly every damage at the door.
        _mend_checksums(data)
    return name, bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """An offset, more often near the start, where headers are."""
    reach = len(data) if chance.random() < 0.4 else min(len(data), 400)
    return chance.randrange(max(1, reach))


def _span(data: bytearray, chance: random.Random) -> slice:
    start = _place(data, chance)
    return slice(start, min(len(data), start + 1 + int(chance.expovariate(1 / 24))))


def _flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        if data:
            data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _zero(data: bytearray, chance: random.Random) -> None:
    where = _span(data, chance)
    data[where] = bytes(len(data[where]))


def _insert(data: bytearray, chance: random.Random) -> None:
    start = _place(data, chance)
    data[start:start] = chance.randbytes(chance.randint(1, 40))


def _delete(data: bytearray, chance: random.Random) -> None:
    del data[_span(data, chance)]


def _repeat(data: bytearray, chance: random.Random) -> None:
    where = _span(data, chance)
    data[where.stop : where.stop] = data[where] * chance.randint(1, 30)


def _swap(data: bytearray, chance: random.Random) -> None:
    first, second = _span(data, chance), _span(data, chance)
    if first.stop <= second.start:
        data[first], data[second] = data[second], data[first]


def _splice(data: bytearray, chance: random.Random) -> None:
    """Go on with another file from some place on."""
    other = seeds()[chance.choice(sorted(seeds()))]
    cut = _place(data, chance)
    data[cut:] = other[min(len(other), cut if chance.random() < 0.5 else _place(data, chance)) :]


def _edit_field(data: bytearray, chance: random.Random) -> None:
    """Write a length that is wrong in an interesting way, in either byte order."""
    width = chance.choice((1, 2, 4, 4, 8))
    start = _place(data, chance) & ~1
    field = data[start : start + width]
    order = chance.choice(("little", "big"))
    value = int.from_bytes(field, order)
    near = (value + 1, value - 1, value * 2, value // 2, len(data), value + 65536)
    value = chance.choice((*_WORDS, *near)) % (1 << 8 * len(field))
    data[start : start + width] = value.to_bytes(len(field), order)


def _swap_chunks(data: bytearray, chance: random.Random) -> None:
    """Exchange, double or drop one of the file's own parts, where it has such."""
    parts = _parts(data)
    if len(parts) < 2:
        return
    bodies = [bytes(data[part]) for part in parts]
    start, end = parts[0].start, parts[-1].stop
    i, j = chance.randrange(len(bodies)), chance.randrange(len(bodies))
    way = chance.randrange(3)
    if way == 0:
        bodies[i], bodies[j] = bodies[j], bodies[i]
    elif way == 1:
        bodies.insert(i, bodies[j])
    else:
        del bodies[i]
    data[start:end] = b"".join(bodies)


def _parts(data: bytearray) -> list[slice]:
    """PNG chunks, JPEG segments, RIFF chunks, or boxes."""
    at, order, extra, sized_last = 0, ">I", 0, True
    if data.startswith(b"\x89PNG"):
        at, extra, sized_last = 8, 12, False
    elif data.startswith(b"\xff\xd8"):
        at, order, extra = 2, ">H", 2
    elif data.startswith(b"RIFF"):
        at, order, extra = 12, "<I", 8
    size, skip = struct.calcsize(order), 0
    if data.startswith((b"\xff\xd8",)):
        skip = 2
    elif data.startswith(b"RIFF"):
        skip = 4
    parts: list[slice] = []
    while at + skip + size <= len(data) and len(parts) < 200:
        length = struct.unpack_from(order, data, at + skip)[0] + extra
        if length < 8 - 4 * sized_last or at + length > len(data):
            break
        parts.append(slice(at, at + length))
        at += length
    return parts


def _mend_checksums(data: bytearray) -> None:
    for part in _parts(data):
        body = data[part.start + 4 : part.stop - 4]
        data[part.stop - 4 : part.stop] = struct.pack(">I", zlib.crc32(body))


_WAYS = (
    *(_flip_bits, _flip_bits, _edit_field, _edit_field, _edit_field, _truncate, _zero, _insert),
    *(_delete, _repeat, _swap, _splice, _swap_chunks, _swap_chunks),
)
