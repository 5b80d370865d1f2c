"""Strength, and the word that is said when nothing changes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from serpent_cli.imaging.picture import Picture
from serpent_cli.model.unet import enlarge
from serpent_cli.restoration.difference import HARDLY, DifferenceMeter
from serpent_cli.restoration.restorer import Restorer

Make = Callable[..., Restorer]
Photo = NDArray[np.uint8]


class Adds(nn.Module):
    """Its (enlarged) input, brighter by a constant."""

    def __init__(self, value: float, scale: int = 1) -> None:
        super().__init__()
        self.value, self.scale = value, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return enlarge(x, self.scale) + self.value


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_likeness_is_psnr(dtype: type) -> None:
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    a, b = ((np.random.default_rng(i).random((40, 30, 3)) * most).astype(dtype) for i in range(2))
    expected = pytest.approx(peak_signal_noise_ratio(a, b, data_range=most), abs=1e-3)
    whole, parts, none = DifferenceMeter(), DifferenceMeter(), DifferenceMeter()
    whole.add(a, b)
    parts.add(a[:3], b[:3])
    parts.add(a[3:], b[3:])
    none.add(a, a.copy())
    assert whole.likeness == expected
    assert parts.likeness == expected
    assert none.likeness == float("inf")


WHY = "either it needs no restoring or this model cannot help"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        (0.0, f"the result does not differ from the input: {WHY}"),
        (0.004, f"hardly changed (1.0 levels of 255 on average): {WHY}"),
    ],
)
def test_a_result_like_its_input_is_announced(
    added: float, said: str, restorer_with: Make, photo: Photo
) -> None:
    """Never that it was sharp: nothing here knows that."""
    picture = Picture(photo // 2, warnings=("read so",))
    restored = restorer_with(Adds(added)).restore(picture)
    assert restored.warnings == ("read so", said)


def test_wide_edges_are_said_and_never_that_a_picture_was_sharp(
    restorer_with: Make, photo: Photo
) -> None:
    step = np.repeat(np.arange(160)[None] >= 80, 120, 0) * 200.0
    wide = np.repeat(gaussian_filter1d(step, 3.0, axis=1)[..., None], 3, 2).astype(np.uint8)
    said = "its sharpest edges are about 8 pixels wide; if that is blur, this model cannot help"
    assert restorer_with(Adds(0.0)).restore(Picture(wide)).warnings == (
        f"the result does not differ from the input: {said}",
    )
    held = restorer_with(Adds(0.2), strength=0.0).restore(Picture(wide)).warnings
    assert held[0].endswith(f"{said} or a strength of 0 is too little")


def test_a_strength_that_holds_back_is_a_reason(restorer_with: Make, photo: Photo) -> None:
    restored = restorer_with(Adds(0.2), strength=0.01).restore(Picture(photo // 2))
    assert restored.warnings[0].endswith(
        ": either it needs no restoring, this model cannot help or a strength of 0.01 is too little"
    )


class Corner(nn.Module):
    """Brighter by ten levels in a corner of 8 x 12 pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[..., :8, :12] += 10 / 255
        return x


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_change_in_one_place_is_said_to_be_there(restorer_with: Make, dtype: type) -> None:
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    given = np.full((120, 160, 3), most * 0.4).astype(dtype)
    restored = restorer_with(Corner()).restore(Picture(given))
    found = restored.difference
    assert found is not None
    assert (found.share, found.where) == (96 / 19200, "upper left")
    assert found.mean_levels_there == pytest.approx(10, abs=0.01)
    assert found.mean_levels == pytest.approx(10 * 96 / 19200, abs=0.001)
    assert restored.warnings == (
        "only 0.5 % of the picture changed by more than 2 levels of 255, by 10.0 on average, nearly"
        f" all of that in the upper left: for the rest, {WHY}",
    )


@pytest.mark.parametrize(
    ("rows", "columns", "where"),
    [
        ((0, 120), (0, 80), "left half"), ((0, 120), (80, 160), "right half"),
        ((60, 120), (0, 160), "lower half"), ((0, 60), (0, 160), "upper half"),
        ((31, 89), (41, 119), "middle"), ((61, 119), (82, 158), "lower right"),
        ((0, 120), (0, 160), ""), ((30, 90), (0, 160), ""),
    ],
)  # fmt: skip
def test_places_have_names(rows: tuple[int, int], columns: tuple[int, int], where: str) -> None:
    before = np.zeros((120, 160, 3), np.uint8)
    after = before.copy()
    after[slice(*rows), slice(*columns), 1] = 3
    whole, parts = DifferenceMeter(), DifferenceMeter()
    whole.add(before, after)
    for top in range(0, 120, 7):
        parts.add(before[top : top + 7], after[top : top + 7])
    found = whole.difference()
    assert found == parts.difference()
    changed = (rows[1] - rows[0]) * (columns[1] - columns[0])
    assert (found.where, found.share) == (where, changed / 19200)
    assert found.mean_levels_there == pytest.approx(1)


def test_two_levels_are_not_yet_a_change() -> None:
    before = np.full((8, 8, 3), 100, np.uint8)
    for added, share in ((2, 0), (3, 1)):
        change = DifferenceMeter()
        change.add(before, before + np.uint8(added))
        found = change.difference()
        assert (found.share, found.mean_levels) == (share, pytest.approx(added))


def test_a_region_is_compared_alone(restorer_with: Make, photo: Photo) -> None:
    """Not with what was restored around it."""
    restorer = restorer_with(Corner())
    picture = Picture(photo[:120, :160] // 2)
    inside = restorer.restore(picture, region=(0, 0, 8, 8)).difference
    outside = restorer.restore(picture, region=(40, 40, 20, 20))
    assert inside is not None and inside.share == 1
    assert outside.difference is not None and outside.difference.share == 0
    assert "does not differ" in outside.warnings[0]


def test_a_result_that_differs_is_not(restorer_with: Make, photo: Photo) -> None:
    least = 10 ** (-HARDLY / 20) * 1.5
    assert restorer_with(Adds(least)).restore(Picture(photo // 2)).warnings == ()
    small = Picture(photo[:16, :16])
    enlarged = restorer_with(Adds(0.0, 2), 2).restore(small)
    assert (enlarged.warnings, enlarged.difference) == ((), None), "enlarged is different"
    again = restorer_with(Adds(0.1)).restore(small)
    assert again.difference is not None
    assert restorer_with(Adds(0.0, 2), 2).restore(again).difference is None


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("tile", ["whole", 64])
def test_strength_blends_with_the_enlarged_input(
    scale: int, strength: float, tile: str | int, restorer_with: Make, photo: Photo
) -> None:
    given = Picture(0.1 + 0.5 * (photo[:70, :70] / 255).astype(np.float32))
    options = {"strength": strength, "tile": tile}
    restored = restorer_with(Adds(0.2, scale), scale, **options).restore(given).pixels
    base = restorer_with(Adds(0.0, scale), scale, tile=tile).restore(given).pixels
    np.testing.assert_allclose(restored, base + np.float32(0.2 * strength), atol=1e-6)
