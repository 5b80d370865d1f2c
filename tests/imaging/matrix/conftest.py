"""A file of every depth and colour in every format, made by other programs' code.

They lie on their side (EXIF orientation 6) wherever their format can say so, and carry a profile,
EXIF, XMP and a resolution wherever it can. A file of a kind that does not exist has a reason.
"""

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

FORMATS = ("PNG", "JPEG", "TIFF", "WebP", "AVIF", "JPEG 2000", "BMP")
DEPTHS = (8, 16, 32)
COLOURS = {"grey": 1, "grey+alpha": 2, "RGB": 3, "RGBA": 4, "palette": 1, "CMYK": 4}
Cell = tuple[str, int, str]
CELLS: list[Cell] = list(itertools.product(FORMATS, DEPTHS, COLOURS))
TYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}
TURNED = 6
ORIENTATION, MAKE = 0x0112, 0x010F
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><t tiff:Orientation="6">Serpent</t></x:xmpmeta>'
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
DPI = (300.0, 150.0)
EXIF_UUID, XMP_UUID = b"JpgTiffExif->JP2", bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def why_not(form: str, bits: int, colour: str) -> str | None:
    """Say why there is no file of this kind; None if there is."""
    if colour == "palette" and bits == 32:
        return "indices are integers"
    if form == "TIFF":
        return None
    if bits == 32:
        return f"{form} holds no floats"
    if bits == 16 and form in ("JPEG", "WebP", "BMP"):
        return f"{form} as everyone writes it holds 8 bits"
    if bits == 16 and colour == "palette":
        return "a palette of more than 256 colours exists in TIFF only"
    lacks = {
        "PNG": {"CMYK"},
        "JPEG": {"grey+alpha", "RGBA", "palette"},
        "WebP": {"grey+alpha", "palette", "CMYK"},
        "AVIF": {"palette", "CMYK"},
        "BMP": {"grey+alpha", "CMYK"},
    }
    if colour in lacks.get(form, ()):
        return f"{form} knows no {colour}"
    return None


POSSIBLE = [cell for cell in CELLS if why_not(*cell) is None]
IMPOSSIBLE = {cell: reason for cell in CELLS if (reason := why_not(*cell))}


@dataclass
class Source:
    """A file, and what it shows upright, as (H, W) or (H, W, C) of its own depth."""

    data: bytes
    shown: np.ndarray
    carries: set[str] = field(default_factory=set)


def exif_block() -> bytes:
    block = Image.Exif()
    block[ORIENTATION], block[MAKE] = TURNED, "Serpent Optics"
    return block.tobytes().removeprefix(b"Exif\0\0")


