"""SS2D: selective scan along four paths (VMamba, arXiv 2401.10166; the VSS of Serpent, 2403.17902).

    [a, z] = W_in x;  u = SiLU(DWConv3x3(a));  y = sum over four paths of S6_k(u)
    out = W_out(LN(y) · SiLU(z))

`gate` and no feed-forward is VMamba's v0; no gate and a feed-forward its v05. Written from the
equations; the official code is MIT.
"""

from torch import Tensor, nn

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import DepthwiseConv, LayerNorm
from serpent_cli.model.mixers.selective import SelectiveParameters, out_dtype
from serpent_cli.ops.cross_scan import cross_scan

PATHS = ("row", "col", "row_rev", "col_rev")


class SS2D(nn.Module):
    """Four-path selective scan over a token map, (B, H, W, C) to (B, H, W, C)."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        inner = config.inner(width)
        # W_in as two maps: the scan's half and the gate's then need no copy to be contiguous.
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False) if config.gate else None
        self.conv = DepthwiseConv(inner, silu=True)
        self.scan = SelectiveParameters(
            inner, config.state_size, config.delta_rank(width), len(PATHS)
        )
        self.norm = LayerNorm(inner)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C)."""
        y = self._scan(self.conv(self.project_in(x)))
        gate = None if self.project_gate is None else self.project_gate(x)
        return self.project_out(self.norm(y, gate, overwrite=True))

    def _scan(self, u: Tensor) -> Tensor:
        p = self.scan
        return cross_scan(
            u, p.project(u), p.dt_weight, p.dt_bias, p.A_log, p.D_skip,
            paths=PATHS, out_dtype=out_dtype(u),
        )  # fmt: skip
