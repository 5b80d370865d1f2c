import io
import struct
import threading
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_layout, read_picture, read_size
from serpent_cli.imaging.write import write_picture

ORIENTATION = 0x0112


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(astronaut: np.ndarray, kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "Serpent"
    lossless = {"quality": 100} if kind in ("JPEG", "AVIF") else {}
    return saved(Image.fromarray(astronaut), kind, exif=exif, **lossless)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(astronaut, kind, orientation, tmp_path):
    data = turned(astronaut, kind, orientation)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, expected)
    assert read_size(data) == (picture.height, picture.width)
    # Written and read again, nothing turns a second time, and the rest of EXIF is there.
    path = tmp_path / "again.tif"
    write_picture(picture, path)
    again = read_picture(path)
    np.testing.assert_array_equal(again.pixels, expected)
    exif = Image.Exif()
    exif.load(again.exif)
    assert exif.get(ORIENTATION, 1) == 1
    assert exif[0x010F] == "Serpent"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_deep_pictures_turn_too(make_picture, tmp_path, orientation, suffix):
    picture = make_picture("uint16", alpha=True)
    path = tmp_path / f"a.{suffix}"
    if suffix == "png":
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        body = b"eXIf" + exif.tobytes()[6:]
        chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
        data = imagecodecs.png_encode(picture.channels())
        # After the pixels, where some programs put it.
        path.write_bytes(data[:-12] + chunk + data[-12:])
    else:
        tifffile.imwrite(
            path,
            picture.channels(),
            photometric="rgb",
            extrasamples=["unassalpha"],
            extratags=[(ORIENTATION, 3, 1, orientation, True)],
            metadata=None,
        )
    read = read_picture(path)
    for got, stored in ((read.pixels, picture.pixels), (read.alpha, picture.alpha)):
        # Pillow turns one 16-bit channel at a time; that is the oracle.
        stored = stored if stored.ndim == 3 else stored[..., None]
        for channel in range(stored.shape[2]):
            image = Image.fromarray(np.ascontiguousarray(stored[..., channel]))
            image.getexif()[ORIENTATION] = orientation
            expected = np.asarray(ImageOps.exif_transpose(image))
            np.testing.assert_array_equal(got.reshape(*got.shape[:2], -1)[..., channel], expected)
    assert read_size(path) == (read.height, read.width)


def test_paths_bytes_and_streams_read_alike(astronaut, tmp_path):
    data = saved(Image.fromarray(astronaut), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data), path.open("rb")):
        np.testing.assert_array_equal(read_picture(source).pixels, astronaut)
        if hasattr(source, "close"):
            source.close()


def test_the_content_counts_not_the_suffix(astronaut, tmp_path):
    path = tmp_path / "really_png.jpg"
    path.write_bytes(saved(Image.fromarray(astronaut), "PNG"))
    picture = read_picture(path)
    assert picture.format == "PNG"
    np.testing.assert_array_equal(picture.pixels, astronaut)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "PPM", "JPEG2000"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA"])
def test_every_mode_reads_as_pillow_shows_it(astronaut, camera, kind, mode):
    image = Image.fromarray(astronaut).convert(mode.removesuffix("A") if mode == "PA" else mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(camera))
    if mode == "PA":
        image.info["transparency"] = 3
    try:
        data = saved(image, kind)
    except OSError:
        pytest.skip("Pillow does not write this mode here")
    with Image.open(io.BytesIO(data)) as reopened:
        expected = np.asarray(reopened.convert("RGBA"))
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, expected[..., :3])
    alpha = picture.alpha if picture.alpha is not None else 255
    np.testing.assert_array_equal(np.broadcast_to(alpha, expected.shape[:2]), expected[..., 3])
    if mode in ("1", "L", "LA") and kind != "GIF":
        assert picture.grey
    if mode in ("RGB", "RGBA"):
        assert not picture.grey


def test_a_palette_of_greys_is_grey(camera):
    image = Image.fromarray(camera).convert("P")
    image.putpalette([level for grey in range(256) for level in (grey, grey, grey)])
    picture = read_picture(saved(image, "PNG"))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 1], camera)


