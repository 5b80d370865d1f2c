"""Cubes in .mat of version 7.3, in files that h5py makes as MATLAB makes them."""

import sys

import numpy as np
import pytest
import scipy.io

from serpent_cli.cubes.files import lost_between, read_cube, written
from serpent_cli.cubes.plane import read_plane
from serpent_cli.errors import DeviceError, PictureError
from serpent_cli.imaging.read import read_picture

h5py = pytest.importorskip("h5py")

HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"

FLOATS = {"float64": "double", "float32": "single"}


def save(path, variables, **options):
    """Axes in reverse, the class of each variable beside it, and MATLAB's 512 bytes in front."""
    with h5py.File(path, "w", userblock_size=512, libver="earliest") as file:
        for name, value in variables.items():
            text = isinstance(value, str)
            array = np.array([[ord(c) for c in value]], np.uint16) if text else np.asarray(value)
            stored = file.create_dataset(name, data=array.T, **options)
            kind = {"float64": "double", "float32": "single"}.get(
                array.dtype.name, array.dtype.name
            )
            stored.attrs["MATLAB_class"] = np.bytes_("char" if text else kind)
    with path.open("r+b") as file:
        file.write(HEADER)
    return path


@pytest.fixture
def stored(planes):
    """As MATLAB has it: rows, columns, bands."""
    return np.moveaxis(planes, 0, -1)


@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "chunks": (2, 5, 4)}])
@pytest.mark.parametrize("dtype", ["uint16", "float32", "float64", ">i4"])
def test_axes_are_those_of_matlab(dtype, options, planes, stored, tmp_path):
    path = save(tmp_path / "a.mat", {"scene": stored.astype(dtype)}, **options)
    cube = read_cube(path)
    np.testing.assert_array_equal(cube.planes, planes)
    assert cube.planes.dtype == np.dtype(dtype)
    assert isinstance(cube.planes, np.memmap) == (not options), "it stays in the file if it can"


def test_a_photograph_is_something_else(stored, tmp_path):
    path = save(tmp_path / "a.mat", {"scene": stored})
    with pytest.raises(PictureError, match="perhaps a cube, and not a photograph"):
        read_picture(path)


def test_bands_may_be_first(planes, tmp_path):
    path = save(tmp_path / "a.mat", {"scene": planes})
    np.testing.assert_array_equal(read_cube(path).planes, planes)
    assert read_cube(path, bands_first=False).shape == (20, 7, 16)


def test_other_variables_are_kept_and_version_5_is_written(planes, stored, tmp_path):
    centres, labels = np.linspace(400, 460, 7)[None], np.arange(320.0).reshape(16, 20)
    variables = {"scene": stored, "wavelength": centres, "labels": labels, "place": "a field"}
    path = save(tmp_path / "a.mat", variables)
    with h5py.File(path, "r+") as file:
        file.create_group("#refs#")
        file["kind"] = np.dtype("f8")
        file["none"] = h5py.Empty("f8")
        file.create_group("facts").attrs["MATLAB_class"] = np.bytes_("struct")
        empty = file.create_dataset("nothing", data=np.zeros(2, np.uint64))
        empty.attrs["MATLAB_class"], empty.attrs["MATLAB_empty"] = np.bytes_("double"), 1
    cube = read_cube(path)
    version, lost = lost_between(cube, tmp_path / "b.mat")
    assert version == "It is written in MATLAB's version 5, not 7.3"
    assert lost.startswith("Of version 7.3 only arrays of numbers are read and kept, not ")
    assert lost_between(cube, tmp_path / "b.tif") == []
    assert cube.wavelengths == tuple(float(nm) for nm in range(400, 461, 10))
    with written(tmp_path / "b.mat", cube) as made:
        made[:] = planes[::-1]
    assert scipy.io.matlab.matfile_version(tmp_path / "b.mat") == (1, 0)
    assert lost_between(read_cube(tmp_path / "b.mat"), tmp_path / "c.mat") == []
    again = scipy.io.loadmat(tmp_path / "b.mat")
    assert {name for name in again if "__" not in name} == {"scene", "wavelength", "labels"}
    np.testing.assert_array_equal(again["scene"], stored[..., ::-1])
    np.testing.assert_array_equal(again["labels"], labels)
    np.testing.assert_array_equal(again["wavelength"], centres)


