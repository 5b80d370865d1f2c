"""MHS-VM's mixer: heads that scan along routes of their own (Ji, arXiv 2406.05992).

    [a, z] = W_in x;  u = SiLU(DWConv3x3(a));  v = W_s u, cut into heads of C / n channels
    y_i = S6_i(v) along a head's four routes: two, and each backwards
    gate = ReLU(std_i(y) / (mean_i(y - min_i y) + 1e-5) - t),  head = gate · sum of y_i
    out = LN(W_y LN(heads)) · SiLU(z)

Where the routes of a head agree its gate is shut (the paper's scan route attention). The routes:
C, snakes along rows and columns; X, zigzag along diagonals, and its mirror image; S, a spiral
inwards, and its image upside down; with four heads also Z, plain rows and columns.
"""

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from serpent_cli.model.config import ModelConfig
from serpent_cli.model.layers import DepthwiseConv, gated, silu, single
from serpent_cli.model.mixers.selective import SelectiveParameters, out_dtype
from serpent_cli.ops.cross_scan import cross_scan

PATTERNS = "CXSZ"
ROUTES = 4  # of each head
PATHS = {"C": ("row_snake", "col_snake"), "Z": ("row", "col")}  # those that the scan knows itself
THRESHOLD = 0.0  # the paper's t: 0.5 for one of its data sets, 0 for the other
PIECE = 8192  # tokens
Order = NDArray[np.int64]


class MultiHeadScan(nn.Module):
    """Heads with four gated routes each, (B, H, W, C) to (B, H, W, C)."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.heads, self.threshold = config.heads, THRESHOLD
        head = width // config.heads
        self.project_in = nn.Linear(width, width, bias=False)
        self.project_gate = nn.Linear(width, width, bias=False) if config.gate else None
        self.conv = DepthwiseConv(width)
        self.project_heads = nn.Linear(width, width, bias=False)
        # One set of parameters for each route of each head; their paths are set where they scan.
        self.scan = SelectiveParameters(
            head, config.state_size, config.delta_rank(head), ROUTES * config.heads
        )
        self.norm_heads = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens of (B, H, W, C)."""
        u = silu(self.conv(self.project_in(x)))
        # Head by head, so that each one's channels lie side by side.
        weights = self.project_heads.weight.chunk(self.heads)
        heads = [self._head(j, functional.linear(u, weight)) for j, weight in enumerate(weights)]
        y = self.norm(self.project_out(self.norm_heads(torch.cat(heads, -1))))
        return y if self.project_gate is None else gated(y, self.project_gate(x))

    def _head(self, j: int, v: Tensor) -> Tensor:
        """One head's channels (B, H, W, C / n)."""
        routes = [*self._both_ways(j, 0, v), *self._both_ways(j, 1, v)]
        return agreed(routes, self.threshold).to(v.dtype)

    def _both_ways(self, j: int, i: int, v: Tensor) -> list[Tensor]:
        """What a route of a head gives there and back."""
        k, pattern = ROUTES * j + 2 * i, PATTERNS[j]
        if pattern in PATHS:
            path = PATHS[pattern][i]
            return [self._along(k, v, path), self._along(k + 1, v, path + "_rev")]
        height, width = v.shape[1:3]
        order, places = route(pattern, i, height, width, v.device)
        v = v.flatten(1, 2).index_select(1, order).unsqueeze(1)
        ways = (self._along(k, v, "row"), self._along(k + 1, v, "row_rev"))
        return [y[:, 0].index_select(1, places).unflatten(1, (height, width)) for y in ways]

    def _along(self, k: int, v: Tensor, path: str) -> Tensor:
        """One scan, by the parameters of route k of all."""
        p, only = self.scan, slice(k, k + 1)
        assert p.D_skip is not None
        dbc = functional.linear(v, p.weight[k]).unsqueeze(3)
        return cross_scan(
            v, dbc, p.dt_weight[only], p.dt_bias[only], p.A_log[only], p.D_skip[only],
            paths=(path,), out_dtype=out_dtype(v),
        )  # fmt: skip


def agreed(routes: list[Tensor], threshold: float) -> Tensor:
    """The sum of the routes' results, each (..., C), gated by how much they differ.

    The gate is ReLU of their coefficient of variation above the least of them, less a threshold.
    """
    if any(y.requires_grad for y in routes):
        return _gated_sum(routes, threshold)
    # Piece by piece, each of which stays in the cache: there are more passes than routes.
    out = torch.empty_like(single(routes[0]))
    maps = [y.flatten(0, -2).split(PIECE) for y in (*routes, out)]
    for *parts, piece in zip(*maps, strict=True):
        piece.copy_(_gated_sum(parts, threshold))
    return out


def _gated_sum(routes: list[Tensor], threshold: float) -> Tensor:
    first, *others = (single(y) for y in routes)
    total = functools.reduce(torch.add, others, first)
    mean, least = total / len(routes), functools.reduce(torch.minimum, others, first)
    squares = (first - mean).square()
    for y in others:
        apart = y - mean
        squares = torch.addcmul(squares, apart, apart)
    # Of a sample, hence one less than their number; where they are equal the root has no slope.
    tiny = torch.finfo(squares.dtype).tiny
    spread = (squares / (len(routes) - 1)).clamp_min(tiny).sqrt()
    return total * functional.relu(spread / (mean - least + 1e-5) - threshold)


@functools.lru_cache(maxsize=64)
def route(
    pattern: str, i: int, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The pixels h·W + w of a route, in its order, and the step at which each pixel comes."""
    pixels = np.arange(height * width).reshape(height, width)
    if i == 1:  # the image of the first one
        pixels = pixels[:, ::-1] if pattern == "X" else pixels[::-1]
    order = pixels.ravel()[(diagonals if pattern == "X" else spiral)(height, width)]
    # Made outside of inference mode: a training may find it here later.
    with torch.inference_mode(False):
        visited = torch.from_numpy(np.ascontiguousarray(order)).to(device)
        return visited, torch.argsort(visited)


def diagonals(height: int, width: int) -> Order:
    """Zigzag: diagonal after diagonal, odd ones downwards and even ones upwards."""
    rows, columns = np.divmod(np.arange(height * width), width)
    diagonal = rows + columns
    return np.lexsort((np.where(diagonal % 2 == 1, rows, columns), diagonal))


def spiral(height: int, width: int) -> Order:
    """Clockwise from the upper left corner inwards."""
    rest = np.arange(height * width).reshape(height, width)
    parts: list[Order] = []
    while rest.size:
        parts.append(rest[0])
        rest = np.rot90(rest[1:])
    return np.concatenate(parts)
