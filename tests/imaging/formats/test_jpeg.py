"""JPEG: a missing end mark, more than 8 bits, and ways of coding that nobody reads."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging import beside
from serpent_cli.imaging.formats import jpeg
from serpent_cli.imaging.read import read_layout, read_picture, read_size
from serpent_cli.imaging.write import write_picture


def saved(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **({"quality": 90} | options))
    return buffer.getvalue()


FORMS = {
    "plain": {},
    "full chroma": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "coarse": {"quality": 20},
    "fine": {"quality": 100, "subsampling": 0},
}


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_what_lacks_its_end_mark_alone_is_read(astronaut, camera, form, grey):
    data = saved(camera if grey else astronaut, **FORMS[form])
    whole = read_picture(data)
    for cut in (1, 2):
        picture = read_picture(data[:-cut])
        np.testing.assert_array_equal(picture.pixels, whole.pixels)
        assert picture.warnings == (*whole.warnings, beside.NO_END)
        assert picture.quality == whole.quality
        assert read_size(data[:-cut]) == whole.pixels.shape[:2]
    for cut in (3, 4, 5, 8, 30, len(data) // 2):
        try:
            picture = read_picture(data[:-cut])
        except PictureError as error:
            assert "truncated" in error.message or "damaged" in error.message
        else:  # what was cut was nothing but filling
            np.testing.assert_array_equal(picture.pixels, whole.pixels)


def test_a_missing_scan_is_missing(astronaut):
    """Cut between two scans of a progressive JPEG: nothing looks wrong but that it is coarse."""
    data = saved(astronaut, progressive=True)
    starts = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for at in starts[1:]:
        # The tables of a scan stand before it.
        for cut in (at, data.rindex(b"\xff\xc4", 0, at)):
            with pytest.raises(PictureError, match=r"truncated|damaged"):
                read_picture(data[:cut])


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_twelve_bits_are_read_as_sixteen(astronaut, camera, tmp_path, colour, lossless):
    deep = (astronaut if colour else camera).astype(np.uint16) * 16 + 5
    options = {"level": 98, "bitspersample": 12, "lossless": lossless}
    data = bytes(imagecodecs.jpeg8_encode(deep, **options))
    expected = imagecodecs.jpeg8_decode(data).astype(int)
    picture = read_picture(data)
    assert (picture.bits, picture.grey, picture.warnings) == (12, not colour, ())
    np.testing.assert_array_equal(picture.channels(), (expected * 65535 + 2047) // 4095)
    assert np.abs(expected - deep).mean() < (1 if lossless else 20)
    assert read_size(data) == deep.shape[:2]
    assert read_layout(data).sample_bytes == 2
    assert write_picture(picture, tmp_path / "a.avif") == ()
    notes = write_picture(picture, tmp_path / "a.jpg")
    assert any("12-bit" in note for note in notes)
    for cut in (1, 2):
        again = read_picture(data[:-cut])
        np.testing.assert_array_equal(again.pixels, picture.pixels)
        assert again.warnings == (beside.NO_END,)
    with pytest.raises(PictureError, match="truncated"):
        read_picture(data[: len(data) // 2])


def test_twelve_bits_keep_their_metadata(astronaut):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Serpent", 6
    plain = saved(astronaut, exif=exif, dpi=(300, 300), icc_profile=b"some profile" * 20)
    start = plain.index(b"\xff\xdb")
    deep = bytes(imagecodecs.jpeg8_encode(astronaut.astype(np.uint16) * 16, bitspersample=12))
    picture = read_picture(plain[:start] + deep[deep.index(b"\xff\xdb") :])
    assert picture.pixels.shape[:2] == astronaut.shape[1::-1]
    assert picture.dpi == (300, 300)
    assert picture.icc == b"some profile" * 20
    assert picture.exif is not None
    assert b"Serpent" in picture.exif
    assert picture.quality is not None


@pytest.mark.parametrize(
    ("marker", "said"), [(0xC5, "SOF5"), (0xCB, "SOF11"), (0xF7, "JPEG-LS is not supported")]
)
def test_rare_ways_of_coding_are_named(astronaut, marker, said):
    data = bytearray(saved(astronaut))
    data[data.index(b"\xff\xc0") + 1] = marker
    for read in (read_picture, read_size):
        with pytest.raises(PictureError, match=said) as caught:
            read(bytes(data))
        assert caught.value.hint


def test_four_deep_channels_are_named():
    four = jpeg.Jpeg(precision=12, ended=True, sent={name: [0] * 64 for name in range(4)})
    with pytest.raises(PictureError, match="12-bit JPEG with 4 channels is not supported"):
        jpeg.decode_deep(b"", four, "a.jpg")


def test_a_frame_after_the_first_scan_is_damage(astronaut):
    data = bytes(imagecodecs.jpeg8_encode(astronaut.astype(np.uint16) * 16, bitspersample=12))
    frame = data.index(b"\xff\xc1")
    end = frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    for moved in (data[:frame] + data[end:-2] + data[frame:end] + data[-2:], data[:frame]):
        with pytest.raises(PictureError, match=r"damaged|truncated"):
            read_picture(moved)
