import io
import struct

import numpy as np
import pytest
from PIL import Image

from serpent_cli.imaging.cmyk import cmyk_to_srgb
from serpent_cli.imaging.read import read_picture


@pytest.fixture(scope="module")
def profile() -> bytes:
    """A CMYK profile in which only black ink counts: L* = 100 (1 - K), a* = b* = 0.

    Laid out by ICC.1:2001-04: header, four tags, and a lut8 with two grid points per ink.
    """
    identity = bytes(range(256))
    grid = b"".join(bytes([0 if k else 255, 128, 128]) for _ in range(8) for k in (0, 1))
    matrix = struct.pack(">9i", *(65536 if at % 4 == 0 else 0 for at in range(9)))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + identity * 4 + grid + identity * 3
    text = b"test\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0" + text, b"wtpt": white, b"A2B0": lut}
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I", at + len(body)) + b"lcms\2\x40\0\0prtrCMYKLab " + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D)
    return head.ljust(128, b"\0") + table + body


def grey_of_lightness(lightness: np.ndarray) -> np.ndarray:
    """CIE L* to sRGB, by the published formulas."""
    f = (lightness + 16) / 116
    luminance = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    curve = np.where(
        luminance > 0.0031308, 1.055 * luminance ** (1 / 2.4) - 0.055, 12.92 * luminance
    )
    return curve * 255


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_the_profile_of_the_picture_decides(profile, kind):
    inks = np.zeros((16, 256, 4), np.uint8)
    inks[..., 3] = np.arange(256)
    buffer = io.BytesIO()
    options = {"quality": 100} if kind == "JPEG" else {}
    Image.fromarray(inks, "CMYK").save(buffer, kind, icc_profile=profile, **options)
    picture = read_picture(buffer.getvalue())
    assert picture.warnings == ("CMYK was converted to sRGB through the picture's colour profile",)
    assert picture.icc is None
    expected = grey_of_lightness(100 * (1 - np.arange(256) / 255))
    error = np.abs(picture.pixels.astype(float) - expected[None, :, None])
    assert error.max() <= 4
    plain = read_picture(buffer.getvalue().replace(profile, bytes(len(profile))))
    assert np.abs(plain.pixels.astype(float) - expected[None, :, None]).max() > 6


def test_deep_inks_are_rounded_with_a_word():
    inks = np.zeros((2, 3, 4), np.uint16)
    inks[1, 1, 3] = 65535
    pixels, sentence = cmyk_to_srgb(inks, None)
    assert pixels.dtype == np.uint8
    assert (pixels[0, 0] == 255).all()
    assert (pixels[1, 1] == 0).all()
    assert sentence.endswith("with 8 bits per channel")
