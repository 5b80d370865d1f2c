"""TIFF of many bands, against tifffile."""

import numpy as np
import pytest
import tifffile

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written
from serpent_cli.errors import PictureError
from serpent_cli.imaging.read import read_picture

SCALE, TIE = (10.0, 10.0, 0.0), (0.0, 0.0, 0.0, 500000.0, 5000000.0, 0.0)
KEYS = (1, 1, 0, 1, 1024, 0, 1, 1)
METADATA = "<GDALMetadata>" + "".join(
    f'<Item name="wavelength" sample="{band}">{0.4 + 0.01 * band:.2f}</Item>' for band in range(7)
) + '<Item name="wavelength_units">um</Item></GDALMetadata>'  # fmt: skip
TAGS = [
    (33550, "d", 3, SCALE, True), (33922, "d", 6, TIE, True), (34735, "H", 8, KEYS, True),
    (42112, "s", 0, METADATA, True), (42113, "s", 0, "65000", True),
]  # fmt: skip


def save(path, planes, layout, **more):
    stored = np.moveaxis(planes, 0, -1) if layout == "contig" else planes
    planar = None if layout == "pages" else layout
    tifffile.imwrite(
        path, stored, photometric="minisblack", planarconfig=planar, metadata=None, **more
    )


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", ["contig", "separate", "pages"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_bands_are_read_and_written_as_they_lie(dtype, layout, compression, planes, tmp_path):
    planes = planes.astype(dtype)
    save(tmp_path / "a.tif", planes, layout, compression=compression)
    cube = read_cube(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube.planes, planes)
    assert cube.planes.dtype == dtype
    assert cube.kept["layout"] == layout
    with written(tmp_path / "b.tif", cube) as made:
        made[:] = planes[::-1]
    with tifffile.TiffFile(tmp_path / "b.tif") as a, tifffile.TiffFile(tmp_path / "a.tif") as b:
        assert len(a.pages) == len(b.pages)
        assert a.pages[0].planarconfig == b.pages[0].planarconfig
        expected = np.moveaxis(planes, 0, -1) if layout == "contig" else planes
        stored = a.asarray()
        flip = (..., slice(None, None, -1)) if layout == "contig" else slice(None, None, -1)
        np.testing.assert_array_equal(stored, expected[flip])


def test_big_endian_samples_are_read(planes, tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", planes, photometric="minisblack", planarconfig="separate",
        byteorder=">", metadata=None,
    )  # fmt: skip
    cube = read_cube(tmp_path / "a.tif")
    np.testing.assert_array_equal(cube.planes, planes)
    with written(tmp_path / "b.tif", cube) as made:
        made[:] = planes
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), planes)


def test_georeference_wavelengths_and_no_data_are_kept(planes, tmp_path):
    save(tmp_path / "a.tif", planes, "contig", extratags=TAGS)
    cube = read_cube(tmp_path / "a.tif")
    assert cube.wavelengths == pytest.approx([400 + 10 * band for band in range(7)])
    assert cube.nodata == 65000
    with written(tmp_path / "b.tif", cube) as made:
        made[:] = planes
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        for code, _, _, value, _ in TAGS:
            assert tags[code].value == value
    assert read_cube(tmp_path / "b.tif").wavelengths == cube.wavelengths


def test_wavelengths_of_a_cube_made_in_memory_are_written(planes, tmp_path):
    cube = Cube(planes, wavelengths=tuple(range(500, 507)), nodata=-1.5)
    with written(tmp_path / "a.tif", cube) as made:
        made[:] = planes
    again = read_cube(tmp_path / "a.tif")
    assert again.wavelengths == cube.wavelengths
    assert again.nodata == -1.5


@pytest.mark.parametrize(
    ("channels", "photometric", "extra"),
    [
        (3, "rgb", []),
        (4, "rgb", ["unassalpha"]),
        (5, "rgb", ["unspecified"] * 2),
        (1, "minisblack", []),
        (2, "minisblack", ["unassalpha"]),
    ],
)
def test_a_photograph_is_no_cube(channels, photometric, extra, planes, tmp_path):
    stored = np.moveaxis(planes[:channels], 0, -1).squeeze()
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric=photometric, extrasamples=extra,
        planarconfig="contig" if channels > 1 else None, metadata=None,
    )  # fmt: skip
    with pytest.raises(PictureError, match=f"photograph with {channels} channel") as error:
        read_cube(tmp_path / "a.tif")
    assert "serpent deblur" in error.value.hint
    read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("layout", ["contig", "separate"])
@pytest.mark.parametrize("bands", [3, 4, 7])
def test_a_cube_is_no_photograph(bands, layout, planes, tmp_path):
    save(tmp_path / "a.tif", planes[:bands], layout)
    assert read_cube(tmp_path / "a.tif").shape == (bands, 16, 20)
    with pytest.raises(PictureError, match=f"a cube of {bands} bands, not a photograph") as error:
        read_picture(tmp_path / "a.tif")
    assert "serpent denoise" in error.value.hint


def test_damage_is_one_sentence(planes, tmp_path):
    save(tmp_path / "a.tif", planes, "contig")
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PictureError, match=r"cannot read .*a\.tif"):
        read_cube(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(b"nothing")
    with pytest.raises(PictureError, match=r"cannot read .*b\.tif"):
        read_cube(tmp_path / "b.tif")
