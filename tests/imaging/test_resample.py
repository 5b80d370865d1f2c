"""Another size: Pillow's own resize is the oracle for 8 bits, arithmetic for the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serpent_cli.imaging import resample as resample_module
from serpent_cli.imaging.picture import MAX_VALUES, Picture
from serpent_cli.imaging.resample import resample

SIZES = [(80, 90), (53, 181), (320, 362), (7, 5), (1, 1), (160, 400), (501, 33)]


def within(dtype: str) -> float:
    return {"uint8": 1.0, "uint16": 1.0, "float32": 1e-5}[dtype]


@pytest.mark.parametrize("size", SIZES)
def test_eight_bits_as_pillow_has_it(astronaut, size):
    height, width = size
    expected = np.asarray(
        Image.fromarray(astronaut).resize((width, height), Image.Resampling.LANCZOS)
    )
    got = resample(Picture(astronaut), height, width).pixels
    # Pillow rounds and clips between its two passes; we do so at the end.
    error = np.abs(got.astype(int) - expected)
    assert np.mean(error > 1) <= 0.02
    assert error.max() <= 8


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_bands_do_not_show(make_picture, monkeypatch, size, dtype):
    picture = make_picture(dtype, alpha=True)
    whole = resample(picture, *size)
    monkeypatch.setattr(resample_module, "_BAND_SAMPLES", 2000)
    banded = resample(picture, *size)
    for a, b in ((whole.pixels, banded.pixels), (whole.alpha, banded.alpha)):
        assert np.abs(a.astype(np.float64) - b).max() <= within(dtype)


@settings(max_examples=80)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    share=st.floats(0, 1, width=32),
    opacity=st.none() | st.floats(0, 1, width=32),
    grey=st.booleans(),
)
def test_a_flat_picture_stays_flat(shape, size, dtype, share, opacity, grey):
    top = MAX_VALUES[dtype]
    pixels = np.full((*shape, 3), share * top).astype(dtype)
    alpha = None if opacity is None else np.full(shape, opacity * top).astype(dtype)
    got = resample(Picture(pixels, alpha, grey), *size)
    slack = 2e-6 if dtype == "float32" else 0
    if opacity is None or alpha.flat[0] > top / 100:
        assert np.abs(got.pixels.astype(np.float64) - float(pixels.flat[0])).max() <= slack * 10
    if alpha is not None:
        assert np.abs(got.alpha.astype(np.float64) - float(alpha.flat[0])).max() <= slack


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_depth_channels_and_metadata_stay(make_picture, dtype, grey, alpha):
    made = make_picture(dtype, grey=grey, alpha=alpha)
    picture = Picture(made.pixels, made.alpha, grey, b"icc", b"exif", b"xmp", (300.0, 150.0), "PNG")
    got = resample(picture, 100, 57)
    assert (got.pixels.shape, got.pixels.dtype) == ((100, 57, 3), made.pixels.dtype)
    assert (got.alpha is None) == (not alpha)
    assert (got.icc, got.exif, got.xmp, got.dpi) == (b"icc", b"exif", b"xmp", (300.0, 150.0))
    if grey:
        assert (got.pixels == got.pixels[..., :1]).all()
    if dtype == "uint16":
        # All 16 bits are in use, not 8 of them stretched.
        assert np.unique(got.pixels % 257).size > 200


def test_the_same_size_is_the_same_picture(make_picture):
    picture = make_picture("uint16", alpha=True)
    assert resample(picture, picture.height, picture.width) is picture


@pytest.mark.parametrize("factor", [0.3, 2.7])
def test_hidden_colours_make_no_halo(factor):
    """Green under transparency, red where it shows: no green may come out."""
    alpha = np.zeros((60, 60), np.uint8)
    alpha[20:40, 20:40] = 255
    pixels = np.where(alpha[..., None] > 0, (200, 0, 0), (0, 255, 0)).astype(np.uint8)
    side = round(60 * factor)
    got = resample(Picture(pixels, alpha), side, side)
    seen = got.alpha > 8
    assert got.pixels[seen][:, 0].min() >= 190
    assert got.pixels[seen][:, 1].max() <= 10
    plain = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS))
    assert plain[seen][:, 1].max() > 50


def test_values_stay_in_range():
    edge = np.zeros((40, 40, 3), np.float32)
    edge[:, 20:] = 1
    got = resample(Picture(edge), 93, 93).pixels
    assert got.min() == 0
    assert got.max() == 1


def test_a_size_without_pixels_is_a_mistake(astronaut):
    with pytest.raises(ValueError, match="no pixels"):
        resample(Picture(astronaut), 0, 5)
