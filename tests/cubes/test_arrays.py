"""Cubes in .npy and .mat, against NumPy and SciPy."""

import numpy as np
import pytest
import scipy.io

from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written
from serpent_cli.errors import PictureError


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64", ">u2"])
def test_npy_is_read_and_written_as_it_lies(dtype, last, planes, tmp_path):
    planes = (planes % 250).astype(dtype)
    stored = np.moveaxis(planes, 0, -1) if last else planes
    np.save(tmp_path / "a.npy", stored)
    cube = read_cube(tmp_path / "a.npy")
    np.testing.assert_array_equal(cube.planes, planes)
    with written(tmp_path / "b.npy", cube) as made:
        made[:] = planes
    again = np.load(tmp_path / "b.npy")
    np.testing.assert_array_equal(again, stored)
    assert again.dtype == stored.dtype.newbyteorder("=")


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("shape", [(28, 24, 32), (162, 100, 80), (31, 160, 160)])
def test_what_is_written_is_read_so_again(shape, last, tmp_path):
    planes = np.zeros(shape, np.uint8)
    stored = np.moveaxis(planes, 0, -1) if last else planes
    np.save(tmp_path / "a.npy", stored)
    told = None if last or shape[0] == 31 else True  # more bands than half a side are to be said
    assert read_cube(tmp_path / "a.npy", bands_first=told).shape == shape


def test_which_axis_is_the_bands_can_be_said(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((30, 20, 20), np.float32))
    assert read_cube(tmp_path / "a.npy").shape == (20, 30, 20)
    assert read_cube(tmp_path / "a.npy", bands_first=True).shape == (30, 20, 20)
    np.save(tmp_path / "a.npy", np.zeros((8, 20, 20), np.float32))
    assert read_cube(tmp_path / "a.npy").shape == (8, 20, 20)
    assert "the first axis" in read_cube(tmp_path / "a.npy").notes[0]
    assert read_cube(tmp_path / "a.npy", bands_first=False).shape == (20, 8, 20)


def test_mat_keeps_its_other_variables(planes, tmp_path):
    stored, centres = np.moveaxis(planes, 0, -1), np.arange(0.4, 0.47, 0.01)[:7]
    labels = np.arange(320).reshape(16, 20)
    scipy.io.savemat(tmp_path / "a.mat", {"scene": stored, "wavelength": centres, "labels": labels})
    cube = read_cube(tmp_path / "a.mat")
    np.testing.assert_array_equal(cube.planes, planes)
    assert cube.wavelengths == pytest.approx(1000 * centres)
    with written(tmp_path / "b.mat", cube) as made:
        made[:] = planes[::-1]
    again = scipy.io.loadmat(tmp_path / "b.mat")
    np.testing.assert_array_equal(again["scene"], stored[..., ::-1])
    np.testing.assert_array_equal(again["labels"], labels)
    assert again["scene"].dtype == np.uint16


def test_a_mat_has_no_room_for_two_gigabytes(tmp_path):
    vast = np.broadcast_to(np.zeros((), np.uint8), (2**11, 2**10, 2**10))
    with (
        pytest.raises(PictureError, match=r"no room for 2\.0 GiB") as error,
        written(tmp_path / "a.mat", Cube(vast)),
    ):
        pytest.fail("it is refused before any work")
    assert ".hdr" in error.value.hint
    assert not list(tmp_path.iterdir())


def test_of_several_cubes_one_is_chosen(planes, tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": planes, "y": planes + 1, "z": planes[0]})
    with pytest.raises(PictureError, match="its cubes are x, y") as error:
        read_cube(tmp_path / "a.mat")
    assert "--variable" in error.value.hint
    np.testing.assert_array_equal(read_cube(tmp_path / "a.mat", variable="y").planes, planes + 1)
    with pytest.raises(PictureError, match="no variable q"):
        read_cube(tmp_path / "a.mat", variable="q")


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("a.npy", np.zeros((3, 4)), r"its shape is \(3, 4\)"),
        ("a.npy", np.zeros((3, 4, 5), complex), "samples are complex128"),
        ("a.npy", np.zeros((3, 4, 5), bool), "samples are bool"),
        ("a.npy", np.array([[["a"]]]), "samples are <U1"),
    ],
)
def test_what_is_no_cube_is_refused(name, array, says, tmp_path):
    np.save(tmp_path / name, array)
    with pytest.raises(PictureError, match=says):
        read_cube(tmp_path / name)


def test_a_pickle_is_never_run(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}, None], object), allow_pickle=True)
    with pytest.raises(PictureError, match="no array of numbers"):
        read_cube(tmp_path / "a.npy")


def test_damaged_files_are_one_sentence(planes, tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": planes})
    whole = (tmp_path / "a.mat").read_bytes()
    (tmp_path / "a.mat").write_bytes(whole[:300])
    with pytest.raises(PictureError, match="no MATLAB file, or damaged"):
        read_cube(tmp_path / "a.mat")
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0")
    with pytest.raises(PictureError, match=r"cannot read .*a\.npy"):
        read_cube(tmp_path / "a.npy")
