"""Noise of the sensor, from an explicit generator."""

import hashlib

import torch
from torch import Tensor


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


def generator_for(name: str) -> torch.Generator:
    """A CPU generator seeded by a file name: the same picture gets the same noise anywhere."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(seed)
