"""Resizing by the field's filters, each axis as one matrix.

`bicubic` with antialiasing is MATLAB's `imresize`, the field's reference: Keys' cubic (1981) with
a = -1/2. For a reduction the filter's support grows by the factor, unless that is left out, as
careless programs do. The border is mirrored with the edge pixel repeated; each pixel's weights are
normalised.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from serpent_cli.degrade.draws import upload

Filter = Literal["box", "bilinear", "bicubic", "lanczos"]
REACH: dict[Filter, float] = {"box": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}
"""Half the support of each filter, in pixels of the finer of both pictures."""


def _weights(x: Tensor, name: Filter) -> Tensor:
    """The filter at distances x, float64."""
    x = x.abs()
    if name == "box":
        return ((x < 0.5) + 0.5 * (x == 0.5)).to(x.dtype)
    if name == "bilinear":
        return (1 - x).clamp_min(0)
    if name == "lanczos":
        return torch.where(x < 3, torch.sinc(x) * torch.sinc(x / 3), 0.0)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x < 2, far, 0.0))


def _matrix(length: int, length_out: int, ratio: float, name: Filter, antialias: bool) -> Tensor:
    """Weights (length_out, length), float64, of one axis; ratio = output over input."""
    stretch = max(1.0, 1 / ratio) if antialias else 1.0
    reach = REACH[name] * stretch
    centre = (torch.arange(length_out, dtype=torch.float64) + 0.5) / ratio - 0.5
    first = (centre - reach).floor()
    sources = first[:, None] + torch.arange(math.ceil(2 * reach) + 2)
    weights = _weights((centre[:, None] - sources) / stretch, name)
    weights /= weights.sum(1, keepdim=True)
    mirrored = sources.long() % (2 * length)
    mirrored = torch.where(mirrored < length, mirrored, 2 * length - 1 - mirrored)
    # Mirrored taps may meet in one pixel: they add up.
    matrix = torch.zeros(length_out, length, dtype=torch.float64)
    return matrix.scatter_add_(1, mirrored, weights)


def resize(
    x: Tensor,
    height: int,
    width: int,
    *,
    ratio: float | None = None,
    filter: Filter = "bicubic",
    antialias: bool = True,
) -> Tensor:
    """Resize (B, C, H, W) to (B, C, height, width), not clipped.

    Args:
        x: Pictures, any range.
        height: Rows of the result.
        width: Columns of the result.
        ratio: Output over input of both axes; by default what the sizes say.
        filter: Which one.
        antialias: Widen the filter for a reduction, so that nothing is passed over.
    """
    across = _matrix(x.shape[-1], width, ratio or width / x.shape[-1], filter, antialias)
    down = _matrix(x.shape[-2], height, ratio or height / x.shape[-2], filter, antialias)
    columns = x @ upload(across.to(x.dtype), x.device).T
    return upload(down.to(x.dtype), x.device) @ columns


def bicubic_reduce(x: Tensor, scale: int) -> Tensor:
    """Reduce (B, 3, H, W) by a whole factor to (B, 3, ceil(H / s), ceil(W / s)), antialiased."""
    height, width = x.shape[-2:]
    return resize(x, -(-height // scale), -(-width // scale), ratio=1 / scale)


def bicubic_enlarge(x: Tensor, scale: int) -> Tensor:
    """Enlarge (B, 3, H, W) by a whole factor to (B, 3, H·s, W·s)."""
    height, width = x.shape[-2:]
    return resize(x, height * scale, width * scale, ratio=float(scale))
