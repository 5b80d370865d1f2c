"""Antialiased bicubic resizing as MATLAB's `imresize` does it, the field's reference.

Keys' cubic (1981) with a = -1/2; for a reduction its support grows by the factor; the border is
mirrored with the edge pixel repeated; each pixel's weights are normalised.
"""

import functools
import math

import torch
from torch import Tensor

from serpent_cli.degrade.upload import upload

Taps = tuple[tuple[tuple[int, ...], ...], tuple[tuple[float, ...], ...]]


def _cubic(x: float) -> float:
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


@functools.lru_cache(maxsize=64)
def _taps(length: int, length_out: int, ratio: float) -> Taps:
    """Source indices and weights of every output pixel of one axis; ratio = output over input."""
    stretch = max(1.0, 1 / ratio)
    reach = 2 * stretch
    count = math.ceil(2 * reach) + 2
    indices: list[tuple[int, ...]] = []
    weights: list[tuple[float, ...]] = []
    for position in range(length_out):
        centre = (position + 0.5) / ratio - 0.5
        sources = range(math.floor(centre - reach), math.floor(centre - reach) + count)
        row = [_cubic((centre - source) / stretch) for source in sources]
        total = sum(row)
        mirrored = (source % (2 * length) for source in sources)
        indices.append(tuple(i if i < length else 2 * length - 1 - i for i in mirrored))
        weights.append(tuple(weight / total for weight in row))
    return tuple(indices), tuple(weights)


def _resize_last(x: Tensor, length_out: int, ratio: float) -> Tensor:
    indices, weights = _taps(x.shape[-1], length_out, ratio)
    matrix = torch.zeros(length_out, x.shape[-1], dtype=x.dtype)
    rows = torch.arange(length_out)[:, None].expand(-1, len(indices[0]))
    # Mirrored taps may meet in one pixel: they add up.
    matrix.index_put_(
        (rows, torch.tensor(indices)), torch.tensor(weights, dtype=x.dtype), accumulate=True
    )
    return x @ upload(matrix, x.device).T


def _resize(x: Tensor, height: int, width: int, ratio: float) -> Tensor:
    columns = _resize_last(x, width, ratio)
    return _resize_last(columns.transpose(-1, -2), height, ratio).transpose(-1, -2).contiguous()


def bicubic_reduce(x: Tensor, scale: int) -> Tensor:
    """Reduce (B, 3, H, W) by a whole factor to (B, 3, ceil(H / s), ceil(W / s)), antialiased."""
    height, width = x.shape[-2:]
    return _resize(x, -(-height // scale), -(-width // scale), 1 / scale)


def bicubic_enlarge(x: Tensor, scale: int) -> Tensor:
    """Enlarge (B, 3, H, W) by a whole factor to (B, 3, H·s, W·s)."""
    height, width = x.shape[-2:]
    return _resize(x, height * scale, width * scale, float(scale))
