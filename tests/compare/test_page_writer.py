import functools
import math
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from serpent_cli.compare import page_writer
from serpent_cli.compare.page_writer import PairCallbacks, write_page
from serpent_cli.compare.pairs import Pair
from serpent_cli.compare.view import plan_view
from serpent_cli.errors import PictureError, SerpentError, UsageError

Pixels = NDArray[np.uint8]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def test_one_pair(pair: Pair, target: Path, parsed: type, sharp: Pixels, blurred: Pixels) -> None:
    (entry,) = write_page([pair], target)
    page = parsed(target)
    assert np.array_equal(np.asarray(page.image("before-0")), blurred)
    assert np.array_equal(np.asarray(page.image("after-0")), sharp)
    assert list(page.copies) == ["before-0", "after-0"]
    expected = peak_signal_noise_ratio(sharp, blurred)
    assert entry.psnr == pytest.approx(expected, abs=1e-4)
    (facts,) = page.facts
    assert facts["name"] == "cup"
    assert facts["distance"] == f"PSNR {expected:.2f} dB between the two"
    assert "cup.png · 400\u00a0×\u00a0300 · PNG\u00a08-bit" in facts["before"]
    assert (facts["width"], facts["height"], facts["notes"]) == (400, 300, [])
    assert page.texts["title"].strip() == "cup: before and after"


def test_an_enlarged_picture(pair: Pair, target: Path, parsed: type, sharp: Pixels) -> None:
    small = Image.fromarray(sharp).resize((100, 75), Image.Resampling.BICUBIC)
    small.save(pair.before)
    (entry,) = write_page([pair], target)
    page = parsed(target)
    shown = np.asarray(page.image("before-0"))
    assert np.array_equal(shown, np.asarray(small.resize((400, 300), Image.Resampling.BICUBIC)))
    assert np.array_equal(np.asarray(page.image("raw-0")), np.asarray(small))
    assert page.facts[0]["enlarged"] == "before"
    assert entry.psnr is None
    assert page.facts[0]["distance"] == ""
    assert entry.notes == ("Before is 4 times smaller and shown enlarged",)


def save_all_kinds(folder: Path, sharp: Pixels) -> dict[str, Path]:
    """One file of each kind, all of one size."""
    folder.mkdir()
    deep = sharp.astype(np.uint16) * np.uint16(257)
    image = Image.fromarray(sharp)
    files = {name: folder / name for name in ("deep.tif", "float.tif")}
    tifffile.imwrite(files["deep.tif"], deep, photometric="rgb")
    tifffile.imwrite(files["float.tif"], sharp / np.float32(255), photometric="rgb")
    for name, made in {
        "grey.png": image.convert("L"),
        "deep-grey.png": Image.fromarray(deep[..., 0]),
        "alpha.png": Image.fromarray(np.dstack([sharp, sharp[..., 0]])),
        "palette.gif": image.quantize(),
        "cmyk.jpg": image.convert("CMYK"),
        "lossy.webp": image,
        "bitmap.bmp": image,
    }.items():
        files[name] = folder / name
        made.save(files[name])
    return files


def test_pictures_of_every_kind(
    tmp_path: Path, pair: Pair, target: Path, parsed: type, sharp: Pixels
) -> None:
    files = save_all_kinds(tmp_path / "kinds", sharp)
    shown = write_page([Pair(path, pair.after) for path in files.values()], target)
    page = parsed(target)
    assert len(shown) == len(page.facts) == len(files)
    for number, (name, entry) in enumerate(zip(files, shown, strict=True)):
        copy = page.image(f"before-{number}")
        assert copy.size == (400, 300)
        assert "16" not in copy.mode, "browsers show 8 bits"
        if name in ("deep.tif", "float.tif", "bitmap.bmp"):
            assert np.array_equal(np.asarray(copy), sharp)
            assert entry.psnr is not None
            assert entry.psnr > 100
        deep = name.startswith(("deep", "float"))
        assert deep == any("8 bits" in note for note in entry.notes)
    about = {name: facts["before"] for name, facts in zip(files, page.facts, strict=True)}
    assert "TIFF\u00a016-bit" in about["deep.tif"]
    assert "32-bit\u00a0float" in about["float.tif"]
    assert "16-bit\u00a0grey" in about["deep-grey.png"]
    assert "with\u00a0transparency" in about["alpha.png"]
    cmyk = page.facts[list(files).index("cmyk.jpg")]
    assert any(note.startswith("Before: CMYK") for note in cmyk["notes"])
    assert page.facts[list(files).index("alpha.png")]["alpha"]


def test_the_same_pixels_are_named_so(pair: Pair, target: Path, parsed: type) -> None:
    (entry,) = write_page([Pair(pair.after, pair.after)], target)
    assert entry.psnr == math.inf
    assert parsed(target).facts[0]["distance"] == "the same pixels"


