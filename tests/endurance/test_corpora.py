"""The comparison of readers finds what it is for, and nothing in the pictures of scikit-image."""

import io
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image

from serpent_cli.errors import PictureError
from serpent_cli.imaging.picture import Picture
from serpent_cli.imaging.read import read_picture

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))
from tests.endurance import corpora, pictures  # noqa: E402


@pytest.fixture
def deep(tmp_path) -> Path:
    """A 16-bit TIFF with alpha, which all readers know."""
    path = tmp_path / "deep.tif"
    path.write_bytes(pictures.by_tifffile(pictures.samples("uint16", 4)))
    return path


CHANGES = {
    "size": lambda p: replace(p, pixels=p.pixels[1:].copy(), alpha=p.alpha[1:].copy()),
    "depth": lambda p: Picture((p.pixels >> 8).astype(np.uint8), (p.alpha >> 8).astype(np.uint8)),
    "alpha": lambda p: replace(p, alpha=None),
    "colour": lambda p: replace(p, pixels=p.pixels[..., ::-1].copy()),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("said", [False, True])
def test_each_kind_of_deviation_is_found(deep, monkeypatch, what, said):
    assert corpora.deviations(deep) == []

    def wrong(path: Path, **_: object) -> Picture:
        notes = ("We know",) if said else ()
        return replace(CHANGES[what](read_picture(path)), warnings=notes)

    monkeypatch.setattr(corpora, "read_picture", wrong)
    found = corpora.deviations(deep)
    # Without its alpha a picture has another mean, too.
    assert {each.what for each in found} - {"colour"} == {what} - {"colour"}
    assert what in {each.what for each in found}
    assert all(each.said == said for each in found)


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (PictureError("cannot read a: the file is damaged or truncated", "hint"), "called damaged"),
        (KeyError("a bug"), "failed"),
        (PictureError("cannot read a: it is animated", "hint"), None),
    ],
)
def test_a_refusal_without_a_reason_is_found(deep, monkeypatch, error, what):
    def refuse(*_: object, **__: object) -> Picture:
        raise error

    monkeypatch.setattr(corpora, "read_picture", refuse)
    assert [each.what for each in corpora.deviations(deep)] == ([what] if what else [])


def test_what_nobody_reads_is_passed_over(tmp_path):
    (tmp_path / "a.txt").write_text("no picture")
    assert corpora.deviations(tmp_path / "a.txt") == []


def test_pictures_of_an_installed_package_are_seen_alike():
    folder = Path(skimage.data.__file__).parent
    command = [sys.executable, "-m", "tests.endurance", "corpora", "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"deviations without a warning +0 ", done.stdout)


def test_how_wide_pillow_s_numbers_are_says_nothing_of_a_file(camera, tmp_path):
    head = b"P5\n%d %d\n65535\n" % camera.shape[::-1]
    (tmp_path / "deep.pgm").write_bytes(head + (camera.astype(">u2") * 257).tobytes())
    with Image.open(tmp_path / "deep.pgm") as image:
        assert image.mode == "I"
    assert corpora.deviations(tmp_path / "deep.pgm") == []


def test_many_kinds_are_seen_alike(astronaut, camera, tmp_path):
    image, veil = Image.fromarray(astronaut), Image.fromarray(camera)
    clear = image.copy()
    clear.putalpha(veil)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, made, options in (
        ("turned.jpg", image, {"exif": exif}),
        ("palette.png", image.convert("P"), {"transparency": 3}),
        ("clear.png", clear, {}),
        ("clear.webp", clear, {"lossless": True}),
        ("bits.png", veil.convert("1"), {}),
        ("inks.jpg", image.convert("CMYK"), {}),
        ("grey.bmp", veil, {}),
        ("colour.ppm", image, {}),
        ("still.gif", image.convert("P"), {}),
        ("colour.jp2", image, {}),
        ("clear.avif", clear, {"quality": 95}),
    ):
        made.save(tmp_path / name, **options)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, astronaut.astype(np.float32) / 255, photometric="rgb")
    (tmp_path / "floats.tif").write_bytes(buffer.getvalue())
    table = corpora.compared([tmp_path])
    assert table[0].what.startswith("12 files")
    assert all(each.right for each in table), [each.what for each in table]
