"""Pictures made by a seed, and written by others: Pillow, tifffile and imagecodecs.

What a driver restores must not change with our own encoders.
"""

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

Samples = NDArray[Any]
ROWS, COLUMNS = 70, 93  # no multiples of anything
MAX_VALUES = {"uint8": 255, "uint16": 65535, "float32": 1.0}


def smooth(height: int, width: int, channels: int = 4, seed: int = 0) -> Samples:
    """Smooth colours with a little noise and a few sharp edges, float64 (H, W, C) in [0, 1]."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((-(-height // 24) + 1, -(-width // 24) + 1, channels))
    rows, columns = np.arange(height) / 24, np.arange(width) / 24
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[:, None, None], (columns - left)[None, :, None]
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    made = upper * (1 - down) + lower * down
    made[height // 3 : height // 2, width // 4 : width // 2] *= 0.4
    made[..., -1] = np.clip(1.6 * made[..., -1] - 0.2, 0, 1)  # wholly clear and opaque places, too
    return np.clip(made + rng.normal(0, 0.01, made.shape), 0, 1)


def samples(dtype: str, channels: int, size: tuple[int, int] = (ROWS, COLUMNS)) -> Samples:
    """(H, W) for one channel, else (H, W, C): grey, grey and alpha, colour, colour and alpha."""
    made = smooth(*size)
    chosen = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    white = MAX_VALUES[dtype]
    deep = made[..., chosen] * white
    deep = (deep if dtype == "float32" else np.rint(deep)).astype(dtype)
    return np.ascontiguousarray(deep[..., 0] if channels == 1 else deep)


@functools.cache
def beside() -> dict[str, Any]:
    """EXIF with an orientation, a profile and XMP, as Pillow's `save` takes them."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Serpent", 6
    exif.get_ifd(0x8769)[0x829A] = 0.01
    # The time of making is in its bytes 24 to 36, and its digest in 84 to 100: the same each day.
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36], profile[84:100] = bytes(12), bytes(16)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a tiff:Orientation="6"/></x:xmpmeta>'
    return {"exif": exif.tobytes(), "icc_profile": bytes(profile), "xmp": xmp}


def by_pillow(image: Image.Image, kind: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def by_tifffile(array: Samples, **options: Any) -> bytes:
    """A TIFF as tifffile writes it; 2 and 4 channels end with alpha."""
    channels = 1 if array.ndim == 2 else array.shape[2]
    given: dict[str, Any] = {"photometric": "rgb" if channels > 2 else "minisblack"}
    if channels in (2, 4):
        given["extrasamples"] = ["unassalpha"]
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **{"metadata": None, **given, **options})
    return stream.getvalue()


def by_hand(array: Samples) -> bytes:
    """A PGM or PPM of 16 bits, which Pillow does not write."""
    letter = "5" if array.ndim == 2 else "6"
    head = f"P{letter}\n{array.shape[1]} {array.shape[0]}\n65535\n".encode()
    return head + array.astype(">u2").tobytes()


def sources() -> dict[str, bytes]:
    """Files of every format, depth, and kind of channels, by name."""
    colour, clear, grey = (Image.fromarray(samples("uint8", each)) for each in (3, 4, 1))
    palette = colour.convert("P", palette=Image.Palette.ADAPTIVE)
    deep, deep_clear = samples("uint16", 3), samples("uint16", 4)
    kept = beside()
    made = {
        "grey.png": by_pillow(grey, "PNG"),
        "clear.png": by_pillow(clear, "PNG"),
        "grey-clear.png": by_pillow(Image.fromarray(samples("uint8", 2), "LA"), "PNG"),
        "palette.png": by_pillow(palette, "PNG", transparency=3),
        "bits.png": by_pillow(grey.convert("1"), "PNG"),
        "deep.png": bytes(imagecodecs.png_encode(deep)),
        "deep-clear.png": bytes(imagecodecs.png_encode(deep_clear)),
        "turned.jpg": by_pillow(colour, "JPEG", quality=88, dpi=(300, 300), **kept),
        "grey.jpg": by_pillow(grey, "JPEG", progressive=True),
        "inks.jpg": by_pillow(colour.convert("CMYK"), "JPEG"),
        "small.webp": by_pillow(colour, "WEBP", quality=80, **kept),
        "clear.webp": by_pillow(clear, "WEBP", lossless=True, exact=True),
        "ten.avif": bytes(imagecodecs.avif_encode(deep >> 6, level=80, bitspersample=10)),
        "clear.avif": by_pillow(clear, "AVIF", quality=80),
        "deep.jp2": bytes(imagecodecs.jpeg2k_encode(deep, level=0)),
        "tiles.jp2": by_pillow(colour, "JPEG2000", tile_size=(32, 32)),
        "palette.bmp": by_pillow(palette, "BMP"),
        "colour.bmp": by_pillow(colour, "BMP"),
        "still.gif": by_pillow(palette, "GIF", transparency=3),
        "colour.ppm": by_pillow(colour, "PPM"),
        "deep.ppm": by_hand(deep),
        "deep.pgm": by_hand(samples("uint16", 1)),
    }
    return {**made, "kept.png": by_pillow(colour, "PNG", dpi=(300, 300), **_upright()), **tiffs()}