def test_above_the_limit_copies_are_lossy_and_the_page_says_so(
    pair: Pair, target: Path, parsed: type
) -> None:
    write_page([pair], target, lossless_pixels=2 * 300 * 400)
    assert parsed(target).image("after-0").format == "PNG"
    (entry,) = write_page([pair], target, lossless_pixels=2 * 300 * 400 - 1, force=True)
    page = parsed(target)
    assert page.image("after-0").format == page.image("before-0").format == "JPEG"
    assert any("lossy" in note for note in entry.notes)
    assert page.facts[0]["notes"] == list(entry.notes)


def test_huge_pictures_are_reduced_and_the_page_says_so(
    pair: Pair, target: Path, parsed: type, sharp: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = functools.partial(plan_view, max_pixels=30_000)
    monkeypatch.setattr(page_writer, "plan_view", limited)
    (entry,) = write_page([pair], target)
    page = parsed(target)
    assert page.image("before-0").size == page.image("after-0").size == (200, 150)
    assert any("reduced to 50.0%" in note for note in entry.notes)
    assert entry.psnr == pytest.approx(
        peak_signal_noise_ratio(sharp, np.asarray(Image.open(pair.before))), abs=1e-4
    ), "of the files, not of the copies"


def test_the_same_input_gives_the_same_bytes(pair: Pair, target: Path) -> None:
    write_page([pair], target)
    again = target.with_name("again.html")
    write_page([pair], again)
    assert again.read_bytes() == target.read_bytes()


def test_pairs_that_cannot_be_shown_are_left_out(pair: Pair, target: Path, parsed: type) -> None:
    damaged, turned = (pair.after.with_name(name) for name in ("damaged.png", "turned.png"))
    damaged.write_bytes(pair.after.read_bytes()[:5000])
    Image.open(pair.after).transpose(Image.Transpose.ROTATE_90).save(turned)
    failed: list[tuple[str, SerpentError]] = []
    begun: list[Pair] = []
    pairs = [Pair(pair.before, damaged), Pair(pair.before, turned), pair]
    callbacks = PairCallbacks(
        begun.append, lambda which, error: failed.append((which.after.name, error))
    )
    shown = write_page(pairs, target, callbacks=callbacks)
    assert [entry.pair for entry in shown] == [pair]
    assert sorted(name for name, _ in failed) == ["damaged.png", "turned.png"]
    assert {name: error.exit_code for name, error in failed} == {"damaged.png": 1, "turned.png": 2}
    assert begun[-1] == pair
    assert list(parsed(target).copies) == ["before-0", "after-0"]


def assert_nothing_written(folder: Path) -> None:
    assert not [path for path in folder.iterdir() if path.is_file()]


def test_no_page_without_a_picture(pair: Pair, target: Path) -> None:
    pair.after.write_bytes(b"no picture")
    with pytest.raises(PictureError, match="not a picture") as alone:
        write_page([pair], target)
    assert "report.html" not in alone.value.message
    with pytest.raises(PictureError, match="none of 2 pairs"):
        write_page([pair, pair], target)
    assert_nothing_written(target.parent)


def test_unrelated_shapes(pair: Pair, target: Path) -> None:
    Image.open(pair.after).crop((0, 0, 200, 300)).save(pair.after)
    with pytest.raises(UsageError, match=r"400x300 and .* 200x300"):
        write_page([pair], target)
    assert_nothing_written(target.parent)


@pytest.mark.parametrize("force", [False, True])
def test_existing_pages(pair: Pair, target: Path, force: bool) -> None:
    target.write_text("precious")
    if force:
        write_page([pair], target, force=True)
        assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
        return
    with pytest.raises(PictureError, match="it exists") as refused:
        write_page([pair], target)
    assert "--force" in str(refused.value.hint)
    assert target.read_text() == "precious"


def test_a_failure_keeps_the_old_page(pair: Pair, target: Path) -> None:
    target.write_text("precious")
    pair.after.write_bytes(b"no picture")
    with pytest.raises(PictureError):
        write_page([pair], target, force=True)
    assert target.read_text() == "precious"
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == ["report.html"]


def test_a_full_disk(pair: Pair, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PictureError, match="no space is left"):
        write_page([pair], target)
    assert_nothing_written(target.parent)


def test_a_page_does_not_replace_a_picture(pair: Pair) -> None:
    with pytest.raises(UsageError, match=r"does not end in \.html"):
        write_page([pair], pair.after, force=True)
    Image.open(pair.after).load()


def test_a_missing_folder(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="the folder does not exist"):
        write_page([pair], tmp_path / "none" / "report.html")


def test_the_limit_of_pixels(pair: Pair, target: Path) -> None:
    with pytest.raises(PictureError, match="megapixels"):
        write_page([pair], target, max_pixels=1000)
