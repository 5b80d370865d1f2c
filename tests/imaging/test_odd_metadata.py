"""Odd metadata never keep a picture from being read; each is left out with a sentence at most."""

import io
import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging import bands, ifd
from serpent_cli.imaging.damage import CutOffError, DamageError, decoder, one_sentence
from serpent_cli.imaging.formats import jpeg, pillow, png
from serpent_cli.imaging.read import open_bands, read_layout, read_picture, read_size
from serpent_cli.imaging.write import write_picture


@pytest.fixture
def photo(astronaut) -> np.ndarray:
    return astronaut[:21, :34].copy()


def assert_read(data: bytes, pixels: np.ndarray, *, exact: bool = True) -> tuple[str, ...]:
    """Every way of reading gives the pixels; the warnings are returned."""
    picture = read_picture(data)
    if exact:
        np.testing.assert_array_equal(picture.pixels, pixels)
    assert read_size(data) == pixels.shape[:2]
    layout = read_layout(data)
    assert (layout.height, layout.width) == pixels.shape[:2]
    with open_bands(data) as reader:
        np.testing.assert_array_equal(reader.rows(0, len(pixels)).pixels, picture.pixels)
        assert reader.warnings == picture.warnings
    return picture.warnings


def chunk(kind: bytes, body: bytes, check: int | None = None) -> bytes:
    check = zlib.crc32(kind + body) if check is None else check
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


PNG_CHUNKS = {
    "pHYs too short": (chunk(b"pHYs", b"\0\0\1"), "pHYs"),
    "pHYs of zero": (chunk(b"pHYs", bytes(9)), None),
    "iCCP without a name's end": (chunk(b"iCCP", b"abc"), "profile"),
    "iCCP empty": (chunk(b"iCCP", b""), "profile"),
    "iCCP not packed": (chunk(b"iCCP", b"x\0\0not packed"), "profile"),
    "eXIf empty": (chunk(b"eXIf", b""), "EXIF"),
    "eXIf junk": (chunk(b"eXIf", b"junk"), "EXIF"),
    "eXIf with a wrong checksum": (chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0", 7), "eXIf"),
    "acTL too short": (chunk(b"acTL", b"\0\0"), None),
    "gAMA too long": (chunk(b"gAMA", bytes(9)), "gAMA"),
    "gAMA of zero": (chunk(b"gAMA", bytes(4)), None),
    "cHRM too short": (chunk(b"cHRM", bytes(5)), "cHRM"),
    "cHRM of zeros": (chunk(b"cHRM", bytes(32)), "cHRM"),
    "cICP empty": (chunk(b"cICP", b""), "cICP"),
    "text without a keyword's end": (chunk(b"tEXt", b"Title"), "Title"),
    "text that is empty": (chunk(b"iTXt", b""), "texts"),
    "XMP that is not packed": (chunk(b"zTXt", b"XML:com.adobe.xmp\0\0junk"), "XMP"),
    "XMP cut off": (chunk(b"iTXt", b"XML:com.adobe.xmp\0\0"), "XMP"),
    "EXIF in odd digits": (chunk(b"tEXt", b"Raw profile type exif\0\nexif\n4\nxyz"), "EXIF"),
    "a private chunk": (chunk(b"prVt", b"123"), "prVt"),
}


@pytest.mark.parametrize("name", PNG_CHUNKS)
def test_odd_chunks_of_a_png(photo, name):
    part, word = PNG_CHUNKS[name]
    data = bytes(imagecodecs.png_encode(photo))
    for at in (33, len(data) - 12):
        warnings = assert_read(data[:at] + part + data[at:], photo)
        assert len(warnings) == (word is not None), warnings
        assert all(str(word) in each for each in warnings)


CODES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "2I", 7: "s", 11: "f", 12: "d"}


