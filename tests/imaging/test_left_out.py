"""What a file says beside EXIF and XMP is not kept, and that is said."""

import io
import struct
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from serpent_cli.imaging.read import read_picture


def written(photo: NDArray[np.uint8], kind: str, **options: Any) -> io.BytesIO:
    stream = io.BytesIO()
    Image.fromarray(photo[:16, :16]).save(stream, kind, **options)
    stream.seek(0)
    return stream


def texts(*pairs: tuple[str, str]) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for keyword, value in pairs:
        info.add_text(keyword, value)
    return info


def test_texts_of_a_png_are_named(photo: NDArray[np.uint8]) -> None:
    info = texts(("Title", "a cup"), ("Software", "a program"), ("date:create", "2026"))
    assert read_picture(written(photo, "PNG", pnginfo=info)).warnings == (
        "Its texts (Title) were left out",
    )
    many = texts(*((f"key{number}", "value") for number in range(9)))
    assert read_picture(written(photo, "PNG", pnginfo=many)).warnings == (
        "Its texts (key0, key1, key2...) were left out",
    )
    assert not read_picture(written(photo, "PNG", pnginfo=texts(("Software", "x")))).warnings


@pytest.mark.parametrize("what", ["comment", "IPTC"])
def test_comments_and_iptc_of_a_jpeg_are_named(photo: NDArray[np.uint8], what: str) -> None:
    if what == "comment":
        stream = written(photo, "JPEG", comment=b"taken in the morning")
    else:
        record = b"\x1c\x02\x05\x00\x05title"
        resource = b"8BIM" + struct.pack(">H2xI", 0x0404, len(record)) + record
        segment = b"Photoshop 3.0\0" + resource
        plain = written(photo, "JPEG").getvalue()
        marked = plain[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]
        stream = io.BytesIO(marked)
    (warning,) = read_picture(stream).warnings
    assert what in warning
    assert not read_picture(written(photo, "JPEG")).warnings


def test_iptc_of_a_tiff_is_named(photo: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    extra = [(33723, 7, 6, b"\x1c\x02\x05\x00\x01t", True)]
    tifffile.imwrite(stream, photo[:16, :16], photometric="rgb", extratags=extra, metadata=None)
    stream.seek(0)
    assert read_picture(stream).warnings == ("Its IPTC data were left out",)
