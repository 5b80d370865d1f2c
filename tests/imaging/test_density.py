"""Pixels that are not square stay so, where the format can tell."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from serpent_cli.imaging.band_writer import BandWriter
from serpent_cli.imaging.bands import resized
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import open_bands, read_picture
from serpent_cli.imaging.write import write_picture


def png(pixels: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    data = bytes(imagecodecs.png_encode(pixels))
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in extra
    )
    return data[:33] + chunks + data[33:]


def sources(pixels: np.ndarray) -> dict[str, bytes]:
    """Twice as many pixels down as across, told without a unit."""
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG")
    marked = bytearray(jpeg.getvalue())
    struct.pack_into(">BHH", marked, 13, 0, 1, 2)
    tiff = io.BytesIO()
    tifffile.imwrite(
        tiff, pixels, photometric="rgb", resolution=(36, 72), resolutionunit="none", metadata=None
    )
    return {
        "png": png(pixels, (b"pHYs", struct.pack(">IIB", 1000, 2000, 0))),
        "jpg": bytes(marked),
        "tif": tiff.getvalue(),
    }


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_it_is_read(astronaut, kind):
    data = sources(astronaut)[kind]
    picture = read_picture(data)
    assert (picture.density, picture.dpi, picture.warnings) == ((1, 2), None, ())
    with open_bands(data) as reader:
        assert reader.head.density == (1, 2)


def test_equal_densities_are_none(astronaut):
    square = png(astronaut, (b"pHYs", struct.pack(">IIB", 7, 7, 0)))
    assert read_picture(square).density is None


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "avif"])
def test_it_is_written(astronaut, tmp_path, suffix):
    picture = Picture(astronaut, density=(1, 2))
    assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
    assert read_picture(tmp_path / f"a.{suffix}").density == (1, 2)
    if suffix in ("png", "tif"):
        with BandWriter(tmp_path / f"b.{suffix}", resized(picture, *astronaut.shape[:2])) as writer:
            writer.write(astronaut)
        assert read_picture(tmp_path / f"b.{suffix}").density == (1, 2)
    if suffix == "jpg":
        with Image.open(tmp_path / "a.jpg") as image:
            assert (image.info["jfif_unit"], image.info["jfif_density"]) == (0, (1, 2))


@pytest.mark.parametrize("dpi", [(71.9999, 300.3), (0.001, 999_999.5), (1 / 3, 72.0)])
def test_resolutions_are_kept_to_six_places(astronaut, tmp_path, dpi):
    write_picture(Picture(astronaut, dpi=dpi), tmp_path / "a.tif")
    assert read_picture(tmp_path / "a.tif").dpi == pytest.approx(dpi, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("suffix", ["webp", "jp2", "bmp"])
def test_its_loss_is_said(astronaut, tmp_path, suffix):
    (note,) = write_picture(Picture(astronaut, density=(1, 2)), tmp_path / f"a.{suffix}")
    assert "not square" in note


def test_it_turns_with_the_picture(astronaut, tmp_path):
    exif = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + bytes(4)
    data = png(astronaut, (b"pHYs", struct.pack(">IIB", 1, 2, 0)), (b"eXIf", exif))
    picture = read_picture(data)
    assert picture.pixels.shape[:2] == astronaut.shape[1::-1]
    assert picture.density == (2, 1)
