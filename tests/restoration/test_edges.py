"""How wide edges are, and that nothing sharp is taken for blurred."""

import io

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from serpent_cli.restoration import edges
from serpent_cli.restoration.edges import BLURRED, edge_width

Photo = NDArray[np.uint8]
NAMES = ("astronaut", "chelsea", "coffee", "rocket")


def blurred(photo: Photo, sigma: float) -> Photo:
    soft: Photo = ndimage.gaussian_filter(photo, (sigma, sigma, 0), mode="mirror")  # pyright: ignore
    return soft


def noisy(photo: Photo, level: float) -> Photo:
    noise = np.random.default_rng(3).normal(0, level, photo.shape)
    return np.clip(photo + noise, 0, 255).round().astype(np.uint8)


def coded(photo: Photo, quality: int) -> Photo:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "jpeg", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(params=NAMES)
def photo(request: pytest.FixtureRequest) -> Photo:
    """A photograph at half its size, which makes it sharp."""
    whole = Image.fromarray(getattr(skimage.data, request.param)())
    return np.asarray(whole.resize((whole.width // 2, whole.height // 2), Image.Resampling.LANCZOS))


def test_sharp_photographs_are_not_blurred_whatever_came_upon_them(photo: Photo) -> None:
    for each in (photo, noisy(photo, 10), coded(photo, 20), coded(photo, 75)):
        width = edge_width(each)
        assert width is not None and width < BLURRED


def test_strong_blur_is_seen_through_noise_and_codecs(photo: Photo) -> None:
    for sigma in (3.0, 5.0):
        soft = blurred(photo, sigma)
        for each in (soft, noisy(soft, 5), coded(soft, 50)):
            width = edge_width(each)
            assert width is not None and width >= BLURRED


def test_an_edge_is_as_wide_as_it_is_made() -> None:
    """A step of height 1, blurred by a Gaussian, has the slope 1 / (sigma sqrt(2 pi))."""
    for sigma in (1.5, 2.0):
        step = np.repeat(np.arange(200)[None] >= 100, 120, 0).astype(np.float32)
        soft = ndimage.gaussian_filter1d(step, sigma, axis=1)
        width = edge_width(np.repeat(soft[..., None], 3, axis=2))
        # The measure smooths by 0.7 itself and takes slopes over two pixels, a box of variance 1/3;
        # the steepest pixels lie half a pixel from the edge.
        variance = sigma**2 + 0.7**2 + 1 / 3
        wanted = np.sqrt(2 * np.pi * variance) * np.exp(0.5**2 / (2 * variance))
        assert width == pytest.approx(wanted, rel=0.02)


def test_pictures_without_edges_say_nothing() -> None:
    flat = np.full((200, 300, 3), (0, 255, 0), np.uint8)
    sky = np.repeat(np.linspace(0.4, 0.6, 200, dtype=np.float32)[:, None], 300, 1)
    for each in (flat, np.repeat(sky[..., None], 3, 2), flat[:5, :5]):
        assert edge_width(each) is None


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_depth_and_bands_change_nothing(
    dtype: type, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 1 if dtype == np.float32 else 65535
    deep = (photo / 255 * most).astype(dtype)
    whole = edge_width(photo)
    assert edge_width(deep) == pytest.approx(whole, rel=0.01)
    monkeypatch.setattr(edges, "ROWS", 64)
    assert edge_width(photo) == pytest.approx(whole, rel=0.05)
