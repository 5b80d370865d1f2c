"""Spatial-Mamba's structure-aware state fusion (arXiv 2410.15091): one scan, states fused in 2-D.

    h = raster scan of u, the state itself;  h' = sum_i alpha_i (K_i conv_dilated_i h), i = 1, 3, 5
    y = C · h' + D · u;  out = W_out(LN(y) · SiLU(z))

The three dilated 3x3 kernels share only their centre, so for inference they merge into 25 taps of
one 11x11 kernel. They are merged anew in every call: nothing can go stale. Border: replicated.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import (
    DepthwiseConv,
    LayerNorm,
    channels_first,
    channels_last,
    single,
)
from serpent_cli.model.mixers.selective import SelectiveParameters
from serpent_cli.ops.cross_scan import cross_scan

DILATIONS = (1, 3, 5)


class StateFusion(nn.Module):
    """Weighted sum of three dilated depthwise 3x3 convolutions of the state, replicate border."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernels = nn.Parameter(torch.ones(len(DILATIONS), channels, 1, 3, 3))
        self.alpha = nn.Parameter(torch.ones(len(DILATIONS)))

    def forward(self, h: Tensor) -> Tensor:
        """Fuse (B, D, H, W); training runs three convolutions, inference the merged kernel."""
        padded = functional.pad(h, (5, 5, 5, 5), mode="replicate")
        if self.training:
            return self.dilated(padded)
        return functional.conv2d(padded, self.merged(), groups=h.shape[1])

    def dilated(self, padded: Tensor) -> Tensor:
        """The definition, on a map padded by 5 pixels on every side."""
        fused: Tensor | None = None
        for kernel, alpha, dilation in zip(self.kernels, self.alpha, DILATIONS, strict=True):
            spare = 5 - dilation
            h, w = padded.shape[-2] - spare, padded.shape[-1] - spare
            inside = padded[..., spare:h, spare:w]
            part = functional.conv2d(
                inside, kernel * alpha, groups=kernel.shape[0], dilation=dilation
            )
            fused = part if fused is None else fused + part
        assert fused is not None
        return fused

    def merged(self) -> Tensor:
        """The equivalent kernel (D, 1, 11, 11): 25 taps, the centre shared by all three."""
        merged = self.kernels.new_zeros(self.kernels.shape[1], 1, 11, 11)
        for kernel, alpha, dilation in zip(self.kernels, self.alpha, DILATIONS, strict=True):
            taps = slice(5 - dilation, 6 + dilation, dilation)
            merged[..., taps, taps] += alpha * kernel
        return merged


class Spatial(nn.Module):
    """One raster scan whose states see their neighbours, (B, H, W, C) to (B, H, W, C)."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        inner = config.inner(width)
        self.rank = config.delta_rank(width)
        # W_in as two maps: the scan's half and the gate's then need no copy to be contiguous.
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False) if config.gate else None
        self.conv = DepthwiseConv(inner, silu=True)
        self.scan = SelectiveParameters(inner, 1, self.rank, 1)
        self.fusion = StateFusion(inner)
        self.norm = LayerNorm(inner)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C)."""
        y = self._fuse(self.conv(self.project_in(x)))
        gate = None if self.project_gate is None else self.project_gate(x)
        return self.project_out(self.norm(y, gate, overwrite=True))

    def _fuse(self, u: Tensor) -> Tensor:
        p = self.scan
        dbc = p.project(u)  # (B, H, W, 1, R + 2): the last feature is C, the observation
        h = cross_scan(
            u, dbc[..., :-1].contiguous(), p.dt_weight, p.dt_bias, p.A_log,
            paths=("row",), observe=False,
        )  # fmt: skip
        fused, observer = channels_last(self.fusion(channels_first(h))), single(dbc[..., -1])
        assert p.D_skip is not None
        if fused.requires_grad:
            return torch.addcmul(fused * observer, p.D_skip[0], single(u))
        return fused.mul_(observer).addcmul_(p.D_skip[0], single(u))