@pytest.fixture
def with_others(stored, tmp_path):
    """A cube beside a variable of each kind that is not read, as MATLAB stores them."""
    path = save(tmp_path / "a.mat", {"scene": stored, "place": "a field"})
    with h5py.File(path, "r+") as file:
        facts = file.create_group("facts")
        facts.attrs["MATLAB_class"] = np.bytes_("struct")
        facts["date"] = np.ones((1, 1))
        few = file.create_group("few")
        few.attrs["MATLAB_class"], few.attrs["MATLAB_sparse"] = np.bytes_("double"), np.uint64(3)
        few["data"] = np.ones(2)
        refs = file.create_group("#refs#")
        refs["a"] = np.ones((1, 1))
        cells = file.create_dataset("cells", (1, 1), h5py.ref_dtype)
        cells[0, 0] = refs["a"].ref
        cells.attrs["MATLAB_class"] = np.bytes_("cell")
        waves = file.create_dataset("waves", (2, 2), [("real", "f8"), ("imag", "f8")])
        waves.attrs["MATLAB_class"] = np.bytes_("double")
        when = file.create_dataset("when", data=np.zeros((1, 6), np.uint32))
        when.attrs["MATLAB_class"] = np.bytes_("datetime")
    return path


def test_variables_that_are_not_kept_are_named(with_others, tmp_path):
    cube = read_cube(with_others)
    assert lost_between(cube, tmp_path / "b.mat")[1:] == [
        "Of version 7.3 only arrays of numbers are read and kept, not cells (cells),"
        " facts (structure), few (sparse), place (text), waves (complex), when (datetime)"
    ]
    assert lost_between(cube, tmp_path / "b.npy") == []


def test_only_numbers_beside_a_cube_lose_nothing(stored, tmp_path):
    cube = read_cube(save(tmp_path / "a.mat", {"scene": stored, "mask": stored[:, :, 0]}))
    assert len(lost_between(cube, tmp_path / "b.mat")) == 1, "the version alone"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("facts", "structure"), ("cells", "cells"), ("place", "text"), ("few", "sparse")],
)
def test_a_chosen_variable_that_is_not_read_is_told_from_one_that_is_not_there(
    name, kind, with_others
):
    with pytest.raises(PictureError, match=f"cannot read {name} of ") as error:
        read_cube(with_others, variable=name)
    assert error.value.hint is not None
    assert error.value.hint.endswith(f"numbers are read and kept, not {name} ({kind})")
    with pytest.raises(PictureError, match="it has no variable nowhere"):
        read_cube(with_others, variable="nowhere")


@pytest.mark.parametrize("read", [read_cube, read_plane])
def test_a_file_without_arrays_of_numbers_says_what_it_has(read, tmp_path):
    path = save(tmp_path / "a.mat", {"place": "a field"})
    with pytest.raises(PictureError) as error:
        read(path)
    assert (
        error.value.hint
        == "Of version 7.3 only arrays of numbers are read and kept, not place (text)"
    )


def test_of_several_cubes_one_is_chosen(planes, stored, tmp_path):
    path = save(tmp_path / "a.mat", {"x": stored, "y": stored + 1, "z": stored[:, :, 0]})
    with pytest.raises(PictureError, match="its cubes are x, y"):
        read_cube(path)
    np.testing.assert_array_equal(read_cube(path, variable="y").planes, planes + 1)


def test_a_plane_is_read_too(stored, tmp_path):
    path = save(tmp_path / "a.mat", {"shot": stored[:, :, 0], "name": "a snapshot"})
    np.testing.assert_array_equal(read_plane(path), stored[:, :, 0])


def test_nothing_is_read_from_another_file(stored, tmp_path):
    save(tmp_path / "other.mat", {"secret": stored})
    path = tmp_path / "a.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["link"] = h5py.ExternalLink("other.mat", "/secret")
        file["soft"] = h5py.SoftLink("/link")
        layout = h5py.VirtualLayout(stored.T.shape, stored.dtype)
        layout[...] = h5py.VirtualSource(tmp_path / "other.mat", "secret", stored.T.shape)
        file.create_virtual_dataset("virtual", layout)
        raw = [(str(tmp_path / "other.mat"), 0, stored.nbytes)]
        file.create_dataset("raw", stored.T.shape, stored.dtype, external=raw)
    with pytest.raises(PictureError, match="no variable has three axes"):
        read_cube(path)


def test_damaged_files_are_one_sentence(stored, tmp_path):
    whole = save(tmp_path / "a.mat", {"x": stored}, compression="gzip").read_bytes()
    for cut in (520, 600, 2000, len(whole) - 100):
        (tmp_path / "b.mat").write_bytes(whole[:cut])
        with pytest.raises(PictureError, match=r"damaged MATLAB file of version 7\.3"):
            read_cube(tmp_path / "b.mat")


def test_a_missing_package_is_named(stored, tmp_path, monkeypatch):
    path = save(tmp_path / "a.mat", {"x": stored})
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DeviceError, match=r"version 7\.3 need h5py, which is missing") as error:
        read_cube(path)
    assert error.value.hint == "pip install 'serpent-restore[cubes]'"
