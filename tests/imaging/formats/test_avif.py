"""What the boxes of an AVIF say, and what is written into them."""

import io
import struct
from fractions import Fraction

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageOps

from serpent_cli.imaging import ifd
from serpent_cli.imaging.formats.avif_boxes import Facts
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_layout, read_picture, read_size
from serpent_cli.imaging.write import write_picture

MAKER_NOTE, ORIENTATION = 0x927C, 0x0112


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def find(data: bytes, kind: bytes) -> slice:
    """A box by its four letters, the first in the file."""
    at = data.index(kind) - 4
    return slice(at, at + struct.unpack_from(">I", data, at)[0])


def with_properties(data: bytes, *properties: bytes) -> bytes:
    """Add properties to the one item of a file of libavif's, by hand."""
    store, ties = data[find(data, b"ipco")], data[find(data, b"ipma")]
    count, at = 0, 8
    while at < len(store):
        count, at = count + 1, at + struct.unpack_from(">I", store, at)[0]
    listed = ties[19 : 19 + ties[18]]
    numbers = bytes(0x80 | (count + 1 + index) for index in range(len(properties)))
    grown = {
        b"ipco": box(b"ipco", store[8:] + b"".join(properties)),
        b"ipma": box(b"ipma", ties[8:18] + bytes([len(listed + numbers)]) + listed + numbers),
    }
    iprp = box(b"iprp", grown[b"ipco"] + grown[b"ipma"])
    meta, old = find(data, b"meta"), find(data, b"iprp")
    more = len(iprp) - (old.stop - old.start)
    body = bytearray(data[meta.start + 8 : old.start] + iprp + data[old.stop : meta.stop])
    place = body.index(b"iloc") + 4
    # version, sizes, count, item, (method,) reference, extents, offset
    offset = struct.unpack_from(">I", body, place + 14)[0]
    struct.pack_into(">I", body, place + 14, offset + more)
    return data[: meta.start] + box(b"meta", bytes(body)) + data[meta.stop :]


def clap(width: int, height: int, left: int, top: int, whole: tuple[int, int]) -> bytes:
    """The aperture that shows a rectangle: its centre counts from that of the picture."""
    x, y = 2 * left + width - whole[1], 2 * top + height - whole[0]
    return box(b"clap", struct.pack(">IIIIiIiI", width, 1, height, 1, x, 2, y, 2))


def encoded(pixels: np.ndarray, bits: int) -> bytes:
    deep = pixels.astype(np.uint16) << (bits - 8) if bits > 8 else pixels
    return bytes(imagecodecs.avif_encode(deep, level=100, bitspersample=bits, speed=9))


@pytest.mark.parametrize("bits", [8, 10])
def test_what_lies_outside_the_clean_aperture_is_not_shown(astronaut, bits):
    data = encoded(astronaut, bits)
    whole = read_picture(data)
    marked = with_properties(data, clap(100, 61, 20, 31, astronaut.shape[:2]))
    picture = read_picture(marked)
    np.testing.assert_array_equal(picture.pixels, whole.pixels[31:92, 20:120])
    assert picture.warnings == ()
    assert read_size(marked) == (61, 100)
    layout = read_layout(marked)
    assert (layout.height, layout.width) == (61, 100)


@pytest.mark.parametrize("bits", [8, 10])
def test_it_is_cut_before_it_is_turned(astronaut, bits):
    data = encoded(astronaut, bits)
    marked = with_properties(data, clap(100, 61, 20, 31, astronaut.shape[:2]), box(b"irot", b"\1"))
    expected = np.rot90(read_picture(data).pixels[31:92, 20:120])
    np.testing.assert_array_equal(read_picture(marked).pixels, expected)
    assert read_size(marked) == (100, 61)


