"""PlainMamba's mixer: snakes that know which way they go (Yang et al., arXiv 2403.17695).

    [a, z] = W_in x;  u = SiLU(DWConv7x7(a));  [r, B, C] = W_x u
    h_t = exp(δ A) h_(t-1) + δ (B + Θ_d) u,  y = sum over four snakes of C · h + D u
    out = W_out(y · SiLU(z))

d is the move that led to the pixel: none, to the right, left, up or down. One set of parameters
serves all four snakes; every step of theirs is to a neighbour. Written from the equations: the
published code permutes u alone, and adds the bias of δ twice.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import DepthwiseConv, gated, silu
from serpent_cli.model.mixers.selective import SelectiveParameters, out_dtype
from serpent_cli.ops.cross_scan import cross_scan
from serpent_cli.ops.cross_scan.paths import from_sequence, to_sequence

PATHS = ("row_snake", "row_snake_rev", "col_snake", "col_snake_rev")
START, RIGHT, LEFT, UP, DOWN = range(5)


class Plain(nn.Module):
    """Direction-aware scan along four snakes, (B, H, W, C) to (B, H, W, C)."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        inner = config.inner(width)
        # W_in as two maps: the scan's half and the gate's then need no copy to be contiguous.
        self.project_in = nn.Linear(width, inner)
        self.project_gate = nn.Linear(width, inner) if config.gate else None
        self.conv = DepthwiseConv(inner, 7)
        self.scan = SelectiveParameters(inner, config.state_size, config.delta_rank(width), 1)
        self.theta = nn.Parameter(torch.zeros(5, config.state_size))
        if not self.theta.is_meta:
            nn.init.trunc_normal_(self.theta, std=0.02)
        self.project_out = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C)."""
        u = silu(self.conv(self.project_in(x)))
        y = self._scan(u)
        if self.project_gate is not None:
            y = gated(y, self.project_gate(x))
        return self.project_out(y)

    def _scan(self, u: Tensor) -> Tensor:
        p, count = self.scan, len(PATHS)
        assert p.D_skip is not None
        return cross_scan(
            u, self._features(u), p.dt_weight.expand(count, -1, -1), p.dt_bias.expand(count, -1),
            p.A_log.expand(count, -1, -1), p.D_skip.expand(count, -1),
            paths=PATHS, out_dtype=out_dtype(u),
        )  # fmt: skip

    def _features(self, u: Tensor) -> Tensor:
        """Dbc (B, H, W, 4, R + 2N): the same for every path, but for Θ in B."""
        states = self.theta.shape[1]
        dbc = self.scan.project(u)
        rank = dbc.shape[-1] - 2 * states
        table = functional.pad(self.theta, (rank, states)).to(dbc.dtype)
        moves = directions(u.shape[1], u.shape[2], u.device)
        return dbc + functional.embedding(moves, table)


@functools.lru_cache(maxsize=64)
def directions(height: int, width: int, device: torch.device) -> Tensor:
    """The move that leads each snake to each pixel, (H, W, 4), as an index into Θ."""
    # Made outside of inference mode: a training may find it here later.
    with torch.inference_mode(False):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        place = torch.stack((rows, columns), -1)[None]
        names = torch.tensor([UP, LEFT, START, RIGHT, DOWN])  # by 2·dy + dx of the step
        moves: list[Tensor] = []
        for path in PATHS:
            visited = to_sequence(place, path)
            dy, dx = visited.diff(dim=1, prepend=visited[:, :1]).unbind(-1)
            moves.append(from_sequence(names[2 * dy + dx + 2], path, height, width)[0])
        return torch.stack(moves, -1).to(device)