def test_a_near_black_deep_picture_stays_deep(tmp_path):
    dark = np.random.default_rng(0).integers(0, 200, (20, 30, 3)).astype(np.uint16)
    for suffix, data in (("png", imagecodecs.png_encode(dark)), ("tif", None)):
        path = tmp_path / f"dark.{suffix}"
        if data:
            path.write_bytes(data)
        else:
            tifffile.imwrite(path, dark, photometric="rgb")
        picture = read_picture(path)
        assert picture.pixels.dtype == np.uint16
        np.testing.assert_array_equal(picture.pixels, dark)


def test_cmyk_without_profile_is_converted_with_a_word(astronaut):
    image = Image.fromarray(astronaut).convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        options = {"quality": 95} if kind == "JPEG" else {}
        data = saved(image, kind, **options)
        with Image.open(io.BytesIO(data)) as reopened:
            expected = np.asarray(reopened.convert("RGB"))
        picture = read_picture(data)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert any("CMYK" in note for note in picture.warnings)


def test_cmyk_with_a_broken_profile_falls_back(astronaut):
    image = Image.fromarray(astronaut).convert("CMYK")
    picture = read_picture(saved(image, "TIFF", icc_profile=b"not a profile" * 20))
    assert picture.icc is None
    assert any("plain formula" in note for note in picture.warnings)


def test_wide_gamut_pixels_stay_and_the_profile_comes_along(astronaut, tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(Image.fromarray(astronaut), "PNG", icc_profile=profile)
    picture = read_picture(data)
    assert picture.icc == profile
    np.testing.assert_array_equal(picture.pixels, astronaut)


def test_the_limit_holds_before_decoding_and_can_be_raised(tmp_path):
    for suffix in ("png", "tif", "jpg"):
        path = tmp_path / f"a.{suffix}"
        write_picture(Picture(np.zeros((100, 200, 3), np.uint8)), path)
        with pytest.raises(PictureError, match="limit") as caught:
            read_picture(path, max_pixels=19_999)
        assert "--max-pixels 20000" in caught.value.hint
        assert read_picture(path, max_pixels=20_000).width == 200


def test_a_large_picture_neither_warns_nor_changes_pillow(tmp_path):
    path = tmp_path / "wide.png"
    write_picture(Picture(np.zeros((2, 50, 3), np.uint8)), path)
    jpeg = saved(Image.new("L", (200, 200)), "JPEG")
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = 10
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_picture(path).width == 50
            with pytest.raises(PictureError, match="limit"):
                read_picture(jpeg, max_pixels=100)
    finally:
        Image.MAX_IMAGE_PIXELS = before


def test_threads_read_side_by_side(astronaut):
    sources = [saved(Image.fromarray(astronaut), kind) for kind in ("PNG", "TIFF", "BMP")] * 8
    filters = list(warnings.filters)
    good: list[bool] = []

    def read(data: bytes) -> None:
        good.append(bool((read_picture(data).pixels == astronaut).all()))

    threads = [threading.Thread(target=read, args=(data,)) for data in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert good == [True] * len(sources)
    assert warnings.filters == filters


def png_that_says(folder: Path, width: int, height: int) -> Path:
    """A PNG whose header lies about its size."""
    path = folder / "lying.png"
    Image.new("RGB", (1, 1)).save(path)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    return path


def test_sides_of_no_length_have_no_layout(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="damaged"):
        read_layout(png_that_says(tmp_path, 5, 0))


def test_the_layout_of_the_longest_sides_that_a_header_can_have(tmp_path: Path) -> None:
    """More samples than numpy can count; who reads the picture says that it is too large."""
    path = png_that_says(tmp_path, 2**31 - 1, 2**31 - 1)
    layout = read_layout(path)
    assert (layout.height, layout.width) == (2**31 - 1, 2**31 - 1)
    with pytest.raises(PictureError, match="is 4611686014132 megapixels, more than the limit"):
        read_picture(path)
