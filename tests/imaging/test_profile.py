"""Colours that a file tells without a profile, or with one for another number of channels."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from serpent_cli.imaging import profile
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture

ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def png(pixels: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    data = bytes(imagecodecs.png_encode(pixels))
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in extra
    )
    return data[:33] + chunks + data[33:]


def corners(values: tuple[float, ...]) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 1e5) for value in values))


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(1e5 / value))


def shown(icc: bytes, pixels: np.ndarray) -> np.ndarray:
    """What littlecms shows of pixels with a profile: sRGB."""
    mode = "RGB" if pixels.ndim == 3 else "L"
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(icc)), ImageCms.createProfile("sRGB"), mode, "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.NOOPTIMIZE,
    )  # fmt: skip
    return np.asarray(ImageCms.applyTransform(Image.fromarray(pixels), transform)).astype(int)


def to_srgb(pixels: np.ndarray, values: tuple[float, ...], power: float) -> np.ndarray:
    """By the formulas, with a white of D65."""

    def matrix(each: tuple[float, ...]) -> np.ndarray:
        xy = np.array(each).reshape(4, 2)
        xyz = np.column_stack([xy, 1 - xy.sum(1)]) / xy[:, 1:]
        return xyz[1:].T * np.linalg.solve(xyz[1:].T, xyz[0])

    plain = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
    light = (pixels / 255) ** power @ (np.linalg.inv(matrix(plain)) @ matrix(values)).T
    light = light.clip(0, 1)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(int)


def test_chromaticities_and_gamma_become_a_profile(astronaut, tmp_path):
    data = png(astronaut, corners(ADOBE), gamma(2.2))
    picture = read_picture(data)
    assert picture.warnings == ()
    assert picture.icc is not None
    expected = to_srgb(astronaut, ADOBE, 563 / 256)  # a profile holds 2.2 as 563/256
    assert np.abs(shown(picture.icc, astronaut) - expected).max() <= 2
    assert np.abs(expected - astronaut).mean() > 3, "it matters"
    for suffix in ("png", "jpg", "tif", "webp", "avif", "jp2"):
        assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
        assert read_picture(tmp_path / f"a.{suffix}").icc == picture.icc


def test_those_of_srgb_need_none(astronaut):
    plain = corners((0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06))
    for extra in ((), (plain,), (gamma(2.2),), (plain, gamma(2.2)), ((b"sRGB", b"\0"), gamma(1.0))):
        picture = read_picture(png(astronaut, *extra))
        assert (picture.icc, picture.warnings) == (None, ())


def test_a_gamma_alone_and_grey(camera):
    picture = read_picture(png(camera, gamma(1.0)))
    assert picture.icc is not None
    assert picture.icc[16:20] == b"GRAY"
    linear = to_srgb(np.repeat(camera[..., None], 3, 2), profile.D65 + profile.SRGB_PRIMARIES, 1)
    assert np.abs(shown(picture.icc, camera) - linear).max() <= 1


def cicp_of(path) -> bytes:
    return path.read_bytes().partition(b"cICP")[2][:4]


def test_numbers_of_colours_are_written_back(astronaut, tmp_path):
    picture = read_picture(png(astronaut, (b"cICP", bytes([12, 13, 0, 1]))))
    assert (picture.cicp, picture.icc, picture.warnings) == ((12, 13), None, ())
    assert write_picture(picture, tmp_path / "a.png") == ()
    assert cicp_of(tmp_path / "a.png") == bytes([12, 13, 0, 1])
    assert write_picture(picture, tmp_path / "a.avif") == ()
    assert b"nclx\0\x0c\0\x0d" in (tmp_path / "a.avif").read_bytes()
    again = read_picture(tmp_path / "a.avif")
    assert (again.cicp, again.warnings) == ((12, 13), ())


def test_where_numbers_do_not_fit_a_profile_tells_them(astronaut, tmp_path):
    picture = Picture(astronaut, cicp=(12, 13))
    display_p3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
    for suffix in ("jpg", "tif", "webp", "jp2"):
        assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
        icc = read_picture(tmp_path / f"a.{suffix}").icc
        assert icc is not None
        # The curve of sRGB is nearly a power of 2.2; exact at white and black.
        red = np.array([[[255, 0, 0]]], np.uint8)
        assert np.abs(shown(icc, red) - to_srgb(red, display_p3, 2.2)).max() <= 1
    grey = Picture(np.repeat(astronaut[..., :1], 3, 2), grey=True, cicp=(12, 13))
    assert write_picture(grey, tmp_path / "grey.jpg") == ()


@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp", "jp2", "bmp"])
def test_hdr_in_a_format_without_numbers_is_said(astronaut, tmp_path, suffix):
    (note,) = write_picture(Picture(astronaut, cicp=(9, 16)), tmp_path / f"a.{suffix}")
    assert "CICP" in note


def test_numbers_of_an_avif_are_kept(astronaut, tmp_path):
    for bits in (8, 10):
        deep = astronaut.astype(np.uint16) << 2 if bits == 10 else astronaut
        options = {"level": 90, "speed": 9, "bitspersample": bits}
        plain = imagecodecs.avif_encode(deep, primaries=1, transfer=13, **options)
        assert read_picture(bytes(plain)).cicp is None
        hdr = read_picture(
            bytes(imagecodecs.avif_encode(deep, primaries=9, transfer=16, **options))
        )
        assert (hdr.cicp, hdr.warnings) == ((9, 16), ())
        write_picture(hdr, tmp_path / "a.png", force=True)
        assert cicp_of(tmp_path / "a.png") == bytes([9, 16, 0, 1])


def test_a_profile_with_a_damaged_tail_is_kept(astronaut):
    packed = zlib.compress(SRGB)
    for damaged in (packed[:-1] + bytes([packed[-1] ^ 1]), packed[:-4], packed[:-2]):
        picture = read_picture(png(astronaut, (b"iCCP", b"x\0\0" + damaged)))
        assert picture.icc == SRGB
        assert ["damaged tail" in note for note in picture.warnings] == [True]
    picture = read_picture(png(astronaut, (b"iCCP", b"x\0\0" + packed[: len(packed) // 2])))
    assert picture.icc is None
    assert picture.warnings == ("Its colour profile is damaged and was left out",)


def test_a_grey_profile_becomes_one_for_colour_in_webp(camera, tmp_path):
    icc = profile.described(profile.SRGB_PRIMARIES, profile.D65, gamma=1.8, grey=True)
    assert icc is not None
    picture = Picture(np.repeat(camera[..., None], 3, 2), grey=True, icc=icc)
    assert write_picture(picture, tmp_path / "a.webp", quality=100) == ()
    with Image.open(tmp_path / "a.webp") as image:
        written = image.info["icc_profile"]
        assert written[16:20] == b"RGB "
        assert np.abs(shown(written, np.asarray(image)) - shown(icc, camera)).max() <= 1
    for suffix in ("png", "jpg", "tif", "jp2", "avif"):
        assert write_picture(picture, tmp_path / f"a.{suffix}") == ()
        assert read_picture(tmp_path / f"a.{suffix}").icc == icc


def test_a_profile_for_colour_becomes_a_grey_one_in_a_grey_png(camera, tmp_path):
    picture = Picture(np.repeat(camera[..., None], 3, 2), grey=True, icc=SRGB)
    assert write_picture(picture, tmp_path / "a.png") == ()
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        written = image.info["icc_profile"]
    assert written[16:20] == b"GRAY"
    assert np.abs(shown(written, camera) - np.repeat(camera[..., None], 3, 2)).max() <= 1
    # One table for all channels, as printers have it, has no curve to take.
    table = bytearray(SRGB)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        table[table.index(name) :][:4] = b"xxxx"
        table = bytearray(bytes(table).replace(name, b"A2B0"))
    (note,) = write_picture(
        Picture(np.repeat(camera[..., None], 3, 2), grey=True, icc=bytes(table)), tmp_path / "b.png"
    )
    assert "colour profile" in note
    assert read_picture(tmp_path / "b.png").icc is None