def stored_samples(bits: int, colour: str, astronaut: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Samples that use all their bits: a cut to 8 cannot hide."""
    planes = [astronaut[30:70, 60:113, index].astype(np.uint16) for index in range(3)]
    planes.append(camera[40:80, 50:103].astype(np.uint16))
    picked = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[COLOURS[colour]]
    deep = np.stack([planes[index] * 256 + planes[index][::-1] for index in picked], axis=2)
    values = {8: deep >> 8, 16: deep, 32: deep / np.float32(65535)}[bits].astype(TYPES[bits])
    return values[..., 0] if values.shape[2] == 1 else values


def upright(stored: np.ndarray) -> np.ndarray:
    """Turn as orientation 6 asks: by 90 degrees clockwise."""
    return np.ascontiguousarray(np.rot90(stored, -1))


def png(samples: np.ndarray) -> Source:
    chunks = {
        b"iCCP": b"icc\0\0" + zlib.compress(ICC),
        b"pHYs": struct.pack(">IIB", *(round(value / 0.0254) for value in DPI), 1),
        b"eXIf": exif_block(),
        b"iTXt": b"XML:com.adobe.xmp\0\0\0\0\0" + XMP,
    }
    data = imagecodecs.png_encode(samples)
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks.items()
    )
    return Source(data[:33] + extra + data[33:], upright(samples), {"icc", "exif", "xmp", "dpi"})


def pillow(form: str, image: Image.Image, **options: Any) -> Source:
    """Save with everything the format takes, and decode it with Pillow as the truth."""
    carried = {"JPEG": {"icc", "exif", "xmp", "dpi"}, "BMP": {"dpi"}, "PNG": {"dpi"}}
    carries = carried.get(form, {"icc", "exif", "xmp"})
    values = {"icc": ICC, "exif": exif_block(), "xmp": XMP, "dpi": DPI}
    names = {"icc": "icc_profile"}
    if image.mode == "CMYK":
        carries = carries - {"icc"}
    if form == "JPEG":
        values["exif"] = b"Exif\0\0" + values["exif"]
    options |= {names.get(key, key): values[key] for key in carries}
    buffer = io.BytesIO()
    image.save(buffer, {"WebP": "WEBP"}.get(form, form), **options)
    with Image.open(buffer) as reopened:
        shown = ImageOps.exif_transpose(reopened)
        if reopened.mode in ("CMYK", "P"):
            shown = shown.convert("RGB")
        return Source(buffer.getvalue(), np.asarray(shown), carries)


def tiff(samples: np.ndarray, colour: str, **layout: Any) -> Source:
    photometric = {"CMYK": "separated", "palette": "palette"}.get(
        colour, "minisblack" if colour.startswith("grey") else "rgb"
    )
    if colour == "palette":
        size = np.iinfo(samples.dtype).max + 1
        layout["colormap"] = smooth_palette(size).T.copy()
    carries = {"exif", "xmp", "dpi"} | (set() if colour == "CMYK" else {"icc"})
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        samples,
        photometric=photometric,
        planarconfig="contig" if samples.ndim == 3 else None,
        extrasamples=["unassalpha"] if "alpha" in colour or colour == "RGBA" else None,
        resolution=DPI,
        resolutionunit="inch",
        iccprofile=ICC if "icc" in carries else None,
        extratags=[
            (ORIENTATION, 3, 1, TURNED, True),
            (MAKE, 2, 15, "Serpent Optics", True),
            (700, 1, len(XMP), XMP, True),
        ],
        metadata=None,
        **layout,
    )
    shown = upright(samples)
    if colour == "palette":
        shown = layout["colormap"].T[shown]
    if colour == "CMYK":
        shown = inks_to_rgb(shown)
    return Source(stream.getvalue(), shown, carries)


def inks_to_rgb(inks: np.ndarray) -> np.ndarray:
    top = 1 if inks.dtype == np.float32 else np.iinfo(inks.dtype).max
    rounded = np.rint(inks / top * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(rounded, "CMYK").convert("RGB"))


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def jp2(samples: np.ndarray, colour: str) -> Source:
    """Lay out a JP2 by the standard's annex I around OpenJPEG's codestream."""
    stream = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, codecformat="J2K")
    count = 1 if samples.ndim == 2 else samples.shape[2]
    bits = samples.dtype.itemsize * 8 - 1
    head = box(b"ihdr", struct.pack(">IIH4B", *samples.shape[:2], count, bits, 7, 0, 0))
    shown, carries = upright(samples), {"exif", "xmp", "dpi"}
    if colour == "palette":
        table = (smooth_palette(256) >> 8).astype(np.uint8)
        head += box(b"colr", b"\1\0\0" + struct.pack(">I", 16))
        head += box(b"pclr", struct.pack(">HB", 256, 3) + b"\7\7\7" + table.tobytes())
        head += box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, index) for index in range(3)))
        shown = table[shown]
    elif colour == "CMYK":
        head += box(b"colr", b"\1\0\0" + struct.pack(">I", 12))
        shown = inks_to_rgb(shown)
    else:
        head += box(b"colr", b"\2\0\0" + ICC)
        carries = carries | {"icc"}
    metres = [round(value / 0.0254) for value in reversed(DPI)]
    head += box(b"res ", box(b"resc", struct.pack(">4H2b", metres[0], 1, metres[1], 1, 0, 0)))
    parts = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", head)
    parts += box(b"uuid", EXIF_UUID + exif_block()) + box(b"jp2c", bytes(stream))
    return Source(parts + box(b"uuid", XMP_UUID + XMP), shown, carries)


def smooth_palette(size: int) -> np.ndarray:
    """Colours of 16 bits, neighbours alike, so that lossy formats have something to keep."""
    ramp = np.linspace(0, 1, size)
    return np.rint(np.stack([ramp, ramp**1.2, ramp**1.5], 1) * 65535).astype(np.uint16)


def palette_image(samples: np.ndarray) -> Image.Image:
    image = Image.fromarray(samples, "P")
    image.putpalette((smooth_palette(256) >> 8).astype(np.uint8).tobytes())
    return image


def make_source(form: str, bits: int, colour: str, samples: np.ndarray) -> Source:
    if form == "TIFF":
        return tiff(samples, colour)
    if form == "JPEG 2000":
        return jp2(samples, colour)
    if form == "AVIF" and bits == 16:
        twelve = samples >> 4
        data = imagecodecs.avif_encode(twelve, level=100, bitspersample=12, speed=9)
        return Source(bytes(data), np.rint(twelve * (65535 / 4095)).astype(np.uint16))
    if colour == "palette":
        return pillow(form, palette_image(samples))
    if form == "PNG":
        return png(samples)
    if form == "BMP":
        data = bytearray(imagecodecs.bmp_encode(samples))
        struct.pack_into("<ii", data, 38, *(round(value / 0.0254) for value in DPI))
        return Source(bytes(data), samples, {"dpi"})
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WebP": {"lossless": True, "exact": True}}
    mode = {"grey": "L", "grey+alpha": "LA", "CMYK": "CMYK"}.get(colour, colour)
    return pillow(form, Image.fromarray(samples, mode), **options.get(form, {"quality": 90}))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "cell" in metafunc.fixturenames:
        names = ["-".join(map(str, cell)) for cell in POSSIBLE]
        metafunc.parametrize("cell", POSSIBLE, ids=names)


@pytest.fixture(scope="session")
def cells() -> tuple[list[Cell], list[Cell], dict[Cell, str]]:
    """All cells, those that exist, and why the others do not."""
    return CELLS, POSSIBLE, IMPOSSIBLE


@pytest.fixture(scope="session")
def source(astronaut, camera) -> Callable[..., Source]:
    made: dict[Cell, Source] = {}

    def make(form: str, bits: int, colour: str) -> Source:
        cell = (form, bits, colour)
        if cell not in made:
            made[cell] = make_source(*cell, stored_samples(bits, colour, astronaut, camera))
        return made[cell]

    return make
