import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serpent_cli.imaging.alpha import LOW_ALPHA, fill_transparent
from serpent_cli.imaging.picture import MAX_VALUES


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_opaque_and_empty_pictures_cost_nothing(make_picture, dtype):
    picture = make_picture(dtype, alpha=True)
    opaque = np.full_like(picture.alpha, MAX_VALUES[picture.pixels.dtype.name])
    assert fill_transparent(picture.pixels, opaque) is picture.pixels
    assert fill_transparent(picture.pixels, np.zeros_like(opaque)) is picture.pixels


@settings(max_examples=60)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    dtype=st.sampled_from(["uint8", "uint16", "float32"]),
    seed=st.integers(0, 99),
)
def test_visible_colours_are_exact_and_the_rest_is_between_them(height, width, dtype, seed):
    generator = np.random.default_rng(seed)
    top = MAX_VALUES[dtype]
    pixels = (generator.random((height, width, 3)) * top).astype(dtype)
    alpha = (generator.choice([0, 0, 0.5, 1], (height, width)) * top).astype(dtype)
    before = pixels.copy()
    filled = fill_transparent(pixels, alpha)
    np.testing.assert_array_equal(pixels, before)
    assert (filled.dtype, filled.shape) == (pixels.dtype, pixels.shape)
    visible = alpha > LOW_ALPHA * top
    np.testing.assert_array_equal(filled[visible], pixels[visible])
    if visible.any():
        slack = 1e-5 if dtype == "float32" else 0
        assert (filled >= pixels[visible].min(axis=0) - slack).all()
        assert (filled <= pixels[visible].max(axis=0) + slack).all()


def test_a_flat_colour_fills_everything():
    pixels = np.zeros((37, 53, 3), np.uint16)
    alpha = np.zeros((37, 53), np.uint16)
    pixels[20, 31], alpha[20, 31] = (60000, 500, 30000), 65535
    assert (fill_transparent(pixels, alpha) == pixels[20, 31]).all()


def test_no_dark_halo_grows_into_a_cut_out(astronaut):
    """Blur stands in for the network: black under transparency would darken the rim."""
    rows, columns = np.mgrid[: astronaut.shape[0], : astronaut.shape[1]]
    inside = (rows - 80) ** 2 + (columns - 90) ** 2 < 50**2
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    cut_out = np.where(inside[..., None], astronaut, 0).astype(np.uint8)

    def blur(pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.astype(float)
        for axis in (0, 1):
            pixels = sum(np.roll(pixels, shift, axis) for shift in range(-2, 3)) / 5
        return pixels

    rim = inside & (blur(np.repeat(inside[..., None], 3, 2) * 1.0)[..., 0] < 0.999)
    wanted = blur(astronaut)[rim]
    naive = np.abs(blur(cut_out)[rim] - wanted).mean()
    filled = np.abs(blur(fill_transparent(cut_out, alpha))[rim] - wanted).mean()
    assert filled < naive / 4


def test_bands_do_not_show(make_picture, monkeypatch):
    picture = make_picture("uint8", alpha=True)
    alpha = np.where(picture.alpha > 100, picture.alpha, 0).astype(np.uint8)
    whole = fill_transparent(picture.pixels, alpha)
    monkeypatch.setattr("serpent_cli.imaging.colour._BAND_SAMPLES", 2000)
    np.testing.assert_array_equal(fill_transparent(picture.pixels, alpha), whole)
