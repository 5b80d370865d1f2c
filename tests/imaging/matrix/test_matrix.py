"""Every depth and colour in every format: read, written to each, opened by other decoders."""

import collections
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from serpent_cli.imaging.formats import WRITABLE, Format
from serpent_cli.imaging.read import read_picture, read_size
from serpent_cli.imaging.write import write_picture

BITS = {"PNG": 16, "JPEG": 8, "TIFF": 32, "WebP": 8, "AVIF": 12, "JPEG 2000": 16, "BMP": 8}
CARRIES = {"PNG": "icc exif xmp dpi", "JPEG": "icc exif xmp dpi", "TIFF": "icc exif xmp dpi"}
CARRIES |= {"WebP": "icc exif xmp", "AVIF": "icc exif xmp", "JPEG 2000": "icc exif xmp dpi"}
CARRIES |= {"BMP": "dpi"}
WORDS = {"icc": "colour profile", "exif": "EXIF", "xmp": "XMP", "dpi": "DPI", "alpha": "alpha"}
# Least PSNR of 8-bit colours; the alpha of both is checked too.
LOSSY = {"JPEG": 36, "WebP": 33, "AVIF": 36}
ORIENTATION, MAKE = 0x0112, 0x010F


def depth_of(samples: np.ndarray) -> int:
    return samples.dtype.itemsize * 8


def unit(samples: np.ndarray, bits: int) -> np.ndarray:
    return samples.astype(np.float64) / (1 if samples.dtype.kind == "f" else (1 << bits) - 1)


def expected_channels(shown: np.ndarray, colour: str) -> np.ndarray:
    """(H, W, C) as grey, grey+alpha, RGB or RGBA, whatever the decoder of the source made of it."""
    shown = shown[..., None] if shown.ndim == 2 else shown
    if colour == "grey":
        return shown[..., :1]
    if colour == "grey+alpha":
        return shown[..., [0, -1]]
    return shown


def decode(form: str, path: Path) -> np.ndarray:
    """Open with a decoder that is neither our reader nor the library that wrote the file."""
    data = path.read_bytes()
    if form == "JPEG 2000":
        # The bare codestream: with the boxes this decoder applies the profile.
        samples = imagecodecs.jpeg2k_decode(data[data.index(b"jp2c") + 4 :])
    elif form == "PNG":
        samples = decode_png(data)
    else:
        decoders: dict[str, Any] = {
            "JPEG": imagecodecs.jpeg8_decode,
            "TIFF": imagecodecs.tiff_decode,
            "WebP": imagecodecs.webp_decode,
            "AVIF": imagecodecs.avif_decode,
            "BMP": imagecodecs.bmp_decode,
        }
        samples = decoders[form](data)
    return samples[..., None] if samples.ndim == 2 else samples


