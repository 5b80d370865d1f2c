"""Restoring by bands gives what restoring whole gives, without holding it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from serpent_cli.errors import PictureError, SerpentError, UsageError
from serpent_cli.imaging.bands import Layout
from serpent_cli.imaging.picture import MAX_VALUES, Picture
from serpent_cli.imaging.read import open_bands, read_picture
from serpent_cli.imaging.write import write_picture
from serpent_cli.restoration.band_run import BandRun, RegionReader
from serpent_cli.restoration.footprint import Streams
from serpent_cli.restoration.plan import make_plan
from serpent_cli.restoration.restorer import Restorer
from serpent_cli.restoration.streamed import StreamOptions, needs_streaming, restore_file

Make = Callable[..., Restorer]
Network = Callable[..., nn.Module]
Photo = NDArray[np.uint8]


def picture_of(photo: Photo, dtype: str, *, grey: bool, alpha: bool) -> Picture:
    samples = photo / np.float32(255) * MAX_VALUES[dtype]
    samples = samples.astype(dtype)
    if grey:
        samples = np.repeat(samples[..., :1], 3, axis=2)
    veil = np.ascontiguousarray(samples[::-1, :, 1]) if alpha else None
    return Picture(samples, veil, grey, dpi=(300, 200), xmp=b"<x/>")


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "grey", "alpha"),
    [
        ("uint8", False, False),
        ("uint16", True, False),
        ("uint16", False, True),
        ("uint8", True, True),
    ],
)
def test_the_result_is_that_of_the_whole_picture_bit_for_bit(
    suffix: str, scale: int, dtype: str, grey: bool, alpha: bool, blur_network: Network,
    restorer_with: Make, photo: Photo, tmp_path: Path,
) -> None:  # fmt: skip
    source, target, whole = (tmp_path / (name + suffix) for name in ("in", "out", "whole"))
    write_picture(picture_of(photo, dtype, grey=grey, alpha=alpha), source)
    restorer = restorer_with(blur_network(scale), scale, tile=40)
    result = restore_file(source, target, restorer)
    expected = restorer.restore(read_picture(source))
    notes = write_picture(expected, whole)
    assert result.tiles > 4
    assert (result.width, result.height) == (expected.width, expected.height)
    assert result.warnings == expected.warnings + notes
    assert_same(read_picture(target), read_picture(whole))


def test_float_pictures_stay_equal(
    blur_network: Network, restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write_picture(picture_of(photo, "float32", grey=False, alpha=True), source)
    restorer = restorer_with(blur_network(), tile=40)
    restore_file(source, target, restorer)
    expected = restorer.restore(read_picture(source))
    restored = read_picture(target)
    np.testing.assert_array_equal(restored.pixels, expected.pixels)
    np.testing.assert_array_equal(restored.alpha, expected.alpha)


def assert_same(found: Picture, expected: Picture) -> None:
    for field in dataclasses.fields(Picture):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(b, np.ndarray):
            np.testing.assert_array_equal(a, b, field.name)
            assert a.dtype == b.dtype
        else:
            assert a == b, field.name


@pytest.mark.parametrize("region", [(0, 0, 120, 96), (41, 33, 30, 20), (100, 80, 20, 16)])
def test_a_region_is_that_of_the_whole_path(
    region: tuple[int, int, int, int], blur_network: Network, restorer_with: Make, photo: Photo,
    tmp_path: Path,
) -> None:  # fmt: skip
    source, target = tmp_path / "in.png", tmp_path / "out.tif"
    write_picture(Picture(photo), source)
    restorer = restorer_with(blur_network(2), 2, tile=40)
    restore_file(source, target, restorer, StreamOptions(region=region))
    expected = restorer.restore(read_picture(source), region=region)
    np.testing.assert_array_equal(read_picture(target).pixels, expected.pixels)


def test_a_region_outside_is_refused(restorer_with: Make, photo_file: Path) -> None:
    target = photo_file.with_name("out.png")
    with pytest.raises(UsageError, match="does not lie in the 35 x 21 picture"):
        restore_file(
            photo_file, target, restorer_with(nn.Identity()), StreamOptions(region=(30, 0, 6, 1))
        )
    assert not target.exists()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_alpha_needs_no_network(
    value: int, blur_network: Network, restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write_picture(Picture(photo, np.full(photo.shape[:2], value, np.uint8)), source)
    restorer, calls = restorer_with(blur_network(), tile=40), list[tuple[int, int]]()
    result = restore_file(
        source, target, restorer, StreamOptions(on_tile=lambda *call: calls.append(call))
    )
    assert calls == [(done, result.tiles) for done in range(result.tiles + 1)]
    assert_same(read_picture(target), restored_whole(restorer, source, tmp_path))


def restored_whole(restorer: Restorer, source: Path, folder: Path) -> Picture:
    write_picture(restorer.restore(read_picture(source)), folder / "whole.tif")
    return read_picture(folder / "whole.tif")


def test_hidden_colours_do_not_leak_into_visible_ones(
    blur_network: Network, restorer_with: Make, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.png", tmp_path / "out.png"
    pixels, alpha = np.zeros((300, 80, 3), np.uint8), np.zeros((300, 80), np.uint8)
    pixels[95:190, 25:60], alpha[95:190, 25:60] = (220, 30, 40), 255
    write_picture(Picture(pixels, alpha), source)
    restorer = restorer_with(blur_network(), tile=32)
    restore_file(source, target, restorer)
    restored, whole = read_picture(target), restorer.restore(read_picture(source))
    visible = whole.alpha > 0
    np.testing.assert_array_equal(restored.alpha, whole.alpha)
    np.testing.assert_array_equal(restored.pixels[visible], whole.pixels[visible])
    assert np.abs(restored.pixels[visible].astype(int) - (220, 30, 40)).max() <= 1


@pytest.mark.parametrize(("source", "target"), [("in.jpg", "out.tif"), ("in.png", "out.jpg")])
def test_what_has_no_bands_is_held_whole(
    source: str, target: str, blur_network: Network, restorer_with: Make, photo: Photo,
    tmp_path: Path,
) -> None:  # fmt: skip
    write_picture(Picture(photo), tmp_path / source)
    restorer = restorer_with(blur_network(), tile=40)
    restore_file(tmp_path / source, tmp_path / target, restorer)
    whole = (tmp_path / target).with_stem("whole")
    write_picture(restorer.restore(read_picture(tmp_path / source)), whole)
    assert_same(read_picture(tmp_path / target), read_picture(whole))


def test_a_result_that_hardly_differs_is_said(
    restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write_picture(Picture(photo), source)
    result = restore_file(source, target, restorer_with(nn.Identity(), tile=40))
    assert any("does not differ" in warning for warning in result.warnings)
    assert result.difference is not None and result.difference.share == 0


@pytest.mark.parametrize("region", [None, (20, 10, 60, 50)])
def test_bands_tell_of_the_change_what_the_whole_tells(
    region: tuple[int, int, int, int] | None, blur_network: Network, restorer_with: Make,
    photo: Photo, tmp_path: Path,
) -> None:  # fmt: skip
    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write_picture(Picture(photo), source)
    restorer = restorer_with(blur_network(), tile=40)
    streamed = restore_file(source, target, restorer, StreamOptions(region=region)).difference
    whole = restorer.restore(Picture(photo), region=region).difference
    assert streamed is not None and whole is not None
    assert whole.share > 0.1
    assert (streamed.share, streamed.where) == (whole.share, whole.where)
    assert streamed.mean_levels == pytest.approx(whole.mean_levels)


def test_a_failure_leaves_no_file(restorer_with: Make, photo: Photo, tmp_path: Path) -> None:
    class Broken(nn.Module):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return x if self.calls < 5 else x * float("nan")

    source = tmp_path / "in.tif"
    write_picture(Picture(photo), source)
    with pytest.raises(PictureError, match="not finite"):
        restore_file(source, tmp_path / "out.tif", restorer_with(Broken(), tile=40))
    assert [each.name for each in tmp_path.iterdir()] == ["in.tif"]


def test_after_memory_ran_out_smaller_tiles_go_on(
    blur_network: Network, restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    class Limited(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = blur_network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if x.shape[-1] > 128:
                raise MemoryError
            return self.inner(x)

    source, target = tmp_path / "in.tif", tmp_path / "out.tif"
    write_picture(Picture(np.tile(photo, (3, 3, 1))), source)
    result = restore_file(source, target, restorer_with(Limited(), tile=256))
    expected = restorer_with(Limited(), tile=128).restore(read_picture(source))
    assert result.tiles == restorer_with(Limited(), tile=128).plan(288, 360).tiles
    np.testing.assert_array_equal(read_picture(target).pixels, expected.pixels)


def test_rows_are_read_and_given_away_band_by_band(
    blur_network: Network, restorer_with: Make, photo: Photo, tmp_path: Path
) -> None:
    source = tmp_path / "in.tif"
    write_picture(Picture(np.tile(photo, (8, 1, 1))), source)
    restorer, read = restorer_with(blur_network(), tile=40), list[int]()
    with open_bands(source) as reader:
        part = RegionReader(reader, (0, 0, 120, 768))
        rows, part_rows = [0], part.rows

        def noted(start: int, stop: int) -> Picture:
            read.append(stop)
            return part_rows(start, stop)

        part.rows = noted  # pyright: ignore[reportAttributeAccessIssue]
        plan = make_plan(768, 120, restorer.costs, None, 40, streams=Streams())
        for band in BandRun(restorer.forward, part, plan, None).bands():
            rows.append(rows[-1] + len(band))
            assert read[-1] - rows[-1] <= 40, "no more is read than the next rows need"
    assert rows[-1] == 768
    assert len(rows) > 10


def layout(height: int, width: int, sample_bytes: int = 1) -> Layout:
    return Layout(height, width, sample_bytes, channels=3, whole=False, step=256)


def test_streaming_is_for_what_fits_no_other_way(
    restorer_with: Make, blur_network: Network
) -> None:
    restorer = restorer_with(blur_network(8), 8, max_memory=2 * 2**30)
    assert not needs_streaming(restorer, layout(500, 500))
    assert needs_streaming(restorer, layout(4000, 4000)), "a gigapixel"
    assert not needs_streaming(restorer, layout(40, 4_000_000)), (
        "no row of tiles fits: the usual error"
    )
    with pytest.raises(SerpentError, match="needs at least"):
        restorer.plan(4000, 4000)
    restorer = restorer_with(blur_network(), max_memory=2 * 2**30)
    assert not needs_streaming(restorer, layout(10_000, 10_000))
    assert needs_streaming(restorer, layout(10_000, 10_000, sample_bytes=2))


def test_a_format_without_bands_is_refused_with_a_way_out(
    restorer_with: Make, blur_network: Network, photo: Photo, tmp_path: Path
) -> None:
    source = tmp_path / "in.tif"
    write_picture(Picture(np.tile(photo, (20, 20, 1))), source)
    restorer = restorer_with(blur_network(4), 4, max_memory=1000 * 2**20)
    assert needs_streaming(restorer, layout(1920, 2400))
    with pytest.raises(PictureError, match="encoded as a whole") as caught:
        restore_file(source, tmp_path / "out.jpg", restorer)
    assert ".tif or .png" in str(caught.value.hint)


def test_a_picture_too_large_to_decode_whole_is_refused(
    restorer_with: Make, blur_network: Network, photo: Photo, tmp_path: Path
) -> None:
    source = tmp_path / "in.jpg"
    write_picture(Picture(np.tile(photo, (20, 20, 1))), source)
    restorer = restorer_with(blur_network(), max_memory=430 * 2**20)
    with pytest.raises(PictureError, match="cannot be decoded in parts"):
        restore_file(source, tmp_path / "out.tif", restorer)
