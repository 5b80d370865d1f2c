"""How far a backend may be from the reference in float64: the one table, for every backend.

A distance is the largest error relative to the largest value of the same tensor. Inputs are first
rounded to their type, so that only the backend's own arithmetic and its last rounding count.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """Largest relative distance of outputs and of gradients."""

    output: float
    gradient: float


TOLERANCES = {
    torch.float64: Tolerance(output=1e-12, gradient=1e-12),
    torch.float32: Tolerance(output=2e-6, gradient=1e-5),
    torch.bfloat16: Tolerance(output=4e-3, gradient=4e-3),  # a unit in the last of 8 bits
    torch.float16: Tolerance(output=5e-4, gradient=5e-4),  # half of one in the last of 11 bits
}


def distance(measured: Tensor, expected: Tensor) -> float:
    """Largest error relative to the largest expected value; NaN wherever either is NaN."""
    error = (measured.double() - expected.double()).abs().max()
    return (error / expected.double().abs().max().clamp_min(1e-30)).item()
