"""A first estimate from coded snapshots: the Wiener filter of smooth pictures and smooth spectra.

    x = μ + C Φᵀ (Φ C Φᵀ + σ²)⁻¹ (y − Φ μ)

μ is an even grey as bright as the snapshot y. C is how a scene varies about it: between pixels by
the power spectrum K(f) = 1 / (f² + f₀²)^{3/2}, which falls a little faster than that of photographs
(Field 1987); between bands k and l by

    S_kl = (1 + exp(−(k − l)² / 2 τ²)) / 2,   half of it brightness alone.

A second pass takes most of S from how the bands of the first one's estimate vary together.

The inverse is found by conjugate gradients. For a random mask of mean m and variance v, Φ C Φᵀ is
about (m² K(f) + v) Σ_kl S_kl cos(2π f_w d (k − l)) on the sensor, which makes a dozen turns enough.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from serpent_cli.degrade.cassi import STEP, adjoint, measure

VARIANCE = 0.04
"""Of the scene about its grey, in units of full scale squared."""

NOISE = 0.04
"""σ, of the sensor and of what the prior does not know, in units of one band's full scale."""

COARSEST = 0.05
"""f₀, periods per pixel below which all are as strong."""

ALIKE = 1 / 7
"""τ, in shares of the number of bands."""

TURNS = 15
PASSES, OWN = 2, 0.8
"""How often the scene is estimated, and the share of S that is the last estimate's own."""

FORGOTTEN = 1e-3
"""Share of the strongest mixture of bands below which one is left out."""

APART = 16
"""Pixels of nothing between the picture's end and its beginning, which meet in its spectrum."""


@torch.no_grad()
def wiener(
    measurement: Tensor,
    mask: Tensor,
    bands: int,
    *,
    step: int = STEP,
    turns: int = TURNS,
    passes: int = PASSES,
) -> Tensor:
    """Estimate cubes.

    Args:
        measurement: (B, H, W + d (T − 1)), cubes in [0, 1].
        mask: (B, H, W), transmission in [0, 1].
        bands: T.
        step: d, pixels from band to band.
        turns: Of conjugate gradients, in each pass.
        passes: How often the scene is estimated.

    Returns:
        (B, T, H, W), unclamped.
    """
    with torch.autocast(measurement.device.type, enabled=False):
        even = measure(mask.new_ones(()).expand(len(mask), bands, *mask.shape[1:]), mask, step)
        grey = _dot(measurement, even) / _dot(even, even).clamp_min(1e-12)
        between = usual = _between_bands(bands).to(mask).expand(len(mask), -1, -1)
        x = grey.unsqueeze(1)
        for done in range(passes):
            if done:
                between = OWN * _varying_together(x) + (1 - OWN) * usual
            prior = _Prior(mask, between, step)
            told = _solved(prior, measurement - grey * even, turns)
            x = grey.unsqueeze(1) + prior.spread_out(adjoint(told, mask, bands, step))
        return x


def _solved(prior: "_Prior", y: Tensor, turns: int) -> Tensor:
    """(Φ C Φᵀ + σ²)⁻¹ y by preconditioned conjugate gradients (Hestenes, Stiefel 1952)."""
    x, left = torch.zeros_like(y), y
    near = prior.nearly_inverse(left)
    way, size = near, _dot(left, near)
    for _ in range(turns):
        ahead = prior.seen(way)
        length = size / _dot(way, ahead).clamp_min(1e-20)
        x, left = x + length * way, left - length * ahead
        near = prior.nearly_inverse(left)
        before, size = size, _dot(left, near)
        way = near + size / before.clamp_min(1e-20) * way
    return x


class _Prior:
    """C, and Φ C Φᵀ + σ² with what is nearly its inverse; for masks (B, H, W), S (B, T, T)."""

    def __init__(self, mask: Tensor, between: Tensor, step: int) -> None:
        self.mask, self.bands, self.step = mask, between.shape[-1], step
        height, width = (side + APART for side in mask.shape[1:])
        self.sides, self.power = (height, width), _power(height, width, mask)
        values, vectors = torch.linalg.eigh(between)
        kept = (values > FORGOTTEN * values[:, -1:]).any(0)
        self.mixtures, self.values = vectors[..., kept], VARIANCE * values[:, None, kept]
        wide = width + step * (self.bands - 1)
        apart = torch.arange(self.bands, device=mask.device) * step
        turned = 2 * math.pi * torch.fft.rfftfreq(wide, device=mask.device)[:, None] * apart
        waves = torch.polar(torch.ones_like(turned), turned).to(torch.complex64)
        alike = VARIANCE * ((waves @ between.to(waves)) * waves.conj()).real.sum(2)
        variance, mean = torch.var_mean(mask, (1, 2), correction=0, keepdim=True)
        powers = mean.square() * _power(height, wide, mask) + variance
        self.inverse = 1 / (powers * alike.clamp_min(0).unsqueeze(1) + NOISE**2)
        self.wide = (height, wide)

    def spread_out(self, x: Tensor) -> Tensor:
        """C x, for (B, T, H, W)."""
        mixed = _filtered(torch.einsum("btr,bthw->brhw", self.mixtures, x), self.power, self.sides)
        return torch.einsum("btr,brhw->bthw", self.mixtures * self.values, mixed)

    def seen(self, y: Tensor) -> Tensor:
        """(Φ C Φᵀ + σ²) y, for (B, H, W + d (T − 1))."""
        scene = self.spread_out(adjoint(y, self.mask, self.bands, self.step))
        return measure(scene, self.mask, self.step) + NOISE**2 * y

    def nearly_inverse(self, y: Tensor) -> Tensor:
        """Nearly the inverse of `seen`, and symmetric."""
        return _filtered(y, self.inverse, self.wide)


def _between_bands(bands: int) -> Tensor:
    """S (T, T)."""
    k = torch.arange(bands, dtype=torch.float32)
    away = (k[:, None] - k) / max(1.0, ALIKE * bands)
    return (1 + torch.exp(-away.square() / 2)) / 2


def _varying_together(x: Tensor) -> Tensor:
    """S (B, T, T) of cubes (B, T, H, W): their covariance, of mean variance 1."""
    deviations = x.flatten(2) - x.mean((2, 3)).unsqueeze(2)
    covariance = deviations @ deviations.transpose(1, 2)
    variance = covariance.diagonal(dim1=1, dim2=2).mean(1)
    return covariance / variance.clamp_min(1e-12)[:, None, None]


def _power(height: int, width: int, like: Tensor) -> Tensor:
    """K(f) for `rfft2`, of mean 1 over all frequencies: (H, W // 2 + 1)."""
    down = torch.fft.fftfreq(height, device=like.device)[:, None]
    whole = torch.fft.fftfreq(width, device=like.device)
    power = (down.square() + whole.square() + COARSEST**2) ** -1.5
    return (power / power.mean())[:, : width // 2 + 1].to(like)


def _filtered(x: Tensor, power: Tensor, sides: tuple[int, int]) -> Tensor:
    """Pictures (..., H, W), padded with nothing to `sides`, times a spectrum; and cut again."""
    height, width = x.shape[-2:]
    padded = functional.pad(x, (0, sides[1] - width, 0, sides[0] - height))
    made = torch.fft.irfft2(torch.fft.rfft2(padded) * power, s=sides)
    return made[..., :height, :width]


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Sums (B, 1, 1) of products."""
    return (x * y).sum((1, 2), keepdim=True)
