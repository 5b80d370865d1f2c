"""Denoising by total variation (Rudin, Osher, Fatemi 1992), by projection (Chambolle 2004).

    min over u of  ‖u − x‖² / 2 + λ Σ |∇u|,   u = x − div p,   p ← (p − τ ∇u) / (1 + τ/λ |∇u|)

Each plane for itself, with forward differences that are zero at the border, τ = 1/4.
"""

import torch
from torch import Tensor

TAU = 0.25


@torch.no_grad()
def denoise_tv(x: Tensor, weight: float, steps: int) -> Tensor:
    """Denoise planes, one after the other: so all that a step touches stays in the cache.

    Args:
        x: (..., H, W), any range.
        weight: λ, in units of x; above zero.
        steps: How often p is projected.

    Returns:
        (..., H, W).
    """
    result = torch.empty_like(x, memory_format=torch.contiguous_format)
    scratch = [torch.empty_like(x[(0,) * (x.ndim - 2)]) for _ in range(5)]
    planes = x.reshape(-1, *x.shape[-2:])
    for plane, u in zip(planes, result.view_as(planes), strict=True):
        _denoise_plane(plane, u, weight, steps, scratch)
    return result


def _denoise_plane(
    x: Tensor, u: Tensor, weight: float, steps: int, scratch: list[Tensor]
) -> None:  # fmt: skip
    """Fill u (H, W); p is (down, right), whose last row, or column, stays zero."""
    down, right, slope_down, slope_right, norm = scratch
    u.copy_(x)
    for each in (down, right, slope_down, slope_right):
        each.zero_()
    for _ in range(steps):
        torch.sub(u[1:], u[:-1], out=slope_down[:-1])
        torch.sub(u[:, 1:], u[:, :-1], out=slope_right[:, :-1])
        torch.mul(slope_down, slope_down, out=norm)
        norm.addcmul_(slope_right, slope_right).sqrt_().mul_(TAU / weight).add_(1)
        down.sub_(slope_down, alpha=TAU).div_(norm)
        right.sub_(slope_right, alpha=TAU).div_(norm)
        torch.sub(x, down, out=u).sub_(right)
        u[1:].add_(down[:-1])
        u[:, 1:].add_(right[:, :-1])
