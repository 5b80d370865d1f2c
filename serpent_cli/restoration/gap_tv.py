"""GAP-TV: reconstructs coded snapshots without weights (Yuan, ICIP 2016, arXiv 1511.03890).

    y' ← y' + (y − Φ x),   x ← TV(x + Φᵀ (ΦΦᵀ)⁻¹ (y' − Φ x))

Generalised alternating projection: each turn moves to the cubes that explain the measurement and
smooths, and adds what smoothing took away to the measurement of the next (the accelerated form).
ΦΦᵀ is diagonal for a coded snapshot.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from serpent_cli.degrade.cassi import STEP, adjoint, gain, measure
from serpent_cli.restoration.total_variation import denoise_tv

TURNS = 50
WEIGHT = 0.1  # λ of the total variation, in units of full scale
PROJECTIONS = 5  # of the total variation in each turn


@torch.no_grad()
def gap_tv(
    measurement: Tensor,
    mask: Tensor,
    bands: int,
    *,
    step: int = STEP,
    turns: int = TURNS,
    weight: float = WEIGHT,
    progress: Callable[[int], object] = lambda turn: None,
) -> Tensor:
    """Reconstruct cubes.

    Args:
        measurement: (B, H, W + d (T − 1)), cubes in [0, 1].
        mask: (H, W), transmission in [0, 1].
        bands: T.
        step: d, pixels from band to band.
        turns: Iterations.
        weight: Of the total variation, in units of full scale.
        progress: Told the number of each turn that is done.

    Returns:
        (B, T, H, W), unclamped.
    """
    whole = gain(mask, bands, step)
    # A pixel of the sensor that no light reaches tells nothing.
    inverse = torch.where(whole > 0, 1 / whole.clamp_min(1e-12), 0.0)
    x = adjoint(measurement * inverse, mask, bands, step)
    gathered_up = torch.zeros_like(measurement)
    for turn in range(turns):
        explained = measure(x, mask, step)
        gathered_up += measurement - explained
        x = x + adjoint((gathered_up - explained) * inverse, mask, bands, step)
        x = denoise_tv(x, weight, PROJECTIONS)
        progress(turn + 1)
    return x
