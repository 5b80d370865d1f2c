import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from serpent_cli.degrade import blur


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


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.6, 2.4, 3.0])
def test_gaussian_blur_is_scipys(photos: Tensor, sigma: float) -> None:
    ours = blur.gaussian_blur(photos, sigma).numpy()
    size = (0, 0, sigma, sigma)
    radius = math.ceil(4 * sigma)
    theirs = ndimage.gaussian_filter(photos.numpy(), size, mode="mirror", radius=radius)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("shape", [(5, 40), (64, 9), (37, 53)])
def test_kernels_are_applied_as_scipy_convolves(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(3, 3, *shape, generator=generator)
    kernels = torch.rand(3, 9, 9, generator=generator)  # without any symmetry
    ours = blur.apply_kernels(x, kernels)
    for picture, kernel, result in zip(x.numpy(), kernels.numpy(), ours.numpy(), strict=True):
        for plane, blurred in zip(picture, result, strict=True):
            theirs = ndimage.convolve(plane.astype(float), kernel, mode="mirror")
            np.testing.assert_allclose(blurred, theirs, atol=3e-5)


def test_oval_gaussians_have_the_moments_of_their_axes() -> None:
    angle = 0.4
    kernel = blur.gaussian_kernels(one(2.5), one(1.2), one(angle), 25)[0]
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
    kernel = blur.disk_kernels(one(radius), side)[0].numpy()
    # The ramp of one pixel along the radius is what coverage is, but for the diagonal edges.
    assert np.abs(kernel - covered / covered.sum()).sum() < 0.12
    down, _, _ = moments(torch.from_numpy(kernel))
    wanted, _, _ = moments(torch.from_numpy(covered / covered.sum()))
    assert down == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 117])
@pytest.mark.parametrize("length", [3.0, 9.0, 13.0])
def test_strokes_are_as_long_and_thin_as_asked(length: float, degrees: float) -> None:
    angle = math.radians(degrees)
    down, right, mixed = moments(blur.motion_kernels(one(length), one(angle), 25)[0])
    cos, sin = math.cos(angle), math.sin(angle)
    along = right * cos**2 + down * sin**2 + 2 * mixed * cos * sin
    across = right * sin**2 + down * cos**2 - 2 * mixed * cos * sin
    assert along == pytest.approx(length**2 / 12, rel=0.15, abs=0.2)
    assert across < 0.3


def test_kernels_average(photos: Tensor) -> None:
    sides = torch.tensor([1.0, 2.0]), torch.tensor([0.6, 3.0]), torch.tensor([0.1, 2.0])
    for kernels in (
        blur.gaussian_kernels(*sides, 25),
        blur.disk_kernels(sides[0], 25),
        blur.motion_kernels(5 * sides[0], sides[2], 25),
    ):
        assert float(kernels.min()) >= 0
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(2))
        torch.testing.assert_close(kernels, kernels.flip(1, 2))
        constant = torch.full((2, 3, 40, 30), 0.37)
        torch.testing.assert_close(blur.apply_kernels(constant, kernels), constant)
        blurred = blur.apply_kernels(photos, kernels)
        assert (blurred.var((1, 2, 3)) < photos.var((1, 2, 3))).all()


def test_each_picture_gets_its_own_kernel(photos: Tensor) -> None:
    kernels = blur.motion_kernels(torch.tensor([5.0, 11.0]), torch.tensor([0.3, 1.9]), 25)
    together = blur.apply_kernels(photos, kernels)
    alone = [blur.apply_kernels(photos[i : i + 1], kernels[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_named_blurs_are_their_kernels(photos: Tensor) -> None:
    disks = blur.disk_kernels(torch.tensor([2.0, 2.0]), 25)
    torch.testing.assert_close(
        blur.disk_blur(photos, 2.0), blur.apply_kernels(photos, disks), atol=2e-6, rtol=0
    )
    strokes = blur.motion_kernels(torch.tensor([9.0, 9.0]), torch.tensor([0.5, 0.5]), 25)
    torch.testing.assert_close(
        blur.motion_blur(photos, 9.0, 0.5), blur.apply_kernels(photos, strokes), atol=2e-6, rtol=0
    )


def test_a_level_stroke_moves_along_the_rows() -> None:
    rows = torch.zeros(1, 3, 41, 41)
    rows[..., 20, 20] = 1
    blurred = blur.motion_blur(rows, 7.0, 0.0)[0, 0]
    assert float(blurred[20].sum()) == pytest.approx(1, abs=1e-5)
    assert int((blurred[20] > 0.1).sum()) == 7


def test_a_picture_smaller_than_the_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="5 x 40 picture cannot be reflected by 12"):
        blur.apply_kernels(torch.rand(1, 3, 5, 40), torch.rand(1, 25, 25))
