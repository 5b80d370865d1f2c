"""Light: from sRGB's values to what a lens and a sensor see, and back."""

import torch
from torch import Tensor


def to_linear(x: Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1); white is 1."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(x: Tensor) -> Tensor:
    """SRGB values of linear light, clipped to [0, 1]: what lies beyond white is white."""
    x = x.clamp(0, 1)
    return torch.where(
        x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    )


def brighten_highlights(x: Tensor, gain: Tensor) -> Tensor:
    """Give back to linear light what clipping took from lamps, suns and reflections.

    A file says white and no more; the light that a lens spreads was many times as bright.

    Args:
        x: (B, 3, H, W), linear light in [0, 1].
        gain: (B), at least 1: how much brighter than white the brightest places become.
    """
    bright = ((x.amin(1, keepdim=True) - 0.75) / 0.25).clamp(0, 1)  # only what is nearly white
    return x * (1 + (gain.view(-1, 1, 1, 1) - 1) * bright**2)
