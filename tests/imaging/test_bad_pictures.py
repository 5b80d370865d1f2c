"""Every bad input is one clear sentence with a way out, never a traceback or a half picture."""

import io
import os
import re
import struct
import time
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.encode import encode
from serpent_cli.imaging.formats import WRITABLE
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture, read_size

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def assert_refused(source, pattern: str) -> PictureError:
    with pytest.raises(PictureError) as caught:
        read_picture(source)
    assert re.search(pattern, caught.value.message), caught.value.message
    assert "\n" not in caught.value.message
    assert not caught.value.message.endswith(".")
    assert caught.value.hint
    with pytest.raises(PictureError, match=pattern):
        read_size(source)
    return caught.value


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def encoded(astronaut: np.ndarray) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for target in WRITABLE:
        stream = io.BytesIO()
        encode(Picture(astronaut[::3, ::3].copy()), target, stream)
        files[target.name] = stream.getvalue()
    small = Image.fromarray(astronaut[::3, ::3])
    files["GIF"] = saved(small, "GIF")
    files["PPM"] = saved(small, "PPM")
    files["progressive JPEG"] = saved(small, "JPEG", progressive=True)
    files["LZW TIFF"] = saved(small, "TIFF", compression="tiff_lzw")
    files["plain TIFF"] = saved(small, "TIFF")
    return files


FILES: dict[str, bytes] = {}


@pytest.fixture(scope="module", autouse=True)
def files(astronaut):
    FILES.update(encoded(astronaut))


KINDS = [each.name for each in WRITABLE]
KINDS += ["GIF", "PPM", "progressive JPEG", "LZW TIFF", "plain TIFF"]


def test_missing_file_and_folder(tmp_path):
    error = assert_refused(tmp_path / "none.png", "no such file")
    assert str(tmp_path / "none.png") in error.message
    assert_refused(tmp_path, "it is a folder")
    (tmp_path / "file").touch()
    assert_refused(tmp_path / "file" / "a.png", "Not a directory|no such file")
    assert_refused("nul\0byte.png", "null|no such file")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read")
def test_unreadable_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    path.chmod(0)
    assert_refused(path, "permission denied")


def test_empty_file(tmp_path):
    path = tmp_path / "a.png"
    path.touch()
    assert_refused(path, "the file is empty")


@pytest.mark.parametrize("data", [b"x", b"hello, world\n", b"\0" * 1000, b"P", b"RIFF", b"II*"])
def test_not_a_picture(data):
    error = assert_refused(data, "not a picture")
    assert "PNG" in error.hint


