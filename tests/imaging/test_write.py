import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

import serpent_cli.imaging.encode as encode_module
from serpent_cli.errors import PictureError, UsageError
from serpent_cli.imaging.formats import WRITABLE
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture
from serpent_cli.imaging.write import write_picture


def assert_same(read: Picture, written: Picture) -> None:
    assert read.pixels.dtype == written.pixels.dtype
    np.testing.assert_array_equal(read.pixels, written.pixels)
    assert read.grey == written.grey
    assert (read.alpha is None) == (written.alpha is None)
    if written.alpha is not None:
        np.testing.assert_array_equal(read.alpha, written.alpha)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [
        ("png", "uint8"),
        ("png", "uint16"),
        ("tif", "uint8"),
        ("tiff", "uint16"),
        ("tif", "float32"),
        ("jp2", "uint8"),
    ],
)
def test_lossless_formats_give_back_what_was_written(
    make_picture, tmp_path, suffix, dtype, grey, alpha
):
    written = make_picture(dtype, grey=grey, alpha=alpha)
    notes = write_picture(written, tmp_path / f"a.{suffix}")
    assert notes == ()
    read = read_picture(tmp_path / f"a.{suffix}")
    assert_same(read, written)
    assert read.warnings == ()


@settings(max_examples=60)
@given(data=st.data())
def test_any_shape_and_any_values_survive(data, tmp_path_factory):
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16, np.float32]))
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    elements = (
        st.floats(0, 1, width=32) if dtype == np.float32 else st_numpy.from_dtype(np.dtype(dtype))
    )
    grey = data.draw(st.booleans())
    channels = data.draw(st_numpy.arrays(dtype, (*shape, 1 if grey else 3), elements=elements))
    alpha = data.draw(st.none() | st_numpy.arrays(dtype, shape, elements=elements))
    written = Picture(np.repeat(channels, 3, 2) if grey else channels, alpha, grey)
    suffix = "tif" if dtype == np.float32 else data.draw(st.sampled_from(["png", "tif"]))
    path = tmp_path_factory.mktemp("any") / f"a.{suffix}"
    write_picture(written, path)
    assert_same(read_picture(path), written)


def test_other_programs_see_the_same_pixels(make_picture, tmp_path):
    colour = make_picture("uint16")
    write_picture(colour, tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), colour.pixels)
    grey = make_picture("uint16", grey=True)
    write_picture(grey, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), grey.pixels[..., 0])
    veiled = make_picture("uint8", alpha=True)
    write_picture(veiled, tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image)[..., 3], veiled.alpha)


@pytest.mark.parametrize(
    ("suffix", "least_psnr"), [("jpg", 38), ("webp", 36), ("avif", 38), ("bmp", 99)]
)
def test_lossy_formats_stay_close_and_round_deep_pixels(make_picture, tmp_path, suffix, least_psnr):
    deep = make_picture("uint16")
    notes = write_picture(deep, tmp_path / f"a.{suffix}")
    held = "12-bit" if suffix == "avif" else "8-bit"
    assert any(held in note and "16-bit" in note for note in notes)
    with Image.open(tmp_path / f"a.{suffix}") as image:
        got = np.asarray(image.convert("RGB")).astype(float)
    error = np.mean((got - np.rint(deep.pixels / 257)) ** 2)
    assert 10 * np.log10(255**2 / max(error, 1e-9)) > least_psnr


def test_jpeg_keeps_full_chroma_and_says_that_alpha_went(make_picture, tmp_path):
    notes = write_picture(make_picture("uint8", alpha=True), tmp_path / "a.jpg")
    assert any("alpha" in note for note in notes)
    with Image.open(tmp_path / "a.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("target", WRITABLE, ids=lambda target: target.name)
@pytest.mark.parametrize("shape", [(1, 1), (300, 307), (2, 3000)])
def test_noise_is_written_too(tmp_path, capfd, target, shape):
    """Noise is the longest that a picture can encode to, with all metadata on top."""
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x010F] = "x" * 60_000
    picture = Picture(noise, noise[..., 0], exif=exif.tobytes()[6:], icc=bytes(200_000))
    write_picture(picture, tmp_path / f"a{target.suffixes[0]}")
    assert read_picture(tmp_path / f"a{target.suffixes[0]}").pixels.shape == noise.shape
    assert capfd.readouterr() == ("", "")


