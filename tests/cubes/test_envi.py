"""ENVI headers and samples, against bytes laid out by hand."""

import numpy as np
import pytest

from serpent_cli.cubes.envi import read_fields
from serpent_cli.cubes.files import read_cube, written
from serpent_cli.errors import PictureError

HEADER = """ENVI
description = {A test,
  over two lines}
samples = 20
lines   = 16
bands   = 7
header offset = {offset}
file type = ENVI Standard
data type = {code}
interleave = {interleave}
byte order = {order}
data ignore value = 11
map info = {UTM, 1, 1, 500000, 5000000, 10, 10, 33, North, WGS-84}
wavelength units = Micrometers
wavelength = {0.40, 0.41, 0.42,
 0.43, 0.44, 0.45, 0.46}
"""
CODES = {"uint8": 1, "int16": 2, "int32": 3, "float32": 4, "float64": 5, "uint16": 12}


def save(folder, planes, interleave="bsq", order="<", offset=0, suffix=".img"):
    header = HEADER
    for name, value in (
        ("offset", offset), ("code", CODES[planes.dtype.name]), ("interleave", interleave),
        ("order", int(order == ">")),
    ):  # fmt: skip
        header = header.replace("{" + name + "}", str(value))
    (folder / "a.hdr").write_text(header)
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    samples = planes.transpose(axes).astype(planes.dtype.newbyteorder(order))
    (folder / f"a{suffix}").write_bytes(bytes(offset) + samples.tobytes())


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("order", ["<", ">"])
def test_samples_are_read_and_written_as_they_lie(order, dtype, interleave, planes, tmp_path):
    planes = planes.astype(dtype)
    save(tmp_path, planes, interleave, order, offset=32)
    for name in ("a.hdr", "a.img"):
        cube = read_cube(tmp_path / name)
        np.testing.assert_array_equal(cube.planes, planes)
    assert cube.nodata == 11
    assert cube.wavelengths == pytest.approx([400, 410, 420, 430, 440, 450, 460])
    with written(tmp_path / "b.hdr", cube) as made:
        made[:] = planes
    fields, before = read_fields(tmp_path / "b.hdr"), read_fields(tmp_path / "a.hdr")
    kept = ("map info", "wavelength", "wavelength units", "description", "interleave", "data type")
    assert {name: fields[name] for name in kept} == {name: before[name] for name in kept}
    again = read_cube(tmp_path / "b.hdr")
    np.testing.assert_array_equal(again.planes, planes)
    save(tmp_path, planes, interleave)
    assert (tmp_path / "b.img").read_bytes() == (tmp_path / "a.img").read_bytes()


@pytest.mark.parametrize("suffix", [".dat", ".raw", "", ".BSQ"])
def test_samples_are_found_beside_their_header(suffix, planes, tmp_path):
    save(tmp_path, planes, suffix=suffix)
    np.testing.assert_array_equal(read_cube(tmp_path / "a.hdr").planes, planes)


def test_what_is_missing_is_said(planes, tmp_path):
    save(tmp_path, planes)
    whole = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(whole[:-1])
    with pytest.raises(PictureError, match="it has 4479 of 4480 bytes"):
        read_cube(tmp_path / "a.hdr")
    (tmp_path / "a.img").unlink()
    with pytest.raises(PictureError, match="no file of samples is beside it"):
        read_cube(tmp_path / "a.hdr")
    (tmp_path / "c.img").write_bytes(whole)
    with pytest.raises(PictureError, match="no cube, or of an unknown kind"):
        read_cube(tmp_path / "c.img")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("data type = 12", "data type = 6", "data type 6"),
        ("interleave = bsq", "interleave = tiles", "interleave tiles"),
        ("samples = 20", "samples = many", "does not tell"),
        ("bands   = 7\n", "", "does not tell 'bands'"),
        ("lines   = 16", "lines   = -16", "make no cube"),
        ("ENVI", "PDS3", "no ENVI header"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(before, after, says, planes, tmp_path):
    save(tmp_path, planes)
    text = (tmp_path / "a.hdr").read_text()
    assert before in text
    (tmp_path / "a.hdr").write_text(text.replace(before, after, 1))
    with pytest.raises(PictureError, match=says):
        read_cube(tmp_path / "a.hdr")
