"""Cubes by their names: every format to every other, photographs refused, nothing half done."""

import numpy as np
import pytest

from serpent_cli.cubes import cube as cubes
from serpent_cli.cubes.cube import GROUP, Cube, cast, groups, release
from serpent_cli.cubes.files import lost_between, read_cube, written
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging.read import read_picture

NAMES = ("a.tif", "a.hdr", "a.npy", "a.mat")
NANOMETRES = tuple(400.0 + 10 * band for band in range(7))


@pytest.mark.parametrize("to", NAMES)
@pytest.mark.parametrize("start", NAMES)
def test_every_format_becomes_every_other(start, to, planes, tmp_path):
    made = Cube(planes, wavelengths=NANOMETRES, nodata=9)
    with written(tmp_path / start, made) as out:
        out[:] = planes
    cube = read_cube(tmp_path / start)
    with written(tmp_path / f"to_{to}", cube) as out:
        out[:] = cube.planes
    again = read_cube(tmp_path / f"to_{to}")
    np.testing.assert_array_equal(again.planes, planes)
    assert again.planes.dtype == planes.dtype
    if ".npy" not in (start[1:], to[1:]):
        assert again.wavelengths == NANOMETRES
    if {start[1:], to[1:]} <= {".tif", ".hdr"}:
        assert again.nodata == 9
    assert not list(tmp_path.glob(".*"))


def test_what_a_format_does_not_keep_is_said(planes, tmp_path):
    fields = {"map info": "{UTM}"}
    cube = Cube(planes, "ENVI", NANOMETRES, 5, {"fields": fields})
    assert lost_between(cube, tmp_path / "a.hdr") == []
    said = " ".join(lost_between(cube, tmp_path / "a.npy"))
    assert "wavelengths" in said and "no data" in said and "georeference" in said
    assert "georeference" in " ".join(lost_between(cube, tmp_path / "a.tif"))


@pytest.mark.parametrize("name", NAMES)
def test_a_failure_leaves_the_former_file(name, planes, tmp_path):
    with written(tmp_path / name, Cube(planes)) as out:
        out[:] = planes
    with pytest.raises(ZeroDivisionError), written(tmp_path / name, Cube(planes + 1)) as out:
        out[:] = 0
        raise ZeroDivisionError
    np.testing.assert_array_equal(read_cube(tmp_path / name).planes, planes)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_photographs_are_refused_with_the_command_for_them(name, tmp_path):
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(PictureError, match="it is a photograph") as error:
        read_cube(tmp_path / name)
    assert "serpent deblur" in error.value.hint


@pytest.mark.parametrize("name", ["a.hdr", "a.npy", "a.mat"])
def test_commands_for_photographs_name_the_command_for_cubes(name, planes, tmp_path):
    with written(tmp_path / name, Cube(planes)) as out:
        out[:] = planes
    with pytest.raises(PictureError, match="not a photograph") as error:
        read_picture(tmp_path / name)
    assert "serpent denoise" in error.value.hint


def test_missing_files_folders_and_unknown_kinds_are_told_apart(planes, tmp_path):
    with pytest.raises(PictureError, match="no such file"):
        read_cube(tmp_path / "a.tif")
    with pytest.raises(PictureError, match="a folder"):
        read_cube(tmp_path)
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(PictureError, match="unknown kind"):
        read_cube(tmp_path / "a.xyz")
    with (
        pytest.raises(UsageError, match=r"written as \.png"),
        written(tmp_path / "a.png", Cube(planes)),
    ):
        pass


def test_windows_have_holes_where_there_are_no_data(planes):
    cube = Cube(planes, nodata=float(planes[2, 3, 4]))
    part = cube.window(slice(2, 6), slice(3, 9), slice(1, 4))
    assert part.shape == (3, 4, 6) and part.dtype == np.float32
    assert np.argwhere(np.isnan(part)).tolist() == [[1, 1, 1]]
    again = cast(part, cube)
    np.testing.assert_array_equal(again, planes[1:4, 2:6, 3:9])


def test_whole_numbers_are_rounded_and_held_in_range(planes):
    made = cast(np.array([-3.0, 1.5, 2.51, 7e4, np.nan]), Cube(planes))
    assert made.tolist() == [0, 2, 3, 65535, 0] and made.dtype == np.uint16
    floats = cast(np.array([-3.0, np.nan], np.float64), Cube(planes.astype(np.float32), nodata=-9))
    assert floats.tolist() == [-3, -9] and floats.dtype == np.float32


def test_letting_go_of_a_mapped_cube_loses_nothing(planes, tmp_path):
    with written(tmp_path / "a.npy", Cube(planes)) as out:
        out[:] = planes
        release(out)
        np.testing.assert_array_equal(out, planes)
    cube = read_cube(tmp_path / "a.npy")
    release(cube.planes)
    np.testing.assert_array_equal(cube.planes, planes)
    release(planes)  # not mapped: nothing to let go of


@pytest.mark.parametrize("outermost", [0, 1, 2])
def test_a_part_is_looked_at_group_by_group_as_its_file_lies(outermost, monkeypatch):
    whole = np.arange(40 * 41 * 42, dtype=np.int32).reshape(40, 41, 42)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(whole, outermost, 0)), 0, outermost)
    seen = np.zeros(planes.shape, np.int32)
    for some in groups(planes):
        assert seen[some].shape[outermost] <= GROUP and planes[some].size < planes.size
        seen[some] += 1
    assert (seen == 1).all()
    let_go = []
    monkeypatch.setattr(cubes, "release", let_go.append)
    window = Cube(planes, nodata=7.0).window(slice(None), slice(None))
    assert len(let_go) == 3, "after each group of 16 of some 40, lest all pages are held at once"
    assert np.isnan(window).sum() == 1 and (window == whole).sum() == whole.size - 1
