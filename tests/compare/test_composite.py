"""Three bands of two cubes as colours."""

import doctest

import numpy as np
import pytest

from serpent_cli.compare import composite
from serpent_cli.compare.composite import composites, spread_bands, visible_bands
from serpent_cli.cubes.cube import Cube


def test_the_nearest_bands_are_taken() -> None:
    assert visible_bands(tuple(np.linspace(400, 700, 31))) == (25, 15, 5)
    assert visible_bands((700.0, 640.0, 560.0, 470.0)) == (1, 2, 3)


@pytest.mark.parametrize(
    "wavelengths",
    [None, (1000.0, 1500.0, 2000.0), (450.0, 550.0), (440.0, 545.0, 580.0), (701.0, 550.0, 450.0)],
)
def test_what_is_not_visible_has_no_colours_of_its_own(
    wavelengths: tuple[float, ...] | None,
) -> None:
    assert visible_bands(wavelengths) is None


@pytest.mark.parametrize(("count", "bands"), [(1, (0, 0, 0)), (2, (1, 1, 0)), (3, (2, 1, 0))])
def test_few_bands_are_spread_too(count: int, bands: tuple[int, int, int]) -> None:
    assert spread_bands(count) == bands


def test_equal_samples_look_equal() -> None:
    """The stretch is that of both: 1 % below and 1 % above, in each band."""
    ramp = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    first = Cube(np.stack([ramp, 10 * ramp, ramp - 500]))
    second = Cube(np.stack([ramp + 5000, 10 * ramp, ramp - 500]))
    before, after = composites(first, second, (0, 1, 2))
    pooled = np.concatenate([first.planes[0].ravel(), second.planes[0].ravel()])
    low, high = np.quantile(pooled, (0.01, 0.99))
    for picture, cube in ((before, first), (after, second)):
        expected = np.clip((cube.planes[0] - low) / (high - low), 0, 1) * 255
        assert np.abs(picture.pixels[..., 0] - expected).max() <= 0.51
        assert picture.alpha is None
    assert np.array_equal(before.pixels[..., 1], after.pixels[..., 1])
    assert np.array_equal(before.pixels[50:, :, 0], after.pixels[:50, :, 0])
    assert (before.pixels[..., 2] == before.pixels[..., 1]).all()


def test_what_has_no_data_is_transparent() -> None:
    planes = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    planes[1, 2, 3] = -1
    before, after = composites(Cube(planes), Cube(planes, nodata=-1), (0, 1, 2))
    assert before.alpha is None
    assert after.alpha is not None
    assert list(zip(*np.nonzero(after.alpha == 0), strict=True)) == [(2, 3)]


def test_a_band_without_a_difference_is_black_and_a_lone_light_is_seen() -> None:
    planes = np.zeros((3, 40, 40), np.uint16)
    planes[0] = 7
    planes[1, 3, 3] = 9
    before, _ = composites(Cube(planes), Cube(planes), (0, 1, 2))
    assert before.pixels[..., 1].sum() == 255
    assert not before.pixels[..., [0, 2]].any()


def test_examples() -> None:
    assert doctest.testmod(composite).failed == 0