def tiff(pixels: np.ndarray, *tags: tuple[int, int, Any]) -> bytes:
    """One strip, and tags (number, type, value or values) of any kind: no library writes such."""
    height, width = pixels.shape[:2]
    own = [(256, 4, width), (257, 4, height), (258, 3, (8, 8, 8)), (259, 3, 1), (262, 3, 2),
           (273, 4, 8), (277, 3, 3), (278, 4, height), (279, 4, pixels.size)]  # fmt: skip
    data = bytearray(b"II*\0" + bytes(4) + pixels.tobytes())
    table = b""
    for tag, kind, value in sorted([*own, *tags]):
        if isinstance(value, bytes):
            raw, count = value, len(value)
        else:
            values = value if isinstance(value, tuple) else (value,)
            raw = struct.pack("<" + CODES[kind] * (1 if kind == 5 else len(values)), *values)
            count = 1 if kind == 5 else len(values)
        table += struct.pack("<HHI", tag, kind, count)
        if len(raw) > 4:
            table += struct.pack("<I", len(data))
            data += raw + b"\0" * (len(raw) % 2)
        else:
            table += raw.ljust(4, b"\0")
    data += b"\0" * (len(data) % 2)
    data[4:8] = struct.pack("<I", len(data))
    return bytes(data + struct.pack("<H", len(table) // 12) + table + bytes(4))


TIFF_TAGS: dict[str, tuple[list[tuple[int, int, Any]], str | None]] = {
    "resolution as SHORT": ([(282, 3, 300), (283, 3, 300)], None),
    "resolution as FLOAT": ([(282, 11, 300.0), (283, 11, 300.0)], None),
    "resolution not a number": ([(282, 11, float("nan")), (283, 11, 300.0)], "resolution"),
    "resolution in ASCII": ([(282, 2, b"300\0"), (283, 2, b"300\0")], "resolution"),
    "resolution over zero": ([(282, 5, (3, 0)), (283, 5, (3, 0))], None),
    "one resolution only": ([(282, 5, (3, 1))], None),
    "resolution unit in ASCII": ([(296, 2, b"i\0"), (282, 3, 3), (283, 3, 3)], "resolution"),
    "resolution unit 9": ([(296, 3, 9), (282, 3, 3), (283, 3, 3)], None),
    "orientation as LONG": ([(274, 4, 1)], None),
    "orientation twice": ([(274, 3, (1, 1))], None),
    "orientation 0": ([(274, 3, 0)], None),
    "orientation in ASCII": ([(274, 2, b"1\0")], "orientation"),
    "orientation of no values": ([(274, 3, ())], "orientation"),
    "XMP as SBYTE": ([(700, 6, b"<x/>1")], None),
    "XMP as ASCII": ([(700, 2, b"<x/>\0")], None),
    "XMP as UNDEFINED": ([(700, 7, b"<x/>")], None),
    "XMP as SHORT": ([(700, 3, (700, 701))], "XMP"),
    "profile as BYTE": ([(34675, 1, b"some profile")], None),
    "profile as SHORT": ([(34675, 3, (1000, 2000))], "profile"),
    "EXIF pointer into nowhere": ([(34665, 4, 1 << 30)], None),
    "EXIF pointer to the start": ([(34665, 4, 0)], None),
    "EXIF pointer in ASCII": ([(34665, 2, b"no\0")], None),
    "GPS pointer in ASCII": ([(34853, 2, b"no\0")], None),
    "maker as LONG": ([(271, 4, 12345)], None),
    "date as RATIONAL": ([(306, 5, (1, 0))], None),
    "a subdirectory in nowhere": ([(330, 4, 1 << 30)], None),
    "a tag of an unknown type": ([(40000, 4, 1)], None),
}


def test_what_is_too_large_beside_a_tiffs_pixels_is_told(photo, monkeypatch):
    monkeypatch.setattr(ifd, "_MAX_VALUE_BYTES", 8)
    (warning,) = assert_read(tiff(photo, (700, 7, b"<x>123</x>")), photo)
    assert "XMP" in warning


@pytest.mark.parametrize("name", TIFF_TAGS)
def test_odd_tags_of_a_tiff(photo, name):
    tags, word = TIFF_TAGS[name]
    warnings = assert_read(tiff(photo, *tags), photo)
    assert len(warnings) == (word is not None), warnings
    assert all(str(word) in each for each in warnings)


@pytest.mark.parametrize(("kind", "value"), [(3, 300), (4, 300), (11, 300.0), (12, 300.0)])
def test_a_resolution_of_another_type_is_kept(photo, kind, value, tmp_path):
    data = tiff(photo, (282, kind, value), (283, kind, value), (296, 3, 2))
    picture = read_picture(data)
    assert picture.dpi == (300, 300)
    for suffix in ("png", "tif", "jpg", "jp2"):
        assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
        dpi = read_picture(tmp_path / f"a.{suffix}").dpi
        assert dpi == pytest.approx((300, 300), abs=0.02)


JPEG_SEGMENTS = {
    "EXIF that is empty": (b"\xe1", b"Exif\0\0", "EXIF"),
    "EXIF that is junk": (b"\xe1", b"Exif\0\0junkjunkjunk", "EXIF"),
    "EXIF without entries": (b"\xe1", b"Exif\0\0II*\0\xff\xff\0\0", "EXIF"),
    "XMP without text": (b"\xe1", b"http://ns.adobe.com/xap/1.0/\0", None),
    "a part of a profile": (b"\xe2", b"ICC_PROFILE\0\1\2abc", "profile"),
    "a profile of no parts": (b"\xe2", b"ICC_PROFILE\0\0\0", "profile"),
    "a table of pictures that is junk": (b"\xe2", b"MPF\0junk", None),
    "Photoshop cut off": (b"\xed", b"Photoshop 3.0\x008BIM\4", None),
    "an Adobe mark cut off": (b"\xee", b"Adobe\0", None),
    "JFIF cut off": (b"\xe0", b"JFIF\0", None),
}


@pytest.mark.parametrize("name", JPEG_SEGMENTS)
def test_odd_segments_of_a_jpeg(photo, name):
    marker, body, word = JPEG_SEGMENTS[name]
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    expected = read_picture(data).pixels
    part = b"\xff" + marker + struct.pack(">H", len(body) + 2) + body
    warnings = assert_read(data[:20] + part + data[20:], expected)
    assert all(str(word) in each for each in warnings), warnings
    assert len(warnings) == (word is not None), warnings


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


JP2_BOXES = {
    "a resolution cut off": (box(b"res ", box(b"resc", b"\0\1")), b"", None),
    "a resolution over zero": (box(b"res ", box(b"resc", bytes(10))), b"", None),
    "a colour of no method": (box(b"colr", b""), b"", None),
    "definitions cut off": (box(b"cdef", b"\0\3\0"), b"", None),
    "definitions of other channels": (
        box(b"cdef", struct.pack(">H3H", 1, 9, 0, 1)), b"", "definitions",
    ),
    "a box that is too long": (struct.pack(">I4s", 999, b"res "), b"", "header"),
    "a short uuid": (b"", box(b"uuid", b"abc"), "uuid"),
    "an EXIF box without EXIF": (b"", box(b"uuid", b"JpgTiffExif->JP2"), None),
    "junk behind": (b"", b"", "behind"),
}  # fmt: skip


@pytest.mark.parametrize("name", JP2_BOXES)
def test_odd_boxes_of_a_jpeg_2000(photo, name):
    inside, beside, word = JP2_BOXES[name]
    coded = bytes(imagecodecs.jpeg2k_encode(photo, level=0, reversible=True, codecformat="J2K"))
    head = box(b"ihdr", struct.pack(">IIH4B", *photo.shape[:2], 3, 7, 7, 0, 0)) + inside
    data = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", head)
    data += beside + box(b"jp2c", coded) + (b"\0\0\xff\0junk" if word == "behind" else b"")
    warnings = assert_read(data, photo)
    assert len(warnings) == (word is not None), warnings
    assert all(str(word) in each for each in warnings)


def test_odd_boxes_of_an_avif(photo):
    data = bytes(imagecodecs.avif_encode(photo, level=100, speed=9))
    assert assert_read(data + box(b"free", b"abc"), photo) == ()
    assert assert_read(data + struct.pack(">I4s", 999, b"skip") + b"abc", photo) == ()


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "GIF"])
def test_what_stands_behind_other_pictures_does_no_harm(photo, kind):
    buffer = io.BytesIO()
    image = Image.fromarray(photo[..., 0])
    image.save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    grey = np.repeat(photo[..., :1], 3, 2)
    warnings = assert_read(buffer.getvalue() + b"something", grey)
    assert len(warnings) == (kind == "WEBP"), warnings