def test_a_senseless_aperture_is_said(astronaut):
    data = encoded(astronaut, 8)
    odd = box(b"clap", struct.pack(">IIIIiIiI", 100, 3, 60, 1, 0, 1, 0, 1))
    far = clap(100, 61, 500, 31, astronaut.shape[:2])
    for aperture in (odd, far):
        picture = read_picture(with_properties(data, aperture))
        np.testing.assert_array_equal(picture.pixels, astronaut)
        (note,) = picture.warnings
        assert "clean aperture" in note
    zero = box(b"clap", bytes(32))
    assert read_picture(with_properties(data, zero)).warnings == ()


def test_the_rectangle_is_that_of_the_standard():
    """The example of libavif's tests: 96 x 72 with an aperture of 48 x 36 in the middle."""
    facts = Facts(aperture=(Fraction(48), Fraction(36), Fraction(0), Fraction(0)))
    assert facts.crop(72, 96) == (24, 18, 72, 54)


def block() -> bytes:
    """EXIF with a maker note and a thumbnail, which Pillow would drop."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = 1, "Serpent Optics"
    exif.get_ifd(0x8769)[MAKER_NOTE] = bytes(range(200))
    data = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    directory = ifd.read_first(ifd.fetch_from(data))
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 9), "teal").save(thumbnail, "JPEG")
    data += b"\0" * (len(data) % 2)
    second, start = len(data), len(data) + 2 + 24 + 4
    struct.pack_into(directory.order + "I", data, directory.next_position, second)
    data += struct.pack(
        directory.order + "HHHIIHHIII", 2, 0x0201, 4, 1, start, 0x0202, 4, 1,
        len(thumbnail.getvalue()), 0,
    )  # fmt: skip
    return bytes(data) + thumbnail.getvalue()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [False, True])
def test_exif_is_written_and_read_byte_for_byte(make_picture, tmp_path, dtype, alpha):
    made = make_picture(dtype, alpha=alpha)
    picture = Picture(made.pixels, made.alpha, exif=block())
    write_picture(picture, tmp_path / "a.avif")
    again = read_picture(tmp_path / "a.avif")
    assert again.exif == block()
    with Image.open(tmp_path / "a.avif") as image:
        assert image.info["exif"].removeprefix(b"Exif\0\0") == block()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "jp2"])
def test_so_it_is_in_the_other_formats(make_picture, tmp_path, suffix):
    picture = Picture(make_picture("uint8").pixels, exif=block())
    write_picture(picture, tmp_path / f"a.{suffix}")
    assert read_picture(tmp_path / f"a.{suffix}").exif == block()


def test_boxes_alone_turn_an_avif_and_exif_stays_whole(astronaut, tmp_path):
    """Pillow writes the block anew where the boxes say otherwise than EXIF."""
    exif = block().replace(
        struct.pack(">HHIHH", ORIENTATION, 3, 1, 1, 0),
        struct.pack(">HHIHH", ORIENTATION, 3, 1, 6, 0),
    )
    assert exif != block()
    write_picture(Picture(astronaut), tmp_path / "plain.avif", quality=100)
    write_picture(Picture(astronaut, exif=block()), tmp_path / "a.avif", quality=100)
    data = (tmp_path / "a.avif").read_bytes().replace(block(), exif)
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, astronaut)
    # The orientation is applied, and the thumbnail, which lies on its side, is no longer shown.
    expected = bytearray(block())
    directory = ifd.read_first(ifd.fetch_from(expected))
    struct.pack_into(directory.order + "I", expected, directory.next_position, 0)
    assert picture.exif == bytes(expected)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(image)), astronaut)


@pytest.mark.parametrize("bits", [10, 12])
def test_no_more_bits_are_lost_than_the_file_has(astronaut, tmp_path, bits):
    deep = astronaut.astype(np.uint16) << (bits - 8)
    data = bytes(imagecodecs.avif_encode(deep, level=90, bitspersample=bits, speed=9))
    picture = read_picture(data)
    assert write_picture(picture, tmp_path / "a.avif") == ()
    (note,) = write_picture(picture, tmp_path / "a.jpg")
    assert f"the {bits}-bit picture was rounded" in note
    (note,) = write_picture(Picture(picture.pixels), tmp_path / "b.avif")
    assert "the 16-bit picture was rounded" in note
