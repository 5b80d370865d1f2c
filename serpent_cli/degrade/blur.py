"""Blur: kernels of optics and motion, and their application with a reflected border.

Kernels are (B, k, k), k odd, non-negative, with sum 1. Pictures are (B, 3, H, W), any range.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

TRUNCATE = 4.0  # a Gaussian is cut off at this many standard deviations


def _offsets(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Distances in pixels from the centre of a (side, side) kernel: down, right."""
    steps = torch.arange(side, device=like.device, dtype=torch.float32) - side // 2
    return steps[:, None], steps[None, :]


def _column(values: Tensor) -> Tensor:
    return values[:, None, None]


def _normalised(kernels: Tensor) -> Tensor:
    return kernels / kernels.sum(dim=(1, 2), keepdim=True)


def gaussian_kernels(sigma: Tensor, sigma_across: Tensor, angle: Tensor, side: int) -> Tensor:
    """Gaussians (B, side, side), round where both sigma are equal.

    Args:
        sigma: (B), standard deviation along the first axis, in pixels.
        sigma_across: (B), along the other.
        angle: (B), of the first axis against the rows, in radians.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, sigma)
    cos, sin = _column(angle.cos()), _column(angle.sin())
    along, across = cos * right + sin * down, cos * down - sin * right
    exponent = (along / _column(sigma)) ** 2 + (across / _column(sigma_across)) ** 2
    return _normalised(torch.exp(-exponent / 2))


def disk_kernels(radius: Tensor, side: int) -> Tensor:
    """Disks (B, side, side) of a lens out of focus; the edge falls off over one pixel.

    Args:
        radius: (B), in pixels.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, radius)
    distance = torch.hypot(down.expand(side, side), right.expand(side, side))
    return _normalised((_column(radius) + 0.5 - distance).clamp(0, 1))


def motion_kernels(length: Tensor, angle: Tensor, side: int) -> Tensor:
    """Straight strokes (B, side, side) of a moving camera, about one pixel wide.

    Args:
        length: (B), in pixels.
        angle: (B), against the rows, in radians.
        side: Odd side of the kernels.
    """
    down, right = _offsets(side, length)
    cos, sin = _column(angle.cos()), _column(angle.sin())
    along, across = cos * right + sin * down, cos * down - sin * right
    ends = (_column(length) / 2 + 0.5 - along.abs()).clamp(0, 1)
    return _normalised(ends * (1 - across.abs()).clamp(0, 1))


def _fft_length(least: int) -> int:
    """The next even length without prime factors above 5, which transforms fast."""

    def rest(length: int) -> int:
        for factor in (2, 3, 5):
            while length % factor == 0:
                length //= factor
        return length

    return next(n for n in range(least + least % 2, 2 * least + 3, 2) if rest(n) == 1)


def apply_kernels(x: Tensor, kernels: Tensor) -> Tensor:
    """Convolve every picture of (B, 3, H, W) with its own kernel; the border is reflected.

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
    padded = functional.pad(x, (radius,) * 4, mode="reflect")
    size = _fft_length(height + 2 * radius), _fft_length(width + 2 * radius)
    spectrum = torch.fft.rfft2(padded, s=size).mul_(torch.fft.rfft2(kernels[:, None], s=size))
    blurred = torch.fft.irfft2(spectrum, s=size)
    return blurred[
        ..., 2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width
    ].contiguous()


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


def motion_blur(x: Tensor, length: float, angle: float) -> Tensor:
    """Blur (B, 3, H, W) by a straight stroke of `length` pixels, `angle` radians to the rows."""
    side = 2 * math.ceil(length / 2 + 0.5) + 1
    lengths, angles = x.new_full((len(x),), length), x.new_full((len(x),), angle)
    return apply_kernels(x, motion_kernels(lengths, angles, side))
