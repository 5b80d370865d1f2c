"""JPEG 2000's channel definitions: which channel is what."""

import struct

import imagecodecs
import numpy as np
import pytest

from serpent_cli.imaging.read import read_picture, read_size

RGB, GREY, CMYK = 16, 17, 12


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def jp2(samples: np.ndarray, definitions: list[tuple[int, int, int]], space: int = RGB) -> bytes:
    """Lay out a JP2 by hand; no library writes all definitions."""
    options = {"level": 0, "reversible": True, "codecformat": "J2K", "mct": False}
    coded = bytes(imagecodecs.jpeg2k_encode(samples, **options))
    count, bits = samples.shape[2], samples.dtype.itemsize * 8 - 1
    head = box(b"ihdr", struct.pack(">IIH4B", *samples.shape[:2], count, bits, 7, 0, 0))
    head += box(b"colr", b"\1\0\0" + struct.pack(">I", space))
    body = b"".join(struct.pack(">3H", *each) for each in definitions)
    head += box(b"cdef", struct.pack(">H", len(definitions)) + body) if definitions else b""
    start = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return start + box(b"jp2h", head) + box(b"jp2c", coded)


@pytest.fixture(params=["uint8", "uint16"])
def scene(request, make_picture) -> tuple[np.ndarray, np.ndarray]:
    """Colours, and an alpha that is nowhere zero."""
    picture = make_picture(request.param, alpha=True)
    return picture.pixels[:40, :50].copy(), np.maximum(picture.alpha[:40, :50], 30)


def test_blue_may_come_first(scene):
    colours, _ = scene
    data = jp2(colours[..., ::-1].copy(), [(0, 0, 3), (1, 0, 2), (2, 0, 1)])
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, colours)
    assert (picture.alpha, picture.warnings) == (None, ())
    assert read_size(data) == (40, 50)


def test_alpha_may_come_first(scene):
    colours, alpha = scene
    samples = np.concatenate([alpha[..., None], colours], axis=2)
    picture = read_picture(jp2(samples, [(0, 1, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)]))
    np.testing.assert_array_equal(picture.pixels, colours)
    np.testing.assert_array_equal(picture.alpha, alpha)
    assert picture.warnings == ()


def test_premultiplied_colours_are_divided(scene):
    colours, alpha = scene
    top = np.iinfo(colours.dtype).max
    dark = np.rint(colours / top * alpha[..., None]).astype(colours.dtype)
    samples = np.concatenate([dark, alpha[..., None]], axis=2)
    picture = read_picture(jp2(samples, [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 2, 0)]))
    np.testing.assert_array_equal(picture.alpha, alpha)
    # Half a step of what was stored, as far as dividing stretches it.
    step = 0.5 * top / alpha[..., None] + 0.5
    assert (np.abs(picture.pixels.astype(float) - colours) <= step + 1e-6).all()


@pytest.mark.parametrize("first", [False, True])
def test_grey_with_alpha(scene, first):
    colours, alpha = scene
    pair = [alpha, colours[..., 0]] if first else [colours[..., 0], alpha]
    kinds = [(0, 1, 0), (1, 0, 1)] if first else [(0, 0, 1), (1, 1, 0)]
    picture = read_picture(jp2(np.stack(pair, 2), kinds, GREY))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 1], colours[..., 0])
    np.testing.assert_array_equal(picture.alpha, alpha)


def test_channels_of_no_meaning_are_left_out_with_a_word(scene):
    colours, alpha = scene
    samples = np.concatenate([colours, alpha[..., None]], axis=2)
    unspecified = [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 65535, 65535)]
    picture = read_picture(jp2(samples, unspecified))
    np.testing.assert_array_equal(picture.pixels, colours)
    assert picture.alpha is None
    (note,) = picture.warnings
    assert "1 extra channel" in note


def test_without_definitions_a_fourth_channel_is_alpha(scene):
    colours, alpha = scene
    picture = read_picture(jp2(np.concatenate([colours, alpha[..., None]], axis=2), []))
    np.testing.assert_array_equal(picture.alpha, alpha)


@pytest.mark.parametrize(
    "definitions",
    [
        [(0, 0, 1), (0, 0, 2), (2, 0, 3)],
        [(0, 0, 1), (1, 0, 1), (2, 0, 1)],
        [(7, 0, 1), (8, 0, 2), (9, 0, 3)],
        [(0, 1, 0), (1, 1, 0), (2, 1, 0)],
    ],
)
def test_definitions_that_contradict_themselves_are_said(scene, definitions):
    colours, _ = scene
    picture = read_picture(jp2(colours, definitions))
    np.testing.assert_array_equal(picture.pixels, colours)
    (note,) = picture.warnings
    assert "channel definitions" in note


def test_inks_with_alpha(scene):
    colours, alpha = scene
    inks = np.concatenate([colours, colours[..., :1], alpha[..., None]], axis=2)
    kinds = [(0, 0, 1), (1, 0, 2), (2, 0, 3), (3, 0, 4), (4, 1, 0)]
    picture = read_picture(jp2(inks, kinds, CMYK))
    assert picture.pixels.dtype == np.uint8
    deep = alpha.dtype == np.uint16
    expected = (alpha.astype(int) + 128) // 257 if deep else alpha
    np.testing.assert_array_equal(picture.alpha, expected)
