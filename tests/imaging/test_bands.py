"""Reading by bands gives the rows of the whole picture, whatever the file looks like inside."""

import io
import itertools
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.formats import png, tiff
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_layout, read_picture
from serpent_cli.imaging.write import write_picture

Make = Callable[..., Picture]
KINDS = list(itertools.product(("uint8", "uint16", "float32"), (False, True), (False, True)))
"""dtype, grey, with alpha."""


@pytest.fixture(autouse=True)
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many bands in small pictures."""
    for module in (png, tiff):
        monkeypatch.setattr(module, "_BAND_BYTES", 10_000)


def assert_rows_are_those_of_the_whole(path: Path, step: int = 37, more: int = 20) -> None:
    """Read overlapping bands and compare each with `read_picture`."""
    whole = read_picture(path)
    with open_bands(path) as reader:
        head = reader.head
        assert (head.height, head.width, head.grey) == (whole.height, whole.width, whole.grey)
        assert head.pixels.dtype == whole.pixels.dtype
        assert (head.alpha is None) == (whole.alpha is None)
        assert (head.icc, head.exif, head.xmp) == (whole.icc, whole.exif, whole.xmp)
        assert (head.dpi, head.format, head.quality) == (whole.dpi, whole.format, whole.quality)
        for start in range(0, whole.height, step):
            rows = slice(max(0, start - more), min(whole.height, start + step))
            band = reader.rows(rows.start, rows.stop)
            np.testing.assert_array_equal(band.pixels, whole.pixels[rows])
            if whole.alpha is not None:
                np.testing.assert_array_equal(band.alpha, whole.alpha[rows])
        assert reader.warnings == whole.warnings


def is_banded(path: Path) -> bool:
    with open_bands(path) as reader:
        return not reader.layout.whole


@pytest.mark.parametrize(("dtype", "grey", "alpha"), KINDS)
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_depth(
    dtype: str, grey: bool, alpha: bool, suffix: str, make_picture: Make, tmp_path: Path
) -> None:
    path = tmp_path / ("in" + suffix)
    write_picture(make_picture(dtype, grey=grey, alpha=alpha), path)
    assert is_banded(path)
    assert_rows_are_those_of_the_whole(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"rowsperstrip": 7, "compression": "lzw", "predictor": True},
        {"tile": (16, 32)},
        {"tile": (64, 48), "compression": "zlib"},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "rowsperstrip": 9, "compression": "packbits"},
        {"planarconfig": "separate", "tile": (32, 32), "compression": "zstd"},
        {"byteorder": ">"},
        {"byteorder": ">", "bigtiff": True, "compression": "zlib", "rowsperstrip": 5},
        {"compression": "jpeg", "rowsperstrip": 16, "photometric": "rgb"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_layout_of_a_tiff(
    options: dict[str, Any], dtype: str, make_picture: Make, tmp_path: Path
) -> None:
    if options.get("compression") == "jpeg" and dtype == "uint16":
        pytest.skip("JPEG has 8 bits")
    pixels = make_picture(dtype).pixels
    if options.get("planarconfig") == "separate":
        pixels = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, pixels, **({"photometric": "rgb"} | options))
    assert is_banded(path)
    assert_rows_are_those_of_the_whole(path)


def test_tiffs_that_need_more_than_copying(make_picture: Make, tmp_path: Path) -> None:
    pixels = make_picture("uint8").pixels
    inks = np.concatenate([255 - pixels, pixels[..., :1] // 4], axis=2)
    tifffile.imwrite(tmp_path / "cmyk.tif", inks, photometric="separated", rowsperstrip=11)
    tifffile.imwrite(
        tmp_path / "white.tif", pixels[..., 0], photometric="miniswhite", rowsperstrip=11
    )
    table = np.stack([np.arange(256, dtype=np.uint16) * 257] * 3)
    table[1] = table[1][::-1]
    tifffile.imwrite(
        tmp_path / "palette.tif", pixels[..., 0], photometric="palette", colormap=table,
        rowsperstrip=11,
    )  # fmt: skip
    veiled = np.concatenate([pixels // 2, pixels[..., :1]], axis=2)
    tifffile.imwrite(
        tmp_path / "premultiplied.tif", veiled, photometric="rgb", extrasamples=["assocalpha"]
    )
    tifffile.imwrite(
        tmp_path / "bits.tif", pixels[..., 0] > 99, photometric="minisblack", rowsperstrip=11
    )
    for name in ("cmyk", "white", "palette", "premultiplied", "bits"):
        path = tmp_path / f"{name}.tif"
        assert is_banded(path), name
        assert_rows_are_those_of_the_whole(path)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_outside_the_range_are_counted_over_all_bands(
    dtype: str, make_picture: Make, tmp_path: Path
) -> None:
    pixels = make_picture("float32").pixels.astype(dtype)
    pixels[3, 5], pixels[-2, 7, 0] = -0.5, 1.5
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=10)
    assert_rows_are_those_of_the_whole(path)
    assert any("4 float values" in sentence for sentence in read_picture(path).warnings)


def test_a_band_of_highlights_is_no_reason_to_refuse(tmp_path: Path) -> None:
    pixels = np.full((100, 30, 3), 0.5, np.float32)
    pixels[:20] = 3
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=10)
    assert_rows_are_those_of_the_whole(path)
    pixels[:60] = 3
    tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=10)
    with open_bands(path) as reader:
        reader.rows(0, 100)
        with pytest.raises(PictureError, match="most of its float values"):
            _ = reader.warnings


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_pictures_on_their_side_are_decoded_whole(
    orientation: int, suffix: str, make_picture: Make, tmp_path: Path
) -> None:
    path = tmp_path / ("in" + suffix)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(make_picture("uint8").pixels).save(path, exif=exif)
    assert not is_banded(path)
    assert_rows_are_those_of_the_whole(path)


def test_png_kinds_without_bands_are_decoded_whole(make_picture: Make, tmp_path: Path) -> None:
    image = Image.fromarray(make_picture("uint8").pixels)
    image.quantize(200).save(tmp_path / "palette.png")
    image.convert("1").save(tmp_path / "bits.png")
    image.save(tmp_path / "keyed.png", transparency=(1, 2, 3))
    for name in ("palette", "bits", "keyed"):
        path = tmp_path / f"{name}.png"
        assert not is_banded(path), name
        assert_rows_are_those_of_the_whole(path)


@pytest.mark.parametrize("filtering", range(5))
def test_every_filter_of_a_png_is_undone(
    filtering: int, make_picture: Make, tmp_path: Path
) -> None:
    """Filters of the specification by hand, as an oracle that is neither libpng nor ours."""
    pixels = make_picture("uint8").pixels
    raw = pixels.reshape(len(pixels), -1).astype(int)
    left, above = np.pad(raw, ((0, 0), (3, 0)))[:, :-3], np.pad(raw, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(raw, ((1, 0), (3, 0)))[:-1, :-3]
    guess = left + above - corner
    near = [np.abs(guess - each) for each in (left, above, corner)]
    choice = np.argmin(near, axis=0)
    paeth = np.choose(choice, [left, above, corner])
    predicted = [0 * raw, left, above, (left + above) // 2, paeth][filtering]
    rows = ((raw - predicted) % 256).astype(np.uint8)
    data = zlib.compress(np.pad(rows, ((0, 0), (1, 0)), constant_values=filtering).tobytes())
    split = [data[:1], data[1:500], b"", data[500:]]
    path = tmp_path / "in.png"
    path.write_bytes(
        png.SIGNATURE
        + png.header_chunk(*pixels.shape[:2], 8, 2)
        + b"".join(png.chunk(b"IDAT", part) for part in split)
        + png.chunk(b"IEND", b"")
    )
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), pixels, "the oracle is a PNG")
    with open_bands(path) as reader:
        np.testing.assert_array_equal(reader.rows(0, 40).pixels, pixels[:40])
        np.testing.assert_array_equal(reader.rows(40, 160).pixels, pixels[40:])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_going_back_begins_anew(suffix: str, make_picture: Make, tmp_path: Path) -> None:
    path = tmp_path / ("in" + suffix)
    picture = make_picture("uint16")
    write_picture(picture, path)
    with open_bands(path) as reader:
        for start, stop in ((100, 140), (0, 20), (159, 160), (0, 160)):
            np.testing.assert_array_equal(
                reader.rows(start, stop).pixels, picture.pixels[start:stop]
            )


def test_damage_is_one_sentence(make_picture: Make, tmp_path: Path) -> None:
    picture, path = make_picture("uint16"), tmp_path / "in.png"
    write_picture(picture, path)
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT") + 60_000
    data[at] ^= 0xFF
    path.write_bytes(data)
    with open_bands(path) as reader, pytest.raises(PictureError, match="damaged"):
        reader.rows(0, picture.height)


def test_a_png_with_too_few_rows_is_truncated(tmp_path: Path) -> None:
    rows = zlib.compress(bytes(31 * 10))
    path = tmp_path / "in.png"
    path.write_bytes(
        png.SIGNATURE
        + png.header_chunk(20, 10, 8, 2)
        + png.chunk(b"IDAT", rows)
        + png.chunk(b"IEND", b"")
    )
    with open_bands(path) as reader, pytest.raises(PictureError, match="truncated"):
        reader.rows(0, 20)


def test_cut_tiffs_are_refused(make_picture: Make, tmp_path: Path) -> None:
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, make_picture("uint8").pixels, photometric="rgb", rowsperstrip=8)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(PictureError, match="truncated"), open_bands(path) as reader:
        reader.rows(0, 160)


def test_the_limit_on_pixels_holds(make_picture: Make, tmp_path: Path) -> None:
    for suffix in (".png", ".tif", ".jpg"):
        path = tmp_path / ("in" + suffix)
        write_picture(make_picture("uint8"), path)
        opening = open_bands(path, max_pixels=1000)
        with pytest.raises(PictureError, match="more than the limit"), opening:
            pass


def test_bytes_and_streams_are_read_as_well(make_picture: Make, tmp_path: Path) -> None:
    path = tmp_path / "in.png"
    write_picture(make_picture("uint8"), path)
    data = path.read_bytes()
    for source in (data, io.BytesIO(data)):
        with open_bands(source) as reader:
            assert reader.rows(0, 160).pixels.shape == (160, 181, 3)


def test_layouts_tell_what_planning_needs(make_picture: Make, tmp_path: Path) -> None:
    for suffix, sample_bytes, channels, whole in (
        (".png", 2, 4, False), (".tif", 2, 4, False), (".jpg", 1, 3, True),
    ):  # fmt: skip
        path = tmp_path / ("in" + suffix)
        write_picture(make_picture("uint16", alpha=True), path)
        layout = read_layout(path)
        assert (layout.height, layout.width) == (160, 181)
        assert (layout.sample_bytes, layout.channels) == (sample_bytes, channels)
        assert layout.whole == whole


def test_only_rows_in_reach_are_held(tmp_path: Path) -> None:
    """A tall PNG, inflated from zeros: all of it would be 1.2 GB."""
    height, width = 400_000, 1000
    engine, row = zlib.compressobj(1), bytes(1 + 3 * width) * 1000
    data = b"".join(engine.compress(row) for _ in range(height // 1000)) + engine.flush()
    path = tmp_path / "in.png"
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        png.SIGNATURE
        + png.chunk(b"IHDR", head)
        + png.chunk(b"IDAT", data)
        + png.chunk(b"IEND", b"")
    )
    with open_bands(path) as reader:
        reader.rows(20_000, 20_001)
        held = sum(band.nbytes for band in reader._held)  # pyright: ignore[reportPrivateUsage]
    assert held <= 8 << 20
