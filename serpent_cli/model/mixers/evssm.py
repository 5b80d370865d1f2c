"""EVSSM's mixer: one scan, in another direction from block to block (arXiv 2405.14343, MIT code).

    [a, z] = W_in x;  u = GELU(DWConv3x3(a));  [r, B, C] = DWConv7(W_x u) along the path
    y = S6(u) along one path;  out = W_out(LN(y) · GELU(z))

The authors turn the whole stream before each block: transposed, then also flipped, then flipped,
then as it is. Here the path turns instead: col, col_rev, row_rev, row; nothing is moved.

A trained network may scan windows one by one, as the authors' does when it is tested: windows of
one size, evenly spread with overlaps, counted from where the path begins; overlaps are averaged.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import DepthwiseConv, channels_first, channels_last
from serpent_cli.model.mixers.selective import SelectiveParameters, out_dtype
from serpent_cli.ops.cross_scan import cross_scan

PATHS = ("col", "col_rev", "row_rev", "row")
TAPS = 7  # of the convolution of [r | B | C] along the path


class Evssm(nn.Module):
    """One scan along the path of the block's turn, (B, H, W, C) to (B, H, W, C).

    Args:
        config: Sizes of the network.
        width: C.
        window: Side of the windows at inference, in tokens; 0: the whole map.
        index: The block's number in the network, which decides its path.
    """

    def __init__(self, config: ModelConfig, width: int, window: int, index: int) -> None:
        super().__init__()
        inner, rank = config.inner(width), config.delta_rank(width)
        features = rank + 2 * config.state_size
        self.path, self.window = path_of(index), window
        self.project_in = nn.Linear(width, inner, bias=False)
        self.project_gate = nn.Linear(width, inner, bias=False) if config.gate else None
        self.conv = DepthwiseConv(inner)
        self.scan = SelectiveParameters(inner, config.state_size, rank, 1)
        self.smooth = nn.Conv1d(features, features, TAPS, padding=TAPS // 2, groups=features)
        self.norm = nn.LayerNorm(inner)
        self.project_out = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C), in windows where they are asked for."""
        if self.training or not 0 < self.window < max(x.shape[1:3]):
            return self.whole(x)
        total, count = torch.zeros_like(x), x.new_zeros(*x.shape[1:3], 1)
        rows, columns = (window_spans(side, self.window) for side in x.shape[1:3])
        if self.path.endswith("_rev"):
            rows = [(x.shape[1] - end, x.shape[1] - begin) for begin, end in rows]
            columns = [(x.shape[2] - end, x.shape[2] - begin) for begin, end in columns]
        for top, bottom in rows:
            for left, right in columns:
                part = self.whole(x[:, top:bottom, left:right].contiguous())
                total[:, top:bottom, left:right] += part
                count[top:bottom, left:right] += 1
        return total.div_(count)

    def whole(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C) in one scan."""
        u = functional.gelu(self.conv(self.project_in(x)))
        p = self.scan
        y = cross_scan(
            u, self.along_path(p.project(u).squeeze(3)).unsqueeze(3), p.dt_weight, p.dt_bias,
            p.A_log, p.D_skip, paths=(self.path,), out_dtype=out_dtype(u),
        )  # fmt: skip
        y = self.norm(y)
        if self.project_gate is not None:
            gate = functional.gelu(self.project_gate(x))
            y = y * gate if y.requires_grad else y.mul_(gate)
        return self.project_out(y)

    def along_path(self, dbc: Tensor) -> Tensor:
        """Filter (B, H, W, F) along the path, on from the end of one line to the next one's start.

        On a path that is walked backwards the kernel is turned, and the sequence is not.
        """
        columns = self.path.startswith("col")
        lines = dbc.transpose(1, 2).contiguous() if columns else dbc
        sequence = lines.flatten(1, 2).unsqueeze(1)
        kernel = self.smooth.weight.unsqueeze(2)
        if self.path.endswith("_rev"):
            kernel = kernel.flip(3)
        smooth = functional.conv2d(
            channels_first(sequence), kernel, self.smooth.bias,
            padding=(0, TAPS // 2), groups=kernel.shape[0],
        )  # fmt: skip
        smooth = channels_last(smooth).view(lines.shape)
        return smooth.transpose(1, 2) if columns else smooth


def path_of(index: int) -> str:
    """The path of a network's block number `index`."""
    return PATHS[index % len(PATHS)]


def window_spans(side: int, window: int) -> list[tuple[int, int]]:
    """Begin and end of windows that cover `side` tokens: as few as it takes, evenly spread."""
    window = min(window, side)
    steps = -(-side // window) - 1
    step = math.ceil((side - window) / steps) if steps else window
    begins = [*range(0, side - window, step), side - window]
    return [(begin, begin + window) for begin in begins]