def decode_png(data: bytes) -> np.ndarray:
    """Undo the row filters by hand, as the specification has it: no other decoder knows 16 bits."""
    chunks, at = collections.defaultdict(bytes), 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks[kind] += data[at + 8 : at + 8 + length]
        at += length + 12
    width, height, bits, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    step, previous = channels * bits // 8, bytes(width * channels * bits // 8)
    packed, rows = zlib.decompress(chunks[b"IDAT"]), []
    for start in range(0, len(packed), len(previous) + 1):
        row = bytearray(packed[start + 1 : start + 1 + len(previous)])
        for i in range(len(row)):
            left, up = (row[i - step] if i >= step else 0), previous[i]
            corner = previous[i - step] if i >= step else 0
            paeth = min(left, up, corner, key=lambda near: abs(left + up - corner - near))
            guess = (0, left, up, (left + up) // 2, paeth)[packed[start]]
            row[i] = (row[i] + guess) & 255
        rows.append(bytes(row))
        previous = rows[-1]
    samples = np.frombuffer(b"".join(rows), np.dtype(f">u{bits // 8}"))
    return samples.astype(f"u{bits // 8}").reshape(height, width, channels)


def found_metadata(form: str, path: Path) -> dict[str, Any]:
    """What other programs find beside the pixels."""
    if form == "JPEG 2000":
        data = path.read_bytes()
        profile = data.partition(b"colr\2\0\0")[2]
        exif = data.partition(b"uuidJpgTiffExif->JP2")[2]
        xmp = data.partition(bytes.fromhex("be7acfcb97a942e89c71999491e3afac"))[2]
        with Image.open(path) as image:
            dpi = image.info.get("dpi")
        parsed = Image.Exif()
        if exif:
            parsed.load(exif)
        ends = int.from_bytes(profile[:4], "big") if profile else 0
        return {"icc": profile[:ends], "exif": parsed, "xmp": xmp.split(b"\0")[0], "dpi": dpi}
    if form == "TIFF":
        with tifffile.TiffFile(path) as file:
            tags = {tag.code: tag.value for tag in file.pages.first.tags}
        dpi = tuple(tags[code][0] / tags[code][1] for code in (282, 283)) if 282 in tags else None
        dpi = dpi if tags.get(296) == 2 else None
        return {"icc": tags.get(34675), "exif": tags, "xmp": tags.get(700), "dpi": dpi}
    with Image.open(path) as image:
        image.load()
        info, exif = image.info, image.getexif()
    # Pillow makes up 72 DPI for a JPEG without any, and says 0 of a BMP.
    known = any(info.get("dpi", ())) and info.get("jfif_unit") != 0
    xmp = info.get("xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    dpi = info["dpi"] if known else None
    return {"icc": info.get("icc_profile"), "exif": exif, "xmp": xmp, "dpi": dpi}


def test_every_cell_is_tested_or_has_a_reason(cells):
    everything, possible, impossible = cells
    assert len(everything) == 7 * 3 * 6
    assert len(possible) + len(impossible) == len(everything)
    assert all(impossible.values())
    by_format = collections.Counter(form for form, *_ in possible)
    assert by_format == {
        "PNG": 9, "JPEG": 3, "TIFF": 17, "WebP": 3, "AVIF": 8, "JPEG 2000": 11, "BMP": 4,
    }  # fmt: skip


def test_read(cell, source):
    form, bits, colour = cell
    made = source(*cell)
    picture = read_picture(made.data)
    expected = expected_channels(made.shown, colour)
    # CMYK is brought to 8-bit sRGB; TIFF has palettes of 16-bit colours.
    deep = {"CMYK": 8, "palette": 16 if form == "TIFF" else 8}.get(colour, bits)
    assert depth_of(picture.pixels) == deep
    got = picture.channels().reshape(expected.shape)
    np.testing.assert_array_equal(got, expected)
    assert picture.format == form
    assert read_size(made.data) == expected.shape[:2]
    assert len(picture.warnings) == (colour == "CMYK")
    found = {key for key in ("icc", "exif", "xmp", "dpi") if getattr(picture, key) is not None}
    assert found == made.carries


@pytest.mark.parametrize("target", WRITABLE, ids=lambda target: target.name)
def test_write(cell, source, target: Format, tmp_path):
    form, _, colour = cell
    made = source(*cell)
    path = tmp_path / f"a{target.suffixes[0]}"
    picture = read_picture(made.data)
    notes = write_picture(picture, path)
    expected, lost = fitted(expected_channels(made.shown, colour), target.name)
    got = decode(target.name, path)
    assert got.shape == expected.shape
    bits = min(BITS[target.name], depth_of(expected))
    assert depth_of(got) == (16 if bits == 12 else bits)
    compare(got, expected, bits, target.name)
    kept = made.carries & set(CARRIES[target.name].split())
    found = found_metadata(target.name, path)
    assert_metadata(found, kept, picture.icc, grey=got.shape[2] < 3)
    # 300 across and 150 down, before a source that says so is turned by 90 degrees.
    dpi = (150, 300) if "exif" in made.carries else (300, 150)
    assert found["dpi"] == (pytest.approx(dpi, abs=0.02) if "dpi" in kept else None)
    if form == target.name == "AVIF" and depth_of(expected) == 16:
        lost.remove("12-bit")  # of its 16 bits the file had no more
    lost = [*lost, *(WORDS[key] for key in made.carries - kept)]
    assert len(notes) == len(lost)
    for word in lost:
        assert sum(word in note for note in notes) == 1, (word, notes)


def fitted(shown: np.ndarray, form: str) -> tuple[np.ndarray, list[str]]:
    """What a format shows of channels: fewer or more of them; and what it must say it loses."""
    lost = [f"{BITS[form]}-bit"] if depth_of(shown) > BITS[form] else []
    channels = shown.shape[2]
    if form == "JPEG" and channels in (2, 4):
        shown, lost = shown[..., :-1], [*lost, WORDS["alpha"]]
    if (form == "WebP" and channels < 3) or (form == "BMP" and channels == 2):
        colour = np.repeat(shown[..., :1], 3, 2)
        shown = np.concatenate([colour, shown[..., 1:]], 2)
    return shown, lost


def compare(got: np.ndarray, expected: np.ndarray, bits: int, form: str) -> None:
    have, want = unit(got, bits), unit(expected, depth_of(expected))
    if form not in LOSSY:
        # Half a step of the format's depth: exact where nothing had to be rounded.
        step = 0.0 if bits == depth_of(expected) else 0.5001 / ((1 << bits) - 1)
        assert np.abs(have - want).max() <= step
        return
    error = np.mean((have - want) ** 2)
    assert -10 * np.log10(max(error, 1e-12)) > LOSSY[form]


def assert_metadata(
    found: dict[str, Any], kept: set[str], icc: bytes | None, *, grey: bool
) -> None:
    assert bool(found["icc"]) == ("icc" in kept)
    if "icc" in kept and icc is not None:
        # The sources' profile is one for colour, in files of one channel too.
        assert found["icc"][16:20] == (b"GRAY" if grey else b"RGB ")
        assert (found["icc"] == icc) == (not grey)
    assert found["exif"].get(ORIENTATION, 1) == 1
    assert found["exif"].get(MAKE) == ("Serpent Optics" if "exif" in kept else None)
    xmp = bytes(found["xmp"] or b"").rstrip(b"\0")
    assert (b'tiff:Orientation="1">Serpent<' in xmp) == ("xmp" in kept)
    assert b'"6"' not in xmp
