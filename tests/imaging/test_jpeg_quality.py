"""A JPEG comes out as it came in: the tables of other encoders' files are the oracle."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from serpent_cli.errors import UsageError
from serpent_cli.imaging.jpeg_quality import JpegQuality, estimate, standard_tables
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture


def jpeg(pixels: np.ndarray, mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("quality", range(1, 101))
def test_libjpeg_qualities_are_found_exactly(quality, subsampling):
    black = np.zeros((16, 16, 3), np.uint8)
    for mode in ("RGB", "L", "CMYK"):
        options = {"subsampling": subsampling} if mode == "RGB" else {}
        found = read_picture(jpeg(black, mode, quality=quality, **options)).quality
        assert found is not None
        assert found.quality == quality
        assert found.subsampling == (subsampling if mode == "RGB" else "4:4:4")


@pytest.mark.parametrize("quality", [1, 49, 50, 75, 95, 100])
def test_the_tables_are_those_of_libjpeg(quality):
    with Image.open(io.BytesIO(jpeg(np.zeros((8, 8, 3), np.uint8), quality=quality))) as image:
        for number, table in enumerate(standard_tables(quality)):
            assert image.quantization[number] == table.tolist()


def test_the_tables_are_those_of_the_standard():
    brightness, colour = standard_tables(50)  # as they are printed in T.81, annex K.1
    assert brightness.reshape(8, 8)[0].tolist() == [16, 11, 10, 16, 24, 40, 51, 61]
    assert brightness.reshape(8, 8)[:, 0].tolist() == [16, 12, 14, 14, 18, 24, 49, 72]
    assert colour.reshape(8, 8)[0].tolist() == [17, 18, 24, 47, 99, 99, 99, 99]
    assert [table.max() for table in standard_tables(100)] == [1, 1]
    assert [table[0] for table in standard_tables(1)] == [255, 255]
    assert [table[0] for table in standard_tables(25)] == [32, 34]


@pytest.mark.parametrize(("low", "high"), [("web_low", "web_high"), ("low", "maximum")])
def test_other_tables_get_a_quality_near_by(low, high):
    black = np.zeros((16, 16, 3), np.uint8)
    found = [read_picture(jpeg(black, quality=name)).quality for name in (low, high)]
    assert found[0].quality < found[1].quality
    # Steps of Photoshop's best table are 1 to 3: between the standard's at 90 and 99.
    assert 88 <= read_picture(jpeg(black, quality="maximum")).quality.quality <= 99


def test_a_table_that_is_missing_gives_no_quality():
    assert estimate({0: [1] * 64}, [(1, 1, 1, 3)]) is None
    assert estimate({0: [1] * 20}, [(1, 1, 1, 0)]) is None
    assert estimate({}, []) is None


def test_unusual_subsampling_is_written_with_more_colour():
    tables = {0: standard_tables(80)[0].tolist(), 1: standard_tables(80)[1].tolist()}
    layers = [(1, 4, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]
    assert estimate(tables, layers) == JpegQuality(80, "4:4:4")


@pytest.mark.parametrize(("quality", "subsampling"), [(60, "4:2:0"), (83, "4:2:2"), (97, "4:4:4")])
def test_a_jpeg_is_written_as_it_was_read(astronaut, tmp_path, quality, subsampling):
    data = jpeg(astronaut, quality=quality, subsampling=subsampling)
    write_picture(read_picture(data), tmp_path / "again.jpg")
    with Image.open(io.BytesIO(data)) as first, Image.open(tmp_path / "again.jpg") as second:
        assert first.quantization == second.quantization
        assert JpegImagePlugin.get_sampling(first) == JpegImagePlugin.get_sampling(second)


def test_other_sources_and_demands(astronaut, tmp_path):
    made = Picture(astronaut)
    assert made.quality is None
    write_picture(made, tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").quality == JpegQuality(95, "4:4:4")
    poor = read_picture(jpeg(astronaut, quality=30, subsampling="4:2:0"))
    write_picture(poor, tmp_path / "b.jpg", quality=88)
    assert read_picture(tmp_path / "b.jpg").quality == JpegQuality(88, "4:2:0")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
@pytest.mark.parametrize("grey", [False, True])
def test_a_lower_quality_makes_a_smaller_file(make_picture, tmp_path, suffix, dtype, grey):
    picture = make_picture(dtype, grey=grey)
    sizes = []
    for quality in (20, 60, 99):
        path = tmp_path / f"{quality}.{suffix}"
        write_picture(picture, path, quality=quality)
        sizes.append(path.stat().st_size)
    assert sizes == sorted(set(sizes))


@pytest.mark.parametrize("quality", [0, 101, -3])
def test_a_quality_that_is_none_is_refused_before_anything_is_written(astronaut, tmp_path, quality):
    with pytest.raises(UsageError, match=f"no quality {quality}") as caught:
        write_picture(Picture(astronaut), tmp_path / "a.jpg", quality=quality)
    assert "100" in caught.value.hint
    assert not list(tmp_path.iterdir())
