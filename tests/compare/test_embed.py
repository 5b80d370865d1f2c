from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from serpent_cli.compare.embed import THUMBNAIL, as_uint8, data_address, on_grid, thumbnail
from serpent_cli.compare.view import View
from serpent_cli.imaging.picture import Picture

Pixels = NDArray[np.uint8]
Open = Callable[[str], Image.Image]


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_lossless_copies_are_exact(
    sharp: Pixels, open_address: Open, grey: bool, alpha: bool
) -> None:
    pixels = np.repeat(sharp[..., :1], 3, 2) if grey else sharp
    picture = Picture(pixels, sharp[..., 2] if alpha else None, grey)
    image = open_address(data_address(picture, lossless=True))
    assert image.format == "PNG"
    assert np.array_equal(np.asarray(image), picture.channels())


def test_lossy_copies_keep_the_resolution_of_colour(sharp: Pixels, open_address: Open) -> None:
    image = open_address(data_address(Picture(sharp), lossless=False))
    assert image.format == "JPEG"
    assert image.layer[0][1:3] == image.layer[1][1:3] == (1, 1)  # pyright: ignore
    assert np.abs(np.asarray(image).astype(int) - sharp).mean() < 3


def test_transparency_is_never_lost(sharp: Pixels, open_address: Open) -> None:
    image = open_address(data_address(Picture(sharp, sharp[..., 0]), lossless=False))
    assert np.array_equal(np.asarray(image), np.dstack([sharp, sharp[..., 0]]))


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_deep_pictures_are_rounded_to_eight_bits(sharp: Pixels, dtype: str) -> None:
    deep = sharp / np.float32(255) if dtype == "float32" else sharp.astype(dtype) * np.uint16(257)
    shown = as_uint8(Picture(deep, deep[..., 0]))
    assert np.array_equal(shown.pixels, sharp)
    assert shown.alpha is not None
    assert np.array_equal(shown.alpha, sharp[..., 0])


@pytest.mark.parametrize("lossless", [True, False])
def test_the_profile_is_kept_and_the_place_is_not(
    sharp: Pixels, open_address: Open, lossless: bool
) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (48.0, 8.0, 0.0)}
    icc = profile()
    picture = Picture(sharp, icc=icc, exif=exif.tobytes()[6:], xmp=b"<x/>", dpi=(72, 72))
    image = open_address(data_address(as_uint8(picture), lossless=lossless))
    assert image.info["icc_profile"] == icc
    assert not image.getexif()
    assert "xmp" not in image.info


def test_enlarging_is_bicubic(sharp: Pixels) -> None:
    large = on_grid(Picture(sharp), View(600, 800))
    expected = Image.fromarray(sharp).resize((800, 600), Image.Resampling.BICUBIC)
    assert np.array_equal(large.pixels, np.asarray(expected))
    assert on_grid(large, View(600, 800)) is large


def test_no_colour_bleeds_out_of_transparent_parts() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:, 4:] = (255, 0, 0)
    alpha = np.zeros((8, 8), np.uint8)
    alpha[:, :4] = 255
    large = on_grid(Picture(pixels, alpha), View(32, 32))
    assert large.alpha is not None
    assert large.pixels[large.alpha > 8].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (300, 400)])
def test_thumbnails_are_small(size: tuple[int, int], open_address: Open) -> None:
    image = open_address(thumbnail(Picture(np.full((*size, 3), 77, np.uint8))))
    assert max(image.size) <= THUMBNAIL
    assert abs(int(np.asarray(image).mean()) - 77) <= 1
