"""A coded-aperture snapshot (CASSI): all bands of a scene in one exposure.

    Y[h, w + d k] = Σ_k M[h, w] X_k[h, w]        (Wagadarikar et al., Applied Optics 2008)

The mask M codes the scene, a prism moves band k by d·k pixels to the right, and the sensor adds all
bands up. The measurement is as wide as the scene and d (T − 1) pixels more.
"""

import torch
from torch import Tensor
from torch.nn import functional

STEP = 2
"""d, pixels from band to band, of the published simulations (Meng et al., ECCV 2020)."""

WAVELENGTHS = (
    453.5, 457.5, 462.0, 466.0, 471.5, 476.5, 481.5, 487.0, 492.5, 498.0, 504.0, 510.0, 516.0,
    522.5, 529.5, 536.5, 544.0, 551.5, 558.5, 567.5, 575.5, 584.5, 594.5, 604.0, 614.5, 625.0,
    636.5, 648.0,
)  # fmt: skip
"""Of their 28 bands, in nanometres."""


def measured_width(width: int, bands: int, step: int = STEP) -> int:
    """Columns of the measurement of a scene so wide."""
    return width + step * (bands - 1)


def bands_in(measured: int, width: int, step: int = STEP) -> int | None:
    """How many bands a measurement so wide is the sum of; None where no number fits.

    Args:
        measured: Its columns.
        width: Columns of the mask.
        step: d.

    >>> bands_in(310, 256)
    28
    """
    more, rest = divmod(measured - width, step)
    return more + 1 if more >= 0 and rest == 0 else None


def spread(cube: Tensor, step: int = STEP) -> Tensor:
    """Move band k of (B, T, H, W) by d·k pixels: (B, T, H, W + d (T − 1)), zero around it."""
    b, t, h, w = cube.shape
    moved = cube.new_zeros(b, t, h, measured_width(w, t, step))
    for k in range(t):
        moved[:, k, :, step * k : step * k + w] = cube[:, k]
    return moved


def gathered(measurement: Tensor, bands: int, step: int = STEP) -> Tensor:
    """What of (B, H, W + d (T − 1)) lies where each band was moved to: (B, T, H, W).

    The transpose of moving and adding up.
    """
    width = measurement.shape[-1] - step * (bands - 1)
    return measurement.unfold(-1, width, step).transpose(1, 2)


def measure(cube: Tensor, mask: Tensor, step: int = STEP) -> Tensor:
    """Take the snapshot of scenes.

    Args:
        cube: (B, T, H, W), any range.
        mask: (H, W), or one for each scene (B, H, W); transmission in [0, 1].
        step: d, pixels from band to band.

    Returns:
        (B, H, W + d (T − 1)), without noise.
    """
    _, t, _, w = cube.shape
    # Rows that follow each other, each d numbers longer than the measurement, move by d a row.
    rows = functional.pad(cube * mask.unsqueeze(-3), (0, step * t)).transpose(1, 2).flatten(2)
    return rows[..., : -step * t].unflatten(2, (t, measured_width(w, t, step))).sum(2)


def adjoint(measurement: Tensor, mask: Tensor, bands: int, step: int = STEP) -> Tensor:
    """The transpose of `measure`: (B, H, W + d (T − 1)) to (B, T, H, W)."""
    return gathered(measurement, bands, step) * mask.unsqueeze(-3)


def gain(mask: Tensor, bands: int, step: int = STEP) -> Tensor:
    """The diagonal of measure ∘ adjoint, Σ_k M²[h, w − d k], which is all it has.

    (H, W + d (T − 1)) of one mask (H, W), (B, H, W + d (T − 1)) of several.
    """
    several = mask if mask.ndim == 3 else mask[None]
    whole = measure(several.unsqueeze(1).expand(-1, bands, -1, -1), several, step)
    return whole if mask.ndim == 3 else whole[0]


def shift_back(measurement: Tensor, mask: Tensor, bands: int, step: int = STEP) -> Tensor:
    """The least cube (B, T, H, W) that explains a measurement: adjoint of Y over the gain."""
    whole = gain(mask, bands, step)
    # Where no light came through, nothing is known.
    scaled = torch.where(whole > 0, measurement / whole.clamp_min(1e-12), 0.0)
    return adjoint(scaled, mask, bands, step)


def network_input(measurement: Tensor, bands: int, step: int = STEP) -> Tensor:
    """What published networks take beside the mask: Y · 2 / T, moved back; (B, T, H, W)."""
    return gathered(measurement * (2 / bands), bands, step)


def measurement_of(shifted: Tensor, step: int = STEP) -> Tensor:
    """The measurement (B, H, W + d (T − 1)) that `network_input` moved: the mean of its copies."""
    _, bands, height, width = shifted.shape
    everywhere = shifted.new_ones(height, width)
    copies = gain(everywhere, bands, step).clamp_min(1)
    return measure(shifted, everywhere, step) / copies * (bands / 2)
