import math

import numpy as np
import pytest
import torch
from scipy import ndimage, signal
from torch import Tensor

from serpent_cli.degrade import blur
from serpent_cli.degrade.kernels import disk_kernels, motion_kernels


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


def test_a_blur_by_a_disk_is_its_kernels(photos: Tensor) -> None:
    disks = disk_kernels(torch.tensor([2.0, 2.0]), 25)
    torch.testing.assert_close(
        blur.disk_blur(photos, 2.0), blur.apply_kernels(photos, disks), atol=2e-6, rtol=0
    )


def test_a_level_stroke_moves_along_the_rows() -> None:
    rows = torch.zeros(1, 3, 41, 41)
    rows[..., 20, 20] = 1
    stroke = motion_kernels(torch.tensor([7.0]), torch.tensor([0.0]), 9)
    blurred = blur.apply_kernels(rows, stroke)[0, 0]
    assert float(blurred[20].sum()) == pytest.approx(1, abs=1e-5)
    assert int((blurred[20] > 0.1).sum()) == 7


def test_a_picture_smaller_than_the_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="5 x 40 picture cannot be reflected by 12"):
        blur.apply_kernels(torch.rand(1, 3, 5, 40), torch.rand(1, 25, 25))


@pytest.mark.parametrize("side", [3, 8, 25])
def test_whole_windows_are_scipys(side: int) -> None:
    generator = torch.Generator().manual_seed(3)
    side += side % 2 == 0
    x, kernels = torch.rand(2, 4, 40, 37, generator=generator), torch.rand(2, side, side)
    ours = blur.convolve(x, kernels)
    for picture, kernel, result in zip(x.numpy(), kernels.numpy(), ours.numpy(), strict=True):
        for plane, blurred in zip(picture, result, strict=True):
            theirs = signal.convolve2d(plane, kernel, mode="valid")
            np.testing.assert_allclose(blurred, theirs, rtol=1e-4)


def test_sharpening_adds_what_scipys_gaussian_takes_away(photos: Tensor) -> None:
    ours = blur.unsharp_mask(photos, torch.tensor([0.7, 0.2]), 1.5).numpy()
    x = photos.double().numpy()
    soft = ndimage.gaussian_filter(x, (0, 0, 1.5, 1.5), mode="mirror", radius=6)
    theirs = x + np.array([0.7, 0.2]).reshape(2, 1, 1, 1) * (x - soft)
    np.testing.assert_allclose(ours, theirs, atol=2e-6)
