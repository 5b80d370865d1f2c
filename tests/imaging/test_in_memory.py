"""Arrays and Pillow images become Pictures, and results come back in their form."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.in_memory import from_array, from_image, like, to_image, to_picture
from serpent_cli.imaging.picture import Picture


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_arrays_come_back_as_they_went_in(shape: tuple[int, ...], dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape)
    array = (values / 255).astype(dtype) if dtype == "float32" else values.astype(dtype)
    picture = to_picture(array)
    assert picture.pixels.shape == (5, 7, 3)
    assert picture.grey == (len(shape) == 2 or shape[2] < 3)
    assert (picture.alpha is not None) == (len(shape) == 3 and shape[2] in (2, 4))
    back = like(picture, array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4), bool), "bool"),
        (np.zeros((4, 4, 5), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "shape"),
        (np.zeros((4,), np.uint8), "shape"),
        (np.full((4, 4, 3), 255, np.float32), "outside 0 to 1"),
        (np.full((4, 4, 3), np.nan, np.float32), "outside 0 to 1"),
    ],
)
def test_what_is_no_picture(array: NDArray[np.generic], words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        from_array(array)
    assert caught.value.hint
    with pytest.raises(PictureError, match="a dict is not a picture"):
        to_picture({})


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "F"])
def test_images_are_read_as_their_files_would_be(mode: str, photo: NDArray[np.uint8]) -> None:
    if mode == "I;16":
        image = Image.fromarray(photo[..., 0].astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(photo[..., 0].astype(np.float32) / 255)
    else:
        image = Image.fromarray(photo).convert(mode)
    picture = from_image(image)
    assert (picture.height, picture.width) == photo.shape[:2]
    back = to_image(picture)
    assert back.size == image.size
    if mode in ("L", "LA", "RGB", "RGBA", "I;16", "F"):
        assert back.mode == mode
        np.testing.assert_array_equal(np.asarray(back), np.asarray(image))
    else:
        expected = np.asarray(image.convert("RGB"), np.int16)
        close = np.abs(np.asarray(back.convert("RGB"), np.int16) - expected)
        assert close.mean() < (12 if mode == "CMYK" else 0.01), "Pillow's own, without a profile"


def test_images_keep_what_comes_with_them_and_stand_upright(photo: NDArray[np.uint8]) -> None:
    image = Image.fromarray(photo)
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.info |= {"dpi": (300, 300)}
    picture = from_image(image)
    assert (picture.height, picture.width) == (photo.shape[1], photo.shape[0])
    back = like(picture, image)
    assert back.getexif().get(0x0112, 1) == 1
    assert back.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    np.testing.assert_array_equal(np.asarray(back), np.rot90(photo, -1))


def test_what_has_no_form(photo_file: Path) -> None:
    with pytest.raises(PictureError, match="mode LAB"):
        from_image(Image.new("LAB", (4, 4)))
    with pytest.raises(PictureError, match="no uint16 colour"):
        to_image(Picture(np.zeros((4, 4, 3), np.uint16)))
    picture = to_picture(photo_file)
    assert like(picture, photo_file) is picture
    assert to_picture(picture) is picture
