"""Noise, from an explicit generator."""

import torch
from torch import Tensor

MIDDLE_GREY = 0.25  # of full scale, between linear light's 0.21 and what half of sRGB's values mean


def add_gaussian_noise(x: Tensor, std: Tensor | float, generator: torch.Generator) -> Tensor:
    """Add iid Gaussian noise to (B, 3, H, W); not clipped.

    Args:
        x: Pictures, on any device; the noise is drawn on the generator's.
        std: Standard deviation in units of full scale, one for all or (B).
        generator: The only source of randomness.
    """
    noise = torch.randn(x.shape, generator=generator, device=generator.device).to(x.device)
    level = torch.as_tensor(std, device=x.device, dtype=x.dtype)
    return x + noise * (level.view(-1, 1, 1, 1) if level.ndim else level)


def sensor_noise(
    x: Tensor, std: Tensor, shot: Tensor, grain: Tensor, tint: Tensor, generator: torch.Generator
) -> Tensor:
    """Add the noise of a sensor to light: of reading it, and of counting photons; not clipped.

    Counts are many enough for a normal distribution with their mean as variance (Foi et al. 2008).

    Args:
        x: (B, 3, H, W); sRGB values, or linear light.
        std: (B), standard deviation at middle grey, in units of full scale.
        shot: (B), share of its variance there that grows with the light.
        grain: (B), sigma in pixels of the Gaussian that spreads each sample's noise over its
            neighbours, as demosaicking does; 0 keeps samples independent.
        tint: (B), share of the variance that the three colours have in common.
        generator: Draws the samples, best on the device of `x`.
    """
    count, _, height, width = x.shape
    field = torch.randn(count, 4, height, width, generator=generator, device=generator.device)
    field = field.to(x.device)
    level, photons, common = (v.view(-1, 1, 1, 1) for v in (std, shot, tint))
    noise = field[:, :3] * (1 - common).sqrt() + field[:, 3:] * common.sqrt()
    spread = x.clamp_min(0) / MIDDLE_GREY
    return x + _grained(noise, grain) * level * (1 - photons + photons * spread).sqrt()


def _grained(noise: Tensor, sigma: Tensor) -> Tensor:
    """Noise (B, 3, H, W) whose neighbours agree, at the variance that it had."""
    step = (-0.5 / sigma.clamp_min(1e-3) ** 2).exp().view(-1, 1, 1, 1)  # the neighbour's weight
    scale = (1 + 2 * step**2).sqrt()
    for axis in (-1, -2):
        noise = (noise + step * (noise.roll(1, axis) + noise.roll(-1, axis))) / scale
    return noise
