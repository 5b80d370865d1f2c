"""Writing by bands gives the picture that writing whole gives, and never half a file."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image, ImageCms

from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging.band_writer import BandWriter, written_by_bands
from serpent_cli.imaging.bands import resized
from serpent_cli.imaging.formats import piece_writer, png_write, tiff_write
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture

Make = Callable[..., Picture]
KINDS = list(itertools.product(("uint8", "uint16", "float32"), (False, True), (False, True)))


def described(picture: Picture, order: str = "<") -> Picture:
    """With all that can lie beside the pixels."""
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F], exif[0x0112] = "maker", 1
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return dataclasses.replace(
        picture, icc=profile, exif=exif.tobytes().removeprefix(b"Exif\0\0"), xmp=b"<x/>",
        dpi=(300, 150),
    )  # fmt: skip


def write_by_bands(picture: Picture, path: Path, step: int = 23) -> tuple[str, ...]:
    channels = picture.channels()
    channels = channels.reshape(picture.height, picture.width, -1)
    head = resized(picture, picture.height, picture.width)
    assert head.pixels.strides == (0, 0, 0), "a head takes no memory"
    with BandWriter(path, head) as writer:
        for top in range(0, picture.height, step):
            rows = channels[top : top + step].copy()
            writer.write(rows)
            rows[:] = 0  # what was given may be used again
    return writer.notes


@pytest.mark.parametrize(("dtype", "grey", "alpha"), KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_the_file_is_that_of_the_whole_picture(
    dtype: str, grey: bool, alpha: bool, suffix: str, make_picture: Make, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(png_write, "_PIECE_BYTES", 10_000)
    monkeypatch.setattr(tiff_write, "SIDE", 64)
    picture = described(make_picture(dtype, grey=grey, alpha=alpha))
    bands, whole = tmp_path / ("bands" + suffix), tmp_path / ("whole" + suffix)
    assert write_by_bands(picture, bands) == write_picture(picture, whole)
    assert bands.read_bytes() == whole.read_bytes()
    found, expected = read_picture(bands), read_picture(whole)
    for field in dataclasses.fields(Picture):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        elif field.name != "exif":
            assert a == b, field.name
    assert exif_values(found) == exif_values(expected)
    if suffix != ".jpg":
        assert exif_values(found)[0x9003] == "2020:01:02 03:04:05"


def exif_values(picture: Picture) -> dict[int, object]:
    """Tags of the block and of its directories; where their values lie is free."""
    exif = Image.Exif()
    exif.load(picture.exif or b"")
    values = (
        dict(exif)
        | dict(exif.get_ifd(0x8769))
        | {-tag: v for tag, v in exif.get_ifd(0x8825).items()}
    )
    return {tag: value for tag, value in values.items() if tag not in (0x0112, 0x8769, 0x8825)}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_other_programs_read_it(
    suffix: str, dtype: str, make_picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(png_write, "_PIECE_BYTES", 10_000)
    picture, path = make_picture(dtype, alpha=True), tmp_path / ("out" + suffix)
    write_by_bands(picture, path)
    reread = (
        imagecodecs.png_decode(path.read_bytes()) if suffix == ".png" else tifffile.imread(path)
    )
    np.testing.assert_array_equal(reread, picture.channels())
    if dtype == "uint8":
        with Image.open(path) as image:
            np.testing.assert_array_equal(np.asarray(image), picture.channels())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_large_file_is_a_bigtiff_with_its_exif(
    dtype: str, order: str, make_picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiff_write, "CLASSIC_LIMIT", 1000)
    picture, path = described(make_picture(dtype), order), tmp_path / "out.tif"
    assert write_by_bands(picture, path) == ()
    with tifffile.TiffFile(path) as file:
        assert file.is_bigtiff
        assert file.byteorder == order
        np.testing.assert_array_equal(file.asarray(), picture.pixels)
        assert file.pages.first.tags[34665].value["DateTimeOriginal"] == "2020:01:02 03:04:05"
    reread = read_picture(path)
    np.testing.assert_array_equal(reread.pixels, picture.pixels)
    assert exif_values(reread) == exif_values(picture)
    assert (reread.icc, reread.xmp, reread.dpi) == (picture.icc, picture.xmp, picture.dpi)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (256, 256), (257, 511)])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_size(size: tuple[int, int], suffix: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (*size, 3), np.uint16)
    write_by_bands(Picture(pixels), tmp_path / ("out" + suffix), step=100)
    np.testing.assert_array_equal(read_picture(tmp_path / ("out" + suffix)).pixels, pixels)


def test_sizes_stay_near_those_of_other_programs(tmp_path: Path) -> None:
    image = Image.fromarray(skimage.data.astronaut()).resize((768, 768), Image.Resampling.BICUBIC)
    picture = Picture(np.asarray(image))
    png, tif = tmp_path / "a.png", tmp_path / "a.tif"
    write_picture(picture, png)
    write_picture(picture, tif)
    usual = tmp_path / "b.tif"
    tifffile.imwrite(usual, picture.pixels, compression="zlib", predictor=True)
    assert png.stat().st_size < 1.1 * len(imagecodecs.png_encode(picture.pixels, level=6))
    assert tif.stat().st_size < 1.1 * usual.stat().st_size


def test_narrow_pictures_are_written_at_once(tmp_path: Path) -> None:
    # The encoder of PNG counts too few bytes for the filters of so many rows.
    pixels = np.random.default_rng(0).integers(0, 256, (9000, 1, 3), np.uint8)
    write_picture(Picture(pixels), tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, pixels)


def test_after_an_error_there_is_no_file(make_picture: Make, tmp_path: Path) -> None:
    picture = make_picture("uint8")
    head = resized(picture, 160, 181)
    for suffix in (".png", ".tif", ".jpg"):
        path = tmp_path / ("out" + suffix)
        with pytest.raises(KeyError), BandWriter(path, head) as writer:
            writer.write(picture.pixels[:80])
            raise KeyError
        with (
            pytest.raises(PictureError, match="only 80 of 160 rows"),
            BandWriter(path, head) as writer,
        ):
            writer.write(picture.pixels[:80])
    assert list(tmp_path.iterdir()) == []


def test_rows_that_do_not_fit_are_refused(make_picture: Make, tmp_path: Path) -> None:
    picture = make_picture("uint8")
    head = resized(picture, 160, 181)
    for wrong in (
        picture.pixels[:, 1:],
        picture.pixels[..., :1],
        np.tile(picture.pixels, (2, 1, 1)),
    ):
        with (
            pytest.raises(ValueError, match="do not fit"),
            BandWriter(tmp_path / "a.png", head) as w,
        ):
            w.write(wrong)


def test_an_existing_file_is_kept_without_force(make_picture: Make, tmp_path: Path) -> None:
    path, picture = tmp_path / "out.tif", make_picture("uint8")
    path.write_bytes(b"precious")
    head = resized(picture, 160, 181)
    with pytest.raises(PictureError, match="exists"), BandWriter(path, head):
        pass
    assert path.read_bytes() == b"precious"
    with BandWriter(path, head, force=True) as writer:
        writer.write(picture.pixels)
    np.testing.assert_array_equal(read_picture(path).pixels, picture.pixels)


def test_what_cannot_be_written_is_one_sentence(make_picture: Make, tmp_path: Path) -> None:
    head = resized(make_picture("uint8"), 10, 70_000)
    with (
        pytest.raises(PictureError, match="at most 65500 pixels per side"),
        BandWriter(tmp_path / "a.jpg", head),
    ):
        pass
    with (
        pytest.raises(PictureError, match="the folder does not exist"),
        BandWriter(tmp_path / "no/a.tif", head),
    ):
        pass
    with (
        pytest.raises(PictureError, match="at most 1000000 pixels"),
        BandWriter(tmp_path / "a.png", resized(head, 1, 1_000_001)),
    ):
        pass
    with pytest.raises(UsageError):
        BandWriter(tmp_path / "a.xyz", head)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(
    make_picture: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tiff_write.TiffRows, "_store", full)
    picture = make_picture("uint8")
    writing = BandWriter(tmp_path / "out.tif", resized(picture, 160, 181))
    with pytest.raises(PictureError, match="no space is left"), writing as writer:
        writer.write(picture.pixels)
    assert list(tmp_path.iterdir()) == []


def test_only_some_formats_have_bands() -> None:
    assert written_by_bands(Path("a.tif"))
    assert written_by_bands(Path("a.PNG"))
    assert not written_by_bands(Path("a.jpg"))


def test_results_come_in_order_and_wait_for_room() -> None:
    delivered, under_way = list[int](), list[int]()
    pool = piece_writer.InOrder[int](delivered.append, waiting=10)
    for number in range(40):
        pool.put(lambda number=number: number, 4)
        under_way.append(number + 1 - len(delivered))
    pool.finish()
    assert delivered == list(range(40))
    assert max(under_way) <= 2, "ten bytes are room for two"


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def fail() -> int:
        raise OSError(28, "full")

    pool = piece_writer.InOrder[int](lambda _: None, waiting=1000)
    with pytest.raises(OSError, match="full"):
        pool.put(fail, 1)
        pool.finish()
    pool.cancel()
