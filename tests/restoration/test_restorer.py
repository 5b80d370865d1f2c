"""What the Restorer promises of every picture: size, depth, greyness, metadata, progress."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from serpent_cli.errors import DeviceError, UsageError
from serpent_cli.imaging.picture import Picture
from serpent_cli.model.config import ModelConfig
from serpent_cli.restoration.restorer import Restorer

Make = Callable[..., Restorer]
Photo = NDArray[np.uint8]


class Same(nn.Module):
    """The identity, or the enlargement that repeats pixels."""

    def __init__(self, scale: int = 1) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3).clone()


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (17, 1), (33, 47), (16, 32)])
@pytest.mark.parametrize("scale", [1, 8])
def test_any_size_is_exact(
    size: tuple[int, int], scale: int, network_for: Callable[..., nn.Module], card_for: Callable,
    photo: Photo,
) -> None:  # fmt: skip
    config = ModelConfig(widths=(8, 16, 16, 16), scale=scale)
    restorer = Restorer(network_for(config), card_for(config))
    restored = restorer.restore(Picture(photo[: size[0], : size[1]]))
    assert (restored.height, restored.width) == (size[0] * scale, size[1] * scale)
    assert restored.pixels.dtype == np.uint8
    # A young network stays near bicubic: the picture is in place, not shifted or flipped.
    middle = restored.pixels[scale // 2 :: scale, scale // 2 :: scale].astype(int)
    assert np.abs(middle - photo[: size[0], : size[1]]).mean() < 30


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize(("height", "width"), [(70, 90), (96, 33)])
def test_tiles_are_as_good_as_the_whole(
    scale: int, height: int, width: int, blur_network: Callable[..., nn.Module],
    restorer_with: Make, photo: Photo,
) -> None:  # fmt: skip
    picture = Picture(photo[:height, :width].astype(np.float32) / 255)
    network = blur_network(scale)
    whole = restorer_with(network, scale, tile="whole").restore(picture)
    tiled = restorer_with(network, scale, tile=40)
    assert tiled.plan(height, width).tiles > 1
    np.testing.assert_allclose(tiled.restore(picture).pixels, whole.pixels, atol=1e-5)


def test_tiles_without_enough_overlap_are_seen(
    blur_network: Callable[..., nn.Module], restorer_with: Make, photo: Photo
) -> None:
    picture = Picture(photo.astype(np.float32) / 255)
    whole = restorer_with(blur_network(), tile="whole").restore(picture)
    tiled = restorer_with(blur_network(), margin=0, tile=40).restore(picture)
    assert np.abs(tiled.pixels - whole.pixels).max() > 1e-3, "the tests above could not fail"


@pytest.mark.parametrize("tile", ["whole", 64])
def test_grey_stays_grey(
    tile: str | int, network_for: Callable[..., nn.Module], card_for: Callable, photo: Photo
) -> None:
    config = ModelConfig(widths=(8, 16, 16, 16))
    restorer = Restorer(network_for(config), card_for(config), tile=tile)
    plane = np.repeat(photo[..., :1], 3, axis=2)
    coloured = restorer.restore(Picture(plane))
    assert np.ptp(coloured.pixels.astype(int), axis=2).max() > 0, "the network itself colours"
    restored = restorer.restore(Picture(plane, grey=True))
    assert restored.grey
    assert np.ptp(restored.pixels, axis=2).max() == 0
    assert np.ptp(restored.pixels) > 50


@pytest.mark.parametrize("tile", ["whole", 32])
@pytest.mark.parametrize(("dtype", "most"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_depth_is_kept_to_the_last_level(
    tile: str | int, dtype: str, most: int, restorer_with: Make
) -> None:
    samples = np.random.default_rng(0).random((50, 41, 3)) * most
    samples[0, 0], samples[0, 1] = 0, most
    picture = Picture(np.rint(samples).astype(dtype) if most > 1 else samples.astype(dtype))
    restored = restorer_with(Same(), tile=tile).restore(picture)
    assert restored.pixels.dtype == dtype
    np.testing.assert_allclose(restored.pixels, picture.pixels, atol=1e-6 if most == 1 else 0)


def test_values_out_of_range_are_clamped(restorer_with: Make, photo: Photo) -> None:
    class Brighter(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 4 * x - 1.5

    restored = restorer_with(Brighter()).restore(Picture(photo)).pixels
    expected = np.clip(4 * (photo / 255) - 1.5, 0, 1) * 255
    assert np.abs(restored - expected).max() <= 0.51


def test_what_lies_beside_the_pixels_is_carried_through(restorer_with: Make, photo: Photo) -> None:
    picture = Picture(photo, icc=b"profile", exif=b"MM", xmp=b"<x/>", dpi=(300, 200), format="PNG")
    restored = restorer_with(Same()).restore(picture)
    warnings = restored.warnings  # that nothing has changed
    kept = {entry.name: getattr(restored, entry.name) for entry in dataclasses.fields(Picture)}
    wanted = dataclasses.replace(picture, pixels=restored.pixels, warnings=warnings)
    assert Picture(**kept) == wanted
    assert restored.pixels is not picture.pixels


@pytest.mark.parametrize("transparent", [False, True])
def test_tiles_are_counted_to_the_end(transparent: bool, restorer_with: Make, photo: Photo) -> None:
    alpha = photo[..., 0] if transparent else None
    restorer, calls = restorer_with(Same(), tile=40), list[tuple[int, int]]()
    restorer.restore(Picture(photo, alpha), on_tile=lambda *call: calls.append(call))
    total = restorer.plan(*photo.shape[:2]).tiles * (2 if transparent else 1)
    assert calls == [(done, total) for done in range(total + 1)]


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("region", [(0, 0, 1, 1), (41, 33, 30, 20), (100, 80, 20, 16)])
def test_a_region_is_cut_from_the_whole(
    scale: int, region: tuple[int, int, int, int], blur_network: Callable[..., nn.Module],
    restorer_with: Make, photo: Photo,
) -> None:  # fmt: skip
    restorer = restorer_with(blur_network(scale), scale)
    picture = Picture(photo, photo[..., 1].copy())
    x, y, w, h = (scale * value for value in region)
    whole, part = restorer.restore(picture), restorer.restore(picture, region=region)
    np.testing.assert_array_equal(part.pixels, whole.pixels[y : y + h, x : x + w])
    assert part.alpha is not None
    assert whole.alpha is not None
    np.testing.assert_array_equal(part.alpha, whole.alpha[y : y + h, x : x + w])


@pytest.mark.parametrize(
    "region", [(0, 0, 121, 10), (0, 90, 5, 7), (120, 0, 1, 1), (-1, 0, 5, 5), (3, 3, 0, 5)]
)
def test_regions_outside_are_refused(
    region: tuple[int, int, int, int], restorer_with: Make, photo: Photo
) -> None:
    with pytest.raises(UsageError, match="does not lie in the 120 x 96 picture"):
        restorer_with(Same()).restore(Picture(photo), region=region)


def test_a_region_needs_less_than_the_whole(restorer_with: Make, photo: Photo) -> None:
    large = np.tile(photo, (6, 6, 1))
    sizes: list[int] = []

    class Counts(Same):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            sizes.append(x.shape[-2] * x.shape[-1])
            return super().forward(x)

    # A scan sees without end: its measured margin may be as wide as the picture.
    restorer = restorer_with(Counts(), margin=5000)
    part = restorer.restore(Picture(large), region=(300, 250, 40, 30)).pixels
    np.testing.assert_array_equal(part, large[250:280, 300:340])
    assert sum(sizes) <= (40 + 2 * 136) * (30 + 2 * 136)


def test_weights_are_loaded_by_path(make_weights: Callable[..., Path], photo: Photo) -> None:
    path = make_weights(scale=2)
    restorer = Restorer.from_pretrained(str(path), device="cpu")
    assert restorer.scale == 2
    assert restorer.card.name == "tiny"
    assert restorer.restore(Picture(photo[:20, :30])).pixels.shape == (40, 60, 3)
    assert restorer.seconds_per_megapixel() > 0
    with pytest.raises(DeviceError):
        Restorer.from_pretrained(str(path), device="cuda:99")
