"""Deformable convolution v3 (InternImage, arXiv 2211.05778), by torch's own bilinear sampling.

    v = W_in x,   t = GELU(LN(DW3×3 x)),   (dx, dy) = W_o t,   m = softmax over 9 taps of W_m t
    y(p) = W_out Σ_k m_k(p) v(p + p_k + (dx_k, dy_k)(p))

in each of G groups of channels, with v zero beyond the border. p_k are the places of a 3 × 3 kernel
as (dx, dy), dx changing more slowly. Written from the equations; the authors' is a CUDA operation
(MIT).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.hyperspectral.snapshot_unet import EPSILON
from serpent_cli.model.layers import DepthwiseConv, LayerNorm

TAPS = 9


class DeformableConv(nn.Module):
    """The convolution, (B, H, W, C) to (B, H, W, C); `groups` divides C."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.conv = DepthwiseConv(width)
        self.norm = LayerNorm(width, eps=EPSILON)
        self.offset = nn.Linear(width, groups * TAPS * 2)
        self.mask = nn.Linear(width, groups * TAPS)
        self.project_in = nn.Linear(width, width)
        self.project_out = nn.Linear(width, width)
        for linear in (self.offset, self.mask):  # it begins as a mean of nine neighbours
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Sample around every place where its own features say."""
        t = functional.gelu(self.norm(self.conv(x)))
        offsets = self.offset(t).unflatten(-1, (self.groups, TAPS, 2))
        weights = self.mask(t).unflatten(-1, (self.groups, TAPS)).softmax(-1)
        return self.project_out(sampled(self.project_in(x), offsets, weights))


def sampled(v: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Σ_k m_k(p) v(p + p_k + offset_k(p)), bilinear, zero beyond the border.

    Args:
        v: (B, H, W, C).
        offsets: (B, H, W, G, 9, 2) as (dx, dy), in pixels.
        weights: (B, H, W, G, 9).

    Returns:
        (B, H, W, C).
    """
    b, h, w, c = v.shape
    groups = weights.shape[3]
    planes = v.view(b, h, w, groups, -1).permute(0, 3, 4, 1, 2).reshape(b * groups, -1, h, w)
    size = v.new_tensor((w, h))
    rows, columns = torch.meshgrid(
        torch.arange(h, device=v.device), torch.arange(w, device=v.device), indexing="ij"
    )
    place = torch.stack((columns, rows), -1).to(v.dtype)
    total = torch.zeros_like(planes)
    for k in range(TAPS):  # a tap at a time: nine times less memory than all at once
        tap = place.new_tensor((k // 3 - 1, k % 3 - 1))
        at = place + tap + offsets[..., k, :].permute(0, 3, 1, 2, 4).flatten(0, 1)
        grid = (2 * at + 1) / size - 1
        values = functional.grid_sample(planes, grid, padding_mode="zeros", align_corners=False)
        total = total + values * weights[..., k].permute(0, 3, 1, 2).reshape(-1, 1, h, w)
    return total.view(b, c, h, w).permute(0, 2, 3, 1)
