"""Pairs of cubes in the page, without a browser."""

import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from serpent_cli.compare import page_writer
from serpent_cli.compare.composite import composites
from serpent_cli.compare.cube_pair import CubeReading
from serpent_cli.compare.page_writer import PairCallbacks, write_page
from serpent_cli.compare.pairs import Pair
from serpent_cli.cubes.cube import Cube
from serpent_cli.cubes.files import read_cube, written
from serpent_cli.errors import PictureError, SerpentError, UsageError
from serpent_cli.evaluation.cube_metrics import score_cube

READING = CubeReading()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


@pytest.mark.parametrize("suffix", [".hdr", ".tif", ".npy", ".mat"])
def test_one_pair(suffix: str, cubes: Pair, target: Path, parsed: type, tmp_path: Path) -> None:
    files = [tmp_path / f"{side}{suffix}" for side in ("first", "second")]
    for path, source in zip(files, (cubes.before, cubes.after), strict=True):
        cube = read_cube(source)
        with written(path, cube) as planes:
            planes[:] = cube.planes
    (entry,) = write_page([Pair(*files)], target, reading=CubeReading(white=4000))
    page = parsed(target)
    (facts,) = page.facts
    assert list(page.copies) == ["before-0", "after-0", "spectra-0"]
    assert (facts["width"], facts["height"], facts["enlarged"]) == (40, 30, None)
    first, second = map(read_cube, files)
    nanometres = suffix != ".npy"
    # 9 bands from 420 to 660 nm: 450 nm is the second, 540 and 660 the fifth and the ninth.
    bands = (8, 4, 1) if nanometres else (7, 4, 1)
    for name, picture in zip(
        ("before-0", "after-0"), composites(first, second, bands), strict=True
    ):
        assert np.array_equal(np.asarray(page.image(name)), picture.pixels)
    assert facts["spectra"]["unit"] == ("nm" if nanometres else "band")
    shown = "at 660, 540 and 450 nm" if nanometres else "8, 5 and 2, counted from 1: false colours"
    assert facts["notes"][0] == f"Red, green and blue are the bands {shown}"
    assert facts["notes"] == list(entry.notes)
    expected = score_cube(first.planes / 4000, second.planes / 4000)
    assert entry.psnr is None and entry.cubes is not None
    assert (entry.cubes.bands, entry.cubes.full) == (9, 4000)
    assert entry.cubes.likeness.mpsnr == pytest.approx(expected.mpsnr, abs=1e-3)
    assert facts["distance"] == (
        f"MPSNR {expected.mpsnr:.2f} dB, SSIM {expected.mssim:.4f},"
        f" spectral angle {expected.sam:.2f}° between the two; full scale is 4000"
    )
    about = facts["before"].replace("\u00a0", " ")
    assert about.startswith(f"first{suffix} · 40 × 30 · 9 bands")
    assert ("9 bands from 420 to 660 nm" in about) == nanometres
    assert " uint16 · " in about


def test_full_scale_is_the_larger_of_both(cubes: Pair, target: Path) -> None:
    (one,) = write_page([cubes], target, reading=READING)
    (other,) = write_page([Pair(cubes.after, cubes.before)], target, reading=READING, force=True)
    assert one.cubes is not None and other.cubes is not None
    assert one.cubes == other.cubes
    assert one.cubes.full > 3000


def test_the_same_samples_are_named_so(cubes: Pair, target: Path, parsed: type) -> None:
    (entry,) = write_page([Pair(cubes.after, cubes.after)], target, reading=READING)
    assert entry.cubes is not None and entry.cubes.likeness.same
    assert parsed(target).facts[0]["distance"] == "the same samples"


def test_tiny_cubes_have_no_similarity(tmp_path: Path, target: Path, parsed: type) -> None:
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.full((5, 6, 2), 1 + (name == "b"), np.uint8))
    files = Pair(tmp_path / "a.npy", tmp_path / "b.npy")
    (entry,) = write_page([files], target, reading=READING)
    assert entry.cubes is not None and math.isnan(entry.cubes.likeness.mssim)
    text = parsed(target).facts[0]["distance"]
    assert text == "MPSNR 6.02 dB, spectral angle 0.00° between the two; full scale is 2"


def test_room_for_spectra_is_shared_and_the_page_says_so(
    cubes: Pair, target: Path, parsed: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_writer, "SAMPLES", 2 * 9 * 30 * 40)
    (entry,) = write_page([cubes], target, reading=READING)
    assert parsed(target).facts[0]["spectra"]["step"] == 1
    assert not any("room" in note for note in entry.notes)
    pairs = [cubes, Pair(cubes.after, cubes.before)]
    shown = write_page(pairs, target, reading=READING, force=True)
    page = parsed(target)
    assert [facts["spectra"]["step"] for facts in page.facts] == [2, 2]
    assert any("one pixel in 2 × 2: the one nearest" in note for note in shown[0].notes)


