"""What was coded without loss is written so again; 100 is without loss wherever it can."""

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture


def webp(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def avif(pixels: np.ndarray, bits: int, level: int = 100) -> bytes:
    deep = pixels if bits == 8 else pixels.astype(np.uint16) << (bits - 8)
    return bytes(imagecodecs.avif_encode(deep, level=level, bitspersample=bits, speed=9))


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("extended", [False, True])
def test_a_lossless_webp_stays_lossless(astronaut, camera, tmp_path, alpha, extended):
    image = Image.fromarray(astronaut)
    if alpha:
        image.putalpha(Image.fromarray(camera))
    options = {"xmp": b"<x/>"} if extended else {}
    picture = read_picture(webp(image, lossless=True, exact=True, **options))
    assert picture.lossless
    assert write_picture(picture, tmp_path / "a.webp") == ()
    written = read_picture(tmp_path / "a.webp")
    assert b"VP8L" in (tmp_path / "a.webp").read_bytes()
    np.testing.assert_array_equal(written.channels(), np.asarray(image))


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_a_lossless_avif_stays_lossless(astronaut, tmp_path, bits):
    picture = read_picture(avif(astronaut, bits))
    assert picture.lossless
    assert write_picture(picture, tmp_path / "a.avif") == ()
    written = read_picture(tmp_path / "a.avif")
    np.testing.assert_array_equal(written.pixels, picture.pixels)
    assert written.lossless


@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_lossy_ones_stay_lossy(astronaut, tmp_path, suffix):
    data = webp(Image.fromarray(astronaut), quality=80)
    picture = read_picture(data if suffix == "webp" else avif(astronaut, 8, 80))
    assert not picture.lossless
    assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
    assert not read_picture(tmp_path / f"a.{suffix}").lossless


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("suffix", ["webp", "avif"])
def test_quality_100_is_without_loss(make_picture, tmp_path, suffix, grey):
    picture = make_picture("uint8", grey=grey, alpha=True)
    write_picture(picture, tmp_path / f"a.{suffix}", quality=100)
    written = read_picture(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(written.pixels, picture.pixels)
    np.testing.assert_array_equal(written.alpha, picture.alpha)
    write_picture(picture, tmp_path / f"b.{suffix}", quality=99)
    assert (read_picture(tmp_path / f"b.{suffix}").pixels != picture.pixels).any()


def test_a_loss_that_is_asked_for_is_said(astronaut, tmp_path):
    picture = read_picture(webp(Image.fromarray(astronaut), lossless=True))
    (note,) = write_picture(picture, tmp_path / "a.webp", quality=90)
    assert "coded without loss" in note


def test_a_lossless_jpeg_becomes_a_lossy_one_with_a_word(astronaut, tmp_path):
    data = bytes(imagecodecs.jpeg8_encode(astronaut, lossless=True))
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, astronaut)
    (note,) = write_picture(picture, tmp_path / "a.jpg")
    assert "coded without loss" in note
    assert write_picture(picture, tmp_path / "a.png") == ()
