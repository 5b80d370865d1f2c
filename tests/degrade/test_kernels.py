"""Kernels of blur, by their moments and by finely sampled shapes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from serpent_cli.degrade.blur import apply_kernels
from serpent_cli.degrade.kernels import (
    STEPS,
    disk_kernels,
    gaussian_kernels,
    lens_kernels,
    motion_kernels,
    shake_kernels,
    splat,
)

Array = NDArray[np.float64]


def one(value: float) -> Tensor:
    return torch.tensor([value])


def moments(kernel: Tensor) -> tuple[float, float, float]:
    """Second moments of a (k, k) kernel about its centre: down, across, mixed."""
    steps = torch.arange(len(kernel), dtype=torch.float64) - len(kernel) // 2
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    weights = kernel.double()

    def mean(of: Tensor) -> float:
        return float((weights * of).sum())

    return mean(down**2), mean(right**2), mean(down * right)


def test_oval_gaussians_have_the_moments_of_their_axes() -> None:
    angle = 0.4
    kernel = gaussian_kernels(one(2.5), one(1.2), one(angle), 25)[0]
    down, right, mixed = moments(kernel)
    cos, sin = math.cos(angle), math.sin(angle)
    assert right == pytest.approx((2.5 * cos) ** 2 + (1.2 * sin) ** 2, rel=2e-3)
    assert down == pytest.approx((2.5 * sin) ** 2 + (1.2 * cos) ** 2, rel=2e-3)
    assert mixed == pytest.approx((2.5**2 - 1.2**2) * cos * sin, rel=2e-3)


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.0, 2.7, 3.5])
def test_disks_cover_pixels_as_finely_sampled_ones_do(radius: float) -> None:
    side, fine = 9, 40
    steps = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = np.hypot(steps[:, None], steps[None, :]) <= radius
    covered = inside.reshape(side, fine, side, fine).mean(axis=(1, 3))
    kernel = disk_kernels(one(radius), side)[0].numpy()
    # The ramp of one pixel along the radius is what coverage is, but for the diagonal edges.
    assert np.abs(kernel - covered / covered.sum()).sum() < 0.12
    down, _, _ = moments(torch.from_numpy(kernel))
    wanted, _, _ = moments(torch.from_numpy(covered / covered.sum()))
    assert down == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 117])
@pytest.mark.parametrize("length", [3.0, 9.0, 13.0])
def test_strokes_are_as_long_and_thin_as_asked(length: float, degrees: float) -> None:
    angle = math.radians(degrees)
    down, right, mixed = moments(motion_kernels(one(length), one(angle), 25)[0])
    cos, sin = math.cos(angle), math.sin(angle)
    along = right * cos**2 + down * sin**2 + 2 * mixed * cos * sin
    across = right * sin**2 + down * cos**2 - 2 * mixed * cos * sin
    assert along == pytest.approx(length**2 / 12, rel=0.15, abs=0.2)
    assert across < 0.3


def test_kernels_average(photos: Tensor) -> None:
    sides = torch.tensor([1.0, 2.0]), torch.tensor([0.6, 3.0]), torch.tensor([0.1, 2.0])
    for kernels in (
        gaussian_kernels(*sides, 25),
        disk_kernels(sides[0], 25),
        motion_kernels(5 * sides[0], sides[2], 25),
    ):
        assert float(kernels.min()) >= 0
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(2))
        torch.testing.assert_close(kernels, kernels.flip(1, 2))
        constant = torch.full((2, 3, 40, 30), 0.37)
        torch.testing.assert_close(apply_kernels(constant, kernels), constant)
        blurred = apply_kernels(photos, kernels)
        assert (blurred.var((1, 2, 3)) < photos.var((1, 2, 3))).all()


def test_each_picture_gets_its_own_kernel(photos: Tensor) -> None:
    kernels = motion_kernels(torch.tensor([5.0, 11.0]), torch.tensor([0.3, 1.9]), 25)
    together = apply_kernels(photos, kernels)
    alone = [apply_kernels(photos[i : i + 1], kernels[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


def lens(radius: float, **changes: float) -> Tensor:
    """One kernel of 41 pixels; without changes a round, even disk."""
    values = {"edge": 0.0, "rim": 0.0, "blades": 2.0, "angle": 0.0, "cut": 0.0, **changes}
    names = ("edge", "rim", "blades", "angle", "cut")
    return lens_kernels(one(radius), *(one(values[name]) for name in names), 41)[0]


def finely_sampled(
    inside: Callable[[Array, Array], Array], side: int = 41, fine: int = 20
) -> Tensor:
    """Coverage of each pixel by a shape on the plane, normalised."""
    side, fine = 41, 20
    steps = (np.arange(side * fine) + 0.5) / fine - side / 2
    covered = inside(steps[:, None], steps[None, :]).reshape(side, fine, side, fine)
    kernel = torch.from_numpy(covered.mean(axis=(1, 3)))
    return kernel / kernel.sum()


@pytest.mark.parametrize("radius", [0.5, 2.0, 9.0])
def test_a_lens_without_faults_is_a_disk(radius: float) -> None:
    torch.testing.assert_close(lens(radius), disk_kernels(one(radius), 41)[0])


@pytest.mark.parametrize("blades", [3, 5, 6, 8])
def test_apertures_are_polygons(blades: int) -> None:
    angle, radius = 0.3, 12.0

    def inside(down: Array, right: Array) -> Array:
        within = np.ones(np.broadcast(down, right).shape)
        for blade in range(blades):  # on the near side of every edge
            normal = angle + (2 * blade + 1) * math.pi / blades
            reach = right * math.cos(normal) + down * math.sin(normal)
            within *= reach <= radius * math.cos(math.pi / blades)
        return within

    kernel = lens(radius, blades=float(blades), angle=angle).double()
    assert float((kernel - finely_sampled(inside)).abs().sum()) < 0.1


def test_a_cat_s_eye_is_what_two_disks_share() -> None:
    radius, cut, angle = 10.0, 0.6, 0.8

    def inside(down: Array, right: Array) -> Array:
        shift = cut * radius
        other = np.hypot(down - shift * math.sin(angle), right - shift * math.cos(angle))
        return ((np.hypot(down, right) <= radius) & (other <= radius)).astype(float)

    kernel = lens(radius, cut=cut, angle=angle).double()
    assert float((kernel - finely_sampled(inside)).abs().sum()) < 0.1


def test_edges_are_soft_or_bright() -> None:
    even, bright, dim, soft = (
        lens(10.0, **changes) for changes in ({}, {"rim": 1.0}, {"rim": -0.5}, {"edge": 0.5})
    )
    at = [(k[20, 29] / k[20, 20]).item() for k in (even, bright, dim)]
    assert at == pytest.approx([1.0, 1 + 0.9**4, 1 - 0.5 * 0.9**4], rel=1e-3)
    assert soft[20, 31] > 0 and even[20, 31] == 0


def test_points_are_shared_by_four_pixels() -> None:
    kernel = splat(torch.tensor([[0.25, 99.0]]), torch.tensor([[-0.5, 0.0]]), 5)[0]
    wanted = torch.zeros(5, 5)
    wanted[2, 1:3], wanted[3, 1:3] = 0.375, 0.125  # the point outside is left out
    torch.testing.assert_close(kernel, wanted)


def shaken(length: float, curl: float, uneven: float, count: int = 40) -> Tensor:
    walk = torch.randn(count, 3, STEPS, generator=torch.Generator().manual_seed(5))
    sizes = (torch.full((count,), value) for value in (length, curl, uneven))
    return shake_kernels(*sizes, walk, 61)


@pytest.mark.parametrize("length", [3.0, 20.0, 45.0])
def test_a_straight_even_trail_is_a_stroke(length: float) -> None:
    for kernel in shaken(length, 0.0, 0.0, count=8):
        down, right, mixed = moments(kernel)
        along = (down + right + math.hypot(down - right, 2 * mixed)) / 2
        # A splat is as wide as a pixel: it adds up to a quarter of a square pixel.
        assert along == pytest.approx(length**2 / 12, rel=0.02, abs=0.3)
        assert down + right - along < 0.3


def test_trails_are_curved_uneven_centred_and_inside() -> None:
    kernels = shaken(45.0, 2.0, 0.8)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(40))
    assert float(kernels.min()) >= 0
    steps = torch.arange(61.0) - 30
    centre = torch.stack(((kernels.sum(2) * steps).sum(1), (kernels.sum(1) * steps).sum(1)))
    assert float(centre.abs().median()) < 1e-3 and float(centre.abs().max()) < 15
    along: list[float] = []
    for kernel in kernels:
        down, right, mixed = moments(kernel)
        spread = (down + right) / 2, math.hypot(down - right, 2 * mixed) / 2
        along.append(spread[0] - spread[1])  # across the trail's longest direction
    assert sorted(along)[20] > 2, "most trails leave the straight line by more than a pixel"
    brightest = kernels.amax((1, 2)) / shaken(45.0, 2.0, 0.0).amax((1, 2))
    assert float(brightest.median()) > 1.3, "a camera that lingers leaves a bright place"
