"""What a file of a result holds, as digests: decoded by others than us."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

Record = dict[str, Any]

# Where the samples lie in a TIFF is the writer's own business.
_LAYOUT = {
    "StripOffsets", "StripByteCounts", "RowsPerStrip", "TileOffsets", "TileByteCounts",
    "TileWidth", "TileLength", "ExifTag",
}  # fmt: skip
_PROFILE, _XMP = 34675, 700


def digest(data: bytes) -> str:
    """Short and hexadecimal; empty for nothing."""
    return hashlib.sha256(data).hexdigest()[:16] if data else ""


def seen(path: Path) -> Record:
    """Digests of the pixels, the profile, EXIF, XMP and the bytes of a picture, and its kind."""
    data = path.read_bytes()
    found = _tiff(path) if path.suffix == ".tif" else _other(path, data)
    pixels: np.ndarray = found.pop("pixels")
    return {
        "shape": "x".join(map(str, pixels.shape)),
        "dtype": pixels.dtype.name,
        "pixels": digest(np.ascontiguousarray(pixels).tobytes()),
        **found,
        "bytes": digest(data),
    }


def _tiff(path: Path) -> Record:
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        tags = {tag.name: tag.value for tag in page.tags if tag.name not in _LAYOUT}
        inner = page.tags.valueof("ExifTag", {})
        profile, xmp = (page.tags.valueof(code, b"") for code in (_PROFILE, _XMP))
        for name in ("InterColorProfile", "XMP"):
            tags.pop(name, None)
        told = repr(sorted((name, str(value)) for name, value in tags.items()))
        inside = repr(sorted((name, str(value)) for name, value in inner.items()))
        return {
            "pixels": page.asarray(),
            "icc": digest(bytes(profile)),
            "exif": digest((told + inside).encode()),
            "xmp": digest(bytes(xmp)),
        }


def _other(path: Path, data: bytes) -> Record:
    decoded = {
        ".png": imagecodecs.png_decode, ".avif": imagecodecs.avif_decode,
        ".jp2": imagecodecs.jpeg2k_decode,
    }  # fmt: skip
    with Image.open(path) as image:
        told = {key: image.info.get(key) for key in ("dpi", "jfif_density", "gamma", "srgb")}
        icc, exif = image.info.get("icc_profile") or b"", image.info.get("exif") or b""
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        pixels = decoded[path.suffix](data) if path.suffix in decoded else np.asarray(image)
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    beside = b"".join(_boxes(data)) if path.suffix == ".jp2" else b""
    return {
        "pixels": pixels,
        "icc": digest(icc),
        "exif": digest(exif),
        "xmp": digest(xmp),
        "told": digest(repr(told).encode() + beside),
    }


def _boxes(data: bytes) -> Iterator[bytes]:
    """The boxes of a JPEG 2000 file, but for the pixels': Pillow knows few of them."""
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        size = size or len(data) - at
        if name != b"jp2c":
            yield data[at : at + size]
        at += max(size, 8)