@pytest.mark.parametrize(
    ("data", "pattern", "way_out"),
    [
        (HEIC, "HEIC", "Convert"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0heic", "HEIC", "Convert"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "video", "frame"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw", "raw converter"),
        (b"II*\0\x10\0\0\0CR\2\0", "raw", "raw converter"),
        (b"FUJIFILMCCD-RAW 0201", "raw", "raw converter"),
        (b"IIU\0\x08\0\0\0", "raw", "raw converter"),
        (b"IIRO\x08\0\0\0", "raw", "raw converter"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", "Render"),
        (b"<?xml version='1.0'?>\n<svg/>", "SVG", "Render"),
        (b"%PDF-1.7\n", "PDF", "Convert"),
        (b"8BPS\0\1", "Photoshop", "Convert"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "Convert"),
        (b"\x76\x2f\x31\x01\2\0\0\0", "OpenEXR", "Convert"),
    ],
)
def test_known_but_unsupported_kinds_are_named(data, pattern, way_out):
    assert way_out in assert_refused(data, pattern).hint


def test_a_heic_in_disguise_is_still_named(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(HEIC)
    assert_refused(path, "HEIC")


def test_camera_files_in_tiff_clothes_are_told_by_suffix_or_tag(tmp_path):
    for suffix in ("nef", "ARW", "dng", "pef"):
        path = tmp_path / f"a.{suffix}"
        tifffile.imwrite(path, np.zeros((4, 4), np.uint16))
        assert_refused(path, "raw")
    tagged = tmp_path / "a.tif"
    tifffile.imwrite(
        tagged, np.zeros((4, 4), np.uint16), extratags=[(50706, 1, 4, b"\1\4\0\0", True)]
    )
    assert_refused(tagged, "raw")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations_are_refused(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match=r"animated \(3 frames\)") as caught:
        read_picture(data)
    assert "frames" in caught.value.hint


def test_further_pages_are_announced(tmp_path):
    path = tmp_path / "pages.tif"
    tifffile.imwrite(path, np.zeros((3, 5, 7, 3), np.uint8), photometric="rgb", metadata=None)
    picture = read_picture(path)
    assert picture.warnings == ("Only the first of 3 pages was read",)


def test_a_bomb_is_refused_by_its_header():
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    size = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="200000x200000 is 40000 megapixels") as caught:
        read_picture(bomb)
    assert "--max-pixels" in caught.value.hint
    assert read_size(bomb) == (200_000, 200_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_never_half_read(kind):
    data = FILES[kind]
    whole = read_picture(data)
    cuts = {int(share * len(data)) for share in np.linspace(0.001, 0.99, 12)}
    for cut in sorted(cuts | {len(data) - back for back in (1, 2, 12, 40)}):
        try:
            picture = read_picture(data[:cut])
        except PictureError as error:
            assert re.search("truncated|damaged|not a picture|empty", error.message)
        else:
            np.testing.assert_array_equal(picture.pixels, whole.pixels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM", "plain TIFF"])
def test_half_a_file_is_called_truncated(kind):
    with pytest.raises(PictureError, match="the file is truncated"):
        read_picture(FILES[kind][: len(FILES[kind]) // 2])


@settings(max_examples=150)
@given(
    kind=st.sampled_from(KINDS),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    head=st.booleans(),
)
def test_damage_never_escapes_as_anything_else(kind, flips, head):
    data = bytearray(FILES[kind])
    reach = min(len(data), 400) if head else len(data)
    for where, value in flips:
        data[min(reach - 1, int(where * reach))] = value
    try:
        read_size(bytes(data))
        read_picture(bytes(data), max_pixels=1_000_000)
    except PictureError as error:
        assert "\n" not in error.message


def test_nothing_reaches_stderr(capfd):
    damaged = bytearray(FILES["LZW TIFF"])
    damaged[-40:] = b"\xff" * 40
    for data in (bytes(damaged), FILES["PNG"][:-200], FILES["TIFF"][:300], FILES["JPEG"][:900]):
        with pytest.raises(PictureError):
            read_picture(data)
    odd = FILES["PNG"][:33] + b"\0\0\0\5iCCPx\0\0ab" + struct.pack(">I", zlib.crc32(b"iCCPx\0\0ab"))
    assert read_picture(odd + FILES["PNG"][33:]).icc is None
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.int32])
def test_integers_without_an_agreed_white_are_refused(tmp_path, dtype):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5), dtype))
    with pytest.raises(PictureError, match="no agreed value for white"):
        read_picture(path)


def test_colour_spaces_without_rgb_meaning_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((4, 5, 3), np.uint8), photometric="cielab")
    with pytest.raises(PictureError, match="colour space"):
        read_picture(path)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff_pages(count: int) -> bytes:
    """Tiny grey pages that all show the same pixels."""
    data = bytearray(b"II*\0" + struct.pack("<I", 24) + bytes(16))
    for index in range(count):
        values = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16}
        table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
        after = len(data) + 2 + len(table) + 4
        data += struct.pack("<H", len(values)) + table
        data += struct.pack("<I", after if index < count - 1 else 0)
    return bytes(data)


def test_what_takes_minutes_elsewhere_takes_seconds():
    """Small files, each found to cost one of the decoders a minute or gigabytes."""
    begun = time.perf_counter()
    assert read_picture(tiff_pages(20_000)).warnings == ("Only the first of 20000 pages was read",)
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(60 << 20)))
    png = FILES["PNG"]
    assert read_picture(png[:33] + text * 60 + png[33:]).exif is None
    jpeg = FILES["progressive JPEG"]
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    assert_refused_while_decoding(jpeg[:-2] + last * 5000 + jpeg[-2:], "scans")
    many = io.BytesIO()
    tifffile.imwrite(many, np.zeros((9, 9, 4000), np.uint8), photometric="minisblack",
                     planarconfig="contig", compression="zlib", metadata=None)  # fmt: skip
    assert_refused_while_decoding(many.getvalue(), "4000 bands")
    assert time.perf_counter() - begun < 20


def assert_refused_while_decoding(data: bytes, pattern: str) -> None:
    with pytest.raises(PictureError, match=pattern) as caught:
        read_picture(data)
    assert caught.value.hint