def test_what_may_mislead_is_said(cubes: Pair, target: Path, tmp_path: Path) -> None:
    cube = read_cube(cubes.after)
    other = tmp_path / "other.hdr"
    like = Cube((cube.planes / 4095).astype(np.float32), wavelengths=tuple(range(500, 509)))
    with written(other, like) as planes:
        planes[:] = like.planes
    (entry,) = write_page([Pair(cubes.before, other)], target, reading=READING)
    assert any("are both of one unit?" in note for note in entry.notes)
    assert any("those of before are shown" in note for note in entry.notes)


def test_transparent_where_there_are_no_data(cubes: Pair, target: Path, parsed: type) -> None:
    cube = read_cube(cubes.after)
    planes = cube.planes.copy()
    planes[:, :4] = 65000
    with written(cubes.before, Cube(planes, nodata=65000)) as out:
        out[:] = planes
    (entry,) = write_page([cubes], target, reading=READING)
    assert "What has no data is transparent" in entry.notes
    page = parsed(target)
    alpha = np.asarray(page.image("before-0"))[..., 3]
    assert not alpha[:4].any() and (alpha[4:] == 255).all()
    assert page.facts[0]["alpha"]
    assert page.image("after-0").mode == "RGB"


def test_other_shapes_are_refused(cubes: Pair, target: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((30, 41, 9), np.uint16))
    with pytest.raises(UsageError, match=r"9 bands of 40x30 and .* 9 bands of 41x30: they cannot"):
        write_page([Pair(cubes.before, tmp_path / "a.npy")], target, reading=READING)
    assert not target.exists()


def test_a_cube_and_a_photograph_are_refused(cubes: Pair, target: Path, tmp_path: Path) -> None:
    photo = tmp_path / "p.png"
    Image.new("RGB", (40, 30)).save(photo)
    for pair in (Pair(cubes.before, photo), Pair(photo, cubes.before)):
        with pytest.raises(UsageError, match=r"is a cube of many bands, and .*p.png is a photogr"):
            write_page([pair], target, reading=READING)
    assert not target.exists()


def test_colours_with_other_samples_beside_them_are_a_picture_beside_one(
    target: Path, tmp_path: Path
) -> None:
    """As `serpent deblur` reads such a TIFF; beside another one of its kind it is a cube."""
    many, photo = tmp_path / "many.tif", tmp_path / "p.png"
    samples = np.random.default_rng(0).integers(0, 256, (30, 40, 7), np.uint8)
    tifffile.imwrite(many, samples, photometric="rgb", planarconfig="contig")
    Image.fromarray(samples[..., :3]).save(photo)
    (entry,) = write_page([Pair(many, photo)], target, reading=READING)
    assert (entry.cubes, entry.psnr) == (None, math.inf)
    (entry,) = write_page([Pair(many, many)], target, reading=READING, force=True)
    assert entry.cubes is not None and entry.cubes.bands == 7


def test_cubes_and_photographs_in_one_page(
    cubes: Pair, pair: Pair, target: Path, parsed: type, tmp_path: Path
) -> None:
    failed: list[SerpentError] = []
    callbacks = PairCallbacks(failed=lambda which, error: failed.append(error))
    mixed = Pair(cubes.before, pair.after)
    shown = write_page([cubes, mixed, pair], target, reading=READING, callbacks=callbacks)
    assert [entry.pair for entry in shown] == [cubes, pair]
    assert [error.exit_code for error in failed] == [2]
    page = parsed(target)
    assert ["spectra" in facts for facts in page.facts] == [True, False]
    assert list(page.copies) == ["before-0", "after-0", "spectra-0", "before-1", "after-1"]


def test_cubes_are_pictures_of_none_where_nobody_reads_them(cubes: Pair, target: Path) -> None:
    """A server takes no cubes."""
    with pytest.raises(PictureError, match="cannot read"):
        write_page([cubes], target)


def test_the_limit_of_pixels(cubes: Pair, target: Path) -> None:
    with pytest.raises(PictureError, match=r"more than the limit of 0\.001"):
        write_page([cubes], target, reading=READING, max_pixels=1000)
    assert not target.exists()


def test_lossy_copies_are_said(cubes: Pair, target: Path, parsed: type) -> None:
    (entry,) = write_page([cubes], target, reading=READING, lossless_pixels=0)
    assert parsed(target).image("after-0").format == "JPEG"
    assert "The copies in this page are lossy: JPEG, quality 95" in entry.notes
