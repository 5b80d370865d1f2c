"""Pictures with alpha: restored beside the colours, without halos."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor, nn

from serpent_cli.imaging.picture import Picture
from serpent_cli.restoration.restorer import Restorer

Make = Callable[..., Restorer]
Network = Callable[..., nn.Module]
Photo = NDArray[np.uint8]


class Counting(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.calls = network, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.network(x)


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_constant_alpha_stays_as_it_is(
    scale: int, value: int, blur_network: Network, restorer_with: Make, photo: Photo
) -> None:
    network = Counting(blur_network(scale))
    alpha = np.full(photo.shape[:2], value, np.uint8)
    restored = restorer_with(network, scale).restore(Picture(photo, alpha))
    assert restored.alpha is not None
    assert restored.alpha.shape == restored.pixels.shape[:2]
    assert (restored.alpha == value).all()
    assert network.calls == 1, "a constant plane needs no network"
    opaque = restorer_with(blur_network(scale), scale).restore(Picture(photo))
    np.testing.assert_array_equal(restored.pixels, opaque.pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_varied_alpha_is_restored_as_a_grey_picture(
    dtype: str, blur_network: Network, restorer_with: Make, photo: Photo
) -> None:
    most = {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]
    pixels = (photo / 255 * most).astype(dtype)
    alpha = np.ascontiguousarray(pixels[::-1, :, 1])
    restorer = restorer_with(blur_network())
    restored = restorer.restore(Picture(pixels, alpha))
    expected = restorer.restore(Picture(np.repeat(alpha[..., None], 3, axis=2), grey=True))
    assert restored.alpha is not None
    assert restored.alpha.dtype == dtype
    np.testing.assert_allclose(restored.alpha, expected.pixels[..., 0], atol=1e-6 * most)


@pytest.mark.parametrize("hidden", [(255, 255, 255), (0, 0, 0), (0, 255, 0)])
@pytest.mark.parametrize("tile", ["whole", 32])
def test_hidden_colours_do_not_leak_into_visible_ones(
    hidden: tuple[int, int, int], tile: str | int, blur_network: Network, restorer_with: Make
) -> None:
    pixels = np.full((80, 80, 3), hidden, np.uint8)
    alpha = np.zeros((80, 80), np.uint8)
    pixels[25:60, 25:60], alpha[25:60, 25:60] = (220, 30, 40), 255
    restored = restorer_with(blur_network(), tile=tile).restore(Picture(pixels, alpha))
    assert restored.alpha is not None
    visible = restored.alpha > 0
    assert 35 * 35 < visible.sum() < 45 * 45, "the edge is soft, and where it was"
    fringe = np.abs(restored.pixels[visible].astype(int) - (220, 30, 40)).max()
    assert fringe <= 1, "no halo"
    careless = restorer_with(blur_network()).restore(Picture(pixels)).pixels
    assert np.abs(careless[25, 25].astype(int) - (220, 30, 40)).max() > 10, "blind to alpha: halo"
