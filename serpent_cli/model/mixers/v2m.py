"""V2M's mixer: a scan along every line, then one across the lines (arXiv 2410.10382).

    [a, z] = W_in x;  from each of the four: rows or columns first, forwards or backwards
    u = SiLU(conv4(a)),   h = exp(δ A) h' + δ B u,  v = (sum of h's states + D u) · SiLU(z)
    w = SiLU(conv4'(v)),  g = exp(δ' A') g' + δ' w, o = (C · g + D' w) · SiLU(z)
    out = W_out(sum of the four o)

h' is the state of the pixel before in the line, g' that of the one before across, and forwards is
the only way across. Every line starts from nothing, convolutions too. One set of parameters serves
all four. Written from the equations: the published code returns the map transposed and mirrored.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import silu
from serpent_cli.model.mixers.selective import SelectiveParameters, out_dtype
from serpent_cli.ops.causal_conv import causal_conv
from serpent_cli.ops.cross_scan import cross_scan

ORIENTATIONS = (("row", "col"), ("row_rev", "col"), ("col", "row"), ("col_rev", "row"))
TAPS = 4


class CausalConv(nn.Conv1d):
    """SiLU of a causal depthwise convolution along the lines of (B, H, W, D)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, TAPS, groups=channels)

    def along(self, x: Tensor, path: str) -> Tensor:
        """Filter every line, from its first pixel on the path to its last."""
        assert self.bias is not None
        return silu(causal_conv(x, self.weight, self.bias, path))


class V2M(nn.Module):
    """A scan along the lines and one across, in four orientations, (B, H, W, C) to the same."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        inner, states = config.inner(width), config.state_size
        sizes = (inner, states, config.delta_rank(width), 1)
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False) if config.gate else None
        self.conv = CausalConv(inner)
        self.scan = SelectiveParameters(*sizes, vectors=1)  # [r | B]
        self.conv_across = CausalConv(inner)
        self.scan_across = SelectiveParameters(*sizes, vectors=1)  # [r | C]
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C)."""
        a = self.project_in(x)
        gate = None if self.project_gate is None else silu(self.project_gate(x))
        total: Tensor | None = None
        for along, across in ORIENTATIONS:
            v = self._along(a, along)
            if gate is not None:
                v = v * gate if v.requires_grad else v.mul_(gate)
            o = self._across(v, across)
            total = o if total is None else total.add_(o)
        assert total is not None
        # The gate is the same for all four: their sum needs it once.
        return self.project_out(total if gate is None else total * gate)

    def _along(self, a: Tensor, path: str) -> Tensor:
        u = self.conv.along(a, path)
        states = self.scan.A_log.shape[2]
        dbc = functional.pad(self.scan.project(u), (0, states), value=1.0)  # C is one
        return _scanned(u, dbc, self.scan, path)

    def _across(self, v: Tensor, path: str) -> Tensor:
        w = self.conv_across.along(v, path)
        states = self.scan_across.A_log.shape[2]
        r, c = self.scan_across.project(w).tensor_split([-states], dim=-1)
        return _scanned(w, torch.cat((r, torch.ones_like(c), c), -1), self.scan_across, path)


def _scanned(u: Tensor, dbc: Tensor, p: SelectiveParameters, path: str) -> Tensor:
    return cross_scan(
        u, dbc, p.dt_weight, p.dt_bias, p.A_log, p.D_skip,
        paths=(path,), reset=True, out_dtype=out_dtype(u),
    )  # fmt: skip
