"""Single facts beside the matrix: layouts, pages, animations, and what formats hide."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture, read_size
from serpent_cli.imaging.write import write_picture

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def frames() -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]


@pytest.mark.parametrize(
    ("kind", "suffix"), [("GIF", "gif"), ("PNG", "png"), ("WEBP", "webp"), ("AVIF", "avif")]
)
def test_each_kind_of_animation_is_refused_with_a_way_out(tmp_path, kind, suffix):
    first, *rest = frames()
    path = tmp_path / f"moving.{suffix}"
    path.write_bytes(saved(first, kind, save_all=True, append_images=rest))
    with pytest.raises(PictureError, match=r"it is animated \(3 frames\)") as caught:
        read_picture(path)
    assert str(path) in caught.value.message
    assert caught.value.hint == "Extract its frames as PNG files first"
    path.write_bytes(saved(first, kind))
    assert read_picture(path).warnings == ()


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_of_several_pages_the_first_is_read_and_the_rest_counted(
    make_picture, tmp_path, dtype, tiled
):
    pixels = make_picture(dtype).pixels
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as writer:
        options = {"photometric": "rgb", "metadata": None, "tile": (64, 48) if tiled else None}
        writer.write(pixels, compression="zlib", **options)
        # A reduced copy is no page of its own.
        writer.write(pixels[::2, ::2].copy(), subfiletype=1, **options)
        writer.write(pixels[::-1].copy(), **options)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.warnings == ("Only the first of 2 pages was read",)


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_keeps_its_bits(astronaut, bits):
    deep = astronaut.astype(np.uint16) << (bits - 8)
    data = imagecodecs.avif_encode(deep, level=100, bitspersample=bits, speed=9)
    picture = read_picture(bytes(data))
    top = (1 << bits) - 1
    np.testing.assert_array_equal(picture.pixels, np.rint(deep * (65535 / top)))
    assert picture.warnings == ()


def test_a_profile_inside_a_bmp_is_found(astronaut):
    plain = saved(Image.fromarray(astronaut), "BMP")
    header = bytearray(plain[14:54]).ljust(124, b"\0")
    header[:4] = struct.pack("<I", 124)
    header[56:60] = b"DEBM"
    pixels = plain[54:]
    struct.pack_into("<II", header, 112, 124 + len(pixels), len(ICC))
    start = b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(ICC), 0, 0, 138)
    picture = read_picture(start + bytes(header) + pixels + ICC)
    np.testing.assert_array_equal(picture.pixels, astronaut)
    assert picture.icc == ICC
    assert read_picture(plain).icc is None


def test_a_jpeg_2000_profile_stays_beside_the_pixels(make_picture, tmp_path):
    """OpenJPEG's reader would apply it to the pixels, which then have it twice."""
    picture = make_picture("uint16")
    write_picture(Picture(picture.pixels, icc=ICC), tmp_path / "a.jp2")
    read = read_picture(tmp_path / "a.jp2")
    np.testing.assert_array_equal(read.pixels, picture.pixels)
    assert read.icc == ICC


def test_a_bare_jpeg_2000_codestream_is_read(make_picture):
    for dtype in ("uint8", "uint16"):
        pixels = make_picture(dtype).pixels
        data = bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="J2K"))
        np.testing.assert_array_equal(read_picture(data).pixels, pixels)
        assert read_size(data) == pixels.shape[:2]


def test_a_jpeg_without_resolution_has_none(astronaut):
    exif = Image.Exif()
    exif[0x010F] = "Serpent"
    image = Image.fromarray(astronaut)
    assert read_picture(saved(image, "JPEG", exif=exif)).dpi is None
    exif[0x011A], exif[0x011B], exif[0x0128] = 118.0, 59.0, 3
    dpi = read_picture(saved(image, "JPEG", exif=exif)).dpi
    assert dpi == pytest.approx((118 * 2.54, 59 * 2.54))
    assert read_picture(saved(image, "JPEG", exif=exif, dpi=(72, 72))).dpi == (72, 72)


def test_a_resolution_that_exif_has_too_is_not_lost(astronaut, tmp_path):
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 300.0, 2
    picture = read_picture(saved(Image.fromarray(astronaut), "JPEG", exif=exif, dpi=(300, 300)))
    assert write_picture(picture, tmp_path / "a.webp") == ()
    assert read_picture(tmp_path / "a.webp").dpi == (300, 300)


def test_xmp_in_several_parts_is_announced(astronaut):
    data = saved(Image.fromarray(astronaut), "JPEG")
    body = b"http://ns.adobe.com/xmp/extension/\0" + b"x" * 100
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    assert read_picture(data[:2] + segment + data[2:]).warnings == (
        "The XMP beyond its first 64 kB was left out",
    )
