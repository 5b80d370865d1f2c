"""What lies behind or beside the main picture is named, and its XMP claims it no longer."""

import io
import re
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from serpent_cli.imaging import beside
from serpent_cli.imaging.formats.avif_boxes import read_facts
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture

MOTION = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description dc:title="kept"'
    b" GCamera:MotionPhoto=\"1\" GCamera:MotionPhotoVersion='1'"
    b' GCamera:MotionPhotoPresentationTimestampUs="8">'
    b"<Container:Directory><rdf:Seq><rdf:li rdf:parseType='Resource'>"
    b'<Container:Item Item:Semantic="MotionPhoto" Item:Length="99"/></rdf:li></rdf:Seq>'
    b"</Container:Directory><dc:subject>kept too</dc:subject>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
GAIN = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description hdrgm:Version="1.0"'
    b' dc:title="kept"><hdrgm:GainMapMax>2.0</hdrgm:GainMapMax><Container:Directory><rdf:Seq>'
    b'<Container:Item Item:Semantic="GainMap"/></rdf:Seq></Container:Directory>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
VIDEO = struct.pack(">I", 24) + b"ftypmp42" + bytes(12) + b"\0\0\0\x08moov"


def jpeg(pixels: np.ndarray, xmp: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    options = {} if xmp is None else {"xmp": xmp}
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def claims(xmp: bytes) -> list[bytes]:
    return re.findall(rb"MotionPhoto|MicroVideo|hdrgm|GainMap|Container|Item:", xmp)


@pytest.mark.parametrize(
    ("xmp", "tail", "said"),
    [
        (MOTION, VIDEO, beside.VIDEO),
        (MOTION, b"SEFH" + bytes(30) + VIDEO + b"SEFT", beside.VIDEO),
        (GAIN, b"JPEG", beside.GAIN_MAP),
    ],
)
def test_a_jpeg_with_more_behind_it(astronaut, tmp_path, xmp, tail, said):
    tail = jpeg(astronaut[::8, ::8].copy()) if tail == b"JPEG" else tail
    picture = read_picture(jpeg(astronaut, xmp) + tail)
    assert set(picture.warnings) == {said, beside.CLAIMS}
    assert write_picture(picture, tmp_path / "a.jpg") == ()
    again = read_picture(tmp_path / "a.jpg")
    assert again.warnings == ()
    assert again.xmp is not None
    assert claims(again.xmp) == []
    assert b'dc:title="kept"' in again.xmp
    assert (b"<dc:subject>kept too</dc:subject>" in again.xmp) == (xmp is MOTION)
    assert (tmp_path / "a.jpg").read_bytes().endswith(b"\xff\xd9")


def test_claims_go_whatever_their_form():
    for claim in (
        b'<a:B GCamera:MicroVideo="1" GCamera:MicroVideoOffset="7"/>',
        b"<GCamera:MotionPhoto>1</GCamera:MotionPhoto>",
        b"<MiCamera:MotionPhoto rdf:parseType='x'/>",
        b"<GContainer:Directory>\n<x/>\n</GContainer:Directory>",
        b"<hdrgm:GainMapMin><rdf:Seq><rdf:li>0</rdf:li></rdf:Seq></hdrgm:GainMapMin>",
    ):
        assert claims(beside.without_claims(claim)) == [], claim
    plain = b'<a:B dc:format="image/jpeg" Iptc4xmpCore:Location="a"><c:D/></a:B>'
    assert beside.without_claims(plain) == plain


def test_claims_stay_where_nothing_was_left_out(astronaut):
    for data in (jpeg(astronaut, GAIN), jpeg(astronaut, MOTION)):
        picture = read_picture(data)
        assert picture.warnings == ()
        assert picture.xmp in (GAIN, MOTION)


def test_xmp_in_packed_text_of_a_png_is_kept(astronaut):
    data = bytes(imagecodecs.png_encode(astronaut))
    digits = f"\nxmp\n{len(GAIN):8d}\n{GAIN.hex()}\n".encode()
    for kind, body in (
        (b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(GAIN)),
        (b"tEXt", b"XML:com.adobe.xmp\0" + GAIN),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0x\0" + zlib.compress(GAIN)),
        (b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(digits)),
    ):
        part = struct.pack(">I", len(body)) + kind + body
        part += struct.pack(">I", zlib.crc32(kind + body))
        picture = read_picture(data[:33] + part + data[33:])
        assert (picture.xmp, picture.warnings) == (GAIN, ())


def test_other_pictures_and_other_bytes_are_named(astronaut):
    small = jpeg(astronaut[::8, ::8].copy())
    assert read_picture(jpeg(astronaut) + small).warnings == (beside.OTHER_PICTURES,)
    (note,) = read_picture(jpeg(astronaut) + b"secret").warnings
    assert note == "6 bytes behind the picture were left out"
    assert read_picture(jpeg(astronaut) + bytes(4000)).warnings == ()
    buffer = io.BytesIO()
    first, second = (Image.fromarray(each) for each in (astronaut, astronaut[::2].copy()))
    first.save(buffer, "MPO", save_all=True, append_images=[second])
    assert read_picture(buffer.getvalue()).warnings == (beside.OTHER_PICTURES,)


def test_what_stands_behind_png_and_webp_is_named_too(astronaut):
    png = bytes(imagecodecs.png_encode(astronaut))
    assert read_picture(png + VIDEO).warnings == (beside.VIDEO,)
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "WEBP", lossless=True)
    assert read_picture(buffer.getvalue() + VIDEO).warnings == (beside.VIDEO,)


def test_a_thumbnail_in_exif_is_not_behind(astronaut):
    exif = Image.Exif()
    exif[0x010F] = "Serpent"
    block = exif.tobytes() + jpeg(astronaut[::8, ::8].copy())
    buffer = io.BytesIO()
    Image.fromarray(astronaut).save(buffer, "JPEG", exif=block)
    assert read_picture(buffer.getvalue()).warnings == ()


def test_an_avif_with_a_video(astronaut):
    data = bytes(imagecodecs.avif_encode(astronaut, level=90, speed=9))
    assert read_facts(io.BytesIO(data)).notes == []
    video = struct.pack(">I4s", 8 + len(VIDEO), b"mpvd") + VIDEO
    assert read_picture(data + video).warnings == (beside.VIDEO,)
