"""Blur: kernels applied to pictures, with a reflected border, and what sharpens again.

Pictures are (B, 3, H, W), any range; kernels are (B, k, k) as in `kernels`.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.degrade.kernels import (
    TRUNCATE,
    disk_kernels,
    gaussian_kernels,
)


def _fft_length(least: int) -> int:
    """The next even length without prime factors above 5, which transforms fast."""

    def rest(length: int) -> int:
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        return length

    return next(n for n in range(least + least % 2, 2 * least + 3, 2) if rest(n) == 1)


def apply_kernels(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolve every picture of (B, C, H, W) with its own kernel; the border is reflected.

    By FFT: on a CPU cheaper than a direct convolution from about 9 x 9 on.

    Args:
        x: Pictures, float32.
        kernels: (B, k, k), k odd.

    Raises:
        ValueError: A picture is too small to be reflected by half a kernel.
    """
    radius = kernels.shape[-1] // 2
    height, width = x.shape[-2:]
    if min(height, width) <= radius:
        raise ValueError(f"a {height} x {width} picture cannot be reflected by {radius} pixels")
    return convolve(functional.pad(x, (radius,) * 4, mode="reflect"), kernels)


def convolve(x: Tensor, kernels: Tensor) -> Tensor:
    """The whole windows alone of each picture and its kernel: (B, C, H - k + 1, W - k + 1)."""
    side = kernels.shape[-1]
    height, width = x.shape[-2:]
    size = _fft_length(height), _fft_length(width)
    spectrum = torch.fft.rfft2(x, s=size).mul_(torch.fft.rfft2(kernels[:, None], s=size))
    # What wraps around falls into the rows and columns that no whole window reaches.
    return torch.fft.irfft2(spectrum, s=size)[..., side - 1 : height, side - 1 : width].contiguous()


def unsharp_mask(x: Tensor, amount: Tensor, sigma: float = 1.0) -> Tensor:
    """Sharpen as cameras do: add `amount` (B) times what a Gaussian of `sigma` takes away."""
    return x + amount.view(-1, 1, 1, 1) * (x - gaussian_blur(x, sigma))


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blur (B, 3, H, W) by a round Gaussian of `sigma` > 0 pixels, cut off at 4 sigma.

    >>> gaussian_blur(torch.ones(1, 3, 9, 9), 1.0).mean().round(decimals=4)
    tensor(1.)
    """
    side = 2 * math.ceil(TRUNCATE * sigma) + 1
    width = x.new_full((len(x),), sigma)
    return apply_kernels(x, gaussian_kernels(width, width, torch.zeros_like(width), side))


def disk_blur(x: Tensor, radius: float) -> Tensor:
    """Blur (B, 3, H, W) by a disk of `radius` pixels."""
    side = 2 * math.ceil(radius + 0.5) + 1
    return apply_kernels(x, disk_kernels(x.new_full((len(x),), radius), side))
