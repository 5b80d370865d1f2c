import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.read import open_bands, read_picture, read_size


@pytest.fixture
def deep(make_picture) -> np.ndarray:
    return make_picture("uint16").pixels


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"compression": "lzw", "predictor": True},
        {"compression": "zstd"},
        {"tile": (32, 48), "compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"rowsperstrip": 7, "compression": "packbits"},
    ],
)
def test_every_layout_gives_the_same_pixels(deep, tmp_path, layout):
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", **layout)
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.pixels, deep)
    assert picture.warnings == ()
    assert read_size(tmp_path / "a.tif") == deep.shape[:2]


def test_separate_planes(deep, tmp_path):
    planes = np.ascontiguousarray(np.moveaxis(deep, 2, 0))
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, deep)


def test_white_is_zero(camera, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", camera, photometric="miniswhite")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 0], 255 - camera)


def test_bits_between_the_depths_are_stretched(tmp_path):
    twelve = np.random.default_rng(0).integers(0, 4096, (6, 10)).astype(np.uint16)
    bits = (twelve[..., None] >> np.arange(11, -1, -1)) & 1
    data = np.packbits(bits.reshape(6, -1).astype(np.uint8), axis=1).tobytes()
    tags = [(256, 10), (257, 6), (258, 12), (259, 1), (262, 1), (273, 126), (277, 1), (278, 6)]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    table += struct.pack("<HHII", 279, 4, 1, len(data))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", 9) + table
    (tmp_path / "a.tif").write_bytes(head.ljust(126, b"\0") + data)
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels[..., 0], np.rint(twelve * (65535 / 4095)))


def test_premultiplied_alpha_is_divided_out(make_picture, tmp_path):
    picture = make_picture("float32", alpha=True)
    stored = np.dstack([picture.pixels * picture.alpha[..., None], picture.alpha])
    stored[:5] = 0
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
    read = read_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(read.pixels[5:], picture.pixels[5:], atol=1e-6)
    np.testing.assert_array_equal(read.alpha[5:], picture.alpha[5:])
    assert (read.pixels[:5] == 0).all()


def test_channels_that_are_no_alpha_are_left_out_with_a_word(deep, tmp_path):
    stored = np.dstack([deep, deep[..., :2]])
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["unspecified"] * 2
    )
    picture = read_picture(tmp_path / "a.tif")
    assert picture.alpha is None
    assert picture.warnings == ("2 extra channel(s) beside the colours were left out",)
    np.testing.assert_array_equal(picture.pixels, deep)


def test_a_few_floats_out_of_range_are_clipped_with_a_word(make_picture, tmp_path):
    stored = make_picture("float32").pixels.copy()
    stored[0, :2] = 7
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.warnings == ("6 float values outside the range 0 to 1 were clipped",)
    np.testing.assert_array_equal(picture.pixels, np.clip(stored, 0, 1))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_become_float32(camera, tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", (camera / 255).astype(dtype))
    picture = read_picture(tmp_path / "a.tif")
    assert picture.pixels.dtype == np.float32
    assert len(picture.warnings) == (dtype == np.float64)
    np.testing.assert_allclose(picture.pixels[..., 0], camera / 255, atol=5e-4)


def test_floats_in_another_range_are_refused(astronaut, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", astronaut.astype(np.float32), photometric="rgb")
    with pytest.raises(PictureError, match="outside the range 0 to 1") as caught:
        read_picture(tmp_path / "a.tif")
    assert "Scale" in caught.value.hint


def test_floats_that_are_not_finite_are_refused(tmp_path):
    stored = np.full((4, 5, 3), 0.5, np.float32)
    stored[2, 2, 1] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb")
    with pytest.raises(PictureError, match="not finite"):
        read_picture(tmp_path / "a.tif")


def test_a_sparse_file_with_missing_strips_is_truncated(deep, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, deep, photometric="rgb", rowsperstrip=16)
    with tifffile.TiffFile(path, mode="r+") as file:
        tag = file.pages.first.tags[279]
        tag.overwrite([0, *tag.value[1:]])
    with pytest.raises(PictureError, match="truncated"):
        read_picture(path)


def by_bands(data: bytes):
    with open_bands(data) as reader:
        return reader.rows(0, reader.head.height)


@pytest.mark.parametrize("read", [read_picture, by_bands])
def test_a_strip_of_fewer_than_no_bytes_is_damage(deep, read):
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep, photometric="rgb", tile=(32, 48), compression="zlib")
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        tag = file.pages.first.tags["TileByteCounts"]
    data = bytearray(stream.getvalue())
    data[tag.offset + 2] = 9  # whole numbers with a sign
    data[tag.valueoffset : tag.valueoffset + 4] = struct.pack("<i", -7)
    with pytest.raises(PictureError, match=r"damaged|truncated"):
        read(bytes(data))


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_jpeg_inside_tiff_reads_as_pillow_shows_it(astronaut, mode):
    buffer = io.BytesIO()
    Image.fromarray(astronaut).convert(mode).save(buffer, "TIFF", compression="jpeg", quality=90)
    with Image.open(buffer) as image:
        expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(read_picture(buffer.getvalue()).pixels - expected).max() <= 3


@pytest.mark.parametrize("tag", [322, 323])
def test_tiles_without_rows_or_columns_are_damage(deep, tag):
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep, photometric="rgb", tile=(32, 48), compression="zlib")
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        place = file.pages.first.tags[tag].valueoffset
    data = bytearray(stream.getvalue())
    data[place : place + 2] = bytes(2)
    with pytest.raises(PictureError, match="damaged"):
        read_picture(bytes(data))


@pytest.mark.parametrize("number", [0, 3])
def test_planes_under_a_number_that_means_nothing_are_damage(deep, number):
    stream = io.BytesIO()
    planes = np.ascontiguousarray(np.moveaxis(deep, 2, 0))
    tifffile.imwrite(stream, planes, photometric="rgb", planarconfig="separate", tile=(16, 16))
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        place = file.pages.first.tags[284].valueoffset
    data = bytearray(stream.getvalue())
    np.testing.assert_array_equal(read_picture(bytes(data)).pixels, deep)
    data[place] = number
    # Before, the second plane and the third were whatever memory had held.
    with pytest.raises(PictureError, match="damaged"):
        read_picture(bytes(data))
    with pytest.raises(PictureError, match="damaged"), open_bands(bytes(data)):
        pass


@pytest.mark.parametrize("tile", [None, (32, 48)])
def test_differences_without_compression_begin_anew_in_each_row(deep, tile):
    width = tile[1] if tile else deep.shape[1]
    stored = deep.copy()
    for left in range(0, deep.shape[1], width):
        row = deep[:, left : left + width]
        stored[:, left + 1 : left + width] -= row[:, :-1]
    stream = io.BytesIO()
    tifffile.imwrite(stream, stored, photometric="rgb", metadata=None, tile=tile, software=False,
                     description="x" * 40)  # fmt: skip
    # The description gives way to the tag that says how the samples are to be read.
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as file:
        place = file.pages.first.tags[270].offset
    data = bytearray(stream.getvalue())
    data[place : place + 12] = struct.pack("<HHII", 317, 3, 1, 2)
    np.testing.assert_array_equal(read_picture(bytes(data)).pixels, deep)
