"""Strength, and the word that is said when nothing changes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio
from torch import nn

from serpent_cli.imaging.picture import Picture
from serpent_cli.model.unet import enlarge
from serpent_cli.restoration.change import HARDLY, Change
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
    whole, parts, none = Change(), Change(), Change()
    whole.add(a, b)
    parts.add(a[:3], b[:3])
    parts.add(a[3:], b[3:])
    none.add(a, a.copy())
    assert whole.likeness == expected
    assert parts.likeness == expected
    assert none.likeness == float("inf")


@pytest.mark.parametrize(("added", "said"), [(0.0, "does not differ"), (0.002, "hardly differs")])
def test_a_result_like_its_input_is_announced(
    added: float, said: str, restorer_with: Make, photo: Photo
) -> None:
    picture = Picture(photo // 2, warnings=("read so",))
    restored = restorer_with(Adds(added)).restore(picture)
    assert restored.warnings[0] == "read so"
    assert said in restored.warnings[1]


def test_a_result_that_differs_is_not(restorer_with: Make, photo: Photo) -> None:
    least = 10 ** (-HARDLY / 20) * 1.5
    assert restorer_with(Adds(least)).restore(Picture(photo // 2)).warnings == ()
    small = Picture(photo[:16, :16])
    assert restorer_with(Adds(0.0, 2), 2).restore(small).warnings == (), "enlarged is different"


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