def broken(*_: Any, **__: Any) -> Any:
    raise KeyError("a bug of ours")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (png, "gathered"),
        (png, "_bands"),
        (pillow, "_strips"),
        (jpeg, "read_segments"),
    ],
)
def test_our_own_bugs_show_as_bugs(photo, monkeypatch, module, name):
    kind = "PNG" if module is png else "JPEG"
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, kind)
    monkeypatch.setattr(module, name, broken)
    with pytest.raises(KeyError):
        read_picture(buffer.getvalue())


def test_bugs_show_by_bands_too(photo, monkeypatch, tmp_path):
    monkeypatch.setattr(bands, "split_channels", broken)
    monkeypatch.setattr(bands.BandReader, "_gather", broken)
    data = bytes(imagecodecs.png_encode(photo))
    with open_bands(data) as reader, pytest.raises(KeyError):
        reader.rows(0, 3)


def test_only_what_a_decoder_raises_is_damage():
    for error in (KeyError("x"), ValueError("x"), RuntimeError("x"), struct.error("x")):
        with pytest.raises(type(error)), one_sentence("a.png"):
            raise error
        with pytest.raises(PictureError, match="damaged"), one_sentence("a.png"), decoder():
            raise error
    with pytest.raises(CutOffError), decoder():
        raise EOFError("no more")
    with pytest.raises(DamageError), decoder():
        raise SyntaxError("not a picture")
    with pytest.raises(PictureError, match="No space"), one_sentence("a.png"), decoder():
        raise OSError(28, "No space left on device")
    with pytest.raises(PictureError, match="not enough memory"), one_sentence("a"), decoder():
        raise MemoryError