def _upright() -> dict[str, Any]:
    kept = beside()
    return {"icc_profile": kept["icc_profile"]}


def tiffs() -> dict[str, bytes]:
    """TIFF in its layouts."""
    colour = Image.fromarray(samples("uint8", 3))
    deep, deep_clear, float_clear = (
        samples("uint16", 3), samples("uint16", 4), samples("float32", 4),
    )  # fmt: skip
    kept = beside()
    tags = [(34675, "B", None, kept["icc_profile"], True), (700, "B", None, kept["xmp"], True)]
    planes = np.ascontiguousarray(np.moveaxis(deep, 2, 0))
    return {
        "kept.tif": by_tifffile(deep, compression="zlib", extratags=tags, resolution=(300, 300)),
        "grey.tif": by_tifffile(samples("uint16", 1)),
        "grey-clear.tif": by_tifffile(samples("uint16", 2)),
        "deep-clear.tif": by_tifffile(deep_clear, compression="zstd", rowsperstrip=7),
        "float.tif": by_tifffile(samples("float32", 3)),
        "float-clear.tif": by_tifffile(float_clear, compression="zlib", predictor=True),
        "tiled.tif": by_tifffile(deep, tile=(32, 48), compression="zlib", predictor=True),
        "planar.tif": by_tifffile(planes, planarconfig="separate", compression="lzma"),
        "motorola.tif": by_tifffile(deep, byteorder=">", bigtiff=True),
        "fax.tif": by_pillow(colour.convert("1"), "TIFF", compression="group4"),
        "jpeg.tif": by_pillow(colour, "TIFF", compression="jpeg"),
        "inks.tif": by_pillow(colour.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        "turned.tif": by_pillow(
            colour, "TIFF", compression="packbits", tiffinfo={0x0112: 6, 0x010F: "Serpent"}
        ),
    }


WIDE = (210, 301)
LONG, LONGER = (4000, 256), (40000, 256)


def large_sources() -> dict[str, Callable[[], bytes]]:
    """Pictures of several tiles, and tall ones that are restored by bands where memory is short."""
    return {
        "wide.png": lambda: by_pillow(Image.fromarray(samples("uint8", 3, WIDE)), "PNG"),
        "wide-deep.tif": lambda: by_tifffile(samples("uint16", 4, WIDE), compression="zlib"),
        "wide-float.tif": lambda: by_tifffile(samples("float32", 3, WIDE)),
        "long.jpg": lambda: by_pillow(
            Image.fromarray(samples("uint8", 3, (7000, 256))), "JPEG", quality=90
        ),
        "long-deep.png": lambda: bytes(imagecodecs.png_encode(samples("uint16", 4, LONG), level=1)),
        "long-deep.tif": lambda: by_tifffile(samples("uint16", 3, LONG), rowsperstrip=100),
        "long-grey.tif": lambda: by_tifffile(samples("uint16", 2, LONG), rowsperstrip=64),
        "long-tiled.tif": lambda: by_tifffile(samples("uint16", 4, LONG), tile=(128, 128)),
        "long-float.tif": lambda: by_tifffile(samples("float32", 4, LONG), rowsperstrip=100),
        "longer.tif": lambda: by_tifffile(samples("uint16", 4, LONGER), rowsperstrip=256),
    }


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