def test_grey_jpeg_has_one_channel(make_picture, tmp_path):
    write_picture(make_picture("uint8", grey=True), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "L"
    assert read_picture(tmp_path / "a.jpg").grey


def test_float_to_png_is_rounded_to_sixteen_bits(make_picture, tmp_path):
    picture = make_picture("float32")
    notes = write_picture(picture, tmp_path / "a.png")
    assert notes == ("PNG holds 16-bit samples at most: the 32-bit float picture was rounded",)
    read = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, np.rint(picture.pixels.astype(float) * 65535))


def test_unknown_suffix_lists_the_known_ones(make_picture, tmp_path):
    with pytest.raises(UsageError) as caught:
        write_picture(make_picture("uint8"), tmp_path / "a.xyz")
    assert ".xyz" in caught.value.message
    assert ".png" in caught.value.hint
    assert ".tif" in caught.value.hint
    with pytest.raises(UsageError, match="no suffix"):
        write_picture(make_picture("uint8"), tmp_path / "a")


def test_an_existing_file_is_kept_without_force(make_picture, tmp_path):
    target = tmp_path / "a.png"
    target.write_bytes(b"precious")
    with pytest.raises(PictureError, match="exists") as caught:
        write_picture(make_picture("uint8"), target)
    assert "--force" in caught.value.hint
    assert target.read_bytes() == b"precious"
    write_picture(make_picture("uint8"), target, force=True)
    assert_same(read_picture(target), make_picture("uint8"))
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_file_that_appears_meanwhile_is_kept(make_picture, tmp_path, monkeypatch):
    target = tmp_path / "a.png"

    def encode_while_another_writes(*_, **__):
        target.write_bytes(b"theirs")
        return ()

    monkeypatch.setattr(encode_module, "encode", encode_while_another_writes)
    with pytest.raises(PictureError, match="exists"):
        write_picture(make_picture("uint8"), target)
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.png"]


def test_without_hard_links_the_name_is_still_checked(make_picture, tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EOPNOTSUPP, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    write_picture(make_picture("uint8"), tmp_path / "a.png")
    assert_same(read_picture(tmp_path / "a.png"), make_picture("uint8"))
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (RuntimeError("encoder broke"), "encoder failed"),
        (MemoryError(), "not enough memory"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_failure_half_way_leaves_nothing(
    make_picture, tmp_path, monkeypatch, failure, sentence, force
):
    target = tmp_path / "a.png"
    if force:
        target.write_bytes(b"precious")

    def broken(picture, chosen, stream, **_):
        stream.write(b"half of it")
        raise failure

    monkeypatch.setattr(encode_module, "encode", broken)
    with pytest.raises(PictureError, match=sentence) as caught:
        write_picture(make_picture("uint8"), target, force=force)
    assert str(target) in caught.value.message
    assert os.listdir(tmp_path) == (["a.png"] if force else [])
    if force:
        assert target.read_bytes() == b"precious"


def test_an_interruption_leaves_nothing(make_picture, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(encode_module, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_picture(make_picture("uint8"), tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing/a.png", "folder does not exist"),
        ("file/a.png", "folder is a file"),
        ("folder.png", "is a folder"),
        (f"{'n' * 300}.png", "name is too long"),
    ],
)
def test_an_impossible_target_is_one_sentence(make_picture, tmp_path, name, sentence):
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError, match=sentence):
        write_picture(make_picture("uint8"), tmp_path / name, force=True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_an_unwritable_folder_is_one_sentence(make_picture, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(PictureError, match="not writable"):
        write_picture(make_picture("uint8"), folder / "a.png")


def test_a_refused_folder_is_one_sentence(make_picture, tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(PictureError, match="not writable"):
        write_picture(make_picture("uint8"), tmp_path / "a.png")


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX idea")
def test_the_mode_follows_the_umask(make_picture, tmp_path):
    before = os.umask(0o027)
    try:
        write_picture(make_picture("uint8"), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o640


def test_a_link_stays_a_link(make_picture, tmp_path):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to("real.png")
    write_picture(make_picture("uint8"), tmp_path / "link.png", force=True)
    assert (tmp_path / "link.png").is_symlink()
    assert_same(read_picture(tmp_path / "real.png"), make_picture("uint8"))


def test_a_side_too_long_for_the_format_is_one_sentence(tmp_path):
    with pytest.raises(PictureError, match="16383") as caught:
        write_picture(Picture(np.zeros((1, 16384, 3), np.uint8)), tmp_path / "a.webp")
    assert str(tmp_path) in caught.value.message
    assert os.listdir(tmp_path) == []
